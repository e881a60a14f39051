"""Loops (`scan`): equal ones become one, results that nobody reads go, bodies are simplified like any graph.

A gradient asks for a forward loop again, with more results (`autodiff.scan`); here both become one.
"""

from __future__ import annotations

from collections.abc import Callable

from dovetail.ir.core import Graph, Node, Value, building, scope
from dovetail.ir.printing import body as body_of
from dovetail.ir.printing import param_key, stable_text
from dovetail.ir.sym import is_static
from dovetail.passes import dce
from dovetail.passes.rebuild import with_inputs
from dovetail.prims.contract import contract
from dovetail.prims.families import ELEMENT
from dovetail.prims.shape import reshape, transpose

PANEL = 64  # columns of a weight that lie together (see `turned`)
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
        nodes += trimmed(node, inputs, read, simplify, replaced)
    return dce.run(Graph(graph.inputs, nodes, [replaced.get(x, x) for x in graph.outputs]))


def trimmed(node: Node, inputs: tuple, read: set[Value], simplify, replaced: dict[Value, Value]) -> list[Node]:
    """The loop with what is needed of it, behind the nodes that get its operands ready."""
    states, slices = node.params["carried"], node.params["scanned"]
    graph = node.params["body"].graph
    wanted: dict[Value, int] = {}  # of the body's results, each once
    for out, inner in zip(node.outs[states:], graph.outputs[states:], strict=True):
        if out in read:
            wanted.setdefault(inner, len(wanted))
    ready = simplify(Graph(graph.inputs, graph.nodes, graph.outputs[:states] + list(wanted)))
    ready, inputs, before = turned(ready, inputs, states + slices)
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
    return [*before, made]


def turned(graph: Graph, inputs: tuple[Value, ...], first: int) -> tuple[Graph, tuple[Value, ...], list[Node]]:
    """A weight that a product reads along its rows, turn after turn, is laid out in panels once, before the loop.

    x (n, k) wᵀ, for w (m, k) among the inputs from `first` on, becomes a product with (m / PANEL, k, PANEL): columns
    are adjacent, and the rows of a panel follow each other. Arithmetic on the product is done in panels too.
    """
    outer = dict(zip(graph.inputs[first:], inputs[first:], strict=True))
    panels: dict[Value, Value] = {}  # weight -> the body's input with its panels
    wide: dict[Value, Value] = {}  # value -> the same with its last dim cut in panels
    replaced: dict[Value, Value] = {}
    nodes: list[Node] = []
    ready: list[Node] = []
    where = scope.where, scope.region
    for node in graph.nodes:
        scope.where, scope.region = node.where, node.region
        given = tuple([replaced.get(x, x) for x in node.inputs])
        if node.prim.name == "contract" and node.inputs[1] in outer and pays(node):
            w = node.inputs[1]
            m, k = w.shape
            if w not in panels:
                panels[w] = Value((m // PANEL, k, PANEL), w.dtype)
                with building(ready):
                    cut = reshape(outer[w], shape=(m // PANEL, PANEL, k))
                    inputs = (*inputs, transpose(cut, perm=(0, 2, 1)))
            with building(nodes):
                left = node.params["sum"][0]
                wide[node.out] = contract(given[0], panels[w], batch=((), ()), sum=(left, (1,)))
                replaced[node.out] = reshape(wide[node.out], shape=node.out.shape)
        elif node.prim.family == ELEMENT and any(x in wide for x in node.inputs):
            shape = (*node.out.shape[:-1], node.out.shape[-1] // PANEL, PANEL)
            with building(nodes):
                pairs = zip(node.inputs, given, strict=True)
                wide[node.out] = node.prim(*[wide.get(x) or reshape(y, shape=shape) for x, y in pairs], **node.params)
                replaced[node.out] = reshape(wide[node.out], shape=node.out.shape)
        else:
            nodes.append(with_inputs(node, given, replaced))
    scope.where, scope.region = where
    if not panels:
        return graph, inputs, []
    outputs = [replaced.get(x, x) for x in graph.outputs]
    return dce.run(Graph([*graph.inputs, *panels.values()], nodes, outputs)), inputs, ready


def pays(node: Node) -> bool:
    """Whether a product x wᵀ of a turn is worth panels: whole ones, and enough rows (benchmarks/gemm.py)."""
    a, w = node.inputs
    if len(w.shape) != 2 or node.params["batch"] != ((), ()) or node.params["sum"][1] != (1,):
        return False
    rows = node.out.numel // max(w.shape[0], 1)
    return w.dtype.itemsize == 4 and is_static(w.shape[0]) and w.shape[0] % PANEL == 0 and int(rows) >= 8
