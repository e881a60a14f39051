"""keras.models."""

from dovetail.keras.models.cloning import clone_model
from dovetail.keras.models.model import Model
from dovetail.keras.models.saving import load_model, model_from_json, save_model
from dovetail.keras.models.sequential import Sequential

Functional = Model

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
