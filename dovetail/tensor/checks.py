"""Facts about numbers that an op relies on: labels that name a class, indices inside their dimension.

Numbers that are there when the line runs are checked at once, on the user's own line. Every later run of the program
computes one flag more, and a raised flag is explained from the numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, DimError, message
from dovetail.engine.interpret import interpret
from dovetail.ir.core import Graph, Node, Value, building
from dovetail.prims.elementwise import bitwise_or, ge, gt, lt
from dovetail.prims.make import full
from dovetail.prims.reduce import reduce_any
from dovetail.tensor.trace import Event


class Check:
    """One fact: every element of `value` lies between low and high. `bad` is true where one does not.

    high is None: `value` itself is true where the fact does not hold.
    """

    __slots__ = ("value", "low", "high", "words", "bad", "where")

    def __init__(self, value: Value, low: Any, high: Any, words: str, bad: Value, where: tuple):
        self.value, self.low, self.high, self.words, self.bad, self.where = value, low, high, words, bad, where

    def error(self, found: np.ndarray | None) -> Exception:
        """The error for these numbers: the first bad one, where it stands, and how many there are. None where nobody
        knows them any more."""
        call, _, words = self.words.partition(": ")
        place = [f"computed at {self.where[0]}:{self.where[1]}"] if self.where[0] else []
        if self.high is None:
            return ArgumentError(message(call, words, place))
        if found is None:
            kind = DimError if self.value.dtype.np.kind in "iub" else ArgumentError
            return kind(message(call, words, ["the numbers were written over in the same step", *place]))
        with np.errstate(all="ignore"):
            wrong = outside(found, self.low, self.high)
        at = tuple(int(i) for i in np.argwhere(wrong)[0]) if found.ndim else ()
        value = found[at].item()
        top = self.high - 1 if found.dtype.kind in "iub" else self.high
        facts = [f"value {value} at {list(at)}" if at else f"value {value}", f"allowed {self.low} to {top}"]
        if wrong.sum() > 1:
            facts.append(f"{int(wrong.sum())} of {found.size} values are outside")
        facts += place
        kind = DimError if found.dtype.kind in "iub" else ArgumentError
        return kind(message(call, words, facts))


def outside(a: np.ndarray, low: Any, high: Any) -> np.ndarray:
    if high is None:
        return a
    return (a < low) | (a >= high if a.dtype.kind in "iub" else ~(a <= high))


def note(e: Event, found: list[tuple], nodes: list[Node], tensors: list, slots: list) -> list[Check]:
    """Checks of an event that is being recorded; those on numbers that are there already are made now."""
    made = []
    leaves = {v: t for (s, v) in e.defs for t in tensors if t._slot == s and t._run is None}
    if found and e.parent is not None:  # and what follows in a few steps from numbers met earlier in the trace
        for before in e.parent.path():
            for s, v in before.defs:
                t = slots[s] if v.node is None else None
                if t is not None and t._run is None and t._storage is not None and t._meta.shape == v.shape:
                    leaves[v] = t
    for value, low, high, words in found:
        now = value_now(value, leaves, nodes)
        if now is not None and now.size and outside(now, low, high).any():
            raise Check(value, low, high, words, value, ("", 0, "")).error(now)
        if not value.numel:
            continue
        with building(nodes):
            made.append(Check(value, low, high, words, flag(value, low, high), e.where))
    return made


def flag(value: Value, low: Any, high: Any) -> Value:
    if high is None:
        return reduce_any(value, dims=tuple(range(value.ndim)))
    bound = lambda n: full(shape=value.shape, dtype=value.dtype, value=n)  # noqa: E731
    above = ge(value, bound(high)) if value.dtype.kind in "iub" else gt(value, bound(high))
    if value.dtype.kind in "ub" and low <= 0:
        wrong = above
    else:
        wrong = bitwise_or(lt(value, bound(low)), above)
    return reduce_any(wrong, dims=tuple(range(value.ndim)))


def value_now(value: Value, leaves: dict[Value, Any], nodes: list[Node]) -> np.ndarray | None:
    """The numbers of `value`, where they follow from tensors whose values are there."""
    needed: set[Value] = set()
    stack = [value]
    while stack:
        v = stack.pop()
        if v in needed:
            continue
        needed.add(v)
        if v in leaves:
            continue
        if v.node is None or len(needed) > 30:
            return None
        stack.extend(v.node.inputs)
    if value in leaves:
        return leaves[value]._memory()
    inputs = [v for v in needed if v in leaves]
    if any(v.node is not None and (v.node.prim.effect or v.numel > SMALL) for v in needed if v not in leaves):
        return None
    return interpret(Graph(inputs, in_order(value, leaves), [value]), [leaves[v]._memory() for v in inputs])[0]


SMALL = 1 << 16  # elements up to which a value is worked out while recording


def in_order(value: Value, leaves: dict[Value, Any]) -> list[Node]:
    """The nodes that make a value from the leaves, each after those that it reads."""
    found: dict[Node, None] = {}
    stack = [(value, False)]
    while stack:
        v, expanded = stack.pop()
        if v in leaves or v.node is None or v.node in found:
            continue
        if expanded:
            found[v.node] = None
        else:
            stack.append((v, True))
            stack += [(x, False) for x in v.node.inputs]
    return list(found)


def together(checks: list[Check]) -> Value:
    """One flag for all."""
    total = checks[0].bad
    for c in checks[1:]:
        total = bitwise_or(total, c.bad)
    return total
