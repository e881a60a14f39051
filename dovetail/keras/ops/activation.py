"""Activations as Keras defines them. Each is one op; `keras.activations` and `keras.ops` show them.

Shape of every function here: (*) -> (*), except glu, which halves one axis.
"""

from __future__ import annotations

from typing import Any

import dovetail.ops.primitives as p
from dovetail.ir.core import Value
from dovetail.keras.ops.convert import floating, tensor
from dovetail.keras.symbolic import symbolic
from dovetail.ops import activation as a
from dovetail.ops import elementwise as e
from dovetail.ops import reduce
from dovetail.ops.promote import filled, literal
from dovetail.ops.sort import sort
from dovetail.tensor.op import op
from dovetail.tensor.tensor import Tensor


@op(top=False, name="shaped_relu")
def shaped_relu(input: Value, negative_slope: float, max_value, threshold: float) -> Value:
    """Keras's ReLU: x above the threshold, cut at max_value, negative_slope * (x - threshold) below."""
    below = None
    if negative_slope:
        below = (a.relu(threshold - input) if threshold else a.relu(-input)) * negative_slope
    if threshold:
        top = p.where(p.gt(input, filled(input, threshold)), input, filled(input, 0))
    else:
        top = a.relu(input)
    if max_value is not None:
        top = e.clamp(top, 0.0, max_value)
    return top if below is None else top - below


@symbolic
def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0):
    """max(x, 0); with settings: cut at `max_value`, moved to `threshold`, sloped below it.

    >>> relu([-1.0, 2.0]).numpy()
    array([0., 2.], dtype=float32)
    """
    x = tensor(x)
    if negative_slope == 0.0 and max_value is None and threshold == 0.0:
        return a.relu(x)
    if max_value is None and threshold == 0.0:
        return a.leaky_relu(x, float(negative_slope))
    return shaped_relu(x, float(negative_slope), max_value, float(threshold))


@symbolic
def leaky_relu(x: Any, negative_slope: float = 0.2):
    """x, or negative_slope * x where x < 0."""
    return a.leaky_relu(floating(x), float(negative_slope))


@symbolic
def relu6(x: Any):
    """min(max(x, 0), 6)."""
    return a.relu6(tensor(x))


@symbolic
def softmax(x: Any, axis: int | tuple[int, ...] = -1):
    """Exponentials scaled to sum to 1 along `axis` (or several axes together)."""
    x = floating(x)
    if isinstance(axis, (tuple, list)):
        if len(axis) != 1:
            return softmax_over(x, tuple(axis))
        axis = axis[0]
    out = a.softmax(x, int(axis))
    if out.__class__ is Tensor:
        out._keras_logits = x  # crossentropies work from these where they can: no logarithm of a rounded 0
    return out


@op(top=False, name="softmax_over")
def softmax_over(input: Value, axes: tuple) -> Value:
    """Softmax over several axes together."""
    weights = p.exp(input - p.detach(reduce.amax(input, axes, True)))
    return weights / reduce.sum(weights, axes, True)


@symbolic
def log_softmax(x: Any, axis: int | tuple[int, ...] = -1):
    """The logarithm of softmax."""
    x = floating(x)
    if isinstance(axis, (tuple, list)):
        if len(axis) != 1:
            return log_softmax_over(x, tuple(axis))
        axis = axis[0]
    return a.log_softmax(x, int(axis))


@op(top=False, name="log_softmax_over")
def log_softmax_over(input: Value, axes: tuple) -> Value:
    """The logarithm of a softmax over several axes together."""
    centered = input - p.detach(reduce.amax(input, axes, True))
    return centered - p.log(reduce.sum(p.exp(centered), axes, True))


@symbolic
def sigmoid(x: Any):
    """1 / (1 + exp(-x))."""
    x = floating(x)
    out = e.sigmoid(x)
    if out.__class__ is Tensor:
        out._keras_logits = x
    return out


@symbolic
def elu(x: Any, alpha: float = 1.0):
    """x, or alpha * (exp(x) - 1) where x < 0. Source: Clevert et al. 2016."""
    return a.elu(floating(x), float(alpha))


@symbolic
def selu(x: Any):
    """Scaled elu that keeps mean and variance. Source: Klambauer et al. 2017."""
    return a.selu(floating(x))


@symbolic
def celu(x: Any, alpha: float = 1.0):
    """Continuously differentiable elu. Source: Barron 2017."""
    return a.celu(floating(x), float(alpha))


@symbolic
def softplus(x: Any):
    """log(1 + exp(x))."""
    return a.softplus(floating(x))


@symbolic
def softsign(x: Any):
    """x / (1 + |x|)."""
    return a.softsign(floating(x))


@symbolic
def soft_shrink(x: Any, threshold: float = 0.5):
    """x moved towards 0 by the threshold, 0 inside it."""
    return a.softshrink(floating(x), float(threshold))


@symbolic
def hard_shrink(x: Any, threshold: float = 0.5):
    """x outside ±threshold, 0 inside."""
    return a.hardshrink(floating(x), float(threshold))


@symbolic
def threshold(x: Any, threshold: float, default_value: float):
    """x above the threshold, else the default value."""
    return a.threshold(floating(x), float(threshold), float(default_value))


@op(top=False, name="sparse_plus")
def sparse_plus_of(input: Value) -> Value:
    """0 below -1, x above 1, a parabola between."""
    one = filled(input, 1)
    middle = (input + 1) * (input + 1) * 0.25
    return p.where(p.le(input, -one), filled(input, 0), p.where(p.lt(input, one), middle, input))


@symbolic
def sparse_plus(x: Any):
    """0 for x <= -1, x for x >= 1, (x + 1)² / 4 between."""
    return sparse_plus_of(floating(x))


@symbolic
def sparse_sigmoid(x: Any):
    """0 for x <= -1, 1 for x >= 1, (x + 1) / 2 between."""
    return e.clamp((floating(x) + 1.0) * 0.5, 0.0, 1.0)


@symbolic
def silu(x: Any):
    """x * sigmoid(x), also called swish. Source: Ramachandran et al. 2017."""
    return a.silu(floating(x))


swish = silu


@op(top=False, name="squareplus")
def squareplus_of(input: Value, b: float) -> Value:
    """(x + sqrt(x² + b)) / 2."""
    return (input + p.sqrt(input * input + b)) * 0.5


@symbolic
def squareplus(x: Any, b: float = 4):
    """(x + sqrt(x² + b)) / 2. Source: Barron 2021."""
    return squareplus_of(floating(x), float(b))


@symbolic
def gelu(x: Any, approximate: bool = True):
    """x * Φ(x); `approximate` takes tanh for the normal distribution. Source: Hendrycks & Gimpel 2016."""
    return a.gelu(floating(x), "tanh" if approximate else "none")


@symbolic
def glu(x: Any, axis: int = -1):
    """The first half of `axis` times the sigmoid of the second. Source: Dauphin et al. 2017."""
    return a.glu(floating(x), int(axis))


@symbolic
def tanh(x: Any):
    """Hyperbolic tangent."""
    return e.tanh(floating(x))


@symbolic
def tanh_shrink(x: Any):
    """x - tanh(x)."""
    return a.tanhshrink(floating(x))


@symbolic
def hard_tanh(x: Any):
    """x cut to [-1, 1]."""
    return a.hardtanh(floating(x))


@symbolic
def hard_sigmoid(x: Any):
    """x / 6 + 1/2 cut to [0, 1]."""
    return a.hardsigmoid(floating(x))


@symbolic
def hard_silu(x: Any):
    """x * hard_sigmoid(x)."""
    return a.hardswish(floating(x))


hard_swish = hard_silu


@symbolic
def log_sigmoid(x: Any):
    """log(sigmoid(x))."""
    return a.logsigmoid(floating(x))


@symbolic
def mish(x: Any):
    """x * tanh(softplus(x)). Source: Misra 2019."""
    return a.mish(floating(x))


@op(top=False, name="sparsemax")
def sparsemax_of(input: Value, axis: int) -> Value:
    """Sparse probabilities after Martins & Astudillo 2016, with the numbers of Keras 3.15.

    Keras takes the sum of the running sums where the paper's algorithm 1 takes the last of them, so the results need
    not sum to 1. What a Keras program computes is what it must compute here.
    """
    dim = axis % input.ndim
    n = input.shape[dim]
    ordered = sort(input, dim, True)[0]
    sums = p.cumsum(ordered, dim=dim)
    rank = literal([[i + 1.0] for i in range(n)], input.dtype)
    rank = p.reshape(rank, shape=tuple(n if d == dim else 1 for d in range(input.ndim)))
    inside = p.detach(p.convert(1.0 + rank * ordered > sums, dtype=input.dtype))
    count = reduce.sum(inside, dim, True)
    level = (reduce.sum(inside * sums, dim, True) - 1.0) / count
    return a.relu(input - level)


@symbolic
def sparsemax(x: Any, axis: int = -1):
    """Like softmax, but with zeros. Source: Martins & Astudillo 2016."""
    return sparsemax_of(floating(x), int(axis))
