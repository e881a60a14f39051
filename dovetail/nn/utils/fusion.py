"""Batch norm folded into the layer before it, for evaluation. Names are torch.nn.utils.fusion's."""

from __future__ import annotations

import copy

from dovetail.nn.module import Module
from dovetail.nn.parameter import Parameter
from dovetail.tensor.tensor import Tensor


def folded(
    weight: Tensor, bias, mean, var, eps: float, bn_weight, bn_bias, shape: list[int]
) -> tuple[Parameter, Parameter]:
    """Weight and bias of one affine map that does both."""
    scale = (var + eps).rsqrt() if bn_weight is None else bn_weight * (var + eps).rsqrt()
    shift = (-mean if bias is None else bias - mean) * scale
    made = weight * scale.reshape(shape)
    shift = shift if bn_bias is None else shift + bn_bias
    return Parameter(made.detach(), weight.requires_grad), Parameter(shift.detach(), bias is None or bias.requires_grad)


def fuse_conv_bn_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose: bool = False):
    """Weight and bias of a convolution with the batch norm behind it folded in."""
    shape = [1, -1] if transpose else [-1, 1]
    return folded(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape + [1] * (conv_w.ndim - 2))


def fuse_linear_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b):
    """Weight and bias of a linear layer with the batch norm behind it folded in."""
    return folded(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def fuse_conv_bn_eval(conv: Module, bn: Module, transpose: bool = False) -> Module:
    """A copy of the convolution that also does what the batch norm does in evaluation."""
    check_eval(conv, bn)
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_linear_bn_eval(linear: Module, bn: Module) -> Module:
    """A copy of the linear layer that also does what the batch norm does in evaluation."""
    check_eval(linear, bn)
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def check_eval(layer: Module, bn: Module) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError("bn.running_mean and bn.running_var must not be None")
