"""What users pass to a function, made into tensors by Keras's rules: Python floats are floatx, ints int32."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.ir.core import Value
from dovetail.keras.config import floatx
from dovetail.keras.dtypes import as_dtype
from dovetail.ops.convert import converted
from dovetail.tensor.tensor import Tensor, array_from


def tensor(x: Any, dtype: Any = None) -> Any:
    """`x` as a tensor (graph values pass), in `dtype` if given."""
    if isinstance(x, (Tensor, Value)):
        if dtype is None:
            return x
        wanted = as_dtype(dtype)
        return x if x.dtype is wanted else converted(x, wanted)
    if isinstance(x, np.ndarray) and (dtype is None or as_dtype(dtype).np == x.dtype):
        return Tensor.from_array(supported(x))
    return Tensor.from_data(array_of(x, dtype))


def supported(x: np.ndarray) -> np.ndarray:
    """Unsigned types that the engine lacks become the next wider signed one; negative strides are copied."""
    wider = {"uint16": np.int32, "uint32": np.int64, "uint64": np.int64}.get(x.dtype.name)
    if wider is not None:
        return x.astype(wider)
    return np.ascontiguousarray(x) if any(s < 0 for s in x.strides) else x


def array_of(x: Any, dtype: Any = None) -> np.ndarray:
    """A fresh array of `x`: numbers and nested sequences get Keras's default types."""
    if dtype is not None:
        return array_from(x, as_dtype(dtype))
    if isinstance(x, (bool, int, float, list, tuple)):
        array = array_from(x, None)
        if array.dtype.kind == "i" and not has_array(x):
            small = array.size == 0 or (array.min() >= -(2**31) and array.max() < 2**31)
            return array.astype(np.int32) if small else array
        return (
            array.astype(floatx()) if array.dtype.kind == "f" and not has_array(x) and floatx() != "bfloat16" else array
        )
    if hasattr(x, "__array__") and not isinstance(x, np.ndarray):
        return np.array(x)
    return supported(array_from(x, None))


def has_array(x: Any) -> bool:
    """Whether nested sequences hold an array or tensor, whose dtype then counts."""
    while isinstance(x, (list, tuple)) and x:
        x = x[0]
    return isinstance(x, (np.ndarray, np.generic, Tensor))


def tensors(xs: Any) -> list:
    """Each of a sequence as a tensor."""
    return [tensor(x) for x in xs]


def floating(x: Any) -> Any:
    """`x` as a tensor of floating-point numbers (floatx where it holds whole ones)."""
    x = tensor(x)
    return x if x.dtype.kind in "fc" else converted(x, as_dtype(None))


def axes(axis: Any) -> Any:
    """An axis argument in a form that ops take."""
    return tuple(axis) if isinstance(axis, list) else axis
