"""grad_fn: the steps of a gradient as users see them, by torch's names, each with those that come after it."""

from __future__ import annotations

from typing import Any

from dovetail.ir.core import Value
from dovetail.prims.elementwise import detach
from dovetail.tensor.anomaly import step_name
from dovetail.tensor.history import made_by
from dovetail.tensor.tensor import Tensor


class AccumulateGrad:
    """The end of a gradient's way: it is added to `.grad` of `variable`."""

    next_functions: tuple = ()

    def __init__(self, variable: Tensor):
        self.variable = variable

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


class GradientFunction:
    """The step of a gradient that made a value; its name is torch's name for that step.

    sources: the tensors at which the graph that holds the value begins.
    """

    def __init__(self, op_name: str, value: Value | None = None, sources: dict[Value, Tensor] | None = None):
        self.op_name, self.value, self.sources = op_name, value, sources or {}

    def name(self) -> str:
        return step_name(self.op_name)

    @property
    def next_functions(self) -> tuple:
        """The steps that the op's inputs came from, each with the number of the result it was."""
        return tuple(self.step_of(v) for v in self.inputs() if self.leads_to_source(v))

    def inputs(self) -> tuple:
        """What the op that made the value was given."""
        region = self.value.node.region if self.value is not None and self.value.node is not None else None
        while region is not None and region.parent is not None:
            region = region.parent
        return () if region is None else tuple(v for v in region.inputs if isinstance(v, Value))

    def step_of(self, v: Value) -> tuple:
        if v in self.sources:
            return step_before(self.sources[v])
        return (GradientFunction(made_by(v), v, self.sources), v.index)

    def leads_to_source(self, value: Value) -> bool:
        seen: set[Value] = set()
        stack = [value]
        while stack:
            v = stack.pop()
            if v in self.sources:
                return True
            if v in seen or v.node is None or not v.dtype.is_differentiable or v.node.prim is detach:
                continue
            seen.add(v)
            stack.extend(v.node.inputs)
        return False

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


def step_before(t: Tensor) -> tuple:
    """(step of the gradient that made `t`, which of its results `t` is)"""
    if t._leaf:
        return (AccumulateGrad(t), 0)
    return (grad_fn(t), t._joint.index if t._joint is not None else 0)


def grad_fn(self: Tensor) -> Any:
    """What made this tensor, if a gradient leads through it; None for leaves."""
    if self._leaf or not self._meta.requires_grad:
        return None
    if self._joint is not None and self._joint.node is not None:
        return self._joint.node.grad_fn()
    if self._run is not None:
        recorder = self._run.recorder
        state = recorder.sync()
        value = state.values.get(self._slot)
        found = {v: recorder.slots[s] for v, s in state.sources.items() if recorder.slots[s] is not None}
        return GradientFunction(made_by(value), value, found)
    history, index = self._hist or (None, 0)
    if history is None:
        return GradientFunction(self._made_by)
    found = {v: t for (v, _), t in zip(history.segment.sources, history.sources, strict=True)}
    return GradientFunction(self._made_by, history.segment.outs[index], found)


Tensor.grad_fn = property(grad_fn)  # type: ignore[assignment]
