"""scatter_reduce with many places, against NumPy; memory grows with the sources, not with pairs."""

from __future__ import annotations

import numpy as np
import pytest

import dovetail as dv

FOLDS = {"amax": (np.maximum, -np.inf), "amin": (np.minimum, np.inf), "prod": (np.multiply, 1.0)}


@pytest.mark.parametrize("kind", FOLDS)
@pytest.mark.parametrize("include_self", [True, False])
def test_many_sources_and_many_places(kind, include_self):
    """A table of all pairs would have four thousand million elements."""
    r, n = np.random.default_rng(0), 60_000
    x, u, index = r.standard_normal(n), r.standard_normal(n), r.integers(0, n, n)
    fold, start = FOLDS[kind]
    expected = x.copy() if include_self else np.where(np.isin(np.arange(n), index), start, x)
    fold.at(expected, index, u)
    given = dv.from_numpy(u).requires_grad_()
    out = dv.from_numpy(x).scatter_reduce(0, dv.from_numpy(index), given, kind, include_self=include_self)
    np.testing.assert_allclose(out.detach().numpy(), expected, rtol=1e-12)
    out.sum().backward()
    if kind != "prod":
        chosen = u == expected[index]
        np.testing.assert_array_equal(given.grad.numpy(), chosen.astype(float))


def test_a_nan_is_the_largest_and_the_smallest():
    index = dv.tensor([0, 0, 1])
    for kind in ("amax", "amin"):
        out = dv.zeros(3).scatter_reduce(0, index, dv.tensor([1.0, float("nan"), 2.0]), kind)
        assert out.isnan().tolist() == [True, False, False]


def test_a_tensor_of_one_element_is_an_operand_of_max():
    x = dv.tensor([1.0, 3.0])
    assert dv.max(x, dv.tensor(2.0)).tolist() == [2, 3] and x.min(dv.tensor(2.0)).tolist() == [1, 2]
    assert dv.max(x, other=dv.tensor([2.0])).tolist() == [2, 3] and x.max(0).indices.item() == 1
