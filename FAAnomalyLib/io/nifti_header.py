"""NIfTI headers: what they say about bytes, lengths and place, and what is made of it where it is nonsense.

Works on the bytes, because nibabel takes some of the nonsense at its word and refuses other files for a number that
does not matter.
"""

from __future__ import annotations

import struct
from typing import Any, Literal, NamedTuple

import numpy as np

from ..volume import NiftiForms

PLAUSIBLE_MM = (0.01, 100.0)
"""Edge of a voxel, of anything from a mouse to a test object: a unit that leads out of it was set by mistake."""
UNITS = {1: ("metres", 1000.0), 3: ("micrometres", 0.001)}
"""NIfTI code of a spatial unit -> its name and millimetres; every other code counts as millimetres."""


class _Fields(NamedTuple):
    """Where one of the two versions keeps its fields: offset in bytes and format of ``struct``."""

    dimensions: tuple[int, str]
    bits: int
    begin: tuple[int, str]
    intercept: tuple[int, str]
    magic: tuple[int, bytes, bytes]


FIELDS = {
    348: _Fields((40, "8h"), 72, (108, "f"), (116, "f"), (344, b"n+1\0", b"ni1\0")),
    540: _Fields((16, "8q"), 14, (168, "q"), (184, "d"), (4, b"n+2\0", b"ni2\0")),
}
"""Size of the header in bytes, which tells the version -> its fields."""


def header_size(raw: bytes) -> int | None:
    """348 for NIfTI-1, 540 for NIfTI-2, in either byte order; None for anything else."""
    return {raw[:4] == n.to_bytes(4, order): n for n in FIELDS for order in ("little", "big")}.get(True)


def has_magic(raw: bytes, size: int) -> bool:
    """Whether the header of *size* bytes carries the mark of a NIfTI file, as a header from before NIfTI does not."""
    where, *known = FIELDS[size].magic
    return raw[where : where + 4] in known


def voxel_bytes(raw: bytes, size: int) -> int:
    """Bytes that the voxels take by the header of *size* bytes."""
    if len(raw) < size:
        return size
    fields, order = FIELDS[size], _order(raw)
    sizes = struct.unpack_from(order + fields.dimensions[1], raw, fields.dimensions[0])
    (bits,) = struct.unpack_from(order + "h", raw, fields.bits)
    return int(np.prod([float(n) for n in sizes[1 : 1 + min(sizes[0], 7)]])) * bits // 8


def mended(raw: bytes, size: int, name: str) -> tuple[bytes, list[str]]:
    """The bytes of a file with an absent start of the voxels and an intercept that is no number put right.

    Parameters
    ----------
    raw
        The whole file, unpacked.
    size
        Of its header, as :func:`header_size` gives it.
    name
        Of the file, for the remarks.

    Returns
    -------
    raw : bytes
        With the four bytes that stand between header and voxels, where the file lacks them.
    remarks : list of str
        For the user; empty when nothing was mended.
    """
    remarks: list[str] = []
    if len(raw) < size:
        return raw, remarks
    fields, order, changed = FIELDS[size], _order(raw), bytearray(raw)
    where, kind = fields.intercept
    slope = struct.unpack_from(order + kind, raw, where - struct.calcsize(kind))[0]
    scaled = np.isfinite(slope) and slope != 0
    if scaled and not np.isfinite(struct.unpack_from(order + kind, raw, where)[0]):
        struct.pack_into(order + kind, changed, where, 0.0)
        remarks.append(f"the intercept of {name} is no number; 0 was taken")
    where, kind = fields.begin
    # Voxels at byte 0 would be the header's own bytes. The length of the file tells whether they follow the header.
    rest = len(raw) - voxel_bytes(raw, size)
    if struct.unpack_from(order + kind, raw, where)[0] == 0 and rest in (size, size + 4):
        struct.pack_into(order + kind, changed, where, size + 4)
        changed[size:size] = bytes(size + 4 - rest)
        remarks.append(f"{name} does not say where its voxels begin; they were taken to follow the header")
    return bytes(changed), remarks


def millimetres(header: Any, affine: np.ndarray, name: str) -> tuple[float, list[str]]:
    """Millimetres in the header's unit of length, and a remark where it is another or an implausible one.

    *affine* (4x4) holds the numbers as they stand in the file. A unit of metres beside a voxel of "2" is a mistake
    of the writer, who meant millimetres.
    """
    unit, factor = UNITS.get(int(header["xyzt_units"]) & 7, ("", 1.0))
    if not unit:
        return 1.0, []
    edges = np.linalg.norm(affine[:3, :3], axis=0) * factor
    if edges.min() < PLAUSIBLE_MM[0] or edges.max() > PLAUSIBLE_MM[1]:
        return 1.0, [f"{name} gives its lengths in {unit}, which cannot be; millimetres were taken"]
    return factor, [f"{name} gives its lengths in {unit}; converted to millimetres"]


def forms_of(header: Any, factor: float) -> NiftiForms:
    """Both forms of a nibabel header in mm, lengths multiplied by *factor*; a qform that is unusable has code 0."""
    scale = np.array([[factor], [factor], [factor], [1.0]])
    code = max(int(header["qform_code"]), 0)
    try:
        qform = np.asarray(header.get_qform(), dtype=np.float64)
    except Exception:  # a quaternion that is none does no harm beside a good sform
        qform, code = np.eye(4), 0
    if not np.isfinite(qform).all():
        qform, code = np.eye(4), 0
    sform = np.asarray(header.get_sform(), dtype=np.float64)
    return NiftiForms(qform * scale, code, sform * scale, max(int(header["sform_code"]), 0))


def forms_remark(forms: NiftiForms, distance_mm: float, name: str) -> str:
    """One sentence for two forms whose voxels lie up to *distance_mm* apart."""
    said = f"qform and sform of {name} disagree by up to {distance_mm:.1f} mm"
    if forms.contradictory:
        said += " and about left and right, so that the side is unknown"
    if forms.itk_affine(np.ones(3)) is forms.sform:
        return f"{said}; the sform is used, here and in 3D Slicer"
    return f"{said}; the sform is used, and what was drawn in 3D Slicer is placed by the qform, as Slicer does"


def _order(raw: bytes) -> Literal["<", ">"]:
    return "<" if raw[0] in (92, 28) else ">"
