"""Random numbers for transforms: from the framework's generator, so manual_seed repeats them."""

from __future__ import annotations

from collections.abc import Sequence

from dovetail.ops.random import rand, randint, randperm


def number(low: float = 0.0, high: float = 1.0) -> float:
    """A number between low and high."""
    return low + (high - low) * rand(1).item()


def whole(low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return int(randint(low, high + 1, (1,)).item())


def order(count: int) -> list[int]:
    """0 .. count - 1 shuffled."""
    return randperm(count).tolist()


def chosen(weights: Sequence[float]) -> int:
    """A place of `weights`, each as likely as its weight says."""
    left = number() * sum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return len(weights) - 1
