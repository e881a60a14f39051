"""Sums, means, extremes and truth over axes (2024.12: statistical, utility and cumulative functions).

`axis` is None (all), a number or several; `keepdims=True` leaves them with size 1.
"""

# ruff: noqa: A001
from __future__ import annotations

from dovetail.array_api.operands import array, axes_of, one, result_of
from dovetail.base import dtypes
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, message
from dovetail.ops import index, reduce, shape
from dovetail.ops import sort as scans
from dovetail.tensor.tensor import Tensor

Axis = int | tuple[int, ...] | None


def total_dtype(x: Tensor, dtype: DType | None) -> DType:
    """The dtype of a sum: small integers are summed in the default ones."""
    if dtype is not None:
        return dtypes.as_dtype(dtype)
    return {"b": dtypes.int64, "i": dtypes.int64, "u": dtypes.uint64}.get(x.dtype.kind, x.dtype)


def sum(x: Tensor, /, *, axis: Axis = None, dtype: DType | None = None, keepdims: bool = False) -> Tensor:
    """The sum. Shape: (*, n, *) -> (*)"""
    x = one("sum", x, "iufc")
    x, axes = x.to(total_dtype(x, dtype)), axes_of("sum", axis, x.ndim)
    return reduce.sum(x, axes, keepdims, dtype=x.dtype) if axes else x.clone()


def prod(x: Tensor, /, *, axis: Axis = None, dtype: DType | None = None, keepdims: bool = False) -> Tensor:
    """The product. Shape: (*, n, *) -> (*)"""
    x = one("prod", x, "iufc")
    x = x.to(total_dtype(x, dtype))
    axes = axes_of("prod", axis, x.ndim)
    for d in sorted(axes, reverse=True):
        x = reduce.prod(x, d, True, dtype=x.dtype)
    return x if keepdims or not axes else dropped(x, axes)


def dropped(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return x.reshape(tuple(n for d, n in enumerate(x.shape) if d not in axes))


def mean(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean. Shape: (*, n, *) -> (*)"""
    axes = axes_of("mean", axis, one("mean", x, "fc").ndim)
    return reduce.mean(x, axes, keepdims) if axes else x.clone()


def var(x: Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The variance: squared distances from the mean, over (n - correction). Shape: (*, n, *) -> (*)"""
    axes = axes_of("var", axis, one("var", x, "f").ndim)
    return reduce.var(x, axes, keepdim=keepdims, correction=correction) if axes else x * 0.0


def std(x: Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The root of the variance. Shape: (*, n, *) -> (*)"""
    return var(one("std", x, "f"), axis=axis, correction=correction, keepdims=keepdims).sqrt()


def max(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest number; NaN where there is one. Shape: (*, n, *) -> (*)"""
    axes = axes_of("max", axis, one("max", x, "iuf").ndim)
    return reduce.amax(x, axes, keepdims) if axes else x.clone()


def min(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest number; NaN where there is one. Shape: (*, n, *) -> (*)"""
    axes = axes_of("min", axis, one("min", x, "iuf").ndim)
    return reduce.amin(x, axes, keepdims) if axes else x.clone()


def all(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether all elements are true, that is not 0. Shape: (*, n, *) -> (*)"""
    axes = axes_of("all", axis, array("all", x).ndim)
    return reduce.all(x != 0, axes, keepdims) if axes else x != 0


def any(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether any element is true, that is not 0. Shape: (*, n, *) -> (*)"""
    axes = axes_of("any", axis, array("any", x).ndim)
    return reduce.any(x != 0, axes, keepdims) if axes else x != 0


def running(call: str, scan, start: int, x: Tensor, axis, dtype, include_initial: bool) -> Tensor:
    """A running sum or product, on request with what it starts from in front."""
    x = one(call, x, "iufc")
    if axis is None:
        if x.ndim != 1:
            raise ArgumentError(message(call, "axis is needed unless the array has one dimension", [("x", x)]))
        axis = 0
    (axis,) = axes_of(call, axis, x.ndim)
    x = x.to(total_dtype(x, dtype))
    made = scan(x, axis, dtype=x.dtype)
    if not include_initial:
        return made
    size = tuple(1 if d == axis else n for d, n in enumerate(x.shape))
    return shape.cat([Tensor.from_data(start, x.dtype).expand(size), made], axis)


def cumulative_sum(
    x: Tensor, /, *, axis: int | None = None, dtype: DType | None = None, include_initial: bool = False
) -> Tensor:
    """Running sums along an axis. Shape: (*, n, *) -> (*, n, *), or n + 1 with the initial 0"""
    return running("cumulative_sum", scans.cumsum, 0, x, axis, dtype, include_initial)


def cumulative_prod(
    x: Tensor, /, *, axis: int | None = None, dtype: DType | None = None, include_initial: bool = False
) -> Tensor:
    """Running products along an axis. Shape: (*, n, *) -> (*, n, *), or n + 1 with the initial 1"""
    return running("cumulative_prod", scans.cumprod, 1, x, axis, dtype, include_initial)


def diff(
    x: Tensor, /, *, axis: int = -1, n: int = 1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighbours along an axis, n times over. Shape: (*, m, *) -> (*, m - n, *)"""
    parts = [p for p in (prepend, one("diff", x), append) if p is not None]
    dtype = result_of("diff", *parts)
    (axis,) = axes_of("diff", axis, x.ndim)
    x = shape.cat([p.to(dtype) for p in parts], axis) if len(parts) > 1 else x
    if n < 0:
        raise ArgumentError(message("diff", f"n must be 0 or more, got {n}"))
    for _ in range(n):
        size = x.shape[axis]
        if not size:
            break
        later, sooner = index.narrow(x, axis, 1, size - 1), index.narrow(x, axis, 0, size - 1)
        x = later ^ sooner if dtype.kind == "b" else later - sooner
    return x.clone() if n == 0 else x
