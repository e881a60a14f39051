"""Bessel and Airy functions in NumPy, accurate to float64. Fits and ranges are in tools/make_bessel_tables.py."""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial.chebyshev import chebval

from dovetail.prims import bessel_tables as tables
from dovetail.prims.special import wide

SCALE = math.sqrt(2.0 / math.pi)


def even_square(x):
    """t for the fits in x^2 up to 8."""
    return np.minimum(x * x, 64.0) / 32.0 - 1.0


def amplitude_and_phase(x, order: int):
    """(P, Q, turn, scale) of the form J = scale (P cos(turn) - Q sin(turn)) for x >= 8."""
    x = np.maximum(x, 8.0)
    u = 8.0 / x
    t = 2.0 * u * u - 1.0
    p = chebval(t, tables.P0 if order == 0 else tables.P1)
    q = chebval(t, tables.Q0 if order == 0 else tables.Q1) * u
    return p, q, x - (2 * order + 1) * math.pi / 4, SCALE / np.sqrt(x)


def j_positive(x, order: int):
    near = chebval(even_square(x), tables.J0_SMALL if order == 0 else tables.J1_SMALL) * (x if order else 1.0)
    p, q, turn, scale = amplitude_and_phase(x, order)
    far = scale * (p * np.cos(turn) - q * np.sin(turn))
    return np.where(x <= 8.0, near, np.where(np.isinf(x), 0.0, far))


@wide
def j0(x):
    return j_positive(np.abs(x), 0)


@wide
def j1(x):
    return np.sign(x) * j_positive(np.abs(x), 1)


def y_positive(x, order: int):
    safe = np.maximum(x, 1e-300)
    near = chebval(even_square(x), tables.Y0_SMALL if order == 0 else tables.Y1_SMALL) * (x if order else 1.0)
    near = near + 2.0 / math.pi * np.log(safe) * j_positive(np.minimum(x, 8.0), order)
    if order:
        near = near - 2.0 / (math.pi * safe)
    p, q, turn, scale = amplitude_and_phase(x, order)
    far = scale * (p * np.sin(turn) + q * np.cos(turn))
    value = np.where(x <= 8.0, near, np.where(np.isinf(x), 0.0, far))
    return np.where(x == 0.0, -np.inf, np.where(x < 0.0, np.nan, value))


@wide
def y0(x):
    return y_positive(x, 0)


@wide
def y1(x):
    return y_positive(x, 1)


def scaled_i(x, order: int):
    """exp(-x) I_n(x) for x >= 0."""
    near = chebval(np.minimum(x, 8.0) / 4.0 - 1.0, tables.I0_SMALL if order == 0 else tables.I1_SMALL)
    near = near * (x if order else 1.0)
    large = np.maximum(x, 8.0)
    far = chebval(16.0 / large - 1.0, tables.I0_LARGE if order == 0 else tables.I1_LARGE) / np.sqrt(large)
    return np.where(x <= 8.0, near, far)


@wide
def i0e(x):
    return scaled_i(np.abs(x), 0)


@wide
def i1e(x):
    return np.sign(x) * scaled_i(np.abs(x), 1)


def grown(x, order: int):
    """I_n(x); the exponential in two halves, so that nothing overflows before the result does."""
    half = np.exp(np.abs(x) / 2.0)
    scaled = scaled_i(np.abs(x), order)
    return np.where(np.isinf(x), np.inf, half * (half * scaled))


@wide
def i0(x):
    return grown(x, 0)


@wide
def i1(x):
    return np.sign(x) * grown(x, 1)


def scaled_k(x, order: int):
    """exp(x) K_n(x); infinite at 0, NaN below."""
    safe = np.where(x > 0, x, 1.0)
    low = np.minimum(safe, 2.0)
    t = low * low / 2.0 - 1.0
    if order == 0:
        near = chebval(t, tables.K0_SMALL) - np.log(low / 2.0) * np.exp(low) * scaled_i(low, 0)
    else:
        near = chebval(t, tables.K1_SMALL) / low + np.log(low / 2.0) * np.exp(low) * scaled_i(low, 1)
    near = near * np.exp(low)
    high = np.maximum(safe, 2.0)
    far = chebval(4.0 / high - 1.0, tables.K0_LARGE if order == 0 else tables.K1_LARGE) / np.sqrt(high)
    value = np.where(safe <= 2.0, near, far)
    return np.where(x == 0, np.inf, np.where(x < 0, np.nan, np.where(np.isnan(x), np.nan, value)))


@wide
def k0e(x):
    return scaled_k(x, 0)


@wide
def k1e(x):
    return scaled_k(x, 1)


@wide
def k0(x):
    return scaled_k(x, 0) * np.exp(-np.maximum(x, 0.0))


@wide
def k1(x):
    return scaled_k(x, 1) * np.exp(-np.maximum(x, 0.0))


@wide
def airy_ai(x):
    """Ai(x): a fit near 0, exponential decay to the right, a slowing wave to the left."""
    middle = chebval(np.clip(x, 0, 4) / 2.0 - 1.0, tables.AIRY_MIDDLE)
    large = np.maximum(x, 4.0)
    z = 2.0 / 3.0 * large * np.sqrt(large)
    right = chebval(32.0 / 3.0 / z - 1.0, tables.AIRY_RIGHT) * np.exp(-z) / large**0.25
    inner = chebval(np.clip(x, -4, 0) / 2.0 + 1.0, tables.AIRY_LEFT)
    outer = chebval(np.clip(x, -8, -4) / 2.0 + 3.0, tables.AIRY_LEFT_OUTER)
    back = np.maximum(-x, 8.0)
    z = 2.0 / 3.0 * back * np.sqrt(back)
    u = (2.0 / 3.0 * 8.0**1.5) / z
    t, turn = 2.0 * u * u - 1.0, z + math.pi / 4
    far = chebval(t, tables.AIRY_FAR_P) * np.sin(turn) - chebval(t, tables.AIRY_FAR_Q) * u * np.cos(turn)
    far = far / (math.sqrt(math.pi) * back**0.25)
    value = np.where(x > 4, right, np.where(x >= 0, middle, np.where(x >= -4, inner, np.where(x >= -8, outer, far))))
    return np.where(np.isinf(x), np.where(x > 0, 0.0, np.nan), np.where(np.isnan(x), np.nan, value))
