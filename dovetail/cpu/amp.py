"""torch.cpu.amp's names: torch.amp for device type "cpu"."""

from dovetail.amp.of_device import DeviceAutocast, DeviceScaler

__all__ = ["GradScaler", "autocast"]


class autocast(DeviceAutocast):
    """torch.amp.autocast("cpu", ...)."""

    kind = "cpu"


class GradScaler(DeviceScaler):
    """torch.amp.GradScaler("cpu", ...)."""

    kind = "cpu"
