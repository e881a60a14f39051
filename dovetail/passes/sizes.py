"""Sizes inside the machine room: plain ints, or polynomials over the table of run-time sizes.

`ir.sym.Sym` is an int that compares by its sample value, which is what shape rules want. The machine room must never
take two sizes for equal because they were equal once, so it turns every Sym into a `Poly`, which compares by what it
*means*: (n + 1) * 4 == 4 * n + 4, and n != 32 even where the sample of n is 32. A Poly that turns out constant becomes
an int again.
"""

from __future__ import annotations

from typing import Any

from dovetail.ir.sym import Sym

Size = Any  # an int, or a Poly


class Poly:
    """A sum of coefficient * product of atoms. Atoms: ("table", index, sample) or ("//", a, b)."""

    __slots__ = ("terms", "_hash")

    def __init__(self, terms: tuple):
        self.terms = terms
        self._hash = hash(terms)

    def __eq__(self, other) -> bool:
        return isinstance(other, Poly) and self.terms == other.terms

    def __hash__(self) -> int:
        return self._hash

    def __add__(self, other):
        return _make(_merge(self.terms, _terms(other)))

    __radd__ = __add__

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + other * -1

    def __rsub__(self, other):
        return other + self * -1

    def __mul__(self, other):
        product: dict = {}
        for atoms, factor in self.terms:
            for more, other_factor in _terms(other):
                key = tuple(sorted(atoms + more, key=repr))
                product[key] = product.get(key, 0) + factor * other_factor
        return _make(product)

    __rmul__ = __mul__

    def __floordiv__(self, other):
        return divide(self, other)

    def __rfloordiv__(self, other):
        return divide(other, self)

    def __repr__(self) -> str:
        return " + ".join("*".join([str(c)] * (c != 1 or not a) + [_atom_text(x) for x in a]) for a, c in self.terms)


def _atom_text(atom: tuple) -> str:
    return f"n{atom[1]}" if atom[0] == "table" else f"({atom[1]} // {atom[2]})"


def _terms(n) -> tuple:
    return n.terms if isinstance(n, Poly) else (((), int(n)),) if n else ()


def _merge(a: tuple, b: tuple) -> dict:
    total = dict(a)
    for atoms, factor in b:
        total[atoms] = total.get(atoms, 0) + factor
    return total


def _make(terms: dict):
    kept = tuple(sorted(((a, c) for a, c in terms.items() if c), key=repr))
    if not kept:
        return 0
    if len(kept) == 1 and kept[0][0] == ():
        return kept[0][1]
    return Poly(kept)


def divide(a, b):
    """a // b, exact where every coefficient divides."""
    if not isinstance(a, Poly) and not isinstance(b, Poly):
        return a // b if b else 0
    if isinstance(b, int) and b == 1:
        return a
    if isinstance(b, int) and b and all(c % b == 0 for _, c in a.terms):
        return _make({atoms: c // b for atoms, c in a.terms})
    if a == b:
        return 1
    return Poly((((("//", a, b),), 1),))


def size(n):
    """The machine room's form of a size or an integer setting."""
    if not isinstance(n, Sym):
        return n if isinstance(n, Poly) else int(n)
    op = n.expr[0]
    if op == "table":
        return Poly((((("table", n.expr[1], int(n)),), 1),))
    a, b = size(n.expr[1]), size(n.expr[2])
    if op == "+":
        return a + b
    if op == "-":
        return a - b
    return a * b if op == "*" else divide(a, b)


def sizes(shape) -> tuple:
    return tuple(size(n) for n in shape)


def sample(n) -> int:
    """The value a size had when the program was made. Decisions made with it must be right for every value."""
    if not isinstance(n, Poly):
        return n
    total = 0
    for atoms, factor in n.terms:
        for atom in atoms:
            factor *= atom[2] if atom[0] == "table" else sample(atom[1]) // max(1, sample(atom[2]))
        total += factor
    return total


def to_sym(n):
    """Back to an int or a Sym, for the rooms below and above."""
    if not isinstance(n, Poly):
        return n
    total = 0
    for atoms, factor in n.terms:
        for atom in atoms:
            table = atom[0] == "table"
            factor = (Sym(atom[2], ("table", atom[1])) if table else to_sym(atom[1]) // to_sym(atom[2])) * factor
        total = factor + total
    return total


def product(shape):
    total = 1
    for n in shape:
        total = n * total
    return total


def is_one(n) -> bool:
    """Only a static 1 counts: a run-time size may be anything."""
    return isinstance(n, int) and n == 1


def divides(n, m) -> bool:
    """Whether n is known to be a multiple of the int m."""
    return all(c % m == 0 for _, c in _terms(n))


def contiguous(shape: tuple) -> tuple:
    """Row-major strides in elements. Dims of size 1 get stride 0, so that equal memory has equal strides."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(0 if is_one(n) else step)
        step = n * step
    return tuple(reversed(strides))


def squeeze(shape: tuple) -> tuple:
    return tuple(n for n in shape if not is_one(n))
