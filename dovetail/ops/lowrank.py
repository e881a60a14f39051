"""Low-rank approximations: the leading singular vectors of a matrix.

torch approximates them from random projections (Halko et al. 2009); here they are exact, and no numbers are drawn.
"""

from __future__ import annotations

import dovetail.ops.primitives as p
from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Value
from dovetail.ops.linalg import adjoint_of, need_matrix, singular
from dovetail.ops.promote import expanded
from dovetail.ops.reduce import fold
from dovetail.ops.shape import section
from dovetail.tensor.op import op


def leading(call: str, x: Value, q: int) -> tuple[Value, Value, Value]:
    """(U, S, V) of the q largest singular values."""
    u, s, vh = singular(call, x, False)
    v = adjoint_of(vh)
    return section(u, u.ndim - 1, 0, q), section(s, s.ndim - 1, 0, q), section(v, v.ndim - 1, 0, q)


@op()
def svd_lowrank(A, q=6, niter=2, M=None):
    """(U, S, V): the q leading singular triplets of A - M."""
    need_matrix("svd_lowrank", A)
    q = 6 if q is None else q
    if not 0 <= q <= min(A.shape[-2:]):
        raise ArgumentError(
            message(
                "svd_lowrank",
                f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(A.shape[-2:])}",
            )
        )
    return leading("svd_lowrank", A if M is None else A - expanded(M, A.shape), q)


@op()
def pca_lowrank(A, q=None, center=True, niter=2):
    """(U, S, V): principal components of the rows of A."""
    need_matrix("pca_lowrank", A)
    m, n = A.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ArgumentError(
            message("pca_lowrank", f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
        )
    if niter < 0:
        raise ArgumentError(message("pca_lowrank", f"niter(={niter}) must be non-negative integer"))
    if center:
        mean = fold(p.reduce_sum, A, (A.ndim - 2,), True) / m
        A = A - expanded(mean, A.shape)
    return leading("pca_lowrank", A, q)
