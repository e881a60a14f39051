"""What the transforms share: inputs that a gradient is wanted for, and whether a result stays connected."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, GradientError, message
from dovetail.ops.create import eye
from dovetail.ops.shape import cat, stack
from dovetail.tensor import staged
from dovetail.tensor.joint import join
from dovetail.tensor.modes import GradMode
from dovetail.tensor.recorder import local
from dovetail.tensor.tensor import Tensor


class Level(threading.local):
    """How many transforms surround the code that runs now."""

    def __init__(self):
        self.depth = 0


level = Level()


@contextmanager
def inside() -> Iterator[bool]:
    """The body of a transform: gradients are recorded. Yields whether gradients were recorded outside."""
    before = local.rec.grad
    level.depth += 1
    try:
        with GradMode(True):
            yield before
    finally:
        level.depth -= 1


def track(x: Any, call: str) -> Tensor:
    """A tensor with the value of `x` to take gradients for, connected with what `x` was made from."""
    if not isinstance(x, Tensor):
        raise ArgumentError(message(call, f"expected a Tensor as input, got {type(x).__name__}"))
    if not x.dtype.is_differentiable:
        text = "only Tensors of floating point and complex dtype can require gradients"
        raise GradientError(message(call, text, [("input", x)], "x.float() first"))
    return x.clone() if x.requires_grad else join([x])[0]


def track_tree(x: Any, call: str) -> tuple[Any, list[Tensor]]:
    """A structure with tracked tensors, and those as a list."""
    made = tree.map_leaves(lambda t: track(t, call), x)
    return made, tree.flatten(made)


def connected(outs: Sequence[Tensor], tracked: Sequence[Tensor], given: Sequence[Any], recorded: bool) -> bool:
    """Whether results must stay differentiable: for an outer transform, or for tensors that require grad outside."""
    if level.depth > 1:
        return True
    if not recorded:
        return False
    if any(isinstance(x, Tensor) and x.requires_grad for x in given):
        return True
    return any(reaches_others(t, tracked) for t in outs)


def reaches_others(out: Tensor, tracked: Sequence[Tensor]) -> bool:
    """Whether a gradient of `out` ends anywhere but at the tracked tensors."""
    if not out.requires_grad or any(out is t for t in tracked):
        return False
    if out._leaf or out._joint is not None:
        return True
    rec = local.rec
    if out._run is not rec.run:
        return out._hist is not None and out._hist[0] is not None and any(
            all(s is not t for t in tracked) for s in out._hist[0].sources
        )
    state = rec.sync()
    own = {state.values.get(rec.slot_of(t)) for t in tracked}
    seen, stack_ = set(), [state.values[rec.slot_of(out)]]
    while stack_:
        v = stack_.pop()
        if v in seen or v in own:
            continue
        seen.add(v)
        if v in state.sources:
            return True
        if v.node is not None and v.node.prim.name != "detach":
            stack_.extend(x for x in v.node.inputs if x.dtype.is_differentiable)
    return False


def gradient(
    outs: Sequence[Tensor], ins: Sequence[Tensor], cotangents: Sequence[Tensor | None], create: bool,
    batched: bool = False,
) -> list:  # fmt: skip
    """The gradients at `ins`, zeros where there is no way; the graph is kept. batched: for many cotangents at once."""
    pairs = [(o, c) for o, c in zip(outs, cotangents, strict=True) if o.requires_grad]
    if not pairs:
        size = (cotangents[0].shape[0],) if batched else ()
        return [x.new_zeros((*size, *x.shape)) for x in ins]
    outs, cotangents = [o for o, _ in pairs], [c for _, c in pairs]
    ask = batched_grad if batched else staged.grad
    return list(ask(outs, ins, cotangents, True, create, allow_unused=True, materialize=True))


def batched_grad(
    outs: Sequence[Tensor], ins: Sequence[Tensor], cotangents: Sequence[Tensor | None], retain: bool, create: bool,
    allow_unused: bool, materialize: bool,
) -> tuple:  # fmt: skip
    """Gradients for cotangents stacked along their dim 0: one program, or one by one where Python is in the way."""
    count = next((c.shape[0] for c in cotangents if c is not None), 0)
    given = [o.new_ones((count, *o.shape)) if c is None else c for o, c in zip(outs, cotangents, strict=True)]
    try:
        return staged.grad(outs, ins, given, retain, create, allow_unused, materialize, count)
    except staged.NeedsStages:
        local.rec.clear_beyond(local.rec.node.end)
    rows = []
    for i in range(count):
        row = [c.select(0, i) for c in given]
        rows.append(staged.grad(outs, ins, row, retain or i + 1 < count, create, allow_unused, materialize))
    return tuple(None if column[0] is None else stack(list(column)) for column in zip(*rows, strict=True))


def released(x: Any, keep: bool) -> Any:
    """A structure of results, cut off from the gradient unless it is to be kept."""
    if keep:
        return x
    return tree.map_leaves(lambda t: t.detach() if isinstance(t, Tensor) and t.requires_grad else t, x)


def basis(x: Tensor) -> Tensor:
    """Along a first dim, for each element of `x` a tensor of its shape that is one there and zero elsewhere."""
    return eye(x.numel(), dtype=x.dtype).reshape((x.numel(), *x.shape))


def jacobian_rows(out: Tensor, ins: Sequence[Tensor], create: bool, most: int | None = None) -> list[Tensor]:
    """d out / d in for each of `ins`: sizes of out, then sizes of in. most: how many rows are computed at once."""
    if not out.numel():
        return [x.new_zeros((*out.shape, *x.shape)) for x in ins]
    found = in_chunks(lambda ones: gradient([out], ins, [ones], create, batched=True), [basis(out)], most)
    return [g.reshape((*out.shape, *x.shape)) for g, x in zip(found, ins, strict=True)]


def in_chunks(function: Callable, given: Sequence[Tensor], most: int | None) -> list[Tensor]:
    """function(given) -> tensors with the same first dim, at most `most` of its slices at a time."""
    count = given[0].shape[0]
    if most is None or count <= most:
        return function(*given)
    parts = [function(*[x.narrow(0, at, min(most, count - at)) for x in given]) for at in range(0, count, most)]
    return [cat(list(column)) for column in zip(*parts, strict=True)]


def tangent(outs: Sequence[Tensor], ins: Sequence[Tensor]) -> Callable[..., list[Tensor]]:
    """A function from directions of `ins` (and whether to keep the graph) to the changes of `outs`.

    The gradient is linear in its cotangent, so its own gradient there is the forward-mode one (Christianson 2012).
    batched: many directions at once, along a first dim.
    """
    dummies = [join([Tensor.zeros_like(o)])[0] for o in outs]
    back = gradient(outs, ins, dummies, True)
    return lambda directions, create, batched=False: gradient(back, dummies, directions, create, batched)
