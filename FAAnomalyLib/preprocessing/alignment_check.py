"""How well an affine alignment fits: correlation, fine detail, contrast of grey and white matter, shape of the head."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from ..geometry.orientation import LPS_TO_RAS
from ..io.volumes import to_itk
from ..volume import Volume

if TYPE_CHECKING:
    import SimpleITK

MIN_CORRELATION = 0.4
"""Below this Pearson correlation over the template's brain a volume is refused: it is no FA map of a brain, or its
orientation is wrong."""
MIN_DETAIL = 0.36
"""The same for the correlation of what is finer than :data:`DETAIL_MM`: white matter lies in the middle of a brain
however the brain is turned, but tracts do not match (real data: 0.55 and more; turned by 180 degrees: 0.2 at most)."""
DETAIL_MM = 6.0
"""Sigma of the wide Gaussian that is subtracted; the narrow one is a fifth of it."""
MIN_SEEN = 0.2
"""Share of the template's brain that must lie in the volume's data."""
MAX_GREY_TO_WHITE = 0.6
"""Median of grey over that of white matter beyond which a map is no FA (FA: 0.19 to 0.47, T1-weighted images: 0.65 to
0.8)."""
GREY_FA, WHITE_FA = (0.05, 0.2), 0.4
"""FA of the template in grey, and at least in white matter."""
UNSEEN = -1.0
"""Stands for the correlation when less is seen."""


@dataclass(frozen=True)
class Comparison:
    """A template and a subject whose alignments are compared.

    Attributes
    ----------
    fixed
        The template: FA in [0, 1], (X, Y, Z).
    moving
        The subject: FA in [0, 1], 0 where nothing was measured.
    where
        Part of the template's brain that counts, bool on the grid of *fixed*.
    """

    fixed: Volume
    moving: Volume
    where: np.ndarray

    def correlation(self, matrix: np.ndarray) -> float:
        """Pearson correlation under *matrix*, 4x4, template RAS mm -> subject RAS mm; :data:`UNSEEN` for too little."""
        moved, template, seen = self._overlaid(matrix)
        if seen.sum() <= MIN_SEEN * self.where.sum():
            return UNSEEN
        return float(np.corrcoef(moved[seen], template[seen])[0, 1])

    def detail(self, matrix: np.ndarray) -> float:
        """Correlation of the difference of two Gaussian means, a narrow one minus a wide one."""
        moved, template, seen = self._overlaid(matrix)
        if not seen.any():
            return UNSEEN
        wide = DETAIL_MM / self.fixed.spacing[::-1]

        def mean(values: np.ndarray, sigma: np.ndarray) -> np.ndarray:
            weight = ndimage.gaussian_filter(seen.astype(np.float32), sigma)
            return ndimage.gaussian_filter(np.where(seen, values, 0.0), sigma)[seen] / np.maximum(weight[seen], 1e-6)

        return float(np.corrcoef(*(mean(x, wide / 5.0) - mean(x, wide) for x in (moved, template)))[0, 1])

    def grey_to_white(self, matrix: np.ndarray) -> float:
        """Median FA where the template is grey over that where it is white; 0 where either is unseen."""
        moved, template, seen = self._overlaid(matrix)
        grey = moved[seen & (template > GREY_FA[0]) & (template < GREY_FA[1])]
        white = moved[seen & (template > WHITE_FA)]
        return float(np.median(grey) / np.median(white)) if grey.size and white.size else 0.0

    def fits(
        self, matrix: np.ndarray, min_correlation: float = MIN_CORRELATION, min_detail: float = MIN_DETAIL
    ) -> bool:
        """Whether correlation and detail are those of an FA map in its right place."""
        return self.correlation(matrix) >= min_correlation and self.detail(matrix) >= min_detail

    @cached_property
    def images(self) -> tuple[SimpleITK.Image, SimpleITK.Image]:
        """Template and subject for SimpleITK, float32."""
        fixed, moving = (to_itk(v.with_data(v.data.astype(np.float32))) for v in (self.fixed, self.moving))
        return fixed, moving

    def _overlaid(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Subject and template, (Z, Y, X), and a mask of where the subject has data (a slab shows a part)."""
        import SimpleITK as sitk

        target, source = self.images
        lps = LPS_TO_RAS @ matrix @ LPS_TO_RAS
        transform = sitk.AffineTransform(lps[:3, :3].ravel().tolist(), lps[:3, 3].tolist())
        moved = sitk.GetArrayFromImage(sitk.Resample(source, target, transform, sitk.sitkLinear, 0.0))
        return moved, sitk.GetArrayFromImage(target), self.where.transpose(2, 1, 0) & (moved > 0)


def is_head_like(matrix: np.ndarray) -> bool:
    """Whether the linear part scales no more than heads differ from a template, and does not mirror.

    >>> is_head_like(np.diag([1.1, 0.9, 1.0, 1.0])), is_head_like(np.diag([-1.0, 1.0, 1.0, 1.0]))
    (True, False)
    """
    scales = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    return bool(scales.max() < 1.5 and scales.min() > 0.6 and np.linalg.det(matrix[:3, :3]) > 0)


def rotation_degrees(matrix: np.ndarray) -> float:
    """Angle of the rotation nearest to the linear part.

    >>> round(rotation_degrees(np.array([[0.0, -2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 2.0]])), 6)
    90.0
    """
    u, _, vh = np.linalg.svd(matrix[:3, :3])
    return float(np.degrees(np.arccos(np.clip((np.trace(u @ vh) - 1.0) / 2.0, -1.0, 1.0))))
