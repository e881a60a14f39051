"""Elementary functions of float32 vectors as short polynomials; float64 and rare functions call the C library.

Accuracy: 1 to 3 units in the last place over the whole range, with the right NaN, infinities and signs of zero.
Sources: Cephes (Moshier) for exp and log, N. Juffa's published minimax fits for erf, Eigen's rational tanh.
"""

from __future__ import annotations

import math

from dovetail.base.dtypes import float32, float64, int32, int64
from dovetail.codegen.emit import Emitter, Op

INF = math.inf
EXP_LOW, EXP_HIGH = -87.33654022216797, 88.72283172607422
MAGIC = 12582912.0  # 1.5 * 2**23: adding it leaves the nearest whole number in the low bits


def polynomial(k: Emitter, x: Op, coefficients: list[float]) -> Op:
    """Horner's rule, highest power first."""
    total = k.const(coefficients[0], x.dtype)
    for c in coefficients[1:]:
        total = k.fma(total, x, k.const(c, x.dtype))
    return total


def library(k: Emitter, name: str, *args: Op) -> Op:
    """The C library's function for the operands' dtype."""
    return k.each_lane(name if args[0].dtype is float64 else name + "f", list(args))


def abs_(k: Emitter, x: Op) -> Op:
    return k.intrinsic("llvm.fabs", [x])


def exp_reduced(k: Emitter, x: Op) -> tuple[Op, Op]:
    """exp(x) = (1 + q) * 2**n: q, and the bits of n ready to be added to a float's exponent."""
    m = k.fma(x, k.const(1.44269504088896341, float32), k.const(MAGIC, float32))
    n = k.sub(m, k.const(MAGIC, float32))
    r = k.fma(n, k.const(-0.693359375, float32), x)
    r = k.fma(n, k.const(2.12194440e-4, float32), r)
    p = polynomial(k, r, [1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
                          5.0000001201e-1])
    q = k.fma(p, k.mul(r, r), r)
    return q, k.bits("shl", k.bitcast(m, int32), k.const(23, int32))


def exp(k: Emitter, x: Op) -> Op:
    if x.dtype is float64:
        return exp64(k, x)
    q, n = exp_reduced(k, x)
    y = k.bitcast(k.add(k.bitcast(k.add(q, k.const(1.0, float32)), int32), n), float32)
    y = k.select(k.compare("lt", x, k.const(EXP_LOW, float32)), k.const(0.0, float32), y)
    return k.select(k.compare("gt", x, k.const(EXP_HIGH, float32)), k.const(INF, float32), y)


def exp64(k: Emitter, x: Op) -> Op:
    """Degree 11 after reduction by ln 2 in two parts; results below the normal range are 0."""
    magic = 6755399441055744.0
    m = k.fma(x, k.const(1.4426950408889634, float64), k.const(magic, float64))
    n = k.sub(m, k.const(magic, float64))
    r = k.fma(n, k.const(-0.69314718036912382, float64), x)
    r = k.fma(n, k.const(-1.9082149292705877e-10, float64), r)
    p = polynomial(k, r, [1 / math.factorial(i) for i in range(13, 1, -1)])
    y = k.add(k.fma(p, k.mul(r, r), r), k.const(1.0, float64))
    bits = k.bits("shl", k.bitcast(m, int64), k.const(52, int64))
    y = k.bitcast(k.add(k.bitcast(y, int64), bits), float64)
    y = k.select(k.compare("lt", x, k.const(-708.3964185322641, float64)), k.const(0.0, float64), y)
    return k.select(k.compare("gt", x, k.const(709.782712893384, float64)), k.const(INF, float64), y)


def expm1(k: Emitter, x: Op) -> Op:
    if x.dtype is float64:
        return library(k, "expm1", x)
    q, _ = exp_reduced(k, x)
    far = k.sub(exp(k, x), k.const(1.0, float32))
    near = k.compare("lt", abs_(k, x), k.const(0.34, float32))
    tiny = k.compare("lt", abs_(k, x), k.const(1e-6, float32))
    return k.select(tiny, x, k.select(near, q, far))


def log_parts(k: Emitter, x: Op) -> tuple[Op, Op]:
    """log(x) = r - e * 2.12e-4 + e * 0.693359375 for x > 0: returns (r, e); log_join puts them together."""
    small = k.compare("lt", x, k.const(1.17549435e-38, float32))
    x = k.select(small, k.mul(x, k.const(8388608.0, float32)), x)
    word = k.bitcast(x, int32)
    # Take the exponent such that the mantissa falls into [sqrt(1/2), sqrt(2)).
    shifted = k.sub(word, k.const(0x3F3504F3, int32))
    e = k.bits("ashr", shifted, k.const(23, int32))
    m = k.bitcast(k.sub(word, k.bits("shl", e, k.const(23, int32))), float32)
    e = k.convert(e, float32)
    return k.sub(m, k.const(1.0, float32)), k.select(small, k.sub(e, k.const(23.0, float32)), e)


LOG = [7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
       2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1]


def log(k: Emitter, x: Op) -> Op:
    if x.dtype is float64:
        return library(k, "log", x)
    m, e = log_parts(k, x)
    z = k.mul(m, m)
    y = k.mul(k.mul(polynomial(k, m, LOG), m), z)
    y = k.fma(e, k.const(-2.12194440e-4, float32), y)
    y = k.fma(z, k.const(-0.5, float32), y)
    y = k.fma(e, k.const(0.693359375, float32), k.add(m, y))
    return log_edges(k, x, y)


def log_edges(k: Emitter, x: Op, y: Op) -> Op:
    y = k.select(k.compare("eq", x, k.const(INF, float32)), x, y)
    y = k.select(k.compare("eq", x, k.const(0.0, float32)), k.const(-INF, float32), y)
    bad = k.compare("ult" if x.dtype.kind == "f" else "lt", x, k.const(0.0, float32))
    return k.select(bad, k.const(math.nan, float32), y)


def log1p(k: Emitter, x: Op) -> Op:
    """log(1 + x) with the rounding of 1 + x put right (Kahan)."""
    if x.dtype is float64:
        return library(k, "log1p", x)
    one = k.const(1.0, float32)
    u = k.add(x, one)
    lost = k.div(k.sub(x, k.sub(u, one)), u)
    y = k.add(log(k, u), lost)
    y = k.select(k.compare("eq", u, one), x, y)
    odd = k.compare("le", u, k.const(0.0, float32))
    return k.select(k.compare("eq", u, k.const(INF, float32)), x, k.select(odd, log(k, u), y))


def log2(k: Emitter, x: Op) -> Op:
    return library(k, "log2", x)


def tanh(k: Emitter, x: Op) -> Op:
    if x.dtype is float64:
        return library(k, "tanh", x)
    limit = k.const(7.90531110763549805, float32)
    low, high = k.compare("lt", x, k.neg(limit)), k.compare("gt", x, limit)
    inside = k.select(low, k.const(-7.90531110763549805, float32), k.select(high, limit, x))
    z = k.mul(inside, inside)
    over = polynomial(k, z, [-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
                             1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03])
    under = polynomial(k, z, [1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03])
    y = k.div(k.mul(inside, over), under)
    y = k.select(k.compare("lt", abs_(k, x), k.const(4e-4, float32)), x, y)
    one = k.const(1.0, float32)
    return k.select(k.compare("ge", abs_(k, x), k.const(9.02, float32)), k.intrinsic("llvm.copysign", [one, x]), y)


def sigmoid(k: Emitter, x: Op) -> Op:
    one = k.const(1.0, x.dtype)
    return k.div(one, k.add(one, exp(k, k.neg(x))))


def erf(k: Emitter, x: Op) -> Op:
    if x.dtype is float64:
        return library(k, "erf", x)
    t, s = abs_(k, x), k.mul(x, x)
    r = k.fma(k.const(-1.72853470e-5, float32), t, k.const(3.83197126e-4, float32))
    u = k.fma(k.const(-3.88396438e-3, float32), t, k.const(2.42546219e-2, float32))
    r = k.fma(r, s, u)
    for c in (-1.06777877e-1, -6.34846687e-1, -1.28717512e-1):
        r = k.fma(r, t, k.const(c, float32))
    r = k.fma(r, t, k.neg(t))
    far = k.intrinsic("llvm.copysign", [k.sub(k.const(1.0, float32), exp(k, r)), x])
    q = polynomial(k, s, [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1])
    near = k.fma(q, x, x)
    return k.select(k.compare("gt", t, k.const(0.927734375, float32)), far, near)


def erfinv(k: Emitter, y: Op) -> Op:
    """Winitzki's start, then four Halley steps on erf, or on erfc in the tail; in float64, as the meaning has it."""
    y, result = k.convert(y, float64), y.dtype
    one, half = k.const(1.0, float64), k.const(0.5, float64)
    size = abs_(k, y)
    kept = k.select(k.compare("lt", size, one), size, k.const(0.0, float64))
    rest = library(k, "log1p", k.neg(k.mul(kept, kept)))
    b = k.fma(rest, half, k.const(2 / (math.pi * 0.147), float64))
    root = k.intrinsic("llvm.sqrt", [k.sub(k.mul(b, b), k.mul(rest, k.const(1 / 0.147, float64)))])
    x = k.intrinsic("llvm.sqrt", [k.maximum(k.sub(root, b), k.const(0.0, float64))])
    near = k.compare("lt", kept, half)
    for _ in range(4):
        slope = k.mul(k.const(2 / math.sqrt(math.pi), float64), exp64(k, k.neg(k.mul(x, x))))
        tail = k.sub(k.sub(one, kept), library(k, "erfc", x))
        step = k.div(k.select(near, k.sub(library(k, "erf", x), kept), tail), slope)
        x = k.sub(x, k.div(step, k.fma(x, step, one)))
    x = k.select(k.compare("eq", size, one), k.const(INF, float64), x)
    x = k.intrinsic("llvm.copysign", [x, y])
    inside = k.compare("le", size, one)
    return k.convert(k.select(inside, x, k.const(math.nan, float64)), result)


BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)  # B2, B4, ...


def digamma(k: Emitter, x: Op) -> Op:
    """The derivative of lgamma (Abramowitz & Stegun 6.3.5, 6.3.7, 6.3.18), in float64."""
    x, result = k.convert(x, float64), x.dtype
    zero, one, ten = (k.const(n, float64) for n in (0.0, 1.0, 10.0))
    positive = k.compare("gt", x, zero)
    at = k.select(positive, x, k.sub(one, x))
    value = k.mul(at, zero)
    for _ in range(10):
        low = k.compare("lt", at, ten)
        value = k.select(low, k.sub(value, k.div(one, at)), value)
        at = k.select(low, k.add(at, one), at)
    square = k.div(one, k.mul(at, at))
    series = [b / (2 * n) for n, b in enumerate(BERNOULLI, 1)]
    value = k.add(value, library(k, "log", at))
    value = k.sub(value, k.div(k.const(0.5, float64), at))
    value = k.sub(value, k.mul(square, polynomial(k, square, series[::-1])))
    turn = k.sub(x, k.intrinsic("llvm.rint", [x]))
    pi = k.const(math.pi, float64)
    mirrored = k.sub(value, k.div(pi, library(k, "tan", k.mul(pi, turn))))
    mirrored = k.select(k.compare("eq", turn, zero), k.const(math.nan, float64), mirrored)
    value = k.select(positive, value, mirrored)
    pole = k.intrinsic("llvm.copysign", [k.const(INF, float64), k.neg(x)])
    value = k.select(k.compare("eq", x, zero), pole, value)
    value = k.select(k.compare("eq", x, k.const(-INF, float64)), k.const(math.nan, float64), value)
    return k.convert(k.select(k.compare("eq", x, k.const(INF, float64)), x, value), result)


def quarter_turns(k: Emitter, x: Op) -> tuple[Op, Op]:
    """x = r + n * pi / 2 with |r| <= pi / 4: r in float32 and n mod 4 as int32. The reduction runs in float64."""
    wide = k.convert(x, float64)
    n = k.intrinsic("llvm.rint", [k.mul(wide, k.const(2 / math.pi, float64))])
    r = k.fma(n, k.const(-1.5707963267341256, float64), wide)
    r = k.fma(n, k.const(-6.077100506506192e-11, float64), r)
    turns = k.intrinsic("llvm.floor", [k.mul(n, k.const(0.25, float64))])
    q = k.fma(turns, k.const(-4.0, float64), n)
    return k.convert(r, float32), k.convert(q, int32)


def _sine(k: Emitter, r: Op) -> Op:
    z = k.mul(r, r)
    p = polynomial(k, z, [2.86567956e-6, -1.98559923e-4, 8.33338592e-3, -1.66666672e-1])
    return k.fma(k.mul(p, z), r, r)


def _cosine(k: Emitter, r: Op) -> Op:
    z = k.mul(r, r)
    return polynomial(k, z, [2.44677067e-5, -1.38877297e-3, 4.16666567e-2, -0.5, 1.0])


def _turned(k: Emitter, x: Op, extra: int) -> Op:
    r, n = quarter_turns(k, x)
    n = k.add(n, k.const(extra, int32))
    odd = k.compare("ne", k.bits("and", n, k.const(1, int32)), k.const(0, int32))
    y = k.select(odd, _cosine(k, r), _sine(k, r))
    flip = k.compare("ne", k.bits("and", n, k.const(2, int32)), k.const(0, int32))
    return k.select(flip, k.neg(y), y)


def sin(k: Emitter, x: Op) -> Op:
    return library(k, "sin", x) if x.dtype is float64 else _turned(k, x, 0)


def cos(k: Emitter, x: Op) -> Op:
    return library(k, "cos", x) if x.dtype is float64 else _turned(k, x, 1)


def tan(k: Emitter, x: Op) -> Op:
    return library(k, "tan", x) if x.dtype is float64 else k.div(sin(k, x), cos(k, x))


def pow_(k: Emitter, x: Op, y: Op) -> Op:
    """Common exponents by multiplication; whole powers of integers by squaring; else the C library."""
    if y.const is not None:
        if y.const == 1:
            return x
        if y.const == 2:
            return k.mul(x, x)
        if y.const == 3:
            return k.mul(k.mul(x, x), x)
        if y.const == 4:
            return k.mul(k.mul(x, x), k.mul(x, x))
        if x.dtype.kind == "f" and y.const == -1:
            return k.div(k.const(1.0, x.dtype), x)
        if x.dtype.kind == "f" and y.const == 0:
            return k.const(1.0, x.dtype)
    if x.dtype.kind == "f":
        return library(k, "pow", x, y)
    return integer_power(k, x, y)


def integer_power(k: Emitter, x: Op, y: Op) -> Op:
    """Square and multiply over the exponent's bits. Negative exponents give what 1 / x**|y| truncates to."""
    x, y = k.meet(x, y)
    one, zero = k.const(1, x.dtype), k.const(0, x.dtype)
    total, square, left = one, x, y
    for _ in range(8 * x.dtype.itemsize):
        odd = k.compare("ne", k.bits("and", left, one), zero)
        total = k.select(odd, k.mul(total, square), total)
        square = k.mul(square, square)
        left = k.bits("lshr", left, one)
    if x.dtype.kind == "i":
        minus = k.const(-1, x.dtype)
        parity = k.compare("ne", k.bits("and", y, one), zero)
        unit = k.select(k.compare("eq", x, minus), k.select(parity, minus, one), zero)
        unit = k.select(k.compare("eq", x, one), one, unit)
        total = k.select(k.compare("lt", y, zero), unit, total)
    return total
