"""Where a loader stands in an epoch, as plain numbers that a checkpoint can hold.

The order of an epoch follows from the state that its random generators had when it began. So a position is that state
and the number of batches handed out since: whoever goes on draws the same order again and passes over what was read.
"""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.tensor.random import Generator, default_generator

VERSION = 1


class Position:
    """What is known of a running epoch. generators: those that its order and its workers' seeds came from."""

    def __init__(self, generators: list[Generator]):
        self.generators = generators
        self.start = [state_of(g) for g in generators]
        self.seed: int | None = None
        self.batches = 0
        self.stream: Any = None  # of an iterable dataset that can say where it stands


def state_of(generator: Generator) -> list[int]:
    """Seed and counter."""
    return generator.get_state().numpy().view("int64").tolist()


def set_state(generator: Generator, state: list[int]) -> None:
    generator._set(*state)


def generators_of(loader: Any) -> list[Generator]:
    """The generators that an epoch draws from: the sampler's and the loader's; the default one where none is given."""
    sampler = loader._index_sampler
    chain = [sampler, getattr(sampler, "sampler", None), getattr(sampler, "dataset", None)]
    found = [getattr(s, "generator", None) for s in chain] + [loader.generator]
    own = [g for i, g in enumerate(found) if isinstance(g, Generator) and not any(g is h for h in found[:i])]
    return own if any(g is default_generator for g in own) else [*own, default_generator]


def save(loader: Any, position: Position | None) -> dict[str, Any]:
    """A loader's state_dict; `position` is None between epochs."""
    state: dict[str, Any] = {"version": VERSION, "batches": 0, "shape": shape_of(loader)}
    if position is not None:
        state.update(
            batches=position.batches,
            start=position.start,
            now=[state_of(g) for g in position.generators],
            worker_seed=position.seed,
        )
        if position.stream is not None:
            state["stream"] = position.stream.state_dict()
    for name, thing in stateful_parts(loader):
        state[name] = thing.state_dict()
    return state


def stateful_parts(loader: Any) -> list[tuple[str, Any]]:
    """Dataset and sampler where they keep a state of their own."""
    parts = (("dataset", loader.dataset), ("sampler", loader.sampler))
    return [(n, t) for n, t in parts if hasattr(t, "state_dict") and hasattr(t, "load_state_dict")]


def shape_of(loader: Any) -> dict[str, Any]:
    """What must be the same for a position to mean the same batch."""
    inner = loader.batch_sampler
    shape = {"batch_size": loader.batch_size or getattr(inner, "batch_size", None)}
    if loader._iterable:
        shape["num_workers"] = loader.num_workers
    else:
        shape["samples"] = len(loader.dataset) if hasattr(loader.dataset, "__len__") else None
    return shape


def check(loader: Any, state: Any) -> dict[str, Any]:
    """`state`, if it fits the loader.

    Raises: TypeError for anything but a dict; ArgumentError listing every setting that differs.
    """
    if not isinstance(state, dict):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state)}.")
    missing = [k for k in ("version", "batches", "shape") if k not in state]
    if missing or state["version"] != VERSION:
        problem = f"this is no state of a loader: it has no {', '.join(missing)}" if missing else (
            f"the state has version {state['version']}, this release reads {VERSION}"
        )
        cure = "Give what loader.state_dict() returned"
        raise ArgumentError(message("DataLoader.load_state_dict", problem, cure=cure))
    mine, theirs = shape_of(loader), state["shape"]
    differ = [f"{k} was {theirs.get(k)}, here it is {mine[k]}" for k in mine if mine[k] != theirs.get(k)]
    if differ and state["batches"]:
        problem = "the position was saved by a loader with other batches, nothing was loaded"
        cure = "Build the loader as it was, or begin the epoch anew"
        raise ArgumentError(message("DataLoader.load_state_dict", problem, differ, cure))
    return state
