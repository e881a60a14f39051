"""What the image data sets share: pictures in one array of bytes, labels in another, a transform on the way out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dovetail.data.dataset import Dataset
from dovetail.tensor.tensor import Tensor


class ImageSet(Dataset):
    """Pictures and labels in memory.

    images: uint8 (n, height, width) or (n, height, width, channels); labels: whole numbers (n,).
    Item: (image, label). Without a `transform` the image is a float32 tensor (channels, height, width) in 0..1, ready
    for a network; a transform receives the picture as a uint8 array instead, and its result is the item's image.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ):
        self.images, self.labels = images, labels.astype(np.int64)
        self.transform, self.target_transform = transform, target_transform

    @property
    def data(self) -> Tensor:
        """Every picture: uint8 (n, height, width)."""
        return Tensor.from_array(self.images)

    @property
    def targets(self) -> Tensor:
        """Every label: int64 (n,)."""
        return Tensor.from_array(self.labels)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        image, label = self.images[index], int(self.labels[index])
        shown = self.transform(image) if self.transform else Tensor.from_array(as_input(image[None])[0])
        return shown, self.target_transform(label) if self.target_transform else label

    def batch(self, indices) -> tuple[Tensor, Tensor] | None:
        """Many items at once, for the loader; None where a transform has to see each picture."""
        if self.transform or self.target_transform:
            return None
        rows = np.asarray(indices)
        return Tensor.from_array(as_input(self.images[rows])), Tensor.from_array(self.labels[rows])

    def __repr__(self) -> str:
        half = {True: "train", False: "test"}.get(getattr(self, "train", None), "all")
        return f"{type(self).__name__}({half}, {len(self)} images of {'x'.join(map(str, self.images.shape[1:3]))})"


def as_input(images: np.ndarray) -> np.ndarray:
    """Bytes 0..255 -> float32 0..1, channels in front.

    Shape: (n, h, w) -> (n, 1, h, w); (n, h, w, c) -> (n, c, h, w)
    """
    channels_first = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(channels_first, dtype=np.float32) / np.float32(255)
