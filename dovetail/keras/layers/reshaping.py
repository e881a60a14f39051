"""Layers that move elements without changing them."""

from __future__ import annotations

import math

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.keras.config import standardize_data_format
from dovetail.keras.layers.layer import TABLE, Layer
from dovetail.keras.layers.spec import InputSpec
from dovetail.keras.ops.layer_formulas import flatten_batch
from dovetail.ops.shape import permute, reshape


class Flatten(Layer):
    """All axes but the batch as one. Shape: (batch, *) -> (batch, n)"""

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)
        self.built = True

    def call(self, inputs):
        if self.data_format == "channels_first" and inputs.ndim > 2:
            inputs = permute(inputs, (0, *range(2, inputs.ndim), 1))
        return flatten_batch(inputs)

    def compute_output_shape(self, input_shape):
        rest = input_shape[1:]
        return (input_shape[0], None if None in rest else math.prod(rest))

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


class Reshape(Layer):
    """Another shape for each sample; one size may be -1. Shape: (batch, *) -> (batch, *target_shape)"""

    def __init__(self, target_shape, **kwargs):
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)
        if sum(n == -1 for n in self.target_shape) > 1:
            raise ArgumentError(message("Reshape", f"at most one size may be -1, got target_shape={self.target_shape}"))
        self.built = True

    def call(self, inputs):
        return reshape(inputs, (inputs.shape[0], *self._sizes(tuple(inputs.shape[1:]))))

    def _sizes(self, sizes: tuple) -> tuple:
        if None in sizes:
            return tuple(None if n == -1 else n for n in self.target_shape)
        total, known = math.prod(sizes), math.prod(n for n in self.target_shape if n != -1)
        if (-1 in self.target_shape and (known == 0 or total % known)) or (-1 not in self.target_shape and total != known):
            raise ShapeError(message(f"Reshape {self.name!r}", f"a sample of shape {sizes} has {total} values, target_shape={self.target_shape} takes {known}"))
        return tuple(total // known if n == -1 else n for n in self.target_shape)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self._sizes(tuple(input_shape[1:])))

    def get_config(self):
        return {**super().get_config(), "target_shape": self.target_shape}


class Permute(Layer):
    """The axes of each sample in another order, counted from 1."""

    def __init__(self, dims, **kwargs):
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(dims) != list(range(1, len(dims) + 1)):
            raise ArgumentError(message("Permute", f"dims must name each of the axes 1 to {len(dims)} once, got {self.dims}"))
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)
        self.built = True

    def call(self, inputs):
        return permute(inputs, (0, *self.dims))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *(input_shape[d] for d in self.dims))

    def get_config(self):
        return {**super().get_config(), "dims": self.dims}


for _kind in (Flatten, Reshape, Permute):
    TABLE.add(_kind)
