"""Losses of the generative comparators, each with its equation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) | N(0, 1)) summed over everything but the batch: (B,).

    Kingma & Welling 2014, appendix B: -1/2 sum(1 + log variance - mean^2 - variance).
    """
    return -0.5 * (1.0 + log_variance - mean**2 - log_variance.exp()).flatten(1).sum(1)


def reparametrised(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """mean + SD * noise (Kingma & Welling 2014, section 2.4)."""
    return mean + (0.5 * log_variance).exp() * noise


def discriminator_loss(of_real: Tensor, of_made: Tensor) -> Tensor:
    """-E log D(real) - E log(1 - D(made)) of logits (Goodfellow et al. 2014, eq. 1)."""
    real = functional.binary_cross_entropy_with_logits(of_real, torch.ones_like(of_real))
    return real + functional.binary_cross_entropy_with_logits(of_made, torch.zeros_like(of_made))


def deceiving_loss(of_made: Tensor) -> Tensor:
    """-E log D(made) of logits, the form that does not saturate (Goodfellow et al. 2014, section 3)."""
    return functional.binary_cross_entropy_with_logits(of_made, torch.ones_like(of_made))


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, made: Tensor, share: Tensor) -> Tensor:
    """E (|gradient of the critic| - 1)^2 on lines between real and made (Gulrajani et al. 2017, eq. 3).

    Parameters
    ----------
    critic
        (B, ...) -> (B,).
    real, made
        (B, ...); no gradient reaches what made them.
    share
        Where on the lines, uniform in [0, 1], (B, 1, ...).
    """
    between = (share * real.detach() + (1.0 - share) * made.detach()).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((gradient.flatten(1).norm(dim=1) - 1.0) ** 2).mean()


def izi_f_loss(x: Tensor, again: Tensor, features: Tensor, features_again: Tensor, kappa: float = 1.0) -> Tensor:
    """|x - G(E(x))|^2 / n + kappa |f(x) - f(G(E(x)))|^2 / n_d (Schlegl et al. 2019, eq. 4 to 6): (B,).

    Parameters
    ----------
    x, again
        Slices and their reconstructions, (B, 1, X, Y).
    features, features_again
        The critic's features of both, (B, F).
    kappa
        The paper's is 1.
    """
    pictures = ((x - again) ** 2).flatten(1).mean(1)
    return pictures + kappa * ((features - features_again) ** 2).flatten(1).mean(1)
