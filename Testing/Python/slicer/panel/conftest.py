"""The panel after a run, for the tests of what it shows and exports."""

from __future__ import annotations

import pytest


@pytest.fixture
def analysed(bench):
    """The panel after a run; its volume."""
    from support.phantoms.mrml_volumes import GRIDS, add_volume, brainlike

    volume = add_volume(brainlike((30, 34, 28)), GRIDS["oblique"], "FA of somebody")
    panel = bench()
    panel.choose(volume)
    panel.run()
    return panel, volume
