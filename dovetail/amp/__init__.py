"""torch.amp's names: autocast and GradScaler. This file is a door."""

from dovetail.amp import autocast_mode, grad_scaler
from dovetail.ops.autocast import autocast, custom_bwd, custom_fwd, is_autocast_available
from dovetail.optim.grad_scaler import GradScaler

__all__ = [
    "GradScaler", "autocast", "autocast_mode", "custom_bwd", "custom_fwd", "grad_scaler", "is_autocast_available",
]  # fmt: skip
