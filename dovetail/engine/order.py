"""The order of the passes, and what is printed between them on request (`config.dump`)."""

from __future__ import annotations

import sys

from dovetail.base.config import config
from dovetail.ir.core import Graph, Value, building
from dovetail.passes import cse, dce, layout, loops, rows, simplify, windows
from dovetail.prims.elementwise import identity

PASSES = (dce.run, windows.run, simplify.run, layout.run, simplify.run, rows.run, cse.run, dce.run)


def run_passes(graph: Graph) -> Graph:
    """The graph as it is compiled: simplified, without repetition and dead code."""
    dump("graph", graph)
    return simplified(graph)


def simplified(graph: Graph) -> Graph:
    """All passes over a graph and the bodies of its loops."""
    graph = loops.run(graph, simplified)
    for run in PASSES:
        graph = run(graph)
    return graph


def with_own_outputs(graph: Graph) -> Graph:
    """Outputs that are inputs, or the same value twice, become copies: each output has memory of its own to fill."""
    taken: set[Value] = set(graph.inputs)
    if len({*graph.inputs, *graph.outputs}) == len(graph.inputs) + len(graph.outputs):
        return graph
    outputs = []
    with building() as copies:
        for value in graph.outputs:
            value = identity(value) if value in taken else value
            taken.add(value)
            outputs.append(value)
    return Graph(graph.inputs, graph.nodes + copies, outputs)


def dump(kind: str, what) -> None:
    """Print `what` (anything with a text) on stderr where `config.dump` asks for this kind."""
    if kind in config.dump:
        print(f"--- {kind}\n{what}", file=sys.stderr, flush=True)
