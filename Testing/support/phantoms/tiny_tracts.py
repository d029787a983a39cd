"""A world of three straight tracts on a small grid: one of each side and one that crosses, for tests of anatomy."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from FAAnomalyLib.anatomy.atlas_building import Bundle, build_atlas
from FAAnomalyLib.anatomy.tract_atlas import TractAtlas
from FAAnomalyLib.anatomy.tractography_file import Tractography
from FAAnomalyLib.preprocessing.template import Template, TemplatePriors, symmetric_grid
from FAAnomalyLib.volume import Volume

SHAPE, MM = (40, 36, 20), 2.0
BUNDLES = [
    Bundle("left long tract", "LT L", "left", "association"),
    Bundle("right long tract", "LT R", "right", "association"),
    Bundle("bridge", "Br", "both", "commissural"),
]


def template() -> Template:
    """White matter everywhere, FA rising from the back to the front."""
    fa = np.broadcast_to(np.linspace(0.3, 0.6, SHAPE[1])[None, :, None], SHAPE).astype(np.float32)
    ones = np.ones(SHAPE, np.float32)
    return Template(Volume(fa, symmetric_grid(SHAPE, MM, (0.0, 0.0, 0.0))), TemplatePriors(fa, ones, ones))


def tractography(count: int = 10) -> Tractography:
    """Streamlines 1 mm apart: two tracts from back to front at x = -20 and 20 mm, a bridge at y = 0 from left to right.

    Every second streamline runs the other way.
    """
    lines, bundle = [], []
    for number in range(count):
        beside = number - (count - 1) / 2
        for which, x in enumerate((-20.0, 20.0)):
            lines.append(np.array([(x, y, 0.8 * beside) for y in np.arange(-26.0, 26.1, 1.0)]))
            bundle.append(which)
        lines.append(np.array([(x, 0.0, 0.8 * beside) for x in np.arange(-26.0, 26.1, 1.0)]))
        bundle.append(2)
    return Tractography([line[::-1] if n // 3 % 2 else line for n, line in enumerate(lines)], np.array(bundle))


def atlas() -> TractAtlas:
    """The three tracts."""
    return build_atlas(tractography(), BUNDLES, template())[0]


def write_tiny_track(path: Path, made: Tractography) -> Path:
    """The streamlines as a ``.tt.gz`` file whose voxels of 1 mm run to the left and to the back."""
    to_mm = np.array([[-1, 0, 0, 50], [0, -1, 0, 60], [0, 0, 1, -40], [0, 0, 0, 1]], np.float32)
    track = b""
    for line in made.streamlines:
        voxels = np.rint((line - to_mm[:3, 3]) @ np.linalg.inv(to_mm[:3, :3]).T * 32).astype(int)
        steps = np.diff(voxels, axis=0).astype(np.int8).tobytes()
        track += struct.pack("<I3i", len(steps) + 3, *voxels[0]) + steps
    parts = [
        ("trans_to_mni", 10, to_mm.reshape(1, 16)),
        ("cluster", 40, made.bundle.astype("<u2").reshape(-1, 1)),
        ("track", 50, np.frombuffer(track, np.uint8).reshape(-1, 1)),
    ]
    content = b"".join(
        struct.pack("<5i", kind, *array.shape, 0, len(name) + 1) + name.encode() + b"\0" + array.T.tobytes()
        for name, kind, array in parts
    )
    path.write_bytes(gzip.compress(content))
    return path
