"""Distances between vectors as modules."""

from __future__ import annotations

from dovetail.nn import functional as F
from dovetail.nn.module import Module


class PairwiseDistance(Module):
    """p-norm of x1 - x2 + eps. Shape: (N, D), (N, D) -> (N,)"""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1, x2):
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """Cosine of the angle along `dim`. Shape: (*, D, *), (*, D, *) -> (*, *)"""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1, x2):
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
