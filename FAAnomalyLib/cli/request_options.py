"""The options that ``detect`` and ``inpaint`` share, and the request that they make."""

from __future__ import annotations

import argparse

from ..diffusion.noise import NOISES
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
    """Add every field of :class:`~FAAnomalyLib.request.DetectRequest` as an option.

    Parameters
    ----------
    parser
        Of the command.
    region_needed
        Whether ``--region`` or ``--roi`` must be given, as for ``inpaint``.
    """
    default = DetectRequest()
    parser.add_argument("input", metavar="INPUT", help="FA map: .nii, .nii.gz, .nrrd or .mha")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="folder for the results")
    parser.add_argument("--model", metavar="NAME|DIR", default=default.model, help="bundled model, or a model folder")
    _add_hole_options(parser, default, region_needed)
    parser.add_argument("--brain-mask", metavar="MASK", help="brain mask on the input's grid; estimated when absent")
    _add_sampler_options(parser, default)
    _add_threshold_options(parser, default)
    parser.add_argument("--device", choices=DEVICES, default=default.device, help="default %(default)s")
    parser.add_argument(
        "--seed", type=int, default=default.seed, metavar="N", help="seed of every random draw (default %(default)s)"
    )
    parser.add_argument(
        "--scale",
        type=auto_or_number,
        metavar="auto|V",
        help="the value that means FA 1 in the file, for instance 1000",
    )
    parser.add_argument(
        "--atlas",
        metavar="none|DIR",
        default=default.atlas,
        help="another tract atlas, or none (default: the bundled one)",
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
    """Parse ``auto`` or a number.

    Examples
    --------
    >>> auto_or_number("auto"), auto_or_number("1000")
    ('auto', 1000.0)
    """
    return _word_or_number(text, ("auto",))


def threshold(text: str) -> str | float:
    """Parse the name of a calibrated threshold, or a number.

    Examples
    --------
    >>> threshold("sensitive"), threshold("3.5")
    ('sensitive', 3.5)
    """
    return _word_or_number(text, THRESHOLDS)


def _add_hole_options(parser: argparse.ArgumentParser, default: DetectRequest, region_needed: bool) -> None:
    parser.add_argument(
        "--mask-type",
        choices=MASK_TYPES,
        default=default.mask_type,
        help="holes are whole cubes, or cubes cut to white matter (default %(default)s)",
    )
    sizes = ", ".join(f"{size} = {size * MASK_VOXEL_MM:g} mm" for size in MASK_SIZES if size)
    parser.add_argument(
        "--mask-size",
        type=int,
        choices=MASK_SIZES,
        default=default.mask_size,
        help=f"edge of a hole: {sizes}; 0 = 20 and 40 mm together (default %(default)s)",
    )
    region = parser.add_mutually_exclusive_group(required=region_needed)
    verb = "fill" if region_needed else "analyse"
    region.add_argument("--region", metavar="MASK", help=f"{verb} only the voxels of this mask, as one hole")
    parser.add_argument("--segment", metavar="NAME|NUMBER", help="which segment of the mask, where it holds several")
    region.add_argument("--roi", metavar="ROI.mrk.json", help=f"{verb} only this box, drawn in 3D Slicer")


def _add_sampler_options(parser: argparse.ArgumentParser, default: DetectRequest) -> None:
    steps = ", ".join(f"{name} {count}" for name, count in DEFAULT_STEPS.items())
    parser.add_argument(
        "--sampler", choices=SAMPLERS, default=default.sampler, help="how a hole is filled (default %(default)s)"
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=default.steps,
        metavar="N",
        help=f"steps of the sampler; 0 is its default ({steps})",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=default.samples,
        metavar="K",
        help="draws that are averaged (default %(default)s)",
    )
    parser.add_argument(
        "--noise",
        choices=NOISES,
        default=default.noise,
        help="what the sampler starts from and adds (default %(default)s)",
    )


def _add_threshold_options(parser: argparse.ArgumentParser, default: DetectRequest) -> None:
    parser.add_argument(
        "--threshold",
        type=threshold,
        default=default.threshold,
        metavar="auto|sensitive|Z",
        help="z beyond which a voxel counts; sensitive: where a healthy brain shows one region at "
        "most, on average (default %(default)s)",
    )
    parser.add_argument(
        "--signs",
        choices=SIGNS,
        default=default.signs,
        help="regions of increased FA only, of decreased FA only, or both; for one sign the "
        "sensitive threshold is lower (default %(default)s)",
    )


def _word_or_number(text: str, words: tuple[str, ...]) -> str | float:
    if text in words:
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither {' nor '.join(map(repr, words))} nor a number") from None
