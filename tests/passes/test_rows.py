"""Updates of few rows go into the table itself, and only where that is the same number by number."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.base.dtypes import float32, int64
from dovetail.codegen.target import GENERIC
from dovetail.engine.order import run_passes
from dovetail.engine.program import compile
from dovetail.ir.core import Graph, Value, building
from dovetail.ir.evaluate import evaluate
from dovetail.ir.verify import verify
from dovetail.passes import dce, rows
from dovetail.prims import elementwise as e
from dovetail.prims.index import index_add, take
from dovetail.prims.make import constant
from dovetail.prims.shape import broadcast

TABLE, INDEX, CHANGE, RATE = (9, 4), (6,), (6, 4), ()


def graph_of(update, outputs=1):
    table, idx, change, rate = (Value(s, d) for s, d in zip((TABLE, INDEX, CHANGE, RATE),
                                                            (float32, int64, float32, float32), strict=True))
    with building() as nodes:
        seen = take(table, idx, dim=0)
        gradient = index_add(constant(0, TABLE, float32), idx, e.mul(change, seen), dim=0)
        made = update(table, gradient, broadcast(rate, shape=TABLE, dims=()))
    return verify(Graph([table, idx, change, rate], nodes, [made, seen, gradient][:outputs]))


def arrays():
    rng = np.random.default_rng(0)
    table, change = (rng.standard_normal(s).astype(np.float32) for s in (TABLE, CHANGE))
    return [table, np.array([3, 0, 3, 8, -1 % 9, 3]), change, np.array(0.3, np.float32)]


UPDATES = [
    lambda p, g, r: p - e.mul(g, r), lambda p, g, r: p - e.mul(constant(0.5, TABLE, float32), e.detach(g)),
    lambda p, g, r: e.mul(e.neg(g), r) + p, lambda p, g, r: p - e.div(e.neg(g), r), lambda p, g, r: p + g,
]
OTHERS = [lambda p, g, r: p - e.mul(g, g), lambda p, g, r: g - p, lambda p, g, r: p - e.mul(g, p),
          lambda p, g, r: e.mul(p, r) - g]


@pytest.mark.parametrize("update", UPDATES)
def test_the_table_takes_the_change_directly(update):
    graph = graph_of(update)
    after = verify(rows.run(graph))
    last = after.outputs[0].node
    assert last.prim is index_add and last.inputs[0] is after.inputs[0]
    np.testing.assert_allclose(evaluate(after, arrays())[0], evaluate(graph, arrays())[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("update", OTHERS)
def test_other_formulas_stay(update):
    graph = graph_of(update)
    after = rows.run(graph)
    assert [n.prim for n in after.nodes] == [n.prim for n in dce.run(graph).nodes]


def test_a_gradient_that_is_wanted_itself_stays():
    graph = graph_of(UPDATES[0], outputs=3)
    assert rows.run(graph).outputs[0].node.prim is e.sub


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("outputs", [1, 2])
def test_compiled_over_the_table_or_beside_it(update, in_place, outputs):
    """The old rows are looked up before the new ones are written, also where they are wanted for themselves."""
    graph = graph_of(update, outputs)
    want = evaluate(graph, arrays())
    for target in ("host", GENERIC.name):
        given = arrays()
        made = [given[0] if in_place and i == 0 else np.full_like(w, 77) for i, w in enumerate(want)]
        program = compile(graph, alias={0: 0} if in_place else {}, target=target)
        program.run([a.ctypes.data for a in given], [a.ctypes.data for a in made])
        for got, w in zip(made, want, strict=True):
            np.testing.assert_allclose(got, w, rtol=1e-6, atol=1e-6)
    assert any(n.prim is index_add for n in run_passes(graph).nodes)
