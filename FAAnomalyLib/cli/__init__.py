"""The shell command ``faanomaly``."""

from .application import main

__all__ = ["main"]
