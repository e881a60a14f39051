"""Loops: a graph that is repeated, with results of one turn passed on to the next.

The gradient of a loop is a loop that runs the other way; it is worked out from the body's own gradient, so its rule
stands in `autodiff.loop`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dovetail.base.errors import ShapeError, message
from dovetail.ir.body import Body
from dovetail.ir.core import Graph, Primitive, Value, building
from dovetail.ir.evaluate import evaluate
from dovetail.prims.families import LOOP


def order_of(count: int, reverse: bool) -> range:
    return range(count - 1, -1, -1) if reverse else range(count)


def loop_meaning(*given, body, size, states, slices, reverse=False):
    state, rows, fixed = list(given[:states]), given[states : states + slices], given[states + slices :]
    stacks = [np.empty((size, *out.shape), out.dtype.np) for out in body.graph.outputs[states:]]
    for t in order_of(size, reverse):
        made = evaluate(body.graph, [*state, *(x[t] for x in rows), *fixed])
        state = made[:states]
        for stack, one in zip(stacks, made[states:], strict=True):
            stack[t] = one
    return [*(np.array(x, copy=True) for x in state), *stacks]


loop = Primitive("loop", LOOP, loop_meaning)


@loop.shape
def loop_shape(*given, body, size, states, slices, reverse=False):
    """Operands: first states, then what is read slice by slice along its first dim, then what every turn reads whole.

    The body takes (states, slices, whole operands) and gives (states, results). Results of the loop: the last states,
    then the results of all turns, stacked along a new first dim of `size`. reverse: the last slice comes first.
    """
    graph = body.graph
    facts = [(f"operand {i}", x) for i, x in enumerate(given)]
    if len(given) != len(graph.inputs):
        raise ShapeError(message("loop", f"the body takes {len(graph.inputs)} operands, got {len(given)}", facts))
    for i, (x, inner) in enumerate(zip(given, graph.inputs, strict=True)):
        sliced = states <= i < states + slices
        wanted = (size, *inner.shape) if sliced else inner.shape
        if tuple(x.shape) != tuple(wanted) or x.dtype is not inner.dtype:
            text = f"operand {i} is {x.dtype.name}{list(x.shape)}, the body wants {inner.dtype.name}{list(wanted)}"
            raise ShapeError(message("loop", text, facts))
    for i, (out, inner) in enumerate(zip(graph.outputs[:states], graph.inputs[:states], strict=True)):
        if tuple(out.shape) != tuple(inner.shape) or out.dtype is not inner.dtype:
            text = (f"state {i} is {inner.dtype.name}{list(inner.shape)} before a turn, "
                    f"{out.dtype.name}{list(out.shape)} after it")
            raise ShapeError(message("loop", text, facts))
    last = [(x.shape, x.dtype) for x in graph.outputs[:states]]
    return last + [((size, *x.shape), x.dtype) for x in graph.outputs[states:]]


def repeat(
    step: Callable[..., tuple], states: list[Value], slices: list[Value], fixed: list[Value], reverse: bool = False,
    size: int | None = None,
) -> tuple[list[Value], list[Value]]:
    """A loop over the first dim of `slices`; returns the last states and the stacked results.

    step(states, slices at this turn, fixed) -> (states, results), all lists of Values. What it reads of outside values
    must be handed in as `fixed`. size: the number of turns, where there are no slices.
    """
    given = [*states, *slices, *fixed]
    sliced = range(len(states), len(states) + len(slices))
    inner = [Value(x.shape[1:] if i in sliced else x.shape, x.dtype) for i, x in enumerate(given)]
    a, b = len(states), len(states) + len(slices)
    with building() as nodes:
        after, results = step(inner[:a], inner[a:b], inner[b:])
    graph = Graph(inner, nodes, [*after, *results])
    count = slices[0].shape[0] if size is None else size
    made = loop(*given, body=Body(graph), size=count, states=a, slices=len(slices), reverse=reverse)
    return list(made[:a]), list(made[a:])
