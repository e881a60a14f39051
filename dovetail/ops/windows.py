"""torch.signal.windows: weights of M samples. `sym` False leaves out the last of M + 1, for spectra."""

from __future__ import annotations

import math

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, message
from dovetail.ir.core import Value
from dovetail.ops.create import window_dtype
from dovetail.ops.promote import cast, constant, setting_dtype
from dovetail.tensor.op import op


class Samples:
    """The places of M samples, and what every window does with them."""

    def __init__(self, call: str, M: int, sym: bool, dtype):
        self.dtype = window_dtype(f"signal.windows.{call}", M, setting_dtype(dtype))
        if self.dtype not in (dtypes.float32, dtypes.float64):
            problem = f"expects float32 or float64 dtypes, got: {self.dtype.name}"
            raise ArgumentError(message(f"signal.windows.{call}", problem))
        self.count, self.span = M, max(M - 1 if sym else M, 1)
        self.place = p.iota(shape=(M,), dtype=dtypes.float64, dim=0)

    def cosines(self, weights) -> Value:
        """The alternating sum of weights[k] cos(2 pi k i / span)."""
        if self.count == 1:
            return constant(1, (1,), self.dtype)
        angle = self.place * (2 * math.pi / self.span)
        total = constant(0.0, (self.count,), dtypes.float64)
        for k, w in enumerate(weights):
            total = total + p.cos(angle * float(k)) * (w if k % 2 == 0 else -w)
        return cast(total, self.dtype)

    def done(self, x: Value) -> Value:
        return constant(1, (1,), self.dtype) if self.count == 1 else cast(x, self.dtype)


@op(top=False, also=("signal.windows.bartlett",))
def bartlett(M, *, sym=True, dtype=None):
    """A triangle that is zero at both ends."""
    s = Samples("bartlett", M, sym, dtype)
    return s.done(1.0 - p.abs(s.place * (2.0 / s.span) - 1.0))


@op(top=False, also=("signal.windows.blackman",))
def blackman(M, *, sym=True, dtype=None):
    """Three cosines, after Blackman."""
    return Samples("blackman", M, sym, dtype).cosines((0.42, 0.5, 0.08))


@op(top=False, also=("signal.windows.cosine",))
def cosine(M, *, sym=True, dtype=None):
    """Half a period of a sine."""
    s = Samples("cosine", M, sym, dtype)
    return s.done(p.sin((s.place + 0.5) * (math.pi / (s.span + 1))))


@op(top=False, also=("signal.windows.exponential",))
def exponential(M, *, center=None, tau=1.0, sym=True, dtype=None):
    """Exponential decay from the centre."""
    if tau <= 0:
        raise ArgumentError(message("signal.windows.exponential", f"Tau must be positive, got: {tau} instead."))
    if sym and center is not None:
        raise ArgumentError(message("signal.windows.exponential", "Center must be None for symmetric windows"))
    s = Samples("exponential", M, sym, dtype)
    middle = s.span / 2 if center is None else center
    return s.done(p.exp(p.abs(s.place - float(middle)) * (-1.0 / tau)))


@op(top=False, also=("signal.windows.gaussian",))
def gaussian(M, *, std=1.0, sym=True, dtype=None):
    """A normal curve."""
    if std <= 0:
        raise ArgumentError(
            message("signal.windows.gaussian", f"Standard deviation must be positive, got: {std} instead.")
        )
    s = Samples("gaussian", M, sym, dtype)
    away = (s.place - s.span / 2) * (1.0 / (std * math.sqrt(2)))
    return s.done(p.exp(p.neg(away * away)))


@op(top=False, also=("signal.windows.general_cosine",))
def general_cosine(M, *, a, sym=True, dtype=None):
    """An alternating sum of cosines with weights `a`."""
    if not isinstance(a, (list, tuple)):
        raise TypeError(message("signal.windows.general_cosine", f"Coefficients must be a list/tuple, got {a!r}"))
    if not a:
        raise ArgumentError(message("signal.windows.general_cosine", "Coefficients cannot be empty"))
    return Samples("general_cosine", M, sym, dtype).cosines(tuple(a))


@op(top=False, also=("signal.windows.general_hamming",))
def general_hamming(M, *, alpha=0.54, sym=True, dtype=None):
    """alpha minus a cosine of weight 1 - alpha."""
    return Samples("general_hamming", M, sym, dtype).cosines((alpha, 1.0 - alpha))


@op(top=False, also=("signal.windows.hamming",))
def hamming(M, *, sym=True, dtype=None):
    """Hamming's raised cosine on a pedestal."""
    return Samples("hamming", M, sym, dtype).cosines((0.54, 0.46))


@op(top=False, also=("signal.windows.hann",))
def hann(M, *, sym=True, dtype=None):
    """Hann's raised cosine."""
    return Samples("hann", M, sym, dtype).cosines((0.5, 0.5))


@op(top=False, also=("signal.windows.kaiser",))
def kaiser(M, *, beta=12.0, sym=True, dtype=None):
    """Kaiser's window: a Bessel function of a half circle."""
    if beta < 0:
        raise ArgumentError(message("signal.windows.kaiser", f"beta must be non-negative, got: {beta} instead."))
    s = Samples("kaiser", M, sym, dtype)
    away = s.place * (2.0 / s.span) - 1.0
    inside = 1.0 - away * away
    arch = p.sqrt(p.maximum(inside, constant(0.0, inside.shape, inside.dtype))) * float(beta)
    return s.done(p.i0(arch) / p.i0(constant(float(beta), arch.shape, arch.dtype)))


@op(top=False, also=("signal.windows.nuttall",))
def nuttall(M, *, sym=True, dtype=None):
    """Four cosines, after Nuttall."""
    return Samples("nuttall", M, sym, dtype).cosines((0.3635819, 0.4891775, 0.1365995, 0.0106411))
