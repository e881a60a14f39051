"""torch.amp.grad_scaler's names. This file is a door."""

from dovetail.optim.grad_scaler import GradScaler, OptState

__all__ = ["GradScaler", "OptState"]
