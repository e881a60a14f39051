"""CIFAR-10 and CIFAR-100: 32x32 colour pictures, in the two forms of their authors: binary, or pickled for Python.

The pickled one is what torchvision downloads. It is read through the allow-list of our checkpoints, so nothing in it
is ever run.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from dovetail.base.dtypes import DType
from dovetail.base.errors import FileError, message
from dovetail.io.pickled import Unpickler
from dovetail.vision.datasets.archive import members
from dovetail.vision.datasets.download import fetch, matches
from dovetail.vision.datasets.images import ImageSet

PIXELS = 3 * 32 * 32
SITE = "https://www.cs.toronto.edu/~kriz/"


def no_storage(key: str, dtype: DType, numel: int) -> np.ndarray:
    """These pickles hold no tensors."""
    raise FileError(message("CIFAR", "the file speaks of tensors and is none of the data set's"))


class CIFAR10(ImageSet):
    """60,000 pictures of ten classes: 50,000 to train on, 10,000 to test with.

    An archive of either form, or the folder that it unpacks to, is looked for in `root`. With `download=True` a missing
    one is fetched, as torchvision does; an archive is always checked by its MD5.

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
    pickled_archive: ClassVar[str] = "cifar-10-python.tar.gz"
    pickled_digest: ClassVar[str] = "md5:c58f30108f718f92721af3b95e74349a"
    pickled_folder: ClassVar[str] = "cifar-10-batches-py"
    pickled_names: ClassVar[str] = "batches.meta"
    names_key: ClassVar[str] = "label_names"
    labels_key: ClassVar[str] = "labels"

    def __init__(
        self,
        root: str | os.PathLike,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        self.root, self.train = Path(root).expanduser(), train
        images, labels, self.classes = self._load(self.train_files if train else self.test_files, download)
        self.class_to_idx = {name: place for place, name in enumerate(self.classes)}
        if labels.size and labels.max() >= len(self.classes):
            facts = [("largest label", int(labels.max())), ("classes", len(self.classes))]
            raise FileError(message(type(self).__name__, "a label without a class", facts))
        super().__init__(images, labels, transform, target_transform)

    def _load(self, files: tuple[str, ...], download: bool) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """(images, labels, names of the classes), from whichever form is there; torchvision's is downloaded."""
        contents = self._read(self.folder, self.archive, self.digest, (*files, self.names_file))
        if contents is not None:
            pairs = [self._decode(name, contents[name]) for name in files]
            images, labels = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
            return images, labels, contents[self.names_file].decode("ascii", "replace").split()
        names = tuple(name.removesuffix(".bin") for name in files)
        pickled = (self.pickled_folder, self.pickled_archive, self.pickled_digest, (*names, self.pickled_names))
        contents = self._read(*pickled)
        if contents is None:
            self._fetch(download)
            contents = self._read(*pickled) or {}
        batches = [self._unpickled(name, contents[name]) for name in names]
        images, labels = (np.concatenate(parts) for parts in zip(*map(self._taken, names, batches), strict=True))
        classes = self._unpickled(self.pickled_names, contents[self.pickled_names]).get(self.names_key, [])
        return images, labels, [str(name) for name in classes]

    def _fetch(self, download: bool) -> None:
        """torchvision's archive into `root`. Raises: FileError if it may not or cannot be downloaded."""
        call, archive = type(self).__name__, self.pickled_archive
        cure = f"Put {archive} or {self.archive} into {self.root}, from {SITE}cifar.html, or pass download=True."
        if not download:
            raise FileError(message(call, "the data set was not found", [("looked in", str(self.root))], cure))
        addresses = [mirror + archive for mirror in self.mirrors]
        fetch(addresses, self.root / archive, digest=self.pickled_digest, call=call, cure=cure)

    def _read(self, folder: str, archive: str, digest: str, names: tuple[str, ...]) -> dict[str, bytes] | None:
        """File name -> contents, from the folder or the archive; None where neither is there."""
        call, inside, packed = type(self).__name__, self.root / folder, self.root / archive
        if all((inside / name).is_file() for name in names):
            return {name: (inside / name).read_bytes() for name in names}
        if not packed.is_file():
            return None
        if not matches(packed.read_bytes(), digest):
            facts = [("archive", str(packed)), ("expected", digest)]
            raise FileError(message(call, "the archive's MD5 is wrong", facts, "Delete it and download it again."))
        found = members(packed, [f"{folder}/{name}" for name in names], call)
        return {path.rpartition("/")[2]: content for path, content in found.items()}

    def _unpickled(self, name: str, content: bytes) -> dict:
        """The dict in a file of the pickled form."""
        try:
            found = Unpickler(io.BytesIO(content), no_storage, name, encoding="latin1").load()
        except (
            pickle.UnpicklingError,
            EOFError,
            KeyError,
            IndexError,
            TypeError,
            ValueError,
            AttributeError,
        ) as problem:
            if isinstance(problem, FileError):
                raise
            raise FileError(message(type(self).__name__, f"{name} is damaged", [("problem", str(problem))])) from None
        if not isinstance(found, dict):
            raise FileError(message(type(self).__name__, f"{name} holds no dict", [("found", type(found).__name__)]))
        return found

    def _taken(self, name: str, batch: dict) -> tuple[np.ndarray, np.ndarray]:
        """(images (n, 32, 32, 3), labels (n,)) of one unpickled file."""
        rows, labels = batch.get("data"), batch.get(self.labels_key)
        if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != PIXELS or labels is None:
            facts = [("file", name), ("keys", ", ".join(map(str, batch)))]
            raise FileError(message(type(self).__name__, "the file does not hold pictures and labels", facts))
        images = np.asarray(rows, np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(images), np.asarray(labels, np.int64)

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
    pickled_archive = "cifar-100-python.tar.gz"
    pickled_digest = "md5:eb9058c3a382ffc7106e4002c42a8d85"
    pickled_folder = "cifar-100-python"
    pickled_names = "meta"
    names_key = "fine_label_names"
    labels_key = "fine_labels"
