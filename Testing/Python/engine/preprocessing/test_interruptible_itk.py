"""A registration stops at the next iteration, with the error that its check raised, and is the same when none is."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.preprocessing.interruptible_itk import Check, interruptible
from FAAnomalyLib.runtime.progress import CancelToken

ITERATIONS = 25


def pair() -> list[sitk.Image]:
    noise = np.random.default_rng(0).random((24, 24, 24), dtype=np.float32)
    fixed = sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(noise), 3.0)
    return [fixed, sitk.Resample(fixed, sitk.TranslationTransform(3, (2.0, 1.0, 0.5)))]


def affine() -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(0.1, 1e-6, ITERATIONS, 0.9, 0.0)
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1.0, 0.0])
    method.SetInitialTransform(sitk.TranslationTransform(3), inPlace=False)
    return method


def demons() -> sitk.DiffeomorphicDemonsRegistrationFilter:
    registration = sitk.DiffeomorphicDemonsRegistrationFilter()
    registration.SetNumberOfIterations(ITERATIONS)
    return registration


def execute(process, images: list[sitk.Image], check: Check | None = None):
    return interruptible(process, lambda: process.Execute(*images), check)


class CancelledAt:
    """A check that finds its token cancelled from one look on."""

    def __init__(self, look: int) -> None:
        self.look, self.looks, self.token = look, 0, CancelToken()

    def __call__(self) -> None:
        self.looks += 1
        if self.looks == self.look:
            self.token.cancel()
        self.token.check()


@pytest.mark.parametrize("process", [affine, demons])
@pytest.mark.parametrize("look", [1, 2, 6])
def test_it_stops_within_two_iterations_of_the_cancel(process, look):
    check = CancelledAt(look)
    with pytest.raises(FAError) as refused:
        execute(process(), pair(), check)
    assert refused.value.code == "cancelled"
    assert check.looks == look


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_whatever_the_check_raises_arrives(error):
    looks = []

    def check() -> None:
        looks.append(1)
        if len(looks) > 3:
            raise error

    with pytest.raises(error):
        execute(affine(), pair(), check)


def test_nothing_is_printed_when_it_stops(capfd):
    with pytest.raises(FAError):
        execute(demons(), pair(), CancelledAt(4))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("process", [affine, demons])
def test_a_check_that_lets_pass_changes_nothing(process):
    check = CancelledAt(10_000)
    plain, checked = execute(process(), pair()), execute(process(), pair(), check)
    if process is affine:
        assert plain.GetParameters() == checked.GetParameters()
    else:
        np.testing.assert_array_equal(sitk.GetArrayFromImage(plain), sitk.GetArrayFromImage(checked))
    assert check.looks > ITERATIONS


def test_an_error_of_the_process_stays_its_own():
    with pytest.raises(RuntimeError):
        execute(demons(), [sitk.Image(4, 4, sitk.sitkFloat32), pair()[0]], CancelledAt(10_000))
