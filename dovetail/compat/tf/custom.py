"""tf.custom_gradient."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.keras.ops.convert import tensor
from dovetail.tensor.function import Function
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Tensor


def custom_gradient(f: Callable | None = None) -> Any:
    """f returns its value and a function that makes the gradients of its arguments. Source: tf.custom_gradient."""
    if f is None:
        return custom_gradient

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        held: dict[str, Any] = {}

        class Own(Function):
            @staticmethod
            def forward(ctx, *xs):
                with no_grad():
                    made, held["grad"] = f(*xs, **kwargs)
                return tuple(made) if isinstance(made, list) else made

            @staticmethod
            def backward(ctx, *gs):
                back = held["grad"](*gs)
                return tuple(back) if isinstance(back, (list, tuple)) else back

        return Own.apply(*[x if isinstance(x, Tensor) else tensor(x) for x in args])

    return call
