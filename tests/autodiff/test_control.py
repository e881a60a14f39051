"""Choices and loops: gradients of any order by finite differences, batches against one example at a time."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.autodiff.batching import Batch
from dovetail.autodiff.check import check_gradients, graph_of
from dovetail.autodiff.control import cond, placeholders, scan, while_loop
from dovetail.base.dtypes import bool_, float64, int64
from dovetail.base.errors import DTypeError, ShapeError
from dovetail.engine.program import compile as compile_graph
from dovetail.ir.core import Graph, Value, building
from dovetail.ir.evaluate import evaluate
from dovetail.ir.printing import body, fingerprint, graph_text
from dovetail.ir.verify import GraphError, verify
from dovetail.prims.elementwise import add, lt, mul, sin, tanh
from dovetail.prims.make import constant
from dovetail.prims.reduce import reduce_sum

RANDOM = np.random.default_rng(0)
X, Y, XS = RANDOM.standard_normal(3), RANDOM.standard_normal(3), RANDOM.standard_normal((4, 3))


def body_like(function, *values):
    """The Body that `function` builds for inputs like `values`."""
    inputs = placeholders(values)
    with building() as nodes:
        outs = function(*inputs)
    return body(Graph(inputs, nodes, list(outs)))


def total(x):
    return reduce_sum(x, dims=tuple(range(x.ndim)))


def choice(x, y):
    then = body_like(lambda x, y: (sin(x) * y, x), x, y)
    other = body_like(lambda x, y: (x * x * y * y, y), x, y)
    return cond(lt(total(x), constant(0.3, (), float64)), x, y, then=then, other=other)


def folded(reverse, keep=False):
    def function(c, xs, k):
        x = Value(xs.shape[1:], xs.dtype)
        turn = body_like(lambda c, x, k: (sin(c * k) + x, c * x, *([c] if keep else [])), c, x, k)
        return scan(c, xs, k, body=turn, carried=1, scanned=1, length=0, reverse=reverse)

    return function


def looped(c, k):
    """Turns until the sum is large: how many, the numbers decide."""
    i = Value((), int64)
    test = body_like(lambda c, i, k: (lt(total(c * c), constant(40.0, (), float64)),), c, i, k)
    turn = body_like(lambda c, i, k: (c * (k * k + 1.2) + sin(c), add(i, constant(1, (), int64))), c, i, k)
    return while_loop(c, constant(0, (), int64), k, test=test, body=turn, carried=2)


PROGRAMS = {
    "cond": (choice, [X, Y]), "cond, other branch": (choice, [X + 5, Y]), "scan": (folded(False), [X, XS, Y]),
    "scan, reversed": (folded(True), [X, XS, Y]), "scan, carries kept": (folded(False, True), [X, XS, Y]),
    "while_loop": (looped, [X, Y]),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_to_second_order(name):
    function, arrays = PROGRAMS[name]
    check_gradients(function, *arrays, order=2)


def test_third_order_of_a_scan():
    check_gradients(folded(False), X, XS, Y, order=3)


@pytest.mark.parametrize("name", PROGRAMS)
def test_compiled_agrees_with_the_meaning(name):
    function, arrays = PROGRAMS[name]
    graph = verify(graph_of(function, arrays))
    wanted = evaluate(graph, arrays)
    program = compile_graph(graph)
    made = [np.empty(x.shape, x.dtype.np) for x in graph.outputs]
    arrays = [np.ascontiguousarray(a) for a in arrays]
    program.run([a.ctypes.data for a in arrays], [a.ctypes.data for a in made])
    for a, b in zip(made, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("flags", ["first", "last", "all"])
def test_batches(name, flags):
    """Three examples at once are what each alone is, also where they choose differently or turn more often."""
    function, arrays = PROGRAMS[name]
    count = len(arrays)
    own = {"first": [0], "last": [count - 1], "all": list(range(count))}[flags]
    given = [np.stack([a, a * 0.3, a + 2]) if i in own else a for i, a in enumerate(arrays)]
    ones = [Value(a.shape, float64) for a in arrays]
    with building() as nodes:
        made = function(*ones)
    batch, inputs = Batch(3), [Value(a.shape, float64) for a in given]
    for i, (one, x) in enumerate(zip(ones, inputs, strict=True)):
        (batch.own if i in own else batch.same)[one] = x
    with building() as more:
        batch.run(nodes)
        outs = [batch.whole(x) for x in made]
    found = evaluate(verify(Graph(inputs, more, outs)), given)
    for k in range(3):
        one = [a[k] if i in own else a for i, a in enumerate(given)]
        for a, b in zip(found, evaluate(graph_of(function, one), one), strict=True):
            np.testing.assert_allclose(a[k], b, rtol=1e-12)


def test_no_turns_at_all():
    turn = body_like(lambda c, x: (c + x, c), Value((3,), float64), Value((3,), float64))
    graph = graph_of(lambda c, xs: scan(c, xs, body=turn, carried=1, scanned=1, length=0, reverse=False), [X, XS[:0]])
    last, ys = evaluate(verify(graph), [X, XS[:0]])
    np.testing.assert_array_equal(last, X)
    assert ys.shape == (0, 3)


def test_bodies_are_printed_compared_and_verified():
    graph, again = (graph_of(looped, [X, Y]) for _ in range(2))
    assert fingerprint(graph) == fingerprint(again)
    text = graph_text(graph)
    assert "test: graph(" in text and "body: graph(" in text
    node = next(n for n in graph.nodes if n.prim is while_loop)
    inner = node.params["body"].graph
    inner.nodes.pop()
    with pytest.raises(GraphError, match="in its body"):
        verify(graph)


def test_shape_rules_refuse_what_cannot_go_round():
    x, flag, n = Value((3,), float64), Value((), bool_), Value((), int64)
    longer = body_like(lambda x: (constant(0, (4,), float64),), x)
    with building():
        with pytest.raises(ShapeError, match="carry 0 changes"):
            scan(x, body=longer, carried=1, scanned=0, length=2, reverse=False)
        with pytest.raises(ShapeError, match="result 0 differs"):
            cond(flag, x, then=longer, other=body_like(lambda x: (tanh(x),), x))
        with pytest.raises(DTypeError, match="one bool"):
            cond(n, x, then=longer, other=longer)
        with pytest.raises(DTypeError, match="one bool"):
            while_loop(x, test=body_like(lambda x: (mul(x, x),), x), body=body_like(lambda x: (x,), x), carried=1)
