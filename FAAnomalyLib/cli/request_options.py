"""The options that ``detect`` and ``inpaint`` share, and the request they make."""

from __future__ import annotations

import argparse

from ..request import (
    DEFAULT_STEPS,
    DEVICES,
    MASK_SIZES,
    MASK_TYPES,
    MASK_VOXEL_MM,
    SAMPLERS,
    SIGNS,
    THRESHOLDS,
    DetectRequest,
)


def add_request_options(parser: argparse.ArgumentParser, region_needed: bool) -> None:
    """Add every field of :class:`DetectRequest` as an option; *region_needed* for ``inpaint``."""
    standard = DetectRequest()
    parser.add_argument("input", metavar="INPUT", help="FA map: .nii, .nii.gz, .nrrd or .mha")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="folder for the results")
    parser.add_argument("--model", metavar="NAME|DIR", default=standard.model, help="bundled model, or a model folder")
    parser.add_argument(
        "--mask-type",
        choices=MASK_TYPES,
        default=standard.mask_type,
        help="holes are whole cubes, or cubes cut to white matter (default %(default)s)",
    )
    sizes = ", ".join(f"{size} = {size * MASK_VOXEL_MM:g} mm" for size in MASK_SIZES if size)
    parser.add_argument(
        "--mask-size",
        type=int,
        choices=MASK_SIZES,
        default=standard.mask_size,
        help=f"edge of a hole: {sizes}; 0 = 20 and 40 mm together (default %(default)s)",
    )
    region = parser.add_mutually_exclusive_group(required=region_needed)
    verb = "fill" if region_needed else "judge"
    region.add_argument("--region", metavar="MASK", help=f"{verb} only the voxels of this mask, as one hole")
    region.add_argument("--roi", metavar="ROI.mrk.json", help=f"{verb} only this box, drawn in 3D Slicer")
    parser.add_argument("--brain-mask", metavar="MASK", help="brain mask on the input's grid; found when absent")
    steps = ", ".join(f"{name} {count}" for name, count in DEFAULT_STEPS.items())
    parser.add_argument(
        "--sampler", choices=SAMPLERS, default=standard.sampler, help="how a hole is filled (default %(default)s)"
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=standard.steps,
        metavar="N",
        help=f"steps of the sampler; 0 is its default ({steps})",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=standard.samples,
        metavar="K",
        help="draws that are averaged (default %(default)s)",
    )
    parser.add_argument(
        "--threshold",
        type=threshold,
        default=standard.threshold,
        metavar="auto|sensitive|Z",
        help="z beyond which a voxel counts; sensitive: where a healthy brain shows one region at "
        "most, on average (default %(default)s)",
    )
    parser.add_argument(
        "--signs",
        choices=SIGNS,
        default=standard.signs,
        help="regions of increased FA alone, of decreased FA alone, or both; for one alone the "
        "sensitive threshold is lower (default %(default)s)",
    )
    parser.add_argument("--device", choices=DEVICES, default=standard.device, help="default %(default)s")
    parser.add_argument(
        "--seed", type=int, default=standard.seed, metavar="N", help="seed of every random draw (default %(default)s)"
    )
    parser.add_argument(
        "--scale",
        type=auto_or_number,
        metavar="auto|V",
        help="the value that means FA 1 in the file, for instance 1000",
    )
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run in the same folder")
    parser.add_argument(
        "--no-report", dest="report", action="store_false", help="draw no pictures: saves a third of a second"
    )
    parser.add_argument("--json", action="store_true", help="print result.json instead of a summary")


def request_from(args: argparse.Namespace) -> DetectRequest:
    """The request of a parsed command line."""
    return DetectRequest.from_dict({name: getattr(args, name) for name in DetectRequest.__dataclass_fields__})


def auto_or_number(text: str) -> str | float:
    """Parse ``auto`` or a number."""
    return _word_or_number(text, ("auto",))


def threshold(text: str) -> str | float:
    """Parse a threshold of the calibration, or a number."""
    return _word_or_number(text, THRESHOLDS)


def _word_or_number(text: str, words: tuple[str, ...]) -> str | float:
    if text in words:
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither {' nor '.join(map(repr, words))} nor a number") from None
