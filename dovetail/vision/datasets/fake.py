"""Pictures of noise, to try a program before the data is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import DimError, message
from dovetail.data.dataset import Dataset


class FakeData(Dataset):
    """Random pictures with random labels, the same at every reading.

    image_size: (channels, height, width). Item: (image, label); without a transform the image is a uint8 array
    (height, width, channels), which every transform takes where torchvision's takes a PIL image.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        random_offset: int = 0,
    ):
        self.size, self.image_size, self.num_classes = size, tuple(image_size), num_classes
        self.transform, self.target_transform, self.random_offset = transform, target_transform, random_offset

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not 0 <= index < self.size:
            raise DimError(message("FakeData", "there is no such picture", [("index", index), ("size", self.size)]))
        chance = np.random.default_rng(index + self.random_offset)
        channels, height, width = self.image_size
        image = chance.integers(0, 256, (height, width, channels), np.uint8)
        label = int(chance.integers(0, self.num_classes))
        shown = self.transform(image) if self.transform else image
        return shown, self.target_transform(label) if self.target_transform else label
