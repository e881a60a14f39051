"""torch.sparse's names.

This file is a door, written by tools/doors.py; run it after adding or renaming an op.
"""

# ruff: noqa: A004, E501, I001, F401
from dovetail.ops.sparse import (
    sparse_addmm as addmm, sparse_log_softmax as log_softmax, sparse_mm as mm, sparse_softmax as softmax,
    sparse_sum as sum,
)

__all__ = [
    "addmm", "log_softmax", "mm", "softmax", "sum",
]
