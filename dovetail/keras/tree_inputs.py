"""What a user passes to a functional model, brought into the order of its inputs."""

from __future__ import annotations

import difflib
from typing import Any

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, message


def matched(model: Any, given: Any, graph: Any) -> list[Any]:
    """The leaves of `given` in the order of the graph's inputs: by key, by input name, or by place.

    Raises: ArgumentError where a name is missing or the number differs.
    """
    wanted = graph.flat_inputs
    names = [x.name for x in wanted]
    if isinstance(given, dict):
        if isinstance(graph.inputs, dict):
            keys = tree.keys_of(graph.inputs)
            if all(k in given for k in keys):
                return tree.flatten([given[k] for k in keys])
            names = [str(k) for k in keys]
        found = {str(k): v for k, v in given.items()}
        missing = [
            n for n, x in zip(names, wanted, strict=False) if n not in found and not getattr(x, "optional", False)
        ]
        if missing:
            near = difflib.get_close_matches(missing[0], list(found), 1)
            raise ArgumentError(
                message(
                    f"model {model.name!r}",
                    f"no data for the input(s) {', '.join(map(repr, missing))}",
                    [("given", ", ".join(found)), ("inputs", ", ".join(names))],
                    f"Is {near[0]!r} meant for {missing[0]!r}?" if near else "",
                )
            )
        return [found.get(n) for n in names]
    flat = tree.flatten(given)
    if len(flat) != len(wanted):
        raise ArgumentError(
            message(
                f"model {model.name!r}",
                f"expects {len(wanted)} input(s), but it received {len(flat)} input tensors",
                [("inputs", ", ".join(names))],
                "Pass them as a list in this order, or as a dict by name",
            )
        )
    return flat
