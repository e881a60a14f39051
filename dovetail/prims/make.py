"""Primitives that make values out of nothing but their settings (and, for random bits, a seed and a counter)."""

from __future__ import annotations

import math

import numpy as np

from dovetail.base.dtypes import DType, from_numpy_dtype, int32
from dovetail.base.errors import DTypeError, ShapeError, message
from dovetail.ir.core import Literal, Primitive, Value
from dovetail.prims.families import MAKE
from dovetail.prims.philox import philox_words


def scalar_array(value, dtype: DType) -> np.ndarray:
    """A Python number as a 0-d array; integers wrap as in C."""
    if dtype.kind in "ui" and isinstance(value, int):
        bits = 8 * dtype.itemsize
        value = int(value) & ((1 << bits) - 1)
        return np.asarray(value, f"u{dtype.itemsize}").view(dtype.np)
    return np.asarray(value).astype(dtype.np)


def full_meaning(*, shape, dtype, value):
    """One number in every place. A large result is a read-only view of that one number."""
    one = scalar_array(value, dtype)
    if math.prod(shape) <= 1024:
        return np.full(shape, one, dtype.np)
    return np.ndarray(shape, dtype.np, one.tobytes(), 0, (0,) * len(shape))


full = Primitive("full", MAKE, full_meaning)


@full.shape
def full_shape(*, shape, dtype, value):
    return shape, dtype


def iota_meaning(*, shape, dtype, dim):
    row = np.arange(shape[dim]).astype(dtype.np)
    return np.broadcast_to(row.reshape([-1 if d == dim else 1 for d in range(len(shape))]), shape)


iota = Primitive("iota", MAKE, iota_meaning)


@iota.shape
def iota_shape(*, shape, dtype, dim):
    """Element i holds its own index along `dim`."""
    if not 0 <= dim < len(shape):
        raise ShapeError(message("iota", f"dim {dim} is outside the rank of {tuple(shape)}"))
    return shape, dtype


literal = Primitive("literal", MAKE, lambda *, value: value.array)


@literal.shape
def literal_shape(*, value):
    return value.array.shape, from_numpy_dtype(value.array.dtype)


def random_bits_meaning(seed, counter, *, shape, offset=0):
    count = math.prod(shape)
    return philox_words(int(seed), int(counter) + offset, count).view(np.int32).reshape(shape)


random_bits = Primitive("random_bits", MAKE, random_bits_meaning)


@random_bits.shape
def random_bits_shape(seed, counter, *, shape, offset=0):
    """32 random bits an element, by Philox 4x32-10 under the key `seed`.

    Element i is lane i % 4 of the block counter + offset + i // 4.
    """
    for name, x in (("seed", seed), ("counter", counter)):
        if x.shape != () or x.dtype.kind not in "ui" or x.dtype.itemsize != 8:
            raise DTypeError(message("random_bits", f"the {name} must be one int64 number", [(name, x)]))
    return shape, int32


def constant(number, shape: tuple, dtype: DType) -> Value:
    """A value that holds `number` everywhere; the number is first made one of the dtype's own kind.

    >>> from dovetail.base.dtypes import float32
    >>> from dovetail.ir.core import building
    >>> with building() as nodes:
    ...     constant(2, (3,), float32).node.params["value"]
    2.0
    """
    kind = dtype.kind
    if kind == "f":
        number = float(number)
    elif kind == "b":
        number = bool(number)
    elif kind == "c":
        number = complex(number)
    else:
        number = int(number)
    return full(shape=shape, dtype=dtype, value=number)


def constant_like(x: Value, number) -> Value:
    """A value of x's shape and dtype that holds `number` everywhere."""
    return constant(number, x.shape, x.dtype)


def zeros_like(x: Value) -> Value:
    return constant(0, x.shape, x.dtype)


def ones_like(x: Value) -> Value:
    return constant(1, x.shape, x.dtype)


def literal_of(array) -> Value:
    """A small NumPy array as a constant of the program."""
    return literal(value=Literal(np.asarray(array)))
