"""torch.nn.attention's names: switches between kernels, causal masks, attention with a score function."""

from dovetail.nn.attention import bias, flex_attention
from dovetail.nn.attention.switch import WARN_FOR_UNFUSED_KERNELS, SDPBackend, sdpa_kernel

__all__ = ["SDPBackend", "WARN_FOR_UNFUSED_KERNELS", "bias", "flex_attention", "sdpa_kernel"]
