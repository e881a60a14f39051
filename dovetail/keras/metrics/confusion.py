"""Metrics from counts of right and wrong yes-or-no answers at one or more thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np

import dovetail.ops.primitives as p
from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Value
from dovetail.keras import ops
from dovetail.keras.config import epsilon
from dovetail.keras.dtypes import as_dtype
from dovetail.keras.metrics.base import TABLE, Metric
from dovetail.keras.ops.convert import tensor
from dovetail.ops import reduce
from dovetail.ops.promote import cast, expanded, literal
from dovetail.ops.shape import reshaped
from dovetail.tensor.op import op
from dovetail.train.metrics import level, ratio

NEG_INF = -1e10


@op(top=False, inplace=True, differentiable=False, name="add_confusion")
def add_confusion(
    input: Value,
    y_true: Value,
    y_pred: Value,
    weight: Value | None,
    thresholds: tuple,
    truth: bool,
    positive: bool,
    by_label: bool,
) -> Value:
    """Counts plus, for each threshold, the weight of answers with this truth that are (not) above it.

    Shape: input (thresholds,) or, by label, (thresholds, labels)
    """
    dtype = input.dtype
    y_pred, y_true = level(cast(y_pred, dtype), cast(y_true, dtype))
    rows, columns = (y_pred.shape[0], y_pred.shape[-1]) if by_label else (y_pred.numel, 1)
    count = len(thresholds)
    shape = (count, rows, columns)
    yes = cast(reshaped(y_true, (1, rows, columns)), as_dtype("bool"))
    share = cast(yes if truth else p.logical_not(yes), dtype)
    if weight is not None:
        w = cast(weight, dtype)
        w = reshaped(w, (*w.shape, *(1,) * (y_pred.ndim - w.ndim)))
        share = share * reshaped(expanded(w, y_pred.shape), (1, rows, columns))
    level_of = expanded(literal(np.asarray(thresholds).reshape(count, 1, 1), dtype), shape)
    above = p.gt(expanded(reshaped(y_pred, (1, rows, columns)), shape), level_of)
    hit = cast(above if positive else p.logical_not(above), dtype) * expanded(share, shape)
    return input + reshaped(reduce.sum(hit, 1), input.shape)


KINDS = {
    "true_positives": (True, True),
    "false_positives": (False, True),
    "true_negatives": (False, False),
    "false_negatives": (True, False),
}


def parsed(thresholds: Any, default: float) -> list[float]:
    found = (
        [default] if thresholds is None else list(thresholds) if isinstance(thresholds, (list, tuple)) else [thresholds]
    )
    if thresholds is not None and any(t is None or not 0 <= t <= 1 for t in found):
        raise ArgumentError(message("thresholds", f"threshold values must be in [0, 1], got {thresholds}"))
    return found


class Counts(Metric):
    """Base: some of the four counts, for each threshold."""

    counted: tuple[str, ...] = ()

    def _make(self, shape: tuple) -> None:
        for name in self.counted:
            setattr(self, name, self.add_variable(shape, name=name))

    def _count(
        self, y_true, y_pred, sample_weight, thresholds, top_k=None, class_id=None, by_label=False, label_weights=None
    ) -> None:
        y_true, y_pred = tensor(y_true), tensor(y_pred)
        weight = None if sample_weight is None else tensor(sample_weight)
        if top_k is not None:
            _, places = ops.top_k(y_pred, top_k)
            kept = ops.sum(ops.one_hot(places, y_pred.shape[-1]), axis=-2)
            y_pred = y_pred * kept + NEG_INF * (1.0 - kept)
        if class_id is not None:
            if y_pred.ndim == 1:
                raise ArgumentError(
                    message(self.name, "class_id needs predictions of shape (samples, classes)", [("y_pred", y_pred)])
                )
            y_true, y_pred = y_true[..., class_id], y_pred[..., class_id]
        if label_weights is not None:
            spread = ops.broadcast_to(label_weights, y_pred.shape)
            weight = spread if weight is None else ops.reshape(weight, (-1, *(1,) * (y_pred.ndim - 1))) * spread
        for name in self.counted:
            truth, positive = KINDS[name]
            add_confusion.inplace(
                getattr(self, name),
                y_true,
                y_pred,
                weight,
                tuple(float(t) for t in thresholds),
                truth,
                positive,
                by_label,
            )


class _Count(Counts):
    """Base of metrics that show one count."""

    variable = "accumulator"

    def __init__(self, thresholds=None, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.thresholds = parsed(thresholds, 0.5)
        self.accumulator = self.add_variable((len(self.thresholds),), name="accumulator")

    def update_state(self, y_true, y_pred, sample_weight=None):
        truth, positive = KINDS[self.counted[0]]
        weight = None if sample_weight is None else tensor(sample_weight)
        add_confusion.inplace(
            self.accumulator,
            tensor(y_true),
            tensor(y_pred),
            weight,
            tuple(map(float, self.thresholds)),
            truth,
            positive,
            False,
        )

    def result(self):
        return self.accumulator[0] if len(self.thresholds) == 1 else self.accumulator.read_value()

    def get_config(self):
        return {**super().get_config(), "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """How many ones were called ones."""

    counted = ("true_positives",)


class TrueNegatives(_Count):
    """How many zeros were called zeros."""

    counted = ("true_negatives",)


class FalsePositives(_Count):
    """How many zeros were called ones."""

    counted = ("false_positives",)


class FalseNegatives(_Count):
    """How many ones were called zeros."""

    counted = ("false_negatives",)


class _Share(Counts):
    """Base of Precision and Recall: true positives over them plus another count."""

    _direction = "up"

    def __init__(self, thresholds=None, top_k=None, class_id=None, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        self.thresholds = parsed(thresholds, 0.5 if top_k is None else NEG_INF)
        self._make((len(self.thresholds),))

    def update_state(self, y_true, y_pred, sample_weight=None):
        self._count(y_true, y_pred, sample_weight, self.thresholds, self.top_k, self.class_id)

    def result(self):
        hits, others = (getattr(self, n) for n in self.counted)
        made = ratio(hits, hits + others)
        return made[0] if len(self.thresholds) == 1 else made

    def get_config(self):
        return {
            **super().get_config(),
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


class Precision(_Share):
    """The share of ones among what was called one."""

    counted = ("true_positives", "false_positives")


class Recall(_Share):
    """The share of ones that were called one."""

    counted = ("true_positives", "false_negatives")


class _AtConstraint(Counts):
    """Base: the best value of one rate where another is at least `value`."""

    _direction = "up"
    counted = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    setting = ""

    def __init__(self, value, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        if not 0 <= value <= 1:
            raise ArgumentError(
                message(type(self).__name__, f"{self.setting} must be in the range [0, 1], got {value}")
            )
        if num_thresholds <= 0:
            raise ArgumentError(message(type(self).__name__, f"num_thresholds must be > 0, got {num_thresholds}"))
        self.value, self.num_thresholds, self.class_id = value, num_thresholds, class_id
        setattr(self, self.setting, value)
        self.thresholds = [0.5] if num_thresholds == 1 else [i / (num_thresholds - 1) for i in range(num_thresholds)]
        self._make((len(self.thresholds),))

    def update_state(self, y_true, y_pred, sample_weight=None):
        self._count(y_true, y_pred, sample_weight, self.thresholds, class_id=self.class_id)

    @property
    def recalls(self):
        return ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def precisions(self):
        return ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def specificities(self):
        return ratio(self.true_negatives, self.true_negatives + self.false_positives)

    def best(self, wanted, constrained):
        return ops.max(ops.where(constrained >= self.value, wanted, 0.0))

    def get_config(self):
        return {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "class_id": self.class_id,
            self.setting: self.value,
        }


class SensitivityAtSpecificity(_AtConstraint):
    """The best sensitivity where the specificity is at least that."""

    setting = "specificity"

    def __init__(self, specificity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(specificity, num_thresholds, class_id, name, dtype)

    def result(self):
        return self.best(self.recalls, self.specificities)


class SpecificityAtSensitivity(_AtConstraint):
    """The best specificity where the sensitivity is at least that."""

    setting = "sensitivity"

    def __init__(self, sensitivity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)

    def result(self):
        return self.best(self.specificities, self.recalls)


class PrecisionAtRecall(_AtConstraint):
    """The best precision where the recall is at least that."""

    setting = "recall"

    def __init__(self, recall, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(recall, num_thresholds, class_id, name, dtype)

    def result(self):
        return self.best(self.precisions, self.recalls)


class RecallAtPrecision(_AtConstraint):
    """The best recall where the precision is at least that."""

    setting = "precision"

    def __init__(self, precision, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(precision, num_thresholds, class_id, name, dtype)

    def result(self):
        return self.best(self.recalls, self.precisions)


class AUC(Counts):
    """The area under the ROC (or precision-recall) curve, from counts at evenly spread thresholds."""

    _direction = "up"
    counted = ("true_positives", "false_positives", "true_negatives", "false_negatives")

    def __init__(
        self,
        num_thresholds=200,
        curve="ROC",
        summation_method="interpolation",
        name=None,
        dtype=None,
        thresholds=None,
        multi_label=False,
        num_labels=None,
        label_weights=None,
        from_logits=False,
    ):
        super().__init__(name=name, dtype=dtype)
        for what, value, known in (
            ("curve", curve.upper(), ("ROC", "PR", "PRGAIN")),
            ("summation_method", summation_method.lower(), ("interpolation", "minoring", "majoring")),
        ):
            if value not in known:
                raise ArgumentError(
                    message("AUC", f"invalid {what} {value!r}", cure=f"Expected one of: {', '.join(known)}")
                )
        self.curve, self.summation_method = curve.upper(), summation_method.lower()
        self._given_thresholds = thresholds
        if thresholds is None and num_thresholds <= 1:
            raise ArgumentError(message("AUC", f"num_thresholds must be > 1, got {num_thresholds}"))
        inner = (
            sorted(thresholds)
            if thresholds is not None
            else [i / (num_thresholds - 1) for i in range(1, num_thresholds - 1)]
        )
        self.num_thresholds = len(inner) + 2
        self._thresholds = np.array([-epsilon(), *inner, 1.0 + epsilon()])
        self.multi_label, self.num_labels, self._from_logits = multi_label, num_labels, from_logits
        self.label_weights = None if label_weights is None else tensor(np.asarray(label_weights, np.float32))
        self._built = not multi_label or bool(num_labels)
        if not multi_label:
            if num_labels:
                raise ArgumentError(message("AUC", "num_labels is needed only when multi_label is True"))
            self._make((self.num_thresholds,))
        elif num_labels:
            self._make((self.num_thresholds, num_labels))

    @property
    def thresholds(self):
        return list(self._thresholds)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = tensor(y_pred)
        if not self._built:
            self._make((self.num_thresholds, y_pred.shape[-1]))
            self._built = True
        if self._from_logits:
            y_pred = ops.sigmoid(y_pred)
        self._count(y_true, y_pred, sample_weight, self._thresholds, by_label=self.multi_label,
                    label_weights=None if self.multi_label else self.label_weights)  # fmt: skip

    def result(self):
        tp, fp, tn, fn = self.true_positives, self.false_positives, self.true_negatives, self.false_negatives
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self.over_labels(self.interpolated(tp, fp, fn))
        recall = ratio(tp, tp + fn)
        if self.curve == "ROC":
            x, y = ratio(fp, fp + tn), recall
        elif self.curve == "PR":
            x, y = recall, ratio(tp, tp + fp)
        else:
            factor = ratio(tp + fn, tn + fp)
            x = ops.maximum(ops.where(tp == 0.0, 0.0, 1.0 - factor * ratio(fn, tp)), 0.0)
            y = ops.where(tp == 0.0, 1.0, 1.0 - factor * ratio(fp, tp))
        first, second = y[:-1], y[1:]
        heights = (
            (first + second) * 0.5
            if self.summation_method == "interpolation"
            else (ops.minimum(first, second) if self.summation_method == "minoring" else ops.maximum(first, second))
        )
        return self.over_labels((x[:-1] - x[1:]) * heights)

    def interpolated(self, tp, fp, fn):
        """Pieces of the precision-recall area. Source: Davis & Goadrich 2006."""
        called = tp + fp
        gained, more = tp[:-1] - tp[1:], called[:-1] - called[1:]
        slope = ratio(gained, ops.maximum(more, 0.0))
        start = tp[1:] - slope * called[1:]
        both = (called[:-1] > 0) & (called[1:] > 0)
        growth = ops.where(both, ratio(called[:-1], ops.maximum(called[1:], 0.0)), 1.0)
        return ratio(slope * (gained + start * ops.log(growth)), ops.maximum(tp[1:] + fn[1:], 0.0))

    def over_labels(self, pieces):
        if not self.multi_label:
            return ops.sum(pieces)
        each = ops.sum(pieces, axis=0)
        if self.label_weights is None:
            return ops.mean(each)
        return ops.sum(each * self.label_weights) / ops.sum(self.label_weights)

    def get_config(self):
        weights = None if self.label_weights is None else self.label_weights.numpy().tolist()
        config = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": weights,
            "from_logits": self._from_logits,
        }
        if self._given_thresholds is not None:
            config["thresholds"] = self.thresholds[1:-1]
        return {**super().get_config(), **config}


for _kind in (TruePositives, TrueNegatives, FalsePositives, FalseNegatives, Precision, Recall, SensitivityAtSpecificity,
              SpecificityAtSensitivity, PrecisionAtRecall, RecallAtPrecision, AUC):  # fmt: skip
    TABLE.add(_kind)
TABLE.entries["auc"] = AUC
