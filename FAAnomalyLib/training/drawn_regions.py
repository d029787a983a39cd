"""Limits of drawn regions: boxes of several sizes, drawn in healthy people whom the model has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anomaly.calibration import Calibration
from ..anomaly.drawn_region import combined_evidence, drawn_hole, region_evidence
from ..anomaly.region_limits import RegionLimits, SizeLimits
from ..anomaly.screening import analysed_voxels
from ..datasets.cohort import CohortSubject
from ..errors import FAError
from ..inpainting.interruptible_network import interruptible_network
from ..inpainting.masks import pass_from_mask
from ..inpainting.pass_runner import inpaint_passes
from ..inpainting.sampling import Sampling
from ..inpainting.volume_inpainter import VolumeInpainter
from ..pipeline.loaded_model import LoadedModel
from ..preprocessing.interruptible_itk import Check
from ..preprocessing.model_grid import PreparedSubject
from ..request import DetectRequest
from .healthy_limits import automatic_threshold
from .healthy_maps import enough_people, register, unseen_model

EDGES_MM = (10.0, 20.0, 30.0, 40.0, 60.0)
"""Edges of the boxes."""
PLACES = 5
"""Of each size in each person, and as many in the other hemisphere."""
AUTOMATIC, SENSITIVE, ONE_SIDED = 0.95, 0.9, 0.8
"""Share of healthy regions that stay below each threshold, for each sign."""


@dataclass(frozen=True)
class HealthyBox:
    """The evidence in one box drawn in one healthy person: (N,) at the N scored voxels of the box.

    Attributes
    ----------
    person
        Whose.
    edge_mm
        Of the box, one of :data:`EDGES_MM`.
    inpainter, template
        See :class:`~FAAnomalyLib.anomaly.drawn_region.RegionEvidence`.
    """

    person: str
    edge_mm: float
    inpainter: np.ndarray
    template: np.ndarray

    def evidence(self, inpainter_spread: float) -> np.ndarray:
        """As :meth:`~FAAnomalyLib.anomaly.drawn_region.RegionEvidence.combined`."""
        return combined_evidence(self.inpainter, self.template, inpainter_spread)


def draw_in_cohort(
    subjects: list[CohortSubject],
    folds: dict[str, Path],
    device: str,
    calibration_of: Callable[[str], Calibration],
    report: Callable[[str], None],
    check: Check | None = None,
    holes: DetectRequest | None = None,
) -> list[HealthyBox]:
    """Draw boxes in every subject of a cohort.

    Parameters
    ----------
    subjects, report, check
        As in :func:`~.healthy_maps.screen_cohort`; nothing is kept of a cancelled run.
    folds
        Person -> folder of a model that was not trained on the person.
    device
        As in :class:`~FAAnomalyLib.request.DetectRequest`.
    holes
        How holes are filled; None for the defaults.
    calibration_of
        Person -> bias, spread and scales of other people.

    Raises
    ------
    FAError
        ``bad-request`` for a model that was trained on any volume of a person, or fewer than three people.
    """
    enough_people({subject.person for subject in subjects})
    sampling = Sampling() if holes is None else Sampling.of_request(holes)
    models: dict[Path, LoadedModel] = {}
    found: list[HealthyBox] = []
    for number, subject in enumerate(subjects, 1):
        loaded = unseen_model(subject, subjects, folds, device, models)
        prepared = register(subject, loaded.template, check)
        known = calibration_of(subject.person)
        with interruptible_network(loaded.inpainter.network, check) if check else nullcontext():
            found += healthy_boxes(subject.person, prepared, loaded.inpainter, known, sampling)
        report(f"drew regions in {number}/{len(subjects)} {subject.path.name}")
    return found


def healthy_boxes(
    person: str,
    prepared: PreparedSubject,
    inpainter: VolumeInpainter,
    calibration: Calibration,
    sampling: Sampling = Sampling(),  # noqa: B008 - frozen
) -> Iterator[HealthyBox]:
    """Draw boxes about white matter of both hemispheres, fill each, and measure its evidence.

    Parameters
    ----------
    person
        Name; with it the places are drawn.
    prepared, inpainter
        The person on the model grid, and a model that has not seen the person.
    calibration
        Bias, spread and scales of other people.
    sampling
        How a box is filled.
    """
    for edge in EDGES_MM:
        for box in boxes(prepared, edge, PLACES, seed=sum(person.encode())):
            region = prepared.grid.mask_to_native(box)
            if not (region & prepared.native_brain).any():
                continue
            hole = drawn_hole(prepared, region)
            passes = [pass_from_mask(hole)]
            filled = inpaint_passes(inpainter, prepared.fa, passes, sampling, priors=prepared.grid.priors)
            try:
                found = region_evidence(prepared, filled, calibration)
            except FAError:
                continue  # A detection refuses this box as well: too little of so small a brain lies outside.
            judged = found.analysed & box
            if judged.any():
                yield HealthyBox(person, edge, found.inpainter[judged], found.template[judged])


def boxes(prepared: PreparedSubject, edge_mm: float, places: int, seed: int) -> Iterator[np.ndarray]:
    """Cubes on the model grid about random voxels of analysed white matter, each followed by its mirror image."""
    spacing, shape = prepared.grid.spacing_mm, prepared.fa.shape
    white = np.argwhere(analysed_voxels(prepared))
    generator = np.random.default_rng([seed, int(edge_mm)])
    width = max(round(edge_mm / spacing), 1)
    for _ in range(places if len(white) else 0):
        x, y, z = white[generator.integers(len(white))]
        for centre in ((x, y, z), (shape[0] - 1 - x, y, z)):
            low = [c - width // 2 for c in centre]
            box = np.zeros(shape, bool)
            box[tuple(slice(max(start, 0), max(start + width, 0)) for start in low)] = True
            yield box


def fit_regions(found: list[HealthyBox]) -> RegionLimits:
    """Fit the limits of each size.

    The spreads are root mean squares over people of the root mean square in each person's boxes. Thresholds are what
    the maximum of a further person's box stays below with the probabilities :data:`AUTOMATIC`, :data:`SENSITIVE` and
    :data:`ONE_SIDED` (:func:`~.healthy_limits.automatic_threshold`). None falls with the size.

    Parameters
    ----------
    found
        Boxes of at least two people; a size that is not drawn in everybody is left out.
    """
    people = sorted({one.person for one in found})
    table: list[list[float]] = []
    edges = tuple(edge for edge in EDGES_MM if len({one.person for one in found if one.edge_mm == edge}) == len(people))
    for edge in edges:
        some = [one for one in found if one.edge_mm == edge]
        weights = np.array([1.0 / sum(other.person == one.person for other in some) for one in some])
        widest = max(_spread([one.inpainter for one in some], weights), table[-1][0] if table else 0.0)
        evidence = [one.evidence(widest) for one in some]
        spread = max(_spread(evidence, weights), table[-1][1] if table else 0.0)
        maxima = [[float(max((sign * z).max(), 0.0)) / spread for z in evidence] for sign in (1, -1)]
        shares = (AUTOMATIC, SENSITIVE, ONE_SIDED)
        limits = [automatic_threshold(maxima, weights, len(people), share) for share in shares]
        row = [widest, spread, *(z for limit in limits for z in limit)]
        table.append([max(pair) for pair in zip(row, table[-1], strict=True)] if table else row)
    return RegionLimits(edges, tuple(SizeLimits.of(row) for row in table), len(people))


def _spread(values: list[np.ndarray], weights: np.ndarray) -> float:
    """Root mean square over all, each array with its weight."""
    return float(np.sqrt(np.average([float((v.astype(np.float64) ** 2).mean()) for v in values], weights=weights)))


def table_of(limits: RegionLimits) -> str:
    """The automatic thresholds by size in a few words."""
    sizes = zip(limits.edges_mm, limits.limits, strict=True)
    return ", ".join(f"{edge:g} mm +{one.threshold[0]:.2f} -{one.threshold[1]:.2f}" for edge, one in sizes)
