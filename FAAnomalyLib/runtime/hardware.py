"""Cores, memory, CPU features and devices of this computer, from the standard library (and torch for devices)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
MEMINFO = Path("/proc/meminfo")
CPU_FEATURES = ("avx512_bf16", "amx_bf16")
"""With one of these, networks in bfloat16 run about twice as fast on the CPU."""


def cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_gb() -> dict[str, float | None]:
    """``total`` and ``available`` main memory in GB; None where the system does not tell."""
    memory: dict[str, float | None] = {"total": None, "available": None}
    try:
        rows = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines() if ":" in line)
        for name, key in (("total", "MemTotal"), ("available", "MemAvailable")):
            memory[name] = round(int(rows[key].split()[0]) * 1024 / 1e9, 1)
    except (OSError, KeyError, ValueError):
        try:
            memory["total"] = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
        except (AttributeError, OSError, ValueError):
            pass
    return memory


def peak_memory_mb() -> int | None:
    """Peak main memory of this process in MB; None where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3))


def cpu_features() -> dict[str, bool | None]:
    """Whether the CPU has each of :data:`CPU_FEATURES`; None where the system does not tell."""
    try:
        text = CPUINFO.read_text(errors="replace")
    except OSError:
        return dict.fromkeys(CPU_FEATURES)
    flags = {flag for line in text.splitlines() if line.startswith("flags") for flag in line.split()}
    return {name: name in flags if flags else None for name in CPU_FEATURES}


def devices() -> list[str]:
    """Devices that torch can use, the best first; imports torch, and passes on what that raises."""
    import torch

    names = []
    if torch.cuda.is_available():
        names += [f"cuda ({torch.cuda.get_device_name(number)})" for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def check_arrays() -> None:
    """Send an array to torch and back as the engine does; passes on what that raises."""
    import numpy as np

    from .arrays import as_array, as_tensor

    sent = np.arange(6, dtype=np.float32).reshape(2, 3)
    if not np.array_equal(as_array(as_tensor(sent) + 1.0), sent + 1.0):
        raise RuntimeError("an array comes back changed")
