"""The verifier refuses every kind of broken graph, and says which node."""

from __future__ import annotations

import pytest

from dovetail.base.dtypes import float32, float64
from dovetail.ir.core import Graph, Node, Primitive, Value, building
from dovetail.ir.verify import GraphError, verify
from dovetail.prims.elementwise import add, exp, neg


@pytest.fixture
def parts():
    x = Value((2, 3), float32, name="x")
    with building() as nodes:
        y = neg(x)
        z = exp(y)
    return x, y, z, nodes


def refused(graph: Graph, says: str) -> None:
    with pytest.raises(GraphError, match=says):
        verify(graph)


def test_a_legal_graph_passes(parts):
    x, _, z, nodes = parts
    graph = Graph([x], nodes, [z])
    assert verify(graph) is graph


def test_order(parts):
    x, _, z, nodes = parts
    refused(Graph([x], nodes[::-1], [z]), "node 0.*before it is defined")
    refused(Graph([], nodes, [z]), "before it is defined")
    refused(Graph([x], nodes[:1], [z]), "not computed")
    refused(Graph([x, x], nodes, [z]), "listed twice")
    refused(Graph([x], [nodes[0], *nodes], [z]), "node 1.*defined twice")


def test_shapes_and_dtypes(parts):
    x, y, z, nodes = parts
    z.shape = (3, 2)
    refused(Graph([x], nodes, [z]), r"float32\[3, 2\], the shape rule says float32\[2, 3\]")
    z.shape, z.dtype = (2, 3), float64
    refused(Graph([x], nodes, [z]), "shape rule says float32")


def made(prim: Primitive, *inputs, **params) -> Node:
    node = Node(prim, inputs, params)
    node.outs = (Value((2, 3), float32, node),)
    return node


def test_operands_and_settings(parts):
    x, *_ = parts
    other = Value((3, 2), float32)
    refused(Graph([x], [made(add, x)], []), "does not take these operands")
    refused(Graph([x], [made(neg, x, dim=1)], []), "does not take these operands and settings")
    refused(Graph([x], [made(neg, 1.0)], []), "operand 0 is float")
    refused(Graph([x, other], [made(add, x, other)], []), "shape rule refuses.*sizes differ")


def test_unknown_primitive(parts):
    x, *_ = parts
    stranger = Primitive.__new__(Primitive)
    stranger.__dict__.update(vars(neg))
    stranger.name = "stranger"
    refused(Graph([x], [made(stranger, x)], []), "'stranger' is not a known primitive")
