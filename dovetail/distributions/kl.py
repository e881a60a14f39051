"""Kullback-Leibler divergences by closed formulas, found by the classes of both sides."""

from __future__ import annotations

import math
from collections.abc import Callable

from dovetail.distributions import bounded as b
from dovetail.distributions import continuous as c
from dovetail.distributions import discrete as d
from dovetail.distributions import gammas as g
from dovetail.distributions import matrices as m
from dovetail.distributions.compound import Independent, LogNormal, TransformedDistribution
from dovetail.distributions.distribution import Distribution
from dovetail.distributions.transforms import sum_rightmost
from dovetail.ops.counting import broadcast_shapes
from dovetail.ops.elementwise import mvlgamma, xlogy
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
@register_kl(c.MultivariateNormal, m.LowRankMultivariateNormal)
@register_kl(m.LowRankMultivariateNormal, c.MultivariateNormal)
@register_kl(m.LowRankMultivariateNormal, m.LowRankMultivariateNormal)
def multivariate_multivariate(p, q):
    n = p.event_shape[0]
    if p.event_shape != q.event_shape:
        raise ValueError("KL-divergence between two multivariate normals with different event shapes is not defined")
    apart = solve_triangular(q.scale_tril, (q.loc - p.loc).unsqueeze(-1), upper=False).square().sum((-1, -2))
    trace = solve_triangular(q.scale_tril, p.scale_tril, upper=False).square().sum((-1, -2))
    return q._half_log_det() - p._half_log_det() + 0.5 * (trace + apart - n)


@register_kl(m.Wishart, m.Wishart)
def wishart_wishart(p, q):
    n = p.event_shape[0]
    half = solve_triangular(q._tril, p._tril, upper=False)
    trace = half.square().sum((-2, -1))
    slopes = (p.df.unsqueeze(-1) / 2 - m.arange(n, dtype=p.df.dtype) / 2).digamma().sum(-1)
    ratio = m.diagonal(q._tril).log().sum(-1) - m.diagonal(p._tril).log().sum(-1)
    sizes = mvlgamma(q.df / 2, n) - mvlgamma(p.df / 2, n)
    return q.df * ratio + 0.5 * p.df * (trace - n) + sizes + (p.df - q.df) / 2 * slopes


@register_kl(g.InverseGamma, g.InverseGamma)
def inversegamma_inversegamma(p, q):
    return gamma_gamma(p, q)


@register_kl(b.ContinuousBernoulli, b.ContinuousBernoulli)
def continuous_continuous(p, q):
    mine = p._log_norm() + (-p.probs).log1p()
    return p.mean * (p.logits - q.logits) + mine - q._log_norm() - (-q.probs).log1p()


# -- p is not zero where q is --------------------------------------------------------------------------------------


def infinite(p, q):
    """p has draws that q cannot have."""
    like = next(v for v in vars(p).values() if isinstance(v, Tensor))
    return like.new_full((), math.inf).expand(c.Size(broadcast_shapes(tuple(p.batch_shape), tuple(q.batch_shape))))


left: type
right: type
HALF_LINE, UNIT = (c.Exponential, g.Gamma), (g.Beta, b.ContinuousBernoulli)
for left in (c.Normal, c.Laplace, c.Gumbel):
    for right in (*UNIT, *HALF_LINE, c.Pareto, c.Uniform):
        register_kl(left, right)(infinite)
for left in (c.Exponential, g.Gamma):
    for right in (*UNIT, c.Pareto, c.Uniform):
        register_kl(left, right)(infinite)
for left, right in (
    (g.Beta, c.Pareto), (b.ContinuousBernoulli, c.Pareto), (c.Pareto, g.Beta), (c.Pareto, b.ContinuousBernoulli),
    (c.Pareto, c.Uniform), (d.Poisson, d.Bernoulli), (d.Poisson, d.Binomial),
):  # fmt: skip
    register_kl(left, right)(infinite)


# -- different families: minus the entropy of p, minus the mean of log q under p -----------------------------------


def against_normal(p, q, mean, variance):
    """Minus the mean of a normal log density, from mean and variance of p."""
    square = q.scale.square()
    return 0.5 * (2 * math.pi * square).log() + (variance + (mean - q.loc).square()) / (2 * square)


@register_kl(d.Bernoulli, d.Poisson)
def bernoulli_poisson(p, q):
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


def against_mean(p, q):
    """Exponential: only the mean of p counts."""
    return -p.entropy() - q.rate.log() + q.rate * p.mean


register_kl(g.Beta, c.Exponential)(against_mean)
register_kl(b.ContinuousBernoulli, c.Exponential)(against_mean)


def against_moments(p, q):
    """Normal: mean and variance of p count."""
    return -p.entropy() + against_normal(p, q, p.mean, p.variance)


for left in (g.Beta, b.ContinuousBernoulli, c.Exponential, g.Gamma, c.Gumbel):
    register_kl(left, c.Normal)(against_moments)


@register_kl(c.Pareto, c.Normal)
def pareto_normal(p, q):
    return where(p.alpha <= 2, math.inf, against_moments(p, q))


@register_kl(c.Pareto, c.Exponential)
def pareto_exponential(p, q):
    return where(p.alpha <= 1, math.inf, against_mean(p, q))


def against_gamma(p, q, mean_log):
    """Gamma: mean and mean logarithm of p count."""
    norm = q.concentration.lgamma() - q.concentration * q.rate.log()
    return -p.entropy() + norm - (q.concentration - 1) * mean_log + q.rate * p.mean


@register_kl(g.Beta, g.Gamma)
def beta_gamma(p, q):
    total = p.concentration1 + p.concentration0
    return against_gamma(p, q, p.concentration1.digamma() - total.digamma())


@register_kl(c.Pareto, g.Gamma)
def pareto_gamma(p, q):
    return where(p.alpha <= 1, math.inf, against_gamma(p, q, p.scale.log() + p.alpha.reciprocal()))


@register_kl(c.Uniform, g.Gamma)
def uniform_gamma(p, q):
    return where(p.low < 0, math.inf, against_gamma(p, q, mean_logarithm(p.low, p.high)))


@register_kl(c.Uniform, c.Exponential)
def uniform_exponential(p, q):
    return where(p.low < 0, math.inf, against_mean(p, q))


def mean_logarithm(low: Tensor, high: Tensor) -> Tensor:
    """The mean of log x for x between low and high."""
    return (xlogy(high, high) - xlogy(low, low)) / (high - low) - 1


@register_kl(c.Uniform, g.Beta)
def uniform_beta(p, q):
    a, z = q.concentration1, q.concentration0
    norm = a.lgamma() + z.lgamma() - (a + z).lgamma()
    logs = (a - 1) * mean_logarithm(p.low, p.high) + (z - 1) * mean_logarithm(1 - p.high, 1 - p.low)
    return where((p.high > 1) | (p.low < 0), math.inf, norm - logs - (p.high - p.low).log())


@register_kl(c.Uniform, b.ContinuousBernoulli)
def uniform_continuous(p, q):
    value = -p.entropy() - p.mean * q.logits - (-q.probs).log1p() - q._log_norm()
    return where((p.high >= 1) | (p.low <= 0), math.inf, value)


@register_kl(c.Uniform, c.Pareto)
def uniform_pareto(p, q):
    value = (q.alpha + 1) * mean_logarithm(p.low, p.high) - (q.alpha * q.scale.pow(q.alpha) * (p.high - p.low)).log()
    return where(p.low < q.scale, math.inf, value)


@register_kl(g.Beta, c.Uniform)
def beta_uniform(p, q):
    return where((q.low > 0) | (q.high < 1), math.inf, -p.entropy() + (q.high - q.low).log())


@register_kl(b.ContinuousBernoulli, c.Uniform)
def continuous_uniform(p, q):
    """As torch, which counts the very edges as outside."""
    return where((q.low >= 0) | (q.high <= 1), math.inf, -p.entropy() + (q.high - q.low).log())


@register_kl(g.Beta, b.ContinuousBernoulli)
def beta_continuous(p, q):
    return -p.entropy() - p.mean * q.logits - (-q.probs).log1p() - q._log_norm()


def against_gumbel(p, q, mean_exp):
    """Gumbel: the mean of p and the mean of exp(-x / scale) count."""
    apart = (p.mean - q.loc) / q.scale
    return -p.entropy() + q.scale.log() + apart + (q.loc / q.scale).exp() * mean_exp


@register_kl(c.Normal, c.Gumbel)
def normal_gumbel(p, q):
    return against_gumbel(p, q, (-p.loc / q.scale + 0.5 * (p.scale / q.scale).square()).exp())


@register_kl(c.Exponential, c.Gumbel)
def exponential_gumbel(p, q):
    return against_gumbel(p, q, p.rate * q.scale / (p.rate * q.scale + 1))


@register_kl(g.Gamma, c.Gumbel)
def gamma_gumbel(p, q):
    return against_gumbel(p, q, (1 + 1 / (p.rate * q.scale)).pow(-p.concentration))


@register_kl(c.Uniform, c.Gumbel)
def uniform_gumbel(p, q):
    width = (p.high - p.low) / q.scale
    return against_gumbel(p, q, ((-p.low / q.scale).exp() - (-p.high / q.scale).exp()) / width)


@register_kl(c.Normal, c.Laplace)
def normal_laplace(p, q):
    apart = (p.loc - q.loc) / p.scale
    distance = math.sqrt(2 / math.pi) * (-0.5 * apart.square()).exp() + apart * (math.sqrt(0.5) * apart).erf()
    return -(p.scale / q.scale).log() + p.scale * distance / q.scale - 0.5 * (1 + math.log(0.5 * math.pi))
