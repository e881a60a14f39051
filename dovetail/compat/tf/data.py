"""tf.data: pipelines of batches, worked out as they are asked for.

Elements are structures of NumPy arrays inside, tensors where user code sees them. Slices of arrays that are only
shuffled and batched are gathered by index, one gather for each batch.
"""

from __future__ import annotations

import glob
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.keras.ops.convert import array_of, tensor
from dovetail.tensor.random import default_generator
from dovetail.tensor.tensor import Tensor

AUTOTUNE = -1
INFINITE, UNKNOWN = -1, -2
INFINITE_CARDINALITY, UNKNOWN_CARDINALITY = INFINITE, UNKNOWN


def arrays(element: Any) -> Any:
    """The structure with arrays as leaves."""
    if isinstance(element, list):
        element = np.asarray(element) if element and not tree.is_nested(element[0]) else tuple(element)
    return tree.map_leaves(as_array, element)


def as_array(x: Any) -> Any:
    if isinstance(x, Dataset):
        return x
    if isinstance(x, Tensor):
        return x._array()
    if isinstance(x, (np.ndarray, np.generic, str, bytes)):
        return np.asarray(x)
    return array_of(x)


def shown(element: Any) -> Any:
    """The structure with tensors as leaves; text stays as it is."""
    return tree.map_leaves(as_shown, element)


def as_shown(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return Tensor.from_array(np.ascontiguousarray(x)) if x.dtype.kind in "biufc" else x
    return tensor(x) if isinstance(x, np.generic) and x.dtype.kind in "biufc" else x


def given_to(function: Callable, element: Any) -> Any:
    """function(*parts) of an element that is a tuple, else function(element)."""
    seen = shown(element)
    return function(*seen) if type(seen) is tuple else function(seen)


def stacked(elements: list) -> Any:
    """A batch of elements. Raises ShapeError where they differ in shape."""
    try:
        return tree.map_leaves(lambda *parts: np.stack(parts), *elements)
    except ValueError:
        shapes = sorted({tuple(a.shape) for e in elements for a in tree.leaves(e)})
        raise ShapeError(
            message(
                "tf.data batch",
                "cannot batch elements of different shapes",
                [("shapes", shapes[:4])],
                "Use padded_batch, or make them alike with map first",
            )
        ) from None


class Dataset:
    """A pipeline. Source: tf.data.Dataset.

    >>> import dovetail.tf as tf
    >>> [b.tolist() for b in tf.data.Dataset.range(5).batch(2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, items: Callable[[], Iterator], count: int = UNKNOWN):
        self.items, self.count = items, count

    # -- sources ---------------------------------------------------------------------------------------------------

    @staticmethod
    def from_tensor_slices(tensors: Any, name: Any = None) -> Dataset:
        """The rows of arrays."""
        return Slices(arrays(tensors))

    @staticmethod
    def from_tensors(tensors: Any, name: Any = None) -> Dataset:
        """One element."""
        element = arrays(tensors)
        return Dataset(lambda: iter([element]), 1)

    @staticmethod
    def from_generator(generator: Callable, output_types=None, output_shapes=None, args=(), output_signature=None,
                       name=None) -> Dataset:  # fmt: skip
        """What a function's iterator gives; `output_signature` or `output_types` decide the dtypes."""
        wanted = output_signature if output_signature is not None else output_types
        kinds = [getattr(s, "dtype", s) for s in tree.flatten(wanted)] if wanted is not None else None

        def items() -> Iterator:
            for element in generator(*args):
                if kinds is None:
                    yield arrays(element)
                    continue
                parts = tree.flatten(element) if tree.is_nested(wanted) else [element]
                typed = [tensor(x, k)._array() for x, k in zip(parts, kinds, strict=True)]
                yield tree.pack(wanted, typed) if tree.is_nested(wanted) else typed[0]

        return Dataset(items)

    @staticmethod
    def range(*args: int, output_type: Any = np.int64, name: Any = None) -> Dataset:
        """Whole numbers."""
        numbers = range(*(int(a) for a in args))
        return Dataset(lambda: (np.asarray(i, np.int64) for i in numbers), len(numbers))

    @staticmethod
    def zip(*datasets: Any, name: Any = None) -> Dataset:
        """Elements of several data sets side by side."""
        sets = datasets[0] if len(datasets) == 1 and tree.is_nested(datasets[0]) else datasets
        flat = tree.flatten(sets)
        known = [d.count for d in flat if d.count != INFINITE]
        count = INFINITE if not known else UNKNOWN if UNKNOWN in known else min(known)
        shape = sets if isinstance(sets, dict) else tuple(sets)
        return Dataset(lambda: (tree.pack(shape, list(e)) if plain(e) else packed(shape, e)
                                for e in zip(*(d.items() for d in flat), strict=False)), count)  # fmt: skip

    @staticmethod
    def list_files(file_pattern: Any, shuffle: bool | None = None, seed: Any = None, name: Any = None) -> Dataset:
        """Paths that match a pattern."""
        patterns = [file_pattern] if isinstance(file_pattern, str) else list(file_pattern)
        found = sorted(p for pattern in patterns for p in glob.glob(str(pattern)))
        if shuffle or shuffle is None:
            random.Random(seed).shuffle(found)
        return Dataset(lambda: iter(found), len(found))

    @staticmethod
    def sample_from_datasets(datasets, weights=None, seed=None, stop_on_empty_dataset=False, **kwargs) -> Dataset:
        """Elements of several data sets by chance."""

        def items() -> Iterator:
            stream = random.Random(seed)
            running, chances = [d.items() for d in datasets], list(weights or [1.0] * len(datasets))
            while running:
                (i,) = stream.choices(range(len(running)), chances)
                try:
                    yield next(running[i])
                except StopIteration:
                    if stop_on_empty_dataset:
                        return
                    del running[i], chances[i]

        return Dataset(items)

    # -- steps -----------------------------------------------------------------------------------------------------

    def map(self, map_func: Callable, num_parallel_calls=None, deterministic=None, name=None, **kwargs) -> Dataset:
        """map_func of each element."""
        return Dataset(lambda: (arrays(given_to(map_func, e)) for e in self.items()), self.count)

    def filter(self, predicate: Callable, name: Any = None) -> Dataset:
        """The elements for which `predicate` holds."""
        return Dataset(lambda: (e for e in self.items() if bool(given_to(predicate, e))))

    def take_while(self, predicate: Callable, name: Any = None) -> Dataset:
        """The elements up to the first for which `predicate` does not hold."""
        return Dataset(lambda: itertools.takewhile(lambda e: bool(given_to(predicate, e)), self.items()))

    def batch(self, batch_size: Any, drop_remainder: bool = False, num_parallel_calls=None, deterministic=None,
              name=None) -> Dataset:  # fmt: skip
        """Elements stacked, so many at a time."""
        size = int(batch_size)
        if size < 1:
            raise ArgumentError(message("tf.data batch", f"batch_size must be 1 or more, got {size}"))

        def items() -> Iterator:
            for group in chunks(self.items(), size, drop_remainder):
                yield stacked(group)

        return Dataset(items, parts(self.count, size, drop_remainder))

    def padded_batch(self, batch_size, padded_shapes=None, padding_values=None, drop_remainder=False, **kw) -> Dataset:
        """As batch, with elements filled up to one shape."""

        def items() -> Iterator:
            for group in chunks(self.items(), int(batch_size), drop_remainder):
                flat = [tree.flatten(e) for e in group]
                width = len(flat[0])
                shapes = tree.flatten(tuple_shapes(padded_shapes, width))
                values = tree.flatten(padding_values) if padding_values is not None else [0] * width
                made = [padded([row[i] for row in flat], shapes[i], values[i]) for i in range(width)]
                yield tree.pack(group[0], made) if tree.is_nested(group[0]) else made[0]

        return Dataset(items, parts(self.count, int(batch_size), drop_remainder))

    def unbatch(self, name: Any = None) -> Dataset:
        """The rows of each element."""

        def items() -> Iterator:
            for e in self.items():
                for i in range(len(tree.flatten(e)[0])):
                    yield tree.map_leaves(lambda a, i=i: a[i], e)

        return Dataset(items)

    def rebatch(self, batch_size: Any, drop_remainder: bool = False, name: Any = None) -> Dataset:
        """Batches of another size."""
        return self.unbatch().batch(batch_size, drop_remainder)

    def shuffle(self, buffer_size: Any, seed: Any = None, reshuffle_each_iteration: bool | None = None,
                name: Any = None) -> Dataset:  # fmt: skip
        """Elements in another order, drawn from a buffer of so many."""
        size, draw = int(buffer_size), orders(seed, reshuffle_each_iteration is not False)

        def items() -> Iterator:
            yield from drawn(self.items(), size, draw())

        return Dataset(items, self.count)

    def repeat(self, count: Any = None, name: Any = None) -> Dataset:
        """The data set again and again, `count` times or without end."""
        times = -1 if count is None else int(count)

        def items() -> Iterator:
            done = 0
            while times < 0 or done < times:
                empty = True
                for e in self.items():
                    empty = False
                    yield e
                if empty:
                    return
                done += 1

        total = self.count if self.count < 0 else INFINITE if times < 0 else self.count * times
        return Dataset(items, INFINITE if times < 0 and self.count else total)

    def take(self, count: Any, name: Any = None) -> Dataset:
        """The first elements."""
        n = int(count)
        if n < 0:
            return self
        known = n if self.count == INFINITE else min(n, self.count) if self.count >= 0 else UNKNOWN
        return Dataset(lambda: itertools.islice(self.items(), n), known)

    def skip(self, count: Any, name: Any = None) -> Dataset:
        """Without the first elements."""
        n = int(count)
        known = max(self.count - n, 0) if self.count >= 0 and n >= 0 else 0 if n < 0 else self.count
        return Dataset(lambda: itertools.islice(self.items(), n, None) if n >= 0 else iter(()), known)

    def shard(self, num_shards: int, index: int, name: Any = None) -> Dataset:
        """Every num_shards-th element."""
        known = len(range(index, self.count, num_shards)) if self.count >= 0 else self.count
        return Dataset(lambda: itertools.islice(self.items(), index, None, num_shards), known)

    def enumerate(self, start: int = 0, name: Any = None) -> Dataset:
        """(number, element)."""
        return Dataset(
            lambda: ((np.asarray(i, np.int64), e) for i, e in enumerate(self.items(), int(start))), self.count
        )

    def concatenate(self, dataset: Dataset, name: Any = None) -> Dataset:
        """The elements of this one, then of another."""
        known = self.count + dataset.count if self.count >= 0 and dataset.count >= 0 else min(self.count, dataset.count)
        return Dataset(lambda: itertools.chain(self.items(), dataset.items()), known)

    def flat_map(self, map_func: Callable, name: Any = None) -> Dataset:
        """The elements of the data sets that map_func makes."""
        return Dataset(lambda: (e for x in self.items() for e in given_to(map_func, x).items()))

    def interleave(self, map_func: Callable, cycle_length: Any = None, block_length: int = 1, **kwargs) -> Dataset:
        """Elements of the data sets that map_func makes, in turns."""

        def items() -> Iterator:
            source, running = self.items(), deque()
            width = int(cycle_length) if cycle_length and int(cycle_length) > 0 else 16
            for x in itertools.islice(source, width):
                running.append(given_to(map_func, x).items())
            while running:
                one = running.popleft()
                block = list(itertools.islice(one, block_length))
                yield from block
                if len(block) == block_length:
                    running.append(one)
                else:
                    for x in itertools.islice(source, 1):
                        running.append(given_to(map_func, x).items())

        return Dataset(items)

    def window(self, size: int, shift: int | None = None, stride: int = 1, drop_remainder: bool = False,
               name: Any = None) -> Dataset:  # fmt: skip
        """Data sets of `size` elements, each `shift` further on."""
        size, shift, stride = int(size), int(shift or size), int(stride)

        def items() -> Iterator:
            held: list = []
            source, ended = self.items(), False
            while True:
                while not ended and len(held) < (size - 1) * stride + 1:
                    for e in itertools.islice(source, 1):
                        held.append(e)
                        break
                    else:
                        ended = True
                taken = held[: (size - 1) * stride + 1 : stride]
                if not taken or (drop_remainder and len(taken) < size):
                    return
                yield nested(taken)
                for _ in range(max(shift - len(held), 0)):
                    next(source, None)
                held = held[shift:]

        return Dataset(items)

    def cache(self, filename: Any = "", name: Any = None) -> Dataset:
        """Elements kept in memory after they were made once."""
        held: list = []

        def items() -> Iterator:
            if held:
                yield from held[0]
                return
            made = []
            for e in self.items():
                made.append(e)
                yield e
            held.append(made)

        return Dataset(items, self.count)

    def unique(self, name: Any = None) -> Dataset:
        """Each different element once."""

        def items() -> Iterator:
            seen = set()
            for e in self.items():
                key = tuple(a.tobytes() for a in tree.leaves(e))
                if key not in seen:
                    seen.add(key)
                    yield e

        return Dataset(items)

    def scan(self, initial_state: Any, scan_func: Callable, name: Any = None) -> Dataset:
        """scan_func(state, element) gives the next state and what comes out."""

        def items() -> Iterator:
            state = tree.map_leaves(tensor, initial_state)
            for e in self.items():
                state, made = scan_func(state, shown(e))
                yield arrays(made)

        return Dataset(items, self.count)

    def apply(self, transformation_func: Callable, name: Any = None) -> Dataset:
        """transformation_func of the data set."""
        return transformation_func(self)

    def prefetch(self, buffer_size: Any = AUTOTUNE, name: Any = None) -> Dataset:
        """The data set itself: elements are made when they are asked for."""
        return self

    def with_options(self, options: Any, name: Any = None) -> Dataset:
        """The data set itself."""
        return self

    def options(self) -> Options:
        return Options()

    # -- results ---------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator:
        return map(shown, self.items())

    def as_numpy_iterator(self) -> Iterator:
        """The elements as arrays."""
        return (tree.map_leaves(lambda a: a[()] if isinstance(a, np.ndarray) else a, e) for e in self.items())

    def cardinality(self) -> Tensor:
        """The number of elements; -1 without end, -2 where it is not known."""
        return Tensor.from_data(np.asarray(self.count, np.int64))

    def __len__(self) -> int:
        if self.count < 0:
            raise TypeError("The dataset is infinite." if self.count == INFINITE else "The dataset length is unknown.")
        return self.count

    def __bool__(self) -> bool:
        return True

    def reduce(self, initial_state: Any, reduce_func: Callable, name: Any = None) -> Any:
        """reduce_func(state, element) over all elements."""
        state = tree.map_leaves(tensor, initial_state)
        for e in self:
            state = reduce_func(state, e)
        return state

    def get_single_element(self, name: Any = None) -> Any:
        """The only element."""
        return next(iter(self))

    @property
    def element_spec(self) -> Any:
        """Shape and dtype of an element, from the first one."""
        return tree.map_leaves(lambda a: TensorSpec(a.shape, a.dtype), next(self.items()))


class Slices(Dataset):
    """Rows of arrays, in an order: None for their own, else a function that draws one."""

    def __init__(self, data: Any, draw: Callable[[], np.ndarray] | None = None):
        flat = tree.flatten(data)
        lengths = {len(a) for a in flat}
        if len(lengths) > 1:
            raise ShapeError(
                message(
                    "from_tensor_slices",
                    f"the arrays have different numbers of rows: {sorted(lengths)}",
                    cure="All parts must have the same length along the first axis",
                )
            )
        self.data, self.draw = data, draw
        super().__init__(self.rows, lengths.pop() if lengths else 0)

    def rows(self) -> Iterator:
        order: Iterable = range(self.count) if self.draw is None else self.draw()
        return (tree.map_leaves(lambda a, i=i: np.asarray(a[i]), self.data) for i in order)

    def shuffle(self, buffer_size, seed=None, reshuffle_each_iteration=None, name=None) -> Dataset:
        if self.draw is not None:
            return super().shuffle(buffer_size, seed, reshuffle_each_iteration)
        fresh, n, size = orders(seed, reshuffle_each_iteration is not False), self.count, int(buffer_size)

        def draw() -> np.ndarray:
            stream = fresh()
            if size >= n:
                return stream.permutation(n)
            return np.fromiter(drawn(iter(range(n)), size, stream), np.int64, n)

        return Slices(self.data, draw)

    def batch(self, batch_size, drop_remainder=False, num_parallel_calls=None, deterministic=None, name=None):
        size, count = int(batch_size), parts(self.count, int(batch_size), drop_remainder)

        def items() -> Iterator:
            order = None if self.draw is None else self.draw()
            for i in range(count):
                at = slice(i * size, min((i + 1) * size, self.count))
                if order is None:
                    yield tree.map_leaves(lambda a, at=at: a[at], self.data)
                else:
                    yield tree.map_leaves(lambda a, at=at: a.take(order[at], 0), self.data)

        return Dataset(items, count)


class TensorSpec:
    """A shape and a dtype. Source: tf.TensorSpec."""

    def __init__(self, shape: Any = None, dtype: Any = "float32", name: str | None = None):
        self.shape, self.dtype, self.name = None if shape is None else tuple(shape), dtype, name

    def __repr__(self) -> str:
        kind = getattr(self.dtype, "name", self.dtype)
        return f"TensorSpec(shape={self.shape}, dtype=tf.{kind}, name={self.name!r})"


class Options:
    """Settings of a pipeline; accepted."""

    experimental_deterministic = deterministic = None
    threading = autotune = experimental_optimization = experimental_distribute = None


def plain(element: tuple) -> bool:
    return not any(tree.is_nested(x) for x in element)


def packed(shape: Any, element: tuple) -> Any:
    """A structure whose leaves are the elements, which may be structures themselves."""
    at = iter(element)
    return tree.map_leaves(lambda _: next(at), shape)


def chunks(source: Iterator, size: int, drop: bool) -> Iterator[list]:
    while group := list(itertools.islice(source, size)):
        if drop and len(group) < size:
            return
        yield group


def parts(count: int, size: int, drop: bool) -> int:
    return count if count < 0 else count // size if drop else -(-count // size)


def orders(seed: Any, again: bool) -> Callable[[], np.random.Generator]:
    """A function that gives the generator of one pass over the data: a new one each time unless told otherwise."""
    base = None if seed is None else np.random.default_rng(int(seed))
    first: list[int] = []

    def fresh() -> np.random.Generator:
        source = base if base is not None else default_generator.host()
        number = int(source.integers(2**63 - 1)) if again or not first else first[0]
        first[:] = [number]
        return np.random.default_rng(number)

    return fresh


def drawn(source: Iterator, size: int, stream: np.random.Generator) -> Iterator:
    """Elements drawn from a buffer that is filled up from the source."""
    held = list(itertools.islice(source, size))
    for e in source:
        i = int(stream.integers(len(held)))
        yield held[i]
        held[i] = e
    for i in stream.permutation(len(held)):
        yield held[i]


def nested(elements: list) -> Any:
    """A data set of these elements; of structures, a structure of data sets."""
    if isinstance(elements[0], (tuple, dict)):
        flat = [tree.flatten(e) for e in elements]
        return tree.pack(elements[0], [nested(list(column)) for column in zip(*flat, strict=True)])
    return Dataset(lambda: iter(elements), len(elements))


def tuple_shapes(shapes: Any, width: int) -> list:
    """One shape, or None, for each part of an element."""
    if shapes is None:
        return [None] * width

    class Shape:
        def __init__(self, sizes):
            self.sizes = sizes

    def wrapped(s: Any) -> Any:
        if isinstance(s, (list, tuple)) and all(n is None or isinstance(n, (int, np.integer)) for n in s):
            return Shape([None if n is None or n < 0 else int(n) for n in s])
        if isinstance(s, dict):
            return {k: wrapped(v) for k, v in s.items()}
        return tuple(wrapped(v) for v in s)

    found = wrapped(shapes)
    return [s.sizes for s in tree.flatten(found)]


def padded(rows: list, shape: Any, value: Any) -> np.ndarray:
    """Arrays of different sizes in one, filled up with `value`."""
    largest = [max(r.shape[d] for r in rows) for d in range(rows[0].ndim)]
    sizes = largest if shape is None else [m if n is None else n for n, m in zip(shape, largest, strict=True)]
    made = np.full((len(rows), *sizes), value, rows[0].dtype)
    for i, r in enumerate(rows):
        made[(i, *(slice(n) for n in r.shape))] = r  # type: ignore[index]
    return made
