"""A graph as text: for people (`graph_text`) and as a stable form for comparing programs (`stable_text`)."""

from __future__ import annotations

import hashlib
import math
import os
from typing import Any

from dovetail.base.dtypes import DType
from dovetail.ir.core import Body, Graph, Literal, Node, Region, Value
from dovetail.ir.sym import Sym

SEEN_IN_TYPE = {"shape", "dtype"}  # settings that the result's own type already shows


class Names:
    """%name for a graph's inputs, %0, %1, ... for results in the order of the nodes."""

    def __init__(self, graph: Graph):
        self.of: dict[Value, str] = {}
        taken: set[str] = set()
        for i, x in enumerate(graph.inputs):
            name = x.name if x.name and x.name not in taken else f"in{i}"
            taken.add(name)
            self.of[x] = f"%{name}"
        count = 0
        for node in graph.nodes:
            for out in node.outs:
                self.of[out] = f"%{count}"
                count += 1

    def __getitem__(self, x: Value) -> str:
        return self.of.get(x, "%undefined")


def type_text(x: Value) -> str:
    """float32[32, 64]"""
    return f"{x.dtype.name}[{', '.join(map(str, x.shape))}]"


def setting_text(value: Any) -> str:
    """A setting as it is written; dtypes by name, tuples without blanks."""
    if isinstance(value, DType):
        return value.name
    if isinstance(value, tuple):
        inside = ",".join(map(setting_text, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, Literal) and value.array.size <= 8:
        return repr(value.array.tolist()).replace(" ", "")
    return repr(value)


def is_shown(node: Node, key: str, value: Any) -> bool:
    if key in SEEN_IN_TYPE and len(node.outs) == 1:
        return False
    return value != ((), ())


def call_text(node: Node, names: Names) -> str:
    """contract(%x, %w, sum=((1,),(1,)))"""
    shown = [f"{k}={setting_text(v)}" for k, v in node.params.items() if is_shown(node, k, v)]
    return f"{node.prim.name}({', '.join([names[x] for x in node.inputs] + shown)})"


def region_path(region: Region | None) -> str:
    """encoder > linear: the ops around a node, the outermost first."""
    path = []
    while region is not None:
        path.append(region.name)
        region = region.parent
    return " > ".join(reversed(path))


def place(node: Node) -> str:
    """train.py:12, or nothing where no line is known."""
    file, line, _ = node.where
    return f"{os.path.basename(file)}:{line}" if file else ""


def graph_text(graph: Graph) -> str:
    """One line for each node, with a blank line between ops; the comment tells the user's line and the op.

        graph(%x: float32[32, 784], %w: float32[64, 784])

        %0: float32[32, 64] = contract(%x, %w, sum=((1,),(1,)))   # train.py:12 linear

        return %0
    """
    names = Names(graph)
    rows: list[tuple[str, str]] = []
    for node in graph.nodes:
        made = ", ".join(f"{names[o]}: {type_text(o)}" for o in node.outs)
        rows.append((f"{made} = {call_text(node, names)}", f"{place(node)} {region_path(node.region)}".strip()))
    width = min(max((len(text) for text, _ in rows), default=0), 100)
    lines = [f"graph({', '.join(f'{names[x]}: {type_text(x)}' for x in graph.inputs)})"]
    before: object = lines
    for node, (text, comment) in zip(graph.nodes, rows, strict=True):
        if node.region is not before:
            lines.append("")
        before = node.region
        lines.append(f"{text:<{width}}   # {comment}" if comment else text)
        for name, setting in node.params.items():
            if isinstance(setting, Body):
                inside = graph_text(setting.graph).replace("\n\n", "\n").replace("\n", "\n        ")
                lines.append(f"    {name}: {inside}")
    lines += ["", f"return {', '.join(names[x] for x in graph.outputs)}"]
    return "\n".join(lines)


def param_key(value: Any):
    """A setting as a key that tells apart what == does not: 1 and True and 1.0, 0.0 and -0.0, a Sym and its sample."""
    if isinstance(value, tuple):
        return tuple([param_key(v) for v in value])
    if isinstance(value, Sym):
        return ("sym", tuple([param_key(e) for e in value.expr]))
    if isinstance(value, float):
        return ("nan",) if math.isnan(value) else ("float", value.hex())
    if isinstance(value, complex):
        return ("complex", param_key(value.real), param_key(value.imag))
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, DType):
        return ("dtype", value.name)
    if isinstance(value, dict):
        return tuple([(k, param_key(v)) for k, v in sorted(value.items())])
    return value


def stable_setting(value: Any) -> str:
    if isinstance(value, Literal):
        return f"{value.array.dtype.str}{value.array.shape}{hashlib.sha256(value.array.tobytes()).hexdigest()}"
    if isinstance(value, Body):
        return f"{{{hashlib.sha256(value.key.encode()).hexdigest()}}}"
    if isinstance(value, tuple):
        return f"({','.join(map(stable_setting, value))})"
    return repr(param_key(value))


def stable_type(x: Value) -> str:
    """The type, with run-time sizes told apart by what they mean and not by their samples."""
    return f"{x.dtype.name}{param_key(x.shape) if any(type(n) is Sym for n in x.shape) else x.shape}"


def stable_text(graph: Graph) -> str:
    """The program without names, lines and regions: equal for two graphs that compute the same in the same way."""
    number: dict[Value, int] = {x: i for i, x in enumerate(graph.inputs)}
    lines = ["in " + " ".join(stable_type(x) for x in graph.inputs)]
    for node in graph.nodes:
        inputs = ",".join(str(number[x]) for x in node.inputs)
        settings = ";".join(f"{k}={stable_setting(v)}" for k, v in sorted(node.params.items()))
        lines.append(f"{node.prim.name}({inputs}){settings}:{' '.join(stable_type(o) for o in node.outs)}")
        for out in node.outs:
            number[out] = len(number)
    lines.append("out " + ",".join(str(number[x]) for x in graph.outputs))
    return "\n".join(lines)


def body(graph: Graph) -> Body:
    """A graph as a setting of a node. Its key also tells where gradient rules stand that the nodes do not show."""
    number = {x: i for i, x in enumerate([*graph.inputs, *[x for node in graph.nodes for x in node.outs]])}
    rules = [
        f"{n}:{x.custom.region.name if x.custom.region else ''}" for x, n in number.items() if x.custom is not None
    ]
    return Body(graph, "\n".join([stable_text(graph), *rules]))


def fingerprint(graph: Graph) -> str:
    """A short name for what a graph computes: the same in every process and on every machine."""
    return hashlib.sha256(stable_text(graph).encode()).hexdigest()


Graph.__repr__ = graph_text  # type: ignore[method-assign, assignment]
