"""Factors of symmetric and hermitian matrices that need not be positive definite: L D L^T and the systems they solve.

Bunch & Kaufman 1977, in the form and with the pivots of LAPACK's ?sytf2 and ?hetf2 (lower). NumPy has no such routine.
"""

from __future__ import annotations

import math

import numpy as np

from dovetail.base.dtypes import int32
from dovetail.base.errors import ShapeError, message
from dovetail.prims.linalg import check_matrix, check_sides, on_host

GROWTH = (1.0 + math.sqrt(17.0)) / 8.0  # the ratio that bounds the growth of elements


def size_of(x):
    """How LAPACK measures an element for its pivots."""
    return np.abs(x.real) + np.abs(x.imag)


def best_pivot(a: np.ndarray, k: int) -> tuple[int, int]:
    """(row to exchange, 1 or 2 rows in the block) for step k."""
    n = len(a)
    here = size_of(a[k, k])
    below = size_of(a[k + 1 :, k])
    if not len(below) or here >= GROWTH * below.max():
        return k, 1
    most = below.max()
    at = k + 1 + int(below.argmax())
    row = size_of(np.concatenate([a[at, k:at], a[at + 1 : n, at]])).max()
    if here >= GROWTH * most * (most / row):
        return k, 1
    return at, 1 if size_of(a[at, at]) >= GROWTH * row else 2


def exchange(a: np.ndarray, i: int, j: int, k: int, hermitian: bool) -> None:
    """Rows and columns i < j exchanged in the lower triangle from column k on."""
    a[j + 1 :, [i, j]] = a[j + 1 :, [j, i]]
    side, across = a[i + 1 : j, i].copy(), a[j, i + 1 : j].copy()
    a[i + 1 : j, i], a[j, i + 1 : j] = (across.conj(), side.conj()) if hermitian else (across, side)
    if hermitian:
        a[j, i] = a[j, i].conj()
    a[i, i], a[j, j] = a[j, j], a[i, i]
    if i > k:
        a[i, k], a[j, k] = a[j, k], a[i, k]


def one_factor(a: np.ndarray, hermitian: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """(L and D in one lower triangle, pivots from 1 and negative for blocks of two, number of the first zero pivot)."""
    a = np.tril(a)
    n, k, info = len(a), 0, 0
    turn = np.conj if hermitian else np.asarray
    pivots = np.zeros(n, np.int32)
    if hermitian:
        np.fill_diagonal(a, np.diagonal(a).real)
    while k < n:
        if not np.any(a[k:, k]):
            info, pivots[k] = info or k + 1, k + 1
            k += 1
            continue
        at, step = best_pivot(a, k)
        last = k + step - 1
        if at != last:
            exchange(a, last, at, k, hermitian)
        rest = slice(k + step, n)
        block = a[k : k + step, k : k + step].copy()
        if step == 2:
            block[0, 1] = turn(block[1, 0])
        columns = a[rest, k : k + step].copy()
        factors = columns / block[0, 0] if step == 1 else np.linalg.solve(block.T, columns.T).T
        a[rest, rest] -= np.tril(factors @ turn(columns).T)
        a[rest, k : k + step] = factors
        if hermitian:
            np.fill_diagonal(a[rest, rest], np.diagonal(a[rest, rest]).real)
        pivots[k : k + step] = at + 1 if step == 1 else -(at + 1)
        k += step
    return a, pivots, info


def one_solution(a: np.ndarray, pivots: np.ndarray, b: np.ndarray, hermitian: bool) -> np.ndarray:
    """The x of L D L^T x = b, blocks forwards, then L^T backwards."""
    x, n, k = np.array(b), len(a), 0
    turn = np.conj if hermitian else np.asarray
    while k < n:
        step = 1 if pivots[k] > 0 else 2
        last, at = k + step - 1, abs(int(pivots[k])) - 1
        x[[last, at]] = x[[at, last]]
        x[k + step :] -= a[k + step :, k : k + step] @ x[k : k + step]
        block = a[k : k + step, k : k + step].copy()
        if step == 2:
            block[0, 1] = turn(block[1, 0])
        x[k : k + step] = x[k : k + 1] / block[0, 0] if step == 1 else np.linalg.solve(block, x[k : k + 2])
        k += step
    while k > 0:
        step = 1 if pivots[k - 1] > 0 else 2
        k -= step
        x[k : k + step] -= turn(a[k + step :, k : k + step]).T @ x[k + step :]
        last, at = k + step - 1, abs(int(pivots[k])) - 1
        x[[last, at]] = x[[at, last]]
    return x


def ldl_factor_meaning(x, *, hermitian, check):
    n, outer = x.shape[-1], x.shape[:-2]
    found = [one_factor(a, hermitian) for a in x.reshape((-1, n, n))]
    if check and any(f[2] for f in found):
        raise np.linalg.LinAlgError
    return (
        np.array([f[0] for f in found], x.dtype).reshape(x.shape),
        np.array([f[1] for f in found], np.int32).reshape((*outer, n)),
        np.array([f[2] for f in found], np.int32).reshape(outer),
    )


ldl_factor = on_host("ldl_factor", ldl_factor_meaning, "a pivot is zero: the matrix is singular")
ldl_factor.differentiable = False


@ldl_factor.shape
def ldl_factor_shape(x, *, hermitian, check):
    """Three results: L and D in the lower triangle, LAPACK's pivots, and the number of the first zero pivot or 0.

    check: a zero pivot raises instead.
    """
    check_matrix("ldl_factor", x, square=True)
    return [(x.shape, x.dtype), (x.shape[:-1], int32), (x.shape[:-2], int32)]


def ldl_solve_meaning(ld, pivots, b, *, hermitian):
    n, k = b.shape[-2:]
    parts = zip(ld.reshape((-1, n, n)), pivots.reshape((-1, n)), b.reshape((-1, n, k)), strict=True)
    return np.array([one_solution(a, p, c, hermitian) for a, p, c in parts], b.dtype).reshape(b.shape)


ldl_solve = on_host("ldl_solve", ldl_solve_meaning, "a pivot is zero: the matrix is singular")
ldl_solve.differentiable = False


@ldl_solve.shape
def ldl_solve_shape(ld, pivots, b, *, hermitian):
    """x with L D L^T x = b. Shape: (*, n, n), (*, n), (*, n, k) -> (*, n, k)"""
    check_matrix("ldl_solve", ld, square=True)
    check_sides("ldl_solve", ld, b)
    if pivots.shape != ld.shape[:-1]:
        raise ShapeError(message("ldl_solve", "needs one pivot for each row", [("LD", ld), ("pivots", pivots)]))
    return b.shape, b.dtype
