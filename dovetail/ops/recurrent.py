"""Recurrent layers: one layer in one direction over a whole sequence, as one op.

The products with the inputs of all steps are one matrix product before the loop; each step then adds the product with
the hidden state. Sequences of different lengths run side by side: past its length a sequence keeps its state and gives
zeros, and a reversed one starts at its own last element.

Sources: Elman 1990; Hochreiter & Schmidhuber 1997; Cho et al. 2014, in the form of torch.nn.RNN, LSTM and GRU.
"""

from __future__ import annotations

from collections.abc import Callable

import dovetail.ops.primitives as p
from dovetail.autodiff.control import repeat
from dovetail.base.errors import ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops.promote import expanded, filled, same_dtype
from dovetail.tensor.op import op

State = tuple[Value, ...]


def projected(x: Value, weight: Value, bias: Value | None) -> Value:
    """x Wᵀ + b. Shape: (*, i), (g, i) -> (*, g)"""
    out = p.contract(x, weight, batch=((), ()), sum=((x.ndim - 1,), (1,)))
    return out if bias is None else out + expanded(bias, out.shape)


def part(x: Value, i: int, count: int) -> Value:
    """The i-th of `count` equal parts of the last axis."""
    n = x.shape[-1] // count
    starts = (0,) * (x.ndim - 1) + (i * n,)
    stops = x.shape[:-1] + ((i + 1) * n,)
    return p.slice(x, starts=starts, stops=stops, steps=(1,) * x.ndim)


def summed(a: Value | None, b: Value | None) -> Value | None:
    """Both biases of a cell whose gates simply add them."""
    return b if a is None else a if b is None else a + b


def check_sizes(call: str, x: Value, h: Value, w_ih: Value, w_hh: Value) -> None:
    facts = [("input", x), ("hidden state", h), ("weight_ih", w_ih)]
    if x.shape[-1] != w_ih.shape[1]:
        problem = f"input.size(-1) must be equal to input_size: expected {w_ih.shape[1]}, got {x.shape[-1]}"
        raise ShapeError(message(call, problem, facts))
    if h.shape != (x.shape[1], w_hh.shape[1]):
        problem = f"Expected hidden size {(x.shape[1], w_hh.shape[1])}, got {tuple(h.shape)}"
        raise ShapeError(message(call, problem, facts))
    same_dtype(call, ("input", x), ("hidden state", h), ("weight_ih", w_ih), ("weight_hh", w_hh))


def scan(
    gates: Value, state: State, lengths: Value | None, fixed: list[Value], reverse: bool, step: Callable
) -> tuple[Value, State]:
    """Run `step(gates at t, state, fixed) -> state` over all steps. Returns (outputs (T, N, H), last state).

    The steps are turns of a loop inside the program (autodiff/control.py): their number is a size like any other.
    """
    count = gates.shape[0]
    slices = [gates]
    if lengths is not None:
        slices.append(p.iota(shape=(count,), dtype=lengths.dtype, dim=0))
        fixed = [*fixed, lengths]

    def turn(state: list[Value], rows: list[Value], fixed: list[Value]) -> tuple[list[Value], list[Value]]:
        new = step(rows[0], state, fixed)
        if lengths is None:
            return list(new), [new[0]]
        alive = p.gt(fixed[-1], p.broadcast(rows[1], shape=lengths.shape, dims=()))
        kept = [held(alive, n, old) for n, old in zip(new, state, strict=True)]
        return kept, [held(alive, new[0], filled(new[0], 0))]

    last, (outputs,) = repeat(turn, list(state), slices, fixed, reverse)
    return outputs, tuple(last)


def held(alive: Value, new: Value, old: Value) -> Value:
    """`new` in the rows that are alive, `old` in the others."""
    mask = p.broadcast(alive, shape=new.shape, dims=(0,))
    return p.where(mask, new, old)


@op(top=False)
def rnn_layer(input, h, w_ih, w_hh, b_ih=None, b_hh=None, lengths=None, nonlinearity="tanh", reverse=False):
    """h = act(x W_ihᵀ + b_ih + h W_hhᵀ + b_hh). Shape: (T, N, I), h (N, H) -> (T, N, H), (N, H)"""
    check_sizes("RNN", input, h, w_ih, w_hh)
    act = p.tanh if nonlinearity == "tanh" else lambda v: p.maximum(v, filled(v, 0))

    def step(gate, state, fixed):
        return (act(gate + projected(state[0], fixed[0], None)),)

    gates = projected(input, w_ih, summed(b_ih, b_hh))
    outputs, (last,) = scan(gates, (h,), lengths, [w_hh], reverse, step)
    return outputs, last


@op(top=False)
def lstm_layer(input, h, c, w_ih, w_hh, b_ih=None, b_hh=None, w_hr=None, lengths=None, reverse=False):
    """Gates i, f, g, o; c = f c + i g; h = o tanh(c), projected by w_hr where given.

    Shape: (T, N, I), h (N, P), c (N, H) -> (T, N, P), (N, P), (N, H)
    """
    check_sizes("LSTM", input, h, w_ih, w_hh)

    def step(gate, state, fixed):
        h, c = state
        z = gate + projected(h, fixed[0], None)
        i, f, g, o = part(z, 0, 4), part(z, 1, 4), part(z, 2, 4), part(z, 3, 4)
        c = p.sigmoid(f) * c + p.sigmoid(i) * p.tanh(g)
        h = p.sigmoid(o) * p.tanh(c)
        return (h if w_hr is None else projected(h, fixed[1], None)), c

    gates = projected(input, w_ih, summed(b_ih, b_hh))
    outputs, (h, c) = scan(gates, (h, c), lengths, [w_hh] if w_hr is None else [w_hh, w_hr], reverse, step)
    return outputs, h, c


@op(top=False)
def lstm_step(input, h, c, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of lstm_layer, under a name of its own: autocast treats cells as their formula, layers as a kernel."""
    return lstm_layer(input, h, c, w_ih, w_hh, b_ih, b_hh)


@op(top=False)
def gru_layer(input, h, w_ih, w_hh, b_ih=None, b_hh=None, lengths=None, reverse=False):
    """Gates r, z, n; n = tanh(x_n + r h_n); h = (1 - z) n + z h. Shape: (T, N, I), h (N, H) -> (T, N, H), (N, H)"""
    check_sizes("GRU", input, h, w_ih, w_hh)

    def step(gate, state, fixed):
        (h,) = state
        inner = projected(h, fixed[0], None if b_hh is None else fixed[1])
        r = p.sigmoid(part(gate, 0, 3) + part(inner, 0, 3))
        z = p.sigmoid(part(gate, 1, 3) + part(inner, 1, 3))
        n = p.tanh(part(gate, 2, 3) + r * part(inner, 2, 3))
        return ((h - n) * z + n,)

    gates = projected(input, w_ih, b_ih)
    outputs, (last,) = scan(gates, (h,), lengths, [w_hh] if b_hh is None else [w_hh, b_hh], reverse, step)
    return outputs, last
