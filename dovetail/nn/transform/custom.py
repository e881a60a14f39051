"""torch.library.custom_op: a Python function as an operator with a name, a gradient and a place in torch.ops.

The function itself runs with NumPy or whatever it likes; the gradient is the one registered. As calls are recorded
around it, its tensors are looked at where it looks.

Source: torch.library 2.13, its decorators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.tensor.function import Function
from dovetail.tensor.tensor import Tensor

OPERATORS: dict[str, CustomOpDef] = {}


class CustomOpDef:
    """An operator that `custom_op` has made; called like the function."""

    def __init__(self, name: str, function: Callable) -> None:
        space, _, word = name.partition("::")
        if not word:
            problem = f"the name {name!r} needs a namespace"
            raise ArgumentError(message("custom_op", problem, [], '"mylib::name"'))
        self.__name__, self.__doc__, self.name = word, function.__doc__, name
        self.function = function
        self.fake: Callable | None = None
        self.backward: Callable | None = None
        self.setup: Callable | None = None
        OPERATORS[name] = self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.backward is None or kwargs or not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            return self.function(*args, **kwargs)
        return self.differentiable().apply(*args)

    def differentiable(self) -> type[Function]:
        """The operator as an autograd Function."""
        function, backward_of, setup = self.function, self.backward, self.setup

        class Made(Function):
            @staticmethod
            def forward(*args: Any) -> Any:
                return function(*args)

            @staticmethod
            def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
                if setup is not None:
                    setup(ctx, inputs, output)

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                return backward_of(ctx, *grads)  # type: ignore[misc]

        return Made

    def register_fake(self, fn: Callable) -> Callable:
        """Say what shape and dtype the result has. Kept, and not needed: the function runs when it is called."""
        self.fake = fn
        return fn

    def register_autograd(self, backward: Callable, /, *, setup_context: Callable | None = None) -> None:
        """Give the gradient: backward(ctx, *grads), with what setup_context(ctx, inputs, output) has kept."""
        self.backward, self.setup = backward, setup_context

    def register_kernel(self, device_types: Any, fn: Callable | None = None, /) -> Callable:
        """Another function for a kind of device; used where the kind is "cpu"."""

        def take(fn: Callable) -> Callable:
            kinds = [device_types] if isinstance(device_types, str) or device_types is None else device_types
            if "cpu" in kinds or None in kinds:
                self.function = fn
            return fn

        return take if fn is None else take(fn)

    def register_vmap(self, func: Callable | None = None) -> Any:
        """Accepted: vmap calls a Python function once for each example."""
        return (lambda f: f) if func is None else func

    def __repr__(self) -> str:
        return f"<CustomOpDef({self.name})>"


def custom_op(
    name: str, fn: Callable | None = None, /, *, mutates_args: str | Iterable[str], device_types: Any = None,
    schema: str | None = None, tags: Any = None,
) -> Any:  # fmt: skip
    """A decorator that makes an operator of a function. name: "namespace::name".

    >>> @custom_op("example::twice", mutates_args=())
    ... def twice(x: Tensor) -> Tensor:
    ...     return x * 2
    >>> import dovetail
    >>> twice(dovetail.ones(2)).tolist()
    [2.0, 2.0]
    """
    return (lambda f: CustomOpDef(name, f)) if fn is None else CustomOpDef(name, fn)


def found(call: str, op: Any) -> CustomOpDef:
    """The operator itself or by name."""
    made = op if isinstance(op, CustomOpDef) else OPERATORS.get(op)
    if made is None:
        known = ", ".join(sorted(OPERATORS)) or "none"
        raise RuntimeError(message(call, f"no operator {op!r} has been made (there are: {known})", [], "custom_op"))
    return made


def register_fake(
    op: Any, func: Callable | None = None, /, *, lib: Any = None, _stacklevel: int = 1, **more: Any
) -> Any:
    """As CustomOpDef.register_fake, by the operator's name."""
    made = found("register_fake", op)
    return made.register_fake if func is None else made.register_fake(func)


def register_kernel(op: Any, device_types: Any, func: Callable | None = None, /, *, lib: Any = None) -> Any:
    """As CustomOpDef.register_kernel, by the operator's name."""
    return found("register_kernel", op).register_kernel(device_types, func)


def register_autograd(
    op: Any, backward: Callable, /, *, setup_context: Callable | None = None, lib: Any = None
) -> None:  # fmt: skip
    """As CustomOpDef.register_autograd, by the operator's name."""
    found("register_autograd", op).register_autograd(backward, setup_context=setup_context)


def register_vmap(op: Any, func: Callable | None = None, /, *, lib: Any = None) -> Any:
    """As CustomOpDef.register_vmap, by the operator's name."""
    return found("register_vmap", op).register_vmap(func)


class Space:
    """One namespace of torch.ops."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, word: str) -> CustomOpDef:
        made = OPERATORS.get(f"{self._name}::{word}")
        if made is None:
            text = f"'_OpNamespace' '{self._name}' object has no attribute '{word}'"
            raise AttributeError(f"{text}: only operators of custom_op stand here", name=word, obj=self)
        return made


class Spaces:
    """torch.ops: namespaces of the operators that custom_op has made."""

    def __getattr__(self, name: str) -> Space:
        if name.startswith("__"):
            raise AttributeError(name)
        return Space(name)


ops = Spaces()
