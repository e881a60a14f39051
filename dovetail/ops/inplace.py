"""Shapes changed in place: the tensor itself gets other dims, no numbers move."""

from __future__ import annotations

import numpy as np

import dovetail.ops.primitives as p
from dovetail.base.errors import DTypeError, GradientError, message
from dovetail.ops import shape
from dovetail.ops.dims import new_sizes, numel
from dovetail.ops.front import front
from dovetail.tensor.op import op
from dovetail.tensor.storage import TypedStorage, UntypedStorage, over_storage
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
def set_(
    input: Tensor,
    source: Tensor | UntypedStorage | TypedStorage | None = None,
    storage_offset=0,
    size=None,
    stride=None,
) -> Tensor:
    """The memory of another tensor or storage, in place.

    Raises: GradientError for a leaf that requires grad and for a source that does, DTypeError for another dtype.
    """
    if source is None:
        return resize_(input, 0)
    if isinstance(source, Tensor):
        facts = [("tensor", input), ("source", source)]
        if source.requires_grad:
            problem = "no gradient leads through a change of memory, and the source requires grad"
            raise GradientError(message("set_", problem, facts, "x = source, or x.set_(source.detach())"))
        if source.dtype is not input.dtype:
            problem = f"Could not set tensor of type {source.dtype.name} to a tensor of type {input.dtype.name}"
            raise DTypeError(message("set_", problem, facts, f"x.set_(source.to({input.dtype!r}))"))
        source._settle()  # from here on both look into one memory
    if isinstance(source, (UntypedStorage, TypedStorage)) or size is not None:
        memory = source if not isinstance(source, Tensor) else UntypedStorage.of(source)
        part = over_storage(memory, input.dtype, storage_offset, size, stride)
        return take_over(input, lambda x: part, "set_")
    return take_over(input, lambda x: source._alias(source._meta.shape, source._meta.strides, 0), "set_")


@front(method=True, top=False)
def resize(input: Tensor, *sizes) -> Tensor:
    """The same elements under another shape; torch calls this deprecated: use reshape, or resize_ for other numbers."""
    wanted = new_sizes("resize", sizes)
    if numel(wanted) != numel(tuple(input.shape)):
        problem = f"the number of elements must not change: {tuple(input.shape)} to {wanted}"
        raise RuntimeError(message("resize", problem, [("tensor", input)], "resize_ changes it in place"))
    return shape.reshape(input, wanted)


@front(method=True, top=False)
def resize_as(input: Tensor, tensor: Tensor) -> Tensor:
    """The same elements under the shape of another tensor."""
    return resize(input, tuple(tensor.shape))


@front(method=True, top=False)
def apply_(input: Tensor, callable) -> Tensor:
    """A Python function called with every element, in place. Slow: use tensor operations where you can."""
    return mapped("apply_", input, callable)


@front(method=True, top=False)
def map_(input: Tensor, tensor: Tensor, callable) -> Tensor:
    """A Python function of two elements, this tensor's and another's, in place."""
    return mapped("map_", input, callable, tensor)


@front(method=True, top=False)
def map2_(input: Tensor, x: Tensor, y: Tensor, callable) -> Tensor:
    """A Python function of three elements, in place."""
    return mapped("map2_", input, callable, x, y)


def mapped(call: str, t: Tensor, function, *others: Tensor) -> Tensor:
    """`function` of the elements of all tensors, broadcast to t's shape and written there."""
    if t.requires_grad or any(x.requires_grad for x in others):
        raise GradientError(message(call, "Can't call it on a Variable that requires grad", [("tensor", t)]))
    arrays = [np.broadcast_to(x.numpy(), tuple(t.shape)) for x in (t, *others)]
    values = [function(*(v.item() for v in row)) for row in zip(*(a.flat for a in arrays), strict=True)]
    return t.copy_(Tensor.from_array(np.array(values, t.dtype.np).reshape(tuple(t.shape))))
