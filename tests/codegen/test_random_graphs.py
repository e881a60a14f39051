"""Random programs: whatever the grouping does, compiled code equals the meanings of the primitives."""

from __future__ import annotations

import numpy as np
from codegen_driver import TARGETS, compare
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.base.dtypes import float32, int64
from dovetail.ir.core import PRIMITIVES, Graph, Value, building
from dovetail.prims.contract import contract
from dovetail.prims.elementwise import convert, where
from dovetail.prims.index import gather, index_add, scatter_add, take
from dovetail.prims.make import constant
from dovetail.prims.shape import broadcast, concat, pad, reshape, slice_, transpose, update_slice

SIZES = [1, 2, 3, 4, 7, 16, 17, 20, 33]
UNARY = ["neg", "abs", "tanh", "sigmoid", "sin", "sign", "floor"]
BINARY = ["add", "sub", "mul", "maximum", "minimum"]
FOLDS = ["reduce_sum", "reduce_max", "reduce_min"]


STEPS = ["unary", "binary", "binary", "fold", "fold", "restore", "transpose", "reshape", "slice", "pad", "concat",
         "stack", "contract", "contract", "where", "scan", "take", "gather", "scatter", "update", "arg"]


class Author:
    """Draws one program, step by step, out of what it has made so far."""

    def __init__(self, draw):
        self.draw = draw
        self.values: list[Value] = []

    def pick(self, options):
        return self.draw(st.sampled_from(options))

    def some(self, *, rank: int | None = None) -> Value | None:
        """A value made before, more often a late one; None where none has this rank."""
        fitting = [v for v in self.values if rank is None or v.ndim >= rank]
        if not fitting:
            return None
        at = self.draw(st.integers(0, len(fitting) - 1))
        return fitting[max(at, self.draw(st.integers(0, len(fitting) - 1)))]

    def dim(self, x: Value) -> int:
        return self.draw(st.integers(0, x.ndim - 1))

    def step(self) -> Value | None:
        return getattr(self, self.pick(STEPS))()

    def unary(self):
        return PRIMITIVES[self.pick(UNARY)](self.some())

    def fitted(self, x: Value, shape: tuple) -> Value | None:
        """x broadcast to `shape`, where it fits at some dims."""
        if x.shape == shape:
            return x
        dims, at = [], 0
        for n in x.shape:
            while at < len(shape) and n not in (1, shape[at]):
                at += 1
            if at == len(shape):
                return None
            dims.append(at)
            at += 1
        return broadcast(x, shape=shape, dims=tuple(dims))

    def binary(self):
        x = self.some()
        y = self.fitted(self.some(), x.shape)
        if y is None:
            y = constant(self.pick([0.5, 2.0, -1.0]), x.shape, float32)
        pair = [x, y] if self.draw(st.booleans()) else [y, x]
        return PRIMITIVES[self.pick(BINARY)](*pair)

    def where(self):
        x = self.some()
        y = self.fitted(self.some(), x.shape)
        return None if y is None else where(PRIMITIVES[self.pick(["lt", "ge"])](x, y), y, x * 0.5)

    def fold(self):
        x = self.some(rank=1)
        if x is None:
            return None
        dims = tuple(sorted(self.draw(st.sets(st.integers(0, x.ndim - 1), min_size=1))))
        return PRIMITIVES[self.pick(FOLDS)](x, dims=dims) * 0.25

    def arg(self):
        x = self.some(rank=1)
        return None if x is None else convert(PRIMITIVES["argmax"](x, dim=self.dim(x)), dtype=float32) * 0.1

    def restore(self):
        """Something reduced, back over the sizes it came from."""
        x = self.some(rank=1)
        if x is None:
            return None
        dim = self.dim(x)
        kept = tuple(d for d in range(x.ndim) if d != dim)
        folded = PRIMITIVES[self.pick(FOLDS)](x, dims=(dim,))
        return x - broadcast(folded, shape=x.shape, dims=kept)

    def transpose(self):
        x = self.some(rank=2)
        return None if x is None else transpose(x, perm=tuple(self.draw(st.permutations(range(x.ndim)))))

    def reshape(self):
        x = self.some()
        n = x.numel
        first = self.pick([d for d in range(1, n + 1) if n % d == 0])
        return reshape(x, shape=self.pick([(n,), (first, n // first), (first, 1, n // first), (*x.shape, 1)]))

    def slice(self):
        x = self.some(rank=1)
        if x is None:
            return None
        dim, step = self.dim(x), self.pick([1, 1, 2, -1])
        starts, stops, steps = [0] * x.ndim, list(x.shape), [1] * x.ndim
        starts[dim], stops[dim] = (x.shape[dim] // 3, x.shape[dim]) if step > 0 else (x.shape[dim] - 1, -1)
        steps[dim] = step
        return slice_(x, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))

    def pad(self):
        x = self.some(rank=1)
        if x is None or x.numel > 2000:
            return None
        low = tuple(self.draw(st.integers(0, 2)) for _ in x.shape)
        high = tuple(self.draw(st.integers(0, 2)) for _ in x.shape)
        return pad(x, low=low, high=high, value=self.pick([0.0, 1.5]))

    def concat(self):
        x = self.some(rank=1)
        return None if x is None or x.numel > 2000 else concat(x, x * 2.0, dim=self.dim(x))

    def stack(self):
        """Many parts, most of which are computed only for this."""
        x = self.some(rank=1)
        if x is None or x.numel > 1000:
            return None
        parts = [x * float(i) if i % 3 else self.fitted(self.some(), x.shape) or x for i in range(self.pick([2, 4, 5]))]
        dim = self.draw(st.integers(0, x.ndim))
        sizes = x.shape[:dim] + (1,) + x.shape[dim:]
        return concat(*[reshape(p, shape=sizes) for p in parts], dim=dim)

    def update(self):
        x = self.some(rank=1)
        if x is None:
            return None
        part = slice_(x, starts=(0,) * x.ndim, stops=tuple((n + 1) // 2 for n in x.shape), steps=(1,) * x.ndim)
        return update_slice(x, part * 3.0, starts=tuple(n // 2 for n in x.shape), steps=(1,) * x.ndim)

    def contract(self):
        x = self.some(rank=1)
        if x is None:
            return None
        y = next((v for v in reversed(self.values) if v.ndim and x.shape[-1] in v.shape), None)
        dim = y.shape.index(x.shape[-1])
        if x.numel * y.numel // x.shape[-1] ** 2 > 4000:
            return None
        return contract(x, y, batch=((), ()), sum=((x.ndim - 1,), (dim,))) * 0.1

    def scan(self):
        x = self.some(rank=1)
        return None if x is None else PRIMITIVES[self.pick(["cumsum", "cummax"])](x, dim=self.dim(x)) * 0.3

    def places(self, shape: tuple, below: int) -> Value:
        """Indices that depend on nothing but their position."""
        place = PRIMITIVES["iota"](shape=shape, dtype=int64, dim=len(shape) - 1)
        return PRIMITIVES["remainder"](place * 5, constant(below, shape, int64))

    def take(self):
        x = self.some(rank=1)
        if x is None:
            return None
        dim = self.dim(x)
        return take(x, self.places((3, 5), x.shape[dim]), dim=dim) if x.numel < 2000 else None

    def gather(self):
        x = self.some(rank=1)
        if x is None:
            return None
        dim = self.dim(x)
        shape = tuple(1 if d == dim and self.draw(st.booleans()) else n for d, n in enumerate(x.shape))
        return gather(x, self.places(shape, x.shape[dim]), dim=dim)

    def scatter(self):
        x = self.some(rank=1)
        if x is None:
            return None
        dim = self.dim(x)
        if self.draw(st.booleans()):
            shape = x.shape[:dim] + (4,) + x.shape[dim + 1 :]
            return index_add(x, self.places((4,), x.shape[dim]), constant(0.5, shape, float32), dim=dim)
        shape = tuple(1 if d == dim else n for d, n in enumerate(x.shape))
        return scatter_add(x, self.places(shape, x.shape[dim]), constant(0.5, shape, float32), dim=dim)


@st.composite
def programs(draw):
    """A graph of float32 values, its inputs' numbers, and outputs that lie over inputs."""
    author = Author(draw)
    inputs = []
    for _ in range(draw(st.integers(1, 3))):
        rank = draw(st.integers(1, 3))
        shape = tuple(author.pick(SIZES if rank < 3 else SIZES[:5]) for _ in range(rank))
        inputs.append(Value(shape, float32))
    author.values = list(inputs)
    with building() as nodes:
        for _ in range(draw(st.integers(1, 14))):
            made = author.step()
            if made is not None and made.numel <= 6000 and made.numel:
                author.values.append(made)
    count = draw(st.integers(1, 4))
    outputs = [author.some() for _ in range(count)] + author.values[-1:]
    alias: dict[int, int] = {}
    for o, v in enumerate(outputs):
        free = [i for i, x in enumerate(inputs) if x.shape == v.shape and i not in alias.values()]
        if free and draw(st.booleans()):
            alias[o] = free[0]
    graph = Graph(inputs, nodes, outputs)
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    arrays = [rng.uniform(-2, 2, v.shape).astype(np.float32) for v in inputs]
    if draw(st.booleans()):
        arrays = [np.ascontiguousarray(a.T).T for a in arrays]
    return graph, arrays, alias


def tried(program, target) -> None:
    graph, arrays, alias = program
    with np.errstate(all="ignore"):
        compare(graph, arrays, tol=2e-3, targets=[target], alias=alias, layouts=True)


quick = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@quick
@given(programs())
def test_random_programs(program):
    tried(program, TARGETS[0])


@settings(quick, max_examples=25)
@given(programs())
def test_random_programs_for_machines_without_masks(program):
    tried(program, TARGETS[-1])
