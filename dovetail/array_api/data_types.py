"""Dtypes of the standard, their limits and their promotion (2024.12, sections "Data Types" and "Type Promotion")."""

from __future__ import annotations

import builtins
from dataclasses import dataclass

from dovetail.array_api.operands import array, on_cpu, result_of
from dovetail.base import dtypes, limits
from dovetail.base.dtypes import (
    DType,
    complex64,
    complex128,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from dovetail.base.dtypes import bool_ as bool
from dovetail.base.errors import message
from dovetail.tensor.tensor import Tensor

NUMBERS = (builtins.bool, int, float, complex)
KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


def astype(x: Tensor, dtype: DType, /, *, copy: builtins.bool = True, device=None) -> Tensor:
    """`x` in another dtype; `copy=False` gives `x` itself where it has that dtype already.

    Shape: (*) -> (*)
    Raises: TypeError for complex to real.

    >>> from dovetail import array_api as xp
    >>> xp.astype(xp.asarray([1.5, 2.5]), xp.int32)
    tensor([1, 2], dtype=dovetail.int32)
    """
    x, dtype = array("astype", x), dtypes.as_dtype(dtype)
    on_cpu(device, "astype")
    if x.dtype.kind == "c" and dtype.kind not in "c":
        cure = "Say which part: xp.real(x), xp.imag(x) or xp.abs(x)"
        raise TypeError(message("astype", f"a complex array cannot become {dtype}", [("x", x)], cure))
    return x.to(dtype, copy=copy)


def can_cast(from_: DType | Tensor, to: DType, /) -> builtins.bool:
    """Whether promotion leads from one dtype to the other.

    >>> can_cast(int8, int16), can_cast(int32, float32)
    (True, False)
    """
    start = from_.dtype if isinstance(from_, Tensor) else dtypes.as_dtype(from_)
    end = dtypes.as_dtype(to)
    groups = {"b": "b", "u": "iu", "i": "iu", "f": "fc", "c": "fc"}
    if end.kind not in groups[start.kind]:
        return False
    try:
        return dtypes.promote_types(start, end) is end
    except TypeError:  # uint64 and a signed dtype
        return False


@dataclass(frozen=True)
class finfo_object:
    """What finfo returns; all limits are Python floats."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True)
class iinfo_object:
    """What iinfo returns."""

    bits: int
    max: int
    min: int
    dtype: DType


def finfo(type: DType | Tensor, /) -> finfo_object:
    """Limits of a floating-point dtype (of its parts, for a complex one).

    >>> finfo(float32).bits
    32
    """
    dtype = type.dtype if isinstance(type, Tensor) else dtypes.as_dtype(type)
    found = limits.finfo(dtype)
    return finfo_object(found.bits, found.eps, found.max, found.min, found.smallest_normal, dtype.to_real())


def iinfo(type: DType | Tensor, /) -> iinfo_object:
    """Limits of an integer dtype.

    >>> iinfo(uint16).max
    65535
    """
    dtype = type.dtype if isinstance(type, Tensor) else dtypes.as_dtype(type)
    found = limits.iinfo(dtype)
    return iinfo_object(found.bits, found.max, found.min, dtype)


def isdtype(dtype: DType, kind: DType | str | tuple) -> builtins.bool:
    """Whether a dtype is of a kind: "bool", "signed integer", "unsigned integer", "integral", "real floating",
    "complex floating", "numeric", a dtype, or one of a tuple of these.

    >>> isdtype(float32, "real floating"), isdtype(int8, ("bool", "unsigned integer"))
    (True, False)
    """
    if isinstance(kind, tuple):
        return builtins.any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, str):
        if kind not in KINDS:
            raise ValueError(message("isdtype", f"unknown kind {kind!r}", cure="Kinds: " + ", ".join(KINDS)))
        return dtype.kind in KINDS[kind]
    if isinstance(kind, DType):
        return dtype is kind
    raise TypeError(message("isdtype", f"kind must be a dtype, a string or a tuple, got {kind!r}"))


def result_type(*arrays_and_dtypes: Tensor | DType | complex) -> DType:
    """The dtype in which arrays, dtypes and Python numbers meet. Raises TypeError where they do not.

    >>> result_type(int8, uint8), result_type(float32, 1)
    (dovetail.int16, dovetail.float32)
    """
    return result_of("result_type", *arrays_and_dtypes)


__all__ = [
    "astype", "bool", "can_cast", "complex64", "complex128", "finfo", "float32", "float64", "iinfo", "int8", "int16",
    "int32", "int64", "isdtype", "result_type", "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip
