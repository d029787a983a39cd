"""``faanomaly atlas build|norms``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..streams import say

if TYPE_CHECKING:
    from ...preprocessing.template import Template


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    actions = parser.add_subparsers(dest="action", metavar="build|norms", required=True)
    build = actions.add_parser("build", help="make a tract atlas from tractography in the template's space")
    build.add_argument("tractography", type=Path, help="file in the Tiny Track format (.tt.gz)")
    build.add_argument(
        "--bundles", type=Path, required=True, help="CSV with the columns bundle,name,abbreviation,side,group"
    )
    norms = actions.add_parser("norms", help="measure what healthy people show in each tract of an atlas")
    norms.add_argument("data", type=Path, help="folder of healthy FA maps (NAME_FA.nii.gz, NAME_mask.nii.gz)")
    norms.add_argument("--people", type=Path, help="CSV with the columns file,person")
    for action in (build, norms):
        action.add_argument("-o", "--atlas", type=Path, required=True, metavar="FOLDER", help="folder of the atlas")
        action.add_argument("--template", type=Path, help="template folder (default: the bundled template)")


def run(args: argparse.Namespace) -> int:
    """Carry out the action."""
    from ...preprocessing.template import load_template
    from ...runtime.resources import resources_dir

    template = load_template(args.template or resources_dir() / "Template")
    return _build(args, template) if args.action == "build" else _norms(args, template)


def _build(args: argparse.Namespace, template: Template) -> int:
    from ...anatomy.atlas_building import build_atlas, read_bundles
    from ...anatomy.tract_atlas import save_atlas
    from ...anatomy.tractography_file import read_tractography

    atlas, left_out = build_atlas(read_tractography(args.tractography), read_bundles(args.bundles), template)
    save_atlas(atlas, args.atlas)
    for name, reason in left_out.items():
        say(f"left out {name}: {reason}")
    print(f"tract atlas of {len(atlas.tracts)} tracts in {args.atlas}")
    return 0


def _norms(args: argparse.Namespace, template: Template) -> int:
    from ...anatomy.tract_atlas import load_atlas
    from ...anatomy.tract_norms import save_norms
    from ...datasets.cohort import find_subjects
    from ...training.tract_norms_fit import fit_norms, measure_people

    atlas = load_atlas(args.atlas)
    norms = fit_norms(measure_people(find_subjects(args.data, args.people), atlas, template, say), template.sha256)
    save_norms(norms, args.atlas)
    up, down = norms.threshold
    print(f"norms of {norms.people} people in {args.atlas}: thresholds of tracts +{up:.2f} and -{down:.2f}")
    return 0
