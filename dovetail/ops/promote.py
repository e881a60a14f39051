"""Operands of one shape and dtype, made from what users mix: tensors, 0-d tensors and Python numbers.

The rules are torch's: tensors with dims decide, 0-d tensors and numbers only raise the category (torch.result_type).
"""

from __future__ import annotations

import numpy as np

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, DTypeError, message
from dovetail.ir.core import Literal, Value, scope
from dovetail.ops.dims import Shape, broadcast_sizes

Operand = Value | bool | int | float | complex


def is_number(x) -> bool:
    return isinstance(x, (bool, int, float, complex, np.number, np.bool_))


def rank_of(x: Operand) -> tuple[DType, int]:
    """(dtype, priority) of an operand, as base.dtypes.result_dtype wants it."""
    if not isinstance(x, Value):
        if not is_number(x):
            raise TypeError(f"an operand must be a Tensor or a number, not {type(x).__name__}: {x!r:.60}")
        return dtypes.number_dtype(x), 0
    if x.weak:
        return (dtypes.int64 if x.weak == "int" else dtypes.default_dtype()), 0
    return x.dtype, 2 if x.shape else 1


def result_type(*xs: Operand) -> DType:
    """The dtype an operation on `xs` computes in."""
    return dtypes.result_dtype([rank_of(x) for x in xs])


def shape_of(x: Operand) -> Shape:
    return x.shape if isinstance(x, Value) else ()


def cast(x: Value, dtype: DType) -> Value:
    """`x` as `dtype`; itself where that is nothing new."""
    return x if x.dtype is dtype and not x.weak else p.convert(x, dtype=dtype)


def constant(value, shape: Shape, dtype: DType) -> Value:
    """A value filled with one Python number, fitted to `dtype` (integers wrap, as they do in C)."""
    return p.full(shape=tuple(shape), dtype=dtype, value=fitted(value, dtype))


def fitted(value, dtype: DType):
    """A Python number that `dtype` can hold. Raises TypeError for what is no number."""
    if not is_number(value):
        raise TypeError(f"a number is needed here, not {type(value).__name__}: {value!r:.60}")
    if dtype.kind == "b":
        return bool(value)
    if dtype.kind in "iu":
        bits = 8 * dtype.itemsize
        n = int(value.real if isinstance(value, complex) else value) & ((1 << bits) - 1)
        return n - (1 << bits) if dtype.kind == "i" and n >= 1 << (bits - 1) else n
    if dtype.kind == "f":
        return float(value.real if isinstance(value, complex) else value)
    return complex(value)


def held(call: str, value, dtype: DType):
    """A number that is about to be written as `dtype`. Raises ArgumentError where it does not fit, as torch does."""
    if is_number(value) and dtypes.overflows(value.item() if isinstance(value, np.generic) else value, dtype):
        problem = f"value cannot be converted to type {dtype.name} without overflow: {value}"
        raise ArgumentError(message(call, problem, cure="Use a number in range, or a dtype that holds it"))
    if isinstance(value, Value) and value.weak and scope.limits is not None:  # a number that became an input
        scope.limits.append((value, dtype))
    return value


def filled(x: Value, value) -> Value:
    """A constant of `x`'s shape and dtype."""
    return constant(value, x.shape, x.dtype)


def literal(array, dtype: DType | None = None) -> Value:
    """A constant array."""
    array = np.asarray(array)
    if not array.shape:
        return constant(array.item(), (), dtype or dtypes.from_numpy_dtype(array.dtype))
    return p.literal(value=Literal(array if dtype is None else array.astype(dtype.np)))


def expanded(x: Value, shape: Shape) -> Value:
    """`x` broadcast to `shape`."""
    shape = tuple(shape)
    if x.shape == shape:
        return x
    lead = len(shape) - x.ndim
    return p.broadcast(x, shape=shape, dims=tuple(range(lead, len(shape))))


def placed(x: Operand, dtype: DType, shape: Shape) -> Value:
    """An operand as a Value of that dtype and shape."""
    if not isinstance(x, Value):
        return constant(x, shape, dtype)
    return expanded(cast(x, dtype), shape)


def common(call: str, *xs: Operand, dtype: DType | None = None) -> list[Value]:
    """The operands in one dtype (by promotion unless given) and one shape (by broadcasting)."""
    shape = together(call, *xs)
    dtype = dtype or result_type(*xs)
    return [placed(x, dtype, shape) for x in xs]


def common_float(call: str, *xs: Operand) -> list[Value]:
    """Like `common`; integers become the default floating-point dtype."""
    return common(call, *xs, dtype=float_of(result_type(*xs)))


def together(call: str, *xs: Operand) -> Shape:
    """The shape the operands broadcast to."""
    shapes = [x.shape for x in xs if isinstance(x, Value)]
    facts = [
        (name, x) for name, x in zip(("input", "other", "third", "fourth"), xs, strict=False) if isinstance(x, Value)
    ]
    return broadcast_sizes(call, *shapes, facts=facts)


def float_of(dtype: DType) -> DType:
    """The dtype a floating-point function of `dtype` has."""
    return dtype if dtype.kind in "fc" else dtypes.default_dtype()


def floating(x: Operand) -> Value:
    """`x` in a floating-point (or complex) dtype."""
    if not isinstance(x, Value):
        return constant(x, (), float_of(dtypes.number_dtype(x)))
    return cast(x, float_of(rank_of(x)[0]))


def strong(x: Operand) -> Value:
    """`x` as an ordinary Value of its own dtype."""
    if not isinstance(x, Value):
        return constant(x, (), dtypes.number_dtype(x))
    return cast(x, rank_of(x)[0])


def setting_dtype(dtype) -> DType | None:
    """A `dtype=` argument as a DType; None stays None."""
    return None if dtype is None else dtypes.as_dtype(dtype)


def need_real_value(call: str, value: Operand, dtype: DType) -> None:
    """Raise where a complex number is to be written among real ones."""
    if dtype.kind != "c" and rank_of(value)[0].kind == "c":
        raise DTypeError(message(call, f"value cannot be converted to type {dtype.name}: it is complex, {value}"))


def refuse_complex(call: str, *xs: Value) -> None:
    for x in xs:
        if isinstance(x, Value) and x.dtype.kind == "c":
            raise DTypeError(message(call, f"is not defined for complex numbers, got {x.dtype.name}", [("input", x)]))


def refuse_bool(call: str, x: Value, cure: str) -> None:
    if isinstance(x, Value) and x.dtype.kind == "b":
        raise DTypeError(message(call, "is not defined for bool tensors", [("input", x)], cure))


def need_float(call: str, x: Value, name: str = "input") -> None:
    """Raise DTypeError unless `x` is floating point or complex."""
    if x.dtype.kind not in "fc":
        cure = f"convert it first: {name}.float()"
        raise DTypeError(message(call, f"needs a floating-point {name}, got {x.dtype.name}", [(name, x)], cure))


def need_integer(call: str, x: Value, name: str) -> None:
    """Raise DTypeError unless `x` holds whole numbers."""
    if x.dtype.kind not in "iu":
        cure = f"convert it first: {name}.long()"
        raise DTypeError(
            message(call, f"{name} must hold whole numbers (int64), got {x.dtype.name}", [(name, x)], cure)
        )


def same_dtype(call: str, *named: tuple[str, Value]) -> None:
    """Raise DTypeError unless all named values have one dtype, as matmul and its kin ask."""
    first_name, first = named[0]
    for name, x in named[1:]:
        if x is None or x.dtype is first.dtype:
            continue
        problem = f"{first_name} is {first.dtype.name}, {name} is {x.dtype.name}; they must be the same dtype"
        raise DTypeError(message(call, problem, [(n, v) for n, v in named if v is not None], dtype_cure(named)))


def dtype_cure(named) -> str:
    """How to bring differing dtypes together; float64 usually comes from NumPy."""
    doubles = [n for n, x in named if x is not None and x.dtype is dtypes.float64]
    if doubles and any(x is not None and x.dtype is dtypes.float32 for _, x in named):
        n = doubles[0]
        return f"NumPy arrays are float64 unless told otherwise; convert with {n}.float() or array.astype('float32')"
    return f"convert one of them, for example {named[0][0]}.to({named[-1][0]}.dtype)"
