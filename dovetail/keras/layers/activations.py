"""Activations as layers. Shape of every one: (*) -> (*)"""

from __future__ import annotations

from dovetail.base.errors import ArgumentError, message
from dovetail.keras import activations, constraints, initializers, regularizers
from dovetail.keras.layers.layer import TABLE, Layer, mask_of
from dovetail.keras.layers.spec import InputSpec


class _Shaped(Layer):
    """Base: an elementwise layer without weights."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.built = True

    def compute_output_shape(self, input_shape):
        return input_shape


def not_negative(layer: str, **settings) -> None:
    for name, value in settings.items():
        if value is None or value < 0:
            raise ArgumentError(message(layer, f"{name} must be a number of 0 or more, got {value!r}"))


class ReLU(_Shaped):
    """max(x, 0), cut at max_value, sloped below the threshold."""

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0, **kwargs):
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
        super().__init__(**kwargs)
        not_negative(
            "ReLU",
            max_value=0.0 if max_value is None else max_value,
            negative_slope=negative_slope,
            threshold=threshold,
        )
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold

    def call(self, inputs):
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)

    def get_config(self):
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


class LeakyReLU(_Shaped):
    """x, or negative_slope * x where x < 0."""

    def __init__(self, negative_slope=0.3, **kwargs):
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
        super().__init__(**kwargs)
        not_negative("LeakyReLU", negative_slope=negative_slope)
        self.negative_slope = negative_slope

    def call(self, inputs):
        return activations.leaky_relu(inputs, self.negative_slope)

    def get_config(self):
        return {**super().get_config(), "negative_slope": self.negative_slope}


class ELU(_Shaped):
    """x, or alpha * (exp(x) - 1) where x < 0."""

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return activations.elu(inputs, self.alpha)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


class PReLU(Layer):
    """x, or alpha * x where x < 0, with alpha learned for each feature (shared along shared_axes)."""

    def __init__(
        self, alpha_initializer="Zeros", alpha_regularizer=None, alpha_constraint=None, shared_axes=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes = (
            None
            if shared_axes is None
            else list(shared_axes)
            if isinstance(shared_axes, (list, tuple))
            else [shared_axes]
        )

    def build(self, input_shape):
        shape = list(input_shape[1:])
        for axis in self.shared_axes or []:
            shape[axis - 1] = 1
        self.alpha = self.add_weight(
            tuple(shape),
            self.alpha_initializer,
            name="alpha",
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        fixed = {i: n for i, n in enumerate(input_shape) if i and i not in (self.shared_axes or [])}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=fixed)
        self.built = True

    def call(self, inputs):
        return activations.relu(inputs) - self.alpha * activations.relu(-inputs)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = {
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint), "shared_axes": self.shared_axes,
        }  # fmt: skip
        return {**super().get_config(), **config}


class Softmax(_Shaped):
    """Exponentials scaled to sum to 1; a mask keeps places out of it."""

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs, mask=None):
        mask = mask_of(inputs) if mask is None else mask
        if mask is not None:
            inputs = inputs + (1.0 - mask.to(inputs.dtype)) * (-1e9 if inputs.dtype.itemsize >= 4 else -3e4)
        return activations.softmax(inputs, self.axis)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


for _kind in (ReLU, LeakyReLU, ELU, PReLU, Softmax):
    TABLE.add(_kind)
