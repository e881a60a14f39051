"""Gamma-distributed numbers and the slope of a draw in its shape parameter."""

from __future__ import annotations

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.ops.promote import cast, filled, need_float
from dovetail.ops.random import Draws
from dovetail.tensor.op import op

ROUNDS = 8  # a proposal is refused in at most 5 of 100 cases, eight in a row in 4e-11 of them


@op(random=True, differentiable=False, top=False)
def standard_gamma(seed, counter, input):
    """Draws of the gamma distribution with shape `input` and rate 1, at least the smallest normal number.

    A fixed number of proposals for all elements, of which the first accepted one is kept, so that a compiled step has
    no loop of unknown length. Shapes below 1 draw for shape + 1 and multiply by u ** (1 / shape).

    Source: Marsaglia & Tsang 2000.
    """
    need_float("standard_gamma", input)
    draws, wide = Draws(seed, counter), dtypes.float64
    given = cast(input, wide)
    small = p.lt(given, filled(given, 1))
    a = p.where(small, given + 1, given)
    d = a - 1.0 / 3.0
    c = p.rsqrt(d * 9.0)
    found, done = d, p.lt(a, filled(a, -1))  # nothing is accepted yet
    for _ in range(ROUNDS):
        x = draws.normal(input.shape, wide)
        u = draws.open_uniform(input.shape, wide)
        base = c * x + 1.0
        positive = p.gt(base, filled(base, 0))
        v = p.where(positive, base * base * base, filled(base, 1))
        fits = p.lt(p.log(u), x * x * 0.5 + d - d * v + d * p.log(v))
        fresh = p.bitwise_and(p.bitwise_and(positive, fits), p.logical_not(done))
        found, done = p.where(fresh, d * v, found), p.bitwise_or(done, fresh)
    shrunk = found * p.exp(p.log(draws.open_uniform(input.shape, wide)) / given)
    drawn = p.where(small, shrunk, found)
    tiny = 1.1754943508222875e-38 if input.dtype is dtypes.float32 else 2.2250738585072014e-308
    return cast(p.maximum(drawn, filled(drawn, tiny)), input.dtype)


@op(differentiable=False, top=False)
def gamma_slope(input, value):
    """d value / d input of a draw `value` of the standard gamma distribution with shape `input`.

    Implicit differentiation of P(a, z) = u: dz/da = -(dP/da) / density. dP/da is a central difference in float64, of
    the complement where z > a, so that it is accurate in both tails (about 1e-7 relative).

    Source: Figurnov et al. 2018.
    """
    need_float("gamma_slope", input)
    a, z = cast(input, dtypes.float64), cast(value, dtypes.float64)
    step = p.minimum(a, p.sqrt(a)) * 1e-4
    lower = p.igamma(a - step, z) - p.igamma(a + step, z)
    upper = p.igammac(a + step, z) - p.igammac(a - step, z)
    change = p.where(p.lt(z, a), lower, upper) / (step * 2.0)
    density = p.exp((a - 1.0) * p.log(z) - z - p.lgamma(a))
    return cast(change / density, input.dtype)
