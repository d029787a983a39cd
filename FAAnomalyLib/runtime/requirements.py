"""The packages the engine needs, and how to install them."""

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
"""Name in an import statement -> what pip is asked for."""


def install_command(modules: list[str]) -> str:
    """The shell command that installs *modules* for the running Python."""
    wanted = [shlex.quote(REQUIRED[name]) for name in modules]
    return " ".join([shlex.quote(sys.executable or "python"), "-m pip install", *wanted])
