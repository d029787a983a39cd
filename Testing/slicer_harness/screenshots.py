"""Pictures of widgets."""

from __future__ import annotations

from pathlib import Path


def grab(widget, path, width: int | None = None) -> Path:
    """Save a picture of a widget as PNG, as large as its contents want, or *width* pixels wide; returns the path."""
    from .event_loop import pump
    from .pythonqt.wrapping import unwrap

    raw = unwrap(widget)
    raw.ensurePolished()
    raw.show()
    pump(0.05)
    wanted = width or max(raw.sizeHint().width(), raw.minimumSizeHint().width())
    raw.resize(wanted, max(raw.sizeHint().height(), raw.heightForWidth(wanted)))
    pump(0.05)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not raw.grab().save(str(path)):
        raise OSError(f"the picture could not be written: {path}")
    return path
