"""Invertible functions with the logarithm of their slope, and where they lead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dovetail.base.errors import ArgumentError, message
from dovetail.base.limits import finfo
from dovetail.distributions import constraints
from dovetail.ops.activation import softmax, softplus
from dovetail.ops.create import full_like, ones_like, tril_indices, zeros_like
from dovetail.ops.elementwise import log
from dovetail.ops.linalg import cholesky
from dovetail.ops.shape import cat, stack
from dovetail.tensor.tensor import Tensor


def sum_rightmost(value: Tensor, dims: int) -> Tensor:
    """The sum over the last `dims` dims."""
    return value.sum(tuple(range(-dims, 0))) if dims > 0 else value


class Transform:
    """y = t(x) with the inverse t.inv and log |dy/dx| from `log_abs_det_jacobian(x, y)`."""

    bijective = True
    domain: Any = constraints.real
    codomain: Any = constraints.real
    sign: Any = None

    def __init__(self, cache_size: int = 0):
        self._cache_size = cache_size
        self._last: tuple[Any, Any] = (None, None)

    @property
    def inv(self) -> Transform:
        return _Inverse(self)

    def __call__(self, x: Tensor) -> Tensor:
        """The image of x."""
        if self._cache_size and x is self._last[0]:
            return self._last[1]
        y = self._call(x)
        if self._cache_size:
            self._last = (x, y)
        return y

    def _inv_call(self, y: Tensor) -> Tensor:
        if self._cache_size and y is self._last[1]:
            return self._last[0]
        return self._inverse(y)

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no inverse")

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        raise NotImplementedError

    def forward_shape(self, shape: Sequence[int]) -> Sequence[int]:
        return shape

    def inverse_shape(self, shape: Sequence[int]) -> Sequence[int]:
        return shape

    def with_cache(self, cache_size: int = 1) -> Transform:
        self._cache_size = cache_size
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    def __init__(self, transform: Transform):
        super().__init__()
        self._inv = transform

    @property
    def bijective(self):
        return self._inv.bijective

    @property
    def domain(self):
        return self._inv.codomain

    @property
    def codomain(self):
        return self._inv.domain

    @property
    def sign(self):
        return self._inv.sign

    @property
    def inv(self):
        return self._inv

    def __call__(self, x):
        return self._inv._inv_call(x)

    def _inverse(self, y):
        return self._inv(y)

    def log_abs_det_jacobian(self, x, y):
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape):
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape):
        return self._inv.forward_shape(shape)

    def __eq__(self, other):
        return isinstance(other, _Inverse) and self._inv == other._inv

    __hash__ = Transform.__hash__


class ComposeTransform(Transform):
    """Several transforms, the first one first."""

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0):
        super().__init__(cache_size)
        self.parts = list(parts)

    @property
    def bijective(self):
        return all(part.bijective for part in self.parts)

    @property
    def domain(self):
        """The first part's, widened by what later parts read together."""
        if not self.parts:
            return constraints.real
        event = self.parts[-1].codomain.event_dim
        for part in reversed(self.parts):
            event = max(event + part.domain.event_dim - part.codomain.event_dim, part.domain.event_dim)
        return widened(self.parts[0].domain, event)

    @property
    def codomain(self):
        if not self.parts:
            return constraints.real
        event = self.parts[0].domain.event_dim
        for part in self.parts:
            event = max(event + part.codomain.event_dim - part.domain.event_dim, part.codomain.event_dim)
        return widened(self.parts[-1].codomain, event)

    @property
    def sign(self):
        return math.prod(part.sign for part in self.parts)

    @property
    def inv(self):
        return ComposeTransform([part.inv for part in reversed(self.parts)])

    def _call(self, x):
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y):
        for part in reversed(self.parts):
            y = part._inv_call(y)
        return y

    def log_abs_det_jacobian(self, x, y):
        total, event = x * 0 if not self.parts else 0, self.domain.event_dim
        for part in self.parts:
            out = part(x)
            term = part.log_abs_det_jacobian(x, out)
            total = total + sum_rightmost(term, event - part.domain.event_dim)
            event += part.codomain.event_dim - part.domain.event_dim
            x = out
        return total

    def forward_shape(self, shape):
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape):
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self):
        rows = ",\n    ".join(map(repr, self.parts))
        return f"ComposeTransform(\n    {rows}\n)"


def widened(constraint: Any, event_dim: int) -> Any:
    """The same region over more trailing dims."""
    more = event_dim - constraint.event_dim
    return constraints.independent(constraint, more) if more > 0 else constraint


class IndependentTransform(Transform):
    """A transform whose last batch dims count as dims of the event."""

    def __init__(self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0):
        super().__init__(cache_size)
        self.base_transform, self.reinterpreted_batch_ndims = base_transform, reinterpreted_batch_ndims

    @property
    def domain(self):
        return constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)

    @property
    def codomain(self):
        return constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)

    @property
    def bijective(self):
        return self.base_transform.bijective

    @property
    def sign(self):
        return self.base_transform.sign

    def _call(self, x):
        return self.base_transform(x)

    def _inverse(self, y):
        return self.base_transform._inv_call(y)

    def log_abs_det_jacobian(self, x, y):
        return sum_rightmost(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)


class ReshapeTransform(Transform):
    """The event in another shape of as many elements."""

    def __init__(self, in_shape: Sequence[int], out_shape: Sequence[int], cache_size: int = 0):
        super().__init__(cache_size)
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            facts = [("in_shape", self.in_shape), ("out_shape", self.out_shape)]
            raise ArgumentError(message("ReshapeTransform", "in_shape, out_shape have different numel", facts))

    @property
    def domain(self):
        return constraints.independent(constraints.real, len(self.in_shape))

    @property
    def codomain(self):
        return constraints.independent(constraints.real, len(self.out_shape))

    def _call(self, x):
        return x.reshape(tuple(x.shape[: x.ndim - len(self.in_shape)]) + self.out_shape)

    def _inverse(self, y):
        return y.reshape(tuple(y.shape[: y.ndim - len(self.out_shape)]) + self.in_shape)

    def log_abs_det_jacobian(self, x, y):
        batch = tuple(x.shape[: x.ndim - len(self.in_shape)])
        return x.new_zeros(batch)

    def forward_shape(self, shape):
        return tuple(shape[: len(shape) - len(self.in_shape)]) + self.out_shape

    def inverse_shape(self, shape):
        return tuple(shape[: len(shape) - len(self.out_shape)]) + self.in_shape


class _Plain(Transform):
    """A transform without parameters: all of its objects are equal."""

    def __eq__(self, other):
        return type(self) is type(other)

    __hash__ = Transform.__hash__


class ExpTransform(_Plain):
    """y = exp(x)"""

    codomain = constraints.positive
    sign = +1

    def _call(self, x):
        return x.exp()

    def _inverse(self, y):
        return y.log()

    def log_abs_det_jacobian(self, x, y):
        return x


class PowerTransform(Transform):
    """y = x ** exponent for positive x"""

    domain = constraints.positive
    codomain = constraints.positive

    def __init__(self, exponent, cache_size=0):
        super().__init__(cache_size)
        self.exponent = exponent

    @property
    def sign(self):
        return self.exponent.sign() if isinstance(self.exponent, Tensor) else math.copysign(1, self.exponent)

    def _call(self, x):
        return x.pow(self.exponent)

    def _inverse(self, y):
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x, y):
        return (self.exponent * y / x).abs().log()


class SigmoidTransform(_Plain):
    """y = 1 / (1 + exp(-x))"""

    codomain = constraints.unit_interval
    sign = +1

    def _call(self, x):
        return x.sigmoid()

    def _inverse(self, y):
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x, y):
        return -softplus(-x) - softplus(x)


class SoftplusTransform(_Plain):
    """y = log(1 + exp(x))"""

    codomain = constraints.positive
    sign = +1

    def _call(self, x):
        return softplus(x)

    def _inverse(self, y):
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x, y):
        return -softplus(-x)


class TanhTransform(_Plain):
    """y = tanh(x)"""

    codomain = constraints.interval(-1.0, 1.0)
    sign = +1

    def _call(self, x):
        return x.tanh()

    def _inverse(self, y):
        return y.atanh()

    def log_abs_det_jacobian(self, x, y):
        return 2.0 * (math.log(2.0) - x - softplus(-2.0 * x))


class AbsTransform(_Plain):
    """y = |x|; its inverse gives the positive one."""

    bijective = False
    codomain = constraints.positive

    def _call(self, x):
        return x.abs()

    def _inverse(self, y):
        return y


class AffineTransform(Transform):
    """y = loc + scale * x"""

    def __init__(self, loc, scale, event_dim: int = 0, cache_size: int = 0):
        super().__init__(cache_size)
        self.loc, self.scale, self.event_dim = loc, scale, event_dim

    @property
    def domain(self):
        return widened(constraints.real, self.event_dim)

    codomain = domain

    @property
    def sign(self):
        return self.scale.sign() if isinstance(self.scale, Tensor) else (self.scale > 0) - (self.scale < 0)

    def _call(self, x):
        return self.loc + self.scale * x

    def _inverse(self, y):
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x, y):
        number = not isinstance(self.scale, Tensor)
        slope = full_like(x, math.log(abs(self.scale))) if number else log(self.scale.abs()) + zeros_like(x)
        return sum_rightmost(slope, self.event_dim)


class SoftmaxTransform(_Plain):
    """Rows to rows that sum to 1: not bijective, the logarithm stands for the inverse."""

    bijective = False
    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x):
        return softmax(x, -1)

    def _inverse(self, y):
        return y.log()


class StickBreakingTransform(_Plain):
    """Rows of n numbers to rows of n + 1 that sum to 1, by breaking a stick."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    @staticmethod
    def _offset(x):
        return x.new_ones((x.shape[-1],)).cumsum(-1).flip(-1)  # n, n - 1, ..., 1

    def _call(self, x):
        z = (x - self._offset(x).log()).sigmoid()
        ones = x.new_ones(tuple(x.shape[:-1]) + (1,))
        return cat([z, ones], -1) * cat([ones, (1 - z).cumprod(-1)], -1)

    def _inverse(self, y):
        head = y[..., :-1]
        rest = (1 - head.cumsum(-1)).clamp(min=1.1754943508222875e-38)
        return head.log() - rest.log() + self._offset(head).log()

    def log_abs_det_jacobian(self, x, y):
        moved = x - self._offset(x).log()
        return (-moved - softplus(-moved) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape):
        return tuple(shape[:-1]) + (shape[-1] + 1,)

    def inverse_shape(self, shape):
        return tuple(shape[:-1]) + (shape[-1] - 1,)


class LowerCholeskyTransform(_Plain):
    """Square matrices to lower triangular ones with a positive diagonal."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y):
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(_Plain):
    """Square matrices to positive definite ones, by way of their Cholesky factor."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x):
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.transpose(-1, -2)

    def _inverse(self, y):
        return LowerCholeskyTransform().inv(cholesky(y))


def packed_size(n: int) -> int:
    """The size of the matrix whose strictly lower part has n elements."""
    size = round((0.25 + 2 * n) ** 0.5 + 0.5)
    if size * (size - 1) // 2 != n:
        raise ValueError("Input is not a flattened lower-diagonal number")
    return size


class CorrCholeskyTransform(_Plain):
    """Vectors of n (n - 1) / 2 numbers to Cholesky factors of n x n correlation matrices.

    Each number's tanh is the share of what is left of its row's length.
    Source: agrees with torch.distributions.CorrCholeskyTransform.
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky

    def _call(self, x):
        eps, n = finfo(x.dtype).eps, packed_size(x.shape[-1])
        shares = x.tanh().clamp(min=-1 + eps, max=1 - eps)
        rows, columns = tril_indices(n, n, -1)
        r = x.new_zeros((*x.shape[:-1], n, n)).index_put((..., rows, columns), shares)
        left = (1 - r.square()).sqrt().cumprod(-1)
        left = cat([ones_like(left[..., :1]), left[..., :-1]], -1)
        return (r + ones_like(r[..., 0]).diag_embed()) * left

    def _inverse(self, y):
        n = y.shape[-1]
        left = 1 - y.square().cumsum(-1)
        left = cat([ones_like(left[..., :1]), left[..., :-1]], -1)
        rows, columns = tril_indices(n, n, -1)
        t = y[..., rows, columns] / left[..., rows, columns].sqrt()
        return (t.log1p() - (-t).log1p()) / 2

    def log_abs_det_jacobian(self, x, y):
        n = y.shape[-1]
        left = 1 - y.square().cumsum(-1)
        rows, columns = tril_indices(n, n, -2)
        sticks = 0.5 * left[..., rows, columns].log().sum(-1)
        return sticks - 2 * (x + softplus(-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape):
        n = packed_size(shape[-1])
        return (*shape[:-1], n, n)

    def inverse_shape(self, shape):
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise ValueError("Input is not a square matrix")
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)


class _Several(Transform):
    """Parts of one dim, each with a transform of its own."""

    tseq: list[Transform]
    dim: int

    @property
    def bijective(self):
        return all(t.bijective for t in self.tseq)

    def _parts(self, x: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def _join(self, parts: list[Tensor]) -> Tensor:
        raise NotImplementedError

    def _call(self, x):
        return self._join([t(part) for t, part in zip(self.tseq, self._parts(x), strict=True)])

    def _inverse(self, y):
        return self._join([t.inv(part) for t, part in zip(self.tseq, self._parts(y), strict=True)])


class CatTransform(_Several):
    """Transforms of stretches of `dim`, `lengths` elements each."""

    def __init__(self, tseq, dim: int = 0, lengths=None, cache_size: int = 0):
        super().__init__(cache_size)
        self.tseq, self.dim = list(tseq), dim
        self.lengths = [1] * len(self.tseq) if lengths is None else list(lengths)

    @property
    def event_dim(self):
        return max(t.event_dim if hasattr(t, "event_dim") else t.domain.event_dim for t in self.tseq)

    @property
    def length(self):
        return sum(self.lengths)

    @property
    def domain(self):
        return constraints.cat([t.domain for t in self.tseq], self.dim, self.lengths)

    @property
    def codomain(self):
        return constraints.cat([t.codomain for t in self.tseq], self.dim, self.lengths)

    def _parts(self, x):
        starts = [sum(self.lengths[:i]) for i in range(len(self.lengths))]
        return [x.narrow(self.dim, start, length) for start, length in zip(starts, self.lengths, strict=True)]

    def _join(self, parts):
        return cat(parts, self.dim)

    def log_abs_det_jacobian(self, x, y):
        made = []
        for t, a, b in zip(self.tseq, self._parts(x), self._parts(y), strict=True):
            slope = t.log_abs_det_jacobian(a, b)
            made.append(sum_rightmost(slope, self.event_dim - t.domain.event_dim))
        dim = self.dim if self.dim < 0 else self.dim - x.ndim
        dim = dim + self.event_dim
        return cat(made, dim) if dim < 0 else sum(made)


class StackTransform(_Several):
    """Transforms of the slices of `dim`."""

    def __init__(self, tseq, dim: int = 0, cache_size: int = 0):
        super().__init__(cache_size)
        self.tseq, self.dim = list(tseq), dim

    @property
    def domain(self):
        return constraints.stack([t.domain for t in self.tseq], self.dim)

    @property
    def codomain(self):
        return constraints.stack([t.codomain for t in self.tseq], self.dim)

    def _parts(self, x):
        return [x.select(self.dim, i) for i in range(x.shape[self.dim])]

    def _join(self, parts):
        return stack(parts, self.dim)

    def log_abs_det_jacobian(self, x, y):
        pairs = zip(self.tseq, self._parts(x), self._parts(y), strict=True)
        return stack([t.log_abs_det_jacobian(a, b) for t, a, b in pairs], self.dim)


class CumulativeDistributionTransform(Transform):
    """y = cdf(x) of a distribution."""

    codomain = constraints.unit_interval
    sign = +1

    def __init__(self, distribution, cache_size=0):
        super().__init__(cache_size)
        self.distribution = distribution

    @property
    def domain(self):
        return self.distribution.support

    def _call(self, x):
        return self.distribution.cdf(x)

    def _inverse(self, y):
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x, y):
        return self.distribution.log_prob(x)


identity_transform = ComposeTransform([])

__all__ = [
    "AbsTransform", "AffineTransform", "CatTransform", "ComposeTransform", "CorrCholeskyTransform",
    "CumulativeDistributionTransform", "ExpTransform", "IndependentTransform", "LowerCholeskyTransform",
    "PositiveDefiniteTransform", "PowerTransform", "ReshapeTransform", "SigmoidTransform", "SoftmaxTransform",
    "SoftplusTransform", "StackTransform", "StickBreakingTransform", "TanhTransform", "Transform",
    "identity_transform",
]  # fmt: skip
