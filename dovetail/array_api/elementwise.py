"""Functions of each element (2024.12, "Element-wise Functions").

Shape of the functions of one array: (*) -> (*); of two: both broadcast to one shape. Of two operands one may be a
Python number, which takes the other's dtype. A dtype that the standard leaves out raises DTypeError, as no code that
runs on every library can rely on it.
"""

# ruff: noqa: A001
from __future__ import annotations

from dovetail.array_api.operands import as_array, one, pair, result_of
from dovetail.base.dtypes import promote_types
from dovetail.ops import compare, elementwise
from dovetail.tensor.tensor import Tensor


def abs(x: Tensor, /) -> Tensor:
    """The absolute value; of complex numbers their length."""
    return elementwise.abs(one("abs", x, "biufc"))


def acos(x: Tensor, /) -> Tensor:
    """The inverse cosine."""
    return elementwise.acos(one("acos", x, "fc"))


def acosh(x: Tensor, /) -> Tensor:
    """The inverse hyperbolic cosine."""
    return elementwise.acosh(one("acosh", x, "fc"))


def add(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """The sum."""
    return elementwise.add(*pair("add", x1, x2, "iufc"))


def asin(x: Tensor, /) -> Tensor:
    """The inverse sine."""
    return elementwise.asin(one("asin", x, "fc"))


def asinh(x: Tensor, /) -> Tensor:
    """The inverse hyperbolic sine."""
    return elementwise.asinh(one("asinh", x, "fc"))


def atan(x: Tensor, /) -> Tensor:
    """The inverse tangent."""
    return elementwise.atan(one("atan", x, "fc"))


def atan2(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """The angle of the point (x2, x1)."""
    return elementwise.atan2(*pair("atan2", x1, x2, "f"))


def atanh(x: Tensor, /) -> Tensor:
    """The inverse hyperbolic tangent."""
    return elementwise.atanh(one("atanh", x, "fc"))


def bitwise_and(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """And, bit by bit."""
    return elementwise.bitwise_and(*pair("bitwise_and", x1, x2, "biu"))


def bitwise_invert(x: Tensor, /) -> Tensor:
    """Every bit inverted; logical not of truth values."""
    return elementwise.bitwise_not(one("bitwise_invert", x, "biu"))


def bitwise_left_shift(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """x1 with its bits moved up by x2 places."""
    return elementwise.bitwise_left_shift(*pair("bitwise_left_shift", x1, x2, "iu"))


def bitwise_or(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """Or, bit by bit."""
    return elementwise.bitwise_or(*pair("bitwise_or", x1, x2, "biu"))


def bitwise_right_shift(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """x1 with its bits moved down by x2 places; the sign stays."""
    return elementwise.bitwise_right_shift(*pair("bitwise_right_shift", x1, x2, "iu"))


def bitwise_xor(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """Exclusive or, bit by bit."""
    return elementwise.bitwise_xor(*pair("bitwise_xor", x1, x2, "biu"))


def ceil(x: Tensor, /) -> Tensor:
    """The least whole number that is not smaller."""
    x = one("ceil", x, "iuf")
    return elementwise.ceil(x) if x.dtype.kind in "fc" else elementwise.clone(x)


def clip(x: Tensor, /, min=None, max=None) -> Tensor:
    """The numbers held between two bounds, each a number, an array or None; the dtype is that of `x`."""
    x = one("clip", x, "iuf")
    for bound, hold in ((min, elementwise.maximum), (max, elementwise.minimum)):
        if bound is None:
            continue
        dtype = result_of("clip", x, bound) if not isinstance(bound, Tensor) else promote_types(x.dtype, bound.dtype)
        x = hold(as_array(x, dtype), as_array(bound, dtype)).to(x.dtype)
    return elementwise.clone(x) if min is None and max is None else x


def conj(x: Tensor, /) -> Tensor:
    """The complex conjugate."""
    return elementwise.conj_physical(one("conj", x, "biufc"))


def copysign(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """The size of x1 with the sign of x2."""
    return elementwise.copysign(*pair("copysign", x1, x2, "f"))


def cos(x: Tensor, /) -> Tensor:
    """The cosine."""
    return elementwise.cos(one("cos", x, "fc"))


def cosh(x: Tensor, /) -> Tensor:
    """The hyperbolic cosine."""
    return elementwise.cosh(one("cosh", x, "fc"))


def divide(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """The quotient."""
    return elementwise.div(*pair("divide", x1, x2, "fc"))


def equal(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """Whether the numbers are equal."""
    return compare.eq(*pair("equal", x1, x2, "biufc"))


def exp(x: Tensor, /) -> Tensor:
    """e to the power of each number."""
    return elementwise.exp(one("exp", x, "fc"))


def expm1(x: Tensor, /) -> Tensor:
    """exp(x) - 1, exact near 0."""
    return elementwise.expm1(one("expm1", x, "fc"))


def floor(x: Tensor, /) -> Tensor:
    """The greatest whole number that is not larger."""
    x = one("floor", x, "iuf")
    return elementwise.floor(x) if x.dtype.kind in "fc" else elementwise.clone(x)


def floor_divide(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """The greatest whole number not above the quotient."""
    return elementwise.floor_divide(*pair("floor_divide", x1, x2, "iuf"))


def greater(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """Whether x1 > x2."""
    return compare.gt(*pair("greater", x1, x2, "iuf"))


def greater_equal(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """Whether x1 >= x2."""
    return compare.ge(*pair("greater_equal", x1, x2, "iuf"))


def hypot(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """The length of (x1, x2), without overflow on the way."""
    return elementwise.hypot(*pair("hypot", x1, x2, "f"))


def imag(x: Tensor, /) -> Tensor:
    """The imaginary part."""
    return elementwise.imag(one("imag", x, "c"))


def isfinite(x: Tensor, /) -> Tensor:
    """Whether each number is neither infinite nor NaN."""
    return compare.isfinite(one("isfinite", x, "biufc"))


def isinf(x: Tensor, /) -> Tensor:
    """Whether each number is infinite."""
    return compare.isinf(one("isinf", x, "biufc"))


def isnan(x: Tensor, /) -> Tensor:
    """Whether each number is NaN."""
    return compare.isnan(one("isnan", x, "biufc"))


def less(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """Whether x1 < x2."""
    return compare.lt(*pair("less", x1, x2, "iuf"))


def less_equal(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """Whether x1 <= x2."""
    return compare.le(*pair("less_equal", x1, x2, "iuf"))


def log(x: Tensor, /) -> Tensor:
    """The natural logarithm."""
    return elementwise.log(one("log", x, "fc"))


def log10(x: Tensor, /) -> Tensor:
    """The logarithm to base 10."""
    return elementwise.log10(one("log10", x, "fc"))


def log1p(x: Tensor, /) -> Tensor:
    """log(1 + x), exact near 0."""
    return elementwise.log1p(one("log1p", x, "fc"))


def log2(x: Tensor, /) -> Tensor:
    """The logarithm to base 2."""
    return elementwise.log2(one("log2", x, "fc"))


def logaddexp(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """log(exp(x1) + exp(x2)), without overflow on the way."""
    return elementwise.logaddexp(*pair("logaddexp", x1, x2, "f"))


def logical_and(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """And, of truth values."""
    return compare.logical_and(*pair("logical_and", x1, x2, "b"))


def logical_not(x: Tensor, /) -> Tensor:
    """Not, of truth values."""
    return compare.logical_not(one("logical_not", x, "b"))


def logical_or(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """Or, of truth values."""
    return compare.logical_or(*pair("logical_or", x1, x2, "b"))


def logical_xor(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """Exclusive or, of truth values."""
    return compare.logical_xor(*pair("logical_xor", x1, x2, "b"))


def maximum(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """The larger; NaN where either is NaN."""
    return elementwise.maximum(*pair("maximum", x1, x2, "iuf"))


def minimum(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """The smaller; NaN where either is NaN."""
    return elementwise.minimum(*pair("minimum", x1, x2, "iuf"))


def multiply(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """The product."""
    return elementwise.mul(*pair("multiply", x1, x2, "iufc"))


def negative(x: Tensor, /) -> Tensor:
    """The number with the other sign."""
    return elementwise.neg(one("negative", x, "iufc"))


def nextafter(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """The next number from x1 towards x2."""
    return elementwise.nextafter(*pair("nextafter", x1, x2, "f"))


def not_equal(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """Whether the numbers differ."""
    return compare.ne(*pair("not_equal", x1, x2, "biufc"))


def positive(x: Tensor, /) -> Tensor:
    """The number itself."""
    return elementwise.clone(one("positive", x, "iufc"))


def pow(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """x1 to the power of x2."""
    return elementwise.pow(*pair("pow", x1, x2, "iufc"))


def real(x: Tensor, /) -> Tensor:
    """The real part."""
    x = one("real", x, "fc")
    return elementwise.real(x) if x.dtype.kind == "c" else elementwise.clone(x)


def reciprocal(x: Tensor, /) -> Tensor:
    """1 / x."""
    return elementwise.reciprocal(one("reciprocal", x, "fc"))


def remainder(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """What division leaves, with the sign of x2."""
    return elementwise.remainder(*pair("remainder", x1, x2, "iuf"))


def round(x: Tensor, /) -> Tensor:
    """The nearest whole number, the even one of two; of complex numbers part by part."""
    x = one("round", x, "iufc")
    if x.dtype.kind == "c":
        return elementwise.complex(elementwise.round(elementwise.real(x)), elementwise.round(elementwise.imag(x)))
    return elementwise.round(x) if x.dtype.kind == "f" else elementwise.clone(x)


def sign(x: Tensor, /) -> Tensor:
    """-1, 0 or 1; of complex numbers x / |x|."""
    return elementwise.sgn(one("sign", x, "iufc"))


def signbit(x: Tensor, /) -> Tensor:
    """Whether the sign is negative, that of -0.0 too."""
    return elementwise.signbit(one("signbit", x, "f"))


def sin(x: Tensor, /) -> Tensor:
    """The sine."""
    return elementwise.sin(one("sin", x, "fc"))


def sinh(x: Tensor, /) -> Tensor:
    """The hyperbolic sine."""
    return elementwise.sinh(one("sinh", x, "fc"))


def sqrt(x: Tensor, /) -> Tensor:
    """The square root."""
    return elementwise.sqrt(one("sqrt", x, "fc"))


def square(x: Tensor, /) -> Tensor:
    """x * x."""
    return elementwise.square(one("square", x, "iufc"))


def subtract(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """The difference."""
    return elementwise.sub(*pair("subtract", x1, x2, "iufc"))


def tan(x: Tensor, /) -> Tensor:
    """The tangent."""
    return elementwise.tan(one("tan", x, "fc"))


def tanh(x: Tensor, /) -> Tensor:
    """The hyperbolic tangent."""
    return elementwise.tanh(one("tanh", x, "fc"))


def trunc(x: Tensor, /) -> Tensor:
    """The whole number nearest towards 0."""
    x = one("trunc", x, "iuf")
    return elementwise.trunc(x) if x.dtype.kind in "fc" else elementwise.clone(x)
