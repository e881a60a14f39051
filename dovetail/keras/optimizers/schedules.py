"""keras.optimizers.schedules: learning rates as functions of the step. Each is one op, so a step with one stays one
program.
"""

from __future__ import annotations

import math
from typing import Any

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Value
from dovetail.keras.lookup import deserialize as deserialize_object
from dovetail.keras.lookup import serialize as serialize_object
from dovetail.keras.lookup import table
from dovetail.keras.ops.convert import tensor
from dovetail.ops import elementwise
from dovetail.ops.promote import cast, filled
from dovetail.tensor.op import op

TABLE = table("schedule", "keras.optimizers.schedules")


class LearningRateSchedule:
    """Base: a call with the number of the step returns its learning rate. Subclass it for schedules of your own."""

    def __call__(self, step):
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `__call__(self, step)`."
        )

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(f"Learning rate schedule '{type(self).__name__}' must override `get_config()`.")

    @classmethod
    def from_config(cls, config: dict[str, Any]):
        return cls(**config)


def whole_and_positive(call: str, steps) -> None:
    if steps <= 0:
        raise ArgumentError(message(call, f"decay_steps must be > 0. Received: decay_steps={steps}"))


def as_float(step: Value) -> Value:
    return cast(step, dtypes.float32)


@op(top=False, differentiable=False, name="exponential_decay")
def exponential_decay(input: Value, start: float, steps: float, rate: float, staircase: bool) -> Value:
    x = as_float(input) / steps
    return p.exp((p.floor(x) if staircase else x) * math.log(rate)) * start


class ExponentialDecay(LearningRateSchedule):
    """initial * decay_rate ** (step / decay_steps), in whole steps of the exponent with `staircase`."""

    def __init__(self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="ExponentialDecay"):
        whole_and_positive(name, decay_steps)
        self.initial_learning_rate, self.decay_steps, self.decay_rate = initial_learning_rate, decay_steps, decay_rate
        self.staircase, self.name = staircase, name

    def __call__(self, step):
        return exponential_decay(
            tensor(step),
            float(self.initial_learning_rate),
            float(self.decay_steps),
            float(self.decay_rate),
            bool(self.staircase),
        )

    def get_config(self):
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


@op(top=False, differentiable=False, name="piecewise_constant")
def piecewise_constant(input: Value, boundaries: tuple, values: tuple) -> Value:
    x = cast(input, dtypes.float64)
    rate = p.full(shape=x.shape, dtype=dtypes.float32, value=float(values[-1]))
    for high, value in zip(reversed(boundaries), reversed(values[:-1]), strict=True):
        rate = p.where(p.le(x, filled(x, float(high))), filled(rate, float(value)), rate)
    return rate


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] up to and including step boundaries[i], the last value afterwards."""

    def __init__(self, boundaries, values, name="PiecewiseConstant"):
        if len(boundaries) != len(values) - 1:
            raise ArgumentError(
                message(name, f"{len(boundaries)} boundaries take {len(boundaries) + 1} values, got {len(values)}")
            )
        self.boundaries, self.values, self.name = boundaries, values, name

    def __call__(self, step):
        return piecewise_constant(tensor(step), tuple(map(float, self.boundaries)), tuple(map(float, self.values)))

    def get_config(self):
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


@op(top=False, differentiable=False, name="polynomial_decay")
def polynomial_decay(input: Value, start: float, steps: float, end: float, power: float, cycle: bool) -> Value:
    x = as_float(input)
    if cycle:
        turns = p.ceil(x / steps)
        turns = p.where(p.eq(x, filled(x, 0)), filled(x, 1), turns)
        x = x / (turns * steps)
    else:
        x = elementwise.clamp(x, None, steps) / steps
    rest = 1.0 - x
    return (rest if power == 1.0 else rest**power) * (start - end) + end


class PolynomialDecay(LearningRateSchedule):
    """From the initial rate to the end rate along (1 - step / decay_steps) ** power."""

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        end_learning_rate=0.0001,
        power=1.0,
        cycle=False,
        name="PolynomialDecay",
    ):
        whole_and_positive(name, decay_steps)
        self.initial_learning_rate, self.decay_steps, self.end_learning_rate = (
            initial_learning_rate,
            decay_steps,
            end_learning_rate,
        )
        self.power, self.cycle, self.name = power, cycle, name

    def __call__(self, step):
        return polynomial_decay(tensor(step), float(self.initial_learning_rate), float(self.decay_steps),
                                float(self.end_learning_rate), float(self.power), bool(self.cycle))  # fmt: skip

    def get_config(self):
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


@op(top=False, differentiable=False, name="inverse_time_decay")
def inverse_time_decay(input: Value, start: float, steps: float, rate: float, staircase: bool) -> Value:
    x = as_float(input) / steps
    return start / ((p.floor(x) if staircase else x) * rate + 1.0)


class InverseTimeDecay(LearningRateSchedule):
    """initial / (1 + decay_rate * step / decay_steps)."""

    def __init__(self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="InverseTimeDecay"):
        whole_and_positive(name, decay_steps)
        self.initial_learning_rate, self.decay_steps, self.decay_rate = initial_learning_rate, decay_steps, decay_rate
        self.staircase, self.name = staircase, name

    def __call__(self, step):
        return inverse_time_decay(
            tensor(step),
            float(self.initial_learning_rate),
            float(self.decay_steps),
            float(self.decay_rate),
            bool(self.staircase),
        )

    def get_config(self):
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


@op(top=False, differentiable=False, name="cosine_decay")
def cosine_decay(input: Value, start: float, steps: float, alpha: float, target: float | None, warmup: float) -> Value:
    x = as_float(input)
    warm = elementwise.clamp(x - warmup, 0.0, steps) if target is not None else elementwise.clamp(x, None, steps)
    top = start if target is None else target
    curve = ((p.cos(warm * (math.pi / steps)) + 1.0) * (0.5 * (1.0 - alpha)) + alpha) * top
    if target is None or not warmup:
        return curve
    return p.where(p.lt(x, filled(x, warmup)), x * ((target - start) / warmup) + start, curve)


class CosineDecay(LearningRateSchedule):
    """Half a cosine from the initial rate to alpha times it, after a straight warm-up to `warmup_target` if asked for.

    Source: Loshchilov & Hutter 2016.
    """

    def __init__(
        self, initial_learning_rate, decay_steps, alpha=0.0, name="CosineDecay", warmup_target=None, warmup_steps=0
    ):
        whole_and_positive(name, decay_steps)
        self.initial_learning_rate, self.decay_steps, self.alpha, self.name = (
            initial_learning_rate,
            decay_steps,
            alpha,
            name,
        )
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def __call__(self, step):
        target = None if self.warmup_target is None else float(self.warmup_target)
        return cosine_decay(
            tensor(step),
            float(self.initial_learning_rate),
            float(self.decay_steps),
            float(self.alpha),
            target,
            float(self.warmup_steps),
        )

    def get_config(self):
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


@op(top=False, differentiable=False, name="cosine_decay_restarts")
def cosine_decay_restarts(input: Value, start: float, first: float, t_mul: float, m_mul: float, alpha: float) -> Value:
    x = as_float(input) / first
    if t_mul == 1.0:
        turn = p.floor(x)
        x = x - turn
    else:
        turn = p.floor(p.log(1.0 - x * (1.0 - t_mul)) / math.log(t_mul))
        length = p.exp(turn * math.log(t_mul))
        x = (x - (1.0 - length) / (1.0 - t_mul)) / length
    share = (p.cos(x * math.pi) + 1.0) * 0.5
    share = share if m_mul == 1.0 else share * p.exp(turn * math.log(m_mul))
    return (share * (1.0 - alpha) + alpha) * start


class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decay that starts again, each turn t_mul times longer and m_mul times lower. Source: Loshchilov & Hutter
    2016.
    """

    def __init__(self, initial_learning_rate, first_decay_steps, t_mul=2.0, m_mul=1.0, alpha=0.0, name="SGDRDecay"):
        whole_and_positive(name, first_decay_steps)
        self.initial_learning_rate, self.first_decay_steps = initial_learning_rate, first_decay_steps
        self._t_mul, self._m_mul, self.alpha, self.name = t_mul, m_mul, alpha, name

    def __call__(self, step):
        return cosine_decay_restarts(tensor(step), float(self.initial_learning_rate), float(self.first_decay_steps),
                                     float(self._t_mul), float(self._m_mul), float(self.alpha))  # fmt: skip

    def get_config(self):
        return {"initial_learning_rate": self.initial_learning_rate, "first_decay_steps": self.first_decay_steps,
                "t_mul": self._t_mul, "m_mul": self._m_mul, "alpha": self.alpha, "name": self.name}  # fmt: skip


for _kind in (
    ExponentialDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
    InverseTimeDecay,
    CosineDecay,
    CosineDecayRestarts,
):
    TABLE.add(_kind)


def serialize(schedule) -> Any:
    return serialize_object(schedule)


def deserialize(config, custom_objects=None):
    return deserialize_object(config, custom_objects, TABLE)
