"""Cohorts in the layouts as published, prepared once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from FAAnomalyLib.public_data.preparation import PreparedData
from FAAnomalyLib.public_data.t2_cohort import T2Request, prepare_t2_cohort
from support.phantoms import t2_cohorts


@dataclass(frozen=True)
class PreparedCohorts:
    """Folders of published and of prepared data, and what became of each."""

    root: Path
    requests: dict[str, T2Request]
    outcomes: dict[str, PreparedData]


@pytest.fixture(scope="package")
def cohorts(tmp_path_factory) -> PreparedCohorts:
    root = tmp_path_factory.mktemp("t2")
    atlas = t2_cohorts.write_atlas(root / "atlas.nii.gz")
    masks = root / "masks"
    sources = {
        "ixi": t2_cohorts.write_ixi(root / "published" / "IXI-T2", 2, masks),
        "brats21": t2_cohorts.write_brats(root / "published" / "BraTS2021", 3),
        "mslub": t2_cohorts.write_mslub(root / "published" / "mslub", 2),
    }
    requests = {
        layout: T2Request(
            layout,
            source,
            root / layout,
            atlas,
            masks if layout == "ixi" else None,
            registered=layout == "brats21",
            settings=t2_cohorts.SETTINGS,
        )
        for layout, source in sources.items()
    }
    with t2_cohorts.coarse_registration():
        outcomes = {layout: prepare_t2_cohort(request, lambda text: None) for layout, request in requests.items()}
    return PreparedCohorts(root, requests, outcomes)
