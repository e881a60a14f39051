"""The recorder: op calls become a trace; a trace that was seen before is followed by a cursor instead of rebuilt.

Each thread has a `Recorder`. It stands at an `Event` of the trie (`node`) and expects that event's latest successor
(`expect`). `slots` holds the tensors of the trace by slot; at the start of a run it already holds the leaves of the
last run, so that a parameter is recognised by one identity comparison. A leaf that changed (the next batch) is bound
after a look at its Meta; anything else is recorded as a new branch.

Closing a trace runs it (`closing.py`). A trace is closed when somebody looks at a value, when the step after
`optimizer.step()` begins, when a loop body repeats with no gradient outstanding, and at `config.max_pending` events.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import memmove
from itertools import count, repeat
from operator import is_
from sys import getrefcount
from typing import Any
from weakref import ref

import numpy as np

from dovetail.base import errors
from dovetail.base.config import config
from dovetail.ir.core import Value, scope
from dovetail.runtime import memory
from dovetail.runtime.flight import flying
from dovetail.tensor import closing, views
from dovetail.tensor.meta import Meta, forget_leaf, layout_age, watch
from dovetail.tensor.tensor import watchers
from dovetail.tensor.trace import HOLE, NOTHING, Event

LONG_BODY = 16  # calls of a loop's body that are worth a program of their own, whatever the sizes
LONG_LOG = 4096  # changed leaves that are kept account of
SMALL_COPY = 1 << 16  # bytes up to which the room for a copy is kept
LARGEST_HELD = 64 << 20  # bytes of a leaf that others may write to which are copied when it is used
MAX_EVENTS = 30_000  # of one trie; then it starts afresh (programs stay in the engine's cache)


class Run:
    """One pass along a trace: what makes its tensors `pending`. `tickets`: gradients nobody has looked at yet.

    joints: results of Python code in the gradient's way (joint.py), which must live until the run is over;
    hooked: pending tensors at which Python code waits for the gradient; serial: runs in the order they were begun.
    """

    __slots__ = ("recorder", "tickets", "serial", "joints", "hooked")
    next_serial = count(1).__next__  # a number kept in the class would make Python forget what it knows of the class

    def __init__(self, recorder: Recorder):
        self.recorder, self.serial = recorder, Run.next_serial()
        self.joints: list = []
        self.hooked: list = []
        self.tickets: list = []

    def settle(self, t) -> None:
        """Make the value of `t`, a tensor of this run, be there."""
        rec = local.rec
        rec.looks += 1
        if watchers:
            watchers[-1](t)
        if self is rec.run:
            rec.close()
            if t._run is None:
                return
        other = closing.foreign(t)
        if t._run is not None:
            forget_leaf(t)
            t._storage, t._ptr, t._meta, t._run = other._storage, other._ptr, other._meta, None


def alike(some: list[Meta], others: list[Meta]) -> bool:
    """Whether tensors differ in nothing but sizes."""
    def kind(m: Meta) -> tuple:
        return len(m.shape), m.dtype, m.requires_grad, m.history

    return [kind(m) for m in some] == [kind(m) for m in others]


class PathState:
    """What recording must know about the path so far: the Value in each slot and the gradient state."""

    __slots__ = ("at", "values", "sources", "freed", "mutated")

    def __init__(self):
        self.at: Event | None = None
        self.values: dict[int, Value] = {}
        self.sources: dict[Value, int] = {}
        self.freed: dict[Value, tuple] = {}
        self.mutated: dict[int, int] = {}  # first slot of a leaf written in place -> its slot now

    def apply(self, e: Event) -> None:
        for slot, value in e.defs:
            self.values[slot] = value
        for value, slot in e.sources:
            self.sources[value] = slot
        for value in e.frees:
            self.freed[value] = e.where
        for old, new, _ in e.repoints:
            first = next((f for f, now in self.mutated.items() if now == old), old)
            self.mutated[first] = new
        self.at = e


class Novelty:
    """Whether a program goes on making new traces out of calls that it has made before.

    A trace counts when most of its calls had to be recorded although calls with the same settings and metas had been
    recorded in earlier traces: the program's structure depends on its data. After a few such traces in a row, or a
    quarter of all where many were good before (a text that is written again, benchmark nanogpt_generate), the recorder
    goes at once (eager.py). From time to time it tries to record again, each time after twice as many calls;
    a trial costs as much as ten thousand of them.

    A trace that makes the calls of the one before it on the same tensors, with other numbers or sizes, may well come
    again: the words of a text that is written with a cache do in the next text. Only many of them in a row count, and
    many runs of such traces that have come again and still wait for a program.
    """

    __slots__ = ("known", "new", "again", "streak", "alike", "varied", "waiting", "before", "ended", "left", "patience")
    ENOUGH = 4  # such traces in a row
    MANY = 64  # such traces in a row are enough in any case
    ALIKE = 512  # traces in a row that differ in numbers only are enough, too
    WAITING = 300  # runs of such traces without a program, each at least its third
    SMALLEST = 6  # calls that make a trace count
    MOST = 20_000  # calls remembered

    def __init__(self):
        self.known: dict[tuple, int] = {}
        self.new = self.again = self.streak = self.alike = self.waiting = self.ended = self.left = 0
        self.varied = False  # many traces have differed in numbers only
        self.before: Event | None = None  # where the last trace was closed
        self.patience = 100_000

    def note(self, op, key: tuple, types: tuple, tensors: list, serial: int) -> None:
        """A call was recorded."""
        self.new += 1
        try:
            first = self.known.setdefault((op, key, types, *[t._meta for t in tensors]), serial)
        except TypeError:  # a setting without a hash
            return
        self.again += first != serial
        if len(self.known) > self.MOST:
            self.known.clear()

    def end(self, rec: Recorder, event: Event) -> None:
        """A trace was closed at an event."""
        self.ended += 1
        before, self.before = self.before, event
        if self.new >= self.SMALLEST and 4 * self.again >= 3 * self.new:
            self.alike = self.alike + 1 if same_calls(event, before) else 0
            self.varied = self.varied or self.alike >= self.MANY
            if 0 < self.alike < self.ALIKE:
                self.new = self.again = 0
                return
            self.streak += 1
            if self.streak >= max(self.ENOUGH, min(self.ended // 4, self.MANY)) and not rec.at_once:
                rec.at_once, rec.expect, self.left = True, NOTHING, self.patience
        elif not self.new:
            self.alike = 0
            if self.streak and not rec.at_once:
                self.streak -= 1
        self.new = self.again = 0

    def wait(self, rec: Recorder) -> None:
        """A trace was closed in a program whose traces differ in numbers only."""
        plan = rec.last
        if rec.at_once or plan is None or plan.runs < 3 or config.tier == 0:
            return
        self.waiting += plan.program is None
        if self.waiting >= self.WAITING:
            rec.at_once, rec.expect, self.left, self.waiting = True, NOTHING, self.patience, 0

    def turn(self, rec: Recorder) -> None:
        """Calls run at once; now and then the recorder tries whether traces come again by now."""
        self.left -= rec.node.depth
        if self.left <= 0:
            self.patience = min(2 * self.patience, 2_000_000)
            self.streak = self.MANY - 1
            rec.at_once = False
            rec.template_age = -1  # pieces have left leaves in slots that mean something else on other ways


def same_calls(a: Event, b: Event | None) -> bool:
    """Whether two traces are the same ops on the same slots, whatever the numbers and sizes."""
    if b is None or a.depth != b.depth:
        return False
    while a is not b and a.parent is not None and b.parent is not None:
        if a.op is not b.op or a.ins != b.ins:
            return False
        a, b = a.parent, b.parent
    return a is b


class Recorder:
    """The trace of one thread. Everything here belongs to that thread; other threads go through `closing.foreign`.

    watched: False for a recorder that lives for one capture, which never has a leaf of its own.
    """

    def __init__(self, watched: bool = True):
        self.grad = True
        self.inference = False
        self.autocast: Any = None  # the Policy of ops/autocast.py in force
        self.packing: tuple | None = None  # (pack, unpack) of the innermost saved_tensors_hooks
        self.packing_stack: list[tuple | None] = []
        self.no_packing: str | None = None  # what to say to saved_tensors_hooks where they are disabled
        self.roots: dict[tuple, Event] = {}
        self.events = 0
        self.looks = 0
        self.updated: tuple | None = None  # the line of the last optimizer step
        self.template_age = -1
        self.slots: list[Any] = []
        self.log: list[int] = []  # slots that got another leaf, one after the other; a new list where slots are new
        self.held: dict[int, memory.Storage | None] = {}  # leaves in memory that others see, as they were when used
        self.copies: dict[int, memory.Storage] = {}  # where the last small leaf of a slot was copied to
        self.at_risk = False  # others may write to one that was not copied
        self.width = 64  # slots that every known trace of any root has room in
        self.templates: dict[Event, tuple[list[Any], list[int]]] = {}  # slots and log as other roots left them
        self.run = Run(self)
        self.state = PathState()
        self.root = self.node = self.expect = NOTHING
        self.busy = False
        self.unproved: tuple | None = None  # (plan, leaves that its checks read) of a program that may still fly
        self.last: Any = None  # the plan that ran last
        self.together = False  # what is recorded belongs into one trace, whatever speaks for closing it
        self.strayed = False  # the modes have changed on the way of this trace
        self.known_only = False  # refuses tensors that are pending elsewhere (see `aside`)
        self.capture: Any = None  # set while this recorder makes a function into a graph (capture.py)
        self.novelty = Novelty()
        self.at_once = False  # calls run on the spot (eager.py)
        self.room = 0  # calls that may be recorded behind the ones that are known (eager.py)
        self.histories = 0  # made since the last backward that walked them
        self.numbers: list[int] = []  # positions of arguments that become inputs at once
        self.enter_root()
        if watched:
            watch(self)

    # -- position ------------------------------------------------------------------------------

    def enter_root(self) -> None:
        """Stand at the root for the modes in force, with the leaves of the last run as a guess."""
        if self.events > MAX_EVENTS:
            self.roots.clear()
            self.templates.clear()
            self.events = 0
        if self.held:
            self.let_go()
        self.go_to_root()
        self.run = Run(self)

    def begin_again(self) -> None:
        """As enter_root, after a trace was run: nearly always at the root where it began."""
        if self.strayed or self.template_age != layout_age() or self.events > MAX_EVENTS or not self.roots:
            self.strayed = False
            self.enter_root()
            return
        if len(self.log) > LONG_LOG:
            self.log = []
        root = self.root
        self.node = root
        self.room = 0
        self.expect = NOTHING if self.at_once else root.next
        self.run = Run(self)

    def go_to_root(self) -> None:
        """Stand at the root for the modes in force. The run stays: no tensor is pending in it."""
        key = self.modes()
        root = self.roots.get(key)
        if root is None:
            root = self.roots[key] = Event("root", None, key)
        age = layout_age()
        if self.template_age != age:
            self.templates.clear()
            self.slots, self.log = [None] * self.width, []
            self.template_age = age
        elif root is not self.root:  # a step under autocast comes back to its root every time
            self.templates[self.root] = self.slots, self.log
            self.slots, self.log = self.templates.get(root) or ([None] * self.width, [])
        self.root = self.node = root
        self.room = 0
        self.expect = NOTHING if self.at_once else root.next

    def remembers(self, t) -> bool:
        """Whether t is among the leaves that earlier traces left in the slots."""
        if any(map(is_, self.slots, repeat(t))):
            return True
        return any([any(map(is_, slots, repeat(t))) for slots, _ in tuple(self.templates.values())])

    def slots_of(self, event: Event) -> list[Any]:
        """The slots that a trace which has been run left behind: its leaves."""
        while event.parent is not None:
            event = event.parent
        return self.slots if event is self.root else self.templates.get(event, ([], []))[0]

    def sync(self) -> PathState:
        """The path state at `node`, rebuilt after a stretch of hits."""
        state = self.state
        if state.at is not self.node:
            state = self.state = PathState()
            for e in self.node.path():
                state.apply(e)
            state.at = self.node
        return state

    def set_modes(self, grad: bool, inference: bool = False) -> None:
        """Enter or leave no_grad and its kin: another root while nothing is pending, else an event of the trace."""
        if grad == self.grad and inference == self.inference:
            return
        self.grad, self.inference = grad, inference
        root = self.root
        if self.node is not root or self.template_age != layout_age():
            self.change_modes()
            return
        other = self.roots.get(self.modes())  # a call under no_grad goes there and back: the short way
        kept = self.templates.get(other)
        if kept is None:
            self.change_modes()
            return
        self.templates[root] = self.slots, self.log
        self.slots, self.log = kept
        self.root = self.node = other
        self.room = 0
        self.expect = NOTHING if self.at_once else other.next

    def set_autocast(self, policy: Any) -> None:
        """Enter or leave autocast: as set_modes."""
        before = self.modes()
        self.autocast = policy
        if self.modes() != before:
            self.change_modes()

    def modes(self) -> tuple:
        """What decides what the same call means."""
        autocast = None if self.autocast is None else self.autocast.dtype
        return (self.grad, self.inference, autocast, self.packing is not None)

    def set_packing(self, pair: tuple | None) -> None:
        """Enter or leave saved_tensors_hooks (packing.py): what is pending is run, since each op is a trace then."""
        if pair is self.packing:
            return
        self.close("saved tensors are packed from here on, or not any more")
        self.packing = pair
        self.enter_root()

    def change_modes(self) -> None:
        if self.node is self.root:
            self.go_to_root()
        else:
            self.strayed = True
            self.mark("modes", self.modes())

    def mark(self, what: str, key: tuple) -> Event:
        """An event that computes nothing but decides what later events mean."""
        for child in self.node.children:
            if child.op == what and child.key == key:
                break
        else:
            child = self.new_event(what, key)
            self.add(child)
        self.advance(child)
        return child

    def new_event(self, op, key: tuple) -> Event:
        e = Event(op, self.node, key)
        e.where = scope.where
        return e

    def add(self, e: Event) -> None:
        """Hang a finished event behind `node` and keep the path state in step."""
        self.sync()
        self.node.add(e)
        self.events += 1
        self.state.apply(e)

    def advance(self, e: Event) -> None:
        if e is not self.node.next:
            self.node.next = e
        self.node = e
        self.expect = NOTHING if self.at_once else e.next
        self.reserve(e.end)

    def clear_beyond(self, end: int) -> None:
        """Forget the guesses past slot `end`: they belong to another branch."""
        slots = self.slots
        slots[end:] = [None] * (len(slots) - end)
        for s in [s for s in self.held if s >= end]:
            del self.held[s]

    # -- replay --------------------------------------------------------------------------------

    def find(self, op, tensors: list, key: tuple, types: tuple) -> Event | None:
        """The successor of `node` that this call is, with its leaves bound; None where there is none."""
        expected = self.expect
        if expected.op is op and expected.key == key and expected.rest_types == types and self.bind(expected, tensors):
            return expected
        for child in reversed(self.node.like(op, key, types)):
            if child is expected or child.op is not op or child.rest_types != types or child.key != key:
                continue
            if not self.may_bind(child, tensors):
                continue
            self.turn_to(child)
            if self.bind(child, tensors):
                return child
        return None

    def turn_to(self, child: Event) -> None:
        """Leave the branch that was taken last for another one, with the parameters that it had when it was left.

        Where every word of a text is a branch, finding them one by one takes as long as all the calls.
        """
        node, slots, age = self.node, self.slots, self.template_age
        end, old = node.end, node.next
        if old is not child and old is not NOTHING:
            leaves = [(s, ref(t)) for s, t in enumerate(slots[end:], end) if t is not None and t._leaf]
            old.tail = age, leaves
        self.clear_beyond(end)
        self.reserve(child.end)
        if child.tail is None or child.tail[0] != age or self.at_once:
            return
        here, log = set(map(id, slots[:end])), self.log
        for s, known in child.tail[1]:
            t = known()
            if t is not None and id(t) not in here and not t._shared and s < len(slots):
                slots[s] = t
                log.append(s)

    def may_bind(self, e: Event, tensors: list) -> bool:
        """A quick look at whether `bind` can succeed: a loop over growing sizes leaves hundreds of successors that
        differ in nothing but their tensors (benchmark nanogpt_generate)."""
        slots, end = self.slots, self.node.end
        if len(tensors) != len(e.ins):
            return False
        for t, s, m in zip(tensors, e.ins, e.new, strict=True):
            if t._meta is not m if m is not None else s < end and slots[s] is not t:
                return False
        return True

    def bind(self, e: Event, tensors: list) -> bool:
        """Whether the tensors are what `e` took; leaves first seen here are put into their slots."""
        slots, count = self.slots, len(tensors)
        if count != len(e.ins) or count > 1 and len(set(map(id, tensors))) != len(set(e.ins)):
            return False  # x * x is another program than x * y
        undo: list[tuple[int, Any]] = []
        for t, s, m in zip(tensors, e.ins, e.new, strict=True):
            if slots[s] is t and (m is None or t._meta is m):
                continue
            if m is not None and t._meta is m and t._run is None and not self.is_bound(t):
                undo.append((s, slots[s]))
                self.put(s, t)
                continue
            break
        else:
            return True
        for s, before in undo:
            slots[s] = before
            self.held.pop(s, None)
        return False

    def bind_first(self, e: Event, tensors: list) -> bool:
        """`bind` for the leading inputs of an event only; the others are looked up afterwards."""
        slots = self.slots
        if len(set(map(id, tensors))) != len(set(e.ins[: len(tensors)])):
            return False
        self.reserve(e.end)
        for t, s, m in zip(tensors, e.ins, e.new, strict=False):
            if slots[s] is t and (m is None or t._meta is m):
                continue
            if m is None or t._meta is not m or t._run is not None or self.is_bound(t):
                return False
            self.put(s, t)
        return True

    def put(self, s: int, t) -> None:
        """Let `t` be the leaf in slot `s`. As a guess further on it would pass for one more leaf, and its gradient (or
        what is written to it) for that of another tensor."""
        slots = self.slots
        if t._guessed and any(map(is_, slots, repeat(t))):
            for i in range(self.node.end, len(slots)):
                if slots[i] is t:
                    slots[i] = None
        slots[s] = t
        t._slot, t._guessed = s, True
        self.log.append(s)
        if t._shared:
            self.hold(s, t)

    def hold(self, s: int, t) -> None:
        """Note that leaf `t` in slot `s` lies in memory that NumPy may write, and copy it.

        A program may fill the array that it made the tensor from with the next numbers before the trace is run, and
        a call has its arguments' values as they were when it was made. What is larger than LARGEST_HELD is not copied;
        an optimizer's step is then run at once.
        """
        storage, m = t._storage, t._meta
        if getrefcount(storage.block.owner) < 3 and not storage.exported:  # if it is shown later: see release
            return
        self.held[s] = None
        if self.together or self.capture is not None:
            return
        nbytes = m.nbytes
        if m.strides is not None:
            steps = [(n - 1) * step for n, step in zip(m.shape, m.strides, strict=True)]
            nbytes = (sum(steps) + 1) * m.dtype.itemsize if min(steps) >= 0 else LARGEST_HELD + 1
        if nbytes > LARGEST_HELD:
            self.at_risk = True
        elif m.numel:
            copy = self.copies.get(s)
            if copy is None or copy.nbytes != nbytes or flying:  # what flies may still read the last one
                copy = memory.allocate(nbytes)
                if nbytes <= SMALL_COPY:
                    self.copies[s] = copy
            self.held[s] = copy
            memmove(copy.ptr, t._ptr, nbytes)

    def look_again(self, tensors: list) -> None:
        """A call takes the ordinary way: run the trace where others have written to what it has read of these."""
        self.forget_guesses()
        if any(map(self.changed, tensors)):
            self.close("memory that the trace has read was written by others and is used again")

    def forget_guesses(self) -> None:
        """Leaves that were held for a call which did not come about are no leaves of the trace."""
        end, slots = self.node.end, self.slots
        for s in [s for s in self.held if s >= end]:
            slots[s] = None
            del self.held[s]

    def let_go(self) -> None:
        """The trace was run: leaves in memory that others see are looked at anew when they are used again."""
        slots, held = self.slots, self.held
        for s in held:
            slots[s] = None
        held.clear()
        if self.at_risk:
            self.at_risk = False

    def changed(self, t) -> bool:
        """Whether others have written to the leaf `t`, or to the leaf under the view `t`, since its first use."""
        t = views.root(t)
        if t._run is not None or not t._shared:
            return False
        for s, copy in self.held.items():
            if copy is not None and self.slots[s] is t:
                return not memory.same(copy.ptr, t._ptr, copy.nbytes)
        return False

    def changed_in(self, places: list[int]) -> bool:
        """As changed, of the tensors in these slots."""
        return any([t is not None and self.changed(t) for t in [self.slots[s] for s in places]])

    def prove(self) -> None:
        """Raise what was found wrong with the trace before, where it ran beside Python."""
        error = closing.disproof(self)
        if error is not None:
            raise error

    def release(self, storage: memory.Storage) -> None:
        """Others are about to see this memory, and may write there: what is pending and reads it is run before, and
        who uses it next has to bind it anew."""
        if self.unproved is not None:
            self.prove()
        if self.capture is not None or getrefcount(storage) <= 3:  # one tensor's, and the arguments here
            return
        if self.node is not self.root:
            for s, t in enumerate(self.slots[: self.node.end]):
                if t is not None and t._storage is storage and self.held.get(s) is None:
                    self.close("memory that the trace reads was shown to others")
                    break
        end = self.node.end
        for slots, first in ((self.slots, end), *[(slots, 0) for slots, _ in self.templates.values()]):
            for s in range(first, len(slots)):
                if slots[s] is not None and slots[s]._storage is storage:
                    slots[s] = None

    def reserve(self, end: int) -> None:
        """Make room for slots below `end`."""
        if end > len(self.slots):
            self.width = max(self.width, end + 64)
            self.slots.extend([None] * (self.width - len(self.slots)))

    def slot_in(self, e: Event, t, taken: dict[int, int]) -> int:
        """The slot that `t` has, or was given while `e` is being made."""
        return taken.get(id(t)) or self.slot_of(t)

    def is_bound(self, t) -> bool:
        """Whether this trace has `t` already."""
        return t._guessed and any(map(is_, self.slots[1 : self.node.end], repeat(t)))

    def slot_of(self, t) -> int:
        """The slot of a tensor of this trace; 0 where it has none yet."""
        slots, end = self.slots, self.node.end
        if t._slot < end and slots[t._slot] is t:
            if t._run is None or t._run is self.run:
                latest = self.sync().mutated.get(t._slot, t._slot)
                return latest if slots[latest] is t else t._slot  # else it stands for what was there before a write
        for i in range(end - 1, 0, -1):
            if slots[i] is t:
                return i
        return 0

    def own(self, t) -> Any:
        """`t` as this trace can take it: what is pending in another trace is computed, a capture gets a stand-in."""
        if t._run is self.run:
            return t
        if self.capture is not None:
            return self.capture.bring(t)
        if self.known_only and t._run is not None:
            raise NotKnown
        return closing.foreign(t) if t._run is not None else t

    def refuse_outside(self, tensors) -> None:
        """In a capture, gradients at tensors from outside lead out of what is captured."""
        if self.capture is not None:
            self.capture.refuse_outside([t for t in tensors if t._run is not self.run])

    # -- recording -----------------------------------------------------------------------------

    def take(self, e: Event, t, taken: dict[int, int]) -> Value:
        """The Value of tensor `t` as an input of the new event `e`; binds it as a leaf where it is new.

        `taken` maps id(tensor) to the slot it was given while `e` is being made.
        """
        if id(t) in taken:
            s = taken[id(t)]
            e.ins += (s,)
            e.new += (None,)  # not one more leaf: the very tensor that the slot got before
            return self.state.values.get(s) or next(v for q, v in e.defs if q == s)
        s = self.slot_of(t)
        if s:
            e.ins += (s,)
            e.new += (None,)
            taken[id(t)] = s
            return self.state.values[s]
        s = e.end
        e.end += 1
        self.reserve(e.end)
        m = t._meta
        value = Value(m.shape, m.dtype, None, 0, weak=getattr(t, "_weak", ""))
        self.slots[s] = t
        t._slot, t._guessed = s, True
        self.log.append(s)
        if t._shared and t._run is None:
            self.hold(s, t)
        e.ins += (s,)
        e.new += (m,)
        e.defs.append((s, value))
        if m.requires_grad:
            e.sources.append((value, s))
        taken[id(t)] = s
        return value

    def must_close(self, op, tensors: list) -> bool:
        """Whether the trace should be run before a new event is recorded behind it."""
        node = self.node
        if node is self.root or self.capture is not None or self.together:
            return False
        if self.at_once:
            return self.room <= 0
        if node.depth >= config.max_pending:
            return True
        if node.stepped:
            return any(t._leaf and t._run is not None and t._meta.requires_grad for t in tensors)
        return not node.needs_grad and self.repeats(op, tensors)

    def repeats(self, op, tensors: list) -> bool:
        """Whether this call begins a loop body again: the same call on the same line as an earlier one of the trace,
        both on tensors whose values are there (a second layer in one forward pass works on a pending value).

        In a long body the sizes may have changed from turn to turn, as a text grows word by word.
        """
        e = self.node.start
        if e is None or not tensors or any(t._run is not None for t in tensors):
            return False
        site = errors.user_site()
        metas = [t._meta for t in tensors]
        for _ in range(50):
            if e.op is op and e.site == site:
                if e.metas == metas or self.node.depth - e.depth >= LONG_BODY and alike(e.metas, metas):
                    return True
            e = e.parent.start
            if e is None:
                return False
        return False

    def close(self, reason: str = "a value was looked at", beside: bool = False) -> None:
        """Run the pending trace; every tensor that Python still holds gets its value. The reason is for `explain`.

        beside: the program may run while Python goes on (runtime/flight.py).
        """
        if self.node is self.root or self.busy:
            if self.unproved is not None and not self.busy:
                self.prove()
            return
        if self.capture is not None:
            self.capture.refuse()
        if self.at_once:
            self.novelty.turn(self)
        self.busy, event = True, self.node
        try:
            closing.close(self, reason, beside)
        finally:
            self.busy = False
            if self.novelty.new or self.novelty.streak or self.novelty.alike:
                self.novelty.end(self, event)
            if self.novelty.varied:
                self.novelty.wait(self)


class Local(threading.local):
    def __init__(self):
        self.rec = Recorder()
        self.spare: Recorder | None = None
        if config.at_once:
            self.rec.at_once, self.rec.expect, self.rec.novelty.left = True, NOTHING, sys.maxsize


local = Local()


class NotKnown(Exception):
    """A tensor whose value is still to be computed was used aside."""


@contextmanager
def aside(tensors: list) -> Iterator[None]:
    """Inside, operations are recorded apart, without gradient, so that looking at them does not cut the pending trace.

    tensors: those that are used, all with their values. Raises NotKnown where another one is pending.
    """
    if any(t._run is not None for t in tensors):
        raise NotKnown
    outer, places = local.rec, [t._slot for t in tensors]
    if local.spare is None:
        local.spare = Recorder()
        local.spare.known_only = True
    rec = local.rec = local.spare
    rec.set_modes(False)
    try:
        yield
    finally:
        try:
            rec.close()
        finally:
            rec.enter_root()
            local.rec = outer
            for t, place in zip(tensors, places, strict=True):
                t._slot = place


def current() -> Recorder:
    """This thread's recorder."""
    return local.rec


# -- taking arguments apart ----------------------------------------------------------------------


def flatten(args: tuple, tensor_type: type, out: list) -> tuple[tuple, tuple]:
    """(key, types) of call arguments, with tensors moved to `out`; lists and dicts become tuples in the key."""
    key, types = [], []
    for a in args:
        kind = type(a)
        if isinstance(a, tensor_type):
            out.append(a)
            key.append(HOLE)
            types.append(None)
        elif kind is tuple or kind is list or isinstance(a, (tuple, list)):
            k, t = flatten(tuple(a), tensor_type, out)
            key.append(k)
            types.append((kind, t))
        elif kind is slice:
            k, t = flatten((a.start, a.stop, a.step), tensor_type, out)
            key.append(("slice", k))
            types.append((slice, t))
        elif kind is dict:
            k, t = flatten(tuple(a.values()), tensor_type, out)
            key.append((tuple(a), k))
            types.append((dict, t))
        elif isinstance(a, np.ndarray):
            t = tensor_type.from_array(a)
            out.append(t)
            key.append(HOLE)
            types.append(None)
        else:
            key.append(a)
            types.append(kind)
    return tuple(key), tuple(types)


def substitute(args: tuple, tensor_type: type, values) -> tuple:
    """`args` with each tensor (and array) replaced by the next of `values`."""
    made = []
    for a in args:
        kind = type(a)
        if isinstance(a, (tensor_type, np.ndarray)):
            made.append(next(values))
        elif isinstance(a, (tuple, list)):
            parts = substitute(tuple(a), tensor_type, values)
            made.append(list(parts) if isinstance(a, list) else kind(*parts) if hasattr(a, "_fields") else parts)
        elif kind is slice:
            made.append(slice(*substitute((a.start, a.stop, a.step), tensor_type, values)))
        elif kind is dict:
            made.append(dict(zip(a, substitute(tuple(a.values()), tensor_type, values), strict=True)))
        else:
            made.append(a)
    return tuple(made)
