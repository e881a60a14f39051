"""vmap: a function of one example becomes a function of a batch (torch.func.vmap).

The function is called once for each example and the results are stacked. The calls are recorded into one program, so
what costs is the recording; every operation, loop and gradient works.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, message
from dovetail.nn.module import Module
from dovetail.ops.shape import stack
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

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        dims = dims_of(args, in_dims)
        named_dims = tree.map_leaves(lambda x: 0 if isinstance(x, Tensor) else None, kwargs)
        size = batch_size([*leaf_pairs(args, dims), *leaf_pairs(kwargs, named_dims)])
        results = []
        before = Draws(randomness)
        for i in range(size):
            before.each(i)
            part = tree.map_leaves(lambda x, d: x if d < 0 else x.select(d, i), args, dims)  # noqa: B023
            named = {k: v.select(0, i) if isinstance(v, Tensor) else v for k, v in kwargs.items()}
            results.append(func(*part, **named))
        before.check()
        return stacked(results, out_dims)

    return wrapped


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


def leaf_pairs(x: Any, dims: Any) -> list[tuple[Any, Any]]:
    return list(zip(tree.flatten(x), tree.flatten(dims), strict=True))


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
    if isinstance(out_dims, int):
        dims = [out_dims] * len(flat[0])
    elif isinstance(first, (tuple, list)) and len(out_dims) == len(first):
        dims = tree.flatten([tree.map_leaves(lambda _, d=d: d, r) for r, d in zip(first, out_dims, strict=True)])
    else:
        dims = tree.flatten(out_dims)
    if len(dims) != len(flat[0]):
        raise ArgumentError(message("vmap", "out_dims is not compatible with the structure of outputs"))
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
