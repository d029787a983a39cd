"""What a detection gives back."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, field

from .volume import Volume

INCREASED, DECREASED = 1, 2
"""Labels of the segmentation."""


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
        Size.
    peak_z, mean_z
        Signed z of the strongest voxel and on average.
    mean_difference
        Mean FA change (input minus pseudo-healthy), signed.
    mean_difference_sd
        What healthy tissue deviates in one standard deviation at this smoothing, FA: |mean change| over
        |mean z|. No smaller for a larger region: neighbours err together.
    centroid_ras, peak_ras
        Positions in RAS millimetres.
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

    def sentence(self) -> str:
        """The region in plain words."""
        return (
            f"Region {self.label}: FA {self.sign} by {abs(self.mean_difference):.2f} "
            f"± {self.mean_difference_sd:.2f} on average over "
            f"{self.volume_ml:.1f} ml, peak z {self.peak_z:+.1f}, centred at {place(self.centroid_ras)} mm."
        )


def place(ras: tuple[float, float, float]) -> str:
    """A position as people write it: ``L 28, P 16, S 4``."""
    return ", ".join(
        f"{letters[0] if value >= 0 else letters[1]} {abs(value):.0f}"
        for letters, value in zip(("RL", "AP", "SI"), ras, strict=True)
    )


@dataclass
class Result:
    """Volumes in the input's own geometry, regions, and how they came about.

    Attributes
    ----------
    input
        The FA map as it was judged (repaired, FA in [0, 1]).
    pseudo_healthy
        The input with every voxel that a hole covered replaced by the model's mean, FA.
    difference
        Input minus pseudo-healthy, signed, FA.
    z_map
        Smoothed, standardised z; fades to 0 over one model voxel where nothing was judged.
    segmentation
        uint8: 1 increased, 2 decreased.
    regions
        Strongest first.
    provenance
        Versions, model hash, every parameter, seed, seconds per stage, network evaluations,
        peak memory, warnings: what ``result.json`` holds.
    """

    input: Volume
    pseudo_healthy: Volume
    difference: Volume
    z_map: Volume
    segmentation: Volume
    regions: list[Region] = field(default_factory=list)
    provenance: dict = field(default_factory=dict)

    @property
    def signs(self) -> str:
        """Which regions were looked for, of :data:`FAAnomalyLib.request.SIGNS`; both where nothing is told."""
        return self.provenance.get("request", {}).get("signs", "both")

    @property
    def drawn_ml(self) -> float | None:
        """Millilitres of the drawn region when nothing else was judged; None for a whole brain."""
        return self.provenance.get("drawn_ml")

    def volumes(self) -> dict[str, Volume]:
        """File stem -> volume, in the order they are shown."""
        return {
            "pseudo_healthy": self.pseudo_healthy,
            "difference": self.difference,
            "z_map": self.z_map,
            "segmentation": self.segmentation,
        }

    def regions_csv(self) -> str:
        """The table of regions as CSV text."""
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(
            [
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
            ]
        )
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
            rows.writerow([r.label, r.sign, r.voxels, *(f"{n:.4f}" for n in numbers)])
        return out.getvalue()

    def result_json(self) -> str:
        """Provenance and regions as JSON text."""
        return json.dumps({**self.provenance, "regions": [asdict(r) for r in self.regions]}, indent=2)
