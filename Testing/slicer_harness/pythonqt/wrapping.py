"""The wrapper around a QObject, its class, and the way in and out of it."""

from __future__ import annotations

from weakref import WeakValueDictionary

import shiboken6
from PySide6 import QtCore

from . import members, properties, signals
from .dialogs import dialogs

_classes: dict[type, QtClass] = {}
_wrappers: WeakValueDictionary[int, QtObject] = WeakValueDictionary()


class QtClass(type):
    """The type of a wrapped class. Attributes of the class itself are its enumeration values and static functions."""

    def __init__(cls, name, bases, namespace, raw: type | None = None):
        super().__init__(name, bases, namespace)
        cls.is_direct = raw is not None
        if raw is not None:
            cls.raw_class = raw
            _classes[raw] = cls

    def __new__(mcls, name, bases, namespace, raw: type | None = None):
        return super().__new__(mcls, name, bases, namespace)

    def __getattr__(cls, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        found = members.find(cls.raw_class, name)
        kind, thing = found or (None, None)
        if kind == "property":
            # A getter of the same name is not reachable in PythonQt, a static function is (QTimer.singleShot).
            raise AttributeError(f"'{name}' of {cls.__name__} is a property of its objects")
        if kind == "enum":
            return thing
        if kind == "method":
            return Function(cls, name, thing)
        raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")


class QtObject(metaclass=QtClass):
    """A QObject as PythonQt shows it. Made by calling a class of ``qt``, ``ctk`` or ``slicer``, or by ``wrap``."""

    raw_class = QtCore.QObject

    def __init__(self, *arguments, **keywords):
        if keywords:
            raise TypeError(f"{type(self).__name__}: PythonQt takes no keyword arguments ({', '.join(keywords)})")
        raw_class = type(self).raw_class
        if not type(self).is_direct:
            from .shells import shell_class

            raw_class = shell_class(type(self))
        _adopt(self, raw_class(*unwrap(list(arguments))))
        if not type(self).is_direct:
            raw_of(self).python_side = self  # lives as long as the C++ object, like its attributes

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        raw = raw_of(self, f"read '{name}'")
        found = members.find(type(raw), name)
        kind, thing = found or (None, None)
        if kind == "property":
            return wrap(properties.read(raw, thing))
        if name in DECORATORS:
            return Method(self, name, DECORATORS[name])
        if kind == "signal":
            return Signal(self, name)
        if kind == "method":
            return Method(self, name, _through(name))
        if kind == "enum":
            return thing
        if name in {bytes(n.data()).decode() for n in raw.dynamicPropertyNames()}:
            return wrap(raw.property(name))
        for child in raw.children():
            if child.objectName() == name:
                return wrap(child)
        raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'")

    def __setattr__(self, name: str, value) -> None:
        raw = raw_of(self, f"set '{name}'")
        found = members.find(type(raw), name)
        kind, thing = found or (None, None)
        if kind == "property":
            properties.write(raw, thing, unwrap(value))
        elif kind is not None or name in DECORATORS:
            raise AttributeError(
                f"{(kind or 'slot').capitalize()} '{name}' can not be overwritten on {type(self).__name__} object"
            )
        elif name in {bytes(n.data()).decode() for n in raw.dynamicPropertyNames()}:
            raw.setProperty(name, unwrap(value))
        elif type(self).is_direct:
            raise AttributeError(
                f"'{name}' does not exist on {type(self).__name__} and creating new attributes on "
                "C++ objects is not allowed"
            )
        else:
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__} (Qt object at {id(_raw(self)):#x})"

    def __eq__(self, other) -> bool:
        return isinstance(other, QtObject) and _raw(self) is _raw(other)

    def __hash__(self) -> int:
        return hash(_raw(self))


class Method:
    """A method bound to a wrapper."""

    def __init__(self, owner: QtObject, name: str, function):
        self.owner, self.name, self.function = owner, name, function

    def __call__(self, *arguments, **keywords):
        if keywords:
            raise TypeError(f"{self.name}: PythonQt takes no keyword arguments ({', '.join(keywords)})")
        raw = raw_of(self.owner, f"call '{self.name}'")
        return wrap(self.function(raw, *unwrap(list(arguments))))

    def __eq__(self, other) -> bool:
        return isinstance(other, Method) and self.owner == other.owner and self.name == other.name

    def __hash__(self) -> int:
        return hash((self.owner, self.name))


class Function:
    """A function of a class: static, or a method that is given its object."""

    def __init__(self, cls: QtClass, name: str, function):
        self.cls, self.name, self.function = cls, name, function

    def __call__(self, *arguments):
        guarded = dialogs.static_function(self.cls.raw_class, self.name)
        if guarded is not None:
            return wrap(guarded(*unwrap(list(arguments))))
        if self.cls.raw_class is QtCore.QTimer and self.name == "singleShot":
            msec, slot = arguments
            return QtCore.QTimer.singleShot(msec, lambda: signals.call(slot, []))
        return wrap(self.function(*unwrap(list(arguments))))


class Signal:
    """A signal bound to a wrapper: ``connect(f)``, ``disconnect(f)``, ``emit(...)``, or a call, which emits."""

    def __init__(self, owner: QtObject, name: str):
        self.owner, self.name = owner, name

    def _signature(self) -> str:
        return signals.first_signature(type(raw_of(self.owner)), self.name)

    def connect(self, slot) -> bool:
        return signals.connect(raw_of(self.owner), self._signature(), slot, wrap)

    def disconnect(self, *slots) -> bool:
        if len(slots) > 1:
            raise ValueError("Called disconnect with wrong number of arguments")
        return signals.disconnect(raw_of(self.owner), self._signature(), *slots)

    def emit(self, *arguments) -> None:
        signals.emit(raw_of(self.owner), self._signature(), unwrap(list(arguments)))

    __call__ = emit


def _raw(wrapper: QtObject) -> QtCore.QObject:
    return object.__getattribute__(wrapper, "__dict__")["_raw"]


def raw_of(wrapper: QtObject, purpose: str = "use") -> QtCore.QObject:
    """The PySide6 object inside a wrapper; ValueError when C++ has deleted it."""
    try:
        raw = _raw(wrapper)
    except KeyError:
        raise AttributeError(f"{type(wrapper).__name__}.__init__ was not called") from None
    if not shiboken6.isValid(raw):
        raise ValueError(f"Trying to {purpose} of a destroyed {type(wrapper).__name__} object")
    return raw


def _adopt(wrapper: QtObject, raw: QtCore.QObject) -> None:
    object.__setattr__(wrapper, "_raw", raw)
    _wrappers[shiboken6.getCppPointer(raw)[0]] = wrapper


def wrap(value):
    """What a module sees of a PySide6 value: QObjects inside wrappers, lists as tuples."""
    if isinstance(value, QtCore.QObject):
        python_side = getattr(value, "python_side", None)
        if python_side is not None:
            return python_side
        known = _wrappers.get(shiboken6.getCppPointer(value)[0])
        if known is not None and _raw(known) is value:
            return known
        wrapper = object.__new__(class_for(type(value)))
        _adopt(wrapper, value)
        return wrapper
    if isinstance(value, (list, tuple)):
        return tuple(wrap(item) for item in value)
    return value


def unwrap(value):
    """The PySide6 value behind what a module hands over."""
    if isinstance(value, QtObject):
        return raw_of(value, "pass on")
    if isinstance(value, QtClass):
        return value.raw_class
    if type(value) in (list, tuple):
        return type(value)(unwrap(item) for item in value)
    return value


def class_for(raw_class: type) -> QtClass:
    """The wrapper class of a PySide6 class; made when it is first asked for.

    Classes of ctk and Slicer are not known as subclasses of QWidget, as in Slicer, where
    ``isinstance(slicer.qMRMLWidget(), qt.QWidget)`` is False.
    """
    if raw_class in _classes:
        return _classes[raw_class]
    if members.is_stand_in(raw_class):
        base = QtObject
    else:
        base = next(
            (class_for(parent) for parent in raw_class.__bases__ if issubclass(parent, QtCore.QObject)), QtObject
        )
    return QtClass(raw_class.__name__, (base,), {"__module__": "PythonQt"}, raw=raw_class)


def _through(name: str):
    """A function that calls this method of a PySide6 object; modal dialogs go by way of ``dialogs``."""

    def method(raw, *arguments):
        guarded = dialogs.method(raw, name)
        if guarded is not None:
            return guarded(*arguments)
        return getattr(raw, name.rstrip("_"))(*arguments)

    return method


def _connect(raw, signature, *target):
    if len(target) == 1:
        return signals.connect(raw, signature, target[0], wrap)
    receiver, slot = target
    return signals.connect_to_slot(raw, signature, receiver, slot)


def _inherits(raw, name: str) -> bool:
    return any(cls.__name__ == name for cls in type(raw).__mro__)


def _children_of_kind(raw, kind, name: str | None):
    for child in raw.children():
        if (_inherits(child, kind) if isinstance(kind, str) else isinstance(child, kind)) and name in (
            None,
            child.objectName(),
        ):
            yield child
        yield from _children_of_kind(child, kind, name)


DECORATORS = {
    "connect": _connect,
    "disconnect": lambda raw, signature, slot=None: signals.disconnect(raw, signature, slot),
    "className": lambda raw: type(raw).__name__,
    "inherits": _inherits,
    "delete": lambda raw: shiboken6.delete(raw),
    "findChild": lambda raw, kind, name=None: next(_children_of_kind(raw, kind, name), None),
    "findChildren": lambda raw, kind, name=None: list(_children_of_kind(raw, kind, name)),
}
"""What PythonQt adds to every object."""
