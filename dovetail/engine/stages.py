"""Splits a graph where native code must be left, at primitives that run in Python, and runs the parts in turn.

Every node gets a level: even levels are native, odd levels run in Python. A node's level is the lowest of its kind
that is not below those of its inputs, so native code is left as rarely as the chain of host primitives allows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from dovetail.codegen.lower import can_lower
from dovetail.engine.interpret import Run as Interpret
from dovetail.engine.interpret import prepare
from dovetail.engine.native import Alias, Layouts, Run
from dovetail.engine.order import with_own_outputs
from dovetail.ir.core import Body, Graph, Node, Value
from dovetail.ir.printing import body as body_of
from dovetail.ir.sym import Sym, evaluate
from dovetail.prims.families import MAKE
from dovetail.runtime import memory

Other = Callable[[Node], Callable | None]  # what a Python stage calls instead of a node's meaning


class Stage:
    """A part of a graph. `graph` stands alone; `inputs` and `outputs` are the values of the whole graph it passes on.

    layouts, alias: as for a whole graph, by the stage's own inputs and outputs
    """

    __slots__ = ("native", "graph", "inputs", "outputs", "layouts", "alias")

    def __init__(self, native: bool, graph: Graph, inputs: list[Value], outputs: list[Value]):
        self.native, self.graph, self.inputs, self.outputs = native, graph, inputs, outputs
        self.layouts: Layouts | None = None
        self.alias: Alias = {}


def split(
    graph: Graph, layouts: Layouts | None, alias: Alias, native: Callable[[Node], bool] = can_lower
) -> tuple[Graph, list[Stage]]:
    """The graph, with memory of its own for each output, and its stages in the order they run."""
    graph = with_own_outputs(graph)
    level: dict[Node, int] = {}
    members: dict[int, list[Node]] = {}
    for node in graph.nodes:
        lowest = max([level[value.node] for value in node.inputs if value.node in level], default=0)
        level[node] = lowest + (lowest % 2 == native(node))
        members.setdefault(level[node], []).append(node)
    stages = connect(graph, {n: copies_first(nodes, level, n, native) for n, nodes in members.items()})
    for stage in stages:
        stage.layouts = layouts and [dict(zip(graph.inputs, layouts, strict=True)).get(v) for v in stage.inputs]
    set_aliases(graph, stages, alias)
    return graph, stages


def set_aliases(graph: Graph, stages: list[Stage], alias: Alias) -> None:
    """Tell each stage which of its outputs lie over its inputs."""
    late = late_outputs(graph, stages, alias)
    for output, given in alias.items():
        value, over = graph.outputs[output], graph.inputs[given]
        for stage in stages:
            if output not in late and value in stage.outputs and over in stage.inputs:
                stage.alias[stage.outputs.index(value)] = stage.inputs.index(over)


def late_outputs(graph: Graph, stages: list[Stage], alias: Alias) -> set[int]:
    """Outputs over an input that a later stage still reads: they are put in their place at the very end."""
    late = set()
    for output, given in alias.items():
        maker = next(i for i, stage in enumerate(stages) if graph.outputs[output] in stage.outputs)
        if any(graph.inputs[given] in stage.inputs for stage in stages[maker + 1 :]):
            late.add(output)
    return late


def copies_first(nodes: list[Node], level: dict[Node, int], n: int, native: Callable[[Node], bool]) -> list[Node]:
    """A level's nodes, and those from levels below that are cheaper to repeat than to pass on (constants, iotas)."""
    added: dict[Node, None] = {}
    for node in nodes:
        for value in node.inputs:
            maker = value.node
            cheap = maker in level and level[maker] < n and maker.prim.family == MAKE and not maker.inputs
            if cheap and (n % 2 or native(maker)):
                added[maker] = None
    return [*added, *nodes]


def connect(graph: Graph, members: dict[int, list[Node]]) -> list[Stage]:
    """Stages from the nodes of each level: what each takes from the levels below and what the levels above want."""
    wanted: set[Value] = set(graph.outputs)
    stages: list[Stage] = []
    for n in sorted(members, reverse=True):
        nodes = members[n]
        made = {value for node in nodes for value in node.outs}
        taken: dict[Value, None] = {}
        for node in nodes:
            taken.update({value: None for value in node.inputs if value not in made})
        outputs = [value for node in nodes for value in node.outs if value in wanted]
        if not outputs and not any(node.prim.effect for node in nodes):
            continue
        stages.append(Stage(n % 2 == 0, detached(nodes, list(taken), outputs), list(taken), outputs))
        wanted -= set(outputs)
        wanted.update(taken)
    stages.reverse()
    return stages


def detached(nodes: list[Node], inputs: list[Value], outputs: list[Value]) -> Graph:
    """A graph of its own made of copies of `nodes`, whose inputs are plain Values."""
    new = {value: Value(value.shape, value.dtype, name=value.name) for value in inputs}
    copies = []
    for node in nodes:
        copy = Node(node.prim, tuple([new[value] for value in node.inputs]), node.params)
        copy.outs = tuple([Value(value.shape, value.dtype, copy, value.index) for value in node.outs])
        copy.where, copy.region = node.where, node.region
        new.update(zip(node.outs, copy.outs, strict=True))
        copies.append(copy)
    return Graph([new[value] for value in inputs], copies, [new[value] for value in outputs])


class StagedRun:
    """Runs a graph's stages one after the other; what they pass on lies in storages of this run."""

    def __init__(
        self, graph: Graph, stages: list[Stage], runs: list[Run | None], alias: Alias, other: Other | None = None
    ):
        slots: dict[Value, int] = {}
        for value in graph.inputs + [value for stage in stages for value in stage.outputs]:
            slots.setdefault(value, len(slots))
        late = late_outputs(graph, stages, alias)
        target = {value: k for k, value in enumerate(graph.outputs) if k not in late}
        self._late = [(k, slots[graph.outputs[k]], graph.outputs[k]) for k in sorted(late)]
        self._count = len(slots)
        last = {value: i for i, stage in enumerate(stages) for value in stage.inputs + stage.outputs}
        kept = {*graph.inputs, *graph.outputs}
        self._steps = []
        for i, (stage, run) in enumerate(zip(stages, runs, strict=True)):
            outs = [(slots[value], value, target.get(value, -1)) for value in stage.outputs]
            dead = [slots[value] for value, at in last.items() if at == i and value not in kept]
            ins = [slots[value] for value in stage.inputs]
            self._steps.append((run or HostRun(stage, other), ins, outs, dead))

    def __call__(self, in_ptrs: Sequence[int], out_ptrs: Sequence[int], sizes: Sequence[int] = ()) -> None:
        ptrs = [*in_ptrs, *[0] * (self._count - len(in_ptrs))]
        held: dict[int, memory.Storage] = {}
        for run, ins, outs, dead in self._steps:
            for slot, value, k in outs:
                if k < 0:
                    held[slot] = memory.allocate(bytes_of(value, sizes))
                ptrs[slot] = out_ptrs[k] if k >= 0 else held[slot].ptr
            run([ptrs[slot] for slot in ins], [ptrs[slot] for slot, _, _ in outs], sizes)
            for slot in dead:
                held.pop(slot, None)
        for k, slot, value in self._late:
            shape = known_shape(value, sizes)
            memory.array_at(out_ptrs[k], shape, value.dtype)[...] = memory.array_at(ptrs[slot], shape, value.dtype)


class HostRun:
    """Runs a stage in Python. The graph of a shape-generic program is made concrete for each table of sizes."""

    MOST = 16  # tables of sizes whose concrete graphs are kept

    def __init__(self, stage: Stage, other: Other | None = None):
        self._graph, self._other = stage.graph, other
        self._strides = [
            s and tuple(n * value.dtype.itemsize for n in s)
            for s, value in zip(stage.layouts or [None] * len(stage.inputs), stage.inputs, strict=True)
        ]
        self._generic = is_generic(stage.graph)
        self._prepared: OrderedDict[tuple, tuple[Interpret, Graph]] = OrderedDict()

    def __call__(self, in_ptrs: Sequence[int], out_ptrs: Sequence[int], sizes: Sequence[int] = ()) -> None:
        run, graph = self._concrete(tuple(sizes) if self._generic else ())
        arrays = [
            memory.array_at(ptr, value.shape, value.dtype, strides)
            for ptr, value, strides in zip(in_ptrs, graph.inputs, self._strides, strict=True)
        ]
        for ptr, value, result in zip(out_ptrs, graph.outputs, run(arrays), strict=True):
            memory.array_at(ptr, value.shape, value.dtype)[...] = result

    def _concrete(self, sizes: tuple) -> tuple[Interpret, Graph]:
        found = self._prepared.get(sizes)
        if found is None:
            graph = concrete(self._graph, sizes) if self._generic else self._graph
            found = self._prepared[sizes] = prepare(graph, self._other), graph
            while len(self._prepared) > self.MOST:
                self._prepared.popitem(last=False)
        return found


def known_shape(value: Value, sizes: Sequence[int]) -> tuple[int, ...]:
    return tuple([evaluate(n, sizes) for n in value.shape])


def bytes_of(value: Value, sizes: Sequence[int]) -> int:
    nbytes = value.dtype.itemsize
    for n in value.shape:
        nbytes *= evaluate(n, sizes)
    return nbytes


def is_generic(graph: Graph) -> bool:
    """Whether a graph has sizes or settings that are known at run time only."""
    values = graph.inputs + [value for node in graph.nodes for value in node.outs]
    return any(has_sym(value.shape) for value in values) or any(
        has_sym(setting) for node in graph.nodes for setting in node.params.values()
    )


def has_sym(x) -> bool:
    return any(has_sym(one) for one in x) if type(x) is tuple else type(x) is Sym


def concrete(graph: Graph, sizes: Sequence[int]) -> Graph:
    """A shape-generic graph with the numbers of one table of sizes in it."""

    def known(x):
        if type(x) is tuple:
            return tuple([known(one) for one in x])
        if type(x) is Body:
            return body_of(concrete(x.graph, sizes))
        return evaluate(x, sizes) if type(x) is Sym else x

    new = {value: Value(known(value.shape), value.dtype, name=value.name) for value in graph.inputs}
    nodes = []
    for node in graph.nodes:
        settings = {name: known(setting) for name, setting in node.params.items()}
        copy = Node(node.prim, tuple([new[value] for value in node.inputs]), settings)
        copy.outs = tuple([Value(known(value.shape), value.dtype, copy, value.index) for value in node.outs])
        copy.where, copy.region = node.where, node.region
        new.update(zip(node.outs, copy.outs, strict=True))
        nodes.append(copy)
    return Graph([new[value] for value in graph.inputs], nodes, [new[value] for value in graph.outputs])
