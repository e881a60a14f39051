"""From indices to a batch, and where an error came from."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, message
from dovetail.data.collate import default_collate


class EndOfStream(Exception):
    """An iterable dataset has no more samples."""


class Fetcher:
    """Samples by index. A dataset that can give whole batches (`__getbatch__(indices)`) is asked for them."""

    def __init__(self, dataset, auto_collation: bool, collate_fn: Callable, at: Any = None):
        self.dataset, self.auto_collation, self.collate_fn = dataset, auto_collation, collate_fn
        self.at = at  # where a worker notes the index of the sample it is reading
        whole = getattr(dataset, "__getbatch__", None)
        self.whole = whole if auto_collation and collate_fn is default_collate and callable(whole) else None

    def __call__(self, indices) -> Any:
        if self.whole is not None:
            batch = self.whole(indices)
            if batch is not None:
                return list(batch)
        if isinstance(indices, np.ndarray):
            indices = indices.tolist()
        if not self.auto_collation:
            return self.collate_fn(self.sample(indices))
        if callable(getattr(self.dataset, "__getitems__", None)):
            samples = self.dataset.__getitems__(indices)
        else:
            samples = [self.sample(i) for i in indices]
        try:
            return self.collate_fn(samples)
        except Exception as error:
            error.add_note(
                f"while making a batch of the samples {short_list(indices)} of {type(self.dataset).__name__}"
            )
            raise

    def sample(self, index) -> Any:
        if self.at is not None:
            self.note(index)
        try:
            return self.dataset[index]
        except StopIteration as error:  # would end the loop over the batches, as if there were no more
            problem = f"{type(self.dataset).__name__}.__getitem__ raised StopIteration for sample {index!r}"
            cure = "Raise IndexError, or let __len__ say less."
            raise ArgumentError(message("DataLoader", problem, [], cure)) from error
        except Exception as error:
            error.add_note(f"while reading sample {index!r} of {type(self.dataset).__name__}")
            raise

    def note(self, index) -> None:
        try:
            self.at[0] = index
        except TypeError:  # a process shares numbers only, and this index is none
            self.at[0] = -1


class Recipe:
    """How a loader's batches are made; goes to the workers, which make a fetcher of it with their own dataset."""

    def __init__(self, iterable: bool, auto_collation: bool, batch_size: int | None, collate_fn, drop_last: bool):
        self.iterable, self.auto_collation, self.batch_size = iterable, auto_collation, batch_size
        self.collate_fn, self.drop_last = collate_fn, drop_last

    def __call__(self, dataset, at: Any = None) -> Callable[[Any], Any]:
        if self.iterable:
            return IterableFetcher(dataset, self.auto_collation, self.batch_size, self.collate_fn, self.drop_last)
        return Fetcher(dataset, self.auto_collation, self.collate_fn, at)


class IterableFetcher:
    """The next samples of a stream."""

    def __init__(self, dataset, auto_collation: bool, batch_size: int | None, collate_fn: Callable, drop_last: bool):
        self.auto_collation, self.batch_size, self.collate_fn, self.drop_last = (
            auto_collation,
            batch_size,
            collate_fn,
            drop_last,
        )
        self.dataset, self.stream, self.count = dataset, iter(dataset), 0

    def __call__(self, indices) -> Any:
        wanted = 1 if not self.auto_collation else self.batch_size if indices is None else len(indices)
        samples = list(itertools.islice(self.samples(), wanted))
        if not samples or (self.auto_collation and self.drop_last and len(samples) < wanted):
            raise EndOfStream
        return self.collate_fn(samples if self.auto_collation else samples[0])

    def samples(self):
        while True:
            try:
                sample = next(self.stream)
            except StopIteration:
                return
            except Exception as error:
                error.add_note(f"while reading sample {self.count} of the stream {type(self.dataset).__name__}")
                raise
            self.count += 1
            yield sample


def short_list(indices) -> str:
    shown = ", ".join(str(i) for i in list(indices)[:8])
    return f"[{shown}{', ...' if len(indices) > 8 else ''}]"
