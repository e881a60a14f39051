"""torch.autograd.graph's names."""

from dovetail.tensor.multi import register_multi_grad_hook
from dovetail.tensor.packing import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks
from dovetail.tensor.steps import GradientEdge, Node, get_gradient_edge, increment_version

__all__ = [
    "GradientEdge", "Node", "disable_saved_tensors_hooks", "get_gradient_edge", "increment_version",
    "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip
