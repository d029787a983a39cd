"""A second search with a template that does not follow what looks too dark.

The warped template takes a place of low FA for grey matter: it follows a decrease by a tenth, and moves white matter,
which alone is judged, away from it. So the candidates for a decrease are let go, and the brain is screened again.
Increases are hardly followed, and are searched once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..preprocessing.interruptible_itk import Check
from ..preprocessing.model_grid import PreparedSubject
from .candidates import candidate_mask
from .screening import Screening, screen

StatisticOf = Callable[[Screening, "np.ndarray | None"], np.ndarray]
"""``(screening, displacement of the template) -> statistic``, see
:meth:`~.calibration.Calibration.strongest`."""


def search_twice(
    prepared: PreparedSubject, first: Screening, statistic_of: StatisticOf, check: Check | None = None
) -> tuple[Screening, np.ndarray]:
    """The second screening of a brain and its statistic; the first where nothing is too dark.

    Parameters
    ----------
    prepared
        The subject on the model grid.
    first
        Screening of it.
    statistic_of
        Judges a screening.
    check
        Called between the parts; may raise to cancel.
    """
    statistic = statistic_of(first, prepared.grid.priors.displacement)
    if check is not None:
        check()
    dark = candidate_mask(np.minimum(statistic, 0.0), prepared.grid.spacing_mm, first.analysed)
    again = prepared.not_following(dark)
    if again is prepared:
        return first, statistic
    if check is not None:
        check()
    second = screen(again, check)
    return second, statistic_of(second, again.grid.priors.displacement)
