"""The programs are run by test_programs.py; pytest would import them to look for doctests."""

from pathlib import Path

collect_ignore = [path.name for path in Path(__file__).parent.glob("*.py") if path.stem != "test_programs"]
