"""Where things lie in the checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

ENGINE = ROOT / "FAAnomalyLib"
MODULE = ROOT / "FAAnomaly"
"""The scripted module, with ``FAAnomalySlicer`` in it."""

TESTING = ROOT / "Testing"
README = ROOT / "README.md"
BUNDLED_MODELS = ROOT / "Resources" / "Models"
REQUIREMENTS = MODULE / "Resources" / "requirements.txt"
"""What the panel installs into Slicer's Python."""
