"""Arrays from numbers, shapes and other arrays (2024.12, "Creation Functions")."""

from __future__ import annotations

from typing import Any

from dovetail.array_api.operands import array, fits, on_cpu
from dovetail.base import dtypes
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, message
from dovetail.ops import create, shape
from dovetail.tensor import create as outside
from dovetail.tensor import dlpack
from dovetail.tensor.tensor import Tensor


def sizes(given) -> tuple[int, ...]:
    """A shape from an int or a sequence."""
    return tuple(given) if isinstance(given, (tuple, list)) else (given.__index__(),)


def asarray(obj: Any, /, *, dtype: DType | None = None, device=None, copy: bool | None = None) -> Tensor:
    """`obj` (array, number, nested sequence, buffer) as an array.

    copy=True always copies, copy=False never does and raises ValueError where it must.

    >>> asarray([1, 2]).dtype
    dovetail.int64
    """
    on_cpu(device, "asarray")
    want = None if dtype is None else dtypes.as_dtype(dtype)
    if isinstance(obj, Tensor):
        if want is None or obj.dtype is want:
            return obj.clone() if copy else obj
        if copy is False:
            raise ArgumentError(message("asarray", f"{obj.dtype} cannot become {want} without a copy", [("obj", obj)]))
        return obj.to(want)
    if isinstance(obj, int) and not isinstance(obj, bool):
        fits(obj, want if want is not None and want.kind in "iu" else dtypes.int64 if obj < 1 << 63 else dtypes.uint64)
    if hasattr(obj, "__dlpack__") and not hasattr(obj, "__array__"):
        made = dlpack.from_dlpack(obj)
        return asarray(made, dtype=want, copy=copy)
    return outside.asarray(obj, dtype=want, copy=copy)


def from_dlpack(x: Any, /, *, device=None, copy: bool | None = None) -> Tensor:
    """An array over the memory of another library's array.

    >>> import numpy
    >>> from_dlpack(numpy.arange(2))
    tensor([0, 1])
    """
    on_cpu(device, "from_dlpack")
    return dlpack.from_dlpack(x, copy=copy)


def arange(start, /, stop=None, step=1, *, dtype: DType | None = None, device=None) -> Tensor:
    """Evenly spaced numbers in [start, stop); `arange(stop)` begins at 0.

    >>> arange(1, 7, 2)
    tensor([1, 3, 5])
    """
    on_cpu(device, "arange")
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ArgumentError(message("arange", "step must not be 0"))
    if (step > 0 and stop <= start) or (step < 0 and stop >= start):
        if dtype is None:
            whole = all(isinstance(n, int) for n in (start, stop, step))
            dtype = dtypes.int64 if whole else dtypes.default_dtype()
        return create.zeros(0, dtype=dtype)
    return create.arange(start, stop, step, dtype=dtype)


def empty(shape, *, dtype: DType | None = None, device=None) -> Tensor:
    """An array whose content is whatever was in the memory.

    >>> tuple(empty((2, 3)).shape)
    (2, 3)
    """
    on_cpu(device, "empty")
    return outside.empty(sizes(shape), dtype=dtype)


def empty_like(x: Tensor, /, *, dtype: DType | None = None, device=None) -> Tensor:
    """An uninitialised array of `x`'s shape.

    >>> tuple(empty_like(ones((2, 3))).shape)
    (2, 3)
    """
    on_cpu(device, "empty_like")
    return outside.empty_like(array("empty_like", x), dtype=dtype)


def zeros(shape, *, dtype: DType | None = None, device=None) -> Tensor:
    """Zeros.

    >>> zeros(2)
    tensor([0., 0.])
    """
    on_cpu(device, "zeros")
    return create.zeros(sizes(shape), dtype=dtype)


def zeros_like(x: Tensor, /, *, dtype: DType | None = None, device=None) -> Tensor:
    """Zeros of `x`'s shape.

    >>> zeros_like(ones(2))
    tensor([0., 0.])
    """
    on_cpu(device, "zeros_like")
    return create.zeros_like(array("zeros_like", x), dtype=dtype)


def ones(shape, *, dtype: DType | None = None, device=None) -> Tensor:
    """Ones.

    >>> ones(2)
    tensor([1., 1.])
    """
    on_cpu(device, "ones")
    return create.ones(sizes(shape), dtype=dtype)


def ones_like(x: Tensor, /, *, dtype: DType | None = None, device=None) -> Tensor:
    """Ones of `x`'s shape.

    >>> ones_like(zeros(2))
    tensor([1., 1.])
    """
    on_cpu(device, "ones_like")
    return create.ones_like(array("ones_like", x), dtype=dtype)


def full(shape, fill_value, *, dtype: DType | None = None, device=None) -> Tensor:
    """One number everywhere.

    >>> full(2, 7)
    tensor([7, 7])
    """
    on_cpu(device, "full")
    if isinstance(fill_value, Tensor):
        return shape_of_one(fill_value, sizes(shape), dtype)
    return create.full(sizes(shape), fill_value, dtype=dtype)


def full_like(x: Tensor, /, fill_value, *, dtype: DType | None = None, device=None) -> Tensor:
    """One number in `x`'s shape.

    >>> full_like(zeros(2), 7)
    tensor([7., 7.])
    """
    dtype = array("full_like", x).dtype if dtype is None else dtype
    return full(tuple(x.shape), fill_value, dtype=dtype, device=device)


def shape_of_one(x: Tensor, size: tuple, dtype: DType | None) -> Tensor:
    """A 0-d array spread over a shape."""
    return shape.expand(x if dtype is None else x.to(dtype), size).clone()


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: DType | None = None, device=None) -> Tensor:
    """Ones on the k-th diagonal, zeros elsewhere.

    >>> eye(2, k=1)
    tensor([[0., 1.],
            [0., 0.]])
    """
    on_cpu(device, "eye")
    columns = n_rows if n_cols is None else n_cols
    dtype = dtypes.default_dtype() if dtype is None else dtype
    rows = create.arange(n_rows).reshape(n_rows, 1)
    return (create.arange(columns) - rows == k).to(dtype)


def linspace(start, stop, /, num: int, *, dtype: DType | None = None, device=None, endpoint: bool = True) -> Tensor:
    """`num` evenly spaced numbers from start to stop, which `endpoint=False` leaves out.

    >>> linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    on_cpu(device, "linspace")
    if dtype is None:
        real = dtypes.default_dtype()
        dtype = real.to_complex() if isinstance(start, complex) or isinstance(stop, complex) else real
    if not endpoint:
        return linspace(start, stop, num + 1, dtype=dtype)[:num]
    if dtype.kind == "c":
        span = create.linspace(0.0, 1.0, num, dtype=dtypes.float64)
        return ((stop - start) * span.to(dtypes.complex128) + start).to(dtype)
    return create.linspace(start, stop, num, dtype=dtype)


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Coordinate arrays of a grid.

    >>> [tuple(x.shape) for x in meshgrid(ones(2), ones(3))]
    [(3, 2), (3, 2)]
    """
    kinds = {array("meshgrid", x).dtype for x in arrays}
    if len(kinds) > 1:
        raise ArgumentError(message("meshgrid", "all arrays must have one dtype", [("dtypes", kinds)]))
    return tuple(shape.meshgrid(*arrays, indexing=indexing)) if arrays else ()


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The part of matrices on and below the k-th diagonal.

    >>> tril(ones((2, 2)))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return shape.tril(array("tril", x), k)


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The part of matrices on and above the k-th diagonal.

    >>> triu(ones((2, 2)))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return shape.triu(array("triu", x), k)
