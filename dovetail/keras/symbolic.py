"""KerasTensor: the stand-in of the functional API, which has a shape, a dtype and a history but no values.

Calling a layer or a `keras.ops` function on one makes a `Node`; `Functional` runs real data through the nodes later.
This is the only file that knows sizes of None: to learn the shape of a result, the call is made twice on tensors with
made-up sizes in a scratch recorder (nothing is computed), and sizes that differ between the two are None.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, DovetailError, message
from dovetail.keras.context import context, training_phase
from dovetail.keras.dtypes import as_dtype, standardize_dtype
from dovetail.keras.naming import auto_name
from dovetail.ops.create import zeros
from dovetail.tensor.scratch import scratch
from dovetail.tensor.tensor import Tensor

SIZES = ((2, 3), (83, 89))  # made-up sizes: small ones where only the batch is unknown


class History(NamedTuple):
    """Where a KerasTensor comes from. Source: keras.KerasHistory."""

    operation: Any
    node_index: int
    tensor_index: int


class KerasTensor:
    """A tensor to be: shape (None for unknown sizes), dtype by name, and the call that makes it."""

    _keras_history: History

    def __init__(
        self,
        shape,
        dtype: Any = "float32",
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
        **kwargs,
    ):
        self.shape: tuple[int | None, ...] = tuple(None if n is None else int(n) for n in shape)
        self.dtype = standardize_dtype(dtype)
        self.sparse, self.ragged = bool(sparse), bool(ragged)
        self.name = name or auto_name("keras_tensor")

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def get_shape(self) -> tuple[int | None, ...]:
        return self.shape

    def __repr__(self) -> str:
        return (f"<KerasTensor shape={self.shape}, dtype={self.dtype}, sparse={self.sparse}, ragged={self.ragged}, "
                f"name={self.name}>")  # fmt: skip

    def _no_value(self, what: str):
        raise ArgumentError(
            message(
                what,
                "a KerasTensor has a shape but no values: it stands for data that the model will get later",
                [("tensor", repr(self))],
                "Inside a functional model use layers and keras.ops functions; to see values, call the finished model "
                "on data.",
            )
        )

    def __array__(self, dtype=None, copy=None):
        self._no_value("numpy")

    def numpy(self):
        """Raises ArgumentError: there is no value."""
        self._no_value("numpy")

    def __bool__(self):
        self._no_value("bool")

    def __float__(self):
        self._no_value("float")

    def __int__(self):
        self._no_value("int")

    def __iter__(self):
        if not self.shape or self.shape[0] is None:
            raise TypeError("Iterating over a symbolic KerasTensor whose first size is unknown is not supported.")
        return (self[i] for i in range(self.shape[0]))  # type: ignore[index]


class Node:
    """One call of an operation on symbolic tensors."""

    def __init__(self, operation: Any, args: tuple, kwargs: dict, outputs: Any):
        self.operation, self.args, self.kwargs, self.outputs = operation, args, kwargs, outputs
        self.inputs = [x for x in tree.leaves((args, kwargs)) if type(x) is KerasTensor]
        nodes = operation._inbound_nodes
        for i, x in enumerate(tree.leaves(outputs)):
            x._keras_history = History(operation, len(nodes), i)
        nodes.append(self)

    @property
    def input_tensors(self) -> list[KerasTensor]:
        return self.inputs

    @property
    def parent_nodes(self) -> list[Node]:
        return [x._keras_history.operation._inbound_nodes[x._keras_history.node_index] for x in self.inputs]

    @property
    def is_input(self) -> bool:
        return not self.inputs


class FunctionCall:
    """A function of tensors used in a functional model: an operation without weights."""

    trainable = False
    built = True

    def __init__(self, function: Callable, name: str | None = None):
        self.function = function
        self.name = name or auto_name(function.__name__)
        self._inbound_nodes: list[Node] = []

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    @property
    def output(self) -> Any:
        """The result of the one call."""
        return self._inbound_nodes[0].outputs


def is_symbolic(x: Any) -> bool:
    return type(x) is KerasTensor


def any_symbolic(args: Any, kwargs: dict | None = None) -> bool:
    """Whether a KerasTensor is among the arguments."""
    return any(type(x) is KerasTensor for x in tree.leaves((args, kwargs) if kwargs else args))


def symbolic(function: Callable) -> Callable:
    """Let a function of tensors be called on KerasTensors as well: then it is noted, not run."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        for a in args:
            kind = a.__class__
            if kind is KerasTensor or (kind in CONTAINERS and any_symbolic(a)):
                return note(call, args, kwargs)
        if kwargs:
            for a in kwargs.values():
                kind = a.__class__
                if kind is KerasTensor or (kind in CONTAINERS and any_symbolic(a)):
                    return note(call, args, kwargs)
        return function(*args, **kwargs)

    return call


CONTAINERS = frozenset((list, tuple, dict))


def note(function: Callable, args: tuple, kwargs: dict) -> Any:
    """The KerasTensors that a call of a plain function on KerasTensors makes."""
    outputs = output_spec(function, args, kwargs)
    if any(type(x) is KerasTensor for x in tree.leaves(outputs)):
        Node(FunctionCall(function), args, kwargs, outputs)
    return outputs


def output_spec(function: Callable, args: tuple, kwargs: dict) -> Any:
    """The results of a call as KerasTensors without history, from two runs on stand-ins."""
    inputs = [x for x in tree.leaves((args, kwargs)) if type(x) is KerasTensor]
    known = all(None not in x.shape for x in inputs)
    small = all(None not in x.shape[1:] for x in inputs)
    try:
        return compared(function, args, kwargs, SIZES[0] if small else SIZES[1], known)
    except DovetailError:
        if known or not small:
            raise
        return compared(function, args, kwargs, SIZES[1], known)


def compared(function: Callable, args: tuple, kwargs: dict, sizes: tuple[int, int], known: bool) -> Any:
    first = stood_in(function, args, kwargs, sizes[0])
    second = first if known else stood_in(function, args, kwargs, sizes[1])
    if tree.flatten(first) and len(tree.flatten(first)) != len(tree.flatten(second)):
        raise ArgumentError(
            message(getattr(function, "__name__", "call"), "the number of results depends on the batch size")
        )
    return tree.map_leaves(spec_of, first, second)


def stood_in(function: Callable, args: tuple, kwargs: dict, size: int) -> Any:
    """Shapes and dtypes of the results with `size` in place of every None; other results as they are."""

    def stand_in(x):
        if type(x) is KerasTensor:
            return zeros(tuple(size if n is None else n for n in x.shape), dtype=as_dtype(x.dtype))
        return x

    before = context.symbolic
    context.symbolic = True
    try:
        with scratch(), training_phase(context.training):
            made = function(*tree.map_leaves(stand_in, args), **tree.map_leaves(stand_in, kwargs))
            return tree.map_leaves(
                lambda t: Leaf(tuple(t._meta.shape), t._meta.dtype.name) if isinstance(t, Tensor) else t, made
            )
    finally:
        context.symbolic = before


class Leaf:
    """Shape and dtype that a call gave with stand-ins."""

    __slots__ = ("shape", "dtype")

    def __init__(self, shape: tuple, dtype: str):
        self.shape, self.dtype = shape, dtype


def spec_of(a: Any, b: Any) -> Any:
    if isinstance(a, np.ndarray):
        return a
    if not isinstance(a, Leaf):
        return a
    if len(a.shape) != len(b.shape):
        raise ArgumentError(
            message(
                "call", "the rank of the result depends on the batch size", [("ranks", (len(a.shape), len(b.shape)))]
            )
        )
    return KerasTensor(tuple(n if n == m else None for n, m in zip(a.shape, b.shape, strict=True)), a.dtype)


def source_of(x: KerasTensor) -> Node:
    """The node that makes `x`. Raises ArgumentError where it has no history."""
    history = getattr(x, "_keras_history", None)
    if history is None:
        raise ArgumentError(message("Model", "a KerasTensor without history cannot be part of a "
            "model", [("tensor", repr(x))],
                                    "Start from keras.Input(...)"))  # fmt: skip
    return history.operation._inbound_nodes[history.node_index]


class Operation:
    """The public base of operations; users subclass it to give a function of tensors a name and a config."""

    def __init__(self, name: str | None = None):
        self.name = name or auto_name(type(self).__name__)
        self._inbound_nodes: list[Node] = []

    def __call__(self, *args, **kwargs):
        if any_symbolic(args, kwargs):
            outputs = output_spec(self.call, args, kwargs)
            Node(self, args, kwargs, outputs)
            return outputs
        return self.call(*args, **kwargs)

    def call(self, *args, **kwargs):
        """The computation; subclasses write it."""
        raise NotImplementedError(f"{type(self).__name__} has no call()")

    @property
    def output(self) -> Any:
        return self._inbound_nodes[0].outputs
