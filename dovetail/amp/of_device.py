"""The older words of torch.cuda.amp and torch.cpu.amp: torch.amp's classes with the device's kind settled."""

from __future__ import annotations

from dovetail.base.dtypes import DType
from dovetail.ops.autocast import DEFAULTS
from dovetail.ops.autocast import autocast as any_autocast
from dovetail.optim.grad_scaler import GradScaler as AnyScaler


class DeviceAutocast(any_autocast):
    """torch.amp.autocast(kind, ...); dtype: by default the kind's usual half."""

    kind = ""

    def __init__(self, enabled: bool = True, dtype: DType | None = None, cache_enabled: bool = True):
        chosen = DEFAULTS[self.kind] if dtype is None else dtype
        super().__init__(self.kind, enabled=enabled, dtype=chosen, cache_enabled=cache_enabled)


class DeviceScaler(AnyScaler):
    """torch.amp.GradScaler(kind, ...)."""

    kind = ""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        super().__init__(self.kind, init_scale, growth_factor, backoff_factor, growth_interval, enabled)
