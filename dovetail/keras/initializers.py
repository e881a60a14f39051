"""keras.initializers: the values weights start with, drawn on the host from Philox streams.

An initializer with a whole number as seed (or none) gives the same values at every call of the same shape, as Keras's
do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.keras.dtypes import as_dtype
from dovetail.keras.lookup import deserialize as deserialize_object
from dovetail.keras.lookup import got, table
from dovetail.keras.lookup import serialize as serialize_object
from dovetail.keras.seeds import SeedGenerator, make_default_seed
from dovetail.tensor.tensor import Tensor

TABLE = table("initializer", "keras.initializers")


class Initializer:
    """Base: a call with (shape, dtype) returns a tensor of first values. Subclass it for rules of your own."""

    def __call__(self, shape, dtype=None):
        raise NotImplementedError(f"{type(self).__name__} has no __call__(shape, dtype=None)")

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]):
        return cls(**config)

    def clone(self):
        """Another initializer with the same settings."""
        return type(self).from_config(self.get_config())


def made(array: np.ndarray, dtype: Any) -> Tensor:
    return Tensor.from_data(np.asarray(array), as_dtype(dtype))


class Zeros(Initializer):
    """All 0."""

    def __call__(self, shape, dtype=None):
        return made(np.zeros(shape, as_dtype(dtype).np), dtype)


class Ones(Initializer):
    """All 1."""

    def __call__(self, shape, dtype=None):
        return made(np.ones(shape, as_dtype(dtype).np), dtype)


class Constant(Initializer):
    """All `value`, which may be an array of the shape asked for."""

    def __init__(self, value=0.0):
        self.value = value

    def __call__(self, shape, dtype=None):
        return made(np.broadcast_to(np.asarray(self.value), shape), dtype)

    def get_config(self):
        return {"value": serialize_object(self.value)}

    @classmethod
    def from_config(cls, config):
        return cls(deserialize_object(config["value"]))


class Identity(Initializer):
    """`gain` on the diagonal of a matrix, 0 elsewhere."""

    def __init__(self, gain=1.0):
        self.gain = gain

    def __call__(self, shape, dtype=None):
        if len(shape) != 2:
            raise ShapeError(message("Identity", f"makes matrices only, asked for shape {tuple(shape)}"))
        return made(self.gain * np.eye(*shape), dtype)


class RandomInitializer(Initializer):
    """Base of the random ones. seed: a whole number, None (one is drawn now) or a SeedGenerator."""

    def __init__(self, seed=None):
        self._init_seed = seed
        if seed is None:
            seed = make_default_seed()
        elif isinstance(seed, dict):
            seed = deserialize_object(seed)
        elif not isinstance(seed, (int, np.integer, SeedGenerator)):
            raise ArgumentError(
                message(type(self).__name__, f"seed must be a whole number or a SeedGenerator, got {seed!r}")
            )
        self.seed = seed

    def stream(self) -> np.random.Generator:
        """The random numbers of one call."""
        seed = self.seed.next_number() if isinstance(self.seed, SeedGenerator) else int(self.seed)
        return np.random.Generator(np.random.Philox(abs(seed)))

    def get_config(self):
        return {"seed": serialize_object(self._init_seed)}


class RandomNormal(RandomInitializer):
    """Normal numbers."""

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        return made(self.mean + self.stddev * self.stream().standard_normal(shape, np.float32), dtype)

    def get_config(self):
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomInitializer):
    """Normal numbers, drawn again where they are more than two deviations away."""

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        return made(self.mean + self.stddev * truncated(self.stream(), shape), dtype)

    def get_config(self):
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


def truncated(stream: np.random.Generator, shape) -> np.ndarray:
    """Standard normal numbers within two deviations."""
    x = np.asarray(stream.standard_normal(shape, np.float32))
    while (far := np.abs(x) > 2).any():
        x[far] = stream.standard_normal(int(far.sum()), np.float32)
    return x


class RandomUniform(RandomInitializer):
    """Numbers evenly spread in [minval, maxval)."""

    def __init__(self, minval=-0.05, maxval=0.05, seed=None):
        self.minval, self.maxval = minval, maxval
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        if as_dtype(dtype).kind in "iu":
            return made(self.stream().integers(self.minval, self.maxval, shape), dtype)
        return made(self.minval + (self.maxval - self.minval) * self.stream().random(shape, np.float32), dtype)

    def get_config(self):
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


class VarianceScaling(RandomInitializer):
    """Numbers whose variance is scale / n: n is the fan in, the fan out or their mean (`mode`).

    Source: He et al. 2015, Glorot & Bengio 2010; keras.initializers.VarianceScaling.
    """

    MODES = ("fan_in", "fan_out", "fan_avg")
    DISTRIBUTIONS = ("uniform", "truncated_normal", "untruncated_normal")

    def __init__(
        self, scale=1.0, mode="fan_in", distribution="truncated_normal", seed=None, input_axes=None, output_axes=None
    ):
        if scale <= 0:
            raise ArgumentError(message(type(self).__name__, f"scale must be positive, got {scale}"))
        distribution = {"normal": "truncated_normal"}.get(distribution.lower(), distribution.lower())
        for what, value, known in (("mode", mode, self.MODES), ("distribution", distribution, self.DISTRIBUTIONS)):
            if value not in known:
                raise ArgumentError(
                    message(
                        type(self).__name__, f"unknown {what} {value!r}", cure=f"Expected one of: {', '.join(known)}"
                    )
                )
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        fan_in, fan_out = fans(tuple(shape), self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        deviation = math.sqrt(self.scale / max(1.0, n))
        if self.distribution == "uniform":
            return made(deviation * math.sqrt(3) * (2 * self.stream().random(shape, np.float32) - 1), dtype)
        if self.distribution == "untruncated_normal":
            return made(deviation * self.stream().standard_normal(shape, np.float32), dtype)
        # cutting at two deviations leaves 0.8796 of the deviation
        return made(deviation / 0.87962566103423978 * truncated(self.stream(), shape), dtype)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "mode": self.mode, "distribution": self.distribution,
                "input_axes": self.input_axes, "output_axes": self.output_axes}  # fmt: skip


def fans(shape: tuple[int, ...], input_axes=None, output_axes=None) -> tuple[float, float]:
    """(fan in, fan out) of a weight: inputs and outputs are the last two dims, all before them count for both."""
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    rank = len(shape)
    ins = tuple(a % rank for a in (input_axes if input_axes is not None else (rank - 2,)))
    outs = tuple(a % rank for a in (output_axes if output_axes is not None else (rank - 1,)))
    field = math.prod(n for a, n in enumerate(shape) if a not in ins and a not in outs)
    return math.prod(shape[a] for a in ins) * field, math.prod(shape[a] for a in outs) * field


class _Preset(VarianceScaling):
    """A VarianceScaling with fixed settings."""

    settings: tuple[float, str, str]

    def __init__(self, seed=None, input_axes=None, output_axes=None):
        scale, mode, distribution = self.settings
        super().__init__(scale, mode, distribution, seed, input_axes, output_axes)

    def get_config(self):
        return {
            "seed": serialize_object(self._init_seed),
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class GlorotUniform(_Preset):
    """Even in ±sqrt(6 / (fan_in + fan_out)). Source: Glorot & Bengio 2010."""

    settings = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Preset):
    """Truncated normal with variance 2 / (fan_in + fan_out). Source: Glorot & Bengio 2010."""

    settings = (1.0, "fan_avg", "truncated_normal")


class LecunNormal(_Preset):
    """Truncated normal with variance 1 / fan_in. Source: Klambauer et al. 2017."""

    settings = (1.0, "fan_in", "truncated_normal")


class LecunUniform(_Preset):
    """Even in ±sqrt(3 / fan_in). Source: Klambauer et al. 2017."""

    settings = (1.0, "fan_in", "uniform")


class HeNormal(_Preset):
    """Truncated normal with variance 2 / fan_in. Source: He et al. 2015."""

    settings = (2.0, "fan_in", "truncated_normal")


class HeUniform(_Preset):
    """Even in ±sqrt(6 / fan_in). Source: He et al. 2015."""

    settings = (2.0, "fan_in", "uniform")


class Orthogonal(RandomInitializer):
    """`gain` times a matrix with orthonormal rows or columns. Source: Saxe et al. 2014."""

    def __init__(self, gain=1.0, seed=None):
        self.gain = gain
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        if len(shape) < 2:
            raise ShapeError(
                message("OrthogonalInitializer", f"needs at least two dims, asked for shape {tuple(shape)}")
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(self.stream().standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diag(r))  # which makes the distribution uniform (Mezzadri 2007)
        q = q.T if rows < columns else q
        return made((self.gain * q).reshape(shape), dtype)

    def get_config(self):
        return {**super().get_config(), "gain": self.gain}


class STFT(Initializer):
    """Discrete Fourier waves under a window: the kernel of a spectrogram layer. side: "real" or "imag"."""

    def __init__(self, side, window="hann", scaling="density", periodic=False):
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic

    def __call__(self, shape, dtype=None):
        frame, channels, bins = shape
        size = (bins - 1) * 2
        window, scale = np.ones(frame), 1.0
        if isinstance(self.window, str):
            n = frame if self.periodic else frame - 1
            angle = 2 * np.pi * np.arange(frame) / max(n, 1)
            window = {"hann": 0.5 - 0.5 * np.cos(angle), "hamming": 0.54 - 0.46 * np.cos(angle)}[self.window]
        elif self.window is not None:
            window = np.asarray(self.window)
        if self.window is not None and self.scaling == "density":
            scale = 1 / np.sqrt((window**2).sum())
        elif self.window is not None and self.scaling == "spectrum":
            scale = 1 / np.abs(window.sum())
        turn = 2 * np.pi * np.arange(frame)[:, None, None] * np.arange(bins)[None, None, :] / size
        wave = np.cos(turn) if self.side == "real" else np.sin(turn)
        return made(np.broadcast_to(wave * window[:, None, None] * scale, shape), dtype)

    def get_config(self):
        return {"side": self.side, "window": self.window, "periodic": self.periodic, "scaling": self.scaling}


zeros, ones, constant, identity = Zeros, Ones, Constant, Identity
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, orthogonal, stft = VarianceScaling, Orthogonal, STFT
glorot_uniform, glorot_normal, lecun_normal, lecun_uniform = GlorotUniform, GlorotNormal, LecunNormal, LecunUniform
he_normal, he_uniform = HeNormal, HeUniform
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal

for _kind in (
    Zeros,
    Ones,
    Constant,
    RandomNormal,
    TruncatedNormal,
    RandomUniform,
    VarianceScaling,
    GlorotUniform,
    GlorotNormal,
    LecunNormal,
    LecunUniform,
    HeNormal,
    HeUniform,
):
    TABLE.add(_kind)
TABLE.add(Identity, "IdentityInitializer")
TABLE.add(Orthogonal, "OrthogonalInitializer")
TABLE.add(STFT, "stft")
TABLE.entries.update(zero=Zeros, one=Ones, normal=RandomNormal, uniform=RandomUniform)


def get(identifier):
    """An initializer from a name, a config, a class, an object, or an array of first values."""
    if isinstance(identifier, (np.ndarray, Tensor)):
        return Constant(np.asarray(identifier))
    return got(TABLE, identifier, "initializers.get")


def serialize(initializer) -> Any:
    """The config of an initializer."""
    return serialize_object(initializer)


def deserialize(config, custom_objects=None):
    """The initializer that a config describes."""
    return deserialize_object(config, custom_objects, TABLE)
