"""Every function of the array API standard against array-api-strict, whose results are NumPy's."""

from __future__ import annotations

import math

import array_api_strict as strict
import numpy as np
import pytest

import dovetail as dv
from dovetail import array_api as ours
from dovetail.base.errors import DovetailError

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float32", "float64"]
COMPLEX = ["complex64", "complex128"]
KINDS = {"b": ["bool"], "i": INTEGERS, "f": FLOATS, "c": COMPLEX}
SHAPES = [(), (3,), (2, 3), (0, 3), (2, 1, 3)]


def numbers(dtype: str, shape: tuple, seed: int = 0, positive: bool = False) -> np.ndarray:
    r = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return r.random(shape) < 0.5
    if kind in "iu":
        return np.asarray(r.integers(1 if positive or kind == "u" else -4, 6, shape)).astype(dtype)
    a = np.asarray(r.uniform(0.1 if positive else -2, 2, shape))
    if kind == "c":
        a = a + 1j * np.asarray(r.uniform(-2, 2, shape))
    return np.asarray(a).astype(dtype)


def dtypes_of(kinds: str) -> list[str]:
    return [d for k in kinds for d in KINDS[k]]


def plain(x):
    """A result as NumPy arrays and Python values, whichever library made it."""
    if isinstance(x, dv.Tensor):
        return x.detach().numpy()
    if isinstance(x, strict._array_object.Array):
        return np.asarray(x._array)
    if isinstance(x, (tuple, list)):
        return [plain(y) for y in x]
    return x


def name_of(dtype) -> str:
    return dtype.name if isinstance(dtype, dv.dtype) else dtype._np_dtype.name


def agree(found, wanted) -> None:
    found, wanted = plain(found), plain(wanted)
    if isinstance(wanted, list):
        assert len(found) == len(wanted)
        for f, w in zip(found, wanted, strict=True):
            agree(f, w)
        return
    if not isinstance(wanted, np.ndarray):
        assert found == wanted
        return
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    rough = wanted.dtype in (np.float32, np.complex64)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(found, wanted, rtol=2e-5 if rough else 1e-10, atol=1e-5 if rough else 1e-10)


def both(call) -> None:
    """`call(xp)` gives the same on both libraries."""
    with np.errstate(all="ignore"):
        agree(call(ours), call(strict))


UNARY = {
    "abs": "ifc", "acos": "fc", "acosh": "fc", "asin": "fc", "asinh": "fc", "atan": "fc", "atanh": "fc",
    "bitwise_invert": "bi", "ceil": "if", "conj": "fc", "cos": "fc", "cosh": "fc", "exp": "fc", "expm1": "fc",
    "floor": "if", "imag": "c", "isfinite": "ifc", "isinf": "ifc", "isnan": "ifc", "log": "fc", "log1p": "fc",
    "log2": "fc", "log10": "fc", "logical_not": "b", "negative": "ifc", "positive": "ifc", "real": "fc",
    "reciprocal": "fc", "round": "ifc", "sign": "ifc", "signbit": "f", "sin": "fc", "sinh": "fc", "sqrt": "fc",
    "square": "ifc", "tan": "fc", "tanh": "fc", "trunc": "if",
}  # fmt: skip
BINARY = {
    "add": "ifc", "atan2": "f", "bitwise_and": "bi", "bitwise_left_shift": "i", "bitwise_or": "bi",
    "bitwise_right_shift": "i", "bitwise_xor": "bi", "copysign": "f", "divide": "fc", "equal": "bifc",
    "floor_divide": "if", "greater": "if", "greater_equal": "if", "hypot": "f", "less": "if", "less_equal": "if",
    "logaddexp": "f", "logical_and": "b", "logical_or": "b", "logical_xor": "b", "maximum": "if", "minimum": "if",
    "multiply": "ifc", "nextafter": "f", "not_equal": "bifc", "pow": "ifc", "remainder": "if", "subtract": "ifc",
}  # fmt: skip
BELOW_ONE = {"acos", "asin", "atanh"}
POSITIVE = {"log", "log1p", "log2", "log10", "sqrt", "pow", "bitwise_left_shift", "bitwise_right_shift"}


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_each_element(name):
    for dtype in dtypes_of(UNARY[name]):
        for shape in SHAPES:
            a = numbers(dtype, shape, positive=name in POSITIVE)
            if name in BELOW_ONE and a.dtype.kind == "f":
                a = np.asarray(a / 3)
            if name == "acosh" and a.dtype.kind == "f":
                a = np.abs(a) + 1.5
            both(lambda xp, a=a: getattr(xp, name)(xp.asarray(a)))


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_arrays(name):
    positive = name in POSITIVE
    divides = name in ("floor_divide", "remainder", "divide")
    for dtype in dtypes_of(BINARY[name]):
        for one, two in [((), ()), ((3,), (2, 3)), ((2, 1), (3,)), ((0, 3), (1, 3)), ((2, 3), ())]:
            a, b = numbers(dtype, one, 1, positive), numbers(dtype, two, 2, positive or divides)
            both(lambda xp, a=a, b=b: getattr(xp, name)(xp.asarray(a), xp.asarray(b)))
        n = numbers(dtype, (), 3, True).item()
        both(lambda xp, a=a, n=n: getattr(xp, name)(xp.asarray(a), n))
        if name not in ("bitwise_left_shift", "bitwise_right_shift"):
            both(lambda xp, b=b, n=n: getattr(xp, name)(n, xp.asarray(b)))


PAIRS = [
    (a, b) for group in (INTEGERS, FLOATS + COMPLEX) for a in group for b in group
    if {a, b} != {"uint64"} and not ("uint64" in (a, b) and "u" not in (a[0], b[0])) and a != b
]  # fmt: skip


@pytest.mark.parametrize("a, b", [p for p in PAIRS if not ("uint64" in p and any(d.startswith("int") for d in p))])
def test_promotion_of_mixed_dtypes(a, b):
    """0-d arrays count as much as others, unlike in torch."""
    for one, two in [((2,), (2,)), ((2,), ()), ((), (2,))]:
        x, y = numbers(a, one, 1, True), numbers(b, two, 2, True)
        both(lambda xp, x=x, y=y: xp.add(xp.asarray(x), xp.asarray(y)))
        both(lambda xp, x=x, y=y: xp.equal(xp.asarray(x), xp.asarray(y)))
    assert name_of(ours.result_type(getattr(ours, a), getattr(ours, b))) == name_of(
        strict.result_type(getattr(strict, a), getattr(strict, b))
    )


def test_uint64_meets_no_signed_dtype():
    with pytest.raises(TypeError):
        ours.result_type(ours.uint64, ours.int8)


def test_numbers_outside_an_integer_dtype_are_refused():
    with pytest.raises(OverflowError, match="300"):
        ours.add(ours.asarray([1], dtype=ours.uint8), 300)
    with pytest.raises(TypeError):
        ours.add(ours.asarray([1]), 2.5)
    with pytest.raises(TypeError):
        ours.sin([1.0])


def test_can_cast_and_isdtype_for_every_pair():
    names = ["bool", *INTEGERS, *FLOATS, *COMPLEX]
    for a in names:
        for kind in ("bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating",
                     "numeric", ("bool", "real floating")):  # fmt: skip
            assert ours.isdtype(getattr(ours, a), kind) == strict.isdtype(getattr(strict, a), kind)
        for b in names:
            assert ours.isdtype(getattr(ours, a), getattr(ours, b)) == (a == b)
            # strict answers from its table of promotions, where bool stands alone
            assert ours.can_cast(getattr(ours, a), getattr(ours, b)) == strict.can_cast(
                getattr(strict, a), getattr(strict, b)
            ), (a, b)


def test_limits():
    for d in INTEGERS:
        f, w = ours.iinfo(getattr(ours, d)), strict.iinfo(getattr(strict, d))
        assert (f.bits, f.min, f.max) == (w.bits, w.min, w.max) and name_of(f.dtype) == name_of(w.dtype)
    for d in FLOATS + COMPLEX:
        f, w = ours.finfo(getattr(ours, d)), strict.finfo(getattr(strict, d))
        assert (f.bits, f.eps, f.min, f.max, f.smallest_normal) == (w.bits, w.eps, w.min, w.max, w.smallest_normal)
        assert name_of(f.dtype) == name_of(w.dtype)


def arrays(dtype: str, shape: tuple, seed: int = 0):
    return lambda xp: xp.asarray(numbers(dtype, shape, seed))


X = arrays("float64", (2, 3))
Y = arrays("float64", (2, 3), 5)
N = arrays("int64", (2, 3), 7)
V = arrays("float64", (5,), 3)
B = arrays("bool", (2, 3), 2)
T = arrays("float32", (2, 3, 4), 4)
Z = arrays("complex128", (4, 6), 6)
Q = lambda xp: xp.asarray(numbers("float64", (2, 3, 3), 8) + 3 * np.eye(3))  # noqa: E731
H = lambda xp: xp.asarray((a := numbers("float64", (2, 3, 3), 9)) @ np.swapaxes(a, -1, -2) + np.eye(3))  # noqa: E731
W = lambda xp: xp.asarray(numbers("float64", (2, 4, 3), 10))  # noqa: E731


CALLS = {
    # creation
    "asarray": [
        lambda xp: xp.asarray([1, 2]),
        lambda xp: xp.asarray(1.5),
        lambda xp: xp.asarray([[True], [False]]),
        lambda xp: xp.asarray([1, 2], dtype=xp.uint16),
        lambda xp: xp.asarray(X(xp), copy=True),
        lambda xp: xp.asarray(2**63, dtype=xp.uint64),
        lambda xp: xp.asarray([1j]),
    ],
    "arange": [
        lambda xp: xp.arange(5),
        lambda xp: xp.arange(1, 7, 2),
        lambda xp: xp.arange(5, 1, -2),
        lambda xp: xp.arange(3, 1),
        lambda xp: xp.arange(0.0, 1.0, 0.25),
        lambda xp: xp.arange(0, 3, dtype=xp.int8),
    ],
    "empty": [lambda xp: xp.empty((2, 3), dtype=xp.int8) * 0],
    "empty_like": [lambda xp: xp.empty_like(N(xp)) * 0],
    "eye": [lambda xp: xp.eye(3), lambda xp: xp.eye(2, 4, k=1, dtype=xp.int32), lambda xp: xp.eye(3, k=-5)],
    "from_dlpack": [lambda xp: xp.from_dlpack(np.arange(3.0))],
    "full": [
        lambda xp: xp.full((2,), 3),
        lambda xp: xp.full(2, 1.5),
        lambda xp: xp.full((), True),
        lambda xp: xp.full((2,), 1j),
        lambda xp: xp.full((2,), 7, dtype=xp.uint8),
    ],
    "full_like": [lambda xp: xp.full_like(X(xp), 2), lambda xp: xp.full_like(X(xp), 2, dtype=xp.int16)],
    "linspace": [
        lambda xp: xp.linspace(0, 1, 5),
        lambda xp: xp.linspace(0, 1, 5, endpoint=False),
        lambda xp: xp.linspace(0, 1, 0),
        lambda xp: xp.linspace(2.0, -3.0, 7, dtype=xp.float32),
    ],
    "meshgrid": [
        lambda xp: xp.meshgrid(V(xp), xp.asarray([1.0, 2.0])),
        lambda xp: xp.meshgrid(V(xp), xp.asarray([1.0, 2.0]), indexing="ij"),
    ],
    "ones": [lambda xp: xp.ones((2, 3)), lambda xp: xp.ones(2, dtype=xp.bool)],
    "ones_like": [lambda xp: xp.ones_like(N(xp))],
    "tril": [lambda xp, k=k: xp.tril(T(xp), k=k) for k in (-1, 0, 2)],
    "triu": [lambda xp, k=k: xp.triu(T(xp), k=k) for k in (-1, 0, 2)],
    "zeros": [lambda xp: xp.zeros((0, 2)), lambda xp: xp.zeros(3, dtype=xp.complex64)],
    "zeros_like": [lambda xp: xp.zeros_like(X(xp)), lambda xp: xp.zeros_like(X(xp), dtype=xp.int8)],
    # dtypes
    "astype": [
        lambda xp: xp.astype(X(xp), xp.int32),
        lambda xp: xp.astype(N(xp), xp.complex64),
        lambda xp: xp.astype(N(xp), xp.bool),
        lambda xp: xp.astype(X(xp), xp.float64, copy=False),
    ],
    # shapes
    "broadcast_arrays": [lambda xp: xp.broadcast_arrays(xp.ones((2, 1)), xp.ones(3))],
    "broadcast_shapes": [lambda xp: xp.broadcast_shapes((2, 1), (3,), (1, 1, 1))],
    "broadcast_to": [lambda xp: xp.broadcast_to(xp.arange(3), (2, 3))],
    "concat": [
        lambda xp: xp.concat([X(xp), Y(xp)]),
        lambda xp: xp.concat([X(xp), Y(xp)], axis=-1),
        lambda xp: xp.concat([X(xp), V(xp)], axis=None),
        lambda xp: xp.concat([xp.asarray([1], dtype=xp.int8), xp.asarray([2], dtype=xp.uint8)]),
    ],
    "expand_dims": [lambda xp, a=a: xp.expand_dims(X(xp), axis=a) for a in (0, 1, 2, -1, -3)],
    "flip": [lambda xp, a=a: xp.flip(T(xp), axis=a) for a in (None, 0, -1, (0, 2))],
    "moveaxis": [lambda xp: xp.moveaxis(T(xp), 0, -1), lambda xp: xp.moveaxis(T(xp), (0, 1), (2, 0))],
    "permute_dims": [lambda xp: xp.permute_dims(T(xp), (2, 0, 1))],
    "repeat": [
        lambda xp: xp.repeat(X(xp), 2),
        lambda xp: xp.repeat(X(xp), 2, axis=1),
        lambda xp: xp.repeat(V(xp), xp.asarray([0, 1, 2, 0, 3])),
    ],
    "reshape": [
        lambda xp: xp.reshape(X(xp), (3, 2)),
        lambda xp: xp.reshape(X(xp), (-1,)),
        lambda xp: xp.reshape(X(xp), (6,), copy=True),
    ],
    "roll": [
        lambda xp: xp.roll(X(xp), 1),
        lambda xp: xp.roll(X(xp), -1, axis=1),
        lambda xp: xp.roll(X(xp), (1, 2), axis=(0, 1)),
    ],
    "squeeze": [
        lambda xp: xp.squeeze(xp.ones((1, 2, 1)), axis=0),
        lambda xp: xp.squeeze(xp.ones((1, 2, 1)), axis=(0, 2)),
    ],
    "stack": [lambda xp, a=a: xp.stack([X(xp), Y(xp)], axis=a) for a in (0, 1, -1)],
    "tile": [lambda xp: xp.tile(X(xp), (2,)), lambda xp: xp.tile(X(xp), (2, 1, 3))],
    "unstack": [lambda xp: xp.unstack(T(xp)), lambda xp: xp.unstack(T(xp), axis=-1)],
    "take": [lambda xp: xp.take(X(xp), xp.asarray([2, 0, 0]), axis=1), lambda xp: xp.take(V(xp), xp.asarray([-1, 2]))],
    "take_along_axis": [
        lambda xp: xp.take_along_axis(X(xp), xp.asarray([[2, 0], [1, 1]]), axis=1),
        lambda xp: xp.take_along_axis(X(xp), xp.asarray([[1, 0, -1]]), axis=0),
        lambda xp: xp.take_along_axis(X(xp), xp.asarray([[1, 0, -1, 2]])),
    ],
    # searching, sorting, sets
    "argmax": [lambda xp, a=a, k=k: xp.argmax(X(xp), axis=a, keepdims=k) for a in (None, 0, -1) for k in (False, True)],
    "argmin": [lambda xp, a=a, k=k: xp.argmin(N(xp), axis=a, keepdims=k) for a in (None, 0, -1) for k in (False, True)],
    "nonzero": [lambda xp: xp.nonzero(N(xp)), lambda xp: xp.nonzero(B(xp))],
    "count_nonzero": [lambda xp, a=a: xp.count_nonzero(N(xp), axis=a) for a in (None, 0, (0, 1))]
    + [lambda xp: xp.count_nonzero(B(xp), axis=1, keepdims=True)],
    "searchsorted": [
        lambda xp, s=s: xp.searchsorted(xp.asarray([0.0, 1.0, 1.0, 2.0]), xp.asarray([1.0, 3.0, -1.0]), side=s)
        for s in ("left", "right")
    ],
    "where": [
        lambda xp: xp.where(B(xp), X(xp), Y(xp)),
        lambda xp: xp.where(B(xp), X(xp), 1.0),
        lambda xp: xp.where(B(xp), xp.asarray(1, dtype=xp.int8), xp.asarray(2, dtype=xp.uint8)),
    ],
    "isin": [
        lambda xp: xp.isin(N(xp), xp.asarray([1, 2])),  # array-api-strict 2.6 takes `invert` and forgets it
        lambda xp: (
            ~xp.isin(N(xp), xp.asarray([1, 2])) if xp is strict else xp.isin(N(xp), xp.asarray([1, 2]), invert=True)
        ),
    ],
    "unique_all": [lambda xp: xp.unique_all(N(xp))],
    "unique_counts": [
        lambda xp: xp.unique_counts(N(xp)),
        lambda xp: xp.unique_counts(xp.asarray([1.0, math.nan, 1.0, math.nan])),
    ],
    "unique_inverse": [
        lambda xp: xp.unique_inverse(N(xp)),
        lambda xp: xp.unique_inverse(xp.asarray([1.0, math.nan, 1.0, math.nan])),
    ],
    "unique_values": [lambda xp: xp.unique_values(N(xp)), lambda xp: xp.unique_values(B(xp))],
    "argsort": [lambda xp, d=d: xp.argsort(N(xp), descending=d) for d in (False, True)]
    + [lambda xp: xp.argsort(X(xp), axis=0)],
    "sort": [lambda xp, d=d: xp.sort(X(xp), descending=d) for d in (False, True)] + [lambda xp: xp.sort(N(xp), axis=0)],
    # statistics
    "cumulative_sum": [
        lambda xp: xp.cumulative_sum(V(xp)),
        lambda xp: xp.cumulative_sum(N(xp), axis=1, include_initial=True),
        lambda xp: xp.cumulative_sum(xp.asarray([1, 2], dtype=xp.uint8)),
        lambda xp: xp.cumulative_sum(xp.asarray([1, 2], dtype=xp.int8), dtype=xp.int8),
    ],
    "cumulative_prod": [
        lambda xp: xp.cumulative_prod(V(xp)),
        lambda xp: xp.cumulative_prod(X(xp), axis=0, include_initial=True),
    ],
    "diff": [
        lambda xp: xp.diff(V(xp)),
        lambda xp: xp.diff(X(xp), axis=0),
        lambda xp: xp.diff(V(xp), n=2),
        lambda xp: xp.diff(V(xp), prepend=xp.asarray([1.0]), append=xp.asarray([2.0, 3.0])),
    ],
    "all": [lambda xp, a=a: xp.all(B(xp), axis=a) for a in (None, 0, 1, (0, 1))]
    + [lambda xp: xp.all(N(xp), keepdims=True)],
    "any": [lambda xp, a=a: xp.any(B(xp), axis=a) for a in (None, 0, 1, (0, 1))] + [lambda xp: xp.any(Z(xp), axis=0)],
    # linear algebra in the main namespace
    "matmul": [
        lambda xp: xp.matmul(Q(xp), Q(xp)),
        lambda xp: xp.matmul(V(xp), V(xp)),
        lambda xp: xp.matmul(N(xp), xp.asarray([1, 2, 3])),
        lambda xp: xp.matmul(Z(xp), Z(xp).T),
    ],
    "tensordot": [
        lambda xp: xp.tensordot(X(xp), Y(xp)),
        lambda xp: xp.tensordot(X(xp), Y(xp), axes=((1,), (1,))),
        lambda xp: xp.tensordot(V(xp), V(xp), axes=0),
        lambda xp: xp.tensordot(N(xp), N(xp), axes=((0, 1), (0, 1))),
    ],
    "matrix_transpose": [lambda xp: xp.matrix_transpose(T(xp))],
    "vecdot": [
        lambda xp: xp.vecdot(X(xp), Y(xp)),
        lambda xp: xp.vecdot(Z(xp), Z(xp), axis=-2),
        lambda xp: xp.vecdot(N(xp), N(xp)),
    ],
    "clip": [
        lambda xp: xp.clip(X(xp), -0.5, 0.5),
        lambda xp: xp.clip(N(xp), 0),
        lambda xp: xp.clip(N(xp), max=1),
        lambda xp: xp.clip(X(xp), xp.asarray(-0.1, dtype=xp.float64), xp.asarray([0.1, 0.2, 0.3])),
        lambda xp: xp.clip(X(xp)),
    ],
}
for _name in ("sum", "prod", "max", "min", "mean", "var", "std"):
    CALLS[_name] = [
        lambda xp, n=_name, a=a, k=k: getattr(xp, n)(X(xp), axis=a, keepdims=k)
        for a in (None, 0, -1, (0, 1), ())
        for k in (False, True)
    ]
for _name in ("sum", "prod"):
    CALLS[_name] += [
        lambda xp, n=_name, d=d: getattr(xp, n)(xp.asarray(numbers(d, (2, 3)))) for d in (*INTEGERS, *FLOATS, *COMPLEX)
    ]
    CALLS[_name] += [lambda xp, n=_name: getattr(xp, n)(xp.zeros((0, 2)), axis=0, dtype=xp.float64)]
for _name in ("var", "std"):
    CALLS[_name] += [lambda xp, n=_name: getattr(xp, n)(X(xp), axis=1, correction=1)]
for _name in ("max", "min"):
    CALLS[_name] += [lambda xp, n=_name, d=d: getattr(xp, n)(xp.asarray(numbers(d, (2, 3))), axis=1) for d in INTEGERS]

LINALG = {
    "cholesky": [lambda xp: xp.linalg.cholesky(H(xp)), lambda xp: xp.linalg.cholesky(H(xp), upper=True)],
    "cross": [lambda xp: xp.linalg.cross(X(xp), Y(xp)), lambda xp: xp.linalg.cross(W(xp), xp.asarray([1.0, 2.0, 3.0]))],
    "det": [lambda xp: xp.linalg.det(Q(xp))],
    "diagonal": [lambda xp, k=k: xp.linalg.diagonal(T(xp), offset=k) for k in (-1, 0, 2)],
    "eigh": [
        lambda xp: xp.linalg.eigh(H(xp)).eigenvalues,
        lambda xp: (e := xp.linalg.eigh(H(xp))).eigenvectors @ (e.eigenvalues[..., None] * e.eigenvectors.mT),
    ],
    "eigvalsh": [lambda xp: xp.linalg.eigvalsh(H(xp))],
    "inv": [lambda xp: xp.linalg.inv(Q(xp))],
    "matmul": [lambda xp: xp.linalg.matmul(X(xp), Y(xp).T)],
    "matrix_norm": [
        lambda xp, o=o, k=k: xp.linalg.matrix_norm(W(xp), ord=o, keepdims=k)
        for o in ("fro", "nuc", 1, 2, -1, -2, math.inf, -math.inf)
        for k in (False, True)
    ],
    "matrix_power": [lambda xp, n=n: xp.linalg.matrix_power(Q(xp), n) for n in (0, 1, 3, -2)],
    "matrix_rank": [lambda xp: xp.linalg.matrix_rank(W(xp)), lambda xp: xp.linalg.matrix_rank(xp.ones((3, 3)))],
    "matrix_transpose": [lambda xp: xp.linalg.matrix_transpose(T(xp))],
    "outer": [
        lambda xp: xp.linalg.outer(V(xp), xp.asarray([1.0, 2.0])),
        lambda xp: xp.linalg.outer(xp.arange(3), xp.arange(2)),
    ],
    "pinv": [lambda xp: xp.linalg.pinv(W(xp)), lambda xp: xp.linalg.pinv(W(xp), rtol=1e-10)],
    "qr": [lambda xp, m=m: (lambda q, r: q @ r)(*xp.linalg.qr(W(xp), mode=m)) for m in ("reduced", "complete")]
    + [lambda xp: xp.abs(xp.linalg.qr(W(xp)).R)],
    "slogdet": [lambda xp: xp.linalg.slogdet(Q(xp))],
    "solve": [lambda xp: xp.linalg.solve(Q(xp), Q(xp)), lambda xp: xp.linalg.solve(Q(xp), xp.asarray([1.0, 2.0, 3.0]))],
    "svd": [
        lambda xp: (s := xp.linalg.svd(W(xp), full_matrices=False)).U @ (s.S[..., None] * s.Vh),
        lambda xp: xp.linalg.svd(W(xp)).S,
        lambda xp: xp.abs(xp.linalg.svd(W(xp)).Vh),
    ],
    "svdvals": [lambda xp: xp.linalg.svdvals(W(xp))],
    "tensordot": [lambda xp: xp.linalg.tensordot(X(xp), Y(xp))],
    "trace": [lambda xp, k=k: xp.linalg.trace(T(xp), offset=k) for k in (-1, 0, 2)]
    + [lambda xp: xp.linalg.trace(N(xp))],
    "vecdot": [lambda xp: xp.linalg.vecdot(X(xp), Y(xp))],
    "vector_norm": [
        lambda xp, o=o, a=a, k=k: xp.linalg.vector_norm(W(xp), ord=o, axis=a, keepdims=k)
        for o in (2, 1, 0, 3, math.inf, -math.inf)
        for a in (None, 1, (0, 2))
        for k in (False, True)
    ],
}
FFT = {
    name: [
        lambda xp, f=name, n=n, o=o: getattr(xp.fft, f)(Z(xp), n=n, axis=0, norm=o)
        for n in (None, 3, 9)
        for o in ("backward", "ortho", "forward")
    ]
    for name in ("fft", "ifft", "irfft", "hfft")
}
FFT |= {
    name: [lambda xp, f=name, n=n: getattr(xp.fft, f)(X(xp), n=n) for n in (None, 2, 8)] for name in ("rfft", "ihfft")
}
FFT |= {
    "fftn": [lambda xp: xp.fft.fftn(Z(xp)), lambda xp: xp.fft.fftn(Z(xp), s=(2, 3), axes=(0, 1))],
    "ifftn": [lambda xp: xp.fft.ifftn(Z(xp)), lambda xp: xp.fft.ifftn(Z(xp), axes=(1,))],
    "rfftn": [lambda xp: xp.fft.rfftn(X(xp)), lambda xp: xp.fft.rfftn(T(xp), axes=(0, 1), norm="ortho")],
    "irfftn": [lambda xp: xp.fft.irfftn(Z(xp)), lambda xp: xp.fft.irfftn(Z(xp), s=(4, 9), axes=(0, 1))],
    "fftfreq": [lambda xp: xp.fft.fftfreq(5), lambda xp: xp.fft.fftfreq(6, d=0.5)],
    "rfftfreq": [lambda xp: xp.fft.rfftfreq(5), lambda xp: xp.fft.rfftfreq(6, d=0.5)],
    "fftshift": [lambda xp: xp.fft.fftshift(X(xp)), lambda xp: xp.fft.fftshift(X(xp), axes=1)],
    "ifftshift": [lambda xp: xp.fft.ifftshift(X(xp)), lambda xp: xp.fft.ifftshift(X(xp), axes=(0,))],
}
ALL_CALLS = [(n, c) for table in (CALLS, LINALG, FFT) for n, calls in table.items() for c in calls]


@pytest.fixture
def doubles():
    dv.set_default_dtype(dv.float64)
    yield
    dv.set_default_dtype(dv.float32)


@pytest.mark.parametrize("name, call", ALL_CALLS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(ALL_CALLS)])
def test_calls(name, call, doubles):
    """With float64 as the default, which array-api-strict has, dtypes agree everywhere."""
    both(call)


OTHER = {
    "can_cast", "finfo", "iinfo", "isdtype", "result_type", "__array_namespace_info__", "__array_api_version__", "e",
    "inf", "nan", "pi", "newaxis", "fft", "linalg", "bool", *INTEGERS, *FLOATS, *COMPLEX,
}  # fmt: skip
STRICT_ONLY = {
    "Device", "set_array_api_strict_flags", "get_array_api_strict_flags", "reset_array_api_strict_flags",
    "ArrayAPIStrictFlags", "__version__",
}  # fmt: skip


def test_no_name_is_left_out():
    """Each name that array-api-strict has is here and in one of the tables above."""
    known = set(UNARY) | set(BINARY) | set(CALLS) | OTHER
    names = set(strict.__all__) - STRICT_ONLY
    assert names <= known, names - known
    assert not [n for n in names if not hasattr(ours, n)]
    assert set(strict.linalg.__all__) == set(LINALG) and set(strict.fft.__all__) == set(FFT)
    assert not [n for n in LINALG if not hasattr(ours.linalg, n)] + [n for n in FFT if not hasattr(ours.fft, n)]


def test_a_tensor_names_its_namespace():
    x = dv.ones(2)
    assert x.__array_namespace__() is ours and x.__array_namespace__(api_version="2024.12") is ours
    with pytest.raises(ValueError, match=r"2024\.12"):
        x.__array_namespace__(api_version="1999.01")


def test_information():
    info = ours.__array_namespace_info__()
    wanted = strict.__array_namespace_info__()
    assert set(info.dtypes()) == set(wanted.dtypes())
    for kind in (
        "bool",
        "signed integer",
        "unsigned integer",
        "integral",
        "real floating",
        "complex floating",
        "numeric",
    ):
        assert set(info.dtypes(kind=kind)) == set(wanted.dtypes(kind=kind))
    assert set(info.default_dtypes()) == set(wanted.default_dtypes())
    assert set(info.capabilities()) == set(wanted.capabilities())
    assert info.default_device() in info.devices() and ours.zeros(1).device == info.default_device()


@pytest.mark.parametrize(
    "call",
    [
        lambda xp: xp.sin(xp.asarray([1])), lambda xp: xp.add(xp.asarray([True]), xp.asarray([False])),
        lambda xp: xp.greater(xp.asarray([1j]), xp.asarray([1j])), lambda xp: xp.linalg.det(xp.ones((2, 3))),
        lambda xp: xp.squeeze(xp.ones((2, 3)), axis=0), lambda xp: xp.nonzero(xp.asarray(1)),
        lambda xp: xp.broadcast_to(xp.ones((3, 2)), (2,)), lambda xp: xp.mean(xp.asarray([1, 2])),
        lambda xp: xp.sum(xp.ones(3), axis=1), lambda xp: xp.take(xp.ones((2, 2)), xp.asarray([0])),
        lambda xp: xp.astype(xp.asarray([1j]), xp.float64), lambda xp: xp.cumulative_sum(xp.ones((2, 2))),
    ],
)  # fmt: skip
def test_what_strict_refuses_is_refused(call):
    with pytest.raises(Exception):  # noqa: B017  (NumPy's classes: they differ from one NumPy to the next)
        call(strict)
    with pytest.raises((DovetailError, TypeError, ValueError, IndexError)):
        call(ours)


def test_gradients_go_through():
    x = dv.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    xp = x.__array_namespace__()
    xp.sum(xp.multiply(xp.matmul(x, x), xp.asarray(2.0, dtype=xp.float32))).backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * (np.array([[3, 7]]) + np.array([[4], [6]])))
