"""Normalisation: values brought to mean 0 and variance 1 over some dims, then scaled and shifted.

Means and variances are computed in two passes; whoever compiles them fuses both with what follows.
"""

from __future__ import annotations

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops import elementwise
from dovetail.ops.dims import Shape, numel, sizes_of, with_ones
from dovetail.ops.front import front
from dovetail.ops.promote import cast, constant, filled, need_float, placed
from dovetail.ops.shape import padded, reshaped
from dovetail.tensor.op import op


class Moments:
    """Mean and reciprocal deviation over `dims`, kept with size 1; halves are summed in float32."""

    def __init__(self, x: Value, dims: Shape, eps: float):
        self.x, self.dims = in_float(x), dims
        kept = with_ones(x.shape, dims)
        n = numel(x.shape[d] for d in dims)
        total = p.reduce_sum(self.x, dims=dims)
        self.mean = total / filled(total, n)
        self.centred = self.x - spread(self.mean, kept, x.shape)
        squares = p.reduce_sum(self.centred * self.centred, dims=dims)
        self.var = squares / filled(squares, n)
        self.rstd = p.rsqrt(self.var + filled(self.var, eps))
        self.normal = self.centred * spread(self.rstd, kept, x.shape)


def in_float(x: Value) -> Value:
    return cast(x, dtypes.float32) if x.dtype.itemsize == 2 else x


def spread(x: Value, kept: Shape, shape: Shape) -> Value:
    """A folded value over the dims it was folded from."""
    return p.broadcast(p.reshape(x, shape=kept), shape=shape, dims=tuple(range(len(shape))))


def along(x: Value, shape: Shape, dims: Shape, dtype: DType) -> Value:
    """A weight placed on `dims` of a shape."""
    return p.broadcast(cast(x, dtype), shape=shape, dims=dims)


# --- over the last dims -----------------------------------------------------------------------------------------------


def last_dims(call: str, x: Value, normalized_shape, **weights: Value | None) -> Shape:
    """The dims that normalized_shape names. Raises ShapeError unless they are the input's last ones."""
    wanted = sizes_of(call, tuple(normalized_shape) if not isinstance(normalized_shape, int) else (normalized_shape,))
    facts = [("input", x), *((n, w) for n, w in weights.items() if w is not None)]
    if not wanted or x.shape[len(x.shape) - len(wanted) :] != wanted:
        problem = (
            f"Given normalized_shape={list(wanted)}, expected input with shape [*, "
            f"{', '.join(map(str, wanted))}], but got {tuple(x.shape)}"
        )
        raise ShapeError(
            message(
                call,
                problem,
                facts,
                f"normalized_shape must be the input's last sizes, e.g. ({x.shape[-1] if x.shape else 1},)",
            )
        )
    for name, w in weights.items():
        if w is not None and w.shape != wanted:
            raise ShapeError(message(call, f"{name} must have the shape normalized_shape={wanted}", facts))
    return tuple(range(x.ndim - len(wanted), x.ndim))


@op(functional=True)
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05, cudnn_enable=True):
    """Each sample brought to mean 0 and variance 1 over its last dims, then weight and bias. Source: Ba et al. 2016.

    Shape: (*, *normalized_shape) -> the same
    """
    return layer_normed(input, normalized_shape, weight, bias, eps)[0]


def layer_normed(x: Value, normalized_shape, weight, bias, eps: float) -> tuple[Value, Moments]:
    need_float("layer_norm", x)
    dims = last_dims("layer_norm", x, normalized_shape, weight=weight, bias=bias)
    moments = Moments(x, dims, eps)
    return cast(affine(moments.normal, weight, bias, dims), x.dtype), moments


def affine(x: Value, weight: Value | None, bias: Value | None, dims: Shape) -> Value:
    """weight * x + bias on `dims`."""
    if weight is not None:
        x = x * along(weight, x.shape, dims, x.dtype)
    return x if bias is None else x + along(bias, x.shape, dims, x.dtype)


@op()
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """(layer_norm, mean, 1 / deviation), the last two with size 1 at the normalised dims."""
    out, m = layer_normed(input, normalized_shape, weight, bias, eps)
    kept = with_ones(input.shape, m.dims)
    return out, p.reshape(m.mean, shape=kept), p.reshape(m.rstd, shape=kept)


@op(functional=True)
def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Each sample divided by the root of its mean square over the last dims. Source: Zhang & Sennrich 2019."""
    need_float("rms_norm", input)
    dims = last_dims("rms_norm", input, normalized_shape, weight=weight)
    x = in_float(input)
    eps = EPSILON[input.dtype.name] if eps is None else eps
    n = numel(x.shape[d] for d in dims)
    squares = p.reduce_sum(x * x, dims=dims)
    scale = p.rsqrt(squares / filled(squares, n) + filled(squares, eps))
    out = x * cast(spread(scale, with_ones(x.shape, dims), x.shape), x.dtype)
    return cast(affine(out, weight, None, dims), input.dtype)


EPSILON = {
    "float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52,
    "complex64": 2.0**-23, "complex128": 2.0**-52,
}  # fmt: skip


# --- over groups of channels ------------------------------------------------------------------------------------------


@op(functional=True)
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-05, cudnn_enabled=True):
    """Groups of channels brought to mean 0 and variance 1, then weight and bias for each channel. Source: Wu & He 2018.

    Shape: (N, C, *) -> the same
    """
    return group_normed(input, num_groups, weight, bias, eps)[0]


def group_normed(x: Value, groups: int, weight, bias, eps: float) -> tuple[Value, Moments]:
    need_float("group_norm", x)
    if x.ndim < 2:
        raise ShapeError(message("group_norm", "expected at least 2 dimensions for input tensor", [("input", x)]))
    n, c = x.shape[:2]
    if groups < 1 or c % groups:
        problem = (
            f"expected number of channels in input to be divisible by num_groups, but got {c} channels and "
            f"num_groups={groups}"
        )
        raise ShapeError(message("group_norm", problem, [("input", x)]))
    check_channel_weights("group_norm", x, weight=weight, bias=bias)
    rows = p.reshape(x, shape=(n, groups, numel(x.shape[1:]) // groups))
    moments = Moments(rows, (2,), eps)
    normal = p.reshape(moments.normal, shape=x.shape)
    return cast(affine(normal, weight, bias, (1,)), x.dtype), moments


def check_channel_weights(call: str, x: Value, **weights: Value | None) -> None:
    for name, w in weights.items():
        if w is not None and w.shape != (x.shape[1],):
            problem = f"{name} should contain {x.shape[1]} elements, one for each channel, not {numel(w.shape)}"
            raise ShapeError(message(call, problem, [("input", x), (name, w)], f"num_features must be {x.shape[1]}"))


@op()
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """(group_norm, mean, 1 / deviation), the last two of shape (N, groups)."""
    out, m = group_normed(input, group, weight, bias, eps)
    return out, m.mean, m.rstd


# --- over the batch ---------------------------------------------------------------------------------------------------


@op(top=False, name="batch_norm")
def batch_norm_training(input, weight, bias, eps):
    """(normalised input, mean, variance with Bessel's correction), by the batch's own mean and variance."""
    check_batch("batch_norm", input, weight, bias)
    dims = (0, *range(2, input.ndim))
    n = numel(input.shape[d] for d in dims)
    if n == 1:
        problem = f"expected more than 1 value per channel when training, got input size {tuple(input.shape)}"
        raise ArgumentError(message("batch_norm", problem, [("input", input)], "use a larger batch, or model.eval()"))
    m = Moments(input, dims, eps)
    out = cast(affine(m.normal, weight, bias, (1,)), input.dtype)
    return out, m.mean, m.var * (n / max(n - 1, 1))


def check_batch(call: str, x: Value, weight, bias) -> None:
    need_float(call, x)
    if x.ndim < 2 and numel(x.shape):
        raise ShapeError(message(call, "expects an input (N, C, *)", [("input", x)]))
    if x.ndim > 1:
        check_channel_weights(call, x, weight=weight, bias=bias)


@op(top=False, name="batch_norm_by")
def batch_norm_by(input, mean, var, weight, bias, eps):
    """The input normalised by a given mean and variance for each channel."""
    check_batch("batch_norm", input, weight, bias)
    if input.ndim < 2:
        return p.identity(input)
    check_channel_weights("batch_norm", input, running_mean=mean, running_var=var)
    x = in_float(input)
    scale = p.rsqrt(cast(var, x.dtype) + filled(cast(var, x.dtype), eps))
    scale = scale if weight is None else scale * cast(weight, x.dtype)
    shift = p.neg(cast(mean, x.dtype) * scale)
    shift = shift if bias is None else shift + cast(bias, x.dtype)
    out = x * along(scale, x.shape, (1,), x.dtype) + along(shift, x.shape, (1,), x.dtype)
    return cast(out, input.dtype)


@op(top=False, inplace=True, differentiable=False, scalars=("momentum",))
def running_average(input, new, momentum):
    """(1 - momentum) * input + momentum * new: how running statistics move."""
    share = placed(momentum, input.dtype, input.shape)
    return input * (1 - share) + cast(new, input.dtype) * share


@front(functional=True)
def batch_norm(
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-05,
    cudnn_enabled=True,
):
    """Each channel brought to mean 0 and variance 1 over the batch. Source: Ioffe & Szegedy 2015.

    training: by the batch's own statistics, which also move running_mean and running_var; else by those two.
    Shape: (N, C, *) -> the same
    """
    if not training:
        if running_mean is None or running_var is None:
            raise ArgumentError(
                message("batch_norm", "Expected running_mean and running_var to be defined when training=False")
            )
        return batch_norm_by(input, running_mean, running_var, weight, bias, eps)
    out, mean, var = batch_norm_training(input, weight, bias, eps)
    if not input.numel():
        return out
    if running_mean is not None:
        running_average.inplace(running_mean, mean, momentum)
    if running_var is not None:
        running_average.inplace(running_var, var, momentum)
    return out


@op(top=False, name="instance_norm")
def instance_norm_training(input, weight, bias, eps):
    """(normalised input, mean, variance with Bessel's correction), both averaged over the batch."""
    check_batch("instance_norm", input, weight, bias)
    dims = tuple(range(2, input.ndim))
    n = numel(input.shape[d] for d in dims)
    if n <= 1:
        problem = f"expected more than 1 spatial element when training, got input size {tuple(input.shape)}"
        raise ArgumentError(message("instance_norm", problem, [("input", input)]))
    m = Moments(input, dims, eps)
    out = cast(affine(m.normal, weight, bias, (1,)), input.dtype)
    batch = input.shape[0]
    mean, var = (p.reduce_sum(v, dims=(0,)) / batch for v in (m.mean, m.var * (n / max(n - 1, 1))))
    return out, mean, var


@front(functional=True)
def instance_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-05,
    cudnn_enabled=True,
):  # fmt: skip
    """Each channel of each sample brought to mean 0 and variance 1 over space. Source: Ulyanov et al. 2016."""
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ArgumentError(
                message(
                    "instance_norm", "Expected running_mean and running_var to be defined when use_input_stats=False"
                )
            )
        return batch_norm_by(input, running_mean, running_var, weight, bias, eps)
    out, mean, var = instance_norm_training(input, weight, bias, eps)
    if running_mean is not None:
        running_average.inplace(running_mean, mean, momentum)
    if running_var is not None:
        running_average.inplace(running_var, var, momentum)
    return out


@op()
def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """(batch_norm, mean, 1 / deviation); the running statistics are not moved."""
    if not training:
        none = constant(0, (0,), input.dtype)
        return batch_norm_by(input, running_mean, running_var, weight, bias, eps), none, none
    check_batch("native_batch_norm", input, weight, bias)
    m = Moments(input, (0, *range(2, input.ndim)), eps)
    return cast(affine(m.normal, weight, bias, (1,)), input.dtype), m.mean, m.rstd


@op(functional=True, top=False)
def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """Each element divided by the squares of its neighbours over channels. Source: Krizhevsky et al. 2012."""
    if input.ndim < 3:
        raise ShapeError(
            message(
                "local_response_norm",
                f"expected 3D or higher dimensionality input (got {input.ndim} dimensions)",
                [("input", input)],
            )
        )
    if not numel(input.shape):
        return p.identity(input)
    c = input.shape[1]
    rows = reshaped(input * input, (input.shape[0], c, numel(input.shape[2:])))
    before, behind = min(size // 2, c), min((size - 1) // 2, c)  # further out there are no channels
    rows = padded(rows, (0, before, 0), (0, behind, 0))
    window = (before + 1 + behind, 1)
    windows = p.window_sum(rows, window=window, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1))
    if input.dtype.kind in "iu":  # torch averages whole numbers to whole numbers
        scale = cast(p.floor_divide(windows, filled(windows, size)), dtypes.default_dtype()) * alpha + k
    else:
        scale = windows * (alpha / size) + k
    scale = p.reshape(scale, shape=input.shape)
    wide = cast(scale, dtypes.float64) if input.dtype.kind in "iu" else scale
    return elementwise.div(input, cast(p.pow(wide, filled(wide, beta)), scale.dtype))
