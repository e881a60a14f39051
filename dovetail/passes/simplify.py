"""Algebra that needs no thought: neutral elements, views of views, conversions back and forth, uniform constants.

One walk over the nodes; each rule looks at one node whose inputs are already simple. A rule may only use what holds
for every value (x * 0 is not 0 where x may be NaN) and for every size (a `Sym` is not its sample).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from dovetail.base.dtypes import DType
from dovetail.ir.core import Graph, Node, Value, building, scope
from dovetail.ir.sym import is_static
from dovetail.passes import dce
from dovetail.passes.rebuild import with_inputs
from dovetail.passes.sizes import sizes
from dovetail.prims import elementwise as e
from dovetail.prims.contract import contract
from dovetail.prims.elementwise import cast
from dovetail.prims.families import ELEMENT
from dovetail.prims.make import constant, constant_like, full, iota
from dovetail.prims.shape import broadcast, concat, pad, reshape, slice_, transpose

Rule = Callable[..., "Value | None"]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register: (node, *inputs, **params) -> the simpler value, or None where there is none."""

    def keep(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return keep


def run(graph: Graph) -> Graph:
    """A graph that computes the same with fewer or cheaper nodes."""
    replaced: dict[Value, Value] = {}
    with building() as nodes:
        for node in graph.nodes:
            inputs = tuple([replaced.get(x, x) for x in node.inputs]) if replaced else node.inputs
            simpler = simplified(node, inputs)
            if simpler is None:
                nodes.append(with_inputs(node, inputs, replaced))
            else:
                replaced[node.outs[0]] = simpler
    return dce.run(Graph(graph.inputs, nodes, [replaced.get(x, x) for x in graph.outputs]))


def simplified(node: Node, inputs: tuple[Value, ...]) -> Value | None:
    if node.prim.effect or len(node.outs) != 1:
        return None
    before = scope.where, scope.region
    scope.where, scope.region = node.where, node.region
    try:
        if node.prim.family == ELEMENT:
            folded = fold_uniform(node, inputs)
            if folded is not None:
                return folded
        found = RULES.get(node.prim.name)
        return found(node, *inputs, **node.params) if found else None
    finally:
        scope.where, scope.region = before


# -- what is known of a value ------------------------------------------------------------------------------------------


def made_by(x: Value, name: str) -> bool:
    return x.node is not None and x.node.prim.name == name


def maker(x: Value) -> Node:
    """The node that made x, which made_by has shown to be there."""
    assert x.node is not None
    return x.node


def uniform(x: Value):
    """The number that x holds everywhere, or None where that is not known."""
    return maker(x).params["value"] if made_by(x, "full") else None


def is_uniform(x: Value, number) -> bool:
    """Whether x holds `number` everywhere (-0.0 does not count as 0)."""
    value = uniform(x)
    return value is not None and value == number and not (value == 0 and negative_zero(value))


def negative_zero(value) -> bool:
    return isinstance(value, float) and math.copysign(1.0, value) < 0


def same_sizes(a, b) -> bool:
    """Whether two shapes are equal for every table of run-time sizes."""
    return tuple(a) == tuple(b) and sizes(a) == sizes(b)


def number_of(array: np.ndarray, dtype: DType):
    """A 0-d array as the Python number that a `full` holds."""
    kind = {"b": bool, "u": int, "i": int, "f": float, "c": complex}[dtype.kind]
    return kind(array)


def fold_uniform(node: Node, inputs: tuple[Value, ...]) -> Value | None:
    """Arithmetic on values that are the same everywhere is done once, here."""
    if not inputs or any(not made_by(x, "full") for x in inputs):
        return None
    out = node.outs[0]
    with np.errstate(all="ignore"):
        arrays = [full.meaning(shape=(), dtype=x.dtype, value=uniform(x)) for x in inputs]
        value = number_of(node.prim.meaning(*arrays, **node.params), out.dtype)
    return full(shape=out.shape, dtype=out.dtype, value=value)


def refilled(x: Value, out: Value) -> Value | None:
    """A view of a uniform value is uniform."""
    return full(shape=out.shape, dtype=out.dtype, value=uniform(x)) if made_by(x, "full") else None


# -- copies and conversions --------------------------------------------------------------------------------------------


@rule("identity", "detach")
def drop_copy(node, x):
    return x


EXACT = {  # what holds every value of a dtype
    "bool": {"uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"},
    "uint8": {"uint16", "uint32", "uint64", "int16", "int32", "int64", "float16", "float32", "float64"},
    "uint16": {"uint32", "uint64", "int32", "int64", "float32", "float64"},
    "uint32": {"uint64", "int64", "float64"},
    "int8": {"int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"},
    "int16": {"int32", "int64", "float32", "float64"},
    "int32": {"int64", "float64"},
    "float16": {"float32", "float64"},
    "bfloat16": {"float32", "float64"},
    "float32": {"float64", "complex64", "complex128"},
    "float64": {"complex128"},
    "complex64": {"complex128"},
}


@rule("convert")
def simpler_convert(node, x, *, dtype):
    if x.dtype is dtype:
        return x
    if made_by(x, "convert"):
        first = maker(x).inputs[0]
        if x.dtype.name in EXACT.get(first.dtype.name, ()):
            return cast(first, dtype)
    if made_by(x, "iota") and dtype.kind in "uif":
        return iota(shape=x.shape, dtype=dtype, dim=maker(x).params["dim"])
    return None


@rule("real", "conj")
def real_already(node, x):
    if x.dtype.kind != "c":
        return x
    return maker(x).inputs[0] if node.prim.name == "conj" and made_by(x, "conj") else None


# -- views -------------------------------------------------------------------------------------------------------------


def reshaped(x: Value, shape) -> Value:
    """x under other sizes; of several reshapes in a row only the last counts."""
    if made_by(x, "reshape"):
        x = maker(x).inputs[0]
    return x if same_sizes(x.shape, shape) else reshape(x, shape=shape)


@rule("reshape")
def simpler_reshape(node, x, *, shape):
    if made_by(x, "reshape") or same_sizes(x.shape, shape):
        return reshaped(x, shape)
    return refilled(x, node.outs[0])


@rule("transpose")
def simpler_transpose(node, x, *, perm):
    if made_by(x, "transpose"):
        inner = maker(x).params["perm"]
        perm = tuple([inner[d] for d in perm])
        x = maker(x).inputs[0]
        return x if perm == tuple(range(len(perm))) else transpose(x, perm=perm)
    if perm == tuple(range(len(perm))):
        return x
    return refilled(x, node.outs[0]) or swapped_product(x, perm)


@rule("broadcast")
def simpler_broadcast(node, x, *, shape, dims):
    if made_by(x, "broadcast"):
        inner = maker(x).params["dims"]
        x = maker(x).inputs[0]
        return broadcast(x, shape=shape, dims=tuple([dims[d] for d in inner]))
    return x if same_sizes(x.shape, shape) else refilled(x, node.outs[0])


@rule("slice")
def simpler_slice(node, x, *, starts, stops, steps):
    whole = same_sizes(x.shape, stops) and all(is_static(s) and s == 0 for s in starts)
    return x if whole and all(s == 1 for s in steps) else refilled(x, node.outs[0])


@rule("pad")
def simpler_pad(node, x, *, low, high, value):
    if all(is_static(n) and n == 0 for n in (*low, *high)):
        return x
    return refilled(x, node.outs[0]) if is_uniform(x, value) else None


@rule("concat")
def simpler_concat(node, *xs, dim):
    xs = [x for x in xs if not (is_static(x.shape[dim]) and x.shape[dim] == 0)] or [xs[0]]
    if len(xs) == 1:
        return xs[0]
    return node.prim(*xs, dim=dim) if len(xs) < len(node.inputs) else None


@rule("update_slice")
def simpler_update_slice(node, x, u, *, starts, steps):
    whole = same_sizes(x.shape, u.shape) and all(s == 1 for s in steps)
    if whole and all(is_static(s) and s == 0 for s in starts):
        return u
    value = uniform(x)
    return x if value is not None and not is_nan(value) and is_uniform(u, value) else None


def is_nan(value) -> bool:
    return value != value


@rule("dynamic_slice")
def simpler_dynamic_slice(node, x, *starts, sizes):
    """A window at a known place is a plain slice."""
    if any(uniform(s) is None for s in starts) or not all(map(is_static, (*x.shape, *sizes))):
        return refilled(x, node.outs[0])
    firsts = tuple([min(max(uniform(s), 0), n - k) for s, n, k in zip(starts, x.shape, sizes, strict=True)])
    stops = tuple([s + k for s, k in zip(firsts, sizes, strict=True)])
    if same_sizes(x.shape, sizes):
        return x
    return slice_(x, starts=firsts, stops=stops, steps=(1,) * x.ndim)


# -- arithmetic --------------------------------------------------------------------------------------------------------


@rule("neg", "bitwise_not")
def undo(node, x):
    return maker(x).inputs[0] if made_by(x, node.prim.name) else None


@rule("logical_not")
def undo_not(node, x):
    if made_by(x, "logical_not") and maker(x).inputs[0].dtype.kind == "b":
        return maker(x).inputs[0]
    return None


@rule("add", "bitwise_or", "bitwise_xor")
def add_nothing(node, a, b):
    """x + 0 is x; the one number it changes, -0.0, stays equal."""
    if is_uniform(b, 0):
        return a
    if is_uniform(a, 0):
        return b
    if node.prim.name != "add":
        return None
    if made_by(b, "neg"):
        return e.sub(a, maker(b).inputs[0])
    if made_by(a, "neg"):
        return e.sub(b, maker(a).inputs[0])
    return placed(a, b) or placed(b, a)


def placed(total: Value, part: Value) -> Value | None:
    """total + part where both, or terms of the total, are padded parts of one value that lie beside each other.

    Adding up in another order changes nothing, since at each place all but one of the terms are 0.
    """
    found = joined(total, part) or joined(part, total)
    if found is not None or not zero_padded(part) or not made_by(total, "add"):
        return found
    for term, rest in (maker(total).inputs, maker(total).inputs[::-1]):
        found = placed(term, part)
        if found is not None:
            return placed(rest, found) or placed(found, rest) or e.add(found, rest)
    return None


def joined(a: Value, b: Value) -> Value | None:
    """The sum of two values padded with zeros, b's part beginning where a's ends: one concatenation.

    The gradient of `chunk` and `split` is made of such sums.
    """
    if not (zero_padded(a) and zero_padded(b)):
        return None
    x, y = maker(a).inputs[0], maker(b).inputs[0]
    low, high = (sizes(maker(a).params[k]) for k in ("low", "high"))
    low_b, high_b = (sizes(maker(b).params[k]) for k in ("low", "high"))
    differ = [d for d in range(a.ndim) if (low[d], high[d]) != (low_b[d], high_b[d])]
    if len(differ) != 1 or low[differ[0]] + sizes(x.shape)[differ[0]] != low_b[differ[0]]:
        return None
    dim = differ[0]
    together = concat(*parts_along(x, dim), *parts_along(y, dim), dim=dim)
    left = maker(a).params["low"]
    right = tuple([maker(b).params["high"][d] if d == dim else n for d, n in enumerate(maker(a).params["high"])])
    if all(is_static(n) and n == 0 for n in (*left, *right)):
        return together
    return pad(together, low=left, high=right, value=maker(a).params["value"])


def zero_padded(x: Value) -> bool:
    return made_by(x, "pad") and maker(x).params["value"] == 0


def parts_along(x: Value, dim: int) -> tuple[Value, ...]:
    """The operands of a concatenation along `dim`; x alone where it is none."""
    return maker(x).inputs if made_by(x, "concat") and maker(x).params["dim"] == dim else (x,)


@rule("sub")
def sub_nothing(node, a, b):
    if is_uniform(b, 0):
        return a
    if is_uniform(a, 0):
        return e.neg(b)
    return e.add(a, maker(b).inputs[0]) if made_by(b, "neg") else None


@rule("mul")
def mul_one(node, a, b):
    if is_uniform(a, 1):
        return b
    if is_uniform(b, 1):
        return a
    if a.dtype.kind != "c" and a.dtype.kind in "if":
        if is_uniform(b, -1):
            return e.neg(a)
        if is_uniform(a, -1):
            return e.neg(b)
    if a.dtype.kind in "bui" and (is_uniform(a, 0) or is_uniform(b, 0)):
        return constant_like(a, 0)
    return None


@rule("div")
def div_one(node, a, b):
    """Division by a power of two is a product: exact, and several times quicker."""
    value = uniform(b)
    if value is None:
        return None
    if value == 1:
        return a
    if isinstance(value, float) and math.isfinite(value) and abs(math.frexp(value)[0]) == 0.5:
        inverse = 1.0 / value
        return e.mul(a, constant_like(b, inverse)) if fits_exactly(inverse, b.dtype) else None
    return None


def fits_exactly(value: float, dtype: DType) -> bool:
    """Whether a dtype holds this power of two without underflow to a denormal."""
    lowest = {"float16": -14, "bfloat16": -126, "float32": -126, "float64": -1022}[dtype.name]
    highest = {"float16": 15, "bfloat16": 127, "float32": 127, "float64": 1023}[dtype.name]
    return lowest <= math.frexp(value)[1] - 1 <= highest


@rule("pow")
def small_power(node, a, b):
    value = uniform(b)
    if value is None:
        return None
    if value == 1:
        return a
    if value == 2:
        return e.mul(a, a)
    if value == 0:
        return constant_like(a, 1)
    return e.reciprocal(a) if value == -1 and a.dtype.kind in "fc" else None


@rule("maximum", "minimum", "bitwise_and")
def with_itself(node, a, b):
    if a is b:
        return a
    if node.prim.name == "bitwise_and" and a.dtype.kind == "b":
        if is_uniform(a, True) or is_uniform(b, False):
            return b
        if is_uniform(b, True) or is_uniform(a, False):
            return a
    return None


@rule("where")
def known_choice(node, cond, a, b):
    if a is b:
        return a
    value = uniform(cond)
    if value is not None:
        return a if value else b
    if made_by(cond, "logical_not") and maker(cond).inputs[0].dtype.kind == "b":
        return e.where(maker(cond).inputs[0], b, a)
    return None


# -- products ----------------------------------------------------------------------------------------------------------


@rule("contract")
def contract_untransposed(node, a, b, *, batch, sum):
    """A product says itself which dims it pairs up, so an operand need not be transposed first."""
    first, second = without_transpose(a, batch[0], sum[0]), without_transpose(b, batch[1], sum[1])
    if first is a and second is b:
        return None
    batch = (moved_dims(a, first, batch[0]), moved_dims(b, second, batch[1]))
    sum = (moved_dims(a, first, sum[0]), moved_dims(b, second, sum[1]))
    return contract(first, second, batch=batch, sum=sum)


def without_transpose(x: Value, batch, sum) -> Value:
    """What x is a transpose of, where that keeps the order of the free dims; else x."""
    if not made_by(x, "transpose"):
        return x
    perm = maker(x).params["perm"]
    free = [perm[d] for d in range(x.ndim) if d not in batch and d not in sum]
    return maker(x).inputs[0] if free == sorted(free) else x


def moved_dims(x: Value, base: Value, dims) -> tuple[int, ...]:
    """The dims of `base` that x shows as `dims`."""
    return tuple(dims) if x is base else tuple([maker(x).params["perm"][d] for d in dims])


def swapped_product(x: Value, perm) -> Value | None:
    """The transpose of a matrix product without batch dims is the product of the swapped operands."""
    if not made_by(x, "contract") or maker(x).params["batch"] != ((), ()):
        return None
    a, b = maker(x).inputs
    first, second = maker(x).params["sum"]
    rows = a.ndim - len(first)
    if tuple(perm) != (*range(rows, x.ndim), *range(rows)):
        return None
    return contract(b, a, batch=((), ()), sum=(second, first))


# -- reductions --------------------------------------------------------------------------------------------------------


def without_dims(x: Value, dims) -> Value | None:
    """A reduction over nothing, or over dims of size 1, only reshapes."""
    if not dims:
        return x
    if all(is_static(x.shape[d]) and x.shape[d] == 1 for d in dims):
        return reshaped(x, tuple([n for d, n in enumerate(x.shape) if d not in dims]))
    return None


@rule("reduce_sum", "reduce_prod")
def simpler_sum(node, x, *, dims):
    plain = without_dims(x, dims) or sum_of_repeats(node, x, dims)
    value = uniform(x)
    if plain is not None or value is None or not all(is_static(x.shape[d]) for d in dims):
        return plain
    count = math.prod(x.shape[d] for d in dims)
    out = node.outs[0]
    if node.prim.name == "reduce_sum" and x.dtype.kind != "b":
        return constant(value * count if count else 0, out.shape, out.dtype)
    return constant(1, out.shape, out.dtype) if value == 1 else None


def sum_of_repeats(node: Node, x: Value, dims) -> Value | None:
    """The sum over places that all repeat one element is a multiple of it."""
    if not made_by(x, "broadcast") or node.prim.name != "reduce_sum" or x.dtype.kind == "b":
        return None
    if any(d in maker(x).params["dims"] for d in dims) or not all(is_static(x.shape[d]) for d in dims):
        return None
    inner, out = maker(x).inputs[0], node.outs[0]
    kept = [d for d in range(x.ndim) if d not in dims]
    places = tuple([kept.index(d) for d in maker(x).params["dims"]])
    multiple = inner * constant(math.prod(x.shape[d] for d in dims), inner.shape, inner.dtype)
    return multiple if same_sizes(multiple.shape, out.shape) else broadcast(multiple, shape=out.shape, dims=places)


@rule("reduce_max", "reduce_min", "reduce_all", "reduce_any")
def simpler_extreme(node, x, *, dims):
    plain = without_dims(x, dims)
    if plain is None and all(is_static(x.shape[d]) and x.shape[d] > 0 for d in dims):
        return refilled(x, node.outs[0])
    return plain


# -- constants ---------------------------------------------------------------------------------------------------------


@rule("literal")
def literal_number(node, *, value):
    """A literal with one number everywhere is a `full`, which needs no memory."""
    array, out = value.array, node.outs[0]
    if array.size == 0 or out.dtype.name == "bfloat16":
        return None
    first = array.reshape(-1)[0]
    if array.size == 1 or (array.view(f"V{array.itemsize}") == first.reshape(1).view(f"V{array.itemsize}")).all():
        return full(shape=out.shape, dtype=out.dtype, value=number_of(first, out.dtype))
    return None
