"""Every row of op_cases.py: values as torch's, replays as the first run, gradients by differences, errors in words."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import dovetail
import dovetail.nn.functional  # noqa: F401
from dovetail.autodiff.check import check_gradients
from dovetail.ir.core import Value
from dovetail.tensor.op import Op
from dovetail.tensor.tensor import Tensor

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from op_calls import arrays_of, converted, drawn, function, leaves, random_for  # noqa: E402
from op_cases import CASES, FAILS, Draw  # noqa: E402

REFERENCE = np.load(HERE / "reference.npz")
IDS = [f"{i}-{row.label}" for i, row in enumerate(CASES)]


def called(row) -> list[np.ndarray]:
    args, given = arrays_of(row)
    tensors = lambda x: converted(x, lambda a: dovetail.from_numpy(a.copy()))  # noqa: E731
    out = function(row, dovetail)(*tensors(args), **tensors(given))
    return [x.numpy() for x in leaves(out)]


@pytest.mark.parametrize(("i", "row"), list(enumerate(CASES)), ids=IDS)
def test_values(i, row):
    expected = [
        REFERENCE[k] for k in sorted((k for k in REFERENCE.files if k.startswith(f"{i}/{row.label}/")), key=last)
    ]
    assert expected, "no reference: run tests/ops/make_reference.py"
    for _ in range(3):  # the second and third time, the trace is followed
        got = called(row)
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=row.tolerance, atol=row.tolerance)


def last(key: str) -> int:
    return int(key.rpartition("/")[2])


MOVING = [
    (i, row) for i, row in enumerate(CASES) if row.gradient and any(isinstance(a, (Draw, list)) for a in row.args)
]


@pytest.mark.parametrize(("i", "row"), MOVING, ids=[IDS[i] for i, _ in MOVING])
def test_gradients(i, row):
    """The op's body on values, in double precision; only floating-point arguments move."""
    body = function(row, dovetail)
    if not isinstance(getattr(body, "op", None), Op):
        pytest.skip("stands above the desk: its ops have rows of their own")
    random = random_for(row)
    args = drawn(row.args, random)
    given = drawn(row.given, random)
    moving = [a for a in flat(args) if is_float(a)]

    def run(*values):
        supply = iter(values)
        place = lambda a: next(supply) if is_float(a) else constant(a)  # noqa: E731
        out = body(*converted(args, place), **converted(given, constant_float))
        return [x for x in leaves(out) if isinstance(x, Value) and x.dtype.kind == "f"]

    check_gradients(run, *(a.astype(np.float64) for a in moving))


def flat(x):
    return [v for y in x for v in flat(y)] if isinstance(x, (list, tuple)) else [x]


def is_float(x) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def constant(a: np.ndarray):
    from dovetail.ops.promote import literal

    return literal(a)


def constant_float(a: np.ndarray):
    return constant(a.astype(np.float64) if a.dtype.kind == "f" else a)


@pytest.mark.parametrize("row", FAILS, ids=[f"{i}-{row.name}" for i, row in enumerate(FAILS)])
def test_errors_tell_facts_and_a_cure(row):
    args, given = arrays_of(row)
    tensors = lambda x: converted(x, dovetail.from_numpy)  # noqa: E731
    with pytest.raises(row.error) as caught:
        out = function(row, dovetail)(*tensors(args), **tensors(given))
        for x in leaves(out):
            assert isinstance(x, Tensor)
            x.numpy()
    for words in row.says:
        assert words in str(caught.value)
