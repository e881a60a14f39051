"""programs.py against PyTorch's results: first run and replays, with and without looks in the middle."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import dovetail as dv
import dovetail._higher_order_ops
import dovetail.func
import dovetail.utils.checkpoint  # noqa: F401

sys.path.insert(0, str(Path(__file__).parent))
from programs import PROGRAMS, plain  # noqa: E402

REFERENCE = json.loads(Path(__file__).with_name("reference.json").read_text())


def agree(a, b, path=""):
    if isinstance(b, list):
        assert isinstance(a, list) and len(a) == len(b), (path, a, b)
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            agree(x, y, f"{path}[{i}]")
    elif isinstance(b, dict):
        assert a.keys() == b.keys(), path
        for k in b:
            agree(a[k], b[k], f"{path}.{k}")
    elif isinstance(b, float):
        assert isinstance(a, float) and np.isclose(a, b, rtol=1e-9, atol=1e-12), (path, a, b)
    else:
        assert a == b, (path, a, b)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("looks", [False, True], ids=["whole", "looked at"])
def test_program(program, looks):
    def look(t):
        if looks:
            t.sum().item()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(4):
            agree(plain(program(dv, look)), REFERENCE[program.__name__])
