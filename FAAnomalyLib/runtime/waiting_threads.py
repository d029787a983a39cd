"""How the threads of one computation wait for each other: by sleeping where other programs want the cores."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, MutableMapping

BUSY_LOAD = 0.7
"""Programs that want a core, on average over the last minute."""
CHOSEN = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables by which a user has chosen already."""

LOAD = getattr(os, "getloadavg", None)
"""None where the system does not tell (Windows)."""


def sleep_while_waiting_where_busy(
    environment: MutableMapping[str, str] = os.environ,
    load: Callable[[], tuple[float, float, float]] | None = LOAD,
) -> None:
    """Have OpenMP's threads sleep while they wait, on a machine that is busy; to be called before torch is imported.

    By default a thread that has done its share spins until the others have done theirs, and so keeps the core that the
    others need when there are not enough: beside one other program on two cores the template was warped in 50 s, and in
    6 s by threads that sleep. On an idle machine spinning is quicker (4 s instead of 6 s), so it stays. Results are
    the same.

    Parameters
    ----------
    environment
        Of this process.
    load
        As :data:`LOAD`.
    """
    if load is None or "torch" in sys.modules or any(name in environment for name in CHOSEN):
        return
    try:
        busy = load()[0] >= BUSY_LOAD
    except OSError:
        return
    if busy:
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
