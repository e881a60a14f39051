"""MixUp and CutMix: pictures of a batch mixed with one another, and their labels with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dovetail import nn
from dovetail.base import tree
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.distributions import Beta
from dovetail.nn import functional as F
from dovetail.ops.shape import roll
from dovetail.tensor.create import tensor as make_tensor
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms.chance import whole


class MixUp(nn.Module):
    """Each picture of the batch mixed with its neighbour's, and each label.

    Shape: ((n, c, h, w), (n,) whole numbers or (n, num_classes)) -> ((n, c, h, w), (n, num_classes))
    Raises: ShapeError if there are not as many labels as pictures; ArgumentError if num_classes is missing.
    Source: Zhang et al. 2017, arXiv:1710.09412.
    """

    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Callable | str | None = "default"
    ):
        super().__init__()
        self.alpha, self.num_classes, self.labels_getter = float(alpha), num_classes, labels_getter
        self.spread = Beta(make_tensor([self.alpha]), make_tensor([self.alpha]))

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        labels = self.labels_of(sample)
        images = next((x for x in tree.leaves(sample) if isinstance(x, Tensor) and x.ndim >= 4), None)
        name = type(self).__name__
        if images is None:
            raise ShapeError(message(name, "takes a batch of pictures (n, c, h, w)"))
        if labels.shape[0] != images.shape[0] or labels.ndim not in (1, 2):
            raise ShapeError(message(name, "one label for each picture", [("images", images), ("labels", labels)]))
        share = self.spread.sample().item()
        mixed, share = self.mix(images, share)
        new = self.mixed_labels(labels, share)
        return tree.map_leaves(lambda x: mixed if x is images else new if x is labels else x, sample)

    def labels_of(self, sample: Any) -> Tensor:
        """The labels in a sample: "labels" of a dict, else the last tensor of one or two dimensions."""
        if callable(self.labels_getter):
            return self.labels_getter(sample)
        parts = [x for x in tree.leaves(sample) if isinstance(x, Tensor) and x.ndim in (1, 2)]
        found = sample.get("labels") if isinstance(sample, dict) else parts[-1] if parts else None
        if found is None:
            raise ArgumentError(
                message(type(self).__name__, "there are no labels in the sample", [], "Give labels_getter.")
            )
        return found

    def mix(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        """(the pictures, how much of a picture is its own)"""
        return roll(images, 1, 0) * (1.0 - share) + images * share, share

    def mixed_labels(self, labels: Tensor, share: float) -> Tensor:
        """Shares of the classes."""
        if labels.ndim == 1:
            if self.num_classes is None:
                raise ArgumentError(message(type(self).__name__, "needs num_classes for labels that are whole numbers"))
            labels = F.one_hot(labels, self.num_classes)
        labels = labels if labels.is_floating_point() else labels.float()
        return roll(labels, 1, 0) * (1.0 - share) + labels * share


class CutMix(MixUp):
    """A rectangle of each picture replaced by its neighbour's; labels by the share of the area.

    Source: Yun et al. 2019, arXiv:1905.04899.
    """

    def mix(self, images: Tensor, share: float) -> tuple[Tensor, float]:
        h, w = images.shape[-2:]
        x, y = whole(0, w - 1), whole(0, h - 1)
        half = 0.5 * math.sqrt(1.0 - share)
        wide, high = int(half * w), int(half * h)
        left, right, top, bottom = max(x - wide, 0), min(x + wide, w), max(y - high, 0), min(y + high, h)
        made = images.clone()
        made[..., top:bottom, left:right] = roll(images, 1, 0)[..., top:bottom, left:right]
        return made, 1.0 - (right - left) * (bottom - top) / (w * h)
