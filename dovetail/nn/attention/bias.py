"""torch.nn.attention.bias: causal masks for queries and keys of unequal numbers, by the corner they start from."""

from __future__ import annotations

import enum

from dovetail.base.errors import ArgumentError, message
from dovetail.ops.create import ones
from dovetail.tensor.tensor import Tensor

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]


class CausalVariant(enum.IntEnum):
    """Where the diagonal of a causal mask that is not square begins or ends."""

    UPPER_LEFT = 1
    LOWER_RIGHT = 2


def causal_upper_left(*size: int) -> Tensor:
    """A mask of shape (queries, keys) for attn_mask: query i sees the keys up to i.

    >>> causal_upper_left(2, 3).int().tolist()
    [[1, 0, 0], [1, 1, 0]]
    """
    return CausalBias(CausalVariant.UPPER_LEFT, *checked("causal_upper_left", size))


def causal_lower_right(*size: int) -> Tensor:
    """A mask of shape (queries, keys) for attn_mask: the last query sees all keys, the one before all but one.

    >>> causal_lower_right(2, 3).int().tolist()
    [[1, 1, 0], [1, 1, 1]]
    """
    return CausalBias(CausalVariant.LOWER_RIGHT, *checked("causal_lower_right", size))


def checked(call: str, size: tuple) -> tuple[int, int]:
    if len(size) != 2:
        raise ArgumentError(message(call, f"takes the numbers of queries and keys, got {len(size)} sizes"))
    return int(size[0]), int(size[1])


def CausalBias(variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> Tensor:  # noqa: N802
    """The boolean mask: True where a query may look at a key. PyTorch has a tensor subclass of this name."""
    if not isinstance(variant, CausalVariant):
        raise AssertionError(f"variant must be a CausalVariant, got {type(variant).__name__}")
    shift = 0 if variant is CausalVariant.UPPER_LEFT else seq_len_kv - seq_len_q
    return ones(seq_len_q, seq_len_kv).tril(diagonal=shift).bool()
