"""Parametrisation: a parameter computed from others each time it is read. Names are torch.nn.utils.parametrize's.

Registering one on `module.weight` moves the parameter to `module.parametrizations.weight.original` and gives the module
a class of its own on which `weight` is a property. So everything that reads `module.weight` gets the computed value.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.nn.layers.container import ModuleDict, ModuleList
from dovetail.nn.module import Module
from dovetail.nn.parameter import Parameter
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Tensor


class Cache:
    """Values computed inside `with cached():`, by (module, name)."""

    depth = 0
    values: dict[tuple[int, str], Tensor] = {}


@contextmanager
def cached():
    """Inside, every parametrised tensor is computed once and then remembered."""
    Cache.depth += 1
    try:
        yield
    finally:
        Cache.depth -= 1
        if not Cache.depth:
            Cache.values.clear()


class ParametrizationList(ModuleList):
    """The parametrisations of one tensor, applied one after the other to `original` (or original0, original1, ...)."""

    original: Tensor

    def __init__(self, modules, original: Tensor, unsafe: bool = False) -> None:
        super().__init__(modules)
        self.unsafe = unsafe
        inverse = original
        for module in reversed(self):
            if hasattr(module, "right_inverse"):
                inverse = module.right_inverse(inverse)
        self.is_tensor = isinstance(inverse, Tensor)
        self.ntensors = 1 if self.is_tensor else len(inverse)
        parts = {"original": inverse} if self.is_tensor else {f"original{i}": t for i, t in enumerate(inverse)}
        for name, t in parts.items():
            if isinstance(original, Parameter):
                kept = original if t is original else Parameter(t.detach().clone(), original.requires_grad)
                self.register_parameter(name, kept)
            else:
                self.register_buffer(name, t)
        if not unsafe:
            self._check(original)

    def _check(self, original: Tensor) -> None:
        made = self()
        if made.shape != original.shape or made.dtype is not original.dtype:
            raise ArgumentError(message(
                "register_parametrization", "the parametrization may not change the shape or dtype of the tensor",
                [("original", original), ("parametrized", made)], "unsafe=True allows it.",
            ))  # fmt: skip

    def _originals(self) -> list[Tensor]:
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrised tensor becomes `value`."""
        with no_grad():
            for module in reversed(self):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                value = module.right_inverse(value)
            for mine, new in zip(self._originals(), [value] if self.is_tensor else value, strict=True):
                mine.copy_(new)

    def forward(self) -> Tensor:
        modules = iter(self)
        made = next(modules)(*self._originals())
        for module in modules:
            made = module(made)
        return made


def own_class(module: Module) -> None:
    """Give the module a class of its own, on which properties can be put."""
    kind = type(module)

    def without_copies(self, proto):
        raise RuntimeError("Serialization of parametrized modules is only supported through state_dict().")

    def deepcopy(self, memo):
        clone = self.__new__(kind_own)
        memo[id(self)] = clone
        clone.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return clone

    kind_own = type(
        f"Parametrized{kind.__name__}", (kind,), {"__reduce_ex__": without_copies, "__deepcopy__": deepcopy}
    )
    module.__class__ = kind_own


def add_property(module: Module, name: str) -> None:
    """`module.name` computes, and assigning to it goes through the right inverses."""

    def read(self) -> Tensor:
        if not Cache.depth:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in Cache.values:
            Cache.values[key] = self.parametrizations[name]()
        return Cache.values[key]

    def write(self, value) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(read, write))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Compute `module.tensor_name` by `parametrization` of what it was; returns the module.

    Raises: ArgumentError (a ValueError) for a name that is no tensor of the module.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        module.parametrizations[tensor_name].append(parametrization)
        module.parametrizations[tensor_name].unsafe |= unsafe
        return module
    original: Tensor | None = module._parameters.get(tensor_name)
    original = module._buffers.get(tensor_name) if original is None else original
    if original is None:
        raise ArgumentError(
            f"Module '{type(module).__name__}' does not have a parameter, a buffer, or a "
            "parametrized element with name "
            f"'{tensor_name}'"
        )
    chain = ParametrizationList([parametrization], original, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        own_class(module)
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = chain
    add_property(module, tensor_name)
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module (or one tensor of it) is parametrised."""
    chains = module._modules.get("parametrizations")
    if not isinstance(chains, ModuleDict):
        return False
    return len(chains) > 0 if tensor_name is None else tensor_name in chains


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make `module.tensor_name` an ordinary tensor again: its present value, or the original one."""
    if not is_parametrized(module, tensor_name):
        raise ArgumentError(f"Module {type(module).__name__} does not have a parametrization on {tensor_name}")
    chain = module.parametrizations[tensor_name]
    if not leave_parametrized and not chain.is_tensor:
        raise ArgumentError("Cannot leave unparametrized (`leave_parametrized=False`) a tensor made of several ones.")
    trained = any(isinstance(t, Parameter) for t in chain._originals())
    if leave_parametrized:
        value = chain().detach().clone()
        value = Parameter(value, any(t.requires_grad for t in chain._originals())) if trained else value
    else:
        value = chain.original
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    if trained:
        module.register_parameter(tensor_name, value)
    else:
        module.register_buffer(tensor_name, value)
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class the module had before anything was registered on it."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Register the same parametrisations on another module, with their values; returns it."""
    if not is_parametrized(from_module):
        return to_module
    names: list[Any] = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            to_module.register_parameter(name, Parameter(getattr(from_module, name).detach().clone()))
        for module in source:
            register_parametrization(to_module, name, module, unsafe=source.unsafe)
        with no_grad():
            for mine, theirs in zip(to_module.parametrizations[name]._originals(), source._originals(), strict=True):
                mine.copy_(theirs)
    return to_module


__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "transfer_parametrizations_and_params", "type_before_parametrizations",
]  # fmt: skip
