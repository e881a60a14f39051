"""torch.autograd.function's names."""

from dovetail.tensor.function import Context as FunctionCtx
from dovetail.tensor.function import Function, InplaceFunction, once_differentiable

__all__ = ["Function", "FunctionCtx", "InplaceFunction", "once_differentiable"]
