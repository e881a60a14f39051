"""Random colours and random holes: pixels changed where they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from dovetail import nn
from dovetail.base.errors import ArgumentError, message
from dovetail.ops.random import randn
from dovetail.tensor.create import tensor as make_tensor
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms import functional as F
from dovetail.vision.transforms.chance import number, order, whole
from dovetail.vision.transforms.pictures import Picture

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

    def forward(self, img: Picture) -> Picture:
        steps: list[tuple[Callable, Range]] = [
            (F.adjust_brightness, self.brightness),
            (F.adjust_contrast, self.contrast),
            (F.adjust_saturation, self.saturation),
            (F.adjust_hue, self.hue),
        ]
        for place in order(len(steps)):
            adjust, limits = steps[place]
            if limits is not None:
                img = adjust(img, number(*limits))
        return img


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

    def forward(self, img: Tensor) -> Tensor:
        if number() >= self.p:
            return img
        c, h, w = img.shape[-3:]
        for _ in range(10):
            area = h * w * number(*self.scale)
            shape = math.exp(number(math.log(self.ratio[0]), math.log(self.ratio[1])))
            high, wide = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if high < h and wide < w:
                place = whole(0, h - high), whole(0, w - wide), high, wide
                return F.erase(img, *place, self.filling(c, high, wide), self.inplace)
        return img

    def filling(self, c: int, high: int, wide: int) -> Any:
        """What the rectangle will hold."""
        if self.value == "random":
            return randn(c, high, wide)
        given = self.value
        return given if isinstance(given, int | float) else make_tensor(list(given)).view(-1, 1, 1)
