"""A graph as text, for people and for comparing."""

from __future__ import annotations

import numpy as np

from dovetail.base.dtypes import float32
from dovetail.ir.core import Graph, Literal, Value, building, region, scope
from dovetail.ir.printing import fingerprint, graph_text, param_key, stable_text
from dovetail.ir.sym import Sym
from dovetail.prims.elementwise import tanh
from dovetail.prims.make import full, literal_of


def small(name: str = "x", line: int = 12) -> Graph:
    x, w = Value((32, 784), float32, name=name), Value((64, 784), float32, name="w")
    before = scope.where
    with building() as nodes:
        scope.where = ("/somewhere/train.py", line, "main")
        with region("linear", (x, w), {}):
            y = tanh(x * 2.0)
        scope.where = before
    return Graph([x, w], nodes, [y])


def test_text_for_people():
    assert graph_text(small()) == (
        "graph(%x: float32[32, 784], %w: float32[64, 784])\n"
        "\n"
        "%0: float32[32, 784] = full(value=2.0)   # train.py:12 linear\n"
        "%1: float32[32, 784] = mul(%x, %0)       # train.py:12 linear\n"
        "%2: float32[32, 784] = tanh(%1)          # train.py:12 linear\n"
        "\n"
        "return %2"
    )
    assert repr(small()) == graph_text(small())


def test_stable_text_forgets_names_and_lines():
    assert stable_text(small("x", 12)) == stable_text(small("data", 99))
    assert fingerprint(small("x", 12)) == fingerprint(small("data", 99))


def test_stable_text_tells_constants_apart():
    def of(make):
        with building() as nodes:
            out = make()
        return fingerprint(Graph([], nodes, [out]))

    prints = [of(lambda v=v: full(shape=(2,), dtype=float32, value=v)) for v in (0.0, -0.0, 1.0, 1e-45)]
    prints += [of(lambda v=v: literal_of(np.array(v, np.float32))) for v in ([0.0, 1.0], [1.0, 0.0], [[0.0, 1.0]])]
    assert len(set(prints)) == len(prints)


def test_keys_tell_apart_what_equality_does_not():
    values = [1, True, 1.0, 0.0, -0.0, 1 + 0j, Sym(1, ("table", 0)), Sym(1, ("table", 1)), (1,), (True,)]
    assert len({param_key(v) for v in values}) == len(values)
    assert param_key(float("nan")) == param_key(float("nan"))
    assert param_key(Literal(np.ones(2))) == param_key(Literal(np.ones(2)))
