"""A name that is not there: the error says which one was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def missing(module: str, name: str, known: Iterable[str]) -> AttributeError:
    """The AttributeError for `module.name`, with the nearest of the `known` names."""
    text = f"module {module!r} has no attribute {name!r}"
    near = [] if name.startswith("__") else difflib.get_close_matches(name, list(known), 3, 0.6)
    hint = f". Did you mean: {', '.join(near)}?" if near else ""
    return AttributeError(text + hint, name=name)
