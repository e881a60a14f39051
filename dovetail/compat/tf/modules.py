"""tf.Module, and checkpoints of what objects hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dovetail.base import tree
from dovetail.base.errors import FileError, message
from dovetail.keras.context import name_scope
from dovetail.keras.layers.layer import Layer
from dovetail.keras.naming import snake_case
from dovetail.keras.variable import Variable as KerasVariable


def held(thing: Any, seen: set[int], path: str = "") -> Iterator[tuple[str, KerasVariable]]:
    """(path, variable) of the variables in the attributes of an object, each once."""
    if id(thing) in seen:
        return
    if isinstance(thing, KerasVariable):
        seen.add(id(thing))
        yield path, thing
    elif isinstance(thing, Layer):
        seen.add(id(thing))
        for i, v in enumerate(thing.weights):
            yield from held(v, seen, f"{path}/{i}")
    elif isinstance(thing, dict):
        for key in tree.keys_of(thing):
            yield from held(thing[key], seen, f"{path}/{key}")
    elif isinstance(thing, (list, tuple)):
        for i, part in enumerate(thing):
            yield from held(part, seen, f"{path}/{i}")
    elif isinstance(thing, Module):
        seen.add(id(thing))
        for key in sorted(vars(thing)):
            yield from held(vars(thing)[key], seen, f"{path}/{key}")
    elif hasattr(thing, "variables") and not isinstance(thing, type):  # optimizers, metrics
        seen.add(id(thing))
        for i, v in enumerate(thing.variables):
            yield from held(v, seen, f"{path}/{i}")


class Module:
    """An object that finds the variables in its attributes. Source: tf.Module."""

    def __init__(self, name: str | None = None):
        self._name = name or snake_case(type(self).__name__)

    @property
    def name(self) -> str:
        return self._name

    @property
    def name_scope(self) -> Any:
        """A scope for the names of variables made inside."""
        return name_scope(self._name)

    @classmethod
    def with_name_scope(cls, method: Any) -> Any:
        """The method, run in the module's name scope."""

        def call(self, *args, **kwargs):
            with self.name_scope:
                return method(self, *args, **kwargs)

        return call

    @property
    def variables(self) -> tuple:
        return tuple(v for _, v in held(self, set()))

    @property
    def trainable_variables(self) -> tuple:
        return tuple(v for v in self.variables if v.trainable)

    @property
    def non_trainable_variables(self) -> tuple:
        return tuple(v for v in self.variables if not v.trainable)

    @property
    def submodules(self) -> tuple:
        found: list[Any] = []

        def visit(x: Any) -> None:
            for part in vars(x).values():
                for leaf in tree.leaves(part):
                    if isinstance(leaf, (Module, Layer)) and not any(leaf is f for f in found):
                        found.append(leaf)
                        if isinstance(leaf, Module):
                            visit(leaf)

        visit(self)
        return tuple(found)


class Status:
    """What restoring gives back."""

    def assert_consumed(self) -> Status:
        return self

    def expect_partial(self) -> Status:
        return self

    def assert_existing_objects_matched(self) -> Status:
        return self


class Checkpoint:
    """The variables of named objects, in NumPy's npz files. Source: tf.train.Checkpoint."""

    def __init__(self, root: Any = None, **kwargs: Any):
        self.parts = {**({"root": root} if root is not None else {}), **kwargs}
        self.__dict__.update(kwargs)
        self.save_counter = 0

    def arrays(self) -> dict[str, KerasVariable]:
        return dict(held(self.parts, set()))

    def write(self, file_prefix: Any, options: Any = None) -> str:
        """Save under exactly this name."""
        path = Path(os.fspath(file_prefix))
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{path}.npz", "wb") as file:
            np.savez(file, **{k.replace("/", "|"): v.numpy() for k, v in self.arrays().items()})  # type: ignore[arg-type]
        return str(path)

    def save(self, file_prefix: Any, options: Any = None) -> str:
        """Save under the name and a number that counts up."""
        self.save_counter += 1
        path = self.write(f"{os.fspath(file_prefix)}-{self.save_counter}")
        (Path(path).parent / "checkpoint").write_text(f'model_checkpoint_path: "{Path(path).name}"\n')
        return path

    def read(self, save_path: Any, options: Any = None) -> Status:
        """Give the variables what a file holds. Raises FileError where there is no such file."""
        if save_path is None:
            return Status()
        path = Path(f"{os.fspath(save_path)}.npz")
        if not path.exists():
            raise FileError(message("tf.train.Checkpoint.restore", f"there is no checkpoint {os.fspath(save_path)!r}"))
        with np.load(path) as store:
            for key, v in self.arrays().items():
                if key.replace("/", "|") in store:
                    v.assign(store[key.replace("/", "|")])
        return Status()

    restore = read


def latest_checkpoint(checkpoint_dir: Any, latest_filename: Any = None) -> str | None:
    """The checkpoint that was saved last in a folder; None where there is none."""
    note = Path(checkpoint_dir) / (latest_filename or "checkpoint")
    if not note.exists():
        return None
    return str(Path(checkpoint_dir) / note.read_text().split('"')[1])


class CheckpointManager:
    """Numbered checkpoints in a folder, the oldest deleted. Source: tf.train.CheckpointManager."""

    def __init__(
        self, checkpoint: Checkpoint, directory: Any, max_to_keep: int | None = 5, checkpoint_name="ckpt", **kw
    ):
        self.checkpoint, self.directory, self.most, self.name = checkpoint, str(directory), max_to_keep, checkpoint_name
        self.checkpoints: list[str] = []

    @property
    def latest_checkpoint(self) -> str | None:
        return latest_checkpoint(self.directory)

    def save(self, checkpoint_number: int | None = None, **kwargs: Any) -> str:
        """Save, and delete what is too old."""
        if checkpoint_number is not None:
            self.checkpoint.save_counter = int(checkpoint_number) - 1
        path = self.checkpoint.save(os.path.join(self.directory, self.name))
        self.checkpoints.append(path)
        while self.most and len(self.checkpoints) > self.most:
            Path(self.checkpoints.pop(0) + ".npz").unlink(missing_ok=True)
        return path

    def restore_or_initialize(self) -> str | None:
        """Restore the latest, if there is one."""
        if self.latest_checkpoint:
            self.checkpoint.restore(self.latest_checkpoint)
        return self.latest_checkpoint
