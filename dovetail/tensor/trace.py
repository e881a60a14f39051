"""The trie of traces: what came at each point of a program before, so that a replay costs a few comparisons.

An `Event` is one call of an op (or one macro call: backward, optimizer update) at one point of a trace. Its inputs
and outputs are *slots*, numbered along the path from the root. Slot 0 is never a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from dovetail.ir.core import Node, Value
from dovetail.tensor.meta import Meta


def picker(places: list[int]) -> Callable[[list], Sequence]:
    """A function that takes what is at `places` out of a list."""
    if not places:
        return lambda items: ()
    first = places[0]
    if list(places) == list(range(first, first + len(places))):  # one slice is quicker than several places
        return itemgetter(slice(first, first + len(places)))
    return itemgetter(*places)


class Wild:
    """Stands in a remembered call for a Python number that became an input: equal to any number of its type."""

    __slots__ = ("kind",)

    def __init__(self, kind: type):
        self.kind = kind

    def __eq__(self, other) -> bool:
        return type(other) is self.kind or (isinstance(other, Wild) and other.kind is self.kind)

    def __hash__(self) -> int:
        return hash(self.kind)

    def __repr__(self) -> str:
        return f"<any {self.kind.__name__}>"


class Hole:
    """Stands in a remembered call where a tensor was given. Equal to nothing but itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<tensor>"


HOLE = Hole()
MANY = 12  # successors of an event from which on they are looked up


class Event:
    """One call at one point of a trace.

    op, key     what was called, and its arguments with HOLE for tensors (`key` is compared with types)
    ins         slots of the tensor inputs; new[i] is the Meta of input i where it is a leaf first seen here, else None
    outs        (slot, Meta, view base slot or 0) of the tensors made
    repoints    (old slot, new slot, Meta): tensors given a new value in place
    defs        (slot, Value) made known here; nodes: what the body added to the graph
    start       the latest event up to here whose inputs all had their values: where a loop body may begin again
    kids, plain, one, cuts, patience: for programs whose traces never come again (eager.py): successors by what decides
    about a call; whether nothing was written so far; (slot, Meta) where the call makes one tensor and no view
    tail        (age of the slots, (slot, reference) of each parameter) of the branch that begins here, when it was left
    replay      what a call is handed to while this event is expected (replay.py)
    count, given, leading, twice, rest, rest_kinds, form: of a call with one to three tensors in front and plain
                settings: how many tensors and arguments, (position, slot, Meta of a new leaf) of the tensors, whether
                one comes twice, the other arguments, their types; a call with keywords
    """

    __slots__ = (
        "op",
        "key",
        "ins",
        "new",
        "outs",
        "repoints",
        "defs",
        "nodes",
        "parent",
        "children",
        "by_call",
        "next",
        "end",
        "depth",
        "count",
        "given",
        "twice",
        "leading",
        "form",
        "rest",
        "rest_kinds",
        "rest_types",
        "replay",
        "result",
        "numbers",
        "where",
        "stepped",
        "needs_grad",
        "extra",
        "frees",
        "sources",
        "site",
        "start",
        "metas",
        "closings",
        "views",
        "checks",
        "limits",
        "kids",
        "plain",
        "one",
        "cuts",
        "patience",
        "tail",
    )

    def __init__(self, op, parent: Event | None, key: tuple = ()):
        self.op, self.parent, self.key = op, parent, key
        self.ins: tuple[int, ...] = ()
        self.new: tuple[Meta | None, ...] = ()
        self.outs: list[tuple[int, Meta, int]] = []
        self.repoints: list[tuple[int, int, Meta]] = []
        self.defs: list[tuple[int, Value]] = []
        self.nodes: list[Node] = []
        self.children: list[Event] = []
        self.by_call: dict[Any, list[Event]] | None = None  # the same, once they are many
        self.next: Event = NOTHING
        self.end = parent.end if parent else 1
        self.depth = parent.depth + 1 if parent else 0
        self.count = self.given = 0
        self.twice = False
        self.leading: list[tuple[int, int, Meta | None]] = []
        self.replay: Any = NOTHING.replay
        self.form: tuple = ()
        self.rest: tuple = ()
        self.rest_kinds: tuple = ()
        self.rest_types: tuple = ()
        self.result: Any = None
        self.numbers: tuple = ()
        self.where: tuple[str, int, str] = ("", 0, "")
        self.stepped = parent.stepped if parent else False
        self.needs_grad = parent.needs_grad if parent else False
        self.extra: Any = None
        self.frees: set[Value] = set()
        self.sources: list[tuple[Value, int]] = []
        self.closings: Any = None
        self.views = parent.views if parent else False
        self.kids: dict[tuple, Event] = {}
        self.plain = parent is None
        self.one: tuple[int, Meta] | None = None
        self.cuts, self.patience = 0, 16
        self.tail: tuple[int, list] | None = None
        self.checks: list = []
        self.limits: tuple = ()  # (position, dtype) of numbers that became inputs, and must fit
        self.site: tuple = ()
        self.metas: list[Meta] = []
        self.start: Event | None = parent.start if parent is not None else None

    def path(self) -> list[Event]:
        """The events from the root (left out) to this one."""
        events, e = [], self
        while e.parent is not None:
            events.append(e)
            e = e.parent
        events.reverse()
        return events

    def add(self, child: Event) -> None:
        self.children.append(child)
        self.next = child
        if self.by_call is not None:
            self.by_call.setdefault(child.call(), []).append(child)

    def call(self) -> Any:
        """What tells this call from others; None where that cannot be looked up: a number that became an input is equal
        to any number, and not every setting has a hash."""
        name = (self.op, self.key, self.rest_types)
        try:
            hash(name)
        except TypeError:
            return None
        return None if self.numbers else name

    def like(self, op: Any, key: tuple, types: tuple) -> list[Event]:
        """The successors that a call may be. A loop over places leaves hundreds (benchmark nanogpt_generate_kv)."""
        if len(self.children) < MANY:
            return self.children
        if self.by_call is None:
            self.by_call = {}
            for child in self.children:
                self.by_call.setdefault(child.call(), []).append(child)
        loose = self.by_call.get(None, [])
        try:
            return loose + self.by_call.get((op, key, types), [])
        except TypeError:
            return self.children

    def __repr__(self) -> str:
        return f"Event({getattr(self.op, 'name', self.op)}, ins={self.ins}, outs={[s for s, *_ in self.outs]})"


NOTHING: Event = Event.__new__(Event)  # the successor of an event that has none: matches no call
for _name, _value in dict(
    op=None, count=0, given=0, children=[], key=(), rest=(), parent=None, replay=None
).items():
    setattr(NOTHING, _name, _value)
NOTHING.next = NOTHING
