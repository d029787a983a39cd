"""Volumes that a thesis model draws from noise: the plain sampler, with draws kept apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.diffusion.noise_schedule import linear_schedule
from FAAnomalyLib.diffusion.samplers.ddim import ddim
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.inpainting.sampling import Sampling
from FAAnomalyLib.networks.thesis.unet import ThesisUNet, Variant
from FAAnomalyLib.synthesis.from_noise import draw_volumes
from support.drivers.public_faces import MODEL, THESIS_MODEL
from support.fakes.random_nets import randomise
from support.fakes.small_inpainter import SHAPE, inpainter_of, small_template

VARIANT = Variant((False, False, True), 1)


@pytest.fixture(scope="module")
def thesis():
    return inpainter_of(randomise(ThesisUNet(True, (8, 8, 8), VARIANT), spread=0.3), linear_schedule())


def test_a_draw_is_the_plain_samplers(thesis):
    (drawn,) = draw_volumes(thesis, small_template(), Sampling("ddim", 3, 1, 5))
    noise = torch.randn((1, 1, *SHAPE), generator=torch.Generator().manual_seed(5))
    white_matter = torch.from_numpy(small_template().priors.white_matter > 0.5).float()[None, None]
    schedule = linear_schedule()

    def denoise(x, t):
        return schedule.x0_from_eps(x, t, thesis.network(x, torch.tensor([t]), white_matter))

    expected = ddim(denoise, schedule, noise, steps=3)[0, 0].numpy() / 2 + 0.5
    assert expected.std() > 0.02
    np.testing.assert_allclose(drawn.data, np.clip(expected, 0, 1), atol=1e-4)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm++"])
def test_draws_are_kept_apart_and_repeat_with_the_seed(thesis, sampler):
    one, two = draw_volumes(thesis, small_template(), Sampling(sampler, 2, 2, 3))
    again, _ = draw_volumes(thesis, small_template(), Sampling(sampler, 2, 2, 3))
    assert one.shape == SHAPE and np.array_equal(one.data, again.data) and np.abs(one.data - two.data).max() > 0.01
    smooth, _ = draw_volumes(thesis, small_template(), Sampling(sampler, 2, 2, 3, "simplex"))
    assert np.abs(smooth.data - one.data).max() > 0.01
    with pytest.raises(FAError, match="does not fit"):
        draw_volumes(thesis, small_template(), Sampling("mean"))


@pytest.mark.slow
def test_the_command_writes_each_draw(tmp_path, capsys):
    words = ["sample", "-o", str(tmp_path), "--model", str(THESIS_MODEL), "--sampler", "ddim", "--steps", "1"]
    assert cli.main([*words, "--samples", "2", "--device", "cpu"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sample_fa_1.nii.gz", "sample_fa_2.nii.gz"]
    for wrong, told in (
        (["--samples", "2", "--plant", "0.2"], "planted in one draw"),
        (["--samples", "65"], "not from 1 to 64"),
        (["--samples", "2", "--model", str(MODEL)], "is for thesis models"),
    ):
        assert cli.main([*words, *wrong, "--device", "cpu"]) == 2
        assert told in capsys.readouterr().err
