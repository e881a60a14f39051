"""torch.types' names, for annotations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, Any, TypeAlias

from dovetail.base.device import device
from dovetail.base.dtypes import DType
from dovetail.base.layout import layout
from dovetail.tensor.storage import TypedStorage, UntypedStorage
from dovetail.tensor.tensor import Tensor

__all__ = ["Device", "FileLike", "Number", "Storage"]

Number: TypeAlias = int | float | bool
Device: TypeAlias = device | str | int | None
FileLike: TypeAlias = str | os.PathLike | IO[bytes]
Storage: TypeAlias = TypedStorage | UntypedStorage
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]
_dtype, _device, _layout = DType, device, layout
_int, _float, _bool, _complex = int, float, bool, complex
_size: TypeAlias = Sequence[int]
_symint = int
_dispatchkey = Any
