"""Linear algebra: factors, solutions, inverses, eigenvalues and norms of matrices and stacks of matrices.

Shape: the last two dims are the matrix, those before them a batch.
"""

from __future__ import annotations

import math

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, DTypeError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops import elementwise, matmul, reduce, return_types
from dovetail.ops.checks import require_in_range
from dovetail.ops.create import vander as top_vander
from dovetail.ops.dims import Shape, broadcast_sizes, numel, one_dim, some_dims, with_ones, without
from dovetail.ops.promote import cast, common, constant, expanded, filled, need_float, same_dtype
from dovetail.ops.shape import diagonal as top_diagonal
from dovetail.ops.shape import permuted, reshaped, section, swapped, triangle_mask
from dovetail.tensor.op import op

# --- what is asked of matrices ----------------------------------------------------------------------------------------


def need_matrix(call: str, x: Value, name: str = "A", square: bool = False) -> None:
    """Raise unless the last two dims are a (square) matrix of floating-point numbers."""
    if x.ndim < 2:
        problem = f"the input tensor {name} must have at least 2 dimensions"
        raise ShapeError(message(call, problem, [(name, x)]))
    if x.dtype.kind not in "fc" or x.dtype.itemsize == 2:
        raise DTypeError(
            message(
                call,
                f"expected a floating point or complex tensor as input, got {x.dtype.name}",
                [(name, x)],
                f"use {name}.float()",
            )
        )
    if square and x.shape[-1] != x.shape[-2]:
        problem = f"{name} must be batches of square matrices, but they are {x.shape[-2]} by {x.shape[-1]} matrices"
        raise ShapeError(message(call, problem, [(name, x)]))


def product(a: Value, b: Value) -> Value:
    return matmul.matrix_product("matmul", a, b)


def turned(x: Value) -> Value:
    """The transpose of each matrix."""
    return swapped("mT", x, -2, -1)


def adjoint_of(x: Value) -> Value:
    """The conjugate transpose of each matrix."""
    return p.conj(turned(x)) if x.dtype.kind == "c" else turned(x)


def eye_like(x: Value, n: int) -> Value:
    """Identity matrices for each of x's batch."""
    shape = x.shape[:-2] + (n, n)
    return cast(p.eq(*(p.iota(shape=shape, dtype=dtypes.int64, dim=len(shape) - k) for k in (2, 1))), x.dtype)


def no_info(x: Value) -> Value:
    """LAPACK's report that all went well, for each matrix."""
    return constant(0, x.shape[:-2], dtypes.int32)


def batched(call: str, a: Value, b: Value) -> tuple[Value, Value]:
    """Both with the broadcast batch dims of both."""
    outer = broadcast_sizes(call, a.shape[:-2], b.shape[:-2], facts=[("A", a), ("B", b)])
    return expanded(a, outer + a.shape[-2:]), expanded(b, outer + b.shape[-2:])


# --- determinants and inverses ----------------------------------------------------------------------------------------


@op(method=True, also=("linalg.det",))
def det(input):
    """Determinant. Shape: (*, n, n) -> (*)"""
    need_matrix("det", input, "A", True)
    return p.det(input) if numel(input.shape) else constant(1, input.shape[:-2], input.dtype)


def sign_and_log(call: str, x: Value) -> tuple[Value, Value]:
    need_matrix(call, x, "A", True)
    if not numel(x.shape):
        return constant(1, x.shape[:-2], x.dtype), constant(0, x.shape[:-2], x.dtype.to_real())
    return p.slogdet(x)


@op(method=True)
def slogdet(input):
    """(sign, logarithm of the absolute determinant)."""
    return return_types.slogdet(*sign_and_log("slogdet", input))


@op(top=False, also=("linalg.slogdet",))
def linalg_slogdet(A):
    """(sign, logarithm of the absolute determinant)."""
    return return_types.linalg_slogdet(*sign_and_log("linalg.slogdet", A))


@op(method=True)
def logdet(input):
    """Logarithm of the determinant; NaN where it is negative."""
    sign, size = sign_and_log("logdet", input)
    if input.dtype.kind == "c":
        return cast(size, input.dtype) + p.log(sign)
    bad = p.lt(sign, filled(sign, 0))
    return p.where(bad, filled(size, math.nan), size)


@op(method=True, also=("linalg.inv",))
def inverse(input):
    """Inverse. Raises ArgumentError at run time for a singular matrix."""
    need_matrix("inverse", input, "A", True)
    return p.inv(input) if numel(input.shape) else p.identity(input)


@op(top=False, also=("linalg.inv_ex",))
def inv_ex(A, *, check_errors=False):
    """(inverse, info)."""
    return return_types.linalg_inv_ex(inverse(A), no_info(A))


@op(method=True, top=True)
def pinverse(input, rcond=1e-15):
    """Moore-Penrose inverse; singular values below rcond times the largest count as zero."""
    return pseudo_inverse("pinverse", input, None, rcond, False)


@op(top=False, also=("linalg.pinv",))
def pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """Moore-Penrose inverse; singular values below max(atol, rtol * the largest) count as zero."""
    return pseudo_inverse("linalg.pinv", A, atol, rcond if rtol is None else rtol, hermitian)


def pseudo_inverse(call: str, x: Value, atol, rtol, hermitian: bool) -> Value:
    need_matrix(call, x, "A", hermitian)
    if not numel(x.shape):
        return constant(0, x.shape[:-2] + (x.shape[-1], x.shape[-2]), x.dtype)
    if rtol is None and atol is None:
        rtol = max(x.shape[-2:]) * EPSILON[x.dtype.name]
    if atol is None and isinstance(rtol, float):
        return p.pinv(x, rtol=rtol, hermitian=hermitian)
    if hermitian:
        values, vectors = p.eigh(x, upper=False)
        size = p.abs(values)
        kept = above_tolerance(x, size, p.reduce_max(size, dims=(size.ndim - 1,)), atol, rtol)
        part = p.where(kept, 1 / p.where(kept, values, filled(values, 1)), filled(values, 0))
        return product(columns_scaled(vectors, part), adjoint_of(vectors))
    u, s, vh = p.svd(x, full_matrices=False)
    kept = above_tolerance(x, s, p.reduce_max(s, dims=(s.ndim - 1,)), atol, rtol)
    part = p.where(kept, 1 / p.where(kept, s, filled(s, 1)), filled(s, 0))
    return product(columns_scaled(adjoint_of(vh), part), adjoint_of(u))


EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52, "complex64": 2.0**-23, "complex128": 2.0**-52}


def above_tolerance(x: Value, sizes: Value, largest: Value, atol, rtol) -> Value:
    """Which of `sizes` (*, k) lie above max(atol, rtol * largest); a missing rtol is the usual one without atol."""
    if rtol is None:
        rtol = (
            max(x.shape[-2:]) * EPSILON[x.dtype.name]
            if atol is None or (not isinstance(atol, Value) and atol == 0)
            else 0.0
        )
    relative = as_tolerance(rtol, largest) * largest
    absolute = as_tolerance(0.0 if atol is None else atol, largest)
    shape = broadcast_sizes("tolerance", relative.shape, absolute.shape)
    edge = p.maximum(expanded(relative, shape), expanded(absolute, shape))
    full = broadcast_sizes("tolerance", sizes.shape, edge.shape + (1,))
    return p.gt(expanded(sizes, full), expanded(p.reshape(edge, shape=edge.shape + (1,)), full))


def as_tolerance(t, like: Value) -> Value:
    return cast(t, like.dtype) if isinstance(t, Value) else filled(like, t)


def columns_scaled(x: Value, by: Value) -> Value:
    """Each column times its number. Shape: (*, m, k), (*, k) -> (*, m, k)"""
    line = p.reshape(cast(by, x.dtype), shape=by.shape[:-1] + (1, by.shape[-1]))
    return x * expanded(line, x.shape)


@op(also=("linalg.matrix_rank",), top=False)
def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None):
    """Number of singular values above the tolerance. Shape: (*, m, n) -> (*), int64"""
    need_matrix("linalg.matrix_rank", A, "A", hermitian)
    if not numel(A.shape):
        return constant(0, A.shape[:-2], dtypes.int64)
    sizes = p.abs(p.eigh(A, upper=False)[0]) if hermitian else p.svd(A, full_matrices=False)[1]
    largest = p.reduce_max(sizes, dims=(sizes.ndim - 1,))
    if tol is not None:
        atol, rtol = tol, 0.0
    kept = above_tolerance(A, sizes, largest, atol, rtol)
    return p.reduce_sum(cast(kept, dtypes.int64), dims=(kept.ndim - 1,))


@op(also=("linalg.matrix_power", "Tensor.matrix_power"))
def matrix_power(input, n):
    """A matrix multiplied by itself n times; negative n uses the inverse."""
    need_matrix("matrix_power", input, "A", True)
    if n == 0:
        return eye_like(input, input.shape[-1])
    base = p.inv(input) if n < 0 else input
    result, power = None, -n if n < 0 else n
    while power:
        if power & 1:
            result = base if result is None else product(result, base)
        power >>= 1
        base = product(base, base) if power else base
    return p.identity(result) if result is input else result


@op(also=("linalg.matrix_exp", "Tensor.matrix_exp"))
def matrix_exp(input):
    """Exponential of a matrix."""
    need_matrix("matrix_exp", input, "A", True)
    return p.matrix_exp(input) if numel(input.shape) else p.identity(input)


# --- factors ----------------------------------------------------------------------------------------------------------


@op(method=True)
def cholesky(input, upper=False):
    """The lower (or upper) triangular factor of a positive definite matrix."""
    return cholesky_factor("cholesky", input, upper)


@op(top=False, also=("linalg.cholesky",))
def linalg_cholesky(A, *, upper=False):
    """The lower (or upper) triangular factor of a positive definite matrix."""
    return cholesky_factor("linalg.cholesky", A, upper)


@op(top=False, also=("linalg.cholesky_ex",))
def cholesky_ex(A, *, upper=False, check_errors=False):
    """(factor, info)."""
    return return_types.linalg_cholesky_ex(cholesky_factor("linalg.cholesky_ex", A, upper), no_info(A))


def cholesky_factor(call: str, x: Value, upper: bool) -> Value:
    need_matrix(call, x, "A", True)
    return p.cholesky(x, upper=bool(upper)) if numel(x.shape) else p.identity(x)


@op(method=True)
def cholesky_solve(input, L, upper=False):
    """Solution of A x = input where L is A's Cholesky factor."""
    check_solve("cholesky_solve", L, input)
    a, b = batched("cholesky_solve", L, input)
    if not numel(b.shape):
        return p.identity(b)
    return p.solve(from_factor(a, upper), b)


def from_factor(x: Value, upper: bool) -> Value:
    """The matrix that a Cholesky factor stands for. Its gradient is the whole product's, as torch has it."""
    return product(adjoint_of(x), x) if upper else product(x, adjoint_of(x))


@op(method=True)
def cholesky_inverse(input, upper=False):
    """Inverse of the matrix whose Cholesky factor is given."""
    need_matrix("cholesky_inverse", input, "L", True)
    if not numel(input.shape):
        return p.identity(input)
    return p.inv(from_factor(input, upper))


def check_solve(call: str, a: Value, b: Value) -> None:
    need_matrix(call, a, "A", True)
    same_dtype(call, ("A", a), ("B", b))
    if b.ndim < 2 or b.shape[-2] != a.shape[-1]:
        problem = (
            f"incompatible shapes for the equation AX = B: A has {a.shape[-1]} columns, B "
            f"{b.shape[-2] if b.ndim > 1 else '?'} rows"
        )
        raise ShapeError(message(call, problem, [("A", a), ("B", b)]))


def orthogonal_factors(call: str, x: Value, mode: str) -> tuple[Value, Value]:
    need_matrix(call, x)
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(
            message(call, f"received unrecognized mode '{mode}' but expected one of 'reduced', 'r', or 'complete'")
        )
    m, n = x.shape[-2:]
    k = m if mode == "complete" else min(m, n)
    if not numel(x.shape):
        q = (
            expanded(eye_like(x, m), x.shape[:-2] + (m, m))
            if mode == "complete"
            else constant(0, x.shape[:-2] + (m, k), x.dtype)
        )
        return q, constant(0, x.shape[:-2] + (k, n), x.dtype)
    q, r = p.qr(x, complete=mode == "complete")
    return (constant(0, (0,), x.dtype), r) if mode == "r" else (q, r)


@op(method=True)
def qr(input, some=True):
    """(Q, R): orthonormal columns times an upper triangle."""
    return return_types.qr(*orthogonal_factors("qr", input, "reduced" if some else "complete"))


@op(top=False, also=("linalg.qr",))
def linalg_qr(A, mode="reduced"):
    """(Q, R): orthonormal columns times an upper triangle."""
    return return_types.linalg_qr(*orthogonal_factors("linalg.qr", A, mode))


def singular(call: str, x: Value, full: bool) -> tuple[Value, Value, Value]:
    need_matrix(call, x)
    m, n = x.shape[-2:]
    if not numel(x.shape):
        k, outer = min(m, n), x.shape[:-2]
        left, right = (m, n) if full else (k, k)
        u = eye_like(x, m) if full else constant(0, (*outer, m, left), x.dtype)
        vh = eye_like(x, n) if full else constant(0, (*outer, right, n), x.dtype)
        return u, constant(0, (*outer, k), x.dtype.to_real()), vh
    return p.svd(x, full_matrices=bool(full))


@op(method=True)
def svd(input, some=True, compute_uv=True):
    """(U, S, V) with input = U diag(S) Vᴴ."""
    u, s, vh = singular("svd", input, not some)
    if not compute_uv:
        m, n = input.shape[-2:]
        return return_types.svd(
            constant(0, input.shape[:-2] + (m, m), input.dtype), s, constant(0, input.shape[:-2] + (n, n), input.dtype)
        )
    return return_types.svd(u, s, adjoint_of(vh))


@op(top=False, also=("linalg.svd",))
def linalg_svd(A, full_matrices=True, *, driver=None):
    """(U, S, Vh) with A = U diag(S) Vh, singular values in falling order."""
    return return_types.linalg_svd(*singular("linalg.svd", A, full_matrices))


@op(top=False, also=("linalg.svdvals",))
def svdvals(A, *, driver=None):
    """Singular values in falling order."""
    return singular("linalg.svdvals", A, False)[1]


def check_uplo(call: str, uplo: str) -> bool:
    if not isinstance(uplo, str) or uplo.upper() not in ("L", "U"):
        raise ArgumentError(message(call, f"expected UPLO argument to be 'L' or 'U', but got {uplo}"))
    return uplo.upper() == "U"


@op(top=False, also=("linalg.eigh",))
def eigh(A, UPLO="L"):
    """(eigenvalues in rising order, eigenvectors as columns) of a symmetric or hermitian matrix."""
    need_matrix("linalg.eigh", A, "A", True)
    upper = check_uplo("linalg.eigh", UPLO)
    if not numel(A.shape):
        return return_types.linalg_eigh(constant(0, A.shape[:-1], A.dtype.to_real()), p.identity(A))
    return return_types.linalg_eigh(*p.eigh(A, upper=upper))


@op(top=False, also=("linalg.eigvalsh",))
def eigvalsh(A, UPLO="L"):
    """Eigenvalues of a symmetric or hermitian matrix in rising order."""
    return eigh(A, UPLO)[0]


@op(top=False, also=("linalg.eig",))
def eig(A):
    """(eigenvalues, eigenvectors as columns) of any square matrix, both complex."""
    need_matrix("linalg.eig", A, "A", True)
    if not numel(A.shape):
        wide = A.dtype if A.dtype.kind == "c" else A.dtype.to_complex()
        return return_types.linalg_eig(constant(0, A.shape[:-1], wide), cast(A, wide))
    return return_types.linalg_eig(*p.eig(A))


@op(top=False, also=("linalg.eigvals",))
def eigvals(A):
    """Eigenvalues of any square matrix, complex."""
    return eig(A)[0]


# --- LU ---------------------------------------------------------------------------------------------------------------


def lu_parts(call: str, x: Value, pivot: bool) -> tuple[Value, Value, Value]:
    """(LU in one matrix, pivots from 1, order of rows)."""
    need_matrix(call, x)
    if not pivot:
        raise ArgumentError(message(call, "LU without pivoting is not implemented on the CPU"))
    if not numel(x.shape):
        m, n = x.shape[-2:]
        order = expanded(p.iota(shape=(m,), dtype=dtypes.int64, dim=0), x.shape[:-2] + (m,))
        return p.identity(x), constant(0, x.shape[:-2] + (min(m, n),), dtypes.int32), order
    return p.lu_factor(x)


def permutation(order: Value, dtype) -> Value:
    """The matrix P with P[order[i], i] = 1."""
    n = order.shape[-1]
    shape = order.shape[:-1] + (n, n)
    rows = p.iota(shape=shape, dtype=dtypes.int64, dim=len(shape) - 2)
    line = expanded(p.reshape(order, shape=order.shape[:-1] + (1, n)), shape)
    return cast(p.eq(rows, line), dtype)


def split_triangles(lu: Value) -> tuple[Value, Value]:
    """(unit lower, upper) of a packed factorisation."""
    m, n = lu.shape[-2:]
    k = min(m, n)
    left = section(lu, lu.ndim - 1, 0, k)
    right = section(lu, lu.ndim - 2, 0, k)
    low = p.where(triangle_mask(left.shape, -1, True), left, filled(left, 0))
    rows, columns = (p.iota(shape=left.shape, dtype=dtypes.int64, dim=left.ndim - d) for d in (2, 1))
    low = p.where(p.eq(rows, columns), filled(low, 1), low)
    return low, p.where(triangle_mask(right.shape, 0, False), right, filled(right, 0))


@op(top=False, also=("linalg.lu",))
def linalg_lu(A, *, pivot=True):
    """(P, L, U) with A = P L U."""
    packed, _, order = lu_parts("linalg.lu", A, pivot)
    return return_types.linalg_lu(permutation(order, A.dtype), *split_triangles(packed))


@op(top=False, also=("linalg.lu_factor",))
def lu_factor(A, *, pivot=True):
    """(LU, pivots): both triangles in one matrix."""
    return return_types.linalg_lu_factor(*lu_parts("linalg.lu_factor", A, pivot)[:2])


@op(top=False, also=("linalg.lu_factor_ex",))
def lu_factor_ex(A, *, pivot=True, check_errors=False):
    """(LU, pivots, info)."""
    packed, pivots, _ = lu_parts("linalg.lu_factor_ex", A, pivot)
    return return_types.linalg_lu_factor_ex(packed, pivots, no_info(A))


@op(top=False, also=("linalg.ldl_factor_ex",), differentiable=False)
def ldl_factor_ex(A, *, hermitian=False, check_errors=False):
    """(LD, pivots, info): L D L^T of a symmetric matrix, L D L^H of a hermitian one, definite or not.

    LD holds L below the diagonal and D, with blocks of one or two rows, on it; info is the first zero pivot, or 0.
    Source: Bunch & Kaufman 1977. Agrees with LAPACK's ?sytrf and ?hetrf and with torch.linalg.ldl_factor_ex.
    """
    need_matrix("linalg.ldl_factor_ex", A, "A", True)
    if not numel(A.shape):
        return return_types.linalg_ldl_factor_ex(p.identity(A), constant(0, A.shape[:-1], dtypes.int32), no_info(A))
    mirrored = bool(hermitian) and A.dtype.kind == "c"
    return return_types.linalg_ldl_factor_ex(*p.ldl_factor(A, hermitian=mirrored, check=bool(check_errors)))


@op(top=False, also=("linalg.ldl_factor",), differentiable=False)
def ldl_factor(A, *, hermitian=False):
    """(LD, pivots) of a symmetric or hermitian matrix; a singular one raises."""
    return return_types.linalg_ldl_factor(*ldl_factor_ex(A, hermitian=hermitian, check_errors=True)[:2])


@op(top=False, also=("linalg.ldl_solve",), differentiable=False)
def ldl_solve(LD, pivots, B, *, hermitian=False):
    """The X with A X = B, from ldl_factor's result. Shape: (*, n, n), (*, n), (*, n, k) -> (*, n, k)"""
    need_matrix("linalg.ldl_solve", LD, "LD", True)
    need_matrix("linalg.ldl_solve", B, "B")
    same_dtype("linalg.ldl_solve", ("LD", LD), ("B", B))
    if LD.shape[-1] != B.shape[-2]:
        problem = f"B must have as many rows as LD, got {B.shape[-2]} and {LD.shape[-1]}"
        raise ShapeError(message("linalg.ldl_solve", problem, [("LD", LD), ("B", B)]))
    if pivots.dtype.kind != "i" or pivots.shape != LD.shape[:-1]:
        problem = "pivots must be whole numbers, one for each row"
        raise ShapeError(message("linalg.ldl_solve", problem, [("LD", LD), ("pivots", pivots)]))
    batch = broadcast_sizes("linalg.ldl_solve", LD.shape[:-2], B.shape[:-2])
    packed, rows = expanded(LD, batch + LD.shape[-2:]), expanded(pivots, batch + pivots.shape[-1:])
    right = expanded(B, batch + B.shape[-2:])
    if not numel(right.shape):
        return p.identity(right)
    return p.ldl_solve(packed, rows, right, hermitian=bool(hermitian) and LD.dtype.kind == "c")


@op(method=True)
def lu(input, pivot=True, get_infos=False):
    """(LU, pivots), and info on wish."""
    packed, pivots, _ = lu_parts("lu", input, pivot)
    if get_infos:
        return return_types.linalg_lu_factor_ex(packed, pivots, no_info(input))
    return return_types.linalg_lu_factor(packed, pivots)


def row_order(pivots: Value, rows: int) -> Value:
    """The order of rows that successive exchanges with `pivots` (from 1) leave."""
    batch, k = pivots.shape[:-1], pivots.shape[-1]
    shape = (*batch, rows)
    place = p.iota(shape=shape, dtype=dtypes.int64, dim=len(shape) - 1)
    order = place
    for i in range(k):
        target = cast(section(pivots, len(shape) - 1, i, i + 1), dtypes.int64) - 1
        there = expanded(target, shape)
        mine = expanded(section(order, len(shape) - 1, i, i + 1), shape)
        theirs = expanded(p.gather(order, target, dim=len(shape) - 1), shape)
        order = p.where(p.eq(place, filled(place, i)), theirs, p.where(p.eq(place, there), mine, order))
    return order


@op()
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """(P, L, U) from lu_factor's result."""
    none = constant(0, (0,), LU_data.dtype)
    low, up = split_triangles(LU_data) if unpack_data else (none, none)
    order = permutation(row_order(LU_pivots, LU_data.shape[-2]), LU_data.dtype) if unpack_pivots else none
    return return_types.lu_unpack(order, low, up)


@op(top=False, also=("linalg.lu_solve",))
def linalg_lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    """Solution of A X = B (or X A = B) from lu_factor's result."""
    return solve_by_lu(LU, pivots, B, left, adjoint)


@op(method=True)
def lu_solve(input, LU_data, LU_pivots):
    """Solution of A X = input from lu_factor's result."""
    return solve_by_lu(LU_data, LU_pivots, input, True, False)


def solve_by_lu(packed: Value, pivots: Value, b: Value, left: bool, adjoint: bool) -> Value:
    need_matrix("lu_solve", packed, "LU", True)
    same_dtype("lu_solve", ("LU", packed), ("B", b))
    if not left:  # X A = B is Aᴴ Xᴴ = Bᴴ
        return adjoint_of(solve_by_lu(packed, pivots, adjoint_of(b), True, not adjoint))
    outer = broadcast_sizes("lu_solve", packed.shape[:-2], b.shape[:-2])
    n = packed.shape[-1]
    full = expanded(packed, outer + (n, n))
    b = expanded(b, outer + b.shape[-2:])
    if not numel(b.shape):
        return p.identity(b)
    order = expanded(row_order(pivots, n), outer + (n,))
    if not adjoint:
        index = expanded(p.reshape(order, shape=(*order.shape, 1)), b.shape)
        rows = p.gather(b, index, dim=b.ndim - 2)
        low = p.triangular_solve(full, rows, upper=False, unit=True)
        return p.triangular_solve(full, low, upper=True, unit=False)
    back = adjoint_of(full)
    up = p.triangular_solve(back, b, upper=False, unit=False)
    out = p.triangular_solve(back, up, upper=True, unit=True)
    return product(permutation(order, b.dtype), out)


# --- equations --------------------------------------------------------------------------------------------------------


def solved(call: str, a: Value, b: Value, left: bool) -> Value:
    """x with A x = B (or x A = B); B may be vectors."""
    need_matrix(call, a, "A", True)
    same_dtype(call, ("A", a), ("B", b))
    vector = b.ndim == 1 or (b.ndim == a.ndim - 1 and b.shape == a.shape[:-1])
    right = p.reshape(b, shape=(*b.shape, 1)) if vector else b
    if vector and not left:
        raise ArgumentError(
            message(call, "Vector broadcasting of the left hand side is not supported for left=False", [("B", b)])
        )
    if not left:
        right = turned(right)
        a = turned(a)
    if right.shape[-2] != a.shape[-1]:
        problem = f"incompatible shapes for the equation AX = B: {a.shape[-2:]} and {b.shape[-2:]}"
        raise ShapeError(message(call, problem, [("A", a), ("B", b)]))
    a, right = batched(call, a, right)
    out = p.solve(a, right) if numel(right.shape) and numel(a.shape) else constant(0, right.shape, right.dtype)
    out = out if left else turned(out)
    return p.reshape(out, shape=out.shape[:-1]) if vector else out


@op(top=False, also=("linalg.solve",))
def solve(A, B, *, left=True):
    """X with A X = B, or X A = B with left=False. B may be a vector or a batch of them."""
    return solved("linalg.solve", A, B, left)


@op(top=False, also=("linalg.solve_ex",))
def solve_ex(A, B, *, left=True, check_errors=False):
    """(X, info) with A X = B."""
    return return_types.linalg_solve_ex(solved("linalg.solve_ex", A, B, left), no_info(A))


@op(top=False, also=("linalg.solve_triangular",))
def solve_triangular(A, B, *, upper, left=True, unitriangular=False):
    """X with A X = B (or X A = B) for a triangular A."""
    return solved_triangle("linalg.solve_triangular", A, B, upper, left, unitriangular)


def solved_triangle(call: str, a: Value, b: Value, upper: bool, left: bool, unit: bool) -> Value:
    if not left:
        return turned(solved_triangle(call, turned(a), turned(b), not upper, True, unit))
    check_solve(call, a, b)
    a, b = batched(call, a, b)
    return p.triangular_solve(a, b, upper=bool(upper), unit=bool(unit)) if numel(b.shape) else p.identity(b)


@op(method=True)
def triangular_solve(input, A, upper=True, transpose=False, unitriangular=False):
    """(X, A) with A X = input for a triangular A."""
    a, flag = (turned(A), not upper) if transpose else (A, upper)
    return return_types.triangular_solve(
        solved_triangle("triangular_solve", a, input, flag, True, unitriangular), p.identity(A)
    )


@op(top=False, also=("linalg.lstsq",))
def lstsq(A, B, rcond=None, *, driver=None):
    """(solution, residuals, rank, singular_values) of the least-squares problem min |A X - B|."""
    need_matrix("linalg.lstsq", A)
    same_dtype("linalg.lstsq", ("A", A), ("B", B))
    driver = driver or "gelsy"
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    b = p.reshape(B, shape=(*B.shape, 1)) if vector else B
    if b.shape[-2] != A.shape[-2]:
        raise ShapeError(message("linalg.lstsq", "A and B must have equally many rows", [("A", A), ("B", B)]))
    a, b = batched("linalg.lstsq", A, b)
    m, n = a.shape[-2:]
    rtol = float(rcond) if rcond is not None else EPSILON[a.dtype.name] * max(m, n)
    x = p.lstsq(a, b, rtol=rtol) if numel(a.shape) else constant(0, a.shape[:-2] + (n, b.shape[-1]), a.dtype)
    gap = product(a, x) - b
    squares = p.reduce_sum(p.real(gap * p.conj(gap)) if gap.dtype.kind == "c" else gap * gap, dims=(gap.ndim - 2,))
    residuals = squares if m > n and driver != "gelsy" else constant(0, (0,), a.dtype.to_real())
    sizes = (
        p.svd(p.detach(a), full_matrices=False)[1]
        if numel(a.shape)
        else constant(0, a.shape[:-2] + (min(m, n),), a.dtype.to_real())
    )
    largest = p.reduce_max(sizes, dims=(sizes.ndim - 1,)) if min(m, n) else constant(0, sizes.shape[:-1], sizes.dtype)
    rank = p.reduce_sum(cast(above_tolerance(a, sizes, largest, None, rtol), dtypes.int64), dims=(sizes.ndim - 1,))
    rank = constant(0, (0,), dtypes.int64) if driver == "gels" else rank
    values = sizes if driver in ("gelsd", "gelss") else constant(0, (0,), sizes.dtype)
    solution = p.reshape(x, shape=x.shape[:-1]) if vector else x
    return return_types.linalg_lstsq(solution, reshaped(residuals, residuals.shape), rank, values)


@op(top=False, also=("linalg.tensorinv",))
def tensorinv(A, ind=2):
    """Inverse with respect to tensordot over the first `ind` dims."""
    if ind <= 0:
        raise ArgumentError(message("linalg.tensorinv", f"expected a strictly positive integer for 'ind', got {ind}"))
    rows, columns = A.shape[:ind], A.shape[ind:]
    if numel(rows) != numel(columns):
        problem = f"expected the product of the first {ind} sizes to equal that of the others"
        raise ShapeError(message("linalg.tensorinv", problem, [("A", A)]))
    flat = p.reshape(A, shape=(numel(rows), numel(columns)))
    return p.reshape(p.inv(flat) if numel(A.shape) else flat, shape=columns + rows)


@op(top=False, also=("linalg.tensorsolve",))
def tensorsolve(A, B, dims=None):
    """X with tensordot(A, X, X.ndim) = B."""
    a = A
    if dims is not None:
        last = [one_dim("linalg.tensorsolve", d, A.ndim, A) for d in dims]
        a = permuted(A, [d for d in range(A.ndim) if d not in last] + last)
    shape = a.shape[B.ndim :]
    if numel(shape) != numel(B.shape):
        problem = (
            "expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim])"
        )
        raise ShapeError(message("linalg.tensorsolve", problem, [("A", A), ("B", B)]))
    n = numel(shape)
    out = p.solve(p.reshape(a, shape=(n, n)), p.reshape(B, shape=(n, 1)))
    return p.reshape(out, shape=shape)


@op(method=True, also=("orgqr", "linalg.householder_product"))
def householder_product(input, tau):
    """The first columns of a product of Householder reflections: Q from geqrf's result."""
    need_matrix("linalg.householder_product", input)
    m, n = input.shape[-2:]
    k = tau.shape[-1]
    if n > m or k > n:
        raise ShapeError(
            message(
                "linalg.householder_product",
                "input.shape[-2] must be at least input.shape[-1], which must be at least tau.shape[-1]",
                [("input", input), ("tau", tau)],
            )
        )
    full = section(eye_like(input, m), input.ndim - 1, 0, n)
    return reflected(input, tau, full)


def reflections(x: Value, count: int) -> list[Value]:
    """The vectors v of geqrf's reflections: ones on the diagonal, zeros above. Shape of each: (*, m, 1)"""
    made = []
    for i in range(count):
        column = section(x, x.ndim - 1, i, i + 1)
        row = p.iota(shape=column.shape, dtype=dtypes.int64, dim=column.ndim - 2)
        v = p.where(p.gt(row, filled(row, i)), column, filled(column, 0))
        made.append(p.where(p.eq(row, filled(row, i)), filled(column, 1), v))
    return made


def reflected(x: Value, tau: Value, target: Value, transpose: bool = False) -> Value:
    """H_1 ... H_k target (or its adjoint's product), with H = 1 - tau v vᴴ."""
    k = tau.shape[-1]
    vectors = reflections(x, k)
    order = range(k) if transpose else range(k - 1, -1, -1)
    for i in order:
        t = section(tau, tau.ndim - 1, i, i + 1)
        t = p.conj(t) if transpose and t.dtype.kind == "c" else t
        scale = p.reshape(t, shape=(*t.shape[:-1], 1, 1))
        row = product(adjoint_of(vectors[i]), target)
        step = product(vectors[i], row)
        target = target - step * expanded(scale, step.shape)
    return target


@op(method=True)
def ormqr(input, tau, other, left=True, transpose=False):
    """The full Q of geqrf's result times `other` (or the other way round)."""
    need_matrix("ormqr", input, "input")
    need_matrix("ormqr", other, "other")
    m = input.shape[-2]
    if tau.ndim != input.ndim - 1 or tau.shape[-1] > min(input.shape[-2:]):
        problem = "tau must have one dim less than input, and no more values than input has columns or rows"
        raise ShapeError(message("ormqr", problem, [("input", input), ("tau", tau)]))
    if left:
        if other.shape[-2] != m:
            raise ShapeError(
                message(
                    "ormqr", "other.shape[-2] must be equal to input.shape[-2]", [("input", input), ("other", other)]
                )
            )
        return reflected(input, tau, other, bool(transpose))
    if other.shape[-1] != m:
        raise ShapeError(
            message("ormqr", "other.shape[-1] must be equal to input.shape[-2]", [("input", input), ("other", other)])
        )
    return adjoint_of(reflected(input, tau, adjoint_of(other), not transpose))


@op(method=True)
def geqrf(input):
    """(a, tau): R in the upper triangle of a, Householder vectors below it."""
    need_matrix("geqrf", input)
    if not numel(input.shape):
        return return_types.geqrf(
            p.identity(input), constant(0, input.shape[:-2] + (min(input.shape[-2:]),), input.dtype)
        )
    return return_types.geqrf(*p.geqrf(input))


# --- norms ------------------------------------------------------------------------------------------------------------


@op(top=False, also=("linalg.vector_norm",))
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """The ord-norm of vectors: of all elements unless `dim` is named."""
    x = x if dtype is None else cast(x, dtypes.as_dtype(dtype))
    need_float("linalg.vector_norm", x)
    if isinstance(ord, str):
        raise ArgumentError(message("linalg.vector_norm", f"expected ord to be a number, got {ord!r}"))
    dims = some_dims("linalg.vector_norm", dim, x.ndim, x)
    if not numel(x.shape[d] for d in dims) and (ord < 0 or ord == math.inf):
        problem = f"cannot compute the {ord} norm on an empty tensor because the operation does not have an identity"
        raise ArgumentError(message("linalg.vector_norm", problem, [("x", x)]))
    return reduce.vector_norm_value("linalg.vector_norm", x, ord, dims, keepdim)


def matrix_norm_value(call: str, x: Value, order, dims: Shape, keepdim: bool) -> Value:
    need_float(call, x)
    if len(dims) != 2 or dims[0] == dims[1]:
        raise ArgumentError(message(call, f"dim must be a 2-tuple of different dims, got {dims}"))
    if order in ("fro", None):
        return reduce.vector_norm_value(call, x, 2, dims, keepdim)
    if order == 2 and 0 in (x.shape[dims[0]], x.shape[dims[1]]):
        return nothing_at(x, dims, keepdim)
    if order in ("nuc", 2, -2):
        sizes = matrix_singular_values(x, dims)
        last = (sizes.ndim - 1,)
        out = (
            p.reduce_sum(sizes, dims=last)
            if order == "nuc"
            else (p.reduce_max if order == 2 else p.reduce_min)(sizes, dims=last)
        )
        return p.reshape(out, shape=with_ones(x.shape, dims)) if keepdim else out
    if order not in (1, -1, math.inf, -math.inf):
        raise ArgumentError(message(call, f"Order {order} not supported"))
    first, second = dims if order in (1, -1) else dims[::-1]
    if order > 0 and x.shape[second] == 0:
        return nothing_at(x, dims, keepdim)
    sums = reduce.fold(p.reduce_sum, p.abs(x), (first,), True)
    best = reduce.fold(p.reduce_max if order > 0 else p.reduce_min, sums, (second,), True)
    return best if keepdim else p.reshape(best, shape=without(x.shape, dims))


def nothing_at(x: Value, dims: Shape, keepdim: bool) -> Value:
    """The norm of matrices without elements."""
    real = x.dtype.to_real() if x.dtype.kind == "c" else x.dtype
    return constant(0, with_ones(x.shape, dims) if keepdim else without(x.shape, dims), real)


def matrix_singular_values(x: Value, dims: Shape) -> Value:
    rest = [d for d in range(x.ndim) if d not in dims]
    y = permuted(x, [*rest, *dims])
    return singular("linalg.matrix_norm", y, False)[1]


@op(top=False, also=("linalg.matrix_norm",))
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """Norm of matrices: fro, nuc, inf, -inf, 1, -1, 2 or -2."""
    x = A if dtype is None else cast(A, dtypes.as_dtype(dtype))
    need_matrix("linalg.matrix_norm", x)
    dims = tuple(one_dim("linalg.matrix_norm", d, x.ndim, x) for d in dim)
    return matrix_norm_value("linalg.matrix_norm", x, ord, dims, keepdim)


@op(top=False, also=("linalg.norm",))
def linalg_norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """Vector norm, or matrix norm where two dims (or a matrix with `ord`) are given."""
    x = A if dtype is None else cast(A, dtypes.as_dtype(dtype))
    need_float("linalg.norm", x)
    if dim is not None and not isinstance(dim, int):
        dim = tuple(dim)
    pair = isinstance(dim, tuple) and len(dim) == 2
    if ord is not None and (pair or (dim is None and x.ndim == 2)):
        dims = tuple(one_dim("linalg.norm", d, x.ndim, x) for d in (dim or (0, 1)))
        return matrix_norm_value("linalg.norm", x, ord, dims, keepdim)
    if ord is not None and dim is None and x.ndim != 1:
        raise ArgumentError(
            message("linalg.norm", "if dim is not specified but ord is, the input must be 1D or 2D", [("A", x)])
        )
    if isinstance(ord, str):
        raise ArgumentError(message("linalg.norm", f"Norm order {ord!r} takes a matrix", [("A", x)]))
    return vector_norm(x, 2 if ord is None else ord, dim, keepdim)


def nuclear_value(x: Value, dim, keepdim: bool) -> Value:
    """Sum of singular values: what norm(p="nuc") and nuclear_norm are."""
    if dim is None and x.ndim != 2:
        raise ShapeError(message("nuclear_norm", "Expected a tensor with 2 dimensions", [("input", x)]))
    dims = tuple(one_dim("nuclear_norm", d, x.ndim, x) for d in (dim or (0, 1)))
    return matrix_norm_value("nuclear_norm", x, "nuc", dims, keepdim)


@op()
def nuclear_norm(input, dim=None, keepdim=False):
    """Sum of singular values."""
    return nuclear_value(input, dim, keepdim)


@op()
def frobenius_norm(input, dim=None, keepdim=False):
    """Square root of the sum of squares."""
    return reduce.vector_norm_value(
        "frobenius_norm", input, 2, some_dims("frobenius_norm", dim, input.ndim, input), keepdim
    )


@op(method=True)
def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """The p-norm of all elements or along `dim`; "fro" is the Euclidean norm, "nuc" the sum of singular values."""
    x = input if dtype is None else cast(input, dtypes.as_dtype(dtype))
    need_float("norm", x)
    if p == "nuc":
        return nuclear_value(x, dim, keepdim)
    if isinstance(p, str) and p != "fro":
        raise ArgumentError(message("norm", f"p must be a number, 'fro' or 'nuc', got {p!r}"))
    order = 2 if p in ("fro", None) else p
    return reduce.vector_norm_value("norm", x, order, some_dims("norm", dim, x.ndim, x), keepdim)


@op(top=False, also=("linalg.cond",))
def cond(A, p=None):
    """Condition number: the norm times that of the inverse; for p = 2 the ratio of singular values."""
    need_matrix("linalg.cond", A)
    if p in (None, 2, -2):
        return singular_ratio(A, p)
    need_matrix("linalg.cond", A, "A", True)
    if not numel(A.shape):
        return constant(0, A.shape[:-2], A.dtype.to_real())
    dims = (A.ndim - 2, A.ndim - 1)
    return matrix_norm_value("linalg.cond", A, p, dims, False) * matrix_norm_value(
        "linalg.cond", inverse(A), p, dims, False
    )


def singular_ratio(x: Value, order) -> Value:
    sizes = singular("linalg.cond", x, False)[1]
    last = sizes.ndim - 1
    k = sizes.shape[last]
    first, final = (reshaped(section(sizes, last, i, i + 1), sizes.shape[:-1]) for i in (0, k - 1))
    return final / first if order == -2 else first / final


# --- products ---------------------------------------------------------------------------------------------------------


def crossed(call: str, a: Value, b: Value, dim: int) -> Value:
    """The vector product along a dim of size 3."""
    x, y = common(call, a, b)
    at = one_dim(call, dim, x.ndim, x)
    if x.shape[at] != 3:
        problem = f"inputs dimension {dim} must have length 3, got {x.shape[at]}"
        raise ShapeError(message(call, problem, [("input", a), ("other", b)]))
    (a0, a1, a2), (b0, b1, b2) = ([section(v, at, i, i + 1) for i in range(3)] for v in (x, y))
    return p.concat(a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0, dim=at)


@op(top=False, also=("linalg.cross",))
def linalg_cross(input, other, *, dim=-1):
    """Vector product of vectors of three numbers along `dim`."""
    if input.ndim != other.ndim:
        raise ShapeError(
            message(
                "linalg.cross", "inputs must have the same number of dimensions", [("input", input), ("other", other)]
            )
        )
    at = one_dim("linalg.cross", dim, input.ndim, input)
    if input.shape[at] != 3 or other.shape[at] != 3:
        problem = f"inputs dimension {dim} must have length 3, got {input.shape[at]} and {other.shape[at]}"
        raise ShapeError(message("linalg.cross", problem, [("input", input), ("other", other)]))
    return crossed("linalg.cross", input, other, dim)


@op(method=True)
def cross(input, other, dim=None):
    """Vector product along `dim`; by default along the first dim of size 3."""
    if input.ndim != other.ndim:
        raise ShapeError(message("cross", "inconsistent tensors dimensions", [("input", input), ("other", other)]))
    if dim is None:
        shape = broadcast_sizes("cross", input.shape, other.shape)
        found = [d for d, n in enumerate(shape) if n == 3]
        if not found:
            raise ShapeError(message("cross", "no dimension of size 3 in input", [("input", input), ("other", other)]))
        dim = found[0]
    return crossed("cross", input, other, dim)


@op(top=False, also=("linalg.diagonal",), view=True)
def linalg_diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonal of the last two dims."""
    return top_diagonal(A, offset, dim1, dim2)


@op(top=False, also=("linalg.vander",))
def linalg_vander(x, N=None):
    """Rising powers of each element as a new last dim. Shape: (*, n) -> (*, n, N)"""
    x = reshaped(x, (1,)) if not x.shape else x
    n = x.shape[-1] if N is None else N
    if n < 0:
        raise ArgumentError(message("linalg.vander", f"N must be greater than 1, got {n}"))
    flat = reshaped(x, (numel(x.shape),))
    return reshaped(top_vander(flat, n, True), (*x.shape, n))


# --- statistics of columns --------------------------------------------------------------------------------------------


@op(method=True)
def cov(input, *, correction=1, fweights=None, aweights=None):
    """Covariances of variables (rows) over observations (columns). Shape: (v, n) -> (v, v)"""
    if input.ndim > 2:
        raise ShapeError(message("cov", "expected input to have two or fewer dimensions", [("input", input)]))
    if input.dtype.kind == "b":
        raise DTypeError(message("cov", "bool dtype is not supported for input", [("input", input)]))
    n = input.shape[-1] if input.ndim else 1
    for name, w, kinds in (("fweights", fweights, "iu"), ("aweights", aweights, "f")):
        if w is not None:
            check_weights(name, w, kinds, n)
    return covariance(input, correction, fweights, aweights)


def check_weights(name: str, w: Value, kinds: str, n: int) -> None:
    """Weights of observations: one for each, none below zero; fweights count, so they are whole."""
    if w.dtype.kind not in kinds:
        wanted = "integral" if kinds == "iu" else "floating point"
        raise DTypeError(message("cov", f"expected {name} to have {wanted} dtype, got {w.dtype.name}", [(name, w)]))
    if w.ndim > 1 or numel(w.shape) != n:
        raise ShapeError(message("cov", f"expected {name} to have one value for each of {n} observations", [(name, w)]))
    highest = math.inf if kinds == "f" else 1 << (8 * w.dtype.itemsize - 1)
    require_in_range(w, 0, highest - (kinds != "f"), f"cov: {name} cannot be negative")


def covariance(input: Value, correction, fweights, aweights) -> Value:
    x = elementwise.mul(input, 1.0) if input.dtype.kind in "iu" else input
    single = x.ndim < 2
    x = p.reshape(x, shape=(1, numel(x.shape))) if single else x
    n = x.shape[1]
    weights = None
    for w in (fweights, aweights):
        if w is not None:
            real = x.dtype.to_real() if x.dtype.kind == "c" else x.dtype
            weights = cast(w, real) if weights is None else weights * cast(w, real)
    if weights is None:
        mean = p.reduce_sum(x, dims=(1,)) / n
        away = x - expanded(p.reshape(mean, shape=(x.shape[0], 1)), x.shape)
        freedom = max(n - correction, 0)
        made = product(away, adjoint_of(away)) / filled_square(x, float(freedom))
    else:
        total = p.reduce_sum(weights, dims=(0,))
        line = expanded(p.reshape(cast(weights, x.dtype), shape=(1, n)), x.shape)
        mean = p.reduce_sum(x * line, dims=(1,)) / expanded(cast(total, x.dtype), (x.shape[0],))
        away = x - expanded(p.reshape(mean, shape=(x.shape[0], 1)), x.shape)
        freedom = total - correction
        if aweights is not None:
            freedom = total - correction * p.reduce_sum(weights * cast(aweights, weights.dtype), dims=(0,)) / total
        freedom = p.maximum(freedom, filled(freedom, 0))
        made = product(away * line, adjoint_of(away))
        made = made / expanded(cast(freedom, x.dtype), made.shape)
    return p.reshape(made, shape=()) if made.shape == (1, 1) else made


def filled_square(x: Value, value: float) -> Value:
    return constant(value, (x.shape[0], x.shape[0]), x.dtype)


@op(method=True)
def corrcoef(input):
    """Correlations of variables (rows) over observations (columns)."""
    if input.ndim > 2:
        raise ShapeError(message("corrcoef", "expected input to have two or fewer dimensions", [("input", input)]))
    c = covariance(input, 1, None, None)
    if not c.shape:
        return c / c
    d = p.sqrt(top_diagonal(p.real(c) if c.dtype.kind == "c" else c))
    n = c.shape[0]
    rows, columns = (expanded(p.reshape(cast(d, c.dtype), shape=s), c.shape) for s in ((n, 1), (1, n)))
    out = c / rows / columns
    if out.dtype.kind == "c":
        return out
    return p.where(p.gt(out, filled(out, 1)), filled(out, 1), p.where(p.lt(out, filled(out, -1)), filled(out, -1), out))
