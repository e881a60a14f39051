"""keras.Variable: a Parameter with a name, a path and Keras's ways to write it."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.keras.context import context
from dovetail.keras.dtypes import as_dtype
from dovetail.keras.naming import auto_name
from dovetail.ops.promote import cast, expanded
from dovetail.tensor.modes import no_grad
from dovetail.tensor.op import op
from dovetail.tensor.recorder import local
from dovetail.tensor.tensor import Parameter, Tensor, array_from


@op(top=False, inplace=True, differentiable=False, name="assign")
def assign(input: Value, value: Value) -> Value:
    """The value, in the input's dtype and shape."""
    return expanded(cast(value, input.dtype), input.shape)


@op(top=False, inplace=True, differentiable=False, name="assign_add")
def assign_add(input: Value, value: Value) -> Value:
    """The input plus the value."""
    return input + expanded(cast(value, input.dtype), input.shape)


@op(top=False, inplace=True, differentiable=False, name="assign_sub")
def assign_sub(input: Value, value: Value) -> Value:
    """The input minus the value."""
    return input - expanded(cast(value, input.dtype), input.shape)


class Variable(Parameter):
    """State of a model: weights, counts, running means.

    initializer: the first value, or a function of (shape, dtype) that makes it; shape: needed with a function.
    trainable: whether gradients are taken. regularizer, constraint: set by layers, used by fit.

    >>> v = Variable([1.0, 2.0], name="v")
    >>> v.assign_add([1.0, 1.0]).numpy()
    array([2., 3.], dtype=float32)

    Source: keras.Variable.
    """

    name: str
    path: str

    def __new__(cls, *args, **kwargs):
        return object.__new__(cls)

    def __init__(
        self,
        initializer: Any,
        shape=None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = "none",
        synchronization: str | None = "auto",
        name: str | None = None,
        **kwargs,
    ):
        Tensor._numpy_detaches = True  # NumPy values of results that carry gradients are asked for all the time here
        name = name or auto_name(type(self).__name__)
        if "/" in name:
            raise ArgumentError(message("Variable", f"a name cannot contain '/', got {name!r}"))
        value = first_value(initializer, shape, dtype)
        data = Tensor.from_data(value)
        super().__init__(data, bool(trainable) and data._meta.dtype.is_differentiable)
        self.name = name
        self.path = "/".join([*context.scopes, name])
        self.trainable_wish = bool(trainable)
        self.autocast = autocast
        self.aggregation = aggregation or "none"
        self.regularizer = self.constraint = None
        for tape in context.tapes:
            tape.note_variable(self)

    # -- facts -----------------------------------------------------------------------------------------------------

    @property
    def trainable(self) -> bool:
        """Whether training changes this variable."""
        return self.trainable_wish

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.trainable_wish = bool(value)
        if self._meta.dtype.is_differentiable and self._meta.requires_grad != self.trainable_wish:
            self.requires_grad_(self.trainable_wish)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self._meta.shape

    @property
    def value(self) -> Variable:
        """The tensor itself: a variable can be used wherever a tensor can."""
        return self

    def read_value(self) -> Tensor:
        """The value now, as a tensor that later assignments do not change."""
        return self.detach().clone()  # type: ignore[attr-defined]

    def numpy(self, *, force: bool = True) -> np.ndarray:
        """A copy of the value."""
        return self._array().copy()

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self._array().astype(dtype or self._meta.dtype.np)

    # -- writing ---------------------------------------------------------------------------------------------------

    def assign(self, value: Any, use_locking=False, name=None, read_value=True) -> Variable:
        """Replace the value, which is cast to the variable's dtype. Raises ShapeError where the shape differs."""
        value = self._given(value, "assign")
        if tuple(value._meta.shape) != self._meta.shape:
            raise ShapeError(
                message(
                    "assign",
                    f"the value's shape {tuple(value._meta.shape)} is not that of the variable {self.path!r}",
                    [("variable", self), ("value", value)],
                    "The shape of the target variable and the shape of the value must match",
                )
            )
        return self._write(assign, value)

    def assign_add(self, value: Any, use_locking=False, name=None, read_value=True) -> Variable:
        """Add to the value."""
        return self._write(assign_add, self._given(value, "assign_add"))

    def assign_sub(self, value: Any, use_locking=False, name=None, read_value=True) -> Variable:
        """Subtract from the value."""
        return self._write(assign_sub, self._given(value, "assign_sub"))

    def _given(self, value: Any, call: str) -> Tensor:
        if isinstance(value, Tensor):
            return value
        return Tensor.from_data(array_from(value, self._meta.dtype))

    def _write(self, writer, value: Tensor) -> Variable:
        if local.rec.grad and self._meta.requires_grad:
            with no_grad():
                writer.inplace(self, value)
        else:
            writer.inplace(self, value)
        return self

    # -- copies and printing ---------------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict) -> Variable:
        return Tensor.__deepcopy__(self, memo)  # type: ignore[return-value]

    def __repr__(self) -> str:
        return (
            f"<Variable path={self.path}, shape={self._meta.shape}, dtype={self._meta.dtype.name}, "
            f"value={self.numpy()}>"
        )


def first_value(initializer: Any, shape: Any, dtype: Any) -> np.ndarray:
    """The array a variable starts with."""
    if callable(initializer) and not isinstance(initializer, Tensor):
        if shape is None:
            raise ArgumentError(
                message("Variable", "an initializer that is a function needs shape=", [("initializer", initializer)])
            )
        shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
        wanted = as_dtype(dtype)
        made = initializer(shape, dtype=wanted.name)
        array = array_from(made, wanted)
        if array.shape != shape:
            raise ShapeError(message("Variable", f"the initializer made shape {array.shape}, asked for {shape}"))
        return array
    wanted = None if dtype is None else as_dtype(dtype)
    return array_from(initializer, wanted)
