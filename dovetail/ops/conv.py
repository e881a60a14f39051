"""Convolution and transposed convolution over one, two or three dims, as machine learning has them (no kernel flip).

Shape: input (N, C, *sizes) or (C, *sizes), weight (O, C / groups, *taps) -> (N, O, *counts); transposed:
input (N, C, *sizes), weight (C, O / groups, *taps) -> (N, O, *sizes that would give the input's).
"""

from __future__ import annotations

import dovetail.ops.primitives as p
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops.dims import Shape, numel, pair_of
from dovetail.ops.promote import same_dtype
from dovetail.ops.shape import padded, reshaped
from dovetail.tensor.op import op


def with_batch(call: str, x: Value, rank: int) -> tuple[Value, bool]:
    """(N, C, *sizes), and whether the batch dim was added."""
    if x.ndim == rank + 1:
        return p.reshape(x, shape=(1, *x.shape)), True
    if x.ndim != rank + 2:
        problem = f"expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input, got {x.ndim} dims"
        cure = batch_cure(x, rank)
        raise ShapeError(message(call, problem, [("input", x)], cure))
    return x, False


def batch_cure(x: Value, rank: int) -> str:
    """Where the missing dim belongs."""
    if x.ndim == rank:
        return "add the channel dim (and perhaps a batch dim): x.unsqueeze(0)"
    return f"sizes are (N, C, {', '.join('DHW'[3 - rank :])})"


def without_batch(x: Value, added: bool) -> Value:
    return p.reshape(x, shape=x.shape[1:]) if added else x


def check_channels(
    call: str, x: Value, weight: Value, bias: Value | None, channels: int, rank: int, groups: int
) -> None:
    """Channels of input, weight and bias must agree; channels-last images are recognised."""
    facts = [("input", x), ("weight", weight)]
    if weight.ndim != rank + 2:
        raise ShapeError(message(call, f"the weight needs {rank + 2} dims, it has {weight.ndim}", facts))
    if groups < 1:
        raise ArgumentError(
            message(call, f"groups must be positive, got {groups} (non-positive groups is not supported)", facts)
        )
    have = x.shape[-rank - 1]
    if have != channels:
        problem = (
            f"the input has {have} channels (dim 1), the weight takes {channels} input channels "
            f"(in_channels={channels})"
        )
        raise ShapeError(message(call, problem, facts, channel_cure(x, channels, rank)))
    if bias is not None and bias.ndim != 1:
        raise ShapeError(message(call, "the bias must have 1 dim", [*facts, ("bias", bias)]))


def channel_cure(x: Value, channels: int, rank: int) -> str:
    """Permute channels-last input, add a forgotten dim, or build the layer for this many channels."""
    if x.shape[-1] == channels:
        batched = x.ndim == rank + 2
        order = (0, rank + 1, *range(1, rank + 1)) if batched else (rank, *range(rank))
        order_text = ", ".join(str(d) for d in order)
        return (
            "the channels seem to come last (height, width, channels: NHWC); move them to the front: "
            f"x.permute({order_text})"
        )
    if channels == 1 and x.ndim == rank + 1:
        return "a batch without its channel dim? add it: x.unsqueeze(1)"
    return f"in_channels={x.shape[-rank - 1]} would fit this input"


def paddings(call: str, padding, taps: Shape, stride, dilation) -> tuple[tuple[int, int], ...]:
    """A (low, high) pair for each dim, from numbers, "valid" or "same"."""
    rank = len(taps)
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * rank
        if padding != "same":
            raise ArgumentError(message(call, f"padding must be numbers, 'valid' or 'same', got {padding!r}"))
        if any(s != 1 for s in stride):
            raise ArgumentError(message(call, "padding='same' is not supported for strided convolutions"))
        spare = [d * (k - 1) for k, d in zip(taps, dilation, strict=True)]
        return tuple((n // 2, n - n // 2) for n in spare)
    pads = pair_of(call, padding, rank, "padding")
    if any(n < 0 for n in pads):
        raise ArgumentError(message(call, f"negative padding is not supported, got {pads}"))
    return tuple((n, n) for n in pads)


def settings_of(call: str, rank: int, stride, dilation) -> tuple[tuple, tuple]:
    stride, dilation = pair_of(call, stride, rank, "stride"), pair_of(call, dilation, rank, "dilation")
    if any(s < 1 for s in stride):
        raise ArgumentError(message(call, f"non-positive stride is not supported, got {stride}"))
    if any(d < 1 for d in dilation):
        raise ArgumentError(message(call, f"dilation should be greater than zero, got {dilation}"))
    return stride, dilation


def need_room(call: str, x: Value, taps: Shape, pads, dilation) -> None:
    """The padded input must hold one window."""
    rank = len(taps)
    padded_sizes = tuple(n + low + high for n, (low, high) in zip(x.shape[-rank:], pads, strict=True))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(taps, dilation, strict=True))
    if any(k > n for k, n in zip(reach, padded_sizes, strict=True)):
        problem = (
            f"the kernel spans {reach}, the padded input only {padded_sizes} (Kernel size can't be greater "
            "than actual input size)"
        )
        raise ShapeError(message(call, problem, [("input", x)], "pad more, or pool less before this layer"))


def with_bias(out: Value, bias: Value | None) -> Value:
    """Channels (dim 1) shifted by the bias."""
    return out if bias is None else out + p.broadcast(bias, shape=out.shape, dims=(1,))


def convolved(call: str, rank: int, input, weight, bias, stride, padding, dilation, groups) -> Value:
    check_channels(call, input, weight, bias, weight.shape[1] * groups if weight.ndim > 1 else 0, rank, groups)
    same_dtype(call, ("input", input), ("weight", weight), ("bias", bias))
    x, added = with_batch(call, input, rank)
    stride, dilation = settings_of(call, rank, stride, dilation)
    taps = weight.shape[2:]
    pads = paddings(call, padding, taps, stride, dilation)
    need_room(call, x, taps, pads, dilation)
    if weight.shape[0] % groups:
        problem = f"{weight.shape[0]} output channels do not divide into {groups} groups"
        raise ShapeError(message(call, problem, [("input", input), ("weight", weight)]))
    out = p.conv(x, weight, stride=stride, padding=pads, dilation=dilation, groups=groups)
    return without_batch(with_bias(out, bias), added)


@op(functional=True)
def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution along one dim. Shape: (N, C, L), weight (O, C / groups, k) -> (N, O, L')"""
    return convolved("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@op(functional=True)
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution over images. Shape: (N, C, H, W), weight (O, C / groups, kh, kw) -> (N, O, H', W')

    Raises: ShapeError if the channels do not fit, or the kernel is larger than the padded image.
    """
    return convolved("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@op(functional=True)
def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution over volumes. Shape: (N, C, D, H, W), weight (O, C / groups, kd, kh, kw) -> (N, O, D', H', W')"""
    return convolved("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


@op()
def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """Convolution with everything named: any rank, plain or transposed."""
    rank = weight.ndim - 2
    if transposed:
        return unconvolved("convolution", rank, input, weight, bias, stride, padding, output_padding, groups, dilation)
    return convolved("convolution", rank, input, weight, bias, stride, padding, dilation, groups)


def unconvolved(call: str, rank: int, input, weight, bias, stride, padding, output_padding, groups, dilation) -> Value:
    """The adjoint of a convolution: what its gradient does to its result."""
    check_channels(call, input, weight, bias, weight.shape[0], rank, groups)
    same_dtype(call, ("input", input), ("weight", weight), ("bias", bias))
    x, added = with_batch(call, input, rank)
    stride, dilation = settings_of(call, rank, stride, dilation)
    pads = pair_of(call, padding, rank, "padding")
    extra = pair_of(call, output_padding, rank, "output_padding")
    taps = weight.shape[2:]
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        problem = f"output padding {extra} must be smaller than either stride {stride} or dilation {dilation}"
        raise ArgumentError(message(call, problem))
    full = tuple((n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(x.shape[2:], stride, dilation, taps, strict=True))
    size = tuple(n - 2 * q + e for n, q, e in zip(full, pads, extra, strict=True))
    if any(n < 1 for n in size):
        problem = f"given input size per channel {x.shape[2:]}, the output size {size} would be too small"
        raise ShapeError(message(call, problem, [("input", input), ("weight", weight)]))
    if all(e < s for e, s in zip(extra, stride, strict=True)):
        both = tuple((q, q) for q in pads)
        out = p.conv_input_grad(x, weight, size=size, stride=stride, padding=both, dilation=dilation, groups=groups)
    else:
        none = ((0, 0),) * rank
        out = p.conv_input_grad(x, weight, size=full, stride=stride, padding=none, dilation=dilation, groups=groups)
        out = cropped(out, full, size, pads)
    return without_batch(with_bias(out, bias), added)


def cropped(out: Value, full: Shape, size: Shape, low: Shape) -> Value:
    """`size` elements from `low` on in each of the last dims, zeros behind the end."""
    over = [max(a + n - f, 0) for a, n, f in zip(low, size, full, strict=True)]
    out = padded(out, (0,) * out.ndim, (0, 0, *over))
    starts = (0, 0, *low)
    stops = (*out.shape[:2], *(a + n for a, n in zip(low, size, strict=True)))
    return p.slice(out, starts=starts, stops=stops, steps=(1,) * out.ndim)


@op(functional=True)
def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Transposed convolution along one dim. Shape: (N, C, L), weight (C, O / groups, k) -> (N, O, L')"""
    return unconvolved("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@op(functional=True)
def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Transposed convolution over images. Shape: (N, C, H, W), weight (C, O / groups, kh, kw) -> (N, O, H', W')"""
    return unconvolved("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@op(functional=True)
def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Transposed convolution over volumes. Shape: (N, C, D, H, W) -> (N, O, D', H', W')"""
    return unconvolved("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


@op(functional=True)
def conv_tbc(input, weight, bias, pad=0):
    """Convolution along time, channels last. Shape: (T, B, C), weight (k, C, O) -> (T', B, O)"""
    x = p.transpose(input, perm=(1, 2, 0))
    w = p.transpose(weight, perm=(2, 1, 0))
    out = convolved("conv_tbc", 1, x, w, bias, 1, pad, 1, 1)
    return p.transpose(out, perm=(2, 0, 1))


# --- the windows themselves -------------------------------------------------------------------------------------------


@op(functional=True, top=False, name="unfold")
def image_patches(input, kernel_size, dilation=1, padding=0, stride=1):
    """Patches of images as columns. Shape: (N, C, H, W) -> (N, C kh kw, patches)"""
    if input.ndim not in (3, 4):
        raise ShapeError(message("unfold", "expected 3D or 4D (batch mode) input", [("input", input)]))
    x, added = with_batch("unfold", input, 2)
    settings = patch_settings("unfold", kernel_size, dilation, padding, stride)
    need_room("unfold", x, settings["window"], settings["padding"], settings["dilation"])
    out = p.windows(x, **settings)  # (N, C, kh, kw, rows, columns)
    n, c = x.shape[:2]
    taps = numel(settings["window"])
    return without_batch(p.reshape(out, shape=(n, c * taps, numel(out.shape[4:]))), added)


def patch_settings(call: str, kernel_size, dilation, padding, stride) -> dict:
    window = pair_of(call, kernel_size, 2, "kernel_size")
    stride, dilation = settings_of(call, 2, stride, dilation)
    pads = tuple((n, n) for n in pair_of(call, padding, 2, "padding"))
    if any(k < 1 for k in window):
        raise ArgumentError(message(call, f"kernel size should be greater than zero, got {window}"))
    return {"window": window, "stride": stride, "padding": pads, "dilation": dilation}


@op(functional=True, top=False)
def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Columns added up to images: the adjoint of unfold. Shape: (N, C kh kw, patches) -> (N, C, H, W)"""
    size = pair_of("fold", output_size, 2, "output_size")
    settings = patch_settings("fold", kernel_size, dilation, padding, stride)
    if input.ndim not in (2, 3):
        raise ShapeError(message("fold", "expected 2D or 3D (batch mode) tensor for input", [("input", input)]))
    x = p.reshape(input, shape=(1, *input.shape)) if input.ndim == 2 else input
    window = settings["window"]
    counts = tuple(
        (n + low + high - d * (k - 1) - 1) // s + 1
        for n, k, s, (low, high), d in zip(
            size, window, settings["stride"], settings["padding"], settings["dilation"], strict=True
        )
    )
    taps = numel(window)
    if x.shape[1] % taps or x.shape[2] != numel(counts) or any(n < 1 for n in counts):
        problem = f"expected (N, C * {taps}, {numel(counts)}) for output size {size}, kernel {window}: {counts} patches"
        raise ShapeError(message("fold", problem, [("input", input)]))
    patches = p.reshape(x, shape=(x.shape[0], x.shape[1] // taps, *window, *counts))
    out = p.windows_grad(patches, size=size, **settings)
    return without_batch(out, input.ndim == 2)


# --- channels and places exchanged ------------------------------------------------------------------------------------


@op(functional=True)
def pixel_shuffle(input, upscale_factor):
    """Channels spread over space. Shape: (*, C r², H, W) -> (*, C, H r, W r). Source: Shi et al. 2016."""
    r = upscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-3] % (r * r):
        problem = f"expects at least 3 dims and a number of channels divisible by the square of upscale_factor {r}"
        raise ShapeError(message("pixel_shuffle", problem, [("input", input)]))
    lead, (c, h, w) = input.shape[:-3], input.shape[-3:]
    k = len(lead)
    x = p.reshape(input, shape=(*lead, c // (r * r), r, r, h, w))
    x = p.transpose(x, perm=(*range(k), k, k + 3, k + 1, k + 4, k + 2))
    return p.reshape(x, shape=(*lead, c // (r * r), h * r, w * r))


@op(functional=True)
def pixel_unshuffle(input, downscale_factor):
    """Space gathered into channels. Shape: (*, C, H r, W r) -> (*, C r², H, W)"""
    r = downscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-2] % r or input.shape[-1] % r:
        problem = f"expects at least 3 dims and height and width divisible by downscale_factor {r}"
        raise ShapeError(message("pixel_unshuffle", problem, [("input", input)]))
    lead, (c, h, w) = input.shape[:-3], input.shape[-3:]
    k = len(lead)
    x = p.reshape(input, shape=(*lead, c, h // r, r, w // r, r))
    x = p.transpose(x, perm=(*range(k), k, k + 2, k + 4, k + 1, k + 3))
    return p.reshape(x, shape=(*lead, c * r * r, h // r, w // r))


@op(functional=True, also=("native_channel_shuffle",))
def channel_shuffle(input, groups):
    """Channels of several groups interleaved. Shape: (N, C, *) -> (N, C, *). Source: Zhang et al. 2017."""
    if input.ndim < 3 or groups < 1 or input.shape[1] % groups:
        problem = f"expects (N, C, *) with a number of channels divisible by groups {groups}"
        raise ShapeError(message("channel_shuffle", problem, [("input", input)]))
    n, c = input.shape[:2]
    x = reshaped(input, (n, groups, c // groups, *input.shape[2:]))
    x = p.transpose(x, perm=(0, 2, 1, *range(3, x.ndim)))
    return reshaped(x, input.shape)
