"""A primitive said once for several examples gives what it gives for each of them, whichever inputs differ."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from dovetail.autodiff.batching import Batch
from dovetail.base.dtypes import from_numpy_dtype
from dovetail.ir.core import PRIMITIVES, Graph, Value, building
from dovetail.ir.evaluate import evaluate
from dovetail.ir.verify import verify

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from cases import CASES, arrays_of  # noqa: E402

SIZE = 3
UNRULED = {"dynamic_slice", "dynamic_update_slice", "literal", "random_bits", "full", "iota"}


def examples_of(x: np.ndarray) -> np.ndarray:
    """The input, and the same numbers in other places: still what the primitive takes."""
    turned = np.roll(x, 1, axis=-1) if x.ndim else x
    return np.stack([x, turned, np.flip(x, -1) if x.ndim else x])


def batched(name: str, params: dict, arrays: list, flags: tuple) -> list[np.ndarray]:
    pairs = list(zip(arrays, flags, strict=True))
    ones = [Value(a.shape[1:] if flag else a.shape, from_numpy_dtype(a.dtype)) for a, flag in pairs]
    with building() as nodes:
        made = PRIMITIVES[name](*ones, **params)
    made = made if isinstance(made, tuple) else (made,)
    batch, inputs = Batch(SIZE), []
    for x, a, flag in zip(ones, arrays, flags, strict=True):
        inputs.append(Value(a.shape, x.dtype))
        (batch.own if flag else batch.same)[x] = inputs[-1]
    with building() as more:
        batch.run(nodes)
        outs = [batch.whole(x) for x in made]
    return evaluate(verify(Graph(inputs, more, outs)), arrays)


@pytest.mark.parametrize(("name", "i", "row"), CASES, ids=[f"{name}-{i}" for name, i, _ in CASES])
def test_primitive(name, i, row):
    dtype = next((d for d in ("float64", "int64", "bool") if d in row.dtypes), row.dtypes[0] if row.dtypes else "")
    arrays = arrays_of(row, dtype or "float32", i)
    if not arrays:
        pytest.skip("takes nothing that could differ")
    combinations = [flags for flags in itertools.product([False, True], repeat=len(arrays)) if any(flags)]
    for flags in combinations[-8:]:
        given = [examples_of(a) if flag else a for a, flag in zip(arrays, flags, strict=True)]
        found = batched(name, row.params, given, flags)
        for k in range(SIZE):
            one = [a[k] if flag else a for a, flag in zip(given, flags, strict=True)]
            with np.errstate(all="ignore"):
                wanted = PRIMITIVES[name].meaning(*one, **row.params)
            for a, b in zip(found, wanted if isinstance(wanted, (tuple, list)) else [wanted], strict=True):
                np.testing.assert_allclose(a[k], b, rtol=1e-9, atol=1e-9, err_msg=f"{name}, example {k}, {flags}")


def test_nearly_every_primitive_has_a_rule():
    missing = {n for n, p in PRIMITIVES.items() if p.batch_rule is None and p.meaning is not None and p.shape_rule}
    assert missing <= UNRULED, f"applied example by example: {sorted(missing - UNRULED)}"
