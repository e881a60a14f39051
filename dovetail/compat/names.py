"""What a table of this room is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Names:
    """The answer to one outside module.

    door: the module of ours whose public names answer, or None where only `extra` does
    extra: names that differ from the door's, or that it does not have
    hidden: names that the door has and the outside module has not; they are answered as not covered
    private: names with an underscore, or beside the public ones, that programs import all the same, and the file of
        ours that has them ("file:name" where the name differs)
    """

    door: str | None = None
    extra: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    hidden: frozenset[str] = frozenset()
    private: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
