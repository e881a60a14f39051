"""Steps that change few rows of a large table touch only those rows.

An embedding's gradient is zero outside the rows that were looked up, and an optimiser without memory (SGD) moves the
others by nothing. So

    table - lr * index_add(zeros, idx, u)   becomes   index_add(table, idx, -lr * u)

and neither the zeros nor the unchanged rows are ever read or written (benchmark embedding_bag).
"""

from __future__ import annotations

from collections import Counter

from dovetail.ir.core import Graph, Node, Value, building, scope
from dovetail.passes import dce
from dovetail.passes.rebuild import with_inputs
from dovetail.prims import elementwise as e
from dovetail.prims.index import index_add
from dovetail.prims.make import constant
from dovetail.prims.shape import broadcast


def run(graph: Graph) -> Graph:
    """The graph with such updates applied to the table itself."""
    if not any(node.prim is index_add for node in graph.nodes):
        return graph
    uses = Counter(x for node in graph.nodes for x in node.inputs)
    uses.update(graph.outputs)
    replaced: dict[Value, Value] = {}
    before = scope.where, scope.region
    with building() as nodes:
        for node in graph.nodes:
            scope.where, scope.region = node.where, node.region
            inputs = tuple([replaced.get(x, x) for x in node.inputs]) if replaced else node.inputs
            made = moved_rows(node, inputs, uses) if node.prim in (e.add, e.sub) else None
            if made is None:
                nodes.append(with_inputs(node, inputs, replaced))
            else:
                replaced[node.out] = made
    scope.where, scope.region = before
    return dce.run(Graph(graph.inputs, nodes, [replaced.get(x, x) for x in graph.outputs]))


def moved_rows(node: Node, inputs: tuple[Value, ...], uses: Counter) -> Value | None:
    """The table with its rows changed, where that is what the node computes."""
    table, change = inputs
    if node.prim is e.add and table.node is not None:
        table, change = change, table
    if table.node is not None or table.dtype.kind != "f":
        return None
    factors: list[tuple[Value, bool]] = []  # one number each, and whether it divides
    minus = node.prim is e.sub
    x = change
    while x.node is not None and uses[x] == 1 and x.node.prim is not index_add:
        step = x.node
        if step.prim.name in ("detach", "identity"):
            x = step.inputs[0]
        elif step.prim is e.neg:
            minus, x = not minus, step.inputs[0]
        elif step.prim in (e.mul, e.div):
            a, b = step.inputs
            if step.prim is e.mul and one_number(a) is not None:
                a, b = b, a
            number = one_number(b)
            if number is None:
                return None
            factors.append((number, step.prim is e.div))
            x = a
        else:
            return None
    if x.node is None or x.node.prim is not index_add or uses[x] != 1 or not is_zero(x.node.inputs[0]):
        return None
    _, idx, rows = x.node.inputs
    for number, divides in reversed(factors):
        rows = (e.div if divides else e.mul)(rows, broadcast(number, shape=rows.shape, dims=()))
    return index_add(table, idx, e.neg(rows) if minus else rows, **x.node.params)


def one_number(x: Value) -> Value | None:
    """The 0-d value that x repeats, or None."""
    if x.node is None:
        return None
    if x.node.prim.name == "full":
        return constant(x.node.params["value"], (), x.dtype)
    if x.node.prim.name == "broadcast" and x.node.inputs[0].ndim == 0:
        return x.node.inputs[0]
    return None


def is_zero(x: Value) -> bool:
    return x.node is not None and x.node.prim.name == "full" and x.node.params["value"] == 0
