"""Element primitives: out[i] = f(a[i], b[i], ...), on operands of one shape and (unless said) one dtype.

Gradients follow PyTorch: for complex operands a rule multiplies by the conjugate of the derivative; at the border of
two branches `maximum` and `minimum` share equally and `abs` gives 0. Rules are written in Values, so any order works;
their operators (`g * out`) are installed by `prims.sugar`.
"""

from __future__ import annotations

import math

import numpy as np

from dovetail.base.dtypes import DType, bool_, int64
from dovetail.base.errors import DTypeError, ShapeError, message
from dovetail.ir.core import Primitive, Value
from dovetail.prims import special
from dovetail.prims.families import ELEMENT
from dovetail.prims.make import constant, constant_like, zeros_like

FLOAT, FLOATS, NUMBERS, ORDERED, BITS, ANY = "f", "fc", "uifc", "buif", "bui", "buifc"
LN2, LN10 = math.log(2.0), math.log(10.0)


def check_kind(prim: Primitive, x: Value) -> None:
    if prim.kinds and x.dtype.kind not in prim.kinds:
        words = {"b": "bool", "u": "unsigned", "i": "integer", "f": "floating-point", "c": "complex"}
        takes = ", ".join(words[k] for k in prim.kinds)
        raise DTypeError(message(prim.name, f"takes {takes} values, got {x.dtype.name}", [("input", x)]))


def check_same(prim: Primitive, a: Value, b: Value) -> None:
    if a.shape != b.shape:
        raise ShapeError(message(prim.name, "the operands' sizes differ", [("left", a), ("right", b)]))
    if a.dtype is not b.dtype:
        raise DTypeError(message(prim.name, "the operands' dtypes differ", [("left", a), ("right", b)]))


def unary(name: str, meaning, kinds: str, result=None) -> Primitive:
    """A primitive of one operand. result: the dtype of the result as a function of the operand's (the same if None)."""
    prim = Primitive(name, ELEMENT, lambda x: np.asarray(meaning(x)))
    prim.kinds = kinds

    def shape(x):
        if x.dtype.kind not in kinds:
            check_kind(prim, x)
        return x.shape, result(x.dtype) if result else x.dtype

    prim.shape_rule = shape
    return prim


def binary(name: str, meaning, kinds: str, result: DType | None = None) -> Primitive:
    """A primitive of two operands with one shape and dtype."""
    prim = Primitive(name, ELEMENT, lambda a, b: np.asarray(meaning(a, b)))
    prim.kinds = kinds

    def shape(a, b):
        if a.shape != b.shape or a.dtype is not b.dtype:
            check_same(prim, a, b)
        if a.dtype.kind not in kinds:
            check_kind(prim, a)
        return a.shape, result or a.dtype

    prim.shape_rule = shape
    return prim


def no_gradient(*prims: Primitive) -> None:
    """Results that cannot have a gradient: truth values and bits."""
    for prim in prims:
        prim.differentiable = False


def flat(*prims: Primitive) -> None:
    """Step functions: their gradient is zero everywhere (a zero, not an absent gradient, as in torch)."""
    for prim in prims:
        prim.gradient_rule = lambda g, out, *inputs: tuple(zeros_like(x) for x in inputs)


def conjugate(x: Value) -> Value:
    """The complex conjugate; x itself where x is real."""
    return conj(x) if x.dtype.kind == "c" else x


def cast(x: Value, dtype: DType) -> Value:
    """x with another element type; x itself where it already has it."""
    return x if x.dtype is dtype else convert(x, dtype=dtype)


def half_up(function):
    """Compute float16 and bfloat16 in float32 and round once, as the compiled code does."""

    def rounded(x):
        if x.dtype.itemsize == 2 and x.dtype.kind not in "ui":
            return np.asarray(function(x.astype(np.float32))).astype(x.dtype)
        return function(x)

    return rounded


# -- kinds of copies ---------------------------------------------------------------------------------------------------


def convert_meaning(x, *, dtype):
    """As C converts: towards zero, integers wrap, complex to real drops the imaginary part."""
    target = dtype.np
    if x.dtype == target:
        return x
    if dtype.kind == "b":
        return x != 0
    if x.dtype.kind == "c" and dtype.kind != "c":
        x = x.real
    if dtype.kind in "ui" and x.dtype.kind not in "bui":
        return whole(x, dtype)
    if dtype.itemsize == 2 and dtype.kind == "f" and x.dtype.itemsize > 4:
        x = x.astype(np.float32)  # as torch does it
    return x.astype(target)


def whole(x, dtype):
    """Floats as whole numbers. What C leaves open is what x86 does, on every machine and in both tiers:

    a float outside the range, or NaN, becomes the lowest number; narrow integers come from int32 and wrap, so that
    300.0 becomes uint8 44; unsigned ones from int64.
    """
    if dtype.name == "uint64":
        high = x >= 2.0**63
        return whole(np.where(high, x - 2.0**63, x), int64).view(np.uint64) ^ (high.astype(np.uint64) << np.uint64(63))
    wide = np.int64 if dtype.itemsize == 8 or dtype.name == "uint32" else np.int32
    limit = 2.0 ** (8 * np.dtype(wide).itemsize - 1)
    x = x if x.dtype.itemsize > 2 else x.astype(np.float32)
    return np.where(x < limit, np.maximum(x, -limit), -limit).astype(wide).astype(dtype.np)


convert = Primitive("convert", ELEMENT, convert_meaning)


@convert.shape
def convert_shape(x, *, dtype):
    return x.shape, dtype


@convert.gradient
def convert_gradient(g, out, x, *, dtype):
    if x.dtype.kind not in FLOATS or g.dtype.kind not in FLOATS:
        return (None,)
    if g.dtype.kind == "c" and x.dtype.kind != "c":
        g = real(g)
    return (cast(g, x.dtype),)


detach = unary("detach", lambda x: x, ANY)
identity = unary("identity", lambda x: x, ANY)


@detach.gradient
def detach_gradient(g, out, x):
    return (None,)


@identity.gradient
def identity_gradient(g, out, x):
    return (g,)


@detach.write
@identity.write
def same_place(base, new):
    return new


# -- signs and roundings -----------------------------------------------------------------------------------------------


def sign_meaning(x):
    """-1, 0 or 1; the sign of NaN is 0. For a complex number: the number over its size (torch.sgn)."""
    if x.dtype.kind == "c":
        size = np.abs(x)
        return np.where(size == 0, 0, x / np.where(size == 0, 1, size)).astype(x.dtype)
    if x.dtype.kind == "b":
        return x
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


neg = unary("neg", np.negative, NUMBERS)
abs_ = unary("abs", np.abs, NUMBERS, result=DType.to_real)
sign = unary("sign", sign_meaning, ANY)
floor = unary("floor", half_up(np.floor), FLOAT)
ceil = unary("ceil", half_up(np.ceil), FLOAT)
round_ = unary("round", half_up(np.rint), FLOAT)
trunc = unary("trunc", half_up(np.trunc), FLOAT)
flat(floor, ceil, round_, trunc)


@neg.gradient
def neg_gradient(g, out, x):
    return (neg(g),)


@abs_.gradient
def abs_gradient(g, out, x):
    return (cast(g, x.dtype) * sign(x),)


@sign.gradient
def sign_gradient(g, out, x):
    """Zero for real x; for complex x the part of g / |x| across the direction of x."""
    if x.dtype.kind != "c":
        return (zeros_like(x),)
    size = abs_(x)
    zero = eq(size, zeros_like(size))
    safe = cast(where(zero, constant_like(size, 1), size), x.dtype)
    along = cast(real(g * conj(out)), x.dtype)
    return (where(zero, zeros_like(x), (g - along * out) / safe),)


# -- exponentials and logarithms ---------------------------------------------------------------------------------------

exp = unary("exp", np.exp, FLOATS)
exp2 = unary("exp2", np.exp2, FLOATS)
expm1 = unary("expm1", np.expm1, FLOATS)
log = unary("log", np.log, FLOATS)
log2 = unary("log2", np.log2, FLOATS)
log10 = unary("log10", np.log10, FLOATS)
log1p = unary("log1p", np.log1p, FLOATS)


@exp.gradient
def exp_gradient(g, out, x):
    return (g * conjugate(out),)


@exp2.gradient
def exp2_gradient(g, out, x):
    return (g * conjugate(out) * LN2,)


@expm1.gradient
def expm1_gradient(g, out, x):
    return (g * conjugate(out + 1.0),)


@log.gradient
def log_gradient(g, out, x):
    return (g / conjugate(x),)


@log2.gradient
def log2_gradient(g, out, x):
    return (g / conjugate(x * LN2),)


@log10.gradient
def log10_gradient(g, out, x):
    return (g / conjugate(x * LN10),)


@log1p.gradient
def log1p_gradient(g, out, x):
    return (g / conjugate(x + 1.0),)


# -- roots -------------------------------------------------------------------------------------------------------------

sqrt = unary("sqrt", np.sqrt, FLOATS)
rsqrt = unary("rsqrt", half_up(lambda x: np.reciprocal(np.sqrt(x))), FLOATS)
reciprocal = unary("reciprocal", np.reciprocal, FLOATS)


@sqrt.gradient
def sqrt_gradient(g, out, x):
    return (g / conjugate(out * 2.0),)


@rsqrt.gradient
def rsqrt_gradient(g, out, x):
    return (g * conjugate(out * out * out * -0.5),)


@reciprocal.gradient
def reciprocal_gradient(g, out, x):
    return (neg(g * conjugate(out * out)),)


# -- circular and hyperbolic functions ---------------------------------------------------------------------------------

sin = unary("sin", np.sin, FLOATS)
cos = unary("cos", np.cos, FLOATS)
tan = unary("tan", np.tan, FLOATS)
asin = unary("asin", np.arcsin, FLOATS)
acos = unary("acos", np.arccos, FLOATS)
atan = unary("atan", np.arctan, FLOATS)
sinh = unary("sinh", np.sinh, FLOATS)
cosh = unary("cosh", np.cosh, FLOATS)
tanh = unary("tanh", np.tanh, FLOATS)
asinh = unary("asinh", np.arcsinh, FLOATS)
acosh = unary("acosh", np.arccosh, FLOATS)
atanh = unary("atanh", np.arctanh, FLOATS)


@sin.gradient
def sin_gradient(g, out, x):
    return (g * conjugate(cos(x)),)


@cos.gradient
def cos_gradient(g, out, x):
    return (neg(g * conjugate(sin(x))),)


@tan.gradient
def tan_gradient(g, out, x):
    return (g * conjugate(out * out + 1.0),)


@asin.gradient
def asin_gradient(g, out, x):
    return (g * conjugate(rsqrt(1.0 - x * x)),)


@acos.gradient
def acos_gradient(g, out, x):
    return (neg(g * conjugate(rsqrt(1.0 - x * x))),)


@atan.gradient
def atan_gradient(g, out, x):
    return (g / conjugate(x * x + 1.0),)


@sinh.gradient
def sinh_gradient(g, out, x):
    return (g * conjugate(cosh(x)),)


@cosh.gradient
def cosh_gradient(g, out, x):
    return (g * conjugate(sinh(x)),)


@tanh.gradient
def tanh_gradient(g, out, x):
    return (g * conjugate(1.0 - out * out),)


@asinh.gradient
def asinh_gradient(g, out, x):
    return (g * conjugate(rsqrt(x * x + 1.0)),)


@acosh.gradient
def acosh_gradient(g, out, x):
    """Two roots for complex x, since sqrt(x^2 - 1) has its cut elsewhere."""
    if x.dtype.kind == "c":
        return (g * conj(rsqrt(x - 1.0) * rsqrt(x + 1.0)),)
    return (g * rsqrt(x * x - 1.0),)


@atanh.gradient
def atanh_gradient(g, out, x):
    return (g / conjugate(1.0 - x * x),)


# -- smooth steps and special functions --------------------------------------------------------------------------------


def sigmoid_meaning(x):
    """Never overflows: exp of a negative number on both sides."""
    if x.dtype.kind == "c":
        return 1 / (1 + np.exp(-x))
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def keep_dtype(function):
    def same(x):
        return np.asarray(function(x)).astype(x.dtype, copy=False)

    return same


sigmoid = unary("sigmoid", keep_dtype(half_up(sigmoid_meaning)), FLOATS)
erf = unary("erf", special.erf, FLOAT)
erfc = unary("erfc", special.erfc, FLOAT)
erfinv = unary("erfinv", special.erfinv, FLOAT)
lgamma = unary("lgamma", special.lgamma, FLOAT)
digamma = unary("digamma", special.digamma, FLOAT)
polygamma = Primitive("polygamma", ELEMENT, special.polygamma)
polygamma.kinds = FLOAT


@polygamma.shape
def polygamma_shape(x, *, n):
    """The n-th derivative of digamma, n >= 1."""
    check_kind(polygamma, x)
    return x.shape, x.dtype


@sigmoid.gradient
def sigmoid_gradient(g, out, x):
    return (g * conjugate((1.0 - out) * out),)


@erf.gradient
def erf_gradient(g, out, x):
    return (g * exp(neg(x * x)) * (2.0 / math.sqrt(math.pi)),)


@erfc.gradient
def erfc_gradient(g, out, x):
    return (g * exp(neg(x * x)) * (-2.0 / math.sqrt(math.pi)),)


@erfinv.gradient
def erfinv_gradient(g, out, x):
    return (g * exp(out * out) * (math.sqrt(math.pi) / 2.0),)


@lgamma.gradient
def lgamma_gradient(g, out, x):
    return (g * digamma(x),)


@digamma.gradient
def digamma_gradient(g, out, x):
    return (g * polygamma(x, n=1),)


@polygamma.gradient
def polygamma_gradient(g, out, x, *, n):
    return (g * polygamma(x, n=n + 1),)


# -- tests and bits ----------------------------------------------------------------------------------------------------


def to_bool(dtype: DType) -> DType:
    return bool_


def never(x):
    return np.zeros(x.shape, bool)


def always(x):
    return np.ones(x.shape, bool)


logical_not = unary("logical_not", np.logical_not, ANY, result=to_bool)
bitwise_not = unary("bitwise_not", np.invert, BITS)
is_nan = unary("is_nan", lambda x: never(x) if x.dtype.kind in BITS else np.isnan(x), ANY, result=to_bool)
is_inf = unary("is_inf", lambda x: never(x) if x.dtype.kind in BITS else np.isinf(x), ANY, result=to_bool)
is_finite = unary("is_finite", lambda x: always(x) if x.dtype.kind in BITS else np.isfinite(x), ANY, result=to_bool)
no_gradient(logical_not, bitwise_not, is_nan, is_inf, is_finite)

# -- parts of complex numbers ------------------------------------------------------------------------------------------


def angle_meaning(x):
    """pi for negative real numbers, 0 for the others (NaN stays)."""
    if x.dtype.kind == "c":
        return np.angle(x)
    return np.where(np.isnan(x), x, np.where(x < 0, np.asarray(math.pi, x.dtype), np.asarray(0, x.dtype)))


real = unary("real", np.real, ANY, result=DType.to_real)
imag = unary("imag", np.imag, "c", result=DType.to_real)
conj = unary("conj", lambda x: np.conj(x) if x.dtype.kind == "c" else x, ANY)
angle = unary("angle", angle_meaning, FLOATS, result=DType.to_real)


@real.write
def real_write(base, new):
    return make_complex(new, imag(base)) if base.dtype.kind == "c" else new


@imag.write
def imag_write(base, new):
    return make_complex(real(base), new)


@real.gradient
def real_gradient(g, out, x):
    return (cast(g, x.dtype),)


@imag.gradient
def imag_gradient(g, out, x):
    return (cast(g, x.dtype) * constant_like(x, 1j),)


@conj.gradient
def conj_gradient(g, out, x):
    return (conjugate(g),)


@angle.gradient
def angle_gradient(g, out, x):
    """d angle = (a db - b da) / |x|^2 for x = a + bi; zero at 0."""
    if x.dtype.kind != "c":
        return (zeros_like(x),)
    a, b = real(x), imag(x)
    size = a * a + b * b
    zero = eq(size, zeros_like(size))
    scaled = g / where(zero, constant_like(size, 1), size)
    return (make_complex(neg(b) * scaled, a * scaled),)


def make_complex_meaning(a, b):
    out = np.empty(a.shape, np.result_type(a.dtype, np.complex64))
    out.real, out.imag = a, b
    return out


make_complex = Primitive("make_complex", ELEMENT, make_complex_meaning)
make_complex.kinds = FLOAT


@make_complex.shape
def make_complex_shape(a, b):
    """Two real numbers as real and imaginary part."""
    check_same(make_complex, a, b)
    check_kind(make_complex, a)
    return a.shape, a.dtype.to_complex()


@make_complex.gradient
def make_complex_gradient(g, out, a, b):
    return cast(real(g), a.dtype), cast(imag(g), b.dtype)


# -- arithmetic of two operands ----------------------------------------------------------------------------------------


def div_meaning(a, b):
    return np.true_divide(a, b).astype(a.dtype, copy=False)


def pow_meaning(a, b):
    """Integers wrap; a negative integer power is 0, or +-1 where the base is (torch's rule)."""
    if a.dtype.kind not in "ui":
        return np.power(a, b)
    if a.dtype.kind == "u" or not np.any(b < 0):
        return np.power(a, b)
    odd = (b & 1).astype(bool)
    below = np.where(a == 1, 1, np.where(a == -1, np.where(odd, -1, 1), 0)).astype(a.dtype)
    return np.where(b < 0, below, np.power(a, np.where(b < 0, 0, b)))


def whole_division(a, b, divide):
    """Integer division with 0 for a division by zero, which has no meaning in C."""
    if a.dtype.kind in "ui":
        return np.where(b == 0, 0, divide(a, np.where(b == 0, 1, b))).astype(a.dtype)
    return divide(a, b)


def remainder_meaning(a, b):
    """The sign of the divisor. For floats: fmod, moved by one divisor where the signs differ."""
    if a.dtype.kind in "ui":
        return whole_division(a, b, np.remainder)
    rest = np.fmod(a, b)
    return np.where((rest != 0) & ((rest < 0) != (b < 0)), rest + b, rest)


def floor_divide_meaning(a, b):
    """For floats the quotient is rounded exactly, by way of fmod; a division by zero is an infinity."""
    if a.dtype.kind in "ui":
        return whole_division(a, b, np.floor_divide)
    rest = np.fmod(a, b)
    quotient = (a - rest) / b
    quotient = np.where((rest != 0) & ((rest < 0) != (b < 0)), quotient - 1, quotient)
    near = np.floor(quotient)
    near = np.where(quotient - near > 0.5, near + 1, near)
    near = np.where(quotient == 0, np.copysign(0, a / b), near)
    return np.where(b == 0, a / b, near).astype(a.dtype)


add = binary("add", np.add, ANY)
sub = binary("sub", np.subtract, NUMBERS)
mul = binary("mul", np.multiply, ANY)
div = binary("div", div_meaning, FLOATS)
pow_ = binary("pow", pow_meaning, NUMBERS)
maximum = binary("maximum", np.maximum, ORDERED)
minimum = binary("minimum", np.minimum, ORDERED)
fmod = binary("fmod", lambda a, b: whole_division(a, b, np.fmod), "uif")
remainder = binary("remainder", remainder_meaning, "uif")
floor_divide = binary("floor_divide", floor_divide_meaning, "uif")
atan2 = binary("atan2", np.arctan2, FLOAT)
hypot = binary("hypot", np.hypot, FLOAT)
nextafter = binary("nextafter", np.nextafter, FLOAT)
copysign = binary("copysign", np.copysign, FLOAT)
flat(floor_divide)


@add.gradient
def add_gradient(g, out, a, b):
    return g, g


@sub.gradient
def sub_gradient(g, out, a, b):
    return g, neg(g)


@mul.gradient
def mul_gradient(g, out, a, b):
    return g * conjugate(b), g * conjugate(a)


@div.gradient
def div_gradient(g, out, a, b):
    share = g / conjugate(b)
    return share, neg(share * conjugate(out))


def pow_base_slope(g: Value, a: Value, b: Value) -> Value:
    """g b a^(b-1), and 0 where b is 0 (where a^(b-1) may be infinite)."""
    if b.node is not None and b.node.prim.name == "full":
        n = b.node.params["value"]
        if n == 0:
            return zeros_like(a)
        power = a if n == 2 else constant_like(a, 1) if n == 1 else pow_(a, constant_like(a, n - 1))
        return g * conjugate(power * n)
    zero = eq(b, zeros_like(b))
    return where(zero, zeros_like(a), g * conjugate(b * pow_(a, where(zero, constant_like(b, 1), b) - 1.0)))


@pow_.gradient
def pow_gradient(g, out, a, b):
    """The slope in b is out log a, and 0 where a is 0 and b is not negative."""
    still = eq(a, zeros_like(a))
    if b.dtype.kind != "c":
        still = bitwise_and(still, ge(b, zeros_like(b)))
    slope = conjugate(out * log(where(still, constant_like(a, 1), a)))
    return pow_base_slope(g, a, b), where(still, zeros_like(b), g * slope)


def shared(g: Value, a: Value, b: Value, a_loses: Value, b_loses: Value) -> tuple[Value, Value]:
    half = where(eq(a, b), g * 0.5, g)
    return where(a_loses, zeros_like(g), half), where(b_loses, zeros_like(g), half)


@maximum.gradient
def maximum_gradient(g, out, a, b):
    return shared(g, a, b, lt(a, b), lt(b, a))


@minimum.gradient
def minimum_gradient(g, out, a, b):
    return shared(g, a, b, gt(a, b), gt(b, a))


@fmod.gradient
def fmod_gradient(g, out, a, b):
    return g, neg(g * trunc(a / b))


@remainder.gradient
def remainder_gradient(g, out, a, b):
    return g, neg(g * floor_divide(a, b))


@nextafter.gradient
def nextafter_gradient(g, out, a, b):
    """The result moves with a, except where the two are equal."""
    return where(eq(a, b), zeros_like(g), g), zeros_like(b)


@atan2.gradient
def atan2_gradient(g, out, a, b):
    """Zero at the origin."""
    square = a * a + b * b
    zero = eq(square, zeros_like(square))
    scaled = where(zero, zeros_like(g), g / where(zero, constant_like(square, 1), square))
    return b * scaled, neg(a * scaled)


@hypot.gradient
def hypot_gradient(g, out, a, b):
    return g * (a / out), g * (b / out)


@copysign.gradient
def copysign_gradient(g, out, a, b):
    zero = eq(a, zeros_like(a))
    ratio = where(zero, zeros_like(a), out / where(zero, constant_like(a, 1), a))
    return g * ratio, zeros_like(b)


# -- bits, shifts, comparisons -----------------------------------------------------------------------------------------


def shift_left_meaning(a, b):
    """A shift by the width or more (or by a negative count) leaves nothing."""
    width = 8 * a.dtype.itemsize
    out = (b < 0) | (b >= width)
    return np.where(out, 0, np.left_shift(a, np.where(out, 0, b))).astype(a.dtype)


def shift_right_meaning(a, b):
    """The sign fills in; a shift by the width or more (or by a negative count) leaves only the sign."""
    width = 8 * a.dtype.itemsize
    out = (b < 0) | (b >= width)
    gone = np.where(a < 0, -1, 0) if a.dtype.kind == "i" else 0
    return np.where(out, gone, np.right_shift(a, np.where(out, 0, b))).astype(a.dtype)


bitwise_and = binary("bitwise_and", np.bitwise_and, BITS)
bitwise_or = binary("bitwise_or", np.bitwise_or, BITS)
bitwise_xor = binary("bitwise_xor", np.bitwise_xor, BITS)
shift_left = binary("shift_left", shift_left_meaning, "ui")
shift_right = binary("shift_right", shift_right_meaning, "ui")
eq = binary("eq", np.equal, ANY, result=bool_)
ne = binary("ne", np.not_equal, ANY, result=bool_)
lt = binary("lt", np.less, ORDERED, result=bool_)
le = binary("le", np.less_equal, ORDERED, result=bool_)
gt = binary("gt", np.greater, ORDERED, result=bool_)
ge = binary("ge", np.greater_equal, ORDERED, result=bool_)
no_gradient(bitwise_and, bitwise_or, bitwise_xor, shift_left, shift_right, eq, ne, lt, le, gt, ge)

# -- choice ------------------------------------------------------------------------------------------------------------

where = Primitive("where", ELEMENT, lambda cond, a, b: np.asarray(np.where(cond, a, b)))


@where.shape
def where_shape(cond, a, b):
    if cond.dtype is not bool_:
        raise DTypeError(message("where", f"the condition must be bool, got {cond.dtype.name}", [("condition", cond)]))
    if cond.shape != a.shape:
        facts = [("condition", cond), ("left", a), ("right", b)]
        raise ShapeError(message("where", "the condition's sizes differ from the operands'", facts))
    check_same(where, a, b)
    return a.shape, a.dtype


@where.gradient
def where_gradient(g, out, cond, a, b):
    """A zero, not a product with zero, for the side not taken: a NaN there stays there."""
    zero = constant(0, g.shape, g.dtype)
    return None, where(cond, g, zero), where(cond, zero, g)
