"""The handwritten digits that ship with the package: small enough to train on before any download."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from dovetail.vision.datasets.idx import read_idx
from dovetail.vision.datasets.images import ImageSet

FOLDER = Path(__file__).parent / "data"
FOLDS = 5  # every fifth image of each digit is held out


class Digits(ImageSet):
    """1,797 handwritten digits by 13 people, scaled from 8x8 to MNIST's 28x28.

    train=True: the 1,442 images to train on; train=False: the 355 held out, every fifth image of each digit. So the
    held-out images come from the same thirteen writers. (The file is in the writers' order: with its last fifth held
    out instead, writers that the network has never seen, the same network reaches about 90 % instead of 97.)

    Item: (image, label). Image: float32 tensor (1, 28, 28) in 0..1, or whatever `transform` makes of the (28, 28)
    uint8 array; label: int.
    data: uint8 (n, 28, 28). targets: int64 (n,).
    Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
    https://doi.org/10.24432/C50P49, CC BY 4.0; the test part, as scikit-learn distributes it.
    """

    classes: ClassVar[list[str]] = [str(digit) for digit in range(10)]

    def __init__(self, train: bool = True, transform: Callable | None = None, target_transform: Callable | None = None):
        self.train = train
        images, labels = load_digits(train)
        super().__init__(images, labels, transform, target_transform)


def load_digits(train: bool) -> tuple[np.ndarray, np.ndarray]:
    """(images (n, 28, 28), labels (n,)), both unsigned bytes: the part to train on or the part held out."""
    small, labels = read_digits()
    held_out = in_last_fold(labels)
    chosen = ~held_out if train else held_out
    return enlarge(small[chosen]), labels[chosen].copy()


@cache
def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """The data set as published: images (1797, 8, 8) with values 0..16, labels (1797,)."""
    return read_idx(FOLDER / "digits-images.idx3.gz"), read_idx(FOLDER / "digits-labels.idx1.gz")


def in_last_fold(labels: np.ndarray) -> np.ndarray:
    """True for the fifth, tenth, ... image of each digit, in the file's order."""
    chosen = np.zeros(len(labels), bool)
    for digit in range(10):
        chosen[np.flatnonzero(labels == digit)[FOLDS - 1 :: FOLDS]] = True
    return chosen


def enlarge(small: np.ndarray, size: int = 28) -> np.ndarray:
    """8x8 images with values 0..16 -> size x size images with values 0..255, by bilinear interpolation.

    Pixel centres lie at (i + 0.5) / size of the edge; outside the outermost small centres the edge value holds. This is
    torch.nn.functional.interpolate(mode="bilinear", align_corners=False), then times 255/16, rounded.
    Shape: (n, 8, 8) -> (n, size, size)
    """
    mix = interpolation(small.shape[-1], size)
    return np.rint(mix @ small.astype(np.float32) @ mix.T * (255 / 16)).astype(np.uint8)


def interpolation(old: int, new: int) -> np.ndarray:
    """Matrix (new, old) that resamples a line of `old` pixels to `new` pixels linearly."""
    place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(old))).astype(np.float32)
