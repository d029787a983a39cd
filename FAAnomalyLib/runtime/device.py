"""Choice of the device, and of the number format that is fastest on it."""

from __future__ import annotations

import functools
import time

import torch

from ..errors import FAError

AMPERE = 8
"""Compute capability of the first graphics cards of NVIDIA that compute in bfloat16."""


def choose_device(name: str = "auto") -> torch.device:
    """The torch device of a name.

    Parameters
    ----------
    name
        ``cpu``, ``cuda``, ``mps``, or ``auto`` for the first available of CUDA, MPS and CPU.

    Raises
    ------
    FAError
        ``bad-request`` when this machine has no such device.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(n for n in ("cuda", "mps", "cpu") if present[n])
    if not present.get(name, False):
        raise FAError(
            "bad-request",
            f"There is no device {name!r} on this machine",
            "",
            f"Choose {' or '.join(n for n, there in present.items() if there)}",
        )
    return torch.device(name)


@functools.cache
def fastest_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where a short trial of a 3D convolution is at least a fifth faster with it, else float32.

    Measured and not read from processor flags, because some processors accept bfloat16 and emulate it. The trial runs
    once for each device.
    """
    if device.type == "cuda":
        # Not is_bf16_supported: before torch 2.4 it cannot leave out cards that only emulate it.
        computes_in_it = torch.version.hip or torch.cuda.get_device_capability(device)[0] >= AMPERE
        return torch.bfloat16 if computes_in_it else torch.float32
    if device.type != "cpu":
        return torch.float32
    # In turns: on a busy machine one trial may meet what the other was spared.
    rounds = [{dtype: _convolution_seconds(dtype) for dtype in (torch.float32, torch.bfloat16)} for _ in range(2)]
    seconds = {dtype: min(one[dtype] for one in rounds) for dtype in rounds[0]}
    return torch.bfloat16 if seconds[torch.bfloat16] < 0.8 * seconds[torch.float32] else torch.float32


def _convolution_seconds(dtype: torch.dtype) -> float:
    layer = torch.nn.Conv3d(32, 32, 3, padding=1).to(dtype)
    layer = layer.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # torch's stubs lack it
    x = torch.ones(1, 32, 24, 24, 24, dtype=dtype).contiguous(memory_format=torch.channels_last_3d)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(2):
            begin = time.perf_counter()
            layer(x)
            best = min(best, time.perf_counter() - begin)
    return best


def describe(device: torch.device) -> str:
    """The name of a device for reports, for example ``CPU, 8 threads``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return {"cpu": f"CPU, {torch.get_num_threads()} threads", "mps": "Apple GPU"}[device.type]
