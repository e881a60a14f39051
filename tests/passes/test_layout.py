"""Transposes that sank compute the same."""

import numpy as np
import pytest

from dovetail.autodiff.check import graph_of
from dovetail.ir.core import Graph
from dovetail.ir.evaluate import evaluate
from dovetail.passes import layout
from dovetail.prims import elementwise as e
from dovetail.prims.make import constant, iota
from dovetail.prims.reduce import argmax, reduce_max, reduce_sum
from dovetail.prims.shape import broadcast, concat, pad, reshape, slice_, transpose, update_slice

X = np.random.default_rng(0).standard_normal((2, 6, 5, 3))
PERM = (0, 3, 1, 2)


def check(function, *arrays) -> Graph:
    graph = graph_of(function, arrays)
    told = layout.run(graph)
    for got, want in zip(evaluate(told, arrays), evaluate(graph, arrays), strict=True):
        np.testing.assert_array_equal(got, want)
    return told


def names(graph: Graph) -> list[str]:
    return [node.prim.name for node in graph.nodes]


def image(x):
    return transpose(x, perm=PERM)


MOVES = {
    "bias": lambda x: e.add(x, broadcast(constant(2.0, (3,), x.dtype), shape=x.shape, dims=(1,))),
    "number": lambda x: e.maximum(x, constant(0.0, x.shape, x.dtype)),
    "place": lambda x: e.mul(x, e.cast(iota(shape=x.shape, dtype=x.dtype, dim=2), x.dtype)),
    "pad": lambda x: pad(x, low=(0, 1, 2, 0), high=(0, 0, 1, 1), value=0),
    "slice": lambda x: slice_(x, starts=(0, 2, 1, 4), stops=(2, -1, 6, 0), steps=(1, -1, 2, -1)),
    "sum": lambda x: reduce_sum(x, dims=(0, 2)),
    "max": lambda x: reduce_max(x, dims=(1,)),
    "argmax": lambda x: argmax(x, dim=2),
    "repeat": lambda x: broadcast(x, shape=(2, 3, 6, 2, 5, 4), dims=(0, 1, 2, 4)),
    "split": lambda x: reshape(x, shape=(2, 3, 2, 3, 5)),
    "ones": lambda x: reshape(x, shape=(2, 1, 3, 6, 5, 1)),
    "join": lambda x: reshape(x, shape=(2, 3, 30)),
    "concat": lambda x: concat(x, x, dim=2),
    "part": lambda x: update_slice(constant(1.0, (2, 3, 12, 9), x.dtype), x, starts=(0, 0, 1, 8), steps=(1, 1, 2, -2)),
    "zeros": lambda x: concat(x, constant(0.0, x.shape, x.dtype), dim=1),
    "turn": lambda x: transpose(x, perm=(3, 1, 0, 2)),
    "flatten": lambda x: reshape(x, shape=(2, 90)),
    "flat": lambda x: reshape(x, shape=(6, 30)),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves_behind(name):
    told = check(lambda x: e.sign(e.neg(MOVES[name](image(x)))), X)
    order = names(told)
    if name in ("flatten", "flat"):
        assert order.index("transpose") < order.index("reshape")
    elif "transpose" in order:
        assert order.index("transpose") > order.index("neg")


def test_arithmetic_of_two_orders_stays_where_most_operands_are():
    y = np.random.default_rng(1).standard_normal((2, 3, 6, 5))
    told = check(lambda x, y: e.exp(e.add(image(x), y)), X, y)
    assert names(told) == ["transpose", "add", "exp"]
    told = check(lambda x, y: e.exp(e.where(e.gt(image(x), e.neg(image(x))), image(x), y)), X, y)
    assert names(told)[-1] == "exp"


def test_an_output_is_computed_in_its_own_order():
    told = check(lambda x: e.exp(image(x)), X)
    assert names(told) == ["transpose", "exp"]
