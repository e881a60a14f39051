"""Tier 0: run a graph at once, each primitive by its NumPy meaning.

A graph is prepared once: a list of steps with everything looked up. Running walks the list and forgets each
intermediate after its last reader, so the peak of memory is that of the live values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from dovetail.ir.core import Graph, Literal, Node

Run = Callable[[list[np.ndarray]], list[np.ndarray]]


def interpret(graph: Graph, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs of `graph` for these input arrays, computed with NumPy.

    Results have exactly the shape and dtype of the graph's output Values, are C-contiguous, and share memory neither
    with an input nor with each other.
    """
    return prepare(graph)(arrays)


def prepare(graph: Graph) -> Run:
    """A function from input arrays to output arrays; see `interpret`. Worth keeping: preparing costs as much as a run."""
    slots = {value: slot for slot, value in enumerate(graph.inputs)}
    live = needed(graph)
    for node in live:
        for out in node.outs:
            slots[out] = len(slots)
    last = last_readers(live, graph)
    steps = [step(node, slots, last) for node in live]
    outputs = [(slots[value], value.dtype.np, tuple(map(int, value.shape))) for value in graph.outputs]
    constants = {id(root(setting.array)) for node in live for setting in node.params.values() if type(setting) is Literal}
    blank = [None] * (len(slots) - len(graph.inputs))
    return partial(_run, steps, outputs, constants, blank)


def needed(graph: Graph) -> list[Node]:
    """The nodes that an output depends on, or that have an effect, in order."""
    wanted = {value.node for value in graph.outputs}
    live = []
    for node in reversed(graph.nodes):
        if node in wanted or node.prim.effect:
            live.append(node)
            for value in node.inputs:
                wanted.add(value.node)
    live.reverse()
    return live


def last_readers(nodes: list[Node], graph: Graph) -> dict:
    """Value -> the node after which nobody needs it; graph outputs and inputs have none."""
    last: dict = {}
    for node in nodes:
        for value in node.outs:
            last[value] = node
        for value in node.inputs:
            last[value] = node
    for value in graph.outputs:
        last.pop(value, None)
    for value in graph.inputs:
        last.pop(value, None)
    return last


def step(node: Node, slots: dict, last: dict) -> tuple:
    """(meaning, input slots, output slot or slots, dtype or dtypes, shape or shapes, slots to forget)."""
    call = partial(node.prim.meaning, **node.params) if node.params else node.prim.meaning
    ins = tuple([slots[value] for value in node.inputs])
    dead = tuple([slots[v] for v in {*node.inputs, *node.outs} if last.get(v) is node])
    if len(node.outs) == 1:
        out = node.outs[0]
        return (call, ins, slots[out], out.dtype.np, tuple(out.shape), dead)
    outs = tuple(slots[v] for v in node.outs)
    return (call, ins, outs, [v.dtype.np for v in node.outs], [tuple(v.shape) for v in node.outs], dead)


def _run(steps: list, outputs: list, constants: set, blank: list, arrays: list[np.ndarray]) -> list[np.ndarray]:
    table = [*arrays, *blank]
    with np.errstate(all="ignore"):
        for call, ins, out, dtype, shape, dead in steps:
            count = len(ins)
            if count == 2:
                result = call(table[ins[0]], table[ins[1]])
            elif count == 1:
                result = call(table[ins[0]])
            else:
                result = call(*[table[i] for i in ins])
            if type(out) is int:
                if result.__class__ is not np.ndarray or result.dtype is not dtype or result.shape != shape:
                    result = exact(result, dtype, shape)
                table[out] = result
            else:
                for slot, one, d, s in zip(out, result, dtype, shape, strict=True):
                    table[slot] = exact(one, d, s)
            for i in dead:
                table[i] = None
    return own(table, outputs, arrays, constants)


def exact(result, dtype: np.dtype, shape: tuple) -> np.ndarray:
    """What a meaning returned as an array of exactly this dtype and shape."""
    result = np.asarray(result)
    if result.dtype != dtype:
        result = result.astype(dtype)
    return result if result.shape == shape else np.broadcast_to(result, shape)


def root(array: np.ndarray):
    """The object that holds an array's memory."""
    while (base := array.base) is not None:
        if type(base) is not np.ndarray:
            return base
        array = base
    return array


def own(table: list, outputs: list, arrays: list[np.ndarray], constants: set) -> list[np.ndarray]:
    """The output arrays, copied where they are views, not contiguous, or share memory with something that lives on."""
    taken = {id(root(array)) for array in arrays}
    taken |= constants
    results = []
    for slot, dtype, shape in outputs:
        array = table[slot]
        if array.__class__ is not np.ndarray or array.dtype is not dtype or array.shape != shape:
            array = exact(array, dtype, shape)
        holder = root(array)
        flags = array.flags
        if (
            id(holder) in taken or not flags.c_contiguous or not flags.writeable
            or getattr(holder, "nbytes", -1) != array.nbytes
        ):
            array = array.copy()
            holder = array
        taken.add(id(holder))
        results.append(array)
    return results
