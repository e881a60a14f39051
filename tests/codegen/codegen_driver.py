"""Runs lowered graphs in tests: a module's text becomes machine code, called by one thread or a team of two."""

from __future__ import annotations

import ctypes
import threading

import llvmlite.binding as llvm
import numpy as np

from dovetail.base.dtypes import from_numpy_dtype
from dovetail.codegen.lower import lower
from dovetail.codegen.target import AVX2, AVX512, GENERIC, Target
from dovetail.engine.interpret import interpret
from dovetail.ir.core import Graph, Value, building

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

BARRIER = """
define void @dv_barrier(ptr %bar, i64 %nt) {
entry:
  %alone = icmp eq i64 %nt, 1
  br i1 %alone, label %done, label %wait
wait:
  %generation = getelementptr i64, ptr %bar, i64 1
  %before = load atomic i64, ptr %generation seq_cst, align 8
  %count = atomicrmw add ptr %bar, i64 1 seq_cst
  %more = add i64 %count, 1
  %last = icmp eq i64 %more, %nt
  br i1 %last, label %open, label %spin
open:
  store atomic i64 0, ptr %bar seq_cst, align 8
  %old = atomicrmw add ptr %generation, i64 1 seq_cst
  br label %done
spin:
  %now = load atomic i64, ptr %generation seq_cst, align 8
  %same = icmp eq i64 %now, %before
  br i1 %same, label %spin, label %done
done:
  ret void
}
"""

HOST = {feature for feature, on in llvm.get_host_cpu_features().items() if on}
TARGETS = [t for t in (AVX512, AVX2, GENERIC) if t is GENERIC or ("avx512f" if t is AVX512 else "avx2") in HOST]
def jit(text: str, target: Target):
    """(engine, address of dv_body); keep the engine alive while the code runs."""
    module = llvm.parse_assembly(text.replace("declare void @dv_barrier(ptr, i64)\n", "") + BARRIER)
    module.verify()
    engine = llvm.create_mcjit_compiler(module, llvm.Target.from_default_triple().create_target_machine(
        cpu=target.cpu, features=target.features, opt=1, jit=True, codemodel="jitdefault"))
    engine.finalize_object()
    return engine, engine.get_function_address("dv_body")


BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)


SLACK = 64


def aligned_bytes(n: int) -> tuple[np.ndarray, int]:
    """Zeros with `SLACK` bytes to spare, and an aligned address inside."""
    raw = np.zeros(-(-n // 64) * 64 + 64 + SLACK, np.uint8)
    return raw, -(-raw.ctypes.data // 64) * 64


def outputs_for(graph: Graph, arrays: list[np.ndarray], alias: dict, shapes) -> list[np.ndarray]:
    """Memory for the outputs, filled with something that is not the answer."""
    found = []
    for o, v in enumerate(graph.outputs):
        shape = shapes[o] if shapes else tuple(int(n) for n in v.shape)
        found.append(arrays[alias[o]] if o in alias else np.full(shape, 77).astype(v.dtype.np))
    return found


def run(graph: Graph, arrays: list[np.ndarray], *, target: Target = None, alias=None, layouts=None, threads: int = 1,
        sizes=(), shapes=None, code=None) -> list[np.ndarray]:
    """The outputs of the lowered graph. Arrays are read (and overwritten, where aliased) where they are.

    layouts: True takes each array's own strides. shapes: of the outputs, where sizes are given at run time.
    """
    alias = alias or {}
    if layouts is True:
        layouts = [tuple(s // a.itemsize for s in a.strides) for a in arrays]
    lowered, _, address = code or build(graph, target or TARGETS[0], alias, layouts)
    outputs = outputs_for(graph, arrays, alias, shapes)
    arena, base = aligned_bytes(int(evaluate(lowered.arena_bytes, sizes)))
    table = np.array([*sizes, 0], np.int64)
    pointers = [a.ctypes.data for a in (*arrays, *outputs)] + [base, table.ctypes.data]
    args = (ctypes.c_void_p * len(pointers))(*pointers)
    bar = np.zeros(8, np.int64)
    call = BODY(address)
    team = [threading.Thread(target=call, args=(ctypes.addressof(args), t, threads, bar.ctypes.data))
            for t in range(1, threads)]
    for t in team:
        t.start()
    call(ctypes.addressof(args), 0, threads, bar.ctypes.data)
    for t in team:
        t.join()
    assert (arena[-SLACK:] == 0).all(), "the program wrote behind its arena"
    return outputs


def build(graph: Graph, target: Target, alias=None, layouts=None):
    """(lowered, engine, address): machine code of a graph."""
    lowered = lower(graph, layouts=layouts, alias=alias or {}, target=target)
    return (lowered, *jit(lowered.text, target))


def check(function, *arrays: np.ndarray, tol: float = 1e-5, targets=TARGETS, layouts=None, alias=None) -> None:
    """The function of Values, compiled for every target and team, equals what its primitives mean in NumPy."""
    graph = record(function, *[Value(a.shape, from_numpy_dtype(a.dtype)) for a in arrays])
    compare(graph, list(arrays), tol=tol, targets=targets, layouts=layouts, alias=alias)


def compare(graph: Graph, arrays: list, tol: float = 1e-5, targets=TARGETS, layouts=None, alias=None) -> None:
    wanted = expect(graph, arrays)
    if layouts is True:
        layouts = [tuple(s // a.itemsize for s in a.strides) for a in arrays]
    for target in targets:
        code = build(graph, target, alias, layouts)
        before = None
        for threads in (1, 2):
            given = [copied(a) for a in arrays]
            found = run(graph, given, alias=alias, threads=threads, code=code)
            for a, b, v in zip(found, wanted, graph.outputs, strict=True):
                assert a.dtype == v.dtype.np
                close = np.testing.assert_allclose if v.dtype.kind == "f" else np.testing.assert_array_equal
                limits = {"rtol": tol, "atol": tol} if v.dtype.kind == "f" else {}
                close(a, b, err_msg=f"{target.name}, {threads} threads\n{graph}", **limits)
            assert before is None or all(
                np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(before, found, strict=True)
            ), "the number of threads changed a result"
            before = [np.array(a) for a in found]


def copied(a: np.ndarray) -> np.ndarray:
    """A copy with the same strides."""
    base = a
    while isinstance(base.base, np.ndarray):
        base = base.base
    again = base.copy(order="K")
    offset = a.ctypes.data - base.ctypes.data
    if again.strides != base.strides:
        return np.array(a)
    return np.ndarray(a.shape, a.dtype, again, offset, a.strides) if a.size else np.array(a)


def evaluate(n, table) -> int:
    """A Sym with these run-time sizes."""
    expr = getattr(n, "expr", None)
    if expr is None:
        return int(n)
    if expr[0] == "table":
        return table[expr[1]]
    a, b = evaluate(expr[1], table), evaluate(expr[2], table)
    return {"+": a + b, "-": a - b, "*": a * b, "//": a // b if b else 0}[expr[0]]


def record(function, *inputs: Value) -> Graph:
    """The graph of a function of Values."""
    with building() as nodes:
        outputs = function(*inputs)
    return Graph(list(inputs), nodes, list(outputs) if isinstance(outputs, (tuple, list)) else [outputs])


def expect(graph: Graph, arrays: list[np.ndarray]) -> list[np.ndarray]:
    return interpret(graph, [np.array(a) for a in arrays])


