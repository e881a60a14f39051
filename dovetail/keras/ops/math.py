"""keras.ops: arithmetic, comparisons and reductions by NumPy's names. Each line renames a function of `dovetail.ops`.

Whole numbers become floatx where a function is not defined for them; `axis` and `keepdims` are what torch calls dim and
keepdim.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import dovetail.ops.primitives as p
from dovetail.base.errors import message
from dovetail.ir.core import Value
from dovetail.keras.dtypes import as_dtype
from dovetail.keras.ops.convert import axes, floating, tensor, tensors
from dovetail.keras.symbolic import symbolic
from dovetail.ops import calculus, compare, counting, create, fourier, linalg, reduce
from dovetail.ops import elementwise as e
from dovetail.ops import index as indexing
from dovetail.ops import matmul as products
from dovetail.ops import shape as s
from dovetail.ops import sort as sorting
from dovetail.ops.promote import cast, filled
from dovetail.tensor.op import op
from dovetail.tensor.tensor import Tensor

# -- one operand -------------------------------------------------------------------------------------------------------


def named(function, name: str, convert, doc: str):
    """A function of one tensor under Keras's name."""

    def call(x: Any):
        return function(convert(x))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    call.__module__ = __name__
    return symbolic(call)


arccos = named(e.acos, "arccos", floating, "Inverse cosine.")
arccosh = named(e.acosh, "arccosh", floating, "Inverse hyperbolic cosine.")
arcsin = named(e.asin, "arcsin", floating, "Inverse sine.")
arcsinh = named(e.asinh, "arcsinh", floating, "Inverse hyperbolic sine.")
arctan = named(e.atan, "arctan", floating, "Inverse tangent.")
arctanh = named(e.atanh, "arctanh", floating, "Inverse hyperbolic tangent.")
cos = named(e.cos, "cos", floating, "Cosine.")
cosh = named(e.cosh, "cosh", floating, "Hyperbolic cosine.")
deg2rad = named(e.deg2rad, "deg2rad", floating, "Degrees in radians.")
rad2deg = named(e.rad2deg, "rad2deg", floating, "Radians in degrees.")
erf = named(e.erf, "erf", floating, "Error function.")
erfc = named(e.erfc, "erfc", floating, "1 - erf(x).")
erfinv = named(e.erfinv, "erfinv", floating, "Inverse error function.")
exp = named(e.exp, "exp", floating, "e to the power of x.")
exp2 = named(e.exp2, "exp2", floating, "2 to the power of x.")
expm1 = named(e.expm1, "expm1", floating, "exp(x) - 1, exact near 0.")
i0 = named(e.i0, "i0", floating, "Modified Bessel function of order 0.")
log = named(e.log, "log", floating, "Natural logarithm.")
log10 = named(e.log10, "log10", floating, "Logarithm to base 10.")
log1p = named(e.log1p, "log1p", floating, "log(1 + x), exact near 0.")
log2 = named(e.log2, "log2", floating, "Logarithm to base 2.")
rsqrt = named(e.rsqrt, "rsqrt", floating, "1 / sqrt(x).")
sin = named(e.sin, "sin", floating, "Sine.")
sinc = named(e.sinc, "sinc", floating, "sin(pi x) / (pi x).")
sinh = named(e.sinh, "sinh", floating, "Hyperbolic sine.")
sqrt = named(e.sqrt, "sqrt", floating, "Square root.")
tan = named(e.tan, "tan", floating, "Tangent.")
abs = absolute = named(e.abs, "abs", tensor, "Distance from zero.")
fabs = named(e.abs, "fabs", floating, "Distance from zero, as a float.")
angle = named(e.angle, "angle", tensor, "The angle of complex numbers; pi for negative real ones.")
ceil = named(e.ceil, "ceil", floating, "The next whole number above.")
floor = named(e.floor, "floor", floating, "The next whole number below.")
trunc = named(e.trunc, "trunc", tensor, "The whole part.")
conj = conjugate = named(e.conj, "conj", tensor, "Complex conjugate.")
negative = named(e.neg, "negative", tensor, "-x.")
reciprocal = named(e.reciprocal, "reciprocal", floating, "1 / x.")
sign = named(e.sign, "sign", tensor, "-1, 0 or 1.")
signbit = named(e.signbit, "signbit", tensor, "Whether the sign bit is set.")
square = named(e.square, "square", tensor, "x * x.")
bitwise_not = bitwise_invert = named(e.bitwise_not, "bitwise_not", tensor, "Every bit turned.")
isfinite = named(compare.isfinite, "isfinite", tensor, "Whether a number is neither infinite nor NaN.")
isinf = named(compare.isinf, "isinf", tensor, "Whether a number is infinite.")
isnan = named(compare.isnan, "isnan", tensor, "Whether a number is NaN.")
isneginf = named(compare.isneginf, "isneginf", tensor, "Whether a number is -inf.")
isposinf = named(compare.isposinf, "isposinf", tensor, "Whether a number is +inf.")
isreal = named(compare.isreal, "isreal", tensor, "Whether the imaginary part is 0.")
logical_not = named(compare.logical_not, "logical_not", tensor, "Not x.")


@symbolic
def real(x: Any):
    """The real part."""
    x = tensor(x)
    return e.real(x) if x.dtype.kind == "c" else x


@symbolic
def imag(x: Any):
    """The imaginary part; zeros for real numbers."""
    x = tensor(x)
    return e.imag(x) if x.dtype.kind == "c" else create.zeros_like(x)


@op(top=False, name="cube_root")
def cube_root(input: Value) -> Value:
    """The real number whose third power is x."""
    size = p.abs(input)
    zero = p.eq(size, filled(size, 0))
    root = p.exp(p.log(p.where(zero, filled(size, 1), size)) * (1.0 / 3.0))
    return p.where(zero, filled(size, 0), root) * p.sign(input)


@symbolic
def cbrt(x: Any):
    """Cube root."""
    return cube_root(floating(x))


@symbolic
def round(x: Any, decimals: int = 0):
    """The nearest whole number (or multiple of 10 ** -decimals), halves to even."""
    return e.round(tensor(x), decimals=decimals)


@symbolic
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None):
    """NaN and infinities replaced by numbers."""
    return e.nan_to_num(tensor(x), nan, posinf, neginf)


@symbolic
def clip(x: Any, x_min: Any, x_max: Any):
    """x cut to [x_min, x_max]."""
    if isinstance(x_min, (list, np.ndarray)) or isinstance(x_max, (list, np.ndarray)):
        x_min, x_max = tensor(x_min), tensor(x_max)
    return e.clamp(tensor(x), x_min, x_max)


@symbolic
def copy(x: Any):
    """A copy."""
    return e.clone(tensor(x))


@symbolic
def stop_gradient(variable: Any):
    """The same values, from which no gradient flows back."""
    return s.detach(tensor(variable))


@symbolic
def view_as_complex(x: Any):
    """Pairs in the last axis as complex numbers."""
    return s.view_as_complex(tensor(x))


@symbolic
def view_as_real(x: Any):
    """Complex numbers as pairs in a new last axis."""
    return s.view_as_real(tensor(x))


@symbolic
def polar(abs_: Any, angle: Any):
    """Complex numbers from sizes and angles."""
    return e.polar(tensor(abs_), tensor(angle))


# -- two operands ------------------------------------------------------------------------------------------------------


def pair(a: Any, b: Any) -> tuple[Any, Any]:
    """Operands: tensors, or a tensor and a number."""
    if isinstance(a, (bool, int, float)) and isinstance(b, (Tensor, Value)):
        return a, b
    return tensor(a), b if isinstance(b, (bool, int, float, complex)) else tensor(b)


def binary(function, name: str, doc: str, convert=pair):
    """A function of two tensors under Keras's name."""

    def call(x1: Any, x2: Any):
        return function(*convert(x1, x2))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    call.__module__ = __name__
    return symbolic(call)


def strict(a: Any, b: Any) -> tuple[Any, Any]:
    """Both operands as tensors; Python numbers in the other's dtype."""
    if isinstance(a, (bool, int, float)) and hasattr(b, "dtype"):
        b = tensor(b)
        return tensor(a, b.dtype if not (isinstance(a, float) and b.dtype.kind in "iub") else None), b
    a = tensor(a)
    if isinstance(b, (bool, int, float)):
        return a, tensor(b, a.dtype if not (isinstance(b, float) and a.dtype.kind in "iub") else None)
    return a, tensor(b)


add = binary(e.add, "add", "x1 + x2.")
subtract = binary(e.sub, "subtract", "x1 - x2.", strict)
multiply = binary(e.mul, "multiply", "x1 * x2.")
divide = true_divide = binary(e.div, "divide", "x1 / x2.", strict)
floor_divide = binary(e.floor_divide, "floor_divide", "x1 / x2, rounded down.", strict)
mod = binary(e.remainder, "mod", "The rest of floor_divide; has the sign of x2.", strict)
fmod = binary(e.fmod, "fmod", "The rest of the division rounded to 0; has the sign of x1.", strict)
power = binary(e.pow, "power", "x1 to the power of x2.")
maximum = binary(e.maximum, "maximum", "The larger of both.", strict)
minimum = binary(e.minimum, "minimum", "The smaller of both.", strict)
fmax = binary(e.fmax, "fmax", "The larger of both, ignoring NaN.", strict)
fmin = binary(e.fmin, "fmin", "The smaller of both, ignoring NaN.", strict)
arctan2 = binary(e.atan2, "arctan2", "The angle of the point (x2, x1).", strict)
hypot = binary(e.hypot, "hypot", "sqrt(x1² + x2²).", strict)
logaddexp = binary(e.logaddexp, "logaddexp", "log(exp(x1) + exp(x2)).", strict)
logaddexp2 = binary(e.logaddexp2, "logaddexp2", "log2(2 ** x1 + 2 ** x2).", strict)
heaviside = binary(e.heaviside, "heaviside", "0 below 0, x2 at 0, 1 above.", strict)
nextafter = binary(e.nextafter, "nextafter", "The next number after x1 towards x2.", strict)
ldexp = binary(e.ldexp, "ldexp", "x1 * 2 ** x2.", strict)
gcd = binary(counting.gcd, "gcd", "Greatest common divisor.", strict)
lcm = binary(counting.lcm, "lcm", "Least common multiple.", strict)
equal = binary(compare.eq, "equal", "x1 == x2.", strict)
not_equal = binary(compare.ne, "not_equal", "x1 != x2.", strict)
greater = binary(compare.gt, "greater", "x1 > x2.", strict)
greater_equal = binary(compare.ge, "greater_equal", "x1 >= x2.", strict)
less = binary(compare.lt, "less", "x1 < x2.", strict)
less_equal = binary(compare.le, "less_equal", "x1 <= x2.", strict)
logical_and = binary(compare.logical_and, "logical_and", "x1 and x2.", strict)
logical_or = binary(compare.logical_or, "logical_or", "x1 or x2.", strict)
logical_xor = binary(compare.logical_xor, "logical_xor", "Either x1 or x2.", strict)
bitwise_and = binary(e.bitwise_and, "bitwise_and", "Bits set in both.", strict)
bitwise_or = binary(e.bitwise_or, "bitwise_or", "Bits set in either.", strict)
bitwise_xor = binary(e.bitwise_xor, "bitwise_xor", "Bits set in one of both.", strict)
bitwise_left_shift = left_shift = binary(e.bitwise_left_shift, "left_shift", "Bits moved up by x2 places.", strict)
bitwise_right_shift = right_shift = binary(
    e.bitwise_right_shift, "right_shift", "Bits moved down by x2 places.", strict
)


@op(top=False, name="divide_no_nan")
def divided_or_zero(input: Value, other: Value) -> Value:
    """input / other, 0 where other is 0."""
    none = p.eq(other, filled(other, 0))
    return p.where(none, filled(input, 0), input / p.where(none, filled(other, 1), other))


@symbolic
def divide_no_nan(x1: Any, x2: Any):
    """x1 / x2, 0 where x2 is 0."""
    a, b = strict(floating(x1), x2)
    a, b = s.broadcast_tensors(a, b)
    return divided_or_zero(a, b.to(a.dtype))


@symbolic
def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False):
    """Whether |x1 - x2| <= atol + rtol * |x2|."""
    return compare.isclose(tensor(x1), tensor(x2), rtol, atol, equal_nan)


@symbolic
def allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False):
    """Whether isclose holds everywhere."""
    return reduce.all(compare.isclose(tensor(x1), tensor(x2), rtol, atol, equal_nan))


@symbolic
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False):
    """Whether each of x1 is among x2."""
    return compare.isin(tensor(x1), tensor(x2), assume_unique=assume_unique, invert=invert)


@symbolic
def where(condition: Any, x1: Any = None, x2: Any = None):
    """x1 where the condition holds, else x2; with the condition alone, the places where it holds."""
    condition = tensor(condition)
    if x1 is None and x2 is None:
        return list(indexing.nonzero(condition, as_tuple=True))
    a, b = (
        strict(x1, x2)
        if not (isinstance(x1, (int, float)) and isinstance(x2, (int, float)))
        else (tensor(x1), tensor(x2))
    )
    return indexing.where(condition.to(as_dtype("bool")), a, b)


# -- products ----------------------------------------------------------------------------------------------------------


def alike(a: Any, b: Any) -> tuple[Any, Any]:
    """Two tensors in their common dtype."""
    a, b = tensor(a), tensor(b)
    if a.dtype is b.dtype:
        return a, b
    wanted = (
        np.promote_types(a.dtype.np, b.dtype.np)
        if a.dtype.kind == b.dtype.kind
        else (a if a.dtype.kind in "fc" else b).dtype.np
    )
    return tensor(a, wanted), tensor(b, wanted)


@symbolic
def matmul(x1: Any, x2: Any):
    """Matrix product of the last two axes, broadcast over the others."""
    return products.matmul(*alike(x1, x2))


@symbolic
def dot(x1: Any, x2: Any):
    """Sum over the last axis of x1 and the last but one of x2 (NumPy's dot)."""
    a, b = alike(x1, x2)
    if not a.ndim or not b.ndim:
        return e.mul(a, b)
    return products.tensordot(a, b, ([a.ndim - 1], [b.ndim - 2 if b.ndim > 1 else 0]))


@symbolic
def vdot(x1: Any, x2: Any):
    """Sum of all products."""
    a, b = alike(x1, x2)
    return products.vdot(s.ravel(a), s.ravel(b))


@symbolic
def inner(x1: Any, x2: Any):
    """Sum over the last axes of both."""
    return products.inner(*alike(x1, x2))


@symbolic
def outer(x1: Any, x2: Any):
    """Every product of one of x1 with one of x2."""
    a, b = alike(x1, x2)
    return products.outer(s.ravel(a), s.ravel(b))


@symbolic
def tensordot(x1: Any, x2: Any, axes: Any = 2):
    """Sum over these axes of both."""
    a, b = alike(x1, x2)
    return products.tensordot(
        a, b, axes if isinstance(axes, int) else [[i] if isinstance(i, int) else list(i) for i in axes]
    )


@symbolic
def einsum(subscripts: str, *operands: Any, **kwargs: Any):
    """Sums of products by Einstein's notation."""
    return products.einsum(subscripts, *tensors(operands))


@symbolic
def kron(x1: Any, x2: Any):
    """Kronecker product."""
    return products.kron(*alike(x1, x2))


@symbolic
def cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None):
    """Vector product."""
    a, b = alike(x1, x2)
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = s.movedim(a, axisa, -1), s.movedim(b, axisb, -1)
    if a.shape[-1] == 2 and b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return s.movedim(linalg.linalg_cross(a, b, dim=-1), -1, axisc)


# -- reductions --------------------------------------------------------------------------------------------------------


@symbolic
def sum(x: Any, axis: Any = None, keepdims: bool = False):
    """The sum."""
    x = tensor(x)
    made = reduce.sum(x, axes(axis), keepdims)
    return made if made.dtype is x.dtype or x.dtype.kind == "b" else made.to(x.dtype)


@symbolic
def mean(x: Any, axis: Any = None, keepdims: bool = False):
    """The mean."""
    return reduce.mean(floating(x), axes(axis), keepdims)


@symbolic
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None):
    """The product."""
    x = tensor(x) if dtype is None else tensor(x, dtype)
    if isinstance(axis, (tuple, list)):
        for d in sorted((a % x.ndim for a in axis), reverse=True):
            x = reduce.prod(x, d, keepdims)
        return x
    if axis is None and keepdims:
        return s.reshape(reduce.prod(x), (1,) * x.ndim)
    return reduce.prod(x, axis, keepdims) if axis is not None else reduce.prod(x)


@symbolic
def var(x: Any, axis: Any = None, keepdims: bool = False):
    """The mean squared distance from the mean."""
    return reduce.var(floating(x), axes(axis), keepdim=keepdims, correction=0)


@symbolic
def std(x: Any, axis: Any = None, keepdims: bool = False):
    """The root of var."""
    return reduce.std(floating(x), axes(axis), keepdim=keepdims, correction=0)


@symbolic
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None):
    """The largest."""
    x = tensor(x)
    if initial is not None:
        return (
            e.maximum(*strict(reduce.amax(x, () if axis is None else axes(axis), keepdims), initial))
            if x.numel()
            else tensor(initial)
        )
    return reduce.amax(x, () if axis is None else axes(axis), keepdims)


@symbolic
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None):
    """The smallest."""
    x = tensor(x)
    if initial is not None:
        return (
            e.minimum(*strict(reduce.amin(x, () if axis is None else axes(axis), keepdims), initial))
            if x.numel()
            else tensor(initial)
        )
    return reduce.amin(x, () if axis is None else axes(axis), keepdims)


@symbolic
def amax(x: Any, axis: Any = None, keepdims: bool = False):
    """The largest."""
    return max(x, axis, keepdims)


@symbolic
def amin(x: Any, axis: Any = None, keepdims: bool = False):
    """The smallest."""
    return min(x, axis, keepdims)


@symbolic
def ptp(x: Any, axis: Any = None, keepdims: bool = False):
    """The largest minus the smallest."""
    return max(x, axis, keepdims) - min(x, axis, keepdims)


@symbolic
def all(x: Any, axis: Any = None, keepdims: bool = False):
    """Whether all are true."""
    return reduce.all(tensor(x), axes(axis), keepdims)


@symbolic
def any(x: Any, axis: Any = None, keepdims: bool = False):
    """Whether one is true."""
    return reduce.any(tensor(x), axes(axis), keepdims)


@symbolic
def argmax(x: Any, axis: int | None = None, keepdims: bool = False):
    """Where the largest is."""
    return reduce.argmax(tensor(x), axis, keepdims)


@symbolic
def argmin(x: Any, axis: int | None = None, keepdims: bool = False):
    """Where the smallest is."""
    return reduce.argmin(tensor(x), axis, keepdims)


@symbolic
def count_nonzero(x: Any, axis: Any = None):
    """How many are not 0."""
    return reduce.count_nonzero(tensor(x), axes(axis))


@symbolic
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False):
    """log(sum(exp(x))), without overflow."""
    x = floating(x)
    return reduce.logsumexp(x, tuple(range(x.ndim)) if axis is None else axes(axis), keepdims)


@symbolic
def average(x: Any, axis: Any = None, weights: Any = None):
    """The weighted mean."""
    x = floating(x)
    if weights is None:
        return mean(x, axis)
    w = tensor(weights, x.dtype)
    if w.ndim != x.ndim and axis is not None:
        w = s.reshape(w, [n if d == axis % x.ndim else 1 for d, n in enumerate(x.shape)])
    total = reduce.sum(s.broadcast_tensors(w, x)[0], axes(axis))
    return reduce.sum(x * w, axes(axis)) / total


@symbolic
def median(x: Any, axis: Any = None, keepdims: bool = False):
    """The middle value, the mean of the two middle ones for even numbers."""
    return quantile(x, 0.5, axis, keepdims=keepdims)


@symbolic
def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False):
    """The value below which a share q of the values lies."""
    x = floating(x)
    if isinstance(axis, (tuple, list)):
        kept = [d for d in range(x.ndim) if d not in [a % x.ndim for a in axis]]
        shape = [x.shape[d] for d in kept]
        made = sorting.quantile(
            s.reshape(s.permute(x, (*kept, *[a % x.ndim for a in axis])), (*shape, -1)),
            q_of(q, x),
            -1,
            interpolation=method,
        )
        if keepdims:
            made = s.reshape(made, [1 if d not in kept else n for d, n in enumerate(x.shape)])
        return made
    return sorting.quantile(x, q_of(q, x), axis, keepdims, interpolation=method)


def q_of(q: Any, x: Any) -> Any:
    return float(q) if isinstance(q, (int, float)) else tensor(q, x.dtype)


@symbolic
def percentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False):
    """quantile in hundredths."""
    return quantile(x, q / 100 if isinstance(q, (int, float)) else tensor(q) / 100.0, axis, method, keepdims)


@symbolic
def cumsum(x: Any, axis: int | None = None, dtype: Any = None):
    """Running sums."""
    x = tensor(x) if dtype is None else tensor(x, dtype)
    made = sorting.cumsum(s.ravel(x), 0) if axis is None else sorting.cumsum(x, axis)
    return made if made.dtype is x.dtype or x.dtype.kind == "b" else made.to(x.dtype)


@symbolic
def cumprod(x: Any, axis: int | None = None, dtype: Any = None):
    """Running products."""
    x = tensor(x) if dtype is None else tensor(x, dtype)
    return sorting.cumprod(s.ravel(x), 0) if axis is None else sorting.cumprod(x, axis)


@symbolic
def diff(a: Any, n: int = 1, axis: int = -1):
    """Differences between neighbours, n times."""
    return sorting.diff(tensor(a), n, axis)


@symbolic
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1):
    """The integral by the trapezoidal rule."""
    if x is not None:
        return calculus.trapezoid(floating(y), floating(x), dim=axis)
    return calculus.trapezoid(floating(y), dx=dx, dim=axis)


# -- reductions that ignore NaN ----------------------------------------------------------------------------------------


def without_nan(x: Any, value: float) -> tuple[Any, Any]:
    """(x with `value` for NaN, where x was NaN)."""
    x = floating(x)
    bad = compare.isnan(x)
    return indexing.masked_fill(x, bad, value), bad


@symbolic
def nansum(x: Any, axis: Any = None, keepdims: bool = False):
    """The sum of what is not NaN."""
    return sum(without_nan(x, 0.0)[0], axis, keepdims)


@symbolic
def nanprod(x: Any, axis: Any = None, keepdims: bool = False):
    """The product of what is not NaN."""
    return prod(without_nan(x, 1.0)[0], axis, keepdims)


@symbolic
def nanmax(x: Any, axis: Any = None, keepdims: bool = False):
    """The largest of what is not NaN."""
    made, bad = max(without_nan(x, -math.inf)[0], axis, keepdims), all(without_nan(x, 0.0)[1], axis, keepdims)
    return indexing.masked_fill(made, bad, math.nan)


@symbolic
def nanmin(x: Any, axis: Any = None, keepdims: bool = False):
    """The smallest of what is not NaN."""
    made, bad = min(without_nan(x, math.inf)[0], axis, keepdims), all(without_nan(x, 0.0)[1], axis, keepdims)
    return indexing.masked_fill(made, bad, math.nan)


@symbolic
def nanmean(x: Any, axis: Any = None, keepdims: bool = False):
    """The mean of what is not NaN."""
    clean, bad = without_nan(x, 0.0)
    return sum(clean, axis, keepdims) / sum(compare.logical_not(bad).to(clean.dtype), axis, keepdims)


@symbolic
def nanvar(x: Any, axis: Any = None, keepdims: bool = False):
    """The variance of what is not NaN."""
    clean, bad = without_nan(x, 0.0)
    centered = indexing.masked_fill(clean - nanmean(x, axis, True), bad, 0.0)
    return sum(centered * centered, axis, keepdims) / sum(compare.logical_not(bad).to(clean.dtype), axis, keepdims)


@symbolic
def nanstd(x: Any, axis: Any = None, keepdims: bool = False):
    """The root of nanvar."""
    return e.sqrt(nanvar(x, axis, keepdims))


@symbolic
def nanmedian(x: Any, axis: Any = None, keepdims: bool = False):
    """The middle of what is not NaN."""
    return sorting.nanquantile(floating(x), 0.5, axis, keepdims)


@symbolic
def nanquantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False):
    """quantile of what is not NaN."""
    x = floating(x)
    return sorting.nanquantile(x, q_of(q, x), axis, keepdims, interpolation=method)


@symbolic
def nanpercentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False):
    """percentile of what is not NaN."""
    return nanquantile(x, q / 100 if isinstance(q, (int, float)) else tensor(q) / 100.0, axis, method, keepdims)


@symbolic
def nancumsum(x: Any, axis: int | None = None, dtype: Any = None):
    """Running sums with NaN as 0."""
    return cumsum(without_nan(x, 0.0)[0], axis, dtype)


@symbolic
def nancumprod(x: Any, axis: int | None = None, dtype: Any = None):
    """Running products with NaN as 1."""
    return cumprod(without_nan(x, 1.0)[0], axis, dtype)


@symbolic
def nanargmax(x: Any, axis: int | None = None, keepdims: bool = False):
    """Where the largest is, ignoring NaN; -1 where all are."""
    clean, bad = without_nan(x, -math.inf)
    return indexing.masked_fill(reduce.argmax(clean, axis, keepdims), all(bad, axis, keepdims), -1)


@symbolic
def nanargmin(x: Any, axis: int | None = None, keepdims: bool = False):
    """Where the smallest is, ignoring NaN; -1 where all are."""
    clean, bad = without_nan(x, math.inf)
    return indexing.masked_fill(reduce.argmin(clean, axis, keepdims), all(bad, axis, keepdims), -1)


# -- order and counts --------------------------------------------------------------------------------------------------


@symbolic
def sort(x: Any, axis: int = -1):
    """In rising order."""
    x = tensor(x)
    return sorting.sort(s.ravel(x), 0)[0] if axis is None else sorting.sort(x, axis)[0]


@symbolic
def argsort(x: Any, axis: int = -1):
    """The places in rising order of the values."""
    x = tensor(x)
    return sorting.argsort(s.ravel(x), 0, stable=True) if axis is None else sorting.argsort(x, axis, stable=True)


@symbolic
def argpartition(x: Any, kth: int, axis: int = -1):
    """Places with the kth smallest at kth; here fully sorted."""
    return argsort(x, axis)


@symbolic
def top_k(x: Any, k: int, sorted: bool = True):
    """(the k largest of the last axis, their places)."""
    made = sorting.topk(tensor(x), k, -1, True, sorted)
    return made[0], made[1].to(as_dtype("int32"))


@op(top=False, differentiable=False, name="in_top_k")
def among_top(targets: Value, predictions: Value, k: int) -> Value:
    """Whether fewer than k predictions of a row are larger than the target's."""
    line = p.reshape(cast(targets, as_dtype("int64")), shape=(targets.shape[0], 1))
    mine = p.broadcast(p.gather(predictions, line, dim=1), shape=predictions.shape, dims=(0, 1))
    larger = cast(p.gt(predictions, mine), as_dtype("int64"))
    count = p.reduce_sum(larger, dims=(1,))
    return p.lt(count, filled(count, k))


@symbolic
def in_top_k(targets: Any, predictions: Any, k: int):
    """Whether the prediction of each target is among the k largest of its row."""
    return among_top(tensor(targets), tensor(predictions), int(k))


@symbolic
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left"):
    """Where values would have to stand to keep the order."""
    return sorting.searchsorted(tensor(sorted_sequence), tensor(values), side=side)


@symbolic
def digitize(x: Any, bins: Any):
    """The number of the bin that each value falls into."""
    return sorting.bucketize(tensor(x), tensor(bins), right=True)


@symbolic
def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False):
    """How often each whole number occurs (along the last axis for matrices)."""
    x = tensor(x)
    if x.ndim == 2:
        rows = [
            counting.bincount(r, None if weights is None else tensor(weights)[i], minlength) for i, r in enumerate(x)
        ]
        most = np.max([r.shape[0] for r in rows])
        return s.stack([pad(r, ((0, int(most) - r.shape[0]),)) for r in rows])
    return counting.bincount(x, None if weights is None else tensor(weights), minlength)


@symbolic
def histogram(x: Any, bins: int = 10, range: Any = None):
    """(how many values fall into each bin, the edges)."""
    made = counting.histogram(s.ravel(floating(x)), bins, range=None if range is None else tuple(map(float, range)))
    return made[0].to(as_dtype("int32")), made[1]


@symbolic
def unique(x: Any, return_inverse: bool = False, return_counts: bool = False, axis: int | None = None, **kwargs: Any):
    """The different values in rising order."""
    return counting.unique(tensor(x), True, return_inverse, return_counts, axis)


@symbolic
def nonzero(x: Any):
    """The places that are not 0, one tensor for each axis."""
    return tuple(indexing.nonzero(tensor(x), as_tuple=True))


@symbolic
def unravel_index(indices: Any, shape: Any):
    """Places in a flat tensor as places along each axis."""
    return counting.unravel_index(tensor(indices), tuple(shape))


@symbolic
def corrcoef(x: Any):
    """Correlations between rows."""
    return linalg.corrcoef(floating(x))


@symbolic
def correlate(x1: Any, x2: Any, mode: str = "valid"):
    """Cross-correlation of two sequences (NumPy's correlate)."""
    a, b = alike(floating(x1), floating(x2))
    n, m = a.shape[0], b.shape[0]
    left = {"full": m - 1, "same": (m - 1) // 2 + (m - 1) % 2 if m % 2 == 0 else (m - 1) // 2, "valid": 0}[mode]
    right = {"full": m - 1, "same": m - 1 - left, "valid": 0}[mode]
    padded = pad(a, ((left, right),))
    count = n + left + right - m + 1
    return s.stack([reduce.sum(padded[i : i + m] * b) for i in range(count)]) if count > 0 else create.zeros(0)


# -- shapes ------------------------------------------------------------------------------------------------------------


@symbolic
def reshape(x: Any, newshape: Any):
    """Another shape with the same elements; one size may be -1."""
    return s.reshape(
        tensor(x),
        tuple(int(n) if n is not None else -1 for n in newshape)
        if isinstance(newshape, (tuple, list))
        else (int(newshape),),
    )


@symbolic
def ravel(x: Any):
    """One axis."""
    return s.ravel(tensor(x))


@symbolic
def transpose(x: Any, axes: Any = None):
    """Axes in another order, reversed unless told."""
    x = tensor(x)
    return s.permute(x, tuple(reversed(range(x.ndim))) if axes is None else tuple(axes))


@symbolic
def expand_dims(x: Any, axis: Any):
    """New axes of size 1."""
    x = tensor(x)
    if isinstance(axis, (tuple, list)):
        rank = x.ndim + len(axis)
        for d in sorted(a % rank for a in axis):
            x = s.unsqueeze(x, d)
        return x
    return s.unsqueeze(x, axis)


@symbolic
def squeeze(x: Any, axis: Any = None):
    """Without axes of size 1. Raises ArgumentError for an axis of another size."""
    x = tensor(x)
    if axis is None:
        return s.squeeze(x)
    wanted = [a % np.maximum(x.ndim, 1) for a in (axis if isinstance(axis, (tuple, list)) else [axis])]
    for a in wanted:
        if x.shape[a] != 1:
            raise ValueError(
                f"Cannot squeeze axis={axis}, because the dimension is not 1: the shape is {tuple(x.shape)}."
            )
    return s.reshape(x, [n for d, n in enumerate(x.shape) if d not in wanted])


@symbolic
def swapaxes(x: Any, axis1: int, axis2: int):
    """Two axes exchanged."""
    return s.transpose(tensor(x), axis1, axis2)


@symbolic
def moveaxis(x: Any, source: Any, destination: Any):
    """Axes at other places."""
    return s.movedim(tensor(x), source, destination)


@symbolic
def concatenate(xs: Any, axis: int = 0):
    """One after the other along an axis."""
    return (
        s.cat(tensors(xs), axis if axis is not None else 0)
        if axis is not None
        else s.cat([s.ravel(tensor(x)) for x in xs], 0)
    )


@symbolic
def stack(x: Any, axis: int = 0):
    """Along a new axis."""
    return s.stack(tensors(x), axis)


@symbolic
def hstack(xs: Any):
    """Side by side."""
    return s.hstack(tensors(xs))


@symbolic
def vstack(xs: Any):
    """One below the other."""
    return s.vstack(tensors(xs))


@symbolic
def dstack(xs: Any):
    """Along the third axis."""
    return s.dstack(tensors(xs))


@symbolic
def append(x1: Any, x2: Any, axis: int | None = None):
    """x2 behind x1."""
    return concatenate([x1, x2], axis)


@symbolic
def split(x: Any, indices_or_sections: Any, axis: int = 0):
    """Equal parts, or parts that begin at these indices."""
    x = tensor(x)
    if isinstance(indices_or_sections, int):
        if x.shape[axis] % indices_or_sections:
            raise ValueError(
                f"Cannot split axis {axis} of size {x.shape[axis]} into {indices_or_sections} equal parts."
            )
        return list(s.split(x, x.shape[axis] // indices_or_sections, axis))
    return list(indexing.tensor_split(x, [int(i) for i in indices_or_sections], axis))


@symbolic
def array_split(x: Any, indices_or_sections: Any, axis: int = 0):
    """Parts of nearly equal size."""
    wanted = indices_or_sections if isinstance(indices_or_sections, int) else list(indices_or_sections)
    return list(indexing.tensor_split(tensor(x), wanted, axis))


@symbolic
def hsplit(x: Any, indices_or_sections: Any):
    """Split along the second axis."""
    x = tensor(x)
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


@symbolic
def vsplit(x: Any, indices_or_sections: Any):
    """Split along the first axis."""
    return split(x, indices_or_sections, 0)


@symbolic
def dsplit(x: Any, indices_or_sections: Any):
    """Split along the third axis."""
    return split(x, indices_or_sections, 2)


@symbolic
def tile(x: Any, repeats: Any):
    """Repeated as a whole."""
    return s.tile(tensor(x), tuple(repeats) if isinstance(repeats, (tuple, list)) else (int(repeats),))


@symbolic
def repeat(x: Any, repeats: Any, axis: int | None = None):
    """Each element repeated."""
    return indexing.repeat_interleave(tensor(x), repeats if isinstance(repeats, int) else tensor(repeats), axis)


@symbolic
def roll(x: Any, shift: Any, axis: Any = None):
    """Moved along an axis; what falls off comes in again at the other end."""
    return s.roll(tensor(x), shift, axis)


@symbolic
def rot90(array: Any, k: int = 1, axes: Any = (0, 1)):
    """Turned by quarter turns."""
    return s.rot90(tensor(array), k, tuple(axes))


@symbolic
def flip(x: Any, axis: Any = None):
    """Turned around along an axis."""
    x = tensor(x)
    return s.flip(
        x, tuple(range(x.ndim)) if axis is None else tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    )


@symbolic
def fliplr(x: Any):
    """Left and right exchanged."""
    return s.fliplr(tensor(x))


@symbolic
def flipud(x: Any):
    """Up and down exchanged."""
    return s.flipud(tensor(x))


@symbolic
def broadcast_to(x: Any, shape: Any):
    """Repeated to a shape."""
    return s.broadcast_to(tensor(x), tuple(shape))


@symbolic
def unstack(x: Any, num: int | None = None, axis: int = 0):
    """The slices along an axis."""
    return list(s.unbind(tensor(x), axis))


@symbolic
def meshgrid(*x: Any, indexing: str = "xy"):
    """Coordinates of a grid."""
    return list(s.meshgrid(*tensors(x), indexing=indexing))


@symbolic
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None):
    """More elements at the ends of the axes: constants, or the content reflected or repeated."""
    x = tensor(x)
    if isinstance(pad_width, int):
        widths = [(pad_width, pad_width)] * x.ndim
    elif len(pad_width) and isinstance(pad_width[0], int):
        widths = [(int(pad_width[0]), int(pad_width[-1]))] * x.ndim
    else:
        widths = [(int(a), int(b)) for a, b in (pad_width if len(pad_width) == x.ndim else list(pad_width) * x.ndim)]
    if mode == "constant":
        return padded(x, tuple(widths), 0 if constant_values is None else constant_values)
    return mirrored(x, widths, mode)


@op(top=False, name="pad_with")
def padded(input: Value, widths: tuple, value) -> Value:
    """Constants around."""
    kind = {"b": bool, "f": float}.get(input.dtype.kind, int)
    return p.pad(input, low=tuple(a for a, _ in widths), high=tuple(b for _, b in widths), value=kind(value))


def mirrored(x: Any, widths: list, mode: str) -> Any:
    """The content reflected ("reflect", "symmetric"), its edge repeated ("edge") or the whole again ("wrap")."""
    numpy_mode = {"reflect": "reflect", "symmetric": "symmetric", "edge": "edge", "wrap": "wrap", "circular": "wrap"}[
        mode
    ]
    for d, (a, b) in enumerate(widths):
        if a or b:
            order = np.pad(np.arange(x.shape[d]), (a, b), mode=numpy_mode)  # type: ignore[call-overload]
            x = indexing.index_select(x, d, Tensor.from_data(order.astype(np.int64)))
    return x


@symbolic
def take(x: Any, indices: Any, axis: int | None = None):
    """Elements by their number along an axis (of the flat tensor without one)."""
    x, i = tensor(x), tensor(indices)
    i = i.to(as_dtype("int64")) if i.dtype.kind != "i" else i
    if axis is None:
        return indexing.take(x, i.to(as_dtype("int64")))
    axis %= x.ndim
    n = x.shape[axis]
    flat = s.ravel(i).to(as_dtype("int64"))
    flat = indexing.where(flat < 0, flat + n, flat)
    made = indexing.index_select(x, axis, flat)
    return s.reshape(made, (*x.shape[:axis], *i.shape, *x.shape[axis + 1 :]))


@symbolic
def take_along_axis(x: Any, indices: Any, axis: int | None = None):
    """For each row the elements that its own indices name."""
    x, i = tensor(x), tensor(indices).to(as_dtype("int64"))
    if axis is None:
        return indexing.take_along_dim(x, i)
    n = x.shape[axis]
    return indexing.take_along_dim(x, indexing.where(i < 0, i + n, i), axis)


@symbolic
def get_item(x: Any, key: Any):
    """x[key]."""
    return tensor(x)[key]


@symbolic
def diag(x: Any, k: int = 0):
    """A vector as a diagonal matrix; the diagonal of a matrix."""
    return s.diag(tensor(x), k)


@symbolic
def diagflat(x: Any, k: int = 0):
    """The flat tensor as a diagonal matrix."""
    return s.diagflat(tensor(x), k)


@symbolic
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1):
    """The diagonals of two axes."""
    return s.diagonal(tensor(x), offset, axis1, axis2)


@symbolic
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1):
    """The sum of the diagonal."""
    return reduce.sum(s.diagonal(tensor(x), offset, axis1, axis2), -1)


@symbolic
def tril(x: Any, k: int = 0):
    """The part on and below the diagonal."""
    return s.tril(tensor(x), k)


@symbolic
def triu(x: Any, k: int = 0):
    """The part on and above the diagonal."""
    return s.triu(tensor(x), k)


@symbolic
def vander(x: Any, N: int | None = None, increasing: bool = False):
    """Powers of x as columns."""
    return create.vander(tensor(x), N, increasing)


@symbolic
def vectorize(pyfunc: Any, *, excluded: Any = None, signature: Any = None):
    """A function of single rows as a function of batches."""
    return lambda *args: s.stack([tensor(pyfunc(*row)) for row in zip(*map(tensor, args), strict=True)])


# -- making ------------------------------------------------------------------------------------------------------------


def zeros(shape: Any, dtype: Any = None):
    """All 0."""
    return create.zeros(shape_of(shape), dtype=as_dtype(dtype))


def ones(shape: Any, dtype: Any = None):
    """All 1."""
    return create.ones(shape_of(shape), dtype=as_dtype(dtype))


def empty(shape: Any, dtype: Any = None):
    """Any values (zeros)."""
    return create.zeros(shape_of(shape), dtype=as_dtype(dtype))


def full(shape: Any, fill_value: Any, dtype: Any = None):
    """All the same value."""
    if isinstance(fill_value, (int, float, bool)):
        return create.full(
            shape_of(shape), fill_value, dtype=as_dtype(dtype) if dtype is not None else tensor(fill_value).dtype
        )
    return s.broadcast_to(tensor(fill_value, dtype), shape_of(shape))


def shape_of(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)


@symbolic
def zeros_like(x: Any, dtype: Any = None):
    """Zeros of the same shape."""
    return create.zeros_like(tensor(x), dtype=None if dtype is None else as_dtype(dtype))


@symbolic
def ones_like(x: Any, dtype: Any = None):
    """Ones of the same shape."""
    return create.ones_like(tensor(x), dtype=None if dtype is None else as_dtype(dtype))


@symbolic
def empty_like(x: Any, dtype: Any = None):
    """Any values of the same shape."""
    return zeros_like(x, dtype)


@symbolic
def full_like(x: Any, fill_value: Any, dtype: Any = None):
    """One value in the same shape."""
    x = tensor(x)
    return full(x.shape, fill_value, dtype or x.dtype)


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None):
    """Ones on a diagonal."""
    return Tensor.from_data(np.eye(N, M, k, dtype=as_dtype(dtype).np))


def identity(n: int, dtype: Any = None):
    """The identity matrix."""
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None):
    """Ones on and below a diagonal."""
    return Tensor.from_data(np.tri(N, M, k, dtype=as_dtype(dtype).np))


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None):
    """Evenly spaced numbers from start to before stop."""
    if stop is None:
        start, stop = 0, start
    step = 1 if step is None else step
    start, stop, step = (x.item() if isinstance(x, Tensor) else x for x in (start, stop, step))
    whole = not [x for x in (start, stop, step) if isinstance(x, float)]
    return create.arange(start, stop, step, dtype=as_dtype(dtype or ("int32" if whole else None)))


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0
):
    """`num` numbers from start to stop."""
    made = np.linspace(np.asarray(start), np.asarray(stop), num, endpoint, retstep, axis=axis)  # type: ignore[call-overload]
    wanted = as_dtype(dtype).np
    return (Tensor.from_data(made[0].astype(wanted)), made[1]) if retstep else Tensor.from_data(made.astype(wanted))


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: float = 10, dtype: Any = None, axis: int = 0
):
    """Powers of base with exponents from start to stop."""
    return Tensor.from_data(np.logspace(start, stop, num, endpoint, base, axis=axis).astype(as_dtype(dtype).np))


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0):
    """Numbers with equal ratios from start to stop."""
    return Tensor.from_data(np.geomspace(start, stop, num, endpoint, axis=axis).astype(as_dtype(dtype).np))


def array(x: Any, dtype: Any = None):
    """A tensor of x."""
    return tensor(x, dtype)


def hamming(x: int):
    """Hamming window."""
    return Tensor.from_data(np.hamming(int(x)).astype(np.float32))


def hanning(x: int):
    """Hann window."""
    return Tensor.from_data(np.hanning(int(x)).astype(np.float32))


def blackman(x: int):
    """Blackman window."""
    return Tensor.from_data(np.blackman(int(x)).astype(np.float32))


def bartlett(x: int):
    """Triangular window."""
    return Tensor.from_data(np.bartlett(int(x)).astype(np.float32))


def kaiser(x: int, beta: float):
    """Kaiser window."""
    return Tensor.from_data(np.kaiser(int(x), beta).astype(np.float32))


# -- segments ----------------------------------------------------------------------------------------------------------


def segments(data: Any, segment_ids: Any, num_segments: int | None, reduction: str, empty_value: Any):
    x, ids = tensor(data), tensor(segment_ids).to(as_dtype("int64"))
    count = int(ids.max().item()) + 1 if num_segments is None else int(num_segments)
    index = s.broadcast_to(s.reshape(ids, (ids.shape[0], *(1,) * (x.ndim - 1))), x.shape)
    start = create.full((count, *x.shape[1:]), empty_value, dtype=x.dtype)
    return indexing.scatter_reduce(start, 0, index, x, reduction, include_self=True)


def lowest(x: Any) -> Any:
    return -math.inf if x.dtype.kind == "f" else int(np.iinfo(x.dtype.np).min)


@symbolic
def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False):
    """Sums of the rows that have the same id."""
    return segments(data, segment_ids, num_segments, "sum", 0)


@symbolic
def segment_prod(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False):
    """Products of the rows that have the same id."""
    return segments(data, segment_ids, num_segments, "prod", 1)


@symbolic
def segment_max(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False):
    """The largest among the rows that have the same id."""
    return segments(data, segment_ids, num_segments, "amax", lowest(tensor(data)))


@symbolic
def segment_min(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False):
    """The smallest among the rows that have the same id."""
    x = tensor(data)
    return segments(
        x, segment_ids, num_segments, "amin", math.inf if x.dtype.kind == "f" else int(np.iinfo(x.dtype.np).max)
    )


# -- Fourier -----------------------------------------------------------------------------------------------------------


def complex_of(x: Any) -> Any:
    return e.complex(floating(x[0]), floating(x[1]))


def parts(z: Any) -> tuple[Any, Any]:
    return e.real(z), e.imag(z)


@symbolic
def fft(x: Any):
    """Discrete Fourier transform of (real, imaginary) along the last axis."""
    return parts(fourier.fft(complex_of(x)))


@symbolic
def fft2(x: Any):
    """Discrete Fourier transform of (real, imaginary) along the last two axes."""
    return parts(fourier.fft2(complex_of(x)))


@symbolic
def ifft2(x: Any):
    """The inverse of fft2."""
    return parts(fourier.ifft2(complex_of(x)))


@symbolic
def rfft(x: Any, fft_length: int | None = None):
    """Transform of real numbers: (real, imaginary) of the non-negative frequencies."""
    return parts(fourier.rfft(floating(x), fft_length))


@symbolic
def irfft(x: Any, fft_length: int | None = None):
    """The inverse of rfft."""
    return fourier.irfft(complex_of(x), fft_length)


@symbolic
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int):
    """Overlapping pieces of the last axis."""
    return s.unfold(tensor(x), -1, sequence_length, sequence_stride)


def window_of(window: Any, length: int, size: int) -> Any:
    if window is None:
        made = np.ones(length, np.float32)
    elif isinstance(window, str):
        n = np.arange(length) * 2 * np.pi / length  # periodic, as SciPy's get_window makes it
        made = {"hann": 0.5 - 0.5 * np.cos(n), "hamming": 0.54 - 0.46 * np.cos(n), "rect": np.ones(length)}[
            window
        ].astype(np.float32)
    else:
        made = np.asarray(window, np.float32)
    left = (size - length) // 2
    return np.pad(made, (left, size - length - left))


@symbolic
def stft(
    x: Any, sequence_length: int, sequence_stride: int, fft_length: int, window: Any = "hann", center: bool = True
):
    """Short-time Fourier transform: (real, imaginary), frames and frequencies as the last axes."""
    x = floating(x)
    if center:
        half = fft_length // 2
        x = pad(x, ((0, 0),) * (x.ndim - 1) + ((half, half),), mode="reflect")
    frames = s.unfold(x, -1, fft_length, sequence_stride)
    return parts(fourier.rfft(frames * tensor(window_of(window, sequence_length, fft_length), x.dtype)))


@symbolic
def istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
):
    """The inverse of stft, by overlapping and adding."""
    frames = fourier.irfft(complex_of(x), fft_length)
    w = window_of(window, sequence_length, fft_length)
    count = frames.shape[-2]
    total = fft_length + sequence_stride * (count - 1)
    norm = np.zeros(total, np.float32)
    for i in range(count):
        norm[i * sequence_stride : i * sequence_stride + fft_length] += w * w
    pieces = frames * tensor(w, frames.dtype)
    lead = frames.shape[:-2]
    out = create.zeros((*lead, total), dtype=frames.dtype)
    for i in range(count):
        at = i * sequence_stride
        out = out + pad(pieces[..., i, :], ((0, 0),) * len(lead) + ((at, total - at - fft_length),))
    out = out / tensor(np.where(norm > 1e-10, norm, 1.0).astype(np.float32))
    start = fft_length // 2 if center else 0
    end = start + length if length is not None else (total - fft_length // 2 if center else total)
    return out[..., start:end]


@symbolic
def saturate_cast(x: Any, dtype: Any):
    """cast, with values outside the new type's range cut to it."""
    x, wanted = tensor(x), as_dtype(dtype)
    if wanted.kind in "iu":
        facts = np.iinfo(wanted.np)
        x = e.clamp(x, facts.min, facts.max)
    return x.to(wanted)


@symbolic
def rearrange(tensor_: Any, pattern: str, **axes_lengths: int):
    """Axes regrouped by a pattern such as 'b h w -> b (h w)' (einops)."""
    x = tensor(tensor_)
    if not isinstance(pattern, str) or pattern.count("->") != 1:
        problem = f"the pattern must be text such as 'b h w -> b (h w)', got {pattern!r:.60}"
        raise TypeError(message("rearrange", problem))
    left, right = (groups(side) for side in pattern.split("->"))
    known = dict(axes_lengths)
    sizes: list[int] = []
    for group, n in zip(left, x.shape, strict=True):
        rest = n
        for name in group:
            if name in known:
                rest //= known[name]
        for name in group:
            known.setdefault(name, rest)
            sizes.append(known[name])
    order = [name for group in left for name in group]
    x = s.permute(s.reshape(x, sizes), [order.index(name) for group in right for name in group])
    return s.reshape(x, [math.prod(known[name] for name in group) for group in right])


def groups(side: str) -> list[list[str]]:
    """'b (h w)' -> [['b'], ['h', 'w']]"""
    found: list[list[str]] = []
    inside = False
    for token in side.replace("(", " ( ").replace(")", " ) ").split():
        if token == "(":
            inside = True
            found.append([])
        elif token == ")":
            inside = False
        elif inside:
            found[-1].append(token)
        else:
            found.append([token])
    return found
