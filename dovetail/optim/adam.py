"""Adam (Kingma & Ba 2015), AMSGrad (Reddi et al. 2018) and AdamW (Loshchilov & Hutter 2019)."""

from __future__ import annotations

from dovetail.optim.formulas import bias_correction, counted, larger, mixed, pulled, shrunk
from dovetail.optim.optimizer import Optimizer, check, number_state
from dovetail.prims import elementwise as e
from dovetail.tensor.tensor import Tensor


def adam_rule(
    p,
    g,
    state,
    *,
    lr,
    beta1,
    beta2,
    eps,
    weight_decay,
    amsgrad=False,
    maximize=False,
    decoupled=False,
    eps_inside=False,
):
    """Kingma & Ba 2015, algorithm 1. eps_inside: Keras adds eps before the bias correction, torch after it."""
    if decoupled:
        p, g = shrunk(p, lr, weight_decay), -g if maximize else g
    else:
        g = pulled(p, g, weight_decay, maximize)
    t, step = counted(state)
    m = mixed(state["exp_avg"], g, 1.0 - beta1)
    v = state["exp_avg_sq"] * beta2 + g * g * (1.0 - beta2)
    new = {"step": step, "exp_avg": m, "exp_avg_sq": v}
    if amsgrad:
        new["max_exp_avg_sq"] = v = larger(state["max_exp_avg_sq"], v)
    fix1, root2 = bias_correction(beta1, t), e.sqrt(bias_correction(beta2, t))
    if eps_inside:
        return p - m * (lr * root2 / fix1) / (e.sqrt(v) + eps), new
    return p - m * (lr / fix1) / (e.sqrt(v) * (1.0 / root2) + eps), new


class Adam(Optimizer):
    """Adaptive moment estimation: each element's step is scaled by a running mean of its squared gradient.

    betas: shares kept of the running means of gradient and squared gradient; eps: added to the root.
    amsgrad: divide by the largest mean so far. decoupled_weight_decay: as AdamW.
    foreach, capturable, differentiable, fused: accepted; every step is fused. Source: torch.optim.Adam.
    """

    rule = staticmethod(adam_rule)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check("learning rate", lr)
        check("epsilon value", eps)
        check("beta parameter at index 0", betas[0], high=1.0)
        check("beta parameter at index 1", betas[1], high=1.0)
        check("weight_decay value", weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                amsgrad=amsgrad,
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                differentiable=differentiable,
                fused=fused,
                decoupled_weight_decay=decoupled_weight_decay,
            ),
        )

    def __setstate__(self, state) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for key, value in (
                ("amsgrad", False),
                ("maximize", False),
                ("foreach", None),
                ("capturable", False),
                ("differentiable", False),
                ("fused", None),
                ("decoupled_weight_decay", False),
            ):
                group.setdefault(key, value)

    def numbers(self, group):
        beta1, beta2 = group["betas"]
        scalars = {
            "lr": group["lr"],
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
        }
        flags = {
            "amsgrad": group["amsgrad"],
            "maximize": group["maximize"],
            "decoupled": group["decoupled_weight_decay"],
        }
        return scalars, flags

    def first_state(self, p, group):
        state = {"step": number_state(), "exp_avg": Tensor.zeros_like(p), "exp_avg_sq": Tensor.zeros_like(p)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = Tensor.zeros_like(p)
        return state


class AdamW(Adam):
    """Adam with decoupled weight decay: parameters shrink by lr * weight_decay, apart from the gradient.

    Source: torch.optim.AdamW.
    """

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
