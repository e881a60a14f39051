"""Convolutions and windows: meaning by plain loops, gradients by finite differences to the second order."""

from itertools import product

import numpy as np
import pytest

from dovetail.autodiff.check import check_gradients, graph_of
from dovetail.base.errors import ArgumentError, ShapeError
from dovetail.ir.core import Literal
from dovetail.ir.evaluate import evaluate
from dovetail.prims.conv import conv, conv_input_grad, conv_weight_grad
from dovetail.prims.make import literal
from dovetail.prims.window import window_max, window_max_grad, window_sum, window_sum_grad, windows, windows_grad

CASES = [  # input, weight, stride, padding, dilation, groups
    ((2, 3, 9), (4, 3, 3), (1,), ((1, 1),), (1,), 1),
    ((1, 4, 6, 7), (6, 2, 3, 2), (2, 1), ((1, 0), (0, 2)), (1, 2), 2),
    ((2, 2, 5, 5), (2, 1, 2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), 2),
    ((1, 2, 4, 5, 4), (3, 2, 2, 1, 3), (1, 2, 1), ((0, 1), (0, 0), (1, 1)), (2, 1, 1), 1),
    ((2, 3, 8, 8), (2, 3, 1, 1), (3, 2), ((0, 0), (0, 0)), (1, 1), 1),
]


def by_loops(x, w, stride, padding, dilation, groups):
    n, channels, *sizes = x.shape
    outs, per, *taps = w.shape
    counts = [(s + sum(p) - d * (t - 1) - 1) // st + 1
              for s, t, st, p, d in zip(sizes, taps, stride, padding, dilation, strict=True)]
    out = np.zeros((n, outs, *counts), x.dtype)
    for place in product(*map(range, counts)):
        for tap in product(*map(range, taps)):
            at = [p * s + t * d - lo[0] for p, s, t, d, lo in zip(place, stride, tap, dilation, padding, strict=True)]
            if all(0 <= i < s for i, s in zip(at, sizes, strict=True)):
                for o in range(outs):
                    first = o // (outs // groups) * per
                    part = x[(slice(None), slice(first, first + per), *at)]
                    out[(slice(None), o, *place)] += part @ w[(o, slice(None), *tap)]
    return out


def run(function, *arrays):
    return evaluate(graph_of(function, arrays), arrays)


def settings(case):
    return dict(zip(("stride", "padding", "dilation", "groups"), case[2:], strict=True))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution_is_the_sum_it_says(case):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(case[0]), rng.standard_normal(case[1])
    out = run(lambda x, w: conv(x, w, **settings(case)), x, w)[0]
    np.testing.assert_allclose(out, by_loops(x, w, *case[2:]), rtol=1e-12, atol=1e-12)
    # The adjoints: <conv(x, w), g> == <x, input_grad(g, w)> == <w, weight_grad(g, x)>
    g = rng.standard_normal(out.shape)
    back = run(lambda g, w: conv_input_grad(g, w, size=x.shape[2:], **settings(case)), g, w)[0]
    weight = run(lambda g, x: conv_weight_grad(g, x, size=w.shape[2:], **settings(case)), g, x)[0]
    np.testing.assert_allclose([np.sum(back * x), np.sum(weight * w)], np.sum(out * g), rtol=1e-10)


@pytest.mark.parametrize("case", CASES[:4], ids=str)
def test_gradients_of_any_order(case):
    rng = np.random.default_rng(1)
    arrays = rng.standard_normal(case[0]), rng.standard_normal(case[1])
    check_gradients(lambda x, w: conv(x, w, **settings(case)), *arrays, order=2)


def test_complex_gradients():
    rng = np.random.default_rng(2)
    arrays = [rng.standard_normal(s) + 1j * rng.standard_normal(s) for s in CASES[1][:2]]
    check_gradients(lambda x, w: conv(x, w, **settings(CASES[1])), *arrays)


WINDOWS = [
    dict(window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1)),
    dict(window=(3, 2), stride=(2, 1), padding=((1, 1), (0, 1)), dilation=(1, 2)),
    dict(window=(3,), stride=(1,), padding=((1, 2),), dilation=(2,)),
]


@pytest.mark.parametrize("given", WINDOWS, ids=str)
def test_windows_and_their_folds(given):
    rng = np.random.default_rng(3)
    x = rng.permutation(2 * 3 * 6 * 7).reshape(2, 3, 6, 7).astype(float)
    rank = len(given["window"])
    taken = run(lambda x: windows(x, **given), x)[0]
    outer = 4 - rank
    folded = tuple(range(outer, outer + rank))
    np.testing.assert_allclose(run(lambda x: window_sum(x, **given), x)[0], taken.sum(folded))
    low = run(lambda x: windows(x, **given), x - 1000)[0]  # padding is zero, so larger than all elements
    values, index = run(lambda x: window_max(x, **given), x - 1000)
    np.testing.assert_allclose(values, np.where(low == 0, -np.inf, low).max(folded))
    flat = (x - 1000).reshape(*x.shape[:outer], -1)
    np.testing.assert_allclose(
        np.take_along_axis(flat, index.reshape(*x.shape[:outer], -1), -1).reshape(values.shape), values)
    check_gradients(lambda x: windows(x, **given), x, order=2)
    check_gradients(lambda x: window_sum(x, **given), x, order=2)
    check_gradients(lambda x: window_max(x, **given)[0] * window_max(x, **given)[0], x, order=2, tolerance=1e-4)
    size = x.shape[outer:]
    check_gradients(lambda g: windows_grad(g, size=size, **given), taken, order=2)
    check_gradients(lambda g: window_sum_grad(g, size=size, **given), values, order=2)
    check_gradients(lambda g: window_max_grad(
        g, window_max(g_like(g, x), **given)[1], size=size, **given), np.abs(values) % 7, order=1)


def g_like(g, x):
    """x as a constant of g's graph."""
    return literal(value=Literal(x))


def test_a_window_of_nothing_but_minus_infinity_names_an_element_inside():
    x = np.full((1, 1, 4), -np.inf)
    _, index = run(lambda x: window_max(x, window=(3,), stride=(2,), padding=((2, 1),), dilation=(1,)), x)
    assert index.tolist() == [[[0, 0, 2]]]
    x[0, 0, 1] = np.nan
    values, index = run(lambda x: window_max(x, window=(2,), stride=(2,), padding=((0, 0),), dilation=(1,)), x)
    assert np.isnan(values[0, 0, 0]) and index[0, 0, 0] == 1


def test_sizes_that_do_not_fit_are_refused():
    x, w = np.zeros((1, 3, 4, 4)), np.zeros((2, 3, 5, 5))
    plain = dict(stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1)
    with pytest.raises(ShapeError, match="spans 5"):
        run(lambda x, w: conv(x, w, **plain), x, w)
    with pytest.raises(ShapeError, match="channels"):
        run(lambda x, w: conv(x, w, **plain), x, np.zeros((2, 2, 3, 3)))
    with pytest.raises(ArgumentError, match="positive"):
        run(lambda x, w: conv(x, w, **{**plain, "stride": (0, 1)}), x, np.zeros((2, 3, 3, 3)))
