"""In-place changes of a tensor's shape: x.unsqueeze_(0), x.t_(), x.resize_(n).

No number changes, so nothing is written: the tensor takes over what the op's own result is.
"""

from __future__ import annotations

from collections.abc import Callable

from dovetail.base.errors import GradientError, message
from dovetail.tensor.meta import forget_leaf
from dovetail.tensor.recorder import Recorder, local
from dovetail.tensor.tensor import Tensor


def take_over(t: Tensor, change: Callable[[Tensor], Tensor], call: str) -> Tensor:
    """Let `t` be what `change` makes of it. Raises GradientError for leaves that require grad."""
    if t._leaf and t._meta.requires_grad:
        problem = "a leaf tensor that requires grad is being changed in place"
        raise GradientError(message(call, problem, [("tensor", t)], "use the form without underscore"))
    rec = local.rec
    if t._run is None:
        other = change(stand_in(t))
    elif t._run is rec.run and t._joint is None:
        former = object.__new__(Tensor)
        former.__dict__.update(t.__dict__)
        hand_over(t, former, rec)
        other = change(former)
        if other is former:  # nothing changes
            hand_over(former, t, rec)
            return t
    else:
        other = change(t)
    if other._run is not None and other._run is not rec.run:
        other._settle()
    if t._guessed:
        if other._run is None:
            rec.close()
        forget_leaf(t)
        if rec.node is rec.root:
            rec.enter_root()
    view = None if other._view is t else other._view  # of what was there before, which others may look into
    if t._run is rec.run and other is not t and rec.slots[t._slot] is t:
        rec.slots[t._slot] = husk = object.__new__(Tensor)  # what it was stays in the trace, and nobody holds it
        husk.__dict__.update(t.__dict__)
    t._meta, t._hist, t._view, t._leaf = other._meta, other._hist, view, False
    t._version += 1
    if other._run is None:
        t._run, t._storage, t._ptr, t._shared = None, other._storage, other._ptr, True
        return t
    rec.slots[other._slot] = t
    t._run, t._slot = other._run, other._slot
    return t


def hand_over(t: Tensor, heir: Tensor, rec: Recorder) -> None:
    """Let `heir` take the place of `t`, which is pending, in the trace and for those that look into it."""
    for slot in range(1, rec.node.end):
        u = rec.slots[slot]
        if u is t:
            rec.slots[slot] = heir
        elif u is not None and u._view is t:
            u._view = heir


def stand_in(t: Tensor) -> Tensor:
    """A handle on what `t` is now, for a trace to read while `t` itself becomes something else."""
    made = object.__new__(Tensor)
    made._meta, made._storage, made._ptr, made._hist = t._meta, t._storage, t._ptr, t._hist
    made._shared = t._shared = True
    return made
