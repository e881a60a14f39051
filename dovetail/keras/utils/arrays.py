"""Small functions of NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, message
from dovetail.tensor.tensor import Tensor


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """One-hot rows for class numbers.

    Shape: (*) -> (*, num_classes); a last axis of size 1 is dropped first.
    Raises: ArgumentError for a number outside [0, num_classes).

    >>> to_categorical([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    labels = np.array(x._array() if isinstance(x, Tensor) else x).astype(np.int64)
    shape = labels.shape
    if len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    labels = labels.reshape(-1)
    classes = int(labels.max()) + 1 if num_classes is None else int(num_classes)
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        bad = int(labels.max()) if labels.max() >= classes else int(labels.min())
        raise ArgumentError(message("to_categorical", f"the label {bad} is outside [0, {classes}): "
            f"num_classes={classes} takes labels from 0 to {classes - 1}",
                                    [], "Subtract 1 if your labels start at 1, or raise num_classes"))  # fmt: skip
    hot = np.zeros((labels.size, classes))
    hot[np.arange(labels.size), labels] = 1
    return hot.reshape((*shape, classes))


def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray:
    """x divided by its norm along `axis`."""
    x = np.asarray(x)
    norms = np.atleast_1d(np.linalg.norm(x, order, axis))
    norms[norms == 0] = 1
    return x / np.expand_dims(norms, axis)
