"""Datasets: things with `[i]` and `len`, or things to iterate over. Names and meaning are torch.utils.data's.

A dataset that can fetch a whole batch at once has `__getbatch__(indices)`: the loader then asks for the batch instead
of for its samples, which for tensors is one indexing operation.
"""

from __future__ import annotations

import bisect
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.data.seed import numpy_generator
from dovetail.tensor.tensor import Tensor

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """A map from index to sample. Subclasses define `__getitem__` and, for most samplers, `__len__`."""

    def __getitem__(self, index) -> T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """A stream of samples: subclasses define `__iter__`. Every worker runs its own iterator: see get_worker_info."""

    def __add__(self, other: Dataset) -> ChainDataset:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples are the rows of tensors of equal length.

    >>> import dovetail
    >>> d = TensorDataset(dovetail.arange(6).view(3, 2), dovetail.tensor([0, 1, 2]))
    >>> len(d), d[1]
    (3, (tensor([2, 3]), tensor(1)))

    Raises: ShapeError where the lengths differ.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        lengths = {len(t) for t in tensors}
        if len(lengths) > 1:
            facts = [(f"tensor {i}", t) for i, t in enumerate(tensors)]
            raise ShapeError(
                message(
                    "TensorDataset",
                    "Size mismatch between tensors: their first dimensions differ",
                    facts,
                    "Every tensor needs one row for each sample.",
                )
            )
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getbatch__(self, indices) -> tuple[Tensor, ...] | None:
        """The rows at `indices`, by one take for each tensor; None where a tensor is part of a gradient."""
        if any(t.requires_grad for t in self.tensors):
            return None
        return tuple(take_rows(t, indices) for t in self.tensors)


def take_rows(tensor: Tensor, indices) -> Tensor:
    """Rows of a tensor as a new tensor, copied by NumPy at once: a batch is a leaf of the step it feeds.

    indices: an array that the loader's own samplers made, which is in range, or anything NumPy takes.
    """
    source = tensor._to_read()
    if not isinstance(indices, np.ndarray):
        return Tensor.from_array(source.take(indices, axis=0))
    batch = Tensor.empty((len(indices), *source.shape[1:]), tensor.dtype)
    source.take(indices, 0, batch._to_fill(), "clip")  # "raise" would copy everything once more
    return batch


class StackDataset(Dataset):
    """Samples are tuples (or dicts) of the samples of several datasets of equal length."""

    def __init__(self, *args: Dataset, **kwargs: Dataset) -> None:
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or``dict``- (via ``kwargs``) like input/output, "
                "but both types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets: Any = args or kwargs
        lengths = [len(d) for d in self._members()]  # type: ignore[arg-type]
        self._length = lengths[0]
        if len(set(lengths)) > 1:
            raise ValueError(f"Size mismatch between datasets: their lengths are {lengths}")

    def _members(self) -> list[Dataset]:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def __getitem__(self, index):
        if isinstance(self.datasets, dict):
            return {k: d[index] for k, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T_co]):
    """Several datasets, one after the other."""

    datasets: list[Dataset[T_co]]
    cumulative_sizes: list[int]

    @staticmethod
    def cumsum(sequence) -> list[int]:
        return np.cumsum([len(d) for d in sequence]).tolist()

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ArgumentError("datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise ArgumentError("ConcatDataset does not support IterableDataset; use ChainDataset")
        self.cumulative_sizes = self.cumsum(self.datasets)

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx: int):
        if idx < 0:
            if -idx > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            idx += len(self)
        which = bisect.bisect_right(self.cumulative_sizes, idx)
        return self.datasets[which][idx - (self.cumulative_sizes[which - 1] if which else 0)]

    @property
    def cummulative_sizes(self) -> list[int]:
        warnings.warn("cummulative_sizes attribute is renamed to cumulative_sizes", DeprecationWarning, stacklevel=2)
        return self.cumulative_sizes


class ChainDataset(IterableDataset):
    """Several iterable datasets, one after the other."""

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator:
        for dataset in self._checked():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(d) for d in self._checked())  # type: ignore[arg-type]

    def _checked(self) -> Iterator[IterableDataset]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise ArgumentError("ChainDataset only supports IterableDataset")
            yield dataset


class Subset(Dataset[T_co]):
    """The samples of `dataset` at `indices`."""

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, idx):
        if isinstance(idx, list):
            return self.dataset[[self.indices[i] for i in idx]]
        return self.dataset[self.indices[idx]]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        wanted = [self.indices[i] for i in indices]
        if callable(getattr(self.dataset, "__getitems__", None)):
            return self.dataset.__getitems__(wanted)  # type: ignore[attr-defined]
        return [self.dataset[i] for i in wanted]

    def __len__(self) -> int:
        return len(self.indices)

    def __getbatch__(self, indices):
        """The batch of the dataset below, where it can give one."""
        fetch = getattr(self.dataset, "__getbatch__", None)
        if not callable(fetch) or type(self) is not Subset:
            return None
        return fetch(np.asarray(self.indices)[indices])


def random_split(dataset: Dataset[T], lengths: Sequence[int | float], generator=None) -> list[Subset[T]]:
    """Split at random into parts of the given lengths, or of the given shares of one.

    >>> [len(part) for part in random_split(range(10), [0.8, 0.2])]
    [8, 2]

    Raises: ArgumentError (a ValueError) where the lengths do not add up.
    """
    total = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _shares(total, lengths)
    if sum(lengths) != total:
        raise ArgumentError(
            message(
                "random_split",
                f"Sum of input lengths does not equal the length of the input dataset: {list(lengths)} "
                f"give {sum(lengths)}, the dataset has {total} samples",
                cure="Shares work too: random_split(dataset, [0.8, 0.2])",
            )
        )
    order = numpy_generator(generator).permutation(total).tolist()
    ends = np.cumsum([int(n) for n in lengths]).tolist()
    return [Subset(dataset, order[end - int(n) : end]) for end, n in zip(ends, lengths, strict=True)]


def _shares(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers for shares of one; what is left over goes round, one each, as in torch."""
    counts = []
    for i, share in enumerate(shares):
        if not 0 <= share <= 1:
            raise ArgumentError(f"Fraction at index {i} is not between 0 and 1")
        counts.append(math.floor(total * share))
    for i in range(total - sum(counts)):
        counts[i % len(counts)] += 1
    for i, n in enumerate(counts):
        if n == 0:
            warnings.warn(f"Length of split at index {i} is 0. This might result in an empty dataset.", stacklevel=3)
    return counts
