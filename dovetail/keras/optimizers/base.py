"""Optimizer: Keras's face of the update rules. A step over all weights is one recorded event.

A built-in optimizer names its slots (momenta and the like) and a formula on graph values; clipping, weight decay,
accumulation, averaging and constraints are part of the same event. A user's optimizer writes `update_step` instead.
The learning rate and the count of steps are tensors that the program reads, so changing them recompiles nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, GradientError, message, warn
from dovetail.ir.core import Value
from dovetail.keras import constraints, initializers
from dovetail.keras.config import floatx
from dovetail.keras.context import context, name_scope
from dovetail.keras.lookup import deserialize as deserialize_object
from dovetail.keras.lookup import serialize, table
from dovetail.keras.naming import auto_name
from dovetail.keras.ops.convert import tensor
from dovetail.keras.optimizers.schedules import LearningRateSchedule
from dovetail.keras.variable import Variable, assign, assign_add
from dovetail.ops import elementwise, reduce
from dovetail.ops.promote import cast, expanded, filled
from dovetail.prims.elementwise import eq, ne, sqrt, where
from dovetail.prims.elementwise import remainder as modulo
from dovetail.tensor.autograd import update
from dovetail.tensor.modes import no_grad
from dovetail.tensor.op import op
from dovetail.tensor.recorder import current
from dovetail.tensor.tensor import Tensor, array_from

TABLE = table("optimizer", "keras.optimizers")
OURS = (constraints.MaxNorm, constraints.MinMaxNorm, constraints.NonNeg, constraints.UnitNorm)


def step_rule(
    p: Value,
    g: Value,
    state: dict,
    *,
    formula: Callable,
    numbers: tuple,
    clipnorm,
    clipvalue,
    weight_decay,
    unscale,
    accumulate,
    ema,
    ema_every,
    constraint,
) -> tuple[Value, dict]:
    """One weight's step: clipping, decay, the formula, then accumulation, averaging and constraint."""
    lr, before = cast(state["learning_rate"], p.dtype), state["iterations"]
    t = cast(before, dtypes.float64) + 1.0
    g = cast(g, p.dtype)
    if unscale:
        g = g * (1.0 / unscale)
    gathered = due = None
    if accumulate:
        gathered = state["gradient_accumulator"] + g
        g = gathered * (1.0 / accumulate)
        count = before + 1
        due = eq(modulo(count, filled(count, accumulate)), filled(count, 0))
        t = cast(elementwise.floor_divide(before, accumulate), dtypes.float64) + 1.0
    if clipnorm:
        g = clipped_to_norm(g, clipnorm)
    elif clipvalue:
        g = elementwise.clamp(g, -clipvalue, clipvalue)
    new = p - p * (lr * weight_decay) if weight_decay else p
    new, slots = formula(new, g, state, lr=lr, t=t, **dict(numbers))
    new = cast(new, p.dtype)
    if constraint is not None:
        new = constraint(new)
    if accumulate:
        slots = {k: where(expanded(due, v.shape), v, state[k]) for k, v in slots.items()}
        new = where(expanded(due, p.shape), new, p)
        slots["gradient_accumulator"] = where(expanded(due, g.shape), filled(gathered, 0), gathered)
    if ema:
        share = cast(ne(before, filled(before, 0)), p.dtype) * ema
        average = state["average"] * share + new * (1.0 - share)
        slots["average"] = average
        if ema_every:
            count = before + 1
            hit = eq(modulo(count, filled(count, ema_every)), filled(count, 0))
            new = where(expanded(hit, p.shape), average, new)
    return new, slots


def clipped_to_norm(g: Value, norm: float) -> Value:
    length = sqrt(reduce.sum(g * g))
    return g * (norm / elementwise.clamp(length, norm))


@op(top=False, differentiable=False, name="clip_global_norm")
def clip_global_norm(tensors, norm: float):
    """Gradients scaled together so that their common norm is at most `norm`."""
    total = sum((reduce.sum(g * g) for g in tensors[1:]), reduce.sum(tensors[0] * tensors[0]))
    length = sqrt(total)
    scale = norm / elementwise.clamp(length, norm) + (length - length)  # NaN where the norm is not finite
    return [g * scale for g in tensors]


class Optimizer:
    """Base of optimizers. Subclasses of yours override `build(variables)` and `update_step(gradient, variable,
    learning_rate)`.

    learning_rate: a number, a schedule or a function; weight_decay: share of a weight taken off, times the learning
    rate. clipnorm, clipvalue, global_clipnorm: bounds for each gradient's norm, each element, all norms together.
    use_ema: keep a running average of the weights; gradient_accumulation_steps: update every so many steps. Source:
    keras.optimizers.Optimizer.
    """

    formula: Callable | None = None
    slot_names: tuple[str, ...] = ()

    def __init__(
        self,
        learning_rate,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name=None,
        **kwargs,
    ):
        kind = type(self).__name__
        if kwargs.pop("decay", None) is not None:
            warn(message(kind, "the argument `decay` is no longer supported and will be ignored",
                         cure="Use learning_rate=keras.optimizers.schedules.InverseTimeDecay(...)"))  # fmt: skip
        if "lr" in kwargs:
            raise ArgumentError(message(kind, "argument not recognized: lr", cure="It is called learning_rate"))
        if kwargs:
            raise ArgumentError(message(kind, f"Argument(s) not recognized: {kwargs}"))
        if sum(a is not None for a in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ArgumentError(message(kind, "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set"))
        if gradient_accumulation_steps is not None and gradient_accumulation_steps < 2:
            raise ArgumentError(
                message(
                    kind,
                    "gradient_accumulation_steps must be a whole number of 2 or more, got "
                    f"{gradient_accumulation_steps}",
                )
            )
        if use_ema and not 0 <= ema_momentum <= 1:
            raise ArgumentError(message(kind, f"ema_momentum must be in the range [0, 1], got {ema_momentum}"))
        self.name = name or auto_name(kind)
        self.weight_decay, self.clipnorm, self.clipvalue, self.global_clipnorm = (
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
        )
        self.use_ema, self.ema_momentum, self.ema_overwrite_frequency = use_ema, ema_momentum, ema_overwrite_frequency
        self.loss_scale_factor, self.gradient_accumulation_steps = loss_scale_factor, gradient_accumulation_steps
        self.built = False
        self._variables: list[Variable] = []
        self._trainable_variables: list[Variable] = []
        self._index: dict[int, int] = {}
        self._slots: dict[int, dict[str, Variable]] = {}
        self._excluded: set = set()
        self._entries: list = []
        self._entries_for: list = []
        with name_scope(self.name):
            self._iterations = Variable(np.int64(0), dtype="int64", trainable=False, name="iteration")
            self._variables.append(self._iterations)
            if isinstance(learning_rate, LearningRateSchedule) or callable(learning_rate):
                self._learning_rate = learning_rate
                self._rate = Variable(0.0, dtype=floatx(), trainable=False, name="learning_rate")
            else:
                if isinstance(learning_rate, (int, float, np.number)) and not isinstance(learning_rate, bool):
                    learning_rate = float(learning_rate)
                else:
                    raise ArgumentError(
                        message(
                            kind,
                            "learning_rate must be a number, a LearningRateSchedule or a function, got "
                            f"{learning_rate!r}",
                        )
                    )
                self._rate = self._learning_rate = Variable(
                    learning_rate, dtype=floatx(), trainable=False, name="learning_rate"
                )
                self._variables.append(self._rate)

    # -- state -----------------------------------------------------------------------------------------------------

    @property
    def variables(self) -> list[Variable]:
        """Step count, learning rate (unless scheduled) and the slots of all weights."""
        return list(self._variables)

    @property
    def iterations(self) -> Any:
        """How many steps were made."""
        n = self.gradient_accumulation_steps
        return self._iterations if not n else self._iterations // n  # type: ignore[operator]

    @iterations.setter
    def iterations(self, variable) -> None:
        self._iterations.assign(variable)

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the next step: a variable, or what the schedule gives."""
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            return rate(self._iterations)
        if isinstance(rate, Variable):
            return rate
        return rate() if callable(rate) else rate

    @learning_rate.setter
    def learning_rate(self, value) -> None:
        if isinstance(value, LearningRateSchedule) or (callable(value) and not isinstance(value, Tensor)):
            self._learning_rate = value
            return
        if isinstance(self._learning_rate, LearningRateSchedule):
            raise TypeError(
                message(
                    f"{type(self).__name__}.learning_rate",
                    "this optimizer was created with a LearningRateSchedule, so its learning rate is not settable",
                    cure="Make it with a number as learning_rate to be able to set it",
                )
            )
        self._learning_rate = self._rate
        self._rate.assign(float(value) if not isinstance(value, Tensor) else value)

    lr = learning_rate

    def add_variable(
        self, shape, initializer="zeros", dtype=None, aggregation="none", layout=None, name=None
    ) -> Variable:
        """A piece of state of the optimizer."""
        with name_scope(self.name):
            made = Variable(initializers.get(initializer), tuple(shape), dtype, trainable=False, name=name)
        self._variables.append(made)
        return made

    def add_variable_from_reference(self, reference_variable, name=None, initializer="zeros") -> Variable:
        """State of the shape of a weight."""
        owner = getattr(reference_variable, "path", None) or getattr(reference_variable, "name", None) or "weight"
        return self.add_variable(reference_variable.shape, initializer, reference_variable.dtype,
                                 name=f"{owner.replace('/', '_')}_{name or 'var'}")  # fmt: skip

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):
        """For each weight one piece of state, or one for each of several names."""
        names = [name] if isinstance(name, str) else list(name)
        first = (
            [initializer] * len(names)
            if isinstance(initializer, (str, initializers.Initializer))
            else list(initializer)
        )
        made: tuple[list, ...] = tuple([] for _ in names)
        for v in trainable_variables:
            for found, n, i in zip(made, names, first, strict=True):
                found.append(self.add_variable_from_reference(v, n, i))
        return made[0] if isinstance(name, str) else made

    def build(self, variables: Iterable[Variable]) -> None:
        """Make the state for these weights."""
        if self.built:
            return
        variables = list(variables)
        if self.use_ema:
            averages = self.add_optimizer_variables(variables, "average")
        for i, v in enumerate(variables):
            self._index[id(v)] = i
            slots = self._slots[id(v)] = {}
            if self.use_ema:
                slots["average"] = averages[i]
            if self.gradient_accumulation_steps:
                slots["gradient_accumulator"] = self.add_variable_from_reference(v, "gradient_accumulator")
        self._trainable_variables = variables
        self.built = True
        if self.formula is not None:
            for v in variables:
                self._slots[id(v)].update(self.make_slots(v))

    def make_slots(self, variable) -> dict[str, Variable]:
        """The state of one weight before its first step."""
        return {n: self.add_variable_from_reference(variable, n, self.first_value(n)) for n in self.names_for(variable)}

    def names_for(self, variable) -> tuple[str, ...]:
        return self.slot_names

    def first_value(self, slot: str) -> Any:
        return "zeros"

    def numbers(self, variable) -> dict[str, Any]:
        """The settings that the formula takes."""
        return {}

    def _get_variable_index(self, variable) -> int:
        return self._index[id(variable)]

    def exclude_from_weight_decay(self, var_list=None, var_names=None) -> None:
        """Weights (or names that contain a text) that weight decay leaves alone. Call it before the first step."""
        if self.built and self._entries:
            self._entries_for = []
        self._excluded |= {id(v) for v in var_list or []}
        self._excluded |= set(var_names or [])

    def _use_weight_decay(self, variable) -> bool:
        path = getattr(variable, "path", "")
        return id(variable) not in self._excluded and not any(isinstance(n, str) and n in path for n in self._excluded)

    # -- stepping --------------------------------------------------------------------------------------------------

    def update_step(self, gradient, variable, learning_rate) -> None:
        """One weight's step; optimizers of your own write it with assign, assign_add, assign_sub."""
        raise NotImplementedError(f"{type(self).__name__} has no update_step(gradient, variable, learning_rate)")

    def assign(self, variable, value) -> None:
        variable.assign(value)

    def assign_add(self, variable, value) -> None:
        variable.assign_add(value)

    def assign_sub(self, variable, value) -> None:
        variable.assign_sub(value)

    def apply_gradients(self, grads_and_vars) -> Variable:
        """One step with these (gradient, weight) pairs. Returns the step count."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self._iterations

    def apply(self, grads, trainable_variables=None) -> None:
        """One step with gradients in the order of the weights; None leaves a weight alone.

        Raises: ArgumentError for weights the optimizer was not built for, GradientError where every gradient is None.
        """
        grads = list(grads)
        if not grads:
            return
        variables = self._known(grads, trainable_variables)
        pairs = [(tensor(g), v) for g, v in zip(grads, variables, strict=True) if g is not None]
        if not pairs:
            raise no_gradients(self, variables)
        if len(pairs) < len(variables):
            missing = [getattr(v, "path", "weight") for g, v in zip(grads, variables, strict=True) if g is None]
            warn_once(message(f"{type(self).__name__}.apply_gradients", "gradients do not exist for variables "
                f"{missing} when minimizing the loss",
                              cure="If they should be trained, the loss must depend on them"))  # fmt: skip
        kept = [v._grad for _, v in pairs]
        for g, v in pairs:
            v._grad = g if g._meta.shape == v._meta.shape else shaped_as(g, v)
        try:
            self.step([v for _, v in pairs])
        finally:
            for (_, v), before in zip(pairs, kept, strict=True):
                v._grad = before

    def _known(self, grads: list, variables) -> list:
        if variables is None:
            if not self.built:
                raise ArgumentError(message(f"{type(self).__name__}.apply", "the optimizer must be built before "
                    "gradients come without variables",
                                            cure="Call optimizer.build(model.trainable_variables) first"))  # fmt: skip
            variables = self._trainable_variables
        variables = list(variables)
        if len(grads) != len(variables):
            raise ArgumentError(
                message(f"{type(self).__name__}.apply", f"got {len(grads)} gradients for {len(variables)} variables")
            )
        if not self.built:
            self.build(variables)
        for v in variables:
            if id(v) not in self._index:
                raise ArgumentError(
                    message(
                        type(self).__name__,
                        f"unknown variable {getattr(v, 'path', v)!r}: this optimizer was built for other variables",
                        cure="Make a new optimizer for another set of variables, or build(all_variables) before the "
                        "first step",
                    )
                )
        return variables

    def step(self, variables: list) -> None:
        """One step with the gradients that the weights hold in `.grad`."""
        if not self.built:
            self.build(variables)
        if self.global_clipnorm:
            for v, g in zip(
                variables, clip_global_norm([v.grad for v in variables], float(self.global_clipnorm)), strict=True
            ):
                v._grad = g
        rate = self._learning_rate
        if not isinstance(rate, Variable):
            value = rate(self._iterations) if isinstance(rate, LearningRateSchedule) else rate()
            assign.inplace(self._rate, tensor(value))
        if self.formula is None or type(self).update_step is not Optimizer.update_step:
            self._user_step(variables)
        else:
            update(step_rule, self._current_entries(variables))
            for v in variables:
                own = getattr(v, "constraint", None)
                if own is not None and not isinstance(own, OURS):
                    with no_grad():
                        v.assign(own(v))
        assign_add.inplace(self._iterations, one())

    def _current_entries(self, variables: list) -> list:
        """(weight, state, numbers, flags) for `update`: the last step's list while nothing has changed."""
        before = self._entries_for
        if (
            len(before) == len(variables)
            and all(map(same, before, variables))
            and self._settings() == self._seen_settings
        ):
            return self._entries
        self._entries = [self._entry(v) for v in variables]
        self._entries_for, self._seen_settings = list(variables), self._settings()
        return self._entries

    _seen_settings: Any = None

    def _settings(self) -> tuple:
        return (
            self.weight_decay,
            self.clipnorm,
            self.clipvalue,
            self.use_ema,
            self.ema_momentum,
            self.ema_overwrite_frequency,
            self.loss_scale_factor,
            self.gradient_accumulation_steps,
        )

    def _entry(self, v) -> tuple:
        state = {"learning_rate": self._rate, "iterations": self._iterations, **self._slots[id(v)]}
        constraint = getattr(v, "constraint", None)
        flags = {
            "formula": type(self).formula,
            "numbers": tuple(self.numbers(v).items()),
            "clipnorm": self.clipnorm,
            "clipvalue": self.clipvalue,
            "weight_decay": self.decay_for(v),
            "unscale": self.loss_scale_factor,
            "accumulate": self.gradient_accumulation_steps,
            "ema": self.ema_momentum if self.use_ema else None,
            "ema_every": self.ema_overwrite_frequency,
            "constraint": constraint if isinstance(constraint, OURS) else None,
        }
        return (v, state, {}, flags)

    def decay_for(self, v) -> float | None:
        return self.weight_decay if self.weight_decay and self._use_weight_decay(v) else None

    def _user_step(self, variables: list) -> None:
        """A step of a user's own `update_step`, weight by weight (still one trace)."""
        with no_grad():
            for v in variables:
                g = v.grad
                if self.loss_scale_factor:
                    g = g / self.loss_scale_factor
                if self.clipnorm:
                    g = clip_norm_op(g, float(self.clipnorm))
                elif self.clipvalue:
                    g = g.clamp(-self.clipvalue, self.clipvalue)
                decay = self.decay_for(v)
                if decay:
                    v.assign(v - v * decay * self._rate)
                self.update_step(g, v, self._rate)
                own = getattr(v, "constraint", None)
                if own is not None:
                    v.assign(own(v))

    def scale_loss(self, loss):
        """The loss times loss_scale_factor, where one is set."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def finalize_variable_values(self, var_list) -> None:
        """At the end of training, replace the weights by their averages where use_ema keeps some."""
        if self.use_ema:
            for v in var_list:
                average = self._slots.get(id(v), {}).get("average")
                if average is not None:
                    v.assign(average)

    def stateless_apply(self, optimizer_variables, grads, trainable_variables) -> tuple[list, list]:
        """(weights, optimizer state) after a step, given both before it; nothing of the optimizer changes."""
        if not self.built:
            raise ArgumentError(
                message(
                    "stateless_apply", f"{type(self).__name__} must be built first", cure="optimizer.build(variables)"
                )
            )
        mine, theirs = self.variables, self._trainable_variables
        kept = [v.numpy() for v in (*mine, *theirs)]
        try:
            for v, value in zip((*mine, *theirs), (*optimizer_variables, *trainable_variables), strict=True):
                v.assign(value)
            self.apply(grads, theirs)
            return [Tensor.from_data(v.numpy()) for v in theirs], [Tensor.from_data(v.numpy()) for v in mine]
        finally:
            for v, value in zip((*mine, *theirs), kept, strict=True):
                v.assign(value)

    # -- files and configs -------------------------------------------------------------------------------------------

    def set_weights(self, weights) -> None:
        """Replace all state by arrays in the order of `variables`."""
        if len(weights) != len(self._variables):
            raise ArgumentError(
                message(
                    f"{self.name}.set_weights",
                    f"got {len(weights)} arrays, the optimizer has {len(self._variables)} variables",
                )
            )
        for v, w in zip(self._variables, weights, strict=True):
            v.assign(array_from(w, v._meta.dtype))
        current().close()

    def get_weights(self) -> list[np.ndarray]:
        return [v.numpy() for v in self._variables]

    def save_own_variables(self, store: dict) -> None:
        for i, v in enumerate(self._variables):
            store[str(i)] = v.numpy()

    def load_own_variables(self, store: dict) -> None:
        if len(store) != len(self._variables):
            warn(
                message(
                    f"optimizer {self.name!r}",
                    f"the file has {len(store)} variables, the optimizer {len(self._variables)}: not loaded",
                )
            )
            return
        for i, v in enumerate(self._variables):
            v.assign(np.asarray(store[str(i)]))

    def get_config(self) -> dict[str, Any]:
        rate = self._learning_rate
        if isinstance(rate, Variable):
            rate = float(rate.numpy())
        else:
            rate = serialize(rate)
        return {
            "name": self.name,
            "learning_rate": rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects=None):
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = deserialize_object(config["learning_rate"], custom_objects)
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


@op(top=False, differentiable=False, name="clip_norm")
def clip_norm_op(input: Value, norm: float) -> Value:
    """The gradient scaled to a norm of at most `norm`."""
    return clipped_to_norm(input, norm)


def same(a, b) -> bool:
    return a is b


_one: list[Tensor] = []


def one() -> Tensor:
    """A constant 1 of the step count's type."""
    if not _one:
        _one.append(Tensor.from_data(np.int64(1)))
    return _one[0]


def shaped_as(g: Tensor, v: Tensor) -> Tensor:
    if g._meta.numel != v._meta.numel:
        raise GradientError(message("apply_gradients", f"the gradient's shape {tuple(g.shape)} is not that of the "
            "variable "
                                    f"{getattr(v, 'path', '')!r}", [("variable", v), ("gradient", g)]))  # fmt: skip
    return g.reshape(v._meta.shape)


def no_gradients(optimizer: Optimizer, variables: list) -> GradientError:
    names = [getattr(v, "path", "weight") for v in variables]
    tape = " The loss was probably computed outside the GradientTape, or through NumPy." if context is not None else ""
    return GradientError(
        message(
            f"{type(optimizer).__name__}.apply_gradients",
            f"no gradients provided for any variable: every gradient is None.{tape}",
            [("variables", names)],
            "Compute the model's output and the loss inside `with tf.GradientTape() as tape:`, with tensor functions "
            "only",
        )
    )


_said: set[str] = set()


def warn_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        warn(text)


__all__ = ["Optimizer", "TABLE"]
