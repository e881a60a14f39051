"""The loops of fit, evaluate and predict, for whatever can make a step.

A step is recorded and then run as one program (`current().close()`); no value is looked at in between. Logs are looked
at when the bar moves, when a callback reads them, and at the end of an epoch.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from dovetail.base.errors import ArgumentError, message
from dovetail.tensor.modes import no_grad
from dovetail.tensor.recorder import current
from dovetail.tensor.scratch import abandon
from dovetail.tensor.tensor import Tensor
from dovetail.train.callbacks import CallbackList
from dovetail.train.progress import Progress


class Learner(Protocol):
    """What the loops need of a model."""

    stop_training: bool

    def train_on(self, batch: Any) -> Any:
        """One training step; returns logs, or None where `metric_values` tells them."""

    def test_on(self, batch: Any) -> Any:
        """One evaluation step."""

    def reset_metrics(self) -> None:
        """Start counting anew."""

    def metric_values(self) -> dict[str, Any]:
        """The values so far."""


class Logs(dict):
    """Values that are computed when somebody reads them."""

    def __init__(self, read: Callable[[], dict[str, float]]):
        super().__init__()
        self._read: Callable[[], dict[str, float]] | None = read

    def _fill(self) -> None:
        if self._read is not None:
            read, self._read = self._read, None
            super().update(read())

    def __getitem__(self, key):
        self._fill()
        return super().__getitem__(key)

    def get(self, key, default=None):
        self._fill()
        return super().get(key, default)

    def __contains__(self, key) -> bool:
        self._fill()
        return super().__contains__(key)

    def __iter__(self):
        self._fill()
        return super().__iter__()

    def __len__(self) -> int:
        self._fill()
        return super().__len__()

    def __bool__(self) -> bool:
        return True

    def keys(self):
        self._fill()
        return super().keys()

    def values(self):
        self._fill()
        return super().values()

    def items(self):
        self._fill()
        return super().items()

    def copy(self):
        self._fill()
        return dict(self)

    def __repr__(self) -> str:
        self._fill()
        return super().__repr__()


def as_numbers(logs: dict[str, Any] | None) -> dict[str, float]:
    """Logs as Python numbers, by name."""
    found: dict[str, float] = {}
    for name in sorted(logs or {}):
        value = logs[name]  # type: ignore[index]
        if isinstance(value, dict):
            found.update(as_numbers(value))
        else:
            found[name] = number(value)
    return found


def number(value: Any) -> Any:
    if isinstance(value, Tensor):
        return float(value.item()) if value._meta.numel == 1 else value.numpy()
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


class Interrupt:
    """Ctrl-C while a loop runs: noted, and obeyed between two steps. A second one is obeyed at once."""

    def __init__(self):
        self.asked = False

    def handle(self, signum, frame) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def check(self) -> None:
        if self.asked:
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Steps inside are never cut in two by Ctrl-C. Other handlers than Python's own are left in place."""
    interrupt = Interrupt()
    mine = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if mine:
        signal.signal(signal.SIGINT, interrupt.handle)
    try:
        yield interrupt
    except BaseException:
        abandon_step()
        raise
    finally:
        if mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def abandon_step() -> None:
    """Forget a step that was cut short: the weights are those of the last whole step."""
    rec = current()
    if rec.node is not rec.root and not rec.busy:
        abandon(rec)
        rec.enter_root()


class Steps:
    """One pass over the batches of a source, with callbacks and progress."""

    def __init__(self, learner: Learner, callbacks: CallbackList, turn: str, progress: Progress, interrupt: Interrupt):
        self.learner, self.callbacks, self.turn = learner, callbacks, turn
        self.progress, self.interrupt = progress, interrupt
        self.logs: Any = None
        self.count = 0

    def run(self, source: Iterable, step: Callable[[Any], Any]) -> int:
        """Make a step of each batch. Returns how many there were."""
        begin = self.callbacks.batch_hooks[f"on_{self.turn}_batch_begin"]
        end = self.callbacks.batch_hooks[f"on_{self.turn}_batch_end"]
        progress, interrupt, learner = self.progress, self.interrupt, self.learner
        close = current().close
        i = -1
        for i, batch in enumerate(source):
            for hook in begin:
                hook(i, {})
            self.logs = step(batch)
            close("a step of fit, evaluate or predict was made", beside=True)
            self.count = i + 1
            if end:
                logs = Logs(self.read)
                for hook in end:
                    hook(i, logs)
            if progress.due():
                progress.draw(i + 1, self.read())
            if interrupt.asked or learner.stop_training:
                interrupt.check()
                if learner.stop_training and self.turn == "train":
                    break
        close("the batches are over")  # and says what was wrong with the last one
        return i + 1

    def read(self) -> dict[str, float]:
        """The values so far, as numbers."""
        logs = self.logs if isinstance(self.logs, dict) else self.learner.metric_values()
        return as_numbers(logs)


def fit(
    learner: Learner,
    source: Any,
    callbacks: CallbackList,
    *,
    epochs: int,
    initial_epoch: int = 0,
    verbose: int = 1,
    validation: Any = None,
    validation_freq: Any = 1,
    evaluate: Callable[[Any], dict[str, float]] | None = None,
) -> None:
    """Train for some epochs, validating as asked; callbacks hear of every turn."""
    learner.stop_training = False
    callbacks.call("on_train_begin", {})
    logs: dict[str, float] = {}
    with interruptible() as interrupt:
        for epoch in range(getattr(learner, "_initial_epoch", None) or initial_epoch, epochs):
            learner.reset_metrics()
            callbacks.call("on_epoch_begin", epoch, {})
            if verbose:
                print(f"Epoch {epoch + 1}/{epochs}", flush=True)
            progress = Progress(source.steps, verbose)
            steps = Steps(learner, callbacks, "train", progress, interrupt)
            count = steps.run(source, learner.train_on)
            if not count:
                raise ArgumentError(
                    message(
                        "fit",
                        "the data gave no batches" + ("" if epoch == initial_epoch else f" in epoch {epoch + 1}"),
                        cure="A generator that is used up cannot start again: give steps_per_epoch and one that goes "
                        "on, or a dataset",
                    )
                )
            source.steps = source.steps if source.steps is not None else count
            logs = steps.read()
            if validation is not None and evaluate is not None and is_due(epoch, validation_freq):
                logs.update({f"val_{k}": v for k, v in evaluate(validation).items()})
            progress.steps = progress.steps or count
            progress.close(count, logs)
            source.epoch_ended()
            callbacks.call("on_epoch_end", epoch, logs)
            interrupt.check()
            if learner.stop_training:
                break
    callbacks.call("on_train_end", logs)


def is_due(epoch: int, frequency: Any) -> bool:
    return (epoch + 1) % frequency == 0 if isinstance(frequency, int) else epoch + 1 in frequency


def evaluate(learner: Learner, source: Any, callbacks: CallbackList, *, verbose: int = 0) -> dict[str, float]:
    """The values of the metrics over a source."""
    learner.reset_metrics()
    callbacks.call("on_test_begin", {})
    with interruptible() as interrupt, no_grad():
        progress = Progress(source.steps, verbose)
        steps = Steps(learner, callbacks, "test", progress, interrupt)
        count = steps.run(source, learner.test_on)
        if not count:
            raise ArgumentError(message("evaluate", "the data gave no batches"))
        logs = steps.read()
        progress.close(count, logs)
    callbacks.call("on_test_end", logs)
    return logs


def predict(
    step: Callable[[Any], Any], learner: Learner, source: Any, callbacks: CallbackList, *, verbose: int = 0
) -> list:
    """What the step gives for each batch."""
    callbacks.call("on_predict_begin", {})
    outputs: list = []
    hooks = callbacks.batch_hooks
    with interruptible() as interrupt, no_grad():
        progress = Progress(source.steps, verbose)
        for i, batch in enumerate(source):
            for hook in hooks["on_predict_batch_begin"]:
                hook(i, {})
            outputs.append(step(batch))
            for hook in hooks["on_predict_batch_end"]:
                hook(i, {"outputs": outputs[-1]})
            if progress.due():
                progress.draw(i + 1, {})
            interrupt.check()
        if not outputs:
            raise ArgumentError(message("predict", "the data gave no batches"))
        progress.close(len(outputs), {})
    callbacks.call("on_predict_end", {})
    return outputs
