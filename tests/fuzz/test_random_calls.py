"""A small share of random_calls.py: a few hundred calls with right and wrong arguments, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dovetail as dv
from dovetail.base.errors import wrong_argument

SCRIPT = Path(__file__).resolve().parent / "random_calls.py"


def test_random_calls_neither_crash_nor_leak_our_insides():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--batch", "0", "250"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-2000:]}"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dv.put(-1.0, dv.tensor([0]), 1), "must be Tensor, not float"),
        (lambda: dv.Tensor.lt_(), "missing a required argument"),
        (lambda: dv.add(dv.ones(2), "two"), "must be a Tensor or a number, not str"),
        (lambda: dv.ones(2, dtype="number"), "number"),
        (lambda: dv.tensor_split(dv.ones(4)), "missing a required argument"),
        (lambda: dv.add(dv.ones(2), 1, out="here"), "must be Tensor, not str"),
        (lambda: dv.nn.LayerNorm(2)([1.0, 2.0]), "must be Tensor, not list"),
        (lambda: dv.select(dv.ones(2, 3), 1, 0.5), "must be int, not float"),
        (lambda: dv.ones(3, 4).diagonal(-1.0), "must be int, not float"),
        (lambda: dv.topk(dv.ones(4), 2, out=dv.ones(2)), "of Tensors, not Tensor"),
        (lambda: dv.distributions.Independent(dv.ones(3), 0), "must be a Distribution, not Tensor"),
        (lambda: dv.distributions.Dirichlet([1.0]), "must be a Tensor, not list"),
        (lambda: dv.keras.ops.vectorized_map(lambda x: x, [0]), "at least one axis"),
        (lambda: dv.keras.ops.rearrange(dv.ones(2, 2), (2, 2)), "the pattern must be text"),
        (lambda: dv.nn.LazyConv3d(dv.ones(3), dv.ones(3), dv.ones(3)), "int|size|whole|index"),
    ],
)
def test_an_argument_of_another_kind_is_named(call, words):
    with pytest.raises(TypeError, match=words):
        call()
    np.testing.assert_array_equal((dv.ones(2) + 1).numpy(), [2, 2])  # nothing is left behind


def test_an_error_raised_on_purpose_stays_what_it_is():
    """NotCovered is an AttributeError too, and says what is missing."""
    for error in (dv.NotCovered("x has no y"), AttributeError("on purpose")):
        try:
            raise error
        except AttributeError as e:
            assert wrong_argument("call", ("input",), (None,), e) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: dv.nn.functional.adaptive_avg_pool2d(dv.ones(2, 4, 7, 6), 10**6),
        lambda: dv.nn.functional.adaptive_max_pool2d(dv.ones(2, 4, 7, 6), 2**40),
        lambda: dv.ones(10**7, 10**7),
        lambda: dv.empty(10**14),
        lambda: dv.rand(2**20, 2**30),
        lambda: dv.ones(10**6, 1) * dv.ones(1, 10**8),
        lambda: dv.arange(10**14),
        lambda: dv.ones(10**5).repeat(10**9),
    ],
)
def test_what_no_memory_holds_is_refused_at_once(call):
    """As in PyTorch: the call itself raises a RuntimeError, and nothing is tried."""
    with pytest.raises(RuntimeError, match="can't allocate memory: .* were asked for .* are free"):
        call()
    assert (dv.ones(3) + 1).tolist() == [2.0] * 3


def test_a_view_may_be_larger_than_memory():
    assert dv.ones(1).expand(10**14).shape == (10**14,)


def test_neighbours_beyond_the_channels_cost_nothing():
    x = dv.arange(6.0).reshape(1, 3, 2)
    wide = dv.nn.functional.local_response_norm(x, size=10**6, alpha=1e6)
    expected = x.numpy() / (1 + (x.numpy() ** 2).sum(1, keepdims=True)) ** 0.75
    np.testing.assert_allclose(wide.numpy(), expected, rtol=1e-5)
