"""Parts and other shapes of a tensor as copies with memory of their own, and reading memory by strides."""

from __future__ import annotations

import numpy as np

import dovetail.ops.primitives as p
from dovetail.base.errors import ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops import index, shape
from dovetail.ops.dims import numel, sizes_of
from dovetail.ops.front import front
from dovetail.ops.promote import cast, literal
from dovetail.ops.shape import need_shape, reshaped
from dovetail.tensor.op import op
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


def places(call: str, x: Value, size, stride, storage_offset) -> np.ndarray:
    """The flat index of every element that sizes and strides name; memory is seen in row-major order."""
    size, stride = sizes_of(call, (tuple(size),)), tuple(stride)
    if len(size) != len(stride):
        raise ShapeError(message(call, f"mismatch in length of strides and shape: {stride} and {size}", [("input", x)]))
    found = np.full(size, storage_offset or 0, np.int64)
    for d, (n, step) in enumerate(zip(size, stride, strict=True)):
        found += (np.arange(n) * step).reshape([-1 if k == d else 1 for k in range(len(size))])
    if found.size and (found.min() < 0 or found.max() >= numel(x.shape)):
        problem = f"size {size} and stride {stride} reach outside the storage of {numel(x.shape)} elements"
        raise ShapeError(message(call, problem, [("input", x)]))
    return found


@op(method=True, also=("as_strided_copy",))
def as_strided(input, size, stride, storage_offset=None):
    """The elements at storage_offset + sum(i * stride) of the input's row-major memory."""
    found = places("as_strided", input, size, stride, storage_offset)
    flat = reshaped(input, (numel(input.shape),))
    if not found.size:
        return reshaped(shape.section(flat, 0, 0, 0), found.shape)
    return p.take(flat, literal(found), dim=0)


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
