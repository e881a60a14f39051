"""keras's and tensorflow's modules. The Keras room mirrors Keras's tree: its public modules answer for both roots.

Of tensorflow itself this version has what Keras programs touch on the way: types, the seed, the list of devices.
"""

from __future__ import annotations

from typing import NamedTuple

from dovetail.base import dtypes
from dovetail.compat.names import Names
from dovetail.tensor.random import manual_seed

TENSORFLOW_VERSION = "2.21.0+dovetail"  # the release that is followed; scripts that compare versions see this
KERAS = Names("dovetail.keras")


class PhysicalDevice(NamedTuple):
    """What tf.config.list_physical_devices gives."""

    name: str
    device_type: str


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The devices that programs run on: one CPU. Source: tf.config.list_physical_devices."""
    return [PhysicalDevice("/physical_device:CPU:0", "CPU")] if device_type in (None, "CPU") else []


def set_seed(seed: int) -> None:
    """Seed every random operation. Source: tf.random.set_seed (the numbers that follow are Dovetail's own)."""
    manual_seed(seed)


TYPES = {d.name: d for d in dtypes.ALL if not d.is_complex}
TABLE = {
    "keras": KERAS,
    "tensorflow": Names(None, {"__version__": TENSORFLOW_VERSION, **TYPES}),
    "tensorflow.keras": KERAS,
    "tensorflow.config": Names(None, {"list_physical_devices": list_physical_devices}),
    "tensorflow.random": Names(None, {"set_seed": set_seed}),
    "tensorflow.version": Names(None, {"VERSION": TENSORFLOW_VERSION, "GIT_VERSION": "dovetail"}),
}  # keras.layers and its like are modules among the room's public names and need no row
