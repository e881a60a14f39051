"""Calls whose state comes in as values and goes out as values: Keras's functional style."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.tensor.tensor import Tensor


def call_with_values(layer: Any, trainable: list, others: list, args: tuple, kwargs: dict, with_losses: bool) -> tuple:
    """(outputs, the other variables' values afterwards[, losses]); the layer's own state stays as it is."""
    mine, theirs = layer.trainable_variables, layer.non_trainable_variables
    for name, given, wanted in (("trainable_variables", trainable, mine), ("non_trainable_variables", others, theirs)):
        if len(given) != len(wanted):
            raise ArgumentError(message("stateless_call", f"{name} has {len(given)} values, the layer {len(wanted)}"))
    variables = [*mine, *theirs]
    kept = [v.numpy() for v in variables]
    try:
        for v, value in zip(variables, [*trainable, *others], strict=True):
            if value is not v:
                v.assign(value)
        outputs = layer(*args, **kwargs)
        losses = layer.losses if with_losses else None
        after = [Tensor.from_data(v.numpy()) for v in theirs]
    finally:
        for v, value in zip(variables, kept, strict=True):
            v.assign(value)
    return (outputs, after, losses) if with_losses else (outputs, after)
