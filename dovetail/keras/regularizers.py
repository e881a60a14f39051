"""keras.regularizers: penalties on weights and outputs, added to the loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Value
from dovetail.keras.lookup import deserialize as deserialize_object
from dovetail.keras.lookup import got, table
from dovetail.keras.lookup import serialize as serialize_object
from dovetail.ops import elementwise, matmul, reduce
from dovetail.ops.create import eye
from dovetail.ops.shape import transpose
from dovetail.tensor.op import op

TABLE = table("regularizer", "keras.regularizers")


class Regularizer:
    """Base: a call with a tensor returns its penalty, a scalar. Subclass it for penalties of your own."""

    def __call__(self, x):
        return 0.0

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(f"{type(self).__name__} has no get_config()")

    @classmethod
    def from_config(cls, config: dict[str, Any]):
        return cls(**config)


def positive_number(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or math.isinf(value) or math.isnan(value) or value < 0:
        raise ArgumentError(message("regularizer", f"{name} must be a number of 0 or more, got {value!r}"))
    return float(value)


@op(top=False, name="l1_l2_penalty")
def l1_l2_penalty(input: Value, l1: float, l2: float) -> Value:
    """l1 * sum|x| + l2 * sum x²."""
    total = None
    if l1:
        total = reduce.sum(elementwise.abs(input)) * l1
    if l2 or total is None:
        squares = reduce.sum(input * input) * l2
        total = squares if total is None else total + squares
    return total


class L1L2(Regularizer):
    """l1 * sum|w| + l2 * sum w²."""

    def __init__(self, l1=0.0, l2=0.0):
        self.l1 = positive_number("l1", 0.0 if l1 is None else l1)
        self.l2 = positive_number("l2", 0.0 if l2 is None else l2)

    def __call__(self, x):
        return l1_l2_penalty(x, self.l1, self.l2)

    def get_config(self):
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """l1 * sum|w|."""

    def __init__(self, l1=0.01):
        self.l1 = float(np.float32(positive_number("l1", 0.01 if l1 is None else l1)))  # kept as float32, as in Keras

    def __call__(self, x):
        return l1_l2_penalty(x, self.l1, 0.0)

    def get_config(self):
        return {"l1": self.l1}


class L2(Regularizer):
    """l2 * sum w²."""

    def __init__(self, l2=0.01):
        self.l2 = positive_number("l2", 0.01 if l2 is None else l2)

    def __call__(self, x):
        return l1_l2_penalty(x, 0.0, self.l2)

    def get_config(self):
        return {"l2": self.l2}


@op(top=False, name="orthogonal_penalty")
def orthogonal_penalty(input: Value, factor: float, rows: bool) -> Value:
    """factor times the mean of |cosines| between different rows (or columns)."""
    length = elementwise.sqrt(reduce.sum(input * input, 1 if rows else 0, True))
    unit = input / elementwise.clamp(length, 1e-12)
    turned = transpose(unit, 0, 1)
    product = matmul.matmul(unit, turned) if rows else matmul.matmul(turned, unit)
    n = product.shape[0]
    other = product * (1.0 - eye(n, dtype=input.dtype))
    return reduce.sum(elementwise.abs(other)) * (factor * 0.5 / max(n * (n - 1) / 2.0, 1.0))


class OrthogonalRegularizer(Regularizer):
    """Pushes the rows (or columns, by `mode`) of a matrix to be orthogonal."""

    def __init__(self, factor=0.01, mode="rows"):
        if mode not in ("rows", "columns"):
            raise ArgumentError(message("OrthogonalRegularizer", f"mode must be 'rows' or 'columns', got {mode!r}"))
        self.factor, self.mode = float(np.float32(positive_number("factor", factor))), mode

    def __call__(self, inputs):
        if len(inputs.shape) != 2:
            raise ArgumentError(message("OrthogonalRegularizer", "takes matrices only", [("inputs", inputs)]))
        return orthogonal_penalty(inputs, self.factor, self.mode == "rows")

    def get_config(self):
        return {"factor": self.factor, "mode": self.mode}


def l1_l2(l1=0.01, l2=0.01) -> L1L2:
    """An L1L2 with other defaults, as Keras's function of that name."""
    return L1L2(l1, l2)


l1, l2, orthogonal_regularizer = L1, L2, OrthogonalRegularizer

for _kind in (L1L2, L1, L2, OrthogonalRegularizer):
    TABLE.add(_kind)
TABLE.entries.update(l1=L1, l2=L2, l1_l2=L1L2, L1L2=L1L2)


def get(identifier):
    """A regularizer from a name, a config, a class, an object or a function."""
    return got(TABLE, identifier, "regularizers.get")


def serialize(regularizer) -> Any:
    return serialize_object(regularizer)


def deserialize(config, custom_objects=None):
    return deserialize_object(config, custom_objects, TABLE)
