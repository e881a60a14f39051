"""Gradients as a walk from graph to graph: it reads nodes, appends nodes, and knows no op by name.

Since every rule is written in primitives, the gradient is an ordinary piece of program, and can be differentiated
again. The nodes of a gradient keep the user's line of the node they belong to, and stand in a region named after its op
(`linear.grad`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dovetail.base.errors import GradientError, message
from dovetail.ir.core import Node, Region, Value, scope
from dovetail.prims.elementwise import add, identity
from dovetail.prims.make import ones_like, zeros_like


class CustomGradient:
    """A gradient rule that stands for everything between `inputs` and `outs`.

    Lowering never sees it: it hangs on the values (`Value.custom`), beside the ordinary nodes that compute them.
    """

    __slots__ = ("inputs", "outs", "rule", "region", "where")

    def __init__(self, inputs: tuple[Value, ...], rule: Callable):
        self.inputs, self.rule = inputs, rule
        self.outs: tuple[Value, ...] = ()
        self.region, self.where = scope.region, scope.where


def with_gradient(outs: Sequence[Value], inputs: Sequence[Value], rule: Callable) -> tuple[Value, ...]:
    """Give values a gradient rule of their own; returns the values to use from here on.

    rule: (gs, outs, *inputs) -> one Value or None for each input. gs holds a Value or None for each of outs.
    The rule may use values from inside the region; they are constants to a second differentiation unless they are
    inputs or outs.
    """
    custom = CustomGradient(tuple(inputs), rule)
    taken = {id(x) for x in inputs}
    fresh: list[Value] = []
    for out in outs:
        if out.node is None or out.custom is not None or id(out) in taken:
            out = identity(out)
        taken.add(id(out))
        out.custom = custom
        fresh.append(out)
    custom.outs = tuple(fresh)
    return custom.outs


Maker = Node | CustomGradient


def maker_of(x: Value) -> Maker | None:
    return x.custom or x.node


def inputs_of(maker: Maker) -> tuple[Value, ...]:
    """The values a gradient may flow to."""
    if isinstance(maker, Node) and maker.prim.gradient_rule is None:
        return ()
    return maker.inputs


def makers_between(outputs: Sequence[Value], sources: Sequence[Value], stops: Sequence[Value] = ()) -> list[Maker]:
    """What lies on a differentiable way from sources to outputs, each before its users; nothing behind `stops`."""
    ends = {id(x) for x in stops}
    reached = {id(x) for x in sources}  # values that depend on a source
    done: set[int] = set()
    order: list[Maker] = []
    stack: list[tuple[Maker, bool]] = [(m, False) for x in outputs if (m := maker_of(x)) is not None]
    while stack:
        maker, expanded = stack.pop()
        if expanded:
            if any(id(x) in reached for x in inputs_of(maker)):
                order.append(maker)
                reached.update([id(x) for x in maker.outs if x.dtype.is_differentiable])
            continue
        if id(maker) in done:
            continue
        done.add(id(maker))
        stack.append((maker, True))
        for x in inputs_of(maker):
            before = maker_of(x)
            if before is not None and x.dtype.is_differentiable and id(before) not in done and id(x) not in ends:
                stack.append((before, False))
    return order


def gradient_region(region: Region | None, made: dict[int, Region]) -> Region | None:
    """The region `name.grad` for a forward region (one for each, nested alike)."""
    if region is None:
        return None
    if id(region) not in made:
        parent = gradient_region(region.parent, made)
        made[id(region)] = Region(region.name + ".grad", region.inputs, region.settings, parent)
    return made[id(region)]


def first_cotangent(out: Value, cotangent: Value | None) -> Value:
    """The given cotangent, checked; one for a single number."""
    if not out.dtype.is_differentiable:
        text = f"a {out.dtype.name} value has no gradient; only floating-point and complex values do"
        raise GradientError(message("backward", text, [("output", out)]))
    if cotangent is None:
        if out.numel != 1:
            text = "grad can be implicitly created only for scalar outputs"
            raise GradientError(message("backward", text, [("output", out)], "Reduce it first, or pass gradient=..."))
        return ones_like(out)
    if cotangent.shape != out.shape:
        facts = [("output", out), ("gradient", cotangent)]
        raise GradientError(message("backward", "the gradient's sizes differ from the output's", facts))
    return cotangent


def apply_rule(maker: Maker, gs: list[Value | None]) -> Sequence[Value | None]:
    """Call the rule of what made these outs. A node with one result gets its g and out without a tuple."""
    if isinstance(maker, CustomGradient):
        return maker.rule(tuple(gs), maker.outs, *maker.inputs)
    if len(maker.outs) == 1:
        return maker.prim.gradient_rule(gs[0], maker.outs[0], *maker.inputs, **maker.params)
    return maker.prim.gradient_rule(tuple(gs), maker.outs, *maker.inputs, **maker.params)


def name_of(maker: Maker) -> str:
    return maker.prim.name if isinstance(maker, Node) else maker.region.name if maker.region else "custom gradient"


def accumulate(maker: Maker, shares: Sequence[Value | None], total: dict[int, Value]) -> None:
    """Add each input's share to what it has so far."""
    if len(shares) != len(maker.inputs):
        text = f"the rule gave {len(shares)} gradients for {len(maker.inputs)} inputs"
        raise GradientError(message(name_of(maker), text))
    for x, share in zip(maker.inputs, shares, strict=True):
        if share is None or not x.dtype.is_differentiable:
            continue
        if share.shape != x.shape or share.dtype is not x.dtype:
            facts = [("input", x), ("gradient", share)]
            raise GradientError(message(name_of(maker), "the rule's gradient does not fit its input", facts))
        before = total.get(id(x))
        total[id(x)] = share if before is None else add(before, share)


def gradients(
    outputs: Sequence[Value], cotangents: Sequence[Value | None], sources: Sequence[Value], stops: Sequence[Value] = (),
    before: Sequence[Value | None] = (),
) -> list[Value | None]:
    """The gradients of sum(cotangent * output) with respect to each source; None where no way leads there.

    Appends to the graph being built, only what the result needs. A None among the cotangents stands for one, and is
    allowed for an output with a single element. `stops`: sources that pass nothing on to what they were made from.
    `before`: gradients that the first sources have already, to which theirs are added one by one.
    Raises: GradientError where an output cannot have a gradient, or a cotangent does not fit.
    Source: reverse accumulation, Linnainmaa 1976; conventions for ties and complex values are PyTorch's.
    """
    start = len(nodes_in_progress())
    outer = scope.region, scope.where
    order = makers_between(outputs, sources, stops)
    ends = {id(x) for x in stops}
    total: dict[int, Value] = {id(x): g for x, g in zip(sources, before, strict=False) if g is not None}
    for out, cotangent in zip(outputs, cotangents, strict=True):
        g = first_cotangent(out, cotangent)
        total[id(out)] = add(total[id(out)], g) if id(out) in total else g
    regions: dict[int, Region] = {}
    try:
        for maker in reversed(order):
            gs = [None if id(x) in ends else total.get(id(x)) for x in maker.outs]
            if any(g is not None for g in gs):
                scope.region, scope.where = gradient_region(maker.region, regions), maker.where
                accumulate(maker, apply_rule(maker, gs), total)
    finally:
        scope.region, scope.where = outer
    result = [total.get(id(x)) for x in sources]
    keep_needed(start, result)
    return result


def nodes_in_progress() -> list[Node]:
    if scope.nodes is None:
        raise RuntimeError("gradients: no graph is being built on this thread; use ir.core.building()")
    return scope.nodes


def keep_needed(start: int, results: Sequence[Value | None]) -> None:
    """Drop the nodes appended since `start` that no result needs: rules write gradients for all their inputs."""
    needed = {id(x.node) for x in results if x is not None}
    kept = []
    nodes = nodes_in_progress()
    for node in reversed(nodes[start:]):
        if id(node) in needed or node.prim.effect:
            kept.append(node)
            needed.update([id(x.node) for x in node.inputs])
    nodes[start:] = kept[::-1]


def tangents(
    outputs: Sequence[Value], sources: Sequence[Value], directions: Sequence[Value]
) -> list[Value | None]:
    """Forward mode: the change of each output along `directions` of the sources; None where it cannot change.

    The reverse gradient is linear in its cotangent, so differentiating it once more gives the forward one (Christianson
    2012; for complex values both conjugations cancel).
    """
    start = len(nodes_in_progress())
    dummies = [zeros_like(x) for x in outputs]
    back = gradients(outputs, dummies, sources)
    pairs = [(g, d) for g, d in zip(back, directions, strict=True) if g is not None]
    result = gradients([g for g, _ in pairs], [d for _, d in pairs], dummies)
    keep_needed(start, result)
    return result
