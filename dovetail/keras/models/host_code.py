"""Where a user's function leaves the tensors for NumPy, for messages about missing gradients."""

from __future__ import annotations

import dis
import os
from typing import Any

import numpy as np


def numpy_line(function: Any) -> str:
    """'line 11 of main.py' for the first place where the function calls NumPy or .numpy(); '' where it does not."""
    code = getattr(function, "__code__", None)
    if code is None:
        return ""
    names, line = getattr(function, "__globals__", {}), code.co_firstlineno
    for step in dis.get_instructions(code):
        line = step.starts_line or line
        asks = step.opname in ("LOAD_METHOD", "LOAD_ATTR") and step.argval == "numpy"
        if asks or (step.opname == "LOAD_GLOBAL" and names.get(step.argval) is np):
            return f"line {line} of {os.path.basename(code.co_filename)}"
    return ""
