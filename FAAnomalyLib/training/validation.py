"""The error on held-out subjects, measured during training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ..inpainting.masks import plan_passes
from ..networks.conditioning import condition
from ..preprocessing.template import WHITE_MATTER_PROBABILITY
from ..runtime.arrays import as_array, as_tensor
from .cohort_cache import TrainingSubject

MASK_SIZE = 16
"""Edge of a hole in voxels of 1.25 mm: 20 mm, the thesis' choice."""


def held_out_errors(
    network: nn.Module,
    subjects: Sequence[TrainingSubject],
    spacing_mm: Sequence[float],
    device: torch.device,
    dtype: torch.dtype,
) -> list[float]:
    """Inpaint each subject's whole brain once and measure the error in white matter.

    White matter is the template prior's, off the brain's noisy rim (where :attr:`TrainingSubject.weight` is 1):
    voxels selected by their own FA would favour high noise.

    Parameters
    ----------
    network
        A hole-trained network in evaluation mode on *device*.
    subjects
        On the model grid.
    spacing_mm
        Voxel size of the model grid along x, y, z.
    device, dtype
        Where the network computes, and the number format of its convolutions.

    Returns
    -------
    list of float
        For each subject the standard deviation of its residual in FA: the root mean squared error without bias.
    """
    errors = []
    signal = torch.zeros(1, device=device)
    for subject in subjects:
        priors = subject.priors
        prior_fa = as_tensor(2.0 * priors.fa - 1.0)[None, None].to(device)
        white = as_tensor(priors.white_matter)[None, None].to(device)
        weight = as_array(subject.weight)
        x = (2.0 * subject.fa - 1.0)[None, None].to(device)
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(device)
        residuals = []
        for one_pass in plan_passes(weight >= 0.1, MASK_SIZE, spacing_mm, shift_count=1):
            hole = as_tensor(one_pass.hole)[None, None].float().to(device)
            with torch.inference_mode(), torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
                v, _ = network(noise, signal, condition(x, hole, prior_fa, white))
            analysed = one_pass.hole & (priors.white_matter > WHITE_MATTER_PROBABILITY) & (weight >= 1.0)
            # From pure noise the prediction of x0 is -v; x is 2 FA - 1.
            residuals.append((as_array(x + v)[0, 0] / 2.0)[analysed])
        errors.append(float(np.concatenate(residuals).std()))
    return errors
