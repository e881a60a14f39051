"""Convolutions and pooling in simpler words compute the same."""

import numpy as np
import pytest

from dovetail.autodiff.check import graph_of
from dovetail.autodiff.gradient import gradients
from dovetail.ir.evaluate import evaluate
from dovetail.passes import windows as expansion
from dovetail.prims import families
from dovetail.prims.conv import conv, conv_input_grad, conv_weight_grad
from dovetail.prims.window import window_max, window_sum, windows

CASES = [  # input, weight, stride, padding, dilation, groups
    ((2, 3, 9), (4, 3, 3), (1,), ((1, 1),), (1,), 1),
    ((2, 3, 9), (4, 3, 2), (1,), ((3, 2),), (1,), 1),
    ((1, 4, 6, 7), (6, 2, 3, 2), (2, 1), ((1, 0), (0, 2)), (1, 2), 2),
    ((2, 2, 5, 5), (4, 1, 2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), 2),
    ((1, 2, 4, 5, 4), (3, 2, 2, 1, 3), (1, 2, 1), ((0, 1), (0, 0), (1, 1)), (2, 1, 1), 1),
    ((2, 3, 8, 8), (2, 3, 1, 1), (3, 2), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 3, 9, 8), (4, 3, 3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1),
    ((1, 3, 11, 11), (2, 3, 3, 3), (2, 2), ((2, 2), (3, 0)), (2, 2), 1),
]


def same_after(function, *arrays):
    """Evaluate the graph of `function` before and after the pass."""
    graph = graph_of(function, arrays)
    told = expansion.run(graph)
    assert not [n for n in told.nodes if n.prim.family in (families.CONV, families.WINDOW)]
    for got, want in zip(evaluate(told, arrays), evaluate(graph, arrays), strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution_and_its_gradients(case):
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal(case[0]), rng.standard_normal(case[1])
    given = dict(zip(("stride", "padding", "dilation", "groups"), case[2:], strict=True))

    def both(x, weight):
        out = conv(x, weight, **given)
        return out, conv_input_grad(out, weight, size=x.shape[2:], **given), \
            conv_weight_grad(out, x, size=weight.shape[2:], **given)

    same_after(both, x, weight)


POOLS = [
    dict(window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1)),
    dict(window=(3, 3), stride=(3, 3), padding=((1, 1), (0, 1)), dilation=(1, 1)),
    dict(window=(3, 2), stride=(2, 1), padding=((1, 1), (0, 1)), dilation=(1, 2)),
    dict(window=(3,), stride=(1,), padding=((1, 2),), dilation=(2,)),
    dict(window=(5, 5), stride=(2, 2), padding=((2, 2), (2, 2)), dilation=(1, 1)),
]


@pytest.mark.parametrize("given", POOLS, ids=str)
def test_pooling_and_its_gradients(given):
    rng = np.random.default_rng(1)
    x = rng.integers(-3, 3, (2, 3, 7, 8)).astype(float)
    x[0, 0, 2, 3] = np.nan
    x[1, 2] = -np.inf

    def every(x):
        values, index = window_max(x, **given)
        total, taken = window_sum(x, **given), windows(x, **given)
        clean = [window_max(x * x, **given)[0], total, taken]
        return (values, index, *gradients(clean, clean, [x]), *gradients([clean[0]], [clean[0]], [x]))

    def without_nan(x):
        return every(x)[2:]

    same_after(lambda x: window_max(x, **given), x)
    same_after(without_nan, rng.standard_normal((2, 3, 7, 8)))
