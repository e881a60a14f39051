"""Typed vector instructions over a Builder, for code that plans its registers by hand (products, panels).

Sizes and strides are *extents*: an int known now, the name of an i64 value, or a Sym or Poly that the caller's `extent`
turns into such a name. Arithmetic on known ints is done here, so that the text stays short.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base.dtypes import DType
from dovetail.codegen.builder import Builder
from dovetail.ir.sym import Sym

Extent = Any

WORD = {"float32": "float", "float64": "double", "int32": "i32", "int64": "i64"}


def known(x) -> bool:
    """Whether an extent is a number when code is generated."""
    return isinstance(x, int) and not isinstance(x, Sym)


def is_(x, value: int) -> bool:
    return known(x) and x == value


class Vectors:
    """Instructions on numbers and vectors of one dtype; `needs` collects the declarations they want."""

    def __init__(self, b: Builder, dtype: DType, extent: Callable[[object], str]):
        self.b, self.dtype, self.extent = b, dtype, extent
        self.word, self.size = WORD[dtype.name], dtype.itemsize
        self.needs: set[str] = set()

    # Integers

    def text(self, x: Extent) -> str:
        return x if isinstance(x, str) else self.extent(x)

    def add(self, x: Extent, y: Extent) -> Extent:
        if known(x) and known(y):
            return x + y
        if is_(y, 0):
            return self.text(x)
        return self.text(y) if is_(x, 0) else self.b.op(f"add i64 {self.text(x)}, {self.text(y)}")

    def sub(self, x: Extent, y: Extent) -> Extent:
        if known(x) and known(y):
            return x - y
        return self.text(x) if is_(y, 0) else self.b.op(f"sub i64 {self.text(x)}, {self.text(y)}")

    def mul(self, x: Extent, y: Extent) -> Extent:
        if (known(x) and known(y)) or is_(x, 0) or is_(y, 0):
            return x * y if known(x) and known(y) else 0
        if is_(y, 1):
            return self.text(x)
        return self.text(y) if is_(x, 1) else self.b.op(f"mul i64 {self.text(x)}, {self.text(y)}")

    def div(self, x: Extent, y: Extent) -> Extent:
        """x // y for x >= 0, y > 0."""
        if known(x) and known(y):
            return x // y
        return self.text(x) if is_(y, 1) else self.b.op(f"udiv i64 {self.text(x)}, {self.text(y)}")

    def ceil_div(self, x: Extent, y: Extent) -> Extent:
        return self.div(self.add(x, self.sub(y, 1)), y)

    def least(self, x: Extent, y: Extent) -> Extent:
        if known(x) and known(y):
            return min(x, y)
        return self.call("i64", "llvm.smin.i64", [("i64", self.text(x)), ("i64", self.text(y))])

    def most(self, x: Extent, y: Extent) -> Extent:
        if known(x) and known(y):
            return max(x, y)
        return self.call("i64", "llvm.smax.i64", [("i64", self.text(x)), ("i64", self.text(y))])

    def product(self, extents) -> Extent:
        total: Extent = 1
        for n in extents:
            total = self.mul(total, n)
        return total

    # Types

    def vector(self, lanes: int) -> str:
        return self.word if lanes == 1 else f"<{lanes} x {self.word}>"

    def zero(self, lanes: int) -> str:
        return ("0.0" if self.dtype.kind == "f" else "0") if lanes == 1 else "zeroinitializer"

    def short(self, lanes: int) -> str:
        """A vector type inside the name of an intrinsic: v16f32."""
        element = ("f" if self.dtype.kind == "f" else "i") + str(self.size * 8)
        return element if lanes == 1 else f"v{lanes}{element}"

    # Instructions

    def call(self, result: str, name: str, args: list[tuple[str, str]]) -> str:
        self.needs.add(f"declare {result} @{name}({', '.join(kind for kind, _ in args)})")
        return self.b.op(f"call {result} @{name}({', '.join(f'{kind} {value}' for kind, value in args)})")

    def at(self, pointer: str, *offsets: Extent) -> str:
        """pointer + the offsets, in elements."""
        for offset in offsets:
            if not is_(offset, 0):
                pointer = self.b.op(f"getelementptr {self.word}, ptr {pointer}, i64 {self.text(offset)}", "p")
        return pointer

    def at_byte(self, pointer: str, offset: Extent) -> str:
        return pointer if is_(offset, 0) else self.b.op(f"getelementptr i8, ptr {pointer}, i64 {self.text(offset)}")

    def multiply_add(self, x: str, y: str, total: str, lanes: int) -> str:
        """x * y + total, rounded once where the machine can."""
        kind = self.vector(lanes)
        if self.dtype.kind != "f":
            return self.b.op(f"add {kind} {total}, {self.b.op(f'mul {kind} {x}, {y}')}")
        return self.call(kind, f"llvm.fmuladd.{self.short(lanes)}", [(kind, x), (kind, y), (kind, total)])

    def plus(self, x: str, y: str, lanes: int) -> str:
        return self.b.op(f"{'fadd' if self.dtype.kind == 'f' else 'add'} {self.vector(lanes)} {x}, {y}")

    def load(self, pointer: str, lanes: int, mask: str | None = None) -> str:
        """lanes neighbours from `pointer`; those that the mask leaves out are zero."""
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
        if known(count):
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

    def shuffle(self, x: str, y: str, lanes: int, picks: list[int]) -> str:
        """Lanes picked from x (0 .. lanes - 1) and y (lanes ..)."""
        kind, chosen = self.vector(lanes), ", ".join(f"i32 {pick}" for pick in picks)
        return self.b.op(f"shufflevector {kind} {x}, {kind} {y}, <{len(picks)} x i32> <{chosen}>")

    def part(self, x: str, lanes: int, first: int, count: int) -> str:
        """`count` neighbouring lanes of x, from `first` on; a plain number where that is one."""
        if count == lanes:
            return x
        if count == 1:
            return self.b.op(f"extractelement {self.vector(lanes)} {x}, i64 {first}")
        return self.shuffle(x, "poison", lanes, list(range(first, first + count)))

    # Whole blocks of registers. `per` is the number of lanes in 16 bytes, inside which shuffles are cheapest.

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
        even, odd = alternate(lanes, per)
        halves = [self.spread_blocks([self.shuffle(x, y, lanes, picks) for x, y in pairs(vectors)], lanes, per)
                  for picks in (even, odd)]
        return [vector for pair in zip(*halves, strict=True) for vector in pair]

    def add_up(self, vectors: list[str], lanes: int) -> str:
        """lanes vectors -> one, whose lane i is the sum of vector i's lanes."""
        per = min(lanes, 16 // self.size)
        while lanes > per and len(vectors) > per:
            vectors = self.fold_pairs(vectors, lanes, per, len(vectors) // per)
        one = [2 * e % per + (lanes if 2 * e >= per else 0) for e in range(per)]
        inside = [block + e for block in range(0, lanes, per) for e in one]
        while len(vectors) > 1:
            picks = inside, [pick + 1 for pick in inside]
            vectors = [self.plus_picked(x, y, picks, lanes) for x, y in pairs(vectors)]
        return vectors[0]

    def fold_pairs(self, vectors: list[str], lanes: int, per: int, groups: int) -> list[str]:
        """Halve the list, adding blocks of vector g * per + c to those of vector (g + 1) * per + c, g even."""
        picks, halves = alternate(lanes, per), []
        for g in range(0, groups, 2):
            first, second = (vectors[h * per : (h + 1) * per] for h in (g, g + 1))
            halves += [self.plus_picked(x, y, picks, lanes) for x, y in zip(first, second, strict=True)]
        return halves

    def plus_picked(self, x: str, y: str, picks: tuple[list[int], list[int]], lanes: int) -> str:
        """The sum of two selections of lanes from x and y."""
        low, high = (self.shuffle(x, y, lanes, each) for each in picks)
        return self.plus(low, high, lanes)

    def sum_lanes(self, value: str, lanes: int) -> str:
        """The sum of one vector's lanes, as a number."""
        while lanes > 1:
            half = lanes // 2
            value = self.plus(self.part(value, lanes, 0, half), self.part(value, lanes, half, half), half)
            lanes = half
        return value


def pairs(items: list) -> list[tuple]:
    return list(zip(items[::2], items[1::2], strict=True))


def alternate(lanes: int, per: int) -> tuple[list[int], list[int]]:
    """Picks of every even, and of every odd, block of two vectors laid side by side."""
    even = [block + e for block in range(0, 2 * lanes, 2 * per) for e in range(per)]
    return even, [pick + per for pick in even]
