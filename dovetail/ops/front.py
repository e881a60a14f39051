"""`@front`: functions of Tensors that are no single op, shown under public names as ops are.

Some calls cannot be one op: the size of their result depends on the numbers (`nonzero`), they give a Python value
(`allclose`), or they only choose between ops (`where`). They stand above the desk and call ops.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from dovetail.base.errors import wrong_argument
from dovetail.tensor.op import write_out


class PublicName:
    """Where a function shows: what tools/doors.py reads, in the form that ops have."""

    def __init__(self, name: str, **flags):
        self.name, self.flags = name, flags


def with_out(function: Callable) -> Callable:
    """A function that also takes out=."""

    @functools.wraps(function)
    def call(*args, out=None, **kwargs):
        result = function(*args, **kwargs)
        return result if out is None else write_out(function.__name__, out, result, args)

    return call


def front(
    method: bool = False,
    functional: bool = False,
    top: bool = True,
    also: tuple[str, ...] = (),
    name: str | None = None,
    out: bool = False,
):
    """Show a function as Tensor.name (method), nn.functional.name (functional), dovetail.name (top) and `also`.

    out: it takes out=, tensors that the result is written into.
    """

    def mark(function: Callable) -> Callable:
        names = function.__code__.co_varnames
        function = with_out(function) if out else function
        flags = dict(method=method, functional=functional, top=top, also=also, inplace=False)
        shown = name or function.__name__

        @functools.wraps(function)
        def call(*args, **kwargs):
            try:
                return function(*args, **kwargs)
            except AttributeError as e:
                wrong = wrong_argument(shown, names, args, e)
                if wrong is None:
                    raise
                raise wrong from None

        call.op = PublicName(shown, **flags)
        return call

    return mark
