"""The writing of a product's tiles, as its plan (codegen.cuts) says."""

from __future__ import annotations

from collections.abc import Callable

from dovetail.codegen.cuts import TOGETHER, block_terms, left_bytes, merged, panel_bytes, side_by_side, sums_bytes
from dovetail.codegen.panels import along, pack
from dovetail.codegen.vectors import Extent, Vectors, is_, known

PAIR = 2  # vectors that go through a long epilogue side by side


class Product(Vectors):
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
        panel, left = (room(self.cut, self.dims, self.dtype) for room in (panel_bytes, left_bytes))
        sums = sums_bytes(self.cut, self.dtype, self.compact)
        if not (is_(panel, 0) and is_(left, 0)) or sums:
            self.panel = self.at_byte(self.scratch, self.mul(self.tid, self.add(self.add(panel, left), sums)))
            self.copied = self.at_byte(self.panel, panel)
            self.sums = self.at_byte(self.copied, left)

    # The walk over panels of columns and tiles of rows

    def walk(self, column: Extent, panels: Extent) -> None:
        """All tiles of `panels` panels from `column` on: this thread's share of batch x panels x row tiles."""
        tiles = self.ceil_div(self.m, self.phase.rows)
        entries = self.product(self.batch)
        if self.cut.block:
            chunks = self.ceil_div(tiles, self.cut.chunk)
            with self.shared(self.mul(entries, chunks), panels) as (outer, low, high):
                entry, number = self.split(outer, chunks)
                first = self.mul(number, self.cut.chunk)
                count = self.least(self.sub(tiles, first), self.cut.chunk)
                with self.b.loop(self.text(low), self.text(high), self.cut.group) as turn:
                    end = self.least(self.add(turn.i, self.cut.group), high)
                    self.meet_in_blocks(entry, first, count, column, turn.i, end)
        elif self.cut.rows_first and not is_(panels, 1):
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

    def steps(self, k: list[tuple], packed: bool, left: bool = False) -> list[tuple]:
        """The dims k as (size, step of A, step of B) where A (`left`) and B may have been copied."""
        rows = self.panel_rows(k)
        a = [self.mul(n, self.phase.rows) if left else step for n, (_, step, _) in zip(rows, k, strict=True)]
        b = [self.mul(n, self.phase.width) if packed else step for n, (*_, step) in zip(rows, k, strict=True)]
        return merged(tuple(size for size, *_ in k), tuple(a), tuple(b))

    def meet_panels(self, entry: Extent, tile: Extent, column: Extent, low: Extent, high: Extent) -> None:
        """One tile of rows against the panels low .. high - 1, read in place."""
        base_a, base_b = self.bases(entry)
        row = self.mul(tile, self.phase.rows)
        start, offsets, guards = self.row_places(row)
        pointer = self.at(base_a, start)
        if self.cut.pack_left:
            following = self.at(pointer, self.mul(self.phase.rows, self.dims.m[-1][1]))
            places, offsets = offsets, self.copy_rows(pointer, offsets)
            pointer = self.copied
        with self.b.loop(self.text(low), self.text(high)) as turn:
            if self.cut.pack_left:
                self.fetch_rows(following, places, turn.i)
            col = self.add(column, self.mul(turn.i, self.phase.width))
            masks = self.masks(col)
            if self.cut.form == "dot":
                sums = self.dot_tile(pointer, offsets, base_b, col)
            else:
                source = self.at(base_b, self.place(col, self.dims.n))
                sums = self.broadcast_tile(pointer, offsets, source, self.dims.k, masks)
            self.finish(sums, row, guards, col, masks, entry)

    def meet_rows(self, entry: Extent, col: Extent, low: Extent, high: Extent) -> None:
        """One panel against the row tiles low .. high - 1."""
        base_a, base_b = self.bases(entry)
        masks = self.masks(col)
        packed = self.cut.pack and self.phase.lanes > 1
        if self.cut.form == "dot":
            source = base_b
        elif packed:
            source = self.pack(base_b, col, self.dims.k, masks)
        else:
            source = self.at(base_b, self.place(col, self.dims.n))
        steps = self.steps(self.dims.k, packed)
        with self.b.loop(self.text(low), self.text(high)) as turn:
            row = self.mul(turn.i, self.phase.rows)
            start, offsets, guards = self.row_places(row)
            pointer = self.at(base_a, start)
            if self.cut.form == "dot":
                sums = self.dot_tile(pointer, offsets, source, col)
            else:
                sums = self.broadcast_tile(pointer, offsets, source, steps, None if packed else masks)
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
        exact, several = known(self.m) and self.m % rows == 0, len(self.dims.m) > 1
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

    def finish_row(
        self, sums: list[str], row: Extent, col: Extent, masks: list, entry: Extent, lanes: int = 0
    ) -> None:
        lanes = lanes or self.phase.lanes
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
        """The epilogue for `count` rows of stored sums.

        Whole vectors go through it in pairs, as one vector of twice the lanes: the machine then has two chains of
        operations to work on side by side (benchmark nanogpt_train, the derivative of gelu).
        """
        phase = self.phase
        side_by_side = PAIR if all(mask is None for mask in masks) and phase.vectors % PAIR == 0 else 1
        lanes = phase.lanes * side_by_side
        masks = masks[: phase.vectors // side_by_side]
        with self.b.loop("0", self.text(count), carry=[("ptr", place)]) as turn:
            sums = [self.load(self.at(turn.carried[0], v * lanes), lanes) for v in range(phase.vectors // side_by_side)]
            self.finish_row(sums, self.add(row, turn.i), col, masks, entry, lanes)
            turn.next(self.at(turn.carried[0], phase.width))

    def pack(self, base: str, col: Extent, k: list[tuple], masks: list) -> str:
        """Copy a panel of the terms k of B to scratch."""
        dims = merged(tuple(size for size, *_ in k), tuple(step for *_, step in k), tuple(self.panel_rows(k)))
        return pack(self, base, col, self.panel, self.dims.n, dims, self.phase, masks, self.target)

    def panel_rows(self, k: list[tuple]) -> list[Extent]:
        """How many rows of a copied panel one step along each dim of k takes."""
        rows: list[Extent] = [1]
        for size, *_ in reversed(k[1:]):
            rows.insert(0, self.mul(rows[0], size))
        return rows

    def pack_left(self, base: str, first: Extent, count: Extent, k: list[tuple], room: Extent) -> None:
        """Copy the terms k of `count` tiles of rows of A, so that the rows of a tile lie side by side for each term."""
        rows, (inner, stride) = self.phase.rows, self.dims.m[-1]
        beside = is_(stride, 1) and (len(self.dims.m) == 1 or known(inner) and inner % rows == 0)
        steps = [(size, step, n) for (size, step, _), n in zip(k, self.panel_rows(k), strict=True)]

        def copy(tile: Extent, offsets: list[Extent], start: Extent, widths: list[int], tiles: int = 1) -> None:
            def term(source: str, target: str) -> None:
                for t in range(tiles):
                    done = 0
                    for lanes in widths:
                        place = self.at(target, self.add(self.mul(t, room), done))
                        self.store(self.load(self.at(source, offsets[done], t * rows), lanes), place, lanes)
                        done += lanes

            along(self, steps, rows, self.at(base, start), self.at(self.copied, self.mul(tile, room)), term)

        whole: Extent = 0
        if beside:
            parts = [1 << bit for bit in reversed(range(rows.bit_length())) if rows >> bit & 1]
            whole = self.most(self.least(self.sub(self.div(self.m, rows), first), count), 0)
            groups = self.mul(self.div(whole, TOGETHER), TOGETHER) if len(self.dims.m) == 1 else 0
            for low, high, step in ((0, groups, TOGETHER), (groups, whole, 1)):
                with self.b.loop(self.text(low), self.text(high), step) as turn:
                    row = self.mul(self.add(first, turn.i), rows)
                    copy(turn.i, list(range(rows)), self.place(row, self.dims.m), parts, step)
                    turn.next()
            if known(self.m) and self.m % rows == 0:
                return
        with self.b.loop(self.text(whole), self.text(count)) as turn:
            start, offsets, _ = self.row_places(self.mul(self.add(first, turn.i), rows))
            copy(turn.i, offsets, start, [1] * rows)
            turn.next()

    def copy_rows(self, start: str, offsets: list) -> list[int]:
        """Copy a tile's rows of A, whose terms are adjacent; returns where each begins. Loads cross no lines then,
        and the rows are fetched once, one after the other."""
        depth, lanes = self.dims.k[0][0], self.target.lanes(self.size)
        room = side_by_side(depth)
        whole = depth // lanes * lanes
        for i, offset in enumerate(offsets):
            source, place = self.at(start, offset), self.at(self.copied, i * room)
            with self.b.loop("0", str(whole), lanes) as turn:
                self.store(self.load(self.at(source, turn.i), lanes), self.at(place, turn.i), lanes)
                turn.next()
            if depth > whole:
                with self.b.loop(str(whole), str(depth)) as turn:
                    self.store(self.load(self.at(source, turn.i), 1), self.at(place, turn.i), 1)
                    turn.next()
        return [i * room for i in range(len(offsets))]

    def fetch_rows(self, start: str, offsets: list, turn: Extent) -> None:
        """Ask for a part of the rows of A that the next tile will copy: turn by turn, while this tile is worked on."""
        line = 64 // self.size
        panels = self.n // self.phase.width if known(self.n) else 8
        lines = -(-self.dims.k[0][0] // line)
        share = -(-lines // max(panels, 1))
        self.needs.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        for offset in offsets:
            part = self.at(self.at(start, offset), self.mul(turn, share * line))
            for number in range(share):
                self.b.line(f"call void @llvm.prefetch.p0(ptr {self.at(part, number * line)}, i32 0, i32 2, i32 1)")

    def meet_in_blocks(self, entry: Extent, first: Extent, count: Extent, column: Extent, low: Extent, high: Extent):
        """`count` tiles of rows against panels low .. high - 1, a block of k at a time; the sums wait in scratch."""
        base_a, base_b = self.bases(entry)
        phase, size = self.phase, self.phase.rows * self.phase.width
        room = self.cut.chunk * size
        packed = self.cut.pack and phase.lanes > 1
        whole = self.cut.whole
        if not whole:
            with self.b.loop("0", self.text(self.mul(self.sub(high, low), room)), phase.lanes) as turn:
                self.store(self.zero(phase.lanes), self.at(self.sums, turn.i), phase.lanes)
                turn.next()

        tile_terms = block_terms(self.cut, self.dims) if self.cut.pack_left else 0
        tile_room = self.mul(tile_terms, phase.rows)

        def block(from_a: str, from_b: str, k: list[tuple]) -> None:
            if self.cut.pack_left:
                self.pack_left(from_a, first, count, k, tile_room)
            with self.b.loop(self.text(low), self.text(high), carry=[("ptr", self.sums)]) as across:
                col = self.add(column, self.mul(across.i, phase.width))
                masks = self.masks(col)
                if packed:
                    source = self.pack(from_b, col, k, masks)
                else:
                    source = self.at(from_b, self.place(col, self.dims.n))
                with self.b.loop("0", self.text(count), carry=[("ptr", across.carried[0])]) as turn:
                    place = turn.carried[0]
                    if self.cut.pack_left:
                        pointer = self.at(self.copied, self.mul(turn.i, tile_room))
                        offsets: list[Extent] = list(range(phase.rows))
                    else:
                        start, offsets, _ = self.row_places(self.mul(self.add(first, turn.i), phase.rows))
                        pointer = self.at(from_a, start)
                    steps = self.steps(k, packed, self.cut.pack_left)
                    sums = self.broadcast_tile(pointer, offsets, source, steps, None if packed else masks,
                                               None if whole else self.kept(place))
                    if whole:
                        row = self.mul(self.add(first, turn.i), phase.rows)
                        self.finish(sums, row, self.row_places(row)[2], col, masks, entry)
                        turn.next(place)
                    else:
                        self.keep(place, sums)
                        turn.next(self.at(place, size))
                across.next(across.carried[0] if whole else self.at(across.carried[0], room))

        self.each_block(base_a, base_b, 0, block)
        if whole:
            return
        row = self.mul(first, phase.rows)
        rows = self.sub(self.least(self.mul(self.add(first, count), phase.rows), self.m), row)
        with self.b.loop(self.text(low), self.text(high), carry=[("ptr", self.sums)]) as across:
            col = self.add(column, self.mul(across.i, phase.width))
            self.finish_kept(across.carried[0], row, rows, col, self.masks(col), entry)
            across.next(self.at(across.carried[0], room))

    def each_block(self, a: str, b: str, dim: int, block: Callable[[str, str, list[tuple]], None]) -> None:
        """Loops over the outer dims of k, and over the blocks of the one that is cut."""
        cut = dim == self.cut.level
        count, step_a, step_b = self.dims.k[self.cut.cut if cut else dim]
        with self.b.loop("0", self.text(count), self.cut.block if cut else 1) as turn:
            from_a, from_b = self.at(a, self.mul(turn.i, step_a)), self.at(b, self.mul(turn.i, step_b))
            if not cut:
                self.each_block(from_a, from_b, dim + 1, block)
                return
            even = known(count) and count % self.cut.block == 0
            terms = self.cut.block if even else self.least(self.sub(count, turn.i), self.cut.block)
            k = list(self.dims.k)
            k[self.cut.cut] = (terms, step_a, step_b)
            block(from_a, from_b, k[self.cut.level :])

    # Tiles

    def broadcast_tile(self, a: str, offsets: list, b: str, k: list[tuple], masks: list | None, sums=None) -> list:
        """sums[row][vector] over the dims k (size, step of a, step of b), on top of `sums`. masks: None in a panel."""
        phase = self.phase
        rows, vectors, lanes = phase.rows, phase.vectors, phase.lanes
        kind, masks = self.vector(lanes), masks or [None] * vectors

        def step(a_now: str, b_now: str, sums: list[str]) -> list[str]:
            right = [self.load(self.at(b_now, v * lanes), lanes, masks[v]) for v in range(vectors)]
            for i in range(rows):
                left = self.splat(self.load(self.at(a_now, offsets[i]), 1), lanes)
                for v in range(vectors):
                    at = i * vectors + v
                    sums[at] = self.multiply_add(left, right[v], sums[at], lanes)
            return sums

        def nest(dims: list[tuple], a_now: str, b_now: str, sums: list[str]) -> list[str]:
            """Loops over dims, outermost first."""
            (count, step_a, step_b), *inner = dims
            carry = [("ptr", a_now), ("ptr", b_now), *[(kind, total) for total in sums]]
            with self.b.loop("0", self.text(count), carry=carry) as turn:
                a_here, b_here, *now = turn.carried
                now = nest(inner, a_here, b_here, now) if inner else step(a_here, b_here, now)
                turn.next(self.at(a_here, step_a), self.at(b_here, step_b), *now)
            return turn.results[2:]

        found = nest(k, a, b, sums or [self.zero(lanes)] * (rows * vectors))
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


class _Shared:
    """A loop over this thread's part of outer x inner units: `with` gives (outer index, first inner, end of inner)."""

    def __init__(self, product: Product, outer: Extent, inner: Extent):
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
