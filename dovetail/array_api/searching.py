"""Where elements are, in which order and how often (2024.12: searching, sorting and set functions)."""

from __future__ import annotations

from typing import NamedTuple

from dovetail.array_api.operands import array, as_array, axes_of, one, pair, result_of
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, message
from dovetail.ops import compare, counting, index, reduce
from dovetail.ops import sort as sorting
from dovetail.ops.create import ones_like
from dovetail.ops.shape import cat
from dovetail.tensor.tensor import Tensor


class unique_all_result(NamedTuple):
    """What unique_all returns."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class unique_counts_result(NamedTuple):
    """What unique_counts returns."""

    values: Tensor
    counts: Tensor


class unique_inverse_result(NamedTuple):
    """What unique_inverse returns."""

    values: Tensor
    inverse_indices: Tensor


def extreme(call: str, find, x: Tensor, axis: int | None, keepdims: bool) -> Tensor:
    """argmax or argmin; over all elements for axis=None."""
    one(call, x, "iuf")
    if axis is None:
        place = find(x.reshape(-1), 0)
        return place.reshape((1,) * x.ndim) if keepdims else place
    return find(x, axes_of(call, axis, x.ndim)[0], keepdims)


def argmax(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The first place of the largest number. Shape: (*, n, *) -> (*)"""
    return extreme("argmax", reduce.argmax, x, axis, keepdims)


def argmin(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The first place of the smallest number. Shape: (*, n, *) -> (*)"""
    return extreme("argmin", reduce.argmin, x, axis, keepdims)


def count_nonzero(x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """How many numbers are not 0."""
    return reduce.sum(array("count_nonzero", x) != 0, axes_of("count_nonzero", axis, x.ndim), keepdims)


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """The places of numbers that are not 0, an array of indices for each axis. Raises ValueError for a 0-d array."""
    if array("nonzero", x).ndim == 0:
        raise ArgumentError(message("nonzero", "takes an array with dimensions", [("x", x)]))
    return tuple(index.nonzero(x, as_tuple=True))


def searchsorted(x1: Tensor, x2: Tensor | complex, /, *, side: str = "left", sorter: Tensor | None = None) -> Tensor:
    """Where the numbers of `x2` belong in the sorted 1-d `x1`. Shape: (n,), (*) -> (*)"""
    dtype = result_of("searchsorted", one("searchsorted", x1, "iuf"), x2)
    if sorter is not None:
        x1 = x1[sorter]
    return sorting.searchsorted(x1.to(dtype), as_array(x2, dtype), side=side)


def where(condition: Tensor, x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """`x1` where the condition is true, else `x2`. Shape: all broadcast to one."""
    return index.where(one("where", condition, "b"), *pair("where", x1, x2))


def isin(x1: Tensor | complex, x2: Tensor | complex, /, *, invert: bool = False) -> Tensor:
    """Whether each element of `x1` is among those of `x2`."""
    a, b = pair("isin", x1, x2)
    return compare.isin(a, b, invert=invert)


def argsort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The order that sorts `x` along an axis. Shape: (*) -> (*)"""
    return sorting.argsort(one("argsort", x, "iuf"), axis, descending, stable)


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The numbers in order along an axis. Shape: (*) -> (*)"""
    return sorting.sort(one("sort", x, "iuf"), axis, descending, stable)[0]


def distinct(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(values, first places, inverse, counts); every NaN counts as different, as the standard asks."""
    flat = array("unique", x).reshape(-1)
    if x.dtype.kind == "f":
        spare = compare.isnan(flat)
        if bool(reduce.any(spare)):
            return with_nans(x, flat, spare)
    values, inverse, counts = counting.unique(flat, return_inverse=True, return_counts=True)
    return values, first_places(inverse, values.shape[0]), inverse.reshape(tuple(x.shape)), counts


def first_places(inverse: Tensor, count: int) -> Tensor:
    """Where each value comes first."""
    order = sorting.argsort(inverse, stable=True)
    return order[sorting.searchsorted(inverse[order], counting_up(count, inverse))]


def counting_up(count: int, like: Tensor) -> Tensor:
    return Tensor.from_data(list(range(count)), like.dtype)


def with_nans(x: Tensor, flat: Tensor, spare: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same where some are NaN: they stand behind the others, once each."""
    places, holes = index.nonzero(~spare)[:, 0], index.nonzero(spare)[:, 0]
    values, firsts, inverse, counts = distinct(flat[places])
    seen, more = values.shape[0], holes.shape[0]
    whole = Tensor.from_data([0] * flat.shape[0], dtypes.int64)
    whole[places] = inverse
    whole[holes] = counting_up(more, inverse) + seen
    values, firsts = cat([values, flat[holes]]), cat([places[firsts], holes])
    return values, firsts, whole.reshape(tuple(x.shape)), cat([counts, ones_like(holes)])


def unique_all(x: Tensor, /) -> unique_all_result:
    """The distinct elements, where each comes first, which one each element is, and how often each occurs."""
    return unique_all_result(*distinct(x))


def unique_counts(x: Tensor, /) -> unique_counts_result:
    """The distinct elements and how often each occurs."""
    values, _, _, counts = distinct(x)
    return unique_counts_result(values, counts)


def unique_inverse(x: Tensor, /) -> unique_inverse_result:
    """The distinct elements and which one each element is."""
    values, _, inverse, _ = distinct(x)
    return unique_inverse_result(values, inverse)


def unique_values(x: Tensor, /) -> Tensor:
    """The distinct elements."""
    return distinct(x)[0]
