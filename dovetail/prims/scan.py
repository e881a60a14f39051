"""Running folds along one dim, forwards or (reverse=True) from the end."""

from __future__ import annotations

import math

import numpy as np

from dovetail.base.dtypes import int64
from dovetail.base.errors import DimError, message
from dovetail.ir.core import Primitive, Value
from dovetail.prims.elementwise import bitwise_or, check_kind, conjugate, eq, exp, is_nan, minimum, where
from dovetail.prims.families import SCAN
from dovetail.prims.index import scatter_add
from dovetail.prims.make import constant, constant_like, iota, zeros_like
from dovetail.prims.shape import pad, slice_


def running(fold):
    """A NumPy accumulation along `dim` that keeps the dtype; halves are folded in float32."""

    def meaning(x, *, dim, reverse=False):
        half = x.dtype.itemsize == 2 and x.dtype.kind not in "ui"
        wide = x.astype(np.float32) if half else x
        if reverse:
            wide = np.flip(wide, dim)
        out = fold(wide, dim)
        return np.ascontiguousarray(np.flip(out, dim) if reverse else out).astype(x.dtype, copy=False)

    return meaning


def scan(name: str, fold, kinds: str) -> Primitive:
    prim = Primitive(name, SCAN, running(fold))
    prim.kinds = kinds

    def shape(x, *, dim, reverse=False):
        check_kind(prim, x)
        if not 0 <= dim < x.ndim:
            raise DimError(message(name, f"dim {dim} is outside the rank", [("input", x)]))
        return x.shape, x.dtype

    prim.shape_rule = shape
    return prim


def log_cumulative_sum(x, dim):
    """log of the running sum of exp, from the running maximum, so that nothing overflows."""
    with np.errstate(invalid="ignore"):
        return complex_log_sums(x, dim) if x.dtype.kind == "c" else np.logaddexp.accumulate(x, axis=dim)


def complex_log_sums(x, dim):
    """The same for complex numbers: each step from the one with the larger real part, phases not wrapped."""
    out = np.moveaxis(np.array(x), dim, 0)
    for i in range(1, len(out)):
        ahead = out[i - 1].real > out[i].real
        top, low = np.where(ahead, out[i - 1], out[i]), np.where(ahead, out[i], out[i - 1])
        out[i] = top + np.log1p(np.exp(low - top))
    return np.moveaxis(out, 0, dim)


cumsum = scan("cumsum", lambda x, dim: np.add.accumulate(x, axis=dim, dtype=x.dtype), "uifc")
cumprod = scan("cumprod", lambda x, dim: np.multiply.accumulate(x, axis=dim, dtype=x.dtype), "uifc")
cummax = scan("cummax", lambda x, dim: np.maximum.accumulate(x, axis=dim), "buif")
cummin = scan("cummin", lambda x, dim: np.minimum.accumulate(x, axis=dim), "buif")
logcumsumexp = scan("logcumsumexp", log_cumulative_sum, "fc")


@cumsum.gradient
def cumsum_gradient(g, out, x, *, dim, reverse=False):
    return (cumsum(g, dim=dim, reverse=not reverse),)


def shifted(x: Value, dim: int, by: int) -> Value:
    """Element i holds x's element i + by along `dim`; zero from outside."""
    n = x.shape[dim]
    keep = max(n - abs(by), 0)
    starts = tuple([max(by, 0) if d == dim and keep else 0 for d in range(x.ndim)])
    stops = tuple([starts[d] + keep if d == dim else s for d, s in enumerate(x.shape)])
    part = slice_(x, starts=starts, stops=stops, steps=(1,) * x.ndim)
    room = n - keep
    low = tuple([room if d == dim and by < 0 else 0 for d in range(x.ndim)])
    high = tuple([room if d == dim and by > 0 else 0 for d in range(x.ndim)])
    return pad(part, low=low, high=high, value=0)


def recurrence(factor: Value, g: Value, dim: int, ahead: int) -> Value:
    """The solution of s[k] = g[k] + factor[k] s[k + ahead] along `dim`, s being 0 outside; ahead is 1 or -1.

    By doubling (Hillis & Steele 1986), so that it is made of products and sums alone and can be differentiated again.
    """
    total, step = g, ahead
    while abs(step) < g.shape[dim]:
        total = total + factor * shifted(total, dim, step)
        factor = factor * shifted(factor, dim, step)
        step *= 2
    return total


@cumprod.gradient
def cumprod_gradient(g, out, x, *, dim, reverse=False):
    """dx[k] = (product before k) s[k] with s[k] = g[k] + x[k+1] s[k+1]: no division, so zeros are right."""
    ahead = -1 if reverse else 1
    total = recurrence(shifted(conjugate(x), dim, ahead), g, dim, ahead)
    first = eq(iota(shape=x.shape, dtype=int64, dim=dim), constant(x.shape[dim] - 1 if reverse else 0, x.shape, int64))
    before = where(first, constant_like(x, 1), shifted(conjugate(out), dim, -ahead))
    return (before * total,)


@cummax.gradient
@cummin.gradient
def running_extreme_gradient(g, out, x, *, dim, reverse=False):
    """All goes to the place that holds the extreme: the latest one among ties, as in torch."""
    return (scatter_add(zeros_like(g), latest_hit(x, out, dim, reverse), g, dim=dim),)


def latest_hit(x: Value, out: Value, dim: int, reverse: bool = False) -> Value:
    """Where the running extreme `out` of x was found: the index of the latest tie (torch's `indices`)."""
    place = iota(shape=x.shape, dtype=int64, dim=dim)
    hit = eq(x, out)
    if x.dtype.kind == "f":
        hit = bitwise_or(hit, is_nan(x))
    if reverse:
        return cummin(where(hit, place, constant_like(place, x.shape[dim] - 1)), dim=dim, reverse=True)
    return cummax(where(hit, place, constant_like(place, 0)), dim=dim, reverse=False)


@logcumsumexp.gradient
def logcumsumexp_gradient(g, out, x, *, dim, reverse=False):
    """dx[k] = exp(x[k] - out[k]) s[k] with s[k] = g[k] + exp(out[k] - out[k+1]) s[k+1]: no exponent is above zero."""
    ahead = -1 if reverse else 1
    if x.dtype.kind == "c":
        end = eq(
            iota(shape=x.shape, dtype=int64, dim=dim), constant(0 if reverse else x.shape[dim] - 1, x.shape, int64)
        )
        after = where(end, out, shifted(out, dim, ahead))  # there is nothing after the end
        total = recurrence(conjugate(exp(out - after)), g, dim, ahead)
        return (conjugate(exp(x - out)) * total,)
    safe = where(eq(out, constant_like(out, -math.inf)), zeros_like(out), out)
    total = recurrence(exp(minimum(out - shifted(safe, dim, ahead), zeros_like(out))), g, dim, ahead)
    return (exp(x - safe) * total,)
