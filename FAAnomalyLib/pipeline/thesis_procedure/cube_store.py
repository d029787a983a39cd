"""Finished cubes on disk: each is stored when it ends, and found again by the next call (listing A.22)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ...errors import FAError
from ...inpainting.roaming_cubes import Origin
from ...io.atomic import atomic_write, cannot_write

FOLDER = "cubes"
IDENTITY = "cubes.json"


class CubeStore:
    """Cubes ``NAME_I_J_K.npy`` of one run in the folder ``cubes`` of its output.

    The listing stores the whole volume of every cube, 8 MB each, of which only the hole is used; here a file holds
    the hole's voxels alone: FA, float32 (K, V) of K draws, in C order of the hole.

    Parameters
    ----------
    output
        Output folder of the run.
    name
        Of the subject.
    identity
        Everything that decides what cubes are filled with, fit for JSON. Cubes of other options, of another scan or
        another model are never mixed.

    Raises
    ------
    FAError
        ``bad-request`` when the folder holds cubes of another identity.
    """

    def __init__(self, output: Path, name: str, identity: dict) -> None:
        self.folder, self._name = output / FOLDER, name
        self._claim(json.loads(json.dumps(identity)))

    def path(self, origin: Origin) -> Path:
        """File of the cube that begins at *origin*."""
        return self.folder / f"{self._name}_{'_'.join(map(str, origin))}.npy"

    def read(self, origin: Origin, draws: int, voxels: int) -> np.ndarray | None:
        """The cube's values, (draws, voxels); None when its file is absent, damaged or of another size."""
        try:
            values = np.load(self.path(origin), allow_pickle=False)
        except (OSError, EOFError, ValueError):
            return None
        return values if values.shape == (draws, voxels) and np.isfinite(values).all() else None

    def write(self, origin: Origin, values: np.ndarray) -> None:
        """Keep a finished cube; raises ``FAError('bad-input')`` when it cannot be written."""
        path = self.path(origin)
        try:
            with atomic_write(path) as temporary, open(temporary, "wb") as handle:
                np.save(handle, values)
        except OSError as error:
            raise cannot_write(path, error) from error

    def _claim(self, identity: dict) -> None:
        path = self.folder / IDENTITY
        if path.is_file():
            try:
                stored = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                stored = {}
            different = sorted(key for key in {*stored, *identity} if stored.get(key) != identity.get(key))
            if different:
                raise FAError(
                    "bad-request",
                    f"{self.folder} holds the cubes of another run",
                    f"its {', '.join(different)} differ",
                    "Give the same options to go on, or choose another output folder",
                )
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as temporary:
                temporary.write_text(json.dumps(identity, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise cannot_write(path, error) from error
