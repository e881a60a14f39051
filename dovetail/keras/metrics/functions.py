"""Metrics that are the mean of a loss or a distance, and correlations."""

from __future__ import annotations

from typing import Any

from dovetail.keras import losses, ops
from dovetail.keras.config import epsilon
from dovetail.keras.metrics.base import TABLE, Metric
from dovetail.keras.metrics.means import Mean, MeanMetricWrapper
from dovetail.keras.ops.convert import tensor
from dovetail.train.metrics import add_sum


class _OfLoss(MeanMetricWrapper):
    """Base: the mean of one of the loss functions; the config holds the settings only."""

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, **self._fn_kwargs}


class MeanSquaredError(_OfLoss):
    """Mean of (y_true - y_pred)²."""

    _direction = "down"

    def __init__(self, name="mean_squared_error", dtype=None):
        super().__init__(losses.mean_squared_error, name, dtype)


class MeanAbsoluteError(_OfLoss):
    """Mean of |y_true - y_pred|."""

    _direction = "down"

    def __init__(self, name="mean_absolute_error", dtype=None):
        super().__init__(losses.mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(_OfLoss):
    """100 times the mean of |(y_true - y_pred) / y_true|."""

    _direction = "down"

    def __init__(self, name="mean_absolute_percentage_error", dtype=None):
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(_OfLoss):
    """Mean of (log(1 + y_true) - log(1 + y_pred))²."""

    _direction = "down"

    def __init__(self, name="mean_squared_logarithmic_error", dtype=None):
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


class LogCoshError(_OfLoss):
    """Mean of log(cosh(y_pred - y_true))."""

    _direction = "down"

    def __init__(self, name="logcosh", dtype=None):
        super().__init__(losses.log_cosh, name, dtype)


class KLDivergence(_OfLoss):
    """Mean Kullback-Leibler divergence."""

    def __init__(self, name="kl_divergence", dtype=None):
        super().__init__(losses.kl_divergence, name, dtype)


class Poisson(_OfLoss):
    """Mean Poisson loss."""

    def __init__(self, name="poisson", dtype=None):
        super().__init__(losses.poisson, name, dtype)


class Hinge(_OfLoss):
    """Mean hinge loss."""

    _direction = "down"

    def __init__(self, name="hinge", dtype=None):
        super().__init__(losses.hinge, name, dtype)


class SquaredHinge(_OfLoss):
    """Mean squared hinge loss."""

    _direction = "down"

    def __init__(self, name="squared_hinge", dtype=None):
        super().__init__(losses.squared_hinge, name, dtype)


class CategoricalHinge(_OfLoss):
    """Mean categorical hinge loss."""

    _direction = "down"

    def __init__(self, name="categorical_hinge", dtype=None):
        super().__init__(losses.categorical_hinge, name, dtype)


class BinaryCrossentropy(_OfLoss):
    """Mean binary crossentropy."""

    _direction = "down"

    def __init__(self, name="binary_crossentropy", dtype=None, from_logits=False, label_smoothing=0):
        super().__init__(
            losses.binary_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing
        )


class CategoricalCrossentropy(_OfLoss):
    """Mean crossentropy with one-hot targets."""

    _direction = "down"

    def __init__(self, name="categorical_crossentropy", dtype=None, from_logits=False, label_smoothing=0, axis=-1):
        super().__init__(
            losses.categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(_OfLoss):
    """Mean crossentropy with class numbers as targets."""

    _direction = "down"

    def __init__(
        self, name="sparse_categorical_crossentropy", dtype=None, from_logits=False, ignore_class=None, axis=-1
    ):
        super().__init__(
            losses.sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1):
    """The cosine between targets and predictions."""
    return -losses.cosine_similarity(y_true, y_pred, axis)


class CosineSimilarity(MeanMetricWrapper):
    """Mean cosine between targets and predictions: 1 where they point the same way."""

    _direction = "up"

    def __init__(self, name="cosine_similarity", dtype=None, axis=-1):
        super().__init__(cosine_similarity, name, dtype, axis=axis)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def level(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    y_pred = tensor(y_pred)
    y_true = tensor(y_true, y_pred.dtype)
    if y_true.ndim == y_pred.ndim - 1 and y_pred.shape[-1] == 1:
        y_true = y_true.unsqueeze(-1)
    elif y_pred.ndim == y_true.ndim - 1 and y_true.shape[-1] == 1:
        y_pred = y_pred.unsqueeze(-1)
    return y_true, y_pred


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1):
    """How far predictions and targets rise and fall together, in [-1, 1]."""
    a, b = (v - ops.mean(v, axis=axis, keepdims=True) for v in level(y_true, y_pred))
    a, b = (v / ops.std(v, axis=axis, keepdims=True) for v in (a, b))
    return ops.mean(a * b, axis=axis)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1):
    """Pearson's correlation lowered where means or spreads differ (Lin 1989)."""
    a, b = level(y_true, y_pred)
    ma, mb = ops.mean(a, axis=axis, keepdims=True), ops.mean(b, axis=axis, keepdims=True)
    va, vb = ops.var(a - ma, axis=axis, keepdims=True), ops.var(b - mb, axis=axis, keepdims=True)
    together = (a - mb) * (b - mb)
    return ops.mean(together * 2.0 / (va + vb + ops.square(ma - mb) + epsilon()), axis=axis)


class PearsonCorrelation(MeanMetricWrapper):
    """Mean Pearson correlation."""

    _direction = "up"

    def __init__(self, name="pearson_correlation", dtype=None, axis=-1):
        super().__init__(pearson_correlation, name, dtype, axis=axis)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, **self._fn_kwargs}


class ConcordanceCorrelation(MeanMetricWrapper):
    """Mean concordance correlation."""

    _direction = "up"

    def __init__(self, name="concordance_correlation", dtype=None, axis=-1):
        super().__init__(concordance_correlation, name, dtype, axis=axis)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, **self._fn_kwargs}


class RootMeanSquaredError(Mean):
    """Root of the mean of (y_true - y_pred)²."""

    _direction = "down"

    def __init__(self, name="root_mean_squared_error", dtype=None):
        super().__init__(name, dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = level(y_true, y_pred)
        super().update_state(ops.square(y_pred - y_true), sample_weight)

    def result(self):
        return ops.sqrt(super().result())


class R2Score(Metric):
    """The share of the targets' variance that predictions explain."""

    _direction = "up"

    def __init__(self, class_aggregation="uniform_average", num_regressors=0, name="r2_score", dtype=None):
        super().__init__(name=name, dtype=dtype)
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ValueError(
                f"Invalid value for argument `class_aggregation`. Received: class_aggregation={class_aggregation}"
            )
        if num_regressors < 0:
            raise ValueError(
                "Invalid value for argument `num_regressors`. Expected a value >= 0. Received: "
                f"num_regressors={num_regressors}"
            )
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self.num_samples = self.add_variable((), name="num_samples")
        self._built = False

    def _build(self, shape) -> None:
        if len(shape) != 2:
            raise ValueError(
                f"R2Score expects 2D inputs with shape (batch_size, output_dim). Received y_pred.shape={tuple(shape)}."
            )
        n = (shape[-1],)
        self.squared_sum = self.add_variable(n, name="squared_sum")
        self.sum = self.add_variable(n, name="sum")
        self.total_mse = self.add_variable(n, name="residual")
        self.count = self.add_variable(n, name="count")
        self._built = True

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = level(y_true, y_pred)
        if not self._built:
            self._build(y_pred.shape)
        weight = ops.ones_like(y_true)
        if sample_weight is not None:
            given = tensor(sample_weight, y_true.dtype)
            weight = weight * (given.unsqueeze(1) if given.ndim == 1 else given)
        for variable, values in (
            (self.sum, y_true),
            (self.squared_sum, y_true * y_true),
            (self.total_mse, ops.square(y_true - y_pred)),
            (self.count, None),
        ):
            add_sum.inplace(variable, ops.sum(weight if values is None else values * weight, axis=0))
        self.num_samples.assign_add(float(y_true.numel()))

    def result(self):
        total = self.squared_sum - self.sum * (self.sum / self.count)
        scores = 1.0 - self.total_mse / total
        scores = ops.where(ops.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            made = ops.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            made = ops.sum(total * scores) / ops.sum(total)
        else:
            made = scores
        if self.num_regressors:
            n = float(self.num_samples.numpy())
            if n - self.num_regressors - 1 > 0:
                made = 1.0 - (1.0 - made) * (n - 1.0) / (n - self.num_regressors - 1.0)
        return made

    def get_config(self):
        return {
            **super().get_config(),
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
        }


KINDS = (
    MeanSquaredError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    LogCoshError,
    KLDivergence,
    Poisson,
    Hinge,
    SquaredHinge,
    CategoricalHinge,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    CosineSimilarity,
    PearsonCorrelation,
    ConcordanceCorrelation,
    RootMeanSquaredError,
    R2Score,
)
for _kind in KINDS:
    TABLE.add(_kind)
TABLE.entries.update(
    mse=MeanSquaredError,
    MSE=MeanSquaredError,
    mae=MeanAbsoluteError,
    MAE=MeanAbsoluteError,
    mape=MeanAbsolutePercentageError,
    MAPE=MeanAbsolutePercentageError,
    msle=MeanSquaredLogarithmicError,
    MSLE=MeanSquaredLogarithmicError,
    kld=KLDivergence,
    rmse=RootMeanSquaredError,
    RMSE=RootMeanSquaredError,
    cosine_similarity=CosineSimilarity,
    bce=BinaryCrossentropy,
    BCE=BinaryCrossentropy,
    logcosh=LogCoshError,
    log_cosh=LogCoshError,
    huber=losses.huber,
    kl_divergence=KLDivergence,
)
