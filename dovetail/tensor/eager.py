"""Operations run at once, one by one: for programs whose calls are known but never come in the same order again.

A recursive network over parse trees, a search, a loop with a different body each turn: every step is a new trace, and
recording, differentiating and compiling it costs more than the arithmetic. When several traces in a row were new
though nearly all their calls had been met before (`Novelty`), the recorder goes `at_once`: an op is looked up by its
name, its settings and its inputs' metas, a kernel made for exactly these runs on the spot, and the result remembers
how its gradient is found (`History`, as for any trace that was run early). Backward walks these histories with one
kernel for each (`backward`), also where a loop with looks has left a chain of them.

The kernels come from the same bodies, gradient rules and compiler as everything else: a call is recorded once in a
recorder on the side, and its plan is kept. What does not fit (views, writes in place, random numbers, hooks) takes the
ordinary way, as a trace of its own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from operator import itemgetter
from typing import Any

import numpy as np

from dovetail.base.config import config
from dovetail.base.dtypes import bool_
from dovetail.base.errors import user_line
from dovetail.engine.interpret import prepare
from dovetail.ir.core import Graph, Value, building, scope
from dovetail.prims.elementwise import add, detach
from dovetail.runtime import memory
from dovetail.tensor import closing, views
from dovetail.tensor.history import History, Segment, differentiate
from dovetail.tensor.meta import EARLIER, Meta, meta
from dovetail.tensor.recorder import Recorder, Run, local
from dovetail.tensor.tensor import Parameter, Tensor, number_tensor, watchers

OTHERWISE = object()  # what `call` returns where the ordinary way must be taken
PLAIN = (Tensor, Parameter)
MOST_KERNELS = 2000  # remembered for one op; then it starts afresh
FEW_VALUES = 3  # so many values of a number get kernels of their own, then it becomes an input
CHAIN = 4  # from so many histories on, backward walks them instead of joining them into one program

_new = object.__new__
_flag = ctypes.c_bool.from_address


class Kernel:
    """A graph that runs on tensors with values: interpreted at first, compiled once it has come twice."""

    __slots__ = ("graph", "layouts", "alias", "runs", "program", "ticket", "interpreted")

    def __init__(self, graph: Graph, layouts: list, alias: dict[int, int]):
        self.graph, self.layouts, self.alias = graph, layouts, alias
        self.runs = 0
        self.program: Any = None
        self.ticket: Any = None
        self.interpreted: Any = None

    def run(self, ins: Sequence, outs: Sequence) -> None:
        """Compute the graph of the tensors `ins` into the memory of the tensors `outs`."""
        program = self.program or self.advance()
        if program is not None:
            program.run([t._ptr for t in ins], [t._ptr for t in outs])
            return
        if self.interpreted is None:
            self.interpreted = prepare(self.graph)
        for t, result in zip(outs, self.interpreted([t._memory() for t in ins]), strict=True):
            np.copyto(t._memory(), result)

    def advance(self) -> Any:
        """The compiled program, once there is one."""
        self.runs += 1
        if config.tier == 0 or (self.ticket is None and self.runs < config.compile_after and config.tier < 2):
            return None
        if self.ticket is None:
            from dovetail.engine import program as engine  # the code generator is only loaded when a step repeats

            self.ticket = engine.compile_async(self.graph, layouts=self.layouts, alias=self.alias)
            if config.tier >= 2:
                self.ticket.wait()
        self.program = self.ticket.program
        return self.program


def empty(m: Meta) -> Tensor:
    """A tensor whose value is about to be computed."""
    t = _new(Tensor)
    t._meta = m
    t._storage = storage = memory.allocate(m.nbytes)
    t._ptr = storage.ptr
    return t


def picker(places: list[int]) -> Callable[[list], Sequence]:
    """A function that takes the tensors at `places` out of a list."""
    if len(places) > 1:
        return itemgetter(*places)
    if not places:
        return lambda tensors: ()
    at = places[0]
    return lambda tensors: (tensors[at],)


# -- one call --------------------------------------------------------------------------------------------


class Known:
    """What is known of a call by its settings and its inputs' metas.

    order     picks the inputs of the kernel out of the call's tensors (numbers that became inputs come last)
    numbers   positions of the arguments that became inputs
    metas     of the results; views: (result, place of its base, offset in bytes); fresh: results with their own memory
    kept      metas of further values that the gradient reads; flagged: the kernel also checks numbers
    segment   the graph to differentiate, or None; sources, leaves, inputs: pick its tensors, as in History
    differ    which results have a history, and as which number of the segment
    """

    __slots__ = (
        "kernel", "order", "numbers", "metas", "views", "fresh", "kept", "flagged", "segment", "sources", "leaves",
        "inputs", "differ", "rebuild", "made_by",
    )  # fmt: skip

    def __init__(self, rec: Recorder, count: int):
        e = rec.node
        c = closing.Closing(e)
        plan = closing.Plan(c, [s for s, _, _ in e.outs], [], rec.slots)
        place = {slot: i for i, slot in enumerate(e.ins)}
        place.update({slot: count + i for i, (_, slot) in enumerate(e.numbers)})
        which = {s: i for i, (s, _, _) in enumerate(e.outs)}
        self.numbers = [position for position, _ in e.numbers]
        self.order = picker([place[s] for s in plan.in_slots])
        self.kernel = Kernel(plan.graph, [rec.slots[s]._meta.strides for s in plan.in_slots], {})
        self.kept, self.flagged, self.rebuild = plan.kept, bool(plan.checks), e.result
        self.metas = [m for _, m, _ in e.outs]
        self.views = []
        for s, (at, strides, offset) in plan.aliases.items():
            m = self.metas[which[s]]
            strides = views.normal_strides(m.shape, strides)
            self.metas[which[s]] = meta(m.shape, m.dtype, m.device, m.requires_grad, strides, m.history)
            self.views.append((which[s], place[at], offset * m.dtype.itemsize))
        self.fresh = [which[s] for s, _, _ in plan.outs]
        self.segment: Segment | None = plan.segment
        self.differ, self.made_by = [-1] * len(e.outs), ""
        self.sources = self.leaves = self.inputs = picker([])
        for slot, index, name, _ in plan.hists:
            at = which[slot]
            self.differ[at], self.made_by = index, name
            self.metas[at] = self.metas[at].with_grad(True, EARLIER)
        if self.segment is not None:
            self.sources = picker([place[s] for _, s in self.segment.sources])
            self.leaves = picker([place[s] for _, s in self.segment.leaves])
            self.inputs = picker([place[s] for _, s in self.segment.inputs])

    def run(self, rec: Recorder, tensors: list, args: tuple) -> Any:
        """The call's result; OTHERWISE where a number breaks a rule, so that the ordinary way says which."""
        given = tensors
        if self.numbers:
            tensors = [*tensors, *[number_tensor(args[i]) for i in self.numbers]]
        made = self.look(tensors) if self.views else [empty(m) for m in self.metas]
        outs = [made[i] for i in self.fresh] if self.views else made
        kept = [empty(m) for m in self.kept]
        if kept:
            outs = outs + kept
        if self.flagged:
            flag = empty(FLAG)
            outs = [*outs, flag]
        if outs:
            try:
                self.kernel.run(self.order(tensors), outs)
            except IndexError:
                return OTHERWISE
        if self.flagged and ctypes.c_bool.from_address(flag._ptr).value:
            return OTHERWISE
        if self.segment is not None:
            saved = [*self.leaves(tensors), *kept]
            history = History(
                self.segment, self.sources(tensors), saved, rec.run.serial, self.inputs(tensors)
            )
            Run.count += 1
            rec.run.serial = Run.count  # whatever is recorded next comes later
            for t, index in zip(made, self.differ, strict=True):
                if index >= 0:
                    t._hist = (history, index)
                    t._made_by = self.made_by
        if self.rebuild is None:
            return made[0]
        return self.rebuild(made, given)

    def look(self, tensors: list) -> list:
        """The results where some of them look into the memory of an input."""
        made: list = [None] * len(self.metas)
        for i, place, offset in self.views:
            base = tensors[place]
            made[i] = t = _new(Tensor)
            t._meta, t._storage, t._ptr = self.metas[i], base._storage, base._ptr + offset
            t._shared = base._shared = True
        for i in self.fresh:
            made[i] = empty(self.metas[i])
        return made


def call(op: Any, rec: Recorder, args: tuple, kwargs: dict) -> Any:
    """Run the call now. Returns OTHERWISE where it has to take the ordinary way."""
    if scope.nodes is not None or rec.busy or rec.inference or config.anomaly:
        return OTHERWISE
    if op.random or op.writes or rec.autocast is not None or rec.capture is not None or watchers:
        return OTHERWISE
    if rec.node is not rec.root:
        rec.close("the calls after it run at once")
    rec.novelty.turn(rec)
    key: list = [rec.grad]
    tensors: list = []
    if not sign(args, key, tensors):
        return OTHERWISE
    if kwargs:
        key.append(tuple(kwargs))
        if not FOR_THE_DESK.isdisjoint(kwargs) or not sign(kwargs.values(), key, tensors):
            return OTHERWISE
    name = tuple(key)
    try:
        known = op.at_once.get(name)
    except TypeError:  # a setting without a hash
        return OTHERWISE
    if known is None:
        known = learn(op, rec, name, tensors, args, kwargs)
    return known if known is OTHERWISE else known.run(rec, tensors, args)


def sign(args: Any, key: list, tensors: list) -> bool:
    """Put what decides about a call into `key`, its tensors into `tensors`; False for a call of another kind."""
    for a in args:
        kind = type(a)
        if kind is Tensor or kind is Parameter:
            if a._run is not None:
                a._settle()
            if a._joint is not None or a._weak:
                return False
            tensors.append(a)
            key.append(a._meta)
        elif kind is list or kind is tuple:
            key.append(kind)
            key.append(len(a))
            if not sign(a, key, tensors):
                return False
        elif isinstance(a, NEVER):
            return False
        else:
            key.append(kind)
            key.append(a)
    return True


def learn(op: Any, rec: Recorder, key: tuple, tensors: list, args: tuple, kwargs: dict) -> Any:
    """Record a call for the first time, in a recorder on the side; OTHERWISE where it does not fit."""
    if op.holds_sizes(args, kwargs):
        return OTHERWISE
    general, numbers = without_numbers(op, key, args)
    if numbers:
        if general in op.at_once:
            return op.at_once[general]
        op.values[general] = op.values.get(general, 0) + 1
        if op.values[general] <= FEW_VALUES:
            numbers = []
        else:
            key = general
    inner = Recorder()
    inner.numbers = numbers
    inner.set_modes(rec.grad)
    local.rec = inner
    try:
        result = op.slow(tuple(twins(args)), dict(zip(kwargs, twins(kwargs.values()), strict=True)))
        known = Known(inner, len(tensors)) if fits(inner) else OTHERWISE
        if known is not OTHERWISE and len(known.views) < sum(base > 0 for _, _, base in inner.node.outs):
            known = OTHERWISE  # a view that only a trace can follow, since its memory is none of its base's
        del result
    except Exception:  # the ordinary way says what is wrong
        return OTHERWISE
    finally:
        local.rec = rec
    if len(op.at_once) > MOST_KERNELS:
        op.at_once.clear()
        op.values.clear()
    op.at_once[key] = known
    return known


def without_numbers(op: Any, key: tuple, args: tuple) -> tuple[tuple, list[int]]:
    """The key with a type for each number that may become an input, and the positions of these."""
    found = [i for i in op.scalars if i < len(args) and type(args[i]) is float]
    if not found or any(type(a) in (list, tuple) for a in args):
        return key, []
    made, at = list(key), 1
    for i, a in enumerate(args):
        if isinstance(a, Tensor):
            at += 1
            continue
        if i in found:
            made[at + 1] = float
        at += 2
    return tuple(made), found


def twins(args: Any) -> list:
    """The arguments with other tensors of the same kind and value, no two of them the same."""
    made = []
    for a in args:
        if isinstance(a, Tensor):
            t = _new(Tensor)
            t._meta, t._storage, t._ptr, t._leaf = a._meta, a._storage, a._ptr, True
            made.append(t)
        elif type(a) in (list, tuple):
            made.append(type(a)(twins(a)))
        else:
            made.append(a)
    return made


def fits(rec: Recorder) -> bool:
    """Whether the recorder holds one call that made its results and changed nothing."""
    e = rec.node
    return (
        e.parent is rec.root
        and not e.repoints
        and all(base == 0 or base in e.ins for _, _, base in e.outs)
        and not any(m is not None and m.history is not None and m.history.broken for m in e.new)
    )


# -- backward --------------------------------------------------------------------------------------------


class Way:
    """How the gradient goes through a segment, for the results that have one and the sources that have one already.

    order: picks the inputs of the kernel out of [gradients of results, gradients of sources that are there, saved
    values, sources]; reached: the sources that get a gradient, with the meta of it.
    """

    __slots__ = ("kernel", "order", "reached")

    def __init__(self, segment: Segment, given: tuple, added: tuple, pool: list):
        cotangents = [Value(v.shape, v.dtype) if g else None for v, g in zip(segment.outs, given, strict=True)]
        before = [Value(v.shape, v.dtype) if a else None for (v, _), a in zip(segment.sources, added, strict=True)]
        place = {v: i for i, v in enumerate([v for v in cotangents + before if v is not None])}
        replace: dict[Value, Value] = {}
        old_values = [v for v, _ in segment.leaves] + segment.computed + [v for v, _ in segment.sources]
        for i, v in enumerate(old_values, len(place)):
            if v not in replace:
                replace[v] = Value(v.shape, v.dtype, weak=v.weak)
                place[replace[v]] = i
        nodes, found, _ = differentiate(segment, cotangents, replace)
        wanted, self.reached, alias = [], [], {}
        with building() as more:
            for i, (g, old) in enumerate(zip(found, before, strict=True)):
                if g is None:
                    continue
                if old is not None:
                    alias[len(wanted)] = old
                wanted.append(detach(g) if old is None else add(old, g))
                self.reached.append((i, meta(g.shape, g.dtype)))
        graph, order = closing.cut(nodes + more, wanted, place)
        where = {at: i for i, at in enumerate(order)}
        layouts = [pool[at]._meta.strides for at in order]
        self.order = picker(order)
        self.kernel = Kernel(graph, layouts, {k: where[place[v]] for k, v in alias.items()})


def chained(rec: Recorder, loss: Tensor) -> bool:
    """Whether the loss stands at the end of a chain of histories that is worth walking."""
    if rec.histories < CHAIN:
        return False
    stack = [t for t in (loss, *rec.slots[1 : rec.node.end]) if t is not None and t._hist is not None]
    seen: set[int] = set()
    while stack:
        history = stack.pop()._hist[0]
        if history is None or history.serial in seen:
            continue
        seen.add(history.serial)
        if len(seen) >= CHAIN:
            return True
        stack += [t for t in history.sources if t._hist is not None and not t._leaf]
    rec.histories = 0
    return False


def backward(loss: Tensor, cotangent: Tensor | None, retain_graph: bool) -> bool:
    """Add the gradient of `loss` to its leaves, history by history. False, with nothing changed, where that won't do.

    That is: where Python code waits on the way, a graph has been freed, or a saved value was written over.
    """
    rec = local.rec
    if not (rec.at_once or chained(rec, loss)) or not loss._meta.requires_grad or rec.busy:
        return False
    rec.close("backward walks a chain of earlier traces")
    if loss._run is not None:
        loss._settle()
    rec.histories = 0
    start = seed(loss, cotangent)
    if start is None or loss._hist is None or loss._leaf or loss._joint is not None or loss._hist[0] is None:
        return False
    history, index = loss._hist
    waiting = {history.serial: (history, [None] * len(history.segment.outs))}
    waiting[history.serial][1][index] = start
    heap = [-history.serial]
    leaves: dict[int, list] = {}
    visited: list[tuple] = []
    while heap:
        history, gs = waiting.pop(-heappop(heap))
        if all([g is None for g in gs]):  # a neighbour's gradient does not lead here
            continue
        segment = history.segment
        if segment.broken or history.freed or history.hooked:
            return False
        for t, version in zip(history.saved, history.versions, strict=True):
            if t._version != version:
                return False
        visited.append((history, gs))
        holders, added, before_values = [], [], []  # where each source's gradient is kept; those that have one already
        for t in history.sources:
            if t._joint is not None:
                return False
            made = t._hist
            if made is None or t._leaf:
                holder = leaves.get(id(t))
                if holder is None:
                    holder = leaves[id(t)] = [None, t]
                at = 0
            else:
                before, at = made
                if before is None:
                    return False
                found = waiting.get(before.serial)
                if found is None:
                    found = waiting[before.serial] = (before, [None] * len(before.segment.outs))
                    heappush(heap, -before.serial)
                holder = found[1]
            old = holder[at]
            if old is not None and any(holder is h and at == a for h, a in holders):
                old = None  # the same tensor once more: added up below
            added.append(old is not None)
            if old is not None:
                before_values.append(old)
            holders.append((holder, at))
        key = (tuple([g is not None for g in gs]), tuple(added))
        pool = [g for g in gs if g is not None] if len(gs) > 1 else gs
        pool = [*pool, *before_values, *history.saved, *history.sources]
        way = segment.ways.get(key)
        if way is None:
            way = segment.ways[key] = Way(segment, *key, pool)
        results = []
        for i, m in way.reached:
            holder, at = holders[i]
            results.append(holder[at] if added[i] else empty(m))
        way.kernel.run(way.order(pool), results)
        for (i, _), g in zip(way.reached, results, strict=True):
            holder, at = holders[i]
            old = holder[at]
            if old is None:
                holder[at] = g
            elif old is not g:  # the tensor is a source twice
                np.add(old._memory(), g._memory(), out=old._memory())
    return finish(leaves, visited, retain_graph)


def seed(loss: Tensor, cotangent: Tensor | None) -> Tensor | None:
    """The gradient that the walk begins with, in memory of its own; None where the ordinary way has to speak."""
    m = loss._meta
    if cotangent is None:
        if m.numel != 1:
            return None
        g = empty(meta(m.shape, m.dtype))
        g._memory().fill(1)
        return g
    if not isinstance(cotangent, Tensor) or cotangent._joint is not None or cotangent._meta.requires_grad:
        return None
    cotangent._settle()
    if cotangent._meta.shape != m.shape or cotangent._meta.dtype is not m.dtype:
        return None
    g = empty(meta(m.shape, m.dtype))
    np.copyto(g._memory(), cotangent._memory())
    return g


def finish(leaves: dict[int, list], visited: list[tuple], retain_graph: bool) -> bool:
    """Hand the gradients to the leaves and let go of what was needed for them."""
    for g, leaf in leaves.values():
        if g is not None and leaf._grad is not None and leaf.grad._meta.requires_grad:
            return False
    for g, leaf in leaves.values():
        if g is None:
            continue
        if leaf._grad is None:
            leaf._grad = g
        else:
            old = leaf.grad
            old._settle()
            np.add(old._memory(), g._memory(), out=old._memory())
            old._version += 1
    if not retain_graph:
        where = user_line()
        for history, gs in visited:
            for i, g in enumerate(gs):
                if g is not None:
                    history.free(i, where)
    return True


FOR_THE_DESK = frozenset(("out", "generator", "layout", "pin_memory", "memory_format", "requires_grad", "device"))
NEVER = (Tensor, dict, slice, np.ndarray)
FLAG = meta((), bool_)
