"""Tensors with values that share memory: a write through one of them, with a gradient, is one through all.

While a trace is pending, `views` follows who looks into whom. Once it has run, a view is just an address; it remembers
the tensor that it looks into (`_base`), and that one its views (`_lookers`). Before a write that has a gradient they
are all made views of the new trace, where the write reaches each of them, as in PyTorch.
"""

from __future__ import annotations

from typing import Any

from dovetail.tensor.joint import copy_of, leave, waits
from dovetail.tensor.meta import contiguous_strides
from dovetail.tensor.views import dense


def written(rec: Any, target: Any, tensors: list) -> bool:
    """Whether a write of these tensors into `target`, with its value, is one into others with a gradient."""
    if not rec.grad or target._base is None and not target._lookers:
        return False
    return any([t._meta.requires_grad for t in tensors])


def members(t: Any) -> list:
    """`t` and those that it shares memory with, what they look into first."""
    root = t if t._base is None else t._base
    found = [root, *[v for r in root._lookers or () if (v := r()) is not None]]
    return found if any(v is t for v in found) else [*found, t]


def bring_in(rec: Any, target: Any, ops: dict[str, Any]) -> None:
    """Make the views of what `target` looks into views of the trace, before the target is written."""
    root = target if target._base is None else target._base
    for v in members(target):
        if v is not root and v._run is None and v._storage is root._storage and v._base is root:
            w = view_of(root, v, ops)
            if w is not None:
                if waits(v, True):
                    leave(v, copy_of(v), 0)
                rec.slots[w._slot] = v
                v._meta, v._view, v._run, v._slot, v._hist, v._leaf = w._meta, w._view, w._run, w._slot, None, False


def view_of(root: Any, v: Any, ops: dict[str, Any]) -> Any:
    """A view in the trace of the part of `root` that `v` looks into; None where no strides lead there."""
    m, r = v._meta, root._meta
    at = v._ptr - root._ptr
    if at < 0 or at % m.dtype.itemsize or m.dtype is not r.dtype:
        return None
    base = root
    if r.strides is not None:
        if not dense(r.shape, r.strides):
            return None
        order = sorted(range(len(r.shape)), key=lambda d: -r.strides[d])
        base = ops["permute"].slow((root, *order), {})
    strides = contiguous_strides(m.shape) if m.strides is None else m.strides
    return ops["as_strided"].slow((base, m.shape, tuple(strides), at // m.dtype.itemsize), {})
