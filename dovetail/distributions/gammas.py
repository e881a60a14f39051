"""Families made of gamma draws: Gamma, Chi2, InverseGamma, Beta, Dirichlet, StudentT, FisherSnedecor.

Gradients of rsample are implicit ones (Figurnov et al. 2018), of first order.
"""

from __future__ import annotations

import math

from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, message
from dovetail.distributions import constraints
from dovetail.distributions.distribution import (
    Distribution,
    ExponentialFamily,
    all_numbers,
    broadcast_all,
    lazy_property,
)
from dovetail.ops.create import full_like
from dovetail.ops.elementwise import igamma, igammac, xlogy
from dovetail.ops.gamma import gamma_slope, standard_gamma
from dovetail.ops.index import where
from dovetail.ops.random import randn
from dovetail.ops.shape import stack
from dovetail.tensor.modes import is_grad_enabled
from dovetail.tensor.tensor import Size, Tensor


def gamma_draws(shape: Tensor) -> Tensor:
    """Draws with rate 1, one for each element of `shape`, with their gradient in it."""
    drawn = standard_gamma(shape.detach())
    if not (is_grad_enabled() and shape.requires_grad):
        return drawn
    slope = gamma_slope(shape.detach(), drawn)
    return drawn + (shape - shape.detach()) * slope


class Gamma(ExponentialFamily):
    """Gamma distribution of shape `concentration` and `rate`."""

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration, rate, validate_args=None):
        self.concentration, self.rate = broadcast_all(concentration, rate)
        shape = () if all_numbers(concentration, rate) else self.concentration.shape
        super().__init__(shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.concentration / self.rate

    @property
    def mode(self):
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self):
        return self.concentration / self.rate.square()

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return gamma_draws(self.concentration.expand(shape)) / self.rate.expand(shape)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        a, b = self.concentration, self.rate
        return xlogy(a, b) + xlogy(a - 1, value) - b * value - a.lgamma()

    def entropy(self):
        a = self.concentration
        return a - self.rate.log() + a.lgamma() + (1.0 - a) * a.digamma()

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return igamma(self.concentration, self.rate * value)


class Chi2(Gamma):
    """Chi-squared distribution with `df` degrees of freedom."""

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df, validate_args=None):
        (df,) = broadcast_all(df)
        super().__init__(0.5 * df, full_like(df, 0.5), validate_args=validate_args)

    @property
    def df(self):
        return self.concentration * 2

    def _expand_rest(self, new, batch_shape):
        new.concentration, new.rate = self.concentration.expand(batch_shape), self.rate.expand(batch_shape)


class InverseGamma(Distribution):
    """The distribution of 1 / x for a gamma-distributed x."""

    _shown = ()
    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration, rate, validate_args=None):
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self):
        return where(self.concentration > 1, self.rate / (self.concentration - 1), math.inf)

    @property
    def mode(self):
        return self.rate / (self.concentration + 1)

    @property
    def variance(self):
        a = self.concentration
        return where(a > 2, self.rate.square() / ((a - 1).square() * (a - 2)), math.inf)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return self.rate.expand(shape) / gamma_draws(self.concentration.expand(shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        a, b = self.concentration, self.rate
        return xlogy(a, b) - xlogy(a + 1, value) - b / value - a.lgamma()

    def entropy(self):
        a = self.concentration
        return a + self.rate.log() + a.lgamma() - (1 + a) * a.digamma()

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return igammac(self.concentration, self.rate / value)


class Dirichlet(ExponentialFamily):
    """Dirichlet distribution over rows that sum to 1. Event shape: (k,)"""

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration, validate_args=None):
        if not isinstance(concentration, Tensor):
            kind = type(concentration).__name__
            raise TypeError(message("Dirichlet", f"concentration must be a Tensor, not {kind}"))
        if concentration.ndim < 1:
            raise ArgumentError(message("Dirichlet", "`concentration` parameter must be at least one-dimensional."))
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    @property
    def mean(self):
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def mode(self):
        a = (self.concentration - 1).clamp(min=0.0)
        mode = a / a.sum(-1, keepdim=True)
        flat = (self.concentration < 1).all(-1, keepdim=True)
        best = self.concentration.argmax(-1, keepdim=True)
        corner = mode.detach().mul(0).nan_to_num(0.0).scatter(-1, best, 1.0)
        return where(flat, corner, mode)

    @property
    def variance(self):
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total.square() * (total + 1))

    def rsample(self, sample_shape=()):
        drawn = gamma_draws(self.concentration.expand(self._extended_shape(sample_shape)).to(dtypes.float64))
        return (drawn / drawn.sum(-1, keepdim=True)).to(self.concentration.dtype)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        return xlogy(a - 1.0, value).sum(-1) + a.sum(-1).lgamma() - a.lgamma().sum(-1)

    def entropy(self):
        a, k = self.concentration, self.concentration.shape[-1]
        total = a.sum(-1)
        digammas = ((a - 1.0) * a.digamma()).sum(-1)
        return a.lgamma().sum(-1) - total.lgamma() - (k - total) * total.digamma() - digammas


class Beta(ExponentialFamily):
    """Beta distribution: the first share of a Dirichlet one of two."""

    _shown = ()
    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args=None):
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    @lazy_property
    def _dirichlet(self):
        return Dirichlet(stack([self.concentration1, self.concentration0], -1), validate_args=False)

    @property
    def mean(self):
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self):
        return self._dirichlet.mode[..., 0]

    @property
    def variance(self):
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total.square() * (total + 1))

    def rsample(self, sample_shape=()):
        return self._dirichlet.rsample(sample_shape)[..., 0]

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return self._dirichlet.log_prob(stack([value, 1.0 - value], -1))

    def entropy(self):
        return self._dirichlet.entropy()


class StudentT(Distribution):
    """Student's t distribution with `df` degrees of freedom, moved by `loc` and scaled by `scale`."""

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self):
        return where(self.df > 1, self.loc, math.nan)

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        df = self.df
        wide = where(df > 2, self.scale.square() * df / (df - 2), math.inf)
        return where(df > 1, wide, math.nan)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        chi2 = gamma_draws(0.5 * self.df.expand(shape)) * 2
        return self.loc + self.scale * randn(shape, dtype=self.df.dtype) * (chi2 / self.df).rsqrt()

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        y, df = (value - self.loc) / self.scale, self.df
        norm = self.scale.log() + 0.5 * df.log() + 0.5 * math.log(math.pi)
        norm = norm + (0.5 * df).lgamma() - (0.5 * (df + 1.0)).lgamma()
        return -0.5 * (df + 1.0) * (y.square() / df).log1p() - norm

    def entropy(self):
        df = self.df
        beta = (0.5 * df).lgamma() + math.lgamma(0.5) - (0.5 * (df + 1)).lgamma()
        spread = 0.5 * (df + 1) * ((0.5 * (df + 1)).digamma() - (0.5 * df).digamma())
        return self.scale.log() + spread + 0.5 * df.log() + beta


class FisherSnedecor(Distribution):
    """The distribution of a ratio of two chi-squared draws, each over its degrees of freedom."""

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1, df2, validate_args=None):
        self.df1, self.df2 = broadcast_all(df1, df2)
        super().__init__(self.df1.shape, validate_args=validate_args)

    @property
    def mean(self):
        return where(self.df2 > 2, self.df2 / (self.df2 - 2), math.nan)

    @property
    def mode(self):
        value = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return where(self.df1 > 2, value, math.nan)

    @property
    def variance(self):
        d1, d2 = self.df1, self.df2
        value = 2 * d2.square() * (d1 + d2 - 2) / (d1 * (d2 - 2).square() * (d2 - 4))
        return where(d2 > 4, value, math.nan)

    def rsample(self, sample_shape=()):
        shape = Size(self._extended_shape(sample_shape))
        above = gamma_draws(0.5 * self.df1.expand(shape)) / self.df1
        return above / (gamma_draws(0.5 * self.df2.expand(shape)) / self.df2)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        a, b, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        norm = (a + b).lgamma() - a.lgamma() - b.lgamma()
        return norm + a * ratio.log() + (a - 1) * value.log() - (a + b) * (ratio * value).log1p()
