"""Sequential: layers one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, DovetailError, message
from dovetail.keras.layers.inputs import InputLayer
from dovetail.keras.layers.layer import TABLE, Layer, mask_of
from dovetail.keras.layers.wrapper import TorchModuleWrapper
from dovetail.keras.lookup import deserialize, serialize
from dovetail.keras.models.graph import Graph
from dovetail.keras.models.model import Model, fit_input, member_name, specs_of
from dovetail.keras.ops.convert import tensor
from dovetail.keras.symbolic import KerasTensor
from dovetail.nn.module import Module
from dovetail.tensor.tensor import Tensor


class Sequential(Model):
    """A plain stack of layers, each with one input and one output.

    >>> import dovetail.keras as keras
    >>> model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10)])
    >>> model.output_shape
    (None, 10)

    A torch-style Module may stand anywhere in the stack. Source: keras.Sequential.
    """

    _is_sequential = True

    def __init__(self, layers=None, trainable=True, name=None):
        Model.__init__(self, trainable=trainable, name=name)
        own = self.__dict__
        own["_stack"], own["_entry"], own["_chain"] = [], None, None
        own["supports_masking"] = True
        if layers is not None:
            for layer in layers if isinstance(layers, (list, tuple)) else [layers]:
                self._add(layer)
            self._maybe_rebuild()

    # -- the stack ---------------------------------------------------------------------------------------------------

    def add(self, layer, rebuild=True) -> None:
        """Put a layer on top. Raises ArgumentError for anything but a layer or Module, or a name that is taken."""
        self._add(layer)
        if rebuild:
            self._maybe_rebuild()

    def _add(self, layer: Any) -> None:
        own = self.__dict__
        if isinstance(layer, KerasTensor):
            layer = layer._keras_history.operation
        if isinstance(layer, type) and issubclass(layer, Module):
            raise ArgumentError(
                message(
                    "Sequential.add",
                    f"got the class {layer.__name__}, not a layer",
                    cure=f"Make one: {layer.__name__}(...)",
                )
            )
        if not isinstance(layer, Layer):
            if isinstance(layer, Module):
                layer = TorchModuleWrapper(layer)
            elif callable(layer) and hasattr(layer, "__name__"):
                layer = TABLE.entries["Lambda"](layer)
            else:
                raise ArgumentError(
                    message(
                        "Sequential.add", f"only layers can be added, got {layer!r}", [("type", type(layer).__name__)]
                    )
                )
        if any(layer.name == other.name for other in own["_stack"]):
            raise ArgumentError(
                message(
                    "Sequential",
                    f"all layers must have unique names: {layer.name!r} is there already",
                    cure=f"Give it another name: {type(layer).__name__}(..., name=...)",
                )
            )
        if isinstance(layer, InputLayer):
            if own["_stack"] or own["_entry"] is not None:
                raise ArgumentError(message("Sequential", "an Input must be the first thing in the stack"))
            own["_entry"] = layer
        else:
            if not own["_stack"] and own["_entry"] is None:
                own["_entry"] = entry_of(layer)
            own["_stack"].append(layer)
        self._adopt(member_name(self, layer), layer)
        own["_chain"], own["built"] = None, False
        own["_seen"] = frozenset()

    def pop(self, rebuild=True) -> Layer:
        """Take the top layer off."""
        own = self.__dict__
        layer = own["_stack"].pop()
        for name, member in list(self._modules.items()):
            if member is layer:
                del self._modules[name]
        own["_chain"], own["built"], own["_seen"] = None, False, frozenset()
        if rebuild:
            self._maybe_rebuild()
        return layer

    def _maybe_rebuild(self) -> None:
        if self._entry is not None and self._stack:
            self._build_chain(self._entry.output)

    @property
    def layers(self) -> list[Layer]:
        """The layers of the stack, without the Input."""
        return list(self._stack)

    @property
    def _sequence(self) -> list[Layer]:
        return self._stack

    def __len__(self) -> int:
        return len(self._stack)

    # -- building ----------------------------------------------------------------------------------------------------

    def _build_chain(self, first: KerasTensor) -> None:
        """Build every layer on the shape it will get, and note the graph."""
        own = self.__dict__
        x = first
        for i, layer in enumerate(self._stack):
            try:
                x = layer(x)
            except DovetailError as error:
                self._say_before(error, i, x)
                raise
        own["_chain"] = Graph(first, x)
        own["built"] = True
        own["output_names"] = [getattr(self._stack[-1], "name", "output")]
        own["input_names"] = [first.name]

    def _say_before(self, error: DovetailError, i: int, x: Any) -> None:
        """Add to an error which layer's output a layer could not take."""
        if i and len(error.args) and not getattr(error, "said_before", False):
            before = self._stack[i - 1]
            shape = tuple(x.shape) if hasattr(x, "shape") else "?"
            if isinstance(x, Tensor) and shape:
                shape = (None, *shape[1:])
            text = (
                f"{error.args[0]}\n  its input comes from layer {before.name!r} ({type(before).__name__}), output "
                f"shape {shape} (ndim={len(shape)})"
            )
            advice = getattr(before, "output_advice", lambda layer: "")(self._stack[i])
            error.args = (text + (f"\n  {advice}" if advice else ""), *error.args[1:])
            error.said_before = True  # type: ignore[attr-defined]

    def build(self, input_shape=None) -> None:
        """Make the weights for inputs of this shape."""
        if self._entry is not None and self._chain is not None:
            return
        if not self._stack:
            raise ArgumentError(
                message("Sequential.build", "the model has no layers yet", cure="Add some: model.add(...)")
            )
        if input_shape is None:
            raise ArgumentError(
                message("Sequential.build", "needs the shape of the input", cure="model.build((None, 784))")
            )
        spec = specs_of(input_shape)
        if isinstance(spec, KerasTensor):
            entry = InputLayer(batch_shape=spec.shape)
            self._build_chain(entry.output)

    def _graph_or_none(self) -> Graph | None:
        return self._chain

    @property
    def _graph(self):  # type: ignore[override]
        return None

    @property
    def _is_functional(self) -> bool:
        return False

    def _weights_ready(self) -> bool:
        return all(layer.built for layer in self._flatten_layers(include_self=False) if isinstance(layer, Layer))

    @property
    def input_shape(self) -> Any:
        return self._need_graph("input").flat_inputs[0].shape

    @property
    def output_shape(self) -> Any:
        return self._need_graph("output").flat_outputs[0].shape

    def compute_output_shape(self, input_shape):
        shape = input_shape
        for layer in self._stack:
            shape = layer.compute_output_shape(shape)
        return shape

    # -- running -----------------------------------------------------------------------------------------------------

    def call(self, inputs, training=None, mask=None):
        """Each layer on the output of the one before."""
        x = inputs
        if mask is not None and mask_of(x) is None:
            x._keras_mask = mask
        for i, layer in enumerate(self._stack):
            try:
                x = layer(x)
            except DovetailError as error:
                self._say_before(error, i, x)
                raise
        return x

    @property
    def _passes_training(self) -> bool:  # type: ignore[override]
        return False

    def _call(self, args: tuple, kwargs: dict) -> Any:
        if not self._stack:
            raise ArgumentError(
                message(f"Sequential {self.name!r}", "the model has no layers", cure="Add some: model.add(...)")
            )
        return super()._call(args, kwargs)

    def _prepare(self, facts, first, args, kwargs) -> None:
        if not self.built and isinstance(first, (Tensor, KerasTensor)) and self._chain is None:
            if isinstance(first, Tensor):
                self.build((None, *first._meta.shape[1:]) if first._meta.shape else None)
        self.__dict__["built"] = True

    def _converted(self, x: Any) -> Any:
        chain = self._chain
        if chain is None or self._entry is None:
            return Layer._converted(self, x)
        if isinstance(x, (Tensor, np.ndarray, np.generic)):
            return fit_input(self, tensor(x), chain.flat_inputs[0])
        return x

    # -- configs -----------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        layers = [self._entry] if self._entry is not None else []
        config = {"name": self.name, "trainable": self.trainable, "dtype": Layer.get_config(self)["dtype"],
                  "layers": [serialize(layer) for layer in (*layers, *self._stack)]}  # fmt: skip
        if self._chain is not None and self._entry is None:
            config["build_input_shape"] = self._chain.flat_inputs[0].shape
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        made = cls(name=config.get("name"))
        for layer in config["layers"]:
            made.add(deserialize(layer, custom_objects))
        if config.get("build_input_shape") and not made.built:
            made.build(tuple(config["build_input_shape"]))
        return made


def entry_of(layer: Layer) -> InputLayer | None:
    """The Input that a first layer with input_shape implies, or that a whole model as first layer has."""
    shape = getattr(layer, "_given_shape", None)
    if shape is not None:
        return InputLayer(batch_shape=shape)
    graph = layer._graph_or_none() if isinstance(layer, Model) else None
    if graph is not None and len(graph.flat_inputs) == 1:
        x = graph.flat_inputs[0]
        return InputLayer(batch_shape=x.shape, dtype=x.dtype)
    return None


TABLE.add(Sequential)
