"""The gradient of a scan: a scan that runs the other way.

One turn of it is the gradient of one turn. What that reads of the forward turn (and what is not quickly worked out
again) becomes a further result of the forward loop; both loops over the same operands are made one by `passes.loops`.

A whole operand (a weight) gets the sum of the turns' shares. Where a turn's share is a matrix product or a sum, the
turns hand out the factors instead, and one long product over all turns follows the loop.
"""

from __future__ import annotations

from collections.abc import Callable

from dovetail.autodiff.control import placeholders, scan, several
from dovetail.autodiff.gradient import gradients
from dovetail.ir.core import Graph, Node, Value, building
from dovetail.ir.printing import body as body_of
from dovetail.prims import families
from dovetail.prims.contract import contract
from dovetail.prims.elementwise import add
from dovetail.prims.make import zeros_like
from dovetail.prims.reduce import reduce_sum
from dovetail.prims.shape import broadcast, reshape, slice_, transpose

Later = Callable[[], Value]  # makes a value after the loop


@scan.gradient
def scan_gradient(gs, outs, *given, body, carried, scanned, length, reverse):
    return ScanGradient(several(gs), several(outs), given, body, carried, scanned, length, reverse).write()


class ScanGradient:
    """The writing of one loop's gradient."""

    def __init__(self, gs, outs, given, body, carried, scanned, length, reverse):
        self.gs, self.outs, self.given, self.body = gs, outs, given, body
        self.size = given[carried].shape[0] if scanned else length
        self.states, self.slices, self.reverse = carried, scanned, reverse
        self.settings = {"carried": carried, "scanned": scanned, "length": length, "reverse": reverse}
        self.graph: Graph = body.graph
        self.stacks: dict[Value, Value] = {}  # value of a turn -> all turns' values, stacked
        self.emitted: dict[Value, int] = {}  # value of a backward turn -> number of the result that hands it out
        self.sums: list[Value] = []  # values of a backward turn that are added up in the loop

    def write(self) -> list[Value | None]:
        graph, a, b = self.graph, self.states, self.states + self.slices
        carried = [i for i in range(a) if graph.inputs[i].dtype.is_differentiable]
        asked = [j for j, g in enumerate(self.gs) if j >= a and g is not None]
        after = placeholders([graph.outputs[i] for i in carried])
        came = placeholders([graph.outputs[j] for j in asked])
        with building() as nodes:
            ends = [graph.outputs[i] for i in carried] + [graph.outputs[j] for j in asked]
            shares = gradients(ends, [*after, *came], graph.inputs)
            before = [zeros_like(graph.inputs[i]) if shares[i] is None else shares[i] for i in carried]
        self.made = {x: node for node in nodes for x in node.outs}
        self.stacks.update(zip(came, [self.gs[j] for j in asked], strict=True))
        self.stacks.update(zip(graph.inputs[a:b], self.given[a:b], strict=True))
        again = self.keep(nodes, [x for x in (*shares, *before) if x is not None])
        self.made.update({x: node for node in again for x in node.outs})
        self.moving = set(after) | set(self.stacks)

        rows = {i: self.emit(shares[i]) for i in range(a, b) if shares[i] is not None}
        wholes = {i: self.total(shares[i]) for i in range(b, len(self.given)) if shares[i] is not None}
        first = [zeros_like(self.outs[i]) if self.gs[i] is None else self.gs[i] for i in carried]
        self.run(again + nodes, after, before, first)
        found: list[Value | None] = [None] * len(self.given)
        for number, i in enumerate(carried):
            found[i] = self.last[number]
        for i, number in rows.items():
            found[i] = self.results[number]
        for i, later in wholes.items():
            found[i] = later()
        return found

    def keep(self, nodes: list[Node], roots: list[Value]) -> list[Node]:
        """Make the forward loop hand out what the backward turn reads; returns what is computed again instead."""
        inputs = set(self.graph.inputs)
        own, again, saved = set(self.made), {}, {}
        moves = self.depends_on_states()

        def visit(x: Value) -> None:
            if x in own or x in self.stacks or x in saved or x in again:
                return
            if x.node is None:
                if x in inputs and self.graph.inputs.index(x) < self.states:
                    saved[x] = None
            elif is_quick(x.node, moves):
                for y in x.node.inputs:
                    visit(y)
                for y in x.node.outs:
                    again[y] = x.node
            else:
                saved[x] = None

        for x in [x for node in nodes for x in node.inputs] + roots:
            visit(x)
        results = self.graph.outputs[self.states :]
        extra = [x for x in saved if x not in results]
        stacked = list(self.outs[self.states :])
        if extra:
            wider = body_of(Graph(self.graph.inputs, self.graph.nodes, self.graph.outputs + extra))
            stacked += scan(*self.given, body=wider, **self.settings)[len(self.outs) :]
        for x, stack in zip([*results, *extra], stacked, strict=True):
            if x in saved:
                self.stacks[x] = stack
        return list(dict.fromkeys(again.values()))

    def depends_on_states(self) -> set[Value]:
        moves = set(self.graph.inputs[: self.states])
        for node in self.graph.nodes:
            if any(x in moves for x in node.inputs):
                moves.update(node.outs)
        return moves

    def run(self, nodes: list[Node], after: list[Value], before: list[Value], first: list[Value]) -> None:
        """Append the backward loop."""
        read = {x for node in nodes for x in node.inputs} | {*before, *self.emitted, *self.sums}
        rows = [x for x in self.stacks if x in read]
        whole = [(x, y) for x, y in zip(self.graph.inputs, self.given, strict=True)
                 if x in read and x not in self.stacks and x not in self.made]
        totals = placeholders(self.sums)
        inner = placeholders([*after, *totals, *rows, *(x for x, _ in whole)])
        new = dict(zip((*after, *totals, *rows, *(x for x, _ in whole)), inner, strict=True))
        with building() as copies:
            for node in nodes:
                copy = Node(node.prim, tuple([new[x] for x in node.inputs]), node.params)
                copy.outs = tuple([Value(x.shape, x.dtype, copy, x.index) for x in node.outs])
                copy.where, copy.region = node.where, None
                copies.append(copy)
                new.update(zip(node.outs, copy.outs, strict=True))
            sums = [add(new[t], new[x]) for t, x in zip(totals, self.sums, strict=True)]
        outputs = [new[x] for x in before] + sums + [new[x] for x in self.emitted]
        operands = [*first, *map(zeros_like, self.sums), *(self.stacks[x] for x in rows), *(y for _, y in whole)]
        if not outputs:
            self.last = self.results = ()
            return
        made = several(scan(
            *operands, body=body_of(Graph(inner, copies, outputs)), carried=len(before) + len(sums),
            scanned=len(rows), length=0 if rows else self.size, reverse=not self.reverse,
        ))  # fmt: skip
        self.last, self.results = made[: len(before) + len(sums)], made[len(before) + len(sums) :]
        self.carried = len(before)

    # Sums over all turns

    def emit(self, x: Value) -> int:
        """Hand out x from every turn: the number of the result."""
        return self.emitted.setdefault(x, len(self.emitted))

    def total(self, x: Value) -> Later:
        """The sum of x over all turns, added up in the loop where there is no better way."""
        return self.after_loop(x) or self.in_loop(x)

    def in_loop(self, x: Value) -> Later:
        self.sums.append(x)
        number = len(self.sums) - 1
        return lambda: self.last[self.carried + number]

    def after_loop(self, x: Value) -> Later | None:
        """The sum of x over all turns from what the turns hand out; None where that would hand out x itself."""
        node = self.made.get(x)
        if node is None:
            return None
        name, settings = node.prim.name, node.params
        if name == "add":
            parts = [self.after_loop(y) for y in node.inputs]
            if parts == [None, None]:
                return None
            left, right = (part or self.in_loop(y) for part, y in zip(parts, node.inputs, strict=True))
            return lambda: add(left(), right())
        if name in ("neg", "transpose", "reshape"):
            inner = self.after_loop(node.inputs[0])
            return inner and (lambda: node.prim(inner(), **settings))
        if name == "reduce_sum":
            rows = self.stacked(node.inputs[0])
            return lambda: reduce_sum(rows(), dims=(0, *[d + 1 for d in settings["dims"]]))
        if name == "contract" and all(map(self.moves, node.inputs)):
            a, b = (self.stacked(y) for y in node.inputs)
            batch = tuple([tuple([d + 1 for d in side]) for side in settings["batch"]])
            summed = tuple([(0, *[d + 1 for d in side]) for side in settings["sum"]])
            if any(batch):
                return None
            return lambda: contract(a(), b(), batch=batch, sum=summed)
        return None

    def moves(self, x: Value) -> bool:
        """Whether x differs from turn to turn."""
        if x in self.moving:
            return True
        node = self.made.get(x)
        return node is not None and any(map(self.moves, node.inputs))

    def stacked(self, x: Value) -> Later:
        """x of all turns along a new first dim; shape primitives are applied to the whole stack."""
        if x in self.stacks:
            return lambda: self.stacks[x]
        node = self.made.get(x)
        if node is not None and self.moves(x) and x not in self.emitted:
            name, settings = node.prim.name, node.params
            if name == "transpose":
                rows = self.stacked(node.inputs[0])
                return lambda: transpose(rows(), perm=(0, *[d + 1 for d in settings["perm"]]))
            if name == "reshape":
                rows = self.stacked(node.inputs[0])
                return lambda: reshape(rows(), shape=(self.size, *settings["shape"]))
            if name == "broadcast":
                rows = self.stacked(node.inputs[0])
                dims = (0, *[d + 1 for d in settings["dims"]])
                return lambda: broadcast(rows(), shape=(self.size, *settings["shape"]), dims=dims)
            if name == "slice" and node.inputs[0] in self.stacks:
                rows = self.stacked(node.inputs[0])
                cut = {"starts": 0, "stops": self.size, "steps": 1}
                return lambda: slice_(rows(), **{k: (n, *settings[k]) for k, n in cut.items()})
        number = self.emit(x)
        return lambda: self.results[number]


def is_quick(node: Node, moves: set[Value]) -> bool:
    """Whether a value costs less to compute again than to keep for each turn."""
    if len(node.outs) > 1 or node.prim.host or node.prim.effect:
        return False
    if node.prim.family in (families.SHAPE, families.MAKE) and node.prim.name != "random_bits":
        return True
    if node.prim.name in ("detach", "identity"):
        return True
    return node.prim.family == families.ELEMENT and node.out.dtype.kind == "b" and node.out not in moves


