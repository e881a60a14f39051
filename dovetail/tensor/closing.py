"""Running a trace: which tensors are still wanted, the plan for them, and where the results go.

A tensor of the trace is wanted when Python still refers to it (`sys.getrefcount`), or when it was written in place.
For each set of wanted tensors at one event there is a `Plan`: a graph with its inputs and outputs by slot, run by the
NumPy interpreter first and by a compiled program once the same plan has come twice.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from sys import getrefcount
from time import perf_counter
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from dovetail.base.config import config
from dovetail.base.errors import GradientError, message
from dovetail.engine.generic import outline
from dovetail.engine.interpret import exact, prepare
from dovetail.ir.core import Graph, Node, Value, building
from dovetail.runtime import flight as flights
from dovetail.runtime import memory
from dovetail.runtime.flight import Flight, flying, land
from dovetail.runtime.pool import APART
from dovetail.tensor import anomaly, checks, history, views
from dovetail.tensor.meta import EARLIER, Meta, meta
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.trace import Event, picker

allocate = memory.allocate
_flag = ctypes.c_bool.from_address


def shares_memory(t) -> bool:
    """Whether another tensor or a NumPy array may see the memory of `t`; then writes must not be put off."""
    storage = t._storage
    if storage is None or not t._shared:
        return False
    return getrefcount(storage) > 3 or storage.exported or storage.home is None


SLOW = 0.02  # seconds from which on an interpreted step is worth compiling for other sizes too
_slow: WeakValueDictionary[int, Plan] = WeakValueDictionary()  # such steps by the outline of their graphs
SMALL = 1 << 18  # bytes of kept values that may lie in one block


class Closing:
    """What is worked out once for an event at which traces are closed.

    fresh    slots of tensors made on the path (their latest slots); kept only while Python refers to them
    tied     slots of leaves with a history: where no trace comes again, nothing but memory would come of keeping them
    mutated  (first slot, latest slot, Meta) of tensors that existed before and were written in place
    grads    (slot, latest slot) of gradients; reset: slots that hold no leaf and are cleared afterwards
    bases    slot of a view -> slot of the tensor it looks into; repeated: of views that show an element several times
    """

    __slots__ = (
        "event",
        "values",
        "fresh",
        "tied",
        "mutated",
        "grads",
        "reset",
        "bases",
        "repeated",
        "metas",
        "plans",
        "freed",
        "nodes",
        "sources",
        "leaves",
        "checks",
        "latest",
    )

    def __init__(self, event: Event):
        self.event = event
        self.latest: Plan | None = None
        self.values: dict[int, Value] = {}
        self.sources: dict[Value, int] = {}
        self.freed: dict[Value, tuple] = {}
        self.metas: dict[int, Meta] = {}
        self.bases: dict[int, int] = {}
        self.repeated: list[int] = []
        self.nodes: list[Node] = []
        self.leaves: set[int] = set()
        self.checks: list[checks.Check] = []
        latest: dict[int, int] = {}
        fresh: list[int] = []
        grads: list[int] = []
        reset: list[int] = []
        for e in event.path():
            self.nodes += e.nodes
            self.checks += e.checks
            self.values.update(e.defs)
            self.sources.update(e.sources)
            self.freed.update(dict.fromkeys(e.frees, e.where))
            for s, m in zip(e.ins, e.new, strict=True):
                if m is not None:
                    self.leaves.add(s)
                    self.metas[s] = m
            self.leaves.update(s for _, s in e.numbers)
            for s, m, base in e.outs:
                fresh.append(s)
                reset.append(s)
                self.metas[s] = m
                if base:
                    self.bases[s] = base
                    if base in self.repeated or any(map(views.repeats, e.nodes)):
                        self.repeated.append(s)
            for old, new, m in e.repoints:
                first = next((f for f, now in latest.items() if now == old), old)
                latest[first] = new
                reset.append(new)
                self.metas[new] = m
            for s, m in history.grad_slots(e):
                grads.append(s)
                reset.append(s)
                self.metas[s] = m
        self.fresh = [latest.get(s, s) for s in fresh]
        self.grads = [(s, latest.get(s, s)) for s in grads]
        made = set(fresh) | set(grads)
        self.mutated = [(f, now) for f, now in latest.items() if f not in made]
        self.reset = stretches(reset)
        self.tied = [s for s in self.leaves if s in self.metas and self.metas[s].history is not None]
        self.plans: dict[tuple, Plan] = {}


def close(rec: Any, reason: str, beside: bool = False) -> None:
    """Run the trace the recorder stands at and go back to the root."""
    broken = None if rec.unproved is None else disproof(rec)
    event, run = rec.node, rec.run
    slots = rec.slots
    c = event.closings
    if c is None:
        c = event.closings = Closing(event)
    if c.bases:
        live = views.wanted(c, slots)
    else:
        live = [s for s in c.fresh if getrefcount(slots[s]) > 2]
    live_grads = history.wanted_grads(c, run, slots) if c.grads else []
    plan = c.latest
    try:
        if plan is None or plan.wanted != (live, live_grads):
            key = (tuple(live), tuple(live_grads))
            plan = c.plans.get(key)
            if plan is None:
                plan = c.plans[key] = Plan(c, live, live_grads, slots)
                plan.reason, plan.wanted = reason, (live, live_grads)
            c.latest = plan
        rec.last = plan
        plan.execute(slots, run, beside)
    finally:
        for s, end, nothing in c.reset:
            slots[s:end] = nothing
        if rec.at_once:
            for s in c.tied:
                slots[s] = None
        if rec.held:
            rec.let_go()
        rec.begin_again()
    if broken is not None:
        raise broken


def disproof(rec: Any) -> Exception | None:
    """The error of a fact that does not hold in the trace that ran last, if it ran beside Python and has not been asked
    yet. It is made here, since what is to run next may write to the tensors in question."""
    if rec.unproved is None:
        return None
    (before, facts), rec.unproved = rec.unproved, None
    land()
    if not _flag(before.flag.ptr).value:
        return None
    before.held = {s: copy for s, (_, copy) in facts.items()}
    try:
        before.find_broken_fact({s: t for s, (t, _) in facts.items()})
    except Exception as error:
        return error
    return before.checks[0].error(None)


def stretches(slots: list[int]) -> list[tuple[int, int, list[None]]]:
    """(first, end, as many None) of slots that follow each other."""
    found: list[tuple[int, int, list[None]]] = []
    for s in sorted(set(slots)):
        if found and found[-1][1] == s:
            first, end, nothing = found[-1]
            found[-1] = (first, s + 1, [*nothing, None])
        else:
            found.append((s, s + 1, [None]))
    return found


def foreign(t) -> Any:
    """A tensor with the value of `t`, which another thread has not run yet (or an older run left behind)."""
    run = t._run
    if run is None:
        return t
    recorder = run.recorder
    event, slots = recorder.node, list(recorder.slots)
    if t._run is not run:
        return t
    c = Closing(event)
    slot = next((s for s in sorted(c.values, reverse=True) if s < len(slots) and slots[s] is t), 0)
    if not slot:
        raise GradientError(
            message(
                "tensor",
                "the value was lost, because running the trace it belongs to failed or was interrupted",
                [("tensor", t)],
                "Compute it again; the error that stopped the run was raised before",
            )
        )
    plan = Plan(c, [slot], [], slots, only=True)
    arrays = [slots[s]._memory() for s in plan.in_slots]
    return Tensor.from_array(prepare(plan.graph)(arrays)[0])


class Plan:
    """A trace with the set of results that are wanted: a graph whose inputs and outputs are known by slot.

    read, targets  addresses of the leaves that are read and of those that are written, as of the last run
    log, noted     the recorder's log of leaves that changed, and how long it was then
    held           the recorder's leaves in memory that others see, with copies where they may have written since
    flag           memory for the one result that says whether a check has failed; check_slots: leaves that checks read
    """

    __slots__ = (
        "graph",
        "in_slots",
        "outs",
        "grads",
        "mutated",
        "aliases",
        "kept",
        "segment",
        "hists",
        "interpret",
        "program",
        "ticket",
        "runs",
        "empty",
        "checks",
        "source",
        "written",
        "plain_of",
        "other_of",
        "block",
        "offsets",
        "dense",
        "reason",
        "live",
        "live_grads",
        "wanted",
        "places",
        "read",
        "targets",
        "log",
        "held",
        "check_slots",
        "only_read",
        "noted",
        "flag",
        "__weakref__",
    )

    def __init__(
        self, c: Closing, live: list[int], live_grads: list[int], slots: list, only: bool = False,
        lost: frozenset[Value] = frozenset(),
    ):  # fmt: skip
        """only: these values and no writes. lost: values that cannot be computed; what needs them is left out."""
        self.runs = 0
        self.reason = ""
        self.wanted: tuple = ()
        self.log: Any = None
        self.held: dict[int, memory.Storage | None] = {}
        self.program: Any = None
        self.ticket: Any = None
        self.interpret: Any = None
        mutated = [] if only else [(first, now) for first, now in c.mutated if c.values[now] not in lost]
        if lost:
            live, live_grads = ([s for s in some if c.values[s] not in lost] for some in (live, live_grads))
        self.live, self.live_grads = live, live_grads
        self.aliases = views.aliases(c, live, slots)
        own = [s for s in live if s not in self.aliases]
        self.outs = [(s, c.metas[s], c.metas[s].nbytes) for s in own]
        self.grads = [(s, c.metas[s], c.metas[s].nbytes) for s in live_grads]
        self.mutated = [(now, c.metas[now]) for _, now in mutated]
        self.written = [now for _, now in mutated]
        plain = [type(slots[now]) is Tensor for now in self.written]
        self.plain_of = picker([now for now, one in zip(self.written, plain, strict=True) if one])
        self.other_of = picker([now for now, one in zip(self.written, plain, strict=True) if not one])
        self.dense = all(m.strides is None for _, m in self.mutated)
        wanted = [c.values[s] for s in own] + [c.values[s] for s in live_grads] + [c.values[now] for _, now in mutated]
        self.segment, self.hists, self.kept = None, (), []
        self.block, self.offsets = 0, []
        if not only:
            self.segment, hists = history.plan(c, live + live_grads + [now for _, now in mutated])
            self.hists = tuple(
                (s, i, name, c.metas[s].with_grad(True, EARLIER if type(i) is int else history.FREED))
                for s, i, name in hists
            )
            if self.segment is not None:
                self.kept = [meta(v.shape, v.dtype) for v in self.segment.computed]
                self.arrange()
                wanted += self.segment.computed
        nodes = c.nodes
        self.checks = [] if only or lost else c.checks
        if self.checks:
            with building() as more:
                wanted.append(checks.together(self.checks))
            nodes = nodes + more
        by_value = {c.values[s]: s for s in sorted(c.leaves, reverse=True)}
        self.graph, self.in_slots = cut(nodes, wanted, by_value)
        if self.segment is not None:
            self.segment.traits = self.graph, self.in_slots, wanted, c.nodes
        self.source = c
        self.empty = not wanted
        self.flag = allocate(1) if self.checks else None
        self.check_slots = cut(c.nodes, [check.value for check in self.checks], by_value)[1] if self.checks else []
        self.read, self.targets, self.noted = [0] * len(self.in_slots), [0] * len(mutated), 0
        self.places: dict[int, list[tuple[list[int], int]]] = {}  # slot of a leaf -> where its address goes
        for addresses, leaves in ((self.read, self.in_slots), (self.targets, [first for first, _ in mutated])):
            for i, s in enumerate(leaves):
                self.places.setdefault(s, []).append((addresses, i))
        self.only_read = {s: i for i, s in enumerate(self.in_slots) if len(self.places[s]) == 1}

    def arrange(self) -> None:
        """Many small kept values share a block: they are let go of together, and a request costs more than they do."""
        total = 0
        for m in self.kept:
            self.offsets.append(total)
            total += max(m.nbytes + memory.ALIGN - 1 & -memory.ALIGN, memory.ALIGN)
        self.block = total if len(self.kept) > 1 and total <= SMALL else 0

    def execute(self, slots: list, run, beside: bool = False) -> None:
        """Compute the wanted values and put them into their tensors."""
        self.runs += 1
        self.held = run.recorder.held
        found = self.look_for_nan(slots) if config.anomaly else None
        made, kept, flight = [], None, None
        if not self.empty:
            program = self.program or self.advance_tier(slots, run.recorder.at_once)
            try:
                if program is None:
                    made, kept = self.run_numpy(slots)
                else:
                    pace = program.pace
                    if beside and pace is not None and found is None and self.airworthy(run.recorder):
                        pace.may_fly = True
                        flight = Flight() if pace.order & APART or config.beside else None
                    made, kept = self.run_native(program, slots, run.recorder.log, flight)
            except Exception:
                if program is None or not self.mutated:  # what machine code has begun to overwrite cannot be saved
                    self.salvage(slots, run)
                raise
        if self.flag is None:
            pass
        elif flight is not None and flight in flying:
            run.recorder.unproved = self, {s: (slots[s], self.held.get(s)) for s in self.check_slots}
            run.recorder.copies.clear()  # they may be needed for the error
        elif _flag(self.flag.ptr).value:
            self.explain(slots, made, kept, run)
        history.deliver(self, made, kept, slots, run)
        if found is not None:
            raise found

    def airworthy(self, rec: Any) -> bool:
        """Whether the program may run while Python goes on: nobody but tensors sees what it writes, and nobody writes
        what it reads."""
        if config.beside is False or flights.grounded:
            return False
        if rec.at_risk or not self.dense or rec.at_once or rec.capture is not None:
            return False
        slots = rec.slots
        for now in self.written:
            t = slots[now]
            if t._shared and (shares_memory(t) or t._ptr != t._storage.ptr):  # to_read knows the first address only
                return False
        return True

    def salvage(self, slots: list, run) -> None:
        """A primitive has failed: whatever does not depend on it gets its value all the same, as if run line by line.

        A program may catch the error (a matrix that has no Cholesky factor, an index out of range) and go on.
        """
        lost = lost_values(self.source, slots)
        rest = Plan(self.source, self.live, self.live_grads, slots, lost=lost)
        if lost and not rest.empty:
            history.deliver(rest, *rest.run_numpy(slots), slots, run)
        for first, now in self.source.mutated:  # a write whose numbers never came leaves its tensor as it was
            t = slots[now]
            if self.source.values[now] in lost and t is not None and t._storage is not None:
                t._run, t._meta = None, self.source.metas.get(first, t._meta)

    def look_for_nan(self, slots: list) -> Exception | None:
        """What detect_anomaly will raise, once the results are delivered."""
        arrays = [self.leaf(s, slots) for s in self.in_slots]
        return anomaly.search(self.graph, arrays, len(self.outs) + len(self.grads) + len(self.mutated))

    def explain(self, slots: list, made: list, kept: history.Kept | None, run) -> None:
        """A flag is up: say which fact does not hold. The results are delivered first, so that nothing is lost."""
        history.deliver(self, made, kept, slots, run)
        self.find_broken_fact(slots)
        raise self.checks[0].error(None)

    def find_broken_fact(self, slots: list) -> None:
        """Raise the error of the first fact that does not hold; nothing where the step has written over its numbers."""
        for check in self.checks:
            graph, where = cut(self.source.nodes, [check.value], {self.source.values[s]: s for s in self.source.leaves})
            found = prepare(graph)([self.leaf(s, slots) for s in where])[0]
            if checks.outside(found, check.low, check.high).any():
                raise check.error(found)

    def advance_tier(self, slots: list, at_once: bool = False) -> Any:
        """The compiled program, once there is one. It is asked for after `config.compile_after` equal runs.

        at_once: where structure depends on data, a chain of the programs of the single calls.
        """
        if config.tier == 0:
            return None
        if self.ticket is None and at_once:
            from dovetail.engine.chain import chain

            layouts = [slots[s]._meta.strides for s in self.in_slots]
            self.ticket = chain(self.graph, layouts=layouts, alias=self.alias_map(slots))
        if self.ticket is None:
            if self.runs < config.compile_after and config.tier < 2:
                self.program = self.generic_program(slots) if self.runs == 1 else None
                if self.program is not None or not self.another_size(slots):
                    return self.program
            from dovetail.engine import program as engine  # the code generator is only loaded when a step repeats

            layouts = [slots[s]._meta.strides for s in self.in_slots]
            alias = self.alias_map(slots)
            self.ticket = engine.compile_async(self.graph, layouts=layouts, alias=alias)
            if config.tier >= 2:
                self.ticket.wait()
        self.program = self.ticket.program
        return self.program

    def generic_program(self, slots: list) -> Any:
        """A program for all sizes, where earlier steps of other sizes have led to one."""
        engine = sys.modules.get("dovetail.engine.program")  # not loaded: nothing was compiled yet
        if engine is None:
            return None
        layouts = [slots[s]._meta.strides for s in self.in_slots]
        return engine.find_generic(self.graph, layouts=layouts, alias=self.alias_map(slots))

    def another_size(self, slots: list) -> bool:
        """Whether a slow step has been run that differs from this one in sizes only: they count as equal runs then.

        Batches of twenty lengths would else be interpreted twenty times before one of them came again.
        """
        other = _slow.get(outline(self.graph)) if _slow and self.runs == 1 else None
        if other is None or other is self:
            return False
        from dovetail.engine import program as engine

        layouts = [slots[s]._meta.strides for s in self.in_slots]
        return engine.differ_in_sizes(other.graph, self.graph, layouts=layouts, alias=self.alias_map(slots))

    def alias_map(self, slots: list) -> dict[int, int]:
        """Outputs that are written over the input they replace."""
        where = {s: i for i, s in enumerate(self.in_slots)}
        first = len(self.outs) + len(self.grads)
        before = {now: s for s, now in self.source.mutated}
        found = {}
        for k, (now, m) in enumerate(self.mutated):
            i = where.get(before[now])
            if i is not None and m.strides is None:
                found[first + k] = i
        return found

    def run_numpy(self, slots: list) -> tuple[list, history.Kept | None]:
        """Tier 0. Returns storages for the fresh results (tensors first, then gradients), and the kept values."""
        if self.interpret is None:
            self.interpret = prepare(self.graph)
        begin = perf_counter()
        try:
            results = self.interpret([self.leaf(s, slots) for s in self.in_slots])
        except IndexError:
            self.find_broken_fact(slots)
            raise
        if perf_counter() - begin > SLOW:
            _slow[outline(self.graph)] = self
        first, count = len(self.outs) + len(self.grads), len(self.mutated)
        for (now, _), result in zip(self.mutated, results[first : first + count], strict=True):
            t = slots[now]
            if t._storage is None:
                t._storage = memory.from_array(result)
                t._ptr = t._storage.ptr
            else:
                np.copyto(t._memory(), result)
        if self.flag is not None:
            _flag(self.flag.ptr).value = bool(results.pop())
        made = [memory.own(r) for r in results[:first] + results[first + count :]]
        if not self.kept:
            return made, None
        held = made[first : first + len(self.kept)]
        del made[first : first + len(self.kept)]
        return made, history.Kept(self.kept, [h.ptr for h in held], held)

    def run_native(
        self, program: Any, slots: list, log: list, flight: Flight | None = None
    ) -> tuple[list, history.Kept | None]:
        if self.log is not log or len(log) - self.noted > len(self.places):
            self.look_up(slots, self.places)
            self.log = log
        elif self.noted != len(log):
            self.look_up(slots, log[self.noted :])
        self.noted = len(log)
        if self.held:
            self.read_held()
        made = [allocate(n) for _, _, n in self.outs]
        if self.grads:
            made += [allocate(n) for _, _, n in self.grads]
        outs = [m.ptr for m in made]
        strided = []
        if self.dense:
            outs += self.targets
        else:
            for (now, m), ptr in zip(self.mutated, self.targets, strict=True):
                if m.strides is not None:
                    temporary = allocate(m.nbytes)
                    strided.append((slots[now], temporary, m))
                    ptr = temporary.ptr
                outs.append(ptr)
        kept = None
        if self.kept:
            if self.block:
                held = [memory.allocate(self.block)]
                start = held[0].ptr
                ptrs = [start + offset for offset in self.offsets]
            else:
                held = [memory.allocate(m.nbytes) for m in self.kept]
                ptrs = [h.ptr for h in held]
            kept = history.Kept(self.kept, ptrs, held)
            outs += ptrs
        if self.flag is not None:
            outs.append(self.flag.ptr)
        if flight is None:
            program.run(self.read, outs)
        else:
            program.run(self.read, outs, (), flight)
        for t, temporary, m in strided:
            np.copyto(t._memory(), memory.as_array(temporary, temporary.ptr, m.shape, m.dtype))
        return made, kept

    def leaf(self, s: int, slots: list) -> np.ndarray:
        """What the leaf in a slot held when it was used."""
        t, copy = slots[s], self.held.get(s)
        return t._memory() if copy is None else t._view_of(copy, copy.ptr)

    def read_held(self) -> None:
        """Let the program read the copies of leaves that were held, but for those which it writes."""
        for s, copy in self.held.items():
            i = self.only_read.get(s)
            if i is not None and copy is not None:
                self.read[i] = copy.ptr

    def look_up(self, slots: list, changed: Iterable[int]) -> None:
        """Take in the addresses of leaves. Only those are asked that are others than at the last run: asking all
        parameters and states is a walk through memory that the step has pushed out of the caches."""
        for s in changed:
            for addresses, i in self.places.get(s, ()):
                addresses[i] = slots[s]._ptr


def lost_values(c: Closing, slots: list) -> frozenset[Value]:
    """The values of a trace that cannot be computed: those of primitives that fail, and all that depends on them."""
    table = {c.values[s]: slots[s]._memory() for s in c.leaves if slots[s] is not None and slots[s]._run is None}
    lost: set[Value] = set()
    with np.errstate(all="ignore"):
        for node in c.nodes:
            if any(v not in table for v in node.inputs):
                lost.update(node.outs)
                continue
            try:
                made = node.prim.meaning(*[table[v] for v in node.inputs], **node.params)
            except Exception:
                lost.update(node.outs)
                continue
            results = made if isinstance(made, (tuple, list)) else (made,)
            for v, result in zip(node.outs, results, strict=True):
                table[v] = exact(result, v.dtype.np, tuple(v.shape))
    return frozenset(lost)


def cut(nodes: list[Node], wanted: list[Value], by_value: dict[Value, int]) -> tuple[Graph, list[int]]:
    """The graph that computes `wanted` from the leaves, copied so that its inputs are plain Values.

    by_value: leaf Value -> slot. Returns the graph and the slots of its inputs, in order of slot.
    """
    needed: set[Value] = set()
    stack = list(wanted)
    used: set[int] = set()
    while stack:
        v = stack.pop()
        if v in needed:
            continue
        needed.add(v)
        if v in by_value:
            used.add(by_value[v])
        elif v.node is not None:
            stack.extend(v.node.inputs)
        else:
            raise AssertionError(f"a value of the trace has no source: {v}")
    slots = sorted(used)
    new: dict[Value, Value] = {}
    of_slot = {s: v for v, s in by_value.items() if s in used}
    inputs = []
    for s in slots:
        v = of_slot[s]
        new[v] = Value(v.shape, v.dtype, None, weak=v.weak, name=f"a{s}")
        inputs.append(new[v])
    copied: list[Node] = []
    seen: set[int] = set()
    for node in order(nodes, needed, by_value):
        if id(node) in seen:
            continue
        seen.add(id(node))
        twin = Node(node.prim, tuple(new[v] for v in node.inputs), node.params)
        twin.outs = tuple(Value(v.shape, v.dtype, twin, v.index) for v in node.outs)
        twin.where, twin.region = node.where, node.region
        for old, fresh in zip(node.outs, twin.outs, strict=True):
            if old not in by_value:
                new[old] = fresh
        copied.append(twin)
    return Graph(inputs, copied, [new[v] for v in wanted]), slots


def order(nodes: list[Node], needed: set[Value], by_value: dict[Value, int]):
    """The nodes whose results are needed, in the order they were recorded."""
    for node in nodes:
        if any(v in needed and v not in by_value for v in node.outs):
            yield node
