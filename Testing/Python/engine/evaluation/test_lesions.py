"""Planted anomalies: the right size, in the right place, and nothing else touched."""

import numpy as np
import pytest

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.planting.lesions import plant, sphere, white_matter_centre
from FAAnomalyLib.volume import Volume

OBLIQUE = np.array([[-1.2, 0.6, 0.3, 20.0], [0.8, 1.6, -0.2, -30.0], [-0.3, 0.0, 2.4, 5.0], [0, 0, 0, 1.0]])


def oblique_volume(shape=(40, 36, 30)):
    axes, _ = np.linalg.qr(OBLIQUE[:3, :3])
    affine = np.eye(4)
    affine[:3, :3] = axes * [1.25, 2.0, 2.5]
    affine[:3, 3] = OBLIQUE[:3, 3]
    return Volume(np.full(shape, 0.5, np.float32), affine)


def test_a_sphere_has_its_volume_and_its_centre_on_an_oblique_anisotropic_grid():
    volume = oblique_volume()
    centre = (volume.affine @ [20, 18, 15, 1.0])[:3]
    ball = sphere(volume, tuple(centre), 24.0)
    millilitres = ball.sum() * abs(np.linalg.det(volume.affine[:3, :3])) / 1000
    assert millilitres == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.03)
    mean = volume.affine[:3, :3] @ np.argwhere(ball).mean(0) + volume.affine[:3, 3]
    np.testing.assert_allclose(mean, centre, atol=0.1)


def test_planting_changes_the_lesion_alone_and_stays_fa():
    volume = oblique_volume()
    volume.data[0] = 0.1
    where = np.zeros(volume.shape, bool)
    where[:10] = True
    changed = plant(volume, where, -0.3)
    assert (changed.data[~where] == volume.data[~where]).all()
    np.testing.assert_allclose(changed.data[1:10], 0.2, atol=1e-6)
    assert (changed.data[0] == 0.0).all(), "clipped, not negative"
    assert (volume.data[5] == 0.5).all(), "the healthy map is kept"


def test_the_place_is_seeded_and_in_white_matter():
    volume = oblique_volume()
    white = np.zeros(volume.shape, bool)
    white[10:30, 8:28, 8:22] = True
    centre = white_matter_centre(volume, white, 10.0, seed=3)
    assert centre == white_matter_centre(volume, white, 10.0, seed=3)
    assert centre != white_matter_centre(volume, white, 10.0, seed=4)
    assert white[sphere(volume, centre, 10.0)].mean() >= 0.5
    with pytest.raises(FAError, match="no place"):
        white_matter_centre(volume, np.zeros(volume.shape, bool), 10.0, seed=3)
