"""Probability distributions by torch.distributions' names: draws, log densities, entropies, divergences.

    >>> import dovetail
    >>> from dovetail.distributions import Normal, kl_divergence
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
"""

from dovetail.distributions import constraint_registry, constraints, transforms
from dovetail.distributions.bounded import ContinuousBernoulli, GeneralizedPareto
from dovetail.distributions.compound import (
    Independent,
    LogisticNormal,
    LogNormal,
    MixtureSameFamily,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
    TransformedDistribution,
)
from dovetail.distributions.constraint_registry import biject_to, transform_to
from dovetail.distributions.continuous import (
    Cauchy,
    Exponential,
    Gumbel,
    HalfCauchy,
    HalfNormal,
    Kumaraswamy,
    Laplace,
    MultivariateNormal,
    Normal,
    Pareto,
    Uniform,
    VonMises,
    Weibull,
)
from dovetail.distributions.discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
    Multinomial,
    NegativeBinomial,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
    Poisson,
)
from dovetail.distributions.distribution import Distribution, ExponentialFamily
from dovetail.distributions.gammas import Beta, Chi2, Dirichlet, FisherSnedecor, Gamma, InverseGamma, StudentT
from dovetail.distributions.kl import kl_divergence, register_kl
from dovetail.distributions.matrices import LKJCholesky, LowRankMultivariateNormal, Wishart
from dovetail.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StackTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)
