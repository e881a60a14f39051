"""`x[index]` and `x[index] = value` on the desk: what can be done at once on memory, and what becomes an event.

A basic index into a tensor whose value is there, and that records no gradient, is a view of its memory at once.
Boolean masks depend on values, so they are looked at and become positions; everything else is an op.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.dtypes import DType
from dovetail.base.errors import DimError, message, user_line
from dovetail.ops.promote import fitted, held
from dovetail.ops.shape import unbind
from dovetail.prims.elementwise import convert
from dovetail.tensor.meta import contiguous_strides, normal_strides
from dovetail.tensor.op import note_write
from dovetail.tensor.recorder import local
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.views import NO_GRAD, remember


def get(x: Tensor, index: Any) -> Tensor:
    """x[index], as torch indexes."""
    m = x._meta
    if x._run is None and not (m.requires_grad and local.rec.grad):
        plain = not m.requires_grad and x._unwritable is None  # of other parts has to be known what they are parts of
        if plain and type(index) is slice and m.strides is None and index.step is None and m.shape:
            start, stop = index.start, index.stop
            if type(start) is int and type(stop) is int and 0 <= start <= stop <= m.shape[0]:
                return x._rows(start, stop)
            part = rows(x, m, start, stop)
            if part is not None:
                return part
        index = with_plain_bounds(index)
        where = basic_view(x, index)
        if where is not None:
            shape, strides, offset = where
            return kin(x, x._alias(shape, normal_strides(shape, strides), offset))
    from dovetail.ops import index as ops

    index, basic = settle_index(index, x)
    return ops.get_part(x, index) if basic else ops.get_elements(x, index)


def iterate(x: Tensor) -> Iterator[Tensor]:
    """The elements along dim 0."""
    if not x._meta.shape:
        raise TypeError("iteration over a 0-d tensor")
    if x._meta.requires_grad and local.rec.grad:
        return iter(unbind(x, 0))
    return (x[i] for i in range(x._meta.shape[0]))


def with_plain_bounds(index: Any) -> Any:
    """The index with Python numbers for NumPy numbers, for tensors of one whole number whose value is there, and for
    any bounds of slices: x[i] and x[i : i + 64] for i in ix.

    So each piece is a view, and no operation of its own that a trace would remember by its numbers.
    """
    if type(index) is tuple:
        return tuple([with_plain_bounds(i) for i in index])
    if isinstance(index, Tensor):
        m = index._meta
        return index.__index__() if m.shape == () and m.dtype.kind in "iu" and index._run is None else index
    if isinstance(index, np.integer):
        return int(index)
    if type(index) is slice:
        bounds = (index.start, index.stop, index.step)
        if not all([v is None or type(v) is int for v in bounds]):
            return slice(*[v if v is None or type(v) is int else v.__index__() for v in bounds])
    return index


def rows(x: Tensor, m: Any, start: Any, stop: Any) -> Tensor | None:
    """x[start:stop] of a dense tensor, the way batches are cut: quicker than the general view."""
    n = m.shape[0]
    if start is None:
        start = 0
    if stop is None:
        stop = n
    if type(start) is not int or type(stop) is not int:
        return None
    if start < 0 or stop > n or stop < start:
        start, stop, _ = slice(start, stop).indices(n)
        stop = max(start, stop)
    return x._rows(start, stop)


def kin(x: Tensor, part: Tensor) -> Tensor:
    """A part of x: a write through one of them is one through the other."""
    if x._meta.requires_grad or x._unwritable is not None:
        part._unwritable = NO_GRAD if x._meta.requires_grad else x._unwritable
    if x._meta.dtype.is_differentiable:
        remember(part, x)
    return part


def basic_view(x: Tensor, index: Any) -> tuple[tuple, tuple, int] | None:
    """(shape, strides, offset) of a basic index with positive steps; None for any other."""
    m = x._meta
    strides = m.strides or contiguous_strides(m.shape)
    kind = type(index)
    if kind is int:
        if not m.shape:
            raise DimError(
                message("indexing", "a 0-d tensor cannot be indexed", [("tensor", x)], "Use x.item() for its number")
            )
        i = at(index, m.shape[0], 0, x)
        return m.shape[1:], strides[1:], i * strides[0]
    if kind is slice and m.shape:
        found = bounds(index, m.shape[0])
        if found is None:
            return None
        start, count, step = found
        return (count, *m.shape[1:]), (strides[0] * step, *strides[1:]), start * strides[0]
    if kind is not tuple or not all(type(i) in (int, slice) or i is None or i is Ellipsis for i in index):
        return None
    return tuple_view(x, index, strides)


def tuple_view(x: Tensor, index: tuple, strides: tuple) -> tuple[tuple, tuple, int] | None:
    shape = x._meta.shape
    used = sum(type(i) in (int, slice) for i in index)
    if used > len(shape):
        raise DimError(
            message("indexing", f"too many indices: {used} for a tensor of dimension {len(shape)}", [("tensor", x)])
        )
    out_shape: list[int] = []
    out_strides: list[int] = []
    offset = dim = 0
    seen_ellipsis = False
    for item in index:
        if item is None:
            out_shape.append(1)
            out_strides.append(0)
        elif item is Ellipsis:
            if seen_ellipsis:
                raise DimError(message("indexing", "an index can only have a single ellipsis ('...')"))
            seen_ellipsis = True
            skip = len(shape) - used
            out_shape += shape[dim : dim + skip]
            out_strides += strides[dim : dim + skip]
            dim += skip
        elif type(item) is int:
            offset += at(item, shape[dim], dim, x) * strides[dim]
            dim += 1
        else:
            found = bounds(item, shape[dim])
            if found is None:
                return None
            start, count, step = found
            offset += start * strides[dim]
            out_shape.append(count)
            out_strides.append(strides[dim] * step)
            dim += 1
    return (*out_shape, *shape[dim:]), (*out_strides, *strides[dim:]), offset


def at(i: int, n: int, dim: int, x: Tensor) -> int:
    if not -n <= i < n:
        raise DimError(
            message(
                "indexing",
                f"index {i} is out of bounds for dimension {dim} with size {n}",
                [("tensor", x)],
                f"Valid indices are {-n} to {n - 1}" if n else "This dimension is empty",
            )
        )
    return i + n if i < 0 else i


def bounds(s: slice, n: int) -> tuple[int, int, int] | None:
    """(start, count, step) of a slice of numbers with a positive step; None where tensors or other steps are in it."""
    step = 1 if s.step is None else s.step
    if (
        type(step) is not int
        or step <= 0
        or type(s.start) not in (int, type(None))
        or type(s.stop) not in (int, type(None))
    ):
        return None
    start, stop, _ = s.indices(n)
    return start, max(0, -(-(stop - start) // step)), step


def check_mask(mask: Tensor, x: Tensor, before: list) -> None:
    """A mask must have the sizes of the dims it stands for, where it is known which these are."""
    if any(i is Ellipsis or not isinstance(i, (int, slice, Tensor)) or isinstance(i, bool) for i in before):
        return
    sizes = x._meta.shape[len(before) : len(before) + len(mask._meta.shape)]
    if tuple(mask._meta.shape) != tuple(sizes):
        at = next((d for d, (a, b) in enumerate(zip(mask._meta.shape, sizes, strict=False)) if a != b), len(sizes))
        text = f"The shape of the mask {list(mask._meta.shape)} at index {at} does not match the shape of the indexed "
        raise DimError(message("indexing", text + f"tensor {list(x._meta.shape)} at index {at + len(before)}"))


WHOLE = (int, type(None))


def is_plain(index: Any) -> bool:
    """Whether an index is made of Python numbers, slices of them, None and `...` alone: there is nothing to settle."""
    for item in index if type(index) is tuple else (index,):
        kind = type(item)
        if kind is slice:
            if type(item.start) not in WHOLE or type(item.stop) not in WHOLE or type(item.step) not in WHOLE:
                return False
        elif kind not in WHOLE and item is not Ellipsis:
            return False
    return True


def settle_index(index: Any, x: Tensor) -> tuple[Any, bool]:
    """The index with masks turned into positions and arrays into tensors; and whether only basic parts are left."""
    if is_plain(index):
        return index, True
    items = list(index) if isinstance(index, tuple) else [index]
    made: list[Any] = []
    basic = True
    for item in items:
        if isinstance(item, (list, range)) or (isinstance(item, np.ndarray) and item.ndim):
            item = Tensor.from_data(np.asarray(unwrap(item)) if len(item) else np.zeros(0, np.int64))
        elif isinstance(item, (np.integer, np.ndarray)) and not isinstance(item, np.bool_):
            item = int(item) if np.asarray(item).dtype.kind in "iu" else bool(item)
        if isinstance(item, np.bool_):
            item = bool(item)
        if isinstance(item, Tensor) and item._meta.dtype.kind == "b" and item._meta.shape:
            check_mask(item, x, made)
            made += [Tensor.from_array(a) for a in np.nonzero(item._array())]
            basic = False
            continue
        if isinstance(item, Tensor) and not item._meta.shape and item._meta.dtype.kind == "b":
            item = bool(item)
        if isinstance(item, Tensor) or isinstance(item, bool):
            basic = False
        elif isinstance(item, slice):
            item = slice(*(None if v is None else v.__index__() for v in (item.start, item.stop, item.step)))
        made.append(item)
    if isinstance(index, tuple) or len(made) != 1:
        return tuple(made), basic
    return made[0], basic


def unwrap(item: Any) -> Any:
    if isinstance(item, Tensor):
        return item._array()
    return [unwrap(i) for i in item] if isinstance(item, (list, tuple)) else item


def put(x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value, in place; recorded where gradients or pending values take part."""
    rec = local.rec
    here = x._run is None and not x._meta.requires_grad
    if here and (
        isinstance(value, (int, float, bool, np.ndarray, np.generic))
        or (isinstance(value, Tensor) and value._run is None and not value._meta.requires_grad)
    ):
        rec.close()
        array = x._memory()
        new = written(value, x._meta.dtype)
        try:
            array[numpy_index(index)] = new
        except (ValueError, IndexError) as e:
            kind = DimError if isinstance(e, IndexError) else ValueError
            raise kind(message("indexing", str(e), [("tensor", x)])) from None
        x._version += 1
        where = user_line()
        x._written = x._version, where
        if x._shared:
            note_write(x, where)
        return
    from dovetail.ops import index as ops

    ops.setitem.inplace(x, settle_index(index, x)[0], value)


def written(value: Any, dtype: DType) -> Any:
    """A value as it is written into memory of this dtype, by the rules of every other cast."""
    if isinstance(value, (int, float)):
        return fitted(held("indexing", value, dtype), dtype) if dtype.kind in "iu" else value
    array = value._memory() if isinstance(value, Tensor) else np.asarray(value)
    return array if array.dtype == dtype.np else convert.meaning(array, dtype=dtype)


def numpy_index(index: Any) -> Any:
    if isinstance(index, Tensor):
        return index._array()
    if isinstance(index, tuple):
        return tuple(numpy_index(i) for i in index)
    if isinstance(index, list):
        return [numpy_index(i) for i in index]
    return index


Tensor.__iter__ = iterate
Tensor.__getitem__ = get
Tensor.__setitem__ = put
