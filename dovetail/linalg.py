"""torch.linalg's names.

This file is a door, written by tools/doors.py; run it after adding or renaming an op.
"""

# ruff: noqa: A004, E501, I001, F401
from dovetail.ops.matmul import matmul, chain_matmul as multi_dot, vecdot

__all__ = [
    "matmul", "multi_dot", "vecdot",
]
