"""What a wrapped class has under a name, in PythonQt's order: property, method or signal, enumeration value."""

from __future__ import annotations

import enum
from functools import cache

from PySide6 import QtCore

from .declare import is_stand_in, visible_methods

REAL_NAMES = {"name": "objectName"}
"""PythonQt gives ``name`` as another word for ``objectName``."""

NO_PROPERTIES = {"singleShot"}
"""PythonQt leaves QTimer's property out, so that ``QTimer.singleShot`` is the function."""


@cache
def properties(raw_class: type) -> dict[str, QtCore.QMetaProperty]:
    """The Qt properties of a PySide6 class, inherited ones included."""
    meta = raw_class.staticMetaObject
    found = {meta.property(i).name(): meta.property(i) for i in range(meta.propertyCount())}
    return {name: entry for name, entry in found.items() if name not in NO_PROPERTIES}


def property_named(raw_class: type, name: str) -> QtCore.QMetaProperty | None:
    known = properties(raw_class)
    return known.get(name) or known.get(REAL_NAMES.get(name, name))


@cache
def find(raw_class: type, name: str) -> tuple[str, object] | None:
    """What *name* is on a class: ("property" | "signal" | "method" | "enum", the thing), or None.

    A method that a stand-in defines in Python is one only when it is declared as a slot or an invokable of the real
    class: PythonQt sees nothing else.
    """
    entry = property_named(raw_class, name)
    if entry is not None:
        return "property", entry
    if name.startswith("__"):
        return None
    thing = _attribute(raw_class, name)
    if thing is None and name.endswith("_") and not name.endswith("__"):
        thing = _attribute(raw_class, name[:-1])  # exec_ is exec
        return ("method", thing) if callable(thing) else None
    if thing is None:
        return None
    if isinstance(thing, QtCore.Signal):
        return "signal", thing
    if isinstance(thing, enum.Enum) or (isinstance(thing, type) and issubclass(thing, enum.Enum)):
        return "enum", thing
    return ("method", thing) if callable(thing) else None


def _attribute(raw_class: type, name: str) -> object | None:
    for owner in raw_class.__mro__:
        if name in vars(owner):
            if (
                is_stand_in(owner)
                and not isinstance(vars(owner)[name], QtCore.Signal)
                and name not in visible_methods(owner)
            ):
                return None
            return getattr(raw_class, name)
    # PySide6 fills its classes in late; what begins with an underscore is Python's, not C++'s.
    return None if name.startswith("_") else getattr(raw_class, name, None)
