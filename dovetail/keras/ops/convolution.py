"""Convolution and pooling with Keras's layouts: channels last (or first), kernels (*taps, in, out), "same" padding as
TensorFlow splits it. Each function is one op over the engine's channels-first primitives.
"""

from __future__ import annotations

from typing import Any

import dovetail.ops.primitives as p
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.keras.config import standardize_data_format
from dovetail.keras.ops.convert import floating, tensor
from dovetail.keras.symbolic import symbolic
from dovetail.ops import pool as pools
from dovetail.ops.promote import cast, constant, expanded
from dovetail.ops.shape import reshaped
from dovetail.prims.conv import conv as conv_prim
from dovetail.prims.conv import conv_input_grad
from dovetail.prims.window import window_max, window_sum
from dovetail.tensor.op import op

Pairs = tuple[tuple[int, int], ...]


def listed(value: Any, rank: int, name: str) -> tuple[int, ...]:
    """One number for each dim."""
    found = (value,) * rank if isinstance(value, int) else tuple(int(n) for n in value)
    if len(found) == 1:
        found *= rank
    if len(found) != rank:
        raise ArgumentError(message(name, f"needs one number or {rank}, got {value!r}"))
    return found


def pads_for(padding: str, sizes: tuple, window: tuple, stride: tuple, dilation: tuple) -> Pairs:
    """(before, after) for each dim; "same" gives ceil(n / stride) positions, the odd element goes to the end."""
    padding = padding.lower()
    reach = [(k - 1) * d for k, d in zip(window, dilation, strict=True)]
    if padding == "valid":
        return ((0, 0),) * len(window)
    if padding == "causal":
        return tuple((r, 0) for r in reach)
    if padding != "same":
        raise ArgumentError(message("padding", f"must be 'valid', 'same' or 'causal', got {padding!r}"))
    found = []
    for n, r, s in zip(sizes, reach, stride, strict=True):
        total = max((-(-n // s) - 1) * s + r + 1 - n, 0)
        found.append((total // 2, total - total // 2))
    return tuple(found)


def channels_first(x: Value, last: bool) -> Value:
    return p.transpose(x, perm=(0, x.ndim - 1, *range(1, x.ndim - 1))) if last else x


def channels_back(x: Value, last: bool) -> Value:
    return p.transpose(x, perm=(0, *range(2, x.ndim), 1)) if last else x


def need_rank(call: str, x: Value, rank: int) -> None:
    if x.ndim != rank + 2:
        raise ShapeError(
            message(
                call,
                f"expected ndim={rank + 2}, found ndim={x.ndim}",
                [("input", x)],
                "The axes are the batch, the sizes and the channels: x[..., None] adds a channel axis",
            )
        )


@op(top=False, name="keras.conv")
def conv_of(
    input: Value, kernel: Value, bias: Value | None, stride: tuple, padding: str, dilation: tuple, last: bool
) -> Value:
    """Shape: (n, *sizes, c), (*taps, c / groups, out) -> (n, *counts, out)"""
    rank = len(stride)
    need_rank("conv", input, rank)
    x, w = channels_first(input, last), cast(kernel, input.dtype)
    w = p.transpose(w, perm=(rank + 1, rank, *range(rank)))
    groups = x.shape[1] // max(w.shape[1], 1)
    if groups * w.shape[1] != x.shape[1] or w.shape[0] % max(groups, 1):
        raise ShapeError(
            message(
                "conv",
                f"the input has {x.shape[1]} channels, the kernel takes {w.shape[1]}",
                [("input", input), ("kernel", kernel)],
            )
        )
    pads = pads_for(padding, x.shape[2:], w.shape[2:], stride, dilation)
    out = channels_back(conv_prim(x, w, stride=stride, padding=pads, dilation=dilation, groups=groups), last)
    return with_bias(out, bias, last)


def with_bias(out: Value, bias: Value | None, last: bool) -> Value:
    if bias is None:
        return out
    return out + p.broadcast(cast(bias, out.dtype), shape=out.shape, dims=(out.ndim - 1 if last else 1,))


@op(top=False, name="keras.depthwise_conv")
def depthwise_of(
    input: Value, kernel: Value, bias: Value | None, stride: tuple, padding: str, dilation: tuple, last: bool
) -> Value:
    """Shape: (n, *sizes, c), (*taps, c, m) -> (n, *counts, c * m)"""
    rank = len(stride)
    need_rank("depthwise_conv", input, rank)
    x, w = channels_first(input, last), cast(kernel, input.dtype)
    w = p.transpose(w, perm=(rank, rank + 1, *range(rank)))
    groups = w.shape[0]
    w = reshaped(w, (w.shape[0] * w.shape[1], 1, *w.shape[2:]))
    if groups != x.shape[1]:
        raise ShapeError(
            message(
                "depthwise_conv",
                f"the input has {x.shape[1]} channels, the kernel takes {groups}",
                [("input", input), ("kernel", kernel)],
            )
        )
    pads = pads_for(padding, x.shape[2:], w.shape[2:], stride, dilation)
    out = conv_prim(x, w, stride=stride, padding=pads, dilation=dilation, groups=groups)
    return with_bias(channels_back(out, last), bias, last)


def transposed_size(n: int, k: int, s: int, d: int, padding: str, extra: int | None) -> int:
    """The length of a transposed convolution's output, as Keras computes it."""
    reach = (k - 1) * d + 1
    if extra is None:
        return n * s + max(reach - s, 0) if padding == "valid" else n * s
    return (n - 1) * s + reach + extra - (0 if padding == "valid" else 2 * (reach // 2))


@op(top=False, name="keras.conv_transpose")
def conv_transpose_of(
    input: Value,
    kernel: Value,
    bias: Value | None,
    stride: tuple,
    padding: str,
    extra: tuple | None,
    dilation: tuple,
    last: bool,
) -> Value:
    """Shape: (n, *sizes, c), (*taps, out, c) -> (n, *larger sizes, out)"""
    rank = len(stride)
    need_rank("conv_transpose", input, rank)
    x, w = channels_first(input, last), cast(kernel, input.dtype)
    w = p.transpose(
        w, perm=(rank + 1, rank, *range(rank))
    )  # (c, out, *taps): the weight of the convolution this reverses
    taps = w.shape[2:]
    full = tuple((n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(x.shape[2:], stride, taps, dilation, strict=True))
    wide = conv_input_grad(x, w, size=full, stride=stride, padding=((0, 0),) * rank, dilation=dilation, groups=1)
    low, sizes = [0, 0], [wide.shape[0], wide.shape[1]]
    for i in range(rank):
        size = transposed_size(
            x.shape[2 + i], taps[i], stride[i], dilation[i], padding.lower(), None if extra is None else extra[i]
        )
        over = full[i] - size
        start = 0
        if padding.lower() == "same":
            start = max(over, 0) // 2 if extra is None else ((taps[i] - 1) * dilation[i] + 1) // 2
        low.append(start)
        sizes.append(size)
    wide = grown(wide, low, sizes)
    out = p.slice(
        wide, starts=tuple(low), stops=tuple(a + n for a, n in zip(low, sizes, strict=True)), steps=(1,) * wide.ndim
    )
    return with_bias(channels_back(out, last), bias, last)


def grown(x: Value, low: list[int], sizes: list[int]) -> Value:
    """Zeros at the end where the wanted part is longer than what there is."""
    high = tuple(max(a + n - m, 0) for a, n, m in zip(low, sizes, x.shape, strict=True))
    return p.pad(x, low=(0,) * x.ndim, high=high, value=0.0) if any(high) else x


@op(top=False, name="keras.max_pool")
def max_pool_of(input: Value, window: tuple, stride: tuple, padding: str, last: bool) -> Value:
    """The largest of each window."""
    need_rank("max_pool", input, len(window))
    x = channels_first(input, last)
    one = (1,) * len(window)
    pads = pads_for(padding, x.shape[2:], window, stride, one)
    return channels_back(window_max(x, window=window, stride=stride, padding=pads, dilation=one)[0], last)


@op(top=False, name="keras.average_pool")
def average_pool_of(input: Value, window: tuple, stride: tuple, padding: str, last: bool) -> Value:
    """The mean of each window; what lies outside does not count."""
    need_rank("average_pool", input, len(window))
    x = channels_first(input, last)
    one = (1,) * len(window)
    pads = pads_for(padding, x.shape[2:], window, stride, one)
    settings = {"window": window, "stride": stride, "padding": pads, "dilation": one}
    total = window_sum(x, **settings)
    if any(a or b for a, b in pads):
        count = window_sum(constant(1, x.shape[2:], x.dtype), **settings)
        return channels_back(total / expanded(count, total.shape), last)
    n = 1
    for k in window:
        n *= k
    return channels_back(total * (1.0 / n), last)


def is_last(data_format: str | None) -> bool:
    return standardize_data_format(data_format) == "channels_last"


@symbolic
def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
):
    """Convolution. Shape: (n, *sizes, c), (*taps, c / groups, out) -> (n, *counts, out)"""
    x, w = floating(inputs), tensor(kernel)
    rank = x.ndim - 2
    return conv_of(
        x,
        w,
        None,
        listed(strides, rank, "strides"),
        padding,
        listed(dilation_rate, rank, "dilation_rate"),
        is_last(data_format),
    )


@symbolic
def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
):
    """Each channel convolved by itself. Shape: (n, *sizes, c), (*taps, c, m) -> (n, *counts, c * m)"""
    x, w = floating(inputs), tensor(kernel)
    rank = x.ndim - 2
    return depthwise_of(
        x,
        w,
        None,
        listed(strides, rank, "strides"),
        padding,
        listed(dilation_rate, rank, "dilation_rate"),
        is_last(data_format),
    )


@symbolic
def separable_conv(inputs: Any, depthwise_kernel: Any, pointwise_kernel: Any, strides: Any = 1, padding: str = "valid",
                   data_format: str | None = None, dilation_rate: Any = 1):  # fmt: skip
    """depthwise_conv, then the channels mixed point by point."""
    mid = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(mid, pointwise_kernel, 1, "valid", data_format)


@symbolic
def conv_transpose(inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", output_padding: Any = None,
                   data_format: str | None = None, dilation_rate: Any = 1):  # fmt: skip
    """The adjoint of a convolution. Shape: (n, *sizes, c), (*taps, out, c) -> (n, *larger sizes, out)"""
    x, w = floating(inputs), tensor(kernel)
    rank = x.ndim - 2
    extra = None if output_padding is None else listed(output_padding, rank, "output_padding")
    return conv_transpose_of(
        x,
        w,
        None,
        listed(strides, rank, "strides"),
        padding,
        extra,
        listed(dilation_rate, rank, "dilation_rate"),
        is_last(data_format),
    )


@symbolic
def max_pool(inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None):
    """The largest of each window."""
    x = tensor(inputs)
    rank = x.ndim - 2
    window = listed(pool_size, rank, "pool_size")
    return max_pool_of(
        x, window, window if strides is None else listed(strides, rank, "strides"), padding, is_last(data_format)
    )


@symbolic
def average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
):
    """The mean of each window."""
    x = floating(inputs)
    rank = x.ndim - 2
    window = listed(pool_size, rank, "pool_size")
    return average_pool_of(
        x, window, window if strides is None else listed(strides, rank, "strides"), padding, is_last(data_format)
    )


@op(top=False, name="keras.adaptive_pool")
def adaptive_of(input: Value, size: tuple, largest: bool, last: bool) -> Value:
    """Means or largest of nearly equal parts."""
    x = channels_first(input, last)
    rank = len(size)
    if rank not in (1, 2, 3) or x.ndim != rank + 2:
        problem = f"takes batches of channels with 1 to 3 spatial dims, got an input of rank {x.ndim}"
        raise ShapeError(message("adaptive_pool", problem, [("input", input)]))
    if largest:
        pooled = {1: pools.adaptive_max_pool1d, 2: pools.adaptive_max_pool2d, 3: pools.adaptive_max_pool3d}[rank](
            x, size
        )
    else:
        pooled = {1: pools.adaptive_avg_pool1d, 2: pools.adaptive_avg_pool2d, 3: pools.adaptive_avg_pool3d}[rank](
            x, size
        )
    return channels_back(pooled, last)


@symbolic
def adaptive_average_pool(inputs: Any, output_size: Any, data_format: str | None = None):
    """Means of parts, so many that the output has this size."""
    x = floating(inputs)
    return adaptive_of(x, listed(output_size, x.ndim - 2, "output_size"), False, is_last(data_format))


@symbolic
def adaptive_max_pool(inputs: Any, output_size: Any, data_format: str | None = None):
    """The largest of parts, so many that the output has this size."""
    x = tensor(inputs)
    return adaptive_of(x, listed(output_size, x.ndim - 2, "output_size"), True, is_last(data_format))
