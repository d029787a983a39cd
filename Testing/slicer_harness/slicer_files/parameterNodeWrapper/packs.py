"""``parameterPack``: several values as one parameter."""

from __future__ import annotations

import slicer.util

from .storage import Kind, parameters, split, split_name
from .values import NotNone


def isParameterPack(obj) -> bool:
    """Whether a class or an object is a pack."""
    return getattr(obj, "_is_parameterPack", False)


def parameterPack(classtype=None):
    """Class decorator: typed, checked attributes with defaults, an ``__init__``, equality and ``getValue``."""
    return _make if classtype is None else _make(classtype)


def _make(cls):
    known = parameters(cls)
    if not known:
        raise ValueError("Unable to find any members in parameterPack")
    for parameter in known.values():
        parameter.kind.validate(parameter.default.value)
        setattr(cls, parameter.basename, _attribute(parameter))
    own_init = cls.__dict__.get("__init__")

    def initialise(self, *args, **kwargs):
        if own_init is None:
            _fill(self, *args, **kwargs)
        else:
            _fill(self)
            own_init(self, *args, **kwargs)

    cls.allParameters, cls._is_parameterPack, cls.__init__ = known, True, initialise
    for name, function in (
        ("__eq__", _equal),
        ("__repr__", _text),
        ("__str__", _text),
        ("getValue", _get_value),
        ("setValue", _set_value),
    ):
        if name not in cls.__dict__:
            setattr(cls, name, function)
    cls.dataType = staticmethod(lambda name: data_type(known, name))
    return cls


def _attribute(parameter):
    slot = f"_pack_{parameter.basename}"

    def write(self, value):
        parameter.kind.validate(value)
        self.__dict__[slot] = value
        saved = self.__dict__.get("_saved")
        if saved is not None:
            saved(self)

    return property(lambda self: self.__dict__[slot], write)


def _fill(self, *args, **kwargs) -> None:
    names = list(self.allParameters)
    given = dict(zip(names, args, strict=False)) | kwargs
    unknown = [name for name in given if name not in names]
    if unknown:
        raise TypeError(f"__init__() got an unexpected keyword argument '{unknown[0]}'")
    for name in names:
        setattr(self, name, given[name] if name in given else self.allParameters[name].default.value)


def _equal(self, other) -> bool:
    return isPackOf(other, type(self)) and all(getattr(self, n) == getattr(other, n) for n in self.allParameters)


def isPackOf(value, cls) -> bool:
    """Whether two packs are of the same class."""
    return getattr(value, "allParameters", None) is cls.allParameters


def _text(self) -> str:
    return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.allParameters)})"


def _get_value(self, name: str):
    top, rest = split_name(name)
    if top not in self.allParameters:
        raise ValueError(f"{self} has no member '{top}'")
    value = getattr(self, top)
    return value if rest is None else value.getValue(rest)


def _set_value(self, name: str, value) -> None:
    top, rest = split_name(name)
    if top not in self.allParameters:
        raise ValueError(f"{self} has no member '{top}'")
    if rest is None:
        setattr(self, top, value)
    else:
        getattr(self, top).setValue(rest, value)


def data_type(known: dict, name: str):
    """The annotated type of a parameter, or of a member ``pack.member``."""
    top, rest = split_name(name)
    if top not in known:
        raise ValueError(f"Cannot find a param with the given name: {top}")
    annotation = known[top].unalteredType
    if rest is None:
        return annotation
    pack = split(annotation)[0]
    if not isParameterPack(pack):
        raise ValueError(f"{pack} is not a parameter pack but expects to have '{rest}'")
    return pack.dataType(rest)


def nestedParameterNames(pack) -> list[str]:
    """The names of a pack's values, those of packs in it with a dot."""
    pack = split(pack)[0]
    names = []
    for name, parameter in pack.allParameters.items():
        inner = split(parameter.unalteredType)[0]
        names += [f"{name}.{rest}" for rest in nestedParameterNames(inner)] if isParameterPack(inner) else [name]
    return names


class PackKind(Kind):
    """A pack, each member under ``name.member``; what is read writes itself back when it is changed."""

    def __init__(self, type_):
        super().__init__(type_, None, [NotNone()])
        self.default = type_()

    def has(self, node, name: str) -> bool:
        first = next(iter(self.type.allParameters.values()))
        return first.kind.has(node, f"{name}.{first.basename}")

    def write(self, node, name: str, value) -> None:
        if not isPackOf(value, self.type):
            raise ValueError(f"Value must be a {self.type.__name__}, is {value!r}")
        self.validate(value)
        with slicer.util.NodeModify(node):
            for member, parameter in self.type.allParameters.items():
                parameter.kind.write(node, f"{name}.{member}", getattr(value, member))

    def read(self, node, name: str):
        pack = self.type.__new__(self.type)
        for member, parameter in self.type.allParameters.items():
            setattr(pack, member, parameter.kind.read(node, f"{name}.{member}"))
        pack.__dict__["_saved"] = lambda changed: self.write(node, name, changed)
        return pack


@parameterPack
class FloatRange:
    """Two numbers, the first not above the second."""

    minimum: float
    maximum: float

    def __init__(self, minimum=0, maximum=0) -> None:
        if minimum > maximum:
            raise ValueError(f"FloatRange must have minimum <= maximum: {minimum} <= {maximum}")
        self.minimum, self.maximum = minimum, maximum
