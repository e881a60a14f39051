"""EMNIST and QMNIST: MNIST's form with letters, and with the whole of what NIST collected."""

from __future__ import annotations

import lzma
import os
import string
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from dovetail.base.errors import ArgumentError, FileError, message
from dovetail.tensor.tensor import Tensor
from dovetail.vision.datasets.download import fetch, matches
from dovetail.vision.datasets.idx import read_idx
from dovetail.vision.datasets.images import ImageSet
from dovetail.vision.datasets.mnist import find

MERGED = set("cijklmopsuvwxyz")  # small letters that look like their capitals
EVERY = sorted(string.digits + string.ascii_letters)
LARGEST = 600 * 2**20  # bytes of one unpacked file; the largest has 548 million


def pair_of(call: str, images: np.ndarray, labels: np.ndarray, folder: Path) -> None:
    """Raise FileError unless the two arrays belong together."""
    if images.ndim != 3 or len(images) != len(labels):
        facts = [("images", images), ("labels", labels), ("folder", str(folder))]
        raise FileError(message(call, "the image file and the label file do not belong together", facts))


class EMNIST(ImageSet):
    """Letters and digits. split: byclass, bymerge, balanced, letters, digits or mnist.

    The files are looked for in `root/EMNIST/raw` and in `root`; with `download=True` the archive of all splits is got
    and checked by its MD5, and this split's files are unpacked. Pictures lie on their side, as published.

    Item: (image, label), as MNIST's.
    Raises: ArgumentError for another split; FileError if a file is missing or damaged.
    Source: Cohen et al. 2017, arXiv:1702.05373.
    """

    mirrors: ClassVar[tuple[str, ...]] = ("https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",)
    digest: ClassVar[str] = "md5:58c8d27c78d21e728a6bc7b3cc06412e"
    classes_split_dict: ClassVar[dict[str, list[str]]] = {
        "byclass": EVERY,
        "bymerge": sorted(set(EVERY) - MERGED),
        "balanced": sorted(set(EVERY) - MERGED),
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(
        self,
        root: str | os.PathLike,
        split: str,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        if split not in self.classes_split_dict:
            facts = [("split", split), ("takes", ", ".join(self.classes_split_dict))]
            raise ArgumentError(message("EMNIST", "there is no such split", facts))
        self.root, self.train, self.split = Path(root).expanduser(), train, split
        self.classes = self.classes_split_dict[split]
        stem = f"emnist-{split}-{'train' if train else 'test'}"
        names = [f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte"]
        folders = [self.root / "EMNIST" / "raw", self.root]
        if any(find(folders, name) is None for name in names):
            self._unpack(folders[0], names, download)
        images, labels = (read_idx(find(folders, name)) for name in names)
        pair_of("EMNIST", images, labels, folders[0])
        super().__init__(images, labels, transform, target_transform)

    def _unpack(self, folder: Path, names: list[str], download: bool) -> None:
        """This split's files out of the archive, under their own names alone."""
        archive = folder / "gzip.zip"
        cure = f"On a machine without network, put gzip.zip from {self.mirrors[0]} into {folder}."
        if not archive.is_file():
            if not download:
                facts = [("looked in", str(folder)), ("for", names[0])]
                raise FileError(message("EMNIST", "the data set was not found", facts, "Pass download=True. " + cure))
            fetch(self.mirrors, archive, digest=self.digest, call="EMNIST", cure=cure)
        elif not matches(archive.read_bytes(), self.digest):
            facts = [("archive", str(archive)), ("expected", self.digest)]
            raise FileError(message("EMNIST", "the archive's MD5 is wrong", facts, "Delete it and download it again."))
        try:
            with zipfile.ZipFile(archive) as packed:
                for name in names:
                    member = packed.getinfo(f"gzip/{name}.gz")
                    if member.file_size > LARGEST:
                        raise FileError(message("EMNIST", "a member is larger than any of the data set's"))
                    (folder / f"{name}.gz").write_bytes(packed.read(member))
        except (KeyError, OSError, zipfile.BadZipFile, zlib.error) as problem:
            facts = [("archive", str(archive)), ("problem", str(problem))]
            raise FileError(message("EMNIST", "the archive cannot be read", facts)) from problem


class QMNIST(ImageSet):
    """MNIST rebuilt from NIST's pictures, with 60,000 to test with and where each comes from.

    what: "train", "test", "test10k", "test50k" or "nist". compat: the label alone; else the row of eight numbers (it,
    class, writer, ...).
    Item: (image, label), as MNIST's; with compat=False the label is an int64 tensor (8,).
    Raises: ArgumentError for another `what`; FileError if a file is missing or damaged.
    Source: Yadav and Bottou 2019, arXiv:1905.10498.
    """

    site: ClassVar[str] = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"
    files: ClassVar[dict[str, tuple[tuple[str, str], tuple[str, str]]]] = {
        "train": (
            ("qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            ("qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ),
        "test": (
            ("qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            ("qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ),
        "nist": (
            ("xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            ("xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ),
    }
    subsets: ClassVar[dict[str, tuple[str, slice]]] = {
        "train": ("train", slice(None)),
        "test": ("test", slice(None)),
        "test10k": ("test", slice(0, 10_000)),
        "test50k": ("test", slice(10_000, None)),
        "nist": ("nist", slice(None)),
    }
    classes: ClassVar[list[str]] = [
        f"{n} - {w}" for n, w in enumerate("zero one two three four five six seven eight nine".split())
    ]

    def __init__(
        self,
        root: str | os.PathLike,
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        what = ("train" if train else "test") if what is None else what
        if what not in self.subsets:
            facts = [("what", what), ("takes", ", ".join(self.subsets))]
            raise ArgumentError(message("QMNIST", "there is no such part", facts))
        self.root, self.what, self.compat, self.train = Path(root).expanduser(), what, compat, what == "train"
        source, part = self.subsets[what]
        images, rows = (self._array(name, digest, download)[part] for name, digest in self.files[source])
        pair_of("QMNIST", images, rows, self.root)
        if rows.ndim != 2:
            raise FileError(message("QMNIST", "labels are rows of numbers", [("labels", rows)]))
        self.rows = rows.astype(np.int64)
        super().__init__(images, rows[:, 0], transform, target_transform)

    def _array(self, name: str, digest: str, download: bool) -> np.ndarray:
        """One file's array, fetched first where it is missing and may be."""
        folders = [self.root / "QMNIST" / "raw", self.root]
        stem = name.rpartition(".")[0]
        path = find(folders, stem) or next((f / name for f in folders if (f / name).is_file()), None)
        if path is None:
            cure = f"Put {name} into {folders[0]}, from {self.site}, or pass download=True."
            if not download:
                raise FileError(message("QMNIST", f"{name} was not found", [("looked in", str(folders[0]))], cure))
            path = fetch([self.site + name], folders[0] / name, digest="md5:" + digest, call="QMNIST", cure=cure)
        if path.suffix != ".xz":
            return read_idx(path)
        try:
            plain = lzma.decompress(path.read_bytes())
        except (lzma.LZMAError, EOFError) as problem:
            facts = [("file", str(path)), ("problem", str(problem))]
            raise FileError(message("QMNIST", "the file cannot be unpacked", facts)) from problem
        unpacked = path.with_suffix("")
        unpacked.write_bytes(plain)
        return read_idx(unpacked)

    def __getitem__(self, index: int):
        if self.compat:
            return super().__getitem__(index)
        image, _ = super().__getitem__(index)
        row = Tensor.from_array(self.rows[index].copy())
        return image, self.target_transform(row) if self.target_transform else row

    def batch(self, indices):
        return super().batch(indices) if self.compat else None
