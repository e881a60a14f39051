"""+, [] and their like on the stand-ins of the functional API: the functions of keras.ops, noted as calls."""

from __future__ import annotations

from typing import Any

from dovetail.keras.ops import math
from dovetail.keras.symbolic import KerasTensor, symbolic

PAIRS = {
    "add": math.add,
    "sub": math.subtract,
    "mul": math.multiply,
    "truediv": math.divide,
    "floordiv": math.floor_divide,
    "mod": math.mod,
    "pow": math.power,
    "matmul": math.matmul,
    "and": math.logical_and,
    "or": math.logical_or,
    "xor": math.logical_xor,
}
COMPARISONS = {
    "lt": math.less,
    "le": math.less_equal,
    "gt": math.greater,
    "ge": math.greater_equal,
    "ne": math.not_equal,
}
SINGLES = {"neg": math.negative, "abs": math.abs, "invert": math.logical_not}


def swapped(function: Any) -> Any:
    return lambda self, other: function(other, self)


@symbolic
def get_item(x: Any, key: Any) -> Any:
    """x[key]."""
    return x[key]


for name, function in PAIRS.items():
    setattr(KerasTensor, f"__{name}__", lambda self, other, f=function: f(self, other))
    setattr(KerasTensor, f"__r{name}__", swapped(function))
for name, function in COMPARISONS.items():
    setattr(KerasTensor, f"__{name}__", lambda self, other, f=function: f(self, other))
for name, function in SINGLES.items():
    setattr(KerasTensor, f"__{name}__", lambda self, f=function: f(self))
KerasTensor.__getitem__ = lambda self, key: get_item(self, key)  # type: ignore[attr-defined]
KerasTensor.__array_ufunc__ = None  # type: ignore[attr-defined]  # array + stand-in asks the stand-in
KerasTensor.__hash__ = object.__hash__  # type: ignore[method-assign]
KerasTensor.reshape = lambda self, newshape: math.reshape(self, newshape)  # type: ignore[attr-defined]
KerasTensor.squeeze = lambda self, axis=None: math.squeeze(self, axis)  # type: ignore[attr-defined]
