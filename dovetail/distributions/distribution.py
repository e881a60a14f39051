"""What all distributions share: shapes, checks of arguments, and the names that families fill in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, message
from dovetail.distributions import constraints
from dovetail.ops.checks import require_all
from dovetail.ops.counting import broadcast_shapes
from dovetail.ops.shape import broadcast_tensors
from dovetail.tensor.create import tensor
from dovetail.tensor.modes import no_grad
from dovetail.tensor.recorder import NotKnown, aside
from dovetail.tensor.tensor import Size, Tensor


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the dtype of the first tensor."""
    tensors = [v for v in values if isinstance(v, Tensor)]
    dtype = tensors[0].dtype if tensors else dtypes.default_dtype()
    return broadcast_tensors(*(v if isinstance(v, Tensor) else tensor(v, dtype=dtype) for v in values))


def all_numbers(*values: Any) -> bool:
    """Whether no argument is a tensor."""
    return not any(isinstance(v, Tensor) for v in values)


def tensors_of(x: Any) -> list[Tensor]:
    """The tensors that an object holds, also in the objects it holds."""
    found: list[Tensor] = []
    for value in vars(x).values() if hasattr(x, "__dict__") else ():
        if isinstance(value, Tensor):
            found.append(value)
        elif hasattr(value, "__dict__") and not isinstance(value, type):
            found += tensors_of(value)
    return found


class lazy_property:
    """A value computed once, when it is first asked for."""

    def __init__(self, wrapped):
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        value = self.wrapped(instance)
        instance.__dict__[self.name] = value
        return value


class Distribution:
    """Base of all distributions.

    `batch_shape` counts independent distributions, `event_shape` is the shape of one draw of one of them.
    With `validate_args` (the default) parameters and values are checked: those that are known when the line runs at
    once, on that line; those that the step computes are checked by the step, and reported when it is looked at.

    Raises: ArgumentError (a ValueError) for parameters and values outside their constraints.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    arg_constraints: dict[str, Any] = {}
    support: Any
    _shown: tuple[str, ...] | None = None  # parameters in the text, where these are not all that are kept

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions made from now on check their arguments."""
        if value not in (True, False):
            raise ArgumentError(message("set_default_validate_args", f"takes True or False, got {value!r}"))
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        """Parameters whose values are there are checked now; others with the step that computes them."""
        for name, constraint in self.arg_constraints.items():
            known = name in self.__dict__ or not isinstance(getattr(type(self), name, None), lazy_property)
            if known and not constraints.is_dependent(constraint):
                value = getattr(self, name)
                problem = f"Expected parameter {name} to satisfy the constraint {constraint}, but found invalid values"
                self._require(constraint, value, problem, name)

    def _require(self, constraint: Any, value: Any, problem: str, name: str) -> None:
        """Raises: ArgumentError where `value` does not satisfy the constraint; at the next look if it is pending."""
        call = type(self).__name__
        if not isinstance(value, Tensor):
            return
        try:
            with aside([value, *tensors_of(self), *tensors_of(constraint)]):
                good = bool(constraint.check(value).all())
        except NotKnown:
            with no_grad():
                require_all(constraint.check(value), f"{call}: {problem}")
            return
        if not good:
            raise ArgumentError(message(call, problem, [(name, value), ("values", str(value))]))

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The same distribution for a larger batch, by expanding its parameters."""
        new = self._get_checked_instance(type(self), _instance)
        batch_shape = Size(batch_shape)
        for name, constraint in self.arg_constraints.items():
            if name in self.__dict__:
                value = self.__dict__[name]
                event = tuple(value.shape[value.ndim - constraint.event_dim :])
                new.__dict__[name] = value.expand(tuple(batch_shape) + event)
        self._expand_rest(new, batch_shape)
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _expand_rest(self, new: Any, batch_shape: Size) -> None:
        """What a family keeps besides its parameters."""

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        return type(self).__new__(type(self)) if _instance is None else _instance

    @property
    def batch_shape(self) -> Size:
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        return self._event_shape

    @property
    def mean(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no formula for the mean")

    @property
    def mode(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no formula for the mode")

    @property
    def variance(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no formula for the variance")

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws without a gradient. Shape: sample_shape + batch_shape + event_shape"""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws as a function of the parameters, through which gradients flow."""
        raise NotImplementedError(f"{type(self).__name__} has no reparametrised samples; use sample() and log_prob()")

    def sample_n(self, n: int) -> Tensor:
        return self.sample((n,))

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the density or probability at `value`."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """Probability of a draw of at most `value`."""
        raise NotImplementedError(f"{type(self).__name__} has no formula for the cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of cdf."""
        raise NotImplementedError(f"{type(self).__name__} has no formula for the icdf")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All possible values of a finite discrete distribution, along a new first dim."""
        raise NotImplementedError(f"{type(self).__name__} cannot enumerate its support")

    def entropy(self) -> Tensor:
        """Entropy of each distribution of the batch, in nats."""
        raise NotImplementedError(f"{type(self).__name__} has no formula for the entropy")

    def perplexity(self) -> Tensor:
        return self.entropy().exp()

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> Size:
        given = (sample_shape,) if isinstance(sample_shape, int) else tuple(sample_shape)
        return Size(given + tuple(self._batch_shape) + tuple(self._event_shape))

    def _validate_sample(self, value: Any) -> None:
        """Raises: ArgumentError where `value` has the wrong shape or lies outside the support."""
        name = type(self).__name__
        if not isinstance(value, Tensor):
            raise ArgumentError(message(name, "The value argument to log_prob must be a Tensor", [("value", value)]))
        start = value.ndim - len(self._event_shape)
        if tuple(value.shape[max(start, 0) :]) != tuple(self._event_shape):
            problem = "The right-most size of value must match event_shape"
            raise ArgumentError(message(name, problem, [("value", value), ("event_shape", tuple(self._event_shape))]))
        expected = tuple(self._batch_shape) + tuple(self._event_shape)
        try:
            broadcast_shapes(tuple(value.shape), expected)
        except (RuntimeError, ValueError, IndexError) as e:
            problem = "Value is not broadcastable with batch_shape+event_shape"
            raise ArgumentError(message(name, problem, [("value", value), ("batch+event", expected)])) from e
        try:
            support = self.support
        except (NotImplementedError, AttributeError):
            return
        problem = f"Expected value argument to be within the support ({support!r}), but found invalid values"
        self._require(support, value, problem, "value")

    def __repr__(self) -> str:
        rows = []
        for name in self.arg_constraints if self._shown is None else self._shown:
            value = self.__dict__.get(name, self.__dict__.get("_given_" + name))
            if value is not None:
                rows.append(f"{name}: {value if value.numel() == 1 else value.size()}")
        return f"{type(self).__name__}({', '.join(rows)})"


class ExponentialFamily(Distribution):
    """Base of exponential families; their entropies are given by the families themselves."""
