"""Functions of layers, activations and losses.

This file is a door, written by tools/doors.py; run it after adding or renaming an op.
"""

# ruff: noqa: A004, E501, I001, F401
from dovetail.ops import activation as activation_ops
from dovetail.ops import elementwise as elementwise_ops
from dovetail.ops.activation import (
    celu, elu, gelu, glu, hardshrink, hardsigmoid, hardswish, hardtanh, leaky_relu, log_softmax, logsigmoid, mish,
    normalize, prelu, relu, relu6, selu, silu, softmax, softmin, softplus, softshrink, softsign, tanhshrink, threshold,
)
from dovetail.ops.elementwise import sigmoid, tanh
from dovetail.ops.index import embedding
from dovetail.ops.matmul import bilinear, linear
from dovetail.ops.random import (
    alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout, gumbel_softmax, rrelu,
)
celu_ = activation_ops.celu.inplace
elu_ = activation_ops.elu.inplace
hardtanh_ = activation_ops.hardtanh.inplace
leaky_relu_ = activation_ops.leaky_relu.inplace
relu_ = activation_ops.relu.inplace
selu_ = activation_ops.selu.inplace
threshold_ = activation_ops.threshold.inplace
sigmoid_ = elementwise_ops.sigmoid.inplace
tanh_ = elementwise_ops.tanh.inplace

__all__ = [
    "alpha_dropout", "bilinear", "celu", "celu_", "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "elu_",
    "embedding", "feature_alpha_dropout", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish",
    "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "linear", "log_softmax", "logsigmoid", "mish", "normalize",
    "prelu", "relu", "relu6", "relu_", "rrelu", "selu", "selu_", "sigmoid", "sigmoid_", "silu", "softmax", "softmin",
    "softplus", "softshrink", "softsign", "tanh", "tanh_", "tanhshrink", "threshold", "threshold_",
]
