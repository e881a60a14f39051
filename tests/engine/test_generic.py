"""Shape-generic programs: which numbers become sizes, what matches, and one program for every length."""

import numpy as np
import pytest
import standin
from graphs import chain, inputs, numbers, run

from dovetail.base.dtypes import float32
from dovetail.engine.generic import fit, generalise, line_through, signature
from dovetail.engine.interpret import interpret
from dovetail.engine.program import compile, compile_async, find
from dovetail.engine.variants import MOST_SAMPLES, OFTEN, Family
from dovetail.ir.core import Graph, Value, building
from dovetail.ir.printing import fingerprint
from dovetail.ir.sym import Sym, evaluate
from dovetail.prims.contract import contract
from dovetail.prims.elementwise import add, exp, mul, tanh
from dovetail.prims.linalg import cholesky
from dovetail.prims.make import full
from dovetail.prims.reduce import reduce_sum
from dovetail.prims.shape import broadcast, concat, pad, reshape, slice_

STANDIN = {"lower": standin.lower, "native": standin.native}


def rows(n, m=7):
    """x (n, m, 8), w (8, 16): a product over all rows but the first, its mean, and a reshape back."""
    x, w = Value((n, m, 8), float32), Value((8, 16), float32)
    with building() as nodes:
        flat = reshape(x, shape=(n * m, 8))
        h = tanh(contract(flat, w, batch=((), ()), sum=((1,), (0,))))
        rest = slice_(h, starts=(1, 0), stops=(n * m, 16), steps=(1, 1))
        mean = mul(reduce_sum(rest, dims=(0,)), full(shape=(16,), dtype=float32, value=1 / n))
        back = reshape(h, shape=(n, m, 16))
    return Graph([x, w], nodes, [mean, back])


def test_sizes_that_agree_everywhere_are_one_symbol():
    generic = generalise([rows(5), rows(9)])
    assert [type(n) for n in generic.graph.inputs[0].shape] == [Sym, int, int]
    assert len(generic.sources) == 1
    assert generic.match(signature(rows(33))).sizes == [33]
    assert generic.match(signature(rows(33))).fills == [1 / 33]
    assert generic.match(signature(rows(1))).sizes == [1]


@pytest.mark.parametrize("other", [lambda: rows(5, 8), lambda: chain(3)], ids=["fixed size", "other graph"])
def test_what_is_not_the_same_does_not_match(other):
    assert generalise([rows(5), rows(9)]).match(signature(other())) is None


def test_two_symbols():
    generic = generalise([rows(5, 7), rows(9, 4), rows(6, 11)])
    assert generic.match(signature(rows(2, 3))).sizes == [2, 3]


def test_a_size_of_one_or_none_stays_apart():
    assert generalise([rows(1), rows(9)]) is None
    x, y = Value((0, 3), float32), Value((4, 3), float32)
    made = []
    for v in (x, y):
        with building() as nodes:
            made.append(Graph([v], nodes, [exp(v)]))
    assert generalise(made) is None
    generic = generalise([rows(5), rows(9)])
    assert generic.match(signature(rows(5))) is not None


def test_different_graphs_are_not_generalised():
    assert generalise([chain(2), chain(3)]) is None
    a, b = chain(2), chain(2)
    b.outputs.reverse()
    assert generalise([a, b]) is None


@pytest.mark.parametrize(("column", "value"), [
    ((10, 14), 22), ((4, 6), 10), ((25, 49), 121), ((6, 8), 12), ((35, 77), 143),
])  # fmt: skip
def test_expressions_that_fit(column, value):
    n, m = Sym(5, ("table", 0)), Sym(7, ("table", 1))
    known = {(5, 7): n, (7, 11): m}
    assert evaluate(fit(column, known, 0), [11, 13]) == value


def test_a_line_needs_three_points():
    known = {(5, 7, 11): Sym(5, ("table", 0))}
    assert evaluate(fit((8, 12, 20), known, 0), [2]) == 2
    assert fit((8, 12, 21), known, 0) is None


def test_a_number_that_is_zero_at_first_is_no_factor():
    """A slice that begins at 0 in the first program and elsewhere in the second was divided by."""
    start = Sym(0, ("table", 0))
    assert fit((5, 7), {(0, 2): start}, 0) == start + 5
    assert fit((5, 9), {(0, 2): start}, 0) is None
    assert line_through((1, 2), (1, 3)) is None


def test_a_coincidence_is_found_out():
    def two(n, m):
        x, y = Value((n, 4), float32), Value((m, 4), float32)
        with building() as nodes:
            z = concat(x, pad(y, low=(n, 0), high=(0, 0), value=0.0), dim=0)
        return Graph([x, y], nodes, [z])

    generic = generalise([two(5, 10), two(7, 14)])  # m looks like 2 n
    assert generic.match(signature(two(6, 12))) is not None
    assert generic.match(signature(two(6, 13))) is None
    better = generalise([two(5, 10), two(7, 14), two(6, 13)])
    assert better.match(signature(two(3, 30))).sizes == [3, 30]


def test_fingerprints_of_generic_graphs_differ_by_meaning():
    a, b = generalise([rows(5), rows(9)]), generalise([rows(4), rows(9)])
    assert fingerprint(a.graph) == fingerprint(b.graph)
    assert fingerprint(a.graph) != fingerprint(rows(9))


@pytest.mark.parametrize("n", [1, 2, 5, 9, 64, 301])
def test_one_program_for_every_length(n):
    generic = generalise([rows(5), rows(9)])
    program = compile(generic.graph)
    graph = rows(n)
    match = generic.match(signature(graph))
    arrays = numbers(graph)
    given = arrays + [np.array(fill, np.float32) for fill in match.fills]
    results = [np.empty(tuple(v.shape), np.float32) for v in graph.outputs]
    run(program, given, graph, match.sizes, results)
    for got, want in zip(results, interpret(graph, arrays), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_lengths_that_vary_are_compiled_three_times():
    compiled = []

    def lower(graph, **settings):
        compiled.append(graph)
        return standin.lower(graph, **settings)

    for n in (5, 8, 13, 21, 34, 55):
        graph = chain(3, (n, 4))
        ticket = compile_async(graph, lower=lower, native=standin.native)
        assert ticket.wait(30) and ticket.error is None
        for got, want in zip(run(ticket.program, numbers(graph), graph), interpret(graph, numbers(graph)), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-6)
        assert find(chain(3, (n, 4)), lower=lower, native=standin.native) is ticket.program
    assert len(compiled) == 3


def test_a_size_that_is_run_often_gets_its_own_program():
    compiled = []

    def lower(graph, **settings):
        compiled.append(any(type(n) is Sym for v in graph.inputs for n in v.shape))
        return standin.lower(graph, **settings)

    for n in (5, 8, 13):
        graph = chain(3, (n, 4))
        ticket = compile_async(graph, lower=lower, native=standin.native)
        assert ticket.wait(30)
    assert compiled == [False, False, True]
    arrays = numbers(graph)
    want = run(ticket.program, arrays, graph)
    for _ in range(OFTEN + 10):
        run(ticket.program, arrays, graph)
    compile_async(chain(9)).wait(30)  # the queue has come this far
    assert compiled == [False, False, True, False]
    for got, expected in zip(run(ticket.program, arrays, graph), want, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_code_generator_without_run_time_sizes_still_serves():
    def lower(graph, **settings):
        if any(type(n) is Sym for v in graph.inputs for n in v.shape):
            raise NotImplementedError("run-time sizes")
        return standin.lower(graph, **settings)

    for n in (5, 8, 13, 21):
        graph = chain(3, (n, 4))
        ticket = compile_async(graph, lower=lower, native=standin.native)
        assert ticket.wait(30) and ticket.error is None
        for got, want in zip(run(ticket.program, numbers(graph), graph), interpret(graph, numbers(graph)), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("how", [{}, STANDIN], ids=["real", "standin"])
def test_python_stages_take_run_time_sizes(how):
    def graph_of(n):
        (x,) = inputs(1, (n, n))
        with building() as nodes:
            r = mul(add(cholesky(add(x, x), upper=False), x), broadcast_of(n))
        return Graph([x], nodes, [r])

    def broadcast_of(n):
        return broadcast(full(shape=(), dtype=float32, value=2.0), shape=(n, n), dims=())

    generic = generalise([graph_of(3), graph_of(5)])
    program = compile(generic.graph, **how)
    for n in (2, 4, 9, 4):
        graph = graph_of(n)
        array = np.random.default_rng(n).normal(size=(n, n)).astype(np.float32)
        arrays = [array @ array.T + n * np.eye(n, dtype=np.float32)]
        results = [np.empty((n, n), np.float32)]
        run(program, arrays, graph, generic.match(signature(graph)).sizes, results)
        np.testing.assert_allclose(results[0], interpret(graph, arrays)[0], rtol=1e-4, atol=1e-4)


def test_many_slow_steps_before_the_first_compilation_leave_a_generic_program_possible():
    family = Family()
    for n in range(20, 20 + 3 * MOST_SAMPLES):  # each step was slow, so each length was noted
        assert family.note(rows(n), signature(rows(n)))
    compiled = []
    served = family.grow(rows(60), signature(rows(60)), lambda graph: compiled.append(graph) or compile(graph))
    assert served is not None and len(compiled) == 1
    assert family.serve(signature(rows(1000))) is not None
