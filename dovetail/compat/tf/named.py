"""Functions of keras.ops under TensorFlow's names and arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def one(function: Callable, name: str) -> Callable:
    """f(x, name=None)."""

    def call(x: Any, name: Any = None) -> Any:
        return function(x)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = function.__doc__
    return call


def two(function: Callable, name: str) -> Callable:
    """f(x, y, name=None)."""

    def call(x: Any, y: Any, name: Any = None) -> Any:
        return function(x, y)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = function.__doc__
    return call


def reduction(function: Callable, name: str) -> Callable:
    """f(input_tensor, axis=None, keepdims=False, name=None)."""

    def call(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: Any = None) -> Any:
        return function(input_tensor, axis=axis, keepdims=keepdims)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = function.__doc__
    return call
