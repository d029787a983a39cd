"""An interrupted run goes on where it stopped and ends with the same bits."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from FAAnomalyLib.diffusion.noise_schedule import cosine_schedule
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.inpainting.masks import plan_passes
from FAAnomalyLib.inpainting.pass_runner import inpaint_passes
from FAAnomalyLib.inpainting.sampling import Sampling
from FAAnomalyLib.io.pass_cache import PassCache
from FAAnomalyLib.networks.conditional_unet import ConditionalUNet
from support.fakes.small_inpainter import SHAPE, inpainter_of, network_calls

pytestmark = pytest.mark.slow

SAMPLING = Sampling("ddpm", 2, 1, 5)
CALLS = 3
"""Network calls of one pass: two steps and one for the variance."""


@pytest.fixture(scope="module")
def inpainter():
    from support.fakes.random_nets import randomise

    return inpainter_of(randomise(ConditionalUNet((8, 16), (1, 1)), spread=0.5), cosine_schedule())


@pytest.fixture(scope="module")
def fa() -> np.ndarray:
    return np.random.default_rng(1).random(SHAPE, dtype=np.float32)


@pytest.fixture(scope="module")
def passes():
    return plan_passes(np.ones(SHAPE, bool), 8, (2.0, 2.0, 2.0), shift_count=1)


@pytest.fixture(scope="module")
def whole(inpainter, fa, passes):
    return inpaint_passes(inpainter, fa, passes, SAMPLING)


def interrupted(inpainter, fa, passes, store: PassCache, after: int) -> None:
    """Run until pass *after* has begun its second call."""

    def stop(share: float) -> None:
        if share > (after + 0.1) / len(passes):
            raise FAError("cancelled", "Cancelled", "", "")

    with pytest.raises(FAError):
        inpaint_passes(inpainter, fa, passes, SAMPLING, stop, store)


@pytest.mark.parametrize("after", [0, 1, 4, 7])
def test_an_interrupted_run_ends_with_the_same_bits(inpainter, fa, passes, whole, tmp_path, monkeypatch, after):
    interrupted(inpainter, fa, passes, PassCache(tmp_path, "this run", resume=False), after)
    store = PassCache(tmp_path, "this run", resume=True)
    assert len(store) == after
    calls = network_calls(inpainter, monkeypatch)
    found = inpaint_passes(inpainter, fa, passes, SAMPLING, store=store)
    assert len(calls) == found.evaluations == CALLS * (len(passes) - after)
    np.testing.assert_array_equal(found.mean, whole.mean)
    np.testing.assert_array_equal(found.variance, whole.variance)
    np.testing.assert_array_equal(found.covered, whole.covered)
    assert len(store) == len(passes)


def test_a_store_changes_no_bit_of_a_run_that_is_not_interrupted(inpainter, fa, passes, whole, tmp_path):
    found = inpaint_passes(inpainter, fa, passes, SAMPLING, store=PassCache(tmp_path, "this run", resume=False))
    np.testing.assert_array_equal(found.mean, whole.mean)
    np.testing.assert_array_equal(found.variance, whole.variance)


def test_passes_of_another_run_are_not_used(inpainter, fa, passes, tmp_path):
    interrupted(inpainter, fa, passes, PassCache(tmp_path, "one run", resume=False), 3)
    assert len(PassCache(tmp_path, "another run", resume=True)) == 0
    assert len(PassCache(tmp_path, "one run", resume=True)) == 3
    # Who does not ask to resume starts afresh.
    assert len(PassCache(tmp_path, "one run", resume=False)) == 0
    assert len(PassCache(tmp_path, "one run", resume=True)) == 0


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"no numbers at all"])
def test_a_damaged_pass_is_run_again(inpainter, fa, passes, whole, tmp_path, damage):
    store = PassCache(tmp_path, "this run", resume=False)
    interrupted(inpainter, fa, passes, store, 2)
    (store.folder / "1.npy").write_bytes(damage)
    found = inpaint_passes(inpainter, fa, passes, SAMPLING, store=PassCache(tmp_path, "this run", resume=True))
    assert found.evaluations == CALLS * (len(passes) - 1)
    np.testing.assert_array_equal(found.mean, whole.mean)


def test_a_full_disk_is_one_clear_line(tmp_path, monkeypatch):
    store = PassCache(tmp_path, "this run", resume=False)
    numbers = np.zeros(5, np.float32)
    store.write(0, numbers, numbers)

    def full(handle, array):
        handle.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(FAError) as caught:
        store.write(1, numbers, numbers)
    assert "No space left" in str(caught.value) and "--resume" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [p.name for p in store.folder.iterdir()] == ["0.npy"] and len(store) == 1


def test_a_file_in_the_way_is_one_clear_line(tmp_path):
    (tmp_path / ".passes").write_text("not a folder")
    with pytest.raises(FAError) as caught:
        PassCache(tmp_path, "this run", resume=True).write(0, np.zeros(5), np.zeros(5))
    assert caught.value.code == "bad-input"


def test_removing_leaves_nothing_behind(tmp_path):
    store = PassCache(tmp_path, "this run", resume=False)
    store.write(0, np.zeros(5), np.zeros(5))
    store.remove()
    assert list(tmp_path.iterdir()) == []
