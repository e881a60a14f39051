"""The registries of a Module: ordered dictionaries that keep the instance's own attributes in step.

A parameter, buffer or child is stored twice: in `_parameters`, `_buffers` or `_modules`, which give the order and the
names, and in the instance's `__dict__`, where Python finds `self.weight` without any help of ours. Whoever writes to a
registry directly (`module._parameters["weight"] = p`, as pruning and parametrisation code does) gets both.
"""

from __future__ import annotations

from typing import Any

_MISSING = object()


class Registry(dict):
    """name -> member, mirrored into `attributes` (the owning module's `__dict__`).

    >>> attributes = {}
    >>> r = Registry(attributes)
    >>> r["weight"] = 1
    >>> attributes
    {'weight': 1}
    >>> r.pop("weight"), attributes
    (1, {})
    """

    __slots__ = ("attributes",)

    def __init__(self, attributes: dict[str, Any], members=()):
        super().__init__(members)
        self.attributes = attributes
        attributes.update(self)

    def __setitem__(self, name: str, member) -> None:
        super().__setitem__(name, member)
        self.attributes[name] = member

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self.attributes.pop(name, None)

    def pop(self, name: str, *default):
        found = super().pop(name, _MISSING)
        if found is _MISSING:
            if default:
                return default[0]
            raise KeyError(name)
        self.attributes.pop(name, None)
        return found

    def popitem(self):
        name, member = super().popitem()
        self.attributes.pop(name, None)
        return name, member

    def clear(self) -> None:
        for name in self:
            self.attributes.pop(name, None)
        super().clear()

    def update(self, *others, **named) -> None:
        for name, member in dict(*others, **named).items():
            self[name] = member

    def setdefault(self, name: str, default=None):
        if name not in self:
            self[name] = default
        return self[name]

    def __ior__(self, other):
        self.update(other)
        return self

    def move_to_end(self, name: str, last: bool = True) -> None:
        """As OrderedDict has it."""
        member = super().pop(name)
        rest = [] if last else list(self.items())
        if not last:
            super().clear()
        super().__setitem__(name, member)
        super().update(rest)

    def copy(self) -> dict:
        return dict(self)

    def __reduce__(self):
        # Copies and pickles are plain; Module.__setstate__ ties them to the new owner.
        return (dict, (dict(self),))
