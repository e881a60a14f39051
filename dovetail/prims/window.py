"""Windows that slide along the last dims: the windows themselves, their maxima and their sums, with the adjoints.

Along one dim of size n, window p tap t sits at index p * stride + t * dilation - low, where padding is (low, high);
what lies outside counts as absent (for sums: zero). There are as many windows as fit.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dovetail.base.dtypes import int64
from dovetail.base.errors import ArgumentError, DTypeError, ShapeError, message
from dovetail.ir.core import Primitive, Shape, Value
from dovetail.prims.families import SHAPE, WINDOW
from dovetail.prims.index import gather, scatter_nd
from dovetail.prims.make import literal_of
from dovetail.prims.shape import reshape, size_of, transpose

Pads = tuple[tuple[int, int], ...]


def window_count(n: int, taps: int, stride: int, pads: tuple[int, int], dilation: int) -> int:
    """How many windows fit along a dim of size n."""
    return (n + (pads[0] + pads[1] - dilation * (taps - 1) - 1)) // stride + 1


def window_counts(sizes: Shape, window, stride, padding: Pads, dilation) -> Shape:
    settings = zip(sizes, window, stride, padding, dilation, strict=True)
    return tuple([window_count(*each) for each in settings])


def check_windows(name: str, x: Value, sizes: Shape, window, stride, padding: Pads, dilation) -> Shape:
    """The window counts. Raises: ShapeError where a window is larger than its padded dim."""
    facts = [("input", x)]
    rank = len(window)
    if not len(stride) == len(padding) == len(dilation) == rank == len(sizes):
        text = f"window {tuple(window)}, stride {tuple(stride)}, padding {tuple(padding)}, dilation {tuple(dilation)}"
        raise ArgumentError(message(name, f"{text} do not name the same number of dims", facts))
    if any(s < 1 for s in (*window, *stride, *dilation)) or any(low < 0 or high < 0 for low, high in padding):
        raise ArgumentError(message(name, "window, stride, dilation must be positive, padding not negative", facts))
    counts = window_counts(sizes, window, stride, padding, dilation)
    for n, taps, (low, high), gap, count in zip(sizes, window, padding, dilation, counts, strict=True):
        if count < 1:
            reach = gap * (taps - 1) + 1
            raise ShapeError(message(name, f"a window spans {reach}, the padded input {n + low + high}", facts))
    return counts


def check_adjoint(name: str, g: Value, size: Shape, window, stride, padding: Pads, dilation) -> None:
    """g's last dims must be the window counts of an input of `size`."""
    counts = check_windows(name, g, size, window, stride, padding, dilation)
    if tuple(g.shape[g.ndim - len(counts) :]) != counts:
        text = f"an input of size {tuple(size)} has {counts} windows"
        raise ShapeError(message(name, text, [("gradient", g)]))


def view_windows(x: np.ndarray, window, stride, padding: Pads, dilation, fill=0) -> np.ndarray:
    """A view (outer dims, *counts, *window) of x padded with `fill`."""
    rank = len(window)
    outer = x.ndim - rank
    if any(pads != (0, 0) for pads in padding):
        x = np.pad(x, [(0, 0)] * outer + list(padding), constant_values=fill)
    reach = tuple([gap * (taps - 1) + 1 for taps, gap in zip(window, dilation, strict=True)])
    view = sliding_window_view(x, reach, axis=tuple(range(outer, x.ndim)))
    places = tuple([slice(None, None, step) for step in stride])
    taps = tuple([slice(None, None, gap) for gap in dilation])
    return view[(slice(None),) * outer + places + taps]


def add_windows(tap_value, outer: Shape, dtype, size: Shape, window, stride, padding: Pads, dilation) -> np.ndarray:
    """The adjoint of the view: the sum of tap_value(taps), each (outer, *counts), where its tap sits."""
    padded = [n + low + high for n, (low, high) in zip(size, padding, strict=True)]
    counts = window_counts(size, window, stride, padding, dilation)
    total = np.zeros((*outer, *padded), dtype)
    before = (slice(None),) * len(outer)
    for taps in product(*[range(n) for n in window]):
        place = tuple([slice(t * gap, t * gap + (count - 1) * step + 1, step)
                       for t, gap, count, step in zip(taps, dilation, counts, stride, strict=True)])
        total[before + place] += tap_value(taps)
    inside = tuple([slice(low, low + n) for n, (low, _) in zip(size, padding, strict=True)])
    return np.ascontiguousarray(total[before + inside])


def wide(dtype: np.dtype) -> np.dtype:
    """The dtype sums are made in: halves are added up in float32."""
    return np.dtype(np.float32) if dtype.itemsize == 2 and dtype.kind not in "bui" else dtype


# -- the windows themselves (torch: unfold, fold) ----------------------------------------------------------------------


def windows_meaning(x, *, window, stride, padding, dilation):
    rank = len(window)
    view = view_windows(x, window, stride, padding, dilation)
    outer = x.ndim - rank
    order = (*range(outer), *range(outer + rank, outer + 2 * rank), *range(outer, outer + rank))
    return view.transpose(order)


windows = Primitive("windows", SHAPE, windows_meaning)  # out[i] = in[affine(i)], or zero


@windows.shape
def windows_shape(x, *, window, stride, padding, dilation):
    """(outer dims, *sizes) -> (outer dims, *window, *counts)."""
    outer = x.ndim - len(window)
    counts = check_windows("windows", x, x.shape[outer:], window, stride, padding, dilation)
    return (*x.shape[:outer], *window, *counts), x.dtype


@windows.gradient
def windows_gradient(g, out, x, *, window, **settings):
    return (windows_grad(g, window=window, size=x.shape[x.ndim - len(window) :], **settings),)


@windows.write
def windows_write(base, new, *, window, stride, padding, dilation):
    """Where windows overlap, the last one stays. Without padding only: what lies outside cannot be written to."""
    if any(pads != (0, 0) for pads in padding):
        raise ArgumentError(message("windows", "padded windows cannot be written to", [("windows", new)]))
    places = np.arange(base.numel).reshape(base.shape)
    places = windows_meaning(places, window=window, stride=stride, padding=padding, dilation=dilation)
    rank = len(window)  # taps stand before counts here, and behind them where users see windows
    order = (*range(base.ndim - rank), *range(base.ndim, base.ndim + rank), *range(base.ndim - rank, base.ndim))
    flat = literal_of(np.ascontiguousarray(places.transpose(order)).reshape(-1))
    numbers = reshape(transpose(new, perm=order), shape=(new.numel,))
    return reshape(scatter_nd(reshape(base, shape=(base.numel,)), numbers, flat, mode="set"), shape=base.shape)


def windows_grad_meaning(g, *, size, window, stride, padding, dilation):
    rank = len(window)
    outer = g.shape[: g.ndim - 2 * rank]
    plain = (slice(None),) * len(outer)
    total = add_windows(lambda taps: g[plain + taps], outer, wide(g.dtype), size, window, stride, padding, dilation)
    return total.astype(g.dtype, copy=False)


windows_grad = Primitive("windows_grad", WINDOW, windows_grad_meaning)


@windows_grad.shape
def windows_grad_shape(g, *, size, window, stride, padding, dilation):
    """(outer dims, *window, *counts) -> (outer dims, *size): every element added where it came from."""
    check_adjoint("windows_grad", g, size, window, stride, padding, dilation)
    return (*g.shape[: g.ndim - 2 * len(window)], *size), g.dtype


@windows_grad.gradient
def windows_grad_gradient(g, out, x, *, size, **settings):
    return (windows(g, **settings),)


# -- maxima ------------------------------------------------------------------------------------------------------------


def window_max_meaning(x, *, window, stride, padding, dilation):
    rank, outer = len(window), x.ndim - len(window)
    lowest = -np.inf if x.dtype.kind not in "ui" else np.iinfo(x.dtype).min
    view = view_windows(x, window, stride, padding, dilation, lowest)
    counts = view.shape[outer : outer + rank]
    flat = view.reshape(*view.shape[: outer + rank], size_of(window))
    chosen = flat.argmax(-1)
    values = np.take_along_axis(flat, chosen[..., None], -1)[..., 0]
    taps = np.unravel_index(chosen, window)
    places, inside = [], np.ones(chosen.shape, bool)
    for d in range(rank):
        shape = [1] * chosen.ndim
        shape[outer + d] = counts[d]
        first = np.arange(counts[d]).reshape(shape) * stride[d] - padding[d][0]
        place = first + taps[d] * dilation[d]
        inside &= (place >= 0) & (place < x.shape[outer + d])
        places.append((place, first + -(np.minimum(first, 0) // dilation[d]) * dilation[d]))
    index = np.zeros(chosen.shape, np.int64)
    for d, (place, start) in enumerate(places):  # padding ties with -inf: then the first element inside counts
        index = index * x.shape[outer + d] + np.where(inside, place, np.minimum(start, x.shape[outer + d] - 1))
    return values, index


window_max = Primitive("window_max", WINDOW, window_max_meaning)
window_max.kinds = "uif"


@window_max.shape
def window_max_shape(x, *, window, stride, padding, dilation):
    """The largest element of each window (a NaN counts as the largest) and its flat index among the last dims."""
    outer = x.ndim - len(window)
    if x.dtype.kind not in window_max.kinds:
        raise DTypeError(message("window_max", f"cannot order {x.dtype.name} values", [("input", x)]))
    counts = check_windows("window_max", x, x.shape[outer:], window, stride, padding, dilation)
    shape = (*x.shape[:outer], *counts)
    return [(shape, x.dtype), (shape, int64)]


@window_max.gradient
def window_max_gradient(g, out, x, *, window, **settings):
    if g[0] is None:
        return (None,)
    return (window_max_grad(g[0], out[1], size=x.shape[x.ndim - len(window) :], window=window, **settings),)


def window_max_grad_meaning(g, index, *, size, window, stride, padding, dilation):
    outer = size_of(g.shape[: g.ndim - len(size)])
    total = np.zeros((outer, size_of(size)), wide(g.dtype))
    np.add.at(total, (np.arange(outer)[:, None], index.reshape(outer, -1)), g.reshape(outer, -1))
    return total.reshape(*g.shape[: g.ndim - len(size)], *size).astype(g.dtype, copy=False)


window_max_grad = Primitive("window_max_grad", WINDOW, window_max_grad_meaning)


@window_max_grad.shape
def window_max_grad_shape(g, index, *, size, window, stride, padding, dilation):
    """Every element of g added at its flat index among the last dims of the result, which has `size`.

    The indices are window_max's for the same settings: those of window p lie inside window p.
    """
    check_adjoint("window_max_grad", g, size, window, stride, padding, dilation)
    if index.shape != g.shape or index.dtype is not int64:
        raise ShapeError(message("window_max_grad", "needs an int64 index for each element", [("index", index)]))
    return (*g.shape[: g.ndim - len(size)], *size), g.dtype


@window_max_grad.gradient
def window_max_grad_gradient(g, out, x, index, *, size, **settings):
    """What stands at the index of each element."""
    outer = x.shape[: x.ndim - len(size)]
    rows = reshape(g, shape=(*outer, size_of(size)))
    places = reshape(index, shape=(*outer, size_of(x.shape[len(outer) :])))
    return reshape(gather(rows, places, dim=len(outer)), shape=x.shape), None


# -- sums --------------------------------------------------------------------------------------------------------------


def window_sum_meaning(x, *, window, stride, padding, dilation):
    rank = len(window)
    view = view_windows(x, window, stride, padding, dilation)
    total = np.zeros(view.shape[: x.ndim], wide(x.dtype))
    for taps in product(*[range(n) for n in window]):
        total += view[(..., *taps)] if rank else view
    return total.astype(x.dtype, copy=False)


window_sum = Primitive("window_sum", WINDOW, window_sum_meaning)
window_sum.kinds = "uifc"


@window_sum.shape
def window_sum_shape(x, *, window, stride, padding, dilation):
    """The sum of each window."""
    outer = x.ndim - len(window)
    counts = check_windows("window_sum", x, x.shape[outer:], window, stride, padding, dilation)
    return (*x.shape[:outer], *counts), x.dtype


@window_sum.gradient
def window_sum_gradient(g, out, x, *, window, **settings):
    return (window_sum_grad(g, window=window, size=x.shape[x.ndim - len(window) :], **settings),)


def window_sum_grad_meaning(g, *, size, window, stride, padding, dilation):
    outer = g.shape[: g.ndim - len(size)]
    total = add_windows(lambda taps: g, outer, wide(g.dtype), size, window, stride, padding, dilation)
    return total.astype(g.dtype, copy=False)


window_sum_grad = Primitive("window_sum_grad", WINDOW, window_sum_grad_meaning)


@window_sum_grad.shape
def window_sum_grad_shape(g, *, size, window, stride, padding, dilation):
    """For each element of an input of `size`: the sum of g over the windows that it lies in."""
    check_adjoint("window_sum_grad", g, size, window, stride, padding, dilation)
    return (*g.shape[: g.ndim - len(size)], *size), g.dtype


@window_sum_grad.gradient
def window_sum_grad_gradient(g, out, x, *, size, **settings):
    return (window_sum(g, **settings),)
