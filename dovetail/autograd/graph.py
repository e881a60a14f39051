"""torch.autograd.graph's names."""

from dovetail.tensor.multi import register_multi_grad_hook
from dovetail.tensor.steps import GradientEdge, Node, get_gradient_edge, increment_version, save_on_cpu

__all__ = [
    "GradientEdge", "Node", "get_gradient_edge", "increment_version", "register_multi_grad_hook", "save_on_cpu",
]  # fmt: skip
