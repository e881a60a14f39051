"""tf.debugging."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import ArgumentError
from dovetail.compat.tf.arrays import assert_equal
from dovetail.keras import ops


def held(what: str, found: Any, message: str | None) -> None:
    if not bool(ops.all(found)):
        raise ArgumentError(message or f"tf.debugging.{what}: the condition does not hold for every element")


def assert_near(x, y, rtol=1e-6, atol=1e-6, message=None, summarize=None, name=None) -> None:
    """Raise ArgumentError where x and y are not close."""
    held("assert_near", ops.less_equal(ops.abs(x - y), atol + rtol * ops.abs(y)), message)


def assert_greater(x, y, message=None, summarize=None, name=None) -> None:
    """Raise ArgumentError unless x > y everywhere."""
    held("assert_greater", ops.greater(x, y), message)


def assert_less(x, y, message=None, summarize=None, name=None) -> None:
    """Raise ArgumentError unless x < y everywhere."""
    held("assert_less", ops.less(x, y), message)


def assert_all_finite(x, message=None, name=None) -> Any:
    """Raise ArgumentError for NaN and infinity."""
    held("assert_all_finite", ops.isfinite(x), message)
    return x


check_numerics = assert_all_finite

__all__ = ["assert_all_finite", "assert_equal", "assert_greater", "assert_less", "assert_near", "check_numerics"]
