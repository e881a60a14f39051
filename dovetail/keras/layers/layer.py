"""Layer: a Module whose weights are made when the first input is seen, and whose `call` is the computation.

What a call does beyond `call`: it converts arrays, builds, checks the input against `input_spec`, decides `training`,
hands masks on, collects losses, and, on a KerasTensor, notes a node instead of computing. A layer that has done all
that for inputs of one kind remembers it (`_seen`), and the next such call goes straight to `call`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, DovetailError, ShapeError, message, user_line
from dovetail.keras import constraints, initializers, policy, regularizers
from dovetail.keras.context import context, name_scope
from dovetail.keras.dtypes import as_dtype
from dovetail.keras.layers.spec import InputSpec, check_input
from dovetail.keras.layers.tracking import TrackedDict, TrackedList
from dovetail.keras.lookup import deserialize as deserialize_object
from dovetail.keras.lookup import serialize, table
from dovetail.keras.metrics.base import Metric
from dovetail.keras.naming import auto_name
from dovetail.keras.ops.convert import supported
from dovetail.keras.stateless import call_with_values
from dovetail.keras.symbolic import KerasTensor, Node, any_symbolic, output_spec
from dovetail.keras.variable import Variable
from dovetail.nn.explain import place_error
from dovetail.nn.hooks import call_with_hooks
from dovetail.nn.module import Module, register_module_module_registration_hook
from dovetail.ops.convert import converted
from dovetail.tensor.recorder import current
from dovetail.tensor.tensor import Parameter, Tensor, array_from

TABLE = table("layer", "keras.layers")
NOTHING: frozenset = frozenset()


class Masks:
    """Whether any tensor of this process ever had a mask: without, nobody needs to look."""

    used = False


def set_mask(x: Any, mask: Any) -> None:
    """Attach a mask (True where a step counts) to a tensor."""
    if mask is not None and isinstance(x, Tensor):
        x._keras_mask = mask
        Masks.used = True


def mask_of(x: Any) -> Any:
    return getattr(x, "_keras_mask", None)


class CallFacts:
    """What a class's `call` takes, found out once for each class."""

    def __init__(self, call: Callable):
        parameters = inspect.signature(call).parameters
        self.names = [n for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD and n != "self"]
        self.takes_training = "training" in parameters
        self.takes_mask = "mask" in parameters
        self.any_keyword = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        default = parameters["training"].default if self.takes_training else None
        self.training = default if isinstance(default, bool) else None


FACTS: dict[Callable, CallFacts] = {}


def facts_of(layer: Layer) -> CallFacts:
    call = getattr(layer.call, "__func__", layer.call)
    found = FACTS.get(call)
    if found is None:
        found = FACTS[call] = CallFacts(call)
    return found


class Layer(Module):
    """Base of Keras layers. Subclasses make weights in `build(input_shape)` and compute in `call(inputs)`.

    >>> import dovetail.keras as keras
    >>> class Scale(keras.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")
    ...     def call(self, inputs):
    ...         return inputs * self.scale
    >>> Scale()(np.ones((2, 3))).shape
    dovetail.Size([2, 3])

    Source: keras.layers.Layer.
    """

    _seen: Any = NOTHING
    _quick_training = False
    call: Callable

    def __new__(cls, *args, **kwargs):
        made = object.__new__(cls)
        made.__dict__["_given"] = (args, kwargs)
        return made

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = built_by(cls.__dict__["build"])  # type: ignore[method-assign]

    def __init__(self, *, activity_regularizer=None, trainable=True, dtype=None, autocast=True, name=None, **kwargs):
        Module.__init__(self)
        own = self.__dict__
        given_shape = shape_from(kwargs)
        if kwargs:
            raise ArgumentError(message(type(self).__name__, f"unrecognized keyword arguments: {', '.join(kwargs)}",
                                        cure=f"It takes {', '.join(known_arguments(type(self)))}"))  # fmt: skip
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ArgumentError(
                message(type(self).__name__, f"a layer's name must be a string without '/', got {name!r}")
            )
        own["_name"] = name or auto_name(type(self).__name__)
        own["_trainable"] = bool(trainable)
        own["_policy"] = policy.get(dtype)
        own["autocast"] = autocast
        own["activity_regularizer"] = regularizers.get(activity_regularizer)
        own["input_spec"] = None
        own["built"] = False
        own["supports_masking"] = False
        own["_trainable_variables"] = []
        own["_non_trainable_variables"] = []
        own["_metric_list"] = []
        own["_losses"] = []
        own["_inbound_nodes"] = []
        own["_given_shape"] = given_shape
        own["_build_shapes"] = None
        own["_in_module"] = False

    # -- what users override ---------------------------------------------------------------------------------------

    def build(self, input_shape=None) -> None:
        """Make the weights, given the shape of the input (None for sizes that may vary)."""
        self.__dict__["built"] = True

    def compute_mask(self, inputs, previous_mask):
        """The mask of the output: that of the input, where the layer supports masks."""
        return previous_mask

    def get_config(self) -> dict[str, Any]:
        """Settings from which `from_config` makes an equal layer. Subclasses add their own to super().get_config()."""
        config = {"name": self.name, "trainable": self.trainable, "dtype": policy.serialize(self._policy)}
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        if not type(self).__module__.startswith("dovetail.") and type(self).get_config is Layer.get_config:
            config.update(self._constructor_settings())
        return config

    def _constructor_settings(self) -> dict[str, Any]:
        """The arguments a user's class without get_config was made with."""
        args, kwargs = self.__dict__["_given"]
        bound = inspect.signature(type(self).__init__).bind_partial(self, *args, **kwargs).arguments
        found = {}
        for name, value in list(bound.items())[1:]:
            if isinstance(value, dict) and name in ("kwargs", "kw"):
                found.update(value)
            else:
                found[name] = value
        return {k: serialize(v) for k, v in found.items() if k not in ("name", "trainable", "dtype")}

    @classmethod
    def from_config(cls, config: dict[str, Any]):
        """A new layer with these settings."""
        config = dict(config)
        if isinstance(config.get("dtype"), dict):
            config["dtype"] = policy.get(config["dtype"])
        try:
            return cls(**config)
        except TypeError as error:
            if isinstance(error, DovetailError):
                raise
            raise TypeError(
                message(
                    f"{cls.__name__}.from_config",
                    f"the class cannot be made from its config: {error}",
                    [("config", config)],
                    "get_config() must return the arguments that __init__ takes",
                )
            ) from error

    # -- weights ---------------------------------------------------------------------------------------------------

    def add_weight(self, shape=None, initializer=None, dtype=None, trainable=True, autocast=True, regularizer=None,
                   constraint=None, aggregation="none", overwrite_with_gradient=False, name=None):  # fmt: skip
        """A new weight of this layer.

        shape: () unless given; initializer: Glorot uniform for floats, zeros for whole numbers.
        Raises: ArgumentError for a size that is None.
        """
        if "_trainable_variables" not in self.__dict__:
            raise not_initialized(self)
        if isinstance(shape, str):  # tf.keras 2 took the name first
            shape, name = (initializer if isinstance(initializer, (tuple, list)) else ()), shape
            initializer = None if isinstance(initializer, (tuple, list)) else initializer
        shape = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        if any(n is None for n in shape):
            raise ArgumentError(
                message(
                    f"{type(self).__name__} {self.name!r}",
                    f"a weight needs known sizes, got shape {shape}",
                    cure="The last axis of the input must have a known size: give it in keras.Input(shape=...)",
                )
            )
        dtype = dtype or self.variable_dtype
        if initializer is None:
            initializer = "glorot_uniform" if as_dtype(dtype).kind == "f" else "zeros"
        scope = [] if context.scopes and context.scopes[-1] == self.name else [self.name]
        context.scopes += scope
        try:
            made = Variable(initializers.get(initializer), shape, dtype, trainable, autocast, aggregation, name=name)
        finally:
            if scope:
                context.scopes.pop()
        made.regularizer = regularizers.get(regularizer)
        made.constraint = constraints.get(constraint)
        self._track(made)
        return made

    def add_variable(self, *args, **kwargs):
        """Another name of add_weight."""
        return self.add_weight(*args, **kwargs)

    def _track(self, variable: Variable) -> None:
        mine = self._trainable_variables if variable.trainable else self._non_trainable_variables
        mine.append(variable)
        if not self._trainable and variable._meta.requires_grad:
            variable.requires_grad_(False)

    def _tracked(self) -> Iterator[Parameter]:
        """Own weights: trainable ones first."""
        seen = set()
        for v in (*self._trainable_variables, *self._non_trainable_variables):
            if id(v) not in seen:
                seen.add(id(v))
                yield v
        for p in self._parameters.values():
            if p is not None and id(p) not in seen:
                yield p

    def _sublayers(self) -> Iterator[Module]:
        """Layers and modules that are attributes, in the order they were assigned."""
        seen = set()
        for child in self._modules.values():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                yield child

    def _flatten_layers(self, recursive: bool = True, include_self: bool = True) -> Iterator[Layer]:
        """Every layer below, each once."""
        seen = set()

        def walk(layer, own):
            if id(layer) in seen:
                return
            seen.add(id(layer))
            if own:
                yield layer
            for child in layer._sublayers() if isinstance(layer, Layer) else layer.children():
                if recursive or layer is self:
                    yield from walk(child, True)

        yield from walk(self, include_self)

    @property
    def weights(self) -> list[Parameter]:
        """All weights of this layer and of the layers inside."""
        return list(gather(self))

    @property
    def variables(self) -> list[Parameter]:
        """As weights (Keras adds the state of metrics and seeds)."""
        found = self.weights
        for m in self.metrics:
            found += [v for v in m.variables if not any(v is f for f in found)]
        return found

    @property
    def trainable_weights(self) -> list[Parameter]:
        """The weights that training changes: none of a frozen layer's."""
        return list(gather_trainable(self))

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Parameter]:
        """The weights that training leaves alone."""
        train = {id(v) for v in self.trainable_weights}
        return [v for v in self.weights if id(v) not in train]

    @property
    def non_trainable_variables(self) -> list[Parameter]:
        train = {id(v) for v in self.trainable_weights}
        return [v for v in self.variables if id(v) not in train]

    @property
    def metrics(self) -> list[Metric]:
        """The metrics that were made attributes, here and below."""
        found = list(self._metric_list)
        for layer in self._flatten_layers(include_self=False):
            if isinstance(layer, Layer):
                found += [m for m in layer._metric_list if not any(m is f for f in found)]
        return found

    @property
    def metrics_variables(self) -> list[Variable]:
        return [v for m in self.metrics for v in m.variables]

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights as NumPy arrays."""
        return [np.array(v._array()) for v in self.weights]

    def set_weights(self, weights: list) -> None:
        """Replace all weights by arrays in the order of get_weights. Nothing is changed unless all fit."""
        mine = self.weights
        if len(mine) != len(weights):
            raise ArgumentError(
                message(
                    f"set_weights of {self.name!r}",
                    f"got {len(weights)} arrays, the layer has {len(mine)} weights",
                    [f"{weight_path(v)} {tuple(v._meta.shape)}" for v in mine],
                    ""
                    if self.built
                    else "The layer has no weights before it is built: call it on data, or give its input shape.",
                )
            )
        arrays = [array_from(w, v._meta.dtype) for v, w in zip(mine, weights, strict=True)]
        for v, w in zip(mine, arrays, strict=True):
            if w.shape != v._meta.shape:
                raise ShapeError(message(f"set_weights of {self.name!r}", f"weight {weight_path(v)} has shape "
                    f"{tuple(v._meta.shape)}, "
                                         f"the array given for it {w.shape}"))  # fmt: skip
        for v, w in zip(mine, arrays, strict=True):
            write(v, w)

    def count_params(self) -> int:
        """Number of elements of all weights. Raises ArgumentError before the layer is built."""
        if not self.built:
            raise ArgumentError(message("count_params", f"layer {self.name!r} isn't built, so it has no weights yet",
                                        cure=f"Call it on data, or call {self.name}.build(input_shape)"))  # fmt: skip
        return sum(v._meta.numel for v in self.weights)

    # -- facts -----------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self.__dict__["_name"] = value

    @property
    def path(self) -> str:
        return self._name

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets all layers inside."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = bool(value)
        self.__dict__["_trainable"] = value
        self.__dict__["_trainable_set_at"] = user_line()
        for v in self._trainable_variables:
            v.trainable = value
        for child in self._sublayers():
            if isinstance(child, Layer):
                child.trainable = value
            else:
                for p in child.parameters():
                    p.requires_grad_(value)

    @property
    def dtype_policy(self) -> policy.DTypePolicy:
        return self._policy

    @dtype_policy.setter
    def dtype_policy(self, value) -> None:
        self.__dict__["_policy"] = policy.get(value)

    @property
    def compute_dtype(self) -> str:
        return self._policy.compute_dtype

    input_dtype = compute_dtype

    @property
    def variable_dtype(self) -> str:
        return self._policy.variable_dtype

    dtype = variable_dtype

    @property
    def losses(self) -> list[Any]:
        """Scalars from add_loss and the regularizers, here and in all layers inside."""
        found = list(self._losses)
        for layer in self._flatten_layers(include_self=False):
            if isinstance(layer, Layer):
                found += layer._losses
        for v in self.trainable_weights:
            regularizer = getattr(v, "regularizer", None)
            if regularizer is not None:
                found.append(regularizer(v))
        return found

    def add_loss(self, loss: Any) -> None:
        """Add a scalar to what training minimises; call it inside `call`."""
        for x in tree.leaves(loss):
            if not isinstance(x, Tensor):
                raise ArgumentError(message("add_loss", "takes a scalar tensor computed inside call()", [("loss", x)]))
            self._losses.append(x)
        context.losses_added = True

    def _clear_losses(self) -> None:
        self._losses.clear()
        for layer in self._flatten_layers(include_self=False):
            if isinstance(layer, Layer):
                layer._losses.clear()

    @property
    def input(self) -> Any:
        """The KerasTensor (or several) of the layer's first call in a functional model."""
        return single(self._first_node("input").inputs)

    @property
    def output(self) -> Any:
        """What the layer's first call in a functional model gave."""
        return self._first_node("output").outputs

    def _first_node(self, what: str) -> Node:
        if not self._inbound_nodes:
            raise AttributeError(
                f"The layer {self.name} has never been called on a keras.Input and thus has no defined {what}."
            )
        return self._inbound_nodes[0]

    @property
    def input_shape(self) -> Any:
        return tree.map_leaves(lambda x: x.shape, self.input)

    @property
    def output_shape(self) -> Any:
        return tree.map_leaves(lambda x: x.shape, self.output)

    # -- attributes ------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if "_trainable_variables" not in own:
            if isinstance(value, (Layer, Variable, Metric)):
                raise not_initialized(self)
            object.__setattr__(self, name, value)
            return
        kind = type(value)
        if kind is list or kind is dict or kind is tuple:
            value = self._tracked_container(name, value)
            object.__setattr__(self, name, value)
            return
        if isinstance(value, Variable):
            if not any(value is v for v in (*self._trainable_variables, *self._non_trainable_variables)):
                self._track(value)
        elif isinstance(value, Metric):
            self._metric_list.append(value)
        if isinstance(getattr(type(self), name, None), property):
            object.__setattr__(self, name, value)
        else:
            Module.__setattr__(self, name, value)

    def _tracked_container(self, name: str, value: Any) -> Any:
        """Lists, tuples and dicts whose layers, weights and metrics count as members of this layer."""
        if type(value) is tuple:
            for i, x in enumerate(value):
                self._adopt(f"{name}_{i}", x)
            return value
        if type(value) is list:
            return TrackedList(value, self, name)
        return TrackedDict(value, self, name)

    def _adopt(self, name: str, x: Any) -> None:
        """Register a member of a container of this layer."""
        if isinstance(x, Module):
            while name in self._modules and self._modules[name] is not x:
                name += "_"
            self._modules[name] = x
            if isinstance(x, Layer):
                x.__dict__["_in_module"] = False
        elif isinstance(x, Variable):
            if not any(x is v for v in (*self._trainable_variables, *self._non_trainable_variables)):
                self._track(x)
        elif isinstance(x, Metric):
            self._metric_list.append(x)
        elif type(x) in (list, tuple, dict):
            for i, y in enumerate(x.values() if type(x) is dict else x):
                self._adopt(f"{name}_{i}", y)

    # -- calling ---------------------------------------------------------------------------------------------------

    def __call__(self, *args, **kwargs):
        if len(args) == 1 and not kwargs:
            x = args[0]
            if x.__class__ is Tensor and x._meta in self._seen and not Masks.used:
                try:
                    if self._quick_training:
                        training = context.training
                        return self.call(x, training=self._default_training() if training is None else training)
                    return self.call(x)
                except DovetailError as error:
                    place_error(error, self, args)
                    raise
        if "_trainable_variables" not in self.__dict__:
            raise not_initialized(self)
        if any_symbolic(args, kwargs):
            return self._call_symbolic(args, kwargs)
        return self._call(args, kwargs)

    def forward(self, *args, **kwargs):
        """torch's name for `call`."""
        return self.call(*args, **kwargs)

    def _call(self, args: tuple, kwargs: dict) -> Any:
        facts = facts_of(self)
        if args or kwargs:
            args = tree.map_leaves(self._converted, args)
            kwargs = {
                k: v if k in ("training", "mask") else tree.map_leaves(self._converted, v) for k, v in kwargs.items()
            }
        first = args[0] if args else next(iter(kwargs.values()), None)
        before = context.training
        try:
            self._prepare(facts, first, args, kwargs)
            kwargs, previous_mask = self._settings(facts, first, args, kwargs)
            outputs = call_with_hooks(self, args, kwargs) if self._has_hooks else self.call(*args, **kwargs)
        except DovetailError as error:
            place_error(error, self, args)
            raise
        finally:
            context.training = before
        self._after(first, outputs, previous_mask)
        self._remember(facts, args, first)
        return outputs

    def _prepare(self, facts: CallFacts, first: Any, args: tuple, kwargs: dict) -> None:
        """Check the input and make the weights, before the first real call."""
        if self.input_spec is not None:
            check_input(self, first)
        if not self.built:
            self._build_for(facts, args, kwargs)

    def _settings(self, facts: CallFacts, first: Any, args: tuple, kwargs: dict) -> tuple[dict, Any]:
        """(keyword arguments with training and mask filled in, mask of the first input)."""
        training = kwargs.get("training")
        if training is None and "training" in facts.names and len(args) > (at := facts.names.index("training")):
            training = args[at]
        elif training is None:
            training = context.training
            if training is None:
                training = self._default_training() if facts.takes_training else None
            if facts.takes_training and training is not None:
                kwargs = {**kwargs, "training": training}
        if training is not None:
            context.training = bool(training)
        if "training" in kwargs and not facts.takes_training and not facts.any_keyword:
            kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        previous = kwargs.get("mask")
        if previous is None and Masks.used:
            previous = tree.map_leaves(mask_of, first) if not isinstance(first, Tensor) else mask_of(first)
            if facts.takes_mask and len(args) <= 1 and any(m is not None for m in tree.leaves(previous)):
                kwargs = {**kwargs, "mask": previous}
            kwargs = self._named_masks(facts, args, kwargs)
        return kwargs, previous

    def _named_masks(self, facts: CallFacts, args: tuple, kwargs: dict) -> dict:
        """Masks of several inputs under the names `<input>_mask` that `call` takes."""
        for name, value in zip(facts.names, args, strict=False):
            wanted = f"{name}_mask"
            if wanted in facts.names and kwargs.get(wanted) is None:
                found = tree.map_leaves(mask_of, value)
                if any(m is not None for m in tree.leaves(found)):
                    kwargs = {**kwargs, wanted: found}
        return kwargs

    def _after(self, first: Any, outputs: Any, previous_mask: Any) -> None:
        """Masks of the output and the activity regularizer's loss."""
        self.__dict__["built"] = True
        if self.activity_regularizer is not None and not context.symbolic:
            for x in tree.leaves(outputs):
                if isinstance(x, Tensor):
                    self.add_loss(
                        self.activity_regularizer(x) / float(max(x._meta.shape[0] if x._meta.shape else 1, 1))
                    )
        if (self.supports_masking or type(self).compute_mask is not Layer.compute_mask) and (
            Masks.used or getattr(self, "makes_mask", False)
        ):
            mask = self.compute_mask(first, previous_mask)
            if mask is not None:
                flat = tree.flatten(mask) if len(tree.flatten(mask)) == len(tree.flatten(outputs)) else [mask]
                for x, m in zip(tree.leaves(outputs), flat, strict=False):
                    if mask_of(x) is None:
                        set_mask(x, m)

    def _remember(self, facts: CallFacts, args: tuple, first: Any) -> None:
        """Let the next call on an input of this kind go straight to `call`."""
        plain = (
            len(args) == 1 and type(first) is Tensor and self.activity_regularizer is None and not self._has_hooks
            and not getattr(self, "makes_mask", False) and facts.training is not True
        )  # fmt: skip
        if plain and not context.symbolic:
            if not isinstance(self._seen, set) or len(self._seen) > 100:
                self.__dict__["_seen"] = set()
            self._seen.add(first._meta)
            self.__dict__["_quick_training"] = facts.takes_training

    def _hang(self, *args, **kwargs):
        self.__dict__["_seen"] = NOTHING
        return super()._hang(*args, **kwargs)

    def _default_training(self) -> bool | None:
        """`training` where no caller says: the mode of the torch-style Module around, else the default of `call`."""
        if self._in_module:
            return self.training
        default = facts_of(self).training
        return False if default is None else default

    def _converted(self, x: Any) -> Any:
        """An argument as a tensor; floats in the layer's own type."""
        if isinstance(x, Tensor):
            if self.autocast and x._meta.dtype.kind == "f" and x._meta.dtype is not as_dtype(self.compute_dtype):
                mask = mask_of(x)
                x = converted(x, as_dtype(self.compute_dtype))
                if mask is not None:
                    set_mask(x, mask)
            return x
        if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biufc":
            x = np.asarray(x)
            if x.dtype.kind == "f" and self.autocast:
                x = x.astype(as_dtype(self.compute_dtype).np, copy=False)
            return Tensor.from_array(supported(np.ascontiguousarray(x)))
        if hasattr(x, "__array__") and not isinstance(x, (str, bytes)) and hasattr(x, "dtype"):
            return self._converted(np.asarray(x))
        return x

    # -- building --------------------------------------------------------------------------------------------------

    def _build_for(self, facts: CallFacts, args: tuple, kwargs: dict) -> None:
        """Call `build` with the shapes it asks for."""
        named = dict(zip(facts.names, args, strict=False)) | {
            k: v for k, v in kwargs.items() if k not in ("training", "mask")
        }
        shapes = {k: shapes_of(v) for k, v in named.items() if holds_tensors(v)}
        parameters = list(inspect.signature(self.build).parameters.values())
        takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
        names = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        with name_scope(self.name) if (not context.scopes or context.scopes[-1] != self.name) else nothing():
            if len(names) == 1 and not takes_all:
                self.build(next(iter(shapes.values()), None))
            elif not names and not takes_all:
                self.build()
            else:
                given = {f"{k}_shape": v for k, v in shapes.items()}
                if len(names) > 1 and not any(n in given for n in names) and len(shapes) == 1:
                    self.build(next(iter(shapes.values())))
                else:
                    self.build(**(given if takes_all else {n: given[n] for n in names if n in given}))

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Make the weights for the shapes in `config`, as get_build_config gave them."""
        if config:
            if "input_shape" in config:
                self.build(shape_tuple(config["input_shape"]))
            elif "shapes_dict" in config:
                self.build(**{k: shape_tuple(v) for k, v in config["shapes_dict"].items()})

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes this layer was built for."""
        return self._build_shapes

    # -- the functional API ------------------------------------------------------------------------------------------

    def _call_symbolic(self, args: tuple, kwargs: dict) -> Any:
        facts = facts_of(self)
        first = args[0] if args else next(iter(kwargs.values()), None)
        try:
            self._prepare(facts, first, args, kwargs)
            outputs = self._symbolic_outputs(facts, args, kwargs)
        except DovetailError as error:
            place_error(error, self, args)
            raise
        self.__dict__["built"] = True
        Node(self, args, kwargs, outputs)
        return outputs

    def _symbolic_outputs(self, facts: CallFacts, args: tuple, kwargs: dict) -> Any:
        kind = type(self)
        if kind.compute_output_spec is not Layer.compute_output_spec:
            made = self.compute_output_spec(*args, **kwargs)
            return tree.map_leaves(lambda x: KerasTensor(x.shape, x.dtype), made)
        if kind.compute_output_shape is not Layer.compute_output_shape and len(args) == 1:
            shapes = self.compute_output_shape(shapes_of(args[0]))
            return shape_specs(shapes, self.compute_dtype)
        return self._spec_from_run(args, kwargs)

    def _spec_from_run(self, args: tuple, kwargs: dict) -> Any:
        def run(*a, **k):
            return self._call(a, k)

        return output_spec(run, args, kwargs)

    def compute_output_spec(self, *args, **kwargs) -> Any:
        """KerasTensors of the shapes and dtypes that a call on these would give."""
        return self._spec_from_run(args, kwargs)

    def compute_output_shape(self, input_shape) -> Any:
        """The shape of the output for inputs of this shape. Layers that know it override this."""
        made = self.compute_output_spec(shape_specs(input_shape, self.compute_dtype))
        return tree.map_leaves(lambda x: x.shape, made)

    def symbolic_call(self, *args, **kwargs):
        return self.compute_output_spec(*args, **kwargs)

    def stateless_call(self, trainable_variables, non_trainable_variables, *args, return_losses=False, **kwargs):
        """A call with these values for the weights; returns (outputs, non-trainable values afterwards)."""
        return call_with_values(self, trainable_variables, non_trainable_variables, args, kwargs, return_losses)

    # -- files and printing ------------------------------------------------------------------------------------------

    def save_own_variables(self, store: dict) -> None:
        """Write own weights into `store` under their numbers."""
        for i, v in enumerate(self._tracked()):
            store[str(i)] = v._array()

    def load_own_variables(self, store: dict) -> None:
        """Read own weights from `store`. Raises ArgumentError where the number differs."""
        mine = list(self._tracked())
        if len(store) != len(mine):
            raise ArgumentError(
                message(
                    f"layer {self.name!r}",
                    f"expected {len(mine)} variables, but received {len(store)} variables during loading",
                    [f"{weight_path(v)} {tuple(v._meta.shape)}" for v in mine],
                )
            )
        for i, v in enumerate(mine):
            write(v, np.asarray(store[str(i)]))

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        return f"name={self.name!r}"

    def _short_text(self) -> str:
        return f"{type(self).__name__} {self.name!r}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def quantize(self, mode=None, **kwargs):
        """Raises ArgumentError: quantizing single layers is not covered."""
        raise ArgumentError(message(f"{type(self).__name__}.quantize", "is not covered yet"))


# -- parts -----------------------------------------------------------------------------------------------------------


def built_by(build: Callable) -> Callable:
    """`build` in the layer's name scope, remembered as done."""
    if getattr(build, "_notes", False):
        return build

    def noted(self, *args, **kwargs):
        own = self.__dict__
        outer = "_building" not in own
        if outer:
            own["_building"] = True
        scope = not context.scopes or context.scopes[-1] != self.name
        if scope:
            context.scopes.append(self.name)
        try:
            result = build(self, *args, **kwargs)
        finally:
            if scope:
                context.scopes.pop()
            if outer:
                own.pop("_building")
        own["built"] = True
        if outer:
            names = list(inspect.signature(build).parameters)[1:]
            given = dict(zip(names, args, strict=False)) | kwargs
            own["_build_shapes"] = (
                {"input_shape": next(iter(given.values()), None)} if len(given) == 1 else {"shapes_dict": given}
            )
            register_loose(self)
        return result

    noted._notes = True  # type: ignore[attr-defined]
    noted.__wrapped__ = build  # type: ignore[attr-defined]
    noted.__name__, noted.__doc__ = "build", build.__doc__
    return noted


def register_loose(layer: Layer) -> None:
    """Weights that were not made attributes join the Module's registry under their own names."""
    known = {id(p) for p in layer._parameters.values()}
    for v in (*layer._trainable_variables, *layer._non_trainable_variables):
        if id(v) not in known:
            name = v.name.replace(".", "_")
            while name in layer.__dict__ or hasattr(type(layer), name):
                name += "_"
            layer._parameters[name] = v


def gather(module: Module) -> Iterator[Parameter]:
    """All weights below, each once: own ones (trainable first), then those of the children in order."""
    seen = set()
    for v in walk_weights(module):
        if id(v) not in seen:
            seen.add(id(v))
            yield v


def walk_weights(module: Module) -> Iterator[Parameter]:
    if isinstance(module, Layer):
        yield from module._tracked()
        for child in module._sublayers():
            yield from walk_weights(child)
    else:
        yield from (p for p in module._parameters.values() if p is not None)
        yield from (b for b in module._buffers.values() if b is not None)  # type: ignore[misc]
        for child in module.children():
            yield from walk_weights(child)


def gather_trainable(module: Module) -> Iterator[Parameter]:
    """Weights that training changes, in the order of `gather`."""
    seen = set()

    def walk(m: Module) -> Iterator[Parameter]:
        if isinstance(m, Layer):
            if not m._trainable:
                return
            yield from (v for v in m._tracked() if getattr(v, "trainable", v._meta.requires_grad))
            for child in m._sublayers():
                yield from walk(child)
        else:
            yield from (p for p in m._parameters.values() if p is not None and p._meta.requires_grad)
            for child in m.children():
                yield from walk(child)

    for v in walk(module):
        if id(v) not in seen:
            seen.add(id(v))
            yield v


def weight_path(v: Any) -> str:
    """How a weight is called in messages."""
    return getattr(v, "path", None) or getattr(v, "name", None) or "weight"


def write(v: Tensor, array: np.ndarray) -> None:
    """Put new values into a weight's memory at once."""
    current().close()
    v._settle()
    v._array()[...] = array
    v._version += 1


def shapes_of(x: Any) -> Any:
    """The shapes of the tensors in `x`, batch sizes of real data included."""
    return tree.map_leaves(lambda t: tuple(t.shape) if hasattr(t, "shape") else t, x)


def holds_tensors(x: Any) -> bool:
    return any(isinstance(t, (Tensor, KerasTensor)) for t in tree.leaves(x))


def is_shape(x: Any) -> bool:
    return isinstance(x, (tuple, list)) and all(n is None or isinstance(n, (int, np.integer)) for n in x)


def shape_specs(shapes: Any, dtype: str) -> Any:
    """KerasTensors for a shape or a structure of shapes."""
    if is_shape(shapes):
        return KerasTensor(tuple(shapes), dtype)
    if isinstance(shapes, dict):
        return {k: shape_specs(v, dtype) for k, v in shapes.items()}
    return type(shapes)(shape_specs(s, dtype) for s in shapes)


def shape_tuple(x: Any) -> Any:
    """A shape from a config file, where tuples have become lists."""
    if is_shape(x):
        return tuple(x)
    if isinstance(x, dict):
        return {k: shape_tuple(v) for k, v in x.items()}
    return [shape_tuple(v) for v in x] if isinstance(x, (list, tuple)) else x


def single(xs: list) -> Any:
    return xs[0] if len(xs) == 1 else xs


def shape_from(kwargs: dict) -> tuple | None:
    """The batch shape that input_shape, input_dim or batch_input_shape give; they are taken out of kwargs."""
    if "input_dim" in kwargs:
        return (None, kwargs.pop("input_dim"))
    if "batch_input_shape" in kwargs or "batch_shape" in kwargs:
        return tuple(kwargs.pop("batch_input_shape", None) or kwargs.pop("batch_shape"))
    if "input_shape" in kwargs:
        shape = kwargs.pop("input_shape")
        if shape is None:
            return None
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        return (kwargs.pop("batch_size", None), *shape)
    return None


def known_arguments(kind: type) -> list[str]:
    names: list[str] = []
    for base in kind.__mro__:
        if "__init__" in base.__dict__ and issubclass(base, Layer):
            names += [
                n
                for n in inspect.signature(base.__init__).parameters
                if n not in ("self", "kwargs", "args") and n not in names
            ]
    return names


def not_initialized(layer: Layer) -> Exception:
    name = type(layer).__name__
    return RuntimeError(
        message(
            name,
            f"in layer {name!r} you forgot to call super().__init__() as the first statement in the `__init__()` "
            "method",
            cure=f"Make this the first line of {name}.__init__:  super().__init__()",
        )
    )


@contextmanager
def nothing() -> Iterator[None]:
    yield


def note_parent(module: Module, name: str, child: Any) -> None:
    """A Keras layer inside a torch-style Module follows that module's train() and eval()."""
    if isinstance(child, Layer) and not isinstance(module, Layer):
        child.__dict__["_in_module"] = True


register_module_module_registration_hook(note_parent)

__all__ = ["InputSpec", "Layer", "deserialize_object"]
