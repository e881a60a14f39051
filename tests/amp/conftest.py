"""The cases of this folder, importable from its tests and its script alike."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
