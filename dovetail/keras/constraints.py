"""keras.constraints: what a weight is brought back to after every step."""

from __future__ import annotations

from typing import Any

from dovetail.ir.core import Value
from dovetail.keras.config import epsilon
from dovetail.keras.lookup import deserialize as deserialize_object
from dovetail.keras.lookup import got, table
from dovetail.keras.lookup import serialize as serialize_object
from dovetail.ops import elementwise, reduce
from dovetail.tensor.op import op

TABLE = table("constraint", "keras.constraints")


class Constraint:
    """Base: a call with a weight returns the nearest allowed one. Subclass it for rules of your own."""

    def __call__(self, w):
        return w

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]):
        return cls(**config)


def lengths(w: Value, axis) -> Value:
    axis = tuple(axis) if isinstance(axis, list) else axis
    return elementwise.sqrt(reduce.sum(w * w, axis, True))


@op(top=False, name="norm_between")
def norm_between(input: Value, low: float, high: float, rate: float, axis, eps: float) -> Value:
    """The weight scaled so that its norms along `axis` lie in [low, high]."""
    norms = lengths(input, axis)
    wanted = elementwise.clamp(norms, low, high)
    if rate != 1.0:
        wanted = wanted * rate + norms * (1 - rate)
    return input * (wanted / (norms + eps))


@op(top=False, name="unit_norm")
def unit_norm_of(input: Value, axis, eps: float) -> Value:
    """The weight divided by its norms along `axis`."""
    return input / (lengths(input, axis) + eps)


@op(top=False, name="non_negative")
def non_negative(input: Value) -> Value:
    """The weight with 0 in place of negative numbers."""
    return elementwise.clamp(input, 0.0)


def hashable(axis):
    return tuple(axis) if isinstance(axis, (list, tuple)) else axis


class MaxNorm(Constraint):
    """Norms along `axis` of at most `max_value`."""

    def __init__(self, max_value=2, axis=0):
        self.max_value, self.axis = max_value, axis

    def __call__(self, w):
        return norm_between(w, 0.0, float(self.max_value), 1.0, hashable(self.axis), epsilon())

    def get_config(self):
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """No negative numbers."""

    def __call__(self, w):
        return non_negative(w)


class UnitNorm(Constraint):
    """Norms along `axis` of 1."""

    def __init__(self, axis=0):
        self.axis = axis

    def __call__(self, w):
        return unit_norm_of(w, hashable(self.axis), epsilon())

    def get_config(self):
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Norms along `axis` between `min_value` and `max_value`, approached by `rate`."""

    def __init__(self, min_value=0.0, max_value=1.0, rate=1.0, axis=0):
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w):
        return norm_between(
            w, float(self.min_value), float(self.max_value), float(self.rate), hashable(self.axis), epsilon()
        )

    def get_config(self):
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm
for _kind in (MaxNorm, NonNeg, UnitNorm, MinMaxNorm):
    TABLE.add(_kind)


def get(identifier):
    """A constraint from a name, a config, a class, an object or a function."""
    return got(TABLE, identifier, "constraints.get")


def serialize(constraint) -> Any:
    return serialize_object(constraint)


def deserialize(config, custom_objects=None):
    return deserialize_object(config, custom_objects, TABLE)
