"""Hooks that wait for the gradients of several tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.tensor.tensor import Tensor


class SeveralHandles:
    """Takes several hooks away together."""

    def __init__(self, handles: list):
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> SeveralHandles:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.remove()


def register_multi_grad_hook(tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all") -> SeveralHandles:
    """Call `fn` once per backward: with all gradients when the last has come, or (mode="any") with the first.

    Gradients that do not come are waited for: fn is then not called in that backward.
    """
    if mode not in ("all", "any"):
        raise ArgumentError(message("register_multi_grad_hook", f'mode is "all" or "any", got {mode!r}'))
    came: dict[int, Tensor] = {}

    def arrived(i: int, g: Tensor) -> None:
        if i in came:
            came.clear()  # the backward before did not reach every tensor
        came[i] = g
        if mode == "any" and len(came) == 1:
            fn(g)
        if len(came) == len(tensors):
            found = [came[k] for k in range(len(tensors))]
            came.clear()
            if mode == "all":
                fn(found)

    return SeveralHandles([t.register_hook(lambda g, i=i: arrived(i, g)) for i, t in enumerate(tensors)])
