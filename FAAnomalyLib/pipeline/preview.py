"""What is expected in a drawn region, and nothing else: for a picture that follows a box while it is dragged."""

from __future__ import annotations

import numpy as np

from ..anomaly.drawn_region import drawn_hole
from ..errors import FAError
from ..inpainting.estimated_passes import estimated_means
from ..inpainting.masks import pass_from_mask
from ..volume import Volume
from .filled_brain import mean_on_native_grid
from .run_opening import Run

PREVIEW_STAGES = {"reading": 0.3, "loading the model": 1.0, "registration": 9.0, "filling holes": 0.3}
"""Stages of a preview and their expected shares of the time, of the first one for a volume."""


def expected_in_region(run: Run) -> Volume:
    """FA as expected in the run's region, the input elsewhere, on the input's grid.

    The region is hidden as one hole and filled by the linear estimate that the network corrects, in a tenth of the time
    and with as small an error.

    Raises
    ------
    FAError
        ``bad-request`` for a region that cannot be judged either, and for a model whose network corrects no estimate.
    """
    subject, inpainter, region = run.subject, run.loaded.inpainter, run.region
    if region is None or run.edge_mm is None:
        raise FAError("bad-request", "There is nothing to show", "no region is given", "Draw a box")
    if inpainter.kind.estimate is None:
        raise FAError(
            "bad-request",
            f"The model {run.loaded.model.name} has no preview",
            f"a network of the kind {inpainter.model.kind} fills no hole at once",
            "Fill the region, or choose another model",
        )
    run.loaded.calibration.regions.at(run.edge_mm)
    run.progress.step("filling holes")
    hole = pass_from_mask(drawn_hole(subject, region, run.request.mask_type))
    filled = estimated_means(inpainter, subject, [hole])
    run.progress.check()
    shown = subject.inpainted_on_native(filled.covered) & region
    mean = mean_on_native_grid(subject, filled, shown)
    run.progress.finish()
    volume = subject.grid.native
    return volume.with_data(np.where(shown, mean, volume.data).astype(np.float32))
