"""torch.accelerator's names: the one accelerator of the machine, whatever its kind. This version drives none.

    device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
"""

from __future__ import annotations

from typing import Any

from dovetail.base.absent import refusing
from dovetail.base.device import device

NEEDS_DEVICE = (
    "Graph", "current_device_idx", "current_device_index", "current_stream", "empty_cache", "empty_host_cache",
    "get_device_capability", "get_memory_info", "max_memory_allocated", "max_memory_reserved", "memory_allocated",
    "memory_reserved", "memory_stats", "reset_accumulated_memory_stats", "reset_peak_memory_stats", "set_device_idx",
    "set_device_index", "set_stream", "synchronize",
)  # fmt: skip
__all__ = ["current_accelerator", "device_count", "device_index", "is_available", *NEEDS_DEVICE]


def is_available() -> bool:
    """Whether the machine has an accelerator that tensors can be put on: not in this version."""
    return False


def device_count() -> int:
    """How many of them there are."""
    return 0


def current_accelerator(check_available: bool = False) -> device | None:
    """The kind of accelerator as a device; None, as there is none.

    >>> current_accelerator() is None
    True
    """
    return None


class device_index:
    """`with torch.accelerator.device_index(i):`; None changes nothing, a number needs an accelerator."""

    def __init__(self, device: int | None):
        self.device = device

    def __enter__(self) -> None:
        if self.device is not None:
            refusing("accelerator", "device_index")()

    def __exit__(self, *exc: object) -> None:
        return None


def __getattr__(name: str) -> Any:
    """The names that need an accelerator."""
    if name in NEEDS_DEVICE:
        return refusing("accelerator", name)
    raise AttributeError(f"module 'dovetail.accelerator' has no attribute {name!r}")
