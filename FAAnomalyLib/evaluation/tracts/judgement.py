"""Tracts and regions of a brain as a detection finds them, by the search alone: the network has no part in either."""

from __future__ import annotations

from dataclasses import dataclass

from ...anomaly.calibration import Calibration
from ...anomaly.regions import find_regions
from ...anomaly.scoring import search_brain
from ...pipeline.anatomy import LoadedAtlas, score_all_tracts
from ...preprocessing.interruptible_itk import Check
from ...preprocessing.model_grid import PreparedSubject
from ...tracts import TractScore
from ...volume import Volume


@dataclass(frozen=True)
class Judgement:
    """What was found in a brain at the automatic threshold.

    Attributes
    ----------
    tracts
        A score of every tract.
    segmentation
        1 increased, 2 decreased FA, on the native grid.
    regions
        Number of regions.
    """

    tracts: list[TractScore]
    segmentation: Volume
    regions: int

    @property
    def beyond(self) -> list[TractScore]:
        """Tracts with a verdict."""
        return [score for score in self.tracts if score.verdict in ("increased", "decreased")]


def judge(
    prepared: PreparedSubject, calibration: Calibration, loaded: LoadedAtlas, check: Check | None = None
) -> Judgement:
    """Search a whole brain and score its tracts.

    Parameters
    ----------
    prepared
        The brain on the model grid, the template warped to it.
    calibration
        What its voxels are judged by.
    loaded
        The tracts, and the norms that they are judged by.
    check
        Called between the parts; may raise to cancel.
    """
    found = search_brain(prepared, calibration, check)
    z = prepared.whole_brain_z(found.z)
    segmentation, regions = find_regions(z, z, calibration.threshold)
    return Judgement(score_all_tracts(loaded, prepared, found.analysed, segmentation), segmentation, len(regions))
