"""Rprop (Riedmiller & Braun 1993): step sizes from the signs of gradients alone."""

from __future__ import annotations

from dovetail.base.errors import ArgumentError
from dovetail.optim.formulas import chosen
from dovetail.optim.optimizer import Optimizer, check, number_state
from dovetail.prims import elementwise as e
from dovetail.prims.sugar import ones_like, operands
from dovetail.tensor.tensor import Tensor


def rprop_rule(p, g, state, *, shrink, grow, smallest, largest, maximize):
    """Steps grow while the gradient keeps its sign, shrink when it turns; a turned gradient counts as zero once."""
    g = -g if maximize else g
    agree = g * state["prev"]
    size = state["step_size"] * chosen(agree > 0.0, grow, chosen(agree < 0.0, shrink, ones_like(agree)))
    size = e.minimum(*operands(e.maximum(*operands(size, smallest)), largest))
    g = chosen(agree < 0.0, 0.0, g)
    return p - e.sign(g) * size, {"step": state["step"] + 1.0, "prev": g, "step_size": size}


class Rprop(Optimizer):
    """Resilient backpropagation, for full batches.

    etas: factors after a turned and a kept sign. step_sizes: smallest and largest step.
    capturable, foreach, differentiable: accepted. Source: torch.optim.Rprop.
    """

    rule = staticmethod(rprop_rule)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check("learning rate", lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ArgumentError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(
            params,
            dict(
                lr=lr,
                etas=etas,
                step_sizes=step_sizes,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def numbers(self, group):
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        return {"shrink": shrink, "grow": grow, "smallest": smallest, "largest": largest}, {
            "maximize": group["maximize"]
        }

    def first_state(self, p, group):
        size = Tensor.zeros_like(p).fill_(group["lr"])
        return {"step": number_state(), "prev": Tensor.zeros_like(p), "step_size": size}
