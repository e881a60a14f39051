"""Metric: running state that a training step updates, and a result when somebody asks."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from dovetail.keras import initializers
from dovetail.keras.context import context
from dovetail.keras.lookup import table
from dovetail.keras.naming import auto_name
from dovetail.keras.policy import get as policy_of
from dovetail.keras.variable import Variable
from dovetail.runtime.flight import land
from dovetail.tensor.recorder import current
from dovetail.tensor.tensor import Tensor

TABLE = table("metric", "keras.metrics")


class Metric:
    """Base of metrics: `add_variable` in `__init__`, `update_state` for each batch, `result`, `reset_state`.

    >>> import dovetail.keras as keras
    >>> m = keras.metrics.Mean()
    >>> m.update_state([1.0, 3.0])
    >>> float(m.result())
    2.0

    Source: keras.metrics.Metric.
    """

    _direction: str | None = None

    def __init__(self, dtype: Any = None, name: str | None = None):
        self.name = name or auto_name(type(self).__name__)
        self._dtype_policy = policy_of(dtype)
        self._dtype = self._dtype_policy.compute_dtype
        self._variables: list[Variable] = []
        self._metrics: list[Metric] = []

    @property
    def dtype(self) -> str:
        return self._dtype

    # -- state -----------------------------------------------------------------------------------------------------

    def add_variable(
        self, shape=(), initializer=None, dtype: Any = None, aggregation="sum", name: str | None = None
    ) -> Variable:
        """A piece of state, zeros unless told otherwise."""
        context.scopes.append(self.name)
        try:
            first = initializers.get(initializer) or initializers.Zeros()
            made = Variable(first, tuple(shape), dtype or self._dtype, trainable=False, name=name)
        finally:
            context.scopes.pop()
        made.first = first
        self._variables.append(made)
        return made

    def add_weight(self, shape=(), initializer=None, dtype: Any = None, name: str | None = None, **kwargs) -> Variable:
        """Another name of add_variable. A text in the place of the shape is taken as the name, as older Keras did."""
        if isinstance(shape, str):
            shape, name = kwargs.pop("shape", ()), shape
        return self.add_variable(shape, initializer, dtype, name=name)

    @property
    def variables(self) -> list[Variable]:
        """All state, also that of metrics inside."""
        return [*self._variables, *(v for m in self._metrics for v in m.variables)]

    weights = non_trainable_variables = variables

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Metric) and "_metrics" in self.__dict__:
            self._metrics.append(value)
        object.__setattr__(self, name, value)

    def reset_state(self) -> None:
        """Start counting anew. Done in memory at once: an event would make every first step of an epoch another
        program.
        """
        current().close()
        for v in self.variables:
            restart(v)

    def reset_states(self) -> None:
        """Older name of reset_state."""
        self.reset_state()

    # -- use -------------------------------------------------------------------------------------------------------

    def update_state(self, *args, **kwargs) -> None:
        """Take in a batch; subclasses write it."""
        raise NotImplementedError(f"{type(self).__name__} has no update_state")

    def result(self) -> Any:
        """The value now; subclasses write it."""
        raise NotImplementedError(f"{type(self).__name__} has no result")

    def __call__(self, *args, **kwargs) -> Any:
        """Take in a batch and return the value so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    # -- state in, state out (Keras's functional style) --------------------------------------------------------------

    def stateless_update_state(self, metric_variables: list, *args, **kwargs) -> list:
        """The variables after a batch, given those before it; the metric itself stays as it is."""
        kept = [v.numpy() for v in self.variables]
        try:
            for v, value in zip(self.variables, metric_variables, strict=True):
                v.assign(value)
            self.update_state(*args, **kwargs)
            return [Tensor.from_data(v.numpy()) for v in self.variables]
        finally:
            for v, value in zip(self.variables, kept, strict=True):
                v.assign(value)

    def stateless_result(self, metric_variables: list) -> Any:
        """The result that these variables give."""
        kept = [v.numpy() for v in self.variables]
        try:
            for v, value in zip(self.variables, metric_variables, strict=True):
                v.assign(value)
            made = self.result()
            current().close()
            return made
        finally:
            for v, value in zip(self.variables, kept, strict=True):
                v.assign(value)

    def stateless_reset_state(self) -> list:
        """The variables a fresh metric has."""
        return [Tensor.from_data(np.asarray(v.first(v.shape, v.dtype))) for v in self.variables]

    # -- config ----------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]):
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def restart(v: Variable) -> None:
    """Write a variable's first value into its memory."""
    v._settle()
    if isinstance(v.first, initializers.Zeros):
        land()
        ctypes.memset(v._ptr, 0, v._meta.nbytes)
    else:
        v._array()[...] = np.asarray(v.first(v.shape, v.dtype))
