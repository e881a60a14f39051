"""Tier 0: run a graph at once, each primitive by its NumPy meaning.

A graph is prepared once: a list of steps with everything looked up. Running walks the list and forgets each
intermediate after its last reader, so the peak of memory is that of the live values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from dovetail.ir.core import Graph, Literal, Node, Value
from dovetail.passes import loops

Run = Callable[[list[np.ndarray]], list[np.ndarray]]


def interpret(graph: Graph, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs of `graph` for these input arrays, computed with NumPy.

    Results have exactly the shape and dtype of the graph's output Values, are C-contiguous, and share memory neither
    with an input nor with each other.
    """
    return prepare(graph)(arrays)


def prepare(graph: Graph, other: Callable[[Node], Callable | None] | None = None) -> Run:
    """A function from input arrays to output arrays; see `interpret`. Worth keeping: preparing costs about a run.

    other: what to call instead of a node's meaning, or None for the meaning.
    """
    if any(map(loops.is_loop, graph.nodes)):
        graph = loops.merge(graph)
    slots: dict[Value, int] = {}
    for value in (*graph.inputs, *graph.outputs):
        slots.setdefault(value, len(slots))
    outputs = [(slots[value], value.dtype.np, tuple(value.shape)) for value in graph.outputs]
    steps, nodes, size = plan(graph, slots, other)
    constants = {
        id(root(setting.array))
        for node in graph.nodes for setting in node.params.values() if type(setting) is Literal
    }
    blank = [None] * (size - len(graph.inputs))
    return partial(_run, steps, nodes, outputs, constants, blank)


def plan(graph: Graph, slots: dict[Value, int], other: Callable | None = None) -> tuple[list[tuple], list[Node], int]:
    """The steps that outputs or effects depend on, their nodes, and the number of slots.

    Walked from the last node to the first, so a value met for the first time is met at its last reader, and it may
    live in the slot of a value that is defined there: storing the new one lets go of the old one.
    """
    steps: list[tuple] = []
    nodes: list[Node] = []
    size = len(slots)
    kept = set(slots)
    free: list[int] = []
    for node in reversed(graph.nodes):
        outs = [slots.get(value) for value in node.outs]
        if outs.count(None) == len(outs) and not node.prim.effect:
            continue
        dead: list[int] = []
        for i, value in enumerate(node.outs):
            if outs[i] is None:
                outs[i] = size
                dead.append(size)
                size += 1
            elif value not in kept:
                free.append(outs[i])
        for value in node.inputs:
            if value not in slots:
                if not free:
                    free.append(size)
                    size += 1
                slots[value] = slot = free.pop()
                if slot not in outs:
                    dead.append(slot)
        nodes.append(node)
        ins = tuple([slots[value] for value in node.inputs])
        steps.append(step(node, ins, outs, tuple(dead), other and other(node)))
    steps.reverse()
    nodes.reverse()
    return steps, nodes, size


def step(node: Node, ins: tuple, outs: list[int], dead: tuple, call: Callable | None = None) -> tuple:
    """(meaning, input slots, output slot or slots, dtype or dtypes, shape or shapes, slots to forget)."""
    if call is None:
        call = partial(node.prim.meaning, **node.params) if node.params else node.prim.meaning
    if len(outs) == 1:
        out = node.outs[0]
        return (call, ins, outs[0], out.dtype.np, tuple(out.shape), dead)
    return (call, ins, outs, [v.dtype.np for v in node.outs], [tuple(v.shape) for v in node.outs], dead)


def _run(
    steps: list, nodes: list[Node], outputs: list, constants: set, blank: list, arrays: list[np.ndarray]
) -> list[np.ndarray]:
    table = [*arrays, *blank]
    now = None
    with np.errstate(all="ignore"):
        try:
            for now in steps:
                call, ins, out, dtype, shape, dead = now
                if len(ins) == 2:
                    a, b = ins
                    result = call(table[a], table[b])
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
        except Exception as e:
            note(e, nodes[next(i for i, step in enumerate(steps) if step is now)])
            raise
    return own(table, outputs, arrays, constants)


def note(e: Exception, node: Node) -> None:
    """Tell an error from inside a primitive which line of the user's it belongs to."""
    file, line, function = node.where
    if file:
        e.add_note(f"in {node.prim.name}, asked for at {file}:{line} in {function}")


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
