"""The arithmetic of metrics: running totals that stay tensors, and what counts as right.

State is written in place by ops, so a training step with its metrics is one program, and nobody looks at a value before
it is to be shown.
"""

from __future__ import annotations

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.ir.core import Value
from dovetail.ops import reduce
from dovetail.ops.promote import cast, expanded, filled
from dovetail.ops.shape import reshaped
from dovetail.tensor.op import op

# -- running totals ----------------------------------------------------------------------------------------------------


def by_sample(values: Value, weight: Value | None) -> tuple[Value, Value | None]:
    """One value for each sample (means over the other dims), weighted; and one weight for each sample.

    Shape: (n, *), (n, *) with fewer dims -> (n,), (n,)
    """
    if weight is not None:
        weight = cast(weight, values.dtype)
        values, weight = level(values, weight)
        rank = weight.ndim
        if values.ndim > rank:
            values = reduce.mean(values, tuple(range(rank, values.ndim)))
        weight = expanded(weight, values.shape)
        values = values * weight
        if rank > 1:
            weight = reduce.mean(weight, tuple(range(1, rank)))
    if values.ndim > 1:
        values = reduce.mean(values, tuple(range(1, values.ndim)))
    return values, weight


def level(a: Value, b: Value) -> tuple[Value, Value]:
    """Add or remove a last dim of size 1 where the ranks differ by one."""
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, reshaped(b, (*b.shape, 1))) if b.ndim == 1 else (reshaped(a, a.shape[:-1]), b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (reshaped(a, (*a.shape, 1)), b) if a.ndim == 1 else (a, reshaped(b, b.shape[:-1]))
    return a, b


@op(top=False, inplace=True, differentiable=False, name="add_total")
def add_total(input: Value, values: Value, weight: Value | None = None, factor: float = 1.0) -> Value:
    """A running total plus the weighted values of a batch."""
    values, _ = by_sample(cast(values, input.dtype), weight)
    added = reduce.sum(values)
    return input + (added if factor == 1.0 else added * factor)


@op(top=False, inplace=True, differentiable=False, name="add_count")
def add_count(input: Value, values: Value, weight: Value | None = None, factor: float = 1.0) -> Value:
    """A running count plus the samples of a batch, or the sum of their weights."""
    if weight is None:
        return input + float(values.shape[0] if values.shape else 1) * factor
    _, weight = by_sample(cast(values, input.dtype), weight)
    return input + reduce.sum(weight)


@op(top=False, inplace=True, differentiable=False, name="add_sum")
def add_sum(input: Value, values: Value) -> Value:
    """A running tensor plus values of its shape."""
    return input + cast(values, input.dtype)


@op(top=False, differentiable=False, name="ratio_or_zero")
def ratio(input: Value, count: Value) -> Value:
    """input / count, 0 where the count is 0."""
    none = p.eq(count, filled(count, 0))
    return p.where(none, filled(input, 0), input / p.where(none, filled(count, 1), count))


# -- what counts as right ----------------------------------------------------------------------------------------------


@op(top=False, differentiable=False, name="equal_labels")
def equal_labels(input: Value, target: Value, dtype) -> Value:
    """1 where prediction and target are equal."""
    input, target = level(input, cast(target, input.dtype))
    shape = p_shape(input, target)
    return cast(p.eq(expanded(input, shape), expanded(target, shape)), dtype)


def p_shape(a: Value, b: Value) -> tuple[int, ...]:
    return a.shape if a.numel >= b.numel else b.shape


@op(top=False, differentiable=False, name="equal_above")
def equal_above(input: Value, target: Value, threshold: float, dtype) -> Value:
    """1 where (prediction > threshold) is the target."""
    input, target = level(input, target)
    hit = cast(p.gt(input, filled(input, threshold)), target.dtype)
    return cast(p.eq(hit, expanded(target, hit.shape)), dtype)


@op(top=False, differentiable=False, name="equal_argmax")
def equal_argmax(input: Value, target: Value, dtype) -> Value:
    """1 where the largest prediction is at the largest target. Shape: (*, n), (*, n) -> (*)"""
    return cast(p.eq(p.argmax(input, dim=input.ndim - 1), p.argmax(target, dim=target.ndim - 1)), dtype)


@op(top=False, differentiable=False, name="argmax_is_label")
def argmax_is_label(input: Value, target: Value, dtype) -> Value:
    """1 where the largest prediction is at the target's number. Shape: (*, n), (*) or (*, 1) -> (*)"""
    if target.ndim == input.ndim and target.shape[-1] == 1:
        target = reshaped(target, target.shape[:-1])
    best = p.argmax(input, dim=input.ndim - 1)
    match = cast(p.eq(best, cast(target, dtypes.int64)), dtype)
    return reshaped(match, match.shape[:-1]) if match.ndim > 1 and match.shape[-1] == 1 else match


@op(top=False, differentiable=False, name="label_in_top")
def label_in_top(input: Value, target: Value, k: int, dtype) -> Value:
    """1 where fewer than k predictions are larger than the target's. Shape: (*, n), (*) -> (*)"""
    labels = cast(target, dtypes.int64)
    line = reshaped(labels, (*labels.shape, 1))
    mine = p.gather(input, line, dim=input.ndim - 1)
    larger = cast(p.gt(input, expanded(mine, input.shape)), dtypes.int64)
    count = reduce.sum(larger, -1)
    return cast(p.lt(count, filled(count, k)), dtype)
