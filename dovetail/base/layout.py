"""Names of memory layouts. They are accepted wherever torch accepts them; the engine chooses layouts by itself."""

from __future__ import annotations

from dovetail.base import spelling


class memory_format:
    """An order of dims in memory that a call may ask for."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return f"{spelling.package}.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class layout(memory_format):
    """A kind of storage: all tensors here are strided."""


contiguous_format = memory_format("contiguous_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
preserve_format = memory_format("preserve_format")
strided = layout("strided")
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")
jagged = layout("jagged")
