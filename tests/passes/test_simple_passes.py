"""Simplify, common subexpressions, dead code: random graphs keep their meaning; known patterns become what they are."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from dovetail.base.dtypes import bool_, float32, float64, int32, int64
from dovetail.ir.core import Graph, Literal, Value, building
from dovetail.ir.evaluate import evaluate
from dovetail.ir.printing import graph_text, stable_text
from dovetail.ir.sym import Sym
from dovetail.ir.verify import verify
from dovetail.passes import cse, dce, simplify
from dovetail.prims import elementwise as e
from dovetail.prims.families import MAKE, SHAPE
from dovetail.prims.make import constant, constant_like, iota, literal, random_bits
from dovetail.prims.reduce import reduce_max, reduce_sum
from dovetail.prims.shape import broadcast, dynamic_slice, pad, reshape, slice_, transpose
from dovetail.prims.sugar import cast

sys.path.insert(0, str(Path(__file__).resolve().parent))

from random_graphs import GRAPHS, samples  # noqa: E402

PASSES = {"simplify": simplify.run, "cse": cse.run, "dce": dce.run,
          "all": lambda graph: dce.run(cse.run(simplify.run(graph)))}


def work(graph: Graph) -> int:
    """Nodes that compute; constants and views are free."""
    return sum(n.prim.family not in (MAKE, SHAPE) for n in graph.nodes)


@pytest.mark.parametrize("name", PASSES)
@settings(max_examples=150, deadline=None)
@given(graph=GRAPHS)
def test_random_graphs_keep_their_meaning(name, graph):
    before = stable_text(verify(graph))
    after = verify(PASSES[name](graph))
    assert stable_text(graph) == before, "a pass must not change the graph it was given"
    assert work(after) <= work(graph)
    for old, new in zip(evaluate(graph, samples()), evaluate(after, samples()), strict=True):
        assert (old.dtype, old.shape) == (new.dtype, new.shape)
        np.testing.assert_allclose(new, old, rtol=1e-5, atol=1e-6)


def simplified(function, *inputs: Value) -> str:
    """The names of the primitives that are left, and the text of the graph's result."""
    with building() as nodes:
        out = function(*inputs)
    graph = verify(simplify.run(Graph(list(inputs), nodes, [out])))
    names = " ".join(n.prim.name for n in graph.nodes)
    return names or ("input" if graph.outputs[0] in graph.inputs else graph_text(graph))


def x(*shape, dtype=float32):
    return Value(shape or (2, 3), dtype)


SIMPLE = [
    (lambda v: v + 0.0, "input"), (lambda v: 0.0 + v, "input"), (lambda v: v - 0.0, "input"),
    (lambda v: 0.0 - v, "neg"),
    (lambda v: v * 1.0, "input"), (lambda v: v * -1.0, "neg"), (lambda v: v / 1.0, "input"),
    (lambda v: v / 4.0, "full mul"),
    (lambda v: v / 3.0, "full div"), (lambda v: v * 0.0, "full mul"), (lambda v: e.neg(e.neg(v)), "input"),
    (lambda v: e.pow_(v, constant_like(v, 2.0)), "mul"), (lambda v: e.pow_(v, constant_like(v, 1.0)), "input"),
    (lambda v: v + -(v * v), "mul sub"), (lambda v: e.identity(e.detach(v)), "input"),
    (lambda v: cast(cast(v, float64), float32), "input"), (lambda v: cast(cast(v, int32), float32), "convert convert"),
    (lambda v: cast(cast(v, float64), int64), "convert"),
    (lambda v: transpose(transpose(v, perm=(1, 0)), perm=(1, 0)), "input"),
    (lambda v: reshape(reshape(v, shape=(6,)), shape=(2, 3)), "input"),
    (lambda v: reshape(reshape(v, shape=(6,)), shape=(3, 2)), "reshape"),
    (lambda v: broadcast(broadcast(v, shape=(4, 2, 3), dims=(1, 2)), shape=(5, 4, 2, 3), dims=(1, 2, 3)), "broadcast"),
    (lambda v: slice_(v, starts=(0, 0), stops=(2, 3), steps=(1, 1)), "input"),
    (lambda v: pad(v, low=(0, 0), high=(0, 0), value=0), "input"),
    (lambda v: constant_like(v, 2.0) * 3.0 + 1.0, "full"), (lambda v: e.exp(constant_like(v, 0.0)), "full"),
    (lambda v: broadcast(constant(2.0, (3,), float32), shape=(2, 3), dims=(1,)), "full"),
    (lambda v: reduce_sum(constant_like(v, 2.0), dims=(0,)), "full"),
    (lambda v: reduce_max(reshape(v, shape=(2, 1, 3)), dims=(1,)), "input"),
    (lambda v: e.where(constant(True, (2, 3), bool_), v, v * 2.0), "input"),
    (lambda v: e.where(v > 0.0, v, v), "input"), (lambda v: e.maximum(v, v), "input"),
    (lambda v: literal(value=Literal(np.ones((2, 3), np.float32))) * v, "input"),
    (lambda v: dynamic_slice(v, constant(1, (), int64), constant(9, (), int64), sizes=(1, 2)), "slice"),
    (lambda v: concat_of_thirds(v), "mul concat"), (lambda v: transpose(v, perm=(1, 0)) @ v, "contract"),
    (lambda v: transpose(transpose(v, perm=(1, 0)) @ v, perm=(1, 0)), "contract"),
    (lambda v: cast(iota(shape=(2, 3), dtype=int64, dim=1), float32) + v, "iota add"),
    (lambda v: reduce_sum(broadcast(v, shape=(5, 2, 3), dims=(1, 2)), dims=(0,)), "full mul"),
    (lambda v: e.add(v, iota(shape=(2, 3), dtype=float32, dim=0)), "iota add"),
]


def concat_of_thirds(v):
    """What the gradient of a split looks like."""
    w = v * v
    first = pad(w, low=(0, 0), high=(0, 6), value=0)
    last, middle = pad(w, low=(0, 6), high=(0, 0), value=0), pad(w, low=(0, 3), high=(0, 3), value=0)
    return last + middle + first


def test_parts_of_a_split_meet_in_any_order():
    """The gates of an LSTM come back as o, c, i, f; one concatenation takes all, whatever else is added."""

    def function(v):
        w = v * v
        parts = [pad(w, low=(0, 3 * i), high=(0, 9 - 3 * i), value=0) for i in range(4)]
        return parts[3] + parts[2] + parts[0] + parts[1]

    def with_rest(v):
        w = v * v
        parts = [pad(w, low=(0, 3 * i), high=(0, 6 - 3 * i), value=0) for i in range(3)]
        rest = broadcast(reshape(w, shape=(2, 1, 3)), shape=(2, 3, 3), dims=(0, 1, 2))
        return parts[0] + reshape(rest, shape=(2, 9)) + parts[2] + parts[1]

    assert simplified(function, x()) == "mul concat"
    assert simplified(with_rest, x()).split().count("pad") == 0


@pytest.mark.parametrize(("function", "left"), SIMPLE)
def test_patterns(function, left):
    assert simplified(function, x()) == left


def test_what_may_be_not_a_number_is_not_simplified():
    """x * 0 and x - x are not 0 where x is infinite, and x / x is not 1 at 0."""
    assert simplified(lambda v: v - v, x()) == "sub"
    assert simplified(lambda v: v / v, x()) == "div"
    assert simplified(lambda v: e.mul(v, constant_like(v, 0)), x(dtype=int64)) == "full"


def test_run_time_sizes_are_not_their_samples():
    n, m = Sym(2, ("table", 0)), Sym(2, ("table", 1))
    assert simplified(lambda v: reshape(v, shape=(n, 3)), Value((n, 3), float32)) == "input"
    assert simplified(lambda v: reshape(v, shape=(m, 3)), Value((n, 3), float32)) == "reshape"
    one = Sym(1, ("table", 0))
    assert simplified(lambda v: reduce_sum(v, dims=(0,)), Value((one, 3), float32)) == "reduce_sum"
    rows = Value((n, 3), float32)
    assert simplified(lambda v: reduce_sum(constant_like(v, 1.0), dims=(0,)), rows) == "full reduce_sum"


def test_equal_nodes_are_merged_and_unequal_ones_are_not():
    v = x()
    with building() as nodes:
        a, b = e.exp(v), e.exp(v)
        zeros = [constant(z, (2, 3), float32) for z in (0.0, -0.0, 0.0)]
        out = a + b + zeros[0] * zeros[1] + zeros[2]
    graph = cse.run(Graph([v], nodes, [out]))
    names = [n.prim.name for n in graph.nodes]
    assert (names.count("exp"), names.count("full")) == (1, 2)


def test_draws_with_another_counter_stay_apart():
    seed, counter = Value((), int64), Value((), int64)
    with building() as nodes:
        first = random_bits(seed, counter, shape=(4,), offset=0)
        second = random_bits(seed, counter, shape=(4,), offset=1)
        again = random_bits(seed, counter, shape=(4,), offset=0)
    graph = cse.run(Graph([seed, counter], nodes, [first, second, again]))
    assert len(graph.nodes) == 2


def test_dead_nodes_go_and_inputs_stay():
    v, w = x(), x()
    with building() as nodes:
        e.exp(w)
        out = e.neg(v)
    graph = dce.run(Graph([v, w], nodes, [out]))
    assert [n.prim.name for n in graph.nodes] == ["neg"] and graph.inputs == [v, w]


def test_work_grows_with_the_graph_and_no_faster():
    """Counted in Python's calls, since a clock says what else the machine does."""

    def calls(count):
        v = x()
        with building() as nodes:
            out = v
            for i in range(count):
                out = e.sin(out * 1.0 + float(i))
        graph, found = Graph([v], nodes, [out]), 0

        def note(frame, event, argument):
            nonlocal found
            found += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            PASSES["all"](graph)
        finally:
            sys.setprofile(before)
        return found

    calls(100)
    assert calls(4000) < 8 * calls(500) * 1.2
