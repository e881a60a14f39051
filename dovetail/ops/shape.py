"""Ops that move elements without computing: reshape, permute, slice, join, cut."""

from __future__ import annotations

import builtins
from collections.abc import Callable

import numpy as np

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, DimError, DTypeError, ShapeError, message
from dovetail.ir.core import Value, building
from dovetail.ops.dims import Shape, broadcast_sizes, listed_dims, numel, one_dim, sizes_of
from dovetail.ops.promote import cast, constant, expanded, filled
from dovetail.tensor.op import op

# --- sizes ------------------------------------------------------------------------------------------------------------


def fitted_shape(call: str, x: Value, sizes: Shape) -> Shape:
    """`sizes` with a -1 worked out. Raises ShapeError unless the number of elements stays the same."""
    total, unknown = numel(x.shape), [d for d, n in enumerate(sizes) if n == -1]
    bad = [n for n in sizes if n < -1]
    if len(unknown) > 1 or bad:
        why = "only one size may be -1 (only one dimension can be inferred)" if not bad else f"invalid size {bad[0]}"
        raise ShapeError(message(call, f"{why}, got {sizes}", [("input", x)]))
    if unknown:
        known = numel(n for n in sizes if n != -1)
        if known == 0:
            problem = (
                f"-1 cannot be worked out beside a size 0: {sizes} is ambiguous (unspecified dimension size "
                "-1 can be any value)"
            )
            raise ShapeError(message(call, problem, [("input", x)]))
        if total % known == 0:
            return tuple(total // known if n == -1 else n for n in sizes)
    elif numel(sizes) == total:
        return sizes
    problem = f"shape '{list(sizes)}' is invalid for input of size {total}: {sizes} does not hold its {total} elements"
    raise ShapeError(message(call, problem, [("input", x)], reshape_cure(x, sizes)))


def reshape_cure(x: Value, sizes: Shape) -> str:
    """The change that most likely was meant: keep dim 0 and let the last size be worked out."""
    if x.ndim > 1 and len(sizes) == 2:
        return f"x.reshape({x.shape[0]}, -1), or x.flatten(1), makes {(x.shape[0], numel(x.shape[1:]))}"
    return "use -1 for the one size that is to be worked out: x.reshape(-1)"


def reshaped(x: Value, shape: Shape) -> Value:
    return x if x.shape == tuple(shape) else p.reshape(x, shape=tuple(shape))


def permuted(x: Value, order) -> Value:
    order = tuple(order)
    return x if order == tuple(range(x.ndim)) else p.transpose(x, perm=order)


def moved(x: Value, source: int, target: int) -> Value:
    """`x` with one dim at another place."""
    order = [d for d in range(x.ndim) if d != source]
    order.insert(target, source)
    return permuted(x, order)


def section(x: Value, dim: int, start: int, stop: int, step: int = 1) -> Value:
    """x[start:stop:step] along one dim; bounds are inside the size."""
    if start == 0 and stop == x.shape[dim] and step == 1:
        return x
    starts = tuple(start if d == dim else 0 for d in range(x.ndim))
    stops = tuple(stop if d == dim else n for d, n in enumerate(x.shape))
    steps = tuple(step if d == dim else 1 for d in range(x.ndim))
    return p.slice(x, starts=starts, stops=stops, steps=steps)


def joined(xs: list[Value], dim: int) -> Value:
    return xs[0] if len(xs) == 1 else p.concat(*xs, dim=dim)


def padded(x: Value, low, high, value=0) -> Value:
    """`x` with `low` and `high` more elements at each dim's ends."""
    if not builtins.any(low) and not builtins.any(high):
        return x
    return p.pad(x, low=tuple(low), high=tuple(high), value=value)


@op(method=True, view=True, copies="strided")
def reshape(input, *given, shape=None):
    """The same elements in the same order under another shape; one size may be -1.

    Raises: ShapeError if the number of elements would change.
    """
    return reshaped(input, fitted_shape("reshape", input, sizes_of("reshape", given if shape is None else (shape,))))


@op(top=False, view=True, copies="refused", also=("Tensor.view",))
def view(input, *shape):
    """Like reshape; with a dtype instead of sizes, the same bits read as that dtype."""
    if len(shape) == 1 and isinstance(shape[0], (dtypes.DType, str)):
        return bits_as(input, dtypes.as_dtype(shape[0]))
    return reshaped(input, fitted_shape("view", input, sizes_of("view", shape)))


def bits_as(x: Value, dtype: dtypes.DType) -> Value:
    """The same bits as another dtype; the last size changes with the width."""
    if dtype is x.dtype:
        return x
    if dtype.itemsize == x.dtype.itemsize:
        return p.bitcast(x, dtype=dtype)
    if not x.shape or (x.shape[-1] * x.dtype.itemsize) % dtype.itemsize:
        problem = f"the last size times {x.dtype.itemsize} bytes must be a multiple of {dtype.itemsize}"
        raise ShapeError(message("view", problem, [("input", x)]))
    return p.bitcast(x, dtype=dtype)


@op(view=True, differentiable=False)
def detach(input):
    """The same numbers, cut off from the gradient."""
    return p.detach(input)


@op(method=True, view=True, copies="strided")
def reshape_as(input, other):
    """`input` under the shape of `other`."""
    return reshaped(input, fitted_shape("reshape_as", input, other.shape))


@op(method=True, view=True, copies="refused")
def view_as(input, other):
    """`input` under the shape of `other`."""
    return reshaped(input, fitted_shape("view_as", input, other.shape))


@op(method=True, view=True, copies="strided")
def flatten(input, start_dim=0, end_dim=-1):
    """Dims `start_dim` to `end_dim` made into one. Shape: (a, b, c) -> (a b c), or (a, b c) with start_dim=1."""
    first, last = (one_dim("flatten", d, input.ndim, input) for d in (start_dim, end_dim))
    if first > last:
        raise ArgumentError(
            message("flatten", f"start_dim {start_dim} lies behind end_dim {end_dim}", [("input", input)])
        )
    if not input.shape:
        return p.reshape(input, shape=(1,))
    return reshaped(input, input.shape[:first] + (numel(input.shape[first : last + 1]),) + input.shape[last + 1 :])


@op(method=True, view=True)
def unflatten(input, dim, sizes):
    """One dim cut into several; one of `sizes` may be -1."""
    at = one_dim("unflatten", dim, input.ndim, input)
    sizes = sizes_of("unflatten", tuple(sizes) if not isinstance(sizes, int) else (sizes,))
    known = numel(n for n in sizes if n != -1)
    n = input.shape[at]
    if -1 in sizes and known and n % known == 0:
        sizes = tuple(n // known if s == -1 else s for s in sizes)
    if not sizes or numel(sizes) != n:
        problem = f"sizes {sizes} do not multiply to the size {n} of dim {dim}"
        raise ShapeError(message("unflatten", problem, [("input", input)]))
    return reshaped(input, input.shape[:at] + sizes + input.shape[at + 1 :])


@op(method=True, view=True, copies="unordered")
def ravel(input):
    """All elements in one dim."""
    return reshaped(input, (numel(input.shape),))


@op(method=True, view=True)
def squeeze(input, dim=None):
    """Dims of size 1 removed: all of them, or only those named."""
    dims = range(input.ndim) if dim is None else listed_dims("squeeze", dim, input.ndim, input)
    gone = {d for d in dims if d < input.ndim and input.shape[d] == 1}
    return reshaped(input, tuple(n for d, n in enumerate(input.shape) if d not in gone))


@op(method=True, view=True)
def unsqueeze(input, dim):
    """A dim of size 1 put in at `dim`."""
    at = one_dim("unsqueeze", dim, input.ndim + 1, input)
    return p.reshape(input, shape=input.shape[:at] + (1,) + input.shape[at:])


@op(method=True, view=True)
def expand(input, *given, size=None):
    """Dims of size 1 repeated to `size`, without copying; -1 keeps a size."""
    sizes = sizes_of("expand", given if size is None else (size,))
    return expanded(input, expand_shape("expand", input, sizes))


def expand_shape(call: str, x: Value, sizes: Shape) -> Shape:
    """The target of expand with its -1 filled in."""
    lead = len(sizes) - x.ndim
    if lead < 0:
        problem = f"{len(sizes)} sizes {sizes} for an input with {x.ndim} dims; there must be at least as many"
        raise ShapeError(message(call, problem, [("input", x)]))
    result = []
    for d, n in enumerate(sizes):
        have = x.shape[d - lead] if d >= lead else None
        if n == -1 and have is None:
            raise ShapeError(message(call, f"-1 is not allowed at the new leading dim {d} of {sizes}", [("input", x)]))
        n = have if n == -1 else n
        if n < 0:
            raise ShapeError(message(call, f"a size cannot be negative, got {sizes}", [("input", x)]))
        if have is not None and have != 1 and have != n:
            problem = (
                f"dim {d} would grow from {have} to {n}; only dims of size 1 expand (must match the existing size)"
            )
            raise ShapeError(message(call, problem, [("input", x), ("size", str(sizes))]))
        result.append(n)
    return tuple(result)


@op(method=True, view=True)
def expand_as(input, other):
    """`input` expanded to the shape of `other`."""
    return expanded(input, expand_shape("expand_as", input, other.shape))


@op(method=True, view=True)
def broadcast_to(input, size):
    """`input` broadcast to `size`."""
    return expanded(input, expand_shape("broadcast_to", input, sizes_of("broadcast_to", (size,))))


@op(view=True)
def broadcast_tensors(*tensors):
    """All tensors broadcast to their common shape."""
    xs = listed(tensors)
    shape = broadcast_sizes("broadcast_tensors", *(x.shape for x in xs))
    return tuple(expanded(x, shape) for x in xs)


def listed(tensors) -> list[Value]:
    """f(a, b) and f([a, b]) alike."""
    return list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else list(tensors)


# --- order of dims ----------------------------------------------------------------------------------------------------


@op(method=True, view=True)
def permute(input, *given, dims=None):
    """Dims in another order. Shape: (a, b, c) with dims (2, 0, 1) -> (c, a, b)."""
    order = sizes_of("permute", given if dims is None else (dims,))
    if len(order) != input.ndim:
        problem = f"the input has {input.ndim} dims, {len(order)} were named: {order}"
        raise ShapeError(message("permute", problem, [("input", input)], "name every dim once"))
    order = tuple(one_dim("permute", d, input.ndim, input) for d in order)
    if len(set(order)) != len(order):
        raise ShapeError(message("permute", f"duplicate dims are not allowed: {order}", [("input", input)]))
    return permuted(input, order)


@op(
    method=True,
    view=True,
    also=("swapaxes", "swapdims"),
)
def transpose(input, dim0, dim1):
    """Two dims exchanged."""
    return swapped("transpose", input, dim0, dim1)


def swapped(call: str, x: Value, dim0: int, dim1: int) -> Value:
    a, b = (one_dim(call, d, x.ndim, x) for d in (dim0, dim1))
    order = list(range(x.ndim))
    if order:
        order[a], order[b] = order[b], order[a]
    return permuted(x, order)


@op(method=True, view=True)
def t(input):
    """The transpose of a matrix; vectors stay."""
    if input.ndim > 2:
        problem = f"takes tensors with at most 2 dims, got {input.ndim}"
        raise ShapeError(
            message("t", problem, [("input", input)], "use .mT or .transpose(-2, -1) for stacks of matrices")
        )
    return permuted(input, range(input.ndim)[::-1])


@op(method=True, view=True, also=("moveaxis",))
def movedim(input, source, destination):
    """Dims moved to other places, the rest in their order."""
    origin = listed_dims("movedim", source, input.ndim, input)
    target = listed_dims("movedim", destination, input.ndim, input)
    if len(origin) != len(target):
        problem = f"source {source} and destination {destination} must name equally many dims"
        raise ArgumentError(message("movedim", problem, [("input", input)]))
    order = [d for d in range(input.ndim) if d not in origin]
    for t_, s in sorted(zip(target, origin, strict=True)):
        order.insert(t_, s)
    return permuted(input, order)


@op(top=False, view=True, name="T", also=("property.T",))
def reversed_dims(input):
    """The dims in reverse order: the property .T."""
    return permuted(input, range(input.ndim)[::-1])


@op(top=False, view=True, name="mT", also=("property.mT",))
def matrix_transpose(input):
    """The last two dims exchanged: the property .mT."""
    if input.ndim < 2:
        raise ShapeError(message("mT", "needs at least 2 dims", [("input", input)]))
    return swapped("mT", input, -2, -1)


@op(method=True, view=True, also=("property.mH", "property.H"))
def adjoint(input):
    """The last two dims exchanged, complex numbers conjugated: also the properties .mH and .H."""
    if input.ndim < 2:
        raise ShapeError(message("adjoint", "needs at least 2 dims", [("input", input)]))
    turned = swapped("adjoint", input, -2, -1)
    return p.conj(turned) if turned.dtype.kind == "c" else turned


@op(method=True)
def flip(input, *given, dims=None):
    """The order of elements reversed along each of `dims`."""
    return flipped(input, listed_dims("flip", sizes_of("flip", given if dims is None else (dims,)), input.ndim, input))


def flipped(x: Value, dims) -> Value:
    if not x.shape or not dims:
        return p.identity(x)
    turn = set(dims)
    starts = tuple(n - 1 if d in turn else 0 for d, n in enumerate(x.shape))
    stops = tuple(-1 if d in turn else n for d, n in enumerate(x.shape))
    return p.slice(x, starts=starts, stops=stops, steps=tuple(-1 if d in turn else 1 for d in range(x.ndim)))


@op(method=True)
def fliplr(input):
    """The order reversed along dim 1."""
    if input.ndim < 2:
        raise ShapeError(message("fliplr", "needs at least 2 dims (Input must be >= 2-d)", [("input", input)]))
    return flipped(input, (1,))


@op(method=True)
def flipud(input):
    """The order reversed along dim 0."""
    if input.ndim < 1:
        raise ShapeError(message("flipud", "needs at least 1 dim (Input must be >= 1-d)", [("input", input)]))
    return flipped(input, (0,))


@op(method=True)
def rot90(input, k=1, dims=(0, 1)):
    """Turned by 90 degrees `k` times, from the first of `dims` towards the second."""
    if len(dims) != 2 or input.ndim < 2:
        raise ArgumentError(
            message("rot90", f"turns in a plane of two dims, got dims {list(dims)}", [("input", input)])
        )
    a, b = (one_dim("rot90", d, input.ndim, input) for d in dims)
    if a == b:
        raise ArgumentError(message("rot90", f"the two dims must differ, got {list(dims)}", [("input", input)]))
    k %= 4
    if k == 0:
        return p.identity(input)
    if k == 2:
        return flipped(input, (a, b))
    turned = swapped("rot90", flipped(input, (b,)) if k == 1 else input, a, b)
    return turned if k == 1 else flipped(turned, (b,))


@op(method=True)
def roll(input, shifts, dims=None):
    """Elements moved along `dims`; what leaves at one end enters at the other."""
    shifts = (shifts,) if isinstance(shifts, (int, np.integer)) else tuple(shifts)
    if dims is None or (not isinstance(dims, int) and not tuple(dims)):
        if len(shifts) != 1:
            raise ArgumentError(message("roll", "without dims, shifts must be one number", [("input", input)]))
        return reshaped(rolled(reshaped(input, (numel(input.shape),)), shifts[0], 0), input.shape)
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(shifts) != len(dims):
        raise ArgumentError(message("roll", f"shifts and dims must align, got {shifts} and {dims}", [("input", input)]))
    if not input.shape:
        raise DimError(message("roll", "a 0-d tensor has no dim to move along", [("input", input)]))
    x = input
    for shift, dim in zip(shifts, dims, strict=True):
        x = rolled(x, shift, one_dim("roll", dim, x.ndim, x))
    return x


def rolled(x: Value, shift: int, dim: int) -> Value:
    n = x.shape[dim] if x.shape else 0
    if n == 0 or shift % n == 0:
        return p.identity(x)
    cut = n - shift % n
    return p.concat(section(x, dim, cut, n), section(x, dim, 0, cut), dim=dim)


# --- parts ------------------------------------------------------------------------------------------------------------


@op(top=False, view=True, name="narrow")
def narrow_at(input, dim, start, length):
    """`length` elements from `start` on along `dim`."""
    at = one_dim("narrow", dim, input.ndim, input)
    n = input.shape[at] if input.shape else 0
    if not input.shape:
        raise ShapeError(message("narrow", "cannot be applied to a 0-d tensor", [("input", input)]))
    if not -n <= start <= n:
        raise DimError(message("narrow", f"start {start} lies outside the size {n} of dim {dim}", [("input", input)]))
    start = start + n if start < 0 else start
    if length < 0 or start + length > n:
        problem = f"start ({start}) + length ({length}) exceeds dimension size ({n}) of dim {dim}"
        raise ShapeError(message("narrow", problem, [("input", input)]))
    return section(input, at, start, start + length)


@op(method=True, view=True, numbers=("index",))
def select(input, dim, index):
    """One element along `dim`, which is removed."""
    at = one_dim("select", dim, input.ndim, input)
    if not input.shape:
        raise DimError(message("select", "cannot be applied to a 0-d tensor", [("input", input)]))
    n = input.shape[at]
    if not -n <= index < n:
        raise DimError(message("select", f"index {index} out of range for dim {dim} of size {n}", [("input", input)]))
    index = index + n if index < 0 else index
    part = section(input, at, index, index + 1)
    return p.reshape(part, shape=input.shape[:at] + input.shape[at + 1 :])


def cut(call: str, x: Value, sizes, dim: int) -> tuple[Value, ...]:
    """Parts of the given sizes along a dim."""
    parts, start = [], 0
    for n in sizes:
        parts.append(section(x, dim, start, start + n))
        start = start + n
    return tuple(parts)


@op(method=True, view=True, parts="refuse")
def split(input, split_size_or_sections, dim=0):
    """Parts of one size (the last may be smaller), or of the sizes in a list, along `dim`."""
    at = one_dim("split", dim, input.ndim, input)
    if not input.shape:
        raise ShapeError(message("split", "expects at least a 1-dimensional tensor", [("input", input)]))
    return cut("split", input, split_sizes("split", input, split_size_or_sections, at), at)


def split_sizes(call: str, x: Value, size, dim: int) -> list[int]:
    n = x.shape[dim]
    if isinstance(size, (int, np.integer)):
        if size < 0 or (size == 0 and n):
            raise ShapeError(message(call, f"split_size must be positive, got {size}", [("input", x)]))
        if n == 0 or size == 0:
            return [0]
        return [builtins.min(size, n - start) for start in range(0, n, size)]
    sizes = list(size)
    if builtins.sum(sizes) != n or builtins.any(s < 0 for s in sizes):
        problem = f"the sizes {sizes} sum to {builtins.sum(sizes)}, dim {dim} has size {n}"
        raise ShapeError(message(call, problem, [("input", x)], "the sizes must sum to the size of the dim"))
    return sizes


@op(method=True, view=True, parts="free")
def unsafe_split(input, split_size, dim=0):
    """As split; the parts may be written while gradients are recorded."""
    return split(input, split_size, dim)


@op(method=True, view=True, parts="refuse")
def split_with_sizes(input, split_sizes, dim=0):
    """Parts of the given sizes along `dim`."""
    return split(input, list(split_sizes), dim)


@op(method=True, view=True, parts="free")
def unsafe_split_with_sizes(input, split_sizes, dim=0):
    """As split_with_sizes; the parts may be written while gradients are recorded."""
    return split(input, list(split_sizes), dim)


@op(method=True, view=True, parts="refuse")
def chunk(input, chunks, dim=0):
    """At most `chunks` parts of equal size along `dim`; the last may be smaller."""
    at = one_dim("chunk", dim, input.ndim, input)
    if chunks <= 0:
        raise ArgumentError(message("chunk", f"chunks must be greater than 0, got {chunks}", [("input", input)]))
    if not input.shape:
        raise ShapeError(message("chunk", "expects at least a 1-dimensional tensor", [("input", input)]))
    n = input.shape[at]
    size = -(-n // chunks)
    return cut("chunk", input, [0] * chunks if n == 0 else split_sizes("chunk", input, size, at), at)


@op(method=True, view=True, parts="free")
def unsafe_chunk(input, chunks, dim=0):
    """As chunk; the parts may be written while gradients are recorded."""
    return chunk(input, chunks, dim)


@op(top=False, view=True, name="tensor_split")
def tensor_split_at(input, indices_or_sections, dim=0):
    """Parts along `dim`: a number of them, nearly equal, or cut at the given indices."""
    at = one_dim("tensor_split", dim, input.ndim, input)
    if not input.shape:
        raise ShapeError(message("tensor_split", "expects at least a 1-dimensional tensor", [("input", input)]))
    return cut_at("tensor_split", input, indices_or_sections, at)


def cut_at(call: str, x: Value, where, dim: int) -> tuple[Value, ...]:
    n = x.shape[dim]
    if isinstance(where, (int, np.integer)):
        if where <= 0:
            raise ArgumentError(
                message(call, f"the number of sections must be larger than 0, got {where}", [("input", x)])
            )
        return cut(call, x, [n // where + (1 if i < n % where else 0) for i in range(where)], dim)
    edges = [0, *(builtins.max(0, builtins.min(i + n if i < 0 else i, n)) for i in where), n]
    parts = []
    for a, b in zip(edges, edges[1:], strict=False):
        parts.append(section(x, dim, a, builtins.max(a, b)))
    return tuple(parts)


def _cut_exactly(call: str, x: Value, where, dim: int, least: int) -> tuple[Value, ...]:
    if x.ndim < least:
        raise ShapeError(message(call, f"requires a tensor with at least {least} dims", [("input", x)]))
    if isinstance(where, (int, np.integer)) and (where <= 0 or x.shape[dim] % where):
        problem = f"dim {dim} of size {x.shape[dim]} does not divide into {where} equal parts"
        raise ShapeError(message(call, problem, [("input", x)]))
    return cut_at(call, x, where, dim)


@op(method=True, view=True)
def hsplit(input, indices_or_sections):
    """Parts along dim 1 (dim 0 of a vector)."""
    return _cut_exactly("hsplit", input, indices_or_sections, 1 if input.ndim > 1 else 0, 1)


@op(method=True, view=True)
def vsplit(input, indices_or_sections):
    """Parts along dim 0."""
    return _cut_exactly("vsplit", input, indices_or_sections, 0, 2)


@op(method=True, view=True)
def dsplit(input, indices_or_sections):
    """Parts along dim 2."""
    return _cut_exactly("dsplit", input, indices_or_sections, 2, 3)


@op(method=True, view=True, parts="refuse")
def unbind(input, dim=0):
    """The elements along `dim`, which is removed, as a tuple."""
    at = one_dim("unbind", dim, input.ndim, input)
    if not input.shape:
        raise DimError(
            message(
                "unbind", "cannot be applied to a 0-d tensor (Dimension specified as 0 but tensor has no dimensions)"
            )
        )
    rest = input.shape[:at] + input.shape[at + 1 :]
    return tuple(p.reshape(section(input, at, i, i + 1), shape=rest) for i in range(input.shape[at]))


@op(method=True, view=True)
def diagonal(input, offset=0, dim1=0, dim2=1):
    """The diagonal of two dims as a new last dim; `offset` counts to the right."""
    a, b = (one_dim("diagonal", d, input.ndim, input) for d in (dim1, dim2))
    if a == b:
        raise ArgumentError(
            message("diagonal", f"diagonal dimensions cannot be identical: {dim1}, {dim2}", [("input", input)])
        )
    rest = [d for d in range(input.ndim) if d not in (a, b)]
    x = permuted(input, [*rest, a, b])
    rows, columns = x.shape[-2:]
    top, left = builtins.max(-offset, 0), builtins.max(offset, 0)
    n = builtins.max(builtins.min(rows - top, columns - left), 0)
    return p.diagonal(x, starts=(top, left) if n else (0, 0), size=n)


# --- joining ----------------------------------------------------------------------------------------------------------


def one_kind(call: str, xs: list[Value]) -> list[Value]:
    """Tensors in their common dtype. Raises for an empty list."""
    if not xs:
        raise ArgumentError(message(call, "expected a non-empty list of tensors"))
    dtype = dtypes.result_dtype([(x.dtype, 2 if x.shape else 1) for x in xs])
    return [cast(x, dtype) for x in xs]


@op(also=("concat", "concatenate"))
def cat(tensors, dim=0):
    """Tensors joined along an existing dim; all other sizes must agree.

    Shape: [(a, c), (b, c)] -> (a + b, c)
    Raises: ShapeError if another size differs.
    """
    if isinstance(tensors, Value):
        problem = "argument 'tensors' must be tuple of Tensors, not Tensor"
        raise TypeError(message("cat", problem, [("tensors", tensors)]))
    for i, x in enumerate(tensors):
        if not isinstance(x, Value):
            raise TypeError(message("cat", f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}"))
    xs = one_kind("cat", list(tensors))
    for i, x in enumerate(xs):
        if x.ndim == 0:
            raise ShapeError(
                message(
                    "cat",
                    f"zero-dimensional tensor (at position {i}) cannot be concatenated",
                    [("tensor", x)],
                    "use stack, which makes a new dim",
                )
            )
    full = [x for x in xs if x.shape != (0,)] or xs[:1]
    at = one_dim("cat", dim, full[0].ndim, full[0])
    for x in full[1:]:
        check_joinable("cat", full[0], x, at)
    return p.identity(full[0]) if len(full) == 1 else p.concat(*full, dim=at)


def check_joinable(call: str, a: Value, b: Value, dim: int) -> None:
    """All sizes but the joined one must agree."""
    facts = [("first", a), ("other", b)]
    if a.ndim != b.ndim:
        raise ShapeError(
            message(call, f"Tensors must have same number of dimensions: got {a.ndim} and {b.ndim}", facts)
        )
    for d, (m, n) in enumerate(zip(a.shape, b.shape, strict=True)):
        if d != dim and m != n:
            cure = f"only the joined dim {dim} may differ"
            if a.shape[:dim] == b.shape[:dim] or a.ndim == 2:
                cure += f"; to join along dim {d} use dim={d}"
            raise ShapeError(
                message(
                    call, f"Sizes of tensors must match except in dimension {dim}: {m} and {n} at dim {d}", facts, cure
                )
            )


@op()
def stack(tensors, dim=0):
    """Tensors of one shape joined along a new dim. Shape: k of (a, b) -> (k, a, b)."""
    xs = one_kind("stack", list(tensors))
    at = one_dim("stack", dim, xs[0].ndim + 1, xs[0])
    for x in xs[1:]:
        if x.shape != xs[0].shape:
            raise ShapeError(
                message("stack", "stack expects each tensor to be equal size", [("first", xs[0]), ("other", x)])
            )
    return stacked(xs, at)


def stacked(xs: list[Value], dim: int) -> Value:
    shape = xs[0].shape[:dim] + (1,) + xs[0].shape[dim:]
    return joined([p.reshape(x, shape=shape) for x in xs], dim)


def at_least(x: Value, rank: int) -> Value:
    """1-d, 2-d or 3-d at least, with new dims where NumPy puts them."""
    shape = x.shape
    if rank >= 1 and not shape:
        shape = (1,)
    if rank >= 2 and len(shape) == 1:
        shape = (1, *shape)
    if rank >= 3 and len(shape) == 2:
        shape = (*shape, 1)
    return reshaped(x, shape)


def _each(tensors, rank: int):
    if len(tensors) == 1 and isinstance(tensors[0], Value):
        return at_least(tensors[0], rank)
    return tuple(at_least(x, rank) for x in listed(tensors))


@op(view=True)
def atleast_1d(*tensors):
    """Each tensor with at least 1 dim."""
    return _each(tensors, 1)


@op(view=True)
def atleast_2d(*tensors):
    """Each tensor with at least 2 dims."""
    return _each(tensors, 2)


@op(view=True)
def atleast_3d(*tensors):
    """Each tensor with at least 3 dims."""
    return _each(tensors, 3)


@op()
def hstack(tensors):
    """Joined along dim 1 (dim 0 for vectors)."""
    xs = one_kind("hstack", [at_least(x, 1) for x in tensors])
    return cat(xs, 0 if xs[0].ndim == 1 else 1)


@op(also=("row_stack",))
def vstack(tensors):
    """Joined along dim 0, vectors as rows."""
    return cat(one_kind("vstack", [at_least(x, 2) for x in tensors]), 0)


@op()
def dstack(tensors):
    """Joined along dim 2."""
    return cat(one_kind("dstack", [at_least(x, 3) for x in tensors]), 2)


@op()
def column_stack(tensors):
    """Joined along dim 1, vectors as columns."""
    columns = [reshaped(x, (numel(x.shape), 1)) if x.ndim < 2 else x for x in tensors]
    return cat(one_kind("column_stack", columns), 1)


@op()
def block_diag(*tensors):
    """Matrices along the diagonal of a larger one, zeros elsewhere."""
    xs = [at_least(x, 2) for x in listed(tensors)] or [constant(0, (1, 0), dtypes.default_dtype())]
    for x in xs:
        if x.ndim > 2:
            raise ShapeError(message("block_diag", "Input tensors must have 2 or fewer dimensions", [("tensor", x)]))
    xs = one_kind("block_diag", xs)
    width, left, rows = builtins.sum(x.shape[1] for x in xs), 0, []
    for x in xs:
        rows.append(padded(x, (0, left), (0, width - left - x.shape[1])))
        left += x.shape[1]
    return joined(rows, 0)


@op(method=True)
def repeat(input, *given, repeats=None):
    """The tensor laid side by side `repeats` times along each dim; new dims come in front."""
    times = sizes_of("repeat", given if repeats is None else (repeats,))
    if len(times) < input.ndim:
        problem = (
            f"{len(times)} repeats {times} for {input.ndim} dims (Number of dimensions of repeat dims can "
            "not be smaller)"
        )
        raise ShapeError(message("repeat", problem, [("input", input)]))
    if builtins.any(n < 0 for n in times):
        raise ShapeError(
            message("repeat", f"Trying to create tensor with negative dimension {times}", [("input", input)])
        )
    return tiled(input, times)


def tiled(x: Value, times: Shape) -> Value:
    sizes = (1,) * (len(times) - x.ndim) + x.shape
    apart = tuple(n for pair in zip((1,) * len(times), sizes, strict=True) for n in pair)
    spread = tuple(n for pair in zip(times, sizes, strict=True) for n in pair)
    x = expanded(p.reshape(x, shape=apart), spread)
    return p.reshape(x, shape=tuple(t_ * n for t_, n in zip(times, sizes, strict=True)))


@op(method=True)
def tile(input, *given, dims=None):
    """Like repeat; missing leading numbers count as 1."""
    times = sizes_of("tile", given if dims is None else (dims,))
    return tiled(input, (1,) * (input.ndim - len(times)) + times)


@op(top=False, name="repeat_interleave")
def repeat_each(input, repeats: int, dim=None):
    """Every element `repeats` times in a row, along `dim` or in the flattened input."""
    x = reshaped(input, (numel(input.shape),)) if dim is None else input
    at = 0 if dim is None else one_dim("repeat_interleave", dim, x.ndim, x)
    if repeats < 0:
        raise ArgumentError(message("repeat_interleave", f"repeats must not be negative, got {repeats}"))
    x = at_least(x, 1)
    apart = p.reshape(x, shape=x.shape[: at + 1] + (1,) + x.shape[at + 1 :])
    spread = expanded(apart, x.shape[: at + 1] + (repeats,) + x.shape[at + 1 :])
    return p.reshape(spread, shape=x.shape[:at] + (x.shape[at] * repeats,) + x.shape[at + 1 :])


@op(view=True)
def meshgrid(*tensors, indexing="ij"):
    """Coordinates of a grid: one tensor for each of the vectors, all of the grid's shape."""
    xs = listed(tensors)
    if indexing not in ("ij", "xy"):
        raise ArgumentError(message("meshgrid", f"indexing must be one of 'xy' or 'ij', got {indexing!r}"))
    if not xs:
        raise ArgumentError(message("meshgrid", "expects a non-empty list of tensors"))
    for x in xs:
        if x.ndim > 1:
            raise ShapeError(message("meshgrid", "Expected 0D or 1D tensor in the tensor list", [("tensor", x)]))
        if x.dtype is not xs[0].dtype:
            raise DTypeError(
                message("meshgrid", "expects all tensors to have the same dtype", [("first", xs[0]), ("other", x)])
            )
    if indexing == "xy" and len(xs) > 1:
        xs = [xs[1], xs[0], *xs[2:]]
    sizes = tuple(numel(x.shape) for x in xs)
    grids = [
        expanded(p.reshape(x, shape=tuple(sizes[d] if d == i else 1 for d in range(len(xs)))), sizes)
        for i, x in enumerate(xs)
    ]
    if indexing == "xy" and len(xs) > 1:
        grids = [grids[1], grids[0], *grids[2:]]
    return tuple(grids)


@op()
def cartesian_prod(*tensors):
    """All combinations of elements, one in each row."""
    xs = listed(tensors)
    for x in xs:
        if x.ndim != 1:
            raise ShapeError(message("cartesian_prod", "Expect a 1D vector", [("tensor", x)]))
    if len(xs) == 1:
        return p.identity(xs[0])
    grids = meshgrid(*xs)
    return stacked([reshaped(g, (numel(g.shape),)) for g in grids], 1)


# --- complex parts as a dim -------------------------------------------------------------------------------------------


def seen_as(x: Value, views: Callable) -> Value:
    """Note on a value how it comes about by views alone, which a write through it follows backwards."""
    with building():
        x.seen_as = views()
    return x


@op(view=True)
def view_as_real(input):
    """Complex numbers as pairs, in the same memory. Shape: (*) complex -> (*, 2) real.

    Where a gradient is recorded the values are copied.
    """
    if input.dtype.kind != "c":
        raise DTypeError(message("view_as_real", "is only supported for complex tensors", [("input", input)]))
    pairs = stacked([p.real(input), p.imag(input)], input.ndim)
    return seen_as(pairs, lambda: p.bitcast(p.reshape(input, shape=(*input.shape, 1)), dtype=input.dtype.to_real()))


@op(view=True, copies="refused")
def view_as_complex(input):
    """Pairs as complex numbers, in the same memory. Shape: (*, 2) real -> (*) complex.

    Where a gradient is recorded the values are copied.
    """
    if input.dtype.kind != "f" or not input.shape or input.shape[-1] != 2:
        raise ShapeError(
            message(
                "view_as_complex",
                "Tensor must have a last dimension of size 2 and be floating point",
                [("input", input)],
            )
        )
    re, im = (reshaped(section(input, input.ndim - 1, i, i + 1), input.shape[:-1]) for i in (0, 1))
    made = p.make_complex(re, im)
    return seen_as(made, lambda: p.reshape(p.bitcast(input, dtype=input.dtype.to_complex()), shape=input.shape[:-1]))


# --- writing into a copy ----------------------------------------------------------------------------------------------


def written(x: Value, u: Value, dim: int, start: int, stop: int, step: int = 1) -> Value:
    """`x` with u at x[start:stop:step] along one dim."""
    starts = tuple(start if d == dim else 0 for d in range(x.ndim))
    steps = tuple(step if d == dim else 1 for d in range(x.ndim))
    return p.update_slice(x, cast(u, x.dtype), starts=starts, steps=steps)


@op(method=True)
def select_scatter(input, src, dim, index):
    """`input` with `src` at one index of `dim`."""
    at = one_dim("select_scatter", dim, input.ndim, input)
    n = input.shape[at]
    if not -n <= index < n:
        raise DimError(
            message("select_scatter", f"index {index} out of range for dim {dim} of size {n}", [("input", input)])
        )
    index = index % n
    need_shape("select_scatter", src, input.shape[:at] + input.shape[at + 1 :])
    return written(input, p.reshape(src, shape=input.shape[:at] + (1,) + input.shape[at + 1 :]), at, index, index + 1)


def need_shape(call: str, src: Value, shape: Shape) -> None:
    if src.shape != tuple(shape):
        raise ShapeError(
            message(call, f"expected src to have a size equal to the slice: {tuple(shape)}", [("src", src)])
        )


@op(method=True)
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """`input` with `src` at input[start:end:step] along `dim`."""
    at = one_dim("slice_scatter", dim, input.ndim, input)
    start, stop, step = slice(start, end, step).indices(input.shape[at])
    length = len(range(start, stop, step))
    need_shape("slice_scatter", src, input.shape[:at] + (length,) + input.shape[at + 1 :])
    if not length:
        return p.identity(input)
    return written(input, src, at, start, stop, step)


@op(method=True)
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """`input` with `src` on a diagonal."""
    a, b = (one_dim("diagonal_scatter", d, input.ndim, input) for d in (dim1, dim2))
    rest = [d for d in range(input.ndim) if d not in (a, b)]
    x = permuted(input, [*rest, a, b])
    need_shape("diagonal_scatter", src, diagonal(input, offset, dim1, dim2).shape)
    rows, columns = x.shape[-2:]
    full = on_diagonal(cast(src, x.dtype), rows, columns, offset)
    spot = on_diagonal(constant(True, src.shape, dtypes.bool_), rows, columns, offset)
    out = p.where(spot, full, x)
    back = [0] * input.ndim
    for i, d in enumerate([*rest, a, b]):
        back[d] = i
    return permuted(out, back)


def on_diagonal(x: Value, rows: int, columns: int, offset: int) -> Value:
    """Zeros of (*, rows, columns) with the last dim of `x` on a diagonal.

    A row of `columns + 1` elements shifts by one each time, so the flattened square of that width has the diagonal in
    its first column: pad and reshape, nothing is scattered.
    """
    n = x.shape[-1]
    top, left = builtins.max(-offset, 0), builtins.max(offset, 0)
    lead = x.shape[:-1]
    keep = x.ndim - 1
    wide = padded(
        p.reshape(x, shape=(*lead, n, 1)),
        (0,) * (keep + 2),
        (0,) * (keep + 1) + (n,),
        False if x.dtype.kind == "b" else 0,
    )
    flat = section(p.reshape(wide, shape=(*lead, n * (n + 1))), keep, 0, n * n)
    square = p.reshape(flat, shape=(*lead, n, n))
    low = (0,) * keep + (top, left)
    high = (0,) * keep + (rows - top - n, columns - left - n)
    return padded(square, low, high, False if x.dtype.kind == "b" else 0)


@op(method=True)
def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """The last dim spread on the diagonal of two new dims."""
    rank = input.ndim + 1
    a, b = one_dim("diag_embed", dim1, rank, input), one_dim("diag_embed", dim2, rank, input)
    if a == b:
        raise ArgumentError(
            message("diag_embed", f"diagonal dimensions cannot be identical: {dim1}, {dim2}", [("input", input)])
        )
    side = input.shape[-1] + builtins.abs(offset)
    full = on_diagonal(input, side, side, offset)
    order = list(range(rank - 2))
    for at, source in sorted([(a, rank - 2), (b, rank - 1)]):
        order.insert(at, source)
    return permuted(full, order)


@op(method=True)
def diag(input, diagonal=0):
    """A vector as a diagonal matrix, or the diagonal of a matrix."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim == 2:
        return _diagonal(input, diagonal)
    raise ShapeError(message("diag", "takes a vector or a matrix (Supports 1D or 2D tensors)", [("input", input)]))


_diagonal = diagonal


@op(method=True)
def diagflat(input, offset=0):
    """All elements, flattened, on the diagonal of a matrix."""
    return diag_embed(reshaped(input, (numel(input.shape),)), offset)


@op(method=True, inplace=True)
def tril(input, diagonal=0):
    """The part of each matrix on and below a diagonal, zeros elsewhere."""
    return triangle("tril", input, diagonal, lower=True)


@op(method=True, inplace=True)
def triu(input, diagonal=0):
    """The part of each matrix on and above a diagonal, zeros elsewhere."""
    return triangle("triu", input, diagonal, lower=False)


def triangle(call: str, x: Value, offset: int, lower: bool) -> Value:
    if x.ndim < 2:
        raise ShapeError(message(call, "input tensor must have at least 2 dimensions", [("input", x)]))
    return p.where(triangle_mask(x.shape, offset, lower), x, filled(x, 0))


def triangle_mask(shape: Shape, offset: int, lower: bool) -> Value:
    """Whether column - row <= offset (lower) or >= offset, for the last two dims."""
    square = tuple(shape[-2:])
    row = p.iota(shape=square, dtype=dtypes.int64, dim=0)
    column = p.iota(shape=square, dtype=dtypes.int64, dim=1)
    reach = column - row
    edge = filled(reach, offset)
    return expanded(p.le(reach, edge) if lower else p.ge(reach, edge), shape)


@op(method=True)
def trace(input):
    """Sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise ShapeError(message("trace", "expected a matrix", [("input", input)]))
    x = cast(input, dtypes.int64) if input.dtype.kind in "biu" else input
    return p.reduce_sum(_diagonal(x), dims=(0,))


@op(method=True, view=True)
def unfold(input, dimension, size, step):
    """Windows of `size` elements, `step` apart, along one dim; the window is a new last dim."""
    at = one_dim("unfold", dimension, input.ndim, input)
    x = at_least(input, 1)
    n = x.shape[at]
    if step <= 0 or size < 0 or size > n:
        problem = f"maximum size for tensor at dimension {dimension} is {n} but size is {size} (step {step})"
        raise ShapeError(message("unfold", problem, [("input", input)]))
    if size == 0:
        return p.reshape(section(x, at, 0, 0), shape=x.shape[:at] + (n // step + 1,) + x.shape[at + 1 :] + (0,))
    windows = p.windows(moved(x, at, x.ndim - 1), window=(size,), stride=(step,), padding=((0, 0),), dilation=(1,))
    made = moved(moved(windows, x.ndim - 1, x.ndim), x.ndim - 1, at)  # (rest, size, count) -> (.., count, .., size)
    return made if input.shape else p.reshape(made, shape=(size,))
