"""Rebuilding a graph with some values replaced. Nodes may be shared between graphs, so none is ever changed."""

from __future__ import annotations

from dovetail.ir.core import Node, Value


def with_inputs(node: Node, inputs: tuple[Value, ...], replaced: dict[Value, Value]) -> Node:
    """The node itself where its inputs stay; else a copy on the new inputs, whose results replace the old ones."""
    if inputs == node.inputs:
        return node
    copy = Node(node.prim, inputs, node.params)
    copy.where, copy.region = node.where, node.region
    copy.outs = tuple([Value(x.shape, x.dtype, copy, i, x.weak, x.name) for i, x in enumerate(node.outs)])
    replaced.update(zip(node.outs, copy.outs, strict=True))
    return copy
