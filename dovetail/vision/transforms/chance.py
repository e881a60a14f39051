"""Random numbers for transforms: from the framework's generator, so manual_seed repeats them.

A tape holds what was drawn for one picture, so that the next part of the same sample gets the same: a mask is cut where
its picture was cut.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from dovetail.ops.random import rand, randint, randn, randperm


class Tape(threading.local):
    """What has been drawn, and how much of it has been played; None where nothing is taped."""

    drawn: list[Any] | None = None
    at = 0


TAPE = Tape()


@contextmanager
def taped() -> Iterator[Callable[[], None]]:
    """Write down what is drawn in this block; calling what it yields plays it again from the start."""
    outer = TAPE.drawn, TAPE.at
    if TAPE.drawn is None:
        TAPE.drawn, TAPE.at = [], 0
    start = TAPE.at

    def rewind() -> None:
        TAPE.at = start

    try:
        yield rewind
    finally:
        if outer[0] is None:
            TAPE.drawn, TAPE.at = outer


def draw(make: Callable[[], Any]) -> Any:
    """make(), or what the tape has at this place."""
    if TAPE.drawn is None:
        return make()
    if TAPE.at == len(TAPE.drawn):
        TAPE.drawn.append(make())
    TAPE.at += 1
    return TAPE.drawn[TAPE.at - 1]


def number(low: float = 0.0, high: float = 1.0) -> float:
    """A number between low and high."""
    return low + (high - low) * draw(lambda: rand(1).item())


def whole(low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return draw(lambda: int(randint(low, high + 1, (1,)).item()))


def order(count: int) -> list[int]:
    """0 .. count - 1 shuffled."""
    return draw(lambda: randperm(count).tolist())


def uniform(*shape: int) -> np.ndarray:
    """Numbers in 0..1."""
    return draw(lambda: rand(*shape).numpy())


def normal(*shape: int) -> np.ndarray:
    """Normal numbers."""
    return draw(lambda: randn(*shape).numpy())


def chosen(weights: Sequence[float]) -> int:
    """A place of `weights`, each as likely as its weight says."""
    left = number() * sum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return len(weights) - 1
