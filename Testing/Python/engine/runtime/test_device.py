"""The device that is asked for, or one clear error."""

import pytest
import torch

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.runtime import device
from FAAnomalyLib.runtime.device import choose_device, describe, fastest_dtype


def present(monkeypatch, *names):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in names)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in names)


@pytest.mark.parametrize(("there", "chosen"), [((), "cpu"), (("mps",), "mps"), (("cuda", "mps"), "cuda")])
def test_auto_takes_the_fastest(monkeypatch, there, chosen):
    present(monkeypatch, *there)
    assert choose_device() == torch.device(chosen)
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "mps", "tpu", ""])
def test_an_absent_device_is_refused(monkeypatch, name):
    present(monkeypatch)
    with pytest.raises(FAError, match="Choose cpu") as caught:
        choose_device(name)
    assert caught.value.code == "bad-request"


@pytest.mark.parametrize(("half", "full", "chosen"), [(0.5, 1.0, torch.bfloat16), (0.9, 1.0, torch.float32)])
def test_half_precision_is_taken_where_it_pays(monkeypatch, half, full, chosen):
    fastest_dtype.cache_clear()
    seconds = {torch.bfloat16: half, torch.float32: full}
    monkeypatch.setattr(device, "_convolution_seconds", lambda dtype: seconds[dtype])
    assert fastest_dtype(torch.device("cpu")) == chosen
    fastest_dtype.cache_clear()
    assert fastest_dtype(torch.device("mps")) == torch.float32


@pytest.mark.parametrize(("capability", "chosen"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16)])
def test_graphics_cards_that_only_emulate_half_precision_do_without(monkeypatch, capability, chosen):
    def of_torch_2_2():
        return True

    fastest_dtype.cache_clear()
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", of_torch_2_2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
    assert fastest_dtype(torch.device("cuda")) == chosen
    fastest_dtype.cache_clear()


def test_the_trial_measures_both_formats():
    assert all(0.0 < device._convolution_seconds(dtype) < 60.0 for dtype in (torch.float32, torch.bfloat16))


def test_people_can_read_which_device_it_is():
    assert describe(torch.device("cpu")) == f"CPU, {torch.get_num_threads()} threads"
