"""torch.autograd.variable: the older word for a tensor with a gradient."""

from __future__ import annotations

from dovetail.tensor.tensor import Tensor

__all__ = ["Variable"]


def Variable(data: Tensor, requires_grad: bool = False) -> Tensor:  # noqa: N802
    """torch's older word for a tensor with a gradient."""
    made = data.detach()
    return made.requires_grad_() if requires_grad else made
