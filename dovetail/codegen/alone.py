"""Kernels with loops of their own: scans, scatters, sorting.

Their operands are still expressions (shape primitives and lookups are read through), but nothing else is fused in.
Results never depend on the number of threads: a thread owns whole fibres or columns and walks them in order.
"""

from __future__ import annotations

import math

from dovetail.base.dtypes import DType, int64
from dovetail.codegen import folds, mathfun
from dovetail.codegen.emit import Emitter, Op
from dovetail.codegen.expr import Expr, Scribe, Storage
from dovetail.codegen.loops import Chunk, Evaluator, Loops
from dovetail.passes.affine import identity, variable
from dovetail.passes.fuse import squeezed_positions
from dovetail.passes.sizes import contiguous, is_one, sample, sizes

UNSUPPORTED = frozenset({"polygamma", "angle", "imag", "make_complex"})
SCANS = {"cumsum": ("reduce_sum", "add"), "cumprod": ("reduce_prod", "mul"), "cummax": ("reduce_max", "maximum"),
         "cummin": ("reduce_min", "minimum"), "logcumsumexp": ("reduce_max", None)}


def write(lowering, group, targets: dict) -> list:
    """The kernels of a node that stands alone, in order."""
    node = group.anchor
    places = targets[node.out]
    name = node.prim.name
    if name in SCANS:
        kernels = [scan(lowering, group, places[0])]
    elif name == "concat":
        kernels = pieces(lowering, node, places[0])
    elif name == "argsort":
        kernels = [sort(lowering, group, places[0])]
    else:
        kernels = [filled(lowering, node, places[0]), scatter(lowering, group, places[0])]
    for extra in places[1:]:
        kernels.append(moved(lowering, places[0], extra))
    return [k for k in kernels if k.function]


def moved(lowering, source: Storage, target: Storage):
    """A kernel that copies one storage to another of the same shape."""
    kernel = lowering.new_kernel(None, "copy")
    full = tuple(n for n in source.shape if not is_one(n))
    scribe = Scribe(None, lowering.memory, full)
    index = identity(source.shape, list(range(len(full))))
    scribe.store_expr(scribe.load_at(source, source.address(index), None), target, target.address(index))
    lowering.loops(kernel, scribe, frozenset(), None)
    return kernel


def filled(lowering, node, target: Storage):
    """A kernel that writes the scatter's first operand to where its result will be."""
    kernel = lowering.new_kernel(None, f"{node.prim.name}: start")
    x = node.inputs[0]
    shape = sizes(x.shape)
    full = tuple(n for n in shape if not is_one(n))
    scribe = Scribe(None, lowering.memory, full)
    index = identity(shape, list(range(len(full))))
    scribe.store_expr(scribe.value(x, index), target, target.address(index))
    lowering.loops(kernel, scribe, frozenset(), None)
    return kernel


def pieces(lowering, node, target: Storage) -> list:
    """Each operand is written to its part of the result; by the kernel that computes it, where that can be."""
    kernels, dim, at = [], node.params["dim"] % len(node.out.shape), 0
    for x in node.inputs:
        shape = sizes(x.shape)
        part = target.part(shape, target.strides, at * target.strides[dim], target.value)
        at = at + shape[dim]
        if not lowering.adopt(x, part):
            kernel = lowering.new_kernel(None, "concat")
            kernel.where = node.where
            full = tuple(n for n in shape if not is_one(n))
            scribe = Scribe(None, lowering.memory, full)
            index = identity(shape, list(range(len(full))))
            scribe.store_expr(scribe.value(x, index), part, part.address(index))
            lowering.loops(kernel, scribe, frozenset(), None)
            kernels.append(kernel)
    return kernels


class Alone:
    """An emitter, a scribe and loops over the variables of one node."""

    def __init__(self, lowering, group, full: tuple, target: Storage):
        self.lowering, self.target = lowering, target
        self.kernel = lowering.new_kernel(group, group.anchor.prim.name)
        self.k = Emitter(lowering.target)
        self.scribe = Scribe(None, lowering.memory, full)
        self.pointer = lowering.pointers(self.kernel)
        self.loops: Loops | None = None
        self.eval: Evaluator | None = None

    def begin(self, vector: int | None, dtype: DType) -> None:
        """All expressions are made; start writing. The loops below do not collapse variables."""
        self.loops = Loops.bare(self.k, self.scribe, self.pointer, vector, self.k.target.lanes(max(4, dtype.itemsize)))
        self.eval = self.loops.eval

    def finish(self):
        reads = [e.data.storage for e in self.scribe.made.values() if e.kind == "load"]
        self.kernel.reads += reads
        self.kernel.loads += [(s, None) for s in self.kernel.reads]
        self.kernel.writes.append(self.target)
        self.kernel.stores.append((self.target, None))
        self.kernel.nbytes = float(2 * sample(self.target.nbytes))
        self.lowering.finish(self.kernel, self.k)
        return self.kernel


def empty(storage: Storage) -> bool:
    return any(isinstance(n, int) and n == 0 for n in storage.shape)


# Scans


def scan(lowering, group, target: Storage):
    node = group.anchor
    x, shape = node.inputs[0], sizes(node.out.shape)
    full = tuple(n for n in shape if not is_one(n))
    a = Alone(lowering, group, full, target)
    if empty(target):
        return a.kernel
    index = identity(shape, list(range(len(full))))
    arg = a.scribe.value(x, index)
    place = squeezed_positions(shape, (node.params["dim"] % max(1, len(shape)),))
    if not place:
        a.scribe.store_expr(arg, target, target.address(index))
        lowering.loops(a.kernel, a.scribe, frozenset(), None)
        return a.kernel
    along, address = place[0], target.address(index)
    vector = len(full) - 1 if along != len(full) - 1 else None
    a.begin(vector, x.dtype)
    k, loops = a.k, a.loops
    outer = [v for v in range(len(full)) if v not in (along, vector)]
    first, rule = SCANS[node.prim.name]
    backwards = node.params.get("reverse", False)
    n = k.size(full[along])
    store = a.scribe.stored(arg, target, address)

    def walk(chunks: list[Chunk], acc: list[Op]) -> list[Op]:
        (chunk,) = chunks
        start = folds.start(k, first, x.dtype, chunk.lanes)
        with k.loop(k.int(0), n, 1, start) as turn, a.eval.on(chunk):
            a.eval.at[along] = k.sub(k.sub(n, k.int(1)), turn.i) if backwards else turn.i
            new = k.widen(a.eval.value(arg), chunk.lanes)
            total = log_add(k, turn.carried[0], new) if rule is None else getattr(k, rule)(new, turn.carried[0])
            a.eval.store(store, total)
            turn.next([total])
        return acc

    lo, hi = loops.share(loops.units(outer))
    with k.loop(lo, hi) as turn:
        loops.decode(turn.i, outer)
        if vector is None:
            walk([Chunk(k.int(0), 1, None)], [])
        else:
            loops.sweep(k.int(0), k.size(full[vector]), None, 1, [], walk)
        turn.next([])
    return a.finish()


def log_add(k: Emitter, x: Op, y: Op) -> Op:
    """log(exp(x) + exp(y)) without overflow."""
    top = k.maximum(x, y)
    gap = k.neg(mathfun.abs_(k, k.sub(x, y)))
    apart = k.add(top, mathfun.log1p(k, mathfun.exp(k, gap)))
    return k.select(k.compare("eq", x, y), k.add(x, k.const(math.log(2.0), x.dtype)), apart)


# Scatters


def scatter(lowering, group, target: Storage):
    """Write or add updates, in the order of the updates. Fibres or columns that cannot meet are shared by threads."""
    node = group.anchor
    name = node.prim.name
    u = node.inputs[2] if name in ("scatter", "scatter_add", "index_add") else node.inputs[1]
    shape = sizes(u.shape)
    full = tuple(n for n in shape if not is_one(n))
    a = Alone(lowering, group, full, target)
    if empty(target) or any(isinstance(n, int) and n == 0 for n in shape):
        return a.kernel
    index = identity(shape, list(range(len(full))))
    place, ordered, vector = updates(a.scribe, node, u, index, full)
    new = a.scribe.value(u, index)
    store = a.scribe.stored(new, target, target.address(place))
    adds = name in ("scatter_add", "index_add") or node.params.get("mode") == "add"
    a.begin(vector, u.dtype)
    k, loops = a.k, a.loops
    free = [v for v in range(len(full)) if v not in ordered and v != vector]

    def update(chunks: list[Chunk], acc: list[Op]) -> list[Op]:
        (chunk,) = chunks
        before, k.floor = k.floor, k.depth  # what is read here may have been written by an earlier turn
        with a.eval.on(chunk):
            value = k.widen(a.eval.value(new), chunk.lanes)
            if adds:
                value = k.add(a.eval.load_back(store), value)
            a.eval.store(store, value)
        k.floor = before
        return acc

    def inside(acc: list[Op]) -> list[Op]:
        if vector is None:
            return update([Chunk(k.int(0), 1, None)], acc)
        n, lo, hi = k.size(full[vector]), k.int(0), k.size(full[vector])
        if not free:  # threads share the columns
            lanes = k.int(loops.lanes)
            blocks = k.divide_size(k.add(n, k.int(loops.lanes - 1)), lanes)
            lo, hi = (k.mul(part, lanes) for part in loops.share(blocks))
            hi = k.least(hi, n)
        return loops.sweep(lo, hi, None, 1, acc, update)

    lo, hi = (k.int(0), k.int(1)) if not free and vector is not None else loops.share(loops.units(free))
    with k.loop(lo, hi) as turn:
        loops.decode(turn.i, free)
        loops.nest(ordered, [], inside)
        turn.next([])
    a.kernel.reads.append(target)
    return a.finish()


def updates(scribe: Scribe, node, u, index: tuple, full: tuple) -> tuple[tuple, list[int], int | None]:
    """(where update `index` goes, the variables along which updates may meet, the variable to vectorise)."""
    name, x, last = node.prim.name, node.inputs[0], len(full) - 1
    if name == "scatter_nd":
        picks = node.inputs[2:]
        rank = len(picks[0].shape)
        at = [scribe.pick(p, index[:rank], x, d, None) for d, p in enumerate(picks)]
        ordered = [v for v in range(len(full)) if any(variable(v) == i for i in index[:rank])]
        return (*at, *index[rank:]), ordered, last if full and last not in ordered else None
    dim, idx = node.params["dim"] % len(x.shape), node.inputs[1]
    ordered = [v for v in range(len(full)) if variable(v) == index[dim]]
    if name == "index_add":
        at = scribe.pick(idx, (index[dim],), x, dim, None)
        vector = last if full and last not in ordered else None
    else:
        at = scribe.pick(idx, index, x, dim, None)
        vector = None
    return (*index[:dim], at, *index[dim + 1 :]), ordered, vector


# Sorting


def sort(lowering, group, target: Storage):
    """Merge sort of each row's indices: stable, and the same whatever the number of threads."""
    node = group.anchor
    x, shape = node.inputs[0], sizes(node.out.shape)
    full = tuple(n for n in shape if not is_one(n))
    a = Alone(lowering, group, full, target)
    if empty(target):
        return a.kernel
    place = squeezed_positions(shape, (node.params["dim"] % max(1, len(shape)),))
    index = identity(shape, list(range(len(full))))
    if not place:
        a.scribe.store_expr(a.scribe.const(0, int64), target, target.address(index))
        lowering.loops(a.kernel, a.scribe, frozenset(), None)
        return a.kernel
    along = place[0]
    key = a.scribe.value(x, index)
    spare = Storage("arena", ("sort", node), shape, contiguous(shape), int64, node.out)
    slots = [a.scribe.stored(key, s, s.address(index)) for s in (target, spare)]
    a.begin(along, x.dtype)
    k, loops = a.k, a.loops
    outer = [v for v in range(len(full)) if v != along]
    n = k.size(full[along])
    lo, hi = loops.share(loops.units(outer))
    with k.loop(lo, hi) as turn:
        loops.decode(turn.i, outer)
        with k.loop(k.int(0), n) as fill, a.eval.on(Chunk(fill.i, 1, None)):
            a.eval.store(slots[0], fill.i)
            fill.next([])
        merge_passes(a, key, slots, n, node.params["descending"])
        turn.next([])
    a.kernel.reads.append(spare)
    a.kernel.writes.append(spare)
    return a.finish()


def merge_passes(a: Alone, key: Expr, slots: list, n: Op, descending: bool) -> None:
    k = a.k
    rounds = k.sub(k.int(64), k.write(f"call i64 @llvm.ctlz.i64(i64 {k.sub(n, k.int(1)).text}, i1 false)", int64, 1, 0))
    k.declares.add("declare i64 @llvm.ctlz.i64(i64, i1)")
    last = k.sub(n, k.int(1))

    def read(slot, i: Op) -> Op:
        with a.eval.on(Chunk(i, 1, None)):
            return a.eval.load_back(slot)

    def key_at(i: Op) -> Op:
        with a.eval.on(Chunk(i, 1, None)):
            return a.eval.value(key)

    with k.loop(k.int(0), rounds) as turn:
        width = k.bits("shl", k.freeze(k.int(1)), turn.i)
        double = k.add(width, width)
        pairs = k.divide_size(k.add(n, k.sub(double, k.int(1))), double)
        with k.loop(k.int(0), pairs) as block:
            first = k.mul(block.i, double)
            middle = k.least(k.add(first, width), n)
            end = k.least(k.add(first, double), n)
            with k.loop(first, end, 1, [first, middle]) as walk:
                i, j = walk.carried
                left, right = read(slots[0], k.least(i, last)), read(slots[0], k.least(j, last))
                swap = comes_first(k, key_at(right), key_at(left), descending)
                take = k.plain2("or", k.compare("ge", j, end), k.not_(swap))
                take = k.plain2("and", take, k.compare("lt", i, middle))
                with a.eval.on(Chunk(walk.i, 1, None)):
                    a.eval.store(slots[1], k.select(take, left, right))
                step = k.convert(take, int64)
                walk.next([k.add(i, step), k.add(j, k.sub(k.int(1), step))])
            block.next([])
        with k.loop(k.int(0), n) as back, a.eval.on(Chunk(back.i, 1, None)):
            a.eval.store(slots[0], a.eval.load_back(slots[1]))
            back.next([])
        turn.next([])


def comes_first(k: Emitter, x: Op, y: Op, descending: bool) -> Op:
    """Whether x must stand before y although it came later; NaN is the largest."""
    first = k.compare("gt" if descending else "lt", x, y)
    if x.dtype.kind != "f":
        return first
    big, other = (x, y) if descending else (y, x)
    nan = k.plain2("and", k.compare("uno", big, big), k.not_(k.compare("uno", other, other)))
    return k.plain2("or", first, nan)


