"""Adagrad (Duchi et al. 2011) and Adadelta (Zeiler 2012)."""

from __future__ import annotations

from dovetail.optim.formulas import counted, is_zero, pulled
from dovetail.optim.optimizer import Optimizer, check, number_state
from dovetail.prims import elementwise as e
from dovetail.tensor.tensor import Tensor


def adagrad_rule(p, g, state, *, lr, lr_decay, eps, weight_decay, maximize, eps_inside=False):
    """g over the root of the sum of its squares. eps_inside: Keras adds eps under the root, torch after it."""
    g = pulled(p, g, weight_decay, maximize)
    t, step = counted(state)
    total = state["sum"] + g * g
    rate = lr if is_zero(lr_decay) else lr / (1.0 + (t - 1.0) * lr_decay)
    root = e.sqrt(total + eps) if eps_inside else e.sqrt(total) + eps
    return p - g / root * rate, {"step": step, "sum": total}


class Adagrad(Optimizer):
    """Steps that shrink with the sum of squared gradients. foreach, differentiable, fused: accepted.

    Source: torch.optim.Adagrad.
    """

    rule = staticmethod(adagrad_rule)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        for name, value in (
            ("learning rate", lr),
            ("lr_decay value", lr_decay),
            ("weight_decay value", weight_decay),
            ("initial_accumulator_value value", initial_accumulator_value),
            ("epsilon value", eps),
        ):
            check(name, value)
        super().__init__(
            params,
            dict(
                lr=lr,
                lr_decay=lr_decay,
                eps=eps,
                weight_decay=weight_decay,
                initial_accumulator_value=initial_accumulator_value,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                fused=fused,
            ),
        )
        for group in self.param_groups:  # torch makes this state before the first step
            for p in group["params"]:
                self.state[p] = self.first_state(p, group)

    def numbers(self, group):
        return {k: group[k] for k in ("lr", "lr_decay", "eps", "weight_decay")}, {"maximize": group["maximize"]}

    def first_state(self, p, group):
        total = Tensor.zeros_like(p)
        if group["initial_accumulator_value"]:
            total = total.fill_(group["initial_accumulator_value"])
        return {"step": number_state(), "sum": total}

    def share_memory(self) -> None:
        """Accepted: workers are threads."""


def adadelta_rule(p, g, state, *, lr, rho, eps, weight_decay, maximize):
    """Zeiler 2012, algorithm 1: the root of the mean squared step over that of the mean squared gradient, times g."""
    g = pulled(p, g, weight_decay, maximize)
    v = state["square_avg"] * rho + g * g * (1.0 - rho)
    move = e.sqrt(state["acc_delta"] + eps) / e.sqrt(v + eps) * g
    d = state["acc_delta"] * rho + move * move * (1.0 - rho)
    new = {"square_avg": v, "acc_delta": d}
    if "step" in state:
        new["step"] = state["step"] + 1.0
    return p - move * lr, new


class Adadelta(Optimizer):
    """Steps in the units of the parameter, from running means of squared steps and gradients.

    foreach, capturable, differentiable: accepted. Source: torch.optim.Adadelta.
    """

    rule = staticmethod(adadelta_rule)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check("learning rate", lr)
        check("rho value", rho, high=1.0 + 1e-12)
        check("epsilon value", eps)
        check("weight_decay value", weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                rho=rho,
                eps=eps,
                weight_decay=weight_decay,
                maximize=maximize,
                capturable=capturable,
                foreach=foreach,
                differentiable=differentiable,
            ),
        )

    def numbers(self, group):
        return {k: group[k] for k in ("lr", "rho", "eps", "weight_decay")}, {"maximize": group["maximize"]}

    def first_state(self, p, group):
        return {"step": number_state(), "square_avg": Tensor.zeros_like(p), "acc_delta": Tensor.zeros_like(p)}
