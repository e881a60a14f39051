"""A Python function of Tensors as a graph of its own: what vmap batches, and what cond and the loops choose or repeat.

The function is called once, on a recorder of its own, with tensors that have a shape and no value. What it does to them
becomes a graph; tensors from outside that it meets on the way become further inputs. Looking at a value is an error
here, on the line that looks: there is none yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, GradientError, message
from dovetail.ir.core import Node, Value
from dovetail.tensor.checks import Check
from dovetail.tensor.meta import meta
from dovetail.tensor.recorder import Recorder, local
from dovetail.tensor.tensor import Tensor, fresh

GIVEN = "given"
Kind = tuple[tuple[int, ...], Any]  # shape and dtype of an argument


class LookedInside(ArgumentError):
    """A value was looked at while a function was being captured."""


class PythonInside(GradientError):
    """Python code waits on the gradient's way inside a function that was captured."""


class Capture:
    """What a recorder needs to know while it captures: the tensors from outside, and what to say when somebody looks.

    given     (tensor, its stand-in) for every tensor from outside, in the order they were met
    """

    def __init__(self, call: str, rec: Recorder):
        self.call, self.rec = call, rec
        self.given: list[tuple[Tensor, Tensor]] = []
        self.known: dict[int, Tensor] = {}
        self.values: dict[int, Value] = {}

    def stand_in(self, shape: tuple, dtype: Any, weak: str = "") -> Tensor:
        """A tensor of this shape and dtype that gets its value only when the graph is run."""
        rec = self.rec
        rec.sync()
        e = rec.new_event(GIVEN, (rec.node.end,))
        slot, value = e.end, Value(tuple(shape), dtype, weak=weak)
        e.end += 1
        e.defs.append((slot, value))
        e.outs.append((slot, meta(tuple(shape), dtype, requires_grad=dtype.is_differentiable), 0))
        if dtype.is_differentiable:
            e.sources.append((value, slot))
        rec.add(e)
        rec.advance(e)
        made = rec.slots[slot] = fresh(e.outs[0][1], rec.run, slot)
        made._weak = weak
        self.values[id(made)] = value
        return made

    def bring(self, t: Tensor) -> Tensor:
        """The stand-in for a tensor from outside; that tensor itself stays as it is."""
        found = self.known.get(id(t))
        if found is None:
            found = self.known[id(t)] = self.stand_in(t._meta.shape, t._meta.dtype, t._weak)
            self.given.append((t, found))
        return found

    def refuse(self) -> None:
        """Somebody looks at a value."""
        text = "a value is looked at (item(), print, numpy(), if x > 0) while the function is recorded without values"
        cure = CURES.get(self.call, "Compute with tensors only: where(), cond()")
        raise LookedInside(message(self.call, text, cure=cure))

    def refuse_outside(self, tensors: list[Tensor]) -> None:
        """A gradient is asked for at tensors from outside: the way there is not part of the function."""
        if tensors:
            text = "a gradient at a tensor from outside the function is asked for inside it"
            cure = "Pass the tensor as an argument, or take the gradient outside"
            raise PythonInside(message(self.call, text, [("tensor", tensors[0])], cure))

    def refuse_backward(self) -> None:
        """backward() leaves gradients at tensors, which a graph cannot do."""
        text = "backward() is called in a function that is recorded before it has values"
        raise PythonInside(message(self.call, text, cure="Use func.grad, or autograd.grad with inputs of the function"))


CURES = {
    "vmap": "vmap records the function once for the whole batch, so data-dependent control flow and .item() are not "
    "possible: use where() instead of if"
}


class Captured:
    """A function's graph.

    inputs    Values of the arguments; outer: tensors from outside, with `brought` as their Values
    outputs   the Values returned, in the order of tree.flatten(result); constants (no tensors) are Python values
    checks    facts about numbers that the graph relies on
    changed   [(tensor from outside, its new Value)]: what the function wrote in place
    written   [(number of an argument, its new Value)]: likewise
    """

    def __init__(self, inputs, outer, brought, nodes, result, leaves, checks, changed, written):
        self.inputs: list[Value] = inputs
        self.outer: list[Tensor] = outer
        self.brought: list[Value] = brought
        self.nodes: list[Node] = nodes
        self.result, self.leaves = result, leaves
        self.checks: list[Check] = checks
        self.changed: list[tuple[Tensor, Value]] = changed
        self.written: list[tuple[int, Value]] = written


def capture(
    call: str, function: Callable, kinds: Sequence[Kind], arguments: Callable[[list[Tensor]], tuple]
) -> Captured:
    """What `function(*arguments(stand-ins of these kinds))` computes. `call` names the caller in errors."""
    outer = local.rec
    rec = Recorder(watched=False)
    rec.grad, rec.inference, rec.autocast = outer.grad, False, outer.autocast
    rec.enter_root()
    rec.mark("capture", ())
    rec.capture = now = Capture(call, rec)
    local.rec = rec
    try:
        stand_ins = [now.stand_in(shape, dtype) for shape, dtype in kinds]
        result = function(*arguments(stand_ins))
        leaves = [of_result(now, rec, x) for x in tree.flatten(result)]
        state = rec.sync()
        if any(t._joint is not None for t in (*rec.run.joints, *rec.run.hooked)):
            text = "a custom autograd.Function, hook or checkpoint inside would not be met by the gradient"
            raise PythonInside(message(call, text, cure="Write it with operations that have their gradients"))
        changed = []
        for t, stand_in in now.given:
            if stand_in._version:
                changed.append((t, state.values[rec.slot_of(stand_in)]))
        written = [(i, state.values[rec.slot_of(t)]) for i, t in enumerate(stand_ins) if t._version]
        events = rec.node.path()
        brought = [now.values[id(s)] for _, s in now.given]
        return Captured(
            [now.values[id(t)] for t in stand_ins], [t for t, _ in now.given], brought,
            [node for e in events for node in e.nodes], result, leaves, [c for e in events for c in e.checks], changed,
            written,
        )  # fmt: skip
    finally:
        rec.capture = None
        rec.node = rec.root  # what is left pending here is never run
        local.rec = outer


def of_result(now: Capture, rec: Recorder, x: Any) -> Any:
    """The Value of a tensor that the function returns; anything else as it is."""
    if not isinstance(x, Tensor):
        return x
    t = rec.own(x)
    return rec.sync().values[rec.slot_of(t)]
