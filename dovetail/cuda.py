"""torch.cuda's probes, answered truthfully: programs run on the CPU, so no CUDA device can be used.

`dovetail doctor` tells whether the machine has a card.
"""

from __future__ import annotations

from dovetail.base.errors import DeviceError, message

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "synchronize",
]


def is_available() -> bool:
    """Whether tensors can be put on a CUDA device: not in this version.

    >>> "cuda" if is_available() else "cpu"
    'cpu'
    """
    return False


def is_initialized() -> bool:
    """Whether CUDA has been set up: no."""
    return False


def device_count() -> int:
    """How many CUDA devices can be used."""
    return 0


def current_device() -> int:
    """The index of the current device. Raises: DeviceError, as there is none."""
    raise _none("current_device")


def get_device_name(device: object = None) -> str:
    """The name of a device. Raises: DeviceError, as there is none."""
    raise _none("get_device_name")


def synchronize(device: object = None) -> None:
    """Wait for a device. Raises: DeviceError, as there is none."""
    raise _none("synchronize")


def empty_cache() -> None:
    """Give unused device memory back: there is none, so nothing happens, as in torch without CUDA."""


def manual_seed(seed: int) -> None:
    """Seed the CUDA generators: there are none, so nothing happens, as in torch without CUDA."""


def manual_seed_all(seed: int) -> None:
    """As manual_seed."""


def _none(call: str) -> DeviceError:
    return DeviceError(
        message(
            f"cuda.{call}",
            "no CUDA device is available here (available: cpu)",
            cure="Ask first: if dovetail.cuda.is_available(): ...   `dovetail doctor` says what this machine has.",
        )
    )
