"""A program under the debugger, with values shown on any line, gives the numbers it gives without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PROGRAM = """\
import numpy as np
import dovetail as torch
import dovetail.nn as nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
data = np.random.default_rng(0)
x = torch.from_numpy(data.standard_normal((12, 6)).astype("float32"))
y = torch.from_numpy(data.integers(0, 2, 12))
for step in range(6):
    optimizer.zero_grad()
    out = model(x)
    loss = nn.functional.cross_entropy(out, y)
    loss.backward()
    optimizer.step()
print("LOSS", float(loss), float(model[0].weight.sum()))
"""
LINES = {"forward": 14, "loss": 15, "gradients": 16}
LOOK = "p out, loss, model[0].weight.grad, step"


def run(folder: Path, commands: list[str] | None) -> list[float]:
    script = folder / "program.py"
    script.write_text(PROGRAM)
    root = Path(__file__).resolve().parents[2]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    start = [sys.executable] + (["-m", "pdb"] if commands is not None else [])
    done = subprocess.run(
        [*start, str(script)],
        input="\n".join(commands or []) + "\n",
        capture_output=True,
        text=True,
        env=env,
        timeout=120,
    )
    found = re.search(r"LOSS (\S+) (\S+)", done.stdout)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    return [float(v) for v in found.groups()]


def test_looking_in_the_debugger_changes_nothing(tmp_path):
    plain = run(tmp_path, None)
    for line in LINES.values():
        watched = run(tmp_path, [f"b {line}"] + ["c", LOOK] * 6 + ["c", "q"])
        assert abs(watched[0] - plain[0]) < 1e-5 * abs(plain[0]) + 1e-7
        assert abs(watched[1] - plain[1]) < 1e-4
