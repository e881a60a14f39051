"""Comparisons and truth: results are bool tensors, without gradient.

Shape of every op here, unless it says otherwise: operands broadcast together.
"""

from __future__ import annotations

import math

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import DTypeError, message
from dovetail.ir.core import Value
from dovetail.ops.dims import numel
from dovetail.ops.front import front
from dovetail.ops.promote import (
    cast,
    common,
    constant,
    expanded,
    filled,
    placed,
    refuse_complex,
    result_type,
    strong,
    together,
)
from dovetail.tensor.op import op
from dovetail.tensor.tensor import Tensor


@op(method=True, inplace=True, differentiable=False, scalars=("other",), also=("Tensor.__eq__",))
def eq(input, other):
    """input == other."""
    return p.eq(*common("eq", input, other))


@op(
    method=True,
    inplace=True,
    differentiable=False,
    scalars=("other",),
    also=("not_equal", "Tensor.__ne__"),
)
def ne(input, other):
    """input != other."""
    return p.ne(*common("ne", input, other))


@op(method=True, inplace=True, differentiable=False, scalars=("other",), also=("less", "Tensor.__lt__"))
def lt(input, other):
    """input < other."""
    return p.lt(*_ordered("lt", input, other))


@op(
    method=True,
    inplace=True,
    differentiable=False,
    scalars=("other",),
    also=("less_equal", "Tensor.__le__"),
)
def le(input, other):
    """input <= other."""
    return p.le(*_ordered("le", input, other))


@op(
    method=True,
    inplace=True,
    differentiable=False,
    scalars=("other",),
    also=("greater", "Tensor.__gt__"),
)
def gt(input, other):
    """input > other."""
    return p.gt(*_ordered("gt", input, other))


@op(
    method=True,
    inplace=True,
    differentiable=False,
    scalars=("other",),
    also=("greater_equal", "Tensor.__ge__"),
)
def ge(input, other):
    """input >= other."""
    return p.ge(*_ordered("ge", input, other))


def _ordered(call: str, a, b) -> list[Value]:
    refuse_complex(call, a, b)
    return common(call, a, b)


def truth(x: Value) -> Value:
    """Whether each element is not zero."""
    return x if x.dtype.kind == "b" else p.ne(x, filled(x, 0))


@op(method=True, inplace=True, differentiable=False)
def logical_not(input):
    """Whether each element is zero."""
    return p.logical_not(truth(input))


@op(method=True, inplace=True, differentiable=False, tensors=("other",))
def logical_and(input, other):
    """Whether both elements are not zero."""
    return p.bitwise_and(*common("logical_and", truth(input), truth(strong(other))))


@op(method=True, inplace=True, differentiable=False, tensors=("other",))
def logical_or(input, other):
    """Whether at least one element is not zero."""
    return p.bitwise_or(*common("logical_or", truth(input), truth(strong(other))))


@op(method=True, inplace=True, differentiable=False, tensors=("other",))
def logical_xor(input, other):
    """Whether exactly one of two elements is not zero."""
    return p.bitwise_xor(*common("logical_xor", truth(input), truth(strong(other))))


@op(method=True, differentiable=False)
def isnan(input):
    """Whether each element is not a number."""
    if input.dtype.kind == "c":
        return p.bitwise_or(p.is_nan(p.real(input)), p.is_nan(p.imag(input)))
    return p.is_nan(input) if input.dtype.kind == "f" else constant(False, input.shape, dtypes.bool_)


@op(method=True, differentiable=False)
def isinf(input):
    """Whether each element is plus or minus infinity."""
    if input.dtype.kind == "c":
        return p.bitwise_or(p.is_inf(p.real(input)), p.is_inf(p.imag(input)))
    return p.is_inf(input) if input.dtype.kind == "f" else constant(False, input.shape, dtypes.bool_)


@op(method=True, differentiable=False)
def isfinite(input):
    """Whether each element is neither infinite nor NaN."""
    if input.dtype.kind == "c":
        return p.bitwise_and(p.is_finite(p.real(input)), p.is_finite(p.imag(input)))
    return p.is_finite(input) if input.dtype.kind == "f" else constant(True, input.shape, dtypes.bool_)


@op(top=False, differentiable=False)
def all_finite(*tensors):
    """Whether no element of any tensor is infinite or NaN, as one 0-d bool."""
    found = [p.reduce_all(p.is_finite(t), dims=tuple(range(t.ndim))) for t in tensors if t.dtype.kind == "f"]
    result = constant(True, (), dtypes.bool_)
    for fine in found:
        result = p.bitwise_and(result, fine)
    return result


@op(method=True, differentiable=False)
def isposinf(input):
    """Whether each element is plus infinity."""
    refuse_complex("isposinf", input)
    return (
        p.eq(input, filled(input, math.inf)) if input.dtype.kind == "f" else constant(False, input.shape, dtypes.bool_)
    )


@op(method=True, differentiable=False)
def isneginf(input):
    """Whether each element is minus infinity."""
    refuse_complex("isneginf", input)
    return (
        p.eq(input, filled(input, -math.inf)) if input.dtype.kind == "f" else constant(False, input.shape, dtypes.bool_)
    )


@op(method=True, differentiable=False)
def isreal(input):
    """Whether each element's imaginary part is zero."""
    if input.dtype.kind != "c":
        return constant(True, input.shape, dtypes.bool_)
    part = p.imag(input)
    return p.eq(part, filled(part, 0))


@op(method=True, differentiable=False, tensors=("other",))
def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether |input - other| <= atol + rtol * |other|."""
    if input.dtype is not other.dtype:
        facts = [("input", input), ("other", other)]
        raise DTypeError(message("isclose", "both tensors must have one dtype", facts))
    if rtol < 0 or atol < 0:
        raise RuntimeError(message("isclose", f"rtol and atol must not be negative, got {rtol} and {atol}"))
    a, b = common("isclose", input, other)
    same = p.eq(a, b)
    if a.dtype.kind not in "fc":
        a, b = cast(a, dtypes.float64), cast(b, dtypes.float64)
    elif equal_nan:
        same = p.bitwise_or(same, p.bitwise_and(isnan(a), isnan(b)))
    gap, reach = p.abs(a - b), p.abs(b)
    near = p.le(gap, filled(reach, atol) + filled(reach, rtol) * reach)
    return p.bitwise_or(same, p.bitwise_and(near, isfinite(gap)))


@op(top=False)
def all_close(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether isclose holds everywhere: a 0-d bool."""
    close = isclose(input, other, rtol, atol, equal_nan)
    return p.reduce_all(close, dims=tuple(range(close.ndim)))


@op(top=False)
def all_equal(input, other):
    """Whether two tensors of one shape hold the same numbers: a 0-d bool."""
    same = p.eq(*common("equal", input, other))
    return p.reduce_all(same, dims=tuple(range(same.ndim)))


@op(differentiable=False)
def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Whether each element occurs in `test_elements`. Shape: that of `elements`."""
    a, b = strong(elements), strong(test_elements)
    if numel(b.shape) == 0:
        return constant(invert, a.shape, dtypes.bool_)
    flat = p.reshape(b, shape=(1,) * a.ndim + (numel(b.shape),))
    found = p.eq(*common("isin", p.reshape(a, shape=a.shape + (1,)), flat))
    hit = p.reduce_any(found, dims=(a.ndim,))
    return p.logical_not(hit) if invert else hit


@op(top=False, scalars=("input", "other"), name="where")
def choose(condition, input, other):
    """`input` where `condition` holds, else `other`.

    Shape: all three broadcast together.
    """
    if condition.dtype.kind != "b" and condition.dtype is not dtypes.uint8:
        problem = f"condition must be a bool tensor, got {condition.dtype.name}"
        raise DTypeError(message("where", problem, [("condition", condition)], "compare first: where(x > 0, a, b)"))
    dtype = result_type(input, other)
    shape = together("where", condition, input, other)
    return p.where(expanded(truth(condition), shape), placed(input, dtype, shape), placed(other, dtype, shape))


@front(method=True)
def allclose(input: Tensor, other: Tensor, rtol=1e-05, atol=1e-08, equal_nan=False) -> bool:
    """Whether isclose holds everywhere, as a Python bool."""
    return bool(all_close(input, other, rtol, atol, equal_nan))


@front(method=True)
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape and the same numbers, as a Python bool."""
    return input.shape == other.shape and bool(all_equal(input, other))


@front(method=True)
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape."""
    return input.shape == other.shape


@front(method=True)
def is_nonzero(input: Tensor) -> bool:
    """Whether a tensor with one element is not zero, as a Python bool."""
    return bool(input)
