"""A tract atlas: for each tract the share of its streamlines through each voxel of the template's space.

Slicer's process reads it, too: NumPy is all that it needs.
"""

from __future__ import annotations

import csv
import hashlib
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from ..errors import FAError

TRACTS_FILE, TABLE_FILE = "tracts.npz", "tracts.csv"
TABLE_COLUMNS = ("name", "abbreviation", "side", "group", "streamlines")
SIDES = ("left", "right", "both")
NODES = 20
"""Places along a tract, from one end to the other."""
FULL = 255
"""Stored value that means a share, or a membership, of 1."""
MIN_MEMBERSHIP = 0.3
"""Below it a voxel is not counted to the tract."""


@dataclass(frozen=True)
class Tract:
    """One tract of an atlas.

    Attributes
    ----------
    name, abbreviation
        In plain words (``left arcuate fasciculus``), and short (``AF L``).
    side
        One of :data:`SIDES`.
    group
        association, projection, commissural, cerebellar or brain stem.
    streamlines
        Number of streamlines behind it.
    voxels
        Indices into the flattened (C order) grid of the atlas, int32 (N,), increasing.
    share
        Share of the streamlines that pass within a voxel of each, float32 (N,) in [0, 1].
    membership
        How much the place belongs to the tract, float32 (N,) in [0, 1]: 1 in the core, less at the rim, which is as
        wide as people differ.
    node
        Place along the tract, uint8 (N,), 0 to 19.
    """

    name: str
    abbreviation: str
    side: str
    group: str
    streamlines: int
    voxels: np.ndarray
    share: np.ndarray
    membership: np.ndarray
    node: np.ndarray


@dataclass(frozen=True)
class TractAtlas:
    """Tracts on one grid.

    Attributes
    ----------
    shape
        Of the grid, (X, Y, Z).
    affine
        4x4, voxel to mm of the template's world (RAS).
    tracts
        In the order of the table.
    sha256
        Of the file of its arrays; empty for an atlas that was not read from one.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    tracts: tuple[Tract, ...]
    sha256: str = ""

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3])) / 1000.0)

    def tract(self, name: str) -> Tract:
        """The tract of a name or an abbreviation.

        Raises
        ------
        FAError
            ``bad-request`` for a name that the atlas does not have.
        """
        for tract in self.tracts:
            if name in (tract.name, tract.abbreviation):
                return tract
        raise FAError(
            "bad-request", f"The atlas has no tract {name!r}", "", f"It has {', '.join(t.name for t in self.tracts)}"
        )

    def flat_indices(self, points_ras: np.ndarray) -> np.ndarray:
        """Index of the voxel that holds each point.

        Parameters
        ----------
        points_ras
            (N, 3), mm of the template's world.

        Returns
        -------
        numpy.ndarray
            int64 (N,), into the flattened grid; -1 outside of it.
        """
        inverse = np.linalg.inv(self.affine)
        voxels = np.rint(points_ras @ inverse[:3, :3].T + inverse[:3, 3]).astype(np.int64)
        inside = ((voxels >= 0) & (voxels < np.array(self.shape))).all(axis=1)
        _, ny, nz = self.shape
        flat = (voxels[:, 0] * ny + voxels[:, 1]) * nz + voxels[:, 2]
        return np.where(inside, flat, -1)


def save_atlas(atlas: TractAtlas, folder: Path) -> None:
    """Write an atlas: :data:`TABLE_FILE`, one line a tract, and the arrays in :data:`TRACTS_FILE`."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / TABLE_FILE, "w", newline="", encoding="utf-8") as handle:
        rows = csv.writer(handle, lineterminator="\n")
        rows.writerow(TABLE_COLUMNS)
        rows.writerows((t.name, t.abbreviation, t.side, t.group, t.streamlines) for t in atlas.tracts)
    # Steps between increasing indices compress to a quarter of the indices themselves.
    steps = [np.diff(tract.voxels, prepend=0) for tract in atlas.tracts]
    np.savez_compressed(
        folder / TRACTS_FILE,
        shape=np.array(atlas.shape, np.int32),
        affine=atlas.affine,
        counts=np.array([tract.voxels.size for tract in atlas.tracts], np.int32),
        steps=np.concatenate(steps).astype(np.int32),
        share=np.concatenate([np.rint(tract.share * FULL) for tract in atlas.tracts]).astype(np.uint8),
        membership=np.concatenate([np.rint(tract.membership * FULL) for tract in atlas.tracts]).astype(np.uint8),
        node=np.concatenate([tract.node for tract in atlas.tracts]).astype(np.uint8),
    )


def load_atlas(folder: Path) -> TractAtlas:
    """Read an atlas of this layout; its arrays are read once, for the atlas and for their SHA-256.

    Raises
    ------
    FAError
        ``missing`` when a file is absent or damaged, or when the table and the arrays do not fit.
    """
    for name in (TABLE_FILE, TRACTS_FILE):
        if not (folder / name).is_file():
            raise FAError(
                "missing", f"{folder} is no tract atlas", f"{name} is not in it", "Choose another folder for --atlas"
            )
    try:
        with open(folder / TABLE_FILE, newline="", encoding="utf-8") as handle:
            table = list(csv.DictReader(handle))
        raw = (folder / TRACTS_FILE).read_bytes()
        with np.load(BytesIO(raw), allow_pickle=False) as stored:
            return _read(table, {name: stored[name] for name in stored.files}, hashlib.sha256(raw).hexdigest())
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise FAError(
            "missing",
            f"The tract atlas in {folder} is damaged",
            str(error).splitlines()[0] if str(error) else type(error).__name__,
            "Install it again, or choose another folder for --atlas",
        ) from error


def _read(table: list[dict[str, str]], stored: dict[str, np.ndarray], sha256: str) -> TractAtlas:
    x, y, z = (int(n) for n in stored["shape"])
    counts = stored["counts"]
    if len(table) != len(counts) or any(stored[name].size != counts.sum() for name in ("share", "membership", "node")):
        raise ValueError("table and arrays are of different tracts")
    tracts, start = [], 0
    for row, count in zip(table, counts, strict=True):
        part = slice(start, start + int(count))
        start += int(count)
        voxels = np.cumsum(stored["steps"][part], dtype=np.int64).astype(np.int32)
        if row["side"] not in SIDES or not count or voxels[0] < 0 or voxels[-1] >= x * y * z:
            raise ValueError(f"{row['name']} has no side or lies outside the grid")
        share, membership = (stored[name][part].astype(np.float32) / FULL for name in ("share", "membership"))
        words = (row["name"], row["abbreviation"], row["side"], row["group"], int(row["streamlines"]))
        tracts.append(Tract(*words, voxels, share, membership, stored["node"][part]))
    return TractAtlas((x, y, z), stored["affine"].astype(float), tuple(tracts), sha256)
