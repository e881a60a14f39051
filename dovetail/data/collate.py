"""From a list of samples to a batch: tensors are stacked, numbers become tensors, containers keep their form.

Agrees with torch.utils.data.default_collate and default_convert.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ops.shape import stack
from dovetail.tensor.tensor import Tensor

default_collate_fn_map: dict[type | tuple[type, ...], Callable] = {}


def default_collate(batch: Sequence[Any]) -> Any:
    """One batch from a list of samples.

    >>> default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])
    {'x': tensor([1, 2]), 'name': ['a', 'b']}

    Raises: TypeError for a sample of a type it does not know; ShapeError where tensors differ in shape.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch: Sequence[Any], *, collate_fn_map: dict | None = None) -> Any:
    """As default_collate, with a table from type to function for the leaves."""
    first = batch[0]
    kind = type(first)
    table = collate_fn_map or {}
    _check_kinds(batch)
    if kind in table:
        return table[kind](batch, collate_fn_map=collate_fn_map)
    for known, function in table.items():
        if isinstance(first, known):
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        _check_keys(batch)
        return _rebuild_mapping(
            first, {k: collate([b[k] for b in batch], collate_fn_map=collate_fn_map) for k in first}
        )
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*(collate(part, collate_fn_map=collate_fn_map) for part in zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        _check_lengths(batch)
        parts = [collate(part, collate_fn_map=collate_fn_map) for part in zip(*batch, strict=True)]
        return parts if isinstance(first, tuple) else _rebuild_sequence(first, parts)
    if first is None:
        problem = "a sample is None: the dataset's __getitem__ returned nothing for it"
        raise TypeError(message("default_collate", problem, [], "Let __getitem__ end with `return sample`"))
    raise TypeError(
        message(
            "default_collate",
            f"batch must contain tensors, numpy arrays, numbers, dicts or lists; found {kind}",
            [],
            "Pass your own collate_fn to the DataLoader, or let the dataset return tensors.",
        )
    )


def _check_kinds(batch: Sequence) -> None:
    """Raise where a batch mixes tensors, numbers, texts and containers."""
    for i, sample in enumerate(batch):
        if type(sample) is not type(batch[0]) and family(sample) != family(batch[0]):
            raise ArgumentError(
                message(
                    "default_collate",
                    f"the samples of a batch are of different kinds: sample 0 of the batch is "
                    f"{described(batch[0])}, sample {i} is {described(sample)}",
                    [],
                    "Let the dataset return the same kind of thing for every index.",
                )
            )


FAMILIES = (Tensor, np.ndarray, (bool, int, float, np.number, np.bool_), (str, bytes), Mapping, Sequence)


def family(sample: Any) -> int:
    """Which of FAMILIES a sample belongs to; their number for none."""
    return next((i for i, kinds in enumerate(FAMILIES) if isinstance(sample, kinds)), len(FAMILIES))  # type: ignore


def described(sample: Any) -> str:
    return "None" if sample is None else f"of type {type(sample).__name__}"


def _check_keys(batch: Sequence) -> None:
    for i, sample in enumerate(batch):
        missing = [k for k in batch[0] if k not in sample]
        if missing:
            raise ArgumentError(
                message(
                    "default_collate",
                    f"the samples of a batch have different keys: sample 0 of the batch has "
                    f"{sorted(map(str, batch[0]))}, sample {i} has {sorted(map(str, sample))}",
                    [f"missing there: {', '.join(repr(k) for k in missing)}"],
                    "Let the dataset return the same keys for every index.",
                )
            )


def _check_lengths(batch: Sequence) -> None:
    lengths = [len(b) for b in batch]
    if len(set(lengths)) > 1:
        odd = next(i for i, n in enumerate(lengths) if n != lengths[0])
        raise ArgumentError(
            message(
                "default_collate",
                f"each element in list of batch should be of equal size: sample 0 of the batch has "
                f"{lengths[0]} parts, sample {odd} has {lengths[odd]}",
            )
        )


def _rebuild_mapping(first, made: dict):
    if isinstance(first, MutableMapping):
        clone = copy.copy(first)
        clone.update(made)
        return clone
    try:
        return type(first)(made)
    except TypeError:
        return made


def _rebuild_sequence(first, parts: list):
    if isinstance(first, MutableSequence):
        clone = copy.copy(first)
        for i, part in enumerate(parts):
            clone[i] = part
        return clone
    try:
        return type(first)(parts)
    except TypeError:
        return parts


def collate_tensor_fn(batch, *, collate_fn_map=None) -> Tensor:
    """Tensors of one shape, stacked along a new first dimension."""
    shape = batch[0].shape
    for i, t in enumerate(batch):
        if t.shape != shape:
            raise unequal(batch, i)
    if any(t.requires_grad for t in batch):
        return stack(batch)
    return Tensor.from_array(np.stack([t.numpy() for t in batch]))


def unequal(batch, i: int) -> ShapeError:
    return ShapeError(
        message(
            "default_collate",
            f"stack expects each tensor to be equal size, but got {list(batch[0].shape)} at entry 0 and "
            f"{list(batch[i].shape)} at entry {i}",
            [],
            "Bring the samples to one size in the dataset, or pad them in a collate_fn of your own.",
        )
    )


def collate_numpy_array_fn(batch, *, collate_fn_map=None) -> Tensor:
    if batch[0].dtype.kind in "SUOV":
        raise TypeError(f"default_collate: cannot make a tensor of NumPy arrays of dtype {batch[0].dtype}")
    for i, a in enumerate(batch):
        if a.shape != batch[0].shape:
            raise unequal(batch, i)
    return Tensor.from_array(np.stack(batch))


def collate_numpy_scalar_fn(batch, *, collate_fn_map=None) -> Tensor:
    return Tensor.from_array(np.asarray(batch))


def collate_float_fn(batch, *, collate_fn_map=None) -> Tensor:
    return Tensor.from_array(np.array(batch, dtype=np.float64))


def collate_int_fn(batch, *, collate_fn_map=None) -> Tensor:
    return Tensor.from_array(np.array(batch, dtype=np.bool_ if isinstance(batch[0], bool) else np.int64))


def collate_str_fn(batch, *, collate_fn_map=None) -> Sequence:
    """As given: a list, or a tuple where the samples are tuples or lists."""
    return batch


default_collate_fn_map.update(
    {
        Tensor: collate_tensor_fn,
        np.ndarray: collate_numpy_array_fn,
        (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
        float: collate_float_fn,
        int: collate_int_fn,
        str: collate_str_fn,
        bytes: collate_str_fn,
    }
)


def default_convert(data: Any) -> Any:
    """NumPy arrays in `data` become tensors; everything else stays. Used where there is no batching."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, (np.ndarray, np.number, np.bool_)):
        array = np.asarray(data)
        return data if array.dtype.kind in "SUOV" else Tensor.from_array(array)
    if isinstance(data, Mapping):
        return _rebuild_mapping(data, {k: default_convert(v) for k, v in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(d) for d in data))
    if isinstance(data, tuple):
        return [default_convert(d) for d in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _rebuild_sequence(data, [default_convert(d) for d in data])
    return data
