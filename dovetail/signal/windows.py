"""torch.signal.windows's names.

This file is a door, written by tools/doors.py; run it after adding or renaming an op.
"""

# ruff: noqa: A004, E501, I001, F401
from dovetail.ops.windows import (
    bartlett, blackman, cosine, exponential, gaussian, general_cosine, general_hamming, hamming, hann, kaiser, nuttall,
)

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann",
    "kaiser", "nuttall",
]
