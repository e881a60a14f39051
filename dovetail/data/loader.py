"""DataLoader: batches from a dataset, in this thread or read ahead by workers.

Arguments and meaning are torch.utils.data.DataLoader's. Workers are threads unless a multiprocessing_context asks for
processes: reading, decoding and NumPy release the interpreter, nothing is copied between processes, and a script needs
no `if __name__ == "__main__"`. The batches are the same for any number of workers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from dovetail.base.errors import ArgumentError, message, warn
from dovetail.data import position
from dovetail.data.collate import default_collate, default_convert
from dovetail.data.dataset import Dataset, IterableDataset
from dovetail.data.fetch import EndOfStream, Recipe
from dovetail.data.samplers import BatchSampler, RandomSampler, Sampler, SequentialSampler
from dovetail.data.seed import draw_seed
from dovetail.data.workers import ProcessPool, ThreadPool
from dovetail.tensor.random import default_generator

T_co = TypeVar("T_co", covariant=True)


class InfiniteSampler(Sampler):
    """None for ever: the sampler of an iterable dataset, which needs no indices."""

    def __iter__(self):
        while True:
            yield None


class DataLoader(Generic[T_co]):
    """Iterates over a dataset in batches.

    dataset: something with `[i]` and `len`, or an IterableDataset.
    batch_size: samples in a batch; None hands out single samples.
    shuffle: a new random order every epoch, repeatable by manual_seed or `generator`.
    num_workers: threads (processes with multiprocessing_context) that read ahead prefetch_factor batches each.
    collate_fn: makes a batch of a list of samples. drop_last: leave out a short last batch.
    timeout: seconds to wait for a batch from a worker before giving up; 0 waits for ever, but says so after ten.
    pin_memory, pin_memory_device: accepted; batches are ordinary memory.
    state_dict, load_state_dict: the position within the epoch, for checkpoints.

    >>> loader = DataLoader(list(range(5)), batch_size=2)
    >>> list(loader)
    [tensor([0, 1]), tensor([2, 3]), tensor([4])]

    Raises: ArgumentError (a ValueError) for arguments that exclude each other.
    """

    dataset: Dataset[T_co]

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context=None,
        generator=None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset, self.num_workers, self.timeout = dataset, num_workers, timeout
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers > 0 else prefetch_factor
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.worker_init_fn, self.generator, self.in_order = worker_init_fn, generator, in_order
        self.multiprocessing_context, self.persistent_workers = multiprocessing_context, persistent_workers
        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable:
            check_iterable(shuffle, sampler, batch_sampler)
        check_sampling(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        if sampler is None:
            sampler = self._default_sampler(bool(shuffle))
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last, self.sampler, self.batch_sampler = (
            batch_size,
            drop_last,
            sampler,
            batch_sampler,
        )
        self.collate_fn = collate_fn or (default_collate if self._auto_collation else default_convert)
        self._pool: ThreadPool | ProcessPool | None = None
        self._position: position.Position | None = None
        self._resume: dict[str, Any] | None = None

    def _default_sampler(self, shuffle: bool) -> Sampler:
        if self._iterable:
            return InfiniteSampler()
        return RandomSampler(self.dataset, generator=self.generator) if shuffle else SequentialSampler(self.dataset)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self):
        return self.batch_sampler if self._auto_collation else self.sampler

    def __len__(self) -> int:
        if not self._iterable:
            return len(self._index_sampler)  # type: ignore[arg-type]
        n = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else math.ceil(n / self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        self._notice_emptiness()
        if self.num_workers == 0:
            return self._here()
        return self._ahead()

    def _notice_emptiness(self) -> None:
        """Warn where an epoch has no batch at all: a loop over it would seem to train."""
        if self._iterable or type(self.batch_sampler) is not BatchSampler or len(self):
            return
        count = len(self.dataset) if hasattr(self.dataset, "__len__") else 0
        if count and self.drop_last:
            problem = f"no batch: {count} samples make none of batch_size={self.batch_size} with drop_last=True"
            warn(message("DataLoader", problem, cure=f"drop_last=False, or batch_size={count} or less"))
        elif not count:
            warn(message("DataLoader", f"no batch: the dataset, a {type(self.dataset).__name__}, is empty"))

    def _here(self) -> Iterator[Any]:
        """Batches made by the caller's own thread."""
        resume, here = self._begin()
        fetch = self._recipe()(self.dataset)
        orders = self._resumed(resume, here)
        here.batches = skip = 0 if resume is None else resume["batches"]
        if self._iterable:
            fetch = self._entered(fetch, resume, here)
        else:
            orders = itertools.islice(orders, skip, None)
        for indices in orders:
            try:
                batch = fetch(indices)
            except EndOfStream:
                break
            here.batches += 1
            yield batch
        self._end(here)

    def _entered(self, fetch: Any, resume, here: position.Position) -> Any:
        """A stream at the place where it was left: it says so itself, or is read up to there."""
        knows = hasattr(fetch.stream, "state_dict") and hasattr(fetch.stream, "load_state_dict")
        if knows:
            here.stream = fetch.stream
        if resume is None or "dataset" in resume:
            return fetch
        if knows and "stream" in resume:
            fetch.stream.load_state_dict(resume["stream"])
            return fetch
        for _ in range(resume["batches"]):
            fetch(None)
        return fetch

    def _ahead(self) -> Iterator[Any]:
        """Batches made by workers; with persistent_workers the same ones serve every epoch."""
        resume, here = self._begin()
        seed = None if resume is None else resume.get("worker_seed")
        here.seed = seed = draw_seed(self.generator) if seed is None else seed
        pool = self._pool
        if pool is None:
            kind = ThreadPool if self.multiprocessing_context is None else ProcessPool
            pool = kind(self, seed)
            if self.persistent_workers:
                self._pool = pool
        else:
            pool.new_epoch(seed)
        skip = 0 if resume is None else resume["batches"]
        orders = self._resumed(resume, here)
        here.batches = skip
        try:
            if self._iterable:
                batches = itertools.islice(pool.run(orders), skip, None)
            else:
                batches = pool.run(itertools.islice(orders, skip, None))
            for batch in batches:
                here.batches += 1
                yield batch
        finally:
            if pool is not self._pool:
                pool.stop()
        self._end(here)

    # -- position --------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands: between epochs, or how many batches of which order have been handed out.

        With workers, batches that were read ahead but not handed out do not count. Sampler and dataset are asked for a
        state of their own where they have state_dict and load_state_dict.
        """
        if self._resume is not None:
            return dict(self._resume)
        return position.save(self, self._position)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next epoch go on where `state_dict` was saved.

        Raises: TypeError for anything but a dict; ArgumentError where the loader gives other batches.
        """
        state = position.check(self, state_dict)
        for name, thing in position.stateful_parts(self):
            if name in state:
                thing.load_state_dict(state[name])
        self._resume, self._position = state, None

    def _begin(self) -> tuple[dict[str, Any] | None, position.Position]:
        """(the state to go on from, if it is one within an epoch; the position that counts from here)."""
        resume, self._resume = self._resume, None
        if resume is not None and not resume["batches"]:
            resume = None
        here = self._position = position.Position(position.generators_of(self))
        if resume is not None:
            here.start = resume["start"]
        return resume, here

    def _resumed(self, resume, here: position.Position) -> Iterator[Any]:
        """The orders of the epoch; of a resumed one, drawn from the generators' states at its beginning."""
        if resume is None:
            return self._orders()
        before = [position.state_of(g) for g in here.generators]
        for g, state in zip(here.generators, resume["start"], strict=True):
            position.set_state(g, state)
        if resume.get("worker_seed") is not None:
            draw_seed(self.generator)
        orders = self._orders()
        first = next(orders, None)  # an iterator draws when it is first asked
        for g, old, now in zip(here.generators, before, resume["now"], strict=True):
            position.set_state(g, old if g is default_generator else now)
        return orders if first is None else itertools.chain([first], orders)

    def _end(self, here: position.Position) -> None:
        if self._position is here:
            self._position = None

    def _recipe(self) -> Recipe:
        """From what `_orders` yields to a batch."""
        return Recipe(self._iterable, self._auto_collation, self.batch_size, self.collate_fn, self.drop_last)

    def _orders(self) -> Iterator[Any]:
        """What to fetch, batch by batch: arrays of indices where the order is known in advance, else lists."""
        sampler = self._index_sampler
        inner = getattr(sampler, "sampler", None)
        if type(sampler) is BatchSampler and type(inner) in (SequentialSampler, RandomSampler):
            return slices(inner.order(), sampler.batch_size, sampler.drop_last)
        return iter(sampler)  # type: ignore[arg-type]


def slices(order: np.ndarray, size: int, drop_last: bool) -> Iterator[np.ndarray]:
    end = len(order) - len(order) % size if drop_last else len(order)
    for start in range(0, end, size):
        yield order[start : start + size]


def check_workers(num_workers, timeout, prefetch_factor, persistent_workers) -> None:
    if num_workers < 0:
        raise ArgumentError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if timeout < 0:
        raise ArgumentError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ArgumentError(
            "prefetch_factor option could only be specified in multiprocessing. let num_workers > 0 to enable "
            "multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 1:
        raise ArgumentError("prefetch_factor option should be positive")
    if persistent_workers and num_workers == 0:
        raise ArgumentError("persistent_workers option needs num_workers > 0")


def check_iterable(shuffle, sampler, batch_sampler) -> None:
    """An iterable dataset sets its own order."""
    for name, value in (("sampler", sampler), ("batch_sampler", batch_sampler)):
        if value is not None:
            raise ArgumentError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
            )
    if shuffle not in (None, False):
        raise ArgumentError(
            f"DataLoader with IterableDataset: expected unspecified shuffle option, but got shuffle={shuffle}"
        )


def check_sampling(batch_size, shuffle, sampler, batch_sampler, drop_last) -> None:
    if sampler is not None and shuffle:
        raise ArgumentError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ArgumentError(
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
            )
    elif batch_size is None:
        if drop_last:
            raise ArgumentError(
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )
    elif isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size <= 0:
        raise ArgumentError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
