"""What `compile` makes of losses and metrics: names resolved, one for each output, trackers and result names."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, message
from dovetail.keras import losses as losses_module
from dovetail.keras.lookup import got
from dovetail.keras.losses import Loss, LossFunctionWrapper
from dovetail.keras.metrics.accuracy import BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy
from dovetail.keras.metrics.base import TABLE as METRICS
from dovetail.keras.metrics.base import Metric
from dovetail.keras.metrics.means import Mean, MeanMetricWrapper
from dovetail.keras.naming import object_name

AUTOMATIC = ("accuracy", "acc")
CROSSENTROPY = ("crossentropy", "ce")


def kinds(y_true: Any, y_pred: Any) -> tuple[bool, bool]:
    """(binary, integer labels) of an output, as Keras decides what "accuracy" means."""
    last = y_pred.shape[-1] if len(y_pred.shape) else 1
    fewer = len(y_true.shape) < len(y_pred.shape)
    return last == 1, fewer or (y_true.shape[-1:] == (1,) and last > 1)


def loss_object(identifier: Any, y_true: Any, y_pred: Any) -> Loss | None:
    """The Loss that a name, function or object means for an output."""
    if identifier is None:
        return None
    if isinstance(identifier, str) and identifier.lower() in CROSSENTROPY:
        binary, sparse = kinds(y_true, y_pred)
        identifier = (
            "binary_crossentropy"
            if binary
            else "sparse_categorical_crossentropy"
            if sparse
            else "categorical_crossentropy"
        )
    found = losses_module.get(identifier)
    if isinstance(found, Loss):
        return found
    if not callable(found):
        raise ArgumentError(
            message(
                "compile",
                f"loss={identifier!r} is no loss: pass a name, a keras.losses object or a function of (y_true, y_pred)",
            )
        )
    name = identifier if isinstance(identifier, str) else object_name(found)
    if is_module_loss(found):
        return ModuleLoss(found, name=name)
    return LossFunctionWrapper(found, name=name)


def is_module_loss(found: Any) -> bool:
    """Whether a loss is a torch-style module, which takes predictions first."""
    return hasattr(found, "forward") and hasattr(found, "_parameters") and not isinstance(found, Loss)


class ModuleLoss(LossFunctionWrapper):
    """A torch-style loss, called with predictions first; what it returns is already reduced."""

    def call(self, y_true, y_pred):
        return self.fn(y_pred, y_true)


def metric_object(identifier: Any, y_true: Any, y_pred: Any) -> Metric:
    """The Metric that a name, function or object means for an output."""
    if isinstance(identifier, str) and identifier.lower() in AUTOMATIC:
        binary, sparse = kinds(y_true, y_pred)
        kind = BinaryAccuracy if binary else SparseCategoricalAccuracy if sparse else CategoricalAccuracy
        return kind(name=identifier)
    found = got(METRICS, identifier, "metrics.get")
    if isinstance(found, Metric):
        if isinstance(identifier, str):
            found.name = identifier
        return found
    if not callable(found):
        raise ArgumentError(message("compile", f"metrics has {identifier!r}, which is no metric"))
    return MeanMetricWrapper(found, name=identifier if isinstance(identifier, str) else object_name(found))


# -- several outputs ---------------------------------------------------------------------------------------------------


def output_keys(y_pred: Any, names: list[str] | None) -> list[Any]:
    """A name for each leaf of the predictions."""
    if isinstance(y_pred, dict):
        return tree.keys_of(y_pred) if not any(tree.is_nested(v) for v in y_pred.values()) else paths(y_pred)
    count = len(tree.flatten(y_pred))
    return list(names) if names and len(names) == count else [None] * count


def paths(data: Any, head: str = "") -> list[str]:
    if isinstance(data, dict):
        return [p for k in tree.keys_of(data) for p in paths(data[k], f"{head}/{k}" if head else str(k))]
    if isinstance(data, (list, tuple)):
        return [p for i, v in enumerate(data) for p in paths(v, f"{head}/{i}" if head else str(i))]
    return [head]


def for_outputs(what: str, given: Any, y_pred: Any, keys: list, *, broadcast: bool) -> list[Any]:
    """`given`, which users may write as one value, a list or a dict, with one entry for each output."""
    count = len(keys)
    if given is None:
        return [None] * count
    if isinstance(given, dict):
        return by_name(what, given, y_pred, keys)
    if isinstance(given, (list, tuple)) and count > 1:
        if len(given) != count:
            raise ArgumentError(
                message(
                    "compile",
                    f"{what} has {len(given)} entries for {count} outputs",
                    [("outputs", ", ".join(map(str, keys)))],
                    f"Give one for each output, or a dict by output name: {{{keys[0]!r}: ...}}",
                )
            )
        return list(given)
    if isinstance(given, (list, tuple)) and what == "loss":
        if len(given) != 1:
            raise ArgumentError(message("compile", f"the model has one output, loss has {len(given)} entries"))
        return list(given)
    if not broadcast and count > 1:
        raise ArgumentError(
            message("compile", f"{what} must be a list or dict with one entry for each of the {count} outputs")
        )
    return [given] * count


def by_name(what: str, given: dict, y_pred: Any, keys: list) -> list[Any]:
    if isinstance(y_pred, dict) and any(tree.is_nested(v) for v in y_pred.values()):
        flat = dict(zip(paths(given), tree.leaves(given), strict=True))
        return [flat.get(k) for k in keys]
    known = [str(k) for k in keys]
    for name in given:
        if str(name) not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            raise ArgumentError(
                message(
                    "compile",
                    f"{what} names the output {name!r}, which the model does not have",
                    [("outputs", ", ".join(known))],
                    f"Did you mean {near[0]!r}?" if near else "Keys must be the names of the output layers",
                )
            )
    return [given.get(k, given.get(str(k))) for k in keys]


def aligned(what: str, data: Any, y_pred: Any, keys: list) -> list[Any]:
    """Labels or weights, one for each output."""
    count = len(keys)
    if data is None:
        return [None] * count
    if isinstance(data, dict):
        flat = dict(zip(paths(data), tree.leaves(data), strict=True))
        if count == 1 and len(flat) == 1:
            return list(flat.values())
        missing = [k for k in keys if str(k) not in flat]
        if len(missing) == count:
            raise ArgumentError(
                message(
                    "fit", f"{what} has the keys {', '.join(flat)}, the model's outputs are {', '.join(map(str, keys))}"
                )
            )
        return [flat.get(str(k)) for k in keys]
    if tree.is_nested(data):
        flat_list = tree.flatten(data)
        if len(flat_list) != count:
            raise ArgumentError(
                message(
                    "fit",
                    f"{what} has {len(flat_list)} arrays, the model {count} output(s)",
                    [("outputs", ", ".join(map(str, keys)))],
                )
            )
        return flat_list
    if count > 1:
        if what == "sample_weight":
            return [data] * count
        raise ArgumentError(
            message(
                "fit", f"{what} is one array, the model has {count} outputs", [("outputs", ", ".join(map(str, keys)))]
            )
        )
    return [data]


class CompiledLoss:
    """The losses of all outputs, their weights and trackers."""

    def __init__(self, loss: Any, loss_weights: Any, output_names: list[str] | None):
        self.user_loss, self.user_weights, self.output_names = loss, loss_weights, output_names
        self.built = False
        self.metrics: list[Mean] = []
        self.parts: list[tuple[int, Loss, float | None, str]] = []
        self.keys: list = []
        self.single: tuple[Loss, float | None] | None = None
        if isinstance(loss, str):
            losses_module.get(
                loss
            ) if loss.lower() not in CROSSENTROPY else None  # an unknown name is an error of compile's line
        elif isinstance(loss, (list, tuple, dict)):
            for x in tree.leaves(loss):
                if isinstance(x, str) and x.lower() not in CROSSENTROPY:
                    losses_module.get(x)

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Decide which loss belongs to which output."""
        self.keys = output_keys(y_pred, self.output_names)
        targets = aligned("y", y_true, y_pred, self.keys)
        chosen = for_outputs("loss", self.user_loss, y_pred, self.keys, broadcast=True)
        weights = for_outputs("loss_weights", self.user_weights, y_pred, self.keys, broadcast=True)
        self.parts = []
        for i, (pred, true, identifier, weight) in enumerate(
            zip(tree.flatten(y_pred), targets, chosen, weights, strict=True)
        ):
            if identifier is None:
                continue
            if true is None:
                raise ArgumentError(message("fit", f"the output {self.keys[i]!r} has a loss but no labels"))
            made = loss_object(identifier, true, pred)
            if made is not None:
                self.parts.append((i, made, weight, str(self.keys[i] or made.name)))
        if not self.parts:
            raise ArgumentError(message("compile", "no output has a loss"))
        if len(self.parts) > 1:
            self.metrics = [Mean(name=f"{name}_loss") for *_, name in self.parts]
        if len(self.keys) == 1:
            self.single = (self.parts[0][1], self.parts[0][2])
        self.built = True

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The weighted sum of the losses."""
        if not self.built:
            self.build(y_true, y_pred)
        if (
            self.single is not None
            and not isinstance(y_pred, (list, tuple, dict))
            and not isinstance(y_true, (list, tuple, dict))
        ):
            loss, factor = self.single
            value = loss(y_true, y_pred, sample_weight)
            return value if factor is None else value * factor
        return self.total(y_true, y_pred, sample_weight)

    def total(self, y_true: Any, y_pred: Any, sample_weight: Any) -> Any:
        preds = tree.flatten(y_pred)
        targets = aligned("y", y_true, y_pred, self.keys)
        weights = aligned("sample_weight", sample_weight, y_pred, self.keys)
        trackers: Iterator = iter(self.metrics) if self.metrics else iter([None] * len(self.parts))
        total = None
        for (i, loss, factor, _), tracker in zip(self.parts, trackers, strict=True):
            value = loss(targets[i], preds[i], weights[i])
            if tracker is not None:
                tracker.add_batch(value.detach(), preds[i].shape[0])
            value = value if factor is None else value * factor
            total = value if total is None else total + value
        return total


class CompiledMetrics(Metric):
    """The metrics of all outputs."""

    def __init__(self, metrics: Any, weighted_metrics: Any, output_names: list[str] | None):
        super().__init__(name="compile_metrics")
        for what, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if given and not isinstance(given, (list, tuple, dict)):
                raise ArgumentError(message("compile", f"expected `{what}` argument to be a list, tuple, or dict, got "
                    f"{given!r}",
                                            cure=f"Write {what}=[{given!r}]"))  # fmt: skip
            for x in tree.leaves(given) if given else ():
                if isinstance(x, str) and x.lower() not in AUTOMATIC:
                    METRICS.find(x)
        self.user, self.user_weighted, self.output_names = metrics, weighted_metrics, output_names
        self.built = False
        self.parts: list[tuple[int, Metric, str, bool]] = []
        self.keys: list = []

    @property
    def metrics(self) -> list[Metric]:
        return [m for _, m, _, _ in self.parts]

    @property
    def variables(self):
        return [v for m in self.metrics for v in m.variables]

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Decide which metric looks at which output, and under which name its value is shown."""
        self.keys = output_keys(y_pred, self.output_names)
        preds, targets = tree.flatten(y_pred), aligned("y", y_true, y_pred, self.keys)
        self.parts = []
        for given, weighted in ((self.user, False), (self.user_weighted, True)):
            if not given:
                continue
            chosen = (
                [given if not isinstance(given, dict) else tree.flatten(given)]
                if len(self.keys) == 1
                else for_outputs(
                    "weighted_metrics" if weighted else "metrics", given, y_pred, self.keys, broadcast=False
                )
            )
            for i, identifiers in enumerate(chosen):
                for identifier in tree.leaves(identifiers) if identifiers is not None else ():
                    if identifier is not None:
                        self.parts.append(self.part(i, identifier, targets[i], preds[i], weighted))
        self.built = True

    def part(self, i: int, identifier: Any, target: Any, pred: Any, weighted: bool) -> tuple[int, Metric, str, bool]:
        made = metric_object(identifier, target, pred)
        name = f"{self.keys[i]}_{made.name}" if len(self.keys) > 1 and self.keys[i] is not None else made.name
        taken = {n for _, _, n, _ in self.parts}
        if weighted and name in taken:
            name = f"weighted_{made.name}" if len(self.keys) == 1 else f"{self.keys[i]}_weighted_{made.name}"
        base, count = name, 1
        while name in taken:
            name, count = f"{base}_{count}", count + 1
        return i, made, name, weighted

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Take in a batch."""
        if not self.built:
            self.build(y_true, y_pred)
        if (
            len(self.keys) == 1
            and not isinstance(y_pred, (list, tuple, dict))
            and not isinstance(y_true, (list, tuple, dict))
        ):
            for _, m, _, weighted in self.parts:
                if weighted and sample_weight is not None:
                    m.update_state(y_true, y_pred, sample_weight)
                else:
                    m.update_state(y_true, y_pred)
            return
        preds, targets = tree.flatten(y_pred), aligned("y", y_true, y_pred, self.keys)
        weights = aligned("sample_weight", sample_weight, y_pred, self.keys)
        for i, m, _, weighted in self.parts:
            if targets[i] is not None:
                m.update_state(targets[i], preds[i], weights[i] if weighted else None)

    def result(self) -> dict[str, Any]:
        return {name: m.result() for _, m, name, _ in self.parts}

    def reset_state(self) -> None:
        for m in self.metrics:
            m.reset_state()
