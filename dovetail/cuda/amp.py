"""torch.cuda.amp's names: torch.amp for device type "cuda", which warns and does nothing where there is no such device.

torch.amp.autocast("cpu") and torch.amp.GradScaler("cpu") are the ones that work here.
"""

from __future__ import annotations

from dovetail import amp as general
from dovetail.base.dtypes import float16
from dovetail.ops.autocast import autocast as any_autocast
from dovetail.optim.grad_scaler import GradScaler as AnyScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(any_autocast):
    """torch.amp.autocast("cuda", ...)."""

    def __init__(self, enabled: bool = True, dtype=float16, cache_enabled: bool = True):
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(AnyScaler):
    """torch.amp.GradScaler("cuda", ...)."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def custom_fwd(fwd=None, *, cast_inputs=None):
    """torch.amp.custom_fwd(device_type="cuda", ...)."""
    return general.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd=None):
    """torch.amp.custom_bwd(device_type="cuda")."""
    return general.custom_bwd(bwd, device_type="cuda")
