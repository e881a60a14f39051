"""Means and sums over everything seen, and the metrics that are means of a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.ir.core import Value
from dovetail.keras import losses
from dovetail.keras.lookup import deserialize, serialize
from dovetail.keras.metrics.base import TABLE, Metric
from dovetail.keras.ops.convert import tensor
from dovetail.ops import reduce
from dovetail.ops.promote import cast, expanded
from dovetail.tensor.op import op
from dovetail.train import metrics as f


def weights_of(values: Any, sample_weight: Any) -> Any:
    """The sample weights with a mask on the values multiplied in."""
    mask = getattr(values, "_keras_mask", None)
    weight = None if sample_weight is None else tensor(sample_weight)
    if mask is None:
        return weight
    share = mask.to(values.dtype)
    return share if weight is None else share * weight


class Sum(Metric):
    """The (weighted) sum of the values."""

    def __init__(self, name="sum", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable(name="total")

    def update_state(self, values, sample_weight=None):
        """Add values; Shape: any."""
        values = tensor(values)
        add_everything.inplace(self.total, values, weights_of(values, sample_weight))

    def result(self):
        return self.total.read_value()


@op(top=False, inplace=True, differentiable=False, name="add_everything")
def add_everything(input: Value, values: Value, weight: Value | None) -> Value:
    """A running total plus all values, each times the weight of its sample."""
    values = cast(values, input.dtype)
    if weight is not None:
        values, weight = f.level(values, cast(weight, input.dtype))
        if values.ndim > weight.ndim:
            values = reduce.sum(values, tuple(range(weight.ndim, values.ndim)))
        values = values * expanded(weight, values.shape)
    return input + (reduce.sum(values) if values.shape else values)


class Mean(Metric):
    """The (weighted) mean of the values."""

    def __init__(self, name="mean", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable(name="total")
        self.count = self.add_variable(name="count")

    def update_state(self, values, sample_weight=None):
        """Take in values, one for each sample or more, with weights if given."""
        values = tensor(values)
        weight = weights_of(values, sample_weight)
        if weight is None:
            f.add_total.inplace(self.total, values)
            f.add_count.inplace(self.count, values)
        else:
            f.add_total.inplace(self.total, values, weight)
            f.add_count.inplace(self.count, values, weight)

    def add_batch(self, value, samples: int) -> None:
        """Take in the mean over a batch of so many samples."""
        f.add_total.inplace(self.total, value, None, float(samples))
        f.add_count.inplace(self.count, value, None, float(samples))

    def result(self):
        return f.ratio(self.total, self.count)


class MeanMetricWrapper(Mean):
    """The mean of fn(y_true, y_pred, **settings)."""

    def __init__(self, fn: Callable, name: str | None = None, dtype=None, **kwargs):
        super().__init__(name=name, dtype=dtype)
        self._fn, self._fn_kwargs = fn, kwargs
        if fn in (losses.mean_squared_error, losses.mean_absolute_error):
            self._direction = "down"

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Take in a batch of targets and predictions."""
        mask = getattr(y_pred, "_keras_mask", None)
        values = tensor(self._fn(y_true, y_pred, **self._fn_kwargs))
        if mask is not None and getattr(values, "_keras_mask", None) is None and mask.ndim <= values.ndim:
            values._keras_mask = mask
        super().update_state(values, sample_weight)

    def get_config(self):
        config = {"fn": serialize(self._fn), **{k: serialize(v) for k, v in self._fn_kwargs.items()}}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        if "fn" in config:
            config = {**config, "fn": deserialize(config["fn"])}
        return cls(**config)


for _kind in (Sum, Mean, MeanMetricWrapper):
    TABLE.add(_kind)
