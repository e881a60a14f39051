"""Which line made the first NaN: a program is run node by node and looked at (detect.py switches it on)."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import GradientError, message
from dovetail.ir.core import Graph, Node, Value
from dovetail.tensor.step_names import step_name


class AnomalyError(GradientError):
    """A NaN among the results of a program, while detect_anomaly is on."""


def search(graph: Graph, arrays: list[np.ndarray], results: int) -> AnomalyError | None:
    """The error to raise where one of the first `results` outputs holds a NaN that a node of the graph has made."""
    values: dict[Value, np.ndarray] = dict(zip(graph.inputs, arrays, strict=True))
    first_nan: Node | None = None
    first_inf: Node | None = None
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            given = [values[v] for v in node.inputs]
            made = node.prim.meaning(*given, **node.params)
            for v, a in zip(node.outs, made if len(node.outs) > 1 else (made,), strict=True):
                values[v] = np.asarray(a, v.dtype.np)
            if not node.inputs:
                continue
            if first_nan is None and has(np.isnan, values, node.outs) and not has(np.isnan, values, node.inputs):
                first_nan = node
            if first_inf is None and has(np.isinf, values, node.outs) and not has(np.isinf, values, node.inputs):
                first_inf = node
    if first_nan is not None and has(np.isnan, values, graph.outputs[:results]):
        return AnomalyError(explanation(first_nan, first_inf))
    return None


def has(test: Any, values: dict[Value, np.ndarray], of: Any) -> bool:
    return any(v.dtype.is_differentiable and test(values[v]).any() for v in of)


def explanation(nan: Node, inf: Node | None) -> str:
    op, backward = op_of(nan)
    title = f"Function '{step_name(op)}' returned nan values in its 0th output." if backward else f"{op} made a NaN"
    facts = [f"first NaN: {nan.prim.name} in {'the gradient of ' * backward}{op}{place(nan)}"]
    if inf is not None and inf is not nan:
        name, gradient = op_of(inf)
        facts.append(f"first infinity: {inf.prim.name} in {'the gradient of ' * gradient}{name}{place(inf)}")
    return message("detect_anomaly", title, facts)


def op_of(node: Node) -> tuple[str, bool]:
    """(the user's op that a node belongs to, whether the node is part of its gradient)"""
    region = node.region
    while region is not None and region.parent is not None:
        region = region.parent
    name = region.name if region is not None else node.prim.name
    backward = name.endswith(".grad") or name in ("backward", "grad")
    return name.removesuffix(".grad"), backward


def place(node: Node) -> str:
    file, line, function = node.where
    return f", asked for at {file}:{line} in {function}" if file else ""
