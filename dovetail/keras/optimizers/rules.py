"""The optimizers of Keras: settings, slots and a formula each.

A formula takes the weight and its gradient as graph values, the slots in `s`, the learning rate and the number t of the
step (from 1, float64, 0-d), and returns the new weight and the changed slots. Where torch's rule in dovetail.optim
means the same, it is called; `eps_inside` and its like say where Keras differs.
"""

from __future__ import annotations

import math
import re

from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Value
from dovetail.keras import initializers
from dovetail.keras.optimizers.base import TABLE, Optimizer
from dovetail.keras.variable import Variable
from dovetail.ops import elementwise, reduce
from dovetail.ops.matmul import matmul
from dovetail.ops.promote import cast, filled
from dovetail.ops.shape import transpose, unsqueeze
from dovetail.optim.adagrad import adadelta_rule, adagrad_rule
from dovetail.optim.adam import adam_rule
from dovetail.optim.formulas import bias_correction, larger, mixed, power
from dovetail.optim.rmsprop import rmsprop_rule
from dovetail.prims import elementwise as e

# -- plain descent -----------------------------------------------------------------------------------------------------


def sgd(p, g, s, *, lr, t, momentum, nesterov):
    """The learning rate is inside the momentum, unlike torch's: m = momentum * m - lr * g."""
    if not momentum:
        return p - g * lr, {}
    m = s["momentum"] * momentum - g * lr
    return p + (m * momentum - g * lr if nesterov else m), {"momentum": m}


class SGD(Optimizer):
    """Gradient descent, optionally with (Nesterov) momentum."""

    formula = staticmethod(sgd)

    def __init__(
        self,
        learning_rate=0.01,
        momentum=0.0,
        nesterov=False,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name="SGD",
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        if not isinstance(momentum, (int, float)) or not 0 <= momentum <= 1:
            raise ArgumentError(message("SGD", f"`momentum` must be a float between [0, 1], got {momentum!r}"))
        self.momentum, self.nesterov = float(momentum), nesterov

    def names_for(self, variable):
        return ("momentum",) if self.momentum else ()

    def numbers(self, variable):
        return {"momentum": self.momentum, "nesterov": bool(self.nesterov)}

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}


# -- Adam and its family
# -------------------------------------------------------------------------------------------------


def adam(p, g, s, *, lr, t, beta_1, beta_2, epsilon, amsgrad):
    state = {"step": t - 1.0, "exp_avg": s["momentum"], "exp_avg_sq": s["velocity"]}
    if amsgrad:
        state["max_exp_avg_sq"] = s["velocity_hat"]
    new, made = adam_rule(
        p, g, state, lr=lr, beta1=beta_1, beta2=beta_2, eps=epsilon, weight_decay=0, amsgrad=amsgrad, eps_inside=True
    )
    slots = {"momentum": made["exp_avg"], "velocity": made["exp_avg_sq"]}
    return new, {**slots, "velocity_hat": made["max_exp_avg_sq"]} if amsgrad else slots


class Adam(Optimizer):
    """Adaptive moments (Kingma & Ba 2015). epsilon is added before the bias correction, unlike torch's."""

    formula = staticmethod(adam)
    slot_names = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name="adam",
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad

    def build(self, variables):
        if self.built:
            return
        variables = list(variables)
        super().build(variables)
        if self.amsgrad:
            for v, slot in zip(variables, self.add_optimizer_variables(variables, "velocity_hat"), strict=True):
                self._slots[id(v)]["velocity_hat"] = slot

    def numbers(self, variable):
        return {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon, "amsgrad": bool(self.amsgrad)}

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        }


class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov & Hutter 2019)."""

    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=0.004,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name="adamw",
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            amsgrad,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        if self.weight_decay is None:
            raise ArgumentError(message("AdamW", "weight_decay must be a number"))


def adamax(p, g, s, *, lr, t, beta_1, beta_2, epsilon):
    m = mixed(s["momentum"], g, 1.0 - beta_1)
    u = larger(s["norm"] * beta_2, e.abs_(g))
    return p - m * (lr / bias_correction(beta_1, t)) / (u + epsilon), {"momentum": m, "norm": u}


class _Betas(Optimizer):
    """Base of optimizers with two betas and an epsilon."""

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
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
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def numbers(self, variable):
        return {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}

    def get_config(self):
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


class Adamax(_Betas):
    """Adam with the infinity norm (Kingma & Ba 2015, algorithm 2)."""

    formula = staticmethod(adamax)
    slot_names = ("momentum", "norm")


def nadam(p, g, s, *, lr, t, beta_1, beta_2, epsilon):
    now = (1.0 - power(0.96, t) * 0.5) * beta_1
    then = (1.0 - power(0.96, t + 1.0) * 0.5) * beta_1
    product = cast(s["u_product"], now.dtype) * now
    m, v = mixed(s["momentum"], g, 1.0 - beta_1), mixed(s["velocity"], g * g, 1.0 - beta_2)
    ahead = m * (then / (1.0 - product * then)) + g * ((1.0 - now) / (1.0 - product))
    new = p - ahead * lr / (e.sqrt(v * (1.0 / bias_correction(beta_2, t))) + epsilon)
    return new, {"momentum": m, "velocity": v, "u_product": cast(product, s["u_product"].dtype)}


class Nadam(_Betas):
    """Adam with Nesterov momentum (Dozat 2016)."""

    formula = staticmethod(nadam)
    slot_names = ("momentum", "velocity")

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self._variables.append(self._slots[id(self._trainable_variables[0])]["u_product"])

    def make_slots(self, variable):
        return {
            **super().make_slots(variable),
            "u_product": Variable(1.0, dtype=variable.dtype, trainable=False, name="u_product"),
        }


def lamb(p, g, s, *, lr, t, beta_1, beta_2, epsilon):
    m, v = mixed(s["momentum"], g, 1.0 - beta_1), mixed(s["velocity"], g * g, 1.0 - beta_2)
    move = m * (1.0 / bias_correction(beta_1, t)) / (e.sqrt(v * (1.0 / bias_correction(beta_2, t))) + epsilon)
    own, length = e.sqrt(reduce.sum(p * p)), e.sqrt(reduce.sum(move * move))
    both = e.bitwise_and(e.gt(own, filled(own, 0)), e.gt(length, filled(length, 0)))
    ratio = e.where(both, own / e.where(both, length, filled(length, 1)), filled(own, 1))
    return p - move * (ratio * lr), {"momentum": m, "velocity": v}


class Lamb(_Betas):
    """Adam whose steps are scaled to each weight's norm (You et al. 2020)."""

    formula = staticmethod(lamb)
    slot_names = ("momentum", "velocity")


def lion(p, g, s, *, lr, t, beta_1, beta_2):
    m = s["momentum"]
    return p - e.sign(m * beta_1 + g * (1.0 - beta_1)) * lr, {"momentum": m * beta_2 + g * (1.0 - beta_2)}


class Lion(Optimizer):
    """Steps of one size by the sign of the momentum (Chen et al. 2023)."""

    formula = staticmethod(lion)
    slot_names = ("momentum",)

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.99,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name="lion",
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        if not 0 < beta_1 <= 1:
            raise ArgumentError(
                message(
                    "Lion", f"beta_1 must be in (0, 1], otherwise the optimizer degenerates to SignSGD, got {beta_1}"
                )
            )
        self.beta_1, self.beta_2 = beta_1, beta_2

    def numbers(self, variable):
        return {"beta_1": self.beta_1, "beta_2": self.beta_2}

    def get_config(self):
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2}


def schedule_free(p, g, s, *, lr, t, beta_1, beta_2, epsilon, warmup_steps):
    if warmup_steps:
        lr = lr * cast(elementwise.clamp(t * (1.0 / warmup_steps), None, 1.0), lr.dtype)
    old = s["momentum"]
    v = mixed(s["velocity"], g * g, 1.0 - beta_2)
    z = old - g * lr / (e.sqrt(v * (1.0 / bias_correction(beta_2, t))) + epsilon)
    share = 1.0 / t
    x = (p - old * (1.0 - beta_1)) * (1.0 / beta_1)
    x = x * (1.0 - share) + z * share
    return z * (1.0 - beta_1) + x * beta_1, {"momentum": z, "velocity": v}


class ScheduleFreeAdamW(_Betas):
    """AdamW that averages its iterates instead of lowering the learning rate (Defazio et al. 2024)."""

    formula = staticmethod(schedule_free)
    slot_names = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate=0.0025,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        warmup_steps=0,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name="schedule_free_adamw",
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.warmup_steps = warmup_steps

    def make_slots(self, variable):
        made = super().make_slots(variable)
        made["momentum"].assign(variable.numpy())
        return made

    def numbers(self, variable):
        return {**super().numbers(variable), "warmup_steps": self.warmup_steps}

    def get_config(self):
        return {**super().get_config(), "warmup_steps": self.warmup_steps}


# -- accumulated squares
# -------------------------------------------------------------------------------------------------


def rmsprop(p, g, s, *, lr, t, rho, momentum, epsilon, centered):
    """The learning rate is inside the momentum, unlike torch's."""
    state = {"square_avg": s["velocity"]}
    if centered:
        state["grad_avg"] = s["average_gradient"]
    new, made = rmsprop_rule(
        p,
        g,
        state,
        lr=lr,
        alpha=rho,
        eps=epsilon,
        weight_decay=0,
        momentum=0,
        centered=centered,
        maximize=False,
        eps_inside=True,
    )
    slots = {"velocity": made["square_avg"]}
    if centered:
        slots["average_gradient"] = made["grad_avg"]
    if not momentum:
        return new, slots
    slots["momentum"] = b = s["momentum"] * momentum + (p - new)
    return p - b, slots


class RMSprop(Optimizer):
    """Gradients over the root of their running mean square (Hinton 2012)."""

    formula = staticmethod(rmsprop)

    def __init__(
        self,
        learning_rate=0.001,
        rho=0.9,
        momentum=0.0,
        epsilon=1e-7,
        centered=False,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name="rmsprop",
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def names_for(self, variable):
        return (
            "velocity",
            *(["momentum"] if self.momentum > 0 else []),
            *(["average_gradient"] if self.centered else []),
        )

    def numbers(self, variable):
        return {"rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon, "centered": bool(self.centered)}

    def get_config(self):
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }


def adagrad(p, g, s, *, lr, t, epsilon):
    new, made = adagrad_rule(
        p,
        g,
        {"step": t, "sum": s["accumulator"]},
        lr=lr,
        lr_decay=0,
        eps=epsilon,
        weight_decay=0,
        maximize=False,
        eps_inside=True,
    )
    return new, {"accumulator": made["sum"]}


class Adagrad(Optimizer):
    """Gradients over the root of the sum of their squares (Duchi et al. 2011)."""

    formula = staticmethod(adagrad)
    slot_names = ("accumulator",)

    def __init__(
        self,
        learning_rate=0.001,
        initial_accumulator_value=0.1,
        epsilon=1e-7,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name="adagrad",
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def first_value(self, slot):
        return initializers.Constant(self.initial_accumulator_value)

    def numbers(self, variable):
        return {"epsilon": self.epsilon}

    def get_config(self):
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }


def adadelta(p, g, s, *, lr, t, rho, epsilon):
    state = {"square_avg": s["accumulated_grad"], "acc_delta": s["accumulated_delta_var"]}
    new, made = adadelta_rule(p, g, state, lr=lr, rho=rho, eps=epsilon, weight_decay=0, maximize=False)
    return new, {"accumulated_grad": made["square_avg"], "accumulated_delta_var": made["acc_delta"]}


class Adadelta(Optimizer):
    """Steps in the units of the weight (Zeiler 2012)."""

    formula = staticmethod(adadelta)
    slot_names = ("accumulated_grad", "accumulated_delta_var")

    def __init__(
        self,
        learning_rate=0.001,
        rho=0.95,
        epsilon=1e-7,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name="adadelta",
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.rho, self.epsilon = rho, epsilon

    def numbers(self, variable):
        return {"rho": self.rho, "epsilon": self.epsilon}

    def get_config(self):
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}


def root_mean_square(x: Value) -> Value:
    return e.sqrt(reduce.mean(x * x))


def adafactor(p, g, s, *, lr, t, beta_2_decay, epsilon_1, epsilon_2, clip_threshold, relative_step):
    step = cast(t, p.dtype)
    slowest = 1.0 / e.sqrt(step)
    rate = e.minimum(lr, slowest)
    alpha = e.maximum(root_mean_square(p), filled(rate, epsilon_2)) * rate
    squares = g * g + epsilon_1
    share = e.exp(e.log(step) * beta_2_decay)
    slots = {}
    if p.ndim >= 2:
        slots["r"] = r = mixed(s["r"], reduce.mean(squares, -1), share)
        slots["c"] = c = mixed(s["c"], reduce.mean(squares, -2), share)
        v = unsqueeze(r / reduce.mean(r, -1, True), -1) * unsqueeze(c, -2)
    else:
        v = mixed(s["velocity"], squares, share)
    slots["velocity"] = v
    move = g / e.sqrt(v)
    move = move / elementwise.clamp(root_mean_square(move) * (1.0 / clip_threshold), 1.0)
    return p - move * alpha, slots


class Adafactor(Optimizer):
    """Adam-like steps from row and column means of the squared gradients (Shazeer & Stern 2018)."""

    formula = staticmethod(adafactor)

    def __init__(
        self,
        learning_rate=0.001,
        beta_2_decay=-0.8,
        epsilon_1=1e-30,
        epsilon_2=1e-3,
        clip_threshold=1.0,
        relative_step=True,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name="adafactor",
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.beta_2_decay, self.epsilon_1, self.epsilon_2 = beta_2_decay, epsilon_1, epsilon_2
        self.clip_threshold, self.relative_step = clip_threshold, relative_step

    def make_slots(self, variable):
        made = {}
        if len(variable.shape) >= 2:
            made["r"] = self.add_variable(variable.shape[:-1], dtype=variable.dtype, name=variable.name)
            made["c"] = self.add_variable(
                (*variable.shape[:-2], variable.shape[-1]), dtype=variable.dtype, name=variable.name
            )
        else:  # never used; Keras counts them among its variables, and files hold them
            made["r"], made["c"] = self.add_variable((), name=variable.name), self.add_variable((), name=variable.name)
        made["velocity"] = self.add_variable_from_reference(variable, "velocity")
        return made

    def numbers(self, variable):
        return {"beta_2_decay": self.beta_2_decay, "epsilon_1": self.epsilon_1, "epsilon_2": self.epsilon_2,
                "clip_threshold": self.clip_threshold, "relative_step": self.relative_step}  # fmt: skip

    def get_config(self):
        return {**super().get_config(), **self.numbers(None)}


def ftrl(p, g, s, *, lr, t, lr_power, l1, l2, shrinkage, beta):
    pull = l2 + beta / (lr * 2.0) if beta else l2
    used = g + p * (2.0 * shrinkage) if shrinkage else g
    total = s["accumulator"] + g * g

    def raised(x):
        return e.sqrt(x) if lr_power == -0.5 else e.exp(e.log(x) * -lr_power)

    linear = s["linear"] + used - (raised(total) - raised(s["accumulator"])) / lr * p
    quadratic = raised(total) / lr + pull * 2.0
    return (elementwise.clamp(linear, -l1, l1) - linear) / quadratic, {"accumulator": total, "linear": linear}


class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan et al. 2013)."""

    formula = staticmethod(ftrl)
    slot_names = ("accumulator", "linear")

    def __init__(
        self,
        learning_rate=0.001,
        learning_rate_power=-0.5,
        initial_accumulator_value=0.1,
        l1_regularization_strength=0.0,
        l2_regularization_strength=0.0,
        l2_shrinkage_regularization_strength=0.0,
        beta=0.0,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name="ftrl",
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        if learning_rate_power > 0:
            raise ArgumentError(
                message("Ftrl", f"learning_rate_power needs to be negative or zero, got {learning_rate_power}")
            )
        for what in ("initial_accumulator_value", "l1_regularization_strength", "l2_regularization_strength",
                     "l2_shrinkage_regularization_strength"):  # fmt: skip
            if locals()[what] < 0:
                raise ArgumentError(message("Ftrl", f"{what} needs to be positive or zero, got {locals()[what]}"))
        self.learning_rate_power, self.initial_accumulator_value, self.beta = (
            learning_rate_power,
            initial_accumulator_value,
            beta,
        )
        self.l1_regularization_strength, self.l2_regularization_strength = (
            l1_regularization_strength,
            l2_regularization_strength,
        )
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength

    def first_value(self, slot):
        return initializers.Constant(self.initial_accumulator_value) if slot == "accumulator" else "zeros"

    def numbers(self, variable):
        return {
            "lr_power": self.learning_rate_power,
            "l1": self.l1_regularization_strength,
            "l2": self.l2_regularization_strength,
            "shrinkage": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }

    def get_config(self):
        names = (
            "learning_rate_power",
            "initial_accumulator_value",
            "l1_regularization_strength",
            "l2_regularization_strength",
            "l2_shrinkage_regularization_strength",
            "beta",
        )
        return {**super().get_config(), **{n: getattr(self, n) for n in names}}


# -- orthogonalised steps
# --------------------------------------------------------------------------------------------------


def muon(p, g, s, *, lr, t, adam_numbers, ratio, momentum, nesterov, rms_rate, ns_steps, coefficients):
    if "velocity" in s:
        return adam(p, g, s, lr=lr * ratio, t=t, amsgrad=False, **dict(adam_numbers))
    m = s["momentum"] * momentum + g
    move = orthogonalised(g + m * momentum if nesterov else m, coefficients, ns_steps)
    scale = 1.0 if rms_rate is None else math.sqrt(max(p.shape)) * rms_rate
    return p - move * (lr * scale), {"momentum": m}


def orthogonalised(x: Value, coefficients: tuple, steps: int) -> Value:
    """Near-orthogonal matrix by Newton-Schulz iteration (Jordan 2024)."""
    a, b, c = coefficients
    tall = x.shape[-2] > x.shape[-1]
    x = transpose(x, -1, -2) if tall else x
    x = x / (e.sqrt(reduce.sum(x * x)) + 1e-7)
    for _ in range(steps):
        square = matmul(x, transpose(x, -1, -2))
        x = x * a + matmul(square * b + matmul(square * c, square), x)
    return transpose(x, -1, -2) if tall else x


class Muon(Optimizer):
    """Momentum with orthogonalised steps for matrices, Adam for all other weights (Jordan 2024)."""

    formula = staticmethod(muon)

    def __init__(
        self,
        learning_rate=0.001,
        adam_beta_1=0.9,
        adam_beta_2=0.999,
        adam_weight_decay=0.004,
        epsilon=1e-7,
        weight_decay=0.004,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name="muon",
        exclude_layers=None,
        exclude_embeddings=True,
        muon_a=3.4445,
        muon_b=-4.7750,
        muon_c=2.0315,
        adam_lr_ratio=1,
        momentum=0.95,
        ns_steps=5,
        nesterov=True,
        rms_rate=0.2,
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.adam_beta_1, self.adam_beta_2, self.adam_weight_decay, self.epsilon = (
            adam_beta_1,
            adam_beta_2,
            adam_weight_decay,
            epsilon,
        )
        self.exclude_layers, self.exclude_embeddings = exclude_layers or [], exclude_embeddings
        self.muon_a, self.muon_b, self.muon_c, self.adam_lr_ratio = muon_a, muon_b, muon_c, adam_lr_ratio
        self.momentum, self.ns_steps, self.nesterov, self.rms_rate = momentum, ns_steps, nesterov, rms_rate

    def _should_use_adamw(self, variable) -> bool:
        path = getattr(variable, "path", "")
        return (
            len(variable.shape) != 2 or (self.exclude_embeddings and "embedding" in path.lower())
            or any(re.search(k, path) for k in self.exclude_layers)
        )  # fmt: skip

    def names_for(self, variable):
        return ("momentum", "velocity") if self._should_use_adamw(variable) else ("momentum",)

    def decay_for(self, v):
        decay = self.adam_weight_decay if self._should_use_adamw(v) else self.weight_decay
        return decay if decay and self._use_weight_decay(v) else None

    def numbers(self, variable):
        adam_numbers = (("beta_1", self.adam_beta_1), ("beta_2", self.adam_beta_2), ("epsilon", self.epsilon))
        return {
            "adam_numbers": adam_numbers,
            "ratio": self.adam_lr_ratio,
            "momentum": self.momentum,
            "nesterov": self.nesterov,
            "rms_rate": self.rms_rate,
            "ns_steps": self.ns_steps,
            "coefficients": (self.muon_a, self.muon_b, self.muon_c),
        }

    def get_config(self):
        names = (
            "adam_beta_1",
            "adam_beta_2",
            "epsilon",
            "exclude_layers",
            "muon_a",
            "muon_b",
            "muon_c",
            "adam_lr_ratio",
            "momentum",
            "ns_steps",
            "nesterov",
            "exclude_embeddings",
            "adam_weight_decay",
            "rms_rate",
        )
        return {**super().get_config(), **{n: getattr(self, n) for n in names}}


for _kind in (
    SGD,
    Adam,
    AdamW,
    Adamax,
    Nadam,
    Lamb,
    Lion,
    ScheduleFreeAdamW,
    RMSprop,
    Adagrad,
    Adadelta,
    Adafactor,
    Ftrl,
    Muon,
):
    TABLE.add(_kind, _kind.__name__.lower())
