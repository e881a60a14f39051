"""Run a graph by the meanings of its primitives, one node after the other: the definition of what a graph computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dovetail.ir.core import Body, Graph, Value


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


def run_body(body: Body, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What a node's Body computes from NumPy inputs, each result in exactly its shape and dtype."""
    if body._run is None:
        body._run = prepared(body.graph)
    return body._run(arrays)


def prepared(graph: Graph) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    """A function that evaluates `graph`, with everything looked up that stays the same from one call to the next."""
    place: dict[Value, int] = {x: i for i, x in enumerate(graph.inputs)}
    steps = []
    for node in graph.nodes:
        ins = [place[x] for x in node.inputs]
        for x in node.outs:
            place[x] = len(place)
        kinds = [(x.dtype.np, tuple(x.shape)) for x in node.outs]
        steps.append((node.prim.meaning, ins, node.params, kinds))
    ends = [place[x] for x in graph.outputs]

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        known = list(arrays)
        with np.errstate(all="ignore"):
            for meaning, ins, params, kinds in steps:
                made = meaning(*[known[i] for i in ins], **params)
                several = made if isinstance(made, (tuple, list)) else (made,)
                known += [exact(one, *kind) for one, kind in zip(several, kinds, strict=True)]
        return [known[i] for i in ends]

    return run


def exact(x, dtype: np.dtype, shape: tuple) -> np.ndarray:
    """A meaning's result as an array of exactly this dtype and shape."""
    x = np.asarray(x)
    x = x if x.dtype == dtype else x.astype(dtype)
    return x if x.shape == shape else np.broadcast_to(x, shape)
