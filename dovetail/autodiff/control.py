"""Choices and loops as primitives: `cond`, `while_loop`, `scan`, and `unwind`, which is while_loop's way back.

What they choose or repeat is a Body: a graph of its own, kept as a setting of the node. They stand in this room and not
in `prims`, since their gradient is a walk over their bodies. The gradient of each is again one of them, so any order
works:

    cond        -> cond over the branches' gradients
    scan        -> scan the other way round, over what the turns have computed (autodiff.scan)
    while_loop  -> unwind: runs forward, keeping the carries, and then back; only the run tells how many there are
    unwind      -> while loops that compute each carry again: right for every order, quadratic in the number of turns
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dovetail.autodiff.batching import Batch
from dovetail.autodiff.gradient import gradients
from dovetail.base.dtypes import bool_, int64
from dovetail.base.errors import ArgumentError, DTypeError, ShapeError, message
from dovetail.ir.core import Body, Graph, Node, Primitive, Value, building
from dovetail.ir.evaluate import run_body
from dovetail.ir.printing import body as body_of
from dovetail.prims.batching import moved_dim, whole
from dovetail.prims.elementwise import add, gt, lt, sub, where
from dovetail.prims.families import HOST, LOOP
from dovetail.prims.make import constant, zeros_like
from dovetail.prims.reduce import reduce_any
from dovetail.prims.shape import broadcast

# -- bodies ------------------------------------------------------------------------------------------------------------


def trimmed(inputs: Sequence[Value], nodes: Sequence[Node], outputs: Sequence[Value]) -> Body:
    """A Body of the nodes that the outputs need."""
    needed = {x.node for x in outputs}
    kept = []
    for node in reversed(nodes):
        if node in needed:
            kept.append(node)
            needed.update([x.node for x in node.inputs])
    return body_of(Graph(list(inputs), kept[::-1], list(outputs)))


def placeholders(values: Sequence[Value]) -> list[Value]:
    """Inputs of a new graph that look like `values`."""
    return [Value(x.shape, x.dtype) for x in values]


def pullback(body: Body, given: Sequence[bool], wanted: Sequence[int]) -> Body:
    """(*inputs, *cotangents of the results that are `given`) -> the gradients of the inputs numbered `wanted`."""
    graph = body.graph
    outs = [x for x, has in zip(graph.outputs, given, strict=True) if has]
    cotangents = placeholders(outs)
    sources = [graph.inputs[i] for i in wanted]
    with building(list(graph.nodes)) as nodes:
        found = gradients(outs, cotangents, sources)
        made = [zeros_like(x) if g is None else g for x, g in zip(sources, found, strict=True)]
    return trimmed([*graph.inputs, *cotangents], nodes, made)


def moving(values: Sequence[Value]) -> list[int]:
    """Which values may carry a gradient."""
    return [i for i, x in enumerate(values) if x.dtype.is_differentiable]


def check_operands(name: str, body: Body, given: Sequence[Value]) -> None:
    """The operands must be what the body was made for."""
    wanted = body.graph.inputs
    if len(wanted) != len(given):
        raise ArgumentError(message(name, f"the body takes {len(wanted)} values, got {len(given)}"))
    for i, (a, b) in enumerate(zip(wanted, given, strict=True)):
        facts = [("body", a), ("got", b)]
        if tuple(a.shape) != tuple(b.shape):
            raise ShapeError(message(name, f"operand {i} has other sizes than the body takes", facts))
        if a.dtype is not b.dtype:
            raise DTypeError(message(name, f"operand {i} has another dtype than the body takes", facts))


def check_carry(name: str, body: Body, carry: Sequence[Value]) -> None:
    """A turn must end with a carry like the one it began with."""
    for i, (a, b) in enumerate(zip(carry, body.graph.outputs, strict=False)):
        if tuple(a.shape) != tuple(b.shape) or a.dtype is not b.dtype:
            text = f"carry {i} changes from one turn to the next"
            cure = "Sizes and dtype stay the same through a loop; convert the result or the initial value"
            raise ShapeError(message(name, text, [("before", a), ("after", b)], cure))


def check_flag(name: str, shape: tuple, dtype: Any) -> None:
    if tuple(shape) != () or dtype is not bool_:
        raise DTypeError(message(name, f"the predicate must be one bool, got {dtype.name}{list(shape)}"))


# -- cond --------------------------------------------------------------------------------------------------------------


def unpacked(made: list) -> Any:
    """The results of a meaning: one alone is not in a list."""
    return made[0] if len(made) == 1 else made


def cond_meaning(pred, *operands, then, other):
    return unpacked(run_body(then if bool(pred) else other, operands))


cond = Primitive("cond", HOST, cond_meaning, host=True)


@cond.shape
def cond_shape(pred, *operands, then, other):
    """The results of the body `then` where pred (one bool) is true, else those of `other`; only that one runs."""
    check_flag("cond", pred.shape, pred.dtype)
    for branch in (then, other):
        check_operands("cond", branch, operands)
    for i, (a, b) in enumerate(zip(then.graph.outputs, other.graph.outputs, strict=True)):
        if tuple(a.shape) != tuple(b.shape) or a.dtype is not b.dtype:
            raise ShapeError(message("cond", f"result {i} differs between the branches", [("true", a), ("false", b)]))
    return then.outs


def several(x: Any) -> tuple:
    """Gradient rules of nodes with one result get it without a tuple."""
    return x if isinstance(x, tuple) else (x,)


@cond.gradient
def cond_gradient(gs, outs, pred, *operands, then, other):
    gs = several(gs)
    given = [g is not None for g in gs]
    wanted = moving(operands)
    back = {"then": pullback(then, given, wanted), "other": pullback(other, given, wanted)}
    found = dict(zip(wanted, cond(pred, *operands, *[g for g in gs if g is not None], **back), strict=True))
    return None, *[found.get(i) for i in range(len(operands))]


def call(body: Body, *operands: Value) -> tuple[Value, ...]:
    """The results of a body, as part of another graph. (Copying its nodes would lose gradient rules of their own.)"""
    return cond(constant(True, (), bool_), *operands, then=body, other=body)


# -- scan --------------------------------------------------------------------------------------------------------------


def scan_meaning(*arrays, body, carried, scanned, length, reverse):
    carry, xs, constants = arrays[:carried], arrays[carried : carried + scanned], arrays[carried + scanned :]
    turns = xs[0].shape[0] if scanned else length
    made = [np.empty((turns, *shape), dtype.np) for shape, dtype in body.outs[carried:]]
    for i in reversed(range(turns)) if reverse else range(turns):
        found = run_body(body, [*carry, *[x[i] for x in xs], *constants])
        carry = found[:carried]
        for rows, one in zip(made, found[carried:], strict=True):
            rows[i] = one
    return unpacked([*carry, *made])


scan = Primitive("scan", LOOP, scan_meaning)


def split(values: Sequence, carried: int, scanned: int) -> tuple[list, list, list]:
    """(carries, scanned values, constants)"""
    return list(values[:carried]), list(values[carried : carried + scanned]), list(values[carried + scanned :])


@scan.shape
def scan_shape(*inputs, body, carried, scanned, length, reverse):
    """(carry..., xs..., constants...) -> (carry after the last turn..., ys...), one turn for each slice of xs.

    body(carry..., slices of xs..., constants...) -> (next carry..., slices of ys...); ys stand in the order of xs, also
    where `reverse` runs from the last slice to the first. length: the number of turns where there are no xs.
    """
    carry, xs, constants = split(inputs, carried, scanned)
    turns = xs[0].shape[0] if xs else length
    for x in xs:
        if not x.ndim or x.shape[0] != turns:
            facts = [("first", xs[0]), ("other", x)]
            raise ShapeError(message("scan", "all values scanned need one length in dim 0", facts))
    slices = [Value(x.shape[1:], x.dtype) for x in xs]
    check_operands("scan", body, [*carry, *slices, *constants])
    check_carry("scan", body, carry)
    outs = body.outs
    return outs[:carried] + [((turns, *shape), dtype) for shape, dtype in outs[carried:]]


def repeat(
    step: Callable[..., tuple], carry: Sequence[Value], xs: Sequence[Value], constants: Sequence[Value],
    reverse: bool = False,
) -> tuple[list[Value], list[Value]]:
    """A scan whose turn is written as a function: (last carry, stacked results).

    step(carry, slices of xs, constants) -> (carry, results), lists of Values. It reads no other Values.
    """
    given = [Value(x.shape, x.dtype) for x in carry]
    given += [Value(x.shape[1:], x.dtype) for x in xs] + [Value(x.shape, x.dtype) for x in constants]
    with building() as nodes:
        after, results = step(*split(given, len(carry), len(xs)))
    body = body_of(Graph(given, nodes, [*after, *results]))
    made = scan(*carry, *xs, *constants, body=body, carried=len(carry), scanned=len(xs), length=0, reverse=reverse)
    return list(made[: len(carry)]), list(made[len(carry) :])


def with_carries(body: Body, carried: int) -> Body:
    """The body with the carry that each turn begins with as further results."""
    graph = body.graph
    return body_of(Graph(graph.inputs, graph.nodes, [*graph.outputs, *graph.inputs[:carried]]))


def scan_back(body: Body, given: list[bool], carried: int, scanned: int, moved, moved_x, moved_k) -> Body:
    """One turn of the way back: (gradients of carry and constants, carry, x, gradients of y, constants) -> the next."""
    graph = body.graph
    carry, xs, constants = split(graph.inputs, carried, scanned)
    ends = graph.outputs[:carried]
    g_carry, g_constants = placeholders([carry[i] for i in moved]), placeholders([constants[i] for i in moved_k])
    ys = [y for y, has in zip(graph.outputs[carried:], given, strict=True) if has]
    g_ys = placeholders(ys)
    sources = [*[carry[i] for i in moved], *[constants[i] for i in moved_k], *[xs[i] for i in moved_x]]
    with building(list(graph.nodes)) as nodes:
        found = gradients([*[ends[i] for i in moved], *ys], [*g_carry, *g_ys], sources)
        full = [zeros_like(x) if g is None else g for x, g in zip(sources, found, strict=True)]
        totals = full[len(moved) : len(moved) + len(moved_k)]
        totals = [add(a, b) for a, b in zip(g_constants, totals, strict=True)]
    results = [*full[: len(moved)], *totals, *full[len(moved) + len(moved_k) :]]
    return trimmed([*g_carry, *g_constants, *carry, *xs, *g_ys, *constants], nodes, results)


# -- while_loop --------------------------------------------------------------------------------------------------------


def while_meaning(*arrays, test, body, carried):
    carry, constants = list(arrays[:carried]), arrays[carried:]
    while bool(run_body(test, [*carry, *constants])[0]):
        carry = run_body(body, [*carry, *constants])
    return unpacked(carry)


while_loop = Primitive("while_loop", HOST, while_meaning, host=True)


@while_loop.shape
def while_shape(*inputs, test, body, carried):
    """(carry..., constants...) -> carry; test(carry, constants) says whether another turn of `body` follows."""
    check_flag("while_loop", *test.outs[0])
    check_operands("while_loop", test, inputs)
    check_operands("while_loop", body, inputs)
    check_carry("while_loop", body, inputs[:carried])
    return body.outs


@while_loop.gradient
def while_gradient(gs, outs, *inputs, test, body, carried):
    gs = several(gs)
    carry, constants = inputs[:carried], inputs[carried:]
    moved, moved_k = moving(carry), moving(constants)
    back = scan_back(body, [], carried, 0, moved, [], moved_k)
    state = [zeros_like(carry[i]) if gs[i] is None else gs[i] for i in moved]
    state += [zeros_like(constants[i]) for i in moved_k]
    found = iter(unwind(*state, *inputs, test=test, body=body, back=back, carried=carried))
    result: list[Value | None] = [None] * len(inputs)
    for i in [*moved, *[carried + i for i in moved_k]]:
        result[i] = next(found)
    return result


# -- unwind ------------------------------------------------------------------------------------------------------------


def unwind_meaning(*arrays, test, body, back, carried):
    count = len(back.graph.outputs)
    state, carry, constants = list(arrays[:count]), arrays[count : count + carried], arrays[count + carried :]
    passed = []
    while bool(run_body(test, [*carry, *constants])[0]):
        passed.append(carry)
        carry = run_body(body, [*carry, *constants])
    while passed:
        state = run_body(back, [*state, *passed.pop(), *constants])
    return unpacked(state)


unwind = Primitive("unwind", HOST, unwind_meaning, host=True)


@unwind.shape
def unwind_shape(*inputs, test, body, back, carried):
    """(state..., carry..., constants...) -> state: `back(state, carry, constants)` for the carry before each turn of
    while_loop(test, body), the last turn first."""
    count = len(back.graph.outputs)
    check_operands("unwind", back, inputs)
    check_operands("unwind", body, inputs[count:])
    check_carry("unwind", back, inputs[:count])
    return back.outs


@unwind.gradient
def unwind_gradient(gs, outs, *inputs, test, body, back, carried):
    """The gradient of the same thing said with while loops."""
    count = len(back.graph.outputs)
    state, carry, constants = inputs[:count], inputs[count : count + carried], inputs[count + carried :]
    made = unwound(state, carry, constants, test, body, back)
    pairs = [(x, g) for x, g in zip(made, several(gs), strict=True) if g is not None]
    return gradients([x for x, _ in pairs], [g for _, g in pairs], list(inputs), stops=list(inputs))


def unwound(state, carry, constants, test: Body, body: Body, back: Body) -> list[Value]:
    """unwind as a while loop over the number of turns left, each of which runs the forward loop anew up to there."""
    turn = constant(0, (), int64)
    turns = while_loop(*carry, turn, *constants, test=with_turn(test, len(carry)), body=counting(body, len(carry)),
                       carried=len(carry) + 1)[-1]  # fmt: skip
    left = Value((), int64)
    s, c, k = placeholders(state), placeholders(carry), placeholders(constants)
    with building() as nodes:
        before = sub(left, constant(1, (), int64))
        at = while_loop(*c, constant(0, (), int64), *k, before, test=up_to(carry, constants),
                        body=counting(body, len(carry), extra=1), carried=len(carry) + 1)[:-1]  # fmt: skip
        after = call(back, *s, *at, *k)
    step = trimmed([*s, left, *c, *k], nodes, [*after, before])
    s, c, k, left = placeholders(state), placeholders(carry), placeholders(constants), Value((), int64)
    with building() as nodes:
        more = gt(left, constant(0, (), int64))
    again = trimmed([*s, left, *c, *k], nodes, [more])
    return list(while_loop(*state, turns, *carry, *constants, test=again, body=step, carried=len(state) + 1)[:-1])


def with_turn(test: Body, carried: int) -> Body:
    """A test that ignores one more carry: the number of the turn."""
    inputs = list(test.graph.inputs)
    inputs.insert(carried, Value((), int64))
    return body_of(Graph(inputs, test.graph.nodes, test.graph.outputs))


def counting(body: Body, carried: int, extra: int = 0) -> Body:
    """A body that also counts its turns; extra: further int64 constants, which it ignores."""
    turn = Value((), int64)
    inputs = list(body.graph.inputs)
    inputs.insert(carried, turn)
    with building(list(body.graph.nodes)) as nodes:
        following = add(turn, constant(1, (), int64))
    inputs += [Value((), int64) for _ in range(extra)]
    return body_of(Graph(inputs, nodes, [*body.graph.outputs, following]))


def up_to(carry, constants) -> Body:
    """The test of a loop that runs for a given number of turns, the last constant."""
    turn, limit = Value((), int64), Value((), int64)
    with building() as nodes:
        more = lt(turn, limit)
    return trimmed([*placeholders(carry), turn, *placeholders(constants), limit], nodes, [more])


# -- several examples at once ------------------------------------------------------------------------------------------


def batched_body(body: Body, flags: Sequence[bool], size: int) -> Body:
    """The body for `size` examples: the flagged inputs and all results have them along dim 0."""
    graph = body.graph
    batch, inputs = Batch(size), []
    for x, flag in zip(graph.inputs, flags, strict=True):
        inputs.append(Value((size, *x.shape), x.dtype) if flag else Value(x.shape, x.dtype))
        (batch.own if flag else batch.same)[x] = inputs[-1]
    with building() as nodes:
        batch.run(graph.nodes)
        outs = [batch.whole(x) for x in graph.outputs]
    return trimmed(inputs, nodes, outs)


def chosen(flag: Value, a: Value, b: Value) -> Value:
    """For each example a where its flag is up, else b."""
    return where(broadcast(flag, shape=a.shape, dims=(0,)), a, b)


@cond.batch
def cond_batch(size, flags, pred, *operands, then, other):
    """Examples that choose differently need both branches; where all choose alike, one of them runs."""
    then, other = batched_body(then, flags[1:], size), batched_body(other, flags[1:], size)
    if not flags[0]:
        return cond(pred, *operands, then=then, other=other)
    return [chosen(pred, a, b) for a, b in zip(call(then, *operands), call(other, *operands), strict=True)]


@scan.batch
def scan_batch(size, flags, *inputs, body, carried, scanned, length, reverse):
    carry = [whole(x, flag, size) for x, flag in zip(inputs[:carried], flags, strict=False)]
    own = [True] * carried + list(flags[carried:])
    rest = [
        moved_dim(x, 0, 1) if flag and i < scanned else x
        for i, (x, flag) in enumerate(zip(inputs[carried:], flags[carried:], strict=True))
    ]
    made = scan(*carry, *rest, body=batched_body(body, own, size), carried=carried, scanned=scanned, length=length,
                reverse=reverse)  # fmt: skip
    return [x if i < carried else moved_dim(x, 1, 0) for i, x in enumerate(made)]


@while_loop.batch
def while_batch(size, flags, *inputs, test, body, carried):
    """Runs until every example is done; those that are done keep what they have."""
    carry = [whole(x, flag, size) for x, flag in zip(inputs[:carried], flags, strict=False)]
    own = [True] * carried + list(flags[carried:])
    one_test, one_body = batched_body(test, own, size), batched_body(body, own, size)
    given = placeholders([*carry, *inputs[carried:]])
    with building() as nodes:
        running = call(one_test, *given)[0]
        more = reduce_any(running, dims=(0,))
    with building() as steps:
        running = call(one_test, *given)[0]
        after = [chosen(running, a, b) for a, b in zip(call(one_body, *given), given, strict=False)]
    return while_loop(*carry, *inputs[carried:], test=trimmed(given, nodes, [more]), body=trimmed(given, steps, after),
                      carried=carried)  # fmt: skip


@unwind.batch
def unwind_batch(size, flags, *inputs, test, body, back, carried):
    """The same thing said with while loops, for all examples."""
    count = len(back.graph.outputs)
    ones = [Value(x.shape[1:], x.dtype) if flag else x for x, flag in zip(inputs, flags, strict=True)]
    with building() as nodes:
        made = unwound(ones[:count], ones[count : count + carried], ones[count + carried :], test, body, back)
    batch = Batch(size)
    batch.own = {one: x for one, x, flag in zip(ones, inputs, flags, strict=True) if flag}
    batch.run(nodes)
    return [batch.whole(x) for x in made]
