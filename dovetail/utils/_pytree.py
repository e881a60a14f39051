"""torch.utils._pytree's names: nested lists, tuples and dicts as leaves and a structure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import tree as trees

__all__ = [
    "PyTree", "TreeSpec", "tree_all", "tree_any", "tree_flatten", "tree_leaves", "tree_map", "tree_map_",
    "tree_map_only", "tree_structure", "tree_unflatten",
]  # fmt: skip
PyTree = Any
Leaf = Callable[[Any], bool] | None


class TreeSpec:
    """A structure without its leaves."""

    def __init__(self, form: Any) -> None:
        self.form = form

    @property
    def num_leaves(self) -> int:
        return len(trees.flatten(self.form))

    def unflatten(self, leaves: list) -> Any:
        """The structure with these leaves."""
        return tree_unflatten(leaves, self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and self.form == other.form and type(self.form) is type(other.form)

    def __hash__(self) -> int:
        return hash(repr(self.form))

    def __repr__(self) -> str:
        return f"TreeSpec({self.form!r})"


class Kept:
    """A part that `is_leaf` takes for a leaf."""

    def __init__(self, value: Any) -> None:
        self.value = value


def held(tree: Any, is_leaf: Leaf) -> Any:
    """The tree with such parts wrapped."""
    if is_leaf is None:
        return tree
    if is_leaf(tree):
        return Kept(tree)
    if isinstance(tree, dict):
        made = {k: held(v, is_leaf) for k, v in tree.items()}
        return made if type(tree) is dict else type(tree)(made)
    if isinstance(tree, (list, tuple)):
        return trees.like(tree, [held(v, is_leaf) for v in tree])
    return tree


def tree_leaves(tree: Any, is_leaf: Leaf = None) -> list:
    """The leaves in order."""
    return [x.value if isinstance(x, Kept) else x for x in trees.flatten(held(tree, is_leaf))]


def tree_structure(tree: Any, is_leaf: Leaf = None) -> TreeSpec:
    """The structure."""
    return TreeSpec(trees.map_leaves(lambda leaf: None, held(tree, is_leaf)))


def tree_flatten(tree: Any, is_leaf: Leaf = None) -> tuple[list, TreeSpec]:
    """(leaves, structure).

    >>> leaves, spec = tree_flatten({"a": [1, 2]})
    >>> leaves, tree_unflatten([3, 4], spec)
    ([1, 2], {'a': [3, 4]})
    """
    return tree_leaves(tree, is_leaf), tree_structure(tree, is_leaf)


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> Any:
    """The structure with these leaves. Raises: ValueError where their number is another."""
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten: {len(leaves)} leaves for a structure of {treespec.num_leaves}")
    return trees.pack(treespec.form, leaves)


def tree_map(func: Callable, tree: Any, *rests: Any, is_leaf: Leaf = None) -> Any:
    """The structure with func of each leaf, and of the leaves at the same place in the other trees."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [tree_leaves(other, is_leaf) for other in rests]
    return tree_unflatten([func(*each) for each in zip(leaves, *others, strict=True)], spec)


def tree_map_(func: Callable, tree: Any, *rests: Any, is_leaf: Leaf = None) -> Any:
    """Call func with each leaf; the tree itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(kinds: Any, func: Callable, tree: Any, is_leaf: Leaf = None) -> Any:
    """As tree_map, for leaves of these classes; the others stay."""
    chosen = kinds if isinstance(kinds, (type, tuple)) else None
    fits = (lambda x: isinstance(x, chosen)) if chosen is not None else kinds
    return tree_map(lambda x: func(x) if fits(x) else x, tree, is_leaf=is_leaf)


def tree_all(pred: Callable, tree: Any, is_leaf: Leaf = None) -> bool:
    """Whether it holds for all leaves."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable, tree: Any, is_leaf: Leaf = None) -> bool:
    """Whether it holds for any leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))
