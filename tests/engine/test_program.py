"""Programs: stages, threads, aliases, settings, errors from Python stages, many callers at once, fork."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import standin
from graphs import address, chain, inputs, numbers, run, with_cholesky, with_exp

from dovetail.base.config import config
from dovetail.engine import background, pace, program
from dovetail.engine.interpret import interpret
from dovetail.engine.program import compile, compile_async, find
from dovetail.engine.stages import split
from dovetail.ir.core import Graph, building
from dovetail.prims.elementwise import add, exp, mul, sub
from dovetail.prims.linalg import cholesky

STANDIN = {"lower": standin.lower, "native": standin.native}
BOTH = pytest.mark.parametrize("how", [{}, STANDIN], ids=["real", "standin"])


def same(graph, made, arrays, **tolerance):
    for got, want in zip(run(made, arrays, graph), interpret(graph, arrays), strict=True):
        np.testing.assert_allclose(got, want, **({"rtol": 2e-6, "atol": 1e-6} | tolerance))


@BOTH
@pytest.mark.parametrize("make", [lambda: chain(4), with_exp, with_cholesky], ids=["chain", "exp", "cholesky"])
def test_a_program_agrees_with_the_interpreter(how, make):
    graph = make()
    arrays = numbers(graph)
    if make is with_cholesky:
        arrays = [a @ a.T + 5 * np.eye(4, dtype=np.float32) for a in arrays]
    made = compile(graph, **how)
    for _ in range(3):
        same(graph, made, arrays)
    assert made.kernels and made.nbytes > 0 and made.kernels[0].words in made.describe()


def test_equal_graphs_share_a_program():
    a, b = compile(chain(2), **STANDIN), compile(chain(2), **STANDIN)
    assert a is b and compile(chain(3), **STANDIN) is not a
    assert compile(chain(2), alias={0: 0}, **STANDIN) is not a
    assert find(chain(2), **STANDIN) is a and find(chain(7), **STANDIN) is None


def test_native_code_is_left_as_rarely_as_possible():
    x, y = inputs(2, (2, 2))
    with building() as nodes:
        a, b = exp(x), exp(y)  # both in Python: one stage
        c = add(a, b)
        d = exp(c)
        e = mul(add(x, y), d)
    _, stages = split(Graph([x, y], nodes, [e]), None, {}, standin.native)
    assert [(s.native, len(s.graph.nodes)) for s in stages] == [(True, 1), (False, 2), (True, 1), (False, 1), (True, 1)]


@BOTH
def test_an_output_over_an_input(how):
    x, y = inputs(2, (8, 8))
    with building() as nodes:
        new = sub(x, mul(y, y))
        other = add(new, x)  # reads the old x after the new one is known
    graph = Graph([x, y], nodes, [new, other])
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    made = compile(graph, alias={0: 0}, **how)
    again = np.empty((8, 8), np.float32)
    made.run([address(a) for a in arrays], [address(arrays[0]), address(again)])
    np.testing.assert_allclose(arrays[0], want[0], rtol=1e-6)
    np.testing.assert_allclose(again, want[1], rtol=1e-6, atol=1e-6)


def test_an_output_over_an_input_that_a_later_stage_reads():
    x, y = inputs(2, (8, 8))
    with building() as nodes:
        new = sub(x, y)
        other = add(exp(new), x)
    graph = Graph([x, y], nodes, [new, other, x])
    arrays = numbers(graph)
    want = interpret(graph, arrays)
    made = compile(graph, alias={0: 0}, **STANDIN)
    results = [np.empty((8, 8), np.float32) for _ in range(2)]
    made.run([address(a) for a in arrays], [address(arrays[0]), *map(address, results)])
    for got, expected in zip([arrays[0], *results], want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_an_output_that_is_an_input_or_comes_twice():
    x, y = inputs(2, (4,))
    with building() as nodes:
        z = add(x, exp(y))
    graph = Graph([x, y], nodes, [z, x, z, y])
    for how in ({}, STANDIN):
        same(graph, compile(graph, **how), numbers(graph))


@BOTH
def test_one_or_two_threads_are_equal_bit_by_bit(how, monkeypatch):
    monkeypatch.setattr(pace, "THREADS_FROM", 0)
    monkeypatch.setattr(pace, "BRIEF", 0)
    graph = chain(6, (37, 53))
    arrays = numbers(graph)
    one = run(compile(graph, threads=1, **how), arrays, graph)
    for threads in (2, 3):
        many = run(compile(graph, threads=threads, **how), arrays, graph)
        assert all((a == b).all() for a, b in zip(one, many, strict=True))


@BOTH
def test_python_threads_run_one_program_at_once(how):
    graph = chain(5, (64, 64))
    made = compile(graph, **how)
    wrong = []

    def work(seed):
        arrays = numbers(graph, seed)
        want = run(made, arrays, graph)
        for _ in range(100):
            if any((a != b).any() for a, b in zip(run(made, arrays, graph), want, strict=True)):
                wrong.append(seed)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


def test_settings_count_from_the_next_run(monkeypatch):
    (x,) = inputs(1, (4,))
    with building() as nodes:
        z = mul(x, x)
    graph = Graph([x], nodes, [z])
    made = compile(graph)
    tiny = [np.full(4, 1e-20, np.float32)]
    for flush in (True, False, True):
        monkeypatch.setattr(config, "flush_denormal", flush)
        assert (run(made, tiny, graph)[0] == 0).all() == flush
        monkeypatch.setattr(config, "threads", 1 + flush)
        assert (run(made, tiny, graph)[0] == 0).all() == flush


def test_an_exception_in_a_python_stage_reaches_the_caller():
    (x,) = inputs(1, (4, 4))
    with building() as nodes:
        r = add(cholesky(add(x, x), upper=False), x)
    nodes[1].where = ("model.py", 5, "forward")
    graph = Graph([x], nodes, [r])
    made = compile(graph)
    with pytest.raises(Exception) as caught:
        run(made, [-np.eye(4, dtype=np.float32)], graph)
    assert any("model.py:5" in text for text in caught.value.__notes__)
    same(graph, made, [np.eye(4, dtype=np.float32)])  # and the program is as good as before


def test_wrong_numbers_of_operands_are_refused():
    graph = chain(2)
    made = compile(graph)
    with pytest.raises(ValueError, match="one address for each operand"):
        made.run([1, 2, 3], [1, 2])
    same(graph, made, numbers(graph))


def test_dump_prints_each_form(monkeypatch, capsys):
    monkeypatch.setattr(config, "dump", frozenset({"graph", "fused", "ir", "asm"}))
    compile(chain(2))
    text = capsys.readouterr().err
    for kind in ("graph", "fused", "ir", "asm"):
        assert f"--- {kind}" in text
    assert "dv_body" in text


def test_compiling_in_the_background():
    graph = chain(4)
    ticket = compile_async(graph, **STANDIN)
    assert ticket.wait(30) and ticket.done and ticket.error is None
    same(graph, ticket.program, numbers(graph))
    again = compile_async(chain(4), **STANDIN)
    assert again.done and again.program is ticket.program


def test_a_failed_compilation_is_told_once():
    def broken(graph, **settings):
        raise ZeroDivisionError("the code generator stumbled")

    background._told_kinds.clear()
    ticket = compile_async(chain(4), lower=broken)
    ticket.wait(30)
    with pytest.warns(UserWarning, match="keeps running in the NumPy interpreter"):
        assert ticket.program is None
    assert isinstance(ticket.error, ZeroDivisionError)
    other = compile_async(chain(5), lower=broken)
    other.wait(30)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ticket.program is None and other.program is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_runs_and_compiles():
    graph = chain(6, (37, 53))
    made = compile(graph, **STANDIN)
    arrays = numbers(graph)
    want = run(made, arrays, graph)
    under_way = [compile_async(chain(k)) for k in range(7, 10)]
    child = os.fork()
    if child == 0:
        try:
            good = all((a == b).all() for a, b in zip(run(made, arrays, graph), want, strict=True))
            good &= all(ticket.wait(60) and ticket.program is not None for ticket in under_way)
            ticket = compile_async(with_exp(), **STANDIN)
            good &= ticket.wait(60) and ticket.program is not None
        except BaseException:
            good = False
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert all(ticket.wait(60) and ticket.program is not None for ticket in under_way)


def test_leaving_while_compiling_is_quick_and_clean(tmp_path):
    script = """
import sys, time, atexit
sys.path.insert(0, sys.argv[1])
from graphs import chain
from dovetail.engine.program import compile_async
tickets = [compile_async(chain(k)) for k in range(20, 40)]
time.sleep(0.02)
"""
    here = os.path.dirname(__file__)
    env = os.environ | {"DOVETAIL_CACHE_DIR": "off", "PYTHONPATH": os.path.dirname(os.path.dirname(here))}
    done = subprocess.run([sys.executable, "-c", script, here], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == ""


def test_importing_does_not_load_llvm():
    script = "import sys, dovetail.engine.program; sys.exit('llvmlite.binding' in sys.modules)"
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    env = os.environ | {"PYTHONPATH": root}
    assert subprocess.run([sys.executable, "-c", script], env=env, timeout=60).returncode == 0


def test_programs_in_memory_are_bounded():
    known = program.Programs(3)
    for k in range(5):
        known.put((k,), k)
    known.get((2,))
    known.put((9,), 9)
    assert [known.get((k,)) for k in (2, 3, 4, 9)] == [2, None, 4, 9]
