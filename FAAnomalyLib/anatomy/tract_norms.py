"""What healthy people show in each tract, and a brain's z against them."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtr

from ..errors import FAError
from .tract_atlas import NODES, TractAtlas

NORMS_FILE = "norms.npz"
PARTS = ("mean", "asymmetry", "profile")
PUBLISHED_SD = (0.02, 0.05)
"""FA: published standard deviations of a tract's mean between healthy people (callosum .039, corticospinal .034, most
tracts .02 to .05). The typical spread of the tracts at hand, which all are shrunk to, is kept within."""
PRIOR_PEOPLE = 4.0
"""Weight of the typical spread against a tract's own, in people."""


@dataclass(frozen=True)
class Spread:
    """Bias and standard deviation of one quantity of each tract over healthy people.

    Attributes
    ----------
    bias
        Mean deviation from the expected value, FA, (T,) or (T, 20).
    sd
        Standard deviation between people, shrunk to that of the typical tract, FA, same shape.
    people
        Number of people behind each, same shape.
    """

    bias: np.ndarray
    sd: np.ndarray
    people: np.ndarray

    def z(self, deviation: np.ndarray) -> np.ndarray:
        """Standard normal z of a new person's deviations.

        ``(d - bias) / (sd sqrt(1 + 1/n))`` is Student distributed with ``n - 1 + 4`` degrees of freedom; z has the
        same probability. The two functions are what ``scipy.stats`` calls as well, whose import alone takes as long as
        a small detection.
        """
        statistic = (deviation - self.bias) / self.error()
        freedom = self.people - 1 + PRIOR_PEOPLE
        return np.sign(statistic) * -ndtri(np.clip(stdtr(freedom, -np.abs(statistic)), 1e-300, 0.5))

    def error(self) -> np.ndarray:
        """Standard error of the expectation for a new person, FA."""
        return self.sd * np.sqrt(1.0 + 1.0 / np.maximum(self.people, 1))

    @classmethod
    def of(cls, deviations: np.ndarray) -> Spread:
        """Bias and shrunken spread of healthy people.

        ``sd^2 = (4 s^2 + sum (d - bias)^2) / (4 + n - 1)``, with s the root of the median variance over the tracts
        within :data:`PUBLISHED_SD`: the moderated variance of Smyth (Statistical Applications in Genetics and
        Molecular Biology 3:3, 2004), whose prior has 4 degrees of freedom.

        Parameters
        ----------
        deviations
            (people, ...), FA; NaN where a person does not show the tract.
        """
        known = np.isfinite(deviations)
        people = known.sum(axis=0)
        total = np.where(known, deviations, 0.0).sum(axis=0)
        bias = total / np.maximum(people, 1)
        squares = np.where(known, (deviations - bias) ** 2, 0.0).sum(axis=0)
        freedom = np.maximum(people - 1, 0)
        several = freedom > 0
        typical = float(np.sqrt(np.median(squares[several] / freedom[several]))) if several.any() else 0.0
        typical = float(np.clip(typical, *PUBLISHED_SD))
        return cls(bias, np.sqrt((PRIOR_PEOPLE * typical**2 + squares) / (PRIOR_PEOPLE + freedom)), people)


@dataclass(frozen=True)
class TractNorms:
    """Healthy people's spread of the tracts of one atlas, over one template.

    Attributes
    ----------
    mean, asymmetry, profile
        Of the tract's mean, (T,); of left minus right, (T,), on both sides' places; of the 20 places along it, (T, 20).
    threshold
        z of a tract's mean for increases and decreases: one healthy person in twenty has any tract beyond one of them.
    people
        Number of people.
    template_sha256
        Of the template that the deviations are from.
    """

    mean: Spread
    asymmetry: Spread
    profile: Spread
    threshold: tuple[float, float]
    people: int
    template_sha256: str


def save_norms(norms: TractNorms, folder: Path) -> None:
    """Write :data:`NORMS_FILE` into the folder of the atlas."""
    arrays: dict[str, Any] = {
        f"{name}_{part}": np.asarray(getattr(getattr(norms, name), part), np.float32)
        for name in PARTS
        for part in ("bias", "sd", "people")
    }
    np.savez_compressed(
        folder / NORMS_FILE,
        threshold=np.array(norms.threshold),
        people=np.array(norms.people),
        template=np.array(norms.template_sha256),
        **arrays,
    )


def load_norms(folder: Path, atlas: TractAtlas, template_sha256: str) -> TractNorms | None:
    """The norms of an atlas; None where it has none, or where they are of another template.

    Raises
    ------
    FAError
        ``missing`` for a damaged file, or one of other tracts.
    """
    path = folder / NORMS_FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            mean, asymmetry, profile = (
                Spread(*(stored[f"{name}_{part}"] for part in ("bias", "sd", "people"))) for name in PARTS
            )
            up, down = (float(z) for z in stored["threshold"])
            norms = TractNorms(mean, asymmetry, profile, (up, down), int(stored["people"]), str(stored["template"]))
        if norms.mean.bias.shape != (len(atlas.tracts),) or norms.profile.bias.shape != (len(atlas.tracts), NODES):
            raise ValueError("it is of other tracts")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FAError(
            "missing", f"The norms of the tracts in {folder} are damaged", str(error), "Install the atlas again"
        ) from error
    return norms if norms.template_sha256 == template_sha256 else None
