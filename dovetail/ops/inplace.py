"""Shapes changed in place: the tensor itself gets other dims, no numbers move."""

from __future__ import annotations

import dovetail.ops.primitives as p
from dovetail.base.errors import message
from dovetail.ops import shape
from dovetail.ops.dims import new_sizes, numel
from dovetail.ops.front import front
from dovetail.tensor.op import op
from dovetail.tensor.takeover import take_over
from dovetail.tensor.tensor import Tensor


@front(method=True, top=False)
def unsqueeze_(input: Tensor, dim) -> Tensor:
    """A dim of size 1 put in at `dim`, in place."""
    return take_over(input, lambda x: shape.unsqueeze(x, dim), "unsqueeze_")


@front(method=True, top=False)
def squeeze_(input: Tensor, dim=None) -> Tensor:
    """Dims of size 1 removed, in place."""
    return take_over(input, lambda x: shape.squeeze(x, dim), "squeeze_")


@front(method=True, top=False)
def t_(input: Tensor) -> Tensor:
    """The transpose of a matrix, in place."""
    return take_over(input, lambda x: shape.t(x), "t_")


@front(method=True, top=False, also=("Tensor.swapaxes_", "Tensor.swapdims_"))
def transpose_(input: Tensor, dim0, dim1) -> Tensor:
    """Two dims exchanged, in place."""
    return take_over(input, lambda x: shape.transpose(x, dim0, dim1), "transpose_")


@front(method=True)
def detach_(input: Tensor) -> Tensor:
    """The tensor cut off from the gradient, in place."""
    if input.is_leaf:
        return input.requires_grad_(False)
    return take_over(input, lambda x: shape.detach(x), "detach_")


@op(top=False)
def resized(input, sizes):
    """The first elements under another shape; what is new holds zeros."""
    have, want = numel(input.shape), numel(sizes)
    flat = shape.reshaped(input, (have,))
    if want > have:
        flat = p.pad(flat, low=(0,), high=(want - have,), value=filled_value(input))
    elif want < have:
        flat = shape.section(flat, 0, 0, want)
    return p.reshape(flat, shape=tuple(sizes))


def filled_value(x):
    """Zero as a Python number of x's kind."""
    return False if x.dtype.kind == "b" else 0


@front(method=True, top=False)
def resize_(input: Tensor, *sizes, memory_format=None) -> Tensor:
    """Another number of elements, in place; those that fit are kept."""
    if input.requires_grad:
        raise RuntimeError(message("resize_", "cannot resize variables that require grad", [("tensor", input)]))
    wanted = new_sizes("resize_", sizes)
    if wanted == tuple(input.shape):
        return input
    if input._run is None and input._shared and input._storage.home is None:
        if numel(wanted) * input.itemsize > input._storage.nbytes:
            problem = "Trying to resize storage that is not resizable: the memory belongs to NumPy"
            raise RuntimeError(message("resize_", problem, [("tensor", input)], "clone() it first"))
    return take_over(input, lambda x: resized(x, wanted), "resize_")


@front(method=True)
def resize_as_(input: Tensor, the_template: Tensor, memory_format=None) -> Tensor:
    """The shape of another tensor, in place."""
    return resize_(input, tuple(the_template.shape))


@front(method=True, top=False)
def set_(input: Tensor, source: Tensor | None = None, storage_offset=0, size=None, stride=None) -> Tensor:
    """The memory of another tensor, in place."""
    if source is None:
        return resize_(input, 0)
    return take_over(input, lambda x: shape.detach(source), "set_")
