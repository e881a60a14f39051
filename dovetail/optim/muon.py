"""Muon (Jordan et al. 2024): momentum, orthogonalised by Newton-Schulz steps, for hidden layers' matrices."""

from __future__ import annotations

import math

import numpy as np

from dovetail.base.dtypes import bfloat16, float32, float64
from dovetail.base.errors import ArgumentError
from dovetail.optim.formulas import bounded, mixed, norm, shrunk
from dovetail.optim.optimizer import Optimizer, check
from dovetail.prims import elementwise as e
from dovetail.prims.shape import transpose
from dovetail.prims.sugar import matmul
from dovetail.tensor.tensor import Tensor


def rounded(x):
    """The nearest bfloat16, kept in float64.

    torch runs these products in bfloat16 with float32 sums. In float64 their sums are as good as exact, so that the
    rounding does not depend on the order of summation: the interpreter, compiled programs and torch agree to the bit.
    """
    return e.convert(e.convert(e.convert(x, dtype=float32), dtype=bfloat16), dtype=float64)


def flipped(x):
    return transpose(x, perm=(1, 0))


def orthogonalised(g, coefficients: tuple[float, float, float], steps: int, eps: float):
    """A matrix with g's directions and singular values near one, by the quintic Newton-Schulz iteration."""
    a, b, c = (float(np.float32(number)) for number in coefficients)  # torch.addmm takes them so
    tall = g.shape[0] > g.shape[1]
    x = rounded(flipped(g) if tall else g)
    x = rounded(x / bounded(rounded(norm(x)), eps))
    for _ in range(steps):
        gram = rounded(matmul(x, flipped(x)))
        x = rounded(x * a + matmul(rounded(gram * b + matmul(gram, gram) * c), x))
    return e.convert(flipped(x) if tall else x, dtype=g.dtype)


def muon_rule(p, g, state, *, lr, weight_decay, momentum, rate, nesterov, coefficients, ns_steps, eps):
    """rate: by how much the learning rate is scaled for this matrix's shape."""
    b = mixed(state["momentum_buffer"], g, 1.0 - momentum)
    move = orthogonalised(mixed(g, b, momentum) if nesterov else b, coefficients, ns_steps, eps)
    return shrunk(p, lr, weight_decay) - move * (lr * rate), {"momentum_buffer": b}


class Muon(Optimizer):
    """Momentum with orthogonalised steps, for two-dimensional parameters. Source: torch.optim.Muon.

    adjust_lr_fn: "original" scales by sqrt(max(1, rows / columns)), "match_rms_adamw" by 0.2 sqrt(max(rows, columns)).
    Raises: ArgumentError (a ValueError) for a parameter that is no matrix.
    """

    rule = staticmethod(muon_rule)

    def __init__(
        self,
        params,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check("learning rate", lr)
        check("momentum", momentum)
        check("weight decay", weight_decay)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ArgumentError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        if ns_steps >= 100:
            raise ArgumentError("Number of steps must be less than 100 for computational efficiency")
        super().__init__(
            params,
            dict(
                lr=lr,
                weight_decay=weight_decay,
                momentum=momentum,
                nesterov=nesterov,
                ns_coefficients=ns_coefficients,
                eps=eps,
                ns_steps=ns_steps,
                adjust_lr_fn=adjust_lr_fn,
            ),
        )
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ArgumentError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {tuple(p.shape)}"
                    )

    def numbers(self, group):
        flags = {
            "nesterov": group["nesterov"],
            "coefficients": tuple(group["ns_coefficients"]),
            "ns_steps": group["ns_steps"],
            "eps": group["eps"],
        }
        return {k: group[k] for k in ("lr", "weight_decay", "momentum")}, flags

    def flags_for(self, p, state, group):
        rows, columns = p.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            return {"rate": 0.2 * math.sqrt(max(rows, columns))}
        return {"rate": math.sqrt(max(1, rows / columns))}

    def first_state(self, p, group):
        return {"momentum_buffer": Tensor.zeros_like(p)}
