"""keras.ops: crossentropies, normalizations, attention, one-hot rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import dovetail.ops.primitives as p
from dovetail.base.errors import ShapeError, message
from dovetail.ir.core import Value
from dovetail.keras import loss_formulas as f
from dovetail.keras.config import epsilon as default_epsilon
from dovetail.keras.dtypes import as_dtype
from dovetail.keras.ops import math as m
from dovetail.keras.ops.convert import floating, tensor
from dovetail.keras.symbolic import symbolic
from dovetail.ops import activation, conv, linalg, reduce
from dovetail.ops import elementwise as e
from dovetail.ops import index as indexing
from dovetail.ops import shape as s
from dovetail.ops.attention import scaled_dot_product_attention
from dovetail.ops.promote import cast, expanded
from dovetail.ops.sequence_loss import ctc_each
from dovetail.tensor.op import op
from dovetail.tensor.tensor import Tensor

# -- crossentropies ----------------------------------------------------------------------------------------------------


@symbolic
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False):
    """-(t log(o) + (1 - t) log(1 - o)) for each element."""
    return f.binary_crossentropy_each(tensor(target), floating(output), bool(from_logits), default_epsilon())


@symbolic
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1):
    """Minus the sum of t log(o) over the classes."""
    return f.categorical_crossentropy(tensor(target), floating(output), bool(from_logits), 0.0, axis, default_epsilon())


@symbolic
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1):
    """Minus the log-probability of the class that each target names."""
    return f.sparse_categorical_crossentropy(
        tensor(target), floating(output), bool(from_logits), None, axis, default_epsilon()
    )


@symbolic
def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0):
    """Connectionist temporal classification (Graves et al. 2006), one loss for each sequence.

    Shape: target (n, labels), output (n, steps, classes) of raw scores, lengths (n,) -> (n,)
    """
    logs = s.permute(activation.log_softmax(floating(output), -1), (1, 0, 2))
    whole = as_dtype("int64")
    return ctc_each(
        logs, tensor(target, whole), tensor(output_length, whole), tensor(target_length, whole), int(mask_index)
    )


@symbolic
def ctc_decode(inputs: Any, sequence_lengths: Any, strategy: str = "greedy", beam_width: int = 100, top_paths: int = 1,
               merge_repeated: bool = True, mask_index: int = 0):  # fmt: skip
    """The most likely label of each step, repeats and blanks dropped (-1 fills up); and minus the sum of its scores."""
    scores = np.asarray(tensor(inputs)._array())
    lengths = np.asarray(tensor(sequence_lengths)._array())
    best, peak = scores.argmax(-1), scores.max(-1)
    out = np.full(best.shape, -1, np.int32)
    for i, row in enumerate(best):
        kept = [
            int(k)
            for j, k in enumerate(row[: lengths[i]])
            if not (merge_repeated and j and row[j - 1] == k) and k != mask_index
        ]
        out[i, : len(kept)] = kept
    total = np.array([[-peak[i, : lengths[i]].sum()] for i in range(len(best))], np.float32)
    return Tensor.from_data(out[None]), Tensor.from_data(total)


# -- one-hot -----------------------------------------------------------------------------------------------------------


@op(top=False, differentiable=False, name="one_hot_rows")
def one_hot_rows(input: Value, classes: int, axis: int, dtype) -> Value:
    """1 at the place that each number names; no 1 for numbers outside [0, classes)."""
    at = axis % (input.ndim + 1)
    shape = (*input.shape[:at], classes, *input.shape[at:])
    line = p.reshape(cast(input, as_dtype("int64")), shape=(*input.shape[:at], 1, *input.shape[at:]))
    return cast(p.eq(expanded(line, shape), p.iota(shape=shape, dtype=as_dtype("int64"), dim=at)), dtype)


@symbolic
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False):
    """A row of zeros with a 1 at the place that each number names."""
    return one_hot_rows(tensor(x), int(num_classes), int(axis), as_dtype(dtype))


@symbolic
def multi_hot(
    inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False, **kwargs: Any
):
    """A row for each sample with a 1 at every place that one of its numbers names."""
    x = tensor(inputs)
    classes = num_classes if num_classes is not None else kwargs.get("num_tokens")
    rows = one_hot_rows(x, int(classes), int(axis), as_dtype(dtype))  # type: ignore[arg-type]
    return reduce.amax(rows, 1 if x.ndim > 1 else 0)


# -- normalization -----------------------------------------------------------------------------------------------------


@symbolic
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False):
    """(mean, variance) over the axes."""
    return m.mean(x, axes, keepdims), m.var(x, axes, keepdims)


@op(top=False, name="normalize_by")
def normalize_by(
    input: Value, mean: Value, variance: Value, scale: Value | None, offset: Value | None, axis: int, eps: float
) -> Value:
    """(x - mean) / sqrt(variance + eps) * scale + offset along one axis."""
    dtype = input.dtype if input.dtype.itemsize >= 4 else as_dtype("float32")

    def along(v: Value) -> Value:
        return p.broadcast(cast(v, dtype), shape=input.shape, dims=(axis % input.ndim,))

    factor = p.rsqrt(cast(variance, dtype) + eps)
    if scale is not None:
        factor = factor * cast(scale, dtype)
    out = (cast(input, dtype) - along(mean)) * along(factor)
    return cast(out if offset is None else out + along(offset), input.dtype)


@symbolic
def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
):
    """(x - mean) / sqrt(variance + epsilon) * scale + offset along `axis`."""
    given = [None if v is None else tensor(v) for v in (scale, offset)]
    return normalize_by(floating(x), tensor(mean), tensor(variance), *given, int(axis), float(epsilon))


@op(top=False, name="keras.layer_norm")
def layer_norm_of(input: Value, gamma: Value | None, beta: Value | None, axes: tuple, eps: float, rms: str) -> Value:
    """Mean 0 and variance 1 over the axes, then gamma and beta. rms: "" or "variance" (Keras's rms_scaling)."""
    dtype = input.dtype if input.dtype.itemsize >= 4 else as_dtype("float32")
    x = cast(input, dtype)
    dims = tuple(sorted(a % x.ndim for a in axes))

    def along(v: Value) -> Value:
        v = cast(v, dtype)
        return p.broadcast(v, shape=x.shape, dims=dims) if v.ndim == len(dims) else expanded(v, x.shape)

    mean = reduce.mean(x, dims, True)
    centered = x - mean
    variance = reduce.mean(centered * centered, dims, True)
    if rms:
        centered = x
    out = centered * p.rsqrt(variance + eps)
    out = out if gamma is None else out * along(gamma)
    return cast(out if beta is None else out + along(beta), input.dtype)


@symbolic
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, **kwargs: Any
):
    """Mean 0 and variance 1 over the axes of each sample."""
    dims = (axis,) if isinstance(axis, int) else tuple(axis)
    given = [None if v is None else tensor(v) for v in (gamma, beta)]
    rms = "variance" if kwargs.get("rms_scaling") else ""
    return layer_norm_of(floating(x), *given, dims, default_epsilon() if epsilon is None else float(epsilon), rms)


@op(top=False, name="keras.rms_norm")
def rms_norm_of(input: Value, scale: Value | None, axes: tuple, eps: float) -> Value:
    """x / sqrt(mean x² + eps) * scale."""
    dtype = input.dtype if input.dtype.itemsize >= 4 else as_dtype("float32")
    x = cast(input, dtype)
    dims = tuple(sorted(a % x.ndim for a in axes))
    out = x * p.rsqrt(reduce.mean(x * x, dims, True) + eps)
    if scale is not None:
        scale = cast(scale, dtype)
        out = out * (
            p.broadcast(scale, shape=x.shape, dims=dims) if scale.ndim == len(dims) else expanded(scale, x.shape)
        )
    return cast(out, input.dtype)


@symbolic
def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None):
    """x over its root mean square along the axes."""
    dims = (axis,) if isinstance(axis, int) else tuple(axis)
    return rms_norm_of(
        floating(x),
        None if scale is None else tensor(scale),
        dims,
        default_epsilon() if epsilon is None else float(epsilon),
    )


@op(top=False, name="scaled_to_unit")
def scaled_to_unit(input: Value, axes, eps: float) -> Value:
    """x / |x| along the axes, with 1 / |x| at most 1 / eps."""
    inverse = p.rsqrt(reduce.sum(input * input, axes, True))
    return input * e.clamp(inverse, None, 1.0 / eps)


@symbolic
def normalize(x: Any, axis: Any = -1, order: int = 2, epsilon: float | None = None):
    """x divided by its norm along the axis."""
    x = floating(x)
    eps = default_epsilon() if epsilon is None else float(epsilon)
    if order == 2:
        return scaled_to_unit(x, m.axes(axis), eps)
    length = linalg.vector_norm(x, order, axis, True)
    return x / e.clamp(length, eps)


# -- attention ---------------------------------------------------------------------------------------------------------


@symbolic
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
):
    """softmax(q k / sqrt(depth)) v for each head. Shape: (n, steps, heads, depth) -> (n, query steps, heads, depth of
    v)
    """
    q, k, v = (s.transpose(floating(x), 1, 2) for x in (query, key, value))
    if q.shape[1] != k.shape[1]:
        times = q.shape[1] // k.shape[1]
        k, v = indexing.repeat_interleave(k, times, 1), indexing.repeat_interleave(v, times, 1)
    extra = None
    if mask is not None:
        extra = tensor(mask).to(as_dtype("bool"))
    if bias is not None:
        added = floating(bias)
        extra = added if extra is None else indexing.where(extra, added, -1e9)
    out = scaled_dot_product_attention(q, k, v, extra, 0.0, bool(is_causal), scale)
    return s.transpose(out, 1, 2)


@symbolic
def psnr(x1: Any, x2: Any, max_val: float):
    """Peak signal-to-noise ratio in decibels."""
    a, b = floating(x1), floating(x2)
    if tuple(a.shape) != tuple(b.shape):
        raise ShapeError(message("psnr", "the images must have one shape", [("x1", a), ("x2", b)]))
    return 20 * math.log10(max_val) - 10 * e.log10(reduce.mean(e.square(a - b)))


# -- patches -----------------------------------------------------------------------------------------------------------


@symbolic
def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1):
    """Windows as columns (torch's unfold)."""
    return conv.image_patches(floating(x), kernel_size, dilation, padding, stride)


@symbolic
def fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1):
    """Columns added back as windows (torch's fold)."""
    return conv.fold(floating(x), output_size, kernel_size, dilation, padding, stride)


@symbolic
def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last"):
    """Channels moved into blocks of pixels."""
    x, b = tensor(x), block_size
    if data_format == "channels_first":
        n, c, h, w = x.shape
        x = s.permute(s.reshape(x, (n, b, b, c // b**2, h, w)), (0, 3, 4, 1, 5, 2))
        return s.reshape(x, (n, c // b**2, h * b, w * b))
    n, h, w, c = x.shape
    x = s.permute(s.reshape(x, (n, h, w, b, b, c // b**2)), (0, 1, 3, 2, 4, 5))
    return s.reshape(x, (n, h * b, w * b, c // b**2))


@symbolic
def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last"):
    """Blocks of pixels moved into channels."""
    x, b = tensor(x), block_size
    if data_format == "channels_first":
        n, c, h, w = x.shape
        x = s.permute(s.reshape(x, (n, c, h // b, b, w // b, b)), (0, 3, 5, 1, 2, 4))
        return s.reshape(x, (n, c * b**2, h // b, w // b))
    n, h, w, c = x.shape
    x = s.permute(s.reshape(x, (n, h // b, b, w // b, b, c)), (0, 1, 3, 2, 4, 5))
    return s.reshape(x, (n, h // b, w // b, c * b**2))
