"""Arrays become tensors and come back bit by bit, also where torch has no bridge to NumPy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from FAAnomalyLib.runtime.arrays import as_array, as_tensor
from support.drivers import broken_bridge
from support.paths import ENGINE, TESTING

DTYPES = ["bool", "uint8", "int16", "int32", "int64", "float16", "float32", "float64"]


def some(dtype: str, shape=(3, 4, 5)) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=shape) * 100).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("turned", [lambda a: a, np.asfortranarray, lambda a: a[::2, ::-1], lambda a: a[:, 1]])
def test_there_and_back(dtype, turned):
    sent = turned(some(dtype))
    tensor = as_tensor(sent)
    assert str(tensor.dtype) == f"torch.{dtype}" and tensor.tolist() == sent.tolist()
    back = as_array(tensor)
    assert back.dtype == sent.dtype and np.array_equal(back, sent) and back.flags.writeable


@pytest.mark.parametrize("order", ["C", "F"])
def test_strides_are_kept_and_memory_is_shared(order):
    sent = np.array(some("float32"), order=order)
    tensor = as_tensor(sent)
    assert tuple(4 * stride for stride in tensor.stride()) == sent.strides == as_array(tensor).strides
    sent[1, 2, 3] = 7.0
    assert tensor[1, 2, 3] == 7.0 and as_array(tensor)[1, 2, 3] == 7.0


def test_what_must_not_be_written_to_is_copied():
    sent = some("float32")
    sent.flags.writeable = False
    as_tensor(sent)[:] = 0.0
    assert sent.any()


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,)])
def test_any_shape(shape):
    assert tuple(as_tensor(np.ones(shape, np.float32)).shape) == shape
    assert as_array(torch.ones(shape)).shape == shape


def test_results_of_networks():
    with torch.inference_mode():
        assert as_array(torch.ones(2)).tolist() == [1.0, 1.0]
    assert as_array(torch.ones(2, requires_grad=True)).tolist() == [1.0, 1.0]


def test_types_that_only_one_side_has():
    for array in (np.array(["a"]), np.array([None]), np.ones(2, ">f4"), np.ones(2, np.longdouble)):
        with pytest.raises(TypeError, match="torch has no tensors"):
            as_tensor(array)
    with pytest.raises(TypeError, match="bfloat16"):
        as_array(torch.ones(2, dtype=torch.bfloat16))


@pytest.mark.slow
def test_the_engine_works_where_torch_was_built_for_another_numpy():
    """The wheels of torch 2.2 for macOS on Intel, beside NumPy 2."""
    done = subprocess.run([sys.executable, broken_bridge.__file__], cwd=TESTING, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Numpy is not available" in done.stdout.splitlines()[0], "the bridge was not broken: the test is blind"
    assert done.stdout.splitlines()[1:] == ["can run: True", broken_bridge.fingerprint()]


def test_no_other_file_uses_torchs_own_bridge():
    own = ENGINE / "runtime" / "arrays.py"
    users = {
        f"{path.relative_to(ENGINE)}: {name}"
        for path in ENGINE.rglob("*.py")
        if path != own
        for name in ("from_numpy", ".numpy()", "from_dlpack", "torch.frombuffer")
        if name in path.read_text(encoding="utf-8")
    }
    assert not users
