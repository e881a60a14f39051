"""The verifier: states what a legal graph is. Tests run it between passes."""

from __future__ import annotations

import inspect

from dovetail.base.errors import DovetailError
from dovetail.ir.core import PRIMITIVES, Body, Graph, Node, Value
from dovetail.ir.printing import Names, call_text, place, type_text


class GraphError(DovetailError):
    """A graph that breaks a rule of the language: a mistake in a pass or an op, never in the user's program."""


def verify(graph: Graph) -> Graph:
    """Check that everything is defined once and before use, and that shapes and dtypes are what the rules say.

    Returns: the graph itself, so that passes can be chained through it.
    Raises: GraphError naming the node.
    """
    names = Names(graph)
    defined: set[Value] = set()
    for x in graph.inputs:
        if x in defined:
            raise GraphError(f"input {names[x]} is listed twice")
        defined.add(x)
    for number, node in enumerate(graph.nodes):
        say = _Complaint(number, node, names)
        check_known(node, say)
        check_inputs(node, defined, say)
        check_results(node, defined, say)
        defined.update(node.outs)
    for x in graph.outputs:
        if x not in defined:
            raise GraphError(f"output {x!r} is not computed by the graph")
    return graph


class _Complaint:
    """Raises GraphError with the node's number, text and line."""

    def __init__(self, number: int, node: Node, names: Names):
        self.number, self.node, self.names = number, node, names

    def __call__(self, problem: str) -> None:
        at = place(self.node)
        line = f"\n  recorded at {at}" if at else ""
        raise GraphError(f"node {self.number}: {problem}\n  {call_text(self.node, self.names)}{line}")


def check_known(node: Node, say: _Complaint) -> None:
    prim = node.prim
    if PRIMITIVES.get(prim.name) is not prim or prim.shape_rule is None:
        say(f"{prim.name!r} is not a known primitive")
    try:
        inspect.signature(prim.shape_rule).bind(*node.inputs, **node.params)
    except TypeError as e:
        say(f"{prim.name} does not take these operands and settings: {e}")
    try:
        hash(tuple(node.params.values()))
    except TypeError as e:
        say(f"a setting cannot be hashed: {e}")
    for name, setting in node.params.items():
        if isinstance(setting, Body):
            try:
                verify(setting.graph)
            except GraphError as e:
                say(f"in its {name}: {e}")


def check_inputs(node: Node, defined: set[Value], say: _Complaint) -> None:
    for i, x in enumerate(node.inputs):
        if not isinstance(x, Value):
            say(f"operand {i} is {type(x).__name__}, not a Value")
        if x not in defined:
            say(f"operand {i}, {x!r}, is used before it is defined")


def check_results(node: Node, defined: set[Value], say: _Complaint) -> None:
    try:
        made = node.prim.shape_rule(*node.inputs, **node.params)
    except DovetailError as e:
        say(f"the shape rule refuses: {e}")
    made = made if isinstance(made, list) else [made]
    if len(made) != len(node.outs):
        say(f"has {len(node.outs)} results, the shape rule gives {len(made)}")
    for i, (out, (shape, dtype)) in enumerate(zip(node.outs, made, strict=True)):
        if out in defined or out in node.outs[:i]:
            say(f"result {i} is defined twice")
        if tuple(out.shape) != tuple(shape) or out.dtype is not dtype:
            say(f"result {i} is {type_text(out)}, the shape rule says {type_text(Value(shape, dtype))}")
