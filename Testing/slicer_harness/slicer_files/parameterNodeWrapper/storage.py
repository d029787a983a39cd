"""How a value of a type is kept in a parameter node."""

from __future__ import annotations

import enum
import pathlib
import typing

import slicer

from .values import Default, IsInstance, NotNone, Validator

PATHS = (
    pathlib.Path,
    pathlib.PosixPath,
    pathlib.WindowsPath,
    pathlib.PurePath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
)


class Kind:
    """A type: its default, what its values must satisfy, and their text."""

    def __init__(self, type_, default, validators, to_text=str, from_text=None):
        self.type, self.default, self.validators = type_, default, list(validators)
        self._to_text, self._from_text = to_text, from_text or type_

    def validate(self, value) -> None:
        for validator in self.validators:
            validator.validate(value)

    def has(self, node, name: str) -> bool:
        return bool(node.HasParameter(name))

    def write(self, node, name: str, value) -> None:
        self.validate(value)
        node.SetParameter(name, self._to_text(value))

    def read(self, node, name: str):
        return self._from_text(node.GetParameter(name))


class NodeKind(Kind):
    """A node of the scene, by a node reference; the parameter of the same name only says that it was set."""

    def __init__(self, type_):
        super().__init__(type_, None, [IsInstance(type_)])

    def write(self, node, name: str, value) -> None:
        self.validate(value)
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node, name: str):
        return node.GetNodeReference(name)


class EnumKind(Kind):
    """An enumeration, by the member's name."""

    def __init__(self, type_):
        super().__init__(type_, next(iter(type_)), [IsInstance(type_)], lambda member: member.name, self._member)

    def _member(self, name: str):
        try:
            return self.type[name]
        except KeyError:
            raise ValueError(f"Found {name!r} in parameter node but it is not a name in {self.type!r}") from None


def kind_of(type_) -> Kind:
    """The kind of an unannotated type; TypeError for one that the harness does not know."""
    if type_ is int:
        return Kind(int, 0, [NotNone(), IsInstance(int)])
    if type_ is float:
        return Kind(float, 0, [NotNone(), IsInstance((int, float))])
    if type_ is str:
        return Kind(str, "", [NotNone(), IsInstance(str)])
    if type_ is bool:
        return Kind(bool, False, [NotNone(), IsInstance(bool)], from_text=lambda text: text == "True")
    if type_ in PATHS:
        return Kind(type_, type_(), [NotNone(), IsInstance(type_)])
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return EnumKind(type_)
    if isinstance(type_, type) and issubclass(type_, slicer.vtkMRMLNode):
        return NodeKind(type_)
    if getattr(type_, "_is_parameterPack", False):
        from .packs import PackKind

        return PackKind(type_)
    raise TypeError(f"the harness's parameterNodeWrapper does not know the type {type_}")


class Parameter:
    """One annotated attribute of a wrapper or a pack."""

    def __init__(self, owner: type, name: str, annotation):
        self.basename, self.unalteredType = name, annotation
        bare, extras = split(annotation)
        self.kind = kind_of(bare)
        self.kind.validators += [extra for extra in extras if isinstance(extra, Validator)]
        defaults = [extra for extra in extras if isinstance(extra, Default)]
        if len(defaults) > 1:
            raise ValueError(f"{name} has several defaults")
        if hasattr(owner, name):
            self.default = Default(getattr(owner, name))
        else:
            self.default = defaults[0] if defaults else Default(self.kind.default)


def split(annotation) -> tuple[object, tuple]:
    """The type and what ``Annotated`` adds to it."""
    if typing.get_origin(annotation) is typing.Annotated:
        bare, *extras = typing.get_args(annotation)
        return bare, tuple(extras)
    return annotation, ()


def split_name(name: str) -> tuple[str, str | None]:
    """``"a.b.c"`` as ``("a", "b.c")``."""
    top, dot, rest = name.partition(".")
    return top, rest if dot else None


def parameters(cls: type) -> dict[str, Parameter]:
    """The annotated attributes of a class, in order."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {name: Parameter(cls, name, annotation) for name, annotation in hints.items()}
