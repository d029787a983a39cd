"""Reads a form of Qt Designer: its widgets, their properties and the signals that it connects."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Text:
    """A string of the form."""

    value: str
    translated: bool


@dataclass
class Widget:
    """One widget of the form; ``properties`` holds numbers and names as text, and strings as :class:`Text`."""

    name: str
    kind: str
    parent: str | None
    properties: dict[str, str | Text] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The string *name*, or the empty string."""
        found = self.properties.get(name)
        return found.value if isinstance(found, Text) else ""


@dataclass(frozen=True)
class Connection:
    """One line of the form's ``<connections>``."""

    sender: str
    signal: str
    receiver: str
    slot: str


@dataclass
class Form:
    """A form: ``root`` names the outermost widget, ``declared`` maps a custom class to the class that it extends."""

    root: str
    widgets: list[Widget]
    declared: dict[str, str]
    connections: list[Connection]

    def named(self, name: str) -> Widget:
        return next(widget for widget in self.widgets if widget.name == name)


def properties(node: ElementTree.Element) -> dict[str, str | Text]:
    found: dict[str, str | Text] = {}
    for prop in node.findall("property"):
        value = prop[0]
        if value.tag == "string":
            found[prop.get("name")] = Text(value.text or "", value.get("notr") != "true")
        else:
            found[prop.get("name")] = (value.text or "").strip()
    return found


def read(path: Path) -> Form:
    """The form in the file *path*."""
    top = ElementTree.parse(path).getroot()
    widgets: list[Widget] = []

    def walk(node: ElementTree.Element, parent: str | None) -> None:
        if node.tag == "widget":
            widgets.append(Widget(node.get("name"), node.get("class"), parent, properties(node)))
            parent = node.get("name")
        for child in node:
            walk(child, parent)

    walk(top, None)
    return Form(
        root=top.find("widget").get("name"),
        widgets=widgets,
        declared={node.findtext("class"): node.findtext("extends") for node in top.iter("customwidget")},
        connections=[
            Connection(*(node.findtext(part) for part in ("sender", "signal", "receiver", "slot")))
            for node in top.iter("connection")
        ],
    )
