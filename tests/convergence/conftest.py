"""Lets the tests of this folder share a file of programs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
