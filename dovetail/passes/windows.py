"""Convolution and pooling told in simpler words: views of windows, products, slices.

A convolution is a product of two matrices, one of which is a *view*: element (n, c, tap, place) of the windows of an
image is an address like any other. So after this pass no convolution is left; tiles, epilogues, gradients of
parameters fused with their update come as for any other product. Small pooling windows become one slice for each tap.

Source: the view is Chellapilla, Puri and Simard 2006 ("im2col") without the copy; the split of a strided convolution's
input gradient into phases is that of fractionally strided convolution, Dumoulin and Visin 2016, section 4.5.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from dovetail.base.dtypes import int32, int64, uint8
from dovetail.ir.core import Graph, Node, Shape, Value, building, scope
from dovetail.ir.sym import is_static
from dovetail.passes import dce
from dovetail.passes.rebuild import with_inputs
from dovetail.prims import elementwise as e
from dovetail.prims import families
from dovetail.prims import window as w
from dovetail.prims.contract import contract
from dovetail.prims.index import scatter_add
from dovetail.prims.make import constant, constant_like, iota
from dovetail.prims.reduce import reduce_sum
from dovetail.prims.shape import broadcast, pad, reshape, size_of, slice_, transpose, update_slice

FEW = 16  # taps that are written out one by one
EXPANSIONS: dict[str, Callable] = {}


def expansion(function: Callable) -> Callable:
    """Register the expansion of the primitive that the function is named after."""
    EXPANSIONS[function.__name__] = function
    return function


def run(graph: Graph) -> Graph:
    """The graph without convolutions and pooling. Complex ones stay: they are computed by their meaning."""
    if not any(wanted(node) for node in graph.nodes):
        return graph
    replaced: dict[Value, Value] = {}
    taps: dict[Value, Value] = {}  # the index of a window's maximum -> the number of its tap
    before = scope.where, scope.region
    with building() as nodes:
        for node in graph.nodes:
            inputs = tuple([replaced.get(x, x) for x in node.inputs]) if replaced else node.inputs
            if not wanted(node):
                nodes.append(with_inputs(node, inputs, replaced))
                continue
            scope.where, scope.region = node.where, node.region
            outs = expand(node, inputs, taps)
            replaced.update(zip(node.outs, outs, strict=True))
    scope.where, scope.region = before
    return dce.run(Graph(graph.inputs, nodes, [replaced.get(x, x) for x in graph.outputs]))


def wanted(node: Node) -> bool:
    """Convolutions, pooling and views of windows that reach into padding, but not of complex values."""
    if node.prim is w.windows:
        return any(map(any, node.params["padding"]))
    return node.prim.family in (families.CONV, families.WINDOW) and all(x.dtype.kind != "c" for x in node.inputs)


def expand(node: Node, inputs: tuple[Value, ...], taps: dict[Value, Value]) -> tuple[Value, ...]:
    if node.prim is w.window_max:
        values, index, tap = window_max(*inputs, **node.params)
        taps[index] = tap
        return values, index
    if node.prim is w.window_max_grad:
        return (window_max_grad(*inputs, taps.get(inputs[1]), **node.params),)
    return (EXPANSIONS[node.prim.name](*inputs, **node.params),)


# -- moves -------------------------------------------------------------------------------------------------------------


def moved(x: Value, perm: tuple[int, ...]) -> Value:
    return x if perm == tuple(range(x.ndim)) else transpose(x, perm=perm)


def as_shape(x: Value, shape) -> Value:
    return x if tuple(shape) == x.shape and all(map(is_static, (*shape, *x.shape))) else reshape(x, shape=tuple(shape))


def resized(x: Value, low, high, value=0) -> Value:
    """The last dims of x with so much added at either end; a known negative number takes away."""
    outer = x.ndim - len(low)
    more = [tuple([n if not is_static(n) or n > 0 else 0 for n in ends]) for ends in (low, high)]
    less = [tuple([-n if is_static(n) and n < 0 else 0 for n in ends]) for ends in (low, high)]
    if any(any(not is_static(n) or n for n in ends) for ends in more):
        x = pad(x, low=(0,) * outer + more[0], high=(0,) * outer + more[1], value=value)
    if any(any(ends) for ends in less):
        stops = tuple([n - m for n, m in zip(x.shape[outer:], less[1], strict=True)])
        x = part(x, less[0], stops)
    return x


def part(x: Value, starts, stops, steps=None) -> Value:
    """A slice of the last dims."""
    outer = x.ndim - len(starts)
    steps = tuple(steps or (1,) * len(starts))
    starts, stops = (0,) * outer + tuple(starts), x.shape[:outer] + tuple(stops)
    return slice_(x, starts=starts, stops=stops, steps=(1,) * outer + steps)


def padded(x: Value, padding: w.Pads, value=0) -> Value:
    return resized(x, tuple([low for low, _ in padding]), tuple([high for _, high in padding]), value)


def windows_of(x: Value, window, stride, dilation) -> Value:
    """(outer, *sizes) -> (outer, *window, *counts), without padding: a view."""
    none = ((0, 0),) * len(window)
    return w.windows(x, window=tuple(window), stride=tuple(stride), padding=none, dilation=tuple(dilation))


def tap_slice(x: Value, tap, counts, stride, dilation) -> Value:
    """What tap `tap` of every window sees: (outer, *counts)."""
    starts = tuple([t * gap for t, gap in zip(tap, dilation, strict=True)])
    stops = tuple([first + (n - 1) * step + 1 for first, n, step in zip(starts, counts, stride, strict=True)])
    return part(x, starts, stops, stride)


def spread(pieces: Callable[[tuple], Value], size: Shape, window, counts, stride, padding: w.Pads, dilation) -> Value:
    """The sum over all taps of piece(tap) (outer, *counts) put where the tap sits in an input of `size`."""
    whole = tuple([n + low + high for n, (low, high) in zip(size, padding, strict=True)])
    total = None
    for tap in product(*[range(n) for n in window]):
        piece = pieces(tap)
        outer = piece.shape[: piece.ndim - len(window)]
        starts = tuple([t * gap for t, gap in zip(tap, dilation, strict=True)])
        if all(step == 1 for step in stride):
            high = tuple([n - first - count for n, first, count in zip(whole, starts, counts, strict=True)])
            put = pad(piece, low=(0,) * len(outer) + starts, high=(0,) * len(outer) + high, value=0)
        else:
            zeros = constant(0, outer + whole, piece.dtype)
            put = update_slice(zeros, piece, starts=(0,) * len(outer) + starts, steps=(1,) * len(outer) + tuple(stride))
        total = put if total is None else e.add(total, put)
    return inside(total, size, padding)


def inside(x: Value, size: Shape, padding: w.Pads) -> Value:
    """An input of `size` out of its padded self (which may be larger at the end)."""
    stops = tuple([low + n for n, (low, _) in zip(size, padding, strict=True)])
    return part(x, tuple([low for low, _ in padding]), stops)


def side_by_side(x: Value, size: Shape, window, counts, padding: w.Pads) -> Value:
    """(outer, count, tap, count, tap, ...) of windows that touch without overlap -> (outer, *size)."""
    outer = x.shape[: x.ndim - 2 * len(window)]
    joined = reshape(x, shape=outer + tuple([n * t for n, t in zip(counts, window, strict=True)]))
    whole = [n + low + high for n, (low, high) in zip(size, padding, strict=True)]
    missing = tuple([n - m for n, m in zip(whole, joined.shape[len(outer) :], strict=True)])
    return inside(resized(joined, (0,) * len(size), missing), size, padding)


def touching(window, stride, dilation) -> bool:
    """Whether windows follow each other without gap or overlap."""
    return tuple(window) == tuple(stride) and all(gap == 1 for gap in dilation)


# -- convolution -------------------------------------------------------------------------------------------------------


@expansion
def conv(x: Value, weight: Value, *, stride, padding, dilation, groups) -> Value:
    view = windows_of(padded(x, padding), weight.shape[2:], stride, dilation)
    return by_channels(view, weight, groups, len(stride))


def by_channels(view: Value, weight: Value, groups: int, rank: int) -> Value:
    """view (N, C, *taps, *places), weight (O, C / groups, *taps) -> (N, O, *places)."""
    n, channels, *rest = view.shape
    outs, per, *taps = weight.shape
    places = tuple(rest[rank:])
    if groups == 1:
        summed = (*range(2, 2 + rank), 1)
        out = contract(view, weight, batch=((), ()), sum=(summed, summed))
        return moved(out, (0, rank + 1, *range(1, rank + 1)))
    split = reshape(view, shape=(n, groups, per, *rest))
    weights = reshape(weight, shape=(groups, outs // groups, per, *taps))
    if per == 1:
        out = channel_by_channel(split, weights, rank)
    else:
        summed = (*range(3, 3 + rank), 2)
        out = contract(split, weights, batch=((1,), (0,)), sum=(summed, summed))
        out = moved(out, (1, 0, rank + 2, *range(2, rank + 2)))
    return reshape(out, shape=(n, outs, *places))


def channel_by_channel(view: Value, weights: Value, rank: int) -> Value:
    """view (N, groups, 1, *taps, *places), weights (groups, O, 1, *taps) -> (N, groups, O, *places)."""
    n, groups, _, *rest = view.shape
    outs = weights.shape[1]
    shape = (n, groups, outs, *rest)
    left = broadcast(view, shape=shape, dims=tuple(range(len(shape))))
    flat = reshape(weights, shape=(groups, outs, *rest[:rank]))
    right = broadcast(flat, shape=shape, dims=tuple(range(1, 3 + rank)))
    return reduce_sum(e.mul(left, right), dims=tuple(range(3, 3 + rank)))


@expansion
def conv_input_grad(g: Value, weight: Value, *, size, stride, padding, dilation, groups) -> Value:
    known = all(map(is_static, (*size, *g.shape)))
    if any(step > 1 for step in stride):
        if known and all(gap == 1 for gap, step in zip(dilation, stride, strict=True) if step > 1):
            return input_grad_by_phases(g, weight, size, stride, padding, dilation, groups)
        g, high = stuffed(g, size, weight.shape[2:], stride, padding, dilation)
    else:
        high = [gap * (t - 1) - after for gap, t, (_, after) in zip(dilation, weight.shape[2:], padding, strict=True)]
    low = [gap * (t - 1) - before for gap, t, (before, _) in zip(dilation, weight.shape[2:], padding, strict=True)]
    return turned_products(resized(g, tuple(low), tuple(high)), weight, dilation, groups)


def turned_products(g: Value, weight: Value, dilation, groups: int) -> Value:
    """For each place of the windows of g: its taps, last one first, times the weights' -> (N, C, *places)."""
    rank = len(dilation)
    outs, per, *taps = weight.shape
    view = windows_of(g, taps, (1,) * rank, dilation)
    n, _, *rest = view.shape
    starts = (0, 0, *[t - 1 for t in taps], *[0] * rank)
    stops = (n, outs, *[-1] * rank, *rest[rank:])
    view = slice_(view, starts=starts, stops=stops, steps=(1, 1, *[-1] * rank, *[1] * rank))
    split = reshape(weight, shape=(groups, outs // groups, per, *taps))
    turned = transpose(split, perm=(0, 2, 1, *range(3, 3 + rank)))
    return by_channels(view, reshape(turned, shape=(groups * per, outs // groups, *taps)), groups, rank)


def stuffed(g: Value, size, taps, stride, padding, dilation) -> tuple[Value, list]:
    """g with stride - 1 zeros between neighbours, and what is still missing at each end of its dims."""
    rank = len(size)
    counts = g.shape[2:]
    wide = tuple([(n - 1) * step + 1 for n, step in zip(counts, stride, strict=True)])
    zeros = constant(0, g.shape[:2] + wide, g.dtype)
    g = update_slice(zeros, g, starts=(0,) * (2 + rank), steps=(1, 1, *stride))
    return g, [n + before - m for n, m, (before, _) in zip(size, wide, padding, strict=True)]


def input_grad_by_phases(g: Value, weight: Value, size, stride, padding, dilation, groups) -> Value:
    """Elements whose padded index has the same remainder by the stride meet the same taps: one product for each."""
    taps = weight.shape[2:]
    turns = [-(-(n + low) // step) for n, (low, _), step in zip(size, padding, stride, strict=True)]
    whole = (g.shape[0], weight.shape[1] * groups, *[n * step for n, step in zip(turns, stride, strict=True)])
    total = constant(0, whole, g.dtype)
    for phase in product(*[range(step) for step in stride]):
        counts = [-(-(t - r) // step) for t, r, step in zip(taps, phase, stride, strict=True)]
        if any(n < 1 for n in counts):
            continue
        weights = part(weight, phase, taps, stride)
        low = tuple([gap * (n - 1) for n, gap in zip(counts, dilation, strict=True)])
        high = tuple([turn - n for turn, n in zip(turns, g.shape[2:], strict=True)])
        out = turned_products(resized(g, low, high), weights, dilation, groups)
        total = update_slice(total, out, starts=(0, 0, *phase), steps=(1, 1, *stride))
    return inside(total, size, padding)


@expansion
def conv_weight_grad(g: Value, x: Value, *, size, stride, padding, dilation, groups) -> Value:
    rank = len(stride)
    view = windows_of(padded(x, padding), size, stride, dilation)
    n, channels, *rest = view.shape
    outs, places = g.shape[1], tuple(rest[rank:])
    if groups == 1:
        turned = transpose(view, perm=(0, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank), 1))
        summed = tuple(range(1 + rank)), (0, *range(2, 2 + rank))
        if is_static(channels) and channels % 16 == 0:  # neighbours in memory fill whole vectors
            out = contract(g, turned, batch=((), ()), sum=summed[::-1])
            return moved(out, (0, rank + 1, *range(1, rank + 1)))
        out = contract(turned, g, batch=((), ()), sum=summed)
        return moved(out, (rank + 1, rank, *range(rank)))
    per = channels // groups
    split = reshape(view, shape=(n, groups, per, *rest))
    outer = reshape(g, shape=(n, groups, outs // groups, *places))
    if per == 1:
        shape = (n, groups, outs // groups, *rest)
        left = broadcast(split, shape=shape, dims=tuple(range(len(shape))))
        right = broadcast(outer, shape=shape, dims=(0, 1, 2, *range(3 + rank, 3 + 2 * rank)))
        total = reduce_sum(e.mul(left, right), dims=(0, *range(3 + rank, 3 + 2 * rank)))
        return reshape(total, shape=(outs, 1, *size))
    rows = transpose(split, perm=(1, 0, *range(3 + rank, 3 + 2 * rank), *range(3, 3 + rank), 2))
    inner = tuple(range(1, 2 + rank))
    out = contract(rows, outer, batch=((0,), (1,)), sum=(inner, (0, *range(3, 3 + rank))))
    out = moved(out, (0, rank + 2, rank + 1, *range(1, rank + 1)))
    return reshape(out, shape=(outs, per, *size))


# -- pooling -----------------------------------------------------------------------------------------------------------


@expansion
def windows(x: Value, *, window, stride, padding, dilation) -> Value:
    return windows_of(padded(x, padding), window, stride, dilation)


@expansion
def windows_grad(g: Value, *, size, window, stride, padding, dilation) -> Value:
    rank = len(window)
    outer, counts = g.shape[: g.ndim - 2 * rank], g.shape[g.ndim - rank :]
    first = len(outer)
    if touching(window, stride, dilation):
        order = [d for i in range(rank) for d in (first + rank + i, first + i)]
        return side_by_side(transpose(g, perm=(*range(first), *order)), size, window, counts, padding)

    def piece(tap: tuple) -> Value:
        one = slice_(g, starts=(0,) * first + tap + (0,) * rank, stops=outer + tuple([t + 1 for t in tap]) + counts,
                     steps=(1,) * g.ndim)
        return reshape(one, shape=outer + counts)

    return spread(piece, size, window, counts, stride, padding, dilation)


@expansion
def window_sum(x: Value, *, window, stride, padding, dilation) -> Value:
    outer = x.ndim - len(window)
    counts = w.window_counts(x.shape[outer:], window, stride, padding, dilation)
    x = padded(x, padding)
    if size_of(window) > FEW:
        return reduce_sum(windows_of(x, window, stride, dilation), dims=tuple(range(outer, outer + len(window))))
    total = None
    for tap in product(*[range(n) for n in window]):
        piece = tap_slice(x, tap, counts, stride, dilation)
        total = piece if total is None else e.add(total, piece)
    return total


@expansion
def window_sum_grad(g: Value, *, size, window, stride, padding, dilation) -> Value:
    counts = g.shape[g.ndim - len(window) :]
    if touching(window, stride, dilation):
        return side_by_side(repeated(g, window), size, window, counts, padding)
    return spread(lambda tap: g, size, window, counts, stride, padding, dilation)


def repeated(g: Value, window) -> Value:
    """(outer, *counts) -> (outer, count, tap, count, tap, ...), the same for every tap."""
    rank = len(window)
    outer, counts = g.shape[: g.ndim - rank], g.shape[g.ndim - rank :]
    shape = outer + tuple([n for pair in zip(counts, window, strict=True) for n in pair])
    return broadcast(g, shape=shape, dims=(*range(len(outer)), *[len(outer) + 2 * d for d in range(rank)]))


def lowest(x: Value):
    return -float("inf") if x.dtype.kind == "f" else int(np.iinfo(x.dtype.np).min)


def window_max(x: Value, *, window, stride, padding, dilation) -> tuple[Value, Value, Value]:
    """-> values, flat indices, numbers of taps. Later taps win only where they are larger, or the first NaN."""
    outer = x.ndim - len(window)
    counts = w.window_counts(x.shape[outer:], window, stride, padding, dilation)
    least = lowest(x)
    source = padded(x, padding, least)
    shape = x.shape[:outer] + counts
    taps = list(product(*[range(n) for n in window]))
    kind = uint8 if len(taps) < 256 else int32
    best = constant(least, shape, x.dtype)
    number = e.cast(first_inside(shape, outer, window, stride, padding, dilation), kind)
    for i, tap in enumerate(taps):
        piece = tap_slice(source, tap, counts, stride, dilation)
        if i == 0 and not any(map(any, padding)):
            best = piece
            continue
        better = e.logical_not(e.le(piece, best))
        if x.dtype.kind == "f":
            better = e.bitwise_and(better, e.eq(best, best))
        number = e.where(better, constant_like(number, i), number)
        best = e.maximum(best, piece)
    return best, flat_index(number, x.shape[outer:], outer, window, stride, padding, dilation), number


def place_of(shape: Shape, dim: int) -> Value:
    return iota(shape=shape, dtype=int64, dim=dim)


def first_inside(shape: Shape, outer: int, window, stride, padding, dilation) -> Value:
    """The number of each window's first tap that is not in the padding."""
    number = constant(0, shape, int64)
    for d, taps in enumerate(window):
        number = e.mul(number, constant_like(number, taps)) if d else number
        if padding[d][0]:
            missing = e.sub(constant(padding[d][0], shape, int64), scaled(place_of(shape, outer + d), stride[d]))
            missing = e.maximum(missing, constant(0, shape, int64))
            up = e.add(missing, constant(dilation[d] - 1, shape, int64))
            number = e.add(number, e.floor_divide(up, constant(dilation[d], shape, int64)))
    return number


def scaled(x: Value, factor: int) -> Value:
    return x if factor == 1 else e.mul(x, constant_like(x, factor))


def flat_index(number: Value, size: Shape, outer: int, window, stride, padding, dilation) -> Value:
    """The flat index among the last dims, from the tap's number."""
    rest = e.cast(number, int64)
    shape = number.shape
    places: list[Value] = []
    for d in reversed(range(len(window))):
        count = constant(window[d], shape, int64)
        tap = e.remainder(rest, count) if d else rest
        rest = e.floor_divide(rest, count) if d else rest
        at = e.add(scaled(place_of(shape, outer + d), stride[d]), scaled(tap, dilation[d]))
        places.append(e.sub(at, constant(padding[d][0], shape, int64)) if padding[d][0] else at)
    index = None
    for at, n in zip(reversed(places), size, strict=True):
        index = at if index is None else e.add(e.mul(index, constant_like(index, n)), at)
    return index


def window_max_grad(g: Value, index: Value, tap: Value | None, *, size, window, stride, padding, dilation) -> Value:
    """tap: the numbers of the taps that `index` names, where they are known."""
    rank = len(window)
    outer, counts = g.shape[: g.ndim - rank], g.shape[g.ndim - rank :]
    if tap is None or (size_of(window) > FEW and not touching(window, stride, dilation)):
        rows = constant(0, outer + (size_of(size),), g.dtype)
        flat = outer + (size_of(counts),)
        added = scatter_add(rows, reshape(index, shape=flat), reshape(g, shape=flat), dim=len(outer))
        return reshape(added, shape=outer + tuple(size))
    if touching(window, stride, dilation):
        values, hit = repeated(g, window), repeated(tap, window)
        own = None
        for d, n in enumerate(window):
            at = e.cast(iota(shape=hit.shape, dtype=int64, dim=len(outer) + 2 * d + 1), hit.dtype)
            own = at if own is None else e.add(scaled(own, n), at)
        chosen = e.where(e.eq(hit, own), values, constant_like(values, 0))
        return side_by_side(chosen, size, window, counts, padding)

    def piece(at: tuple) -> Value:
        number = 0
        for t, n in zip(at, window, strict=True):
            number = number * n + t
        return e.where(e.eq(tap, constant_like(tap, number)), g, constant_like(g, 0))

    return spread(piece, size, window, counts, stride, padding, dilation)
