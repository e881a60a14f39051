"""tf.config: one CPU, and functions called as they are."""

from __future__ import annotations

from typing import Any, NamedTuple

from dovetail.compat.tf.function import run_functions_eagerly


class PhysicalDevice(NamedTuple):
    """What list_physical_devices gives."""

    name: str
    device_type: str


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The devices that programs run on: one CPU."""
    return [PhysicalDevice("/physical_device:CPU:0", "CPU")] if device_type in (None, "CPU") else []


list_logical_devices = get_visible_devices = list_physical_devices


def set_visible_devices(devices: Any, device_type: str | None = None) -> None:
    """Accepted."""


__all__ = ["PhysicalDevice", "get_visible_devices", "list_logical_devices", "list_physical_devices",
           "run_functions_eagerly", "set_visible_devices"]  # fmt: skip
