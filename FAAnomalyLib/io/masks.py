"""Mask files: one mask, a label map, or a segmentation of 3D Slicer with named segments in one or more layers."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FAError
from ..volume import Volume
from .itk_files import ITK_ENDINGS, read_itk
from .volumes import check_file, load_volume

MAX_LAYERS = 256
MOST_NAMED = 12
"""Segments that an error names; a file with more is an atlas, whose user knows the numbers."""


@dataclass(frozen=True)
class Segment:
    """One mask of a file.

    Attributes
    ----------
    number
        By which a user chooses it: its label where no two segments share one, else its place in the file, from 1.
    name
        By which 3D Slicer shows it; empty where the file has no names.
    layer
        Index of the array that it lies in.
    label
        Its value there; 0 for every value above one half.
    """

    number: int
    name: str
    layer: int
    label: int

    def __str__(self) -> str:
        return f"{self.number} ({self.name})" if self.name else str(self.number)


@dataclass(frozen=True)
class MaskFile:
    """A file with its segments, of which none is merged with another unless asked for.

    Attributes
    ----------
    name
        Of the file.
    volume
        Grid of the masks; its data are the first layer.
    layers
        float32, (X, Y, Z, layers).
    segments
        At least one, which may be empty.
    """

    name: str
    volume: Volume
    layers: np.ndarray
    segments: tuple[Segment, ...]

    def mask(self, segment: Segment) -> Volume:
        """Voxels of one segment, bool."""
        data = self.layers[..., segment.layer]
        return self.volume.with_data(data == segment.label if segment.label else data > 0.5)

    def choose(self, wanted: str | None) -> Segment:
        """The segment of a name or number, or the only one where *wanted* is None.

        Raises
        ------
        FAError
            ``bad-request`` when there is no such segment, or several and none is wanted.
        """
        if wanted is None and len(self.segments) == 1:
            return self.segments[0]
        found = [s for s in self.segments if wanted is not None and wanted == s.name]
        found = found or [s for s in self.segments if wanted is not None and wanted == str(s.number)]
        if len(found) == 1:
            return found[0]
        held = ", ".join(map(str, self.segments[:MOST_NAMED])) + (", ..." if len(self.segments) > MOST_NAMED else "")
        count = len(self.segments)
        raise FAError(
            "bad-request",
            f"{self.name} holds {count} segments" if wanted is None else f"{self.name} has no one segment {wanted!r}",
            f"they are {held}" if count > 1 else f"its only one is {held}",
            "Choose one with --segment NAME|NUMBER",
        )


def read_mask_file(path: str | os.PathLike) -> MaskFile:
    """Read a mask and find out what it is made of.

    A file of whole numbers with more than one of them above 0 is a label map. Any other is one mask, of the values
    above one half. A segmentation that 3D Slicer saved (``.seg.nrrd``) says its segments itself.

    Parameters
    ----------
    path
        As for :func:`~FAAnomalyLib.io.volumes.load_volume`.

    Raises
    ------
    FAError
        ``bad-input``, or ``out-of-memory``.
    """
    path = Path(path)
    if path.name.lower().endswith(ITK_ENDINGS):
        check_file(path)
        data, affine, texts = read_itk(path, MAX_LAYERS)
        layers = data if data.ndim == 4 else data[..., None]
        volume = Volume(layers[..., 0], affine)
    else:
        volume, texts = load_volume(path)[0], {}
        layers = volume.data[..., None]
    layers = np.nan_to_num(layers, nan=0.0, posinf=1.0, neginf=0.0)
    return MaskFile(path.name, volume, layers, _named(texts) or _numbered(layers))


def _named(texts: dict[str, str]) -> tuple[Segment, ...]:
    """The segments that a header of 3D Slicer lists."""
    numbers = sorted(int(found[1]) for key in texts if (found := re.fullmatch(r"Segment(\d+)_ID", key)))
    try:
        listed = [
            (
                texts.get(f"Segment{n}_Name", ""),
                int(texts.get(f"Segment{n}_Layer", 0)),
                int(texts.get(f"Segment{n}_LabelValue", 1)),
            )
            for n in numbers
        ]
    except ValueError:
        return ()
    labels = [label for _, _, label in listed]
    unique = len(set(labels)) == len(labels)
    return tuple(
        Segment(label if unique else place, name, layer, label) for place, (name, layer, label) in enumerate(listed, 1)
    )


def _numbered(layers: np.ndarray) -> tuple[Segment, ...]:
    """The segments that the values tell."""
    found = []
    for layer in range(layers.shape[-1]):
        values = np.unique(layers[..., layer])
        values = values[values > 0]
        labelled = len(values) > 1 and (values == np.round(values)).all()
        found += [(layer, int(value) if labelled else 0) for value in (values if labelled else [1.0])]
    several = layers.shape[-1] > 1
    return tuple(
        Segment(place if several or not label else label, "", layer, label)
        for place, (layer, label) in enumerate(found, 1)
    )
