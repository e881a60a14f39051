"""keras.datasets.fashion_mnist: pictures of clothes as NumPy arrays."""

from __future__ import annotations

from dovetail.keras.datasets.places import datasets_folder
from dovetail.vision.datasets.mnist import FashionMNIST, load_pair


def load_data():
    """((x_train, y_train), (x_test, y_test)): uint8 images (60000, 28, 28) and (10000, 28, 28), uint8 labels.

    The IDX files are looked for in `$KERAS_HOME/datasets/fashion-mnist` (`~/.keras/datasets/fashion-mnist`); missing
    ones are downloaded there and checked.
    Raises: FileError if a file is damaged or cannot be downloaded; the message says where to put which file.
    Source: Xiao, Rasul and Vollgraf 2017; MIT licence. File place as keras.datasets.fashion_mnist.
    """
    folders = [datasets_folder() / "fashion-mnist"]
    return load_pair(FashionMNIST, folders, True, True), load_pair(FashionMNIST, folders, False, False)
