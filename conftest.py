"""Every test, and every example in a docstring, begins with a recorder that has seen no other, and with our names."""

import pytest

from dovetail.base import spelling
from dovetail.tensor.recorder import Recorder, local


@pytest.fixture(autouse=True)
def fresh_recorder():
    """What earlier tests recorded, and whether they made calls run at once, is of no account."""
    local.rec.close()
    local.rec = Recorder()
    before, spelling.package = spelling.package, "dovetail"  # a program that spoke torch in this process is over
    yield
    spelling.package = before
