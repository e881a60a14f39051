"""Arithmetic that several update rules share. Everything here works on graph Values.

Counts and powers of betas are 0-d float64 Values: `1 - 0.999 ** t` loses four digits in float32, and one double
operation for each parameter costs nothing beside the parameter's own elements.
"""

from __future__ import annotations

import math

from dovetail.base.dtypes import float64
from dovetail.ir.core import Value
from dovetail.prims import elementwise as e
from dovetail.prims.reduce import reduce_sum
from dovetail.prims.sugar import broadcast_to, constant_like, operands

Number = float | Value


def is_zero(x: Number) -> bool:
    """Whether a hyperparameter is the Python number 0, so that its term can be left out of the program."""
    return not isinstance(x, Value) and x == 0


def counted(state: dict[str, Value]) -> tuple[Value, Value]:
    """(the next step's number as float64, the state's new `step`)."""
    step = state["step"] + 1.0
    return e.cast(step, float64), step


def power(beta: Number, t: Value) -> Value:
    """beta ** t for a beta in [0, 1) and a count t >= 1."""
    if isinstance(beta, Value):
        return beta**t
    return e.exp(t * math.log(beta)) if beta > 0 else constant_like(t, 0.0)


def bias_correction(beta: Number, t: Value) -> Value:
    """1 - beta ** t (Kingma & Ba 2015, algorithm 1)."""
    return 1.0 - power(beta, t)


def pulled(p: Value, g: Value, weight_decay: Number, maximize: bool) -> Value:
    """The gradient with its sign turned for maximising and the L2 penalty added."""
    g = -g if maximize else g
    return g if is_zero(weight_decay) else g + p * weight_decay


def shrunk(p: Value, lr: Number, weight_decay: Number) -> Value:
    """Decoupled weight decay (Loshchilov & Hutter 2019): the parameter moved towards zero by itself."""
    return p if is_zero(weight_decay) else p * (1.0 - lr * weight_decay)


def mixed(old: Value, new: Value, share: Number) -> Value:
    """A running average: old moved towards new by `share`, from the nearer end, as torch.lerp does it."""
    if not isinstance(share, Value) and share >= 0.5:
        return new - (new - old) * (1.0 - share)
    return old + (new - old) * share


def bounded(x: Value, low: Number) -> Value:
    """max(x, low)."""
    return e.maximum(*operands(x, low))


def larger(a: Value, b: Value) -> Value:
    return e.maximum(*operands(a, b))


def chosen(condition: Value, a: Value | float, b: Value | float) -> Value:
    """Elementwise `a` where the condition holds, else `b`, broadcast together."""
    a, b = operands(a, b)
    shape = a.shape if len(a.shape) >= len(condition.shape) else condition.shape
    return e.where(broadcast_to(condition, shape), broadcast_to(a, shape), broadcast_to(b, shape))


def norm(x: Value) -> Value:
    """The Euclidean norm of all elements, 0-d."""
    return e.sqrt(reduce_sum(x * x, dims=tuple(range(x.ndim))))
