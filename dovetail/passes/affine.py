"""Index arithmetic: where a shape primitive finds its element.

An `Affine` is const + sum of coefficient * symbol. Symbols are loop variables (ints) or anything else that stands for
a number known only when the program runs (an index loaded from memory). An index of a value is a tuple of Affines,
one for each dim. `source` carries an index of a shape primitive's result to its operands, so that shape primitives
become address arithmetic and never copies.
"""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.ir.core import Node, Value
from dovetail.passes.sizes import Poly, Size, contiguous, divides, is_one, product, sample, size, sizes


class Affine:
    """const + sum(coefficient * symbol); immutable, compared by meaning."""

    __slots__ = ("const", "terms", "key")

    def __init__(self, const, terms: dict):
        self.const = const
        self.terms = terms
        self.key = (const, frozenset(terms.items()))

    def __eq__(self, other) -> bool:
        return self is other or (isinstance(other, Affine) and self.key == other.key)

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return " + ".join([str(self.const)] + [f"{c}*{s}" for s, c in self.terms.items()])


ZERO = Affine(0, {})


def constant(n) -> Affine:
    return Affine(n, {}) if isinstance(n, Poly) or n else ZERO


def variable(symbol) -> Affine:
    return Affine(0, {symbol: 1})


def add(a: Affine, b: Affine) -> Affine:
    if isinstance(a, tuple) or isinstance(b, tuple):  # (position, step): position / step, exact where it is used
        (p, m), (q, n) = (x if isinstance(x, tuple) else (x, 1) for x in (a, b))
        return add(scale(p, n), scale(q, m)), m * n
    if not b.terms and b.const == 0:
        return a
    if not a.terms and a.const == 0:
        return b
    terms = dict(a.terms)
    for s, c in b.terms.items():
        total = terms.get(s, 0) + c
        if isinstance(total, int) and total == 0:
            terms.pop(s, None)
        else:
            terms[s] = total
    return Affine(a.const + b.const, terms)


def shift(a: Affine, n) -> Affine:
    if isinstance(a, tuple):
        return shift(a[0], n * a[1]), a[1]
    return Affine(a.const + n, a.terms) if isinstance(n, Poly) or n else a


def scale(a: Affine, n) -> Affine:
    if isinstance(a, tuple):
        return scale(a[0], n), a[1]
    if isinstance(n, int):
        if n == 1:
            return a
        if n == 0:
            return ZERO
    return Affine(a.const * n, {s: c * n for s, c in a.terms.items()})


def dot(index: tuple, strides: tuple) -> Affine:
    total = ZERO
    for a, s in zip(index, strides, strict=True):
        total = add(total, scale(a, s))
    return total


def identity(shape: tuple, variables: list[int]) -> tuple:
    """The index that gives the dims other than size 1 the variables in order."""
    left = iter(variables)
    return tuple(ZERO if is_one(n) else variable(next(left)) for n in shape)


@dataclass(frozen=True)
class Guard:
    """0 <= index - low < high - low, and (index - low) % step == 0."""

    index: Affine
    low: Size
    high: Size
    step: int = 1

    def __post_init__(self):
        if isinstance(self.index, tuple):  # of a divided index: the same of what is divided
            position, by = self.index
            for name, value in (("index", position), ("low", self.low * by), ("high", self.high * by),
                                ("step", self.step * by)):
                object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Source:
    """One operand that may supply the element: its index, valid where all guards hold (in order, first match wins)."""

    value: Value
    index: tuple
    guards: tuple = ()
    fill: object = None  # value None: this number is the element


def source(node: Node, index: tuple, extents) -> list[Source] | None:
    """Where the element `index` of a shape primitive's result comes from; None if a reshape's sizes do not nest.

    extents: symbol -> its size (the symbol counts 0 .. size - 1), or None where unknown.
    """
    return _RULES[node.prim.name](node, index, extents)


def _same(node, index, extents):
    return [Source(node.inputs[0], index)]


def _transpose(node, index, extents):
    perm = node.params["perm"]
    inner = [ZERO] * len(index)
    for out_dim, in_dim in enumerate(perm):
        inner[in_dim % len(index)] = index[out_dim]
    return [Source(node.inputs[0], tuple(inner))]


def _broadcast(node, index, extents):
    x = node.inputs[0]
    inner = (ZERO if is_one(size(n)) else index[d] for n, d in zip(x.shape, node.params["dims"], strict=True))
    return [Source(x, tuple(inner))]


def _slice(node, index, extents):
    x, p = node.inputs[0], node.params
    steps = p.get("steps") or (1,) * len(index)
    walks = zip(index, p["starts"], steps, strict=True)
    inner = tuple(shift(scale(a, size(step)), size(start)) for a, start, step in walks)
    return [Source(x, inner)]


def _diagonal(node, index, extents):
    down, right = node.params["starts"]
    return [Source(node.inputs[0], (*index, index[-1])[:-2] + (shift(index[-1], down), shift(index[-1], right)))]


def _reshape(node, index, extents):
    x = node.inputs[0]
    inner = regroup(sizes(x.shape), sizes(node.out.shape), index, extents)
    return None if inner is None else [Source(x, inner)]


def _windows(node, index, extents):
    x, p = node.inputs[0], node.params
    rank, outer = len(p["window"]), len(x.shape) - len(p["window"])
    inner, guards = list(index[:outer]), []
    for d, (low, high) in enumerate(p["padding"]):
        tap, place = index[outer + d], index[outer + rank + d]
        at = shift(add(scale(tap, p["dilation"][d]), scale(place, p["stride"][d])), -low)
        inner.append(at)
        if low or high:
            guards.append(Guard(at, 0, size(x.shape[outer + d])))
    here = Source(x, tuple(inner), tuple(guards))
    return [here, Source(None, (), (), 0)] if guards else [here]


def _pad(node, index, extents):
    x, p = node.inputs[0], node.params
    shape = sizes(x.shape)
    low, high = sizes(p["low"]), sizes(p["high"])
    inner = tuple(shift(a, -1 * n) for a, n in zip(index, low, strict=True))
    zero = [isinstance(a, int) and isinstance(b, int) and not a and not b for a, b in zip(low, high, strict=True)]
    guards = tuple(Guard(a, 0, n) for a, n, free in zip(inner, shape, zero, strict=True) if not free)
    return [Source(x, inner, guards), Source(None, (), (), p["value"])]


def _concat(node, index, extents):
    dim, found, at = node.params["dim"] % len(index), [], 0
    parts = [x for x in node.inputs if not _empty(x)]
    for number, x in enumerate(parts):
        inner = index[:dim] + (shift(index[dim], -1 * at),) + index[dim + 1 :]
        guards = () if number == len(parts) - 1 else (Guard(inner[dim], 0, size(x.shape[dim])),)
        found.append(Source(x, inner, guards))
        at = at + size(x.shape[dim])
    return found or [Source(node.inputs[0], index)]


@dataclass(frozen=True)
class Start:
    """A symbol: the run-time start of a dynamic slice, a 0-d value kept within 0 .. high."""

    value: Value
    high: Size


def _dynamic_slice(node, index, extents):
    x, starts = node.inputs[0], node.inputs[1:]
    inner = []
    for a, s, n, full in zip(index, starts, sizes(node.out.shape), sizes(x.shape), strict=True):
        inner.append(a if n == full else add(a, variable(Start(s, full - n))))
    return [Source(x, tuple(inner))]


def _dynamic_update_slice(node, index, extents):
    x, u, starts = node.inputs[0], node.inputs[1], node.inputs[2:]
    if _empty(u):
        return [Source(x, index)]
    inner, guards = [], []
    for a, s, n, full in zip(index, starts, sizes(u.shape), sizes(x.shape), strict=True):
        if n == full:
            inner.append(a)
            continue
        at = add(a, Affine(0, {Start(s, full - n): -1}))
        guards.append(Guard(at, 0, n))
        inner.append(at)
    return [Source(u, tuple(inner), tuple(guards)), Source(x, index)]


def _empty(x: Value) -> bool:
    return any(isinstance(size(n), int) and n == 0 for n in x.shape)


def _update_slice(node, index, extents):
    x, u = node.inputs
    steps = node.params.get("steps") or (1,) * len(index)
    inner, guards = [], []
    for a, start, step, n, full in zip(index, node.params["starts"], steps, u.shape, x.shape, strict=True):
        start, step, n = size(start), size(step), size(n)
        whole = isinstance(start, int) and start == 0 and step == 1 and n == size(full)
        if whole:
            inner.append(a)
            continue
        if step < 0:  # the same elements counted from the other end
            at = shift(scale(a, -1), start)
        else:
            at = shift(a, -1 * start)
        stride = abs(step)
        guards.append(Guard(at, 0, n * stride, stride))
        inner.append(at if stride == 1 else (at, stride))
    if _empty(u):
        return [Source(x, index)]
    return [Source(u, tuple(inner), tuple(guards)), Source(x, index)]


_RULES = {
    "reshape": _reshape, "transpose": _transpose, "broadcast": _broadcast, "slice": _slice, "pad": _pad,
    "concat": _concat, "update_slice": _update_slice, "detach": _same, "identity": _same,
    "dynamic_slice": _dynamic_slice, "dynamic_update_slice": _dynamic_update_slice,
    "windows": _windows, "diagonal": _diagonal,
}
INLINE_SHAPE = frozenset(_RULES)


def groups(a: tuple, b: tuple) -> list[tuple[list[int], list[int]]]:
    """Pair runs of dims of `a` with runs of dims of `b` that hold equally many elements (dims of size 1 left out)."""
    left = [d for d, n in enumerate(a) if not is_one(n)]
    right = [d for d, n in enumerate(b) if not is_one(n)]
    found, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        first, second = [left[i]], [right[j]]
        m, n = a[left[i]], b[right[j]]
        i, j = i + 1, j + 1
        while m != n:
            if sample(m) < sample(n) and i < len(left):
                m, i = m * a[left[i]], i + 1
                first.append(left[i - 1])
            elif sample(n) < sample(m) and j < len(right):
                n, j = n * b[right[j]], j + 1
                second.append(right[j - 1])
            else:  # equal by sample only, or nothing left: one group of all that remains
                first, second = first + left[i:], second + right[j:]
                i, j = len(left), len(right)
                break
        found.append((first, second))
    if i < len(left) or j < len(right):
        first, second = found.pop() if found else ([], [])
        found.append((first + left[i:], second + right[j:]))
    return found


def regroup(inner: tuple, outer: tuple, index: tuple, extents) -> tuple | None:
    """The index in a row-major value of shape `inner` of element `index` of its reshape to `outer`."""
    result = [ZERO] * len(inner)
    for ins, outs in groups(inner, outer):
        if len(ins) == 1 and len(outs) == 1:
            result[ins[0]] = index[outs[0]]
            continue
        linear = dot(tuple(index[d] for d in outs), contiguous(tuple(outer[d] for d in outs)))
        if isinstance(linear, tuple):  # a position divided by a step does not split
            return None
        split = unravel(linear, tuple(inner[d] for d in ins), extents)
        if split is None:
            return None
        for d, a in zip(ins, split, strict=True):
            result[d] = a
    return tuple(result)


def unravel(linear: Affine, shape: tuple, extents) -> list[Affine] | None:
    """Split a row-major position into one index for each dim, where the symbols' steps nest with the sizes."""
    if len(shape) == 1:
        return [linear]
    result, rest = [], linear
    for d in range(len(shape) - 1):
        step = product(shape[d + 1 :])
        if not isinstance(step, int) or not isinstance(rest.const, int):
            high, rest = _split_symbolic(rest, step)
        else:
            if step == 0:
                return None
            big = {s: c // step for s, c in rest.terms.items() if divides(c, step)}
            small = {s: c for s, c in rest.terms.items() if s not in big}
            high, rest = Affine(rest.const // step, big), Affine(rest.const % step, small)
        reach = _reach(rest, extents)
        if reach is None or not _below(reach, step):
            return None
        result.append(high)
    return [*result, rest]


def _split_symbolic(a: Affine, step):
    """Terms whose coefficient is exactly a multiple of a run-time step go up; everything else stays."""
    big, small = {}, {}
    for s, c in a.terms.items():
        if c == step:
            big[s] = 1
        else:
            small[s] = c
    return Affine(0, big), Affine(a.const, small)


def _reach(a: Affine, extents):
    """The largest value `a` takes, or None where that is unknown or where it may be negative."""
    total = a.const
    if isinstance(total, Poly) or total < 0:
        return None
    for s, c in a.terms.items():
        n = extents(s)
        if n is None or not isinstance(c, int) or c < 0:
            return None
        total = (n - 1) * c + total
    return total


def _below(reach, step) -> bool:
    gap = step - reach
    return isinstance(gap, int) and gap > 0
