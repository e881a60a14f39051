"""Arithmetic and functions of single elements.

Shape of every op here: (*) -> (*) with one input, operands broadcast together with several. Promotion is torch's:
whole numbers become the default floating-point dtype where a function is not defined for them.
"""

from __future__ import annotations

import math

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, DTypeError, message
from dovetail.ir.core import Value, scope
from dovetail.ops import return_types
from dovetail.ops.front import front
from dovetail.ops.promote import (
    cast,
    common,
    common_float,
    constant,
    expanded,
    filled,
    fitted,
    floating,
    held,
    is_number,
    need_float,
    need_real_value,
    placed,
    rank_of,
    refuse_bool,
    refuse_complex,
    result_type,
    together,
)
from dovetail.tensor.op import op
from dovetail.tensor.tensor import Tensor

# --- one operand, any dtype -------------------------------------------------------------------------------------------


@op(method=True, inplace=True, also=("absolute", "Tensor.__abs__"))
def abs(input):
    """Distance from zero; for complex numbers the modulus, a real number."""
    return input if input.dtype.kind in "bu" else p.abs(input)


@op(method=True, inplace=True, also=("negative", "Tensor.__neg__"))
def neg(input):
    """The number with the other sign. Raises DTypeError for bool tensors."""
    refuse_bool("neg", input, "use ~input (logical_not) for the opposite truth value")
    return p.neg(input)


@op(method=True, also=("Tensor.__pos__",))
def positive(input):
    """The input itself. Raises DTypeError for bool tensors."""
    refuse_bool("positive", input, "")
    return input


@op(method=True, inplace=True)
def sign(input):
    """-1, 0 or 1 by the sign of each element; NaN counts as 0, as in torch."""
    refuse_complex("sign", input)
    if input.dtype.kind == "b":
        return input
    return p.sign(input)


@op(method=True, inplace=True)
def sgn(input):
    """Like sign; for complex numbers the number divided by its modulus (0 for 0)."""
    if input.dtype.kind != "c":
        return input if input.dtype.kind == "b" else p.sign(input)
    size = cast(p.abs(input), input.dtype)
    zero = p.eq(input, filled(input, 0))
    return p.where(zero, filled(input, 0), input / p.where(zero, filled(input, 1), size))


@op(method=True, differentiable=False)
def signbit(input):
    """Whether the sign bit is set: negative numbers and -0.0."""
    refuse_complex("signbit", input)
    if input.dtype.kind in "bu":
        return constant(False, input.shape, dtypes.bool_)
    if input.dtype.kind == "i":
        return p.lt(input, filled(input, 0))
    return p.lt(p.copysign(filled(input, 1), input), filled(input, 0))


@op(method=True, inplace=True)
def square(input):
    """Each element times itself."""
    x = cast(input, dtypes.int64) if input.dtype.kind == "b" else input
    return p.mul(x, x)


@op(method=True, inplace=True)
def reciprocal(input):
    """One over each element."""
    return smooth(p.reciprocal, input)


def smooth(function, x: Value) -> Value:
    """A floating-point function; of whole numbers, which are exact, it is computed in double and rounded once.

    A formula of several steps uses it for its functions and rounds at every step: so it gives torch's very bits.
    """
    if x.dtype.kind in "biu":
        return cast(function(cast(x, dtypes.float64)), dtypes.default_dtype())
    return function(cast(x, x.dtype))


# --- one operand, floating point --------------------------------------------------------------------------------------


@op(method=True, inplace=True, also=("special.exp",))
def exp(input):
    """e to the power of each element."""
    return smooth(p.exp, input)


@op(method=True, inplace=True, also=("special.exp2",))
def exp2(input):
    """2 to the power of each element."""
    return smooth(p.exp2, input)


@op(method=True, inplace=True, also=("special.expm1",))
def expm1(input):
    """exp(x) - 1, exact for small x."""
    return smooth(p.expm1, input)


@op(method=True, inplace=True)
def log(input):
    """Natural logarithm."""
    return smooth(p.log, input)


@op(method=True, inplace=True)
def log2(input):
    """Logarithm to base 2."""
    return smooth(p.log2, input)


@op(method=True, inplace=True)
def log10(input):
    """Logarithm to base 10."""
    return smooth(p.log10, input)


@op(method=True, inplace=True, also=("special.log1p",))
def log1p(input):
    """log(1 + x), exact for small x."""
    return smooth(p.log1p, input)


@op(method=True, inplace=True)
def sqrt(input):
    """Square root; NaN for negative numbers."""
    return smooth(p.sqrt, input)


@op(method=True, inplace=True)
def rsqrt(input):
    """One over the square root."""
    return p.rsqrt(input) if input.dtype.kind in "fc" else 1.0 / smooth(p.sqrt, input)


@op(method=True, inplace=True)
def sin(input):
    """Sine of an angle in radians."""
    return smooth(p.sin, input)


@op(method=True, inplace=True)
def cos(input):
    """Cosine of an angle in radians."""
    return smooth(p.cos, input)


@op(method=True, inplace=True)
def tan(input):
    """Tangent of an angle in radians."""
    return smooth(p.tan, input)


@op(method=True, inplace=True, also=("arcsin",))
def asin(input):
    """The angle in radians with this sine."""
    return smooth(p.asin, input)


@op(method=True, inplace=True, also=("arccos",))
def acos(input):
    """The angle in radians with this cosine."""
    return smooth(p.acos, input)


@op(method=True, inplace=True, also=("arctan",))
def atan(input):
    """The angle in radians with this tangent."""
    return smooth(p.atan, input)


@op(method=True, inplace=True)
def sinh(input):
    """Hyperbolic sine."""
    return smooth(p.sinh, input)


@op(method=True, inplace=True)
def cosh(input):
    """Hyperbolic cosine."""
    return smooth(p.cosh, input)


@op(method=True, inplace=True, functional=True)
def tanh(input):
    """Hyperbolic tangent."""
    return smooth(p.tanh, input)


@op(method=True, inplace=True, also=("arcsinh",))
def asinh(input):
    """Inverse hyperbolic sine."""
    return smooth(p.asinh, input)


@op(method=True, inplace=True, also=("arccosh",))
def acosh(input):
    """Inverse hyperbolic cosine."""
    return smooth(p.acosh, input)


@op(method=True, inplace=True, also=("arctanh",))
def atanh(input):
    """Inverse hyperbolic tangent."""
    return smooth(p.atanh, input)


@op(method=True, inplace=True, functional=True, also=("special.expit",))
def sigmoid(input):
    """1 / (1 + exp(-x)): a score turned into a share between 0 and 1."""
    if input.dtype.kind in "fc":
        return p.sigmoid(input)
    return 1.0 / (smooth(lambda x: p.exp(p.neg(x)), input) + 1.0)


@op(method=True, inplace=True, also=("special.logit",))
def logit(input, eps=None):
    """log(x / (1 - x)), the inverse of sigmoid; `eps` keeps x inside [eps, 1 - eps] first."""
    x = floating(input)
    if eps is not None:
        x = clamp(x, eps, 1 - eps)
    return p.log(x / (1 - x))


@op(method=True, inplace=True, also=("special.erf",))
def erf(input):
    """Error function."""
    return smooth(p.erf, input)


@op(method=True, inplace=True, also=("special.erfc",))
def erfc(input):
    """1 - erf(x), exact for large x."""
    return smooth(p.erfc, input)


@op(method=True, inplace=True, also=("special.erfinv",))
def erfinv(input):
    """Inverse of erf."""
    return smooth(p.erfinv, input)


@op(method=True, inplace=True, also=("special.gammaln",))
def lgamma(input):
    """Logarithm of the absolute gamma function."""
    return smooth(p.lgamma, input)


@op(method=True, inplace=True, also=("special.digamma", "special.psi"))
def digamma(input):
    """Derivative of lgamma."""
    return smooth(p.digamma, input)


@op(method=True, inplace=True)
def deg2rad(input):
    """Degrees as radians."""
    x = floating(input)
    return x * filled(x, math.pi / 180)


@op(method=True, inplace=True)
def rad2deg(input):
    """Radians as degrees."""
    x = floating(input)
    return x * filled(x, 180 / math.pi)


@op(method=True, inplace=True, also=("special.sinc",))
def sinc(input):
    """sin(pi x) / (pi x), 1 at 0."""
    x = floating(input)
    angle = x * filled(x, math.pi)
    zero = p.eq(x, filled(x, 0))
    safe = p.where(zero, filled(x, 1), angle)
    near = 1 - angle * angle / 6  # the series at 0, so that the gradient there is 0 and not NaN
    return p.where(zero, near, p.sin(safe) / safe)


@op(method=True, inplace=True, also=("special.i0",))
def i0(input):
    """Modified Bessel function of the first kind, order 0."""
    return smooth(p.i0, input)


@op(method=True, inplace=True, also=("special.gammainc",), tensors=("other",))
def igamma(input, other):
    """Regularised lower incomplete gamma function P(input, other)."""
    return in_double(p.igamma, common("igamma", input, other))


@op(method=True, inplace=True, also=("special.gammaincc",), tensors=("other",))
def igammac(input, other):
    """Regularised upper incomplete gamma function Q(input, other)."""
    return in_double(p.igammac, common("igammac", input, other))


@op(top=False, name="polygamma", inplace=True, also=("Tensor.polygamma_",))
def derived_digamma(input, n):
    """The n-th derivative of digamma."""
    if n < 0:
        raise ArgumentError(message("polygamma", f"(n, x) does not support negative n, got {n}"))
    if n == 0:
        return smooth(p.digamma, input)
    return smooth(lambda x: p.polygamma(x, n=n), input)


@op(method=True, inplace=True, also=("special.multigammaln",))
def mvlgamma(input, p):
    """Logarithm of the multivariate gamma function of dimension p."""
    if p < 1:
        raise ArgumentError(message("mvlgamma", f"p has to be greater than or equal to 1, got {p}"))
    return smooth(lambda x: many_lgamma(x, p), input)


def many_lgamma(x: Value, size: int) -> Value:
    total = filled(x, size * (size - 1) / 4 * math.log(math.pi))
    for k in range(size):
        total = total + p.lgamma(x - k / 2)
    return total


@op(method=True)
def frexp(input):
    """(fraction in [1/2, 1), exponent of 2) whose product is the input."""
    need_float("frexp", input)
    return return_types.frexp(*p.frexp(input))


# --- rounding ---------------------------------------------------------------------------------------------------------


def _rounded(primitive, input: Value, name: str) -> Value:
    refuse_complex(name, input)
    if input.dtype.kind == "b":
        raise DTypeError(message(name, "is not defined for bool tensors", [("input", input)]))
    return primitive(input) if input.dtype.kind == "f" else input


@op(method=True, inplace=True)
def floor(input):
    """The largest whole number not above each element."""
    return _rounded(p.floor, input, "floor")


@op(method=True, inplace=True)
def ceil(input):
    """The smallest whole number not below each element."""
    return _rounded(p.ceil, input, "ceil")


@op(method=True, inplace=True, also=("fix",))
def trunc(input):
    """Each element without its fraction."""
    return _rounded(p.trunc, input, "trunc")


@op(method=True, inplace=True, also=("special.round",))
def round(input, *, decimals: int = 0):
    """The nearest number with `decimals` decimals; halves go to the even neighbour."""
    if decimals == 0 or input.dtype.kind != "f":
        return _rounded(p.round, input, "round")
    ten = filled(input, 10.0 ** builtin_abs(decimals))
    return p.round(input * ten) / ten if decimals > 0 else p.round(input / ten) * ten


def builtin_abs(n):
    return n if n >= 0 else -n


@op(method=True, inplace=True)
def frac(input):
    """The fraction that trunc drops."""
    need_float("frac", input)
    return input - p.trunc(input)


# --- complex numbers --------------------------------------------------------------------------------------------------


@op(view=True, also=("property.real",))
def real(input):
    """Real part."""
    return p.real(input) if input.dtype.kind == "c" else input


@op(view=True, also=("property.imag",))
def imag(input):
    """Imaginary part. Raises DTypeError for real tensors."""
    if input.dtype.kind != "c":
        raise DTypeError(message("imag", "is only defined for complex tensors", [("input", input)]))
    return p.imag(input)


@op(method=True)
def conj(input):
    """The number mirrored at the real axis."""
    return p.conj(input) if input.dtype.kind == "c" else input


@op(method=True)
def resolve_conj(input):
    """The input itself: a conjugation is never left pending here."""
    return input


@op(method=True, inplace=True)
def conj_physical(input):
    """The number mirrored at the real axis."""
    return p.conj(input) if input.dtype.kind == "c" else p.identity(input)


@op(method=True)
def resolve_neg(input):
    """The input itself: negation is never left pending here."""
    return input


@op(method=True)
def angle(input):
    """Argument of a complex number; 0 or pi for a real one."""
    if input.dtype.kind == "c":
        return p.angle(input)
    x = floating(input)
    turned = p.where(p.lt(x, filled(x, 0)), filled(x, math.pi), filled(x, 0))
    return p.where(p.is_nan(x), x, turned)


@op(tensors=("real", "imag"), exact_out=True)
def complex(real, imag):
    """real + i imag. Both parts must have one floating-point dtype."""
    if real.dtype is not imag.dtype or real.dtype.kind != "f":
        facts = [("real", real), ("imag", imag)]
        raise DTypeError(message("complex", "both parts must have the same floating-point dtype", facts))
    a, b = common("complex", real, imag)
    return _complex(a, b)


def _complex(a: Value, b: Value) -> Value:
    """a + ib of two real values of one shape."""
    return p.make_complex(a, b)


@op(tensors=("abs", "angle"), exact_out=True)
def polar(abs, angle):
    """abs * exp(i angle)."""
    a, b = common("polar", abs, angle)
    return _complex(a * p.cos(b), a * p.sin(b))


# --- two operands: arithmetic -----------------------------------------------------------------------------------------


@op(method=True, inplace=True, scalars=("input", "other", "alpha"), also=("Tensor.__add__", "Tensor.__radd__"))
def add(input, other, *, alpha=1):
    """input + alpha * other."""
    a, b = common("add", input, other)
    b = _times(b, alpha, "add")
    return p.bitwise_or(a, b) if a.dtype.kind == "b" else p.add(a, b)


def _times(b: Value, alpha, call: str) -> Value:
    """alpha * b in b's dtype; nothing is computed for the usual alpha=1."""
    if is_number(alpha) and alpha == 1:
        return b
    if b.dtype.kind == "b":
        return p.bitwise_and(b, placed(alpha, b.dtype, b.shape))
    if b.dtype.kind in "iu" and rank_of(alpha)[0].kind in "fc":
        raise DTypeError(message(call, f"alpha must be a whole number for {b.dtype.name} operands, got {alpha}"))
    return p.mul(b, placed(alpha, b.dtype, b.shape))


@op(method=True, inplace=True, scalars=("input", "other", "alpha"), also=("subtract", "Tensor.__sub__"))
def sub(input, other, *, alpha=1):
    """input - alpha * other. Raises DTypeError for bool tensors."""
    a, b = common("sub", input, other)
    _refuse_bool_sub(input, other)
    return p.sub(a, _times(b, alpha, "sub"))


def _refuse_bool_sub(*xs) -> None:
    for x in xs:
        if isinstance(x, Value):
            refuse_bool("sub", x, "use logical_xor (^) to compare truth values, or .int() to count with them")


@op(method=True, scalars=("other", "alpha"), also=("Tensor.__rsub__",))
def rsub(input, other, *, alpha=1):
    """other - alpha * input."""
    b, a = common("rsub", input, other)
    _refuse_bool_sub(input, other)
    return p.sub(a, _times(b, alpha, "rsub"))


@op(method=True, inplace=True, scalars=("input", "other"), also=("multiply", "Tensor.__mul__", "Tensor.__rmul__"))
def mul(input, other):
    """input * other."""
    a, b = common("mul", input, other)
    return p.bitwise_and(a, b) if a.dtype.kind == "b" else p.mul(a, b)


@op(method=True, inplace=True, scalars=("input", "other"), also=("divide", "Tensor.__truediv__"))
def div(input, other, *, rounding_mode=None):
    """input / other. Whole numbers divide to floating point unless `rounding_mode` is "floor" or "trunc"."""
    if rounding_mode is None:
        a, b = common_float("div", input, other)
        return p.div(a, b)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode != "trunc":
        raise ArgumentError(message("div", f"rounding_mode must be None, 'trunc' or 'floor', got {rounding_mode!r}"))
    a, b = _whole(*common("div", input, other))
    if a.dtype.kind in "iu":
        need_divisor("div", other, a)
        return p.floor_divide(a - p.fmod(a, b), b)
    return p.trunc(p.div(a, b))


def need_divisor(call: str, divisor, result: Value) -> None:
    """State that no whole number is divided by zero. Raises ArgumentError at once for a number.

    Tensors' numbers are known when the step runs, so looking at what it computed raises the error then.
    """
    if result.dtype.kind not in "iu" or not result.numel:
        return
    words = "ZeroDivisionError: whole numbers cannot be divided by zero"
    if is_number(divisor):
        if fitted(divisor, result.dtype) == 0:
            raise ArgumentError(message(call, words, [("divisor", str(divisor))]))
    elif scope.checks is not None:
        b = cast(divisor, result.dtype)
        scope.checks.append((p.eq(b, filled(b, 0)), 0, None, f"{call}: {words}"))


def _whole(*xs: Value) -> list[Value]:
    """Truth values counted as 0 and 1; other dtypes as they are."""
    return [cast(x, dtypes.int64) if x.dtype.kind == "b" else x for x in xs]


@op(method=True, inplace=True, scalars=("input", "other"))
def true_divide(input, other):
    """input / other, in floating point."""
    return div(input, other)


@op(top=False, scalars=("other",), also=("Tensor.__rtruediv__", "Tensor.__rdiv__"))
def rdiv(input, other):
    """other / input; for whole numbers, as torch has it, the reciprocal times `other`."""
    b, a = common_float("div", input, other)
    whole = isinstance(input, Value) and input.dtype.kind in "biu"
    return p.mul(p.reciprocal(b), a) if whole else p.div(a, b)


@op(method=True, inplace=True, scalars=("input", "other"), also=("Tensor.__floordiv__",))
def floor_divide(input, other):
    """The whole number of times `other` fits, rounded down."""
    refuse_complex("floor_divide", input, other)
    a, b = _whole(*common("floor_divide", input, other))
    need_divisor("floor_divide", other, a)
    return p.floor_divide(a, b)


@op(top=False, scalars=("other",), also=("Tensor.__rfloordiv__",))
def rfloor_divide(input, other):
    """The whole number of times `input` fits into `other`."""
    b, a = _whole(*common("floor_divide", input, other))
    need_divisor("floor_divide", input, a)
    return p.floor_divide(a, b)


@op(method=True, inplace=True, scalars=("input", "other"), also=("Tensor.__mod__",), one_tensor=True)
def remainder(input, other):
    """What floor division leaves; it has the sign of `other`, as in Python."""
    refuse_complex("remainder", input, other)
    a, b = _whole(*common("remainder", input, other))
    need_divisor("remainder", other, a)
    return p.remainder(a, b)


@op(top=False, scalars=("other",), also=("Tensor.__rmod__",))
def rremainder(input, other):
    """other % input."""
    b, a = _whole(*common("remainder", input, other))
    need_divisor("remainder", input, a)
    return p.remainder(a, b)


@op(method=True, inplace=True, scalars=("other",))
def fmod(input, other):
    """What truncated division leaves; it has the sign of `input`, as in C."""
    refuse_complex("fmod", input, other)
    a, b = _whole(*common("fmod", input, other))
    need_divisor("fmod", other, a)
    return p.fmod(a, b)


@op(method=True, inplace=True, scalars=("input", "exponent"), also=("Tensor.__pow__",), one_tensor=True)
def pow(input, exponent):
    """input to the power of exponent."""
    if isinstance(input, Value) and input.dtype.kind in "iu":
        held("pow", exponent, result_type(input, exponent))
    if is_number(exponent) and isinstance(input, Value):
        return _pow_number(input, exponent)
    a, b = common("pow", input, exponent)
    return p.pow(*_whole(a, b)) if a.dtype.kind != "b" else cast(p.pow(*_whole(a, b)), dtypes.bool_)


def _pow_number(x: Value, exponent) -> Value:
    """Powers with a number that has a cheaper spelling, as every ML library has them."""
    dtype = result_type(x, exponent)
    if dtype.kind in "iub" and exponent < 0:
        problem = (
            "whole numbers to negative whole powers are not whole (Integers to negative integer powers are not allowed)"
        )
        raise ArgumentError(message("pow", problem, [("input", x), ("exponent", exponent)], "use input.float()"))
    base = cast(x, dtype)
    if dtype.kind == "b":
        return p.bitwise_or(base, filled(base, exponent == 0))
    if exponent == 1:
        return p.identity(base)
    if exponent == 2:
        return p.mul(base, base)
    if exponent == 3:
        return p.mul(p.mul(base, base), base)
    if dtype.kind == "f" and exponent == 0.5:
        return p.sqrt(base)
    if dtype.kind == "f" and exponent == -1:
        return p.reciprocal(base)
    return p.pow(base, filled(base, exponent))


@op(top=False, scalars=("other",), also=("Tensor.__rpow__",))
def rpow(input, other):
    """other to the power of input."""
    b, a = common("pow", input, other)
    return p.pow(a, b)


@op(method=True, inplace=True, scalars=("input", "exponent"), one_tensor=True)
def float_power(input, exponent):
    """Power computed in double precision."""
    dtype = dtypes.complex128 if result_type(input, exponent).kind == "c" else dtypes.float64
    return p.pow(*common("float_power", input, exponent, dtype=dtype))


# --- two operands: choosing and combining -----------------------------------------------------------------------------


@op(method=True, tensors=("other",))
def maximum(input, other):
    """The larger of two elements; NaN if one is NaN."""
    refuse_complex("maximum", input, other)
    a, b = common("maximum", input, other)
    return p.bitwise_or(a, b) if a.dtype.kind == "b" else p.maximum(a, b)


@op(method=True, tensors=("other",))
def minimum(input, other):
    """The smaller of two elements; NaN if one is NaN."""
    refuse_complex("minimum", input, other)
    a, b = common("minimum", input, other)
    return p.bitwise_and(a, b) if a.dtype.kind == "b" else p.minimum(a, b)


@op(method=True, tensors=("other",))
def fmax(input, other):
    """The larger of two elements; a number wins over NaN."""
    a, b = common("fmax", input, other)
    if a.dtype.kind != "f":
        return maximum(input, other)
    return p.where(p.bitwise_or(p.ge(a, b), p.is_nan(b)), a, b)


@op(method=True, tensors=("other",))
def fmin(input, other):
    """The smaller of two elements; a number wins over NaN."""
    a, b = common("fmin", input, other)
    if a.dtype.kind != "f":
        return minimum(input, other)
    return p.where(p.bitwise_or(p.le(a, b), p.is_nan(b)), a, b)


@op(method=True, inplace=True, scalars=("min", "max"), also=("clip",))
def clamp(input, min=None, max=None):
    """Each element kept inside [min, max]; a bound may be a number, a tensor or None.

    Gradients pass where the element lies inside or on a bound. Source: agrees with torch.clamp.
    """
    if min is None and max is None:
        raise ArgumentError(message("clamp", "at least one of min and max must be given"))
    refuse_complex("clamp", input)
    bounds = [b for b in (min, max) if b is not None]
    x, *limits = common("clamp", input, *bounds)
    for b in bounds:
        held("clamp", b, x.dtype)
    if min is not None:
        low = limits.pop(0)
        x = p.where(p.lt(x, low), low, x)
        x = _nan_bound(x, low, min)
    if max is not None:
        high = limits.pop(0)
        x = p.where(p.gt(x, high), high, x)
        x = _nan_bound(x, high, max)
    return x


def _nan_bound(x: Value, bound: Value, given) -> Value:
    """A NaN in a tensor of bounds shows in the result."""
    if is_number(given) or given.weak or bound.dtype.kind != "f":
        return x
    return p.where(p.is_nan(bound), bound, x)


@op(method=True, inplace=True, scalars=("min",))
def clamp_min(input, min):
    """Each element, but not below `min`."""
    return clamp(input, min=min)


@op(method=True, inplace=True, scalars=("max",))
def clamp_max(input, max):
    """Each element, but not above `max`."""
    return clamp(input, max=max)


@op(method=True, inplace=True, also=("arctan2",), tensors=("other",))
def atan2(input, other):
    """The angle in radians of the point (x=other, y=input)."""
    return in_double(p.atan2, common("atan2", input, other))


@op(method=True, inplace=True, tensors=("other",))
def hypot(input, other):
    """sqrt(input² + other²) without overflow on the way."""
    return in_double(p.hypot, common("hypot", input, other))


@op(method=True, inplace=True, scalars=("other",))
def copysign(input, other):
    """The size of `input` with the sign of `other`."""
    return p.copysign(*common_float("copysign", input, other))


@op(method=True, inplace=True, tensors=("other",))
def nextafter(input, other):
    """The next number that the dtype can hold, towards `other`."""
    return p.nextafter(*common("nextafter", input, other))


@op(method=True, inplace=True, tensors=("other",))
def ldexp(input, other):
    """input * 2 ** other."""
    a, b = common_float("ldexp", input, other)
    return a * p.exp2(b)


@op(method=True, inplace=True, differentiable=False, tensors=("values",))
def heaviside(input, values):
    """0 below zero, 1 above, `values` at zero."""
    if input.dtype is not values.dtype:
        raise DTypeError(
            message("heaviside", "input and values must have one dtype", [("input", input), ("values", values)])
        )
    a, b = common("heaviside", input, values)
    step = cast(p.gt(a, filled(a, 0)), a.dtype)
    out = p.where(p.eq(a, filled(a, 0)), b, step)
    return p.where(p.is_nan(a), a, out) if a.dtype.kind == "f" else out


@op(method=True, tensors=("other",))
def logaddexp(input, other):
    """log(exp(input) + exp(other)) without overflow."""
    a, b = common("logaddexp", input, other)
    need_float("logaddexp", a)
    return _log_add(a, b, p.exp, p.log1p, 1.0)


@op(method=True, tensors=("other",))
def logaddexp2(input, other):
    """log2(2**input + 2**other) without overflow."""
    a, b = common("logaddexp2", input, other)
    need_float("logaddexp2", a)
    return _log_add(a, b, p.exp2, p.log1p, 1 / math.log(2))


def _log_add(a: Value, b: Value, power, log_one_plus, scale: float) -> Value:
    """The larger exponent plus what the smaller one adds; equal infinities stay themselves."""
    if a.dtype.kind == "c":
        ahead = p.lt(p.real(a), p.real(b))  # the phase is that of the larger one: it is not wrapped, as in torch
        top, low = p.where(ahead, b, a), p.where(ahead, a, b)
        return top + p.log(power(low - top) + 1.0) * filled(a, scale)
    top = p.where(p.ge(a, b), a, b)
    low = p.where(p.ge(a, b), b, a)
    same = p.bitwise_and(p.is_inf(a), p.eq(a, b))
    gap = p.where(same, filled(a, 0), low - top)
    grown = top + log_one_plus(power(gap)) * filled(a, scale)
    return p.where(same, a, grown)


@op(method=True, inplace=True, scalars=("input", "other"), also=("special.xlogy",), one_tensor=True)
def xlogy(input, other):
    """input * log(other), 0 where input is 0 (NaN where other is NaN)."""
    return _x_log(*common("xlogy", input, other), p.log)


@op(top=False, scalars=("input", "other"), also=("special.xlog1py",), one_tensor=True)
def xlog1py(input, other):
    """input * log1p(other), 0 where input is 0 (NaN where other is NaN)."""
    return _x_log(*common("xlog1py", input, other), p.log1p)


def in_double(function, operands: list[Value]) -> Value:
    """A floating-point function of several operands; of whole numbers computed in double and rounded once."""
    if operands[0].dtype.kind in "biu":
        return cast(function(*(cast(x, dtypes.float64) for x in operands)), dtypes.default_dtype())
    return function(*operands)


def _x_log(a: Value, b: Value, logarithm) -> Value:
    nothing = p.bitwise_and(p.eq(a, filled(a, 0)), p.bitwise_not(p.is_nan(b)))
    safe = p.where(nothing, filled(b, 1), b)
    # the product keeps d/da = log(b) there, as torch has it
    out = floating(a) * smooth(logarithm, safe)
    return p.where(nothing, filled(out, 0.0), out)


@op(method=True, scalars=("weight",), inplace=True)
def lerp(input, end, weight):
    """input + weight * (end - input): 0 gives input, 1 gives end."""
    if isinstance(end, Value) and end.dtype is not input.dtype:
        facts = [("input", input), ("end", end)]
        raise DTypeError(message("lerp", "input and end must have the same dtype", facts, "convert one of them first"))
    shape = together("lerp", input, end, weight)
    a, b, w = (placed(x, input.dtype, shape) for x in (input, end, weight))
    if is_number(weight) or a.dtype.kind == "c":
        return a + w * (b - a)
    near = p.lt(w, filled(w, 0.5))  # from the nearer end, so that weight 1 gives exactly `end`
    return p.where(near, a + w * (b - a), b - (b - a) * (filled(w, 1) - w))


@op(method=True, inplace=True, scalars=("value",))
def addcmul(input, tensor1, tensor2, *, value=1):
    """input + value * tensor1 * tensor2."""
    x, a, b = common("addcmul", input, tensor1, tensor2)
    return x + _times(a * b, value, "addcmul")


@op(method=True, inplace=True, scalars=("value",))
def addcdiv(input, tensor1, tensor2, *, value=1):
    """input + value * tensor1 / tensor2. Raises DTypeError for whole numbers."""
    x, a, b = common("addcdiv", input, tensor1, tensor2)
    if a.dtype.kind not in "fc":
        raise DTypeError(message("addcdiv", "does not divide whole numbers", [("input", input)], "use .float() first"))
    return x + _times(a / b, value, "addcdiv")


@op(method=True, inplace=True)
def nan_to_num(input, nan=0.0, posinf=None, neginf=None):
    """NaN, inf and -inf replaced: by 0 and the dtype's largest and smallest numbers unless given."""
    if input.dtype.kind not in "fc":
        return p.identity(input)
    if input.dtype.kind == "c":
        parts = (nan_to_num(p.real(input), nan, posinf, neginf), nan_to_num(p.imag(input), nan, posinf, neginf))
        return _complex(*parts)
    top = LARGEST[input.dtype.name]
    x = p.where(p.is_nan(input), filled(input, 0.0 if nan is None else nan), input)
    x = p.where(p.eq(x, filled(x, math.inf)), filled(x, top if posinf is None else posinf), x)
    return p.where(p.eq(x, filled(x, -math.inf)), filled(x, -top if neginf is None else neginf), x)


LARGEST = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
}


# --- bits -------------------------------------------------------------------------------------------------------------


def _bits(call: str, *xs) -> list[Value]:
    made = common(call, *xs)
    if made[0].dtype.kind not in "biu":
        raise DTypeError(
            message(
                call,
                f"works on whole numbers and truth values, got {made[0].dtype.name}",
                [("input", x) for x in xs if isinstance(x, Value)],
            )
        )
    return made


@op(method=True, inplace=True, scalars=("input", "other"), also=("Tensor.__and__", "Tensor.__rand__"), one_tensor=True)
def bitwise_and(input, other):
    """Bits set in both; logical and for bool."""
    return p.bitwise_and(*_bits("bitwise_and", input, other))


@op(method=True, inplace=True, scalars=("input", "other"), also=("Tensor.__or__", "Tensor.__ror__"), one_tensor=True)
def bitwise_or(input, other):
    """Bits set in either; logical or for bool."""
    return p.bitwise_or(*_bits("bitwise_or", input, other))


@op(method=True, inplace=True, scalars=("input", "other"), also=("Tensor.__xor__", "Tensor.__rxor__"), one_tensor=True)
def bitwise_xor(input, other):
    """Bits set in one of the two; exclusive or for bool."""
    return p.bitwise_xor(*_bits("bitwise_xor", input, other))


@op(method=True, inplace=True, also=("Tensor.__invert__",))
def bitwise_not(input):
    """Every bit turned over; logical not for bool."""
    return p.bitwise_not(*_bits("bitwise_not", input))


@op(method=True, inplace=True, scalars=("input", "other"), also=("Tensor.__lshift__",), one_tensor=True)
def bitwise_left_shift(input, other):
    """Bits moved left by `other` places."""
    return p.shift_left(*common("bitwise_left_shift", input, other))


@op(method=True, inplace=True, scalars=("input", "other"), also=("Tensor.__rshift__",), one_tensor=True)
def bitwise_right_shift(input, other):
    """Bits moved right by `other` places; the sign is kept."""
    return p.shift_right(*common("bitwise_right_shift", input, other))


@op(top=False, scalars=("other",), also=("Tensor.__rlshift__",))
def rleft_shift(input, other):
    """other << input."""
    b, a = common("bitwise_left_shift", input, other)
    return p.shift_left(a, b)


@op(top=False, scalars=("other",), also=("Tensor.__rrshift__",))
def rright_shift(input, other):
    """other >> input."""
    b, a = common("bitwise_right_shift", input, other)
    return p.shift_right(a, b)


# --- dtype moves ------------------------------------------------------------------------------------------------------


@op(method=True)
def type_as(input, other):
    """`input` in the dtype of `other`."""
    return cast(input, other.dtype)


@op(method=True)
def clone(input, *, memory_format=None):
    """A copy with storage of its own; gradients pass through."""
    return p.identity(input)


@op(method=True, inplace=True, scalars=("value",), also=("fill",))
def fill(input, value):
    """A tensor like `input`, filled with one value (a number or a 0-d tensor)."""
    if isinstance(value, Value) and value.shape:
        raise ArgumentError(message("fill", "value must be a number or a 0-d tensor", [("value", value)]))
    need_real_value("fill", value, input.dtype)
    return placed(held("fill", value, input.dtype), input.dtype, input.shape)


@op(top=False, inplace=True, also=("Tensor.zero_",))
def zero(input):
    """Zeros like `input`."""
    return filled(input, 0)


@op(method=True, inplace=True, also=("Tensor.copy_",))
def copy(input, src, non_blocking=False):
    """`src` broadcast to the shape and cast to the dtype of `input`."""
    return expanded(cast(src, input.dtype), input.shape)


@front()
def zero_(input: Tensor) -> Tensor:
    """Zeros written into `input`."""
    return zero.inplace(input)
