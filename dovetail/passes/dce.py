"""Dead code: nodes that no output needs."""

from __future__ import annotations

from dovetail.ir.core import Graph, Node


def run(graph: Graph) -> Graph:
    """The graph without nodes that neither an output nor an effect needs. Inputs stay as they are."""
    needed: set[Node] = {x.node for x in graph.outputs if x.node is not None}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node in needed or node.prim.effect:
            kept.append(node)
            needed.update([x.node for x in node.inputs if x.node is not None])
    kept.reverse()
    return Graph(graph.inputs, kept, graph.outputs)
