"""checkpoint: keep the inputs of a piece of a model instead of what is inside, and compute it again for the gradient.

Source: Chen et al. 2016; agrees with torch.utils.checkpoint.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, message
from dovetail.nn.module import Module
from dovetail.tensor.autograd import freed_error
from dovetail.tensor.function import Step, identity_with
from dovetail.tensor.modes import GradMode
from dovetail.tensor.random import default_generator
from dovetail.tensor.recorder import local
from dovetail.tensor.tensor import Tensor


def noop_context_fn() -> tuple:
    """The default of checkpoint's context_fn: nothing around the two runs."""
    return nullcontext(), nullcontext()


class Recomputed(Step):
    """A function that was run without its gradient; backward runs it again and goes through."""

    def __init__(self, function: Callable, args: tuple, kwargs: dict, counter: Any, around: Any):
        self.function, self.args, self.kwargs, self.counter, self.around = function, args, kwargs, counter, around
        self.at: list[int] = []
        self.joints = []
        self.done = False

    def backward(self, gradients: list, create_graph: bool) -> list[tuple[Tensor, Tensor]]:
        if self.done:
            raise freed_error(("", 0, ""))
        with GradMode(True), self.around, Replayed(self.counter):
            flat = tree.flatten(self.function(*self.args, **self.kwargs))
        outs = [flat[i] for i in self.at]
        return [(o, g) for o, g in zip(outs, gradients, strict=True) if g is not None and o.requires_grad]

    def free(self) -> None:
        self.done = True
        self.args, self.kwargs, self.counter = (), {}, None

    def name(self) -> str:
        return "CheckpointFunctionBackward"


class Replayed:
    """Random numbers as they were when `counter` was noted; afterwards the stream goes on where it was."""

    def __init__(self, counter: Any):
        self.counter = counter

    def __enter__(self) -> None:
        self.now = default_generator.counter_tensor
        if self.counter is not None:
            with GradMode(False):
                default_generator.counter_tensor = self.counter.clone()

    def __exit__(self, *exc: Any) -> None:
        default_generator.counter_tensor = self.now


def checkpoint(
    function: Callable, *args: Any, use_reentrant: bool | None = None, context_fn: Callable = noop_context_fn,
    determinism_check: str = "default", debug: bool = False, early_stop: bool = True, preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """`function(*args)` without keeping what its gradient needs: backward computes it again, with equal random numbers.

    use_reentrant=True follows torch's older form: the result needs a gradient only where an argument does.

    >>> import dovetail
    >>> x = dovetail.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: x.exp() * 2, x, use_reentrant=False).sum().backward()
    >>> x.grad.tolist() == (2 * x.detach().exp()).tolist()
    True
    """
    if use_reentrant and kwargs:
        text = "Unexpected keyword arguments: " + ",".join(kwargs)
        raise ArgumentError(message("checkpoint", text))
    if use_reentrant and context_fn is not noop_context_fn:
        text = "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
        raise ArgumentError(message("checkpoint", text))
    first, second = context_fn()
    if not local.rec.grad:
        with first:
            return function(*args, **kwargs)
    needs = any(isinstance(a, Tensor) and a.requires_grad for a in tree.flatten([args, kwargs]))
    if use_reentrant and not needs:
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)
    with GradMode(False):
        counter = default_generator.counter_tensor.clone() if preserve_rng_state else None
        with first:
            made = function(*args, **kwargs)
    if use_reentrant and not needs:
        return made
    step = Recomputed(function, args, kwargs, counter, second)
    flat = tree.flatten(made)
    step.at = [i for i, t in enumerate(flat) if isinstance(t, Tensor) and t.dtype.is_differentiable]
    if not step.at:
        return made
    for i, t in zip(step.at, identity_with([flat[i] for i in step.at], step), strict=True):
        flat[i] = t
    return tree.pack(made, flat)


def checkpoint_sequential(
    functions: Module | Sequence[Callable], segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A chain of functions (or nn.Sequential) in `segments` pieces, all but the last one checkpointed."""
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ArgumentError(message("checkpoint_sequential", "Unexpected keyword arguments: " + ",".join(kwargs)))
    chain = list(functions.children()) if isinstance(functions, Module) else list(functions)
    size = len(chain) // segments
    end = -1
    for start in range(0, size * (segments - 1), size):
        end = start + size - 1
        run = piece(chain[start : end + 1])
        input = checkpoint(run, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return piece(chain[end + 1 :])(input)


def piece(functions: Sequence[Callable]) -> Callable:
    """One function after the other."""

    def run(x: Any) -> Any:
        for f in functions:
            x = f(x)
        return x

    return run
