"""Graphs as rows of programs, one for each call: the same numbers as NumPy's, in native code and from Python."""

import numpy as np
import pytest

import dovetail.engine.chain as chains
from dovetail.base import dtypes
from dovetail.base.config import config
from dovetail.engine.chain import chain, parts
from dovetail.ir.core import Graph, Value, building, region
from dovetail.prims.contract import contract
from dovetail.prims.elementwise import add, mul, tanh
from dovetail.prims.make import full
from dovetail.prims.reduce import reduce_sum
from dovetail.runtime import memory


@pytest.fixture(autouse=True)
def compiled_at_once():
    before, config.tier = config.tier, 2
    yield
    config.tier = before


def product(a, b):
    return contract(a, b, sum=((1,), (0,)), batch=((), ()))


def two_layers():
    """Three calls, `outer` between them twice, and a sum at the end that belongs to none."""
    x, w, old = Value((3, 4), dtypes.float32), Value((4, 4), dtypes.float32), Value((3, 4), dtypes.float32)
    with building() as nodes:
        with region("linear", (), {}):
            h = product(x, w)
        with region("scale", (), {}):
            s = mul(tanh(h), full(shape=(3, 4), dtype=dtypes.float32, value=2.0))
        with region("linear", (), {}):
            y = product(s, w)
            total = reduce_sum(y, dims=(0, 1))
        last = add(old, y)
    return Graph([x, w, old], nodes, [last, h, total])


def meant(x, w, old):
    h = x @ w
    y = np.tanh(h) * 2 @ w
    return [old + y, h, y.sum()]


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for shape in ((3, 4), (4, 4), (3, 4))]


def run(program, given, over=None):
    """The results; over: input that the first one is written to."""
    outs = [np.empty((3, 4), np.float32), np.empty((3, 4), np.float32), np.empty((), np.float32)]
    outs[0] = outs[0] if over is None else over
    program.run([memory.from_array(a).ptr for a in given], [memory.from_array(a).ptr for a in outs])
    return outs


def test_a_part_for_each_call_and_constants_where_they_are_read():
    names = {i: [node.prim.name for node in nodes] for i, nodes in parts(two_layers()).items()}
    assert names == {
        0: ["contract"], 1: ["tanh", "full", "mul"], 2: ["contract", "reduce_sum", "add"],
    }  # fmt: skip


@pytest.mark.parametrize("native", [True, False])
def test_the_same_numbers_in_every_run(native, monkeypatch):
    if not native:
        monkeypatch.setattr(chains, "THREADS_FROM", 0)
    program = chain(two_layers()).program
    assert program.run.__qualname__.startswith("native_row" if native else "row")
    for seed in range(3):
        given = arrays(seed)
        for made, wanted in zip(run(program, given), meant(*given), strict=True):
            assert np.allclose(made, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("flush", [True, False])
def test_denormals_are_as_the_setting_says(flush, monkeypatch):
    monkeypatch.setattr(config, "flush_denormal", flush)
    x = Value((3, 4), dtypes.float32)
    with building() as nodes:
        with region("mul", (), {}):
            y = mul(x, x)
        with region("add", (), {}):
            z = add(y, y)
    given = np.full((3, 4), 1e-20, np.float32)
    out = np.empty_like(given)
    chain(Graph([x], nodes, [z])).program.run([memory.from_array(given).ptr], [memory.from_array(out).ptr])
    assert (out == 0).all() if flush else (out > 0).all()


def test_an_output_over_an_input():
    program = chain(two_layers(), alias={0: 2}).program
    x, w, old = arrays()
    wanted = meant(x, w, old)
    run(program, [x, w, old], over=old)
    assert np.allclose(old, wanted[0], rtol=1e-5, atol=1e-5)


def test_gradients_that_add_up_along_the_row_do_so_in_one_place():
    """Every part has the form `total + product`, over the memory of the total."""
    x, w, old = (Value((4, 4), dtypes.float32) for _ in range(3))
    with building() as nodes:
        total = old
        for _ in range(4):
            with region("linear", (), {}):
                total = add(total, product(x, w))
            with region("tanh", (), {}):
                x = tanh(x)
    start = nodes[0].inputs[0]
    row = chain(Graph([start, w, old], nodes, [total]))
    a, b, c = (np.random.default_rng(1).standard_normal((3, 4, 4)) / 2).astype(np.float32)
    out, wanted, h = np.empty((4, 4), np.float32), c.copy(), a
    for _ in range(4):
        wanted, h = wanted + h @ b, np.tanh(h)
    kept = c.copy()
    row.program.run([memory.from_array(t).ptr for t in (a, b, c)], [memory.from_array(out).ptr])
    assert np.allclose(out, wanted, rtol=1e-5, atol=1e-5) and (c == kept).all()
    assert [len(stage.alias) for stage in row.stages if len(stage.inputs) > 1] == [0, 1, 1, 1]


def test_no_chain_where_an_output_would_be_written_before_its_memory_is_read():
    x = Value((3, 4), dtypes.float32)
    with building() as nodes:
        with region("tanh", (), {}):
            y = tanh(x)
        with region("add", (), {}):
            z = add(x, y)
    assert chain(Graph([x], nodes, [y, z]), alias={0: 0}) is None


def test_one_call_needs_no_chain():
    x = Value((3,), dtypes.float32)
    with building() as nodes, region("tanh", (), {}):
        y = tanh(x)
    assert chain(Graph([x], nodes, [y])) is None
