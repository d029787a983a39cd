"""Outcome of a detection: volumes, regions and provenance."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from .geometry.subject_to_atlas import SubjectToAtlas
from .tracts import RegionAnatomy, TractScore
from .volume import Volume

INCREASED, DECREASED = 1, 2
"""Labels of the segmentation, uint8; 0 is everything else."""
LARGEST_CHANGE = 0.4
"""FA beyond which no change is told to be detectable: the residuals are bounded, and hardly grow any more."""
REGION_COLUMNS = (
    "label",
    "sign",
    "voxels",
    "volume_ml",
    "peak_z",
    "mean_z",
    "mean_difference",
    "mean_difference_sd",
    "centroid_r",
    "centroid_a",
    "centroid_s",
    "peak_r",
    "peak_a",
    "peak_s",
    "tract",
    "share_of_region",
    "share_of_tract",
    "other_tracts",
    "nearest_tract",
    "nearest_tract_mm",
    "side_known",
)
"""Of ``regions.csv``."""


@dataclass(frozen=True)
class Region:
    """One connected cluster of voxels beyond the threshold.

    Attributes
    ----------
    label
        Running number from 1, largest peak first.
    sign
        ``increased`` or ``decreased`` FA.
    voxels, volume_ml
        Size in voxels of the input and in millilitres.
    peak_z, mean_z
        Signed z of the strongest voxel, and the mean over the region.
    mean_difference
        Mean of input minus expected over the region, signed, in FA.
    mean_difference_sd
        Standard deviation of healthy tissue at this smoothing, in FA: ``|mean_difference| / |mean_z|``. It does not
        shrink with the size of the region, because the errors of neighbouring voxels are correlated.
    centroid_ras, peak_ras
        Positions in RAS millimetres.
    side_known
        Whether the input says left from right; otherwise the sign of the first number means nothing.
    anatomy
        The tracts that the region lies in; None where no atlas was asked.

    Examples
    --------
    >>> region = Region(1, "decreased", 160, 1.28, -6.1, -4.0, -0.2, 0.05, (-28.0, -16.0, 4.0), (-27.0, -15.0, 4.0))
    >>> region.sentence()[:57]
    'Region 1: FA decreased by 0.20 ± 0.05 on average over 1.3'
    """

    label: int
    sign: str
    voxels: int
    volume_ml: float
    peak_z: float
    mean_z: float
    mean_difference: float
    mean_difference_sd: float
    centroid_ras: tuple[float, float, float]
    peak_ras: tuple[float, float, float]
    side_known: bool = True
    anatomy: RegionAnatomy | None = None

    def sentence(self) -> str:
        """One sentence in plain words: sign, mean change, size, peak and place."""
        where = place(self.centroid_ras, self.side_known)
        inside = "" if self.anatomy is None else f" {self.anatomy.words()}"
        return (
            f"Region {self.label}: FA {self.sign} by {abs(self.mean_difference):.2f} "
            f"± {self.mean_difference_sd:.2f} on average over "
            f"{self.volume_ml:.1f} ml{inside}, peak z {self.peak_z:+.1f}, centred at {where} mm"
            f"{'' if self.side_known else ' (side unknown)'}."
        )


def place(ras: tuple[float, float, float], side_known: bool = True) -> str:
    """A position in RAS mm as radiologists write it; without a side where the file does not say it.

    >>> place((-28.2, -16.0, 4.4)), place((-28.2, -16.0, 4.4), side_known=False)
    ('L 28, P 16, S 4', 'L or R 28, P 16, S 4')
    """
    pairs = (("R", "L") if side_known else ("L or R",) * 2, "AP", "SI")
    return ", ".join(
        f"{letters[0] if value >= 0 else letters[1]} {abs(value):.0f}"
        for letters, value in zip(pairs, ras, strict=True)
    )


@dataclass
class Result:
    """Volumes in the input's own geometry, regions, and the provenance.

    Attributes
    ----------
    input
        The FA map as it was analysed: repaired, float32 in [0, 1].
    pseudo_healthy
        The input with its regions replaced by healthy tissue of the input's own resolution and noise, FA: one draw
        from the posterior, not its mean. Outside the regions, or the drawn region, it is the input, bit by bit.
    difference
        Input minus expected, signed, FA.
    z_map
        Smoothed, standardised z; fades to 0 over one model voxel beyond the analysed tissue.
    segmentation
        uint8: :data:`INCREASED` or :data:`DECREASED`, 0 elsewhere.
    regions
        Strongest peak first.
    provenance
        What ``result.json`` holds: versions, model hash, every parameter, seed, seconds per stage, network
        evaluations, peak memory and warnings.
    tracts
        Every tract of the atlas, in its order; empty for a drawn region, and where no atlas was asked for.
    to_atlas
        Where the brain lies in the atlas; None where no atlas was asked for.
    expected
        The input with every voxel that a hole covered replaced by the model's mean, FA. Left out, it is
        *pseudo_healthy*: of a method that fills with its mean.
    expected_sd
        Standard deviation of healthy tissue about that mean, at the mean's resolution, FA; 0 outside the holes, and
        everywhere where the model does not tell it, as when it is left out.
    """

    input: Volume
    pseudo_healthy: Volume
    difference: Volume
    z_map: Volume
    segmentation: Volume
    regions: list[Region] = field(default_factory=list)
    provenance: dict = field(default_factory=dict)
    tracts: list[TractScore] = field(default_factory=list)
    to_atlas: SubjectToAtlas | None = None
    expected: Volume = None  # type: ignore[assignment]
    expected_sd: Volume = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.expected is None:
            self.expected = self.pseudo_healthy
        if self.expected_sd is None:
            self.expected_sd = self.input.with_data(np.zeros(self.input.shape, np.float32))
        if not self.input.sides_known:
            self.regions = [replace(region, side_known=False) for region in self.regions]

    @property
    def signs(self) -> str:
        """Signs that were searched for, one of :data:`FAAnomalyLib.request.SIGNS`; ``both`` when not recorded."""
        return self.provenance.get("request", {}).get("signs", "both")

    @property
    def drawn_ml(self) -> float | None:
        """Millilitres of the drawn region when nothing else was analysed; None for a whole brain."""
        return self.provenance.get("drawn_ml")

    @property
    def nothing_found(self) -> str:
        """What an empty list of regions means: which change of FA would have been found.

        From ``detectable_change`` of the provenance; of both signs the larger number is told. Half of the spheres of
        this change are found (``docs/measurements.md``).
        """
        told = "No region is beyond the threshold."
        known = self.provenance.get("detectable_change", [])
        changes = [(one["diameter_mm"], _larger_change(one, self.signs)) for one in known]
        if not changes:
            return told
        where = "of white matter" if self.provenance.get("drawn_edge_mm") is None else "in a region drawn so"
        seen = [(diameter, change) for diameter, change in changes if change is not None]
        if not seen:
            return (
                f"{told} Not even a change of {LARGEST_CHANGE:g} FA in a sphere of {changes[-1][0]:g} mm would have "
                f"been found at half of the places {where}."
            )
        (diameter, change), *others = seen
        others_told = [f"{other:.2f} in {size:g} mm" for size, other in others]
        others_told += [f"more than {LARGEST_CHANGE:g} in {size:g} mm" for size, other in changes if other is None]
        more = f" ({', '.join(others_told)})" if others_told else ""
        return (
            f"{told} A change of {change:.2f} FA in a sphere of {diameter:g} mm{more} would have been found at half of "
            f"the places {where}."
        )

    def volumes(self) -> dict[str, Volume]:
        """File stem -> volume, in the order of display."""
        return {
            "pseudo_healthy": self.pseudo_healthy,
            "expected": self.expected,
            "expected_sd": self.expected_sd,
            "difference": self.difference,
            "z_map": self.z_map,
            "segmentation": self.segmentation,
        }

    def regions_csv(self) -> str:
        """The table of regions as CSV text; positions in RAS mm, whose first number has no side unless it is known."""
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(REGION_COLUMNS)
        for r in self.regions:
            numbers = [
                r.volume_ml,
                r.peak_z,
                r.mean_z,
                r.mean_difference,
                r.mean_difference_sd,
                *r.centroid_ras,
                *r.peak_ras,
            ]
            known = "true" if r.side_known else "false"
            cells = [r.label, r.sign, r.voxels, *(f"{n:.4f}" for n in numbers), *_tract_cells(r.anatomy), known]
            rows.writerow(cells)
        return out.getvalue()

    def result_json(self) -> str:
        """Provenance and regions as JSON text."""
        return json.dumps({**self.provenance, "regions": [asdict(r) for r in self.regions]}, indent=2)


def _larger_change(one: dict[str, float | None], signs: str) -> float | None:
    """The larger change of the signs that were searched; None where one of them would not be found at any change."""
    changes = [one[sign] for sign in ("increased", "decreased") if signs in ("both", sign)]
    known = [change for change in changes if change is not None]
    return max(known) if len(known) == len(changes) else None


def _tract_cells(anatomy: RegionAnatomy | None) -> list[str]:
    if anatomy is None:
        return [""] * 6
    others = "; ".join(share.words() for share in anatomy.tracts[1:])
    near = [anatomy.nearest or "", "" if anatomy.distance_mm is None else f"{anatomy.distance_mm:.1f}"]
    if not anatomy.tracts:
        return ["", "", "", others, *near]
    best = anatomy.tracts[0]
    return [best.tract, f"{best.share_of_region:.4f}", f"{best.share_of_tract:.4f}", others, *near]
