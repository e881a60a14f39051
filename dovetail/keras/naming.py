"""Automatic names of layers and other objects: dense, dense_1, ..., as Keras counts them."""

from __future__ import annotations

import re
from collections import defaultdict

_counts: dict[str, int] = defaultdict(int)


def snake_case(name: str) -> str:
    """
    >>> snake_case("BatchNormalization"), snake_case("Conv2D"), snake_case("LSTMCell")
    ('batch_normalization', 'conv2d', 'lstm_cell')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(prefix: str) -> str:
    """The next free name of a class: 'dense', then 'dense_1', ..."""
    prefix = snake_case(prefix)
    count = _counts[prefix]
    _counts[prefix] += 1
    return f"{prefix}_{count}" if count else prefix


def uniquify(name: str) -> str:
    """`name`, or name_1, ... where it was given before."""
    count = _counts[name]
    _counts[name] += 1
    return f"{name}_{count}" if count else name


def get_uid(prefix: str = "") -> int:
    """The next number for names that begin with `prefix`. Source: keras.backend.get_uid."""
    _counts[prefix] += 1
    return _counts[prefix]


def reset_names() -> None:
    """Start counting anew."""
    _counts.clear()


def object_name(thing) -> str:
    """How an object is called in logs: its own name, its function's or its class's."""
    return getattr(thing, "name", None) or getattr(thing, "__name__", None) or snake_case(type(thing).__name__)


def clear_session(free_memory: bool = True) -> None:
    """Start the counting of automatic names anew. Source: keras.utils.clear_session."""
    reset_names()
