"""Embedding bags: rows of a table looked up by number and folded bag by bag."""

from __future__ import annotations

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, DTypeError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops.dims import numel
from dovetail.ops.index import embedding, lowest, row_of, scatter_fold
from dovetail.ops.promote import cast, constant, expanded, filled
from dovetail.ops.shape import reshaped
from dovetail.ops.sort import places_in
from dovetail.tensor.op import op


@op(functional=True, top=False)
def embedding_bag(
    input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean", sparse=False,
    per_sample_weights=None, include_last_offset=False, padding_idx=None,
):  # fmt: skip
    """Sums, means or maxima of rows of `weight`, bag by bag.

    Shape: input (bags, size), or (n,) with offsets (bags,) where each bag begins -> (bags, d)
    """
    if input.dtype.kind not in "iu" and weight.dtype.kind in "iu":
        input, weight = weight, input
    flat, bag, bags = bag_numbers(input, offsets, include_last_offset)
    if mode not in ("sum", "mean", "max"):
        raise ArgumentError(message("embedding_bag", f"mode has to be one of sum, mean or max, got {mode!r}"))
    if per_sample_weights is not None and mode != "sum":
        raise ArgumentError(
            message("embedding_bag", f"per_sample_weights are only supported for mode='sum', got {mode!r}")
        )
    rows = embedding(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)
    counts = constant(1, flat.shape, weight.dtype)
    if padding_idx is not None:
        kept = p.ne(flat, filled(flat, row_of("embedding_bag", padding_idx, weight.shape[0])))
        counts = cast(kept, weight.dtype)
    if mode == "max":
        return largest(rows, counts, bag, bags)
    factor = counts if per_sample_weights is None else counts * reshaped(per_sample_weights, flat.shape)
    weighted = rows * p.broadcast(factor, shape=rows.shape, dims=(0,))
    total = p.index_add(constant(0, (bags, rows.shape[1]), rows.dtype), bag, weighted, dim=0)
    if mode == "sum":
        return total
    size = p.index_add(constant(0, (bags,), rows.dtype), bag, counts, dim=0)
    size = p.maximum(size, filled(size, 1))
    return total / p.broadcast(size, shape=total.shape, dims=(0,))


def bag_numbers(input: Value, offsets: Value | None, include_last: bool) -> tuple[Value, Value, int]:
    """(all row numbers in one dim, the bag of each, how many bags)."""
    if input.dtype.kind not in "iu":
        raise DTypeError(
            message("embedding_bag", "input must hold row numbers (int64)", [("input", input)], "use input.long()")
        )
    n = numel(input.shape)
    flat = reshaped(input, (n,))
    if input.ndim == 2:
        if offsets is not None:
            raise ArgumentError(
                message(
                    "embedding_bag",
                    "if input is 2D, then offsets has to be None, as input is treated as fixed length sequences",
                )
            )
        places = p.iota(shape=input.shape, dtype=dtypes.int64, dim=0)
        return flat, reshaped(places, (n,)), input.shape[0]
    if input.ndim != 1 or offsets is None or offsets.ndim != 1:
        raise ShapeError(message("embedding_bag", "offsets has to be a 1D Tensor for a 1D input", [("input", input)]))
    bags = offsets.shape[0] - bool(include_last)
    place = p.iota(shape=(n,), dtype=dtypes.int64, dim=0)
    bag = places_in(cast(offsets, dtypes.int64), place, True, False) - 1
    return flat, p.minimum(bag, filled(bag, max(bags - 1, 0))), bags


def largest(rows: Value, counts: Value, bag: Value, bags: int) -> Value:
    """The largest element of every bag in each column; an empty bag gives 0."""
    shape = (bags, rows.shape[1])
    low = filled(rows, lowest(rows.dtype))
    kept = p.where(p.broadcast(p.gt(counts, filled(counts, 0)), shape=rows.shape, dims=(0,)), rows, low)
    index = expanded(reshaped(bag, (bag.shape[0], 1)), rows.shape)
    out = scatter_fold("amax", constant(lowest(rows.dtype), shape, rows.dtype), index, kept, 0, True)
    return p.where(p.eq(out, filled(out, lowest(out.dtype))), filled(out, 0), out)
