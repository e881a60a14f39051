"""Whole programs run as a reader would run them: the examples, and the walkthrough of docs/."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


def run(tmp_path: Path, *words: str, **env: str) -> subprocess.CompletedProcess:
    """This Python on our sources, in an empty folder."""
    surroundings = {**os.environ, "PYTHONPATH": str(REPO), "COLUMNS": "100", **env}
    return subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env=surroundings,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("name", ["article_torch", "article_keras"])
def test_the_articles_programs(tmp_path, name):
    result = run(tmp_path, str(REPO / "examples" / f"{name}.py"))
    assert (result.returncode, result.stderr) == (0, "")
    assert float(re.search(r"accuracy on held-out digits: ([\d.]+)", result.stdout)[1]) >= 0.96
    assert "in_features=784" in result.stdout or "50,240" in result.stdout  # the printed model, or the summary


@pytest.mark.parametrize("tier", ["0", "1"])
def test_the_walkthrough(tmp_path, tier):
    result = run(tmp_path, str(REPO / "docs" / "how_a_step_runs.py"), DOVETAIL_TIER=tier)
    assert (result.returncode, result.stderr) == (0, "")
