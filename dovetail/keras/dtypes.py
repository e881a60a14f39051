"""Element types as Keras writes them: plain strings, and a default for None."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base import dtypes
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, message
from dovetail.keras.config import floatx

ALLOWED = (
    "float16",
    "float32",
    "float64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "bfloat16",
    "bool",
    "string",
    "complex64",
    "complex128",
)
_PYTHON = {bool: "bool", int: "int32", float: "float32", complex: "complex64"}
_LONGER = {
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "long": "int64",
    "int": "int32",
    "uint16": "int32",
    "uint32": "int64",
    "uint64": "int64",
}


def standardize_dtype(dtype: Any) -> str:
    """The name of an element type given as a name, a DType, a NumPy type or a Python type; floatx() for None."""
    if dtype is None:
        return floatx()
    if isinstance(dtype, DType):
        return dtype.name
    if dtype in _PYTHON:
        return _PYTHON[dtype]
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None)
    if name is None:
        try:
            name = np.dtype(dtype).name
        except TypeError:
            name = str(dtype)
    name = name.rpartition(".")[2]
    if name not in ALLOWED and name not in _LONGER:
        raise ArgumentError(message("dtype", f"unknown dtype {dtype!r}", cure=f"Expected one of: {', '.join(ALLOWED)}"))
    return name if name in ALLOWED else _LONGER[name]


def as_dtype(dtype: Any) -> DType:
    """The engine's DType for anything `standardize_dtype` takes; unsigned types it lacks become the next wider signed
    one.
    """
    if isinstance(dtype, DType):
        return dtype
    name = standardize_dtype(dtype)
    return dtypes.BY_NAME[_LONGER.get(name, name)]


def is_float_dtype(dtype: Any) -> bool:
    """Whether the type is a real floating-point one. Source: keras.backend.is_float_dtype."""
    return standardize_dtype(dtype).startswith(("float", "bfloat"))


def is_int_dtype(dtype: Any) -> bool:
    """Whether the type holds whole numbers."""
    return standardize_dtype(dtype).startswith(("int", "uint"))


def result_type(*given: Any) -> str:
    """The type that an operation on these types gives, by Keras's rules. Source: keras.backend.result_type.

    >>> result_type("int32", "float16"), result_type("int64", float), result_type(int, "uint8")
    ('float16', 'float32', 'uint8')
    """
    if not given:
        return floatx()
    weak = [_PYTHON[d] for d in given if isinstance(d, type) and d in _PYTHON]
    names = [standardize_dtype(d) for d in given if not (isinstance(d, type) and d in _PYTHON)]
    if not names:
        return floatx() if "float32" in weak else weak[-1]
    floats = [n for n in names if is_float_dtype(n) or n.startswith("complex")]
    if floats:
        strong = {np.dtype(n).name if n != "bfloat16" else n for n in floats}
        if "bfloat16" in strong:
            strong -= {"bfloat16"} if len(strong) > 1 else set()
            strong |= {"float32"} if strong == {"float16"} else set()
        return strong.pop() if len(strong) == 1 else np.result_type(*strong).name
    if "float32" in weak:
        return floatx()
    made = np.result_type(*names)
    if made.kind == "b" and "int32" in weak:
        return "int32"
    return "float32" if made.kind == "f" else made.name  # uint64 with int64
