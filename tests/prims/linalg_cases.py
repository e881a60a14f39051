"""Rows for the matrix primitives: how to call each one so that the result is unique and smooth.

Eigenvectors and singular vectors are fixed only up to a factor of size one; `sizes_of` takes that away.
"""

from __future__ import annotations

from dovetail.ir.core import Value
from dovetail.prims import linalg as la
from dovetail.prims.elementwise import conjugate
from dovetail.prims.sugar import matmul


def sizes_of(x: Value) -> Value:
    return x * conjugate(x)


def hermitian(x: Value) -> Value:
    return (x + la.adjoint(x)) * 0.5


def positive(x: Value) -> Value:
    square = matmul(x, la.adjoint(x))
    return square + la.identity_like(square)


def strong(x: Value) -> Value:
    return x + la.identity_like(x) * 4.0


SQUARE, TALL, WIDE, SIDE = (2, 4, 4), (2, 5, 3), (2, 3, 5), (2, 4, 3)

# name -> list of (function of Values, shapes)
LINALG = {
    "triangular_solve": [
        (lambda a, b, up=up, unit=unit: la.triangular_solve(strong(a), b, upper=up, unit=unit), [SQUARE, SIDE])
        for up in (False, True) for unit in (False, True)
    ],
    "cholesky": [(lambda a, up=up: la.cholesky(positive(a), upper=up), [SQUARE]) for up in (False, True)],
    "solve": [(la.solve, [SQUARE, SIDE])],
    "inv": [(la.inv, [SQUARE])],
    "det": [(la.det, [SQUARE])],
    "adjugate": [(la.adjugate, [SQUARE])],
    "slogdet": [(lambda a: la.slogdet(a), [SQUARE])],
    "lu_factor": [(lambda a: la.lu_factor(a)[0], [shape]) for shape in (SQUARE, TALL, WIDE)],
    "qr": [(lambda a: la.qr(a, complete=False), [shape]) for shape in (SQUARE, TALL, WIDE)],
    "svd": [
        (lambda a: [sizes_of(x) for x in la.svd(a, full_matrices=False)], [shape]) for shape in (SQUARE, TALL, WIDE)
    ],
    "eigh": [
        (lambda a, up=up: [sizes_of(x) for x in la.eigh(hermitian(a), upper=up)], [SQUARE]) for up in (False, True)
    ],
    "eig": [(lambda a: [sizes_of(x) for x in la.eig(a)], [SQUARE])],
    "pinv": [(lambda a: la.pinv(a, rtol=1e-15), [shape]) for shape in (SQUARE, TALL, WIDE)],
    "lstsq": [(lambda a, b: la.lstsq(a, b, rtol=1e-15), [shape, (2, shape[1], 2)]) for shape in (SQUARE, TALL, WIDE)],
    "matrix_exp": [(la.matrix_exp, [SQUARE])],
}
