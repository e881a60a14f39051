"""Distributions made of other distributions: transformed, independent, mixed."""

from __future__ import annotations

import math

from dovetail.base.errors import ArgumentError, message
from dovetail.distributions import constraints, transforms
from dovetail.distributions.continuous import Normal, open_rand
from dovetail.distributions.discrete import Bernoulli, Categorical, clamp_probs
from dovetail.distributions.distribution import Distribution, broadcast_all
from dovetail.distributions.transforms import ComposeTransform, Transform, sum_rightmost, widened
from dovetail.ops.activation import log_softmax
from dovetail.tensor.modes import no_grad


def need_distribution(call: str, given) -> None:
    """Raise TypeError for what is no distribution."""
    if not isinstance(given, Distribution):
        raise TypeError(message(call, f"base_distribution must be a Distribution, not {type(given).__name__}"))


class Independent(Distribution):
    """A distribution whose last batch dims count as dims of the event."""

    def __init__(self, base_distribution, reinterpreted_batch_ndims, validate_args=None):
        need_distribution("Independent", base_distribution)
        if reinterpreted_batch_ndims > len(base_distribution.batch_shape):
            problem = (
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), "
                f"actual {reinterpreted_batch_ndims} vs {len(base_distribution.batch_shape)}"
            )
            raise ArgumentError(message("Independent", problem))
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, reinterpreted_batch_ndims
        shape = tuple(base_distribution.batch_shape) + tuple(base_distribution.event_shape)
        cut = len(base_distribution.batch_shape) - reinterpreted_batch_ndims
        super().__init__(shape[:cut], shape[cut:], validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(Independent, _instance)
        n = self.reinterpreted_batch_ndims
        inner = tuple(self.event_shape)[:n]
        new.base_dist, new.reinterpreted_batch_ndims = self.base_dist.expand(tuple(batch_shape) + inner), n
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def has_rsample(self):
        return self.base_dist.has_rsample

    @property
    def has_enumerate_support(self):
        return self.reinterpreted_batch_ndims == 0 and self.base_dist.has_enumerate_support

    @constraints.dependent_property
    def support(self):
        return widened(
            self.base_dist.support, self.base_dist.support.event_dim + self.reinterpreted_batch_ndims
        )

    @property
    def mean(self):
        return self.base_dist.mean

    @property
    def mode(self):
        return self.base_dist.mode

    @property
    def variance(self):
        return self.base_dist.variance

    def sample(self, sample_shape=()):
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape=()):
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value):
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self):
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def enumerate_support(self, expand=True):
        if self.reinterpreted_batch_ndims > 0:
            raise NotImplementedError("Enumeration over cartesian product is not implemented")
        return self.base_dist.enumerate_support(expand=expand)

    def __repr__(self):
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


class TransformedDistribution(Distribution):
    """The distribution of t(x) for x of a base distribution and one or more transforms t."""

    def __init__(self, base_distribution, transforms, validate_args=None):
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        if not all(isinstance(t, Transform) for t in self.transforms):
            problem = f"transforms must be a Transform or list, but was {transforms}"
            raise ArgumentError(message("TransformedDistribution", problem))
        need_distribution("TransformedDistribution", base_distribution)
        base_shape = tuple(base_distribution.batch_shape) + tuple(base_distribution.event_shape)
        chain = ComposeTransform(self.transforms)
        shape = tuple(chain.forward_shape(base_shape))
        base_shape = tuple(chain.inverse_shape(shape))
        base_event = len(base_distribution.event_shape)
        if base_shape != tuple(base_distribution.batch_shape) + tuple(base_distribution.event_shape):
            base_distribution = base_distribution.expand(base_shape[: len(base_shape) - base_event])
        more = chain.domain.event_dim - base_event
        if more > 0:
            base_distribution = Independent(base_distribution, more)
        self.base_dist = base_distribution
        change = chain.codomain.event_dim - chain.domain.event_dim
        event = max(chain.codomain.event_dim, len(base_distribution.event_shape) + change)
        cut = len(shape) - event
        super().__init__(shape[:cut], shape[cut:], validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(TransformedDistribution, _instance)
        new.transforms = self.transforms
        shape = ComposeTransform(self.transforms).inverse_shape(tuple(batch_shape) + tuple(self.event_shape))
        new.base_dist = self.base_dist.expand(tuple(shape)[: len(shape) - len(self.base_dist.event_shape)])
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def has_rsample(self):
        return self.base_dist.has_rsample

    @constraints.dependent_property
    def support(self):
        if not self.transforms:
            return self.base_dist.support
        return widened(self.transforms[-1].codomain, len(self.event_shape))

    def _forward(self, x):
        for t in self.transforms:
            x = t(x)
        return x

    def sample(self, sample_shape=()):
        with no_grad():
            return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape=()):
        return self._forward(self.base_dist.rsample(sample_shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        event, total, y = len(self.event_shape), 0.0, value
        for t in reversed(self.transforms):
            x = t._inv_call(y)
            event += t.domain.event_dim - t.codomain.event_dim
            total = total - sum_rightmost(t.log_abs_det_jacobian(x, y), event - t.domain.event_dim)
            y = x
        return total + sum_rightmost(self.base_dist.log_prob(y), event - len(self.base_dist.event_shape))

    def _turned(self, value):
        """`value` or 1 - value where the transforms turn the order around."""
        sign = 1
        for t in self.transforms:
            if t.sign is None:
                raise NotImplementedError(f"{type(t).__name__} is not monotone: there is no formula for the cdf")
            sign = sign * t.sign
        return value if isinstance(sign, int) and sign == 1 else sign * (value - 0.5) + 0.5

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        self._turned(value)  # refuses what is not monotone
        for t in reversed(self.transforms):
            value = t._inv_call(value)
        return self._turned(self.base_dist.cdf(value))

    def icdf(self, value):
        return self._forward(self.base_dist.icdf(self._turned(value)))



class LogNormal(TransformedDistribution):
    """The distribution of exp(x) for a normal x."""

    _shown = ()
    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        base = Normal(loc, scale, validate_args=validate_args)
        super().__init__(base, transforms.ExpTransform(), validate_args=False)
        self._validate_args = base._validate_args

    def expand(self, batch_shape, _instance=None):
        return super().expand(batch_shape, _instance=self._get_checked_instance(LogNormal, _instance))

    @property
    def loc(self):
        return self.base_dist.loc

    @property
    def scale(self):
        return self.base_dist.scale

    @property
    def mean(self):
        return (self.loc + self.scale.square() / 2).exp()

    @property
    def mode(self):
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self):
        square = self.scale.square()
        return square.expm1() * (2 * self.loc + square).exp()

    def entropy(self):
        return self.base_dist.entropy() + self.loc



class LogisticNormal(TransformedDistribution):
    """Rows that sum to 1, from normal rows by breaking a stick."""

    _shown = ()
    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        base = Normal(loc, scale, validate_args=validate_args)
        base = base if base.batch_shape else base.expand((1,))
        super().__init__(base, transforms.StickBreakingTransform(), validate_args=False)
        self._validate_args = base._validate_args

    @property
    def loc(self):
        return self.base_dist.base_dist.loc

    @property
    def scale(self):
        return self.base_dist.base_dist.scale


class _LogitRelaxedBernoulli(Distribution):
    """Log odds of RelaxedBernoulli. Source: Maddison et al. 2017"""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self.temperature = temperature
        self._hard = Bernoulli(probs, logits, validate_args=validate_args)
        super().__init__(self._hard.batch_shape, validate_args=False)
        self._validate_args = self._hard._validate_args

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(_LogitRelaxedBernoulli, _instance)
        new.temperature, new._hard = self.temperature, self._hard.expand(batch_shape)
        Distribution.__init__(new, batch_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def probs(self):
        return self._hard.probs

    @property
    def logits(self):
        return self._hard.logits

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        probs = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(open_rand(shape, probs))
        return (u.log() - (-u).log1p() + probs.log() - (-probs).log1p()) / self.temperature

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        apart = logits - value * self.temperature
        return log_of(self.temperature) + apart - 2 * apart.exp().log1p()


def log_of(x):
    """The logarithm of a number or a tensor."""
    return math.log(x) if isinstance(x, (int, float)) else x.log()


class RelaxedBernoulli(TransformedDistribution):
    """Bernoulli's continuous neighbour on (0, 1). Source: Maddison et al. 2017, Jang et al. 2017"""

    _shown = ()
    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        base = _LogitRelaxedBernoulli(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, transforms.SigmoidTransform(), validate_args=False)
        self._validate_args = base._validate_args

    @property
    def temperature(self):
        return self.base_dist.temperature

    @property
    def probs(self):
        return self.base_dist.probs

    @property
    def logits(self):
        return self.base_dist.logits


class ExpRelaxedCategorical(Distribution):
    """Logarithms of RelaxedOneHotCategorical. Source: Maddison et al. 2017"""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self.temperature = temperature
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        shape = self._categorical._param.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=False)
        self._validate_args = self._categorical._validate_args

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(ExpRelaxedCategorical, _instance)
        new.temperature, new._categorical = self.temperature, self._categorical.expand(batch_shape)
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def probs(self):
        return self._categorical.probs

    @property
    def logits(self):
        return self._categorical.logits

    def rsample(self, sample_shape=()):
        u = clamp_probs(open_rand(self._extended_shape(sample_shape), self.logits))
        return log_softmax((self.logits - (-u.log()).log()) / self.temperature, -1)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        n = self.event_shape[0]
        logits, value = broadcast_all(self.logits, value)
        scale = math.lgamma(n) + log_of(self.temperature) * (n - 1)
        return log_softmax(logits - value * self.temperature, -1).sum(-1) + scale


class RelaxedOneHotCategorical(TransformedDistribution):
    """OneHotCategorical's continuous neighbour on the simplex."""

    _shown = ()
    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, transforms.ExpTransform(), validate_args=False)
        self._validate_args = base._validate_args

    @property
    def temperature(self):
        return self.base_dist.temperature

    @property
    def probs(self):
        return self.base_dist.probs

    @property
    def logits(self):
        return self.base_dist.logits


class MixtureSameFamily(Distribution):
    """A Categorical picks which of the last batch dim's components is drawn."""

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        if not isinstance(mixture_distribution, Categorical):
            problem = "The Mixture distribution needs to be an instance of Categorical"
            raise ArgumentError(message("MixtureSameFamily", problem))
        parts = component_distribution.batch_shape
        if not parts or mixture_distribution._num_events != parts[-1]:
            problem = "the mixture's number of classes does not equal the components' last batch dim"
            facts = [("classes", mixture_distribution._num_events), ("components", tuple(parts))]
            raise ArgumentError(message("MixtureSameFamily", problem, facts))
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        self._event_ndims = len(component_distribution.event_shape)
        super().__init__(parts[:-1], component_distribution.event_shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(MixtureSameFamily, _instance)
        n = self._mixture_distribution._num_events
        new._component_distribution = self._component_distribution.expand(tuple(batch_shape) + (n,))
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._event_ndims = self._event_ndims
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property
    def support(self):
        return self._component_distribution.support

    @property
    def mixture_distribution(self):
        return self._mixture_distribution

    @property
    def component_distribution(self):
        return self._component_distribution

    def _weights(self):
        probs = self._mixture_distribution.probs
        return probs.reshape(tuple(probs.shape) + (1,) * self._event_ndims)

    @property
    def mean(self):
        return (self._weights() * self._component_distribution.mean).sum(-1 - self._event_ndims)

    @property
    def variance(self):
        at, weights = -1 - self._event_ndims, self._weights()
        apart = self._component_distribution.mean - self.mean.unsqueeze(at)
        return (weights * (self._component_distribution.variance + apart.square())).sum(at)

    def cdf(self, x):
        below = self._component_distribution.cdf(self._pad(x))
        return (below * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, x):
        if self._validate_args:
            self._validate_sample(x)
        each = self._component_distribution.log_prob(self._pad(x))
        return (each + log_softmax(self._mixture_distribution.logits, -1)).logsumexp(-1)

    def _pad(self, x):
        return x.unsqueeze(-1 - self._event_ndims)

    def sample(self, sample_shape=()):
        with no_grad():
            which = self._mixture_distribution.sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            index = which.reshape(tuple(which.shape) + (1,) * (1 + self._event_ndims))
            at = drawn.ndim - 1 - self._event_ndims
            shape = list(drawn.shape)
            shape[at] = 1
            return drawn.gather(at, index.expand(tuple(shape))).squeeze(at)

    def __repr__(self):
        return f"MixtureSameFamily(\n  {self._mixture_distribution},\n  {self._component_distribution})"
