"""Activation functions and softmax: what stands between the linear parts of a network.

Shape of every op here: (*) -> (*).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import dovetail.ops.primitives as p
from dovetail.autodiff.gradient import gradients, with_gradient
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops import elementwise, reduce
from dovetail.ops.dims import one_dim, with_ones
from dovetail.ops.promote import cast, expanded, filled, floating, is_number, need_float, placed, refuse_bool
from dovetail.ops.shape import section
from dovetail.tensor.op import op


@op(method=True, functional=True, inplace=True)
def relu(input, inplace=False):
    """max(x, 0); the gradient at 0 is 0."""
    refuse_bool("relu", input, "")
    zero = filled(input, 0)
    return p.where(p.le(input, zero), zero, input)


@op(functional=True, top=False, inplace=True, scalars=("min_val", "max_val"))
def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x kept between two bounds; the gradient on a bound is 0."""
    if is_number(min_val) and is_number(max_val) and min_val > max_val:
        raise ArgumentError(message("hardtanh", f"min_val cannot be greater than max_val, got {min_val} and {max_val}"))
    low, high = placed(min_val, input.dtype, input.shape), placed(max_val, input.dtype, input.shape)
    return p.where(p.le(input, low), low, p.where(p.ge(input, high), high, input))


@op(functional=True, top=False)
def relu6(input, inplace=False):
    """x kept between 0 and 6."""
    return hardtanh(input, 0.0, 6.0)


@op(functional=True, top=False, inplace=True)
def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where positive, negative_slope * x elsewhere."""
    return p.where(p.gt(input, filled(input, 0)), input, input * filled(input, negative_slope))


@op(method=True, functional=True)
def prelu(input, weight):
    """Leaky relu whose slope is learned: one number, or one for each channel (dim 1)."""
    if weight.ndim == 1 and weight.shape[0] != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.shape[0] != channels:
            problem = f"weight has {weight.shape[0]} slopes for {channels} channels (dim 1)"
            raise ShapeError(message("prelu", problem, [("input", input), ("weight", weight)]))
        weight = p.reshape(weight, shape=(1, channels) + (1,) * (input.ndim - 2))
    elif weight.ndim == 1:
        weight = p.reshape(weight, shape=(1,) * input.ndim)
    slope = expanded(weight, input.shape)
    return p.where(p.gt(input, filled(input, 0)), input, slope * input)


@op(functional=True, inplace=True)
def elu(input, alpha=1.0, inplace=False):
    """x where positive, alpha * (exp(x) - 1) elsewhere. Source: Clevert et al. 2015."""
    return exponential_unit(input, alpha, 1.0, 1.0)


def exponential_unit(x: Value, alpha: float, scale: float, rate: float) -> Value:
    """scale * x where positive, scale * alpha * (exp(rate x) - 1) elsewhere."""
    zero = filled(x, 0)
    positive = p.gt(x, zero)
    below = p.expm1(p.where(positive, zero, x) * filled(x, rate)) * filled(x, alpha)
    out = p.where(positive, x, below)
    return out if scale == 1.0 else out * filled(x, scale)


@op(functional=True, inplace=True)
def selu(input, inplace=False):
    """Scaled elu that keeps mean and variance. Source: Klambauer et al. 2017."""
    return exponential_unit(input, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)


@op(functional=True, inplace=True)
def celu(input, alpha=1.0, inplace=False):
    """Elu that is smooth for every alpha: alpha * (exp(x / alpha) - 1). Source: Barron 2017."""
    if alpha == 0:
        raise ArgumentError(message("celu", "alpha cannot be 0 (ZeroDivisionError)"))
    return exponential_unit(input, alpha, 1.0, 1.0 / alpha)


def with_slope(f: Callable[[Value], Value], x: Value) -> Value:
    """f(x) of each element, with the gradient g * f'(x), where f' is made of x alone.

    A compiled step then computes the slope beside f, where x is at hand, and keeps it alone for backward instead of
    everything that f went through (benchmark nanogpt_train: three of four arrays less).
    """

    def rule(gs: tuple, outs: tuple, x: Value) -> tuple:
        (slope,) = gradients([f(x)], [filled(x, 1)], [x])
        return (gs[0] * slope,)

    return with_gradient([f(x)], [x], rule)[0]


@op(functional=True, top=False)
def gelu(input, approximate="none"):
    """x times the normal distribution's share below x. Source: Hendrycks & Gimpel 2016."""
    need_float("gelu", input)
    if approximate == "none":
        return with_slope(lambda x: x * (0.5 + 0.5 * p.erf(x * math.sqrt(0.5))), input)
    if approximate != "tanh":
        raise ArgumentError(message("gelu", f"approximate argument must be either none or tanh, got {approximate!r}"))
    scale = math.sqrt(2 / math.pi)
    return with_slope(lambda x: 0.5 * x * (1 + p.tanh(scale * (x + 0.044715 * (x * x * x)))), input)


@op(functional=True, top=False)
def silu(input, inplace=False):
    """x * sigmoid(x), also called swish."""
    return with_slope(lambda x: x * p.sigmoid(x), floating(input))


@op(functional=True, top=False)
def mish(input, inplace=False):
    """x * tanh(softplus(x)). Source: Misra 2019."""
    return with_slope(lambda x: x * p.tanh(softplus(x)), input)


@op(functional=True, top=False)
def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + exp(beta x)) / beta; beyond `threshold` it is x itself."""
    need_float("softplus", input)
    scaled = input * filled(input, beta) if beta != 1 else input
    beyond = p.gt(scaled, filled(scaled, threshold))
    soft = p.log1p(p.exp(p.where(beyond, filled(scaled, 0), scaled)))
    return p.where(beyond, input, soft / filled(soft, beta) if beta != 1 else soft)


@op(functional=True, top=False)
def softsign(input):
    """x / (1 + |x|)."""
    x = floating(input)
    return x / (1 + p.abs(x))


@op(functional=True, top=False)
def tanhshrink(input):
    """x - tanh(x)."""
    x = floating(input)
    return x - p.tanh(x)


@op(functional=True, top=False)
def softshrink(input, lambd=0.5):
    """x moved towards 0 by lambd; 0 inside."""
    if lambd < 0:
        raise ArgumentError(message("softshrink", f"lambda must be greater or equal to 0, but found to be {lambd}"))
    edge = filled(input, lambd)
    inside = p.where(p.lt(input, p.neg(edge)), input + edge, input * filled(input, 0))
    return p.where(p.gt(input, edge), input - edge, inside)


@op(method=True, functional=True)
def hardshrink(input, lambd=0.5):
    """x where |x| > lambd, else 0."""
    edge = filled(input, lambd)
    inside = p.bitwise_and(p.le(input, edge), p.ge(input, p.neg(edge)))
    return p.where(inside, filled(input, 0), input)


@op(functional=True, inplace=True)
def threshold(input, threshold, value, inplace=False):
    """x where above a threshold, `value` elsewhere."""
    return p.where(p.le(input, filled(input, threshold)), filled(input, value), input)


@op(functional=True, top=False)
def hardsigmoid(input, inplace=False):
    """x / 6 + 1/2 kept between 0 and 1. Source: Howard et al. 2019."""
    need_float("hardsigmoid", input)
    return hardtanh(input + 3, 0.0, 6.0) / 6


@op(functional=True, top=False)
def hardswish(input, inplace=False):
    """x * hardsigmoid(x). Source: Howard et al. 2019."""
    need_float("hardswish", input)
    inner = hardtanh(input + 3, 0.0, 6.0) / 6
    return p.where(
        p.le(input, filled(input, -3)), filled(input, 0), p.where(p.ge(input, filled(input, 3)), input, input * inner)
    )


@op(functional=True, top=False)
def logsigmoid(input):
    """log(sigmoid(x)), exact for large |x|."""
    x = floating(input)
    low = p.where(p.lt(x, filled(x, 0)), x, filled(x, 0))
    return low - p.log1p(p.exp(p.neg(p.abs(x))))


@op(functional=True, top=False)
def glu(input, dim=-1):
    """The first half along `dim` times the sigmoid of the second. Source: Dauphin et al. 2017."""
    at = one_dim("glu", dim, input.ndim, input)
    if not input.shape or input.shape[at] % 2:
        size = input.shape[at] if input.shape else 0
        raise ShapeError(
            message("glu", f"Halving dimension must be even, but dimension {at} is size {size}", [("input", input)])
        )
    half = input.shape[at] // 2
    return section(input, at, 0, half) * p.sigmoid(section(input, at, half, 2 * half))


# --- softmax ----------------------------------------------------------------------------------------------------------


def softmax_input(call: str, input: Value, dim, dtype) -> tuple[Value, int]:
    """(input in a floating-point dtype, dim); torch's old rule where no dim is named."""
    x = input if dtype is None else cast(input, dtypes.as_dtype(dtype))
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
    at = one_dim(call, dim, x.ndim, x)
    need_float(call, x)
    return x, at


def shifted(x: Value, dim: int) -> Value:
    """x minus its largest element along `dim`, so that exp never overflows."""
    top = p.detach(p.reduce_max(x, dims=(dim,)))
    return x - expanded(p.reshape(top, shape=with_ones(x.shape, (dim,))), x.shape)


def softmax_of(x: Value, dim: int) -> Value:
    if not x.shape:
        return p.exp(x - x)  # 1, with a gradient of 0
    if not x.shape[dim]:
        return p.identity(x)
    weights = p.exp(shifted(x, dim))
    # one division a row, as torch has it
    return weights * reduce.restored(p.reciprocal(p.reduce_sum(weights, dims=(dim,))), x.shape, (dim,))


def log_softmax_of(x: Value, dim: int) -> Value:
    if not x.shape:
        return x - x
    if not x.shape[dim]:
        return p.identity(x)
    low = shifted(x, dim)
    return low - reduce.restored(p.log(p.reduce_sum(p.exp(low), dims=(dim,))), x.shape, (dim,))


@op(method=True, functional=True, also=("special.softmax",))
def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """Exponentials of `input`, scaled to sum to one along `dim`.

    Shape: (*, n, *) -> (*, n, *)
    Raises: DimError if `dim` is outside the rank; DTypeError for whole numbers.
    """
    if _stacklevel is not None and not isinstance(_stacklevel, int):
        dtype = _stacklevel  # torch.softmax(x, dim, dtype): the method has no _stacklevel
    return softmax_of(*softmax_input("softmax", input, dim, dtype))


@op(method=True, functional=True, also=("special.log_softmax",))
def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """log(softmax(input)), exact where softmax is nearly 0.

    Shape: (*, n, *) -> (*, n, *)
    """
    if _stacklevel is not None and not isinstance(_stacklevel, int):
        dtype = _stacklevel
    return log_softmax_of(*softmax_input("log_softmax", input, dim, dtype))


@op(functional=True, top=False)
def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(-input)."""
    x, at = softmax_input("softmin", input, dim, dtype)
    return softmax_of(p.neg(x), at)


@op(functional=True, top=False)
def normalize(input, p=2.0, dim=1, eps=1e-12):
    """Vectors along `dim` scaled to length 1; shorter than `eps` they are divided by eps."""
    length = reduce.vector_norm_value(
        "normalize", input, p, reduce.some_dims("normalize", dim, input.ndim, input), True
    )
    return input / expanded(elementwise.clamp_min(length, eps), input.shape)
