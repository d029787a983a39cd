"""The cases of ``messy_input.py``: one brain with a planted change, stored and spoilt as other programs do it."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK
from nibabel.analyze import AnalyzeImage
from scipy import ndimage

from FAAnomalyLib.volume import Volume

RADIUS_MM = 15.0


@dataclass(frozen=True)
class Case:
    """One input and what must come of it.

    Attributes
    ----------
    name
        For the table.
    make
        Writes the file into a folder and returns its path.
    expected
        ``found`` (the change, on the left at its own millimetres), ``found, side unknown``, ``refused``, ``left out``
        (nothing at its place, and said) or ``bounded`` (no z beyond 40).
    said
        Words of which one must be in the error or in the remarks; empty for none.
    params
        More parameters of the request; a callable gets the folder.
    """

    name: str
    make: Callable[[Path], Path]
    expected: str = "found"
    said: tuple[str, ...] = ()
    params: Callable[[Path], dict[str, Any]] = field(default=lambda folder: {})


class Brain:
    """The map with the change, and every way to spoil it."""

    def __init__(self, volume: Volume, sphere: np.ndarray, centre_ras: np.ndarray) -> None:
        self.data, self.affine = volume.data.astype(np.float32), volume.affine
        self.sphere, self.centre, self.spacing = sphere, centre_ras, volume.spacing
        self.outside = ~ndimage.binary_fill_holes(self.data > 0)
        self.beyond = ndimage.distance_transform_edt(self.outside, sampling=self.spacing)
        self.ras = np.moveaxis(np.indices(self.data.shape), 0, -1) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def nifti(self, name: str, data: np.ndarray | None = None, affine: np.ndarray | None = None, **more: Any) -> Any:
        """A maker of a NIfTI file; *more*: ``kind``, ``codes`` and ``qform``."""

        def make(folder: Path) -> Path:
            nibabel.save(self.image(data, affine, **more), folder / name)
            return folder / name

        return make

    def image(
        self,
        data: np.ndarray | None = None,
        affine: np.ndarray | None = None,
        kind: Any = nibabel.Nifti1Image,
        codes: tuple[int, int] = (1, 1),
        qform: np.ndarray | None = None,
    ) -> Any:
        affine = self.affine if affine is None else affine
        image = kind(self.data if data is None else data, affine)
        image.header.set_zooms((*self.spacing, *image.header.get_zooms()[3:]))
        image.set_qform((affine if qform is None else qform) if codes[0] else None, codes[0])
        image.set_sform(affine if codes[1] else None, codes[1])
        image.header.set_xyzt_units("mm")
        return image

    def bytes(self, name: str, change: Callable[[bytearray], Any]) -> Callable[[Path], Path]:
        """A maker of a file whose bytes *change* spoils; it may return new ones."""

        def make(folder: Path) -> Path:
            raw = bytearray(self.image().to_bytes())
            changed = change(raw)
            (folder / name).write_bytes(bytes(raw) if changed is None else changed)
            return folder / name

        return make

    def header(self, name: str, where: int, kind: str, *values: Any) -> Callable[[Path], Path]:
        """A maker of an uncompressed NIfTI-1 file with other *values* at byte *where* of its header."""
        return self.bytes(name, lambda raw: struct.pack_into(kind, raw, where, *values))

    def stored(self, codes: str) -> tuple[np.ndarray, np.ndarray]:
        """Voxels and affine in another axis order."""
        from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

        turn = ornt_transform(io_orientation(self.affine), axcodes2ornt(tuple(codes)))
        turned = nibabel.Nifti1Image(self.data, self.affine).as_reoriented(turn)
        return np.asarray(turned.dataobj), turned.affine

    def itk(self, name: str, data: np.ndarray | None = None) -> Callable[[Path], Path]:
        """A maker of a file by SimpleITK, placed by SimpleITK's own reading of a NIfTI file."""

        def make(folder: Path) -> Path:
            between = self.nifti("between.nii", data)(folder)
            SimpleITK.WriteImage(SimpleITK.ReadImage(str(between)), str(folder / name))
            return folder / name

        return make

    def plain(self, name: str) -> Callable[[Path], Path]:
        """A maker of a NRRD or MetaImage file that says nothing of the patient."""
        sizes = " ".join(map(str, self.data.shape))
        edges = " ".join(f"{mm:g}" for mm in self.spacing)
        head = (
            f"NRRD0004\ntype: float\ndimension: 3\nsizes: {sizes}\nspacings: {edges}\nendian: little\nencoding: raw\n\n"
        )
        if name.endswith(".mha"):
            head = (
                "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
                f"DimSize = {sizes}\nElementSpacing = {edges}\nElementType = MET_FLOAT\nElementDataFile = LOCAL\n"
            )
        content = head.encode() + self.data.tobytes("F")

        def make(folder: Path) -> Path:
            (folder / name).write_bytes(content)
            return folder / name

        return make

    def analyze(self, folder: Path) -> Path:
        nibabel.save(AnalyzeImage(self.data, self.affine), folder / "a.img")
        return folder / "a.hdr"

    def freesurfer(self, folder: Path) -> Path:
        nibabel.save(nibabel.MGHImage(self.data, self.affine), folder / "a.mgz")
        return folder / "a.mgz"

    def integers(self, folder: Path) -> Path:
        image = nibabel.Nifti1Image(np.round(self.data * 1000).astype(np.uint16), self.affine)
        image.header.set_slope_inter(0.001, 0)
        nibabel.save(image, folder / "a.nii.gz")
        return folder / "a.nii.gz"

    def turned(self, degrees: float) -> np.ndarray:
        """4x4: the head turned about the left-right axis through the middle of the data."""
        middle = (self.affine @ [*((np.array(self.data.shape) - 1) / 2), 1.0])[:3]
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1.0]])
        turn[:3, 3] = middle - turn[:3, :3] @ middle
        return turn

    def roi(self, folder: Path, edge_mm: float = 36.0, boxes: int = 1) -> dict[str, Any]:
        """Parameters with a file of ROI boxes round the change, as 3D Slicer saves it."""
        centre = [float(-self.centre[0]), float(-self.centre[1]), float(self.centre[2])]
        markup = {"type": "ROI", "center": centre, "size": [edge_mm] * 3}
        (folder / "R.mrk.json").write_text(json.dumps({"markups": [markup] * boxes}))
        return {"roi": str(folder / "R.mrk.json")}

    def mask(self, folder: Path, data: np.ndarray, key: str) -> dict[str, Any]:
        nibabel.save(self.image(data.astype(np.uint8)), folder / "mask.nii.gz")
        return {key: str(folder / "mask.nii.gz")}


def storage_cases(brain: Brain) -> list[Case]:
    """The same voxels in another order, format or header: the change must be found at the same millimetres."""
    cases = [Case(f"axis order {c}", brain.nifti("a.nii.gz", *brain.stored(c))) for c in ("LAS", "LPS", "PIR", "SPR")]
    turned = brain.turned(6.0) @ brain.affine
    garbage = b"garbage of a transfer"
    unknown = "side is unknown"
    return [
        *cases,
        Case("qform alone", brain.nifti("a.nii", codes=(1, 0))),
        Case("sform alone", brain.nifti("a.nii", codes=(0, 2))),
        Case("qform of another place", brain.nifti("a.nii.gz", qform=turned), said=("disagree",)),
        Case("4D with one frame", brain.nifti("a.nii.gz", brain.data[..., None])),
        Case("NIfTI-2", brain.nifti("a.nii", kind=nibabel.Nifti2Image)),
        Case("integers with a slope", brain.integers),
        Case("NIfTI pair", brain.nifti("a.img", kind=nibabel.Nifti1Pair)),
        Case("NRRD", brain.itk("a.nrrd")),
        Case("NRRD with detached header", brain.itk("a.nhdr")),
        Case("MetaImage", brain.itk("a.mha")),
        Case("FreeSurfer MGZ", brain.freesurfer),
        Case("vox_offset 0", brain.header("a.nii", 108, "<f", 0.0), said=("where its voxels begin",)),
        Case("intercept NaN", brain.header("a.nii", 112, "<ff", 1.0, np.nan), said=("intercept",)),
        Case("metres by mistake", brain.header("a.nii", 123, "<B", 1), said=("millimetres were taken",)),
        Case("gzipped twice", brain.bytes("a.nii.gz", lambda raw: gzip.compress(gzip.compress(raw)))),
        Case(
            "garbage behind gzip", brain.bytes("a.nii.gz", lambda raw: gzip.compress(raw) + garbage), said=("behind",)
        ),
        Case("both codes 0", brain.nifti("a.nii", codes=(0, 0)), "found, side unknown", (unknown,)),
        Case("Analyze 7.5", brain.analyze, "found, side unknown", (unknown,)),
        Case("NRRD without space", brain.plain("a.nrrd"), "found, side unknown", (unknown,)),
        Case("MetaImage without matrix", brain.plain("a.mha"), "found, side unknown", (unknown,)),
    ]


def refused_cases(brain: Brain) -> list[Case]:
    """What is no FA map of a brain, or says too little to be one: one clear line."""
    scales = [0.001, 0.1, 10.0, 200.0, 225.0, 512.0, 2000.0, 16384.0]
    upside_down = np.diag([1.0, 1.0, -1.0, 1.0])
    flipped = upside_down @ brain.affine
    flipped[2, 3] += 2 * brain.ras[..., 2].mean()
    shaken = np.random.default_rng(0).uniform(0.05, 0.6, brain.data.shape).astype(np.float32)
    half = gzip.compress(bytes(brain.image().to_bytes()))[:-4000]

    def whole(folder: Path) -> dict[str, Any]:
        return brain.mask(folder, np.ones(brain.data.shape), "region")

    def empty(folder: Path) -> dict[str, Any]:
        return brain.mask(folder, np.zeros(brain.data.shape), "region")

    return [
        *(Case(f"FA times {s:g}", brain.nifti("a.nii.gz", brain.data * np.float32(s)), "refused") for s in scales),
        Case("scale 1000 on 0 to 1", brain.nifti("a.nii.gz"), "refused", ("Scale",), lambda f: {"scale": 1000.0}),
        Case("colours", brain.nifti("a.nii.gz", _colours(brain.data)), "refused", ("plain number",)),
        Case("complex numbers", brain.nifti("a.nii.gz", brain.data.astype(np.complex64)), "refused", ("complex",)),
        Case("no magic", brain.header("a.nii", 344, "<4s", b"\0" * 4), "refused", ("mark of NIfTI",)),
        Case("cut off", brain.bytes("a.nii.gz", lambda raw: half), "refused", ("ends too early",)),
        Case("half of a pair", brain.bytes("a.img", lambda raw: None), "refused", ("half of a pair",)),
        Case("upside down", brain.nifti("a.nii.gz", affine=flipped), "refused", ("aligned",)),
        Case("noise", brain.nifti("a.nii.gz", np.where(brain.outside, 0, shaken)), "refused", ("aligned",)),
        Case("two boxes in a file", brain.nifti("a.nii.gz"), "refused", ("2", "two"), lambda f: brain.roi(f, 20, 2)),
        Case("whole brain as region", brain.nifti("a.nii.gz"), "refused", (), whole),
        Case("empty region", brain.nifti("a.nii.gz"), "refused", ("empty",), empty),
    ]  # fmt: skip


def _colours(data: np.ndarray) -> np.ndarray:
    colours = np.zeros(data.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["R"] = data * 255
    return colours


def content_cases(brain: Brain) -> list[Case]:
    """Other backgrounds, rims, heads and gaps: the change is found, or the gap is named and not judged."""
    draw = np.random.default_rng(0)
    data, outside, beyond = brain.data, brain.outside, brain.beyond
    noise, scalp = draw.beta(5, 4, data.shape).astype("f4"), draw.beta(4, 10, data.shape).astype("f4")
    head = np.where((beyond > 6) & (beyond <= 11), scalp, np.where(outside, noise, data))
    rest = np.where(beyond > 11, np.float32(0), head)
    opened = (np.abs(brain.ras - brain.centre)[..., 1:].max(-1) < 17) & (brain.ras[..., 0] < brain.centre[0] + 12)
    left = brain.ras[..., 0] - brain.ras[..., 0][~outside].mean() < 0
    filled = {"constant 1e-6": 1e-6, "0.001": 0.001, "-1": -1.0, "1": 1.0, "NaN": np.nan}
    gap = ("nothing was measured",)
    nodding = brain.turned(30.0) @ brain.affine
    whole = np.ones(data.shape)
    return [
        *(
            Case(f"background {name}", brain.nifti("a.nii.gz", np.where(outside, np.float32(value), data)))
            for name, value in filled.items()
        ),
        Case("ringing of splines", brain.nifti("a.nii.gz", ndimage.shift(data, [0.4, 0.3, 0.2], order=5))),
        Case("noisy rim of 3 mm", brain.nifti("a.nii.gz", np.where(outside & (beyond <= 3), noise, data))),
        Case("skull and scalp", brain.nifti("a.nii.gz", rest)),
        Case("no mask at all", brain.nifti("a.nii.gz", head)),
        Case("turned by 30 degrees", brain.nifti("a.nii.gz", affine=nodding), "found, turned"),
        Case("5 mm slices", *_thick(brain, 5.0)),
        Case("7 mm slices", *_thick(brain, 7.0), said=("slices",)),
        Case("left half alone", brain.nifti("a.nii.gz", np.where(left, data, 0)), said=("of a whole brain",)),
        Case("right half alone", brain.nifti("a.nii.gz", np.where(left, 0, data)), "bounded", ("of a whole brain",)),
        Case("NaN in the change", brain.nifti("a.nii.gz", np.where(brain.sphere, np.nan, data)), "left out", gap),
        Case("zeros in the change", brain.nifti("a.nii.gz", np.where(brain.sphere, 0, data)), "left out", gap),
        Case("open cavity", brain.nifti("a.nii.gz", np.where(opened, 0, data)), "left out", ("is expected",)),
        Case("infant's size", _scaled(brain, 0.75), "bounded", ("not calibrated",)),
        Case("box round the change", brain.nifti("a.nii.gz"), params=lambda f: brain.roi(f)),
        Case("brain mask of ones", brain.nifti("a.nii.gz"), params=lambda f: brain.mask(f, whole, "brain_mask")),
        Case("brain mask dilated", brain.nifti("a.nii.gz"),
             params=lambda f: brain.mask(f, beyond <= 8, "brain_mask")),
    ]  # fmt: skip


def _thick(brain: Brain, mm: float) -> tuple[Callable[[Path], Path]]:
    """A maker of the map in slices of *mm* along the third axis, each the mean over its thickness."""
    factor = mm / float(brain.spacing[2])
    step = np.diag([1.0, 1.0, factor, 1.0])
    step[2, 3] = (factor - 1) / 2
    mean = ndimage.uniform_filter1d(brain.data, max(round(factor), 1), axis=2)
    shape = (*brain.data.shape[:2], int(brain.data.shape[2] / factor))
    data = ndimage.affine_transform(mean, step[:3, :3], step[:3, 3], output_shape=shape, order=1)

    def make(folder: Path) -> Path:
        nibabel.save(nibabel.Nifti1Image(data, brain.affine @ step), folder / "a.nii.gz")
        return folder / "a.nii.gz"

    return (make,)


def _scaled(brain: Brain, factor: float) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        affine = np.diag([factor, factor, factor, 1.0]) @ brain.affine
        nibabel.save(nibabel.Nifti1Image(brain.data, affine), folder / "a.nii.gz")
        return folder / "a.nii.gz"

    return make
