"""A graph for one example becomes a graph for a batch: the walk behind vmap, knowing no op by name.

Every node is said once for all examples, by the rules in `prims.batching`; what no example changes is computed once.
The result is made of ordinary nodes, so it has gradients, and can be batched again.
"""

from __future__ import annotations

from collections.abc import Sequence

from dovetail.ir.core import Node, Value, scope
from dovetail.prims import batching, elementwise
from dovetail.prims.make import full, random_bits
from dovetail.prims.shape import concat, reshape, slice_


class Batch:
    """What the values of one example have become.

    size    how many examples there are
    own     value -> its batched form, examples along dim 0; values not in here are the same for all examples
    same    value -> what stands for it here, where it is the same for all
    draws   whether each example draws random numbers of its own
    """

    def __init__(self, size: int, draws: bool = False):
        self.size, self.draws = size, draws
        self.own: dict[Value, Value] = {}
        self.same: dict[Value, Value] = {}
        self.drawn = 0
        self.counter: Value | None = None

    def of(self, x: Value) -> tuple[Value, bool]:
        """(value, whether it has a dim of examples)"""
        return (self.own[x], True) if x in self.own else (self.same.get(x, x), False)

    def whole(self, x: Value) -> Value:
        """The value with a dim of examples in any case."""
        return batching.whole(*self.of(x), self.size)

    def run(self, nodes: Sequence[Node]) -> None:
        """Append the batched form of `nodes` to the graph being built."""
        before = scope.where, scope.region
        try:
            for node in nodes:
                scope.where, scope.region = node.where, node.region or before[1]
                self.apply(node)
        finally:
            scope.where, scope.region = before

    def apply(self, node: Node) -> None:
        pairs = [self.of(x) for x in node.inputs]
        inputs, flags = [x for x, _ in pairs], [flag for _, flag in pairs]
        if node.prim is random_bits and self.draws:
            return self.draw(node, *inputs)
        if not any(flags):
            made = node.prim(*inputs, **node.params)
            self.same.update(zip(node.outs, made if isinstance(made, tuple) else (made,), strict=True))
            return None
        rule = node.prim.batch_rule
        made = rule(self.size, flags, *inputs, **node.params) if rule else self.one_by_one(node, inputs, flags)
        self.own.update(zip(node.outs, made if isinstance(made, (tuple, list)) else (made,), strict=True))
        return None

    def draw(self, node: Node, seed: Value, counter: Value) -> None:
        """Random bits for all examples, from a stretch of the stream that nothing else uses."""
        shape = (self.size, *node.params["shape"])
        self.counter = counter if self.counter is None else self.counter
        self.own[node.out] = bits = random_bits(seed, self.counter, shape=shape)
        blocks = -(-bits.numel // 4)
        self.drawn += blocks
        step = full(shape=(), dtype=counter.dtype, value=blocks)
        self.counter = elementwise.add(self.counter, step)

    def one_by_one(self, node: Node, inputs: Sequence[Value], flags: Sequence[bool]) -> list[Value]:
        """The primitive once for each example."""
        rows = []
        for i in range(self.size):
            one = [example(x, i) if flag else x for x, flag in zip(inputs, flags, strict=True)]
            made = node.prim(*one, **node.params)
            rows.append(made if isinstance(made, tuple) else (made,))
        stacked = []
        for column in zip(*rows, strict=True):
            parts = [reshape(x, shape=(1, *x.shape)) for x in column]
            stacked.append(concat(*parts, dim=0))
        return stacked


def example(x: Value, i: int) -> Value:
    """Example number i of a batched value."""
    starts, stops = (i, *[0] * (x.ndim - 1)), (i + 1, *x.shape[1:])
    return reshape(slice_(x, starts=starts, stops=stops, steps=(1,) * x.ndim), shape=x.shape[1:])
