"""torch.cpu's names: the one device that programs run on."""

from __future__ import annotations

from typing import Any

from dovetail.base.device import require_cpu
from dovetail.cpu import amp
from dovetail.runtime.flight import land
from dovetail.runtime.machine import cpu_features
from dovetail.tensor.recorder import current

__all__ = [
    "Event", "Stream", "StreamContext", "amp", "current_device", "current_stream", "device_count", "get_capabilities",
    "is_available", "is_initialized", "set_device", "stream", "synchronize",
]  # fmt: skip


class Stream:
    """The CPU's one stream of work; here so that code for any device runs."""

    def __init__(self, priority: int = -1):
        self.priority = priority

    def wait_stream(self, stream: Any) -> None:
        """Nothing to wait for: one stream does everything in order."""

    def record_event(self) -> Event:
        """An event that has happened."""
        return Event()

    def wait_event(self, event: Any) -> None:
        """Nothing to wait for."""


class Event:
    """A point in the CPU's stream; it has always been reached."""

    def query(self) -> bool:
        """Whether the point has been reached."""
        return True

    def record(self, stream: Any = None) -> None:
        """Put the point at the stream's end."""

    def synchronize(self) -> None:
        """Wait until everything before it is done."""
        synchronize()

    def wait(self, stream: Any = None) -> None:
        """Nothing to wait for."""


class StreamContext:
    """`with torch.cpu.stream(s):`"""

    def __init__(self, stream: Any):
        self.stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


ONLY = Stream()


def is_available() -> bool:
    """Yes."""
    return True


def is_initialized() -> bool:
    """Yes."""
    return True


def device_count() -> int:
    """There is one CPU device, whatever the number of cores."""
    return 1


def current_device() -> str:
    """Its name.

    >>> current_device()
    'cpu'
    """
    return "cpu"


def set_device(device: Any) -> None:
    """Accepted: there is only one."""
    require_cpu(device, "cpu.set_device")


def current_stream(device: Any = None) -> Stream:
    """The one stream."""
    return ONLY


def stream(stream: Any) -> StreamContext:
    """A block in which `stream` is the current one."""
    return StreamContext(stream)


def synchronize(device: Any = None) -> None:
    """Compute what has been recorded so far; for stopwatches."""
    current().close("cpu.synchronize was called")
    land()


def get_capabilities() -> dict[str, bool]:
    """What the processor's instruction set has, by name."""
    return dict.fromkeys(cpu_features(), True)
