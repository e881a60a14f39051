"""Matrix products: the tiles that `contract` becomes.

One product is out[i, j] = sum over k of A[i, k] B[k, j], for each entry of an optional batch. i, j and k may each stand
for several dims with strides of their own (a convolution is such a product: k runs over taps and channels of an image).
Accumulators stay in registers over the sum and are handed, vector by vector, to the caller's epilogue, which stores
them or goes on computing (bias, activation, a whole Adam update).

Two forms of tile:

- *broadcast*: rows x vectors accumulators; one element of A is broadcast against vectors of B along the columns. A may
  have any strides; B is read in place when its columns are adjacent, else copied into a panel first.
- *dot*: both operands run along k in vectors; the lanes are added up at the end. For few rows and B given transposed.

A long sum is cut in blocks that fit the caches; the unfinished sums wait in scratch. Work is split among threads by
tiles only, never within a sum, so results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable

from dovetail.base.dtypes import DType
from dovetail.codegen.builder import Builder
from dovetail.codegen.cuts import Dims, Operand, left_bytes, panel_bytes, plan, sums_bytes
from dovetail.codegen.target import Target
from dovetail.codegen.tiles import Product
from dovetail.codegen.vectors import is_

__all__ = ["Epilogue", "Operand", "gemm_kernel", "plan", "scratch_bytes"]

Epilogue = Callable[[Builder, str, str, str, int, "str | None", str], None]


def scratch_bytes(target: Target, dtype: DType, m, n, k, a: Operand, b: Operand, compact: bool = False) -> int:
    """Bytes of scratch that each thread needs (a Sym or Poly where a size is); thread t uses scratch + t * that."""
    dims = Dims(m, n, k, a, b)
    if dims.is_empty():
        return 0
    cut = plan(target, dtype, m, n, k, a, b)
    return panel_bytes(cut, dims, dtype) + left_bytes(cut, dims, dtype) + sums_bytes(cut, dtype, compact)


def gemm_kernel(
    b: Builder,
    *,
    target: Target,
    dtype: DType,
    m,
    n,
    k,
    a: Operand,
    b_: Operand,
    epilogue: Epilogue,
    tid: str = "0",
    nt: str = "1",
    scratch: str | None = None,
    batch: tuple = (),
    extent: Callable[[object], str] = str,
    compact: bool = False,
) -> set[str]:
    """Write one product (or a batch of them) and return the `declare` lines it needs.

    m, n, k: an extent, or a tuple of them where that side has several dims (the operands' strides then match). batch:
    extents. `extent` turns ints, Syms and Polys into the text of an i64 operand. tid, nt: this thread's number and the
    number of threads, i64.
    scratch: pointer to scratch_bytes(...) * nt bytes, needed where that is not 0; aligned to 64 bytes.
    epilogue(b, acc, row, col, lanes, mask, batch): called once for every accumulator vector: out[row, col..col+lanes-1]
    of batch entry `batch`; row, col, batch are i64, each a flat row-major index. mask is None or a <lanes x i1>; where
    lanes is 1, acc is a plain number, not a vector.
    compact: write the epilogue once for each vector of a row, in a loop over the rows, instead of once for each
    accumulator: for long epilogues.

    Raises: ValueError where scratch is missing.
    """
    if scratch is None and not is_(scratch_bytes(target, dtype, m, n, k, a, b_, compact), 0):
        raise ValueError("this product needs room of its own: pass scratch (see scratch_bytes)")
    cut, dims = plan(target, dtype, m, n, k, a, b_), Dims(m, n, k, a, b_)
    product = Product(b, target, dtype, cut, dims, a, b_, epilogue, (tid, nt), scratch, batch, extent, compact)
    if not dims.is_empty() and not any(is_(size, 0) for size in batch):
        product.write()
    return product.needs
