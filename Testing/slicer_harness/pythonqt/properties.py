"""Reading and writing Qt properties with PythonQt's conversions."""

from __future__ import annotations

import math

from PySide6 import QtCore

INTEGERS = {"int", "uint", "qlonglong", "qulonglong", "short", "ushort", "long", "ulong"}
REALS = {"double", "float"}


def read(raw: QtCore.QObject, entry: QtCore.QMetaProperty) -> object:
    """The value of a property, not yet wrapped."""
    try:
        return raw.property(entry.name())
    except RuntimeError:
        # PySide6 cannot convert every enumeration; the getter can.
        return getattr(raw, entry.name())()


def write(raw: QtCore.QObject, entry: QtCore.QMetaProperty, value: object) -> None:
    """Set a property; AttributeError where PythonQt refuses the value."""
    if not entry.isWritable():
        raise AttributeError(f"Property '{entry.name()}' of {type(raw).__name__} object is not writable")
    converted = _converted(entry, value)
    if converted is None and value is not None:
        raise _refusal(entry, value)
    if not raw.setProperty(entry.name(), converted):
        setter = getattr(raw, f"set{entry.name()[:1].upper()}{entry.name()[1:]}", None)
        if setter is None or not entry.isEnumType():
            raise _refusal(entry, value)
        setter(converted)


def _refusal(entry, value) -> AttributeError:
    return AttributeError(
        f"Property '{entry.name()}' of type '{entry.typeName()}' does not accept an object of type "
        f"{type(value).__name__} ({value!r})"
    )


def _converted(entry: QtCore.QMetaProperty, value: object) -> object | None:
    """*value* as PythonQt would hand it over; None when it would not."""
    kind = entry.typeName()
    if kind == "bool":
        return bool(value)
    if kind in INTEGERS:
        return _integer(value)
    if kind in REALS:
        return _real(value)
    if kind == "QString":
        # PythonQt writes the text "None" here, which nobody ever wants.
        if value is None:
            raise _refusal(entry, value)
        return str(value)
    if kind == "QStringList":
        if not isinstance(value, (list, tuple)):
            raise _refusal(entry, value)
        return [str(item) for item in value]
    if value is None and not kind.endswith("*") and kind not in ("PyObject", "QVariant"):
        raise _refusal(entry, value)
    return value


def _integer(value) -> int | None:
    if isinstance(value, float):
        return math.floor(value)
    return int(value) if hasattr(value, "__index__") else None


def _real(value) -> float | None:
    return float(value) if hasattr(value, "__float__") or hasattr(value, "__index__") else None
