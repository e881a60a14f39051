"""Loops inside programs: what they mean, their gradients to the second order, the same compiled, for run-time sizes."""

import numpy as np
import pytest

from dovetail.autodiff.check import check_gradients, graph_of
from dovetail.autodiff.control import repeat
from dovetail.autodiff.gradient import gradients
from dovetail.base.dtypes import int64
from dovetail.engine.generic import generalise, signature
from dovetail.engine.interpret import interpret
from dovetail.engine.order import run_passes
from dovetail.engine.program import compile, compile_async, find
from dovetail.ir.core import Graph, building
from dovetail.ir.verify import verify
from dovetail.prims.contract import contract
from dovetail.prims.elementwise import add, gt, mul, sigmoid, tanh, where
from dovetail.prims.make import iota, zeros_like
from dovetail.prims.reduce import reduce_sum
from dovetail.prims.shape import broadcast, reshape, slice_, transpose
from dovetail.runtime.native import host_features

TARGETS = ["host", "generic"] + ["avx2"] * ("avx2" in host_features())
RANDOM = np.random.default_rng(0)


def run_compiled(graph, arrays, **settings):
    outs = [np.empty(v.shape, v.dtype.np) for v in graph.outputs]
    arrays = [np.ascontiguousarray(a) for a in arrays]
    program = compile(graph, **settings)
    assert all(k.name != "python" for k in program.kernels)
    program.run([a.ctypes.data for a in arrays], [o.ctypes.data for o in outs])
    return outs


def product(a, b):
    return contract(a, b, batch=((), ()), sum=((1,), (0,)))


def cell(states, rows, fixed):
    """h = tanh(x W + h U + b), gated: an Elman cell with a second state that counts up what went by."""
    (h, total), (x,), (w, u, b) = states, rows, fixed
    new = tanh(add(add(product(x, w), product(h, u)), broadcast(b, shape=h.shape, dims=(1,))))
    return [new, add(total, mul(new, sigmoid(h)))], [new, mul(new, new)]


def rolled(reverse=False):
    def function(h, total, xs, w, u, b):
        last, results = repeat(cell, [h, total], [xs], [w, u, b], reverse)
        return [*last, *results]

    return function


def unrolled(reverse=False):
    def function(h, total, xs, w, u, b):
        state, found = [h, total], []
        count = xs.shape[0]
        for t in range(count)[:: -1 if reverse else 1]:
            x = slice_(xs, starts=(t, 0, 0), stops=(t + 1, *xs.shape[1:]), steps=(1, 1, 1))
            state, results = cell(state, [reshape(x, shape=xs.shape[1:])], [w, u, b])
            found.append(results)
        return [*state, *[y for results in found for y in results]]

    return function


def arrays(steps=5, n=3, i=4, h=6, dtype=np.float64):
    sizes = [(n, h), (n, h), (steps, n, i), (i, h), (h, h), (h,)]
    return [0.2 * RANDOM.standard_normal(s).astype(dtype) for s in sizes]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_loop_is_its_turns_written_out(reverse):
    given = arrays()
    last_h, last_total, hs, squares = interpret(graph_of(rolled(reverse), given), given)
    plain = interpret(graph_of(unrolled(reverse), given), given)
    np.testing.assert_allclose(last_h, plain[0], rtol=1e-12)
    np.testing.assert_allclose(last_total, plain[1], rtol=1e-12)
    order = -1 if reverse else 1
    np.testing.assert_allclose(hs[::order], plain[2::2], rtol=1e-12)
    np.testing.assert_allclose(squares[::order], plain[3::2], rtol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_of_two_orders(reverse):
    check_gradients(rolled(reverse), *arrays(3, 2, 3, 3), order=2)


def test_a_weight_that_shares_nothing_linear_is_added_up_in_the_loop():
    def function(h, xs, w):
        def step(states, rows, fixed):
            return [tanh(mul(add(states[0], rows[0]), fixed[0]))], [mul(fixed[0], fixed[0])]

        last, results = repeat(step, [h], [xs], [w])
        return [*last, *results]

    check_gradients(function, *[RANDOM.standard_normal(s) for s in [(3,), (4, 3), (3,)]], order=2)


def test_states_that_stay_change_places_or_have_no_gradient():
    def function(a, b, count, xs):
        def step(states, rows, fixed):
            a, b, kept, count = states
            return [b, mul(a, rows[0]), kept, add(count, rows[1])], [a, count]

        turns = iota(shape=(xs.shape[0],), dtype=int64, dim=0)
        last, results = repeat(step, [a, b, a, count], [xs, turns], [])
        return [*last, *results]

    given = [RANDOM.standard_normal(3), RANDOM.standard_normal(3), np.array(5), RANDOM.standard_normal((5, 3))]
    check_gradients(function, *given)
    graph = graph_of(function, given)
    plain, made = interpret(graph, given), run_compiled(graph, given)
    assert plain[3] == 15 and plain[5].tolist() == [5, 5, 6, 8, 11]
    for x, y in zip(plain, made, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)


def with_gradients(function, given):
    """The graph of the outputs and of the gradients of their weighted sum."""
    graph = graph_of(function, given)
    with building(graph.nodes):
        cotangents = [add(zeros_like(y), y) for y in graph.outputs]
        found = gradients(graph.outputs, cotangents, graph.inputs)
    return Graph(graph.inputs, graph.nodes, [*graph.outputs, *found])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("steps, reverse", [(1, False), (2, True), (7, False), (8, True)])
def test_compiled_agrees_with_the_definition(steps, reverse, target):
    given = arrays(steps, 5, 9, 17, np.float32)
    graph = verify(with_gradients(rolled(reverse), given))
    for x, y in zip(interpret(graph, given), run_compiled(graph, given, target=target), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_no_bit(threads):
    given = arrays(9, 33, 40, 65, np.float32)
    graph = with_gradients(rolled(), given)
    one = run_compiled(graph, given, threads=1)
    for x, y in zip(one, run_compiled(graph, given, threads=threads), strict=True):
        assert np.array_equal(x, y)


def test_forward_and_backward_share_one_loop():
    given = arrays(4, 2, 3, 3)
    graph = with_gradients(rolled(), given)
    assert [n.prim.name for n in graph.nodes].count("scan") == 3
    ready = verify(run_passes(graph))
    assert [n.prim.name for n in ready.nodes].count("scan") == 2
    for x, y in zip(interpret(graph, given), interpret(ready, given), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)


def test_weight_gradients_are_one_product_over_all_turns():
    given = arrays(4, 2, 3, 3)
    ready = run_passes(with_gradients(rolled(), given))
    back = [n for n in ready.nodes if n.prim.name == "scan"][-1]
    inside = [n for n in back.params["body"].graph.nodes if n.prim.name == "contract"]
    long = [n for n in ready.nodes if n.prim.name == "contract" and len(n.params["sum"][0]) == 2]
    assert back.params["carried"] == 2 and len(inside) == 2 and len(long) == 2


def test_results_that_nobody_reads_are_not_computed():
    given = arrays(4, 2, 3, 3)
    graph = graph_of(lambda *xs: rolled()(*xs)[0], given)
    (node,) = [n for n in run_passes(graph).nodes if n.prim.name == "scan"]
    assert len(node.outs) == 2  # the states


def test_no_turns():
    given = arrays(0, 2, 3, 3)
    graph = with_gradients(rolled(), given)
    made = run_compiled(graph, given)
    np.testing.assert_array_equal(made[0], given[0])
    assert made[2].shape == (0, 2, 3)
    for x, y in zip(interpret(graph, given), made, strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_loop_in_a_loop():
    def function(h, xs, w):
        def inner(states, rows, fixed):
            return [tanh(add(states[0], mul(rows[0], fixed[0])))], [states[0]]

        def outer(states, rows, fixed):
            last, results = repeat(inner, [states[0]], [rows[0]], [fixed[0]], reverse=True)
            return [tanh(last[0])], [reduce_sum(results[0], dims=(0,))]

        last, results = repeat(outer, [h], [xs], [w])
        return [*last, *results]

    given = [RANDOM.standard_normal(s) for s in [(3,), (4, 2, 3), (3,)]]
    check_gradients(function, *given)
    graph = with_gradients(function, given)
    for x, y in zip(interpret(graph, given), run_compiled(graph, given), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9)


def test_operands_seen_through_views():
    def function(h, xs, lengths, w):
        def step(states, rows, fixed):
            alive = broadcast(gt(fixed[1], broadcast(rows[1], shape=fixed[1].shape, dims=())), shape=(3, 4), dims=(0,))
            new = where(alive, tanh(add(product(states[0], fixed[0]), rows[0])), states[0])
            return [new], [new]

        turns = iota(shape=(xs.shape[1],), dtype=int64, dim=0)
        begin = transpose(h, perm=(1, 0))
        rows, fixed = [transpose(xs, perm=(1, 0, 2)), turns], [transpose(w, perm=(1, 0)), lengths]
        last, results = repeat(step, [begin], rows, fixed)
        return [*last, transpose(results[0], perm=(1, 0, 2))]

    given = [RANDOM.standard_normal((4, 3)), RANDOM.standard_normal((3, 6, 4)), np.array([6, 2, 4]),
             RANDOM.standard_normal((4, 4))]  # fmt: skip
    check_gradients(function, *given)
    graph = graph_of(function, given)
    plain = interpret(graph, given)
    for x, y in zip(plain, run_compiled(graph, given), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9)
    strided = [np.asfortranarray(a) for a in given]
    layouts = [tuple(s // a.itemsize for s in a.strides) for a in strided]
    outs = [np.empty(v.shape, v.dtype.np) for v in graph.outputs]
    compile(graph, layouts=layouts).run([a.ctypes.data for a in strided], [o.ctypes.data for o in outs])
    for x, y in zip(plain, outs, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9)


def test_a_state_that_is_written_over_its_own_memory():
    given = arrays(5, 3, 4, 6, np.float32)
    graph = graph_of(lambda *xs: rolled()(*xs)[:2], given)
    wanted = interpret(graph, given)
    memories = [np.ascontiguousarray(a) for a in given]
    ptrs = [a.ctypes.data for a in memories]
    compile(graph, alias={0: 0, 1: 1}).run(ptrs, ptrs[:2])
    for x, y in zip(wanted, memories, strict=False):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


def test_a_second_length_leads_to_a_program_for_all():
    def graph(steps):
        return with_gradients(rolled(), arrays(steps, 3, 5, 11, np.float32))

    other = graph(23)
    for steps in (4, 7):
        assert find(other) is None
        assert compile_async(graph(steps)).wait(60)
    assert find(other) is not None
    given = arrays(23, 3, 5, 11, np.float32)
    outs = [np.empty(v.shape, v.dtype.np) for v in other.outputs]
    find(other).run([a.ctypes.data for a in given], [o.ctypes.data for o in outs])
    for x, y in zip(interpret(other, given), outs, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("target", TARGETS)
def test_weights_read_along_their_rows_lie_in_panels(target):
    def function(h, gates, w):
        def step(states, rows, fixed):
            z = contract(states[0], fixed[0], batch=((), ()), sum=((1,), (1,)))
            z = tanh(mul(add(z, rows[0]), z))
            a, b = (slice_(z, starts=(0, i), stops=(9, i + 64), steps=(1, 1)) for i in (0, 64))
            return [tanh(add(a, b))], [z]

        last, results = repeat(step, [h], [gates], [w])
        return [*last, *results]

    given = [0.2 * RANDOM.standard_normal(s).astype(np.float32) for s in [(9, 64), (4, 9, 128), (128, 64)]]
    graph = with_gradients(function, given)
    ready = verify(run_passes(graph))
    assert any(n.prim.name == "transpose" and n.out.shape == (2, 64, 64) for n in ready.nodes)
    for x, y in zip(interpret(graph, given), run_compiled(graph, given, target=target), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)


def test_one_program_for_every_length():
    def graph(steps, n):
        return with_gradients(rolled(), arrays(steps, n, 9, 17, np.float32))

    generic = generalise([graph(5, 6), graph(8, 4)])
    program = compile(generic.graph)
    assert all(k.name != "python" for k in program.kernels)
    for steps, n in [(5, 6), (31, 3), (2, 40)]:
        one = graph(steps, n)
        match = generic.match(signature(one))
        given = arrays(steps, n, 9, 17, np.float32)
        outs = [np.empty(v.shape, v.dtype.np) for v in one.outputs]
        fills = [np.array(f, np.float32) for f in match.fills]
        program.run([a.ctypes.data for a in (*given, *fills)], [o.ctypes.data for o in outs], match.sizes)
        for x, y in zip(interpret(one, given), outs, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)
