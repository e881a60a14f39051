"""Views while recording: who looks into whom, and what a write through one of them changes.

Values never change, so a write makes a new Value for the tensor at the root of the views, and every other view of it
is derived again. The way from a view back to its root is the chain of SHAPE nodes between them; each of their
primitives has a `write` rule.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any

import numpy as np

from dovetail.ir.core import Node, Value
from dovetail.prims.families import HOST, SHAPE
from dovetail.tensor.meta import meta, normal_strides
from dovetail.tensor.trace import Event


def root(t) -> Any:
    """The tensor whose memory `t` looks into: itself when it is no view."""
    while t._view is not None:
        t = t._view
    return t


def looked_into(t) -> Any:
    """The tensor whose memory a view of `t` will look into: `t` where its value is there, be it a view itself."""
    while t._run is not None and t._view is not None:
        t = t._view
    return t


def chain(value: Value, base: Value) -> list[Node] | None:
    """The nodes from `base` (first) to `value` (last), or None where `value` is not a view of `base`."""
    nodes = []
    while value is not base:
        node = value.node
        if node is None or not node.inputs or node.prim.write_rule is None:
            return None
        nodes.append(node)
        value = node.inputs[0]
    nodes.reverse()
    return nodes


def derives(value: Value, base: Value) -> bool:
    return chain(value, base) is not None


def rewrite(rec, e: Event, state, target, slot: int, old: Value, new: Value, requires_grad: bool) -> None:
    """Note in `e` that `target` (in `slot`, holding `old`) now holds `new`, and what follows for other views."""
    base = root(target)
    repointed = {}
    if base is not target:
        base_slot = rec.slot_of(base)
        if base_slot:
            base_old = state.values.get(base_slot) or next(v for s, v in e.defs if s == base_slot)
            links = chain(old, base_old)
            if links is None:
                base = target
            else:
                base_new = write_back(links, base_old, new)
                repointed[base_slot] = (base_new, base)
                new = derive(links, base_new)  # still a view, so that later writes elsewhere show in it
                siblings(rec, e, state, base, base_old, base_new, repointed, skip=target)
        else:
            base = target
    else:
        siblings(rec, e, state, target, old, new, repointed, skip=target)
    repointed[slot] = (new, target)
    for at, (value, t) in repointed.items():
        fresh_slot = e.end
        e.end += 1
        e.defs.append((fresh_slot, value))
        m = (
            t._meta
            if t._leaf
            else meta(
                value.shape, value.dtype, requires_grad=requires_grad or t._meta.requires_grad, strides=t._meta.strides
            )
        )
        e.repoints.append((at, fresh_slot, m))
        if t._leaf and m.requires_grad:
            e.sources.append((value, fresh_slot))


def write_back(links: list[Node], base: Value, new: Value) -> Value:
    values = [base] + [n.out for n in links]
    for node, before in zip(reversed(links), reversed(values[:-1]), strict=True):
        new = node.prim.write_rule(before, new, **node.params)
    return new


def derive(links: list[Node], base: Value) -> Value:
    """The same view of another value."""
    for node in links:
        base = node.prim(base, *node.inputs[1:], **node.params)
    return base


def siblings(rec, e: Event, state, base, base_old: Value, base_new: Value, repointed: dict, skip) -> None:
    """Other tensors of the trace that look into `base`: derive them again from its new value."""
    for s in range(1, rec.node.end):
        t = rec.slots[s]
        if t is None or t is base or t is skip or t._view is None or root(t) is not base or rec.slot_of(t) != s:
            continue
        links = chain(state.values[s], base_old)
        if links is None:
            continue
        repointed[s] = (derive(links, base_new), t)


# -- when a trace is run -------------------------------------------------------------------------------


def wanted(c, slots: list) -> list[int]:
    """Slots of the tensors Python refers to, where views refer to their bases too.

    A base that only views refer to is wanted when two of them live on, since they share its memory.
    """
    lookers: dict[int, list[int]] = {}
    for s in c.fresh:
        t = slots[s]
        if t._view is not None:
            lookers.setdefault(id(t._view), []).append(s)
    del t
    alive = {s for s in c.fresh if getrefcount(slots[s]) - 2 - len(lookers.get(id(slots[s]), ())) > 0}
    for s in c.fresh:
        seen_by = sum(v in alive for v in lookers.get(id(slots[s]), ()))
        if seen_by > 1:
            alive.add(s)
    return [s for s in c.fresh if s in alive]


def aliases(c, live: list[int], slots: list) -> dict[int, tuple[int, tuple, int]]:
    """Views that need no buffer of their own: slot -> (slot of the base, element strides, element offset)."""
    found: dict[int, tuple[int, tuple, int]] = {}
    if not c.bases:
        return found
    by_tensor = {id(slots[s]): s for s in (*live, *(now for _, now in c.mutated), *c.leaves)}
    for s in live:
        t = slots[s]
        if t._view is None:
            continue
        at = by_tensor.get(id(t._view))
        if at is None or at == s or at in found:
            continue
        now = next((n for f, n in c.mutated if f == at or n == at), at)
        links = chain(c.values[s], c.values[now])
        if links is None:
            continue
        base = t._view
        where = strided(links, base._meta.shape, base._meta.strides)
        if where is not None:
            found[s] = (now, *where)
    return found


def strided(links: list[Node], shape: tuple, strides: tuple | None) -> tuple[tuple, int] | None:
    """Element strides and offset of a chain of views over a tensor, or None where only a copy would do."""
    probe = np.empty(shape, np.int8)
    if strides is not None:
        size = 1 + sum((n - 1) * abs(s) for n, s in zip(shape, strides, strict=True) if n)
        probe = np.lib.stride_tricks.as_strided(np.empty(size, np.int8), shape, strides)
    start = probe.__array_interface__["data"][0]
    seen = probe
    for node in links:
        if node.prim.family == HOST:
            return None  # the same bits as another dtype: no stride of elements says that
        if node.prim.family != SHAPE:
            continue
        seen = node.prim.meaning(seen, **node.params)
        if not np.shares_memory(seen, probe) and seen.size:
            return None
    if not seen.size:
        return None
    return tuple(seen.strides), seen.__array_interface__["data"][0] - start


def deliver(found: dict[int, tuple[int, tuple, int]], slots: list) -> None:
    """Give the aliasing views their part of the base's memory; let go of bases that are no more."""
    for s, (at, strides, offset) in found.items():
        t, base = slots[s], slots[at]
        t._storage = base._storage
        t._ptr = base._ptr + offset * base._meta.dtype.itemsize
        m = t._meta
        t._meta = meta(m.shape, m.dtype, m.device, m.requires_grad, normal_strides(m.shape, strides), m.history)
        t._run = None
        t._shared = base._shared = True
