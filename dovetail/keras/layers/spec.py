"""InputSpec: what a layer demands of its input, and the error that says what it got instead."""

from __future__ import annotations

from typing import Any

from dovetail.base import tree
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.keras.dtypes import standardize_dtype
from dovetail.nn.explain import built_on


class InputSpec:
    """Rank, sizes and type of one input. axes: {axis: size}. Source: keras.InputSpec."""

    def __init__(
        self,
        dtype=None,
        shape=None,
        ndim=None,
        max_ndim=None,
        min_ndim=None,
        axes=None,
        allow_last_axis_squeeze=False,
        name=None,
        optional=False,
    ):
        self.dtype = None if dtype is None else standardize_dtype(dtype)
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(k): v for k, v in (axes or {}).items()}
        self.allow_last_axis_squeeze, self.name, self.optional = allow_last_axis_squeeze, name, optional

    def __repr__(self) -> str:
        parts = [f"{k}={v}" for k, v in vars(self).items() if v]
        return f"InputSpec({', '.join(parts)})"

    def get_config(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "shape": self.shape, "ndim": self.ndim, "max_ndim": self.max_ndim,
                "min_ndim": self.min_ndim, "axes": self.axes}  # fmt: skip

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        return cls(**config)


def check_input(layer: Any, inputs: Any) -> None:
    """Raise ShapeError (a ValueError) unless the inputs fit the layer's `input_spec`."""
    specs, given = tree.flatten(layer.input_spec), tree.flatten(inputs)
    if len(specs) != len(given):
        raise ArgumentError(
            message(
                f'Layer "{layer.name}"',
                f"expects {len(specs)} input(s), but it received {len(given)} input tensors",
                [("inputs", inputs)],
            )
        )
    for i, (spec, x) in enumerate(zip(specs, given, strict=True)):
        if spec is not None and not (x is None and spec.optional) and hasattr(x, "shape"):
            problem = mismatch(spec, tuple(x.shape))
            if problem:
                raise refused(layer, i, x, spec, problem)


def mismatch(spec: InputSpec, shape: tuple) -> str:
    """What is wrong with a shape, in words; "" for nothing."""
    rank = len(shape)
    if spec.ndim is not None and rank != spec.ndim and not (
        spec.allow_last_axis_squeeze and spec.shape is not None and abs(rank - spec.ndim) == 1
        and (shape[-1:] == (1,) or spec.shape[-1:] == (1,))
    ):  # fmt: skip
        return f"expected ndim={spec.ndim}, found ndim={rank}"
    if spec.max_ndim is not None and rank > spec.max_ndim:
        return f"expected max_ndim={spec.max_ndim}, found ndim={rank}"
    if spec.min_ndim is not None and rank < spec.min_ndim:
        return f"expected min_ndim={spec.min_ndim}, found ndim={rank}"
    for axis, size in spec.axes.items():
        if size is None or (not -rank <= axis < rank):
            continue
        if shape[axis] not in (size, None):
            return f"expected axis {axis} of the input to have {size} values, found {shape[axis]}"
    if spec.shape is not None and rank == spec.ndim:
        for wanted, n in zip(spec.shape, shape, strict=True):
            if wanted is not None and n is not None and wanted != n:
                return f"expected shape {spec.shape}"
    return ""


def refused(layer: Any, i: int, x: Any, spec: InputSpec, problem: str) -> ShapeError:
    which = f"Input {i} of layer" if len(tree.flatten(layer.input_spec)) > 1 else "Input of layer"
    return ShapeError(message(
        "", f'{which} "{layer.name}" ({type(layer).__name__}) is incompatible with the layer: {problem}. Full shape '
            'received: '
        f"{tuple(x.shape)}", [], "\n".join(cures(layer, tuple(x.shape), spec))))  # fmt: skip


def cures(layer: Any, shape: tuple, spec: InputSpec) -> list[str]:
    """Advice for the usual mistakes."""
    own = getattr(layer, "input_advice", None)
    found = [own(shape)] if own is not None and own(shape) else []
    wanted = spec.axes.get(-1)
    rank = len(shape)
    floor = spec.min_ndim or spec.ndim or 0
    if rank == 1 and floor >= 2:
        size = f" of {wanted} features" if wanted else ""
        found.append(
            f"A layer takes a batch: shape (batch, ...){size}. One sample needs a batch axis: x[None], x[0:1] or "
            "np.expand_dims(x, 0)"
        )
    elif wanted and rank >= 2 and shape[-1] is not None and shape[-1] != wanted:
        flat = 1
        for n in shape[1:]:
            flat *= n or 1
        if flat == wanted:
            found.append(
                f"Each sample has {wanted} values in all: put layers.Flatten() before it, or reshape to (-1, {wanted})"
            )
        else:
            found.append(
                f"The layer was built for {wanted} features on axis -1: give it such data, or build the model for "
                f"{shape[-1]}"
            )
    found = [f for f in found if f]
    built = built_on(layer).removeprefix(", ")
    return [*found, f"layer {layer.name!r} was {built}"] if built else found
