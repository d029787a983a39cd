"""The thesis' experiments as values: which anomalies, which holes, which tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import FAError
from .printed import PrintedRow, printed_rows

CUBIC, WHITE_MATTER = "cubic", "wm"
MASK_SIZES = (32, 16, 8, 4)
"""Of figures 3.1 to 3.16, in their order."""
FULL_SUBJECTS, QUICK_SUBJECTS = 10, 1
QUICK_LEARNING = 3
"""People that a trial learns from, and takes thresholds from."""


@dataclass(frozen=True)
class SphereCase:
    """A spherical anomaly: diameter in voxels of 1.25 mm, FA added."""

    diameter: int
    change: float


@dataclass(frozen=True)
class HoleSetting:
    """How the region of an anomaly is hidden: mask type, and edge of a cube in voxels of 1.25 mm."""

    mask_type: str
    mask_size: int


@dataclass(frozen=True)
class ThesisTable:
    """One of the tables 3.1 to 3.9.

    Attributes
    ----------
    name
        For instance ``3.1``.
    title
        What it shows.
    mask_type
        Of its holes.
    rows
        As printed.
    roaming
        Whether the whole brain is generated, cube by cube; else only the cube round the anomaly.
    """

    name: str
    title: str
    mask_type: str
    rows: tuple[PrintedRow, ...]
    roaming: bool = False


_TITLES = {
    "3.1": ("Cubic mask of the anomaly's size, FA increased", CUBIC),
    "3.2": ("Cubic mask of the anomaly's size, FA decreased", CUBIC),
    "3.3": ("White-matter guided mask of the anomaly's size, FA increased", WHITE_MATTER),
    "3.4": ("White-matter guided mask of the anomaly's size, FA decreased", WHITE_MATTER),
    "3.5": ("Cubic masks of half the anomaly's size, FA increased", CUBIC),
    "3.6": ("Cubic masks of half the anomaly's size, FA decreased", CUBIC),
    "3.7": ("White-matter guided masks of half the anomaly's size, FA increased", WHITE_MATTER),
    "3.8": ("White-matter guided masks of half the anomaly's size, FA decreased", WHITE_MATTER),
    "3.9": ("Full roaming with white-matter guided masks of 16, FA increased", WHITE_MATTER),
}

TABLES = {
    name: ThesisTable(name, title, kind, tuple(row for row in printed_rows() if row.table == name), name == "3.9")
    for name, (title, kind) in _TITLES.items()
}
"""By number."""

T2_TABLES = ("3.10", "3.11")
"""Comparisons on T2 images (:mod:`.t2_experiment`)."""

RECONSTRUCTION_FIGURES = {
    f"3.{number}": (network, measure, mask_type)
    for number, (network, measure, mask_type) in enumerate(
        (
            (network, measure, mask_type)
            for network in ("unconditional", "conditional")
            for measure in ("ssim", "psnr", "max_difference", "percentage_error")
            for mask_type in (CUBIC, WHITE_MATTER)
        ),
        1,
    )
}
"""Figures 3.1 to 3.16: network, measure and mask type of a box plot over the mask sizes."""

ROC_FIGURE = "3.17"
PANEL_CHANGES = (0.2, 0.1, -0.2, -0.1)
PANEL_FIGURES = {
    f"3.{18 + 4 * group + number}": (HoleSetting(mask_type, mask_size), SphereCase(diameter, change))
    for group, (mask_type, mask_size, diameter) in enumerate(
        (
            (CUBIC, 16, 16),
            (WHITE_MATTER, 16, 16),
            (CUBIC, 8, 8),
            (WHITE_MATTER, 8, 8),
            (WHITE_MATTER, 8, 16),
            (WHITE_MATTER, 4, 8),
        )
    )
    for number, change in enumerate(PANEL_CHANGES)
}
"""Figures 3.18 to 3.41: subjects by lesioned, reconstructed, true mask, found."""
ROAMING_FIGURES = {"3.42": 32, "3.43": 16}
"""Diameter of the anomaly in the roaming panels."""
MASK_FIGURES = {"2.5": (CUBIC, False), "2.6": (WHITE_MATTER, False), "2.7": (CUBIC, True), "2.8": (WHITE_MATTER, True)}
"""Mask type, and whether the mask is applied to the map."""
FIGURES = (*MASK_FIGURES, *RECONSTRUCTION_FIGURES, ROC_FIGURE, *PANEL_FIGURES, *ROAMING_FIGURES)
"""All figures of masks and results, in order."""


def is_of_t2(experiment: str) -> bool:
    """Whether an experiment's name is that of a comparison on T2 images.

    Examples
    --------
    >>> is_of_t2("thesis-3.10"), is_of_t2("thesis-3.1"), is_of_t2("thesis")
    (True, False, False)
    """
    return experiment.removeprefix("thesis-") in T2_TABLES and experiment.startswith("thesis-")


def chosen_tables(experiments: Sequence[str]) -> tuple[ThesisTable, ...]:
    """The tables that experiments' names ask for, in order.

    Parameters
    ----------
    experiments
        ``thesis`` for tables 3.1 to 3.9, or ``thesis-3.1`` and so on.

    Raises
    ------
    FAError
        ``bad-request`` for an unknown name.

    Examples
    --------
    >>> [table.name for table in chosen_tables(["thesis-3.9", "thesis-3.1"])], len(chosen_tables(["thesis"]))
    (['3.1', '3.9'], 9)
    """
    names: set[str] = set()
    for experiment in experiments:
        table = experiment.removeprefix("thesis-")
        if experiment == "thesis":
            names |= set(TABLES)
        elif experiment.startswith("thesis-") and table in TABLES:
            names.add(table)
        else:
            raise FAError(
                "bad-request",
                f"There is no experiment {experiment!r}",
                "",
                "Choose thesis, or thesis-3.1 to thesis-3.11",
            )
    return tuple(table for name, table in TABLES.items() if name in names)


def spheres(tables: Sequence[ThesisTable]) -> tuple[SphereCase, ...]:
    """Every anomaly of the tables once, in their order."""
    return tuple(dict.fromkeys(SphereCase(row.anomaly_size, row.change) for table in tables for row in table.rows))
