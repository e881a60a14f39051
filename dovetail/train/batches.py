"""Where fit, evaluate and predict get their batches: arrays gathered by index, or anything that can be iterated.

A source gives (x, y, sample_weight) with tensors as leaves, once for each step; y and sample_weight may be None.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from dovetail.base import tree
from dovetail.base.dtypes import default_dtype, from_numpy_dtype
from dovetail.base.errors import ArgumentError, DTypeError, message
from dovetail.tensor.random import default_generator
from dovetail.tensor.tensor import Tensor

Batch = tuple[Any, Any, Any]


def as_array(x: Any, name: str) -> np.ndarray:
    """An array (or tensor, list, data frame) in a dtype that tensors have; float64 becomes the default float."""
    if isinstance(x, Tensor):
        array = x._array()
    elif hasattr(x, "to_numpy"):
        array = x.to_numpy()
    else:
        array = np.asarray(x)
    if array.dtype == object or array.dtype.kind in "USmM":
        raise DTypeError(
            message(
                "fit",
                f"{name} holds {array.dtype}, which no tensor can hold",
                [(name, array.shape)],
                "Make it numbers first, for example np.array(..., dtype='float32'); rows must all have one length",
            )
        )
    if array.dtype == np.float64:
        return array.astype(default_dtype().np)
    if array.dtype.kind == "u" and array.dtype != np.uint8:
        return array.astype(np.int64)
    return array


def is_data(x: Any) -> bool:
    """Whether a value is an array of samples rather than a container of such."""
    return hasattr(x, "shape") or hasattr(x, "to_numpy") or is_list_of_numbers(x)


def is_list_of_numbers(x: Any) -> bool:
    while isinstance(x, (list, tuple)) and x:
        x = x[0]
    return isinstance(x, (int, float, np.number, bool))


def as_arrays(data: Any, name: str) -> Any:
    """The same structure with arrays as leaves."""
    if data is None:
        return None
    if is_data(data):
        return as_array(data, name)
    if isinstance(data, dict):
        return {k: as_arrays(v, f"{name}[{k!r}]") for k, v in data.items()}
    if isinstance(data, (list, tuple)):
        parts = [as_arrays(v, f"{name}[{i}]") for i, v in enumerate(data)]
        return tree.like(data, parts) if hasattr(data, "_fields") else type(data)(parts)
    return as_array(data, name)


def sizes(data: Any) -> list[int]:
    return [len(a) if a.shape else -1 for a in tree.leaves(data) if a is not None]


def check_sizes(call: str, x: Any, y: Any, weight: Any) -> int:
    """The number of samples. Raises ArgumentError where the arrays do not agree."""
    named = [(n, sizes(d)) for n, d in (("x", x), ("y", y), ("sample_weight", weight)) if d is not None]
    found = {n for _, ns in named for n in ns}
    if -1 in found:
        raise ArgumentError(
            message(
                call,
                "an array without a batch axis was given",
                [(n, d) for n, d in (("x", x), ("y", y)) if hasattr(d, "shape")],
                "Data must have the samples along its first axis",
            )
        )
    if len(found) > 1:
        counts = ", ".join(f"{n} has {' and '.join(map(str, ns))}" for n, ns in named)
        raise ArgumentError(
            message(
                call,
                f"the number of samples is ambiguous: {counts} samples",
                [(n, d) for n, d in (("x", x), ("y", y)) if hasattr(d, "shape")],
                "x and y must have the same number of samples along their first axis (the same length)",
            )
        )
    return found.pop() if found else 0


def tensor_of(a: np.ndarray) -> Tensor:
    return Tensor.from_array(a)


def rows_of(a: np.ndarray, at: Any) -> Tensor:
    """The rows `at` of an array, gathered straight into a tensor's memory. They must be in range."""
    if a.dtype.byteorder == ">":
        return Tensor.from_array(a.take(at, 0))
    batch = Tensor.empty((len(at), *a.shape[1:]), from_numpy_dtype(a.dtype))
    a.take(at, 0, batch._to_fill(), "clip")  # "raise" would copy everything once more
    return batch


class ArrayBatches:
    """Batches of arrays that are all in memory; shuffled by gathering rows in the order of a permutation.

    shuffle: True, False or "batch" (shuffle whole batches). steps: end an epoch after so many batches.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int | None = None,
        shuffle: Any = False,
        steps: int | None = None,
        class_weight: dict | None = None,
        call: str = "fit",
    ):
        self.x, self.y, self.w = as_arrays(x, "x"), as_arrays(y, "y"), as_arrays(sample_weight, "sample_weight")
        if class_weight is not None:
            if self.w is not None:
                raise ArgumentError(message(call, "class_weight and sample_weight cannot both be given"))
            self.w = weights_by_class(class_weight, self.y)
        self.n = check_sizes(call, self.x, self.y, self.w)
        self.batch_size = int(batch_size or 32)
        self.shuffle = shuffle
        if self.batch_size < 1:
            raise ArgumentError(message(call, f"batch_size must be 1 or more, got {batch_size}"))
        whole = -(-self.n // self.batch_size)
        self.steps: int | None = whole if steps is None else min(whole, steps)
        self.limit = steps
        if not self.n:
            raise ArgumentError(
                message(
                    call, "the data is empty: it has no samples", [("x", self.x)] if hasattr(self.x, "shape") else []
                )
            )

    def __iter__(self) -> Iterator[Batch]:
        return itertools.islice(self.batches(), self.limit) if self.limit is not None else self.batches()

    def batches(self) -> Iterator[Batch]:
        order = self.order()
        size, n = self.batch_size, self.n
        leaves = [self.x, self.y, self.w]
        quick = all(part is None or isinstance(part, np.ndarray) for part in leaves)
        for start in range(0, n, size):
            at = slice(start, min(start + size, n)) if order is None else order[start : start + size]
            if quick:
                yield tuple(
                    [None if a is None else tensor_of(a[at]) if order is None else rows_of(a, at) for a in leaves]
                )  # type: ignore[misc]
            else:
                yield tuple([self.part(a, at, order) for a in leaves])  # type: ignore[misc]

    def part(self, data: Any, at: Any, order: Any) -> Any:
        return tree.map_leaves(
            lambda a: None if a is None else tensor_of(a[at]) if order is None else rows_of(a, at), data
        )

    def order(self) -> np.ndarray | None:
        """The rows in the order of this epoch; None for their own order."""
        if not self.shuffle:
            return None
        stream = default_generator.host()
        if self.shuffle == "batch":
            whole = self.n // self.batch_size * self.batch_size
            blocks = stream.permutation(whole // self.batch_size)
            rows = (blocks[:, None] * self.batch_size + np.arange(self.batch_size)).ravel()
            return np.concatenate([rows, np.arange(whole, self.n)])
        return stream.permutation(self.n)

    def epoch_ended(self) -> None:
        """Nothing to do between epochs."""


class IterableBatches:
    """Batches of a loader, a dataset that can be iterated, or a generator (which goes on from epoch to epoch)."""

    def __init__(self, source: Iterable, steps: int | None = None, class_weight: dict | None = None, call: str = "fit"):
        self.source, self.class_weight, self.call = source, class_weight, call
        self.indexed = not hasattr(source, "__iter__") or is_sequence(source)
        known = length(source)
        self.steps: int | None = steps if steps is not None else known
        self.limit = steps
        self.running: Iterator | None = None
        self.endless = hasattr(source, "__next__") or steps is not None

    def __iter__(self) -> Iterator[Batch]:
        if self.running is None or not self.endless:
            self.running = self.items()
        taken = self.running if self.limit is None else itertools.islice(self.running, self.limit)
        count = 0
        for item in taken:
            count += 1
            yield self.batch(item)
        if self.limit is not None and count < self.limit and not hasattr(self.source, "__next__"):
            self.running = self.items()  # a source that can start again does so in the middle of an epoch
            if count:
                for item in itertools.islice(self.running, self.limit - count):
                    yield self.batch(item)

    def items(self) -> Iterator:
        if self.indexed:
            return (self.source[i] for i in range(len(self.source)))  # type: ignore[index, arg-type]
        return iter(self.source)

    def batch(self, item: Any) -> Batch:
        x, y, w = unpacked(item, self.call)
        x, y, w = (tree.map_leaves(as_tensor, part) if part is not None else None for part in (x, y, w))
        if self.class_weight is not None and y is not None and w is None:
            w = tensor_of(weights_by_class(self.class_weight, tree.map_leaves(lambda t: t._array(), y)))
        return x, y, w

    def epoch_ended(self) -> None:
        done = getattr(self.source, "on_epoch_end", None)
        if done is not None:
            done()


def is_sequence(source: Any) -> bool:
    """Whether a source is a Keras PyDataset: batches by index."""
    return hasattr(source, "__getitem__") and hasattr(source, "on_epoch_end")


def length(source: Any) -> int | None:
    for name in ("num_batches", "cardinality"):
        count = getattr(source, name, None)
        if count is not None:
            n = count() if callable(count) else count
            n = None if n is None else int(n)
            return n if n is not None and n >= 0 else None
    try:
        return len(source)
    except TypeError:
        return None


def unpacked(item: Any, call: str) -> Batch:
    """(x, y, sample_weight) of what a loader gives."""
    if isinstance(item, list):
        item = tuple(item)
    if not isinstance(item, tuple):
        return item, None, None
    if 1 <= len(item) <= 3:
        return (*item, *(None,) * (3 - len(item)))  # type: ignore[return-value]
    raise ArgumentError(message(call, f"the data must give x, (x, y) or (x, y, sample_weight), got {len(item)} parts"))


def as_tensor(x: Any) -> Any:
    if isinstance(x, Tensor) or x is None:
        return x
    return tensor_of(np.ascontiguousarray(as_array(x, "data")))


def weights_by_class(class_weight: dict, y: Any) -> np.ndarray:
    """One weight for each sample, from that of its class. Raises ArgumentError for several outputs."""
    if y is None or tree.is_nested(y):
        raise ArgumentError(message("class_weight", "is only supported for models with a single output"))
    labels = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y), -1)[:, 0] if y.ndim > 1 else y
    labels = labels.astype(np.int64)
    table = np.ones(max(int(labels.max(initial=0)), *map(int, class_weight)) + 1, default_dtype().np)
    for number, weight in class_weight.items():
        table[int(number)] = weight
    return table[labels]


def split(call: str, fraction: float, *data: Any) -> tuple[tuple, tuple]:
    """(the first part, the rest) of arrays: the last `fraction` of the samples is held out, before any shuffling."""
    if not 0 < fraction < 1:
        raise ArgumentError(message(call, f"validation_split must be between 0 and 1, got {fraction}"))
    arrays = [as_arrays(d, n) for d, n in zip(data, ("x", "y", "sample_weight"), strict=False)]
    n = check_sizes(call, *(*arrays, None, None)[:3])
    at = int(n * (1 - fraction))
    if at == 0 or at == n:
        raise ArgumentError(message(call, f"validation_split={fraction} of {n} samples leaves one side empty"))

    def cut(part, which):
        return None if part is None else tree.map_leaves(lambda a: a[which], part)

    return tuple(cut(a, slice(0, at)) for a in arrays), tuple(cut(a, slice(at, None)) for a in arrays)


def batches_from(x: Any, y: Any, sample_weight: Any, *, batch_size: int | None, shuffle: Any, steps: int | None,
                 class_weight: dict | None, call: str) -> ArrayBatches | IterableBatches:  # fmt: skip
    """The source of batches that the arguments of fit, evaluate or predict mean."""
    if isinstance(x, (ArrayBatches, IterableBatches)):
        return x
    if is_source(x):
        for name, given in (("y", y), ("sample_weight", sample_weight)):
            if given is not None:
                raise ArgumentError(
                    message(
                        call, f"{name} must not be given beside a loader or generator, which gives it with each batch"
                    )
                )
        return IterableBatches(x, steps, class_weight, call)
    return ArrayBatches(x, y, sample_weight, batch_size, shuffle, steps, class_weight, call)


def is_source(x: Any) -> bool:
    """Whether x gives whole batches by itself: a loader, dataset or generator."""
    if x is None or isinstance(x, (Tensor, np.ndarray, list, tuple, dict, str)) or hasattr(x, "to_numpy"):
        return False
    return hasattr(x, "__iter__") or hasattr(x, "__next__") or is_sequence(x)
