"""Tensors made from settings alone: zeros, ranges, identity matrices, windows of a signal.

`requires_grad`, `device`, `out` and their kin are handled by the desk and do not appear here.
"""

from __future__ import annotations

import builtins
import math

import numpy as np

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Value
from dovetail.ops.dims import Shape, new_sizes
from dovetail.ops.promote import cast, constant, held, is_number, literal, rank_of, setting_dtype
from dovetail.ops.shape import triangle_mask
from dovetail.tensor.op import op


def size_given(call: str, size, named) -> Shape:
    """The shape from `*size` or from `size=`."""
    return new_sizes(call, size if named is None else (tuple(named),))


@op()
def zeros(*shape, size=None, dtype=None):
    """A tensor of zeros."""
    return constant(0, size_given("zeros", shape, size), setting_dtype(dtype) or dtypes.default_dtype())


@op()
def ones(*shape, size=None, dtype=None):
    """A tensor of ones."""
    return constant(1, size_given("ones", shape, size), setting_dtype(dtype) or dtypes.default_dtype())


@op()
def empty(*shape, size=None, dtype=None, memory_format=None):
    """A tensor whose values do not matter; here they are zeros, so that a run repeats exactly."""
    return constant(0, size_given("empty", shape, size), setting_dtype(dtype) or dtypes.default_dtype())


@op(scalars=("fill_value",))
def full(size, fill_value, *, dtype=None):
    """A tensor of one number; its dtype follows the number unless given."""
    shape = new_sizes("full", (size,))
    return filled_with(fill_value, shape, setting_dtype(dtype) or rank_of(fill_value)[0])


def filled_with(value, shape: Shape, dtype) -> Value:
    if is_number(value):
        return constant(held("full", value, dtype), shape, dtype)
    return p.broadcast(cast(held("full", value, dtype), dtype), shape=shape, dims=())


@op(differentiable=False)
def zeros_like(input, *, dtype=None, memory_format=None):
    """Zeros in the shape of `input`."""
    return constant(0, input.shape, setting_dtype(dtype) or input.dtype)


@op(differentiable=False)
def ones_like(input, *, dtype=None, memory_format=None):
    """Ones in the shape of `input`."""
    return constant(1, input.shape, setting_dtype(dtype) or input.dtype)


@op(differentiable=False)
def empty_like(input, *, dtype=None, memory_format=None):
    """A tensor in the shape of `input` whose values do not matter."""
    return constant(0, input.shape, setting_dtype(dtype) or input.dtype)


@op(scalars=("fill_value",), differentiable=False)
def full_like(input, fill_value, *, dtype=None, memory_format=None):
    """One number in the shape of `input`."""
    return filled_with(fill_value, input.shape, setting_dtype(dtype) or input.dtype)


@op(method=True, top=False, differentiable=False)
def new_zeros(input, *shape, size=None, dtype=None):
    """Zeros in the dtype and on the device of `input`."""
    return constant(0, size_given("new_zeros", shape, size), setting_dtype(dtype) or input.dtype)


@op(method=True, top=False, differentiable=False)
def new_ones(input, *shape, size=None, dtype=None):
    """Ones in the dtype and on the device of `input`."""
    return constant(1, size_given("new_ones", shape, size), setting_dtype(dtype) or input.dtype)


@op(method=True, top=False, differentiable=False)
def new_empty(input, *shape, size=None, dtype=None):
    """A tensor in the dtype of `input` whose values do not matter."""
    return constant(0, size_given("new_empty", shape, size), setting_dtype(dtype) or input.dtype)


@op(method=True, top=False, differentiable=False)
def new_empty_strided(input, size, stride, dtype=None):
    """A tensor in the dtype of `input` whose values do not matter; strides are the engine's own business."""
    return constant(0, new_sizes("new_empty_strided", (tuple(size),)), setting_dtype(dtype) or input.dtype)


@op(method=True, top=False, scalars=("fill_value",), differentiable=False)
def new_full(input, size, fill_value, *, dtype=None):
    """One number in the dtype of `input`."""
    return filled_with(fill_value, new_sizes("new_full", (size,)), setting_dtype(dtype) or input.dtype)


@op()
def empty_strided(size, stride, *, dtype=None):
    """A tensor whose values do not matter; strides are the engine's own business."""
    return constant(0, new_sizes("empty_strided", (tuple(size),)), setting_dtype(dtype) or dtypes.default_dtype())


@op()
def empty_permuted(size, physical_layout, *, dtype=None):
    """A tensor whose values do not matter; the physical layout is the engine's own business."""
    if sorted(physical_layout) != list(range(len(tuple(size)))):
        raise ArgumentError(
            message("empty_permuted", f"physical_layout must name every dim once, got {physical_layout}")
        )
    return constant(0, new_sizes("empty_permuted", (tuple(size),)), setting_dtype(dtype) or dtypes.default_dtype())


@op(scalars=("s",))
def scalar_tensor(s, *, dtype=None):
    """A 0-d tensor of one number, in the default floating-point dtype unless given."""
    return filled_with(s, (), setting_dtype(dtype) or dtypes.default_dtype())


# --- ranges -----------------------------------------------------------------------------------------------------------


@op()
def arange(start=0, end=None, step=1, *, dtype=None):
    """start, start + step, ... up to but without `end`. Shape: (ceil((end - start) / step),)"""
    if end is None:
        start, end = 0, start
    return spaced("arange", start, end, step, dtype, math.ceil)


@op(name="range")
def range_(start=0, end=None, step=1, *, dtype=None):
    """Like arange, but `end` is included and the dtype is floating point."""
    if end is None:
        start, end = 0, start
    return spaced("range", start, end, step, dtype or dtypes.default_dtype(), lambda n: math.floor(n) + 1)


def spaced(call: str, start, end, step, dtype, rounding) -> Value:
    chosen = setting_dtype(dtype)
    if chosen is dtypes.int64 and call == "arange":  # torch counts in whole numbers for int64 alone
        start, end, step = int(start), int(end), int(step)
    if step == 0:
        raise ArgumentError(message(call, "step must be nonzero"))
    if any(isinstance(v, float) and not math.isfinite(v) for v in (start, end, step)):
        raise ArgumentError(message(call, f"unsupported range: {start} -> {end}, step {step}"))
    if (end - start) * (1 if step > 0 else -1) < 0:
        raise ArgumentError(
            message(call, f"upper bound and lower bound are inconsistent with step sign: {start} to {end} by {step}")
        )
    whole = all(isinstance(v, int) for v in (start, end, step))
    n = -((start - end) // step) if whole and rounding is math.ceil else rounding((end - start) / step)
    chosen = chosen or (dtypes.int64 if whole else dtypes.default_dtype())
    if chosen.kind in "iu":
        start, step = int(start), int(step)
    return progression(start, step, int(n), chosen)


def progression(start, step, n: int, dtype) -> Value:
    """start + i * step, computed in double precision for floating-point results."""
    if dtype.kind in "iu" and isinstance(start, int) and isinstance(step, int):
        line = p.iota(shape=(n,), dtype=dtypes.int64, dim=0)
        return cast(line if (start, step) == (0, 1) else line * step + start, dtype)
    line = p.iota(shape=(n,), dtype=dtypes.float64, dim=0)
    return cast(line if (start, step) == (0, 1) else line * float(step) + float(start), dtype)


@op()
def linspace(start, end, steps, *, dtype=None):
    """`steps` numbers from start to end, both included, evenly apart."""
    return between("linspace", start, end, steps, setting_dtype(dtype))


def between(call: str, start, end, steps: int, dtype) -> Value:
    """Evenly spaced numbers in double precision, cast to `dtype`; counted from the nearer end."""
    if steps < 0:
        raise ArgumentError(message(call, f"number of steps must be non-negative, got {steps}"))
    for name, v in (("start", start), ("end", end)):
        if isinstance(v, Value) and v.shape:
            raise ArgumentError(message(call, f"only supports 0-dimensional {name} tensors", [(name, v)]))
    if not isinstance(steps, (int, np.integer)):
        raise TypeError(message(call, f"steps must be a whole number, got {steps!r}"))
    numbers = [v for v in (start, end) if is_number(v)]
    complex_ends = builtins.any(isinstance(v, complex) for v in numbers) or builtins.any(
        isinstance(v, Value) and v.dtype.kind == "c" for v in (start, end)
    )
    dtype = dtype or (dtypes.default_dtype().to_complex() if complex_ends else dtypes.default_dtype())
    wide = dtypes.complex128 if dtype.kind == "c" else dtypes.float64
    a, b = (
        constant(v, (steps,), wide) if is_number(v) else p.broadcast(cast(v, wide), shape=(steps,), dims=())
        for v in (start, end)
    )
    if dtype.kind in "iu":
        a, b = p.trunc(a), p.trunc(b)
    i = cast(p.iota(shape=(steps,), dtype=dtypes.float64, dim=0), wide)
    if steps < 2:
        return cast(a, dtype)
    gap = (b - a) / (steps - 1)
    place = p.iota(shape=(steps,), dtype=dtypes.int64, dim=0)
    front = p.lt(place, constant(steps // 2, (steps,), dtypes.int64))
    return cast(p.where(front, a + gap * i, b - gap * ((steps - 1) - i)), dtype)


@op()
def logspace(start, end, steps, base=10.0, *, dtype=None):
    """base to the power of evenly spaced exponents."""
    dtype = setting_dtype(dtype)
    wide = dtypes.complex128 if dtype is not None and dtype.kind == "c" else dtypes.float64
    line = between("logspace", start, end, steps, wide)
    chosen = dtype or dtypes.default_dtype()
    return cast(p.pow(constant(base, line.shape, line.dtype), line), chosen)


@op()
def eye(n, m=None, *, dtype=None):
    """The identity matrix, n by m."""
    if n < 0 or (m is not None and m < 0):
        raise ArgumentError(message("eye", f"n and m must not be negative, got {n} and {m}"))
    shape = (n, n if m is None else m)
    row, column = (p.iota(shape=shape, dtype=dtypes.int64, dim=d) for d in (0, 1))
    return cast(p.eq(row, column), setting_dtype(dtype) or dtypes.default_dtype())


@op()
def tril_indices(row, col, offset=0, *, dtype=None):
    """(2, n): rows and columns of the elements on and below a diagonal."""
    return triangle_indices(row, col, dtype, lambda i, j: j - i <= offset)


@op()
def triu_indices(row, col, offset=0, *, dtype=None):
    """(2, n): rows and columns of the elements on and above a diagonal."""
    return triangle_indices(row, col, dtype, lambda i, j: j - i >= offset)


def triangle_indices(rows: int, columns: int, dtype, inside) -> Value:
    if rows < 0 or columns < 0:
        raise ArgumentError(message("tril_indices", f"row and col must not be negative, got {rows} and {columns}"))
    places = [(i, j) for i in range(rows) for j in range(columns) if inside(i, j)]
    return literal([[i for i, _ in places], [j for _, j in places]], setting_dtype(dtype) or dtypes.int64)


@op()
def vander(x, N=None, increasing=False):
    """Powers of a vector as columns. Shape: (n,) -> (n, N)"""
    n = x.shape[0] if N is None else N
    x = cast(x, dtypes.int64) if x.dtype.kind in "biu" else x
    column = p.broadcast(p.reshape(x, shape=(x.shape[0], 1)), shape=(x.shape[0], n), dims=(0, 1))
    powers = p.iota(shape=column.shape, dtype=dtypes.int64, dim=1)
    powers = powers if increasing else (n - 1) - powers
    return whole_powers(column, powers, n)


def whole_powers(x: Value, powers: Value, n: int) -> Value:
    """x to whole powers 0..n-1 by repeated multiplication, so that 0 ** 0 is 1 and gradients stay finite."""
    out = constant(1, x.shape, x.dtype)
    for k in range(1, n):
        out = p.where(p.ge(powers, constant(k, powers.shape, powers.dtype)), out * x, out)
    return out


# --- windows of a signal ----------------------------------------------------------------------------------------------


def window_angles(n: int, periodic: bool, dtype) -> Value:
    """2 pi i / m for i in 0..n-1; m is n for periodic windows and n - 1 for symmetric ones."""
    line = p.iota(shape=(n,), dtype=dtypes.float64, dim=0)
    return line * (2 * math.pi / max(n if periodic else n - 1, 1))


def cosine_sum(call: str, n: int, periodic: bool, weights, dtype) -> Value:
    """sum of weights[k] cos(k angle) with alternating signs, as raised-cosine windows are written."""
    chosen = window_dtype(call, n, dtype)
    if n == 1:
        return constant(1, (1,), chosen)
    angle = window_angles(n, periodic, chosen)
    total = constant(weights[0], (n,), dtypes.float64)
    for k, w in enumerate(weights[1:], 1):
        total = total + p.cos(angle * float(k)) * (w if k % 2 == 0 else -w)
    return cast(total, chosen)


def window_dtype(call: str, n: int, dtype):
    if n < 0:
        raise ArgumentError(message(call, f"requires a non-negative window length, got {n}"))
    chosen = setting_dtype(dtype) or dtypes.default_dtype()
    if chosen.kind != "f":
        raise ArgumentError(message(call, f"expects floating point dtypes, got {chosen}"))
    return chosen


@op()
def hann_window(window_length, periodic=True, *, dtype=None):
    """Hann's raised cosine."""
    return cosine_sum("hann_window", window_length, periodic, (0.5, 0.5), dtype)


@op()
def hamming_window(window_length, periodic=True, alpha=0.54, beta=0.46, *, dtype=None):
    """Hamming's raised cosine on a pedestal."""
    return cosine_sum("hamming_window", window_length, periodic, (alpha, beta), dtype)


@op()
def blackman_window(window_length, periodic=True, *, dtype=None):
    """Blackman's sum of three cosines."""
    return cosine_sum("blackman_window", window_length, periodic, (0.42, 0.5, 0.08), dtype)


@op()
def bartlett_window(window_length, periodic=True, *, dtype=None):
    """A triangle that is zero at both ends."""
    chosen = window_dtype("bartlett_window", window_length, dtype)
    if window_length == 1:
        return constant(1, (1,), chosen)
    m = window_length if periodic else window_length - 1
    line = p.iota(shape=(window_length,), dtype=dtypes.float64, dim=0)
    return cast(1.0 - p.abs(line * (2.0 / m) - 1.0), chosen)


@op()
def kaiser_window(window_length, periodic=True, beta=12.0, *, dtype=None):
    """Kaiser's window: a Bessel function of a half circle."""
    chosen = window_dtype("kaiser_window", window_length, dtype)
    if window_length == 1:
        return constant(1, (1,), chosen)
    m = window_length if periodic else window_length - 1
    line = p.iota(shape=(window_length,), dtype=dtypes.float64, dim=0) * (2.0 / m) - 1.0
    inside = 1.0 - line * line
    arch = p.sqrt(p.maximum(inside, constant(0.0, inside.shape, inside.dtype))) * float(beta)
    return cast(p.i0(arch) / p.i0(constant(float(beta), arch.shape, arch.dtype)), chosen)


def lower_triangle(shape: Shape, offset: int) -> Value:
    """A mask that attention uses: True on and below a diagonal."""
    return triangle_mask(shape, offset, lower=True)
