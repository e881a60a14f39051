"""The names of torchvision.transforms.v2.functional: those of transforms.functional, and what only v2 has."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.base import dtypes
from dovetail.base.dtypes import DType
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms.functional import *  # noqa: F403  the same functions serve both
from dovetail.vision.transforms.functional import (
    convert_image_dtype,
    elastic_transform,
    get_dimensions,
    get_image_num_channels,
    hflip,
    pil_to_tensor,
    rgb_to_grayscale,
    vflip,
)
from dovetail.vision.transforms.pictures import Picture, coloured, is_pil, pillow, planes, through
from dovetail.vision.tv_tensors import BoundingBoxes, Image

horizontal_flip, vertical_flip = hflip, vflip
elastic, get_num_channels = elastic_transform, get_image_num_channels


def to_image(inpt: Picture) -> Image:
    """A picture as an Image tensor with the same elements."""
    return Image(inpt if isinstance(inpt, Tensor) else pil_to_tensor(inpt))


def to_dtype(inpt: Tensor, dtype: DType = dtypes.float32, scale: bool = False) -> Tensor:
    """Another element type; scale=True also scales the values of pictures to its range."""
    if scale:
        return convert_image_dtype(inpt, dtype)
    made = inpt.to(dtype)
    return inpt.again(made) if hasattr(inpt, "again") else made


def get_size(inpt: Picture) -> list[int]:
    """[height, width]"""
    return get_dimensions(inpt)[1:]


def is_pure_tensor(inpt: Any) -> bool:
    """Whether it is a tensor that does not say what it is."""
    return type(inpt) is Tensor


@coloured
def grayscale_to_rgb(inpt: Picture) -> Picture:
    """Three equal channels where there was one."""
    if is_pil(inpt):
        return inpt.convert("RGB")
    return inpt if get_dimensions(inpt)[0] == 3 else rgb_to_grayscale(inpt, 3)


@coloured
def permute_channels(inpt: Picture, permutation: Sequence[int]) -> Picture:
    """The channels in another order."""
    return through(inpt, "permute_channels", lambda a: a[..., list(permutation), :, :])


@coloured
def jpeg(image: Picture, quality: int) -> Picture:
    """The picture as a JPEG file of that quality leaves it. Raises: MissingExtra without Pillow."""
    files = pillow("jpeg")

    def again(pixels: np.ndarray) -> np.ndarray:
        flat = pixels[0] if pixels.shape[0] == 1 else pixels.transpose(1, 2, 0)
        held = io.BytesIO()
        files.fromarray(np.ascontiguousarray(flat)).save(held, "JPEG", quality=quality)
        made = np.asarray(files.open(held))
        return made[None] if made.ndim == 2 else made.transpose(2, 0, 1)

    array = planes(image, "jpeg")
    flat = array.reshape(-1, *array.shape[-3:])
    return through(image, "jpeg", lambda a: np.stack([again(each) for each in flat]).reshape(a.shape))


def get_bounding_boxes(flat_inputs: Sequence[Any]) -> BoundingBoxes:
    """The boxes among the parts of a sample."""
    return next(part for part in flat_inputs if isinstance(part, BoundingBoxes))


__all__ = [name for name in dir() if not name.startswith("_")]
