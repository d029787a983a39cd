"""Make the project's FA template: the symmetric average of registered volumes.

Every person counts once, however many volumes there are of them.  The first registration target is
any FA map in a standard space; each further round registers to the average of the round before and
bends every brain onto it, so that tracts meet tracts and stay sharp.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..datasets.cohort import find_volumes, load_subject, naming, split_people
from ..io.volumes import load_volume, save_volume
from ..preprocessing.model_grid import PreparedSubject, prepare, symmetric_grid
from ..preprocessing.template import BRAIN_PROBABILITY, TEMPLATE_FILES, Template, TemplatePriors
from ..preprocessing.template_warping import warp_template
from ..volume import Volume

MODEL_SHAPE = (80, 96, 80)
MODEL_SPACING_MM = 2.0
MODEL_CENTRE_RAS = (0.0, -16.0, 8.0)
"""160 x 192 x 160 mm about the brain in MNI space."""
WHITE_MATTER_FA = 0.25
MIN_VIEW = 0.9
"""A volume that shows less of the template's brain is averaged as it lies: its cut faces would be bent."""


def make_template(volumes: list[tuple[str, Path]], target: Volume, rounds: int = 3, report=print) -> Template:
    """Average registered volumes; see the module's text.

    *target* may lie on any grid of a standard space: it is resampled to the model grid first.
    """
    template = _first_target(target)
    subjects = [(person, *load_subject(path)) for person, path in volumes]
    for number in range(rounds):
        members: dict[str, list[PreparedSubject]] = {}
        for (person, volume, brain), (_, path) in zip(subjects, volumes, strict=True):
            with naming(path):
                prepared = prepare(volume, template, brain)
            report(f"round {number + 1}: {path.name}: correlation {prepared.grid.alignment.correlation:.3f}")
            members.setdefault(person, []).append(prepared)
        template = _average(list(members.values()), template, warped=number > 0)
    return template


def _first_target(target: Volume) -> Template:
    affine = symmetric_grid(MODEL_SHAPE, MODEL_SPACING_MM, MODEL_CENTRE_RAS)
    step = np.linalg.inv(target.affine) @ affine
    fa = ndimage.affine_transform(target.data, step[:3, :3], step[:3, 3], output_shape=MODEL_SHAPE, order=1)
    fa = (fa + fa[::-1]) / 2
    brain = ndimage.binary_fill_holes(ndimage.binary_closing(fa > 0.02, iterations=2)).astype(np.float32)
    return Template(Volume(fa, affine), TemplatePriors(fa, (fa > WHITE_MATTER_FA).astype(np.float32), brain))


def _average(people: list[list[PreparedSubject]], template: Template, warped: bool) -> Template:
    seen = np.zeros(MODEL_SHAPE)
    total = np.zeros((3, *MODEL_SHAPE))
    brain = template.priors.brain > BRAIN_PROBABILITY
    for volumes in people:
        for prepared in volumes:
            # A cut field of view says nothing about what lies beyond it.
            view = prepared.grid.to_model(np.ones(prepared.grid.native.shape), order=1) > 0.99
            own = _own_prior(prepared)
            if warped and view[brain].mean() > MIN_VIEW:
                own = warp_template(own, template.priors.fa, prepared.grid.spacing_mm)
            share = view / len(volumes)
            seen += share
            total += share * np.stack([own.fa, own.white_matter, own.brain])
    means = []
    for mean, sigma in zip(total / np.maximum(seen, 1e-6), (0.0 if warped else 0.5, 0.5, 0.7), strict=True):
        mean = ndimage.gaussian_filter((mean + mean[::-1]) / 2, sigma)
        means.append(np.clip(mean, 0.0, 1.0).astype(np.float32))
    fa_mean, white_mean, brain_mean = means
    fa_mean = np.where(brain_mean > 0.05, fa_mean, 0.0).astype(np.float32)
    return Template(Volume(fa_mean, template.fa.affine), TemplatePriors(fa_mean, white_mean, brain_mean))


def _own_prior(prepared: PreparedSubject) -> TemplatePriors:
    """One brain in the shape of a prior: its FA, its white matter off the noisy edge, its mask."""
    smooth = ndimage.gaussian_filter(prepared.fa, 0.6)
    inner = ndimage.distance_transform_edt(prepared.brain, sampling=MODEL_SPACING_MM) > 4.0
    return TemplatePriors(
        prepared.fa, ((smooth > WHITE_MATTER_FA) & inner).astype(np.float32), prepared.brain.astype(np.float32)
    )


def save_template(template: Template, folder: Path) -> None:
    """Write :data:`~FAAnomalyLib.preprocessing.template.TEMPLATE_FILES`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(
        TEMPLATE_FILES, (template.priors.fa, template.priors.white_matter, template.priors.brain), strict=True
    ):
        save_volume(template.fa.with_data((np.round(array * 1000) / 1000).astype(np.float32)), folder / name)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``faanomaly template``."""
    parser.add_argument("data", type=Path, help="folder of healthy FA maps (NAME_FA.nii.gz, NAME_mask.nii.gz)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the template")
    parser.add_argument("--target", type=Path, required=True, help="first registration target, an FA map in MNI space")
    parser.add_argument("--people", type=Path, help="CSV with the columns file,person")
    parser.add_argument("--hold-out", action="append", default=[], metavar="PERSON", help="leave a person out")
    parser.add_argument("--rounds", type=int, default=3, help="registration rounds (default 3)")


def run(args: argparse.Namespace) -> int:
    """``faanomaly template``."""
    volumes, _ = split_people(find_volumes(args.data, args.people), args.hold_out)
    template = make_template(volumes, load_volume(args.target)[0], args.rounds)
    save_template(template, args.output)
    print(f"template of {len({p for p, _ in volumes})} people in {args.output}, sha256 {template.sha256[:12]}")
    return 0
