"""Loops inside a program: the kernels of the body, called in turns.

The body is lowered like a program of its own; its functions are shared with the program around it. States never move:
turn by turn the body reads one buffer and writes another, so that the last turn writes where the result belongs. What
is read or written slice by slice is a pointer that moves along. Between two turns stands a barrier.
"""

from __future__ import annotations

from collections.abc import Callable

from dovetail.base.dtypes import uint8
from dovetail.codegen.alone import moved
from dovetail.codegen.emit import Emitter
from dovetail.codegen.expr import Scribe, Storage
from dovetail.ir.core import Node, Value
from dovetail.passes.affine import identity, source
from dovetail.passes.fuse import FusionError
from dovetail.passes.sizes import contiguous, is_one, sample, size, sizes, squeeze

Pointer = Callable[[Storage], str]


def write(lowering, group, targets: dict) -> list:
    """The loop as a kernel, and copies of results that are wanted in several places."""
    turns = Turns(lowering, group, targets)
    kernels = [turns.kernel]
    for places in targets.values():
        kernels += [moved(lowering, places[0], extra) for extra in places[1:]]
    if turns.is_empty:
        pairs = zip(turns.first, turns.last, strict=True)
        return [k for k in (moved(lowering, a, b) for a, b in pairs) if k.function] + kernels[1:]
    return kernels


class Turns:
    """One loop: where its operands and results lie, and the program of one turn."""

    def __init__(self, lowering, group, targets: dict):
        node: Node = group.anchor
        self.lowering, self.node = lowering, node
        self.graph = node.params["body"].graph
        self.states, self.slices, self.reverse = (node.params[k] for k in ("carried", "scanned", "reverse"))
        self.count = size(node.inputs[self.states].shape[0] if self.slices else node.params["length"])
        self.is_empty = isinstance(self.count, int) and self.count == 0
        self.given = [self.operand(x, base) for x, base in zip(node.inputs, lowering.fusion.bases[node], strict=True)]
        self.first = [storage for storage, _, _ in self.given[: self.states]]
        self.results = [self.place(out, targets) for out in node.outs]
        self.last = self.results[: self.states]
        self.spare = [self.buffer(("spare", node, i), out) for i, out in enumerate(node.outs[: self.states])]
        self.inner = lowering.inside(self.graph, [self.layout(i) for i in range(len(node.inputs))])
        self.offsets, self.room = self.inner.prepare()
        self.kernel = lowering.new_kernel(group, "loop")
        self.account()

    def operand(self, x: Value, base: Value) -> tuple[Storage, object, tuple]:
        """Where an operand lies: memory, its first element there, a stride for each dim."""
        lowering, shape = self.lowering, sizes(x.shape)
        full = squeeze(shape)
        scribe = Scribe(None, lowering.memory, full)
        index = identity(shape, list(range(len(full))))
        while x is not base:
            found = source(x.node, index, scribe.extent)
            if found is None or len(found) != 1 or found[0].guards:
                raise FusionError(f"an operand of {self.node} is no view")
            x, index = found[0].value, found[0].index
        at = scribe.load(x, index, None).data
        left = iter(range(len(full)))
        strides = tuple([0 if is_one(n) else at.at.terms.get(next(left), 0) for n in shape])
        return at.storage, at.at.const, strides

    def layout(self, i: int) -> tuple:
        """The strides of operand i as the body sees it."""
        _, _, strides = self.given[i]
        return strides[1:] if self.states <= i < self.states + self.slices else strides

    def place(self, out: Value, targets: dict) -> Storage:
        if out in targets:
            return targets[out][0]
        return self.buffer(("unread", self.node, out.index), out)

    def buffer(self, key: tuple, like: Value) -> Storage:
        shape = sizes(like.shape)
        return Storage("arena", key, shape, contiguous(shape), like.dtype, like)

    def account(self) -> None:
        kernel, count = self.kernel, sample(self.count)
        kernel.turns, kernel.function = self, "loop"
        scratch = Storage("arena", ("turn", self.node), (self.room,), (1,), uint8, self.node.outs[0])
        self.scratch = scratch if not is_zero(self.room) else None
        given = [(storage, first) for storage, first, _ in self.given]
        made = [(storage, storage.offset) for storage in (*self.results, *self.spare)]
        kernel.arguments = given + made + ([(scratch, 0)] if self.scratch else [])
        kernel.reads = [s for s, _ in given]
        kernel.writes = [s for s, _ in kernel.arguments[len(given) :]]
        kernel.loads = [(s, None) for s in kernel.reads]
        kernel.stores = [(s, None) for s in kernel.writes]
        inside = self.inner.live
        kernel.flops = count * sum(k.flops for k in inside)
        kernel.nbytes = count * sum(k.nbytes for k in inside)
        kernel.loop_ns = count * sum(k.work_ns for k in inside)

    # Code

    def emit(self, k: Emitter, lines: list[str], given: list[str], block: str) -> str:
        """Write the loop: `given` are pointers to the kernel's arguments. Returns the block that follows."""
        name = f"turn{len(lines)}.{self.lowering.depth}"
        n_in, n_out, states = len(self.given), len(self.results), self.states
        ins, outs, spare = given[:n_in], given[n_in : n_in + n_out], given[n_in + n_out : n_in + n_out + states]
        count = k.size(self.count).text
        phis = [f"  %{name}.s{i} = phi ptr [ {ins[i]}, %{block} ], [ %{name}.n{i}, %@latch ]" for i in range(states)]
        lines += [f"  br label %{name}.head", f"{name}.head:",
                  f"  %{name}.i = phi i64 [ 0, %{block} ], [ %{name}.j, %@latch ]", *phis]
        head = len(lines) - len(phis) - 1
        lines += [f"  %{name}.left = sub i64 {count}, %{name}.i", f"  %{name}.more = icmp sgt i64 %{name}.left, 0",
                  f"  br i1 %{name}.more, label %{name}.body, label %{name}.done", f"{name}.body:",
                  f"  %{name}.to = sub i64 %{name}.left, 1",
                  f"  %{name}.odd = and i64 %{name}.to, 1", f"  %{name}.even = icmp eq i64 %{name}.odd, 0"]
        turn = f"%{name}.to" if self.reverse else f"%{name}.i"
        for i in range(states):
            lines.append(f"  %{name}.n{i} = select i1 %{name}.even, ptr {outs[i]}, ptr {spare[i]}")
        reads = [f"%{name}.s{i}" for i in range(states)]
        for i in range(states, n_in):
            step = self.given[i][2][0] * self.node.inputs[i].dtype.itemsize if i < states + self.slices else 0
            reads.append(self.along(k, lines, f"%{name}.r{i}", ins[i], turn, step))
        writes = [f"%{name}.n{i}" for i in range(states)]
        for o in range(states, n_out):
            out = self.node.outs[o]
            step = self.results[o].strides[0] * out.dtype.itemsize
            writes.append(self.along(k, lines, f"%{name}.w{o}", outs[o], turn, step))
        scratch = given[-1] if self.scratch else "null"

        def pointer(s: Storage) -> str:
            if s.kind == "input":
                return reads[s.index]
            if s.kind == "output":
                return writes[s.index]
            if s.kind == "literal":
                return self.inner.literal(s)
            offset = self.offsets[s.key]
            if is_zero(offset):
                return scratch
            lines.append(f"  %{name}.a{len(lines)} = getelementptr i8, ptr {scratch}, i64 {k.size(offset).text}")
            return f"%{name}.a{len(lines) - 1}"

        latch = self.inner.calls(k, lines, self.inner.live, pointer, f"{name}.body")
        lines += ["  call void @dv_barrier(ptr %bar, i64 %nt)", f"  %{name}.j = add i64 %{name}.i, 1",
                  f"  br label %{name}.head", f"{name}.done:"]
        for at in range(head, head + len(phis) + 1):
            lines[at] = lines[at].replace("%@latch", f"%{latch}")
        return f"{name}.done"

    @staticmethod
    def along(k: Emitter, lines: list[str], name: str, pointer: str, turn: str, step) -> str:
        """The pointer to this turn's slice."""
        if is_zero(step):
            return pointer
        lines.append(f"  {name}.b = mul i64 {turn}, {k.size(step).text}")
        lines.append(f"  {name} = getelementptr i8, ptr {pointer}, i64 {name}.b")
        return name


def is_zero(n) -> bool:
    return isinstance(n, int) and n == 0
