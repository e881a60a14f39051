"""torch.FloatTensor, torch.LongTensor and their kin: makers of tensors of one dtype, and questions about it.

They are no classes: a tensor's class is Tensor whatever it holds. `isinstance(x, FloatTensor)` asks for the dtype.
"""

from __future__ import annotations

from typing import Any, Union

from dovetail.base import dtypes, spelling
from dovetail.base.device import require_cpu
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, message
from dovetail.tensor.tensor import Tensor, from_sizes_or_data


class TensorType:
    """Makes tensors of one dtype as torch.FloatTensor does, from sizes or from data.

    >>> LongTensor([1, 2])
    tensor([1, 2])
    >>> FloatTensor(2, 3).shape
    dovetail.Size([2, 3])
    >>> isinstance(LongTensor([1]), LongTensor), isinstance(LongTensor([1]), FloatTensor)
    (True, False)
    """

    def __init__(self, name: str, dtype: DType, device: str = "cpu"):
        self.__name__ = name
        self.dtype, self.device = dtype, device

    def __call__(self, *data: Any, device: Any = None) -> Tensor:
        require_cpu(self.device if device is None else device, self.__name__)
        return from_sizes_or_data(self.__name__, data, self.dtype)

    def __instancecheck__(self, x: Any) -> bool:
        return isinstance(x, Tensor) and x.dtype is self.dtype and x.device.type == self.device

    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007  # in annotations: `x: FloatTensor | None`

    __ror__ = __or__

    @property
    def is_cuda(self) -> bool:
        return self.device == "cuda"

    def __repr__(self) -> str:
        space = spelling.package if self.device == "cpu" else f"{spelling.package}.{self.device}"
        return f"<tensor type {space}.{self.__name__}>"

    def __reduce__(self):
        return named_type, (self.__name__, self.device)


TYPE_NAMES = {
    "float32": "FloatTensor", "float64": "DoubleTensor", "float16": "HalfTensor", "bfloat16": "BFloat16Tensor",
    "int64": "LongTensor", "int32": "IntTensor", "int16": "ShortTensor", "int8": "CharTensor", "uint8": "ByteTensor",
    "bool": "BoolTensor", "complex64": "ComplexFloatTensor", "complex128": "ComplexDoubleTensor",
    "uint16": "UInt16Tensor", "uint32": "UInt32Tensor", "uint64": "UInt64Tensor",
}  # fmt: skip


def dtype_named(name: str) -> DType:
    """The dtype of "torch.FloatTensor" or "FloatTensor"."""
    last = name.rpartition(".")[2]
    for dtype, tensor in TYPE_NAMES.items():
        if tensor == last:
            return dtypes.as_dtype(dtype)
    known = ", ".join(TYPE_NAMES.values())
    raise ArgumentError(message("type", f"invalid type: {name!r}", [], f"tensor types are {known}"))


def named_type(name: str, device: str = "cpu") -> TensorType:
    """The tensor type of a name such as "FloatTensor"."""
    return TensorType(name, dtype_named(name), device)


FloatTensor = named_type("FloatTensor")
DoubleTensor = named_type("DoubleTensor")
HalfTensor = named_type("HalfTensor")
BFloat16Tensor = named_type("BFloat16Tensor")
LongTensor = named_type("LongTensor")
IntTensor = named_type("IntTensor")
ShortTensor = named_type("ShortTensor")
CharTensor = named_type("CharTensor")
ByteTensor = named_type("ByteTensor")
BoolTensor = named_type("BoolTensor")


def set_default_tensor_type(t: Any) -> None:
    """The dtype that numbers get by default: FloatTensor, DoubleTensor, or their names. See set_default_dtype."""
    kind = named_type(t) if isinstance(t, str) else t
    if not isinstance(kind, TensorType):
        raise TypeError(message("set_default_tensor_type", f"takes a tensor type such as FloatTensor, got {t!r}"))
    require_cpu(kind.device, "set_default_tensor_type")
    dtypes.set_default_dtype(kind.dtype)
