"""Normalization layers."""

from __future__ import annotations

from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Value
from dovetail.keras import constraints, initializers, ops, regularizers
from dovetail.keras.layers.layer import TABLE, Layer
from dovetail.keras.layers.spec import InputSpec
from dovetail.keras.ops.nn import layer_norm_of, normalize_by, rms_norm_of
from dovetail.ops import reduce
from dovetail.ops.promote import cast, expanded
from dovetail.ops.shape import reshaped
from dovetail.tensor.op import op


@op(top=False, inplace=True, differentiable=False, name="move_average")
def move_average(input: Value, value: Value, momentum: float) -> Value:
    """input * momentum + value * (1 - momentum)."""
    return input * momentum + expanded(cast(value, input.dtype), input.shape) * (1.0 - momentum)


@op(top=False, name="batch_moments")
def batch_moments(input: Value, axes: tuple, mask: Value | None) -> tuple[Value, Value]:
    """(mean, variance) over the axes, of what the mask lets count."""
    if mask is None:
        mean = reduce.mean(input, axes, True)
        centered = input - mean
        return reduce.mean(input, axes), reduce.mean(centered * centered, axes)
    shape = (*mask.shape, *(1,) * (input.ndim - mask.ndim))
    share = expanded(reshaped(cast(mask, input.dtype), shape), input.shape)
    count = reduce.sum(share, axes, True)
    mean = reduce.sum(input * share, axes, True) / count
    centered = (input - mean) * share
    return reduce.sum(mean, axes) / product(mean.shape, axes), reduce.sum(centered * centered, axes) / reduce.sum(
        count, axes
    )


def product(shape: tuple, axes: tuple) -> float:
    n = 1
    for a in axes:
        n *= shape[a]
    return float(n)


class _Affine(Layer):
    """Base: beta and gamma with their settings."""

    def _affine_settings(self, options: dict) -> None:
        for name in ("beta", "gamma"):
            setattr(self, f"{name}_initializer", initializers.get(options[f"{name}_initializer"]))
            setattr(self, f"{name}_regularizer", regularizers.get(options[f"{name}_regularizer"]))
            setattr(self, f"{name}_constraint", constraints.get(options[f"{name}_constraint"]))
        self.gamma = self.beta = None

    def _affine_weight(self, name: str, shape):
        return self.add_weight(
            shape,
            getattr(self, f"{name}_initializer"),
            name=name,
            regularizer=getattr(self, f"{name}_regularizer"),
            constraint=getattr(self, f"{name}_constraint"),
        )

    def _affine_config(self) -> dict:
        config = {}
        for name in ("beta", "gamma"):
            config[f"{name}_initializer"] = initializers.serialize(getattr(self, f"{name}_initializer"))
            config[f"{name}_regularizer"] = regularizers.serialize(getattr(self, f"{name}_regularizer"))
            config[f"{name}_constraint"] = constraints.serialize(getattr(self, f"{name}_constraint"))
        return config

    def compute_output_shape(self, input_shape):
        return input_shape


class BatchNormalization(_Affine):
    """Mean 0 and variance 1 for each feature: over the batch in training, by running averages afterwards.

    momentum: share of the running averages that is kept (torch's is the share that is replaced). Source: Ioffe &
    Szegedy 2015.
    """

    def __init__(
        self,
        axis=-1,
        momentum=0.99,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        moving_mean_initializer="zeros",
        moving_variance_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        synchronized=False,
        renorm=False,
        renorm_clipping=None,
        renorm_momentum=0.99,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.axis, self.momentum, self.epsilon, self.center, self.scale = axis, float(momentum), epsilon, center, scale
        self.synchronized, self.renorm, self.renorm_clipping, self.renorm_momentum = (
            synchronized,
            renorm,
            renorm_clipping,
            renorm_momentum,
        )
        if renorm:
            raise ArgumentError(message("BatchNormalization", "renorm=True is not covered"))
        self._affine_settings(locals())
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.supports_masking = True

    def build(self, input_shape):
        n = input_shape[self.axis]
        if self.scale:
            self.gamma = self._affine_weight("gamma", (n,))
        if self.center:
            self.beta = self._affine_weight("beta", (n,))
        self.moving_mean = self.add_weight((n,), self.moving_mean_initializer, trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(
            (n,), self.moving_variance_initializer, trainable=False, name="moving_variance"
        )
        rank = len(input_shape)
        self.input_spec = InputSpec(ndim=rank, axes={self.axis: n})
        self._axes = tuple(d for d in range(rank) if d != self.axis % rank)
        self.built = True

    def call(self, inputs, training=None, mask=None):
        axis = self.axis % inputs.ndim
        if not (training and self.trainable):
            return normalize_by(
                inputs, self.moving_mean, self.moving_variance, self.gamma, self.beta, axis, float(self.epsilon)
            )
        mean, variance = batch_moments(inputs, self._axes, mask)
        move_average.inplace(self.moving_mean, mean, self.momentum)
        move_average.inplace(self.moving_variance, variance, self.momentum)
        return normalize_by(inputs, mean, variance, self.gamma, self.beta, axis, float(self.epsilon))

    def get_config(self):
        config = {
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "synchronized": self.synchronized,
            "renorm": self.renorm,
            "renorm_clipping": self.renorm_clipping,
            "renorm_momentum": self.renorm_momentum,
        }
        return {**super().get_config(), **config, **self._affine_config()}


class LayerNormalization(_Affine):
    """Mean 0 and variance 1 over the features of each sample. Source: Ba et al. 2016."""

    def __init__(
        self,
        axis=-1,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        **kwargs,
    ):
        self_rms = kwargs.pop("rms_scaling", False)
        super().__init__(**kwargs)
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis
        self.epsilon, self.center, self.scale, self.rms_scaling = epsilon, center, scale, self_rms
        self._affine_settings(locals())
        self.supports_masking = True

    def build(self, input_shape):
        dims = self.axis if isinstance(self.axis, list) else [self.axis]
        shape = tuple(input_shape[d] for d in dims)
        if self.scale or self.rms_scaling:
            self.gamma = self._affine_weight("gamma", shape)
        if self.center and not self.rms_scaling:
            self.beta = self._affine_weight("beta", shape)
        self._dims = tuple(dims)
        self.built = True

    def call(self, inputs):
        return layer_norm_of(
            inputs, self.gamma, self.beta, self._dims, float(self.epsilon), "variance" if self.rms_scaling else ""
        )

    def get_config(self):
        config = {
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "rms_scaling": self.rms_scaling,
        }
        return {**super().get_config(), **config, **self._affine_config()}


class GroupNormalization(_Affine):
    """Mean 0 and variance 1 over groups of channels of each sample; groups=-1: each channel. Source: Wu & He 2018."""

    def __init__(
        self,
        groups=32,
        axis=-1,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.groups, self.axis, self.epsilon, self.center, self.scale = groups, axis, epsilon, center, scale
        self._affine_settings(locals())
        self.supports_masking = True

    def build(self, input_shape):
        n = input_shape[self.axis]
        if n is None:
            raise ArgumentError(
                message(
                    f"GroupNormalization {self.name!r}",
                    f"axis {self.axis} of the input must be known, got shape {input_shape}",
                )
            )
        if self.groups == -1:
            self.groups = n
        if n < self.groups or n % self.groups:
            raise ArgumentError(
                message(
                    f"GroupNormalization {self.name!r}",
                    f"groups={self.groups} must divide the {n} channels of axis {self.axis}",
                )
            )
        if self.scale:
            self.gamma = self._affine_weight("gamma", (n,))
        if self.center:
            self.beta = self._affine_weight("beta", (n,))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: n})
        self.built = True

    def call(self, inputs):
        axis = self.axis % inputs.ndim
        sizes = tuple(inputs.shape)
        split = (*sizes[:axis], self.groups, sizes[axis] // self.groups, *sizes[axis + 1 :])
        x = ops.reshape(inputs, split)
        dims = tuple(d for d in range(1, len(split)) if d != axis)
        x = ops.reshape(layer_norm_of(x, None, None, dims, float(self.epsilon), ""), sizes)
        shape = [1] * len(sizes)
        shape[axis] = sizes[axis]
        x = x if self.gamma is None else x * ops.reshape(self.gamma, shape)
        return x if self.beta is None else x + ops.reshape(self.beta, shape)

    def get_config(self):
        config = {
            "groups": self.groups,
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
        }
        return {**super().get_config(), **config, **self._affine_config()}


class RMSNormalization(Layer):
    """x over its root mean square, times a learned scale. Source: Zhang & Sennrich 2019."""

    def __init__(self, axis=-1, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.axis, self.epsilon = axis, epsilon
        self.supports_masking = True

    def build(self, input_shape):
        dims = self.axis if isinstance(self.axis, (list, tuple)) else [self.axis]
        self._dims = tuple(dims)
        self.scale = self.add_weight(tuple(input_shape[d] for d in dims), "ones", name="scale")
        self.built = True

    def call(self, inputs):
        return rms_norm_of(inputs, self.scale, self._dims, float(self.epsilon))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}


class UnitNormalization(Layer):
    """x divided by its length along the axes."""

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis
        self.supports_masking = True
        self.built = True

    def call(self, inputs):
        return ops.normalize(inputs, axis=self.axis, order=2, epsilon=1e-12)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


for _kind in (BatchNormalization, LayerNormalization, GroupNormalization, RMSNormalization, UnitNormalization):
    TABLE.add(_kind)
