"""Runs lowered graphs in tests: a module's text becomes machine code, called by one thread or a team of two."""

from __future__ import annotations

import ctypes
import threading

import llvmlite.binding as llvm
import numpy as np

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
_machines: dict = {}


def machine(target: Target, opt: int = 1):
    if (target, opt) not in _machines:
        _machines[target, opt] = llvm.Target.from_default_triple().create_target_machine(
            cpu=target.cpu, features=target.features, opt=opt, jit=True, codemodel="jitdefault")
    return _machines[target, opt]


def jit(text: str, target: Target):
    """(engine, address of dv_body); keep the engine alive while the code runs."""
    module = llvm.parse_assembly(text.replace("declare void @dv_barrier(ptr, i64)\n", "") + BARRIER)
    module.verify()
    engine = llvm.create_mcjit_compiler(module, llvm.Target.from_default_triple().create_target_machine(
        cpu=target.cpu, features=target.features, opt=1, jit=True, codemodel="jitdefault"))
    engine.finalize_object()
    return engine, engine.get_function_address("dv_body")


BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)


def aligned_bytes(n: int) -> tuple[np.ndarray, int]:
    raw = np.zeros(n + 128, np.uint8)
    return raw, -(-raw.ctypes.data // 64) * 64


def run(graph: Graph, arrays: list[np.ndarray], *, target: Target = None, alias=None, layouts=None, threads: int = 1,
        sizes=(), shapes=None) -> list[np.ndarray]:
    """The outputs of the lowered graph. Arrays are read (and overwritten, where aliased) where they are."""
    target = target or TARGETS[0]
    lowered = lower(graph, layouts=layouts, alias=alias, target=target)
    engine, address = jit(lowered.text, target)
    outputs = []
    for o, v in enumerate(graph.outputs):
        shape = tuple(int(n) for n in v.shape) if shapes is None else shapes[o]
        if alias and o in alias:
            outputs.append(arrays[alias[o]])
        else:
            fill = np.full(shape, 77).astype(v.dtype.np) if v.dtype.kind != "b" else np.zeros(shape, bool)
            outputs.append(fill)
    arena, base = aligned_bytes(int(evaluate(lowered.arena_bytes, sizes)) + 64 + 4096)
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
    assert (arena[-60:] == 0).all()
    return outputs


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


