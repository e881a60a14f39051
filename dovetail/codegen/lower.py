"""A graph becomes one LLVM module.

    lowered = lower(graph, layouts=[None, None], alias={}, target=AVX512)
    lowered.text           # defines @dv_body(ptr args, i64 tid, i64 nt, ptr bar)

Every thread of a team runs `dv_body`, which calls one function a kernel, in order, with a barrier wherever a kernel
needs what other threads have written (or overwrites what they may still read). Kernels that turn out the same, in two
layers of one size, are one function.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from hashlib import blake2b

from dovetail.base.config import config
from dovetail.base.dtypes import int64
from dovetail.codegen import alone, elements, product, repeat
from dovetail.codegen.emit import Emitter, Op
from dovetail.codegen.expr import Memory, Scribe, Storage
from dovetail.codegen.loops import Loops, leaf_loads
from dovetail.codegen.signature import Signature, common_offsets
from dovetail.codegen.target import Target
from dovetail.ir.core import Graph, Value
from dovetail.passes.affine import Affine, identity
from dovetail.passes.fuse import Fusion, Group, plain, split_long_folds
from dovetail.passes.memory import plan
from dovetail.passes.sizes import Poly, contiguous, is_one, sample, size, sizes, squeeze, to_sym
from dovetail.passes.sizes import product as product_of

COUNTS = ("avx512", "avx2")  # targets whose cycle counter programs may read

__all__ = ["KernelInfo", "Lowered", "lower", "can_lower"]


@dataclass
class KernelInfo:
    """One kernel, for people: what it computes, how much, and the user's line it came from.

    ns: how long each run took, where the program is timed (DOVETAIL_DUMP=time).
    """

    name: str
    words: str
    flops: float
    nbytes: float
    where: tuple[str, int, str]
    ns: deque[float] = field(default_factory=lambda: deque(maxlen=101), compare=False)


@dataclass
class Lowered:
    """A module's text and what its caller must provide. arena_bytes may be a Sym; work_ns is for one thread."""

    text: str
    arena_bytes: int
    work_ns: float
    kernels: list[KernelInfo] = field(default_factory=list)
    clock_at: int = -1  # where in the arena the counts of a timed program are; -1: it keeps none
    clocks: list[int] = field(default_factory=list)  # the kernel that each count belongs to: of a loop, its first


class Kernel:
    """One call in dv_body: a function, the storages it is given, what it reads and writes."""

    def __init__(self, group: Group | None, words: str):
        self.group, self.words = group, words
        self.function = ""
        self.arguments: list[tuple[Storage, object]] = []  # with the offset, in elements, of the pointer to pass
        self.reads: list[Storage] = []
        self.writes: list[Storage] = []
        self.flops = self.nbytes = 0.0
        self.where = ("", 0, "")
        self.barrier = False
        self.loads: list[tuple[Storage, Affine | None]] = []  # what is read where; None: anywhere, at any time
        self.stores: list[tuple[Storage, Affine | None]] = []
        self.turns: repeat.Turns | None = None  # a loop, whose body has kernels of its own
        self.loop_ns = 0.0

    @property
    def work_ns(self) -> float:
        """A guess at one thread's time: operations or memory, whichever takes longer (benchmarks/README.md)."""
        if self.turns is not None:
            return self.loop_ns
        speed = 80.0 if self.group is not None and self.group.kind == "contract" else 12.0
        return max(self.flops / speed, self.nbytes / 40.0) + 20.0

    def infos(self, times: int = 1) -> list[KernelInfo]:
        """The kernel for people; a loop stands for the kernels of all its turns."""
        if self.turns is None:
            return [KernelInfo(self.function, self.words, times * self.flops, times * self.nbytes, self.where)]
        times *= sample(self.turns.count)
        return [info for k in self.turns.inner.live for info in k.infos(times)]

    def safe_in_place(self, o: int, i: int) -> bool:
        """Whether input i is only read at the element of output o that is written right afterwards."""
        places = [at for s, at in self.stores if is_output(s, o)]
        read = [at for s, at in self.loads if is_input(s, i)]
        return not read or (None not in places and all(at is not None and at == places[0] for at in read))


def can_lower(node) -> bool:
    """Whether this node can become machine code; if not, its `meaning` has to be called instead."""
    if node.prim.host or node.prim.name in alone.UNSUPPORTED:
        return False
    if node.prim.name == "scan" and not all(map(can_lower, node.params["body"].graph.nodes)):
        return False
    values = (*node.inputs, *node.outs)
    return all(v.dtype.kind != "c" for v in values) and elements.has_rule(node.prim.name)


def lower(graph: Graph, *, layouts: list | None = None, alias: dict[int, int] | None = None, target: Target) -> Lowered:
    """The module of a graph.

    layouts: strides in elements of each input (None: row-major). alias: {output: input}: the output's memory is the
    input's. Raises FusionError on a graph that holds host primitives.
    """
    return Lowering(graph, layouts or [None] * len(graph.inputs), dict(alias or {}), target).run()


class Lowering:
    """The steps of `lower`: group, decide where values lie, write kernels, order them, join them."""

    def __init__(self, graph: Graph, layouts: list, alias: dict[int, int], target: Target):
        self.graph, self.layouts, self.alias, self.target = split_long_folds(graph), layouts, alias, target
        self.timed = "time" in config.dump and target.name in COUNTS
        self.functions: dict[str, str] = {}  # body text -> name
        self.signatures: dict[tuple, tuple[str, tuple[int, ...]]] = {}  # -> name, which slot each parameter is
        self.declares: set[str] = set()
        self.globals: dict[str, str] = {}
        self.kernels: list[Kernel] = []
        self.extra: dict[int, Storage] = {}  # outputs that are copied at the very end
        self.depth = 0  # loops around this graph

    def inside(self, graph: Graph, layouts: list) -> Lowering:
        """The lowering of a loop's body, whose functions are this program's."""
        inner = Lowering(graph, layouts, {}, self.target)
        inner.functions, inner.signatures = self.functions, self.signatures
        inner.declares, inner.globals, inner.depth = self.declares, self.globals, self.depth + 1
        return inner

    def prepare(self) -> tuple[dict, object]:
        """All steps up to the calls: the kernels in order, and the places of intermediates with their total room."""
        self.write()
        self.live = [k for k in self.kernels if k.function]
        offsets, room = self.arena(self.live)
        self.barriers(self.live, offsets)
        return offsets, room

    def run(self) -> Lowered:
        self.write()
        self.protect_aliases()
        self.kernels = [k for k in self.kernels if not self.is_idle(k)]
        return self.assemble()

    def write(self) -> None:
        graph = self.graph
        strided = frozenset(v for v, s in zip(graph.inputs, self.layouts, strict=True) if not self.is_rows(v, s))
        self.fusion = Fusion(graph, strided).run()
        self.inputs()
        overwritten = frozenset(graph.inputs[i] for i in self.alias.values())
        self.memory = Memory(self.fusion, self.storages, overwritten)
        self.shared = {self.fusion.root(v) for v in self.fusion.same}  # must be row-major
        self.place_outputs()
        order = self.ordered_groups()
        for group in reversed(order):
            self.kernel(group)
        self.kernels.reverse()
        self.copies()

    @staticmethod
    def is_rows(v: Value, strides) -> bool:
        shape = sizes(v.shape)
        if strides is None or any(isinstance(n, int) and n == 0 for n in shape):
            return True
        return all(size(s) == c or c == 0 for s, c in zip(strides, contiguous(shape), strict=True))

    def inputs(self) -> None:
        self.storages: dict[Value, Storage] = {}
        for i, (v, strides) in enumerate(zip(self.graph.inputs, self.layouts, strict=True)):
            shape = sizes(v.shape)
            rows = contiguous(shape)
            if strides is not None:
                strides = tuple(0 if c == 0 else size(s) for s, c in zip(strides, rows, strict=True))
            self.storages[v] = Storage("input", i, shape, strides or rows, v.dtype, v)

    def place_outputs(self) -> None:
        """Members that leave the graph are written straight to the caller's memory."""
        self.writes: dict[Value, list[Storage]] = {}
        self.copied: list[tuple[Value, Storage]] = []
        for o, out in enumerate(self.graph.outputs):
            v = plain(out)
            root = self.fusion.root(v)
            shape = sizes(v.shape)
            strides = self.storages[self.graph.inputs[self.alias[o]]].strides if o in self.alias else contiguous(shape)
            storage = Storage("output", o, shape, strides, v.dtype, v)
            if root.node is None and o in self.alias and root is self.graph.inputs[self.alias[o]]:
                continue  # its own memory already
            rows = strides == contiguous(shape)
            if root.node is None or root not in self.fusion.home or (v is not root and not rows):
                self.copied.append((v, storage))
                if root.node is not None:
                    self.memory.find(v)
                continue
            if v is not root:
                storage = Storage("output", o, sizes(root.shape), contiguous(sizes(root.shape)), v.dtype, root)
            storage.value = root
            self.writes.setdefault(root, []).append(storage)
        for root, places in self.writes.items():
            places.sort(key=lambda s: (s.index in self.alias, s.strides != contiguous(s.shape)))
            if places[0].index not in self.alias:
                self.storages[root] = places[0]
            self.memory.stored.add(root)

    def ordered_groups(self) -> list[Group]:
        """Groups in an order that defines before use, close to the graph's."""
        where = {node: i for i, node in enumerate(self.graph.nodes)}
        by_number = {g.number: g for g in self.fusion.groups}
        last = {g: max(where.get(v.node, -1) for v in g.members) for g in by_number.values()}
        done, order = 0, []

        def visit(group: Group) -> None:
            nonlocal done
            if done >> group.number & 1:
                return
            todo = group.before & ~done
            while todo:
                bit = todo & -todo
                visit(by_number[bit.bit_length() - 1])
                todo = group.before & ~done
            done |= 1 << group.number
            order.append(group)

        for group in sorted(by_number.values(), key=lambda g: (last[g], g.number)):
            visit(group)
        return order

    # Kernels

    def kernel(self, group: Group) -> None:
        """Write the kernel of a group, if anything of it is needed."""
        needed = [v for v in group.members if v in self.memory.stored]
        if not needed and not any(n.prim.effect for n in group.nodes):
            return
        targets = {v: self.targets(v) for v in needed}
        if group.kind == "alone":
            write = repeat.write if group.anchor.prim.name == "scan" else alone.write
            self.kernels += reversed(write(self, group, targets))
        else:
            kernel = self.new_kernel(group, describe(group))
            self.fused(kernel, group, targets)
            self.kernels.append(kernel)

    def new_kernel(self, group: Group | None, words: str) -> Kernel:
        kernel = Kernel(group, words)
        if group is not None:
            kernel.where = next((n.where for n in group.nodes if n.where[0]), ("", 0, ""))
        return kernel

    def targets(self, v: Value) -> list[Storage]:
        """All places a member is written to; the first is where the others read it."""
        places = self.writes.get(v, [])
        main = self.storages.get(v)
        if main is None:
            aliased = [s for s in places if s.index in self.alias]
            if aliased:
                main = self.storages[v] = aliased[0]
            else:
                main = self.memory.find(v)
        return [main] + [s for s in places if s is not main]

    def adopt(self, x: Value, part: Storage) -> bool:
        """Let the kernel that computes x write it to a part of other memory; False if x must also lie elsewhere."""
        while x.node is not None and x.node.prim.name in ("reshape", "detach", "identity"):
            inner = x.node.inputs[0]
            if squeeze(sizes(inner.shape)) != squeeze(sizes(x.shape)) or x in self.fusion.home:
                break
            x = inner
        home = self.fusion.home.get(x)
        if home is None or x in self.storages or x in self.writes or x in self.shared:
            return False
        if home.kind == "alone" and x.node.prim.name != "concat":
            return False
        if part.kind == "output" and part.index in self.alias:
            return False
        steps = iter([s for s, n in zip(part.strides, part.shape, strict=True) if not is_one(n)])
        shape = sizes(x.shape)
        strides = tuple(0 if is_one(n) else next(steps) for n in shape)
        self.storages[x] = part.whole.part(shape, strides, part.offset - part.whole.offset, x)
        self.memory.stored.add(x)
        return True

    def fused(self, kernel: Kernel, group: Group, targets: dict) -> None:
        if group.kind == "contract" and product.write(self, kernel, targets):
            return
        scribe = Scribe(group, self.memory, group.full)
        reduced, chunk = group.reduced, group.chunk
        if group.kind == "contract":
            reduced = self.sum_variables(scribe, group)
        if chunk:
            node = next(iter(v for v in group.members if v.node.prim.name == "partial")).node
            scribe.extents[len(group.full)] = size(node.out.shape[0])
        for v, places in targets.items():
            scribe.store(v, places)
        if group.kind == "contract":
            for s in scribe.stores:
                s.level = "row"
        self.loops(kernel, scribe, reduced, chunk)

    def sum_variables(self, scribe: Scribe, group: Group) -> frozenset[int]:
        """A contract in plain loops: its sums become folded variables after those of the result."""
        node = group.anchor
        x = node.inputs[0]
        scribe.sums = []
        for d in node.params["sum"][0]:
            scribe.sums.append(len(scribe.full))
            n = size(x.shape[d])
            if not (isinstance(n, int) and n == 1):
                scribe.extents[len(scribe.full)] = n
                scribe.full = (*scribe.full, n)
        return frozenset(range(len(group.full), len(scribe.full)))

    def loops(self, kernel: Kernel, scribe: Scribe, reduced: frozenset[int], chunk) -> None:
        scribe.stores = [s for s in scribe.stores if not alone.empty(s.storage)]
        if not scribe.stores:
            kernel.function = ""
            return
        loads = [e.data for e in leaf_loads(scribe.roots())]
        offsets = common_offsets([(d.storage, d.at) for d in loads] + [(s.storage, s.address) for s in scribe.stores])
        signature = Signature(scribe, offsets, (reduced, chunk))
        if not self.known(kernel, signature):
            k = Emitter(self.target)
            loops = Loops(k, scribe, reduced, chunk, self.pointers(kernel, offsets))
            loops.eval.offsets = offsets
            loops.write()
            self.finish(kernel, k, signature)
        kernel.loads = [(d.storage, d.at) for d in loads]
        at_once = not scribe.folds
        kernel.stores = [(s.storage, s.address if s.level == "row" or at_once else None) for s in scribe.stores]
        kernel.reads = [d.storage for d in loads]
        kernel.writes = [s.storage for s in scribe.stores]
        work = sample(product_of(scribe.full)) if scribe.full else 1
        kernel.flops = float(work) * sum(1 for e in scribe.made.values() if e.kind == "apply")
        kernel.nbytes = float(sum(sample(s.nbytes) for s in (*kernel.reads, *kernel.writes)))

    def known(self, kernel: Kernel, signature: Signature) -> bool:
        """Whether an equal kernel has been written; if so this one calls the same function."""
        found = self.signatures.get(signature.key)
        if found is None:
            return False
        kernel.function, order = found
        given = [signature.storages[n] for n in order]
        kernel.arguments = [(s, signature.offsets.get(s.key, 0)) for s in given]
        return True

    def pointers(self, kernel: Kernel, offsets: dict | None = None):
        """A function from storages to the kernel's parameters, which it numbers in order of use."""
        numbers: dict[tuple, Op] = {}

        def pointer(storage: Storage) -> Op:
            key = storage.key
            if key not in numbers:
                numbers[key] = Op(f"%p{len(numbers)}", int64)
                kernel.arguments.append((storage, (offsets or {}).get(key, 0)))
            return numbers[key]

        return pointer

    def finish(self, kernel: Kernel, k: Emitter, signature: Signature | None = None) -> None:
        """Make a function of what was written, or find the one that is the same."""
        parameters = [f"ptr %p{i}" for i in range(len(kernel.arguments))]
        head = f"({', '.join([*parameters, 'ptr %sizes', 'i64 %tid', 'i64 %nt', 'ptr %bar'])})"
        body = f"{head} {{\nentry:\n{k.text()}\n  ret void\n}}\n"
        name = self.functions.get(body)
        if name is None:
            name = self.functions[body] = f"dv_k{len(self.functions)}"
        kernel.function = name
        if signature is not None:
            order = tuple(signature.slots[s.key] for s, _ in kernel.arguments)
            self.signatures[signature.key] = (name, order)
        self.declares.update(k.declares)
        self.globals.update(k.globals)

    # Copies and memory that is overwritten

    def copies(self) -> None:
        """Outputs that are inputs, or other names of memory that another output holds."""
        for v, storage in self.copied:
            self.copy(v, storage)

    def copy(self, v: Value, storage: Storage) -> None:
        kernel = Kernel(None, "copy")
        full = squeeze(sizes(v.shape))
        scribe = Scribe(None, self.memory, full)
        index = identity(sizes(v.shape), list(range(len(full))))
        scribe.store_expr(scribe.load(v, index, None), storage, storage.address(index))
        self.loops(kernel, scribe, frozenset(), None)
        if scribe.reads_only_inputs():
            self.kernels.insert(0, kernel)
        else:
            self.kernels.append(kernel)

    def protect_aliases(self) -> None:
        """An output that overwrites an input must not do so while the input is still read.

        A writer is moved behind all readers where it can be; where it reads its own old memory in another order than
        it writes it, or a reader depends on the new value, it writes to the arena and is copied at the end.
        """
        for o, i in self.alias.items():
            writer = next((n for n in self.kernels if any(is_output(s, o) for s in n.writes)), None)
            if writer is not None and not (self.move_behind(writer, i) and writer.safe_in_place(o, i)):
                self.write_late(o)

    def is_idle(self, kernel: Kernel) -> bool:
        """Whether a kernel copies memory onto itself: the start of a scatter into the table it was given."""
        if kernel.flops or len(kernel.loads) != 1 or len(kernel.stores) != 1:
            return False
        (source, at), (target, place) = kernel.loads[0], kernel.stores[0]
        if at is None or at != place or source.dtype is not target.dtype:
            return False
        return target.kind == "output" and is_input(source, self.alias.get(target.index, -1))

    def move_behind(self, writer: Kernel, i: int) -> bool:
        """Move a kernel behind all others that read input i; False if one of those depends on it."""
        at = self.kernels.index(writer)
        after = [n for n, r in enumerate(self.kernels) if n > at and any(is_input(s, i) for s in r.reads)]
        if not after:
            return True
        moving, staying = [writer], []
        for kernel in self.kernels[at + 1 : after[-1] + 1]:
            (moving if any(self.conflict(m, kernel) for m in moving) else staying).append(kernel)
        if any(is_input(s, i) for m in moving[1:] for s in m.reads):
            return False
        self.kernels[at : after[-1] + 1] = staying + moving
        return True

    def conflict(self, a: Kernel, b: Kernel) -> bool:
        """Whether b must stay behind a: it reads what a writes, or overwrites what a reads or writes."""
        wrote = {s.key for s in a.writes}
        touched = {self.caller_memory(s) or s.key for s in (*a.reads, *a.writes)}
        return any(s.key in wrote for s in b.reads) or any(
            (self.caller_memory(s) or s.key) in touched for s in b.writes)

    def write_late(self, o: int) -> None:
        """Send an output to the arena, and copy it over its input when everything else is done."""
        output = next(s for n in self.kernels for s in n.writes if is_output(s, o))
        value = output.value
        arena = Storage("arena", ("late", o), output.shape, output.strides, output.dtype, value)
        for kernel in self.kernels:
            kernel.arguments = [(arena if is_output(s, o) else s, n) for s, n in kernel.arguments]
            for group in (kernel.reads, kernel.writes):
                group[:] = [arena if is_output(s, o) else s for s in group]
        full = squeeze(output.shape)
        scribe = Scribe(None, self.memory, full)
        at = output.address(identity(output.shape, list(range(len(full)))))
        scribe.store_expr(scribe.load_at(arena, at, None), output, at)
        kernel = Kernel(None, "copy")
        self.loops(kernel, scribe, frozenset(), None)
        self.kernels.append(kernel)

    # The whole

    def assemble(self) -> Lowered:
        kernels = [k for k in self.kernels if k.function]
        offsets, arena = self.arena(kernels)
        self.barriers(kernels, offsets)
        clock_at = -1
        if self.timed and isinstance(arena, int):
            clock_at, arena = arena, arena + 8 * (len(kernels) + 1)
        calls = self.body(kernels, offsets, clock_at)
        functions = [f"define internal void @{name}{body}" for body, name in self.functions.items()]
        declares = sorted(self.declares) + ["declare void @dv_barrier(ptr, i64)"]
        text = "\n".join([*declares, *sorted(self.globals.values()), *functions, calls])
        parts = [k.infos() for k in kernels]
        infos = [info for part in parts for info in part]
        work = sum(k.work_ns for k in kernels)
        clocks = [sum(map(len, parts[:n])) for n in range(len(parts))] if clock_at >= 0 else []
        return Lowered(text, to_sym(arena), work, infos, clock_at, clocks)

    def arena(self, kernels: list[Kernel]) -> tuple[dict, object]:
        first: dict = {}
        last: dict = {}
        found: dict = {}
        for at, kernel in enumerate(kernels):
            for s in (*kernel.reads, *kernel.writes):
                if s.kind == "arena":
                    key = s.key
                    found.setdefault(key, s.base)
                    first.setdefault(key, at)
                    last[key] = at
        return plan([(key, found[key].nbytes, first[key], last[key]) for key in found])

    def barriers(self, kernels: list[Kernel], offsets: dict) -> None:
        """A barrier before each kernel that touches what others wrote, or writes what they touched, since the last."""
        read: list[Storage] = []
        written: list[Storage] = []
        for kernel in kernels:
            hit = any(self.overlap(a, b, offsets) for a in kernel.reads for b in written)
            hit = hit or any(self.overlap(a, b, offsets) for a in kernel.writes for b in (*read, *written))
            if hit:
                kernel.barrier = True
                read, written = [], []
            read += kernel.reads
            written += kernel.writes

    def overlap(self, a: Storage, b: Storage, offsets: dict) -> bool:
        if a.whole is not None and a.whole is b.whole and a is not b:
            return False
        if a.kind == "arena" and b.kind == "arena":
            a, b = a.base, b.base
            p, q = offsets[a.key], offsets[b.key]
            if isinstance(p, Poly) or isinstance(q, Poly) or isinstance(a.nbytes, Poly) or isinstance(b.nbytes, Poly):
                return p == q
            return p < q + b.nbytes and q < p + a.nbytes
        return self.caller_memory(a) == self.caller_memory(b) is not None

    def caller_memory(self, s: Storage):
        """The input or output a storage is; an output in an input's place counts as that input."""
        if s.kind == "output":
            return ("input", self.alias[s.index]) if s.index in self.alias else ("output", s.index)
        return ("input", s.index) if s.kind == "input" else None

    def body(self, kernels: list[Kernel], offsets: dict, clock_at: int) -> str:
        k = Emitter(self.target)
        count = len(self.graph.inputs), len(self.graph.outputs)
        k.sizes_pointer = "%sizes"
        known: dict = {}
        pointers: list[str] = []

        def argument(number: int, name: str) -> str:
            pointers.append(f"  {name}.at = getelementptr ptr, ptr %args, i64 {number}")
            pointers.append(f"  {name} = load ptr, ptr {name}.at")
            return name

        argument(sum(count), "%arena")
        argument(sum(count) + 1, "%sizes")

        def pointer(s: Storage) -> str:
            key = s.key
            if key not in known:
                if s.kind == "input":
                    known[key] = argument(s.index, f"%in{s.index}")
                elif s.kind == "output":
                    known[key] = argument(count[0] + s.index, f"%out{s.index}")
                elif s.kind == "literal":
                    known[key] = self.literal(s)
                else:
                    offset = k.size(offsets[key])
                    known[key] = k.write(f"getelementptr i8, ptr %arena, i64 {offset.text}", int64, 1, 0).text
            return known[key]

        calls: list[str] = []
        self.calls(k, calls, kernels, pointer, "entry", clock_at)
        self.declares.update(k.declares)
        lines = [*pointers, k.text(), *calls, "  ret void"]
        return "define void @dv_body(ptr %args, i64 %tid, i64 %nt, ptr %bar) {\nentry:\n" + "\n".join(lines) + "\n}\n"

    def calls(
        self, k: Emitter, lines: list[str], kernels: list[Kernel], pointer, block: str, clock_at: int = -1
    ) -> str:
        """Append the kernels' calls, with barriers, to the block; returns the one that follows, where loops are met."""

        def moved(s: Storage, n) -> str:
            """The pointer to element n of a storage."""
            text = pointer(s)
            if isinstance(n, int) and n == 0:
                return text
            nbytes = k.size(n * s.dtype.itemsize)
            lines.append(f"  %at{len(lines)} = getelementptr i8, ptr {text}, i64 {nbytes.text}")
            return f"%at{len(lines) - 1}"

        def look(number: int) -> None:
            """Note the processor's counter; every thread does, and the last one's counts."""
            if clock_at >= 0:
                self.declares.add("declare i64 @llvm.readcyclecounter()")
                lines.append(f"  %now{number} = call i64 @llvm.readcyclecounter()")
                lines.append(f"  %clock{number} = getelementptr i8, ptr %arena, i64 {clock_at + 8 * number}")
                lines.append(f"  store volatile i64 %now{number}, ptr %clock{number}")

        look(0)
        for number, kernel in enumerate(kernels, 1):
            if kernel.barrier:
                lines.append("  call void @dv_barrier(ptr %bar, i64 %nt)")
            given = [moved(s, n) for s, n in kernel.arguments]
            if kernel.turns is not None:
                block = kernel.turns.emit(k, lines, given, block)
                look(number)
                continue
            rest = ["ptr %sizes", "i64 %tid", "i64 %nt", "ptr %bar"]
            lines.append(f"  call void @{kernel.function}({', '.join([f'ptr {g}' for g in given] + rest)})")
            look(number)
        return block

    def literal(self, s: Storage) -> str:
        """A constant array as a global; equal ones are one."""
        raw = s.value.node.params["value"].array.tobytes()
        name = f"@dv_literal_{blake2b(raw, digest_size=8).hexdigest()}"
        text = "".join(f"\\{b:02X}" for b in raw)
        self.globals[name] = f'{name} = private constant [{len(raw)} x i8] c"{text}", align 64'
        return name


def is_input(s: Storage, i: int) -> bool:
    return s.kind == "input" and s.index == i


def is_output(s: Storage, o: int) -> bool:
    return s.kind == "output" and s.index == o


def describe(group: Group) -> str:
    names = list(dict.fromkeys(n.prim.name for n in group.nodes))
    return " ".join(names)

