"""Linear algebra on the last two dims, in NumPy's LAPACK, called back from the compiled program.

Gradients follow PyTorch's; most are found in Giles 2008, "Collected matrix derivative results for forward and reverse
mode", those for complex matrices in Boeddeker et al. 2017. Singular or non-positive matrices raise LinAlgError when
the program runs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dovetail.base.dtypes import DType, int32, int64
from dovetail.base.errors import DTypeError, GradientError, LinAlgError, ShapeError, message
from dovetail.ir.core import Primitive, Value
from dovetail.prims.elementwise import cast, conjugate, eq, ge, imag, make_complex, neg, real, where
from dovetail.prims.families import HOST
from dovetail.prims.index import gather
from dovetail.prims.make import iota, ones_like, zeros_like
from dovetail.prims.reduce import reduce_sum
from dovetail.prims.shape import broadcast, concat, slice_, transpose
from dovetail.prims.sort import argsort
from dovetail.prims.sugar import matmul

# -- matrices as Values ------------------------------------------------------------------------------------------------


def mirrored(x: Value) -> Value:
    """The transpose of each matrix."""
    return transpose(x, perm=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def adjoint(x: Value) -> Value:
    """The conjugate transpose of each matrix."""
    return conjugate(mirrored(x))


def lower_part(x: Value, offset: int = 0) -> Value:
    """What lies on and below the diagonal `offset` (above the main one where positive)."""
    rows, columns = (iota(shape=x.shape, dtype=int64, dim=x.ndim - k) for k in (2, 1))
    return where(ge(rows + offset, columns), x, zeros_like(x))


def upper_part(x: Value, offset: int = 0) -> Value:
    """What lies on and above the diagonal `offset`."""
    rows, columns = (iota(shape=x.shape, dtype=int64, dim=x.ndim - k) for k in (2, 1))
    return where(ge(columns, rows + offset), x, zeros_like(x))


def on_diagonal(x: Value) -> Value:
    """Whether a place of each matrix lies on its diagonal."""
    return eq(*(iota(shape=x.shape, dtype=int64, dim=x.ndim - k) for k in (2, 1)))


def diagonal_of(x: Value) -> Value:
    """(*, n, n) -> (*, n)"""
    return reduce_sum(where(on_diagonal(x), x, zeros_like(x)), dims=(x.ndim - 1,))


def diagonal_matrix(x: Value) -> Value:
    """(*, n) -> (*, n, n) with x on the diagonal."""
    whole = columns_scaled_by(x, x.shape[-1])
    return where(on_diagonal(whole), whole, zeros_like(whole))


def columns_scaled_by(x: Value, rows: int) -> Value:
    """(*, n) -> (*, rows, n): the same in every row."""
    shape = (*x.shape[:-1], rows, x.shape[-1])
    return broadcast(x, shape=shape, dims=(*range(x.ndim - 1), x.ndim))


def rows_scaled_by(x: Value, columns: int) -> Value:
    """(*, n) -> (*, n, columns): the same in every column."""
    return broadcast(x, shape=(*x.shape, columns), dims=tuple(range(x.ndim)))


def first_columns(x: Value, count: int) -> Value:
    return block(x, 0, x.shape[-2], 0, count)


def block(x: Value, top: int, bottom: int, left: int, right: int) -> Value:
    """Rows [top, bottom) and columns [left, right) of each matrix."""
    starts = (0,) * (x.ndim - 2) + (top, left)
    return slice_(x, starts=starts, stops=(*x.shape[:-2], bottom, right), steps=(1,) * x.ndim)


def spread(x: Value, shape: tuple) -> Value:
    """(*) -> (*, n, m): one number for each matrix."""
    return broadcast(x, shape=shape, dims=tuple(range(x.ndim)))


def identity_like(x: Value) -> Value:
    return where(on_diagonal(x), ones_like(x), zeros_like(x))


# -- checks ------------------------------------------------------------------------------------------------------------


def check_matrix(name: str, x: Value, square: bool = False) -> None:
    if x.dtype.kind not in "fc" or x.dtype.itemsize == 2:
        text = f"takes float32, float64 and complex matrices, got {x.dtype.name}"
        raise DTypeError(message(name, text, [("input", x)]))
    if x.ndim < 2:
        raise ShapeError(message(name, "needs a matrix or a batch of them", [("input", x)]))
    if square and x.shape[-1] != x.shape[-2]:
        raise ShapeError(message(name, "the matrix must be square", [("input", x)]))


def check_sides(name: str, a: Value, b: Value) -> None:
    check_matrix(name, a)
    if a.dtype is not b.dtype:
        raise DTypeError(message(name, "the operands' dtypes differ", [("matrix", a), ("right side", b)]))
    if b.ndim != a.ndim or b.shape[:-2] != a.shape[:-2] or b.shape[-2] != a.shape[-2]:
        text = "the right side needs the matrix's batch and number of rows"
        raise ShapeError(message(name, text, [("matrix", a), ("right side", b)]))


def on_host(name: str, meaning: Callable, problem: str = "did not converge") -> Primitive:
    """A primitive that runs in NumPy; LAPACK's complaint becomes a LinAlgError that says `problem`."""

    def guarded(*arrays, **params):
        try:
            return meaning(*arrays, **params)
        except np.linalg.LinAlgError as e:
            raise LinAlgError(message(name, problem, [("input", arrays[0])])) from e

    prim = Primitive(name, HOST, guarded, host=True)
    prim.kinds = "fc"
    return prim


def adjoint_array(x: np.ndarray) -> np.ndarray:
    return np.conj(np.swapaxes(x, -1, -2))


# -- triangular systems and Cholesky -----------------------------------------------------------------------------------


def triangular_solve_meaning(a, b, *, upper, unit):
    """Substitution row by row, over all batches and right sides at once."""
    x = np.array(b)
    n = a.shape[-1]
    for i in reversed(range(n)) if upper else range(n):
        known = slice(i + 1, n) if upper else slice(0, i)
        x[..., i, :] -= np.matmul(a[..., i : i + 1, known], x[..., known, :])[..., 0, :]
        if not unit:
            x[..., i, :] /= a[..., i, i, None]
    return x


triangular_solve = on_host("triangular_solve", triangular_solve_meaning)


@triangular_solve.shape
def triangular_solve_shape(a, b, *, upper, unit):
    """x with a x = b, for the upper or lower part of a; unit: the diagonal counts as ones."""
    check_matrix("triangular_solve", a, square=True)
    check_sides("triangular_solve", a, b)
    return b.shape, b.dtype


@triangular_solve.gradient
def triangular_solve_gradient(g, out, a, b, *, upper, unit):
    side = triangular_solve(adjoint(a), g, upper=not upper, unit=unit)
    whole = neg(matmul(side, adjoint(out)))
    return upper_part(whole, int(unit)) if upper else lower_part(whole, -int(unit)), side


def right_solve(a: Value, b: Value, *, upper: bool, unit: bool = False) -> Value:
    """x with x a^H = b, for triangular a (upper says which part of a)."""
    return adjoint(triangular_solve(a, adjoint(b), upper=upper, unit=unit))


def cholesky_meaning(x, *, upper):
    if upper:
        return adjoint_array(np.linalg.cholesky(adjoint_array(x)))
    return np.linalg.cholesky(x)


cholesky = on_host("cholesky", cholesky_meaning, "the matrix is not positive definite")


@cholesky.shape
def cholesky_shape(x, *, upper):
    """The lower l with l l^H = x (upper: u with u^H u = x); only that part of x is read."""
    check_matrix("cholesky", x, square=True)
    return x.shape, x.dtype


def half_diagonal(x: Value) -> Value:
    return where(on_diagonal(x), x * 0.5, x)


@cholesky.gradient
def cholesky_gradient(g, out, x, *, upper):
    if upper:
        out, g = adjoint(out), adjoint(g)
    inside = half_diagonal(lower_part(matmul(adjoint(out), g)))
    left = triangular_solve(adjoint(out), inside, upper=True, unit=False)
    whole = adjoint(triangular_solve(adjoint(out), adjoint(left), upper=True, unit=False))
    return ((whole + adjoint(whole)) * 0.5,)


# -- systems, inverse, determinant -------------------------------------------------------------------------------------

solve = on_host("solve", np.linalg.solve, "the matrix is singular")
inv = on_host("inv", np.linalg.inv, "the matrix is singular")


@solve.shape
def solve_shape(a, b):
    """x with a x = b. Shape: (*, n, n), (*, n, k) -> (*, n, k)"""
    check_matrix("solve", a, square=True)
    check_sides("solve", a, b)
    return b.shape, b.dtype


@solve.gradient
def solve_gradient(g, out, a, b):
    side = solve(adjoint(a), g)
    return neg(matmul(side, adjoint(out))), side


@inv.shape
def inv_shape(x):
    check_matrix("inv", x, square=True)
    return x.shape, x.dtype


@inv.gradient
def inv_gradient(g, out, x):
    back = adjoint(out)
    return (neg(matmul(matmul(back, g), back)),)


det = on_host("det", lambda x: np.asarray(np.linalg.det(x)))


@det.shape
def det_shape(x):
    check_matrix("det", x, square=True)
    return x.shape[:-2], x.dtype


@det.gradient
def det_gradient(g, out, x):
    """The adjugate, and not det times inverse, so that singular matrices have their gradient too."""
    return (spread(g, x.shape) * adjoint(adjugate(x)),)


def adjugate_meaning(x):
    """From the singular values: the product of all but one, which needs no division."""
    u, s, vh = np.linalg.svd(x)
    n = s.shape[-1]
    others = np.stack([np.prod(np.delete(s, i, axis=-1), axis=-1) for i in range(n)], axis=-1)
    turn = np.linalg.det(u) * np.linalg.det(vh)
    return (turn[..., None, None] * adjoint_array(vh) * others[..., None, :] @ adjoint_array(u)).astype(x.dtype)


adjugate = on_host("adjugate", adjugate_meaning)


@adjugate.shape
def adjugate_shape(x):
    """The transposed matrix of cofactors: det(x) inv(x) where x is not singular."""
    check_matrix("adjugate", x, square=True)
    return x.shape, x.dtype


@adjugate.gradient
def adjugate_gradient(g, out, x):
    inverse = inv(x)
    along = reduce_sum(g * conjugate(inverse), dims=(x.ndim - 2, x.ndim - 1))
    back = adjoint(inverse)
    turned = matmul(matmul(back, g), back) * spread(conjugate(det(x)), x.shape)
    return (spread(along, x.shape) * adjoint(out) - turned,)


def slogdet_meaning(x):
    sign, size = np.linalg.slogdet(x)
    return np.asarray(sign, x.dtype), np.asarray(size, x.real.dtype)


slogdet = on_host("slogdet", slogdet_meaning)


@slogdet.shape
def slogdet_shape(x):
    """Two results: the determinant's sign (complex: its direction) and the logarithm of its size."""
    check_matrix("slogdet", x, square=True)
    return [(x.shape[:-2], x.dtype), (x.shape[:-2], x.dtype.to_real())]


@slogdet.gradient
def slogdet_gradient(gs, outs, x):
    g_sign, g_size = gs
    sign, size = outs
    g = cast(zeros_like(size) if g_size is None else g_size, x.dtype)
    if x.dtype.kind == "c" and g_sign is not None:
        g = g + make_complex(zeros_like(size), imag(conjugate(sign) * g_sign))
    return (spread(g, x.shape) * adjoint(inv(x)),)


# -- LU ----------------------------------------------------------------------------------------------------------------


def lu_factor_meaning(x):
    """Doolittle's elimination with row exchanges, all batches at once; a zero pivot is passed over."""
    lu = np.array(x).reshape((-1, *x.shape[-2:]))
    count, m, n = lu.shape
    k = min(m, n)
    batch = np.arange(count)
    pivots = np.empty((count, k), np.int32)
    order = np.tile(np.arange(m), (count, 1))
    for j in range(k):
        column = lu[:, j:, j]  # LAPACK measures a complex number by |re| + |im|
        top = j + np.argmax(np.abs(column.real) + np.abs(column.imag), axis=1)
        pivots[:, j] = top + 1
        lu[batch, j], lu[batch, top] = lu[batch, top].copy(), lu[batch, j].copy()
        order[batch, j], order[batch, top] = order[batch, top].copy(), order[batch, j].copy()
        pivot = lu[:, j, j, None]
        lu[:, j + 1 :, j] = np.where(pivot == 0, lu[:, j + 1 :, j], lu[:, j + 1 :, j] / np.where(pivot == 0, 1, pivot))
        lu[:, j + 1 :, j + 1 :] -= lu[:, j + 1 :, j, None] * lu[:, None, j, j + 1 :]
    outer = x.shape[:-2]
    return lu.reshape(x.shape), pivots.reshape((*outer, k)), order.reshape((*outer, m)).astype(np.int64)


lu_factor = on_host("lu_factor", lu_factor_meaning)


@lu_factor.shape
def lu_factor_shape(x):
    """Three results: unit l and u in one matrix; LAPACK's pivots, from 1; the order of rows, so that x[order] = l u."""
    check_matrix("lu_factor", x)
    m, n = x.shape[-2:]
    return [(x.shape, x.dtype), ((*x.shape[:-2], min(m, n)), int32), ((*x.shape[:-2], m), int64)]


def square_lu_gradient(g: Value, lu: Value) -> Value:
    """The gradient for the matrix with its rows in order, where it is square."""
    lower = lower_part(matmul(adjoint(where(on_diagonal(lu), ones_like(lu), lower_part(lu))), lower_part(g, -1)), -1)
    upper = upper_part(matmul(upper_part(g), adjoint(upper_part(lu))))
    left = triangular_solve(adjoint(lu), lower + upper, upper=True, unit=True)
    return right_solve(lu, left, upper=True)


def tall_lu_gradient(g: Value, lu: Value) -> Value:
    """More rows than columns: the rows below solve l2 u = x2."""
    m, n = lu.shape[-2:]
    top, below = block(lu, 0, n, 0, n), block(lu, n, m, 0, n)
    rest = right_solve(top, block(g, n, m, 0, n), upper=True)
    first = square_lu_gradient(block(g, 0, n, 0, n) - upper_part(matmul(adjoint(below), rest)), top)
    return concat(first, rest, dim=lu.ndim - 2)


def wide_lu_gradient(g: Value, lu: Value) -> Value:
    """More columns than rows: the columns at the right solve l u2 = x2."""
    m, n = lu.shape[-2:]
    left, right = block(lu, 0, m, 0, m), block(lu, 0, m, m, n)
    rest = triangular_solve(adjoint(left), block(g, 0, m, m, n), upper=True, unit=True)
    first = square_lu_gradient(block(g, 0, m, 0, m) - lower_part(matmul(rest, adjoint(right)), -1), left)
    return concat(first, rest, dim=lu.ndim - 1)


@lu_factor.gradient
def lu_factor_gradient(gs, outs, x):
    lu, _, order = outs
    if gs[0] is None:
        return (None,)
    m, n = x.shape[-2:]
    rule = square_lu_gradient if m == n else tall_lu_gradient if m > n else wide_lu_gradient
    back = argsort(order, dim=order.ndim - 1, descending=False)
    return (gather(rule(gs[0], lu), rows_scaled_by(back, n), dim=x.ndim - 2),)


# -- QR ----------------------------------------------------------------------------------------------------------------


def qr_meaning(x, *, complete):
    q, r = np.linalg.qr(x, mode="complete" if complete else "reduced")
    return q, r


qr = on_host("qr", qr_meaning)


@qr.shape
def qr_shape(x, *, complete):
    """Two results: q with orthonormal columns (a square one if complete) and the upper r, with q r = x."""
    check_matrix("qr", x)
    outer, (m, n) = x.shape[:-2], x.shape[-2:]
    k = m if complete else min(m, n)
    return [((*outer, m, k), x.dtype), ((*outer, k, n), x.dtype)]


def tall_qr_gradient(gq: Value, gr: Value, q: Value, r: Value) -> Value:
    """At least as many rows as columns (Walter, Lehmann, Lamour 2012)."""
    inside = upper_part(matmul(gr, adjoint(r)) - matmul(adjoint(q), gq))
    both = inside + adjoint(inside)
    half = both * 0.5
    whole = gq + matmul(q, where(on_diagonal(both), half, both))
    return right_solve(r, whole, upper=True)


@qr.gradient
def qr_gradient(gs, outs, x, *, complete):
    q, r = outs
    m, n = x.shape[-2:]
    if complete and m > n:
        text = "the complete form of a tall matrix has no gradient; use mode='reduced'"
        raise GradientError(message("qr", text, [("input", x)]))
    gq, gr = (zeros_like(o) if g is None else g for g, o in zip(gs, outs, strict=True))
    if m >= n:
        return (tall_qr_gradient(gq, gr, q, r),)
    gr_right = block(gr, 0, m, m, n)
    gq = gq + matmul(block(x, 0, m, m, n), adjoint(gr_right))
    left = tall_qr_gradient(gq, block(gr, 0, m, 0, m), q, block(r, 0, m, 0, m))
    return (concat(left, matmul(q, gr_right), dim=x.ndim - 1),)


# -- singular values and eigenvalues -----------------------------------------------------------------------------------


def differences(x: Value) -> Value:
    """(*, n) -> (*, n, n): x[j] - x[i] at [i, j], with ones on the diagonal so that one may divide."""
    n = x.shape[-1]
    gap = columns_scaled_by(x, n) - rows_scaled_by(x, n)
    return where(on_diagonal(gap), ones_like(gap), gap)


def skew(x: Value) -> Value:
    return x - adjoint(x)


def svd_meaning(x, *, full_matrices):
    u, s, vh = np.linalg.svd(x, full_matrices=full_matrices)
    return u, s, vh


svd = on_host("svd", svd_meaning)


@svd.shape
def svd_shape(x, *, full_matrices):
    """Three results: u, the singular values s in falling order, and v^H, with u diag(s) v^H = x."""
    check_matrix("svd", x)
    outer, (m, n) = x.shape[:-2], x.shape[-2:]
    k = min(m, n)
    left, right = (m, n) if full_matrices else (k, k)
    return [((*outer, m, left), x.dtype), ((*outer, k), x.dtype.to_real()), ((*outer, right, n), x.dtype)]


@svd.gradient
def svd_gradient(gs, outs, x, *, full_matrices):
    """Singular vectors of equal singular values have no gradient; neither have the columns that full_matrices adds."""
    gu, g_values, gvh = gs
    u, s, vh = outs
    m, n = x.shape[-2:]
    k = min(m, n)
    u, gu = (None if t is None else first_columns(t, k) for t in (u, gu))
    v, gv = (None if t is None else first_columns(adjoint(t), k) for t in (vh, gvh))
    inside = zeros_like(matmul(adjoint(u), u))
    if g_values is not None:
        inside = inside + diagonal_matrix(cast(g_values, x.dtype))
    if gu is not None or gv is not None:
        inside = inside + vectors_part(u, s, v, gu, gv)
    result = matmul(matmul(u, inside), adjoint(v))
    inverse = cast(1.0 / s, x.dtype)
    if gu is not None and m > k:
        outside = gu - matmul(u, matmul(adjoint(u), gu))
        result = result + matmul(outside * columns_scaled_by(inverse, m), adjoint(v))
    if gv is not None and n > k:
        outside = gv - matmul(v, matmul(adjoint(v), gv))
        result = result + matmul(u * columns_scaled_by(inverse, m), adjoint(outside))
    return (result,)


def vectors_part(u: Value, s: Value, v: Value, gu: Value | None, gv: Value | None) -> Value:
    """The share of the singular vectors, in the basis of u and v."""
    n = s.shape[-1]
    gap = cast(differences(s * s), u.dtype)
    wide = cast(s, u.dtype)
    total = zeros_like(gap)
    if gu is not None:
        turn = skew(matmul(adjoint(u), gu))
        total = total + turn / gap * columns_scaled_by(wide, n)
    if gv is not None:
        total = total + rows_scaled_by(wide, n) * (skew(matmul(adjoint(v), gv)) / gap)
    if u.dtype.kind == "c" and gu is not None and gv is not None:
        total = total + diagonal_matrix(diagonal_of(turn) / (wide * 2.0))
    return total


def eigh_meaning(x, *, upper):
    values, vectors = np.linalg.eigh(x, UPLO="U" if upper else "L")
    return values, vectors


eigh = on_host("eigh", eigh_meaning)


@eigh.shape
def eigh_shape(x, *, upper):
    """Two results: the rising eigenvalues of a hermitian matrix, and its eigenvectors as columns."""
    check_matrix("eigh", x, square=True)
    return [(x.shape[:-1], x.dtype.to_real()), (x.shape, x.dtype)]


@eigh.gradient
def eigh_gradient(gs, outs, x, *, upper):
    g_values, g_vectors = gs
    values, vectors = outs
    inside = zeros_like(vectors)
    if g_vectors is not None:
        # only the skew part turns the vectors; without it the gradient of a hermitian matrix would not be hermitian
        turned = skew(matmul(adjoint(vectors), g_vectors)) * 0.5 / cast(differences(values), x.dtype)
        inside = where(on_diagonal(turned), zeros_like(turned), turned)
    if g_values is not None:
        inside = inside + diagonal_matrix(cast(g_values, x.dtype))
    return (matmul(matmul(vectors, inside), adjoint(vectors)),)


def eig_meaning(x):
    values, vectors = np.linalg.eig(x)
    dtype = np.result_type(x.dtype, np.complex64)
    return values.astype(dtype, copy=False), vectors.astype(dtype, copy=False)


eig = on_host("eig", eig_meaning)


def eig_dtype(x: Value) -> DType:
    return x.dtype if x.dtype.kind == "c" else x.dtype.to_complex()


@eig.shape
def eig_shape(x):
    """Two complex results: the eigenvalues of any square matrix, and its eigenvectors of length one as columns."""
    check_matrix("eig", x, square=True)
    return [(x.shape[:-1], eig_dtype(x)), (x.shape, eig_dtype(x))]


@eig.gradient
def eig_gradient(gs, outs, x):
    g_values, g_vectors = gs
    values, vectors = outs
    back = adjoint(vectors)
    inside = zeros_like(vectors)
    if g_vectors is not None:
        turned = matmul(back, g_vectors)
        length = cast(real(diagonal_of(turned)), turned.dtype)
        turned = turned - matmul(back, vectors) * columns_scaled_by(length, x.shape[-1])
        turned = turned / conjugate(differences(values))
        inside = where(on_diagonal(turned), zeros_like(turned), turned)
    if g_values is not None:
        inside = inside + diagonal_matrix(g_values)
    result = solve(back, matmul(inside, back))
    return (result if x.dtype.kind == "c" else real(result),)


# -- least squares and pseudo-inverse ----------------------------------------------------------------------------------


def pinv_meaning(x, *, rtol, hermitian=False):
    return np.linalg.pinv(x, rcond=rtol, hermitian=hermitian)


pinv = on_host("pinv", pinv_meaning)


@pinv.shape
def pinv_shape(x, *, rtol, hermitian=False):
    """The Moore-Penrose inverse; singular values below rtol times the largest count as zero.

    hermitian: only the lower triangle of x is read; the gradient is that of the whole matrix.
    """
    check_matrix("pinv", x)
    return (*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype


@pinv.gradient
def pinv_gradient(g, out, x, *, rtol, hermitian=False):
    """Golub & Pereyra 1973, equation 4.12, in the order of products that keeps the smaller sizes."""
    p, ph, gh = out, adjoint(out), adjoint(g)
    if x.shape[-2] <= x.shape[-1]:
        k = matmul(gh, p)
        kph = matmul(k, ph)
        rest = gh - matmul(k, x)
        return (neg(adjoint(matmul(p, k))) + kph - matmul(matmul(x, p), kph) + matmul(matmul(ph, p), rest),)
    k = matmul(p, gh)
    phk = matmul(ph, k)
    rest = matmul(matmul(gh - matmul(x, k), p), ph)
    return (neg(adjoint(matmul(k, p))) + rest + phk - matmul(matmul(phk, p), x),)


def lstsq_meaning(a, b, *, rtol):
    """By the pseudo-inverse's factors, batch by batch in one product."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    kept = s > rtol * s.max(axis=-1, keepdims=True, initial=0)
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0).astype(a.dtype)
    return adjoint_array(vh) @ (inverse[..., None] * (adjoint_array(u) @ b))


lstsq = on_host("lstsq", lstsq_meaning)


@lstsq.shape
def lstsq_shape(a, b, *, rtol):
    """The x of least length that makes a x - b shortest. Shape: (*, m, n), (*, m, k) -> (*, n, k)"""
    check_sides("lstsq", a, b)
    return (*a.shape[:-2], a.shape[-1], b.shape[-1]), a.dtype


@lstsq.gradient
def lstsq_gradient(g, out, a, b, *, rtol):
    inverse = pinv(a, rtol=rtol)
    share = pinv_gradient(matmul(g, adjoint(b)), inverse, a, rtol=rtol)[0]
    return share, matmul(adjoint(inverse), g)


# -- the exponential ---------------------------------------------------------------------------------------------------

PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
    10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)


def matrix_exp_meaning(x):
    """Scaling and squaring with the Pade approximant of degree 13 (Higham 2005), in float64."""
    wide = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
    norm = np.max(np.sum(np.abs(wide), axis=-2), initial=0.0)
    squarings = max(0, int(np.ceil(np.log2(norm / 5.371920351148152)))) if np.isfinite(norm) and norm > 0 else 0
    a = wide / 2.0**squarings
    one = np.broadcast_to(np.eye(x.shape[-1]), a.shape)
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    c = PADE
    odd = a @ (a6 @ (c[13] * a6 + c[11] * a4 + c[9] * a2) + c[7] * a6 + c[5] * a4 + c[3] * a2 + c[1] * one)
    even = a6 @ (c[12] * a6 + c[10] * a4 + c[8] * a2) + c[6] * a6 + c[4] * a4 + c[2] * a2 + c[0] * one
    result = np.linalg.solve(even - odd, even + odd)
    for _ in range(squarings):
        result = result @ result
    return result.astype(x.dtype)


matrix_exp = on_host("matrix_exp", matrix_exp_meaning)


@matrix_exp.shape
def matrix_exp_shape(x):
    check_matrix("matrix_exp", x, square=True)
    return x.shape, x.dtype


@matrix_exp.gradient
def matrix_exp_gradient(g, out, x):
    """The upper right block of exp([[x^H, g], [0, x^H]]) (Najfeld & Havel 1995)."""
    n, rows, columns = x.shape[-1], x.ndim - 2, x.ndim - 1
    back = adjoint(x)
    top = concat(back, g, dim=columns)
    below = concat(zeros_like(back), back, dim=columns)
    return (block(matrix_exp(concat(top, below, dim=rows)), 0, n, n, 2 * n),)
