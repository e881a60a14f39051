"""Batches by index (PyDataset), the parts of a batch, and Progbar."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dovetail.train.batches import unpacked
from dovetail.train.progress import Progress


class PyDataset:
    """A source of batches: subclasses say how many there are (`__len__`) and give each (`__getitem__`).

    workers, use_multiprocessing, max_queue_size: accepted; batches are made in turn.
    Source: keras.utils.PyDataset.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10):
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index), which gives a batch")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__(self), the number of batches")

    @property
    def num_batches(self) -> int | None:
        """The number of batches; None where there is no end."""
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before every epoch."""

    def on_epoch_end(self) -> None:
        """Called after every epoch."""

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """(x, y, sample_weight) of a batch; what it lacks is None."""
    return unpacked(data, "unpack_x_y_sample_weight")


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """A batch of these parts."""
    if y is None:
        return (x,) if isinstance(x, tuple | list) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


class Progbar:
    """A progress bar for loops of one's own. Source: keras.utils.Progbar."""

    def __init__(self, target, width=20, verbose=1, interval=0.05, stateful_metrics=None, unit_name="step"):
        self.target, self.verbose, self.interval = target, verbose, interval
        self.stateful = set(stateful_metrics or ())
        self.sums: dict[str, list[float]] = {}
        self.seen = 0
        self.progress = Progress(target, verbose)

    def update(self, current: int, values: Any = None, finalize: bool | None = None) -> None:
        """Say that `current` steps are done; `values`: pairs of a name and a number, shown as their mean."""
        steps = current - self.seen
        for name, value in values or ():
            held = self.sums.setdefault(name, [0.0, 0.0])
            if name in self.stateful:
                held[:] = [float(value), 1.0]
            else:
                held[0] += float(value) * steps
                held[1] += steps
        self.seen = current
        shown = {name: total / max(count, 1) for name, (total, count) in self.sums.items()}
        if finalize if finalize is not None else (self.target is not None and current >= self.target):
            self.progress.close(current, shown)
        elif self.progress.due():
            self.progress.draw(current, shown)

    def add(self, n: int, values: Any = None) -> None:
        """Say that `n` more steps are done."""
        self.update(self.seen + n, values)
