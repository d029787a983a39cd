"""How a stand-in for a C++ widget says what the real class shows to Python.

A stand-in is a PySide6 class named as the C++ class. Its Qt properties and signals are seen by themselves; of its
methods only those marked ``@invokable`` (slots and Q_INVOKABLE methods of the real class). Signals and slots whose C++
argument types PySide6 does not know are listed in ``cpp_signals`` and ``cpp_slots``, each a dictionary from the C++
signature to the attribute.
"""

from __future__ import annotations

import enum
from functools import cache

from PySide6 import QtCore


def invokable(method):
    """Mark a method of a stand-in as a public slot or Q_INVOKABLE of the real class."""
    method.is_invokable = True
    return method


def is_stand_in(cls: type) -> bool:
    """Whether *cls* is written here, in Python, and not by PySide6."""
    theirs = cls.__module__.startswith(("PySide6", "Shiboken", "shiboken", "builtins"))
    return not theirs and not vars(cls).get("is_shell", False)


@cache
def visible_methods(cls: type) -> frozenset[str]:
    """The names in the body of *cls* that Python code of a module may use besides properties and signals."""
    return frozenset(
        name
        for name, thing in vars(cls).items()
        if getattr(thing, "is_invokable", False) or isinstance(thing, (type, enum.Enum))
    )


@cache
def _declared(cls: type, table: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        for signature, attribute in vars(owner).get(table, {}).items():
            found[normalized(signature)] = attribute
    return found


def normalized(signature: str) -> str:
    return bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()


def cpp_signals(cls: type) -> dict[str, str]:
    """From C++ signature to the attribute that is the PySide6 signal."""
    return _declared(cls, "cpp_signals")


def cpp_slots(cls: type) -> dict[str, str]:
    """From C++ signature to the method."""
    return _declared(cls, "cpp_slots")


def stored(kind, initial, changed=None):
    """A Qt property that is nothing but a value; *changed* names a method to call after it was set to another one."""
    key = object()

    def read(self):
        return self.__dict__.get(key, initial)

    def write(self, value):
        if read(self) != value:
            self.__dict__[key] = value
            if changed is not None:
                getattr(self, changed)()

    return QtCore.Property(kind, read, write)


def constant(kind, value):
    """A Qt property that cannot be set."""
    return QtCore.Property(kind, lambda self: value)


def passed(kind, target: str, name: str):
    """A Qt property of a part: the property *name* of ``self.<target>``."""

    def write(self, value):
        getattr(self, target).setProperty(name, value)

    return QtCore.Property(kind, lambda self: getattr(self, target).property(name), write)
