"""Random colours and random holes: pixels changed where they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dovetail import nn
from dovetail.base.errors import ArgumentError, message
from dovetail.tensor.create import tensor as make_tensor
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms import functional as F
from dovetail.vision.transforms.chance import normal, number, order, whole
from dovetail.vision.transforms.pictures import Picture
from dovetail.vision.tv_tensors import BoundingBoxes, Mask

Range = tuple[float, float] | None


def about(value: float | Sequence[float], name: str, middle: float = 1.0, most: float = math.inf) -> Range:
    """middle ± value, not below zero where the middle is one; the given range; None where nothing would change.

    Raises: ArgumentError if the value is negative or leaves what the transform takes.
    """
    if isinstance(value, int | float):
        low, high = (max(middle - value, 0.0) if middle else -value), middle + value
        bad = value < 0
    else:
        (low, high), bad = value, False
    if bad or low > high or high > most or low < (0.0 if middle else -most):
        raise ArgumentError(message("ColorJitter", f"{name} is out of range", [(name, value)]))
    return None if low == high == middle else (low, high)


class ColorJitter(nn.Module):
    """Brightness, contrast, saturation and hue changed at random, in random order."""

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ):
        super().__init__()
        self.brightness, self.contrast = about(brightness, "brightness"), about(contrast, "contrast")
        self.saturation, self.hue = about(saturation, "saturation"), about(hue, "hue", 0.0, 0.5)

    @staticmethod
    def get_params(brightness: Range, contrast: Range, saturation: Range, hue: Range) -> tuple:
        """(order of the four changes, and how strong each is; None where there is none)"""
        given = (brightness, contrast, saturation, hue)
        return (order(4), *(None if limits is None else number(*limits) for limits in given))

    def forward(self, img: Picture) -> Picture:
        steps = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        places, *strengths = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        for place in places:
            if strengths[place] is not None:
                img = steps[place](img, strengths[place])
        return img

    def __repr__(self) -> str:
        names = ("brightness", "contrast", "saturation", "hue")
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in names)})"


class RandomGrayscale(nn.Module):
    """Grey with probability p, with as many channels as before."""

    def __init__(self, p: float = 0.1):
        super().__init__()
        self.p = p

    def forward(self, img: Picture) -> Picture:
        return F.rgb_to_grayscale(img, F.get_dimensions(img)[0]) if number() < self.p else img


class RandomErasing(nn.Module):
    """With probability p a random rectangle of a tensor replaced by `value` ("random": by normal noise).

    Source: Zhong et al. 2017, arXiv:1708.04896.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ):
        super().__init__()
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    @staticmethod
    def get_params(img: Tensor, scale: Sequence[float], ratio: Sequence[float], value: Any = 0) -> tuple:
        """(top, left, height, width, what the rectangle will hold); the whole picture itself where none fits."""
        c, h, w = img.shape[-3:]
        for _ in range(10):
            area = h * w * number(*scale)
            shape = math.exp(number(math.log(ratio[0]), math.log(ratio[1])))
            high, wide = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if high < h and wide < w:
                return whole(0, h - high), whole(0, w - wide), high, wide, filling(value, c, high, wide)
        return 0, 0, h, w, img

    def forward(self, img: Tensor) -> Tensor:
        if number() >= self.p or not isinstance(img, Tensor) or isinstance(img, (Mask, BoundingBoxes)):
            return img
        return F.erase(img, *self.get_params(img, self.scale, self.ratio, self.value), self.inplace)

    def __repr__(self) -> str:
        names = ("p", "scale", "ratio", "value", "inplace")
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in names)})"


def filling(value: Any, c: int, high: int, wide: int) -> Any:
    """What an erased rectangle holds: a number, one for each channel, or noise for "random"."""
    if isinstance(value, str):
        return Tensor.from_array(normal(c, high, wide))
    return value if isinstance(value, int | float) else make_tensor(list(value)).view(-1, 1, 1)
