"""keras.metrics."""

from typing import Any

from dovetail.keras.lookup import deserialize as deserialize_object
from dovetail.keras.lookup import got
from dovetail.keras.lookup import serialize as serialize_object
from dovetail.keras.losses import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)  # fmt: skip
from dovetail.keras.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)  # fmt: skip
from dovetail.keras.metrics.base import TABLE, Metric
from dovetail.keras.metrics.confusion import (
    AUC,
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)  # fmt: skip
from dovetail.keras.metrics.functions import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    ConcordanceCorrelation,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    PearsonCorrelation,
    Poisson,
    R2Score,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
    SquaredHinge,
    concordance_correlation,
    pearson_correlation,
)  # fmt: skip
from dovetail.keras.metrics.means import Mean, MeanMetricWrapper, Sum
from dovetail.keras.metrics.overlap import BinaryIoU, F1Score, FBetaScore, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU


def get(identifier) -> Any:
    """A metric from a name, a config, a class, an object or a function."""
    return got(TABLE, identifier, "metrics.get")


def serialize(metric) -> Any:
    """The config of a metric."""
    return serialize_object(metric)


def deserialize(config, custom_objects=None):
    """The metric that a config describes."""
    return deserialize_object(config, custom_objects, TABLE)
