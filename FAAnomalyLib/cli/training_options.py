"""The options of ``train`` that change a recipe, and the recipe that they make."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from ..errors import FAError
from ..request import CROP_CENTRES, CROP_FIELD_MM
from ..training.recipes import (
    DECAYS,
    PRECISIONS,
    RECIPES,
    SAMPLINGS,
    SPACES,
    STORED_WEIGHTS,
    Recipe,
)

DEFAULT_RECIPE, PAPER = "inpainter", "paper"
"""The detector's network; a comparator in the size of its paper."""
PLAIN = (
    "steps",
    "batch",
    "learning_rate",
    "decay",
    "constant_steps",
    "sampling",
    "space",
    "precision",
    "weights",
    "adam_epsilon",
)
"""Options that are settings of a recipe by the same name."""
AT_LEAST_ONE = ("steps", "epochs", "batch", "save_every", "judge_every", "grid", "res_blocks", "constant_steps")
NOT_NEGATIVE = ("checkpoint_epochs", "keep_checkpoints")


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Add everything that changes a recipe."""
    parser.add_argument("--recipe", choices=[*sorted(RECIPES), PAPER], default=DEFAULT_RECIPE)
    parser.add_argument("--steps", type=int, help="training steps (default: the recipe's)")
    parser.add_argument("--epochs", type=int, help="train so often on every subject, in place of --steps")
    parser.add_argument("--batch", type=int, help="examples a step (default: the recipe's)")
    parser.add_argument(
        "--widths", type=int, nargs="+", metavar="N", help="channels at each resolution (default: the recipe's)"
    )
    _add_optimisation_options(parser.add_argument_group("optimisation (defaults: the recipe's)"))
    _add_network_options(parser.add_argument_group("thesis networks (defaults: as printed)"))


def _add_optimisation_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--learning-rate", type=float, metavar="RATE", help="largest learning rate")
    group.add_argument("--decay", choices=DECAYS, help="law by which it falls")
    group.add_argument("--constant-steps", type=int, metavar="N", help="steps before it falls (not for cosine)")
    group.add_argument("--adam-epsilon", type=float, metavar="E", help="Adam's epsilon, of the recipes of the thesis")
    group.add_argument("--sampling", choices=SAMPLINGS, help="subjects drawn with replacement, or each once an epoch")
    group.add_argument("--precision", choices=PRECISIONS, help="number format of the convolutions")
    group.add_argument("--weights", choices=STORED_WEIGHTS, help="number format of the exported weights")


def _add_network_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--space", choices=SPACES, help="registered to the template, or cut out of the map's own voxels")
    group.add_argument("--grid", type=int, metavar="N", help="voxels along each edge of the native crop of 160 mm")
    group.add_argument(
        "--crop", choices=CROP_CENTRES, default=CROP_CENTRES[0], help="what the native crop is centred on"
    )
    group.add_argument(
        "--attention", type=int, nargs="+", choices=(0, 1), metavar="0|1", help="has_attention of each resolution"
    )
    group.add_argument("--res-blocks", type=int, metavar="N", help="num_res_blocks of each resolution")
    group.add_argument(
        "--no-spatial-transformer", action="store_true", help="cross-attention alone (use_spatial_transformer=False)"
    )
    group.add_argument(
        "--mask-channel",
        action="store_true",
        help="the white-matter mask as an input channel, too: cross-attention alone does not see where it is",
    )


def recipe_from(args: argparse.Namespace) -> Recipe:
    """The named recipe with what the options change; raises ``FAError('bad-request')`` for what cannot be."""
    for option in AT_LEAST_ONE + NOT_NEGATIVE:
        lowest = 0 if option in NOT_NEGATIVE else 1
        if getattr(args, option) is not None and getattr(args, option) < lowest:
            raise FAError("bad-request", f"--{option.replace('_', '-')} must be at least {lowest}")
    for option in ("learning_rate", "adam_epsilon"):
        if getattr(args, option) is not None and not 0.0 < getattr(args, option) < float("inf"):
            raise FAError("bad-request", f"--{option.replace('_', '-')} must be a positive number")
    if args.steps and args.epochs:
        raise FAError("bad-request", "--steps and --epochs say the same", "", "Give one of them")
    if args.recipe == PAPER:
        raise FAError("bad-request", "The recipe paper belongs to --method", "", "Name a method, or another recipe")
    recipe = RECIPES[args.recipe]
    changed: dict[str, Any] = {name: getattr(args, name) for name in PLAIN if getattr(args, name) is not None}
    recipe = replace(recipe, **changed, network=_network(args, recipe), grid=_grid(args, recipe))
    if recipe.space == "native" and recipe.network["kind"] != "thesis":
        raise FAError(
            "bad-request",
            "--space native is for the recipes of the thesis",
            f"the network of {args.recipe} needs a registered template",
            "Leave it out",
        )
    return recipe


def _network(args: argparse.Namespace, recipe: Recipe) -> dict[str, Any]:
    network = dict(recipe.network)
    if args.widths:
        if min(args.widths) < 1 or (network["kind"] != "thesis" and len(args.widths) != len(network["widths"])):
            raise FAError("bad-request", f"--widths must be {len(network['widths'])} positive numbers")
        if len(args.widths) != len(network["widths"]):
            network.pop("has_attention", None)
        network["widths"] = args.widths
    of_thesis: dict[str, Any] = {}
    if args.attention:
        of_thesis["has_attention"] = [bool(value) for value in args.attention]
    if args.res_blocks:
        of_thesis["num_res_blocks"] = args.res_blocks
    if args.no_spatial_transformer:
        of_thesis["use_spatial_transformer"] = False
    if args.mask_channel:
        of_thesis["mask_channel"] = True
    if of_thesis and network["kind"] != "thesis":
        raise FAError(
            "bad-request", f"{', '.join(of_thesis)} is not for the recipe {args.recipe}", "", "Choose one of the thesis"
        )
    return network | of_thesis


def _grid(args: argparse.Namespace, recipe: Recipe) -> dict[str, Any]:
    if args.grid is None:
        return recipe.grid
    if recipe.network["kind"] != "thesis":
        raise FAError("bad-request", f"--grid is not for the recipe {args.recipe}", "", "Choose one of the thesis")
    return {"shape": [args.grid] * 3, "spacing_mm": CROP_FIELD_MM / args.grid}
