"""Tensors that say what they are, so that v2's transforms move boxes and masks along with the picture.

An Image, a Mask, a Video or BoundingBoxes is a tensor; what is computed from one is a plain tensor, as in torchvision.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

from dovetail.base.errors import ShapeError, message
from dovetail.tensor.create import as_tensor
from dovetail.tensor.tensor import Tensor

__all__ = ["BoundingBoxFormat", "BoundingBoxes", "Image", "Mask", "TVTensor", "Video", "wrap"]


class BoundingBoxFormat(Enum):
    """What a box's four numbers are: corners; corner and size; centre and size."""

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"


def pixels_of(picture: object) -> np.ndarray:
    """A PIL image as an array (c, h, w)."""
    array = np.asarray(picture)
    return np.array(array[None] if array.ndim == 2 else array.transpose(2, 0, 1), order="C")


class TVTensor(Tensor):
    """What the kinds below share: making one from data or from a tensor, whose memory it then shares."""

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None, **facts: Any
    ):
        return object.__new__(cls)

    def __init__(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None):
        if type(data).__module__.startswith("PIL."):
            data = pixels_of(data)
        plain = as_tensor(data, dtype=dtype)
        plain._settle()
        self._meta = plain._meta.with_grad(plain.requires_grad if requires_grad is None else requires_grad)
        self._storage, self._ptr, self._shared = plain._storage, plain._ptr, True

    def again(self, data: Tensor) -> TVTensor:
        """Other values as the same kind."""
        return type(self)(data)


class Image(TVTensor):
    """A picture (*, c, h, w)."""

    def __init__(self, data: Any, **options: Any):
        super().__init__(data, **options)
        if self.ndim < 2:
            raise ShapeError(message("Image", "a picture has at least two dimensions", [("data", self)]))


class Video(Image):
    """Pictures (*, t, c, h, w)."""


class Mask(TVTensor):
    """Masks (*, h, w): moved as the picture is, never coloured."""


class BoundingBoxes(TVTensor):
    """Boxes (n, 4) on a picture of canvas_size (height, width)."""

    def __init__(
        self,
        data: Any,
        *,
        format: BoundingBoxFormat | str,
        canvas_size: tuple[int, int],
        clamping_mode: Any = "soft",
        **options: Any,
    ):
        super().__init__(data, **options)
        if self.ndim not in (1, 2) or (self.ndim == 1 and self.shape[0] != 4):
            raise ShapeError(message("BoundingBoxes", "takes boxes (n, 4)", [("data", self)]))
        self.format = BoundingBoxFormat[format.upper()] if isinstance(format, str) else format
        self.canvas_size: tuple[int, int] = (int(canvas_size[0]), int(canvas_size[1]))
        self.clamping_mode = clamping_mode

    def again(self, data: Tensor, canvas_size: tuple[int, int] | None = None) -> BoundingBoxes:
        return BoundingBoxes(data, format=self.format, canvas_size=canvas_size or self.canvas_size)


def wrap(wrappee: Tensor, *, like: TVTensor, **facts: Any) -> Tensor:
    """A tensor as the kind that `like` is."""
    return like.again(wrappee, **facts) if isinstance(like, TVTensor) else wrappee
