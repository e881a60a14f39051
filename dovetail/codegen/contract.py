"""Matrix products: the tiles that `contract` becomes.

One product is out[i, j] = sum over k of A[i, k] B[k, j], for each entry of an optional batch. i, j and k may each stand
for several dims with strides of their own (a convolution is such a product: k runs over taps and channels of an image).
Accumulators stay in registers over the sum and are handed, vector by vector, to the caller's epilogue, which stores
them or goes on computing (bias, activation, a whole Adam update).

Two forms of tile:

- *broadcast*: rows x vectors accumulators; one element of A is broadcast against vectors of B along the columns. A may
  have any strides; B is read in place when its columns are adjacent, else copied into a panel first.
- *dot*: both operands run along k in vectors; the lanes are added up at the end. For few rows and B given transposed.

A long sum is cut in blocks that fit the caches; the unfinished sums wait in scratch. Work is split among threads by
tiles only, never within a sum, so results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from dovetail.base.dtypes import DType
from dovetail.codegen.builder import Builder
from dovetail.codegen.panels import pack
from dovetail.codegen.target import Target
from dovetail.codegen.vectors import Extent, Vectors, is_, known
from dovetail.ir.sym import Sym
from dovetail.passes.sizes import Poly, sample

Epilogue = Callable[[Builder, str, str, str, int, "str | None", str], None]

CACHE = 1 << 19  # bytes of operands that one panel's work may touch: half of a common second-level cache
BLOCK = 384  # terms of a long sum that are added at a time; a third of that where A is read across its memory
WAITING = 1 << 17  # bytes of unfinished sums kept at a time


@dataclass(frozen=True)
class Operand:
    """A matrix in memory: `pointer` to its first element, strides counted in elements.

    row and col: the strides of its two sides as the product names them (A: i, k; B: k, j), a tuple where a side has
    several dims. batch: a stride for each batch dim, 0 where the operand is shared. Strides are extents (see vectors).
    """

    pointer: str
    row: Extent
    col: Extent
    batch: tuple = ()


@dataclass(frozen=True)
class Phase:
    """Panels of `vectors` registers of `lanes` columns, in tiles of `rows`; the last ones of a masked panel are cut."""

    vectors: int
    lanes: int
    masked: bool
    rows: int

    @property
    def width(self) -> int:
        return self.vectors * self.lanes


@dataclass(frozen=True)
class Plan:
    """How one product is cut.

    form: "broadcast" or "dot"; pack: B is copied into panels first; rows_first: a tile of rows meets all panels before
    the next one (else a panel meets all rows); block: indices of the outermost dim of k that are summed at a time, 0
    for all; chunk: tiles whose unfinished sums are kept in scratch.
    """

    form: str
    phases: tuple[Phase, ...]
    pack: bool = False
    rows_first: bool = False
    block: int = 0
    chunk: int = 0


class Dims:
    """The dims of i, j and k with their strides, as few as possible: [(size, stride, ...)], outermost first."""

    def __init__(self, m, n, k, a: Operand, b: Operand):
        self.m = merged(many(m), many(a.row))
        self.n = merged(many(n), many(b.col))
        self.k = merged(many(k), many(a.col), many(b.row))
        self.k_of_b = merged(many(k), many(b.row))

    def is_empty(self) -> bool:
        return any(is_(size, 0) for dims in (self.m, self.n) for size, *_ in dims)


def many(x) -> tuple:
    return x if isinstance(x, tuple) else (x,)


def merged(sizes: tuple, *strides: tuple) -> list[tuple]:
    """Dims of size 1 left out, neighbours joined where every operand steps through both as through one."""
    dims: list[tuple] = []
    for size, *steps in zip(sizes, *strides, strict=True):
        if is_(size, 1):
            continue
        if dims and not any(isinstance(s, (Sym, str)) for s in (size, *steps, *dims[-1])):
            outer, *before = dims[-1]
            if all(step * size == old for step, old in zip(steps, before, strict=True)):
                dims[-1] = (outer * size, *steps)
                continue
        dims.append((size, *steps))
    return dims or [(1, *[1 for _ in strides])]


def guess(x: Extent) -> int:
    """A likely value of an extent. Decisions made with it must be right for every value."""
    return 64 if isinstance(x, str) else sample(x) if isinstance(x, Poly) else int(x)


# -- the choice of tiles -----------------------------------------------------------------------------------------------


def plan(target: Target, dtype: DType, m, n, k, a: Operand, b: Operand) -> Plan:
    """The cut for a shape. Sizes unknown now decide by their sample; the code is right for every other size."""
    dims = Dims(m, n, k, a, b)
    lanes = target.lanes(dtype.itemsize)
    rows, columns, depth = (prod(guess(size) for size, *_ in side) for side in (dims.m, dims.n, dims.k))
    columns_known = all(known(size) for size, *_ in dims.n)
    adjacent = len(dims.n) == 1 and is_(dims.n[0][1], 1)
    single = is_(dims.n[0][0], 1)
    dot = dot_phases(target, lanes, rows, columns, columns_known)
    phases = broadcast_phases(target, dtype, dims, rows, columns, depth, columns_known)
    along_k = len(dims.k) == 1 and is_(dims.k[0][1], 1) and is_(dims.k[0][2], 1) and depth >= lanes > 1
    near = rows <= 16 or rows * depth * dtype.itemsize <= CACHE  # every few columns meet all of A again
    if along_k and (single or not adjacent and near and dot_pays(dot[0], phases[0], lanes, rows, columns, depth)):
        return Plan("dot", dot)
    width = phases[0].width
    copied = not (adjacent or single) and width > 1 or worth_copying(dtype, dims, rows, columns, depth, width)
    per_k = width * dtype.itemsize + (0 if is_(dims.k[-1][1], 1) else 64)
    if depth * per_k > CACHE and depth > 2 * BLOCK:
        terms = BLOCK if is_(dims.k[-1][1], 1) else BLOCK // 3
        block = max(1, terms // max(1, prod(guess(size) for size, *_ in dims.k[1:])))
        chunk = max(1, WAITING // (phases[0].rows * width * dtype.itemsize))
        return Plan("broadcast", phases, copied, False, block, chunk)
    small = columns * depth * dtype.itemsize <= CACHE // 4
    return Plan("broadcast", phases, copied, not copied and small and columns > 2 * width)


def dot_pays(dot: Phase, panel: Phase, lanes: int, rows: int, columns: int, depth: int) -> bool:
    """Whether adding up lanes costs less than transposing B into panels (benchmarks/gemm.py, in products' times)."""
    loads = max(1, (dot.rows + dot.lanes) / (dot.rows * dot.lanes))
    height, width = -(-rows // dot.rows) * dot.rows, -(-columns // dot.lanes) * dot.lanes
    by_dots = height * width * (depth / lanes * loads + 1.3)
    padded = -(-columns // panel.lanes) * panel.lanes
    by_panels = -(-rows // panel.rows) * panel.rows * padded * depth / lanes + 0.21 * padded * depth
    return by_dots < by_panels


def worth_copying(dtype: DType, dims: Dims, rows: int, columns: int, depth: int, width: int) -> bool:
    """Whether B, though readable in place, is read so often and so far apart that panels pay (benchmarks/gemm.py)."""
    if columns <= width or not all(known(n) for side in (dims.m, dims.n, dims.k) for n, *_ in side):
        return False
    step = dims.k[-1][2]
    same_sets = known(step) and step * dtype.itemsize % 4096 == 0 and depth > 16  # all rows fall on the same cache lines
    return rows >= 128 and columns * depth * dtype.itemsize >= CACHE or rows >= 16 and same_sets


def dot_phases(target: Target, lanes: int, rows: int, columns: int, columns_known: bool) -> tuple[Phase, ...]:
    """Tiles whose rows x columns are as many as a vector has lanes, so that one vector holds all the sums."""
    tall = max(1, min(4, lanes // 4, 1 << rows.bit_length() - 1 if rows else 1))
    across = lanes // tall
    if columns_known and columns < across and not target.masks:
        return (Phase(1, 1, False, tall),)
    rest = columns % across if columns_known else 1
    whole = [Phase(1, across, False, tall)] if columns >= across or not columns_known else []
    if columns == 1 and columns_known:
        return (Phase(1, 1, False, min(4, max(rows, 1))),)
    last = [Phase(1, across, True, tall) if target.masks else Phase(1, 1, False, tall)] if rest else []
    return tuple(whole + last)


def broadcast_phases(target, dtype, dims: Dims, rows: int, columns: int, depth: int, columns_known: bool):
    """Panels, widest first: whole ones, then what is left of the columns."""
    if columns_known and columns == 1:
        return (Phase(1, 1, False, tile_rows(target, dims, rows, 1, depth)),)
    full = target.lanes(dtype.itemsize)
    least = max(1, min(full, 16 // dtype.itemsize))  # below 16 bytes nothing is won
    lanes = full
    if columns_known:
        wanted = 1 << max(columns - 1, 0).bit_length() if target.masks else 1 << max(columns, 1).bit_length() - 1
        lanes = min(full, max(wanted, least if target.masks else 1))
        if not target.masks and lanes < least:
            lanes = 1
    vectors = panel_vectors(target, -(-columns // lanes) if target.masks else columns // lanes) if lanes > 1 else 1
    found: list[tuple[int, int, bool]] = []
    if not columns_known or columns >= vectors * lanes:
        found.append((vectors, lanes, False))
    rest = columns % (vectors * lanes) if columns_known else vectors * lanes - 1
    if rest and target.masks and lanes > 1:
        left = -(-rest // lanes)
        narrow = min(lanes, max(least, 1 << (rest - 1).bit_length())) if left == 1 and columns_known else lanes
        found.append((left, narrow, not columns_known or rest % narrow != 0))
    elif rest:
        if rest >= lanes > 1:
            found.append((rest // lanes if columns_known else 1, lanes, False))
        rest = rest % lanes if columns_known else 1
        if columns_known and rest >= least > 1 and least < lanes:
            found.append((1, least, False))
            rest -= least
        if rest and lanes > 1:
            found.append((1, 1, False))
    if not found:
        found.append((1, 1, False))
    return tuple(Phase(v, w, masked, tile_rows(target, dims, rows, v, depth)) for v, w, masked in found)


def panel_vectors(target: Target, n_vectors: int) -> int:
    """Vectors in a panel: as many as leave room for enough rows, evenly divided where that costs nothing."""
    most = 4 if target.registers >= 32 else 2
    if n_vectors > most and most == 4 and n_vectors % 4 and n_vectors % 3 == 0:
        return 3
    return min(max(n_vectors, 1), most)


def tile_rows(target: Target, dims: Dims, rows: int, vectors: int, depth: int) -> int:
    """Rows of a tile: few idle ones, many products a load, enough sums in flight, all of them in registers."""
    most = min((target.registers - vectors - 2) // vectors, 8)
    inner = dims.m[-1][0]

    def cost(tall: int) -> float:
        places = 3 * tall / max(depth, 1) if len(dims.m) > 1 and not (known(inner) and inner % tall == 0) else 0
        return -(-rows // tall) * (max(tall * vectors, 6) + 0.25 * vectors + 0.25 + places)

    return min(range(1, most + 1), key=lambda tall: (cost(tall), -tall))


# -- the interface -----------------------------------------------------------------------------------------------------


def scratch_bytes(target: Target, dtype: DType, m, n, k, a: Operand, b: Operand, compact: bool = False) -> int:
    """Bytes of scratch that each thread needs (a Sym or Poly where a size is); thread t uses scratch + t * that."""
    dims = Dims(m, n, k, a, b)
    if dims.is_empty():
        return 0
    cut = plan(target, dtype, m, n, k, a, b)
    return panel_bytes(cut, dims, dtype) + sums_bytes(cut, dtype, compact)


def panel_bytes(cut: Plan, dims: Dims, dtype: DType):
    """Bytes of one copied panel, with slack for a last block of rows."""
    if not cut.pack:
        return 0
    depth = 1
    for size, *_ in dims.k[1:]:
        depth = size * depth
    if cut.block and known(dims.k[0][0]):
        depth = min(cut.block, dims.k[0][0]) * depth
    else:
        depth = (cut.block or dims.k[0][0]) * depth
    lanes = max(phase.lanes for phase in cut.phases)
    return (depth + lanes) * (max(phase.width for phase in cut.phases) * dtype.itemsize)


def sums_bytes(cut: Plan, dtype: DType, compact: bool) -> int:
    """Bytes for sums that wait: for their next block, or for a compact epilogue."""
    tiles = cut.chunk if cut.block else int(compact and cut.form == "broadcast")
    return tiles * max(phase.rows * phase.width for phase in cut.phases) * dtype.itemsize


def gemm_kernel(
    b: Builder,
    *,
    target: Target,
    dtype: DType,
    m,
    n,
    k,
    a: Operand,
    b_: Operand,
    epilogue: Epilogue,
    tid: str = "0",
    nt: str = "1",
    scratch: str | None = None,
    batch: tuple = (),
    extent: Callable[[object], str] = str,
    compact: bool = False,
) -> set[str]:
    """Write one product (or a batch of them) and return the `declare` lines it needs.

    m, n, k: an extent, or a tuple of them where that side has several dims (the operands' strides then match). batch:
    extents. `extent` turns ints, Syms and Polys into the text of an i64 operand. tid, nt: this thread's number and the
    number of threads, i64.
    scratch: pointer to scratch_bytes(...) * nt bytes, needed where that is not 0; aligned to 64 bytes.
    epilogue(b, acc, row, col, lanes, mask, batch): called once for every accumulator vector: out[row, col..col+lanes-1]
    of batch entry `batch`; row, col, batch are i64, each a flat row-major index. mask is None or a <lanes x i1>; where
    lanes is 1, acc is a plain number, not a vector.
    compact: write the epilogue once for each vector of a row, in a loop over the rows, instead of once for each
    accumulator: for long epilogues.

    Raises: ValueError where scratch is missing.
    """
    if scratch is None and not is_(scratch_bytes(target, dtype, m, n, k, a, b_, compact), 0):
        raise ValueError("this product needs room of its own: pass scratch (see scratch_bytes)")
    cut, dims = plan(target, dtype, m, n, k, a, b_), Dims(m, n, k, a, b_)
    product = _Product(b, target, dtype, cut, dims, a, b_, epilogue, (tid, nt), scratch, batch, extent, compact)
    if not dims.is_empty() and not any(is_(size, 0) for size in batch):
        product.write()
    return product.needs


# -- the writing -------------------------------------------------------------------------------------------------------


class _Product(Vectors):
    """The writing of one product; `self.b` is the builder everything goes to."""

    def __init__(self, b, target, dtype, cut, dims, left, right, epilogue, threads, scratch, batch, extent, compact):
        super().__init__(b, dtype, extent)
        self.target, self.cut, self.dims = target, cut, dims
        self.left, self.right, self.epilogue = left, right, epilogue
        self.tid, self.nt = (int(t) if t.isdigit() else t for t in threads)
        self.scratch, self.batch, self.compact = scratch, batch, compact
        self.phase = cut.phases[0]

    def write(self) -> None:
        self.m = self.product(size for size, *_ in self.dims.m)
        self.n = self.product(size for size, *_ in self.dims.n)
        self.places()
        column: Extent = 0
        for phase in self.cut.phases:
            self.phase, width = phase, phase.width
            left = self.sub(self.n, column)
            panels = self.ceil_div(left, width) if phase.masked else self.div(left, width)
            self.walk(column, panels)
            column = self.add(column, self.mul(panels, width))

    def places(self) -> None:
        """Where in scratch this thread's panel and its waiting sums are."""
        panel = panel_bytes(self.cut, self.dims, self.dtype)
        sums = sums_bytes(self.cut, self.dtype, self.compact)
        if not is_(panel, 0) or sums:
            start = self.mul(self.tid, self.add(panel, sums))
            self.panel = self.at_byte(self.scratch, start)
            self.sums = self.at_byte(self.panel, panel)

    # The walk over panels of columns and tiles of rows

    def walk(self, column: Extent, panels: Extent) -> None:
        """All tiles of `panels` panels from `column` on: this thread's share of batch x panels x row tiles."""
        tiles = self.ceil_div(self.m, self.phase.rows)
        entries = self.product(self.batch)
        if self.cut.rows_first and is_(panels, 1) is False:
            with self.shared(self.mul(entries, tiles), panels) as (outer, low, high):
                entry, tile = self.split(outer, tiles)
                self.meet_panels(entry, tile, column, low, high)
        else:
            with self.shared(self.mul(entries, panels), tiles) as (outer, low, high):
                entry, panel = self.split(outer, panels)
                self.meet_rows(entry, self.add(column, self.mul(panel, self.phase.width)), low, high)

    def shared(self, outer: Extent, inner: Extent):
        """This thread's part of outer x inner units of work, as (outer index, first and end of the inner ones)."""
        return _Shared(self, outer, inner)

    def split(self, flat: Extent, size: Extent) -> tuple[Extent, Extent]:
        """flat as (flat // size, flat % size)."""
        above = self.div(flat, self.most(size, 1))
        return above, self.sub(flat, self.mul(above, size))

    def bases(self, entry: Extent) -> tuple[str, str]:
        """Pointers to both operands' matrices of batch entry `entry` (a flat index)."""
        pointers, rest = [self.left.pointer, self.right.pointer], entry
        for dim in reversed(range(len(self.batch))):
            above, index = self.split(rest, self.batch[dim]) if dim else (0, rest)
            for side, operand in enumerate((self.left, self.right)):
                pointers[side] = self.at(pointers[side], self.mul(index, operand.batch[dim]))
            rest = above
        return pointers[0], pointers[1]

    def place(self, flat: Extent, dims: list[tuple]) -> Extent:
        """The offset of flat index `flat` in a side's dims (size, stride)."""
        total: Extent = 0
        for position in reversed(range(len(dims))):
            size, stride = dims[position]
            flat, index = self.split(flat, size) if position else (flat, flat)
            total = self.add(total, self.mul(index, stride))
        return total

    def meet_panels(self, entry: Extent, tile: Extent, column: Extent, low: Extent, high: Extent) -> None:
        """One tile of rows against the panels low .. high - 1, read in place."""
        base_a, base_b = self.bases(entry)
        row = self.mul(tile, self.phase.rows)
        start, offsets, guards = self.row_places(row)
        pointer = self.at(base_a, start)
        with self.b.loop(self.text(low), self.text(high)) as turn:
            col = self.add(column, self.mul(turn.i, self.phase.width))
            masks = self.masks(col)
            source = self.at(base_b, self.place(col, self.dims.n))
            self.finish(self.broadcast_tile(pointer, offsets, source, False, masks), row, guards, col, masks, entry)

    def meet_rows(self, entry: Extent, col: Extent, low: Extent, high: Extent) -> None:
        """One panel against the row tiles low .. high - 1."""
        base_a, base_b = self.bases(entry)
        masks = self.masks(col)
        packed = self.cut.pack and self.phase.lanes > 1
        if self.cut.block:
            self.blocks(entry, base_a, base_b, col, low, high, masks, packed)
            return
        if self.cut.form == "dot":
            source = base_b
        elif packed:
            source = pack(self, base_b, col, self.panel, self.dims.n, self.dims.k_of_b, self.phase, masks, self.target)
        else:
            source = self.at(base_b, self.place(col, self.dims.n))
        with self.b.loop(self.text(low), self.text(high)) as turn:
            row = self.mul(turn.i, self.phase.rows)
            start, offsets, guards = self.row_places(row)
            pointer = self.at(base_a, start)
            if self.cut.form == "dot":
                sums = self.dot_tile(pointer, offsets, source, col)
            else:
                sums = self.broadcast_tile(pointer, offsets, source, packed, masks)
            self.finish(sums, row, guards, col, masks, entry)

    def masks(self, col: Extent) -> list[str | None]:
        """Which lanes of each of a panel's vectors exist."""
        vectors, lanes = self.phase.vectors, self.phase.lanes
        if not self.phase.masked:
            return [None] * vectors
        whole = self.cut.phases[0].width if len(self.cut.phases) > 1 else 0
        left = self.sub(self.n, col)
        if known(self.n):
            left = self.n % whole if whole else self.n
        return [self.mask_below(self.sub(left, v * lanes), lanes) for v in range(vectors)]

    def row_places(self, row: Extent) -> tuple[Extent, list[Extent], list[str | None]]:
        """Of a tile from `row` on: where it starts, each row's offset from there, the conditions that rows exist.

        Rows past the last compute the last row again and are dropped.
        """
        rows, (inner, stride) = self.phase.rows, self.dims.m[-1]
        exact = known(self.m) and self.m % rows == 0
        several = len(self.dims.m) > 1
        if rows == 1 or (exact and (not several or (known(inner) and inner % rows == 0))):
            return self.place(row, self.dims.m), [self.mul(i, stride) for i in range(rows)], [None] * rows
        last = self.sub(self.sub(self.m, 1), row)
        steps = [0] + [i if exact else self.least(last, i) for i in range(1, rows)]
        guards = [None] + [None if exact else self.b.op(f"icmp sge i64 {self.text(last)}, {i}") for i in range(1, rows)]
        if several:
            return 0, [self.place(self.add(row, step), self.dims.m) for step in steps], guards
        return self.place(row, self.dims.m), [self.mul(step, stride) for step in steps], guards

    # What happens to finished sums

    def finish(self, sums: list, row: Extent, guards: list, col: Extent, masks: list, entry: Extent) -> None:
        """Hand every accumulator to the epilogue."""
        if self.compact and self.cut.form == "broadcast" and self.phase.rows > 1:
            self.keep(self.sums, sums)
            count = self.phase.rows
            if guards[-1] is not None:
                count = self.least(self.sub(self.m, row), count)
            self.finish_kept(self.sums, row, count, col, masks, entry)
            return
        for i, guard in enumerate(guards):
            if guard is None:
                self.finish_row(sums[i], self.add(row, i), col, masks, entry)
            else:
                with self.b.when(guard):
                    self.finish_row(sums[i], self.add(row, i), col, masks, entry)

    def finish_row(self, sums: list[str], row: Extent, col: Extent, masks: list, entry: Extent) -> None:
        lanes = self.phase.lanes
        for v, (total, mask) in enumerate(zip(sums, masks, strict=True)):
            column = self.text(self.add(col, v * lanes))
            self.epilogue(self.b, total, self.text(row), column, lanes, mask, self.text(entry))

    def keep(self, place: str, sums: list) -> None:
        """Store a tile's sums row by row."""
        phase = self.phase
        for i, row in enumerate(sums):
            for v, total in enumerate(row):
                self.store(total, self.at(place, i * phase.width + v * phase.lanes), phase.lanes)

    def kept(self, place: str) -> list[str]:
        phase = self.phase
        return [self.load(self.at(place, i * phase.width + v * phase.lanes), phase.lanes)
                for i in range(phase.rows) for v in range(phase.vectors)]

    def finish_kept(self, place: str, row: Extent, count: Extent, col: Extent, masks: list, entry: Extent) -> None:
        """The epilogue for `count` rows of stored sums."""
        phase = self.phase
        with self.b.loop("0", self.text(count), carry=[("ptr", place)]) as turn:
            sums = [self.load(self.at(turn.carried[0], v * phase.lanes), phase.lanes) for v in range(phase.vectors)]
            self.finish_row(sums, self.add(row, turn.i), col, masks, entry)
            turn.next(self.at(turn.carried[0], phase.width))

    def blocks(self, entry, base_a, base_b, col, low, high, masks, packed) -> None:
        """One panel against its row tiles, a block of k at a time; the sums wait in scratch meanwhile."""
        phase, (count, step_a, step_b) = self.phase, self.dims.k[0]
        size = phase.rows * phase.width
        with self.b.loop(self.text(low), self.text(high), self.cut.chunk) as chunk:
            end = self.least(self.add(chunk.i, self.cut.chunk), high)
            tiles = self.sub(end, chunk.i)
            with self.b.loop("0", self.text(self.mul(tiles, size)), phase.lanes) as turn:
                self.store(self.zero(phase.lanes), self.at(self.sums, turn.i), phase.lanes)
                turn.next()
            with self.b.loop("0", self.text(count), self.cut.block) as part:
                terms = self.least(self.sub(count, part.i), self.cut.block)
                dims = [(terms, step_a, step_b), *self.dims.k[1:]]
                first = self.at(base_b, self.mul(part.i, step_b))
                if packed:
                    whole = merged_like(self.dims.k, terms)
                    source = pack(self, first, col, self.panel, self.dims.n, whole, phase, masks, self.target)
                else:
                    source = self.at(first, self.place(col, self.dims.n))
                from_a = self.at(base_a, self.mul(part.i, step_a))
                with self.b.loop("0", self.text(tiles), carry=[("ptr", self.sums)]) as turn:
                    row = self.mul(self.add(chunk.i, turn.i), phase.rows)
                    start, offsets, _ = self.row_places(row)
                    place = turn.carried[0]
                    sums = self.broadcast_tile(self.at(from_a, start), offsets, source, packed, masks, dims,
                                               self.kept(place))
                    self.keep(place, sums)
                    turn.next(self.at(place, size))
            row = self.mul(chunk.i, phase.rows)
            last = self.least(self.mul(end, phase.rows), self.m)
            self.finish_kept(self.sums, row, self.sub(last, row), col, masks, entry)

    # Tiles

    def broadcast_tile(self, a: str, offsets: list, b: str, packed: bool, masks: list, dims=None, sums=None) -> list:
        """sums[row][vector] over all of k, or over `dims` of it and on top of `sums`."""
        phase = self.phase
        rows, vectors, lanes = phase.rows, phase.vectors, phase.lanes
        kind = self.vector(lanes)

        def step(a_now: str, b_now: str, sums: list[str]) -> list[str]:
            right = [self.load(self.at(b_now, v * lanes), lanes, None if packed else masks[v]) for v in range(vectors)]
            for i in range(rows):
                left = self.splat(self.load(self.at(a_now, offsets[i]), 1), lanes)
                for v in range(vectors):
                    at = i * vectors + v
                    sums[at] = self.multiply_add(left, right[v], sums[at], lanes)
            return sums

        def nest(dims: list[tuple], a_now: str, b_now: str, sums: list[str]) -> list[str]:
            """Loops over dims, outermost first -> [pointer past the panel's rows, *sums]."""
            (count, step_a, step_b), *inner = dims
            carry = [("ptr", a_now), ("ptr", b_now), *[(kind, total) for total in sums]]
            with self.b.loop("0", self.text(count), carry=carry) as turn:
                a_here, b_here, *now = turn.carried
                if inner:
                    b_next, *now = nest(inner, a_here, b_here, now)
                else:
                    now, b_next = step(a_here, b_here, list(now)), self.at(b_here, phase.width)
                turn.next(self.at(a_here, step_a), b_next if packed else self.at(b_here, step_b), *now)
            return turn.results[1:]

        _, *found = nest(dims or self.dims.k, a, b, sums or [self.zero(lanes)] * (rows * vectors))
        return [found[i * vectors : (i + 1) * vectors] for i in range(rows)]

    def dot_tile(self, a: str, offsets: list, b: str, col: Extent) -> list:
        """sums[row][0]: neighbouring columns of one row in a vector (a number where the phase has one lane)."""
        rows, columns, lanes = self.phase.rows, self.phase.lanes, self.target.lanes(self.size)
        kind, depth = self.vector(lanes), self.dims.k[0][0]
        sides = self.column_places(col, columns)
        whole = self.mul(self.div(depth, lanes), lanes)

        def step(k: Extent, sums: list[str], wide: int, mask: str | None) -> list[str]:
            a_now, b_now = self.at(a, k), self.at(b, k)
            right = [self.load(self.at(b_now, side), wide, mask) for side in sides]
            for i in range(rows):
                left = self.load(self.at(a_now, offsets[i]), wide, mask)
                for j in range(columns):
                    sums[i * columns + j] = self.multiply_add(left, right[j], sums[i * columns + j], wide)
            return sums

        with self.b.loop("0", self.text(whole), lanes, carry=[(kind, self.zero(lanes))] * (rows * columns)) as turn:
            turn.next(*step(turn.i, list(turn.carried), lanes, None))
        sums = list(turn.results)
        ragged = not (known(depth) and depth % lanes == 0)
        if ragged and self.target.masks:
            sums = step(whole, sums, lanes, self.mask_below(self.sub(depth, whole), lanes))
        if rows * columns == lanes:
            total = self.add_up(sums, lanes)
            sums = [self.part(total, lanes, i * columns, columns) for i in range(rows)]
        else:
            sums = [self.sum_lanes(total, lanes) for total in sums]
        if ragged and not self.target.masks:
            zeros = [(self.word, self.zero(1))] * (rows * columns)
            with self.b.loop(self.text(whole), self.text(depth), carry=zeros) as turn:
                turn.next(*step(turn.i, list(turn.carried), 1, None))
            last = [self.collect(turn.results[i * columns : (i + 1) * columns]) for i in range(rows)]
            sums = [self.plus(total, more, columns) for total, more in zip(sums, last, strict=True)]
        return [[total] for total in sums]

    def column_places(self, col: Extent, columns: int) -> list[Extent]:
        """The offsets of `columns` neighbouring columns of B; those past the last repeat it."""
        last = self.sub(self.n, 1)
        return [self.place(self.least(self.add(col, j), last), self.dims.n) for j in range(columns)]

    def collect(self, numbers: list[str]) -> str:
        """A vector of the numbers."""
        if len(numbers) == 1:
            return numbers[0]
        kind, made = self.vector(len(numbers)), "poison"
        for i, number in enumerate(numbers):
            made = self.b.op(f"insertelement {kind} {made}, {self.word} {number}, i64 {i}")
        return made


def merged_like(k: list[tuple], terms: Extent) -> list[tuple]:
    """B's dims of k where the outermost one runs over `terms` indices only."""
    return [(terms, k[0][2]), *[(size, step) for size, _, step in k[1:]]]


class _Shared:
    """A loop over this thread's part of outer x inner units: `with` gives (outer index, first inner, end of inner)."""

    def __init__(self, product: _Product, outer: Extent, inner: Extent):
        self.p, self.outer, self.inner = product, outer, inner

    def __enter__(self):
        p, inner = self.p, self.inner
        units = p.mul(self.outer, inner)
        first = p.div(p.mul(units, p.tid), p.nt)
        last = p.div(p.mul(units, p.add(p.tid, 1)), p.nt)
        size = p.most(inner, 1)
        end = p.ceil_div(last, size)
        self.loop = p.b.loop(p.text(p.div(first, size)), p.text(end))
        turn = self.loop.__enter__()
        if is_(p.nt, 1):
            return turn.i, 0, inner
        done = p.mul(turn.i, inner)
        return turn.i, p.most(p.sub(first, done), 0), p.least(p.sub(last, done), inner)

    def __exit__(self, *error):
        return self.loop.__exit__(*error)
