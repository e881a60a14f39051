"""What the namespace can do, as the standard's inspection interface asks it (2024.12, "Inspection")."""

from __future__ import annotations

from dovetail.array_api.data_types import KINDS
from dovetail.base import dtypes
from dovetail.base.device import CPU, require_cpu
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, message

STANDARD = {d.name: d for d in dtypes.ALL if d.name not in ("float16", "bfloat16")}


class Information:
    """The object that `__array_namespace_info__()` returns.

    >>> Information().capabilities()["boolean indexing"]
    True
    """

    def capabilities(self) -> dict:
        """Indexing by truth values and shapes that depend on values both work; any number of dimensions up to 64."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self):
        """The CPU."""
        return CPU

    def devices(self) -> list:
        """The CPU."""
        return [CPU]

    def default_dtypes(self, *, device=None) -> dict[str, DType]:
        """The dtypes of numbers that come without one."""
        if device is not None:
            require_cpu(device, "default_dtypes")
        real = dtypes.default_dtype()
        return {
            "real floating": real,
            "complex floating": real.to_complex(),
            "integral": dtypes.int64,
            "indexing": dtypes.int64,
        }

    def dtypes(self, *, device=None, kind: str | tuple | None = None) -> dict[str, DType]:
        """The standard's dtypes by name, all of them or those of a kind."""
        if device is not None:
            require_cpu(device, "dtypes")
        if kind is None:
            return dict(STANDARD)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = "".join(KINDS[k] for k in kinds)
        return {name: d for name, d in STANDARD.items() if d.kind in wanted}


def __array_namespace_info__() -> Information:
    """What the namespace can do.

    >>> __array_namespace_info__().default_dtypes()["integral"]
    dovetail.int64
    """
    return Information()


VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


def check_version(api_version: str | None) -> None:
    """Raise ArgumentError for a version of the standard that the namespace does not follow."""
    if api_version is not None and api_version not in VERSIONS:
        cure = "Known versions: " + ", ".join(VERSIONS)
        raise ArgumentError(message("__array_namespace__", f"unknown version {api_version!r}", cure=cure))
