"""The emitter: typed instructions, written as text into the block where their operands allow it.

Loops are nested sections. An instruction whose operands do not change in the innermost loops is written before them
(there is no later pass that would move it), and an instruction written once is found again instead of being repeated.

Operands carry a dtype and a number of lanes. A rule such as `exp` is written once and works on numbers and on vectors;
numbers stay numbers as long as they can and are spread over lanes at the last moment.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from dovetail.base.dtypes import DType, bool_, float32, float64, int16, int32, int64
from dovetail.codegen.target import Target
from dovetail.passes.sizes import Poly
from dovetail.prims.elementwise import whole

WORD = {"bool": "i1", "uint8": "i8", "uint16": "i16", "uint32": "i32", "uint64": "i64",
        "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
        "float16": "float", "bfloat16": "float", "float32": "float", "float64": "double"}
MEMORY = WORD | {"bool": "i8", "float16": "half", "bfloat16": "i16"}
COMPARE_FLOAT = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}


def computed(dtype: DType) -> DType:
    """The dtype in registers: short floats are computed in float32 and rounded when stored."""
    return float32 if dtype.name in ("float16", "bfloat16") else dtype


class Op:
    """An operand: `text` is an SSA name, or a literal where `const` holds its number."""

    __slots__ = ("text", "dtype", "lanes", "depth", "const")

    def __init__(self, text: str, dtype: DType, lanes: int = 1, depth: int = 0, const=None):
        self.text, self.dtype, self.lanes, self.depth, self.const = text, dtype, lanes, depth, const

    def __repr__(self) -> str:
        return f"Op({self.text} {self.dtype.name}x{self.lanes} @{self.depth})"


class Turn:
    """The body of a loop: its index and carried operands; `next` takes their new values."""

    def __init__(self, i: Op, carried: list[Op]):
        self.i, self.carried, self.new = i, carried, None if carried else []

    def next(self, values: list[Op]) -> None:
        self.new = values


def literal(value, dtype: DType) -> str:
    """A number as LLVM writes it."""
    if dtype.kind == "f":
        if dtype.name == "float64":
            number = float(value)
        else:
            with np.errstate(over="ignore"):
                number = float(np.float32(value))
        if number == number and abs(number) < 1e5 and number * 1024 == int(number * 1024) and number != 0:
            return repr(number)
        return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
    if dtype.kind == "b":
        return "true" if value else "false"
    bits = 8 * dtype.itemsize
    number = int(value) & ((1 << bits) - 1)
    return str(number - (1 << bits) if dtype.kind == "i" and number >> (bits - 1) else number)


class Emitter:
    """Writes the body of one function."""

    def __init__(self, target: Target):
        self.target = target
        self.count = 0
        self.top: list = []
        self.sections: list[list] = [self.top]
        self.known: list[dict[str, Op]] = [{}]
        self.labels = ["entry"]
        self.floor = 0  # loads are not moved above this depth (they stand under a condition)
        self.declares: set[str] = set()
        self.globals: dict[str, str] = {}
        self.memo: list[dict] = [{}]  # expressions already emitted, for the caller
        self.sizes_pointer = "%sizes"

    # Text

    @property
    def depth(self) -> int:
        return len(self.sections) - 1

    def fresh(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def label(self) -> str:
        self.count += 1
        return f"b{self.count}"

    def line(self, text: str) -> None:
        """An instruction without a result, here."""
        self.sections[-1].append("  " + text)

    def write(self, text: str, dtype: DType, lanes: int, depth: int, pure: bool = True) -> Op:
        """`name = text` at `depth`; an equal pure instruction that reaches this place is used again."""
        if pure:
            for known in self.known[: depth + 1]:
                op = known.get(text)
                if op is not None:
                    return op if op.dtype is dtype else Op(op.text, dtype, lanes, op.depth)
        self.count += 1
        name = f"%v{self.count}"
        self.sections[depth].append(f"  {name} = {text}")
        op = Op(name, dtype, lanes, depth)
        if pure:
            self.known[depth][text] = op
        return op

    def text(self) -> str:
        out: list[str] = []
        _flatten(self.top, out)
        return "\n".join(out)

    # Control

    @contextmanager
    def loop(self, lo: Op, hi: Op, step: int = 1, carry: list[Op] = ()) -> Iterator[Turn]:
        """for i = lo; i < hi; i += step. After the block, `turn.carried` holds the values of the last turn."""
        if lo.const is not None and hi.const is not None and lo.const < hi.const <= lo.const + step:
            turn = Turn(lo, list(carry))
            yield turn
            turn.carried = list(turn.new)
            return
        here, before = self.sections[-1], self.labels[-1]
        ahead: list = []
        here.append(ahead)
        self.sections[-1] = ahead
        head, body, done = self.label(), self.label(), self.label()
        i, following, more = self.fresh(), self.fresh(), self.fresh()
        depth = len(self.sections)
        carried = [Op(self.fresh(), c.dtype, c.lanes, depth) for c in carry]
        inside: list = []
        self.push(inside, body)
        turn = Turn(Op(i, int64, 1, depth), carried)
        yield turn
        latch = self.labels[-1]
        new = [self.widen(v, c.lanes) for v, c in zip(turn.new, carried, strict=True)]
        self.line(f"{following} = add nsw i64 {i}, {step}")
        self.line(f"br label %{head}")
        self.pop()
        start = [self.widen(c, c.lanes) for c in carry]
        here.append(f"  br label %{head}")
        here.append(f"{head}:")
        here.append(f"  {i} = phi i64 [ {lo.text}, %{before} ], [ {following}, %{latch} ]")
        for c, s, n in zip(carried, start, new, strict=True):
            ways = f"[ {self.spelled(s)}, %{before} ], [ {self.spelled(n)}, %{latch} ]"
            here.append(f"  {c.text} = phi {self.type(c)} {ways}")
        here.append(f"  {more} = icmp slt i64 {i}, {hi.text}")
        here.append(f"  br i1 {more}, label %{body}, label %{done}")
        here.append(f"{body}:")
        here.append(inside)
        here.append(f"{done}:")
        self.sections[-1] = here
        self.labels[-1] = done
        turn.carried = [Op(c.text, c.dtype, c.lanes, depth - 1) for c in carried]

    @contextmanager
    def when(self, condition: Op) -> Iterator[None]:
        """if (condition) { body }"""
        here = self.sections[-1]
        ahead: list = []
        here.append(ahead)
        self.sections[-1] = ahead
        then, done = self.label(), self.label()
        inside: list = []
        floor, self.floor = self.floor, len(self.sections)
        self.push(inside, then)
        yield
        self.line(f"br label %{done}")
        self.pop()
        self.floor = floor
        here += [f"  br i1 {condition.text}, label %{then}, label %{done}", f"{then}:", inside, f"{done}:"]
        self.sections[-1] = here
        self.labels[-1] = done

    def push(self, section: list, label: str) -> None:
        self.sections.append(section)
        self.known.append({})
        self.memo.append({})
        self.labels.append(label)

    def pop(self) -> None:
        self.sections.pop()
        self.known.pop()
        self.memo.pop()
        self.labels.pop()

    # Types and constants

    def type(self, op: Op) -> str:
        return self.vector(WORD[op.dtype.name], op.lanes)

    @staticmethod
    def vector(word: str, lanes: int) -> str:
        return word if lanes == 1 else f"<{lanes} x {word}>"

    @staticmethod
    def short(dtype: DType, lanes: int) -> str:
        """A type's name inside the name of an intrinsic: v16f32."""
        dtype = computed(dtype)
        element = "i1" if dtype.kind == "b" else ("f" if dtype.kind == "f" else "i") + str(8 * dtype.itemsize)
        return element if lanes == 1 else f"v{lanes}{element}"

    def const(self, value, dtype: DType) -> Op:
        dtype = computed(dtype)
        if isinstance(value, Poly):
            return self.convert(self.size(value), dtype)
        if dtype.kind in "iu" and isinstance(value, float):
            value = int(value) if math.isfinite(value) else 0
        return Op(literal(value, dtype), dtype, 1, 0, value)

    def int(self, n: int) -> Op:
        return Op(str(n), int64, 1, 0, n)

    def spelled(self, op: Op) -> str:
        """The operand without its type."""
        if op.const is None or op.lanes == 1:
            return op.text
        return f"splat ({WORD[op.dtype.name]} {op.text})"

    def typed(self, op: Op) -> str:
        return f"{self.type(op)} {self.spelled(op)}"

    def widen(self, op: Op, lanes: int) -> Op:
        """The operand in every lane."""
        if op.lanes == lanes:
            return op
        if op.const is not None:
            return Op(op.text, op.dtype, lanes, 0, op.const)
        word = WORD[op.dtype.name]
        kind = self.vector(word, lanes)
        first = self.write(f"insertelement {kind} poison, {word} {op.text}, i64 0", op.dtype, lanes, op.depth)
        return self.write(f"shufflevector {kind} {first.text}, {kind} poison, <{lanes} x i32> zeroinitializer",
                          op.dtype, lanes, op.depth)

    def meet(self, *ops: Op) -> tuple:
        lanes = max([op.lanes for op in ops])
        return tuple([self.widen(op, lanes) for op in ops])

    # Sizes known at run time

    def size(self, n) -> Op:
        """A size as an i64 number, computed once at the top."""
        if not isinstance(n, Poly):
            return self.int(n)
        total = self.int(0)
        for atoms, factor in n.terms:
            part = self.int(factor)
            for atom in atoms:
                part = self.mul(part, self._atom(atom))
            total = self.add(total, part)
        return total

    def _atom(self, atom: tuple) -> Op:
        if atom[0] == "table":
            at = self.write(f"getelementptr i64, ptr {self.sizes_pointer}, i64 {atom[1]}", int64, 1, 0)
            return self.write(f"load i64, ptr {at.text}", int64, 1, 0)
        a, b = self.size(atom[1]), self.size(atom[2])
        return self.divide_size(a, b)

    def divide_size(self, a: Op, b: Op) -> Op:
        """a // b of sizes (not negative); 0 where b is 0."""
        if a.const is not None and b.const is not None:
            return self.int(a.const // b.const if b.const else 0)
        if b.const == 1:
            return a
        if b.const is None:
            b = self.call_int("llvm.smax", b, self.int(1))
        return self.plain2("sdiv", a, b)

    def call_int(self, name: str, a: Op, b: Op) -> Op:
        if a.const is not None and b.const is not None:
            return self.int((max if "max" in name else min)(a.const, b.const))
        return self.intrinsic(name, [a, b])

    def least(self, a: Op, b: Op) -> Op:
        return self.call_int("llvm.smin", a, b)

    def most(self, a: Op, b: Op) -> Op:
        return self.call_int("llvm.smax", a, b)

    # Arithmetic. Operands of one dtype; lanes are made equal.

    def plain2(self, op: str, a: Op, b: Op) -> Op:
        a, b = self.meet(a, b)
        return self.write(f"{op} {self.typed(a)}, {self.spelled(b)}", a.dtype, a.lanes, max(a.depth, b.depth))

    def _both_int_const(self, a: Op, b: Op) -> bool:
        return a.const is not None and b.const is not None and a.dtype is int64

    def add(self, a: Op, b: Op) -> Op:
        kind = a.dtype.kind
        if kind == "b":
            return self.plain2("or", a, b)
        if kind in "iu":
            if self._both_int_const(a, b):
                return self.int(a.const + b.const)
            if a.const == 0 and a.lanes == 1:
                return b
            if b.const == 0 and b.lanes == 1:
                return a
        return self.plain2("fadd" if kind == "f" else "add", a, b)

    def sub(self, a: Op, b: Op) -> Op:
        kind = a.dtype.kind
        if kind == "b":
            return self.plain2("xor", a, b)
        if kind in "iu":
            if self._both_int_const(a, b):
                return self.int(a.const - b.const)
            if b.const == 0 and b.lanes == 1:
                return a
        return self.plain2("fsub" if kind == "f" else "sub", a, b)

    def mul(self, a: Op, b: Op) -> Op:
        kind = a.dtype.kind
        if kind == "b":
            return self.plain2("and", a, b)
        if kind in "iu":
            if self._both_int_const(a, b):
                return self.int(a.const * b.const)
            if a.const == 1 and a.lanes <= b.lanes:
                return b
            if b.const == 1 and b.lanes <= a.lanes:
                return a
        return self.plain2("fmul" if kind == "f" else "mul", a, b)

    def fma(self, a: Op, b: Op, c: Op) -> Op:
        """a * b + c, rounded once where the machine can."""
        if a.dtype.kind != "f":
            return self.add(self.mul(a, b), c)
        return self.intrinsic("llvm.fmuladd", [a, b, c])

    def div(self, a: Op, b: Op) -> Op:
        return self.plain2("fdiv", a, b)

    def neg(self, a: Op) -> Op:
        if a.dtype.kind == "f":
            return self.write(f"fneg {self.typed(a)}", a.dtype, a.lanes, a.depth)
        return self.sub(self.const(0, a.dtype), a)

    def bits(self, op: str, a: Op, b: Op) -> Op:
        return self.plain2(op, a, b)

    def not_(self, a: Op) -> Op:
        return self.plain2("xor", a, self.const(True if a.dtype.kind == "b" else -1, a.dtype))

    def and_(self, a: Op, b: Op) -> Op:
        if a.const is not None and a.dtype is bool_:
            return b if a.const else self.widen(a, max(a.lanes, b.lanes))
        if b.const is not None and b.dtype is bool_:
            return a if b.const else self.widen(b, max(a.lanes, b.lanes))
        return self.plain2("and", a, b)

    def compare(self, how: str, a: Op, b: Op) -> Op:
        """how: eq ne lt le gt ge, or uno (one is NaN)."""
        a, b = self.meet(a, b)
        kind = a.dtype.kind
        if kind == "f":
            text = f"fcmp {COMPARE_FLOAT.get(how, how)}"
        else:
            sign = "" if how in ("eq", "ne") else "s" if kind == "i" else "u"
            text = f"icmp {sign}{how}"
        return self.write(f"{text} {self.typed(a)}, {self.spelled(b)}", bool_, a.lanes, max(a.depth, b.depth))

    def select(self, c: Op, a: Op, b: Op) -> Op:
        if c.const is not None:
            return a if c.const else b
        a, b = self.meet(a, b)
        if c.lanes > a.lanes:
            a, b = self.widen(a, c.lanes), self.widen(b, c.lanes)
        depth = max(c.depth, a.depth, b.depth)
        return self.write(f"select {self.typed(c)}, {self.typed(a)}, {self.typed(b)}", a.dtype, a.lanes, depth)

    def maximum(self, a: Op, b: Op) -> Op:
        """The larger; NaN where either is NaN."""
        if a.dtype.kind == "b":
            return self.plain2("or", a, b)
        if a.dtype.kind != "f":
            return self.intrinsic("llvm.smax" if a.dtype.kind == "i" else "llvm.umax", [a, b])
        larger = self.select(self.compare("gt", a, b), a, b)
        return larger if a.const is not None else self.select(self.compare("uno", a, a), a, larger)

    def minimum(self, a: Op, b: Op) -> Op:
        if a.dtype.kind == "b":
            return self.plain2("and", a, b)
        if a.dtype.kind != "f":
            return self.intrinsic("llvm.smin" if a.dtype.kind == "i" else "llvm.umin", [a, b])
        smaller = self.select(self.compare("lt", a, b), a, b)
        return smaller if a.const is not None else self.select(self.compare("uno", a, a), a, smaller)

    def intrinsic(self, name: str, args: list[Op], result: DType | None = None) -> Op:
        """A call of llvm.something, overloaded on the type of its first argument."""
        args = self.meet(*args)
        kind = self.type(args[0])
        full = f"{name}.{self.short(args[0].dtype, args[0].lanes)}"
        result = result or args[0].dtype
        out = self.vector(WORD[result.name], args[0].lanes)
        self.declares.add(f"declare {out} @{full}({', '.join([kind] * len(args))})")
        text = f"call {out} @{full}({', '.join(self.typed(a) for a in args)})"
        return self.write(text, result, args[0].lanes, max(a.depth for a in args))

    def each_lane(self, name: str, args: list[Op]) -> Op:
        """A call of a C function (float64's `exp`, float32's `expf`), lane by lane."""
        dtype, args = args[0].dtype, self.meet(*args)
        word, lanes = WORD[dtype.name], args[0].lanes
        depth = max(a.depth for a in args)
        self.declares.add(f"declare {word} @{name}({', '.join([word] * len(args))})")
        if lanes == 1:
            return self.write(f"call {word} @{name}({', '.join(self.typed(a) for a in args)})", dtype, 1, depth)
        kind, made = self.vector(word, lanes), "poison"
        result = None
        for lane in range(lanes):
            parts = [self.write(f"extractelement {self.typed(a)}, i64 {lane}", dtype, 1, depth) for a in args]
            one = self.write(f"call {word} @{name}({', '.join(f'{word} {p.text}' for p in parts)})", dtype, 1, depth)
            result = self.write(f"insertelement {kind} {made}, {word} {one.text}, i64 {lane}", dtype, lanes, depth)
            made = result.text
        return result

    def bitcast(self, a: Op, dtype: DType) -> Op:
        return self.cast("bitcast", a, dtype)

    def freeze(self, a: Op) -> Op:
        """A constant as an ordinary operand."""
        return self.write(f"freeze {self.typed(a)}", a.dtype, a.lanes, 0)

    def cast(self, how: str, a: Op, dtype: DType) -> Op:
        return self.write(f"{how} {self.typed(a)} to {self.vector(WORD[dtype.name], a.lanes)}", dtype, a.lanes, a.depth)

    def convert(self, a: Op, dtype: DType) -> Op:
        """The number in another dtype, by the rules of prims.elementwise.whole; integers wrap."""
        dtype = computed(dtype)
        source = a.dtype
        if source is dtype:
            return a
        if a.const is not None and not (source.kind == "f" and not math.isfinite(a.const)):
            value = bool(a.const) if dtype.kind == "b" else float(a.const) if dtype.kind == "f" else a.const
            if dtype.kind in "iu":
                value = int(whole(np.float64(value), dtype)) if isinstance(value, float) else int(value)
            made = self.const(value, dtype)
            return made if a.lanes == 1 else self.widen(made, a.lanes)
        if dtype.kind == "b":
            return self.compare("ne", a, self.const(0, source))
        if source.kind == "f":
            if dtype.kind == "f":
                return self.cast("fpext" if dtype is float64 else "fptrunc", a, dtype)
            return self._float_to_int(a, dtype)
        if dtype.kind == "f":
            return self.cast("sitofp" if source.kind == "i" else "uitofp", a, dtype)
        if source.kind != "b" and dtype.itemsize <= source.itemsize:
            if dtype.itemsize == source.itemsize:
                return Op(a.text, dtype, a.lanes, a.depth)
            return self.cast("trunc", a, dtype)
        return self.cast("sext" if source.kind == "i" else "zext", a, dtype)

    def _float_to_int(self, a: Op, dtype: DType) -> Op:
        """What prims.elementwise.whole says, lane by lane."""
        if dtype.name == "uint64":
            top = self.const(2.0**63, a.dtype)
            high = self.compare("ge", a, top)
            low = self._float_to_int(self.select(high, self.sub(a, top), a), int64)
            bit = self.select(high, self.const(-(1 << 63), int64), self.const(0, int64))
            return self.convert(self.bits("xor", *self.meet(low, bit)), dtype)
        wide = int64 if dtype.itemsize == 8 or dtype.name == "uint32" else int32
        word, out = self.short(wide, a.lanes), self.vector(WORD[wide.name], a.lanes)
        name = f"llvm.fptosi.sat.{word}.{self.short(a.dtype, a.lanes)}"
        self.declares.add(f"declare {out} @{name}({self.type(a)})")
        limit = 2.0 ** (8 * wide.itemsize - 1)
        inside = self.compare("lt", a, self.const(limit, a.dtype))
        a = self.select(inside, a, self.const(-limit, a.dtype))
        number = self.write(f"call {out} @{name}({self.typed(a)})", wide, a.lanes, a.depth)
        return self.convert(number, dtype)

    # Memory

    def offset(self, pointer: Op, n: Op, dtype: DType) -> Op:
        if n.const == 0:
            return pointer
        word = MEMORY[dtype.name]
        text = f"getelementptr {word}, ptr {pointer.text}, i64 {n.text}"
        return self.write(text, int64, 1, max(pointer.depth, n.depth))

    def lane_numbers(self, lanes: int, dtype: DType = int64) -> Op:
        word = WORD[dtype.name]
        text = "<" + ", ".join(f"{word} {i}" for i in range(lanes)) + ">"
        return Op(text, dtype, lanes, 0)

    def mask_below(self, count: Op, lanes: int) -> Op | None:
        """The lanes whose number is below `count`; None where that is every lane."""
        if count.const is not None:
            if count.const >= lanes:
                return None
            text = "<" + ", ".join(f"i1 {int(i < count.const)}" for i in range(lanes)) + ">"
            return Op(text, bool_, lanes, 0)
        few = self.convert(self.most(self.least(count, self.int(lanes)), self.int(0)), int32)
        return self.compare("gt", self.widen(few, lanes), self.lane_numbers(lanes, int32))

    def from_memory(self, raw: Op, dtype: DType) -> Op:
        """What was loaded (typed by MEMORY) as it is computed with."""
        name, lanes, depth = dtype.name, raw.lanes, raw.depth
        if name == "bool":
            kind = self.vector("i8", lanes)
            zero = "0" if lanes == 1 else "zeroinitializer"
            return self.write(f"icmp ne {kind} {raw.text}, {zero}", bool_, lanes, depth)
        if name == "float16" and not self.target.halves:
            return self.half_to_float(raw)
        if name == "float16":
            return self.write(f"fpext {self.vector('half', lanes)} {raw.text} to {self.vector('float', lanes)}",
                              float32, lanes, depth)
        if name == "bfloat16":
            text = f"zext {self.vector('i16', lanes)} {raw.text} to {self.vector('i32', lanes)}"
            wide = self.write(text, int32, lanes, depth)
            return self.bitcast(self.plain2("shl", wide, self.const(16, int32)), float32)
        return Op(raw.text, dtype, lanes, depth)

    def to_memory(self, a: Op, dtype: DType) -> str:
        """Text of the operand, typed as memory wants it."""
        a = self.convert(a, dtype)
        name, lanes = dtype.name, a.lanes
        if name == "bool":
            wide = self.write(f"zext {self.typed(a)} to {self.vector('i8', lanes)}", bool_, lanes, a.depth)
            return f"{self.vector('i8', lanes)} {wide.text}"
        if name == "float16" and not self.target.halves:
            return self.float_to_half(a)
        if name == "float16":
            short = self.write(f"fptrunc {self.typed(a)} to {self.vector('half', lanes)}", dtype, lanes, a.depth)
            return f"{self.vector('half', lanes)} {short.text}"
        if name == "bfloat16":
            return f"{self.vector('i16', lanes)} {self._round_to_bfloat16(a)}"
        return self.typed(a)

    def rounded(self, a: Op, dtype: DType) -> Op:
        """A float32 as the nearest float16 or bfloat16, still held as float32."""
        if a.const is not None:
            with np.errstate(over="ignore"):
                return self.const(float(np.asarray(a.const, np.float32).astype(dtype.np)), dtype)
        raw = Op(self.to_memory(a, dtype).rpartition(" ")[2], dtype, a.lanes, a.depth)
        return self.from_memory(raw, dtype)

    def half_to_float(self, raw: Op) -> Op:
        """The 16 bits of a half as float32, where the machine has no instruction for it."""
        lanes = raw.lanes
        text = f"bitcast {self.vector('half', lanes)} {raw.text} to {self.vector('i16', lanes)}"
        bits = self.write(text, int16, lanes, raw.depth)
        bits = self.cast("zext", bits, int32)
        body = self.bits("and", bits, self.const(0x7FFF, int32))
        sign = self.bits("shl", self.bits("and", bits, self.const(0x8000, int32)), self.const(16, int32))
        wide = self.bits("shl", body, self.const(13, int32))
        normal = self.add(wide, self.const(112 << 23, int32))
        tiny = self.bitcast(self.mul(self.cast("sitofp", body, float32), self.const(2.0**-24, float32)), int32)
        special = self.bits("or", wide, self.const(0x7F800000, int32))
        value = self.select(self.compare("lt", body, self.const(0x400, int32)), tiny, normal)
        value = self.select(self.compare("ge", body, self.const(0x7C00, int32)), special, value)
        return self.bitcast(self.bits("or", value, sign), float32)

    def float_to_half(self, a: Op) -> str:
        """float32 rounded to a half (nearest, ties to even), typed, where the machine has no instruction for it."""
        bits = self.bitcast(a, int32)
        sign = self.bits("and", self.bits("lshr", bits, self.const(16, int32)), self.const(0x8000, int32))
        body = self.bits("and", bits, self.const(0x7FFFFFFF, int32))
        odd = self.bits("and", self.bits("lshr", body, self.const(13, int32)), self.const(1, int32))
        normal = self.add(self.add(body, self.const(0xFFF - (112 << 23), int32)), odd)
        normal = self.bits("lshr", normal, self.const(13, int32))
        tiny = self.bitcast(self.add(self.bitcast(body, float32), self.const(0.5, float32)), int32)
        tiny = self.sub(tiny, self.const(0x3F000000, int32))
        value = self.select(self.compare("lt", body, self.const(113 << 23, int32)), tiny, normal)
        value = self.select(self.compare("ge", body, self.const(0x477FF000, int32)), self.const(0x7C00, int32), value)
        value = self.select(self.compare("gt", body, self.const(0x7F800000, int32)), self.const(0x7E00, int32), value)
        short = self.cast("trunc", self.bits("or", value, sign), int16)
        kind = self.vector("half", a.lanes)
        half = self.write(f"bitcast {self.typed(short)} to {kind}", a.dtype, a.lanes, short.depth)
        return f"{kind} {half.text}"

    def _round_to_bfloat16(self, a: Op) -> str:
        """Round to nearest, ties to even; NaN stays NaN."""
        word = self.bitcast(a, int32)
        odd = self.bits("and", self.bits("lshr", word, self.const(16, int32)), self.const(1, int32))
        up = self.add(word, self.add(odd, self.const(0x7FFF, int32)))
        nan = self.compare("uno", a, a)
        up = self.select(nan, self.bits("or", word, self.const(0x400000, int32)), up)
        high = self.bits("lshr", up, self.const(16, int32))
        return self.write(f"trunc {self.typed(high)} to {self.vector('i16', a.lanes)}", int32, a.lanes, high.depth).text

    def load(self, pointer: Op, dtype: DType, lanes: int, mask: Op | None = None, guard: Op | None = None) -> Op:
        """lanes neighbours from `pointer`. mask: lanes to load (others 0). guard: a number; if false none is read."""
        word, size = MEMORY[dtype.name], dtype.itemsize
        kind, depth = self.vector(word, lanes), max(pointer.depth, self.floor)
        if guard is not None:
            self.globals["dv_zero"] = "@dv_zero = linkonce_odr constant [512 x i8] zeroinitializer, align 64"
            depth = max(depth, guard.depth)
            pointer = self.write(f"select i1 {guard.text}, ptr {pointer.text}, ptr @dv_zero", int64, 1, depth)
        if mask is not None and lanes > 1:
            depth = max(depth, mask.depth)
            name = f"llvm.masked.load.v{lanes}{_memory_short(word)}.p0"
            self.declares.add(f"declare {kind} @{name}(ptr, i32, <{lanes} x i1>, {kind})")
            text = f"call {kind} @{name}(ptr {pointer.text}, i32 {size}, {self.typed(mask)}, {kind} zeroinitializer)"
            return self.from_memory(self.write(text, dtype, lanes, depth), dtype)
        raw = self.write(f"load {kind}, ptr {pointer.text}, align {size}", dtype, lanes, depth)
        return self.from_memory(raw, dtype)

    def pointers(self, pointer: Op, at: Op, dtype: DType) -> Op:
        """A vector of addresses, one for each lane of the i64 vector `at`."""
        text = f"getelementptr {MEMORY[dtype.name]}, ptr {pointer.text}, {self.typed(at)}"
        return self.write(text, int64, at.lanes, max(pointer.depth, at.depth))

    def gather(self, pointer: Op, at: Op, dtype: DType, mask: Op | None = None) -> Op:
        lanes, word = at.lanes, MEMORY[dtype.name]
        kind, where = self.vector(word, lanes), self.pointers(pointer, at, dtype)
        name = f"llvm.masked.gather.v{lanes}{_memory_short(word)}.v{lanes}p0"
        self.declares.add(f"declare {kind} @{name}(<{lanes} x ptr>, i32, <{lanes} x i1>, {kind})")
        mask = mask or self.widen(self.const(True, bool_), lanes)
        text = (f"call {kind} @{name}(<{lanes} x ptr> {where.text}, i32 {dtype.itemsize}, {self.typed(mask)}, "
                f"{kind} zeroinitializer)")
        depth = max(where.depth, mask.depth, self.floor)
        return self.from_memory(self.write(text, dtype, lanes, depth), dtype)

    def store(self, pointer: Op, value: Op, dtype: DType, lanes: int, mask: Op | None = None) -> None:
        text = self.to_memory(self.widen(value, lanes), dtype)
        if mask is not None and lanes > 1:
            kind = self.vector(MEMORY[dtype.name], lanes)
            name = f"llvm.masked.store.v{lanes}{_memory_short(MEMORY[dtype.name])}.p0"
            self.declares.add(f"declare void @{name}({kind}, ptr, i32, <{lanes} x i1>)")
            self.line(f"call void @{name}({text}, ptr {pointer.text}, i32 {dtype.itemsize}, {self.typed(mask)})")
        else:
            self.line(f"store {text}, ptr {pointer.text}, align {dtype.itemsize}")

    def scatter(self, pointer: Op, at: Op, value: Op, dtype: DType, mask: Op | None = None) -> None:
        lanes, word = at.lanes, MEMORY[dtype.name]
        text, where = self.to_memory(self.widen(value, lanes), dtype), self.pointers(pointer, at, dtype)
        name = f"llvm.masked.scatter.v{lanes}{_memory_short(word)}.v{lanes}p0"
        self.declares.add(f"declare void @{name}({self.vector(word, lanes)}, <{lanes} x ptr>, i32, <{lanes} x i1>)")
        mask = mask or self.widen(self.const(True, bool_), lanes)
        self.line(f"call void @{name}({text}, <{lanes} x ptr> {where.text}, i32 {dtype.itemsize}, {self.typed(mask)})")

    def pick(self, a: Op, lanes_from: int, count: int) -> Op:
        """`count` neighbouring lanes of a vector."""
        if count == 1:
            return self.write(f"extractelement {self.typed(a)}, i64 {lanes_from}", a.dtype, 1, a.depth)
        numbers = ", ".join(f"i32 {lanes_from + i}" for i in range(count))
        text = f"shufflevector {self.typed(a)}, {self.type(a)} poison, <{count} x i32> <{numbers}>"
        return self.write(text, a.dtype, count, a.depth)

    def shuffle(self, a: Op, b: Op, lanes: list[int]) -> Op:
        """Lanes picked from a (numbered from 0) and b (numbered on)."""
        numbers = ", ".join(f"i32 {i}" for i in lanes)
        text = f"shufflevector {self.typed(a)}, {self.typed(b)}, <{len(lanes)} x i32> <{numbers}>"
        return self.write(text, a.dtype, len(lanes), max(a.depth, b.depth))

    def reverse(self, a: Op) -> Op:
        numbers = ", ".join(f"i32 {i}" for i in reversed(range(a.lanes)))
        text = f"shufflevector {self.typed(a)}, {self.type(a)} poison, <{a.lanes} x i32> <{numbers}>"
        return self.write(text, a.dtype, a.lanes, a.depth)


def _memory_short(word: str) -> str:
    return {"float": "f32", "double": "f64", "half": "f16"}.get(word, word)


def _flatten(section: list, out: list[str]) -> None:
    for item in section:
        if isinstance(item, str):
            out.append(item)
        else:
            _flatten(item, out)
