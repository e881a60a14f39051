"""keras.optimizers: update rules by name, with Keras's arguments and defaults."""

from __future__ import annotations

from typing import Any

from dovetail.keras.lookup import deserialize as deserialize_object
from dovetail.keras.lookup import got
from dovetail.keras.lookup import serialize as serialize_object
from dovetail.keras.optimizers import schedules
from dovetail.keras.optimizers.base import TABLE, Optimizer
from dovetail.keras.optimizers.rules import (
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Ftrl,
    Lamb,
    Lion,
    Muon,
    Nadam,
    RMSprop,
    ScheduleFreeAdamW,
)


def get(identifier) -> Any:
    """An optimizer from a name, a config, a class or an object."""
    return got(TABLE, identifier, "optimizers.get")


def serialize(optimizer) -> Any:
    return serialize_object(optimizer)


def deserialize(config, custom_objects=None):
    return deserialize_object(config, custom_objects, TABLE)


__all__ = [
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Muon",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "SGD",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]
