"""Tensors from outside data: numbers, sequences, NumPy arrays, DLPack capsules. Not recorded: the values are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.base import dtypes
from dovetail.base.device import require_cpu
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, message
from dovetail.tensor.tensor import Tensor


def tensor(
    data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A tensor with a copy of `data` (a number, nested sequences of numbers, an array, a tensor).

    Floats become the default dtype, ints int64. Raises ArgumentError for ragged sequences, DTypeError for text.

    >>> tensor([[1, 2], [3, 4]]).shape
    dovetail.Size([2, 2])
    """
    if device is not None:
        require_cpu(device, "tensor")
    t = Tensor.from_data(data, dtype)
    return t.requires_grad_() if requires_grad else t


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor that shares the memory of a NumPy array. Raises TypeError for anything else."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(
            message(
                "from_numpy",
                f"expected np.ndarray (got {type(ndarray).__name__})",
                [],
                "Use dovetail.tensor(data) for numbers and sequences",
            )
        )
    for step in ndarray.strides:
        if step < 0:
            raise ArgumentError(
                message(
                    "from_numpy",
                    "at least one stride of the array is negative, which tensors do not support",
                    [],
                    "Pass a copy: from_numpy(array.copy())",
                )
            )
    return Tensor.from_array(ndarray)


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """`data` as a tensor, sharing memory where possible."""
    if device is not None:
        require_cpu(device, "as_tensor")
    if isinstance(data, Tensor):
        return data if dtype is None or data.dtype is dtypes.as_dtype(dtype) else data.to(dtype)
    if isinstance(data, np.ndarray) and (dtype is None or dtypes.as_dtype(dtype).np == data.dtype):
        return Tensor.from_array(data)
    return Tensor.from_data(data, dtype)


def asarray(
    obj: Any, *, dtype: DType | None = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """`obj` as a tensor; copy=True always copies, copy=False never does (ArgumentError where it must)."""
    if copy:
        return tensor(obj, dtype=dtype, device=device, requires_grad=requires_grad)
    if copy is False and not isinstance(obj, (Tensor, np.ndarray)):
        raise ArgumentError(message("asarray", f"cannot make a tensor of {type(obj).__name__} without a copy"))
    t = as_tensor(obj, dtype, device)
    return t.requires_grad_() if requires_grad else t


def sizes_of(size: Sequence) -> tuple[int, ...]:
    """(2, 3) from empty(2, 3), empty((2, 3)) and empty([2, 3])."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = size[0]
    return tuple(s.__index__() for s in size)


def empty(
    *size: Any,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    out: Tensor | None = None,
    layout: Any = None,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of this shape; what is in it is whatever was in the memory."""
    if device is not None:
        require_cpu(device, "empty")
    shape = sizes_of(size)
    if any(n < 0 for n in shape):
        raise ArgumentError(message("empty", f"negative dimension in {shape}", [], "Sizes must be 0 or more"))
    t = Tensor.empty(shape, dtypes.as_dtype(dtype) if dtype is not None else dtypes.default_dtype())
    return t.requires_grad_() if requires_grad else t


def empty_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    memory_format: Any = None,
) -> Tensor:
    """An empty tensor with the shape and dtype of `input`."""
    return empty(tuple(input._meta.shape), dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def empty_strided(
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """An empty tensor with these strides (in elements)."""
    d = dtypes.as_dtype(dtype) if dtype is not None else dtypes.default_dtype()
    length = 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if all(size) else 0
    base = np.empty(length, d.np)
    t = Tensor.from_array(np.lib.stride_tricks.as_strided(base, tuple(size), tuple(s * d.itemsize for s in stride)))
    return t.requires_grad_() if requires_grad else t


def frombuffer(buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A tensor over the memory of an object with the buffer protocol."""
    t = Tensor.from_array(np.frombuffer(buffer, dtypes.as_dtype(dtype).np, count, offset))
    return t.requires_grad_() if requires_grad else t


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def new_empty(
    self: Tensor, *size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    return empty(*size, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def new_tensor(
    self: Tensor, data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    return tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


Tensor.new_empty = new_empty
Tensor.new_tensor = new_tensor
