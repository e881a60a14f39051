"""Where shuffles get their numbers: a NumPy generator seeded by a draw from Dovetail's own.

So manual_seed makes every order repeatable, and a shuffle never builds a graph.
"""

from __future__ import annotations

import numpy as np

from dovetail.tensor.random import draw_seed


def numpy_generator(generator=None) -> np.random.Generator:
    """A NumPy generator for one shuffle; `generator` (default: the global one) moves on by one draw."""
    return np.random.Generator(np.random.PCG64(draw_seed(generator)))
