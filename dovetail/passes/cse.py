"""Common subexpressions: of nodes that apply the same primitive to the same values, the first one serves all."""

from __future__ import annotations

from dovetail.ir.core import Graph, Node, Value
from dovetail.ir.printing import param_key
from dovetail.passes.rebuild import with_inputs


def run(graph: Graph) -> Graph:
    """The graph with equal nodes merged. Random bits with the same seed and counter are equal; effects never are."""
    replaced: dict[Value, Value] = {}
    first: dict[tuple, Node] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        inputs = tuple([replaced.get(x, x) for x in node.inputs]) if replaced else node.inputs
        key = (node.prim, inputs, param_key(node.params) if node.params else ())
        before = None if node.prim.effect else first.get(key)
        if before is not None:
            replaced.update(zip(node.outs, before.outs, strict=True))
            continue
        node = with_inputs(node, inputs, replaced)
        first[key] = node
        nodes.append(node)
    return Graph(graph.inputs, nodes, [replaced.get(x, x) for x in graph.outputs])
