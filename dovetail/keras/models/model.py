"""Model: layers between inputs and outputs, or a subclass with `call`; can be trained, shown, saved."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, DovetailError, ShapeError, message
from dovetail.keras import lookup
from dovetail.keras.dtypes import as_dtype
from dovetail.keras.layers.layer import TABLE, Layer, facts_of, mask_of, set_mask
from dovetail.keras.lookup import serialize
from dovetail.keras.models import saving
from dovetail.keras.models.graph import Graph
from dovetail.keras.models.summary import print_summary
from dovetail.keras.models.trainer import Trainer
from dovetail.keras.naming import auto_name
from dovetail.keras.symbolic import FunctionCall, KerasTensor, Node, output_spec
from dovetail.keras.tree_inputs import matched
from dovetail.nn.module import Module
from dovetail.ops.convert import converted
from dovetail.ops.shape import squeeze, unsqueeze
from dovetail.tensor.tensor import Tensor


class Model(Trainer):
    """A trainable model: `Model(inputs, outputs)` of what layers made from keras.Input, or a subclass that writes
    `call`.

    >>> import dovetail.keras as keras
    >>> inputs = keras.Input((4,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    >>> model.output_shape
    (None, 2)

    Source: keras.Model.
    """

    _is_sequential = False
    _graph: Graph | None = None

    def __init__(self, *args, **kwargs):
        inputs, outputs, kwargs = graph_arguments(args, kwargs)
        name = kwargs.pop("name", None)
        if outputs is None:
            Trainer.__init__(self, name=name, **kwargs)
            return
        kind = "functional" if type(self) is Model else None
        Trainer.__init__(
            self,
            name=name or (kind and auto_name(kind)),
            **{k: v for k, v in kwargs.items() if k in ("trainable", "dtype")},
        )
        self._set_graph(Graph(inputs, outputs))

    def __reduce__(self):
        return (restored, (type(self), saving.as_bytes(self))) if self.built else object.__reduce__(self)

    # -- structure ---------------------------------------------------------------------------------------------------

    def _set_graph(self, graph: Graph) -> None:
        own = self.__dict__
        own["_graph"] = graph
        own["built"] = True
        for operation in graph.operations():
            if isinstance(operation, Module):
                self._adopt(member_name(self, operation), operation)
        own["output_names"] = output_names(graph)
        own["input_names"] = [x.name for x in graph.flat_inputs]
        own["supports_masking"] = True

    @property
    def _is_functional(self) -> bool:
        return self._graph is not None

    def _graph_or_none(self) -> Graph | None:
        return self._graph

    @property
    def layers(self) -> list[Layer]:
        """The layers of the model, input layers included."""
        if self._graph is not None:
            return [o for o in self._graph.operations() if not isinstance(o, FunctionCall)]
        return [layer for layer in self._sublayers()]

    @layers.setter
    def layers(self, value) -> None:
        raise AttributeError("`Model.layers` attribute is reserved and should not be used. Please use another name.")

    @property
    def operations(self) -> list[Any]:
        return self._graph.operations() if self._graph is not None else self.layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name or number. Raises ArgumentError with the names there are."""
        layers = self.layers
        if index is not None:
            if name is not None:
                raise ArgumentError(message("get_layer", "give a name or an index, not both"))
            if index >= len(layers):
                raise ArgumentError(
                    message("get_layer", f"there is no layer {index}: the model has {len(layers)} layers")
                )
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        error = lookup.unknown("layer", name, [layer.name for layer in layers])
        raise error

    @property
    def inputs(self) -> list[KerasTensor]:
        return list(self._need_graph("inputs").flat_inputs)

    @property
    def outputs(self) -> list[KerasTensor]:
        return list(self._need_graph("outputs").flat_outputs)

    @property
    def input(self) -> Any:
        """The inputs in the structure they were given."""
        return self._need_graph("input").inputs

    @property
    def output(self) -> Any:
        """The outputs in the structure they were given."""
        return self._need_graph("output").outputs

    def _need_graph(self, what: str) -> Graph:
        graph = self._graph_or_none()
        if graph is None:
            raise AttributeError(
                f"The model {self.name!r} was not made from keras.Input, so it has no defined {what}; call it on data "
                "or a keras.Input first."
            )
        return graph

    @property
    def input_shape(self) -> Any:
        return tree.map_leaves(lambda x: x.shape, self.input)

    @property
    def output_shape(self) -> Any:
        return tree.map_leaves(lambda x: x.shape, self.output)

    def _output_layer_name(self) -> str:
        graph = self._graph_or_none()
        if graph is not None and len(graph.flat_outputs) == 1:
            return graph.flat_outputs[0]._keras_history.operation.name
        layers = self.layers
        return layers[-1].name if layers and hasattr(layers[-1], "name") else ""

    # -- running -----------------------------------------------------------------------------------------------------

    @property
    def _passes_training(self) -> bool:  # type: ignore[override]
        return facts_of(self).takes_training or facts_of(self).any_keyword

    def call(self, inputs, training=None, mask=None):
        """The computation; subclasses without inputs and outputs write it."""
        graph = self._graph
        if graph is None:
            raise NotImplementedError(
                message(
                    f"Model {self.name!r}",
                    f"does not have a `call()` method: {type(self).__name__} must write call(self, inputs)",
                )
            )
        values = self._graph_inputs(inputs)
        if mask is not None:
            for x, m in zip(values, tree.flatten(mask), strict=False):
                set_mask(x, m)
        return graph.run(values)

    def _can_be_called(self) -> bool:
        return self._graph is not None or self._is_sequential or type(self).call is not Model.call

    def _call(self, args: tuple, kwargs: dict) -> Any:
        if self._graph is not None and not self._is_sequential and args:
            args = (
                self._graph_inputs(
                    tree.map_leaves(self._converted, args[0]) if not isinstance(args[0], Tensor) else args[0], raw=True
                ),
                *args[1:],
            )
        return super()._call(args, kwargs)

    def _graph_inputs(self, inputs: Any, raw: bool = False) -> Any:
        """Inputs in the order of the graph, in the declared types and ranks."""
        graph = self._graph
        assert graph is not None
        flat = matched(self, inputs, graph)
        fitted = [fit_input(self, x, spec) for x, spec in zip(flat, graph.flat_inputs, strict=True)]
        if raw:
            return tree.pack(graph.inputs, fitted)
        return fitted

    def _converted(self, x: Any) -> Any:
        if self._graph is not None and isinstance(x, (np.ndarray, Tensor, np.generic)):
            return Tensor.from_array(np.ascontiguousarray(x)) if not isinstance(x, Tensor) else x
        return super()._converted(x)

    def build(self, input_shape=None, *args, **kwargs) -> None:
        """Make the weights for inputs of this shape (the batch size may be None)."""
        if self._graph is not None or input_shape is None:
            self.__dict__["built"] = True
            return
        if type(self).call is Model.call:
            raise NotImplementedError(f"Model {self.name!r} has no call()")
        specs = specs_of(input_shape)
        self._call_symbolic((specs,), {})

    def _weights_ready(self) -> bool:
        return self._graph is not None or all(
            layer.built for layer in self._flatten_layers() if isinstance(layer, Layer)
        )

    def _call_symbolic(self, args: tuple, kwargs: dict) -> Any:
        if self._graph is not None and len(args) == 1:
            values = matched(self, args[0], self._graph)
            if all(isinstance(v, KerasTensor) for v in values):
                return super()._call_symbolic((tree.pack(self._graph.inputs, values),), kwargs)
        return super()._call_symbolic(args, kwargs)

    def compute_output_shape(self, input_shape):
        """The shapes of the outputs for inputs of this shape."""
        made = self.compute_output_spec(specs_of(input_shape))
        return tree.map_leaves(lambda x: x.shape, made)

    def _symbolic_outputs(self, facts, args: tuple, kwargs: dict) -> Any:
        if type(self).compute_output_shape is not Model.compute_output_shape and not self._is_sequential:
            return super()._symbolic_outputs(facts, args, kwargs)
        return self._spec_from_run(args, kwargs)

    # -- showing and saving --------------------------------------------------------------------------------------------

    def summary(
        self,
        line_length=None,
        positions=None,
        print_fn=None,
        expand_nested=False,
        show_trainable=False,
        layer_range=None,
    ) -> None:
        """Print a table of the layers, their output shapes and numbers of parameters."""
        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    def save(self, filepath, overwrite=True, zipped=None, **kwargs) -> None:
        """Write the whole model (config, weights, optimizer) to a .keras file. Raises ArgumentError for another
        extension.
        """
        saving.save_model(self, filepath, overwrite=overwrite, **kwargs)

    def save_weights(self, filepath, overwrite=True, max_shard_size=None) -> None:
        """Write the weights to a .weights.h5 or .safetensors file."""
        saving.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs) -> None:
        """Read weights that save_weights wrote; nothing changes unless all fit."""
        saving.load_weights(self, filepath, skip_mismatch, **kwargs)

    def export(self, filepath, format="tf_saved_model", **kwargs):
        """Raises ArgumentError: Keras's export formats are not covered; see dovetail.export."""
        raise ArgumentError(
            message(
                "Model.export",
                f"the format {format!r} is not covered",
                cure="Use model.save('model.keras'), or dovetail.export for ONNX",
            )
        )

    def get_config(self) -> dict[str, Any]:
        """Settings from which `from_config` makes an equal model."""
        if self._graph is None or self._is_sequential:
            if type(self) is Model or type(self).get_config is Model.get_config:
                config = {"name": self.name, "trainable": self.trainable, "dtype": super().get_config()["dtype"]}
                return {**config, **self._constructor_settings()}
            return super().get_config()
        return graph_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects=None):
        """A new model from a config."""
        if "layers" in config and "input_layers" in config:
            with lookup.CustomObjectScope(custom_objects or {}):
                inputs, outputs = graph_from(config)
            if cls is Model or "inputs" in inspect.signature(cls.__init__).parameters:
                return cls(inputs=inputs, outputs=outputs, name=config.get("name"))
            made = cls()
            return made
        with lookup.CustomObjectScope(custom_objects or {}):
            return super().from_config(config)

    def to_json(self, **kwargs) -> str:
        """The config as JSON text."""
        return saving.to_json(self, **kwargs)

    def __repr__(self) -> str:
        kind = "Functional" if self._graph is not None and type(self) is Model else type(self).__name__
        return f"<{kind} name={self.name}, built={self.built}>"


def graph_arguments(args: tuple, kwargs: dict) -> tuple[Any, Any, dict]:
    """(inputs, outputs, the other arguments) of Model(...)."""
    kwargs = dict(kwargs)
    if len(args) >= 2 or (len(args) == 1 and "outputs" in kwargs):
        inputs, outputs = args[0], args[1] if len(args) > 1 else kwargs.pop("outputs")
        if len(args) == 3:
            kwargs["name"] = args[2]
        return inputs, outputs, kwargs
    if "inputs" in kwargs and "outputs" in kwargs:
        return kwargs.pop("inputs"), kwargs.pop("outputs"), kwargs
    if args:
        raise ArgumentError(message("Model", "takes inputs and outputs, or neither", [("arguments", args)]))
    return None, None, kwargs


def member_name(model: Model, operation: Module) -> str:
    """The name under which a layer joins the Module tree."""
    name = getattr(operation, "name", type(operation).__name__).replace(".", "_")
    while name in model.__dict__ or hasattr(type(model), name):
        if model._modules.get(name) is operation:
            return name
        name += "_"
    return name


def output_names(graph: Graph) -> list[str]:
    if isinstance(graph.outputs, dict):
        return (
            [str(k) for k in tree.keys_of(graph.outputs)]
            if len(graph.outputs) == len(graph.flat_outputs)
            else [x.name for x in graph.flat_outputs]
        )
    return [x._keras_history.operation.name for x in graph.flat_outputs]


def specs_of(shape: Any) -> Any:
    """KerasTensors for a shape, or for a list or dict of shapes."""
    if isinstance(shape, (tuple, list)) and all(n is None or isinstance(n, (int, np.integer)) for n in shape):
        return KerasTensor(tuple(shape))
    if isinstance(shape, dict):
        return {k: specs_of(v) for k, v in shape.items()}
    return [specs_of(s) for s in shape]


def fit_input(model: Model, x: Any, spec: KerasTensor) -> Any:
    """An input in the declared dtype; a last axis of size 1 is added or taken away where that makes it fit."""
    if x is None or isinstance(x, KerasTensor):
        return x
    wanted = as_dtype(spec.dtype)
    if not isinstance(x, Tensor):
        x = Tensor.from_data(np.asarray(x))
    mask = mask_of(x)
    given = x
    if x._meta.dtype is not wanted:
        x = converted(x, wanted)
    rank, target = len(x._meta.shape), len(spec.shape)
    if rank == target + 1 and x._meta.shape[-1] == 1:
        x = squeeze(x, -1)
    elif rank == target - 1 and spec.shape[-1] == 1 and rank > 0:
        x = unsqueeze(x, -1)
    elif rank != target or any(
        n is not None and n != m for n, m in zip(spec.shape[1:], x._meta.shape[1:], strict=True)
    ):
        raise wrong_input(model, x, spec)
    if mask is not None and x is not given:
        set_mask(x, mask)
    return x


def wrong_input(model: Model, x: Tensor, spec: KerasTensor) -> DovetailError:
    first = first_consumer(model, spec)
    sizes = tuple(x._meta.shape)
    wanted = tuple(spec.shape)
    cure = ""
    if sizes == wanted[1:] or (
        len(sizes) == len(wanted) - 1 and all(a in (b, None) for a, b in zip(wanted[1:], sizes, strict=True))
    ):
        cure = "This looks like one sample without its batch axis: pass x[None], x[0:1] or np.expand_dims(x, 0)"
    elif len(sizes) == len(wanted):
        cure = (
            f"Axis -1 should have {wanted[-1]} values, the data has {sizes[-1]}: reshape the data, or build the model "
            f"with Input(shape={sizes[1:]})"
        )
    elif len(wanted) == 4 and len(sizes) == 3:
        cure = "Images need a channel axis: x[..., None], np.expand_dims(x, -1)"
    else:
        total = int(np.prod(sizes[1:])) if len(sizes) > 1 else 0
        flat = int(np.prod([n or 1 for n in wanted[1:]]))
        if total == flat:
            cure = (
                "Each sample has the right number of values: reshape it, x.reshape((-1, "
                f"{', '.join(map(str, wanted[1:]))}))"
            )
    where = f' (its first layer is "{first}")' if first else ""
    return ShapeError(
        message(
            f"model {model.name!r}",
            f"the input {spec.name!r} takes shape {wanted}, got {sizes}{where}; the first axis is the batch, the "
            "others "
            "must agree",
            [("input", x)],
            cure,
        )
    )


def first_consumer(model: Model, spec: KerasTensor) -> str:
    graph = model._graph_or_none()
    if graph is None:
        return ""
    for node in graph.nodes:
        if any(x is spec for x in node.inputs):
            return node.operation.name
    return ""


# -- configs ---------------------------------------------------------------------------------------------------------


def graph_config(model: Model) -> dict[str, Any]:
    """The functional config of Keras 3: every layer with its calls, tensors by [layer, node, tensor]."""
    graph = model._graph
    assert graph is not None
    numbers = {}
    for operation in graph.operations():
        for i, node in enumerate(graph.nodes_of(operation)):
            numbers[id(node)] = i

    def place(x: KerasTensor) -> list:
        history = x._keras_history
        node = history.operation._inbound_nodes[history.node_index]
        return [history.operation.name, numbers.get(id(node), 0), history.tensor_index]

    def argument(x: Any) -> Any:
        if isinstance(x, KerasTensor):
            config = {"shape": x.shape, "dtype": x.dtype, "keras_history": place(x)}
            return {"class_name": "__keras_tensor__", "config": config}
        return slice_config(x) if isinstance(x, (slice, type(Ellipsis))) else serialize(x)

    layers = []
    for operation in graph.operations():
        calls = []
        for node in graph.nodes_of(operation):
            if node.inputs:
                calls.append(
                    {
                        "args": [nested(argument, a) for a in node.args],
                        "kwargs": {k: nested(argument, v) for k, v in node.kwargs.items()},
                    }
                )
        config = operation_config(operation)
        layers.append({**config, "name": operation.name, "inbound_nodes": calls})
    return {
        "name": model.name, "trainable": model.trainable, "layers": layers,
        "input_layers": places(graph.inputs, place), "output_layers": places(graph.outputs, place),
    }  # fmt: skip


def nested(function, x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        parts = [nested(function, v) for v in x]
        return {"class_name": "__tuple__", "items": parts} if isinstance(x, tuple) else parts
    if isinstance(x, dict):
        return {k: nested(function, v) for k, v in x.items()}
    return function(x)


def slice_config(x: Any) -> dict:
    if x is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    return {"class_name": "__slice__", "config": {"start": x.start, "stop": x.stop, "step": x.step}}


def places(xs: Any, place) -> Any:
    if isinstance(xs, KerasTensor):
        return place(xs)
    if isinstance(xs, dict):
        return {k: places(v, place) for k, v in xs.items()}
    return [places(x, place) for x in xs]


def operation_config(operation: Any) -> dict[str, Any]:
    if isinstance(operation, FunctionCall):
        return {"module": "dovetail.function", "class_name": "FunctionCall",
                "config": {"name": operation.name, "function": function_path(operation.function)}}  # fmt: skip
    return serialize(operation)


def function_path(function: Any) -> str:
    return f"{function.__module__}:{function.__qualname__}"


def function_at(path: str) -> Any:
    """A function of this package by its path; user functions must be registered."""
    module, _, name = path.partition(":")
    if name in lookup.CUSTOM:
        return lookup.CUSTOM[name]
    if not module.startswith("dovetail."):
        raise lookup.unknown("function", name, lookup.CUSTOM)
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def graph_from(config: dict[str, Any]) -> tuple[Any, Any]:
    """(inputs, outputs) rebuilt from a functional config."""
    made: dict[str, Any] = {}
    shared: dict[str, int] = {}
    waiting = []
    for layer in config["layers"]:
        name = layer["name"]
        if layer["class_name"] == "FunctionCall":
            made[name] = FunctionCall(function_at(layer["config"]["function"]), layer["config"]["name"])
        else:
            made[name] = lookup.deserialize({k: v for k, v in layer.items() if k not in ("inbound_nodes", "name")})
        shared[name] = len(made[name]._inbound_nodes)
        if type(made[name]).__name__ == "InputLayer":
            shared[name] = 0
        waiting += [(name, i, call) for i, call in enumerate(layer["inbound_nodes"])]

    def tensor_at(place: list) -> Any:
        name, node, tensor = place[:3]
        nodes = made[name]._inbound_nodes
        at = node + shared[name]
        if at >= len(nodes):
            raise LookupError
        return tree.flatten(nodes[at].outputs)[tensor]

    done: dict[str, int] = {}
    while waiting:
        left = []
        for name, i, call in waiting:
            try:
                if done.get(name, 0) != i:
                    raise LookupError
                args, kwargs = arguments(call, tensor_at)
            except LookupError:
                left.append((name, i, call))
                continue
            operation = made[name]
            if isinstance(operation, FunctionCall):
                call_noted(operation, args, kwargs)
            else:
                operation(*args, **kwargs)
            done[name] = i + 1
        if len(left) == len(waiting):
            raise ArgumentError(
                message("Model.from_config", "the config's calls refer to tensors that none of its layers makes")
            )
        waiting = left
    return structure(config["input_layers"], tensor_at), structure(config["output_layers"], tensor_at)


def call_noted(operation: FunctionCall, args: tuple, kwargs: dict) -> None:
    Node(operation, args, kwargs, output_spec(operation.function, args, kwargs))


def arguments(call: Any, tensor_at) -> tuple[tuple, dict]:
    def revive(x: Any) -> Any:
        if isinstance(x, dict) and "class_name" in x:
            kind, inner = x["class_name"], x.get("config", {})
            if kind == "__keras_tensor__":
                return tensor_at(inner["keras_history"])
            if kind == "__tuple__":
                return tuple(revive(v) for v in x["items"])
            if kind == "__slice__":
                return slice(inner["start"], inner["stop"], inner["step"])
            if kind == "__ellipsis__":
                return Ellipsis
            return lookup.deserialize(x)
        if isinstance(x, dict):
            return {k: revive(v) for k, v in x.items()}
        return [revive(v) for v in x] if isinstance(x, list) else x

    return tuple(revive(a) for a in call["args"]), {k: revive(v) for k, v in call["kwargs"].items()}


def structure(config: Any, tensor_at) -> Any:
    if isinstance(config, dict):
        return {k: structure(v, tensor_at) for k, v in config.items()}
    if len(config) >= 3 and isinstance(config[0], str):
        return tensor_at(config)
    return [structure(c, tensor_at) for c in config]


def restored(kind: type, content: bytes) -> Any:
    return saving.from_bytes(content)


TABLE.add(Model)
TABLE.entries["Functional"] = Model
