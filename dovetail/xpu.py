"""torch.xpu's probes, answered truthfully: Intel's graphics processors are not driven by this version."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from dovetail.base.absent import CurrentDevice, CurrentStream, refusing

NEEDS_DEVICE = (
    "Event", "MemPool", "Stream", "can_device_access_peer", "change_current_allocator", "current_device",
    "current_stream", "get_device_capability", "get_device_name", "get_device_properties", "get_rng_state",
    "get_stream_from_external", "init", "initial_seed", "mem_get_info", "reset_accumulated_memory_stats",
    "reset_peak_memory_stats", "set_device", "set_rng_state", "set_stream", "synchronize",
)  # fmt: skip
__all__ = [
    "StreamContext", "default_generators", "device", "device_count", "device_of", "empty_cache", "get_arch_list",
    "get_gencode_flags", "get_rng_state_all", "is_available", "is_bf16_supported", "is_initialized", "manual_seed",
    "manual_seed_all", "max_memory_allocated", "max_memory_reserved", "memory_allocated", "memory_reserved",
    "memory_stats", "seed", "seed_all", "stream", *NEEDS_DEVICE,
]  # fmt: skip

default_generators: tuple = ()


class device(CurrentDevice):
    """`with torch.xpu.device(index):`; refused for every index but None and -1."""

    kind = "xpu"


class device_of(device):
    """`with torch.xpu.device_of(tensor):`; tensors are on the CPU, so nothing changes."""

    def __init__(self, obj: Any):
        super().__init__(-1)


class StreamContext(CurrentStream):
    """`with torch.xpu.stream(s):`; nothing for None."""

    kind = "xpu"


def stream(stream: Any) -> StreamContext:
    """A block in which `stream` is the current one; None changes nothing."""
    return StreamContext(stream)


def is_available() -> bool:
    """Whether tensors can be put on such a processor: no."""
    return False


def is_initialized() -> bool:
    """Whether one has been set up: no."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether it knows bfloat16: there is none."""
    return False


def device_count() -> int:
    """How many of them can be used."""
    return 0


def get_arch_list() -> list[str]:
    """Architectures that kernels were built for: none."""
    return []


def get_gencode_flags() -> str:
    """Compiler flags for those architectures: none."""
    return ""


def empty_cache() -> None:
    """Give unused device memory back: there is none."""


def manual_seed(seed: int) -> None:
    """Seed its generator: there is none, so nothing happens, as in torch without it."""


def manual_seed_all(seed: int) -> None:
    """As manual_seed."""


def seed() -> None:
    """Seed its generator at random: there is none."""


def seed_all() -> None:
    """As seed."""


def get_rng_state_all() -> list:
    """The states of all its generators: none."""
    return []


def memory_allocated(device: Any = None) -> int:
    """Bytes of its memory in use: 0."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """Bytes of its memory held: 0."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes of its memory ever in use: 0."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes of its memory ever held: 0."""
    return 0


def memory_stats(device: Any = None) -> OrderedDict:
    """Statistics of its allocator: none."""
    return OrderedDict()


def __getattr__(name: str) -> Any:
    """The names that need a device."""
    if name in NEEDS_DEVICE:
        return refusing("xpu", name)
    raise AttributeError(f"module 'dovetail.xpu' has no attribute {name!r}")
