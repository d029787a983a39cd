"""Iterative SimpleITK processes that can be stopped while they run."""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import SimpleITK

Made = TypeVar("Made")
Check = Callable[[], None]
"""Raises to stop what runs, for instance :meth:`FAAnomalyLib.runtime.progress.CancelToken.check`."""


def interruptible(process: SimpleITK.ProcessObject, run: Callable[[], Made], check: Check | None = None) -> Made:
    """What *run* makes, with *check* called before every iteration of the process that it executes.

    Parameters
    ----------
    process
        A registration or a filter that iterates; it is told to stop once *check* raises.
    run
        Calls its ``Execute``.
    check
        None for a process that cannot be stopped. The result is the same with and without.

    Raises
    ------
    BaseException
        What *check* raised.
    """
    if check is None:
        return run()
    import SimpleITK as sitk

    raised: list[BaseException] = []
    stop = getattr(process, "StopRegistration", process.Abort)

    def look() -> None:
        # SimpleITK prints what a command raises, and goes on with an error of its own.
        try:
            if not raised:
                check()
        except BaseException as error:
            raised.append(error)
        if raised:
            stop()

    process.AddCommand(sitk.sitkIterationEvent, look)
    check()
    try:
        made = run()
    except RuntimeError:
        if not raised:
            raise
    if raised:
        raise raised[0]
    return made


def within_a_look(frame: FrameType | None) -> bool:
    """Whether a frame belongs to the call that :func:`interruptible` makes before an iteration.

    A signal that arrives during a library call is handled there, if need be before that call's first line, where
    SimpleITK turns what its handler raises into an error of its own.
    """
    while frame is not None:
        if (frame.f_code.co_name, frame.f_code.co_filename) == ("look", interruptible.__code__.co_filename):
            return True
        frame = frame.f_back
    return False
