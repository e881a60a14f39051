"""The floor plan, held by a test: rooms import only downwards, files inside a room form no circle, outside packages
have one home each. Reads every import, inside functions too, since late imports are how circles hide."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
HOUSE = REPO / "dovetail"
ROOMS = (
    "base ir prims autodiff passes codegen runtime engine tensor ops nn optim distributions data io board "
    "train quantize export distributed serve vision text array_api keras compat cli"
).split()
MACHINE_ROOM = {"passes", "codegen"}  # entered only through engine and runtime by what stands above the desk
MAY_ENTER = {"export": {"codegen"}}
HOMES = {  # an outside package -> the rooms that may import it
    "llvmlite": {"codegen", "engine", "runtime"},
    "ml_dtypes": {"base"},
    "rich": {"train", "keras", "board", "cli"},
    "h5py": {"io", "keras"},
    "PIL": {"vision"},
    "matplotlib": {"board", "vision", "cli"},
    "onnx": {"export"},
    "tensorboard": {"board"},
    "safetensors": set(),
    "scipy": set(),
    "torch": set(),
    "torchvision": set(),
    "tensorflow": set(),
    "jax": set(),
    "sklearn": set(),
}
TORCH_PACKAGES = {"utils", "autograd", "signal", "amp", "backends", "cpu", "cuda"}  # doors that are folders
FILES = sorted(HOUSE.rglob("*.py"))
NAMES = [str(path.relative_to(REPO)) for path in FILES]


def module_name(path: Path) -> str:
    """dovetail/ops/reduce.py -> dovetail.ops.reduce; dovetail/ops/__init__.py -> dovetail.ops"""
    parts = path.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import in the file; `from a import b` gives a.b where that is a module, else a."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(path, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield node.lineno, inner if inner in MODULES else base


def absolute(path: Path, node: ast.ImportFrom) -> str:
    """The full name that a `from ... import` speaks of; relative ones are resolved."""
    if not node.level:
        return node.module or ""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join(package + ([node.module] if node.module else []))


def room_of(path: Path) -> str | None:
    """The room a file stands in; None for the doors at the top level (dovetail/__init__.py and its like)."""
    first = path.relative_to(HOUSE).parts[0]
    return first if first in ROOMS else None


def is_door(path: Path) -> bool:
    """Whether the file is a public door: a top-level file, or in one of torch's packages of names."""
    parts = path.relative_to(HOUSE).parts
    generated = "This file is a door" in path.read_text(encoding="utf-8")  # by tools/doors.py
    return len(parts) == 1 or generated or parts[0] in TORCH_PACKAGES


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_every_file_stands_in_a_room(path):
    assert room_of(path) or is_door(path), f"{path} is in no room of the plan (docs/architecture.md)"


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_stairs_lead_down(path):
    room = room_of(path)
    if room is None:
        return
    wrong = []
    for line, name in imports_of(path):
        parts = name.split(".")
        if parts[0] != "dovetail":
            continue
        if len(parts) == 1 or parts[1] not in ROOMS:
            wrong.append(f"{path}:{line}: nothing inside imports the top-level door {name!r}")
        elif ROOMS.index(parts[1]) > ROOMS.index(room):
            wrong.append(f"{path}:{line}: {room} must not import {name}")
        elif parts[1] in MACHINE_ROOM and above_desk(room) and parts[1] not in MAY_ENTER.get(room, ()):
            wrong.append(f"{path}:{line}: {room} reaches the machine room only through engine, not {name}")
    assert not wrong, "\n".join(wrong)


def above_desk(room: str) -> bool:
    """Whether the room comes after the desk's first room in the order."""
    return ROOMS.index(room) > ROOMS.index("tensor")


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_outside_packages_stay_at_home(path):
    room = room_of(path)
    wrong = [
        f"{path}:{line}: {name.split('.')[0]} may be imported only in {sorted(homes) or 'no room'}"
        for line, name in imports_of(path)
        if (homes := HOMES.get(name.split(".")[0])) is not None and room not in homes
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", [room for room in ROOMS if (HOUSE / room).is_dir()])
def test_no_circle_inside_a_room(room):
    """Files of a room import each other without going round. A package's __init__ may gather its own files."""
    edges = {}
    for name, path in MODULES.items():
        if room_of(path) == room:
            edges[name] = {
                other for _, other in imports_of(path) if other in MODULES and room_of(MODULES[other]) == room
            }
            edges[name].discard(name)
    circle = find_circle(edges)
    assert not circle, " -> ".join(circle)


def find_circle(edges: dict[str, set[str]]) -> list[str]:
    """One circle of the graph, as the names along it; [] where there is none."""
    state: dict[str, int] = {}
    trail: list[str] = []

    def visit(name: str) -> list[str]:
        state[name] = 1
        trail.append(name)
        for other in sorted(edges.get(name, ())):
            if state.get(other) == 1:
                return trail[trail.index(other) :] + [other]
            if other not in state and (found := visit(other)):
                return found
        state[name] = 2
        trail.pop()
        return []

    for name in sorted(edges):
        if name not in state and (found := visit(name)):
            return found
    return []


def test_finds_a_circle():
    """The circle finder itself works: it names the circle, and only when there is one."""
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
