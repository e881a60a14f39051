"""What a kernel computes, apart from where its operands lie: kernels with equal signatures are one function.

Two layers of a network, or two steps of a recurrent one, differ only in the memory they touch. Their kernels are
recognised before anything is written, so text and machine code are made once.
"""

from __future__ import annotations

from dovetail.codegen.expr import Expr, Scribe, Storage
from dovetail.passes.affine import Affine


def common_offsets(walks: list[tuple[Storage, Affine]]) -> dict[tuple, object]:
    """For each storage the offset at which its accesses begin; it is added to the pointer before the call."""
    found: dict[tuple, set] = {}
    for storage, at in walks:
        found.setdefault(storage.key, set()).add(at.const)
    offsets = {}
    for key, consts in found.items():
        if all(isinstance(c, int) for c in consts):
            offsets[key] = min(consts)
        elif len(consts) == 1:
            (offsets[key],) = consts
    return {key: n for key, n in offsets.items() if not (isinstance(n, int) and n == 0)}


class Signature:
    """key: hashable; slots: the storages in the order of first mention."""

    def __init__(self, scribe: Scribe, offsets: dict[tuple, object], extra: tuple, views: tuple = ()):
        self.offsets = offsets
        self.slots: dict[tuple, int] = {}
        self.storages: list[Storage] = []
        self.numbers: dict[int, int] = {}
        self.rows: list[tuple] = []
        operands = tuple((self.slot(s), self.affine(at, s)) for s, at in views)
        folds = tuple((f.name, f.dtype.name, f.stage, self.expr(f.arg), self.expr(f.index) if f.index else -1)
                      for f in scribe.folds)
        stores = tuple((self.expr(s.expr), self.slot(s.storage), self.affine(s.address, s.storage), s.level)
                       for s in scribe.stores)
        extents = tuple(sorted(scribe.extents.items()))
        self.key = (operands, folds, stores, extents, extra, tuple(self.rows))

    def slot(self, storage: Storage) -> tuple:
        found = self.slots.get(storage.key)
        if found is None:
            found = self.slots[storage.key] = len(self.slots)
            self.storages.append(storage)
        return found, storage.dtype.name

    def affine(self, a: Affine, storage: Storage | None = None) -> tuple:
        const = a.const - self.offsets.get(storage.key, 0) if storage is not None else a.const
        terms = [(("e", self.expr(s)) if isinstance(s, Expr) else ("v", s), c) for s, c in a.terms.items()]
        return const, tuple(sorted(terms, key=lambda t: t[0]))

    def expr(self, e: Expr) -> int:
        """The number of an expression in this signature; what it is stands in `rows`."""
        found = self.numbers.get(e.number)
        if found is None:
            args = tuple(self.expr(a) for a in e.args)
            self.rows.append((e.kind, e.dtype.name, args, self.data(e)))
            found = self.numbers[e.number] = len(self.rows) - 1
        return found

    def data(self, e: Expr):
        if e.kind == "load":
            d = e.data
            guard = -1 if d.guard is None else self.expr(d.guard)
            return self.slot(d.storage), self.affine(d.at, d.storage), guard
        if e.kind == "index":
            return self.affine(e.data)
        if e.kind == "bits":
            return self.affine(e.data[0]), e.data[1]
        if e.kind == "const":
            return type(e.data).__name__, str(e.data) if isinstance(e.data, (float, complex)) else e.data
        return e.data
