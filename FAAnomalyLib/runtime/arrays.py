"""NumPy arrays to torch tensors and back, without torch's own bridge to NumPy.

The last wheels of torch for macOS on Intel (2.2) were built for NumPy 1. Beside NumPy 2, which 3D Slicer brings along,
``torch.from_numpy`` and ``Tensor.numpy`` raise there, while all computing works. The buffer protocol and DLPack need no
bridge; every part of the engine goes through these two functions.
"""

from __future__ import annotations

import numpy as np
import torch


def as_tensor(array: np.ndarray) -> torch.Tensor:
    """The tensor of an array, with the array's axes, strides and dtype.

    Parameters
    ----------
    array
        Boolean, integer or floating, of a type that torch has; of any shape. Its memory is shared where it is writable
        and in C or Fortran order, otherwise it is copied.

    Raises
    ------
    TypeError
        For a type that torch lacks.

    Examples
    --------
    >>> as_tensor(np.array([[True, False], [True, True]])).tolist()
    [[True, False], [True, True]]
    """
    dtype = getattr(torch, array.dtype.name, None)
    if not isinstance(dtype, torch.dtype) or not array.dtype.isnative:
        raise TypeError(f"torch has no tensors of {array.dtype.str}")
    if array.size == 0:
        return torch.empty(array.shape, dtype=dtype)
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        # Keeps the strides: sums over another order of voxels differ in their last bits.
        return as_tensor(array.T).permute(*reversed(range(array.ndim)))
    if not (array.flags.c_contiguous and array.flags.writeable):
        array = array.copy(order="C")
    return torch.frombuffer(array, dtype=dtype).reshape(array.shape)


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """The array of a tensor on any device, with its axes and dtype; writable, its memory shared where possible.

    ``TypeError`` for a type that NumPy lacks, such as bfloat16.

    Examples
    --------
    >>> as_array(torch.tensor([[1.5, 2.0]])).tolist()
    [[1.5, 2.0]]
    """
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        raise TypeError("NumPy has no bfloat16")
    if tensor.dtype == torch.bool:  # which not every version of DLPack knows
        return as_array(tensor.view(torch.uint8)).view(np.bool_)
    array = np.from_dlpack(tensor)
    return array if array.flags.writeable else array.copy(order="K")
