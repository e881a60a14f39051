"""Where shuffles get their numbers: a NumPy generator seeded by a draw from Dovetail's own.

So manual_seed makes every order repeatable, and a shuffle never builds a graph.
"""

from __future__ import annotations

import numpy as np

from dovetail.tensor.random import default_generator


def numpy_generator(generator=None) -> np.random.Generator:
    """A NumPy generator for one shuffle; `generator` (default: the global one) moves on by one draw."""
    return (default_generator if generator is None else generator).host()


def draw_seed(generator=None) -> int:
    """A seed for a worker's own randomness."""
    return int(numpy_generator(generator).integers(2**63))
