"""Small graphs for the engine's tests, and running a program on arrays."""

import numpy as np

from dovetail.base.dtypes import float32
from dovetail.ir.core import Graph, Value, building
from dovetail.prims.elementwise import add, exp, mul, sub
from dovetail.prims.linalg import cholesky


def inputs(count, shape, dtype=float32):
    return [Value(shape, dtype) for _ in range(count)]


def chain(length, shape=(8, 8)):
    """x, y -> a chain of multiplications and additions, and its middle."""
    x, y = inputs(2, shape)
    with building() as nodes:
        z = x
        for _ in range(length):
            z = add(mul(z, y), x)
    return Graph([x, y], nodes, [z, nodes[length].out])


def with_exp(shape=(8, 8)):
    """Arithmetic around an exp, which the stand-in code generator does not take."""
    x, y = inputs(2, shape)
    with building() as nodes:
        a = add(x, y)
        e = exp(mul(a, y))
        out = sub(add(e, a), x)
    return Graph([x, y], nodes, [out, a])


def with_cholesky(n=4):
    """A host primitive between native ones."""
    (x,) = inputs(1, (n, n))
    with building() as nodes:
        r = add(cholesky(x, upper=False), x)
    return Graph([x], nodes, [r])


def address(array):
    return array.__array_interface__["data"][0]


def run(program, arrays, graph, sizes=(), out=None):
    """The program's results as new arrays."""
    shapes = [tuple(map(int, value.shape)) for value in graph.outputs]
    results = out or [np.full(s, 7, value.dtype.np) for s, value in zip(shapes, graph.outputs, strict=True)]
    program.run([address(a) for a in arrays], [address(a) for a in results], sizes)
    return results


def numbers(graph, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=tuple(map(int, v.shape))).astype(v.dtype.np) for v in graph.inputs]
