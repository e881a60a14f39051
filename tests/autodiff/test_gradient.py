"""The walk from graph to graph: what it visits, what it makes, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.autodiff.check import check_gradients, graph_of
from dovetail.autodiff.gradient import gradients, tangents, with_gradient
from dovetail.base.dtypes import float32, float64, int64
from dovetail.base.errors import GradientError
from dovetail.ir.core import Graph, Value, building, region, scope
from dovetail.ir.evaluate import evaluate
from dovetail.ir.verify import verify
from dovetail.prims.elementwise import cast, detach, exp, log, sin, sqrt, tanh, where
from dovetail.prims.make import constant_like
from dovetail.prims.reduce import reduce_max, reduce_sum
from dovetail.prims.sort import argsort


def value(*shape, dtype=float64, name=""):
    return Value(shape, dtype, name=name)


def run(function, *arrays):
    return evaluate(verify(graph_of(function, arrays)), arrays)


def total(x):
    return reduce_sum(x, dims=tuple(range(x.ndim)))


def test_a_value_used_twice_gets_both_shares():
    (g,) = run(lambda x: gradients([total(x * x + x)], [None], [x]), np.array([1.0, 2.0]))
    np.testing.assert_allclose(g, [3.0, 5.0])


def test_a_source_between_source_and_output_gets_its_own_and_lets_pass():
    """d(3y)/dy = 3 with y = x^2, and d(3y)/dx = 6x: the walk goes on through y."""

    def both(x):
        y = x * x
        return gradients([total(y * 3.0)], [None], [y, x])

    dy, dx = run(both, np.array([2.0]))
    np.testing.assert_allclose([dy, dx], [[3.0], [12.0]])


def test_an_output_may_be_a_source_and_come_twice():
    def function(x):
        return gradients([x, x], [constant_like(x, 2.0), constant_like(x, 3.0)], [x])

    np.testing.assert_allclose(run(function, np.ones(2))[0], [5.0, 5.0])


def test_no_way_gives_none():
    x, y, n = value(2), value(2), value(2, dtype=int64)
    with building() as nodes:
        loss = total(x * 2.0 + cast(n, float64) + detach(y) * x)
        before = len(nodes)
        assert gradients([loss], [None], [y, n]) == [None, None]
        assert len(nodes) == before, "nothing needed, nothing appended"


def test_only_what_the_result_needs_is_appended():
    x, w = value(4, 3), value(3, 2)
    with building() as nodes:
        loss = total(x @ w)
        before = len(nodes)
        gradients([loss], [None], [w])
        names = [n.prim.name for n in nodes[before:]]
    assert names.count("contract") == 1, "the gradient for x is not computed"


def test_thousands_of_nodes_need_no_deep_stack():
    def deep(x):
        y = x
        for _ in range(5000):
            y = sin(y)
        return gradients([total(y)], [None], [x])

    assert np.isfinite(run(deep, np.array([1.0]))).all()


def test_gradient_nodes_keep_line_and_region():
    x = value(2)
    with building() as nodes:
        scope.where = ("train.py", 12, "main")
        with region("outer", (x,), {}), region("wave", (x,), {"speed": 1}):
            y = sin(x)
        scope.where = ("train.py", 13, "main")
        before = len(nodes)
        gradients([y], [constant_like(y, 1.0)], [x])
        made = [n for n in nodes[before:] if n.prim.name in ("cos", "mul")]
        scope.where = ("", 0, "")
    assert {n.region.name for n in made} == {"wave.grad"}
    assert {n.region.parent.name for n in made} == {"outer.grad"}
    assert {n.where[1] for n in made} == {12}
    assert len({id(n.region) for n in made}) == 1


def test_mistakes_are_explained():
    x = value(3)
    with building():
        with pytest.raises(GradientError, match="scalar outputs"):
            gradients([x * 2.0], [None], [x])
        with pytest.raises(GradientError, match="sizes differ"):
            gradients([x * 2.0], [value(2)], [x])
        with pytest.raises(GradientError, match="int64 value has no gradient"):
            gradients([argsort(x, dim=0, descending=False)], [None], [x])


def test_third_order():
    """d3 sin = -cos."""

    def third(x):
        y = sin(x)
        for _ in range(3):
            (y,) = gradients([y], [constant_like(y, 1.0)], [x])
        return y

    x = np.linspace(-1, 1, 5)
    np.testing.assert_allclose(run(third, x)[0], -np.cos(x))


def test_where_does_not_leak_from_the_side_not_taken():
    def safe_root(x):
        return gradients([total(where(x > 0.0, sqrt(where(x > 0.0, x, constant_like(x, 1.0))), x * 2.0))], [None], [x])

    np.testing.assert_allclose(run(safe_root, np.array([-1.0, 0.0, 4.0]))[0], [2.0, 2.0, 0.25])


@pytest.mark.parametrize("complex_too", [False, True])
def test_tangents_are_directional_derivatives(complex_too):
    def function(x, y):
        return exp(x) * y, sin(y) + x * x * y

    random = np.random.default_rng(0)
    draw = lambda: random.standard_normal(4) + (1j * random.standard_normal(4) if complex_too else 0)  # noqa: E731
    x, y, dx, dy = draw(), draw(), draw(), draw()
    ours = run(lambda a, b, da, db: tangents(function(a, b), [a, b], [da, db]), x, y, dx, dy)
    step = 1e-6
    high, low = (run(function, x + s * dx, y + s * dy) for s in (step, -step))
    for got, h, k in zip(ours, high, low, strict=True):
        np.testing.assert_allclose(got, (h - k) / (2 * step), rtol=1e-6)


# -- custom gradients --------------------------------------------------------------------------------------------------


def stable_softplus(x):
    """log(1 + exp(x)) whose own nodes overflow for large x, with the right gradient given by hand."""
    y = log(exp(x) + 1.0)
    (y,) = with_gradient([y], [x], lambda gs, outs, x: (gs[0] * (1.0 / (exp(-x) + 1.0)),))
    return y


def test_custom_gradient_replaces_the_nodes_own():
    (g,) = run(lambda x: gradients([total(stable_softplus(x))], [None], [x]), np.array([0.0, 1000.0]))
    np.testing.assert_allclose(g, [0.5, 1.0])
    check_gradients(lambda x: tanh(stable_softplus(x * x)), np.linspace(-1, 1, 5), order=3)


def test_lowering_sees_ordinary_nodes_only():
    graph = graph_of(stable_softplus, [np.ones(3)])
    assert [n.prim.name for n in graph.nodes] == ["exp", "full", "add", "log"]


def test_custom_gradient_of_an_input_that_is_returned():
    """A straight-through rule on an input's own value must not change the input's other uses."""

    def doubled(x):
        (y,) = with_gradient([x], [x], lambda gs, outs, x: (gs[0] * 2.0,))
        return gradients([total(y + x)], [None], [x])

    np.testing.assert_allclose(run(doubled, np.ones(2))[0], [3.0, 3.0])


def test_custom_gradient_with_several_results():
    def pair(x, w):
        a, b = x * w, x + w
        a, b = with_gradient([a, b], [x, w], rule)
        return gradients([total(a)], [None], [x, w])

    def rule(gs, outs, x, w):
        assert gs[1] is None, "nobody reads the second result"
        return gs[0] * w, None

    x, w = value(2), value(2)
    with building() as nodes:
        gx, gw = pair(x, w)
    assert gw is None
    np.testing.assert_allclose(evaluate(Graph([x, w], nodes, [gx]), [np.ones(2), np.full(2, 5.0)])[0], [5.0, 5.0])


def test_a_rule_of_the_wrong_shape_is_named():
    x = value(2)
    with building(), region("mine", (x,), {}):
        (y,) = with_gradient([x * 2.0], [x], lambda gs, outs, x: (total(gs[0]),))
        with pytest.raises(GradientError, match="mine"):
            gradients([total(y)], [None], [x])


# -- the checker itself ------------------------------------------------------------------------------------------------


def test_the_checker_finds_a_wrong_gradient():
    def wrong(x):
        (y,) = with_gradient([x * x], [x], lambda gs, outs, x: (gs[0] * x,))
        return y

    with pytest.raises(GradientError, match="order 1"):
        check_gradients(wrong, np.array([1.0, 2.0]))


def test_the_checker_finds_a_wrong_second_order():
    def wrong(x):
        (y,) = with_gradient([x * x], [x], lambda gs, outs, x: (gs[0] * detach(x) * 2.0,))
        return y

    check_gradients(wrong, np.array([1.0, 2.0]))
    with pytest.raises(GradientError, match="order 2"):
        check_gradients(wrong, np.array([1.0, 2.0]), order=2)


def test_a_whole_small_network():
    random = np.random.default_rng(0)

    def loss(x, w, b, v):
        hidden = tanh(x @ w + b)
        scores = hidden @ v
        top = detach(reduce_max(scores, dims=(1,)))
        shifted = scores - top[:, None]
        return total(log(reduce_sum(exp(shifted), dims=(1,))) - shifted[:, 0]) / 5

    arrays = [random.standard_normal(s) for s in [(5, 4), (4, 6), (6,), (6, 3)]]
    check_gradients(loss, *arrays, order=2)
    graph = graph_of(lambda *xs: gradients([loss(*xs)], [None], xs[1:]), [a.astype(np.float32) for a in arrays])
    assert {o.dtype for o in verify(graph).outputs} == {float32}
