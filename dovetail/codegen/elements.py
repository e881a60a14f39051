"""The arithmetic of one element, for every element primitive: `rule(k, *operands, **settings) -> operand`.

A rule is written once with the emitter's typed operations and serves numbers and vectors alike. `install` hangs the
rules on the primitives (`Primitive.lower`), where a backend looks for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from dovetail.base.dtypes import bool_, int32, int64
from dovetail.codegen import mathfun
from dovetail.codegen.emit import Emitter, Op
from dovetail.ir.core import PRIMITIVES
from dovetail.prims.families import ELEMENT

RULES: dict[str, Callable] = {}


def rule(*names: str):
    def keep(function):
        for name in names:
            RULES[name] = function
        return function

    return keep


def is_float(x: Op) -> bool:
    return x.dtype.kind == "f"


# Copies and conversions


@rule("convert")
def convert(k: Emitter, x: Op, *, dtype) -> Op:
    return k.convert(x, dtype)


@rule("detach", "identity", "real", "conj")
def same(k: Emitter, x: Op) -> Op:
    return x


@rule("rounded")
def rounded(k: Emitter, x: Op, *, dtype) -> Op:
    """A float32 result as a short float holds it."""
    return k.rounded(x, dtype)


# Arithmetic

RULES["add"] = lambda k, a, b: k.add(a, b)
RULES["sub"] = lambda k, a, b: k.sub(a, b)
RULES["mul"] = lambda k, a, b: k.mul(a, b)
RULES["div"] = lambda k, a, b: k.div(a, b)
RULES["neg"] = lambda k, x: k.neg(x)
RULES["maximum"] = lambda k, a, b: k.maximum(a, b)
RULES["minimum"] = lambda k, a, b: k.minimum(a, b)
RULES["pow"] = mathfun.pow_


@rule("abs")
def absolute(k: Emitter, x: Op) -> Op:
    if is_float(x):
        return mathfun.abs_(k, x)
    if x.dtype.kind != "i":
        return x
    return k.select(k.compare("lt", x, k.const(0, x.dtype)), k.neg(x), x)


@rule("sign")
def sign(k: Emitter, x: Op) -> Op:
    if x.dtype.kind == "b":
        return x
    zero = k.const(0, x.dtype)
    up = k.convert(k.compare("gt", x, zero), x.dtype)
    return up if x.dtype.kind == "u" else k.sub(up, k.convert(k.compare("lt", x, zero), x.dtype))


def safe_divisor(k: Emitter, a: Op, b: Op) -> tuple[Op, Op]:
    """A divisor that cannot trap, and where the real one is 0. Lowest / -1 traps too: it is divided by 1 instead."""
    zero, one = k.const(0, b.dtype), k.const(1, b.dtype)
    bad = k.compare("eq", b, zero)
    safe = k.select(bad, one, b)
    if b.dtype.kind == "i":
        lowest = k.const(-(1 << (8 * b.dtype.itemsize - 1)), b.dtype)
        trap = k.bits("and", *k.meet(k.compare("eq", a, lowest), k.compare("eq", b, k.const(-1, b.dtype))))
        safe = k.select(trap, one, safe)
    return safe, bad


@rule("floor_divide")
def floor_divide(k: Emitter, a: Op, b: Op) -> Op:
    if is_float(a):
        return floor_divide_float(k, a, b)
    safe, bad = safe_divisor(k, a, b)
    zero = k.const(0, a.dtype)
    if a.dtype.kind == "u":
        return k.select(bad, zero, k.plain2("udiv", a, safe))
    quotient = k.plain2("sdiv", a, safe)
    rest = k.sub(a, k.mul(quotient, safe))
    apart = k.compare("lt", k.bits("xor", *k.meet(rest, safe)), zero)
    uneven = k.bits("and", *k.meet(apart, k.compare("ne", rest, zero)))
    return k.select(bad, zero, k.select(uneven, k.sub(quotient, k.const(1, a.dtype)), quotient))


def floor_divide_float(k: Emitter, a: Op, b: Op) -> Op:
    """Exact through fmod, as Python and NumPy do it."""
    zero, one = k.const(0.0, a.dtype), k.const(1.0, a.dtype)
    rest = fmod(k, a, b)
    quotient = k.div(k.sub(a, rest), b)
    apart = k.bits("xor", *k.meet(k.compare("lt", rest, zero), k.compare("lt", b, zero)))
    uneven = k.bits("and", *k.meet(apart, k.compare("une", rest, zero)))
    quotient = k.select(uneven, k.sub(quotient, one), quotient)
    near = k.intrinsic("llvm.floor", [quotient])
    far = k.compare("gt", k.sub(quotient, near), k.const(0.5, a.dtype))
    near = k.select(far, k.add(near, one), near)
    plain = k.div(a, b)
    near = k.select(k.compare("eq", quotient, zero), k.intrinsic("llvm.copysign", [zero, plain]), near)
    return k.select(k.compare("eq", b, zero), plain, near)


@rule("fmod")
def fmod(k: Emitter, a: Op, b: Op) -> Op:
    if is_float(a):
        return mathfun.library(k, "fmod", a, b)
    safe, bad = safe_divisor(k, a, b)
    rest = k.plain2("srem" if a.dtype.kind == "i" else "urem", a, safe)
    return k.select(bad, k.const(0, a.dtype), rest)


@rule("remainder")
def remainder(k: Emitter, a: Op, b: Op) -> Op:
    zero = k.const(0, a.dtype)
    rest = fmod(k, a, b)
    if a.dtype.kind == "u":
        return rest
    apart = k.bits("xor", *k.meet(k.compare("lt", rest, zero), k.compare("lt", b, zero)))
    move = k.bits("and", *k.meet(apart, k.compare("ne", rest, zero)))
    moved = k.select(move, k.add(rest, b), rest)
    return moved if is_float(a) else k.select(k.compare("eq", b, zero), zero, moved)


@rule("reciprocal")
def reciprocal(k: Emitter, x: Op) -> Op:
    return k.div(k.const(1.0, x.dtype), x)


@rule("sqrt")
def sqrt(k: Emitter, x: Op) -> Op:
    return k.intrinsic("llvm.sqrt", [x])


@rule("rsqrt")
def rsqrt(k: Emitter, x: Op) -> Op:
    return k.div(k.const(1.0, x.dtype), sqrt(k, x))


for _name, _intrinsic in {"floor": "floor", "ceil": "ceil", "round": "roundeven", "trunc": "trunc"}.items():
    RULES[_name] = lambda k, x, name=_intrinsic: k.intrinsic(f"llvm.{name}", [x])


@rule("copysign")
def copysign(k: Emitter, a: Op, b: Op) -> Op:
    return k.intrinsic("llvm.copysign", [a, b])


# Functions

for _name in ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "sin", "cos", "tan"):
    RULES[_name] = getattr(mathfun, _name)
for _name in ("exp2", "log2", "log10", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "erfc",
              "lgamma", "atan2", "hypot", "nextafter"):
    RULES[_name] = lambda k, *xs, name=_name: mathfun.library(k, name, *xs)


@rule("erfinv")
def erfinv(k: Emitter, y: Op) -> Op:
    return mathfun.erfinv(k, y)


@rule("digamma")
def digamma(k: Emitter, x: Op) -> Op:
    return mathfun.digamma(k, x)


# Truth values and bits

for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    RULES[_name] = lambda k, a, b, how=_name: k.compare(how, a, b)


@rule("is_nan")
def is_nan(k: Emitter, x: Op) -> Op:
    return k.compare("uno", x, x) if is_float(x) else k.const(False, bool_)


@rule("is_inf")
def is_inf(k: Emitter, x: Op) -> Op:
    return k.compare("eq", mathfun.abs_(k, x), k.const(math.inf, x.dtype)) if is_float(x) else k.const(False, bool_)


@rule("is_finite")
def is_finite(k: Emitter, x: Op) -> Op:
    return k.compare("lt", mathfun.abs_(k, x), k.const(math.inf, x.dtype)) if is_float(x) else k.const(True, bool_)


@rule("logical_not")
def logical_not(k: Emitter, x: Op) -> Op:
    return k.not_(x) if x.dtype.kind == "b" else k.compare("eq", x, k.const(0, x.dtype))


@rule("bitwise_not")
def bitwise_not(k: Emitter, x: Op) -> Op:
    return k.not_(x)


RULES["bitwise_and"] = lambda k, a, b: k.and_(a, b)
RULES["bitwise_or"] = lambda k, a, b: k.plain2("or", a, b)
RULES["bitwise_xor"] = lambda k, a, b: k.plain2("xor", a, b)


def shift(k: Emitter, op: str, a: Op, b: Op) -> Op:
    """A shift by as many bits as there are, or by a negative count, has no meaning in LLVM: 0 (or the sign) instead."""
    width = k.const(8 * a.dtype.itemsize, a.dtype)
    inside = k.bits("and", *k.meet(k.compare("lt", b, width), k.compare("ge", b, k.const(0, b.dtype))))
    if op == "ashr":
        last = k.sub(width, k.const(1, a.dtype))
        return k.plain2("ashr", a, k.select(inside, b, last))
    return k.select(inside, k.plain2(op, a, k.select(inside, b, k.const(0, b.dtype))), k.const(0, a.dtype))


@rule("shift_left")
def shift_left(k: Emitter, a: Op, b: Op) -> Op:
    return shift(k, "shl", a, b)


@rule("shift_right")
def shift_right(k: Emitter, a: Op, b: Op) -> Op:
    return shift(k, "ashr" if a.dtype.kind == "i" else "lshr", a, b)


@rule("where")
def where(k: Emitter, c: Op, a: Op, b: Op) -> Op:
    return k.select(c, a, b)


# Random bits


def philox(k: Emitter, seed: Op, block: Op, lane: Op) -> Op:
    """Word `lane` (0 .. 3) of Philox 4x32-10 for block number `block`, as int32. All i64 operands."""
    c = philox_words(k, seed, block)
    word = c[3]
    for i in (2, 1, 0):
        word = k.select(k.compare("eq", lane, k.const(i, int64)), c[i], word)
    return k.convert(word, int32)


def philox_run(k: Emitter, seed: Op, block: Op, lanes: int) -> Op:
    """`lanes` neighbouring words from block `block` on: every block is computed once and all its words are used."""
    blocks = k.add(k.widen(block, lanes // 4), k.lane_numbers(lanes // 4)) if lanes > 4 else block
    words = [k.convert(w, int32) for w in philox_words(k, seed, blocks)]
    if lanes == 4:
        total = k.widen(words[0], 4)
        for i in (1, 2, 3):
            mask = Op("<" + ", ".join(f"i1 {int(lane == i)}" for lane in range(4)) + ">", bool_, 4)
            total = k.select(mask, k.widen(words[i], 4), total)
        return total
    half, every = lanes // 2, lanes // 4
    first, second = (k.shuffle(words[i], words[i + 1], list(range(half))) for i in (0, 2))
    return k.shuffle(first, second, [(lane % 4) * every + lane // 4 for lane in range(lanes)])


def philox_words(k: Emitter, seed: Op, block: Op) -> list[Op]:
    """The four words of block number `block`, each in an i64."""
    low = k.const(0xFFFFFFFF, int64)
    half = k.const(32, int64)
    c = [k.bits("and", block, low), k.bits("lshr", block, half), k.const(0, int64), k.const(0, int64)]
    key = [k.bits("and", seed, low), k.bits("lshr", seed, half)]
    for _ in range(10):
        p, q = k.mul(c[0], k.const(0xD2511F53, int64)), k.mul(c[2], k.const(0xCD9E8D57, int64))
        c = [
            k.bits("xor", *k.meet(k.bits("xor", *k.meet(k.bits("lshr", q, half), c[1])), key[0])),
            k.bits("and", q, low),
            k.bits("xor", *k.meet(k.bits("xor", *k.meet(k.bits("lshr", p, half), c[3])), key[1])),
            k.bits("and", p, low),
        ]
        key = [k.bits("and", k.add(key[0], k.const(0x9E3779B9, int64)), low),
               k.bits("and", k.add(key[1], k.const(0xBB67AE85, int64)), low)]
    return c


def install() -> None:
    """Hang every rule on its primitive."""
    for name, function in RULES.items():
        if name in PRIMITIVES and PRIMITIVES[name].lower_rule is None:
            PRIMITIVES[name].lower(function)


def has_rule(name: str) -> bool:
    prim = PRIMITIVES.get(name)
    return prim is not None and (prim.family != ELEMENT or prim.lower_rule is not None or name in RULES)


