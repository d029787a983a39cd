"""Networks of the comparators against their papers' formulas, NumPy and diffusers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from FAAnomalyLib.networks.comparators.autoencoder2d import SliceCritic, SliceDecoder, SliceEncoder, smallest
from FAAnomalyLib.networks.comparators.unet2d import Attention, NoisyClassifier2D, UNet2D, timestep_features
from FAAnomalyLib.networks.comparators.vector_quantiser import VectorQuantiser, VqVae


def test_timesteps_are_told_as_diffusers_tells_them():
    from diffusers.models.embeddings import get_timestep_embedding

    t = torch.tensor([0, 1, 17, 999])
    ours, theirs = timestep_features(t, 32), get_timestep_embedding(t, 32, downscale_freq_shift=1.0)
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=0)


def test_the_unet_starts_at_0_and_learns_to_heed_the_timestep():
    torch.manual_seed(0)
    unet, x = UNet2D(1, 2, (8, 16), 2), torch.randn(2, 1, 12, 16)
    assert unet(x, torch.tensor([0, 500])).abs().max() == 0 and unet(x, torch.tensor([0, 500])).shape == (2, 2, 12, 16)
    for parameter in unet.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    once, later = (unet(x[:1], torch.tensor([t])) for t in (0, 500))
    assert (once - later).abs().max() > 1e-2
    together = unet(x, torch.tensor([0, 500]))
    torch.testing.assert_close(together[:1], once, atol=1e-4, rtol=1e-4), "slices do not see each other"


def test_attention_reaches_every_place():
    torch.manual_seed(0)
    layer = Attention(8)
    torch.nn.init.normal_(layer.last.weight)
    x = torch.randn(1, 8, 6, 6, requires_grad=True)
    layer(x)[0, :, 0, 0].sum().backward()
    assert (x.grad[0].abs().sum(0) > 0).all()


def test_a_classifier_learns_what_is_in_a_slice():
    torch.manual_seed(0)
    classifier = NoisyClassifier2D(1, 2, (8, 8))
    x, labels = torch.randn(16, 1, 16, 16), torch.arange(16) % 2
    x[labels == 1, :, 4:10, 4:10] += 3.0
    optimiser = torch.optim.Adam(classifier.parameters(), 1e-2)
    for _ in range(20):
        optimiser.zero_grad()
        functional.cross_entropy(classifier(x, torch.zeros(16, dtype=torch.long)), labels).backward()
        optimiser.step()
    assert (classifier(x, torch.zeros(16, dtype=torch.long)).argmax(1) == labels).all()


def test_encoder_decoder_and_critic_fit_the_slices():
    x = torch.randn(3, 1, 32, 48)
    code = SliceEncoder((32, 48), (4, 8, 8), 10)(x)
    assert code.shape == (3, 10) and SliceDecoder((32, 48), (4, 8, 8), 10)(code).shape == x.shape
    critic = SliceCritic((32, 48), (4, 8))
    assert critic(x).shape == (3,) and critic.features(x).shape == (3, 8 * 8 * 12)
    with pytest.raises(ValueError, match="cannot be halved 3 times"):
        smallest((36, 48), 3)


def test_a_critic_judges_every_slice_by_itself():
    """Gulrajani et al. 2017, section 4: the penalty is on each input's own gradient."""
    critic, x = SliceCritic((16, 16), (4, 8)), torch.randn(4, 1, 16, 16, requires_grad=True)
    critic(x)[0].backward()
    assert x.grad[0].abs().max() > 0 and x.grad[1:].abs().max() == 0


@pytest.fixture
def quantised():
    torch.manual_seed(1)
    z = torch.randn(2, 3, 4, 5, requires_grad=True)
    return VectorQuantiser(7, 3, beta=0.25, decay=None), z


def test_every_vector_gets_the_nearest_code(quantised):
    quantiser, z = quantised
    out = quantiser(z)
    vectors, codes = z.detach().movedim(1, -1).reshape(-1, 3).numpy(), quantiser.codes.detach().numpy()
    expected = ((vectors[:, None] - codes[None]) ** 2).sum(2).argmin(1)
    assert np.array_equal(out.indices.flatten().numpy(), expected)
    assert np.allclose(out.values.detach().movedim(1, -1).reshape(-1, 3).numpy(), codes[expected], atol=1e-6)


def test_the_gradient_passes_straight_through(quantised):
    quantiser, z = quantised
    weight = torch.randn(z.shape)
    (quantiser(z).values * weight).sum().backward()
    torch.testing.assert_close(z.grad, weight)
    assert quantiser.codes.grad is None, "the reconstruction does not move the codes"


def test_codebook_and_commitment_losses_pull_at_codes_and_vectors(quantised):
    """van den Oord et al. 2017, eq. 3, second and third term, with their stopped gradients, by hand."""
    quantiser, z = quantised
    out = quantiser(z)
    out.loss.backward()
    vectors, codes = z.detach().movedim(1, -1).reshape(-1, 3), quantiser.codes.detach()
    index, count = out.indices.flatten(), z.numel()
    difference = codes[index] - vectors
    assert out.loss.item() == pytest.approx(1.25 * (difference**2).mean().item(), rel=1e-5)
    of_codes = torch.zeros_like(codes).index_add_(0, index, 2.0 * difference / count)
    torch.testing.assert_close(quantiser.codes.grad, of_codes)
    torch.testing.assert_close(z.grad.movedim(1, -1).reshape(-1, 3), -0.25 * 2.0 * difference / count)


def test_codes_follow_the_moving_mean_of_their_vectors():
    """van den Oord et al. 2017, eq. 6 to 8, in NumPy; and no step outside training."""
    torch.manual_seed(2)
    quantiser, z = VectorQuantiser(4, 2, decay=0.9), torch.randn(1, 2, 8, 8)
    vectors, codes = z.movedim(1, -1).reshape(-1, 2).numpy(), quantiser.codes.detach().numpy().copy()
    counts, sums = np.ones(4), codes.copy()
    for _ in range(3):
        index = ((vectors[:, None] - codes[None]) ** 2).sum(2).argmin(1)
        counts = 0.9 * counts + 0.1 * np.bincount(index, minlength=4)
        sums = 0.9 * sums + 0.1 * np.stack([vectors[index == k].sum(0) for k in range(4)])
        codes = sums / counts[:, None]
        assert quantiser(z).loss.item() >= 0
    assert np.allclose(quantiser.codes.numpy(), codes, rtol=1e-3, atol=1e-4)
    before = quantiser.eval().codes.clone()
    quantiser(z)
    assert torch.equal(quantiser.codes, before) and not quantiser.codes.requires_grad


def test_a_vq_vae_learns_a_picture():
    torch.manual_seed(0)
    network, x = VqVae((8, 8), 16, 4), torch.randn(1, 1, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 5e-3)
    errors = []
    for _ in range(40):
        again, quantised = network(x)
        errors.append(functional.mse_loss(again, x).item())
        optimiser.zero_grad()
        (functional.mse_loss(again, x) + quantised.loss).backward()
        optimiser.step()
    assert again.shape == x.shape and quantised.indices.shape == (1, 4, 4)
    assert errors[-1] < 0.5 * errors[0]
