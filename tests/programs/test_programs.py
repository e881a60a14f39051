"""Whole PyTorch programs, run unchanged under the import finder; what they print is what PyTorch printed.

Weights and data come from NumPy, so that the numbers can be compared: to 0.2 % and 0.0002, or the last digit printed.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import runpy
import sys
from pathlib import Path

import pytest

from dovetail.base import spelling
from dovetail.compat import finder

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text(encoding="utf-8"))
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@pytest.fixture
def torch_is_ours(monkeypatch):
    """The finder in place for one test, and none of its modules left behind."""
    roots = {*finder.ROOTS, "fill"}
    real = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in roots}
    monkeypatch.setattr(sys, "meta_path", [finder.CompatFinder(), *sys.meta_path])
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setattr(spelling, "package", "torch")
    yield
    for name in list(sys.modules):
        if name.partition(".")[0] in roots:
            del sys.modules[name]
    sys.modules.update(real)


def agree(ours: str, theirs: str) -> bool:
    """Whether two lines have the same words, and numbers that are close."""
    if NUMBER.sub("#", ours) != NUMBER.sub("#", theirs):
        return False
    pairs = zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True)
    return all(abs(float(a) - float(b)) <= 2e-3 * abs(float(b)) + 2e-4 for a, b in pairs)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_program_prints_what_it_prints_with_pytorch(name, torch_is_ours):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        runpy.run_path(str(HERE / f"{name}.py"), run_name="__main__")
    lines = said.getvalue().splitlines()
    assert len(lines) == len(EXPECTED[name])
    wrong = [pair for pair in zip(lines, EXPECTED[name], strict=True) if not agree(*pair)]
    assert not wrong
