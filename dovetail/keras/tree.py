"""keras.tree: nested structures of lists, tuples and dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dovetail.base import tree
from dovetail.base.tree import flatten, is_nested

__all__ = [
    "MAP_TO_NONE",
    "assert_same_paths",
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "lists_to_tuples",
    "map_shape_structure",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]


class MAP_TO_NONE:
    """What a function given to `traverse` returns to put None in a place."""


def map_structure(func: Callable, *structures: Any, none_is_leaf: bool = True) -> Any:
    """The same structure with `func` of the leaves."""
    return tree.map_leaves(func, *structures)


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """The structure with other leaves."""
    return tree.pack(structure, list(flat_sequence))


def assert_same_structure(a: Any, b: Any) -> None:
    """Raise ValueError where two structures differ in more than their leaves."""
    if not tree.same_structure(a, b):
        raise ValueError(f"`a` and `b` don't have the same structure: {a!r} and {b!r}")


def assert_same_paths(a: Any, b: Any) -> None:
    """Raise ValueError where two structures do not have the same paths."""
    paths = [{path for path, _ in flatten_with_path(x)} for x in (a, b)]
    if paths[0] != paths[1]:
        raise ValueError(f"`a` and `b` don't have the same paths: they differ in {sorted(paths[0] ^ paths[1])}")


def flatten_with_path(structure: Any) -> list[tuple[tuple, Any]]:
    """The leaves, each with the keys and positions that lead to it."""
    return list(walk(structure, ()))


def walk(structure: Any, path: tuple) -> Iterator[tuple[tuple, Any]]:
    if isinstance(structure, dict):
        for key in tree.keys_of(structure):
            yield from walk(structure[key], (*path, key))
    elif is_nested(structure):
        for i, part in enumerate(structure):
            yield from walk(part, (*path, i))
    else:
        yield path, structure


def map_structure_up_to(shallow_structure: Any, func: Callable, *structures: Any) -> Any:
    """As map_structure, going no deeper than `shallow_structure` does."""
    if not is_nested(shallow_structure):
        return func(*structures)
    if isinstance(shallow_structure, dict):
        return {k: map_structure_up_to(v, func, *(s[k] for s in structures)) for k, v in shallow_structure.items()}
    parts = zip(shallow_structure, *structures, strict=True)
    return tree.like(shallow_structure, [map_structure_up_to(p, func, *rest) for p, *rest in parts])


def map_shape_structure(func: Callable, structure: Any) -> Any:
    """As map_structure for structures of shapes: a tuple or list of whole numbers is a leaf."""
    if isinstance(structure, (list, tuple)) and all(n is None or isinstance(n, int) for n in structure):
        return func(tuple(structure))
    if isinstance(structure, dict):
        return {k: map_shape_structure(func, v) for k, v in structure.items()}
    if isinstance(structure, (list, tuple)):
        return tree.like(structure, [map_shape_structure(func, v) for v in structure])
    raise ValueError(f"Cannot map function to unknown object {structure!r}")


def traverse(func: Callable, structure: Any, top_down: bool = True) -> Any:
    """Replace parts of a structure: where `func` returns something else than None, that takes the part's place."""
    if top_down:
        made = func(structure)
        if made is not None:
            return None if made is MAP_TO_NONE else made
    if isinstance(structure, dict):
        inner: Any = {k: traverse(func, v, top_down) for k, v in structure.items()}
    elif is_nested(structure):
        inner = tree.like(structure, [traverse(func, v, top_down) for v in structure])
    else:
        inner = structure
    if top_down:
        return inner
    made = func(inner)
    return inner if made is None else None if made is MAP_TO_NONE else made


def lists_to_tuples(structure: Any) -> Any:
    """The structure with a tuple for every list."""
    if isinstance(structure, dict):
        return {k: lists_to_tuples(v) for k, v in structure.items()}
    if isinstance(structure, list):
        return tuple(lists_to_tuples(v) for v in structure)
    return tree.like(structure, [lists_to_tuples(v) for v in structure]) if is_nested(structure) else structure
