"""Views while recording: who looks into whom, and what a write through one of them changes.

Values never change, so a write makes a new Value for the tensor at the root of the views, and every other view of it
is derived again. The way from a view back to its root is the chain of SHAPE nodes between them; each of their
primitives has a `write` rule.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any
from weakref import ref

import numpy as np

from dovetail.autodiff.gradient import makers_between, with_gradient
from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Node, Value
from dovetail.prims.bits import bitcast
from dovetail.prims.elementwise import detach, identity
from dovetail.prims.index import scatter_nd
from dovetail.prims.make import literal_of, zeros_like
from dovetail.prims.shape import broadcast, reshape, shown_repeatedly
from dovetail.tensor.meta import Meta, meta, normal_strides
from dovetail.tensor.trace import Event

NO_GRAD = "no_grad"
CROWD = 16  # views of one tensor from which those that are gone are cleared away


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


def unwritable(op: Any, grad: bool, base: Any, index: int) -> Any:
    """Why result `index` of a view op may not be written while gradients are recorded; None where it may.

    (name of the op, index) for one of several views that were made at once, NO_GRAD for a view made without gradients
    of what has one. As in torch, views of such a view may not be written either.
    """
    if not op.differentiable or op.flags["parts"] == "free":
        return None
    if not grad:
        return NO_GRAD if base._meta.requires_grad or base._unwritable else None
    return (op.name, index) if op.flags["parts"] else base._unwritable


def dense(shape: tuple, strides: tuple) -> bool:
    """Whether the elements fill their memory without gaps or repetition, in whatever order."""
    walked = sorted((s, n) for n, s in zip(shape, strides, strict=True) if n > 1)
    step = 1
    for s, n in walked:
        if s != step:
            return False
        step *= n
    return True


def chain(value: Value, base: Value) -> list[Node] | None:
    """The nodes from `base` (first) to `value` (last), or None where `value` is not a view of `base`."""
    nodes = []
    while value is not base:
        value = value.seen_as or value
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
    if new.node is None:  # the very value of another tensor, from which the gradient has to be told apart
        new = identity(new)
    base = root(target)
    repointed: dict[int, tuple[Value, Any]] = {}
    strangers: set[int] = set()  # slots of those that share the memory but not the gradient
    made: dict[Node, Value] = {}  # of links that views have in common: what they are of the new value
    if base is target:
        if not rec.grad:
            new = unnoticed(new, old, target)
        siblings(rec, state, target, old, new, None, made, repointed, strangers, skip=target)
    elif base_slot := rec.slot_of(base):
        base_old = state.values.get(base_slot) or next(v for s, v in e.defs if s == base_slot)
        links = chain(old, base_old)
        if links is not None:
            if any(map(repeats, links)):
                found = strided(links, base._meta)
                need_single_places(e.op.name, target, old.shape, found and found[0])
            base_new = write_back(links, base_old, new)
            cut = cut_off(links)
            if cut is not None:
                strangers.add(base_slot)
            if not rec.grad or cut is not None:
                base_new = unnoticed(base_new, base_old, base)
            repointed[base_slot] = (base_new, base)
            if cut is not None and rec.grad and requires_grad:
                own = write_back(links[links.index(cut) + 1 :], derive(links[: links.index(cut) + 1], base_old), new)
                made[cut] = with_gradient([derive(links[: links.index(cut) + 1], base_new)], [own], passed_on)[0]
            new = derive(links, base_new, made)  # still a view, so that later writes elsewhere show in it
            siblings(rec, state, base, base_old, base_new, cut, made, repointed, strangers, skip=target)
    repointed[slot] = (new, target)
    for at, (value, t) in repointed.items():
        fresh_slot = e.end
        e.end += 1
        e.defs.append((fresh_slot, value))
        m = t._meta
        if not t._leaf:
            wanted = m.requires_grad or requires_grad and at not in strangers
            m = meta(value.shape, value.dtype, requires_grad=wanted, strides=m.strides)
        e.repoints.append((at, fresh_slot, m))
        if t._leaf and m.requires_grad:
            e.sources.append((value, fresh_slot))


def unnoticed(new: Value, old: Value, t: Any) -> Value:
    """What `t` holds after a write that gradients do not see (under no_grad, through .data): they pass as before it."""
    if t._leaf or not new.dtype.is_differentiable:
        return new
    if not t._meta.requires_grad:
        return detach(new)
    return with_gradient([detach(new)], [old], passed_on)[0]


def overwritten(new: Value, old: Value, given: list[Value]) -> Value:
    """What a tensor holds that requires grad, after a write of `given`: where nothing is left of `old`, what that was
    made from gets a gradient of zeros, as in PyTorch, not none."""
    if new is old or not new.dtype.is_differentiable:
        return new
    if not any(new is v for v in given) and makers_between([new], [old], given):
        return new
    return with_gradient([new], [new, old], nothing_left)[0]


def nothing_left(gs, outs, new, old) -> tuple:
    return gs[0], zeros_like(old)


def passed_on(gs, outs, old) -> tuple:
    return (gs[0],)


def repeats(node: Node) -> bool:
    """Whether a view shows elements of what it looks into more than once."""
    return node.prim is broadcast and node.out.numel != node.inputs[0].numel


def write_back(links: list[Node], base: Value, new: Value) -> Value:
    if any(map(repeats, links)):
        return scattered(links, base, new)
    values = [base]
    for node in links:  # a chain that stands in for a value (`seen_as`) is no part of the graph: its values are made
        again = any(link.prim is bitcast for link in links)
        values.append(node.prim(values[-1], *node.inputs[1:], **node.params) if again else node.out)
    for node, before in zip(reversed(links), reversed(values[:-1]), strict=True):
        new = node.prim.write_rule(before, new, **node.params)
    return new


def scattered(links: list[Node], base: Value, new: Value) -> Value:
    """`base` with `new` at the elements that a chain of views shows, of which some links show elements repeatedly."""
    places = np.arange(base.numel).reshape(base.shape)
    for node in links:
        places = node.prim.meaning(places, **node.params)
    whole = scatter_nd(
        reshape(base, shape=(base.numel,)),
        reshape(new, shape=(new.numel,)),
        literal_of(np.ascontiguousarray(places).reshape(-1)),
        mode="set",
    )
    return reshape(whole, shape=base.shape)


def need_single_places(call: str, target: Any, shape: tuple, strides: tuple | None) -> None:
    """Raise ArgumentError where one element of memory stands for several places of a tensor that is to be written.

    As in torch, a write of one number to every place may do so.
    """
    if call in ("fill_", "zero_", "setitem_"):
        return
    if strides is not None and any(n > 1 and s == 0 for n, s in zip(shape, strides, strict=True)):
        problem = "unsupported operation: more than one element of the written-to tensor refers to a single memory "
        problem += "location. Please clone() the tensor before performing the operation"
        cure = "x.expand(...) repeats without copying: write to x, or to x.expand(...).clone()"
        raise ArgumentError(message(call, problem, [("tensor", target)], cure))


def derive(links: list[Node], base: Value, made: dict[Node, Value] | None = None) -> Value:
    """The same view of another value. made: what is known of it, and comes to be known.

    Where a view is cut off from the gradient of what it looks into, the gradient that it has on its own passes on.
    """
    made = {} if made is None else made
    for node in links:
        if node not in made:
            made[node] = node.prim(base, *node.inputs[1:], **node.params)
            if node.prim is detach and node.out.custom is not None:
                made[node] = with_gradient([made[node]], [node.out], passed_on)[0]
        base = made[node]
    return base


def cut_off(links: list[Node]) -> Node | None:
    """Where a view is cut off from the gradient of what it looks into: x.detach(), x.data, a view made under no_grad.

    Views that are cut off at the same place share a gradient.
    """
    return next((node for node in reversed(links) if node.prim is detach), None)


def apart(links: list[Node]) -> bool:
    """Whether a view shares its memory but no gradient."""
    return cut_off(links) is not None


def siblings(
    rec, state, base, base_old: Value, base_new: Value, cut: Node | None, made: dict[Node, Value], repointed: dict,
    strangers: set[int], skip,
) -> None:  # fmt: skip
    """Other tensors of the trace that look into `base`: derive them again from its new value.

    cut: where what was written is cut off from the base's gradient.
    """
    for s in range(1, rec.node.end):
        t = rec.slots[s]
        if t is None or t is base or t is skip or t._view is None or root(t) is not base or rec.slot_of(t) != s:
            continue
        links = chain(state.values[s], base_old)
        if links is None:
            continue
        if cut_off(links) is not cut:
            strangers.add(s)
        repointed[s] = (derive(links, base_new, made), t)


# -- when a trace is run -------------------------------------------------------------------------------


def wanted(c, slots: list) -> list[int]:
    """Slots of the tensors Python refers to, where views refer to their bases too.

    A base that only views refer to is wanted when two of them live on, since they share its memory, or when one of them
    repeats its elements.
    """
    referred = [s for s in c.fresh if getrefcount(slots[s]) > 2]  # by the program, or by views
    lookers: dict[int, list[int]] = {}
    for s in c.fresh:
        base = slots[s]._view
        if base is not None:
            lookers.setdefault(id(base), []).append(s)
    del base  # one reference more
    alive = {s for s in referred if getrefcount(slots[s]) - 2 > len(lookers.get(id(slots[s]), ()))}
    for s in referred:
        if len([v for v in lookers.get(id(slots[s]), ()) if v in alive]) > 1:
            alive.add(s)
    if c.repeated:
        bases = [id(slots[s]._view) for s in c.repeated if s in alive]
        alive.update([s for s in referred if id(slots[s]) in bases])
    return [s for s in referred if s in alive]


def aliases(c, live: list[int], slots: list) -> dict[int, tuple[int, tuple, int, int]]:
    """Views that need no buffer of their own: slot -> (slot of the base, strides, offset, kin), in elements.

    kin: slot of the largest tensor for which a write is one through the other for gradients too; 0 where there is none.
    """
    found: dict[int, tuple[int, tuple, int, int]] = {}
    ways: dict[int, list[Node]] = {}
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
        where = strided(links, base._meta)
        if where is not None:
            found[s] = (now, *where, 0 if apart(links) else now)
            ways[s] = links
    for s, links in ways.items():
        cut = cut_off(links)
        if cut is not None:  # those that look into the same detached tensor have that in common
            first = links.index(cut) + 1
            others = [r for r, way in ways.items() if first <= len(way) < len(links) and way == links[: len(way)]]
            found[s] = (*found[s][:3], min(others, key=lambda r: len(ways[r]), default=0))
    return found


def strided(links: list[Node], m: Meta) -> tuple[tuple, int] | None:
    """Strides and offset of a chain of views over a tensor with this meta, in elements of the view.

    None where only a copy would do.
    """
    probe = np.empty(m.shape, m.dtype.np)
    if m.strides is not None:
        span = 1 + sum((n - 1) * abs(s) for n, s in zip(m.shape, m.strides, strict=True) if n)
        strides = tuple(s * m.dtype.itemsize for s in m.strides)
        probe = np.lib.stride_tricks.as_strided(np.empty(span, m.dtype.np), m.shape, strides)
    start = probe.__array_interface__["data"][0]
    seen = probe
    for node in links:
        if node.prim is broadcast:
            seen = shown_repeatedly(seen, **node.params)
        elif node.prim not in (detach, identity):
            if len(node.inputs) > 1:
                return None  # its place is known at run time only
            seen = node.prim.meaning(seen, **node.params)
        if seen.size and not np.may_share_memory(seen, probe):
            return None
    if not seen.size:
        return None
    size = seen.itemsize
    at = seen.__array_interface__["data"][0] - start
    if at % size or any(s % size for s in seen.strides):
        return None
    return tuple(s // size for s in seen.strides), at // size


def deliver(found: dict[int, tuple[int, tuple, int, int]], slots: list) -> None:
    """Give the aliasing views their part of the base's memory; let go of bases that are no more."""
    for s, (at, strides, offset, kin) in found.items():
        t, base = slots[s], slots[at]
        t._storage = base._storage
        m = t._meta
        t._ptr = base._ptr + offset * m.dtype.itemsize
        t._meta = meta(m.shape, m.dtype, m.device, m.requires_grad, normal_strides(m.shape, strides), m.history)
        t._run = t._view = None  # its memory says from now on what it looks into
        t._shared = True
        if base._leaf and not base._shared:
            base._note_sharing()  # an optimizer's step looks at its parameters once, and again when this is called
        base._shared = True
        if base._uncounted:
            t._uncounted = True
        if base._leaf and m.requires_grad:
            t._of_leaf = True
        if kin and m.dtype.is_differentiable:
            remember(t, slots[kin])


def remember(t: Any, base: Any) -> None:
    """Note that `t`, with its value, looks into `base`."""
    root = base if base._base is None else base._base
    if t._base is root or t is root:
        return
    t._base = root
    known = root._lookers
    if known is None:
        root._lookers = [ref(t)]
        return
    if len(known) >= CROWD:
        known[:] = [r for r in known if r() is not None]
    known.append(ref(t))
