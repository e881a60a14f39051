"""Adafactor (Shazeer & Stern 2018): second moments of matrices kept as one row and one column."""

from __future__ import annotations

from dovetail.base.errors import ArgumentError
from dovetail.optim.formulas import bounded, counted, mixed, norm, shrunk
from dovetail.optim.optimizer import Optimizer, check, number_state
from dovetail.prims import elementwise as e
from dovetail.prims.reduce import reduce_sum
from dovetail.prims.shape import reshape
from dovetail.prims.sugar import matmul, operands, power
from dovetail.tensor.tensor import Tensor

RESOLUTION = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}  # the step after 1


def kept_mean(x, dim: int):
    """The mean along `dim`, which stays with size one."""
    d = dim % x.ndim
    total = reduce_sum(x, dims=(d,))
    return reshape(total, shape=x.shape[:d] + (1,) + x.shape[d + 1 :]) * (1.0 / max(x.shape[d], 1))


def adafactor_rule(p, g, state, *, lr, beta2_decay, eps2, d, weight_decay, eps1, maximize):
    """Shazeer & Stern 2018, algorithm 4, with the step relative to the parameter's root mean square."""
    g = -g if maximize else g
    t, step = counted(state)
    share = e.cast(power(t, beta2_decay), p.dtype)
    rate = e.minimum(*operands(lr, 1.0 / e.sqrt(t)))
    size = p.numel**0.5
    alpha = bounded(norm(p) * (1.0 / size), eps2) * rate
    p = shrunk(p, lr, weight_decay)
    new = {"step": step}
    if g.ndim > 1:
        new["row_var"] = row = mixed(state["row_var"], kept_mean(g * g, -1), share)
        new["col_var"] = column = mixed(state["col_var"], kept_mean(g * g, -2), share)
        variance = matmul(row, column) / bounded(kept_mean(row, -2), eps1)
    else:
        new["variance"] = variance = mixed(state["variance"], g * g, share)
    move = g * e.rsqrt(bounded(variance, eps1 * eps1))
    limit = bounded(norm(move) * (1.0 / (size * d)), 1.0)
    return p - move * (alpha / limit), new


class Adafactor(Optimizer):
    """Adam-like steps with little memory. foreach: accepted. Source: torch.optim.Adafactor.

    eps: (floor of the second moments, None for the dtype's; floor of the parameter's root mean square).
    d: largest root mean square of a step before it is scaled down.
    """

    rule = staticmethod(adafactor_rule)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check("learning rate", lr)
        if beta2_decay > 0.0:
            raise ArgumentError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None:
            check("epsilon1", eps[0])
        check("epsilon2", eps[1])
        if d < 1.0:
            raise ArgumentError(f"Clipping threshold d should be >= 1 but is: {d}")
        check("weight_decay", weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                beta2_decay=beta2_decay,
                eps=eps,
                d=d,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
            ),
        )

    def numbers(self, group):
        scalars = {k: group[k] for k in ("lr", "beta2_decay", "d", "weight_decay")} | {"eps2": group["eps"][1]}
        return scalars, {"maximize": group["maximize"]}

    def flags_for(self, p, state, group):
        given = group["eps"][0]
        return {"eps1": RESOLUTION[p.dtype.name] if given is None else given}

    def first_state(self, p, group):
        state = {"step": number_state()}
        if p.ndim > 1:
            state["row_var"] = Tensor.zeros_like(Tensor.empty((*p.shape[:-1], 1), p.dtype))
            state["col_var"] = Tensor.zeros_like(Tensor.empty((*p.shape[:-2], 1, p.shape[-1]), p.dtype))
        else:
            state["variance"] = Tensor.zeros_like(p)
        return state
