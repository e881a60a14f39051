"""Loops around expressions: maps, and reductions along rows or down columns.

One loop variable is vectorised, the one along which most memory is read and written in steps of one element:

- *map*: nothing is folded; the other variables run outside.
- *columns*: the vectorised variable is kept (sums over the leading dims): accumulators hold neighbouring results.
- *rows*: the vectorised variable is folded (softmax, layer norm): lanes are put together at the end of each row.

A group with several folds (softmax) runs one loop for each stage over its row. Rows of at most a few vectors are not
looped over at all: their elements stay in registers from stage to stage. Threads share rows and blocks of results,
never parts of one fold, so the number of threads does not change a bit of the result.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from dovetail.base.dtypes import int64
from dovetail.codegen import elements, folds
from dovetail.codegen.emit import Emitter, Op
from dovetail.codegen.expr import Expr, Fold, LoadAt, Scribe, Storage, Store
from dovetail.ir.core import PRIMITIVES
from dovetail.passes.affine import Affine
from dovetail.passes.sizes import is_one, product, sample

BLOCK = 1024  # elements of a map that one thread takes at a time
RESIDENT = 8  # vectors of a row that stay in registers


@dataclass
class Chunk:
    """Neighbouring indices of the vectorised variable: base + (0 .. lanes - 1), where mask allows."""

    base: Op
    lanes: int
    mask: Op | None
    known: dict = field(default_factory=dict)  # accumulated results of the row, by fold number
    serial: int = field(default_factory=count().__next__)


class Evaluator:
    """Writes expressions at the current place: variables have values, one of them is vectorised."""

    def __init__(self, k: Emitter, pointer: Callable[[Storage], Op]):
        self.k, self.pointer = k, pointer
        self.offsets: dict[tuple, object] = {}  # by storage: what the pointer already contains
        self.at: dict[int, Op] = {}
        self.dropped: set[int] = set()
        self.vector: int | None = None
        self.chunk = Chunk(k.int(0), 1, None)
        self.rows: dict[int, Op] = {}
        self.product: Op | None = None

    @contextmanager
    def on(self, chunk: Chunk):
        before = self.chunk
        self.chunk = chunk
        yield
        self.chunk = before

    def value(self, e: Expr) -> Op:
        if e.kind == "const":
            return self.k.const(e.data, e.dtype)
        if e.kind == "row":
            return self.chunk.known[e.data] if e.data in self.chunk.known else self.rows[e.data]
        if e.kind == "product":
            return self.product
        varies = self.vector in e.vars
        key = (e.number, self.chunk.serial) if varies else e.number
        for known in self.k.memo:
            if key in known:
                return known[key]
        op = getattr(self, "_" + e.kind)(e)
        self.k.memo[op.depth][key] = op
        return op

    def _apply(self, e: Expr) -> Op:
        name, params = e.data
        rule = elements.RULES.get(name) or PRIMITIVES[name].lower_rule
        return rule(self.k, *[self.value(a) for a in e.args], **dict(params))

    def _index(self, e: Expr) -> Op:
        scalar, lanes = self.affine(e.data)
        return scalar if lanes is None else self.k.add(self.k.widen(scalar, lanes.lanes), lanes)

    def _bits(self, e: Expr) -> Op:
        at, offset = e.data
        seed, counter = self.value(e.args[0]), self.value(e.args[1])
        if self.in_fours(at):
            first = self.k.add(counter, self.k.size(offset))
            place = self.affine_start(at)
            block = self.k.add(first, self.k.bits("lshr", place, self.k.int(2)))
            return elements.philox_run(self.k, seed, block, self.chunk.lanes)
        scalar, lanes = self.affine(at)
        place = scalar if lanes is None else self.k.add(self.k.widen(scalar, lanes.lanes), lanes)
        counter = self.k.add(counter, self.k.size(offset))
        block = self.k.add(counter, self.k.bits("lshr", place, self.k.int(2)))
        return elements.philox(self.k, seed, block, self.k.bits("and", place, self.k.int(3)))

    def in_fours(self, a: Affine) -> bool:
        """Whether the lanes are neighbours that begin at a multiple of four (as vectors of a loop from 0 do)."""
        if self.chunk.lanes % 4 or a.terms.get(self.vector) != 1:
            return False
        rest = [c for s, c in a.terms.items() if s != self.vector and s not in self.dropped]
        return all(isinstance(c, int) and c % 4 == 0 for c in (a.const, *rest))

    def affine_start(self, a: Affine) -> Op:
        """The first lane's value."""
        return self.affine(a)[0]

    def affine(self, a: Affine) -> tuple[Op, Op | None]:
        """(the part that is one number, the part that differs between lanes or None)."""
        k, scalar, lanes = self.k, self.k.size(a.const), None
        for symbol, c in self.ordered(a):
            if symbol == self.vector and not isinstance(symbol, Expr):
                scalar = k.add(scalar, k.mul(self.chunk.base, k.size(c)))
                if self.chunk.lanes > 1:
                    part = k.lane_numbers(self.chunk.lanes)
                    part = part if is_one(c) else k.mul(part, k.size(c))
                    lanes = part if lanes is None else k.add(lanes, part)
                continue
            op = self.symbol(symbol)
            part = k.mul(op, k.size(c))
            if part.lanes > 1:
                lanes = part if lanes is None else k.add(lanes, part)
            else:
                scalar = k.add(scalar, part)
        return scalar, lanes

    def symbol(self, symbol) -> Op:
        return self.value(symbol) if isinstance(symbol, Expr) else self.at[symbol]

    def ordered(self, a: Affine) -> list:
        """The terms, outermost loops first, so that sums of outer parts are shared."""
        terms = [(s, c) for s, c in a.terms.items() if isinstance(s, Expr) or s not in self.dropped]
        return sorted(terms, key=lambda t: (9, t[0].number) if isinstance(t[0], Expr) else (self.depth_of(t[0]), t[0]))

    def depth_of(self, v: int) -> int:
        return self.chunk.base.depth if v == self.vector else self.at[v].depth

    def address(self, storage: Storage, a: Affine) -> tuple[Op, int | None, Op | None]:
        """(pointer, step between lanes where that is known, offsets of the lanes where they must be given)."""
        k, pointer, lanes, step = self.k, self.pointer(storage), None, 0
        for symbol, c in self.ordered(a):
            if symbol == self.vector and not isinstance(symbol, Expr):
                pointer = k.offset(pointer, k.mul(self.chunk.base, k.size(c)), storage.dtype)
                step = c
                continue
            part = k.mul(self.symbol(symbol), k.size(c))
            if part.lanes > 1:
                lanes = part if lanes is None else k.add(lanes, part)
            else:
                pointer = k.offset(pointer, part, storage.dtype)
        pointer = k.offset(pointer, k.size(a.const - self.offsets.get(storage.key, 0)), storage.dtype)
        if self.chunk.lanes > 1 and (lanes is not None or not isinstance(step, int) or step not in (0, 1, -1)):
            own = k.mul(k.lane_numbers(self.chunk.lanes), k.size(step))
            lanes = own if lanes is None else k.add(lanes, own)
        return pointer, step, lanes

    def _load(self, e: Expr) -> Op:
        k, data = self.k, e.data
        assert isinstance(data, LoadAt)
        pointer, step, lanes = self.address(data.storage, data.at)
        dtype, count = data.storage.dtype, self.chunk.lanes
        guard = self.value(data.guard) if data.guard is not None else None
        if guard is not None and guard.const is not None:
            guard = None if guard.const else k.compare("ne", k.freeze(k.int(0)), k.int(0))
        mask = self.chunk.mask if self.vector in e.vars else None
        same = lanes is None and isinstance(step, int) and step == 0
        if count == 1 or (same and (guard is None or guard.lanes == 1)):
            return k.load(pointer, dtype, 1, None, guard)
        if guard is not None and guard.lanes > 1:
            mask, guard = guard if mask is None else k.plain2("and", mask, guard), None
        if lanes is None and step == 1:
            return k.load(pointer, dtype, count, mask, guard)
        if lanes is None and step == -1 and mask is None:
            last = k.offset(pointer, k.int(1 - count), dtype)
            return k.reverse(k.load(last, dtype, count, None, guard))
        if lanes is None:
            lanes = k.mul(k.lane_numbers(count), k.widen(k.size(step), count))
        if guard is not None:
            wide = k.widen(guard, count)
            mask = wide if mask is None else k.plain2("and", mask, wide)
        return k.gather(pointer, lanes, dtype, mask)

    def load_back(self, store: Store) -> Op:
        """What lies where `store` writes; read here and now."""
        k, storage, chunk = self.k, store.storage, self.chunk
        pointer, step, lanes = self.address(storage, store.address)
        before, k.floor = k.floor, k.depth
        if chunk.lanes == 1:
            found = k.load(pointer, storage.dtype, 1)
        elif lanes is None and step == 1:
            found = k.load(pointer, storage.dtype, chunk.lanes, chunk.mask)
        else:
            if lanes is None:
                lanes = k.mul(k.lane_numbers(chunk.lanes), k.widen(k.size(step), chunk.lanes))
            found = k.gather(pointer, lanes, storage.dtype, chunk.mask)
        k.floor = before
        return found

    def store(self, store: Store, value: Op) -> None:
        k, storage = self.k, store.storage
        pointer, step, lanes = self.address(storage, store.address)
        count = self.chunk.lanes
        if count == 1 or (lanes is None and isinstance(step, int) and step == 0):
            k.store(pointer, value, storage.dtype, 1)
        elif lanes is None and step == 1:
            k.store(pointer, value, storage.dtype, count, self.chunk.mask)
        else:
            if lanes is None:
                lanes = k.mul(k.lane_numbers(count), k.widen(k.size(step), count))
            k.scatter(pointer, lanes, value, storage.dtype, self.chunk.mask)


def affines(roots: list[Expr]) -> list[Affine]:
    """Every index expression below the roots."""
    seen: set[int] = set()
    found: list[Affine] = []
    stack = list(roots)
    while stack:
        e = stack.pop()
        if e.number in seen:
            continue
        seen.add(e.number)
        stack += e.args
        if e.kind == "index":
            found.append(e.data)
        elif e.kind == "bits":
            found.append(e.data[0])
        elif e.kind == "load":
            found.append(e.data.at)
            if e.data.guard is not None:
                stack.append(e.data.guard)
    return found


def leaf_loads(roots: list[Expr]) -> list[Expr]:
    seen: set[int] = set()
    found, stack = [], list(roots)
    while stack:
        e = stack.pop()
        if e.number not in seen:
            seen.add(e.number)
            stack += e.args
            if e.kind == "load":
                found.append(e)
    return found


class Loops:
    """The loops of one kernel."""

    def __init__(self, k: Emitter, scribe: Scribe, reduced: frozenset[int], chunk: tuple[int, int] | None,
                 pointer: Callable[[Storage], Op]):
        self.k, self.scribe, self.chunked = k, scribe, chunk
        self.folds: list[Fold] = scribe.folds
        self.stores: list[Store] = scribe.stores
        self.extents = dict(scribe.extents)
        self.reduced = reduced
        self.eval = Evaluator(k, pointer)
        self.roots = scribe.roots()
        self.collapse()
        self.order = [p for p in sorted(self.extents) if p not in self.eval.dropped]
        self.kept = [p for p in self.order if p not in reduced]
        self.inner = [p for p in self.order if p in reduced]
        if chunk:  # the variable that counts parts of a long fold runs outermost
            parts = len(scribe.full)
            self.kept = [parts] + [p for p in self.kept if p != parts]
        self.vector = self.choose()
        self.lanes = self.choose_lanes() if self.vector is not None else 1
        self.eval.vector = self.vector

    @classmethod
    def bare(cls, k: Emitter, scribe: Scribe, pointer, vector: int | None, lanes: int) -> Loops:
        """The helpers alone (sweep, nest, share), for kernels with loops of their own."""
        self = cls.__new__(cls)
        self.k, self.scribe, self.chunked, self.folds, self.stores = k, scribe, None, [], []
        self.extents, self.reduced = dict(scribe.extents), frozenset()
        self.eval = Evaluator(k, pointer)
        self.order = self.kept = sorted(self.extents)
        self.inner = []
        self.vector = self.eval.vector = vector
        self.lanes = lanes
        return self

    # Decisions

    def collapse(self) -> None:
        """Make one variable of neighbours that walk all memory as one."""
        walks = affines(self.roots) + [s.address for s in self.stores]
        known = sorted(self.extents)
        for p, q in zip(known, known[1:], strict=False):
            if (p in self.reduced) != (q in self.reduced) or q >= len(self.scribe.full):
                continue
            if self.chunked and self.chunked[0] in (p, q):
                continue
            n = self.extents[q]
            if all(a.terms.get(p, 0) == a.terms.get(q, 0) * n for a in walks):
                self.eval.dropped.add(p)
                self.extents[q] = self.extents[p] * n

    def choose(self) -> int | None:
        """The variable to vectorise: the one most memory is walked along in steps of one."""
        if not self.order:
            return None
        walks = [(e.data.at, 1) for e in leaf_loads(self.roots)] + [(s.address, 2) for s in self.stores]
        best, best_score = None, None
        for position, p in enumerate(self.order):
            if p == len(self.scribe.full) or sample(self.extents[p]) < 2 and len(self.order) > 1:
                continue
            score = 0.0
            for a, weight in walks:
                c = a.terms.get(p)
                if c is not None:
                    score += weight if isinstance(c, int) and abs(c) == 1 else -weight
            score += position * 0.01 + min(sample(self.extents[p]), 16) * 0.02
            if best_score is None or score > best_score:
                best, best_score = p, score
        inside = [p for p in self.order if p != len(self.scribe.full)]
        return best if best is not None else inside[-1] if inside else None

    def choose_lanes(self) -> int:
        """Lanes for the dtype that most of the work is done in."""
        dtypes = [e.data.storage.dtype for e in leaf_loads(self.roots)] + [s.storage.dtype for s in self.stores]
        dtypes += [e.dtype for e in self.roots]
        widths = {d.itemsize if d.name != "float16" and d.name != "bfloat16" else 4 for d in dtypes}
        width = 4 if 4 in widths else 8 if 8 in widths else max(widths)
        return max(1, self.k.target.lanes(width))

    # Writing

    def write(self) -> None:
        if not self.folds:
            self.map()
        elif self.vector is None or self.vector in self.inner:
            self.row_kernel()
        else:
            self.column_kernel()

    def share(self, units) -> tuple[Op, Op]:
        """This thread's part of 0 .. units."""
        k = self.k
        total = units if isinstance(units, Op) else k.size(units)
        tid, nt = Op("%tid", int64), Op("%nt", int64)
        lo = k.plain2("sdiv", k.mul(total, tid), nt)
        return lo, k.plain2("sdiv", k.mul(total, k.add(tid, k.int(1))), nt)

    def decode(self, t: Op, variables: list[int]) -> None:
        """Give the variables their values from one running number (the last varies fastest)."""
        k = self.k
        for position in reversed(range(len(variables))):
            v = variables[position]
            n = self.extents[v]
            if position == 0:
                self.eval.at[v] = t
                return
            above = k.divide_size(t, k.size(n))
            self.eval.at[v] = k.sub(t, k.mul(above, k.size(n)))
            t = above

    def units(self, variables: list[int]):
        return product([self.extents[v] for v in variables])

    def map(self) -> None:
        k = self.k
        outer = [v for v in self.kept if v != self.vector]
        if self.vector is None:
            lo, hi = self.share(1)
            with k.loop(lo, hi):
                self.write_stores(self.stores, [Chunk(k.int(0), 1, None)])
            return
        turned = self.turned(outer)
        if turned is not None:
            self.turning_map(outer, turned)
            return
        n = self.extents[self.vector]
        whole = isinstance(n, int) and n <= 2 * BLOCK
        blocks = 1 if whole else (n + (BLOCK - 1)) // BLOCK
        lo, hi = self.share(self.units(outer) * blocks)
        with k.loop(lo, hi) as turn:
            first, last = k.int(0), k.size(n)
            if whole:
                self.decode(turn.i, outer)
            else:
                count = k.size(blocks)
                row = k.divide_size(turn.i, count) if outer else k.int(0)
                self.decode(row, outer)
                first = k.mul(k.sub(turn.i, k.mul(row, count)), k.int(BLOCK))
                last = k.least(k.add(first, k.int(BLOCK)), last)
                if isinstance(n, int) and n % BLOCK == 0:
                    last = None
            self.sweep(first, last, BLOCK if last is None else None, 1, [], self.map_body)
            turn.next([])

    def turned(self, outer: list[int]) -> int | None:
        """A variable along which some load walks in steps of one while it jumps along the vectorised one."""
        for e in leaf_loads(self.roots):
            jump = e.data.at.terms.get(self.vector, 0)
            if isinstance(jump, int) and jump in (-1, 0, 1):
                continue
            for v in outer:
                step = e.data.at.terms.get(v, 0)
                if isinstance(step, int) and step == 1 and sample(self.extents[v]) > 1:
                    return v
        return None

    def turning_map(self, outer: list[int], turned: int) -> None:
        """A transposing walk: narrow blocks of the vectorised variable, each along the whole of the turned one.

        The cache lines that one vector is gathered from serve the next turns, too (512 x 512: 109 us instead of 532).
        """
        k, n = self.k, self.extents[self.vector]
        others = [v for v in outer if v != turned]
        blocks = (n + (self.lanes - 1)) // self.lanes
        lo, hi = self.share(self.units(others) * blocks)
        with k.loop(lo, hi) as turn:
            count = k.size(blocks)
            row = k.divide_size(turn.i, count) if others else k.int(0)
            self.decode(row, others)
            first = k.mul(k.sub(turn.i, k.mul(row, count)), k.int(self.lanes))
            last = k.least(k.add(first, k.int(self.lanes)), k.size(n))
            length = self.lanes if isinstance(n, int) and n % self.lanes == 0 else None
            with k.loop(k.int(0), k.size(self.extents[turned])) as inner:
                self.eval.at[turned] = inner.i
                self.sweep(first, None if length else last, length, 1, [], self.map_body)
                inner.next([])
            turn.next([])

    def map_body(self, chunks: list[Chunk], acc: list) -> list:
        self.write_stores(self.stores, chunks)
        return acc

    def write_stores(self, stores: list[Store], chunks: list[Chunk]) -> None:
        """Compute everything first: a store may overwrite what another one reads at the same index."""
        ready = []
        for chunk in chunks:
            with self.eval.on(chunk):
                ready += [(chunk, s, self.eval.value(s.expr)) for s in stores]
        for chunk, s, value in ready:
            with self.eval.on(chunk):
                self.eval.store(s, value)

    def sweep(self, lo: Op, hi: Op | None, length: int | None, unroll: int, acc: list[Op], body) -> list[Op]:
        """Run `body(chunks, acc) -> acc` over lo .. hi (or lo .. lo + length) of the vectorised variable.

        acc: `unroll` groups of vector accumulators, then (on machines without masks) one group of numbers. The body
        gets as many groups as chunks.
        """
        k, lanes = self.k, self.lanes
        span = length
        if hi is not None and hi.const is not None and lo.const is not None:
            span = hi.const - lo.const
        if hi is None:
            hi = k.add(lo, k.int(length))
        masks = k.target.masks and lanes > 1
        each = len(acc) // (unroll + (0 if masks else 1)) if acc else 0
        at, rest = lo, span
        for width in dict.fromkeys((unroll, 1)):
            step = width * lanes
            if rest is not None and rest < step:
                continue
            stop = self.whole(at, hi, step, rest)
            carry = acc[: width * each]
            if rest is not None and rest // step == 1:  # a single turn needs no loop
                chunks = [Chunk(k.add(at, k.int(u * lanes)), lanes, None) for u in range(width)]
                acc = body(chunks, list(carry)) + acc[width * each :]
                at, rest = stop, rest % step
                continue
            with k.loop(at, stop, step, carry) as turn:
                chunks = [Chunk(k.add(turn.i, k.int(u * lanes)), lanes, None) for u in range(width)]
                turn.next(body(chunks, list(turn.carried)))
            acc = turn.carried + acc[width * each :]
            at, rest = stop, None if rest is None else rest % step
            if masks and width > 1 and rest is None:
                break  # the masked loop takes all that is left
        if rest == 0 or lanes == 1:
            return acc
        if masks:
            step, carry = lanes, acc[:each]
        else:
            step, carry = 1, acc[unroll * each :]
        with k.loop(at, hi, step, carry) as turn:
            mask = None
            if masks:
                mask = k.mask_below(k.int(rest) if rest is not None and rest < lanes else k.sub(hi, turn.i), lanes)
            chunk = Chunk(turn.i, lanes if masks else 1, mask)
            turn.next(body([chunk], list(turn.carried)))
        return turn.carried + acc[each:] if masks else acc[: unroll * each] + turn.carried

    def whole(self, lo: Op, hi: Op, step: int, rest: int | None) -> Op:
        """The end of the part of lo .. hi that whole steps cover."""
        k = self.k
        if rest is not None:
            return k.add(lo, k.int(rest - rest % step))
        span = k.most(k.sub(hi, lo), k.int(0))
        return k.add(lo, k.bits("and", span, k.int(-step)))

    # Rows

    def stages(self) -> list[tuple[list[int], list[Store]]]:
        """For each loop over the row: numbers of the folds, and the stores on the full level."""
        full = [s for s in self.stores if s.level == "full"]
        last = max([f.stage for f in self.folds] + [s.expr.need for s in full], default=-1)
        found = []
        for stage in range(last + 1):
            numbers = [i for i, f in enumerate(self.folds) if f.stage == stage]
            found.append((numbers, [s for s in full if s.expr.need == stage]))
        return [(numbers, stores) for numbers, stores in found if numbers or stores]

    def row_stores(self) -> list[Store]:
        return [s for s in self.stores if s.level == "row"]

    def inner_bounds(self, v: int) -> tuple[Op, Op]:
        """The range of a folded variable; a part of it where a long fold is cut."""
        k, n = self.k, k_size(self.k, self.extents[v])
        if not self.chunked or v != self.chunked[0]:
            return k.int(0), n
        length = k.int(self.chunked[1])
        first = k.mul(self.eval.at[len(self.scribe.full)], length)
        return first, k.least(k.add(first, length), n)

    def start(self, numbers: list[int], lanes: int) -> list[Op]:
        acc: list[Op] = []
        for i in numbers:
            acc += folds.start(self.k, self.folds[i].name, self.folds[i].arg.dtype, lanes)
        return acc

    def split(self, numbers: list[int], acc: list[Op]) -> list[list[Op]]:
        """The flat list of accumulators, fold by fold."""
        found, at = [], 0
        for i in numbers:
            n = 2 if self.folds[i].name in folds.ARG else 1
            found.append(acc[at : at + n])
            at += n
        return found

    def fold_chunk(self, numbers: list[int], chunk: Chunk, acc: list[Op]) -> list[Op]:
        new: list[Op] = []
        with self.eval.on(chunk):
            for i, mine in zip(numbers, self.split(numbers, acc), strict=True):
                fold = self.folds[i]
                index = self.eval.value(fold.index) if fold.index is not None else None
                mask = chunk.mask if self.vector in self.inner else None
                new += folds.step(self.k, fold.name, mine, self.eval.value(fold.arg), index, mask)
        return new

    def nest(self, variables: list[int], acc: list[Op], body) -> list[Op]:
        """Loops over the folded variables, outermost first, with `body(acc) -> acc` inside."""
        if not variables:
            return body(acc)
        lo, hi = self.inner_bounds(variables[0])
        with self.k.loop(lo, hi, 1, acc) as turn:
            self.eval.at[variables[0]] = turn.i
            turn.next(self.nest(variables[1:], list(turn.carried), body))
        return turn.carried

    def row_kernel(self) -> None:
        k = self.k
        lo, hi = self.share(self.units(self.kept))
        with k.loop(lo, hi) as turn:
            self.decode(turn.i, self.kept)
            self.eval.rows = {}
            resident = self.resident()
            for numbers, stores in self.stages():
                if resident is not None:
                    self.resident_stage(numbers, stores, resident)
                else:
                    self.row_stage(numbers, stores)
            self.write_stores(self.row_stores(), [Chunk(k.int(0), 1, None)])
            turn.next([])

    def resident(self) -> list[Chunk] | None:
        """The row's chunks if they all fit into registers."""
        if len(self.inner) != 1 or self.vector is None or self.chunked:
            return None
        n = self.extents[self.vector]
        lanes = self.lanes
        if not isinstance(n, int) or not n or n > RESIDENT * lanes or len(self.stages()) < 2 and n > lanes:
            return None
        k, found = self.k, []
        for base in range(0, n - n % lanes, lanes):
            found.append(Chunk(k.int(base), lanes, None))
        rest = n % lanes
        if rest and k.target.masks:
            found.append(Chunk(k.int(n - rest), lanes, k.mask_below(k.int(rest), lanes)))
        elif rest:
            found += [Chunk(k.int(i), 1, None) for i in range(n - rest, n)]
        return found

    def resident_stage(self, numbers: list[int], stores: list[Store], chunks: list[Chunk]) -> None:
        k = self.k
        for i in numbers:
            parts: dict[int, list[list[Op]]] = {}
            fold = self.folds[i]
            for chunk in chunks:
                acc = self.fold_chunk([i], chunk, folds.start(k, fold.name, fold.arg.dtype, chunk.lanes))
                parts.setdefault(chunk.lanes, []).append(acc)
            totals = []
            for lanes in sorted(parts, reverse=True):
                group = parts[lanes]
                while len(group) > 1:  # in pairs: short chains
                    group = [folds.merge(k, fold.name, group[j], group[j + 1]) if j + 1 < len(group) else group[j]
                             for j in range(0, len(group), 2)]
                totals.append(folds.across(k, fold.name, group[0]))
            total = totals[0]
            for more in totals[1:]:
                total = folds.merge(k, fold.name, total, more)
            self.eval.rows[i] = folds.result(k, fold.name, total, fold.dtype)
        self.write_stores(stores, chunks)

    def row_stage(self, numbers: list[int], stores: list[Store]) -> None:
        k, lanes = self.k, self.lanes
        masks = k.target.masks and lanes > 1
        n = self.extents[self.vector] if self.vector is not None else 1
        unroll = 4 if numbers and lanes > 1 and sample(n) >= 4 * lanes else 1
        if len(numbers) > 2:
            unroll = min(unroll, 2)
        acc = self.start(numbers, lanes) * unroll + ([] if masks else self.start(numbers, 1))
        each = len(self.start(numbers, 1))

        def body(chunks: list[Chunk], mine: list[Op]) -> list[Op]:
            new: list[Op] = []
            for c, chunk in enumerate(chunks):
                new += self.fold_chunk(numbers, chunk, mine[c * each : (c + 1) * each])
            self.write_stores(stores, chunks)
            return new

        def inner(mine: list[Op]) -> list[Op]:
            if self.vector is None:
                return body([Chunk(k.int(0), 1, None)], mine[:each]) + mine[each:]
            lo, hi = self.inner_bounds(self.vector)
            return self.sweep(lo, hi, None, unroll, mine, body)

        acc = self.nest([v for v in self.inner if v != self.vector], acc, inner)
        groups = [self.split(numbers, acc[g * each : (g + 1) * each]) for g in range(unroll)]
        numbers_only = [] if masks else self.split(numbers, acc[unroll * each :])
        for at, i in enumerate(numbers):
            name = self.folds[i].name
            total = groups[0][at]
            for g in groups[1:]:
                total = folds.merge(k, name, total, g[at])
            total = folds.across(k, name, total)
            if numbers_only and lanes > 1:
                total = folds.merge(k, name, total, numbers_only[at])
            self.eval.rows[i] = folds.result(k, name, total, self.folds[i].dtype)

    # Columns

    def column_kernel(self) -> None:
        """Phases: whole blocks of several vectors, then what is left of the columns."""
        n, lanes = self.extents[self.vector], self.lanes
        stages = self.stages()
        busy = max([len(numbers) for numbers, _ in stages] + [1])
        unroll = max(1, min(8 // busy, 4, -(-sample(n) // lanes)))
        width = unroll * lanes
        known = isinstance(n, int)
        whole = n // width
        if not known or whole:
            self.column_phase(0, whole, unroll, lanes, None)
        if known and n % width == 0:
            return
        done = whole * width
        rest = n - done
        if self.k.target.masks and lanes > 1:
            count = unroll if not known else -(-rest // lanes)
            self.column_phase(done, 1 if known else (rest + (width - 1)) // width, count, lanes, rest)
        elif known and rest >= lanes > 1:
            self.column_phase(done, rest // lanes, 1, lanes, None)
            if rest % lanes:
                self.column_phase(done + rest - rest % lanes, rest % lanes, 1, 1, None)
        else:
            self.column_phase(done, rest, 1, 1, None)

    def column_phase(self, first, blocks, count: int, lanes: int, rest) -> None:
        """`blocks` blocks of count x lanes columns from `first`; rest: how many columns there are, where not all."""
        k = self.k
        outer = [v for v in self.kept if v != self.vector]
        lo, hi = self.share(self.units(outer) * blocks)
        with k.loop(lo, hi) as turn:
            number = k.size(blocks)
            row = turn.i if number.const == 1 else k.divide_size(turn.i, number)
            block = k.int(0) if number.const == 1 else k.sub(turn.i, k.mul(row, number))
            self.decode(row, outer)
            base = k.add(k.size(first), k.mul(block, k.int(count * lanes)))
            chunks = []
            for c in range(count):
                mask = None
                if rest is not None and lanes > 1:
                    mask = k.mask_below(k.sub(k.size(rest), k.int(c * lanes)), lanes)
                chunks.append(Chunk(k.add(base, k.int(c * lanes)), lanes, mask))
            for numbers, stores in self.stages():
                self.column_stage(numbers, stores, chunks)
            self.write_stores(self.row_stores(), chunks)
            turn.next([])

    def column_stage(self, numbers: list[int], stores: list[Store], chunks: list[Chunk]) -> None:
        k = self.k
        each = len(self.start(numbers, 1))
        acc: list[Op] = []
        for chunk in chunks:
            acc += self.start(numbers, chunk.lanes)

        def body(mine: list[Op]) -> list[Op]:
            new: list[Op] = []
            for c, chunk in enumerate(chunks):
                new += self.fold_chunk(numbers, chunk, mine[c * each : (c + 1) * each])
            self.write_stores(stores, chunks)
            return new

        acc = self.nest(self.inner, acc, body)
        for c, chunk in enumerate(chunks):
            for i, mine in zip(numbers, self.split(numbers, acc[c * each : (c + 1) * each]), strict=True):
                chunk.known[i] = folds.result(k, self.folds[i].name, mine, self.folds[i].dtype)


def k_size(k: Emitter, n) -> Op:
    return k.size(n)
