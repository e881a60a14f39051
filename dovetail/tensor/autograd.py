"""`backward`, `grad` and `optimizer.step()` as single events of a trace.

Gradients and updates are graph-to-graph, below the desk; here is only which tensors take part and where results go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_
from typing import Any

from dovetail.autodiff.batching import Batch
from dovetail.autodiff.gradient import gradients
from dovetail.base import errors
from dovetail.base.errors import GradientError, ShapeError, message
from dovetail.ir.core import Value, building, region, scope
from dovetail.prims.elementwise import add, detach
from dovetail.prims.make import full
from dovetail.tensor import blame, closing
from dovetail.tensor.history import GradientInfo, Ticket, computed_again, differentiate, made_by, used_by, version
from dovetail.tensor.meta import layout_age, meta
from dovetail.tensor.recorder import Recorder, local
from dovetail.tensor.tensor import Tensor, fresh, number_tensor
from dovetail.tensor.trace import NOTHING, Event, Wild, picker

BACKWARD, GRAD, UPDATE, STAGE = "backward", "grad", "update", "stage"


class NeedsStages(Exception):
    """Python code (a hook, a custom Function) waits on the gradient's way, so it cannot be one event: staged.py."""


# -- backward -------------------------------------------------------------------------------------------


def backward(
    outputs: Sequence[Tensor],
    cotangents: Sequence[Tensor | None],
    retain_graph: bool = False,
    create_graph: bool = False,
    inputs: Sequence[Tensor] | None = None,
) -> None:
    """Add d(sum of outputs * cotangents)/d(leaf) to `.grad` of every leaf (or of `inputs`) the outputs depend on."""
    rec = local.rec
    for t in outputs:
        require_differentiable(t, "backward")
    if inputs is not None:
        found = grad(outputs, inputs, cotangents, retain_graph, create_graph, allow_unused=True)
        for t, g in zip(inputs, found, strict=True):
            if g is not None:
                t.grad = g if t.grad is None else t.grad + g
        return
    if rec.held:
        rec.look_again([c for c in cotangents if c is not None])
    outputs = [rec.own(t) for t in outputs]
    given = [rec.own(c) for c in cotangents if c is not None]
    key = (retain_graph, create_graph, tuple(c is not None for c in cotangents))
    for _ in range(2):
        e = replay_backward(rec, outputs, given, key)
        if e is not None:
            rec.advance(e)
            break
        if rec.node.stepped or rec.node.depth > 4 * 10**3:
            rec.close()
            continue
        e = record_backward(rec, outputs, cotangents, given, key)
        break
    else:
        e = record_backward(rec, outputs, cotangents, given, key)
    commit_backward(rec, e)
    if not (retain_graph or create_graph):
        for t in outputs:
            if t._hist is not None and t._hist[0] is not None:
                t._hist[0].free(t._hist[1], e.where)
    if any([closing.shares_memory(rec.slots[new]) for _, new, _ in e.repoints]):
        rec.close("gradients that others see were added to")


def quick_backward(loss: Tensor) -> bool:
    """The expected backward of the expected loss over leaves without gradients: a few comparisons."""
    rec = local.rec
    e = rec.expect
    if e.op is not BACKWARD or not e.extra.plain or rec.run.hooked:  # hooks leave no event in the trace
        return False
    slots, info = rec.slots, e.extra
    if slots[e.ins[0]] is not loss:
        return False
    leaves = info.leaves_of(slots)
    for p in leaves:
        if p is None or p._grad is not None:
            return False
    ticket = Ticket(rec.run, leaves, info.slots, info.metas)
    rec.run.tickets.append(ticket)
    for p in leaves:
        p._grad = ticket
    rec.node = e
    rec.expect = e.next
    return True


def commit_backward(rec: Recorder, e: Event) -> None:
    info, slots = e.extra, rec.slots
    for old, new, m in e.repoints:  # gradients that were there already
        t = slots[old]
        slots[new] = t
        t._slot, t._run, t._meta = new, rec.run, m
        t._version += 1
    if info.leaf_slots:
        leaves = [slots[s] for s in info.leaf_slots]
        ticket = Ticket(rec.run, leaves, info.slots, info.metas)
        rec.run.tickets.append(ticket)
        for p in leaves:
            p._grad = ticket


def replay_backward(rec: Recorder, outputs: list, given: list, key: tuple) -> Event | None:
    """The known backward event that this call is, or None."""
    slots = rec.slots
    for e in (rec.expect, *reversed(rec.node.children)):
        if e.op != BACKWARD or e.key != key:
            continue
        info = e.extra
        tensors = outputs + given
        if info.accumulated or info.instances:
            if e is not rec.expect:
                rec.clear_beyond(rec.node.end)
            if not rec.bind_first(e, tensors):
                continue
            more = collect(info, slots)
            if more is None:
                continue
            tensors = tensors + more
        if rec.bind(e, tensors) and all(slots[s] is not None and slots[s]._grad is None for s in info.leaf_slots):
            return e
    return None


def histories(info: GradientInfo, slots: list) -> list | None:
    """The histories that the gradient leads through now; None where they are others than when it was recorded."""
    instances = []
    for kind, *where, segment in info.instances:
        t = slots[where[0]] if kind == "slot" else instances[where[0]].sources[where[1]]
        if (
            t is None
            or t._hist is None
            or t._hist[0] is None
            or not t._hist[0].segment.like(segment)
        ):
            return None
        instances.append(t._hist[0])
    came: dict[int, set] = {}
    for index, hooked, joined, kind, *where in info.arrivals:
        t = slots[where[0]] if kind == "slot" else instances[where[0]].sources[where[1]]
        if t is None or t._hist is None or t._hist[1] != index or tuple(sorted(t._hist[0].hooked)) != hooked:
            return None
        if (t._joint is not None) is not joined:
            return None
        if index in t._hist[0].freed:
            return None
        if t._hist[0].watched:
            came.setdefault(id(t._hist[0]), set()).add(index)
    for instance in instances if came else ():
        check_watched(instance, came.get(id(instance), set()))
    for kind, *where in info.ends:
        t = slots[where[0]] if kind == "slot" else instances[where[0]].sources[where[1]]
        if t is None or t._joint is None:
            return None
    return instances


def collect(info: GradientInfo, slots: list) -> list | None:
    """Existing gradients and saved values, in the order they were taken when the event was recorded."""
    instances = histories(info, slots)
    if instances is None:
        return None
    found = []
    for kind, *where in info.collect:
        if kind == "grad":
            p = slots[where[0]]
            if p is None or p._grad is None:
                return None
            found.append(p.grad)
        elif kind == "grad of source":
            p = instances[where[0]].sources[where[1]]
            if p._grad is None:
                return None
            found.append(p.grad)
        else:
            instance = instances[where[0]]
            t = getattr(instance, {"source": "sources", "saved": "saved", "input": "inputs"}[kind])[where[1]]
            if kind == "input" and version(t) != instance.input_versions[where[1]]:
                return None
            if kind == "saved":
                check_version(instance, where[1], t)
            found.append(t)
    return found


def check_version(instance, i: int, t) -> None:
    if i < len(instance.versions) and version(t) != instance.versions[i]:
        raise blame.changed_since(t, *used_by(instance.segment, i))


def check_watched(instance, outs: set[int]) -> None:
    """Raise GradientError where a result that PyTorch would keep for the gradients of `outs` was written to."""
    if instance.watched:
        found = instance.overwritten(outs)
        if found is not None:
            raise blame.written_since(*found)


def require_differentiable(t: Tensor, call: str) -> None:
    if not t._meta.requires_grad:
        raise blame.no_gradient(call, t)


freed_error = blame.freed


def freed_value(v: Value, where: tuple) -> GradientError:
    return freed_error(where, v.node.where if v.node is not None else None, made_by(v))


def record_backward(rec: Recorder, outputs: list, cotangents: Sequence, given: list, key: tuple) -> Event:
    retain_graph, create_graph, _ = key
    state = rec.sync()
    rec.clear_beyond(rec.node.end)
    scope.where = errors.user_line()
    e = rec.new_event(BACKWARD, key)
    info = e.extra = GradientInfo()
    taken: dict[int, int] = {}
    outs = [rec.take(e, t, taken) for t in outputs]
    gs = iter([rec.take(e, c, taken) for c in given])
    with building() as nodes, region("backward", tuple(outs), {}):
        cts = [next(gs) if c is not None else ones_for(t, v) for t, v, c in zip(outputs, outs, cotangents, strict=True)]
        by_leaf, visited = walk(rec, e, state, info, outs, cts, taken, again=create_graph)
        for p, (slot, total, how) in by_leaf.items():
            if not create_graph:
                total = detach(total)
            store_gradient(rec, e, info, p, slot, total, how, taken, create_graph)
    blame.check_overwritten(rec.node.path(), nodes)
    e.nodes = nodes
    info.slots = tuple(s for s, _ in info.grads)
    info.metas = [m for _, m in info.grads]
    if not (retain_graph or create_graph):
        e.frees = visited
        e.needs_grad = False
    info.leaves_of = picker(info.leaf_slots)
    info.plain = (
        key == (False, False, (False,))
        and len(e.ins) == 1
        and e.new[0] is None
        and not info.accumulated
        and not info.instances
    )
    rec.add(e)
    rec.advance(e)
    return e


def ones_for(t: Tensor, v: Value) -> Value:
    if t._meta.numel != 1:
        raise GradientError(
            message(
                "backward",
                "grad can be implicitly created only for scalar outputs",
                [("tensor", t)],
                "Reduce it first, loss.mean().backward() or loss.sum().backward(), "
                "or pass gradient= with the tensor's shape",
            )
        )
    return full(shape=v.shape, dtype=v.dtype, value=1)


def walk(
    rec: Recorder,
    e: Event,
    state,
    info: GradientInfo,
    outs: list,
    cts: list,
    taken: dict,
    passing: Sequence[Tensor] | None = None,
    blocked: Sequence[int] = (),
    again: bool = False,
):
    """Gradients of the outputs at every leaf, {leaf: (its slot, Value, where it was met)}, and the Values passed.

    In a stage, gradients also end at tensors that Python code waits at, except those of `passing`; blocked: slots of
    such tensors that are pending. Raises NeedsStages where such a tensor is met otherwise. again: the result will be
    differentiated once more.
    """
    if passing is None and rec.run.hooked:
        raise NeedsStages
    sources = dict(state.sources)
    sources.update(e.sources)
    barrier = [v for v in state.freed if v not in sources]
    for v in outs:
        if v in state.freed:
            raise freed_value(v, state.freed[v])
    stops = {state.values[s]: s for s in blocked}
    sources.update(stops)
    targets = list(sources)
    found = gradients(outs, cts, targets + barrier, list(stops))
    for v, g in zip(barrier, found[len(targets) :], strict=True):
        if g is not None:
            raise freed_value(v, state.freed[v])
    by_leaf: dict[Any, tuple[int, Value, tuple]] = {}
    waiting: dict[int, tuple] = {}
    for v, g in zip(targets, found, strict=False):
        if g is not None:
            arrive(info, rec.slots[sources[v]], sources[v], g, by_leaf, waiting, ("slot", sources[v]), passing)
    done: list = []
    while waiting:
        serial = max(waiting)
        instance, gs, how = waiting.pop(serial)
        dead = [instance.freed[i] for i, g in enumerate(gs) if g is not None and i in instance.freed]
        if instance.segment.broken or dead:
            v = next(v for v, g in zip(instance.segment.outs, gs, strict=True) if g is not None)
            raise freed_value(v, dead[0] if dead else instance.segment.freed_at)
        check_watched(instance, {i for i, g in enumerate(gs) if g is not None})
        info.instances.append((*how, instance.segment))
        k = len(done)
        done.append(instance)
        replace: dict[Value, Value] = {}
        for i, ((v, _), t) in enumerate(zip(instance.segment.sources, instance.sources, strict=True)):
            replace[v] = rec.take(e, t, taken)
            info.collect.append(("source", k, i))
        for i, v in enumerate([v for v, _ in instance.segment.leaves] + instance.segment.computed):
            check_version(instance, i, instance.saved[i])
            replace[v] = rec.take(e, instance.saved[i], taken)
            info.collect.append(("saved", k, i))
        if again:
            connect_again(rec, e, info, instance, k, replace, taken)
        if instance.hooked and passing is None:
            raise NeedsStages
        here = {i: t for i, t in instance.hooked.items() if not any(t is p for p in passing or ())}
        nodes, grads, at_stops = differentiate(instance.segment, gs, replace, [instance.segment.outs[i] for i in here])
        scope.nodes.extend(nodes)
        for i, (t, g) in enumerate(zip(instance.sources, grads, strict=True)):
            if g is not None:
                arrive(info, t, rec.slot_in(e, t, taken), g, by_leaf, waiting, ("leaf", k, i), passing)
        for (i, t), g in zip(here.items(), at_stops, strict=True):
            if g is not None:
                arrive(info, t, 0, g, by_leaf, waiting, ("hooked", k, i), passing)
    return by_leaf, ancestors(outs, set(sources))


def connect_again(
    rec: Recorder, e: Event, info: GradientInfo, instance: Any, k: int, replace: dict, taken: dict
) -> None:
    """Let the gradient of a history read values that are computed again from its sources, instead of kept numbers.

    Kept numbers are the same, but a second differentiation would take them for constants.
    """
    segment = instance.segment
    known = {v: replace[v] for v, _ in segment.sources}
    for i, ((v, _), t) in enumerate(zip(segment.inputs, instance.inputs, strict=True)):
        if version(t) == instance.input_versions[i]:
            known[v] = replace[v] if v in replace else rec.take(e, t, taken)
            info.collect += [] if v in replace else [("input", k, i)]
    replace.update(computed_again(segment.computed, [v for v, _ in segment.sources], known, replace))


def arrive(
    info: GradientInfo,
    t: Tensor,
    slot: int,
    g: Value,
    by_leaf: dict,
    waiting: dict,
    how: tuple,
    passing: Sequence[Tensor] | None,
) -> None:
    """Gradient `g` has reached tensor `t`: a leaf collects it, a tensor with a history passes it on later."""
    if t._joint is not None and passing is None:
        raise NeedsStages
    ends_here = t._joint is not None and not any(t is p for p in passing or ())
    if t._hist is None or t._leaf or ends_here:
        before = by_leaf.get(t)
        by_leaf[t] = (slot, g, how) if before is None else (slot, add(before[1], g), before[2])
        if t._hist is not None and not t._leaf and how[0] != "hooked":
            info.ends.append(how)
        return
    instance, index = t._hist
    if instance is None:
        raise freed_error(index, getattr(t._made_by, "where", None), t._made_by)
    info.arrivals.append((index, tuple(sorted(instance.hooked)), t._joint is not None, *how))
    if instance.serial not in waiting:
        waiting[instance.serial] = (instance, [None] * len(instance.segment.outs), how)
    gs = waiting[instance.serial][1]
    gs[index] = g if gs[index] is None else add(gs[index], g)


def store_gradient(
    rec: Recorder,
    e: Event,
    info: GradientInfo,
    p: Tensor,
    slot: int,
    total: Value,
    how: tuple,
    taken: dict,
    create_graph: bool,
) -> None:
    m = meta(total.shape, total.dtype, requires_grad=create_graph)
    if p._grad is None:
        info.leaf_slots.append(slot)
        s = e.end
        e.end += 1
        info.grads.append((s, m))
        e.defs.append((s, total))
        return
    old = p.grad
    value = rec.take(e, old, taken)
    info.collect.append(("grad", slot) if how[0] == "slot" else ("grad of source", *how[1:]))
    info.accumulated.append(slot)
    s = e.end
    e.end += 1
    e.defs.append((s, add(value, total)))
    e.repoints.append((rec.slot_in(e, old, taken), s, m if create_graph else old._meta))


def ancestors(outs: list[Value], sources: set[Value]) -> set[Value]:
    """The values between sources and outs; what does not depend on a source may be gone back through again."""
    known: dict[Value, bool] = dict.fromkeys(sources, True)  # whether a value depends on a source
    stack = [(v, False) for v in outs]
    while stack:
        v, expanded = stack.pop()
        if v in known:
            continue
        if v.node is None or not v.dtype.is_differentiable or v.node.prim is detach:
            known[v] = False
        elif expanded:
            known[v] = any(known[x] for x in v.node.inputs)
        else:
            stack.append((v, True))
            stack += [(x, False) for x in v.node.inputs if x not in known]
    return {v for v, depends in known.items() if depends and v not in sources}


# -- grad -------------------------------------------------------------------------------------------------


def grad(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Sequence[Tensor | None],
    retain_graph: bool = False,
    create_graph: bool = False,
    allow_unused: bool = False,
    materialize: bool = False,
    batch: int | None = None,
) -> tuple:
    """d(sum of outputs * cotangents)/d(input) for each input, as new tensors; None for unused ones if allowed.

    batch: how many cotangents there are for each output, along their dim 0; the results have that dim too.
    """
    rec = local.rec
    if rec.autocast is not None and not retain_graph:
        rec.autocast.casts.clear()  # conversions of parameters, whose graph is freed here
    for t in outputs:
        require_differentiable(t, "autograd.grad")
    for i, t in enumerate(inputs):
        if not t._meta.requires_grad:
            raise GradientError(
                message(
                    "autograd.grad",
                    f"input {i} does not require grad",
                    [("input", t)],
                    "Call x.requires_grad_() before using it",
                )
            )
    rec.refuse_outside(inputs)
    if rec.held:
        rec.look_again([c for c in cotangents if c is not None])
    outputs = [rec.own(t) for t in outputs]
    given = [rec.own(c) for c in cotangents if c is not None]
    key = (retain_graph, create_graph, tuple(c is not None for c in cotangents), len(inputs), batch)
    tensors = [*outputs, *inputs, *given]
    e = None
    for child in (rec.expect, *reversed(rec.node.children)):
        if child.op != GRAD or child.key != key:
            continue
        if rec.bind_first(child, tensors):
            more = collect(child.extra, rec.slots)
            if more is not None and rec.bind(child, tensors + more):
                e = child
                break
    if e is None:
        e = record_grad(rec, outputs, inputs, cotangents, given, key)
    else:
        rec.advance(e)
    made: list[Tensor | None] = []
    fresh_ones = []
    for slot, m, _ in e.outs:
        t = fresh(m, rec.run, slot)
        rec.slots[slot] = t
        fresh_ones.append(t)
    at = iter(fresh_ones)
    for i, present in enumerate(e.result):
        if present:
            made.append(next(at))
        elif materialize:
            made.append(zeros_for(inputs[i], batch))
        elif allow_unused:
            made.append(None)
        else:
            raise GradientError(
                message(
                    "autograd.grad",
                    f"input {i} was not used to compute the outputs",
                    [("input", inputs[i])],
                    "Pass allow_unused=True to get None for it, or materialize_grads=True to get zeros",
                )
            )
    return tuple(made)


def zeros_for(x: Tensor, batch: int | None) -> Tensor:
    """The gradient where there is no way: nothing, for each cotangent."""
    return Tensor.zeros_like(x) if batch is None else x.new_zeros((batch, *x.shape))


def record_grad(rec: Recorder, outputs: list, inputs: Sequence, cotangents: Sequence, given: list, key: tuple) -> Event:
    retain_graph, create_graph, *_, size = key
    state = rec.sync()
    rec.clear_beyond(rec.node.end)
    scope.where = errors.user_line()
    e = rec.new_event(GRAD, key)
    info = e.extra = GradientInfo()
    taken: dict[int, int] = {}
    outs = [rec.take(e, t, taken) for t in outputs]
    targets = [rec.take(e, t, taken) for t in inputs]
    gs = iter([rec.take(e, c, taken) for c in given])
    with building() as nodes, region("grad", tuple(outs), {}):
        cts = [next(gs) if c is not None else ones_for(t, v) for t, v, c in zip(outputs, outs, cotangents, strict=True)]
        one = cts if size is None else [Value(v.shape, v.dtype) for v in outs]
        with building() as walked:
            by_leaf, visited = walk(rec, e, state, info, outs, one, taken, again=create_graph)
            found = []
            for t, v in zip(inputs, targets, strict=True):
                g = by_leaf[t][1] if t in by_leaf else None
                if g is None and t._run is None and not t._leaf:
                    raise NeedsStages  # its place in the graph is inside a history
                found.append(gradients(outs, one, [v])[0] if g is None else g)
        if size is None:
            nodes += walked
        else:
            found = for_each(size, walked, dict(zip(one, cts, strict=True)), found)
        present = [g is not None for g in found]
        for g in found:
            if g is None:
                continue
            if not create_graph:
                g = detach(g)
            slot = e.end
            e.end += 1
            e.defs.append((slot, g))
            e.outs.append((slot, meta(g.shape, g.dtype, requires_grad=create_graph), 0))
    e.result = present
    e.nodes = nodes
    if not (retain_graph or create_graph):
        e.frees = visited
    e.needs_grad = e.needs_grad and create_graph
    rec.add(e)
    rec.advance(e)
    return e


def for_each(size: int, nodes: list, given: dict[Value, Value], found: list) -> list:
    """The nodes of a gradient for `size` cotangents at once. given: stand-in of one -> all of them along dim 0."""
    batch = Batch(size)
    batch.own = given
    batch.run(nodes)
    return [None if g is None else batch.whole(g) for g in found]


def stage(
    outputs: Sequence[Tensor], cotangents: Sequence[Tensor | None], create_graph: bool
) -> tuple[list, GradientInfo]:
    """One piece of a gradient between the places where Python code waits (staged.py).

    Returns [(tensor, gradient)] for every leaf and every waiting tensor that the outputs lead to.
    """
    rec = local.rec
    if rec.held:
        rec.look_again([c for c in cotangents if c is not None])
    outputs = [rec.own(t) for t in outputs]
    cotangents = [c if c is None else rec.own(c) for c in cotangents]
    given = [c for c in cotangents if c is not None]
    waiting = [t for t in rec.run.hooked if not any(t is o for o in outputs)]
    blocked = tuple(sorted({s for t in waiting if (s := rec.slot_of(t))}))
    key = (create_graph, tuple(c is not None for c in cotangents), blocked)
    tensors = [*outputs, *given]
    e = None
    for child in (rec.expect, *reversed(rec.node.children)):
        if child.op != STAGE or child.key != key:
            continue
        if rec.bind_first(child, tensors):
            more = collect(child.extra, rec.slots)
            if more is not None and rec.bind(child, tensors + more):
                e = child
                break
    if e is None:
        e = record_stage(rec, outputs, cotangents, given, key)
    info = e.extra
    instances = histories(info, rec.slots) or []
    found = [target(how, rec.slots, instances) for how in info.targets]
    rec.advance(e)
    pairs = []
    for t, (slot, m, _) in zip(found, e.outs, strict=True):
        g = rec.slots[slot] = fresh(m, rec.run, slot)
        pairs.append((t, g))
    return pairs, info


def target(how: tuple, slots: list, instances: list) -> Tensor:
    """The tensor that a stage reached."""
    kind, *where = how
    if kind == "slot":
        return slots[where[0]]
    instance = instances[where[0]]
    return instance.hooked[where[1]] if kind == "hooked" else instance.sources[where[1]]


def record_stage(rec: Recorder, outputs: list, cotangents: Sequence, given: list, key: tuple) -> Event:
    create_graph, _, blocked = key
    state = rec.sync()
    rec.clear_beyond(rec.node.end)
    scope.where = errors.user_line()
    e = rec.new_event(STAGE, key)
    info = e.extra = GradientInfo()
    taken: dict[int, int] = {}
    outs = [rec.take(e, t, taken) for t in outputs]
    gs = iter([rec.take(e, c, taken) for c in given])
    with building() as nodes, region("backward", tuple(outs), {}):
        cts = [next(gs) if c is not None else ones_for(t, v) for t, v, c in zip(outputs, outs, cotangents, strict=True)]
        by_leaf, info.visited = walk(rec, e, state, info, outs, cts, taken, outputs, blocked, create_graph)
        for _, g, how in by_leaf.values():
            g = g if create_graph else detach(g)
            slot = e.end
            e.end += 1
            e.defs.append((slot, g))
            e.outs.append((slot, meta(g.shape, g.dtype, requires_grad=create_graph), 0))
            info.targets.append(how)
    e.nodes = nodes
    rec.add(e)
    return e


def free(visited: set[Value]) -> None:
    """From here on in the trace, going back through these values again is an error."""
    rec = local.rec
    if rec.node is rec.root:
        return
    for child in rec.node.children:
        if child.op == "free":
            break
    else:
        child = rec.new_event("free", ())
        child.frees, child.needs_grad = visited, False
        rec.add(child)
    rec.advance(child)


# -- optimizer.step() --------------------------------------------------------------------------------------


BEFORE_OTHERS_WRITE = "others see memory that the step writes, or a batch too large to be copied"


class UpdateInfo:
    """What an update event remembers: slots of parameters, gradients and states, in order."""

    __slots__ = (
        "entries", "age", "flagged", "params", "states", "tensors", "whole", "moved_params", "moved_states",
        "params_of", "states_of",
    )  # fmt: skip

    def __init__(self):
        self.entries: Any = None
        self.age = -1  # when `entries` were seen to be nobody else's memory
        self.flagged: list[Tensor] = []  # those of them that were somebody else's too at some time
        self.params: list[int] = []
        self.states: list[int] = []  # each once, though parameters may share one
        self.tensors: list = []  # in these
        self.moved_params: list[tuple[int, int]] = []
        self.moved_states: list[tuple[int, int]] = []
        self.params_of = self.states_of = picker([])


def update(rule: Callable, entries: list[tuple]) -> None:
    """One optimizer step over all parameters as a single event.

    entries: (parameter, state {name: Tensor}, scalars {name: number}, flags {name: setting}) for each parameter that
    has a gradient; the same list object again means that nothing but values has changed since the last call.
    rule(p, g, state, **scalars, **flags) works on Values and returns (new p, {name: new state}).
    """
    rec = local.rec
    e = rec.expect
    if e.op is UPDATE and e.extra.entries is entries and e.extra.age == layout_age():
        if not any(map(closing.shares_memory, e.extra.flagged)) and replay_update(rec, e):
            commit_update(rec, e)
            if rec.at_risk:
                rec.close(BEFORE_OTHERS_WRITE)
            return
    if not entries:
        return
    flagged = [t for p, state, _, _ in entries for t in (p, *state.values()) if t._shared]
    shared = any(map(closing.shares_memory, flagged))
    if shared or rec.node.stepped and any(p._run is rec.run and p._run is not None for p, *_ in entries):
        rec.close()
    unseen = [(p, p._grad) for p, *_ in entries if type(p._grad) is Ticket]
    tensors = [t for p, state, _, _ in entries for t in (p, p.grad, *state.values())]
    if rec.held:
        rec.look_again(tensors)
    tensors = [rec.own(t) for t in tensors]
    key, numbers = settings(rule, entries)
    e = None
    for child in (rec.expect, *reversed(rec.node.children)):
        if child.op is UPDATE and child.key == key and same_groups(child, numbers):
            rec.clear_beyond(rec.node.end) if child is not rec.expect else None
            rec.reserve(child.end)
            if rec.bind(child, tensors):
                e = child
                break
    if e is None:
        e = record_update(rec, rule, entries, tensors, key, numbers, unseen)
    for p, ticket in unseen:  # looked at by us only
        p._grad = ticket
        if ticket.run is not None:
            rec.slots[ticket.slots[next(i for i, q in enumerate(ticket.leaves) if q is p)]] = None
    e.extra.entries, e.extra.age = entries if not e.numbers and not shared else None, layout_age()
    e.extra.flagged = flagged
    e.extra.tensors = list(e.extra.states_of(rec.slots))  # another model's, if that ran before
    for position, slot in e.numbers:
        rec.slots[slot] = number_tensor(numbers[position])
        rec.log.append(slot)
    rec.advance(e)
    commit_update(rec, e)
    if shared or rec.at_risk:
        rec.close(BEFORE_OTHERS_WRITE)


def settings(rule: Callable, entries: list) -> tuple[tuple, dict]:
    """(key, numbers): what decides whether two steps are the same program, and the numbers in it by position."""
    key: list = [rule]
    numbers = {}
    for _, state, scalars, flags in entries:
        for x in scalars.values():
            if type(x) in (int, float):
                numbers[len(key)] = x
            key.append(x)
        key += [tuple(state), tuple(scalars), tuple(flags.items())]
    return tuple(key), numbers


def same_groups(e: Event, numbers: dict) -> bool:
    """Whether the changing numbers that shared one input when recorded are still equal to each other."""
    return e.result is None or all(numbers[i] == numbers[group[0]] for group in e.result for i in group)


def replay_update(rec: Recorder, e: Event) -> bool:
    """Whether every tensor is where the remembered step had it (the entries are known to be the same)."""
    info, tickets = e.extra, rec.run.tickets
    if len(tickets) != 1 or not info.whole or tickets[0].slots != info.whole:
        return False
    slots, ticket = rec.slots, tickets[0]
    for p in info.params_of(slots):
        if p is None or p._grad is not ticket:
            return False
    return all(map(is_, info.tensors, info.states_of(slots)))


def commit_update(rec: Recorder, e: Event) -> None:
    slots, run, info = rec.slots, rec.run, e.extra
    for old, new in info.moved_states:
        slots[new] = t = slots[old]
        t._run = run
    for old, new in info.moved_params:
        slots[new] = t = slots[old]
        t._slot = new
        t._run = run
        t._version += 1
    rec.updated = e.where
    rec.node = e
    rec.expect = NOTHING if rec.at_once else e.next


def record_update(
    rec: Recorder, rule: Callable, entries: list, tensors: list, key: tuple, numbers: dict, unseen: list
) -> Event:
    rec.sync()
    rec.clear_beyond(rec.node.end)
    scope.where = errors.user_line()
    e = rec.new_event(UPDATE, key)
    info = e.extra = UpdateInfo()
    taken: dict[int, int] = {}
    values = [rec.take(e, t, taken) for t in tensors]
    changed = changed_numbers(rec, e, key, numbers)
    weak: dict[int, Value] = {}
    if changed:
        made: dict[float, Value] = {}
        found = []
        for position in changed:
            x = numbers[position]
            if x not in made:
                t = number_tensor(x)
                slot = e.end
                e.end += 1
                rec.reserve(slot + 1)
                rec.slots[slot] = t
                rec.log.append(slot)
                made[x] = Value((), t._meta.dtype, weak=t._weak)
                e.defs.append((slot, made[x]))
                found.append((position, slot))
            weak[position] = made[x]
        e.numbers = tuple(found)
        e.key = tuple(Wild(type(k)) if i in changed else k for i, k in enumerate(key))
        e.result = [[i for i in changed if numbers[i] == x] for x in made]
    e.nodes = run_rule(rec, e, rule, entries, values, weak, taken)
    info.params_of, info.states_of = picker(info.params), picker(info.states)
    e.stepped = True
    ticket = rec.run.tickets[0] if len(rec.run.tickets) == 1 else None
    whole = (
        ticket is not None and len(unseen) == len(entries) == len(ticket.leaves) and all(g is ticket for _, g in unseen)
    )
    info.whole = ticket.slots if whole else ()
    rec.add(e)
    return e


def changed_numbers(rec: Recorder, e: Event, key: tuple, numbers: dict) -> list[int]:
    """Positions of numbers in which this step differs from an earlier one at the same point of the trace."""
    for child in rec.node.children:
        if child.op is not UPDATE or child.ins != e.ins:
            continue
        before = child.key
        if len(before) != len(key):
            continue
        differ = [i for i in range(len(key)) if i in numbers and (isinstance(before[i], Wild) or before[i] != key[i])]
        if all(i in differ or before[i] == key[i] for i in range(len(key))):
            return differ
    return []


def run_rule(rec: Recorder, e: Event, rule: Callable, entries: list, values: list, weak: dict, taken: dict) -> list:
    info = e.extra
    at, position = 0, 1
    new_params: list[tuple] = []
    new_states: dict[int, tuple] = {}
    states: dict[int, None] = {}
    with building() as nodes, region(getattr(rule, "__name__", "update"), (), {}):
        for p, state, scalars, flags in entries:
            p_value, g_value, *state_values = values[at : at + 2 + len(state)]
            p_slot, _, *state_slots = e.ins[at : at + 2 + len(state)]
            at += 2 + len(state)
            named = {}
            for name, x in scalars.items():
                named[name] = weak.get(position, x)
                position += 1
            position += 3
            if g_value.shape != p_value.shape:
                raise ShapeError(
                    message(
                        "optimizer.step",
                        "a gradient has another shape than its parameter",
                        [("parameter", p), ("gradient", p.grad)],
                    )
                )
            new_p, new_state = rule(p_value, g_value, dict(zip(state, state_values, strict=True)), **named, **flags)
            info.params.append(p_slot)
            new_params.append((p_slot, detach(new_p), p))
            for name, t, slot in zip(state, state.values(), state_slots, strict=True):
                states[slot] = None
                if name in new_state and slot not in new_states:  # parameters may share a step counter
                    new_states[slot] = (new_state[name], t)
        info.states = list(states)
        info.moved_states = [(slot, repoint(e, slot, value, t)) for slot, (value, t) in new_states.items()]
        info.moved_params = [(slot, repoint(e, slot, value, p, leaf=True)) for slot, value, p in new_params]
    return nodes


def repoint(e: Event, slot: int, value: Value, t: Tensor, leaf: bool = False) -> int:
    if value.shape != t._meta.shape or value.dtype is not t._meta.dtype:
        raise ShapeError(
            message("optimizer.step", "the rule changed a tensor's shape or dtype", [("tensor", t), ("result", value)])
        )
    new = e.end
    e.end += 1
    e.defs.append((new, value))
    e.repoints.append((slot, new, t._meta))
    if leaf and t._meta.requires_grad:
        e.sources.append((value, new))
    return new


def after_zero_grad() -> None:
    """Gradients were dropped: the step before, if there was one, can run without keeping them."""
    rec = local.rec
    if rec.node.stepped:
        rec.close("the gradients were dropped after a step", beside=True)
