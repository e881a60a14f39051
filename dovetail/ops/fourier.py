"""Discrete Fourier transforms, under the names of torch.fft.

`norm` says where the factor 1/n stands: "backward" (the default: on the inverse), "forward", or "ortho" (its root on
both). A wanted size `n` or `s` cuts a dim or fills it with zeros first.
"""

from __future__ import annotations

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, DimError, DTypeError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops.create import window_dtype
from dovetail.ops.dims import Shape, some_dims
from dovetail.ops.image import reflected, replicated
from dovetail.ops.promote import cast, setting_dtype
from dovetail.ops.shape import padded, rolled, section, stacked
from dovetail.tensor.op import op

SWAPPED = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def norm_named(call: str, norm) -> str:
    if norm is None:
        return "backward"
    if norm not in SWAPPED:
        raise ArgumentError(message(call, f"invalid normalization mode: {norm!r}; use backward, forward or ortho"))
    return norm


def as_complex(call: str, x: Value) -> Value:
    if x.dtype.itemsize == 2 and x.dtype.kind == "f":
        raise DTypeError(message(call, f"unsupported dtype {x.dtype.name}", [("input", x)], "use input.float()"))
    if x.dtype.kind == "c":
        return x
    real = x if x.dtype.kind == "f" else cast(x, dtypes.default_dtype())
    return cast(real, real.dtype.to_complex())


def as_real(call: str, x: Value) -> Value:
    if x.dtype.kind == "c":
        raise DTypeError(message(call, "expects a real input tensor, but got a complex one", [("input", x)]))
    if x.dtype.itemsize == 2 and x.dtype.kind == "f":
        raise DTypeError(message(call, f"unsupported dtype {x.dtype.name}", [("input", x)], "use input.float()"))
    return x if x.dtype.kind == "f" else cast(x, dtypes.default_dtype())


def fitted(call: str, x: Value, dims: Shape, sizes) -> Value:
    """Dims cut or filled with zeros to the wanted sizes."""
    for d, n in zip(dims, sizes, strict=True):
        have = x.shape[d]
        if n < 1:
            raise ArgumentError(
                message(call, f"invalid number of data points ({n}) specified for dim {d}", [("input", x)])
            )
        if n < have:
            x = section(x, d, 0, n)
        elif n > have:
            x = padded(x, (0,) * x.ndim, tuple(n - have if k == d else 0 for k in range(x.ndim)))
    return x


def dims_and_sizes(call: str, x: Value, s, dim) -> tuple[Shape, list[int | None]]:
    """The dims of an n-d transform and the wanted sizes, None where the dim's own is meant."""
    s = None if s is None else (s,) if isinstance(s, int) else tuple(s)
    if dim is None:
        dims = tuple(range(x.ndim)) if s is None else tuple(range(x.ndim - len(s), x.ndim))
        if s is not None and len(s) > x.ndim:
            raise ShapeError(
                message(
                    call,
                    f"got shape with {len(s)} values but input tensor only has {x.ndim} dimensions",
                    [("input", x)],
                )
            )
    else:
        dims = some_dims(call, dim, x.ndim, x) if isinstance(dim, int) or len(tuple(dim)) else ()
    if not x.shape:
        raise DimError(message(call, "needs an input with at least 1 dim", [("input", x)]))
    if s is not None and len(s) != len(dims):
        raise ArgumentError(message(call, "When given, dim and shape arguments must have the same length"))
    sizes = [None if n == -1 else n for n in s] if s is not None else [None] * len(dims)
    return dims, sizes


def whole(x: Value, dims: Shape, sizes) -> list[int]:
    return [x.shape[d] if n is None else n for d, n in zip(dims, sizes, strict=True)]


def transformed(call: str, x: Value, s, dim, norm, inverse: bool) -> Value:
    """Complex to complex."""
    norm = norm_named(call, norm)
    x = as_complex(call, x)
    dims, sizes = dims_and_sizes(call, x, s, dim)
    if not dims:
        return p.identity(x)
    x = fitted(call, x, dims, whole(x, dims, sizes))
    return p.fft(x, dims=dims, inverse=inverse, norm=norm)


def half_spectrum(call: str, x: Value, s, dim, norm) -> Value:
    """Real to complex; the last dim keeps its first n // 2 + 1 frequencies."""
    norm = norm_named(call, norm)
    x = as_real(call, x)
    dims, sizes = dims_and_sizes(call, x, s, dim)
    if not dims:
        raise ArgumentError(message(call, "must transform at least one axis", [("input", x)]))
    return p.rfft(fitted(call, x, dims, whole(x, dims, sizes)), dims=dims, norm=norm)


def from_half_spectrum(call: str, x: Value, s, dim, norm) -> Value:
    """Complex to real: the inverse of half_spectrum."""
    norm = norm_named(call, norm)
    x = as_complex(call, x)
    dims, sizes = dims_and_sizes(call, x, s, dim)
    if not dims:
        raise ArgumentError(message(call, "must transform at least one axis", [("input", x)]))
    last = sizes[-1] if sizes[-1] is not None else 2 * (x.shape[dims[-1]] - 1)
    if last < 1:
        raise ArgumentError(message(call, f"invalid number of data points ({last}) specified", [("input", x)]))
    sizes = [*whole(x, dims[:-1], sizes[:-1]), last // 2 + 1]
    return p.irfft(fitted(call, x, dims, sizes), dims=dims, size=last, norm=norm)


def conjugated(x: Value) -> Value:
    return p.conj(x) if x.dtype.kind == "c" else x


@op(top=False, also=("fft.fft",))
def fft(input, n=None, dim=-1, norm=None):
    """Fourier transform along one dim."""
    return transformed("fft.fft", input, None if n is None else (n,), (dim,), norm, False)


@op(top=False, also=("fft.ifft",))
def ifft(input, n=None, dim=-1, norm=None):
    """Inverse Fourier transform along one dim."""
    return transformed("fft.ifft", input, None if n is None else (n,), (dim,), norm, True)


@op(top=False, also=("fft.fft2",))
def fft2(input, s=None, dim=(-2, -1), norm=None):
    """Fourier transform over two dims."""
    return transformed("fft.fft2", input, s, dim, norm, False)


@op(top=False, also=("fft.ifft2",))
def ifft2(input, s=None, dim=(-2, -1), norm=None):
    """Inverse Fourier transform over two dims."""
    return transformed("fft.ifft2", input, s, dim, norm, True)


@op(top=False, also=("fft.fftn",))
def fftn(input, s=None, dim=None, norm=None):
    """Fourier transform over several dims, all by default."""
    return transformed("fft.fftn", input, s, dim, norm, False)


@op(top=False, also=("fft.ifftn",))
def ifftn(input, s=None, dim=None, norm=None):
    """Inverse Fourier transform over several dims, all by default."""
    return transformed("fft.ifftn", input, s, dim, norm, True)


@op(top=False, also=("fft.rfft",))
def rfft(input, n=None, dim=-1, norm=None):
    """Fourier transform of real numbers: the frequencies up to n // 2."""
    return half_spectrum("fft.rfft", input, None if n is None else (n,), (dim,), norm)


@op(top=False, also=("fft.rfft2",))
def rfft2(input, s=None, dim=(-2, -1), norm=None):
    """Fourier transform of real numbers over two dims."""
    return half_spectrum("fft.rfft2", input, s, dim, norm)


@op(top=False, also=("fft.rfftn",))
def rfftn(input, s=None, dim=None, norm=None):
    """Fourier transform of real numbers over several dims."""
    return half_spectrum("fft.rfftn", input, s, dim, norm)


@op(top=False, also=("fft.irfft",))
def irfft(input, n=None, dim=-1, norm=None):
    """Real numbers from the frequencies that rfft gives."""
    return from_half_spectrum("fft.irfft", input, None if n is None else (n,), (dim,), norm)


@op(top=False, also=("fft.irfft2",))
def irfft2(input, s=None, dim=(-2, -1), norm=None):
    """Real numbers from the frequencies that rfft2 gives."""
    return from_half_spectrum("fft.irfft2", input, s, dim, norm)


@op(top=False, also=("fft.irfftn",))
def irfftn(input, s=None, dim=None, norm=None):
    """Real numbers from the frequencies that rfftn gives."""
    return from_half_spectrum("fft.irfftn", input, s, dim, norm)


def hermitian(call: str, x: Value, s, dim, norm) -> Value:
    """The transform of a signal with a real spectrum: irfft of the conjugate, scaled the other way."""
    return from_half_spectrum(call, conjugated(as_complex(call, x)), s, dim, SWAPPED[norm_named(call, norm)])


def hermitian_inverse(call: str, x: Value, s, dim, norm) -> Value:
    return p.conj(half_spectrum(call, x, s, dim, SWAPPED[norm_named(call, norm)]))


@op(top=False, also=("fft.hfft",))
def hfft(input, n=None, dim=-1, norm=None):
    """Real spectrum of a signal that is its own mirrored conjugate."""
    return hermitian("fft.hfft", input, None if n is None else (n,), (dim,), norm)


@op(top=False, also=("fft.ihfft",))
def ihfft(input, n=None, dim=-1, norm=None):
    """Inverse of hfft."""
    return hermitian_inverse("fft.ihfft", input, None if n is None else (n,), (dim,), norm)


@op(top=False, also=("fft.hfft2",))
def hfft2(input, s=None, dim=(-2, -1), norm=None):
    """hfft over two dims."""
    return hermitian("fft.hfft2", input, s, dim, norm)


@op(top=False, also=("fft.ihfft2",))
def ihfft2(input, s=None, dim=(-2, -1), norm=None):
    """Inverse of hfft2."""
    return hermitian_inverse("fft.ihfft2", input, s, dim, norm)


@op(top=False, also=("fft.hfftn",))
def hfftn(input, s=None, dim=None, norm=None):
    """hfft over several dims."""
    return hermitian("fft.hfftn", input, s, dim, norm)


@op(top=False, also=("fft.ihfftn",))
def ihfftn(input, s=None, dim=None, norm=None):
    """Inverse of hfftn."""
    return hermitian_inverse("fft.ihfftn", input, s, dim, norm)


@op(top=False, also=("fft.fftfreq",))
def fftfreq(n, d=1.0, *, dtype=None):
    """The frequencies that fft's results belong to: 0, 1, ..., -2, -1 over n d."""
    chosen = window_dtype("fft.fftfreq", n, setting_dtype(dtype))
    line = p.iota(shape=(n,), dtype=dtypes.int64, dim=0)
    half = (n + 1) // 2
    turned = p.where(p.ge(line, line * 0 + half), line - n, line)
    return cast(cast(turned, dtypes.float64) * (1.0 / (n * d)), chosen)


@op(top=False, also=("fft.rfftfreq",))
def rfftfreq(n, d=1.0, *, dtype=None):
    """The frequencies that rfft's results belong to: 0, 1, ..., n // 2 over n d."""
    chosen = window_dtype("fft.rfftfreq", n, setting_dtype(dtype))
    line = p.iota(shape=(n // 2 + 1,), dtype=dtypes.float64, dim=0)
    return cast(line * (1.0 / (n * d)), chosen)


@op(top=False, also=("fft.fftshift",))
def fftshift(input, dim=None):
    """Frequency 0 moved to the middle."""
    x = input
    for d in some_dims("fft.fftshift", dim, x.ndim, x):
        x = rolled(x, x.shape[d] // 2, d)
    return x


@op(top=False, also=("fft.ifftshift",))
def ifftshift(input, dim=None):
    """Inverse of fftshift."""
    x = input
    for d in some_dims("fft.ifftshift", dim, x.ndim, x):
        x = rolled(x, -(x.shape[d] // 2), d)
    return x


# --- spectra over time ------------------------------------------------------------------------------------------------


@op(method=True)
def stft(
    input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect", normalized=False,
    onesided=None, return_complex=None, align_to_window=None,
):  # fmt: skip
    """Spectra of windows that slide over a signal. Shape: (*, L) -> (*, frequencies, frames), complex"""
    x = input
    if x.dtype.kind not in "fc" or x.ndim > 2:
        raise DTypeError(
            message("stft", "expected a tensor of floating point or complex values with 1 or 2 dims", [("input", x)])
        )
    real = x.dtype.kind == "f"
    onesided = real if onesided is None else onesided
    if return_complex is None and real and (window is None or window.dtype.kind != "c"):
        raise ArgumentError(
            message(
                "stft",
                "requires the return_complex parameter be given for real inputs",
                cure="pass return_complex=True",
            )
        )
    hop, width = hop_length or n_fft // 4, win_length or n_fft
    single = x.ndim == 1
    x = p.reshape(x, shape=(1, *x.shape)) if single else x
    if center:
        half = n_fft // 2
        if pad_mode == "reflect":
            x = reflected(x, 1, half, half)
        elif pad_mode == "replicate":
            x = replicated(x, 1, half, half)
        else:
            x = padded(x, (0, half), (0, half))
    if not 0 < n_fft <= x.shape[1] or hop <= 0 or not 0 < width <= n_fft:
        problem = (
            f"expected 0 < n_fft <= {x.shape[1]}, hop_length > 0 and 0 < win_length <= n_fft, got {n_fft}, "
            f"{hop}, {width}"
        )
        raise ArgumentError(message("stft", problem, [("input", input)]))
    frames = 1 + (x.shape[1] - n_fft) // hop
    place = p.iota(shape=(frames, n_fft), dtype=dtypes.int64, dim=0) * hop + p.iota(
        shape=(frames, n_fft), dtype=dtypes.int64, dim=1
    )
    cuts = p.take(x, place, dim=1)  # (B, frames, n_fft)
    if window is not None:
        shape = centred_window("stft", window, width, n_fft)
        dtype = dtypes.promote_types(cuts.dtype, shape.dtype)
        cuts = cast(cuts, dtype) * p.broadcast(cast(shape, dtype), shape=cuts.shape, dims=(2,))
    elif width < n_fft:
        edge = (n_fft - width) // 2
        cuts = padded(section(cuts, 2, edge, edge + width), (0, 0, edge), (0, 0, n_fft - width - edge))
    norm = "ortho" if normalized else "backward"
    if onesided and cuts.dtype.kind == "f":
        made = p.rfft(cuts, dims=(2,), norm=norm)
    else:
        made = p.fft(as_complex("stft", cuts), dims=(2,), inverse=False, norm=norm)
    made = p.transpose(made, perm=(0, 2, 1))
    made = p.reshape(made, shape=made.shape[1:]) if single else made
    if return_complex is False:
        return stacked([p.real(made), p.imag(made)], made.ndim)
    return made


def centred_window(call: str, window: Value, width: int, n_fft: int) -> Value:
    """A window of `width` in the middle of n_fft samples."""
    if window.shape != (width,):
        raise ShapeError(
            message(call, f"expected a 1D window tensor of size equal to win_length={width}", [("window", window)])
        )
    edge = (n_fft - width) // 2
    return padded(window, (edge,), (n_fft - width - edge,))


@op(method=True)
def istft(
    input, n_fft, hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=None,
    length=None, return_complex=False,
):  # fmt: skip
    """The signal whose spectra stft gave: frames added up, divided by the sum of their windows (Griffin & Lim 1984)."""
    x = input
    if x.dtype.kind != "c" or x.ndim not in (2, 3):
        raise DTypeError(
            message("istft", "requires a complex-valued input tensor (*, frequencies, frames)", [("input", x)])
        )
    single = x.ndim == 2
    x = p.reshape(x, shape=(1, *x.shape)) if single else x
    hop, width = hop_length or n_fft // 4, win_length or n_fft
    onesided = (x.shape[1] != n_fft) if onesided is None else onesided
    frames = x.shape[2]
    if x.shape[1] != (n_fft // 2 + 1 if onesided else n_fft):
        raise ShapeError(
            message(
                "istft",
                f"expected the frequency dimension to match n_fft {n_fft}, got {x.shape[1]}",
                [("input", input)],
            )
        )
    norm = "ortho" if normalized else "backward"
    cuts = p.transpose(x, perm=(0, 2, 1))
    if return_complex and not onesided:
        cuts = p.fft(cuts, dims=(2,), inverse=True, norm=norm)
    else:
        cuts = p.irfft(section(cuts, 2, 0, n_fft // 2 + 1), dims=(2,), size=n_fft, norm=norm)
    real = cuts.dtype.to_real() if cuts.dtype.kind == "c" else cuts.dtype
    one = p.full(shape=(width,), dtype=real, value=1.0)
    shape = centred_window("istft", one if window is None else window, width, n_fft)
    cuts = cuts * p.broadcast(cast(shape, cuts.dtype), shape=cuts.shape, dims=(2,))
    squares = p.broadcast(shape * shape, shape=(1, frames, n_fft), dims=(2,))
    total = n_fft + hop * (frames - 1)
    settings = {"window": (n_fft,), "stride": (hop,), "padding": ((0, 0),), "dilation": (1,)}
    signal = p.windows_grad(p.transpose(cuts, perm=(0, 2, 1)), size=(total,), **settings)
    weight = p.windows_grad(p.transpose(squares, perm=(0, 2, 1)), size=(total,), **settings)
    start = n_fft // 2 if center else 0
    stop = start + length if length is not None else (total - n_fft // 2 if center else total)
    stop_inside = min(stop, total)
    signal, weight = (section(v, 1, start, stop_inside) for v in (signal, weight))
    out = signal / cast(p.broadcast(weight, shape=signal.shape, dims=(0, 1)), signal.dtype)
    out = padded(out, (0, 0), (0, stop - stop_inside)) if stop > stop_inside else out
    return p.reshape(out, shape=out.shape[1:]) if single else out
