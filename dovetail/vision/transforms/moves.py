"""Random crops, flips, turns: pixels moved."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dovetail import nn
from dovetail.base.errors import ArgumentError, message
from dovetail.vision.transforms import functional as F
from dovetail.vision.transforms.chance import number, whole
from dovetail.vision.transforms.geometry import pair
from dovetail.vision.transforms.pictures import InterpolationMode, Picture

Fill = float | Sequence[float]


class RandomCrop(nn.Module):
    """A rectangle of that size at a random place, of the picture padded as asked.

    Raises: ArgumentError if the padded picture is smaller than the crop.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Fill = 0,
        padding_mode: str = "constant",
    ):
        super().__init__()
        self.size, self.padding, self.pad_if_needed = pair(size), padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    @staticmethod
    def get_params(img: Picture, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(top, left, height, width) of one crop."""
        _, h, w = F.get_dimensions(img)
        height, width = output_size
        if h < height or w < width:
            facts = [("crop", (height, width)), ("image", (h, w))]
            raise ArgumentError(message("RandomCrop", "the crop is larger than the picture", facts))
        return whole(0, h - height), whole(0, w - width), height, width

    def forward(self, img: Picture) -> Picture:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, h, w = F.get_dimensions(img)
        high, wide = max(self.size[0] - h, 0), max(self.size[1] - w, 0)
        if self.pad_if_needed and (high or wide):
            img = F.pad(img, (wide, high), self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomResizedCrop(nn.Module):
    """A rectangle of random area and shape, resized to `size`: how ImageNet networks see their pictures.

    scale: range of the area, as a share of the picture's; ratio: range of width / height.
    Source: Szegedy et al. 2014, arXiv:1409.4842, section 6.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        super().__init__()
        self.size, self.scale, self.ratio = pair(size), scale, ratio
        self.interpolation, self.antialias = interpolation, antialias

    @staticmethod
    def get_params(img: Picture, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """(top, left, height, width) of one crop; after ten shapes that do not fit, the middle."""
        _, h, w = F.get_dimensions(img)
        for _ in range(10):
            area = h * w * number(*scale)
            shape = math.exp(number(math.log(ratio[0]), math.log(ratio[1])))
            width, height = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if 0 < width <= w and 0 < height <= h:
                return whole(0, h - height), whole(0, w - width), height, width
        width = min(w, round(h * ratio[1]))
        height = min(h, round(w / ratio[0]))
        return (h - height) // 2, (w - width) // 2, height, width

    def forward(self, img: Picture) -> Picture:
        place = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *place, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        return f"RandomResizedCrop(size={self.size}, scale={self.scale}, ratio={self.ratio})"


class RandomHorizontalFlip(nn.Module):
    """Left and right exchanged with probability p."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def forward(self, img: Picture) -> Picture:
        return F.hflip(img) if number() < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom exchanged with probability p."""

    def forward(self, img: Picture) -> Picture:
        return F.vflip(img) if number() < self.p else img


def span(value: float | Sequence[float]) -> tuple[float, float]:
    """The range that is given, or -value .. value."""
    return (-value, value) if isinstance(value, int | float) else (value[0], value[1])


class RandomRotation(nn.Module):
    """The picture turned by an angle of the range `degrees` (one number: from -degrees to degrees)."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Fill = 0,
    ):
        super().__init__()
        self.degrees, self.interpolation, self.expand = span(degrees), interpolation, expand
        self.center, self.fill = center, fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """An angle of the range."""
        return number(*degrees[:2])

    def forward(self, img: Picture) -> Picture:
        return F.rotate(img, self.get_params(self.degrees), self.interpolation, self.expand, self.center, self.fill)

    def __repr__(self) -> str:
        return f"RandomRotation(degrees={self.degrees})"


class RandomAffine(nn.Module):
    """Turned, moved, scaled and sheared, each by a random amount.

    translate: largest shares of width and height; scale: range; shear: degrees along x, or the ranges of x and y.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        fill: Fill = 0,
        center: Sequence[float] | None = None,
    ):
        super().__init__()
        self.degrees, self.translate, self.scale = span(degrees), translate or (0, 0), scale or (1.0, 1.0)
        self.shear = (0.0, 0.0) if shear is None else span(shear) if isinstance(shear, int | float) else tuple(shear)
        self.interpolation, self.fill, self.center = interpolation, fill, center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """(angle, offsets, scale, shears); img_size: (width, height)"""
        angle = number(*degrees[:2])
        moved = [
            round(number(-share * side, share * side))
            for share, side in zip(translate or (0, 0), img_size, strict=True)
        ]
        scale = number(*(scale_ranges or (1.0, 1.0)))
        shears = shears or (0.0, 0.0)
        return (
            angle,
            (moved[0], moved[1]),
            scale,
            (number(*shears[:2]), number(*shears[2:]) if len(shears) == 4 else 0.0),
        )

    def forward(self, img: Picture) -> Picture:
        _, h, w = F.get_dimensions(img)
        numbers = self.get_params(self.degrees, self.translate, self.scale, self.shear, (w, h))
        return F.affine(img, *numbers, self.interpolation, self.fill, self.center)
