"""How often and which: histograms, bins, distinct values, combinations. Sizes may depend on the numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, DTypeError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops import return_types
from dovetail.ops.dims import broadcast_sizes, numel
from dovetail.ops.front import front
from dovetail.ops.index import index_select
from dovetail.ops.promote import cast, common, constant, filled
from dovetail.ops.shape import reshaped
from dovetail.ops.sort import places_in
from dovetail.tensor.op import op
from dovetail.tensor.tensor import Size, Tensor

# --- histograms -------------------------------------------------------------------------------------------------------


@op(top=False, differentiable=False)
def counts_between(input, bins: int, low: float, high: float):
    """How many elements lie in each of `bins` equal parts of [low, high]."""
    x = reshaped(input, (numel(input.shape),))
    wide = cast(x, dtypes.float64) if x.dtype.kind in "biu" else x
    inside = p.bitwise_and(p.ge(wide, filled(wide, low)), p.le(wide, filled(wide, high)))
    place = p.floor((wide - low) * (bins / (high - low)))
    place = p.where(inside, place, filled(place, 0))
    place = p.minimum(cast(place, dtypes.int64), constant(bins - 1, x.shape, dtypes.int64))
    one = p.where(inside, filled(wide, 1), filled(wide, 0))
    made = p.index_add(constant(0, (bins,), wide.dtype), place, one, dim=0)
    return cast(made, input.dtype)


@front(method=True, out=True)
def histc(input: Tensor, bins: int = 100, min=0, max=0) -> Tensor:
    """Counts of elements in equal bins between min and max (those of the input where both are equal)."""
    if bins <= 0:
        raise ArgumentError(message("histc", f"bins must be > 0, got {bins}"))
    if min == max and input.numel():
        min, max = input.min().item(), input.max().item()
    if min == max:
        min, max = min - 1, max + 1
    if not (math.isfinite(min) and math.isfinite(max)) or min > max:
        raise ArgumentError(message("histc", f"max must be larger than min and both finite, got {min} and {max}"))
    return counts_between(input, bins, float(min), float(max))


@op(top=False, differentiable=False)
def counts_in(input, edges, weight=None):
    """The weight (1 by default) of elements between neighbouring edges; the last bin includes its right edge."""
    x = reshaped(input, (numel(input.shape),))
    bins = edges.shape[0] - 1
    found = places_in(edges, x, True, False) - 1
    last = p.eq(x, p.broadcast(p.slice(edges, starts=(bins,), stops=(bins + 1,), steps=(1,)), shape=x.shape, dims=(0,)))
    found = p.where(last, filled(found, bins - 1), found)
    inside = p.bitwise_and(p.ge(found, filled(found, 0)), p.lt(found, filled(found, bins)))
    inside = p.bitwise_and(inside, p.logical_not(p.is_nan(x)))
    one = filled(x, 1) if weight is None else cast(reshaped(weight, x.shape), x.dtype)
    share = p.where(inside, one, filled(x, 0))
    return p.index_add(constant(0, (bins,), x.dtype), p.where(inside, found, filled(found, 0)), share, dim=0)


@op(top=False, differentiable=False)
def as_density(hist, edges):
    """Counts divided by their sum and the widths of their bins."""
    n = hist.shape[0]
    width = p.slice(edges, starts=(1,), stops=(n + 1,), steps=(1,)) - p.slice(
        edges, starts=(0,), stops=(n,), steps=(1,)
    )
    total = p.reduce_sum(hist, dims=(0,))
    return hist / width / p.broadcast(total, shape=(n,), dims=())


def edges_for(x: Tensor, bins, span) -> Tensor:
    """Equal bins over a span, or over the input's own range."""
    if span is not None:
        low, high = span
    elif x.numel():
        low, high = x.min().item(), x.max().item()
    else:
        low, high = 0.0, 1.0
    if low == high:
        low, high = low - 0.5, high + 0.5
    if low > high:
        raise ArgumentError(message("histogram", f"the range must rise, got {low} to {high}"))
    return Tensor.from_array(np.linspace(low, high, bins + 1, dtype=np.float64).astype(x.dtype.np))


@front(method=True, out=True)
def histogram(input: Tensor, bins, *, range=None, weight=None, density=False):
    """(counts, edges): `bins` equal ones over `range`, or edges given as a tensor."""
    if input.dtype.kind != "f":
        raise DTypeError(
            message("histogram", f"is not implemented for {input.dtype.name}", [("input", input)], "use input.float()")
        )
    if isinstance(bins, (list, tuple)):
        bins = bins[0]
    edges = bins if isinstance(bins, Tensor) else edges_for(input, bins, range)
    hist = counts_in(input, edges, weight)
    return return_types.histogram(as_density(hist, edges) if density else hist, edges)


@front(method=True)
def histogramdd(input: Tensor, bins, *, range=None, weight=None, density=False):
    """(counts, edges for each column) of rows in a grid of bins. Shape: (*, d) -> one size for each column"""
    d = input.shape[-1]
    rows = input.detach().numpy().reshape(-1, d)
    bins = [bins] * d if isinstance(bins, int) else list(bins)
    if len(bins) != d:
        problem = f"the size of bins ({len(bins)}) must be equal to the innermost dimension of the input ({d})"
        raise ShapeError(message("histogramdd", problem, [("input", input)]))
    spans = None if range is None else [tuple(range[2 * i : 2 * i + 2]) for i in builtin_range(d)]
    edges = [
        b if isinstance(b, Tensor) else edges_for(Tensor.from_array(rows[:, i].copy()), b, spans and spans[i])
        for i, b in enumerate(bins)
    ]
    w = None if weight is None else weight.detach().numpy().reshape(-1)
    made, _ = np.histogramdd(rows, [e.numpy().astype(np.float64) for e in edges], weights=w, density=density)
    return return_types.histogramdd(Tensor.from_array(made.astype(input.dtype.np)), tuple(edges))


builtin_range = range


@front(method=True)
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each whole number from 0 on occurs; with weights, their sums."""
    if input.ndim != 1 or input.dtype.kind not in "iu":
        raise DTypeError(message("bincount", "only supports 1-d non-negative integral inputs", [("input", input)]))
    if minlength < 0:
        raise ArgumentError(message("bincount", f"minlength should be >= 0, got {minlength}"))
    values = input.detach().numpy()
    if values.size and values.min() < 0:
        raise ArgumentError(message("bincount", "only supports 1-d non-negative integral inputs", [("input", input)]))
    if weights is None:
        return Tensor.from_array(np.bincount(values, minlength=minlength).astype(np.int64))
    if weights.shape != input.shape:
        raise ShapeError(
            message("bincount", "weights should be 1-d and have the same length as input", [("weights", weights)])
        )
    made = np.bincount(values, weights.detach().numpy(), minlength)
    return Tensor.from_array(made.astype(np.float32 if weights.dtype is dtypes.float32 else np.float64))


# --- distinct values --------------------------------------------------------------------------------------------------


def distinct(x: Tensor, inverse: bool, counts: bool, dim, neighbours: bool):
    """Distinct elements (or slices along `dim`), all of them in order or only runs of neighbours."""
    array = x.detach().numpy()
    if dim is None:
        flat = array.reshape(-1)
        found = (
            runs(flat[:, None])
            if neighbours
            else np.unique(flat, return_index=True, return_inverse=True, return_counts=True)[1:]
        )
        values = flat[found[0]]
        back = found[1].reshape(array.shape)
    else:
        rows = np.moveaxis(array, dim, 0)
        flat = rows.reshape(rows.shape[0], -1)
        if neighbours:
            found = runs(flat)
        else:
            found = np.unique(flat, axis=0, return_index=True, return_inverse=True, return_counts=True)[1:]
        values = np.moveaxis(rows[found[0]], 0, dim)
        back = found[1].reshape(-1)
    out = [Tensor.from_array(np.ascontiguousarray(values))]
    if inverse:
        out.append(Tensor.from_array(back.astype(np.int64)))
    if counts:
        out.append(Tensor.from_array(found[2].astype(np.int64)))
    return out[0] if len(out) == 1 else tuple(out)


def runs(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(first of each run, number of the run each row is in, lengths) of equal neighbours."""
    if not len(rows):
        none = np.zeros(0, np.int64)
        return none, none, none
    new = np.concatenate([[True], (rows[1:] != rows[:-1]).any(axis=1)])
    first = np.flatnonzero(new)
    return first, np.cumsum(new) - 1, np.diff(np.append(first, len(rows)))


@front(method=True)
def unique(input: Tensor, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """Distinct elements in order; on wish where each element went and how often each occurs."""
    return distinct(input, return_inverse, return_counts, dim, False)


@front(method=True)
def unique_consecutive(input: Tensor, return_inverse=False, return_counts=False, dim=None):
    """Elements that differ from the one before; on wish where each went and the lengths of the runs."""
    return distinct(input, return_inverse, return_counts, dim, True)


@front(method=True)
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The first `size` indices of elements that are not zero, filled up with `fill_value`."""
    found = np.argwhere(input.detach().numpy())[:size]
    rest = np.full((size - len(found), input.ndim), fill_value, np.int64)
    return Tensor.from_array(np.concatenate([found, rest]).astype(np.int64))


# --- combinations -----------------------------------------------------------------------------------------------------


@front(method=True)
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All ways to choose r elements of a vector, one in each row."""
    if input.ndim != 1:
        raise ShapeError(message("combinations", "Expect a 1D vector", [("input", input)]))
    if r < 0:
        raise ArgumentError(message("combinations", f"Expect a non-negative number, but got {r}"))
    if r == 0:
        return Tensor.empty((0,), input.dtype)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return index_select(input, 0, Tensor.from_array(rows.reshape(-1))).reshape(rows.shape)


@op(top=False, differentiable=False)
def unraveled(indices, shape):
    """Flat indices as one index for each dim."""
    out = []
    for n in reversed(shape):
        out.append(p.remainder(indices, filled(indices, n)))
        indices = p.floor_divide(indices, filled(indices, n))
    return tuple(reversed(out))


@front()
def unravel_index(indices: Tensor, shape):
    """Flat indices as a tuple of indices, one tensor for each dim of `shape`."""
    if indices.dtype.kind not in "iu":
        raise DTypeError(message("unravel_index", f"expected 'indices' to be integer dtype, got {indices.dtype.name}"))
    sizes = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    if any(n < 0 for n in sizes):
        raise ArgumentError(message("unravel_index", f"'shape' cannot have negative values, but got {sizes}"))
    return unraveled(indices.long(), sizes)


@front()
def broadcast_shapes(*shapes):
    """The shape that tensors of these shapes broadcast to."""
    return Size(broadcast_sizes("broadcast_shapes", *((s,) if isinstance(s, int) else tuple(s) for s in shapes)))


@op(method=True, inplace=True, differentiable=False, tensors=("other",))
def gcd(input, other):
    """Greatest common divisor."""
    return whole_pair("gcd", input, other)


@op(method=True, inplace=True, differentiable=False, tensors=("other",))
def lcm(input, other):
    """Least common multiple."""
    a, b = whole_operands("lcm", input, other)
    g = p.gcd(a, b)
    none = p.eq(g, filled(g, 0))
    return p.abs(p.mul(p.floor_divide(a, p.where(none, filled(g, 1), g)), b))


def whole_operands(call: str, a: Value, b: Value) -> list[Value]:
    made = common(call, a, b)
    if made[0].dtype.kind not in "iu":
        raise DTypeError(
            message(call, f"works on whole numbers, got {made[0].dtype.name}", [("input", a), ("other", b)])
        )
    return made


def whole_pair(call: str, a: Value, b: Value) -> Value:
    return p.gcd(*whole_operands(call, a, b))
