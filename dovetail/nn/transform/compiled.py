"""compile: torch's word for what happens to every program here, so the callable it returns behaves as the one given.

What it adds: `fullgraph=True` holds a function to running without a look at a value in the middle, and `.explain()`
says which programs the calls have become.
"""

from __future__ import annotations

import functools
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dovetail.base import errors, tree
from dovetail.base.errors import ArgumentError, message
from dovetail.nn.module import Module
from dovetail.tensor.explain import explain
from dovetail.tensor.recorder import current
from dovetail.tensor.tensor import Tensor, watchers

MODES = (None, "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


BACKENDS = {"aot_eager", "cudagraphs", "dovetail", "eager", "inductor", "onnxrt", "openxla", "tvm"}


class GraphBreak(ArgumentError):
    """A value was looked at inside a function compiled with fullgraph=True."""


def compile(  # noqa: A001
    model: Callable | None = None, *, fullgraph: bool = False, dynamic: bool | None = None, backend: Any = "dovetail",
    mode: str | None = None, options: dict | None = None, disable: bool = False, name: str | None = None,
    recompile_limit: int | None = None, isolate_recompiles: bool = False,
) -> Any:  # fmt: skip
    """`model` (a function or Module) as a callable that behaves the same; also a decorator, with or without settings.

    Programs are compiled without being asked: once they repeat, for the shapes and Python values they meet. So backend,
    mode, options and dynamic are accepted and change nothing. fullgraph: looking at a value inside is an error that
    names the line (what a Python loop over numbers does is no look). `.explain()` of the result shows the programs.
    Raises ArgumentError for a mode or backend that torch does not have, or for mode together with options.

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
    if isinstance(backend, str) and backend not in BACKENDS:
        text = f"Invalid backend: {backend!r}, see torch._dynamo.list_backends() for available backends."
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


class Watch:
    """Inside the block, `tell(tensor, line)` is called when this thread looks at a value."""

    def __init__(self, tell: Callable[[Tensor, tuple[str, int, str]], None]):
        self.tell, self.thread = tell, threading.get_ident()

    def __call__(self, t: Tensor) -> None:
        if threading.get_ident() == self.thread:
            self.tell(t, errors.user_line())

    def __enter__(self) -> None:
        watchers.append(self)

    def __exit__(self, *exc: Any) -> None:
        watchers.remove(self)


def whole(function: Callable, args: tuple, kwargs: dict) -> Any:
    """Call, and let nobody look at a value in the middle."""
    name = getattr(function, "__qualname__", type(function).__name__)

    def refuse(t: Tensor, line: tuple[str, int, str]) -> None:
        text = "the value of a tensor is looked at inside a function compiled with fullgraph=True "
        text += "(if x > 0, item(), print, tolist(), numpy(): a data-dependent branch or a graph break)"
        facts: list = [("tensor", t)]
        if line[0]:
            facts.append(("line", f"{line[0]}:{line[1]} in {line[2]}"))
        cure = "Leave out fullgraph=True, or compute with tensors: where(), cond(), while_loop()"
        raise GraphBreak(message(name, text, facts, cure))

    with Watch(refuse):
        return function(*args, **kwargs)


class Break:
    """One place where a call looked at a value: `reason`, and the user's line as `user_stack`."""

    def __init__(self, line: tuple[str, int, str]):
        self.reason = "a value was looked at"
        self.user_stack = [traceback.FrameSummary(line[0], line[1], line[2])]
        self.graph_break = True

    def __repr__(self) -> str:
        frame = self.user_stack[0]
        return f"{self.reason}: {frame.filename}:{frame.lineno} in {frame.name}"


class ExplainOutput:
    """What a call became: torch._dynamo.explain's answer. `programs` is the text of dovetail.explain()."""

    def __init__(self, breaks: list[Break], ops: list[list[str]], programs: str):
        self.break_reasons, self.ops_per_graph, self.programs = breaks, ops, programs
        self.graph_count, self.graph_break_count = len(breaks) + 1, len(breaks)
        self.op_count = sum(map(len, ops))
        self.graphs: list = []
        self.out_guards: list = []
        self.compile_times = ""

    def __str__(self) -> str:
        rows = [
            f"Graph Count: {self.graph_count}", f"Graph Break Count: {self.graph_break_count}",
            f"Op Count: {self.op_count}", "Break Reasons:",
        ]  # fmt: skip
        rows += [f"  Break Reason {i}:\n    {reason!r}" for i, reason in enumerate(self.break_reasons, 1)]
        return "\n".join(rows + [self.programs])

    __repr__ = __str__


def explain_call(f: Callable, *extra_args: Any, **extra_kwargs: Any) -> Any:
    """Call a function and say where it looked at values and which operations it recorded between.

    explain_call(f)(*args), or explain_call(f, *args) at once.
    Source: the names of torch._dynamo.explain's answer.

    >>> import dovetail
    >>> explain_call(lambda x: x * 2 if x.sum() > 0 else x)(dovetail.ones(2)).graph_break_count
    1
    """

    def inner(*args: Any, **kwargs: Any) -> ExplainOutput:
        rec = current()
        rec.close()
        breaks: list[Break] = []
        ops: list[list[str]] = []

        def note(t: Tensor, line: tuple[str, int, str]) -> None:
            breaks.append(Break(line))
            ops.append(recorded(rec))

        with Watch(note):
            f(*args, **kwargs)
        ops.append(recorded(rec))
        return ExplainOutput(breaks, ops, explain())

    return inner(*extra_args, **extra_kwargs) if extra_args or extra_kwargs else inner


def recorded(rec: Any) -> list[str]:
    """The operations of the pending trace by name."""
    return [e.op.name for e in rec.node.path() if hasattr(e.op, "name")]


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
    """Names that `compile` takes for its backend. There is one compiler behind all of them."""
    return sorted(BACKENDS - {"aot_eager", "eager"})


def get_default_backend() -> str:
    """The backend used where none is named."""
    return "dovetail"


def set_default_backend(backend: Any) -> None:
    """Accepted for any backend that `compile` takes."""
    compile(lambda: None, backend=backend)


class set_stance:  # noqa: N801
    """How compiled functions run: a call, context manager or decorator. Accepted; they run the same way in any case."""

    STANCES = ("default", "fail_on_recompile", "eager_on_recompile", "force_eager", "eager_then_compile",
               "aot_eager_then_compile")  # fmt: skip

    def __init__(self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None):
        if stance not in self.STANCES:
            raise ArgumentError(message("set_stance", f"stance is one of {', '.join(self.STANCES)}, got {stance!r}"))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: Any) -> None:
        pass

    def __call__(self, fn: Callable) -> Callable:
        return fn


def substitute_in_graph(original_fn: Callable, **settings: Any) -> Callable:
    """A decorator that gives the function as it is: Python functions are run, not read."""
    return lambda fn: fn


def nested_compile_region(fn: Callable | None = None, **settings: Any) -> Any:
    """`fn` as it is (or a decorator): equal parts of a program share their code anyway."""
    return (lambda f: f) if fn is None else fn


def wrap_numpy(fn: Callable) -> Callable:
    """A function of NumPy arrays as one of tensors: arguments become arrays, results tensors."""

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = tree.map_leaves(lambda x: x.numpy() if isinstance(x, Tensor) else x, (args, kwargs))
        made = fn(*args, **kwargs)
        return tree.map_leaves(lambda x: Tensor.from_array(x) if isinstance(x, np.ndarray) else x, made)

    return call


def graph_break(msg: str = "") -> None:
    """Run what has been recorded so far."""
    current().close("graph_break() was called")


def mark_dynamic(t: Any, index: Any, **settings: Any) -> None:
    """Accepted: sizes that vary lead to one program for all of them by themselves."""


def mark_static(t: Any, index: Any = None) -> None:
    """Accepted: a size that stays gets a program of its own by itself."""


class Settings:
    """Switches that programs set on torch's compiler: they may be read and set, and change nothing."""

    def __init__(self, **given: Any):
        self.__dict__.update(given)

    def patch(self, *changes: Any, **named: Any) -> Any:
        """A context manager and decorator: the settings inside, and back as they were."""
        if changes and isinstance(changes[0], str):
            named[changes[0]] = changes[1]
        elif changes:
            named.update(changes[0])
        return self._patched(named)

    @contextmanager
    def _patched(self, named: dict[str, Any]) -> Iterator[None]:
        before = dict(self.__dict__)
        self.__dict__.update(named)
        try:
            yield
        finally:
            self.__dict__.clear()
            self.__dict__.update(before)


def reset() -> None:
    """Forget the traces of this thread; compiled programs stay in the engine's cache."""
    rec = current()
    rec.close()
    rec.roots.clear()
    rec.enter_root()
