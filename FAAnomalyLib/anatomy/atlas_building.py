"""From tractography to a tract atlas: streamlines of each bundle counted on the template's grid."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..errors import FAError
from ..preprocessing.template import WHITE_MATTER_PROBABILITY, Template
from .tract_atlas import NODES, SIDES, Tract, TractAtlas
from .tractography_file import Tractography

STEP_MM = 0.5
"""Between points at which a streamline is counted."""
NEIGHBOURHOOD = np.array([(0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)])
"""A streamline counts in the voxels that it passes and in those that share a face: people differ by about as much."""
RIM_MM = 3.0
"""Standard deviation of the Gaussian that widens a tract: people's tracts lie a few millimetres apart."""
CORE_QUANTILE = 0.95
"""Quantile of a tract's smoothed shares, where it has streamlines, that stands for its core."""
MIN_MEMBERSHIP = 0.05
"""A voxel that belongs less to a tract is not kept."""
MIN_IN_WHITE_MATTER = 0.3
"""Share of a bundle that the template must show as white matter."""
MIN_TRACT_ML = 2.0
"""A smaller bundle is finer than the resolution of 4.5 mm at which maps are compared."""
LEFT_OUT_GROUPS = ("cranial nerve",)
BUNDLE_COLUMNS = ("bundle", "name", "abbreviation", "side", "group")


@dataclass(frozen=True)
class Bundle:
    """Name, short name, side and group of one bundle of a tractography."""

    name: str
    abbreviation: str
    side: str
    group: str


def read_bundles(path: Path) -> list[Bundle]:
    """Read the table that names the bundles, in their order in the tractography: :data:`BUNDLE_COLUMNS`.

    Raises
    ------
    FAError
        ``bad-input`` for a table that lacks a column or names an unknown side.
    """
    with open(path, newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    if not rows or not set(BUNDLE_COLUMNS) <= rows[0].keys():
        raise FAError(
            "bad-input", f"{path} does not name bundles", "", f"It needs the columns {', '.join(BUNDLE_COLUMNS)}"
        )
    bundles = [Bundle(row["name"], row["abbreviation"], row["side"], row["group"]) for row in rows]
    wrong = [bundle for bundle in bundles if bundle.side not in SIDES]
    if wrong:
        raise FAError(
            "bad-input", f"{path}: {wrong[0].name} has the side {wrong[0].side!r}", "", f"Known are {', '.join(SIDES)}"
        )
    return bundles


def build_atlas(
    tractography: Tractography, bundles: list[Bundle], template: Template
) -> tuple[TractAtlas, dict[str, str]]:
    """Count the streamlines of each bundle on the template's grid.

    Parameters
    ----------
    tractography
        In the template's world, mm.
    bundles
        Names of its bundles, in their order.
    template
        Grid, and white matter that a bundle must lie in.

    Returns
    -------
    (TractAtlas, dict)
        The tracts, and of each bundle that was left out its name and why.

    Raises
    ------
    FAError
        ``bad-input`` for a table of fewer bundles than the tractography has.
    """
    if tractography.bundle.max(initial=-1) >= len(bundles):
        raise FAError(
            "bad-input",
            f"The tractography has {tractography.bundle.max() + 1} bundles, the table {len(bundles)}",
            "",
            "Name every bundle in its order",
        )
    tracts, left_out = [], {}
    white_matter = template.priors.white_matter.ravel() > WHITE_MATTER_PROBABILITY
    for number, bundle in enumerate(bundles):
        if bundle.group in LEFT_OUT_GROUPS:
            left_out[bundle.name] = f"{bundle.group}: too thin for maps of FA"
            continue
        lines = [tractography.streamlines[n] for n in np.flatnonzero(tractography.bundle == number)]
        tract = _tract(bundle, lines, template)
        tract_ml = np.count_nonzero(tract.share) * template.fa.voxel_ml
        seen = float(tract.share[white_matter[tract.voxels]].sum() / tract.share.sum()) if tract.voxels.size else 0.0
        if seen < MIN_IN_WHITE_MATTER:
            left_out[bundle.name] = f"{seen:.0%} of it is white matter of the template"
        elif tract_ml < MIN_TRACT_ML:
            left_out[bundle.name] = f"{tract_ml:.1f} ml are finer than the resolution of the maps"
        else:
            tracts.append(tract)
    return TractAtlas(template.fa.shape, template.fa.affine, tuple(tracts)), left_out


def _tract(bundle: Bundle, lines: list[np.ndarray], template: Template) -> Tract:
    """Share of the streamlines and mean place along them, at each voxel."""
    shape, to_voxels = template.fa.shape, np.linalg.inv(template.fa.affine)
    count, along = np.zeros(shape), np.zeros(shape)
    for line in _in_one_direction(lines):
        points, place = _resampled(line)
        voxels = np.rint(points @ to_voxels[:3, :3].T + to_voxels[:3, 3]).astype(int)
        near = (voxels[:, None] + NEIGHBOURHOOD).reshape(-1, 3)
        inside = ((near >= 0) & (near < np.array(shape))).all(axis=1)
        flat = np.ravel_multi_index(near[inside].T, shape)
        touched, first = np.unique(flat, return_index=True)
        count.ravel()[touched] += 1
        along.ravel()[touched] += np.repeat(place, len(NEIGHBOURHOOD))[inside][first]
    share = count / max(len(lines), 1)
    membership = _membership(share, template.fa.spacing)
    voxels = np.flatnonzero(membership >= MIN_MEMBERSHIP).astype(np.int32)
    place = along.ravel()[voxels] / np.maximum(count.ravel()[voxels], 1)
    node = np.minimum(place * NODES, NODES - 1).astype(np.uint8)
    words = (bundle.name, bundle.abbreviation, bundle.side, bundle.group)
    kept_share, kept_membership = (a.ravel()[voxels].astype(np.float32) for a in (share, membership))
    return Tract(*words, len(lines), voxels, kept_share, kept_membership, node)


def _membership(share: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Smoothed shares over those of the tract's core, (X, Y, Z) in [0, 1]."""
    if not share.any():
        return share
    wide = ndimage.gaussian_filter(share, RIM_MM / spacing, truncate=3.0)
    membership: np.ndarray = np.minimum(wide / np.quantile(wide[share > 0], CORE_QUANTILE), 1.0)
    return membership


def _in_one_direction(lines: list[np.ndarray]) -> list[np.ndarray]:
    """The streamlines, turned so that all begin at the same end as the longest one."""
    if not lines:
        return []
    longest = max(lines, key=len)
    start, end = longest[0], longest[-1]

    def apart(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.linalg.norm(a - start) + np.linalg.norm(b - end))

    return [line if apart(line[0], line[-1]) <= apart(line[-1], line[0]) else line[::-1] for line in lines]


def _resampled(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points every :data:`STEP_MM` along a streamline, (N, 3) mm, and their place along it in [0, 1]."""
    length = np.concatenate([[0.0], np.linalg.norm(np.diff(line, axis=0), axis=1).cumsum()])
    at = np.linspace(0.0, length[-1], max(int(np.ceil(length[-1] / STEP_MM)), 1) + 1)
    points = np.stack([np.interp(at, length, line[:, axis]) for axis in range(3)], axis=1)
    return points, at / max(length[-1], 1e-6)
