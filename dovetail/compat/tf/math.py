"""tf.math: functions of numbers, and reductions."""

from __future__ import annotations

import numpy as np

from dovetail.compat.tf.named import one, reduction, two
from dovetail.keras import ops
from dovetail.keras.dtypes import as_dtype, is_float_dtype
from dovetail.keras.ops.convert import tensor
from dovetail.ops import elementwise
from dovetail.tensor.tensor import Tensor

SAME = """abs ceil conj cos cosh erf erfinv exp expm1 floor imag isfinite isinf isnan log log1p logical_not negative
real reciprocal round rsqrt sigmoid sign sin sinh sqrt square tan tanh angle log_sigmoid softsign softplus""".split()
OTHER = {
    "acos": ops.arccos, "acosh": ops.arccosh, "asin": ops.arcsin, "asinh": ops.arcsinh, "atan": ops.arctan,
    "atanh": ops.arctanh, "is_finite": ops.isfinite, "is_inf": ops.isinf, "is_nan": ops.isnan, "rint": ops.round,
}  # fmt: skip
PAIRS = """add subtract multiply maximum minimum equal not_equal less less_equal greater greater_equal logical_and
logical_or logical_xor mod""".split()

for name in SAME:
    if hasattr(ops, name):
        globals()[name] = one(getattr(ops, name), name)
for name, function in OTHER.items():
    globals()[name] = one(function, name)
for name in PAIRS:
    globals()[name] = two(getattr(ops, name), name)
abs, round, negative, mod = globals()["abs"], globals()["round"], globals()["negative"], globals()["mod"]
square, sqrt, log, multiply = (globals()[n] for n in ("square", "sqrt", "log", "multiply"))
divide = truediv = two(ops.true_divide, "truediv")
floordiv, floormod = two(ops.floor_divide, "floordiv"), two(ops.mod, "floormod")
pow, atan2 = two(ops.power, "pow"), two(ops.arctan2, "atan2")
lgamma, digamma = one(elementwise.lgamma, "lgamma"), one(elementwise.digamma, "digamma")

reduce_sum, reduce_prod = reduction(ops.sum, "reduce_sum"), reduction(ops.prod, "reduce_prod")
reduce_max, reduce_min = reduction(ops.max, "reduce_max"), reduction(ops.min, "reduce_min")
reduce_any, reduce_all = reduction(ops.any, "reduce_any"), reduction(ops.all, "reduce_all")
reduce_std, reduce_variance = reduction(ops.std, "reduce_std"), reduction(ops.var, "reduce_variance")
reduce_logsumexp = reduction(ops.logsumexp, "reduce_logsumexp")


def reduce_mean(input_tensor, axis=None, keepdims=False, name=None) -> Tensor:
    """The mean; of whole numbers the whole part of it."""
    x = tensor(input_tensor)
    made = ops.mean(x, axis=axis, keepdims=keepdims)
    return made if is_float_dtype(x.dtype) else ops.cast(made, x.dtype)


def reduce_euclidean_norm(input_tensor, axis=None, keepdims=False, name=None) -> Tensor:
    """The root of the sum of squares."""
    return ops.sqrt(ops.sum(ops.square(input_tensor), axis=axis, keepdims=keepdims))


def add_n(inputs, name=None) -> Tensor:
    """The sum of a list of tensors."""
    total = tensor(inputs[0])
    for x in inputs[1:]:
        total = ops.add(total, x)
    return total


accumulate_n = add_n


def scalar_mul(scalar, x, name=None) -> Tensor:
    """A number times a tensor."""
    return ops.multiply(scalar, x)


def squared_difference(x, y, name=None) -> Tensor:
    """(x - y)^2."""
    return ops.square(ops.subtract(x, y))


def divide_no_nan(x, y, name=None) -> Tensor:
    """x / y, 0 where y is 0."""
    return ops.divide_no_nan(x, y)


def multiply_no_nan(x, y, name=None) -> Tensor:
    """x * y, 0 where y is 0, whatever x is."""
    y = tensor(y)
    return ops.where(ops.equal(y, 0), ops.zeros_like(y), ops.multiply(x, y))


def xlogy(x, y, name=None) -> Tensor:
    """x log(y), 0 where x is 0."""
    x, y = tensor(x), tensor(y)
    return ops.where(ops.equal(x, 0), ops.zeros_like(x), ops.multiply(x, ops.log(y)))


def argmax(input, axis=None, output_type="int64", name=None) -> Tensor:
    """Where the largest element is, along `axis` (the first by default)."""
    return ops.cast(ops.argmax(input, axis=0 if axis is None else int(axis)), output_type)


def argmin(input, axis=None, output_type="int64", name=None) -> Tensor:
    """Where the smallest element is, along `axis` (the first by default)."""
    return ops.cast(ops.argmin(input, axis=0 if axis is None else int(axis)), output_type)


def cumsum(x, axis=0, exclusive=False, reverse=False, name=None) -> Tensor:
    """Sums of all elements up to each one."""
    return running(ops.cumsum, ops.subtract, x, axis, exclusive, reverse)


def cumprod(x, axis=0, exclusive=False, reverse=False, name=None) -> Tensor:
    """Products of all elements up to each one."""
    return running(ops.cumprod, ops.divide, x, axis, exclusive, reverse)


def running(function, undo, x, axis, exclusive, reverse) -> Tensor:
    x = tensor(x)
    x = ops.flip(x, axis) if reverse else x
    made = undo(function(x, axis=axis), x) if exclusive else function(x, axis=axis)
    return ops.flip(made, axis) if reverse else made


def top_k(input, k=1, sorted=True, index_type="int32", name=None):
    """(values, indices) of the k largest elements along the last axis."""
    return ops.top_k(input, int(k), sorted=sorted)


def in_top_k(targets, predictions, k, name=None) -> Tensor:
    """Whether each target is among the k largest predictions."""
    return ops.in_top_k(targets, predictions, int(k))


def count_nonzero(input, axis=None, keepdims=None, dtype="int64", name=None) -> Tensor:
    """How many elements are not 0."""
    found = ops.cast(ops.not_equal(input, 0), "int32")
    return ops.cast(ops.sum(found, axis=axis, keepdims=bool(keepdims)), dtype)


def zero_fraction(value, name=None) -> Tensor:
    """The share of elements that are 0."""
    return ops.mean(ops.cast(ops.equal(value, 0), "float32"))


def confusion_matrix(labels, predictions, num_classes=None, weights=None, dtype="int32", name=None) -> Tensor:
    """Counts by (label, prediction). Worked out on the host."""
    labels, predictions = (np.asarray(x).astype(np.int64).ravel() for x in (labels, predictions))
    n = int(num_classes) if num_classes is not None else int(max(labels.max(), predictions.max())) + 1
    made = np.zeros((n, n), as_dtype(dtype).np)
    np.add.at(made, (labels, predictions), 1 if weights is None else np.asarray(weights))
    return Tensor.from_data(made)


def bincount(arr, weights=None, minlength=None, maxlength=None, dtype="int32", name=None, axis=None) -> Tensor:
    """How often each whole number occurs."""
    made = np.bincount(np.asarray(arr).ravel(), None if weights is None else np.asarray(weights), minlength or 0)
    made = made[:maxlength] if maxlength is not None else made
    return Tensor.from_data(made.astype("float32" if weights is not None else as_dtype(dtype).np))


def unsorted_segment_sum(data, segment_ids, num_segments, name=None) -> Tensor:
    """Sums of the rows that share a segment number."""
    return ops.segment_sum(data, segment_ids, num_segments=int(num_segments))


def segment_sum(data, segment_ids, name=None) -> Tensor:
    """Sums of the rows that share a segment number."""
    return ops.segment_sum(data, segment_ids, num_segments=int(np.asarray(segment_ids).max()) + 1)


def segment_mean(data, segment_ids, name=None) -> Tensor:
    """Means of the rows that share a segment number."""
    data = tensor(data)
    counts = np.maximum(np.bincount(np.asarray(segment_ids)), 1).astype("float32")
    return segment_sum(data, segment_ids) / counts.reshape((-1,) + (1,) * (len(data.shape) - 1))


def polyval(coeffs, x, name=None) -> Tensor:
    """A polynomial; coefficients of the highest power first."""
    total = ops.zeros_like(x)
    for c in coeffs:
        total = total * x + c
    return total


def softmax(logits, axis=-1, name=None) -> Tensor:
    """exp(x) / sum(exp(x))."""
    return ops.softmax(logits, axis=-1 if axis is None else axis)


def log_softmax(logits, axis=-1, name=None) -> Tensor:
    """The logarithm of softmax."""
    return ops.log_softmax(logits, axis=-1 if axis is None else axis)


def l2_normalize(x, axis=None, epsilon=1e-12, name=None) -> Tensor:
    """x over the root of its sum of squares."""
    x = tensor(x)
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), epsilon))
