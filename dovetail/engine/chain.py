"""A graph as a row of programs, one for each op the user called: nothing is compiled that was compiled before.

Where a program's structure depends on its data, every stretch of it is new, but the calls in it are not: `linear` on
these sizes was compiled long ago, and so was its gradient. A chain cuts a graph where the user's calls meet, asks for
the program of each part, and runs them in one go: one entry into native code for all of them. The addresses of the
graph's inputs and outputs are filled in for each run; what the parts hand to each other lies at fixed places of the
scratch memory.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from dovetail.base.config import config
from dovetail.engine import program as programs
from dovetail.engine.native import Alias, Layouts, Run
from dovetail.engine.order import with_own_outputs
from dovetail.engine.pace import RELEASE_FROM
from dovetail.engine.program import Program
from dovetail.engine.stages import Stage, connect, late_outputs, set_aliases
from dovetail.ir.core import Graph, Node, Region, Value
from dovetail.prims.elementwise import add
from dovetail.prims.families import MAKE
from dovetail.runtime import memory, pool
from dovetail.runtime.flight import flying, land
from dovetail.runtime.team import CHAIN_HEADER

THREADS_FROM = 100_000  # nanoseconds of work from which a part is worth a launch, and a trial of threads, of its own
NO_SIZES = (ctypes.c_int64 * 16)()  # the table of run-time sizes of programs that have none


def call_of(node: Node) -> Region | None:
    """The user's call that a node belongs to; for a gradient, the call whose gradient it is."""
    region = node.region
    while region is not None and region.parent is not None:
        region = region.parent
    return region


def parts(graph: Graph) -> dict[int, list[Node]]:
    """The nodes of each part, by its place in the row: one part for a call, more where others come in between.

    What belongs to no call (the sum with a gradient that is there already) joins the part it continues. Constants are
    repeated wherever they are read.
    """
    place: dict[Node, int] = {}
    latest: dict[Region, int] = {}
    members: dict[int, list[Node]] = {}
    wanted = {v.node for v in graph.outputs}
    for node in graph.nodes:
        if constant(node) and node not in wanted:
            continue
        lowest = max([place[v.node] for v in node.inputs if v.node in place], default=-1)
        call = call_of(node)
        at = lowest if call is None else latest.get(call, -1)
        if at < max(lowest, 0):
            at = len(members)
        if call is not None:
            latest[call] = at
        place[node] = at
        made = members.setdefault(at, [])
        made += [v.node for v in node.inputs if v.node is not None and v.node not in place and v.node not in made]
        made.append(node)
    return members


def constant(node: Node) -> bool:
    return node.prim.family == MAKE and not node.inputs


class Chain:
    """The parts of a graph and their programs, as far as they are there. To be asked for its `program` at each run."""

    def __init__(self, graph: Graph, stages: list[Stage]):
        self.graph, self.stages = graph, stages
        self.found: list[Any] = [None] * len(stages)
        self.tickets: list[Any] = [None] * len(stages)
        self.over: dict[Value, Value] = {}  # successor -> the intermediate value whose memory it is written over
        self.runs = 0

    @property
    def program(self) -> Program | None:
        """The program of the whole, or None while a part has none; those are compiled when the graph comes again."""
        self.runs += 1
        ask = config.tier >= 2 or self.runs >= config.compile_after
        for i, stage in enumerate(self.stages):
            if self.found[i] is not None:
                continue
            if self.tickets[i] is not None:
                self.found[i] = self.tickets[i].program
            else:
                self.found[i] = programs.find(stage.graph, layouts=stage.layouts, alias=stage.alias)
                if self.found[i] is None and ask:
                    self.tickets[i] = programs.compile_async(stage.graph, layouts=stage.layouts, alias=stage.alias)
            if self.found[i] is None and config.tier >= 2:
                self.tickets[i].wait()
                self.found[i] = self.tickets[i].program
        if any([one is None for one in self.found]):
            return None
        kernels = [kernel for one in self.found for kernel in one.kernels]
        nbytes, arena_bytes = (max([getattr(p, name) for p in self.found]) for name in ("nbytes", "arena_bytes"))
        return Program(self.join(), kernels, nbytes, arena_bytes, sum([one.work_ns for one in self.found]))

    def join(self) -> Run:
        """One function for all programs, in native code where all of them are short pieces of it."""
        where, nbytes = self.places()
        steps = [
            (one, [where[v] for v in stage.inputs], [where[v] for v in stage.outputs])
            for one, stage in zip(self.found, self.stages, strict=True)
        ]
        short = all([hasattr(one.run, "body") and one.work_ns < THREADS_FROM for one in self.found])
        if short and pool.team().chain is not None:
            return native_row(steps, len(self.graph.inputs), len(self.graph.outputs), nbytes)
        return row(steps, nbytes)

    def places(self) -> tuple[dict[Value, int], int]:
        """Where each value lies: the number of an input or output, or ~offset in the scratch memory; and its size."""
        where = {v: i for i, v in enumerate(self.graph.inputs)}
        where.update({v: len(where) + k for k, v in enumerate(self.graph.outputs)})
        last = {v: i for i, stage in enumerate(self.stages) for v in stage.inputs + stage.outputs}
        for stage in self.stages[::-1]:  # a value that is written over lies where its successor does
            for made, read in stage.alias.items():
                v, successor = stage.inputs[read], stage.outputs[made]
                if v not in where and successor in where:
                    where[v] = where[successor]
                elif v not in where:
                    self.over[successor] = v
                    last[v] = last[successor]
        free: dict[int, list[int]] = {}
        top = 0
        for i, stage in enumerate(self.stages):
            for v in stage.outputs:
                if v in self.over:
                    where[v] = where[self.over[v]]
                if v not in where:
                    size = room(v)
                    if free.get(size):
                        where[v] = free[size].pop()
                    else:
                        where[v], top = ~top, top + size
            for v in {*stage.inputs, *stage.outputs}:
                if last[v] == i and where[v] < 0 and v not in self.over:
                    free.setdefault(room(v), []).append(where[v])
        return where, top


def room(value: Value) -> int:
    """The bytes of a value, in whole cache lines."""
    return max(value.numel * value.dtype.itemsize + memory.ALIGN - 1 & -memory.ALIGN, memory.ALIGN)


def chain(graph: Graph, *, layouts: Layouts | None = None, alias: Alias | None = None) -> Chain | None:
    """The chain for a graph; None where it is one part only, or an output must wait for a reader of its memory."""
    members = parts(graph)
    if len(members) < 2:
        return None
    graph = with_own_outputs(graph)
    members = parts(graph)
    stages = connect(graph, members)
    by_input = dict(zip(graph.inputs, layouts or [None] * len(graph.inputs), strict=True))
    for stage in stages:
        stage.layouts = [by_input.get(v) for v in stage.inputs]
    if alias and late_outputs(graph, stages, alias):
        return None
    set_aliases(graph, stages, alias or {})
    running_totals(graph, stages)
    return Chain(graph, stages)


def running_totals(graph: Graph, stages: list[Stage]) -> None:
    """A sum with a value from an earlier part that nobody reads any more is written over it: gradients add up so.

    Each part then has one form, wherever in the row it stands.
    """
    readers: dict[Value, int] = {}
    for stage in stages:
        for v in stage.inputs:
            readers[v] = readers.get(v, 0) + 1
    outside = {*graph.inputs, *graph.outputs}
    for stage in stages:
        inner = dict(zip(stage.graph.inputs, range(len(stage.inputs)), strict=True))
        uses = [v for node in stage.graph.nodes for v in node.inputs]
        for k, v in enumerate(stage.graph.outputs):
            if k in stage.alias or v.node is None or v.node.prim is not add:
                continue
            before = v.node.inputs[0]
            at = inner.get(before, -1)
            if at < 0 or stage.inputs[at] in outside or readers[stage.inputs[at]] > 1 or uses.count(before) > 1:
                continue
            if before.shape == v.shape and before.dtype is v.dtype and at not in stage.alias.values():
                stage.alias[k] = at


def row(steps: list[tuple], nbytes: int) -> Run:
    """The programs in turn, called from Python."""

    def run(in_ptrs: list[int], out_ptrs: list[int], sizes: Sequence[int] = ()) -> None:
        arena = memory.allocate(max(nbytes, 1))  # not the common arena, which the programs take
        ptrs, base = [*in_ptrs, *out_ptrs], arena.ptr
        for program, ins, outs in steps:
            program.run(
                [ptrs[i] if i >= 0 else base + ~i for i in ins], [ptrs[i] if i >= 0 else base + ~i for i in outs]
            )

    return run


class Frame:
    """What one run of a native row needs (runtime/team.py says what stands where). Serves one thread at a time."""

    __slots__ = ("words", "address", "flush", "arena", "_order", "_scratch")

    def __init__(self, steps: list[tuple], n_in: int, n_out: int, scratch: int, order: int):
        operands = n_in + n_out
        ours = [(i, k) for i, (_, ins, outs) in enumerate(steps) for k, at in enumerate(ins + outs) if at >= 0]
        settings = CHAIN_HEADER + operands
        calls = settings + 2 * len(ours)
        first = calls + 2 * len(steps)  # of the arguments: those of each body, its scratch memory, its sizes
        starts = []
        for _, ins, outs in steps:
            starts.append(first)
            first += len(ins) + len(outs) + 2
        self.words = words = (ctypes.c_uint64 * first)()
        self.address = address = ctypes.addressof(words)
        words[0], words[1], words[2], words[3], words[4] = n_in, n_out, len(ours), len(steps), order
        for n, (i, k) in enumerate(ours):
            _, ins, outs = steps[i]
            words[settings + 2 * n] = address + 8 * (starts[i] + k)
            words[settings + 2 * n + 1] = (ins + outs)[k]
        self._scratch = []
        for n, ((program, ins, outs), start) in enumerate(zip(steps, starts, strict=True)):
            words[calls + 2 * n], words[calls + 2 * n + 1] = program.run.body, address + 8 * start
            for k, at in enumerate(ins + outs):
                if at < 0:
                    self._scratch.append((start + k, ~at))
            self._scratch.append((start + len(ins) + len(outs), scratch))
            words[start + len(ins) + len(outs) + 1] = ctypes.addressof(NO_SIZES)
        self.arena, self._order = 0, order
        self.flush = False

    def set_flush(self, flush: bool) -> None:
        self.flush = flush
        self.words[4] = self._order | (pool.FLUSH if flush else 0)

    def set_arena(self, ptr: int) -> None:
        self.arena = ptr
        words = self.words
        for at, offset in self._scratch:
            words[at] = ptr + offset


def native_row(steps: list[tuple], n_in: int, n_out: int, nbytes: int) -> Run:
    """The programs in one call of native code."""
    call = pool.team().chain
    assert call is not None
    total = nbytes + max([one.arena_bytes for one, _, _ in steps]) + memory.ALIGN
    release = sum([one.work_ns for one, _, _ in steps]) >= RELEASE_FROM
    order = pool.order(1, flush=False, release=release)
    frames: list[Frame] = []

    def run(in_ptrs: list[int], out_ptrs: list[int], sizes: Sequence[int] = ()) -> None:
        if flying:
            land()
        try:
            frame = frames.pop()
        except IndexError:
            frame = Frame(steps, n_in, n_out, nbytes, order)
        if frame.flush is not config.flush_denormal:
            frame.set_flush(config.flush_denormal)
        arena = memory.take_arena(total)
        if frame.arena != arena.ptr:
            frame.set_arena(arena.ptr)
        call(frame.address, in_ptrs, out_ptrs)
        memory.put_arena_back(arena)
        frames.append(frame)

    return run
