"""A fake 3D Slicer for tests: real MRML from the wheel ``slicer-core``, widgets on PySide6 by PythonQt's rules.

``require()`` starts it; ``fixtures`` says what tests can use; README.md says what is real and what is not.
"""

from __future__ import annotations

from .event_loop import HELD_UP, event_gap, pump, pump_until
from .screenshots import grab
from .slice_views import render_slices
from .start import application, install, open_layout, require, slice_view, unavailable

__all__ = [
    "HELD_UP",
    "application",
    "event_gap",
    "grab",
    "install",
    "open_layout",
    "pump",
    "pump_until",
    "render_slices",
    "require",
    "slice_view",
    "unavailable",
]
