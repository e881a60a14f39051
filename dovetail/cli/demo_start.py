"""What both dialects of the demo share: starting weights, the order of the digits, and what an epoch reports."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BATCH = 32
SIZES = (784, 64, 64, 10)


class Scores(NamedTuple):
    """After an epoch: mean loss and share of right answers in training, share of right answers held out."""

    epoch: int
    loss: float
    accuracy: float
    held_out: float


def starting_weights(seed: int) -> list[np.ndarray]:
    """kernel (in, out), bias (out,), kernel, ...: uniform within 1/sqrt(inputs), as nn.Linear starts."""
    random, arrays = np.random.default_rng(seed), []
    for inputs, outputs in zip(SIZES, SIZES[1:], strict=False):
        bound = inputs**-0.5
        arrays += [random.uniform(-bound, bound, shape).astype(np.float32) for shape in ((inputs, outputs), (outputs,))]
    return arrays


def shuffled(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The training digits in one random order, the same in both dialects and in each epoch."""
    order = np.random.default_rng(0).permutation(len(x))
    return x[order], y[order]
