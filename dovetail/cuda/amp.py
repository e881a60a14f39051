"""torch.cuda.amp's names: torch.amp for device type "cuda", which warns and does nothing where there is no such device.

torch.amp.autocast("cpu") and torch.amp.GradScaler("cpu") are the ones that work here.
"""

from __future__ import annotations

from dovetail import amp as general
from dovetail.amp.of_device import DeviceAutocast, DeviceScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(DeviceAutocast):
    """torch.amp.autocast("cuda", ...)."""

    kind = "cuda"


class GradScaler(DeviceScaler):
    """torch.amp.GradScaler("cuda", ...)."""

    kind = "cuda"


def custom_fwd(fwd=None, *, cast_inputs=None):
    """torch.amp.custom_fwd(device_type="cuda", ...)."""
    return general.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd=None):
    """torch.amp.custom_bwd(device_type="cuda")."""
    return general.custom_bwd(bwd, device_type="cuda")
