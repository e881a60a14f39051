"""Every primitive that is not the host's, compiled and compared with its meaning: dtypes, shapes, targets, threads."""

from __future__ import annotations

import numpy as np
import pytest
from codegen_driver import TARGETS, check, expect, record, run

from dovetail.base.dtypes import dtype_named, float32, int64
from dovetail.codegen.lower import can_lower, lower
from dovetail.ir.core import PRIMITIVES, Value
from dovetail.ir.sym import Sym
from dovetail.prims.contract import contract
from dovetail.prims.elementwise import convert, exp, log, maximum, sqrt, where
from dovetail.prims.families import ELEMENT
from dovetail.prims.index import gather, gather_nd, index_add, scatter, scatter_add, scatter_nd, take
from dovetail.prims.make import constant, iota, literal_of, random_bits
from dovetail.prims.reduce import argmax, reduce_max, reduce_sum
from dovetail.prims.scan import cumsum
from dovetail.prims.shape import (
    broadcast,
    concat,
    dynamic_slice,
    dynamic_update_slice,
    pad,
    reshape,
    restore,
    slice_,
    transpose,
    update_slice,
)
from dovetail.prims.sort import argsort

FAST = TARGETS[:1]
DTYPES = ["float32", "float64", "int32", "int64", "bool", "uint8", "int8", "int16", "float16"]
SHAPES = [(), (1,), (7,), (16,), (33,), (0,), (3, 5), (2, 0, 3), (4, 1, 17), (2, 3, 70)]


def numbers(shape, dtype: str = "float32", seed: int = 0, low: float = -4.0, high: float = 4.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind == "u":
        return rng.integers(0, 200, shape).astype(dtype)
    if kind == "i":
        return rng.integers(-100, 100, shape).astype(dtype)
    return np.asarray(rng.uniform(low, high, shape)).astype(dtype)


def names(arity: int) -> list[str]:
    """Element primitives of one or two operands that are compiled."""
    binary = {"add", "sub", "mul", "div", "pow", "maximum", "minimum", "fmod", "remainder", "floor_divide", "atan2",
              "hypot", "nextafter", "copysign", "bitwise_and", "bitwise_or", "bitwise_xor", "shift_left",
              "shift_right", "eq", "ne", "lt", "le", "gt", "ge"}
    skipped = {"where", "convert", "polygamma", "make_complex", "detach", "identity"}
    return [n for n, p in PRIMITIVES.items()
            if p.family == ELEMENT and n not in skipped and (n in binary) == (arity == 2)]


def takes(name: str, dtype: str) -> bool:
    return dtype_named(dtype).kind in (PRIMITIVES[name].kinds or "")


UNARY = [(n, d) for n in names(1) for d in DTYPES if takes(n, d)]
BINARY = [(n, d) for n in names(2) for d in DTYPES if takes(n, d)]
TOLERANCE = {"float64": 1e-12, "float32": 3e-6, "float16": 4e-3}


def lowers(prim, *inputs) -> bool:
    graph = record(lambda *xs: prim(*xs), *inputs)
    return can_lower(graph.nodes[0])


@pytest.mark.parametrize("name, dtype", UNARY)
def test_unary(name, dtype):
    x = numbers((3, 37), dtype, low=0.1 if name in ("log", "log2", "log10", "sqrt", "rsqrt", "lgamma") else -0.95,
                high=0.95 if name in ("atanh", "asin", "acos", "erfinv") else 3.0)
    if name == "acosh":
        x = np.abs(x) + 1
    prim = PRIMITIVES[name]
    if not lowers(prim, Value(x.shape, dtype_named(dtype))):
        pytest.skip("runs in Python")
    with np.errstate(all="ignore"):
        check(lambda a: prim(a), x, tol=TOLERANCE.get(dtype, 0), targets=TARGETS if dtype in TOLERANCE else FAST)


@pytest.mark.parametrize("name, dtype", BINARY)
def test_binary(name, dtype):
    x, y = numbers((3, 37), dtype, 1), numbers((3, 37), dtype, 2)
    if name == "pow":
        x, y = np.abs(x), (np.abs(y) % 5).astype(dtype)
    if name.startswith("shift"):
        y = (np.abs(y.astype(int)) % (8 * x.itemsize)).astype(dtype)
    prim = PRIMITIVES[name]
    with np.errstate(all="ignore"):
        check(lambda a, b: prim(a, b), x, y, tol=TOLERANCE.get(dtype, 0), targets=FAST)


SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-30, 3e38, -3e38, 100.0, -100.0, 88.5, -87.0,
                    1e4, 2.5])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", names(1))
def test_special_numbers(name, dtype):
    """NaN, infinities, zeros and numbers at the edge of the range."""
    prim = PRIMITIVES[name]
    if not takes(name, dtype) or not lowers(prim, Value((16,), dtype_named(dtype))):
        pytest.skip("not for floats, or not compiled")
    x = SPECIAL.astype(dtype)
    if name == "lgamma":
        x = x[:-3]
    with np.errstate(all="ignore"):
        if name in ("sin", "cos", "tan"):
            x = np.where(np.abs(x) > 1e6, 1, x).astype(dtype)
        check(lambda a: prim(a), x, tol=1e-5, targets=FAST)


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmod", "remainder", "floor_divide", "div", "pow", "eq", "lt"])
def test_special_pairs(name):
    x, y = (a.ravel().astype("float32") for a in np.meshgrid(SPECIAL, SPECIAL))
    if name in ("remainder", "floor_divide"):
        keep = np.isfinite(x) & np.isfinite(y)
        x, y = x[keep], y[keep]
    with np.errstate(all="ignore"):
        check(lambda a, b: PRIMITIVES[name](a, b), x, y, targets=FAST)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "int8"])
@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide"])
def test_division_by_zero_does_not_trap(name, dtype):
    lowest = np.iinfo(dtype).min
    x = np.array([5, lowest, lowest, 0, 7], dtype)
    y = np.array([0, np.array(-1).astype(dtype), 0, 0, 2], dtype)
    graph = record(lambda a, b: PRIMITIVES[name](a, b), *[Value((5,), dtype_named(dtype)) for _ in range(2)])
    (found,) = run(graph, [x, y])
    assert found[0] == 0 and found[2] == 0 and found[3] == 0


@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("source", DTYPES)
def test_convert(source, target):
    x = numbers((2, 19), source)
    check(lambda a: convert(a, dtype=dtype_named(target)), x, targets=FAST, tol=1e-3)


def test_float_to_integer_is_never_poison():
    x = np.array([np.nan, np.inf, -np.inf, 1e20, -1e20, 2.9, -2.9], np.float32)
    graph = record(lambda a: (convert(a, dtype=int64), convert(a, dtype=dtype_named("int32"))), Value((7,), float32))
    wide, narrow = run(graph, [x])
    assert wide.tolist() == [-(2**63)] * 5 + [2, -2]  # as torch on x86
    assert narrow.tolist() == [-(2**31)] * 5 + [2, -2]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_float_to_integer_out_of_range_is_the_same_in_both_tiers(dtype):
    x = np.array([np.nan, np.inf, 1e20, -1e20, 3e9, 300.0, -1.5, 2.0**63, 1.8e19] * 5, np.float32)
    kind = dtype_named(dtype)
    for a in (x, x.astype(np.float64)):
        check(lambda a: convert(a, dtype=kind), a, targets=TARGETS)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_what_is_cast_to_a_short_float_is_rounded_inside_a_kernel(dtype):
    """x.to(float16).to(float32) loses digits, though no memory lies between."""
    x = numbers((3, 37), "float32") * np.float32(1.0001)
    short = dtype_named(dtype)
    graph = record(lambda a: convert(convert(a, dtype=short), dtype=float32), Value(x.shape, float32))
    for target in TARGETS:
        (found,) = run(graph, [x], target=target)
        np.testing.assert_array_equal(found, x.astype(short.np).astype(np.float32))


def test_a_literal_is_read_from_the_code_where_it_is_also_an_output():
    table = np.arange(6).reshape(2, 3) * 3
    for target in TARGETS:
        found = run(record(lambda: (literal_of(table), literal_of(table) + 1)), [], target=target)
        np.testing.assert_array_equal(found[0], table)
        np.testing.assert_array_equal(found[1], table + 1)


def test_a_fold_over_nothing_beside_an_output_without_elements():
    """A kernel that stores into an empty output still computes its others."""
    check(lambda a: (a * 2.0, reduce_sum(a, dims=(0, 1)), reduce_sum(a * a, dims=(0, 1))), np.zeros((2, 0), np.float32))


def test_an_element_picked_at_run_time_is_read_through_a_reshape():
    x, at = numbers((2, 3, 4), "float32"), np.array([3])

    def picked(a, i):
        row = slice_(reshape(a, shape=(24,)), starts=(0,), stops=(4,), steps=(1,))
        return gather(row - restore(reduce_max(row, dims=(0,)), (4,), (0,)), i, dim=0)

    check(picked, x, at)


@pytest.mark.parametrize("shape", SHAPES)
def test_chain_over_shapes(shape):
    x, y = numbers(shape, seed=1), numbers(shape, seed=2)
    check(lambda a, b: (exp(a) * b + 2.0, where(a > b, a, b * 0.5)), x, y)


@pytest.mark.parametrize("shape, dims", [((5, 37), (1,)), ((5, 37), (0,)), ((5, 37), (0, 1)), ((3, 4, 65), (0, 2)),
                                         ((3, 4, 65), (1,)), ((3, 1, 5), (1,)), ((4, 0), (1,)), ((0, 4), (1,)),
                                         ((2, 200), (1,)), ((300, 3), (0,)), ((1,), (0,)), ((3, 5), ())])
@pytest.mark.parametrize("name", ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min"])
def test_reduce(name, shape, dims):
    if name in ("reduce_max", "reduce_min") and any(shape[d] == 0 for d in dims):
        pytest.skip("nothing to choose from")
    for dtype in ("float32", "int32"):
        x = numbers(shape, dtype, low=0.9, high=1.1)
        check(lambda a: PRIMITIVES[name](a, dims=dims), x, tol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_reduce_dtypes(dtype):
    x = numbers((6, 41), dtype)
    wanted = ["reduce_sum", "reduce_max", "reduce_min"] + (["reduce_all", "reduce_any"] if dtype == "bool" else [])
    for name in wanted:
        for dims in ((0,), (1,)):
            check(lambda a, name=name, dims=dims: PRIMITIVES[name](a, dims=dims), x, tol=1e-2, targets=FAST)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bool"])
def test_arg(name, dtype):
    x = numbers((9, 37), dtype)
    if dtype.startswith("float"):
        x = np.round(x)
        x[2, 5] = x[2, 9] = np.nan
        x[3] = -np.inf
    for dim in (0, 1):
        check(lambda a, dim=dim: PRIMITIVES[name](a, dim=dim), x)


def test_nan_wins_in_maxima():
    x = numbers((5, 40))
    x[1, 3] = x[4, 39] = np.nan
    check(lambda a: (reduce_max(a, dims=(0,)), reduce_max(a, dims=(1,)), PRIMITIVES["reduce_min"](a, dims=(0, 1))), x)


def test_long_folds_are_cut_and_do_not_depend_on_threads():
    x = numbers((700, 321))
    check(lambda a: (reduce_sum(a * a, dims=(0, 1)), reduce_max(a, dims=(0, 1)), reduce_sum(a, dims=(0,))), x, tol=1e-4)
    check(lambda a: reduce_sum(exp(a), dims=(0,)), numbers((200_001,)), tol=1e-4, targets=FAST)
    check(lambda a: reduce_sum(a, dims=(0,)), numbers((40_000, 5)), tol=1e-4)


def softmax(a, dim=1):
    top = restore(reduce_max(a, dims=(dim,)), a.shape, (dim,))
    e = exp(a - top)
    return e / restore(reduce_sum(e, dims=(dim,)), a.shape, (dim,))


def layer_norm(x, scale, shift):
    n = constant(x.shape[1], (x.shape[0],), x.dtype)
    mean = reduce_sum(x, dims=(1,)) / n
    off = x - restore(mean, x.shape, (1,))
    spread = reduce_sum(off * off, dims=(1,)) / n
    return off / restore(sqrt(spread + 1e-5), x.shape, (1,)) * scale + shift


def cross_entropy(x, labels):
    """The mean loss, and its gradient with regard to x."""
    n, classes = x.shape
    top = restore(reduce_max(x, dims=(1,)), x.shape, (1,))
    e = exp(x - top)
    total = reduce_sum(e, dims=(1,))
    logp = x - top - restore(log(total), x.shape, (1,))
    column = reshape(labels, shape=(n, 1))
    loss = reduce_sum(-gather(logp, column, dim=1), dims=(0, 1)) / constant(n, (), x.dtype)
    hit = scatter_add(constant(0, x.shape, x.dtype), column, constant(-1 / n, (n, 1), x.dtype), dim=1)
    grad = e / restore(total, x.shape, (1,)) / constant(n, x.shape, x.dtype) + hit
    return loss, grad, argmax(x, dim=1), reduce_sum(grad, dims=(0,))


@pytest.mark.parametrize("width", [1, 3, 10, 16, 64, 100, 130, 1000])
def test_rows(width):
    x = numbers((5, width))
    check(softmax, x)
    check(layer_norm, x, numbers((width,), seed=1), numbers((width,), seed=2), tol=1e-4)
    check(cross_entropy, x, np.random.default_rng(0).integers(0, width, 5))


def test_columns():
    x = numbers((50, 37))
    check(lambda a: softmax(a, dim=0), x)
    check(lambda a, b: (reduce_sum(a, dims=(0,)), reduce_sum(a * b, dims=(0,))), x, numbers((50, 37), seed=2), tol=1e-4)


def test_row_kernels_are_single_kernels():
    """Softmax, layer norm and cross entropy must not go through memory between their stages."""
    count = {}
    for name, function, inputs in [
        ("softmax", softmax, [Value((8, 50), float32)]),
        ("layer_norm", layer_norm, [Value((8, 50), float32), Value((50,), float32), Value((50,), float32)]),
        ("cross_entropy", lambda x, y: cross_entropy(x, y)[:2], [Value((8, 50), float32), Value((8,), int64)]),
    ]:
        count[name] = len(lower(record(function, *inputs), target=TARGETS[0]).kernels)
    assert count == {"softmax": 1, "layer_norm": 1, "cross_entropy": 2}


def test_shape_primitives():
    x, y = numbers((5, 37), seed=1), numbers((5, 37), seed=2)
    at, to = np.array(3), np.array(11)
    part = {"starts": (0, 0), "stops": (2, 5), "steps": (1, 1)}
    check(lambda a: transpose(a, perm=(1, 0)) * 2.0, x)
    check(lambda a: transpose(a, perm=(1, 0)), x)
    check(lambda a: pad(a, low=(1, 2), high=(0, 3), value=2.5), x)
    check(lambda a: exp(pad(exp(a), low=(0, 2), high=(0, 0), value=0)), x)
    check(lambda a, b: concat(a, exp(b), a, dim=1), x, y)
    check(lambda a, b: concat(a, b, dim=0) * 2.0, x, y)
    check(lambda a: slice_(a, starts=(4, 30), stops=(-1, 2), steps=(-1, -3)), x)
    check(lambda a: slice_(a, starts=(1, 3), stops=(5, 30), steps=(2, 1)) + 1.0, x)
    check(lambda a, b: update_slice(a, slice_(b, **part), starts=(1, 3), steps=(2, 4)), x, y)
    check(lambda a, b: update_slice(a, slice_(b, **part), starts=(4, 30), steps=(-2, -4)), x, y)
    check(lambda a, i, j: dynamic_slice(a, i, j, sizes=(2, 9)), x, at, to)
    check(lambda a, b, i, j: dynamic_update_slice(a, slice_(b, **part), i, j), x, y, at, to)
    check(lambda a: reshape(transpose(a, perm=(1, 0)), shape=(5 * 37,)) * 2.0, x)
    check(lambda a: exp(reshape(a * 2.0, shape=(37, 5))), x)
    check(lambda a: reshape(exp(a), shape=(37, 5)), x)
    check(lambda a: reduce_sum(reshape(transpose(a, perm=(1, 0)), shape=(5, 37)), dims=(0,)), x, tol=1e-4)
    check(lambda a: broadcast(a, shape=(3, 5, 4, 37), dims=(1, 3)) + 1.0, x)
    counted = {"shape": (5, 37), "dtype": int64}
    check(lambda a: (iota(**counted, dim=1), convert(iota(**counted, dim=0), dtype=float32) + a), x)
    check(lambda a: a + literal_of(y), x)
    check(lambda a: (a, a, constant(2.0, (3,), float32), transpose(a, perm=(1, 0))), x)


@pytest.mark.parametrize("dim", [0, 1])
def test_scans_and_sorting(dim):
    x = numbers((5, 37))
    for name in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"):
        for reverse in (False, True):
            check(lambda a, n=name, r=reverse: PRIMITIVES[n](a, dim=dim, reverse=r), x, targets=FAST)
    check(lambda a: cumsum(a, dim=dim) * 2.0, numbers((5, 37), "int64"), targets=FAST)
    ties = np.round(numbers((37, 65)))
    ties[3, 4] = np.nan
    for descending in (False, True):
        check(lambda a, d=descending: argsort(a, dim=dim, descending=d), ties, targets=FAST)
        check(lambda a, d=descending: argsort(a, dim=0, descending=d), numbers((1,)), targets=FAST)


@pytest.mark.parametrize("dtype", ["float32", "int32", "float64"])
def test_lookups_and_scatters(dtype):
    x, u = numbers((5, 37), dtype, 1), numbers((4, 30), dtype, 2)
    rng = np.random.default_rng(0)
    few, grid = rng.integers(0, 5, (7,)), rng.integers(0, 5, (4, 30))
    check(lambda a, i: take(a, i, dim=0), x, few)
    check(lambda a, i: take(a, i, dim=1), x, few.astype(np.int32))
    check(lambda a, i: take(a + a, i, dim=1), x, few.reshape(7, 1))
    check(lambda a, i, v: index_add(a, i, v, dim=0), x, few, numbers((7, 37), dtype))
    check(lambda a, i, v: index_add(a, i, v, dim=1), x, few, numbers((5, 7), dtype))
    for dim in (0, 1):
        check(lambda a, i, d=dim: gather(a, i, dim=d), x, grid)
        check(lambda a, i, v, d=dim: scatter_add(a, i, v, dim=d), x, grid, u, tol=1e-4)
        check(lambda a, i, v, d=dim: scatter(a, i, v, dim=d), x, grid, u)
    check(lambda a, i, v: scatter_add(a, i, v, dim=1), x, rng.integers(0, 37, (5, 1)), numbers((5, 1), dtype))
    check(lambda a, i, j: gather_nd(a, i, j), x, grid, grid[::-1].copy())
    check(lambda a, i: gather_nd(a, i), x, grid)
    for mode in ("add", "set"):
        check(lambda a, i, j, v, m=mode: scatter_nd(a, v, i, j, mode=m), x, grid, grid[::-1].copy(), u, tol=1e-4)
        check(lambda a, i, v, m=mode: scatter_nd(a, v, i, mode=m), x, few, numbers((7, 37), dtype))


def test_random_bits_are_those_of_the_interpreter():
    check(lambda s, c: random_bits(s, c, shape=(5, 13)), np.array(1234567891234), np.array(77))
    check(lambda s, c: random_bits(s, c, shape=(4, 64), offset=3), np.array(-5), np.array(2**40))


def dense(x, w, b):
    y = contract(x, w, batch=((), ()), sum=((1,), (1,))) + b
    return maximum(y, constant(0.0, y.shape, x.dtype))


@pytest.mark.parametrize("m, n, k", [(5, 7, 37), (32, 64, 784), (1, 10, 64), (33, 70, 1), (6, 64, 0), (17, 1, 20)])
def test_products_with_epilogues(m, n, k):
    check(dense, numbers((m, k)), numbers((n, k), seed=1), numbers((n,), seed=2), tol=1e-3)
    check(lambda x, w: contract(x, w, batch=((), ()), sum=((1,), (0,))), numbers((m, k)), numbers((k, n)), tol=1e-3)


def test_products_of_many_dims():
    x, w = numbers((2, 17, 3, 20)), numbers((2, 19, 3, 20))
    swap = (0, 2, 1, 3)
    pairs = {"batch": ((0, 1), (0, 1)), "sum": ((3,), (3,))}
    check(lambda a, b: contract(transpose(a, perm=swap), transpose(b, perm=swap), **pairs) * 2.0, x, w, tol=1e-4)
    check(lambda a, b: contract(a, b, batch=((), ()), sum=((0, 2), (0, 2))), x, w, tol=1e-3)
    check(lambda a, b, c: contract(a, b, batch=((), ()), sum=((2,), (1,))) + c, numbers((2, 17, 20)), numbers((19, 20)),
          numbers((17, 1)), tol=1e-4)
    check(lambda a, b, c: contract(a, b, batch=((), ()), sum=((1,), (2,))) + c, numbers((17, 20)), numbers((3, 7, 20)),
          numbers((3, 1)), tol=1e-4)
    check(lambda a, b: contract(a, b, batch=((), ()), sum=((), ())), numbers((33,)), numbers((12,)))
    check(lambda a, b: contract(exp(a), b, batch=((), ()), sum=((0,), (0,))), numbers((33,)), numbers((33,)), tol=1e-3)


@pytest.mark.parametrize("dtype", ["float64", "int32", "int64", "float16", "int16"])
def test_products_of_other_dtypes(dtype):
    x, y = numbers((9, 17), dtype), numbers((17, 12), dtype)
    tol = 1e-2 if dtype == "float16" else 1e-9
    check(lambda a, b: contract(a, b, batch=((), ()), sum=((1,), (0,))), x, y, tol=tol)


# Memory


def test_layouts():
    x = numbers((37, 5)).T
    y = numbers((5, 80))[:, 3::2][:, :37]
    check(lambda a, b: (a + b, reduce_sum(a, dims=(1,)), contract(a, b, batch=((), ()), sum=((1,), (1,))),
                        reshape(a, shape=(37, 5))), x, y, layouts=True, tol=1e-4)


def test_update_in_place():
    p, g = numbers((40, 30)), numbers((40, 30), seed=1)
    check(lambda a, b: a - b * 0.1, p, g, alias={0: 0})


def test_update_in_place_is_ordered_behind_other_readers():
    w, x = numbers((64, 64)), numbers((9, 64), seed=1)

    def step(w, x):
        y = contract(x, w, batch=((), ()), sum=((1,), (1,)))
        grad = contract(y, x, batch=((), ()), sum=((0,), (0,)))
        new = w - grad * 0.01
        return new, contract(y, w, batch=((), ()), sum=((1,), (0,))), reduce_sum(w, dims=(0,))

    check(step, w, x, alias={0: 0}, tol=1e-3)


@pytest.mark.parametrize("function", [
    lambda w: transpose(w, perm=(1, 0)) + 1.0,
    lambda w: contract(w, w, batch=((), ()), sum=((1,), (1,))),
    lambda w: slice_(w, starts=(39, 0), stops=(-1, 40), steps=(-1, 1)),
    lambda w: softmax(w),
    lambda w: cumsum(w, dim=0),
    lambda w: w - restore(reduce_sum(w, dims=(0,)), w.shape, (0,)),
])
def test_update_in_place_where_reads_are_elsewhere(function):
    check(lambda w: (function(w), w * 2.0), numbers((40, 40)), alias={0: 0}, tol=1e-3)


def test_swapped_inputs():
    check(lambda a, b: (b + 1.0, a + b), numbers((9, 9)), numbers((9, 9), seed=1), alias={0: 0, 1: 1})
    check(lambda a, b: (b, a), numbers((9, 9)), numbers((9, 9), seed=1), alias={0: 0, 1: 1})
    check(lambda a, b: (a, b + a), numbers((9, 9)), numbers((9, 9), seed=1), alias={0: 0, 1: 1})


def test_in_place_through_a_transposed_layout():
    w, g = numbers((30, 40)).T, numbers((40, 30), seed=1)
    check(lambda a, b: a - b * 0.1, w, g, alias={0: 0}, layouts=True)


@pytest.mark.parametrize("size", [32, 1, 0, 5, 200])
def test_sizes_known_at_run_time(size):
    """One program, made from a sample of 32 rows, for every number of rows."""
    n = Sym(32, ("table", 0))

    def step(x, w, labels):
        h = maximum(contract(x, w, batch=((), ()), sum=((1,), (1,))), constant(0.0, (n, 10), float32))
        top = restore(reduce_max(h, dims=(1,)), (n, 10), (1,))
        e = exp(h - top)
        p = e / restore(reduce_sum(e, dims=(1,)), (n, 10), (1,))
        picked = gather(p, reshape(labels, shape=(n, 1)), dim=1)
        back = contract(p, x, batch=((), ()), sum=((0,), (0,)))
        both = concat(p, p * 2.0, dim=0)
        return p, reduce_sum(picked, dims=(0, 1)), back, reduce_sum(h, dims=(0,)), both, reshape(h, shape=(n * 10,))

    inputs = [Value((n, 37), float32), Value((10, 37), float32), Value((n,), int64)]
    graph = record(step, *inputs)
    arrays = [numbers((size, 37)), numbers((10, 37), seed=1), np.random.default_rng(0).integers(0, 10, size)]
    fixed = record_with(step, arrays, size)
    shapes = [tuple(v.shape) for v in fixed.outputs]
    wanted = expect(fixed, arrays)
    for target in TARGETS:
        for threads in (1, 2):
            found = run(graph, arrays, target=target, threads=threads, sizes=(size,), shapes=shapes)
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def record_with(step, arrays, size):
    """The same function with plain sizes."""
    cells = {c: v for c, v in zip(step.__code__.co_freevars, step.__closure__, strict=True)}
    before = cells["n"].cell_contents
    cells["n"].cell_contents = size
    try:
        return record(step, *[Value(a.shape, float32 if a.dtype == np.float32 else int64) for a in arrays])
    finally:
        cells["n"].cell_contents = before


def test_equal_kernels_are_one_function():
    def layers(x, *weights):
        for w in weights:
            x = dense(x, w, constant(0.5, (64,), float32))
        return x

    weights = [Value((64, 64), float32) for _ in range(5)]
    text = lower(record(layers, Value((32, 64), float32), *weights), target=TARGETS[0]).text
    assert text.count("define internal") == 1


def test_truth_values_in_lanes():
    x, y = numbers((70,), "bool"), numbers((70,), "bool", 1)
    check(lambda a, b: PRIMITIVES["bitwise_and"](a, PRIMITIVES["bitwise_not"](b)), x, y)


PRODUCT = {"batch": ((), ()), "sum": ((1,), (0,))}


def through_a_norm(a, w, scale, seen):
    """A product whose every use multiplies it: sums over rows and over columns, as behind a layer norm."""
    g = contract(a, w, **PRODUCT)
    down = reduce_sum(g * seen, dims=(0,))
    scaled = g * broadcast(scale, shape=(18, 24), dims=(1,))
    across = reduce_sum(scaled, dims=(1,))
    deep = reduce_sum(scaled * seen, dims=(1,))
    back = scaled - broadcast(across, shape=(18, 24), dims=(0,))
    return down, back - seen * broadcast(deep, shape=(18, 24), dims=(0,))


def with_its_squares(a, w):
    """A gradient that is used and whose squares are added up."""
    g = contract(a, w, **PRODUCT)
    return g, reduce_sum(g * g, dims=(0, 1))


def kept_whole(a, w, bias):
    """One array either way: the sum stays where the product is."""
    g = contract(a, w, **PRODUCT) + bias
    return reduce_sum(g, dims=(1,)), g


@pytest.mark.parametrize("function, more, first", [
    (through_a_norm, [(24,), (18, 24)], "contract"), (with_its_squares, [], "contract"),
    (kept_whole, [(18, 24)], "contract add"),
])  # fmt: skip
def test_a_product_is_stored_once_for_readers_that_multiply_it(function, more, first):
    shapes = [(18, 40), (40, 24), *more]
    check(function, *[numbers(shape, seed=i) for i, shape in enumerate(shapes)], tol=1e-4)
    lowered = lower(record(function, *[Value(shape, float32) for shape in shapes]), target=TARGETS[0])
    assert [k.words for k in lowered.kernels][0] == first
