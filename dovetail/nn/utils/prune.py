"""Pruning: a mask sets the least important weights to zero, by torch.nn.utils.prune's names.

A pruned `weight` becomes the parameter `weight_orig` and the buffer `weight_mask`; a hook multiplies them before every
forward, so that pruned weights stay zero while training goes on. `remove` makes the result an ordinary parameter again.

Source: LeCun, Denker & Solla 1990 for the idea; the behaviour of torch.nn.utils.prune 2.13.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, DimError, ShapeError, message
from dovetail.nn.module import Module
from dovetail.ops.create import ones_like
from dovetail.tensor.random import default_generator
from dovetail.tensor.tensor import Tensor

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer",
    "RandomStructured", "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned",
    "l1_unstructured", "ln_structured", "random_structured", "random_unstructured", "remove",
]  # fmt: skip


class BasePruningMethod(ABC):
    """A way to choose weights. Subclasses define compute_mask, and PRUNING_TYPE: unstructured, structured or global."""

    _tensor_name: str
    PRUNING_TYPE = "unstructured"

    def __call__(self, module: Module, inputs: Any) -> None:
        """Before every forward: put mask times weight in the weight's place."""
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The new mask for `t`, whose weights that default_mask has masked stay so."""

    def apply_mask(self, module: Module) -> Tensor:
        """Mask times weight."""
        mask = getattr(module, self._tensor_name + "_mask")
        return mask.to(getattr(module, self._tensor_name + "_orig").dtype) * getattr(
            module, self._tensor_name + "_orig"
        )

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prune `name` of the module with a method made of the other arguments; on top of earlier prunings.

        importance_scores: what the choice goes by instead of the weights themselves.
        Raises: ShapeError where the scores have another shape.
        """
        key, before = hook_of(module, name)
        method: BasePruningMethod = cls(*args, **kwargs)
        method._tensor_name = name
        original = getattr(module, name) if before is None else getattr(module, name + "_orig")
        scores = getattr(module, name) if importance_scores is None else importance_scores
        if tuple(scores.shape) != tuple(original.shape):
            facts = [("importance_scores", scores), (name, original)]
            raise ShapeError(message("prune", f"importance_scores should have the shape of {name}", facts))
        mask = ones_like(original.detach()) if before is None else getattr(module, name + "_mask").detach().clone()
        if before is not None:
            container = before if isinstance(before, PruningContainer) else PruningContainer(before)
            container.add_pruning_method(method)
            method = container
        new_mask = method.compute_mask(scores.detach(), mask)
        if before is None:
            del module._parameters[name]
            module.register_parameter(name + "_orig", original)
        else:
            del module._forward_pre_hooks[key]
        module.register_buffer(name + "_mask", new_mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None
    ) -> Tensor:
        """`t` with the chosen weights at zero; nothing is remembered."""
        scores = t if importance_scores is None else importance_scores
        if tuple(scores.shape) != tuple(t.shape):
            raise ShapeError(message("prune", "importance_scores should have the shape of t", [("t", t)]))
        mask = ones_like(t.detach()) if default_mask is None else default_mask
        return t * self.compute_mask(scores.detach(), mask)

    def remove(self, module: Module) -> None:
        """Make the pruned weight an ordinary parameter again; it keeps its zeros."""
        name = self._tensor_name
        pruned = self.apply_mask(module)
        original = module._parameters[name + "_orig"]
        assert original is not None
        if name in module.__dict__:
            delattr(module, name)
        original.data = pruned.detach()
        del module._parameters[name + "_orig"]
        del module._buffers[name + "_mask"]
        module.register_parameter(name, original)


def hook_of(module: Module, name: str) -> tuple[Any, BasePruningMethod | None]:
    """(key, method) of the hook that prunes `name`; None where it is not pruned."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key, hook
    return None, None


class PruningContainer(BasePruningMethod):
    """Several methods for one weight, one after the other: each chooses among the weights that are left."""

    def __init__(self, *args: Any):
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if len(args) == 1 and not isinstance(args[0], Iterable):
            self._tensor_name = args[0]._tensor_name
            self.add_pruning_method(args[0])
        elif len(args) == 1:
            for method in args[0]:
                self.add_pruning_method(method)
        else:
            for method in args:
                self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Append a method for the same weight."""
        if not isinstance(method, BasePruningMethod) and method is not None:
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        own = getattr(self, "_tensor_name", None)
        if method is not None and own is not None and own != method._tensor_name:
            problem = f"can only add pruning methods acting on the parameter named '{own}', got '{method._tensor_name}'"
            raise ArgumentError(message("PruningContainer", problem))
        if method is not None:
            self._tensor_name = getattr(method, "_tensor_name", own)  # type: ignore[assignment]
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self):
        return iter(self._pruning_methods)

    def __getitem__(self, index: int):
        return self._pruning_methods[index]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The last method's choice among what `default_mask` leaves."""
        method, mask = self._pruning_methods[-1], default_mask.numpy()
        new = mask.copy()
        part = chosen_part(method, mask)
        values = Tensor.from_data(t.numpy()[part], t.dtype)
        inner = method.compute_mask(values, Tensor.from_data(mask[part], default_mask.dtype))
        new[part] = inner.numpy()
        return Tensor.from_data(new, default_mask.dtype)


def chosen_part(method: Any, mask: np.ndarray) -> Any:
    """What of the weight a method may choose from: weights, or channels, that are not all masked yet."""
    kind = method.PRUNING_TYPE
    if kind == "unstructured":
        return mask == 1
    if kind == "structured":
        dim = method.dim % mask.ndim
        kept = mask.sum(axis=tuple(d for d in range(mask.ndim) if d != dim)) != 0
        return (slice(None),) * dim + (kept,)
    if kind == "global":
        return (slice(None),) * mask.ndim
    raise ArgumentError(message("PruningContainer", f"Unrecognized PRUNING_TYPE {kind}"))


class Identity(BasePruningMethod):
    """Masks nothing: names and hooks as for a pruned weight."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class RandomUnstructured(BasePruningMethod):
    """Masks weights at random. amount: how many, or which share of them."""

    def __init__(self, amount: float):
        check_amount(amount)
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return without_smallest(random_like(t), default_mask, count_of(self.amount, t.numel()))


class L1Unstructured(BasePruningMethod):
    """Masks the weights nearest to zero. amount: how many, or which share of them."""

    def __init__(self, amount: float):
        check_amount(amount)
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return without_smallest(np.abs(t.numpy()), default_mask, count_of(self.amount, t.numel()))


class RandomStructured(BasePruningMethod):
    """Masks whole channels along `dim` at random. amount: how many, or which share of them."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1):
        check_amount(amount)
        self.amount, self.dim = amount, dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        channels = channels_of(t, self.dim)
        order = np.argsort(random_array(channels))
        return without_channels(default_mask, order[: count_of(self.amount, channels)], self.dim)


class LnStructured(BasePruningMethod):
    """Masks the channels along `dim` with the smallest norm. amount: how many, or which share; n: which norm."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, n: Any, dim: int = -1):
        check_amount(amount)
        self.amount, self.n, self.dim = amount, n, dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        channels = channels_of(t, self.dim)
        rows = np.moveaxis(t.numpy().astype(np.float64), self.dim, 0).reshape(channels, -1)
        norms = np.linalg.norm(rows, None if self.n == "fro" else float(self.n), axis=1)
        order = np.argsort(norms, kind="stable")
        return without_channels(default_mask, order[: count_of(self.amount, channels)], self.dim)


class CustomFromMask(BasePruningMethod):
    """Masks what a mask of the user's says."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor):
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if tuple(default_mask.shape) != tuple(self.mask.shape):
            raise ShapeError(message("custom_from_mask", "the mask's shape is not the weight's", [("mask", self.mask)]))
        return default_mask * self.mask.to(dtype=default_mask.dtype)


# -- choosing -------------------------------------------------------------------------------------------------------


def random_array(*shape: int) -> np.ndarray:
    """Uniform numbers from Dovetail's own stream, so that manual_seed repeats a choice."""
    return default_generator.host().random(shape)


def random_like(t: Tensor) -> np.ndarray:
    return random_array(*t.shape)


def check_amount(amount: Any) -> None:
    """Raise TypeError for anything but a number, ArgumentError outside [0, 1] (shares) or below 0 (counts)."""
    if not isinstance(amount, (int, float, np.integer, np.floating)):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    share = not isinstance(amount, (int, np.integer))
    if amount < 0 or (share and amount > 1):
        raise ArgumentError(
            message("prune", f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")
        )


def count_of(amount: Any, size: int) -> int:
    """How many of `size` an amount means. Raises ArgumentError for more than there are."""
    if not isinstance(amount, (int, np.integer)):
        return round(float(amount) * size)
    if amount > size:
        raise ArgumentError(
            message("prune", f"amount={amount} should be smaller than the number of parameters to prune={size}")
        )
    return int(amount)


def channels_of(t: Tensor, dim: int) -> int:
    """The number of channels along `dim`. Raises ArgumentError for fewer than two dims, DimError outside the rank."""
    if t.ndim <= 1:
        problem = "Structured pruning can only be applied to multidimensional tensors."
        raise ArgumentError(message("prune", problem, [("tensor", t)], "Use unstructured pruning for vectors"))
    if not -t.ndim <= dim < t.ndim:
        raise DimError(message("prune", f"Invalid index {dim} for tensor of size {tuple(t.shape)}"))
    return t.shape[dim]


def without_smallest(scores: np.ndarray, mask: Tensor, count: int) -> Tensor:
    """The mask, with the places of the `count` smallest scores at zero."""
    new = mask.numpy().copy().reshape(-1)
    if count:
        new[np.argsort(scores.reshape(-1), kind="stable")[:count]] = 0
    return Tensor.from_data(new.reshape(mask.shape), mask.dtype)


def without_channels(mask: Tensor, channels: np.ndarray, dim: int) -> Tensor:
    """The mask, with whole channels at zero."""
    new = mask.numpy().copy()
    new[(slice(None),) * (dim % new.ndim) + (channels,)] = 0
    return Tensor.from_data(new, mask.dtype)


# -- functions ------------------------------------------------------------------------------------------------------


def identity(module: Module, name: str) -> Module:
    """Give `name` the names and hooks of a pruned weight, and mask nothing."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Mask weights at random."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Module, name: str, amount: float, importance_scores: Tensor | None = None) -> Module:
    """Mask the weights nearest to zero.

    >>> from dovetail import nn
    >>> layer = l1_unstructured(nn.Linear(4, 2), "weight", amount=3)
    >>> int((layer.weight == 0).sum()), sorted(layer.state_dict())
    (3, ['bias', 'weight_mask', 'weight_orig'])
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Mask whole channels along `dim` at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module, name: str, amount: float, n: Any, dim: int, importance_scores: Tensor | None = None
) -> Module:
    """Mask the channels along `dim` with the smallest Ln norm."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Mask what `mask` says: 0 for weights to leave out."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any,
    pruning_method: type[BasePruningMethod],
    importance_scores: dict | None = None,
    **kwargs: Any,
) -> None:
    """Choose among the weights of several modules together.

    parameters: (module, name) pairs. pruning_method: an unstructured one; kwargs go to it.
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores_of = {} if importance_scores is None else importance_scores
    if not isinstance(scores_of, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs = list(parameters)
    scores, masks = [], []
    for module, name in pairs:
        found = scores_of.get((module, name))
        weight = getattr(module, name)
        scores.append((weight if found is None else found).detach().numpy())
        mask = getattr(module, name + "_mask", None)
        masks.append(np.ones(weight.shape, np.float32) if mask is None else mask.numpy())
    container = PruningContainer()
    container._tensor_name = "temp"
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    container.add_pruning_method(method)
    if method.PRUNING_TYPE != "unstructured":
        problem = f"Only 'unstructured' PRUNING_TYPE supported for the `pruning_method`. Found {pruning_method}"
        raise TypeError(problem)
    flat = Tensor.from_data(np.concatenate([s.reshape(-1) for s in scores]))
    final = container.compute_mask(flat, Tensor.from_data(np.concatenate([m.reshape(-1) for m in masks]))).numpy()
    start = 0
    for (module, name), mask in zip(pairs, masks, strict=True):
        part = final[start : start + mask.size].reshape(mask.shape)
        custom_from_mask(module, name, Tensor.from_data(part))
        start += mask.size


def remove(module: Module, name: str) -> Module:
    """Make the pruned weight an ordinary parameter again; it keeps its zeros.

    Raises: ArgumentError (a ValueError) where it is not pruned.
    """
    key, method = hook_of(module, name)
    if method is None:
        problem = f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
        raise ArgumentError(message("prune.remove", problem))
    method.remove(module)
    del module._forward_pre_hooks[key]
    return module


def is_pruned(module: Module) -> bool:
    """Whether any weight of the module or below is pruned."""
    return any(
        isinstance(hook, BasePruningMethod) for _, m in module.named_modules() for hook in m._forward_pre_hooks.values()
    )
