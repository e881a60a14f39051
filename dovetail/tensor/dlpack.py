"""DLPack: tensors' memory handed to other libraries and taken from them, without copies.

NumPy does the work; what it lacks is bfloat16. There the memory travels as 16-bit whole numbers, and the code of the
element type is exchanged in the capsule's struct (dlpack.h, version 1).
"""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import Any

import numpy as np

from dovetail.base.device import require_cpu
from dovetail.base.dtypes import bfloat16
from dovetail.base.errors import ArgumentError, message
from dovetail.tensor.tensor import Tensor

UNSIGNED, BFLOAT = 1, 4  # DLDataTypeCode
TYPE_AT = {b"dltensor": 20, b"dltensor_versioned": 32 + 20}  # where the element type's code stands in the struct

name_of = ctypes.pythonapi.PyCapsule_GetName
name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
address_of = ctypes.pythonapi.PyCapsule_GetPointer
address_of.restype, address_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


class DLDeviceType(IntEnum):
    """The kinds of memory that DLPack knows and a tensor can lie in."""

    kDLCPU = 1


class Handed:
    """A capsule in the form that np.from_dlpack takes."""

    def __init__(self, capsule: Any):
        self.capsule = capsule

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def type_code(capsule: Any) -> Any:
    """The place in memory of a capsule's element type code. Raises RuntimeError where it was consumed already."""
    name = name_of(capsule)
    if name not in TYPE_AT:
        problem = "received an invalid capsule. Note that DLTensor capsules can be consumed only once"
        raise RuntimeError(message("from_dlpack", problem, cure="Ask the tensor for another one: x.__dlpack__()"))
    return ctypes.c_uint8.from_address(address_of(capsule, name) + TYPE_AT[name])


def dlpack(
    self: Tensor, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
) -> Any:
    """A capsule over the tensor's memory, for `from_dlpack` of any library.

    Raises: BufferError for a tensor that requires grad, and for another device.
    """
    if self._meta.requires_grad:
        problem = "Can't export tensors that require gradient, use tensor.detach()"
        raise BufferError(message("__dlpack__", problem, [("tensor", self)]))
    if stream not in (None, -1):
        raise BufferError(message("__dlpack__", f"memory of the CPU has no streams, got stream={stream!r}"))
    self._show()
    array = self._memory()
    short = self._meta.dtype is bfloat16
    capsule = (array.view(np.uint16) if short else array).__dlpack__(
        max_version=max_version, dl_device=dl_device, copy=copy
    )
    if short:
        type_code(capsule).value = BFLOAT
    return capsule


def dlpack_device(self: Tensor) -> tuple[DLDeviceType, int]:
    """(kind of memory, number of the device), as DLPack has it."""
    return (DLDeviceType.kDLCPU, 0)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of an object with `__dlpack__` (NumPy, torch, JAX ... on the CPU), or of a capsule.

    copy=True always copies; copy=False raises ArgumentError where sharing is impossible.
    Raises: TypeError for an object that speaks no DLPack, DeviceError for memory on another device.

    >>> from_dlpack(np.arange(3))
    tensor([0, 1, 2])
    """
    if device is not None:
        require_cpu(device, "from_dlpack")
    if isinstance(ext_tensor, Tensor):
        ext_tensor._settle()
        return ext_tensor.clone() if copy else ext_tensor._alias(ext_tensor._meta.shape, ext_tensor._meta.strides, 0)
    try:
        capsule = capsule_of(ext_tensor)
        code = type_code(capsule)
        short = code.value == BFLOAT
        if short:
            code.value = UNSIGNED
        array = np.from_dlpack(Handed(capsule))
    except BufferError as e:
        raise ArgumentError(message("from_dlpack", f"the memory cannot be shared: {e}")) from e
    array = array.view(bfloat16.np) if short else array
    return Tensor.from_array(array.copy() if copy else array)


def capsule_of(given: Any) -> Any:
    """The capsule of an object: of the newer kind where it knows that."""
    if type(given).__name__ == "PyCapsule":
        return given
    if not hasattr(given, "__dlpack__"):
        problem = f"the object must have __dlpack__, got {type(given).__name__}"
        raise TypeError(message("from_dlpack", problem, cure="Use dovetail.tensor(data) for numbers and sequences"))
    if hasattr(given, "__dlpack_device__") and int(given.__dlpack_device__()[0]) != DLDeviceType.kDLCPU:
        kind = given.__dlpack_device__()
        raise ArgumentError(message("from_dlpack", f"the memory lies on another device: {tuple(map(int, kind))}"))
    try:
        return given.__dlpack__(max_version=(1, 0))
    except TypeError:
        return given.__dlpack__()


def to_dlpack(tensor: Tensor) -> Any:
    """A capsule over a tensor's memory; x.__dlpack__() is the same."""
    return dlpack(tensor)


Tensor.__dlpack__ = dlpack  # type: ignore[assignment]
Tensor.__dlpack_device__ = dlpack_device  # type: ignore[assignment]
