"""Joints: places on a gradient's way where Python code waits for it.

A hook on a tensor and a custom `Function` cannot be part of a graph: they are the user's Python. So a tensor they
belong to carries a Joint, backward stops there, runs the code on gradient tensors, and goes on from what it returns
(`staged.py`). Programs without joints never meet this file.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from dovetail.base import errors
from dovetail.base.errors import GradientError, message
from dovetail.ir.core import building, region, scope
from dovetail.prims.elementwise import detach
from dovetail.tensor.meta import WATCHED, forget_leaves, meta
from dovetail.tensor.recorder import local
from dovetail.tensor.tensor import Tensor, fresh

JOIN, BEFORE = "join", "before"


class Joint:
    """What waits at one tensor.

    node, index   the Python step (Function, checkpoint) whose result number `index` the tensor is, or None
    hooks         functions of the gradient that may replace it; after: called with a leaf once `.grad` is added up
    steps         hooks of the step that made the tensor, called with the gradients of its inputs, the tensors `inputs`
    given         what was added to a leaf's `.grad` last
    kept          weak reference to a tensor that asked to retain its gradient
    order         (run, slot): what was computed later comes later, so gradients are complete when their turn comes
    """

    __slots__ = ("node", "index", "hooks", "after", "steps", "inputs", "given", "kept", "order", "captured")

    def __init__(self, node: Any = None, index: int = 0, order: tuple[int, int] = (0, 0)):
        self.node, self.index, self.order = node, index, order
        self.hooks: OrderedDict[int, Callable] = OrderedDict()
        self.after: OrderedDict[int, Callable] = OrderedDict()
        self.steps: OrderedDict[int, Callable] = OrderedDict()
        self.inputs: list | None = None
        self.given: Any = None
        self.kept: Any = None
        self.captured: list | None = None

    def apply(self, g: Tensor) -> Tensor:
        """The gradient after every hook had its say."""
        for hook in list(self.hooks.values()):
            changed = hook(g)
            if changed is None:
                continue
            if not isinstance(changed, Tensor):
                raise TypeError(f"a tensor hook returns None or a Tensor, got {type(changed).__name__}")
            if changed._meta.shape != g._meta.shape:
                facts = [("gradient", g), ("returned", changed)]
                raise GradientError(message("hook", "a hook has changed the size of its gradient", facts))
            g = changed
        t = None if self.kept is None else self.kept()
        if t is not None:
            t._grad = g if t._grad is None else t.grad + g
        if self.captured is not None:
            self.captured.append(g)
        return g


def joint_of(t: Tensor) -> Joint:
    """The joint of a tensor, made where it has none. Guards look again, since its gradient takes another way now."""
    if t._joint is not None:
        return t._joint
    rec = local.rec
    if t._leaf:
        rec.close()
        t._settle()
        t._joint = Joint()
        t._meta = t._meta.with_grad(True, WATCHED)
        forget_leaves()
        rec.enter_root()
        return t._joint
    if t._run is not None and t._run is not rec.run:
        t._settle()
    if t._run is not None:
        t._joint = Joint(order=(rec.run.serial, rec.slot_of(t)))
        rec.run.hooked.append(t)
    elif t._hist is not None and t._hist[0] is not None:
        history, index = t._hist
        t._joint = Joint(order=(history.order, t._slot))
        history.hooked[index] = t
    else:
        t._joint = Joint()
    return t._joint


def drop_joint(t: Tensor) -> None:
    """Take back the joint of a tensor that had none before."""
    t._joint = None
    hooked = local.rec.run.hooked
    hooked[:] = [h for h in hooked if h is not t]
    if t._hist is not None and t._hist[0] is not None:
        t._hist[0].hooked.pop(t._hist[1], None)


def copy_of(t: Tensor) -> Tensor:
    """Another handle on what `t` is now."""
    made = object.__new__(Tensor)
    made.__dict__.update(t.__dict__)
    return made


def waits(t: Tensor, written: bool) -> bool:
    """Whether Python code waits for the gradient of what `t` is now, so that a write must `leave` it.

    written: whether gradients learn of the write; if not, they come to `t` as before, but for hooks in the trace.
    """
    if t._leaf:
        return False
    return bool(t._readers) or t._joint is not None and (written or t._joint.node is None)


def leave(t: Tensor, was: Tensor, slot: int) -> None:
    """`t` was given another value that gradients lead through; was: what it was before, in `slot` (0: in no slot).

    Python code that waits at the value from before (hooks, the Function whose result or argument it is) waits at a
    stand-in from now on, which nobody else has. Only a wish to keep the gradient (`retain_grad`) stays with `t`, where
    gradients learn of the write.
    """
    rec = local.rec
    former = was
    if was._run is not None and slot:
        former = value_before(slot, was._meta)
    joint = was._joint
    holder = was if joint is not None and joint.node is not None and was._storage is not None else former
    t._joint = was._joint = None
    holder._joint = joint
    for some in (rec.run.joints, rec.run.hooked):
        some[:] = [holder if w is t else w for w in some]
    leaf = former if was._storage is None else was  # where the trace reads and writes memory
    for s in range(1, rec.node.end):
        if rec.slots[s] is t and s != t._slot:
            rec.slots[s] = leaf
            leaf._guessed = True
    if was._run is None and was._hist is not None and was._hist[0] is not None:
        history, index = was._hist
        history.stand_in(index, former)
        if history.hooked.get(index) is t:
            history.hooked[index] = former
    for find in was._readers or ():
        step = find()
        if step is not None:
            step.args = tuple([former if a is t else a for a in step.args])
    t._readers = was._readers = None
    if rec.grad and joint is not None and joint.kept is not None:
        joint.kept = None
        joint_of(t).kept = weakref.ref(t)


def join(tensors: Sequence[Tensor], node: Any = None) -> list[Tensor]:
    """New tensors with these values at which gradients end: results of `node`, or fresh leaves where it is None."""
    rec = local.rec
    if rec.held:
        rec.look_again(tensors)
    given = [rec.own(t) for t in tensors]
    key = (node is not None,)
    e = rec.find(JOIN, given, key, ())
    if e is None:
        e = record_join(rec, given, key)
    rec.advance(e)
    made = []
    for i, (slot, m, _) in enumerate(e.outs):
        t = rec.slots[slot] = fresh(m, rec.run, slot)
        if node is None:
            t._leaf = True
        else:
            t._joint = Joint(node, i, (rec.run.serial, slot))
        rec.run.joints.append(t)
        made.append(t)
    return made


def record_join(rec: Any, tensors: list[Tensor], key: tuple) -> Any:
    rec.sync()
    rec.clear_beyond(rec.node.end)
    scope.where = errors.user_line()
    e = rec.new_event(JOIN, key)
    taken: dict[int, int] = {}
    values = [rec.take(e, t, taken) for t in tensors]
    with building() as nodes, region("join", tuple(values), {}):
        for value in values:
            new = detach(value)
            slot = e.end
            e.end += 1
            e.defs.append((slot, new))
            history = WATCHED if key[0] else None
            e.outs.append((slot, meta(new.shape, new.dtype, requires_grad=True, history=history), 0))
            e.sources.append((new, slot))
    e.nodes = nodes
    e.needs_grad = True
    rec.add(e)
    return e


def value_before(slot: int, m: Any) -> Tensor:
    """A tensor with the value that `slot` of the pending trace has, whatever was written in place since."""
    rec = local.rec
    for e in rec.node.children:
        if e.op == BEFORE and e.key == (slot,):
            break
    else:
        state = rec.sync()
        rec.clear_beyond(rec.node.end)
        e = rec.new_event(BEFORE, (slot,))
        e.defs.append((e.end, state.values[slot]))
        e.outs.append((e.end, meta(m.shape, m.dtype, requires_grad=m.requires_grad), 0))
        e.end += 1
        rec.add(e)
    rec.advance(e)
    made = rec.slots[e.outs[0][0]] = fresh(e.outs[0][1], rec.run, e.outs[0][0])
    return made


def next_hook_id() -> int:
    HookHandle.count += 1
    return HookHandle.count


class HookHandle:
    """Takes a hook away again: `handle.remove()`, or at the end of a `with` block."""

    count = 0

    def __init__(self, hooks: OrderedDict, hook: Callable):
        self.id = next_hook_id()
        self.hooks = weakref.ref(hooks) if hasattr(hooks, "__weakref__") else lambda: hooks
        hooks[self.id] = hook

    def remove(self) -> None:
        """Take the hook away; nothing happens the second time."""
        hooks = self.hooks()
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.remove()


def register_hook(self: Tensor, hook: Callable) -> HookHandle:
    """Call `hook(gradient)` each time the gradient of this tensor is known; what it returns replaces the gradient.

    Raises GradientError for a tensor that does not require grad.

    >>> import dovetail
    >>> w = dovetail.tensor([1.0, 2.0], requires_grad=True)
    >>> handle = w.register_hook(lambda g: g * 10)
    >>> (w * w).sum().backward()
    >>> w.grad.tolist()
    [20.0, 40.0]
    """
    if not self._meta.requires_grad:
        problem = "cannot register a hook on a tensor that doesn't require gradient"
        raise GradientError(message("register_hook", problem, [("tensor", self)], "x.requires_grad_() first"))
    return HookHandle(joint_of(self).hooks, hook)


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable) -> HookHandle:
    """Call `hook(tensor)` after backward() has added up this leaf's `.grad`."""
    if not self._meta.requires_grad:
        problem = "cannot register a hook on a tensor that doesn't require gradient"
        raise GradientError(message("register_post_accumulate_grad_hook", problem, [("tensor", self)]))
    if not self.is_leaf:
        problem = "post accumulate grad hooks cannot be registered on non-leaf tensors"
        raise GradientError(message("register_post_accumulate_grad_hook", problem, [("tensor", self)]))
    return HookHandle(joint_of(self).after, hook)


def retain_grad(self: Tensor) -> None:
    """Keep `.grad` of this tensor too, though it is no leaf. Raises GradientError where it requires no grad."""
    if not self._meta.requires_grad:
        problem = "can't retain_grad on Tensor that has requires_grad=False"
        raise GradientError(message("retain_grad", problem, [("tensor", self)]))
    if self._leaf:
        return
    joint_of(self).kept = weakref.ref(self)


def retains_grad(self: Tensor) -> bool:
    """Whether this is no leaf and keeps its gradient."""
    return self._joint is not None and self._joint.kept is not None


Tensor.register_hook = register_hook
Tensor.register_post_accumulate_grad_hook = register_post_accumulate_grad_hook
Tensor.retain_grad = retain_grad
Tensor.retains_grad = property(retains_grad)
