"""keras.ops: conversion, control flow, scatter and slices."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import tree
from dovetail.base.errors import message
from dovetail.ir.core import Value
from dovetail.keras.dtypes import as_dtype, standardize_dtype
from dovetail.keras.ops.convert import tensor
from dovetail.keras.symbolic import KerasTensor, symbolic
from dovetail.ops import create
from dovetail.ops import index as indexing
from dovetail.ops import shape as s
from dovetail.ops.convert import converted
from dovetail.tensor.tensor import Tensor


@symbolic
def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None):
    """A tensor of x: numbers, nested sequences, arrays, tensors."""
    return tensor(x, dtype)


def convert_to_numpy(x: Any) -> np.ndarray:
    """The values as a NumPy array."""
    return np.array(x._array()) if isinstance(x, Tensor) else np.asarray(x)


def is_tensor(x: Any) -> bool:
    """Whether x is a tensor."""
    return isinstance(x, (Tensor, Value))


@symbolic
def cast(x: Any, dtype: Any):
    """x in another type."""
    x = tensor(x)
    wanted = as_dtype(dtype)
    return x if x.dtype is wanted else converted(x, wanted)


def shape(x: Any) -> tuple:
    """The sizes."""
    if isinstance(x, KerasTensor):
        return x.shape
    return tuple(tensor(x).shape)


def dtype(x: Any) -> str:
    """The name of the element type."""
    return standardize_dtype(x.dtype if hasattr(x, "dtype") else tensor(x).dtype)


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(shape(x))


def size(x: Any) -> Any:
    """The number of elements."""
    sizes = shape(x)
    return None if None in sizes else int(np.prod(sizes))


@symbolic
def scatter(indices: Any, values: Any, shape: Any):
    """Zeros of a shape with values added at the places that the rows of `indices` name."""
    values = tensor(values)
    return scatter_update(create.zeros(tuple(int(n) for n in shape), dtype=values.dtype), indices, values, "add")


@symbolic
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None):
    """inputs with updates written (or added, multiplied, ...) at the places that the rows of `indices` name."""
    x, i, u = tensor(inputs), tensor(indices).to(as_dtype("int64")), tensor(updates)
    u = u.to(x.dtype)
    places = tuple(s.unbind(i, -1))
    if reduction in (None, "add", "sum"):
        return indexing.index_put(x, places, u, reduction is not None)
    now = x[places]
    changed = {"max": lambda: now.maximum(u), "min": lambda: now.minimum(u), "mul": lambda: now * u}[reduction]()
    return indexing.index_put(x, places, changed, False)


@symbolic
def slice(inputs: Any, start_indices: Any, shape: Any):
    """A block that begins at start_indices."""
    x = tensor(inputs)
    starts = [int(i) for i in (start_indices.tolist() if hasattr(start_indices, "tolist") else start_indices)]
    return x[
        tuple(
            _slice(a, x.shape[d] if n == -1 else a + int(n)) for d, (a, n) in enumerate(zip(starts, shape, strict=True))
        )
    ]


_slice = builtins.slice


@symbolic
def slice_update(inputs: Any, start_indices: Any, updates: Any):
    """inputs with a block that begins at start_indices replaced."""
    x, u = tensor(inputs), tensor(updates)
    starts = [int(i) for i in (start_indices.tolist() if hasattr(start_indices, "tolist") else start_indices)]
    grid = [np.arange(a, a + n) for a, n in zip(starts, u.shape, strict=True)]
    places = tuple(Tensor.from_data(g.astype(np.int64)) for g in np.meshgrid(*grid, indexing="ij"))
    return indexing.index_put(x, places, u.to(x.dtype), False)


@symbolic
def select(condlist: Any, choicelist: Any, default: Any = 0):
    """For each element the first choice whose condition holds."""
    out = tensor(default)
    first = tensor(choicelist[0])
    out = s.broadcast_to(out.to(first.dtype), first.shape)
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        out = indexing.where(tensor(condition).to(as_dtype("bool")), tensor(choice), out)
    return out


@symbolic
def view(x: Any, dtype: Any):
    """The same bits as another type."""
    return tensor(x).view(as_dtype(dtype))


# -- control flow: plain Python, since every line runs at once
# ---------------------------------------------------------------


def truth(pred: Any) -> bool:
    return bool(pred.item()) if isinstance(pred, Tensor) else bool(pred)


def cond(pred: Any, true_fn: Callable, false_fn: Callable):
    """true_fn() where pred holds, else false_fn()."""
    return true_fn() if truth(pred) else false_fn()


def switch(index: Any, branches: list[Callable], *operands: Any):
    """The branch with this number (the nearest there is), called with the operands."""
    i = int(index.item()) if isinstance(index, Tensor) else int(index)
    return branches[min(max(i, 0), len(branches) - 1)](*operands)


def while_loop(cond: Callable, body: Callable, loop_vars: Any, maximum_iterations: int | None = None):
    """body on the loop variables as long as cond holds."""
    is_tuple = isinstance(loop_vars, (tuple, list))
    state = tuple(loop_vars) if is_tuple else (loop_vars,)
    state = tuple(tensor(v) if not tree.is_nested(v) else v for v in state)
    count = 0
    while (maximum_iterations is None or count < maximum_iterations) and truth(cond(*state)):
        made = body(*state)
        state = tuple(made) if isinstance(made, (tuple, list)) else (made,)
        count += 1
    return (list(state) if isinstance(loop_vars, list) else state) if is_tuple else state[0]


def fori_loop(lower: int, upper: int, body_fun: Callable, init_val: Any):
    """body_fun(i, state) for i from lower to before upper."""
    state = init_val
    for i in range(int(lower), int(upper)):
        state = body_fun(i, state)
    return state


def slices_of(call: str, xs: Any) -> int:
    """How many slices along the first axis there are. Raises TypeError where there is no first axis."""
    flat = [tensor(x) for x in tree.flatten(xs)]
    if not flat or not flat[0].shape:
        raise TypeError(message(call, "takes arrays with at least one axis", [("xs", str(xs))]))
    return flat[0].shape[0]


def map(f: Callable, xs: Any):
    """f of each slice along the first axis, stacked."""
    count = slices_of("map", xs)
    results = [f(tree.map_leaves(lambda x, i=i: tensor(x)[i], xs)) for i in range(count)]
    return tree.map_leaves(lambda *parts: s.stack([tensor(p) for p in parts]), *results)


def vectorized_map(function: Callable, elements: Any):
    """As map."""
    return map(function, elements)


def scan(f: Callable, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, unroll: Any = 1):
    """f(state, slice) -> (state, result) along the first axis; returns the last state and the stacked results."""
    count = length if xs is None else slices_of("scan", xs)
    if not isinstance(count, int):
        raise TypeError(message("scan", f"needs xs or a length, got {type(count).__name__}"))
    state, results = init, []
    for i in reversed(range(count)) if reverse else range(count):  # type: ignore[arg-type]
        state, result = f(state, None if xs is None else tree.map_leaves(lambda x, i=i: tensor(x)[i], xs))
        results.append(result)
    results = results[::-1] if reverse else results
    if all(r is None for r in results):
        return state, None
    return state, tree.map_leaves(lambda *parts: s.stack([tensor(p) for p in parts]), *results)


def associative_scan(f: Callable, elems: Any, reverse: bool = False, axis: int = 0):
    """Running results of an associative function along an axis."""
    flat = [tensor(x) for x in tree.flatten(elems)]
    rows = [tree.pack(elems, [x.select(axis, i).unsqueeze(axis) for x in flat]) for i in range(flat[0].shape[axis])]
    rows = rows[::-1] if reverse else rows
    made = [rows[0]]
    for row in rows[1:]:
        made.append(f(made[-1], row))
    made = made[::-1] if reverse else made
    return tree.map_leaves(lambda *parts: s.cat(list(parts), axis), *made)


def custom_gradient(f: Callable):
    """Accepted where f returns only a value; a gradient function beside it is not used yet."""

    def call(*args, **kwargs):
        made = f(*args, **kwargs)
        return made[0] if isinstance(made, tuple) and len(made) == 2 and callable(made[1]) else made

    return call
