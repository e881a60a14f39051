"""`dovetail demo`: without a terminal, in both dialects, with the same result; and with nowhere to save."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dovetail.cli import demo

REPO = Path(__file__).resolve().parents[2]


def run(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess:
    """`dovetail demo words...`, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "dovetail.cli.main", "demo", *words],
        cwd=folder,
        capture_output=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(REPO), "PYTHONIOENCODING": "utf-8", **env},
    )


def epochs(text: str) -> np.ndarray:
    """The printed rows: epoch, loss, accuracy, held out."""
    rows = re.findall(r"^ +\d+ +[\d.]+ .*%$", text, re.M)
    return np.array([[float(cell.rstrip("%")) for cell in row.split()] for row in rows])


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> dict[str, str]:
    """What each dialect prints."""
    said = {}
    for dialect in ("torch", "keras"):
        result = run(tmp_path_factory.mktemp(dialect), "--dialect", dialect)
        assert (result.returncode, result.stderr) == (0, b""), result.stderr.decode()
        said[dialect] = result.stdout.decode()
    return said


@pytest.mark.parametrize("dialect", ["torch", "keras"])
def test_it_learns_saves_and_loads(both, dialect):
    text = both[dialect]
    assert float(re.search(r"([\d.]+)% of the held-out digits are right", text)[1]) >= 96
    words = " ".join(text.split())  # a narrow terminal breaks lines anywhere
    assert "the same weights, bit for bit" in words and "digits.safetensors" in words and "What to try next" in words
    assert "█" in text and "sure" in text and "\x1b" not in text


def test_both_dialects_give_the_same(both):
    torch, keras = epochs(both["torch"]), epochs(both["keras"])
    assert torch.shape == keras.shape and len(torch) >= 8
    assert np.allclose(torch[:3, 1], keras[:3, 1], rtol=0.02)
    assert abs(torch[-1, 3] - keras[-1, 3]) <= 2


def test_a_terminal_that_cannot_draw_blocks(tmp_path):
    result = run(tmp_path, "--epochs", "1", PYTHONIOENCODING="ascii")
    assert result.returncode == 0 and b"Traceback" not in result.stderr


def test_nowhere_to_save(tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    result = run(tmp_path, "--epochs", "1", "--save", "taken/model.safetensors")
    assert result.returncode == 1 and b"--save" in result.stdout and b"Traceback" not in result.stderr


@pytest.mark.parametrize("words", [["--epochs", "0"], ["--dialect", "jax"], ["--epoch", "x"]])
def test_wrong_words(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        demo.main(words)
    assert stopped.value.code == 2 and "dovetail demo" in capsys.readouterr().err


def test_drawing():
    """Two rows of pixels for each line of text."""
    picture = np.full((28, 28), -1, np.float32)
    picture[:14] = 1
    lines = demo.drawn(picture.ravel()).splitlines()
    assert len(lines) == demo.DRAWN // 2 and set(lines[0]) == {"█"} and set(lines[-1]) == {" "}
