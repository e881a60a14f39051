"""Ready-made parametrisations: weight norm, spectral norm, orthogonal matrices (torch.nn.utils.parametrizations)."""

from __future__ import annotations

from dovetail.base.errors import ArgumentError
from dovetail.nn import functional as F
from dovetail.nn.module import Module
from dovetail.nn.utils.normalized_weights import parametrized_spectral_norm as spectral_norm
from dovetail.nn.utils.normalized_weights import parametrized_weight_norm as weight_norm
from dovetail.nn.utils.parametrize import register_parametrization
from dovetail.ops.create import eye
from dovetail.ops.linalg import householder_product, matrix_exp, qr, solve
from dovetail.tensor.tensor import Tensor


class _Orthogonal(Module):
    """An orthogonal matrix from a free one, times a fixed orthogonal base."""

    def __init__(self, weight: Tensor, how: str, use_trivialization: bool) -> None:
        super().__init__()
        self.how, self.shape = how, tuple(weight.shape)
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x):
        wide = x.shape[-2] < x.shape[-1]
        x = x.transpose(-2, -1) if wide else x
        n, k = x.shape[-2:]
        if self.how == "householder":
            a = x.tril(-1)
            tau = 2.0 / (1.0 + (a * a).sum(-2))
            q = householder_product(a, tau) * x.diagonal(dim1=-2, dim2=-1).unsqueeze(-2)
        else:
            q = self._exponential(x, n, k)
        base = getattr(self, "base", None)
        q = q if base is None else base @ q
        return q.transpose(-2, -1) if wide else q

    def _exponential(self, x, n: int, k: int):
        a = x.tril()
        if n != k:
            a = F.pad(a, (0, n - k))
        a = a - a.transpose(-2, -1)
        if self.how == "matrix_exp":
            q = matrix_exp(a)
        else:
            identity = eye(n, dtype=a.dtype)
            q = solve(identity + a * -0.5, identity + a * 0.5)
        return q[..., :k] if n != k else q

    def right_inverse(self, q):
        if tuple(q.shape) != self.shape:
            raise ArgumentError(f"Expected a matrix or batch of matrices of shape {self.shape}. Got {tuple(q.shape)}.")
        if not hasattr(self, "base"):
            raise NotImplementedError("It is not possible to assign to the orthogonal parametrization without a base.")
        wide = q.shape[-2] < q.shape[-1]
        tall = q.transpose(-2, -1) if wide else q
        full, r = qr(tall.detach(), some=False)
        columns = tall.shape[-1]
        full[..., :columns] = full[..., :columns] * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
        self.base = full
        start = tall.detach() * 0
        if self.how == "householder":
            start = start + eye(*tall.shape[-2:], dtype=tall.dtype)
        return start.transpose(-2, -1) if wide else start


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a weight (semi-)orthogonal while it is trained; returns the module.

    orthogonal_map: "matrix_exp", "cayley" or "householder".
    """
    weight = getattr(module, name)
    if weight.ndim < 2:
        raise ArgumentError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ArgumentError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    return register_parametrization(module, name, _Orthogonal(weight, orthogonal_map, use_trivialization), unsafe=True)


__all__ = ["orthogonal", "spectral_norm", "weight_norm"]
