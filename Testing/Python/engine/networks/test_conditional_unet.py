"""The hole-trained network: nothing of a hole's own content gets in, and all that should does."""

import json

import pytest
import torch

from FAAnomalyLib.networks.conditional_unet import POSTERIOR_SPREAD, ConditionalUNet, depth_to_space, space_to_depth
from FAAnomalyLib.networks.conditioning import CONDITION_CHANNELS, condition, linear_estimate
from FAAnomalyLib.networks.push_pull_fill import smooth_fill

SHAPE = (16, 24, 8)
WIDTHS, BLOCKS = (16, 32), (1, 2)


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def lively(widths=WIDTHS, blocks=BLOCKS, seed=1):
    """A network of which no layer is left at zero."""
    net = ConditionalUNet(widths, blocks)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            spread = 0.5 / p[0].numel() ** 0.5 if p.ndim > 1 else 0.1
            p.add_(spread * torch.randn(p.shape, generator=generator))
    return net.eval().requires_grad_(False)


def volumes(batch=1):
    x, noise = (numbers(batch, 1, *SHAPE, seed=seed).tanh() for seed in (2, 3))
    priors, white = numbers(1, 1, *SHAPE, seed=4).tanh(), numbers(1, 1, *SHAPE, seed=5).sigmoid()
    return x, noise, priors, white


def hole_at(*boxes):
    hole = torch.zeros(1, 1, *SHAPE)
    for box in boxes:
        hole[(0, 0, *[slice(*span) for span in box])] = 1.0
    return hole


LEFT = ((2, 6), (5, 13), (1, 7))
RIGHT = ((10, 14), (5, 13), (1, 7))
MIDLINE = ((5, 10), (5, 13), (1, 7))
HOLES = {
    "one side": hole_at(LEFT),
    "across the midline": hole_at(MIDLINE),
    "both sides": hole_at(LEFT, RIGHT),
    "mirrored": hole_at(MIDLINE).flip(2),
    "everything": torch.ones(1, 1, *SHAPE),
}
OTHER_CONTENT = {
    "a number": 0.3,
    "negative": -1.0,
    "huge": 1e30,
    "infinite": float("-inf"),
    "NaN": float("nan"),
    "noise": numbers(1, 1, *SHAPE, seed=9),
}


def same_bits(a, b):
    return torch.equal(a.contiguous().view(torch.int32), b.contiguous().view(torch.int32))


@pytest.mark.parametrize("hole", HOLES.values(), ids=HOLES)
def test_what_is_hidden_cannot_be_told_from_the_output(hole):
    net, (x, noise, priors, white) = lively(), volumes()
    signal = torch.zeros(1)
    before = condition(x, hole, priors, white)
    expected = net(noise, signal, before)
    for name, content in OTHER_CONTENT.items():
        changed = torch.where(hole > 0, torch.as_tensor(content), x)
        assert not torch.equal(changed, x)
        after = condition(changed, hole, priors, white)
        assert same_bits(before, after), name
        assert all(same_bits(a, b) for a, b in zip(expected, net(noise, signal, after), strict=True)), name


@pytest.mark.parametrize("hole", HOLES.values(), ids=HOLES)
def test_noise_outside_the_hole_is_not_looked_at(hole):
    net, (x, noise, priors, white) = lively(), volumes()
    given, signal = condition(x, hole, priors, white), torch.tensor([0.4])
    expected = net(noise, signal, given)
    for name, content in OTHER_CONTENT.items():
        got = net(torch.where(hole > 0, noise, torch.as_tensor(content)), signal, given)
        assert all(same_bits(a, b) for a, b in zip(expected, got, strict=True)), name
    inside = net(torch.where(hole > 0, -noise, noise), signal, given)
    assert (inside[0] - expected[0]).abs().max() > 1e-3


def test_what_is_visible_is_looked_at():
    net, (x, noise, priors, white) = lively(), volumes()
    hole = HOLES["one side"]
    expected, _ = net(noise, torch.zeros(1), condition(x, hole, priors, white))

    def change(**other):
        given = {"x": x, "prior_fa": priors, "white_matter": white, **other}
        return (net(noise, torch.zeros(1), condition(hole=hole, **given))[0] - expected).abs().max()

    assert change(x=torch.where(hole.flip(2) > 0, -x, x)) > 1e-3
    assert change(prior_fa=-priors) > 1e-3
    assert change(white_matter=1.0 - white) > 1e-3
    assert (net(noise, torch.ones(1), condition(x, hole, priors, white))[0] - expected).abs().max() > 1e-3


def test_the_condition_holds_what_it_promises():
    x, _, priors, white = volumes(batch=2)
    hole = HOLES["across the midline"].expand(2, -1, -1, -1, -1)
    given = condition(x, hole, priors, white)
    assert given.shape == (2, CONDITION_CHANNELS, *SHAPE)
    hidden, filled, mirrored_known, mirror, template, mirror_detail, template_detail, tissue = given[:, :8].split(1, 1)
    assert torch.equal(hidden, hole)
    assert torch.equal(filled[hole == 0], x[hole == 0]) and (filled - x)[hole == 1].abs().max() > 0.1
    assert torch.equal(mirrored_known, 1.0 - hole.flip(2)) and torch.equal(mirror, filled.flip(2))
    assert torch.equal(template, priors.expand_as(x)) and torch.equal(tissue, 2 * white.expand_as(x) - 1)
    for detail, source in ((mirror_detail, mirror), (template_detail, template)):
        torch.testing.assert_close(detail, source - smooth_fill(source, 1.0 - hole))
        assert not detail[hole == 0].any() and detail[hole == 1].abs().max() > 0.1
    for axis in range(3):
        line = given[0, 8 + axis].movedim(axis, 0).flatten(1)
        torch.testing.assert_close(line[:, 0], torch.linspace(-1, 1, SHAPE[axis]))
        assert (line == line[:, :1]).all()


def test_a_symmetric_brain_is_known_from_its_mirror_image():
    x, _, priors, white = volumes()
    x, hole = (x + x.flip(2)) / 2, HOLES["one side"]
    given = condition(x, hole, priors, white)
    torch.testing.assert_close(linear_estimate(given, (0.0, 1.0, 1.0, 0.0)), x, atol=1e-5, rtol=0)
    given = condition(priors, hole, priors, white)
    torch.testing.assert_close(linear_estimate(given, (0.0, 1.0, 0.0, 1.0)), priors, atol=1e-5, rtol=0)
    assert linear_estimate(given, (0.5, 0.0, 0.0, 0.0)).unique().tolist() == [0.5]


@pytest.mark.parametrize("shape", [SHAPE, (6, 10, 9)])
def test_the_smooth_fill_is_linear_and_stays_between_its_surroundings(shape):
    x, other = numbers(1, 2, *shape, seed=6), numbers(1, 2, *shape, seed=7)
    known = (numbers(1, 1, *shape, seed=8) > 0.3).float()
    known[..., 2:6, 3:9, :] = 0.0
    filled, there = smooth_fill(x, known), known.expand_as(x) == 1
    assert torch.equal(filled[there], x[there])
    for channel in range(2):
        outside = x[0, channel][known[0, 0] == 1]
        assert outside.min() <= filled[0, channel].min() and filled[0, channel].max() <= outside.max()
    torch.testing.assert_close(smooth_fill(2 * x - other, known), 2 * filled - smooth_fill(other, known))
    torch.testing.assert_close(smooth_fill(torch.full_like(x, 0.7), known), torch.full_like(x, 0.7))
    assert torch.equal(smooth_fill(torch.where(there, x, torch.nan), known), filled)


def test_the_smooth_fill_continues_a_slope():
    slope = torch.linspace(0, 1, 24)[None, None, None, :, None].expand(1, 1, *SHAPE)
    known = torch.ones(1, 1, *SHAPE)
    known[..., 4:12, 8:16, 2:6] = 0.0
    assert (smooth_fill(slope, known) - slope).abs().max() < 0.03


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("shape", [(8, 8, 8), (4, 12, 8)])
def test_shapes_and_finiteness(batch, shape):
    net = lively()
    v, log_variance = net(
        100.0 * numbers(batch, 1, *shape), torch.rand(batch), numbers(batch, CONDITION_CHANNELS, *shape)
    )
    for out in (v, log_variance):
        assert out.shape == (batch, 1, *shape) and out.dtype == torch.float32 and out.isfinite().all()


def test_the_log_variance_is_bounded():
    net, (x, noise, priors, white) = lively(), volumes()
    for wild in (1e4, -1e4):
        net.fine.out.bias[1] = wild
        _, log_variance = net(noise, torch.zeros(1), condition(x, HOLES["one side"], priors, white))
        assert -10.0 <= log_variance.min() and log_variance.max() <= 4.0


def test_half_precision_gives_float32_near_the_full_result():
    net, (x, noise, priors, white) = lively(), volumes()
    given = condition(x, HOLES["one side"], priors, white)
    full, _ = net(noise, torch.zeros(1), given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, _ = net(noise, torch.zeros(1), given)
    assert half.dtype == torch.float32 and (half - full).abs().max() < 0.1 * full.std()


def test_batch_items_and_noise_levels_are_kept_apart():
    net, (x, noise, priors, white) = lively(), volumes(batch=2)
    given = condition(x, torch.cat([HOLES["one side"], HOLES["across the midline"]]), priors, white)
    signal = torch.tensor([0.0, 0.7])
    both, _ = net(noise, signal, given)
    second, _ = net(noise[1:], signal[1:], given[1:])
    other, _ = net(noise[1:], signal[:1], given[1:])
    torch.testing.assert_close(both[1:], second, atol=1e-4 * second.std().item(), rtol=0)
    assert (other - second).abs().max() > 0.01 * second.std()


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.9, 1.0])
def test_a_new_network_is_the_posterior_of_its_linear_estimate(alpha):
    x, noise, priors, white = volumes()
    hole = HOLES["one side"]
    given = condition(x, hole, priors, white)
    v, log_variance = ConditionalUNet(WIDTHS, BLOCKS)(noise, torch.tensor([alpha]), given)
    # E[x0 | x_t] of two Gaussians, with x0 = alpha x_t - sigma v.
    sigma, spread, mean = (1 - alpha**2) ** 0.5, POSTERIOR_SPREAD**2, linear_estimate(given)
    posterior = (alpha * spread * noise + sigma**2 * mean) / (alpha**2 * spread + sigma**2)
    torch.testing.assert_close((alpha * noise - sigma * v)[hole == 1], posterior[hole == 1], atol=1e-5, rtol=0)
    variance = sigma**2 * spread / (alpha**2 * spread + sigma**2)
    torch.testing.assert_close(sigma**2 * log_variance.exp(), torch.full_like(v, variance))


def test_space_to_depth_takes_blocks_of_eight_and_back():
    x = numbers(2, 3, 4, 6, 8)
    deep = space_to_depth(x)
    assert deep.shape == (2, 24, 2, 3, 4)
    for channel in range(3):
        block = torch.stack([deep[:, 8 * channel + i] for i in range(8)], dim=1)
        assert torch.equal(block[1, :, 1, 2, 0], x[1, channel, 2:4, 4:6, 0:2].flatten())
    assert torch.equal(depth_to_space(deep), x)
    assert torch.equal(space_to_depth(depth_to_space(deep)), deep)


@pytest.mark.parametrize("widths", [(16, 32), (16, 32, 32)])
def test_only_multiples_of_the_divisor_are_taken(widths):
    net = lively(widths, (1,) * len(widths))
    assert net.divisor == 2 ** len(widths)
    good, bad = net.divisor * 2, net.divisor * 2 - 2
    for shape in ((bad, good, good), (good, bad, good), (good, good, good + 1)):
        with pytest.raises(ValueError, match=f"multiples of {net.divisor}"):
            net(torch.zeros(1, 1, *shape), torch.zeros(1), torch.zeros(1, CONDITION_CHANNELS, *shape))
    shape = (good,) * 3
    v, _ = net(torch.zeros(1, 1, *shape), torch.zeros(1), torch.zeros(1, CONDITION_CHANNELS, *shape))
    assert v.shape[2:] == shape


def test_config_rebuilds_the_network():
    net = lively((16, 32, 48), (2, 1, 3))
    again = ConditionalUNet.from_config(json.loads(json.dumps(net.config())))
    again.load_state_dict(net.state_dict())
    x, given = numbers(1, 1, 8, 8, 8), numbers(1, CONDITION_CHANNELS, 8, 8, 8)
    with torch.no_grad():
        for a, b in zip(net(x, torch.zeros(1), given), again(x, torch.zeros(1), given), strict=True):
            assert torch.equal(a, b)


def test_gradient_reaches_every_parameter():
    net = lively().requires_grad_(True)
    x, given = numbers(1, 1, 8, 8, 8), numbers(1, CONDITION_CHANNELS, 8, 8, 8)
    v, log_variance = net(x, torch.tensor([0.3]), given)
    ((v - x) ** 2 * torch.exp(-log_variance) + log_variance).mean().backward()
    sizes = {name: p.grad.abs().max().item() if p.grad is not None else 0.0 for name, p in net.named_parameters()}
    assert min(sizes.values()) > 1e-5, min(sizes, key=sizes.get)
