"""Families of counts and classes."""

from __future__ import annotations

import math

from dovetail.base.errors import ArgumentError, message
from dovetail.base.limits import finfo
from dovetail.distributions import constraints
from dovetail.distributions.distribution import (
    Distribution,
    ExponentialFamily,
    all_numbers,
    broadcast_all,
    lazy_property,
)
from dovetail.distributions.gammas import gamma_draws
from dovetail.ops import random
from dovetail.ops.activation import softmax
from dovetail.ops.create import arange, eye, full_like, zeros
from dovetail.ops.elementwise import xlogy
from dovetail.ops.index import one_hot, where
from dovetail.ops.loss import binary_cross_entropy_with_logits
from dovetail.ops.shape import broadcast_tensors
from dovetail.tensor.modes import no_grad
from dovetail.tensor.tensor import Size, Tensor


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept off 0 and 1 by one rounding step."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Log odds where there are two outcomes, logarithms where there are more."""
    kept = clamp_probs(probs)
    return kept.log() - (-kept).log1p() if is_binary else kept.log()


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """The inverse of probs_to_logits."""
    return logits.sigmoid() if is_binary else softmax(logits, -1)


def one_of(call: str, probs, logits) -> None:
    if (probs is None) == (logits is None):
        raise ArgumentError(message(call, "Either `probs` or `logits` must be specified, but not both."))


class _Binary(Distribution):
    """A family with the chance of a hit, as `probs` or as log odds `logits`."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}

    def _set_chance(self, probs, logits, *others):
        """Broadcast with the other parameters, which are given back; the chance is kept under its own name."""
        one_of(type(self).__name__, probs, logits)
        values = broadcast_all(*others, probs if logits is None else logits)
        self.__dict__["probs" if logits is None else "logits"] = values[-1]
        self._plain = all_numbers(probs, logits)
        return values[:-1]

    @property
    def _param(self):
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @lazy_property
    def logits(self):
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self):
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def param_shape(self):
        return self._param.size()

    def _expand_rest(self, new, batch_shape):
        new._plain = False


class Bernoulli(_Binary, ExponentialFamily):
    """1 with probability `probs`, else 0.

    >>> import dovetail
    >>> Bernoulli(probs=0.25).log_prob(dovetail.tensor(1.0)).exp()
    tensor(0.2500)
    """

    support = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._set_chance(probs, logits)
        super().__init__(() if self._plain else self._param.shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.probs

    @property
    def mode(self):
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return where(self.probs == 0.5, math.nan, mode)

    @property
    def variance(self):
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape=()):
        with no_grad():
            return random.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value.to(logits.dtype), reduction="none")

    def entropy(self):
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand=True):
        return values_along(arange(2, dtype=self._param.dtype), self.batch_shape, expand)


def values_along(values: Tensor, batch_shape: Size, expand: bool) -> Tensor:
    """`values` along a new first dim, before dims of the batch."""
    line = values.reshape((-1,) + (1,) * len(batch_shape))
    return line.expand((-1,) + tuple(batch_shape)) if expand else line


class Geometric(_Binary):
    """The number of misses before the first hit."""

    support = constraints.nonnegative_integer

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._set_chance(probs, logits)
        super().__init__(() if self._plain else self._param.shape, validate_args=validate_args)
        if self._validate_args and probs is not None and not bool((self.probs > 0).all()):
            problem = "Expected parameter probs to be positive, but found invalid values"
            raise ArgumentError(message("Geometric", problem, [("values", str(self.probs))]))

    @property
    def mean(self):
        return 1.0 / self.probs - 1.0

    @property
    def mode(self):
        return self.probs * 0

    @property
    def variance(self):
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape=()):
        with no_grad():
            u = random.rand(tuple(self._extended_shape(sample_shape)), dtype=self.probs.dtype)
            u = u.clamp(min=finfo(u.dtype).tiny)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        certain = (probs == 1) & (value == 0)
        rest = where(certain, 0.0, probs)
        return value * (-rest).log1p() + probs.log()

    def entropy(self):
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class Binomial(_Binary):
    """Hits in `total_count` trials."""

    arg_constraints = {"total_count": constraints.nonnegative_integer, **_Binary.arg_constraints}
    has_enumerate_support = True

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        (count,) = self._set_chance(probs, logits, total_count)
        self.total_count = count.to(self._param.dtype)
        super().__init__(self._param.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self):
        return self.total_count * self.probs

    @property
    def mode(self):
        return ((self.total_count + 1) * self.probs).floor().minimum(self.total_count)

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return random.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        n, logits = self.total_count, self.logits
        choices = (n + 1).lgamma() - (value + 1).lgamma() - (n - value + 1).lgamma()
        return choices + value * logits - n * (logits.clamp(min=0) + (-logits.abs()).exp().log1p())

    def entropy(self):
        total = int(self.total_count.max().item())
        if not bool((self.total_count == total).all()):
            raise NotImplementedError("Inhomogeneous total count not supported by `entropy`.")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(log_prob.exp() * log_prob).sum(0)

    def enumerate_support(self, expand=True):
        total = int(self.total_count.max().item())
        if not bool((self.total_count == total).all()):
            raise NotImplementedError("Inhomogeneous total count not supported by `enumerate_support`.")
        return values_along(arange(total + 1, dtype=self._param.dtype), self.batch_shape, expand)


class NegativeBinomial(_Binary):
    """Hits before `total_count` misses."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(self, total_count, probs=None, logits=None, validate_args=None):
        (count,) = self._set_chance(probs, logits, total_count)
        self.total_count = count.to(self._param.dtype)
        super().__init__(self._param.shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.total_count * self.logits.exp()

    @property
    def mode(self):
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self):
        return self.mean / (-self.logits).sigmoid()

    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return random.poisson(gamma_draws(self.total_count.expand(shape)) * self.logits.exp())

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        hits = n * log_sigmoid(-self.logits) + value * log_sigmoid(self.logits)
        norm = -(n + value).lgamma() + (1.0 + value).lgamma() + n.lgamma()
        return hits - where(n + value == 0, 0.0, norm)


def log_sigmoid(x: Tensor) -> Tensor:
    return x.clamp(max=0) - (-x.abs()).exp().log1p()


class Poisson(ExponentialFamily):
    """Poisson distribution of counts. Samples of rates above 30 come from the normal approximation."""

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate, validate_args=None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(() if all_numbers(rate) else self.rate.shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.rate

    @property
    def mode(self):
        return self.rate.floor()

    @property
    def variance(self):
        return self.rate

    def sample(self, sample_shape=()):
        with no_grad():
            return random.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return xlogy(value, rate) - rate - (value + 1).lgamma()


class Categorical(Distribution):
    """One of k classes, with chances `probs` (scaled to sum to 1) or their logarithms `logits`.

    >>> import dovetail
    >>> Categorical(probs=dovetail.tensor([1.0, 3.0])).log_prob(dovetail.tensor(1)).exp()
    tensor(0.7500)
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        name = type(self).__name__
        one_of(name, probs, logits)
        given = probs if logits is None else logits
        if not isinstance(given, Tensor):
            raise TypeError(message(name, f"probs and logits must be Tensors, not {type(given).__name__}"))
        if given.ndim < 1:
            raise ArgumentError(message(name, "`probs` or `logits` parameter must be at least one-dimensional."))
        if logits is None:
            self.__dict__["probs"] = probs / probs.sum(-1, keepdim=True)
        else:
            self.__dict__["logits"] = logits - logits.logsumexp(-1, keepdim=True)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @property
    def _param(self):
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @lazy_property
    def logits(self):
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self):
        return logits_to_probs(self.logits)

    def _expand_rest(self, new, batch_shape):
        new._num_events = self._num_events

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def param_shape(self):
        return self._param.size()

    @property
    def mean(self):
        return full_like(self._param[..., 0], math.nan)

    @property
    def mode(self):
        return self._param.argmax(-1)

    @property
    def variance(self):
        return full_like(self._param[..., 0], math.nan)

    def sample(self, sample_shape=()):
        shape = (sample_shape,) if isinstance(sample_shape, int) else tuple(sample_shape)
        with no_grad():
            rows = self.probs.detach().reshape((-1, self._num_events))
            drawn = random.multinomial(rows, max(math.prod(shape), 1), True)
            if not math.prod(shape):
                drawn = drawn[:, :0]
            return drawn.transpose(0, 1).reshape(tuple(self._extended_shape(shape)))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        value = value.long().unsqueeze(-1)
        value, logits = broadcast_tensors(value, self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self):
        logits = self.logits.clamp(min=finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand=True):
        return values_along(arange(self._num_events), self.batch_shape, expand)


class OneHotCategorical(Distribution):
    """Categorical whose draws are one-hot rows. Event shape: (k,)"""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        shape = self._categorical._param.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=False)
        self._validate_args = self._categorical._validate_args

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(OneHotCategorical, _instance)
        new._categorical = self._categorical.expand(batch_shape)
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def _param(self):
        return self._categorical._param

    @property
    def probs(self):
        return self._categorical.probs

    @property
    def logits(self):
        return self._categorical.logits

    @property
    def param_shape(self):
        return self._categorical.param_shape

    @property
    def mean(self):
        return self.probs

    @property
    def mode(self):
        return one_hot(self.probs.argmax(-1), self.event_shape[0]).to(self.probs.dtype)

    @property
    def variance(self):
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape=()):
        return one_hot(self._categorical.sample(sample_shape), self.event_shape[0]).to(self.probs.dtype)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self):
        return self._categorical.entropy()

    def enumerate_support(self, expand=True):
        n = self.event_shape[0]
        values = eye(n, dtype=self._param.dtype).reshape((n,) + (1,) * len(self.batch_shape) + (n,))
        return values.expand((n,) + tuple(self.batch_shape) + (n,)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """OneHotCategorical whose draws carry the gradient of `probs` (Bengio et al. 2013)."""

    has_rsample = True

    def rsample(self, sample_shape=()):
        probs = self.probs
        return self.sample(sample_shape) + (probs - probs.detach())


class Multinomial(Distribution):
    """How often each of k classes comes up in `total_count` draws. Event shape: (k,)"""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            problem = f"inhomogeneous total_count is not supported: total_count is an int, got {total_count!r}"
            raise NotImplementedError(message("Multinomial", problem))
        self.total_count = total_count
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        shape = self._categorical._param.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=False)
        self._validate_args = self._categorical._validate_args

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(Multinomial, _instance)
        new.total_count, new._categorical = self.total_count, self._categorical.expand(batch_shape)
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self):
        return constraints.multinomial(self.total_count)

    @property
    def probs(self):
        return self._categorical.probs

    @property
    def logits(self):
        return self._categorical.logits

    @property
    def param_shape(self):
        return self._categorical.param_shape

    @property
    def mean(self):
        return self.probs * self.total_count

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=()):
        shape = (sample_shape,) if isinstance(sample_shape, int) else tuple(sample_shape)
        with no_grad():
            classes = self._categorical.sample((self.total_count,) + shape)
            counts = zeros(tuple(self._extended_shape(shape)), dtype=self.probs.dtype)
            places = classes.movedim(0, -1)
            return counts.scatter_add(-1, places, places.to(self.probs.dtype) * 0 + 1)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        impossible = (value == 0) & (logits == -math.inf)
        hits = (where(impossible, 0.0, logits) * value).sum(-1)
        return (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1) + hits

    def entropy(self):
        n = self.total_count
        single = Binomial(n, probs=self.probs, validate_args=False)
        counts = single.enumerate_support(False)[1:]
        weights = single.log_prob(counts).exp()
        return n * self._categorical.entropy() - math.lgamma(n + 1) + (weights * (counts + 1).lgamma()).sum((0, -1))
