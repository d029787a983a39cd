"""The options of ``evaluate`` and ``calibrate`` that say how holes are filled, as ``detect`` has them."""

from __future__ import annotations

import argparse

from ..diffusion.noise import NOISES
from ..request import MASK_SIZES, MASK_TYPES, SAMPLERS, DetectRequest

NAMES = ("mask_type", "mask_size", "sampler", "steps", "samples", "noise")
"""Fields of a request."""


def add_hole_options(parser: argparse.ArgumentParser) -> None:
    """Add :data:`NAMES` as options, with the defaults of a request; a thesis model needs another sampler."""
    default = DetectRequest()
    group = parser.add_argument_group(
        "how holes are filled (as in detect; thesis models need a sampler that fits them)"
    )
    group.add_argument("--mask-type", choices=MASK_TYPES, default=default.mask_type, help="default %(default)s")
    group.add_argument(
        "--mask-size", type=int, choices=MASK_SIZES, default=default.mask_size, help="default %(default)s"
    )
    group.add_argument("--sampler", choices=SAMPLERS, default=default.sampler, help="default %(default)s")
    group.add_argument("--steps", type=int, default=default.steps, metavar="N", help="0 is the sampler's default")
    group.add_argument("--samples", type=int, default=default.samples, metavar="K", help="draws that are averaged")
    group.add_argument("--noise", choices=NOISES, default=default.noise, help="default %(default)s")


def hole_request(args: argparse.Namespace) -> DetectRequest:
    """A request for volumes in memory that says how holes are filled, and on which device.

    Raises ``FAError('bad-request')`` for what cannot be.
    """
    chosen = {name: getattr(args, name) for name in NAMES}
    return DetectRequest(input="(in memory)", device=args.device, **chosen).check()
