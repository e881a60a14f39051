"""Sums of products: matrix products, inner products and their batched kin, in one primitive."""

from __future__ import annotations

import numpy as np

from dovetail.base.errors import DimError, DTypeError, ShapeError, message
from dovetail.ir.core import Primitive, Value
from dovetail.prims.elementwise import conjugate
from dovetail.prims.families import CONTRACT
from dovetail.prims.shape import size_of, transpose


def free_dims(rank: int, batch: tuple, summed: tuple) -> tuple[int, ...]:
    """The dims of an operand that are neither batch nor summed, in order."""
    return tuple([d for d in range(rank) if d not in batch and d not in summed])


def contract_meaning(a, b, *, batch, sum):
    """One (batched) matrix product of the operands, reshaped to three dims. Halves are added up in float32."""
    free_a, free_b = free_dims(a.ndim, batch[0], sum[0]), free_dims(b.ndim, batch[1], sum[1])
    outer = tuple([a.shape[d] for d in batch[0]])
    rows, columns = tuple([a.shape[d] for d in free_a]), tuple([b.shape[d] for d in free_b])
    depth = size_of([a.shape[d] for d in sum[0]])
    left = a.transpose(batch[0] + free_a + sum[0]).reshape(outer + (size_of(rows), depth))
    right = b.transpose(batch[1] + sum[1] + free_b).reshape(outer + (depth, size_of(columns)))
    if a.dtype.itemsize == 2 and a.dtype.kind not in "ui":
        product = np.matmul(left.astype(np.float32), right.astype(np.float32)).astype(a.dtype)
    else:
        product = np.matmul(left, right)
    return product.reshape(outer + rows + columns)


contract = Primitive("contract", CONTRACT, contract_meaning)
contract.kinds = "uifc"


def check_pairs(a: Value, b: Value, batch, summed) -> None:
    facts = [("left", a), ("right", b)]
    if a.dtype is not b.dtype:
        raise DTypeError(message("contract", "the operands' dtypes differ", facts))
    if a.dtype.kind == "b":
        raise DTypeError(message("contract", "bool values have no products to add up", facts))
    for i, j in (*zip(*batch, strict=True), *zip(*summed, strict=True)):
        if not (0 <= i < a.ndim and 0 <= j < b.ndim):
            raise DimError(message("contract", f"the dims {i} and {j} are outside the operands' ranks", facts))
        if a.shape[i] != b.shape[j]:
            text = f"the left's dim {i} has size {a.shape[i]}, the right's dim {j} has size {b.shape[j]}"
            raise ShapeError(message("contract", text, facts))


@contract.shape
def contract_shape(a, b, *, batch, sum):
    """batch and sum pair up dims of a and b: -> batch dims, free dims of a, free dims of b."""
    check_pairs(a, b, batch, sum)
    outer = [a.shape[d] for d in batch[0]]
    rows = [a.shape[d] for d in free_dims(a.ndim, batch[0], sum[0])]
    columns = [b.shape[d] for d in free_dims(b.ndim, batch[1], sum[1])]
    return tuple(outer + rows + columns), a.dtype


def operand_gradient(g: Value, x: Value, other: Value, batch, sum, own_first: int, other_first: int) -> Value:
    """g times the other operand, summed over the other's free dims, with the dims put in x's order.

    batch and sum name x's dims first. own_first and other_first: where their free dims begin in g.
    """
    outer = tuple(range(len(batch[0])))
    other_free = free_dims(other.ndim, batch[1], sum[1])
    in_g = tuple(range(other_first, other_first + len(other_free)))
    own_free = free_dims(x.ndim, batch[0], sum[0])
    summed = tuple([sum[0][sum[1].index(d)] for d in sorted(sum[1])])
    other = conjugate(other)
    if tuple(batch[0]) + summed + own_free == tuple(range(x.ndim)):  # this order of the operands saves the transpose
        return contract(other, g, batch=(batch[1], outer), sum=(other_free, in_g))
    product = contract(g, other, batch=(outer, batch[1]), sum=(in_g, other_free))
    order = tuple(batch[0]) + own_free + summed
    perm = tuple([order.index(d) for d in range(x.ndim)])
    return product if perm == tuple(range(x.ndim)) else transpose(product, perm=perm)


@contract.gradient
def contract_gradient(g, out, a, b, *, batch, sum):
    outer = len(batch[0])
    rows = len(free_dims(a.ndim, batch[0], sum[0]))
    swapped = (batch[1], batch[0]), (sum[1], sum[0])
    return (
        operand_gradient(g, a, b, batch, sum, outer, outer + rows),
        operand_gradient(g, b, a, *swapped, outer + rows, outer),
    )
