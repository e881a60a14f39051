"""SparseAdam: Adam that leaves alone what got no gradient, for embeddings of which each batch looks up a few rows."""

from __future__ import annotations

from dovetail.base.errors import ArgumentError, message
from dovetail.optim.formulas import bias_correction, counted
from dovetail.optim.optimizer import Optimizer, check, number_state
from dovetail.prims import elementwise as e
from dovetail.prims.reduce import reduce_any
from dovetail.prims.shape import broadcast
from dovetail.prims.sugar import constant_like
from dovetail.tensor.tensor import Tensor


def sparse_adam_rule(p, g, state, *, lr, beta1, beta2, eps, maximize=False):
    """Adam's step for rows whose gradient is not all zero; running means and values of the other rows stay."""
    t, step = counted(state)
    rest = tuple(range(1, g.ndim))
    hit = e.ne(g, constant_like(g, 0.0))
    if rest:
        hit = broadcast(reduce_any(hit, dims=rest), shape=g.shape, dims=(0,))
    g = -g if maximize else g
    m, v = state["exp_avg"], state["exp_avg_sq"]
    m = e.where(hit, m + (g - m) * (1.0 - beta1), m)
    v = e.where(hit, v + (g * g - v) * (1.0 - beta2), v)
    size = lr * e.sqrt(bias_correction(beta2, t)) / bias_correction(beta1, t)
    return e.where(hit, p - m * size / (e.sqrt(v) + eps), p), {"step": step, "exp_avg": m, "exp_avg_sq": v}


class SparseAdam(Optimizer):
    """Adam for embeddings: only the rows that a batch has looked up are changed, and their running means.

    Gradients are dense tensors here; a row counts as looked up where its gradient is not all zero. So it also takes
    parameters whose gradient torch would refuse as dense. maximize: go uphill. Source: torch.optim.SparseAdam.
    """

    rule = staticmethod(sparse_adam_rule)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check("learning rate", lr)
        check("beta parameter at index 0", betas[0], high=1.0)
        check("beta parameter at index 1", betas[1], high=1.0)
        if not 0.0 < eps:
            raise ArgumentError(message("SparseAdam", f"Invalid epsilon value: {eps}"))
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, maximize=maximize))

    def __setstate__(self, state) -> None:
        super().__setstate__(state)
        for own in self.state.values():
            if isinstance(own.get("step"), int):  # how torch keeps it
                own["step"] = number_state(own["step"])

    def numbers(self, group):
        beta1, beta2 = group["betas"]
        scalars = {"lr": group["lr"], "beta1": beta1, "beta2": beta2, "eps": group["eps"]}
        return scalars, {"maximize": group["maximize"]}

    def first_state(self, p, group):
        return {"step": number_state(), "exp_avg": Tensor.zeros_like(p), "exp_avg_sq": Tensor.zeros_like(p)}
