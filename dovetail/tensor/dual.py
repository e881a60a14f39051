"""Forward-mode gradients by dual tensors (torch.autograd.forward_ad).

A dual is a tensor with a tangent beside it. What is computed from duals is recorded as ever; its tangent is worked out
when it is asked for, from the reverse gradient differentiated once more (Christianson 2012). A custom Function that has
a jvp and no backward has its jvp called when it is applied.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from dovetail.base.errors import ArgumentError, DTypeError, GradientError, ShapeError, message
from dovetail.tensor import staged
from dovetail.tensor.joint import join
from dovetail.tensor.modes import GradMode
from dovetail.tensor.tensor import Tensor


class Level(threading.local):
    """The duals of this thread's level: [(leaf at which the gradient ends, tangent, whether the primal needs grad)]."""

    def __init__(self):
        self.depth = 0
        self.duals: list[tuple[Tensor, Tensor, bool]] = []


level = Level()


class UnpackedDualTensor(NamedTuple):
    """What unpack_dual returns; tangent is None for a tensor that no dual has gone into."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Begin the level in which duals can be made; returns its number. Raises GradientError inside another level."""
    if level.depth:
        raise GradientError(message("enter_dual_level", "Nested forward mode AD is not supported at the moment"))
    level.depth = 1
    return 0


def exit_dual_level(*, level: Any = None) -> None:
    """End the level; its duals are plain tensors from then on."""
    now = current_level()
    if not now.depth:
        raise GradientError(message("exit_dual_level", "Trying to exit a forward AD level that was not entered"))
    now.depth, now.duals = 0, []


def current_level() -> Level:
    return level


class dual_level:  # noqa: N801
    """The level in which duals can be made, as a context manager.

    >>> import dovetail
    >>> from dovetail.autograd import forward_ad
    >>> with forward_ad.dual_level():
    ...     x = forward_ad.make_dual(dovetail.tensor([1.0, 2.0]), dovetail.ones(2))
    ...     forward_ad.unpack_dual(x * x).tangent.tolist()
    [2.0, 4.0]
    """

    def __enter__(self) -> int:
        number = enter_dual_level()
        self.mode = GradMode(True)
        self.mode.__enter__()
        return number

    def __exit__(self, *exc: Any) -> None:
        self.mode.__exit__(*exc)
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A tensor with the value of `tensor` and `tangent` as its direction of change.

    Raises: GradientError outside a level; ArgumentError for integers; ShapeError where the tangent has other sizes.
    """
    now = current_level()
    if not now.depth:
        text = "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() "
        text += "first."
        raise GradientError(message("make_dual", text))
    for name, t in (("primal", tensor), ("tangent", tangent)):
        if not t._meta.dtype.is_differentiable:
            text = f"Expected {name} to be floating point or complex, but got: {t._meta.dtype.name}"
            raise ArgumentError(message("make_dual", text, [(name, t)]))
    if tensor._meta.shape != tangent._meta.shape:
        facts = [("primal", tensor), ("tangent", tangent)]
        raise ShapeError(message("make_dual", "the tangent's sizes differ from the primal's", facts))
    if tensor._meta.dtype is not tangent._meta.dtype:
        facts = [("primal", tensor), ("tangent", tangent)]
        raise DTypeError(message("make_dual", "the tangent's dtype differs from the primal's", facts))
    with GradMode(True):
        needs = tensor._meta.requires_grad
        leaf = tensor.clone() if needs else join([tensor])[0]
        now.duals.append((leaf, tangent, needs))
        return leaf if needs else leaf.clone()


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """(primal, tangent) of a tensor; the tangent is None where no dual has gone into it."""
    now = current_level()
    if not now.depth or not now.duals or not tensor._meta.requires_grad:
        return UnpackedDualTensor(tensor, None)
    keep = any(needs for _, _, needs in now.duals)
    found = tangent_at(tensor, [(leaf, change) for leaf, change, _ in now.duals], keep)
    if found is None:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(tensor if keep else tensor.detach(), found)


def tangent_at(t: Tensor, duals: Sequence[tuple[Tensor, Tensor]], keep: bool) -> Tensor | None:
    """The change of `t` when each dual changes along its tangent; None where it cannot change."""
    with GradMode(True):
        dummy = join([Tensor.zeros_like(t)])[0]
        leaves = [leaf for leaf, _ in duals]
        back = staged.grad([t], leaves, [dummy], True, True, allow_unused=True)
        pairs = [(g, change) for g, (_, change) in zip(back, duals, strict=True) if g is not None]
        if not pairs:
            return None
        moving = [(g, change) for g, change in pairs if g._meta.requires_grad]
        if not moving:
            return Tensor.zeros_like(t)
        outs, changes = [g for g, _ in moving], [change for _, change in moving]
        (found,) = staged.grad(outs, [dummy], changes, True, keep, allow_unused=True, materialize=True)
        return found if keep else found.detach()


def applied(function: Any, ctx: Any, args: tuple, forward: Any) -> Any:
    """A Function with a jvp and no backward, on arguments of which some are duals. None: there are no duals."""
    if not level.depth or not level.duals:
        return None
    tangents = [unpack_dual(a).tangent if isinstance(a, Tensor) else None for a in args]
    if all(t is None for t in tangents):
        return None
    with GradMode(False):
        made = forward()
        changes = function.jvp(ctx, *tangents)
    if not isinstance(made, (tuple, list)):
        return made if changes is None else make_dual(made.detach(), changes)
    if len(changes) != len(made):
        raise ArgumentError(message(ctx.name(), f"jvp returned {len(changes)} tangents for {len(made)} results"))
    return type(made)(
        [m if c is None else make_dual(m.detach(), c) for m, c in zip(made, changes, strict=True)]
    )
