"""The blocks of the thesis networks, each against a plain numpy re-computation of its listing."""

import math

import numpy as np
import pytest
import torch

from FAAnomalyLib.networks.thesis.attention import (
    GEGLU,
    AttentionBlock,
    BasicTransformerBlock,
    CrossAttentionBlock,
    SpatialTransformer,
)
from FAAnomalyLib.networks.thesis.blocks import (
    DownSample,
    ResidualBlock,
    TimeEmbedding,
    TimeMLP,
    UpSample,
    conv,
    group_norm,
)
from support.fakes.random_nets import random, randomise


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
        part = a[:, g * size : (g + 1) * size]
        out[:, g * size : (g + 1) * size] = (part - part.mean()) / math.sqrt(part.var() + epsilon)
    return out * p[f"{name}.weight"] + p[f"{name}.bias"]


def np_attention(q, k, v):
    out = np.zeros((len(q), v.shape[1]))
    for i in range(len(q)):
        scores = [
            math.exp(sum(q[i, c] * k[j, c] for c in range(q.shape[1])) / math.sqrt(q.shape[1])) for j in range(len(k))
        ]
        for j in range(len(k)):
            out[i] += scores[j] / sum(scores) * v[j]
    return out


def np_self_attention(a, p, at=""):
    mixed = np_attention(*(pointwise(a, p, f"{at}{n}") for n in ("query", "key", "value")))
    return a + pointwise(mixed, p, f"{at}proj")


def np_cross_attention(a, context, p, groups, at=""):
    a = np_group_norm(a, p, f"{at}norm", groups, 1e-3)
    mixed = np_attention(
        pointwise(a, p, f"{at}query"), pointwise(context, p, f"{at}key"), pointwise(context, p, f"{at}value")
    )
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
    block, x, context = (
        randomise(CrossAttentionBlock(8), spread=2.0),
        0.05 * random(1, 8, 2, 3, 2),
        random(1, 1, 1, 2, 2),
    )
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
    np.testing.assert_allclose(
        block(x)[0].detach().numpy(), np_conv(repeated, p["conv.weight"], p["conv.bias"]), atol=1e-5
    )


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
