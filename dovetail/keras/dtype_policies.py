"""keras.dtype_policies."""

from dovetail.keras.policy import DTypePolicy, deserialize, get, serialize

FloatDTypePolicy = DTypePolicy

__all__ = ["DTypePolicy", "FloatDTypePolicy", "deserialize", "get", "serialize"]
