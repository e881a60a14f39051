"""Writes printing.json: what PyTorch prints for every case of printing_cases.py. Needs torch; the tests do not."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from printing_cases import cases, printed

if __name__ == "__main__":
    texts = [printed(case, torch) for case in cases()]
    Path(__file__).with_name("printing.json").write_text(json.dumps(texts, indent=0) + "\n")
    print(len(texts), "texts")
