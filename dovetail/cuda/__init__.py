"""torch.cuda's probes, answered truthfully: programs run on the CPU, so no CUDA device can be used.

What torch built without CUDA answers (0 bytes allocated, no devices, seeding does nothing) is answered the same way;
what needs a device is refused with a DeviceError. `dovetail doctor` tells whether the machine has a card.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from dovetail.base.absent import CurrentDevice, CurrentStream, absent, refusing
from dovetail.base.errors import DeviceError
from dovetail.cuda import amp
from dovetail.tensor.typed import named_type

NEEDS_DEVICE = (
    "CUDAGraph", "CUDAPluggableAllocator", "Event", "ExternalStream", "GreenContext", "MemPool", "Stream",
    "caching_allocator_alloc", "caching_allocator_delete", "can_device_access_peer", "change_current_allocator",
    "check_error", "clock_rate", "cudart", "current_blas_handle", "current_device", "current_solver_handle",
    "current_stream", "default_stream", "device_memory_used", "get_allocator_backend", "get_device_capability",
    "get_device_name", "get_device_properties", "get_per_process_memory_fraction", "get_rng_state",
    "get_stream_from_external", "get_sync_debug_mode", "graph", "graph_pool_handle", "init", "initial_seed",
    "ipc_collect", "is_current_stream_capturing", "make_graphed_callables", "mem_get_info", "memory_snapshot",
    "memory_summary", "memory_usage", "power_draw", "reset_accumulated_host_memory_stats",
    "reset_accumulated_memory_stats", "reset_max_memory_allocated", "reset_max_memory_cached",
    "reset_peak_host_memory_stats", "reset_peak_memory_stats", "set_device", "set_per_process_memory_fraction",
    "set_rng_state", "set_stream", "set_sync_debug_mode", "synchronize", "temperature", "use_mem_pool", "utilization",
)  # fmt: skip
TENSORS = (
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor",
    "IntTensor", "LongTensor", "ShortTensor",
)  # fmt: skip
__all__ = [
    "CudaError", "OutOfMemoryError", "StreamContext", "amp", "default_generators", "device", "device_count",
    "device_of", "empty_cache", "get_arch_list", "get_gencode_flags", "get_rng_state_all", "has_half", "has_magma",
    "host_memory_stats", "is_available", "is_bf16_supported", "is_initialized", "is_tf32_supported",
    "list_gpu_processes", "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_cached",
    "max_memory_reserved", "memory_allocated", "memory_cached", "memory_reserved", "memory_stats", "seed", "seed_all",
    "set_rng_state_all", "stream", *NEEDS_DEVICE, *TENSORS,
]  # fmt: skip

default_generators: tuple = ()
has_half = True
has_magma = False


class CudaError(DeviceError):
    """An error of a CUDA device."""


class OutOfMemoryError(CudaError):
    """A CUDA device without enough free memory; here for `except torch.cuda.OutOfMemoryError:`."""


class device(CurrentDevice):
    """`with torch.cuda.device(index):`; refused for every index but None and -1."""

    kind = "cuda"


class device_of(device):
    """`with torch.cuda.device_of(tensor):`; tensors are on the CPU, so nothing changes."""

    def __init__(self, obj: Any):
        super().__init__(-1)


class StreamContext(CurrentStream):
    """`with torch.cuda.stream(s):`; nothing for None."""

    kind = "cuda"


def stream(stream: Any) -> StreamContext:
    """A block in which `stream` is the current one; None changes nothing."""
    return StreamContext(stream)


def is_available() -> bool:
    """Whether tensors can be put on a CUDA device: not in this version.

    >>> "cuda" if is_available() else "cpu"
    'cpu'
    """
    return False


def is_initialized() -> bool:
    """Whether CUDA has been set up: no."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the current CUDA device knows bfloat16: there is none."""
    return False


def is_tf32_supported() -> bool:
    """Whether the current CUDA device knows TF32: there is none."""
    return False


def device_count() -> int:
    """How many CUDA devices can be used."""
    return 0


def get_arch_list() -> list[str]:
    """Architectures that kernels were built for: none."""
    return []


def get_gencode_flags() -> str:
    """Compiler flags for those architectures: none."""
    return ""


def empty_cache() -> None:
    """Give unused device memory back: there is none, so nothing happens, as in torch without CUDA."""


def manual_seed(seed: int) -> None:
    """Seed the CUDA generators: there are none, so nothing happens, as in torch without CUDA."""


def manual_seed_all(seed: int) -> None:
    """As manual_seed."""


def seed() -> None:
    """Seed the CUDA generator at random: there is none, so nothing happens."""


def seed_all() -> None:
    """As seed."""


def get_rng_state_all() -> list:
    """The states of all CUDA generators: none."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Set the states of all CUDA generators. Raises: DeviceError where there is a state to set."""
    if len(list(new_states)):
        raise absent("cuda", "set_rng_state_all")


def memory_allocated(device: Any = None) -> int:
    """Bytes of CUDA memory in use: 0."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """Bytes of CUDA memory held: 0."""
    return 0


def memory_cached(device: Any = None) -> int:
    """The old name of memory_reserved."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes of CUDA memory ever in use: 0."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes of CUDA memory ever held: 0."""
    return 0


def max_memory_cached(device: Any = None) -> int:
    """The old name of max_memory_reserved."""
    return 0


def memory_stats(device: Any = None) -> OrderedDict:
    """Statistics of the CUDA allocator: none."""
    return OrderedDict()


def host_memory_stats() -> OrderedDict:
    """Statistics of pinned memory: none."""
    return OrderedDict()


def list_gpu_processes(device: Any = None) -> str:
    """Processes that use CUDA memory, as text."""
    return "no CUDA device is available"


def __getattr__(name: str) -> Any:
    """The names that need a device, and types of tensors on one: nothing is an instance of those."""
    if name in NEEDS_DEVICE:
        return refusing("cuda", name)
    if name in TENSORS:
        return named_type(name, "cuda")
    raise AttributeError(f"module 'dovetail.cuda' has no attribute {name!r}")
