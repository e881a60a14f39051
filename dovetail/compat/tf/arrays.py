"""Tensors made, cast, cut, joined and gathered, by TensorFlow's names."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.compat.tf.named import one
from dovetail.keras import ops
from dovetail.keras.dtypes import as_dtype
from dovetail.keras.ops.convert import tensor
from dovetail.keras.symbolic import KerasTensor
from dovetail.tensor.tensor import Tensor

newaxis = None
_slice, builtin_range, _tensor = builtins.slice, builtins.range, tensor


def ints(x: Any) -> Any:
    """A shape or axis as plain whole numbers."""
    if isinstance(x, Tensor):
        x = x.tolist()  # type: ignore[attr-defined]
    if isinstance(x, (list, tuple)):
        return tuple(int(n) for n in x)
    return x if x is None else int(x)


def sizes(shape: Any) -> tuple[int, ...]:
    """A shape given as a number, a sequence or a tensor."""
    found = ints(shape)
    return found if isinstance(found, tuple) else (found,)


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str = "Const") -> Tensor:
    """A tensor of these values; floats are float32, whole numbers int32, arrays keep their dtype."""
    made = tensor(value.copy() if isinstance(value, np.ndarray) else value, dtype)
    made = made.detach() if made is value else made
    if shape is not None:
        made = ops.broadcast_to(made, sizes(shape)) if made._meta.numel == 1 else ops.reshape(made, sizes(shape))
    return made


def convert_to_tensor(value: Any, dtype: Any = None, dtype_hint: Any = None, name: Any = None) -> Tensor:
    """`value` as a tensor."""
    return tensor(value, dtype)


def cast(x: Any, dtype: Any, name: Any = None) -> Any:
    """`x` in another dtype; fractions are cut off on the way to whole numbers."""
    return ops.cast(tensor(x) if not isinstance(x, KerasTensor) else x, dtype)


saturate_cast = cast


def zeros(shape, dtype="float32", name=None, layout=None) -> Tensor:
    """A tensor of zeros."""
    return ops.zeros(sizes(shape), dtype)


def ones(shape, dtype="float32", name=None, layout=None) -> Tensor:
    """A tensor of ones."""
    return ops.ones(sizes(shape), dtype)


def fill(dims, value, name=None, layout=None) -> Tensor:
    """A tensor of one value."""
    return ops.broadcast_to(tensor(value), sizes(dims))


def zeros_like(input, dtype=None, name=None, layout=None) -> Any:
    """Zeros in the shape of another tensor."""
    return ops.zeros_like(input, dtype)


def ones_like(input, dtype=None, name=None, layout=None) -> Any:
    """Ones in the shape of another tensor."""
    return ops.ones_like(input, dtype)


def eye(num_rows, num_columns=None, batch_shape=None, dtype="float32", name=None) -> Tensor:
    """Ones on the diagonal."""
    made = ops.eye(int(num_rows), None if num_columns is None else int(num_columns), dtype=dtype)
    return made if batch_shape is None else ops.broadcast_to(made, (*sizes(batch_shape), *made.shape))


def range(start, limit=None, delta=1, dtype=None, name="range") -> Tensor:
    """Numbers from start to limit, which is left out."""
    start, limit = (0, start) if limit is None else (start, limit)
    start, limit, delta = (x.item() if isinstance(x, Tensor) else x for x in (start, limit, delta))
    kind = dtype or ("float32" if any(isinstance(x, float) for x in (start, limit, delta)) else "int32")
    return Tensor.from_data(np.arange(start, limit, delta).astype(as_dtype(kind).np))


def linspace(start, stop, num, name=None, axis=0) -> Tensor:
    """`num` numbers from start to stop."""
    return ops.linspace(start, stop, int(num), axis=axis)


def shape(input, out_type="int32", name=None) -> Tensor:
    """The shape as a tensor of whole numbers."""
    return Tensor.from_data(np.asarray(tuple(tensor(input).shape), as_dtype(out_type).np))


def size(input, out_type="int32", name=None) -> Tensor:
    """The number of elements, as a tensor."""
    return Tensor.from_data(np.asarray(tensor(input)._meta.numel, as_dtype(out_type).np))


def rank(input, name=None) -> Tensor:
    """The number of axes, as a tensor."""
    return Tensor.from_data(np.asarray(len(tensor(input).shape), np.int32))


identity = one(lambda x: ops.add(x, 0) if isinstance(x, KerasTensor) else tensor(x).clone(), "identity")
stop_gradient = one(ops.stop_gradient, "stop_gradient")


def identity_n(input, name=None) -> list:
    """Copies of tensors."""
    return [identity(x) for x in input]


def reshape(tensor, shape, name=None) -> Any:
    """The elements in another shape."""
    return ops.reshape(tensor, sizes(shape))


def transpose(a, perm=None, conjugate=False, name="transpose") -> Any:
    """The axes in another order, reversed by default."""
    return ops.transpose(a, None if perm is None else ints(perm))


def expand_dims(input, axis, name=None) -> Any:
    """One more axis, of size 1."""
    return ops.expand_dims(input, ints(axis))


def squeeze(input, axis=None, name=None) -> Any:
    """Without axes of size 1."""
    return ops.squeeze(input, ints(axis) or None if axis == [] else ints(axis))


def concat(values, axis, name="concat") -> Any:
    """Tensors one after the other along an existing axis."""
    return ops.concatenate(list(values), axis=ints(axis))


def stack(values, axis=0, name="stack") -> Any:
    """Tensors beside one another along a new axis."""
    return ops.stack(list(values), axis=axis)


def unstack(value, num=None, axis=0, name="unstack") -> list:
    """The slices along an axis."""
    return list(ops.unstack(value, axis=axis))


def split(value, num_or_size_splits, axis=0, num=None, name="split") -> list:
    """Parts along an axis: a number of equal ones, or of these sizes."""
    parts, axis = ints(num_or_size_splits), ints(axis)
    value = value if isinstance(value, KerasTensor) else tensor(value)
    if isinstance(parts, int):
        if value.shape[axis] is not None and value.shape[axis] % parts:
            raise ShapeError(
                message("tf.split", f"axis {axis} of size {value.shape[axis]} cannot be cut into {parts} equal parts")
            )
        return list(ops.split(value, parts, axis=axis))
    known = sum(n for n in parts if n >= 0)
    parts = [value.shape[axis] - known if n < 0 else n for n in parts]
    return list(ops.split(value, [int(n) for n in np.cumsum(parts)[:-1]], axis=axis))


def tile(input, multiples, name=None) -> Any:
    """The tensor repeated along each axis."""
    return ops.tile(input, sizes(multiples))


def repeat(input, repeats, axis=None, name=None) -> Any:
    """Each element repeated."""
    return ops.repeat(input, ints(repeats), axis=axis)


def pad(tensor, paddings, mode="CONSTANT", constant_values=0, name=None) -> Any:
    """With (before, after) more elements along each axis."""
    pairs = [tuple(int(n) for n in pair) for pair in np.asarray(paddings)]
    if mode.lower() == "constant":
        return ops.pad(tensor, pairs, mode="constant", constant_values=constant_values)
    return ops.pad(tensor, pairs, mode=mode.lower())


def broadcast_to(input, shape, name=None) -> Any:
    """The tensor repeated to a larger shape."""
    return ops.broadcast_to(input, sizes(shape))


def broadcast_static_shape(shape_x, shape_y) -> tuple:
    """The shape that two shapes broadcast to."""
    return np.broadcast_shapes(tuple(shape_x), tuple(shape_y))


def reverse(tensor, axis, name=None) -> Any:
    """The elements in reverse order along these axes."""
    return ops.flip(tensor, ints(axis))


def roll(input, shift, axis, name=None) -> Any:
    """The elements shifted around along an axis."""
    return ops.roll(input, ints(shift), axis=ints(axis))


def slice(input_, begin, size, name=None) -> Any:
    """The block that begins at `begin`; a size of -1 takes the rest."""
    x = tensor(input_)
    whole = tuple(x.shape)
    at = zip(sizes(begin), sizes(size), whole, strict=True)
    return x[tuple(_slice(b, n if s < 0 else b + s) for b, s, n in at)]


def strided_slice(input_, begin, end, strides=None, **kwargs) -> Any:
    """The elements from begin to end."""
    steps = sizes(strides) if strides is not None else (1,) * len(sizes(begin))
    return tensor(input_)[tuple(_slice(b, e, s) for b, e, s in zip(sizes(begin), sizes(end), steps, strict=True))]


def gather(params, indices, validate_indices=None, axis=None, batch_dims=0, name=None) -> Any:
    """The slices at these indices, along axis 0 unless said otherwise."""
    if batch_dims:
        flat = ops.expand_dims(indices, -1) if len(tensor(params).shape) > len(tensor(indices).shape) else indices
        return ops.take_along_axis(params, flat, axis=batch_dims if axis is None else int(axis))
    return ops.take(params, indices, axis=0 if axis is None else ints(axis))


def gather_nd(params, indices, batch_dims=0, name=None) -> Tensor:
    """The elements (or slices) at these places; the last axis of `indices` is a place."""
    at = tensor(indices)
    return tensor(params)[tuple(at[..., i] for i in builtin_range(at.shape[-1]))]


def scatter_nd(indices, updates, shape, name=None) -> Tensor:
    """Zeros with the updates added at these places."""
    return ops.scatter(indices, updates, sizes(shape))


def tensor_scatter_nd_update(tensor, indices, updates, name=None) -> Tensor:
    """A copy with these elements replaced."""
    return ops.scatter_update(tensor, indices, updates)


def tensor_scatter_nd_add(tensor, indices, updates, name=None) -> Tensor:
    """A copy with these elements added to."""
    return ops.add(tensor, ops.scatter(indices, updates, tuple(tensor.shape)))


def boolean_mask(tensor, mask, axis=None, name="boolean_mask") -> Tensor:
    """The elements (or slices) where the mask is true."""
    x, at = _tensor(tensor), _tensor(mask, "bool")
    return x[at] if not axis else x[(_slice(None),) * int(axis) + (at,)]


def where(condition, x=None, y=None, name=None) -> Any:
    """x where the condition holds, else y; without them the places (n, rank) where it holds."""
    if x is None and y is None:
        found = np.argwhere(np.asarray(tensor(condition)))
        return Tensor.from_data(found.astype(np.int64))
    return ops.where(condition, x, y)


def one_hot(indices, depth, on_value=None, off_value=None, axis=None, dtype=None, name=None) -> Any:
    """Rows with a one at the index."""
    made = ops.one_hot(indices, int(depth), axis=-1 if axis is None else axis, dtype=dtype or "float32")
    if on_value is None and off_value is None:
        return made
    on, off = 1 if on_value is None else on_value, 0 if off_value is None else off_value
    return made * (on - off) + off


def meshgrid(*args, indexing="xy", name="meshgrid") -> list:
    """Coordinates of a grid."""
    return list(ops.meshgrid(*args, indexing=indexing))


def sort(values, axis=-1, direction="ASCENDING", name=None) -> Tensor:
    """The elements in order."""
    made = ops.sort(values, axis=axis)
    return ops.flip(made, axis) if direction == "DESCENDING" else made


def argsort(values, axis=-1, direction="ASCENDING", stable=False, name=None) -> Tensor:
    """The order that sorts."""
    return ops.argsort(ops.negative(values) if direction == "DESCENDING" else values, axis=axis)


def unique(x, out_idx="int32", name=None) -> tuple[Tensor, Tensor]:
    """(the different values in the order they come, where each element is among them)."""
    array = np.asarray(tensor(x))
    values, first, inverse = np.unique(array, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    place = np.argsort(order, kind="stable")
    return Tensor.from_data(values[order]), Tensor.from_data(place[inverse].astype(as_dtype(out_idx).np))


def searchsorted(sorted_sequence, values, side="left", out_type="int32", name=None) -> Tensor:
    """Where values belong in a sorted sequence."""
    return ops.cast(ops.searchsorted(sorted_sequence, values, side=side), out_type)


def sequence_mask(lengths, maxlen=None, dtype="bool", name=None) -> Tensor:
    """True in the first places of each row."""
    lengths = tensor(lengths)
    n = int(maxlen) if maxlen is not None else int(np.asarray(lengths).max())
    return ops.cast(ops.less(ops.arange(n), ops.expand_dims(lengths, -1)), dtype)


def clip_by_value(t, clip_value_min, clip_value_max, name=None) -> Any:
    """Elements below and above the limits replaced by these."""
    return ops.minimum(ops.maximum(t, clip_value_min), clip_value_max)


def clip_by_norm(t, clip_norm, axes=None, name=None) -> Tensor:
    """The tensor made shorter where its norm is above the limit."""
    norm = ops.sqrt(ops.sum(ops.square(t), axis=axes, keepdims=True))
    made = t * clip_norm / ops.maximum(norm, clip_norm)
    return ops.reshape(made, tuple(t.shape))


def global_norm(t_list, name=None) -> Tensor:
    """The norm of all elements of a list of tensors."""
    total: Any = 0.0
    for t in t_list:
        if t is not None:
            total = total + ops.sum(ops.square(t))
    return ops.sqrt(total)


def clip_by_global_norm(t_list, clip_norm, use_norm=None, name=None) -> tuple[list, Tensor]:
    """(the tensors made shorter together, their norm before)."""
    norm = global_norm(t_list) if use_norm is None else use_norm
    factor = clip_norm / ops.maximum(norm, clip_norm)
    return [None if t is None else t * factor for t in t_list], norm


def ensure_shape(x, shape, name=None) -> Any:
    """`x`, which must have this shape; None stands for any size."""
    if len(x.shape) != len(shape) or any(m is not None and n != m for n, m in zip(x.shape, shape, strict=True)):
        raise ShapeError(message("tf.ensure_shape", f"shape {tuple(x.shape)} is not compatible with {tuple(shape)}"))
    return x


def is_tensor(x) -> bool:
    """Whether x is a tensor."""
    return isinstance(x, (Tensor, KerasTensor))


def einsum(equation, *inputs, **kwargs) -> Any:
    """Products summed over the letters that are left out."""
    return ops.einsum(equation, *inputs)


def tensordot(a, b, axes, name=None) -> Any:
    """Products summed over pairs of axes."""
    return ops.tensordot(a, b, axes=axes)


def map_fn(fn, elems, dtype=None, fn_output_signature=None, name=None, **kwargs) -> Any:
    """fn of each slice along the first axis, the results stacked."""
    count = len(tree.flatten(elems)[0])
    rows = [fn(tree.map_leaves(lambda x, i=i: x[i], elems)) for i in builtin_range(count)]
    return tree.map_leaves(lambda *parts: ops.stack(list(parts)), *rows)


vectorized_map = map_fn


def while_loop(cond, body, loop_vars, **kwargs) -> Any:
    """body while cond holds."""
    held = tuple(loop_vars)
    while bool(cond(*held)):
        made = body(*held)
        held = tuple(made) if isinstance(made, (list, tuple)) else (made,)
    return held


def cond(pred, true_fn=None, false_fn=None, name=None) -> Any:
    """One of two functions, called."""
    return true_fn() if bool(pred) else false_fn()


def switch_case(branch_index, branch_fns, default=None, name="switch_case") -> Any:
    """The function of this number, called; the last one where there is none."""
    i = int(branch_index)
    fns = list(branch_fns.values()) if isinstance(branch_fns, dict) else list(branch_fns)
    return fns[i]() if 0 <= i < len(fns) else (default or fns[-1])()


def foldl(fn, elems, initializer=None, **kwargs) -> Any:
    """fn(held, element) over the slices along the first axis."""
    rows = list(ops.unstack(elems))
    held = rows.pop(0) if initializer is None else initializer
    for row in rows:
        held = fn(held, row)
    return held


def scan(fn, elems, initializer=None, **kwargs) -> Any:
    """As foldl, with every value on the way."""
    rows = list(ops.unstack(elems))
    held = rows.pop(0) if initializer is None else initializer
    made = [held] if initializer is None else []
    for row in rows:
        held = fn(held, row)
        made.append(held)
    return tree.map_leaves(lambda *parts: ops.stack(list(parts)), *made)


def group(*inputs, **kwargs) -> None:
    """Nothing to do: what is called has run."""


def no_op(name=None) -> None:
    """Nothing."""


def tf_print(*inputs, output_stream=None, summarize=3, sep=" ", end="\n", name=None) -> None:
    """Print values. Source: tf.print."""
    import sys

    shown = [x.numpy() if hasattr(x, "numpy") else x for x in inputs]
    print(*shown, sep=sep, end=end, file=output_stream if hasattr(output_stream, "write") else sys.stderr)


def assert_equal(x, y, message=None, summarize=None, name=None) -> None:
    """Raise ArgumentError where x and y differ."""
    if not bool(ops.all(ops.equal(x, y))):
        raise ArgumentError(message or "tf.debugging.assert_equal: the values differ")
