"""Small IXI, BraTS 2021 and MSLUB in the layouts as published, with an atlas: ellipsoids that look like T2 images.

Voxels are 3 mm and the final ones 6 mm, and registration ends at 6 mm (as exact here as at 4 mm, in a quarter of the
time), so that a subject is prepared in a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.public_data import t2_image
from FAAnomalyLib.public_data.t2_image import T2Settings
from FAAnomalyLib.volume import Volume

SETTINGS = T2Settings(3.0, (64, 64, 52), (64, 64, 32), bias_iterations=(5,))
SHAPE, MM = (66, 72, 54), 3.0
AXES_MM = np.array([66.0, 84.0, 62.0])
"""Half axes of the brain."""
LESION_MM = np.array([24.0, -15.0, 6.0])


@contextmanager
def coarse_registration() -> Iterator[None]:
    """Within the block subjects are registered on coarser levels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(t2_image, "SAMPLING_MM", (8.0, 6.0))
        yield


def world(shape=SHAPE, mm=MM) -> tuple[np.ndarray, np.ndarray]:
    """RAS mm of each voxel, (3, X, Y, Z), and the affine, of a grid about the origin."""
    affine = np.diag([mm, mm, mm, 1.0])
    affine[:3, 3] = -mm * (np.array(shape) - 1) / 2
    return np.indices(shape) * mm + affine[:3, 3].reshape(3, 1, 1, 1), affine


def brain_at(places: np.ndarray, seed: int = 0, lesion: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T2 intensities without skull, brain and lesion at *places*, (3, X, Y, Z) in the atlas' world."""
    x, y, z = places
    radius = np.sqrt(sum((places[i] / AXES_MM[i]) ** 2 for i in range(3)))
    brain = radius < 1
    ventricles = ((np.abs(x) - 10) / 7) ** 2 + ((y + 6) / 26) ** 2 + ((z - 8) / 12) ** 2 < 1
    cerebellum = (x / 36) ** 2 + ((y + 52) / 22) ** 2 + ((z + 36) / 18) ** 2 < 1
    t2 = np.where(radius > 0.82, 0.6, 0.38) + 0.1 * cerebellum + 0.04 * np.sin(x / 9) * np.cos(y / 11)
    t2 = np.where(ventricles, 1.0, t2)
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(x.shape), 1.0)
    t2 = t2 + 0.02 * noise / noise.std()
    spot = (sum((places[i] - LESION_MM[i]) ** 2 for i in range(3)) < 14**2) & brain
    if lesion:
        t2 = np.where(spot, 0.95, t2)
    return np.where(brain, 900 * np.clip(t2, 0.01, None), 0.0).astype(np.float32), brain, spot & lesion


def write_atlas(path: Path) -> Path:
    """The atlas that subjects are registered to."""
    places, affine = world()
    save_volume(Volume(brain_at(places)[0], affine), path)
    return path


def write_ixi(folder: Path, count: int = 3, masks: Path | None = None) -> Path:
    """Healthy people with skull, moved and scaled; brain masks in *masks* where it is given."""
    for number in range(count):
        image, brain, _ = _subject(number)
        skull = ndimage.binary_dilation(brain.data, iterations=3) & ~ndimage.binary_dilation(brain.data)
        name = f"IXI{2 + number:03d}-Guys-{828 + number:04d}"
        _save(image.with_data(np.where(skull, 700.0, image.data + 5.0)), folder / f"{name}-T2.nii.gz")
        if masks is not None:
            _save(brain, masks / f"{name}_mask.nii.gz")
    return folder


def write_brats(folder: Path, count: int = 4) -> Path:
    """Patients without skull in the atlas' space."""
    for number in range(count):
        places, affine = world()
        image, _, lesion = brain_at(places, 20 + number, lesion=True)
        name = f"BraTS2021_{number:05d}"
        _save(Volume(image, affine), folder / name / f"{name}_t2.nii.gz")
        _save(Volume((4 * lesion).astype(np.uint8), affine), folder / name / f"{name}_seg.nii.gz")
        _save(Volume(image, affine), folder / name / f"{name}_flair.nii.gz")
    return folder


def write_mslub(folder: Path, count: int = 3) -> Path:
    """Patients with skull, masks and a consensus beside the image."""
    for number in range(1, count + 1):
        image, brain, lesion = _subject(40 + number, lesion=True)
        name = f"patient{number:02d}"
        _save(image.with_data(np.where(brain.data, image.data, 300.0)), folder / name / f"{name}_T2W.nii.gz")
        _save(brain, folder / name / f"{name}_brainmask.nii.gz")
        _save(lesion, folder / name / f"{name}_consensus_gt.nii.gz")
        _save(image, folder / name / "raw" / f"{name}_T2W.nii.gz")
    return folder


def _subject(seed: int, lesion: bool = False) -> tuple[Volume, Volume, Volume]:
    """Image, brain and lesions of one head with a pose and a size of its own, on a flipped grid."""
    places, affine = world()
    generator = np.random.default_rng(seed)
    angle, shift = generator.uniform(-0.08, 0.08), generator.uniform(-5, 5, 3).reshape(3, 1, 1, 1)
    turned = np.stack(
        [
            np.cos(angle) * places[0] + np.sin(angle) * places[1],
            -np.sin(angle) * places[0] + np.cos(angle) * places[1],
            1.05 * places[2],
        ]
    )
    arrays = brain_at(turned + shift, seed, lesion)
    flipped = affine @ np.diag([-1.0, 1.0, 1.0, 1.0])
    flipped[0, 3] = -affine[0, 3]
    image, brain, spot = (Volume(np.ascontiguousarray(a[::-1]).astype(np.float32), flipped) for a in arrays)
    return image, brain, spot


def _save(volume: Volume, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_volume(volume, path)
