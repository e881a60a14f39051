"""torch.mps's probes, answered truthfully: Apple's graphics processors are not driven by this version."""

from __future__ import annotations

from typing import Any

from dovetail.base.absent import refusing

NEEDS_DEVICE = (
    "compile_shader", "current_allocated_memory", "driver_allocated_memory", "empty_cache", "get_rng_state",
    "load_metallib", "recommended_max_memory", "seed", "set_per_process_memory_fraction", "set_rng_state",
    "synchronize",
)  # fmt: skip
__all__ = ["device_count", "is_available", "manual_seed", *NEEDS_DEVICE]


def is_available() -> bool:
    """Whether tensors can be put on such a processor: no."""
    return False


def device_count() -> int:
    """How many of them can be used."""
    return 0


def manual_seed(seed: int) -> None:
    """Seed its generator: there is none, so nothing happens, as in torch without it."""


def __getattr__(name: str) -> Any:
    """The names that need a device."""
    if name in NEEDS_DEVICE:
        return refusing("mps", name)
    raise AttributeError(f"module 'dovetail.mps' has no attribute {name!r}")
