"""Transforms made of transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dovetail import nn
from dovetail.base.errors import ArgumentError, message
from dovetail.vision.transforms.chance import chosen, number, order

Transforms = Sequence[Callable] | nn.ModuleList


class Compose:
    """One transform after another.

    >>> Compose([lambda x: x + 1, lambda x: x * 2])(3)
    8
    """

    def __init__(self, transforms: Sequence[Callable]):
        self.transforms = transforms

    def __call__(self, *img: Any) -> Any:
        made = img[0] if len(img) == 1 else img
        for transform in self.transforms:
            made = transform(*made) if len(img) > 1 else transform(made)
        return made

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}(", *(f"    {each}" for each in self.transforms), ")"])


class Lambda:
    """Any function as a transform."""

    def __init__(self, lambd: Callable):
        if not callable(lambd):
            raise ArgumentError(message("Lambda", "takes a function", [("received", type(lambd).__name__)]))
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"


class RandomApply(nn.Module):
    """All of the transforms with probability p, else none."""

    def __init__(self, transforms: Transforms, p: float = 0.5):
        super().__init__()
        self.transforms, self.p = transforms, p

    def forward(self, img: Any) -> Any:
        return Compose(list(self.transforms))(img) if number() < self.p else img


class RandomOrder(nn.Module):
    """All of the transforms, shuffled anew each time."""

    def __init__(self, transforms: Sequence[Callable]):
        super().__init__()
        self.transforms = transforms

    def forward(self, img: Any) -> Any:
        return Compose([self.transforms[place] for place in order(len(self.transforms))])(img)


class RandomChoice(nn.Module):
    """One of the transforms; p: how likely each is."""

    def __init__(self, transforms: Sequence[Callable], p: Sequence[float] | None = None):
        super().__init__()
        self.transforms, self.p = transforms, p or [1.0] * len(transforms)

    def forward(self, img: Any) -> Any:
        return self.transforms[chosen(self.p)](img)
