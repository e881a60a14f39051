"""torch._check and its like: conditions of a program's own, with the error that belongs to each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Words = Callable[[], object] | None


def raise_unless(kind: type[Exception], cond: Any, message: Words) -> None:
    if message is not None and not callable(message):
        raise TypeError("message must be a callable")
    if not cond:
        raise kind("Expected cond to be True, but got False." if message is None else str(message()))


def _check(cond: Any, message: Words = None) -> None:
    """Raise RuntimeError unless the condition holds. message: a function that makes the text."""
    raise_unless(RuntimeError, cond, message)


def _check_value(cond: Any, message: Words = None) -> None:
    """ValueError."""
    raise_unless(ValueError, cond, message)


def _check_type(cond: Any, message: Words = None) -> None:
    """TypeError."""
    raise_unless(TypeError, cond, message)


def _check_index(cond: Any, message: Words = None) -> None:
    """IndexError."""
    raise_unless(IndexError, cond, message)


def _check_not_implemented(cond: Any, message: Words = None) -> None:
    """NotImplementedError."""
    raise_unless(NotImplementedError, cond, message)


def _check_is_size(i: int, message: Words = None, *, max: int | None = None) -> None:  # noqa: A002
    """RuntimeError for a negative number, or one above `max`."""
    raise_unless(RuntimeError, i >= 0 and (max is None or i <= max), message)
