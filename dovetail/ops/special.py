"""torch.special's own functions: Bessel functions, normal distribution, orthogonal polynomials.

Shape: (*) -> (*); two operands broadcast together. Whole numbers become floating point.
"""

from __future__ import annotations

import math

import dovetail.ops.primitives as p
from dovetail.ir.core import Value
from dovetail.ops.elementwise import derived_digamma, in_double, smooth
from dovetail.ops.front import front
from dovetail.ops.promote import common, filled, floating
from dovetail.tensor.op import op
from dovetail.tensor.tensor import Tensor

# --- Bessel and Airy functions ----------------------------------------------------------------------------------------


@op(top=False, also=("special.i0e",))
def i0e(input):
    """exp(-|x|) times the modified Bessel function of the first kind, order 0."""
    return smooth(p.i0e, input)


@op(top=False, also=("special.i1",))
def i1(input):
    """Modified Bessel function of the first kind, order 1."""
    return smooth(p.i1, input)


@op(top=False, also=("special.i1e",))
def i1e(input):
    """exp(-|x|) times the modified Bessel function of the first kind, order 1."""
    return smooth(p.i1e, input)


@op(top=False, also=("special.modified_bessel_i0",))
def modified_bessel_i0(input):
    """Modified Bessel function of the first kind, order 0."""
    return smooth(p.i0, input)


@op(top=False, also=("special.modified_bessel_i1",))
def modified_bessel_i1(input):
    """Modified Bessel function of the first kind, order 1."""
    return smooth(p.i1, input)


@op(top=False, also=("special.modified_bessel_k0",))
def modified_bessel_k0(input):
    """Modified Bessel function of the second kind, order 0."""
    return smooth(p.k0, input)


@op(top=False, also=("special.modified_bessel_k1",))
def modified_bessel_k1(input):
    """Modified Bessel function of the second kind, order 1."""
    return smooth(p.k1, input)


@op(top=False, also=("special.scaled_modified_bessel_k0",))
def scaled_modified_bessel_k0(x):
    """exp(x) times modified_bessel_k0."""
    return smooth(p.k0e, x)


@op(top=False, also=("special.scaled_modified_bessel_k1",))
def scaled_modified_bessel_k1(x):
    """exp(x) times modified_bessel_k1."""
    return smooth(p.k1e, x)


@op(top=False, also=("special.bessel_j0",))
def bessel_j0(input):
    """Bessel function of the first kind, order 0."""
    return smooth(p.j0, input)


@op(top=False, also=("special.bessel_j1",))
def bessel_j1(input):
    """Bessel function of the first kind, order 1."""
    return smooth(p.j1, input)


@op(top=False, also=("special.bessel_y0",))
def bessel_y0(input):
    """Bessel function of the second kind, order 0."""
    return smooth(p.y0, input)


@op(top=False, also=("special.bessel_y1",))
def bessel_y1(input):
    """Bessel function of the second kind, order 1."""
    return smooth(p.y1, input)


@op(top=False, also=("special.spherical_bessel_j0",))
def spherical_bessel_j0(x):
    """sin(x) / x, 1 at 0."""
    return smooth(sine_over, x)


def sine_over(x: Value) -> Value:
    zero = p.eq(x, filled(x, 0))
    safe = p.where(zero, filled(x, 1), x)
    out = p.where(p.is_inf(x), filled(x, 0), p.sin(p.where(p.is_inf(x), filled(x, 1), safe)) / safe)
    return p.where(zero, filled(x, 1), out)


@op(top=False, also=("special.airy_ai",))
def airy_ai(x):
    """Airy's function Ai."""
    return smooth(p.airy_ai, x)


# --- normal distribution and its kin ----------------------------------------------------------------------------------


@op(top=False, also=("special.erfcx",))
def erfcx(input):
    """exp(x²) erfc(x)."""
    return smooth(p.erfcx, input)


@op(top=False, also=("special.ndtr",))
def ndtr(input):
    """The share of a normal distribution below x."""
    return smooth(lambda x: p.erfc(x * -math.sqrt(0.5)) * 0.5, input)


@op(top=False, also=("special.log_ndtr",))
def log_ndtr(input):
    """Logarithm of ndtr, exact far below 0."""
    return smooth(p.log_ndtr, input)


@op(top=False, also=("special.ndtri",))
def ndtri(input):
    """The inverse of ndtr."""
    return smooth(p.ndtri, input)


@op(top=False, also=("special.entr",))
def entr(input):
    """-x log(x), 0 at 0 and -inf below."""
    x = floating(input)
    positive = p.gt(x, filled(x, 0))
    safe = p.where(positive, input, filled(input, 1))
    term = p.neg(floating(safe) * smooth(p.log, safe))
    out = p.where(positive, term, p.where(p.eq(x, filled(x, 0)), filled(x, 0), filled(x, -math.inf)))
    return p.where(p.is_nan(x), x, out)


@op(top=False, also=("special.zeta",), scalars=("input", "other"), one_tensor=True)
def zeta(input, other):
    """Hurwitz's zeta function: the sum of (k + other)^-input over k >= 0."""
    return in_double(p.zeta, common("zeta", input, other))


@front(also=("special.polygamma",), out=True)
def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of digamma at `input`."""
    return derived_digamma(input, n)


@front(method=True, top=False, name="polygamma")
def polygamma_method(input: Tensor, n: int) -> Tensor:
    """The n-th derivative of digamma: x.polygamma(n)."""
    return derived_digamma(input, n)


# --- orthogonal polynomials -------------------------------------------------------------------------------------------


def polynomial(call: str, kind: str, x, n) -> Value:
    a, b = (floating(v) for v in common(call, x, n))
    return p.polynomial(a, b, kind=kind)


def shifted(x):
    """2x - 1: the polynomials on [0, 1]."""
    return floating(x) * 2 - 1


@op(top=False, also=("special.chebyshev_polynomial_t",), scalars=("x", "n"), one_tensor=True)
def chebyshev_polynomial_t(x, n):
    """Chebyshev polynomial of the first kind, degree n."""
    return polynomial("chebyshev_polynomial_t", "chebyshev_t", x, n)


@op(top=False, also=("special.chebyshev_polynomial_u",), scalars=("x", "n"), one_tensor=True)
def chebyshev_polynomial_u(x, n):
    """Chebyshev polynomial of the second kind, degree n."""
    return polynomial("chebyshev_polynomial_u", "chebyshev_u", x, n)


@op(top=False, also=("special.chebyshev_polynomial_v",), scalars=("x", "n"), one_tensor=True)
def chebyshev_polynomial_v(x, n):
    """Chebyshev polynomial of the third kind, degree n."""
    return polynomial("chebyshev_polynomial_v", "chebyshev_v", x, n)


@op(top=False, also=("special.chebyshev_polynomial_w",), scalars=("x", "n"), one_tensor=True)
def chebyshev_polynomial_w(x, n):
    """Chebyshev polynomial of the fourth kind, degree n."""
    return polynomial("chebyshev_polynomial_w", "chebyshev_w", x, n)


@op(top=False, also=("special.shifted_chebyshev_polynomial_t",), scalars=("x", "n"), one_tensor=True)
def shifted_chebyshev_polynomial_t(x, n):
    """Chebyshev polynomial of the first kind on [0, 1]."""
    return polynomial("shifted_chebyshev_polynomial_t", "chebyshev_t", shifted(x), n)


@op(top=False, also=("special.shifted_chebyshev_polynomial_u",), scalars=("x", "n"), one_tensor=True)
def shifted_chebyshev_polynomial_u(x, n):
    """Chebyshev polynomial of the second kind on [0, 1]."""
    return polynomial("shifted_chebyshev_polynomial_u", "chebyshev_u", shifted(x), n)


@op(top=False, also=("special.shifted_chebyshev_polynomial_v",), scalars=("x", "n"), one_tensor=True)
def shifted_chebyshev_polynomial_v(x, n):
    """Chebyshev polynomial of the third kind on [0, 1]."""
    return polynomial("shifted_chebyshev_polynomial_v", "chebyshev_v", shifted(x), n)


@op(top=False, also=("special.shifted_chebyshev_polynomial_w",), scalars=("x", "n"), one_tensor=True)
def shifted_chebyshev_polynomial_w(x, n):
    """Chebyshev polynomial of the fourth kind on [0, 1]."""
    return polynomial("shifted_chebyshev_polynomial_w", "chebyshev_w", shifted(x), n)


@op(top=False, also=("special.hermite_polynomial_h",), scalars=("x", "n"), one_tensor=True)
def hermite_polynomial_h(x, n):
    """Physicists' Hermite polynomial of degree n."""
    return polynomial("hermite_polynomial_h", "hermite_h", x, n)


@op(top=False, also=("special.hermite_polynomial_he",), scalars=("x", "n"), one_tensor=True)
def hermite_polynomial_he(x, n):
    """Probabilists' Hermite polynomial of degree n."""
    return polynomial("hermite_polynomial_he", "hermite_he", x, n)


@op(top=False, also=("special.laguerre_polynomial_l",), scalars=("x", "n"), one_tensor=True)
def laguerre_polynomial_l(x, n):
    """Laguerre polynomial of degree n."""
    return polynomial("laguerre_polynomial_l", "laguerre_l", x, n)


@op(top=False, also=("special.legendre_polynomial_p",), scalars=("x", "n"), one_tensor=True)
def legendre_polynomial_p(x, n):
    """Legendre polynomial of degree n."""
    return polynomial("legendre_polynomial_p", "legendre_p", x, n)
