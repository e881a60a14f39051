"""Lists and dicts of a layer: the layers, weights and metrics put into them become members of the layer."""

from __future__ import annotations

import copy
from typing import Any


class TrackedList(list):
    """A list that reports what it is given to the layer it belongs to."""

    def __init__(self, values, owner: Any, name: str):
        super().__init__(values)
        self._owner, self._name = owner, name
        for i, x in enumerate(values):
            owner._adopt(f"{name}_{i}", x)

    def _new(self, x: Any) -> None:
        self._owner._adopt(f"{self._name}_{len(self)}", x)

    def append(self, x: Any) -> None:
        self._new(x)
        super().append(x)

    def insert(self, i, x: Any) -> None:
        self._new(x)
        super().insert(i, x)

    def extend(self, values) -> None:
        for x in values:
            self.append(x)

    def __iadd__(self, values):
        self.extend(values)
        return self

    def __setitem__(self, i, x: Any) -> None:
        for y in x if isinstance(i, slice) else [x]:
            self._new(y)
        super().__setitem__(i, x)

    def __deepcopy__(self, memo):
        made = TrackedList.__new__(TrackedList)
        memo[id(self)] = made
        list.__init__(made, [copy.deepcopy(x, memo) for x in self])
        made._owner, made._name = copy.deepcopy(self._owner, memo), self._name
        return made

    def __reduce__(self):
        return (restored_list, (list(self), self._name))


def restored_list(values: list, name: str) -> list:
    """Copies and pickles are plain lists; the layer registers its members separately."""
    return values


class TrackedDict(dict):
    """A dict that reports what it is given to the layer it belongs to."""

    def __init__(self, values, owner: Any, name: str):
        super().__init__(values)
        self._owner, self._name = owner, name
        for k, x in values.items():
            owner._adopt(f"{name}_{k}".replace(".", "_"), x)

    def __setitem__(self, k, x: Any) -> None:
        self._owner._adopt(f"{self._name}_{k}".replace(".", "_"), x)
        super().__setitem__(k, x)

    def update(self, *args, **kwargs) -> None:
        for k, x in dict(*args, **kwargs).items():
            self[k] = x

    def setdefault(self, k, x=None):
        if k not in self:
            self[k] = x
        return self[k]

    def __deepcopy__(self, memo):
        return {k: copy.deepcopy(v, memo) for k, v in self.items()}

    def __reduce__(self):
        return (dict, (dict(self),))
