"""Order: sort, topk, median, running extremes and quantiles. Indices come first, values follow by gather."""

from __future__ import annotations

import builtins

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, DimError, DTypeError, message
from dovetail.ir.core import Value
from dovetail.ops import return_types
from dovetail.ops.checks import require_in_range
from dovetail.ops.dims import numel, one_dim, with_ones
from dovetail.ops.promote import cast, constant, expanded, filled, literal, need_float, refuse_complex
from dovetail.ops.reduce import need_elements, picked
from dovetail.ops.shape import at_least, moved, reshaped, section
from dovetail.tensor.op import op


def ordered(x: Value, dim: int, descending: bool = False) -> tuple[Value, Value]:
    """(values, indices) along `dim`, ties in their old order."""
    order = p.argsort(x, dim=dim, descending=descending, stable=True)
    return p.gather(x, order, dim=dim), order


@op(method=True)
def sort(input, dim=-1, descending=False, stable=False):
    """(values, indices) in order along `dim`; NaN counts as the largest."""
    refuse_complex("sort", input)
    at = one_dim("sort", dim, input.ndim, input)
    if not input.shape:
        return return_types.sort(p.identity(input), constant(0, (), dtypes.int64))
    return return_types.sort(*ordered(input, at, bool(descending)))


@op(method=True, differentiable=False)
def argsort(input, dim=-1, descending=False, stable=False):
    """The indices that put `input` in order along `dim`."""
    refuse_complex("argsort", input)
    at = one_dim("argsort", dim, input.ndim, input)
    if not input.shape:
        return constant(0, (), dtypes.int64)
    return p.argsort(input, dim=at, descending=bool(descending), stable=True)


@op(method=True)
def msort(input):
    """Values in order along dim 0."""
    return ordered(input, 0)[0] if input.shape else p.identity(input)


@op(method=True)
def topk(input, k, dim=-1, largest=True, sorted=True):
    """The k largest (or smallest) elements along `dim` as (values, indices), in order."""
    refuse_complex("topk", input)
    at = one_dim("topk", dim, input.ndim, input)
    n = input.shape[at] if input.shape else 1
    if not 0 <= k <= n:
        problem = f"selected index k out of range: k is {k}, dim {dim} has {n} elements"
        raise ArgumentError(message("topk", problem, [("input", input)]))
    x = at_least(input, 1)
    order = section(p.argsort(x, dim=at, descending=bool(largest), stable=True), at, 0, k)
    shape = input.shape[:at] + (k,) + input.shape[at + 1 :] if input.shape else ()
    if not input.shape and k == 0:
        shape = (0,)
    return return_types.topk(reshaped(p.gather(x, order, dim=at), shape), reshaped(order, shape))


@op(method=True)
def kthvalue(input, k, dim=-1, keepdim=False):
    """The k-th smallest element along `dim` as (values, indices)."""
    refuse_complex("kthvalue", input)
    at = one_dim("kthvalue", dim, input.ndim, input)
    n = input.shape[at] if input.shape else 1
    if not 1 <= k <= n:
        if n == 0:
            raise DimError(
                message("kthvalue", f"Expected reduction dim {at} to have non-zero size", [("input", input)])
            )
        problem = f"selected number k out of range for dimension {at}: k is {k}, there are {n} elements"
        raise ArgumentError(message("kthvalue", problem, [("input", input)]))
    if not input.shape:
        return return_types.kthvalue(p.identity(input), constant(0, (), dtypes.int64))
    return return_types.kthvalue(*nth(input, k - 1, at, keepdim))


def nth(x: Value, n: int, dim: int, keepdim: bool) -> tuple[Value, Value]:
    """(value, index) of place n in the order along `dim`."""
    order = p.argsort(x, dim=dim, descending=False, stable=True)
    place = section(order, dim, n, n + 1)
    index = p.reshape(place, shape=x.shape[:dim] + x.shape[dim + 1 :])
    return picked(x, index, dim, keepdim)


@op(method=True)
def median(input, dim=None, keepdim=False):
    """The middle element (the lower of two); with `dim`, (values, indices). NaN if one is NaN."""
    return median_of("median", return_types.median, input, dim, keepdim, skip=False)


@op(method=True)
def nanmedian(input, dim=None, keepdim=False):
    """The middle of the elements that are numbers; with `dim`, (values, indices)."""
    return median_of("nanmedian", return_types.nanmedian, input, dim, keepdim, skip=True)


def median_of(call: str, result, x: Value, dim, keepdim: bool, skip: bool):
    refuse_complex(call, x)
    if dim is None:
        flat = p.reshape(x, shape=(numel(x.shape),))
        if not numel(x.shape):
            return constant(float("nan") if x.dtype.kind == "f" else -(1 << 63), (), x.dtype)
        return middle(flat, 0, False, skip)[0]
    at = one_dim(call, dim, x.ndim, x)
    if not x.shape:
        return result(p.identity(x), constant(0, (), dtypes.int64))
    need_elements(call, x, (at,))
    return result(*middle(x, at, keepdim, skip))


def middle(x: Value, dim: int, keepdim: bool, skip: bool) -> tuple[Value, Value]:
    """NaN sorts last, so the place is counted among the numbers; without `skip` the first NaN is the answer."""
    n = x.shape[dim]
    if x.dtype.kind != "f":
        return nth(x, (n - 1) // 2, dim, keepdim)
    order = p.argsort(x, dim=dim, descending=False, stable=True)
    numbers = p.reduce_sum(cast(p.logical_not(p.is_nan(x)), dtypes.int64), dims=(dim,))
    half = p.floor_divide(numbers - 1, filled(numbers, 2))
    if skip:
        place = p.maximum(half, filled(half, 0))
    else:
        place = p.where(p.lt(numbers, filled(numbers, n)), numbers, half)
    line = p.reshape(place, shape=with_ones(x.shape, (dim,)))
    index = p.reshape(p.gather(order, line, dim=dim), shape=place.shape)
    return picked(x, index, dim, keepdim)


@op(method=True)
def mode(input, dim=-1, keepdim=False):
    """The most frequent element along `dim` (the smallest of equals) as (values, last index)."""
    at = one_dim("mode", dim, input.ndim, input)
    if not input.shape:
        return return_types.mode(p.identity(input), constant(0, (), dtypes.int64))
    need_elements("mode", input, (at,))
    values, order = ordered(input, at)
    n = input.shape[at]
    pairs = p.eq(*(spread(values, at, k) for k in (0, 1)))
    times = p.reduce_sum(cast(pairs, dtypes.int64), dims=(values.ndim,))
    best = p.argmax(times, dim=at)
    # stable order puts a run's last occurrence at its end
    top = p.gather(times, p.reshape(best, shape=with_ones(input.shape, (at,))), dim=at)
    last = p.reshape(best, shape=top.shape) + top - 1
    index = p.reshape(p.gather(order, p.minimum(last, filled(last, n - 1)), dim=at), shape=best.shape)
    return return_types.mode(*picked(input, index, at, keepdim))


def spread(x: Value, dim: int, side: int) -> Value:
    """`x` beside itself along a new last dim: side 0 repeats, side 1 lays the row out there."""
    n = x.shape[dim]
    shape = (*x.shape, n)
    if side == 0:
        return expanded(p.reshape(x, shape=(*x.shape, 1)), shape)
    row = moved(p.reshape(x, shape=x.shape[:dim] + (1,) + x.shape[dim:]), dim + 1, x.ndim)
    return expanded(row, shape)


# --- running folds ----------------------------------------------------------------------------------------------------


def running_input(call: str, x: Value, dim, dtype) -> tuple[Value, int]:
    at = one_dim(call, dim, x.ndim, x)
    target = dtypes.as_dtype(dtype) if dtype is not None else dtypes.int64 if x.dtype.kind in "biu" else x.dtype
    return cast(x, target), at


def scanned(primitive, x: Value, dim: int) -> Value:
    if not x.shape or not numel(x.shape):
        return p.identity(x)
    return primitive(x, dim=dim)


@op(method=True, inplace=True)
def cumsum(input, dim, *, dtype=None):
    """Running sum along `dim`."""
    x, at = running_input("cumsum", input, dim, dtype)
    return scanned(p.cumsum, x, at)


@op(method=True, inplace=True)
def cumprod(input, dim, *, dtype=None):
    """Running product along `dim`."""
    x, at = running_input("cumprod", input, dim, dtype)
    return scanned(p.cumprod, x, at)


@op(method=True)
def logcumsumexp(input, dim):
    """Logarithm of the running sum of exponentials along `dim`."""
    need_float("logcumsumexp", input)
    at = one_dim("logcumsumexp", dim, input.ndim, input)
    return scanned(p.logcumsumexp, input, at)


@op(method=True)
def cummax(input, dim):
    """Running maximum along `dim` as (values, indices of the latest one)."""
    return return_types.cummax(*running_extreme("cummax", p.cummax, input, dim))


@op(method=True)
def cummin(input, dim):
    """Running minimum along `dim` as (values, indices of the latest one)."""
    return return_types.cummin(*running_extreme("cummin", p.cummin, input, dim))


def running_extreme(call: str, primitive, x: Value, dim) -> tuple[Value, Value]:
    refuse_complex(call, x)
    at = one_dim(call, dim, x.ndim, x)
    if not x.shape or not numel(x.shape):
        return p.identity(x), constant(0, x.shape, dtypes.int64)
    best = primitive(x, dim=at)
    return best, p.latest_hit(x, best, at)


# --- quantiles and bins -----------------------------------------------------------------------------------------------


@op(method=True)
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The values below which shares q of the elements lie; several q make a new first dim."""
    return quantiles("quantile", input, q, dim, keepdim, interpolation, skip=False)


@op(method=True)
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """quantile of the elements that are numbers."""
    return quantiles("nanquantile", input, q, dim, keepdim, interpolation, skip=True)


def quantiles(call: str, x: Value, q, dim, keepdim: bool, how: str, skip: bool) -> Value:
    q = q if isinstance(q, Value) else literal(q, x.dtype)
    check_quantile(call, x, q, how)
    rank = x.ndim
    if dim is None:
        x, at = p.reshape(x, shape=(numel(x.shape),)), 0
        kept = (1,) * rank
    else:
        at = one_dim(call, dim, x.ndim, x)
        x = at_least(x, 1)
        kept = with_ones(x.shape, (at,))[:rank] if rank else ()
    if not x.shape[at]:
        raise DimError(message(call, "input tensor must be non-empty", [("input", x)]))
    line = moved(x, at, x.ndim - 1)
    shares = at_least(q, 1)
    out = interpolated(
        p.gather(line, p.argsort(line, dim=line.ndim - 1, descending=False, stable=True), dim=line.ndim - 1),
        line,
        shares,
        how,
        skip,
    )
    out = moved(out, out.ndim - 1, 0)
    rest = tuple(n for d, n in enumerate(x.shape) if d != at)
    return reshaped(out, q.shape + (kept if keepdim else rest))


def check_quantile(call: str, x: Value, q: Value, how: str) -> None:
    if x.dtype not in (dtypes.float32, dtypes.float64):
        raise DTypeError(message(call, "input tensor must be either float or double dtype", [("input", x)]))
    if q.ndim > 1:
        raise ArgumentError(message(call, "q must be a scalar or 1D tensor", [("q", q)]))
    require_in_range(q, 0, 1, f"{call}: q must be in the range [0, 1]")
    if q.dtype is not x.dtype:
        raise DTypeError(message(call, "q tensor must be same dtype as the input tensor", [("input", x), ("q", q)]))
    if how not in ("linear", "lower", "higher", "midpoint", "nearest"):
        problem = f"interpolation must be one of linear, lower, higher, midpoint or nearest, but got {how}"
        raise ArgumentError(message(call, problem))


def interpolated(values: Value, line: Value, q: Value, how: str, skip: bool) -> Value:
    """Elements of sorted rows at the places q * (count - 1); a row with NaN gives NaN unless they are skipped."""
    lead, n, k = values.shape[:-1], values.shape[-1], q.shape[0]
    shape = (*lead, k)
    nan = p.is_nan(line)
    numbers = p.reduce_sum(cast(p.logical_not(nan), values.dtype), dims=(line.ndim - 1,))
    last = numbers - 1 if skip else filled(numbers, n - 1)
    last = p.maximum(last, filled(last, 0))
    place = expanded(q, shape) * expanded(p.reshape(last, shape=(*lead, 1)), shape)
    if how == "nearest":
        place = p.round(place)
    low = p.floor(place)
    high = p.ceil(place)
    at_low, at_high = (p.gather(values, cast(v, dtypes.int64), dim=values.ndim - 1) for v in (low, high))
    if how in ("lower", "nearest"):
        out = at_low
    elif how == "higher":
        out = at_high
    else:
        weight = filled(place, 0.5) if how == "midpoint" else place - low
        out = at_low + weight * (at_high - at_low)
    spoilt = p.eq(numbers, filled(numbers, 0)) if skip else p.reduce_any(nan, dims=(line.ndim - 1,))
    spoilt = expanded(p.reshape(spoilt, shape=(*lead, 1)), shape)
    return p.where(spoilt, filled(out, float("nan")), out)


@op(differentiable=False)
def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    """Where each element would be put into a sorted row so that it stays sorted."""
    if side is not None and side not in ("left", "right"):
        raise ArgumentError(message("searchsorted", f"side can only be 'left' or 'right' but got {side}"))
    rows = sorted_sequence if sorter is None else p.gather(sorted_sequence, sorter, dim=sorted_sequence.ndim - 1)
    return places_in(rows, input, right or side == "right", out_int32)


def places_in(rows: Value, x, right: bool, small: bool) -> Value:
    x = x if isinstance(x, Value) else constant(x, (), rows.dtype)
    dtype = dtypes.promote_types(rows.dtype, x.dtype)
    rows, x = cast(rows, dtype), cast(x, dtype)
    target = dtypes.int32 if small else dtypes.int64
    if rows.ndim > 1 and rows.shape[:-1] != x.shape[:-1]:
        problem = "boundaries tensor should be 1 dimension or the first N-1 dimensions must match the input's"
        raise ArgumentError(message("searchsorted", problem, [("sorted_sequence", rows), ("input", x)]))
    full = x.shape + rows.shape[-1:]
    edges = rows if rows.ndim == 1 else p.reshape(rows, shape=rows.shape[:-1] + (1, rows.shape[-1]))
    values = expanded(p.reshape(x, shape=x.shape + (1,)), full)
    below = p.le(expanded(edges, full), values) if right else p.lt(expanded(edges, full), values)
    if dtype.kind == "f":  # NaN is the largest: it goes behind everything
        nan = p.is_nan(values)
        below = p.bitwise_or(
            below, nan if right else p.bitwise_and(nan, p.logical_not(p.is_nan(expanded(edges, full))))
        )
    return p.reduce_sum(cast(below, target), dims=(len(full) - 1,))


@op(differentiable=False)
def bucketize(input, boundaries, *, out_int32=False, right=False):
    """The number of the interval between `boundaries` that each element lies in."""
    if boundaries.ndim != 1:
        raise ArgumentError(message("bucketize", "boundaries tensor must be 1 dimension", [("boundaries", boundaries)]))
    return places_in(boundaries, input, right, out_int32)


@op(method=True)
def diff(input, n=1, dim=-1, prepend=None, append=None):
    """Differences of neighbours along `dim`, taken n times."""
    at = one_dim("diff", dim, input.ndim, input)
    if not input.shape:
        raise ArgumentError(message("diff", "expects input to be at least one-dimensional", [("input", input)]))
    if n < 0:
        raise ArgumentError(message("diff", f"order must be non-negative but got {n}"))
    if n == 0:
        return p.identity(input)
    parts = [x for x in (prepend, input, append) if x is not None]
    dtype = dtypes.result_dtype([(x.dtype, 2) for x in parts])
    parts = [cast(x, dtype) for x in parts]
    x = parts[0] if len(parts) == 1 else p.concat(*parts, dim=at)
    for _ in range(builtins.min(n, x.shape[at])):
        size = x.shape[at]
        a, b = section(x, at, 1, size), section(x, at, 0, builtins.max(size - 1, 0))
        x = p.bitwise_xor(a, b) if dtype.kind == "b" else a - b
    return x
