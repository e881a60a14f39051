"""Parameters and buffers: the tensors a Module owns, and those whose shape is not known before the first call."""

from __future__ import annotations

from typing import Any

from dovetail.base.device import require_cpu
from dovetail.base.dtypes import as_dtype, default_dtype
from dovetail.base.errors import ArgumentError, message
from dovetail.tensor.tensor import Buffer, Parameter, Tensor

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "factory_kwargs",
    "is_lazy",
    "new_parameter",
    "new_tensor",
]


def factory_kwargs(kwargs: dict | None) -> dict:
    """device, dtype and memory_format from a module's keyword arguments, for the tensors it makes.

    >>> factory_kwargs({"dtype": None, "factory_kwargs": {"device": "cpu"}})
    {'device': 'cpu', 'dtype': None}
    """
    if kwargs is None:
        return {}
    names = {"device", "dtype", "memory_format"}
    unexpected = set(kwargs) - names - {"factory_kwargs"}
    if unexpected:
        raise TypeError(f"unexpected kwargs {unexpected}")
    found = dict(kwargs.get("factory_kwargs") or {})
    for name in ("device", "dtype", "memory_format"):
        if name in kwargs:
            if name in found:
                raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
            found[name] = kwargs[name]
    return found


def new_tensor(*shape: int, device=None, dtype=None) -> Tensor:
    """Memory for a parameter or buffer, allocated at once; the values are whatever is there."""
    if device is not None:
        require_cpu(device, "Parameter")
    return Tensor.empty(tuple(shape), default_dtype() if dtype is None else as_dtype(dtype))


def new_parameter(*shape: int, device=None, dtype=None) -> Parameter:
    """A parameter whose values are still to be set."""
    return Parameter(new_tensor(*shape, device=device, dtype=dtype))


class Uninitialized:
    """Mixin of tensors without a shape: they wait for `materialize`."""

    is_uninitialized = True
    _waiting_dtype: Any = None

    def materialize(self, shape, device=None, dtype=None) -> None:
        """Give the tensor a shape and memory; from then on it is an ordinary parameter or buffer."""
        made = new_tensor(*shape, device=device, dtype=self._waiting_dtype if dtype is None else dtype)
        self.__class__ = self.cls_to_become  # type: ignore[attr-defined]
        self.__dict__.pop("_waiting_dtype", None)
        self.data = made  # type: ignore[attr-defined]

    @property
    def shape(self):
        raise ArgumentError(
            message(
                type(self).__name__,
                "Can't access the shape of an uninitialized parameter or buffer",
                [],
                "Run the module once on data of the right size, then it has a shape.",
            )
        )

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(dtype=self._waiting_dtype, **self._how())
        return memo[id(self)]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(Uninitialized, Parameter):
    """A parameter whose shape follows from the first input."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device=None, dtype=None):
        return object.__new__(cls)

    def __init__(self, requires_grad: bool = True, device=None, dtype=None) -> None:
        super().__init__(new_tensor(0, device=device, dtype=dtype), requires_grad)
        self._waiting_dtype = dtype

    def _how(self) -> dict[str, Any]:
        return {"requires_grad": self.requires_grad}

    def __reduce__(self):
        return (type(self), (self.requires_grad, None, self._waiting_dtype))


class UninitializedBuffer(Uninitialized, Tensor):
    """A buffer whose shape follows from the first input."""

    cls_to_become = Tensor

    def __init__(self, requires_grad: bool = False, device=None, dtype=None, persistent: bool = True) -> None:
        made = new_tensor(0, device=device, dtype=dtype)
        self._meta, self._storage, self._ptr = made._meta, made._storage, made._ptr
        self.persistent = persistent
        self._waiting_dtype = dtype

    def _how(self) -> dict[str, Any]:
        return {"persistent": self.persistent}

    def __reduce__(self):
        return (type(self), (False, None, self._waiting_dtype))


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer has no shape yet."""
    return isinstance(param, Uninitialized)
