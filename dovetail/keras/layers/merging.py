"""Layers that make one tensor of several."""

from __future__ import annotations

from functools import reduce as fold

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.keras import ops
from dovetail.keras.layers.layer import TABLE, Layer


def need_list(layer: Layer, shape) -> list:
    """The shapes of several inputs. Raises ArgumentError for a single one."""
    if not isinstance(shape, (list, tuple)) or not shape or not isinstance(shape[0], (list, tuple)):
        raise ArgumentError(
            message(
                f"{type(layer).__name__} {layer.name!r}",
                "should be called on a list of inputs",
                [("received", shape)],
                f"{type(layer).__name__}()([a, b])",
            )
        )
    return list(shape)


class _Merge(Layer):
    """Base: elementwise, broadcast together."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        shapes = need_list(self, input_shape)
        if len({s[0] for s in shapes if s and s[0] is not None}) > 1:
            raise ShapeError(
                message(
                    f"{type(self).__name__} {self.name!r}",
                    "cannot merge tensors with different batch sizes",
                    [("shapes", shapes)],
                )
            )
        self.built = True

    def merge(self, xs: list):
        raise NotImplementedError

    def call(self, inputs):
        xs = list(inputs)
        rank = max(x.ndim for x in xs)
        return self.merge([self.raised(x, rank) for x in xs])

    @staticmethod
    def raised(x, rank: int):
        """Axes of size 1 after the batch, where ranks differ."""
        return ops.reshape(x, (x.shape[0], *(1,) * (rank - x.ndim), *x.shape[1:])) if x.ndim < rank else x

    def compute_output_shape(self, input_shape):
        return fold(self.together, need_list(self, input_shape))

    def together(self, a, b):
        a, b = tuple(a), tuple(b)
        if len(a) < len(b):
            a, b = b, a
        b = (*b[:1], *(1,) * (len(a) - len(b)), *b[1:])
        sizes = []
        for m, n in zip(a, b, strict=True):
            if m is None or n is None:
                sizes.append(None)
            elif m != n and m != 1 and n != 1:
                raise ShapeError(
                    message(f"{type(self).__name__} {self.name!r}", f"inputs have incompatible shapes: {a} and {b}")
                )
            else:
                sizes.append(n if m == 1 else m)
        return tuple(sizes)

    def compute_mask(self, inputs, previous_mask=None):
        masks = [
            m for m in (previous_mask if isinstance(previous_mask, (list, tuple)) else [previous_mask]) if m is not None
        ]
        return fold(lambda a, b: a | b, masks) if masks else None


class Add(_Merge):
    """The sum."""

    def merge(self, xs):
        return fold(lambda a, b: a + b, xs)


class Subtract(_Merge):
    """The first minus the second."""

    def build(self, input_shape):
        if len(need_list(self, input_shape)) != 2:
            raise ArgumentError(
                message(f"Subtract {self.name!r}", "should be called on exactly 2 inputs", [("received", input_shape)])
            )
        self.built = True

    def merge(self, xs):
        return xs[0] - xs[1]


class Multiply(_Merge):
    """The product."""

    def merge(self, xs):
        return fold(lambda a, b: a * b, xs)


class Average(_Merge):
    """The mean."""

    def merge(self, xs):
        return fold(lambda a, b: a + b, xs) / float(len(xs))


class Maximum(_Merge):
    """The largest of all."""

    def merge(self, xs):
        return fold(ops.maximum, xs)


class Minimum(_Merge):
    """The smallest of all."""

    def merge(self, xs):
        return fold(ops.minimum, xs)


class Concatenate(_Merge):
    """One behind the other along an axis."""

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape):
        shapes = need_list(self, input_shape)
        rest = {tuple(n for i, n in enumerate(s) if i != self.axis % len(s)) for s in shapes}
        known = [{r[i] for r in rest if i < len(r) and r[i] is not None} for i in range(max(map(len, rest)))]
        if any(len(k) > 1 for k in known) or len({len(s) for s in shapes}) > 1:
            raise ShapeError(message(f"Concatenate {self.name!r}", "inputs must have matching shapes except for the "
                "concatenation axis "
                                     f"{self.axis}", [("shapes", [tuple(s) for s in shapes])]))  # fmt: skip
        self.built = True

    def call(self, inputs):
        return ops.concatenate(list(inputs), axis=self.axis)

    def compute_output_shape(self, input_shape):
        shapes = [list(s) for s in need_list(self, input_shape)]
        at = self.axis % len(shapes[0])
        made = list(shapes[0])
        made[at] = None if any(s[at] is None for s in shapes) else sum(s[at] for s in shapes)
        return tuple(made)

    def compute_mask(self, inputs, previous_mask=None):
        if (
            previous_mask is None
            or not isinstance(previous_mask, (list, tuple))
            or all(m is None for m in previous_mask)
        ):
            return None
        masks = [
            ops.ones_like(x[..., 0], dtype="bool") if m is None else m
            for x, m in zip(inputs, previous_mask, strict=True)
        ]
        if self.axis % inputs[0].ndim == inputs[0].ndim - 1:
            return fold(lambda a, b: a & b, masks)
        return ops.concatenate(masks, axis=self.axis)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


class Dot(_Merge):
    """Sums of products along an axis of each of two inputs."""

    def __init__(self, axes, normalize=False, **kwargs):
        super().__init__(**kwargs)
        self.axes, self.normalize = axes, normalize
        self.supports_masking = True

    def build(self, input_shape):
        shapes = need_list(self, input_shape)
        a, b = self.pair(len(shapes[0]), len(shapes[1]))
        if shapes[0][a] is not None and shapes[1][b] is not None and shapes[0][a] != shapes[1][b]:
            raise ShapeError(message(f"Dot {self.name!r}", f"incompatible input shapes: axis values {shapes[0][a]} "
                f"(at axis {a}) != {shapes[1][b]} (at axis {b})",
                                     [("shapes", shapes)]))  # fmt: skip
        self.built = True

    def pair(self, first: int, second: int) -> tuple[int, int]:
        a, b = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        return a % first, b % second

    def call(self, inputs):
        x, y = inputs
        a, b = self.pair(x.ndim, y.ndim)
        if self.normalize:
            x, y = ops.normalize(x, axis=a), ops.normalize(y, axis=b)
        flat = x.ndim == 2 and y.ndim == 2
        x, y = ops.moveaxis(x, a, -1), ops.moveaxis(y, b, 1)
        lead, tail = x.shape[1:-1], y.shape[2:]
        made = ops.matmul(ops.reshape(x, (x.shape[0], -1, x.shape[-1])), ops.reshape(y, (y.shape[0], y.shape[1], -1)))
        return ops.reshape(made, (x.shape[0], 1) if flat else (x.shape[0], *lead, *tail))

    def compute_output_shape(self, input_shape):
        x, y = (list(s) for s in input_shape)
        a, b = self.pair(len(x), len(y))
        made = [n for i, n in enumerate(x) if i != a] + [n for i, n in enumerate(y) if i and i != b]
        return tuple(made if len(made) > 1 else [*made, 1])

    def compute_mask(self, inputs, previous_mask=None):
        return None

    def get_config(self):
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def add(inputs, **kwargs):
    """The sum of tensors."""
    return Add(**kwargs)(inputs)


def subtract(inputs, **kwargs):
    """The first tensor minus the second."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs, **kwargs):
    """The product of tensors."""
    return Multiply(**kwargs)(inputs)


def average(inputs, **kwargs):
    """The mean of tensors."""
    return Average(**kwargs)(inputs)


def maximum(inputs, **kwargs):
    """The largest of tensors."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs, **kwargs):
    """The smallest of tensors."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs, axis=-1, **kwargs):
    """Tensors one behind the other."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs, axes=-1, **kwargs):
    """Sums of products of two tensors."""
    return Dot(axes=axes, **kwargs)(inputs)


for _kind in (Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot):
    TABLE.add(_kind)
