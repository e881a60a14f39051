"""Changes of shape and choice of elements (2024.12, "Manipulation Functions" and "Indexing Functions")."""

from __future__ import annotations

from dovetail.array_api.operands import array, axes_of, result_of
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ops import dims, index, shape
from dovetail.tensor.tensor import Tensor


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that arrays of these shapes broadcast to.

    >>> broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    return tuple(dims.broadcast_sizes("broadcast_shapes", *map(tuple, shapes)))


def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    """All arrays in the shape they broadcast to. Shape: (*), ... -> one shape"""
    given = [array("broadcast_arrays", x) for x in arrays]
    return [shape.expand(x, broadcast_shapes(*[tuple(a.shape) for a in given])) for x in given]


def broadcast_to(x: Tensor, /, shape: tuple[int, ...]) -> Tensor:
    """`x` seen in a larger shape. Raises ShapeError where it does not fit."""
    size = tuple(shape)
    if broadcast_shapes(tuple(array("broadcast_to", x).shape), size) != size:
        raise ShapeError(message("broadcast_to", f"{tuple(x.shape)} does not broadcast to {size}", [("x", x)]))
    return x.expand(size)


def concat(arrays: tuple[Tensor, ...] | list[Tensor], /, *, axis: int | None = 0) -> Tensor:
    """Arrays one after the other along an axis; flattened first for axis=None."""
    dtype = result_of("concat", *[array("concat", x) for x in arrays])
    parts = [x.to(dtype) for x in arrays]
    return shape.cat([x.reshape(-1) for x in parts], 0) if axis is None else shape.cat(parts, axis)


def expand_dims(x: Tensor, /, *, axis: int | tuple[int, ...] = 0) -> Tensor:
    """`x` with a dimension of size 1 put in at each axis. Shape: (*) -> (*, 1, *)"""
    given = axis if isinstance(axis, tuple) else (axis,)
    rank = array("expand_dims", x).ndim + len(given)
    at = axes_of("expand_dims", given, rank)
    if len(set(at)) < len(at):
        raise ArgumentError(message("expand_dims", f"an axis is named twice in {given}", [("x", x)]))
    sizes = iter(x.shape)
    return x.reshape(tuple(1 if d in at else next(sizes) for d in range(rank)))


def flip(x: Tensor, /, *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """The elements in reverse order along axes, all of them for None. Shape: (*) -> (*)"""
    return shape.flip(x, axes_of("flip", axis, array("flip", x).ndim))


def moveaxis(x: Tensor, source: int | tuple[int, ...], destination: int | tuple[int, ...], /) -> Tensor:
    """Axes moved to other places, the others in order."""
    return shape.movedim(array("moveaxis", x), source, destination)


def permute_dims(x: Tensor, /, axes: tuple[int, ...]) -> Tensor:
    """The dimensions in another order. Raises ValueError unless `axes` names each once."""
    return shape.permute(array("permute_dims", x), tuple(axes))


def repeat(x: Tensor, repeats: int | Tensor, /, *, axis: int | None = None) -> Tensor:
    """Each element several times along an axis; flattened first for axis=None."""
    return index.repeat_interleave(array("repeat", x), repeats, axis)


def reshape(x: Tensor, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Tensor:
    """The elements in order in another shape, of which one size may be -1."""
    made = array("reshape", x).reshape(tuple(shape) if isinstance(shape, (tuple, list)) else (shape,))
    return made.clone() if copy else made


def roll(x: Tensor, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """The elements moved on along axes; those that leave come in at the other end. Shape: (*) -> (*)"""
    array("roll", x)
    if axis is None:
        return shape.roll(x, shift)
    axes = axes_of("roll", axis, x.ndim)
    return shape.roll(x, (shift,) * len(axes) if isinstance(shift, int) else tuple(shift), axes)


def squeeze(x: Tensor, /, axis: int | tuple[int, ...]) -> Tensor:
    """`x` without these axes. Raises ValueError unless their size is 1."""
    gone = axes_of("squeeze", axis, array("squeeze", x).ndim)
    if any(x.shape[d] != 1 for d in gone):
        raise ArgumentError(message("squeeze", f"axis {axis} has a size other than 1", [("x", x)]))
    return x.reshape(tuple(n for d, n in enumerate(x.shape) if d not in gone))


def stack(arrays: tuple[Tensor, ...] | list[Tensor], /, *, axis: int = 0) -> Tensor:
    """Arrays along a new axis. Shape: n arrays of (*) -> (*, n, *)"""
    dtype = result_of("stack", *[array("stack", x) for x in arrays])
    return shape.stack([x.to(dtype) for x in arrays], axis)


def tile(x: Tensor, repetitions: tuple[int, ...], /) -> Tensor:
    """`x` laid out several times along each axis."""
    return shape.tile(array("tile", x), tuple(repetitions))


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of `x` along an axis."""
    return tuple(shape.unbind(array("unstack", x), axis))


def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """The slices of `x` at these places of an axis; negative indices count from its end."""
    array("take", x), array("take", indices)
    if axis is None:
        if x.ndim != 1:
            raise ArgumentError(message("take", "axis is needed for an array of several dimensions", [("x", x)]))
        axis = 0
    (axis,) = axes_of("take", axis, x.ndim)
    return x[(slice(None),) * axis + (indices,)]


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """Elements of `x` at indices matched along an axis; the other axes broadcast."""
    (at,) = axes_of("take_along_axis", axis, array("take_along_axis", x).ndim)
    places = array("take_along_axis", indices).long()
    size = x.shape[at]
    rest = [(n, m) for d, (n, m) in enumerate(zip(x.shape, places.shape, strict=True)) if d != at]
    both = [max(n, m) if n and m else 0 for n, m in rest]
    full = both[:at], both[at:]
    places = places.expand(*full[0], places.shape[at], *full[1])
    x = x.expand(*full[0], size, *full[1])
    return index.gather(x, at, index.where(places < 0, places + size, places))
