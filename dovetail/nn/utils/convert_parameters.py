"""Parameters as one long vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from dovetail.ops.shape import cat
from dovetail.tensor.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters, in order. Shape: (total number of elements,)"""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Cut a vector into the parameters' shapes and put the pieces in their place."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    at = 0
    for p in parameters:
        n = p.numel()
        p.data = vec[at : at + n].reshape(p.shape).detach().clone()
        at += n
