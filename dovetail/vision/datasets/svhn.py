"""SVHN: digits of house numbers, photographed in the street; 32x32 colour pictures in MATLAB's files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from dovetail.base.errors import ArgumentError, FileError, message
from dovetail.vision.datasets.download import fetch
from dovetail.vision.datasets.images import ImageSet
from dovetail.vision.datasets.matfile import read_mat

SITE = "http://ufldl.stanford.edu/housenumbers/"


class SVHN(ImageSet):
    """73,257 pictures to train on, 26,032 to test with, 531,131 easier ones: split="train", "test" or "extra".

    The file (train_32x32.mat, ...) is looked for in `root`; with `download=True` a missing one is got and checked by
    its MD5.

    Item: (image, label). Image: float32 tensor (3, 32, 32) in 0..1, or whatever `transform` makes of the (32, 32, 3)
    uint8 array; label: int, the digit itself (the files say 10 for zero).
    Raises: ArgumentError for another split; FileError if the file is missing or damaged.
    Source: Netzer et al. 2011, Reading Digits in Natural Images with Unsupervised Feature Learning.
    """

    digests: ClassVar[dict[str, str]] = {
        "train": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "test": "eb5a983be6a315427106f1b164d9cef3",
        "extra": "a93ce644f1a588dc4d68dda5feec44a7",
    }
    classes: ClassVar[list[str]] = [str(digit) for digit in range(10)]

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        if split not in self.digests:
            facts = [("split", split), ("takes", ", ".join(self.digests))]
            raise ArgumentError(message("SVHN", "there is no such split", facts))
        self.root, self.split = Path(root).expanduser(), split
        path = self.root / f"{split}_32x32.mat"
        cure = f"Put {path.name} into {self.root}, from {SITE}, or pass download=True."
        if not path.is_file():
            if not download:
                raise FileError(message("SVHN", "the data set was not found", [("looked for", str(path))], cure))
            fetch([SITE + path.name], path, digest="md5:" + self.digests[split], call="SVHN", cure=cure)
        images, labels = (read_mat(path).get(name) for name in ("X", "y"))
        if images is None or labels is None or images.shape[:3] != (32, 32, 3) or images.shape[3] != labels.size:
            held: list[tuple[str, object]] = [("file", str(path)), ("X", images), ("y", labels)]
            raise FileError(message("SVHN", "the file does not hold pictures and labels", held))
        pictures = np.ascontiguousarray(images.astype(np.uint8).transpose(3, 0, 1, 2))
        super().__init__(pictures, labels.ravel().astype(np.int64) % 10, transform, target_transform)
