"""The focal loss: easy examples count little."""

from __future__ import annotations

from dovetail.nn import functional as F
from dovetail.tensor.tensor import Tensor
from dovetail.vision.ops.boxes import reduced


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Tensor:
    """Binary cross entropy with logits, times (1 - p of the right answer) ** gamma.

    alpha: weight of the positive examples (1 - alpha of the negative ones); below zero for none.
    Shape: (*), (*) -> (*) or ()
    Raises: ArgumentError if the reduction is not none, mean or sum.
    Source: Lin et al. 2017, arXiv:1708.02002.
    """
    p = inputs.sigmoid()
    right = p * targets + (1 - p) * (1 - targets)
    loss = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none") * (1 - right) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return reduced(loss, reduction, "sigmoid_focal_loss")
