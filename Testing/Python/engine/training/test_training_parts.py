"""What a training example is made of: relatives of a volume, holes, the loss, and the rate that it is learned at."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from FAAnomalyLib.diffusion.noise_schedule import NoiseSchedule
from FAAnomalyLib.networks.conditioning import CONDITION_CHANNELS
from FAAnomalyLib.preprocessing.template import TemplatePriors
from FAAnomalyLib.training import augmentation
from FAAnomalyLib.training import cohort_cache as data
from FAAnomalyLib.training.augmentation import augment
from FAAnomalyLib.training.cohort_cache import TrainingSubject, error_weight
from FAAnomalyLib.training.mask_sampling import random_hole
from FAAnomalyLib.training.objective import HoleObjective, ThesisObjective, objective_of
from FAAnomalyLib.training.recipes import COSINE, LINEAR, RECIPES, learning_rate
from FAAnomalyLib.training.validation import held_out_errors
from support.phantoms import tiny_training

SHAPE = (16, 24, 16)
AFFINE = np.array([[5.0, 0, 0, -37.5], [0, 5.0, 0, -73.5], [0, 0, 5.0, -29.5], [0, 0, 0, 1]])


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def volumes(seed=0):
    """FA, weight, template FA and white matter on a small grid."""
    fa, inside = tiny_training.head(SHAPE, AFFINE, seed)
    smooth, _ = tiny_training.head(SHAPE, AFFINE)
    white = (smooth > 0.35).astype(np.float32)
    return tuple(torch.from_numpy(a) for a in (fa, error_weight(inside, 5.0), smooth, white))


def small_subject(seed=1, person="A"):
    fa, weight, smooth, white = volumes(seed)
    return TrainingSubject(
        "a.nii.gz", person, fa, weight, TemplatePriors(smooth.numpy(), white.numpy(), (weight > 0.05).float().numpy())
    )


def objective(**other):
    return HoleObjective(NoiseSchedule.from_dict(COSINE), **{"crop": (8, 16, 8), **other})


@pytest.fixture
def still(monkeypatch):
    """No spread at all; a test gives back what it looks at."""
    for name in (
        "SYMMETRIC_AFFINE",
        "MISREGISTRATION_AFFINE",
        "MISREGISTRATION_SHIFT_VOXELS",
        "GLOBAL_GAIN",
        "RICIAN",
        "SHARPEN",
    ):
        monkeypatch.setattr(augmentation, name, 0.0)
    for name in ("SYMMETRIC_ELASTIC", "MISREGISTRATION_ELASTIC", "GAIN"):
        monkeypatch.setattr(augmentation, name, tuple((distance, 0.0) for distance, _ in getattr(augmentation, name)))
    return monkeypatch


# --- augmentation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_the_shared_displacement_keeps_the_mirror(seed):
    displacement = augmentation._symmetric_displacement((12, 18, 14), draw(seed))
    assert displacement.shape == (3, 12, 18, 14) and displacement.abs().max() > 0.5
    mirrored = displacement.flip(1) * torch.tensor([-1.0, 1.0, 1.0])[:, None, None, None]
    torch.testing.assert_close(displacement, mirrored, atol=1e-5, rtol=0)


def test_nothing_is_changed_without_spread(still):
    given = volumes(seed=3)
    seen = set()
    for seed in range(8):
        drawn = augment(*given, draw(seed), population_average=seed % 2 == 0)
        flipped = (drawn.fa - given[0]).abs().max() > 0.01
        seen.add(bool(flipped))
        fa, weight = (a.flip(0) if flipped else a for a in given[:2])
        for got, expected in (
            (drawn.fa, fa),
            (drawn.weight, weight),
            (drawn.prior_fa, given[2]),
            (drawn.white_matter, given[3]),
        ):
            torch.testing.assert_close(got, expected, atol=2e-5, rtol=0)
    assert seen == {False, True}


def test_the_priors_move_with_the_subject(still):
    still.setattr(augmentation, "SYMMETRIC_AFFINE", 0.05)
    still.setattr(augmentation, "SYMMETRIC_ELASTIC", ((6, 1.5),))
    _, weight, smooth, white = volumes()
    drawn = augment(smooth, weight, smooth, white, draw(4))
    assert (drawn.fa - smooth).abs().max() > 0.1
    torch.testing.assert_close(drawn.fa, drawn.prior_fa, atol=1e-5, rtol=0)
    torch.testing.assert_close(drawn.fa, drawn.fa.flip(0), atol=1e-4, rtol=0)


def test_the_subjects_own_error_leaves_the_priors(still):
    still.setattr(augmentation, "MISREGISTRATION_SHIFT_VOXELS", 1.0)
    _, weight, smooth, white = volumes()
    drawn = augment(smooth, weight, smooth, white, draw(4))
    assert (drawn.fa - smooth).abs().max() > 0.1
    torch.testing.assert_close(drawn.prior_fa, smooth, atol=1e-5, rtol=0)


def test_values_stay_fa_and_randomness_has_one_source():
    given = volumes(seed=2)
    for seed in range(6):
        drawn = augment(*given, draw(seed), population_average=seed > 3)
        for name in ("fa", "prior_fa", "white_matter", "weight"):
            values = getattr(drawn, name)
            assert values.shape == SHAPE and values.min() >= 0.0 and values.max() <= 1.0 + 1e-6, name
        torch.manual_seed(99)
        again = augment(*given, draw(seed), population_average=seed > 3)
        assert all(torch.equal(getattr(drawn, n), getattr(again, n)) for n in ("fa", "weight", "prior_fa"))
        assert (drawn.fa > 0).sum() > 0.5 * (given[0] > 0).sum()
    assert not torch.equal(drawn.fa, augment(*given, draw(77), population_average=True).fa)


def test_noise_is_added_in_the_brain_only(still):
    still.setattr(augmentation, "RICIAN", 0.3)
    given = volumes(seed=2)
    drawn = augment(*given, draw(1))
    brain = torch.maximum(given[0], given[0].flip(0))
    # A voxel beside the brain may hold a rounding error's worth of it.
    assert not drawn.fa[torch.nn.functional.max_pool3d(brain[None], 3, 1, 1)[0] == 0].any()
    assert (drawn.fa - given[0]).abs().max() > 0.05


# --- holes -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def holes():
    """A brain on half the model grid's resolution, and 200 holes in it."""
    axes = np.meshgrid(*[np.linspace(-1.15, 1.15, n) for n in (40, 48, 40)], indexing="ij")
    brain = torch.from_numpy(sum(a**2 for a in axes) < 1.0)
    return brain, [random_hole(brain, draw(seed)) for seed in range(200)]


def test_every_hole_hides_some_brain(holes):
    brain, drawn = holes
    shares = torch.stack([(hole & brain).sum() / brain.sum() for hole in drawn])
    assert all(hole.dtype == torch.bool and hole.shape == brain.shape for hole in drawn)
    assert shares.min() > 0
    assert 0.05 < shares.mean() < 0.5
    assert ((shares > 0.03) & (shares < 0.6)).float().mean() > 0.8


def test_some_holes_leave_their_mirror_image_visible_and_some_do_not(holes):
    brain, drawn = holes
    large = [hole for hole in drawn if (hole & brain).sum() > 0.08 * brain.sum()]
    safe = sum(not (hole & hole.flip(0)).any() for hole in large) / len(large)
    assert 0.1 < safe < 0.7


def test_holes_differ_and_repeat_with_the_generator(holes):
    brain, drawn = holes
    assert torch.equal(random_hole(brain, draw(5)), drawn[5])
    assert len({hole.numpy().tobytes() for hole in drawn}) > 180


def test_a_hole_beside_a_small_brain_is_drawn_again():
    brain = torch.zeros(40, 48, 40, dtype=torch.bool)
    brain[20, 20, 20] = True
    assert all(random_hole(brain, draw(seed))[20, 20, 20] for seed in range(20))


# --- the loss ----------------------------------------------------------------------------------------------------


def batch_of(asked, count=3, **other):
    examples = [asked.example(small_subject(**other), draw(seed)) for seed in range(count)]
    return {key: torch.stack([e[key] for e in examples]) for key in examples[0]}


def perfect(asked, batch, error=0.0):
    """A network that knows the answer, and is wrong by *error* where it is told."""
    v = asked.schedule.v_target(batch["x"], batch["noise"], batch["t"]) + error
    return lambda noisy, signal, condition: (v, torch.zeros_like(v))


def test_a_perfect_answer_costs_nothing_and_only_holes_count():
    asked = objective(pure_noise=1.0)
    batch = batch_of(asked)
    loss, error = asked.loss(perfect(asked, batch), batch)
    assert loss == 0.0 and error == 0.0
    hole = batch["condition"][:, :1]
    assert 0.0 < hole.mean() < 1.0 and not batch["weight"][hole == 0].any() and batch["weight"][hole == 1].any()
    outside = perfect(asked, batch, error=torch.where(hole == 0, 5.0, 0.0))
    assert asked.loss(outside, batch)[0] == 0.0
    half = perfect(asked, batch, error=0.5)
    torch.testing.assert_close(asked.loss(half, batch)[1], torch.tensor(0.25))
    where = (batch["weight"] == 1.0) & (batch["weight"].flip(-1) < 1.0)
    heavy, light = torch.where(where, 1.0, 0.0), torch.where((batch["weight"] > 0) & (batch["weight"] < 0.5), 1.0, 0.0)
    assert heavy.any() and light.any()
    costs = [asked.loss(perfect(asked, batch, error=e), batch)[1] / e.sum() for e in (heavy, light)]
    assert costs[0] > 2 * costs[1]


def test_the_variance_does_not_pull_on_the_mean():
    asked = objective(pure_noise=1.0)
    batch = batch_of(asked)
    wrong = torch.full_like(batch["x"], 0.3).requires_grad_(True)
    log_variance = torch.full_like(batch["x"], -1.0).requires_grad_(True)
    target = asked.schedule.v_target(batch["x"], batch["noise"], batch["t"])
    loss, _ = asked.loss(lambda *_: (target + wrong, log_variance), batch)
    loss.backward()
    weight, total = batch["weight"], batch["weight"].sum()
    torch.testing.assert_close(wrong.grad, 2 * 0.3 * weight / total)
    expected = asked.variance_weight * weight * 0.5 * (1.0 - 0.09 * math.e) / total
    torch.testing.assert_close(log_variance.grad, expected, atol=1e-8, rtol=1e-4)


def test_an_error_counts_as_one_of_the_picture():
    asked = objective()
    one = batch_of(asked, count=1)
    batch = {key: torch.cat([value, value]) for key, value in one.items()}
    batch["t"] = torch.tensor([200, 700])
    where = [torch.tensor([a, b])[:, None, None, None, None] for a, b in ((1.0, 0.0), (0.0, 1.0))]
    first, second = (asked.loss(perfect(asked, batch, error=e), batch)[1] for e in where)
    # x0 = alpha x_t - sigma v.
    assert first / second == pytest.approx((asked.schedule.sigma(200) / asked.schedule.sigma(700)) ** 2, rel=1e-4)


def test_the_network_is_given_noise_and_level_as_the_schedule_says():
    asked = objective(pure_noise=0.5)
    batch = batch_of(asked, count=6)
    last = asked.schedule.timesteps - 1
    pure = batch["t"] == last
    assert 0 < pure.sum() < 6

    def network(noisy, signal, condition):
        alpha = torch.as_tensor(asked.schedule.alpha(batch["t"])).float()
        torch.testing.assert_close(signal, alpha)
        assert torch.equal(noisy[pure], batch["noise"][pure]) and not signal[pure].any()
        wide = alpha[:, None, None, None, None]
        torch.testing.assert_close(noisy, wide * batch["x"] + (1 - wide**2).sqrt() * batch["noise"])
        return torch.zeros_like(noisy), torch.zeros_like(noisy)

    assert asked.loss(network, batch)[1] > 0.1


@pytest.mark.parametrize("crop", [None, (8, 16, 8), SHAPE])
def test_an_example_is_a_window_of_one_relative(crop):
    asked = objective(crop=crop)
    shape = SHAPE if crop is None else crop
    for seed in range(5):
        one = asked.example(small_subject(), draw(seed))
        assert one["x"].shape == one["weight"].shape == one["noise"].shape == (1, *shape)
        assert one["condition"].shape == (CONDITION_CHANNELS, *shape)
        hole, filled = one["condition"][:1], one["condition"][1:2]
        assert torch.equal(filled[hole == 0], one["x"][hole == 0]) and not one["weight"][hole == 0].any()
        assert one["x"].min() >= -1.0 and one["x"].max() <= 1.0 and one["x"].max() > -0.5
        again = asked.example(small_subject(), draw(seed))
        assert all(torch.equal(one[key], again[key]) for key in one)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_an_objective(name):
    recipe = RECIPES[name]
    asked = objective_of(recipe)
    assert asked.fills_holes == (name == "inpainter")
    if asked.fills_holes:
        assert asked.crop == recipe.crop
    else:
        assert asked.conditional == recipe.network["conditional"]


@pytest.mark.parametrize("conditional", [False, True])
def test_the_thesis_asks_for_the_noise_of_the_whole_volume(conditional):
    asked = ThesisObjective(NoiseSchedule.from_dict(LINEAR), conditional)
    batch = batch_of(asked)
    assert torch.equal(batch["x"][0, 0], 2.0 * small_subject().fa - 1.0)
    given = []

    def network(noisy, t, mask):
        given.append(mask)
        torch.testing.assert_close(noisy, asked.schedule.q_sample(batch["x"], t, batch["noise"]))
        return batch["noise"] + 0.5

    assert asked.loss(network, batch)[0] == pytest.approx(0.25)
    if conditional:
        assert torch.equal(given[0][0, 0], (small_subject().fa > 0.2).float())
    else:
        assert given == [None]


def test_the_held_out_error_is_taken_in_white_matter_without_bias():
    known = tiny_training.template()
    subject = tiny_training.subject("a", "A", 1, known)
    x = 2.0 * subject.fa[None, None] - 1.0
    sign = torch.where(torch.arange(x.shape[4]) % 2 == 0, 1.0, -1.0)
    outside = torch.from_numpy(known.priors.white_matter)[None, None] < 0.5

    def error_of(miss):
        def network(noisy, signal, condition):
            hole = condition[:, :1]
            assert not signal.any() and hole.any() and torch.equal(condition[:, 1:2][hole == 0], x[hole == 0])
            return miss - x, torch.zeros_like(x)

        return held_out_errors(network, [subject], (4.0, 4.0, 4.0), torch.device("cpu"), torch.float32)[0]

    assert error_of(torch.tensor(0.2)) == pytest.approx(0.0, abs=1e-6)
    assert error_of(0.2 * sign + 0.1) == pytest.approx(0.1, rel=0.05)
    assert error_of(torch.where(outside, 5.0, 0.0)) == pytest.approx(0.0, abs=1e-6)


# --- the rate ----------------------------------------------------------------------------------------------------


def test_the_rate_warms_up_and_falls_along_a_cosine():
    recipe = replace(RECIPES["inpainter"], steps=1000, warmup=100, learning_rate=2.0)
    rates = [learning_rate(recipe, step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.02) and rates[99] == pytest.approx(2.0) and rates[100] == pytest.approx(2.0)
    assert rates[550] == pytest.approx(1.0) and 0.0 < rates[999] < 1e-4
    assert all(a < b for a, b in zip(rates[:100], rates[1:100], strict=False))
    assert all(a > b for a, b in zip(rates[100:], rates[101:], strict=False))
    assert learning_rate(recipe, 5000) == 0.0
    assert learning_rate(replace(recipe, warmup=0), 0) == 2.0


def test_the_thesis_rate_is_constant_and_then_falls():
    recipe = RECIPES["thesis-conditional"]
    assert [learning_rate(recipe, step) for step in (0, 7_000, 15_000)] == [1e-4] * 3
    later = [learning_rate(recipe, step) for step in (15_001, 100_000, 359_999)]
    assert 1e-4 > later[0] > later[1] > later[2] > 1e-6


def test_the_rim_and_the_outside_weigh_less():
    brain = np.zeros((20, 20, 20), bool)
    brain[4:16, 4:16, 4:16] = True
    weight = error_weight(brain, 2.0)
    assert weight[10, 10, 10] == 1.0 and weight[4, 10, 10] == np.float32(data.RIM_WEIGHT)
    assert weight[5, 10, 10] == 1.0 and weight[3, 10, 10] == np.float32(data.OUTSIDE_WEIGHT)
