"""Philox 4x32-10: random bits from a key and a counter, so that any element can be made alone and in any order.

Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

import numpy as np

MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox_block(counter: list[np.ndarray], key: tuple[int, int]) -> list[np.ndarray]:
    """Four words of random bits from four counter words (uint64 arrays that hold 32 bits each) and two key words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        p, q = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (q >> HALF) ^ c1 ^ np.uint64(k0), q & LOW, (p >> HALF) ^ c3 ^ np.uint64(k1), p & LOW
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return [c0, c1, c2, c3]


def philox_words(seed: int, counter: int, count: int) -> np.ndarray:
    """`count` random uint32: word i is lane i % 4 of the block `counter + i // 4` (64 bits, the upper two words are 0).

    >>> [hex(w) for w in philox_words(0, 0, 4)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    blocks = -(-count // 4)
    start = np.uint64(counter & (2**64 - 1))
    numbers = start + np.arange(blocks, dtype=np.uint64)
    zero = np.zeros_like(numbers)
    key = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    lanes = philox_block([numbers & LOW, numbers >> HALF, zero, zero], key)
    return np.stack([lane.astype(np.uint32) for lane in lanes], axis=-1).reshape(-1)[:count]
