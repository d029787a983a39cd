"""Inpainting at inference alone: what the network sees and what is generated."""

from __future__ import annotations

import pytest
import torch

from FAAnomalyLib.evaluation.experiments.t2_tables import PRINTED_ROWS
from FAAnomalyLib.evaluation.methods.inference_inpainting import GAUSSIAN, SIMPLEX, TINY, judge
from FAAnomalyLib.evaluation.methods.registry import method_by_option
from FAAnomalyLib.evaluation.slicewise.slice_diffusion import schedule_of


@pytest.mark.parametrize("method", [SIMPLEX, GAUSSIAN])
def test_every_pixel_is_generated_from_a_context_at_the_noise_level_of_the_step(method):
    recipe = method.recipes["tiny"]
    schedule, seen = schedule_of(recipe), []
    pictures = torch.full((3, 1, 16, 16), 0.5)

    def network(x, t):
        seen.append((int(t[0]), x.clone()))
        return torch.full_like(x, -0.25)

    judged = judge(network, recipe, pictures, pictures > 0, torch.Generator().manual_seed(0))
    assert torch.equal(judged.expected, torch.full_like(pictures, -0.25)), "nothing of the input is copied"
    assert len(seen) == 4 * recipe.levels == method.evaluations(recipe)
    for run in range(4):
        for number in range(1, recipe.levels):
            t, x = seen[run * recipe.levels + number]
            x_axis, y_axis = divmod(run, 2)
            outside = torch.ones(16, 16, dtype=torch.bool)
            outside[8 * x_axis : 8 * x_axis + 8, 8 * y_axis : 8 * y_axis + 8] = False
            signal = float(schedule.q_sample(pictures[:1], t, torch.zeros_like(pictures[:1])).mean())
            spread = float(schedule.q_sample(torch.zeros(1), t, torch.ones(1)))
            context = x[:, 0][:, outside]
            assert abs(float(context.mean()) - signal) < 0.6 * spread, (run, t)
            assert 0.3 * spread < float(context.std()) < 2.0 * spread, (run, t)


def test_the_thesis_rows_find_their_methods():
    for row in PRINTED_ROWS:
        assert any(method_by_option(option) for option in row.methods[:1]), row.label
    assert TINY.levels < 10
