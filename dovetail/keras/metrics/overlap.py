"""F-scores and overlaps of classes."""

from __future__ import annotations

from typing import Any

import dovetail.ops.primitives as p
from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Value
from dovetail.keras import ops
from dovetail.keras.config import epsilon
from dovetail.keras.dtypes import as_dtype
from dovetail.keras.metrics.base import TABLE, Metric
from dovetail.keras.ops.convert import tensor
from dovetail.ops.promote import cast, expanded, filled
from dovetail.ops.shape import reshaped
from dovetail.tensor.op import op
from dovetail.train.metrics import add_sum


class FBetaScore(Metric):
    """The weighted harmonic mean of precision and recall; recall counts beta times as much."""

    _direction = "up"

    def __init__(self, average=None, beta=1.0, threshold=None, name="fbeta_score", dtype=None):
        super().__init__(name=name, dtype=dtype)
        if average not in (None, "micro", "macro", "weighted"):
            raise ArgumentError(
                message(
                    "FBetaScore", f"invalid average {average!r}", cure="Expected None, 'micro', 'macro' or 'weighted'"
                )
            )
        if not isinstance(beta, float) or beta <= 0:
            raise ArgumentError(message("FBetaScore", f"beta must be a float > 0, got {beta!r}"))
        if threshold is not None and not (isinstance(threshold, float) and 0 < threshold <= 1):
            raise ArgumentError(
                message("FBetaScore", f"threshold must be a float with 0 < threshold <= 1, got {threshold!r}")
            )
        self.average, self.beta, self.threshold = average, beta, threshold
        self.axis = None if average == "micro" else 0
        self._built = False

    def _build(self, shape) -> None:
        if len(shape) != 2:
            raise ArgumentError(
                message(self.name, f"expects 2D inputs with shape (batch_size, output_dim), got {tuple(shape)}")
            )
        size = () if self.average == "micro" else (shape[-1],)
        for name in ("true_positives", "false_positives", "false_negatives", "intermediate_weights"):
            setattr(self, name, self.add_variable(size, name=name))
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = tensor(y_true, self.dtype), tensor(y_pred, self.dtype)
        if not self._built:
            self._build(y_pred.shape)
        if self.threshold is None:
            top = ops.max(y_pred, axis=-1, keepdims=True)
            hit = (y_pred >= top) & (ops.abs(y_pred) > 1e-9)
        else:
            hit = y_pred > self.threshold
        hit = ops.cast(hit, self.dtype)
        weight = None if sample_weight is None else ops.expand_dims(tensor(sample_weight, self.dtype), 1)
        for variable, counted in (
            (self.true_positives, hit * y_true),
            (self.false_positives, hit * (1.0 - y_true)),
            (self.false_negatives, (1.0 - hit) * y_true),
            (self.intermediate_weights, y_true),
        ):
            add_sum.inplace(variable, ops.sum(counted if weight is None else counted * weight, axis=self.axis))

    def result(self):
        eps = epsilon()
        precision = self.true_positives / (self.true_positives + self.false_positives + eps)
        recall = self.true_positives / (self.true_positives + self.false_negatives + eps)
        score = precision * recall / (precision * self.beta**2 + recall + eps) * (1 + self.beta**2)
        if self.average == "weighted":
            share = self.intermediate_weights / (ops.sum(self.intermediate_weights) + eps)
            return ops.sum(score * share)
        return score if self.average is None else ops.mean(score)

    def get_config(self):
        return {**super().get_config(), "average": self.average, "beta": self.beta, "threshold": self.threshold}


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall."""

    def __init__(self, average=None, threshold=None, name="f1_score", dtype=None):
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self):
        return {k: v for k, v in super().get_config().items() if k != "beta"}


@op(top=False, inplace=True, differentiable=False, name="add_confusion_matrix")
def add_confusion_matrix(input: Value, y_true: Value, y_pred: Value, weight: Value | None, ignore: int | None) -> Value:
    """A (classes, classes) table of counts, rows by truth, plus a batch; labels outside the classes do not count."""
    n, whole = input.shape[0], as_dtype("int64")
    t, q = (reshaped(cast(v, whole), (v.numel,)) for v in (y_true, y_pred))
    inside = None
    for v in (t, q):
        for ok in (p.ge(v, filled(v, 0)), p.lt(v, filled(v, n))):
            inside = ok if inside is None else p.bitwise_and(inside, ok)
    if ignore is not None:
        inside = p.bitwise_and(inside, p.ne(t, filled(t, ignore)))
    count = filled(t, 1) if weight is None else expanded(reshaped(cast(weight, whole), (weight.numel,)), t.shape)
    count = p.where(
        inside,
        cast(count, input.dtype),
        p.full(shape=t.shape, dtype=input.dtype, value=0 if input.dtype.kind in "iu" else 0.0),
    )
    place = p.where(inside, t * n + q, filled(t, 0))
    flat = p.scatter_add(reshaped(input, (n * n,)), place, count, dim=0)
    return reshaped(flat, (n, n))


class IoU(Metric):
    """Mean overlap (intersection over union) of the target classes."""

    _direction = "up"

    def __init__(
        self,
        num_classes,
        target_class_ids,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_true=True,
        sparse_y_pred=True,
        axis=-1,
    ):
        super().__init__(name=name, dtype=dtype or "int64")
        if max(target_class_ids) >= num_classes:
            raise ArgumentError(
                message("IoU", f"target class id {max(target_class_ids)} is out of range [0, {num_classes})")
            )
        self.num_classes, self.target_class_ids, self.ignore_class = num_classes, list(target_class_ids), ignore_class
        self.sparse_y_true, self.sparse_y_pred, self.axis = sparse_y_true, sparse_y_pred, axis
        self.total_cm = self.add_variable((num_classes, num_classes), name="total_confusion_matrix")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = tensor(y_true), tensor(y_pred)
        y_true = y_true if self.sparse_y_true else ops.argmax(y_true, self.axis)
        y_pred = y_pred if self.sparse_y_pred else ops.argmax(y_pred, self.axis)
        weight = None if sample_weight is None else tensor(sample_weight)
        add_confusion_matrix.inplace(self.total_cm, y_true, y_pred, weight, self.ignore_class)

    def result(self):
        table = ops.cast(self.total_cm, "float32")
        hits = ops.diagonal(table)
        union = ops.sum(table, 0) + ops.sum(table, 1) - hits
        hits, union = ops.take(hits, self.target_class_ids, 0), ops.take(union, self.target_class_ids, 0)
        valid = ops.cast(union > 1e-9, "float32")
        return ops.sum(hits / (union + epsilon()) * valid) / (ops.sum(valid) + epsilon())

    def settings(self) -> dict[str, Any]:
        return {
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }

    hidden: tuple[str, ...] = ()

    def get_config(self):
        return {**super().get_config(), **{k: v for k, v in self.settings().items() if k not in self.hidden}}


class BinaryIoU(IoU):
    """Overlap of yes and no, decided at a threshold."""

    def __init__(self, target_class_ids=(0, 1), threshold=0.5, name=None, dtype=None):
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_true, tensor(y_pred) >= self.threshold, sample_weight)

    def get_config(self):
        return {
            "target_class_ids": self.target_class_ids,
            "threshold": self.threshold,
            "name": self.name,
            "dtype": self.dtype,
        }


class MeanIoU(IoU):
    """Mean overlap of all classes."""

    hidden: tuple[str, ...] = ("target_class_ids",)

    def __init__(
        self, num_classes, name=None, dtype=None, ignore_class=None, sparse_y_true=True, sparse_y_pred=True, axis=-1
    ):
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


class OneHotIoU(IoU):
    """IoU with one-hot targets."""

    hidden: tuple[str, ...] = ("sparse_y_true",)

    def __init__(
        self, num_classes, target_class_ids, name=None, dtype=None, ignore_class=None, sparse_y_pred=False, axis=-1
    ):
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


class OneHotMeanIoU(MeanIoU):
    """MeanIoU with one-hot targets."""

    hidden = ("target_class_ids", "sparse_y_true")

    def __init__(self, num_classes, name=None, dtype=None, ignore_class=None, sparse_y_pred=False, axis=-1):
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)


for _kind in (FBetaScore, F1Score, IoU, BinaryIoU, MeanIoU, OneHotIoU, OneHotMeanIoU):
    TABLE.add(_kind)
