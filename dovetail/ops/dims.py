"""Dims and sizes as users write them, made definite: no negatives, no `*args` against tuples, no doubles.

Every function takes the name of the calling op first, for its message.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dovetail.base.errors import ArgumentError, DimError, ShapeError, message
from dovetail.ir.core import Value

Shape = tuple[int, ...]


def one_dim(call: str, dim: int, rank: int, fact: Value | None = None) -> int:
    """`dim` counted from the front. A 0-d value has one dim to name, 0 or -1, as in torch."""
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)):
        raise TypeError(message(call, f"dim must be an integer, got {dim!r}"))
    reach = max(rank, 1)
    if not -reach <= dim < reach:
        facts = [("input", fact)] if fact is not None else []
        cure = f"use a dim from {-reach} to {reach - 1}"
        raise DimError(
            message(call, f"Dimension out of range: dim {dim}, the input has {rank} dimensions", facts, cure)
        )
    return int(dim) + reach if dim < 0 else int(dim)


def some_dims(call: str, dims, rank: int, fact: Value | None = None) -> Shape:
    """The named dims, in the order given; None or an empty list stands for all of them."""
    if dims is None:
        return tuple(range(rank))
    if isinstance(dims, (int, np.integer)):
        dims = (dims,)
    found = tuple(one_dim(call, d, rank, fact) for d in dims)
    if not found:
        return tuple(range(rank))
    for d in found:
        if found.count(d) > 1:
            raise ArgumentError(message(call, f"dim {d} appears more than once in {tuple(dims)}"))
    return found if rank else ()


def listed_dims(call: str, dims, rank: int, fact: Value | None = None) -> Shape:
    """Like some_dims, but an empty list names no dim."""
    if not isinstance(dims, (int, np.integer)) and dims is not None and len(tuple(dims)) == 0:
        return ()
    return some_dims(call, dims, rank, fact)


def sizes_of(call: str, sizes) -> Shape:
    """A shape from `(2, 3)`, `((2, 3),)` or `[2, 3]`: what `*size` signatures receive."""
    if isinstance(sizes, (int, np.integer)):
        sizes = (sizes,)
    if len(sizes) == 1 and isinstance(sizes[0], Iterable) and not isinstance(sizes[0], Value):
        sizes = tuple(sizes[0])
    for n in sizes:
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
            raise TypeError(message(call, f"sizes must be integers, got {n!r} of type {type(n).__name__}"))
    return tuple(n if isinstance(n, int) else int(n) for n in sizes)


def new_sizes(call: str, sizes) -> Shape:
    """Sizes of a tensor to be made: none negative."""
    found = sizes_of(call, sizes)
    for n in found:
        if n < 0:
            raise ShapeError(message(call, f"a tensor cannot have a negative size, got {found}"))
    return found


def numel(shape: Iterable[int]) -> int:
    """Product of the sizes."""
    n = 1
    for s in shape:
        n = n * s
    return n


def broadcast_sizes(call: str, *shapes: Shape, facts=()) -> Shape:
    """The shape that all `shapes` broadcast to. Raises ShapeError where two sizes differ and neither is 1."""
    rank = max((len(s) for s in shapes), default=0)
    result = []
    for back in range(rank, 0, -1):
        size = 1
        for shape in shapes:
            if len(shape) < back:
                continue
            n = shape[-back]
            if n == 1:
                continue
            if size != 1 and n != size:
                raise ShapeError(broadcast_problem(call, shapes, rank - back, size, n, facts))
            size = n
        result.append(size)
    return tuple(result)


def broadcast_problem(call: str, shapes, dim: int, a: int, b: int, facts) -> str:
    """Text of the error for sizes that do not broadcast, with the change that would make them."""
    written = " and ".join(str(tuple(s)) for s in shapes)
    cure = "sizes are aligned from the right; each pair must be equal or contain a 1"
    if len(shapes) == 2 and len(shapes[0]) != len(shapes[1]):
        long, short = sorted(shapes, key=len, reverse=True)
        if len(short) == 1 and short[0] == long[0] and len(long) == 2:
            cure += f"\nto pair it with dim 0, add a dim: .unsqueeze(1) makes ({short[0]}, 1)"
    elif len(shapes) == 2 and tuple(shapes[0]) == tuple(shapes[1])[::-1] and len(shapes[0]) == 2:
        cure += "\none is the transpose of the other: .T turns it"
    problem = f"the shapes {written} do not broadcast: size {a} meets {b} at dim {dim} (size of tensor must match)"
    return message(call, problem, facts, cure)


def without(shape: Shape, dims: Iterable[int]) -> Shape:
    """`shape` with `dims` removed."""
    gone = set(dims)
    return tuple(n for d, n in enumerate(shape) if d not in gone)


def with_ones(shape: Shape, dims: Iterable[int]) -> Shape:
    """`shape` with size 1 at `dims`."""
    gone = set(dims)
    return tuple(1 if d in gone else n for d, n in enumerate(shape))


def pair_of(call: str, x, n: int, what: str) -> tuple:
    """`n` settings from one number or a sequence of `n` (kernel sizes, strides, paddings)."""
    if isinstance(x, (int, float, np.integer)):
        return (x,) * n
    found = tuple(x)
    if len(found) == 1:
        return found * n
    if len(found) != n:
        raise ArgumentError(message(call, f"{what} needs one number or {n} of them, got {found}"))
    return found
