"""torch.masked: reductions and normalisations that leave masked-out elements aside.

mask: True where an element counts; it is broadcast to the input. Without one everything counts. Where nothing counts,
a reduction gives its starting value (0 for sums, -inf for maxima) or NaN (mean, var).
"""

from __future__ import annotations

import math

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Value
from dovetail.ops import activation, elementwise, reduce
from dovetail.ops.compare import truth
from dovetail.ops.dims import broadcast_sizes, numel, one_dim, some_dims
from dovetail.ops.index import highest, lowest
from dovetail.ops.promote import cast, constant, expanded, filled, setting_dtype
from dovetail.ops.sort import middle
from dovetail.tensor.op import op


class Masked:
    """An input in its computing dtype with its mask spread over it."""

    def __init__(self, call: str, x: Value, mask: Value | None, dtype, dim=None, whole_sum: bool = False):
        target = setting_dtype(dtype) or (reduce.whole_sum_dtype(x, None) if whole_sum else x.dtype)
        self.call, self.x = call, cast(x, target)
        self.dims = some_dims(call, dim, x.ndim, x)
        self.mask = None
        if mask is not None:
            if broadcast_sizes(call, mask.shape, x.shape) != x.shape:
                raise ArgumentError(
                    message(call, "mask must be broadcastable to the input", [("input", x), ("mask", mask)])
                )
            self.mask = expanded(truth(mask), x.shape)

    def with_fill(self, value) -> Value:
        """The input with `value` at every masked-out place."""
        return self.x if self.mask is None else p.where(self.mask, self.x, filled(self.x, value))

    def count(self, keepdim: bool) -> Value:
        """How many elements count, in the input's dtype (a real one)."""
        real = self.x.dtype.to_real() if self.x.dtype.kind == "c" else self.x.dtype
        one = constant(1, self.x.shape, real) if self.mask is None else cast(self.mask, real)
        return reduce.fold(p.reduce_sum, one, self.dims, keepdim)


@op(top=False, also=("masked.sum",), name="masked.sum")
def masked_sum(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Sum of the elements that count."""
    m = Masked("masked.sum", input, mask, dtype, dim, True)
    return reduce.fold(p.reduce_sum, m.with_fill(0), m.dims, keepdim)


@op(top=False, also=("masked.prod",), name="masked.prod")
def masked_prod(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Product of the elements that count."""
    m = Masked("masked.prod", input, mask, dtype, dim, True)
    return reduce.fold(p.reduce_prod, m.with_fill(1), m.dims, keepdim)


@op(top=False, also=("masked.amax",), name="masked.amax")
def masked_amax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Largest of the elements that count."""
    m = Masked("masked.amax", input, mask, dtype, dim)
    return reduce.ordered_fold(p.reduce_max, m.with_fill(lowest(m.x.dtype)), m.dims, keepdim)


@op(top=False, also=("masked.amin",), name="masked.amin")
def masked_amin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Smallest of the elements that count."""
    m = Masked("masked.amin", input, mask, dtype, dim)
    return reduce.ordered_fold(p.reduce_min, m.with_fill(highest(m.x.dtype)), m.dims, keepdim)


@op(top=False, also=("masked.mean",), name="masked.mean")
def masked_mean(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Average of the elements that count; NaN where there are none."""
    m = Masked("masked.mean", input, mask, dtype, dim)
    if m.x.dtype.kind in "biu":
        whole = m.x.dtype
        m.x = cast(m.x, dtypes.default_dtype() if whole.kind == "b" or setting_dtype(dtype) is None else whole)
    total = reduce.fold(p.reduce_sum, m.with_fill(0), m.dims, keepdim)
    return total / cast(m.count(keepdim), total.dtype)


def spread_of(call: str, input, dim, correction, keepdim, dtype, mask) -> Value:
    m = Masked(call, input, mask, dtype, dim)
    if m.x.dtype.kind in "biu":
        m.x = cast(m.x, dtypes.default_dtype())
    n = m.count(True)
    total = reduce.fold(p.reduce_sum, m.with_fill(0), m.dims, True)
    centre = total / cast(n, total.dtype)
    away = m.x - expanded(centre, m.x.shape)
    away = away if m.mask is None else p.where(m.mask, away, filled(away, 0))
    away = p.abs(away) if away.dtype.kind == "c" else away
    squares = reduce.fold(p.reduce_sum, away * away, m.dims, keepdim)
    freedom = m.count(keepdim)
    if correction:
        freedom = p.maximum(freedom - correction, filled(freedom, 0))
    out = squares / cast(freedom, squares.dtype)
    return cast(out, m.x.dtype) if m.x.dtype.kind == "c" else out


@op(top=False, also=("masked.var",), name="masked.var")
def masked_var(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """Variance of the elements that count."""
    return spread_of("masked.var", input, dim, reduce.correction_of(unbiased, correction), keepdim, dtype, mask)


@op(top=False, also=("masked.std",), name="masked.std")
def masked_std(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """Standard deviation of the elements that count."""
    return p.sqrt(spread_of("masked.std", input, dim, reduce.correction_of(unbiased, correction), keepdim, dtype, mask))


@op(top=False, also=("masked.norm",), name="masked.norm")
def masked_norm(input, ord=2.0, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The ord-norm of the elements that count."""
    m = Masked("masked.norm", input, mask, dtype, dim)
    fill = math.inf if ord == -math.inf else 0 if ord >= 0 else math.inf
    order = 2.0 if ord is None else ord
    return reduce.vector_norm_value("masked.norm", m.with_fill(fill), order, m.dims, keepdim)


@op(top=False, also=("masked.logsumexp",), name="masked.logsumexp")
def masked_logsumexp(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Logarithm of the sum of exponentials of the elements that count."""
    m = Masked("masked.logsumexp", input, mask, dtype, dim)
    wanted = m.x.dtype
    m.x = cast(m.x, dtypes.default_dtype()) if m.x.dtype.kind in "biu" else m.x
    return cast(reduce.logsumexp(m.with_fill(-math.inf), m.dims, keepdim), wanted)


@op(top=False, also=("masked.median",), name="masked.median")
def masked_median(input, dim=-1, *, keepdim=False, dtype=None, mask=None):
    """The lower middle of the elements that count; NaN where there are none."""
    m = Masked("masked.median", input, mask, dtype)
    if m.x.dtype.kind != "f":
        raise ArgumentError(message("masked.median", "expects a floating-point input", [("input", input)]))
    at = one_dim("masked.median", dim, input.ndim, input)
    if not input.shape:
        return m.with_fill(math.nan)
    return middle(m.with_fill(math.nan), at, keepdim, skip=m.mask is not None)[0]


def index_of(call: str, finder, fill, input, dim, keepdim, dtype, mask) -> Value:
    m = Masked(call, input, mask, dtype)
    x = m.with_fill(fill(m.x.dtype))
    x = cast(x, dtypes.uint8) if x.dtype.kind == "b" else x
    return cast(reduce.extreme_index(call, finder, x, dim, keepdim), m.x.dtype)


@op(top=False, also=("masked.argmax",), name="masked.argmax", differentiable=False)
def masked_argmax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Index of the largest element that counts."""
    return index_of("masked.argmax", p.argmax, lowest, input, dim, keepdim, dtype, mask)


@op(top=False, also=("masked.argmin",), name="masked.argmin", differentiable=False)
def masked_argmin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Index of the smallest element that counts."""
    return index_of("masked.argmin", p.argmin, highest, input, dim, keepdim, dtype, mask)


def running(call: str, primitive, fill, input, dim, dtype, mask) -> Value:
    m = Masked(call, input, mask, dtype, None, True)
    at = one_dim(call, dim, input.ndim, input)
    x = m.with_fill(fill)
    return primitive(x, dim=at) if x.shape and numel(x.shape) else p.identity(x)


@op(top=False, also=("masked.cumsum",), name="masked.cumsum")
def masked_cumsum(input, dim, *, dtype=None, mask=None):
    """Running sum in which masked-out elements count as 0."""
    return running("masked.cumsum", p.cumsum, 0, input, dim, dtype, mask)


@op(top=False, also=("masked.cumprod",), name="masked.cumprod")
def masked_cumprod(input, dim, *, dtype=None, mask=None):
    """Running product in which masked-out elements count as 1."""
    return running("masked.cumprod", p.cumprod, 1, input, dim, dtype, mask)


def normalised(call: str, function, fill, input, dim, dtype, mask) -> Value:
    m = Masked(call, input, mask, dtype)
    at = one_dim(call, dim, input.ndim, input)
    m.x = cast(m.x, dtypes.default_dtype()) if m.x.dtype.kind in "biu" else m.x
    return function(m.with_fill(fill), at)


def exact_softmax(x: Value, dim: int) -> Value:
    """Softmax in which a row of -inf gives NaN."""
    return activation.softmax_of(x, dim)


@op(top=False, also=("masked.softmax",), name="masked.softmax")
def masked_softmax(input, dim, *, dtype=None, mask=None):
    """Softmax over the elements that count; the others get 0."""
    return normalised("masked.softmax", exact_softmax, -math.inf, input, dim, dtype, mask)


@op(top=False, also=("masked.log_softmax",), name="masked.log_softmax")
def masked_log_softmax(input, dim, *, dtype=None, mask=None):
    """Logarithm of masked.softmax."""
    return normalised("masked.log_softmax", activation.log_softmax_of, -math.inf, input, dim, dtype, mask)


@op(top=False, also=("masked.softmin",), name="masked.softmin")
def masked_softmin(input, dim, *, dtype=None, mask=None):
    """Softmax of the negated elements that count."""
    return normalised(
        "masked.softmin", lambda x, d: activation.softmax_of(p.neg(x), d), math.inf, input, dim, dtype, mask
    )


@op(top=False, also=("masked.normalize",), name="masked.normalize")
def masked_normalize(input, ord, dim, *, eps=1e-12, dtype=None, mask=None):
    """Vectors divided by the norm of the elements that count."""
    m = Masked("masked.normalize", input, mask, dtype, dim)
    m.x = cast(m.x, dtypes.default_dtype()) if m.x.dtype.kind in "biu" else m.x
    length = reduce.vector_norm_value("masked.normalize", m.with_fill(0), ord, m.dims, True)
    floor = elementwise.clamp_min(length, eps)
    return m.with_fill(0) / cast(expanded(floor, m.x.shape), m.x.dtype)


@op(top=False, also=("masked.logaddexp",), name="masked.logaddexp")
def masked_logaddexp(input, other, *, dtype=None, input_mask=None, other_mask=None):
    """logaddexp in which masked-out elements count as -inf."""
    a = Masked("masked.logaddexp", input, input_mask, dtype).with_fill(-math.inf)
    b = Masked("masked.logaddexp", other, other_mask, dtype).with_fill(-math.inf)
    return elementwise.logaddexp(a, b)
