"""compile, fit, evaluate, predict and their steps. The loops are those of `dovetail.train`; here is Keras's face on
them.

A default training step records forward, losses, metrics, backward and the optimizer's update, and runs as one program.
A model that overrides `train_step` gets what Keras would give it, and its returned logs are looked at as late.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, GradientError, message, warn
from dovetail.base.source import line_of
from dovetail.keras import optimizers
from dovetail.keras.config import is_interactive_logging_enabled
from dovetail.keras.context import context, training_phase
from dovetail.keras.layers.layer import Layer
from dovetail.keras.lookup import deserialize, serialize
from dovetail.keras.metrics.base import Metric
from dovetail.keras.metrics.means import Mean
from dovetail.keras.models.compiled import CompiledLoss, CompiledMetrics
from dovetail.keras.models.host_code import numpy_line
from dovetail.tensor.modes import no_grad
from dovetail.tensor.recorder import current
from dovetail.tensor.tensor import Tensor
from dovetail.train import loop
from dovetail.train.batches import as_tensor, batches_from, split, unpacked
from dovetail.train.callbacks import CallbackList, History

COMPILED: weakref.WeakSet = weakref.WeakSet()


class Trainer(Layer):
    """A layer that can be compiled and trained."""

    stop_training = False
    compiled = False
    optimizer: Any = None
    loss: Any = None
    run_eagerly = False
    jit_compile = False
    steps_per_execution = 1

    # -- compile -----------------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
    ):
        """Choose optimizer, losses and metrics, by name or object; for several outputs as lists or dicts by output
        name.

        run_eagerly, steps_per_execution, jit_compile: accepted; every step is compiled and every line can be debugged.
        Raises: ArgumentError for names that are not known, with the nearest ones.
        """
        own = self.__dict__
        made = optimizers.get(optimizer) if not is_torch_optimizer(optimizer) else optimizer
        own["_made_with_names"] = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        if made is None:
            raise ArgumentError(
                message("compile", "needs an optimizer", cure="For example model.compile(optimizer='adam', loss='mse')")
            )
        own.update(
            optimizer=made,
            loss=loss,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
        )
        names = getattr(self, "output_names", None)
        own["_compile_loss"] = None if loss is None else CompiledLoss(loss, loss_weights, names)
        own["_compile_metrics"] = (
            CompiledMetrics(metrics, weighted_metrics, names) if metrics or weighted_metrics else None
        )
        own["_loss_tracker"] = Mean(name="loss")
        own["compiled"], own["stop_training"] = True, False
        own["_trained_weights"] = None
        own["_weights_at_compile"] = self.trainable_weights if self.built else None
        own["_compile_time"] = context.clock = context.clock + 1
        own["_default_steps"] = None
        COMPILED.add(self)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with the settings that get_compile_config gave."""
        from_config = dict(config)
        from_config["optimizer"] = (
            optimizers.deserialize(config["optimizer"])
            if isinstance(config["optimizer"], dict)
            else config["optimizer"]
        )
        self.compile(**{k: revived(v) if k not in ("optimizer",) else v for k, v in from_config.items()})
        if self.built and hasattr(self.optimizer, "build"):
            self.optimizer.build(self.trainable_variables)

    def get_compile_config(self) -> dict[str, Any] | None:
        """The settings of compile as plain values; None where it was not called."""
        if not self.compiled:
            return None
        return {k: serialize(v) for k, v in self._made_with_names.items()}

    def _check_compiled(self, call: str, need_loss: bool = True) -> None:
        if not self.compiled:
            raise ArgumentError(
                message(
                    f"{call} of model {self.name!r}",
                    "the model must be compiled first: it has no optimizer and no loss yet",
                    [],
                    "Call model.compile(optimizer='adam', loss='mse', metrics=[...]) before " + call + "()",
                )
            )

    # -- metrics -----------------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> list[Metric]:
        """The loss tracker, the compiled metrics, and metrics that are attributes here or in layers."""
        found: list[Metric] = []
        if self.compiled:
            found.append(self._loss_tracker)
            if self._compile_metrics is not None:
                found.append(self._compile_metrics)
            if self._compile_loss is not None:
                found += self._compile_loss.metrics
        found += self._metric_list
        for layer in self._flatten_layers(include_self=False):
            if isinstance(layer, Layer) and not isinstance(layer, Trainer):
                found += [m for m in layer._metric_list if not any(m is f for f in found)]
        return found

    @property
    def metrics_names(self) -> list[str]:
        return [m.name for m in self.metrics]

    def reset_metrics(self) -> None:
        """Start counting anew."""
        for m in self.metrics:
            m.reset_state()

    def metric_values(self) -> dict[str, Any]:
        """The values of all metrics so far, by name."""
        found: dict[str, Any] = {}
        for m in self.metrics:
            value = m.result()
            if isinstance(value, dict):
                found.update(value)
            else:
                found[m.name] = value
        return found

    get_metrics_result = metric_values

    def _in_order(self, logs: dict[str, Any]) -> Any:
        """Values as evaluate returns them: the loss, then the metrics in the order of compile."""
        names: list[str] = []
        for m in self.metrics:
            names += [n for _, _, n, _ in m.parts] if isinstance(m, CompiledMetrics) else [m.name]
        values = [logs[n] for n in names if n in logs] + [logs[n] for n in sorted(logs) if n not in names]
        return values[0] if len(values) == 1 else values

    # -- losses ------------------------------------------------------------------------------------------------------

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The compiled losses plus add_loss and regularizers, one scalar. Override it for a loss of your own."""
        losses = []
        if self._compile_loss is not None and y is not None:
            context.output_layer, context.output_model = self._output_layer_name(), self
            losses.append(self._compile_loss(y, y_pred, sample_weight))
        losses += [loss.sum() if loss.ndim else loss for loss in self.losses]
        if not losses:
            raise ArgumentError(
                message(
                    f"model {self.name!r}",
                    "no loss to compute: provide a `loss` argument in compile(), or call add_loss in a layer",
                    [("y", y)] if y is not None else ["fit was given no y"],
                    "model.compile(optimizer=..., loss='mse')",
                )
            )
        total = losses[0]
        for loss in losses[1:]:
            total = total + loss
        return total

    def _compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return self.compute_loss(x, y, y_pred, sample_weight)

    def compute_metrics(self, x, y, y_pred, sample_weight=None) -> dict[str, Any]:
        """Update the compiled metrics and return all values."""
        if self._compile_metrics is not None and y is not None:
            self._compile_metrics.update_state(y, y_pred, sample_weight)
        return self.metric_values()

    def compiled_loss(self, y_true, y_pred, sample_weight=None, regularization_losses=None):
        """tf.keras 2's name: the compiled losses plus these."""
        total = self._compile_loss(y_true, y_pred, sample_weight)
        for loss in regularization_losses or []:
            total = total + loss
        self._loss_tracker.add_batch(total.detach(), first_size(y_pred))
        return total

    @property
    def compiled_metrics(self):
        return self._compile_metrics if self._compile_metrics is not None else CompiledMetrics(None, None, None)

    def _output_layer_name(self) -> str:
        return ""

    # -- steps -------------------------------------------------------------------------------------------------------

    def train_step(self, data) -> dict[str, Any]:
        """One training step on (x, y, sample_weight); override it for steps of your own. Returns the values so far."""
        x, y, w = unpacked(data, "train_step")
        self._default_train_step(x, y, w)
        return self.metric_values()

    def test_step(self, data) -> dict[str, Any]:
        """One evaluation step."""
        x, y, w = unpacked(data, "test_step")
        self._default_test_step(x, y, w)
        return self.metric_values()

    def predict_step(self, data) -> Any:
        """One prediction step."""
        x, _, _ = unpacked(data, "predict_step")
        return self._run(x, False)

    def _run(self, x: Any, training: bool) -> Any:
        """The model on a batch, in a phase."""
        before = context.training
        context.training = training
        try:
            return self(x, training=training) if self._passes_training else self(x)
        finally:
            context.training = before

    _passes_training = False

    def _default_train_step(self, x, y, w) -> None:
        weights = self._weights_to_train()
        if context.losses_added:
            self._clear_losses()
            context.losses_added = False
        y_pred = self._run(x, True)
        loss = self._loss_of(x, y, y_pred, w)
        size = first_size(x)
        self._loss_tracker.add_batch(loss, size)
        if self._compile_metrics is not None and y is not None:
            self._compile_metrics.update_state(y, y_pred, w)
        optimizer = self.optimizer
        scaled = loss if getattr(optimizer, "loss_scale_factor", None) is None else optimizer.scale_loss(loss)
        if not weights:
            warn_no_weights(self)
            return
        if not scaled._meta.requires_grad:
            raise self._no_gradient(loss)
        self._descend(optimizer, scaled, weights)

    def _descend(self, optimizer: Any, loss: Tensor, weights: list) -> None:
        for v in weights:
            v._grad = None
        loss.backward()
        if hasattr(optimizer, "param_groups"):
            optimizer.step()
        else:
            optimizer.step(
                weights if all([v._grad is not None for v in weights]) else self._reached(optimizer, weights)
            )
        for v in weights:
            v._grad = None

    def _reached(self, optimizer: Any, weights: list) -> list:
        """The weights that the loss depends on."""
        if not optimizer.built:
            optimizer.build(weights)
        found = [v for v in weights if v._grad is not None]
        missing = tuple(getattr(v, "path", "weight") for v in weights if v._grad is None)
        if missing not in WARNED:
            WARNED.add(missing)
            warn(
                message(
                    f"fit of model {self.name!r}",
                    f"gradients do not exist for the variables {list(missing)} when minimizing the loss",
                    cure="The loss does not depend on them; if it should, check that their layers are used in call()",
                )
            )
        return found

    def _loss_of(self, x, y, y_pred, w) -> Tensor:
        if type(self).compute_loss is not Trainer.compute_loss:
            return self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=w)
        if self._compile_loss is None or y is None or context.losses_added or self._regularized():
            return self.compute_loss(x, y, y_pred, w)
        if not self._compile_loss.built:
            context.output_layer, context.output_model = self._output_layer_name(), self
        return self._compile_loss(y, y_pred, w)

    def _regularized(self) -> bool:
        known = self.__dict__.get("_has_regularizers")
        if known is None:
            known = any(getattr(v, "regularizer", None) is not None for v in self.trainable_weights)
            self.__dict__["_has_regularizers"] = known
        return known

    def _default_test_step(self, x, y, w) -> None:
        if context.losses_added:
            self._clear_losses()
            context.losses_added = False
        y_pred = self._run(x, False)
        if self._compile_loss is not None or type(self).compute_loss is not Trainer.compute_loss:
            loss = self._loss_of(x, y, y_pred, w)
            self._loss_tracker.add_batch(loss, first_size(x))
        if self._compile_metrics is not None and y is not None:
            self._compile_metrics.update_state(y, y_pred, w)

    def _no_gradient(self, loss: Any) -> GradientError:
        name = getattr(self.loss, "__name__", None) or str(self.loss)
        left = numpy_line(self.loss)
        return GradientError(
            message(
                f"fit of model {self.name!r}",
                f"the loss {name!r} does not depend on the model's weights through tensor functions, so it has no "
                "gradient",
                [("loss", loss), *([("it goes through NumPy on", left)] if left else [])],
                "A loss must be computed from y_pred with tensor functions (keras.ops.mean, keras.ops.abs, "
                "tf.reduce_mean, ...), not with NumPy",
            )
        )

    # What `dovetail.train.loop` calls ---------------------------------------------------------------------------------

    def train_on(self, batch) -> Any:
        """One training step of fit."""
        if type(self).train_step is Trainer.train_step:
            x, y, w = batch
            self._default_train_step(x, y, w)
            return None
        self._weights_to_train()
        if context.losses_added:
            self._clear_losses()
            context.losses_added = False
        return self.train_step(as_data(*batch))

    def test_on(self, batch) -> Any:
        """One evaluation step."""
        if type(self).test_step is Trainer.test_step:
            x, y, w = batch
            self._default_test_step(x, y, w)
            return None
        return self.test_step(as_data(*batch))

    def predict_on(self, batch) -> Any:
        """One prediction step: arrays."""
        x, y, w = batch
        out = (
            self._run(x, False)
            if type(self).predict_step is Trainer.predict_step
            else self.predict_step(as_data(x, y, w))
        )
        return tree.map_leaves(lambda t: t._array() if isinstance(t, Tensor) else np.asarray(t), out)

    # -- which weights are trained -------------------------------------------------------------------------------------

    def _weights_to_train(self) -> list:
        """The weights that were trainable when training began after compile; says so where layers were frozen since."""
        trained = self._trained_weights if self.compiled else None
        if trained is not None:
            return trained
        if not self.built:
            return DEFERRED
        now = self.trainable_weights
        before = self.__dict__.get("_weights_at_compile")
        if not now and before:
            now = before  # all frozen for another model that was compiled later, as in adversarial training
            for v in now:
                v.requires_grad_(True)
        if self.compiled:
            self.__dict__["_trained_weights"] = now
        return now

    def _follow_compile(self) -> list:
        """At the start of fit: let exactly the weights of `compile` take gradients. Returns what to undo."""
        trained = self._trained_weights
        if trained is None:
            return []
        now = self.trainable_weights
        mine, current_ids = {id(v) for v in trained}, {id(v) for v in now}
        if mine == current_ids:
            return []
        changed = [layer for layer in self._flatten_layers() if isinstance(layer, Layer) and any(
            (id(v) in mine) != (id(v) in current_ids) for v in layer._trainable_variables)]  # fmt: skip
        if not any(
            self is not m and m.__dict__.get("_compile_time", 0) > self._compile_time and shares(m, self)
            for m in COMPILED
        ):
            at = line_of(changed[0].__dict__.get("_trainable_set_at")) if changed else ""
            names = ", ".join(repr(layer.name) for layer in changed) + (f" ({at})" if at else "")
            warn(
                message(
                    f"fit of model {self.name!r}",
                    f"`trainable` of {names} was changed after compile(): training goes on "
                    "with the weights that were trainable before",
                    cure="Call model.compile(...) again after setting trainable",
                )
            )
        undo = []
        for v in self.weights:
            wanted = id(v) in mine
            if v._meta.requires_grad != wanted and v._meta.dtype.is_differentiable and (wanted or id(v) in current_ids):
                undo.append((v, v._meta.requires_grad))
                v.requires_grad_(wanted)
        return undo

    # -- fit, evaluate, predict ----------------------------------------------------------------------------------------

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ) -> History:
        """Train for `epochs` passes over the data.

        x, y: arrays, tensors, lists or dicts of these; or x alone: a DataLoader, dataset or generator of (x, y)
        batches. validation_data: (x, y), (x, y, weights) or a loader; validation_split: share of the samples (the last
        ones) held out. class_weight: {class: weight}; verbose: 0 silent, 1 a bar, 2 a line an epoch. Returns: a
        History, whose `history` has the values of every epoch.
        """
        self._check_compiled("fit")
        if validation_split and validation_data is None:
            if not hasattr(x, "shape") and not isinstance(x, (list, tuple, dict)) and not hasattr(x, "to_numpy"):
                raise ArgumentError(
                    message(
                        "fit",
                        "validation_split needs arrays or tensors",
                        cure="Give a loader for validation as validation_data",
                    )
                )
            (x, y, sample_weight), validation_data = split("fit", validation_split, x, y, sample_weight)
        source = batches_from(x, y, sample_weight, batch_size=batch_size, shuffle=shuffle, steps=steps_per_epoch,
                              class_weight=class_weight, call="fit")  # fmt: skip
        held_out = self._validation(validation_data, validation_batch_size or batch_size, validation_steps)
        self._build_on(source)
        verbose = self._verbosity(verbose)
        calls = callbacks if isinstance(callbacks, CallbackList) else CallbackList(
            callbacks, add_history=True, model=self, epochs=epochs, steps=source.steps, verbose=verbose)  # fmt: skip
        undo = self._follow_compile()
        self._set_module_modes(True)

        def validate(data):
            self._set_module_modes(False)
            try:
                return loop.evaluate(self, data, calls, verbose=0)
            finally:
                self._set_module_modes(True)

        try:
            loop.fit(
                self,
                source,
                calls,
                epochs=epochs,
                initial_epoch=initial_epoch,
                verbose=verbose,
                validation=held_out,
                validation_freq=validation_freq,
                evaluate=validate,
            )
        finally:
            for v, wanted in undo:
                v.requires_grad_(wanted)
            context.output_layer, context.output_model = "", None
        if hasattr(self.optimizer, "finalize_variable_values"):
            self.optimizer.finalize_variable_values(self.trainable_weights)
        return self.history

    def _validation(self, data: Any, batch_size: int | None, steps: int | None) -> Any:
        if data is None:
            return None
        if isinstance(data, (tuple, list)) and not hasattr(data, "__next__"):
            if not 1 <= len(data) <= 3:
                raise ArgumentError(
                    message("fit", f"validation_data must be (x, y) or (x, y, sample_weight), got {len(data)} parts")
                )
            x, y, w = (*data, None, None)[:3]
        else:
            x, y, w = data, None, None
        return batches_from(
            x, y, w, batch_size=batch_size, shuffle=False, steps=steps, class_weight=None, call="fit(validation_data)"
        )

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        **kwargs,
    ):
        """The loss and the metrics over data, as a list (a single number without metrics) or a dict."""
        self._check_compiled("evaluate")
        source = batches_from(
            x, y, sample_weight, batch_size=batch_size, shuffle=False, steps=steps, class_weight=None, call="evaluate"
        )
        verbose = self._verbosity(verbose)
        calls = (
            callbacks
            if isinstance(callbacks, CallbackList)
            else CallbackList(callbacks, model=None, steps=source.steps, verbose=verbose)
        )
        for c in calls.callbacks:
            c.set_model(self)
        self._set_module_modes(False)
        logs = loop.evaluate(self, source, calls, verbose=verbose)
        return logs if return_dict else self._in_order(logs)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """The model's outputs for data, as NumPy arrays."""
        source = batches_from(
            x, None, None, batch_size=batch_size, shuffle=False, steps=steps, class_weight=None, call="predict"
        )
        verbose = self._verbosity(verbose)
        calls = (
            callbacks
            if isinstance(callbacks, CallbackList)
            else CallbackList(callbacks, model=None, steps=source.steps, verbose=verbose)
        )
        for c in calls.callbacks:
            c.set_model(self)
        self._set_module_modes(False)
        outputs = loop.predict(self.predict_on, self, source, calls, verbose=verbose)
        return tree.map_leaves(lambda *parts: np.concatenate(parts) if len(parts) > 1 else np.array(parts[0]), *outputs)

    def _verbosity(self, verbose: Any) -> int:
        if not is_interactive_logging_enabled():
            return 0
        return 1 if verbose == "auto" else int(verbose)

    def _set_module_modes(self, training: bool) -> None:
        """torch-style modules inside follow the phase; Keras layers are told with every call."""
        for module in self.modules():
            if not isinstance(module, Layer):
                module.__dict__["training"] = training

    def _build_on(self, source: Any) -> None:
        """Make the weights before the first step, so that the step is the same program as the next ones."""
        if self.built and self._weights_ready():
            return
        x = getattr(source, "x", None)
        if x is not None and self._can_be_called():
            first = tree.map_leaves(lambda a: Tensor.from_array(np.ascontiguousarray(a[: min(len(a), 2)])), x)
            with no_grad(), training_phase(False):
                self._build_from(first)

    def _weights_ready(self) -> bool:
        return True

    def _can_be_called(self) -> bool:
        """Whether there is a `call` to build by; a train_step of one's own may do without."""
        return True

    def _build_from(self, x: Any) -> None:
        """Make all weights by a call in shapes only."""
        self(x, training=False) if self._passes_training else self(x)
        current().close()

    # -- single batches ------------------------------------------------------------------------------------------------

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """One training step; returns the loss (and metrics so far)."""
        self._check_compiled("train_on_batch")
        source = batches_from(
            x,
            y,
            sample_weight,
            batch_size=2**62,
            shuffle=False,
            steps=None,
            class_weight=class_weight,
            call="train_on_batch",
        )
        self._build_on(source)
        undo = self._follow_compile()
        try:
            return self._one_batch(next(iter(source)), self.train_on, return_dict)
        finally:
            for v, wanted in undo:
                v.requires_grad_(wanted)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """One evaluation step; returns the loss (and metrics so far)."""
        self._check_compiled("test_on_batch")
        source = batches_from(
            x, y, sample_weight, batch_size=2**62, shuffle=False, steps=None, class_weight=None, call="test_on_batch"
        )
        with no_grad():
            return self._one_batch(next(iter(source)), self.test_on, return_dict)

    def _one_batch(self, batch, step, return_dict: bool) -> Any:
        try:
            logs = step(batch)
        except BaseException:
            loop.abandon_step()
            raise
        values = loop.as_numbers(logs if isinstance(logs, dict) else self.metric_values())
        current().close()
        return values if return_dict else self._in_order(values)

    def predict_on_batch(self, x):
        """The outputs for one batch, as arrays."""
        with no_grad():
            made = self.predict_on((tree.map_leaves(as_tensor, x), None, None))
        return tree.map_leaves(np.array, made)

    # Keras builds these functions ahead; here there is nothing to build.
    def make_train_function(self, force=False):
        """The function of one training step over an iterator."""
        return lambda iterator: self.train_on(unpacked(next(iterator), "train_function"))

    def make_test_function(self, force=False):
        return lambda iterator: self.test_on(unpacked(next(iterator), "test_function"))

    def make_predict_function(self, force=False):
        return lambda iterator: self.predict_on(unpacked(next(iterator), "predict_function"))


DEFERRED: list = []
WARNED: set = set()


def shares(other: Trainer, model: Trainer) -> bool:
    """Whether another model has weights of this one."""
    mine = {id(v) for v in model.weights}
    return any(id(v) in mine for v in other.weights)


def warn_no_weights(model: Trainer) -> None:
    if ("none", model.name) not in WARNED:
        WARNED.add(("none", model.name))
        warn(
            message(
                f"fit of model {model.name!r}",
                "the model does not have any trainable weights, so training changes nothing",
            )
        )


def is_torch_optimizer(optimizer: Any) -> bool:
    return hasattr(optimizer, "param_groups") and hasattr(optimizer, "step")


def first_size(x: Any) -> int:
    """The number of samples of a batch."""
    if isinstance(x, Tensor):
        return x._meta.shape[0] if x._meta.shape else 1
    first = next(iter(tree.leaves(x)))
    return first.shape[0] if len(first.shape) else 1


def as_data(x, y, w) -> Any:
    """A batch as `train_step` receives it."""
    if y is None:
        return (x,) if tree.is_nested(x) else x
    return (x, y) if w is None else (x, y, w)


def revived(config: Any) -> Any:
    """A serialized value of compile as an object."""
    if isinstance(config, dict) and "class_name" in config:
        return deserialize(config)
    if isinstance(config, dict):
        return {k: revived(v) for k, v in config.items()}
    return [revived(v) for v in config] if isinstance(config, list) else config
