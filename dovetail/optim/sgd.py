"""Stochastic gradient descent, with momentum (Polyak 1964) and Nesterov's form (Sutskever et al. 2013)."""

from __future__ import annotations

from dovetail.base.errors import ArgumentError
from dovetail.optim.formulas import is_zero, pulled
from dovetail.optim.optimizer import Optimizer, check
from dovetail.tensor.tensor import Tensor


def sgd_rule(p, g, state, *, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    """p - lr * b, where b = momentum * b + (1 - dampening) * g; the first b is g itself."""
    g = pulled(p, g, weight_decay, maximize)
    if "momentum_buffer" not in state:
        return p - g * lr, {}
    taken = g if first or is_zero(dampening) else g * (1.0 - dampening)
    b = taken if first else state["momentum_buffer"] * momentum + taken
    move = g + b * momentum if nesterov else b
    return p - move * lr, {"momentum_buffer": b}


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

    >>> import dovetail
    >>> w = dovetail.tensor([1.0], requires_grad=True)
    >>> opt = SGD([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w
    tensor([0.], requires_grad=True)

    foreach, differentiable, fused: accepted; every step is fused. Source: torch.optim.SGD.
    """

    rule = staticmethod(sgd_rule)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check("learning rate", lr)
        check("momentum value", momentum)
        check("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ArgumentError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                dampening=dampening,
                weight_decay=weight_decay,
                nesterov=nesterov,
                maximize=maximize,
                foreach=foreach,
                differentiable=differentiable,
                fused=fused,
            ),
        )

    def __setstate__(self, state) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for key, value in (
                ("nesterov", False),
                ("maximize", False),
                ("foreach", None),
                ("differentiable", False),
                ("fused", False),
            ):
                group.setdefault(key, value)

    def numbers(self, group):
        scalars = {k: group[k] for k in ("lr", "momentum", "dampening", "weight_decay")}
        return scalars, {"nesterov": group["nesterov"], "maximize": group["maximize"], "first": False}

    def flags_for(self, p, state, group):
        if group["momentum"] == 0:
            if state:
                state.clear()
            return {}
        if state.get("momentum_buffer") is None:
            state["momentum_buffer"] = Tensor.zeros_like(p)
            # With zeros before it, the first step differs from the later ones only by the dampening.
            return {"first": True} if group["dampening"] != 0 else {}
        return {}
