"""Which program serves a graph when only its numbers are new: the first shapes get programs of their own, then one
shape-generic program takes over, so that lengths that vary are not compiled one by one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from dovetail.engine.generic import Generic, Match, Signature, generalise
from dovetail.engine.native import Run
from dovetail.ir.core import Graph

OWN_PROGRAMS = 2  # shapes of one family that get programs of their own
MOST_SAMPLES = 5  # graphs a generic one is tried from before the family gives up
MOST_FAMILIES = 256
OFTEN = 1000  # runs of one set of sizes after which it gets a program of its own after all
OFTEN_SERVED = 4  # sets of sizes of one family that may get one

Bound = tuple[object, Run]  # the generic program, and the function that runs it for one set of numbers


class Family:
    """Graphs that differ in numbers only, and the generic program for them once there is one."""

    def __init__(self):
        self.samples: list[tuple[Signature, Graph]] = []
        self.generic: Generic | None = None
        self.program = None
        self.often_left = OFTEN_SERVED
        self.lock = threading.Lock()  # one thread makes the generic program, the others then have it

    def serve(self, given: Signature) -> Bound | None:
        """The generic program for these numbers, where there is one that is right for them."""
        generic, program = self.generic, self.program
        match = generic.match(given) if program is not None else None
        return match and (program, bound_run(program.run, generic, match))

    def may_have_own(self) -> bool:
        """Whether one more set of sizes that is run often gets a program of its own."""
        self.often_left -= 1
        return self.often_left >= 0

    def note(self, graph: Graph, given: Signature) -> bool:
        """Take in a graph without compiling anything; whether a generic program can still be hoped for."""
        if not self.lock.acquire(blocking=False):  # one is being made
            return True
        try:
            if self.program is None and len(self.samples) > MOST_SAMPLES:
                return False
            if len(self.samples) <= OWN_PROGRAMS:  # enough to try; more would use up the tries that `grow` has
                self.take(graph, given)
            return True
        finally:
            self.lock.release()

    def take(self, graph: Graph, given: Signature) -> None:
        """Another sample, where its numbers are new."""
        if all((one.numbers, one.fills) != (given.numbers, given.fills) for one, _ in self.samples):
            self.samples.append((given, graph))

    def grow(self, graph: Graph, given: Signature, compile_graph: Callable[[Graph], object]) -> Bound | None:
        """Take in one more graph; make the generic program when it is time. None: the graph needs its own program."""
        with self.lock:
            served = self.serve(given)
            if served or len(self.samples) > MOST_SAMPLES:
                return served
            self.take(graph, given)
            if len(self.samples) <= own_programs(graph):
                return None
            generic = generalise([sample for _, sample in self.samples])
            if generic is None:
                return None
            try:
                self.generic, self.program = generic, compile_graph(generic.graph)
            except Exception:  # the code generator does not take run-time sizes here: programs of their own, then
                self.samples += [self.samples[-1]] * MOST_SAMPLES
                return None
            return self.serve(given)


def own_programs(graph: Graph) -> int:
    """A loop's turns are the same code for any number of them, so a second length needs no program of its own."""
    return 1 if any(node.prim.name == "scan" for node in graph.nodes) else OWN_PROGRAMS


def bound_run(run: Run, generic: Generic, match: Match) -> Run:
    """A run of the generic program that needs inputs and outputs only."""
    inputs = generic.graph.inputs[len(generic.graph.inputs) - len(match.fills) :]
    fills = [np.array(fill, value.dtype.np) for fill, value in zip(match.fills, inputs, strict=True)]
    addresses = [fill.__array_interface__["data"][0] for fill in fills]
    sizes = match.sizes

    def run_bound(in_ptrs: Sequence[int], out_ptrs: Sequence[int], none: Sequence[int] = ()) -> None:
        run([*in_ptrs, *addresses], out_ptrs, sizes)

    run_bound.fills = fills  # they live as long as their addresses are used
    return run_bound


class Families:
    """Families by signature key and the other things a program depends on, the longest unused ones forgotten."""

    def __init__(self):
        self._known: OrderedDict[tuple, Family] = OrderedDict()
        self._lock = threading.Lock()
        self.outlines: set[int] = set()  # of the families that have a generic program

    def of(self, given: Signature, rest: tuple) -> Family:
        with self._lock:
            family = self._known.setdefault((given.key, rest), Family())
            self._known.move_to_end((given.key, rest))
            while len(self._known) > MOST_FAMILIES:
                self._known.popitem(last=False)
            return family

    def find(self, given: Signature, rest: tuple) -> Family | None:
        with self._lock:
            return self._known.get((given.key, rest))

    def clear(self) -> None:
        with self._lock:
            self._known.clear()
            self.outlines.clear()
