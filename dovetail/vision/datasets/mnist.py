"""MNIST and the sets that come in its form: 28x28 grey images of ten classes, in IDX files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from dovetail.base.errors import FileError, message
from dovetail.vision.datasets.download import fetch
from dovetail.vision.datasets.idx import read_idx
from dovetail.vision.datasets.images import ImageSet


class MNIST(ImageSet):
    """Handwritten digits: 60,000 images to train on, 10,000 to test with.

    The four files are looked for in `root/MNIST/raw` (where torchvision keeps them), then in `root` itself, gzipped or
    not. With `download=True` the missing ones are fetched and checked by their MD5.

    Item: (image, label). Image: float32 tensor (1, 28, 28) in 0..1, or whatever `transform` makes of the (28, 28)
    uint8 array; label: int.
    data: uint8 (n, 28, 28). targets: int64 (n,).
    Raises: FileError if a file is missing, damaged or cannot be downloaded; the message says where to put which file.
    Source: LeCun, Bottou, Bengio and Haffner 1998. Arguments and file places as torchvision.datasets.MNIST.
    """

    mirrors: ClassVar[tuple[str, ...]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    digests: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    }
    classes: ClassVar[list[str]] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

    def __init__(
        self,
        root: str | os.PathLike,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        self.root, self.train = Path(root).expanduser(), train
        images, labels = load_pair(type(self), self.folders(), train, download)
        super().__init__(images, labels, transform, target_transform)

    @property
    def raw_folder(self) -> str:
        """Where downloaded files are put."""
        return str(self.folders()[0])

    def folders(self) -> list[Path]:
        """The folders that are searched, the one for downloads first."""
        return [self.root / type(self).__name__ / "raw", self.root]


class FashionMNIST(MNIST):
    """Pictures of clothes, as many and as large as MNIST's digits.

    Source: Xiao, Rasul and Vollgraf 2017; MIT licence. Everything else as MNIST.
    """

    mirrors = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    )
    digests = {
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


class KMNIST(MNIST):
    """Cursive Japanese characters, as many and as large as MNIST's digits.

    Source: Clanuwat et al. 2018; CC BY-SA 4.0. Everything else as MNIST.
    """

    mirrors = ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)
    digests = {
        "train-images-idx3-ubyte": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte": "e144d726b3acfaa3e44228e80efcd344",
        "t10k-images-idx3-ubyte": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte": "7320c461ea6c1c855c0b718fb2a4b134",
    }
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


def load_pair(kind: type[MNIST], folders: list[Path], train: bool, download: bool) -> tuple[np.ndarray, np.ndarray]:
    """(images, labels) of one half of a set of MNIST's form, as unsigned bytes.

    folders: searched in this order; downloads go to the first.
    Raises: FileError if a file is missing or damaged, or the two do not belong together.
    """
    half = "train" if train else "t10k"
    if download:  # both halves at once, as torchvision does: a test set is wanted sooner or later
        for name in kind.digests:
            if find(folders, name) is None:
                download_one(kind, folders[0], name)
    images, labels = (
        _read_one(kind, folders, name) for name in (f"{half}-images-idx3-ubyte", f"{half}-labels-idx1-ubyte")
    )
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise FileError(
            message(
                kind.__name__,
                "the image file and the label file do not belong together",
                [
                    ("images", images),
                    ("labels", labels),
                    ("expected", "(n, 28, 28) uint8 and (n,) uint8"),
                    ("folder", str(folders[0])),
                ],
                "Delete both and download them again (download=True).",
            )
        )
    return images, labels


def find(folders: list[Path], name: str) -> Path | None:
    """The first file of that name in the folders, plain or gzipped, with either of the two common spellings."""
    spellings = (name, name.replace("-idx", ".idx"))
    places = (folder / (spelling + end) for folder in folders for spelling in spellings for end in ("", ".gz"))
    return next((place for place in places if place.is_file()), None)


def download_one(kind: type[MNIST], folder: Path, name: str) -> Path:
    """Fetch one file of the set into `folder`, gzipped as it comes."""
    return fetch(
        [mirror + name + ".gz" for mirror in kind.mirrors],
        folder / (name + ".gz"),
        digest="md5:" + kind.digests[name],
        call=kind.__name__,
        cure=by_hand(kind, folder),
    )


def by_hand(kind: type[MNIST], folder: Path) -> str:
    """What to tell a user whose machine cannot download."""
    names = "\n".join(f"  {name}.gz" for name in kind.digests)
    return f"On a machine without network, put these files (gzipped or unpacked) into {folder}:\n{names}"


def _read_one(kind: type[MNIST], folders: list[Path], name: str) -> np.ndarray:
    path = find(folders, name)
    if path is None:
        raise FileError(
            message(
                kind.__name__,
                f"{name} was not found",
                [("looked in", str(folder)) for folder in folders],
                f"Fetch it with {kind.__name__}(root, download=True).\n" + by_hand(kind, folders[0]),
            )
        )
    return read_idx(path)
