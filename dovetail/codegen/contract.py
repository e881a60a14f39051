"""Matrix products: the tiles that `contract` becomes.

One product is out[i, j] = sum over k of A[i, k] B[k, j], for each entry of an optional batch. Accumulators stay in
registers over the whole sum and are handed, vector by vector, to the caller's epilogue, which stores them or goes on
computing (bias, activation, a whole Adam update).

Two forms of tile:

- *broadcast*: rows x vectors accumulators; one element of A is broadcast against vectors of B along the columns. A may
  have any strides; B is read in place when its columns are adjacent, else copied into a panel first.
- *dot*: both operands run along k in vectors; the lanes are added up at the end. For few rows and B given transposed.

Work is split among threads by tiles only, never within a sum, so results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dovetail.base.dtypes import DType
from dovetail.codegen.builder import Builder
from dovetail.codegen.target import Target
from dovetail.ir.sym import is_static

Extent = int | str
Epilogue = Callable[[Builder, str, str, str, int, "str | None", str], None]

WORD = {"float32": "float", "float64": "double", "int32": "i32", "int64": "i64"}


@dataclass(frozen=True)
class Operand:
    """A matrix in memory: `pointer` to element (0, 0) of batch entry 0, strides counted in elements.

    row and col: strides of the two dims as the product names them (A: i, k; B: k, j). batch: a stride for each batch
    dim, 0 where the operand is shared. Strides are ints, Syms or the names of i64 values.
    """

    pointer: str
    row: Extent
    col: Extent
    batch: tuple[Extent, ...] = ()


@dataclass(frozen=True)
class Plan:
    """How one product is cut. rows x vectors registers of `lanes` are accumulated at a time.

    form: "broadcast" or "dot"; pack: whether B is copied into panels first.
    """

    form: str
    rows: int
    vectors: int
    lanes: int
    pack: bool


def plan(target: Target, dtype: DType, m: int, n: int, k: int, a: Operand, b: Operand) -> Plan:
    """The cut for a shape. Sizes that are Syms decide by their sample; the code is right for every other size."""
    lanes = target.lanes(dtype.itemsize)
    unit_b = is_static(b.col) and b.col == 1
    along_k = all(is_static(s) and s == 1 for s in (a.col, b.row))
    if along_k and not (unit_b and n > 1) and m < 8 and k >= lanes:
        return Plan("dot", min(max(m, 1), 4), 1, 4 if n >= 4 else 1, False)
    if n * 2 < lanes and not target.masks:
        return Plan("broadcast", 4, 1, 1, False)
    rows, vectors = tile_shape(target, m, -(-n // lanes))
    return Plan("broadcast", rows, vectors, lanes, not unit_b or worth_copying(dtype, m, n, k, vectors * lanes))


def worth_copying(dtype: DType, m: int, n: int, k: int, width: int) -> bool:
    """Whether B, though readable in place, is read so often and so far apart that panels pay (benchmarks/gemm.py)."""
    known = is_static(m) and is_static(n) and is_static(k)
    return known and m >= 128 and n > width and n * k * dtype.itemsize >= 1 << 19


def tile_shape(target: Target, m: int, n_vectors: int) -> tuple[int, int]:
    """Rows and vectors of a tile: few idle rows and columns, many products a load, all accumulators in registers."""
    vectors = min(max(n_vectors, 1), 4 if target.registers >= 32 else 2)
    if 4 < n_vectors and vectors == 4 and n_vectors % 4 and n_vectors % 3 == 0:
        vectors = 3
    most = min((target.registers - vectors - 2) // vectors, 8)

    def cost(rows: int) -> float:
        return -(-m // rows) * (rows * vectors + 0.25 * vectors + 0.25)

    return min(range(1, most + 1), key=lambda rows: (cost(rows), -rows)), vectors


def scratch_bytes(target: Target, dtype: DType, m: int, n: int, k: int, a: Operand, b: Operand) -> int:
    """Bytes of scratch that each thread needs (a Sym where a size is one); thread t uses scratch + t * that."""
    cut = plan(target, dtype, m, n, k, a, b)
    if not cut.pack or any(_is(size, 0) for size in (m, n, k)):
        return 0
    width = cut.vectors * cut.lanes
    return (k + cut.lanes) * (width * dtype.itemsize)


def gemm_kernel(
    b: Builder,
    *,
    target: Target,
    dtype: DType,
    m: int,
    n: int,
    k: int,
    a: Operand,
    b_: Operand,
    epilogue: Epilogue,
    tid: str = "0",
    nt: str = "1",
    scratch: str | None = None,
    batch: tuple[int, ...] = (),
    extent: Callable[[Extent], str] = str,
) -> set[str]:
    """Write one product (or a batch of them) and return the `declare` lines it needs.

    m, n, k, batch: ints or Syms; `extent` turns either into the text of an i64 operand (names of values it hands
    through). tid, nt: this thread's number and the number of threads, i64.
    scratch: pointer to scratch_bytes(...) * nt bytes, needed where that is not 0; aligned to 64 bytes.
    epilogue(b, acc, row, col, lanes, mask, batch): called once for every accumulator vector: out[row, col..col+lanes-1]
    of batch entry `batch` (flat index); row, col, batch are i64. mask is None or a <lanes x i1>; where lanes is 1, acc
    is a plain number, not a vector.

    Raises: ValueError where scratch is missing.
    """
    cut = plan(target, dtype, m, n, k, a, b_)
    if scratch is None and not _is(scratch_bytes(target, dtype, m, n, k, a, b_), 0):
        raise ValueError("this product copies B into panels: pass scratch (see scratch_bytes)")
    product = _Product(b, target, dtype, cut, (m, n, k), a, b_, epilogue, (tid, nt), scratch, batch, extent)
    if not any(_is(size, 0) for size in (m, n, *batch)):
        product.write()
    return product.needs


class _Product:
    """The writing of one product; `self.b` is the builder everything goes to."""

    def __init__(self, b, target, dtype, cut, sizes, left, right, epilogue, threads, scratch, batch, extent):
        self.b, self.target, self.dtype, self.cut = b, target, dtype, cut
        self.m, self.n, self.k = sizes
        self.left, self.right, self.epilogue = left, right, epilogue
        self.tid, self.nt = threads
        self.scratch, self.batch, self.extent = scratch, batch, extent
        self.word, self.size = WORD[dtype.name], dtype.itemsize
        self.needs: set[str] = set()

    # Integers: folded here when both sides are known, so that the text stays short.

    def fold(self, op: str, x: Extent, y: Extent) -> Extent:
        """x op y as an int where both are ints, else the name of an i64 value."""
        known = not isinstance(x, str) and is_static(x) and not isinstance(y, str) and is_static(y)
        if known:
            return {"add": x + y, "sub": x - y, "mul": x * y, "udiv": x // y if y else 0}[op]
        if (op == "mul" and _is(y, 1)) or (op in ("add", "sub") and _is(y, 0)) or (op == "udiv" and _is(y, 1)):
            return x if isinstance(x, str) else self.extent(x)
        if (op == "mul" and _is(x, 1)) or (op == "add" and _is(x, 0)):
            return y if isinstance(y, str) else self.extent(y)
        if op == "mul" and (_is(x, 0) or _is(y, 0)):
            return 0
        return self.b.op(f"{op} i64 {self.text(x)}, {self.text(y)}")

    def text(self, x: Extent) -> str:
        return x if isinstance(x, str) else self.extent(x)

    def least(self, x: Extent, y: Extent) -> Extent:
        if not isinstance(x, str) and not isinstance(y, str) and is_static(x) and is_static(y):
            return min(x, y)
        return self.call("i64", "llvm.smin.i64", [("i64", self.text(x)), ("i64", self.text(y))])

    def most(self, x: Extent, y: Extent) -> Extent:
        if not isinstance(x, str) and not isinstance(y, str) and is_static(x) and is_static(y):
            return max(x, y)
        return self.call("i64", "llvm.smax.i64", [("i64", self.text(x)), ("i64", self.text(y))])

    def ceil_div(self, x: Extent, y: int) -> Extent:
        return self.fold("udiv", self.fold("add", x, y - 1), y)

    # Instructions

    def call(self, result: str, name: str, args: list[tuple[str, str]]) -> str:
        self.needs.add(f"declare {result} @{name}({', '.join(kind for kind, _ in args)})")
        return self.b.op(f"call {result} @{name}({', '.join(f'{kind} {value}' for kind, value in args)})")

    def at(self, pointer: str, *offsets: Extent) -> str:
        """pointer + the offsets, in elements."""
        for offset in offsets:
            if not _is(offset, 0):
                pointer = self.b.op(f"getelementptr {self.word}, ptr {pointer}, i64 {self.text(offset)}", "p")
        return pointer

    def vector(self, lanes: int) -> str:
        return self.word if lanes == 1 else f"<{lanes} x {self.word}>"

    def zero(self, lanes: int) -> str:
        return ("0.0" if self.dtype.kind == "f" else "0") if lanes == 1 else "zeroinitializer"

    def short(self, lanes: int) -> str:
        """The intrinsic's name for a vector type: v16f32."""
        element = ("f" if self.dtype.kind == "f" else "i") + str(self.size * 8)
        return element if lanes == 1 else f"v{lanes}{element}"

    def multiply_add(self, x: str, y: str, total: str, lanes: int) -> str:
        kind = self.vector(lanes)
        if self.dtype.kind != "f":
            return self.b.op(f"add {kind} {total}, {self.b.op(f'mul {kind} {x}, {y}')}")
        return self.call(kind, f"llvm.fmuladd.{self.short(lanes)}", [(kind, x), (kind, y), (kind, total)])

    def load(self, pointer: str, lanes: int, mask: str | None = None) -> str:
        kind = self.vector(lanes)
        if mask is None:
            return self.b.op(f"load {kind}, ptr {pointer}, align {self.size}")
        name = f"llvm.masked.load.{self.short(lanes)}.p0"
        self.needs.add(f"declare {kind} @{name}(ptr, i32, <{lanes} x i1>, {kind})")
        args = f"ptr {pointer}, i32 {self.size}, <{lanes} x i1> {mask}, {kind} zeroinitializer"
        return self.b.op(f"call {kind} @{name}({args})")

    def store(self, value: str, pointer: str, lanes: int) -> None:
        self.b.line(f"store {self.vector(lanes)} {value}, ptr {pointer}, align {self.size}")

    def splat(self, value: str, lanes: int) -> str:
        if lanes == 1:
            return value
        kind = self.vector(lanes)
        first = self.b.op(f"insertelement {kind} poison, {self.word} {value}, i64 0")
        return self.b.op(f"shufflevector {kind} {first}, {kind} poison, <{lanes} x i32> zeroinitializer")

    def mask_below(self, count: Extent, lanes: int) -> str | None:
        """Lanes whose number is below `count`; None where that is all of them for sure."""
        if not isinstance(count, str) and is_static(count):
            if count >= lanes:
                return None
            return "<" + ", ".join(f"i1 {int(lane < count)}" for lane in range(lanes)) + ">"
        few = self.most(self.least(count, lanes), 0)
        narrow = self.b.op(f"trunc i64 {few} to i32")
        first = self.b.op(f"insertelement <{lanes} x i32> poison, i32 {narrow}, i64 0")
        kind = f"<{lanes} x i32>"
        all_lanes = self.b.op(f"shufflevector {kind} {first}, {kind} poison, <{lanes} x i32> zeroinitializer")
        numbers = "<" + ", ".join(f"i32 {lane}" for lane in range(lanes)) + ">"
        return self.b.op(f"icmp ult {kind} {numbers}, {all_lanes}")

    # The walk over panels of columns and tiles of rows

    def write(self) -> None:
        cut = self.cut
        column, width = 0, cut.vectors * cut.lanes
        for vectors, lanes, masked in self.column_phases():
            width = vectors * lanes
            left = self.fold("sub", self.n, column)
            panels = self.ceil_div(left, width) if masked else self.fold("udiv", left, width)
            self.panels(column, panels, vectors, lanes, masked)
            column = self.fold("add", column, self.fold("mul", panels, width))

    def column_phases(self) -> list[tuple[int, int, bool]]:
        """(vectors, lanes, masked) of the panels, widest first: whole panels, then what is left of the columns."""
        cut, n = self.cut, self.n
        width, known = cut.vectors * cut.lanes, is_static(n)
        phases = [(cut.vectors, cut.lanes, False)] if not known or n >= width else []
        rest = n % width if known else width - 1
        if not rest:
            return phases
        if self.target.masks and cut.lanes > 1:
            return phases + [(-(-rest // cut.lanes), cut.lanes, True)]
        if rest >= cut.lanes > 1 and cut.vectors > 1:
            phases.append((1, cut.lanes, False))
        if rest % cut.lanes or not known:
            phases.append((1, 1, False))
        return phases

    def panels(self, column: Extent, panels: Extent, vectors: int, lanes: int, masked: bool) -> None:
        """All tiles of `panels` panels from `column` on: this thread's share of batch x panels x row tiles."""
        b, rows = self.b, self.cut.rows
        tiles = self.ceil_div(self.m, rows)
        outer = panels
        for size in self.batch:
            outer = self.fold("mul", outer, size)
        units = self.fold("mul", outer, tiles)
        first = self.share(units, self.tid)
        last = self.share(units, self.fold("add", self.tid, 1))
        divisor = self.most(tiles, 1)
        begin = self.fold("udiv", first, divisor)
        end = self.fold("udiv", self.fold("add", last, self.fold("sub", divisor, 1)), divisor)
        with b.loop(self.text(begin), self.text(end)) as walk:
            done = self.fold("mul", walk.i, tiles)
            low = self.most(self.fold("sub", first, done), 0)
            high = self.least(self.fold("sub", last, done), tiles)
            entry = self.fold("udiv", walk.i, self.most(panels, 1))
            panel = self.fold("sub", walk.i, self.fold("mul", entry, panels))
            col = self.fold("add", column, self.fold("mul", panel, vectors * lanes))
            self.row_tiles(entry, col, low, high, vectors, lanes, masked)

    def share(self, units: Extent, thread: Extent) -> Extent:
        return self.fold("udiv", self.fold("mul", units, thread), self.nt)

    def row_tiles(self, entry: Extent, col: Extent, low: Extent, high: Extent, vectors: int, lanes: int, masked: bool):
        b, rows = self.b, self.cut.rows
        base_a, base_b = self.batch_bases(entry)
        masks = [None] * vectors
        if masked:
            masks = [self.mask_below(self.fold("sub", self.n, self.fold("add", col, v * lanes)), lanes)
                     for v in range(vectors)]
            if is_static(self.n):
                rest = self.n % (self.cut.vectors * self.cut.lanes)
                masks = [self.mask_below(rest - v * lanes, lanes) for v in range(vectors)]
        if self.cut.form == "dot":
            source, step = base_b, self.right.row
        elif self.cut.pack and lanes > 1:
            source, step = self.pack(base_b, col, vectors, lanes, masks), vectors * lanes
        else:
            source, step = self.at(base_b, self.fold("mul", col, self.right.col)), self.right.row
        with b.loop(self.text(low), self.text(high)) as walk:
            row = self.fold("mul", walk.i, rows)
            pointer = self.at(base_a, self.fold("mul", row, self.left.row))
            offsets, guards = self.row_offsets(row)
            if self.cut.form == "dot":
                sums = self.dot_tile(pointer, offsets, source, col, lanes)
            else:
                sums = self.broadcast_tile(pointer, offsets, source, step, vectors, lanes, masks)
            self.finish(sums, row, guards, col, lanes, masks, entry)

    def batch_bases(self, entry: Extent) -> tuple[str, str]:
        """Pointers to both operands' matrices of batch entry `entry` (a flat index)."""
        pointers, rest = [self.left.pointer, self.right.pointer], entry
        for dim in reversed(range(len(self.batch))):
            size = self.batch[dim]
            above = self.fold("udiv", rest, size) if dim else 0
            index = self.fold("sub", rest, self.fold("mul", above, size)) if dim else rest
            for side, operand in enumerate((self.left, self.right)):
                pointers[side] = self.at(pointers[side], self.fold("mul", index, operand.batch[dim]))
            rest = above
        return pointers[0], pointers[1]

    def row_offsets(self, row: str) -> tuple[list[Extent], list[str | None]]:
        """For each row of a tile: its offset from the first, in elements, and the condition that it exists.

        Rows past the last compute the last row again and are dropped.
        """
        rows, stride = self.cut.rows, self.left.row
        if rows == 1 or (is_static(self.m) and self.m % rows == 0):
            return [self.fold("mul", i, stride) for i in range(rows)], [None] * rows
        last = self.fold("sub", self.fold("sub", self.m, 1), row)
        offsets: list[Extent] = [0]
        guards: list[str | None] = [None]
        for i in range(1, rows):
            offsets.append(self.fold("mul", self.least(last, i), stride))
            guards.append(self.b.op(f"icmp sge i64 {last}, {i}"))
        return offsets, guards

    def finish(self, sums: list, row: str, guards: list, col: Extent, lanes: int, masks: list, entry: Extent) -> None:
        """Hand every accumulator to the epilogue."""
        columns = [self.text(self.fold("add", col, v * lanes)) for v in range(len(masks))]
        for i, guard in enumerate(guards):
            if guard is None:
                self.finish_row(sums[i], self.fold("add", row, i), columns, lanes, masks, entry)
            else:
                with self.b.when(guard):
                    self.finish_row(sums[i], self.fold("add", row, i), columns, lanes, masks, entry)

    def finish_row(self, sums: list[str], row: str, columns: list[str], lanes: int, masks: list, entry: Extent) -> None:
        for total, col, mask in zip(sums, columns, masks, strict=True):
            self.epilogue(self.b, total, row, col, lanes, mask, self.text(entry))

    # Tiles

    def broadcast_tile(self, a: str, offsets: list, b: str, step: Extent, vectors: int, lanes: int, masks: list):
        """sums[row][vector] over the whole of k."""
        rows, kind = len(offsets), self.vector(lanes)
        carry = [("ptr", a), ("ptr", b)] + [(kind, self.zero(lanes))] * (rows * vectors)
        with self.b.loop("0", self.text(self.k), carry=carry) as walk:
            a_now, b_now, *sums = walk.carried
            right = [self.load(self.at(b_now, v * lanes), lanes, masks[v] if not self.cut.pack else None)
                     for v in range(vectors)]
            for i in range(rows):
                left = self.splat(self.load(self.at(a_now, offsets[i]), 1), lanes)
                for v in range(vectors):
                    at = i * vectors + v
                    sums[at] = self.multiply_add(left, right[v], sums[at], lanes)
            walk.next(self.at(a_now, self.left.col), self.at(b_now, step), *sums)
        found = walk.results[2:]
        return [found[i * vectors : (i + 1) * vectors] for i in range(rows)]

    def dot_tile(self, a: str, offsets: list, b: str, col: Extent, columns: int):
        """sums[row][0]: `columns` neighbouring columns of one row in a vector (a number where columns is 1)."""
        rows, lanes = len(offsets), self.target.lanes(self.size)
        kind = self.vector(lanes)
        last = self.fold("sub", self.fold("sub", self.n, 1), col)
        b = self.at(b, self.fold("mul", col, self.right.col))
        sides = [self.fold("mul", self.least(last, j) if j else 0, self.right.col) for j in range(columns)]
        whole = self.fold("mul", self.fold("udiv", self.k, lanes), lanes)

        def step(k: Extent, sums: list[str], wide: int, mask: str | None) -> list[str]:
            a_now, b_now = self.at(a, k), self.at(b, k)
            right = [self.load(self.at(b_now, side), wide, mask) for side in sides]
            for i in range(rows):
                left = self.load(self.at(a_now, offsets[i]), wide, mask)
                for j in range(columns):
                    sums[i * columns + j] = self.multiply_add(left, right[j], sums[i * columns + j], wide)
            return sums

        with self.b.loop("0", self.text(whole), lanes, carry=[(kind, self.zero(lanes))] * (rows * columns)) as walk:
            walk.next(*step(walk.i, list(walk.carried), lanes, None))
        sums = list(walk.results)
        ragged = not (is_static(self.k) and self.k % lanes == 0)
        if ragged and self.target.masks:
            sums = step(whole, sums, lanes, self.mask_below(self.fold("sub", self.k, whole), lanes))
        sums = [self.sum_lanes(total, lanes) for total in sums]
        if ragged and not self.target.masks:
            with self.b.loop(self.text(whole), self.text(self.k), carry=[(self.word, s) for s in sums]) as walk:
                walk.next(*step(walk.i, list(walk.carried), 1, None))
            sums = list(walk.results)
        return [[self.gather(sums[i * columns : (i + 1) * columns])] for i in range(rows)]

    def sum_lanes(self, value: str, lanes: int) -> str:
        """The sum of a vector's lanes, halves added to halves."""
        add = "fadd" if self.dtype.kind == "f" else "add"
        while lanes > 1:
            kind, half = self.vector(lanes), lanes // 2
            low = ", ".join(f"i32 {i}" for i in range(half))
            high = ", ".join(f"i32 {i + half}" for i in range(half))
            if half == 1:
                parts = [self.b.op(f"extractelement {kind} {value}, i64 {i}") for i in (0, 1)]
            else:
                parts = [self.b.op(f"shufflevector {kind} {value}, {kind} poison, <{half} x i32> <{picks}>")
                         for picks in (low, high)]
            value, lanes = self.b.op(f"{add} {self.vector(half)} {parts[0]}, {parts[1]}"), half
        return value

    def gather(self, numbers: list[str]) -> str:
        """A vector of the numbers."""
        if len(numbers) == 1:
            return numbers[0]
        kind, made = self.vector(len(numbers)), "poison"
        for i, number in enumerate(numbers):
            made = self.b.op(f"insertelement {kind} {made}, {self.word} {number}, i64 {i}")
        return made

    # Panels

    def pack(self, base: str, col: Extent, vectors: int, lanes: int, masks: list) -> str:
        """Copy k x (vectors * lanes) of B to this thread's scratch, rows adjacent; the pointer to it."""
        bytes_each = scratch_bytes(self.target, self.dtype, self.m, self.n, self.k, self.left, self.right)
        panel = self.b.op(
            f"getelementptr i8, ptr {self.scratch}, i64 {self.text(self.fold('mul', self.tid, bytes_each))}")
        if _is(self.right.col, 1):
            self.pack_rows(self.at(base, col), panel, vectors, lanes, masks)
        elif _is(self.right.row, 1):
            self.pack_turned(base, col, panel, vectors, lanes, masks)
        else:
            self.pack_numbers(base, col, panel, vectors * lanes)
        return panel

    def pack_rows(self, source: str, panel: str, vectors: int, lanes: int, masks: list) -> None:
        """The columns of B are adjacent."""
        with self.b.loop("0", self.text(self.k), carry=[("ptr", source), ("ptr", panel)]) as down:
            for v in range(vectors):
                row = self.load(self.at(down.carried[0], v * lanes), lanes, masks[v])
                self.store(row, self.at(down.carried[1], v * lanes), lanes)
            down.next(self.at(down.carried[0], self.right.row), self.at(down.carried[1], vectors * lanes))

    def pack_turned(self, base: str, col: Extent, panel: str, vectors: int, lanes: int, masks: list) -> None:
        """The rows of B are adjacent: blocks of lanes x lanes numbers are transposed in registers.

        Columns past the last repeat it; rows past the last are zeros and lie in the slack of the scratch.
        """
        width = vectors * lanes
        whole = self.k if self.target.masks else self.fold("mul", self.fold("udiv", self.k, lanes), lanes)
        with self.b.loop("0", str(vectors)) as across:
            first = self.fold("add", col, self.fold("mul", across.i, lanes))
            start, into = self.at(base, self.fold("mul", first, self.right.col)), self.fold("mul", across.i, lanes)
            last = self.fold("sub", self.fold("sub", self.n, 1), first)
            within = all(mask is None for mask in masks)
            sides = [self.fold("mul", j if within else self.least(last, j), self.right.col) for j in range(lanes)]
            with self.b.loop("0", self.text(whole), lanes) as down:
                ragged = self.target.masks and not (is_static(self.k) and self.k % lanes == 0)
                mask = self.mask_below(self.fold("sub", self.k, down.i), lanes) if ragged else None
                now = self.at(start, down.i)
                rows = self.transpose([self.load(self.at(now, side), lanes, mask) for side in sides], lanes)
                target = self.at(panel, self.fold("mul", down.i, width), into)
                for i, row in enumerate(rows):
                    self.store(row, self.at(target, i * width), lanes)
                down.next()
            if not self.target.masks:
                with self.b.loop(self.text(whole), self.text(self.k)) as down:
                    now, target = self.at(start, down.i), self.at(panel, self.fold("mul", down.i, width), into)
                    for j, side in enumerate(sides):
                        self.store(self.load(self.at(now, side), 1), self.at(target, j), 1)

    def transpose(self, rows: list[str], lanes: int) -> list[str]:
        """The columns of lanes vectors: first inside blocks of 16 bytes, then the blocks, each a single instruction."""
        per = min(lanes, 16 // self.size)
        low = [block + e // 2 + (e % 2) * lanes for block in range(0, lanes, per) for e in range(per)]
        high = [pick + per // 2 for pick in low]
        groups = []
        for start in range(0, lanes, per):
            group = rows[start : start + per]
            for _ in range(per.bit_length() - 1):
                group = [self.shuffle(group[i], group[i + per // 2], lanes, picks)
                         for i in range(per // 2) for picks in (low, high)]
            groups.append(group)
        turned = [self.spread_blocks([group[c] for group in groups], lanes, per) for c in range(per)]
        return [column[q] for q in range(lanes // per) for column in turned]

    def spread_blocks(self, vectors: list[str], lanes: int, per: int) -> list[str]:
        """Vector q of the result holds block q of every vector."""
        if len(vectors) == 1:
            return vectors
        even = [block + e for block in range(0, 2 * lanes, 2 * per) for e in range(per)]
        halves = [self.spread_blocks([self.shuffle(x, y, lanes, picks)
                                      for x, y in zip(vectors[::2], vectors[1::2], strict=True)], lanes, per)
                  for picks in (even, [pick + per for pick in even])]
        return [vector for pair in zip(*halves, strict=True) for vector in pair]

    def shuffle(self, x: str, y: str, lanes: int, picks: list[int]) -> str:
        kind, chosen = self.vector(lanes), ", ".join(f"i32 {pick}" for pick in picks)
        return self.b.op(f"shufflevector {kind} {x}, {kind} {y}, <{lanes} x i32> <{chosen}>")

    def pack_numbers(self, base: str, col: Extent, panel: str, width: int) -> None:
        """Any strides, number by number; columns past the last repeat it."""
        last = self.fold("sub", self.fold("sub", self.n, 1), col)
        with self.b.loop("0", str(width)) as across:
            source = self.at(base, self.fold("mul", self.fold("add", col, self.least(last, across.i)), self.right.col))
            target = self.at(panel, across.i)
            with self.b.loop("0", self.text(self.k), carry=[("ptr", source), ("ptr", target)]) as down:
                self.store(self.load(down.carried[0], 1), down.carried[1], 1)
                down.next(self.at(down.carried[0], self.right.row), self.at(down.carried[1], width))


def _is(x: Extent, value: int) -> bool:
    return not isinstance(x, str) and is_static(x) and x == value
