"""Dropout and other noise of the training phase."""

from __future__ import annotations

import dovetail.ops.primitives as p
from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Value
from dovetail.keras import regularizers
from dovetail.keras.layers.layer import TABLE, Layer
from dovetail.keras.layers.spec import InputSpec
from dovetail.keras.seeds import SeedGenerator
from dovetail.ops.promote import cast, expanded
from dovetail.ops.random import Draws
from dovetail.tensor.op import op


@op(top=False, random=True, name="drop_out")
def drop_out(seed: Value, counter: Value, input: Value, rate: float, noise_shape: tuple | None) -> Value:
    """The input with a share `rate` of elements set to 0 and the rest scaled up; sizes of 1 in noise_shape share a
    draw.
    """
    shape = (
        input.shape
        if noise_shape is None
        else tuple(n if w is None else w for n, w in zip(input.shape, noise_shape, strict=True))
    )
    drawn = Draws(seed, counter).uniform(shape, input.dtype)
    keep = expanded(p.ge(drawn, p.full(shape=shape, dtype=input.dtype, value=rate)), input.shape)
    return p.where(keep, input * (1.0 / (1.0 - rate)), p.full(shape=input.shape, dtype=input.dtype, value=0.0))


@op(top=False, random=True, name="add_noise")
def add_noise(seed: Value, counter: Value, input: Value, deviation: float) -> Value:
    """The input plus normal numbers."""
    return input + Draws(seed, counter).normal(input.shape, input.dtype) * deviation


@op(top=False, random=True, name="multiply_noise")
def multiply_noise(seed: Value, counter: Value, input: Value, deviation: float) -> Value:
    """The input times normal numbers around 1."""
    return input * (Draws(seed, counter).normal(input.shape, input.dtype) * deviation + 1.0)


@op(top=False, random=True, name="drop_out_selu")
def drop_out_selu(seed: Value, counter: Value, input: Value, rate: float, noise_shape: tuple | None) -> Value:
    """Dropout that keeps mean and variance of selu outputs. Source: Klambauer et al. 2017."""
    low = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946
    a = ((1 - rate) * (1 + rate * low**2)) ** -0.5
    shape = (
        input.shape
        if noise_shape is None
        else tuple(n if w is None else w for n, w in zip(input.shape, noise_shape, strict=True))
    )
    drawn = Draws(seed, counter).uniform(shape, input.dtype)
    keep = expanded(cast(p.ge(drawn, p.full(shape=shape, dtype=input.dtype, value=rate)), input.dtype), input.shape)
    return (input * keep + (1.0 - keep) * low) * a - a * low * rate


def check_rate(layer: str, rate: float, high: float = 1.0) -> None:
    if not isinstance(rate, (int, float)) or not 0 <= rate <= high:
        raise ArgumentError(message(layer, f"rate must be a number between 0 and {high:g}, got {rate!r}"))


class _Noise(Layer):
    """Base: a generator of its own where a seed is given, else the default stream."""

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.supports_masking = True
        self.built = True
        self.__dict__["_generator"] = None if seed is None else SeedGenerator(seed).generator

    def compute_output_shape(self, input_shape):
        return input_shape


class Dropout(_Noise):
    """In training, sets a share `rate` of the inputs to 0 and scales the rest by 1 / (1 - rate). Source: Srivastava et
    al. 2014.
    """

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        check_rate("Dropout", rate)
        super().__init__(seed, **kwargs)
        self.rate = rate
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        rate = float(self.rate)
        if rate >= 1:
            return inputs * 0.0
        return drop_out(inputs, rate, self._shape(inputs), generator=self._generator)

    def _shape(self, inputs):
        return self.noise_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}


class _SpatialDropout(Dropout):
    """Base: whole channels are dropped."""

    rank = 1

    def __init__(self, rate, data_format=None, seed=None, name=None, dtype=None, **kwargs):
        super().__init__(rate, seed=seed, name=name, dtype=dtype, **kwargs)
        self.data_format = data_format or "channels_last"
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _shape(self, inputs):
        n = inputs.shape
        ones = (1,) * self.rank
        return (n[0], n[1], *ones) if self.data_format == "channels_first" else (n[0], *ones, n[-1])

    def get_config(self):
        config = {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype}
        return config if self.rank == 1 else {**config, "data_format": self.data_format}


class SpatialDropout1D(_SpatialDropout):
    """Drops whole channels of sequences. Source: Tompson et al. 2014."""

    def __init__(self, rate, seed=None, name=None, dtype=None, **kwargs):
        super().__init__(rate, None, seed, name, dtype, **kwargs)


class SpatialDropout2D(_SpatialDropout):
    """Drops whole channels of images. Source: Tompson et al. 2014."""

    rank = 2


class SpatialDropout3D(_SpatialDropout):
    """Drops whole channels of volumes."""

    rank = 3


class GaussianNoise(_Noise):
    """In training, adds normal numbers with the given deviation."""

    def __init__(self, stddev, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        check_rate("GaussianNoise", stddev, float("inf"))
        self.stddev = stddev

    def call(self, inputs, training=False):
        return (
            add_noise(inputs, float(self.stddev), generator=self._generator) if training and self.stddev > 0 else inputs
        )

    def get_config(self):
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}


class GaussianDropout(_Noise):
    """In training, multiplies by normal numbers around 1 with deviation sqrt(rate / (1 - rate))."""

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        check_rate("GaussianDropout", rate)
        self.rate = rate

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        return multiply_noise(inputs, (self.rate / (1.0 - self.rate)) ** 0.5, generator=self._generator)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


class AlphaDropout(_Noise):
    """Dropout for selu networks: keeps mean and variance."""

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        check_rate("AlphaDropout", rate)
        self.rate = rate
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        return drop_out_selu(inputs, float(self.rate), self.noise_shape, generator=self._generator)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}


class ActivityRegularization(Layer):
    """Adds l1 * sum|x| + l2 * sum x² of its input to the loss."""

    def __init__(self, l1=0.0, l2=0.0, **kwargs):
        super().__init__(activity_regularizer=regularizers.L1L2(l1, l2), **kwargs)
        self.supports_masking = True
        self.l1, self.l2 = l1, l2
        self.built = True

    def call(self, inputs):
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return {**config, "l1": self.l1, "l2": self.l2}


for _kind in (
    Dropout,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
    GaussianNoise,
    GaussianDropout,
    AlphaDropout,
    ActivityRegularization,
):
    TABLE.add(_kind)
