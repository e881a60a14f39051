"""Families whose support has an edge that the parameters place: the continuous Bernoulli, the generalised Pareto."""

from __future__ import annotations

import math

from dovetail.distributions import constraints
from dovetail.distributions.continuous import open_rand
from dovetail.distributions.discrete import _Binary
from dovetail.distributions.distribution import Distribution, broadcast_all
from dovetail.ops.index import where
from dovetail.ops.loss import binary_cross_entropy_with_logits
from dovetail.tensor.tensor import Tensor


class ContinuousBernoulli(_Binary):
    """Density proportional to p^x (1 - p)^(1 - x) on [0, 1].

    Close to p = 1/2 (within `lims`) the formulas cancel, and their Taylor series take over.

    Source: Loaiza-Ganem & Cunningham 2019. Agrees with torch.distributions.ContinuousBernoulli.
    """

    support = constraints.unit_interval
    has_rsample = True
    has_enumerate_support = False

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args=None):
        self._set_chance(probs, logits)
        self._lims = lims
        Distribution.__init__(self, self._param.shape, validate_args=validate_args)

    def _expand_rest(self, new, batch_shape):
        super()._expand_rest(new, batch_shape)
        new._lims = self._lims

    def _steep(self) -> Tensor:
        """Where the formulas hold."""
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut(self) -> Tensor:
        return where(self._steep(), self.probs, self._lims[0])

    def _tilt(self) -> Tensor:
        """log((1 - p) / p)"""
        cut = self._cut()
        return (-cut).log1p() - cut.log()

    def _log_norm(self) -> Tensor:
        cut = self._cut()
        below, above = where(cut <= 0.5, cut, 0.0), where(cut >= 0.5, cut, 1.0)
        value = self._tilt().abs().log() - where(cut <= 0.5, (-2 * below).log1p(), (2 * above - 1).log())
        x = (self.probs - 0.5).square()
        return where(self._steep(), value, math.log(2.0) + (4 / 3 + 104 / 45 * x) * x)

    @property
    def mean(self):
        cut, x = self._cut(), self.probs - 0.5
        series = 0.5 + (1 / 3 + 16 / 45 * x.square()) * x
        return where(self._steep(), cut / (2 * cut - 1) + 1 / self._tilt(), series)

    @property
    def mode(self):
        raise NotImplementedError(f"{type(self).__name__} has no formula for the mode")

    @property
    def variance(self):
        cut, x = self._cut(), (self.probs - 0.5).square()
        value = cut * (cut - 1) / (1 - 2 * cut).square() + 1 / self._tilt().square()
        return where(self._steep(), value, 1 / 12 - (1 / 15 - 128 / 945 * x) * x)

    def sample(self, sample_shape=()):
        return Distribution.sample(self, sample_shape)

    def rsample(self, sample_shape=()):
        return self.icdf(open_rand(self._extended_shape(sample_shape), self.probs))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none") + self._log_norm()

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        cut = self._cut()
        inside = (cut.pow(value) * (1 - cut).pow(1 - value) + cut - 1) / (2 * cut - 1)
        inside = where(self._steep(), inside, value)
        return where(value <= 0, 0.0, where(value >= 1, 1.0, inside))

    def icdf(self, value):
        cut = self._cut()
        return where(self._steep(), ((-cut + value * (2 * cut - 1)).log1p() - (-cut).log1p()) / -self._tilt(), value)

    def entropy(self):
        none, one = (-self.probs).log1p(), self.probs.log()
        return self.mean * (none - one) - self._log_norm() - none


class GeneralizedPareto(Distribution):
    """What exceeds a high threshold `loc`; concentration 0 is the exponential distribution, below 0 there is an end.

    Agrees with torch.distributions.GeneralizedPareto.
    """

    arg_constraints = {
        "loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real,
    }  # fmt: skip
    has_rsample = True

    def __init__(self, loc, scale, concentration, validate_args=None):
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        end = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, where(self.concentration < 0, end, math.inf))

    def _flat(self) -> tuple[Tensor, Tensor]:
        """(where the concentration is 0, the concentration with 1 in these places)"""
        zero = self.concentration.abs() < 1e-8
        return zero, where(zero, 1.0, self.concentration)

    def rsample(self, sample_shape=()):
        return self.icdf(open_rand(self._extended_shape(sample_shape), self.loc))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        (zero, safe), z = self._flat(), (value - self.loc) / self.scale
        return -self.scale.log() - where(zero, z, (1 / safe + 1) * (safe * z).log1p())

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        (zero, safe), z = self._flat(), (value - self.loc) / self.scale
        return -where(zero, -z, -(safe * z).log1p() / safe).expm1()

    def icdf(self, value):
        (zero, safe), rest = self._flat(), (-value).log1p()
        return self.loc + self.scale * where(zero, -rest, (-safe * rest).expm1() / safe)

    @property
    def mean(self):
        a = self.concentration
        return where(a < 1, self.loc + self.scale / (1 - where(a < 1, a, 0.0)), math.inf)

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        a = self.concentration
        safe = where(a < 0.5, a, 0.0)
        return where(a < 0.5, self.scale.square() / ((1 - safe).square() * (1 - 2 * safe)), math.inf)

    def entropy(self):
        return self.scale.log() + self.concentration + 1
