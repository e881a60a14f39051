"""Sizes that are only known when the program runs.

A `Sym` is an int (the size in the sample the program was made from) that remembers how it is computed from the table
of run-time sizes. Shapes and settings of a shape-generic graph hold Syms; arithmetic keeps them. Code that *decides*
something by a Sym's sample value (which tile, which branch) must be right for every other value too.
"""

from __future__ import annotations


class Sym(int):
    """An int with an expression: ("table", index), ("+", a, b), ("-", a, b), ("*", a, b) or ("//", a, b)."""

    expr: tuple

    def __new__(cls, value: int, expr: tuple):
        self = super().__new__(cls, value)
        self.expr = expr
        return self

    def __add__(self, other):
        return Sym(int(self) + int(other), ("+", self, other)) if isinstance(other, int) else NotImplemented

    def __radd__(self, other):
        return Sym(int(other) + int(self), ("+", other, self)) if isinstance(other, int) else NotImplemented

    def __sub__(self, other):
        return Sym(int(self) - int(other), ("-", self, other)) if isinstance(other, int) else NotImplemented

    def __rsub__(self, other):
        return Sym(int(other) - int(self), ("-", other, self)) if isinstance(other, int) else NotImplemented

    def __mul__(self, other):
        return Sym(int(self) * int(other), ("*", self, other)) if isinstance(other, int) else NotImplemented

    def __rmul__(self, other):
        return Sym(int(other) * int(self), ("*", other, self)) if isinstance(other, int) else NotImplemented

    def __floordiv__(self, other):
        return Sym(int(self) // int(other), ("//", self, other)) if isinstance(other, int) else NotImplemented

    def __neg__(self):
        return 0 - self

    def __repr__(self) -> str:
        return f"~{int(self)}"


def is_static(n) -> bool:
    """Whether a size is known when code is generated."""
    return not isinstance(n, Sym)


def evaluate(n: int, sizes) -> int:
    """The value of a size for a table of run-time sizes.

    >>> n = Sym(32, ("table", 0))
    >>> evaluate(n * 2 + 1, [5])
    11
    """
    if type(n) is not Sym:
        return int(n)
    kind, *parts = n.expr
    if kind == "table":
        return int(sizes[int(parts[0])])
    a, b = (evaluate(part, sizes) for part in parts)
    return {"+": a + b, "-": a - b, "*": a * b}[kind] if kind != "//" else a // b
