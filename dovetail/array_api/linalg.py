"""The linear algebra extension (2024.12). Matrices stand in the last two axes, everything before is a batch."""

from __future__ import annotations

from typing import NamedTuple

from dovetail.array_api.operands import array, axes_of, one, pair
from dovetail.array_api.statistics import Axis, total_dtype
from dovetail.array_api.statistics import sum as total
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ops import linalg as matrices
from dovetail.ops import matmul as products
from dovetail.ops import reduce, shape
from dovetail.tensor.tensor import Tensor


class qr_result(NamedTuple):
    """What qr returns."""

    Q: Tensor
    R: Tensor


class svd_result(NamedTuple):
    """What svd returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class slogdet_result(NamedTuple):
    """What slogdet returns."""

    sign: Tensor
    logabsdet: Tensor


class eigh_result(NamedTuple):
    """What eigh returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def matrix(call: str, x: Tensor, kinds: str = "fc", square: bool = False) -> Tensor:
    """A stack of matrices. Raises ShapeError for fewer than two axes, or where they must be square."""
    one(call, x, kinds)
    if x.ndim < 2:
        raise ShapeError(message(call, f"takes matrices, got an array of {x.ndim} dimensions", [("x", x)]))
    if square and x.shape[-1] != x.shape[-2]:
        raise ShapeError(message(call, f"takes square matrices, got {x.shape[-2]} by {x.shape[-1]}", [("x", x)]))
    return x


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The matrix product. Shape: (*, n, k), (*, k, m) -> (*, n, m)"""
    a, b = pair("matmul", array("matmul", x1), array("matmul", x2), "iufc")
    return products.matmul(a, b)


def matrix_transpose(x: Tensor, /) -> Tensor:
    """The last two axes exchanged. Shape: (*, n, m) -> (*, m, n)"""
    return matrix("matrix_transpose", x, "biufc").mT


def tensordot(x1: Tensor, x2: Tensor, /, *, axes: int | tuple = 2) -> Tensor:
    """Products summed over the last `axes` axes of x1 and the first of x2, or over two named sets of axes."""
    a, b = pair("tensordot", array("tensordot", x1), array("tensordot", x2), "iufc")
    return products.tensordot(a, b, axes if isinstance(axes, int) else tuple(list(d) for d in axes))


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Sum of conj(x1) * x2 along an axis. Shape: (*, n), (*, n) -> (*)"""
    a, b = pair("vecdot", array("vecdot", x1), array("vecdot", x2), "iufc")
    if not -min(a.ndim, b.ndim) <= axis < 0:
        raise IndexError(message("vecdot", f"axis must be negative and within both arrays, got {axis}"))
    if a.shape[axis] != b.shape[axis]:
        raise ShapeError(message("vecdot", "the sizes of the axis differ", [("x1", a), ("x2", b)]))
    return reduce.sum((a.conj() if a.dtype.kind == "c" else a) * b, axis, dtype=a.dtype)


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """L with L Lᴴ = x, or its conjugate transpose. Shape: (*, n, n) -> (*, n, n)"""
    return matrices.linalg_cholesky(matrix("cholesky", x, square=True), upper=upper)


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """The cross product of vectors of three numbers."""
    a, b = pair("cross", array("cross", x1), array("cross", x2), "iufc")
    if not -min(a.ndim, b.ndim) <= axis < 0:
        raise IndexError(message("cross", f"axis must be negative and within both arrays, got {axis}"))
    size = tuple(max(n, m) if n and m else 0 for n, m in zip(*_even_rank(a, b), strict=True))
    return matrices.linalg_cross(a.expand(size), b.expand(size), dim=axis)


def _even_rank(a: Tensor, b: Tensor) -> tuple[tuple, tuple]:
    """Both shapes with ones in front of the shorter."""
    rank = max(a.ndim, b.ndim)
    return (1,) * (rank - a.ndim) + tuple(a.shape), (1,) * (rank - b.ndim) + tuple(b.shape)


def det(x: Tensor, /) -> Tensor:
    """The determinant. Shape: (*, n, n) -> (*)"""
    return matrices.det(matrix("det", x, square=True))


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """The offset-th diagonals. Shape: (*, n, m) -> (*, k)"""
    return shape.diagonal(matrix("diagonal", x, "biufc"), offset, -2, -1)


def eigh(x: Tensor, /) -> eigh_result:
    """Eigenvalues, in order, and eigenvectors of Hermitian matrices. Shape: (*, n, n) -> (*, n), (*, n, n)"""
    return eigh_result(*matrices.eigh(matrix("eigh", x, square=True)))


def eigvalsh(x: Tensor, /) -> Tensor:
    """Eigenvalues of Hermitian matrices, in order. Shape: (*, n, n) -> (*, n)"""
    return matrices.eigvalsh(matrix("eigvalsh", x, square=True))


def inv(x: Tensor, /) -> Tensor:
    """The inverse. Shape: (*, n, n) -> (*, n, n)"""
    return matrices.inverse(matrix("inv", x, square=True))


def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: int | float | str | None = "fro") -> Tensor:
    """A norm of matrices: "fro", "nuc", 1, 2, inf or the negatives. Shape: (*, n, m) -> (*)"""
    return matrices.matrix_norm(matrix("matrix_norm", x), "fro" if ord is None else ord, keepdim=keepdims)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """x multiplied by itself n times; the inverse for negative n. Shape: (*, n, n) -> (*, n, n)"""
    return matrices.matrix_power(matrix("matrix_power", x, square=True), n)


def matrix_rank(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """The number of singular values above rtol times the largest. Shape: (*, n, m) -> (*)"""
    return matrices.matrix_rank(matrix("matrix_rank", x), rtol=rtol)


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """All products of two vectors' elements. Shape: (n,), (m,) -> (n, m)"""
    a, b = pair("outer", array("outer", x1), array("outer", x2), "iufc")
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(message("outer", "takes two vectors", [("x1", a), ("x2", b)]))
    return a.reshape(-1, 1) * b


def pinv(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """The pseudo-inverse. Shape: (*, n, m) -> (*, m, n)"""
    return matrices.pinv(matrix("pinv", x), rtol=rtol)


def qr(x: Tensor, /, *, mode: str = "reduced") -> qr_result:
    """x = Q R with orthonormal columns and an upper triangle. mode: "reduced" or "complete"."""
    if mode not in ("reduced", "complete"):
        raise ArgumentError(message("qr", f'mode must be "reduced" or "complete", got {mode!r}'))
    return qr_result(*matrices.linalg_qr(matrix("qr", x), mode))


def slogdet(x: Tensor, /) -> slogdet_result:
    """The determinant's sign and the logarithm of its size. Shape: (*, n, n) -> (*), (*)"""
    return slogdet_result(*matrices.linalg_slogdet(matrix("slogdet", x, square=True)))


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The solution of x1 y = x2, where a 1-d x2 is one vector. Shape: (*, n, n), (*, n, k) or (n,) -> that of x2"""
    a, b = pair("solve", matrix("solve", x1, square=True), array("solve", x2), "fc")
    return matrices.solve(a, b.reshape(-1, 1))[..., 0] if b.ndim == 1 else matrices.solve(a, b)


def svd(x: Tensor, /, *, full_matrices: bool = True) -> svd_result:
    """x = U diag(S) Vh, singular values in falling order."""
    return svd_result(*matrices.linalg_svd(matrix("svd", x), full_matrices=full_matrices))


def svdvals(x: Tensor, /) -> Tensor:
    """Singular values in falling order. Shape: (*, n, m) -> (*, min(n, m))"""
    return matrices.svdvals(matrix("svdvals", x))


def trace(x: Tensor, /, *, offset: int = 0, dtype: DType | None = None) -> Tensor:
    """The sum of the offset-th diagonals. Shape: (*, n, m) -> (*)"""
    found = diagonal(matrix("trace", x, "iufc"), offset=offset)
    return total(found, axis=-1, dtype=total_dtype(x, dtype))


def vector_norm(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False, ord: int | float = 2) -> Tensor:
    """The ord-norm of vectors along axes. Shape: (*, n, *) -> (*)"""
    axes = axes_of("vector_norm", axis, one("vector_norm", x, "fc").ndim)
    if not axes:
        return (x != 0).to(x.dtype.to_real()) if ord == 0 else x.abs()
    return matrices.vector_norm(x, ord, axes, keepdims)
