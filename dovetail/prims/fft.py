"""Discrete Fourier transforms over several dims, in NumPy's pocketfft, called back from the compiled program.

norm says where the factor 1 / n stands: "backward" (on the inverse), "forward", or "ortho" (its root on both).
Padding and cutting to a wanted size is the ops' work, by `pad` and `slice`.
"""

from __future__ import annotations

import numpy as np

from dovetail.base.dtypes import int64
from dovetail.base.errors import ArgumentError, DimError, DTypeError, ShapeError, message
from dovetail.ir.core import Primitive, Value
from dovetail.prims.elementwise import bitwise_and, gt, lt, real, where
from dovetail.prims.families import HOST
from dovetail.prims.make import constant, constant_like, iota
from dovetail.prims.shape import pad

ADJOINT_NORM = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def check_transform(name: str, x: Value, dims: tuple[int, ...], norm: str, kind: str) -> None:
    if x.dtype.kind != kind or x.dtype.itemsize == 2:
        takes = "complex" if kind == "c" else "float32 and float64"
        raise DTypeError(message(name, f"takes {takes} values, got {x.dtype.name}", [("input", x)]))
    if not dims or len(set(dims)) != len(dims) or any(not 0 <= d < x.ndim for d in dims):
        raise DimError(message(name, f"dims {dims} must be different dims of the input", [("input", x)]))
    if any(x.shape[d] == 0 for d in dims):
        raise ShapeError(message(name, "a transformed dim has size 0", [("input", x)]))
    if norm not in ADJOINT_NORM:
        raise ArgumentError(message(name, f"norm must be backward, forward or ortho, got {norm!r}"))


def fft_meaning(x, *, dims, inverse, norm):
    transform = np.fft.ifftn if inverse else np.fft.fftn
    return transform(x, axes=dims, norm=norm).astype(x.dtype, copy=False)


fft = Primitive("fft", HOST, fft_meaning, host=True)
fft.kinds = "c"


@fft.shape
def fft_shape(x, *, dims, inverse, norm):
    """Complex to complex, in place of `dims`."""
    check_transform("fft", x, dims, norm, "c")
    return x.shape, x.dtype


@fft.gradient
def fft_gradient(g, out, x, *, dims, inverse, norm):
    return (fft(g, dims=dims, inverse=not inverse, norm=ADJOINT_NORM[norm]),)


def rfft_meaning(x, *, dims, norm):
    return np.fft.rfftn(x, axes=dims, norm=norm).astype(np.result_type(x.dtype, np.complex64), copy=False)


rfft = Primitive("rfft", HOST, rfft_meaning, host=True)
rfft.kinds = "f"


@rfft.shape
def rfft_shape(x, *, dims, norm):
    """Real to complex; the last of `dims`, of size n, keeps its first n // 2 + 1 frequencies."""
    check_transform("rfft", x, dims, norm, "f")
    return tuple([n // 2 + 1 if d == dims[-1] else n for d, n in enumerate(x.shape)]), x.dtype.to_complex()


@rfft.gradient
def rfft_gradient(g, out, x, *, dims, norm):
    missing = tuple([x.shape[d] - out.shape[d] for d in range(x.ndim)])
    whole = pad(g, low=(0,) * x.ndim, high=missing, value=0)
    return (real(fft(whole, dims=dims, inverse=True, norm=ADJOINT_NORM[norm])),)


def irfft_meaning(x, *, dims, size, norm):
    sizes = [size if d == dims[-1] else x.shape[d] for d in dims]
    return np.fft.irfftn(x, s=sizes, axes=dims, norm=norm).astype(x.real.dtype, copy=False)


irfft = Primitive("irfft", HOST, irfft_meaning, host=True)
irfft.kinds = "c"


@irfft.shape
def irfft_shape(x, *, dims, size, norm):
    """Complex to real: the inverse of rfft; `size` is the last dim's size in the result, 2 m - 2 or 2 m - 1 for m."""
    check_transform("irfft", x, dims, norm, "c")
    if size // 2 + 1 != x.shape[dims[-1]]:
        text = f"{size} real values have {size // 2 + 1} frequencies, the input has {x.shape[dims[-1]]}"
        raise ShapeError(message("irfft", text, [("input", x)]))
    return tuple([size if d == dims[-1] else n for d, n in enumerate(x.shape)]), x.dtype.to_real()


@irfft.gradient
def irfft_gradient(g, out, x, *, dims, size, norm):
    """A frequency that stands for itself and its mirror image counts twice."""
    half = rfft(g, dims=dims, norm=ADJOINT_NORM[norm])
    place = iota(shape=x.shape, dtype=int64, dim=dims[-1])
    mirrored = bitwise_and(gt(place, constant_like(place, 0)), lt(place, constant((size + 1) // 2, x.shape, int64)))
    return (where(mirrored, half * 2.0, half),)
