"""Recurrent layers: cells, RNN over any cell, and LSTM, GRU, SimpleRNN as single ops where their settings allow it.

Sequences are (batch, steps, features). A cell is a layer with `state_size` and call(inputs, states) -> (output,
states).
"""

from __future__ import annotations

from typing import Any

import dovetail.ops.primitives as p
from dovetail.base import tree
from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Value
from dovetail.keras import activations, constraints, initializers, ops, regularizers
from dovetail.keras.layers.layer import TABLE, Layer, facts_of
from dovetail.keras.layers.regularization import drop_out
from dovetail.keras.layers.spec import InputSpec
from dovetail.keras.lookup import deserialize, serialize
from dovetail.keras.ops.convert import tensor
from dovetail.ops.promote import cast
from dovetail.ops.recurrent import gru_layer, lstm_layer, rnn_layer
from dovetail.ops.shape import reshaped, transpose
from dovetail.tensor.op import op

# -- cells -------------------------------------------------------------------------------------------------------------


class _Cell(Layer):
    """Base: settings, weights of `gates` parts, dropout."""

    gates = 1
    two_activations = True

    def _set_up_cell(self, options: dict) -> None:
        units = options["units"]
        if not isinstance(units, int) or units <= 0:
            raise ArgumentError(message(type(self).__name__, f"units must be a positive whole number, got {units!r}"))
        self.units, self.use_bias = units, options["use_bias"]
        self.activation = activations.get(options["activation"])
        if self.two_activations:
            self.recurrent_activation = activations.get(options["recurrent_activation"])
        for name in ("kernel", "recurrent", "bias"):
            setattr(self, f"{name}_initializer", initializers.get(options[f"{name}_initializer"]))
            setattr(self, f"{name}_regularizer", regularizers.get(options[f"{name}_regularizer"]))
            setattr(self, f"{name}_constraint", constraints.get(options[f"{name}_constraint"]))
        self.dropout = min(1.0, max(0.0, options["dropout"]))
        self.recurrent_dropout = min(1.0, max(0.0, options["recurrent_dropout"]))
        self.seed = options["seed"]
        self.output_size = units
        self.bias = None

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def _first_bias(self) -> Any:
        return self.bias_initializer

    def build(self, input_shape):
        size = self.gates * self.units
        self.kernel = self.add_weight(
            (input_shape[-1], size),
            self.kernel_initializer,
            name="kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            (self.units, size),
            self.recurrent_initializer,
            name="recurrent_kernel",
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                self._bias_shape(),
                self._first_bias(),
                name="bias",
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def _dropped(self, inputs, h, training):
        """Inputs and state after dropout; one mask serves all steps of a sequence."""
        if training and self.dropout:
            inputs = inputs * self._mask("input", inputs, self.dropout)
        if training and self.recurrent_dropout:
            h = h * self._mask("state", h, self.recurrent_dropout)
        return inputs, h

    def _mask(self, name: str, x, rate: float):
        kept = self.__dict__.setdefault("_masks", {})
        if name not in kept:
            kept[name] = drop_out(ops.ones_like(x), float(rate), None)
        return kept[name]

    def reset_masks(self) -> None:
        """Draw new dropout masks for the next sequence."""
        self.__dict__["_masks"] = {}

    def get_initial_state(self, batch_size=None):
        """Zeros."""
        sizes = self.state_size if isinstance(self.state_size, (list, tuple)) else [self.state_size]
        return [ops.zeros((batch_size, n), dtype=self.compute_dtype) for n in sizes]

    def _cell_config(self) -> dict:
        config = {"units": self.units, "activation": activations.serialize(self.activation), "use_bias": self.use_bias,
                  "dropout": self.dropout, "recurrent_dropout": self.recurrent_dropout, "seed": self.seed}  # fmt: skip
        if self.two_activations:
            config["recurrent_activation"] = activations.serialize(self.recurrent_activation)
        for name in ("kernel", "recurrent", "bias"):
            config[f"{name}_initializer"] = initializers.serialize(getattr(self, f"{name}_initializer"))
            config[f"{name}_regularizer"] = regularizers.serialize(getattr(self, f"{name}_regularizer"))
            config[f"{name}_constraint"] = constraints.serialize(getattr(self, f"{name}_constraint"))
        return {**config, **self._more_config()}

    def _more_config(self) -> dict:
        return {}

    def get_config(self):
        return {**super().get_config(), **self._cell_config()}


def first_state(states: Any) -> Any:
    return states[0] if isinstance(states, (list, tuple)) else states


class SimpleRNNCell(_Cell):
    """h' = activation(x K + h R + b)."""

    two_activations = False

    def __init__(
        self,
        units,
        activation="tanh",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._set_up_cell(locals())
        self.state_size = units

    def call(self, sequence, states, training=False):
        inputs, h = self._dropped(sequence, first_state(states), training)
        out = inputs @ self.kernel
        out = (out if self.bias is None else out + self.bias) + h @ self.recurrent_kernel
        out = self.activation(out)
        return out, [out] if isinstance(states, (list, tuple)) else out


class GRUCell(_Cell):
    """Gated recurrent unit, gates in the order z, r, h. reset_after: the reset gate works on the product. Source: Cho
    et al. 2014.
    """

    gates = 3

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        reset_after=True,
        seed=None,
        **kwargs,
    ):
        kwargs.pop("implementation", None)
        super().__init__(**kwargs)
        self._set_up_cell(locals())
        self.reset_after, self.state_size = reset_after, units

    def _bias_shape(self):
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def call(self, inputs, states, training=False):
        inputs, h = self._dropped(inputs, first_state(states), training)
        n = self.units
        own = other = None
        if self.bias is not None:
            own, other = (self.bias[0], self.bias[1]) if self.reset_after else (self.bias, None)
        x = inputs @ self.kernel
        x = x if own is None else x + own
        if self.reset_after:
            r = h @ self.recurrent_kernel
            r = r if other is None else r + other
            z, reset = (
                self.recurrent_activation(x[:, :n] + r[:, :n]),
                self.recurrent_activation(x[:, n : 2 * n] + r[:, n : 2 * n]),
            )
            new = self.activation(x[:, 2 * n :] + reset * r[:, 2 * n :])
        else:
            r = h @ self.recurrent_kernel[:, : 2 * n]
            z, reset = (
                self.recurrent_activation(x[:, :n] + r[:, :n]),
                self.recurrent_activation(x[:, n : 2 * n] + r[:, n:]),
            )
            new = self.activation(x[:, 2 * n :] + (reset * h) @ self.recurrent_kernel[:, 2 * n :])
        h = z * h + (1.0 - z) * new
        return h, [h] if isinstance(states, (list, tuple)) else h

    def _more_config(self):
        return {"reset_after": self.reset_after}


class LSTMCell(_Cell):
    """Long short-term memory, gates in the order i, f, c, o. Source: Hochreiter & Schmidhuber 1997."""

    gates = 4

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
        kwargs.pop("implementation", None)
        super().__init__(**kwargs)
        self._set_up_cell(locals())
        self.unit_forget_bias, self.state_size = unit_forget_bias, [units, units]

    def _first_bias(self):
        if not self.unit_forget_bias:
            return self.bias_initializer
        n, rest = self.units, self.bias_initializer

        def forgetful(shape, dtype=None):
            """Ones for the forget gate."""
            return ops.concatenate(
                [tensor(rest((n,), dtype=dtype)), ops.ones((n,), dtype), tensor(rest((2 * n,), dtype=dtype))]
            )

        return forgetful

    def call(self, inputs, states, training=False):
        h, c = states
        inputs, h = self._dropped(inputs, h, training)
        z = inputs @ self.kernel + h @ self.recurrent_kernel
        z = z if self.bias is None else z + self.bias
        n = self.units
        i, f = self.recurrent_activation(z[:, :n]), self.recurrent_activation(z[:, n : 2 * n])
        c = f * c + i * self.activation(z[:, 2 * n : 3 * n])
        h = self.recurrent_activation(z[:, 3 * n :]) * self.activation(c)
        return h, [h, c]

    def _more_config(self):
        return {"unit_forget_bias": self.unit_forget_bias}


class StackedRNNCells(Layer):
    """Several cells, each fed by the one below."""

    def __init__(self, cells, **kwargs):
        super().__init__(**kwargs)
        for cell in cells:
            if not hasattr(cell, "call") or not hasattr(cell, "state_size"):
                raise ArgumentError(
                    message(
                        "StackedRNNCells",
                        "all cells must have a `call` method and a `state_size`",
                        [("received", cell)],
                    )
                )
        self.cells = list(cells)

    @property
    def state_size(self):
        return [c.state_size for c in self.cells]

    @property
    def output_size(self):
        return self.cells[-1].output_size

    def get_initial_state(self, batch_size=None):
        return [c.get_initial_state(batch_size=batch_size) for c in self.cells]

    def build(self, input_shape):
        shape = input_shape
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(shape)
            shape = (input_shape[0], cell.output_size)
        self.built = True

    def reset_masks(self) -> None:
        for cell in self.cells:
            if hasattr(cell, "reset_masks"):
                cell.reset_masks()

    def call(self, inputs, states, training=False):
        made = []
        for cell, state in zip(self.cells, states, strict=True):
            state = list(state) if tree.is_nested(state) else [state]
            inputs, new = cell(inputs, state, training=training) if takes_training(cell) else cell(inputs, state)
            made.append(new)
        return inputs, made

    def get_config(self):
        return {**super().get_config(), "cells": [serialize(c) for c in self.cells]}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["cells"] = [deserialize(c, custom_objects) for c in config["cells"]]
        return cls(**config)


def takes_training(cell: Any) -> bool:
    return isinstance(cell, Layer) and facts_of(cell).takes_training


# -- loops over sequences
# ------------------------------------------------------------------------------------------------


class RNN(Layer):
    """A cell run over the steps of sequences.

    return_sequences: outputs of all steps; return_state: also the last states; go_backwards: from the last step on;
    stateful: the next batch goes on where this one ended. Shape: (n, steps, features) -> (n, units) or (n, steps,
    units)
    """

    def __init__(
        self,
        cell,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        zero_output_for_mask=False,
        **kwargs,
    ):
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        if not hasattr(cell, "call") or not hasattr(cell, "state_size"):
            raise ArgumentError(
                message("RNN", "the cell needs a `call` method and a `state_size` attribute", [("cell", cell)])
            )
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.stateful, self.unroll, self.zero_output_for_mask = stateful, unroll, zero_output_for_mask
        self.supports_masking = True
        self.__dict__["states"] = None
        size = cell.state_size
        self.__dict__["state_size"] = list(size) if isinstance(size, (list, tuple)) else [size]

    def build(self, sequences_shape, initial_state_shape=None):
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
        self.built = True

    def get_initial_state(self, batch_size):
        """States before the first step."""
        made = self.cell.get_initial_state(batch_size=batch_size) if hasattr(self.cell, "get_initial_state") else [
            ops.zeros((batch_size, n)) for n in self.state_size]  # fmt: skip
        return list(made) if tree.is_nested(made) else [made]

    def reset_state(self) -> None:
        """Forget the states of a stateful layer."""
        self.__dict__["states"] = None

    reset_states = reset_state

    def input_advice(self, shape: tuple) -> str:
        if len(shape) == 2:
            return ("It needs whole sequences, (batch, steps, features). If they come from another recurrent layer, "
                "give that one "
                    "return_sequences=True")  # fmt: skip
        return ""

    def output_advice(self, consumer: Any) -> str:
        """What to change in this layer when the next one wants sequences."""
        if isinstance(consumer, RNN) and not self.return_sequences:
            return f"Give layer {self.name!r} return_sequences=True, so that it passes on every step"
        return ""

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if initial_state is None:
            state = (
                self.states if self.stateful and self.states is not None else self.get_initial_state(sequences.shape[0])
            )
        else:
            state = list(initial_state) if tree.is_nested(initial_state) else [initial_state]
            state = tree.map_leaves(tensor, state)
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        last, outputs, states = self.run(sequences, state, mask, bool(training))
        if self.stateful:
            self.__dict__["states"] = tree.map_leaves(lambda t: t.detach(), states)
        out = outputs if self.return_sequences else last
        return (out, *states) if self.return_state else out

    def run(self, sequences, state: list, mask, training: bool) -> tuple[Any, Any, list]:
        """(last output, all outputs or None, last states), step by step."""
        if hasattr(self.cell, "reset_masks"):
            self.cell.reset_masks()
        more = {"training": training} if takes_training(self.cell) else {}
        count = sequences.shape[1]
        outputs: list = []
        out = None
        for t in reversed(range(count)) if self.go_backwards else range(count):
            new, states = self.cell(sequences[:, t], state, **more)
            states = list(states) if isinstance(states, (list, tuple)) else [states]
            if mask is not None:
                alive = mask[:, t]
                before = out if out is not None else ops.zeros_like(new)
                shown = kept(alive, new, ops.zeros_like(new) if self.zero_output_for_mask else before)
                out = kept(alive, new, before)
                states = tree.pack(
                    states, [kept(alive, a, b) for a, b in zip(tree.leaves(states), tree.leaves(state), strict=True)]
                )
                outputs.append(shown)
            else:
                out = new
                outputs.append(new)
            state = states
        return out, ops.stack(outputs, axis=1) if self.return_sequences else None, list(state)

    def compute_mask(self, sequences, previous_mask=None):
        mask = previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask
        shown = mask if self.return_sequences else None
        return [shown, *[None] * len(self.state_size)] if self.return_state else shown

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        n, steps = sequences_shape[0], sequences_shape[1]
        size = getattr(self.cell, "output_size", None)
        size = (tree.flatten(self.state_size)[0] if size is None else size,)
        out = (n, steps, *size) if self.return_sequences else (n, *size)
        return (out, *((n, k) for k in tree.leaves(self.state_size))) if self.return_state else out

    def _rnn_config(self) -> dict:
        return {
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
        }

    def get_config(self):
        return {**super().get_config(), **self._rnn_config(), "cell": serialize(self.cell)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        if isinstance(config.get("cell"), dict):
            config["cell"] = deserialize(config["cell"], custom_objects)
        return super().from_config(config)


def kept(alive, new, old):
    """`new` in the rows that are alive, `old` in the others."""
    shape = (alive.shape[0], *(1,) * (new.ndim - 1))
    return ops.where(ops.reshape(alive, shape), new, old)


@op(top=False, name="keras.lstm")
def lstm_of(
    input: Value,
    h: Value,
    c: Value,
    kernel: Value,
    recurrent: Value,
    bias: Value | None,
    lengths: Value | None,
    reverse: bool,
):
    """(outputs (n, steps, units), h, c) of a whole layer."""
    w, r = (transpose(cast(v, input.dtype), 0, 1) for v in (kernel, recurrent))
    made = lstm_layer(
        transpose(input, 0, 1),
        h,
        c,
        w,
        r,
        None if bias is None else cast(bias, input.dtype),
        None,
        None,
        lengths,
        reverse,
    )
    return (transpose(made[0], 0, 1), *made[1:])


@op(top=False, name="keras.gru")
def gru_of(
    input: Value, h: Value, kernel: Value, recurrent: Value, bias: Value | None, lengths: Value | None, reverse: bool
):
    """(outputs (n, steps, units), h) of a whole layer with reset_after."""

    def reordered(v: Value) -> Value:
        """Keras's gates z, r, h in torch's order r, z, n."""
        n = v.shape[-1] // 3
        parts = [section_of(v, i * n, (i + 1) * n) for i in (1, 0, 2)]
        return p.concat(*parts, dim=v.ndim - 1)

    w, r = (transpose(reordered(cast(v, input.dtype)), 0, 1) for v in (kernel, recurrent))
    b_in = b_rec = None
    if bias is not None:
        both = reordered(cast(bias, input.dtype))
        b_in, b_rec = (
            reshaped(p.slice(both, starts=(i, 0), stops=(i + 1, both.shape[1]), steps=(1, 1)), (both.shape[1],))
            for i in (0, 1)
        )
    made = gru_layer(transpose(input, 0, 1), h, w, r, b_in, b_rec, lengths, reverse)
    return (transpose(made[0], 0, 1), *made[1:])


@op(top=False, name="keras.simple_rnn")
def simple_of(
    input: Value,
    h: Value,
    kernel: Value,
    recurrent: Value,
    bias: Value | None,
    lengths: Value | None,
    kind: str,
    reverse: bool,
):
    """(outputs (n, steps, units), h) of a whole layer."""
    w, r = (transpose(cast(v, input.dtype), 0, 1) for v in (kernel, recurrent))
    made = rnn_layer(
        transpose(input, 0, 1), h, w, r, None if bias is None else cast(bias, input.dtype), None, lengths, kind, reverse
    )
    return (transpose(made[0], 0, 1), *made[1:])


def section_of(v: Value, start: int, stop: int) -> Value:
    return p.slice(v, starts=(0,) * (v.ndim - 1) + (start,), stops=(*v.shape[:-1], stop), steps=(1,) * v.ndim)


class _OneOp(RNN):
    """Base of LSTM, GRU and SimpleRNN: the whole layer is one op where activations and dropout allow it."""

    def _set_up_layer(self, cell, options: dict, kwargs: dict) -> None:
        RNN.__init__(
            self,
            cell,
            options["return_sequences"],
            options["return_state"],
            options["go_backwards"],
            options["stateful"],
            options["unroll"],
            kwargs.pop("zero_output_for_mask", False),
            activity_regularizer=options["activity_regularizer"],
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=3)

    def __getattr__(self, name: str) -> Any:
        # Settings of the cell (units, kernel_initializer, ...) are readable on the layer, as in Keras.
        cell = self.__dict__.get("_modules", {}).get("cell")
        if cell is not None and not name.startswith("_") and name in cell.__dict__:
            return cell.__dict__[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def one_op(self) -> bool:
        raise NotImplementedError

    def whole(self, sequences, state: list, lengths, training: bool) -> tuple:
        raise NotImplementedError

    def run(self, sequences, state, mask, training):
        cell = self.cell
        if not self.one_op() or mask is not None or (training and cell.recurrent_dropout):
            return super().run(sequences, state, mask, training)
        if training and cell.dropout:
            cell.reset_masks()
            sequences = sequences * ops.expand_dims(cell._mask("input", sequences[:, 0], cell.dropout), 1)
        outputs, *states = self.whole(sequences, state, None, training)
        if self.return_sequences and self.go_backwards:
            outputs = ops.flip(outputs, axis=1)
        return states[0], outputs, states

    def get_config(self):
        base = Layer.get_config(self)
        config = self.cell._cell_config()
        return {
            **base,
            **self._rnn_config(),
            **config,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return Layer.from_config.__func__(cls, config)


class SimpleRNN(_OneOp):
    """A fully connected recurrent layer."""

    def __init__(
        self,
        units,
        activation="tanh",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        seed=None,
        **kwargs,
    ):
        cell = SimpleRNNCell(
            units,
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            name="simple_rnn_cell",
            dtype=kwargs.get("dtype"),
        )
        self._set_up_layer(cell, locals(), kwargs)

    def one_op(self):
        return self.cell.activation in (activations.tanh, activations.relu)

    def whole(self, sequences, state, lengths, training):
        cell = self.cell
        kind = "tanh" if cell.activation is activations.tanh else "relu"
        return simple_of(
            sequences, state[0], cell.kernel, cell.recurrent_kernel, cell.bias, lengths, kind, self.go_backwards
        )

    def get_config(self):
        config = super().get_config()
        config.pop("seed")
        return config


class GRU(_OneOp):
    """Gated recurrent units. Source: Cho et al. 2014."""

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        reset_after=True,
        use_cudnn="auto",
        **kwargs,
    ):
        kwargs.pop("implementation", None)
        cell = GRUCell(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            reset_after,
            seed,
            name="gru_cell",
            dtype=kwargs.get("dtype"),
        )
        self._set_up_layer(cell, locals(), kwargs)

    def one_op(self):
        cell = self.cell
        return (
            cell.reset_after
            and cell.activation is activations.tanh
            and cell.recurrent_activation is activations.sigmoid
        )

    def whole(self, sequences, state, lengths, training):
        cell = self.cell
        return gru_of(sequences, state[0], cell.kernel, cell.recurrent_kernel, cell.bias, lengths, self.go_backwards)


class LSTM(_OneOp):
    """Long short-term memory. Source: Hochreiter & Schmidhuber 1997."""

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        use_cudnn="auto",
        **kwargs,
    ):
        kwargs.pop("implementation", None)
        cell = LSTMCell(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            unit_forget_bias,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            name="lstm_cell",
            dtype=kwargs.get("dtype"),
        )
        self._set_up_layer(cell, locals(), kwargs)

    def one_op(self):
        return self.cell.activation is activations.tanh and self.cell.recurrent_activation is activations.sigmoid

    def whole(self, sequences, state, lengths, training):
        cell = self.cell
        return lstm_of(
            sequences, state[0], state[1], cell.kernel, cell.recurrent_kernel, cell.bias, lengths, self.go_backwards
        )


# -- around other layers
# -------------------------------------------------------------------------------------------------


class Wrapper(Layer):
    """Base of layers around another layer."""

    def __init__(self, layer, **kwargs):
        if not isinstance(layer, Layer):
            raise ArgumentError(message(type(self).__name__, f"takes a layer, got {layer!r}"))
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape=None):
        if not self.layer.built:
            self.layer.build(input_shape)
        self.built = True

    def get_config(self):
        return {**super().get_config(), "layer": serialize(self.layer)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["layer"] = deserialize(config["layer"], custom_objects)
        return cls(**config)


class TimeDistributed(Wrapper):
    """A layer applied to every step. Shape: (n, steps, *) -> (n, steps, *)"""

    def __init__(self, layer, **kwargs):
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        if len(input_shape) < 3:
            raise ArgumentError(
                message(f"TimeDistributed {self.name!r}", f"needs an input of at least 3 dims, got shape {input_shape}")
            )
        super().build((input_shape[0], *input_shape[2:]))

    def call(self, inputs, training=None, mask=None):
        n, steps = inputs.shape[:2]
        more = {"training": training} if takes_training(self.layer) and training is not None else {}
        flat = self.layer(ops.reshape(inputs, (n * steps, *inputs.shape[2:])), **more)
        return tree.map_leaves(lambda t: ops.reshape(t, (n, steps, *t.shape[1:])), flat)

    def compute_output_shape(self, input_shape):
        inner = self.layer.compute_output_shape((input_shape[0], *input_shape[2:]))
        return (inner[0], input_shape[1], *inner[1:])


class Bidirectional(Layer):
    """A recurrent layer in both directions; merge_mode: concat, sum, mul, ave or None (both). Source: Schuster &
    Paliwal 1997.
    """

    def __init__(self, layer, merge_mode="concat", weights=None, backward_layer=None, **kwargs):
        if not isinstance(layer, Layer):
            raise ArgumentError(message("Bidirectional", f"takes a recurrent layer, got {layer!r}"))
        if merge_mode not in ("sum", "mul", "ave", "concat", None):
            raise ArgumentError(
                message(
                    "Bidirectional",
                    f"invalid merge_mode {merge_mode!r}",
                    cure="Expected 'sum', 'mul', 'ave', 'concat' or None",
                )
            )
        super().__init__(**kwargs)
        config = layer.get_config()
        forward = {**config, "name": f"forward_{layer.name.removeprefix('forward_')}"}
        self.forward_layer = type(layer).from_config(forward)
        if backward_layer is None:
            backward = {**config, "go_backwards": True, "name": f"backward_{layer.name.removeprefix('backward_')}"}
            self.backward_layer = type(layer).from_config(backward)
        else:
            self.backward_layer = backward_layer
        for one in (self.forward_layer, self.backward_layer):
            if hasattr(one, "zero_output_for_mask"):
                one.zero_output_for_mask = layer.return_sequences
        self.merge_mode = merge_mode
        self.stateful, self.return_sequences, self.return_state = (
            layer.stateful,
            layer.return_sequences,
            layer.return_state,
        )
        self.supports_masking = True
        self.input_spec = layer.input_spec

    def build(self, sequences_shape, initial_state_shape=None):
        for one in (self.forward_layer, self.backward_layer):
            if not one.built:
                one.build(sequences_shape)
        self.built = True

    def call(self, sequences, initial_state=None, mask=None, training=None):
        half = None if initial_state is None else len(initial_state) // 2
        states = (None, None) if half is None else (initial_state[:half], initial_state[half:])
        more = {"training": training} if training is not None else {}
        a = self.forward_layer(sequences, initial_state=states[0], mask=mask, **more)
        b = self.backward_layer(sequences, initial_state=states[1], mask=mask, **more)
        last: tuple = ()
        if self.return_state:
            last, a, b = (*a[1:], *b[1:]), a[0], b[0]
        if self.return_sequences:
            b = ops.flip(b, axis=1)
        out = {"concat": lambda: ops.concatenate([a, b], axis=-1), "sum": lambda: a + b, "ave": lambda: (a + b) * 0.5,
               "mul": lambda: a * b, None: lambda: (a, b)}[self.merge_mode]()  # fmt: skip
        if self.return_state:
            return (*out, *last) if self.merge_mode is None else (out, *last)
        return out

    def reset_state(self) -> None:
        """Forget the states of stateful layers."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def compute_mask(self, sequences, previous_mask=None):
        mask = previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask
        if not self.return_sequences:
            return None
        return [mask, mask] if self.merge_mode is None else mask

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        shape = self.forward_layer.compute_output_shape(sequences_shape)
        states: tuple = ()
        if self.return_state:
            shape, *rest = shape
            states = (*rest, *rest)
        if self.merge_mode == "concat":
            shape = (*shape[:-1], shape[-1] * 2)
        if self.merge_mode is None:
            return (shape, shape, *states)
        return (shape, *states) if self.return_state else shape

    def get_config(self):
        config = {
            "merge_mode": self.merge_mode,
            "layer": serialize(self.forward_layer),
            "backward_layer": serialize(self.backward_layer),
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["layer"] = deserialize(config["layer"], custom_objects)
        if config.get("backward_layer") is not None:
            config["backward_layer"] = deserialize(config["backward_layer"], custom_objects)
        return cls(**config)


for _kind in (
    SimpleRNNCell,
    GRUCell,
    LSTMCell,
    StackedRNNCells,
    RNN,
    SimpleRNN,
    GRU,
    LSTM,
    Wrapper,
    TimeDistributed,
    Bidirectional,
):
    TABLE.add(_kind)
