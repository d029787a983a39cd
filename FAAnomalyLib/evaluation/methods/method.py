"""Interfaces of a method and of what provides one for each subject."""

from __future__ import annotations

from typing import Protocol

from ...datasets.cohort import CohortSubject
from ...preprocessing.template import Template
from ...result import Result
from ...volume import Volume


class Method(Protocol):
    """Anything that turns an FA map into a z-map and regions; it is ready for one subject and never sees the truth.

    Attributes
    ----------
    identity
        Everything that decides the method's results. Records of another identity are not reused.
    """

    identity: str

    def score(self, volume: Volume) -> Result:
        """Score a whole brain at the method's own threshold.

        Parameters
        ----------
        volume
            FA in [0, 1] on its native grid.

        Returns
        -------
        Result
            The evaluation reads ``expected``, ``z_map`` (signed, 0 where nothing was analysed),
            ``difference``, ``segmentation`` and ``regions``, and from ``provenance``, where present,
            ``threshold_z``, ``network_evaluations``, ``calibration`` and every other number.
        """


class MethodProvider(Protocol):
    """Gives every subject the method under evaluation: one model for all, or one that has not seen the subject."""

    def method_for(self, subject: CohortSubject) -> Method:
        """The method that scores *subject*."""

    def template_for(self, subject: CohortSubject) -> Template:
        """The template of the model that scores *subject*.

        The ground truth and the comparators use the same one, so that neither has seen more than the method.
        """
