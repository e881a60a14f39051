"""Distributions of matrices, and the normal distribution of vectors with few directions of correlation."""

from __future__ import annotations

import math

from dovetail.base.errors import ArgumentError, message
from dovetail.base.limits import finfo
from dovetail.distributions import constraints
from dovetail.distributions.distribution import Distribution, broadcast_all
from dovetail.distributions.gammas import Beta, Chi2
from dovetail.ops.create import arange, ones_like
from dovetail.ops.elementwise import mvlgamma
from dovetail.ops.index import where
from dovetail.ops.linalg import cholesky, solve_triangular
from dovetail.ops.random import randn
from dovetail.ops.shape import broadcast_tensors, cat
from dovetail.tensor.tensor import Tensor

LOG_2PI = math.log(2 * math.pi)


def diagonal(x: Tensor) -> Tensor:
    return x.diagonal(dim1=-2, dim2=-1)


def transposed(x: Tensor) -> Tensor:
    return x.transpose(-1, -2)


def unit_like(x: Tensor) -> Tensor:
    """Unit matrices with the dtype and batch of the vectors x."""
    return ones_like(x).diag_embed()


def factor_of_inverse(matrix: Tensor) -> Tensor:
    """The lower Cholesky factor of a matrix' inverse."""
    turned = transposed(cholesky(matrix.flip((-2, -1))).flip((-2, -1)))
    return solve_triangular(turned, unit_like(diagonal(matrix)), upper=False)


class LowRankMultivariateNormal(Distribution):
    """Normal distribution of vectors with the covariance cov_factor cov_factor^T + diag(cov_diag).

    Shape: loc (..., n), cov_factor (..., n, rank), cov_diag (..., n). Costs n rank^2 instead of n^3 (Woodbury).
    """

    arg_constraints = {
        "loc": constraints.real_vector, "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }  # fmt: skip
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc, cov_factor, cov_diag, validate_args=None):
        if loc.ndim < 1 or cov_factor.ndim < 2 or cov_factor.shape[-2] != loc.shape[-1]:
            problem = "cov_factor must be a batch of matrices with shape (..., n, m) for loc of shape (..., n)"
            raise ArgumentError(message("LowRankMultivariateNormal", problem, [("loc", loc), ("factor", cov_factor)]))
        if cov_diag.shape[-1:] != loc.shape[-1:]:
            problem = "cov_diag must be a batch of vectors like loc"
            raise ArgumentError(message("LowRankMultivariateNormal", problem, [("loc", loc), ("diagonal", cov_diag)]))
        batch = tuple((loc + cov_diag + cov_factor[..., 0]).shape[:-1])
        n, rank = cov_factor.shape[-2:]
        self.loc, self.cov_diag = loc.expand((*batch, n)), cov_diag.expand((*batch, n))
        self.cov_factor = cov_factor.expand((*batch, n, rank))
        super().__init__(batch, (n,), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(LowRankMultivariateNormal, _instance)
        batch, n = tuple(batch_shape), self.event_shape[0]
        new.loc, new.cov_diag = self.loc.expand((*batch, n)), self.cov_diag.expand((*batch, n))
        new.cov_factor = self.cov_factor.expand((*batch, *self.cov_factor.shape[-2:]))
        Distribution.__init__(new, batch, (n,), validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _scaled(self) -> Tensor:
        """W^T D^-1"""
        return transposed(self.cov_factor) / self.cov_diag.unsqueeze(-2)

    def _capacitance(self) -> Tensor:
        """The Cholesky factor of 1 + W^T D^-1 W."""
        inner = self._scaled() @ self.cov_factor
        return cholesky(inner + unit_like(diagonal(inner)))

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        return self.cov_factor.square().sum(-1) + self.cov_diag

    @property
    def covariance_matrix(self):
        return self.cov_factor @ transposed(self.cov_factor) + self.cov_diag.diag_embed()

    @property
    def scale_tril(self):
        return cholesky(self.covariance_matrix)

    @property
    def precision_matrix(self):
        half = solve_triangular(self._capacitance(), self._scaled(), upper=False)
        return self.cov_diag.reciprocal().diag_embed() - transposed(half) @ half

    def rsample(self, sample_shape=()):
        shape = tuple(self._extended_shape(sample_shape))
        few = randn((*shape[:-1], self.cov_factor.shape[-1]), dtype=self.loc.dtype)
        own = randn(shape, dtype=self.loc.dtype)
        return self.loc + (self.cov_factor @ few.unsqueeze(-1)).squeeze(-1) + self.cov_diag.sqrt() * own

    def _log_det(self) -> Tensor:
        return 2 * diagonal(self._capacitance()).log().sum(-1) + self.cov_diag.log().sum(-1)

    def _half_log_det(self) -> Tensor:
        return 0.5 * self._log_det()

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        apart = value - self.loc
        seen = self._scaled() @ apart.unsqueeze(-1)
        factor = self._capacitance()
        factor = factor.expand((*seen.shape[:-2], *factor.shape[-2:]))
        less = solve_triangular(factor, seen, upper=False).square().sum((-2, -1))
        distance = (apart.square() / self.cov_diag).sum(-1) - less
        return -0.5 * (self.event_shape[0] * LOG_2PI + self._log_det() + distance)

    def entropy(self):
        return 0.5 * (self.event_shape[0] * (1.0 + LOG_2PI) + self._log_det())


class LKJCholesky(Distribution):
    """Lower Cholesky factors of random correlation matrices; a larger concentration brings them closer to the unit.

    Source: Lewandowski, Kurowicka & Joe 2009 (the onion method). Agrees with torch.distributions.LKJCholesky.
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim, concentration=1.0, validate_args=None):
        if dim < 2:
            text = f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            raise ArgumentError(message("LKJCholesky", text))
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(LKJCholesky, _instance)
        new.dim, new.concentration = self.dim, self.concentration.expand(tuple(batch_shape))
        Distribution.__init__(new, tuple(batch_shape), self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _row_lengths(self) -> Beta:
        """How much of each row lies outside the diagonal."""
        like = self.concentration
        rows = arange(self.dim - 1, dtype=like.dtype)
        rows = cat([rows[:1] * 0, rows])
        return Beta(rows + 0.5, like.unsqueeze(-1) + 0.5 * (self.dim - 2) - 0.5 * rows, validate_args=False)

    def sample(self, sample_shape=()):
        share = self._row_lengths().sample(sample_shape).unsqueeze(-1)
        drawn = randn(tuple(self._extended_shape(sample_shape)), dtype=self.concentration.dtype).tril(-1)
        length = drawn.square().sum(-1, keepdim=True).sqrt()
        rows = share.sqrt() * drawn / where(length == 0, 1.0, length)
        rest = (1 - rows.square().sum(-1)).clamp(min=finfo(rows.dtype).tiny).sqrt()
        return rows + rest.diag_embed()

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        own = diagonal(value)[..., 1:]
        order = arange(2, self.dim + 1, dtype=own.dtype)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        less = self.dim - 1
        alpha = self.concentration + 0.5 * less
        norm = 0.5 * less * math.log(math.pi) + mvlgamma(alpha - 0.5, less) - alpha.lgamma() * less
        return (order * own.log()).sum(-1) - norm


class Wishart(Distribution):
    """Random covariance matrices: sums of `df` squares of normal vectors.

    Given by one of covariance, precision or the covariance's Cholesky factor, each (..., n, n); df > n - 1.
    """

    arg_constraints = {
        "covariance_matrix": constraints.positive_definite, "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky, "df": constraints.greater_than(0.0),
    }  # fmt: skip
    support = constraints.positive_definite
    has_rsample = True

    def __init__(self, df, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        given = [m for m in (covariance_matrix, precision_matrix, scale_tril) if m is not None]
        if len(given) != 1 or given[0].ndim < 2:
            problem = "Expected exactly one of covariance_matrix or precision_matrix or scale_tril, as matrices"
            raise ArgumentError(message("Wishart", problem))
        n = given[0].shape[-1]
        df = df if isinstance(df, Tensor) else ones_like(given[0][..., 0, 0]) * df
        batch = tuple((given[0][..., 0, 0] + df).shape)
        self.df = df.expand(batch)
        if covariance_matrix is not None:
            self._tril = cholesky(covariance_matrix)
        elif scale_tril is not None:
            self._tril = scale_tril
        else:
            self._tril = factor_of_inverse(precision_matrix)
        self._tril = self._tril.expand((*batch, n, n))
        super().__init__(batch, (n, n), validate_args=False)
        self._validate_args = type(self)._validate_args if validate_args is None else validate_args
        if self._validate_args:
            text = f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}"
            self._require(constraints.greater_than(n - 1), self.df, text, "df")

    def _check_parameters(self):
        """Done by the constructor: the matrices are those that the factor gives."""

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(Wishart, _instance)
        batch = tuple(batch_shape)
        new.df = self.df.expand(batch)
        new._tril = self._tril.expand((*batch, *self.event_shape))
        Distribution.__init__(new, batch, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def scale_tril(self):
        return self._tril

    @property
    def covariance_matrix(self):
        return self._tril @ transposed(self._tril)

    @property
    def precision_matrix(self):
        half = solve_triangular(self._tril, unit_like(diagonal(self._tril)), upper=False)
        return transposed(half) @ half

    def _df(self) -> Tensor:
        return self.df.unsqueeze(-1).unsqueeze(-1)

    @property
    def mean(self):
        return self._df() * self.covariance_matrix

    @property
    def mode(self):
        factor = self._df() - self.event_shape[0] - 1
        return where(factor <= 0, math.nan, factor) * self.covariance_matrix

    @property
    def variance(self):
        v = self.covariance_matrix
        own = diagonal(v)
        return self._df() * (v.square() + own.unsqueeze(-1) * own.unsqueeze(-2))

    def rsample(self, sample_shape=()):
        """Bartlett's decomposition: chi-square numbers on the diagonal, normal ones below."""
        shape, n = tuple(self._extended_shape(sample_shape)), self.event_shape[0]
        lower = randn(shape, dtype=self._tril.dtype).tril(-1)
        squares = Chi2(self.df.unsqueeze(-1) - arange(n, dtype=self.df.dtype), validate_args=False)
        lower = lower + squares.rsample(sample_shape).clamp(min=finfo(lower.dtype).tiny).sqrt().diag_embed()
        half = self._tril @ lower
        return half @ transposed(half)

    def _norm(self) -> Tensor:
        n = self.event_shape[0]
        return 0.5 * n * math.log(2.0) + diagonal(self._tril).log().sum(-1)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        n, factor = self.event_shape[0], cholesky(value)
        tril, whole = broadcast_tensors(self._tril, factor)
        trace = solve_triangular(tril, whole, upper=False).square().sum((-2, -1))
        size = 2 * diagonal(factor).log().sum(-1)
        rest = -self.df * self._norm() - mvlgamma(self.df / 2, n)
        return rest + 0.5 * (self.df - n - 1) * size - 0.5 * trace

    def entropy(self):
        n = self.event_shape[0]
        slopes = (self.df.unsqueeze(-1) / 2 - arange(n, dtype=self.df.dtype) / 2).digamma().sum(-1)
        rest = mvlgamma(self.df / 2, n) - 0.5 * (self.df - n - 1) * slopes
        return (n + 1) * self._norm() + rest + 0.5 * n * self.df
