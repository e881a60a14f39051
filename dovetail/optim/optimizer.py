"""Optimizer: parameter groups, state, and a step that is one recorded event.

A step of ours never loops over tensors in Python: it hands the recorder the rule (a formula on graph Values) and, for
each parameter, its state, its numbers and its flags. The list of these entries is kept from step to step and made anew
only when a group, the state or the set of gradients has changed.

The public surface, the groups' keys and the state_dict are torch.optim's (2.13).
"""

from __future__ import annotations

import functools
import types
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from itertools import chain
from typing import Any, Self

from dovetail.base.dtypes import float32
from dovetail.base.errors import ArgumentError, GradientError, message, user_line, warn
from dovetail.nn.hooks import RemovableHandle, hang
from dovetail.nn.module import MemberIterator, Module
from dovetail.optim import watch
from dovetail.tensor.autograd import after_zero_grad, update
from dovetail.tensor.modes import enable_grad
from dovetail.tensor.tensor import Tensor

ParamsT = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
Entry = tuple[Tensor, dict[str, Tensor], dict[str, float], dict[str, Any]]

GLOBAL_PRE_HOOKS: OrderedDict = OrderedDict()
GLOBAL_POST_HOOKS: OrderedDict = OrderedDict()


class Required:
    """Stands for a hyperparameter without a default."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = Required()


def register_optimizer_step_pre_hook(hook) -> RemovableHandle:
    """hook(optimizer, args, kwargs) runs before every step of every optimizer."""
    return hang(GLOBAL_PRE_HOOKS, hook)


def register_optimizer_step_post_hook(hook) -> RemovableHandle:
    """hook(optimizer, args, kwargs) runs after every step of every optimizer."""
    return hang(GLOBAL_POST_HOOKS, hook)


class Optimizer:
    """Base of optimizers. A subclass defines either `rule`, `numbers` and `first_state`, or its own `step`.

    params: parameters, (name, parameter) pairs, or dicts with "params" and the group's own hyperparameters.
    defaults: hyperparameters of groups that do not set their own.

    Raises: ArgumentError (a ValueError) for an empty list, a used-up generator or a tensor that is no leaf.
    """

    rule: Callable[..., tuple]
    OptimizerPreHook = OptimizerPostHook = Callable

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:  # a step of the user's own gets the hooks and is counted, as ours does
            cls.step = with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        made._set_up()  # wrappers around another optimizer often leave out super().__init__()
        return made

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                message(
                    type(self).__name__,
                    "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                    "but got one tensor",
                    [("params", params)],
                    f"{type(self).__name__}([tensor], ...)",
                )
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._built_at = user_line()
        self._module: Module | None = params.module if isinstance(params, MemberIterator) else None
        groups = self._listed(params)
        watch.warn_hidden(params, type(self).__name__)
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def _set_up(self) -> None:
        """What a pickle leaves out."""
        for name in (
            "step_pre",
            "step_post",
            "state_dict_pre",
            "state_dict_post",
            "load_state_dict_pre",
            "load_state_dict_post",
        ):
            setattr(self, f"_optimizer_{name}_hooks", OrderedDict())
        self._entries: list[Entry] = []
        self._seen: list = []
        self._steps_taken = 0
        self._stepped_on: tuple[Any, int, int] = (None, 0, 0)
        self._look_at = 2
        self._idle = watch.Idle()
        self._built_at = ("", 0, "")
        self._module = None  # whose parameters these are, where known: for messages

    def _listed(self, params) -> list:
        """The parameters as a list, or an error that says why there are none."""
        name = type(self).__name__
        if isinstance(params, Module):
            problem = f"params is the module {type(params).__name__}, which is not iterable"
            raise TypeError(message(name, problem, cure=f"Give its parameters: {name}(model.parameters(), ...)"))
        if isinstance(params, types.MethodType):
            problem = f"params is the method {params.__name__}, not what it returns"
            raise TypeError(message(name, problem, cure=f"Call it: {name}(model.{params.__name__}(), ...)"))
        used_up = isinstance(params, MemberIterator) and params.started
        found = list(params)
        if found:
            return found
        name = type(self).__name__
        problem, facts, cure = "optimizer got an empty parameter list", [], ""
        if isinstance(params, MemberIterator):
            if used_up:
                facts = ["the iterator had been used up: model.parameters() can be walked once"]
                cure = f"Call it again, {name}(model.parameters(), ...), or keep list(model.parameters())."
            else:
                problem, facts, cure = explain_empty(params.module)
        elif isinstance(params, types.GeneratorType):
            facts = ["the generator gave nothing; one that was walked before is used up"]
            cure = "Keep the parameters in a list when they are needed twice."
        raise ArgumentError(message(name, problem, facts, cure))

    # -- groups ----------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with hyperparameters of their own, such as layers unfrozen later.

        Raises: TypeError for anything but a dict of tensors; ArgumentError (a ValueError) for tensors that are not
        leaves or are in another group.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        given = param_group["params"]
        if isinstance(given, Tensor):
            given = [given]
        elif isinstance(given, (set, frozenset)):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
                "will change between runs. Please use a list instead."
            )
        given = list(given)
        names = [n for n, _ in given] if given and all(isinstance(g, tuple) for g in given) else None
        params = [p for _, p in given] if names is not None else given
        for i, p in enumerate(params):
            self._check_parameter(p, i)
        group = dict(param_group, params=params, **({} if names is None else {"param_names": names}))
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise ArgumentError(f"parameter group didn't specify a value of required optimization parameter {name}")
            group.setdefault(name, default)
        if len({id(p) for p in params}) != len(params):
            warn("optimizer contains a parameter group with duplicate parameters; in future, this will cause an error")
        taken = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in taken for p in params):
            raise ArgumentError("some parameters appear in more than one parameter group")
        if self.param_groups and (names is None) != ("param_names" not in self.param_groups[0]):
            raise ArgumentError("all optimizer param groups should be with/without names.")
        self.param_groups.append(group)

    def _check_parameter(self, p, i: int) -> None:
        name = type(self).__name__
        if isinstance(p, Module):
            raise TypeError(
                message(
                    name,
                    f"optimizer can only optimize Tensors, but one of the params is the module {type(p).__name__}",
                    cure=f"Give its parameters: {name}(model.parameters(), ...)",
                )
            )
        if not isinstance(p, Tensor):
            raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
        if not (self.defaults.get("differentiable") or p.is_leaf or getattr(p, "retains_grad", False)):
            raise ArgumentError(
                message(
                    name,
                    "can't optimize a non-leaf Tensor: it was computed from others",
                    [(f"params[{i}]", p)],
                    "Optimize the tensors it was computed from, or make it a leaf: t.detach().requires_grad_()",
                )
            )

    # -- stepping --------------------------------------------------------------------------------------------------

    def numbers(self, group: dict[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
        """(hyperparameters that are numbers, flags) that the rule takes for this group."""
        raise NotImplementedError

    def first_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        """The state of a parameter before its first step."""
        return {}

    def flags_for(self, p: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> dict[str, Any]:
        """Flags that differ between parameters of one group; "first" is looked at anew in every step."""
        return {}

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        closure: computes the loss anew and returns it; called first, with gradients switched on.
        Returns: what the closure returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        entries = self._current_entries()
        if entries:
            update(type(self).rule, entries)
            g = entries[0][0]._grad
            if type(g) is Tensor:  # gradients that nobody has touched are no tensors yet
                self._watch(g)
            if self._steps_taken >= self._look_at:
                self._look_at = watch.look(self, entries, self._steps_taken)
        else:
            self._idle.note(self)
        return loss

    def _watch(self, g: Tensor) -> None:
        """Warn, once, where every backward adds to the gradients that the step before has used already.

        backward bumps the version of a gradient it adds to by one, zero_() by another one.
        """
        before, version, times = self._stepped_on
        times = times + 1 if g is before and g._version == version + 1 else 0
        self._stepped_on = (g, g._version, times)
        if times == 2:
            warn(
                message(
                    f"{type(self).__name__}.step",
                    "gradients accumulate: every backward() adds to those of the previous steps",
                    ["the gradients were used by the last step and have not been cleared since"],
                    "Call optimizer.zero_grad() in each step, before backward().",
                )
            )

    def _current_entries(self) -> list[Entry]:
        """The entries of this step: the last step's while nothing has changed."""
        seen = self._seen
        if len(seen) == len(self.param_groups) + 1:
            for i, group in enumerate(self.param_groups):
                if group != seen[i]:
                    break
            else:
                for p, had in seen[-1]:
                    if (p._grad is None) is had:
                        break
                else:
                    return self._entries
        return self._make_entries()

    def _make_entries(self) -> list[Entry]:
        entries: list[Entry] = []
        grads: list[tuple[Tensor, bool]] = []
        lasting = True
        for group in self.param_groups:
            scalars, flags = self.numbers(group)
            lasting = lasting and not any(isinstance(v, Tensor) for v in scalars.values())
            scalars = {k: v.item() if isinstance(v, Tensor) else v for k, v in scalars.items()}
            for p in group["params"]:
                had = p._grad is not None
                grads.append((p, had))
                if had:
                    state = self._state_of(p, group)
                    own = self.flags_for(p, state, group)
                    lasting = lasting and not own.get("first")
                    entries.append((p, state, scalars, {**flags, **own} if own else flags))
        self._share_counters([state for _, state, _, _ in entries])
        self._entries = entries
        # Groups are compared by their contents, so a changed learning rate or an added parameter is seen.
        self._seen = [dict(g, params=list(g["params"])) for g in self.param_groups] + [grads] if lasting else []
        return entries

    def _share_counters(self, active: list[dict[str, Tensor]]) -> None:
        """Parameters that have made the same steps share one counter, so that a program keeps one and not one for each.

        active: states of the parameters that take part in this step. A counter shared with one that does not is split.
        """
        counted = [state for state in self.state.values() if isinstance(state.get("step"), Tensor)]
        stepping = {id(state) for state in active}
        shared: dict[int, list[dict[str, Tensor]]] = {}
        for state in counted:
            shared.setdefault(id(state["step"]), []).append(state)
        for states in shared.values():
            if any(id(state) not in stepping for state in states):
                for state in states[1:]:
                    state["step"] = state["step"].detach().clone()
        known: dict[tuple, Tensor] = {}
        for state in active:
            counter = state.get("step")
            if isinstance(counter, Tensor):
                state["step"] = known.setdefault((counter.item(), counter.dtype, tuple(counter.shape)), counter)

    def _state_of(self, p: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        state = self.state[p]
        if not state:
            if p.dtype.is_complex:
                raise GradientError(
                    message(type(self).__name__, "complex parameters are not supported", [("parameter", p)])
                )
            state.update(self.first_state(p, group))
        return state

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters; set_to_none=False fills them with zeros instead."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p.grad is not None:
                    p.grad.detach_()
                    p.grad.zero_()
        if set_to_none:
            after_zero_grad()

    # -- state -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """{"state": by parameter number, "param_groups": with parameter numbers}, as torch writes it."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {k: v for k, v in group.items() if k != "params"}
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {(numbers[id(k)] if isinstance(k, Tensor) else k): v for k, v in self.state.items()}
        result = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a saved state_dict.

        Raises: ArgumentError (a ValueError) where the groups do not match; TypeError, KeyError for anything else than
        an optimizer's state_dict. Nothing is loaded then.
        """
        self._check_form(state_dict)
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        self._check_groups(groups, saved)
        by_number = dict(
            zip(
                chain.from_iterable(g["params"] for g in saved),
                chain.from_iterable(g["params"] for g in groups),
                strict=True,
            )
        )
        state: defaultdict = defaultdict(dict)
        for key, value in state_dict["state"].items():
            p = by_number.get(key)
            state[key if p is None else p] = value if p is None else cast_state(p, value)
        for mine, theirs in zip(groups, saved, strict=True):
            theirs["params"] = mine["params"]
            if "param_names" in mine and "param_names" not in theirs:
                theirs["param_names"] = mine["param_names"]
        self.__setstate__({"state": state, "param_groups": saved})
        self._seen = []
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _check_form(self, given: Any) -> None:
        """Raise unless `given` has the form of an optimizer's state_dict."""
        name, cure = type(self).__name__, "Pass what optimizer.state_dict() returned."
        if not isinstance(given, Mapping):
            raise TypeError(message(name, f"a state_dict is a dict, got {type(given).__name__}", [], cure))
        missing = [key for key in ("state", "param_groups") if key not in given]
        if missing:
            found = ", ".join(map(repr, list(given)[:4])) or "nothing"
            raise KeyError(message(name, f"the state_dict has no {missing[0]!r}, it has {found}", [], cure))
        odd = [key for key, value in given["state"].items() if not isinstance(value, Mapping)]
        if odd:
            kind = type(given["state"][odd[0]]).__name__
            raise TypeError(message(name, f"the state of parameter {odd[0]} is a dict, got {kind}", [], cure))

    def _check_groups(self, groups, saved) -> None:
        if len(groups) != len(saved):
            raise ArgumentError(
                message(
                    type(self).__name__,
                    f"loaded state dict has a different number of parameter groups: it has {len(saved)}, "
                    f"the optimizer {len(groups)}",
                )
            )
        mine, theirs = [len(g["params"]) for g in groups], [len(g["params"]) for g in saved]
        if mine != theirs:
            raise ArgumentError(
                message(
                    type(self).__name__,
                    "loaded state dict contains a parameter group that doesn't match the size of "
                    f"optimizer's group: the groups have {theirs} parameters, the optimizer's {mine}",
                )
            )

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_optimizer_step_pre_hooks" not in self.__dict__:
            self._set_up()
        self._seen = []
        self.defaults.setdefault("differentiable", False)

    # -- hooks and printing ----------------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook) -> RemovableHandle:
        """hook(optimizer, args, kwargs) runs before step and may return other (args, kwargs)."""
        return hang(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook) -> RemovableHandle:
        """hook(optimizer, args, kwargs) runs after step."""
        return hang(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer) runs before state_dict."""
        return hang(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer, state_dict) runs after state_dict and may return another."""
        return hang(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer, state_dict) runs before loading and may return another."""
        return hang(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """hook(optimizer) runs after loading."""
        return hang(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
            lines.append("")
        return "\n".join(lines[:-1]) + "\n)"


def with_hooks(step: Callable) -> Callable:
    """`step` with the optimizer's hooks around it and its calls counted (schedulers look at the count)."""
    if getattr(step, "_has_step_hooks", False):
        return step

    @functools.wraps(step)
    def hooked(self, *args, **kwargs):
        if GLOBAL_PRE_HOOKS or self._optimizer_step_pre_hooks:
            for hook in (*GLOBAL_PRE_HOOKS.values(), *self._optimizer_step_pre_hooks.values()):
                changed = hook(self, args, kwargs)
                if changed is None:
                    continue
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
                args, kwargs = changed
        self._steps_taken += 1
        result = step(self, *args, **kwargs)
        if GLOBAL_POST_HOOKS or self._optimizer_step_post_hooks:
            for hook in (*self._optimizer_step_post_hooks.values(), *GLOBAL_POST_HOOKS.values()):
                hook(self, args, kwargs)
        return result

    hooked._has_step_hooks = True  # type: ignore[attr-defined]
    return hooked


Optimizer.step = with_hooks(Optimizer.step)  # type: ignore[method-assign]


def cast_state(p: Tensor, value, key: str = ""):
    """Saved state moved to the dtype of its parameter; `step` keeps its own."""
    if isinstance(value, Tensor):
        if key == "step" or not p.dtype.is_floating_point:
            return value.clone()
        return value.to(p.dtype, copy=True)
    if isinstance(value, dict):
        return {k: cast_state(p, v, k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(cast_state(p, v) for v in value)
    return value


def explain_empty(module: Module) -> tuple[str, list, str]:
    """(problem, facts, cure) for a module without parameters."""
    name = type(module).__name__
    for path, owner in module.named_modules():
        for attribute, value in vars(owner).items():
            if attribute.startswith("_"):
                continue
            kind = hidden_kind(value)
            if kind:
                where = f"{path}.{attribute}" if path else attribute
                wanted = "ModuleDict" if isinstance(value, dict) else "ModuleList"
                wanted = wanted if kind == "layers" else wanted.replace("Module", "Parameter")
                what = "dict" if isinstance(value, dict) else type(value).__name__
                return (
                    f"{name} has no parameters: the optimizer got an empty list",
                    [f"{where} is a plain {what}, and {kind} in a plain {what} are not seen by {type(owner).__name__}"],
                    f"self.{attribute} = "
                    f"nn.{wanted}({'{...}' if isinstance(value, dict) else '[...]'}) makes them known.",
                )
    return f"{name} has no parameters: the optimizer got an empty list", [("model", repr(module))], ""


def hidden_kind(value) -> str:
    """ "layers" or "parameters" where a plain container holds some, else ""."""
    members = (
        list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, (list, tuple)) else []
    )
    if any(isinstance(m, Module) for m in members):
        return "layers"
    return "parameters" if any(isinstance(m, Tensor) and m.requires_grad for m in members) else ""


def number_state(value: float = 0.0) -> Tensor:
    """A 0-d float32 tensor: how torch keeps step counts."""
    return Tensor.from_data(value, float32)


def check(name: str, value, low: float = 0.0, high: float | None = None) -> None:
    """Raise ArgumentError (a ValueError) unless low <= value (< high)."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ArgumentError(f"Tensor {name} must be 1-element")
        return
    if not low <= value or (high is not None and not value < high):
        raise ArgumentError(
            f"Invalid {name}: {value}" + (f" (it must be in [{low}, {high}))" if high is not None else "")
        )
