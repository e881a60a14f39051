"""Writes promotion.json: PyTorch's answers to promotion_cases.py. Needs torch; the tests do not."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from promotion_cases import table

if __name__ == "__main__":
    answers = {}
    for default in ("float32", "float64"):
        torch.set_default_dtype(getattr(torch, default))
        answers[default] = table(torch)
    kept = {k: v for k, v in answers["float64"].items() if answers["float32"][k] != v}  # what differs is enough
    Path(__file__).with_name("promotion.json").write_text(
        json.dumps({"float32": answers["float32"], "float64": kept}, indent=0) + "\n"
    )
    print(len(answers["float32"]), "answers")
