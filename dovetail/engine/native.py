"""A graph without host primitives as machine code, and the function that runs it."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from dovetail.base.config import config
from dovetail.codegen.lower import KernelInfo
from dovetail.codegen.lower import lower as default_lower
from dovetail.codegen.target import Target
from dovetail.engine.background import compiling
from dovetail.engine.cache import disk_cache
from dovetail.engine.order import dump
from dovetail.engine.pace import Pace
from dovetail.ir.core import Graph, Node
from dovetail.ir.printing import fingerprint
from dovetail.ir.sym import Sym, evaluate
from dovetail.runtime import memory, native, pool
from dovetail.runtime.flight import Flight, flying, land
from dovetail.runtime.pool import APART

Layouts = Sequence[tuple[int, ...] | None]
Alias = dict[int, int]
Lower = Callable[..., Any]  # as codegen.lower.lower
Native = Callable[[Node], bool]
Run = Callable[..., None]

ROOMS_BEHIND_CODE = ("ir", "prims", "passes", "codegen", "engine", "runtime")


@dataclass(frozen=True)
class Built:
    """Machine code of one graph. body: address of `dv_body`; the other fields as the code generator gave them.

    arena_bytes is a Sym where it depends on run-time sizes. clock_at, clocks: as in `Lowered`.
    """

    code: native.Code
    body: int
    arena_bytes: int
    work_ns: float
    kernels: list[KernelInfo]
    clock_at: int = -1
    clocks: Sequence[int] = ()


def build(
    graph: Graph, layouts: Layouts | None, alias: Alias, target: Target, lower: Lower = default_lower,
    prepare: Callable[[Graph], Graph | None] = lambda graph: graph,
) -> Built | None:
    """Lower, compile and load a graph. Raises CompileError, or whatever `lower` raises.

    The disk cache is asked for the graph as it is; only where it has nothing are the passes run (`prepare`), the
    graph lowered and LLVM loaded. `prepare` may return None: this graph is not one piece of native code, nor then is
    the result.
    """

    clock_at, clocks = -1, ()

    def make() -> bytes:
        ready = prepare(graph)
        if ready is None:
            return b"\n"
        lowered = lower(ready, layouts=layouts, alias=alias, target=target)
        dump("fused", "\n".join([f"{kernel.name}: {kernel.words}" for kernel in lowered.kernels]))
        dump("ir", lowered.text)
        if "asm" in config.dump:
            dump("asm", native.emit(lowered.text, target, assembly=True))
        nonlocal clock_at, clocks
        clock_at, clocks = getattr(lowered, "clock_at", -1), getattr(lowered, "clocks", ())
        return pack(lowered, graph) + b"\n" + native.object_code(lowered.text, target)

    if lower is default_lower and not config.dump:
        key = f"{sources()}\n{fingerprint(graph)}\n{plain(layouts)}\n{sorted(alias.items())}"
        content = disk_cache()(native.identity(key, target, 1, False), make)
    else:
        content = make()
    head, _, machine_code = content.partition(b"\n")
    if not machine_code:
        return None
    code = native.Code(machine_code, pool.team(disk_cache()).symbols)
    return Built(code, code.address("dv_body"), *unpack(head, graph), clock_at, clocks)


def pack(lowered, graph: Graph) -> bytes:
    """What the caller of the machine code must know, in one line.

    Equal graphs of other programs share the entry, so a kernel's place in the user's code is kept as the number of a
    node that was recorded there.
    """
    first = {node.where: number for number, node in reversed([*enumerate(graph.nodes)])}
    kernels = [[k.name, k.words, k.flops, k.nbytes, first.get(k.where, -1)] for k in lowered.kernels]
    return json.dumps([as_list(lowered.arena_bytes), float(lowered.work_ns), kernels]).encode()


def unpack(head: bytes, graph: Graph) -> tuple[int, float, list[KernelInfo]]:
    arena_bytes, work_ns, kernels = json.loads(head)
    infos = [
        KernelInfo(name, words, flops, nbytes, graph.nodes[node].where if node >= 0 else ("", 0, ""))
        for name, words, flops, nbytes, node in kernels
    ]
    return as_size(arena_bytes), work_ns, infos


def as_list(n: int):
    """A size that may be a Sym, as JSON can hold it."""
    return [int(n), n.expr[0], *map(as_list, n.expr[1:])] if type(n) is Sym else int(n)


def as_size(packed) -> int:
    if type(packed) is not list:
        return packed
    sample, kind, *parts = packed
    return Sym(sample, (kind, *map(as_size, parts)))


def plain(layouts: Layouts | None) -> str:
    """Layouts as text; no layouts and only plain ones are the same."""
    return repr([tuple(one) if one is not None else None for one in layouts]) if layouts and any(layouts) else ""


@cache
def sources() -> str:
    """Which version of the code generator this is: changes whenever a source file behind it changes."""
    package = Path(__file__).parents[1]
    stamps = []
    for room in ROOMS_BEHIND_CODE:
        with os.scandir(package / room) as entries:
            stamps += [(e.name, e.stat().st_mtime_ns, e.stat().st_size) for e in entries if e.name.endswith(".py")]
    return hashlib.blake2b(repr(sorted(stamps)).encode(), digest_size=16).hexdigest()


class Frame:
    """What one run of a native program needs: the block that tells the machine code where everything is.

    block: [body, order, number of inputs, number of outputs, inputs..., outputs..., arena, sizes]
    """

    __slots__ = ("block", "address", "order", "arena", "table")

    def __init__(self, body: int, n_in: int, n_out: int):
        words = pool.HEADER + n_in + n_out + 2
        self.block = (ctypes.c_uint64 * words)()
        self.address = ctypes.addressof(self.block)
        self.block[0], self.block[2], self.block[3] = body, n_in, n_out
        self.order = self.arena = 0
        self.set_sizes((0,) * 16)

    def set_order(self, order: int) -> None:
        self.order = self.block[1] = order

    def set_sizes(self, sizes: Sequence[int]) -> None:
        """Fill the table of run-time sizes."""
        if len(sizes) > len(getattr(self, "table", ())):
            self.table = (ctypes.c_int64 * len(sizes))()
            self.block[len(self.block) - 1] = ctypes.addressof(self.table)
        self.table[: len(sizes)] = sizes

    def set_arena(self, ptr: int) -> None:
        self.arena = self.block[len(self.block) - 2] = ptr


def native_run(built: Built, graph: Graph, threads: int | None) -> Run:
    """The function that runs machine code. A frame serves one thread at a time; another thread gets another."""
    call, clock = pool.team().call, time.perf_counter_ns
    n_in, n_out = len(graph.inputs), len(graph.outputs)
    frames: list[Frame] = []
    body, code = built.body, built.code
    pace = Pace(threads, built.work_ns)
    scratch, scale = built.arena_bytes, 1.0
    scratch_for = scratch_by_sizes(scratch) if type(scratch) is Sym else None

    def run(
        in_ptrs: Sequence[int], out_ptrs: Sequence[int], sizes: Sequence[int] = (), flight: Flight | None = None
    ) -> None:
        if flying:
            land()
        nbytes, share = scratch, scale
        try:
            frame = frames.pop()
        except IndexError:
            frame = Frame(body, n_in, n_out)
        if pace.flush is not config.flush_denormal or pace.threads != config.threads:
            pace.obey()
        if sizes:
            frame.set_sizes(sizes)
            if scratch_for is not None:
                nbytes, share = scratch_for(tuple(sizes))
        begin, shared, order = 0, False, pace.order
        if pace.watched:
            begin, shared = clock(), bool(compiling)
            pace.begin(begin, share)
            order = pace.spare if shared else pace.order
        if flight is not None and config.beside:
            order = pace.beside
        elif order & APART and flight is None:
            order = pace.alone
        if frame.order != order:
            frame.set_order(order)
        if nbytes:
            arena = memory.take_arena(nbytes)
            if frame.arena != arena.ptr:
                frame.set_arena(arena.ptr)
        if flight is not None and order & APART:
            flight.writes, flight.held = out_ptrs, code
            flight.over = landing(flight, pace, frames, frame, arena if nbytes else None)
            try:
                call(frame.address, in_ptrs, out_ptrs)
            finally:  # Ctrl-C may come right after the start
                flying.append(flight)
            pace.blocked = clock() - begin
            return
        call(frame.address, in_ptrs, out_ptrs)
        if pace.watched:
            pace.blocked = clock() - begin
            if shared and order != pace.order:
                pace.begun = 0  # it says nothing about the way that is on trial
        if nbytes:
            memory.put_arena_back(arena)
        frames.append(frame)

    if built.clock_at >= 0:
        run = timed(run, built, frames)
    elif scratch_for is None:
        run.body = body  # for chains (chain.py), which bring frames of their own
    run.code = code  # the machine code stays as long as its function
    if built.clock_at < 0:
        run.pace = pace
    return run


def landing(
    flight: Flight, pace: Pace, frames: list[Frame], frame: Frame, arena: memory.Storage | None
) -> Callable[[int], None]:
    """What is to be done when a flight has landed."""

    def over(waited: int) -> None:
        pace.blocked += waited
        if arena is not None:
            memory.put_arena_back(arena)
        frames.append(frame)
        memory.give_back(flight.freed)

    return over


def timed(run: Run, built: Built, frames: list[Frame]) -> Run:
    """`run`, which also adds up how long each kernel took, for `describe`. Only where `config.dump` has "time"."""
    count = len(built.clocks) + 1

    def run_timed(in_ptrs: Sequence[int], out_ptrs: Sequence[int], sizes: Sequence[int] = ()) -> None:
        begin = time.perf_counter_ns()
        run(in_ptrs, out_ptrs, sizes)
        took = time.perf_counter_ns() - begin
        counts = (ctypes.c_uint64 * count).from_address(frames[-1].arena + built.clock_at)
        whole = max(1, counts[count - 1] - counts[0])
        for number, first in enumerate(built.clocks):
            built.kernels[first].ns.append(took * (counts[number + 1] - counts[number]) / whole)

    return run_timed


def scratch_by_sizes(arena_bytes: Sym) -> Callable[[tuple[int, ...]], tuple[int, float]]:
    """For a table of sizes: the bytes of scratch memory, and by what to multiply a time to compare it with others."""

    @lru_cache(maxsize=1024)
    def known(sizes: tuple[int, ...]) -> tuple[int, float]:
        nbytes = evaluate(arena_bytes, sizes)
        return nbytes, int(arena_bytes) / max(nbytes, 1)

    return known
