"""Pictures: data sets, transforms, reference models, boxes and grids, by torchvision's names."""

import importlib
from types import ModuleType

__all__ = ["datasets", "files", "models", "ops", "transforms", "tv_tensors", "utils"]


def __getattr__(name: str) -> ModuleType:
    """Parts are loaded on first use: transforms alone should not cost the import of every network."""
    if name in __all__:
        return importlib.import_module("dovetail.vision." + name)
    raise AttributeError(f"module 'dovetail.vision' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
