"""What numbers a dtype can hold, and a few numbers by name."""

from __future__ import annotations

from math import e, inf, nan, pi

from dovetail.base.dtypes import DType, as_dtype, default_dtype

__all__ = ["e", "finfo", "iinfo", "inf", "nan", "newaxis", "pi"]

newaxis = None

# name -> (bits of the fraction, least exponent, largest exponent)
FORMATS = {
    "float16": (10, -14, 15),
    "bfloat16": (7, -126, 127),
    "float32": (23, -126, 127),
    "float64": (52, -1022, 1023),
}
DIGITS = {"float16": 3, "bfloat16": 2, "float32": 6, "float64": 15}


class finfo:
    """Limits of a floating-point dtype (of its parts, for a complex one).

    >>> finfo(as_dtype("float32")).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: DType | None = None):
        dtype = default_dtype() if type is None else as_dtype(type)
        if dtype.kind not in "fc":
            raise TypeError(f"finfo takes a floating-point dtype, got {dtype}; use iinfo for whole numbers")
        real = dtype.to_real()
        fraction, low, high = FORMATS[real.name]
        self.dtype, self.bits = dtype.name, 8 * real.itemsize
        self.eps = 2.0**-fraction
        self.max = (2.0 - self.eps) * 2.0**high
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0**low
        self.resolution = 10.0 ** -DIGITS[real.name]

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{k}={getattr(self, k):g}" for k in ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        )
        return f"finfo({parts}, dtype={self.dtype})"


class iinfo:
    """Limits of a whole-number dtype.

    >>> iinfo(as_dtype("int8")).max
    127
    """

    def __init__(self, type: DType):
        dtype = as_dtype(type)
        if dtype.kind not in "iu":
            raise TypeError(f"iinfo takes a whole-number dtype, got {dtype}; use finfo for floating point")
        signed = dtype.kind == "i"
        self.dtype, self.bits = dtype.name, 8 * dtype.itemsize
        self.max = (1 << (self.bits - signed)) - 1
        self.min = -(1 << (self.bits - 1)) if signed else 0

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
