"""Draw the picture of the bundled sample for Slicer's Sample Data module: ``python Testing/Icons/draw_sample.py``.

The axial slice through the planted anomaly, which is ringed; the patient's right is on the left, as in Slicer.
"""

from __future__ import annotations

import nibabel
import numpy as np
from draw_icons import ROOT, SPOT, disc, distance, png
from scipy.ndimage import center_of_mass, map_coordinates

PICTURE = ROOT / "FAAnomaly" / "Resources" / "Icons" / "FAAnomalySample.png"
SAMPLE = ROOT / "Resources" / "SampleData"
WIDTH, HEIGHT = 260, 280
"""What Slicer asks of such pictures."""

MARGIN_MM, BRIGHTEST_FA, RING_MM, LINE = 6.0, 0.85, 13.0, 3.0


def raster() -> np.ndarray:
    """The picture as HEIGHT x WIDTH pixels RGBA, uint8."""
    fa, truth = (
        nibabel.as_closest_canonical(nibabel.load(SAMPLE / name))
        for name in ("sample_fa.nii.gz", "sample_truth.nii.gz")
    )
    values, edge = fa.get_fdata(), np.array(fa.header.get_zooms()[:2])
    x0, y0, z = center_of_mass(np.asarray(truth.dataobj) > 0)
    brain = np.argwhere((values > 0.05).any(axis=2))
    middle, half = (brain.max(0) + brain.min(0)) / 2, (brain.max(0) - brain.min(0)) / 2 * edge + MARGIN_MM
    mm = max(2 * half[0] / WIDTH, 2 * half[1] / HEIGHT)

    # The patient's right, which is large x, is on the left, and the front, which is large y, is up.
    right = (np.arange(WIDTH) + 0.5 - WIDTH / 2) * mm
    down = (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) * mm
    x, y = np.meshgrid(middle[0] - right / edge[0], middle[1] - down / edge[1])
    grey = 255 * np.clip(map_coordinates(values, [x, y, np.full_like(x, z)], order=3) / BRIGHTEST_FA, 0, 1)

    spot = (middle - (x0, y0)) * edge / mm + (WIDTH / 2, HEIGHT / 2)
    ring = disc(*spot, RING_MM / mm, SPOT).polyline()
    at = np.stack(np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5), axis=-1).reshape(-1, 2)
    away = distance(np.concatenate([ring, ring[:1]]), at).reshape(HEIGHT, WIDTH, 1)
    cover = np.clip(LINE / 2 - away + 0.5, 0, 1)
    colour = np.array([int(SPOT[i : i + 2], 16) for i in (1, 3, 5)])
    rgb = grey[..., None] * (1 - cover) + colour * cover
    return np.round(np.concatenate([rgb, np.full((HEIGHT, WIDTH, 1), 255)], axis=2)).astype(np.uint8)


def main() -> None:
    PICTURE.write_bytes(png(raster()))
    print(PICTURE)


if __name__ == "__main__":
    main()
