"""torch.linalg's names.

This file is a door, written by tools/doors.py; run it after adding or renaming an op.
"""

# ruff: noqa: A004, E501, I001, F401
from dovetail.base.errors import LinAlgError
from dovetail.ops.linalg import (
    linalg_cholesky as cholesky, cholesky_ex, cond, linalg_cross as cross, det, linalg_diagonal as diagonal, eig, eigh,
    eigvals, eigvalsh, householder_product, inverse as inv, inv_ex, ldl_factor, ldl_factor_ex, ldl_solve, lstsq,
    linalg_lu as lu, lu_factor, lu_factor_ex, linalg_lu_solve as lu_solve, matrix_exp, matrix_norm, matrix_power,
    matrix_rank, linalg_norm as norm, pinv, linalg_qr as qr, linalg_slogdet as slogdet, solve, solve_ex,
    solve_triangular, linalg_svd as svd, svdvals, tensorinv, tensorsolve, linalg_vander as vander, vector_norm,
)
from dovetail.ops.matmul import matmul, chain_matmul as multi_dot, vecdot

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex", "ldl_solve", "lstsq", "lu", "lu_factor",
    "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot",
    "norm", "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv",
    "tensorsolve", "vander", "vecdot", "vector_norm",
]
