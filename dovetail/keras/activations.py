"""keras.activations: functions by name, with the defaults of Keras's activations where keras.ops has others."""

from __future__ import annotations

from typing import Any

from dovetail.keras.lookup import deserialize as deserialize_object
from dovetail.keras.lookup import got, serialize_entry, table
from dovetail.keras.ops import activation as ops
from dovetail.keras.ops.activation import (
    celu,
    elu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    tanh,
    tanh_shrink,
    threshold,
)
from dovetail.keras.ops.convert import floating
from dovetail.keras.symbolic import symbolic
from dovetail.ops.elementwise import exp

TABLE = table("activation", "keras.activations")


def linear(x: Any):
    """x itself."""
    return x


@symbolic
def exponential(x: Any):
    """e to the power of x."""
    return exp(floating(x))


def gelu(x: Any, approximate: bool = False):
    """x * Φ(x). Source: Hendrycks & Gimpel 2016."""
    return ops.gelu(x, approximate=approximate)


swish, hard_swish = silu, hard_silu

for _function in (
    relu,
    leaky_relu,
    relu6,
    softmax,
    celu,
    elu,
    selu,
    softplus,
    softsign,
    squareplus,
    soft_shrink,
    sparse_plus,
    silu,
    gelu,
    glu,
    tanh,
    tanh_shrink,
    threshold,
    sigmoid,
    sparse_sigmoid,
    exponential,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    hard_shrink,
    linear,
    mish,
    log_softmax,
    log_sigmoid,
    sparsemax,
):
    TABLE.add(_function)
TABLE.entries.update(swish=silu, hard_swish=hard_silu)


def get(identifier):
    """An activation from a name, a config, a function or a layer; None is linear."""
    return linear if identifier is None else got(TABLE, identifier, "activations.get")


def serialize(activation) -> Any:
    """The name of an activation of ours; the config of any other."""
    return serialize_entry(TABLE, activation)


def deserialize(config, custom_objects=None):
    """The activation that a name or config stands for."""
    return deserialize_object(config, custom_objects, TABLE)


__all__ = [
    "celu", "deserialize", "elu", "exponential", "gelu", "get", "glu", "hard_shrink", "hard_sigmoid", "hard_silu",
    "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu",
    "serialize", "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid",
    "sparsemax", "squareplus", "swish", "tanh", "tanh_shrink", "threshold",
]  # fmt: skip
