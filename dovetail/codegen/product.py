"""Kernels around a contract: the tiles of `codegen.contract`, with the group's members in the epilogue.

The product's operands are strided views of memory. Members of the group (bias, activation, a whole optimiser step) are
evaluated on the accumulators while they are in registers, and may load and store as much as they like.
"""

from __future__ import annotations

from dovetail.base.config import available_cores
from dovetail.base.dtypes import bool_, int64, uint8
from dovetail.codegen.builder import Builder
from dovetail.codegen.contract import Operand, gemm_kernel, scratch_bytes
from dovetail.codegen.emit import Emitter, Op
from dovetail.codegen.expr import Scribe, Storage
from dovetail.codegen.loops import Chunk, Evaluator, affines, leaf_loads
from dovetail.codegen.signature import Signature, common_offsets
from dovetail.codegen.vectors import WORD
from dovetail.ir.core import Value
from dovetail.passes.affine import Affine, source
from dovetail.passes.fuse import FusionError
from dovetail.passes.sizes import is_one, product, sample, size, sizes

THREADS = max(2, available_cores())  # members of a team beyond this idle in kernels that need scratch
LONG = 8  # operations and loads from which an epilogue is written in a loop instead of once for each accumulator


def write(lowering, kernel, targets: dict) -> bool:
    """Write the kernel of a contract's group. False where the tiles do not know the dtype."""
    node = kernel.group.anchor
    if node.out.dtype.name not in WORD:
        return False
    if any(isinstance(n, int) and n == 0 for n in sizes(node.out.shape)):
        return True
    Product(lowering, kernel, targets).write()
    return True


class Product:
    """One contract with its epilogue."""

    def __init__(self, lowering, kernel, targets: dict):
        self.lowering, self.kernel = lowering, kernel
        self.group, self.node = kernel.group, kernel.group.anchor
        self.scribe = Scribe(self.group, lowering.memory, self.group.full)
        self.sums = self.sum_variables()
        self.scribe.sums = self.sums
        bases = self.scribe.fusion.bases[self.node]
        factors = self.scribe.factors(self.node)
        self.views = [self.view(x, index, base) for (x, index), base in zip(factors, bases, strict=True)]
        self.scribe.sums = None
        for v, places in targets.items():
            self.scribe.store(v, places)
        self.k = Emitter(lowering.target)
        self.pointer = lowering.pointers(kernel)
        self.eval = Evaluator(self.k, self.pointer)
        self.extents = self.scribe.extents

    def sum_variables(self) -> list[int]:
        """Variables for the dims that are summed, after those of the result."""
        first = len(self.group.full)
        dims = self.node.params["sum"][0]
        for number, d in enumerate(dims):
            self.scribe.extents[first + number] = size(self.node.inputs[0].shape[d])
        return [first + number for number in range(len(dims))]

    def view(self, x: Value, index: tuple, base: Value) -> tuple[Storage, Affine]:
        """An operand as memory (that of `base`, which it is a view of) and the address of its element."""
        while x is not base:
            found = source(x.node, index, self.scribe.extent)
            if found is None or len(found) != 1 or found[0].guards:
                raise FusionError(f"an operand of {self.node} is no view")
            x, index = found[0].value, found[0].index
        load = self.scribe.load(x, index, None)
        return load.data.storage, load.data.at

    # The sides of the product, as positions in the group's full sizes

    def sides(self) -> tuple[list[int], list[int], list[int]]:
        """Positions of the batch dims, of the rows (free dims of a) and of the columns (free dims of b)."""
        shape, batch = sizes(self.node.out.shape), len(self.node.params["batch"][0])
        rows = len(self.node.inputs[0].shape) - batch - len(self.sums)
        kinds = [0] * batch + [1] * rows + [2] * (len(shape) - batch - rows)
        found: tuple[list[int], list[int], list[int]] = ([], [], [])
        position = 0
        for n, kind in zip(shape, kinds, strict=True):
            if not is_one(n):
                found[kind].append(position)
                position += 1
        return found

    def joined(self, positions: list[int], walks: list[Affine]) -> list[int]:
        """The last positions that all memory of the epilogue walks as one; the others are dropped from addresses."""
        run = positions[-1:]
        while len(run) < len(positions):
            p = positions[-len(run) - 1]
            n = product([self.extents[r] for r in run])
            if not all(a.terms.get(p, 0) == a.terms.get(positions[-1], 0) * n for a in walks):
                break
            run.insert(0, p)
        self.eval.dropped |= set(run[:-1])
        return run

    def write(self) -> None:
        stores = self.scribe.stores
        roots = [s.expr for s in stores]
        self.loads = [e.data for e in leaf_loads(roots)]
        walks = affines(roots) + [s.address for s in stores]
        batch, rows, columns = self.sides()
        run = self.joined(columns, walks)
        batch = batch + [p for p in columns if p not in run]
        self.joined(rows, walks)
        self.eval.vector = run[-1] if run else None
        self.place(batch, rows, run)
        if not self.lowering.known(self.kernel, self.signature):
            self.emit(batch, rows, run)
        self.account()

    def place(self, batch: list[int], rows: list[int], columns: list[int]) -> None:
        """Decide on the operands' strides, the form of the epilogue and the scratch; sign what comes out."""
        accesses = [*self.views, *((d.storage, d.at) for d in self.loads)]
        accesses += [(s.storage, s.address) for s in self.scribe.stores]
        self.eval.offsets = common_offsets(accesses)
        self.pointer = self.lowering.pointers(self.kernel, self.eval.offsets)
        self.eval.pointer = self.pointer
        long = sum(1 for e in self.scribe.made.values() if e.kind == "apply") + len(self.loads) >= LONG
        self.compact = long
        self.shape = {
            "m": tuple(self.extents[p] for p in rows), "n": tuple(self.extents[p] for p in columns),
            "k": tuple(self.extents[p] for p in self.sums),
        }
        left, right = (self.operand("", at, columns if i else rows, batch, i) for i, at in enumerate(self.views))
        dtype = self.node.out.dtype
        room = scratch_bytes(self.lowering.target, dtype, a=left, b=right, compact=self.compact, **self.shape)
        extra = ("contract", tuple(batch), tuple(rows), tuple(columns), tuple(self.sums), dtype.name)
        self.signature = Signature(self.scribe, self.eval.offsets, extra, tuple(self.views))
        self.scratch: Storage | None = None
        if not (isinstance(room, int) and room == 0):
            key = ("scratch", self.node)
            self.scratch = Storage("arena", key, (room * THREADS,), (1,), uint8, self.node.out)
            self.signature.slot(self.scratch)

    def emit(self, batch: list[int], rows: list[int], columns: list[int]) -> None:
        k, b = self.k, Builder("g")
        target, dtype = self.lowering.target, self.node.out.dtype
        left, right = (self.operand(self.start(at), at, columns if i else rows, batch, i)
                       for i, at in enumerate(self.views))
        scratch, threads = None, "%nt"
        if self.scratch is not None:
            scratch, threads = self.pointer(self.scratch).text, "%few"
            k.declares.add("declare i64 @llvm.smin.i64(i64, i64)")
            b.block = "go"
        k.sections.append(b.lines)  # depth 1: wherever the builder is
        k.known.append({})
        k.memo.append({})
        k.labels.append("")
        needs = gemm_kernel(
            b, target=target, dtype=dtype, a=left, b_=right, tid="%tid", nt=threads, scratch=scratch,
            batch=tuple(self.extents[p] for p in batch), extent=lambda n: k.size(n).text, compact=self.compact,
            epilogue=self.epilogue(batch, rows), **self.shape,
        )
        k.declares |= needs
        self.close(b)

    def start(self, view: tuple[Storage, Affine]) -> str:
        """Pointer to an operand's first element."""
        storage, at = view
        ahead = self.k.size(at.const - self.eval.offsets.get(storage.key, 0))
        return self.k.offset(self.pointer(storage), ahead, storage.dtype).text

    def operand(self, pointer: str, view: tuple, side: list[int], batch: list[int], number: int) -> Operand:
        _, at = view
        along = tuple(at.terms.get(p, 0) for p in side)
        summed = tuple(at.terms.get(p, 0) for p in self.sums)
        row, col = (along, summed) if number == 0 else (summed, along)
        return Operand(pointer, row, col, tuple(at.terms.get(p, 0) for p in batch))

    def epilogue(self, batch: list[int], rows: list[int]):
        k, ev = self.k, self.eval

        def finish(b: Builder, total: str, row: str, col: str, lanes: int, mask: str | None, entry: str) -> None:
            k.sections[1], k.known[1], k.memo[1] = b.lines, {}, {}
            ev.at = {}
            self.decode(rows, number(row))
            self.decode(batch, number(entry))
            ev.product = Op(total, self.node.out.dtype, lanes, 1)
            chunk = Chunk(number(col), lanes, None if mask is None else Op(mask, bool_, lanes, 1))
            with ev.on(chunk):
                ready = [(s, ev.value(s.expr)) for s in self.scribe.stores]
                for s, value in ready:
                    ev.store(s, value)

        return finish

    def decode(self, positions: list[int], flat: Op) -> None:
        """The index along each position from a flat one."""
        k, left = self.k, [p for p in positions if p not in self.eval.dropped]
        for at in reversed(range(len(left))):
            p = left[at]
            if at == 0:
                self.eval.at[p] = flat
                return
            n = k.size(self.joint_extent(p, positions))
            above = k.divide_size(flat, n)
            self.eval.at[p] = k.sub(flat, k.mul(above, n))
            flat = above

    def joint_extent(self, p: int, positions: list[int]):
        """The size of a position together with the dropped ones it stands for."""
        n, at = self.extents[p], positions.index(p) - 1
        while at >= 0 and positions[at] in self.eval.dropped:
            n = self.extents[positions[at]] * n
            at -= 1
        return n

    def close(self, b: Builder) -> None:
        """Put the parts together: what was moved to the top, the guard against too large teams, the tiles."""
        k, body = self.k, list(b.lines)
        if self.scratch is not None:
            k.top += [f"  %few = call i64 @llvm.smin.i64(i64 %nt, i64 {THREADS})",
                      f"  %mine = icmp slt i64 %tid, {THREADS}", "  br i1 %mine, label %go, label %out", "go:"]
            body += ["  br label %out", "out:"]
        k.top.append(body)
        self.lowering.finish(self.kernel, k, self.signature)

    def account(self) -> None:
        """Note what the kernel reads and writes, and how much it works."""
        kernel, operands = self.kernel, [s for s, _ in self.views]
        kernel.loads = [(s, None) for s in operands] + [(d.storage, d.at) for d in self.loads]
        kernel.stores = [(s.storage, s.address) for s in self.scribe.stores]
        kernel.reads = operands + [d.storage for d in self.loads]
        kernel.writes = [s.storage for s in self.scribe.stores]
        depth = sample(product([self.extents[p] for p in self.sums]))
        kernel.flops = 2.0 * sample(product(self.group.full)) * depth
        kernel.nbytes = float(sum(sample(s.nbytes) for s in (*kernel.reads, *kernel.writes)))
        if self.scratch is not None:
            kernel.writes.append(self.scratch)


def number(text: str) -> Op:
    """An i64 of the builder as an operand; digits are a constant."""
    if text.lstrip("-").isdigit():
        return Op(text, int64, 1, 0, int(text))
    return Op(text, int64, 1, 1)
