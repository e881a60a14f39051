"""Random numbers: every draw is a function of a seed and a counter (Philox), so a compiled step repeats exactly.

A body receives `seed` and `counter` from the generator and asks for 32 random bits an element; the desk moves the
counter on by what was drawn. 24 of the bits make a float32 in [0, 1), 53 of two draws a float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import dovetail.ops.primitives as p
from dovetail.autodiff import control as prims
from dovetail.base import dtypes
from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, DTypeError, message
from dovetail.base.limits import finfo
from dovetail.ir.core import Value, building
from dovetail.ops.activation import softmax
from dovetail.ops.checks import require_in_range
from dovetail.ops.create import size_given
from dovetail.ops.dims import Shape, broadcast_sizes, numel
from dovetail.ops.elementwise import LARGEST
from dovetail.ops.promote import cast, constant, expanded, filled, need_float, placed, result_type, setting_dtype
from dovetail.ops.shape import reshaped
from dovetail.tensor.op import op

# --- raw material -----------------------------------------------------------------------------------------------------


class Draws:
    """Successive draws of one call: each begins where the last one ended."""

    def __init__(self, seed: Value, counter: Value):
        self.seed, self.counter, self.used = seed, counter, 0

    def bits(self, shape: Shape) -> Value:
        """32 random bits an element, as int32."""
        made = p.random_bits(self.seed, self.counter, shape=tuple(shape), offset=self.used)
        self.used = self.used + -(-numel(shape) // 4)
        return made

    def uniform(self, shape: Shape, dtype: DType) -> Value:
        """Numbers in [0, 1)."""
        if dtype is dtypes.float64:
            high = unsigned(self.bits(shape), 5)  # 27 bits
            low = unsigned(self.bits(shape), 6)  # 26 bits
            return (cast(high, dtype) * 67108864.0 + cast(low, dtype)) * (1.0 / 9007199254740992.0)
        bits = 24 if dtype is dtypes.float32 else 11 if dtype is dtypes.float16 else 8
        # halves take no more bits than they hold, so that 1 is never reached by rounding
        drawn = unsigned(self.bits(shape), 32 - bits)
        return cast(cast(drawn, dtypes.float32) * (1.0 / (1 << bits)), dtype)

    def open_uniform(self, shape: Shape, dtype: DType) -> Value:
        """Numbers in (0, 1]: what logarithms take."""
        return 1 - self.uniform(shape, dtype)

    def normal(self, shape: Shape, dtype: DType) -> Value:
        """Standard normal numbers in pairs by Box & Muller 1958: one radius serves a cosine and a sine."""
        wide = dtypes.float64 if dtype is dtypes.float64 else dtypes.float32
        n = numel(shape)
        half = (n + 1) // 2
        radius = p.sqrt(p.log(self.open_uniform((half,), wide)) * -2.0)
        angle = self.uniform((half,), wide) * (2 * math.pi)
        both = p.concat(radius * p.cos(angle), radius * p.sin(angle), dim=0)
        if n % 2:
            both = p.slice(both, starts=(0,), stops=(n,), steps=(1,))
        return cast(reshaped(both, tuple(shape)), dtype)

    def integers(self, low: int, high: int, shape: Shape) -> Value:
        """Whole numbers in [low, high), int64: the high half of a product with 32 or 64 random bits (Lemire 2019)."""
        span = high - low
        if span <= 1 << 31:
            drawn = cast(self.bits(shape), dtypes.int64)
            drawn = p.bitwise_and(drawn, filled(drawn, 0xFFFFFFFF))
            return p.shift_right(drawn * span, filled(drawn, 32)) + low
        first, second = (cast(self.bits(shape), dtypes.int64) for _ in range(2))
        wide = p.bitwise_xor(p.shift_left(first, filled(first, 31)), p.bitwise_and(second, filled(second, 0x7FFFFFFF)))
        wide = p.bitwise_and(wide, filled(wide, (1 << 63) - 1))
        return p.remainder(wide, filled(wide, min(span, (1 << 63) - 1))) + low


def unsigned(bits: Value, drop: int) -> Value:
    """The upper 32 - drop bits of an int32 as a number that is not negative."""
    keep = (1 << (32 - drop)) - 1
    return p.bitwise_and(p.shift_right(bits, filled(bits, drop)), filled(bits, keep))


def drawn_dtype(call: str, dtype) -> DType:
    """The dtype of rand and randn."""
    chosen = setting_dtype(dtype) or dtypes.default_dtype()
    if chosen.kind not in "fc":
        raise DTypeError(
            message(call, f"draws floating-point numbers, dtype is {chosen.name}", cure="use randint for whole numbers")
        )
    return chosen


def uniform_of(draws: Draws, shape: Shape, dtype: DType) -> Value:
    if dtype.kind == "c":
        real = dtype.to_real()
        return p.make_complex(draws.uniform(shape, real), draws.uniform(shape, real))
    return draws.uniform(shape, dtype)


def normal_of(draws: Draws, shape: Shape, dtype: DType) -> Value:
    """Complex numbers have variance 1 in all, half in each part."""
    if dtype.kind == "c":
        real, share = dtype.to_real(), math.sqrt(0.5)
        return p.make_complex(draws.normal(shape, real) * share, draws.normal(shape, real) * share)
    return draws.normal(shape, dtype)


# --- new tensors ------------------------------------------------------------------------------------------------------


@op(random=True)
def rand(seed, counter, *shape, size=None, dtype=None):
    """Numbers drawn evenly from [0, 1)."""
    return uniform_of(Draws(seed, counter), size_given("rand", shape, size), drawn_dtype("rand", dtype))


@op(random=True)
def randn(seed, counter, *shape, size=None, dtype=None):
    """Numbers drawn from the standard normal distribution."""
    return normal_of(Draws(seed, counter), size_given("randn", shape, size), drawn_dtype("randn", dtype))


@op(random=True, differentiable=False)
def rand_like(seed, counter, input, *, dtype=None, memory_format=None):
    """rand in the shape of `input`."""
    return uniform_of(Draws(seed, counter), input.shape, drawn_dtype("rand_like", dtype or input.dtype))


@op(random=True, differentiable=False)
def randn_like(seed, counter, input, *, dtype=None, memory_format=None):
    """randn in the shape of `input`."""
    return normal_of(Draws(seed, counter), input.shape, drawn_dtype("randn_like", dtype or input.dtype))


def whole_range(call: str, low, high) -> tuple[int, int]:
    if high is None:
        low, high = 0, low
    if high <= low:
        raise ArgumentError(
            message(call, f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
        )
    return int(low), int(high)


@op(random=True)
def randint(seed, counter, low=0, high=None, size=None, *, dtype=None):
    """Whole numbers drawn evenly from [low, high). Called as randint(high, size) or randint(low, high, size)."""
    if size is None:  # randint(high, size)
        low, high, size = 0, low, high
    low, high = whole_range("randint", low, high)
    drawn = Draws(seed, counter).integers(low, high, size_given("randint", (size,), None))
    return cast(drawn, setting_dtype(dtype) or dtypes.int64)


@op(random=True, differentiable=False)
def randint_like(seed, counter, input, low=0, high=None, *, dtype=None, memory_format=None):
    """randint in the shape of `input`."""
    low, high = whole_range("randint_like", low, high)
    return cast(Draws(seed, counter).integers(low, high, input.shape), setting_dtype(dtype) or input.dtype)


@op(random=True)
def randperm(seed, counter, n, *, dtype=None):
    """The numbers 0 to n - 1 in random order: the order of as many random keys."""
    if n < 0:
        raise ArgumentError(message("randperm", f"n must be non-negative, got {n}"))
    if n == 0:
        return constant(0, (0,), setting_dtype(dtype) or dtypes.int64)
    draws = Draws(seed, counter)
    high, low = (cast(draws.bits((n,)), dtypes.int64) for _ in range(2))
    keys = p.bitwise_xor(p.shift_left(high, filled(high, 31)), p.bitwise_and(low, filled(low, 0x7FFFFFFF)))
    return cast(p.argsort(keys, dim=0, descending=False, stable=True), setting_dtype(dtype) or dtypes.int64)


@op(random=True, method=True)
def bernoulli(seed, counter, input, p=None):
    """1 with the probability given by each element (or by p), else 0."""
    return bernoulli_of(Draws(seed, counter), input, p)


def bernoulli_of(draws: Draws, x: Value, chance) -> Value:
    if chance is None:
        need_float("bernoulli", x)
        chance = require_in_range(x, 0, 1, "bernoulli: expects every p_in to be in [0, 1]")
    elif not isinstance(chance, Value) and not 0 <= chance <= 1:
        raise ArgumentError(message("bernoulli", f"expects p to be in [0, 1], but got p={chance}"))
    dtype = chance.dtype if isinstance(chance, Value) and chance.dtype.kind == "f" else dtypes.float32
    u = draws.uniform(x.shape, dtype)
    return cast(p.lt(u, placed(chance, dtype, x.shape)), x.dtype)


@op(random=True)
def normal(seed, counter, mean=0.0, std=1.0, size=None, *, dtype=None):
    """Normal numbers with the given mean and standard deviation: numbers (with `size`) or tensors."""
    tensors = [v for v in (mean, std) if isinstance(v, Value)]
    if size is None:
        shape = broadcast_sizes("normal", *(v.shape for v in tensors))
    else:
        shape = size_given("normal", (size,), None)
    chosen = setting_dtype(dtype) or (result_type(*tensors) if tensors else dtypes.default_dtype())
    if not isinstance(std, Value) and std < 0:
        raise ArgumentError(message("normal", f"expects std >= 0.0, but found std {std}"))
    if isinstance(std, Value):
        std = require_in_range(std, 0, math.inf, "normal: expects all elements of std >= 0.0")
    return scaled_normal(Draws(seed, counter), shape, chosen, mean, std)


def scaled_normal(draws: Draws, shape: Shape, dtype: DType, mean, std) -> Value:
    return normal_of(draws, shape, dtype) * placed(std, dtype, shape) + placed(mean, dtype, shape)


def until_done(draws: Draws, given: list[Value], start: list[Value], turn: Callable) -> list[Value]:
    """Draw again until every element is done: -> the last state.

    turn(draws, state, given) -> the next state, whose first value tells which elements are done. Numbers come from a
    stream of its own, which one draw of the call's stream names; so the call moves its counter on by a fixed amount.
    """
    stream = p.bitwise_xor(cast(reshaped(draws.bits((1,)), ()), dtypes.int64), draws.seed)
    inputs = prims.placeholders([*start, draws.counter, stream, *given])
    state, (counter, seed, *rest) = inputs[: len(start)], inputs[len(start) :]
    with building() as nodes:
        inner = Draws(seed, counter)
        after = turn(inner, state, rest)
        following = p.add(counter, filled(counter, inner.used))
    body = prims.trimmed(inputs, nodes, [*after, following])
    inputs = prims.placeholders(inputs)
    with building() as nodes:
        left = p.reduce_any(p.logical_not(inputs[0]), dims=tuple(range(inputs[0].ndim)))
    test = prims.trimmed(inputs, nodes, [left])
    carry = [*start, draws.counter]
    return list(prims.while_loop(*carry, stream, *given, test=test, body=body, carried=len(carry))[:-1])


def never(x: Value) -> Value:
    """False for every element."""
    return p.ne(x, x) if x.dtype.kind in "iub" else p.lt(filled(x, 1), filled(x, 0))


@op(random=True, differentiable=False)
def poisson(seed, counter, input):
    """Counts drawn from Poisson distributions with the given rates, which are not negative.

    Source: small rates by counting products of uniform numbers (Knuth), others by rejection (Hoermann 1993).
    """
    draws = Draws(seed, counter)
    rate = cast(require_in_range(input, 0, math.inf, POISSON_RATE), dtypes.float64)
    small = p.lt(rate, filled(rate, 10))
    large = p.where(small, filled(rate, 10), rate)

    def count(draws: Draws, state: list[Value], given: list[Value]) -> list[Value]:
        done, total, number = state
        total = total + p.log(draws.open_uniform(rate.shape, dtypes.float64))
        now = p.le(total, p.neg(given[0]))
        number = p.where(p.bitwise_or(done, now), number, number + 1)
        return [p.bitwise_or(done, now), total, number]

    few = p.where(small, rate, filled(rate, 0))
    _, _, counted = until_done(draws, [few], [never(rate), filled(rate, 0), filled(rate, 0)], count)
    _, drawn = until_done(draws, [large], [small, filled(rate, 0)], poisson_by_rejection)
    return cast(p.where(small, counted, drawn), input.dtype)


POISSON_RATE = "poisson: invalid Poisson rate, expected rate to be non-negative"


def poisson_by_rejection(draws: Draws, state: list[Value], given: list[Value]) -> list[Value]:
    """One turn of Hoermann's PTRS for rates of 10 and more."""
    (done, found), (rate,) = state, given
    b = p.sqrt(rate) * 2.53 + 0.931
    a = b * 0.02483 - 0.059
    u = draws.uniform(rate.shape, dtypes.float64) - 0.5
    v = draws.open_uniform(rate.shape, dtypes.float64)
    near = 0.5 - p.abs(u)
    k = p.floor((a * 2.0 / near + b) * u + rate + 0.43)
    quick = p.bitwise_and(p.ge(near, filled(near, 0.07)), p.le(v, 0.9277 - 3.6224 / (b - 2.0)))
    height = p.log(v) + p.log(1.1239 + 1.1328 / (b - 3.4)) - p.log(a / (near * near) + b)
    fits = p.le(height, k * p.log(rate) - rate - p.lgamma(p.maximum(k, filled(k, 0)) + 1.0))
    outside = p.bitwise_or(p.lt(k, filled(k, 0)), p.bitwise_and(p.lt(near, filled(near, 0.013)), p.gt(v, near)))
    now = p.bitwise_or(quick, p.bitwise_and(p.logical_not(outside), fits))
    return [p.bitwise_or(done, now), p.where(p.bitwise_and(now, p.logical_not(done)), k, found)]


@op(random=True, differentiable=False, method=True)
def binomial(seed, counter, count, prob):
    """Numbers of hits in `count` trials with the chance `prob`.

    Source: few expected hits by sums of geometric gaps (Devroye 1986), others by transformed rejection (Hoermann 1993).
    """
    draws = Draws(seed, counter)
    shape = broadcast_sizes("binomial", count.shape, prob.shape)
    n, q = (expanded(cast(v, dtypes.float64), shape) for v in (count, prob))
    q = require_in_range(q, 0, 1, "binomial: a probability must lie in [0, 1]")
    turned = p.gt(q, filled(q, 0.5))
    chance = p.where(turned, 1.0 - q, q)
    few = p.lt(n * chance, filled(n, 10))

    def gaps(draws: Draws, state: list[Value], given: list[Value]) -> list[Value]:
        (done, at, hits), (n, chance) = state, given
        rate = p.log1p(p.neg(chance))
        at = at + p.ceil(p.log(draws.open_uniform(shape, dtypes.float64)) / rate)
        now = p.bitwise_or(done, p.gt(at, n))
        return [now, at, p.where(now, hits, hits + 1)]

    none = p.bitwise_or(p.logical_not(few), p.bitwise_or(p.le(chance, filled(q, 0)), p.le(n, filled(n, 0))))
    safe = p.where(none, filled(q, 0.5), chance)
    _, _, counted = until_done(draws, [n, safe], [none, filled(n, 0), filled(n, 0)], gaps)
    many_n, many_q = p.where(few, filled(n, 40), n), p.where(few, filled(q, 0.5), chance)
    _, drawn = until_done(draws, [many_n, many_q], [few, filled(n, 0)], binomial_by_rejection)
    hits = p.where(few, counted, drawn)
    return cast(p.where(turned, n - hits, hits), count.dtype)


def binomial_by_rejection(draws: Draws, state: list[Value], given: list[Value]) -> list[Value]:
    """One turn of Hoermann's BTRS, for chances up to 1/2 and 10 or more expected hits."""
    (done, found), (n, q) = state, given
    spread = p.sqrt(n * q * (1.0 - q))
    b = spread * 2.53 + 1.15
    a = b * 0.0248 - 0.0873 + q * 0.01
    u = draws.uniform(n.shape, dtypes.float64) - 0.5
    v = draws.open_uniform(n.shape, dtypes.float64)
    near = 0.5 - p.abs(u)
    k = p.floor((a * 2.0 / near + b) * u + n * q + 0.5)
    quick = p.bitwise_and(p.ge(near, filled(near, 0.07)), p.le(v, 0.92 - 4.2 / b))
    outside = p.bitwise_or(p.lt(k, filled(k, 0)), p.gt(k, n))
    m = p.floor((n + 1.0) * q)
    safe = p.minimum(p.maximum(k, filled(k, 0)), n)
    height = p.log(v * (2.83 + 5.1 / b) * spread / (a / (near * near) + b))
    ways = p.lgamma(m + 1.0) + p.lgamma(n - m + 1.0) - p.lgamma(safe + 1.0) - p.lgamma(n - safe + 1.0)
    fits = p.le(height, ways + (safe - m) * p.log(q / (1.0 - q)))
    now = p.bitwise_and(p.logical_not(outside), p.bitwise_or(quick, fits))
    return [p.bitwise_or(done, now), p.where(p.bitwise_and(now, p.logical_not(done)), k, found)]


def check_weights(weights: Value) -> None:
    """Weights of classes: finite, none below zero, and in every row one above it."""
    words = "multinomial: probability tensor contains either `inf`, `nan` or element < 0"
    require_in_range(weights, 0.0, LARGEST[weights.dtype.name], words)
    wide = cast(weights, dtypes.float64)
    most = p.reduce_max(wide, dims=(weights.ndim - 1,))
    least = 2.0**-1074  # the smallest number above zero
    require_in_range(most, least, math.inf, "multinomial: invalid distribution (sum of probabilities <= 0)")


@op(random=True, differentiable=False, method=True, exact_out=True)
def multinomial(seed, counter, input, num_samples, replacement=False):
    """Numbers of classes drawn by weight.

    Shape: (k,) -> (num_samples,); (n, k) -> (n, num_samples), int64
    Without replacement: the first arrivals of a race (Vieira 2014); with: the inverse of the running sum.
    """
    need_float("multinomial", input)
    if input.ndim not in (1, 2) or num_samples <= 0:
        raise ArgumentError(
            message(
                "multinomial",
                f"prob_dist must be 1 or 2 dim and num_samples positive, got {num_samples}",
                [("input", input)],
            )
        )
    classes, last = input.shape[-1], input.ndim - 1
    if classes > 1 << 24:
        raise ArgumentError(message("multinomial", "number of categories cannot exceed 2^24", [("input", input)]))
    check_weights(input)
    draws = Draws(seed, counter)
    words = "multinomial: probability tensor contains either `inf`, `nan` or element < 0"
    require_in_range(input, 0, float(finfo(input.dtype).max), words)
    sums = p.reduce_sum(cast(input, dtypes.float64), dims=(last,))
    words = "multinomial: invalid multinomial distribution (sum of probabilities <= 0)"
    require_in_range(sums, 5e-324, math.inf, words)
    if not replacement:
        if num_samples > classes:
            problem = (
                f"cannot sample n_sample > prob_dist.size(-1) samples without replacement: {num_samples} of {classes}"
            )
            raise ArgumentError(message("multinomial", problem, [("input", input)]))
        weights = cast(input, dtypes.float32) if input.dtype.itemsize < 4 else input
        wait = p.neg(p.log(draws.open_uniform(input.shape, weights.dtype))) / weights  # the first arrivals win
        order = p.argsort(wait, dim=last, descending=False, stable=True)
        starts, sizes = (0,) * input.ndim, input.shape[:-1] + (num_samples,)
        return p.slice(order, starts=starts, stops=sizes, steps=(1,) * input.ndim)
    running = p.cumsum(cast(input, dtypes.float64), dim=last)
    ends = tuple(n if d != last else n - 1 for d, n in enumerate(input.shape))
    total = p.slice(
        running,
        starts=ends[:-1] and (0,) * last + (classes - 1,) or (classes - 1,),
        stops=input.shape,
        steps=(1,) * input.ndim,
    )
    shape = input.shape[:-1] + (num_samples,)
    mark = draws.uniform(shape, dtypes.float64) * expanded(total, shape)
    grid = shape + (classes,)
    edges = expanded(p.reshape(running, shape=input.shape[:-1] + (1, classes)), grid)
    below = p.le(edges, expanded(p.reshape(mark, shape=shape + (1,)), grid))
    found = p.reduce_sum(cast(below, dtypes.int64), dims=(len(shape),))
    return p.minimum(found, filled(found, classes - 1))


# --- filling a tensor in place ----------------------------------------------------------------------------------------


@op(random=True, inplace=True, top=False, name="uniform", differentiable=False, also=("Tensor.uniform_",))
def uniform_like(seed, counter, input, from_=0.0, to=1.0):
    """Numbers drawn evenly from [from_, to), in the shape of `input`: x.uniform_(a, b)."""
    need_float("uniform_", input)
    if from_ > to:
        raise ArgumentError(
            message("uniform_", f"expects to return a [from, to) range, but found from={from_} > to={to}")
        )
    u = uniform_of(Draws(seed, counter), input.shape, input.dtype)
    return u if (from_, to) == (0.0, 1.0) else u * filled(u, to - from_) + filled(u, from_)


@op(random=True, inplace=True, top=False, name="normal", differentiable=False, also=("Tensor.normal_",))
def normal_like(seed, counter, input, mean=0.0, std=1.0):
    """Normal numbers in the shape of `input`: x.normal_(mean, std)."""
    need_float("normal_", input)
    if std < 0:
        raise ArgumentError(message("normal_", f"expects std >= 0.0, but found std {std}"))
    return scaled_normal(Draws(seed, counter), input.shape, input.dtype, mean, std)


@op(random=True, inplace=True, top=False, name="bernoulli", differentiable=False, also=("Tensor.bernoulli_",))
def bernoulli_like(seed, counter, input, p=0.5):
    """1 with probability p (a number, or one for each element), else 0; what `input` held is of no account."""
    return bernoulli_of(Draws(seed, counter), input, p)


@op(random=True, inplace=True, top=False, name="random", differentiable=False, also=("Tensor.random_",))
def random_like(seed, counter, input, from_=0, to=None):
    """Whole numbers in the shape of `input`: x.random_(to), x.random_(low, high)."""
    if to is None and from_ != 0:
        from_, to = 0, from_
    if to is None:
        kind = input.dtype
        to = (
            2
            if kind.kind == "b"
            else LARGEST_WHOLE[kind.name]
            if kind.kind == "f"
            else (1 << (8 * kind.itemsize - (kind.kind == "i"))) - 1
        )
    low, high = whole_range("random_", from_, to)
    return cast(Draws(seed, counter).integers(low, high, input.shape), input.dtype)


LARGEST_WHOLE = {"float16": 1 << 11, "bfloat16": 1 << 8, "float32": 1 << 24, "float64": 1 << 53}


@op(random=True, inplace=True, top=False, differentiable=False, also=("Tensor.exponential_",))
def exponential(seed, counter, input, lambd=1.0):
    """Waiting times with rate lambd: x.exponential_()."""
    need_float("exponential_", input)
    if lambd <= 0:
        raise ArgumentError(message("exponential_", f"expects lambda > 0.0, but found lambda={lambd}"))
    return p.log(Draws(seed, counter).open_uniform(input.shape, input.dtype)) * (-1.0 / lambd)


@op(random=True, inplace=True, top=False, differentiable=False, also=("Tensor.geometric_",))
def geometric(seed, counter, input, p):
    """Numbers of trials up to the first hit: x.geometric_(p)."""
    if not 0 < p < 1:
        raise ArgumentError(message("geometric_", f"expects p to be in (0, 1), but got p={p}"))
    return geometric_of(Draws(seed, counter), input, p)


def geometric_of(draws: Draws, x: Value, chance: float) -> Value:
    dtype = x.dtype if x.dtype.kind == "f" else dtypes.float32
    u = draws.open_uniform(x.shape, dtype)
    times = p.ceil(p.log(u) * (1.0 / math.log1p(-chance)))
    return cast(p.maximum(times, filled(times, 1)), x.dtype)


@op(random=True, inplace=True, top=False, differentiable=False, also=("Tensor.cauchy_",))
def cauchy(seed, counter, input, median=0.0, sigma=1.0):
    """Cauchy numbers: x.cauchy_()."""
    need_float("cauchy_", input)
    if sigma <= 0:
        raise ArgumentError(message("cauchy_", f"expects sigma > 0.0, but found sigma={sigma}"))
    u = Draws(seed, counter).uniform(input.shape, input.dtype)
    return p.tan((u - 0.5) * math.pi) * sigma + median


@op(random=True, inplace=True, top=False, differentiable=False, also=("Tensor.log_normal_",))
def log_normal(seed, counter, input, mean=1.0, std=2.0):
    """Exponentials of normal numbers: x.log_normal_()."""
    need_float("log_normal_", input)
    if std <= 0:
        raise ArgumentError(message("log_normal_", f"expects std > 0.0, but found std={std}"))
    return p.exp(scaled_normal(Draws(seed, counter), input.shape, input.dtype, mean, std))


# --- dropout ----------------------------------------------------------------------------------------------------------


def check_rate(call: str, rate: float) -> None:
    if not 0 <= rate <= 1:
        raise ArgumentError(message(call, f"dropout probability has to be between 0 and 1, but got {rate}"))


def kept_mask(draws: Draws, shape: Shape, rate: float) -> Value:
    """True with probability 1 - rate."""
    u = draws.uniform(shape, dtypes.float32)
    return p.ge(u, filled(u, rate))


def dropped(draws: Draws, x: Value, rate: float, shape: Shape) -> Value:
    """Elements (or whole planes, by the mask's shape) zeroed with probability `rate`, the rest scaled up."""
    if rate == 1:
        return x * filled(x, 0)
    mask = expanded(kept_mask(draws, shape, rate), x.shape)
    return p.where(mask, x * filled(x, 1 / (1 - rate)), filled(x, 0))


@op(random=True, functional=True)
def dropout(seed, counter, input, p=0.5, training=True, inplace=False):
    """Elements zeroed with probability p, the others scaled by 1 / (1 - p); the input itself outside training.

    Source: Srivastava et al. 2014.
    """
    check_rate("dropout", p)
    if not training or p == 0:
        return input
    return dropped(Draws(seed, counter), input, p, input.shape)


def dropped_planes(seed, counter, x: Value, rate: float, training: bool, call: str, ranks: tuple[int, ...]) -> Value:
    """Dropout of whole channels: one decision for each (sample, channel)."""
    check_rate(call, rate)
    if not training or rate == 0:
        return x
    lead = 1 if x.ndim == min(ranks) and len(ranks) > 1 else 2
    return dropped(Draws(seed, counter), x, rate, x.shape[:lead] + (1,) * (x.ndim - lead))


@op(random=True, functional=True, top=False)
def dropout1d(seed, counter, input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels. Shape: (N, C, L) or (C, L)"""
    if input.ndim not in (2, 3):
        raise ArgumentError(message("dropout1d", "expected 2D or 3D input", [("input", input)]))
    return dropped_planes(seed, counter, input, p, training, "dropout1d", (2, 3))


@op(random=True, functional=True, top=False)
def dropout2d(seed, counter, input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels. Shape: (N, C, H, W), or (N, C, L) as torch has it"""
    return dropped_planes(seed, counter, input, p, training, "dropout2d", (4,))


@op(random=True, functional=True, top=False)
def dropout3d(seed, counter, input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels. Shape: (N, C, D, H, W) or (C, D, H, W)"""
    return dropped_planes(seed, counter, input, p, training, "dropout3d", (4, 5))


def alpha_dropped(draws: Draws, x: Value, rate: float, shape: Shape) -> Value:
    """Dropout to selu's lower limit, rescaled so that mean and variance stay. Source: Klambauer et al. 2017."""
    low = -1.7580993408473766
    if rate == 1:
        return x * filled(x, 0)
    a = ((1 - rate) * (1 + rate * low**2)) ** -0.5
    mask = expanded(kept_mask(draws, shape, rate), x.shape)
    return p.where(mask, x * a + (-a * low * rate), filled(x, a * low * (1 - rate)))


@op(random=True, functional=True)
def alpha_dropout(seed, counter, input, p=0.5, training=False, inplace=False):
    """Dropout that keeps the mean and variance of selu networks."""
    check_rate("alpha_dropout", p)
    if not training or p == 0:
        return input
    return alpha_dropped(Draws(seed, counter), input, p, input.shape)


@op(random=True, functional=True)
def feature_alpha_dropout(seed, counter, input, p=0.5, training=False, inplace=False):
    """alpha_dropout of whole channels."""
    check_rate("feature_alpha_dropout", p)
    if not training or p == 0:
        return input
    return alpha_dropped(Draws(seed, counter), input, p, input.shape[:2] + (1,) * (input.ndim - 2))


@op(random=True, functional=True, top=False)
def gumbel_softmax(seed, counter, logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """Softmax of logits plus Gumbel noise; `hard` gives one-hot rows whose gradient is that of the soft ones.

    Source: Jang et al. 2016.
    """
    u = Draws(seed, counter).open_uniform(logits.shape, logits.dtype)
    noise = p.neg(p.log(p.neg(p.log(p.minimum(u, filled(u, 1 - 1e-7))))))
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    at = dim % logits.ndim
    best = p.argmax(soft, dim=at)
    line = p.reshape(best, shape=tuple(1 if d == at else n for d, n in enumerate(logits.shape)))
    places = p.iota(shape=logits.shape, dtype=dtypes.int64, dim=at)
    one = cast(p.eq(places, expanded(line, logits.shape)), logits.dtype)
    return one - p.detach(soft) + soft


@op(random=True, functional=True)
def rrelu(seed, counter, input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """Leaky relu with random slopes in training, their mean outside. Source: Xu et al. 2015."""
    if lower > upper:
        problem = f"Lower bound should be less than or equal to the upper bound, got {lower} and {upper}"
        raise ArgumentError(message("rrelu", problem))
    if training:
        slope = Draws(seed, counter).uniform(input.shape, input.dtype) * (upper - lower) + lower
    else:
        slope = filled(input, (lower + upper) / 2)
    return p.where(p.le(input, filled(input, 0)), input * slope, input)
