"""Writes reference.json: how far PyTorch gets with the trainings of tasks.py, for several seeds. With torch installed:

python tests/convergence/make_reference.py
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tasks import TASKS

SEEDS = 8

if __name__ == "__main__":
    torch.set_num_threads(1)
    runs: dict = {"torch": torch.__version__}
    for name, task in TASKS.items():
        found = [task(torch, seed) for seed in range(SEEDS)]
        runs[name] = {key: [round(one[key], 5) for one in found] for key in found[0]}
        print(name, runs[name], flush=True)
    (Path(__file__).parent / "reference.json").write_text(json.dumps(runs, indent=1), encoding="utf-8")
