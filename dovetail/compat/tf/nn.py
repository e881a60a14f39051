"""tf.nn: layers as functions."""

from __future__ import annotations

from typing import Any

from dovetail.compat.tf.arrays import ints
from dovetail.compat.tf.math import in_top_k, l2_normalize, log_softmax, softmax, top_k, zero_fraction
from dovetail.compat.tf.named import one
from dovetail.keras import ops
from dovetail.keras import random as keras_random
from dovetail.tensor.tensor import Tensor

relu, relu6, selu = one(ops.relu, "relu"), one(ops.relu6, "relu6"), one(ops.selu, "selu")
sigmoid, tanh = one(ops.sigmoid, "sigmoid"), one(ops.tanh, "tanh")
softplus, softsign, elu = one(ops.softplus, "softplus"), one(ops.softsign, "softsign"), one(ops.elu, "elu")


def silu(features, beta=1.0) -> Any:
    """x sigmoid(beta x)."""
    return ops.silu(features) if beta == 1.0 else features * ops.sigmoid(beta * features)


swish = silu


def gelu(features, approximate=False, name=None) -> Any:
    """The Gaussian error linear unit."""
    return ops.gelu(features, approximate)


def leaky_relu(features, alpha=0.2, name=None) -> Any:
    """x, or alpha x below 0."""
    return ops.leaky_relu(features, alpha)


def bias_add(value, bias, data_format=None, name=None) -> Any:
    """One number added to each channel."""
    if data_format and data_format.startswith("NC"):
        bias = ops.reshape(bias, (-1,) + (1,) * (len(value.shape) - 2))
    return ops.add(value, bias)


def dropout(x, rate, noise_shape=None, seed=None, name=None) -> Any:
    """A share of the elements zeroed, the rest scaled up."""
    return keras_random.dropout(x, float(rate), noise_shape, seed)


def moments(x, axes, shift=None, keepdims=False, name=None) -> tuple[Any, Any]:
    """(mean, variance)."""
    return ops.moments(x, ints(axes), keepdims=keepdims)


def batch_normalization(x, mean, variance, offset, scale, variance_epsilon, name=None) -> Any:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset."""
    factor = ops.rsqrt(variance + variance_epsilon)
    factor = factor if scale is None else factor * scale
    made = (x - mean) * factor
    return made if offset is None else made + offset


def l2_loss(t, name=None) -> Any:
    """Half the sum of squares."""
    return ops.sum(ops.square(t)) / 2


def embedding_lookup(params, ids, max_norm=None, name=None) -> Any:
    """The rows of a table."""
    return ops.take(params, ids, axis=0)


def sigmoid_cross_entropy_with_logits(labels=None, logits=None, name=None) -> Any:
    """The cross-entropy of each element, of raw scores."""
    return ops.maximum(logits, 0) - logits * labels + ops.log1p(ops.exp(-ops.abs(logits)))


def weighted_cross_entropy_with_logits(labels, logits, pos_weight, name=None) -> Any:
    """As sigmoid_cross_entropy_with_logits, with a weight on the positive ones."""
    weight = 1 + (pos_weight - 1) * labels
    return (1 - labels) * logits + weight * (ops.log1p(ops.exp(-ops.abs(logits))) + ops.relu(-logits))


def softmax_cross_entropy_with_logits(labels, logits, axis=-1, name=None) -> Any:
    """The cross-entropy of each row, of raw scores and class probabilities."""
    return -ops.sum(labels * ops.log_softmax(logits, axis=axis), axis=axis)


def sparse_softmax_cross_entropy_with_logits(labels, logits, name=None) -> Any:
    """The cross-entropy of each row, of raw scores and class numbers."""
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def layout(data_format: str | None) -> str:
    """Keras's word for a layout."""
    return "channels_first" if data_format and data_format.startswith("NC") else "channels_last"


def inner(given: Any, rank: int, data_format: str | None) -> Any:
    """Sizes for the inner axes, from a number or from one for each axis."""
    given = ints(given)
    if isinstance(given, tuple) and len(given) == rank + 2:
        given = given[2:] if layout(data_format) == "channels_first" else given[1:-1]
    if isinstance(given, tuple) and len(given) == 1:
        given = given[0]
    return given if given is not None else 1


def convolution_of(rank: int):
    def conv(input, filters, strides=1, padding="VALID", data_format=None, dilations=None, name=None) -> Any:
        return ops.conv(
            input,
            filters,
            strides=inner(strides, rank, data_format),
            padding=padding.lower(),
            data_format=layout(data_format),
            dilation_rate=inner(dilations, rank, data_format),
        )

    conv.__name__ = conv.__qualname__ = f"conv{rank}d"
    conv.__doc__ = f"A convolution over {rank} axes. Source: tf.nn.conv{rank}d."
    return conv


conv1d, conv2d, conv3d = (convolution_of(n) for n in (1, 2, 3))


def convolution(input, filters, strides=None, padding="VALID", data_format=None, dilations=None, name=None) -> Any:
    """A convolution over as many axes as the kernel has."""
    return convolution_of(len(filters.shape) - 2)(input, filters, strides or 1, padding, data_format, dilations)


def depthwise_conv2d(input, filter, strides, padding, data_format=None, dilations=None, name=None) -> Any:
    """A convolution for each channel by itself."""
    return ops.depthwise_conv(
        input,
        filter,
        strides=inner(strides, 2, data_format),
        padding=padding.lower(),
        data_format=layout(data_format),
        dilation_rate=inner(dilations, 2, data_format),
    )


def pooling_of(function: Any, rank: int, word: str):
    def pool(input, ksize, strides, padding="VALID", data_format=None, name=None) -> Any:
        return function(
            input,
            inner(ksize, rank, data_format),
            strides=inner(strides, rank, data_format),
            padding=padding.lower(),
            data_format=layout(data_format),
        )

    pool.__name__ = pool.__qualname__ = word
    return pool


max_pool1d, max_pool2d, max_pool3d = (pooling_of(ops.max_pool, n, f"max_pool{n}d") for n in (1, 2, 3))
avg_pool1d, avg_pool2d, avg_pool3d = (pooling_of(ops.average_pool, n, f"avg_pool{n}d") for n in (1, 2, 3))


def max_pool(input, ksize, strides, padding, data_format=None, name=None) -> Any:
    """The largest element of each window."""
    return pooling_of(ops.max_pool, len(input.shape) - 2, "max_pool")(input, ksize, strides, padding, data_format)


def avg_pool(input, ksize, strides, padding, data_format=None, name=None) -> Any:
    """The mean of each window."""
    return pooling_of(ops.average_pool, len(input.shape) - 2, "avg_pool")(input, ksize, strides, padding, data_format)


def crelu(features, axis=-1, name=None) -> Tensor:
    """relu of x and of -x, one after the other."""
    return ops.relu(ops.concatenate([features, -features], axis=axis))


__all__ = [
    "avg_pool",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_normalization",
    "bias_add",
    "conv1d",
    "conv2d",
    "conv3d",
    "convolution",
    "crelu",
    "depthwise_conv2d",
    "dropout",
    "elu",
    "embedding_lookup",
    "gelu",
    "in_top_k",
    "l2_loss",
    "l2_normalize",
    "leaky_relu",
    "log_softmax",
    "max_pool",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "moments",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "sigmoid_cross_entropy_with_logits",
    "silu",
    "softmax",
    "softmax_cross_entropy_with_logits",
    "softplus",
    "softsign",
    "sparse_softmax_cross_entropy_with_logits",
    "swish",
    "tanh",
    "top_k",
    "weighted_cross_entropy_with_logits",
    "zero_fraction",
]
