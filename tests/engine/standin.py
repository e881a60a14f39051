"""A small code generator for the engine's tests: float32 graphs of add, mul and exp-free arithmetic, one loop a node.

Every node walks all elements of its result; threads take interleaved elements and meet at a barrier after each node.
Sizes may be run-time sizes.
"""

from dataclasses import dataclass, field

from dovetail.ir.sym import Sym

WORDS = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}


@dataclass
class Kernel:
    name: str
    words: str
    flops: float = 0.0
    nbytes: float = 0.0
    where: tuple = ("", 0, "")


@dataclass
class Lowered:
    text: str
    arena_bytes: int
    work_ns: float
    kernels: list = field(default_factory=list)


def native(node) -> bool:
    return node.prim.name in WORDS


class Writer:
    def __init__(self):
        self.lines, self.count = [], 0

    def op(self, text):
        self.count += 1
        self.lines.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def size(self, n):
        """A size, static or computed from the table."""
        if type(n) is not Sym:
            return str(int(n))
        kind, *parts = n.expr
        if kind == "table":
            at = self.op(f"getelementptr i64, ptr %sizes, i64 {int(parts[0])}")
            return self.op(f"load i64, ptr {at}")
        a, b = map(self.size, parts)
        return self.op(f"{ {'+': 'add', '-': 'sub', '*': 'mul', '//': 'sdiv'}[kind] } i64 {a}, {b}")


def numel(shape):
    n = 1
    for s in shape:
        n = n * s
    return n


def lower(graph, *, layouts=None, alias=None, target, work_ns=1e6):
    """Each intermediate has a place of its own in the arena; outputs are copied there at the end."""
    assert not layouts or not any(layouts)
    w = Writer()
    arguments = len(graph.inputs) + len(graph.outputs)

    def argument(i):
        at = w.op(f"getelementptr ptr, ptr %args, i64 {i}")
        return w.op(f"load ptr, ptr {at}")

    arena = argument(arguments)
    at = w.op(f"getelementptr ptr, ptr %args, i64 {arguments + 1}")
    w.lines.append(f"  %sizes = load ptr, ptr {at}")
    place = {value: argument(i) for i, value in enumerate(graph.inputs)}
    final = {}
    for k, value in enumerate(graph.outputs):
        final.setdefault(value, []).append(argument(len(graph.inputs) + k))
    offset = 0
    for n, node in enumerate(graph.nodes):
        out = node.out
        place[out] = w.op(f"getelementptr i8, ptr {arena}, i64 {w.size(offset)}")
        offset = offset + numel(out.shape) * 4
        loop(w, f"n{n}", numel(out.shape), [place[v] for v in node.inputs], [place[out]], WORDS[node.prim.name])
    for n, (value, places) in enumerate(final.items()):
        loop(w, f"c{n}", numel(value.shape), [place[value]], places, None)
    body = "\n".join(w.lines)
    text = f"""declare void @dv_barrier(ptr, i64)
define void @dv_body(ptr %args, i64 %tid, i64 %nt, ptr %bar) {{
{body}
  ret void
}}
"""
    return Lowered(text, offset, work_ns, [Kernel(f"k{i}", node.prim.name) for i, node in enumerate(graph.nodes)])


def loop(w, name, count, sources, places, word):
    total = w.size(count)
    w.lines += [f"  br label %{name}in", f"{name}in:", f"  br label %{name}head", f"{name}head:"]
    w.lines.append(f"  %{name}i = phi i64 [ %tid, %{name}in ], [ %{name}j, %{name}body ]")
    w.lines.append(f"  %{name}c = icmp slt i64 %{name}i, {total}")
    w.lines.append(f"  br i1 %{name}c, label %{name}body, label %{name}done")
    w.lines.append(f"{name}body:")
    values = []
    for p in sources:
        at = w.op(f"getelementptr float, ptr {p}, i64 %{name}i")
        values.append(w.op(f"load float, ptr {at}"))
    result = w.op(f"{word} float {values[0]}, {values[1]}") if word else values[0]
    for p in places:
        at = w.op(f"getelementptr float, ptr {p}, i64 %{name}i")
        w.lines.append(f"  store float {result}, ptr {at}")
    w.lines.append(f"  %{name}j = add i64 %{name}i, %nt")
    w.lines += [f"  br label %{name}head", f"{name}done:", "  call void @dv_barrier(ptr %bar, i64 %nt)"]
