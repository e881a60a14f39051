"""Tier 0: exact dtypes and shapes, results that share nothing, dead intermediates forgotten, errors with their line."""

import weakref

import numpy as np
import pytest
from graphs import chain, inputs

from dovetail.base.dtypes import bfloat16, float32, float64, int64
from dovetail.engine.interpret import interpret, prepare
from dovetail.ir.core import PRIMITIVES, Graph, Literal, Primitive, Value, building
from dovetail.prims.elementwise import add, convert, exp, log, mul
from dovetail.prims.linalg import cholesky
from dovetail.prims.make import literal
from dovetail.prims.reduce import reduce_sum
from dovetail.prims.shape import broadcast, reshape, transpose


@pytest.fixture
def primitive():
    """Defines primitives that are forgotten after the test."""
    made = []

    def define(name, meaning, rule, **settings):
        made.append(name)
        one = Primitive(name, "element", meaning, **settings)
        one.shape(rule)
        return one

    yield define
    for name in made:
        del PRIMITIVES[name]


def test_a_chain_is_what_numpy_says():
    graph = chain(5)
    x, y = np.random.default_rng(0).normal(size=(2, 8, 8)).astype(np.float32)
    z, middle = x, None
    for i in range(5):
        z = z * y
        middle = z if i == 2 else middle
        z = z + x
    for got, want in zip(interpret(graph, [x, y]), [z, None], strict=True):
        if want is not None:
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", [float32, float64, bfloat16, int64])
@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (0, 2)])
def test_dtype_and_shape_are_those_of_the_values(dtype, shape):
    x, y = inputs(2, shape, dtype)
    with building() as nodes:
        z = add(x, mul(y, y))
        s = reduce_sum(z, dims=tuple(range(len(shape))))
    arrays = [np.ones(shape, dtype.np), np.ones(shape, dtype.np)]
    for array, value in zip(interpret(Graph([x, y], nodes, [z, s]), arrays), (z, s), strict=True):
        assert type(array) is np.ndarray and array.dtype == value.dtype.np and array.shape == value.shape


def test_results_share_no_memory():
    (x,) = inputs(1, (3, 4))
    with building() as nodes:
        b = broadcast(x, shape=(2, 3, 4), dims=(1, 2))
        t = transpose(x, perm=(1, 0))
        e = exp(x)
        r = reshape(e, shape=(12,))
        c = literal(value=Literal(np.arange(3.0, dtype=np.float32)))
    graph = Graph([x], nodes, [x, b, t, e, r, c, e])
    run = prepare(graph)
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    first = run([array])
    kept = [a.copy() for a in first]
    for a in first:
        assert a.flags.c_contiguous and a.flags.writeable
        a[...] = -1
    assert array[0, 1] == 1
    for a, b in zip(run([array]), kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_nobody_reads_any_more_is_forgotten(primitive):
    alive = []

    class Traced(np.ndarray):
        pass

    def meaning(x):
        result = (np.asarray(x) + 1).view(Traced)
        alive.append(weakref.ref(result))
        peak.append(sum(1 for r in alive if r() is not None))
        return result

    peak = []
    step = primitive("test_step", meaning, lambda x: (x.shape, x.dtype))
    (x,) = inputs(1, (4,))
    with building() as nodes:
        z = x
        for _ in range(20):
            z = step(z)
        unused = step(x)
    assert unused is not None
    interpret(Graph([x], nodes, [z]), [np.zeros(4, np.float32)])
    assert len(alive) == 20 and max(peak) <= 3


def test_several_results(primitive):
    def rule(x):
        return [(x.shape, x.dtype), (x.shape, int64)]

    pair = primitive("test_pair", lambda x: (x + 1, np.zeros(x.shape, np.int32)), rule)
    (x,) = inputs(1, (3,))
    with building() as nodes:
        a, b = pair(x)
        c = add(a, a)
    got = interpret(Graph([x], nodes, [c, b]), [np.ones(3, np.float32)])
    np.testing.assert_array_equal(got[0], [4, 4, 4])
    assert got[1].dtype == np.int64


def test_effects_run_though_nobody_reads_them(primitive):
    seen = []
    look = primitive("test_look", lambda x: seen.append(1) or x, lambda x: (x.shape, x.dtype), effect=True)
    (x,) = inputs(1, (2,))
    with building() as nodes:
        look(x)
        y = exp(x)
    interpret(Graph([x], nodes, [y]), [np.zeros(2, np.float32)])
    assert seen == [1]


def test_numpy_stays_silent(recwarn):
    (x,) = inputs(1, (2,))
    with building() as nodes:
        y = log(x)
        z = convert(exp(mul(x, x)), dtype=int64)
    interpret(Graph([x], nodes, [y, z]), [np.array([-1.0, 1e30], np.float32)])
    assert not recwarn.list


def test_an_error_names_the_users_line():
    (x,) = inputs(1, (2, 2))
    with building() as nodes:
        y = cholesky(x, upper=False)
    nodes[0].where = ("model.py", 12, "forward")
    with pytest.raises(Exception) as caught:
        interpret(Graph([x], nodes, [y]), [-np.eye(2, dtype=np.float32)])
    assert any("model.py:12" in text for text in caught.value.__notes__)


def test_one_value_read_twice_and_slots_that_are_shared():
    rng = np.random.default_rng(3)
    for _ in range(30):
        values = inputs(3, (2,))
        made, arrays = list(values), [rng.normal(size=2).astype(np.float32) for _ in values]
        known = dict(zip(values, arrays, strict=True))
        with building() as nodes:
            for _ in range(25):
                a, b = made[rng.integers(len(made))], made[rng.integers(len(made))]
                made.append(add(a, b))
                known[made[-1]] = known[a] + known[b]
        outputs = [made[i] for i in rng.integers(len(made), size=4)]
        for got, value in zip(interpret(Graph(values, nodes, outputs), arrays), outputs, strict=True):
            np.testing.assert_array_equal(got, known[value])


def test_inputs_may_be_numpy_numbers_without_dimensions():
    x = Value((), float32)
    with building() as nodes:
        y = add(x, x)
    assert interpret(Graph([x], nodes, [y]), [np.array(2, np.float32)])[0] == 4
