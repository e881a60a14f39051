"""Operators on Values: broadcasting by NumPy's rule, dtypes by torch's, Python numbers as constants.

    with building():
        y = 2 * x - x.sum      # Values, no numbers yet

`==` and `!=` stay Python's own identity (Values are keys of tables); write `equal(a, b)` instead.
"""

from __future__ import annotations

from collections.abc import Callable

from dovetail.base.dtypes import DType, default_dtype, float64, int64, number_dtype, result_dtype
from dovetail.base.errors import DTypeError, ShapeError, message
from dovetail.ir.core import Primitive, Value
from dovetail.prims import elementwise as e
from dovetail.prims.contract import contract
from dovetail.prims.elementwise import cast
from dovetail.prims.make import constant, constant_like, ones_like, zeros_like
from dovetail.prims.reduce import reduce_sum
from dovetail.prims.shape import broadcast_to, broadcast_values, common_shape, reshape, restore, slice_, transpose

__all__ = [
    "broadcast_to", "broadcast_values", "cast", "common_shape", "constant", "constant_like", "equal", "matmul",
    "not_equal", "ones_like", "operands", "power", "restore", "zeros_like", "reduce_sum",
]


def rank_of(x) -> tuple[DType, int]:
    """(dtype, priority) for result_dtype: dims count most, then 0-d values, then Python numbers."""
    if not isinstance(x, Value):
        return number_dtype(x), 0
    if x.weak:
        return (default_dtype() if x.weak == "float" else int64), 0
    return x.dtype, 2 if x.shape else 1


def weakness(*xs) -> str:
    """ "float" or "int" where all operands stand for Python numbers, so that the result does too; else ""."""
    kinds = ["float" if isinstance(x, float) else "int" if isinstance(x, int) else getattr(x, "weak", "") for x in xs]
    return "" if "" in kinds else "float" if "float" in kinds else "int"


def operands(*xs) -> list[Value]:
    """Values and Python numbers as Values of one shape and one dtype."""
    first = xs[0]
    if all(isinstance(x, Value) and x.shape == first.shape and x.dtype is first.dtype and not x.weak for x in xs):
        return list(xs)
    weak = weakness(*xs)
    dtype = {"": None, "float": float64, "int": int64}[weak] or result_dtype([rank_of(x) for x in xs])
    shapes = [x.shape for x in xs if isinstance(x, Value)]
    shape = common_shape(*shapes)
    return [broadcast_to(cast(x, dtype), shape) if isinstance(x, Value) else constant(x, shape, dtype) for x in xs]


def applied(prim: Primitive, a, b) -> Value:
    out = prim(*operands(a, b))
    if out.dtype.kind in "if":
        out.weak = weakness(a, b)
    return out


def is_operand(x) -> bool:
    return isinstance(x, (Value, int, float, complex))


def operator(prim: Primitive) -> tuple[Callable, Callable]:
    """The method for `a op b` and the reflected one."""

    def method(a, b):
        return applied(prim, a, b) if is_operand(b) else NotImplemented

    def reflected(b, a):
        return applied(prim, a, b) if is_operand(a) else NotImplemented

    return method, reflected


def equal(a, b) -> Value:
    """Elementwise a == b, as a bool value."""
    return e.eq(*operands(a, b))


def not_equal(a, b) -> Value:
    """Elementwise a != b, as a bool value."""
    return e.ne(*operands(a, b))


def true_divide(a, b) -> Value:
    """a / b; integers become the default float first."""
    weak = weakness(a, b)
    a, b = operands(a, b)
    if a.dtype.kind in "bui":
        dtype = float64 if weak else default_dtype()
        a, b = cast(a, dtype), cast(b, dtype)
    out = e.div(a, b)
    out.weak = "float" if weak else ""
    return out


def power(a, b) -> Value:
    """a ** b; small constant powers become products and roots, as in torch."""
    if isinstance(a, Value) and not a.weak and a.dtype.kind in "fc" and isinstance(b, (int, float)):
        if b == 1:
            return a
        if b == 2:
            return e.mul(a, a)
        if b == 3:
            return e.mul(e.mul(a, a), a)
        if b == 0.5:
            return e.sqrt(a)
        if b == -1:
            return e.reciprocal(a)
        if b == -0.5:
            return e.rsqrt(a)
        if b == -2:
            return e.reciprocal(e.mul(a, a))
    return applied(e.pow_, a, b)


def negative(x: Value) -> Value:
    out = e.neg(x)
    out.weak = x.weak
    return out


def matmul(a: Value, b: Value) -> Value:
    """The matrix product of the last two dims, batched over the others by broadcasting (torch.matmul).

    Shape: (*, n, k), (*, k, m) -> (*, n, m); one-dim operands lose their dim.
    Raises: ShapeError where the inner sizes differ; DTypeError where the dtypes do.
    """
    if not a.ndim or not b.ndim:
        raise ShapeError(message("matmul", "both operands need at least one dim", [("left", a), ("right", b)]))
    if a.dtype is not b.dtype:
        raise DTypeError(message("matmul", "the operands' dtypes differ", [("left", a), ("right", b)]))
    inner_a, inner_b = a.ndim - 1, max(b.ndim - 2, 0)
    if a.shape[inner_a] != b.shape[inner_b]:
        text = f"the left's last dim has {a.shape[inner_a]} values, the right's dim {inner_b} has {b.shape[inner_b]}"
        raise ShapeError(message("matmul", text, [("left", a), ("right", b)]))
    if b.ndim <= 2:
        return contract(a, b, batch=((), ()), sum=((inner_a,), (inner_b,)))
    if a.ndim == 1:
        row = reshape(a, shape=(1, *a.shape))
        product = matmul(row, b)
        return reshape(product, shape=product.shape[:-2] + product.shape[-1:])
    return batched_matmul(a, b)


def batched_matmul(a: Value, b: Value) -> Value:
    outer = common_shape(a.shape[:-2], b.shape[:-2])
    if size_one(a.shape[:-2]) and not size_one(outer):
        # One left matrix for all: its rows stay free dims instead of being repeated.
        a = reshape(a, shape=a.shape[-2:])
        product = contract(b, a, batch=((), ()), sum=((b.ndim - 2,), (1,)))
        b_rank = product.ndim
        product = transpose(product, perm=(*range(b_rank - 2), b_rank - 1, b_rank - 2))
        return broadcast_to(product, outer + product.shape[-2:])
    a, b = broadcast_to(a, outer + a.shape[-2:]), broadcast_to(b, outer + b.shape[-2:])
    dims, k = tuple(range(len(outer))), len(outer)
    return contract(a, b, batch=(dims, dims), sum=((k + 1,), (k,)))


def size_one(shape) -> bool:
    return all(n == 1 for n in shape)


def item(x: Value, key) -> Value:
    """Basic indexing: integers, slices, Ellipsis and None."""
    key = key if isinstance(key, tuple) else (key,)
    named = sum(k is not None and k is not Ellipsis for k in key)
    if Ellipsis not in key:
        key = (*key, Ellipsis)
    at = key.index(Ellipsis)
    key = key[:at] + (slice(None),) * (x.ndim - named) + key[at + 1 :]
    spans: list[tuple[int, int, int]] = []
    shape: list[int] = []
    for k in key:
        if k is None:
            shape.append(1)
            continue
        n = x.shape[len(spans)]
        if isinstance(k, slice):
            start, stop, step = k.indices(n)
            spans.append((start, stop, step))
            shape.append(len(range(start, stop, step)))
        else:
            k = k + n if k < 0 else k
            spans.append((k, k + 1, 1))
    starts, stops, steps = zip(*spans, strict=True) if spans else ((), (), ())
    whole = all(s == (0, n, 1) for s, n in zip(spans, x.shape, strict=True))
    part = x if whole else slice_(x, starts=starts, stops=stops, steps=steps)
    return part if part.shape == tuple(shape) else reshape(part, shape=tuple(shape))


def methods() -> dict[str, Callable]:
    """The operators by their Python names."""
    found: dict[str, Callable] = {
        "__truediv__": lambda a, b: true_divide(a, b) if is_operand(b) else NotImplemented,
        "__rtruediv__": lambda b, a: true_divide(a, b) if is_operand(a) else NotImplemented,
        "__pow__": lambda a, b: power(a, b) if is_operand(b) else NotImplemented,
        "__rpow__": lambda b, a: power(a, b) if is_operand(a) else NotImplemented,
        "__matmul__": lambda a, b: matmul(a, b) if isinstance(b, Value) else NotImplemented,
        "__neg__": negative,
        "__abs__": lambda x: e.abs_(x),
        "__invert__": lambda x: e.bitwise_not(x),
        "__getitem__": item,
    }
    for name, reflected, prim in (
        ("__add__", "__radd__", e.add), ("__sub__", "__rsub__", e.sub), ("__mul__", "__rmul__", e.mul),
        ("__floordiv__", "__rfloordiv__", e.floor_divide), ("__mod__", "__rmod__", e.remainder),
        ("__and__", "__rand__", e.bitwise_and), ("__or__", "__ror__", e.bitwise_or),
        ("__xor__", "__rxor__", e.bitwise_xor),
        ("__lt__", "", e.lt), ("__le__", "", e.le), ("__gt__", "", e.gt), ("__ge__", "", e.ge),
    ):  # a < b is turned to b > a by Python itself
        found[name], other = operator(prim)
        if reflected:
            found[reflected] = other
    return found


def install() -> None:
    """Give Value its operators; called once, when this file is first imported."""
    for name, method in methods().items():
        setattr(Value, name, method)


install()
