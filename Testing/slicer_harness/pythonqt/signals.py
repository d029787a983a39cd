"""Connecting by C++ signature, as PythonQt does, and calling slots with as many arguments as they take."""

from __future__ import annotations

import inspect
from functools import cache
from types import FunctionType, MethodType

import shiboken6
from PySide6 import QtCore

from .declare import cpp_signals, cpp_slots, normalized
from .errors import slot_errors

FIRST_OVERLOADS_OF_QT5 = {("QProcess", "finished"): "finished(int,QProcess::ExitStatus)"}
"""By name Qt 5 would connect another overload than Qt 6: such a signal must be named with its arguments."""

SINCE_QT_6 = {"checkStateChanged"}
"""Signals that Slicer's Qt 5 does not have; a module that uses them works in some Slicers only."""

_connections: dict[int, list[tuple[str, object, object]]] = {}
"""Address of the sender -> (signature, slot, trampoline)."""


@cache
def signatures(raw_class: type) -> dict[str, list[str]]:
    """Every signal of a class by its bare name, each with its C++ signatures in the order of declaration."""
    declared = cpp_signals(raw_class)
    replaced = set(declared.values())
    found: dict[str, list[str]] = {}
    meta = raw_class.staticMetaObject
    for index in range(meta.methodCount()):
        method = meta.method(index)
        if method.methodType() == QtCore.QMetaMethod.MethodType.Signal:
            name = bytes(method.name().data()).decode()
            if name not in replaced | SINCE_QT_6:
                found.setdefault(name, []).append(bytes(method.methodSignature().data()).decode())
    for signature in declared:
        found.setdefault(signature.partition("(")[0], []).append(signature)
    return found


def resolve(raw_class: type, signature: str) -> str:
    """*signature* as Qt writes it; ValueError when the class has no such signal.

    PythonQt prints a line and returns False, which is how a typing error lives for years.
    """
    known = signatures(raw_class)
    if "(" not in signature:
        raise ValueError(f"'{signature}' is not a signature; did you mean {known.get(signature, 'name(type)')}?")
    wanted = normalized(signature)
    name = wanted.partition("(")[0]
    if wanted not in known.get(name, []):
        raise ValueError(
            f"signal '{signature}' does not exist on {raw_class.__name__}"
            + (f"; it has {known[name]}" if name in known else "")
        )
    return wanted


def first_signature(raw_class: type, name: str) -> str:
    """The signature that ``object.name.connect`` means."""
    for (owner, ambiguous), full in FIRST_OVERLOADS_OF_QT5.items():
        if name == ambiguous and raw_class.__name__ == owner:
            raise ValueError(f"{owner}.{name}: Qt 5 has several; connect '{full}' by its signature")
    if name not in signatures(raw_class):
        raise ValueError(f"signal '{name}' does not exist on {raw_class.__name__} in Qt 5")
    return signatures(raw_class)[name][0]


def connect(raw: QtCore.QObject, signature: str, slot, wrap) -> bool:
    """Connect a Python callable to a signal."""
    if not callable(slot):
        raise TypeError(f"cannot connect '{signature}' to {slot!r}: it is not callable")
    wanted = resolve(type(raw), signature)

    def trampoline(*arguments):
        call(slot, [wrap(argument) for argument in arguments])

    _connect_raw(raw, wanted, trampoline)
    key = _address(raw)
    if key not in _connections:
        _connections[key] = []
        raw.destroyed.connect(lambda *_: _connections.pop(key, None))
    _connections[key].append((wanted, slot, trampoline))
    return True


def disconnect(raw: QtCore.QObject, signature: str, slot=None) -> bool:
    """Disconnect one callable, or all of them; False when it was not connected."""
    wanted = resolve(type(raw), signature)
    connected = _connections.get(_address(raw), [])
    gone = [entry for entry in connected if entry[0] == wanted and (slot is None or entry[1] == slot)]
    for entry in gone:
        connected.remove(entry)
        _disconnect_raw(raw, wanted, entry[2])
    return bool(gone)


def connect_to_slot(raw: QtCore.QObject, signature: str, receiver: QtCore.QObject, slot: str) -> bool:
    """Connect to a C++ slot of another object, as a .ui file does; ValueError when either does not exist."""
    wanted = resolve(type(raw), signature)
    method = find_slot(receiver, slot)
    parameters = method_arguments(slot)

    def trampoline(*arguments):
        method(*arguments[:parameters])

    _connect_raw(raw, wanted, trampoline)
    return True


def find_slot(receiver: QtCore.QObject, slot: str):
    """The method behind a C++ slot signature."""
    wanted = normalized(slot)
    declared = cpp_slots(type(receiver))
    if wanted in declared:
        return getattr(receiver, declared[wanted])
    index = receiver.metaObject().indexOfSlot(wanted)
    if index < 0:
        raise ValueError(f"slot '{slot}' does not exist on {type(receiver).__name__}")
    return getattr(receiver, wanted.partition("(")[0])


def method_arguments(signature: str) -> int:
    inside = signature.partition("(")[2].rpartition(")")[0].strip()
    return inside.count(",") + 1 if inside else 0


def call(slot, arguments: list) -> None:
    """Call a slot as PythonQt does: a plain function or method gets no more arguments than it has parameters.

    Parameters with a default count as well, so ``def onApply(self, checked=False)`` receives the flag.
    """
    try:
        function = slot.__func__ if isinstance(slot, MethodType) else slot
        if isinstance(function, FunctionType) and not function.__code__.co_flags & inspect.CO_VARARGS:
            taken = function.__code__.co_argcount - isinstance(slot, MethodType)
            arguments = arguments[:taken]
        slot(*arguments)
    except BaseException as error:
        slot_errors.record(error)


def emit(raw: QtCore.QObject, signature: str, arguments: list) -> None:
    """Emit a signal with unwrapped arguments."""
    _instance(raw, signature).emit(*arguments)


def _address(raw: QtCore.QObject) -> int:
    return shiboken6.getCppPointer(raw)[0]


def _instance(raw, signature: str):
    return getattr(raw, cpp_signals(type(raw)).get(signature, signature.partition("(")[0]))


def _connect_raw(raw, signature: str, trampoline) -> None:
    if signature in cpp_signals(type(raw)):
        _instance(raw, signature).connect(trampoline)
    else:
        QtCore.QObject.connect(raw, QtCore.SIGNAL(signature), trampoline)


def _disconnect_raw(raw, signature: str, trampoline) -> None:
    if signature in cpp_signals(type(raw)):
        _instance(raw, signature).disconnect(trampoline)
    else:
        QtCore.QObject.disconnect(raw, QtCore.SIGNAL(signature), trampoline)
