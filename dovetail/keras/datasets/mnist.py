"""keras.datasets.mnist: handwritten digits as NumPy arrays."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from dovetail.base.errors import FileError, message
from dovetail.keras.datasets.places import datasets_folder
from dovetail.vision.datasets.download import fetch
from dovetail.vision.datasets.mnist import MNIST, find, load_pair

ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
DIGEST = "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
NAMES = ("x_train", "y_train", "x_test", "y_test")


def load_data(path: str = "mnist.npz"):
    """((x_train, y_train), (x_test, y_test)): uint8 images (60000, 28, 28) and (10000, 28, 28), uint8 labels.

    path: name of the .npz file below `$KERAS_HOME/datasets` (`~/.keras/datasets`), or an absolute path. Where there is
    no such file, the four IDX files are looked for in the same folder and in its subfolder `MNIST/raw`; then the .npz
    is downloaded and checked.
    Raises: FileError if the data is damaged or cannot be downloaded; the message says where to put which file.
    Source: LeCun, Bottou, Bengio and Haffner 1998. Arguments and file place as keras.datasets.mnist.load_data.
    """
    file = datasets_folder() / path
    folders = [file.parent, file.parent / "MNIST" / "raw"]
    if not file.is_file():
        if all(find(folders, name) for name in MNIST.digests):
            return load_pair(MNIST, folders, True, False), load_pair(MNIST, folders, False, False)
        fetch([ADDRESS], file, digest=DIGEST, call="mnist.load_data", cure=by_hand(file))
    return read_npz(file)


def read_npz(file: Path):
    """The four arrays of Keras's .npz file, in load_data's order."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            x_train, y_train, x_test, y_test = (archive[name] for name in NAMES)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        raise FileError(
            message(
                "mnist.load_data",
                "the file is damaged or not MNIST",
                [("file", str(file)), ("size", f"{file.stat().st_size} bytes"), ("NumPy says", str(problem))],
                "Delete it; load_data() then downloads it again.\n" + by_hand(file),
            )
        ) from problem
    return (x_train, y_train), (x_test, y_test)


def by_hand(file: Path) -> str:
    """What to tell a user whose machine cannot download."""
    names = ", ".join(f"{name}.gz" for name in MNIST.digests)
    return f"On a machine without network, put Keras's mnist.npz at {file},\nor these files into {file.parent}: {names}"
