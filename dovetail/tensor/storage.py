"""The memory behind tensors as an object: x.untyped_storage() in bytes, x.storage() in elements.

Two views of one tensor give the same memory, which is what programs ask storages for: do these share, how many bytes
does this keep alive? A write through a storage shows in every tensor over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base import dtypes
from dovetail.base.device import device as Device
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.runtime import memory
from dovetail.runtime.flight import land
from dovetail.tensor.meta import contiguous_strides, meta, normal_strides
from dovetail.tensor.recorder import current
from dovetail.tensor.tensor import Tensor


def storage_of(t: Tensor) -> memory.Storage:
    """The block that holds a tensor's value, which others may now write to."""
    t._show()
    return t._storage


class UntypedStorage:
    """A block of bytes.

    >>> x = Tensor([1.0, 2.0, 3.0])
    >>> x.untyped_storage().nbytes(), x.untyped_storage().data_ptr() == x[1:].untyped_storage().data_ptr()
    (12, True)
    """

    def __init__(self, size: Any = 0, *, device: Any = None):
        data = np.asarray([] if isinstance(size, int) else size, np.uint8)
        block = memory.allocate(size if isinstance(size, int) else data.size)
        self._block = block
        self._bytes()[...] = 0 if isinstance(size, int) else data

    @classmethod
    def of(cls, t: Tensor) -> UntypedStorage:
        """The storage of a tensor."""
        made = object.__new__(cls)
        made._block = storage_of(t)
        return made

    def _bytes(self) -> np.ndarray:
        return memory.as_array(self._block, self._block.ptr, (self._block.nbytes,), dtypes.uint8)

    def _bytes_to_write(self) -> np.ndarray:
        current().release(self._block)
        return self._bytes()

    def data_ptr(self) -> int:
        """Address of the first byte."""
        land()
        return self._block.ptr

    def nbytes(self) -> int:
        """Number of bytes."""
        return self._block.nbytes

    def size(self) -> int:
        """Number of bytes."""
        return self._block.nbytes

    def element_size(self) -> int:
        """1: the elements are bytes."""
        return 1

    def resizable(self) -> bool:
        """Whether the memory is Dovetail's own."""
        return self._block.home is not None

    def is_shared(self) -> bool:
        """Whether the memory is shared with other processes."""
        return False

    def is_pinned(self, device: Any = "cuda") -> bool:
        """Whether the memory is pinned for copies to a GPU."""
        return False

    @property
    def device(self) -> Any:
        return Device("cpu")

    @property
    def is_cuda(self) -> bool:
        return False

    def cpu(self) -> UntypedStorage:
        return self

    def tolist(self) -> list[int]:
        """The bytes as numbers."""
        return self._bytes().tolist()

    def fill_(self, value: int) -> UntypedStorage:
        """One value in every byte."""
        self._bytes_to_write()[...] = value
        return self

    def copy_(self, source: UntypedStorage, non_blocking: bool = False) -> UntypedStorage:
        """The bytes of another storage of the same size."""
        if source.nbytes() != self.nbytes():
            problem = f"the storages differ in size, {self.nbytes()} and {source.nbytes()} bytes"
            raise ShapeError(message("UntypedStorage.copy_", problem))
        self._bytes_to_write()[...] = source._bytes()
        return self

    def clone(self) -> UntypedStorage:
        """A copy with memory of its own."""
        return UntypedStorage(self.nbytes()).copy_(self)

    def __len__(self) -> int:
        return self.nbytes()

    def __getitem__(self, at: Any) -> Any:
        got = self._bytes()[at]
        return UntypedStorage(got) if isinstance(at, slice) else int(got)

    def __setitem__(self, at: Any, value: Any) -> None:
        self._bytes_to_write()[at] = value

    def __iter__(self) -> Iterator[int]:
        return iter(self.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self.data_ptr() == other.data_ptr()

    def __hash__(self) -> int:
        return hash(self.data_ptr())

    def __repr__(self) -> str:
        return f"{self.tolist()}\n[dovetail.UntypedStorage of size {self.nbytes()}]"


class TypedStorage:
    """A block of memory seen as elements of one dtype: what x.storage() gives.

    >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).T.storage().tolist()
    [1.0, 2.0, 3.0, 4.0]
    """

    def __init__(self, *size: Any, wrap_storage: UntypedStorage | None = None, dtype: Any = None, device: Any = None):
        self.dtype: DType = dtypes.default_dtype() if dtype is None else dtypes.as_dtype(dtype)
        if wrap_storage is None:
            data = Tensor(*(size or (0,))).to(self.dtype)
            wrap_storage = UntypedStorage.of(data)
        self._untyped = wrap_storage

    def _array(self) -> np.ndarray:
        block = self._untyped._block
        current().release(block)
        return memory.as_array(block, block.ptr, (self.size(),), self.dtype)

    def untyped(self) -> UntypedStorage:
        """The same memory in bytes."""
        return self._untyped

    def size(self) -> int:
        """Number of elements."""
        return self._untyped.nbytes() // self.dtype.itemsize

    def nbytes(self) -> int:
        return self._untyped.nbytes()

    def element_size(self) -> int:
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """Address of the first element."""
        return self._untyped.data_ptr()

    def is_shared(self) -> bool:
        return self._untyped.is_shared()

    @property
    def device(self) -> Any:
        return self._untyped.device

    def tolist(self) -> list:
        """The elements as Python numbers."""
        return self._array().tolist()

    def fill_(self, value: Any) -> TypedStorage:
        """One value in every element."""
        self._array()[...] = value
        return self

    def clone(self) -> TypedStorage:
        """A copy with memory of its own."""
        return TypedStorage(wrap_storage=self._untyped.clone(), dtype=self.dtype)

    def __len__(self) -> int:
        return self.size()

    def __getitem__(self, at: int) -> Any:
        if isinstance(at, slice):
            raise ArgumentError(message("TypedStorage", "slices are only supported in UntypedStorage"))
        return self._array()[at].item()

    def __setitem__(self, at: Any, value: Any) -> None:
        self._array()[at] = value

    def __iter__(self) -> Iterator:
        return iter(self.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedStorage) and (self._untyped, self.dtype) == (other._untyped, other.dtype)

    def __hash__(self) -> int:
        return hash(self._untyped)

    def __repr__(self) -> str:
        rows = "\n ".join(str(v) for v in self.tolist())
        return f" {rows}\n[dovetail.TypedStorage(dtype=dovetail.{self.dtype.name}) of size {self.size()}]"


def over_storage(storage: Any, dtype: DType, offset: int, size: Any, stride: Any) -> Tensor:
    """A tensor over part of a storage: offset, sizes and strides in elements."""
    block = (storage.untyped() if isinstance(storage, TypedStorage) else storage)._block
    count = block.nbytes // dtype.itemsize
    shape = (count - offset,) if size is None else tuple(int(n) for n in size)
    strides = contiguous_strides(shape) if stride is None else tuple(int(n) for n in stride)
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if 0 not in shape and not 0 <= last < count:
        problem = f"sizes {shape}, strides {strides} and offset {offset} reach beyond a storage of {count} elements"
        raise ShapeError(message("set_", problem))
    t = object.__new__(Tensor)
    t._meta = meta(shape, dtype, strides=normal_strides(shape, strides))
    t._storage, t._ptr, t._shared = block, block.ptr + offset * dtype.itemsize, True
    return t
