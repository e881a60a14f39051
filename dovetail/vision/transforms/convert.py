"""From one kind of picture or element to another, and values within a tensor: normalize, erase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.base import dtypes
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, DTypeError, ShapeError, message
from dovetail.tensor.create import tensor as make_tensor
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms.pictures import Picture, coloured, pillow, planes

FLOAT_MODES = {"I": np.int32, "I;16": np.int16, "F": np.float32}


def to_tensor(pic: Picture) -> Tensor:
    """A picture as a tensor; bytes become float32 in 0..1, other elements keep their values.

    Shape: (h, w) -> (1, h, w); (h, w, c) -> (c, h, w)
    Raises: ArgumentError if it is neither a NumPy array nor a PIL image.
    Source: agrees with torchvision.transforms.functional.to_tensor.

    >>> import numpy as np
    >>> to_tensor(np.full((2, 2), 255, np.uint8)).shape
    dovetail.Size([1, 2, 2])
    """
    if isinstance(pic, Tensor):
        raise ArgumentError(message("to_tensor", "this is a tensor already", [("input", pic)]))
    array = planes(pic, "to_tensor")
    if array.dtype == np.uint8 or array.dtype == np.bool_ and getattr(pic, "mode", "") == "1":
        top = 1 if array.dtype == np.bool_ else 255
        return Tensor.from_array(np.ascontiguousarray(array, dtype=np.float32) / np.float32(top))
    return Tensor.from_array(np.ascontiguousarray(array, FLOAT_MODES.get(getattr(pic, "mode", ""), array.dtype)))


def pil_to_tensor(pic: Picture) -> Tensor:
    """A PIL image (or an array of one) as a tensor with the same elements.

    Shape: (h, w) -> (1, h, w); (h, w, c) -> (c, h, w)
    """
    array = planes(pic, "pil_to_tensor")
    whole = array.astype(np.uint8) * np.uint8(255) if array.dtype == np.bool_ else array
    return Tensor.from_array(np.array(whole, order="C"))


def to_pil_image(pic: Tensor | np.ndarray, mode: str | None = None) -> Any:
    """A tensor (c, h, w) or an array (h, w, c) as a PIL image; floats in 0..1 become bytes.

    Raises: ShapeError if there are more than four channels; MissingExtra without Pillow.
    Source: agrees with torchvision.transforms.functional.to_pil_image.
    """
    array = planes(pic, "to_pil_image")
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[0] > 4:
        raise ShapeError(message("to_pil_image", "a picture has one to four channels", [("input", pic)]))
    if isinstance(pic, Tensor) and np.issubdtype(array.dtype, np.floating) and mode != "F":
        array = (array * 255).astype(np.uint8)
    flat = np.ascontiguousarray(array[0] if array.shape[0] == 1 else array.transpose(1, 2, 0))
    image = pillow("to_pil_image")
    if flat.ndim == 3 and flat.shape[2] == 2:
        made = image.merge("LA", [image.fromarray(np.ascontiguousarray(flat[..., c])) for c in (0, 1)])
    else:
        made = image.fromarray(flat)
    return made if mode is None or made.mode == mode else made.convert(mode)


@coloured
def convert_image_dtype(image: Tensor, dtype: DType = dtypes.float32) -> Tensor:
    """Another element type, the values scaled to its range: 0..1 for floats, 0..largest for whole numbers.

    Source: agrees with torchvision.transforms.functional.convert_image_dtype.
    """
    array = planes(image, "convert_image_dtype")
    old, new = array.dtype, np.dtype(dtype.np)
    if old == new:
        return image
    was_float, is_float = (np.issubdtype(kind, np.floating) for kind in (old, new))
    if was_float and is_float:
        made = array.astype(new)
    elif was_float:
        made = (array * (np.iinfo(new).max + 1.0 - 1e-3)).astype(new)
    elif is_float:
        made = array.astype(new) / new.type(top_of(old))
    else:
        made = between_whole(array, top_of(old), top_of(new)).astype(new)
    return Tensor.from_array(np.ascontiguousarray(made))


def top_of(dtype: np.dtype) -> int:
    """The value of white."""
    return 1 if dtype == np.bool_ else np.iinfo(dtype).max


def between_whole(array: np.ndarray, old: int, new: int) -> np.ndarray:
    """From 0..old to 0..new, both powers of two less one."""
    wide = array.astype(np.int64)
    return wide // ((old + 1) // (new + 1)) if old > new else wide * ((new + 1) // (old + 1))


@coloured
def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """(tensor - mean) / std, channel by channel; gradients pass.

    Shape: (*, c, h, w) -> (*, c, h, w)
    Raises: DTypeError unless it holds floats; ArgumentError if a deviation is zero.

    >>> from dovetail import ones
    >>> normalize(ones(1, 1, 2), [0.5], [0.5])
    tensor([[[1., 1.]]])
    """
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        cure = "Put ToTensor() or ConvertImageDtype(torch.float32) before Normalize."
        raise DTypeError(message("normalize", "takes a tensor of floats", [("input", tensor)], cure))
    if not all(std):
        raise ArgumentError(message("normalize", "a deviation of zero", [("std", list(std))]))
    if tensor.requires_grad or inplace:
        centre, spread = (make_tensor(list(v), dtype=tensor.dtype).view(-1, 1, 1) for v in (mean, std))
        return tensor.sub_(centre).div_(spread) if inplace else (tensor - centre) / spread
    array = tensor.numpy()
    middle, width = (np.asarray(v, array.dtype).reshape(-1, 1, 1) for v in (mean, std))
    return Tensor.from_array((array - middle) / width)


@coloured
def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """A picture whose rectangle at row i, column j, h high and w wide, holds v."""
    made = img if inplace else img.clone()
    made[..., i : i + h, j : j + w] = v
    return made
