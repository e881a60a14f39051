"""tf.GradientTape. Dovetail always remembers what depends on trainable variables; a tape says what to ask for."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dovetail.base import tree
from dovetail.base.errors import GradientError, message
from dovetail.keras.context import context
from dovetail.keras.ops.convert import tensor
from dovetail.ops import create, shape
from dovetail.tensor.modes import enable_grad, no_grad
from dovetail.tensor.staged import grad
from dovetail.tensor.tensor import Tensor


class GradientTape:
    """Gradients of what is computed inside `with`.

    persistent: `gradient` may be called more than once. watch_accessed_variables: trainable variables count.

    >>> import dovetail.tf as tf
    >>> x = tf.Variable(3.0)
    >>> with tf.GradientTape() as tape:
    ...     y = x * x
    >>> float(tape.gradient(y, x))
    6.0

    Source: tf.GradientTape.
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True):
        self.persistent, self.all_variables = persistent, watch_accessed_variables
        self.watched: list[weakref.ref] = []
        self.used = self.shared = False
        self.mode: Any = None

    def __enter__(self) -> GradientTape:
        for other in context.tapes:
            other.shared = self.shared = True
        context.tapes.append(self)
        self.mode = enable_grad()
        self.mode.__enter__()
        return self

    def __exit__(self, *problem: Any) -> None:
        self.mode.__exit__(*problem)
        if self in context.tapes:
            context.tapes.remove(self)

    def note_variable(self, variable: Any) -> None:
        """Called for variables made while the tape is open."""

    def watch(self, tensor: Any) -> None:
        """Take this tensor (or structure of tensors) as something to differentiate by."""
        for t in tree.leaves(tensor):
            if isinstance(t, Tensor) and not t._meta.requires_grad and t._meta.dtype.is_differentiable:
                t.requires_grad_(True)  # type: ignore[attr-defined]
                self.watched.append(weakref.ref(t))

    def watched_variables(self) -> tuple:
        """The variables that were watched by name."""
        return tuple(t for t in (r() for r in self.watched) if t is not None)

    def gradient(self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: Any = "none"):
        """d(sum of target)/d(source) for each source, in the structure of `sources`; None where nothing connects them.

        Raises: GradientError at a second call of a tape that is not persistent.
        """
        if self.used and not self.persistent:
            raise GradientError(
                message(
                    "tape.gradient",
                    "a non-persistent GradientTape can only be used to compute one set of gradients",
                    cure="tf.GradientTape(persistent=True) may be asked more than once",
                )
            )
        self.used = True
        flat = tree.flatten(sources)
        targets = [t for t in tree.leaves(target) if isinstance(t, Tensor) and t._meta.requires_grad]
        places = [i for i, s in enumerate(flat) if isinstance(s, Tensor) and s._meta.requires_grad]
        made: list[Any] = [None] * len(flat)
        if targets and places:
            open_elsewhere = any(t is not self for t in context.tapes)
            again = open_elsewhere or (self.persistent and self in context.tapes)
            keep = again or self.persistent or self.shared
            given = tree.flatten(output_gradients) if output_gradients is not None else [None] * len(targets)
            weights = [ones_for(t) if g is None else tensor(g) for t, g in zip(targets, given, strict=True)]
            found = grad(targets, [flat[i] for i in places], weights, keep, again, allow_unused=True)
            for i, g in zip(places, found, strict=True):
                made[i] = g
        if str(getattr(unconnected_gradients, "value", unconnected_gradients)).lower() == "zero":
            made = [create.zeros_like(s) if g is None else g for g, s in zip(made, flat, strict=True)]
        return tree.pack(sources, made) if tree.is_nested(sources) else made[0]

    def jacobian(self, target: Any, sources: Any, **kwargs: Any) -> Any:
        """d(each element of target)/d(each element of the source): shape target.shape + source.shape."""
        if tree.is_nested(sources):
            return tree.map_leaves(lambda s: self.jacobian(target, s), sources)
        rows = []
        for i in range(target._meta.numel):
            weight = create.zeros(target._meta.numel, dtype=target._meta.dtype)
            weight[i] = 1
            again = any(t is not self for t in context.tapes)
            (row,) = grad([target], [sources], [weight.reshape(target.shape)], True, again, allow_unused=True)
            if row is None:
                return None
            rows.append(row)
        self.used = True
        return shape.stack(rows).reshape(tuple(target.shape) + tuple(sources.shape))

    def batch_jacobian(self, target: Any, source: Any, **kwargs: Any) -> Any:
        """The jacobian of each sample by itself: shape (batch, *target, *source)."""
        size = target.shape[0]
        flat = target.reshape(size, -1)
        rows = []
        for i in range(flat.shape[1]):
            (row,) = grad([flat[:, i].sum()], [source], [None], True, False, allow_unused=True)
            rows.append(create.zeros_like(source) if row is None else row)
        self.used = True
        return shape.stack(rows, 1).reshape(tuple(target.shape) + tuple(source.shape[1:]))

    def reset(self) -> None:
        """Forget everything so far."""
        self.used, self.watched = False, []

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """What is computed inside gets no gradients."""
        with no_grad():
            yield


def ones_for(t: Tensor) -> Tensor | None:
    """The weights of a target's elements: None where it is a scalar."""
    return create.ones_like(t).detach() if t._meta.shape else None
