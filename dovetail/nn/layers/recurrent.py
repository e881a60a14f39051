"""Recurrent layers: RNN, LSTM, GRU over sequences, and their cells for single steps. Names are torch.nn's."""

from __future__ import annotations

import math
import warnings

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.nn import functional as F
from dovetail.nn.init import uniform_
from dovetail.nn.module import Module
from dovetail.nn.parameter import new_parameter
from dovetail.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from dovetail.ops.autocast import is_autocast_enabled
from dovetail.ops.create import zeros
from dovetail.ops.index import index_select
from dovetail.ops.recurrent import gru_layer, lstm_layer, lstm_step, rnn_layer
from dovetail.ops.shape import cat, stack
from dovetail.tensor.tensor import Tensor

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """Layers of one kind over each other, in one or both directions.

    Shape: input (T, N, I), (N, T, I) with batch_first, or (T, I); output (T, N, D H); states (D layers, N, H)
    weight_ih_l[k] (gates H, I or D H), weight_hh_l[k] (gates H, H), bias_ih_l[k], bias_hh_l[k] (gates H,): all start
    uniform in ±1/sqrt(H). The names of the backward direction end in _reverse.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self._check(dropout)
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for direction in range(1 + bidirectional):
                self._add_layer(layer, "_reverse" if direction else "", device, dtype)
        self.reset_parameters()

    def _check(self, dropout) -> None:
        name = type(self).__name__
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ArgumentError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                "dropout expects num_layers "
                f"greater than 1, but got dropout={dropout} and num_layers={self.num_layers}",
                stacklevel=4,
            )
        for which in ("input_size", "hidden_size"):
            if not isinstance(getattr(self, which), int):
                raise TypeError(f"{which} should be of type int, got: {type(getattr(self, which)).__name__}")
        for which in ("bias", "batch_first"):
            if not isinstance(getattr(self, which), bool):
                raise TypeError(f"{which} should be of type bool, got: {type(getattr(self, which)).__name__}")
        for which in ("input_size", "hidden_size", "num_layers"):
            if getattr(self, which) <= 0:
                raise ArgumentError(f"{which} must be greater than zero")
        if self.proj_size < 0:
            raise ArgumentError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ArgumentError("proj_size has to be smaller than hidden_size")
        if self.proj_size and self.mode != "LSTM":
            raise ArgumentError(message(name, "proj_size argument is only supported for LSTM, not RNN or GRU"))

    @property
    def _output_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _add_layer(self, layer: int, suffix: str, device, dtype) -> None:
        gates = GATES[self.mode] * self.hidden_size
        width = self.input_size if layer == 0 else self._output_size * (1 + self.bidirectional)
        shapes = {"weight_ih": (gates, width), "weight_hh": (gates, self._output_size)}
        if self.bias:
            shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = [f"{name}_l{layer}{suffix}" for name in shapes]
        for name, shape in zip(names, shapes.values(), strict=True):
            self.register_parameter(name, new_parameter(*shape, device=device, dtype=dtype))
        self._all_weights.append(names)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [w for weights in self.all_weights for w in weights]

    def flatten_parameters(self) -> None:
        """Accepted: weights need no particular place in memory."""

    def reset_parameters(self) -> None:
        """Draw new weights."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            uniform_(weight, -bound, bound)

    # -- running ---------------------------------------------------------------------------------------------------

    def _run(self, input: Tensor, states: tuple[Tensor, ...], lengths: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """All layers over (T, N, I). Returns the last layer's output and the stacked last states."""
        last: list[tuple[Tensor, ...]] = []
        directions = 1 + self.bidirectional
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                i = layer * directions + direction
                out, *state = self._layer(
                    input, tuple(s[i] for s in states), self._all_weights[i], lengths, bool(direction)
                )
                outputs.append(out)
                last.append(tuple(state))
            input = cat(outputs, -1) if directions == 2 else outputs[0]
            if self.dropout and self.training and layer < self.num_layers - 1:
                input = F.dropout(input, self.dropout, True)
        return input, [stack(parts) for parts in zip(*last, strict=True)]

    def _layer(self, input, state, names: list[str], lengths, reverse: bool):
        weights = {name.rpartition("_l")[0]: getattr(self, name) for name in names}
        given = (weights["weight_ih"], weights["weight_hh"], weights.get("bias_ih"), weights.get("bias_hh"))
        if self.mode == "LSTM":
            return lstm_layer(input, *state, *given, weights.get("weight_hr"), lengths, reverse)
        if self.mode == "GRU":
            return gru_layer(input, *state, *given, lengths, reverse)
        return rnn_layer(input, *state, *given, lengths, "tanh" if self.mode == "RNN_TANH" else "relu", reverse)

    def _zeros(self, batch: int, like: Tensor) -> tuple[Tensor, ...]:
        """First states that were not given."""
        count = self.num_layers * (1 + self.bidirectional)
        sizes = (self._output_size, self.hidden_size) if self.mode == "LSTM" else (self.hidden_size,)
        return tuple(zeros(count, batch, n, dtype=like.dtype) for n in sizes)

    def _check_states(self, states: tuple[Tensor, ...], batch: int) -> None:
        for name, s, wanted in zip(("hidden", "cell"), states, self._zeros_shapes(batch), strict=False):
            if tuple(s.shape) != wanted:
                which = f"hidden[{0 if name == 'hidden' else 1}]" if self.mode == "LSTM" else "hidden"
                raise ShapeError(
                    message(
                        type(self).__name__,
                        f"Expected {which} size {wanted}, got {list(s.shape)}",
                        [(f"{name} state", s)],
                    )
                )

    def _zeros_shapes(self, batch: int) -> list[tuple[int, ...]]:
        count = self.num_layers * (1 + self.bidirectional)
        return [(count, batch, self._output_size), (count, batch, self.hidden_size)]

    def forward(self, input, hx=None):
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.ndim not in (2, 3):
            raise ArgumentError(
                message(
                    type(self).__name__,
                    f"Expected input to be 2D or 3D, got {input.ndim}D tensor instead",
                    [("input", input)],
                )
            )
        if input.dtype is not self.weight_ih_l0.dtype and not is_autocast_enabled("cpu"):
            raise ArgumentError(
                message(
                    type(self).__name__,
                    f"RNN input dtype ({input.dtype}) does not match weight dtype ({self.weight_ih_l0.dtype})",
                    [("input", input), ("weight", self.weight_ih_l0)],
                    f"Convert input: input.to({self.weight_ih_l0.dtype}), or convert the model: "
                    f"model.to({input.dtype})",
                )
            )
        alone = input.ndim == 2
        x = input.unsqueeze(1) if alone else input.transpose(0, 1) if self.batch_first else input
        states = self._given_states(hx, x, alone)
        out, last = self._run(x, states, None)
        if alone:
            return out.squeeze(1), self._handed_out([s.squeeze(1) for s in last])
        return out.transpose(0, 1) if self.batch_first else out, self._handed_out(last)

    def _given_states(self, hx, x: Tensor, alone: bool) -> tuple[Tensor, ...]:
        if hx is None:
            return self._zeros(x.shape[1], x)
        states = tuple(hx) if self.mode == "LSTM" else (hx,)
        for s in states:
            if s.ndim != (2 if alone else 3):
                kind, wanted = ("unbatched 2-D", 2) if alone else ("batched 3-D", 3)
                raise ArgumentError(
                    message(
                        type(self).__name__,
                        f"For {kind} input, hx should also be {wanted}-D but got {s.ndim}-D tensor",
                        [("input", x), ("hx", s)],
                    )
                )
        states = tuple(s.unsqueeze(1) for s in states) if alone else states
        self._check_states(states, x.shape[1])
        return states

    def _handed_out(self, last: list[Tensor]):
        return tuple(last) if self.mode == "LSTM" else last[0]

    def _forward_packed(self, packed: PackedSequence, hx):
        """Packed sequences run padded, each stopping at its length, and are packed again."""
        plain = PackedSequence(packed.data, packed.batch_sizes)  # in sorted order
        padded, lengths = pad_packed_sequence(plain)
        if hx is None:
            states = self._zeros(padded.shape[1], padded)
        else:
            states = tuple(hx) if self.mode == "LSTM" else (hx,)
            if packed.sorted_indices is not None:
                states = tuple(index_select(s, 1, packed.sorted_indices) for s in states)
            self._check_states(states, padded.shape[1])
        out, last = self._run(padded, states, lengths)
        made = pack_padded_sequence(out, lengths)
        if packed.unsorted_indices is not None:
            last = [index_select(s, 1, packed.unsorted_indices) for s in last]
        result = PackedSequence(made.data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        return result, self._handed_out(last)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for name, default in (
            ("proj_size", 0),
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0),
            ("bidirectional", False),
        ):
            value = getattr(self, name)
            if value != default:
                parts.append(f"{name}={value}")
        return ", ".join(parts)


class RNN(RNNBase):
    """Elman network: h = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu with nonlinearity="relu"."""

    def __init__(self, *args, **kwargs) -> None:
        if "proj_size" in kwargs:
            raise ArgumentError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:  # input_size, hidden_size, num_layers, nonlinearity
            self_nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            self_nonlinearity = kwargs.pop("nonlinearity", "tanh")
        modes = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}
        if self_nonlinearity not in modes:
            raise ArgumentError(f"Unknown nonlinearity '{self_nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(modes[self_nonlinearity], *args, **kwargs)
        self.nonlinearity = self_nonlinearity


class LSTM(RNNBase):
    """Long short-term memory. forward(input, (h, c)) -> output, (h, c). proj_size: project h to this size."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """Gated recurrent unit. forward(input, h) -> output, h"""

    def __init__(self, *args, **kwargs) -> None:
        if "proj_size" in kwargs:
            raise ArgumentError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    """Weights of a single step. All start uniform in ±1/sqrt(hidden_size)."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device=None, dtype=None) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        gates = num_chunks * hidden_size
        self.weight_ih = new_parameter(gates, input_size, device=device, dtype=dtype)
        self.weight_hh = new_parameter(gates, hidden_size, device=device, dtype=dtype)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, new_parameter(gates, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            uniform_(weight, -bound, bound)

    def _prepared(self, input, states, count: int):
        """(input (1, N, I), states (N, H), whether there is no batch dimension)."""
        name = type(self).__name__
        if input.ndim not in (1, 2):
            raise ArgumentError(
                message(name, f"Expected input to be 1D or 2D, got {input.ndim}D instead", [("input", input)])
            )
        alone = input.ndim == 1
        x = input.unsqueeze(0) if alone else input
        if states is None:
            return (
                x.unsqueeze(0),
                tuple(zeros(x.shape[0], self.hidden_size, dtype=x.dtype) for _ in range(count)),
                alone,
            )
        for s in states:
            if s.ndim not in (1, 2):
                raise ArgumentError(
                    message(name, f"Expected hidden to be 1D or 2D, got {s.ndim}D instead", [("hidden", s)])
                )
        return x.unsqueeze(0), tuple(s.unsqueeze(0) if alone else s for s in states), alone

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if not self.bias:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text


class RNNCell(RNNCellBase):
    """One step of an RNN. Shape: (N, I), h (N, H) -> (N, H); without N too"""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device=None, dtype=None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        x, (h,), alone = self._prepared(input, None if hx is None else (hx,), 1)
        _, h = rnn_layer(
            x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, None, self.nonlinearity, False
        )
        return h.squeeze(0) if alone else h


class LSTMCell(RNNCellBase):
    """One step of an LSTM. Shape: (N, I), (h, c) each (N, H) -> (h, c); without N too"""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input, hx=None):
        x, (h, c), alone = self._prepared(input, hx, 2)
        _, h, c = lstm_step(x, h, c, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return (h.squeeze(0), c.squeeze(0)) if alone else (h, c)


class GRUCell(RNNCellBase):
    """One step of a GRU. Shape: (N, I), h (N, H) -> (N, H); without N too"""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input, hx=None):
        x, (h,), alone = self._prepared(input, None if hx is None else (hx,), 1)
        _, h = gru_layer(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, None, False)
        return h.squeeze(0) if alone else h
