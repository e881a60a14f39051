"""Choices and loops that depend on values, inside one program: cond, while_loop, scan, associative_scan, map.

A Python `if` or `for` stays what it is: it looks at a value, or is unrolled. These record both branches, or one turn of
a loop, and the program decides while it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dovetail.autodiff import control as prims
from dovetail.base import tree
from dovetail.base.dtypes import bool_, int32
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ir.core import Body, Graph, Node, Value, building, scope
from dovetail.ir.printing import body as body_of
from dovetail.ops.batched import for_batch, write_back
from dovetail.ops.shape import cat, stack
from dovetail.prims.elementwise import bitwise_or, convert
from dovetail.prims.make import constant
from dovetail.prims.shape import reshape
from dovetail.tensor.capture import Captured, capture
from dovetail.tensor.op import op
from dovetail.tensor.recorder import local
from dovetail.tensor.tensor import Tensor

# -- the ops: bodies are settings --------------------------------------------------------------------------------------


@op(top=False)
def choose(pred, operands: list, then: Body, other: Body, checks: tuple = ()):
    """The results of one of two bodies."""
    made = prims.cond(pred, *operands, then=then, other=other)
    return tuple(noted(made, checks))


@op(top=False)
def scan_over(carry: list, xs: list, constants: list, body: Body, reverse: bool, keep: bool, checks: tuple = ()):
    """The results of a scan. keep: also keep the carry of each turn, since a gradient will want it."""
    repeated = prims.with_carries(body, len(carry)) if keep else body
    made = prims.scan(*carry, *xs, *constants, body=repeated, carried=len(carry), scanned=len(xs), length=0,
                      reverse=reverse)  # fmt: skip
    return tuple(noted(made[: len(body.graph.outputs)], checks))


@op(top=False)
def repeat_while(carry: list, constants: list, test: Body, body: Body, checks: tuple = ()):
    """The carry after the last turn."""
    return tuple(noted(prims.while_loop(*carry, *constants, test=test, body=body, carried=len(carry)), checks))


def noted(made: Sequence[Value], checks: tuple) -> list[Value]:
    """The results; the last one tells whether a fact that the bodies rely on was broken, where there are such facts."""
    if not checks:
        return list(made)
    if scope.checks is not None:
        scope.checks.append((convert(made[-1], dtype=int32), 0, 1, checks[0]))
    return list(made[:-1])


# -- from functions to bodies ------------------------------------------------------------------------------------------


class Piece:
    """A captured function as part of a choice or loop: what it takes from outside is shared with the other pieces."""

    def __init__(self, captured: Captured):
        self.captured = captured
        self.nodes: list[Node] = list(captured.nodes)
        self.of = dict(zip(map(id, captured.outer), captured.brought, strict=True))
        self.new = {id(t): value for t, value in captured.changed}

    def outside(self, outer: Sequence[Tensor]) -> list[Value]:
        """The Values that stand for `outer` here."""
        return [self.of.setdefault(id(t), Value(t._meta.shape, t._meta.dtype)) for t in outer]

    def after(self, t: Tensor) -> Value:
        """What a tensor from outside holds at the end."""
        return self.new.get(id(t)) or self.of[id(t)]

    def broken(self, before: Value | None = None) -> Value:
        """Whether a fact that the function relies on is broken."""
        with building(self.nodes):
            total = constant(False, (), bool_) if before is None else before
            for check in self.captured.checks:
                total = bitwise_or(total, check.bad)
        return total

    def values(self, leaves: Sequence[Any], call: str) -> list[Value]:
        """Results as Values; Python numbers become constants."""
        found = []
        for x in leaves:
            if not isinstance(x, (Value, bool, int, float)):
                text = f"the function may return tensors and numbers, got {type(x).__name__}"
                raise ArgumentError(message(call, text))
            if not isinstance(x, Value):
                with building(self.nodes):
                    x = constant(x, (), kind_of(x))
            found.append(x)
        return found


def kind_of(x: Any) -> Any:
    return Tensor.from_data(x).dtype


def union(pieces: Sequence[Piece], attribute: str) -> list[Tensor]:
    """The tensors that the pieces take from outside (or change), each once."""
    found: dict[int, Tensor] = {}
    for piece in pieces:
        pairs = piece.captured.outer if attribute == "outer" else [t for t, _ in piece.captured.changed]
        found.update({id(t): t for t in pairs})
    return list(found.values())


def words(pieces: Sequence[Piece]) -> tuple:
    """What the facts say that the pieces rely on."""
    return tuple([check.words for piece in pieces for check in piece.captured.checks][:1])


def no_writes(call: str, captured: Captured) -> None:
    if captured.written:
        text = f"the function changes its argument {captured.written[0][0]} in place"
        raise ArgumentError(message(call, text, cure="Use the form without underscore and return the result"))


def tensors_of(call: str, x: Any, name: str) -> list[Tensor]:
    """The leaves of a structure, which must be tensors."""
    flat = tree.flatten(x)
    for t in flat:
        if not isinstance(t, Tensor):
            raise ArgumentError(message(call, f"{name} may hold tensors only, got {type(t).__name__}"))
    return flat


def kinds(tensors: Sequence[Tensor]) -> list[tuple]:
    return [(t._meta.shape, t._meta.dtype) for t in tensors]


def wants_gradient(tensors: Sequence[Tensor]) -> bool:
    return local.rec.grad and any(t._meta.requires_grad for t in tensors)


# -- cond --------------------------------------------------------------------------------------------------------------


def cond(pred: Any, true_fn: Callable, false_fn: Callable, operands: Any = ()) -> Any:
    """true_fn(*operands) where pred is true, else false_fn(*operands); only one of them is computed.

    pred: a bool, or a bool tensor with one element, whose value only the running program needs to know. Both functions
    return the same structure of tensors of the same shapes and dtypes. Gradients go through the branch taken.
    Raises: ShapeError where the branches' results differ; ArgumentError where a branch looks at a value.
    Source: agrees with torch.cond.

    >>> import dovetail
    >>> x = dovetail.tensor([1.0, 2.0])
    >>> cond(x.sum() > 2, lambda x: x * 10, lambda x: -x, (x,)).tolist()
    [10.0, 20.0]
    """
    if not isinstance(operands, (tuple, list)):
        raise ArgumentError(message("cond", f"operands is a tuple of tensors, got {type(operands).__name__}"))
    for name, function in (("true_fn", true_fn), ("false_fn", false_fn)):
        if not callable(function):
            raise ArgumentError(message("cond", f"{name} must be a function, got {type(function).__name__}"))
    if not isinstance(pred, Tensor):
        if not isinstance(pred, (bool, int, float)):
            raise ArgumentError(message("cond", f"pred must be a bool or a bool tensor, got {type(pred).__name__}"))
        return (true_fn if pred else false_fn)(*operands)
    if pred._meta.dtype is not bool_ or pred._meta.numel != 1:
        raise ArgumentError(message("cond", "pred must be a bool tensor with one element", [("pred", pred)]))
    flat = tree.flatten(tuple(operands))
    given = [t for t in flat if isinstance(t, Tensor)]

    def arguments(stand_ins: list[Tensor]) -> tuple:
        at = iter(stand_ins)
        return tree.pack(tuple(operands), [next(at) if isinstance(t, Tensor) else t for t in flat])

    pieces = [Piece(capture("cond", f, kinds(given), arguments)) for f in (true_fn, false_fn)]
    results = [piece.captured.result for piece in pieces]
    if not tree.same_structure(*results):
        text = f"true_fn and false_fn return different structures: {results[0]} and {results[1]}"
        raise ArgumentError(message("cond", text))
    outer, changed, facts = union(pieces, "outer"), union(pieces, "changed"), words(pieces)
    leaves = [piece.captured.leaves for piece in pieces]
    alike = [not isinstance(a, Value) and not isinstance(b, Value) and a == b for a, b in zip(*leaves, strict=True)]
    bodies = []
    for piece, own in zip(pieces, leaves, strict=True):
        no_writes("cond", piece.captured)
        outs = piece.values([x for x, same in zip(own, alike, strict=True) if not same], "cond")
        inputs = [*piece.captured.inputs, *piece.outside(outer)]
        outs += [piece.after(t) for t in changed]
        outs += [piece.broken()] if facts else []
        bodies.append(body_of(Graph(inputs, piece.nodes, outs)))
    made = choose(pred.reshape(()), [*given, *outer], *bodies, facts)
    count = alike.count(False)
    write_back(changed, made[count:])
    at = iter(made)
    return tree.pack(results[0], [x if same else next(at) for x, same in zip(leaves[0], alike, strict=True)])


# -- while_loop --------------------------------------------------------------------------------------------------------


def while_loop(cond_fn: Callable, body_fn: Callable, carried_inputs: Any) -> Any:
    """carried = body_fn(*carried) as long as cond_fn(*carried) is true; returns the last one.

    The shapes and dtypes of what is carried stay the same; how many turns there are only the running program knows.
    Gradients of any order work in reverse mode too: the way back keeps the carry of each turn while it runs (second
    gradients compute carries again, which takes the square of the number of turns).
    Source: agrees with torch._higher_order_ops.while_loop.

    >>> import dovetail
    >>> n, x = while_loop(lambda n, x: x.sum() < 100, lambda n, x: (n + 1, x * 2),
    ...                   (dovetail.tensor(0), dovetail.tensor([1.0, 2.0])))
    >>> n.item(), x.tolist()
    (6, [64.0, 128.0])
    """
    if not isinstance(carried_inputs, (tuple, list)):
        text = f"carried_inputs is a tuple of tensors, got {type(carried_inputs).__name__}"
        raise ArgumentError(message("while_loop", text))
    carried = tree.map_leaves(lambda x: x if isinstance(x, Tensor) else Tensor.from_data(x), tuple(carried_inputs))
    given = tensors_of("while_loop", carried, "carried_inputs")
    tests = Piece(capture("while_loop", cond_fn, kinds(given), lambda ts: tree.pack(carried, ts)))
    turns = Piece(capture("while_loop", body_fn, kinds(given), lambda ts: tree.pack(carried, ts)))
    no_writes("while_loop", turns.captured)
    no_writes("while_loop", tests.captured)
    verdict = tests.captured.leaves
    if len(verdict) != 1 or not isinstance(verdict[0], (Value, bool)):
        raise ArgumentError(message("while_loop", "cond_fn returns one bool tensor"))
    result = turns.captured.result
    result = (result,) if isinstance(result, Tensor) else result
    if not tree.same_structure(tuple(result), carried):
        text = f"body_fn returns another structure than it takes: {result} for {carried}"
        raise ArgumentError(message("while_loop", text))
    pieces = [tests, turns]
    outer, changed, facts = union(pieces, "outer"), union(pieces[1:], "changed"), words(pieces[1:])
    rest = [t for t in outer if not any(t is c for c in changed)]
    flags = [Value((), bool_)] if facts else []
    inputs = [[*p.captured.inputs, *p.outside(changed), *flags, *p.outside(rest)] for p in pieces]
    flag = tests.values(verdict, "while_loop")
    with building(tests.nodes):
        flag = [one_flag(flag[0])]
    test = body_of(Graph(inputs[0], tests.nodes, flag))
    outs = turns.values(turns.captured.leaves, "while_loop") + [turns.after(t) for t in changed]
    same_carry("while_loop", given, outs)
    outs += [turns.broken(flags[0])] if facts else []
    body = body_of(Graph(inputs[1], turns.nodes, outs))
    start = [*given, *changed, *[Tensor.from_data(False) for _ in flags]]
    made = repeat_while(start, rest, test, body, facts)
    write_back(changed, made[len(given) :])
    return tree.pack(carried, list(made[: len(given)]))


def one_flag(x: Value) -> Value:
    if x.numel != 1 or x.dtype is not bool_:
        raise ArgumentError(message("while_loop", "cond_fn returns one bool tensor", [("returned", x)]))
    return x if not x.shape else reshape(x, shape=())


def same_carry(call: str, given: Sequence[Tensor], outs: Sequence[Value]) -> None:
    """What a turn hands on must be like what it was given."""
    for i, (t, x) in enumerate(zip(given, outs, strict=False)):
        if tuple(t._meta.shape) != tuple(x.shape) or t._meta.dtype is not x.dtype:
            text = f"carry {i} changes its shape or dtype from one turn to the next"
            cure = "Start from a value of the shape and dtype that the function returns"
            raise ShapeError(message(call, text, [("before", t), ("after", x)], cure))


# -- scan --------------------------------------------------------------------------------------------------------------


def scan(combine_fn: Callable, init: Any, xs: Any, *, dim: int = 0, reverse: bool = False) -> tuple[Any, Any]:
    """carry, y = combine_fn(carry, x) for each slice x of xs along `dim`: -> (last carry, the ys stacked in dim 0).

    init, xs: a tensor or a structure of tensors. The carry keeps its shapes and dtypes. reverse: from the last slice to
    the first; the ys stay in the order of xs.
    Source: agrees with torch._higher_order_ops.scan.

    >>> import dovetail
    >>> last, sums = scan(lambda c, x: (c + x, c + x), dovetail.tensor(0.0), dovetail.tensor([1.0, 2.0, 3.0]))
    >>> last.item(), sums.tolist()
    (6.0, [1.0, 3.0, 6.0])
    """
    carry = tensors_of("scan", init, "init")
    over = scanned("scan", xs, dim)
    slices = [(x._meta.shape[1:], x._meta.dtype) for x in over]
    count = len(carry)
    turn = capture("scan", combine_fn, [*kinds(carry), *slices],
                   lambda ts: (tree.pack(init, ts[:count]), tree.pack(xs, ts[count:])))  # fmt: skip
    result = turn.result
    if not (isinstance(result, (tuple, list)) and len(result) == 2):
        raise ArgumentError(message("scan", f"combine_fn returns a pair (carry, y), got {type(result).__name__}"))
    if not tree.same_structure(result[0], init):
        raise ArgumentError(message("scan", f"combine_fn returns a carry of another structure than init: {result[0]}"))
    last, ys = run_scan("scan", turn, carry, over, reverse, count)
    return tree.pack(init, last), tree.pack(result[1], ys)


def scanned(call: str, xs: Any, dim: int) -> list[Tensor]:
    """The leaves of xs with the dim that is scanned in front."""
    flat = tensors_of(call, xs, "xs")
    if not flat:
        raise ArgumentError(message(call, "xs holds no tensor to take slices of"))
    for x in flat:
        if not -x.ndim <= dim < x.ndim:
            raise ArgumentError(message(call, f"dim {dim} is outside the rank", [("xs", x)]))
    sizes = {x.shape[dim] for x in flat}
    if len(sizes) > 1:
        raise ArgumentError(message(call, f"all of xs need one size in dim {dim}, got {sorted(sizes)}"))
    if sizes == {0}:
        raise ArgumentError(message(call, f"xs has no slices: its size in dim {dim} is 0"))
    return [x if dim % x.ndim == 0 else x.movedim(dim, 0) for x in flat]


def run_scan(call: str, captured: Captured, carry: list, over: list, reverse: bool, count: int) -> tuple[list, list]:
    """(last carry, ys) for a captured turn whose first `count` results are the carry."""
    no_writes(call, captured)
    piece = Piece(captured)
    changed, facts = union([piece], "changed"), words([piece])
    rest = [t for t in captured.outer if not any(t is c for c in changed)]
    values = piece.values(captured.leaves, call)
    same_carry(call, carry, values)
    before = len(carry)
    inputs = [*captured.inputs[:before], *piece.outside(changed), *captured.inputs[before:], *piece.outside(rest)]
    outs = [*values[:count], *[piece.after(t) for t in changed], *values[count:]]
    if facts:
        outs.append(piece.broken())
    body = body_of(Graph(inputs, piece.nodes, outs))
    start = [*carry, *changed]
    keep = wants_gradient([*start, *over, *rest])
    made = scan_over(start, over, rest, body, bool(reverse), keep, facts)
    write_back(changed, made[count : count + len(changed)])
    return list(made[:count]), list(made[count + len(changed) :])


def map_slices(f: Callable, xs: Any, *args: Any) -> Any:
    """f(x, *args) for each slice x of xs along dim 0, one after the other; the results stacked in dim 0.

    Source: agrees with torch._higher_order_ops.map.
    """
    over = scanned("map", xs, 0)
    turn = capture("map", lambda x: f(x, *args), [(x._meta.shape[1:], x._meta.dtype) for x in over],
                   lambda ts: (tree.pack(xs, ts),))  # fmt: skip
    _, ys = run_scan("map", turn, [], over, False, 0)
    return tree.pack(turn.result, ys)


# -- associative_scan --------------------------------------------------------------------------------------------------


def associative_scan(
    combine_fn: Callable, xs: Any, dim: int, reverse: bool = False, combine_mode: str = "pointwise"
) -> Any:
    """Running totals under an associative function: y[0] = x[0], y[i] = combine_fn(y[i - 1], x[i]).

    Done in about 2 log2(n) batched steps instead of n. combine_fn takes and returns structures like one slice of xs.
    Source: Blelloch 1990; agrees with torch._higher_order_ops.associative_scan.

    >>> import dovetail
    >>> associative_scan(lambda a, b: a * b, dovetail.tensor([1.0, 2.0, 3.0, 4.0]), 0).tolist()
    [1.0, 2.0, 6.0, 24.0]
    """
    if combine_mode not in ("pointwise", "generic"):
        text = f"combine_mode must be either 'pointwise' or 'generic', but got {combine_mode}"
        raise ArgumentError(message("associative_scan", text))
    over = scanned("associative_scan", xs, dim)
    over = [x.flip(0) for x in over] if reverse else over
    slices = [(x._meta.shape[1:], x._meta.dtype) for x in over]
    count = len(over)
    made = capture("associative_scan", combine_fn, [*slices, *slices],
                   lambda ts: (tree.pack(xs, ts[:count]), tree.pack(xs, ts[count:])))  # fmt: skip
    if not tree.same_structure(made.result, xs):
        raise ArgumentError(message("associative_scan", f"combine_fn returns another structure than xs: {made.result}"))
    no_writes("associative_scan", made)
    values = Piece(made).values(made.leaves, "associative_scan")
    same_carry("associative_scan", [x.select(0, 0) for x in over], values)

    def combine(a: list[Tensor], b: list[Tensor]) -> list[Tensor]:
        return for_batch("associative_scan", made, values, [*a, *b], a[0].shape[0], [True] * (2 * count))

    found = running(combine, over)
    found = [x.flip(0) for x in found] if reverse else found
    pairs = zip(tree.flatten(xs), found, strict=True)
    return tree.pack(xs, [y if dim % x.ndim == 0 else y.movedim(0, dim) for x, y in pairs])


def running(combine: Callable, xs: list[Tensor]) -> list[Tensor]:
    """Totals up to each slice: pairs are combined, their totals found, and the slices between filled in."""
    n = xs[0].shape[0]
    if n < 2:
        return xs
    odd = running(combine, combine([x[: n - 1 : 2] for x in xs], [x[1::2] for x in xs]))
    if n == 2:
        even = [x[:1] for x in xs]
    else:
        later = combine([x[: (n - 1) // 2] for x in odd], [x[2::2] for x in xs])
        even = [joined(x[:1], y) for x, y in zip(xs, later, strict=True)]
    return [woven(a, b, n) for a, b in zip(even, odd, strict=True)]


def joined(a: Tensor, b: Tensor) -> Tensor:
    return cat([a, b], 0)


def woven(even: Tensor, odd: Tensor, n: int) -> Tensor:
    """even[0], odd[0], even[1], odd[1], ..."""
    short = odd.shape[0]
    both = stack([even[:short], odd], 1).reshape((2 * short, *even.shape[1:]))
    return both if n == 2 * short else joined(both, even[short:])

