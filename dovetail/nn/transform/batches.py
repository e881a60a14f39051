"""vmap: a function of one example becomes a function of a batch (torch.func.vmap).

The function is called once, to see what it computes for one example (`tensor/capture.py`); every primitive of that is
then said once for the whole batch (`autodiff/batching.py`). So a batched function costs one program of batched
operations, has gradients, and can be nested.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, DimError, message
from dovetail.ir.core import Value
from dovetail.nn.module import Module
from dovetail.ops.batched import for_batch
from dovetail.ops.shape import cat, stack
from dovetail.tensor.capture import Captured, PythonInside, capture
from dovetail.tensor.modes import no_grad
from dovetail.tensor.random import default_generator
from dovetail.tensor.tensor import Tensor


def vmap(func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *,
         chunk_size: int | None = None) -> Callable:  # fmt: skip
    """`func` over a batch: each argument gives its slices along `in_dims`, results are stacked along `out_dims`.

    in_dims: an int or None for every argument, or a structure like the arguments'. randomness: "different" draws for
    each example, "same" repeats one draw, "error" forbids random operations.
    Source: agrees with torch.func.vmap.

    >>> import dovetail
    >>> dot = vmap(lambda a, b: (a * b).sum())
    >>> dot(dovetail.ones(3, 2), dovetail.ones(3, 2)).tolist()
    [2.0, 2.0, 2.0]
    """
    if randomness not in ("error", "different", "same"):
        text = f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        raise ArgumentError(message("vmap", text))
    if chunk_size is not None and (not isinstance(chunk_size, int) or chunk_size <= 0):
        raise ArgumentError(message("vmap", f"chunk_size should be None or greater than 0. (got {chunk_size})"))

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        dims = dims_of(args, in_dims)
        named_dims = tree.map_leaves(lambda x: 0 if isinstance(x, Tensor) else NOT_MAPPED, kwargs)
        flat, at = tree.flatten([args, kwargs]), tree.flatten([dims, named_dims])
        size = batch_size(list(zip(flat, at, strict=True)))
        together = getattr(func, "for_many", None)
        if together is not None and not kwargs and min(at) >= 0 and chunk_size is None:  # the way back of a vjp
            moved = [x.movedim(d, 0) if d else x for x, d in zip(flat, at, strict=True)]
            found = together(moved)
            flat_dims = dims_out(found, out_dims)
            return tree.pack(found, [placed(x, d) for x, d in zip(tree.flatten(found), flat_dims, strict=True)])
        if chunk_size is None or chunk_size >= size:
            return mapped(func, (args, kwargs), flat, at, size, out_dims, randomness)
        parts = []
        for start in range(0, size, chunk_size):
            count = min(chunk_size, size - start)
            piece = [x if d < 0 else x.narrow(d, start, count) for x, d in zip(flat, at, strict=True)]
            parts.append(mapped(func, (args, kwargs), piece, at, count, out_dims, randomness))
        return joined(parts, out_dims)

    return wrapped


def mapped(func: Callable, given: tuple, flat: list, at: list[int], size: int, out_dims: Any, randomness: str) -> Any:
    """One batch. flat: the leaves of `given`, which is (args, kwargs); at: the batch dim of each, or NOT_MAPPED."""
    originals = [(x, d) for x, d in zip(flat, at, strict=True) if d >= 0]
    moved = [x.movedim(d, 0) if d else x for x, d in zip(flat, at, strict=True) if d >= 0]

    def arguments(stand_ins: list[Tensor]) -> tuple:
        upcoming = iter(stand_ins)
        return tuple(tree.pack(list(given), [x if d < 0 else next(upcoming) for x, d in zip(flat, at, strict=True)]))

    def once(args: tuple, kwargs: dict) -> Any:
        return func(*args, **kwargs)

    try:
        made = capture("vmap", once, [(x._meta.shape[1:], x._meta.dtype) for x in moved], arguments)
    except PythonInside:
        return one_by_one(func, given, flat, at, size, out_dims, randomness)
    for x, value in zip(tree.flatten(made.result), made.leaves, strict=True):
        if not isinstance(value, Value):
            text = f"{named(func)} must only return Tensors, got type {type(x)}. Did you mean to set out_dims= to None?"
            raise ArgumentError(message("vmap", text))
    dims = dims_out(made.result, out_dims)
    flags = [True] * len(moved)
    check_unbatched(made, dims, flags)
    outs = [*made.leaves, *[value for _, value in made.written]]
    found = for_batch("vmap", made, outs, moved, size, flags, randomness)
    for (i, _), new in zip(made.written, found[len(made.leaves) :], strict=True):
        target, d = originals[i]
        target.copy_(new.movedim(0, d) if d else new)
    results = [x.select(0, 0) if d is None else placed(x, d) for x, d in zip(found, dims, strict=False)]
    return tree.pack(made.result, results)


def named(func: Callable) -> str:
    return f"vmap({getattr(func, '__name__', type(func).__name__)}, ...)"


def placed(x: Tensor, dim: int) -> Tensor:
    """The examples moved from dim 0 to where they are wanted."""
    if not -x.ndim <= dim < x.ndim:
        text = f"Dimension out of range (expected to be in range of [{-x.ndim}, {x.ndim - 1}], but got {dim})"
        raise DimError(message("vmap", text, [("result", x)]))
    return x if dim % x.ndim == 0 else x.movedim(0, dim)


def check_unbatched(made: Captured, dims: list, flags: list[bool]) -> None:
    """A result that is different for the examples cannot be returned without their dim."""
    if None not in dims:
        return
    own = {x for x, flag in zip(made.inputs, flags, strict=True) if flag}
    for node in made.nodes:
        if any(x in own for x in node.inputs):
            own.update(node.outs)
    if any(d is None and x in own for x, d in zip(made.leaves, dims, strict=True)):
        raise ArgumentError(message("vmap", "cannot return a BatchedTensor when out_dim is None"))


def dims_out(result: Any, out_dims: Any) -> list:
    """The batch dim of each leaf of the result; None: the result is the same for all examples."""
    count = len(tree.flatten(result))
    if out_dims is None or isinstance(out_dims, int):
        return [out_dims] * count
    if not isinstance(result, (tuple, list, dict)):
        if isinstance(out_dims, (tuple, list)) and len(out_dims) == 1:
            return list(out_dims)
        raise ArgumentError(message("vmap", f"out_dims is not compatible with the structure of outputs: {out_dims}"))
    if isinstance(result, (tuple, list)) and isinstance(out_dims, (tuple, list)) and len(out_dims) == len(result):
        return [d for part, given in zip(result, out_dims, strict=True) for d in dims_out(part, given)]
    if isinstance(result, dict) and isinstance(out_dims, dict) and out_dims.keys() == result.keys():
        return [d for key in tree.keys_of(result) for d in dims_out(result[key], out_dims[key])]
    raise ArgumentError(message("vmap", f"out_dims is not compatible with the structure of outputs: {out_dims}"))


def joined(parts: list, out_dims: Any) -> Any:
    """The results of chunks as one."""
    first = parts[0]
    columns = zip(*[tree.flatten(p) for p in parts], strict=True)
    made = [c[0] if d is None else cat(list(c), d) for c, d in zip(columns, dims_out(first, out_dims), strict=True)]
    return tree.pack(first, made)


def one_by_one(
    func: Callable, given: tuple, flat: list, at: list[int], size: int, out_dims: Any, randomness: str
) -> Any:
    """Where Python code is on the gradient's way (a custom Function, a hook): the function once for each example."""
    results = []
    before = Draws(randomness)
    for i in range(size):
        before.each(i)
        one = [x if d < 0 else x.select(d, i) for x, d in zip(flat, at, strict=True)]
        args, kwargs = tree.pack(list(given), one)
        results.append(func(*args, **kwargs))
    before.check()
    return stacked(results, out_dims)


NOT_MAPPED = -1


def dims_of(args: tuple, in_dims: Any) -> Any:
    """For each leaf of the arguments its batch dim (not negative), or NOT_MAPPED."""
    if not isinstance(in_dims, (int, tuple, list)) or isinstance(in_dims, bool):
        text = "expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, got "
        text += repr(in_dims)
        raise ArgumentError(message("vmap", text))
    if not args:
        raise ArgumentError(message("vmap", "got no inputs; the function needs at least one to take the batch from"))
    given = [in_dims] * len(args) if isinstance(in_dims, int) else list(in_dims)
    if len(given) != len(args):
        text = f"in_dims is not compatible with the structure of inputs: {len(given)} dims, {len(args)} arguments"
        raise ArgumentError(message("vmap", text))
    return tuple(spread(a, d) for a, d in zip(args, given, strict=True))


def spread(x: Any, dim: Any) -> Any:
    """One dim for each leaf of `x`; a single number or None stands for all."""
    if isinstance(dim, (tuple, list, dict)):
        if isinstance(x, dict):
            return {k: spread(x[k], dim[k]) for k in x}
        if not isinstance(x, (tuple, list)) or len(x) != len(dim):
            raise ArgumentError(message("vmap", "in_dims is not compatible with the structure of inputs"))
        return tree.like(x, [spread(a, d) for a, d in zip(x, dim, strict=True)])
    return tree.map_leaves(lambda leaf: leaf_dim(leaf, dim), x)


def leaf_dim(x: Any, dim: int | None) -> int:
    if dim is None:
        return NOT_MAPPED
    if not isinstance(x, Tensor):
        text = f"Got in_dim={dim} for an input but the input is of type {type(x).__name__}"
        raise ArgumentError(message("vmap", text, cure="Use in_dims=None for inputs that are not tensors"))
    if not -x.ndim <= dim < x.ndim:
        text = f"Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {x.ndim}"
        raise ArgumentError(message("vmap", text, [("input", x)]))
    return dim % x.ndim


def batch_size(pairs: list[tuple[Any, Any]]) -> int:
    sizes = {x.shape[d] for x, d in pairs if d is not None and d >= 0}
    if not sizes:
        raise ArgumentError(message("vmap", "at least one input must be mapped (every in_dim is None)"))
    if len(sizes) > 1:
        text = f"Expected all tensors to have the same size in the mapped dimension, got sizes {sorted(sizes)}"
        raise ArgumentError(message("vmap", text))
    return sizes.pop()


class Draws:
    """Random numbers inside a batched function."""

    def __init__(self, randomness: str):
        self.randomness = randomness
        self.start: Any = None
        if randomness == "same":
            self.start = default_generator.get_state()
        elif randomness == "error":
            self.start = default_generator.counter_tensor._version

    def each(self, i: int) -> None:
        if self.randomness == "same" and i:
            default_generator.set_state(self.start)

    def check(self) -> None:
        if self.randomness == "error" and default_generator.counter_tensor._version != self.start:
            text = "called random operation while in randomness error mode"
            cure = 'Pass randomness="different" or randomness="same"'
            raise ArgumentError(message("vmap", text, cure=cure))


def stacked(results: list, out_dims: Any) -> Any:
    """The results of all examples as one, along the batch dims."""
    if not results:
        raise ArgumentError(message("vmap", "the batch is empty: there is no example to learn the result's sizes from"))
    first = results[0]
    flat = [tree.flatten(r) for r in results]
    dims = dims_out(first, out_dims)
    for x in flat[0]:
        if not isinstance(x, Tensor):
            text = f"vmap(func): `func` must only return Tensors, got type {type(x).__name__}"
            raise ArgumentError(message("vmap", text))
    columns = list(zip(*flat, strict=True))
    made = [c[0] if d is None else stack(list(c), d) for d, c in zip(dims, columns, strict=True)]
    return tree.pack(first, made)


def stack_module_state(models: list[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters and buffers of equal models, each stacked along a new first dim, by name: for vmap over models."""
    if not models:
        raise ArgumentError(message("stack_module_state", "Expected at least one model, got 0."))
    if any(type(m) is not type(models[0]) for m in models):
        raise ArgumentError(message("stack_module_state", "Expected models to all be of the same class."))
    if len({m.training for m in models}) > 1:
        raise ArgumentError(message("stack_module_state", "Expected all models to have the same training/eval mode."))
    return (
        stack_by_name([dict(m.named_parameters()) for m in models]),
        stack_by_name([dict(m.named_buffers()) for m in models]),
    )


def stack_by_name(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    made = {}
    for name, first in states[0].items():
        with no_grad():
            whole = stack([s[name].detach() for s in states])
        made[name] = whole.requires_grad_() if first.requires_grad else whole
    return made
