"""The promotion table is PyTorch's, 0-d tensors, Python numbers and the default dtype included (promotion.json)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import dovetail as dv

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from promotion_cases import table  # noqa: E402

ANSWERS = json.loads((HERE / "promotion.json").read_text())


@pytest.mark.parametrize("default", ["float32", "float64"])
def test_every_pair(default):
    dv.set_default_dtype(getattr(dv, default))
    try:
        found = table(dv)
    finally:
        dv.set_default_dtype(dv.float32)
    wanted = ANSWERS["float32"] | (ANSWERS["float64"] if default == "float64" else {})
    assert found.keys() == wanted.keys()
    wanted = {k: v for k, v in wanted.items() if v != "complex32"}  # a dtype that Dovetail does not have
    assert not {k: (found[k], v) for k, v in wanted.items() if found[k] != v}


def test_unsigned_dtypes_promote_among_integers_where_a_dtype_holds_both():
    assert dv.promote_types(dv.uint16, dv.int16) is dv.int32 and dv.promote_types(dv.uint32, dv.int8) is dv.int64
    assert dv.promote_types(dv.uint8, dv.uint64) is dv.uint64 and dv.promote_types(dv.uint64, dv.float16) is dv.float16
    with pytest.raises(TypeError, match="uint64"):
        dv.promote_types(dv.uint64, dv.int64)


@pytest.mark.parametrize(("value", "dtype"), [(300, "uint8"), (-129, "int8"), (2**31, "int32"), (float("nan"), "int64"),
                                              (1e20, "int32"), (-256, "uint8"), (1e6, "float16")])  # fmt: skip
def test_numbers_that_a_dtype_does_not_hold_are_refused(value, dtype):
    """torch: value cannot be converted to type uint8_t without overflow. Arithmetic wraps, as it does there."""
    kind = getattr(dv, dtype)
    calls = [lambda: dv.full((2,), value, dtype=kind), lambda: dv.zeros(2, dtype=kind).fill_(value),
             lambda: dv.zeros(2, dtype=kind).masked_fill(dv.tensor([True, False]), value)]  # fmt: skip
    if kind.kind != "f":
        calls += [lambda: dv.tensor(value, dtype=kind), lambda: dv.tensor([0, value], dtype=kind),
                  lambda: dv.zeros(2, dtype=kind).__setitem__(0, value)]  # fmt: skip
    for call in calls:
        with pytest.raises(RuntimeError, match="without overflow"):
            call()
    assert (dv.tensor([1], dtype=dv.uint8) + 300).tolist() == [45] and dv.full((1,), -1, dtype=dv.uint8).item() == 255
