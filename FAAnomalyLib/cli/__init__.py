"""The shell: ``faanomaly COMMAND``."""

from .application import main

__all__ = ["main"]
