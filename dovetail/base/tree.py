"""Nested structures of lists, tuples and dicts: visit the leaves, keep the shape.

Dicts are walked in the order of their keys where these sort, so that {"b": 1, "a": 2} and {"a": 2, "b": 1} are alike.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any


def is_nested(tree: Any) -> bool:
    """Whether `tree` is a list, tuple or dict (and not a leaf)."""
    return isinstance(tree, (list, tuple, dict))


def keys_of(tree: dict) -> list:
    """The keys in walking order: sorted where they can be, except in an OrderedDict."""
    if isinstance(tree, OrderedDict):
        return list(tree)
    try:
        return sorted(tree)
    except TypeError:
        return list(tree)


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves in order.

    >>> list(leaves({"b": [1, 2], "a": 3}))
    [3, 1, 2]
    """
    if isinstance(tree, dict):
        for key in keys_of(tree):
            yield from leaves(tree[key])
    elif isinstance(tree, (list, tuple)):
        for part in tree:
            yield from leaves(part)
    else:
        yield tree


def flatten(tree: Any) -> list[Any]:
    """The leaves as a list."""
    return list(leaves(tree)) if isinstance(tree, (list, tuple, dict)) else [tree]


def map_leaves(function: Callable, tree: Any, *others: Any) -> Any:
    """The same structure with `function` of each leaf (and of the leaves at the same place in `others`).

    >>> map_leaves(lambda x: x + 1, {"a": (1, 2)})
    {'a': (2, 3)}
    """
    if isinstance(tree, dict):
        made = {key: map_leaves(function, tree[key], *(o[key] for o in others)) for key in tree}
        return made if type(tree) is dict else type(tree)(made)
    if isinstance(tree, (list, tuple)):
        return like(tree, [map_leaves(function, *parts) for parts in zip(tree, *others, strict=True)])
    return function(tree, *others)


def like(tree: list | tuple, parts: list) -> Any:
    """`parts` in a container of the same kind as `tree`."""
    if hasattr(tree, "_fields"):
        return type(tree)(*parts)
    return tuple(parts) if isinstance(tree, tuple) else list(parts)


def pack(tree: Any, flat: list[Any]) -> Any:
    """The structure of `tree` with the leaves in `flat`; the inverse of `flatten`."""
    at = iter(flat)

    def fill(part: Any) -> Any:
        if isinstance(part, dict):
            made = {key: fill(part[key]) for key in keys_of(part)}
            return {key: made[key] for key in part}
        if isinstance(part, (list, tuple)):
            return like(part, [fill(p) for p in part])
        return next(at)

    return fill(tree)


def same_structure(a: Any, b: Any) -> bool:
    """Whether two trees differ in their leaves only (lists and tuples count as alike)."""
    if isinstance(a, dict) or isinstance(b, dict):
        return (
            isinstance(a, dict)
            and isinstance(b, dict)
            and a.keys() == b.keys()
            and all(same_structure(a[k], b[k]) for k in a)
        )
    if is_nested(a) or is_nested(b):
        return (
            is_nested(a)
            and is_nested(b)
            and len(a) == len(b)
            and all(same_structure(x, y) for x, y in zip(a, b, strict=True))
        )
    return True
