"""A module called with other tensors in the place of its own: functional_call (torch.func.functional_call)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dovetail.nn.module import Module
from dovetail.tensor.tensor import Tensor


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call `module` with the given tensors in the place of the parameters and buffers of those names.

    tie_weights: a tensor given for one name of a shared parameter stands in under its other names too.
    strict: every parameter and buffer must be given and no other name.
    """
    given = parameter_and_buffer_dicts
    merged: dict[str, Tensor] = {}
    for part in [given] if isinstance(given, Mapping) else given:
        merged.update(part)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with replaced(module, merged, tie_weights, strict):
        return module(*args, **(kwargs or {}))


@contextmanager
def replaced(module: Module, tensors: Mapping[str, Tensor], tie_weights: bool = True, strict: bool = False):
    """The module with other tensors inside, for the length of a `with` block."""
    own = dict([*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)])
    if strict and set(own) != set(tensors):
        missing, other = sorted(set(own) - set(tensors)), sorted(set(tensors) - set(own))
        raise RuntimeError(
            f"Missing key(s): {', '.join(missing)}." * bool(missing)
            + f"Unexpected key(s): {', '.join(other)}." * bool(other)
        )
    wanted = dict(tensors)
    if tie_weights:
        by_id = {id(own[name]): t for name, t in tensors.items() if name in own}
        wanted = {name: by_id[id(t)] for name, t in own.items() if id(t) in by_id} | wanted
    before = []
    try:
        for name, tensor in wanted.items():
            head, _, last = name.rpartition(".")
            owner = module.get_submodule(head)
            registry = owner._parameters if last in owner._parameters else owner._buffers
            before.append((registry, last, registry[last]))
            registry[last] = tensor
        yield
    finally:
        for registry, last, tensor in reversed(before):
            registry[last] = tensor
