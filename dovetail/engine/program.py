"""Programs: a graph made into machine code, and the quick way to run it.

    program = compile(graph)
    program.run([address of each input], [address of each output])

`compile_async` does the same on a background thread and hands out a ticket at once.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from weakref import WeakValueDictionary

from dovetail.base.config import config
from dovetail.codegen.lower import KernelInfo, can_lower
from dovetail.engine.background import Ticket, filled, submit
from dovetail.engine.control import control_call
from dovetail.engine.generic import outline, signature
from dovetail.engine.native import (
    Alias,
    Layouts,
    Lower,
    Native,
    Run,
    build,
    default_lower,
    native_run,
)
from dovetail.engine.order import run_passes
from dovetail.engine.stages import StagedRun, split
from dovetail.engine.variants import OFTEN, Families, Family
from dovetail.ir.core import Graph, Node
from dovetail.ir.printing import fingerprint
from dovetail.runtime import memory
from dovetail.runtime.native import resolve_target

MOST_PROGRAMS = 512  # in memory; those that were not used for the longest time go first


class Program:
    """A compiled graph.

    run(in_ptrs, out_ptrs, sizes=())  reads the inputs at these addresses (a list) and writes the outputs to those;
                                      sizes fill the table of run-time sizes. Several threads may call it at once.
    kernels                           what runs, in order: native kernels, and primitives that run in Python
    nbytes                            memory the program holds: its machine code
    arena_bytes                       scratch memory of one run; all programs share it
    work_ns                           how long a run was estimated to take on one thread
    pace                              how it is launched, where it is one piece of machine code: run() then takes a
                                      Flight too, and may return before it is done
    """

    __slots__ = ("run", "kernels", "nbytes", "arena_bytes", "work_ns", "pace", "__weakref__")

    def __init__(self, run: Run, kernels: list[KernelInfo], nbytes: int, arena_bytes: int, work_ns: float):
        self.pace = getattr(run, "pace", None)
        self.run, self.kernels, self.nbytes, self.arena_bytes, self.work_ns = run, kernels, nbytes, arena_bytes, work_ns

    def describe(self) -> str:
        """What the program consists of, in words."""
        head = (
            f"{len(self.kernels)} kernels, {memory.in_words(self.nbytes)} of code, "
            f"{memory.in_words(self.arena_bytes)} of scratch memory, about {self.work_ns / 1000:.0f} us"
        )
        return "\n".join([head, *map(kernel_line, self.kernels)])


def kernel_line(kernel: KernelInfo) -> str:
    """A kernel in words: what it computes, how much, and the user's line."""
    file, line, _ = kernel.where
    name = "in Python" if kernel.name == "python" else kernel.name.removeprefix("dv_")
    amount = f"{kernel.flops / 1e3:.0f} kflop, " if kernel.flops else ""
    place = f"  ({os.path.basename(file)}:{line})" if file else ""
    if kernel.ns:
        ns = median(kernel.ns)
        amount = f"{ns / 1000:.1f} us, {kernel.flops / ns:.0f} GFLOP/s, {kernel.nbytes / ns:.0f} GB/s; {amount}"
    return f"  {name:<10} {kernel.words}: {amount}{memory.in_words(int(kernel.nbytes))}{place}"


@dataclass(frozen=True)
class Request:
    """Everything a program depends on besides its graph."""

    layouts: tuple[tuple[int, ...] | None, ...]
    alias: tuple[tuple[int, int], ...]
    target: str
    threads: int | None
    lower: Lower
    native: Native


def request(layouts, alias, target, threads, lower, native) -> Request:
    """A Request with the settings' values in the places left open; plain layouts count as none."""
    kept = tuple([one if one is None else tuple(one) for one in layouts]) if layouts and any(layouts) else ()
    return Request(kept, tuple(sorted((alias or {}).items())), target or config.target, threads, lower, native)


def compile(
    graph: Graph, *, layouts: Layouts | None = None, alias: Alias | None = None, target: str | None = None,
    threads: int | None = None, lower: Lower = default_lower, native: Native = can_lower,
) -> Program:
    """A Program for `graph`; the one made before where an equal graph was compiled before.

    layouts  for each input its strides in elements, None where the elements follow each other
    alias    {output: input} of outputs that are written over an input's memory
    target   name of an instruction set (default: `config.target`); threads: most threads (default: `config.threads`)
    lower    the code generator; native: which nodes it takes (tests pass their own)
    Raises: CompileError, or what the code generator raises for a graph it does not take.
    """
    return compile_request(graph, request(layouts, alias, target, threads, lower, native))


def compile_request(graph: Graph, asked: Request) -> Program:
    key = (fingerprint(graph), asked)
    return _programs.get(key) or _programs.put(key, make_program(graph, asked))


def make_program(graph: Graph, asked: Request) -> Program:
    """One piece of native code where that is possible, else stages in turn."""
    layouts, alias, target = asked.layouts or None, dict(asked.alias), resolve_target(asked.target)

    def whole(graph: Graph) -> Graph | None:
        ready = run_passes(graph)
        return ready if all(map(asked.native, ready.nodes)) else None

    built = build(graph, layouts, alias, target, asked.lower, whole)
    if built is None:
        return make_staged(run_passes(graph), asked)
    run = native_run(built, graph, asked.threads)
    return Program(run, built.kernels, built.code.nbytes, int(built.arena_bytes), built.work_ns)


def make_staged(graph: Graph, asked: Request) -> Program:
    """Machine code for each native stage of a graph that has Python stages too."""
    alias, target = dict(asked.alias), resolve_target(asked.target)
    graph, stages = split(graph, asked.layouts or None, alias, asked.native)
    parts = [build(s.graph, s.layouts, s.alias, target, asked.lower) if s.native else None for s in stages]
    runs = [p and native_run(p, s.graph, asked.threads) for p, s in zip(parts, stages, strict=True)]
    kernels: list[KernelInfo] = []
    for p, s in zip(parts, stages, strict=True):
        kernels += p.kernels if p else [in_python(node) for node in s.graph.nodes]
    made = [p for p in parts if p]
    inner = Request((), (), asked.target, asked.threads, asked.lower, asked.native)
    bodies = partial(control_call, compile_graph=partial(compile_request, asked=inner))
    return Program(
        StagedRun(graph, stages, runs, alias, bodies), kernels, sum(p.code.nbytes for p in made),
        max((int(p.arena_bytes) for p in made), default=0), sum(p.work_ns for p in made),
    )


def in_python(node: Node) -> KernelInfo:
    """A primitive that runs in Python, as a line among the kernels."""
    nbytes = sum(value.numel * value.dtype.itemsize for value in (*node.inputs, *node.outs))
    return KernelInfo("python", node.prim.name, 0.0, float(nbytes), node.where)


class Programs:
    """Programs by what they were made from, the longest unused ones forgotten."""

    def __init__(self, most: int):
        self.most = most
        self._known: OrderedDict[tuple, Program] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple) -> Program | None:
        with self._lock:
            program = self._known.get(key)
            if program is not None:
                self._known.move_to_end(key)
            return program

    def put(self, key: tuple, program: Program) -> Program:
        """Remember a program; returns the one that counts, where two threads made the same at once."""
        with self._lock:
            program = self._known.setdefault(key, program)
            while len(self._known) > self.most:
                self._known.popitem(last=False)
            return program

    def clear(self) -> None:
        with self._lock:
            self._known.clear()


_programs = Programs(MOST_PROGRAMS)
_families = Families()
_asked: WeakValueDictionary[tuple, Ticket] = WeakValueDictionary()  # what the background is busy with


def find(
    graph: Graph, *, layouts: Layouts | None = None, alias: Alias | None = None, target: str | None = None,
    threads: int | None = None, lower: Lower = default_lower, native: Native = can_lower,
) -> Program | None:
    """A program for `graph` that is there already: its own, or a shape-generic one that is right for its sizes."""
    return find_request(graph, request(layouts, alias, target, threads, lower, native))


def find_request(graph: Graph, asked: Request) -> Program | None:
    key = (fingerprint(graph), asked)
    program = _programs.get(key)
    if program is None:
        program = find_among_families(graph, asked)
        if program is not None:
            _programs.put(key, program)
    return program


def find_among_families(graph: Graph, asked: Request) -> Program | None:
    if outline(graph) not in _families.outlines:
        return None
    given = signature(graph)
    family = _families.find(given, asked)
    served = family and family.serve(given)
    return served and bound(*served, family, lambda: make_program(graph, asked))


def find_generic(graph: Graph, *, layouts: Layouts | None = None, alias: Alias | None = None) -> Program | None:
    """A shape-generic program for a graph that is met for the first time; next to nothing where there is none."""
    if outline(graph) not in _families.outlines:
        return None
    return find_among_families(graph, request(layouts, alias, None, None, default_lower, can_lower))


def differ_in_sizes(
    first: Graph, second: Graph, *, layouts: Layouts | None = None, alias: Alias | None = None
) -> bool:
    """Whether two graphs differ in sizes only and may share a program. The first is taken for a sample of the sizes."""
    given = signature(first)
    if given.key != signature(second).key:
        return False
    asked = request(layouts, alias, None, None, default_lower, can_lower)
    return _families.of(given, asked).note(first, given)


def bound(program: Program, run: Run, family: Family, make_own: Callable[[], Program]) -> Program:
    """A shape-generic program that runs for one set of sizes; after many runs one of its own takes its place."""
    runs = 0

    def counted(in_ptrs: Sequence[int], out_ptrs: Sequence[int], sizes: Sequence[int] = ()) -> None:
        nonlocal runs
        runs += 1
        if runs == OFTEN:
            result.run = run
            if family.may_have_own():
                submit(replace)
        run(in_ptrs, out_ptrs)

    def replace() -> Program:
        own = make_own()
        result.run, result.kernels, result.nbytes = own.run, own.kernels, own.nbytes
        result.arena_bytes, result.work_ns, result.pace = own.arena_bytes, own.work_ns, own.pace
        return result

    result = Program(counted, program.kernels, program.nbytes, program.arena_bytes, program.work_ns)
    return result


def compile_async(
    graph: Graph, *, layouts: Layouts | None = None, alias: Alias | None = None, target: str | None = None,
    threads: int | None = None, lower: Lower = default_lower, native: Native = can_lower,
) -> Ticket:
    """Compile in the background. The ticket's `program` is None until it is done, and for ever where that fails.

    After two graphs that differ in nothing but sizes, further ones share one shape-generic program.
    """
    asked = request(layouts, alias, target, threads, lower, native)
    program = find_request(graph, asked)
    if program is not None:
        return filled(program)
    key = (fingerprint(graph), asked)
    ticket = _asked.get(key)
    if ticket is not None and not ticket.done:
        return ticket

    def make() -> Program:
        given = signature(graph)
        family = _families.of(given, asked)
        served = family.grow(graph, given, lambda one: make_program(one, asked))
        if served is None:
            return compile_request(graph, asked)
        _families.outlines.add(outline(graph))
        own = bound(*served, family, lambda: make_program(graph, asked))
        return _programs.put((fingerprint(graph), asked), own)

    ticket = _asked[key] = submit(make)
    return ticket


def forget_programs() -> None:
    """Forget all programs in memory; those that somebody holds stay as they are."""
    _programs.clear()
    _families.clear()
    _asked.clear()
