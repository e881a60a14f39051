"""How a product is cut into tiles: which form, how many rows and vectors, what is copied, where sums are interrupted.

Decisions read the sizes' samples where sizes are known at run time only; whatever is decided is right for all sizes.
The constants and conditions come from `benchmarks/gemm.py` and `benchmarks/conv.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod

from dovetail.base.dtypes import DType
from dovetail.codegen.target import Target
from dovetail.codegen.vectors import Extent, is_, known
from dovetail.ir.sym import Sym
from dovetail.passes.sizes import Poly, sample

NEAREST = 3 << 13  # bytes that stay in the first-level cache through a tile's work
NEAR = 1 << 16  # bytes that come from there or follow one another from the second-level cache
CACHE = 1 << 19  # bytes of operands that one panel's work may touch: half of a common second-level cache
BLOCK = 384  # terms of a long sum that are added at a time; a third of that where A is read far across its memory
WAITING = 1 << 20  # bytes of unfinished sums kept at a time
TOGETHER = 8  # tiles of A that are copied at once, so that whole lines of memory are used
ACROSS = 512  # bytes between two terms of A from which copying it is considered
WORTHWHILE = 1 << 21  # multiplications that are worth the code for it
LEFT = 1 << 18  # bytes of A that are copied at a time


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

    form: "broadcast" or "dot"; pack: B is copied into panels first; pack_left: A is copied into tiles, block by block;
    whole: it is all of k that is summed in one block; rows_first: a tile of rows meets all panels before
    the next one (else a panel meets all rows); block: indices of dim `cut` of k that are summed at a time, 0 for all;
    level: dims of k before this one are taken index by index outside the blocks; chunk, group: tiles and panels whose
    unfinished sums wait in scratch.
    """

    form: str
    phases: tuple[Phase, ...]
    pack: bool = False
    rows_first: bool = False
    block: int = 0
    level: int = 0
    cut: int = 0
    chunk: int = 0
    group: int = 0
    pack_left: bool = False
    whole: bool = False


class Dims:
    """The dims of i, j and k with their strides, as few as possible: [(size, stride, ...)], outermost first."""

    def __init__(self, m, n, k, a: Operand, b: Operand):
        self.m = merged(many(m), many(a.row))
        self.n = merged(many(n), many(b.col))
        self.k = merged(many(k), many(a.col), many(b.row))

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
    adjacent = is_(dims.n[-1][1], 1)
    single = is_(dims.n[0][0], 1)
    dot = dot_phases(target, lanes, rows, columns, columns_known)
    phases = broadcast_phases(target, dtype, dims, rows, columns, depth, columns_known)
    along_k = len(dims.k) == 1 and is_(dims.k[0][1], 1) and is_(dims.k[0][2], 1) and depth >= lanes > 1
    near = rows <= 16 or rows * depth * dtype.itemsize <= CACHE  # every few columns meet all of A again
    if along_k and (single or not adjacent and near and dot_pays(dot[0], phases[0], lanes, rows, columns, depth)):
        several = rows > dot[0].rows and rows * depth * dtype.itemsize > NEAREST  # tiles, not all of A at hand
        several = several and columns * depth * dtype.itemsize <= CACHE
        return Plan("dot", dot, rows_first=several, pack_left=several and known(dims.k[0][0]))
    width = phases[0].width
    adjacent = adjacent and (len(dims.n) == 1 or runs_whole(dims, phases))
    copied = not (adjacent or single) and width > 1 or worth_copying(dtype, dims, rows, columns, depth, width)
    step = dims.k[-1][1]
    if left_pays(dims, rows, columns, depth, width, dtype):
        whole = depth <= 512 and all(known(size) for size, *_ in dims.k)
        copied = copied or columns > width
        terms = depth if whole else BLOCK
        group = max(1, min(-(-columns // width), 512 // width))
        block, level, cut = (dims.k[0][0], 0, 0) if whole else block_of(dims, terms, copied)
        chunk = max(TOGETHER, LEFT // (phases[0].rows * terms * dtype.itemsize))
        return Plan("broadcast", phases, copied, False, block, level, cut, chunk, group, True, whole)
    far = abs(guess(step)) * depth * dtype.itemsize >= 4 * CACHE and abs(guess(step)) * dtype.itemsize >= 1024
    terms = BLOCK // 3 if far else BLOCK
    per_k = width * dtype.itemsize + (0 if is_(step, 1) else 64)
    if (far or depth * per_k > CACHE) and depth > 2 * terms:
        group = max(1, min(-(-columns // width), 512 // width))
        tiles = -(-rows // phases[0].rows)  # room is cleared for all of a chunk
        chunk = max(1, min(tiles, WAITING // (phases[0].rows * group * width * dtype.itemsize)))
        return Plan("broadcast", phases, copied, False, *block_of(dims, terms, copied), chunk, group)
    small = columns * depth * dtype.itemsize <= CACHE // 4
    return Plan("broadcast", phases, copied, not copied and small and columns > 2 * width)


def left_pays(dims: Dims, rows: int, columns: int, depth: int, width: int, dtype: DType) -> bool:
    """Whether A is read so far across its memory that each of its lines would be fetched anew for every tile."""
    step = dims.k[-1][1]
    across = not known(step) or abs(step) * dtype.itemsize >= ACROSS
    return across and min(rows, depth) >= 32 and columns >= width and columns * rows * depth >= WORTHWHILE


def runs_whole(dims: Dims, phases: tuple[Phase, ...]) -> bool:
    """Whether the columns of every panel are neighbours, though not all columns are."""
    size, step = dims.n[-1]
    return is_(step, 1) and known(size) and size % phases[0].width == 0 and len(phases) == 1


def block_of(dims: Dims, terms: int, copied: bool) -> tuple[int, int, int]:
    """(indices at a time, level, dim to cut) so that about `terms` terms are added at a time."""
    sizes = [guess(size) for size, *_ in dims.k]
    cut, others = len(sizes) - 1, prod(sizes[:-1])
    if copied and not is_(dims.k[-1][2], 1) and others * 16 <= terms:  # B's neighbours lie along the other dims
        return even_part(sizes[cut], terms // others), 0, cut
    level, inner = cut, 1
    while level > 0 and inner * sizes[level] <= terms:
        inner *= sizes[level]
        level -= 1
    return even_part(sizes[level], terms // inner), level, level


def even_part(size: int, most: int) -> int:
    """About `most` of `size` at a time: a divisor if there is one, else parts of nearly the same size."""
    for part in range(min(most, size), most // 2, -1):
        if size % part == 0:
            return part
    return max(1, -(-size // max(1, -(-size // max(most, 1)))))


def dot_pays(dot: Phase, panel: Phase, lanes: int, rows: int, columns: int, depth: int) -> bool:
    """Whether adding up lanes costs less than transposing B into panels (benchmarks/gemm.py, in products' times)."""
    loads = max(1, (dot.rows + dot.lanes) / (dot.rows * dot.lanes))
    height, width = -(-rows // dot.rows) * dot.rows, -(-columns // dot.lanes) * dot.lanes
    by_dots = height * width * (depth / lanes * loads + 1.3)
    padded = -(-columns // panel.lanes) * panel.lanes
    by_panels = -(-rows // panel.rows) * panel.rows * padded * depth / lanes + 0.21 * padded * depth
    return 1.06 * by_dots < by_panels  # and few columns of panels in common caches


def worth_copying(dtype: DType, dims: Dims, rows: int, columns: int, depth: int, width: int) -> bool:
    """Whether B, though readable in place, is read so often and so far apart that panels pay (benchmarks/gemm.py)."""
    if columns <= width or not all(known(n) for side in (dims.m, dims.n, dims.k) for n, *_ in side):
        return False
    step = dims.k[-1][2]
    common = gcd(step * dtype.itemsize, 4096) if known(step) else 0
    same_sets = common >= 1024 and depth * common > 1 << 16  # all rows fall on few cache lines
    whole = columns * depth * dtype.itemsize
    often = rows >= 32 and whole > NEAREST and width * depth * dtype.itemsize <= NEAR  # panels are at hand, B is not
    return often or rows >= 128 and whole >= CACHE or rows >= 16 and same_sets


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
    if columns_known and len(dims.n) > 1 and is_(dims.n[-1][1], 1):  # panels that do not cross from run to run
        vectors = next((v for v in range(vectors, 0, -1) if dims.n[-1][0] % (v * lanes) == 0), vectors)
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


# -- room --------------------------------------------------------------------------------------------------------------


def panel_bytes(cut: Plan, dims: Dims, dtype: DType):
    """Bytes of one copied panel, with slack for a last block of rows."""
    if not cut.pack:
        return 0
    depth = block_terms(cut, dims)
    lanes = max(phase.lanes for phase in cut.phases)
    return (depth + lanes) * (max(phase.width for phase in cut.phases) * dtype.itemsize)


def block_terms(cut: Plan, dims: Dims):
    """Terms that are summed in one block."""
    terms = 1
    for number, (size, *_) in enumerate(dims.k):
        if number >= cut.level:
            terms = (cut.block if cut.block and number == cut.cut else size) * terms
    return terms


def left_bytes(cut: Plan, dims: Dims, dtype: DType):
    """Bytes of the tiles of A that are copied for a block, with slack for the copying of whole vectors."""
    if not cut.pack_left:
        return 0
    rows = max(phase.rows for phase in cut.phases)
    if cut.form == "dot":
        return side_by_side(dims.k[0][0]) * rows * dtype.itemsize
    return (block_terms(cut, dims) * (cut.chunk * rows) + 16) * dtype.itemsize


def side_by_side(depth: int) -> int:
    """Numbers between the beginnings of two rows that are copied: each at the beginning of a line of memory."""
    return depth + 31 & -16 if depth % 1024 == 0 else depth + 15 & -16


def sums_bytes(cut: Plan, dtype: DType, compact: bool) -> int:
    """Bytes for sums that wait: for their next block, or for a compact epilogue."""
    tiles = cut.chunk * cut.group if cut.block and not cut.whole else int(compact and cut.form == "broadcast")
    return tiles * max(phase.rows * phase.width for phase in cut.phases) * dtype.itemsize
