"""Primitives whose addresses come from data. Indices are non-negative and in range; the ops see to that."""

from __future__ import annotations

import numpy as np

from dovetail.base.errors import ArgumentError, DimError, DTypeError, ShapeError, message
from dovetail.ir.core import Primitive, Value
from dovetail.prims.families import INDEX
from dovetail.prims.make import constant
from dovetail.prims.shape import reshape


def check_index(name: str, x: Value, idx: Value, dim: int) -> None:
    if idx.dtype.kind not in "ui":
        raise DTypeError(message(name, "an index must be an integer", [("index", idx)]))
    if not 0 <= dim < x.ndim:
        raise DimError(message(name, f"dim {dim} is outside the rank", [("input", x)]))


def check_update(name: str, x: Value, u: Value, shape: tuple) -> None:
    if u.dtype is not x.dtype:
        raise DTypeError(message(name, "the update's dtype differs from the input's", [("input", x), ("update", u)]))
    if u.shape != shape:
        raise ShapeError(message(name, f"the update must have the sizes {tuple(shape)}", [("input", x), ("update", u)]))


def add_rows(out: np.ndarray, idx: np.ndarray, rows: np.ndarray) -> None:
    """out[idx[i]] += rows[i], repeated indices included; out is C-contiguous.

    One address for each element, since np.add.at is several times quicker in one dim than in two.
    """
    if not idx.size or not out.size:
        return
    width = out.size // len(out)
    places = idx if width == 1 else (idx.astype(np.int64)[:, None] * width + np.arange(width)).reshape(-1)
    np.add.at(out.reshape(-1), places, rows.reshape(-1))


# -- whole slices by number --------------------------------------------------------------------------------------------

take = Primitive("take", INDEX, lambda x, idx, *, dim: np.take(x, idx, axis=dim))


@take.shape
def take_shape(x, idx, *, dim):
    """Slices of x along `dim`: dim is replaced by all the dims of idx."""
    check_index("take", x, idx, dim)
    return x.shape[:dim] + idx.shape + x.shape[dim + 1 :], x.dtype


@take.gradient
def take_gradient(g, out, x, idx, *, dim):
    flat = reshape(g, shape=x.shape[:dim] + (idx.numel,) + x.shape[dim + 1 :])
    zero = constant(0, x.shape, g.dtype)
    return index_add(zero, reshape(idx, shape=(idx.numel,)), flat, dim=dim), None


def index_add_meaning(x, idx, u, *, dim):
    out = np.array(np.moveaxis(x, dim, 0), order="C")
    add_rows(out, idx, np.moveaxis(u, dim, 0))
    return np.ascontiguousarray(np.moveaxis(out, 0, dim))


index_add = Primitive("index_add", INDEX, index_add_meaning)


@index_add.shape
def index_add_shape(x, idx, u, *, dim):
    """x plus slice i of u at its slice idx[i] along `dim`; idx has one dim and may repeat."""
    check_index("index_add", x, idx, dim)
    if idx.ndim != 1:
        raise ShapeError(message("index_add", "the index must have one dim", [("index", idx)]))
    check_update("index_add", x, u, x.shape[:dim] + idx.shape + x.shape[dim + 1 :])
    return x.shape, x.dtype


@index_add.gradient
def index_add_gradient(g, out, x, idx, u, *, dim):
    return g, None, take(g, idx, dim=dim)


# -- element by element along a dim ------------------------------------------------------------------------------------


def places(idx, dim: int) -> tuple:
    """Index arrays that address x[.., idx[.., j, ..], ..] with idx's own position in every other dim."""
    grids = list(np.ogrid[tuple([slice(n) for n in idx.shape])])
    grids[dim] = idx
    return tuple(grids)


gather = Primitive("gather", INDEX, lambda x, idx, *, dim: np.asarray(x[places(idx, dim)]))


def check_gather(name: str, x: Value, idx: Value, dim: int) -> None:
    check_index(name, x, idx, dim)
    if idx.ndim != x.ndim or any(d != dim and k > n for d, (k, n) in enumerate(zip(idx.shape, x.shape, strict=False))):
        facts = [("input", x), ("index", idx)]
        raise ShapeError(message(name, f"the index must fit inside the input outside dim {dim}", facts))


@gather.shape
def gather_shape(x, idx, *, dim):
    """out[i][j][k] = x[i][idx[i][j][k]][k] for dim = 1 (torch.gather)."""
    check_gather("gather", x, idx, dim)
    return idx.shape, x.dtype


@gather.gradient
def gather_gradient(g, out, x, idx, *, dim):
    return scatter_add(constant(0, x.shape, g.dtype), idx, g, dim=dim), None


def scatter_meaning(x, idx, u, *, dim):
    out = np.array(x)
    out[places(idx, dim)] = u
    return out


def scatter_add_meaning(x, idx, u, *, dim):
    out = np.array(x, order="C")
    flat = np.ravel_multi_index(places(idx, dim), x.shape).reshape(-1) if idx.size else idx.reshape(-1)
    add_rows(out.reshape(-1), flat, u.reshape(-1))
    return out


scatter = Primitive("scatter", INDEX, scatter_meaning)
scatter_add = Primitive("scatter_add", INDEX, scatter_add_meaning)


@scatter.shape
def scatter_shape(x, idx, u, *, dim):
    """x with x[i][idx[i][j][k]][k] = u[i][j][k] for dim = 1. Where an index repeats, the last one in order stays."""
    check_gather("scatter", x, idx, dim)
    check_update("scatter", x, u, idx.shape)
    return x.shape, x.dtype


@scatter_add.shape
def scatter_add_shape(x, idx, u, *, dim):
    """As scatter, but added; repeated indices add up."""
    check_gather("scatter_add", x, idx, dim)
    check_update("scatter_add", x, u, idx.shape)
    return x.shape, x.dtype


@scatter.gradient
def scatter_gradient(g, out, x, idx, u, *, dim):
    return scatter(g, idx, constant(0, u.shape, g.dtype), dim=dim), None, gather(g, idx, dim=dim)


@scatter_add.gradient
def scatter_add_gradient(g, out, x, idx, u, *, dim):
    return g, None, gather(g, idx, dim=dim)


# -- several dims at once ----------------------------------------------------------------------------------------------

gather_nd = Primitive("gather_nd", INDEX, lambda x, *idx: np.asarray(x[tuple(idx)]))


def check_indices(name: str, x: Value, idx: tuple[Value, ...]) -> None:
    if not 0 < len(idx) <= x.ndim:
        raise DimError(message(name, f"{len(idx)} indices for {x.ndim} dims", [("input", x)]))
    for i in idx:
        check_index(name, x, i, 0)
        if i.shape != idx[0].shape:
            raise ShapeError(message(name, "the indices' sizes differ", [("first", idx[0]), ("other", i)]))


@gather_nd.shape
def gather_nd_shape(x, *idx):
    """x[idx[0], idx[1], ...] over the leading dims; all indices have one shape, which leads the result's."""
    check_indices("gather_nd", x, idx)
    return idx[0].shape + x.shape[len(idx) :], x.dtype


@gather_nd.gradient
def gather_nd_gradient(g, out, x, *idx):
    return scatter_nd(constant(0, x.shape, g.dtype), g, *idx, mode="add"), *[None] * len(idx)


def scatter_nd_meaning(x, u, *idx, mode):
    out = np.array(x, order="C")
    if mode == "add" and out.size:
        count = len(idx)
        flat = np.ravel_multi_index(idx, x.shape[:count]).reshape(-1)
        rest = x.shape[count:]
        add_rows(out.reshape((-1, *rest)), flat, u.reshape((-1, *rest)))
    elif mode == "set":
        out[tuple(idx)] = u
    return out


scatter_nd = Primitive("scatter_nd", INDEX, scatter_nd_meaning)


@scatter_nd.shape
def scatter_nd_shape(x, u, *idx, mode):
    """x with u written ("set": the last one stays) or added ("add") at x[idx[0], idx[1], ...]."""
    check_indices("scatter_nd", x, idx)
    check_update("scatter_nd", x, u, idx[0].shape + x.shape[len(idx) :])
    if mode not in ("set", "add"):
        raise ArgumentError(message("scatter_nd", f"mode must be 'set' or 'add', got {mode!r}"))
    return x.shape, x.dtype


@scatter_nd.gradient
def scatter_nd_gradient(g, out, x, u, *idx, mode):
    rest = g if mode == "add" else scatter_nd(g, constant(0, u.shape, g.dtype), *idx, mode="set")
    return rest, gather_nd(g, *idx), *[None] * len(idx)
