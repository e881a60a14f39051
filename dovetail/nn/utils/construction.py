"""Modules made without first values, and weights in other memory orders."""

from __future__ import annotations

from typing import Any

from dovetail.nn.module import Module


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """Make a module whose values will be set later; here making one costs little, so they are drawn anyway."""
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    return module_cls(*args, **kwargs)


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """Accepted: the compiler chooses the order of a weight in memory by itself."""
    return module


def convert_conv3d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """Accepted: the compiler chooses the order of a weight in memory by itself."""
    return module
