"""Transforms without chance, as objects for Compose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dovetail import nn
from dovetail.base.dtypes import DType
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms import functional as F
from dovetail.vision.transforms.pictures import InterpolationMode, Picture


class ToTensor:
    """F.to_tensor: a picture as a tensor, bytes as float32 in 0..1."""

    def __call__(self, pic: Picture) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return "ToTensor()"


class PILToTensor:
    """F.pil_to_tensor: a picture as a tensor with the same elements."""

    def __call__(self, pic: Picture) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return "PILToTensor()"


class ToPILImage:
    """F.to_pil_image: a tensor or an array as a PIL image."""

    def __init__(self, mode: str | None = None):
        self.mode = mode

    def __call__(self, pic: Picture) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"ToPILImage(mode={self.mode})" if self.mode else "ToPILImage()"


class ConvertImageDtype(nn.Module):
    """F.convert_image_dtype: another element type, values scaled to its range."""

    def __init__(self, dtype: DType):
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(nn.Module):
    """F.normalize: (x - mean) / std for each channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False):
        super().__init__()
        self.mean, self.std, self.inplace = mean, std, inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class Resize(nn.Module):
    """F.resize: another size, (height, width) or the length of the shorter side."""

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ):
        super().__init__()
        self.size, self.interpolation, self.max_size, self.antialias = size, interpolation, max_size, antialias

    def forward(self, img: Picture) -> Picture:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return f"Resize(size={self.size}, interpolation={self.interpolation}, antialias={self.antialias})"


class CenterCrop(nn.Module):
    """F.center_crop: the middle of the picture."""

    def __init__(self, size: int | Sequence[int]):
        super().__init__()
        self.size = size

    def forward(self, img: Picture) -> Picture:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"CenterCrop(size={self.size})"


class FiveCrop(nn.Module):
    """F.five_crop: the four corners and the middle."""

    def __init__(self, size: int | Sequence[int]):
        super().__init__()
        self.size = size

    def forward(self, img: Picture) -> tuple[Picture, ...]:
        return F.five_crop(img, self.size)


class TenCrop(nn.Module):
    """F.ten_crop: the four corners and the middle, and the same of the mirror image."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False):
        super().__init__()
        self.size, self.vertical_flip = size, vertical_flip

    def forward(self, img: Picture) -> tuple[Picture, ...]:
        return F.ten_crop(img, self.size, self.vertical_flip)


class Pad(nn.Module):
    """F.pad: a wider picture."""

    def __init__(self, padding: int | Sequence[int], fill: float | Sequence[float] = 0, padding_mode: str = "constant"):
        super().__init__()
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def forward(self, img: Picture) -> Picture:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"Pad(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class Grayscale(nn.Module):
    """F.rgb_to_grayscale: luma in one channel or three."""

    def __init__(self, num_output_channels: int = 1):
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Picture) -> Picture:
        return F.rgb_to_grayscale(img, self.num_output_channels)
