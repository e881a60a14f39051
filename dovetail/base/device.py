"""Devices, by torch's names. Programs run on the CPU; other kinds are parsed so that probes answer truthfully."""

from __future__ import annotations

import functools
from collections.abc import Callable

from dovetail.base.errors import DeviceError, message

KINDS = ("cpu", "cuda", "mps", "xpu", "meta", "mtia", "hpu", "xla", "hip", "vulkan", "maia", "ipu", "privateuseone")


class device:
    """A device: kind and index, e.g. device("cpu"), device("cuda:0"), device("cuda", 1).

    Raises DeviceError for an unknown kind. Compares by value.
    >>> device("cpu").type
    'cpu'
    """

    __slots__ = ("type", "index")

    def __init__(self, type="cpu", index: int | None = None):
        if isinstance(type, device):
            type, index = type.type, type.index if index is None else index
        if isinstance(type, int):
            type, index = "cuda", type
        kind, colon, number = str(type).partition(":")
        if kind not in KINDS or (colon and not number.isdigit()):
            raise DeviceError(
                message(
                    "device",
                    f"unknown device {str(type)!r}",
                    cure='The CPU is device("cpu"); known kinds: ' + ", ".join(KINDS),
                )
            )
        self.type, self.index = kind, int(number) if colon else index

    def __eq__(self, other) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __repr__(self) -> str:
        return (
            f"device(type={self.type!r})" if self.index is None else f"device(type={self.type!r}, index={self.index})"
        )

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __enter__(self):
        require_cpu(self, "with device(...)")
        return self

    def __exit__(self, *exc) -> None:
        return None

    def __call__(self, function: Callable) -> Callable:
        """A decorator: tensors made in the function are on this device."""

        @functools.wraps(function)
        def inside(*args, **kwargs):
            with self:
                return function(*args, **kwargs)

        return inside

    def __reduce__(self):
        return (device, (self.type, self.index))


CPU = device("cpu")


def require_cpu(where, call: str) -> device:
    """`where` as a device this machine can use; DeviceError with the cure where it cannot."""
    d = where if isinstance(where, device) else device(where)
    if d.type == "meta":
        raise DeviceError(
            message(
                call,
                "tensors without values (device 'meta') are not made here",
                cure="Leave the device out: nothing is computed or filled before it is needed",
            )
        )
    if d.type != "cpu" or d.index not in (None, 0):
        raise DeviceError(
            message(
                call,
                f"{str(d)!r} is not available: there is no such device here (available: cpu)"
                if d.type == "cpu"
                else f"{str(d)!r} is not available: no {d.type} device on this machine (available: cpu)",
                cure="device = 'cuda' if torch.cuda.is_available() else 'cpu' picks one that exists; "
                "here it is device='cpu'",
            )
        )
    return CPU


def set_default_device(device) -> None:
    """Where new tensors are made: the CPU, the one device there is; None means the same.

    Raises: DeviceError for a device that is not there.
    """
    if device is not None:
        require_cpu(device, "set_default_device")


def get_default_device() -> device:
    """Where new tensors are made.

    >>> get_default_device()
    device(type='cpu')
    """
    return CPU
