"""Batching rules: how a primitive of one example is said once for a batch of them, by family.

    rule(size, flags, *inputs, **params) -> the results, with the examples along a new dim 0

The flagged inputs have that dim already; the others are the same for all examples. Most rules move every named dim by
one. A primitive without a rule is applied example by example (`autodiff.batching`). The rules stand together, and not
beside each primitive, since nearly all of them are the same few lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dovetail.base.dtypes import int64
from dovetail.ir.core import PRIMITIVES, Primitive, Value
from dovetail.prims import contract as contracts
from dovetail.prims import conv as convs
from dovetail.prims import index, linalg, rare, shape, sort
from dovetail.prims.contract import contract, free_dims
from dovetail.prims.families import ELEMENT, REDUCE, SCAN
from dovetail.prims.make import iota
from dovetail.prims.shape import broadcast, reshape, transpose

__all__ = ["whole", "to_front", "moved_dim"]

Flags = Sequence[bool]


def whole(x: Value, flag: bool, size: int) -> Value:
    """x with the dim of examples in front, repeated where it has none."""
    return x if flag else broadcast(x, shape=(size, *x.shape), dims=tuple(range(1, x.ndim + 1)))


def wholes(xs: Sequence[Value], flags: Flags, size: int) -> list[Value]:
    return [whole(x, flag, size) for x, flag in zip(xs, flags, strict=True)]


def moved_dim(x: Value, source: int, to: int) -> Value:
    """x with dim `source` moved to the place `to`."""
    order = [d for d in range(x.ndim) if d != source]
    order.insert(to, source)
    return x if order == list(range(x.ndim)) else transpose(x, perm=tuple(order))


def to_front(x: Value, dim: int) -> Value:
    return moved_dim(x, dim, 0)


def examples_like(idx: Value, size: int) -> Value:
    """For each place of an index (examples in front) the number of its example."""
    return iota(shape=(size, *idx.shape[1:]), dtype=int64, dim=0)


def later(dims: Sequence[int]) -> tuple[int, ...]:
    return tuple([d + 1 for d in dims])


def same_settings(prim: Primitive) -> Callable:
    """For primitives that work on elements, or on the last dims whatever stands before them."""

    def rule(size, flags, /, *xs, **params):
        return prim(*wholes(xs, flags, size), **params)

    return rule


def one_later(prim: Primitive, name: str) -> Callable:
    """For primitives that name a dim, or several, counted from the front."""

    def rule(size, flags, /, *xs, **params):
        given = params[name]
        params[name] = later(given) if isinstance(given, tuple) else given + 1
        return prim(*wholes(xs, flags, size), **params)

    return rule


def install() -> None:
    """Give each family its rule; called once, when this file is first imported."""
    named = {REDUCE: "dims", SCAN: "dim"}
    for prim in PRIMITIVES.values():
        if prim.family == ELEMENT:
            prim.batch_rule = same_settings(prim)
        elif prim.family in named:
            prim.batch_rule = one_later(prim, "dim" if prim.name.startswith("arg") else named[prim.family])
    for name in ("concat", "argsort", "gather", "scatter", "scatter_add"):
        PRIMITIVES[name].batch_rule = one_later(PRIMITIVES[name], "dim")
    for name in ("fft", "rfft", "irfft", "reduce_xor"):
        PRIMITIVES[name].batch_rule = one_later(PRIMITIVES[name], "dims")
    for name in LEADING:
        PRIMITIVES[name].batch_rule = same_settings(PRIMITIVES[name])


LEADING = (
    "diagonal", "windows", "windows_grad", "window_max", "window_max_grad", "window_sum", "window_sum_grad",
    "triangular_solve", "cholesky", "solve", "inv", "det", "adjugate", "slogdet", "lu_factor", "ldl_factor",
    "ldl_solve", "qr", "svd", "eigh", "eig", "pinv", "lstsq", "bitcast",
    "matrix_exp", "geqrf", "i0", "i0e", "i1", "i1e", "k0", "k1", "k0e", "k1e", "j0", "j1", "y0", "y1", "airy_ai",
    "erfcx", "log_ndtr", "ndtri", "igamma", "igammac", "zeta", "polynomial", "gcd", "frexp",
)  # fmt: skip
assert rare and linalg and sort and convs and contracts  # these files define the names above


# -- shapes ------------------------------------------------------------------------------------------------------------


@shape.reshape.batch
def reshape_batch(size, flags, x, *, shape):
    return reshape(x, shape=(size, *shape))


@shape.transpose.batch
def transpose_batch(size, flags, x, *, perm):
    return transpose(x, perm=(0, *later(perm)))


@shape.broadcast.batch
def broadcast_batch(size, flags, x, *, shape, dims):
    return broadcast(x, shape=(size, *shape), dims=(0, *later(dims)))


@shape.slice_.batch
def slice_batch(size, flags, x, *, starts, stops, steps):
    return shape.slice_(x, starts=(0, *starts), stops=(size, *stops), steps=(1, *steps))


@shape.update_slice.batch
def update_slice_batch(size, flags, x, u, *, starts, steps):
    return shape.update_slice(*wholes((x, u), flags, size), starts=(0, *starts), steps=(1, *steps))


@shape.pad.batch
def pad_batch(size, flags, x, *, low, high, value):
    return shape.pad(x, low=(0, *low), high=(0, *high), value=value)


# -- products ----------------------------------------------------------------------------------------------------------


@contract.batch
def contract_batch(size, flags, a, b, *, batch, sum):
    """Examples on both sides are one more batch dim, on one side one more free dim, which is moved in front."""
    left, right = flags
    outer = len(batch[0])
    if left and right:
        return contract(a, b, batch=((0, *later(batch[0])), (0, *later(batch[1]))), sum=(later(sum[0]), later(sum[1])))
    if left:
        made = contract(a, b, batch=(later(batch[0]), batch[1]), sum=(later(sum[0]), sum[1]))
        return to_front(made, outer)
    made = contract(a, b, batch=(batch[0], later(batch[1])), sum=(sum[0], later(sum[1])))
    return to_front(made, outer + len(free_dims(a.ndim, batch[0], sum[0])))


# -- indices -----------------------------------------------------------------------------------------------------------


@index.take.batch
def take_batch(size, flags, x, idx, *, dim):
    if not flags[1]:
        return index.take(x, idx, dim=dim + 1)
    if not flags[0]:
        return to_front(index.take(x, idx, dim=dim), dim)
    made = index.gather_nd(moved_dim(x, dim + 1, 1), examples_like(idx, size), idx)  # (examples, *idx, before, after)
    count = idx.ndim - 1
    before = range(1 + count, 1 + count + dim)
    after = range(1 + count + dim, made.ndim)
    order = (0, *before, *range(1, 1 + count), *after)
    return made if order == tuple(range(made.ndim)) else transpose(made, perm=order)


@index.index_add.batch
def index_add_batch(size, flags, x, idx, u, *, dim):
    x, u = whole(x, flags[0], size), whole(u, flags[2], size)
    if not flags[1]:
        return index.index_add(x, idx, u, dim=dim + 1)
    rows, new = moved_dim(x, dim + 1, 1), moved_dim(u, dim + 1, 1)
    return moved_dim(index.scatter_nd(rows, new, examples_like(idx, size), idx, mode="add"), 1, dim + 1)


@index.gather_nd.batch
def gather_nd_batch(size, flags, x, *idx):
    places = wholes(idx, flags[1:], size)
    return index.gather_nd(x, examples_like(places[0], size), *places) if flags[0] else index.gather_nd(x, *places)


@index.scatter_nd.batch
def scatter_nd_batch(size, flags, x, u, *idx, mode):
    x, u, *places = wholes((x, u, *idx), flags, size)
    return index.scatter_nd(x, u, examples_like(places[0], size), *places, mode=mode)


# -- convolutions: examples become images where the weights are shared, else groups ------------------------------------


def fold(x: Value, at: int) -> Value:
    """(examples, ...) with the examples moved into dim `at` of the rest."""
    x = moved_dim(x, 0, at)
    return reshape(x, shape=(*x.shape[:at], x.shape[at] * x.shape[at + 1], *x.shape[at + 2 :]))


def unfold(x: Value, at: int, size: int) -> Value:
    """The inverse of fold."""
    x = reshape(x, shape=(*x.shape[:at], size, x.shape[at] // size, *x.shape[at + 1 :]))
    return to_front(x, at)


def convolution(prim: Primitive) -> Callable:
    """conv(images, weights) and conv_input_grad(images, weights): (images, channels) from (images, channels)."""

    def rule(examples, flags, x, w, /, *, groups, **settings):
        if not flags[1]:
            return unfold(prim(fold(x, 0), w, groups=groups, **settings), 0, examples)
        made = prim(fold(whole(x, flags[0], examples), 1), fold(w, 0), groups=groups * examples, **settings)
        return unfold(made, 1, examples)

    return rule


convs.conv.batch_rule = convolution(convs.conv)
convs.conv_input_grad.batch_rule = convolution(convs.conv_input_grad)


@convs.conv_weight_grad.batch
def conv_weight_grad_batch(examples, flags, g, x, /, *, groups, **settings):
    g, x = wholes((g, x), flags, examples)
    return unfold(convs.conv_weight_grad(fold(g, 1), fold(x, 1), groups=groups * examples, **settings), 0, examples)


install()
