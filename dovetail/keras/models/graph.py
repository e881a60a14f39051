"""The calls that lie between the inputs and outputs of a functional model, and running real data through them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, message
from dovetail.keras.symbolic import KerasTensor, Node, source_of


class Graph:
    """A functional model's calls in an order in which they can be made.

    inputs, outputs: KerasTensors in the structure the user gave; plan: what `run` follows.
    """

    def __init__(self, inputs: Any, outputs: Any):
        self.inputs, self.outputs = inputs, outputs
        self.flat_inputs: list[KerasTensor] = tree.flatten(inputs)
        self.flat_outputs: list[KerasTensor] = tree.flatten(outputs)
        for name, xs in (("inputs", self.flat_inputs), ("outputs", self.flat_outputs)):
            for x in xs:
                if not isinstance(x, KerasTensor):
                    raise ArgumentError(
                        message(
                            "Model",
                            f"all {name} must be KerasTensors, got {type(x).__name__}",
                            [(name, x)],
                            "Start from keras.Input(...) and pass what the layers return",
                        )
                    )
        self.nodes = self.ordered()
        self.slot = {id(x): i for i, x in enumerate(self.flat_inputs)}
        self.plan = [self.step(node) for node in self.nodes]
        self.count = len(self.slot)
        self.result = [self.slot[id(x)] for x in self.flat_outputs]

    def ordered(self) -> list[Node]:
        """The nodes, each after those it needs. Raises ArgumentError where an input is missing."""
        given = {id(x) for x in self.flat_inputs}
        found: list[Node] = []
        state: dict[int, int] = {}
        for target in self.flat_outputs:
            stack = [(target, False)]
            while stack:
                x, ready = stack.pop()
                if id(x) in given:
                    continue
                node = source_of(x)
                if ready:
                    if state.get(id(node)) != 2:
                        state[id(node)] = 2
                        found.append(node)
                    continue
                if state.get(id(node)):
                    continue
                if node.is_input and not node.inputs and type(node.operation).__name__ == "InputLayer":
                    raise ArgumentError(
                        message(
                            "Model",
                            f"the outputs need the input {x.name!r}, which is not among the model's inputs",
                            [("inputs", ", ".join(i.name for i in self.flat_inputs))],
                            f"Add it: keras.Model(inputs=[..., {x.name}], outputs=...)",
                        )
                    )
                state[id(node)] = 1
                stack.append((x, True))
                stack.extend((parent, False) for parent in reversed(node.inputs))
        return found

    def step(self, node: Node) -> tuple:
        """(operation, slot in, slot out) of a simple call; any other as (operation, args, kwargs, slots out)."""
        outs = []
        for x in tree.leaves(node.outputs):
            self.slot[id(x)] = len(self.slot)
            outs.append(self.slot[id(x)])
        if (
            len(node.args) == 1
            and not node.kwargs
            and type(node.args[0]) is KerasTensor
            and isinstance(node.outputs, KerasTensor)
        ):
            return node.operation, self.slot[id(node.args[0])], outs[0], None
        return node.operation, node.args, node.kwargs, outs

    def run(self, values: list) -> Any:
        """The outputs for these inputs (in the order of `flat_inputs`)."""
        held = values + [None] * (self.count - len(values))
        slot = self.slot
        for operation, a, b, outs in self.plan:
            if outs is None:
                held[b] = operation(held[a])
                continue
            args = tree.map_leaves(lambda x: held[slot[id(x)]] if type(x) is KerasTensor else x, a)
            kwargs = tree.map_leaves(lambda x: held[slot[id(x)]] if type(x) is KerasTensor else x, b)
            made = operation(*args, **kwargs)
            for i, x in zip(outs, tree.leaves(made), strict=True):
                held[i] = x
        return tree.pack(self.outputs, [held[i] for i in self.result])

    def operations(self) -> list[Any]:
        """Input layers and operations in order, each once."""
        found: list[Any] = []
        for x in self.flat_inputs:
            history = getattr(x, "_keras_history", None)
            if history is not None and type(history.operation).__name__ == "InputLayer":
                found.append(history.operation)
        for node in self.nodes:
            if not any(node.operation is o for o in found):
                found.append(node.operation)
        return found

    def nodes_of(self, operation: Any) -> Iterator[Node]:
        """The calls of an operation that belong to this graph."""
        mine = {id(n) for n in self.nodes}
        return (n for n in operation._inbound_nodes if id(n) in mine or (n.is_input and n.outputs in self.flat_inputs))

    def is_chain(self) -> bool:
        """Whether each call has one input, the call before it."""
        return (
            len(self.flat_inputs) == 1
            and len(self.flat_outputs) == 1
            and all(
                len(n.inputs) == 1 and (i == 0 or n.inputs[0] is tree.flatten(self.nodes[i - 1].outputs)[0])
                for i, n in enumerate(self.nodes)
            )
            and len({id(n.operation) for n in self.nodes}) == len(self.nodes)
        )
