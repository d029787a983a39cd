"""The error on people who are not trained on, during training."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..inpainting.masks import plan
from ..networks.conditioning import condition
from ..preprocessing.template import WHITE_MATTER_PROBABILITY
from .cohort_cache import TrainingSubject

MASK_SIZE = 16
"""20 mm holes, the thesis' choice."""


def roaming_error(
    network: nn.Module,
    subjects: list[TrainingSubject],
    spacing_mm: tuple[float, float, float],
    device: torch.device,
    dtype: torch.dtype,
) -> list[float]:
    """Root mean squared error in FA inside white matter, bias removed, of one whole roaming pass a subject.

    White matter is the prior's, off the brain's noisy rim (full :attr:`TrainingSubject.weight`): voxels chosen
    by their own FA would favour high noise.
    """
    errors = []
    signal = torch.zeros(1, device=device)
    for subject in subjects:
        priors = subject.priors
        prior_fa = torch.from_numpy(2.0 * priors.fa - 1.0)[None, None].to(device)
        white = torch.from_numpy(priors.white_matter)[None, None].to(device)
        brain = subject.weight.numpy() >= 0.1
        x = (2.0 * subject.fa - 1.0)[None, None].to(device)
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(device)
        residuals = []
        for one in plan(brain, MASK_SIZE, spacing_mm, shift_count=1):
            hole = torch.from_numpy(one.hole)[None, None].float().to(device)
            with torch.inference_mode(), torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
                v, _ = network(noise, signal, condition(x, hole, prior_fa, white))
            analysed = one.hole & (priors.white_matter > WHITE_MATTER_PROBABILITY) & (subject.weight.numpy() >= 1.0)
            residuals.append(((x + v).cpu().numpy()[0, 0] / 2.0)[analysed])
        residual = np.concatenate(residuals)
        errors.append(float(residual.std()))
    return errors
