"""Translation of any exception into the ``FAError`` that a user reads."""

from __future__ import annotations

from ..errors import FAError
from .requirements import REQUIRED, install_command

OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def as_fa_error(error: BaseException) -> FAError:
    """*error* itself when it is an ``FAError``, else the ``FAError`` for it.

    >>> as_fa_error(MemoryError()).code, as_fa_error(KeyboardInterrupt()).code, as_fa_error(KeyError("grid")).code
    ('out-of-memory', 'cancelled', 'bug')
    """
    if isinstance(error, FAError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return FAError("cancelled", "Cancelled", "", "Start again when ready")
    if is_out_of_memory(error):
        return FAError(
            "out-of-memory",
            "Out of memory",
            _first_line(error),
            "Close other programs, or run with --device cpu, --samples 1 or a smaller volume",
        )
    package = (getattr(error, "name", None) or "").partition(".")[0]
    if isinstance(error, ImportError) and package in REQUIRED:
        state = "is not installed" if isinstance(error, ModuleNotFoundError) else "cannot be loaded"
        return FAError(
            "missing",
            f"The package {REQUIRED[package]} {state}",
            _first_line(error),
            f"Install it with: {install_command([package])}",
        )
    where = _first_line(error)
    return FAError(
        "bug",
        "FAAnomaly met a bug",
        type(error).__name__ + (f", {where}" if where else ""),
        "Run again with --debug and report what it prints",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether *error* means that main or graphics memory ran out.

    torch's own class is recognised by its name, because torch may not be installed; on the CPU and on Apple's GPUs
    torch raises a plain ``RuntimeError``.

    >>> is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    True
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in OUT_OF_MEMORY_WORDS)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else ""
