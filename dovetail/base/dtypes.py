"""Element types, their promotion lattice and their NumPy twins.

Names and promotion follow PyTorch (docs: "Tensor Attributes", type promotion). `bfloat16` has no NumPy twin of
its own; the `ml_dtypes` package supplies one, imported the first time somebody asks for `.np`.
"""

from __future__ import annotations

import math

import numpy as np

from dovetail.base import spelling
from dovetail.base.errors import DTypeError, message, need


class DType:
    """One element type. There is exactly one object for each name, so `is` compares them.

    kind: 'b' bool, 'u' unsigned, 'i' signed integer, 'f' floating point, 'c' complex.
    """

    __slots__ = ("name", "kind", "itemsize", "_np", "order")

    def __init__(self, name: str, kind: str, itemsize: int, order: int):
        self.name, self.kind, self.itemsize, self.order = name, kind, itemsize, order
        self._np = None if name == "bfloat16" else np.dtype("bool" if name == "bool" else name)

    @property
    def np(self) -> np.dtype:
        """The NumPy dtype with the same bits."""
        if self._np is None:
            self._np = np.dtype(need("ml_dtypes", "bfloat16", "bfloat16 in NumPy arrays").bfloat16)
        return self._np

    @property
    def is_floating_point(self) -> bool:
        return self.kind == "f"

    @property
    def is_complex(self) -> bool:
        return self.kind == "c"

    @property
    def is_signed(self) -> bool:
        return self.kind in "ifc"

    @property
    def is_differentiable(self) -> bool:
        """Whether gradients flow through values of this type."""
        return self.kind in "fc"

    def to_complex(self) -> DType:
        return {"float16": complex64, "float32": complex64, "float64": complex128}.get(self.name, complex64)

    def to_real(self) -> DType:
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def __eq__(self, other) -> bool:
        """Identity; a name counts too, since Keras programs write `x.dtype == "float32"`."""
        return self is other or (other.__class__ is str and other == self.name)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"{spelling.package}.{self.name}"

    __str__ = __repr__

    def __reduce__(self):
        return (dtype_named, (self.name,))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


bool_ = DType("bool", "b", 1, 0)
uint8 = DType("uint8", "u", 1, 1)
uint16 = DType("uint16", "u", 2, 2)
uint32 = DType("uint32", "u", 4, 3)
uint64 = DType("uint64", "u", 8, 4)
int8 = DType("int8", "i", 1, 5)
int16 = DType("int16", "i", 2, 6)
int32 = DType("int32", "i", 4, 7)
int64 = DType("int64", "i", 8, 8)
float16 = DType("float16", "f", 2, 9)
bfloat16 = DType("bfloat16", "f", 2, 10)
float32 = DType("float32", "f", 4, 11)
float64 = DType("float64", "f", 8, 12)
complex64 = DType("complex64", "c", 8, 13)
complex128 = DType("complex128", "c", 16, 14)

ALL = (
    bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, bfloat16, float32, float64, complex64,
    complex128,
)  # fmt: skip
BY_NAME = {d.name: d for d in ALL} | {
    "half": float16,
    "float": float32,
    "double": float64,
    "short": int16,
    "int": int32,
    "long": int64,
    "cfloat": complex64,
    "cdouble": complex128,
}
_FROM_NUMPY = {d._np: d for d in ALL if d._np is not None}
CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


def dtype_named(name: str) -> DType:
    """The dtype called `name` (torch's short names included). Raises KeyError for any other name."""
    return BY_NAME[name]


def from_numpy_dtype(dtype) -> DType:
    """The dtype with the same bits as a NumPy dtype. Raises TypeError where there is none."""
    dtype = np.dtype(dtype)
    found = _FROM_NUMPY.get(dtype) or _FROM_NUMPY.get(dtype.newbyteorder("="))
    if found is None and dtype.name == "bfloat16":
        return bfloat16
    if found is None:
        names = ", ".join(d.name for d in ALL)
        raise TypeError(f"a NumPy array of dtype {dtype} has no tensor counterpart; the supported dtypes are {names}")
    return found


def as_dtype(x) -> DType:
    """A DType from a DType, a name, a NumPy dtype or one of Python's bool, int, float, complex."""
    if isinstance(x, DType):
        return x
    if x is bool:
        return bool_
    if x is int:
        return int64
    if x is float:
        return default_dtype()
    if x is complex:
        return default_dtype().to_complex()
    if isinstance(x, str):
        name = x.rpartition(".")[2]
        if name in BY_NAME:
            return BY_NAME[name]
    try:
        return from_numpy_dtype(x)
    except ValueError:  # what NumPy says to an array or an object
        raise TypeError(message("dtype", f"must be a dtype such as dovetail.float32, not {type(x).__name__}")) from None


def promote_types(a: DType, b: DType) -> DType:
    """The smallest dtype both fit in, as torch.promote_types has it.

    Raises DTypeError for uint64 with a signed dtype.
    """
    for i, x in enumerate((a, b), 1):
        if not isinstance(x, DType):
            raise TypeError(f"promote_types(): argument 'type{i}' must be dtype, not {type(x).__name__}")
    if a is b:
        return a
    if a.order > b.order:
        a, b = b, a
    if b.kind == "c":
        return complex128 if b is complex128 or a is float64 else complex64
    if b.kind == "f":
        return float32 if a.kind == "f" and b is bfloat16 and a is float16 else b
    if a.kind == "u" and b.kind == "i":
        return signed_over(a, b)
    return b


def signed_over(a: DType, b: DType) -> DType:
    """The smallest signed dtype that holds the numbers of an unsigned `a` and a signed `b`.

    Raises DTypeError for uint64, whose numbers no signed dtype holds. (PyTorch refuses uint16 and uint32 here too.)
    """
    if a is uint64:
        problem = f"no dtype holds both the numbers of {a} and those of {b}"
        raise DTypeError(message("promote_types", problem, cure=f"convert one of them first, for example .to({b})"))
    return next(d for d in (int16, int32, int64) if d.itemsize > a.itemsize and d.itemsize >= b.itemsize)


def result_dtype(dims: list[tuple[DType, int]]) -> DType:
    """The dtype of an operation on operands given as (dtype, priority).

    Priority 2: a tensor with dimensions, 1: a 0-d tensor, 0: a Python number. A lower priority only counts where its
    category (bool, integer, float, complex) is higher than that of every operand above it (torch.result_type).
    """
    result: DType | None = None
    for priority in (2, 1, 0):
        level = None
        for d, p in dims:
            if p == priority:
                level = d if level is None else promote_types(level, d)
        if level is None:
            continue
        if result is None:
            result = level
        elif CATEGORY[level.kind] > CATEGORY[result.kind]:
            if level.kind == "c" and result.kind == "f":
                result = result.to_complex()
            else:
                result = promote_types(result, level) if priority else level
    assert result is not None
    return result


def number_dtype(x) -> DType:
    """The dtype a Python number stands for: bool, int64, the default float or its complex."""
    if isinstance(x, (bool, np.bool_)):
        return bool_
    if isinstance(x, (int, np.integer)):
        return int64
    if isinstance(x, (float, np.floating)):
        return default_dtype()
    return default_dtype().to_complex()


def overflows(value, dtype: DType) -> bool:
    """Whether a Python number lies outside a dtype, by torch's rule (c10::overflows).

    Infinity fits every float, a negative whole number every unsigned dtype whose largest number is not smaller.
    """
    if dtype.kind == "b":
        return False
    parts = (value.real, value.imag) if isinstance(value, complex) else (value,)
    if dtype.kind in "fc":
        real = dtype.to_real()
        if real.itemsize == 8:
            return False
        bits, power = {"float16": (10, 15), "bfloat16": (7, 127), "float32": (23, 127)}[real.name]
        top = (2 - 2.0**-bits) * 2.0**power
        return any(top < abs(x) < math.inf for x in parts)
    bits = 8 * dtype.itemsize
    high = (1 << bits - (dtype.kind == "i")) - 1
    low = -high - 1 if dtype.kind == "i" else 0 if isinstance(value, float) else -high
    return any(not low <= x <= high for x in parts)


_default = float32


def default_dtype() -> DType:
    """The dtype of new floating-point tensors; float32 unless set_default_dtype changed it."""
    return _default


def set_default_dtype(d) -> None:
    """Set the dtype of new floating-point tensors. Raises TypeError unless `d` is a floating-point dtype."""
    global _default
    d = as_dtype(d)
    if d.kind != "f":
        raise TypeError(f"set_default_dtype takes a floating-point dtype, got {d}; try dovetail.float32 or float64")
    _default = d
