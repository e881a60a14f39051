"""torch.nn.attention.flex_attention: attention whose scores a function of the user's changes, and whose mask is one.

The functions are written for one score (`score_mod(score, b, h, q_idx, kv_idx)`). They are called once, with all
scores and with indices shaped to spread over them; so a function may compute, compare, choose with `where` and look up
in tensors, but not decide by Python's `if`, which PyTorch does not allow either. Blocks are not skipped here: the mask
is applied to all scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import ArgumentError, NotCovered, ShapeError, message
from dovetail.ops.activation import softmax
from dovetail.ops.create import arange, full_like, zeros_like
from dovetail.ops.index import repeat_interleave, where
from dovetail.ops.matmul import matmul
from dovetail.ops.reduce import logsumexp
from dovetail.tensor.tensor import Tensor

__all__ = [
    "BlockMask", "and_masks", "create_block_mask", "create_mask", "create_nested_block_mask", "flex_attention",
    "noop_mask", "or_masks",
]  # fmt: skip
BLOCK = 128


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """The mask that lets every query look at every key."""
    return token_kv >= 0


def and_masks(*mask_mods: Callable) -> Callable:
    """The mask that holds where all of them do."""

    def both(b: Any, h: Any, q: Any, kv: Any) -> Any:
        result = mask_mods[0](b, h, q, kv) if mask_mods else noop_mask(b, h, q, kv)
        for mask in mask_mods[1:]:
            result = result & mask(b, h, q, kv)
        return result

    return both


def or_masks(*mask_mods: Callable) -> Callable:
    """The mask that holds where any of them does."""

    def either(b: Any, h: Any, q: Any, kv: Any) -> Any:
        result = mask_mods[0](b, h, q, kv) if mask_mods else ~noop_mask(b, h, q, kv)
        for mask in mask_mods[1:]:
            result = result | mask(b, h, q, kv)
        return result

    return either


def indices(batch: int, heads: int, queries: int, keys: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Index tensors of the four dims of the scores, each along its own."""
    return (
        arange(batch).view(-1, 1, 1, 1),
        arange(heads).view(1, -1, 1, 1),
        arange(queries).view(1, 1, -1, 1),
        arange(keys).view(1, 1, 1, -1),
    )


def create_mask(
    mod_fn: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None
) -> Tensor:  # fmt: skip
    """The mask of a mask function, or the changes of a score function to zero. Shape: (B, H, Q_LEN, KV_LEN)"""
    b, h, q, kv = indices(B or 1, H or 1, Q_LEN, KV_LEN)
    shape = (B or 1, H or 1, Q_LEN, KV_LEN)
    if getattr(getattr(mod_fn, "__code__", None), "co_argcount", 4) == 5:
        return mod_fn(zeros_like((b + h + q + kv).float()), b, h, q, kv).expand(shape)
    return mod_fn(b, h, q, kv).expand(shape)


class BlockMask:
    """A mask by its function and sizes, as create_block_mask makes it."""

    def __init__(self, mask_mod: Callable, shape: tuple[int, int, int, int], block: tuple[int, int]) -> None:
        self.mask_mod, self.shape, self.BLOCK_SIZE = mask_mod, shape, block
        self.seq_lengths = shape[2:]

    def full(self) -> Tensor:
        """The mask of every score."""
        return create_mask(self.mask_mod, *self.shape)

    def blocks(self) -> Tensor:
        """How many scores of each block are allowed. Shape: (B, H, query blocks, key blocks)"""
        b, h, q, kv = self.shape
        rows, columns = (-(-n // s) for n, s in zip((q, kv), self.BLOCK_SIZE, strict=True))
        padded = self.full().new_zeros(b, h, rows * self.BLOCK_SIZE[0], columns * self.BLOCK_SIZE[1])
        padded[:, :, :q, :kv] = self.full()
        return padded.view(b, h, rows, self.BLOCK_SIZE[0], columns, self.BLOCK_SIZE[1]).sum((3, 5))

    def to_dense(self) -> Tensor:
        """1 for each block in which any score is allowed."""
        return (self.blocks() > 0).int()

    def sparsity(self) -> float:
        """The share of scores outside the blocks that are not empty, in percent; blocks may reach over the edge."""
        return 100 * (1 - self.to_dense().sum().item() * math.prod(self.BLOCK_SIZE) / self.numel())

    def to(self, *args: Any, **kwargs: Any) -> BlockMask:
        """The mask itself: there is one device."""
        return self

    def numel(self) -> int:
        return math.prod(self.shape)

    def __repr__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, BLOCK_SIZE={self.BLOCK_SIZE})"


def create_block_mask(
    mask_mod: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = BLOCK, _compile: bool = False, **settings: Any,
) -> BlockMask:  # fmt: skip
    """The mask of `mask_mod(b, h, q_idx, kv_idx)`. B, H: None where it is the same for all of them.

    >>> create_block_mask(lambda b, h, q, kv: q >= kv, None, None, 256, 256).sparsity()
    25.0
    """
    block = BLOCK_SIZE if isinstance(BLOCK_SIZE, tuple) else (BLOCK_SIZE, BLOCK_SIZE)
    return BlockMask(mask_mod, (B or 1, H or 1, Q_LEN, KV_LEN), block)


def create_nested_block_mask(*args: Any, **kwargs: Any) -> BlockMask:
    """Raises: NotCovered, as there are no nested tensors."""
    cure = "a mask of documents: create_block_mask(lambda b, h, q, kv: document[q] == document[kv], ...)"
    raise NotCovered(message("create_nested_block_mask", "nested tensors are not covered", [], cure))


def flex_attention(
    query: Tensor, key: Tensor, value: Tensor, score_mod: Callable | None = None, block_mask: BlockMask | None = None,
    scale: float | None = None, enable_gqa: bool = False, return_lse: bool = False, kernel_options: dict | None = None,
    *, return_aux: Any = None,
) -> Any:  # fmt: skip
    """softmax(score_mod(scale Q Kᵀ) where the mask holds) V. scale: 1 / sqrt(E) by default.

    Shape: Q (B, Hq, L, E), K (B, Hkv, S, E), V (B, Hkv, S, Ev) -> (B, Hq, L, Ev)
    enable_gqa: Hq is a multiple of Hkv. return_lse: also the logarithm of each query's sum of exponentials, (B, Hq, L).
    Source: torch.nn.attention.flex_attention.
    """
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x.ndim != 4:
            raise ShapeError(message("flex_attention", f"{name} must have 4 dims, got {x.ndim}", [(name, x)]))
    if return_aux is not None:
        raise NotCovered(message("flex_attention", "return_aux is not covered", [], "return_lse=True"))
    heads = query.shape[1]
    if enable_gqa and key.shape[1] != heads:
        key, value = (repeat_interleave(x, heads // x.shape[1], 1) for x in (key, value))
    if key.shape[1] != heads:
        problem = f"query has {heads} heads, key {key.shape[1]}: they must agree, or enable_gqa=True"
        raise ArgumentError(message("flex_attention", problem, [("query", query), ("key", key)]))
    scores = matmul(query, key.transpose(-2, -1)).float() * (query.shape[-1] ** -0.5 if scale is None else scale)
    where_at = indices(*scores.shape)
    if score_mod is not None:
        scores = score_mod(scores, *where_at).to(scores.dtype)
    if block_mask is not None:
        if not isinstance(block_mask, BlockMask):
            raise TypeError(message("flex_attention", "block_mask must be made by create_block_mask"))
        scores = where(block_mask.mask_mod(*where_at), scores, full_like(scores, -math.inf))
    none_allowed = (scores == -math.inf).all(-1, keepdim=True)
    weights = where(none_allowed, zeros_like(scores), softmax(where(none_allowed, zeros_like(scores), scores), -1))
    out = matmul(weights.to(value.dtype), value)
    return (out, logsumexp(scores, -1)) if return_lse else out
