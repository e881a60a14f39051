"""tf.image: pictures as (height, width, channels) or batches of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.compat.tf.arrays import ints
from dovetail.keras import ops
from dovetail.keras.dtypes import as_dtype, is_float_dtype
from dovetail.keras.ops.convert import tensor
from dovetail.tensor.random import default_generator


def resize(images, size, method="bilinear", preserve_aspect_ratio=False, antialias=False, name=None) -> Any:
    """Pictures of another size."""
    return ops.image.resize(images, ints(size), str(method).lower(), antialias=antialias, data_format="channels_last")


def flip_left_right(image) -> Any:
    """Mirrored."""
    return ops.flip(image, -2)


def flip_up_down(image) -> Any:
    """Upside down."""
    return ops.flip(image, -3)


def chance() -> float:
    return float(default_generator.host().random())


def random_flip_left_right(image, seed=None) -> Any:
    """Mirrored half of the time."""
    return flip_left_right(image) if chance() < 0.5 else tensor(image)


def random_flip_up_down(image, seed=None) -> Any:
    """Upside down half of the time."""
    return flip_up_down(image) if chance() < 0.5 else tensor(image)


def rot90(image, k=1, name=None) -> Any:
    """Turned by quarters, counterclockwise."""
    return ops.rot90(image, k, axes=(-3, -2))


def rgb_to_grayscale(images, name=None) -> Any:
    """One channel of brightness."""
    return ops.image.rgb_to_grayscale(images, data_format="channels_last")


def grayscale_to_rgb(images, name=None) -> Any:
    """The channel three times."""
    return ops.concatenate([images] * 3, axis=-1)


def convert_image_dtype(image, dtype, saturate=False, name=None) -> Any:
    """Another dtype: fractions run from 0 to 1, whole numbers over their range."""
    x = tensor(image)
    was, will = x.dtype, as_dtype(dtype)
    if was is will:
        return x
    if is_float_dtype(will) and not is_float_dtype(was):
        return ops.cast(x, will) / float(np.iinfo(was.np).max)
    if is_float_dtype(was) and not is_float_dtype(will):
        return ops.cast(x * (float(np.iinfo(will.np).max) + 0.5), will)
    return ops.cast(x, will)


def per_image_standardization(image) -> Any:
    """Mean 0 and deviation 1 for each picture."""
    x = ops.cast(image, "float32")
    axes = (-3, -2, -1)
    count = float(np.prod(x.shape[-3:]))
    deviation = ops.maximum(ops.std(x, axis=axes, keepdims=True), 1.0 / count**0.5)
    return (x - ops.mean(x, axis=axes, keepdims=True)) / deviation


def adjust_brightness(image, delta) -> Any:
    """Brighter by delta."""
    return ops.add(image, delta)


def adjust_contrast(images, contrast_factor) -> Any:
    """Further from each channel's mean."""
    mean = ops.mean(images, axis=(-3, -2), keepdims=True)
    return (images - mean) * contrast_factor + mean


def random_brightness(image, max_delta, seed=None) -> Any:
    """Brighter or darker by chance."""
    return adjust_brightness(image, (chance() * 2 - 1) * max_delta)


def random_contrast(image, lower, upper, seed=None) -> Any:
    """More or less contrast by chance."""
    return adjust_contrast(image, lower + chance() * (upper - lower))


def crop_to_bounding_box(image, offset_height, offset_width, target_height, target_width) -> Any:
    """A part of a picture."""
    return tensor(image)[
        ..., offset_height : offset_height + target_height, offset_width : offset_width + target_width, :
    ]


def central_crop(image, central_fraction) -> Any:
    """The middle of a picture."""
    h, w = image.shape[-3], image.shape[-2]
    top, left = int((h - h * central_fraction) / 2), int((w - w * central_fraction) / 2)
    return crop_to_bounding_box(image, top, left, h - 2 * top, w - 2 * left)


def random_crop(value, size, seed=None, name=None) -> Any:
    """A part of this size from a place by chance."""
    x = tensor(value)
    starts = [int(chance() * (n - s + 1)) for n, s in zip(x.shape, ints(size), strict=True)]
    return x[tuple(slice(b, b + s) for b, s in zip(starts, ints(size), strict=True))]


def pad_to_bounding_box(image, offset_height, offset_width, target_height, target_width) -> Any:
    """A picture with zeros around it."""
    h, w = image.shape[-3], image.shape[-2]
    pairs = [(0, 0)] * (len(image.shape) - 3)
    pairs += [(offset_height, target_height - h - offset_height), (offset_width, target_width - w - offset_width)]
    return ops.pad(image, [*pairs, (0, 0)])


def resize_with_crop_or_pad(image, target_height, target_width) -> Any:
    """The middle of a picture, or a picture with zeros around it."""
    h, w = image.shape[-3], image.shape[-2]
    high, wide = min(h, target_height), min(w, target_width)
    x = crop_to_bounding_box(image, (h - high) // 2, (w - wide) // 2, high, wide)
    return pad_to_bounding_box(x, (target_height - high) // 2, (target_width - wide) // 2, target_height, target_width)


__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "central_crop",
    "convert_image_dtype",
    "crop_to_bounding_box",
    "flip_left_right",
    "flip_up_down",
    "grayscale_to_rgb",
    "pad_to_bounding_box",
    "per_image_standardization",
    "random_brightness",
    "random_contrast",
    "random_crop",
    "random_flip_left_right",
    "random_flip_up_down",
    "resize",
    "resize_with_crop_or_pad",
    "rgb_to_grayscale",
    "rot90",
]
