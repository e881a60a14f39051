"""Attention: weighted sums of values, weighted by how well keys match queries.

Source: Vaswani et al. 2017.
"""

from __future__ import annotations

import math

import dovetail.ops.primitives as p
from dovetail.base.errors import ArgumentError, DTypeError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops import activation, matmul, shape
from dovetail.ops.create import lower_triangle
from dovetail.ops.dims import broadcast_sizes
from dovetail.ops.front import front
from dovetail.ops.promote import cast, expanded, filled, need_float, same_dtype
from dovetail.ops.random import Draws, dropped
from dovetail.tensor.op import op
from dovetail.tensor.tensor import Tensor


def check_attention(query: Value, key: Value, value: Value) -> None:
    call, facts = "scaled_dot_product_attention", [("query", query), ("key", key), ("value", value)]
    need_float(call, query)
    same_dtype(call, ("query", query), ("key", key), ("value", value))
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ShapeError(message(call, "expected query, key and value with at least 2 dims", facts))
    if query.shape[-1] != key.shape[-1]:
        problem = f"query and key differ in their last size: {query.shape[-1]} and {key.shape[-1]}"
        raise ShapeError(message(call, problem, facts))
    if key.shape[-2] != value.shape[-2]:
        problem = f"key and value differ in length: {key.shape[-2]} and {value.shape[-2]}"
        raise ShapeError(message(call, problem, facts))


def scores(query: Value, key: Value, scale: float | None) -> Value:
    """How well each key matches each query. Shape: (*, L, E), (*, S, E) -> (*, L, S)"""
    factor = 1 / math.sqrt(query.shape[-1] or math.nan) if scale is None else scale  # no features, no number
    turned = shape.swapped("attention", key, -2, -1)
    return matmul.matrix_product("scaled_dot_product_attention", query * filled(query, factor), turned)


def masked(raw: Value, mask: Value | None, is_causal: bool) -> Value:
    """Scores with -inf where a query may not look, or with the mask's numbers added."""
    if is_causal:
        if mask is not None:
            raise ArgumentError(
                message("scaled_dot_product_attention", "attn_mask should not be set when is_causal=True")
            )
        return p.where(lower_triangle(raw.shape, 0), raw, filled(raw, -math.inf))
    if mask is None:
        return raw
    full = broadcast_sizes(
        "scaled_dot_product_attention", raw.shape, mask.shape, facts=[("scores", raw), ("attn_mask", mask)]
    )
    raw = expanded(raw, full)
    if mask.dtype.kind == "b":
        return p.where(expanded(mask, full), raw, filled(raw, -math.inf))
    if mask.dtype.kind != "f":
        problem = f"attn_mask must be bool or floating point, got {mask.dtype.name}"
        raise DTypeError(message("scaled_dot_product_attention", problem, [("attn_mask", mask)]))
    return raw + expanded(cast(mask, raw.dtype), full)


def attention_weights(query: Value, key: Value, mask: Value | None, is_causal: bool, scale) -> Value:
    """Softmax of the masked scores; a query that may look nowhere gets zeros."""
    raw = masked(scores(query, key, scale), mask, is_causal)
    weights = safe_softmax(raw) if mask is not None else activation.softmax_of(raw, raw.ndim - 1)
    return weights


def safe_softmax(x: Value) -> Value:
    """Softmax over the last dim in which rows of -inf give zeros."""
    last = x.ndim - 1
    if not x.shape[last]:
        return p.identity(x)
    none = p.reduce_all(p.eq(x, filled(x, -math.inf)), dims=(last,))
    spread = expanded(p.reshape(none, shape=(*none.shape, 1)), x.shape)
    out = activation.softmax_of(p.where(spread, filled(x, 0), x), last)
    return p.where(spread, filled(out, 0), out)


def shared_heads(query: Value, key: Value, value: Value) -> tuple[Value, Value]:
    """Keys and values repeated so that groups of query heads share them."""
    if query.shape[-3] % key.shape[-3] or query.shape[-3] % value.shape[-3]:
        problem = "with enable_gqa the number of query heads must be divisible by those of key and value"
        raise ShapeError(
            message("scaled_dot_product_attention", problem, [("query", query), ("key", key), ("value", value)])
        )
    return tuple(shape.repeat_each(x, query.shape[-3] // x.shape[-3], x.ndim - 3) for x in (key, value))


@op(top=False, name="scaled_dot_product_attention")
def attention(query, key, value, attn_mask=None, is_causal=False, scale=None, enable_gqa=False):
    """softmax(query keyᵀ scale) value. Shape: (*, L, E), (*, S, E), (*, S, F) -> (*, L, F)"""
    check_attention(query, key, value)
    if enable_gqa:
        key, value = shared_heads(query, key, value)
    weights = attention_weights(query, key, attn_mask, is_causal, scale)
    return matmul.matrix_product("scaled_dot_product_attention", weights, value)


@op(top=False, random=True)
def attention_with_dropout(
    seed, counter, query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """attention with some weights dropped at random."""
    check_attention(query, key, value)
    if enable_gqa:
        key, value = shared_heads(query, key, value)
    weights = attention_weights(query, key, attn_mask, is_causal, scale)
    weights = dropped(Draws(seed, counter), weights, dropout_p, weights.shape)
    return matmul.matrix_product("scaled_dot_product_attention", weights, value)


@front(functional=True, top=False)
def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """Values averaged by softmax(query keyᵀ / sqrt(E)).

    Shape: query (*, L, E), key (*, S, E), value (*, S, F) -> (*, L, F)
    attn_mask: True where a query may look at a key, or numbers that are added to the scores.
    """
    if dropout_p > 0:
        return attention_with_dropout(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
    return attention(query, key, value, attn_mask, is_causal, scale, enable_gqa)
