"""Parts and other shapes of a tensor as copies with memory of their own, and reading memory by strides."""

from __future__ import annotations

import numpy as np

import dovetail.ops.primitives as p
from dovetail.base.errors import ArgumentError, NotCovered, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops import index, shape
from dovetail.ops.dims import numel, sizes_of
from dovetail.ops.front import front
from dovetail.ops.promote import cast, expanded, literal
from dovetail.ops.shape import need_shape, reshaped
from dovetail.tensor import views
from dovetail.tensor.meta import normal_strides
from dovetail.tensor.op import op, place_of
from dovetail.tensor.takeover import take_over
from dovetail.tensor.tensor import Tensor


def copied(x):
    """A value of its own, or a tuple of them."""
    return tuple(p.identity(v) for v in x) if isinstance(x, (tuple, list)) else p.identity(x)


@op()
def alias_copy(input):
    """A copy."""
    return p.identity(input)


@op()
def permute_copy(input, dims):
    """permute, copied."""
    return copied(shape.permute(input, dims))


@op()
def transpose_copy(input, dim0, dim1):
    """transpose, copied."""
    return copied(shape.transpose(input, dim0, dim1))


@op()
def t_copy(input):
    """t, copied."""
    return copied(shape.t(input))


@op()
def squeeze_copy(input, dim=None):
    """squeeze, copied."""
    return copied(shape.squeeze(input, dim))


@op()
def unsqueeze_copy(input, dim):
    """unsqueeze, copied."""
    return copied(shape.unsqueeze(input, dim))


@op()
def expand_copy(input, *size, implicit=False):
    """expand, copied."""
    return copied(shape.expand(input, *size))


@op()
def view_copy(input, *size):
    """view, copied."""
    return copied(shape.view(input, *size))


@op()
def unfold_copy(input, dimension, size, step):
    """unfold, copied."""
    return copied(shape.unfold(input, dimension, size, step))


@op()
def detach_copy(input):
    """detach, copied."""
    return p.detach(input)


@op()
def diagonal_copy(input, offset=0, dim1=0, dim2=1):
    """diagonal, copied."""
    return copied(shape.diagonal(input, offset, dim1, dim2))


@op()
def select_copy(input, dim, index):
    """select, copied."""
    return copied(shape.select(input, dim, index))


@op()
def slice_copy(input, dim=0, start=None, end=None, step=1):
    """input[start:end:step] along a dim, copied."""
    at = dim % max(input.ndim, 1)
    return copied(index.get_part(input, (slice(None),) * at + (slice(start, end, step),)))


@op(method=True)
def narrow_copy(input, dim, start, length):
    """narrow, copied."""
    return copied(shape.narrow_at(input, dim, start, length))


@op()
def split_copy(input, split_size, dim=0):
    """split, copied."""
    return copied(shape.split(input, split_size, dim))


@op()
def split_with_sizes_copy(input, split_sizes, dim=0):
    """split, copied."""
    return copied(shape.split(input, list(split_sizes), dim))


@op()
def unbind_copy(input, dim=0):
    """unbind, copied."""
    return copied(shape.unbind(input, dim))


@op()
def view_as_real_copy(input):
    """view_as_real, copied."""
    return copied(shape.view_as_real(input))


@op()
def view_as_complex_copy(input):
    """view_as_complex, copied."""
    return copied(shape.view_as_complex(input))


# --- by strides -------------------------------------------------------------------------------------------------------


def reach(call: str, size, stride, offset: int, count: int, facts: list) -> tuple[tuple, tuple]:
    """(sizes, strides) as tuples. Raises ShapeError where they lead outside of `count` elements of memory."""
    size, stride = sizes_of(call, (tuple(size),)), sizes_of(call, (tuple(stride),))
    if len(size) != len(stride):
        raise ShapeError(message(call, f"mismatch in length of strides and shape: {stride} and {size}", facts))
    if any(n < 0 for n in (*size, *stride, offset)):
        problem = f"sizes, strides and storage_offset must not be negative: {size}, {stride}, {offset}"
        raise ArgumentError(message(call, problem, facts))
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if 0 not in size and last >= count:
        problem = f"size {size}, stride {stride} and storage_offset {offset} are out of bounds for storage of "
        raise ShapeError(message(call, f"{problem}{count} elements", facts))
    return size, stride


def places(call: str, x: Value, size, stride, storage_offset) -> np.ndarray:
    """The flat index of every element that sizes and strides name; memory is seen in row-major order."""
    size, stride = reach(call, size, stride, storage_offset or 0, numel(x.shape), [("input", x)])
    found = np.full(size, storage_offset or 0, np.int64)
    for d, (n, step) in enumerate(zip(size, stride, strict=True)):
        found += (np.arange(n) * step).reshape([-1 if k == d else 1 for k in range(len(size))])
    return found


@op(top=False, view=True, name="as_strided")
def strided_part(input, size, stride, offset):
    """The elements at offset + sum(i * stride) of a value's row-major order, as a chain of views."""
    flat = reshaped(input, (numel(input.shape),))
    if 0 in size:
        return reshaped(shape.section(flat, 0, 0, 0), size)
    walked = sorted([d for d in range(len(size)) if size[d] > 1 and stride[d]], key=lambda d: -stride[d])
    span = 1 + sum((size[d] - 1) * stride[d] for d in walked)
    x = shape.section(flat, 0, offset, offset + span)
    for d in walked:  # windows that start stride[d] apart, each as long as what the other dims reach
        span -= (size[d] - 1) * stride[d]
        x = p.windows(x, window=(span,), stride=(stride[d],), padding=((0, 0),), dilation=(1,))
        x = shape.moved(x, x.ndim - 2, x.ndim - 1)
    x = reshaped(x, tuple(size[d] for d in walked))
    kept = sorted(walked)
    x = shape.permuted(x, [walked.index(d) for d in kept])
    x = reshaped(x, tuple(n if d in kept else 1 for d, n in enumerate(size)))
    return expanded(x, size)


@op(also=("Tensor.as_strided_copy",))
def as_strided_copy(input, size, stride, storage_offset=None):
    """as_strided of the input's row-major memory, copied."""
    places("as_strided", input, size, stride, storage_offset)
    return p.identity(strided_part(input, tuple(size), tuple(stride), storage_offset or 0))


@front(method=True)
def as_strided(input: Tensor, size, stride, storage_offset=None) -> Tensor:
    """A view of the input's memory: element (i, j, ...) lies at storage_offset + i * stride[0] + j * stride[1] + ...

    Raises: ShapeError where that leads outside of the memory.

    >>> import dovetail
    >>> x = dovetail.arange(6.0)
    >>> x.as_strided((2, 2), (3, 1)).tolist()
    [[0.0, 1.0], [3.0, 4.0]]
    """
    facts = [("input", input)]
    if input._run is None and not input.requires_grad:
        here = input.storage_offset()
        count = (input._storage.nbytes - (input._ptr - input._storage.ptr)) // input.element_size() + here
        offset = here if storage_offset is None else storage_offset
        size, stride = reach("as_strided", size, stride, offset, count, facts)
        return input._alias(size, normal_strides(size, stride), offset - here)
    base, here = place_of(input)
    offset = here if storage_offset is None else storage_offset
    size, stride = reach("as_strided", size, stride, offset, base.numel(), facts)
    if input._run is None and not input.is_contiguous():
        order = sorted(range(input.ndim), key=lambda d: -input.stride(d))
        base = shape.permute(input, order)  # in the order of its memory, which may have gaps
        if not views.dense(input.shape, input.stride()):
            raise NotCovered(message("as_strided", "a part of memory with gaps is taken with a gradient", facts))
    view = strided_part(base, size, stride, offset)
    return view if input.requires_grad or not view.requires_grad else shape.detach(view)


@op(method=True)
def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """`input` with src written where as_strided would read."""
    found = places("as_strided_scatter", input, size, stride, storage_offset)
    need_shape("as_strided_scatter", src, found.shape)
    flat = reshaped(input, (numel(input.shape),))
    if not found.size:
        return p.identity(input)
    u = reshaped(cast(src, input.dtype), (found.size,))
    out = p.scatter_nd(flat, u, literal(found.reshape(-1)), mode="set")
    return reshaped(out, input.shape)


@front(method=True)
def as_strided_(input: Tensor, size, stride, storage_offset=None) -> Tensor:
    """as_strided, in place."""
    return take_over(input, lambda x: as_strided(x, size, stride, storage_offset), "as_strided_")
