"""no_grad, enable_grad, inference_mode, set_grad_enabled: as context managers, decorators and calls."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from dovetail.tensor.recorder import local


class GradMode:
    """Switches recording of gradients; a context manager and a decorator."""

    def __init__(self, grad: bool, inference: bool = False):
        self.target = (grad, inference)
        self.before: list[tuple[bool, bool]] = []

    def modes(self) -> tuple[bool, bool]:
        """(gradients are recorded, inference mode) inside the block."""
        return self.target

    def again(self) -> GradMode:
        """The same mode for another block: calls of a decorated function may overlap in several threads."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, before=[])
        return other

    def __enter__(self):
        rec = local.rec
        self.before.append((rec.grad, rec.inference))
        rec.set_modes(*self.modes())
        return self

    def __exit__(self, *exc: Any) -> None:
        local.rec.set_modes(*self.before.pop())

    def __call__(self, function: Callable) -> Callable:
        if isinstance(function, type):
            function.__init__ = self(function.__init__)  # type: ignore[misc]
            return function
        if inspect.isgeneratorfunction(function):
            return self.around_generator(function)

        modes = self.modes

        @functools.wraps(function)
        def inside(*args, **kwargs):
            rec = local.rec
            before = rec.grad, rec.inference
            rec.set_modes(*modes())
            try:
                return function(*args, **kwargs)
            finally:
                local.rec.set_modes(*before)

        return inside

    def around_generator(self, function: Callable) -> Callable:
        """A generator runs in the mode, its caller between two items does not."""

        @functools.wraps(function)
        def inside(*args, **kwargs):
            generator = function(*args, **kwargs)
            answer, failure = None, None
            try:
                while True:
                    with self.again():
                        item = generator.send(answer) if failure is None else generator.throw(failure)
                    answer, failure = None, None
                    try:
                        answer = yield item
                    except GeneratorExit:
                        with self.again():
                            generator.close()
                        raise
                    except BaseException as e:
                        failure = e
            except StopIteration as end:
                return end.value

        return inside


class no_grad(GradMode):
    """Operations inside do not record gradients. `with no_grad():`, `@no_grad()` or `@no_grad`."""

    def __new__(cls, function: Callable | None = None):
        mode = super().__new__(cls)
        if function is None:
            return mode
        mode.__init__()
        return mode(function)

    def __init__(self, function: Callable | None = None):
        super().__init__(False)

    def modes(self) -> tuple[bool, bool]:
        return False, local.rec.inference


class enable_grad(no_grad):
    """Operations inside record gradients, also within no_grad (but not within inference_mode)."""

    def modes(self) -> tuple[bool, bool]:
        return not local.rec.inference, local.rec.inference


class inference_mode(GradMode):
    """As no_grad, and results may not enter gradients later. mode=False: an ordinary block that records."""

    def __new__(cls, mode: Any = True):
        made = super().__new__(cls)
        if isinstance(mode, bool) or not callable(mode):
            return made
        made.__init__(True)
        return made(mode)

    def __init__(self, mode: Any = True):
        super().__init__(not mode, bool(mode))


class set_grad_enabled(GradMode):
    """Switch recording of gradients at once; as a context manager, back again at the end."""

    def __init__(self, mode: bool):
        super().__init__(bool(mode))
        rec = local.rec
        self.was: tuple[bool, bool] | None = (rec.grad, rec.inference)
        rec.set_modes(bool(mode), rec.inference)

    def modes(self) -> tuple[bool, bool]:
        return self.target[0], local.rec.inference

    def __enter__(self):
        if self.was is None:
            return super().__enter__()
        self.before.append(self.was)
        self.was = None
        return self

    def __call__(self, function: Callable) -> Callable:
        if self.was is not None:  # a decorator: nothing is switched until the function is called
            local.rec.set_modes(*self.was)
            self.was = None
        return super().__call__(function)


def is_grad_enabled() -> bool:
    """Whether operations record gradients now."""
    return local.rec.grad


def is_inference_mode_enabled() -> bool:
    """Whether this is inside inference_mode."""
    return local.rec.inference
