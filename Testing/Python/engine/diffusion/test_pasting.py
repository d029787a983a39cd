"""The pasting form of samplers that know no holes."""

from __future__ import annotations

import pytest
import torch

from FAAnomalyLib.diffusion.noise_schedule import linear_schedule
from FAAnomalyLib.diffusion.registry import samplers
from FAAnomalyLib.diffusion.samplers.ddim import ddim

SHAPE = (2, 1, 4, 3, 5)


def random(seed: int) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", ["ddim", "dpm++"])
def test_outside_the_hole_the_network_sees_the_path_of_the_known_picture(name):
    """A network that knows the answer takes DDIM from its noise to the picture along alpha x0 + sigma noise."""
    schedule, known, noise = linear_schedule(), random(1).clamp(-1, 1), random(2)
    hole = random(3) > 0
    seen = []

    def denoise(x, t):
        seen.append((x, t))
        return torch.where(hole, 0.3, -5.0).to(x.dtype)  # what is answered outside the hole counts for nothing

    drawn = samplers()[name].pasting(denoise, schedule, noise, None, known=known, hole=hole, steps=6)
    torch.testing.assert_close(drawn, torch.where(hole, 0.3, known), atol=1e-6, rtol=0)
    path = []
    ddim(lambda x, t: path.append(x) or known, schedule, schedule.q_sample(known, 999, noise), steps=6)
    for (x, t), right in zip(seen, path, strict=True):
        torch.testing.assert_close(x[~hole], right[~hole])
        assert not torch.allclose(x[hole], schedule.q_sample(known, t, noise)[hole]) or t == 999


@pytest.mark.parametrize("name", ["ddim", "dpm++"])
def test_what_the_hole_hides_is_never_read(name):
    schedule, noise, hole = linear_schedule(), random(2), random(3) > 0
    known = random(1)
    other = known.where(~hole, 7.0)

    def denoise(x, t):
        return 0.4 * torch.tanh(x - x.roll(1, -1))

    fill = samplers()[name].pasting
    one, two = (fill(denoise, schedule, noise, None, known=k, hole=hole, steps=5) for k in (known, other))
    assert torch.equal(one, two)
    with pytest.raises(ValueError, match="number of steps"):
        fill(denoise, schedule, noise, None, known=known, hole=hole, steps=0)
