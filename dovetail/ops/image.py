"""Padding, resizing and resampling of the last dims."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

import dovetail.ops.primitives as p
from dovetail.base import dtypes
from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ir.core import Value
from dovetail.ops.dims import Shape, numel, pair_of
from dovetail.ops.pool import adaptive_mean
from dovetail.ops.promote import cast, constant, expanded, filled, fitted, literal, need_float, same_dtype
from dovetail.ops.shape import flipped, permuted, section
from dovetail.tensor.op import op

# --- padding ----------------------------------------------------------------------------------------------------------


def pairs_from_last(call: str, x: Value, pad) -> list[tuple[int, int]]:
    """(low, high) of each dim from torch's list, which names the last dim first."""
    pad = [pad] if isinstance(pad, int) else list(pad)
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        problem = (
            f"padding length must be divisible by 2 and at most twice the number of dimensions ({x.ndim}), got {pad}"
        )
        raise ArgumentError(message(call, problem, [("input", x)]))
    pairs = [(0, 0)] * x.ndim
    for k in range(len(pad) // 2):
        pairs[x.ndim - 1 - k] = (pad[2 * k], pad[2 * k + 1])
    return pairs


def cropped(call: str, x: Value, pairs) -> Value:
    """Negative paddings cut elements off."""
    for d, (low, high) in enumerate(pairs):
        if low < 0 or high < 0:
            start, stop = max(-low, 0), x.shape[d] - max(-high, 0)
            if stop < start:
                problem = f"the padding {(low, high)} of dim {d} would make its size {stop - start} negative"
                raise ShapeError(message(call, problem, [("input", x)]))
            x = section(x, d, start, stop)
    return x


@op(functional=True, top=False)
def pad(input, pad, mode="constant", value=None):
    """More elements at the ends of dims; the list names the last dim first: (left, right, top, bottom, ...).

    mode: constant (with `value`), reflect, replicate or circular; negative numbers cut off.
    """
    if mode == "constant":
        return constant_padded("pad", input, pad, 0 if value is None else value)
    if value not in (None, 0):
        raise ArgumentError(message("pad", f"Padding mode {mode!r} doesn't take in value argument"))
    fill = {"reflect": reflected, "replicate": replicated, "circular": wrapped_around}.get(mode)
    if fill is None:
        raise ArgumentError(
            message("pad", f"unrecognised padding mode {mode!r}: use constant, reflect, replicate or circular")
        )
    pairs = pairs_from_last("pad", input, pad)
    x = input
    if mode == "circular":  # what goes around is what the negative numbers leave
        x, pairs = cropped("pad", x, pairs), [(max(low, 0), max(high, 0)) for low, high in pairs]
    for d, (low, high) in enumerate(pairs):
        if (low, high) != (0, 0):
            x = fill(x, d, low, high)
    return x if x is not input else p.identity(input)


def constant_padded(call: str, x: Value, pad, value) -> Value:
    pairs = pairs_from_last(call, x, pad)
    x = cropped(call, x, pairs)
    low, high = (tuple(max(pair[i], 0) for pair in pairs) for i in (0, 1))
    return p.pad(x, low=low, high=high, value=fitted(value, x.dtype))


@op()
def constant_pad_nd(input, pad, value=0):
    """pad with a constant."""
    return constant_padded("constant_pad_nd", input, pad, value)


def reflected(x: Value, dim: int, low: int, high: int) -> Value:
    n = x.shape[dim]
    if low >= n or high >= n:
        problem = (
            "Padding size should be less than the corresponding input dimension, but got padding "
            f"{(low, high)} at dimension {dim}"
        )
        raise ShapeError(message("pad", problem, [("input", x)]))
    parts = [flipped(section(x, dim, 1, low + 1), (dim,))] if low > 0 else []
    parts.append(section(x, dim, max(-low, 0), n - max(-high, 0)))
    if high > 0:
        parts.append(flipped(section(x, dim, n - 1 - high, n - 1), (dim,)))
    return p.concat(*parts, dim=dim) if len(parts) > 1 else parts[0]


def replicated(x: Value, dim: int, low: int, high: int) -> Value:
    n = x.shape[dim]
    if n == 0:
        raise ShapeError(message("pad", "cannot replicate the edge of an empty dim", [("input", x)]))

    def edge(at: int, times: int) -> Value:
        return expanded(section(x, dim, at, at + 1), x.shape[:dim] + (times,) + x.shape[dim + 1 :])

    parts = [edge(0, low)] if low > 0 else []
    parts.append(section(x, dim, max(-low, 0), n - max(-high, 0)))
    if high > 0:
        parts.append(edge(n - 1, high))
    return p.concat(*parts, dim=dim) if len(parts) > 1 else parts[0]


def wrapped_around(x: Value, dim: int, low: int, high: int) -> Value:
    n = x.shape[dim]
    if low > n or high > n:
        raise ShapeError(
            message(
                "pad",
                f"Padding value causes wrapping around more than once: {(low, high)} for size {n}",
                [("input", x)],
            )
        )
    parts = [section(x, dim, n - low, n)] if low > 0 else []
    parts.append(section(x, dim, max(-low, 0), n - max(-high, 0)))
    if high > 0:
        parts.append(section(x, dim, 0, high))
    return p.concat(*parts, dim=dim) if len(parts) > 1 else parts[0]


# --- resizing ---------------------------------------------------------------------------------------------------------

Taps = tuple[np.ndarray, np.ndarray]  # (out, k) places and (out, k) weights


def source_places(n: int, out: int, scale: float | None, align_corners: bool) -> np.ndarray:
    """Where each result element lies in the input."""
    i = np.arange(out, dtype=np.float64)
    if align_corners:
        return i * ((n - 1) / (out - 1)) if out > 1 else i * 0
    step = 1 / scale if scale else n / out
    return (i + 0.5) * step - 0.5


def nearest_taps(n: int, out: int, scale: float | None, exact: bool) -> np.ndarray:
    """(out,) places of the nearest elements; in float32 as torch rounds them."""
    step = np.float32(1 / scale) if scale else np.float32(np.float32(n) / np.float32(out))
    i = np.arange(out, dtype=np.float32)
    at = np.floor((i + np.float32(0.5)) * step) if exact else np.floor(i * step)
    return np.minimum(at.astype(np.int64), n - 1)


def linear_taps(n: int, out: int, scale, align_corners: bool) -> Taps:
    at = np.maximum(source_places(n, out, scale, align_corners), 0)
    low = np.minimum(np.floor(at).astype(np.int64), n - 1)
    part = np.clip(at - low, 0, 1)
    return np.stack([low, np.minimum(low + 1, n - 1)], 1), np.stack([1 - part, part], 1)


def cubic_taps(n: int, out: int, scale, align_corners: bool) -> Taps:
    """Keys' cubic with a = -3/4; beyond the edge the last element is repeated."""
    at = source_places(n, out, scale, align_corners)
    low = np.floor(at)
    t = at - low
    weights = np.stack([cubic(t + 1, -0.75), cubic(t, -0.75), cubic(1 - t, -0.75), cubic(2 - t, -0.75)], 1)
    places = np.clip(low[:, None].astype(np.int64) + np.arange(-1, 3), 0, n - 1)
    return places, weights


def cubic(t: np.ndarray, a: float) -> np.ndarray:
    t = np.abs(t)
    inner = ((a + 2) * t - (a + 3)) * t * t + 1
    outer = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, inner, np.where(t < 2, outer, 0.0))


def smooth_matrix(n: int, out: int, scale, align_corners: bool, kernel: Callable, reach: float) -> np.ndarray:
    """(n, out) weights of antialiased resizing: the kernel is widened when the image shrinks (as Pillow does)."""
    step = (
        (n - 1) / (out - 1) if align_corners and out > 1 else 0.0 if align_corners else 1 / scale if scale else n / out
    )
    wide = max(step, 1.0)
    support = reach * wide
    matrix = np.zeros((n, out))
    for i in range(out):
        centre = step * (i + 0.5)
        first, last = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), n)
        w = kernel((np.arange(first, last) - centre + 0.5) / wide)
        matrix[first:last, i] = w / (w.sum() or 1.0)
    return matrix


def triangle(t: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(t), 0)


def resized_by_taps(x: Value, dim: int, taps: Taps) -> Value:
    """One dim as weighted sums of a few of its elements."""
    places, weights = taps
    out, k = places.shape
    total = None
    for j in range(k):
        if not weights[:, j].any():
            continue
        part = p.take(x, literal(places[:, j]), dim=dim)
        factor = p.broadcast(literal(weights[:, j], x.dtype), shape=part.shape, dims=(dim,))
        total = part * factor if total is None else total + part * factor
    return total if total is not None else constant(0, x.shape[:dim] + (out,) + x.shape[dim + 1 :], x.dtype)


def resized_by_matrix(x: Value, dim: int, matrix: np.ndarray) -> Value:
    """One dim multiplied by a matrix (n, out)."""
    made = p.contract(x, literal(matrix, x.dtype), batch=((), ()), sum=((dim,), (0,)))
    order = list(range(x.ndim - 1))
    order.insert(dim, x.ndim - 1)
    return permuted(made, order)


LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


@op(functional=True, top=False)
def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    """Images (and signals, volumes) at another size. Shape: (N, C, *sizes) -> (N, C, *new sizes)

    mode: nearest, nearest-exact, linear, bilinear, bicubic, trilinear or area.
    """
    return interpolated(input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)


def interpolated(x: Value, size, scale_factor, mode, align_corners, recompute, antialias) -> Value:
    check_resize(x, mode, align_corners, antialias)
    wanted, scales = new_sizes(x, size, scale_factor, recompute)
    if mode == "area":
        return adaptive_mean("interpolate", x.ndim - 2, x, wanted)
    if not numel(x.shape):
        return constant(0, (*x.shape[:2], *wanted), x.dtype)
    if x.dtype is dtypes.uint8 and mode not in ("nearest", "nearest-exact"):
        return bytes_resized(x, wanted, scales, mode, bool(align_corners), antialias)
    wide = cast(x, dtypes.float32) if x.dtype.itemsize == 2 else x
    for k, (out, scale) in enumerate(zip(wanted, scales, strict=True)):
        wide = resized(wide, 2 + k, out, scale, mode, bool(align_corners), antialias)
    return p.identity(x) if wide is x else cast(wide, x.dtype)


def bytes_resized(x: Value, wanted: Shape, scales, mode: str, align: bool, antialias: bool) -> Value:
    """Pictures of bytes: the last dim first, every pass rounded to bytes again, as PyTorch and Pillow do."""
    wide = cast(x, dtypes.float32)
    for k in reversed(range(len(wanted))):
        wide = resized(wide, 2 + k, wanted[k], scales[k], mode, align, antialias)
        wide = p.floor(wide + 0.5)
        wide = p.minimum(p.maximum(wide, filled(wide, 0.0)), filled(wide, 255.0))
    return cast(wide, x.dtype)


def resized(x: Value, dim: int, out: int, scale, mode: str, align: bool, antialias: bool) -> Value:
    n = x.shape[dim]
    if mode in ("nearest", "nearest-exact"):
        places = nearest_taps(n, out, scale, mode == "nearest-exact")
        return x if n == out and (places == np.arange(n)).all() else p.take(x, literal(places), dim=dim)
    if antialias:
        kernel, reach = (triangle, 1.0) if mode == "bilinear" else (lambda t: cubic(t, -0.5), 2.0)
        return resized_by_matrix(x, dim, smooth_matrix(n, out, scale, align, kernel, reach))
    if n == out and not scale:
        return x
    taps = cubic_taps(n, out, scale, align) if mode == "bicubic" else linear_taps(n, out, scale, align)
    return resized_by_taps(x, dim, taps)


def check_resize(x: Value, mode: str, align_corners, antialias: bool) -> None:
    modes = ("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area")
    if mode not in modes:
        raise ArgumentError(message("interpolate", f"unknown mode {mode!r}: use one of {', '.join(modes)}"))
    if mode in ("nearest", "nearest-exact", "area") and align_corners is not None:
        problem = (
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
        raise ArgumentError(message("interpolate", problem))
    if x.ndim not in (3, 4, 5):
        raise ShapeError(
            message(
                "interpolate",
                "expects an input (N, C, *sizes) with 3 to 5 dims",
                [("input", x)],
                "add the batch dim: x.unsqueeze(0)",
            )
        )
    wants = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5}.get(mode)
    if wants is not None and x.ndim != wants:
        problem = f"mode {mode!r} needs a {wants}D input, got {x.ndim}D"
        raise ArgumentError(
            message("interpolate", problem, [("input", x)], f"for {x.ndim} dims use mode={LINEAR[x.ndim]!r}")
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ArgumentError(message("interpolate", "antialias works for bilinear and bicubic only"))


def new_sizes(x: Value, size, scale_factor, recompute) -> tuple[Shape, tuple]:
    """(sizes, scales for the mapping of places: None where the sizes decide)."""
    rank = x.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ArgumentError(
            message(
                "interpolate",
                "exactly one of size and scale_factor must be given (only one of size or scale_factor should be "
                "defined)",
            )
        )
    if size is not None:
        wanted = pair_of("interpolate", size, rank, "size")
        if any(n < 1 for n in wanted):
            raise ShapeError(
                message(
                    "interpolate", f"Input and output sizes should be greater than 0, got size {wanted}", [("input", x)]
                )
            )
        return tuple(int(n) for n in wanted), (None,) * rank
    factors = pair_of("interpolate", scale_factor, rank, "scale_factor")
    wanted = tuple(int(math.floor(float(n) * f)) for n, f in zip(x.shape[2:], factors, strict=True))
    if any(n < 1 for n in wanted):
        raise ShapeError(
            message("interpolate", f"Input and output sizes should be greater than 0, got {wanted}", [("input", x)])
        )
    return wanted, (None,) * rank if recompute else factors


@op(functional=True, top=False)
def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """interpolate under its older name."""
    return interpolated(input, size, scale_factor, mode, align_corners, None, False)


@op(functional=True, top=False)
def upsample_nearest(input, size=None, scale_factor=None):
    """interpolate with mode nearest."""
    return interpolated(input, size, scale_factor, "nearest", None, None, False)


@op(functional=True, top=False)
def upsample_bilinear(input, size=None, scale_factor=None):
    """interpolate with mode bilinear and aligned corners."""
    return interpolated(input, size, scale_factor, "bilinear", True, None, False)


# --- sampling at places -----------------------------------------------------------------------------------------------


@op(functional=True, top=False)
def affine_grid(theta, size, align_corners=None):
    """Places for grid_sample under affine maps. Shape: (N, 2, 3), size (N, C, H, W) -> (N, H, W, 2); 3-d alike"""
    need_float("affine_grid", theta)
    size = tuple(size)
    rank = len(size) - 2
    if rank not in (2, 3) or theta.ndim != 3 or theta.shape[1:] != (rank, rank + 1):
        problem = f"expects theta ({'N, 2, 3' if rank == 2 else 'N, 3, 4'}) for size {size}"
        raise ShapeError(message("affine_grid", problem, [("theta", theta)]))
    if any(n < 1 for n in size):
        raise ShapeError(message("affine_grid", f"Expected non-zero, positive output size. Got {size}"))
    lines = [grid_line(n, bool(align_corners)) for n in size[2:]]
    mesh = np.meshgrid(*lines, indexing="ij")
    points = np.stack([*mesh[::-1], np.ones(size[2:])], -1).reshape(-1, rank + 1)
    out = p.contract(theta, literal(points, theta.dtype), batch=((), ()), sum=((2,), (1,)))  # (N, rank, points)
    return p.reshape(p.transpose(out, perm=(0, 2, 1)), shape=(size[0], *size[2:], rank))


def grid_line(n: int, align_corners: bool) -> np.ndarray:
    if n == 1:
        return np.zeros(1)
    return np.linspace(-1, 1, n) if align_corners else np.linspace(-1, 1, n) * (n - 1) / n


@op(functional=True, also=("grid_sampler", "grid_sampler_2d", "grid_sampler_3d"))
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """The input looked up at places between -1 and 1 (x first). Shape: (N, C, H, W), (N, H', W', 2) -> (N, C, H', W')

    Source: Jaderberg et al. 2015. 3-d inputs take grids (N, D', H', W', 3).
    """
    mode = ("bilinear", "nearest", "bicubic")[mode] if isinstance(mode, int) else mode
    padding_mode = ("zeros", "border", "reflection")[padding_mode] if isinstance(padding_mode, int) else padding_mode
    check_grid(input, grid, mode, padding_mode)
    sampler = Sampler(input, grid, padding_mode, bool(align_corners))
    return {"nearest": sampler.nearest, "bilinear": sampler.linear, "bicubic": sampler.cubic}[mode]()


def check_grid(x: Value, grid: Value, mode: str, padding_mode: str) -> None:
    facts = [("input", x), ("grid", grid)]
    if mode not in ("bilinear", "nearest", "bicubic") or padding_mode not in ("zeros", "border", "reflection"):
        problem = (
            "mode must be 'bilinear', 'nearest' or 'bicubic' and padding_mode 'zeros', 'border' or "
            f"'reflection', got {mode!r}, {padding_mode!r}"
        )
        raise ArgumentError(message("grid_sample", problem))
    if x.ndim not in (4, 5) or grid.ndim != x.ndim or grid.shape[0] != x.shape[0] or grid.shape[-1] != x.ndim - 2:
        raise ShapeError(
            message("grid_sample", f"expected a grid (N, ..., {x.ndim - 2}) with the input's batch size", facts)
        )
    if any(n == 0 for n in x.shape[2:]):
        raise ShapeError(message("grid_sample", "expected input to have non-empty spatial dimensions", facts))
    if mode == "bicubic" and x.ndim != 4:
        raise ArgumentError(message("grid_sample", "bicubic interpolation only supports 4D input", facts))
    same_dtype("grid_sample", ("input", x), ("grid", grid))


class Sampler:
    """Looks up an input (N, C, *sizes) at the places of a grid; one method for each mode."""

    def __init__(self, x: Value, grid: Value, padding: str, align: bool):
        self.padding, self.align = padding, align
        self.rank = x.ndim - 2
        self.sizes, self.places = x.shape[2:], grid.shape[1:-1]
        self.n, self.c = x.shape[:2]
        self.rows = p.reshape(
            p.transpose(x, perm=(0, *range(2, x.ndim), 1)), shape=(self.n * numel(self.sizes), self.c)
        )
        self.at = [self.unscaled(grid, d) for d in range(self.rank)]

    def unscaled(self, grid: Value, dim: int) -> Value:
        """Places along one dim in elements; the grid names the last dim first."""
        k = self.rank - 1 - dim
        last = grid.ndim - 1
        part = p.reshape(section(grid, last, k, k + 1), shape=grid.shape[:-1])
        n = self.sizes[dim]
        return (part + 1) * ((n - 1) / 2) if self.align else ((part + 1) * n - 1) * 0.5

    def bounded(self, at: Value, dim: int) -> Value:
        """Places moved inside by the padding mode."""
        n = self.sizes[dim]
        if self.padding == "reflection":
            low, high = (0.0, float(n - 1)) if self.align else (-0.5, n - 0.5)
            at = reflected_inside(at, low, high)
        if self.padding in ("border", "reflection"):
            at = clipped(at, 0.0, float(n - 1))
        return at

    def fetch(self, taps: list[Value]) -> Value:
        """(N, C, *places): elements at whole places; zero outside."""
        flat = p.iota(shape=(self.n, *self.places), dtype=dtypes.int64, dim=0)
        inside = None
        for d, tap in enumerate(taps):
            n = self.sizes[d]
            ok = p.bitwise_and(p.ge(tap, filled(tap, 0)), p.le(tap, filled(tap, n - 1)))
            inside = ok if inside is None else p.bitwise_and(inside, ok)
            safe = p.minimum(p.maximum(tap, filled(tap, 0)), filled(tap, n - 1))
            flat = flat * n + safe
        out = p.take(self.rows, flat, dim=0)  # (N, *places, C)
        spread = p.broadcast(inside, shape=out.shape, dims=tuple(range(inside.ndim)))
        out = p.where(spread, out, filled(out, 0))
        return p.transpose(out, perm=(0, out.ndim - 1, *range(1, out.ndim - 1)))

    def weighted(self, taps: list[Value], weights: list[Value]) -> Value:
        value = self.fetch(taps)
        share = weights[0]
        for w in weights[1:]:
            share = share * w
        return value * p.broadcast(share, shape=value.shape, dims=(0, *range(2, value.ndim)))

    def nearest(self) -> Value:
        return self.fetch([whole(p.round(self.bounded(at, d))) for d, at in enumerate(self.at)])

    def linear(self) -> Value:
        at = [self.bounded(a, d) for d, a in enumerate(self.at)]
        low = [p.floor(p.detach(a)) for a in at]
        part = [a - b for a, b in zip(at, low, strict=True)]
        total = None
        for corner in np.ndindex(*(2,) * self.rank):
            taps = [whole(b) + c for b, c in zip(low, corner, strict=True)]
            weights = [t if c else 1 - t for t, c in zip(part, corner, strict=True)]
            term = self.weighted(taps, weights)
            total = term if total is None else total + term
        return total

    def cubic(self) -> Value:
        low = [p.floor(p.detach(a)) for a in self.at]
        part = [a - b for a, b in zip(self.at, low, strict=True)]
        weights = [cubic_weights(t) for t in part]
        total = None
        for corner in np.ndindex(4, 4):
            taps = [whole(self.bounded(b + float(c - 1), d)) for d, (b, c) in enumerate(zip(low, corner, strict=True))]
            term = self.weighted(taps, [w[c] for w, c in zip(weights, corner, strict=True)])
            total = term if total is None else total + term
        return total


def whole(x: Value) -> Value:
    """Whole numbers as int64; what is far outside (or NaN) becomes an outside place."""
    bound = float(1 << 30)
    x = p.where(p.is_finite(x), x, filled(x, -bound))
    return cast(clipped(p.detach(x), -bound, bound), dtypes.int64)


def clipped(x: Value, low: float, high: float) -> Value:
    x = p.where(p.gt(x, filled(x, low)), x, filled(x, low))
    return p.where(p.lt(x, filled(x, high)), x, filled(x, high))


def reflected_inside(x: Value, low: float, high: float) -> Value:
    """Places folded back at both ends as often as needed."""
    if high <= low:
        return x * 0
    span = high - low
    away = p.abs(x - low)
    turns = p.floor(p.detach(away) / span)
    rest = away - turns * span
    even = p.eq(p.remainder(turns, filled(turns, 2)), filled(turns, 0))
    return p.where(even, rest + low, (high - rest))


def cubic_weights(t: Value) -> list[Value]:
    """Keys' weights of the four neighbours, a = -3/4."""
    a = -0.75

    def inner(u: Value) -> Value:
        return ((a + 2) * u - (a + 3)) * u * u + 1

    def outer(u: Value) -> Value:
        return ((a * u - 5 * a) * u + 8 * a) * u - 4 * a

    return [outer(t + 1), inner(t), inner(1 - t), outer(2 - t)]
