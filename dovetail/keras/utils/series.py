"""Sequences as arrays: padding to one length, windows over a time series, a data set cut in two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, message
from dovetail.keras.utils.pipeline import PyDataset


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Lists of different lengths as rows of one array.

    >>> pad_sequences([[1], [2, 3]], maxlen=2)
    array([[0, 1],
           [2, 3]], dtype=int32)

    Source: keras.utils.pad_sequences.
    """
    if not hasattr(sequences, "__len__"):
        raise ArgumentError(message("pad_sequences", "`sequences` must be a list of lists"))
    for name, given in (("padding", padding), ("truncating", truncating)):
        if given not in ("pre", "post"):
            raise ArgumentError(message("pad_sequences", f"{name} must be 'pre' or 'post', got {given!r}"))
    for i, s in enumerate(sequences):
        if not hasattr(s, "__len__"):
            raise ArgumentError(message("pad_sequences", f"row {i} is {s!r} and no sequence"))
    longest = max((len(s) for s in sequences), default=0) if maxlen is None else int(maxlen)
    inner = next((np.asarray(s).shape[1:] for s in sequences if len(s)), ())
    made = np.full((len(sequences), longest, *inner), value, dtype=dtype)
    for i, s in enumerate(sequences):
        if len(s) == 0 or longest == 0:
            continue
        kept = np.asarray(s[-longest:] if truncating == "pre" else s[:longest], dtype=dtype)
        if kept.shape[1:] != inner:
            raise ArgumentError(
                message("pad_sequences", f"row {i} holds elements of shape {kept.shape[1:]}, the first row {inner}")
            )
        if padding == "post":
            made[i, : len(kept)] = kept
        else:
            made[i, -len(kept) :] = kept
    return made


class Windows(PyDataset):
    """Batches of windows over a time series."""

    def __init__(self, data, targets, starts, length, rate, batch_size, shuffle, seed):
        super().__init__()
        self.data, self.targets, self.starts = np.asarray(data), targets, starts
        self.length, self.rate, self.batch_size, self.shuffle = length, rate, batch_size or len(starts), shuffle
        self.stream = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.starts) // self.batch_size)

    def __getitem__(self, i: int) -> Any:
        at = self.starts[i * self.batch_size : (i + 1) * self.batch_size]
        rows = self.data[at[:, None] + np.arange(self.length) * self.rate]
        return rows if self.targets is None else (rows, np.asarray(self.targets)[at])

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def on_epoch_end(self) -> None:
        if self.shuffle:
            self.stream.shuffle(self.starts)


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
) -> PyDataset:
    """Windows of `sequence_length` steps over a series, with the target at each window's start. The result gives
    batches and can be passed to fit. Source: keras.utils.timeseries_dataset_from_array."""
    start, end = start_index or 0, len(data) if end_index is None else end_index
    count = end - start - (sequence_length - 1) * sampling_rate
    if targets is not None:
        count = min(count, len(targets))
    starts = start + np.arange(0, max(count, 0), sequence_stride)
    return Windows(data, targets, starts, sequence_length, sampling_rate, batch_size, shuffle, seed)


def split_dataset(dataset: Any, left_size=None, right_size=None, shuffle: bool = False, seed=None) -> tuple[Any, Any]:
    """Arrays cut in two along their first axis; sizes are counts or shares. Source: keras.utils.split_dataset."""
    n = len(tree.flatten(dataset)[0]) if tree.is_nested(dataset) else len(dataset)

    def counted(size):
        return None if size is None else round(size * n) if isinstance(size, float) else int(size)

    left, right = counted(left_size), counted(right_size)
    if left is None and right is None:
        raise ArgumentError(message("split_dataset", "at least one of left_size and right_size must be given"))
    left = n - (right or 0) if left is None else left
    right = n - left if right is None else right
    order = np.random.default_rng(seed).permutation(n) if shuffle else np.arange(n)

    def cut(rows):
        return tree.map_leaves(lambda a: np.asarray(a)[rows], dataset)

    return cut(order[:left]), cut(order[left : left + right])
