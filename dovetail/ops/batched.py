"""A captured function for many examples at once: what vmap and associative_scan are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dovetail.autodiff.batching import Batch
from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Graph, Value, scope
from dovetail.ir.printing import body as body_of
from dovetail.tensor.capture import Captured
from dovetail.tensor.modes import no_grad
from dovetail.tensor.op import op
from dovetail.tensor.random import default_generator
from dovetail.tensor.tensor import Tensor


class Batchable:
    """A captured function with the facts that it relies on, as a setting of an op: equal where the graphs are."""

    __slots__ = ("captured", "body", "outs", "checks")

    def __init__(self, captured: Captured, outs: Sequence[Value]):
        self.captured, self.outs = captured, list(outs)
        self.checks = captured.checks
        self.body = body_of(Graph([*captured.inputs, *captured.brought], captured.nodes, [*self.outs]))

    def __eq__(self, other) -> bool:
        return self is other or isinstance(other, Batchable) and self.body == other.body

    def __hash__(self) -> int:
        return hash(self.body)


def run(made: Batchable, given: Sequence[Value], size: int, flags: Sequence[bool], draws: bool) -> tuple:
    """The results for a batch, each with its examples along dim 0 (or without them where `flags_of` says so)."""
    graph = made.body.graph
    batch = Batch(size, draws)
    for x, value, flag in zip(graph.inputs, given, flags, strict=True):
        (batch.own if flag else batch.same)[x] = value
    batch.run(graph.nodes)
    if scope.checks is not None:
        scope.checks += [(batch.of(c.value)[0], c.low, c.high, c.words) for c in made.checks]
    return tuple([batch.of(x)[0] if keep else batch.whole(x) for x, keep in zip(made.outs, kept(made), strict=True)])


def kept(made: Batchable) -> list[bool]:
    """Results that are new values of tensors from outside: these have no dim of examples."""
    plain = len(made.outs) - len(made.captured.changed)
    return [i >= plain for i in range(len(made.outs))]


@op(top=False)
def batched(given: list, made: Any, size: int, flags: tuple):
    """The results of a captured function for `size` examples at once."""
    return run(made, given, size, flags, False)


@op(top=False, random=True)
def batched_draws(seed, counter, given: list, made: Any, size: int, flags: tuple, places: tuple):
    """As `batched`, with random numbers of its own for each example. places: of seed and counter among the inputs."""
    values = list(given)
    for at, value in zip(places, (seed, counter), strict=True):
        values.insert(at, value)
    return run(made, values, size, flags, True)


def for_batch(call: str, captured: Captured, outs: Sequence[Value], given: Sequence[Tensor], size: int,
              flags: Sequence[bool], randomness: str = "error") -> list[Tensor]:  # fmt: skip
    """Run a captured function for a batch. given: its arguments, those flagged with the examples along dim 0."""
    draws = [t is default_generator.counter_tensor for t, _ in captured.changed]
    if any(draws) and randomness == "error":
        text = "called random operation while in randomness error mode. Please either use the 'same' or 'different' "
        text += "randomness flags on vmap or perform the randomness operation out of vmap"
        raise ArgumentError(message(call, text))
    changed = captured.changed
    own_draws = any(draws) and randomness == "different"
    if own_draws:
        captured.changed = [pair for pair, drawn in zip(changed, draws, strict=True) if not drawn]
    made = Batchable(captured, [*outs, *[value for _, value in captured.changed]])
    inputs = [*given, *captured.outer]
    every = [*flags, *[False] * len(captured.outer)]
    check_writes(call, made, every, size)
    if own_draws:
        state = (default_generator.seed_tensor, default_generator.counter_tensor)
        places = tuple([next(i for i, t in enumerate(inputs) if t is s) for s in state])
        rest = [t for t in inputs if not any(t is s for s in state)]
        if places[0] > places[1]:
            raise ArgumentError(message(call, "the generator's state is used out of order"))
        results = batched_draws(rest, made, size, tuple(every), places)
    else:
        results = batched(inputs, made, size, tuple(every))
    write_back([t for t, _ in captured.changed], results[len(outs) :])
    return list(results[: len(outs)])


def check_writes(call: str, made: Batchable, flags: Sequence[bool], size: int) -> None:
    """Examples cannot each write their own numbers to one tensor that all share."""
    if not made.captured.changed:
        return
    own = {x for x, flag in zip(made.body.graph.inputs, flags, strict=True) if flag}
    for node in made.body.graph.nodes:
        if any(x in own for x in node.inputs):
            own.update(node.outs)
    for t, value in made.captured.changed:
        if value in own:
            text = "an in-place write of numbers that differ between the examples to a tensor that all of them share"
            cure = "Use the form without underscore, or pass the tensor as a mapped argument"
            raise ArgumentError(message(call, text, [("tensor", t)], cure))


def write_back(changed: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Let tensors from outside have what a captured function wrote to them."""
    with no_grad():
        for t, new in zip(changed, values, strict=False):
            t.copy_(new)
