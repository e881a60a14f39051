"""Shares of right answers."""

from __future__ import annotations

from typing import Any

from dovetail.keras.dtypes import as_dtype
from dovetail.keras.metrics.base import TABLE
from dovetail.keras.metrics.means import MeanMetricWrapper
from dovetail.keras.ops.convert import tensor
from dovetail.train import metrics as f


def accuracy(y_true: Any, y_pred: Any):
    """1 where the prediction equals the target."""
    return f.equal_labels(tensor(y_pred), tensor(y_true), as_dtype(None))


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5):
    """1 where (prediction > threshold) is the target."""
    return f.equal_above(tensor(y_pred), tensor(y_true), float(threshold), as_dtype(None))


def categorical_accuracy(y_true: Any, y_pred: Any):
    """1 where the largest prediction is at the target's 1."""
    return f.equal_argmax(tensor(y_pred), tensor(y_true), as_dtype(None))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any):
    """1 where the largest prediction is at the target's number."""
    return f.argmax_is_label(tensor(y_pred), tensor(y_true), as_dtype(None))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5):
    """1 where the target's 1 is among the k largest predictions."""
    return f.label_in_top(tensor(y_pred), tensor(y_true).argmax(-1), int(k), as_dtype(None))


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False):
    """1 where the target's number is among the k largest predictions (or the first k of sorted class numbers)."""
    y_true, y_pred = tensor(y_true), tensor(y_pred)
    if from_sorted_ids:
        return (y_pred[:, :k] == y_true.reshape(-1, 1).to(y_pred.dtype)).any(1).to(as_dtype(None))
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true.reshape(y_true.shape[:-1])
    return f.label_in_top(y_pred, y_true, int(k), as_dtype(None))


class Accuracy(MeanMetricWrapper):
    """How often predictions equal targets."""

    _direction = "up"

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(accuracy, name, dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


class BinaryAccuracy(MeanMetricWrapper):
    """How often (prediction > threshold) is the target."""

    _direction = "up"

    def __init__(self, name="binary_accuracy", dtype=None, threshold=0.5):
        if threshold is not None and not 0 < threshold < 1:
            raise ValueError(
                "Invalid value for argument `threshold`. Expected a value in interval (0, 1). Received: "
                f"threshold={threshold}"
            )
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)
        self.threshold = threshold

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, "threshold": self.threshold}


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is at the one-hot target's 1."""

    _direction = "up"

    def __init__(self, name="categorical_accuracy", dtype=None):
        super().__init__(categorical_accuracy, name, dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is at the target's number."""

    _direction = "up"

    def __init__(self, name="sparse_categorical_accuracy", dtype=None):
        super().__init__(sparse_categorical_accuracy, name, dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the one-hot target is among the k largest predictions."""

    _direction = "up"

    def __init__(self, k=5, name="top_k_categorical_accuracy", dtype=None):
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)
        self.k = k

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, "k": self.k}


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the target's number is among the k largest predictions."""

    _direction = "up"

    def __init__(self, k=5, name="sparse_top_k_categorical_accuracy", dtype=None, from_sorted_ids=False):
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)
        self.k, self.from_sorted_ids = k, from_sorted_ids

    def get_config(self):
        config = {"name": self.name, "dtype": self.dtype, "k": self.k}
        return {**config, "from_sorted_ids": True} if self.from_sorted_ids else config


for _kind in (Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy, TopKCategoricalAccuracy,
              SparseTopKCategoricalAccuracy):  # fmt: skip
    TABLE.entries[_kind.__name__] = _kind
for _function in (binary_accuracy, categorical_accuracy, sparse_categorical_accuracy, top_k_categorical_accuracy,
                  sparse_top_k_categorical_accuracy):  # fmt: skip
    TABLE.entries[_function.__name__] = _function
TABLE.entries.update(accuracy=Accuracy, acc=Accuracy)
