"""state_dict and load_state_dict: a model's tensors by name, and back.

Loading goes in two steps. First every module compares what it has with what it is offered; only when nothing is wrong
(or `strict` is off and the sizes fit) are the tensors copied. So a load that fails leaves the model as it was, and one
message lists every difference. Agrees with torch.nn.Module, its hooks and its `_metadata` versions included.
"""

from __future__ import annotations

import difflib
import threading
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any

from dovetail.base.errors import DovetailError
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Parameter, Tensor

EXTRA_STATE = "_extra_state"


class StateDictError(DovetailError, RuntimeError):
    """A state dict that does not fit the model; the message lists every difference and nothing was loaded."""


class IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What load_state_dict returns: with strict=False, the names that were not matched."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"

    __str__ = __repr__


class Plan(threading.local):
    """The copies a running load_state_dict has agreed to make; None while no load is running on this thread."""

    def __init__(self):
        self.actions: list[Callable[[], None]] | None = None

    def do(self, action: Callable[[], None]) -> None:
        """Run `action` when the whole load is known to fit; at once outside a load."""
        if self.actions is None:
            action()
        else:
            self.actions.append(action)

    @contextmanager
    def collect(self):
        outer, self.actions = self.actions, []
        try:
            yield self.actions
        finally:
            self.actions = outer


plan = Plan()


def save_module(module, destination, prefix: str, keep_vars: bool):
    """Module.state_dict: this module's tensors and those below, under `prefix`."""
    if destination is None:
        destination = OrderedDict()
        destination._metadata = OrderedDict()
    local = {"version": module._version}
    if hasattr(destination, "_metadata"):
        destination._metadata[prefix[:-1]] = local
    for hook in module._state_dict_pre_hooks.values():
        hook(module, prefix, keep_vars)
    module._save_to_state_dict(destination, prefix, keep_vars)
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars)
    for hook in module._state_dict_hooks.values():
        changed = hook(module, destination, prefix, local)
        if not getattr(hook, "_from_public_api", False):
            destination = destination if changed is None else changed
        elif changed is not None:
            raise RuntimeError("state_dict post-hook must return None")
    return destination


def save_own(module, destination, prefix: str, keep_vars: bool) -> None:
    """Module._save_to_state_dict: the tensors of this module alone."""
    for name, tensor in module._parameters.items():
        if tensor is not None:
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
    for name, tensor in module._buffers.items():
        if tensor is not None and name not in module._non_persistent_buffers_set:
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
    if has_extra_state(module, "get_extra_state"):
        destination[prefix + EXTRA_STATE] = module.get_extra_state()


def has_extra_state(module, method: str) -> bool:
    """Whether the module's class has its own get_extra_state or set_extra_state."""
    found = getattr(type(module), method, None)
    return found is not None and not getattr(found, "_not_defined", False)


def load_module(module, state_dict: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    """Module.load_state_dict.

    Raises: TypeError for anything but a mapping; StateDictError (a RuntimeError) listing every difference.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
    odd = [key for key in state_dict if not isinstance(key, str)]
    if odd:
        kind = type(odd[0]).__name__
        raise TypeError(f"load_state_dict: names of parameters are texts, got {odd[0]!r} of type {kind}.")
    missing: list[str] = []
    unexpected: list[str] = []
    errors: list[str] = []
    metadata = getattr(state_dict, "_metadata", None)
    offered = OrderedDict(state_dict)
    if metadata is not None:
        offered._metadata = metadata
    with plan.collect() as actions:
        _visit(module, offered, "", metadata, assign, missing, unexpected, errors)
    problems = _problems(missing, unexpected, errors, strict)
    if problems:
        text = "Error(s) in loading state_dict for {}:\n\t{}".format(type(module).__name__, "\n\t".join(problems))
        cure = cure_for(missing, unexpected)
        raise StateDictError(text + (f"\n  {cure}" if cure else ""))
    with no_grad():
        for action in actions:
            action()
    return IncompatibleKeys(missing, unexpected)


def _problems(missing, unexpected, errors, strict) -> list[str]:
    lines = []
    for kind, keys in (("Missing", missing), ("Unexpected", unexpected)):
        if strict and keys:
            lines.append("{} key(s) in state_dict: {}. ".format(kind, ", ".join(f'"{k}"' for k in keys)))
    return lines + errors


def _visit(module, state, prefix, metadata, assign, missing, unexpected, errors) -> None:
    local = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
    if assign:
        local["assign_to_params_buffers"] = True
    module._load_from_state_dict(state, prefix, local, True, missing, unexpected, errors)
    for name, child in list(module._modules.items()):
        if child is not None:
            head = prefix + name + "."
            own = {k: v for k, v in state.items() if k.startswith(head)}
            _visit(child, own, head, metadata, assign, missing, unexpected, errors)
    keys = IncompatibleKeys(missing, unexpected)
    for hook in module._load_state_dict_post_hooks.values():
        if hook(module, keys) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new values, "
                "if incompatible_keys need to be modified, it should be done inplace."
            )


def load_own(module, state, prefix, local, strict, missing, unexpected, errors) -> None:
    """Module._load_from_state_dict: compare (and, when all fits, copy) the tensors of this module alone."""
    for hook in module._load_state_dict_pre_hooks.values():
        hook(state, prefix, local, strict, missing, unexpected, errors)
    members = {k: v for k, v in module._buffers.items() if k not in module._non_persistent_buffers_set}
    members = {k: v for k, v in {**module._parameters, **members}.items() if v is not None}
    for name, mine in members.items():
        key = prefix + name
        if key in state:
            _offer(module, name, key, mine, state[key], local.get("assign_to_params_buffers", False), errors)
        elif strict:
            missing.append(key)
    _load_extra(module, state, prefix + EXTRA_STATE, strict, missing, unexpected)
    if strict:
        unexpected.extend(_strangers(module, state, prefix, members))


def _strangers(module, state, prefix, members) -> list[str]:
    """Keys under `prefix` that belong to neither a tensor nor a child of this module."""
    found = []
    for key in state:
        if key.startswith(prefix) and key != prefix + EXTRA_STATE:
            head, dot, _ = key[len(prefix) :].partition(".")
            if dot and head in module._modules:
                continue
            if not dot and head in members or dot and key[len(prefix) :] in members:
                continue
            found.append(key)
    return found


def _load_extra(module, state, key, strict, missing, unexpected) -> None:
    if has_extra_state(module, "set_extra_state"):
        if key in state:
            value = state[key]
            plan.do(lambda: module.set_extra_state(value))
        elif strict:
            missing.append(key)
    elif strict and key in state:
        unexpected.append(key)


def _offer(module, name, key, mine, given, assign, errors) -> None:
    """Agree to copy `given` into `mine`, or note why not."""
    if not isinstance(given, Tensor):
        errors.append(
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from checkpoint '
            f"but received {type(given)}"
        )
        return
    lazy = getattr(mine, "is_uninitialized", False)
    if not lazy:
        if mine.ndim == 0 and tuple(given.shape) == (1,):
            given = given[0]  # written by PyTorch before 0.4
        if tuple(mine.shape) != tuple(given.shape):
            errors.append(
                f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, "
                f"the shape in current model is {mine.shape}."
            )
            return
    plan.do(lambda: _assign(module, name, mine, given) if assign else mine.copy_(given))


def _assign(module, name, mine, given) -> None:
    """Put the given tensor itself in the module's place; requires_grad stays as the module had it."""
    if isinstance(mine, Parameter):
        if isinstance(given, Parameter):
            given.requires_grad_(mine.requires_grad)
        else:
            given = Parameter(given, requires_grad=mine.requires_grad)
    setattr(module, name, given)


def cure_for(missing: list[str], unexpected: list[str]) -> str:
    """Advice when the names differ in a way that is easy to mend."""
    for prefix in ("module.", "_orig_mod.", "model."):
        stripped = [k.removeprefix(prefix) for k in unexpected if k.startswith(prefix)]
        if stripped and set(stripped) <= set(missing):
            made_by = {
                "module.": " (saved from a DataParallel wrapper)",
                "_orig_mod.": " (saved from a compiled model)",
            }
            return (
                f"Every offered name has the prefix {prefix!r}{made_by.get(prefix, '')}. Remove it before loading:\n"
                f"  state_dict = {{k.removeprefix({prefix!r}): v for k, v in state_dict.items()}}"
            )
    near = []
    for key in unexpected:
        match = difflib.get_close_matches(key, missing, 1, 0.8)
        if match:
            near.append(f"{key!r} -> {match[0]!r}")
    return "Renaming would help: " + ", ".join(near[:6]) if near else ""
