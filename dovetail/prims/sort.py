"""Sorting: one primitive gives the order, the values come by `gather`."""

from __future__ import annotations

import numpy as np

from dovetail.base.dtypes import int64
from dovetail.base.errors import DimError, message
from dovetail.ir.core import Primitive
from dovetail.prims.elementwise import check_kind
from dovetail.prims.families import SORT


def argsort_meaning(x, *, dim, descending, stable=True):
    """Descending: the order of the reversed row, read backwards, so that ties stay in order and NaN comes first."""
    if not descending:
        return np.argsort(x, axis=dim, kind="stable").astype(np.int64, copy=False)
    order = np.flip(np.argsort(np.flip(x, dim), axis=dim, kind="stable"), dim)
    return (x.shape[dim] - 1 - order).astype(np.int64, copy=False)


argsort = Primitive("argsort", SORT, argsort_meaning)
argsort.kinds = "buif"
argsort.differentiable = False


@argsort.shape
def argsort_shape(x, *, dim, descending, stable=True):
    """The indices that sort x along `dim`; NaN counts as the largest value; ties keep their order."""
    check_kind(argsort, x)
    if not 0 <= dim < x.ndim:
        raise DimError(message("argsort", f"dim {dim} is outside the rank", [("input", x)]))
    return x.shape, int64
