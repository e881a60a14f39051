"""Layers that bring raw data into form."""

from __future__ import annotations

import numpy as np

from dovetail.keras.dtypes import as_dtype
from dovetail.keras.layers.layer import TABLE, Layer
from dovetail.keras.lookup import serialize
from dovetail.keras.ops.layer_formulas import rescale


class Rescaling(Layer):
    """inputs * scale + offset, as floats. Shape: (*) -> (*)"""

    def __init__(self, scale, offset=0.0, **kwargs):
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset
        self.supports_masking = True
        self.built = True

    def call(self, inputs):
        dtype = as_dtype(self.compute_dtype)
        if isinstance(self.scale, (int, float)) and isinstance(self.offset, (int, float)):
            return rescale(inputs, float(self.scale), float(self.offset), dtype)
        return rescale(inputs, np.asarray(self.scale, dtype.np), np.asarray(self.offset, dtype.np), dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "scale": serialize(self.scale), "offset": serialize(self.offset)}


TABLE.add(Rescaling)
