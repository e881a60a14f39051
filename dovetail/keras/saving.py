"""keras.saving: whole models in files, and configs of their parts."""

from typing import Any

from dovetail.keras.lookup import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from dovetail.keras.lookup import deserialize as deserialize_keras_object
from dovetail.keras.lookup import serialize as serialize_keras_object
from dovetail.keras.models.saving import load_model, save_model

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]


def save_weights(model: Any, filepath: Any, overwrite: bool = True, **kwargs) -> None:
    """As model.save_weights."""
    model.save_weights(filepath, overwrite=overwrite)


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, **kwargs) -> None:
    """As model.load_weights."""
    model.load_weights(filepath, skip_mismatch=skip_mismatch)
