"""Pooling: the largest, the mean or the norm of windows that slide over the last dims.

Shape: (N, C, *sizes) or (C, *sizes) -> the same with one size for each window position.
"""

from __future__ import annotations

import numpy as np

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops.dims import Shape, numel, pair_of
from dovetail.ops.front import front
from dovetail.ops.promote import cast, constant, expanded, filled, literal
from dovetail.ops.random import Draws
from dovetail.ops.shape import reshaped
from dovetail.runtime import memory
from dovetail.tensor.op import op

# --- windows ----------------------------------------------------------------------------------------------------------


class Windows:
    """Window settings of one call, checked, with the padding that ceil_mode needs at the far ends.

    counts: window positions for each dim.
    """

    def __init__(self, call: str, x: Value, rank: int, kernel_size, stride, padding, dilation, ceil_mode: bool):
        self.window = pair_of(call, kernel_size, rank, "kernel_size")
        stride = self.window if stride is None or (not isinstance(stride, int) and not tuple(stride)) else stride
        self.stride = pair_of(call, stride, rank, "stride")
        self.dilation = pair_of(call, dilation, rank, "dilation")
        self.pads = pair_of(call, padding, rank, "padding")
        self.sizes = x.shape[-rank:]
        self.check(call, x, rank)
        settings = zip(self.sizes, self.window, self.stride, self.pads, self.dilation, strict=True)
        self.counts = tuple(positions(*each, ceil_mode) for each in settings)
        if any(n < 1 for n in self.counts):
            problem = (
                f"given input size {self.sizes}, the output size {self.counts} would be too small for "
                f"kernel {self.window}"
            )
            raise ShapeError(message(call, problem, [("input", x)]))

    def check(self, call: str, x: Value, rank: int) -> None:
        if x.ndim not in (rank + 1, rank + 2):
            problem = f"expected {rank + 1}D or {rank + 2}D input, got {x.ndim} dims"
            raise ShapeError(message(call, problem, [("input", x)]))
        if any(n < 1 for n in (*self.window, *self.stride, *self.dilation)):
            problem = f"kernel_size {self.window}, stride {self.stride} and dilation {self.dilation} must be positive"
            raise ArgumentError(message(call, problem))
        for k, d, q in zip(self.window, self.dilation, self.pads, strict=True):
            if q < 0 or 2 * q > d * (k - 1) + 1:
                problem = (
                    f"pad should be at most half of effective kernel size, but got pad={q}, kernel_size={k} "
                    f"and dilation={d}"
                )
                raise ArgumentError(message(call, problem))
        if any(n == 0 for n in x.shape[1 if x.ndim == rank + 2 else 0 :]):
            raise ShapeError(message(call, "expected input with non-zero sizes apart from the batch", [("input", x)]))

    def padding(self, low: Shape | None = None, sizes: Shape | None = None) -> tuple[tuple[int, int], ...]:
        """(low, high) for each dim such that exactly `counts` windows fit."""
        low, sizes = low or self.pads, sizes or self.sizes
        made = []
        for n, k, s, q, d, c in zip(sizes, self.window, self.stride, low, self.dilation, self.counts, strict=True):
            made.append((q, max((c - 1) * s + d * (k - 1) + 1 - n - q, 0)))
        return tuple(made)

    @property
    def settings(self) -> dict:
        """What the window primitives take."""
        return {"window": self.window, "stride": self.stride, "padding": self.padding(), "dilation": self.dilation}


def positions(n: int, k: int, s: int, q: int, d: int, ceil_mode: bool) -> int:
    """How many windows there are; with ceil_mode one more that begins inside the input."""
    room = n + 2 * q - d * (k - 1) - 1
    count = (-(-room // s) if ceil_mode else room // s) + 1
    if ceil_mode and (count - 1) * s >= n + q:
        count -= 1
    return count


# --- largest elements -------------------------------------------------------------------------------------------------


@op(top=False)
def max_pool(input, rank, kernel_size, stride, padding, dilation, ceil_mode, call):
    """(values, indices): the largest element of every window and where it was found."""
    w = Windows(call, input, rank, kernel_size, stride, padding, dilation, ceil_mode)
    return p.window_max(input, **w.settings)


@op(top=False)
def max_pool_values(input, rank, kernel_size, stride, padding, dilation, ceil_mode, call):
    """The largest element of every window."""
    w = Windows(call, input, rank, kernel_size, stride, padding, dilation, ceil_mode)
    return p.window_max(input, **w.settings)[0]


def _max_pool(call, rank, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    pooled = max_pool if return_indices else max_pool_values
    return pooled(input, rank, kernel_size, stride, padding, dilation, ceil_mode, call)


@front(functional=True)
def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Largest element of windows along the last dim. Shape: (N, C, L) -> (N, C, L')"""
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@front(functional=True)
def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Largest element of windows over images. Shape: (N, C, H, W) -> (N, C, H', W')"""
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@front(functional=True)
def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Largest element of windows over volumes. Shape: (N, C, D, H, W) -> (N, C, D', H', W')"""
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@front(functional=True)
def max_pool1d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True
):
    """max_pool1d and the indices of the elements."""
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


@front(functional=True, top=False)
def max_pool2d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True
):
    """max_pool2d and the indices of the elements."""
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


@front(functional=True, top=False)
def max_pool3d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True
):
    """max_pool3d and the indices of the elements."""
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def unpooled(call: str, rank: int, input, indices, kernel_size, stride, padding, output_size) -> Value:
    """Elements put back where max_pool found them, zeros elsewhere."""
    if indices.dtype is not dtypes.int64:
        raise ArgumentError(message(call, "elements in indices should be type int64", [("indices", indices)]))
    if input.shape != indices.shape:
        raise ShapeError(
            message(call, "input and indices must have one shape", [("input", input), ("indices", indices)])
        )
    window = pair_of(call, kernel_size, rank, "kernel_size")
    stride = window if stride is None else pair_of(call, stride, rank, "stride")
    pads = pair_of(call, padding, rank, "padding")
    usual = tuple((n - 1) * s - 2 * q + k for n, s, q, k in zip(input.shape[-rank:], stride, pads, window, strict=True))
    size = usual if output_size is None else tuple(output_size)[-rank:]
    for n, u, s in zip(size, usual, stride, strict=True):
        if not u - s < n < u + s:
            raise ShapeError(
                message(
                    call, f"invalid output_size {size}: each must lie within a stride of {usual}", [("input", input)]
                )
            )
    lead = input.shape[:-rank]
    outer = numel(lead)
    zero = constant(0, (outer, numel(size)), input.dtype)
    rows, at = (
        p.reshape(input, shape=(outer, numel(input.shape[-rank:]))),
        p.reshape(indices, shape=(outer, numel(input.shape[-rank:]))),
    )
    return p.reshape(p.scatter(zero, at, rows, dim=1), shape=(*lead, *size))


@op(functional=True, top=False)
def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """The reverse of max_pool1d with its indices; other places are zero."""
    return unpooled("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


@op(functional=True, top=False)
def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """The reverse of max_pool2d with its indices; other places are zero."""
    return unpooled("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


@op(functional=True, top=False)
def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """The reverse of max_pool3d with its indices; other places are zero."""
    return unpooled("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


# --- means and norms --------------------------------------------------------------------------------------------------


def averaged(call, rank, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override) -> Value:
    w = Windows(call, x, rank, kernel_size, stride, padding, 1, ceil_mode)
    total = p.window_sum(x, **w.settings)
    if divisor_override is not None:
        if divisor_override == 0:
            raise ArgumentError(message(call, "divisor must be not zero"))
        return shared(total, filled(total, divisor_override))
    if not any(w.pads) and not ceil_mode:
        return shared(total, filled(total, numel(w.window)))
    return shared(total, expanded(window_sizes(w, count_include_pad, x.dtype), total.shape))


def shared(total: Value, n: Value) -> Value:
    """total / n in total's dtype; whole numbers lose their fraction."""
    if total.dtype.kind in "iu":
        return p.floor_divide(total - p.fmod(total, n), n)
    return total / n


def window_sizes(w: Windows, with_padding: bool, dtype) -> Value:
    """How many elements each window holds; the padding counts on wish, what ceil_mode adds beyond it never."""
    if with_padding:
        sizes = tuple(n + 2 * q for n, q in zip(w.sizes, w.pads, strict=True))
        padding = w.padding((0,) * len(sizes), sizes)
    else:
        sizes, padding = w.sizes, w.padding()
    one = constant(1, sizes, dtype)
    return p.window_sum(one, window=w.window, stride=w.stride, padding=padding, dilation=w.dilation)


@op(functional=True)
def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """Mean of windows along the last dim. Shape: (N, C, L) -> (N, C, L')"""
    return averaged("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@op(functional=True, top=False)
def avg_pool2d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """Mean of windows over images. Shape: (N, C, H, W) -> (N, C, H', W')"""
    return averaged(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@op(functional=True, top=False)
def avg_pool3d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """Mean of windows over volumes. Shape: (N, C, D, H, W) -> (N, C, D', H', W')"""
    return averaged(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def normed(call, rank, x, norm_type, kernel_size, stride, ceil_mode) -> Value:
    """(sum of x^p)^(1/p) of windows, as torch computes it from the mean."""
    mean = averaged(call, rank, p.pow(x, filled(x, norm_type)), kernel_size, stride, 0, ceil_mode, True, None)
    size = numel(pair_of(call, kernel_size, rank, "kernel_size"))
    whole = p.sign(mean) * p.where(p.le(p.abs(mean), filled(mean, 0)), filled(mean, 0), p.abs(mean)) * size
    return p.pow(whole, filled(whole, 1.0 / norm_type))


@op(functional=True, top=False)
def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """p-norm of windows along the last dim."""
    return normed("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


@op(functional=True, top=False)
def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """p-norm of windows over images."""
    return normed("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


@op(functional=True, top=False)
def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """p-norm of windows over volumes."""
    return normed("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)


# --- windows that make a wanted number of results ---------------------------------------------------------------------


def wanted_sizes(call: str, x: Value, rank: int, output_size) -> Shape:
    if x.ndim not in (rank + 1, rank + 2):
        raise ShapeError(message(call, f"expected {rank + 1}D or {rank + 2}D input, got {x.ndim} dims", [("input", x)]))
    sizes = pair_of(call, output_size, rank, "output_size") if output_size is not None else (None,) * rank
    made = tuple(have if n is None else n for n, have in zip(sizes, x.shape[-rank:], strict=True))
    if any(n < 0 for n in made):
        raise ArgumentError(message(call, f"elements of output_size must be greater than or equal to 0, got {made}"))
    if any(n == 0 for n in x.shape[1 if x.ndim == rank + 2 else 0 :]):
        raise ShapeError(message(call, "expected input to have non-zero size for non-batch dimensions", [("input", x)]))
    nbytes = numel((*x.shape[:-rank], *made)) * x.dtype.itemsize
    memory.check_available(nbytes, call, [("input", x), ("output_size", str(made))])
    return made


def bins(n: int, out: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts and stops of `out` nearly equal parts of n elements; neighbours may overlap."""
    i = np.arange(out, dtype=np.int64)
    return i * n // max(out, 1), -(-(i + 1) * n // max(out, 1))


def evenly(sizes: Shape, wanted: Shape) -> bool:
    return all(out and n % out == 0 for n, out in zip(sizes, wanted, strict=True))


def adaptive_mean(call: str, rank: int, x: Value, output_size) -> Value:
    wanted = wanted_sizes(call, x, rank, output_size)
    sizes = x.shape[-rank:]
    if evenly(sizes, wanted):
        window = tuple(n // out for n, out in zip(sizes, wanted, strict=True))
        if window == sizes:
            total = p.reduce_sum(x, dims=tuple(range(x.ndim - rank, x.ndim)))
            return p.reshape(total, shape=(*x.shape[:-rank], *wanted)) / numel(window)
        total = p.window_sum(x, window=window, stride=window, padding=((0, 0),) * rank, dilation=(1,) * rank)
        return total / filled(total, numel(window))
    for k in range(rank):
        x = mean_of_bins(x, x.ndim - rank + k, wanted[k])
    return x


def mean_of_bins(x: Value, dim: int, out: int) -> Value:
    """One dim averaged over nearly equal parts: a product with a matrix of shares."""
    n = x.shape[dim]
    starts, stops = bins(n, out)
    at = np.arange(n)[:, None]
    shares = ((at >= starts) & (at < stops)) / np.maximum(stops - starts, 1)
    made = p.contract(x, literal(shares, x.dtype), batch=((), ()), sum=((dim,), (0,)))
    order = list(range(x.ndim - 1))
    order.insert(dim, x.ndim - 1)
    return p.transpose(made, perm=tuple(order))


@op(functional=True)
def adaptive_avg_pool1d(input, output_size):
    """Means of nearly equal parts along the last dim. Shape: (N, C, L) -> (N, C, output_size)"""
    return adaptive_mean("adaptive_avg_pool1d", 1, input, output_size)


@op(functional=True, top=False)
def adaptive_avg_pool2d(input, output_size):
    """Means of nearly equal parts of images. Shape: (N, C, H, W) -> (N, C, *output_size)"""
    return adaptive_mean("adaptive_avg_pool2d", 2, input, output_size)


@op(functional=True, top=False)
def adaptive_avg_pool3d(input, output_size):
    """Means of nearly equal parts of volumes. Shape: (N, C, D, H, W) -> (N, C, *output_size)"""
    return adaptive_mean("adaptive_avg_pool3d", 3, input, output_size)


def adaptive_largest(call: str, rank: int, x: Value, output_size) -> tuple[Value, Value]:
    """(values, indices) of nearly equal parts: each part's elements side by side, the last one repeated to fill up."""
    wanted = wanted_sizes(call, x, rank, output_size)
    tables = [part_table(n, out) for n, out in zip(x.shape[-rank:], wanted, strict=True)]
    return largest_of_parts(x, rank, wanted, tables)


def part_table(n: int, out: int) -> np.ndarray:
    """(out, longest part): the elements of each part."""
    starts, stops = bins(n, out)
    longest = int((stops - starts).max(initial=1))
    return np.minimum(starts[:, None] + np.arange(longest), stops[:, None] - 1)


def largest_of_parts(x: Value, rank: int, wanted: Shape, tables: list[np.ndarray]) -> tuple[Value, Value]:
    lead = x.shape[:-rank]
    if 0 in wanted:
        return constant(0, (*lead, *wanted), x.dtype), constant(0, (*lead, *wanted), dtypes.int64)
    cells = x
    for k, table in enumerate(tables):
        cells = p.take(cells, literal(table), dim=len(lead) + 2 * k)
    outs = [len(lead) + 2 * k for k in range(rank)]
    order = (*range(len(lead)), *outs, *(d + 1 for d in outs))
    taps = numel(t.shape[1] for t in tables)
    cells = p.reshape(p.transpose(cells, perm=order), shape=(*lead, *wanted, taps))
    best = p.argmax(cells, dim=cells.ndim - 1)
    line = p.reshape(best, shape=(*best.shape, 1))
    values = p.reshape(p.gather(cells, line, dim=cells.ndim - 1), shape=best.shape)
    flat = flat_table(tables, x.shape[-rank:], wanted, taps)
    places = expanded(literal(flat), (*lead, *wanted, taps))
    return values, p.reshape(p.gather(places, line, dim=cells.ndim - 1), shape=best.shape)


def flat_table(tables: list[np.ndarray], sizes: Shape, wanted: Shape, taps: int) -> np.ndarray:
    """The flat index, among the last dims, of each element of each part."""
    rank = len(tables)
    flat = np.zeros((1,) * (2 * rank), np.int64)
    for k, table in enumerate(tables):
        shape = [1] * (2 * rank)
        shape[k], shape[rank + k] = table.shape
        flat = flat * sizes[k] + table.reshape(shape)
    return flat.reshape(*wanted, taps)


@op(functional=True, top=False)
def adaptive_max_pool1d(input, output_size, return_indices=False):
    """Largest elements of nearly equal parts along the last dim."""
    values, indices = adaptive_largest("adaptive_max_pool1d", 1, input, output_size)
    return (values, indices) if return_indices else values


@op(functional=True, top=False)
def adaptive_max_pool2d(input, output_size, return_indices=False):
    """Largest elements of nearly equal parts of images."""
    values, indices = adaptive_largest("adaptive_max_pool2d", 2, input, output_size)
    return (values, indices) if return_indices else values


@op(functional=True, top=False)
def adaptive_max_pool3d(input, output_size, return_indices=False):
    """Largest elements of nearly equal parts of volumes."""
    values, indices = adaptive_largest("adaptive_max_pool3d", 3, input, output_size)
    return (values, indices) if return_indices else values


@op(functional=True, top=False)
def adaptive_max_pool1d_with_indices(input, output_size, return_indices=True):
    """adaptive_max_pool1d and the indices of the elements; torch.adaptive_max_pool1d is this one."""
    return adaptive_largest("adaptive_max_pool1d", 1, input, output_size)


@op(functional=True, top=False)
def adaptive_max_pool2d_with_indices(input, output_size, return_indices=True):
    """adaptive_max_pool2d and the indices of the elements."""
    return adaptive_largest("adaptive_max_pool2d", 2, input, output_size)


@op(functional=True, top=False)
def adaptive_max_pool3d_with_indices(input, output_size, return_indices=True):
    """adaptive_max_pool3d and the indices of the elements."""
    return adaptive_largest("adaptive_max_pool3d", 3, input, output_size)


# --- windows at random places -----------------------------------------------------------------------------------------


def fractional(call, rank, seed, counter, x, kernel_size, output_size, output_ratio, samples) -> tuple[Value, Value]:
    """(values, indices) of windows whose steps vary at random (Graham 2014)."""
    if (output_size is None) == (output_ratio is None):
        raise ArgumentError(message(call, "requires specifying either an output_size or an output_ratio"))
    window = pair_of(call, kernel_size, rank, "kernel_size")
    if x.ndim not in (rank + 1, rank + 2):
        raise ShapeError(message(call, f"expected {rank + 1}D or {rank + 2}D input", [("input", x)]))
    sizes = x.shape[-rank:]
    if output_size is None:
        ratio = pair_of(call, output_ratio, rank, "output_ratio")
        if not all(0 < r < 1 for r in ratio):
            raise ArgumentError(message(call, f"output_ratio must be between 0 and 1 (got {output_ratio})"))
        output_size = tuple(int(n * r) for n, r in zip(sizes, ratio, strict=True))
    wanted = pair_of(call, output_size, rank, "output_size")
    if any(o + k - 1 > n for o, k, n in zip(wanted, window, sizes, strict=True)):
        raise ShapeError(
            message(call, f"pool size {window} too large relative to input {sizes} for output {wanted}", [("input", x)])
        )
    n, c = (x.shape[0], x.shape[1]) if x.ndim == rank + 2 else (1, x.shape[0])
    if samples is None:
        samples = Draws(seed, counter).uniform((n, c, rank), x.dtype)
    return fractional_parts(reshaped(x, (n, c, *sizes)), samples, window, wanted, x.shape[: x.ndim - rank])


def fractional_parts(x: Value, samples: Value, window, wanted, lead: Shape) -> tuple[Value, Value]:
    n, c, *sizes = x.shape
    rank = len(sizes)
    grid = (n, c, *wanted, *window)
    flat = constant(0, grid, dtypes.int64)
    for d in range(rank):
        at = rank - 1 - d if rank == 2 else d  # torch's samples for images name the width first
        u = p.slice(samples, starts=(0, 0, at), stops=(n, c, at + 1), steps=(1, 1, 1))
        start = fractional_starts(u, sizes[d], window[d], wanted[d])
        spread = p.broadcast(start, shape=grid, dims=(0, 1, 2 + d))
        place = spread + p.iota(shape=grid, dtype=dtypes.int64, dim=2 + rank + d)
        flat = flat * sizes[d] + place
    cells = p.reshape(flat, shape=(n, c, numel(wanted) * numel(window)))
    taken = p.gather(p.reshape(x, shape=(n, c, numel(sizes))), cells, dim=2)
    taken = p.reshape(taken, shape=(n, c, numel(wanted), numel(window)))
    best = p.argmax(taken, dim=3)
    line = p.reshape(best, shape=(*best.shape, 1))
    values = p.gather(taken, line, dim=3)
    index = p.gather(p.reshape(cells, shape=taken.shape), line, dim=3)
    return p.reshape(values, shape=(*lead, *wanted)), p.reshape(index, shape=(*lead, *wanted))


def fractional_starts(u: Value, n: int, k: int, out: int) -> Value:
    """(N, C, out): where each window begins; the last one ends at the input's end."""
    shape = (*u.shape[:2], out)
    step = (n - k) / (out - 1) if out > 1 else 0.0
    u = expanded(u, shape)
    i = cast(p.iota(shape=shape, dtype=dtypes.int64, dim=2), u.dtype)
    start = p.trunc((i + u) * step) - p.trunc(u * step)
    place = p.iota(shape=shape, dtype=dtypes.int64, dim=2)
    return p.where(p.eq(place, filled(place, out - 1)), filled(place, n - k), cast(start, dtypes.int64))


@op(random=True, functional=True, top=False)
def fractional_max_pool2d(
    seed, counter, input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """Largest elements of windows with random steps over images."""
    found = fractional(
        "fractional_max_pool2d", 2, seed, counter, input, kernel_size, output_size, output_ratio, _random_samples
    )
    return found if return_indices else found[0]


@op(random=True, functional=True, top=False)
def fractional_max_pool3d(
    seed, counter, input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """Largest elements of windows with random steps over volumes."""
    found = fractional(
        "fractional_max_pool3d", 3, seed, counter, input, kernel_size, output_size, output_ratio, _random_samples
    )
    return found if return_indices else found[0]


@op(random=True, functional=True, top=False)
def fractional_max_pool2d_with_indices(
    seed, counter, input, kernel_size, output_size=None, output_ratio=None, return_indices=True, _random_samples=None
):
    """fractional_max_pool2d and the indices of the elements."""
    return fractional(
        "fractional_max_pool2d", 2, seed, counter, input, kernel_size, output_size, output_ratio, _random_samples
    )


@op(random=True, functional=True, top=False)
def fractional_max_pool3d_with_indices(
    seed, counter, input, kernel_size, output_size=None, output_ratio=None, return_indices=True, _random_samples=None
):
    """fractional_max_pool3d and the indices of the elements."""
    return fractional(
        "fractional_max_pool3d", 3, seed, counter, input, kernel_size, output_size, output_ratio, _random_samples
    )
