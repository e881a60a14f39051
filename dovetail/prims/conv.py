"""Convolution (as machine learning has it: cross-correlation) and its two gradients, over any number of dims.

    out[n, o, p] = sum over c, t of x[n, c, p * stride + t * dilation - low] * w[o, c, t]

with zeros outside x. The three primitives are bilinear and each other's gradients, so any order works.
x (N, C, *sizes), w (O, C / groups, *taps), out (N, O, *counts); padding is a (low, high) pair for each dim.
"""

from __future__ import annotations

import numpy as np

from dovetail.base.errors import DTypeError, ShapeError, message
from dovetail.ir.core import Primitive, Value
from dovetail.prims.elementwise import conjugate
from dovetail.prims.families import CONV
from dovetail.prims.shape import size_of
from dovetail.prims.window import check_adjoint, check_windows, view_windows, wide, window_counts

CHUNK = 1 << 21  # elements of unrolled windows that are held at a time


def last(x: np.ndarray, kind) -> np.ndarray:
    """(N, C, *sizes) -> (N, *sizes, C), adjacent along C. NumPy copies runs, so long runs are quick ones."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1), dtype=kind)


def first(x: np.ndarray, dtype) -> np.ndarray:
    """Back to (N, C, *sizes), as a view."""
    return np.moveaxis(x, -1, 1).astype(dtype, copy=False)


def padded(x: np.ndarray, padding) -> np.ndarray:
    """(N, *sizes, C) with zeros around."""
    return np.pad(x, [(0, 0), *padding, (0, 0)]) if any(map(any, padding)) else x


def unrolled(x: np.ndarray, window, stride, dilation) -> np.ndarray:
    """A view (N, *counts, *window, C) of x (N, *sizes, C)."""
    rank = len(window)
    view = view_windows(np.moveaxis(x, -1, 1), window, stride, ((0, 0),) * rank, dilation)
    return np.moveaxis(view, 1, -1)


def batches(n: int, each: int):
    """Slices of the batch whose unrolled windows have about CHUNK elements."""
    step = max(1, CHUNK // max(each, 1))
    return [slice(start, start + step) for start in range(0, n, step)]


def by_group(x: np.ndarray, groups: int) -> np.ndarray:
    """(rows, taps, C) -> (groups, rows, taps * C / groups)."""
    rows, taps, channels = x.shape
    split = x.reshape(rows, taps, groups, channels // groups).transpose(2, 0, 1, 3)
    return split.reshape(groups, rows, taps * (channels // groups))


def weight_matrices(w: np.ndarray, groups: int, kind) -> np.ndarray:
    """(O, C / groups, *taps) -> (groups, taps * C / groups, O / groups)."""
    outs, per = w.shape[:2]
    flat = w.astype(kind, copy=False).reshape(groups, outs // groups, per, size_of(w.shape[2:]))
    return flat.transpose(0, 3, 2, 1).reshape(groups, -1, outs // groups)


def conv_meaning(x, w, *, stride, padding, dilation, groups):
    kind, taps = wide(x.dtype), w.shape[2:]
    n, channels, *sizes = x.shape
    counts = window_counts(sizes, taps, stride, padding, dilation)
    images, weights = padded(last(x, kind), padding), weight_matrices(w, groups, kind)
    out = np.empty((n, size_of(counts), groups, w.shape[0] // groups), kind)
    for part in batches(n, channels * size_of(taps) * size_of(counts)):
        view = unrolled(images[part], taps, stride, dilation)
        rows = by_group(view.reshape(-1, size_of(taps), channels), groups)
        out[part] = np.matmul(rows, weights).swapaxes(0, 1).reshape(out[part].shape)
    return first(out.reshape(n, *counts, w.shape[0]), x.dtype)


def conv_input_grad_meaning(g, w, *, size, stride, padding, dilation, groups):
    kind, taps = wide(g.dtype), w.shape[2:]
    n, outs, *counts = g.shape
    per, channels = w.shape[1], w.shape[1] * groups
    weights = weight_matrices(w, groups, kind).swapaxes(1, 2)
    whole = [m + low + high for m, (low, high) in zip(size, padding, strict=True)]
    total = np.zeros((n, *whole, channels), kind)
    rows = last(g, kind)
    for part in batches(n, channels * size_of(taps) * size_of(counts)):
        spread = np.matmul(by_group(rows[part].reshape(-1, 1, outs), groups), weights)
        spread = spread.reshape(groups, -1, size_of(taps), per).transpose(1, 2, 0, 3)
        spread = spread.reshape(-1, *counts, *taps, channels)
        unrolled_to = total[part]
        for tap in np.ndindex(*taps):
            place = [slice(t * gap, t * gap + (count - 1) * step + 1, step)
                     for t, gap, count, step in zip(tap, dilation, counts, stride, strict=True)]
            unrolled_to[(slice(None), *place)] += spread[(slice(None),) * (1 + len(counts)) + tap]
    inside = [slice(low, low + m) for m, (low, _) in zip(size, padding, strict=True)]
    return first(total[(slice(None), *inside)], g.dtype)


def conv_weight_grad_meaning(g, x, *, size, stride, padding, dilation, groups):
    kind = wide(g.dtype)
    n, outs, *counts = g.shape
    channels = x.shape[1]
    images, rows = padded(last(x, kind), padding), last(g, kind)
    total = np.zeros((groups, outs // groups, size_of(size) * (channels // groups)), kind)
    for part in batches(n, channels * size_of(size) * size_of(counts)):
        view = unrolled(images[part], size, stride, dilation)
        view = view[(slice(None), *[slice(count) for count in counts])]
        left = by_group(rows[part].reshape(-1, 1, outs), groups)
        total += np.matmul(left.swapaxes(1, 2), by_group(view.reshape(-1, size_of(size), channels), groups))
    total = total.reshape(outs, size_of(size), channels // groups).swapaxes(1, 2)
    return total.reshape(outs, channels // groups, *size).astype(g.dtype, copy=False)


conv = Primitive("conv", CONV, conv_meaning)
conv_input_grad = Primitive("conv_input_grad", CONV, conv_input_grad_meaning)
conv_weight_grad = Primitive("conv_weight_grad", CONV, conv_weight_grad_meaning)
conv.kinds = conv_input_grad.kinds = conv_weight_grad.kinds = "uifc"


def check_operands(name: str, a: Value, b: Value, facts, rank: int) -> None:
    if a.dtype is not b.dtype:
        raise DTypeError(message(name, "the operands' dtypes differ", facts))
    if a.dtype.kind == "b":
        raise DTypeError(message(name, "bool values have no products to add up", facts))
    if a.ndim != rank + 2 or b.ndim != rank + 2:
        raise ShapeError(message(name, f"with {rank} settings per list, both operands need {rank + 2} dims", facts))


def check_groups(name: str, outs: int, channels: int, per_group: int, groups: int, facts) -> None:
    if groups < 1 or outs % groups or channels != per_group * groups:
        text = f"{channels} input channels and {outs} output channels in {groups} groups, {per_group} channels a group"
        raise ShapeError(message(name, f"the channels do not fit together: {text}", facts))


@conv.shape
def conv_shape(x, w, *, stride, padding, dilation, groups):
    facts = [("input", x), ("weight", w)]
    check_operands("conv", x, w, facts, len(stride))
    check_groups("conv", w.shape[0], x.shape[1], w.shape[1], groups, facts)
    counts = check_windows("conv", x, x.shape[2:], w.shape[2:], stride, padding, dilation)
    return (x.shape[0], w.shape[0], *counts), x.dtype


@conv_input_grad.shape
def conv_input_grad_shape(g, w, *, size, stride, padding, dilation, groups):
    """g like conv's result, w its weight -> the shape of its input, whose sizes are `size`."""
    facts = [("gradient", g), ("weight", w)]
    check_operands("conv_input_grad", g, w, facts, len(stride))
    check_groups("conv_input_grad", g.shape[1], w.shape[1] * groups, w.shape[1], groups, facts)
    if g.shape[1] != w.shape[0]:
        raise ShapeError(message("conv_input_grad", "gradient and weight differ in output channels", facts))
    check_adjoint("conv_input_grad", g, size, w.shape[2:], stride, padding, dilation)
    return (g.shape[0], w.shape[1] * groups, *size), g.dtype


@conv_weight_grad.shape
def conv_weight_grad_shape(g, x, *, size, stride, padding, dilation, groups):
    """g like conv's result, x its input -> the shape of its weight, whose taps are `size`."""
    facts = [("gradient", g), ("input", x)]
    check_operands("conv_weight_grad", g, x, facts, len(stride))
    check_groups("conv_weight_grad", g.shape[1], x.shape[1], x.shape[1] // max(groups, 1), groups, facts)
    if g.shape[0] != x.shape[0]:
        raise ShapeError(message("conv_weight_grad", "gradient and input differ in batch size", facts))
    check_adjoint("conv_weight_grad", g, x.shape[2:], size, stride, padding, dilation)
    return (g.shape[1], x.shape[1] // groups, *size), g.dtype


@conv.gradient
def conv_gradient(g, out, x, w, **settings):
    return (
        conv_input_grad(g, conjugate(w), size=x.shape[2:], **settings),
        conv_weight_grad(g, conjugate(x), size=w.shape[2:], **settings),
    )


@conv_input_grad.gradient
def conv_input_grad_gradient(g, out, above, w, *, size, **settings):
    """Linear in both: `above` is the gradient that was carried down, g is like conv's input."""
    return conv(g, conjugate(w), **settings), conv_weight_grad(conjugate(above), g, size=w.shape[2:], **settings)


@conv_weight_grad.gradient
def conv_weight_grad_gradient(g, out, above, x, *, size, **settings):
    """Linear in both: `above` is the gradient that was carried down, g is like conv's weight."""
    return conv(conjugate(x), g, **settings), conv_input_grad(conjugate(above), g, size=x.shape[2:], **settings)
