"""Tensors print as PyTorch prints them: printing.json holds its texts (make_printing.py)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import dovetail as dv

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from printing_cases import cases, printed  # noqa: E402

TEXTS = json.loads((HERE / "printing.json").read_text())


@pytest.mark.parametrize("i", range(0, len(TEXTS), 12))
def test_texts_are_those_of_torch(i):
    """Line breaks before a dtype follow our longer name for it; everything else is the same character by character."""
    for case, wanted in zip(cases()[i : i + 12], TEXTS[i : i + 12], strict=True):
        found = printed(case, dv)
        assert joined(found.replace("dovetail.", "torch.")) == joined(wanted), case


def joined(text: str) -> str:
    for word in ("dtype=", "size=", "grad_fn=", "requires_grad="):
        text = text.replace(",\n       " + word, ", " + word)
    return text


def test_there_is_a_text_for_every_case():
    assert len(cases()) == len(TEXTS)


def test_options_are_put_back_by_a_profile():
    x = dv.tensor([1.23456789])
    dv.set_printoptions(precision=2)
    assert repr(x) == "tensor([1.23])"
    dv.set_printoptions(profile="default")
    assert repr(x) == "tensor([1.2346])"
