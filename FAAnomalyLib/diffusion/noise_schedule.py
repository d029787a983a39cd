"""The noise schedule: how much of the picture is left at every timestep, and the formulas that follow from it.

Everywhere ``x_t = alpha(t) * x0 + sigma(t) * noise`` with ``alpha(t)**2 + sigma(t)**2 = 1``; x0 is an FA map
scaled to [-1, 1]. Timestep 0 is the least noisy, ``timesteps - 1`` the noisiest; -1 stands for the clean picture
where a step may end there.

References
----------
Ho et al. 2020, "Denoising diffusion probabilistic models"; Nichol & Dhariwal 2021, "Improved denoising diffusion
probabilistic models"; Salimans & Ho 2022, "Progressive distillation for fast sampling of diffusion models"; Lu et al.
2022, "DPM-Solver++"; Lin et al. 2023, "Common diffusion noise schedules and sample steps are flawed".
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

Timestep = int | Tensor
"""One timestep for the whole batch, or a 1-D integer tensor with one timestep for each of its members."""


class NoiseSchedule:
    """Variance-preserving diffusion process over float64 tables of length *timesteps*.

    Every method that takes ``t`` takes an ``int`` or an integer tensor of shape (B,), which is then spread over
    pictures of shape (B, ...), usually (B, C, X, Y, Z). Pictures keep their dtype and device.

    Parameters
    ----------
    kind
        ``linear`` or ``cosine``; see :func:`linear_schedule` and :func:`cosine_schedule`.
    timesteps
        Length of the tables, at least 2.
    **parameters
        All the parameters of that kind.

    Attributes
    ----------
    betas, alphas_cumprod
        beta_t in (0, 1], and the product of (1 - beta) up to t, in [0, 1): the "alpha bar" of Ho et al. 2020.
    posterior_mean_coef1, posterior_mean_coef2, posterior_variance, posterior_log_variance_clipped
        q(x_{t-1} | x_t, x0), thesis listings A.4 and A.5; the variance is cut at 1e-20 before its logarithm.

    Raises
    ------
    ValueError
        For an unknown kind, missing or unknown parameters, or values that make no schedule.

    Examples
    --------
    >>> schedule = cosine_schedule(1000)
    >>> schedule.alpha(999), schedule.sigma(999), schedule.alpha(-1)
    (0.0, 1.0, 1.0)
    >>> NoiseSchedule.from_dict(schedule.to_dict()).timesteps
    1000
    """

    def __init__(self, kind: str, timesteps: int, **parameters: Any) -> None:
        if kind not in _BETAS:
            raise ValueError(f"unknown schedule {kind!r}; known are {', '.join(_BETAS)}")
        if timesteps < 2:
            raise ValueError(f"a schedule needs at least 2 timesteps, not {timesteps}")
        self.kind, self.timesteps, self.parameters = kind, int(timesteps), dict(parameters)
        builder_parameters = dict(parameters)
        try:
            zero_terminal_snr = builder_parameters.pop("zero_terminal_snr")
            betas = _BETAS[kind](self.timesteps, **builder_parameters)
        except (KeyError, TypeError) as error:
            raise ValueError(f"wrong parameters for a {kind} schedule: {sorted(parameters)}") from error
        if not np.all((betas > 0.0) & (betas < 1.0)):
            raise ValueError("every beta of a schedule must lie between 0 and 1")
        cumprod = np.cumprod(1.0 - betas)
        if zero_terminal_snr:
            cumprod = _without_terminal_signal(cumprod)
            betas = 1.0 - cumprod / np.append(1.0, cumprod[:-1])
        self.betas, self.alphas_cumprod = betas, cumprod
        coefficients = _posterior(cumprod, np.append(1.0, cumprod[:-1]))
        self.posterior_mean_coef1, self.posterior_mean_coef2, self.posterior_variance = coefficients
        self.posterior_log_variance_clipped = np.log(np.maximum(self.posterior_variance, 1e-20))
        # The clean picture goes to the end of the tables, so that index -1 finds it.
        self._alpha = np.append(np.sqrt(cumprod), 1.0)
        self._sigma = np.append(np.sqrt(1.0 - cumprod), 0.0)

    def to_dict(self) -> dict[str, Any]:
        """``kind``, ``timesteps`` and ``parameters`` as plain values, for a model's manifest."""
        return {"kind": self.kind, "timesteps": self.timesteps, "parameters": dict(self.parameters)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NoiseSchedule:
        """Inverse of :meth:`to_dict`; ``ValueError`` when the values describe no schedule."""
        try:
            return cls(values["kind"], values["timesteps"], **values["parameters"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a schedule: {values!r}") from error

    @overload
    def alpha(self, t: int) -> float: ...
    @overload
    def alpha(self, t: Tensor) -> float | Tensor: ...
    def alpha(self, t: Timestep) -> float | Tensor:
        """Share of the picture, sqrt(alphas_cumprod): a float, or float64 of shape (B,); 1 at t = -1."""
        return self._lookup(self._alpha, t)

    @overload
    def sigma(self, t: int) -> float: ...
    @overload
    def sigma(self, t: Tensor) -> float | Tensor: ...
    def sigma(self, t: Timestep) -> float | Tensor:
        """Share of the noise, sqrt(1 - alphas_cumprod): a float, or float64 of shape (B,); 0 at t = -1."""
        return self._lookup(self._sigma, t)

    def half_log_snr(self, t: int) -> float:
        """log(alpha / sigma), the "lambda" of Lu et al. 2022; -inf without signal, +inf at t = -1."""
        alpha, sigma = self.alpha(t), self.sigma(t)
        if alpha == 0.0 or sigma == 0.0:
            return -math.inf if alpha == 0.0 else math.inf
        return math.log(alpha / sigma)

    def q_sample(self, x0: Tensor, t: Timestep, noise: Tensor) -> Tensor:
        """``alpha x0 + sigma noise``: the noisy picture x_t (Ho et al. 2020, eq. 4; thesis listing A.5)."""
        return self._at(self._alpha, t, x0) * x0 + self._at(self._sigma, t, x0) * noise

    def x0_from_eps(self, x_t: Tensor, t: Timestep, eps: Tensor) -> Tensor:
        """``(x_t - sigma eps) / alpha`` (thesis listing A.6).

        The one conversion that does not exist at zero signal-to-noise, where x_t is all noise and tells nothing of
        x0: ``ValueError`` there. A network for such a schedule predicts v or x0.
        """
        alpha = self._nonzero(self._alpha, t, x_t, "x0 cannot be told from eps where the signal-to-noise ratio is 0")
        return (x_t - self._at(self._sigma, t, x_t) * eps) / alpha

    def x0_from_v(self, x_t: Tensor, t: Timestep, v: Tensor) -> Tensor:
        """``alpha x_t - sigma v`` (Salimans & Ho 2022); defined at every t."""
        return self._at(self._alpha, t, x_t) * x_t - self._at(self._sigma, t, x_t) * v

    def eps_from_v(self, x_t: Tensor, t: Timestep, v: Tensor) -> Tensor:
        """``sigma x_t + alpha v`` (Salimans & Ho 2022); defined at every t."""
        return self._at(self._sigma, t, x_t) * x_t + self._at(self._alpha, t, x_t) * v

    def eps_from_x0(self, x_t: Tensor, t: Timestep, x0: Tensor) -> Tensor:
        """``(x_t - alpha x0) / sigma``; defined at every t from 0, ``ValueError`` at the clean end t = -1."""
        sigma = self._nonzero(self._sigma, t, x_t, "a clean picture holds no noise to tell")
        return (x_t - self._at(self._alpha, t, x_t) * x0) / sigma

    def v_target(self, x0: Tensor, noise: Tensor, t: Timestep) -> Tensor:
        """``alpha noise - sigma x0``, what a v-predicting network learns (Salimans & Ho 2022)."""
        return self._at(self._alpha, t, x0) * noise - self._at(self._sigma, t, x0) * x0

    def posterior(self, x0: Tensor, x_t: Tensor, t: Timestep) -> tuple[Tensor, float | Tensor, float | Tensor]:
        """Mean, variance and clipped log variance of q(x_{t-1} | x_t, x0) (thesis listing A.6, ``q_posterior``).

        The mean has the shape of *x_t*; the other two are floats, or (B, 1, ...) for a batch of timesteps.
        """
        mean = (
            self._at(self.posterior_mean_coef1, t, x_t, clean_end=False) * x0
            + self._at(self.posterior_mean_coef2, t, x_t, clean_end=False) * x_t
        )
        variance = self._at(self.posterior_variance, t, x_t, clean_end=False)
        return mean, variance, self._at(self.posterior_log_variance_clipped, t, x_t, clean_end=False)

    def posterior_coefficients(self, t: int, s: int) -> tuple[float, float, float]:
        """The weights of x0 and x_t in the mean of q(x_s | x_t, x0), and its variance, for -1 <= s < t.

        Steps over many timesteps at once (Nichol & Dhariwal 2021, section 4); s = t - 1 gives the tables.
        ``ValueError`` unless s < t.
        """
        if not s < t:
            raise ValueError(f"a reverse step from {t} cannot end at {s}")
        return _posterior(self._squared(t), self._squared(s))

    def forward_coefficients(self, s: int, t: int) -> tuple[float, float]:
        """Weight of x_s and standard deviation of q(x_t | x_s), for -1 <= s < t (Ho et al. 2020, eq. 2)."""
        if not s < t:
            raise ValueError(f"noise cannot be added from {s} to {t}")
        kept = self._squared(t) / self._squared(s)
        return math.sqrt(kept), math.sqrt(1.0 - kept)

    def _squared(self, t: int) -> float:
        self._lookup(self._alpha, t)
        return float(self.alphas_cumprod[t]) if t >= 0 else 1.0

    def _lookup(self, table: np.ndarray, t: Timestep, clean_end: bool = True) -> float | Tensor:
        first = -1 if clean_end else 0
        if isinstance(t, Tensor) and t.ndim:
            if t.ndim != 1 or t.is_floating_point() or t.dtype == torch.bool:
                raise ValueError(f"timesteps must be an int or a 1-D integer tensor, not {t.dtype} {tuple(t.shape)}")
            indices = t.tolist()
            for extreme in {min(indices), max(indices)} if indices else ():
                self._check(extreme, first)
            # Gathered on the CPU: some accelerators have no float64.
            return torch.tensor([float(table[index]) for index in indices], dtype=torch.float64)
        single = operator.index(t)  # a 0-D integer tensor is an index too
        self._check(single, first)
        return float(table[single])

    def _check(self, t: int, first: int) -> None:
        if not first <= t < self.timesteps:
            raise ValueError(f"timestep {t} is not in {first}..{self.timesteps - 1}")

    def _at(self, table: np.ndarray, t: Timestep, like: Tensor, clean_end: bool = True) -> float | Tensor:
        values = self._lookup(table, t, clean_end)
        if isinstance(values, float):
            return values
        if len(values) != len(like):
            raise ValueError(f"{len(values)} timesteps for a batch of {len(like)}")
        return values.to(dtype=like.dtype).to(device=like.device).reshape(-1, *[1] * (like.ndim - 1))

    def _nonzero(self, table: np.ndarray, t: Timestep, like: Tensor, complaint: str) -> float | Tensor:
        values = self._lookup(table, t)
        if (values == 0.0) if isinstance(values, float) else bool((values == 0.0).any()):
            raise ValueError(complaint)
        return self._at(table, t, like)


def linear_schedule(
    timesteps: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02, zero_terminal_snr: bool = False
) -> NoiseSchedule:
    """Betas on a straight line from *beta_start* to *beta_end* (thesis listing A.3; Ho et al. 2020).

    With *zero_terminal_snr* alpha bar is rescaled as in :func:`cosine_schedule`; the thesis does not do that.

    Examples
    --------
    >>> linear_schedule().betas[[0, -1]].tolist()
    [0.0001, 0.02]
    """
    return NoiseSchedule(
        "linear", timesteps, beta_start=beta_start, beta_end=beta_end, zero_terminal_snr=zero_terminal_snr
    )


def cosine_schedule(timesteps: int = 1000, zero_terminal_snr: bool = True) -> NoiseSchedule:
    """Alpha bar falls as a squared cosine (Nichol & Dhariwal 2021, eq. 17; offset 0.008, betas cut at 0.999).

    With *zero_terminal_snr*, sqrt(alpha bar) is shifted and scaled so that its last value is exactly 0 and its first
    stays (Lin et al. 2023, algorithm 1): sampling then starts from noise that holds nothing of the picture.
    """
    return NoiseSchedule("cosine", timesteps, zero_terminal_snr=zero_terminal_snr)


def _linear_betas(timesteps: int, beta_start: float, beta_end: float) -> np.ndarray:
    return np.linspace(beta_start, beta_end, timesteps, dtype=np.float64)


def _cosine_betas(timesteps: int) -> np.ndarray:
    offset = 0.008
    level = np.cos((np.arange(timesteps + 1) / timesteps + offset) / (1.0 + offset) * math.pi / 2.0) ** 2
    return np.minimum(1.0 - level[1:] / level[:-1], 0.999)


_BETAS: dict[str, Callable[..., np.ndarray]] = {"linear": _linear_betas, "cosine": _cosine_betas}


def _without_terminal_signal(cumprod: np.ndarray) -> np.ndarray:
    """Alpha bar with its last value at exactly 0 (Lin et al. 2023, algorithm 1)."""
    root = np.sqrt(cumprod)
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2


def _posterior(now: Any, after: Any) -> tuple[Any, Any, Any]:
    """Weights of x0 and x_t, and variance, from alpha bar *now* and *after* the step (Ho et al. 2020, eq. 7).

    Written with the ratio of the two, which is safe where *now* is 0: the weight of x_t is then 0.
    """
    kept = now / after
    weight_x0 = after**0.5 * (1.0 - kept) / (1.0 - now)
    weight_xt = (1.0 - after) * kept**0.5 / (1.0 - now)
    return weight_x0, weight_xt, (1.0 - after) * (1.0 - kept) / (1.0 - now)
