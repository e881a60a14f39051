"""Run a graph by the meanings of its primitives, one node after the other: the definition of what a graph computes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dovetail.ir.core import Graph, Value


def evaluate(graph: Graph, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The graph's outputs for NumPy inputs. For tests and constants; programs run in the engine, which frees memory.

    >>> from dovetail.base.dtypes import float32
    >>> x = Value((2,), float32)
    >>> evaluate(Graph([x], [], [x]), [np.ones(2, np.float32)])
    [array([1., 1.], dtype=float32)]
    """
    known: dict[Value, np.ndarray] = dict(zip(graph.inputs, arrays, strict=True))
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            made = node.prim.meaning(*[known[x] for x in node.inputs], **node.params)
            known.update(zip(node.outs, made if isinstance(made, (tuple, list)) else [made], strict=True))
    return [known[x] for x in graph.outputs]
