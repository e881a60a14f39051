"""Starting values that several models share."""

from __future__ import annotations

from dovetail import nn
from dovetail.nn import init


def start_convolutions(model: nn.Module, mode: str = "fan_out") -> None:
    """He's normal values for convolutions, ones and zeros for normalizations.

    Source: He et al. 2015, arXiv:1502.01852, as torchvision's models start.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)


def start_linear(model: nn.Module, std: float = 0.01) -> None:
    """Normal values for the fully connected layers, zeros for their biases."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            init.normal_(module.weight, 0, std)
            init.zeros_(module.bias)
