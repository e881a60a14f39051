"""torch.utils.dlpack's names."""

from __future__ import annotations

from typing import Any

from dovetail.tensor.create import from_dlpack
from dovetail.tensor.tensor import Tensor

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of the tensor's memory."""
    return tensor.__dlpack__()
