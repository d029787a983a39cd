"""The thesis networks: counts, shapes, and every block against a plain numpy re-computation of its listing."""

import json
import math

import numpy as np
import pytest
import torch

from FAAnomalyLib.networks.attention import (
    GEGLU,
    AttentionBlock,
    BasicTransformerBlock,
    CrossAttentionBlock,
    SpatialTransformer,
)
from FAAnomalyLib.networks.blocks import (
    DownSample,
    ResidualBlock,
    TimeEmbedding,
    TimeMLP,
    UpSample,
    conv,
    group_norm,
)
from FAAnomalyLib.networks.thesis import ThesisUNet

UNCONDITIONAL, CONDITIONAL = 41_245_217, 49_223_329


def randomise(module, seed=0, spread=1.0):
    """Give every parameter a value, so that zero-initialised parts act: kernels of variance spread² / fan_in."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.ndim > 1:
                p.copy_(spread * noise / math.sqrt(p[0].numel()))
            else:
                p.copy_(0.1 * noise + float("norm" in name and name.endswith("weight")))
    return module


def random(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def arrays(module):
    return {name: p.detach().double().numpy() for name, p in module.named_parameters()}


# --- the listing's formulas in numpy; tokens are rows (N, C) ---------------------------------------------------

def tokens(x):
    return x[0].double().numpy().reshape(x.shape[1], -1).T


def close(module_output, expected_tokens, tolerance=1e-5):
    got = tokens(module_output.detach())
    assert got.shape == expected_tokens.shape
    np.testing.assert_allclose(got, expected_tokens, atol=tolerance * np.abs(expected_tokens).max())


def pointwise(a, p, name):
    weight = p[f"{name}.weight"]
    return a @ weight.reshape(len(weight), -1).T + p[f"{name}.bias"]


def np_group_norm(a, p, name, groups, epsilon):
    out = np.empty_like(a)
    size = a.shape[1] // groups
    for g in range(groups):
        part = a[:, g * size:(g + 1) * size]
        out[:, g * size:(g + 1) * size] = (part - part.mean()) / math.sqrt(part.var() + epsilon)
    return out * p[f"{name}.weight"] + p[f"{name}.bias"]


def np_attention(q, k, v):
    out = np.zeros((len(q), v.shape[1]))
    for i in range(len(q)):
        scores = [math.exp(sum(q[i, c] * k[j, c] for c in range(q.shape[1])) / math.sqrt(q.shape[1]))
                  for j in range(len(k))]
        for j in range(len(k)):
            out[i] += scores[j] / sum(scores) * v[j]
    return out


def np_self_attention(a, p, at=""):
    mixed = np_attention(*(pointwise(a, p, f"{at}{n}") for n in ("query", "key", "value")))
    return a + pointwise(mixed, p, f"{at}proj")


def np_cross_attention(a, context, p, groups, at=""):
    a = np_group_norm(a, p, f"{at}norm", groups, 1e-3)
    mixed = np_attention(pointwise(a, p, f"{at}query"), pointwise(context, p, f"{at}key"),
                         pointwise(context, p, f"{at}value"))
    return a + pointwise(mixed, p, f"{at}proj")


def np_geglu(a, p, at=""):
    both = pointwise(a, p, f"{at}proj")
    x, gate = np.split(both, 2, axis=1)
    return x * 0.5 * gate * (1 + np.tanh(0.7978845608 * gate * (1 + 0.044715 * gate**2)))


def np_transformer(a, context, p, groups, at=""):
    a = np_self_attention(a, p, f"{at}attn1.") + a
    a = np_cross_attention(a, context, p, groups, f"{at}attn2.") + a
    return pointwise(np_geglu(a, p, f"{at}geglu."), p, f"{at}dense") + a


def np_conv(x, weight, bias, stride=1):
    """TensorFlow's "same" convolution of x (C, X, Y, Z), voxel by voxel, from its published padding rule."""
    size = weight.shape[2]
    out_shape = [-(-n // stride) for n in x.shape[1:]]
    before = [max((o - 1) * stride + size - n, 0) // 2 for o, n in zip(out_shape, x.shape[1:], strict=True)]
    out = np.zeros((len(weight), *out_shape))
    for at in np.ndindex(*out_shape):
        for k in np.ndindex(size, size, size):
            source = tuple(a * stride + kk - b for a, kk, b in zip(at, k, before, strict=True))
            if all(0 <= s < n for s, n in zip(source, x.shape[1:], strict=True)):
                out[(slice(None), *at)] += weight[(slice(None), slice(None), *k)] @ x[(slice(None), *source)]
        out[(slice(None), *at)] += bias
    return out


# --- blocks ------------------------------------------------------------------------------------------------------

def test_self_attention_is_the_listings():
    block, x = randomise(AttentionBlock(4), spread=2.0), random(1, 4, 2, 3, 2)
    expected = np_self_attention(tokens(x), arrays(block))
    assert np.abs(expected - tokens(x)).max() > 0.1
    close(block(x), expected)
    assert not hasattr(block, "norm")


def test_cross_attention_adds_to_the_normed_input():
    # A small input, so that the epsilon of 1e-3 weighs.
    block, x, context = randomise(CrossAttentionBlock(8), spread=2.0), 0.05 * random(1, 8, 2, 3, 2), random(
        1, 1, 1, 2, 2)
    close(block(x, context), np_cross_attention(tokens(x), tokens(context), arrays(block), groups=2))


def test_geglu_gates_by_the_second_half_with_tanh_gelu():
    block, x = randomise(GEGLU(4, 6), spread=3.0), random(1, 4, 4, 4, 4)
    close(block(x), np_geglu(tokens(x), arrays(block)), tolerance=1e-6)


def test_transformer_block_has_the_double_residual():
    block, x, context = randomise(BasicTransformerBlock(16)), random(1, 16, 2, 1, 3), random(1, 1, 2, 1, 3)
    close(block(x, context), np_transformer(tokens(x), tokens(context), arrays(block), groups=8))


def test_spatial_transformer_averages_the_mask_and_keeps_a_shortcut():
    # A small input, so that an epsilon of 1e-5 differs from 1e-3 and 1e-6.
    block, x = randomise(SpatialTransformer(16)), 0.005 * random(1, 16, 2, 1, 3)
    mask = (random(1, 1, 8, 4, 12) > 0.5).float()
    pooled = mask.numpy().reshape(2, 4, 1, 4, 3, 4).mean(axis=(1, 3, 5)).reshape(-1, 1)
    p = arrays(block)
    inner = pointwise(np_group_norm(tokens(x), p, "norm", 8, 1e-5), p, "proj_in")
    expected = pointwise(np_transformer(inner, pooled, p, 8, "block."), p, "proj_out") + tokens(x)
    close(block(x, mask), expected)


@pytest.mark.parametrize("shape", [(4, 6, 2), (5, 4, 3)])
def test_downsample_pads_as_tensorflow(shape):
    block, x = randomise(DownSample(2)), random(1, 2, *shape)
    p = arrays(block)
    expected = np_conv(x[0].double().numpy(), p["conv.weight"], p["conv.bias"], stride=2)
    np.testing.assert_allclose(block(x)[0].detach().numpy(), expected, atol=1e-5)


def test_upsample_repeats_voxels_before_the_convolution():
    block, x = randomise(UpSample(2)), random(1, 2, 2, 3, 1)
    p = arrays(block)
    repeated = x[0].double().numpy().repeat(2, 1).repeat(2, 2).repeat(2, 3)
    np.testing.assert_allclose(block(x)[0].detach().numpy(), np_conv(repeated, p["conv.weight"], p["conv.bias"]),
                               atol=1e-5)


@pytest.mark.parametrize("in_channels", [16, 8])
def test_residual_block_is_the_listings(in_channels):
    width, shape = 16, (2, 3, 2)
    block = randomise(ResidualBlock(in_channels, width, 5))
    x, temb = 0.002 * random(1, in_channels, *shape), random(1, 5)

    def swish(a):
        return a / (1 + np.exp(-a))

    def volume(a):
        return a.T.reshape(-1, *shape)

    p = arrays(block)
    h = np_group_norm(tokens(x), p, "norm1", 8 if in_channels > 8 else 2, 1e-6)
    h = np_conv(volume(swish(h)), p["conv1.weight"], p["conv1.bias"]).reshape(width, -1).T
    h = h + pointwise(swish(temb.double().numpy()), p, "time")
    h = np_conv(volume(swish(np_group_norm(h, p, "norm2", 8, 1e-6))), p["conv2.weight"], p["conv2.bias"])
    shortcut = tokens(x) if in_channels == width else pointwise(tokens(x), p, "shortcut")
    close(block(x, temb), h.reshape(width, -1).T + shortcut)


def test_time_embedding_by_hand():
    got = TimeEmbedding(6)(torch.tensor([0, 7, 999]))
    assert got.dtype == torch.float32
    for row, t in zip(got.tolist(), (0, 7, 999), strict=True):
        angles = [t * 1.0, t * 0.01, t * 0.0001]
        expected = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        assert row == pytest.approx(expected, abs=1e-4)


def test_time_mlp_activates_only_between_its_layers():
    mlp, x = randomise(TimeMLP(4)), random(1, 4)
    p = arrays(mlp)
    hidden = pointwise(x.double().numpy(), p, "first")
    expected = pointwise(hidden / (1 + np.exp(-hidden)), p, "second")
    np.testing.assert_allclose(mlp(x).detach().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("scale", "effective"), [(1.0, 1.0), (0.0, 1e-10)])
def test_kernels_start_as_keras_variance_scaling(scale, effective):
    layer = conv(16, 32, 3, scale)
    limit = math.sqrt(3 * effective / ((27 * 16 + 27 * 32) / 2))
    assert 0.99 * limit < layer.weight.abs().max().item() <= limit * (1 + 1e-6)
    assert layer.weight.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.05)
    assert not layer.bias.any()


@pytest.mark.parametrize(("channels", "groups"), [(4, 1), (8, 2), (16, 8), (48, 8)])
def test_group_rule(channels, groups):
    norm = group_norm(channels)
    assert (norm.num_groups, norm.eps) == (groups, 1e-6)


@pytest.mark.parametrize("build", [lambda: group_norm(3), lambda: group_norm(12), lambda: TimeEmbedding(5)])
def test_impossible_blocks_are_refused(build):
    with pytest.raises(ValueError):
        build()


# --- networks ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("conditional", "count"), [(False, UNCONDITIONAL), (True, CONDITIONAL)])
def test_parameter_counts_are_the_thesis(conditional, count):
    with torch.device("meta"):
        net = ThesisUNet(conditional)
        x = torch.empty(1, 1, 128, 128, 128)
        out = net(x, torch.empty(1, dtype=torch.int64), x if conditional else None)
    assert sum(p.numel() for p in net.parameters()) == count
    assert not list(net.buffers())
    assert out.shape == x.shape


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


def test_time_and_batch_items_are_kept_apart(lively):
    x, t, mask = batch()
    with torch.no_grad():
        both = lively(x, t, mask)
        second = lively(x[1:], t[1:], mask[1:])
        later = lively(x[1:], t[:1], mask[1:])
    torch.testing.assert_close(both[1:], second, atol=1e-3 * both.std().item(), rtol=0)
    assert (later - second).abs().max() > 0.1 * second.std()


@pytest.mark.parametrize("conditional", [False, True])
def test_blocks_are_joined_as_in_listings_a14_and_a15(conditional):
    net = randomise(ThesisUNet(conditional, widths=(8, 16, 24)))
    x, t = random(1, 1, 8, 12, 16), torch.tensor([5])
    mask = (random(1, 1, 8, 12, 16, seed=3) > 0).float() if conditional else None
    has_attention = [False, True, True] if conditional else [False, False, True]

    def parts(*kinds):
        return iter([m for m in net.modules() if isinstance(m, kinds)])

    residual, down, up = parts(ResidualBlock), parts(DownSample), parts(UpSample)
    transformer, attention = parts(SpatialTransformer), parts(AttentionBlock)

    def attended(y):
        return next(transformer)(y, mask) if conditional else next(attention)(y)

    with torch.no_grad():
        got = net(x, t, mask)
        temb = net.time_mlp(net.time_embedding(t))
        y = net.stem(x)
        skips = [y]
        for i in range(3):
            for _ in range(2):
                y = next(residual)(y, temb)
                y = attended(y) if has_attention[i] else y
                skips.append(y)
            if i < 2:
                y = next(down)(y)
                skips.append(y)
        y = attended(next(residual)(y, temb))
        y = next(residual)(y, temb)
        for i in (2, 1, 0):
            for _ in range(3):
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


@pytest.mark.parametrize("config", [
    {"kind": "inpainter", "conditional": True, "widths": [8, 16]},
    {"kind": "thesis", "widths": [8, 16]},
    {"kind": "thesis", "conditional": True, "widths": [8, 16], "depth": 3},
    {"kind": "thesis", "conditional": True, "widths": [8, 12]},
    {"kind": "thesis", "conditional": True, "widths": [8]},
])
def test_strange_configs_are_refused(config):
    with pytest.raises(ValueError):
        ThesisUNet.from_config(config)


@pytest.mark.parametrize(("conditional", "shape", "steps", "mask_shape"), [
    (False, (1, 1, 3, 4, 4), 1, None),
    (False, (1, 2, 4, 4, 4), 1, None),
    (False, (1, 4, 4, 4), 1, None),
    (False, (1, 1, 4, 4, 4), 2, None),
    (False, (1, 1, 4, 4, 4), 1, (1, 1, 4, 4, 4)),
    (True, (1, 1, 4, 4, 4), 1, None),
    (True, (1, 1, 4, 4, 4), 1, (1, 1, 8, 8, 8)),
])
def test_wrong_inputs_are_refused(conditional, shape, steps, mask_shape):
    net = ThesisUNet(conditional, widths=(8, 16))
    mask = None if mask_shape is None else torch.ones(mask_shape)
    with pytest.raises(ValueError):
        net(torch.zeros(shape), torch.zeros(steps, dtype=torch.int64), mask)
