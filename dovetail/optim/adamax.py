"""Adam's relatives: Adamax (Kingma & Ba 2015, section 7), NAdam (Dozat 2016) and RAdam (Liu et al. 2020)."""

from __future__ import annotations

from dovetail.optim.formulas import bias_correction, chosen, counted, larger, mixed, power, pulled, shrunk
from dovetail.optim.optimizer import Optimizer, check, number_state
from dovetail.prims import elementwise as e
from dovetail.tensor.tensor import Tensor


def check_betas(lr, betas, eps, weight_decay) -> None:
    check("learning rate", lr)
    check("epsilon value", eps)
    check("beta parameter at index 0", betas[0], high=1.0)
    check("beta parameter at index 1", betas[1], high=1.0)
    check("weight_decay value", weight_decay)


def adamax_rule(p, g, state, *, lr, beta1, beta2, eps, weight_decay, maximize):
    """Kingma & Ba 2015, algorithm 2: the largest decayed |g| instead of the root mean square."""
    g = pulled(p, g, weight_decay, maximize)
    t, step = counted(state)
    m = mixed(state["exp_avg"], g, 1.0 - beta1)
    u = larger(state["exp_inf"] * beta2, e.abs_(g) + eps)
    return p - m / u * (lr / bias_correction(beta1, t)), {"step": step, "exp_avg": m, "exp_inf": u}


class Adamax(Optimizer):
    """Adam with the infinity norm. foreach, capturable, differentiable: accepted. Source: torch.optim.Adamax."""

    rule = staticmethod(adamax_rule)

    def __init__(
        self,
        params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_betas(lr, betas, eps, weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def numbers(self, group):
        beta1, beta2 = group["betas"]
        scalars = {
            "lr": group["lr"],
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
        }
        return scalars, {"maximize": group["maximize"]}

    def first_state(self, p, group):
        return {"step": number_state(), "exp_avg": Tensor.zeros_like(p), "exp_inf": Tensor.zeros_like(p)}


def nadam_rule(p, g, state, *, lr, beta1, beta2, eps, weight_decay, momentum_decay, decoupled, maximize):
    """Dozat 2016: Adam with Nesterov's momentum and a momentum that warms up."""
    if decoupled:
        p, g = shrunk(p, lr, weight_decay), -g if maximize else g
    else:
        g = pulled(p, g, weight_decay, maximize)
    t, step = counted(state)
    mu = beta1 * (1.0 - 0.5 * power(0.96, t * momentum_decay))
    mu_next = beta1 * (1.0 - 0.5 * power(0.96, (t + 1.0) * momentum_decay))
    product = state["mu_product"] * e.cast(mu, state["mu_product"].dtype)
    m = mixed(state["exp_avg"], g, 1.0 - beta1)
    v = state["exp_avg_sq"] * beta2 + g * g * (1.0 - beta2)
    root = e.sqrt(v * (1.0 / bias_correction(beta2, t))) + eps
    wide = e.cast(product, mu.dtype)
    own, ahead = lr * (1.0 - mu) / (1.0 - wide), lr * mu_next / (1.0 - wide * mu_next)
    return p - g / root * own - m / root * ahead, {"step": step, "mu_product": product, "exp_avg": m, "exp_avg_sq": v}


class NAdam(Optimizer):
    """Adam with Nesterov momentum. foreach, capturable, differentiable: accepted. Source: torch.optim.NAdam."""

    rule = staticmethod(nadam_rule)

    def __init__(
        self,
        params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_betas(lr, betas, eps, weight_decay)
        check("momentum_decay value", momentum_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                momentum_decay=momentum_decay,
                decoupled_weight_decay=decoupled_weight_decay,
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                differentiable=differentiable,
            ),
        )

    def numbers(self, group):
        beta1, beta2 = group["betas"]
        scalars = {
            "lr": group["lr"],
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
            "momentum_decay": group["momentum_decay"],
        }
        return scalars, {"decoupled": group["decoupled_weight_decay"], "maximize": group["maximize"]}

    def first_state(self, p, group):
        return {
            "step": number_state(),
            "mu_product": number_state(1.0),
            "exp_avg": Tensor.zeros_like(p),
            "exp_avg_sq": Tensor.zeros_like(p),
        }


def radam_rule(p, g, state, *, lr, beta1, beta2, eps, weight_decay, decoupled, maximize):
    """Liu et al. 2020, algorithm 2: plain momentum until the variance of the adaptive rate is tractable (rho > 5)."""
    if decoupled:
        p, g = shrunk(p, lr, weight_decay), -g if maximize else g
    else:
        g = pulled(p, g, weight_decay, maximize)
    t, step = counted(state)
    m = mixed(state["exp_avg"], g, 1.0 - beta1)
    v = state["exp_avg_sq"] * beta2 + g * g * (1.0 - beta2)
    fix2 = bias_correction(beta2, t)
    longest = 2.0 / (1.0 - beta2) - 1.0
    length = longest - 2.0 * t * power(beta2, t) / fix2
    steady = length > 5.0
    safe = chosen(steady, length, 6.0)  # keeps the root real where its result is not used
    rectified = e.sqrt((safe - 4.0) * (safe - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * safe) * fix2)
    scale = chosen(steady, e.cast(rectified, p.dtype) / (e.sqrt(v) + eps), 1.0)
    return p - m * scale * (lr / bias_correction(beta1, t)), {"step": step, "exp_avg": m, "exp_avg_sq": v}


class RAdam(Optimizer):
    """Adam with rectified first steps. foreach, capturable, differentiable: accepted. Source: torch.optim.RAdam."""

    rule = staticmethod(radam_rule)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_betas(lr, betas, eps, weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                decoupled_weight_decay=decoupled_weight_decay,
                differentiable=differentiable,
            ),
        )

    def numbers(self, group):
        beta1, beta2 = group["betas"]
        scalars = {
            "lr": group["lr"],
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
        }
        return scalars, {"decoupled": group["decoupled_weight_decay"], "maximize": group["maximize"]}

    def first_state(self, p, group):
        return {"step": number_state(), "exp_avg": Tensor.zeros_like(p), "exp_avg_sq": Tensor.zeros_like(p)}
