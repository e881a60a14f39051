"""Write dovetail/prims/bessel_tables.py: Chebyshev coefficients of Bessel and Airy functions, made with mpmath.

    python tools/make_bessel_tables.py      # needs mpmath; about a minute

Each table is fitted on [-1, 1] in the variable that `prims/bessel.py` names; small last coefficients are dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mpmath import mp, mpf

mp.dps = 40


def fit(function: Callable, degree: int = 40) -> list[float]:
    """Chebyshev coefficients (lowest first) of a smooth function of t in [-1, 1]."""
    n = degree + 1
    nodes = [mp.cos(mp.pi * (k + mpf(1) / 2) / n) for k in range(n)]
    values = [function(t) for t in nodes]
    made = []
    for j in range(n):
        total = mp.fsum(v * mp.cos(mp.pi * j * (k + mpf(1) / 2) / n) for k, v in enumerate(values))
        made.append(float(total * 2 / n))
    made[0] /= 2
    top = max(abs(c) for c in made)
    while len(made) > 1 and abs(made[-1]) < 1e-18 * top:
        made.pop()
    return made


def small_j(order: int) -> Callable:
    """J_n(x) / x^n for 0 <= x <= 8, in t = x^2 / 32 - 1."""

    def value(t):
        x = mp.sqrt(32 * (t + 1))
        return mp.besselj(order, x) / x**order if x else mpf(1) / 2**order

    return value


def small_y(order: int) -> Callable:
    """Y_n(x) without its logarithm (and pole), in t = x^2 / 32 - 1."""

    def value(t):
        x = mp.sqrt(32 * (t + 1))
        plain = mp.bessely(order, x) - 2 / mp.pi * mp.log(x) * mp.besselj(order, x)
        return plain if order == 0 else (plain + 2 / (mp.pi * x)) / x

    return value


def phase(order: int, part: int) -> Callable:
    """P (part 0) and Q x / 8 (part 1) of the phase-amplitude form for x >= 8, in t = 2 (8 / x)^2 - 1."""

    def value(t):
        u = mp.sqrt((t + 1) / 2)
        if not u:
            u = mpf(10) ** -12
        x = 8 / u
        turn = x - (2 * order + 1) * mp.pi / 4
        scale = mp.sqrt(mp.pi * x / 2)
        j, y = mp.besselj(order, x), mp.bessely(order, x)
        if part == 0:
            return scale * (j * mp.cos(turn) + y * mp.sin(turn))
        return scale * (-j * mp.sin(turn) + y * mp.cos(turn)) / u

    return value


def small_i(order: int) -> Callable:
    """exp(-x) I_n(x) / x^n for 0 <= x <= 8, in t = x / 4 - 1."""

    def value(t):
        x = 4 * (t + 1)
        return mp.exp(-x) * mp.besseli(order, x) / x**order if x else mpf(1) / 2**order

    return value


def large_i(order: int) -> Callable:
    """exp(-x) sqrt(x) I_n(x) for x >= 8, in t = 16 / x - 1."""

    def value(t):
        x = 16 / (t + 1) if t > -1 else mpf(10) ** 12
        return mp.exp(-x) * mp.sqrt(x) * mp.besseli(order, x)

    return value


def small_k(order: int) -> Callable:
    """K_n(x) without its logarithm (and pole) for 0 < x <= 2, in t = x^2 / 2 - 1."""

    def value(t):
        x = mp.sqrt(2 * (t + 1)) or mpf(10) ** -12
        if order == 0:
            return mp.besselk(0, x) + mp.log(x / 2) * mp.besseli(0, x)
        return (mp.besselk(1, x) - mp.log(x / 2) * mp.besseli(1, x)) * x

    return value


def large_k(order: int) -> Callable:
    """exp(x) sqrt(x) K_n(x) for x >= 2, in t = 4 / x - 1."""

    def value(t):
        x = 4 / (t + 1) if t > -1 else mpf(10) ** 12
        return mp.exp(x) * mp.sqrt(x) * mp.besselk(order, x)

    return value


def airy_middle(t):
    """Ai(x) exp(2/3 x^1.5) for 0 <= x <= 4, in t = x / 2 - 1, divided by nothing: Ai(x) itself."""
    return mp.airyai(2 * (t + 1))


def airy_right(t):
    """Ai(x) exp(z) x^(1/4) for x >= 4, z = 2/3 x^1.5, in t = 2 (16/3) / z - 1."""
    z = mpf(32) / 3 / (t + 1) if t > -1 else mpf(10) ** 12
    x = (z * 3 / 2) ** (mpf(2) / 3)
    return mp.airyai(x) * mp.exp(z) * x ** mpf("0.25")


def airy_left(low: int, high: int) -> Callable:
    """Ai(x) on [low, high]."""
    return lambda t: mp.airyai(low + mpf(high - low) * (t + 1) / 2)


def airy_far(part: int) -> Callable:
    """P and Q of Ai(-x) = (P sin(z + pi/4) - Q cos(z + pi/4)) / (sqrt(pi) x^.25), x >= 8, t = 2 (z8 / z)^2 - 1."""
    first = mpf(2) / 3 * mpf(8) ** mpf("1.5")

    def value(t):
        u = mp.sqrt((t + 1) / 2) or mpf(10) ** -12
        z = first / u
        x = (z * 3 / 2) ** (mpf(2) / 3)
        turn = z + mp.pi / 4
        ai, bi = mp.airyai(-x) * mp.sqrt(mp.pi) * x ** mpf("0.25"), mp.airybi(-x) * mp.sqrt(mp.pi) * x ** mpf("0.25")
        if part == 0:
            return ai * mp.sin(turn) + bi * mp.cos(turn)
        return (bi * mp.sin(turn) - ai * mp.cos(turn)) / u

    return value


TABLES: dict[str, Callable] = {
    "J0_SMALL": small_j(0), "J1_SMALL": small_j(1), "Y0_SMALL": small_y(0), "Y1_SMALL": small_y(1),
    "P0": phase(0, 0), "Q0": phase(0, 1), "P1": phase(1, 0), "Q1": phase(1, 1),
    "I0_SMALL": small_i(0), "I1_SMALL": small_i(1), "I0_LARGE": large_i(0), "I1_LARGE": large_i(1),
    "K0_SMALL": small_k(0), "K1_SMALL": small_k(1), "K0_LARGE": large_k(0), "K1_LARGE": large_k(1),
    "AIRY_MIDDLE": airy_middle, "AIRY_RIGHT": airy_right,
    "AIRY_LEFT": airy_left(-4, 0), "AIRY_LEFT_OUTER": airy_left(-8, -4),
    "AIRY_FAR_P": airy_far(0), "AIRY_FAR_Q": airy_far(1),
}  # fmt: skip


def main() -> None:
    lines = ['"""Chebyshev coefficients for prims/bessel.py; written by tools/make_bessel_tables.py."""', ""]
    for name, function in TABLES.items():
        lines.append(f"{name} = (")
        made = [repr(c) for c in fit(function)]
        for i in range(0, len(made), 4):
            lines.append("    " + ", ".join(made[i : i + 4]) + ",")
        lines.append(")")
    path = Path(__file__).resolve().parent.parent / "dovetail" / "prims" / "bessel_tables.py"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
