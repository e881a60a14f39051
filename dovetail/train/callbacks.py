"""Callbacks: what is called at the turns of training. Their `model` is whatever is trained, of either dialect."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, message, warn


class Callback:
    """Base: override the turns you need. `self.model` is the model, `self.params` has epochs, steps and verbose.

    Source: keras.callbacks.Callback.
    """

    def __init__(self):
        self.params: dict[str, Any] = {}
        self._model: Any = None

    params: dict[str, Any] = {}
    _model: Any = None

    @property
    def model(self) -> Any:
        return self._model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def set_model(self, model: Any) -> None:
        self._model = model

    def on_batch_begin(self, batch, logs=None):
        """Older name of on_train_batch_begin."""

    def on_batch_end(self, batch, logs=None):
        """Older name of on_train_batch_end."""

    def on_epoch_begin(self, epoch, logs=None):
        """Before an epoch of training."""

    def on_epoch_end(self, epoch, logs=None):
        """After an epoch and its validation; logs holds all values."""

    def on_train_batch_begin(self, batch, logs=None):
        """Before a training step."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch, logs=None):
        """After a training step. Reading logs waits for the step; steps that nobody reads do not wait."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch, logs=None):
        """Before an evaluation step."""

    def on_test_batch_end(self, batch, logs=None):
        """After an evaluation step."""

    def on_predict_batch_begin(self, batch, logs=None):
        """Before a prediction step."""

    def on_predict_batch_end(self, batch, logs=None):
        """After a prediction step."""

    def on_train_begin(self, logs=None):
        """Before training."""

    def on_train_end(self, logs=None):
        """After training."""

    def on_test_begin(self, logs=None):
        """Before evaluation."""

    def on_test_end(self, logs=None):
        """After evaluation."""

    def on_predict_begin(self, logs=None):
        """Before prediction."""

    def on_predict_end(self, logs=None):
        """After prediction."""


BATCH_TURNS = (
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
    "on_predict_batch_begin",
    "on_predict_batch_end",
)


class CallbackList:
    """Several callbacks as one; knows which of them want to hear of every batch."""

    def __init__(
        self,
        callbacks: Iterable[Any] | Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params,
    ):
        given = [] if callbacks is None else list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
        for c in given:
            if not hasattr(c, "set_model"):
                raise ArgumentError(
                    message(
                        "callbacks",
                        f"{c!r} is no callback",
                        [("type", type(c).__name__)],
                        "Pass objects, such as keras.callbacks.EarlyStopping(), or subclasses of "
                        "keras.callbacks.Callback",
                    )
                )
        self.callbacks = given
        self._history: History | None = next((c for c in given if isinstance(c, History)), None)
        if add_history and self._history is None:
            self._history = History()
            self.callbacks.append(self._history)
        self.batch_hooks: dict[str, list[Callable]] = {}
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    @property
    def params(self) -> dict[str, Any]:
        return self._params

    @property
    def model(self) -> Any:
        return self._model

    def append(self, callback: Any) -> None:
        self.callbacks.append(callback)
        self.find_batch_hooks()

    def set_params(self, params: dict[str, Any]) -> None:
        self._params = params
        for c in self.callbacks:
            c.set_params(params)
        self.find_batch_hooks()

    def set_model(self, model: Any) -> None:
        self._model = model
        if self._history is not None and hasattr(model, "__dict__"):
            model.history = self._history
        for c in self.callbacks:
            c.set_model(model)

    def find_batch_hooks(self) -> None:
        """The bound methods that do something; a turn without any costs nothing."""
        self.batch_hooks = {
            turn: [getattr(c, turn) for c in self.callbacks if overrides(c, turn)] for turn in BATCH_TURNS
        }

    def call(self, turn: str, *args, **kwargs) -> None:
        for c in self.callbacks:
            getattr(c, turn)(*args, **kwargs)

    def __getattr__(self, turn: str) -> Callable:
        if not turn.startswith("on_"):
            raise AttributeError(turn)
        return lambda *args, **kwargs: self.call(turn, *args, **kwargs)


def overrides(callback: Any, turn: str) -> bool:
    kind = type(callback)
    if getattr(kind, turn, None) is not getattr(Callback, turn) or turn in vars(callback):
        return hasattr(callback, turn)
    older = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}.get(turn)
    return older is not None and (getattr(kind, older) is not getattr(Callback, older) or older in vars(callback))


class History(Callback):
    """What fit returns: `history` maps each name to its value after each epoch, `epoch` lists the epochs."""

    def __init__(self):
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs=None):
        self.epoch = []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        if hasattr(self.model, "__dict__"):
            self.model.history = self


class BaseLogger(Callback):
    """Accepted for older programs: values are means over the epoch anyway."""


class ProgbarLogger(Callback):
    """Accepted for older programs: `verbose` of fit decides what is printed."""

    def __init__(self, *args, **kwargs):
        super().__init__()


class LambdaCallback(Callback):
    """Functions at the turns of training."""

    def __init__(
        self,
        on_epoch_begin=None,
        on_epoch_end=None,
        on_train_begin=None,
        on_train_end=None,
        on_train_batch_begin=None,
        on_train_batch_end=None,
        **kwargs,
    ):
        super().__init__()
        turns = dict(
            on_epoch_begin=on_epoch_begin,
            on_epoch_end=on_epoch_end,
            on_train_begin=on_train_begin,
            on_train_end=on_train_end,
            on_train_batch_begin=on_train_batch_begin,
            on_train_batch_end=on_train_batch_end,
            **kwargs,
        )
        for turn, function in turns.items():
            if function is not None:
                setattr(self, turn, function)


class TerminateOnNaN(Callback):
    """Stops training when the loss is NaN or infinite. Looks at the loss of every step."""

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            print(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True


class Monitor(Callback):
    """Base of callbacks that follow one value and know which direction is better."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0):
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warn(message(type(self).__name__, f"mode {mode!r} is unknown, falling back to 'auto'"))
            mode = "auto"
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        self.sign = 0

    def value(self, logs: dict[str, float]) -> float | None:
        """The value followed; warns where it is not among the logs."""
        if self.monitor not in logs:
            cure = "Give fit validation_data or validation_split" if self.monitor.startswith("val_") else ""
            warn(message(type(self).__name__, f"conditioned on metric `{self.monitor}` which is not available",
                         [f"available: {', '.join(logs)}"], cure))  # fmt: skip
            return None
        if not self.sign:
            self.sign = self.direction()
        return float(logs[self.monitor])

    def direction(self) -> int:
        """-1 where smaller is better, 1 where larger is."""
        if self.mode != "auto":
            return -1 if self.mode == "min" else 1
        name = self.monitor.removeprefix("val_")
        for metric in getattr(self.model, "metrics", ()) or ():
            inner = getattr(metric, "metrics", None) or [metric]
            for m in inner:
                if getattr(m, "name", None) == name and getattr(m, "_direction", None):
                    return 1 if m._direction == "up" else -1
        up = (
            name.endswith(("acc", "accuracy", "auc")) or name.startswith("fmeasure") or "accuracy" in name or name in UP
        )
        return 1 if up else -1

    def better(self, value: float, best: float | None) -> bool:
        if best is None:
            return True
        return (value - best) * self.sign > self.min_delta


UP = (
    "precision",
    "recall",
    "f1_score",
    "fbeta_score",
    "mean_io_u",
    "iou",
    "top2",
    "acc",
    "r2_score",
    "cosine_similarity",
)


def weights_of(model: Any) -> Any:
    """A copy of all weights, to be given to `restore`."""
    if hasattr(model, "get_weights"):
        return model.get_weights()
    return {k: np.array(v.detach().numpy()) for k, v in model.state_dict().items()}


def restore(model: Any, weights: Any) -> None:
    """Put weights back that `weights_of` copied."""
    if hasattr(model, "set_weights"):
        model.set_weights(weights)
    else:
        own = model.state_dict()
        model.load_state_dict({k: own[k].new_tensor(v) for k, v in weights.items()})


class EarlyStopping(Monitor):
    """Stops when the value followed has not improved for `patience` epochs.

    min_delta: what counts as an improvement; baseline: a value to beat; restore_best_weights: go back to the best
    epoch.
    """

    def __init__(
        self,
        monitor="val_loss",
        min_delta=0,
        patience=0,
        verbose=0,
        mode="auto",
        baseline=None,
        restore_best_weights=False,
        start_from_epoch=0,
    ):
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.best: float | None = None
        self.best_weights: Any = None
        self.best_epoch = self.stopped_epoch = self.wait = 0

    def on_train_begin(self, logs=None):
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best, self.best_weights, self.sign = None, None, 0

    def on_epoch_end(self, epoch, logs=None):
        value = self.value(logs or {})
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = weights_of(self.model), epoch
        self.wait += 1
        if self.better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = weights_of(self.model)
            if self.baseline is None or self.better(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            restore(self.model, self.best_weights)


class ModelCheckpoint(Monitor):
    """Saves the model (or its weights) after epochs, or every so many batches.

    filepath may name values: "best-{epoch:02d}-{val_loss:.3f}.keras". save_best_only: only where `monitor` improved.
    """

    def __init__(
        self,
        filepath,
        monitor="val_loss",
        verbose=0,
        save_best_only=False,
        save_weights_only=False,
        mode="auto",
        save_freq="epoch",
        initial_value_threshold=None,
    ):
        super().__init__(monitor, mode)
        self.filepath = os.fspath(filepath)
        self.verbose, self.save_best_only, self.save_weights_only, self.save_freq = (
            verbose,
            save_best_only,
            save_weights_only,
            save_freq,
        )
        self.best = initial_value_threshold
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ArgumentError(
                message("ModelCheckpoint", f"save_freq must be 'epoch' or a number of batches, got {save_freq!r}")
            )
        wanted = (
            (".weights.h5", ".safetensors") if save_weights_only else (".keras", ".h5", ".safetensors", ".pt", ".pth")
        )
        if not self.filepath.endswith(wanted):
            raise ArgumentError(
                message(
                    "ModelCheckpoint",
                    f"the filepath must end in {' or '.join(wanted[:2])} (save_weights_only={save_weights_only}), got "
                    f"{self.filepath!r}",
                )
            )
        self.batches = self.epoch = 0

    def on_train_batch_end(self, batch, logs=None):
        if self.save_freq != "epoch":
            self.batches += 1
            if self.batches >= self.save_freq:
                self.batches = 0
                self.save(self.epoch, batch, logs or {})

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if self.save_freq == "epoch":
            self.save(epoch, None, logs or {})

    def save(self, epoch: int, batch: int | None, logs: dict[str, float]) -> None:
        path = self.path(epoch, batch, logs)
        if self.save_best_only:
            value = self.value(logs)
            if value is None:
                return
            if not self.better(value, self.best):
                if self.verbose > 0:
                    print(f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {self.best:.5f}")
                return
            before, self.best = self.best, value
            if self.verbose > 0:
                start = "" if before is None else f" from {before:.5f}"
                print(f"\nEpoch {epoch + 1}: {self.monitor} improved{start} to {value:.5f}, saving model to {path}")
        elif self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: saving model to {path}")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def path(self, epoch: int, batch: int | None, logs: dict[str, float]) -> str:
        names = {"epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1}), **logs}
        try:
            return self.filepath.format(**names)
        except KeyError as missing:
            raise KeyError(
                f'Failed to format this callback filepath: "{self.filepath}". Reason: {missing} is not among '
                f"{sorted(names)}"
            ) from None


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch to schedule(epoch, rate now)."""

    def __init__(self, schedule, verbose=0):
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch, logs=None):
        rate = learning_rate(self.model)
        try:
            rate = self.schedule(epoch, rate)
        except TypeError:
            rate = self.schedule(epoch)
        try:
            rate = float(rate)
        except (TypeError, ValueError):
            raise ArgumentError(
                message("LearningRateScheduler", f"the `schedule` function should return a float, got {rate!r}")
            ) from None
        set_learning_rate(self.model, rate)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["learning_rate"] = learning_rate(self.model)


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when the value followed has not improved for `patience` epochs."""

    def __init__(
        self,
        monitor="val_loss",
        factor=0.1,
        patience=10,
        verbose=0,
        mode="auto",
        min_delta=1e-4,
        cooldown=0,
        min_lr=0.0,
        **kwargs,
    ):
        super().__init__(monitor, mode, min_delta)
        if factor >= 1.0:
            raise ArgumentError(message("ReduceLROnPlateau", f"does not support a factor >= 1.0, got {factor}"))
        self.factor, self.patience, self.verbose, self.cooldown, self.min_lr = (
            factor,
            patience,
            verbose,
            cooldown,
            min_lr,
        )
        self.best: float | None = None
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs=None):
        self.best, self.wait, self.cooldown_counter, self.sign = None, 0, 0, 0

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        logs["learning_rate"] = learning_rate(self.model)
        value = self.value(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter <= 0:
            self.wait += 1
            if self.wait >= self.patience:
                self.reduce(epoch)

    def reduce(self, epoch: int) -> None:
        old = learning_rate(self.model)
        if old > np.float32(self.min_lr):
            new = max(old * self.factor, self.min_lr)
            set_learning_rate(self.model, new)
            if self.verbose > 0:
                print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}.")
            self.cooldown_counter, self.wait = self.cooldown, 0


def learning_rate(model: Any) -> float:
    """The learning rate of a model's optimizer, of either dialect."""
    optimizer = getattr(model, "optimizer", model)
    if hasattr(optimizer, "learning_rate"):
        return float(optimizer.learning_rate)
    if hasattr(optimizer, "param_groups"):
        return float(optimizer.param_groups[0]["lr"])
    raise ArgumentError(
        message("learning rate", "the model's optimizer has no learning rate", [("optimizer", optimizer)])
    )


def set_learning_rate(model: Any, rate: float) -> None:
    optimizer = getattr(model, "optimizer", model)
    if hasattr(optimizer, "learning_rate"):
        optimizer.learning_rate = rate
    else:
        for group in optimizer.param_groups:
            group["lr"] = rate


class CSVLogger(Callback):
    """Writes the values of each epoch into a CSV file."""

    def __init__(self, filename, separator=",", append=False):
        super().__init__()
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self.file: Any = None
        self.writer: Any = None
        self.keys: list[str] | None = None

    def on_train_begin(self, logs=None):
        started = self.append and os.path.exists(self.filename) and os.path.getsize(self.filename) > 0
        self.file = open(self.filename, "a" if self.append else "w", newline="")  # noqa: SIM115  closed in on_train_end
        self.header, self.writer = not started, None

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
        if self.writer is None:
            self.writer = csv.DictWriter(
                self.file, ["epoch", *self.keys], delimiter=self.sep, extrasaction="ignore", restval="NA"
            )
            if self.header:
                self.writer.writeheader()
        self.writer.writerow({"epoch": epoch, **{k: logs.get(k, "NA") for k in self.keys}})
        self.file.flush()

    def on_train_end(self, logs=None):
        if self.file is not None:
            self.file.close()
        self.file = self.writer = None


class BackupAndRestore(Callback):
    """Keeps a backup of the weights after each epoch and goes on from it when training starts again."""

    def __init__(self, backup_dir, save_freq="epoch", double_checkpoint=False, delete_checkpoint=True):
        super().__init__()
        if not backup_dir:
            raise ArgumentError(message("BackupAndRestore", "Empty `backup_dir` argument passed"))
        self.folder = Path(os.fspath(backup_dir))
        self.save_freq, self.double_checkpoint, self.delete_checkpoint = save_freq, double_checkpoint, delete_checkpoint

    def on_train_begin(self, logs=None):
        done, weights = self.folder / "training_metadata.npz", self.folder / "latest.weights.npz"
        if done.exists() and weights.exists() and getattr(self.model, "built", True):
            with np.load(weights) as kept:
                restore(self.model, [kept[str(i)] for i in range(len(kept.files))])
            with np.load(done) as facts:
                self.model._initial_epoch = int(facts["epoch"]) + 1

    def on_epoch_end(self, epoch, logs=None):
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = weights_of(self.model)
        arrays = kept if isinstance(kept, list) else list(kept.values())
        for name, content in (
            ("latest.weights.npz", {str(i): a for i, a in enumerate(arrays)}),
            ("training_metadata.npz", {"epoch": epoch}),
        ):
            temporary = self.folder / f"new-{name}"
            np.savez(temporary, **content)
            os.replace(temporary, self.folder / name)

    def on_train_end(self, logs=None):
        if self.delete_checkpoint:
            for name in ("latest.weights.npz", "training_metadata.npz"):
                (self.folder / name).unlink(missing_ok=True)


class SwapEMAWeights(Callback):
    """Evaluates with the averaged weights of an optimizer made with use_ema=True."""

    def __init__(self, swap_on_epoch=False):
        super().__init__()
        self.swap_on_epoch = swap_on_epoch

    def swap(self) -> None:
        slots = getattr(self.model.optimizer, "_slots", {})
        for v in self.model.trainable_variables:
            average = slots.get(id(v), {}).get("average")
            if average is not None:
                now, then = v.numpy(), average.numpy()
                v.assign(then)
                average.assign(now)

    def on_test_begin(self, logs=None):
        self.swap()

    def on_test_end(self, logs=None):
        self.swap()

    def on_predict_begin(self, logs=None):
        self.swap()

    def on_predict_end(self, logs=None):
        self.swap()
