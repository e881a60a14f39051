"""The matrix primitives: what they promise, and their gradients to the second order, for real and complex matrices."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from dovetail.autodiff.check import check_gradients, graph_of
from dovetail.base.errors import ArgumentError, DTypeError, GradientError, ShapeError
from dovetail.ir.evaluate import evaluate
from dovetail.ir.verify import verify
from dovetail.prims import linalg as la
from dovetail.prims.reduce import reduce_sum

sys.path.insert(0, str(Path(__file__).resolve().parent))

from linalg_cases import LINALG  # noqa: E402

EVERY = [(name, i, dtype) for name, rows in LINALG.items() for i in range(len(rows)) for dtype in "fc"]


def matrix(random, shape, dtype):
    x = random.standard_normal(shape)
    return x + 1j * random.standard_normal(shape) if dtype == "c" else x


def run(function, *arrays):
    return evaluate(verify(graph_of(function, arrays)), arrays)


@pytest.mark.parametrize(("name", "i", "dtype"), EVERY)
def test_gradients(name, i, dtype):
    function, shapes = LINALG[name][i]
    random = np.random.default_rng(i)
    check_gradients(function, *[matrix(random, shape, dtype) for shape in shapes], order=2, tolerance=3e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("shape", [(4, 4), (3, 5, 3), (2, 2, 3, 5)])
def test_factors_give_the_matrix_back(shape, dtype):
    random = np.random.default_rng(0)
    a = matrix(random, shape, "c" if np.dtype(dtype).kind == "c" else "f").astype(dtype)
    close = {"rtol": 1e-3, "atol": 1e-4} if a.real.dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-10}
    lu, pivots, order = run(la.lu_factor, a)
    m, n = shape[-2:]
    k = min(m, n)
    lower, upper = np.tril(lu, -1)[..., :k] + np.eye(m, k), np.triu(lu)[..., :k, :]
    np.testing.assert_allclose(lower @ upper, np.take_along_axis(a, order[..., None], -2), **close)
    assert pivots.dtype == np.int32 and pivots.min() >= 1
    q, r = run(lambda x: la.qr(x, complete=True), a)
    np.testing.assert_allclose(q @ r, a, **close)
    u, s, vh = run(lambda x: la.svd(x, full_matrices=False), a)
    np.testing.assert_allclose(u * s[..., None, :] @ vh, a, **close)
    assert {x.dtype for x in (lu, q, r, u, vh)} == {a.dtype}


@pytest.mark.parametrize("dtype", "fc")
def test_solutions(dtype):
    random = np.random.default_rng(1)
    a, b = matrix(random, (3, 6, 6), dtype), matrix(random, (3, 6, 2), dtype)
    np.testing.assert_allclose(a @ run(la.solve, a, b)[0], b)
    for upper in (False, True):
        (x,) = run(lambda p, q, upper=upper: la.triangular_solve(p, q, upper=upper, unit=False), a, b)
        np.testing.assert_allclose((np.triu(a) if upper else np.tril(a)) @ x, b)
    (tall,) = run(lambda p, q: la.lstsq(p, q, rtol=1e-12), a[..., :3], b)
    np.testing.assert_allclose(tall[0], np.linalg.lstsq(a[0, :, :3], b[0], rcond=None)[0])
    np.testing.assert_allclose(run(la.adjugate, a)[0], np.linalg.det(a)[..., None, None] * np.linalg.inv(a))


def test_matrix_exponential_of_large_and_small():
    """exp(x) exp(-x) = 1, and the exponential of a rotation's generator is that rotation."""
    a = np.random.default_rng(2).standard_normal((2, 5, 5)) * 3
    (up,), (down,) = run(la.matrix_exp, a), run(la.matrix_exp, -a)
    np.testing.assert_allclose(up @ down, np.broadcast_to(np.eye(5), a.shape), atol=1e-6)
    (turn,) = run(la.matrix_exp, np.array([[0.0, -1.0], [1.0, 0.0]]))
    np.testing.assert_allclose(turn, [[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    np.testing.assert_allclose(run(la.matrix_exp, np.zeros((2, 2)))[0], np.eye(2), rtol=1e-15)


def test_determinant_of_a_singular_matrix_has_a_gradient():
    a = np.array([[1.0, 2.0], [2.0, 4.0]])
    check_gradients(la.det, a)


def test_wrong_calls_are_explained():
    random = np.random.default_rng(3)
    with pytest.raises(ShapeError, match="square"):
        graph_of(la.inv, [random.standard_normal((2, 3))])
    with pytest.raises(DTypeError, match="int64"):
        graph_of(la.det, [np.ones((2, 2), np.int64)])
    with pytest.raises(ArgumentError, match="singular"):
        run(la.inv, np.zeros((2, 2)))
    with pytest.raises(ArgumentError, match="positive definite"):
        run(lambda x: la.cholesky(x, upper=False), -np.eye(2))
    with pytest.raises(GradientError, match="reduced"):
        check_gradients(lambda x: reduce_sum(la.qr(x, complete=True)[0], dims=(0, 1)), random.standard_normal((3, 2)))
