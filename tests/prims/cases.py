"""One row (or more) for each primitive: its inputs, its settings, and torch's name for the same thing.

`array(shape, low, high)` inputs are drawn in float64 and converted to each dtype of the primitive that `dtypes` names.
The torch side (a string of Python over t, the list of input tensors, with `torch` and the settings in reach) is run by
make_reference.py, which stores what it gives in reference.npz.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dovetail.base.dtypes import bool_, complex64, float16, float32, float64, int32, int64, uint8
from dovetail.ir.core import Literal

NAN, INF = math.nan, math.inf
ALL_NUMBERS = ("uint8", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128")
FLOATS = ("float32", "float64", "complex64", "complex128")
REALS = ("float32", "float64")
WHOLE = ("uint8", "int32", "int64")
ORDERED = ("bool", *WHOLE, "float16", *REALS)


@dataclass
class Draw:
    """A random input: uniform in [low, high); complex dtypes also draw an imaginary part. dtype fixes the dtype."""

    shape: tuple
    low: float = -2.0
    high: float = 2.0
    dtype: str = ""


@dataclass
class Row:
    inputs: list = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    torch: str = ""  # expression; "" where torch has no counterpart
    dtypes: tuple[str, ...] = REALS
    gradient: int = 2  # orders to check by finite differences; 0 for none
    tolerance: float = 2e-6  # relative, for float32; float64 is held to 1e-12 at least
    numpy: Any = None  # a NumPy reference where torch has none
    tolerance64: float = 1e-12  # for float64: how well torch's formula and ours agree
    torch_gradient: bool = True  # False: torch's own gradient is not a number, or is cut short, at these inputs


def draws(low: float = -2.0, high: float = 2.0, count: int = 1, shape: tuple = (3, 5)) -> list:
    return [Draw(shape, low, high) for _ in range(count)]


def special(*numbers: float) -> list:
    return [np.array(numbers)]


CORNERS = special(NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e30, -1e30, 1e-30)


def unary(name: str, low: float = -2.0, high: float = 2.0, dtypes: tuple = FLOATS, corners: bool = True) -> list[Row]:
    call = name if "(" in name else f"torch.{name}(t[0])"
    rows = [Row(draws(low, high), torch=call, dtypes=dtypes, tolerance=1e-5)]
    reals = tuple(d for d in dtypes if d in REALS)
    if corners and reals:
        rows.append(Row(CORNERS, torch=call, dtypes=reals, gradient=0, tolerance=1e-5))
    return rows


def pairs(values: list[float]) -> list:
    grid = np.array([(a, b) for a in values for b in values])
    return [grid[:, 0].copy(), grid[:, 1].copy()]


def binary(name: str, dtypes: tuple = FLOATS, order: int = 2) -> list[Row]:
    call = f"torch.{name}(t[0], t[1])"
    rows = [Row(draws(0.3, 2.0, 2), torch=call, dtypes=dtypes, gradient=order, tolerance=1e-5)]
    reals = tuple(d for d in dtypes if d in REALS)
    if reals:
        some = pairs([NAN, INF, -INF, 0.0, -0.0, 1.0, -2.5, 3.0])
        rows.append(Row(some, torch=call, dtypes=reals, gradient=0, tolerance=1e-5))
    whole = tuple(d for d in dtypes if d in WHOLE)
    if whole:
        rows.append(Row(draws(1, 90, 2), torch=call, dtypes=whole, gradient=0))
    return rows


def indices(high: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, high, shape)


BOTH = [np.array([False, False, True, True]), np.array([False, True, False, True])]
SIGNED = [np.array([7, -7, 7, -7, 5]), np.array([3, 3, -3, -3, 5])]

ROWS: dict[str, list[Row]] = {
    # make
    "full": [
        Row(params={"shape": (2, 3), "dtype": float32, "value": 1.5}, torch="torch.full((2, 3), 1.5)", dtypes=()),
        Row(params={"shape": (40, 40), "dtype": int64, "value": -3}, torch="torch.full((40, 40), -3)", dtypes=()),
        Row(params={"shape": (), "dtype": bool_, "value": True}, torch="torch.tensor(True)", dtypes=()),
        Row(params={"shape": (2,), "dtype": uint8, "value": -1}, dtypes=(),
            numpy=lambda **_: np.full(2, 255, np.uint8)),
    ],
    "iota": [
        Row(params={"shape": (2, 3), "dtype": int64, "dim": 1}, torch="torch.arange(3).expand(2, 3)", dtypes=()),
        Row(params={"shape": (2, 3), "dtype": float32, "dim": 0}, torch="torch.arange(2.)[:, None].expand(2, 3)",
            dtypes=()),
    ],
    "literal": [Row(params={"value": Literal(np.arange(6.0).reshape(2, 3))}, dtypes=(),
                    numpy=lambda value: value.array)],
    "random_bits": [Row([np.array(0), np.array(0)], {"shape": (4,)}, dtypes=("int64",), gradient=0,
                        numpy=lambda s, c, shape: np.array([0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8],
                                                           np.uint32).view(np.int32))],
    # copies
    "convert": [
        Row(draws(), {"dtype": float32}, "t[0].to(torch.float32)", ("float64", "float16", "bool", "int32"), 0),
        Row(draws(), {"dtype": float64}, "t[0].to(torch.float64)", REALS),
        Row(draws(), {"dtype": complex64}, "t[0].to(torch.complex64)", ("float32", "complex128"), 0),
        Row(draws(-3, 3), {"dtype": int64}, "t[0].to(torch.int64)", (*REALS, "uint8", "bool"), 0),
        Row(special(300.0, -1.0, 2.7, -2.7), {"dtype": uint8}, "t[0].to(torch.uint8)", REALS, 0),
        Row(special(NAN, 0.0, -0.0, 0.5), {"dtype": bool_}, "t[0].to(torch.bool)", REALS, 0),
        Row(special(1e9, -7.0), {"dtype": int32}, "t[0].to(torch.int32)", REALS, 0),
        Row(special(NAN, INF, 1e-8, 70000.0, 1.0009766), {"dtype": float16}, "t[0].to(torch.float16)", REALS, 0),
    ],
    "detach": [Row(draws(), torch="t[0].detach()", dtypes=ALL_NUMBERS, gradient=0)],
    "identity": [Row(draws(), torch="t[0]", dtypes=ALL_NUMBERS)],
    # unary
    "neg": unary("neg", dtypes=ALL_NUMBERS),
    "abs": unary("abs", dtypes=("int32", "int64", "float16", *FLOATS)),
    "sign": [
        *unary("sgn", dtypes=("float16", *FLOATS)),
        Row(draws(-9, 9), torch="torch.sign(t[0])", dtypes=("bool", "int32", "int64"), gradient=0),
    ],
    "floor": unary("floor", dtypes=("float16", *REALS)),
    "ceil": unary("ceil", dtypes=("float16", *REALS)),
    "round": unary("round", dtypes=("float16", *REALS)),
    "trunc": unary("trunc", dtypes=("float16", *REALS)),
    "exp": unary("exp"),
    "exp2": unary("exp2"),
    "expm1": unary("expm1"),
    "log": unary("log", 0.2, 3),
    "log2": unary("log2", 0.2, 3),
    "log10": unary("log10", 0.2, 3),
    "log1p": unary("log1p", -0.7, 3),
    "sqrt": unary("sqrt", 0.2, 3),
    "rsqrt": unary("rsqrt", 0.2, 3),
    "reciprocal": unary("reciprocal", 0.2, 3),
    "sin": unary("sin"),
    "cos": unary("cos"),
    "tan": unary("tan", -1.2, 1.2),
    "asin": unary("asin", -0.9, 0.9),
    "acos": unary("acos", -0.9, 0.9),
    "atan": unary("atan", 0.2, 2),
    "sinh": unary("sinh"),
    "cosh": unary("cosh"),
    "tanh": unary("tanh"),
    "asinh": unary("asinh"),
    "acosh": unary("acosh", 1.2, 3),
    "atanh": unary("atanh", -0.9, 0.9),
    "sigmoid": unary("sigmoid"),
    "erf": unary("erf", dtypes=REALS),
    "erfc": unary("erfc", dtypes=REALS),
    "erfinv": unary("erfinv", -0.95, 0.95, dtypes=REALS),
    "lgamma": unary("lgamma", 0.2, 9, dtypes=REALS),
    "digamma": [*unary("digamma", 0.2, 9, dtypes=REALS, corners=False),
                Row(CORNERS, torch="torch.digamma(t[0])", gradient=0, torch_gradient=False)],
    "polygamma": [Row(draws(0.3, 9), {"n": n}, f"torch.polygamma({n}, t[0])", tolerance=1e-5, tolerance64=1e-9)
                  for n in (1, 2, 3)],
    "logical_not": unary("logical_not", dtypes=("bool", "int32", *FLOATS)),
    "bitwise_not": unary("bitwise_not", -50, 50, dtypes=("bool", "uint8", "int64")),
    "is_nan": unary("isnan", dtypes=("int32", *FLOATS)),
    "is_inf": unary("isinf", dtypes=("int32", *FLOATS)),
    "is_finite": unary("isfinite", dtypes=("int32", *FLOATS)),
    "real": unary("real", dtypes=FLOATS, corners=False),
    "imag": unary("imag", dtypes=("complex64", "complex128")),
    "conj": unary("torch.conj(t[0]).resolve_conj()", dtypes=FLOATS, corners=False),
    "angle": unary("angle"),
    "make_complex": [Row(draws(count=2), torch="torch.complex(t[0], t[1])")],
    # binary
    "add": [*binary("add", dtypes=ALL_NUMBERS), Row(BOTH, torch="t[0] + t[1]", dtypes=("bool",), gradient=0)],
    "sub": binary("sub", dtypes=ALL_NUMBERS),
    "mul": [*binary("mul", dtypes=ALL_NUMBERS), Row(BOTH, torch="t[0] * t[1]", dtypes=("bool",), gradient=0)],
    "div": binary("div"),
    "pow": [
        *binary("pow"),
        Row([np.array([2, -1, 1, -2, 0, -1, 3, 7]), np.array([-1, -1, -3, 3, 0, -2, 40, 2])],
            torch="torch.pow(t[0], t[1])", dtypes=("int32", "int64"), gradient=0),
    ],
    "maximum": [*binary("maximum", dtypes=("int32", "float16", *REALS)),
                Row(BOTH, torch="torch.maximum(t[0], t[1])", dtypes=("bool",), gradient=0)],
    "minimum": [*binary("minimum", dtypes=("int32", "float16", *REALS)),
                Row(BOTH, torch="torch.minimum(t[0], t[1])", dtypes=("bool",), gradient=0)],
    "fmod": [*binary("fmod", dtypes=REALS), Row(SIGNED, torch="torch.fmod(t[0], t[1])", dtypes=("int32",), gradient=0)],
    "remainder": [*binary("remainder", dtypes=REALS),
                  Row(SIGNED, torch="torch.remainder(t[0], t[1])", dtypes=("int64", *REALS), gradient=0)],
    "floor_divide": [*binary("floor_divide", dtypes=REALS),
                     Row(SIGNED, torch="torch.floor_divide(t[0], t[1])", dtypes=("int64", *REALS), gradient=0)],
    "atan2": binary("atan2", dtypes=REALS),
    "hypot": binary("hypot", dtypes=REALS),
    "nextafter": binary("nextafter", dtypes=REALS, order=0),
    "copysign": binary("copysign", dtypes=REALS),
    "bitwise_and": binary("bitwise_and", dtypes=WHOLE),
    "bitwise_or": binary("bitwise_or", dtypes=WHOLE),
    "bitwise_xor": [*binary("bitwise_xor", dtypes=WHOLE),
                    Row(BOTH, torch="t[0] ^ t[1]", dtypes=("bool",), gradient=0)],
    "shift_left": [Row([np.array([1, 1, 3, -1, 5]), np.array([2, 31, 32, 40, 0])], {},
                       "torch.bitwise_left_shift(t[0], t[1])", ("int32",), 0)],
    "shift_right": [Row([np.array([100, -100, 3, -1, 5]), np.array([2, 31, 32, 40, 0])], {},
                        "torch.bitwise_right_shift(t[0], t[1])", ("int32",), 0)],
    **{name: binary(name, dtypes=("int32", *REALS), order=0) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "where": [Row([indices(2, 3, 5).astype(bool), *draws(count=2)], torch="torch.where(t[0], t[1], t[2])",
                  dtypes=ALL_NUMBERS)],
    # shape
    "reshape": [Row(draws(shape=(2, 6)), {"shape": (3, 1, 4)}, "t[0].reshape(3, 1, 4)", ALL_NUMBERS),
                Row(draws(shape=(0, 6)), {"shape": (3, 0)}, "t[0].reshape(3, 0)")],
    "transpose": [Row(draws(shape=(2, 3, 4)), {"perm": (2, 0, 1)}, "t[0].permute(2, 0, 1)", ALL_NUMBERS)],
    "broadcast": [
        Row(draws(shape=(3, 1)), {"shape": (2, 3, 4), "dims": (1, 2)}, "t[0].expand(2, 3, 4)", ALL_NUMBERS),
        Row(draws(shape=(3,)), {"shape": (3, 4), "dims": (0,)}, "t[0][:, None].expand(3, 4)"),
        Row(draws(shape=()), {"shape": (2, 2), "dims": ()}, "t[0].expand(2, 2)"),
    ],
    "slice": [
        Row(draws(shape=(5, 6)), {"starts": (1, 5), "stops": (5, -1), "steps": (2, -1)}, "t[0][1:5:2].flip(1)",
            ALL_NUMBERS),
        Row(draws(shape=(5, 6)), {"starts": (1, 2), "stops": (4, 5), "steps": (1, 1)}, "t[0][1:4, 2:5]"),
        Row(draws(shape=(5,)), {"starts": (4,), "stops": (0,), "steps": (-2,)}, "t[0][[4, 2]]"),
        Row(draws(shape=(5,)), {"starts": (3,), "stops": (3,), "steps": (1,)}, "t[0][3:3]"),
    ],
    "diagonal": [
        Row(draws(shape=(2, 4, 5)), {"starts": (1, 0), "size": 3}, "t[0].diagonal(-1, 1, 2)", ALL_NUMBERS),
        Row(draws(shape=(3, 5)), {"starts": (0, 2), "size": 3}, "t[0].diagonal(2)"),
        Row(draws(shape=(3, 0)), {"starts": (0, 0), "size": 0}, "t[0].diagonal()"),
    ],
    "update_slice": [
        Row([Draw((5, 6)), Draw((2, 3))], {"starts": (1, 4), "steps": (2, -2)}, dtypes=(*ALL_NUMBERS, "bool"),
            numpy=lambda x, u, starts, steps: with_part(x, u, np.s_[1:5:2, 4::-2])),
    ],
    "dynamic_slice": [
        Row([Draw((5, 6)), np.array(2), np.array(9)], {"sizes": (2, 3)}, "t[0][2:4, 3:6]"),
        Row([Draw((5, 6)), np.array(-2), np.array(1)], {"sizes": (2, 3)}, "t[0][0:2, 1:4]"),
    ],
    "dynamic_update_slice": [
        Row([Draw((5, 6)), Draw((2, 3)), np.array(2), np.array(9)],
            numpy=lambda x, u, a, b: with_part(x, u, np.s_[2:4, 3:6])),
    ],
    "pad": [Row(draws(shape=(2, 3)), {"low": (1, 0), "high": (0, 2), "value": 7},
                "torch.nn.functional.pad(t[0], (0, 2, 1, 0), value=7)", ALL_NUMBERS)],
    "concat": [Row([Draw((2, 3)), Draw((2, 1)), Draw((2, 0))], {"dim": 1}, "torch.cat(t, 1)", ALL_NUMBERS)],
    # reduce
    "reduce_sum": [
        Row(draws(shape=(3, 4, 5)), {"dims": (0, 2)}, "t[0].sum((0, 2), dtype=t[0].dtype)", ALL_NUMBERS,
            tolerance=1e-5),
        Row(draws(shape=(3, 0)), {"dims": (1,)}, "t[0].sum(1)"),
        Row(draws(shape=(3, 4)), {"dims": ()}, "t[0]"),
    ],
    "reduce_prod": [
        Row(draws(shape=(2, 3, 2)), {"dims": (0, 2)}, "t[0].prod(2).prod(0)", FLOATS, tolerance=1e-5),
        Row([np.array([[1.0, 0.0, 3.0], [0.0, 0.0, 2.0], [4.0, 5.0, 6.0]])], {"dims": (1,)}, "t[0].prod(1)"),
        Row([np.array([[1.0, 0.0, 3.0], [0.0, 0.0, 2.0]])], {"dims": (0, 1)}, "t[0].prod()"),
    ],
    "reduce_max": [Row(draws(shape=(3, 4, 5)), {"dims": (0, 2)}, "t[0].amax((0, 2))", ORDERED),
                   Row([np.array([[1.0, NAN, 3.0], [2.0, 2.0, 1.0]])], {"dims": (1,)}, "t[0].amax(1)", gradient=0)],
    "reduce_min": [Row(draws(shape=(3, 4, 5)), {"dims": (0, 2)}, "t[0].amin((0, 2))", ORDERED),
                   Row([np.array([[1.0, NAN, 3.0], [2.0, 1.0, 1.0]])], {"dims": (1,)}, "t[0].amin(1)", gradient=0)],
    "reduce_all": [Row([indices(2, 3, 2).astype(bool)], {"dims": (1,)}, "t[0].all(1)", ("bool",), 0)],
    "reduce_any": [Row([indices(2, 3, 2).astype(bool)], {"dims": (1,)}, "t[0].any(1)", ("bool",), 0)],
    "reduce_xor": [Row([indices(3, 4, 6)], {"dims": (1,)}, numpy=lambda x, dims: np.bitwise_xor.reduce(x, axis=1),
                       dtypes=WHOLE, gradient=0)],
    "bitcast": [Row([np.arange(6, dtype=np.int32).reshape(2, 3)], {"dtype": float32}, dtypes=(), gradient=0,
                    numpy=lambda x, dtype: x.view(np.float32)),
                Row([np.arange(6, dtype=np.int32).reshape(3, 2)], {"dtype": int64}, dtypes=(), gradient=0,
                    numpy=lambda x, dtype: x.view(np.int64)),
                Row([np.arange(6, dtype=np.int64).reshape(2, 3)], {"dtype": uint8}, dtypes=(), gradient=0,
                    numpy=lambda x, dtype: x.view(np.uint8))],
    "argmax": [Row([indices(3, 4, 6)], {"dim": 1}, "t[0].argmax(1)", ("int64", *REALS), 0),
               Row(special(1, NAN, 3, NAN), {"dim": 0}, "t[0].argmax(0)", REALS, 0)],
    "argmin": [Row([indices(3, 4, 6)], {"dim": 0}, "t[0].argmin(0)", ("int64", *REALS), 0),
               Row(special(1, NAN, 3, NAN), {"dim": 0}, "t[0].argmin(0)", REALS, 0)],
    # scan
    "cumsum": [Row(draws(shape=(3, 5)), {"dim": d}, f"t[0].cumsum({d}, dtype=t[0].dtype)", ALL_NUMBERS, tolerance=1e-5)
               for d in (0, 1)]
              + [Row(draws(shape=(3, 5)), {"dim": 1, "reverse": True}, "t[0].flip(1).cumsum(1).flip(1)",
                     tolerance=1e-5)],
    "cumprod": [
        Row(draws(shape=(3, 5)), {"dim": 1}, "t[0].cumprod(1, dtype=t[0].dtype)", FLOATS, tolerance=1e-5),
        Row([np.array([[1.0, 0.0, 3.0, 2.0], [0.0, 5.0, 0.0, 2.0]])], {"dim": 1}, "t[0].cumprod(1)"),
        Row(draws(shape=(3, 5)), {"dim": 0, "reverse": True}, "t[0].flip(0).cumprod(0).flip(0)", tolerance=1e-5),
    ],
    "cummax": [Row(draws(shape=(3, 5)), {"dim": 1}, "t[0].cummax(1).values", ("int32", *REALS)),
               Row(special(1, 3, 3, NAN, 2), {"dim": 0}, "t[0].cummax(0).values", gradient=0),
               Row(draws(shape=(3, 5)), {"dim": 0, "reverse": True}, "t[0].flip(0).cummax(0).values.flip(0)")],
    "cummin": [Row(draws(shape=(3, 5)), {"dim": 1}, "t[0].cummin(1).values", ("int32", *REALS)),
               Row(special(1, 3, 0, NAN, 2), {"dim": 0}, "t[0].cummin(0).values", gradient=0)],
    "logcumsumexp": [Row(draws(shape=(3, 5)), {"dim": 1}, "t[0].logcumsumexp(1)", tolerance=1e-5),
                     Row(special(-INF, -INF, 1.0, 700.0), {"dim": 0}, "t[0].logcumsumexp(0)", gradient=0,
                         torch_gradient=False),
                     Row(draws(shape=(3, 5)), {"dim": 0, "reverse": True}, "t[0].flip(0).logcumsumexp(0).flip(0)",
                         tolerance=1e-5)],
    # index
    "take": [
        Row([Draw((3, 5, 2)), indices(5, 4)], {"dim": 1}, "t[0].index_select(1, t[1])", ALL_NUMBERS),
        Row([Draw((5, 2)), indices(5, 2, 3)], {"dim": 0}, "t[0][t[1]]"),
        Row([Draw((5, 2)), np.array(3)], {"dim": 0}, "t[0][3]"),
    ],
    "index_add": [Row([Draw((3, 5)), indices(5, 6), Draw((3, 6))], {"dim": 1}, "t[0].index_add(1, t[1], t[2])",
                      FLOATS)],
    "gather": [Row([Draw((3, 5)), indices(5, 2, 4)], {"dim": 1}, "t[0].gather(1, t[1])", ALL_NUMBERS),
               Row([Draw((3, 5)), indices(3, 6, 4)], {"dim": 0}, "t[0].gather(0, t[1])")],
    "scatter": [Row([Draw((3, 5)), np.array([[0, 4, 2], [3, 1, 0]]), Draw((2, 3))], {"dim": 1},
                    "t[0].scatter(1, t[1], t[2])", ALL_NUMBERS)],
    "scatter_add": [Row([Draw((3, 5)), indices(5, 2, 6), Draw((2, 6))], {"dim": 1}, "t[0].scatter_add(1, t[1], t[2])",
                        FLOATS)],
    "gather_nd": [Row([Draw((3, 4, 2)), indices(3, 2, 3), indices(4, 2, 3)], {}, "t[0][t[1], t[2]]", ALL_NUMBERS)],
    "scatter_nd": [
        Row([Draw((3, 4, 2)), Draw((5, 2)), indices(3, 5), indices(4, 5)], {"mode": "add"},
            "t[0].index_put((t[2], t[3]), t[1], accumulate=True)", FLOATS),
        Row([Draw((3, 4)), Draw((3,)), np.array([0, 2, 1]), np.array([3, 3, 0])], {"mode": "set"},
            "t[0].index_put((t[2], t[3]), t[1])", ALL_NUMBERS),
    ],
    "argsort": [
        Row([indices(3, 4, 9)], {"dim": 1, "descending": down, "stable": True},
            f"t[0].argsort(dim=1, descending={down}, stable=True)", ("bool", "int64", *REALS), 0)
        for down in (False, True)
    ] + [
        Row(special(1, NAN, 3, 1, -INF), {"dim": 0, "descending": down, "stable": True},
            f"t[0].argsort(dim=0, descending={down}, stable=True)", REALS, 0) for down in (False, True)
    ],
    # contract
    "contract": [
        Row([Draw((3, 4)), Draw((4, 5))], {"batch": ((), ()), "sum": ((1,), (0,))}, "t[0] @ t[1]",
            ("int32", "int64", "float16", *FLOATS), tolerance=1e-5),
        Row([Draw((2, 3, 4, 5)), Draw((3, 5, 2, 6))], {"batch": ((1,), (0,)), "sum": ((0, 3), (2, 1))},
            "torch.einsum('abcd,bdae->bce', t[0], t[1])", FLOATS, tolerance=1e-5),
        Row([Draw((3,)), Draw((3,))], {"batch": ((), ()), "sum": ((0,), (0,))}, "(t[0] * t[1]).sum()", tolerance=1e-5),
        Row([Draw((3,)), Draw((2,))], {"batch": ((), ()), "sum": ((), ())}, "torch.outer(t[0], t[1])"),
        Row([Draw((3, 0)), Draw((0, 2))], {"batch": ((), ()), "sum": ((1,), (0,))}, "t[0] @ t[1]"),
    ],
    # matrices without a gradient; the others are in linalg_cases.py
    "geqrf": [Row([Draw(shape)], torch="torch.geqrf(t[0].detach())[0]", dtypes=FLOATS, gradient=0, tolerance=1e-4)
              for shape in ((2, 5, 3), (3, 4))],
    # Fourier transforms
    "fft": [
        Row(draws(shape=(3, 4, 5)), {"dims": (0, 2), "inverse": inverse, "norm": norm},
            f"torch.fft.{'i' if inverse else ''}fftn(t[0], dim=(0, 2), norm='{norm}')", ("complex64", "complex128"),
            tolerance=1e-5)
        for inverse in (False, True) for norm in ("backward", "ortho", "forward")
    ],
    "rfft": [
        Row(draws(shape=(3, n)), {"dims": (0, 1), "norm": norm}, f"torch.fft.rfftn(t[0], dim=(0, 1), norm='{norm}')",
            tolerance=1e-5)
        for n in (6, 7) for norm in ("backward", "ortho", "forward")
    ],
    "irfft": [Row(draws(shape=(3, 4)), {"dims": (0, 1), "size": n, "norm": norm},
                  f"torch.fft.irfftn(t[0], s=(3, {n}), dim=(0, 1), norm='{norm}')", ("complex64", "complex128"),
                  tolerance=1e-5) for n in (6, 7) for norm in ("backward", "ortho", "forward")],
}


def with_part(x: np.ndarray, u: np.ndarray, at) -> np.ndarray:
    out = x.copy()
    out[at] = u
    return out


def arrays_of(row: Row, dtype: str, seed: int) -> list[np.ndarray]:
    """The row's inputs: given integers and bools stay, everything else becomes `dtype`."""
    random = np.random.default_rng(seed)
    made = []
    for given in row.inputs:
        if isinstance(given, Draw):
            given = drawn(random, given, dtype)
        elif given.dtype.kind in "f" or (given.dtype.kind in "ib" and row_converts(row)):
            given = given.astype(dtype)
        made.append(given)
    return made


def row_converts(row: Row) -> bool:
    """Whether all of the row's inputs are given numbers, which then take the dtype under test."""
    return all(isinstance(x, np.ndarray) for x in row.inputs)


def drawn(random: np.random.Generator, draw: Draw, dtype: str) -> np.ndarray:
    kind = np.dtype(dtype).kind
    if kind == "b":
        return random.random(draw.shape) < 0.5
    low = max(draw.low, 0) if kind == "u" else draw.low
    if kind in "ui" and draw.high - low < 9:
        return random.integers(int(low), int(draw.high) + 7, draw.shape).astype(dtype)
    x = random.uniform(low, draw.high, draw.shape)
    if kind == "c":
        x = x + 1j * random.uniform(0.1, 1.0, draw.shape)
    return x.astype(dtype)


CASES = [(name, i, row) for name, rows in ROWS.items() for i, row in enumerate(rows)]
