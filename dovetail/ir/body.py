"""Body: a graph inside a node's settings, such as what a loop repeats."""

from __future__ import annotations

import hashlib
from functools import cached_property

from dovetail.ir.core import Graph
from dovetail.ir.printing import stable_text


class Body:
    """A graph as a setting: compared and hashed by what it computes, never changed.

    core: a name for what its nodes compute, whatever of it is handed out; outs: which of the values are.
    """

    def __init__(self, graph: Graph):
        self.graph = graph

    @cached_property
    def _parts(self) -> tuple[str, str]:
        text, _, outs = stable_text(self.graph).rpartition("\nout ")
        return hashlib.sha256(text.encode()).hexdigest()[:32], outs

    @property
    def core(self) -> str:
        return self._parts[0]

    @property
    def outs(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self._parts[1].split(",") if n)

    def __eq__(self, other) -> bool:
        return self is other or (isinstance(other, Body) and self._parts == other._parts)

    def __hash__(self) -> int:
        return hash(self._parts)

    def __repr__(self) -> str:
        return f"Body({self._parts[0]}:{self._parts[1]})"
