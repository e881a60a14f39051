"""Transposes sink towards the readers, so that arithmetic is done in the order in which memory was written.

A convolution's product comes out with its channels last; a transpose then shows it as the user wants it. Without this
pass every following operation would read it across memory, and none could join the product's kernel. With it

    relu(transpose(product) + bias)   becomes   transpose(relu(product + bias))

Transposes cost nothing until something really needs the other order (an output, a flattening reshape).
"""

from __future__ import annotations

from collections.abc import Callable

from dovetail.ir.core import Graph, Node, Value, building, scope
from dovetail.passes import dce
from dovetail.passes.rebuild import with_inputs
from dovetail.passes.sizes import is_one, sizes
from dovetail.prims.families import ELEMENT
from dovetail.prims.shape import broadcast, concat, inverse_order, pad, reshape, slice_, transpose, update_slice

Perm = tuple[int, ...]
Rule = Callable[..., "Value | None"]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register: (node, base, perm) for a node that reads transpose(base, perm) -> its value, or None to leave it."""

    def keep(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return keep


def run(graph: Graph) -> Graph:
    """The graph with transposes moved behind arithmetic, padding, slices, sums and reshapes that allow it."""
    if not any(node.prim.name == "transpose" for node in graph.nodes):
        return graph
    replaced: dict[Value, Value] = {}
    shown = set(graph.outputs)
    before = scope.where, scope.region
    with building() as nodes:
        for node in graph.nodes:
            inputs = tuple([replaced.get(x, x) for x in node.inputs]) if replaced else node.inputs
            scope.where, scope.region = node.where, node.region
            sunk = None if node.out in shown or len(node.outs) > 1 else sink(node, inputs)
            if sunk is None:
                nodes.append(with_inputs(node, inputs, replaced))
            else:
                replaced[node.out] = sunk
    scope.where, scope.region = before
    return dce.run(Graph(graph.inputs, nodes, [replaced.get(x, x) for x in graph.outputs]))


def sink(node: Node, inputs: tuple[Value, ...]) -> Value | None:
    if node.prim.family == ELEMENT:
        return element(node, inputs)
    if node.prim.name in ("concat", "update_slice"):
        return joined(node, inputs)
    if inputs and node.prim.name in RULES and is_turned(inputs[0]):
        x = inputs[0].node
        return RULES[node.prim.name](node, x.inputs[0], x.params["perm"])
    return None


def is_turned(x: Value) -> bool:
    return x.node is not None and x.node.prim.name == "transpose"


def turned(x: Value, perm: Perm) -> Value:
    return x if perm == tuple(range(len(perm))) else transpose(x, perm=perm)


# -- arithmetic --------------------------------------------------------------------------------------------------------


def element(node: Node, inputs: tuple[Value, ...]) -> Value | None:
    """Arithmetic goes below the transpose that more of its operands have than are stored otherwise."""
    perms = [x.node.params["perm"] for x in inputs if is_turned(x)]
    if not perms:
        return None
    perm = max(perms, key=perms.count)
    others = [x for x in inputs if not (is_turned(x) and x.node.params["perm"] == perm) and not movable(x)]
    if len(inputs) > 1 and perms.count(perm) <= len(set(others)):
        return None
    back = inverse_order(perm)
    bases = [x.node.inputs[0] if is_turned(x) and x.node.params["perm"] == perm else pulled(x, back) for x in inputs]
    return transpose(node.prim(*bases, **node.params), perm=perm)


def movable(x: Value) -> bool:
    """Whether x is as cheap in another order: one number everywhere, few numbers repeated, arithmetic on such."""
    if x.node is None:
        return False
    name = x.node.prim.name
    if name in ("full", "iota", "broadcast"):
        return True
    return x.node.prim.family == ELEMENT and all(movable(y) for y in x.node.inputs)


def pulled(x: Value, perm: Perm) -> Value:
    """transpose(x, perm), with the transpose moved up to where it costs nothing."""
    if not movable(x):
        return transpose(x, perm=perm)
    node, shape = x.node, tuple([x.shape[d] for d in perm])
    if node.prim.name == "full":
        return node.prim(**{**node.params, "shape": shape})
    if node.prim.name == "iota":
        return node.prim(**{**node.params, "shape": shape, "dim": perm.index(node.params["dim"])})
    if node.prim.name == "broadcast":
        inner = node.inputs[0]
        where = [perm.index(d) for d in node.params["dims"]]
        order = sorted(range(len(where)), key=where.__getitem__)
        return broadcast(turned(inner, tuple(order)), shape=shape, dims=tuple(sorted(where)))
    return node.prim(*[pulled(y, perm) for y in node.inputs], **node.params)


# -- moves and sums ----------------------------------------------------------------------------------------------------


@rule("transpose")
def twice(node: Node, base: Value, perm: Perm) -> Value:
    return turned(base, tuple([perm[d] for d in node.params["perm"]]))


@rule("detach", "identity")
def same(node: Node, base: Value, perm: Perm) -> Value:
    return transpose(node.prim(base), perm=perm)


def in_base(values, perm: Perm) -> tuple:
    """A setting for each dim, in the order of the base's dims."""
    back = inverse_order(perm)
    return tuple([values[d] for d in back])


@rule("pad")
def padded(node: Node, base: Value, perm: Perm) -> Value:
    low, high = (in_base(node.params[name], perm) for name in ("low", "high"))
    return transpose(pad(base, low=low, high=high, value=node.params["value"]), perm=perm)


@rule("slice")
def sliced(node: Node, base: Value, perm: Perm) -> Value:
    given = {name: in_base(node.params[name], perm) for name in ("starts", "stops", "steps")}
    return transpose(slice_(base, **given), perm=perm)


@rule("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_all", "reduce_any")
def folded(node: Node, base: Value, perm: Perm) -> Value:
    dims = tuple(sorted([perm[d] for d in node.params["dims"]]))
    return turned(node.prim(base, dims=dims), order_left(perm, dims))


@rule("argmax", "argmin")
def chosen(node: Node, base: Value, perm: Perm) -> Value:
    dim = perm[node.params["dim"]]
    return turned(node.prim(base, dim=dim), order_left(perm, (dim,)))


def order_left(perm: Perm, gone: tuple[int, ...]) -> Perm:
    """perm without the base's dims `gone`."""
    kept = [d for d in perm if d not in gone]
    ranks = {d: i for i, d in enumerate(sorted(kept))}
    return tuple([ranks[d] for d in kept])


@rule("broadcast")
def spread(node: Node, base: Value, perm: Perm) -> Value | None:
    """New dims follow the dim that they follow in the user's order. Repeating along an old dim counts as arithmetic."""
    dims, shape = node.params["dims"], node.params["shape"]
    order = [dims[d] for d in inverse_order(perm)]  # the result's dims that base's dims become, in base's order
    for d in range(len(shape)):
        if d not in order:
            order.insert(order.index(d - 1) + 1 if d else 0, d)
    made = broadcast(base, shape=tuple([shape[d] for d in order]),
                     dims=tuple([order.index(dims[d]) for d in inverse_order(perm)]))
    return turned(made, inverse_order(tuple(order)))


@rule("reshape")
def regrouped(node: Node, base: Value, perm: Perm) -> Value | None:
    """A reshape that joins or splits dims which are neighbours in the base too."""
    pairs = runs(sizes(node.inputs[0].shape), sizes(node.params["shape"]))
    if pairs is None:
        return None
    shape = node.params["shape"]
    blocks = []  # (position in the base, result's dims)
    for ins, outs in pairs:
        where = [perm[d] for d in ins]
        if where and where != list(range(where[0], where[0] + len(where))):
            return None
        blocks.append((where[0] if where else -1, outs))
    order = [d for _, outs in sorted(blocks, key=lambda block: block[0]) for d in outs]
    if sorted(order) != list(range(len(shape))):
        return None
    made = reshape(base, shape=tuple([shape[d] for d in order]))
    return turned(made, inverse_order(tuple(order)))


def runs(a: tuple, b: tuple) -> list[tuple[list[int], list[int]]] | None:
    """Pair runs of dims of `a` with the runs of `b` that hold the same elements; None where sizes do not tell."""
    found, i, j = [], 0, 0
    while i < len(a) or j < len(b):
        if i < len(a) and j < len(b) and not is_one(a[i]) and not is_one(b[j]):
            ins, outs, m, n = [i], [j], a[i], b[j]
            i, j = i + 1, j + 1
            while m != n:
                if isinstance(m, int) and isinstance(n, int) and m > n and j < len(b):
                    n, outs, j = n * b[j], [*outs, j], j + 1
                elif i < len(a) and (not isinstance(m, int) or not isinstance(n, int) or m < n):
                    m, ins, i = m * a[i], [*ins, i], i + 1
                else:
                    return None
            found.append((ins, outs))
        elif i < len(a) and is_one(a[i]):
            found.append(([i], []))
            i += 1
        elif j < len(b) and is_one(b[j]):
            if found and found[-1][1]:
                found[-1][1].append(j)
            else:
                found.append(([], [j]))
            j += 1
        else:
            return None
    return found


def joined(node: Node, inputs: tuple[Value, ...]) -> Value | None:
    """Parts that have the same transpose, or none in particular."""
    perms = {x.node.params["perm"] for x in inputs if is_turned(x)}
    if len(perms) != 1 or not all(is_turned(x) or movable(x) for x in inputs):
        return None
    (perm,) = perms
    parts = [x.node.inputs[0] if is_turned(x) else pulled(x, inverse_order(perm)) for x in inputs]
    if node.prim.name == "concat":
        return transpose(concat(*parts, dim=perm[node.params["dim"]]), perm=perm)
    starts, steps = in_base(node.params["starts"], perm), in_base(node.params["steps"], perm)
    return transpose(update_slice(*parts, starts=starts, steps=steps), perm=perm)
