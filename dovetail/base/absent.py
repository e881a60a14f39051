"""Kinds of device that this version does not drive: what their modules say.

A program asks first (`torch.cuda.is_available()`), and gets a true answer; a call that needs the device itself is
refused with a message that says so, as torch does where it was built without that kind.
"""

from __future__ import annotations

from collections.abc import Callable

from dovetail.base.errors import DeviceError, message


def absent(kind: str, call: str) -> DeviceError:
    """The error of a call that needs a device of a kind that is not there."""
    word = kind.upper() if len(kind) < 5 else kind
    return DeviceError(
        message(
            f"{kind}.{call}",
            f"no {word} device is available here (available: cpu)",
            cure=f"Ask first: if torch.{kind}.is_available(): ...   `dovetail doctor` says what this machine has.",
        )
    )


def refusing(kind: str, call: str) -> Callable:
    """A function (or a stand-in for a class) that says that there is no such device, whatever it is given."""

    def refused(*args: object, **kwargs: object) -> None:
        raise absent(kind, call)

    refused.__name__ = refused.__qualname__ = call
    refused.__doc__ = f"Needs a device of kind {kind}. Raises: DeviceError, as there is none."
    return refused


class CurrentDevice:
    """What `with torch.cuda.device(0):` makes: entering it needs a device unless the index says none (-1, None)."""

    kind = ""

    def __init__(self, device: object = None):
        self.device = device

    def __enter__(self) -> CurrentDevice:
        if self.device is not None and self.device != -1:
            raise absent(self.kind, "device")
        return self

    def __exit__(self, *exc: object) -> None:
        return None


class CurrentStream:
    """What `with torch.cuda.stream(None):` makes; any other stream needs a device."""

    kind = ""

    def __init__(self, stream: object = None):
        self.stream = stream

    def __enter__(self) -> CurrentStream:
        if self.stream is not None:
            raise absent(self.kind, "stream")
        return self

    def __exit__(self, *exc: object) -> None:
        return None
