"""The Fourier transform extension (2024.12)."""

from __future__ import annotations

from dovetail.array_api.operands import on_cpu, one
from dovetail.base.dtypes import DType
from dovetail.ops import fourier
from dovetail.tensor.tensor import Tensor

Sizes = tuple[int, ...] | list[int] | None


def fft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The transform along an axis. Shape: (*, m, *) -> (*, n, *)"""
    return fourier.fft(one("fft", x, "c"), n, axis, norm)


def ifft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of fft. Shape: (*, m, *) -> (*, n, *)"""
    return fourier.ifft(one("ifft", x, "c"), n, axis, norm)


def fftn(x: Tensor, /, *, s: Sizes = None, axes: Sizes = None, norm: str = "backward") -> Tensor:
    """The transform along several axes."""
    return fourier.fftn(one("fftn", x, "c"), s, axes, norm)


def ifftn(x: Tensor, /, *, s: Sizes = None, axes: Sizes = None, norm: str = "backward") -> Tensor:
    """The inverse of fftn."""
    return fourier.ifftn(one("ifftn", x, "c"), s, axes, norm)


def rfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The first half of the transform of real numbers. Shape: (*, n, *) -> (*, n // 2 + 1, *)"""
    return fourier.rfft(one("rfft", x, "f"), n, axis, norm)


def irfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of rfft. Shape: (*, m, *) -> (*, n, *), n = 2 (m - 1) unless given"""
    return fourier.irfft(one("irfft", x, "c"), n, axis, norm)


def rfftn(x: Tensor, /, *, s: Sizes = None, axes: Sizes = None, norm: str = "backward") -> Tensor:
    """The transform of real numbers along several axes, the last of them by half."""
    return fourier.rfftn(one("rfftn", x, "f"), s, axes, norm)


def irfftn(x: Tensor, /, *, s: Sizes = None, axes: Sizes = None, norm: str = "backward") -> Tensor:
    """The inverse of rfftn."""
    return fourier.irfftn(one("irfftn", x, "c"), s, axes, norm)


def hfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The transform of a signal that is conjugate symmetric: real numbers."""
    return fourier.hfft(one("hfft", x, "c"), n, axis, norm)


def ihfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of hfft."""
    return fourier.ihfft(one("ihfft", x, "f"), n, axis, norm)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: DType | None = None, device=None) -> Tensor:
    """The frequencies that fft's results belong to. Shape: (n,)"""
    on_cpu(device, "fftfreq")
    return fourier.fftfreq(n, d, dtype=dtype)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: DType | None = None, device=None) -> Tensor:
    """The frequencies that rfft's results belong to. Shape: (n // 2 + 1,)"""
    on_cpu(device, "rfftfreq")
    return fourier.rfftfreq(n, d, dtype=dtype)


def fftshift(x: Tensor, /, *, axes: int | tuple[int, ...] | None = None) -> Tensor:
    """Frequency 0 moved to the middle. Shape: (*) -> (*)"""
    return fourier.fftshift(one("fftshift", x, "fc"), axes)


def ifftshift(x: Tensor, /, *, axes: int | tuple[int, ...] | None = None) -> Tensor:
    """Frequency 0 moved back to the front. Shape: (*) -> (*)"""
    return fourier.ifftshift(one("ifftshift", x, "fc"), axes)
