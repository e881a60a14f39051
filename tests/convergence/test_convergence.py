"""Small trainings get as far as they do in PyTorch, within the noise of its own seeds (reference.json)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tasks import TASKS

import dovetail

REFERENCE = json.loads((Path(__file__).parent / "reference.json").read_text(encoding="utf-8"))
NOISE = 4  # standard deviations of PyTorch's own runs


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TASKS))
def test_training_gets_as_far_as_in_torch(name):
    found = TASKS[name](dovetail, 0)
    for key, theirs in REFERENCE[name].items():
        middle, spread = np.mean(theirs), np.std(theirs)
        room = NOISE * spread + 0.02 * abs(middle) + 2e-3
        if key in ("loss", "miss"):  # better is no fault
            assert found[key] < middle + room, (key, found[key], middle, spread)
        else:
            assert abs(found[key] - middle) < room, (key, found[key], middle, spread)
    if name == "cnn_on_digits":
        assert found["accuracy"] >= 0.985
    if "first" in found:
        assert found["loss"] < 0.75 * found["first"]
