"""Python classes derived from Qt's: C++ calls the methods that they override."""

from __future__ import annotations

from functools import cache

from PySide6 import QtCore

from .errors import slot_errors


@cache
def shell_class(cls: type) -> type:
    """A PySide6 class whose methods lead to those that the Python class *cls* overrides.

    ``super().method()`` in such a method reaches the C++ implementation.
    """
    raw_class = cls.raw_class
    namespace = {"is_shell": True, "__module__": cls.__module__}
    for owner in cls.__mro__:
        if getattr(owner, "is_direct", True):
            break
        for name, function in vars(owner).items():
            if callable(function) and not name.startswith("__") and _is_method(raw_class, name):
                namespace.setdefault(name, _to_python(name))
                _offer_base(cls, name)
    return type(raw_class)(cls.__name__, (raw_class,), namespace)


def _is_method(raw_class: type, name: str) -> bool:
    thing = getattr(raw_class, name, None)
    return callable(thing) and not isinstance(thing, QtCore.Signal)


def _to_python(name: str):
    def override(raw, *arguments):
        from .wrapping import unwrap, wrap

        python_side = getattr(raw, "python_side", None)
        if python_side is None:  # C++ calls it from the constructor, before the Python side is there
            return getattr(super(type(raw), raw), name)(*arguments)
        try:
            return unwrap(getattr(python_side, name)(*wrap(arguments)))
        except BaseException as error:
            slot_errors.record(error)
            return getattr(super(type(raw), raw), name)(*arguments)

    return override


def _offer_base(cls: type, name: str) -> None:
    """Put the C++ implementation into the class that *cls* derives from, where ``super()`` looks."""
    direct = next(owner for owner in cls.__mro__ if getattr(owner, "is_direct", False))
    raw_class = cls.raw_class

    def base(self, *arguments):
        from .wrapping import raw_of, unwrap, wrap

        return wrap(getattr(raw_class, name)(raw_of(self), *unwrap(list(arguments))))

    if name not in vars(direct):
        type.__setattr__(direct, name, base)
