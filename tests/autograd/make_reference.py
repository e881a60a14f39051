"""Write reference.json: what PyTorch gives for programs.py. Run with a Python that has torch."""

import json
from pathlib import Path

import torch
import torch.utils.checkpoint
from programs import PROGRAMS, plain

if __name__ == "__main__":
    found = {p.__name__: plain(p(torch, lambda t: None)) for p in PROGRAMS}
    path = Path(__file__).with_name("reference.json")
    path.write_text(json.dumps(found, indent=None, separators=(",", ":")).replace('],"', '],\n"') + "\n")
