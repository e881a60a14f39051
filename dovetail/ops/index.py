"""Reading and writing by index: x[...], gather, scatter and their kin.

An index that is made of whole numbers, slices, None and ... alone is *basic*: its result is a part of the input and
aliases it. Tensors, lists and arrays in an index are *advanced*: elements are looked up one by one.
"""

from __future__ import annotations

import builtins

import numpy as np

import dovetail.ops.primitives as p
from dovetail.autodiff.gradient import with_gradient
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, DimError, DTypeError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops.checks import require_in_range
from dovetail.ops.compare import choose
from dovetail.ops.create import zeros
from dovetail.ops.dims import Shape, broadcast_sizes, numel, one_dim
from dovetail.ops.front import front
from dovetail.ops.promote import cast, constant, expanded, filled, held, is_number, literal, need_real_value, placed
from dovetail.ops.shape import (
    at_least,
    broadcast_to,
    narrow_at,
    padded,
    permuted,
    repeat_each,
    reshaped,
    section,
    stack,
    tensor_split_at,
)
from dovetail.tensor.op import op
from dovetail.tensor.tensor import Tensor

# --- parsing ----------------------------------------------------------------------------------------------------------


class Plan:
    """An index made definite against a shape: a slice of every dim, then names of the dims that stay.

    starts, stops, steps   the slice of every input dim
    layout                 one entry for each dim after slicing: ("keep", dim), ("new",), or ("at", dim, index Value);
                           dims taken by a whole number have no entry
    """

    def __init__(self, shape: Shape):
        self.shape = shape
        self.starts, self.stops, self.steps = [0] * len(shape), list(shape), [1] * len(shape)
        self.layout: list[tuple] = []

    @property
    def sliced(self) -> Shape:
        """Sizes after slicing, before dims are dropped or made."""
        return tuple(
            n if (a, b, s) == (0, n, 1) else len(range(a, b, s))
            for a, b, s, n in zip(self.starts, self.stops, self.steps, self.shape, strict=True)
        )

    @property
    def whole(self) -> bool:
        """Whether the slice is the input itself."""
        return self.sliced == tuple(self.shape) and builtins.all(s == 1 for s in self.steps)

    @property
    def kept(self) -> Shape:
        """Sizes after whole numbers have dropped their dims and None has made new ones."""
        sizes = self.sliced
        return tuple(1 if e[0] == "new" else sizes[e[1]] for e in self.layout)


def parsed(x: Value, index) -> Plan:
    """The plan of x[index]. Raises DimError for too many or out-of-range indices."""
    items = list(index) if isinstance(index, tuple) else [index]
    used = builtins.sum(dims_used(i) for i in items)
    if used > x.ndim:
        problem = f"too many indices for tensor of dimension {x.ndim}: {used} were given"
        raise DimError(message("indexing", problem, [("input", x)]))
    dots = [i for i, e in enumerate(items) if e is Ellipsis]
    if len(dots) > 1:
        raise DimError(message("indexing", "an index can only have a single ellipsis ('...')", [("input", x)]))
    at = dots[0] if dots else len(items)
    items[at : at + 1] = [slice(None)] * (x.ndim - used)
    plan, dim = Plan(x.shape), 0
    for item in items:
        dim = add_item(plan, x, item, dim)
    return plan


def dims_used(item) -> int:
    """How many input dims one entry of an index speaks of."""
    return 0 if item is None or item is Ellipsis or isinstance(item, bool) else 1


def add_item(plan: Plan, x: Value, item, dim: int) -> int:
    """Note one entry of an index; returns the next input dim."""
    if item is None:
        plan.layout.append(("new",))
        return dim
    if isinstance(item, (bool, np.bool_)):
        plan.layout.append(("new",))
        if not item:
            plan.layout[-1] = ("none",)
        return dim
    n = x.shape[dim]
    if isinstance(item, slice):
        if (item.start, item.stop, item.step) != (None, None, None):
            plan.starts[dim], plan.stops[dim], plan.steps[dim] = slice_bounds(x, item, n)
        plan.layout.append(("keep", dim))
    elif isinstance(item, (int, np.integer)):
        if not -n <= item < n:
            problem = f"index {item} is out of bounds for dimension {dim} with size {n}"
            raise DimError(message("indexing", problem, [("input", x)]))
        plan.starts[dim] = item + n if item < 0 else item
        plan.stops[dim] = plan.starts[dim] + 1
    else:
        plan.layout.append(("at", dim, index_value(item)))
    return dim + 1


def slice_bounds(x: Value, item: slice, n: int) -> tuple[int, int, int]:
    step = 1 if item.step is None else item.step
    if step <= 0:
        raise ArgumentError(
            message("indexing", f"slice step must be positive, got {step}", [("input", x)], "use .flip()")
        )
    start, stop, step = item.indices(n)
    return start, builtins.max(start, stop), step


def index_value(item) -> Value:
    """A list or array in an index as a Value of whole numbers."""
    if isinstance(item, (float, complex)):
        words = "only integers, slices (`:`), ellipsis (`...`), None and long or byte tensors are valid indices"
        raise DimError(message("indexing", f"{words} (got {type(item).__name__})"))
    if not isinstance(item, Value):
        item = literal(np.asarray(item if len(item) else np.zeros(0, np.int64)))
    if item.dtype.kind not in "iu":
        problem = f"tensors used as indices must be long, int, byte or bool tensors, got {item.dtype.name}"
        raise DimError(message("indexing", problem, [("index", item)], "convert it with .long()"))
    return cast(item, dtypes.int64) if item.dtype is not dtypes.int32 else item


def wrapped(index: Value, n: int, what: str) -> Value:
    """Indices with negative ones counted from the end."""
    require_in_range(index, -n, n, what)
    return p.where(p.lt(index, filled(index, 0)), index + n, index)


# --- reading ----------------------------------------------------------------------------------------------------------


@op(top=False, view=True, name="getitem")
def get_part(input, index):
    """x[index] for a basic index: a view."""
    plan = parsed(input, index)
    return reshaped(sliced(input, plan), plan.kept)


def sliced(x: Value, plan: Plan) -> Value:
    if plan.whole:
        return x
    return p.slice(x, starts=tuple(plan.starts), stops=tuple(plan.stops), steps=tuple(plan.steps))


@op(top=False, name="getitem")
def get_elements(input, index):
    """x[index] with tensors, lists or arrays in the index."""
    plan = parsed(input, index)
    x, places = reshaped(sliced(input, plan), plan.kept), advanced(plan)
    if any_none(plan):
        return empty_selection(x, plan)
    if not places:
        return p.identity(x)
    return look_up(x, places)


def any_none(plan: Plan) -> bool:
    return builtins.any(e[0] == "none" for e in plan.layout)


def empty_selection(x: Value, plan: Plan) -> Value:
    """x[False]: nothing of it, under a new leading dim of size 0."""
    at = next(i for i, e in enumerate(plan.layout) if e[0] == "none")
    return constant(0, x.shape[:at] + (0,) + x.shape[at + 1 :], x.dtype)


def advanced(plan: Plan) -> list[tuple[int, Value]]:
    """(dim after slicing, index) of every advanced entry, negatives wrapped."""
    found = []
    for at, entry in enumerate(plan.layout):
        if entry[0] == "at":
            n = plan.kept[at]
            what = f"indexing: index is out of bounds for dimension {entry[1]} with size {n}"
            found.append((at, wrapped(entry[2], n, what)))
    return found


def look_up(x: Value, places: list[tuple[int, Value]]) -> Value:
    """Elements of x at the broadcast indices; their dims stand where the indices stood, or in front if apart."""
    if len(places) == 1:
        at, index = places[0]
        return p.take(x, index, dim=at)
    dims, indices = [d for d, _ in places], together([i for _, i in places])
    rest = [d for d in range(x.ndim) if d not in dims]
    out = p.gather_nd(permuted(x, [*dims, *rest]), *indices)
    front = dims[0] if dims == list(range(dims[0], dims[0] + len(dims))) else 0
    return with_block_at(out, indices[0].ndim, front)


def with_block_at(x: Value, width: int, at: int) -> Value:
    """`x` with its first `width` dims moved to begin at `at`."""
    order = list(range(width, x.ndim))
    order[at:at] = range(width)
    return permuted(x, order)


def together(indices: list[Value]) -> list[Value]:
    """Indices broadcast to one shape and one dtype."""
    try:
        shape = broadcast_sizes("indexing", *(i.shape for i in indices))
    except ShapeError as e:
        facts = [(f"index {k}", i) for k, i in enumerate(indices)]
        problem = "shape mismatch: indexing tensors could not be broadcast together"
        raise DimError(message("indexing", problem, facts)) from e
    return [expanded(cast(i, dtypes.int64), shape) for i in indices]


# --- writing ----------------------------------------------------------------------------------------------------------


@op(top=False, inplace=True, name="setitem", scalars=("value",))
def setitem(input, index, value):
    """A tensor like `input` with `value` broadcast to input[index]."""
    plan = parsed(input, index)
    if any_none(plan):
        return p.identity(input)
    places = advanced(plan)
    if not places:
        part = broadcast_to_part("setitem", value, plan.kept, input.dtype)
        return put_slice(input, plan, part)
    part = put_elements(reshaped(sliced(input, plan), plan.kept), places, value, "set")
    return put_slice(input, plan, part)


def broadcast_to_part(call: str, value, shape: Shape, dtype) -> Value:
    """A written value in the shape of the part it goes to; leading dims of size 1 may be dropped."""
    if is_number(value):
        return constant(held("indexing", value, dtype), shape, dtype)
    held("indexing", value, dtype)
    extra = value.ndim - len(shape)
    if extra > 0 and builtins.all(n == 1 for n in value.shape[:extra]):
        value = reshaped(value, value.shape[extra:])
    try:
        fits = broadcast_sizes(call, value.shape, shape) == tuple(shape)
    except ShapeError:
        fits = False
    if not fits:
        problem = (
            f"a value of shape {tuple(value.shape)} does not broadcast to the indexed part, {tuple(shape)} "
            "(shape mismatch)"
        )
        raise ShapeError(message(call, problem, [("value", value)]))
    return placed(value, dtype, shape)


def put_slice(x: Value, plan: Plan, part: Value) -> Value:
    """`x` with `part` at the plan's slice."""
    part = reshaped(part, plan.sliced)
    if plan.whole:
        return part if numel(part.shape) else x
    if numel(part.shape) == 0:
        return p.identity(x)
    return p.update_slice(x, part, starts=tuple(plan.starts), steps=tuple(plan.steps))


def put_elements(x: Value, places: list[tuple[int, Value]], value, mode: str) -> Value:
    """`x` with `value` set or added at the broadcast indices."""
    dims, indices = [d for d, _ in places], together([i for _, i in places])
    rest = [d for d in range(x.ndim) if d not in dims]
    order = [*dims, *rest]
    front = permuted(x, order)
    width = indices[0].ndim
    at = dims[0] if dims == list(range(dims[0], dims[0] + len(dims))) else 0
    block = indices[0].shape
    shape = tuple(front.shape[len(dims) :])
    target = shape[:at] + block + shape[at:]
    u = broadcast_to_part("setitem", value, target, x.dtype)
    u = permuted(u, [*range(at, at + width), *range(at), *range(at + width, len(target))])
    out = p.scatter_nd(front, u, *indices, mode=mode)
    back = [0] * x.ndim
    for i, d in enumerate(order):
        back[d] = i
    return permuted(out, back)


@op(top=False, inplace=True, name="index_put")
def index_put_at(input, indices, values, accumulate=False):
    """`input` with `values` written (or added) at the tuple of index tensors."""
    plan = parsed(input, tuple(indices))
    part = reshaped(sliced(input, plan), plan.kept)
    return put_slice(input, plan, put_elements(part, advanced(plan), values, "add" if accumulate else "set"))


# --- along one dim ----------------------------------------------------------------------------------------------------


def index_along(call: str, x: Value, dim: int, index: Value) -> tuple[int, Value]:
    """(dim, index) of gather, scatter and take_along_dim, checked."""
    at = one_dim(call, dim, x.ndim, x)
    if index.dtype.kind not in "iu":
        raise DTypeError(message(call, f"expected dtype int64 for index, got {index.dtype.name}", [("index", index)]))
    index = index if index.dtype in (dtypes.int64, dtypes.int32) else cast(index, dtypes.int64)
    if max(x.ndim, 1) != max(index.ndim, 1) and numel(index.shape):
        problem = "index must have as many dims as the input (same number of dimensions)"
        raise ShapeError(message(call, problem, [("input", x), ("index", index)]))
    n = at_least(x, 1).shape[at]
    return at, require_in_range(index, 0, n, f"{call}: index is out of bounds for dimension {dim} with size {n}")


def need_fit(call: str, index: Value, x: Value, dim: int, name: str, whole: bool = False) -> None:
    """index.size(d) <= x.size(d) for all dims, or all but `dim`."""
    for d, (i, n) in enumerate(zip(index.shape, x.shape, strict=False)):
        if i > n and (whole or d != dim):
            problem = f"expected index to be smaller than {name} apart from dimension {dim}, dim {d} has {i} and {n}"
            raise ShapeError(message(call, problem, [("index", index), (name, x)]))


@op(method=True, exact_out=True)
def gather(input, dim, index, *, sparse_grad=False):
    """out[i][j] = input[index[i][j]][j] for dim 0, likewise for others. Shape: that of `index`."""
    at, index = index_along("gather", input, dim, index)
    if numel(index.shape) == 0:
        return constant(0, index.shape, input.dtype)
    need_fit("gather", index, input, at, "self")
    out = p.gather(at_least(input, 1), at_least(index, 1), dim=at)
    return reshaped(out, index.shape)


@op(method=True, scalars=("value",), inplace=True)
def scatter(input, dim, index, src=None, value=None, *, reduce=None):
    """`input` with src[i][j] written at [index[i][j]][j] for dim 0; with a number, that number everywhere."""
    if src is not None and not isinstance(src, Value):
        src, value = None, src
    at, index = index_along("scatter", input, dim, index)
    if numel(index.shape) == 0:
        return p.identity(input)
    need_fit("scatter", index, input, at, "self")
    u = scattered_source("scatter", input, index, src, value, at)
    x, index1 = at_least(input, 1), at_least(index, 1)
    if reduce is None:
        out = p.scatter(x, index1, u, dim=at)
    elif reduce == "add":
        out = p.scatter_add(x, index1, u, dim=at)
    elif reduce == "multiply":
        out = scatter_fold("prod", x, index1, u, at, include_self=True)
    else:
        raise ArgumentError(message("scatter", f"reduce argument must be either add or multiply, got {reduce!r}"))
    return reshaped(out, input.shape)


def scattered_source(call: str, x: Value, index: Value, src, value, dim: int) -> Value:
    """What scatter writes: the part of src that index covers, or a number."""
    if src is None:
        return placed(held(call, value, x.dtype), x.dtype, at_least(index, 1).shape)
    if src.dtype is not x.dtype:
        raise DTypeError(message(call, "expected self.dtype to be equal to src.dtype", [("input", x), ("src", src)]))
    if max(src.ndim, 1) != max(index.ndim, 1):
        problem = "Index tensor must have the same number of dimensions as src tensor"
        raise ShapeError(message(call, problem, [("index", index), ("src", src)]))
    need_fit(call, index, src, dim, "src", whole=True)
    src, index = at_least(src, 1), at_least(index, 1)
    return (
        p.slice(src, starts=(0,) * src.ndim, stops=index.shape, steps=(1,) * src.ndim)
        if src.shape != index.shape
        else src
    )


@op(method=True, inplace=True)
def scatter_add(input, dim, index, src):
    """`input` with src[i][j] added at [index[i][j]][j] for dim 0, likewise for others."""
    at, index = index_along("scatter_add", input, dim, index)
    if numel(index.shape) == 0:
        return p.identity(input)
    need_fit("scatter_add", index, input, at, "self")
    u = scattered_source("scatter_add", input, index, src, None, at)
    return reshaped(p.scatter_add(at_least(input, 1), at_least(index, 1), u, dim=at), input.shape)


@op(method=True, inplace=True)
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """Elements of src folded into input at `index`: reduce is sum, prod, mean, amax or amin."""
    at, index = index_along("scatter_reduce", input, dim, index)
    if numel(index.shape) == 0:
        return p.identity(input)
    need_fit("scatter_reduce", index, input, at, "self")
    u = scattered_source("scatter_reduce", input, index, src, None, at)
    out = scatter_fold(reduce, at_least(input, 1), at_least(index, 1), u, at, include_self)
    return reshaped(out, input.shape)


FOLD_START = {"sum": 0, "mean": 0, "prod": 1}


def scatter_fold(kind: str, x: Value, index: Value, u: Value, dim: int, include_self: bool) -> Value:
    """Scatter with a fold. Prod, amax and amin put the sources in order first, so memory grows with their number."""
    if kind not in ("sum", "mean", "prod", "amax", "amin"):
        raise ArgumentError(message("scatter_reduce", f"reduce must be sum, prod, mean, amax or amin, got {kind!r}"))
    hits = p.scatter_add(filled_int(x, 0), index, filled_int(u, 1), dim=dim)
    touched = p.gt(hits, filled(hits, 0))
    if kind in ("sum", "mean"):
        start = x if include_self else p.where(touched, filled(x, 0), x)
        total = p.scatter_add(start, index, u, dim=dim)
        if kind == "sum":
            return total
        n = hits + 1 if include_self else p.maximum(hits, filled(hits, 1))
        return mean_of(total, n)
    if kind != "prod":
        return extremes(kind, x, index, u, dim, touched, include_self)
    folded = p.where(touched, products(x, index, u, dim), filled(x, 1))
    return p.where(touched, p.mul(folded, x) if include_self else folded, x)


def extremes(kind: str, x: Value, index: Value, u: Value, dim: int, touched: Value, include_self: bool) -> Value:
    """amax and amin: sources are written in rising (falling) order, and the last one at a place stays.

    All elements that equal the result share the gradient, as in torch.
    """
    order = p.argsort(u, dim=dim, descending=kind == "amin", stable=True)
    start = lowest(u.dtype) if kind == "amax" else highest(u.dtype)
    out = p.scatter(filled(x, start), p.gather(index, order, dim=dim), p.gather(u, order, dim=dim), dim=dim)
    if kind == "amin" and u.dtype.kind == "f":  # in falling order NaN comes first, where it would be written over
        wrong = p.scatter_add(filled_int(x, 0), index, cast(p.is_nan(u), dtypes.int64), dim=dim)
        out = p.where(p.gt(wrong, filled(wrong, 0)), filled(x, float("nan")), out)
    both = {"amax": p.maximum, "amin": p.minimum}[kind](out, x) if include_self else out
    out = p.where(touched, both, x)
    if not u.dtype.is_differentiable:
        return out

    def shared(gs, outs, x, u):
        (g,), (best,) = gs, outs
        own = p.eq(x, best)
        hit = p.eq(u, p.gather(best, index, dim=dim))
        count = p.scatter_add(cast(own, g.dtype), index, cast(hit, g.dtype), dim=dim)
        share = g / p.maximum(count, filled(count, 1))
        if not include_self:  # torch counts it all the same
            own = p.bitwise_and(own, p.logical_not(touched))
        zero = constant(0, u.shape, g.dtype)
        return p.where(own, share, filled(g, 0)), p.where(hit, p.gather(share, index, dim=dim), zero)

    return with_gradient([out], [x, u], shared)[0]


def products(x: Value, index: Value, u: Value, dim: int) -> Value:
    """For every place along `dim`, the product of the sources that point at it; 0 where none does.

    The sources are sorted by their place, and neighbours that go to one place multiplied: after k rounds each one
    holds the product of up to 2**k of them, and the last one of its place the whole.
    """
    order = p.argsort(index, dim=dim, descending=False, stable=True)
    place, value = p.gather(index, order, dim=dim), p.gather(u, order, dim=dim)
    n, step = u.shape[dim], 1

    def shifted(v: Value, by: int, fill) -> Value:
        """Element i - by at i."""
        part = section(v, dim, builtins.max(-by, 0), n - builtins.max(by, 0))
        before, behind = builtins.max(by, 0), builtins.max(-by, 0)
        low, high = ([k if d == dim else 0 for d in range(v.ndim)] for k in (before, behind))
        return padded(part, low, high, fill)

    while step < n:
        same = p.eq(place, shifted(place, step, -1))
        value = p.mul(value, p.where(same, shifted(value, step, 1), filled(value, 1)))
        step *= 2
    last = p.ne(place, shifted(place, -1, -1))
    return p.scatter_add(filled(x, 0), place, p.where(last, value, filled(value, 0)), dim=dim)


def filled_int(x: Value, n: int) -> Value:
    return constant(n, x.shape, dtypes.int64)


def mean_of(total: Value, n: Value) -> Value:
    if total.dtype.kind in "iu":
        return p.floor_divide(total, cast(n, total.dtype))
    return total / cast(n, total.dtype)


def lowest(dtype):
    """The start of a maximum."""
    if dtype.kind == "f":
        return float("-inf")
    return 0 if dtype.kind in "bu" else -(1 << (8 * dtype.itemsize - 1))


def highest(dtype):
    """The start of a minimum."""
    if dtype.kind == "f":
        return float("inf")
    return 1 if dtype.kind == "b" else (1 << (8 * dtype.itemsize - (dtype.kind == "i"))) - 1


@op(method=True)
def index_select(input, dim, index):
    """The elements of `dim` at a vector of indices."""
    at = one_dim("index_select", dim, input.ndim, input)
    if index.ndim > 1:
        raise DimError(message("index_select", "Index is supposed to be a vector", [("index", index)]))
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise DTypeError(message("index_select", "Expected dtype int32 or int64 for index", [("index", index)]))
    x = at_least(input, 1)
    n = x.shape[at]
    require_in_range(index, 0, n, f"index_select: index out of range for dimension {dim} with size {n}")
    out = p.take(x, at_least(index, 1), dim=at)
    return out if input.shape else p.reshape(out, shape=())


@op(method=True)
def take(input, index):
    """Elements of the flattened input. Shape: that of `index`."""
    if index.dtype.kind != "i":
        raise DTypeError(message("take", "expected a long tensor for index", [("index", index)]))
    n = numel(input.shape)
    if n == 0 and numel(index.shape):
        raise DimError(message("take", "cannot take from an empty tensor", [("input", input)]))
    flat = p.reshape(input, shape=(n,))
    return p.take(flat, wrapped(index, n, f"take: index is out of bounds for {n} elements"), dim=0)


@op(method=True)
def take_along_dim(input, indices, dim=None):
    """Like gather, with input and indices broadcast together; without `dim` both are flattened."""
    if indices.dtype.kind != "i":
        raise DTypeError(message("take_along_dim", "dtype of indices should be Long", [("indices", indices)]))
    if dim is None:
        return gather(reshaped(input, (numel(input.shape),)), 0, reshaped(indices, (numel(indices.shape),)))
    if input.ndim != indices.ndim:
        facts = [("input", input), ("indices", indices)]
        raise ShapeError(
            message("take_along_dim", "input and indices should have the same number of dimensions", facts)
        )
    at = one_dim("take_along_dim", dim, input.ndim, input)
    full = broadcast_sizes("take_along_dim", *((*x.shape[:at], 1, *x.shape[at + 1 :]) for x in (input, indices)))
    x, index = (expanded(v, full[:at] + (v.shape[at],) + full[at + 1 :]) for v in (input, indices))
    n = x.shape[at]
    index = wrapped(index, n, f"take_along_dim: index is out of bounds for dimension {dim} with size {n}")
    return p.gather(x, index, dim=at)


@op(method=True, inplace=True)
def put(input, index, source, accumulate=False):
    """`input` with `source` written (or added) at indices of the flattened input."""
    n = numel(input.shape)
    if source.dtype is not input.dtype:
        raise DTypeError(
            message("put", "expected source and input to have one dtype", [("input", input), ("source", source)])
        )
    if numel(index.shape) != numel(source.shape):
        facts = [("index", index), ("source", source)]
        raise DimError(message("put", "index and source must have the same number of elements", facts))
    flat = p.reshape(input, shape=(n,))
    if numel(index.shape) == 0:
        return p.identity(input)
    at = wrapped(reshaped(index, (numel(index.shape),)), n, f"put: index is out of bounds for {n} elements")
    u = reshaped(source, (numel(source.shape),))
    out = p.scatter_nd(flat, u, at, mode="add" if accumulate else "set")
    return reshaped(out, input.shape)


def _vector_index(call: str, x: Value, dim: int, index: Value) -> tuple[int, Value, Value]:
    at = one_dim(call, dim, x.ndim, x)
    if index.ndim > 1:
        raise DimError(message(call, "Index should have dimension 1 or 0", [("index", index)]))
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise DTypeError(message(call, "expected index to be int32 or int64", [("index", index)]))
    x1 = at_least(x, 1)
    n = x1.shape[at]
    require_in_range(index, 0, n, f"{call}: index out of range for dimension {dim} with size {n}")
    return at, x1, at_least(index, 1)


def _vector_source(call: str, x: Value, source: Value, index: Value, dim: int) -> Value:
    source = at_least(source, 1)
    if source.dtype is not x.dtype:
        raise DTypeError(
            message(call, "self and source must have the same scalar type", [("input", x), ("source", source)])
        )
    want = x.shape[:dim] + index.shape + x.shape[dim + 1 :]
    if source.shape != want:
        problem = f"source must have shape {want}: the input's, with as many elements along dim {dim} as the index"
        raise ShapeError(message(call, problem, [("source", source), ("index", index)]))
    return source


@op(method=True, inplace=True, scalars=("alpha",))
def index_add(input, dim, index, source, *, alpha=1):
    """`input` with alpha * source added at a vector of indices along `dim`."""
    at, x, index = _vector_index("index_add", input, dim, index)
    u = _vector_source("index_add", x, source, index, at)
    if not (is_number(alpha) and alpha == 1):
        u = p.mul(u, placed(alpha, u.dtype, u.shape))
    return reshaped(p.index_add(x, index, u, dim=at), input.shape)


@op(method=True, inplace=True)
def index_copy(input, dim, index, source):
    """`input` with source written at a vector of indices along `dim`."""
    at, x, index = _vector_index("index_copy", input, dim, index)
    u = _vector_source("index_copy", x, source, index, at)
    return reshaped(put_elements(x, [(at, index)], u, "set"), input.shape)


@op(method=True, inplace=True, scalars=("value",))
def index_fill(input, dim, index, value):
    """`input` with one value written at a vector of indices along `dim`."""
    at, x, index = _vector_index("index_fill", input, dim, index)
    if isinstance(value, Value) and value.shape:
        raise ArgumentError(message("index_fill", "only supports a 0-dimensional value tensor", [("value", value)]))
    n = x.shape[at]
    hits = p.index_add(constant(0, (n,), dtypes.int64), index, constant(1, index.shape, dtypes.int64), dim=0)
    chosen = p.broadcast(p.gt(hits, filled(hits, 0)), shape=x.shape, dims=(at,))
    return reshaped(p.where(chosen, placed(held("index_fill", value, x.dtype), x.dtype, x.shape), x), input.shape)


@op(method=True, inplace=True)
def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """Slices of source folded into input at a vector of indices: reduce is prod, mean, amax or amin."""
    at, x, index = _vector_index("index_reduce", input, dim, index)
    u = _vector_source("index_reduce", x, source, index, at)
    line = reshaped(index, (1,) * at + index.shape + (1,) * (x.ndim - at - 1))
    return reshaped(scatter_fold(reduce, x, expanded(line, u.shape), u, at, include_self), input.shape)


# --- masks ------------------------------------------------------------------------------------------------------------


def need_mask(call: str, mask: Value) -> Value:
    if mask.dtype.kind != "b":
        raise DTypeError(message(call, f"expected mask to be a bool tensor, got {mask.dtype.name}", [("mask", mask)],
                                 "compare first (mask != 0) or use mask.bool()"))  # fmt: skip
    return mask


@op(method=True, inplace=True, scalars=("value",))
def masked_fill(input, mask, value):
    """`input` with `value` where the mask holds; the mask is broadcast."""
    need_mask("masked_fill", mask)
    if isinstance(value, Value) and value.shape:
        problem = f"only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)"
        raise ArgumentError(message("masked_fill", problem, [("value", value)], "use where(mask, value, input)"))
    need_real_value("masked_fill", value, input.dtype)
    shape = broadcast_sizes("masked_fill", input.shape, mask.shape, facts=[("input", input), ("mask", mask)])
    x = expanded(input, shape)
    return p.where(expanded(mask, shape), placed(held("masked_fill", value, x.dtype), x.dtype, shape), x)


@op(method=True, inplace=True)
def masked_scatter(input, mask, source):
    """`input` with successive elements of `source` where the mask holds."""
    need_mask("masked_scatter", mask)
    if source.dtype is not input.dtype:
        facts = [("input", input), ("source", source)]
        raise DTypeError(message("masked_scatter", "expected self and source to have same dtypes", facts))
    shape = broadcast_sizes("masked_scatter", input.shape, mask.shape)
    x, mask = expanded(input, shape), expanded(mask, shape)
    n = numel(shape)
    if n == 0 or numel(source.shape) == 0:
        return p.identity(x)
    flat = reshaped(mask, (n,))
    order = p.cumsum(cast(flat, dtypes.int64), dim=0) - 1
    order = p.maximum(order, filled(order, 0))
    order = p.minimum(order, filled(order, numel(source.shape) - 1))
    taken = p.take(reshaped(source, (numel(source.shape),)), order, dim=0)
    return p.where(mask, reshaped(taken, shape), x)


# --- classes ----------------------------------------------------------------------------------------------------------


@op(top=False, name="one_hot", differentiable=False)
def one_hot_of(input, num_classes: int):
    """1 at the place each whole number names, 0 elsewhere. Shape: (*) -> (*, num_classes), int64."""
    what = f"one_hot: Class values must be smaller than num_classes = {num_classes} and not negative"
    require_in_range(input, 0, num_classes, what)
    places = p.iota(shape=input.shape + (num_classes,), dtype=dtypes.int64, dim=input.ndim)
    named = expanded(p.reshape(cast(input, dtypes.int64), shape=input.shape + (1,)), places.shape)
    return cast(p.eq(named, places), dtypes.int64)


@op(functional=True, top=False)
def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Rows of `weight` by number.

    Shape: input (*), weight (n, d) -> (*, d)
    padding_idx: the row that receives no gradient.
    Raises: DTypeError unless input holds int64 or int32.
    """
    if input.dtype.kind not in "iu":
        problem = (
            f"input must hold row numbers (int64 or int32), got {input.dtype.name} (Expected tensor for "
            "argument #1 'indices')"
        )
        cure = "convert it with input.long(); the numbers come first, the weight second"
        raise DTypeError(message("embedding", problem, [("input", input), ("weight", weight)], cure))
    if weight.ndim != 2:
        raise ShapeError(message("embedding", "'weight' must be 2-D", [("input", input), ("weight", weight)]))
    n = weight.shape[0]
    what = f"embedding: input must name one of the {n} rows of the weight (0 to {n - 1}); index out of range"
    require_in_range(input, 0, n, what)
    if padding_idx is not None:
        weight = without_gradient_at(weight, row_of("embedding", padding_idx, n))
    if max_norm is not None:
        weight = rows_bounded(weight, max_norm, norm_type)
    rows = p.take(weight, input if input.dtype is dtypes.int32 else cast(input, dtypes.int64), dim=0)
    return scaled_by_count(rows, weight, input) if scale_grad_by_freq else rows


def row_of(call: str, row: int, n: int) -> int:
    if not -n <= row < n:
        raise ArgumentError(message(call, f"padding_idx must be within the {n} rows of the weight, got {row}"))
    return row + n if row < 0 else row


def without_gradient_at(weight: Value, row: int) -> Value:
    """The same weight; no gradient reaches one row."""
    rows = p.iota(shape=weight.shape, dtype=dtypes.int64, dim=0)
    return p.where(p.eq(rows, filled(rows, row)), p.detach(weight), weight)


def rows_bounded(weight: Value, limit: float, order: float) -> Value:
    """Rows longer than `limit` scaled down to it."""
    size = p.abs(p.detach(weight))
    powers = p.pow(size, filled(size, order))
    length = p.reduce_sum(powers, dims=(1,))
    length = p.pow(length, filled(length, 1.0 / order))
    scale = p.where(p.gt(length, filled(length, limit)), limit / (length + 1e-7), filled(length, 1.0))
    return weight * expanded(p.reshape(scale, shape=(weight.shape[0], 1)), weight.shape)


def scaled_by_count(rows: Value, weight: Value, input: Value) -> Value:
    """The same rows; each row's gradient is divided by how often its number occurs."""
    flat = reshaped(cast(input, dtypes.int64), (numel(input.shape),))
    counts = p.index_add(
        constant(0, (weight.shape[0],), weight.dtype), flat, constant(1, flat.shape, weight.dtype), dim=0
    )
    share = p.take(counts, cast(input, dtypes.int64), dim=0)
    share = expanded(p.reshape(share, shape=input.shape + (1,)), rows.shape)
    return p.detach(rows - rows / share) + rows / share


# --- results whose size depends on the numbers ------------------------------------------------------------------------


def positions(x: Tensor) -> list[Tensor]:
    """Where `x` is not zero, one vector of indices for each dim; this looks at the values."""
    array = x.detach().numpy()
    return [Tensor.from_array(found) for found in np.nonzero(array if array.ndim else array.reshape(1))]


@front(method=True, out=True)
def nonzero(input: Tensor, *, as_tuple: bool = False):
    """Indices of the elements that are not zero. Shape: (n, dims), or a tuple of (n,) for each dim."""
    found = positions(input)
    if as_tuple:
        return tuple(found)
    if not input.ndim:
        return zeros(found[0].shape[0], 0, dtype=dtypes.int64)
    return stack(found, 1)


@front(method=True)
def argwhere(input: Tensor) -> Tensor:
    """Indices of the elements that are not zero. Shape: (n, dims)"""
    return nonzero(input)


@front()
def where(condition: Tensor, input=None, other=None):
    """`input` where `condition` holds, else `other`; with the condition alone, the indices where it holds.

    Shape: all three broadcast together.
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    return choose(condition, input, other)


@front(method=True, top=False, name="where")
def where_method(input: Tensor, condition: Tensor, other) -> Tensor:
    """x.where(condition, other): x where `condition` holds, else `other`."""
    return choose(condition, input, other)


@front(method=True, out=True)
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, in one dim; both are broadcast."""
    if mask.dtype is not dtypes.bool_:
        raise DTypeError(
            message("masked_select", f"expected BoolTensor for mask, got {mask.dtype.name}", [("mask", mask)])
        )
    shape = broadcast_sizes("masked_select", tuple(input.shape), tuple(mask.shape))
    found = positions(broadcast_to(mask, shape))
    if not shape:
        return get_elements(broadcast_to(input, (1,)), (found[0],))
    return get_elements(broadcast_to(input, shape), tuple(found))


@front(functional=True, top=False)
def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the place each whole number names, 0 elsewhere. Shape: (*) -> (*, num_classes), int64.

    num_classes: -1 takes one more than the largest number, which looks at the values.
    """
    if input.dtype is not dtypes.int64:
        problem = f"is only applicable to index tensor of type LongTensor, got {input.dtype.name}"
        raise DTypeError(message("one_hot", problem, [("input", input)], "convert it: input.long()"))
    if num_classes == -1:
        if not input.numel():
            raise ArgumentError(message("one_hot", "Can not infer total number of classes from empty tensor."))
        num_classes = int(input.max()) + 1
    if num_classes < 1 and input.numel():
        raise ArgumentError(message("one_hot", f"num_classes should be positive, got {num_classes}"))
    return one_hot_of(input, num_classes)


@front(method=True)
def repeat_interleave(input: Tensor, repeats=None, dim=None, *, output_size=None, axis=None) -> Tensor:
    """Every element several times in a row: `repeats` times each, or as often as a tensor of counts says."""
    dim = axis if dim is None else dim
    if repeats is None:  # counts alone: the indices themselves
        return Tensor.from_array(np.repeat(np.arange(input.numel()), input.detach().numpy()))
    if not isinstance(repeats, Tensor):
        return repeat_each(input, repeats, dim)
    counts = repeats.detach().numpy().reshape(-1)
    x = input.reshape(-1) if dim is None else input
    at = 0 if dim is None else dim
    if counts.size == 1:
        return repeat_each(x, int(counts[0]), at)
    if counts.size != x.shape[at]:
        problem = f"repeats must have the same size as input along dim, got {counts.size} and {x.shape[at]}"
        raise ShapeError(message("repeat_interleave", problem, [("input", input), ("repeats", repeats)]))
    return index_select(x, at, Tensor.from_array(np.repeat(np.arange(counts.size), counts)))


@front(method=True)
def narrow(input: Tensor, dim, start, length) -> Tensor:
    """`length` elements from `start` on along `dim`; `start` may be a 0-d tensor, which is looked at."""
    if isinstance(start, Tensor):
        if start.ndim or start.dtype.kind not in "iu":
            raise ArgumentError(message("narrow", "start must be a 0-dim integral Tensor", [("start", start)]))
        start = int(start)
    return narrow_at(input, dim, start.__index__(), length.__index__())


@front(method=True)
def tensor_split(input: Tensor, indices_or_sections=None, dim=0, *, indices=None, sections=None, axis=None):
    """Parts along `dim`: a number of them, nearly equal, or cut at the given indices (numbers or a tensor)."""
    dim = dim if axis is None else axis
    where = next((v for v in (indices_or_sections, indices, sections) if v is not None), None)
    if where is None:
        raise TypeError("tensor_split() missing a required argument: 'indices_or_sections'")
    if isinstance(where, Tensor):
        if where.dtype is not dtypes.int64 or where.ndim > 1:
            problem = "expected tensor_indices_or_sections to be a zero or one-dimensional int64 tensor"
            raise ArgumentError(message("tensor_split", problem, [("indices_or_sections", where)]))
        where = where.tolist()
    return tensor_split_at(input, where, dim)


def with_positions(indices) -> tuple:
    """Masks among the index tensors as positions."""
    made = []
    for index in indices:
        made += positions(index) if isinstance(index, Tensor) and index.dtype is dtypes.bool_ else [index]
    return tuple(made)


@front(method=True)
def index_put(input: Tensor, indices, values: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `values` written (or added) at a tuple of index tensors or masks."""
    return index_put_at(input, with_positions(indices), values, accumulate)


@front(method=True)
def index_put_(input: Tensor, indices, values: Tensor, accumulate: bool = False) -> Tensor:
    """`values` written (or added) into `input` at a tuple of index tensors or masks."""
    return index_put_at.inplace(input, with_positions(indices), values, accumulate)
