"""Following a known call: each event has a small function that compares a call with it and makes the result.

`e.replay(rec, made, args, kwargs)` is asked for every call of an op `made` while the event `e` is expected. What never
changes is a closure's own, and events differ in the number of tensors, so nothing is looped over (benchmarks
infer_mlp_b1, mlp_loop_b32). Whatever does not match goes to `miss`, the ordinary way.

Comparisons are by identity. An empty slot holds None, which an argument may be too, so `is` alone would take
clamp(x, None) for known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from operator import is_
from typing import Any

from dovetail.tensor import eager
from dovetail.tensor.meta import Meta
from dovetail.tensor.recorder import Recorder
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.trace import HOLE, NOTHING, Event
from dovetail.tensor.views import looked_into, root, unwritable

OTHERWISE = eager.OTHERWISE
_at_once = eager.call
_new = object.__new__


def miss(rec: Recorder, made: Any, args: tuple, kwargs: dict) -> Any:
    """A call that is not the expected one."""
    if rec.at_once and not (made.random or made.writes):
        result = _at_once(made, rec, args, kwargs)
        if result is not OTHERWISE:
            return result
    return made.slow(args, kwargs)


NOTHING.replay = miss


def quicken(e: Event, made: Any, count: int, key: tuple, types: tuple) -> None:
    """Give an event whose first `count` arguments are its tensors, and whose others are plain settings, its replay."""
    e.count, e.given, e.rest, e.rest_kinds = count, len(key), key[count:], types[count:]
    e.twice = len(set(e.ins)) < count
    e.leading = list(zip(range(count), e.ins, e.new, strict=False))
    if made.writes:
        e.replay = write_of(e, made)
    else:
        e.replay = (one_of, two_of, three_of)[count - 1](e, made)


def look_again(e: Event, tensors: list) -> None:
    """Let the replay of an event that takes leaves which the trace has used before, or views of leaves, look first
    whether others have written to them since."""
    again = [s for t, s, m in zip(tensors, e.ins, e.new, strict=True) if m is None and root(t)._run is None]
    replay = e.replay
    if not again or replay is miss:
        return

    def careful(rec: Recorder, called: Any, args: tuple, kwargs: dict) -> Any:
        if rec.held and rec.changed_in(again):
            return miss(rec, called, args, kwargs)
        return replay(rec, called, args, kwargs)

    e.replay = careful


def one_of(e: Event, made: Any) -> Callable:
    (a,) = e.ins
    (leaf,) = e.new
    slot, m, _ = e.outs[0]
    bare = -1 if e.rest else 1

    def replay(rec: Recorder, called: Any, args: tuple, kwargs: dict) -> Any:
        if called is not made or ((kwargs or len(args) != bare) and not same_settings(e, args, kwargs)):
            return miss(rec, called, args, kwargs)
        slots = rec.slots
        x = args[0]
        if (slots[a] is not x or x is None) and not bind_leaf(rec, x, a, leaf):
            return miss(rec, called, args, kwargs)
        t = _new(Tensor)
        t._meta = m
        t._run = rec.run
        t._slot = slot
        slots[slot] = t
        rec.node = e
        rec.expect = e.next
        return t

    return replay


def two_of(e: Event, made: Any) -> Callable:
    a, b = e.ins
    first, second = (None, None) if e.twice else e.new
    slot, m, _ = e.outs[0]
    bare = -1 if e.rest else 2

    def replay(rec: Recorder, called: Any, args: tuple, kwargs: dict) -> Any:
        if called is not made or ((kwargs or len(args) != bare) and not same_settings(e, args, kwargs)):
            return miss(rec, called, args, kwargs)
        slots = rec.slots
        x, y = args[0], args[1]
        if slots[a] is not x or slots[b] is not y or x is None or y is None:
            if slots[b] is y and y is not None and x is not y and bind_leaf(rec, x, a, first):
                pass  # the next batch in front
            elif slots[a] is x and x is not None and x is not y and bind_leaf(rec, y, b, second):
                pass  # the next targets
            elif not rebind(rec, e, args[: e.count]):
                return miss(rec, called, args, kwargs)
        t = _new(Tensor)
        t._meta = m
        t._run = rec.run
        t._slot = slot
        slots[slot] = t
        rec.node = e
        rec.expect = e.next
        return t

    return replay


def three_of(e: Event, made: Any) -> Callable:
    a, b, c = e.ins
    first = None if e.twice else e.new[0]
    slot, m, _ = e.outs[0]
    bare = -1 if e.rest else 3

    def replay(rec: Recorder, called: Any, args: tuple, kwargs: dict) -> Any:
        if called is not made or ((kwargs or len(args) != bare) and not same_settings(e, args, kwargs)):
            return miss(rec, called, args, kwargs)
        slots = rec.slots
        x, y, z = args[0], args[1], args[2]
        if slots[b] is not y or slots[c] is not z or y is None or z is None:
            if not rebind(rec, e, args[: e.count]):
                return miss(rec, called, args, kwargs)
        elif slots[a] is not x or x is None:  # the next batch in front of weight and bias
            if (x is y or x is z or not bind_leaf(rec, x, a, first)) and not rebind(rec, e, args[: e.count]):
                return miss(rec, called, args, kwargs)
        t = _new(Tensor)
        t._meta = m
        t._run = rec.run
        t._slot = slot
        slots[slot] = t
        rec.node = e
        rec.expect = e.next
        return t

    return replay


def any_of(e: Event, made: Any, key: tuple, types: tuple) -> None:
    """Give an event of any form its replay: views, several results, settings that are tuples or slices, tensors in
    lists, writes. Twice as dear as the short forms, and a fifth of the ordinary way (benchmark nanogpt_generate_kv)."""
    holes: list[tuple] = []
    settings = []
    for i, (k, kind) in enumerate(zip(key, types, strict=True)):
        if k is HOLE:
            holes.append((i,))
            continue
        inner = k if type(kind) is tuple and kind[0] in (list, tuple) else ()
        if inner and all([x is HOLE for x in inner]):
            settings.append((i, row_of(kind[0], len(inner))))
            holes += [(i, j) for j in range(len(inner))]
            continue
        check = setting(k, kind)
        if check is None:
            return
        settings.append((i, check))
    if not holes or len(holes) != len(e.ins):
        return
    count, flat, slots_in = len(key), all([len(at) == 1 for at in holes]), e.ins
    places = [at[0] for at in holes]
    outs, repoints, result, where = e.outs, e.repoints, e.result, e.where
    target, parts = holes[0] if made.writes else None, made.flags["parts"]
    if target is not None and (target != (0,) or len(repoints) != 1 or repoints[0][0] != e.ins[0]):
        return

    def replay(rec: Recorder, called: Any, args: tuple, kwargs: dict) -> Any:
        if called is not made or kwargs or len(args) != count:
            return miss(rec, called, args, kwargs)
        for i, check in settings:
            if not check(args[i]):
                return miss(rec, called, args, kwargs)
        if flat:
            tensors = [args[i] for i in places]
        else:
            tensors = [args[at[0]] if len(at) == 1 else args[at[0]][at[1]] for at in holes]
        slots = rec.slots
        for s, t in zip(slots_in, tensors, strict=True):
            if slots[s] is not t or t is None:
                if not rebind(rec, e, tensors):
                    return miss(rec, called, args, kwargs)
                break
        run = rec.run
        if target is not None:
            t = tensors[0]
            if t._shared or t._view is not None or t._lookers or t._base is not None:  # more than one tensor is written
                return miss(rec, called, args, kwargs)
            if t._joint is not None or t._readers:  # Python code waits for the gradient of what it was
                return miss(rec, called, args, kwargs)
            _, slot, m = repoints[0]
            t._meta, t._run, t._slot = m, run, slot
            t._version += 1
            t._written = t._version, where
            slots[slot] = t
        fresh = []
        for slot, m, base in outs:
            t = _new(Tensor)
            t._meta = m
            t._run = run
            t._slot = slot
            slots[slot] = t
            if base:
                seen = slots[base]
                t._view = looked_into(seen)
                if parts or seen._unwritable is not None or seen._meta.requires_grad and not rec.grad:
                    t._unwritable = unwritable(made, rec.grad, seen, len(fresh))
            fresh.append(t)
        rec.node = e
        rec.expect = e.next
        return fresh[0] if result is None else result(fresh, tensors)

    e.replay = replay


def row_of(kind: Any, count: int) -> Callable[[Any], bool]:
    """Whether an argument is a list (or tuple) of so many things, which are compared elsewhere."""
    return lambda x: type(x) is kind and len(x) == count


def setting(k: Any, kind: Any) -> Callable[[Any], bool] | None:
    """Whether an argument is the setting that `flatten` made into (k, kind); None where that holds tensors."""
    if kind is None:
        return None
    if type(kind) is not tuple:
        if k is None:
            return lambda x: x is None
        return (lambda x: type(x) is kind and x == k) if isinstance(kind, type) else None
    container: Any
    container, kinds = kind
    if container is slice:
        start, stop, step = k[1]
        first, last, by = kinds
        if not (first and last and by) or any([type(one) is tuple for one in kinds]):
            return None
        wanted = slice(start, stop, step)

        def same_slice(x: Any) -> bool:
            return (type(x) is slice and type(x.start) is first and type(x.stop) is last and type(x.step) is by
                    and x == wanted)  # fmt: skip

        return same_slice
    if not isinstance(container, type) or not issubclass(container, (list, tuple)):
        return None
    parts = [setting(inner, one) for inner, one in zip(k, kinds, strict=True)]
    if any([part is None for part in parts]):
        return None
    count = len(parts)

    def same_row(x: Any) -> bool:
        return type(x) is container and len(x) == count and all([part(y) for part, y in zip(parts, x, strict=True)])

    return same_row


def write_of(e: Event, made: Any) -> Callable:
    """The replay of a write in place."""
    leading, count = e.leading, e.count
    _, slot, m = e.repoints[0]

    def replay(rec: Recorder, called: Any, args: tuple, kwargs: dict) -> Any:
        if called is not made or ((kwargs or e.rest or len(args) != count) and not same_settings(e, args, kwargs)):
            return miss(rec, called, args, kwargs)
        slots = rec.slots
        for i, s, _ in leading:
            if slots[s] is not args[i] or args[i] is None:
                if not rebind(rec, e, args[: e.count]):
                    return miss(rec, called, args, kwargs)
                break
        t = args[0]
        if t._shared or t._joint is not None or t._readers:  # others may see its memory, or wait for its gradient
            return miss(rec, called, args, kwargs)
        t._meta, t._run, t._slot = m, rec.run, slot
        t._version += 1
        t._written = t._version, e.where
        slots[slot] = t
        rec.node = e
        rec.expect = e.next
        return t

    return replay


def same_settings(e: Event, args: tuple, kwargs: dict) -> bool:
    """Whether what is given besides the tensors is what the event remembers."""
    # Types first: comparing a number with a tensor would record a comparison.
    rest = args[e.count :]
    if kwargs:
        form = e.form
        if not form or len(args) < e.count or tuple(map(type, kwargs.values())) != form[1] or kwargs != form[0]:
            return False
        return not (rest or form[2]) or (tuple(map(type, rest)) == tuple(map(type, form[2])) and rest == form[2])
    return len(args) == e.given and tuple(map(type, rest)) == e.rest_kinds and rest == e.rest


def rebind(rec: Recorder, e: Event, tensors: Sequence) -> bool:
    """Put changed leaves (the next batch) into their slots; False where the call is not the remembered one."""
    slots = rec.slots
    if len(tensors) > 1 and len(set(map(id, tensors))) != len(set(e.ins)):  # x * x is another program than x * y
        return False
    for t, s, m in zip(tensors, e.ins, e.new, strict=True):
        if (slots[s] is not t or t is None) and not bind_leaf(rec, t, s, m):
            return False
    return True


def bind_leaf(rec: Recorder, t: Any, s: int, m: Meta | None) -> bool:
    """Put `t` into slot `s`, where it can be the leaf with Meta `m` that the event expects there."""
    if m is None or not isinstance(t, Tensor) or t._meta is not m or t._run is not None:
        return False
    slots = rec.slots
    if t._guessed and any(map(is_, slots, repeat(t))):
        return False
    slots[s] = t
    t._slot = s
    t._guessed = True
    rec.log.append(s)
    if t._shared:
        rec.hold(s, t)
    return True


def remember_form(made: Any, e: Event, kwargs: dict, types: tuple, args: tuple, plain: bool) -> None:
    """Let the replay know a call with keywords: these very keywords, the tensors in front."""
    count = e.count
    if e.op is not made or not count or not plain or any(isinstance(v, (Tensor, list, dict)) for v in kwargs.values()):
        return
    if len(args) >= count and not any(isinstance(a, (Tensor, list, dict, float)) for a in args[count:]):
        e.form = (kwargs, types, args[count:])
