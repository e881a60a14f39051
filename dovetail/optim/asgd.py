"""Averaged stochastic gradient descent (Polyak & Juditsky 1992; Xu 2011)."""

from __future__ import annotations

from dovetail.optim.formulas import bounded, counted, pulled
from dovetail.optim.optimizer import Optimizer, check, number_state
from dovetail.prims import elementwise as e
from dovetail.prims.sugar import power
from dovetail.tensor.tensor import Tensor


def asgd_rule(p, g, state, *, lr, lambd, alpha, t0, weight_decay, maximize):
    """A decaying step along g, and `ax`, the running mean of the parameter from step t0 on."""
    g = pulled(p, g, weight_decay, maximize)
    t, step = counted(state)
    eta, mu = state["eta"], state["mu"]
    p = p * (1.0 - eta * lambd) - g * eta
    ax = state["ax"] + (p - state["ax"]) * mu
    new_eta = lr / power(1.0 + t * (lambd * lr), alpha)
    new_mu = 1.0 / bounded(t - t0, 1.0)
    return p, {"step": step, "eta": e.cast(new_eta, eta.dtype), "mu": e.cast(new_mu, mu.dtype), "ax": ax}


class ASGD(Optimizer):
    """Averaged SGD: state["ax"] holds the average. foreach, differentiable, capturable: accepted.

    Source: torch.optim.ASGD.
    """

    rule = staticmethod(asgd_rule)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check("learning rate", lr)
        check("weight_decay value", weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                lambd=lambd,
                alpha=alpha,
                t0=t0,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def numbers(self, group):
        return {k: group[k] for k in ("lr", "lambd", "alpha", "t0", "weight_decay")}, {"maximize": group["maximize"]}

    def first_state(self, p, group):
        lr = group["lr"]
        eta = number_state(lr.item() if isinstance(lr, Tensor) else lr)
        return {"step": number_state(), "eta": eta, "mu": number_state(1.0), "ax": Tensor.zeros_like(p)}
