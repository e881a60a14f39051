"""Loops (`scan`): equal ones become one, results that nobody reads go, bodies are simplified like any graph.

A gradient asks for a forward loop again, with more results (`autodiff.scan`); here both become one.
"""

from __future__ import annotations

from collections.abc import Callable

from dovetail.ir.core import Graph, Node, Value
from dovetail.ir.printing import body as body_of
from dovetail.ir.printing import param_key, stable_text
from dovetail.passes import dce
from dovetail.passes.rebuild import with_inputs

SETTINGS = ("carried", "scanned", "length", "reverse")


def run(graph: Graph, simplify: Callable[[Graph], Graph]) -> Graph:
    """The graph with its loops merged and trimmed and `simplify` applied to their bodies."""
    if not any(map(is_loop, graph.nodes)):
        return graph
    return trim(merge(graph), simplify)


def is_loop(node: Node) -> bool:
    return node.prim.name == "scan"


def values_of(graph: Graph) -> list[Value]:
    """The values of a graph by their numbers in its stable text."""
    return [*graph.inputs, *[x for node in graph.nodes for x in node.outs]]


def with_body(node: Node, inputs: tuple[Value, ...], graph: Graph, **settings) -> Node:
    """A copy of a loop with another body; its results are new values."""
    copy = Node(node.prim, inputs, {**node.params, **settings, "body": body_of(graph)})
    made = node.prim.shape_rule(*inputs, **copy.params)
    copy.outs = tuple([Value(shape, dtype, copy, i) for i, (shape, dtype) in enumerate(made)])
    copy.where, copy.region = node.where, node.region
    return copy


def merge(graph: Graph) -> Graph:
    """Loops that repeat the same nodes on the same operands become one that has all their results."""
    replaced: dict[Value, Value] = {}
    groups: dict[tuple, list[Node]] = {}
    for node in graph.nodes:
        if is_loop(node):
            groups.setdefault(key_of(node), []).append(node)
    if all(len(group) == 1 for group in groups.values()):
        return graph
    group_of = {node: group for group in groups.values() for node in group}
    nodes: list[Node] = []
    for node in graph.nodes:
        group = group_of.get(node, [node])
        if len(group) == 1:
            nodes.append(with_inputs(node, tuple([replaced.get(x, x) for x in node.inputs]), replaced))
        elif node is group[0]:
            nodes.append(together(group, replaced))
    return Graph(graph.inputs, nodes, [replaced.get(x, x) for x in graph.outputs])


def key_of(node: Node) -> tuple:
    core, outs = parts_of(node)
    settings = tuple([param_key(node.params[name]) for name in SETTINGS])
    return (node.inputs, core, tuple(outs[: node.params["carried"]]), settings)


def parts_of(node: Node) -> tuple[str, list[str]]:
    """What the nodes of a loop's body are, and the numbers of the values it hands out."""
    core, _, outs = stable_text(node.params["body"].graph).rpartition("\nout ")
    return core, outs.split(",")


def together(group: list[Node], replaced: dict[Value, Value]) -> Node:
    first, states = group[0], group[0].params["carried"]
    graph = first.params["body"].graph
    wanted = [[int(n) for n in parts_of(node)[1][states:] if n] for node in group]
    numbers = dict.fromkeys([n for each in wanted for n in each])
    values = values_of(graph)
    inputs = tuple([replaced.get(x, x) for x in first.inputs])
    outputs = graph.outputs[:states] + [values[n] for n in numbers]
    made = with_body(first, inputs, Graph(graph.inputs, graph.nodes, outputs))
    place = {n: made.outs[states + i] for i, n in enumerate(numbers)}
    for node, each in zip(group, wanted, strict=True):
        replaced.update(zip(node.outs[:states], made.outs[:states], strict=True))
        replaced.update(zip(node.outs[states:], [place[n] for n in each], strict=True))
    return made


def trim(graph: Graph, simplify: Callable[[Graph], Graph]) -> Graph:
    """Loops without results and operands that nobody reads, their bodies simplified."""
    graph = dce.run(graph)
    read = {x for node in graph.nodes for x in node.inputs} | set(graph.outputs)
    replaced: dict[Value, Value] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        inputs = tuple([replaced.get(x, x) for x in node.inputs])
        if not is_loop(node):
            nodes.append(with_inputs(node, inputs, replaced))
            continue
        nodes.append(trimmed(node, inputs, read, simplify, replaced))
    return dce.run(Graph(graph.inputs, nodes, [replaced.get(x, x) for x in graph.outputs]))


def trimmed(node: Node, inputs: tuple, read: set[Value], simplify, replaced: dict[Value, Value]) -> Node:
    states, slices = node.params["carried"], node.params["scanned"]
    graph = node.params["body"].graph
    wanted: dict[Value, int] = {}  # of the body's results, each once
    for out, inner in zip(node.outs[states:], graph.outputs[states:], strict=True):
        if out in read:
            wanted.setdefault(inner, len(wanted))
    ready = simplify(Graph(graph.inputs, graph.nodes, graph.outputs[:states] + list(wanted)))
    used = {x for n in ready.nodes for x in n.inputs} | set(ready.outputs)
    kept = [i for i, x in enumerate(ready.inputs) if i < states or x in used]
    fewer = sum(1 for i in kept if states <= i < states + slices)
    inner = Graph([ready.inputs[i] for i in kept], ready.nodes, ready.outputs)
    turns = inputs[states].shape[0] if slices else node.params["length"]
    made = with_body(node, tuple([inputs[i] for i in kept]), inner, scanned=fewer, length=0 if fewer else turns)
    replaced.update(zip(node.outs[:states], made.outs[:states], strict=True))
    for out, value in zip(node.outs[states:], graph.outputs[states:], strict=True):
        if out in read:
            replaced[out] = made.outs[states + wanted[value]]
    return made
