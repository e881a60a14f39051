"""torch.autograd.graph's names."""

from dovetail.tensor.multi import register_multi_grad_hook

__all__ = ["register_multi_grad_hook"]
