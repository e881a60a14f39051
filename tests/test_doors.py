"""The doors (public names) are what tools/doors.py writes from the ops, and importing them stays cheap."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent


def python(*words: str) -> subprocess.CompletedProcess:
    """Run this Python in the repository."""
    return subprocess.run([sys.executable, *words], cwd=REPO, capture_output=True, text=True, timeout=120)


def test_no_door_is_stale():
    result = python("tools/doors.py", "--check")
    assert result.returncode == 0, result.stdout + result.stderr


def test_importing_loads_nothing_heavy_and_prints_nothing():
    heavy = ("llvmlite", "rich", "torch", "tensorflow", "jax", "PIL", "h5py", "dovetail.keras", "dovetail.vision")
    code = f"import sys, dovetail; print([name for name in {heavy} if name in sys.modules])"
    result = python("-c", code)
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "[]", "")


def test_every_public_name_is_there():
    code = "import dovetail; missing = [n for n in dovetail.__all__ if not hasattr(dovetail, n)]; print(missing)"
    assert python("-c", code).stdout.strip() == "[]"


def test_a_wrong_name_is_explained():
    result = python("-c", "import dovetail; dovetail.zeroes")
    assert result.returncode == 1 and "Did you mean: zeros" in result.stderr
