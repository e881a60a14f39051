"""tf.random."""

from __future__ import annotations

from typing import Any

from dovetail.compat.tf.arrays import sizes
from dovetail.keras import random as keras_random
from dovetail.keras.dtypes import as_dtype, is_int_dtype
from dovetail.keras.ops.convert import tensor
from dovetail.ops import random as draws
from dovetail.tensor.random import manual_seed
from dovetail.tensor.tensor import Tensor


def set_seed(seed: int) -> None:
    """Start every random operation at `seed`; the numbers that follow are Dovetail's own. Source: tf.random.set_seed"""
    manual_seed(int(seed))


def stream(seed: Any) -> Any:
    """A seed of one operation: in TensorFlow two of them still differ from call to call, so the stream goes on."""
    return None


def normal(shape, mean=0.0, stddev=1.0, dtype="float32", seed=None, name=None) -> Tensor:
    """Normal numbers."""
    made = keras_random.normal(sizes(shape), 0.0, 1.0, dtype, stream(seed))
    plain = not isinstance(mean, Tensor) and not isinstance(stddev, Tensor) and (mean, stddev) == (0.0, 1.0)
    return made if plain else made * stddev + mean


def uniform(shape, minval=0, maxval=None, dtype="float32", seed=None, name=None) -> Tensor:
    """Numbers from [minval, maxval)."""
    if is_int_dtype(dtype):
        return draws.randint(int(minval), int(maxval), sizes(shape), dtype=as_dtype(dtype))
    return keras_random.uniform(sizes(shape), minval, 1.0 if maxval is None else maxval, dtype, stream(seed))


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype="float32", seed=None, name=None) -> Tensor:
    """Normal numbers, none further than two deviations from the mean."""
    return keras_random.truncated_normal(sizes(shape), mean, stddev, dtype, stream(seed))


def shuffle(value, seed=None, name=None) -> Tensor:
    """The rows in another order."""
    return keras_random.shuffle(value, 0, stream(seed))


def categorical(logits, num_samples, dtype="int64", seed=None, name=None) -> Tensor:
    """Class numbers for each row of raw scores."""
    return keras_random.categorical(logits, num_samples, dtype or "int64", stream(seed))


def gamma(shape, alpha, beta=None, dtype="float32", seed=None, name=None) -> Tensor:
    """Numbers of gamma distributions."""
    made = keras_random.gamma(sizes(shape), alpha, dtype, stream(seed))
    return made if beta is None else made / beta


def poisson(shape, lam, dtype="float32", seed=None, name=None) -> Tensor:
    """Numbers of Poisson distributions."""
    host = keras_random.host(seed)
    return keras_random.from_host(host.poisson(lam, sizes(shape)), dtype)


def mixed(seed: Any) -> int:
    """One number of a pair of seeds."""
    a, b = sizes(seed)
    return (a * 1000003 + b) % (2**31)


def stateless_normal(shape, seed, mean=0.0, stddev=1.0, dtype="float32", name=None, alg=None) -> Tensor:
    """Normal numbers that the seed alone decides."""
    return keras_random.normal(sizes(shape), mean, stddev, dtype, mixed(seed))


def stateless_uniform(shape, seed, minval=0, maxval=None, dtype="float32", name=None, alg=None) -> Tensor:
    """Numbers from [minval, maxval) that the seed alone decides."""
    if is_int_dtype(dtype):
        return keras_random.randint(sizes(shape), minval, maxval, dtype, mixed(seed))
    return keras_random.uniform(sizes(shape), minval, 1.0 if maxval is None else maxval, dtype, mixed(seed))


class Generator:
    """A stream of random numbers of its own. Source: tf.random.Generator."""

    def __init__(self, seed: int | None = None):
        self.seeds = keras_random.SeedGenerator(seed)

    @classmethod
    def from_seed(cls, seed: Any, alg: Any = None) -> Generator:
        return cls(int(tensor(seed).item()))  # type: ignore[attr-defined]

    @classmethod
    def from_non_deterministic_state(cls, alg: Any = None) -> Generator:
        return cls()

    def normal(self, shape, mean=0.0, stddev=1.0, dtype="float32", name=None) -> Tensor:
        return keras_random.normal(sizes(shape), mean, stddev, dtype, self.seeds)

    def uniform(self, shape, minval=0, maxval=None, dtype="float32", name=None) -> Tensor:
        if is_int_dtype(dtype):
            return keras_random.randint(sizes(shape), minval, maxval, dtype, self.seeds)
        return keras_random.uniform(sizes(shape), minval, 1.0 if maxval is None else maxval, dtype, self.seeds)


__all__ = ["Generator", "categorical", "gamma", "normal", "poisson", "set_seed", "shuffle", "stateless_normal",
           "stateless_uniform", "truncated_normal", "uniform"]  # fmt: skip
