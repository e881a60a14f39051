"""Connectionist temporal classification: the loss of a sequence of labels under all its alignments."""

from __future__ import annotations

import math

import numpy as np

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, DTypeError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops.checks import require_in_range
from dovetail.ops.front import front
from dovetail.ops.loss import reduction_named
from dovetail.ops.promote import cast, constant, expanded, filled
from dovetail.ops.shape import padded, reshaped, section
from dovetail.tensor.op import op
from dovetail.tensor.tensor import Tensor

NEVER = -1e30  # log of a probability that is zero; finite, so that gradients stay numbers


def log_sum(a: Value, b: Value, c: Value) -> Value:
    """log(exp a + exp b + exp c)."""
    top = p.detach(p.maximum(p.maximum(a, b), c))
    return p.log(p.exp(a - top) + p.exp(b - top) + p.exp(c - top)) + top


def moved_on(x: Value, by: int) -> Value:
    """Each state's value `by` states later; nothing enters at the front."""
    n = x.shape[1]
    return section(padded(x, (0, by), (0, 0), NEVER), 1, 0, n)


def extended(targets: Value, blank: int) -> Value:
    """blank, label, blank, label, ..., blank. Shape: (N, S) -> (N, 2 S + 1)"""
    n, s = targets.shape
    pairs = p.concat(reshaped(targets, (n, s, 1)), constant(blank, (n, s, 1), targets.dtype), dim=2)
    return p.concat(constant(blank, (n, 1), targets.dtype), reshaped(pairs, (n, 2 * s)), dim=1)


@op(top=False)
def ctc_each(log_probs, targets, input_lengths, target_lengths, blank):
    """Minus the log likelihood of every sequence. Shape: (T, N, C), (N, S), (N,), (N,) -> (N,)

    Source: Graves et al. 2006. The gradient is that of log_probs made by log_softmax, as in torch.
    """
    steps, n, classes = log_probs.shape
    targets = cast(targets, dtypes.int64)
    require_in_range(targets, 0, classes, f"ctc_loss: targets must name one of {classes} classes")
    safe = p.minimum(p.maximum(targets, filled(targets, 0)), filled(targets, classes - 1))
    states = extended(safe, blank)
    width = states.shape[1]
    times = cast(input_lengths, dtypes.int64)
    spread = expanded(reshaped(states, (1, n, width)), (steps, n, width))
    scores = p.gather(log_probs, spread, dim=2)  # (T, N, states)
    alpha = alignments(scores, states, times, blank)
    total = final(alpha, cast(target_lengths, dtypes.int64))
    impossible = p.lt(total, filled(total, NEVER / 2))
    loss = p.where(impossible, filled(total, math.inf), p.neg(total))
    return loss + softmax_share(log_probs, times)


def alignments(scores: Value, states: Value, times: Value, blank: int) -> Value:
    """Log probability of having read each prefix at the end of each sequence. Shape: (N, states)"""
    steps, n, width = scores.shape
    place = p.iota(shape=(n, width), dtype=dtypes.int64, dim=1)
    never = constant(NEVER, (n, width), scores.dtype)
    two_back = section(padded(states, (0, 2), (0, 0), blank), 1, 0, width)
    jumps = p.bitwise_and(p.ne(states, filled(states, blank)), p.ne(states, two_back))
    first = reshaped(section(scores, 0, 0, 1), (n, width)) if steps else never
    alpha = p.where(p.lt(place, filled(place, 2)), first, never)
    started = p.gt(times, filled(times, 0))
    only = p.where(p.eq(place, filled(place, 0)), filled(never, 0), never)
    alpha = p.where(expanded(reshaped(started, (n, 1)), (n, width)), alpha, only)
    for t in range(1, steps):
        jumped = p.where(jumps, moved_on(alpha, 2), never)
        reached = log_sum(alpha, moved_on(alpha, 1), jumped) + reshaped(section(scores, 0, t, t + 1), (n, width))
        running = expanded(reshaped(p.gt(times, filled(times, t)), (n, 1)), (n, width))
        alpha = p.where(running, reached, alpha)
    return alpha


def final(alpha: Value, lengths: Value) -> Value:
    """The two states that end a sequence: its last label and the blank behind it."""
    n = alpha.shape[0]
    last = reshaped(lengths * 2, (n, 1))
    before = p.maximum(last - 1, filled(last, 0))
    a, b = (reshaped(p.gather(alpha, v, dim=1), (n,)) for v in (last, before))
    b = p.where(p.eq(lengths, filled(lengths, 0)), filled(b, NEVER), b)
    return log_sum(a, b, filled(a, NEVER))


def softmax_share(log_probs: Value, times: Value) -> Value:
    """Zero, with the gradient that a softmax in front would take away again: torch's ctc_loss includes it."""
    steps, n, _ = log_probs.shape
    place = p.iota(shape=(steps, n), dtype=dtypes.int64, dim=0)
    inside = p.lt(place, expanded(reshaped(times, (1, n)), (steps, n)))
    total = p.reduce_sum(p.exp(log_probs), dims=(2,))
    total = p.reduce_sum(p.where(inside, total, filled(total, 0)), dims=(0,))
    return total - p.detach(total)


@op(top=False)
def ctc_reduced(loss, target_lengths, how, zero_infinity):
    """The losses of a batch as one number."""
    if zero_infinity:
        loss = p.where(p.is_inf(loss), filled(loss, 0), loss)
    if how == "none":
        return loss
    if how == "sum":
        return p.reduce_sum(loss, dims=(0,))
    lengths = cast(p.maximum(target_lengths, filled(target_lengths, 1)), loss.dtype)
    return p.reduce_sum(loss / lengths, dims=(0,)) / loss.shape[0]


def lengths_of(call: str, x, n: int) -> Tensor:
    if isinstance(x, Tensor):
        return x.reshape(-1) if x.ndim != 1 else x
    made = np.asarray([x] if isinstance(x, int) else list(x), np.int64)
    if made.shape != (n,):
        raise ShapeError(message(call, f"needs one length for each of {n} sequences, got {made.shape[0]}"))
    return Tensor.from_array(made)


REDUCTIONS = ("none", "mean", "sum")  # torch.ctc_loss numbers them


@front(functional=True)
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths,
    target_lengths,
    blank: int = 0,
    reduction: str | int = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Loss of label sequences that may be aligned with the input in any way.

    Shape: log_probs (T, N, C) or (T, C), targets (N, S) or all of them in one dim -> () or (N,)
    """
    how = reduction_named("ctc_loss", REDUCTIONS[reduction] if isinstance(reduction, int) else reduction)
    if log_probs.dtype.kind != "f" or targets.dtype.kind not in "iu":
        facts = [("log_probs", log_probs), ("targets", targets)]
        raise DTypeError(message("ctc_loss", "log_probs must be floating point and targets whole numbers", facts))
    single = log_probs.ndim == 2
    x = log_probs.unsqueeze(1) if single else log_probs
    if not 0 <= blank < x.shape[2]:
        raise ArgumentError(message("ctc_loss", f"blank must be in label range, got {blank} of {x.shape[2]} classes"))
    n = x.shape[1]
    times, lengths = lengths_of("ctc_loss", input_lengths, n), lengths_of("ctc_loss", target_lengths, n)
    labels = targets if targets.ndim == 2 else in_rows(targets, lengths)
    loss = ctc_reduced(ctc_each(x, labels, times, lengths, blank), lengths, how, zero_infinity)
    return loss.squeeze(0) if single and how == "none" else loss


def in_rows(targets: Tensor, lengths: Tensor) -> Tensor:
    """Labels of all sequences in one dim as rows, filled up with 0."""
    sizes, flat = lengths.detach().numpy(), targets.detach().numpy()
    rows = np.zeros((len(sizes), max(int(sizes.max(initial=0)), 1)), np.int64)
    start = 0
    for i, n in enumerate(sizes):
        rows[i, :n] = flat[start : start + n]
        start += int(n)
    return Tensor.from_array(rows)
