"""Every primitive by its rows in cases.py: shape rule against meaning, meaning against torch, gradient against torch
and against finite differences. A new primitive without a row fails."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from dovetail import prims
from dovetail.autodiff.check import check_gradients, graph_of
from dovetail.autodiff.gradient import gradients
from dovetail.base.dtypes import ALL, bfloat16
from dovetail.ir.core import PRIMITIVES, Graph, building
from dovetail.ir.evaluate import evaluate
from dovetail.ir.verify import verify
from dovetail.prims.families import CONV, ELEMENT, WINDOW
from dovetail.prims.make import literal_of

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from cases import CASES, ROWS, arrays_of  # noqa: E402
from linalg_cases import LINALG  # noqa: E402
from rare_cases import RARE  # noqa: E402

REFERENCE = np.load(HERE / "reference.npz")
EVERY = [(name, i, row, dtype) for name, i, row in CASES for dtype in row.dtypes or ("",)]
IDS = [f"{name}-{i}-{dtype}" for name, i, _, dtype in EVERY]


# The code generator has nodes of its own, without rules, that no program contains.
LANGUAGE = {name: prim for name, prim in PRIMITIVES.items() if prim.meaning is not None}


def test_every_primitive_has_a_row():
    assert prims
    elsewhere = {"windows", *(p.name for p in LANGUAGE.values() if p.family in (CONV, WINDOW))}  # in test_conv.py
    elsewhere |= {*RARE, "polynomial", "gcd", "frexp"}  # in test_rare.py
    elsewhere |= {"ldl_factor", "ldl_solve"}  # in tests/ops/cases
    elsewhere |= {"cond", "scan", "while_loop", "unwind"}  # in tests/autodiff/test_control.py
    missing = set(LANGUAGE) - set(ROWS) - set(LINALG) - elsewhere
    assert not missing, f"primitives without a row in cases.py: {sorted(missing)}"


def run(name: str, row, arrays):
    graph = verify(graph_of(lambda *xs: PRIMITIVES[name](*xs, **row.params), arrays))
    return graph, evaluate(graph, arrays)


@pytest.mark.parametrize(("name", "i", "row", "dtype"), EVERY, ids=IDS)
def test_shape_rule_tells_what_the_meaning_gives(name, i, row, dtype):
    graph, results = run(name, row, arrays_of(row, dtype or "float32", i))
    for value, array in zip(graph.outputs, results, strict=True):
        assert isinstance(array, np.ndarray)
        assert array.shape == value.shape
        assert array.dtype == value.dtype.np


HAS_BFLOAT16 = importlib.util.find_spec("ml_dtypes") is not None
ELEMENTS = [p for p in PRIMITIVES.values() if p.family == ELEMENT and p.kinds and p.name in ROWS]


@pytest.mark.parametrize("prim", ELEMENTS, ids=lambda p: p.name)
def test_every_dtype_that_is_taken_comes_back_right(prim):
    """Also for 0-d operands, for which NumPy likes to return scalars, and for bfloat16."""
    row = ROWS[prim.name][0]
    for dtype in [d for d in ALL if d.kind in prim.kinds and (d is not bfloat16 or HAS_BFLOAT16)]:
        for shape in ((), (3,)):
            arrays = [np.ones(shape).astype(dtype.np) for _ in row.inputs]
            graph, results = run(prim.name, row, arrays)
            assert (results[0].dtype, results[0].shape) == (graph.outputs[0].dtype.np, shape)
            assert isinstance(results[0], np.ndarray)


def reference_for(name, i, row, dtype, arrays):
    if row.numpy is not None:
        return row.numpy(*arrays, **row.params)
    return REFERENCE[f"{name}/{i}/{dtype}"]


@pytest.mark.parametrize(("name", "i", "row", "dtype"), EVERY, ids=IDS)
def test_meaning_is_torchs(name, i, row, dtype):
    if row.numpy is None and not row.torch:
        pytest.skip("no counterpart")
    arrays = arrays_of(row, dtype or "float32", i)
    ours = run(name, row, arrays)[1][0]
    theirs = reference_for(name, i, row, dtype, arrays)
    assert ours.dtype == theirs.dtype
    tolerance = {2: 2e-3, 8: row.tolerance64}.get(ours.real.dtype.itemsize, row.tolerance)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * 1e-2, strict=True)
    if ours.dtype.kind == "f" and name not in ("remainder", "pow"):
        np.testing.assert_array_equal(np.signbit(ours[ours == 0]), np.signbit(theirs[theirs == 0]))


GRADED = [(n, i, r, d) for n, i, r, d in EVERY if r.torch_gradient and f"{n}/{i}/{d}/grad0" in REFERENCE]


@pytest.mark.parametrize(("name", "i", "row", "dtype"), GRADED, ids=[f"{n}-{i}-{d}" for n, i, _, d in GRADED])
def test_gradient_is_torchs(name, i, row, dtype):
    arrays = arrays_of(row, dtype, i)
    forward = graph_of(lambda *xs: PRIMITIVES[name](*xs, **row.params), arrays)
    out = forward.outputs[0]
    sources = [x for x in forward.inputs if x.dtype.is_differentiable]
    weight = np.linspace(1, 2, out.numel).reshape(out.shape).astype(out.dtype.np)
    with building(forward.nodes):
        found = gradients([out], [literal_of(weight)], sources)
    expected = {k: REFERENCE[key] for k in range(len(sources)) if (key := f"{name}/{i}/{dtype}/grad{k}") in REFERENCE}
    pairs = [(found[k], g) for k, g in expected.items()]
    results = evaluate(verify(Graph(forward.inputs, forward.nodes, [g for g, _ in pairs])), arrays)
    for ours, (_, theirs) in zip(results, pairs, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


SMOOTH = [(n, i, r, d) for n, i, r, d in EVERY if d in ("float64", "complex128") and r.gradient]


@pytest.mark.parametrize(("name", "i", "row", "dtype"), SMOOTH, ids=[f"{n}-{i}-{d}" for n, i, _, d in SMOOTH])
def test_gradient_by_differences(name, i, row, dtype):
    check_gradients(lambda *xs: PRIMITIVES[name](*xs, **row.params), *arrays_of(row, dtype, i), order=row.gradient)


@pytest.mark.parametrize("name", sorted(LANGUAGE))
def test_primitives_without_gradient_say_so(name):
    prim = PRIMITIVES[name]
    assert (prim.gradient_rule is not None) or not prim.differentiable or prim.family == "make"
