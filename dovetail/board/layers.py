"""A table of a module's layers with their output shapes and parameters, by torchinfo's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dovetail.base import tree
from dovetail.base.dtypes import float32
from dovetail.base.errors import ArgumentError, message
from dovetail.nn.module import Module
from dovetail.ops.create import zeros
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Tensor

__all__ = ["LayerInfo", "ModelStatistics", "summary"]
WIDTH = 90


@dataclass
class LayerInfo:
    """One call of a module: its class, its place, the shape of its output and its own parameters (below it too)."""

    class_name: str
    var_name: str
    depth: int
    index: int
    output_size: list[int]
    num_params: int
    trainable: int
    is_leaf: bool


class ModelStatistics:
    """What `summary` found; its text is the table.

    total_params, trainable_params: numbers. input_size, total_output, summary_list: what the table shows.
    """

    def __init__(self, model: Module, layers: list[LayerInfo], input_size: Any, shown_depth: int):
        self.summary_list, self.input_size, self.shown_depth = layers, input_size, shown_depth
        self.total_params = sum(p.numel() for p in model.parameters())
        self.trainable_params = sum(p.numel() for p in model.parameters() if p.requires_grad)
        self.total_param_bytes = sum(p.nbytes for p in model.parameters())

    def __str__(self) -> str:
        rows = ["=" * WIDTH, f"{'Layer (type:depth-idx)':<42}{'Output Shape':<26}{'Param #':<22}".rstrip(), "=" * WIDTH]
        for layer in self.summary_list:
            if layer.depth <= self.shown_depth:
                name = "│    " * (layer.depth - 1) + ("├─" if layer.depth else "")
                name += layer.class_name + (f": {layer.depth}-{layer.index}" if layer.depth else "")
                own = (
                    f"{layer.num_params:,}"
                    if layer.num_params and (layer.is_leaf or layer.depth == self.shown_depth)
                    else "--"
                )
                rows.append(f"{name:<42}{str(layer.output_size or '--'):<26}{own}")
        rows += [
            "=" * WIDTH,
            f"Total params: {self.total_params:,}",
            f"Trainable params: {self.trainable_params:,}",
            f"Non-trainable params: {self.total_params - self.trainable_params:,}",
            "=" * WIDTH,
            f"Params size (MB): {self.total_param_bytes / 1e6:.2f}",
            "=" * WIDTH,
        ]
        return "\n".join(rows)

    __repr__ = __str__


def summary(
    model: Module,
    input_size: Sequence | None = None,
    input_data: Any = None,
    *,
    batch_dim: int | None = None,
    depth: int = 3,
    device: Any = None,
    dtypes: Sequence | None = None,
    mode: str = "eval",
    verbose: int | None = None,
    **options: Any,
) -> ModelStatistics:
    """The model's layers in the order in which they run, with the shapes that come out.

    input_size: the input's shape with the batch, or several for several inputs. input_data: inputs instead. Without
    either the layers are listed without shapes. verbose: 0 prints nothing; by default the table is printed in a script.
    Raises: ArgumentError if the model cannot run on such an input.
    """
    if not isinstance(model, Module):
        raise ArgumentError(message("summary", "takes a module", [("received", type(model).__name__)]))
    arguments, named = inputs_of(input_size, input_data, batch_dim, dtypes)
    shapes: dict[int, list[int]] = {}
    if arguments or named:
        run(model, arguments, named, mode == "train", shapes)
    layers: list[LayerInfo] = []
    counts: dict[int, int] = {}
    seen: set[int] = set()

    def walk(module: Module, name: str, at: int) -> None:
        counts[at] = counts.get(at, 0) + 1
        own = [] if id(module) in seen else list(module.parameters())
        seen.add(id(module))
        numbers = sum(p.numel() for p in own), sum(p.numel() for p in own if p.requires_grad)
        leaf = not any(True for _ in module.children())
        shape = shapes.get(id(module), [])
        layers.append(LayerInfo(type(module).__name__, name, at, counts[at], shape, *numbers, leaf))
        for child_name, child in module.named_children():
            walk(child, child_name, at + 1)

    walk(model, type(model).__name__, 0)
    made = ModelStatistics(model, layers, input_size, depth)
    if verbose is None or verbose > 0:
        print(made)
    return made


def inputs_of(input_size: Any, input_data: Any, batch_dim: int | None, types: Any) -> tuple[list, dict]:
    """(positional, named) inputs to run the model on."""
    if input_data is not None:
        if isinstance(input_data, Mapping):
            return [], dict(input_data)
        return (list(input_data), {}) if isinstance(input_data, (list, tuple)) else ([input_data], {})
    if input_size is None:
        return [], {}
    sizes = [input_size] if all(isinstance(n, int) for n in input_size) else list(input_size)
    if batch_dim is not None:
        sizes = [[*size[:batch_dim], 1, *size[batch_dim:]] for size in sizes]
    kinds = list(types or [float32] * len(sizes))
    return [zeros(*size, dtype=kind) for size, kind in zip(sizes, kinds, strict=True)], {}


def run(model: Module, arguments: list, named: dict, training: bool, shapes: dict[int, list[int]]) -> None:
    """Run the model once, and write down the shape of each module's first output."""

    def heard(module: Module, inputs: tuple, output: Any) -> None:
        first = next((part for part in tree.leaves(output) if isinstance(part, Tensor)), None)
        if first is not None:
            shapes.setdefault(id(module), list(first.shape))

    handles = [module.register_forward_hook(heard) for module in model.modules()]
    was = model.training
    try:
        model.train(training)
        with no_grad():
            model(*arguments, **named)
    finally:
        model.train(was)
        for handle in handles:
            handle.remove()
