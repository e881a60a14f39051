"""Print a command of the README, so that what CI runs is what readers are told to run.

    python tools/readme.py demo      # the first command
    python tools/readme.py test      # the second

A command is the fenced block after the line `<!-- command: NAME -->`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def command(name: str) -> str:
    """The text of the block that carries this name."""
    pattern = rf"<!-- command: {re.escape(name)} -->\s*```\w*\n(.*?)```"
    found = re.search(pattern, README.read_text(encoding="utf-8"), re.S)
    if not found:
        raise SystemExit(f"README.md has no block after <!-- command: {name} -->")
    return found.group(1).strip()


if __name__ == "__main__":
    print(command(sys.argv[1]))
