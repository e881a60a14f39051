"""Layers that move elements without changing them."""

from __future__ import annotations

import math

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.keras import ops
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
        if (-1 in self.target_shape and (known == 0 or total % known)) or (
            -1 not in self.target_shape and total != known
        ):
            raise ShapeError(
                message(
                    f"Reshape {self.name!r}",
                    f"a sample of shape {sizes} has {total} values, target_shape={self.target_shape} takes {known}",
                )
            )
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
            raise ArgumentError(
                message("Permute", f"dims must name each of the axes 1 to {len(dims)} once, got {self.dims}")
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)
        self.built = True

    def call(self, inputs):
        return permute(inputs, (0, *self.dims))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *(input_shape[d] for d in self.dims))

    def get_config(self):
        return {**super().get_config(), "dims": self.dims}


class RepeatVector(Layer):
    """The input n times. Shape: (batch, features) -> (batch, n, features)"""

    def __init__(self, n, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(n, int):
            raise TypeError(f"Expected an integer value for `n`, got {type(n)}.")
        self.n = n
        self.input_spec = InputSpec(ndim=2)
        self.built = True

    def call(self, inputs):
        return ops.repeat(ops.expand_dims(inputs, 1), self.n, axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.n, input_shape[1])

    def get_config(self):
        return {**super().get_config(), "n": self.n}


def pairs(value, rank: int, layer: str) -> tuple[tuple[int, int], ...]:
    """(before, after) for each dim, from a number, a number for each dim, or pairs."""
    if isinstance(value, int):
        return ((value, value),) * rank
    if rank == 1 and len(value) == 2 and all(isinstance(n, int) for n in value):
        return (tuple(value),)  # type: ignore[return-value]
    if len(value) != rank:
        raise ArgumentError(message(layer, f"needs {rank} entries, got {value!r}"))
    return tuple((n, n) if isinstance(n, int) else tuple(n) for n in value)  # type: ignore[misc]


class _Margins(Layer):
    """Base of padding and cropping: (before, after) for each dim."""

    rank = 2
    setting = "padding"

    def __init__(self, margins, data_format, **kwargs):
        super().__init__(**kwargs)
        self.margins = pairs(margins, self.rank, type(self).__name__)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.built = True
        object.__setattr__(self, self.setting, self.margins if self.rank > 1 else self.margins[0])

    @property
    def first(self) -> int:
        return 1 if self.data_format == "channels_last" else 2

    def get_config(self):
        shown = self.margins if self.rank > 1 else self.margins[0]
        return {**super().get_config(), self.setting: shown, "data_format": self.data_format}


class _ZeroPadding(_Margins):
    """Base: zeros around."""

    def __init__(self, padding=1, data_format=None, **kwargs):
        super().__init__(padding, data_format, **kwargs)

    def call(self, inputs):
        widths = [(0, 0)] * inputs.ndim
        widths[self.first : self.first + self.rank] = self.margins
        return ops.pad(inputs, tuple(widths))

    def compute_output_shape(self, input_shape):
        made = list(input_shape)
        for d, (a, b) in enumerate(self.margins, self.first):
            made[d] = None if made[d] is None else made[d] + a + b
        return tuple(made)


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after sequences."""

    rank = 1


class ZeroPadding2D(_ZeroPadding):
    """Zeros around images."""

    rank = 2


class ZeroPadding3D(_ZeroPadding):
    """Zeros around volumes."""

    rank = 3


class _Cropping(_Margins):
    """Base: cut off at both ends."""

    setting = "cropping"

    def __init__(self, cropping=0, data_format=None, **kwargs):
        super().__init__(cropping, data_format, **kwargs)

    def call(self, inputs):
        index = [slice(None)] * inputs.ndim
        for d, (a, b) in enumerate(self.margins, self.first):
            index[d] = slice(a, inputs.shape[d] - b)
        return inputs[tuple(index)]

    def compute_output_shape(self, input_shape):
        made = list(input_shape)
        for d, (a, b) in enumerate(self.margins, self.first):
            made[d] = None if made[d] is None else made[d] - a - b
            if made[d] is not None and made[d] <= 0:
                raise ShapeError(
                    message(
                        f"{type(self).__name__} {self.name!r}",
                        f"cropping {self.margins} leaves nothing of axis {d}",
                        [("input shape", input_shape)],
                    )
                )
        return tuple(made)


class Cropping1D(_Cropping):
    """Cuts off ends of sequences."""

    rank = 1

    def __init__(self, cropping=(1, 1), **kwargs):
        super().__init__(cropping, None, **kwargs)

    def get_config(self):
        return {k: v for k, v in super().get_config().items() if k != "data_format"}


class Cropping2D(_Cropping):
    """Cuts off edges of images."""

    rank = 2

    def __init__(self, cropping=((0, 0), (0, 0)), data_format=None, **kwargs):
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(_Cropping):
    """Cuts off sides of volumes."""

    rank = 3

    def __init__(self, cropping=((1, 1), (1, 1), (1, 1)), data_format=None, **kwargs):
        super().__init__(cropping, data_format, **kwargs)


class _UpSampling(Layer):
    """Base: each element repeated."""

    rank = 2

    def __init__(self, size=2, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.size = (size,) * self.rank if isinstance(size, int) else tuple(size)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.built = True

    @property
    def first(self) -> int:
        return 1 if self.data_format == "channels_last" else 2

    def call(self, inputs):
        x = inputs
        for d, n in enumerate(self.size, self.first):
            x = ops.repeat(x, n, axis=d)
        return x

    def compute_output_shape(self, input_shape):
        made = list(input_shape)
        for d, n in enumerate(self.size, self.first):
            made[d] = None if made[d] is None else made[d] * n
        return tuple(made)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "data_format": self.data_format}


class UpSampling1D(_UpSampling):
    """Each step repeated."""

    rank = 1

    def __init__(self, size=2, **kwargs):
        super().__init__(size, None, **kwargs)

    def get_config(self):
        return {**Layer.get_config(self), "size": self.size[0]}


class UpSampling2D(_UpSampling):
    """Each pixel repeated, or the image resized by another interpolation."""

    rank = 2

    def __init__(self, size=(2, 2), data_format=None, interpolation="nearest", **kwargs):
        super().__init__(size, data_format, **kwargs)
        self.interpolation = interpolation.lower()

    def call(self, inputs):
        if self.interpolation == "nearest":
            return super().call(inputs)
        sizes = tuple(inputs.shape[d] * n for d, n in enumerate(self.size, self.first))
        return ops.image.resize(inputs, sizes, self.interpolation, data_format=self.data_format)

    def get_config(self):
        return {**super().get_config(), "interpolation": self.interpolation}


class UpSampling3D(_UpSampling):
    """Each voxel repeated."""

    rank = 3

    def __init__(self, size=(2, 2, 2), data_format=None, **kwargs):
        super().__init__(size, data_format, **kwargs)


for _kind in (
    Flatten,
    Reshape,
    Permute,
    RepeatVector,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
    Cropping1D,
    Cropping2D,
    Cropping3D,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
):
    TABLE.add(_kind)
