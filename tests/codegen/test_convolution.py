"""Convolutions and pooling as machine code, against the primitives' meaning."""

import numpy as np
import pytest

from dovetail.autodiff.check import graph_of
from dovetail.autodiff.gradient import gradients
from dovetail.engine import program
from dovetail.ir.evaluate import evaluate
from dovetail.prims import elementwise as e
from dovetail.prims.conv import conv
from dovetail.prims.shape import broadcast
from dovetail.prims.window import window_max, window_sum, windows

CASES = [  # input, weight, stride, padding, dilation, groups
    ((2, 3, 9), (4, 3, 3), (1,), ((1, 1),), (1,), 1),
    ((2, 3, 9), (4, 3, 2), (1,), ((3, 2),), (1,), 1),
    ((1, 4, 6, 7), (6, 2, 3, 2), (2, 1), ((1, 0), (0, 2)), (1, 2), 2),
    ((2, 2, 5, 5), (4, 1, 2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), 2),
    ((1, 2, 4, 5, 4), (3, 2, 2, 1, 3), (1, 2, 1), ((0, 1), (0, 0), (1, 1)), (2, 1, 1), 1),
    ((2, 3, 9, 8), (40, 3, 3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1),
    ((1, 3, 11, 11), (2, 3, 3, 3), (2, 2), ((2, 2), (3, 0)), (2, 2), 1),
    ((2, 8, 13, 9), (32, 8, 3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
]
POOLS = [
    dict(window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1)),
    dict(window=(3, 2), stride=(2, 1), padding=((1, 1), (0, 1)), dilation=(1, 2)),
    dict(window=(3,), stride=(1,), padding=((1, 2),), dilation=(2,)),
    dict(window=(5, 5), stride=(2, 2), padding=((2, 2), (2, 2)), dilation=(1, 1)),
]


def check(function, *arrays):
    graph = graph_of(function, arrays)
    made = program.compile(graph)
    assert not [kernel for kernel in made.kernels if "Python" in kernel.words]
    wanted = evaluate(graph, arrays)
    outs = [np.full(x.shape, 77, x.dtype) for x in wanted]
    made.run([x.ctypes.data for x in arrays], [x.ctypes.data for x in outs])
    for got, want in zip(outs, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution_with_bias_activation_and_gradients(case):
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(shape).astype(np.float32) for shape in case[:2])
    bias = rng.standard_normal(case[1][0]).astype(np.float32)
    given = dict(zip(("stride", "padding", "dilation", "groups"), case[2:], strict=True))

    def layer(x, weight, bias):
        out = conv(x, weight, **given)
        out = e.tanh(e.add(out, broadcast(bias, shape=out.shape, dims=(1,))))
        return out, *gradients([out], [out], [x, weight, bias])

    check(layer, x, weight, bias)


@pytest.mark.parametrize("given", POOLS, ids=str)
def test_pooling_and_its_gradients(given):
    x = np.random.default_rng(1).standard_normal((2, 3, 7, 8)).astype(np.float32)

    def every(x):
        values, index = window_max(x, **given)
        total, taken = window_sum(x, **given), windows(x, **given)
        return values, index, total, *gradients([values, total, taken], [values, total, taken], [x])

    check(every, x)
