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
from dovetail.prims.window import add_windows, check_adjoint, check_windows, view_windows, wide, window_counts

CHUNK = 1 << 24  # elements of unrolled windows that tier 0 holds at a time


def columns(x: np.ndarray, groups: int, window, stride, padding, dilation) -> np.ndarray:
    """x (N, C, *sizes) as matrices (N, groups, C / groups * taps, counts)."""
    rank = len(window)
    view = view_windows(x, window, stride, padding, dilation)
    order = (0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))
    n, channels = x.shape[:2]
    counts = view.shape[2 : 2 + rank]
    return view.transpose(order).reshape(n, groups, channels // groups * size_of(window), size_of(counts))


def batches(n: int, each: int):
    """Slices of the batch whose unrolled windows have about CHUNK elements."""
    step = max(1, CHUNK // max(each, 1))
    return [slice(start, start + step) for start in range(0, n, step)]


def conv_meaning(x, w, *, stride, padding, dilation, groups):
    kind, taps = wide(x.dtype), w.shape[2:]
    n, channels, *sizes = x.shape
    counts = window_counts(sizes, taps, stride, padding, dilation)
    weights = w.astype(kind, copy=False).reshape(groups, w.shape[0] // groups, size_of(w.shape[1:]))
    out = np.empty((n, groups, w.shape[0] // groups, size_of(counts)), kind)
    for part in batches(n, channels * size_of(taps) * size_of(counts)):
        unrolled = columns(x[part].astype(kind, copy=False), groups, taps, stride, padding, dilation)
        np.matmul(weights, unrolled, out=out[part])
    return out.reshape(n, w.shape[0], *counts).astype(x.dtype, copy=False)


def conv_input_grad_meaning(g, w, *, size, stride, padding, dilation, groups):
    kind, taps = wide(g.dtype), w.shape[2:]
    n, outs, *counts = g.shape
    weights = w.astype(kind, copy=False).reshape(groups, outs // groups, size_of(w.shape[1:])).swapaxes(1, 2)
    channels = w.shape[1] * groups
    parts = []
    for part in batches(n, channels * size_of(taps) * size_of(counts)):
        rows = g[part].astype(kind, copy=False).reshape(-1, groups, outs // groups, size_of(counts))
        spread = np.matmul(weights, rows).reshape(len(rows), channels, *taps, *counts)
        parts.append(add_windows(lambda tap, spread=spread: spread[(slice(None), slice(None), *tap)],
                                 spread.shape[:2], kind, size, taps, stride, padding, dilation))
    out = np.concatenate(parts) if parts else np.zeros((0, channels, *size), kind)
    return out.astype(g.dtype, copy=False)


def conv_weight_grad_meaning(g, x, *, size, stride, padding, dilation, groups):
    kind = wide(g.dtype)
    n, outs, *counts = g.shape
    channels = x.shape[1]
    total = np.zeros((groups, outs // groups, channels // groups * size_of(size)), kind)
    for part in batches(n, channels * size_of(size) * size_of(counts)):
        rows = g[part].astype(kind, copy=False).reshape(-1, groups, outs // groups, size_of(counts))
        unrolled = columns(x[part].astype(kind, copy=False), groups, size, stride, padding, dilation)
        total += np.matmul(rows, unrolled.swapaxes(2, 3)).sum(0)
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
