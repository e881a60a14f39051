"""CIFAR-10 and CIFAR-100: 32x32 colour pictures, in the binary form of their authors.

The binary form and not the pickled one: unpickling a downloaded file could run anything. A folder or an archive in the
pickled form (cifar-10-python.tar.gz, as torchvision downloads it) is not read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from dovetail.base.errors import FileError, message
from dovetail.vision.datasets.archive import members
from dovetail.vision.datasets.download import fetch, matches
from dovetail.vision.datasets.images import ImageSet

PIXELS = 3 * 32 * 32
SITE = "https://www.cs.toronto.edu/~kriz/"


class CIFAR10(ImageSet):
    """60,000 pictures of ten classes: 50,000 to train on, 10,000 to test with.

    The archive, or the folder that it unpacks to, is looked for in `root`. With `download=True` a missing archive is
    fetched; an archive is always checked by its MD5.

    Item: (image, label). Image: float32 tensor (3, 32, 32) in 0..1, or whatever `transform` makes of the (32, 32, 3)
    uint8 array; label: int.
    Raises: FileError if nothing is found or it is damaged.
    Source: Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images; https://www.cs.toronto.edu/~kriz/cifar.html
    """

    archive: ClassVar[str] = "cifar-10-binary.tar.gz"
    digest: ClassVar[str] = "md5:c32a1d4ab5d03f1284b67883e8d87530"
    mirrors: ClassVar[tuple[str, ...]] = (SITE,)
    folder: ClassVar[str] = "cifar-10-batches-bin"
    train_files: ClassVar[tuple[str, ...]] = tuple(f"data_batch_{place}.bin" for place in range(1, 6))
    test_files: ClassVar[tuple[str, ...]] = ("test_batch.bin",)
    names_file: ClassVar[str] = "batches.meta.txt"
    label_bytes: ClassVar[int] = 1  # before each picture; the last one is the label

    def __init__(
        self,
        root: str | os.PathLike,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        self.root, self.train = Path(root).expanduser(), train
        files = self.train_files if train else self.test_files
        contents = self._read((*files, self.names_file), download)
        pairs = [self._decode(name, contents[name]) for name in files]
        self.classes = contents[self.names_file].decode("ascii", "replace").split()
        self.class_to_idx = {name: place for place, name in enumerate(self.classes)}
        images, labels = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        if labels.size and labels.max() >= len(self.classes):
            facts = [("largest label", int(labels.max())), ("classes", len(self.classes))]
            raise FileError(message(type(self).__name__, "a label without a class", facts))
        super().__init__(images, labels, transform, target_transform)

    def _read(self, names: tuple[str, ...], download: bool) -> dict[str, bytes]:
        """File name -> contents, from the folder or the archive."""
        call, archive, folder = type(self).__name__, self.root / self.archive, self.root / self.folder
        if all((folder / name).is_file() for name in names):
            return {name: (folder / name).read_bytes() for name in names}
        cure = f"Put {self.archive} into {self.root}, from {SITE}cifar.html, or pass download=True."
        if not archive.is_file():
            if not download:
                raise FileError(message(call, "the data set was not found", [("looked in", str(self.root))], cure))
            addresses = [mirror + self.archive for mirror in self.mirrors]
            fetch(addresses, archive, digest=self.digest, call=call, cure=cure)
        elif not matches(archive.read_bytes(), self.digest):
            facts = [("archive", str(archive)), ("expected", self.digest)]
            raise FileError(message(call, "the archive's MD5 is wrong", facts, "Delete it and download it again."))
        found = members(archive, [f"{self.folder}/{name}" for name in names], call)
        return {path.rpartition("/")[2]: content for path, content in found.items()}

    def _decode(self, name: str, content: bytes) -> tuple[np.ndarray, np.ndarray]:
        """(images (n, 32, 32, 3), labels (n,)) of one file."""
        record = self.label_bytes + PIXELS
        if len(content) % record:
            facts = [("file", name), ("bytes", len(content)), ("one picture", record)]
            raise FileError(message(type(self).__name__, "the file is cut short", facts))
        rows = np.frombuffer(content, np.uint8).reshape(-1, record)
        images = rows[:, self.label_bytes :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(images), rows[:, self.label_bytes - 1]


class CIFAR100(CIFAR10):
    """As CIFAR10, with a hundred classes of six hundred pictures each."""

    archive = "cifar-100-binary.tar.gz"
    digest = "md5:03b5dce01913d631647c71ecec9e9cb8"
    folder = "cifar-100-binary"
    train_files = ("train.bin",)
    test_files = ("test.bin",)
    names_file = "fine_label_names.txt"
    label_bytes = 2  # coarse, then fine
