"""tf.linalg."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.compat.tf.arrays import einsum, eye, global_norm, tensordot
from dovetail.compat.tf.math import l2_normalize
from dovetail.compat.tf.named import one
from dovetail.keras import ops
from dovetail.keras.ops.convert import tensor


def matrix_transpose(a, name=None, conjugate=False) -> Any:
    """The last two axes swapped."""
    return ops.swapaxes(a, -1, -2)


adjoint = matrix_transpose


def matmul(a, b, transpose_a=False, transpose_b=False, adjoint_a=False, adjoint_b=False, a_is_sparse=False,
           b_is_sparse=False, output_type=None, grad_a=False, grad_b=False, name=None) -> Any:  # fmt: skip
    """The matrix product, either side transposed first if asked for."""
    a = matrix_transpose(a) if transpose_a or adjoint_a else a
    b = matrix_transpose(b) if transpose_b or adjoint_b else b
    return ops.matmul(a, b)


def matvec(a, b, transpose_a=False, name=None) -> Any:
    """A matrix times a vector."""
    return ops.squeeze(matmul(a, ops.expand_dims(b, -1), transpose_a=transpose_a), -1)


def norm(tensor, ord="euclidean", axis=None, keepdims=None, name=None) -> Any:
    """The norm of the whole tensor or along axes."""
    x = tensor
    if ord == "euclidean" or (ord == 2 and not isinstance(axis, (list, tuple))):
        return ops.sqrt(ops.sum(ops.square(x), axis=axis, keepdims=bool(keepdims)))
    return ops.norm(x, ord=np.inf if ord == np.inf else ord, axis=axis, keepdims=bool(keepdims))


def trace(x, name=None) -> Any:
    """The sum of the diagonal."""
    return ops.trace(x, axis1=-2, axis2=-1)


def diag(diagonal, name="diag", **kwargs) -> Any:
    """Matrices with these diagonals."""
    d = tensor(diagonal)
    return ops.expand_dims(d, -1) * ops.eye(d.shape[-1], dtype=d.dtype)


def diag_part(input, name="diag_part", **kwargs) -> Any:
    """The diagonals of matrices."""
    return ops.diagonal(input, axis1=-2, axis2=-1)


def band_part(input, num_lower, num_upper, name=None) -> Any:
    """A matrix with zeros outside a band about the diagonal; -1 keeps the whole side."""
    x = tensor(input)
    below = ops.expand_dims(ops.arange(x.shape[-2]), 1) - ops.expand_dims(ops.arange(x.shape[-1]), 0)
    low, high = int(num_lower), int(num_upper)
    kept = np.ones((), bool)
    inside = ops.logical_and(
        ops.less_equal(below, low) if low >= 0 else kept, ops.less_equal(-below, high) if high >= 0 else kept
    )
    return ops.where(inside, x, ops.zeros_like(x))


def solve(matrix, rhs, adjoint=False, name=None) -> Any:
    """The solution of matrix x = rhs."""
    return ops.solve(matrix_transpose(matrix) if adjoint else matrix, rhs)


def svd(tensor, full_matrices=False, compute_uv=True, name=None) -> Any:
    """(s, u, v) with tensor = u diag(s) v^T."""
    if not compute_uv:
        return ops.svd(tensor, full_matrices=full_matrices, compute_uv=False)
    u, s, vh = ops.svd(tensor, full_matrices=full_matrices)
    return s, u, matrix_transpose(vh)


def eigvalsh(tensor, name=None) -> Any:
    """The eigenvalues of symmetric matrices."""
    return ops.eigh(tensor)[0]


def qr(input, full_matrices=False, name=None) -> Any:
    """(q, r)."""
    return ops.qr(input, mode="complete" if full_matrices else "reduced")


def slogdet(input, name=None) -> Any:
    """(sign, logarithm of the absolute value) of the determinant."""
    return ops.slogdet(input)


def logdet(matrix, name=None) -> Any:
    """The logarithm of the determinant of a positive definite matrix."""
    return 2.0 * ops.sum(ops.log(diag_part(ops.cholesky(matrix))), axis=-1)


inv, det, cholesky, eigh = (
    one(ops.inv, "inv"),
    one(ops.det, "det"),
    one(ops.cholesky, "cholesky"),
    one(ops.eigh, "eigh"),
)
pinv = one(ops.pinv, "pinv") if hasattr(ops, "pinv") else one(ops.inv, "inv")


def cross(a, b, name=None) -> Any:
    """The cross product."""
    return ops.cross(a, b)


__all__ = ["adjoint", "band_part", "cholesky", "cross", "det", "diag", "diag_part", "eigh", "eigvalsh", "einsum", "eye",
           "global_norm", "inv", "l2_normalize", "logdet", "matmul", "matrix_transpose", "matvec", "norm", "pinv", "qr",
           "slogdet", "solve", "svd", "tensordot", "trace"]  # fmt: skip
