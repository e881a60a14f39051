"""What backward needs once the trace that made a tensor has been run.

Looking at a loss before `backward()` runs the forward part of the step alone. Its results then carry a `History`: the
segment of graph that made them, and the values which the gradient of that segment reads. A later `backward()`
differentiates the segment as if it were still pending, with those values as inputs.

A `Ticket` stands in for gradients that nobody has looked at: one object for all parameters of a backward call.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from sys import getrefcount
from typing import Any
from weakref import ref

from dovetail.autodiff.gradient import gradients, with_gradient
from dovetail.base.errors import GradientError, message
from dovetail.ir.core import Node, Value, building
from dovetail.ir.printing import fingerprint
from dovetail.prims.elementwise import detach
from dovetail.tensor import views
from dovetail.tensor.kept import kept_as, op_of, top
from dovetail.tensor.meta import EARLIER, Meta, meta
from dovetail.tensor.step_names import step_of
from dovetail.tensor.tensor import fresh


class Segment:
    """The differentiable part of a trace that was run: from `sources` (leaf Values, with slots) to `outs`.

    computed: forward Values the gradient reads, kept as extra results; leaves: (Value, slot) of leaves it reads.
    stale: indices of leaves that the trace has written over since, so that their old numbers are gone.
    inputs: (Value, slot) of all leaves behind the outs, from which a second differentiation computes again.
    broken: it leads through a graph that an earlier backward has freed.
    ways: kernels that take gradients through it on their own (eager.py), by what has a gradient already.
    uses: (op, line) that need each leaf's and computed value for their gradient
    watched: (slot, which outs' gradients need it, op, line, part) of results that PyTorch would keep, though here a
             copy is kept
    traits: (graph, slots of its inputs, its results, nodes of the trace) of the plan that it belongs to.
    """

    __slots__ = (
        "outs", "sources", "computed", "leaves", "inputs", "broken", "freed_at", "barrier", "shared", "stale", "ways",
        "traits", "uses", "watched", "_form",
    )  # fmt: skip

    def __init__(self, outs: list[Value], sources: list[tuple[Value, int]]):
        self.outs, self.sources = outs, sources
        self.computed: list[Value] = []
        self.leaves: list[tuple[Value, int]] = []
        self.inputs: list[tuple[Value, int]] = []
        self.shared: dict[int, list[int]] = {}
        self.stale: list[int] = []
        self.broken = False
        self.freed_at: tuple = ("", 0, "")
        self.barrier: list[Value] = []
        self.ways: dict[tuple, Any] = {}
        self.traits: tuple | None = None
        self.uses: list[tuple[str, tuple]] = []
        self.watched: list[tuple[int, set[int], str, tuple, str]] = []
        self._form: str | None = None

    def like(self, other: Segment) -> bool:
        """Whether the other one is the same piece of program, recorded at another point.

        Two steps that leave histories to each other (the networks of a GAN) would else never find their traces again:
        each is new because the other is.
        """
        return self is other or (self.traits is not None and other.traits is not None and self.form() == other.form())

    def form(self) -> str:
        """What decides about the gradient's program: the graph, and which of its values play which part."""
        if self._form is None:
            graph, in_slots, results, nodes = self.traits
            at = {s: i for i, s in enumerate(in_slots)}
            number: dict[Value, int] = {}
            for i, v in enumerate(results):
                number.setdefault(v, i)
            parts = [[at.get(s, -1) for _, s in some] for some in (self.sources, self.leaves, self.inputs)]
            parts += [[number.get(v, -1) for v in some] for some in (self.outs, self.computed)]
            rules = [rule_words(v) for node in nodes for v in node.outs if v.custom is not None]
            unique = id(self) if any(-1 in part for part in parts) else 0
            self._form = repr((fingerprint(graph), parts, self.stale, self.broken, rules, unique))
        return self._form

    def shared_with(self, index: int) -> list[int]:
        """The results whose gradient leads through something that the gradient of this one leads through too."""
        if index not in self.shared:
            if len(self.outs) == 1:
                self.shared[index] = [0]
                return [0]
            sources = {v for v, _ in self.sources}
            own = behind(self.outs[index], sources)
            self.shared[index] = [i for i, v in enumerate(self.outs) if not own.isdisjoint(behind(v, sources))]
        return self.shared[index]


def rule_words(value: Value) -> list[tuple]:
    """What tells a value's own gradient rule from another: the ops it was made in, with their settings."""
    words, region = [], value.custom.region
    while region is not None:
        words.append((region.name, repr(region.settings), repr([x for x in region.inputs if not isinstance(x, Value)])))
        region = region.parent
    return words


FREED = Segment([], [])  # of tensors whose whole graph has been freed by backward()
FREED.broken = True


NONE: list = []  # of nothing; never changed
NOBODY: dict = {}


def version(t: Any) -> int:
    """How often a tensor was written in place so far, through itself or through others that share its memory."""
    return t._version + (t._storage.writes if t._storage is not None else 0)



class Kept:
    """Values that a run kept for the gradient: their metas and addresses, and what holds their memory."""

    __slots__ = ("metas", "ptrs", "held")

    def __init__(self, metas: list[Meta], ptrs: list[int], held: list):
        self.metas, self.ptrs, self.held = metas, ptrs, held

    def tensors(self) -> list:
        made = []
        several = len(self.held) > 1
        for i, (m, ptr) in enumerate(zip(self.metas, self.ptrs, strict=True)):
            t = fresh(m, None, 0)
            t._storage, t._ptr = self.held[i if several else 0], ptr
            made.append(t)
        return made


class History:
    """One run of a Segment: the tensors behind its sources, and those its gradient reads, with their versions.

    leaves, kept: tensors of the trace that the gradient reads, and the memory of other values that it reads, which
    nobody else sees; `saved` is both, as tensors, made for who needs them.
    makers: how each source was made when the run read it; earlier: stand-ins, by index, for results that were written
    in place since, so that the gradient of what was computed from them before leads on to how they were made before.
    hooked: results (by index) at which Python code waits for the gradient; order: the serial of the run.
    watched: (reference to a tensor, its version, outs, op, line, part) of what PyTorch would keep.
    """

    __slots__ = (
        "segment", "_sources", "makers", "earlier", "leaves", "kept", "versions", "serial", "freed", "hooked", "order",
        "inputs", "input_versions", "watched", "_saved",
    )  # fmt: skip

    next_serial = count(1).__next__

    def __init__(
        self, segment: Segment, sources: list, leaves: list, kept: Kept | None, order: int = 0, inputs: list = NONE
    ):
        self.segment, self._sources, self.leaves, self.kept, self.order = segment, sources, leaves, kept, order
        self.makers = [t._hist if t._joint is None else maker(t) for t in sources]
        self.earlier: dict[int, Any] = NOBODY
        self.hooked: dict[int, Any] = {}
        self.versions = [t._version + t._storage.writes for t in leaves]
        self.serial = History.next_serial()
        self.freed: dict[int, tuple] = {}
        self.inputs = inputs
        self.input_versions = [t._version + t._storage.writes for t in inputs]
        self.watched: Sequence = ()
        self._saved: list | None = None

    @property
    def sources(self) -> list:
        """The tensors behind the sources, as they were: one that was written in place since has a stand-in."""
        return as_read(self._sources, self.makers, self.segment)

    def stand_in(self, index: int, before: Any) -> None:
        """Remember what stands for result `index` as it was, now that its tensor has been written in place."""
        self.earlier = {**self.earlier, index: before}

    @property
    def saved(self) -> list:
        """Everything that the gradient reads, as tensors: of the leaves, then of the values computed on the way."""
        if self._saved is None:
            self._saved = self.leaves if self.kept is None else self.leaves + self.kept.tensors()
        return self._saved

    def watch(self, slots: list) -> None:
        """Note the versions of results that must not be written to before backward. Their memory is there by now."""
        self.watched = [
            (ref(t), version(t), *rest)
            for s, *rest in self.segment.watched
            if (t := slots[s]) is not None
        ]

    def overwritten(self, outs: set[int]) -> tuple | None:
        """(tensor, op, line, part) of a watched one that was written to and that the gradients of `outs` need."""
        for find, before, ways, op, where, part in self.watched:
            t = find()
            if t is not None and version(t) != before and not ways.isdisjoint(outs):
                return t, op, where, part
        return None

    def free(self, index: int, where: tuple) -> None:
        """A backward has gone through result `index`, and lets go of what it shares with others."""
        for i in self.segment.shared_with(index):
            self.freed[i] = where
        if len(self.freed) == len(self.segment.outs):  # nobody may read them again; a kept loss should not hold them
            self.leaves, self.kept, self._saved, self.inputs = NONE, None, None, NONE


class Ticket:
    """Gradients of one backward call that nobody has looked at. `leaves[i]` has its gradient in slot `slots[i]`."""

    __slots__ = ("run", "leaves", "slots", "metas", "values", "opened")

    def __init__(self, run, leaves: list, slots: tuple[int, ...], metas: list[Meta]):
        self.run, self.leaves, self.slots, self.metas = run, leaves, slots, metas
        self.opened = False
        self.values: dict[int, Any] | None = None

    def open(self, leaf) -> Any:
        """The gradient of `leaf` as a Tensor, which becomes its `.grad`."""
        self.opened = True
        i = next(i for i, p in enumerate(self.leaves) if p is leaf)
        slot = self.slots[i]
        if self.values is None:
            t = fresh(self.metas[i], self.run, slot)
            self.run.recorder.slots[slot] = t
        else:
            t = fresh(self.metas[i], None, 0)
            t._storage = self.values[slot]
            t._ptr = t._storage.ptr
        leaf._grad = t
        return t


class Origin(str):
    """The name of an op, with the user's line that called it."""

    where: tuple = ("", 0, "")
    step: str = ""  # torch's name for the step of the gradient, where it depends on the arguments


def made_by(value: Value | None) -> str:
    """The name of the op whose result a Value is, with `where`."""
    region = value.node.region if value is not None and value.node is not None else None
    while region is not None and region.parent is not None:
        region = region.parent
    origin = Origin(region.name if region is not None else "")
    if region is not None and value is not None and value.node is not None:
        origin.where, origin.step = value.node.where, step_of(region)
    return origin


def used_by(segment: Segment, i: int) -> tuple[str, tuple | None]:
    """(op, line) that needs the saved value number i for its gradient."""
    return segment.uses[i] if i < len(segment.uses) else ("", None)


def grad_slots(e) -> list[tuple[int, Meta]]:
    """Slots of the gradients that a backward event makes."""
    return e.extra.grads if isinstance(e.extra, GradientInfo) else []


class GradientInfo:
    """What a backward event remembers: the leaves' slots, their gradients' slots, and where saved values come from.

    arrivals: (index, indices of hooked results, whether it has hooks, how found) of each tensor with a history that
    the gradient went on from; ends: how those are found that it stopped at, since Python code waits there; targets:
    how to find the tensors that a stage gives gradients for.
    """

    __slots__ = (
        "leaf_slots", "grads", "slots", "metas", "accumulated", "instances", "collect", "plain", "arrivals", "ends",
        "targets", "visited", "leaves_of",
    )  # fmt: skip

    def __init__(self):
        self.plain = False
        self.leaf_slots: list[int] = []
        self.leaves_of: Any = None  # picks what is in these slots
        self.grads: list[tuple[int, Meta]] = []
        self.slots: tuple[int, ...] = ()
        self.metas: list[Meta] = []
        self.accumulated: list[int] = []
        self.instances: list[tuple] = []
        self.arrivals: list[tuple] = []
        self.ends: list[tuple] = []
        self.targets: list[tuple] = []
        self.visited: set = set()
        self.collect: list[tuple] = []


def wanted_grads(c, run, slots: list) -> list[int]:
    """Latest slots of gradients that a parameter still holds or that somebody looked at."""
    held, opened = [], False
    for ticket in run.tickets:
        opened = opened or ticket.opened
        for i, p in enumerate(ticket.leaves):
            if p._grad is ticket:
                held.append(ticket.slots[i])
                if ticket.metas[i].requires_grad:  # its history needs a tensor to hang on
                    ticket.open(p)
    if not held and not opened:
        return []
    return [now for s, now in c.grads if s in held or (slots[now] is not None and getrefcount(slots[now]) > 2)]


def plan(c, slots: list[int]) -> tuple[Segment | None, tuple]:
    """The Segment for the wanted slots that require grad, and (slot, index in it or -1 when freed) for each."""
    hists: list[tuple[int, Any, str]] = []
    outs: list[Value] = []
    dead = {v: FREED.freed_at for v, s in c.sources.items() if c.metas[s].history and c.metas[s].history.broken}
    dead.update(c.freed)
    for s in slots:
        v = c.values[s]
        if not c.metas[s].requires_grad or (v in c.sources and v not in dead):
            continue
        where = leads_to(v, dead, c.sources)
        if where is not None:
            hists.append((s, (None, where), made_by(v)))
        else:
            hists.append((s, len(outs), made_by(v)))
            outs.append(v)
    if not outs:
        return None, tuple(hists)
    barrier = list(dead)
    sources = [(v, s) for v, s in c.sources.items() if v not in dead]
    segment = Segment(outs, sources)
    with building() as nodes:
        cotangents = [Value(v.shape, v.dtype) for v in outs]
        found = gradients(outs, cotangents, [v for v, _ in sources] + barrier)
    reached = [(v, s) for (v, s), g in zip(sources, found, strict=False) if g is not None]
    segment.sources = reached
    made = {v for n in nodes for v in n.outs} | set(cotangents)
    slot_of_leaf = {c.values[s]: s for s in c.leaves}
    segment.inputs = leaves_behind(outs, slot_of_leaf, {v for v, _ in reached})
    seen: set[Value] = set()
    uses: dict[Value, tuple[str, tuple]] = {}
    results = {c.values[s]: s for s in slots}
    for node in nodes:
        for v in node.inputs:
            if v in made or v in seen:
                continue
            seen.add(v)
            uses[v] = op_of(node), node.where
            if v in slot_of_leaf:
                segment.leaves.append((v, slot_of_leaf[v]))
            elif v.node is not None and v.node.inputs:
                segment.computed.append(v)
            if v in results and v not in slot_of_leaf and kept_as(node, v):
                ways = led_through(top(node.region), c.nodes, outs, {v for v, _ in reached})
                segment.watched.append((results[v], ways, *uses[v], kept_as(node, v)))
    segment.uses = [uses[v] for v in [v for v, _ in segment.leaves] + segment.computed]
    written = {first for first, _ in c.mutated}
    segment.stale = [i for i, (_, s) in enumerate(segment.leaves) if s in written]
    return segment, tuple(hists)


def leads_to(value: Value, dead: dict[Value, tuple], sources: dict[Value, int]) -> tuple | None:
    """Where the graph behind `value` was freed, if any of it was: gradients cannot lead through it any more."""
    seen: set[Value] = set()
    stack = [value]
    while stack:
        v = stack.pop()
        if v in dead:
            return dead[v]
        if v in seen or v in sources or v.node is None or not v.dtype.is_differentiable or v.node.prim is detach:
            continue
        seen.add(v)
        stack.extend(v.node.inputs)
    return None


def behind(value: Value, sources: set[Value]) -> set[Value]:
    """The values that the gradient of `value` leads through."""
    seen: set[Value] = set()
    stack = [value]
    while stack:
        v = stack.pop()
        if v in seen or v in sources or v.node is None or not v.dtype.is_differentiable or v.node.prim is detach:
            continue
        seen.add(v)
        stack.extend(v.node.inputs)
    return seen


def led_through(op: Any, nodes: list[Node], outs: list[Value], sources: set[Value]) -> set[int]:
    """The outs whose gradient leads through the results of an op; op: the region of its gradient."""
    made = {v for n in nodes if (r := top(n.region)) is not None and r.inputs is op.inputs for v in n.outs}
    return {i for i, out in enumerate(outs) if not made.isdisjoint(behind(out, sources))}


def leaves_behind(outs: list[Value], slot_of_leaf: dict[Value, int], sources: set[Value]) -> list[tuple[Value, int]]:
    """The leaves (that are no sources) from which the outs are computed."""
    found: dict[Value, int] = {}
    seen: set[Value] = set()
    stack = list(outs)
    while stack:
        v = stack.pop()
        if v in seen or v in sources:
            continue
        seen.add(v)
        if v in slot_of_leaf:
            found[v] = slot_of_leaf[v]
        elif v.node is not None:
            stack.extend(v.node.inputs)
    return list(found.items())


def computed_again(
    values: list[Value], sources: list[Value], known: dict[Value, Value], kept: dict[Value, Value]
) -> dict[Value, Value]:
    """The values as nodes of the graph being built, computed from `known` (sources and leaves) and so tied to them.

    What no source leads to is taken from `kept`. A value that cannot be computed again (random numbers, a leaf that was
    changed since) keeps its number, and a gradient through it is an error.
    """
    made: dict[Value, Value | None] = dict(known)
    tied = set(sources)
    stack = list(reversed(values))
    while stack:
        v = stack[-1]
        if v in made:
            stack.pop()
        elif v.node is None:
            made[v] = None
        elif missing := [x for x in v.node.inputs if x not in made]:
            stack.extend(missing)
        else:
            again(v, made, tied, kept)
    ways = [made[v] for v in sources]
    return {
        v: with_gradient([kept[v]], ways, no_second_gradient)[0] if made[v] is None else made[v]
        for v in values if v in tied
    }  # fmt: skip


def again(v: Value, made: dict[Value, Value | None], tied: set[Value], kept: dict[Value, Value]) -> None:
    """Compute the results of the node that made `v`, whose inputs are there."""
    node = v.node
    inputs = [made[x] for x in node.inputs]
    if any(x in tied for x in node.inputs) and node.prim is not detach:
        tied.update(node.outs)
    elif v in kept:
        made[v] = kept[v]
        return
    if any(x is None for x in inputs):
        made[v] = None
        return
    results = node.prim(*inputs, **node.params)
    for old, new in zip(node.outs, results if isinstance(results, tuple) else (results,), strict=True):
        made.setdefault(old, new)


def no_second_gradient(*args) -> tuple:
    problem = "the forward pass was looked at, and cannot be computed again for a second derivative"
    cure = "Look at the value after the last backward, or compute the forward pass again"
    raise GradientError(message("backward", problem, cure=cure))


def deliver(plan, made: list, kept: Kept | None, slots: list, run) -> None:
    """Hand the results of a run to their tensors, tickets and histories."""
    instance = None
    k = 0
    for s, _, _ in plan.outs:
        t = slots[s]
        t._storage = storage = made[k]
        t._ptr = storage.ptr
        t._run = t._view = None
        k += 1
    if plan.grads:
        values = {}
        for s, _, _ in plan.grads:
            t = slots[s]
            values[s] = made[k]
            if t is not None:
                t._storage = made[k]
                t._ptr = made[k].ptr
                t._run = None
            k += 1
        for ticket in run.tickets:
            ticket.values = values
    for t in plan.plain_of(slots):  # apart from parameters: Python remembers one type for each line
        t._run = None
    for t in plan.other_of(slots):
        t._run = None
    if plan.hists:
        run.recorder.histories += 1
        instance = attach(plan, kept, slots, run.serial)
    for ticket in run.tickets:
        ticket.run = None
        if ticket.values is None:
            ticket.values = {}
    if plan.aliases:
        views.deliver(plan.aliases, slots)
    if instance is not None and instance.segment.watched:
        instance.watch(slots)


def attach(plan, kept: Kept | None, slots: list, order: int = 0) -> History | None:
    """Give the tensors that require grad their History."""
    segment = plan.segment
    instance = None
    if segment is not None:
        inputs = [slots[s] for _, s in segment.inputs]
        sources = [slots[s] for _, s in segment.sources]
        if plan.written:
            written = {id(slots[s]) for s, _, _, _ in plan.hists}
            if not written.isdisjoint(map(id, sources)):
                sources = [as_it_was(t, order) if id(t) in written and not t._leaf else t for t in sources]
        instance = History(segment, sources, [slots[s] for _, s in segment.leaves], kept, order, inputs)
        for i in segment.stale:
            instance.versions[i] = -1
    for s, index, name, m in plan.hists:
        t = slots[s]
        t._made_by = name
        t._meta = m
        t._hist = (instance, index) if type(index) is int else index
        if type(index) is int and t._joint is not None:
            instance.hooked[index] = t
    return instance


def as_it_was(t, order: int) -> Any:
    """A stand-in for a tensor that was written in place: its gradient leads on to how it was made before.

    order: the serial of the run that wrote it. Hooks that were put on it earlier stay with the value from before.
    """
    before = fresh(t._meta, None, 0)
    before._storage, before._ptr, before._version = t._storage, t._ptr, t._version
    before._hist, before._made_by = t._hist, t._made_by
    if t._hist is not None and t._hist[0] is not None:
        t._hist[0].stand_in(t._hist[1], before)
    if t._joint is not None and t._joint.order[0] < order:
        before._joint, t._joint = t._joint, None
        if t._hist is not None and t._hist[0] is not None:
            t._hist[0].hooked[t._hist[1]] = before
    return before


def maker(t: Any) -> Any:
    """How a tensor with a joint was made: (history, index), or the joint of a step in Python; None for leaves."""
    return t._hist if t._joint.node is None else t._hist or t._joint


def as_read(sources: list, makers: list, segment: Segment) -> list:
    """The sources of a segment as they were: those that were written in place since are replaced by stand-ins."""
    for i, made in enumerate(makers):
        if made is not None:
            t = sources[i]
            if (t._hist if t._joint is None else maker(t)) is not made:
                sources[i] = as_made(t, made, segment.sources[i][0])
    return sources


def as_made(t: Any, made: Any, value: Value) -> Any:
    """A stand-in for `t` when it had been made by `made`, by a history or by Python code; value: what it was."""
    history, index = made if type(made) is tuple else (None, 0)
    known = None if history is None else history.earlier.get(index)
    if known is not None:
        return known
    m = t._meta if t._meta.shape == tuple(value.shape) else meta(value.shape, value.dtype, requires_grad=True)
    before = fresh(m if m.requires_grad else m.with_grad(True, EARLIER), None, 0)
    before._storage, before._ptr, before._version = t._storage, t._ptr, t._version
    if type(made) is tuple:
        before._hist = made
    else:
        before._joint = made
    if history is not None:
        history.stand_in(index, before)
    return before


def differentiate(
    segment: Segment, cotangents: list[Value | None], replace: dict[Value, Value], stops: Sequence[Value] = (),
    before: Sequence[Value | None] = (),
) -> tuple[list[Node], list[Value | None], list[Value | None]]:
    """Gradient nodes of a segment with its forward Values replaced; the gradient for its sources, and for `stops`.

    before: gradients that the sources have already, and that theirs are added to.
    """
    live = [(v, g) for v, g in zip(segment.outs, cotangents, strict=True) if g is not None]
    targets = [v for v, _ in segment.sources] + segment.barrier + list(stops)
    with building() as nodes:
        found = gradients([v for v, _ in live], [g for _, g in live], targets, stops, before)
    extra: list[Node] = []
    for node in nodes:
        for v in node.inputs:
            if v not in replace and v.node is not None and not v.node.inputs and v.node not in extra:
                extra.append(v.node)
        node.inputs = tuple(replace.get(v, v) for v in node.inputs)
    found = [None if g is None else replace.get(g, g) for g in found]
    return extra + nodes, found[: len(segment.sources)], found[len(targets) - len(stops) :]
