"""A run's ``log.csv``, and its progress as a line of text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOG = "log.csv"
COLUMNS = "step,squared_error,seconds_per_step,held_out_rmse_fa"


@dataclass(frozen=True)
class LogEntry:
    """One line of the log.

    Attributes
    ----------
    step
        Number of finished steps.
    error
        Exponentially smoothed squared error of the objective.
    seconds_per_step
        Mean since the process started.
    held_out
        Error of each held-out subject in FA; empty when it was not measured at this step.
    """

    step: int
    error: float
    seconds_per_step: float
    held_out: tuple[float, ...] = ()

    @property
    def held_out_text(self) -> str:
        """The held-out errors with four decimals, separated by spaces."""
        return " ".join(f"{error:.4f}" for error in self.held_out)


def append_to_log(folder: Path, entry: LogEntry) -> None:
    """Add a line to ``log.csv``, which is begun with its heading."""
    path = folder / LOG
    new = not path.is_file()
    with open(path, "a") as log:
        if new:
            log.write(f"{COLUMNS}\n")
        log.write(f"{entry.step},{entry.error:.5f},{entry.seconds_per_step:.3f},{entry.held_out_text}\n")


def shorten_log(folder: Path, step: int, name: str = LOG) -> None:
    """Drop the lines after *step*, whose steps a resumed run does again, from a table that begins with the step."""
    path = folder / name
    if not path.is_file():
        return
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.split(",")[0].isdigit() or int(line.split(",")[0]) <= step]
    path.write_text("".join(kept))


def progress_text(entry: LogEntry, steps: int) -> str:
    """A bar, the error, the pace and the time left of a run of *steps* steps.

    Examples
    --------
    >>> progress_text(LogEntry(step=50, error=0.0312, seconds_per_step=0.5, held_out=(0.041,)), steps=200)
    '[#####               ] step 50/200  error 0.0312  0.50 s/step  1 min 15 s left  held out 0.0410'
    """
    minutes, seconds = divmod(int(entry.seconds_per_step * (steps - entry.step)), 60)
    bar = "#" * round(20 * entry.step / steps)
    text = (
        f"[{bar:<20}] step {entry.step}/{steps}  error {entry.error:.4f}  {entry.seconds_per_step:.2f} s/step  "
        f"{minutes} min {seconds:02d} s left"
    )
    return text + (f"  held out {entry.held_out_text}" if entry.held_out else "")
