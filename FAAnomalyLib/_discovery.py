"""Imports every file of a folder, so that each can register what it adds; the registries share it."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module


@cache
def import_all(package: str) -> None:
    """Import all modules below *package*, a full name, once."""
    for module in pkgutil.walk_packages(import_module(package).__path__, package + "."):
        import_module(module.name)
