"""torch.jit's names: programs are compiled without being asked, so a scripted module is the module itself.

`script` and `trace` give wrappers with the same parameters and the same names in their state_dict; Python inside runs
as it is, also what TorchScript would refuse. `save` writes the module whole, as torch.save does: the file names the
module's class, and `load` needs the program that defines it. PyTorch's own TorchScript archives hold source text of
another language; they are refused with a message.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from dovetail.base.errors import ArgumentError, NotCovered, message
from dovetail.io.torch_file import load as load_file
from dovetail.io.torch_file import save as save_file
from dovetail.nn.module import Module

__all__ = [
    "Attribute", "Error", "Final", "Future", "ScriptFunction", "ScriptModule", "TopLevelTracedModule", "annotate",
    "enable_onednn_fusion", "export", "fork", "freeze", "fuser", "ignore", "interface", "is_scripting", "is_tracing",
    "isinstance", "load", "onednn_fusion_enabled", "optimize_for_inference", "optimized_execution", "save", "script",
    "script_if_tracing", "script_method", "set_fusion_strategy", "strict_fusion", "trace", "trace_module", "unused",
    "wait",
]  # fmt: skip


class Error(RuntimeError):
    """torch.jit.Error, for `except` clauses."""


def source_of(call: str) -> NotCovered:
    cure = "dovetail.last_graph() shows what ran last; a Module's Python text is its source"
    return NotCovered(message(call, "there is no TorchScript here, modules run as they are", [], cure))


class ScriptModule(Module):
    """A Module as `script` returns it: calls the one inside, and shares its parameters, buffers, children and hooks."""

    def __init__(self, module: Module | None = None) -> None:
        super().__init__()
        if module is not None:
            self.__dict__["_original"] = module
            for part in ("_parameters", "_buffers", "_non_persistent_buffers_set", "_modules"):
                self.__dict__[part] = module.__dict__[part]
            self.training = module.training

    @property
    def original_name(self) -> str:
        """The name of the class inside."""
        return type(self.__dict__["_original"]).__name__

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.__dict__["_original"](*args, **kwargs)

    def train(self, mode: bool = True):
        original = self.__dict__.get("_original")
        if original is not None:
            original.train(mode)
        return super().train(mode)

    def __getattr__(self, name: str) -> Any:
        if name in ("code", "graph", "inlined_graph", "code_with_constants"):
            raise source_of(f"ScriptModule.{name}")
        original = self.__dict__.get("_original")
        return super().__getattr__(name) if original is None else getattr(original, name)

    def __len__(self) -> int:
        return len(self.__dict__["_original"])

    def __getitem__(self, index: Any) -> Any:
        return self.__dict__["_original"][index]

    def __iter__(self):
        return iter(self.__dict__["_original"])

    def __bool__(self) -> bool:
        return True

    def save(self, f: Any, _extra_files: dict | None = None) -> None:
        """As torch.jit.save."""
        save(self, f, _extra_files)

    def extra_repr(self) -> str:
        return f"original_name={self.original_name}" if "_original" in self.__dict__ else ""


class TopLevelTracedModule(ScriptModule):
    """A Module as `trace` returns it."""


class ScriptFunction:
    """A function as `script` or `trace` returns it: called as it is."""

    def __init__(self, function: Callable) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    @property
    def graph(self) -> Any:
        raise source_of("ScriptFunction.graph")

    @property
    def code(self) -> Any:
        raise source_of("ScriptFunction.code")

    def save(self, f: Any, _extra_files: dict | None = None) -> None:
        raise NotCovered(
            message(
                "ScriptFunction.save", "functions have no file format", [], "Put it in a Module, or save its source"
            )
        )


def script(
    obj: Any, optimize: Any = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None
) -> Any:  # fmt: skip
    """`obj` wrapped: a Module's ScriptModule, a function's ScriptFunction; a class or a container as it is.

    >>> from dovetail import nn
    >>> m = script(nn.Linear(2, 3))
    >>> list(m.state_dict()), m.out_features
    (['weight', 'bias'], 3)
    """
    if builtins.isinstance(obj, (ScriptModule, ScriptFunction, type)):
        return obj
    if builtins.isinstance(obj, Module):
        return ScriptModule(obj)
    if callable(obj):
        return ScriptFunction(obj)
    if builtins.isinstance(obj, (list, dict)):
        return obj
    raise RuntimeError(message("jit.script", f"takes a Module, function or class, got {type(obj).__name__}"))


def trace(
    func: Any, example_inputs: Any = None, optimize: Any = None, check_trace: bool = True, check_inputs: Any = None,
    check_tolerance: float = 1e-5, strict: bool = True, _force_outplace: bool = False, _module_class: Any = None,
    _compilation_unit: Any = None, example_kwarg_inputs: dict | None = None, _store_inputs: bool = True,
) -> Any:  # fmt: skip
    """`func` wrapped, after one call with the example. Python branches stay branches: nothing is frozen.

    example_inputs: a tuple of arguments, or one. Raises whatever that call raises.
    """
    if example_inputs is None and example_kwarg_inputs is None:
        raise RuntimeError(message("jit.trace", "example_inputs or example_kwarg_inputs must be specified"))
    given = example_inputs if builtins.isinstance(example_inputs, (tuple, list)) else (example_inputs,)
    if example_kwarg_inputs is not None:
        func(**example_kwarg_inputs)
    else:
        func(*given)
    if builtins.isinstance(func, ScriptModule):
        return func
    if builtins.isinstance(func, Module):
        return TopLevelTracedModule(func)
    return ScriptFunction(func)


def trace_module(mod: Module, inputs: dict, *args: Any, **kwargs: Any) -> ScriptModule:
    """`mod` wrapped, after one call of each method named in `inputs` with its example."""
    for name, given in inputs.items():
        method = mod if name == "forward" else getattr(mod, name)
        method(*(given if builtins.isinstance(given, tuple) else (given,)))
    return TopLevelTracedModule(mod)


def freeze(
    mod: Module, preserved_attrs: list[str] | None = None, optimize_numerics: bool = True
) -> Module:  # fmt: skip
    """`mod` as it is. Raises RuntimeError unless it is a scripted module in eval mode, as torch does."""
    if not builtins.isinstance(mod, ScriptModule):
        problem = "Freezing expects a ScriptModule as input"
        raise RuntimeError(message("jit.freeze", problem, [], "torch.jit.freeze(torch.jit.script(model.eval()))"))
    if mod.training:
        raise RuntimeError(message("jit.freeze", "Freezing is currently only implemented for modules in eval mode"))
    return mod


def optimize_for_inference(mod: Module, other_methods: list[str] | None = None) -> Module:
    """`mod` as it is, in eval mode: what repeats is compiled anyway."""
    return mod.eval()


def save(m: Any, f: Any, _extra_files: dict | None = None) -> None:
    """Write the module inside a ScriptModule, as torch.save writes a whole module. No extra files are kept."""
    if not builtins.isinstance(m, ScriptModule):
        raise ArgumentError(message("jit.save", f"takes a ScriptModule, got {type(m).__name__}", [], "torch.save"))
    if _extra_files:
        raise NotCovered(message("jit.save", "_extra_files is not covered", [], "torch.save a dict with the module"))
    save_file(m.__dict__["_original"], f)


def load(f: Any, map_location: Any = None, _extra_files: dict | None = None, _restore_shapes: bool = False) -> Any:
    """Read what `save` wrote. The module's class must be one of this program's or of torch.nn. Raises: FileError."""
    made = load_file(f, map_location, weights_only=False)
    return ScriptModule(made) if builtins.isinstance(made, Module) else made


class Future:
    """The result of `fork`, which is there at once."""

    def __init__(self, value: Any) -> None:
        self.result = value

    def wait(self) -> Any:
        return self.result

    def value(self) -> Any:
        return self.result

    def done(self) -> bool:
        return True

    def then(self, callback: Callable) -> Future:
        return Future(callback(self))


def fork(func: Callable, *args: Any, **kwargs: Any) -> Future:
    """Call the function now; its result in a Future."""
    return Future(func(*args, **kwargs))


def wait(future: Future) -> Any:
    """The future's result."""
    return future.wait()


def is_scripting() -> bool:
    """Whether this is code that TorchScript has taken over: never."""
    return False


def is_tracing() -> bool:
    """Whether a trace is being taken: never, as Python runs as it is."""
    return False


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value: types are Python's."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:  # noqa: A001
    """Python's isinstance, which also takes List[int], Dict[str, Tensor], Optional[int], and tuples of such."""
    if builtins.isinstance(target_type, tuple):
        return any(isinstance(obj, t) for t in target_type)
    origin, inner = get_origin(target_type), get_args(target_type)
    if origin is None:
        return obj is None if target_type is None else builtins.isinstance(obj, target_type)
    if origin in (Union, UnionType):
        return any(obj is None if t is type(None) else isinstance(obj, t) for t in inner)
    if not builtins.isinstance(obj, origin):
        return False
    if origin is tuple:
        return len(obj) == len(inner) and all(isinstance(o, t) for o, t in zip(obj, inner, strict=True))
    if origin is dict:
        return all(isinstance(k, inner[0]) and isinstance(v, inner[1]) for k, v in obj.items())
    return all(isinstance(o, inner[0]) for o in obj)


def Attribute(value: Any, type: Any) -> Any:  # noqa: A002, N802
    """The value: attributes need no declaration."""
    return value


def marked(fn: Any = None, **kwargs: Any) -> Any:
    return (lambda f: f) if fn is None or builtins.isinstance(fn, bool) else fn


def export(fn: Any) -> Any:
    """The method as it is: all of them can be called."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """A decorator that gives the function as it is."""
    return marked(drop)


def unused(fn: Any) -> Any:
    """The function as it is."""
    return fn


def interface(obj: Any) -> Any:
    """The class as it is."""
    return obj


def script_method(fn: Any) -> Any:
    """The method as it is."""
    return fn


def script_if_tracing(fn: Any) -> Any:
    """The function as it is."""
    return fn


def set_fusion_strategy(strategy: list) -> list:
    """Accepted. Fusing is the compiler's own decision."""
    return strategy


def enable_onednn_fusion(enabled: bool) -> None:
    """Accepted: there is no oneDNN here."""


def onednn_fusion_enabled() -> bool:
    """False: there is no oneDNN here."""
    return False


class strict_fusion:  # noqa: N801
    """A block in which nothing changes."""

    def __enter__(self) -> strict_fusion:
        return self

    def __exit__(self, *exc: Any) -> None:
        return None


class fuser(strict_fusion):  # noqa: N801
    """A block in which nothing changes, whatever fuser is named."""

    def __init__(self, name: str = "") -> None:
        self.name = name


class optimized_execution(strict_fusion):  # noqa: N801
    """A block in which nothing changes."""

    def __init__(self, should_optimize: bool = True) -> None:
        self.should_optimize = should_optimize
