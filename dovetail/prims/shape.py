"""Shape primitives: out[i] = in[affine(i)]. Each view has a `write` rule, by which a write to it reaches its base.

Their gradients are one another: a slice's is a pad, a pad's is a slice. (`broadcast` and `reduce_sum` are such a pair
too; broadcast's gradient stands beside reduce_sum, in `prims.reduce`.)
"""

from __future__ import annotations

import numpy as np

from dovetail.base.errors import ArgumentError, DimError, DTypeError, ShapeError, message
from dovetail.ir.core import Primitive, Shape, Value
from dovetail.prims.families import SHAPE
from dovetail.prims.make import constant


def size_of(shape: Shape) -> int:
    n = 1
    for s in shape:
        n *= s
    return n


# -- reshape, transpose ------------------------------------------------------------------------------------------------

reshape = Primitive("reshape", SHAPE, lambda x, *, shape: x.reshape(shape))


@reshape.shape
def reshape_shape(x, *, shape):
    """The same elements in row-major order under other sizes."""
    if size_of(shape) != x.numel:
        raise ShapeError(message("reshape", f"{x.numel} elements do not fill {tuple(shape)}", [("input", x)]))
    return shape, x.dtype


@reshape.gradient
def reshape_gradient(g, out, x, *, shape):
    return (reshape(g, shape=x.shape),)


@reshape.write
def reshape_write(base, new, *, shape):
    return reshape(new, shape=base.shape)


def inverse_order(perm: tuple[int, ...]) -> tuple[int, ...]:
    inverse = [0] * len(perm)
    for to, source in enumerate(perm):
        inverse[source] = to
    return tuple(inverse)


transpose = Primitive("transpose", SHAPE, lambda x, *, perm: x.transpose(perm))


@transpose.shape
def transpose_shape(x, *, perm):
    """Dim i of the result is dim perm[i] of x."""
    if len(perm) != x.ndim or set(perm) != set(range(x.ndim)):
        raise DimError(message("transpose", f"{tuple(perm)} is not an order of {x.ndim} dims", [("input", x)]))
    return tuple([x.shape[d] for d in perm]), x.dtype


@transpose.gradient
def transpose_gradient(g, out, x, *, perm):
    return (transpose(g, perm=inverse_order(perm)),)


@transpose.write
def transpose_write(base, new, *, perm):
    return transpose(new, perm=inverse_order(perm))


# -- broadcast ---------------------------------------------------------------------------------------------------------


def shown_repeatedly(x, *, shape, dims):
    """The broadcast array as a view of x."""
    if dims and (len(dims) != len(shape) or dims != tuple(range(len(shape)))):
        sizes = [1] * len(shape)
        for d, n in zip(dims, x.shape, strict=True):
            sizes[d] = n
        x = x.reshape(sizes)
    return np.broadcast_to(x, shape)


def broadcast_meaning(x, *, shape, dims):
    """A view, except for small results, which are copied sooner than a view is set up."""
    if size_of(shape) > 4096:
        return shown_repeatedly(x, shape=shape, dims=dims)
    if dims and (len(dims) != len(shape) or dims != tuple(range(len(shape)))):
        sizes = [1] * len(shape)
        for d, n in zip(dims, x.shape, strict=True):
            sizes[d] = n
        x = x.reshape(sizes)
    out = np.empty(shape, x.dtype)
    out[...] = x
    return out


broadcast = Primitive("broadcast", SHAPE, broadcast_meaning)


@broadcast.shape
def broadcast_shape(x, *, shape, dims):
    """Dim i of x becomes dim dims[i] of the result; a size of 1 is repeated, dims that x lacks are new. dims rise."""
    if len(dims) != x.ndim or any(a >= b for a, b in zip(dims, dims[1:], strict=False)):
        raise DimError(message("broadcast", f"dims {tuple(dims)} do not fit the operand", [("input", x)]))
    for n, d in zip(x.shape, dims, strict=True):
        if not 0 <= d < len(shape):
            raise DimError(message("broadcast", f"dim {d} is outside the rank of {tuple(shape)}", [("input", x)]))
        if n != shape[d] and n != 1:
            raise ShapeError(message("broadcast", f"a dim of size {n} cannot become size {shape[d]}", [("input", x)]))
    return shape, x.dtype


@broadcast.write
def broadcast_write(base, new, *, shape, dims):
    """Only for a result of as many elements; tensor/views.py sees to the others."""
    if size_of(shape) != base.numel:
        problem = "one element of memory stands for several places of the expanded tensor"
        cure = "Write to a copy instead: x.expand(...).clone()"
        raise ArgumentError(message("in-place write", problem, [("base", base), ("expanded", new)], cure))
    return reshape(new, shape=base.shape)


def broadcast_to(x: Value, shape: Shape) -> Value:
    """x repeated to `shape` by NumPy's rule (sizes aligned at the right; 1 fits everything); x itself if it has it.

    Raises: ShapeError where a size fits neither.
    """
    if x.shape == shape:
        return x
    if x.ndim > len(shape):
        raise ShapeError(message("broadcast", f"{x.ndim} dims do not fit into {tuple(shape)}", [("input", x)]))
    return broadcast(x, shape=tuple(shape), dims=tuple(range(len(shape) - x.ndim, len(shape))))


def common_shape(*shapes: Shape) -> Shape:
    """The shape that all of `shapes` broadcast to. Raises: ShapeError where there is none."""
    rank = max(len(s) for s in shapes)
    sizes = [1] * rank
    for shape in shapes:
        for d, n in enumerate(shape, rank - len(shape)):
            if n != sizes[d] and n != 1:
                if sizes[d] != 1:
                    text = " and ".join(str(tuple(s)) for s in shapes)
                    raise ShapeError(message("broadcast", f"the sizes {text} do not fit together (dim {d - rank})"))
                sizes[d] = n
    return tuple(sizes)


def broadcast_values(*xs: Value) -> list[Value]:
    """The values at their common shape."""
    shape = xs[0].shape
    if any(x.shape != shape for x in xs):
        shape = common_shape(*[x.shape for x in xs])
    return [broadcast_to(x, shape) for x in xs]


def restore(x: Value, shape: Shape, dims: tuple[int, ...]) -> Value:
    """Put back the dims that a reduction of a value of `shape` over `dims` has removed, repeating x along them."""
    if not dims:
        return x
    return broadcast(x, shape=tuple(shape), dims=tuple([d for d in range(len(shape)) if d not in dims]))


# -- slices and their writing ------------------------------------------------------------------------------------------


def slice_of(start: int, stop: int, step: int) -> slice:
    """A stop of -1 under a negative step means "through index 0", which NumPy spells None."""
    return slice(start, None if step < 0 and stop < 0 else stop, step)


def slice_meaning(x, *, starts, stops, steps):
    return x[tuple([slice_of(*s) for s in zip(starts, stops, steps, strict=True)])]


slice_ = Primitive("slice", SHAPE, slice_meaning)


def slice_size(start, stop, step):
    return max((stop - start + step - 1) // step if step > 0 else (start - stop - step - 1) // -step, 0)


@slice_.shape
def slice_shape(x, *, starts, stops, steps):
    """Every step-th element of [start, stop) in each dim; a negative step runs down from start and ends above stop."""
    if not len(starts) == len(stops) == len(steps) == x.ndim:
        raise DimError(message("slice", "needs one start, stop and step for each dim", [("input", x)]))
    sizes = []
    for n, start, stop, step in zip(x.shape, starts, stops, steps, strict=True):
        size = slice_size(start, stop, step) if step else 0
        low, high = (0, n) if step > 0 else (-1, n - 1)
        if not step or (size and not (low <= stop <= n and 0 <= start <= high)):
            raise DimError(message("slice", f"{start}:{stop}:{step} is outside a dim of size {n}", [("input", x)]))
        sizes.append(size)
    return tuple(sizes), x.dtype


@slice_.gradient
def slice_gradient(g, out, x, *, starts, stops, steps):
    if all(step == 1 for step in steps):
        high = tuple([n - s - k for n, s, k in zip(x.shape, starts, out.shape, strict=True)])
        return (pad(g, low=starts, high=high, value=0),)
    return (update_slice(constant(0, x.shape, g.dtype), g, starts=starts, steps=steps),)


@slice_.write
def slice_write(base, new, *, starts, stops, steps):
    return update_slice(base, new, starts=starts, steps=steps)


def stops_for(starts, sizes, steps) -> tuple[int, ...]:
    """The stops that give `sizes` elements."""
    ends = zip(starts, sizes, steps, strict=True)
    return tuple([s + (n - 1) * k + (1 if k > 0 else -1) if n else s for s, n, k in ends])


def update_slice_meaning(x, u, *, starts, steps):
    out = x.copy()
    stops = stops_for(starts, u.shape, steps)
    out[tuple([slice_of(*s) for s in zip(starts, stops, steps, strict=True)])] = u
    return out


update_slice = Primitive("update_slice", SHAPE, update_slice_meaning)


def check_part(name: str, x: Value, u: Value) -> None:
    if u.ndim != x.ndim:
        raise ShapeError(message(name, "the part must have as many dims as the whole", [("whole", x), ("part", u)]))
    if u.dtype is not x.dtype:
        raise DTypeError(message(name, "the part's dtype differs from the whole's", [("whole", x), ("part", u)]))


@update_slice.shape
def update_slice_shape(x, u, *, starts, steps):
    """x with u written at a basic slice (its size is u's)."""
    check_part("update_slice", x, u)
    slice_shape(x, starts=starts, stops=stops_for(starts, u.shape, steps), steps=steps)
    return x.shape, x.dtype


@update_slice.gradient
def update_slice_gradient(g, out, x, u, *, starts, steps):
    part = slice_(g, starts=starts, stops=stops_for(starts, u.shape, steps), steps=steps)
    return update_slice(g, constant(0, u.shape, g.dtype), starts=starts, steps=steps), part


# -- diagonals ---------------------------------------------------------------------------------------------------------


def diagonal_meaning(x, *, starts, size):
    square = x[..., starts[0] : starts[0] + size, starts[1] : starts[1] + size]
    return np.diagonal(square, 0, -2, -1)


diagonal = Primitive("diagonal", SHAPE, diagonal_meaning)


@diagonal.shape
def diagonal_shape(x, *, starts, size):
    """`size` elements of the last two dims, from `starts` on, each one further down and to the right."""
    if x.ndim < 2 or len(starts) != 2:
        raise DimError(message("diagonal", "needs two dims, and a start in each", [("input", x)]))
    if any(s < 0 or s + size > n for s, n in zip(starts, x.shape[-2:], strict=True)):
        raise DimError(message("diagonal", f"{size} elements from {tuple(starts)} on do not fit", [("input", x)]))
    return (*x.shape[:-2], size), x.dtype


@diagonal.gradient
def diagonal_gradient(g, out, x, *, starts, size):
    return (diagonal_write(constant(0, x.shape, g.dtype), g, starts=starts, size=size),)


@diagonal.write
def diagonal_write(base, new, *, starts, size):
    """The square that the diagonal divides, flattened, has it at every (size + 1)th element."""
    lead = (0,) * (base.ndim - 2)
    ones = (1,) * base.ndim
    stops = (*base.shape[:-2], starts[0] + size, starts[1] + size)
    square = slice_(base, starts=(*lead, *starts), stops=stops, steps=ones)
    flat = reshape(square, shape=(*base.shape[:-2], size * size))
    flat = update_slice(flat, new, starts=(*lead, 0), steps=(*ones[2:], size + 1))
    return update_slice(base, reshape(flat, shape=square.shape), starts=(*lead, *starts), steps=ones)


# -- slices whose place is known at run time ---------------------------------------------------------------------------


def window(x_shape, starts, sizes) -> tuple[slice, ...]:
    """The window, moved inside if it would hang over an edge."""
    firsts = [min(max(int(s), 0), n - k) for s, n, k in zip(starts, x_shape, sizes, strict=True)]
    return tuple([slice(s, s + k) for s, k in zip(firsts, sizes, strict=True)])


def check_window(name: str, x: Value, starts, sizes) -> None:
    if len(starts) != x.ndim or len(sizes) != x.ndim:
        raise DimError(message(name, f"needs one start and one size for each of {x.ndim} dims", [("input", x)]))
    if any(k > n for k, n in zip(sizes, x.shape, strict=True)):
        raise ShapeError(message(name, f"a window of {tuple(sizes)} is larger than the input", [("input", x)]))
    for s in starts:
        if s.shape != () or s.dtype.kind != "i":
            raise DTypeError(message(name, "a start must be one integer", [("start", s)]))


dynamic_slice = Primitive("dynamic_slice", SHAPE, lambda x, *starts, sizes: x[window(x.shape, starts, sizes)])


@dynamic_slice.shape
def dynamic_slice_shape(x, *starts, sizes):
    """A window of `sizes` at `starts` (0-d int64 values), moved inside if it would hang over an edge."""
    check_window("dynamic_slice", x, starts, sizes)
    return sizes, x.dtype


@dynamic_slice.gradient
def dynamic_slice_gradient(g, out, x, *starts, sizes):
    whole = dynamic_update_slice(constant(0, x.shape, g.dtype), g, *starts)
    return whole, *[None] * len(starts)


@dynamic_slice.write
def dynamic_slice_write(base, new, *starts, sizes):
    return dynamic_update_slice(base, new, *starts)


def dynamic_update_slice_meaning(x, u, *starts):
    out = x.copy()
    out[window(x.shape, starts, u.shape)] = u
    return out


dynamic_update_slice = Primitive("dynamic_update_slice", SHAPE, dynamic_update_slice_meaning)


@dynamic_update_slice.shape
def dynamic_update_slice_shape(x, u, *starts):
    """x with the window at `starts` replaced by u."""
    check_part("dynamic_update_slice", x, u)
    check_window("dynamic_update_slice", x, starts, u.shape)
    return x.shape, x.dtype


@dynamic_update_slice.gradient
def dynamic_update_slice_gradient(g, out, x, u, *starts):
    rest = dynamic_update_slice(g, constant(0, u.shape, g.dtype), *starts)
    return rest, dynamic_slice(g, *starts, sizes=u.shape), *[None] * len(starts)


# -- pad, concat -------------------------------------------------------------------------------------------------------


def pad_meaning(x, *, low, high, value):
    sizes = [a + n + b for a, n, b in zip(low, x.shape, high, strict=True)]
    out = np.empty(sizes, x.dtype)
    out[...] = value if x.dtype.kind not in "ui" else np.asarray(int(value)).astype(x.dtype)
    out[tuple([slice(a, a + n) for a, n in zip(low, x.shape, strict=True)])] = x
    return out


pad = Primitive("pad", SHAPE, pad_meaning)


@pad.shape
def pad_shape(x, *, low, high, value):
    """`low` and `high` more elements before and after, in each dim, that hold `value`."""
    if len(low) != x.ndim or len(high) != x.ndim or any(n < 0 for n in (*low, *high)):
        text = f"low {tuple(low)} and high {tuple(high)} must be a count for each dim"
        raise DimError(message("pad", text, [("input", x)]))
    return tuple([a + n + b for a, n, b in zip(low, x.shape, high, strict=True)]), x.dtype


@pad.gradient
def pad_gradient(g, out, x, *, low, high, value):
    stops = tuple([a + n for a, n in zip(low, x.shape, strict=True)])
    return (slice_(g, starts=tuple(low), stops=stops, steps=(1,) * x.ndim),)


concat = Primitive("concat", SHAPE, lambda *xs, dim: np.concatenate(xs, axis=dim))


@concat.shape
def concat_shape(*xs, dim):
    """The operands one after the other along `dim`; their other sizes are equal."""
    first = xs[0]
    if not 0 <= dim < first.ndim:
        raise DimError(message("concat", f"dim {dim} is outside the operands' rank", [("first", first)]))
    around = first.shape[:dim], first.shape[dim + 1 :]
    total = 0
    for i, x in enumerate(xs):
        if x.dtype is not first.dtype:
            raise DTypeError(message("concat", "the operands' dtypes differ", [("first", first), (f"operand {i}", x)]))
        if (x.shape[:dim], x.shape[dim + 1 :]) != around:
            facts = [("first", first), (f"operand {i}", x)]
            raise ShapeError(message("concat", f"the sizes outside dim {dim} differ", facts))
        total = total + x.shape[dim]
    return (*first.shape[:dim], total, *first.shape[dim + 1 :]), first.dtype


@concat.gradient
def concat_gradient(g, out, *xs, dim):
    parts, at = [], 0
    for x in xs:
        starts = tuple([at if d == dim else 0 for d in range(x.ndim)])
        stops = tuple([at + x.shape[dim] if d == dim else n for d, n in enumerate(out.shape)])
        parts.append(slice_(g, starts=starts, stops=stops, steps=(1,) * x.ndim))
        at = at + x.shape[dim]
    return tuple(parts)
