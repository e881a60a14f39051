"""keras.models.clone_model: the same architecture with new weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, message
from dovetail.keras.layers.inputs import Input, InputLayer
from dovetail.keras.models.model import Model
from dovetail.keras.models.sequential import Sequential
from dovetail.keras.symbolic import KerasTensor


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable | None = None,
    call_function: Callable | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Any:
    """A model of the same layers, made anew from their configs; weights start afresh.

    clone_function: makes the new layer from an old one. call_function: called as (layer, *args, **kwargs) instead of
    the layer. Source: keras.models.clone_model.
    """
    if not isinstance(model, Model) or model._graph is None and not isinstance(model, Sequential):
        raise ArgumentError(
            message(
                "clone_model",
                f"{type(model).__name__} is written by subclassing, and only its own code can make it again",
                cure="Call its class instead",
            )
        )

    def remade(layer: Any) -> Any:
        if recursive and isinstance(layer, Model):
            return clone_model(layer, clone_function=clone_function, recursive=True)
        made = clone_function(layer) if clone_function is not None else None
        return type(layer).from_config(layer.get_config()) if made is None else made

    if isinstance(model, Sequential):
        made = Sequential(name=model.name, trainable=model.trainable)
        for layer in model._layers if hasattr(model, "_layers") else model.layers:
            made.add(type(layer).from_config(layer.get_config()) if isinstance(layer, InputLayer) else remade(layer))
        if model.built and not made.built and model.input_shape is not None:
            made.build(model.input_shape)
        return made
    return rewired(model, input_tensors, remade, call_function)


def rewired(model: Any, input_tensors: Any, remade: Callable, call_function: Callable | None) -> Any:
    """A functional model whose calls are made again with new layers."""
    graph = model._graph
    given = tree.flatten(input_tensors) if input_tensors is not None else [None] * len(graph.flat_inputs)
    held: dict[int, Any] = {}
    for old, new in zip(graph.flat_inputs, given, strict=True):
        held[id(old)] = Input(batch_shape=old.shape, dtype=old.dtype, name=old.name) if new is None else new
    clones: dict[int, Any] = {}

    def placed(x: Any) -> Any:
        return held[id(x)] if type(x) is KerasTensor else x

    for node in graph.nodes:
        operation = node.operation
        if id(operation) not in clones:
            clones[id(operation)] = remade(operation) if hasattr(operation, "get_config") else operation
        args, kwargs = tree.map_leaves(placed, node.args), tree.map_leaves(placed, node.kwargs)
        call = clones[id(operation)]
        made = call_function(call, *args, **kwargs) if call_function is not None else call(*args, **kwargs)
        for old, new in zip(tree.leaves(node.outputs), tree.leaves(made), strict=True):
            held[id(old)] = new
    inputs, outputs = tree.map_leaves(placed, graph.inputs), tree.map_leaves(placed, graph.outputs)
    return Model(inputs, outputs, name=model.name)
