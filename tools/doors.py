"""Write the doors: the flat, committed files that say which public name is which function.

    python tools/doors.py            # write them; run it after adding or renaming an op
    python tools/doors.py --check    # exit 1 and name what is stale; a test does the same

An op says where it shows (`@op(method=True, functional=True, inplace=True, also=("special.expit",))`). A plain name in
`also` shows wherever the op shows; "Tensor.name" is a method, "property.name" a property of Tensor, "special.name"
stands in the door dovetail/special.py.
Everything public that is no op is listed below, by the file it lives in.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from types import FunctionType, ModuleType

ROOT = Path(__file__).resolve().parent.parent
if "dovetail" not in sys.modules:  # the package without its door, which may be stale and fail
    sys.modules["dovetail"] = ModuleType("dovetail")
    sys.modules["dovetail"].__path__ = [str(ROOT / "dovetail")]

HEADER = "written by tools/doors.py; run it after adding or renaming an op."
HIDDEN_OP_FILES = {"primitives", "methods"}

TOP = {  # file -> public names at dovetail.*
    "dovetail.base.config": [
        "config",
        "get_num_interop_threads",
        "get_num_threads",
        "set_flush_denormal",
        "set_num_interop_threads",
        "set_num_threads",
    ],
    "dovetail.base.device": ["device", "get_default_device", "set_default_device"],
    "dovetail.base.dtypes": [
        "DType as dtype",
        "float16",
        "float16 as half",
        "bfloat16",
        "float32",
        "float32 as float",
        "float64",
        "float64 as double",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "int8",
        "int16",
        "int16 as short",
        "int32",
        "int32 as int",
        "int64",
        "int64 as long",
        "bool_ as bool",
        "complex64",
        "complex64 as cfloat",
        "complex128",
        "complex128 as cdouble",
        "promote_types",
        "default_dtype as get_default_dtype",
        "set_default_dtype",
    ],
    "dovetail.base.errors": [
        "ArgumentError",
        "DeviceError",
        "DimError",
        "DovetailError",
        "DovetailWarning",
        "DTypeError",
        "FileError",
        "GradientError",
        "MissingExtra",
        "NotCovered",
        "NotCoveredImport",
        "ShapeError",
    ],
    "dovetail.base.layout": [
        "channels_last",
        "channels_last_3d",
        "contiguous_format",
        "jagged",
        "layout",
        "memory_format",
        "preserve_format",
        "sparse_coo",
        "sparse_csr",
        "strided",
    ],
    "dovetail.base.limits": ["e", "finfo", "iinfo", "inf", "nan", "newaxis", "pi"],
    "dovetail.base.numerics": [
        "are_deterministic_algorithms_enabled",
        "get_deterministic_debug_mode",
        "get_float32_matmul_precision",
        "is_deterministic_algorithms_warn_only_enabled",
        "set_deterministic_debug_mode",
        "set_float32_matmul_precision",
        "use_deterministic_algorithms",
    ],
    "dovetail.base.version": ["__version__"],
    "dovetail.runtime.memory": ["OutOfMemory as OutOfMemoryError"],
    "dovetail.ops.autocast": [
        "autocast",
        "clear_autocast_cache",
        "get_autocast_cpu_dtype",
        "get_autocast_dtype",
        "get_autocast_gpu_dtype",
        "is_autocast_cache_enabled",
        "is_autocast_cpu_enabled",
        "is_autocast_enabled",
        "set_autocast_cache_enabled",
        "set_autocast_dtype",
        "set_autocast_enabled",
    ],
    "dovetail.ops.control": ["associative_scan", "cond", "scan", "while_loop"],
    "dovetail.tensor.create": [
        "tensor",
        "as_tensor",
        "asarray",
        "empty",
        "empty_like",
        "empty_strided",
        "frombuffer",
        "from_numpy",
        "is_tensor",
    ],
    "dovetail.tensor.detect": ["is_anomaly_check_nan_enabled", "is_anomaly_enabled"],
    "dovetail.tensor.dlpack": ["from_dlpack"],
    "dovetail.tensor.explain": ["explain", "last_graph"],
    "dovetail.tensor.printing": ["set_printoptions"],
    "dovetail.tensor.modes": [
        "enable_grad",
        "inference_mode",
        "is_grad_enabled",
        "is_inference_mode_enabled",
        "no_grad",
        "set_grad_enabled",
    ],
    "dovetail.tensor.random": [
        "Generator",
        "default_generator",
        "get_rng_state",
        "initial_seed",
        "manual_seed",
        "seed",
        "set_rng_state",
    ],
    "dovetail.tensor.storage": ["TypedStorage", "UntypedStorage"],
    "dovetail.tensor.tensor": ["Size", "Tensor"],
    "dovetail.tensor.typed": [
        "BFloat16Tensor",
        "BoolTensor",
        "ByteTensor",
        "CharTensor",
        "DoubleTensor",
        "FloatTensor",
        "HalfTensor",
        "IntTensor",
        "LongTensor",
        "ShortTensor",
        "set_default_tensor_type",
    ],
}
LAZY = {  # loaded on first use, since an import of dovetail should cost little
    "array_api",
    "accelerator",
    "amp",
    "_dynamo",
    "_higher_order_ops",
    "_inductor",
    "autograd",
    "backends",
    "compiler",
    "cpu",
    "cuda",
    "data",
    "datasets",
    "distributed",
    "distributions",
    "fft",
    "func",
    "jit",
    "keras",
    "library",
    "linalg",
    "signal",
    "masked",
    "mps",
    "multiprocessing",
    "nn",
    "profiler",
    "optim",
    "random",
    "sparse",
    "special",
    "testing",
    "tf",
    "types",
    "utils",
    "vision",
    "xpu",
}
LAZY_NAMES = {
    "GradScaler": "dovetail.optim.grad_scaler",
    "compile": "dovetail.nn.transform.compiled",
    "load": "dovetail.io",
    "save": "dovetail.io",
    "vmap": "dovetail.nn.transform.batches",
}  # single names whose room is loaded on first use
BESIDE = {  # what is no op and stands in a door of ops: door -> file -> names
    "linalg": {"dovetail.base.errors": ["LinAlgError"]},
}
PASS_ON = {  # doors that show another file's public names: door -> file
    "dovetail.utils.data": "dovetail.data",
}


# ------------------------------------------------------------------ what the ops say


class Shown:
    """One public name of an op: `where` it shows, and the expression that finds it (file, attribute, in place?)."""

    def __init__(self, where: str, name: str, file: str, attribute: str, inplace: bool = False):
        self.where, self.name, self.file, self.attribute, self.inplace = where, name, file, attribute, inplace

    @property
    def expression(self) -> str:
        """What finds it inside its file."""
        return self.attribute + (".inplace" if self.inplace else "")


def op_files() -> list[str]:
    """The files of the ops room."""
    return sorted(
        path.stem for path in (ROOT / "dovetail" / "ops").glob("[a-z]*.py") if path.stem not in HIDDEN_OP_FILES
    )


def ops_of(file: str) -> Iterable[tuple[str, object]]:
    """(attribute, wrapper) of every op made in the file."""
    module = importlib.import_module(f"dovetail.ops.{file}")
    for attribute, thing in vars(module).items():
        made = None if attribute.startswith("_") else getattr(thing, "op", None)
        if made is not None and getattr(thing, "__module__", "") == module.__name__:
            yield attribute, made


def shown(file: str, attribute: str, op) -> Iterable[Shown]:
    """Every public name of one op."""
    flags = op.flags
    rooms = [room for room in ("top", "method", "functional") if flags[room]]
    for name in (op.name, *(name for name in flags["also"] if "." not in name)):
        for room in rooms:
            yield Shown(room, name, file, attribute)
            if flags["inplace"] and not name.startswith("__"):
                yield Shown(room, name + "_", file, attribute, True)
    for full in flags["also"]:
        room, _, name = full.rpartition(".")
        if room == "Tensor":
            inplace = flags["inplace"] and name.endswith("_") and not name.endswith("__") or in_place_operator(name)
            yield Shown("method", name, file, attribute, inplace)
            if flags["inplace"] and in_place_operator("__i" + name[2:]):
                yield Shown("method", "__i" + name[2:], file, attribute, True)
        elif room:
            yield Shown(room, name, file, attribute)


def in_place_operator(name: str) -> bool:
    """Whether a method is `x += y` or its like."""
    return bool(re.fullmatch(r"__i(add|sub|mul|truediv|floordiv|mod|pow|and|or|xor|lshift|rshift)__", name))


def gather() -> dict[str, dict[str, Shown]]:
    """Public names by where they show."""
    found: dict[str, dict[str, Shown]] = defaultdict(dict)
    for file in op_files():
        for attribute, op in ops_of(file):
            for name in shown(file, attribute, op):
                before = found[name.where].setdefault(name.name, name)
                if (before.file, before.attribute) != (file, attribute):
                    both = f"{before.file}.{before.attribute}, {file}.{attribute}"
                    raise SystemExit(f"two ops want to be {name.where} {name.name}: {both}")
    return found


# ------------------------------------------------------------------ the doors


def import_lines(names: Iterable[Shown]) -> list[str]:
    """One import for each file of ops, then assignments for the forms that write in place."""
    names = sorted(names, key=lambda s: (s.file, s.name))
    plain = defaultdict(list)
    for shown in names:
        if not shown.inplace:
            plain[shown.file].append(shown.attribute + (f" as {shown.name}" if shown.name != shown.attribute else ""))
    rows = [f"from dovetail.ops import {file} as {file}_ops" for file in sorted({s.file for s in names if s.inplace})]
    rows += [from_import(f"dovetail.ops.{file}", things) for file, things in plain.items()]
    return rows + [f"{s.name} = {s.file}_ops.{s.expression}" for s in names if s.inplace]


def from_import(file: str, things: Iterable[str]) -> str:
    """`from file import a, b as c`, on several lines where one is too short."""
    things = list(dict.fromkeys(things))
    flat = f"from {file} import {', '.join(things)}"
    return flat if len(flat) <= 120 else f"from {file} import (\n{filled(things)}\n)"


def filled(things: Iterable[str]) -> str:
    """Names with commas, indented, as many on a line as fit."""
    glued = ", ".join(thing.replace(" as ", "\0as\0") for thing in things) + ","
    return textwrap.fill(glued, 120, initial_indent="    ", subsequent_indent="    ", break_long_words=False).replace(
        "\0", " "
    )


def listed(name: str, things: Iterable[str]) -> str:
    """`name = [...]` of strings."""
    return f"{name} = [\n{filled(chr(34) + thing + chr(34) for thing in things)}\n]"


def top_door(found: dict[str, dict[str, Shown]]) -> str:
    """dovetail/__init__.py"""
    lines = [from_import(file, things) for file, things in TOP.items()]
    names = [thing.rpartition(" ")[2] for things in TOP.values() for thing in things]
    taken = set(names)
    lines += import_lines([s for s in found["top"].values() if s.name not in taken])
    names += sorted(set(found["top"]) - taken)
    lazy = sorted(name for name in LAZY if name in found or exists(f"dovetail.{name}"))
    return f'''"""Dovetail: PyTorch's and Keras's dialects over one compiled engine.

    import dovetail                     # tensors and functions, by torch's names
    import dovetail.nn as nn            # modules, layers, losses
    from dovetail import keras          # the Keras dialect

This file is a door, {HEADER}
"""

# ruff: noqa: A004, E501, I001, F401
from dovetail.ops import methods  # gives Tensor its methods
from dovetail.ops import subscript  # and its x[i]
from dovetail.tensor import printing, state  # and its text, backward() and detach()
{chr(10).join(lines)}

{listed("LAZY", lazy)}
LAZY_NAMES = {json.dumps(LAZY_NAMES)}
{listed("__all__", names + lazy + sorted(LAZY_NAMES))}


def array_namespace(self, *, api_version=None):
    """The array API standard's functions for this tensor: dovetail.array_api. (No room may look up at that one.)"""
    from dovetail import array_api

    return array_api.namespace(api_version)


Tensor.__array_namespace__ = array_namespace


def __getattr__(name):
    """Rooms that are loaded on first use."""
    import importlib

    if name in LAZY:
        return importlib.import_module("dovetail." + name)
    if name in LAZY_NAMES:
        return getattr(importlib.import_module(LAZY_NAMES[name]), name)
    from dovetail.base.names import missing

    raise missing("dovetail", name, __all__)


def __dir__():
    return __all__
'''


def methods_door(found: dict[str, dict[str, Shown]]) -> str:
    """dovetail/ops/methods.py"""
    by_file = sorted((*found["method"].values(), *found["property"].values()), key=lambda s: (s.file, s.name))
    files = sorted({s.file for s in by_file})
    rows = [f"Tensor.{s.name} = {as_property(s)}" for s in by_file]
    return f'''"""Tensor's methods: a method is the op itself, so calling it costs no more than calling the function.

This file is a door, {HEADER}
"""

# ruff: noqa: I001
# mypy: ignore-errors
{from_import("dovetail.ops", files)}
from dovetail.tensor.tensor import Tensor

{chr(10).join(rows)}
'''


def as_property(shown: Shown) -> str:
    """What a name of Tensor is set to: the op, or a property that reads it."""
    found = f"{shown.file}.{shown.expression}"
    return f"property({found})" if shown.where == "property" else found


SEVERAL = {  # methods that do not simply give a Tensor: a tuple, a number, or either
    "allclose", "aminmax", "bincount", "chunk", "cummax", "cummin", "dsplit", "equal", "frexp", "hsplit", "kthvalue",
    "max", "median", "min", "mode", "nanmedian", "nonzero", "slogdet", "sort", "split", "split_with_sizes", "std_mean",
    "tensor_split", "tolist", "topk", "type", "unbind", "unique", "unique_consecutive", "var_mean", "vsplit",
}  # fmt: skip


def surface_stub(found: dict[str, dict[str, Shown]]) -> str:
    """dovetail/tensor/surface.pyi"""
    methods = sorted(found["method"].values(), key=lambda s: s.name)
    rows = [f"    def {s.name}{signature(s)}: ..." for s in methods]
    properties = {*found["property"], *joined(property)}
    rows += [
        f"    def {name}{stub_signature(function, name)}: ..."
        for name, function in joined(FunctionType).items()
        if name not in found["method"]
    ]
    rows += [f"    @property\n    def {name}(self) -> Any: ..." for name in sorted(properties)]
    return f'''"""What Tensor's methods look like, for editors and type checkers. Programs never import it.

This file is a door, {HEADER}
"""

# ruff: noqa: E501
# mypy: disable-error-code="override, misc"
from typing import Any

from dovetail.tensor.tensor import Tensor

class Surface:
{chr(10).join(rows)}
'''


def joined(kind: type) -> dict[str, object]:
    """What the desk's other files give to Tensor: its gradient, its printing, its indexing."""
    for path in (ROOT / "dovetail" / "tensor").glob("[a-z]*.py"):
        importlib.import_module(f"dovetail.tensor.{path.stem}")
    tensor = importlib.import_module("dovetail.tensor.tensor")
    body = next(
        node for node in ast.parse(inspect.getsource(tensor)).body
        if isinstance(node, ast.ClassDef) and node.name == "Tensor"
    )  # fmt: skip
    own = {node.name for node in body.body if isinstance(node, ast.FunctionDef)}
    given = {name: thing for name, thing in vars(tensor.Tensor).items() if isinstance(thing, kind) and name not in own}
    return {name: thing for name, thing in sorted(given.items()) if not hasattr(thing, "op")}


def signature(shown: Shown) -> str:
    """`(self, dim: Any = ..., *, dtype: Any = ...) -> Tensor`"""
    function = getattr(importlib.import_module(f"dovetail.ops.{shown.file}"), shown.attribute)
    return stub_signature(function, shown.name)


def stub_signature(function, name: str) -> str:
    """The same of any function."""
    parts, star = [], False
    for i, parameter in enumerate(inspect.signature(function).parameters.values()):
        if parameter.kind is parameter.VAR_POSITIONAL:
            star = True
            parts += ["self"] * (i == 0) + [f"*{parameter.name}: Any"]
        elif parameter.kind is parameter.VAR_KEYWORD:
            parts.append(f"**{parameter.name}: Any")
        elif i == 0:
            parts.append("self")
        else:
            parts += ["*"] * (parameter.kind is parameter.KEYWORD_ONLY and not star)
            star = star or parameter.kind is parameter.KEYWORD_ONLY
            default = "" if parameter.default is parameter.empty else " = ..."
            parts.append(f"{parameter.name}: Any{default}")
    own = inspect.signature(function).return_annotation
    result = "Tensor" if own in (inspect.Signature.empty, "Tensor") else "Any"
    result = "Any" if name.rstrip("_") in SEVERAL and not name.startswith("__") else result
    return f"({', '.join(parts)}) -> {result}"


def names_door(names: Iterable[Shown], what: str, room: str = "") -> str:
    """A door that holds ops: nn.functional, special, linalg; and what BESIDE says."""
    names = list(names)
    beside = BESIDE.get(room, {})
    lines = [from_import(file, things) for file, things in beside.items()] + import_lines(names)
    shown = sorted([s.name for s in names] + [thing for things in beside.values() for thing in things])
    return f'''"""{what}

This file is a door, {HEADER}
"""

# ruff: noqa: A004, E501, I001, F401
{chr(10).join(lines)}

{listed("__all__", shown)}
'''


def pass_on_door(file: str) -> str:
    """A door that shows another file's public names."""
    names = importlib.import_module(file).__all__
    return f'''"""Another spelling of `{file}`.

This file is a door, {HEADER}
"""

# ruff: noqa: E501, I001
{from_import(file, sorted(names))}

{listed("__all__", sorted(names))}
'''


def exists(module: str) -> bool:
    """Whether the file or folder of a module is there, or is a door about to be written."""
    place = ROOT.joinpath(*module.split("."))
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def doors() -> dict[Path, str]:
    """Path -> text of every door."""
    found = gather()
    made = {
        "dovetail/__init__.py": top_door(found),
        "dovetail/ops/methods.py": methods_door(found),
        "dovetail/tensor/surface.pyi": surface_stub(found),
    }
    if found["functional"]:
        functions = found["functional"].values()
        made["dovetail/nn/functional.py"] = names_door(functions, "Functions of layers, activations and losses.")
    for room in sorted(set(found) - {"top", "method", "functional", "property"}):
        made[f"dovetail/{room.replace('.', '/')}.py"] = names_door(found[room].values(), f"torch.{room}'s names.", room)
    for door, file in PASS_ON.items():
        if getattr(importlib.import_module(file), "__all__", None):
            made["/".join(door.split(".")) + ".py"] = pass_on_door(file)
    return {ROOT / path: text for path, text in made.items()}


def stale() -> dict[Path, str]:
    """Path -> text of the doors whose file is not what this tool would write."""
    return {
        path: text for path, text in doors().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def main(words: list[str]) -> int:
    """Write or check."""
    if words == ["--check"]:
        for path in (old := stale()):
            print(f"stale: {path.relative_to(ROOT)} (run tools/doors.py)")
        return 1 if old else 0
    old = stale()
    for path, text in old.items():
        put(path, text)
        print(f"written: {path.relative_to(ROOT)}")
    print(f"{len(old)} doors were stale")
    return 0


def put(path: Path, text: str) -> None:
    """Replace a file in one move: a program that is just starting sees the old door or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
