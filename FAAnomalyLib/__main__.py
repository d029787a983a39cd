"""``python -m FAAnomalyLib COMMAND``."""

import os

# Slicer's launcher sets it, for the program that it starts as well; SimpleITK would load plugins of another ITK.
os.environ.pop("ITK_AUTOLOAD_PATH", None)

from .cli.application import program  # noqa: E402

if __name__ == "__main__":
    program()
