"""Losses: how far predictions are from targets, as one number or one for each element.

`reduction` is "mean" (default), "sum" or "none"; size_average and reduce are torch's older spelling of it.
Shape of the elementwise losses: input (*), target (*) -> (), or (*) with reduction="none".
"""

from __future__ import annotations

import math

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, DTypeError, ShapeError, message, warn
from dovetail.ir.core import Value
from dovetail.ops import activation, elementwise, reduce
from dovetail.ops.checks import require_in_range
from dovetail.ops.dims import Shape, broadcast_sizes, numel, one_dim, with_ones, without
from dovetail.ops.front import front
from dovetail.ops.promote import cast, common, common_float, constant, expanded, filled, need_float
from dovetail.ops.shape import reshaped, section
from dovetail.tensor.op import op

# --- what all losses share --------------------------------------------------------------------------------------------


def reduction_named(call: str, reduction: str, size_average=None, reduce=None) -> str:
    """The reduction, with torch's older arguments taken into account."""
    if size_average is not None or reduce is not None:
        if reduce is False:
            return "none"
        return "sum" if size_average is False else "mean"
    if reduction not in ("mean", "sum", "none"):
        raise ArgumentError(
            message(call, f"{reduction} is not a valid value for reduction: use 'mean', 'sum' or 'none'")
        )
    return reduction


def summed(x: Value, dims: Shape | None = None) -> Value:
    """The sum over `dims`, or over all of them."""
    return reduce.fold(p.reduce_sum, x, tuple(range(x.ndim)) if dims is None else dims)


def reduced(x: Value, reduction: str) -> Value:
    """All losses as one number, unless "none"."""
    if reduction == "none":
        return x
    total = summed(x)
    return total / filled(total, numel(x.shape)) if reduction == "mean" else total


def paired(call: str, input: Value, target: Value) -> list[Value]:
    """Predictions and targets of one shape; a broadcast that few people mean is reported."""
    if input.shape != target.shape:
        shape = broadcast_sizes(call, input.shape, target.shape, facts=[("input", input), ("target", target)])
        warn(message(
            call,
            f"target size {tuple(target.shape)} is different to the input size {tuple(input.shape)}; they are "
            f"broadcast to {tuple(shape)}, "
            "so every prediction meets several targets",
            [("input", input), ("target", target)],
            broadcast_cure(input, target),
        ))  # fmt: skip
    return common(call, input, target)


def broadcast_cure(input: Value, target: Value) -> str:
    """The change that makes two nearly equal shapes equal."""
    for name, long, short in (("input", input, target), ("target", target, input)):
        if long.ndim == short.ndim + 1 and 1 in long.shape:
            for d, n in enumerate(long.shape):
                if n == 1 and long.shape[:d] + long.shape[d + 1 :] == short.shape:
                    other = "target" if name == "input" else "input"
                    return f"make them equal: {name}.squeeze({d}), or {other}.unsqueeze({d})"
    return "give both the same shape, with reshape(...) or unsqueeze(...)"


def same_size(call: str, input: Value, target: Value) -> None:
    """Raise ShapeError unless both have one shape: these losses do not broadcast."""
    if input.shape != target.shape:
        problem = f"target size {tuple(target.shape)} must be the same as the input size {tuple(input.shape)}"
        raise ShapeError(message(call, problem, [("input", input), ("target", target)], broadcast_cure(input, target)))


def made_by(x: Value) -> str:
    """The op that made a value, "" where it is not known."""
    return x.node.region.name if x.node is not None and x.node.region is not None else ""


# --- distances to numbers ---------------------------------------------------------------------------------------------


@op(functional=True, top=False)
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """Squared differences: (input - target)²."""
    a, b = paired("mse_loss", input, target)
    gap = a - b
    return weighted(gap * gap, weight, reduction_named("mse_loss", reduction, size_average, reduce))


def weighted(loss: Value, weight: Value | None, reduction: str) -> Value:
    """Losses times weights; the mean is then divided by the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    spread = expanded(weight, loss.shape)
    if reduction != "mean":
        return reduced(loss * spread, reduction)
    return summed(loss * spread) / summed(spread)


@op(functional=True, top=False)
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """Absolute differences: |input - target|."""
    a, b = paired("l1_loss", input, target)
    return weighted(p.abs(a - b), weight, reduction_named("l1_loss", reduction, size_average, reduce))


@op(functional=True, top=False)
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """Squares below `beta` (divided by 2 beta), absolute differences above. Source: Girshick 2015."""
    if beta < 0:
        raise ArgumentError(message("smooth_l1_loss", f"does not support negative values for beta, got {beta}"))
    how = reduction_named("smooth_l1_loss", reduction, size_average, reduce)
    a, b = paired("smooth_l1_loss", input, target)
    gap = p.abs(a - b)
    if beta == 0:
        return reduced(gap, how)
    near = gap * gap * (0.5 / beta)
    return reduced(p.where(p.lt(gap, filled(gap, beta)), near, gap - 0.5 * beta), how)


@op(functional=True, top=False)
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Half squares below `delta`, straight lines above. Source: Huber 1964."""
    if delta <= 0:
        raise ArgumentError(message("huber_loss", f"does not support non-positive values for delta, got {delta}"))
    a, b = paired("huber_loss", input, target)
    gap = p.abs(a - b)
    loss = p.where(p.le(gap, filled(gap, delta)), gap * gap * 0.5, (gap - 0.5 * delta) * delta)
    return weighted(loss, weight, reduction_named("huber_loss", reduction))


@op(functional=True, top=False)
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target * input)) for targets of 1 and -1."""
    a, b = common("soft_margin_loss", input, target)
    return reduced(
        activation.softplus(p.neg(a * b)), reduction_named("soft_margin_loss", reduction, size_average, reduce)
    )


@op(functional=True)
def poisson_nll_loss(
    input, target, log_input=True, full=False, size_average=None, eps=1e-08, reduce=None, reduction="mean"
):
    """Negative log likelihood of counts under a Poisson distribution; `full` adds Stirling's term."""
    how = reduction_named("poisson_nll_loss", reduction, size_average, reduce)
    a, b = common_float("poisson_nll_loss", input, target)
    loss = p.exp(a) - b * a if log_input else a - b * p.log(a + eps)
    if full:
        many = p.gt(b, filled(b, 1))
        safe = p.where(many, b, filled(b, 1))
        stirling = safe * p.log(safe) - safe + p.log(safe * (2 * math.pi)) * 0.5
        loss = loss + p.where(many, stirling, filled(b, 0))
    return reduced(loss, how)


@op(functional=True, top=False)
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """Negative log likelihood under normal distributions with the given variances."""
    how = reduction_named("gaussian_nll_loss", reduction)
    spread = gaussian_variance(input, var)
    if not isinstance(var, Value) and var < 0 or eps <= 0 and eps != 0:
        raise ArgumentError(message("gaussian_nll_loss", "var has negative entry/entries"))
    floor = p.detach(elementwise.clamp_min(spread, eps))
    safe = p.where(p.lt(spread, floor), floor, spread)
    safe = p.where(p.lt(spread, floor), spread + p.detach(floor - spread), safe)  # the gradient passes, as in torch
    a, b, v = common("gaussian_nll_loss", input, target, safe)
    loss = (p.log(v) + (a - b) * (a - b) / v) * 0.5
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, how)


def gaussian_variance(input: Value, var) -> Value:
    """The variance broadcast as torch allows: of the input's shape, or with its last dim missing or 1."""
    if not isinstance(var, Value):
        return filled(input, var)
    if var.shape == input.shape or not input.shape:
        return var
    if var.shape == input.shape[:-1]:
        return p.reshape(var, shape=(*var.shape, 1))
    if (
        var.ndim == input.ndim
        and sum(a != b for a, b in zip(var.shape, input.shape, strict=True)) == 1
        and 1 in var.shape
    ):
        return var
    raise ShapeError(message("gaussian_nll_loss", "var is of incorrect size", [("input", input), ("var", var)]))


# --- probabilities of yes and no --------------------------------------------------------------------------------------


@op(functional=True, top=False)
def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """-target log(input) - (1 - target) log(1 - input), logarithms kept above -100 as in torch."""
    how = reduction_named("binary_cross_entropy", reduction, size_average, reduce)
    same_size("binary_cross_entropy", input, target)
    x, y = common("binary_cross_entropy", input, target)
    words = "all elements of input should be between 0 and 1: apply sigmoid to the scores, or use BCEWithLogitsLoss"
    require_in_range(x, 0, 1, f"binary_cross_entropy: {words}")
    loss = p.neg(y * bounded_log(p.log(x)) + (1 - y) * bounded_log(p.log1p(p.neg(x))))
    return reduced(loss if weight is None else loss * expanded(cast(weight, loss.dtype), loss.shape), how)


def bounded_log(x: Value) -> Value:
    low = filled(x, -100.0)
    return p.where(p.lt(x, low), low, x)


@op(functional=True)
def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """binary_cross_entropy of sigmoid(input), exact for large scores; `pos_weight` multiplies the positive part."""
    how = reduction_named("binary_cross_entropy_with_logits", reduction, size_average, reduce)
    same_size("binary_cross_entropy_with_logits", input, target)
    if made_by(input) == "sigmoid":
        warn_twice("binary_cross_entropy_with_logits", "sigmoid", "Sigmoid", "binary_cross_entropy (BCELoss)")
    x, y = common("binary_cross_entropy_with_logits", input, target)
    away = activation.logsigmoid(x)
    if pos_weight is None:
        loss = (1 - y) * x - away
    else:
        factor = (expanded(cast(pos_weight, x.dtype), x.shape) - 1) * y + 1
        loss = (1 - y) * x - factor * away
    return reduced(loss if weight is None else loss * expanded(cast(weight, loss.dtype), loss.shape), how)


def warn_twice(call: str, done: str, layer: str, other: str) -> None:
    """A score function is applied before a loss that applies it itself."""
    warn(message(
        call,
        f"the input comes from {done}, but {call} takes raw scores (logits) and applies {done} itself: it is "
        "applied twice",
        cure=f"remove the {layer} layer before the loss and pass its raw input, or use {other}",
    ))  # fmt: skip


@op(functional=True, top=False)
def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Binary cross entropy with logits, averaged over the classes (last dim)."""
    how = reduction_named("multilabel_soft_margin_loss", reduction, size_average, reduce)
    x, y = common("multilabel_soft_margin_loss", input, target)
    loss = p.neg(y * activation.logsigmoid(x) + (1 - y) * activation.logsigmoid(p.neg(x)))
    if weight is not None:
        loss = loss * expanded(cast(weight, loss.dtype), loss.shape)
    last = (loss.ndim - 1,) if loss.ndim else ()
    return reduced(summed(loss, last) / (loss.shape[-1] if loss.shape else 1), how)


@op(functional=True)
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """target (log(target) - input) for log-probabilities `input`; "batchmean" divides the sum by the first size."""
    how = reduction if reduction == "batchmean" else reduction_named("kl_div", reduction, size_average, reduce)
    a, b = common("kl_div", input, target)
    if log_target:
        loss = p.exp(b) * (b - a)
    else:
        loss = elementwise.xlogy(b, b) - b * a
    if how == "batchmean":
        return summed(loss) / (input.shape[0] if input.shape else 1)
    return reduced(loss, how)


# --- one class of several ---------------------------------------------------------------------------------------------


def class_dim(input: Value) -> int:
    """Where the classes are: dim 1 of a batch, dim 0 of a single sample."""
    return 1 if input.ndim > 1 else 0


def check_classes(call: str, input: Value, target: Value) -> int:
    """The class dim, after every usual mistake with labels has been looked for."""
    facts = [("input", input), ("target", target)]
    if not input.shape:
        raise ShapeError(message(call, "input needs at least 1 dim, the classes", facts))
    at = class_dim(input)
    classes, wanted = input.shape[at], without(input.shape, (at,))
    if target.shape == wanted:
        if target.dtype.kind not in "iu":
            problem = f"target must hold class numbers (int64), got {target.dtype.name} (expected scalar type Long)"
            raise DTypeError(message(call, problem, facts, "convert it: target.long()"))
        return at
    if target.shape == input.shape:
        problem = (
            f"target of dtype {target.dtype.name} has the input's shape {tuple(input.shape)}: it looks one-hot, "
            f"but whole numbers are taken as class numbers, of shape {tuple(wanted)}"
        )
        cure = f"use class numbers, target.argmax(dim={at}), or probabilities, target.float()"
        raise ShapeError(message(call, problem, facts, cure))
    raise ShapeError(
        message(call, label_problem(input, target, at, classes, wanted), facts, label_cure(input, target, wanted))
    )


def label_problem(input: Value, target: Value, at: int, classes: int, wanted: Shape) -> str:
    if numel(target.shape) == numel(wanted) and target.ndim != len(wanted):
        return (
            f"target has shape {tuple(target.shape)}, class numbers for this input have shape {tuple(wanted)} "
            "(1-D for a batch)"
        )
    layout = "(N, C)" if input.ndim == 2 else "(N, C, ...)" if input.ndim > 2 else "(C,)"
    return (
        f"target {tuple(target.shape)} does not fit the input {tuple(input.shape)}: the input is {layout} with "
        "the classes "
        f"in dim {at}, so {classes} classes and a target of shape {tuple(wanted)} are expected"
    )


def label_cure(input: Value, target: Value, wanted: Shape) -> str:
    """What to change: squeeze labels, move the classes to dim 1, or match the batch."""
    if target.ndim == len(wanted) + 1 and 1 in target.shape:
        for d in range(target.ndim):
            if target.shape[d] == 1 and target.shape[:d] + target.shape[d + 1 :] == wanted:
                return f"remove the extra dim: target.squeeze({d})"
    if input.ndim > 2 and target.shape == input.shape[:-1]:
        swap = "transpose(1, 2)" if input.ndim == 3 else f"movedim(-1, 1)  # permute(0, {input.ndim - 1}, ...)"
        return (
            f"the classes seem to be last; move them to dim 1: input.{swap}, or flatten: input.flatten(0, -2) "
            "and target.flatten()"
        )
    if input.ndim == 1 and target.ndim == 1 and target.shape == (1,):
        return "a single sample: add the batch dim, input.unsqueeze(0)"
    if numel(target.shape) == numel(wanted):
        return f"reshape it: target.view{tuple(wanted)}"
    if input.shape and target.shape and input.shape[0] != target.shape[0]:
        return f"the batch sizes differ: {input.shape[0]} predictions, {target.shape[0]} labels"
    return "class numbers have the input's shape without its class dim"


def check_class_weight(call: str, weight: Value | None, classes: int, input: Value) -> Value | None:
    if weight is None:
        return None
    if weight.shape != (classes,):
        problem = (
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight "
            f"tensor of shape: {tuple(weight.shape)}"
        )
        raise ShapeError(message(call, problem, [("input", input), ("weight", weight)]))
    if weight.dtype is not input.dtype:
        raise DTypeError(message(call, "weight must have the input's dtype", [("input", input), ("weight", weight)]))
    return weight


class Labels:
    """Class numbers with those to be ignored marked: `safe` can be looked up, `valid` says what counts."""

    def __init__(self, call: str, target: Value, classes: int, ignore_index: int):
        target = cast(target, dtypes.int64) if target.dtype is not dtypes.int32 else target
        self.valid = p.ne(target, filled(target, ignore_index))
        self.safe = p.where(self.valid, target, filled(target, 0))
        what = (
            f"{call}: target must name one of the {classes} classes (the model's outputs), 0 to {classes - 1}; it "
            "holds labels "
            f"outside [0, {classes}). Labels start at 0: subtract 1 if yours start at 1, or give the last layer "
            "more outputs"
        )
        require_in_range(self.safe, 0, classes, what)


def picked(x: Value, labels: Value, dim: int) -> Value:
    """x at the class of each sample. Shape: x's without `dim`."""
    line = p.reshape(labels, shape=labels.shape[:dim] + (1,) + labels.shape[dim:])
    return p.reshape(p.gather(x, line, dim=dim), shape=labels.shape)


def negative_log_likelihood(
    call: str, logs: Value, target: Value, weight, ignore_index: int, how: str, dim: int
) -> Value:
    classes = logs.shape[dim]
    labels = Labels(call, target, classes, ignore_index)
    loss = p.neg(picked(logs, labels.safe, dim))
    share = cast(labels.valid, logs.dtype)
    if weight is not None:
        each = p.where(labels.valid, p.take(weight, labels.safe, dim=0), filled(loss, 0))
        loss, share = loss * each, each
    loss = p.where(labels.valid, loss, filled(loss, 0))
    if how == "none":
        return loss
    return summed(loss) if how == "sum" else summed(loss) / summed(share)


RAW_SCORES = ("linear", "conv1d", "conv2d", "relu", "sigmoid")


@op(functional=True, top=False)
def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """Minus the log-probability of the right class.

    Shape: input (N, C, *), target (N, *) of class numbers -> (), or (N, *) with reduction="none"
    """
    need_float("nll_loss", input)
    if made_by(input) == "softmax":
        text = "the input comes from softmax, but nll_loss (NLLLoss) takes log-probabilities"
        warn(message("nll_loss", text, cure="use log_softmax instead of softmax, or cross_entropy on the raw scores"))
    elif made_by(input) in RAW_SCORES:
        text = f"the input comes straight from {made_by(input)} (raw scores); NLLLoss takes log-probabilities"
        cure = "apply log_softmax(dim=1) first, or use cross_entropy (CrossEntropyLoss), which does it itself"
        warn(message("nll_loss", text, cure=cure))
    at = check_classes("nll_loss", input, target)
    weight = check_class_weight("nll_loss", weight, input.shape[at], input)
    how = reduction_named("nll_loss", reduction, size_average, reduce)
    return negative_log_likelihood("nll_loss", input, target, weight, ignore_index, how, at)


@op(functional=True, top=False)
def cross_entropy(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0
):
    """Minus the log-probability that softmax(input) gives to the right class.

    Shape: input (N, C, *) of raw scores; target (N, *) of class numbers, or (N, C, *) of probabilities -> ()
    Raises: ShapeError, DTypeError where target is neither.
    """
    need_float("cross_entropy", input)
    how = reduction_named("cross_entropy", reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(
            message("cross_entropy", f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
        )
    if made_by(input) == "softmax":
        warn_twice("cross_entropy", "softmax", "Softmax", "NLLLoss on log_softmax")
    if target.shape == input.shape and target.dtype.kind == "f":
        return soft_cross_entropy(input, target, weight, how, label_smoothing)
    at = check_classes("cross_entropy", input, target)
    weight = check_class_weight("cross_entropy", weight, input.shape[at], input)
    logs = activation.log_softmax_of(input, at)
    loss = negative_log_likelihood("cross_entropy", logs, target, weight, ignore_index, how, at)
    if label_smoothing == 0:
        return loss
    smooth = smoothed_part(logs, target, weight, ignore_index, how, at)
    return loss * (1 - label_smoothing) + smooth * (label_smoothing / (input.shape[at] or math.nan))


def smoothed_part(logs: Value, target: Value, weight, ignore_index: int, how: str, dim: int) -> Value:
    """The loss against every class alike."""
    labels = Labels("cross_entropy", target, logs.shape[dim], ignore_index)
    each = logs if weight is None else logs * by_class(weight, logs.shape, dim)
    loss = p.neg(p.reduce_sum(each, dims=(dim,)))
    loss = p.where(labels.valid, loss, filled(loss, 0))
    if how == "none":
        return loss
    if how == "sum":
        return summed(loss)
    share = cast(labels.valid, logs.dtype)
    if weight is not None:
        share = p.where(labels.valid, p.take(weight, labels.safe, dim=0), filled(share, 0))
    return summed(loss) / summed(share)


def by_class(weight: Value, shape: Shape, dim: int) -> Value:
    """Weights of the classes spread over a shape."""
    return p.broadcast(weight, shape=shape, dims=(dim,))


def soft_cross_entropy(input: Value, target: Value, weight, how: str, smoothing: float) -> Value:
    """Cross entropy against probabilities."""
    at = class_dim(input)
    classes = input.shape[at]
    weight = check_class_weight("cross_entropy", weight, classes, input)
    target = cast(target, input.dtype)
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / classes
    each = activation.log_softmax_of(input, at) * target
    if weight is not None:
        each = each * by_class(weight, input.shape, at)
    loss = p.neg(p.reduce_sum(each, dims=(at,)))
    return reduced(loss, how)


@op(functional=True, top=False)
def linear_cross_entropy(
    input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean", ignore_index=None,
    label_smoothing=0.0, options=None,
):  # fmt: skip
    """cross_entropy of linear(input, linear_weight): the scores need not be kept.

    Shape: input (N, k), linear_weight (C, *, k), target (N, *) or (N, C, *) -> ()
    """
    rank = linear_weight.ndim
    if ignore_index is not None and target.dtype.kind == "f":
        problem = "ignore_index cannot be specified when target contains probabilities"
        raise ArgumentError(message("linear_cross_entropy", problem, [("target", target)]))
    if rank > 2 and input.ndim == 1:
        facts = [("input", input), ("linear_weight", linear_weight)]
        problem = f"a loss over {rank - 2} more dims needs a batch of inputs, (N, k), got unbatched input"
        raise ShapeError(message("linear_cross_entropy", problem, facts))
    scores = p.contract(input, linear_weight, batch=((), ()), sum=((input.ndim - 1,), (rank - 1,)))
    if linear_bias is not None:
        scores = scores + expanded(linear_bias, scores.shape)
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(scores, target, weight, None, ignored, None, reduction, label_smoothing)


# --- margins ----------------------------------------------------------------------------------------------------------


@op(functional=True)
def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """max(0, -target (input1 - input2) + margin): target 1 wants input1 larger, -1 wants input2 larger."""
    how = reduction_named("margin_ranking_loss", reduction, size_average, reduce)
    if input1.ndim != input2.ndim or input1.ndim != target.ndim:
        facts = [("input1", input1), ("input2", input2), ("target", target)]
        raise ShapeError(
            message("margin_ranking_loss", "expects input1, input2 and target with equally many dims", facts)
        )
    a, b, y = common("margin_ranking_loss", input1, input2, target)
    gap = p.neg(y) * (a - b)
    return reduced(floor_zero(elementwise.add(gap, margin)), how)


def floor_zero(x: Value) -> Value:
    """max(x, 0) with torch's clamp gradient: it passes at 0."""
    zero = filled(x, 0)
    return p.where(p.lt(x, zero), zero, x)


@op(functional=True)
def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """input where target is 1, max(0, margin - input) where it is -1."""
    how = reduction_named("hinge_embedding_loss", reduction, size_average, reduce)
    x, y = common("hinge_embedding_loss", input, target)
    zero = filled(x, 0)
    far = p.where(p.eq(y, filled(y, 1)), zero, floor_zero(filled(x, margin) - x))
    near = p.where(p.eq(y, filled(y, -1)), zero, x)
    return reduced(far + near, how)


@op(functional=True)
def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """1 - cos where target is 1, max(0, cos - margin) where it is -1. Shape: (N, D), (N, D), (N,) -> ()"""
    how = reduction_named("cosine_embedding_loss", reduction, size_average, reduce)
    if target.ndim not in (0, 1) or input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        facts = [("input1", input1), ("input2", input2), ("target", target)]
        raise ShapeError(
            message("cosine_embedding_loss", "expects (N, D), (N, D) and (N,), or (D,), (D,) and ()", facts)
        )
    a, b = (
        cast(v, dtypes.int64) if v.dtype.kind == "b" else v for v in common("cosine_embedding_loss", input1, input2)
    )
    last = (a.ndim - 1,)
    both = p.reduce_sum(a * b, dims=last)
    lengths = (p.reduce_sum(a * a, dims=last) + 1e-12) * (p.reduce_sum(b * b, dims=last) + 1e-12)
    cosine = both / p.sqrt(lengths)
    y = expanded(cast(target, cosine.dtype), cosine.shape)
    zero = filled(cosine, 0)
    near = p.where(p.eq(y, filled(y, 1)), 1 - cosine, zero)
    far = p.where(p.eq(y, filled(y, -1)), floor_zero(cosine - filled(cosine, margin)), zero)
    return reduced(near + far, how)


@op(functional=True, top=False)
def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"):
    """max(0, margin - right + wrong)^p, averaged over the classes. Shape: (N, C), (N,) -> ()"""
    how = reduction_named("multi_margin_loss", reduction, size_average, reduce)
    if p not in (1, 2):
        raise ArgumentError(message("multi_margin_loss", f"only p == 1 and p == 2 supported, got {p}"))
    return multi_margin(input, target, p, margin, weight, how)


def multi_margin(input: Value, target: Value, power: int, margin, weight, how: str) -> Value:
    single = input.ndim < 2
    x = reshaped(input, (1, numel(input.shape))) if single else input
    y = reshaped(target, (1,)) if single else target
    if x.ndim != 2 or y.shape != x.shape[:1] or not x.shape[1]:
        raise ShapeError(
            message(
                "multi_margin_loss",
                "inconsistent target size: expects (N, C) and (N,)",
                [("input", input), ("target", target)],
            )
        )
    classes = x.shape[1]
    labels = Labels("multi_margin_loss", y, classes, -(1 << 62))
    right = expanded(p.reshape(picked(x, labels.safe, 1), shape=(x.shape[0], 1)), x.shape)
    gap = floor_zero(filled(x, margin) - right + x)
    gap = gap * gap if power == 2 else gap
    if weight is not None:
        check_class_weight("multi_margin_loss", weight, classes, input)
        each = p.take(weight, labels.safe, dim=0)
        gap = gap * expanded(p.reshape(each, shape=(x.shape[0], 1)), x.shape)
    place = p.iota(shape=x.shape, dtype=dtypes.int64, dim=1)
    named = expanded(p.reshape(cast(labels.safe, dtypes.int64), shape=(x.shape[0], 1)), x.shape)
    gap = p.where(p.eq(place, named), filled(gap, 0), gap)
    loss = p.reduce_sum(gap, dims=(1,)) / classes
    return reduced(p.reshape(loss, shape=()) if single else loss, how)


@op(functional=True, top=False)
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Margins between each named class and each class not named. Shape: (N, C), (N, C) -> ()

    target: class numbers from the left, -1 ends a row.
    """
    how = reduction_named("multilabel_margin_loss", reduction, size_average, reduce)
    same_size("multilabel_margin_loss", input, target)
    if input.ndim > 2 or (input.shape and not input.shape[-1]):
        problem = "Expected non-empty vector or matrix"
        raise ShapeError(message("multilabel_margin_loss", problem, [("input", input), ("target", target)]))
    classes = input.shape[-1] if input.shape else 1
    x, y = (
        reshaped(input, (numel(input.shape) // classes, classes)),
        reshaped(target, (numel(input.shape) // classes, classes)),
    )
    named = p.cumprod(cast(p.ge(y, filled(y, 0)), dtypes.int64), dim=1)  # up to the first -1
    named = p.ne(named, filled(named, 0))
    safe = p.where(named, y, filled(y, 0))
    require_in_range(safe, 0, classes, f"multilabel_margin_loss: target must name one of {classes} classes")
    marks = p.scatter_add(constant(0, x.shape, dtypes.int64), safe, cast(named, dtypes.int64), dim=1)
    other = p.eq(marks, filled(marks, 0))
    right = p.gather(x, safe, dim=1)
    cube = (x.shape[0], classes, classes)
    gap = (
        1
        - expanded(p.reshape(right, shape=(x.shape[0], classes, 1)), cube)
        + expanded(p.reshape(x, shape=(x.shape[0], 1, classes)), cube)
    )
    counts = p.bitwise_and(
        expanded(p.reshape(named, shape=(x.shape[0], classes, 1)), cube),
        expanded(p.reshape(other, shape=(x.shape[0], 1, classes)), cube),
    )
    loss = p.reduce_sum(p.where(counts, floor_zero(gap), filled(gap, 0)), dims=(1, 2)) / classes
    return reduced(reshaped(loss, input.shape[:-1]), how)


# --- distances between vectors ----------------------------------------------------------------------------------------


@op(functional=True)
def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """p-norm of x1 - x2 + eps over the last dim. Shape: (N, D), (N, D) -> (N,)"""
    a, b = common("pairwise_distance", x1, x2)
    gap = a - b + eps
    return reduce.vector_norm_value("pairwise_distance", gap, p, (gap.ndim - 1,), keepdim)


@op(functional=True)
def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """Cosine of the angle between vectors along `dim`; lengths are kept above `eps`."""
    a, b = common("cosine_similarity", x1, x2)
    need_float("cosine_similarity", a)
    at = one_dim("cosine_similarity", dim, a.ndim, a)
    if not a.shape:
        a, b = (p.reshape(v, shape=(1,)) for v in (a, b))
    parts = []
    for v in (a, b):
        length = reduce.root(p.reduce_sum(v * v, dims=(at,)))
        length = p.where(p.lt(length, filled(length, eps)), filled(length, eps), length)
        parts.append(v / expanded(p.reshape(length, shape=with_ones(v.shape, (at,))), v.shape))
    return reshaped(
        p.reduce_sum(parts[0] * parts[1], dims=(at,)), without(x_shape(x1, x2), (at,)) if x1.shape or x2.shape else ()
    )


def x_shape(a: Value, b: Value) -> Shape:
    return broadcast_sizes("cosine_similarity", a.shape, b.shape)


@op(functional=True)
def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, size_average=None, reduce=None, reduction="mean"
):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin). Source: Balntas et al. 2016."""
    how = reduction_named("triplet_margin_loss", reduction, size_average, reduce)
    if margin <= 0:
        raise ArgumentError(message("triplet_margin_loss", f"margin must be greater than 0, got {margin}"))
    if not anchor.ndim == positive.ndim == negative.ndim:
        facts = [("anchor", anchor), ("positive", positive), ("negative", negative)]
        raise ShapeError(message("triplet_margin_loss", "the three inputs must have equally many dims", facts))
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = elementwise.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(floor_zero(near - far + margin), how)


@front(functional=True, top=False)
def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """triplet_margin_loss with a distance of your own: a function of two tensors."""
    if margin <= 0:
        raise ArgumentError(
            message("triplet_margin_with_distance_loss", f"margin must be greater than 0, got {margin}")
        )
    measure = distance_function or pairwise_distance
    near, far = measure(anchor, positive), measure(anchor, negative)
    if swap:
        far = elementwise.minimum(far, measure(positive, negative))
    return triplet_from_distances(near, far, margin, reduction)


@op(top=False)
def triplet_from_distances(near, far, margin, reduction):
    """The hinge of triplet_margin_with_distance_loss."""
    return reduced(floor_zero(near - far + margin), reduction_named("triplet_margin_with_distance_loss", reduction))


@op()
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """Distances between all pairs of rows. Shape: (*, n, d), (*, m, d) -> (*, n, m)"""
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        problem = "expects two tensors with at least 2 dims and equally many columns"
        raise ShapeError(message("cdist", problem, [("x1", x1), ("x2", x2)]))
    if p < 0:
        raise ArgumentError(message("cdist", f"only supports non-negative p values, got {p}"))
    return all_pairs(x1, x2, p)


def all_pairs(a: Value, b: Value, order: float) -> Value:
    left = p.reshape(a, shape=a.shape[:-1] + (1, a.shape[-1]))
    right = p.reshape(b, shape=b.shape[:-2] + (1,) + b.shape[-2:])
    left, right = common("cdist", left, right)
    gap = left - right
    if not gap.shape[-1]:
        return constant(0, gap.shape[:-1], gap.dtype)
    return reduce.vector_norm_value("cdist", gap, order, (gap.ndim - 1,), False)


@op(functional=True)
def pdist(input, p=2.0):
    """Distances between all pairs of rows, each pair once. Shape: (n, d) -> (n (n - 1) / 2,)"""
    if input.ndim != 2:
        raise ShapeError(message("pdist", "only supports 2D tensors", [("input", input)]))
    if p < 0:
        raise ArgumentError(message("pdist", f"only supports non-negative p values, got {p}"))
    return half_pairs(input, p)


def half_pairs(x: Value, order: float) -> Value:
    n = x.shape[0]
    rows = [section(x, 0, i, i + 1) for i in range(n - 1)]
    if not rows:
        return constant(0, (0,), x.dtype)
    parts = []
    for i, row in enumerate(rows):
        gap = expanded(row, (n - 1 - i, x.shape[1])) - section(x, 0, i + 1, n)
        parts.append(reduce.vector_norm_value("pdist", gap, order, (1,), False))
    return parts[0] if len(parts) == 1 else p.concat(*parts, dim=0)
