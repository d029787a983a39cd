"""The thesis' metrics against scikit-image and scikit-learn, and where they are not defined."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage import metrics as image_metrics

from FAAnomalyLib.evaluation.metrics.binary_overlap import binary_overlap
from FAAnomalyLib.evaluation.metrics.reconstruction import measure_reconstruction
from FAAnomalyLib.evaluation.metrics.roc import roc_curve
from FAAnomalyLib.evaluation.metrics.structural_similarity import structural_similarity

RNG = np.random.default_rng(5)


def maps(edge: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A map, the same with a cube of *edge* generated anew, and that cube."""
    original = RNG.random((24, 24, 24), dtype=np.float32)
    cube = np.zeros(original.shape, bool)
    cube[3 : 3 + edge, 5 : 5 + edge, 7 : 7 + edge] = True
    return original, np.where(cube, RNG.random(original.shape, dtype=np.float32), original), cube


@pytest.mark.parametrize("edge, window", [(16, 7), (8, 7), (4, 3)])
def test_a_whole_cube_is_measured_as_scikit_image_does(edge, window):
    original, filled, cube = maps(edge)
    a, b = (array[cube].reshape((edge,) * 3).astype(float) for array in (original, filled))
    measured = measure_reconstruction(original, filled, cube)
    assert measured.ssim == pytest.approx(image_metrics.structural_similarity(a, b, win_size=window, data_range=1))
    assert measured.psnr == pytest.approx(image_metrics.peak_signal_noise_ratio(a, b, data_range=1))
    assert measured.max_difference == pytest.approx(np.abs(a - b).max())
    assert measured.percentage_error == pytest.approx(100 * np.mean((b - a) / a))


def test_only_generated_voxels_count():
    original, filled, cube = maps(8)
    half = cube & (RNG.random(cube.shape) < 0.5)
    wrong = np.where(half, filled, 1.0 - original)
    measured, same = (measure_reconstruction(original, one, half) for one in (wrong, np.where(half, filled, original)))
    assert measured.psnr == same.psnr and measured.max_difference == same.max_difference
    assert measured.percentage_error == same.percentage_error


def test_equal_and_constant_images_and_nothing_generated():
    constant, cube = np.zeros((9, 9, 9)), np.ones((9, 9, 9), bool)
    same = measure_reconstruction(constant, constant, cube)
    assert same.ssim == 1.0 and math.isinf(same.psnr) and same.max_difference == 0.0 and same.percentage_error is None
    thin = np.zeros_like(cube)
    thin[4, :, :] = True
    assert structural_similarity(constant, constant, thin) is None
    with pytest.raises(ValueError, match="no voxel was generated"):
        measure_reconstruction(constant, constant, np.zeros_like(cube))


def test_overlap_is_that_of_scikit_learn_and_is_defined_for_empty_sets():
    from sklearn import metrics as learn_metrics

    found, truth = RNG.random(500) < 0.3, RNG.random(500) < 0.2
    ours = binary_overlap(found, truth)
    assert ours.iou == pytest.approx(learn_metrics.jaccard_score(truth, found))
    assert ours.f1 == ours.dice == pytest.approx(learn_metrics.f1_score(truth, found))
    assert ours.f1 == pytest.approx(2 * ours.precision * ours.recall / (ours.precision + ours.recall))
    nothing = np.zeros(500, bool)
    assert binary_overlap(nothing, nothing).f1 == 1.0
    assert binary_overlap(found, nothing).iou == binary_overlap(nothing, truth).iou == 0.0
    assert binary_overlap(nothing, truth).precision is None and binary_overlap(found, nothing).recall is None


def test_the_roc_is_that_of_scikit_learn():
    from sklearn import metrics as learn_metrics

    truth = RNG.random(400) < 0.25
    scores = np.round(RNG.normal(size=400) + truth, 1)
    false, true, _ = learn_metrics.roc_curve(truth, scores, drop_intermediate=False)
    curve = roc_curve(scores, truth)
    assert np.allclose(curve.false_positive_rate, false) and np.allclose(curve.true_positive_rate, true)
    assert curve.area == pytest.approx(learn_metrics.roc_auc_score(truth, scores))
    thin = curve.thinned(20)
    assert len(thin.false_positive_rate) <= 20 and abs(thin.area - curve.area) < 0.02
    assert thin.true_positive_rate[-1] == thin.false_positive_rate[-1] == 1.0
    assert roc_curve(scores, np.ones(400, bool)) is None
