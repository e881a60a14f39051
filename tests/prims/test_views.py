"""Write rules: after base = view.write(base, new), the view of the base shows new, and the rest is as it was."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.autodiff.check import graph_of
from dovetail.base.dtypes import float64
from dovetail.base.errors import ArgumentError
from dovetail.ir.core import PRIMITIVES, Value, building
from dovetail.ir.evaluate import evaluate
from dovetail.ir.verify import verify
from dovetail.prims.shape import broadcast

VIEWS = [
    ("reshape", {"shape": (5, 4)}), ("reshape", {"shape": (20,)}), ("transpose", {"perm": (1, 0)}),
    ("slice", {"starts": (1, 4), "stops": (4, -1), "steps": (2, -2)}),
    ("slice", {"starts": (0, 2), "stops": (4, 3), "steps": (1, 1)}),
    ("slice", {"starts": (2, 2), "stops": (2, 3), "steps": (1, 1)}),
    ("broadcast", {"shape": (1, 4, 1, 5), "dims": (1, 3)}), ("detach", {}), ("identity", {}),
]


@pytest.mark.parametrize(("name", "params"), VIEWS, ids=lambda x: str(x))
def test_a_write_is_seen_through_the_view_only(name, params):
    prim = PRIMITIVES[name]
    random = np.random.default_rng(0)
    base = random.standard_normal((4, 5))
    seen = prim.meaning(base, **params)
    new = random.standard_normal(seen.shape)

    def written(b, u):
        whole = prim.write_rule(b, u, **params)
        return whole, prim(whole, **params)

    whole, through = evaluate(verify(graph_of(written, [base, new])), [base, new])
    np.testing.assert_array_equal(through, new)
    touched = prim.meaning(np.arange(20).reshape(4, 5), **params).reshape(-1)
    rest = np.setdiff1d(np.arange(20), touched)
    np.testing.assert_array_equal(whole.reshape(-1)[rest], base.reshape(-1)[rest])


def test_a_window_at_a_run_time_place():
    base, new, at = np.zeros((4, 5)), np.ones((2, 2)), [np.array(1), np.array(2)]
    prim = PRIMITIVES["dynamic_slice"]
    (out,) = evaluate(graph_of(lambda b, u, i, j: prim.write_rule(b, u, i, j, sizes=(2, 2)), [base, new, *at]),
                      [base, new, *at])
    expected = base.copy()
    expected[1:3, 2:4] = 1
    np.testing.assert_array_equal(out, expected)


def test_an_expanded_tensor_cannot_be_written():
    with building(), pytest.raises(ArgumentError, match="one element of memory stands for several"):
        broadcast.write_rule(Value((4, 1), float64), Value((4, 3), float64), shape=(4, 3), dims=(0, 1))
