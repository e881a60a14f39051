"""keras.random: tensors of random numbers. `seed` is a whole number (the same numbers at every call), a SeedGenerator
(the next ones at every call) or None (the stream that set_random_seed starts)."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, message
from dovetail.keras.config import floatx
from dovetail.keras.dtypes import as_dtype, is_float_dtype, is_int_dtype
from dovetail.keras.layers.regularization import drop_out
from dovetail.keras.ops.convert import tensor as convert_to_tensor
from dovetail.keras.seeds import SeedGenerator, generator_of
from dovetail.ops import elementwise, index, reduce
from dovetail.ops import random as draws
from dovetail.tensor.tensor import Tensor


def sizes(shape: Any) -> tuple[int, ...]:
    """The shape as whole numbers."""
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)


def float_type(call: str, dtype: Any) -> Any:
    """The float type asked for, floatx by default. Raises ArgumentError for a type without fractions."""
    dtype = dtype or floatx()
    if not is_float_dtype(dtype):
        raise ArgumentError(message(f"keras.random.{call}", f"requires a floating point `dtype`, got {dtype}"))
    return as_dtype(dtype)


def host(seed: Any) -> np.random.Generator:
    """NumPy's generator for what is drawn on the host."""
    if isinstance(seed, SeedGenerator):
        return np.random.default_rng(seed.next_number())
    return generator_of(seed).host()


def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None) -> Tensor:
    """Normal numbers."""
    made = draws.randn(*sizes(shape), dtype=float_type("normal", dtype), generator=generator_of(seed))
    return made if (mean, stddev) == (0.0, 1.0) else made * stddev + mean


def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None) -> Tensor:
    """Numbers from [minval, maxval)."""
    made = draws.rand(*sizes(shape), dtype=float_type("uniform", dtype), generator=generator_of(seed))
    return made if (minval, maxval) == (0.0, 1.0) else made * (maxval - minval) + minval


def randint(shape, minval, maxval, dtype="int32", seed=None) -> Tensor:
    """Whole numbers from [minval, maxval)."""
    if not is_int_dtype(dtype):
        raise ArgumentError(message("keras.random.randint", f"requires an integer `dtype`, got {dtype}"))
    return draws.randint(int(minval), int(maxval), sizes(shape), dtype=as_dtype(dtype), generator=generator_of(seed))


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None) -> Tensor:
    """Normal numbers; those further than two deviations from the mean are drawn again."""
    dtype = float_type("truncated_normal", dtype)
    low, high = 0.022750131948179195, 0.9772498680518208  # the share of normal numbers below -2 and below 2
    u = draws.rand(*sizes(shape), dtype=dtype, generator=generator_of(seed)) * (high - low) + low
    return elementwise.clamp(elementwise.erfinv(2.0 * u - 1.0) * 2.0**0.5, -2.0, 2.0) * stddev + mean


def categorical(logits, num_samples, dtype="int32", seed=None) -> Tensor:
    """`num_samples` class numbers for every row of logits."""
    logits = convert_to_tensor(logits)
    rows, classes = logits.shape
    u = draws.rand(rows, int(num_samples), classes, generator=generator_of(seed))
    noise = -elementwise.log(-elementwise.log(u.clamp(1e-30, 1.0)).clamp(min=1e-30))
    return reduce.argmax(logits.unsqueeze(1) + noise, -1).to(as_dtype(dtype))


def dropout(inputs, rate, noise_shape=None, seed=None) -> Tensor:
    """The input with a share `rate` of its elements zeroed and the rest scaled up."""
    x = convert_to_tensor(inputs)
    kept = tuple(x.shape) if noise_shape is None else tuple(n or m for n, m in zip(noise_shape, x.shape, strict=True))
    return drop_out(x, float(rate), kept, generator=generator_of(seed)) if rate > 0 else x


def shuffle(x, axis=0, seed=None) -> Tensor:
    """The slices along the axis in another order."""
    x = convert_to_tensor(x)
    return index.index_select(x, axis, draws.randperm(x.shape[axis], generator=generator_of(seed)))


def from_host(made: np.ndarray, dtype: Any) -> Tensor:
    """What NumPy drew, in the type asked for."""
    return Tensor.from_data(np.asarray(made, as_dtype(dtype).np))


def gamma(shape, alpha, dtype=None, seed=None) -> Tensor:
    """Numbers of gamma distributions of scale 1. Drawn on the host."""
    return from_host(host(seed).gamma(np.asarray(alpha), size=sizes(shape)), float_type("gamma", dtype))


def beta(shape, alpha, beta, dtype=None, seed=None) -> Tensor:
    """Numbers of beta distributions. Drawn on the host."""
    made = host(seed).beta(np.asarray(alpha), np.asarray(beta), size=sizes(shape))
    return from_host(made, float_type("beta", dtype))


def binomial(shape, counts, probabilities, dtype=None, seed=None) -> Tensor:
    """How many of `counts` tries succeed. Drawn on the host."""
    made = host(seed).binomial(np.asarray(counts, np.int64), np.asarray(probabilities), size=sizes(shape))
    return from_host(made, float_type("binomial", dtype))
