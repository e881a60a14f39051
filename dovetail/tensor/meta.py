"""What is known of a tensor without its values, as one shared object: equal metas are the same object.

So a guard on shape, dtype, device, layout and gradient state is one identity comparison.
"""

from __future__ import annotations

from threading import Lock
from typing import Any
from weakref import ref

from dovetail.base.device import CPU, device
from dovetail.base.dtypes import DType

Shape = tuple[int, ...]


class Meta:
    """Shape, dtype, device, requires_grad; strides (in elements, None when contiguous); history (see autograd.py).

    history is a Mark, or the Segment FREED, that says how the tensor came to be where guards must see it, or None.
    """

    __slots__ = ("shape", "dtype", "device", "requires_grad", "strides", "history", "numel", "nbytes", "row", "parts")

    def __init__(self, shape: Shape, dtype: DType, where: device, requires_grad: bool, strides: Shape | None, history):
        self.shape, self.dtype, self.device = shape, dtype, where
        self.requires_grad, self.strides, self.history = requires_grad, strides, history
        n = 1
        for s in shape:
            n *= s
        self.numel, self.nbytes = n, n * dtype.itemsize
        self.row = self.nbytes // shape[0] if shape and shape[0] else 0  # bytes from one row to the next, where dense
        self.parts: dict[Any, Meta] = {}  # of views: by number of rows, or by sizes and strides

    def with_grad(self, requires_grad: bool, history=None) -> Meta:
        """The meta that differs from this one in its gradient state only."""
        return meta(self.shape, self.dtype, self.device, requires_grad, self.strides, history)

    def part(self, shape: Shape, strides: Shape | None) -> Meta:
        """The meta of a view without gradient into a tensor with this one; remembered, since batches repeat."""
        if len(self.parts) > 1000:
            self.parts.clear()
        found = self.parts[shape, strides] = meta(shape, self.dtype, self.device, False, strides)
        return found

    def __repr__(self) -> str:
        return f"Meta({self.dtype.name}{list(self.shape)}{' grad' if self.requires_grad else ''})"


class Mark:
    """A fact about how a tensor came to be that guards must see, in the place of a Meta's history."""

    __slots__ = ("name",)
    broken = False

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return self.name


WATCHED = Mark("watched")  # Python code waits at the tensor (joint.py)
INFERENCE = Mark("inference")  # made in inference mode
EARLIER = Mark("earlier")  # made by a trace that was run: its gradient leads through a History

_metas: dict[tuple, Meta] = {}


def meta(
    shape: Shape,
    dtype: DType,
    where: device = CPU,
    requires_grad: bool = False,
    strides: Shape | None = None,
    history=None,
) -> Meta:
    """The one Meta with these facts."""
    key = (shape, dtype, where, requires_grad, strides, history)
    found = _metas.get(key)
    if found is None:
        if len(_metas) > 100_000:  # a program with endless shapes; live tensors keep theirs, guards miss once
            _metas.clear()
        found = _metas[key] = Meta(*key)
    return found


def contiguous_strides(shape: Shape) -> Shape:
    """Element strides of a dense row-major tensor."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def normal_strides(shape: Shape, strides: Shape) -> Shape | None:
    """`strides`, or None where they describe a dense row-major layout (dims of size 0 and 1 have no say)."""
    if 0 in shape:
        return None
    step = 1
    for n, s in zip(reversed(shape), reversed(strides), strict=True):
        if n != 1 and s != step:
            return strides
        step *= n
    return None


_age = 0


def layout_age() -> int:
    """A count that changes when remembered leaves may no longer be trusted (see `forget_leaves`)."""
    return _age


_recorders: tuple[ref, ...] = ()  # of all threads; replaced as a whole, so that others may walk it meanwhile
_lock = Lock()


def watch(recorder: Any) -> None:
    """Note a recorder, whose `remembers(t)` tells whether it has t as a leaf of earlier traces."""
    global _recorders
    with _lock:
        _recorders = (*[reference for reference in _recorders if reference() is not None], ref(recorder))


def forget_leaf(t: Any) -> None:
    """As forget_leaves, for a change of this tensor only: a fresh result is remembered nowhere, and all may stay."""
    if not t._guessed:
        return
    for reference in _recorders:
        recorder = reference()
        if recorder is not None and recorder.remembers(t):
            forget_leaves()
            return


def forget_leaves() -> None:
    """Called when a tensor's gradient state, storage or sharing changed outside a trace: guards must look again."""
    global _age
    _age += 1
