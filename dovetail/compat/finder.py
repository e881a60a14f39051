"""The import finder of `dovetail run`: torch, tensorflow and keras answered from the tables, for this process alone.

A module made here holds nothing: each name is looked up in its table when first asked for. What Dovetail does not have
raises NotCovered with the nearest name it has, both as an attribute (`torch.foo`, where hasattr must still work) and in
an import statement.
"""

from __future__ import annotations

import copyreg
import difflib
import importlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from dovetail.base import spelling
from dovetail.base.errors import NotCovered, NotCoveredImport, message
from dovetail.compat import (
    keras_table,
    torch_table,
    torchdata_table,
    torchinfo_table,
    torchtext_table,
    torchvision_table,
)
from dovetail.compat.names import Names

TABLE: dict[str, Names] = {
    **torch_table.TABLE,
    **torchvision_table.TABLE,
    **torchinfo_table.TABLE,
    **torchtext_table.TABLE,
    **torchdata_table.TABLE,
    **keras_table.TABLE,
}
ROOTS = {name for name in TABLE if "." not in name}
SPAWNERS = {f"multiprocessing.popen_{kind}" for kind in ("forkserver", "spawn_posix", "spawn_win32")}
OFTEN_BROUGHT = {
    "torchdata",
    "torchinfo",
    "torchsummary",
    "torchtext",
    "torchvision",
}  # pure Python on top of torch; a program may have its own


def install() -> None:
    """Answer imports of the covered frameworks in this process from now on."""
    if not any(isinstance(finder, CompatFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, CompatFinder())


def follow_children() -> None:
    """Let processes that Python spawns answer imports as this one does.

    A fresh interpreter first reads its settings, the key of its parent among them; reading that installs the finder,
    before the program's own file is imported there. (The children of a fork have the finder already.)
    """
    from multiprocessing.process import AuthenticationString  # loaded already: a process is about to be spawned

    copyreg.pickle(AuthenticationString, reduced_key)


def reduced_key(key):
    from multiprocessing.context import get_spawning_popen

    if get_spawning_popen() is None:
        raise TypeError("Pickling an AuthenticationString object is disallowed for security reasons")
    return received_key, (bytes(key),)


def received_key(key: bytes):
    from multiprocessing.process import AuthenticationString

    install()
    return AuthenticationString(key)


class CompatFinder(MetaPathFinder, Loader):
    """Finds and makes the modules of TABLE; every other module under the same roots is refused by name."""

    def find_spec(self, fullname, path=None, target=None):
        root = fullname.partition(".")[0]
        if fullname in SPAWNERS:
            follow_children()
        if root not in ROOTS or (root in OFTEN_BROUGHT and brought(root)):
            return None
        if not covered(fullname):
            raise NotCoveredImport(refusal(fullname), name=fullname)
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Outside(spec.name, f"{spec.name}, as Dovetail answers it: see dovetail.compat")

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: names are looked up when asked for."""
        if module.__name__ == "torch":
            spelling.as_torch()


def brought(root: str) -> bool:
    """Whether the program has a package of that name of its own: beside the script or on PYTHONPATH, not installed."""
    installed = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    own = [
        folder
        for folder in sys.path
        if folder not in installed and not {"site-packages", "dist-packages"} & set(Path(folder).parts)
    ]
    return PathFinder.find_spec(root, own) is not None


class Outside(ModuleType):
    """A module of another framework, answered by its table."""

    def __getattr__(self, name: str):
        if name == "__all__":
            return sorted(known(self.__name__))
        names, inner = TABLE[self.__name__], f"{self.__name__}.{name}"
        if name in names.extra:
            value = names.extra[name]
        elif name == "__version__" and names.door is not None:
            value = importlib.import_module(names.door).__version__
        elif name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        elif covered(inner):
            value = importlib.import_module(inner)
        elif name in names.private:
            path, _, own = names.private[name].partition(":")
            value = getattr(importlib.import_module(path), own or name)
        elif name in public_names(names):
            value = getattr(importlib.import_module(names.door or ""), name)
        else:
            raise NotCovered(refusal(inner))
        self.__dict__[name] = value
        return value

    def __dir__(self) -> Iterable[str]:
        return sorted(set(self.__dict__) | known(self.__name__))


def covered(fullname: str) -> bool:
    """Whether an outside module is answered: by the table, or as a module among its parent's public names."""
    if fullname in TABLE:
        path = TABLE[fullname].door
        return path is None or path in sys.modules or door_exists(path)
    parent, _, name = fullname.rpartition(".")
    if not parent or not covered(parent) or name not in public_names(TABLE[parent]):
        return False
    thing = getattr(importlib.import_module(TABLE[parent].door or ""), name)
    if not isinstance(thing, ModuleType):
        return False
    TABLE[fullname] = Names(thing.__name__)
    return True


def door_exists(path: str) -> bool:
    """Whether our module of that path can be imported; parents are imported to find out."""
    try:
        return importlib.util.find_spec(path) is not None
    except ModuleNotFoundError:
        return False


def public_names(names: Names) -> set[str]:
    """What the door of a table row shows: its `__all__`, or every name without an underscore."""
    if names.door is None:
        return set()
    ours = importlib.import_module(names.door)
    return set(getattr(ours, "__all__", None) or (n for n in dir(ours) if not n.startswith("_"))) - names.hidden


def known(fullname: str) -> set[str]:
    """The public names that the outside module has here."""
    names = TABLE[fullname]
    inner = {other.rpartition(".")[2] for other in TABLE if other.rpartition(".")[0] == fullname and covered(other)}
    return {name for name in inner | public_names(names) | set(names.extra) if not name.startswith("__")}


def refusal(fullname: str) -> str:
    """The message for a name that is not covered: what is nearest in the same module, or the same name elsewhere."""
    parent, _, name = fullname.rpartition(".")
    cure = next((c for m, c in torch_table.CURES.items() if f"{fullname}.".startswith(f"{m}.")), "")
    if cure:
        return message(fullname, "Dovetail does not cover this name", [], cure)
    near = nearest(parent, name)
    facts = [("nearest" if near else "looked in", ", ".join(near) or parent or "the covered frameworks")]
    return message(
        fullname,
        "Dovetail does not cover this name yet",
        facts,
        f"dir({parent}) lists what is there." if parent and not near else "",
    )


def nearest(parent: str, name: str) -> list[str]:
    """Up to three names that may have been meant."""
    while parent and not covered(parent):
        parent = parent.rpartition(".")[0]
    if not parent:
        return difflib.get_close_matches(name, sorted(ROOTS), 3, 0.6)
    root = parent.partition(".")[0]
    elsewhere = [
        f"{module}.{name}"
        for module in sorted(TABLE)
        if module.partition(".")[0] == root and module != parent and covered(module) and name in known(module)
    ]
    alike = [f"{parent}.{other}" for other in difflib.get_close_matches(name, sorted(known(parent)), 3, 0.6)]
    return (elsewhere + alike)[:3]
