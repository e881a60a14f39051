"""Random state: a seed and a counter, both 0-d tensors, so that a compiled step draws new numbers on every replay.

The numbers come from Philox 4x32-10 (Salmon et al. 2011), a function of seed and counter only: the same on every
machine, thread count and tier.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, message
from dovetail.tensor.recorder import current
from dovetail.tensor.tensor import Tensor


class Generator:
    """A stream of random numbers.

    >>> g = Generator().manual_seed(7)
    >>> g.initial_seed()
    7
    """

    def __init__(self, device="cpu"):
        self.device = device
        self.seed_tensor = Tensor.from_array(np.array(0, np.int64))._copy_concrete()
        self.counter_tensor = Tensor.from_array(np.array(0, np.int64))._copy_concrete()
        self.manual_seed(67280421310721)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream that belongs to `seed` (taken modulo 2**64) from its beginning."""
        self._set(int(seed), 0)
        return self

    def seed(self) -> int:
        """Start a stream from the system's randomness; returns its seed."""
        value = int.from_bytes(os.urandom(8), "little") >> 1
        self._set(value, 0)
        return value

    def initial_seed(self) -> int:
        return self.seed_tensor.item() % 2**64

    def _set(self, seed: int, counter: int) -> None:
        for t, value in ((self.seed_tensor, seed), (self.counter_tensor, counter)):
            t._settle()
            current().close()
            t._array()[...] = np.array(value % 2**64, np.uint64).astype(np.int64)

    def get_state(self) -> Tensor:
        """Seed and counter as 16 bytes."""
        pair = np.array([self.seed_tensor.item(), self.counter_tensor.item()], np.int64)
        return Tensor.from_array(pair.view(np.uint8).copy())

    def set_state(self, state: Tensor) -> Generator:
        if not isinstance(state, Tensor) or state.dtype.name != "uint8":
            raise TypeError("RNG state must be a ByteTensor: what get_state() gave")
        if state.numel() != 16:
            raise ArgumentError(message("set_state", "RNG state is wrong size: 16 bytes", [("state", state)]))
        seed, counter = state._array().copy().view(np.int64).tolist()
        self._set(seed, counter)
        return self

    def clone_state(self) -> Generator:
        g = Generator(self.device)
        return g.set_state(self.get_state())

    def host(self) -> np.random.Generator:
        """A NumPy generator that continues this stream, for shuffles on the host; moves the counter on by one."""
        seed, counter = self.initial_seed(), self.counter_tensor.item()
        self._set(seed, counter + 1)
        return np.random.Generator(np.random.Philox(key=seed, counter=[counter, 0, 0, 1]))


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Start the default stream of random numbers at `seed`."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    return default_generator.seed()


def initial_seed() -> int:
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    return default_generator.get_state()


def set_rng_state(state: Tensor) -> None:
    default_generator.set_state(state)


@contextmanager
def fork_rng(
    devices: Iterable[Any] | None = None, enabled: bool = True, _caller: str = "fork_rng",
    _devices_kw: str = "devices", device_type: str = "cuda",
) -> Iterator[None]:  # fmt: skip
    """The default stream goes on, after the block, as if the block had drawn nothing."""
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
