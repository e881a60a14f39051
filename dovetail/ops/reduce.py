"""Sums, extremes, averages: ops that fold some dims away.

Shape of every op here: `dim` None folds everything to 0-d; a dim or several are removed, or kept with size 1 when
`keepdim` is set.
"""

from __future__ import annotations

import builtins
import math

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, DimError, DTypeError, message
from dovetail.ir.core import Value
from dovetail.ops import elementwise, return_types
from dovetail.ops.compare import truth
from dovetail.ops.dims import Shape, listed_dims, numel, one_dim, some_dims, with_ones
from dovetail.ops.promote import cast, common, constant, expanded, filled, need_float, refuse_complex, setting_dtype
from dovetail.tensor.op import op


def fold(primitive, x: Value, dims: Shape, keepdim: bool = False) -> Value:
    """A REDUCE primitive over `dims` (any order), the dims kept with size 1 on wish."""
    out = primitive(x, dims=tuple(sorted(dims))) if dims else x
    return p.reshape(out, shape=with_ones(x.shape, dims)) if keepdim and dims else out


def restored(x: Value, shape: Shape, dims: Shape) -> Value:
    """A folded value spread over `dims` again."""
    return expanded(p.reshape(x, shape=with_ones(shape, dims)), shape)


def count(x: Value, dims: Shape) -> int:
    """How many elements each result is folded from."""
    return numel(x.shape[d] for d in dims)


def whole_sum_dtype(x: Value, dtype) -> dtypes.DType:
    """What sum and prod compute in: int64 for whole numbers unless given."""
    return setting_dtype(dtype) or (dtypes.int64 if x.dtype.kind in "biu" else x.dtype)


@op(method=True)
def sum(input, dim=None, keepdim=False, *, dtype=None):
    """Sum over `dim` (all dims by default); whole numbers are summed in int64."""
    x = cast(input, whole_sum_dtype(input, dtype))
    return fold(p.reduce_sum, x, some_dims("sum", dim, input.ndim, input), keepdim)


@op(method=True)
def mean(input, dim=None, keepdim=False, *, dtype=None):
    """Average over `dim` (all dims by default). Raises DTypeError for whole numbers."""
    x = input if dtype is None else cast(input, dtypes.as_dtype(dtype))
    need_float("mean", x)
    dims = some_dims("mean", dim, x.ndim, x)
    total = fold(p.reduce_sum, x, dims, keepdim)
    return total / filled(total, count(x, dims))


@op(method=True)
def prod(input, dim=None, keepdim=False, *, dtype=None):
    """Product over one `dim` (all dims by default); whole numbers are multiplied in int64."""
    x = cast(input, whole_sum_dtype(input, dtype))
    dims = some_dims("prod", None, x.ndim) if dim is None else (one_dim("prod", dim, x.ndim, x),)[: x.ndim]
    return fold(p.reduce_prod, x, dims, keepdim)


@op(method=True, differentiable=False)
def all(input, dim=None, keepdim=False):
    """Whether every element is not zero."""
    return _truth_fold(p.reduce_all, "all", input, dim, keepdim)


@op(method=True, differentiable=False)
def any(input, dim=None, keepdim=False):
    """Whether at least one element is not zero."""
    return _truth_fold(p.reduce_any, "any", input, dim, keepdim)


def _truth_fold(primitive, call: str, x: Value, dim, keepdim: bool) -> Value:
    dims = listed_dims(call, dim, x.ndim, x)
    out = fold(primitive, truth(x), dims, keepdim)
    return cast(out, dtypes.uint8) if x.dtype is dtypes.uint8 else out


@op(method=True, differentiable=False)
def count_nonzero(input, dim=None):
    """How many elements are not zero."""
    dims = some_dims("count_nonzero", dim, input.ndim, input)
    return fold(p.reduce_sum, cast(truth(input), dtypes.int64), dims)


@op(method=True, differentiable=False)
def hash_tensor(input, dim=(), keepdim=False, *, mode=0):
    """Exclusive or of all elements' 64 bits (floats as float64, whole numbers as int64), as uint64.

    >>> import dovetail
    >>> dovetail.hash_tensor(dovetail.tensor([1, 2, 4])).item()
    7
    """
    if mode != 0:
        raise ArgumentError(message("hash_tensor", f"only mode 0 (exclusive or) is there, got {mode}"))
    refuse_complex("hash_tensor", input)
    wide = cast(input, dtypes.float64 if input.dtype.kind == "f" else dtypes.int64)
    dims = some_dims("hash_tensor", dim, input.ndim, input)
    return fold(p.reduce_xor, p.bitcast(wide, dtype=dtypes.uint64), dims, keepdim)


# --- extremes ---------------------------------------------------------------------------------------------------------


def need_elements(call: str, x: Value, dims: Shape) -> None:
    """Raise unless every folded dim has an element: there is no largest of none."""
    empty = [d for d in dims if x.shape[d] == 0]
    if empty:
        problem = f"has no answer over dim {empty[0]}, which has size 0 (expected reduction dim to have non-zero size)"
        raise DimError(message(call, problem, [("input", x)]))


def need_dim(call: str, x: Value, dim) -> None:
    """Raise where all of an empty tensor is to be folded."""
    if numel(x.shape) == 0 and (dim is None or dim == ()):
        problem = "an empty tensor has no largest or smallest element (expected reduction dim to be specified)"
        raise ArgumentError(message(call, problem, [("input", x)], "name a dim that is not empty"))


def ordered_fold(primitive, x: Value, dims: Shape, keepdim: bool) -> Value:
    """reduce_max or reduce_min; truth values go the way of any and all."""
    if x.dtype.kind == "b":
        primitive = p.reduce_any if primitive is p.reduce_max else p.reduce_all
    return fold(primitive, x, dims, keepdim)


def _whole_extreme(call: str, primitive, x: Value) -> Value:
    refuse_complex(call, x)
    if numel(x.shape) == 0:
        problem = "an empty tensor has no largest or smallest element; name a dim that is not empty"
        raise ArgumentError(message(call, f"{problem} (expected reduction dim to be specified)", [("input", x)]))
    return ordered_fold(primitive, x, tuple(range(x.ndim)), False)


@op(method=True)
def amax(input, dim=(), keepdim=False):
    """Largest element; equal ones share the gradient."""
    refuse_complex("amax", input)
    dims = some_dims("amax", dim, input.ndim, input)
    need_dim("amax", input, dim)
    need_elements("amax", input, dims)
    return ordered_fold(p.reduce_max, input, dims, keepdim)


@op(method=True)
def amin(input, dim=(), keepdim=False):
    """Smallest element; equal ones share the gradient."""
    refuse_complex("amin", input)
    dims = some_dims("amin", dim, input.ndim, input)
    need_dim("amin", input, dim)
    need_elements("amin", input, dims)
    return ordered_fold(p.reduce_min, input, dims, keepdim)


@op(method=True, exact_out=True)
def aminmax(input, *, dim=None, keepdim=False):
    """Smallest and largest element, as (min, max)."""
    refuse_complex("aminmax", input)
    dims = tuple(range(input.ndim)) if dim is None else (one_dim("aminmax", dim, input.ndim, input),)[: input.ndim]
    need_elements("aminmax", input, dims)
    low, high = (ordered_fold(r, input, dims, keepdim) for r in (p.reduce_min, p.reduce_max))
    return return_types.aminmax(low, high)


def pick(call: str, finder, x: Value, dim: int, keepdim: bool) -> tuple[Value, Value]:
    """(values, indices) of the first extreme along `dim`; the gradient goes to that element alone."""
    refuse_complex(call, x)
    at = one_dim(call, dim, x.ndim, x)
    if not x.shape:
        return p.identity(x), constant(0, (), dtypes.int64)
    need_elements(call, x, (at,))
    indices = finder(cast(x, dtypes.uint8) if x.dtype.kind == "b" else x, dim=at)
    return picked(x, indices, at, keepdim)


def picked(x: Value, indices: Value, dim: int, keepdim: bool) -> tuple[Value, Value]:
    """(values, indices) where `indices` has lost `dim`."""
    kept = p.reshape(indices, shape=with_ones(x.shape, (dim,)))
    values = p.gather(x, kept, dim=dim)
    return (values, kept) if keepdim else (p.reshape(values, shape=indices.shape), indices)


@op(method=True)
def max(input, dim=None, keepdim=False, *, other=None):
    """The largest element; with `dim`, (values, indices) along it; with another tensor, the larger of each pair."""
    if isinstance(dim, Value) or other is not None:
        return elementwise.maximum(input, dim if other is None else other)
    if dim is None:
        return _whole_extreme("max", p.reduce_max, input)
    return return_types.max(*pick("max", p.argmax, input, dim, keepdim))


@op(method=True)
def min(input, dim=None, keepdim=False, *, other=None):
    """The smallest element; with `dim`, (values, indices) along it; with another tensor, the smaller of each pair."""
    if isinstance(dim, Value) or other is not None:
        return elementwise.minimum(input, dim if other is None else other)
    if dim is None:
        return _whole_extreme("min", p.reduce_min, input)
    return return_types.min(*pick("min", p.argmin, input, dim, keepdim))


@op(method=True, differentiable=False)
def argmax(input, dim=None, keepdim=False):
    """Index of the largest element along `dim`, or in the flattened input. Shape: int64, `dim` removed."""
    return extreme_index("argmax", p.argmax, input, dim, keepdim)


@op(method=True, differentiable=False)
def argmin(input, dim=None, keepdim=False):
    """Index of the smallest element along `dim`, or in the flattened input. Shape: int64, `dim` removed."""
    return extreme_index("argmin", p.argmin, input, dim, keepdim)


def extreme_index(call: str, finder, x: Value, dim, keepdim: bool) -> Value:
    refuse_complex(call, x)
    if x.dtype.kind == "b":
        raise DTypeError(message(call, "is not defined for bool tensors", [("input", x)], "count with .int() first"))
    if not x.shape:
        one_dim(call, dim or 0, 0, x)
        return constant(0, (), dtypes.int64)
    if dim is None:
        need_elements(call, x, tuple(range(x.ndim)))
        found = finder(p.reshape(x, shape=(numel(x.shape),)), dim=0)
        return p.reshape(found, shape=(1,) * x.ndim) if keepdim else found
    at = one_dim(call, dim, x.ndim, x)
    need_elements(call, x, (at,))
    found = finder(x, dim=at)
    return p.reshape(found, shape=with_ones(x.shape, (at,))) if keepdim else found


# --- spread -----------------------------------------------------------------------------------------------------------


def moments(call: str, x: Value, dim, correction, keepdim: bool) -> tuple[Value, Value]:
    """(variance, mean) over `dim`, in two passes."""
    need_float(call, x)
    dims = some_dims(call, dim, x.ndim, x)
    n = count(x, dims)
    kept = fold(p.reduce_sum, x, dims, True)
    centre = kept / filled(kept, n)
    away = x - expanded(centre, x.shape)
    if x.dtype.kind == "c":
        away = p.abs(away)
    squares = fold(p.reduce_sum, away * away, dims, keepdim)
    freedom = n - correction
    spread = squares / filled(squares, freedom if freedom > 0 else 0)
    if x.ndim == 0 and keepdim is False:
        return spread, centre
    return spread, centre if keepdim or not dims else p.reshape(centre, shape=spread.shape)


def correction_of(unbiased, correction):
    """torch's two spellings of Bessel's correction."""
    if correction is None:
        return 1 if unbiased is None or unbiased else 0
    return correction


def dim_or_unbiased(dim, unbiased):
    """torch lets var(x, False) mean var(x, unbiased=False)."""
    return (None, dim) if isinstance(dim, bool) else (dim, unbiased)


@op(method=True)
def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Variance over `dim`, divided by n - correction (1 by default)."""
    dim, unbiased = dim_or_unbiased(dim, unbiased)
    return moments("var", input, dim, correction_of(unbiased, correction), keepdim)[0]


@op(method=True)
def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """Standard deviation over `dim`: the square root of var."""
    dim, unbiased = dim_or_unbiased(dim, unbiased)
    return root(moments("std", input, dim, correction_of(unbiased, correction), keepdim)[0])


def root(x: Value) -> Value:
    """Square root whose gradient is 0 (not infinite) at 0, as torch has it for std and norm."""
    zero = p.eq(x, filled(x, 0))
    return p.where(zero, filled(x, 0), p.sqrt(p.where(zero, filled(x, 1), x)))


@op()
def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """(variance, mean) over `dim`."""
    dim, unbiased = dim_or_unbiased(dim, unbiased)
    return moments("var_mean", input, dim, correction_of(unbiased, correction), keepdim)


@op()
def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """(standard deviation, mean) over `dim`."""
    dim, unbiased = dim_or_unbiased(dim, unbiased)
    spread, centre = moments("std_mean", input, dim, correction_of(unbiased, correction), keepdim)
    return root(spread), centre


# --- exponentials and norms -------------------------------------------------------------------------------------------


@op(method=True, also=("special.logsumexp",))
def logsumexp(input, dim, keepdim=False):
    """log of the sum of exponentials over `dim`, computed so that nothing overflows."""
    x = cast(input, dtypes.default_dtype()) if input.dtype.kind in "biu" else input
    dims = some_dims("logsumexp", dim, x.ndim, x)
    if builtins.any(x.shape[d] == 0 for d in dims):
        return p.log(fold(p.reduce_sum, p.exp(x), dims, keepdim))
    size = p.real(x) if x.dtype.kind == "c" else x
    top = p.detach(fold(p.reduce_max, size, dims, True))
    top = p.where(p.is_inf(top), filled(top, 0), top)  # inf - inf would be NaN
    shift = cast(top, x.dtype)
    total = p.log(fold(p.reduce_sum, p.exp(x - expanded(shift, x.shape)), dims, True)) + shift
    return total if keepdim else p.reshape(total, shape=fold_shape(x.shape, dims))


def fold_shape(shape: Shape, dims: Shape) -> Shape:
    """`shape` without `dims`."""
    return tuple(n for d, n in enumerate(shape) if d not in dims)


def vector_norm_value(call: str, x: Value, order, dims: Shape, keepdim: bool) -> Value:
    """The `order`-norm over `dims`; its gradient at zero is 0."""
    size = p.abs(x)
    if order == math.inf or order == -math.inf:
        need_elements(call, x, dims)
        return fold(p.reduce_max if order > 0 else p.reduce_min, size, dims, keepdim)
    if order == 0:
        return fold(p.reduce_sum, cast(p.ne(size, filled(size, 0)), size.dtype), dims, keepdim)
    if order == 1:
        return fold(p.reduce_sum, size, dims, keepdim)
    if order == 2:
        squares = x * x if x.dtype.kind != "c" else p.real(x * p.conj(x))
        return root(fold(p.reduce_sum, squares, dims, keepdim))
    zero = p.eq(size, filled(size, 0))
    safe = p.where(zero, filled(size, 1), size)
    powers = p.where(zero, filled(size, 0.0 if order > 0 else math.inf), p.pow(safe, filled(safe, order)))
    total = fold(p.reduce_sum, powers, dims, keepdim)
    none = p.eq(total, filled(total, 0))
    whole = p.pow(p.where(none, filled(total, 1), total), filled(total, 1.0 / order))
    return p.where(none, filled(total, 0.0), whole)


@op(method=True)
def dist(input, other, p=2):
    """The p-norm of input - other."""
    a, b = common("dist", input, other)
    return vector_norm_value("dist", a - b, p, tuple(range(a.ndim)), False)


# --- leaving NaN out --------------------------------------------------------------------------------------------------


@op(method=True)
def nansum(input, dim=None, keepdim=False, *, dtype=None):
    """Sum in which NaN counts as 0."""
    refuse_complex("nansum", input)
    x = cast(input, whole_sum_dtype(input, dtype))
    if x.dtype.kind == "f":
        x = p.where(p.is_nan(x), filled(x, 0), x)
    return fold(p.reduce_sum, x, some_dims("nansum", dim, x.ndim, x), keepdim)


@op(method=True)
def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """Average of the elements that are numbers."""
    x = input if dtype is None else cast(input, dtypes.as_dtype(dtype))
    need_float("nanmean", x)
    dims = some_dims("nanmean", dim, x.ndim, x)
    bad = p.is_nan(x) if x.dtype.kind == "f" else p.is_nan(p.abs(x))
    total = fold(p.reduce_sum, p.where(bad, filled(x, 0), x), dims, keepdim)
    return total / fold(p.reduce_sum, cast(p.logical_not(bad), x.dtype), dims, keepdim)


def whole_or_dim(call: str, x: Value, dim) -> tuple[Value, int]:
    """(x, dim), or (x flattened, 0) where no dim is named."""
    if dim is None:
        return p.reshape(x, shape=(numel(x.shape),)), 0
    return x, one_dim(call, dim, x.ndim, x)
