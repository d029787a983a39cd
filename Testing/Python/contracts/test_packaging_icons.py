"""The committed icons are what their script draws, and Qt draws the vector icon as the script does."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from support.paths import ROOT


@pytest.fixture(scope="module", autouse=True)
def scripts():
    """Makes the scripts that draw the icons importable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "Testing" / "Icons")
        yield


@pytest.fixture(scope="module")
def icons(scripts):
    """The script that draws the icons."""
    import draw_icons

    return draw_icons


@pytest.fixture(scope="module")
def picture(icons) -> np.ndarray:
    """The icon at the size of the catalogue, as the script draws it."""
    return icons.raster(icons.drawing(), 128).astype(int)


def kept(path) -> np.ndarray:
    """The pixels of a committed picture."""
    with Image.open(path) as picture:
        return np.asarray(picture).astype(int)


def test_the_icons_are_what_the_script_draws(icons, picture):
    assert icons.VECTOR.read_text(encoding="utf-8") == icons.svg(icons.drawing())
    assert np.abs(kept(icons.PICTURE) - picture).max() <= 2


def test_the_picture_of_the_sample_shows_the_sample():
    import draw_sample

    assert kept(draw_sample.PICTURE).shape == (draw_sample.HEIGHT, draw_sample.WIDTH, 4)
    assert np.abs(kept(draw_sample.PICTURE) - draw_sample.raster()).max() <= 2


@pytest.mark.parametrize("size", [24, 64])
def test_the_spot_stands_out_from_the_brain_when_small(icons, size):
    pixels = icons.raster(icons.drawing(), size).astype(int)
    seen = pixels[..., 3] > 200
    warm = seen & (pixels[..., 0] - pixels[..., 2] > 120)
    cold = seen & (pixels[..., 2] - pixels[..., 0] > 60)
    assert 0.04 < warm.mean() < 0.15 < cold.mean() and not seen[[0, 0, -1, -1], [0, -1, 0, -1]].any()


def test_qt_draws_the_vector_icon_the_same(icons, picture):
    qt_gui, qt_svg = pytest.importorskip("PySide6.QtGui"), pytest.importorskip("PySide6.QtSvg")
    image = qt_gui.QImage(128, 128, qt_gui.QImage.Format.Format_RGBA8888)
    image.fill(0)
    painter = qt_gui.QPainter(image)
    renderer = qt_svg.QSvgRenderer(str(icons.VECTOR))
    assert renderer.isValid()
    renderer.render(painter)
    painter.end()
    drawn = np.frombuffer(image.constBits(), np.uint8).reshape(128, 128, 4).astype(float)
    assert np.abs(drawn * drawn[..., 3:] / 255 - picture * (picture[..., 3:] / 255.0)).mean() < 2
