"""Pooling layers in one, two and three dims."""

from __future__ import annotations

from dovetail.keras import ops
from dovetail.keras.config import standardize_data_format
from dovetail.keras.layers.convolutional import positions
from dovetail.keras.layers.layer import TABLE, Layer, mask_of
from dovetail.keras.layers.spec import InputSpec
from dovetail.keras.ops.convolution import average_pool_of, listed, max_pool_of


class _Pool(Layer):
    """Base: one value for each window."""

    rank = 2
    largest = True

    def __init__(self, pool_size=2, strides=None, padding="valid", data_format=None, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.pool_size = listed(pool_size, self.rank, "pool_size")
        self.strides = self.pool_size if strides is None else listed(strides, self.rank, "strides")
        self.padding, self.data_format = padding.lower(), standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.built = True

    def call(self, inputs):
        pool = max_pool_of if self.largest else average_pool_of
        return pool(inputs, self.pool_size, self.strides, self.padding, self.data_format == "channels_last")

    def compute_output_shape(self, input_shape):
        last = self.data_format == "channels_last"
        sizes = input_shape[1:-1] if last else input_shape[2:]
        made = [
            positions(n, k, s, 1, self.padding) for n, k, s in zip(sizes, self.pool_size, self.strides, strict=True)
        ]
        return (input_shape[0], *made, input_shape[-1]) if last else (*input_shape[:2], *made)

    def input_advice(self, shape: tuple) -> str:
        return "Each sample needs a channel axis: x[..., None]" if len(shape) == self.rank + 1 else ""

    def get_config(self):
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": self.data_format,
        }


class MaxPooling1D(_Pool):
    """The largest of windows along sequences."""

    rank = 1


class MaxPooling2D(_Pool):
    """The largest of windows over images."""

    rank = 2


class MaxPooling3D(_Pool):
    """The largest of windows over volumes."""

    rank = 3


class AveragePooling1D(_Pool):
    """The mean of windows along sequences."""

    rank, largest = 1, False


class AveragePooling2D(_Pool):
    """The mean of windows over images."""

    rank, largest = 2, False


class AveragePooling3D(_Pool):
    """The mean of windows over volumes."""

    rank, largest = 3, False


class _GlobalPool(Layer):
    """Base: one value for each channel."""

    rank = 2
    largest = True

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(**kwargs)
        self.data_format, self.keepdims = standardize_data_format(data_format), keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.built = True

    @property
    def where(self) -> tuple[int, ...]:
        return tuple(range(1, self.rank + 1)) if self.data_format == "channels_last" else tuple(range(2, self.rank + 2))

    def call(self, inputs):
        return (ops.max if self.largest else ops.mean)(inputs, axis=self.where, keepdims=self.keepdims)

    def compute_output_shape(self, input_shape):
        return tuple(
            1 if i in self.where else n for i, n in enumerate(input_shape) if self.keepdims or i not in self.where
        )

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}


class GlobalMaxPooling1D(_GlobalPool):
    """The largest of each channel of sequences."""

    rank = 1


class GlobalMaxPooling2D(_GlobalPool):
    """The largest of each channel of images."""

    rank = 2


class GlobalMaxPooling3D(_GlobalPool):
    """The largest of each channel of volumes."""

    rank = 3


class GlobalAveragePooling1D(_GlobalPool):
    """The mean of each channel of sequences; masked steps do not count."""

    rank, largest = 1, False

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        mask = mask_of(inputs) if mask is None else mask
        if mask is None:
            return ops.mean(inputs, axis=self.where, keepdims=self.keepdims)
        step = self.where[0]
        share = ops.expand_dims(ops.cast(mask, inputs.dtype), 2 if self.data_format == "channels_last" else 1)
        return ops.sum(inputs * share, axis=step, keepdims=self.keepdims) / ops.sum(
            share, axis=step, keepdims=self.keepdims
        )

    def compute_mask(self, inputs, previous_mask=None):
        return None


class GlobalAveragePooling2D(_GlobalPool):
    """The mean of each channel of images."""

    rank, largest = 2, False


class GlobalAveragePooling3D(_GlobalPool):
    """The mean of each channel of volumes."""

    rank, largest = 3, False


class _AdaptivePool(Layer):
    """Base: an output of a given size, whatever the input's."""

    rank = 2
    largest = True

    def __init__(self, output_size, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.output_size = listed(output_size, self.rank, "output_size")
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.built = True

    def call(self, inputs):
        pool = ops.adaptive_max_pool if self.largest else ops.adaptive_average_pool
        return pool(inputs, self.output_size, self.data_format)

    def compute_output_shape(self, input_shape):
        if self.data_format == "channels_last":
            return (input_shape[0], *self.output_size, input_shape[-1])
        return (*input_shape[:2], *self.output_size)

    def get_config(self):
        return {**super().get_config(), "output_size": self.output_size, "data_format": self.data_format}


class AdaptiveMaxPooling1D(_AdaptivePool):
    """The largest of parts of sequences."""

    rank = 1


class AdaptiveMaxPooling2D(_AdaptivePool):
    """The largest of parts of images."""

    rank = 2


class AdaptiveMaxPooling3D(_AdaptivePool):
    """The largest of parts of volumes."""

    rank = 3


class AdaptiveAveragePooling1D(_AdaptivePool):
    """The mean of parts of sequences."""

    rank, largest = 1, False


class AdaptiveAveragePooling2D(_AdaptivePool):
    """The mean of parts of images."""

    rank, largest = 2, False


class AdaptiveAveragePooling3D(_AdaptivePool):
    """The mean of parts of volumes."""

    rank, largest = 3, False


for _kind in (
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
):
    TABLE.add(_kind)
MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
)
