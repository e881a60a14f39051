"""Writes reference.json: dtypes under torch's autocast, and losses of training under it. Run it with torch installed:

python tests/amp/make_reference.py
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from amp_cases import calls, train

if __name__ == "__main__":
    dtypes = {}
    for name, call in calls(torch).items():
        with torch.autocast("cpu"):
            dtypes[name] = str(call().dtype).removeprefix("torch.")
    runs = {
        str(dtype).removeprefix("torch."): train(torch, dtype, dtype is torch.float16)
        for dtype in (torch.bfloat16, torch.float16)
    }
    made = {"torch": torch.__version__, "dtypes": dtypes, "runs": runs}
    (Path(__file__).parent / "reference.json").write_text(json.dumps(made, indent=1), encoding="utf-8")
