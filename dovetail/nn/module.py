"""Module: the tree that holds a model's parameters, buffers and children.

The public surface is torch.nn.Module's. What differs is inside: members also live in the instance's `__dict__`, so
`self.weight` costs what any attribute costs, and calling a module without hooks is one extra Python call.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dovetail.base.dtypes import DType, as_dtype
from dovetail.base.errors import DovetailError, DTypeError, message, wrong_argument
from dovetail.nn import state
from dovetail.nn.explain import built_at, place_error
from dovetail.nn.hooks import (
    GLOBAL,
    HOOK_KINDS,
    Hooks,
    RemovableHandle,
    any_global_hooks,
    any_hooks,
    call_with_hooks,
    hang,
)
from dovetail.nn.registry import Registry
from dovetail.tensor.tensor import Buffer, Parameter, Tensor

REGISTRIES = ("_parameters", "_buffers", "_modules")
ABSENT = object()


class MemberError(DovetailError, AttributeError):
    """A module's attribute that is not there, or that cannot be set at this point."""


class NameTaken(DovetailError, KeyError):
    """A name that a module cannot give to a member."""

    __str__ = Exception.__str__


class SetByInit:
    """Stands in the class for what Module.__init__ puts into the instance; found only where that has not run.

    A `__getattr__` could say the same, but a class that has one looks up every attribute more slowly.
    """

    def __set_name__(self, owner, name: str) -> None:
        self.name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        raise not_started(instance, f"the module is used before Module.__init__() call (it has no {self.name})")


class MemberIterator(Iterator):
    """What parameters(), buffers() and their named forms return: an iterator that remembers its module.

    An optimizer that finds nothing in it can then say which module was empty and why.
    """

    __slots__ = ("module", "found", "started")

    def __init__(self, module: Module, found: Iterator):
        self.module, self.found, self.started = module, found, False

    def __iter__(self):
        return self

    def __next__(self):
        self.started = True
        return next(self.found)


class Module:
    """Base of every model and layer. Subclasses make their members in `__init__` and compute in `forward`.

    >>> from dovetail import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.fc(x)
    >>> Net()
    Net(
      (fc): Linear(in_features=4, out_features=2, bias=True)
    )

    Source: the behaviour of torch.nn.Module 2.13.
    """

    dump_patches = False
    _version: int = 1
    training: bool = SetByInit()  # type: ignore[assignment]
    _parameters: dict[str, Parameter | None] = SetByInit()  # type: ignore[assignment]
    _buffers: dict[str, Tensor | None] = SetByInit()  # type: ignore[assignment]
    _modules: dict[str, Module | None] = SetByInit()  # type: ignore[assignment]
    _non_persistent_buffers_set: set[str] = SetByInit()  # type: ignore[assignment]
    call_super_init = False
    _has_hooks = (
        False  # True on the instance, or here for hooks of all modules; back to False when the last one is gone
    )

    def __init__(self, *args, **kwargs) -> None:
        if not self.call_super_init and (args or kwargs):
            got = (
                f"{len(args) + 1} positional arguments were" if args else f"keyword argument {next(iter(kwargs))!r} was"
            )
            raise TypeError(f"{type(self).__name__}.__init__() takes 1 positional argument but {got} given")
        attributes = self.__dict__
        attributes["training"] = True
        for name in REGISTRIES:
            attributes[name] = Registry(attributes)
        attributes["_non_persistent_buffers_set"] = set()
        for name in HOOK_KINDS:
            attributes[name] = Hooks()
        attributes["_is_full_backward_hook"] = None
        attributes["_built_at"] = built_at()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # -- calling ---------------------------------------------------------------------------------------------------

    def forward(self, *input: Any) -> Any:
        """The computation; every subclass writes its own."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, input=ABSENT, /, *args, **kwargs):
        # One positional argument, which is how layers are called, goes straight through: 0.11 us above forward
        # against 0.19 us for a signature of *args, **kwargs alone. Hooks and names cost only those who need them.
        try:
            if self._has_hooks or kwargs or input is ABSENT:
                return self._call_any(*(() if input is ABSENT else (input, *args)), **kwargs)
            if args:
                return self.forward(input, *args)
            return self.forward(input)
        except DovetailError as error:
            place_error(error, self, (input, *args))
            raise
        except AttributeError as error:
            wrong = wrong_argument(type(self).__name__, ("input",), (input, *args), error)
            if wrong is None:
                raise
            raise wrong from None

    def _call_any(self, *args, **kwargs):
        if not self._has_hooks:
            return self.forward(*args, **kwargs)
        if not any_global_hooks():  # all were taken away again
            Module._has_hooks = False
            if not any_hooks(self):
                self.__dict__.pop("_has_hooks", None)
                return self.forward(*args, **kwargs)
        return call_with_hooks(self, args, kwargs)

    _call_impl = __call__

    # -- members ---------------------------------------------------------------------------------------------------

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter (or None, to keep the name without a value).

        Raises: NameTaken (a KeyError) for an unusable name; TypeError for anything but a Parameter or None;
        ValueError for a Parameter that was computed from others.
        """
        self._check_name(name, "parameter", "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type_name(param)}' object to parameter '{name}' (torch.nn.Parameter or None required)"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly. To "
                f"express '{name}' as a function of another Tensor, compute the value in the forward() method."
            )
        for hook in GLOBAL.parameter_registration.values():
            changed = hook(self, name, param)
            param = param if changed is None else changed
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the state but is not trained. persistent=False keeps it out of state_dict."""
        self._check_name(name, "buffer", "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type_name(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        for hook in GLOBAL.buffer_registration.values():
            changed = hook(self, name, tensor)
            tensor = tensor if changed is None else changed
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child (or None, to keep the name without a value)."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type_name(module)} is not a Module subclass")
        self._check_name(name, "module", "_modules")
        for hook in GLOBAL.module_registration.values():
            changed = hook(self, name, module)
            module = module if changed is None else changed
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Another name for add_module."""
        self.add_module(name, module)

    def _check_name(self, name, kind: str, registry: str) -> None:
        if registry not in self.__dict__:
            raise not_started(self, f"cannot assign {kind} {name!r} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type_name(name)}")
        if "." in name:
            raise NameTaken(f'{kind} name can\'t contain ".", got: {name}')
        if name == "":
            raise NameTaken(f'{kind} name can\'t be empty string ""')
        if name not in self.__dict__[registry] and (name in self.__dict__ or hasattr(type(self), name)):
            raise NameTaken(f"attribute '{name}' already exists")

    def __setattr__(self, name: str, value: Any) -> None:
        attributes = self.__dict__
        if isinstance(value, Tensor):
            self._set_tensor(attributes, name, value)
        elif isinstance(value, Module):
            self._set_module(attributes, name, value)
        elif name in attributes and "_parameters" in attributes:
            self._set_other(attributes, name, value)
        else:
            object.__setattr__(self, name, value)

    def _set_tensor(self, attributes, name, value) -> None:
        if isinstance(value, Parameter):
            if "_parameters" not in attributes:
                raise not_started(self, f"cannot assign parameter {name!r} before Module.__init__() call")
            if name not in attributes["_parameters"]:
                self._forget(attributes, name)
            self.register_parameter(name, value)
            return
        if "_parameters" not in attributes:
            if isinstance(value, Buffer):
                raise not_started(self, f"cannot assign buffer {name!r} before Module.__init__() call")
            object.__setattr__(self, name, value)
        elif name in attributes["_parameters"]:
            raise TypeError(
                f"cannot assign '{type_name(value)}' as parameter '{name}' (torch.nn.Parameter or None expected)"
            )
        elif name in attributes["_modules"]:
            raise TypeError(
                f"cannot assign '{type_name(value)}' as child module '{name}' (torch.nn.Module or None expected)"
            )
        elif isinstance(value, Buffer):
            if name not in attributes["_buffers"]:
                self._forget(attributes, name)
            self.register_buffer(name, value, value.persistent)
        elif name in attributes["_buffers"]:
            for hook in GLOBAL.buffer_registration.values():
                changed = hook(self, name, value)
                value = value if changed is None else changed
            attributes["_buffers"][name] = value
        else:
            object.__setattr__(self, name, value)

    def _set_module(self, attributes, name, value) -> None:
        if "_modules" not in attributes:
            raise not_started(self, f"cannot assign module {name!r} before Module.__init__() call")
        if name in attributes["_parameters"]:
            raise TypeError(
                f"cannot assign '{type_name(value)}' as parameter '{name}' (torch.nn.Parameter or None expected)"
            )
        if name not in attributes["_modules"]:
            self._forget(attributes, name)
        for hook in GLOBAL.module_registration.values():
            changed = hook(self, name, value)
            value = value if changed is None else changed
        attributes["_modules"][name] = value

    def _set_other(self, attributes, name, value) -> None:
        """A value that is neither tensor nor module under a name that exists; members can only become None."""
        for registry, kind in (("_parameters", "parameter"), ("_modules", "child module"), ("_buffers", "buffer")):
            if name in attributes[registry]:
                if value is not None:
                    wanted = {"parameter": "torch.nn.Parameter", "child module": "torch.nn.Module"}.get(
                        kind, "torch.Tensor"
                    )
                    raise TypeError(
                        f"cannot assign '{type_name(value)}' as {kind} '{name}' ({wanted} or None expected)"
                    )
                attributes[registry][name] = None
                return
        object.__setattr__(self, name, value)

    @staticmethod
    def _forget(attributes, name: str) -> None:
        """Drop whatever has the name, so that a member of another kind can take it."""
        for registry in REGISTRIES:
            attributes[registry].pop(name, None)
        attributes["_non_persistent_buffers_set"].discard(name)
        attributes.pop(name, None)

    def __delattr__(self, name: str) -> None:
        for registry in REGISTRIES:
            members = self.__dict__.get(registry, ())
            if name in members:
                del members[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *(k for k in self.__dict__ if not k[0].isdigit())})

    # -- walking ---------------------------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(dotted name, module) of this module and everything below, each module once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and everything below, each once."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, child) of the immediate children, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The immediate children, each once."""
        for _, module in self.named_children():
            yield module

    def _named_members(self, get_members_fn, prefix="", recurse=True, remove_duplicate: bool = True):
        """(dotted name, member) that get_members_fn finds in this module and, with recurse, in all below."""
        memo = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for head, module in modules:
            for name, member in get_members_fn(module):
                if member is None or id(member) in memo:
                    continue
                if remove_duplicate:
                    memo.add(id(member))
                yield f"{head}.{name}" if head else name, member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter), each parameter once (unless remove_duplicate=False)."""
        found = self._named_members(lambda m: m._parameters.items(), prefix, recurse, remove_duplicate)
        return MemberIterator(self, found)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once: what an optimizer takes."""
        return MemberIterator(self, (p for _, p in self.named_parameters(recurse=recurse)))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(dotted name, buffer), each buffer once (unless remove_duplicate=False)."""
        found = self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)
        return MemberIterator(self, found)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return MemberIterator(self, (b for _, b in self.named_buffers(recurse=recurse)))

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; "" is this module. Raises AttributeError where there is none."""
        module: Any = self
        for part in target.split(".") if target else []:
            if not hasattr(module, part):
                raise AttributeError(f"{module._get_name()} has no attribute `{part}`")
            module = getattr(module, part)
            if not isinstance(module, Module):
                raise AttributeError(f"`{part}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put `module` at a dotted path. strict: only where one is already."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        head, _, name = target.rpartition(".")
        parent = self.get_submodule(head)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if not isinstance(getattr(parent, name, module), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path. Raises AttributeError where there is none."""
        return self._member_at(target, "_parameters", "nn.Parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path. Raises AttributeError where there is none."""
        return self._member_at(target, "_buffers", "buffer")

    def _member_at(self, target: str, registry: str, kind: str):
        head, _, name = target.rpartition(".")
        module = self.get_submodule(head)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        found = getattr(module, registry).get(name)
        if found is None:
            raise AttributeError(f"`{name}` is not {'an' if kind.startswith('nn') else 'a'} {kind}")
        return found

    def apply(self, fn: Callable[[Module], None]) -> Module:
        """Call `fn` on every module below and then on this one; returns self."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # -- modes and conversions -------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Module:
        """Set training mode here and below; returns self."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Module:
        """Set evaluation mode here and below; returns self."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Say whether the parameters below take gradients; returns self."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop (or zero) the gradients of all parameters."""
        for p in self.parameters():
            if p.grad is None:
                continue
            if set_to_none:
                p.grad = None
            else:
                p.grad.detach_()
                p.grad.zero_()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Module:
        """Replace the data of every parameter, gradient and buffer by `fn` of it. Parameters stay the same objects."""
        if recurse:
            for module in self.children():
                module._apply(fn, recurse)
        for param in self._parameters.values():
            if param is None:
                continue
            convert_data(param, fn)
            if param.grad is not None:
                grad = param.grad
                changed = fn(grad.detach())
                if changed is not grad:
                    param.grad = changed.requires_grad_(grad.requires_grad)
        for name, buffer in list(self._buffers.items()):
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args, **kwargs) -> Module:
        """Move to a device, change the floating-point dtype, or both: to(device), to(dtype), to(tensor).

        Integer parameters and buffers only move. Returns self.
        """
        device, dtype, non_blocking, memory_format = parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise DTypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )

        def convert(t: Tensor) -> Tensor:
            wanted = dtype if dtype is not None and t.dtype.is_differentiable else t.dtype
            extra = {"memory_format": memory_format} if memory_format is not None and t.ndim in (4, 5) else {}
            return t.to(t.device if device is None else device, wanted, non_blocking=non_blocking, **extra)

        return self._apply(convert)

    def to_empty(self, *, device, recurse: bool = True) -> Module:
        """Move to a device without copying: the values are whatever is there."""
        return self._apply(lambda t: t.new_empty(t.shape, device=device), recurse)

    def cpu(self) -> Module:
        """Move to the CPU; returns self."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device=None) -> Module:
        """Move to a CUDA device; returns self."""
        return self._apply(lambda t: t.cuda(device))

    def type(self, dst_type) -> Module:
        """Cast all parameters and buffers, whole numbers included; returns self."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Module:
        """Cast the floating-point parameters and buffers to float32; returns self."""
        return self._cast("float32")

    def double(self) -> Module:
        """Cast the floating-point parameters and buffers to float64; returns self."""
        return self._cast("float64")

    def half(self) -> Module:
        """Cast the floating-point parameters and buffers to float16; returns self."""
        return self._cast("float16")

    def bfloat16(self) -> Module:
        """Cast the floating-point parameters and buffers to bfloat16; returns self."""
        return self._cast("bfloat16")

    def _cast(self, name: str) -> Module:
        dtype = as_dtype(name)
        return self._apply(lambda t: t.to(dtype) if t.dtype.is_floating_point else t)

    def share_memory(self) -> Module:
        """Move the tensors to shared memory; returns self."""
        return self._apply(lambda t: t.share_memory_())

    def compile(self, *args, **kwargs) -> None:
        """Accepted and not needed: every module already runs as compiled steps."""

    # -- state -----------------------------------------------------------------------------------------------------

    def state_dict(self, *args, destination=None, prefix: str = "", keep_vars: bool = False) -> dict[str, Any]:
        """The tensors of this module and all below, by dotted name (torch.nn.Module.state_dict)."""
        if args:  # positional arguments, as PyTorch still takes them
            warnings.warn("Positional args are being deprecated, use kwargs instead.", FutureWarning, stacklevel=2)
            destination = args[0] if destination is None else destination
            prefix = args[1] if len(args) > 1 and prefix == "" else prefix
            keep_vars = args[2] if len(args) > 2 else keep_vars
        return state.save_module(self, destination, prefix, keep_vars)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False):
        """Copy tensors into this module and all below; nothing is copied unless all fits.

        Returns: (missing_keys, unexpected_keys).
        Raises: RuntimeError listing every difference in names (unless strict=False) and sizes.
        """
        return state.load_module(self, state_dict, strict, assign)

    def _save_to_state_dict(self, destination, prefix, keep_vars) -> None:
        state.save_own(self, destination, prefix, keep_vars)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ) -> None:
        state.load_own(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

    def get_extra_state(self) -> Any:
        """What state_dict stores besides tensors; a subclass that needs it overrides this."""
        raise RuntimeError(f"{type(self).__name__} has no get_extra_state; override it to store extra state")

    def set_extra_state(self, state: Any) -> None:
        """The other half of get_extra_state."""
        raise RuntimeError(f"{type(self).__name__} has no set_extra_state; override it to load extra state")

    get_extra_state._not_defined = set_extra_state._not_defined = True  # type: ignore[attr-defined]

    def __getstate__(self) -> dict[str, Any]:
        attributes = dict(self.__dict__)
        for registry in REGISTRIES:
            for name in attributes.get(registry, ()):
                attributes.pop(name, None)
        attributes.pop("_built_at", None)
        return attributes

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        self.__dict__.update(attributes)
        for name in REGISTRIES:
            self.__dict__[name] = Registry(self.__dict__, self.__dict__.get(name, ()))
        for name in HOOK_KINDS:
            self.__dict__.setdefault(name, Hooks())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())

    def _replicate_for_data_parallel(self) -> Module:
        replica = type(self).__new__(type(self))
        replica.__setstate__({k: v.copy() if isinstance(v, Registry) else v for k, v in self.__getstate__().items()})
        return replica

    # -- hooks -----------------------------------------------------------------------------------------------------

    def _hang(self, *args, **kwargs) -> RemovableHandle:
        handle = hang(*args, **kwargs)
        self.__dict__["_has_hooks"] = True
        return handle

    def register_forward_pre_hook(self, hook, *, prepend: bool = False, with_kwargs: bool = False) -> RemovableHandle:
        """hook(module, args) runs before forward and may return other arguments."""
        return self._hang(
            self._forward_pre_hooks, hook, prepend, {"k": (self._forward_pre_hooks_with_kwargs, with_kwargs)}
        )

    def register_forward_hook(
        self, hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """hook(module, args, output) runs after forward and may return another output."""
        flags = {
            "k": (self._forward_hooks_with_kwargs, with_kwargs),
            "a": (self._forward_hooks_always_called, always_call),
        }
        return self._hang(self._forward_hooks, hook, prepend, flags)

    def register_full_backward_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """hook(module, grad_output) runs before the module's backward and may return another grad_output."""
        return self._hang(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """hook(module, grad_input, grad_output) runs after the module's backward; may return another grad_input."""
        self.__dict__["_is_full_backward_hook"] = True
        return self._hang(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook) -> RemovableHandle:
        """As register_full_backward_hook (PyTorch's older kind saw only part of the gradients)."""
        return self.register_full_backward_hook(hook)

    def _register_state_dict_hook(self, hook) -> RemovableHandle:
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously registered via "
                "register_state_dict_post_hook"
            )
        return hang(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook) -> RemovableHandle:
        """hook(module, state_dict, prefix, local_metadata) runs after state_dict and may change it in place."""
        hook._from_public_api = True
        return hang(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook) -> RemovableHandle:
        """hook(module, prefix, keep_vars) runs before state_dict."""
        return hang(self._state_dict_pre_hooks, hook)

    def _register_load_state_dict_pre_hook(self, hook, with_module: bool = False) -> RemovableHandle:
        if not with_module:
            return hang(self._load_state_dict_pre_hooks, hook)
        return hang(self._load_state_dict_pre_hooks, lambda *args: hook(self, *args))

    def register_load_state_dict_pre_hook(self, hook) -> RemovableHandle:
        """hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors), before loading."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook) -> RemovableHandle:
        """hook(module, incompatible_keys) runs after this module was compared; may change the lists in place."""
        return hang(self._load_state_dict_post_hooks, hook)

    # -- printing --------------------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """The settings shown between the brackets when the module is printed."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if len(lines) == 1 and not self._modules:
            return f"{self._get_name()}({lines[0]})"
        lines += [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._modules.items()]
        body = "\n  " + "\n  ".join(lines) + "\n" if lines else ""
        return f"{self._get_name()}({body})"

    def _short_text(self) -> str:
        """One line for messages, as the user would write it."""
        return repr(self)

    def _cure(self, args: tuple, model_args: tuple) -> str:
        """Advice for a forward that failed on `args`, the whole model having been given `model_args`; "" for none."""
        return ""


def not_started(module: Module, problem: str) -> MemberError:
    """The error of a class whose `__init__` does not call Module's."""
    name = type(module).__name__
    return MemberError(
        message(
            name,
            problem,
            [f"{name}.__init__ has not called Module.__init__, which makes room for layers and parameters"],
            f"Make this the first line of {name}.__init__:  super().__init__()",
        )
    )


def type_name(x) -> str:
    """A type as PyTorch's messages spell it."""
    return f"{type(x).__module__}.{type(x).__name__}" if type(x).__module__ != "builtins" else type(x).__name__


def convert_data(param: Parameter, fn: Callable[[Tensor], Tensor]) -> None:
    """Give a parameter the data `fn` makes of its own; it stays the same object, so optimizers keep knowing it."""
    data = param.detach()
    changed = fn(data)
    if changed is not data:
        param.data = changed


def parse_to(*args, **kwargs):
    """(device, dtype, non_blocking, memory_format) from the arguments of Module.to and Tensor.to."""
    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    rest = list(args)
    while rest and not isinstance(rest[0], bool):
        first = rest.pop(0)
        if isinstance(first, Tensor):
            device, dtype = first.device, first.dtype
        elif isinstance(first, DType):
            dtype = first
        elif first is not None:
            device = first
    if "tensor" in kwargs or "other" in kwargs:
        other = kwargs.get("tensor", kwargs.get("other"))
        device, dtype = other.device, other.dtype
    if not rest and device is None and dtype is None and kwargs.get("memory_format") is None:
        raise TypeError("to() received an invalid combination of arguments: it takes a device, a dtype or a tensor")
    non_blocking = kwargs.get("non_blocking", bool(rest and rest[0]))
    return device, None if dtype is None else as_dtype(dtype), non_blocking, kwargs.get("memory_format")


def _hang_global(hooks: Hooks, hook, flags=None) -> RemovableHandle:
    Module._has_hooks = True
    return hang(hooks, hook, False, flags)


def register_module_forward_pre_hook(hook) -> RemovableHandle:
    """A forward pre-hook of every module."""
    return _hang_global(GLOBAL.forward_pre, hook)


def register_module_forward_hook(hook, *, with_kwargs: bool = False, always_call: bool = False) -> RemovableHandle:
    """A forward hook of every module."""
    flags = {"k": (GLOBAL.forward_with_kwargs, with_kwargs), "a": (GLOBAL.always, always_call)}
    return _hang_global(GLOBAL.forward, hook, flags)


def register_module_full_backward_pre_hook(hook) -> RemovableHandle:
    """A backward pre-hook of every module."""
    return _hang_global(GLOBAL.backward_pre, hook)


def register_module_full_backward_hook(hook) -> RemovableHandle:
    """A backward hook of every module."""
    return _hang_global(GLOBAL.backward, hook)


register_module_backward_hook = register_module_full_backward_hook


def register_module_parameter_registration_hook(hook) -> RemovableHandle:
    """hook(module, name, parameter) runs at every register_parameter and may return another parameter."""
    return hang(GLOBAL.parameter_registration, hook)


def register_module_buffer_registration_hook(hook) -> RemovableHandle:
    """hook(module, name, buffer) runs at every register_buffer and may return another buffer."""
    return hang(GLOBAL.buffer_registration, hook)


def register_module_module_registration_hook(hook) -> RemovableHandle:
    """hook(module, name, child) runs whenever a child is added and may return another child."""
    return hang(GLOBAL.module_registration, hook)
