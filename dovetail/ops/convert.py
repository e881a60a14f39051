"""Moves between dtypes and devices: x.to(...), x.float(), x.long() and their kin.

Shape of every op here: (*) -> (*).
"""

from __future__ import annotations

import builtins

from dovetail.base import dtypes
from dovetail.base.device import require_cpu
from dovetail.ops import elementwise
from dovetail.ops.front import front
from dovetail.ops.promote import cast
from dovetail.tensor.op import op
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.typed import TYPE_NAMES, TensorType, named_type

PYTHON_TYPES = (builtins.int, builtins.float, builtins.bool, builtins.complex)  # this file has ops of these names


@op(top=False, name="to")
def converted(input, dtype):
    """`input` in another dtype: what .to(dtype), .float() and .long() record."""
    return cast(input, dtypes.as_dtype(dtype))


@front(method=True, top=False)
def to(input: Tensor, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None) -> Tensor:
    """`input` in another dtype or on another device: x.to(dtype), x.to("cpu"), x.to(device, dtype), x.to(other).

    >>> import dovetail
    >>> dovetail.ones(2).to(dovetail.int64)
    tensor([1, 1])
    """
    flags = []  # non_blocking, copy
    for a in args:
        if isinstance(a, Tensor):
            dtype = a.dtype
        elif isinstance(a, builtins.bool):
            flags.append(a)
        elif isinstance(a, dtypes.DType) or a in PYTHON_TYPES:
            dtype = a
        elif a is not None:
            device = a
    copy = flags[1] if len(flags) > 1 else copy
    if device is not None:
        require_cpu(device, "to")
    if dtype is not None and dtypes.as_dtype(dtype) is not input._meta.dtype:
        return converted(input, dtypes.as_dtype(dtype))
    return elementwise.clone(input) if copy else input


def moved(input: Tensor, dtype: dtypes.DType) -> Tensor:
    """`input` itself where it has the dtype already."""
    return input if input._meta.dtype is dtype else converted(input, dtype)


@front(method=True, top=False)
def float(input: Tensor, memory_format=None) -> Tensor:
    """`input` as float32."""
    return moved(input, dtypes.float32)


@front(method=True, top=False)
def double(input: Tensor, memory_format=None) -> Tensor:
    """`input` as float64."""
    return moved(input, dtypes.float64)


@front(method=True, top=False)
def half(input: Tensor, memory_format=None) -> Tensor:
    """`input` as float16."""
    return moved(input, dtypes.float16)


@front(method=True, top=False)
def bfloat16(input: Tensor, memory_format=None) -> Tensor:
    """`input` as bfloat16."""
    return moved(input, dtypes.bfloat16)


@front(method=True, top=False)
def int(input: Tensor, memory_format=None) -> Tensor:
    """`input` as int32."""
    return moved(input, dtypes.int32)


@front(method=True, top=False)
def long(input: Tensor, memory_format=None) -> Tensor:
    """`input` as int64."""
    return moved(input, dtypes.int64)


@front(method=True, top=False)
def short(input: Tensor, memory_format=None) -> Tensor:
    """`input` as int16."""
    return moved(input, dtypes.int16)


@front(method=True, top=False)
def char(input: Tensor, memory_format=None) -> Tensor:
    """`input` as int8."""
    return moved(input, dtypes.int8)


@front(method=True, top=False)
def byte(input: Tensor, memory_format=None) -> Tensor:
    """`input` as uint8."""
    return moved(input, dtypes.uint8)


@front(method=True, top=False)
def bool(input: Tensor, memory_format=None) -> Tensor:
    """Whether each element is not zero."""
    return moved(input, dtypes.bool_)


@front(method=True, top=False)
def cfloat(input: Tensor, memory_format=None) -> Tensor:
    """`input` as complex64."""
    return moved(input, dtypes.complex64)


@front(method=True, top=False)
def cdouble(input: Tensor, memory_format=None) -> Tensor:
    """`input` as complex128."""
    return moved(input, dtypes.complex128)


@front(method=True, top=False)
def type(input: Tensor, dtype=None, non_blocking=False):
    """`input` in another dtype; without one, the name of its type as torch spells it."""
    if dtype is None:
        return "torch." + TYPE_NAMES[input._meta.dtype.name]
    if isinstance(dtype, str) and dtype.endswith("Tensor"):
        dtype = named_type(dtype)
    if isinstance(dtype, TensorType):
        require_cpu(dtype.device, "type")
        dtype = dtype.dtype
    return moved(input, dtypes.as_dtype(dtype))


@front(method=True, top=False)
def cpu(input: Tensor, memory_format=None) -> Tensor:
    """`input` on the CPU."""
    return input


@front(method=True, top=False)
def cuda(input: Tensor, device=None, non_blocking=False, memory_format=None) -> Tensor:
    """`input` on a GPU. Raises DeviceError where there is none."""
    require_cpu("cuda" if device is None else device, "cuda")
    return input


@op(method=True, top=False, view=True, copies="unordered")
def contiguous(input, memory_format=None):
    """`input` itself where its elements lie in order in memory, else a copy: a write to it does not reach `input`.

    >>> import dovetail
    >>> x = dovetail.zeros(2, 3)
    >>> x.contiguous() is x, x.T.contiguous() is x.T
    (True, False)
    """
    return input


@front(method=True, top=False)
def pin_memory(input: Tensor, device=None) -> Tensor:
    """`input`: memory is not pinned on a CPU."""
    return input
