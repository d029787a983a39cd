"""``python -m FAAnomalyLib COMMAND``."""

import sys

from .cli.application import main

if __name__ == "__main__":
    sys.exit(main())
