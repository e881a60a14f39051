"""Hooks: functions that a user hangs on modules, and the call that runs them.

Agrees with torch.utils.hooks and the hook half of torch.nn.Module. A module without hooks never comes here: see
`Module.__call__`.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.ops.create import zeros
from dovetail.tensor.function import Step, identity_with
from dovetail.tensor.modes import is_grad_enabled
from dovetail.tensor.tensor import Tensor

Hooks = OrderedDict  # ordered, and unlike dict it can be weakly referenced


class RemovableHandle:
    """Takes a hook away again: `handle.remove()`, or at the end of a `with` block.

    hooks: the dictionary the hook is in; extra: dictionaries that hold flags under the same id.
    """

    next_id = 0

    def __init__(self, hooks_dict, *, extra_dict=None):
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extra = [] if extra_dict is None else [extra_dict] if isinstance(extra_dict, dict) else extra_dict
        self._set([hooks_dict, *extra])

    def _set(self, dicts) -> None:
        self.hooks_dict_ref = weakref.ref(dicts[0])
        self.extra_dict_ref = tuple(weakref.ref(d) for d in dicts[1:])

    def remove(self) -> None:
        """Take the hook away; nothing happens the second time."""
        for ref in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = ref()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc) -> None:
        self.remove()

    def __getstate__(self):
        return self.id, [ref() for ref in (self.hooks_dict_ref, *self.extra_dict_ref)]

    def __setstate__(self, state) -> None:
        self.id, dicts = state
        self._set([Hooks() if d is None else d for d in dicts])
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)


HOOK_KINDS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class GlobalHooks:
    """Hooks of every module in the process."""

    def __init__(self):
        self.forward_pre, self.forward, self.always = Hooks(), Hooks(), Hooks()
        self.forward_with_kwargs = Hooks()
        self.backward_pre, self.backward = Hooks(), Hooks()
        self.parameter_registration, self.module_registration, self.buffer_registration = Hooks(), Hooks(), Hooks()


GLOBAL = GlobalHooks()


def any_hooks(module) -> bool:
    """Whether calls of `module` must run hooks of its own."""
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


def any_global_hooks() -> bool:
    """Whether calls of all modules must run hooks."""
    return bool(GLOBAL.forward_pre or GLOBAL.forward or GLOBAL.backward_pre or GLOBAL.backward)


def hang(hooks: Hooks, hook: Callable, prepend: bool = False, flags: dict[str, tuple[Hooks, bool]] | None = None):
    """Put `hook` into `hooks` and return the handle that takes it away. flags: dictionaries to mark with its id."""
    if not callable(hook):
        raise ArgumentError(message("register hook", f"a hook is a function, got {hook!r}"))
    flags = flags or {}
    handle = RemovableHandle(hooks, extra_dict=[d for d, _ in flags.values()])
    hooks[handle.id] = hook
    for d, wanted in flags.values():
        if wanted:
            d[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def call_with_hooks(module, args: tuple, kwargs: dict[str, Any]):
    """Forward pre-hooks, forward, forward hooks; hooks marked always_call also run when forward raises."""
    done: set[int] = set()
    try:
        return _run(module, args, kwargs, done)
    except Exception:
        _run_always(module, args, kwargs, done)
        raise


def _run(module, args, kwargs, done):
    args, kwargs = run_pre_hooks(module, args, kwargs)
    watch = BackwardWatch.of(module)
    if watch:
        args = watch.inputs(args)
    result = module.forward(*args, **kwargs)
    for key, hook in (*GLOBAL.forward.items(), *module._forward_hooks.items()):
        done.add(key)
        with_kwargs = key in GLOBAL.forward_with_kwargs or key in module._forward_hooks_with_kwargs
        changed = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
        if changed is not None:
            result = changed
    return watch.outputs(result) if watch else result


def run_pre_hooks(module, args, kwargs):
    """The arguments after every forward pre-hook had its say. Raises RuntimeError for a hook's odd answer."""
    for hook in GLOBAL.forward_pre.values():
        changed = hook(module, args)
        if changed is not None:
            args = changed if isinstance(changed, tuple) else (changed,)
    for key, hook in tuple(module._forward_pre_hooks.items()):
        if key not in module._forward_pre_hooks_with_kwargs:
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
            continue
        changed = hook(module, args, kwargs)
        if changed is None:
            continue
        if not (isinstance(changed, tuple) and len(changed) == 2):
            raise RuntimeError(
                f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}."
            )
        args, kwargs = changed
    return args, kwargs


def _run_always(module, args, kwargs, done) -> None:
    for key, hook in (*GLOBAL.forward.items(), *module._forward_hooks.items()):
        if key in done or not (key in GLOBAL.always or key in module._forward_hooks_always_called):
            continue
        with_kwargs = key in GLOBAL.forward_with_kwargs or key in module._forward_hooks_with_kwargs
        hook(module, args, kwargs, None) if with_kwargs else hook(module, args, None)


class BackwardWatch:
    """Collects the gradients at a module's outputs and inputs and hands them to its backward hooks.

    Pre-hooks see (and may replace) the gradients of the outputs; hooks see those of both ends and may replace the
    gradients of the inputs, as torch's full backward hooks.
    """

    def __init__(self, module, pre_hooks: list[Callable], hooks: list[Callable]):
        self.module, self.pre_hooks, self.hooks = module, pre_hooks, hooks
        self.grad_outputs: tuple = ()
        self.count_in = self.count_out = 0
        self.watched_in: list[int] = []
        self.metas: dict[int, Any] = {}
        self.watched_out: list[int] = []

    @staticmethod
    def of(module) -> BackwardWatch | None:
        """A watch where the module (or the process) has backward hooks, else None."""
        pre = [*GLOBAL.backward_pre.values(), *module._backward_pre_hooks.values()]
        hooks = [*GLOBAL.backward.values(), *module._backward_hooks.values()]
        return BackwardWatch(module, pre, hooks) if pre or hooks else None

    def inputs(self, args: tuple) -> tuple:
        """The arguments, tensors that need a gradient replaced by others that report it."""
        self.count_in = len(args)
        self.watched_in = places(args) if self.hooks else []
        self.metas = {i: a._meta for i, a in enumerate(args) if isinstance(a, Tensor)}
        return tuple(gate(list(args), self.watched_in, self.input_grads))

    def outputs(self, result):
        """The result, tensors that need a gradient replaced by others that report it."""
        single = not isinstance(result, (tuple, list))
        parts = [result] if single else list(result)
        self.count_out = len(parts)
        self.watched_out = places(parts)
        parts = gate(parts, self.watched_out, self.output_grads)
        return parts[0] if single else type(result)(parts)

    def output_grads(self, found: list) -> list:
        """The gradients of the outputs came: pre-hooks may change them."""
        grads = spread(found, self.watched_out, self.count_out)
        for hook in self.pre_hooks:
            grads = answer(hook(self.module, grads), grads, "grad_output")
        self.grad_outputs = grads
        if not self.watched_in:
            self.run_hooks((None,) * self.count_in)
        return [grads[i] for i in self.watched_out]

    def input_grads(self, found: list) -> list:
        """The gradients of the inputs came: hooks may change them."""
        grads = list(spread(found, self.watched_in, self.count_in))
        for i, m in self.metas.items():  # torch gives every tensor a gradient where one of them needs it
            if grads[i] is None:
                grads[i] = zeros(*m.shape, dtype=m.dtype)
        changed = self.run_hooks(tuple(grads))
        return [changed[i] for i in self.watched_in]

    def run_hooks(self, grads: tuple) -> tuple:
        for hook in self.hooks:
            grads = answer(hook(self.module, grads, self.grad_outputs), grads, "grad_input")
        return grads


class Gate(Step):
    """Tensors whose gradients are met together by `meet`, a function from gradients (or None) to gradients."""

    def __init__(self, tensors: list, meet: Callable):
        self.tensors, self.meet = tensors, meet

    def backward(self, gradients: list, create_graph: bool) -> list:
        met = zip(self.tensors, self.meet(gradients), strict=True)
        return [(t, g) for t, g in met if g is not None]

    def name(self) -> str:
        return "BackwardHookFunctionBackward"

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


def gate(parts: list, at: list[int], meet: Callable) -> list:
    """`parts` with those in the places `at` led through one gate."""
    if not at or not is_grad_enabled():
        return parts
    tensors = [parts[i] for i in at]
    for i, t in zip(at, identity_with(tensors, Gate(tensors, meet)), strict=True):
        parts[i] = t
    return parts


def spread(found: list, places: list[int], count: int) -> tuple:
    """A tuple of `count` gradients, None but in the given places."""
    grads = [None] * count
    for i, g in zip(places, found, strict=True):
        grads[i] = g
    return tuple(grads)


def answer(changed, grads: tuple, what: str) -> tuple:
    """What a hook made of the gradients. Raises RuntimeError for another number of them."""
    if changed is None:
        return grads
    changed = changed if isinstance(changed, tuple) else (changed,)
    if len(changed) != len(grads):
        raise RuntimeError(
            f"Backward hook returned an invalid number of {what}, got {len(changed)}, but expected {len(grads)}"
        )
    return changed


def places(parts) -> list[int]:
    """Where the tensors are that need a gradient."""
    return [i for i, p in enumerate(parts) if isinstance(p, Tensor) and p.requires_grad]
