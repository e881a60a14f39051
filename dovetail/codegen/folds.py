"""How reductions fold: start value, one step, and how two partial results are put together."""

from __future__ import annotations

import math

from dovetail.base.dtypes import DType
from dovetail.codegen.emit import Emitter, Op


def lowest(dtype: DType):
    if dtype.kind == "f":
        return -math.inf
    return False if dtype.kind == "b" else -(1 << (8 * dtype.itemsize - 1)) if dtype.kind == "i" else 0


def highest(dtype: DType):
    if dtype.kind == "f":
        return math.inf
    bits = 8 * dtype.itemsize
    return True if dtype.kind == "b" else (1 << (bits - 1)) - 1 if dtype.kind == "i" else (1 << bits) - 1


START = {
    "reduce_sum": lambda d: 0, "reduce_prod": lambda d: 1, "reduce_max": lowest, "reduce_min": highest,
    "reduce_all": lambda d: True, "reduce_any": lambda d: False,
}
STEP = {
    "reduce_sum": "add", "reduce_prod": "mul", "reduce_max": "maximum", "reduce_min": "minimum",
    "reduce_all": "mul", "reduce_any": "add",
}
ARG = ("argmax", "argmin")


def start(k: Emitter, name: str, dtype: DType, lanes: int) -> list[Op]:
    """The accumulators before the first element. dtype: that of the folded elements."""
    if name in ARG:
        first = lowest(dtype) if name == "argmax" else highest(dtype)
        return [k.widen(k.const(first, dtype), lanes), k.widen(k.int(-1), lanes)]
    value = START[name](dtype)
    return [k.widen(k.const(float(value) if dtype.kind == "f" else value, dtype), lanes)]


def step(k: Emitter, name: str, acc: list[Op], x: Op, index: Op | None, mask: Op | None) -> list[Op]:
    """Fold one element (or one in each lane) in. mask: the lanes that count."""
    lanes = acc[0].lanes
    x = k.widen(x, lanes)
    if name in ARG:
        better = better_than(k, name, x, acc[0])
        better = k.plain2("or", better, k.compare("lt", acc[1], k.int(0)))
        if mask is not None:
            better = k.plain2("and", better, mask)
        return [k.select(better, x, acc[0]), k.select(better, k.widen(index, lanes), acc[1])]
    if mask is not None and lanes > 1:
        x = k.select(mask, x, start(k, name, acc[0].dtype, lanes)[0])
    return [getattr(k, STEP[name])(x, acc[0])]


def better_than(k: Emitter, name: str, x: Op, y: Op) -> Op:
    """Whether x is chosen over y when y came first; NaN beats every number."""
    better = k.compare("gt" if name == "argmax" else "lt", x, y)
    if x.dtype.kind != "f":
        return better
    nan = k.plain2("and", k.compare("uno", x, x), k.not_(k.compare("uno", y, y)))
    return k.plain2("or", better, nan)


def merge(k: Emitter, name: str, a: list[Op], b: list[Op]) -> list[Op]:
    """Two partial results in one."""
    if name not in ARG:
        return [getattr(k, STEP[name])(a[0], b[0])]
    better = better_than(k, name, b[0], a[0])
    worse = better_than(k, name, a[0], b[0])
    tie = k.plain2("and", k.not_(k.plain2("or", better, worse)), k.compare("lt", b[1], a[1]))
    better = k.plain2("or", better, tie)
    better = k.plain2("or", better, k.compare("lt", a[1], k.int(0)))
    better = k.plain2("and", better, k.compare("ge", b[1], k.int(0)))
    return [k.select(better, b[0], a[0]), k.select(better, b[1], a[1])]


def across(k: Emitter, name: str, acc: list[Op]) -> list[Op]:
    """The lanes of vector accumulators in one number, halves on halves (always in the same order)."""
    while acc[0].lanes > 1:
        half = acc[0].lanes // 2
        acc = merge(k, name, [k.pick(a, 0, half) for a in acc], [k.pick(a, half, half) for a in acc])
    return acc


def result(k: Emitter, name: str, acc: list[Op], dtype: DType) -> Op:
    return acc[1] if name in ARG else k.convert(acc[0], dtype)


