"""The same bits read as another dtype, and a fold of bits. They run in NumPy."""

from __future__ import annotations

import numpy as np

from dovetail.base.errors import ShapeError, message
from dovetail.ir.core import Primitive
from dovetail.prims.elementwise import check_kind
from dovetail.prims.families import HOST


def bitcast_meaning(x, *, dtype):
    if dtype.itemsize == x.dtype.itemsize:
        return x.view(dtype.np)
    return np.ascontiguousarray(x).view(dtype.np)


bitcast = Primitive("bitcast", HOST, bitcast_meaning, host=True)
bitcast.differentiable = False


@bitcast.shape
def bitcast_shape(x, *, dtype):
    """The last size changes where the widths differ."""
    if dtype.itemsize == x.dtype.itemsize:
        return x.shape, dtype
    if not x.shape or (x.shape[-1] * x.dtype.itemsize) % dtype.itemsize:
        problem = f"the last dim's bytes are no whole number of {dtype.name} elements"
        raise ShapeError(message("bitcast", problem, [("input", x)]))
    return (*x.shape[:-1], x.shape[-1] * x.dtype.itemsize // dtype.itemsize), dtype


@bitcast.write
def bitcast_write(base, new, *, dtype):
    return bitcast(new, dtype=base.dtype)


def xor_meaning(x, *, dims):
    return np.asarray(np.bitwise_xor.reduce(x, axis=dims))


reduce_xor = Primitive("reduce_xor", HOST, xor_meaning, host=True)
reduce_xor.kinds = "ui"
reduce_xor.differentiable = False


@reduce_xor.shape
def reduce_xor_shape(x, *, dims):
    """All elements over `dims` joined by exclusive or; 0 where there is none."""
    check_kind(reduce_xor, x)
    return tuple([n for d, n in enumerate(x.shape) if d not in dims]), x.dtype
