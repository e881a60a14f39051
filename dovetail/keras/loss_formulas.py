"""The arithmetic of Keras's losses: (targets, predictions) -> one loss for each sample. Each is one op.

Shape unless said otherwise: y_true (*, n), y_pred (*, n) -> (*). Targets take the dtype of the predictions. Where one
of the two lacks a last axis of size 1, it is added or removed, as in Keras.
"""

from __future__ import annotations

import math

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import DTypeError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops import activation, elementwise, reduce
from dovetail.ops.checks import require_in_range
from dovetail.ops.matmul import matmul
from dovetail.ops.promote import cast, expanded, filled
from dovetail.ops.shape import reshaped, transpose
from dovetail.tensor.op import op

# -- what they share ---------------------------------------------------------------------------------------------------


def same_rank(a: Value, b: Value) -> tuple[Value, Value]:
    """Add or remove a last axis of size 1 where the ranks differ by one."""
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, with_last(b)) if b.ndim == 1 else (without_last(a), b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (with_last(a), b) if a.ndim == 1 else (a, without_last(b))
    return a, b


def with_last(x: Value) -> Value:
    return reshaped(x, (*x.shape, 1))


def without_last(x: Value) -> Value:
    return reshaped(x, x.shape[:-1])


def pair(call: str, y_true: Value, y_pred: Value) -> tuple[Value, Value]:
    """Targets in the dtype and (where only a last axis of 1 differs) the rank of floating-point predictions."""
    if y_pred.dtype.kind != "f":
        y_pred = cast(y_pred, dtypes.default_dtype())
    y_true, y_pred = same_rank(cast(y_true, y_pred.dtype), y_pred)
    if y_true.shape != y_pred.shape and not fits(y_true.shape, y_pred.shape):
        raise ShapeError(
            message(
                call,
                f"the labels' shape {tuple(y_true.shape)} does not fit the model's output {tuple(y_pred.shape)}",
                [("y_true", y_true), ("y_pred", y_pred)],
                "Both need the same shape: check the number of units of the last layer.",
            )
        )
    return y_true, y_pred


def fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two shapes broadcast together."""
    return all(m == n or m == 1 or n == 1 for m, n in zip(reversed(a), reversed(b), strict=False))


def mean(x: Value, axis: int | None = -1) -> Value:
    return reduce.mean(x, axis) if x.shape else x


def total(x: Value, axis=-1, keepdim: bool = False) -> Value:
    return reduce.sum(x, axis, keepdim) if x.shape else x


def clipped(x: Value, eps: float) -> Value:
    return elementwise.clamp(x, eps, 1.0 - eps)


def picked_class(scores: Value, labels: Value, axis: int) -> Value:
    """The score of the class that each label names. Shape: scores (*, classes, *) -> (*)"""
    line = p.reshape(labels, shape=labels.shape[:axis] + (1,) + labels.shape[axis:])
    return p.reshape(p.gather(scores, line, dim=axis), shape=labels.shape)


# -- distances ---------------------------------------------------------------------------------------------------------


@op(top=False, name="keras.mean_squared_error")
def mean_squared_error(y_true: Value, y_pred: Value) -> Value:
    """Mean of (y_true - y_pred)² over the last axis."""
    y_true, y_pred = pair("mean_squared_error", y_true, y_pred)
    d = y_pred - y_true
    return mean(d * d)


@op(top=False, name="keras.mean_absolute_error")
def mean_absolute_error(y_true: Value, y_pred: Value) -> Value:
    """Mean of |y_true - y_pred| over the last axis."""
    y_true, y_pred = pair("mean_absolute_error", y_true, y_pred)
    return mean(p.abs(y_true - y_pred))


@op(top=False, name="keras.mean_absolute_percentage_error")
def mean_absolute_percentage_error(y_true: Value, y_pred: Value, eps: float) -> Value:
    """100 times the mean of |(y_true - y_pred) / y_true|."""
    y_true, y_pred = pair("mean_absolute_percentage_error", y_true, y_pred)
    return mean(p.abs((y_true - y_pred) / elementwise.clamp(p.abs(y_true), eps))) * 100.0


@op(top=False, name="keras.mean_squared_logarithmic_error")
def mean_squared_logarithmic_error(y_true: Value, y_pred: Value, eps: float) -> Value:
    """Mean of (log(1 + y_true) - log(1 + y_pred))²."""
    y_true, y_pred = pair("mean_squared_logarithmic_error", y_true, y_pred)
    d = p.log(elementwise.clamp(y_pred, eps) + 1.0) - p.log(elementwise.clamp(y_true, eps) + 1.0)
    return mean(d * d)


@op(top=False, name="keras.cosine_similarity")
def cosine_similarity(y_true: Value, y_pred: Value, axis: int) -> Value:
    """Minus the cosine of the angle between targets and predictions."""
    y_true, y_pred = pair("cosine_similarity", y_true, y_pred)
    return -total(unit(y_true, axis) * unit(y_pred, axis), axis)


def unit(x: Value, axis: int, eps: float = 1e-12) -> Value:
    """x divided by its length along `axis`."""
    return x / elementwise.clamp(p.sqrt(total(x * x, axis, True)), eps)


@op(top=False, name="keras.huber")
def huber(y_true: Value, y_pred: Value, delta: float) -> Value:
    """Squares near 0, straight lines from delta on. Source: Huber 1964."""
    y_true, y_pred = pair("huber", y_true, y_pred)
    d = y_pred - y_true
    size = p.abs(d)
    near = p.le(size, filled(size, delta))
    return mean(p.where(near, d * d * 0.5, size * delta - 0.5 * delta * delta))


@op(top=False, name="keras.log_cosh")
def log_cosh(y_true: Value, y_pred: Value) -> Value:
    """Mean of log(cosh(y_pred - y_true))."""
    y_true, y_pred = pair("log_cosh", y_true, y_pred)
    d = y_pred - y_true
    return mean(d + activation.softplus(d * -2.0) - math.log(2.0))


@op(top=False, name="keras.kl_divergence")
def kl_divergence(y_true: Value, y_pred: Value, eps: float) -> Value:
    """Sum of y_true * log(y_true / y_pred)."""
    y_true, y_pred = pair("kl_divergence", y_true, y_pred)
    y_true, y_pred = elementwise.clamp(y_true, eps, 1.0), elementwise.clamp(y_pred, eps, 1.0)
    return total(y_true * p.log(y_true / y_pred))


@op(top=False, name="keras.poisson")
def poisson(y_true: Value, y_pred: Value, eps: float) -> Value:
    """Mean of y_pred - y_true * log(y_pred)."""
    y_true, y_pred = pair("poisson", y_true, y_pred)
    return mean(y_pred - y_true * p.log(y_pred + eps))


# -- hinges ------------------------------------------------------------------------------------------------------------


def signs(y_true: Value) -> Value:
    """Labels of 0 and 1 as -1 and 1; all others as they are."""
    zero, one = p.eq(y_true, filled(y_true, 0)), p.eq(y_true, filled(y_true, 1))
    binary = reduce.all(p.bitwise_or(zero, one))
    return p.where(expanded(binary, y_true.shape), y_true * 2.0 - 1.0, y_true)


def positive(x: Value) -> Value:
    return activation.relu(x)


@op(top=False, name="keras.hinge")
def hinge(y_true: Value, y_pred: Value) -> Value:
    """Mean of max(1 - y_true * y_pred, 0)."""
    y_true, y_pred = pair("hinge", y_true, y_pred)
    return mean(positive(1.0 - signs(y_true) * y_pred))


@op(top=False, name="keras.squared_hinge")
def squared_hinge(y_true: Value, y_pred: Value) -> Value:
    """Mean of max(1 - y_true * y_pred, 0)²."""
    y_true, y_pred = pair("squared_hinge", y_true, y_pred)
    h = positive(1.0 - signs(y_true) * y_pred)
    return mean(h * h)


@op(top=False, name="keras.categorical_hinge")
def categorical_hinge(y_true: Value, y_pred: Value) -> Value:
    """max(1 + best wrong score - right score, 0)."""
    y_true, y_pred = pair("categorical_hinge", y_true, y_pred)
    return positive(reduce.amax((1.0 - y_true) * y_pred, -1) - total(y_true * y_pred) + 1.0)


# -- crossentropies ----------------------------------------------------------------------------------------------------


def smoothed(y_true: Value, smoothing: float, classes: int) -> Value:
    """Targets moved towards an even spread over the classes."""
    return y_true * (1.0 - smoothing) + smoothing / classes if smoothing else y_true


def class_logs(y_pred: Value, from_logits: bool, axis: int, eps: float) -> Value:
    """Log-probabilities of predictions; probabilities are scaled to sum to 1 and kept away from 0."""
    if from_logits:
        return activation.log_softmax(y_pred, axis)
    return p.log(clipped(y_pred / total(y_pred, axis, True), eps))


def check_one_hot(call: str, y_true: Value, y_pred: Value) -> None:
    """Raise ShapeError unless targets have one value for each class."""
    if y_true.shape == y_pred.shape:
        return
    classes = y_pred.shape[-1] if y_pred.shape else 1
    facts = [("y_true", y_true), ("y_pred", y_pred)]
    if y_true.ndim < y_pred.ndim or y_true.shape[-1:] == (1,):
        raise ShapeError(
            message(
                call,
                f"the labels have shape {tuple(y_true.shape)}, the model's output {tuple(y_pred.shape)}: {call} "
                "compares "
                f"one-hot labels, one value for each of the {classes} classes",
                facts,
                f"For integer labels use loss='sparse_{call}', or make them one-hot: keras.utils.to_categorical(y, "
                f"{classes})",
            )
        )
    raise ShapeError(
        message(
            call,
            f"the labels have {y_true.shape[-1]} classes, the model's output {classes}",
            facts,
            f"Give the last layer {y_true.shape[-1]} units, or make the labels with to_categorical(y, {classes})",
        )
    )


@op(top=False, name="keras.categorical_crossentropy")
def categorical_crossentropy(
    y_true: Value, y_pred: Value, from_logits: bool, label_smoothing: float, axis: int, eps: float
) -> Value:
    """Minus the sum of y_true * log(y_pred) over `axis`."""
    call = "categorical_crossentropy"
    if y_pred.dtype.kind != "f":
        y_pred = cast(y_pred, dtypes.default_dtype())
    check_one_hot(call, y_true, y_pred)
    y_true = smoothed(cast(y_true, y_pred.dtype), label_smoothing, y_true.shape[-1])
    return -total(y_true * class_logs(y_pred, from_logits, axis, eps), axis)


@op(top=False, name="keras.sparse_categorical_crossentropy")
def sparse_categorical_crossentropy(
    y_true: Value, y_pred: Value, from_logits: bool, ignore_class: int | None, axis: int, eps: float
) -> Value:
    """Minus the log-probability of the class that each label names.

    Shape: y_true (*) or (*, 1) of whole numbers, y_pred (*, classes) -> (*)
    """
    call = "sparse_categorical_crossentropy"
    if y_pred.dtype.kind != "f":
        y_pred = cast(y_pred, dtypes.default_dtype())
    axis %= y_pred.ndim
    rest = y_pred.shape[:axis] + y_pred.shape[axis + 1 :]
    labels = y_true
    if labels.ndim == y_pred.ndim and labels.shape[axis] == 1:
        labels = p.reshape(labels, shape=labels.shape[:axis] + labels.shape[axis + 1 :])
    if labels.shape != rest:
        raise sparse_label_error(call, y_true, y_pred, rest)
    if labels.dtype.kind == "c":
        raise DTypeError(message(call, "labels must be whole numbers", [("y_true", y_true)]))
    labels = cast(labels, dtypes.int64)
    valid = None
    if ignore_class is not None:
        valid = p.ne(labels, filled(labels, ignore_class))
        labels = p.where(valid, labels, filled(labels, 0))
    classes = y_pred.shape[axis]
    require_in_range(labels, 0, classes, (
        f"{call}: the labels must be class numbers from 0 to {classes - 1}, since the model has {classes} outputs "
            "(classes); "
        f"there is a label outside [0, {classes}). Labels start at 0: use y - 1 if yours start at 1, or give the last "
            "layer "
        "as many units as there are classes"))  # fmt: skip
    loss = -picked_class(class_logs(y_pred, from_logits, axis, eps), labels, axis)
    return loss if valid is None else p.where(valid, loss, filled(loss, 0))


def sparse_label_error(call: str, y_true: Value, y_pred: Value, rest: tuple[int, ...]) -> ShapeError:
    facts = [("y_true", y_true), ("y_pred", y_pred)]
    if y_true.shape == y_pred.shape:
        return ShapeError(
            message(
                call,
                f"the labels have the shape of the model's output, {tuple(y_pred.shape)}: they look one-hot, but "
                f"{call} takes "
                f"class numbers of shape {tuple(rest)}",
                facts,
                "For one-hot labels use loss='categorical_crossentropy', or make them class numbers: y.argmax(-1)",
            )
        )
    return ShapeError(message(
        call, f"the labels' shape {tuple(y_true.shape)} does not fit the model's output {tuple(y_pred.shape)}: class "
            "numbers of "
        f"shape {tuple(rest)} are expected", facts))  # fmt: skip


@op(top=False, name="keras.binary_crossentropy_each")
def binary_crossentropy_each(y_true: Value, y_pred: Value, from_logits: bool, eps: float) -> Value:
    """-(y_true log(y_pred) + (1 - y_true) log(1 - y_pred)) for each element."""
    y_true, y_pred = pair("binary_crossentropy", y_true, y_pred)
    return binary_losses(y_true, y_pred, from_logits, eps)


def binary_losses(y_true: Value, y_pred: Value, from_logits: bool, eps: float) -> Value:
    if from_logits:
        return positive(y_pred) - y_pred * y_true + p.log1p(p.exp(-p.abs(y_pred)))
    chance = clipped(y_pred, eps)
    return -(y_true * p.log(chance) + (1.0 - y_true) * p.log(1.0 - chance))


@op(top=False, name="keras.binary_crossentropy")
def binary_crossentropy(
    y_true: Value, y_pred: Value, from_logits: bool, label_smoothing: float, axis: int, eps: float
) -> Value:
    """Mean of the binary crossentropies over `axis`."""
    y_true, y_pred = pair("binary_crossentropy", y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    return mean(binary_losses(y_true, y_pred, from_logits, eps), axis)


@op(top=False, name="keras.binary_focal_crossentropy")
def binary_focal_crossentropy(
    y_true: Value, y_pred: Value, balanced: bool, alpha: float, gamma: float, from_logits: bool, label_smoothing: float,
    axis: int, eps: float,
) -> Value:  # fmt: skip
    """Binary crossentropy that counts easy samples less. Source: Lin et al. 2018."""
    y_true, y_pred = pair("binary_focal_crossentropy", y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        y_pred = p.sigmoid(y_pred)
    right = y_true * y_pred + (1.0 - y_true) * (1.0 - y_pred)
    loss = (1.0 - right) ** gamma * binary_losses(y_true, y_pred, False, eps)
    if balanced:
        loss = loss * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return mean(loss, axis)


@op(top=False, name="keras.categorical_focal_crossentropy")
def categorical_focal_crossentropy(
    y_true: Value,
    y_pred: Value,
    alpha: float,
    gamma: float,
    from_logits: bool,
    label_smoothing: float,
    axis: int,
    eps: float,
) -> Value:
    """Categorical crossentropy that counts easy samples less. Source: Lin et al. 2018."""
    check_one_hot("categorical_focal_crossentropy", y_true, y_pred)
    y_true = smoothed(cast(y_true, y_pred.dtype), label_smoothing, y_true.shape[-1])
    if from_logits:
        y_pred = activation.softmax(y_pred, axis)
    chance = clipped(y_pred / total(y_pred, axis, True), eps)
    return total((1.0 - chance) ** gamma * alpha * -y_true * p.log(chance), axis)


@op(top=False, name="keras.generalized_cross_entropy")
def generalized_cross_entropy(y_true: Value, y_pred: Value, q: float) -> Value:
    """(1 - p ** q) / q for the probability p of the right class. Source: Zhang & Sabuncu 2018."""
    labels = cast(y_true, dtypes.int64)
    require_in_range(labels, 0, y_pred.shape[-1], "categorical_generalized_cross_entropy: labels must be class numbers")
    chance = picked_class(y_pred, labels, y_pred.ndim - 1)
    return (1.0 - chance**q) * (1.0 / q)


# -- overlaps and embeddings -------------------------------------------------------------------------------------------


def over(x: Value, axis) -> Value:
    return reduce.sum(x, axis)


@op(top=False, name="keras.dice")
def dice(y_true: Value, y_pred: Value, axis, eps: float) -> Value:
    """1 - 2 |A ∩ B| / (|A| + |B|). Shape: (*), (*) -> () or without `axis`."""
    y_true = cast(y_true, y_pred.dtype)
    return 1.0 - over(y_true * y_pred, axis) * 2.0 / (over(y_true, axis) + over(y_pred, axis) + eps)


@op(top=False, name="keras.tversky")
def tversky(y_true: Value, y_pred: Value, alpha: float, beta: float, axis, eps: float) -> Value:
    """1 - |A ∩ B| / (|A ∩ B| + alpha |B - A| + beta |A - B|). Source: Salehi et al. 2017."""
    y_true = cast(y_true, y_pred.dtype)
    both = over(y_true * y_pred, axis)
    missed, extra = over((1.0 - y_pred) * y_true, axis), over(y_pred * (1.0 - y_true), axis)
    return 1.0 - both / (both + missed * alpha + extra * beta + eps)


@op(top=False, name="keras.circle")
def circle(
    y_true: Value,
    y_pred: Value,
    ref_labels: Value,
    ref_embeddings: Value,
    remove_diagonal: bool,
    gamma: float,
    margin: float,
) -> Value:
    """Circle loss on normalized embeddings. Source: Sun et al. 2020.

    Shape: y_true (n,), y_pred (n, d) -> (n,)
    """
    away = positive(1.0 - matmul(y_pred, transpose(ref_embeddings, 0, 1)))
    rows, columns = away.shape
    mine = expanded(p.reshape(cast(y_true, dtypes.int64), shape=(rows, 1)), (rows, columns))
    theirs = expanded(p.reshape(cast(ref_labels, dtypes.int64), shape=(1, columns)), (rows, columns))
    same = p.eq(mine, theirs)
    different = p.logical_not(same)
    if remove_diagonal:
        diagonal = p.eq(
            p.iota(shape=away.shape, dtype=dtypes.int64, dim=0), p.iota(shape=away.shape, dtype=dtypes.int64, dim=1)
        )
        same = p.bitwise_and(same, p.logical_not(diagonal))
    alike, unlike = cast(same, away.dtype), cast(different, away.dtype)
    pull = positive((away + margin) * alike) * (margin - away) * -gamma
    push = positive((1.0 + margin - away) * unlike) * (1.0 - margin - away) * gamma
    lowest = filled(away, -math.inf)
    exponents = (p.where(same, pull, lowest), p.where(different, push, lowest))
    return activation.softplus(reduce.logsumexp(exponents[0], 1) + reduce.logsumexp(exponents[1], 1))


# -- reduction ---------------------------------------------------------------------------------------------------------


@op(top=False, name="keras.reduce_loss")
def reduced(values: Value, sample_weight: Value | None, mask: Value | None, reduction: str | None) -> Value:
    """Losses weighted and made one number; reduction "none" leaves them apart."""
    weight = sample_weight
    if mask is not None:
        share = cast(mask, values.dtype)
        if reduction in ("mean", "sum_over_batch_size"):
            count = reduce.sum(share)
            some = p.gt(count, filled(count, 0))
            factor = p.where(
                some, float(max(share.numel, 1)) / p.where(some, count, filled(count, 1)), filled(count, 0)
            )
            share = share * factor
        if weight is not None:
            share, weight = same_rank(share, cast(weight, values.dtype))
            weight = weight * share
        else:
            weight = share
    if weight is not None:
        values, weight = same_rank(values, cast(weight, values.dtype))
        if not fits(values.shape, weight.shape):
            raise ShapeError(
                message(
                    "sample_weight",
                    "the weights do not fit the losses",
                    [("losses", values), ("weights", weight)],
                    "Pass one weight for each sample",
                )
            )
        values = values * weight
    if reduction in (None, "none") or values.shape in ((), (0,)):
        return values
    if reduction == "sum":
        return reduce.sum(values)
    if reduction == "mean_with_sample_weight" and weight is not None:
        divisor = reduce.sum(weight)
        some = p.ne(divisor, filled(divisor, 0))
        return p.where(some, reduce.sum(values) / p.where(some, divisor, filled(divisor, 1)), filled(divisor, 0))
    return reduce.mean(values)
