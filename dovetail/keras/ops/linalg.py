"""keras.ops: matrices."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.keras.ops.convert import axes, floating
from dovetail.keras.symbolic import symbolic
from dovetail.ops import linalg
from dovetail.ops import shape as s
from dovetail.tensor.autograd import grad


@symbolic
def cholesky(x: Any, upper: bool = False):
    """The triangular L with L Lᵀ = x."""
    return linalg.cholesky(floating(x), upper)


@symbolic
def cholesky_inverse(x: Any, upper: bool = False):
    """The inverse of L Lᵀ, given L."""
    return linalg.cholesky_inverse(floating(x), upper)


@symbolic
def det(x: Any):
    """Determinant."""
    return linalg.det(floating(x))


@symbolic
def slogdet(x: Any):
    """(sign, logarithm of the size) of the determinant."""
    made = linalg.slogdet(floating(x))
    return made[0], made[1]


@symbolic
def logdet(x: Any):
    """Logarithm of the determinant."""
    return linalg.logdet(floating(x))


@symbolic
def eig(x: Any):
    """(eigenvalues, eigenvectors)."""
    made = linalg.eig(floating(x))
    return made[0], made[1]


@symbolic
def eigh(x: Any):
    """(eigenvalues, eigenvectors) of a symmetric matrix."""
    made = linalg.eigh(floating(x))
    return made[0], made[1]


@symbolic
def inv(x: Any):
    """Inverse."""
    return linalg.inverse(floating(x))


@symbolic
def lu_factor(x: Any):
    """(both triangular factors in one matrix, row exchanges counted from 0)."""
    made = linalg.lu_factor(floating(x))
    return made[0], made[1] - 1


@symbolic
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False):
    """Norm of vectors or matrices; of the flat tensor where neither `ord` nor `axis` is given."""
    x, axis = floating(x), axes(axis)
    if ord is None:
        if axis is None:
            made = linalg.vector_norm(s.ravel(x), 2)
            return s.reshape(made, (1,) * x.ndim) if keepdims else made
        return linalg.vector_norm(x, 2, axis, keepdims)
    if axis is None:
        axis = tuple(range(x.ndim))
    wanted = {"inf": float("inf"), "-inf": float("-inf")}.get(ord, ord) if isinstance(ord, str) else ord
    if isinstance(axis, int) or len(axis) == 1:
        return linalg.vector_norm(x, wanted, axis, keepdims)
    if len(axis) == 2:
        return linalg.matrix_norm(x, wanted, axis, keepdims)
    raise ArgumentError(message("norm", f"`ord` needs one or two axes, got axis={axis}"))


@symbolic
def qr(x: Any, mode: str = "reduced"):
    """(orthogonal, upper triangular) factors."""
    made = linalg.linalg_qr(floating(x), mode=mode)
    return made[0], made[1]


@symbolic
def solve(a: Any, b: Any):
    """The x with a x = b."""
    a, b = floating(a), floating(b)
    if b.ndim == a.ndim - 1:
        return s.squeeze(linalg.solve(a, s.unsqueeze(b, -1)), -1)
    return linalg.solve(a, b)


@symbolic
def solve_triangular(a: Any, b: Any, lower: bool = False):
    """The x with a x = b for a triangular a."""
    a, b = floating(a), floating(b)
    if b.ndim == a.ndim - 1:
        return s.squeeze(linalg.solve_triangular(a, s.unsqueeze(b, -1), upper=not lower), -1)
    return linalg.solve_triangular(a, b, upper=not lower)


@symbolic
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True):
    """(u, singular values, vᵀ), or the singular values alone."""
    if not compute_uv:
        return linalg.svdvals(floating(x))
    made = linalg.linalg_svd(floating(x), full_matrices)
    return made[0], made[1], made[2]


@symbolic
def lstsq(a: Any, b: Any, rcond: float | None = None):
    """The x with the least |a x - b|."""
    a, b = floating(a), floating(b)
    if b.ndim == 1:
        return s.squeeze(linalg.lstsq(a, s.unsqueeze(b, -1), rcond)[0], -1)
    return linalg.lstsq(a, b, rcond)[0]


@symbolic
def matrix_rank(x: Any, tol: float | None = None):
    """How many singular values are not 0."""
    return linalg.matrix_rank(floating(x), tol)


@symbolic
def pinv(x: Any, rcond: float | None = None):
    """Pseudoinverse."""
    return linalg.pinv(floating(x), rcond)


def jvp(fun: Any, primals: Any, tangents: Any, has_aux: bool = False):
    """(fun(primals), its derivative along the tangents), by differentiating the gradient's product twice."""
    xs = [floating(p).detach().requires_grad_() for p in primals]
    out = fun(*xs)
    aux = None
    if has_aux:
        out, aux = out
    u = s.reshape(floating(out) * 0.0, out.shape).detach().requires_grad_()
    first = grad([out], xs, [u], create_graph=True, allow_unused=True, materialize=True)
    total = None
    for g, t in zip(first, tangents, strict=True):
        part = (g * floating(t)).sum()
        total = part if total is None else total + part
    (tangent,) = grad([total], [u], [None], allow_unused=True, materialize=True)
    return (out, tangent, aux) if has_aux else (out, tangent)
