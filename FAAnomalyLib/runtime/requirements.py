"""Packages that the engine needs, and the command that installs them."""

from __future__ import annotations

import shlex
import sys

REQUIRED = {
    "torch": "torch>=2.2",
    "numpy": "numpy",
    "nibabel": "nibabel",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "SimpleITK": "SimpleITK",
    "PIL": "Pillow",
}
"""Name in an import statement -> requirement for pip."""


def install_command(modules: list[str]) -> str:
    """The shell command that installs *modules*, keys of :data:`REQUIRED`, for the running Python.

    >>> install_command(["skimage", "torch"]).partition(" -m ")[2]
    "pip install scikit-image 'torch>=2.2'"
    """
    requirements = [shlex.quote(REQUIRED[name]) for name in modules]
    return " ".join([shlex.quote(sys.executable or "python"), "-m pip install", *requirements])
