"""keras.losses: functions that give one loss for each sample, and classes that weight and reduce them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, message, warn
from dovetail.base.source import line_of
from dovetail.keras import loss_formulas as f
from dovetail.keras.config import epsilon
from dovetail.keras.context import context
from dovetail.keras.dtypes import as_dtype, standardize_dtype
from dovetail.keras.lookup import deserialize as deserialize_object
from dovetail.keras.lookup import got, table
from dovetail.keras.lookup import serialize as serialize_object
from dovetail.keras.naming import auto_name
from dovetail.keras.ops import nn as nn_ops
from dovetail.keras.ops.convert import tensor
from dovetail.keras.symbolic import symbolic
from dovetail.ops.create import full

TABLE = table("loss", "keras.losses")
REDUCTIONS = ("sum_over_batch_size", "sum", None, "none", "mean", "mean_with_sample_weight")


# -- functions ---------------------------------------------------------------------------------------------------------


def both(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    return tensor(y_true), tensor(y_pred)


@symbolic
def mean_squared_error(y_true, y_pred):
    """Mean of (y_true - y_pred)² over the last axis.

    >>> mean_squared_error([[0.0, 1.0]], [[1.0, 1.0]]).numpy()
    array([0.5], dtype=float32)
    """
    return f.mean_squared_error(*both(y_true, y_pred))


@symbolic
def mean_absolute_error(y_true, y_pred):
    """Mean of |y_true - y_pred| over the last axis."""
    return f.mean_absolute_error(*both(y_true, y_pred))


@symbolic
def mean_absolute_percentage_error(y_true, y_pred):
    """100 times the mean of |(y_true - y_pred) / y_true|."""
    return f.mean_absolute_percentage_error(*both(y_true, y_pred), epsilon())


@symbolic
def mean_squared_logarithmic_error(y_true, y_pred):
    """Mean of (log(1 + y_true) - log(1 + y_pred))²."""
    return f.mean_squared_logarithmic_error(*both(y_true, y_pred), epsilon())


@symbolic
def cosine_similarity(y_true, y_pred, axis=-1):
    """Minus the cosine between targets and predictions: -1 where they point the same way."""
    return f.cosine_similarity(*both(y_true, y_pred), axis)


@symbolic
def huber(y_true, y_pred, delta=1.0):
    """Squared error near 0, absolute error from `delta` on."""
    return f.huber(*both(y_true, y_pred), float(delta))


@symbolic
def log_cosh(y_true, y_pred):
    """Mean of log(cosh(y_pred - y_true))."""
    return f.log_cosh(*both(y_true, y_pred))


@symbolic
def kl_divergence(y_true, y_pred):
    """Sum of y_true * log(y_true / y_pred)."""
    return f.kl_divergence(*both(y_true, y_pred), epsilon())


@symbolic
def poisson(y_true, y_pred):
    """Mean of y_pred - y_true * log(y_pred)."""
    return f.poisson(*both(y_true, y_pred), epsilon())


@symbolic
def hinge(y_true, y_pred):
    """Mean of max(1 - y_true * y_pred, 0); labels are -1 and 1, or 0 and 1."""
    return f.hinge(*both(y_true, y_pred))


@symbolic
def squared_hinge(y_true, y_pred):
    """Mean of max(1 - y_true * y_pred, 0)²."""
    return f.squared_hinge(*both(y_true, y_pred))


@symbolic
def categorical_hinge(y_true, y_pred):
    """max(1 + best wrong score - right score, 0)."""
    return f.categorical_hinge(*both(y_true, y_pred))


def scores(call: str, y_pred: Any, from_logits: bool) -> tuple[Any, bool]:
    """(predictions, whether they are raw scores): where probabilities come straight from softmax or sigmoid, the scores
    before it are taken, which no rounding has touched."""
    logits = getattr(y_pred, "_keras_logits", None)
    if logits is None:
        return y_pred, from_logits
    if from_logits:
        done = "softmax" if "categorical" in call else "sigmoid"
        warn_twice(call, done, context.output_layer)
    return (logits, True) if not from_logits else (y_pred, True)


def warn_twice(call: str, done: str, layer: str) -> None:
    key = (call, done, layer)
    if key in _warned:
        return
    _warned.add(key)
    whose = f"layer {layer!r} ends in {done}" if layer else f"the predictions come from {done}"
    warn(
        message(
            call,
            f"from_logits=True, but {whose}: its output does not represent logits, and {done} is applied twice",
            built_on(layer),
            cure=f"Use from_logits=False, or drop the activation ({done}) of the last layer",
        )
    )


def built_on(name: str) -> list[str]:
    """Where the user built the layer of that name, as a fact of a message; [] where it is not known."""
    layers = getattr(context.output_model, "layers", ())
    found = next((layer for layer in layers if layer.name == name), None)
    file, line = vars(found).get("_built_at", ("", 0)) if found is not None else ("", 0)
    at = line_of((file, line, ""))
    return [f"layer {name!r} was built on {at}"] if at else []


_warned: set = set()


@symbolic
def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """Minus the sum of y_true * log(y_pred): targets are one-hot or probabilities.

    Raises: ShapeError for class numbers, which take sparse_categorical_crossentropy.
    """
    check_axis(axis)
    y_true, y_pred = both(y_true, y_pred)
    y_pred, from_logits = (
        scores("categorical_crossentropy", y_pred, from_logits) if axis == -1 else (y_pred, from_logits)
    )
    warn_single_class("categorical_crossentropy", y_pred)
    return f.categorical_crossentropy(y_true, y_pred, bool(from_logits), float(label_smoothing), axis, epsilon())


def check_axis(axis) -> None:
    if isinstance(axis, bool):
        raise ArgumentError(f"`axis` must be of type `int`. Received: axis={axis} of type {type(axis)}")


def warn_single_class(call: str, y_pred: Any) -> None:
    if y_pred.shape and y_pred.shape[-1] == 1 and ("one", call) not in _warned:
        _warned.add(("one", call))
        whose = f" of layer {context.output_layer!r}" if context.output_layer else ""
        warn(
            message(
                call,
                f"the output{whose} has a single class, shape {tuple(y_pred.shape)}: its probability is always 1",
                cure="For two classes use loss='binary_crossentropy' with one sigmoid unit, or give it two units",
            )
        )


@symbolic
def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None, axis=-1):
    """Minus the log-probability of the class that each label names; samples of `ignore_class` count 0."""
    y_true, y_pred = both(y_true, y_pred)
    if axis == -1:
        y_pred, from_logits = scores("sparse_categorical_crossentropy", y_pred, from_logits)
    warn_single_class("sparse_categorical_crossentropy", y_pred)
    loss = f.sparse_categorical_crossentropy(y_true, y_pred, bool(from_logits), ignore_class, axis, epsilon())
    if ignore_class is not None:
        flat = y_true.reshape(loss.shape) if tuple(y_true.shape) != tuple(loss.shape) else y_true
        loss._keras_mask = flat != ignore_class
    return loss


@symbolic
def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """Mean of -(y_true log(y_pred) + (1 - y_true) log(1 - y_pred)) over the last axis."""
    y_true, y_pred = both(y_true, y_pred)
    y_pred, from_logits = scores("binary_crossentropy", y_pred, from_logits)
    return f.binary_crossentropy(y_true, y_pred, bool(from_logits), float(label_smoothing), axis, epsilon())


@symbolic
def binary_focal_crossentropy(
    y_true, y_pred, apply_class_balancing=False, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    """Binary crossentropy times (1 - probability of the right class) ** gamma."""
    return f.binary_focal_crossentropy(*both(y_true, y_pred), bool(apply_class_balancing), float(alpha), float(gamma),
                                       bool(from_logits), float(label_smoothing), axis, epsilon())  # fmt: skip


@symbolic
def categorical_focal_crossentropy(
    y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    """Categorical crossentropy times alpha * (1 - probability) ** gamma."""
    check_axis(axis)
    y_true, y_pred = both(y_true, y_pred)
    warn_single_class("categorical_focal_crossentropy", y_pred)
    return f.categorical_focal_crossentropy(y_true, y_pred, float(alpha), float(gamma), bool(from_logits),
                                            float(label_smoothing), axis, epsilon())  # fmt: skip


@symbolic
def categorical_generalized_cross_entropy(y_true, y_pred, q):
    """(1 - p ** q) / q for the probability p of the right class; labels are class numbers."""
    return f.generalized_cross_entropy(*both(y_true, y_pred), float(q))


@symbolic
def dice(y_true, y_pred, axis=None):
    """1 - 2 |A ∩ B| / (|A| + |B|)."""
    return f.dice(*both(y_true, y_pred), tuple(axis) if isinstance(axis, list) else axis, epsilon())


@symbolic
def tversky(y_true, y_pred, alpha=0.5, beta=0.5, axis=None):
    """Dice with weights for what is missed (alpha) and what is too much (beta)."""
    axis = tuple(axis) if isinstance(axis, list) else axis
    return f.tversky(*both(y_true, y_pred), float(alpha), float(beta), axis, epsilon())


@symbolic
def ctc(y_true, y_pred):
    """Connectionist temporal classification of unaligned label sequences, 0 filling up short ones.

    Shape: y_true (n, labels) of class numbers, y_pred (n, steps, classes) of raw scores -> (n,)
    """
    y_true, y_pred = both(y_true, y_pred)
    if y_true.ndim != 2 or y_pred.ndim != 3:
        raise ArgumentError(
            message(
                "ctc",
                "takes labels (batch, max_length) and scores (batch, steps, classes)",
                [("y_true", y_true), ("y_pred", y_pred)],
            )
        )
    lengths = (y_true != 0).sum(-1)
    return nn_ops.ctc_loss(
        y_true, y_pred, lengths, full((y_pred.shape[0],), y_pred.shape[1], dtype=as_dtype("int64")), mask_index=0
    )


@symbolic
def circle(y_true, y_pred, ref_labels=None, ref_embeddings=None, remove_diagonal=True, gamma=80, margin=0.4):
    """Circle loss on normalized embeddings. Source: Sun et al. 2020."""
    y_true, y_pred = both(y_true, y_pred)
    others = y_pred if ref_embeddings is None else tensor(ref_embeddings)
    labels = y_true if ref_labels is None else tensor(ref_labels)
    loss = f.circle(y_true, y_pred, labels, others, bool(remove_diagonal), float(gamma), float(margin))
    loss._keras_mask = loss.detach() > 0
    return loss


# -- classes -----------------------------------------------------------------------------------------------------------


class Loss:
    """Base of losses: `call(y_true, y_pred)` gives a loss for each sample, a call of the object reduces them to one.

    reduction: "sum_over_batch_size" (their mean), "sum", "mean_with_sample_weight" or None. Source: keras.losses.Loss.
    """

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None):
        if reduction not in REDUCTIONS:
            raise ArgumentError(message(type(self).__name__, f"unknown reduction {reduction!r}",
                                        cure=f"Expected one of: {', '.join(map(repr, REDUCTIONS))}"))  # fmt: skip
        self.name = name or auto_name(type(self).__name__)
        self.reduction = reduction
        self._dtype = standardize_dtype(getattr(dtype, "compute_dtype", dtype))

    @property
    def dtype(self) -> str:
        return self._dtype

    def __call__(self, y_true, y_pred, sample_weight=None):
        y_pred = tree.map_leaves(tensor, y_pred)
        losses = self.call(tree.map_leaves(tensor, y_true), y_pred)
        mask = getattr(y_pred, "_keras_mask", None)
        own = getattr(losses, "_keras_mask", None)
        mask = own if mask is None else mask if own is None else mask & own
        if sample_weight is not None:
            sample_weight = tensor(sample_weight)
        losses = tensor(losses)
        if losses.dtype.name != self._dtype and losses.dtype.kind == "f" and self._dtype != "float32":
            losses = tensor(losses, as_dtype(self._dtype))
        return f.reduced(losses, sample_weight, mask, self.reduction)

    def call(self, y_true, y_pred):
        """One loss for each sample; subclasses write it."""
        raise NotImplementedError(f"{type(self).__name__} has no call(y_true, y_pred)")

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]):
        return cls(**config)


class LossFunctionWrapper(Loss):
    """A function of (y_true, y_pred, **settings) as a Loss."""

    def __init__(self, fn: Callable, reduction="sum_over_batch_size", name=None, dtype=None, **kwargs):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn, self._fn_kwargs = fn, kwargs

    def call(self, y_true, y_pred):
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self):
        return {
            **super().get_config(),
            "fn": serialize_object(self.fn),
            **{k: serialize_object(v) for k, v in self._fn_kwargs.items()},
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{k: deserialize_object(v, entries=TABLE) if k == "fn" else v for k, v in config.items()})

    def __repr__(self) -> str:
        return f"<LossFunctionWrapper({self.fn}, kwargs={self._fn_kwargs})>"


class _Preset(LossFunctionWrapper):
    """A loss class over one of the functions above; its config holds the settings only."""

    def get_config(self):
        return {"name": self.name, "reduction": self.reduction, **self._fn_kwargs}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class MeanSquaredError(_Preset):
    """Mean of (y_true - y_pred)²."""

    def __init__(self, reduction="sum_over_batch_size", name="mean_squared_error", dtype=None):
        super().__init__(mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(_Preset):
    """Mean of |y_true - y_pred|."""

    def __init__(self, reduction="sum_over_batch_size", name="mean_absolute_error", dtype=None):
        super().__init__(mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(_Preset):
    """100 times the mean of |(y_true - y_pred) / y_true|."""

    def __init__(self, reduction="sum_over_batch_size", name="mean_absolute_percentage_error", dtype=None):
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(_Preset):
    """Mean of (log(1 + y_true) - log(1 + y_pred))²."""

    def __init__(self, reduction="sum_over_batch_size", name="mean_squared_logarithmic_error", dtype=None):
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


class CosineSimilarity(_Preset):
    """Minus the cosine between targets and predictions."""

    def __init__(self, axis=-1, reduction="sum_over_batch_size", name="cosine_similarity", dtype=None):
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)

    def get_config(self):
        return {"name": self.name, "reduction": self.reduction}


class Huber(_Preset):
    """Squared error near 0, absolute error from `delta` on."""

    def __init__(self, delta=1.0, reduction="sum_over_batch_size", name="huber_loss", dtype=None):
        super().__init__(huber, reduction, name, dtype, delta=delta)

    def get_config(self):
        return {"name": self.name, "reduction": self.reduction}  # as Keras 3.15, which leaves delta out


class LogCosh(_Preset):
    """Mean of log(cosh(y_pred - y_true))."""

    def __init__(self, reduction="sum_over_batch_size", name="log_cosh", dtype=None):
        super().__init__(log_cosh, reduction, name, dtype)


class Hinge(_Preset):
    """Mean of max(1 - y_true * y_pred, 0)."""

    def __init__(self, reduction="sum_over_batch_size", name="hinge", dtype=None):
        super().__init__(hinge, reduction, name, dtype)


class SquaredHinge(_Preset):
    """Mean of max(1 - y_true * y_pred, 0)²."""

    def __init__(self, reduction="sum_over_batch_size", name="squared_hinge", dtype=None):
        super().__init__(squared_hinge, reduction, name, dtype)


class CategoricalHinge(_Preset):
    """max(1 + best wrong score - right score, 0)."""

    def __init__(self, reduction="sum_over_batch_size", name="categorical_hinge", dtype=None):
        super().__init__(categorical_hinge, reduction, name, dtype)


class KLDivergence(_Preset):
    """Sum of y_true * log(y_true / y_pred)."""

    def __init__(self, reduction="sum_over_batch_size", name="kl_divergence", dtype=None):
        super().__init__(kl_divergence, reduction, name, dtype)


class Poisson(_Preset):
    """Mean of y_pred - y_true * log(y_pred)."""

    def __init__(self, reduction="sum_over_batch_size", name="poisson", dtype=None):
        super().__init__(poisson, reduction, name, dtype)


class BinaryCrossentropy(_Preset):
    """Crossentropy of yes-or-no predictions; from_logits: they are raw scores, not probabilities."""

    def __init__(self, from_logits=False, label_smoothing=0.0, axis=-1, reduction="sum_over_batch_size",
                 name="binary_crossentropy", dtype=None):  # fmt: skip
        super().__init__(
            binary_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class BinaryFocalCrossentropy(_Preset):
    """Binary crossentropy that counts easy samples less."""

    def __init__(
        self,
        apply_class_balancing=False,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="binary_focal_crossentropy",
        dtype=None,
    ):
        super().__init__(
            binary_focal_crossentropy,
            reduction,
            name,
            dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalCrossentropy(_Preset):
    """Crossentropy with one-hot targets; from_logits: predictions are raw scores, not probabilities."""

    def __init__(self, from_logits=False, label_smoothing=0.0, axis=-1, reduction="sum_over_batch_size",
                 name="categorical_crossentropy", dtype=None):  # fmt: skip
        super().__init__(categorical_crossentropy, reduction, name, dtype, from_logits=from_logits,
                         label_smoothing=label_smoothing, axis=axis)  # fmt: skip


class CategoricalFocalCrossentropy(_Preset):
    """Categorical crossentropy that counts easy samples less."""

    def __init__(self, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1,
                 reduction="sum_over_batch_size", name="categorical_focal_crossentropy", dtype=None):  # fmt: skip
        super().__init__(categorical_focal_crossentropy, reduction, name, dtype, alpha=alpha, gamma=gamma,
                         from_logits=from_logits, label_smoothing=label_smoothing, axis=axis)  # fmt: skip


class SparseCategoricalCrossentropy(_Preset):
    """Crossentropy with class numbers as targets; from_logits: predictions are raw scores, not probabilities."""

    def __init__(self, from_logits=False, ignore_class=None, reduction="sum_over_batch_size", axis=-1,
                 name="sparse_categorical_crossentropy", dtype=None):  # fmt: skip
        super().__init__(sparse_categorical_crossentropy, reduction, name, dtype, from_logits=from_logits,
                         ignore_class=ignore_class, axis=axis)  # fmt: skip

    def get_config(self):
        return {k: v for k, v in super().get_config().items() if k != "axis"}


class Dice(_Preset):
    """1 - 2 |A ∩ B| / (|A| + |B|)."""

    def __init__(self, reduction="sum_over_batch_size", name="dice", axis=None, dtype=None):
        super().__init__(dice, reduction, name, dtype, axis=axis)


class Tversky(_Preset):
    """Dice with weights for what is missed (alpha) and what is too much (beta)."""

    def __init__(self, alpha=0.5, beta=0.5, reduction="sum_over_batch_size", name="tversky", axis=None, dtype=None):
        super().__init__(tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)


class Circle(_Preset):
    """Pulls embeddings of one class together and others apart. Source: Sun et al. 2020."""

    def __init__(
        self, gamma=80.0, margin=0.4, remove_diagonal=True, reduction="sum_over_batch_size", name="circle", dtype=None
    ):
        super().__init__(circle, reduction, name, dtype, remove_diagonal=remove_diagonal, gamma=gamma, margin=margin)

    def call(self, y_true, y_pred, ref_labels=None, ref_embeddings=None):
        return circle(y_true, y_pred, ref_labels, ref_embeddings, **self._fn_kwargs)


class CTC(_Preset):
    """Connectionist temporal classification of unaligned label sequences (Graves et al. 2006)."""

    def __init__(self, reduction="sum_over_batch_size", name="ctc", dtype=None):
        super().__init__(ctc, reduction, name, dtype)


class CategoricalGeneralizedCrossEntropy(_Preset):
    """Crossentropy that forgives wrong labels; q from 0 (crossentropy) to 1 (absolute error)."""

    def __init__(
        self, q=0.5, reduction="sum_over_batch_size", name="categorical_generalized_cross_entropy", dtype=None
    ):
        if not 0 < q < 1:
            raise ArgumentError(
                message("CategoricalGeneralizedCrossEntropy", f"q must be in the interval (0, 1), got {q}")
            )
        super().__init__(categorical_generalized_cross_entropy, reduction, name, dtype, q=q)


CLASSES = (
    MeanSquaredError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    CosineSimilarity,
    Huber,
    LogCosh,
    Hinge,
    SquaredHinge,
    CategoricalHinge,
    KLDivergence,
    Poisson,
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    SparseCategoricalCrossentropy,
    Dice,
    Tversky,
    Circle,
    CategoricalGeneralizedCrossEntropy,
    CTC,
)
FUNCTIONS = (
    mean_squared_error,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_logarithmic_error,
    cosine_similarity,
    huber,
    log_cosh,
    hinge,
    squared_hinge,
    categorical_hinge,
    kl_divergence,
    poisson,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    sparse_categorical_crossentropy,
    dice,
    tversky,
    circle,
    categorical_generalized_cross_entropy,
    ctc,
)
for _function in FUNCTIONS:
    TABLE.add(_function)
for _kind in CLASSES:
    TABLE.entries[_kind.__name__] = _kind
TABLE.entries["LossFunctionWrapper"] = LossFunctionWrapper
TABLE.entries.update(
    mse=mean_squared_error,
    MSE=mean_squared_error,
    mae=mean_absolute_error,
    MAE=mean_absolute_error,
    mape=mean_absolute_percentage_error,
    MAPE=mean_absolute_percentage_error,
    msle=mean_squared_logarithmic_error,
    MSLE=mean_squared_logarithmic_error,
    kld=kl_divergence,
    KLD=kl_divergence,
    kullback_leibler_divergence=kl_divergence,
    logcosh=log_cosh,
    bce=binary_crossentropy,
    BCE=binary_crossentropy,
    huber_loss=huber,
)
mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kl_divergence
logcosh = log_cosh


def get(identifier):
    """A loss function or object from a name, a config, a class or an object."""
    return got(TABLE, identifier, "losses.get")


def serialize(loss) -> Any:
    """The config of a loss."""
    return serialize_object(loss)


def deserialize(config, custom_objects=None):
    """The loss that a config describes."""
    return deserialize_object(config, custom_objects, TABLE)
