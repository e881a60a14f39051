"""Differences and sums that stand for derivatives and integrals."""

from __future__ import annotations

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops.dims import one_dim
from dovetail.ops.promote import cast, common, expanded, filled, float_of
from dovetail.ops.reduce import restored, vector_norm_value
from dovetail.ops.shape import reshaped, section
from dovetail.tensor.op import op


def neighbours(x: Value, dim: int) -> tuple[Value, Value]:
    """Each element and the one after it."""
    n = x.shape[dim]
    return section(x, dim, 0, max(n - 1, 0)), section(x, dim, min(1, n), n)


def steps_between(call: str, y: Value, x, dx, dim: int) -> Value:
    """The widths of the intervals, in the shape of y's pairs."""
    pairs = y.shape[:dim] + (max(y.shape[dim] - 1, 0),) + y.shape[dim + 1 :]
    if x is None:
        return filled(section(y, dim, 0, pairs[dim]), dx)
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise ShapeError(message(call, "There must be one `x` value for each sample point", [("y", y), ("x", x)]))
        low, high = neighbours(x, 0)
        return expanded(reshaped(high - low, tuple(pairs[dim] if d == dim else 1 for d in range(y.ndim))), pairs)
    if x.ndim < y.ndim:
        x = reshaped(x, (1,) * (y.ndim - x.ndim) + x.shape)
    low, high = neighbours(x, dim)
    return high - low


def trapezoids(call: str, y: Value, x, dx, dim: int) -> tuple[Value, int]:
    """The areas between neighbours along a dim."""
    at = one_dim(call, dim, y.ndim, y)
    y = cast(y, float_of(y.dtype)) if y.dtype.kind in "biu" else y
    if x is not None and x.dtype is not y.dtype:
        x = cast(x, y.dtype)
    low, high = neighbours(y, at)
    width, total = common(call, steps_between(call, y, x, dx, at), low + high)
    return width * total * 0.5, at


@op(also=("trapz",))
def trapezoid(y, x=None, *, dx=1.0, dim=-1):
    """The integral along `dim` by the trapezoidal rule; sample points `x`, or steps of `dx`."""
    areas, at = trapezoids("trapezoid", y, x, dx, dim)
    return p.reduce_sum(areas, dims=(areas.ndim - y.ndim + at,))


@op()
def cumulative_trapezoid(y, x=None, *, dx=1.0, dim=-1):
    """The running integral along `dim` by the trapezoidal rule."""
    areas, at = trapezoids("cumulative_trapezoid", y, x, dx, dim)
    return p.cumsum(areas, dim=areas.ndim - y.ndim + at)


@op()
def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """Central differences along each dim (one-sided at the ends), as a tuple.

    spacing: a number, one number for each dim, or a vector of coordinates for each dim.
    """
    if edge_order not in (1, 2):
        raise ArgumentError(message("gradient", "edge_order must be 1 or 2"))
    if dim is None:
        dims = list(range(input.ndim))
        if isinstance(spacing, (list, tuple)) and len(spacing) != input.ndim:
            problem = (
                f"expected spacing to be unspecified, a scalar, or a list of length {input.ndim}, got {len(spacing)}"
            )
            raise ArgumentError(message("gradient", problem, [("input", input)]))
    else:
        dims = [one_dim("gradient", d, input.ndim, input) for d in ((dim,) if isinstance(dim, int) else dim)]
    spacing = 1 if spacing is None else spacing
    spaces = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(dims)
    if len(spaces) != len(dims):
        problem = f"spacing and dim must have the same length, got {len(spaces)} and {len(dims)}"
        raise ArgumentError(message("gradient", problem, [("input", input)]))
    if len(set(dims)) != len(dims):
        raise ArgumentError(message("gradient", f"dim {tuple(dims)} appears multiple times in the list of dims"))
    x = cast(input, dtypes.default_dtype()) if input.dtype.kind in "biu" else input
    return tuple(slope(x, d, h, edge_order) for d, h in zip(dims, spaces, strict=True))


def slope(x: Value, dim: int, h, edge: int) -> Value:
    n = x.shape[dim]
    if n < edge + 1:
        problem = f"each dimension size to be at least edge_order+1 = {edge + 1}, dim {dim} has {n}"
        raise ShapeError(message("gradient", "torch.gradient expected " + problem, [("input", x)]))
    if isinstance(h, Value) and not h.shape:
        h = expanded(cast(h, x.dtype), (1,) * x.ndim)
    if isinstance(h, Value) and h.ndim == 1:
        low, high = neighbours(cast(h, x.dtype), 0)
        line = tuple(n - 1 if d == dim else 1 for d in range(x.ndim))
        return uneven(x, dim, reshaped(high - low, line), edge)
    return even(x, dim, h, edge)


def even(x: Value, dim: int, h, edge: int) -> Value:
    n = x.shape[dim]

    def at(i: int) -> Value:
        return section(x, dim, i, i + 1)

    def over(v: Value, factor: float) -> Value:
        return v / (expanded(h, v.shape) * factor if isinstance(h, Value) else filled(v, h * factor))

    inner = over(section(x, dim, 2, n) - section(x, dim, 0, n - 2), 2.0)
    if edge == 1:
        first, last = over(at(1) - at(0), 1.0), over(at(n - 1) - at(n - 2), 1.0)
    else:
        first = over(at(0) * -1.5 + at(1) * 2.0 - at(2) * 0.5, 1.0)
        last = over(at(n - 3) * 0.5 - at(n - 2) * 2.0 + at(n - 1) * 1.5, 1.0)
    return p.concat(first, inner, last, dim=dim)


def uneven(x: Value, dim: int, h: Value, edge: int) -> Value:
    """Second-order differences for uneven steps (Fornberg's three-point weights)."""
    n = x.shape[dim]

    def at(i: int) -> Value:
        return section(x, dim, i, i + 1)

    def step(i: int, shape) -> Value:
        i %= n - 1
        return expanded(section(h, dim, i, i + 1), shape)

    middle = section(x, dim, 1, n - 1)
    a, b = (expanded(section(h, dim, k, n - 2 + k), middle.shape) for k in (0, 1))
    inner = (
        section(x, dim, 0, n - 2) * (p.neg(b) / (a * (a + b)))
        + middle * ((b - a) / (a * b))
        + section(x, dim, 2, n) * (a / (b * (a + b)))
    )
    edge_shape = at(0).shape
    if edge == 1:
        first = (at(1) - at(0)) / step(0, edge_shape)
        last = (at(n - 1) - at(n - 2)) / step(-1, edge_shape)
    else:
        a, b = step(0, edge_shape), step(1, edge_shape)
        first = at(0) * (p.neg(2 * a + b) / (a * (a + b))) + at(1) * ((a + b) / (a * b)) - at(2) * (a / (b * (a + b)))
        a, b = step(-2, edge_shape), step(-1, edge_shape)
        last = (
            at(n - 3) * (b / (a * (a + b)))
            - at(n - 2) * ((a + b) / (a * b))
            + at(n - 1) * ((2 * b + a) / (b * (a + b)))
        )
    return p.concat(first, inner, last, dim=dim)


@op(method=True, inplace=True)
def renorm(input, p, dim, maxnorm):
    """Slices along `dim` whose p-norm exceeds maxnorm scaled down to it."""
    at = one_dim("renorm", dim, input.ndim, input)
    if p <= 0 or maxnorm < 0:
        raise ArgumentError(message("renorm", f"p must be positive and maxnorm not negative, got {p} and {maxnorm}"))
    if input.ndim < 2:
        raise ShapeError(message("renorm", "input needs at least 2 dimensions", [("input", input)]))
    return scaled_down(input, p, at, maxnorm)


def scaled_down(x: Value, order: float, dim: int, limit: float) -> Value:
    others = tuple(d for d in range(x.ndim) if d != dim)
    length = vector_norm_value("renorm", x, order, others, False)
    over = p.gt(length, filled(length, limit))
    scale = p.where(over, filled(length, limit) / (length + 1e-7), filled(length, 1))
    return x * cast(restored(scale, x.shape, others), x.dtype)
