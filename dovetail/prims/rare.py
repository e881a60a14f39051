"""Element functions that few programs use: Bessel functions, incomplete gamma, orthogonal polynomials, common divisors.

They run in NumPy, called back from the compiled program.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from dovetail.base.dtypes import int32
from dovetail.base.errors import ShapeError, message
from dovetail.ir.core import Primitive, Value
from dovetail.prims import bessel, special
from dovetail.prims.elementwise import check_kind, convert, eq, exp, exp2, lgamma, log, sign, where
from dovetail.prims.families import HOST
from dovetail.prims.make import constant_like


def host_element(name: str, meaning: Callable, kinds: str = "f", differentiable: bool = True) -> Primitive:
    """An element function of any number of operands of one shape and dtype, computed on the host."""

    def quiet(*arrays, **params):
        with np.errstate(all="ignore"):
            return np.asarray(meaning(*arrays, **params))

    prim = Primitive(name, HOST, quiet, host=True)
    prim.kinds = kinds
    prim.differentiable = differentiable

    def shape(x: Value, *others: Value, **params):
        check_kind(prim, x)
        for other in others:
            if other.shape != x.shape or other.dtype is not x.dtype:
                raise ShapeError(
                    message(name, "the operands differ in sizes or dtype", [("input", x), ("other", other)])
                )
        return x.shape, x.dtype

    prim.shape_rule = shape
    return prim


i0 = host_element("i0", bessel.i0)
i0e = host_element("i0e", bessel.i0e)
i1 = host_element("i1", bessel.i1)
i1e = host_element("i1e", bessel.i1e)
k0 = host_element("k0", bessel.k0, differentiable=False)
k1 = host_element("k1", bessel.k1, differentiable=False)
k0e = host_element("k0e", bessel.k0e, differentiable=False)
k1e = host_element("k1e", bessel.k1e, differentiable=False)
j0 = host_element("j0", bessel.j0, differentiable=False)
j1 = host_element("j1", bessel.j1, differentiable=False)
y0 = host_element("y0", bessel.y0, differentiable=False)
y1 = host_element("y1", bessel.y1, differentiable=False)
airy_ai = host_element("airy_ai", bessel.airy_ai, differentiable=False)


@i0.gradient
def i0_gradient(g, out, x):
    return (g * i1(x),)


@i0e.gradient
def i0e_gradient(g, out, x):
    return (g * (i1e(x) - sign(x) * out),)


def over_self(value: Value, x: Value) -> Value:
    """value / x, and its limit 1/2 at 0."""
    none = x_is_zero(x)
    return where(none, constant_like(x, 0.5), value / where(none, constant_like(x, 1.0), x))


def x_is_zero(x: Value) -> Value:
    return eq(x, constant_like(x, 0))


@i1.gradient
def i1_gradient(g, out, x):
    return (g * (i0(x) - over_self(out, x)),)


@i1e.gradient
def i1e_gradient(g, out, x):
    return (g * (i0e(x) - sign(x) * out - over_self(out, x)),)


# -- the normal distribution's tails -----------------------------------------------------------------------------------


@special.wide
def erfcx_meaning(x):
    """exp(x^2) erfc(x)."""
    size = np.abs(x)
    scaled = special.polynomial((size - 4.0) / (size + 4.0), special.ERFC_SCALED) / (1.0 + 2.0 * size)
    scaled = np.where(np.isinf(size), 0.0, scaled)
    return np.where(x >= 0, scaled, 2.0 * np.exp(x * x) - scaled)


erfcx = host_element("erfcx", erfcx_meaning)


@erfcx.gradient
def erfcx_gradient(g, out, x):
    return (g * (2.0 * x * out - 2.0 / math.sqrt(math.pi)),)


@special.wide
def log_ndtr_meaning(x):
    """Logarithm of the share of a normal distribution below x."""
    low = np.log(np.maximum(erfcx_meaning(-np.minimum(x, 0.0) / math.sqrt(2.0)), 1e-300) / 2.0) - x * x / 2.0
    return np.where(x < -1.0, low, np.log1p(-special.erfc(np.maximum(x, -1.0) / math.sqrt(2.0)) / 2.0))


log_ndtr = host_element("log_ndtr", log_ndtr_meaning)


@log_ndtr.gradient
def log_ndtr_gradient(g, out, x):
    return (g * math.sqrt(2.0 / math.pi) / erfcx(x * (-1.0 / math.sqrt(2.0))),)


@special.wide
def ndtri_meaning(p):
    """The inverse of the normal distribution: a first guess, then Newton's steps on the logarithm of the tail."""
    tail = np.minimum(p, 1.0 - p)
    goal = np.log(np.where(p < 0.5, np.maximum(p, 1e-320), np.maximum(tail, 1e-320)))
    x = np.where(
        tail > 0.02, math.sqrt(2.0) * special.erfinv(2.0 * np.clip(tail, 0.0, 0.5) - 1.0), -np.sqrt(-2.0 * goal)
    )
    for _ in range(8):
        slope = math.sqrt(2.0 / math.pi) / erfcx_meaning(-x / math.sqrt(2.0))
        x = x - (log_ndtr_meaning(x) - goal) / slope
    x = np.where(p < 0.5, x, -x)
    x = np.where(p == 0.0, -np.inf, np.where(p == 1.0, np.inf, x))
    return np.where((p < 0) | (p > 1) | np.isnan(p), np.nan, np.where(p == 0.5, 0.0, x))


ndtri = host_element("ndtri", ndtri_meaning)


@ndtri.gradient
def ndtri_gradient(g, out, p):
    return (g * exp(out * out * 0.5) * math.sqrt(2.0 * math.pi),)


# -- incomplete gamma, Hurwitz zeta ------------------------------------------------------------------------------------


def gamma_series(a, x):
    """P(a, x) for x < a + 1: the sum of x^n / (a + 1)...(a + n)."""
    term = total = np.ones_like(a) / a
    n = a.copy()
    for _ in range(3000):
        n = n + 1.0
        term = term * x / n
        total = total + term
        if np.all(np.abs(term) <= np.abs(total) * 1e-17):
            break
    return total * np.exp(a * np.log(np.maximum(x, 1e-320)) - x - special.lgamma(a))


def gamma_fraction(a, x):
    """Q(a, x) for x >= a + 1: Lentz's continued fraction."""
    tiny = 1e-300
    b = x + 1.0 - a
    c = np.full_like(x, 1.0 / tiny)
    d = 1.0 / np.where(b == 0, tiny, b)
    h = d.copy()
    for i in range(1, 3000):
        an = -i * (i - a)
        b = b + 2.0
        d = an * d + b
        d = 1.0 / np.where(np.abs(d) < tiny, tiny, d)
        c = b + an / c
        c = np.where(np.abs(c) < tiny, tiny, c)
        step = d * c
        h = h * step
        if np.all(np.abs(step - 1.0) < 1e-16):
            break
    return h * np.exp(a * np.log(x) - x - special.lgamma(a))


def incomplete_gamma(a, x, upper: bool):
    dtype = a.dtype
    a, x = a.astype(np.float64), x.astype(np.float64)
    plain = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    sa, sx = np.where(plain, a, 1.0), np.where(plain, x, 1.0)
    series = sx < sa + 1.0
    low = gamma_series(sa, np.where(series, sx, np.minimum(sx, sa)))
    high = gamma_fraction(sa, np.where(series, sa + 2.0, sx))
    p = np.where(series, low, 1.0 - high)
    q = np.where(series, 1.0 - low, high)
    out = q if upper else p
    zero, one = (1.0, 0.0) if upper else (0.0, 1.0)
    out = np.where(plain, out, np.nan)
    out = np.where((x == 0) & (a > 0), zero, out)
    out = np.where((a == 0) & (x > 0), one, out)
    out = np.where(np.isinf(x) & (x > 0) & (a >= 0) & np.isfinite(a), one, out)
    out = np.where(np.isinf(a) & (a > 0) & (x >= 0) & np.isfinite(x), zero, out)
    return out.astype(dtype)


igamma = host_element("igamma", lambda a, x: incomplete_gamma(a, x, False))
igammac = host_element("igammac", lambda a, x: incomplete_gamma(a, x, True))


def gamma_density(a: Value, x: Value) -> Value:
    """The slope of P(a, x) in x."""
    return exp((a - 1.0) * log(x) - x - lgamma(a))


@igamma.gradient
def igamma_gradient(g, out, a, x):
    return None, g * gamma_density(a, x)


@igammac.gradient
def igammac_gradient(g, out, a, x):
    return None, g * gamma_density(a, x) * -1.0


def zeta_meaning(x, q):
    """Hurwitz's zeta: the sum of (q + k)^-x (Euler-Maclaurin after the terms up to q + k = 12)."""
    dtype = x.dtype
    x, q = np.broadcast_arrays(x.astype(np.float64), q.astype(np.float64))
    plain = (x > 1) & np.isfinite(q) & ((q > 0) | ((q != np.floor(q)) & (x == np.floor(x))))
    s, at = np.where(plain, x, 2.0), np.where(plain, q, 1.0).copy()
    total = np.zeros_like(at)
    for _ in range(4096):
        low = at < 12.0
        if not low.any():
            break
        total = total + np.where(low, at**-s, 0.0)
        at = np.where(low, at + 1.0, at)
    total = total + at ** (1.0 - s) / (s - 1.0) + 0.5 * at**-s
    factor = s.copy()
    for k, b in enumerate(special.BERNOULLI, 1):
        total = total + b / math.factorial(2 * k) * factor * at ** -(s + 2 * k - 1)
        factor = factor * (s + 2 * k - 1) * (s + 2 * k)
    out = np.where(plain, total, np.nan)
    out = np.where(x == 1, np.inf, out)
    out = np.where((x > 1) & (q <= 0) & (q == np.floor(q)), np.inf, out)
    return np.asarray(out).astype(dtype)


zeta = host_element("zeta", zeta_meaning)


@zeta.gradient
def zeta_gradient(g, out, x, q):
    return None, g * x * -1.0 * zeta(x + 1.0, q)


# -- orthogonal polynomials -------------------------------------------------------------------------------------------

# kind -> (degree 1, factors (a, b) and divisor of the next degree: (a value - b value_before) / divisor)
RECURRENCES: dict[str, tuple[Callable, Callable]] = {
    "chebyshev_t": (lambda x: x, lambda x, k: (x + x, None, None)),
    "chebyshev_u": (lambda x: x + x, lambda x, k: (x + x, None, None)),
    "chebyshev_v": (lambda x: x + x - 1, lambda x, k: (x + x, None, None)),
    "chebyshev_w": (lambda x: x + x + 1, lambda x, k: (x + x, None, None)),
    "hermite_h": (lambda x: x + x, lambda x, k: (x + x, k + k, None)),
    "hermite_he": (lambda x: x, lambda x, k: (x, k, None)),
    "laguerre_l": (lambda x: 1 - x, lambda x, k: (k + k + (1 - x), k, k + 1)),
    "legendre_p": (lambda x: x, lambda x, k: ((k + k + 1) * x, k, k + 1)),
}
BY_ANGLE = {"chebyshev_t": 6, "chebyshev_u": 8, "chebyshev_v": 8, "chebyshev_w": 8}  # from beyond this degree on
DEEPEST = 4096  # degrees beyond this are not reached by recurrence


def finely(function: Callable, x):
    """A function rounded once to x's dtype."""
    return function(x.astype(np.float64)).astype(x.dtype)


def chebyshev_by_angle(x, n, kind: str):
    """Chebyshev polynomials inside (-1, 1), where angles are as good as the recurrence and take one step."""
    angle = finely(np.arccos, np.clip(x, -1, 1))
    half = x.dtype.type(0.5)
    if kind == "chebyshev_t":
        return finely(np.cos, n * angle)
    if kind == "chebyshev_u":
        return finely(np.sin, (n + 1) * angle) / finely(np.sin, angle)
    if kind == "chebyshev_v":
        return finely(np.cos, (n + half) * angle) / finely(np.cos, angle * half)
    return finely(np.sin, (n + half) * angle) / finely(np.sin, angle * half)


def polynomial_meaning(x, n, *, kind):
    """The polynomial of degree n (cut to a whole number; 0 below degree 0) at x.

    In x's own precision, each step with one rounding of the product and the sum: so it gives torch's bits.
    """
    dtype = x.dtype
    x = x.astype(np.float32) if dtype.itemsize == 2 else x
    wide, own = np.float64, x.dtype.type
    n = np.trunc(np.nan_to_num(n.astype(wide), nan=-1.0, posinf=DEEPEST, neginf=-1.0))
    second, factors = RECURRENCES[kind]
    before, value = np.ones_like(x), np.asarray(second(x), x.dtype)
    out = np.where(n < 0, own(0), np.where(n == 0, before, value))
    for k in range(1, int(min(n.max(initial=0), DEEPEST))):
        a, b, divisor = factors(x, own(k))
        last = before if b is None else b * before
        new = (a.astype(wide) * value - last).astype(x.dtype)
        before, value = value, new if divisor is None else new / divisor
        out = np.where(n == k + 1, value, out)
    if kind in BY_ANGLE:
        inside = (np.abs(x) < 1) & (n > BY_ANGLE[kind])
        out = np.where(inside, chebyshev_by_angle(x, n.astype(x.dtype), kind), out)
    return np.asarray(out).astype(dtype)


polynomial = host_element("polynomial", polynomial_meaning, differentiable=False)

# -- whole numbers and the parts of a number --------------------------------------------------------------------------

gcd = host_element("gcd", np.gcd, "ui", differentiable=False)


def frexp_meaning(x):
    mantissa, exponent = np.frexp(x.astype(np.float32) if x.dtype.itemsize == 2 else x)
    return mantissa.astype(x.dtype), exponent.astype(np.int32)


frexp = Primitive("frexp", HOST, frexp_meaning, host=True)
frexp.kinds = "f"


@frexp.shape
def frexp_shape(x):
    """Two results: a fraction in [1/2, 1) and an exponent of 2, whose product is x."""
    check_kind(frexp, x)
    return [(x.shape, x.dtype), (x.shape, int32)]


@frexp.gradient
def frexp_gradient(gs, outs, x):
    """The exponent is constant between powers of two: the fraction's slope is 2^-exponent."""
    if gs[0] is None:
        return (None,)
    return (gs[0] * exp2(convert(outs[1], dtype=x.dtype) * -1.0),)
