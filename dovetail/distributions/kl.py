"""Kullback-Leibler divergences by closed formulas, found by the classes of both sides."""

from __future__ import annotations

import math
from collections.abc import Callable

from dovetail.distributions import continuous as c
from dovetail.distributions import discrete as d
from dovetail.distributions import gammas as g
from dovetail.distributions.compound import Independent, LogNormal, TransformedDistribution
from dovetail.distributions.distribution import Distribution
from dovetail.distributions.transforms import sum_rightmost
from dovetail.ops.elementwise import xlogy
from dovetail.ops.index import where
from dovetail.ops.linalg import solve_triangular
from dovetail.tensor.tensor import Tensor

REGISTRY: dict[tuple[type, type], Callable] = {}


def register_kl(type_p: type, type_q: type) -> Callable:
    """Decorator: the function gives KL(p, q) for these classes and those derived from them."""
    if not (isinstance(type_p, type) and issubclass(type_p, Distribution)):
        raise TypeError(f"Expected type_p to be a Distribution subclass but got {type_p}")
    if not (isinstance(type_q, type) and issubclass(type_q, Distribution)):
        raise TypeError(f"Expected type_q to be a Distribution subclass but got {type_q}")

    def register(function: Callable) -> Callable:
        REGISTRY[type_p, type_q] = function
        return function

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q), one number for each distribution of the batch.

    Raises: NotImplementedError where no formula is registered for the two classes.
    """
    found = None
    for left in type(p).__mro__:  # the nearest class of p counts first, then that of q
        for right in type(q).__mro__:
            found = found or REGISTRY.get((left, right))
    if found is None:
        names = f"{type(p).__name__} and {type(q).__name__}"
        raise NotImplementedError(f"No KL(p || q) is implemented for p type {names} as q type; see register_kl")
    return found(p, q)


@register_kl(c.Normal, c.Normal)
def normal_normal(p, q):
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).square() - 1 - ratio.log())


@register_kl(LogNormal, LogNormal)
def lognormal_lognormal(p, q):
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(TransformedDistribution, TransformedDistribution)
def transformed_transformed(p, q):
    if [type(t) for t in p.transforms] != [type(t) for t in q.transforms] or p.event_shape != q.event_shape:
        raise NotImplementedError("KL of transformed distributions needs the same transforms on both sides")
    if p.transforms != q.transforms:
        raise NotImplementedError("KL of transformed distributions needs the same transforms on both sides")
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Independent, Independent)
def independent_independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL of Independent needs equal reinterpreted_batch_ndims")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(d.Bernoulli, d.Bernoulli)
def bernoulli_bernoulli(p, q):
    hit = p.probs * (soft(-q.logits) - soft(-p.logits))
    return hit + (1 - p.probs) * (soft(q.logits) - soft(p.logits))


def soft(x: Tensor) -> Tensor:
    return -d.log_sigmoid(-x)


@register_kl(d.Binomial, d.Binomial)
def binomial_binomial(p, q):
    value = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return where(p.total_count > q.total_count, math.inf, value)


@register_kl(d.Categorical, d.Categorical)
def categorical_categorical(p, q):
    terms = p.probs * (p.logits - q.logits)
    terms = where(q.probs == 0, math.inf, terms)
    return where(p.probs == 0, 0.0, terms).sum(-1)


@register_kl(d.OneHotCategorical, d.OneHotCategorical)
def onehot_onehot(p, q):
    return categorical_categorical(p._categorical, q._categorical)


@register_kl(d.Poisson, d.Poisson)
def poisson_poisson(p, q):
    return xlogy(p.rate, p.rate / q.rate) - (p.rate - q.rate)


@register_kl(d.Geometric, d.Geometric)
def geometric_geometric(p, q):
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(c.Uniform, c.Uniform)
def uniform_uniform(p, q):
    value = ((q.high - q.low) / (p.high - p.low)).log()
    return where((q.low > p.low) | (q.high < p.high), math.inf, value)


@register_kl(c.Uniform, c.Normal)
def uniform_normal(p, q):
    width = p.high - p.low
    second = (width.square() / 12 + ((p.high + p.low) / 2 - q.loc).square()) / (2 * q.scale.square())
    return (q.scale * math.sqrt(2 * math.pi)).log() - width.log() + second


@register_kl(c.Exponential, c.Exponential)
def exponential_exponential(p, q):
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(c.Exponential, g.Gamma)
def exponential_gamma(p, q):
    ratio = q.rate / p.rate
    rest = ratio + q.concentration.lgamma() + q.concentration * c.EULER - (1 + c.EULER)
    return -q.concentration * ratio.log() + rest


@register_kl(g.Gamma, c.Exponential)
def gamma_exponential(p, q):
    return -p.entropy() - q.rate.log() + q.rate * p.concentration / p.rate


@register_kl(g.Gamma, g.Gamma)
def gamma_gamma(p, q):
    a, b = p.concentration, q.concentration
    first = b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma()
    return first + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)


@register_kl(g.Beta, g.Beta)
def beta_beta(p, q):
    return dirichlet_dirichlet(p._dirichlet, q._dirichlet)


@register_kl(g.Dirichlet, g.Dirichlet)
def dirichlet_dirichlet(p, q):
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    norm = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return norm + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(c.Laplace, c.Laplace)
def laplace_laplace(p, q):
    ratio, apart = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + apart / q.scale + ratio * (-apart / p.scale).exp() - 1


@register_kl(c.Laplace, c.Normal)
def laplace_normal(p, q):
    square, ratio = q.scale.square(), (p.scale / q.scale).square()
    return ratio - 0.5 * (2 / math.pi * ratio).log() + 0.5 * (p.loc - q.loc).square() / square - 1


@register_kl(c.HalfNormal, c.HalfNormal)
def halfnormal_halfnormal(p, q):
    return normal_normal(p._base, q._base)


@register_kl(c.Cauchy, c.Cauchy)
def cauchy_cauchy(p, q):
    both = (p.scale + q.scale).square() + (p.loc - q.loc).square()
    return both.log() - (4 * p.scale * q.scale).log()


@register_kl(c.Gumbel, c.Gumbel)
def gumbel_gumbel(p, q):
    first, second, third = p.scale / q.scale, q.loc / q.scale, p.loc / q.scale
    t = (second - third + (1 + first).lgamma()).exp()
    return -first.log() - second + third + first * c.EULER + t - (1 + c.EULER)


@register_kl(c.Pareto, c.Pareto)
def pareto_pareto(p, q):
    ratio = q.alpha / p.alpha
    value = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return where(p.scale < q.scale, math.inf, value)


@register_kl(c.MultivariateNormal, c.MultivariateNormal)
def multivariate_multivariate(p, q):
    n = p.event_shape[0]
    apart = solve_triangular(q.scale_tril, (q.loc - p.loc).unsqueeze(-1), upper=False).square().sum((-1, -2))
    trace = solve_triangular(q.scale_tril, p.scale_tril, upper=False).square().sum((-1, -2))
    return q._half_log_det() - p._half_log_det() + 0.5 * (trace + apart - n)
