"""compile: torch's word for what happens to every program here, so the callable it returns behaves as the one given.

What it adds: `fullgraph=True` holds a function to running without a look at a value in the middle, and `.explain()`
says which programs the calls have become.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.nn.module import Module
from dovetail.tensor.explain import explain
from dovetail.tensor.recorder import current

MODES = (None, "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


class GraphBreak(ArgumentError):
    """A value was looked at inside a function compiled with fullgraph=True."""


def compile(  # noqa: A001
    model: Callable | None = None, *, fullgraph: bool = False, dynamic: bool | None = None, backend: Any = "dovetail",
    mode: str | None = None, options: dict | None = None, disable: bool = False,
) -> Any:  # fmt: skip
    """`model` (a function or Module) as a callable that behaves the same; also a decorator, with or without settings.

    Programs are compiled without being asked: once they repeat, for the shapes and Python values they meet. So backend,
    mode, options and dynamic are accepted and change nothing. fullgraph: looking at a value inside is an error.
    Raises ArgumentError for a mode that torch does not have, or for mode together with options.

    >>> import dovetail
    >>> double = compile(lambda x: x * 2)
    >>> double(dovetail.ones(2)).tolist()
    [2.0, 2.0]
    """
    if mode is not None and options is not None:
        text = "Either mode or options can be specified, but both can't be specified at the same time."
        raise ArgumentError(message("compile", text))
    if mode not in MODES:
        text = f"Unrecognized mode={mode}, should be one of: {', '.join(m for m in MODES if m)}"
        raise ArgumentError(message("compile", text))
    if model is None:
        return functools.partial(
            compile, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options, disable=disable
        )
    if not callable(model):
        raise ArgumentError(message("compile", f"a function or Module is compiled, got {type(model).__name__}"))
    if disable:
        return model
    if isinstance(model, type):
        model.__call__ = compile(model.__call__, fullgraph=fullgraph)
        return model
    return OptimizedModule(model, fullgraph) if isinstance(model, Module) else compiled(model, fullgraph)


def compiled(function: Callable, fullgraph: bool) -> Callable:
    """A function with `.explain()`."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return whole(function, args, kwargs) if fullgraph else function(*args, **kwargs)

    call.explain = explain
    call._torchdynamo_orig_callable = function
    return call


def whole(function: Callable, args: tuple, kwargs: dict) -> Any:
    """Call and see that nothing inside ran a program because somebody looked."""
    rec = current()
    before = rec.looks
    result = function(*args, **kwargs)
    if rec.looks != before:
        text = "a value was looked at (print, item(), if x > 0, numpy()) inside a function compiled with fullgraph=True"
        name = getattr(function, "__name__", type(function).__name__)
        raise GraphBreak(message(name, text, cure="Leave out fullgraph, or use where()"))
    return result


class OptimizedModule(Module):
    """A Module as `compile` returns it: calls the one inside, and has its attributes."""

    def __init__(self, module: Module, fullgraph: bool = False):
        super().__init__()
        self._orig_mod = module
        self.training = module.training
        self._fullgraph = fullgraph

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        module = self._modules["_orig_mod"]
        return whole(module, args, kwargs) if self._fullgraph else module(*args, **kwargs)

    def explain(self, most: int = 10) -> str:
        """Which programs the calls of this thread have become."""
        return explain(most)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_modules"]["_orig_mod"], name)


def is_compiling() -> bool:
    """Whether this is a special run in which the code is only read: never, since recording runs it as it is."""
    return False


def is_dynamo_compiling() -> bool:
    """As is_compiling."""
    return False


def is_exporting() -> bool:
    """Whether this is a run for an export: exporters read a finished graph."""
    return False


def disable(fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """`fn` as it is (or a decorator that gives it): Python code is never taken apart, so nothing is to be kept out."""
    return (lambda f: f) if fn is None else fn


def allow_in_graph(fn: Any) -> Any:
    """`fn` as it is: what it computes with tensors is recorded like everything else."""
    return fn


def assume_constant_result(fn: Callable) -> Callable:
    """`fn` as it is: Python values are looked at on each call."""
    return fn


def cudagraph_mark_step_begin() -> None:
    """Nothing: results never share memory with those of the step before."""


def list_backends(exclude_tags: tuple = ()) -> list[str]:
    """The compilers there are."""
    return ["dovetail"]


def reset() -> None:
    """Forget the traces of this thread; compiled programs stay in the engine's cache."""
    rec = current()
    rec.close()
    rec.roots.clear()
    rec.enter_root()
