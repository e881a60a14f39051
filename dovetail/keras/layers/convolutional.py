"""Convolution layers in one, two and three dims. Images are channels last unless told."""

from __future__ import annotations

from dovetail.base.errors import ArgumentError, message
from dovetail.keras import activations, constraints, initializers, regularizers
from dovetail.keras.config import standardize_data_format
from dovetail.keras.layers.layer import TABLE, Layer
from dovetail.keras.layers.spec import InputSpec
from dovetail.keras.ops.convolution import conv_of, conv_transpose_of, depthwise_of, listed, transposed_size


def positions(n: int | None, k: int, s: int, d: int, padding: str) -> int | None:
    """How many windows fit."""
    if n is None:
        return None
    reach = (k - 1) * d + 1
    return -(-n // s) if padding in ("same", "causal") else max((n - reach) // s + 1, 0)


class _Conv(Layer):
    """Base: settings that all convolutions share."""

    rank = 2
    weight_names: tuple[str, ...] = ("kernel",)
    paddings: tuple[str, ...] = ("valid", "same")

    def _set_up_conv(
        self, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, options: dict
    ) -> None:
        where = type(self).__name__
        self.kernel_size = listed(kernel_size, self.rank, f"{where}: kernel_size")
        self.strides = listed(strides, self.rank, f"{where}: strides")
        self.dilation_rate = listed(dilation_rate, self.rank, f"{where}: dilation_rate")
        self.padding = padding.lower()
        if self.padding not in self.paddings:
            raise ArgumentError(
                message(where, f"padding must be one of {', '.join(map(repr, self.paddings))}, got {padding!r}")
            )
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ArgumentError(message(where, "strides > 1 not supported in conjunction with dilation_rate > 1"))
        self.data_format = standardize_data_format(data_format)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        for name in (*self.weight_names, "bias"):
            setattr(self, f"{name}_initializer", initializers.get(options.get(f"{name}_initializer")))
            setattr(self, f"{name}_regularizer", regularizers.get(options.get(f"{name}_regularizer")))
            setattr(self, f"{name}_constraint", constraints.get(options.get(f"{name}_constraint")))
        self.input_spec = InputSpec(min_ndim=self.rank + 2)
        self.bias = None

    @property
    def last(self) -> bool:
        return self.data_format == "channels_last"

    def _channels(self, input_shape) -> int:
        axis = -1 if self.last else 1
        n = input_shape[axis]
        if n is None:
            raise ArgumentError(
                message(
                    f"{type(self).__name__} {self.name!r}",
                    f"the channel axis of the input must be known, got shape {tuple(input_shape)}",
                )
            )
        self.input_spec = InputSpec(min_ndim=self.rank + 2, axes={axis: n})
        return n

    def _weight(self, name: str, shape):
        return self.add_weight(
            shape,
            getattr(self, f"{name}_initializer"),
            name=name,
            regularizer=getattr(self, f"{name}_regularizer"),
            constraint=getattr(self, f"{name}_constraint"),
        )

    def _check(self, x) -> None:
        if x.ndim != self.rank + 2:
            raise ArgumentError(
                message(
                    f"{type(self).__name__} {self.name!r}",
                    f"expected ndim={self.rank + 2}, found ndim={x.ndim}",
                    [("input", x)],
                )
            )

    def input_advice(self, shape: tuple) -> str:
        """What to change when the rank is wrong."""
        if len(shape) == self.rank + 1:
            return ("Each sample needs a channel axis: the shape should be (batch, "
                f"{', '.join(['size'] * self.rank)}, channels). Add one with "
                    "x[..., None] or np.expand_dims(x, -1)")  # fmt: skip
        return ""

    def _finish(self, x):
        return x if self.activation is activations.linear else self.activation(x)

    def _sizes(self, input_shape):
        return input_shape[1:-1] if self.last else input_shape[2:]

    def _shape(self, n, sizes, channels):
        return (n, *sizes, channels) if self.last else (n, channels, *sizes)

    def _base_config(self) -> dict:
        config = {
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
        }
        for name in (*self.weight_names, "bias"):
            config[f"{name}_initializer"] = initializers.serialize(getattr(self, f"{name}_initializer"))
            config[f"{name}_regularizer"] = regularizers.serialize(getattr(self, f"{name}_regularizer"))
            config[f"{name}_constraint"] = constraints.serialize(getattr(self, f"{name}_constraint"))
        return config


class _Plain(_Conv):
    """Base of Conv1D, Conv2D, Conv3D. Shape: (n, *sizes, c) -> (n, *counts, filters)"""

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        groups=1,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        if not isinstance(filters, int) or filters <= 0:
            raise ArgumentError(
                message(type(self).__name__, f"filters must be a positive whole number, got {filters!r}")
            )
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters, self.groups = filters, groups
        self._set_up_conv(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, locals())
        if filters % groups:
            raise ArgumentError(
                message(type(self).__name__, f"the number of filters {filters} must be a multiple of groups={groups}")
            )

    def build(self, input_shape):
        n = self._channels(input_shape)
        if n % self.groups:
            raise ArgumentError(
                message(
                    f"{type(self).__name__} {self.name!r}",
                    f"the {n} input channels must be a multiple of groups={self.groups}",
                )
            )
        self.kernel = self._weight("kernel", (*self.kernel_size, n // self.groups, self.filters))
        if self.use_bias:
            self.bias = self._weight("bias", (self.filters,))
        self.built = True

    def call(self, inputs):
        return self._finish(
            conv_of(inputs, self.kernel, self.bias, self.strides, self.padding, self.dilation_rate, self.last)
        )

    def compute_output_shape(self, input_shape):
        sizes = [
            positions(n, k, s, d, self.padding)
            for n, k, s, d in zip(
                self._sizes(input_shape), self.kernel_size, self.strides, self.dilation_rate, strict=True
            )
        ]
        return self._shape(input_shape[0], sizes, self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "groups": self.groups, **self._base_config()}


class Conv1D(_Plain):
    """Convolution along sequences; padding may be "causal"."""

    rank = 1
    paddings = ("valid", "same", "causal")


class Conv2D(_Plain):
    """Convolution over images."""

    rank = 2


class Conv3D(_Plain):
    """Convolution over volumes."""

    rank = 3


class _Transposed(_Conv):
    """Base of transposed convolutions. Shape: (n, *sizes, c) -> (n, *larger sizes, filters)"""

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        output_padding=None,
        data_format=None,
        dilation_rate=1,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = filters
        self._set_up_conv(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, locals())
        self.output_padding = None if output_padding is None else listed(output_padding, self.rank, "output_padding")

    def build(self, input_shape):
        self.kernel = self._weight("kernel", (*self.kernel_size, self.filters, self._channels(input_shape)))
        if self.use_bias:
            self.bias = self._weight("bias", (self.filters,))
        self.built = True

    def call(self, inputs):
        return self._finish(
            conv_transpose_of(
                inputs,
                self.kernel,
                self.bias,
                self.strides,
                self.padding,
                self.output_padding,
                self.dilation_rate,
                self.last,
            )
        )

    def compute_output_shape(self, input_shape):
        extra = self.output_padding or (None,) * self.rank
        sizes = [
            None if n is None else transposed_size(n, k, s, d, self.padding, e)
            for n, k, s, d, e in zip(
                self._sizes(input_shape), self.kernel_size, self.strides, self.dilation_rate, extra, strict=True
            )
        ]
        return self._shape(input_shape[0], sizes, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "output_padding": self.output_padding,
            **self._base_config(),
        }


class Conv1DTranspose(_Transposed):
    """Transposed convolution along sequences."""

    rank = 1


class Conv2DTranspose(_Transposed):
    """Transposed convolution over images."""

    rank = 2


class Conv3DTranspose(_Transposed):
    """Transposed convolution over volumes."""

    rank = 3


class _Depthwise(_Conv):
    """Base of depthwise convolutions. Shape: (n, *sizes, c) -> (n, *counts, c * depth_multiplier)"""

    weight_names = ("depthwise",)

    def __init__(
        self,
        kernel_size,
        strides=1,
        padding="valid",
        depth_multiplier=1,
        data_format=None,
        dilation_rate=1,
        activation=None,
        use_bias=True,
        depthwise_initializer="glorot_uniform",
        bias_initializer="zeros",
        depthwise_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        depthwise_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.depth_multiplier = depth_multiplier
        self._set_up_conv(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, locals())

    def build(self, input_shape):
        n = self._channels(input_shape)
        self.kernel = self._depthwise(n)
        if self.use_bias:
            self.bias = self._weight("bias", (n * self.depth_multiplier,))
        self.built = True

    def _depthwise(self, n: int):
        return self.add_weight(
            (*self.kernel_size, n, self.depth_multiplier),
            self.depthwise_initializer,
            name="depthwise_kernel",
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )

    def call(self, inputs):
        return self._finish(
            depthwise_of(inputs, self.kernel, self.bias, self.strides, self.padding, self.dilation_rate, self.last)
        )

    def compute_output_shape(self, input_shape):
        sizes = [
            positions(n, k, s, d, self.padding)
            for n, k, s, d in zip(
                self._sizes(input_shape), self.kernel_size, self.strides, self.dilation_rate, strict=True
            )
        ]
        return self._shape(input_shape[0], sizes, input_shape[-1 if self.last else 1] * self.depth_multiplier)

    def get_config(self):
        return {**super().get_config(), "depth_multiplier": self.depth_multiplier, **self._base_config()}


class DepthwiseConv1D(_Depthwise):
    """Each channel of sequences convolved by itself."""

    rank = 1


class DepthwiseConv2D(_Depthwise):
    """Each channel of images convolved by itself."""

    rank = 2


class _Separable(_Conv):
    """Base of separable convolutions: depthwise, then mixed point by point."""

    weight_names = ("depthwise", "pointwise")

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        depth_multiplier=1,
        activation=None,
        use_bias=True,
        depthwise_initializer="glorot_uniform",
        pointwise_initializer="glorot_uniform",
        bias_initializer="zeros",
        depthwise_regularizer=None,
        pointwise_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        depthwise_constraint=None,
        pointwise_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters, self.depth_multiplier = filters, depth_multiplier
        self._set_up_conv(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, locals())

    def build(self, input_shape):
        n = self._channels(input_shape)
        self.depthwise_kernel = self.add_weight(
            (*self.kernel_size, n, self.depth_multiplier),
            self.depthwise_initializer,
            name="depthwise_kernel",
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self.pointwise_kernel = self.add_weight(
            (*(1,) * self.rank, n * self.depth_multiplier, self.filters),
            self.pointwise_initializer,
            name="pointwise_kernel",
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
        )
        if self.use_bias:
            self.bias = self._weight("bias", (self.filters,))
        self.built = True

    def call(self, inputs):
        mid = depthwise_of(
            inputs, self.depthwise_kernel, None, self.strides, self.padding, self.dilation_rate, self.last
        )
        one = (1,) * self.rank
        return self._finish(conv_of(mid, self.pointwise_kernel, self.bias, one, "valid", one, self.last))

    def compute_output_shape(self, input_shape):
        sizes = [
            positions(n, k, s, d, self.padding)
            for n, k, s, d in zip(
                self._sizes(input_shape), self.kernel_size, self.strides, self.dilation_rate, strict=True
            )
        ]
        return self._shape(input_shape[0], sizes, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "depth_multiplier": self.depth_multiplier,
            **self._base_config(),
        }


class SeparableConv1D(_Separable):
    """Separable convolution along sequences."""

    rank = 1


class SeparableConv2D(_Separable):
    """Separable convolution over images."""

    rank = 2


for _kind in (
    Conv1D,
    Conv2D,
    Conv3D,
    Conv1DTranspose,
    Conv2DTranspose,
    Conv3DTranspose,
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
):
    TABLE.add(_kind)
Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
Convolution1DTranspose, Convolution2DTranspose, Convolution3DTranspose = (
    Conv1DTranspose,
    Conv2DTranspose,
    Conv3DTranspose,
)
SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
