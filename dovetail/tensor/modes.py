"""no_grad, enable_grad, inference_mode, set_grad_enabled: as context managers, decorators and calls."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.tensor.recorder import local


class GradMode:
    """Switches recording of gradients; a context manager and a decorator."""

    def __init__(self, grad: bool, inference: bool = False):
        self.target = (grad, inference)
        self.before: list[tuple[bool, bool]] = []

    def __enter__(self):
        rec = local.rec
        self.before.append((rec.grad, rec.inference))
        rec.set_modes(*self.target)
        return self

    def __exit__(self, *exc: Any) -> None:
        local.rec.set_modes(*self.before.pop())

    def __call__(self, function: Callable) -> Callable:
        if isinstance(function, type):
            function.__init__ = self(function.__init__)  # type: ignore[misc]
            return function

        @functools.wraps(function)
        def inside(*args, **kwargs):
            with type(self)._like(self):
                return function(*args, **kwargs)

        return inside

    @staticmethod
    def _like(other: GradMode) -> GradMode:
        return GradMode(*other.target)


def no_grad(function: Callable | None = None):
    """Operations inside do not record gradients. `with no_grad():`, `@no_grad()` or `@no_grad`."""
    return GradMode(False) if function is None else GradMode(False)(function)


def enable_grad(function: Callable | None = None):
    """Operations inside record gradients, also within no_grad."""
    return GradMode(True) if function is None else GradMode(True)(function)


def inference_mode(mode: Any = True):
    """As no_grad (results may not enter gradients later)."""
    if callable(mode):
        return GradMode(False)(mode)
    return GradMode(not mode, False) if mode else GradMode(local.rec.grad)


class set_grad_enabled(GradMode):
    """Switch recording of gradients at once; as a context manager, back again at the end."""

    def __init__(self, mode: bool):
        super().__init__(bool(mode))
        rec = local.rec
        self.was = (rec.grad, rec.inference)
        rec.set_modes(bool(mode), rec.inference)

    def __enter__(self):
        self.before.append(self.was)
        return self


def is_grad_enabled() -> bool:
    return local.rec.grad


def is_inference_mode_enabled() -> bool:
    return local.rec.inference
