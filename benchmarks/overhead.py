"""What running costs besides the arithmetic: storages, calls, launches, barriers, the interpreter, loading programs.

    python benchmarks/overhead.py

Best of several rounds, in nanoseconds unless said otherwise; pin it (`taskset -c 0,1`) and keep the machine idle.
"""

from __future__ import annotations

import ctypes
import tempfile
import time
import timeit

import numpy as np

from dovetail.base.config import config
from dovetail.base.dtypes import float32
from dovetail.engine import program
from dovetail.engine.interpret import interpret, prepare
from dovetail.ir.core import Graph, Value, building
from dovetail.prims.elementwise import add, mul
from dovetail.runtime import memory, pool
from dovetail.runtime.native import Code, object_code, resolve_target

BODIES = """
declare void @dv_barrier(ptr, i64)
define void @nothing(ptr %args, i64 %tid, i64 %nt, ptr %bar) {
  ret void
}
define void @barriers(ptr %args, i64 %tid, i64 %nt, ptr %bar) {
entry:
  %n = load i64, ptr %args
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  call void @dv_barrier(ptr %bar, i64 %nt)
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""


def best(work, number: int = 20_000, rounds: int = 7) -> float:
    """Nanoseconds a call, the loop's own cost taken off."""
    empty = min(timeit.repeat(lambda: None, number=number, repeat=rounds))
    return (min(timeit.repeat(work, number=number, repeat=rounds)) - empty) / number * 1e9


def show(name: str, value: float, unit: str = "ns") -> None:
    print(f"{name:<58}{value:>12.1f} {unit}")


def storages() -> None:
    for nbytes in (64, 4096, 1 << 20, 16 << 20):
        memory.allocate(nbytes)
        took = best(lambda n=nbytes: memory.allocate(n))
        show(f"storage of {memory.in_words(nbytes)}, allocated and given back", took)
    storage = memory.allocate(4096)
    show("NumPy view of a storage", best(lambda: memory.as_array(storage, storage.ptr, (32, 32), float32)))


def calls() -> None:
    team = pool.team()
    code = Code(object_code(BODIES, resolve_target()), team.symbols)
    block = (ctypes.c_uint64 * 64)()
    address = ctypes.addressof(block)
    plain = pool.foreign_call(team.code.address("dv_run_block"))
    block[0] = code.address("nothing")
    ins, outs = [address] * 25, [address] * 15
    for count, given in ((0, ([], [])), (40, (ins, outs))):
        block[2], block[3] = map(len, given)
        for name, threads, flush, release in (
            ("bare", 1, False, False), ("flushing denormals", 1, True, False), ("without Python's lock", 1, True, True),
        ):  # fmt: skip
            block[1] = pool.order(threads, flush=flush, release=release)
            show(f"call, {count} operands, {name}", best(lambda g=given: team.call(address, *g)))
        show(f"call, {count} operands, through ctypes", best(lambda g=given: plain(address, *g)))
    block[2] = block[3] = 0
    block[1] = pool.order(2, flush=True, release=True)
    show("launch on 2 threads, one after the other", best(lambda: team.call(address, [], [])))
    for gap in (20, 50, 200, 1000):
        show(f"launch on 2 threads after {gap} us of other work", after_gap(lambda: team.call(address, [], []), gap))
    block[0] = code.address("barriers")
    for threads in (1, 2):
        block[1], block[4] = pool.order(threads, flush=True, release=True), 20_000
        took = min(timeit.repeat(lambda: team.call(address, [], []), number=1, repeat=9))
        show(f"barrier, {threads} thread(s)", took / 20_000 * 1e9)


def after_gap(work, microseconds: int, turns: int = 200) -> float:
    """Median nanoseconds of a call that comes after some other work."""
    times = []
    for _ in range(turns):
        until = time.perf_counter_ns() + microseconds * 1000
        while time.perf_counter_ns() < until:
            pass
        begin = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - begin)
    return float(np.median(times))


def small_graph(length: int, n_in: int, n_out: int) -> Graph:
    values = [Value((8,), float32) for _ in range(n_in)]
    with building() as nodes:
        made = [values[0]]
        for k in range(length):
            made.append((add, mul)[k % 2](made[-1], values[k % n_in]))
    return Graph(values, nodes, made[-n_out:])


def programs() -> None:
    for n_in, n_out in ((2, 1), (25, 15)):
        graph = small_graph(20, n_in, n_out)
        made = program.compile(graph)
        arrays = [np.ones(8, np.float32) for _ in range(n_in + n_out)]
        ptrs = [a.__array_interface__["data"][0] for a in arrays]
        ins, outs, run = ptrs[:n_in], ptrs[n_in:], made.run
        took = best(lambda r=run, i=ins, o=outs: r(i, o))
        show(f"Program.run, {n_in + n_out} operands (20 additions of 8 floats)", took)


def compiling() -> None:
    graph = small_graph(60, 2, 2)
    with tempfile.TemporaryDirectory() as folder:
        config.cache_dir = folder
        program.compile(small_graph(4, 2, 1))
        for name in ("compiled", "from the disk", "from memory"):
            begin = time.perf_counter()
            program.compile(graph)
            show(f"program of 60 nodes, {name}", (time.perf_counter() - begin) * 1e3, "ms")
            if name == "compiled":
                program.forget_programs()


def interpreter() -> None:
    graph = small_graph(60, 2, 1)
    arrays = [np.ones(8, np.float32)] * 2
    run = prepare(graph)
    show("interpreter, 60 nodes: preparing, per node", best(lambda: prepare(graph), 200) / 60)
    show("interpreter, 60 nodes: running, per node", best(lambda: run(arrays), 500) / 60)
    show("the same in plain NumPy, per node", best(lambda: plain_numpy(*arrays), 500) / 60)
    assert np.array_equal(interpret(graph, arrays)[0], plain_numpy(*arrays))


def plain_numpy(x, y):
    z = x
    for k in range(60):
        z = (np.add, np.multiply)[k % 2](z, y if k % 2 else x)
    return z


if __name__ == "__main__":
    storages()
    calls()
    programs()
    interpreter()
    compiling()
