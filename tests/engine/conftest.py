"""Every test begins without programs in memory, and with a disk cache of its own."""

import sys
from pathlib import Path

import pytest

from dovetail.base.config import config
from dovetail.engine import program

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside the tests


@pytest.fixture(autouse=True)
def fresh_caches(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "cache_dir", str(tmp_path / "cache"))
    program.forget_programs()
    yield
    program.forget_programs()
