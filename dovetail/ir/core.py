"""Primitive, Value, Node, Region, Graph, Body: what a program is made of.

A *Value* is the result of a node: a shape and a dtype, never a number. Values never change; an in-place write makes
a new one. A *Node* applies a primitive to values. A *Region* is the name of the op the user called (`softmax`,
`linear`) over the nodes that it became, so that printing, profiling and export still see it.

Calling a primitive appends a node to the graph being built on this thread:

    with building() as nodes:
        y = exp(x)          # y is a Value, nodes == [Node(exp)]
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from dovetail.base.dtypes import DType

if TYPE_CHECKING:
    from dovetail.ir.operators import Operators  # those that prims/sugar.py gives Value, as a checker sees them
else:
    Operators = object

Shape = tuple[int, ...]


class Value(Operators):
    """The result of a node, or an input of a graph (`node` is None).

    weak: stands for a Python number ("int" or "float"), so it does not raise the dtype of what it meets.
    custom: None, or a gradient that stands for the nodes behind this value (autodiff.gradient.with_gradient).
    seen_as: None, or the same numbers made by views alone, for what is written through it (tensor/views.py).
    """

    __slots__ = ("node", "index", "shape", "dtype", "weak", "name", "custom", "seen_as")

    def __init__(
        self, shape: Shape, dtype: DType, node: Node | None = None, index: int = 0, weak: str = "", name: str = ""
    ):
        self.shape, self.dtype, self.node, self.index, self.weak, self.name = shape, dtype, node, index, weak, name
        self.custom: Any = None
        self.seen_as: Value | None = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def numel(self) -> int:
        n = 1
        for s in self.shape:
            n *= s
        return n

    def __repr__(self) -> str:
        made_by = self.node.prim.name if self.node else f"input {self.name}".rstrip()
        return f"Value({made_by} {self.dtype.name}{list(self.shape)})"


class Region:
    """An op the user called, over the nodes its body became."""

    __slots__ = ("name", "inputs", "settings", "outs", "parent")

    def __init__(self, name: str, inputs: tuple, settings: dict[str, Any], parent: Region | None = None):
        self.name, self.inputs, self.settings, self.parent = name, inputs, settings, parent
        self.outs: tuple[Value, ...] = ()


class Node:
    """A primitive applied to values. `where` is the user's (file, line, function); params are hashable settings."""

    __slots__ = ("prim", "inputs", "params", "outs", "where", "region")

    def __init__(self, prim: Primitive, inputs: tuple[Value, ...], params: dict[str, Any]):
        self.prim, self.inputs, self.params = prim, inputs, params
        self.outs: tuple[Value, ...] = ()
        self.where: tuple[str, int, str] = ("", 0, "")
        self.region: Region | None = None

    @property
    def out(self) -> Value:
        return self.outs[0]


class Graph:
    """A program: inputs, nodes in an order that defines before use, outputs. Printed by `ir.printing`."""

    __slots__ = ("inputs", "nodes", "outputs")

    def __init__(self, inputs: list[Value], nodes: list[Node], outputs: list[Value]):
        self.inputs, self.nodes, self.outputs = inputs, nodes, outputs


class Literal:
    """A NumPy array as a node's setting: compared and hashed by its bytes."""

    __slots__ = ("array", "_key")

    def __init__(self, array: np.ndarray):
        array = np.asarray(array)
        self.array = np.ascontiguousarray(array).reshape(array.shape)  # the former would give a 0-d array a dim
        self._key = (self.array.dtype.str, self.array.shape, self.array.tobytes())

    def __eq__(self, other) -> bool:
        return isinstance(other, Literal) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Literal({self.array.dtype}{list(self.array.shape)})"


class Body:
    """A graph as a node's setting: what a loop repeats, or one branch of a choice. Made by `ir.printing.body`.

    Compared and hashed by what it computes, and by where it has gradients of its own. `run` is the graph's meaning.
    """

    __slots__ = ("graph", "key", "_hash", "_run")

    def __init__(self, graph: Graph, key: str):
        self.graph, self.key, self._hash = graph, key, hash(key)
        self._run: Callable | None = None

    @property
    def outs(self) -> list[tuple[Shape, DType]]:
        """(shape, dtype) of each result."""
        return [(x.shape, x.dtype) for x in self.graph.outputs]

    def __eq__(self, other) -> bool:
        return self is other or isinstance(other, Body) and self.key == other.key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Body({len(self.graph.inputs)} -> {len(self.graph.outputs)}, {len(self.graph.nodes)} nodes)"


class Scope(threading.local):
    """Where this thread's new nodes go: the node list, the region and the user's line they get."""

    def __init__(self):
        self.nodes: list[Node] | None = None
        self.region: Region | None = None
        self.where: tuple[str, int, str] = ("", 0, "")
        self.checks: list[tuple] | None = None  # (value, low, high, words) that the op being recorded relies on
        self.limits: list[tuple] | None = None  # (value, dtype) of numbers that a whole-number dtype has to hold


scope = Scope()


@contextmanager
def building(nodes: list[Node] | None = None) -> Iterator[list[Node]]:
    """Collect the nodes made inside the block into `nodes` (a new list by default)."""
    before = scope.nodes, scope.region
    scope.nodes = [] if nodes is None else nodes
    scope.region = None
    try:
        yield scope.nodes
    finally:
        scope.nodes, scope.region = before


@contextmanager
def region(name: str, inputs: tuple, settings: dict[str, Any]) -> Iterator[Region]:
    """Mark the nodes made inside the block as the op `name`. The caller sets `.outs`."""
    outer = scope.region
    scope.region = Region(name, inputs, settings, outer)
    try:
        yield scope.region
    finally:
        scope.region = outer


class Primitive:
    """What the machine understands: a meaning, a shape rule, a gradient rule and a lowering, all kept together.

    family    one of prims.families: tells the code generator which loops surround the element's arithmetic
    meaning   (*arrays, **params) -> array or tuple of arrays, in NumPy: the definition, and tier 0
    shape     (*values, **params) -> (shape, dtype), or a list of them where there are several results
    gradient  (g, out, *inputs, **params) -> one Value or None for each input; g and out are tuples for several results
    batch     (size, flags, *inputs, **params) -> Value(s) for `size` examples, along dim 0 of the flagged inputs
              and of all results; see prims.batching
    write     (base, new, **params) -> Value: `base` with the part that this view shows replaced by `new` (views only)
    lower     (k, *operands, **params) -> operand: the element's arithmetic, written with the loop builder k
    host      True: never generated; the compiled program calls `meaning` back (LAPACK, FFT, sorting of odd dtypes)
    """

    def __init__(self, name: str, family: str, meaning: Callable, *, host: bool = False, effect: bool = False):
        self.name, self.family, self.meaning, self.host, self.effect = name, family, meaning, host, effect
        self.shape_rule: Any = None
        self.gradient_rule: Any = None
        self.lower_rule: Callable | None = None
        self.write_rule: Callable | None = None
        self.batch_rule: Callable | None = None
        self.kinds = ""  # dtype kinds that the first operand may have ("" for all)
        self.differentiable = True
        if name in PRIMITIVES:
            raise ValueError(f"primitive {name!r} is defined twice")
        PRIMITIVES[name] = self

    def shape(self, rule):
        self.shape_rule = rule
        return rule

    def gradient(self, rule):
        self.gradient_rule = rule
        return rule

    def write(self, rule):
        self.write_rule = rule
        return rule

    def batch(self, rule):
        self.batch_rule = rule
        return rule

    def lower(self, rule):
        self.lower_rule = rule
        return rule

    def __call__(self, *inputs: Value, **params):
        """Append a node to the graph being built; returns its Value, or a tuple of them."""
        node = Node(self, inputs, params)
        made = self.shape_rule(*inputs, **params)
        many = isinstance(made, list)
        node.outs = tuple(Value(s, d, node, i) for i, (s, d) in enumerate(made if many else [made]))
        node.where, node.region = scope.where, scope.region
        if scope.nodes is None:
            raise RuntimeError(f"primitive {self.name}: no graph is being built on this thread; use ir.core.building()")
        scope.nodes.append(node)
        return node.outs if many else node.outs[0]

    def __repr__(self) -> str:
        return f"Primitive({self.name})"

    def __reduce__(self):
        return (primitive_named, (self.name,))


PRIMITIVES: dict[str, Primitive] = {}


def primitive_named(name: str) -> Primitive:
    return PRIMITIVES[name]
