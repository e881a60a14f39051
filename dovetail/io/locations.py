"""map_location: where the tensors of a file are to live, in every form that PyTorch takes.

Everything lives on the CPU here. So a file's "cuda:0" comes to the CPU unless map_location asks for a place that this
machine does not have; a function is called for each storage, as PyTorch calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dovetail.base.device import CPU, device, require_cpu
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, message


class StoredMemory:
    """What a map_location function is given: the memory of one or more tensors, not yet placed."""

    def __init__(self, array: np.ndarray, dtype: DType):
        self.array, self.dtype, self.device = array, dtype, CPU

    def __len__(self) -> int:
        return len(self.array)

    def size(self) -> int:
        """How many elements."""
        return len(self.array)

    def nbytes(self) -> int:
        """How many bytes."""
        return self.array.nbytes

    def cpu(self) -> StoredMemory:
        """Itself: it is on the CPU."""
        return self

    def cuda(self, device: Any = None, non_blocking: bool = False) -> StoredMemory:
        """Raises: DeviceError, since there is no CUDA device."""
        require_cpu("cuda", "map_location")
        return self

    def to(self, device: Any = "cpu", non_blocking: bool = False) -> StoredMemory:
        """Itself, or DeviceError for a place that this machine does not have."""
        require_cpu(device, "map_location")
        return self


Place = Callable[[np.ndarray, DType, str], np.ndarray]


def placing(map_location: Any) -> Place:
    """The function (memory, dtype, the file's word for the place) -> memory that map_location means.

    map_location: None, a device or its name, a mapping from names to names, or a function of (storage, name).
    Raises: DeviceError for a place that is not there; ArgumentError for anything else.
    """
    if map_location is None:
        return lambda array, dtype, location: array
    if isinstance(map_location, (str, device)):
        require_cpu(map_location, "load")
        return lambda array, dtype, location: array
    if isinstance(map_location, Mapping):
        names = {str(old): new for old, new in map_location.items()}

        def renamed(array: np.ndarray, dtype: DType, location: str) -> np.ndarray:
            if location in names:
                require_cpu(names[location], "load")
            return array

        return renamed
    if callable(map_location):

        def asked(array: np.ndarray, dtype: DType, location: str) -> np.ndarray:
            answer = map_location(StoredMemory(array, dtype), location)
            if answer is not None and not isinstance(answer, StoredMemory):
                facts = [("returned", type(answer).__name__)]
                raise ArgumentError(message("load", "map_location must return the storage or None", facts))
            return array if answer is None else answer.array

        return asked
    facts = [("map_location", type(map_location).__name__), ("takes", "a device, a name, a dict or a function")]
    raise ArgumentError(message("load", "map_location is none of what it may be", facts))
