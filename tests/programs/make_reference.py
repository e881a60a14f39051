"""Writes expected.json: what the programs beside this file print with PyTorch. Run it with torch installed:

python tests/programs/make_reference.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOT_PROGRAMS = {"conftest", "fill", "make_reference", "test_programs"}

if __name__ == "__main__":
    found = {}
    for path in sorted(HERE.glob("*.py")):
        if path.stem not in NOT_PROGRAMS:
            made = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True, cwd=HERE)
            found[path.stem] = made.stdout.splitlines()
    (HERE / "expected.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
