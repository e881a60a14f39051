"""`@front`: functions of Tensors that are no single op, shown under public names as ops are.

Some calls cannot be one op: the size of their result depends on the numbers (`nonzero`), they give a Python value
(`allclose`), or they only choose between ops (`where`). They stand above the desk and call ops.
"""

from __future__ import annotations

from collections.abc import Callable


class PublicName:
    """Where a function shows: what tools/doors.py reads, in the form that ops have."""

    def __init__(self, name: str, **flags):
        self.name, self.flags = name, flags


def front(
    method: bool = False,
    functional: bool = False,
    top: bool = True,
    also: tuple[str, ...] = (),
    name: str | None = None,
):
    """Show a function as Tensor.name (method), nn.functional.name (functional), dovetail.name (top) and `also`."""

    def mark(function: Callable) -> Callable:
        flags = dict(method=method, functional=functional, top=top, also=also, inplace=False)
        function.op = PublicName(name or function.__name__, **flags)
        return function

    return mark
