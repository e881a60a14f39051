"""Random graphs for testing passes: a list of small numbers becomes a legal program, whatever the numbers are."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from dovetail.base.dtypes import bool_, float32, float64, int64
from dovetail.ir.core import Graph, Value, building
from dovetail.prims import elementwise as e
from dovetail.prims.make import constant, iota
from dovetail.prims.reduce import reduce_max, reduce_sum
from dovetail.prims.shape import broadcast, concat, pad, reshape, restore, slice_, transpose, update_slice
from dovetail.prims.sugar import cast

SHAPE = (2, 3)
NUMBERS = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0]


def floats(x: Value) -> Value:
    return x if x.dtype.kind == "f" else cast(x, float32)


def product(a: Value, b: Value) -> Value:
    """A matrix product, scaled down so that a few of them in a row stay comparable."""
    return (a @ cast(b, a.dtype)) * 0.125 if a.dtype.kind == "f" else product(cast(a, float64), b)


def side_by_side(a: Value, b: Value) -> Value:
    """What the gradient of a split looks like."""
    return pad(a, low=(0, 0), high=(0, 3), value=0) + pad(b, low=(0, 3), high=(0, 0), value=0)


UNARY = [
    lambda x: e.identity(x), lambda x: e.detach(x), lambda x: e.neg(floats(x)), lambda x: e.neg(e.neg(floats(x))),
    lambda x: e.tanh(floats(x)), lambda x: e.abs_(floats(x)), lambda x: cast(x, float64), lambda x: cast(x, float32),
    lambda x: e.convert(x, dtype=x.dtype), lambda x: cast(cast(floats(x), float64), float32), lambda x: cast(x, bool_),
    lambda x: e.logical_not(e.logical_not(x)), lambda x: e.conj(x), lambda x: e.real(x), lambda x: cast(x, int64),
    lambda x: reshape(reshape(x, shape=(3, 2)), shape=SHAPE), lambda x: reshape(x, shape=SHAPE),
    lambda x: transpose(transpose(x, perm=(1, 0)), perm=(1, 0)),
    lambda x: reshape(transpose(x, perm=(1, 0)), shape=SHAPE),
    lambda x: slice_(x, starts=(0, 0), stops=SHAPE, steps=(1, 1)),
    lambda x: slice_(x, starts=(1, 2), stops=(-1, -1), steps=(-1, -1)),
    lambda x: slice_(pad(x, low=(1, 0), high=(0, 2), value=0), starts=(0, 1), stops=(2, 4), steps=(1, 1)),
    lambda x: pad(x, low=(0, 0), high=(0, 0), value=1),
    lambda x: restore(reduce_sum(floats(x), dims=(0,)), SHAPE, (0,)),
    lambda x: restore(reduce_max(x, dims=(1,)), SHAPE, (1,)),
    lambda x: reshape(reduce_sum(reshape(floats(x), shape=(1, *SHAPE)), dims=(0,)), shape=SHAPE),
    lambda x: broadcast(broadcast(reduce_max(x, dims=(0, 1)), shape=(3,), dims=()), shape=SHAPE, dims=(1,)),
    lambda x: e.add(x, cast(iota(shape=SHAPE, dtype=int64, dim=1), x.dtype)),
]
BINARY = [
    lambda a, b: a + b, lambda a, b: floats(a) - floats(b), lambda a, b: a * b, lambda a, b: floats(a) / floats(b),
    lambda a, b: a + -floats(b), lambda a, b: -floats(a) + floats(b),
    lambda a, b: e.maximum(cast(a, b.dtype), b), lambda a, b: e.where(cast(a, bool_), b, b),
    lambda a, b: e.where(e.logical_not(cast(a, bool_)), cast(a, b.dtype), b),
    lambda a, b: slice_(concat(a, cast(b, a.dtype), dim=0), starts=(1, 0), stops=(3, 3), steps=(1, 1)),
    lambda a, b: update_slice(a, slice_(cast(b, a.dtype), starts=(0, 0), stops=(1, 3), steps=(1, 1)), starts=(1, 0),
                              steps=(1, 1)),
    lambda a, b: update_slice(a, cast(b, a.dtype), starts=(0, 0), steps=(1, 1)),
    lambda a, b: cast(e.lt(cast(a, b.dtype), b), float32), lambda a, b: e.bitwise_and(cast(a, bool_), cast(b, bool_)),
    lambda a, b: e.maximum(a, a),
    lambda a, b: reshape(reduce_sum(broadcast(floats(a), shape=(4, *SHAPE), dims=(1, 2)), dims=(0,)), shape=SHAPE),
    lambda a, b: side_by_side(a, cast(b, a.dtype))[:, 1:4],
    lambda a, b: reshape(product(transpose(floats(a), perm=(1, 0)), b), shape=(3, 3))[:2],
    lambda a, b: product(transpose(product(b, transpose(floats(a), perm=(1, 0))), perm=(1, 0)), a),
    lambda a, b: transpose(product(transpose(floats(a), perm=(1, 0)), b), perm=(1, 0))[1:],
]
WITH_NUMBER = [
    lambda x, n: x + constant(n, SHAPE, x.dtype), lambda x, n: constant(n, SHAPE, x.dtype) + x,
    lambda x, n: floats(x) - n, lambda x, n: n - floats(x), lambda x, n: x * constant(n, SHAPE, x.dtype),
    lambda x, n: constant(n, SHAPE, x.dtype) * x, lambda x, n: floats(x) / (n or 4.0),
    lambda x, n: e.pow_(floats(x), constant(n, SHAPE, floats(x).dtype)),
    lambda x, n: e.where(constant(n, SHAPE, bool_), x, e.identity(x)),
    lambda x, n: constant(n, SHAPE, x.dtype),
    lambda x, n: broadcast(constant(n, (3,), x.dtype), shape=SHAPE, dims=(1,)),
]
STEP = st.tuples(st.integers(0, len(UNARY) + len(BINARY) + len(WITH_NUMBER) - 1), st.integers(0, 99),
                 st.integers(0, 99), st.sampled_from(NUMBERS))


def built(steps: list[tuple[int, int, int, float]]) -> Graph:
    """Each step applies one formula to values made before; all values have the shape SHAPE."""
    inputs = [Value(SHAPE, float32, name="x"), Value(SHAPE, float64, name="y"), Value(SHAPE, int64, name="n"),
              Value(SHAPE, bool_, name="b")]
    pool = list(inputs)
    with building() as nodes:
        for which, i, j, number in steps:
            a, b = pool[i % len(pool)], pool[j % len(pool)]
            if which < len(UNARY):
                pool.append(UNARY[which](a))
            elif which < len(UNARY) + len(BINARY):
                pool.append(BINARY[which - len(UNARY)](a, b))
            else:
                pool.append(WITH_NUMBER[which - len(UNARY) - len(BINARY)](a, number))
    return Graph(inputs, nodes, pool[-3:])


GRAPHS = st.lists(STEP, min_size=1, max_size=14).map(built)


def samples(seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [
        random.integers(-3, 4, SHAPE).astype(np.float32), random.standard_normal(SHAPE), random.integers(-3, 4, SHAPE),
        random.random(SHAPE) < 0.5,
    ]
