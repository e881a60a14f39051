"""Programs whose calls are known but never come in the same order again, piece by piece.

A recursive network over parse trees, a search, a loop with a different body each turn: every step is a new trace, and
recording, differentiating and compiling it costs more than the arithmetic. When several traces in a row were new
though nearly all their calls had been met before (`Novelty`), the recorder goes `at_once`: it follows the trie as far
as the calls are known there, and where they are not, it runs what it has and begins anew at the root. So a step
becomes a row of pieces that were met before. A place where pieces end often grows (`grows`): the calls that follow are
recorded behind it, and pieces become longer where the program repeats itself.

A piece is a trace like any other, with its plan, its histories and its programs. Two things are its own: its program
is a chain of the programs of its calls (engine/chain.py), so that a new piece is nothing to compile; and `backward`
walks the histories with one kernel for each, also where a loop with looks has left a chain of them.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

import numpy as np

from dovetail.base.config import config
from dovetail.base.errors import user_line
from dovetail.engine.interpret import prepare
from dovetail.ir.core import Graph, Value, scope
from dovetail.runtime import memory
from dovetail.tensor import closing, views
from dovetail.tensor.history import History, differentiate
from dovetail.tensor.meta import meta
from dovetail.tensor.recorder import Recorder, flatten, local
from dovetail.tensor.tensor import Parameter, Tensor, number_tensor
from dovetail.tensor.trace import Event

OTHERWISE = object()  # what `call` returns where the ordinary way must be taken
CHAIN = 4  # from so many histories on, backward walks them instead of joining them into one program
LONGEST = 64  # calls in a piece
FURTHER = 6  # calls recorded where a piece grows, or as many as it has

_new = object.__new__


# -- calls -------------------------------------------------------------------------------------------------


def call(op: Any, rec: Recorder, args: tuple, kwargs: dict) -> Any:
    """Follow the trie by this call, or begin a new piece with it. OTHERWISE where it has to take the ordinary way."""
    if scope.nodes is not None or rec.busy or rec.autocast is not None or rec.capture is not None or rec.packing:
        return OTHERWISE
    node = rec.node
    if not node.plain:
        rec.close("the calls after it run at once")
        if not rec.at_once:
            return OTHERWISE
        node = rec.node
    key: list = [op]
    at = sign(args, key, rec, node.end)
    if kwargs and at:
        key.append(tuple(kwargs))
        at = sign(kwargs.values(), key, rec, at) if FOR_THE_DESK.isdisjoint(kwargs) else 0
    if not at:
        return OTHERWISE
    name = tuple(key)
    try:
        e = node.kids.get(name)
    except TypeError:  # a setting without a hash
        return OTHERWISE
    if e is None:
        e = with_numbers(rec, node, args, name) if op.scalars and not kwargs else None
        if e is None:
            return unknown(op, rec, args, kwargs, name, at)
    rec.node = e
    if e.one is None:
        return several(rec, e)
    t = _new(Tensor)
    t._run = rec.run
    t._slot, t._meta = e.one
    rec.slots[t._slot] = t
    return t


def with_numbers(rec: Recorder, node: Event, args: tuple, name: tuple) -> Event | None:
    """The successor that this call is where numbers have become inputs, with the numbers bound; None without one."""
    e = node.kids.get(loosened(name))
    if e is None or not e.numbers:
        return None
    key, types = flatten(args, Tensor, [])
    if key != e.key or types != e.rest_types:
        return None
    for position, slot in e.numbers:
        rec.slots[slot] = number_tensor(args[position])
        rec.log.append(slot)
    return e


def loosened(name: tuple) -> tuple:
    """What decides about a call, whatever its floating-point numbers are."""
    return tuple([float if i and name[i - 1] is float else x for i, x in enumerate(name)])


def several(rec: Recorder, e: Event) -> Any:
    """The results of a call that makes several tensors, or views, or nested ones."""
    slots, made = rec.slots, []
    for slot, m, base in e.outs:
        t = _new(Tensor)
        t._meta, t._run, t._slot = m, rec.run, slot
        slots[slot] = t
        if base:
            t._view = views.looked_into(slots[base])
            t._unwritable = views.unwritable(e.op, rec.grad, slots[base], len(made))
        made.append(t)
    return made[0] if e.result is None else e.result(made, [slots[s] for s in e.ins])


def sign(args: Any, key: list, rec: Recorder, at: int) -> int:
    """Put what decides about a call into `key`: slots of tensors that the trace has, metas of those that are new to it.

    The latter are put into the slots from `at` on, where the event will expect them. Returns the slot after them; 0 for
    a call of another kind.
    """
    slots, run = rec.slots, rec.run
    if at + len(args) > len(slots):
        rec.reserve(at + len(args))
    for a in args:
        kind = type(a)
        if kind is Tensor or kind is Parameter:
            s = a._slot
            if s < at and slots[s] is a:
                if rec.held and rec.changed(a):
                    return 0
                key.append(s)
                continue
            if a._run is not None:
                if a._run is run:
                    return 0
                a._run.settle(a)
            slots[at] = a
            a._slot, a._guessed = at, True
            rec.log.append(at)
            if a._shared:
                rec.hold(at, a)
            at += 1
            key.append(a._meta)
        elif kind in NUMBERS:
            key.append(kind)
            key.append(a)
        elif kind is list or kind is tuple:
            key.append(kind)
            key.append(len(a))
            at = sign(a, key, rec, at)
            if not at:
                return 0
        elif isinstance(a, NEVER):
            return 0
        else:
            key.append(kind)
            key.append(a)
    return at


def unknown(op: Any, rec: Recorder, args: tuple, kwargs: dict, name: tuple, at: int) -> Any:
    """A call that is not known here: it begins the next piece, or is recorded and known from now on."""
    node = rec.node
    for s in range(node.end, at):
        rec.slots[s] = None
        rec.held.pop(s, None)
    if node is not rec.root and not grows(rec, node):
        rec.close("the calls from here on are known elsewhere")
        result = call(op, rec, args, kwargs) if rec.at_once else OTHERWISE
        return op.slow(args, kwargs) if result is OTHERWISE else result
    result = op.slow(args, kwargs)
    e = rec.node
    floats = not kwargs and all([type(args[position]) is float for position, _ in e.numbers])
    if e.parent is node and e.plain and (floats or not e.numbers):
        given: list = []
        tensors_of((*args, *kwargs.values()), given)
        if len(given) == len(e.ins) and all([rec.slots[s] is t for s, t in zip(e.ins, given, strict=True)]):
            node.kids[loosened(name) if e.numbers else name] = e
            rec.reserve(e.end + 64)
            if e.result is None and len(e.outs) == 1 and not e.outs[0][2]:
                e.one = e.outs[0][:2]
    return result


def grows(rec: Recorder, node: Event) -> bool:
    """Whether the calls behind `node` should be recorded: pieces have ended here often. Each time they must do so
    twice as often, since the calls that are met most have been recorded first.
    """
    if rec.room:
        rec.room -= 1
        return True
    node.cuts += 1
    if node.cuts < node.patience * node.depth**2 or node.depth >= LONGEST:
        return False
    node.cuts, node.patience = 0, 2 * node.patience
    rec.room = min(max(node.depth, FURTHER), LONGEST - node.depth) - 1
    return True


def tensors_of(args: Any, found: list) -> None:
    """The tensors among the arguments, in the order in which `sign` meets them."""
    for a in args:
        if isinstance(a, Tensor):
            found.append(a)
        elif type(a) in (list, tuple):
            tensors_of(a, found)


# -- backward --------------------------------------------------------------------------------------------


class Kernel:
    """A graph between given addresses: interpreted at first, then a chain of the programs of its calls."""

    __slots__ = ("graph", "layouts", "alias", "runs", "program", "ticket", "interpreted")

    def __init__(self, graph: Graph, layouts: list, alias: dict[int, int]):
        self.graph, self.layouts, self.alias = graph, layouts, alias
        self.runs = 0
        self.program: Any = None
        self.ticket: Any = None
        self.interpreted: Any = None

    def run(self, ins: list[int], outs: list[int]) -> None:
        """Compute the graph of what lies at `ins` into the memory at `outs`."""
        program = self.program or self.advance()
        if program is not None:
            program.run(ins, outs)
            return
        if self.interpreted is None:
            self.interpreted = prepare(self.graph)
        arrays = [
            memory.array_at(ptr, v.shape, v.dtype, strides and tuple([n * v.dtype.itemsize for n in strides]))
            for ptr, v, strides in zip(ins, self.graph.inputs, self.layouts, strict=True)
        ]
        for ptr, v, result in zip(outs, self.graph.outputs, self.interpreted(arrays), strict=True):
            memory.array_at(ptr, v.shape, v.dtype)[...] = result

    def advance(self) -> Any:
        """The compiled program, once there is one."""
        self.runs += 1
        if config.tier == 0:
            return None
        if self.ticket is None:
            from dovetail.engine.chain import chain  # the code generator is only loaded when a step repeats

            self.ticket = chain(self.graph, layouts=self.layouts, alias=self.alias)
        if self.ticket is None and (self.runs >= config.compile_after or config.tier >= 2):
            from dovetail.engine.program import compile_async

            self.ticket = compile_async(self.graph, layouts=self.layouts, alias=self.alias)
            if config.tier >= 2:
                self.ticket.wait()
        self.program = None if self.ticket is None else self.ticket.program
        return self.program


class Way:
    """How the gradient goes through a segment, for the results that have one and the sources that have one already.

    order: which of [gradients of results, gradients of sources that are there, saved values, sources] the kernel
    reads; reached: the sources that get a gradient, with the meta of it.
    """

    __slots__ = ("kernel", "order", "reached")

    def __init__(self, history: History, given: tuple, added: tuple):
        segment = history.segment
        cotangents = [Value(v.shape, v.dtype) if g else None for v, g in zip(segment.outs, given, strict=True)]
        before = [Value(v.shape, v.dtype) if a else None for (v, _), a in zip(segment.sources, added, strict=True)]
        place = {v: i for i, v in enumerate([v for v in cotangents + before if v is not None])}
        replace: dict[Value, Value] = {}
        old_values = [v for v, _ in segment.leaves] + segment.computed + [v for v, _ in segment.sources]
        for i, v in enumerate(old_values, len(place)):
            if v not in replace:
                replace[v] = Value(v.shape, v.dtype, weak=v.weak)
                place[replace[v]] = i
        nodes, found, _ = differentiate(segment, cotangents, replace, before=before)
        wanted, self.reached, alias = [], [], {}
        for i, (g, old) in enumerate(zip(found, before, strict=True)):
            if g is None or g is old:
                continue
            if old is not None:
                alias[len(wanted)] = old
            wanted.append(g)
            self.reached.append((i, meta(g.shape, g.dtype)))
        graph, self.order = closing.cut(nodes, wanted, place)
        where = {at: i for i, at in enumerate(self.order)}
        first = sum(given) + sum(added)  # of the tensors of the forward pass; gradients are contiguous
        strides = [None] * first + [t._meta.strides for t in history.saved + history.sources]
        layouts = [strides[at] for at in self.order]
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
    waiting: dict[int, tuple[History, list]] = {history.serial: (history, [None] * len(history.segment.outs))}
    waiting[history.serial][1][index] = start
    heap = [-history.serial]
    leaves: dict[int, list] = {}  # by the leaf's id: [memory of its gradient, the leaf]
    visited: list[tuple] = []
    while heap:
        history, gs = waiting.pop(-heappop(heap))
        given = [g.ptr for g in gs if g is not None]
        if not given:  # a neighbour's gradient does not lead here
            continue
        segment, kept = history.segment, history.kept
        if segment.broken or history.freed or history.hooked:
            return False
        if history.watched and history.overwritten({i for i, g in enumerate(gs) if g is not None}) is not None:
            return False
        for t, version in zip(history.leaves, history.versions, strict=True):
            if t._version + t._storage.writes != version:
                return False
        visited.append((history, gs))
        holders, places, added = [], [], []  # where each source's gradient is kept; whether there is one already
        sources = history.sources
        for t in sources:
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
            old, place = holder[at], (id(holder), at)
            if old is None or place in places:  # no gradient yet, or the same tensor once more: added up below
                added.append(False)
            else:
                added.append(True)
                given.append(old.ptr)
            holders.append((holder, at))
            places.append(place)
        key = (tuple([g is not None for g in gs]), tuple(added))
        way = segment.ways.get(key)
        if way is None:
            way = segment.ways[key] = Way(history, *key)
        given += [t._ptr for t in history.leaves]
        if kept is not None:
            given += kept.ptrs
        given += [t._ptr for t in sources]
        results = []
        for i, m in way.reached:
            holder, at = holders[i]
            results.append(holder[at] if added[i] else memory.allocate(m.nbytes))
        way.kernel.run([given[i] for i in way.order], [r.ptr for r in results])
        for (i, m), g in zip(way.reached, results, strict=True):
            holder, at = holders[i]
            old = holder[at]
            if old is None:
                holder[at] = g
            elif old is not g:  # the tensor is a source twice
                total = memory.as_array(old, old.ptr, m.shape, m.dtype)
                total += memory.as_array(g, g.ptr, m.shape, m.dtype)
    return finish(leaves, visited, retain_graph)


def seed(loss: Tensor, cotangent: Tensor | None) -> memory.Storage | None:
    """The gradient that the walk begins with, in memory of its own; None where the ordinary way has to speak."""
    m = loss._meta
    if cotangent is None:
        if m.numel != 1:
            return None
        g = memory.allocate(m.nbytes)
        memory.as_array(g, g.ptr, m.shape, m.dtype).fill(1)
        return g
    if not isinstance(cotangent, Tensor) or cotangent._joint is not None or cotangent._meta.requires_grad:
        return None
    cotangent._settle()
    if cotangent._meta.shape != m.shape or cotangent._meta.dtype is not m.dtype:
        return None
    g = memory.allocate(m.nbytes)
    np.copyto(memory.as_array(g, g.ptr, m.shape, m.dtype), cotangent._memory())
    return g


def finish(leaves: dict[int, list], visited: list[tuple], retain_graph: bool) -> bool:
    """Hand the gradients to the leaves and let go of what was needed for them."""
    for g, leaf in leaves.values():
        if g is not None and leaf._grad is not None and leaf.grad._meta.requires_grad:
            return False
    for g, leaf in leaves.values():
        if g is None:
            continue
        m = leaf._meta
        if leaf._grad is None:
            leaf._grad = t = _new(Tensor)
            t._meta, t._storage, t._ptr = meta(m.shape, m.dtype), g, g.ptr
        else:
            old = leaf.grad
            old._settle()
            total = old._memory()
            total += memory.as_array(g, g.ptr, m.shape, m.dtype)
            old._version += 1
    if not retain_graph:
        where = user_line()
        for history, gs in visited:
            for i, g in enumerate(gs):
                if g is not None:
                    history.free(i, where)
    return True


FOR_THE_DESK = frozenset(("out", "generator", "layout", "pin_memory", "memory_format", "requires_grad", "device"))
NUMBERS = frozenset((int, float, bool, type(None), str))
NEVER = (Tensor, dict, slice, np.ndarray)
