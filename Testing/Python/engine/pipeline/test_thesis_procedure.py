"""The thesis' own detection against listings A.20 and A.22, and what its command keeps, skips and refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.diffusion import stepping
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.inpainting import volume_inpainter
from FAAnomalyLib.io.volumes import load_volume, save_volume
from FAAnomalyLib.models.checkpoints import load_model, save_model
from FAAnomalyLib.networks.thesis.unet import ThesisUNet, Variant
from FAAnomalyLib.pipeline.thesis_procedure.options import ThesisOptions
from FAAnomalyLib.pipeline.thesis_procedure.outcome import thresholded
from FAAnomalyLib.pipeline.thesis_procedure.procedure import Subject, run_thesis_procedure
from FAAnomalyLib.runtime.progress import CancelToken, Progress
from FAAnomalyLib.volume import Volume
from support.fakes.random_nets import randomise

TIMESTEPS, BETAS = 6, (0.05, 0.4)
NATIVE = np.array([[-10.0, 0, 0, 75], [0, 10, 0, -80], [0, 0, 10, -80], [0, 0, 0, 1]])
"""Voxels of the model's grid, 160 mm / 16, but from right to left."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A conditional thesis network of random weights on 16 cubed voxels and six timesteps."""
    folder = tmp_path_factory.mktemp("thesis") / "model"
    network = randomise(ThesisUNet(True, (8, 8, 8), Variant((False, False, True), 1)), spread=0.4)
    manifest = {
        "network": network.config(),
        "schedule": {
            "kind": "linear",
            "timesteps": TIMESTEPS,
            "parameters": {"beta_start": BETAS[0], "beta_end": BETAS[1], "zero_terminal_snr": False},
        },
        "grid": {"shape": [16, 16, 16], "spacing_mm": 10.0},
    }
    save_model(folder, network.state_dict(), manifest)
    return folder


@pytest.fixture(scope="module")
def brain():
    """FA of a ball with speckle about 0.2, 0 outside, on the model's own voxels."""
    x = np.indices((16, 16, 16))
    inside = ((x - 7.5) ** 2).sum(axis=0) < 50
    fa = np.where(inside, np.random.default_rng(0).uniform(0.02, 0.6, inside.shape), 0.0).astype(np.float32)
    return Volume(fa, NATIVE)


def run(model, brain, output, progress=None, **options):
    output.mkdir(exist_ok=True)
    chosen = ThesisOptions(**{"mask_size": 32, "centre": "array", **options})
    stages = {"reading": 1.0, "loading the model": 1.0, "filling cubes": 1.0, "assembling": 1.0}
    return run_thesis_procedure(
        Subject("ann", brain), str(model), "cpu", chosen, output, progress or Progress(stages=stages)
    )


def listing_a20(network, image, mask, condition, draws):
    """Listings A.3 to A.7 and A.20, word by word, in double precision where the listing has float32."""
    betas = np.linspace(*BETAS, TIMESTEPS, dtype=np.float64)
    alphas = 1.0 - betas
    cumprod = np.cumprod(alphas)
    previous = np.append(1.0, cumprod[:-1])
    samples = next(draws)
    for step in reversed(range(TIMESTEPS)):
        with torch.no_grad():
            pred_noise = network(samples.float(), torch.tensor([step]), condition)
        weighted_gt = cumprod[step] ** 0.5 * image + (1 - cumprod[step]) ** 0.5 * next(draws)
        samples = mask * samples + (1 - mask) * weighted_gt
        x_recon = (1 / cumprod[step]) ** 0.5 * samples - (1 / cumprod[step] - 1) ** 0.5 * pred_noise
        x_recon = x_recon.clamp(-1.0, 1.0)
        mean = betas[step] * previous[step] ** 0.5 / (1 - cumprod[step]) * x_recon
        mean = mean + (1 - previous[step]) * alphas[step] ** 0.5 / (1 - cumprod[step]) * samples
        if step:
            variance = betas[step] * (1 - previous[step]) / (1 - cumprod[step])
            samples = mean + variance**0.5 * next(draws)
        else:
            samples = mean
    return samples


@pytest.fixture
def numbered_noise(monkeypatch):
    """Noise number n is the same for the sampler and for the listing, whatever generator is asked."""
    given = []

    def draw(number):
        return torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(number))

    def draw_like(x, generator):
        given.append(len(given))
        return draw(given[-1])

    monkeypatch.setattr(stepping, "draw_like", draw_like)
    monkeypatch.setattr(volume_inpainter, "draw_like", draw_like)
    return lambda: (draw(number) for number in range(10**6))


@pytest.mark.parametrize("mask_type", ["cubic", "wm"])
def test_a_cube_is_filled_as_the_listings_fill_it(model, brain, tmp_path, numbered_noise, mask_type):
    cube = (4, 8, 4)
    outcome = run(model, brain, tmp_path, cube=cube, mask_type=mask_type)
    fa = brain.data[::-1]  # right to left, turned
    x = torch.from_numpy(2 * fa.copy() - 1)[None, None]
    x_cond = torch.from_numpy(fa > 0.2)[None, None]
    cubemask = torch.zeros_like(x_cond)
    cubemask[..., 4:8, 8:12, 4:8] = True
    famask = cubemask & x_cond if mask_type == "wm" else cubemask
    masked = (x - x * famask).double()
    expected = listing_a20(load_model(model).network, masked, famask.double(), x_cond.float(), numbered_noise())
    drawn = np.load(tmp_path / "cubes" / "ann_4_8_4.npy")
    assert drawn.dtype == np.float32 and drawn.shape == (1, int(famask.sum())) and drawn.std() > 0.05
    np.testing.assert_allclose(drawn[0], (expected[famask].numpy() + 1) / 2, atol=2e-5)
    hole = famask[0, 0].numpy()[::-1]
    assert np.array_equal(outcome.generated.data, hole.astype(np.uint8))
    assert np.array_equal(outcome.pseudo_healthy.data[~hole], brain.data[~hole])
    filled = np.clip(drawn[0], 0, 1)
    assert np.array_equal(outcome.pseudo_healthy.data[::-1][hole[::-1]], filled)
    np.testing.assert_array_equal(outcome.difference.data, brain.data - outcome.pseudo_healthy.data)
    assert np.array_equal(outcome.absolute_difference.data, np.abs(outcome.difference.data))
    assert outcome.pseudo_healthy.same_geometry(brain)


@pytest.mark.slow
def test_finished_cubes_are_found_and_other_runs_are_not_mixed(model, brain, tmp_path, monkeypatch):
    first = run(model, brain, tmp_path, steps=2)
    cubes = sorted((tmp_path / "cubes").glob("ann_*.npy"))
    assert len(cubes) == first.provenance["cubes"]["filled"] == first.provenance["cubes"]["all"] > 6
    cubes[0].unlink()
    cubes[1].write_bytes(b"half")
    calls = []
    forward = ThesisUNet.forward
    monkeypatch.setattr(ThesisUNet, "forward", lambda *a: calls.append(1) or forward(*a))
    again = run(model, brain, tmp_path, steps=2, threshold=0.1)
    assert len(calls) == 2 * 2 and again.provenance["cubes"]["found_finished"] == len(cubes) - 2
    np.testing.assert_array_equal(again.pseudo_healthy.data, first.pseudo_healthy.data)
    for other, word in (({"seed": 1}, "seed"), ({"mask_type": "wm"}, "mask_type"), ({"sampler": "ddpm"}, "sampler")):
        with pytest.raises(FAError, match=f"cubes of another run: its {word} differ"):
            run(model, brain, tmp_path, **{"steps": 2, **other})
    with pytest.raises(FAError, match="its scan differ"):
        run(model, brain.with_data(brain.data * np.float32(0.9)), tmp_path, steps=2)


@pytest.mark.slow
def test_every_cube_has_draws_of_its_own_whatever_came_before(model, brain, tmp_path):
    whole = run(model, brain, tmp_path / "whole", steps=2, samples=2)
    run(model, brain, tmp_path / "one", steps=2, samples=2, cube=(8, 4, 4))
    alone, among = (np.load(tmp_path / name / "cubes" / "ann_8_4_4.npy") for name in ("one", "whole"))
    assert np.array_equal(alone, among) and not np.allclose(alone[0], alone[1])
    assert not np.allclose(among, np.load(tmp_path / "whole" / "cubes" / "ann_4_8_4.npy"))
    # The draws are kept apart; the pseudo-healthy map is their mean.
    one, two = (draw.data for draw in whole.draws)
    np.testing.assert_allclose((one + two) / 2, whole.pseudo_healthy.data, atol=1e-6)
    assert np.abs(one - two).max() > 0.01


def test_the_threshold_is_absolute_or_signed():
    difference = np.array([0.3, -0.3, 0.1, 0.3], np.float32)
    generated = np.array([True, True, True, False])
    found = {signs: thresholded(difference, generated, 0.2, signs).tolist() for signs in ("increased", "decreased")}
    assert found == {"increased": [1, 0, 0, 0], "decreased": [0, 2, 0, 0]}


def test_cancelling_keeps_finished_cubes(model, brain, tmp_path):
    token = CancelToken()

    def report(fraction, stage, eta):
        if len(list(tmp_path.glob("cubes/ann_*.npy"))) == 2:
            token.cancel()

    stages = {"reading": 1.0, "loading the model": 1.0, "filling cubes": 1.0, "assembling": 1.0}
    with pytest.raises(FAError, match=r"2 of \d+ cubes are kept in .*same command again"):
        run(model, brain, tmp_path, Progress(report, token, stages), steps=2)


def test_the_command_writes_its_files_and_says_what_it_did(model, tmp_path, capsys):
    """A map of 4 mm, which is resampled by its voxel size, on a grid that the model was not trained on."""
    x = np.indices((36, 40, 36))
    inside = ((x - np.array([17.5, 19.5, 17.5])[:, None, None, None]) ** 2).sum(axis=0) < 240
    fa = np.where(inside, 0.3 + 0.2 * np.sin(x[0] / 3.0), 0.0).astype(np.float32)
    save_volume(Volume(fa, np.diag([4.0, 4.0, 4.0, 1.0])), tmp_path / "bob_FA.nii.gz")
    out = tmp_path / "out"
    words = ["detect", tmp_path / "bob_FA.nii.gz", "-o", out, "--model", model, "--procedure", "thesis", "--steps", "1"]
    words += ["--grid", "8", "--mask-size", "32", "--mask-type", "wm", "--threshold", "0.05", "--device", "cpu"]
    words += ["--order", "corrected", "--noise", "simplex", "--signs", "decreased"]
    assert cli.main([*map(str, words)]) == 0
    printed = capsys.readouterr()
    assert "resampled to 20 mm" in printed.out and "trained on a grid of 16" in printed.out
    names = {"pseudo_healthy", "difference", "absolute_difference", "generated", "segmentation"}
    assert {path.name for path in out.iterdir()} == {f"{name}.nii.gz" for name in names} | {"cubes", "result.json"}
    told = json.loads((out / "result.json").read_text())
    assert told["options"]["sampler"] == "ddpm" and told["options"]["noise"] == "simplex" and told["dtype"] == "float32"
    volumes = {name: load_volume(out / f"{name}.nii.gz")[0] for name in names}
    generated = volumes["generated"].data > 0
    assert generated.any() and all(volume.shape == fa.shape for volume in volumes.values())
    assert np.array_equal(volumes["pseudo_healthy"].data[~generated], fa[~generated])
    assert set(np.unique(volumes["segmentation"].data)) <= {0, 2}
    assert cli.main([*map(str, words), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cubes"]["filled"] == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--model", "default"], "network of the kind inpainter"),
        (["--grid", "9"], "takes multiples of 4"),
        (["--grid", "12"], "Cubes of 16 do not fit a grid of 12: they would be 1.5 voxels"),
        (["--grid", "16", "--mask-size", "4"], "would be 0.5 voxels"),
        (["--threshold", "2.5"], "not a change of FA"),
        (["--threshold", "sensitive"], "has no calibration"),
        (["--region", "nowhere.nii.gz"], "--region is not for"),
        (["--sampler", "ddim", "--steps", "0", "--samples", "65"], "samples 65"),
        (["--procedure", "fast", "--grid", "64"], "--grid belong to --procedure thesis"),
    ],
)
def test_requests_that_cannot_run_are_refused(model, tmp_path, capsys, more, words):
    x = np.indices((36, 40, 36)) - 18.0
    fa = np.where((x**2).sum(axis=0) < 200, 0.3 + 0.02 * np.sin(x[0]), 0.0).astype(np.float32)
    save_volume(Volume(fa, np.diag([4.0, 4.0, 4.0, 1.0])), tmp_path / "ann_FA.nii.gz")
    command = ["detect", tmp_path / "ann_FA.nii.gz", "-o", tmp_path / "out", "--model", model, "--procedure", "thesis"]
    assert cli.main([*map(str, command), "--device", "cpu", *more]) in (2, 5)
    error = capsys.readouterr().err.splitlines()[-1]
    assert words in error and not (tmp_path / "out").exists()
