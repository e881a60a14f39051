"""What a later kernel needs of an earlier one is computed again where that is cheaper than keeping it."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.base.dtypes import float32
from dovetail.engine.program import compile
from dovetail.ir.core import Graph, Value, building
from dovetail.ir.evaluate import evaluate
from dovetail.ir.verify import verify
from dovetail.prims import elementwise as e
from dovetail.prims.contract import contract

N = 96
ROOM = N * N * 4


def matmul(a, b):
    return contract(a, b, batch=((), ()), sum=((1,), (0,)))


def two_layers(slope):
    """A layer, the product that reads its activation, and the gradient of its input, which needs two slopes."""
    x, w, v, g = (Value((N, N), float32) for _ in range(4))
    with building() as nodes:
        h = matmul(x, w)
        y = e.tanh(h)
        forward = matmul(y, v)
        a, b = slope(h, y)
        seen = matmul(g, forward)
        backward = matmul(e.add(e.mul(seen, a), e.mul(e.mul(seen, seen), b)), w)
    return verify(Graph([x, w, v, g], nodes, [backward]))


SLOPES = {
    "erf and exp of the layer's product": (lambda h, y: (e.erf(h), e.exp(e.neg(e.mul(h, h)))), 4),
    "arithmetic on the activation, which is there": (lambda h, y: (e.mul(y, y), y), 3),
}


@pytest.mark.parametrize("target", ["host", "avx2", "generic"])
@pytest.mark.parametrize("name", SLOPES)
def test_a_slope_is_not_kept(name, target):
    slope, arrays = SLOPES[name]
    graph = two_layers(slope)
    rng = np.random.default_rng(0)
    given = [rng.standard_normal((N, N)).astype(np.float32) * 0.1 for _ in range(4)]
    (want,) = evaluate(graph, given)
    program = compile(graph, target=target, threads=1)
    got = np.full_like(want, 77)
    program.run([a.ctypes.data for a in given], [got.ctypes.data])
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    kept = {k.words: k.nbytes for k in program.kernels}
    first = next(k for k in program.kernels)
    assert first.nbytes <= ROOM * arrays, kept
