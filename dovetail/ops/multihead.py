"""Attention with several heads, projections and masks: the function under nn.MultiheadAttention.

Source: Vaswani et al. 2017, section 3.2.2. Agrees with torch.nn.functional.multi_head_attention_forward.
"""

from __future__ import annotations

import math

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ops.activation import softmax
from dovetail.ops.attention import scaled_dot_product_attention
from dovetail.ops.create import zeros, zeros_like
from dovetail.ops.front import front
from dovetail.ops.index import masked_fill
from dovetail.ops.matmul import linear, matmul
from dovetail.ops.random import dropout
from dovetail.ops.shape import cat
from dovetail.tensor.tensor import Tensor

CALL = "multi_head_attention_forward"


def additive(mask: Tensor | None, name: str, dtype) -> Tensor | None:
    """A mask as numbers that are added to scores: minus infinity where a bool mask is True."""
    if mask is None:
        return None
    if mask.dtype.kind == "b":
        return masked_fill(zeros_like(mask, dtype=dtype), mask, -math.inf)
    if mask.dtype.kind != "f":
        raise ArgumentError(message(CALL, f"only bool and floating types of {name} are supported", [(name, mask)]))
    return mask


def check_ranks(query, key, value, key_padding_mask, attn_mask, num_heads: int) -> bool:
    """Whether there is a batch dimension. Raises ShapeError where the ranks do not fit together."""
    facts = [("query", query), ("key", key), ("value", value)]
    if query.ndim not in (2, 3):
        problem = f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor"
        raise ShapeError(message(CALL, problem, facts))
    batched = query.ndim == 3
    kind = f"{'batched' if batched else 'unbatched'} ({query.ndim}-D) `query`"
    if key.ndim != query.ndim or value.ndim != query.ndim:
        raise ShapeError(
            message(
                CALL,
                f"For {kind}, expected `key` and `value` to be {query.ndim}-D but found "
                f"{key.ndim}-D and {value.ndim}-D "
                "tensors respectively",
                facts,
            )
        )
    if key_padding_mask is not None and key_padding_mask.ndim != query.ndim - 1:
        raise ShapeError(
            message(
                CALL,
                f"For {kind}, expected `key_padding_mask` to be `None` or {query.ndim - 1}-D but found "
                f"{key_padding_mask.ndim}-D tensor instead",
                facts,
            )
        )
    if attn_mask is not None and attn_mask.ndim not in (2, 3):
        raise ShapeError(
            message(
                CALL,
                f"For {kind}, expected `attn_mask` to be `None`, 2-D or 3-D but found "
                f"{attn_mask.ndim}-D tensor instead",
                facts,
            )
        )
    return batched


def in_projection(query, key, value, weights: tuple, biases: tuple) -> list[Tensor]:
    """Query, key and value, each through its own affine map."""
    return [linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]


def packed_projection(query, key, value, weight, bias) -> list[Tensor]:
    """As in_projection with the three weights stacked; self-attention needs one product for all."""
    e = query.shape[-1]
    if query is key and key is value:
        made = linear(query, weight, bias)
        return [made[..., i * e : (i + 1) * e] for i in range(3)]
    parts = tuple(weight[i * e : (i + 1) * e] for i in range(3))
    return in_projection(query, key, value, parts, thirds(bias, e))


def thirds(bias: Tensor | None, e: int) -> tuple:
    return (None, None, None) if bias is None else tuple(bias[i * e : (i + 1) * e] for i in range(3))


def wider(mask: Tensor | None) -> Tensor | None:
    """A mask with one more key that everybody may look at."""
    if mask is None:
        return None
    return cat([mask, zeros(*mask.shape[:-1], 1, dtype=mask.dtype)], -1)


def by_head(x: Tensor, batch: int, heads: int) -> Tensor:
    """(L, N, E) -> (N, heads, L, E / heads)"""
    length = x.shape[0]
    return x.reshape(length, batch, heads, x.shape[-1] // heads).permute(1, 2, 0, 3)


def merged_masks(attn_mask, key_padding_mask, batch: int, heads: int, length: int, keys: int):
    """Both masks as one of shape (1 or N, 1 or heads, 1 or L, S); None where there is none."""
    if attn_mask is not None:
        wanted = (length, keys) if attn_mask.ndim == 2 else (batch * heads, length, keys)
        if tuple(attn_mask.shape) != wanted:
            raise ShapeError(
                message(
                    CALL,
                    f"The shape of the {attn_mask.ndim}D attn_mask is {tuple(attn_mask.shape)}, "
                    f"but should be {wanted}.",
                    [("attn_mask", attn_mask)],
                )
            )
        lead = (1, 1) if attn_mask.ndim == 2 else (batch, heads)
        attn_mask = attn_mask.reshape(*lead, length, keys)
    if key_padding_mask is None:
        return attn_mask
    if tuple(key_padding_mask.shape) != (batch, keys):
        raise ShapeError(
            message(
                CALL,
                f"Expected key_padded_mask.shape to be {(batch, keys)}, but got {tuple(key_padding_mask.shape)}",
                [("key_padding_mask", key_padding_mask)],
            )
        )
    padding = key_padding_mask.reshape(batch, 1, 1, keys)
    return padding if attn_mask is None else attn_mask + padding


@front(functional=True, top=False)
def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Project, attend head by head, project back. Returns (output, weights or None).

    Shape: query (L, N, E), key (S, N, Ek), value (S, N, Ev), all with or without N -> (L, N, E), weights (N, L, S)
    attn_mask (L, S) or (N heads, L, S), key_padding_mask (N, S): True, or minus infinity, where not to look.
    """
    batched = check_ranks(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same = query is key, key is value
        query = query.unsqueeze(1)
        key = query if same[0] else key.unsqueeze(1)
        value = key if same[1] else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, e = query.shape
    check_widths(e, embed_dim_to_check, num_heads, key, value, use_separate_proj_weight)
    if is_causal and attn_mask is None:
        raise ArgumentError(
            message(
                CALL,
                "Need attn_mask if specifying the is_causal hint.",
                [],
                "Transformer.generate_square_subsequent_mask(length) makes one.",
            )
        )
    padding = additive(key_padding_mask, "key_padding_mask", query.dtype)
    only_causal = is_causal and padding is None and not need_weights
    mask = None if only_causal else additive(attn_mask, "attn_mask", query.dtype)
    if use_separate_proj_weight:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        q, k, v = in_projection(query, key, value, weights, thirds(in_proj_bias, e))
    else:
        q, k, v = packed_projection(query, key, value, in_proj_weight, in_proj_bias)
    if bias_k is not None and bias_v is not None:
        k, v = cat([k, bias_k.repeat(1, batch, 1)]), cat([v, bias_v.repeat(1, batch, 1)])
        mask, padding = wider(mask), wider(padding)
    q = by_head(q, batch, num_heads)
    k = by_head(k, batch, num_heads) if static_k is None else static_k.reshape(batch, num_heads, *static_k.shape[1:])
    v = by_head(v, batch, num_heads) if static_v is None else static_v.reshape(batch, num_heads, *static_v.shape[1:])
    if add_zero_attn:
        blank = zeros(batch, num_heads, 1, e // num_heads, dtype=k.dtype)
        k, v, mask, padding = cat([k, blank], 2), cat([v, blank], 2), wider(mask), wider(padding)
    whole = merged_masks(mask, padding, batch, num_heads, length, k.shape[2])
    rate = dropout_p if training else 0.0
    if need_weights:
        made, shown = weighted(q, k, v, whole, rate)
    else:
        made, shown = scaled_dot_product_attention(q, k, v, whole, rate, only_causal), None
    out = linear(made.permute(2, 0, 1, 3).reshape(length, batch, e), out_proj_weight, out_proj_bias)
    if shown is not None and average_attn_weights:
        shown = shown.mean(dim=1)
    if not batched:
        return out.squeeze(1), None if shown is None else shown.squeeze(0)
    return out, shown


def check_widths(e: int, wanted: int, heads: int, key: Tensor, value: Tensor, separate: bool) -> None:
    facts = [("key", key), ("value", value)]
    if e != wanted:
        raise ShapeError(message(CALL, f"was expecting embedding dimension of {wanted}, but got {e}", facts))
    if e % heads:
        raise ShapeError(message(CALL, f"embed_dim {e} not divisible by num_heads {heads}", facts))
    if key.shape[:2] != value.shape[:2] or (not separate and key.shape != value.shape):
        raise ShapeError(
            message(CALL, f"key shape {tuple(key.shape)} does not match value shape {tuple(value.shape)}", facts)
        )


def weighted(q, k, v, mask, rate: float) -> tuple[Tensor, Tensor]:
    """Attention that also shows its weights."""
    scores = matmul(q * math.sqrt(1.0 / q.shape[-1]), k.transpose(-2, -1))
    weights = softmax(scores if mask is None else scores + mask, -1)
    if rate > 0.0:
        weights = dropout(weights, rate, True)
    return matmul(weights, v), weights
