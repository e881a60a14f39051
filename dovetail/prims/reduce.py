"""Reductions: fold over some dims, which the result no longer has."""

from __future__ import annotations

import numpy as np

from dovetail.base.dtypes import int64
from dovetail.base.errors import DimError, DTypeError, message
from dovetail.ir.core import Primitive, Value
from dovetail.prims.elementwise import cast, check_kind, conjugate, eq, no_gradient
from dovetail.prims.families import REDUCE
from dovetail.prims.make import constant
from dovetail.prims.scan import cumprod
from dovetail.prims.shape import broadcast, concat, inverse_order, reshape, restore, size_of, slice_, transpose


def check_dims(name: str, x: Value, dims: tuple[int, ...]) -> None:
    if any(not 0 <= d < x.ndim for d in dims) or any(a >= b for a, b in zip(dims, dims[1:], strict=False)):
        raise DimError(message(name, f"dims {tuple(dims)} must rise and lie within {x.ndim} dims", [("input", x)]))


FLOAT32 = np.dtype(np.float32)


def folded(fold):
    """A NumPy reduction that keeps the dtype; halves are folded in float32 and rounded once."""

    def meaning(x, *, dims):
        dtype = FLOAT32 if x.dtype.itemsize == 2 and x.dtype.kind not in "bui" else x.dtype
        return np.asarray(fold(x, axis=dims, dtype=dtype)).astype(x.dtype, copy=False)

    return meaning


def chosen(fold):
    return lambda x, *, dims: np.asarray(fold(x, axis=dims))


def reduction(name: str, meaning, kinds: str, needs_element: bool = False) -> Primitive:
    prim = Primitive(name, REDUCE, meaning)
    prim.kinds = kinds

    def shape(x, *, dims):
        check_dims(name, x, dims)
        check_kind(prim, x)
        if needs_element and any(x.shape[d] == 0 for d in dims):
            raise DimError(message(name, "no element to choose from: a reduced dim has size 0", [("input", x)]))
        return tuple([n for d, n in enumerate(x.shape) if d not in dims]), x.dtype

    prim.shape_rule = shape
    return prim


reduce_sum = reduction("reduce_sum", folded(np.add.reduce), "buifc")
reduce_prod = reduction("reduce_prod", folded(np.multiply.reduce), "buifc")
reduce_max = reduction("reduce_max", chosen(np.maximum.reduce), "buif", needs_element=True)
reduce_min = reduction("reduce_min", chosen(np.minimum.reduce), "buif", needs_element=True)
reduce_all = reduction("reduce_all", chosen(np.all), "b")
reduce_any = reduction("reduce_any", chosen(np.any), "b")
no_gradient(reduce_all, reduce_any)


@reduce_sum.gradient
def sum_gradient(g, out, x, *, dims):
    return (restore(g, x.shape, dims),)


@broadcast.gradient
def broadcast_gradient(g, out, x, *, shape, dims):
    """The sum over all places that one element went to."""
    repeated = [d for i, d in enumerate(dims) if x.shape[i] != shape[d]]
    gone = tuple([d for d in range(len(shape)) if d not in dims or d in repeated])
    total = reduce_sum(g, dims=gone) if gone else g
    return (reshape(total, shape=x.shape) if repeated else total,)


@reduce_max.gradient
@reduce_min.gradient
def extreme_gradient(g, out, x, *, dims):
    """Ties share the gradient equally, as torch.amax does."""
    hit = cast(eq(x, restore(out, x.shape, dims)), g.dtype)
    share = g / reduce_sum(hit, dims=dims)
    return (hit * restore(share, x.shape, dims),)


def products_of_others(x: Value) -> Value:
    """For a matrix: in each row, the product of all elements but this one. Without a division, so zeros are welcome."""
    rows, n = x.shape
    one = constant(1, (rows, 1), x.dtype)
    before = slice_(x, starts=(0, 0), stops=(rows, n - 1), steps=(1, 1))
    after = slice_(x, starts=(0, 1), stops=(rows, n), steps=(1, 1))
    left = concat(one, cumprod(before, dim=1, reverse=False), dim=1)
    right = concat(cumprod(after, dim=1, reverse=True), one, dim=1)
    return left * right


@reduce_prod.gradient
def prod_gradient(g, out, x, *, dims):
    kept = tuple([d for d in range(x.ndim) if d not in dims])
    perm = kept + tuple(dims)
    columns = size_of([x.shape[d] for d in dims])
    moved = transpose(x, perm=perm)
    if columns <= 1:
        return (restore(g, x.shape, dims),)
    others = products_of_others(reshape(moved, shape=(size_of(out.shape), columns)))
    others = transpose(reshape(others, shape=moved.shape), perm=inverse_order(perm))
    return (restore(g, x.shape, dims) * conjugate(others),)


def chooser(name: str, choose) -> Primitive:
    prim = Primitive(name, REDUCE, lambda x, *, dim: np.asarray(choose(x, axis=dim), np.int64))
    prim.kinds = "buif"
    prim.differentiable = False

    def shape(x, *, dim):
        """The index of the first hit along `dim`; a NaN counts as the hit."""
        check_dims(name, x, (dim,))
        if x.dtype.kind not in prim.kinds:
            raise DTypeError(message(name, f"cannot order {x.dtype.name} values", [("input", x)]))
        if x.shape[dim] == 0:
            raise DimError(message(name, "no element to choose from: the dim has size 0", [("input", x)]))
        return x.shape[:dim] + x.shape[dim + 1 :], int64

    prim.shape_rule = shape
    return prim


argmax = chooser("argmax", np.argmax)
argmin = chooser("argmin", np.argmin)
