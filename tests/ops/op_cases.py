"""One row (or more) for each op: its name, which is torch's too, and what it is called with.

`Draw` stands for a random tensor. Results are compared with reference.npz, which make_reference.py fills with what
torch gives; gradients are compared with finite differences.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, DimError, DTypeError, LinAlgError, ShapeError


@dataclass(frozen=True)
class Draw:
    """A random tensor: uniform in [low, high), whole numbers for integer dtypes, fair coins for bool.

    Complex ones have both parts in [low, high).
    """

    shape: tuple = (3, 4)
    low: float = -2.0
    high: float = 2.0
    dtype: str = "float32"

    def array(self, random: np.random.Generator) -> np.ndarray:
        if self.dtype == "bool":
            return random.random(self.shape) < 0.5
        if self.dtype.startswith("int") or self.dtype == "uint8":
            return random.integers(int(self.low), int(self.high), self.shape).astype(self.dtype)
        drawn = np.asarray(random.uniform(self.low, self.high, self.shape))
        if self.dtype.startswith("complex"):
            drawn = drawn + 1j * random.uniform(self.low, self.high, self.shape)
        return drawn.astype(self.dtype)


@dataclass
class Case:
    """`name` in both namespaces, called with args and given; method: it is a method of the first argument.

    gradient: whether finite differences are compared too (only float arguments move).
    """

    name: str
    args: list = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)
    method: bool = False
    gradient: bool = True
    tolerance: float = 2e-5

    @property
    def label(self) -> str:
        return self.name + ("~" if self.method else "")


@dataclass
class Fails:
    """A call that must raise `error`, in words that contain all of `says`."""

    name: str
    args: list
    error: type
    says: list[str]
    given: dict[str, Any] = field(default_factory=dict)
    method: bool = False


X, Y, ROW, COLUMN = Draw(), Draw(), Draw((4,)), Draw((3, 1))
POSITIVE, UNIT, SHARE = Draw(low=0.2, high=3.0), Draw(low=-0.9, high=0.9), Draw(low=0.05, high=0.95)
WHOLE, OTHER_WHOLE = Draw(low=-5, high=6, dtype="int64"), Draw((4,), 1, 5, "int64")
TRUTH, CUBE = Draw(dtype="bool"), Draw((2, 3, 4))
EMPTY, POINT = Draw((0, 4)), Draw(())
IMAGE, SIGNAL, VOLUME = Draw((2, 4, 7, 6)), Draw((2, 4, 9)), Draw((1, 2, 4, 5, 4))


def plain(name: str, *draws: Draw, **extra) -> Case:
    return Case(name, list(draws), **extra)


def flat(*names: str, args=(X,)) -> list[Case]:
    """Ops without a useful gradient."""
    return [Case(n, list(args), gradient=False) for n in names]


UNARY = [
    plain(n, X) for n in "abs neg exp exp2 expm1 sin cos atan sinh cosh tanh asinh sigmoid erf erfc square sinc".split()
]
UNARY += [plain(n, POSITIVE) for n in "log log2 log10 log1p sqrt rsqrt reciprocal lgamma digamma".split()]
UNARY += [plain(n, UNIT) for n in "asin acos atanh tan erfinv deg2rad rad2deg".split()]
UNARY += [plain("acosh", Draw(low=1.1, high=4.0)), plain("logit", SHARE), Case("logit", [SHARE], {"eps": 0.1})]
UNARY += flat(
    *"sign sgn signbit floor ceil trunc round frac isnan isinf isfinite isreal logical_not positive angle".split()
)
UNARY += flat("exp", "sqrt", "sin", "sigmoid", args=(Draw(low=1, high=6, dtype="int64"),))
UNARY += flat("abs", "neg", "sign", "square", "floor", args=(WHOLE,)) + flat("nan_to_num", args=(X,))
UNARY += [Case("round", [X], {"decimals": 1}, gradient=False), plain("exp", EMPTY), plain("tanh", POINT)]

SPECIAL = [plain(f"special.{n}", X) for n in "i0 i0e i1 i1e erfcx log_ndtr ndtr".split()]
SPECIAL += [plain("special.entr", POSITIVE), plain("special.ndtri", SHARE), Case("special.polygamma", [1, POSITIVE])]
SPECIAL += [Case("special.multigammaln", [Draw(low=2, high=5), 3]), plain("special.xlog1py", X, POSITIVE)]
SPECIAL += [Case("special.zeta", [Draw(low=1.5, high=4), POSITIVE], gradient=False)]
SPECIAL += [Case("special.gammainc", [POSITIVE, POSITIVE], gradient=False)]
SPECIAL += flat("special.bessel_j0", "special.bessel_j1", "special.airy_ai")
SPECIAL += flat(
    "special.bessel_y0", "special.modified_bessel_k0", "special.scaled_modified_bessel_k1", args=(POSITIVE,)
)
SPECIAL += [Case(f"special.{n}", [X, Draw((4,), 0, 5, "int64")], gradient=False, tolerance=1e-4) for n in (
    "chebyshev_polynomial_t", "hermite_polynomial_h", "laguerre_polynomial_l", "legendre_polynomial_p")]  # fmt: skip

BINARY = [
    plain(n, X, ROW) for n in "add sub mul maximum minimum fmax fmin atan2 hypot logaddexp logaddexp2 copysign".split()
]
BINARY += [plain(n, X, Draw((4,), 0.5, 2)) for n in ("div", "fmod", "remainder")]
BINARY += [
    plain("pow", POSITIVE, ROW),
    Case("pow", [X, 2]),
    Case("pow", [POSITIVE, 0.5]),
    Case("pow", [POSITIVE, -1.7]),
]
BINARY += [Case("pow", [2.0, X]), plain("xlogy", X, POSITIVE), plain("add", COLUMN, ROW), plain("mul", X, POINT)]
BINARY += [Case("add", [X, Y], {"alpha": 2.5}), Case("sub", [X, 3]), Case("add", [WHOLE, 2.5], gradient=False)]
BINARY += [Case("div", [WHOLE, OTHER_WHOLE], {"rounding_mode": m}, gradient=False) for m in (None, "floor", "trunc")]
BINARY += [Case("div", [X, POSITIVE], {"rounding_mode": m}, gradient=False) for m in ("floor", "trunc")]
BINARY += flat(*"eq ne lt le gt ge logical_and logical_or logical_xor".split(), args=(WHOLE, OTHER_WHOLE))
BINARY += flat(
    *"bitwise_and bitwise_or bitwise_xor gcd lcm floor_divide remainder fmod".split(), args=(WHOLE, OTHER_WHOLE)
)
BINARY += flat("bitwise_left_shift", "bitwise_right_shift", args=(WHOLE, OTHER_WHOLE))
BINARY += [
    Case("clamp", [X, -0.5, 0.7]),
    Case("clamp", [X], {"max": 0.3}),
    Case("clamp", [WHOLE, -1.5, None], gradient=False),
]
BINARY += [
    plain("clamp", X, Draw((4,), -2, -1), Draw((3, 1), 1, 2)),
    Case("lerp", [X, Y, 0.3]),
    plain("lerp", X, Y, SHARE),
]
BINARY += [Case("addcmul", [X, Y, ROW], {"value": 0.5}), Case("addcdiv", [X, Y, POSITIVE], {"value": 0.5})]
BINARY += [plain("where", TRUTH, X, ROW), Case("where", [TRUTH, X, 1.5]), Case("isclose", [X, X], gradient=False)]
BINARY += [Case("isin", [WHOLE, OTHER_WHOLE], gradient=False), plain("float_power", POSITIVE, ROW, gradient=False)]
BINARY += [
    Case("add", [Draw(dtype="float64"), X], gradient=False),
    Case("mul", [Draw((), dtype="float64"), X], gradient=False),
]

REDUCE = [Case(n, [X], {"dim": d, "keepdim": k}) for n in "sum mean amax amin logsumexp nansum nanmean".split()
          for d, k in ((0, False), (-1, True), ((0, 1), False))]  # fmt: skip
REDUCE += [Case(n, [X], {"dim": 1, "keepdim": True}) for n in "prod std var norm".split()]
REDUCE += [Case(n, [X]) for n in "sum mean prod max min std var norm".split()] + [
    Case("var", [X], {"dim": 1, "correction": 0})
]
REDUCE += [
    Case(n, [X], {"dim": 1}) for n in ("max", "min", "median", "nanmedian", "cummax", "cummin", "cumsum", "cumprod")
]
REDUCE += [
    Case(n, [X], {"dim": 0}, gradient=False) for n in ("argmax", "argmin", "all", "any", "count_nonzero", "argsort")
]
REDUCE += flat("argmax", "argmin", "median", args=(X,)) + flat("sum", "prod", "all", "any", args=(WHOLE,))
REDUCE += [Case("norm", [X, p, 1]) for p in (1, 3.0, float("inf"), 0)] + [
    Case("var_mean", [X], {"dim": 1}),
    Case("std_mean", [X]),
]
REDUCE += [Case("aminmax", [X], {"dim": 0}), plain("dist", X, Y), Case("logcumsumexp", [X], {"dim": 1})]
REDUCE += [
    Case("quantile", [X, 0.3], {"dim": 1}),
    Case("quantile", [X, 0.5], {"interpolation": "nearest"}, gradient=False),
]
REDUCE += [
    Case("sort", [X], {"dim": 0, "descending": True}),
    Case("topk", [X, 2]),
    Case("kthvalue", [X, 2, 0]),
    plain("msort", X),
]
REDUCE += [
    plain("diff", X),
    Case("trapezoid", [X]),
    Case("cumulative_trapezoid", [X], {"dim": 0}),
    plain("gradient", X),
]
REDUCE += [
    Case("sum", [EMPTY], {"dim": 0}),
    Case("histc", [X, 5], gradient=False),
    Case("mode", [WHOLE], {"dim": 1}, gradient=False),
]
REDUCE += [plain("cov", X), plain("corrcoef", X), Case("renorm", [X, 2, 0, 1.0])]

SHAPE = [
    Case("reshape", [CUBE, (6, -1)]),
    Case("flatten", [CUBE, 1]),
    Case("unflatten", [CUBE, 2, (2, -1)]),
    plain("ravel", CUBE),
]
SHAPE += [
    Case("squeeze", [COLUMN]),
    Case("unsqueeze", [X, -1]),
    Case("permute", [CUBE, (2, 0, 1)]),
    Case("transpose", [CUBE, 0, 2]),
]
SHAPE += [
    Case("movedim", [CUBE, (0, 1), (2, 0)]),
    Case("flip", [CUBE, (0, 2)]),
    Case("roll", [CUBE, (1, -1), (0, 2)]),
    Case("roll", [X, 5]),
]
SHAPE += [Case("rot90", [X, k, (0, 1)]) for k in (-1, 1, 2)] + [
    Case("narrow", [CUBE, 2, 1, 2]),
    Case("select", [CUBE, 1, -1]),
]
SHAPE += [
    Case("split", [CUBE, 3, 2]),
    Case("split", [CUBE, [1, 3], 2]),
    Case("chunk", [CUBE, 3, 2]),
    Case("unbind", [CUBE, 1]),
]
SHAPE += [
    Case("tensor_split", [CUBE, 3, 2]),
    Case("cat", [[X, Y], 1]),
    Case("cat", [[X, WHOLE]], gradient=False),
    Case("stack", [[X, Y], -1]),
]
SHAPE += [Case(n, [[X, Y]]) for n in ("hstack", "vstack", "dstack", "column_stack")] + [
    Case("block_diag", [X, ROW, COLUMN])
]
SHAPE += [Case("diagonal", [CUBE, o, 1, 2]) for o in (-1, 0, 2)] + [
    Case("diag_embed", [X, 1]),
    Case("diag", [ROW, -1]),
    Case("diag", [X]),
]
SHAPE += [
    Case("tril", [X, 1]),
    Case("triu", [CUBE, -1]),
    plain("trace", X),
    Case("broadcast_to", [ROW, (3, 4)]),
    Case("tile", [X, (2, 1, 2)]),
]
SHAPE += [
    Case("repeat", [X, 2, 1, 2], method=True),
    Case("expand", [COLUMN, 3, 4], method=True),
    Case("view", [CUBE, 4, 6], method=True),
]
SHAPE += [
    Case("unfold", [CUBE, 2, 2, 2], method=True),
    Case("repeat_interleave", [X, 3, 1]),
    Case("meshgrid", [ROW, ROW], {"indexing": "xy"}),
]
SHAPE += [
    Case("select_scatter", [CUBE, Draw((2, 4)), 1, 0]),
    Case("slice_scatter", [CUBE, Draw((2, 3, 2)), 2, 1, None, 2]),
]
SHAPE += [
    Case("diagonal_scatter", [X, Draw((3,)), 1]),
    Case("as_strided", [CUBE, (2, 2), (1, 3), 4]),
    Case("cartesian_prod", [ROW, ROW]),
]

PLACES = Draw((3, 2), 0, 4, "int64")
INDEX = [Case("gather", [X, 1, PLACES]), Case("scatter", [X, 1, Draw((3, 1), 0, 4, "int64"), Draw((3, 1))])]
INDEX += [
    Case("scatter", [X, 1, PLACES, 2.5]),
    Case("scatter_add", [X, 1, PLACES, Draw((3, 2))]),
    Case("take", [X, Draw((2, 2), -3, 9, "int64")]),
]
INDEX += [Case("scatter_reduce", [X, 1, PLACES, Draw((3, 2)), r], {"include_self": s}, gradient=r != "prod")
          for r in ("sum", "prod", "mean", "amax", "amin") for s in (True, False)]  # fmt: skip
INDEX += [Case("index_select", [CUBE, 2, Draw((3,), 0, 4, "int64")]), Case("take_along_dim", [X, PLACES, 1])]
INDEX += [
    Case("index_add", [CUBE, 1, Draw((2,), 0, 3, "int64"), Draw((2, 2, 4))], {"alpha": 2.0}),
    Case("masked_fill", [X, TRUTH, 1.5]),
]
INDEX += [
    Case("index_fill", [CUBE, 1, Draw((2,), 0, 3, "int64"), 1.5]),
    Case("masked_scatter", [X, TRUTH, Draw((12,))]),
    Case("masked_select", [X, TRUTH], gradient=False),
]
INDEX += [
    Case("nonzero", [WHOLE], gradient=False),
    Case("nn.functional.one_hot", [Draw((3,), 0, 4, "int64"), 4], gradient=False),
]
INDEX += [
    Case("nn.functional.embedding", [PLACES, Draw((4, 3))]),
    Case("unique", [WHOLE], gradient=False),
    Case("bincount", [OTHER_WHOLE], gradient=False),
]
INDEX += [
    Case("nn.functional.embedding_bag", [PLACES, Draw((4, 3))], {"mode": m}, gradient=m != "max")
    for m in ("sum", "mean", "max")
]

MATMUL = [Case("matmul", [Draw(a), Draw(b)]) for a, b in (
    ((3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (4,)), ((4,), (2, 4, 5)), ((4,), (4,)), ((3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (5, 4, 2)))]  # fmt: skip
MATMUL += [
    plain("mm", X, Draw((4, 2))),
    plain("bmm", CUBE, Draw((2, 4, 2))),
    plain("mv", X, ROW),
    plain("dot", ROW, ROW),
    plain("outer", ROW, ROW),
]
MATMUL += [
    Case("addmm", [Draw((2,)), X, Draw((4, 2))], {"beta": 0.5, "alpha": 2.0}),
    plain("baddbmm", Draw((2, 3, 2)), CUBE, Draw((2, 4, 2))),
]
MATMUL += [
    plain("addmv", Draw((3,)), X, ROW),
    plain("addr", X, Draw((3,)), ROW),
    plain("inner", CUBE, X),
    plain("kron", X, ROW),
]
MATMUL += [
    Case("tensordot", [CUBE, Draw((4, 3, 2))], {"dims": ([1, 2], [1, 0])}),
    Case("linalg.multi_dot", [[X, Draw((4, 2)), Draw((2, 5))]]),
]
MATMUL += [Case("einsum", [e, *a]) for e, a in (
    ("ij,jk->ik", [X, Draw((4, 2))]), ("bij,bkj->bik", [CUBE, CUBE]), ("ii->i", [Draw((3, 3))]), ("ij->ji", [X]),
    ("ij,ij,j->i", [X, Y, ROW]),
    ("...ij,...jk->...ik", [CUBE, Draw((4, 2))]))]  # fmt: skip
MATMUL += [
    plain("nn.functional.linear", CUBE, X, Draw((3,))),
    plain("nn.functional.bilinear", X, X, Draw((2, 4, 4)), Draw((2,))),
]
MATMUL += [
    Case("matmul", [WHOLE, Draw((4, 2), 0, 5, "int64")], gradient=False),
    plain("cdist", X, Draw((5, 4))),
    plain("nn.functional.pdist", X),
]

SQUARE = Draw((2, 3, 3), -1, 1)
LINALG = [plain(f"linalg.{n}", SQUARE, tolerance=2e-4) for n in ("det", "inv", "matrix_exp", "svdvals")]
LINALG += [
    Case("linalg.solve", [SQUARE, Draw((2, 3, 2))], tolerance=5e-4),
    Case("linalg.matrix_power", [SQUARE, 3]),
    plain("linalg.cross", Draw((2, 3)), Draw((2, 3))),
]
LINALG += [Case("linalg.matrix_norm", [SQUARE, o], tolerance=2e-4) for o in ("fro", "nuc", 1, 2, float("inf"))] + [
    Case("linalg.vector_norm", [X, 3.0])
]
LINALG += [
    Case("linalg.pinv", [Draw((4, 3))], tolerance=5e-4),
    plain("slogdet", SQUARE, tolerance=2e-4),
    Case("linalg.vander", [ROW], {"N": 3}),
]

FFT = [
    Case(f"fft.{n}", [X], {"norm": m}, gradient=False)
    for n in ("fft", "rfft", "ifft", "fft2", "rfft2", "hfft", "irfft")
    for m in (None, "ortho")
]
FFT += [Case("fft.irfft2", [X], {"s": (3, 5)}), Case("fft.fftfreq", [7, 0.5]), Case("fft.fftshift", [X])]

CREATE = [
    Case("zeros", [2, 3]),
    Case("ones", [(2,)]),
    Case("full", [(2, 2), 3]),
    Case("full", [(2,), 1.5]),
    Case("arange", [5]),
    Case("arange", [1, 2, 0.3]),
]
CREATE += [
    Case("arange", [5, 0, -2]),
    Case("linspace", [0, 1, 7]),
    Case("logspace", [0, 2, 5]),
    Case("eye", [3, 4]),
    Case("tril_indices", [3, 4]),
    Case("vander", [ROW]),
]
CREATE += [Case(n, [X]) for n in ("zeros_like", "ones_like")] + [
    Case(f"{n}_window", [8]) for n in ("hann", "hamming", "blackman", "bartlett", "kaiser")
]
CREATE += [
    Case(f"signal.windows.{n}", [7], {"sym": s})
    for n in ("hann", "cosine", "nuttall", "gaussian", "exponential")
    for s in (True, False)
]

ACTIVATION = [Case(f"nn.functional.{n}", [X]) for n in (
    "relu relu6 leaky_relu elu selu celu gelu silu mish softplus softsign tanhshrink logsigmoid "
        "hardswish glu".split())]  # fmt: skip
ACTIVATION += [Case(f"nn.functional.{n}", [X]) for n in "softshrink hardshrink hardtanh hardsigmoid".split()]
ACTIVATION += [
    Case("nn.functional.gelu", [X], {"approximate": "tanh"}),
    Case("nn.functional.softplus", [X, 2.0, 1.0]),
    plain("nn.functional.prelu", X, ROW),
]
ACTIVATION += [
    Case("nn.functional.threshold", [X, 0.1, 5.0]),
    Case("softmax", [X, 1]),
    Case("softmax", [CUBE, 1]),
    Case("log_softmax", [X, 0]),
    Case("nn.functional.softmin", [X], {"dim": 1}),
]
ACTIVATION += [
    Case("nn.functional.normalize", [X]),
    Case("softmax", [POINT, 0], gradient=False),
    Case("softmax", [Draw((3, 0)), 1]),
]

NUMBERS, LABELS = Draw((5, 4)), Draw((5,), 0, 4, "int64")
LOSS = [
    Case(f"nn.functional.{n}", [NUMBERS, Draw((5, 4))], {"reduction": r})
    for n in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
    for r in ("mean", "sum", "none")
]
LOSS += [
    Case("nn.functional.cross_entropy", [NUMBERS, LABELS], {"reduction": r, "label_smoothing": s})
    for r in ("mean", "sum", "none")
    for s in (0.0, 0.1)
]
LOSS += [
    Case("nn.functional.cross_entropy", [NUMBERS, LABELS, Draw((4,), 0.2, 2)]),
    Case("nn.functional.cross_entropy", [Draw((2, 3, 4)), Draw((2, 4), 0, 3, "int64")]),
]
LOSS += [
    Case("nn.functional.cross_entropy", [NUMBERS, LABELS], {"ignore_index": 1}),
    Case("nn.functional.cross_entropy", [NUMBERS, Draw((5, 4), 0, 1)]),
    Case("nn.functional.cross_entropy", [ROW, Draw((), 0, 4, "int64")]),
]
LOSS += [
    Case("nn.functional.nll_loss", [NUMBERS, LABELS]),
    Case("nn.functional.binary_cross_entropy", [Draw((5, 4), 0.05, 0.95), Draw((5, 4), 0, 1)]),
]
LOSS += [
    Case(
        "nn.functional.binary_cross_entropy_with_logits",
        [NUMBERS, Draw((5, 4), 0, 1)],
        {"pos_weight": Draw((4,), 0.5, 2)},
    ),
    Case("nn.functional.kl_div", [NUMBERS, Draw((5, 4), 0.1, 1)], {"reduction": "batchmean"}),
]
LOSS += [
    Case("nn.functional.soft_margin_loss", [NUMBERS, Draw((5, 4), -1, 1)]),
    Case("nn.functional.poisson_nll_loss", [NUMBERS, Draw((5, 4), 0, 3)], {"full": True}, gradient=False),
]
LOSS += [
    Case("nn.functional.gaussian_nll_loss", [NUMBERS, Draw((5, 4)), Draw((5, 4), 0.2, 2)]),
    Case("nn.functional.hinge_embedding_loss", [NUMBERS, Draw((5, 4), -1, 1)]),
]
LOSS += [
    Case("nn.functional.margin_ranking_loss", [NUMBERS, Draw((5, 4)), Draw((5, 4))], {"margin": 0.3}),
    Case("nn.functional.triplet_margin_loss", [NUMBERS, Draw((5, 4)), Draw((5, 4))]),
]
LOSS += [
    Case("nn.functional.multi_margin_loss", [NUMBERS, LABELS], {"p": 2}),
    Case("nn.functional.multilabel_soft_margin_loss", [NUMBERS, Draw((5, 4), 0, 1)]),
]
LOSS += [
    Case("nn.functional.cosine_similarity", [NUMBERS, Draw((5, 4))]),
    Case("nn.functional.pairwise_distance", [NUMBERS, Draw((5, 4))]),
]
LOSS += [
    Case(
        "nn.functional.ctc_loss", [Draw((8, 2, 5), -3, -1), Draw((2, 3), 1, 5, "int64"), (8, 7), (3, 2)], gradient=False
    )
]

CONV = [
    Case(
        "nn.functional.conv2d",
        [IMAGE, Draw((6, 2, 3, 3)), Draw((6,))],
        {"groups": 2, "padding": 1, "stride": 2},
        tolerance=1e-4,
    )
]
CONV += [
    Case("nn.functional.conv1d", [SIGNAL, Draw((3, 4, 3))], {"dilation": 2}),
    Case("nn.functional.conv3d", [VOLUME, Draw((3, 2, 2, 2, 2))]),
]
CONV += [Case("nn.functional.conv2d", [IMAGE, Draw((2, 4, 3, 2))], {"padding": "same"}, tolerance=1e-4)]
CONV += [
    Case("nn.functional.conv_transpose2d", [IMAGE, Draw((4, 3, 3, 3))], g, tolerance=1e-4)
    for g in ({}, {"stride": 2, "padding": 1, "output_padding": 1})
]
CONV += [Case("nn.functional.max_pool2d", [IMAGE, 3, 2, 1], {"ceil_mode": c}) for c in (True, False)] + [
    Case("nn.functional.avg_pool2d", [IMAGE, 3, 2, 1], {"ceil_mode": True})
]
CONV += [
    Case("nn.functional.max_pool1d", [SIGNAL, 2]),
    Case("nn.functional.avg_pool3d", [VOLUME, 2]),
    Case("nn.functional.lp_pool2d", [Draw((1, 2, 5, 5), 0.1, 2), 2.0, 2]),
]
CONV += [Case(f"nn.functional.adaptive_{k}_pool2d", [IMAGE, o]) for k in ("avg", "max") for o in (1, (3, 4), (7, 2))]
CONV += [
    Case("nn.functional.unfold", [IMAGE, (3, 2)], {"padding": 1, "stride": 2}),
    Case("nn.functional.fold", [Draw((2, 12, 20)), (5, 6), (2, 2)]),
    Case("nn.functional.pixel_shuffle", [IMAGE, 2]),
]
CONV += [
    Case("nn.functional.pad", [IMAGE, (1, 2, 2, 1)], {"mode": m})
    for m in ("constant", "reflect", "replicate", "circular")
] + [Case("nn.functional.pad", [IMAGE, (-1, 2, 0, -2)], {"value": 3.0})]
CONV += [
    Case("nn.functional.interpolate", [IMAGE], {"scale_factor": 1.7, "mode": m}, tolerance=1e-4)
    for m in ("nearest", "nearest-exact", "bilinear", "bicubic", "area")
]
CONV += [
    Case(
        "nn.functional.interpolate",
        [IMAGE],
        {"size": (5, 9), "mode": "bilinear", "align_corners": a, "antialias": not a},
        tolerance=1e-4,
    )
    for a in (True, False)
]
CONV += [Case("nn.functional.grid_sample", [IMAGE, Draw((2, 3, 4, 2), -1.2, 1.2)],
              {"mode": m, "padding_mode": p, "align_corners": False}, gradient=False, tolerance=2e-4)
         for m in ("bilinear", "nearest", "bicubic") for p in ("zeros", "border", "reflection")]  # fmt: skip

NORM = [
    Case("nn.functional.layer_norm", [CUBE, (4,), Draw((4,)), Draw((4,))]),
    Case("nn.functional.layer_norm", [CUBE, (3, 4)]),
    Case("nn.functional.rms_norm", [CUBE, (4,), Draw((4,))]),
]
NORM += [
    Case("nn.functional.group_norm", [IMAGE, 2, Draw((4,)), Draw((4,))], tolerance=5e-5),
    Case("nn.functional.instance_norm", [IMAGE], tolerance=5e-5),
    Case("nn.functional.local_response_norm", [IMAGE, 3]),
]
NORM += [
    Case("nn.functional.batch_norm", [IMAGE, None, None, Draw((4,)), Draw((4,)), True], tolerance=5e-5),
    Case("nn.functional.batch_norm", [IMAGE, Draw((4,)), Draw((4,), 0.5, 2)], gradient=False, tolerance=5e-5),
]
QUERY = Draw((2, 2, 5, 4))
NORM += [
    Case(
        "nn.functional.scaled_dot_product_attention", [QUERY, Draw((2, 2, 5, 4)), Draw((2, 2, 5, 3))], {"is_causal": c}
    )
    for c in (True, False)
]
NORM += [
    Case("nn.functional.scaled_dot_product_attention", [QUERY, Draw((2, 2, 5, 4)), Draw((2, 2, 5, 3)), Draw((5, 5))])
]

MASKED = [
    Case(f"masked.{n}", [X], {"dim": 1, "mask": TRUTH}, gradient=n in ("sum", "prod"))
    for n in ("sum", "prod", "mean", "amax", "amin", "softmax", "cumsum")
]

COMPLEX, DEGREES = Draw(dtype="complex64"), Draw((4,), -2, 12, "int64")
POLYNOMIALS = [f"{p}_polynomial_{k}" for p, kinds in (
    ("chebyshev", "tuvw"), ("shifted_chebyshev", "tuvw"), ("laguerre", "l"), ("legendre", "p")) for k in kinds]
POLYNOMIALS += ["hermite_polynomial_h", "hermite_polynomial_he"]  # fmt: skip
EDGES = [Case(f"special.{n}", [WHOLE, DEGREES], gradient=False, tolerance=1e-7) for n in POLYNOMIALS]
EDGES += [Case(n, [WHOLE, OTHER_WHOLE], gradient=False, tolerance=1e-7) for n in ("xlogy", "rsub")]
EDGES += flat("special.entr", "rsqrt", "sigmoid", args=(OTHER_WHOLE,))
EDGES += [Case("add", [TRUTH, TRUTH], {"alpha": a}, gradient=False) for a in (False, True)]
EDGES += [
    Case("nn.functional.pad", [IMAGE, (-1, 1, -2, 1)], {"mode": "circular"}),
    Case("nn.functional.local_response_norm", [Draw((2, 4, 5), -5, 6, "int64"), 2], gradient=False),
    Case("special.polygamma", [2, TRUTH], gradient=False),
    Case("hash_tensor", [X], gradient=False),
    Case("hash_tensor", [WHOLE], {"dim": 1, "keepdim": True}, gradient=False),
]
EDGES += [Case("linalg.matrix_norm", [Draw((2, 0, 3)), o]) for o in (1, float("inf"), 2, "fro")]
EDGES += [Case(n, [COMPLEX], {"dim": 1}, gradient=False, tolerance=1e-4) for n in ("logcumsumexp", "cumprod")]
EDGES += [Case("logaddexp", [COMPLEX, COMPLEX], gradient=False, tolerance=1e-4), plain("resolve_conj", COMPLEX)]
EDGES += [Case("nn.functional.rms_norm", [COMPLEX, (4,)], gradient=False, tolerance=1e-4)]
EDGES += [Case(f"linalg.{n}", [Draw((2, 5, 5), dtype=d)], gradient=False, tolerance=5e-4)
          for n in ("lu_factor", "ldl_factor") for d in ("float32", "float64", "complex64")]  # fmt: skip
EDGES += [Case(f"linalg.{n}", [Draw((4, 4), dtype="complex64")], {"hermitian": True}, gradient=False, tolerance=2e-3)
          for n in ("ldl_factor", "pinv")]  # fmt: skip

CASES = [
    *EDGES,
    *UNARY,
    *SPECIAL,
    *BINARY,
    *REDUCE,
    *SHAPE,
    *INDEX,
    *MATMUL,
    *LINALG,
    *FFT,
    *CREATE,
    *ACTIVATION,
    *LOSS,
    *CONV,
    *NORM,
    *MASKED,
]

FAILS = [
    Fails("add", [X, Draw((3, 5))], ShapeError, ["(3, 4)", "(3, 5)", "dim 1"]),
    Fails("matmul", [X, Draw((3, 4))], ShapeError, ["4", "3", ".mT"]),
    Fails("matmul", [X, Draw((4, 2), dtype="float64")], DTypeError, ["float32", "float64"]),
    Fails("nn.functional.linear", [Draw((32, 1, 28, 28)), Draw((10, 784))], ShapeError, ["28", "784", "flatten(1)"]),
    Fails(
        "nn.functional.linear",
        [Draw((16, 4), dtype="float64"), Draw((1, 4))],
        DTypeError,
        ["float64", "float32", "NumPy", ".float()"],
    ),
    Fails("reshape", [X, (5, 2)], ShapeError, ["(5, 2)", "12"]),
    Fails("sum", [X], DimError, ["dim 2"], {"dim": 2}),
    Fails("cat", [[X, Draw((2, 5))]], ShapeError, ["4", "5"]),
    Fails("mean", [WHOLE], DTypeError, ["int64", ".float()"]),
    Fails("sub", [TRUTH, TRUTH], DTypeError, ["bool"]),
    Fails(
        "nn.functional.cross_entropy",
        [Draw((8, 10)), Draw((8, 10), 0, 2, "int64")],
        ShapeError,
        ["one-hot", "int64", "argmax(dim=1)"],
    ),
    Fails(
        "nn.functional.cross_entropy", [Draw((6, 3)), Draw((6, 1), 0, 3, "int64")], ShapeError, ["(6, 1)", "squeeze(1)"]
    ),
    Fails(
        "nn.functional.cross_entropy",
        [Draw((4, 5, 7)), Draw((4, 5), 0, 5, "int64")],
        ShapeError,
        ["dim 1", "transpose(1, 2)"],
    ),
    Fails(
        "nn.functional.cross_entropy", [Draw((4, 3)), Draw((4,), 3, 4, "int64")], DimError, ["3 classes", "start at 0"]
    ),
    Fails(
        "nn.functional.conv2d",
        [Draw((8, 32, 32, 3)), Draw((16, 3, 3, 3))],
        ShapeError,
        ["32 channels", "in_channels=3", "permute(0, 3, 1, 2)"],
    ),
    Fails("nn.functional.conv2d", [Draw((1, 3, 2, 2)), Draw((4, 3, 5, 5))], ShapeError, ["(5, 5)", "(2, 2)"]),
    Fails("nn.functional.embedding", [Draw((2,)), Draw((4, 3))], DTypeError, ["float32", ".long()"]),
    Fails("softmax", [WHOLE, 1], DTypeError, ["int64"]),
    Fails("topk", [X, 9], ArgumentError, ["9", "4"]),
    Fails("nn.functional.dropout", [X, 1.5], ArgumentError, ["1.5"]),
    Fails("gather", [X, 1, ROW], DTypeError, ["int64"]),
    Fails("linalg.inv", [X], ShapeError, ["square"]),
    Fails("einsum", ["ij,jk->ik", X], ArgumentError, ["2", "1"]),
    Fails("expand", [X, 3, 5], ShapeError, ["4", "5"], method=True),
    Fails("chunk", [X, 0], ArgumentError, ["greater than 0"]),
    Fails("sin", [2.0], TypeError, ["'input'", "must be Tensor, not float", "as_tensor"]),
    Fails("maximum", [X, 2], TypeError, ["'other'", "position 2", "not int"]),
    Fails("bitwise_and", [2, 3], TypeError, ["int, int", "at least one operand"]),
    Fails("cat", [X], TypeError, ["tuple of Tensors"]),
    Fails("cat", [[X, None]], TypeError, ["element 1", "NoneType"]),
    Fails("masked_fill", [X, TRUTH, 1j], DTypeError, ["float32", "complex"]),
    Fails("multinomial", [Draw((3,), -2, -1), 2], ArgumentError, ["element < 0", "value -"]),
    Fails("cov", [X], DTypeError, ["fweights", "integral", "float32"], {"fweights": ROW}),
    Fails("cov", [X], ArgumentError, ["aweights", "negative"], {"aweights": Draw((4,), -2, -1)}),
    Fails("fft.fft", [POINT], DimError, ["at least 1 dim"]),
    Fails("linspace", [ROW, 1, 3], ArgumentError, ["0-dimensional", "start"]),
    Fails("linspace", [0, 1, 3.5], TypeError, ["steps", "3.5"]),
    Fails("roll", [POINT, 1, 0], DimError, ["0-d"]),
    Fails("amax", [Draw((5, 0))], ArgumentError, ["name a dim"]),
    Fails("linalg.cross", [Draw((5, 3)), Draw((5, 1))], ShapeError, ["3 and 1"]),
    Fails("linalg.cholesky", [Draw((2, 2), -2, -1)], LinAlgError, ["positive definite"]),
    Fails("linalg.ldl_factor", [Draw((2, 2), 0, 0)], LinAlgError, ["singular"]),
    Fails("scatter", [X, 0, Draw((2, 2), 0, 2, "int64"), Draw((2, 2, 2))], ShapeError, ["dimensions as src"]),
    Fails("nn.functional.hardtanh", [X, 0.5, -0.5], ArgumentError, ["0.5", "-0.5"]),
    Fails("signal.windows.general_cosine", [3], TypeError, ["list/tuple"], {"a": 0.5}),
]
