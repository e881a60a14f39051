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
        (lambda: dv.nn.functional.pad(dv.ones(1, 2, 3), (dv.tensor(1), 1), "replicate"), "Python numbers"),
        (lambda: dv.ones(2, dtype="number"), "number"),
        (lambda: dv.tensor_split(dv.ones(4)), "missing a required argument"),
        (lambda: dv.add(dv.ones(2), 1, out="here"), "must be Tensor, not str"),
        (lambda: dv.nn.LayerNorm(2)([1.0, 2.0]), "must be Tensor, not list"),
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
