"""What is kept for a gradient goes through the user's hands: torch.autograd.graph.saved_tensors_hooks.

Inside the block each op that takes part in a gradient runs as a trace of its own. Its History (history.py) holds just
what its gradient reads; `pack` is called with each of these tensors, and what it returns is kept in its place. The
results are joints (joint.py): when a gradient reaches them, `unpack` gives the tensors back, and the gradient of the
op's piece of graph is computed from those.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import GradientError, message
from dovetail.ir.core import Value
from dovetail.tensor import staged
from dovetail.tensor.autograd import freed_error
from dovetail.tensor.function import Step
from dovetail.tensor.history import History, Kept, as_read
from dovetail.tensor.joint import Joint
from dovetail.tensor.meta import WATCHED
from dovetail.tensor.modes import GradMode
from dovetail.tensor.recorder import flatten, local
from dovetail.tensor.steps import GradientFunction
from dovetail.tensor.tensor import Tensor, fresh

OTHERWISE = object()


class saved_tensors_hooks:  # noqa: N801
    """Inside the block, what a gradient needs later is handed to `pack_hook`, and its result kept instead.

    unpack_hook is given that result when the gradient is computed, and returns a tensor of the same content.

    >>> import dovetail
    >>> x = dovetail.tensor([1.0, 2.0], requires_grad=True)
    >>> with saved_tensors_hooks(lambda t: t.tolist(), lambda numbers: dovetail.tensor(numbers)):
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad.tolist()
    [2.0, 4.0]

    Source: agrees with torch.autograd.graph.saved_tensors_hooks.
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def pair(self) -> tuple | None:
        """What to do with tensors inside the block."""
        return self.pack_hook, self.unpack_hook

    def __enter__(self) -> None:
        rec = local.rec
        if rec.no_packing is not None:
            raise RuntimeError(rec.no_packing)
        rec.packing_stack.append(self.pair())
        switch(rec)

    def __exit__(self, *exc: Any) -> None:
        rec = local.rec
        rec.packing_stack.pop()
        switch(rec)


class save_on_cpu(saved_tensors_hooks):  # noqa: N801
    """Keep what a gradient needs in the CPU's memory. It never lies anywhere else, so nothing is moved.

    As in torch, hooks from outside do not act inside the block.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        self.pin_memory = pin_memory
        super().__init__(lambda t: t, lambda t: t)

    def pair(self) -> tuple | None:
        """Nothing to do."""
        return None


class disable_saved_tensors_hooks:  # noqa: N801
    """Inside the block (or the decorated function), saved_tensors_hooks raises RuntimeError with this message.

    Source: agrees with torch.autograd.graph.disable_saved_tensors_hooks.
    """

    def __init__(self, error_message: str):
        self.message = error_message
        self.before: list[str | None] = []

    def __enter__(self) -> None:
        rec = local.rec
        if rec.packing_stack:
            raise RuntimeError(self.message)
        self.before.append(rec.no_packing)
        rec.no_packing = self.message

    def __exit__(self, *exc: Any) -> None:
        local.rec.no_packing = self.before.pop()

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with disable_saved_tensors_hooks(self.message):
                return function(*args, **kwargs)

        return inside


def switch(rec: Any) -> None:
    """Let the innermost block be in force."""
    rec.set_packing(rec.packing_stack[-1] if rec.packing_stack else None)


def call(op: Any, rec: Any, args: tuple, generator: Any) -> Any:
    """The call with what it keeps packed; OTHERWISE where no gradient is recorded."""
    given: list[Tensor] = []
    flatten(args, Tensor, given)
    if not op.differentiable or not any(t._meta.requires_grad for t in given):
        return OTHERWISE
    pair = rec.packing
    rec.set_packing(None)
    try:
        result = op.call(args, generator)
        rec.close()
        pack_results(result, *pair)
    finally:
        rec.set_packing(pair)
    return result


def pack_results(result: Any, pack: Callable, unpack: Callable) -> None:
    """Turn the results of one op, which have a history, into joints of a step that knows what was packed."""
    made: list[Tensor] = []
    flatten((result,), Tensor, made)
    steps: dict[int, PackedStep] = {}
    for t in made:
        if t._leaf or t._hist is None or t._hist[0] is None or not t._hist[0].saved:
            continue
        history, index = t._hist
        step = steps.get(id(history))
        if step is None:
            step = steps[id(history)] = PackedStep(history, pack, unpack)
        joint = Joint(step, len(step.joints), (history.order, t._slot))
        if t._joint is not None:  # hooks that a tensor written in place had before
            joint.hooks, joint.kept = t._joint.hooks, t._joint.kept
        step.joints.append(joint)
        step.indices.append(index)
        t._joint, t._hist = joint, None
        t._meta = t._meta.with_grad(True, WATCHED)


class PackedStep(Step):
    """The gradient of one op, from what its pack hook returned."""

    def __init__(self, history: History, pack: Callable, unpack: Callable):
        self.segment, self.inputs = history.segment, history.inputs
        self.origins, self.makers = history.sources, history.makers
        self.unpack, self.joints, self.indices = unpack, [], []
        self.packed: list | None = [packed(pack, t) for t in history.saved]

    @property
    def sources(self) -> list:
        """The tensors that the gradient leads to, as they were."""
        return as_read(self.origins, self.makers, self.segment)

    def backward(self, gradients: list, create_graph: bool) -> list[tuple[Tensor, Tensor]]:
        if self.packed is None:
            raise freed_error(("", 0, ""))
        rec = local.rec
        pair = rec.packing
        rec.set_packing(None)
        try:
            return self.through(gradients, create_graph)
        finally:
            rec.set_packing(pair)

    def through(self, gradients: list, create_graph: bool) -> list[tuple[Tensor, Tensor]]:
        """The gradients of the op's inputs."""
        expected = [v for v, _ in self.segment.leaves] + self.segment.computed
        saved = [unpacked(self.unpack, p, v) for p, v in zip(self.packed or (), expected, strict=True)]
        origins = list(self.sources)
        if not create_graph:
            origins = [stand_in(t) for t in origins]
        count = len(self.segment.leaves)
        rest = [t.contiguous() for t in saved[count:]]
        for t in rest:
            t._settle()
        kept = Kept([t._meta for t in rest], [t._ptr for t in rest], [t._storage for t in rest]) if rest else None
        history = History(self.segment, origins, saved[:count], kept, inputs=self.inputs)
        outs, given = [], []
        for index, g in zip(self.indices, gradients, strict=True):
            if g is not None:
                g._settle()
                t = fresh(g._meta.with_grad(True), None, 0)
                t._storage, t._ptr = g._storage, g._ptr
                t._hist = (history, index)
                outs.append(t)
                given.append(g)
        with GradMode(create_graph):
            found = staged.grad(outs, origins, given, True, create_graph, allow_unused=True)
        return [(t, g) for t, g in zip(self.sources, found, strict=True) if g is not None]

    def free(self) -> None:
        self.packed = None

    def grad_fn(self) -> Any:
        if self.shown is None:
            starts = {v: t for (v, _), t in zip(self.segment.sources, self.sources, strict=True)}
            value = self.segment.outs[self.indices[0]]
            self.shown = GradientFunction.of(value, starts)
        return self.shown

    shown: Any = None


def stand_in(t: Tensor) -> Tensor:
    """A leaf with the meta of a tensor, at which a gradient ends."""
    made = fresh(t._meta.with_grad(True), None, 0)
    made._storage, made._ptr, made._leaf = t._storage, t._ptr, True
    return made


def packed(pack: Callable, t: Tensor) -> Any:
    """What the user's hook makes of a tensor. Raises GradientError where it writes to it."""
    before = t._version
    with GradMode(False):
        result = pack(t)
    if t._version != before:
        problem = "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook "
        problem += "cannot be modified by in-place operations as this can lead to unexpected side-effects"
        raise GradientError(message("saved_tensors_hooks", problem, [("tensor", t)], "clone() it first"))
    return result


def unpacked(unpack: Callable, kept: Any, expected: Value) -> Tensor:
    """The tensor that the user's hook makes of what was kept."""
    t = unpack(kept)
    if not isinstance(t, Tensor):
        kind = type(t).__name__
        raise TypeError(f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {kind}")
    if t._meta.shape != expected.shape:
        problem = f"the unpack hook returned a tensor of shape {tuple(t.shape)} for one of shape {expected.shape}"
        raise GradientError(message("saved_tensors_hooks", problem, [("returned", t)]))
    if t._meta.dtype is not expected.dtype:
        t = t.to(expected.dtype)
    t._settle()
    return t
