"""Operators on values: shapes by NumPy's rule, dtypes by torch's, Python numbers as constants."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.autodiff.check import check_gradients, graph_of
from dovetail.base.dtypes import bool_, complex64, float32, float64, from_numpy_dtype, int64
from dovetail.base.errors import DTypeError, ShapeError
from dovetail.ir.core import Value, building
from dovetail.ir.evaluate import evaluate
from dovetail.ir.verify import verify
from dovetail.prims.sugar import equal, matmul, not_equal, operands


def run(function, *arrays):
    return evaluate(verify(graph_of(function, arrays)), arrays)[0]


def random(*shape, dtype=np.float64):
    return np.random.default_rng(len(shape)).uniform(0.5, 2.0, shape).astype(dtype)


FORMULAS = [
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a**b,
    lambda a, b: a // b, lambda a, b: a % b, lambda a, b: -a, lambda a, b: abs(a), lambda a, b: a < b,
    lambda a, b: a <= b, lambda a, b: a > b, lambda a, b: a >= b, lambda a, b: 2 - a, lambda a, b: 2 / a,
    lambda a, b: 2**a, lambda a, b: a**2, lambda a, b: a**-0.5, lambda a, b: a**3, lambda a, b: a**1.7,
    lambda a, b: 1.5 * a + b * 3, lambda a, b: (a > 1) & (b < 1), lambda a, b: (a > 1) | ~(b < 1),
    lambda a, b: (a > 1) ^ (b < 1), lambda a, b: 7 % a, lambda a, b: 7 // a,
]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize(("left", "right"), [((3, 4), (3, 4)), ((3, 1), (4,)), ((), (2, 3)), ((2, 1, 3), (4, 1))])
def test_operators_do_what_numpys_do(formula, left, right):
    a, b = random(*left), random(*right)
    np.testing.assert_allclose(run(formula, a, b), formula(a, b), rtol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "number", "expected"),
    [
        (np.float32, 2.5, float32), (np.int64, 2, int64), (np.int64, 2.5, float32), (np.uint8, 300, None),
        (bool, 2, int64), (np.float64, 1, float64), (np.float32, 1j, complex64), (np.float16, 2.0, None),
    ],
)
def test_numbers_take_the_other_operands_dtype(dtype, number, expected):
    """As torch: a number raises the dtype only where its kind (bool, integer, float, complex) is higher."""
    with building():
        out = Value((2,), from_numpy_dtype(dtype)) * number
    assert out.dtype is (expected or from_numpy_dtype(dtype))


def test_zero_dim_values_count_less_than_those_with_dims():
    with building():
        assert (Value((2,), float32) * Value((), float64)).dtype is float32
        assert (Value((2,), int64) * Value((), float64)).dtype is float64


def test_weak_values_stand_for_python_numbers():
    rate = Value((), float64, weak="float")
    count = Value((), int64, weak="int")
    with building():
        assert (Value((2,), float32) * rate).dtype is float32
        assert (Value((2,), int64) * count).dtype is int64
        assert (Value((2,), int64) * rate).dtype is float32
        correction = 1 - rate**count
        assert (correction.weak, correction.dtype) == ("float", float64)
        assert (count / 2).weak == "float"
        assert (-count).weak == "int"
        assert (count < 3).dtype is bool_


def test_equality_is_a_function_since_values_are_keys():
    a, b = random(3), random(3)
    b[1] = a[1]
    np.testing.assert_array_equal(run(equal, a, b), a == b)
    np.testing.assert_array_equal(run(not_equal, a, b), a != b)
    x = Value((), float32)
    assert x == x and x != Value((), float32)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
        ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)), ((1, 2, 3), (5, 3, 4)),
        ((2, 0), (0, 3)),
    ],
)
def test_matmul_is_numpys(left, right):
    a, b = random(*left), random(*right)
    np.testing.assert_allclose(run(lambda x, y: x @ y, a, b), a @ b, rtol=1e-12)
    check_gradients(matmul, a, b, order=2)


KEYS = [
    np.s_[0], np.s_[-1], np.s_[1:3], np.s_[:, 1], np.s_[::-1], np.s_[..., 2], np.s_[None, 1, ::2], np.s_[:, None],
    np.s_[::-2, 1:, -2:], np.s_[...], np.s_[5:2], np.s_[-100:100],
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing_is_numpys(key):
    x = random(4, 5, 3)
    np.testing.assert_array_equal(run(lambda v: v[key], x), x[key])
    check_gradients(lambda v: v[key] ** 2, x)


def test_mistakes_are_explained():
    a, b = Value((2, 3), float32), Value((4, 3), float32)
    with building():
        with pytest.raises(ShapeError, match=r"\(2, 3\) and \(4, 3\)"):
            operands(a, b)
        with pytest.raises(ShapeError, match="last dim has 3 values"):
            matmul(a, b)
        with pytest.raises(DTypeError, match="dtypes differ"):
            matmul(a, Value((3, 2), float64))
        with pytest.raises(TypeError):
            a + "1"
