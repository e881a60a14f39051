"""Dense, Activation, Embedding, Lambda and their like."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import ArgumentError, message, warn
from dovetail.keras import activations, constraints, initializers, regularizers
from dovetail.keras.layers.layer import TABLE, Layer
from dovetail.keras.layers.spec import InputSpec
from dovetail.keras.lookup import deserialize, serialize
from dovetail.keras.ops.layer_formulas import affine
from dovetail.ops import activation as activation_ops
from dovetail.ops import elementwise

# Activations that are one op: inside a layer the checks of the public function are not needed.
DIRECT = {activations.relu: activation_ops.relu, activations.tanh: elementwise.tanh, activations.linear: None}


class Dense(Layer):
    """Affine map of the last axis: y = activation(x K + b).

    Shape: (*, n) -> (*, units)
    kernel (n, units): Glorot uniform; bias (units,): zeros. Source: keras.layers.Dense.
    """

    def __init__(
        self,
        units,
        activation=None,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        lora_rank=None,
        lora_alpha=None,
        quantization_config=None,
        **kwargs,
    ):
        if not isinstance(units, int) or isinstance(units, bool) or units <= 0:
            raise ArgumentError(message("Dense", f"units must be a positive whole number, got {units!r}"))
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.quantization_config = quantization_config
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True
        self._act = DIRECT.get(self.activation, self.activation) if is_hashable(self.activation) else self.activation
        self.bias = None
        if units == 1 and self.activation is activations.softmax:
            warn(
                message(
                    f"Dense {self.name!r}",
                    "softmax over one unit is always 1, so the layer cannot learn",
                    cure="For yes-or-no answers use activation='sigmoid'; for classes use one unit for each",
                )
            )

    def build(self, input_shape):
        n = input_shape[-1]
        self.kernel = self.add_weight(
            (n, self.units),
            self.kernel_initializer,
            name="kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,),
                self.bias_initializer,
                name="bias",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: n})
        self.built = True

    def call(self, inputs, training=None):
        x = affine(inputs, self.kernel, self.bias)
        act = self._act
        return x if act is None else act(x)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        config = {
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "quantization_config": self.quantization_config,
        }
        return {**super().get_config(), **config}


def is_hashable(x: Any) -> bool:
    return getattr(x, "__hash__", None) is not None


class Activation(Layer):
    """An activation function as a layer. Shape: (*) -> (*)"""

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.activation = activations.get(activation)
        self.built = True

    def call(self, inputs):
        return self.activation(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


class Identity(Layer):
    """The input as it is."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.built = True

    def call(self, inputs):
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape


class Lambda(Layer):
    """A function of tensors as a layer."""

    def __init__(self, function, output_shape=None, mask=None, arguments=None, **kwargs):
        super().__init__(**kwargs)
        self.arguments = dict(arguments or {})
        self.function, self.mask, self._wanted_shape = function, mask, output_shape
        self.supports_masking = mask is not None
        self.built = True

    def call(self, inputs, mask=None, training=None):
        settings = dict(self.arguments)
        names = getattr(getattr(self.function, "__code__", None), "co_varnames", ())
        if "mask" in names:
            settings["mask"] = mask
        if "training" in names:
            settings["training"] = training
        return self.function(inputs, **settings)

    def compute_mask(self, inputs, previous_mask=None):
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask

    def get_config(self):
        config = {"function": serialize(self.function), "arguments": serialize(dict(self.arguments))}
        if self._wanted_shape is not None:
            config["output_shape"] = self._wanted_shape
        if self.mask is not None:
            config["mask"] = serialize(self.mask)
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for key in ("function", "mask"):
            if isinstance(config.get(key), dict):
                config[key] = deserialize(config[key])
        return super().from_config(config)


class Masking(Layer):
    """Marks steps whose every value is `mask_value` as not to be counted, and sets them to 0.

    Shape: (batch, steps, n) -> (batch, steps, n)
    """

    makes_mask = True

    def __init__(self, mask_value=0.0, **kwargs):
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True
        self.built = True

    def compute_mask(self, inputs, previous_mask=None):
        return (inputs != self.mask_value).any(-1)

    def call(self, inputs):
        mask = (inputs != self.mask_value).any(-1, True)
        return inputs * mask.to(inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "mask_value": self.mask_value}


for _kind in (Dense, Activation, Identity, Lambda, Masking):
    TABLE.add(_kind)
