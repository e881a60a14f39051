"""torch.cpu.amp's names: torch.amp for device type "cpu"."""

from __future__ import annotations

from dovetail.base.dtypes import bfloat16
from dovetail.ops.autocast import autocast as any_autocast
from dovetail.optim.grad_scaler import GradScaler as AnyScaler

__all__ = ["GradScaler", "autocast"]


class autocast(any_autocast):
    """torch.amp.autocast("cpu", ...)."""

    def __init__(self, enabled: bool = True, dtype=bfloat16, cache_enabled: bool = True):
        super().__init__("cpu", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(AnyScaler):
    """torch.amp.GradScaler("cpu", ...)."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
