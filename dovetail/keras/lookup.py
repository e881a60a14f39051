"""Strings and configs to objects: one place for every name a user may write, with the nearest match in the error.

A `Table` holds what one family (losses, activations, ...) answers to. `serialize` and `deserialize` are the config
format of Keras 3: {"module", "class_name", "config", "registered_name"}.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.keras.naming import snake_case


class Table:
    """Names of one family and what they stand for.

    kind: the singular noun for messages; module: where Keras has the family, e.g. "keras.losses".
    """

    def __init__(self, kind: str, module: str):
        self.kind, self.module = kind, module
        self.entries: dict[str, Any] = {}

    def add(self, thing: Any, *aliases: str) -> Any:
        """Enter a class or function under its own name, its snake_case name (classes) and the aliases."""
        names = [thing.__name__, *aliases]
        if inspect.isclass(thing):
            names.append(snake_case(thing.__name__))
        for name in names:
            self.entries.setdefault(name, thing)
        return thing

    def find(self, name: str) -> Any:
        """What `name` stands for. Raises ArgumentError that names the nearest entries."""
        found = self.entries.get(name)
        if found is None:
            found = CUSTOM.get(name)
        if found is None and name.lower() in self.entries:
            found = self.entries[name.lower()]
        if found is None:
            raise unknown(self.kind, name, self.entries)
        return found


def unknown(kind: str, name: Any, known: Any) -> ArgumentError:
    """The error for a name that nobody knows."""
    folded = {k.lower().replace("_", ""): k for k in known}
    wanted = str(name).lower().replace("_", "").replace(" ", "").replace("-", "")
    near = [folded[wanted]] if wanted in folded else []
    near += [n for n in difflib.get_close_matches(str(name), list(known), 3, 0.6) if n not in near]
    cure = (
        f"Did you mean {' or '.join(repr(n) for n in near[:3])}?"
        if near
        else "Pass a known name, an object or a function."
    )
    facts = [] if near else [f"known names: {', '.join(sorted(k for k in known if k.islower())[:40])}"]
    return ArgumentError(message("", f"{kind}={name!r} is unknown: Dovetail has no {kind} of that name", facts, cure))


CUSTOM: dict[str, Any] = {}  # what users registered, by registered name and by plain name
REGISTERED: dict[Any, str] = {}  # the registered name of a user's class or function
TABLES: dict[str, Table] = {}  # by Keras's module name


def table(kind: str, module: str) -> Table:
    """The one table of a family."""
    return TABLES.setdefault(module, Table(kind, module))


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable:
    """Decorator: let load_model and from_config find a class or function of yours by name."""

    def decorate(thing):
        registered = f"{package}>{name or thing.__name__}"
        CUSTOM[registered] = CUSTOM[name or thing.__name__] = thing
        REGISTERED[thing] = registered
        return thing

    return decorate


class CustomObjectScope:
    """`with custom_object_scope({"MyLayer": MyLayer}):` names are known inside."""

    def __init__(self, custom_objects: dict[str, Any]):
        self.custom_objects = custom_objects or {}

    def __enter__(self):
        self.before = dict(CUSTOM)
        CUSTOM.update(self.custom_objects)
        return self

    def __exit__(self, *exc):
        CUSTOM.clear()
        CUSTOM.update(self.before)


custom_object_scope = CustomObjectScope


def get_custom_objects() -> dict[str, Any]:
    """The dict of names known besides Keras's own."""
    return CUSTOM


def get_registered_name(thing: Any) -> str:
    return REGISTERED.get(thing, thing.__name__)


def get_registered_object(name: str, custom_objects=None, module_objects=None) -> Any:
    for names in (custom_objects or {}, CUSTOM, module_objects or {}):
        if name in names:
            return names[name]
    return None


# -- configs -----------------------------------------------------------------------------------------------------------


def module_of(kind: type) -> str:
    """The public Keras module of a class, or the user's own."""
    for module, entries in TABLES.items():
        if entries.entries.get(kind.__name__) is kind:
            return module
    return kind.__module__


def serialize(thing: Any) -> Any:
    """A config made of plain values, from which `deserialize` makes an equal object."""
    if thing is None or isinstance(thing, (bool, int, float, str, bytes)):
        return thing
    if isinstance(thing, (list, tuple)):
        return [serialize(x) for x in thing]
    if isinstance(thing, dict):
        return {k: serialize(v) for k, v in thing.items()}
    if inspect.isfunction(thing) or inspect.isbuiltin(thing) or (callable(thing) and not hasattr(thing, "get_config")):
        return function_config(thing)
    if not hasattr(thing, "get_config"):
        return plain(thing)
    kind = type(thing)
    module = module_of(kind)
    return {
        "module": module, "class_name": kind.__name__, "config": thing.get_config(),
        "registered_name": REGISTERED.get(kind) if module.startswith("keras") else REGISTERED.get(kind, kind.__name__),
    }  # fmt: skip


def plain(x: Any) -> Any:
    """NumPy values, tensors and dtypes in the form that a config file holds."""
    if hasattr(x, "tolist"):
        return {
            "class_name": "__numpy__",
            "config": {"value": x.tolist(), "dtype": str(getattr(x.dtype, "name", x.dtype))},
        }
    return getattr(x, "name", None) or str(x)


def function_config(f: Callable) -> Any:
    if getattr(f, "__name__", "") == "<lambda>":
        raise ArgumentError(
            message("serialize", "a lambda cannot be written to a config", cure="Give the function a name with def.")
        )
    name = getattr(f, "__name__", type(f).__name__)
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name,
        "registered_name": REGISTERED.get(f, "function"),
    }


def serialize_entry(entries: Table, thing: Any) -> Any:
    """As `serialize`; a function of the family itself becomes its bare name."""
    name = getattr(thing, "__name__", None)
    if name is not None and entries.entries.get(name) is thing:
        return name
    return serialize(thing)


def deserialize(
    config: Any, custom_objects: dict | None = None, entries: Table | None = None, safe_mode: bool = True
) -> Any:
    """The object that a config describes.

    Raises ArgumentError for a class that is not known; custom_objects or register_keras_serializable make it known.
    """
    if custom_objects:
        with CustomObjectScope(custom_objects):
            return deserialize(config, None, entries, safe_mode)
    if isinstance(config, (list, tuple)):
        return [deserialize(c, None, entries) for c in config]
    if not isinstance(config, dict) or "class_name" not in config:
        if isinstance(config, str) and entries is not None:
            return entries.find(config)
        return {k: deserialize(v, None, entries) for k, v in config.items()} if isinstance(config, dict) else config
    name, inner = config["class_name"], config.get("config", {})
    if name == "function":
        return found_function(inner, config.get("registered_name"), entries)
    if name == "__numpy__":
        import numpy as np

        return np.asarray(inner["value"], inner["dtype"])
    kind = found_class(name, config.get("module"), config.get("registered_name"), entries)
    if inspect.isfunction(kind) or not hasattr(kind, "from_config"):
        return kind
    return kind.from_config(inner)


def found_class(name: str, module: str | None, registered: str | None, entries: Table | None) -> Any:
    if registered in CUSTOM:
        return CUSTOM[registered]
    if name in CUSTOM:
        return CUSTOM[name]
    places = [entries] if entries else []
    places += [TABLES[module]] if module in TABLES else []
    for place in [*places, *TABLES.values()]:
        if name in place.entries:
            return place.entries[name]
    known = [n for t in (places or TABLES.values()) for n in t.entries]
    error = unknown("class_name", name, known)
    error.args = (
        f"{error.args[0]}\n  A class of your own must be known: pass custom_objects={{{name!r}: {name}}}, or decorate "
        "it with"
        " @keras.saving.register_keras_serializable()",
    )
    raise error


def found_function(name: Any, registered: Any, entries: Table | None) -> Any:
    for key in (registered, name):
        if key in CUSTOM:
            return CUSTOM[key]
    for place in [*([entries] if entries else []), *TABLES.values()]:
        if name in place.entries:
            return place.entries[name]
    raise unknown("function", name, entries.entries if entries else [])


def got(entries: Table, identifier: Any, call: str) -> Any:
    """`get(identifier)` of a family: an object from a name, a config, a class or an object.

    Classes are instantiated. Raises ArgumentError for a name that is not known or a value that is none of these.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        found = entries.find(identifier)
        return found() if inspect.isclass(found) else found
    if isinstance(identifier, dict):
        return deserialize(identifier, entries=entries)
    if inspect.isclass(identifier):
        return identifier()
    if callable(identifier) or hasattr(identifier, "get_config"):
        return identifier
    raise ArgumentError(message(call, f"could not interpret {entries.kind} identifier "
        f"{identifier!r}", [("type", type(identifier).__name__)],
                                "Pass a name, an object or a function."))  # fmt: skip
