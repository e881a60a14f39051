"""The rarer element functions: values against mpmath's, slopes against differences, polynomials against NumPy's."""

import sys
from pathlib import Path

import numpy as np
import pytest

from dovetail.autodiff.check import check_gradients
from dovetail.ir.core import PRIMITIVES
from dovetail.prims import rare

sys.path.insert(0, str(Path(__file__).resolve().parent))
from rare_cases import RARE  # noqa: E402

POLYNOMIALS = {
    "chebyshev_t": np.polynomial.chebyshev.chebval,
    "hermite_h": np.polynomial.hermite.hermval,
    "hermite_he": np.polynomial.hermite_e.hermeval,
    "laguerre_l": np.polynomial.laguerre.lagval,
    "legendre_p": np.polynomial.legendre.legval,
}


@pytest.mark.parametrize("name", RARE)
def test_values(name):
    operands, expected = RARE[name]
    got = PRIMITIVES[name].meaning(*(np.array(x) for x in operands))
    np.testing.assert_allclose(got, expected, rtol=2e-13 if name not in ("zeta", "log_ndtr") else 1e-11, atol=1e-300)


@pytest.mark.parametrize("name", ["i0", "i0e", "i1", "i1e", "erfcx", "log_ndtr", "ndtri"])
def test_gradient(name):
    low, high = (0.1, 0.9) if name == "ndtri" else (0.2, 3.0)
    x = np.random.default_rng(0).uniform(low, high, (2, 3))
    check_gradients(PRIMITIVES[name], x)


@pytest.mark.parametrize("kind", POLYNOMIALS)
@pytest.mark.parametrize("degree", [0, 1, 2, 5, 9])
def test_polynomials(kind, degree):
    x = np.linspace(-2, 2, 9)
    got = rare.polynomial.meaning(x, np.full_like(x, degree), kind=kind)
    np.testing.assert_allclose(got, POLYNOMIALS[kind](x, [0] * degree + [1]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", rare.BY_ANGLE)
def test_high_degrees_by_angles_agree_with_the_recurrence(kind):
    x = np.linspace(-0.95, 0.95, 7)
    degree = rare.BY_ANGLE[kind]
    before, last = (rare.polynomial.meaning(x, np.full_like(x, degree - k), kind=kind) for k in (1, 0))
    for n in range(degree + 1, 65):
        before, last = last, 2 * x * last - before
        np.testing.assert_allclose(rare.polynomial.meaning(x, np.full_like(x, n), kind=kind), last, atol=1e-10)


def test_common_divisors_and_parts():
    np.testing.assert_array_equal(rare.gcd.meaning(np.array([12, -18, 0]), np.array([18, 12, 7])), [6, 6, 7])
    fraction, exponent = rare.frexp.meaning(np.array([8.0, -0.3]))
    np.testing.assert_array_equal(np.ldexp(fraction, exponent), [8.0, -0.3])
