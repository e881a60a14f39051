"""Seeds: where randomness in the Keras dialect begins, and the generators that layers and functions draw from."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from dovetail.keras.lookup import table
from dovetail.keras.naming import auto_name
from dovetail.tensor.random import Generator, default_generator, manual_seed

_chosen: list[int | None] = [None]


def make_default_seed() -> int:
    """A whole number from Python's own generator, so that set_random_seed decides it."""
    return random.randint(1, int(1e9))


def set_random_seed(seed: int) -> None:
    """Start Python's, NumPy's and Dovetail's random numbers at `seed`. Source: keras.utils.set_random_seed."""
    if not isinstance(seed, (int, np.integer)):
        raise ValueError(f"Expected `seed` argument to be an integer. Received: seed={seed} (of type {type(seed)})")
    _chosen[0] = int(seed)
    random.seed(int(seed))
    np.random.seed(int(seed) % 2**32)
    manual_seed(int(seed))


def chosen_seed() -> int | None:
    """The seed that set_random_seed was given, if any."""
    return _chosen[0]


class SeedGenerator:
    """A stream of random numbers that goes on from call to call. Source: keras.random.SeedGenerator."""

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any):
        self.name = name or auto_name("seed_generator")
        self._initial_seed = seed
        self.seed = make_default_seed() if seed is None else int(seed)
        self.generator = Generator().manual_seed(self.seed)
        self._host = np.random.Generator(np.random.Philox(abs(self.seed)))

    @property
    def state(self):
        """The counter of the stream, as a tensor."""
        return self.generator.counter_tensor

    def next_number(self) -> int:
        """A fresh seed for one draw on the host."""
        return int(self._host.integers(1, 2**31))

    def next(self, ordered: bool = True):
        """As next_number, for code written against Keras."""
        return self.next_number()

    def get_config(self) -> dict[str, Any]:
        return {"seed": self._initial_seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        return cls(**config)


def generator_of(seed: Any) -> Generator:
    """The generator that a `seed` argument of a random function means: None is the default stream, a whole number
    starts its stream anew at every call.
    """
    if seed is None:
        return default_generator
    if isinstance(seed, SeedGenerator):
        return seed.generator
    return Generator().manual_seed(int(seed))


table("random", "keras.random").add(SeedGenerator)
