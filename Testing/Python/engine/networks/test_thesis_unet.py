"""The thesis networks: counts, shapes, and how their blocks are joined."""

import json

import pytest
import torch

from FAAnomalyLib.networks.thesis.attention import AttentionBlock, RescaledCrossAttention, SpatialTransformer
from FAAnomalyLib.networks.thesis.blocks import DownSample, ResidualBlock, UpSample
from FAAnomalyLib.networks.thesis.unet import ThesisUNet, Variant
from support.fakes.random_nets import random, randomise

pytestmark = pytest.mark.slow

UNCONDITIONAL, CONDITIONAL = 41_245_217, 49_223_329


@pytest.mark.parametrize(("conditional", "count"), [(False, UNCONDITIONAL), (True, CONDITIONAL)])
def test_parameter_counts_are_the_thesis(conditional, count):
    with torch.device("meta"):
        net = ThesisUNet(conditional)
        x = torch.empty(1, 1, 128, 128, 128)
        out = net(x, torch.empty(1, dtype=torch.int64), x if conditional else None)
    assert sum(p.numel() for p in net.parameters()) == count
    assert not list(net.buffers())
    assert out.shape == x.shape


VARIANTS = {
    # The thesis' count less what a bare cross-attention lacks beside a spatial transformer: per attended block
    # 20 c^2 + 25 c against c^2 (query) + c^2 (proj) + 8 c, and the same of the middle.
    "cross-attention alone": (True, Variant(use_spatial_transformer=False), CONDITIONAL - 8_589_440),
    # Another 3x3x3 kernel of the first convolution.
    "mask channel": (True, Variant(mask_channel=True), CONDITIONAL + 27 * 16),
    # Attention on levels 4 and 5 of the unconditional net (notes of the method's check: +330,240).
    "two levels": (False, Variant(has_attention=(False, False, False, True, True)), UNCONDITIONAL + 330_240),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_parameter_counts_of_variants(name):
    conditional, variant, count = VARIANTS[name]
    with torch.device("meta"):
        net = ThesisUNet(conditional, variant=variant)
    assert sum(p.numel() for p in net.parameters()) == count


def test_attention_sits_where_the_counts_say():
    with torch.device("meta"):
        kinds = {c: [type(m).__name__ for m in ThesisUNet(c).modules()] for c in (False, True)}
    assert kinds[False].count("AttentionBlock") == 6 and "SpatialTransformer" not in kinds[False]
    assert kinds[True].count("SpatialTransformer") == 11


@pytest.fixture(scope="module")
def conditional():
    """The full conditional net as it is after construction; tests that change it work on the next fixture."""
    torch.manual_seed(0)
    return ThesisUNet(conditional=True)


@pytest.fixture(scope="module")
def lively(conditional):
    """The same net with nothing left at zero; runs after the tests of the untouched one."""
    return randomise(conditional)


def batch():
    return random(2, 1, 32, 32, 32), torch.tensor([3, 700]), (random(2, 1, 32, 32, 32, seed=2) > 0.3).float()


def test_untrained_output_is_nearly_zero(conditional):
    x, t, mask = batch()
    with torch.no_grad():
        out = conditional(x, t, mask)
    assert out.shape == x.shape and out.dtype == x.dtype
    assert 0 < out.abs().max() < 1e-3


def uneven_mask():
    """A mask whose 16³ blocks and 8³ blocks are white matter to many different fractions."""
    shades = torch.rand(4, 4, 4, generator=torch.Generator().manual_seed(5))
    fine = shades.repeat_interleave(8, 0).repeat_interleave(8, 1).repeat_interleave(8, 2)
    return (torch.rand(fine.shape, generator=torch.Generator().manual_seed(6)) < fine).float()[None, None]


def shuffle_blocks(mask):
    """The 2x2x2 blocks of 16³ voxels in another order; what is in a block stays as it is."""
    blocks = mask.reshape(2, 16, 2, 16, 2, 16).permute(0, 2, 4, 1, 3, 5).reshape(8, 16, 16, 16)
    blocks = blocks[torch.tensor([5, 2, 7, 0, 1, 6, 4, 3])].reshape(2, 2, 2, 16, 16, 16)
    return blocks.permute(0, 3, 1, 4, 2, 5).reshape(mask.shape)


@pytest.mark.slow
def test_condition_is_blind_to_where_the_white_matter_is(lively):
    x, t, mask = batch()[0][:1], torch.tensor([400]), uneven_mask()
    moved = {"flipped": mask.flip(2, 4), "blocks shuffled": shuffle_blocks(mask)}
    with torch.no_grad():
        out = lively(x, t, mask)
        spread = out.std()
        fuller = (lively(x, t, torch.maximum(mask, mask.roll(3, 2))) - out).abs().max() / spread
        change = {name: ((lively(x, t, m) - out).abs().max() / spread).item() for name, m in moved.items()}
    assert all((m != mask).float().mean() > 0.2 for m in moved.values())
    assert fuller > 0.1
    assert max(change.values()) < 1e-3, change


@pytest.mark.fast
def test_as_an_input_channel_the_mask_tells_where_the_white_matter_is():
    x, t, mask = batch()[0][:1], torch.tensor([400]), uneven_mask()
    torch.manual_seed(1)
    nets = {
        name: randomise(ThesisUNet(True, (8, 8, 16, 16), Variant(mask_channel=channel)))
        for name, channel in (("printed", False), ("channel", True))
    }
    with torch.no_grad():
        change = {
            name: ((net(x, t, shuffle_blocks(mask)) - net(x, t, mask)).abs().max() / net(x, t, mask).std()).item()
            for name, net in nets.items()
        }
    assert change["printed"] < 0.01 and change["channel"] > 0.1, change


@pytest.mark.parametrize("conditional", [False, True])
def test_gradient_reaches_every_parameter(conditional):
    # Small and in double precision, to tell a small gradient from none.
    net = randomise(ThesisUNet(conditional, widths=(8, 16, 24)).double())
    x, mask = random(1, 1, 16, 16, 16).double(), uneven_mask()[..., :16, :16, :16]
    (net(x, torch.tensor([700]), mask if conditional else None) - x).square().mean().backward()
    sizes = {name: p.grad.abs().max().item() for name, p in net.named_parameters()}
    # A softmax does not see what is added to all its scores.
    dead = {name for name in sizes if name.endswith("key.bias")}
    assert len(dead) == (22 if conditional else 6)
    assert max(sizes[name] for name in dead) < 1e-14
    live = {name: size for name, size in sizes.items() if name not in dead}
    assert min(live.values()) > 1e-9, min(live, key=live.get)


@pytest.mark.slow
def test_time_and_batch_items_are_kept_apart(lively):
    x, t, mask = batch()
    with torch.no_grad():
        both = lively(x, t, mask)
        second = lively(x[1:], t[1:], mask[1:])
        later = lively(x[1:], t[:1], mask[1:])
    torch.testing.assert_close(both[1:], second, atol=1e-3 * both.std().item(), rtol=0)
    assert (later - second).abs().max() > 0.1 * second.std()


JOINED = {
    "unconditional": (False, Variant()),
    "conditional": (True, Variant()),
    "cross-attention alone": (True, Variant(use_spatial_transformer=False)),
    "one block, attention first": (True, Variant(has_attention=(True, False, True), num_res_blocks=1)),
    "mask channel": (True, Variant(mask_channel=True)),
}


@pytest.mark.parametrize("which", JOINED)
def test_blocks_are_joined_as_in_listings_a14_and_a15(which):
    conditional, variant = JOINED[which]
    net = randomise(ThesisUNet(conditional, (8, 16, 24), variant))
    x, t = random(1, 1, 8, 12, 16), torch.tensor([5])
    mask = (random(1, 1, 8, 12, 16, seed=3) > 0).float() if conditional else None
    has_attention = variant.has_attention or ([False, True, True] if conditional else [False, False, True])
    blocks = variant.num_res_blocks

    def parts(*kinds):
        return iter([m for m in net.modules() if isinstance(m, kinds)])

    residual, down, up = parts(ResidualBlock), parts(DownSample), parts(UpSample)
    transformer, attention = parts(SpatialTransformer), parts(AttentionBlock)
    cross = iter([m.cross for m in net.modules() if isinstance(m, RescaledCrossAttention)])

    def attended(y):
        if not variant.use_spatial_transformer:
            factor = mask.shape[2] // y.shape[2]
            return next(cross)(y, torch.nn.functional.avg_pool3d(mask, factor))
        return next(transformer)(y, mask) if conditional else next(attention)(y)

    with torch.no_grad():
        got = net(x, t, mask)
        temb = net.time_mlp(net.time_embedding(t))
        y = net.stem(torch.cat([x, mask], 1) if variant.mask_channel else x)
        skips = [y]
        for i in range(3):
            for _ in range(blocks):
                y = next(residual)(y, temb)
                y = attended(y) if has_attention[i] else y
                skips.append(y)
            if i < 2:
                y = next(down)(y)
                skips.append(y)
        y = attended(next(residual)(y, temb))
        y = next(residual)(y, temb)
        for i in (2, 1, 0):
            for _ in range(blocks + 1):
                y = next(residual)(torch.cat([y, skips.pop()], dim=1), temb)
                y = attended(y) if has_attention[i] else y
            if i:
                y = next(up)(y)
        y = torch.nn.functional.group_norm(y, 2, net.norm_out.weight, net.norm_out.bias, 1e-6)
        expected = net.conv_out(y * torch.sigmoid(y))
    assert not skips
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("conditional", [False, True])
def test_config_rebuilds_the_net(conditional):
    net = randomise(ThesisUNet(conditional, widths=(8, 16)))
    again = ThesisUNet.from_config(json.loads(json.dumps(net.config())))
    again.load_state_dict(net.state_dict())
    x, t = random(1, 1, 4, 2, 6), torch.tensor([9])
    mask = torch.ones_like(x, dtype=torch.bool) if conditional else None
    with torch.no_grad():
        assert torch.equal(net(x, t, mask), again(x, t, mask))


def test_the_config_of_a_variant_says_what_differs_and_no_more():
    plain = {"kind": "thesis", "conditional": True, "widths": [8, 16]}
    assert ThesisUNet(True, (8, 16)).config() == plain
    variant = Variant((True, False), 1, False, True)
    told = json.loads(json.dumps(ThesisUNet(True, (8, 16), variant).config()))
    assert told == plain | {
        "has_attention": [True, False],
        "num_res_blocks": 1,
        "use_spatial_transformer": False,
        "mask_channel": True,
    }
    assert ThesisUNet.from_config(told).variant == variant


@pytest.mark.parametrize(
    "config",
    [
        {"kind": "thesis", "conditional": False, "widths": [8, 16], "mask_channel": True},
        {"kind": "thesis", "conditional": False, "widths": [8, 16], "use_spatial_transformer": False},
        {"kind": "thesis", "conditional": True, "widths": [8, 16], "num_res_blocks": 0},
        {"kind": "thesis", "conditional": True, "widths": [8, 16], "has_attention": [True]},
        {"kind": "inpainter", "conditional": True, "widths": [8, 16]},
        {"kind": "thesis", "widths": [8, 16]},
        {"kind": "thesis", "conditional": True, "widths": [8, 16], "depth": 3},
        {"kind": "thesis", "conditional": True, "widths": [8, 12]},
        {"kind": "thesis", "conditional": True, "widths": [8]},
    ],
)
def test_strange_configs_are_refused(config):
    with pytest.raises(ValueError):
        ThesisUNet.from_config(config)


@pytest.mark.parametrize(
    ("conditional", "shape", "steps", "mask_shape"),
    [
        (False, (1, 1, 3, 4, 4), 1, None),
        (False, (1, 2, 4, 4, 4), 1, None),
        (False, (1, 4, 4, 4), 1, None),
        (False, (1, 1, 4, 4, 4), 2, None),
        (False, (1, 1, 4, 4, 4), 1, (1, 1, 4, 4, 4)),
        (True, (1, 1, 4, 4, 4), 1, None),
        (True, (1, 1, 4, 4, 4), 1, (1, 1, 8, 8, 8)),
    ],
)
def test_wrong_inputs_are_refused(conditional, shape, steps, mask_shape):
    net = ThesisUNet(conditional, widths=(8, 16))
    mask = None if mask_shape is None else torch.ones(mask_shape)
    with pytest.raises(ValueError):
        net(torch.zeros(shape), torch.zeros(steps, dtype=torch.int64), mask)
