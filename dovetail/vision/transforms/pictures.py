"""The three kinds of pictures that transforms take, and how each becomes an array (channels, height, width) and back.

A tensor (*, c, h, w); a NumPy array (h, w) or (h, w, c), as the data sets hold them; a PIL image, given Pillow.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, GradientError, ShapeError, message, need
from dovetail.tensor.tensor import Tensor
from dovetail.vision.tv_tensors import BoundingBoxes, Mask, TVTensor

Picture = Any  # Tensor, np.ndarray or PIL.Image.Image
GRADIENT = "Use dovetail.nn.functional (interpolate, pad, grid_sample) where a gradient is needed."


class InterpolationMode(Enum):
    """How values between pixels are found."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


def pillow(call: str, part: str = "Image") -> Any:
    """A module of Pillow, or MissingExtra naming the extra that brings it."""
    return need(f"PIL.{part}", "vision", call)


def is_pil(picture: object) -> bool:
    """Whether it is a PIL image; Pillow is not imported to find out."""
    return any(kind.__module__.startswith("PIL.") for kind in type(picture).__mro__)


def coloured(change: Callable) -> Callable:
    """Decorates a function that changes values and moves nothing: masks and boxes stay as they are."""

    @functools.wraps(change)
    def colours(img: Picture, *args: Any, **kwargs: Any) -> Picture:
        if isinstance(img, (Mask, BoundingBoxes)):
            return img
        made = change(img, *args, **kwargs)
        return img.again(made) if isinstance(img, TVTensor) and type(made) is Tensor else made

    return colours


def planes(picture: Picture, call: str) -> np.ndarray:
    """The picture as an array (*, c, h, w) that must not be written to.

    Raises: ArgumentError if it is none of the three kinds; ShapeError if it has too few dimensions; GradientError if it
    is a tensor that is being differentiated.
    """
    if isinstance(picture, Tensor):
        if picture.requires_grad:
            raise GradientError(message(call, "transforms carry no gradients", [("input", picture)], GRADIENT))
        if picture.ndim < 2:
            raise ShapeError(message(call, "a picture has at least two dimensions", [("input", picture)]))
        return picture.numpy()
    if not isinstance(picture, np.ndarray) and not is_pil(picture):
        facts = [("received", type(picture).__name__), ("takes", "a tensor, a NumPy array or a PIL image")]
        raise ArgumentError(message(call, "this is no picture", facts))
    array = np.asarray(picture)
    if array.ndim not in (2, 3):
        raise ShapeError(message(call, "a picture is (h, w) or (h, w, c)", [("input", array)]))
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def like(picture: Picture, array: np.ndarray) -> Picture:
    """An array (*, c, h, w) as the kind that `picture` is."""
    if isinstance(picture, Tensor):
        made = Tensor.from_array(np.array(array, order="C"))
        return picture.again(made) if isinstance(picture, TVTensor) else made
    grey = array.shape[0] == 1 and np.asarray(picture).ndim == 2
    flat = np.ascontiguousarray(array[0] if grey else array.transpose(1, 2, 0))
    if not is_pil(picture):
        return flat
    made = pillow("transforms").fromarray(flat)
    if picture.mode == "P":
        made.putpalette(picture.getpalette())
    return made


def through(picture: Picture, call: str, kernel: Callable[[np.ndarray], np.ndarray]) -> Picture:
    """The picture after `kernel`, a function of arrays (*, c, h, w)."""
    return like(picture, kernel(planes(picture, call)))


def get_dimensions(img: Picture) -> list[int]:
    """[channels, height, width] of a picture."""
    if isinstance(img, BoundingBoxes):
        return [1, *img.canvas_size]
    if isinstance(img, Tensor) and img.ndim >= 2:
        return [1 if img.ndim == 2 else img.shape[-3], *img.shape[-2:]]
    shape = planes(img, "get_dimensions").shape
    return [1 if len(shape) == 2 else shape[-3], *shape[-2:]]


def get_image_size(img: Picture) -> list[int]:
    """[width, height] of a picture."""
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Picture) -> int:
    """How many channels a picture has."""
    return get_dimensions(img)[0]


def rounded(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Computed values as `dtype`: rounded and kept in range where that holds whole numbers."""
    if np.issubdtype(dtype, np.floating):
        return array.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(array), limits.min, limits.max).astype(dtype)
