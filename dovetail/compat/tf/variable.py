"""tf.Variable, on the Keras room's."""

from __future__ import annotations

import dis
import sys
from types import FrameType
from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.keras.dtypes import as_dtype
from dovetail.keras.ops.convert import array_of
from dovetail.keras.variable import Variable as KerasVariable
from dovetail.keras.variable import assign, assign_add, assign_sub
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Tensor, array_from

INSIDE: list[Any] = []  # the tf.functions that are running, innermost last


class Variable(KerasVariable):
    """State that can be assigned to. Source: tf.Variable."""

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        import_scope: Any = None,
        constraint: Any = None,
        synchronization: Any = "auto",
        aggregation: Any = "none",
        shape: Any = None,
        **kwargs: Any,
    ):
        if INSIDE:
            check_made_once(sys._getframe(1), INSIDE[-1])
        if callable(initial_value) and not isinstance(initial_value, Tensor):
            initial_value = initial_value()
        if initial_value is None:
            raise ArgumentError(message("tf.Variable", "needs an initial value", cure="tf.Variable(0.0)"))
        value = initial_value.detach() if isinstance(initial_value, Tensor) else initial_value
        array = value._array().copy() if isinstance(value, Tensor) else array_of(value, dtype)
        kind = as_dtype(dtype) if dtype is not None else as_dtype(array.dtype)
        name = (name or "Variable").rpartition("/")[2].partition(":")[0]
        super().__init__(array, dtype=kind, trainable=trainable is not False, name=name, **kwargs)
        self.constraint = constraint

    def __getitem__(self, key: Any) -> Tensor:
        """A part of the value; its assign, assign_add and assign_sub change the variable."""
        part = super().__getitem__(key)  # type: ignore[misc]
        for word, writer in (("assign", assign), ("assign_add", assign_add), ("assign_sub", assign_sub)):
            setattr(part, word, Part(self, key, writer))
        return part

    def get_shape(self) -> Any:
        return self.shape

    def initialized_value(self) -> Tensor:
        return self.read_value()

    def scatter_nd_update(self, indices: Any, updates: Any, name: Any = None) -> Variable:
        """Replace the elements at these indices."""
        array = self.numpy()
        array[tuple(Tensor_array(indices).reshape(-1, Tensor_array(indices).shape[-1]).T)] = Tensor_array(updates)
        self.assign(array)
        return self


def Tensor_array(x: Any) -> Any:
    """Anything as an array."""
    return x._array() if isinstance(x, Tensor) else array_of(x)


class Part:
    """One of the ways to write a part of a variable."""

    def __init__(self, variable: Variable, key: Any, writer: Any):
        self.variable, self.key, self.writer = variable, key, writer

    def __call__(self, value: Any, use_locking: bool = False, name: Any = None, read_value: bool = True) -> Variable:
        given = value if isinstance(value, Tensor) else Tensor.from_data(
            array_from(value, self.variable._meta.dtype))  # fmt: skip
        with no_grad():
            self.writer.inplace(KerasVariable.__getitem__(self.variable, self.key), given)  # type: ignore[attr-defined]
        return self.variable


def check_made_once(frame: FrameType, function: Any) -> None:
    """Raise ArgumentError for a variable that a tf.function makes at every call.

    A function may make its variables at the first call if it keeps them; so one that is put into a mere local name,
    or that is made at a later call, is the mistake.
    """
    if frame.f_code is not function.code:
        return
    again = function.calls > 1
    name = stored_name(frame)
    if not again and (name is None or kept(frame, name)):
        return
    raise ArgumentError(
        message(
            f"tf.function {function.__name__!r}",
            "a tf.Variable is created inside the function, which would make a new one at every call",
            [("created at", f"{frame.f_code.co_filename}, line {frame.f_lineno}")],
            "Create the variable outside, before the function, and use it inside or pass it as an argument; "
            "only variables made once, on the first call, and kept are allowed",
        )
    )


def stored_name(frame: FrameType) -> str | None:
    """The local name that the result of the running call is put into, if it is."""
    for step in dis.get_instructions(frame.f_code):
        if step.offset > frame.f_lasti and step.opname != "CACHE":
            return step.argval if step.opname == "STORE_FAST" else None
    return None


def kept(frame: FrameType, name: str) -> bool:
    """Whether the function puts this local into an attribute, a container or an outer name."""
    steps = list(dis.get_instructions(frame.f_code))
    for i, step in enumerate(steps):
        if step.opname.startswith("STORE_") and step.opname != "STORE_FAST":
            if any(s.opname == "LOAD_FAST" and s.argval == name for s in steps[max(0, i - 3) : i]):
                return True
    return False
