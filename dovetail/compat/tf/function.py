"""tf.function: Dovetail compiles what runs by itself, so that the function is called as it is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.compat.tf.variable import INSIDE


class Function:
    """A Python function behind tf.function."""

    def __init__(self, python_function: Callable, input_signature: Any = None):
        functools.update_wrapper(self, python_function)
        self.python_function, self.input_signature = python_function, input_signature
        self.code = getattr(python_function, "__code__", None)
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        INSIDE.append(self)
        try:
            return self.python_function(*args, **kwargs)
        finally:
            INSIDE.pop()

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else functools.partial(self, owner)

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> Function:
        """The function itself: it has no versions for each signature."""
        return self


def function(func: Callable | None = None, input_signature: Any = None, **kwargs: Any) -> Any:
    """The function, called straight through. Source: tf.function.

    jit_compile, reduce_retracing, autograph: accepted; Python's own control flow works on values.
    """
    if func is None:
        return lambda f: Function(f, input_signature)
    return Function(func, input_signature)


def py_function(func: Callable, inp: Any, Tout: Any = None, name: Any = None) -> Any:
    """func(*inp). Source: tf.py_function."""
    return func(*inp)


def numpy_function(func: Callable, inp: Any, Tout: Any = None, stateful: bool = True, name: Any = None) -> Any:
    """func of NumPy arrays, its results as tensors. Source: tf.numpy_function."""
    from dovetail.base import tree
    from dovetail.keras.ops.convert import tensor

    made = func(*[x.numpy() if hasattr(x, "numpy") else x for x in inp])
    return tree.map_leaves(tensor, made)


def run_functions_eagerly(run_eagerly: bool) -> None:
    """Accepted: functions are called as they are."""
