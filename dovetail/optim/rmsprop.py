"""RMSprop (Tieleman & Hinton 2012), with momentum and the centered form (Graves 2013)."""

from __future__ import annotations

from dovetail.optim.formulas import is_zero, mixed, pulled
from dovetail.optim.optimizer import Optimizer, check, number_state
from dovetail.prims import elementwise as e
from dovetail.tensor.tensor import Tensor


def rmsprop_rule(p, g, state, *, lr, alpha, eps, weight_decay, momentum, centered, maximize, eps_inside=False):
    """g over the root of its running mean square. eps_inside: Keras adds eps under the root, torch after it."""
    g = pulled(p, g, weight_decay, maximize)
    v = state["square_avg"] * alpha + g * g * (1.0 - alpha)
    new = {"square_avg": v}
    if "step" in state:
        new["step"] = state["step"] + 1.0
    if centered:
        new["grad_avg"] = mean = mixed(state["grad_avg"], g, 1.0 - alpha)
        v = v - mean * mean
    root = e.sqrt(v + eps) if eps_inside else e.sqrt(v) + eps
    if is_zero(momentum):
        return p - g / root * lr, new
    new["momentum_buffer"] = b = state["momentum_buffer"] * momentum + g / root
    return p - b * lr, new


class RMSprop(Optimizer):
    """Steps scaled by the root of a running mean of squared gradients.

    alpha: share kept of that mean. centered: by the running variance instead. capturable, foreach, differentiable:
    accepted; every step is fused. Source: torch.optim.RMSprop.
    """

    rule = staticmethod(rmsprop_rule)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        for name, value in (
            ("learning rate", lr),
            ("epsilon value", eps),
            ("momentum value", momentum),
            ("weight_decay value", weight_decay),
            ("alpha value", alpha),
        ):
            check(name, value)
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                alpha=alpha,
                eps=eps,
                centered=centered,
                weight_decay=weight_decay,
                capturable=capturable,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
            ),
        )

    def numbers(self, group):
        scalars = {k: group[k] for k in ("lr", "alpha", "eps", "weight_decay", "momentum")}
        return scalars, {"centered": group["centered"], "maximize": group["maximize"]}

    def first_state(self, p, group):
        state = {"step": number_state(), "square_avg": Tensor.zeros_like(p)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = Tensor.zeros_like(p)
        if group["centered"]:
            state["grad_avg"] = Tensor.zeros_like(p)
        return state
