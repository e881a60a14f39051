"""grad_fn: the steps of a gradient as users see them, by torch's names, each with those that come after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import ref

from dovetail.base.errors import GradientError, message
from dovetail.ir.core import Value
from dovetail.prims.elementwise import detach
from dovetail.tensor.history import made_by
from dovetail.tensor.joint import HookHandle, joint_of
from dovetail.tensor.step_names import step_name
from dovetail.tensor.tensor import Tensor


class Node:
    """A step of a gradient, as `grad_fn` shows it. metadata: a dict for users' own notes."""

    @property
    def metadata(self) -> dict:
        """Notes kept with this step."""
        return self.__dict__.setdefault("_metadata", {})


class AccumulateGrad(Node):
    """The end of a gradient's way: it is added to `.grad` of `variable`."""

    next_functions: tuple = ()

    def __init__(self, variable: Tensor):
        self.variable = variable

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def register_prehook(self, hook: Callable) -> HookHandle:
        """Call hook((gradient,)) before it is added up; a tuple that it returns takes the gradient's place."""
        return HookHandle(joint_of(self.variable).hooks, before_step(hook))

    def register_hook(self, hook: Callable) -> HookHandle:
        """Call hook((), (gradient,)) after the gradient was added to `.grad`."""
        joint = joint_of(self.variable)
        return HookHandle(joint.after, lambda t: hook((), (joint.given,)))

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


def before_step(hook: Callable) -> Callable:
    """A hook of a step, which takes and gives tuples, as a hook of its only gradient."""

    def before(g: Tensor) -> Any:
        changed = hook((g,))
        if changed is not None and not isinstance(changed, tuple):
            raise TypeError(f"expected tuple, but hook returned '{type(changed).__name__}'")
        return None if changed is None else changed[0]

    return before


class GradientFunction(Node):
    """The step of a gradient that made a value; its name is torch's name for that step.

    sources: the tensors at which the graph that holds the value begins. Each kind of step is a class of its own, so
    that `type(step).__name__` is its name.
    """

    kinds: dict[str, type] = {}
    tensor: Any = None
    further: tuple | None = None

    def __new__(cls, op_name: str, value: Value | None = None, sources: dict[Value, Tensor] | None = None):
        name = step_name(op_name)
        kind = cls.kinds.get(name)
        if kind is None:
            kind = cls.kinds[name] = type(name, (GradientFunction,), {})
        return object.__new__(kind)

    @classmethod
    def of(cls, value: Value, sources: dict[Value, Tensor]) -> GradientFunction:
        """The step that made a value."""
        return cls(made_by(value), value, sources)

    def made(self, call: str) -> Tensor:
        """The tensor that hooks of this step hang on."""
        t = self.tensor() if self.tensor is not None else None
        if t is None:
            text = "the tensor that this step made is gone; take grad_fn from a tensor that is kept"
            raise GradientError(message(call, text))
        return t

    def register_prehook(self, hook: Callable) -> Any:
        """Call hook((gradient,)) before this step; a tuple that it returns takes the gradient's place."""
        return self.made("register_prehook").register_hook(before_step(hook))

    def register_hook(self, hook: Callable) -> Any:
        """Call hook(gradients of the inputs, gradients of the results) after this step.

        A tuple that it returns takes the place of the inputs' gradients. Raises GradientError where the inputs are
        tensors that nobody keeps and whose trace has been run.
        """
        t = self.made("register_hook")
        joint = joint_of(t)
        if joint.node is not None:
            raise GradientError(message("register_hook", "hooks of steps that are Python code are not supported"))
        if joint.inputs is None:
            joint.inputs = [self.input_tensor(v) for v in self.edges()]
        return HookHandle(joint.steps, hook)

    def edges(self) -> list[Value | None]:
        """The op's inputs, as torch counts them: a number beside a tensor in arithmetic is one too."""
        values: list[Value | None] = [*self.inputs()]
        if self.op_name.strip("_") in ("add", "sub", "mul", "div") and len(values) == 1:
            values.append(None)
        return values

    def input_tensor(self, v: Value | None) -> Tensor | None:
        """The tensor that holds an input, made a place where the gradient stops; None where no gradient leads to it."""
        if v is None or not self.leads_to_source(v):
            return None
        found = self.sources.get(v)
        t = self.tensor()
        if found is None and t._run is not None:
            rec = t._run.recorder
            values = rec.sync().values
            slots = [s for s in range(1, rec.node.end) if values.get(s) is v and rec.slots[s] is not None]
            found = rec.slots[slots[-1]] if slots else None
        if found is None:
            text = f"the inputs of {self.name()} were not kept when a value was looked at"
            raise GradientError(message("register_hook", text, [], "register the hook before looking at values"))
        if not found._leaf:
            joint_of(found)
        return found

    def __init__(self, op_name: str, value: Value | None = None, sources: dict[Value, Tensor] | None = None):
        self.op_name, self.value, self.sources = op_name, value, sources or {}

    def name(self) -> str:
        return step_name(self.op_name)

    @property
    def next_functions(self) -> tuple:
        """The steps that the op's inputs came from, each with the number of the result it was."""
        if self.further is not None:
            return self.further
        found = [self.step_of(v) if self.leads_to_source(v) else None for v in self.inputs()]
        if self.op_name == "linear" and len(found) > 1 and found[1] is not None:  # bias + x @ weight.T
            turned = GradientFunction("t")
            turned.further = (found[1],)
            found = [*found[2:], found[0], (turned, 0)]
        return tuple(f for f in found if f is not None)

    def inputs(self) -> tuple:
        """What the op that made the value was given."""
        region = self.value.node.region if self.value is not None and self.value.node is not None else None
        while region is not None and region.parent is not None:
            region = region.parent
        return () if region is None else tuple(v for v in region.inputs if isinstance(v, Value))

    def step_of(self, v: Value) -> tuple:
        if v in self.sources:
            return step_before(self.sources[v])
        return (GradientFunction.of(v, self.sources), v.index)

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


class GradientEdge(NamedTuple):
    """A place in a gradient's graph: result number `output_nr` of the step `node`. grad() takes it as an input."""

    node: Any
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where in the graph a tensor lies. Raises GradientError for one that requires no grad."""
    if not tensor._meta.requires_grad:
        text = "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        raise GradientError(message("get_gradient_edge", text, [("tensor", tensor)]))
    node, index = step_before(tensor)
    return GradientEdge(node, index, tensor)


def increment_version(tensor: Any) -> None:
    """Note that the memory of a tensor (or of several) was written to by other means."""
    for t in [tensor] if isinstance(tensor, Tensor) else tensor:
        t._version += 1


def step_before(t: Tensor) -> tuple:
    """(step of the gradient that made `t`, which of its results `t` is)"""
    if t._leaf:
        return (AccumulateGrad(t), 0)
    return (grad_fn(t), t._joint.index if t._joint is not None else 0)


def grad_fn(self: Tensor) -> Any:
    """What made this tensor, if a gradient leads through it; None for leaves. The same object each time."""
    known = self.__dict__.get("_step")
    if known is not None and known[0] == self._version:
        return known[1]
    found = step_of_tensor(self)
    if isinstance(found, GradientFunction):
        found.tensor = ref(self)
        self.__dict__["_step"] = (self._version, found)
    return found


def step_of_tensor(self: Tensor) -> Any:
    if self._leaf or not self._meta.requires_grad:
        return None
    if self._joint is not None and self._joint.node is not None:
        return self._joint.node.grad_fn()
    if self._run is not None:
        recorder = self._run.recorder
        state = recorder.sync()
        value = state.values.get(self._slot)
        found = {v: recorder.slots[s] for v, s in state.sources.items() if recorder.slots[s] is not None}
        return GradientFunction.of(value, found)
    history, index = self._hist or (None, 0)
    if history is None:
        return GradientFunction(self._made_by)
    found = {v: t for (v, _), t in zip(history.segment.sources, history.sources, strict=True)}
    return GradientFunction.of(history.segment.outs[index], found)


Tensor.grad_fn = property(grad_fn)  # type: ignore[assignment]
