"""Arguments as the standard has them: arrays, Python numbers that take the array's dtype, axes, the one device."""

from __future__ import annotations

from dovetail.base import dtypes
from dovetail.base.device import require_cpu
from dovetail.base.dtypes import DType, promote_types
from dovetail.base.errors import DTypeError, message
from dovetail.tensor.tensor import Tensor

NUMBERS = (bool, int, float, complex)
LEAST = {bool: "biufc", int: "iufc", float: "fc", complex: "c"}  # kinds that a Python number of this type can join
CATEGORY = {"b": "boolean", "u": "integer", "i": "integer", "f": "floating-point", "c": "complex"}


def array(call: str, x) -> Tensor:
    """`x`, which must be an array: the standard's functions take no lists."""
    if not isinstance(x, Tensor):
        raise TypeError(message(call, f"takes arrays, got {type(x).__name__}", cure="Make one: xp.asarray(...)"))
    return x


def on_cpu(device, call: str) -> None:
    if device is not None:
        require_cpu(device, call)


def result_of(call: str, *operands) -> DType:
    """The dtype of arrays, dtypes and Python numbers together."""
    found: DType | None = None
    numbers = []
    for x in operands:
        if isinstance(x, NUMBERS) and not isinstance(x, (Tensor, DType)):
            numbers.append(x)
            continue
        dtype = x.dtype if isinstance(x, Tensor) else dtypes.as_dtype(x)
        found = dtype if found is None else promote_types(found, dtype)
    if found is None:
        raise ValueError(message(call, "needs at least one array or dtype", cure="Make one: xp.asarray(...)"))
    for x in numbers:
        if found.kind in LEAST[type(x) if type(x) in LEAST else bool]:
            continue
        if isinstance(x, complex) and found.kind == "f":
            found = found.to_complex()
            continue
        problem = f"the number {x!r} cannot join a {CATEGORY[found.kind]} array ({found})"
        raise DTypeError(message(call, problem, cure="Convert the array first: xp.astype(x, ...)"))
    return found


def pair(call: str, x1, x2, kinds: str = "biufc") -> tuple[Tensor, Tensor]:
    """Two operands in one dtype; one may be a Python number."""
    if not isinstance(x1, Tensor) and not isinstance(x2, Tensor):
        array(call, x1 if not isinstance(x1, NUMBERS) else x2)
        array(call, x1)
    for x in (x1, x2):
        if not isinstance(x, NUMBERS):
            array(call, x)
    dtype = result_of(call, x1, x2)
    if dtype.kind not in kinds:
        raise DTypeError(message(call, f"is not defined for {CATEGORY[dtype.kind]} arrays", [("x1", x1), ("x2", x2)]))
    return as_array(x1, dtype), as_array(x2, dtype)


def as_array(x, dtype: DType) -> Tensor:
    """An operand as an array of this dtype."""
    if isinstance(x, Tensor):
        return x.to(dtype)
    if dtype.kind in "iu":
        fits(x, dtype)
    return Tensor.from_data(x, dtype)


def fits(x: int, dtype: DType) -> None:
    bits = 8 * dtype.itemsize
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if dtype.kind == "i" else (0, (1 << bits) - 1)
    if not low <= x <= high:
        raise OverflowError(message("asarray", f"{x} does not fit into {dtype} ({low} to {high})"))


def one(call: str, x, kinds: str = "biufc") -> Tensor:
    """One operand of these kinds."""
    array(call, x)
    if x.dtype.kind not in kinds:
        raise DTypeError(message(call, f"is not defined for {CATEGORY[x.dtype.kind]} arrays", [("x", x)]))
    return x


def axes_of(call: str, axis, ndim: int) -> tuple[int, ...]:
    """Axes as numbers from 0; all of them for None. Raises IndexError outside the rank."""
    given = tuple(range(ndim)) if axis is None else tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    for d in given:
        if not -ndim <= d < ndim:
            raise IndexError(message(call, f"axis {d} is outside an array of {ndim} dimensions"))
    return tuple(d % ndim for d in given)
