"""keras.ops.image: resizing, colours, crops, patches, warps. Images are (n, height, width, channels) unless
channels_first.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, message
from dovetail.keras.config import standardize_data_format
from dovetail.keras.dtypes import as_dtype
from dovetail.keras.ops import math as m
from dovetail.keras.ops.convert import floating, tensor
from dovetail.keras.ops.convolution import conv_of
from dovetail.keras.seeds import make_default_seed
from dovetail.keras.symbolic import symbolic
from dovetail.ops import elementwise as e
from dovetail.ops import image as images_
from dovetail.ops import index as indexing
from dovetail.ops import reduce
from dovetail.ops import shape as s
from dovetail.tensor.tensor import Tensor


def is_last(data_format: str | None) -> bool:
    return standardize_data_format(data_format) == "channels_last"


def channel_axis(data_format: str | None) -> int:
    return -1 if is_last(data_format) else -3


def to_first(x: Any, last: bool) -> tuple[Any, bool]:
    """(n, c, h, w), and whether a batch axis was added."""
    single = x.ndim == 3
    x = s.unsqueeze(x, 0) if single else x
    return (s.permute(x, (0, 3, 1, 2)) if last else x), single


def back(x: Any, last: bool, single: bool) -> Any:
    x = s.permute(x, (0, 2, 3, 1)) if last else x
    return s.squeeze(x, 0) if single else x


# -- colours -----------------------------------------------------------------------------------------------------------


@symbolic
def rgb_to_grayscale(images: Any, data_format: str | None = None):
    """0.2989 r + 0.587 g + 0.114 b, in one channel."""
    x, axis = tensor(images), channel_axis(data_format)
    r, g, b = s.split(x, 1, axis)
    made = r * 0.2989 + g * 0.587 + b * 0.114
    return made.to(x.dtype)


@symbolic
def rgb_to_hsv(images: Any, data_format: str | None = None):
    """Hue, saturation and value, all in [0, 1]."""
    x, axis = floating(images), channel_axis(data_format)
    r, g, b = s.unbind(x, axis)
    top, low = e.maximum(e.maximum(r, g), b), e.minimum(e.minimum(r, g), b)
    spread = top - low
    safe = indexing.where(spread > 0, spread, 1.0)
    from_red, from_green, from_blue = (g - b) / safe, (b - r) / safe + 2.0, (r - g) / safe + 4.0
    hue = indexing.where(top == r, from_red, indexing.where(top == g, from_green, from_blue)) / 6.0
    hue = indexing.where(spread > 0, e.remainder(hue, 1.0), 0.0)
    saturation = indexing.where(top > 0, spread / indexing.where(top > 0, top, 1.0), 0.0)
    return s.stack([hue, saturation, top], axis)


@symbolic
def hsv_to_rgb(images: Any, data_format: str | None = None):
    """The inverse of rgb_to_hsv."""
    x, axis = floating(images), channel_axis(data_format)
    h, sat, v = s.unbind(x, axis)
    made = []
    for shift in (5.0, 3.0, 1.0):
        k = e.remainder(h * 6.0 + shift, 6.0)
        made.append(v - v * sat * e.clamp(e.minimum(k, 4.0 - k), 0.0, 1.0))
    return s.stack(made, axis)


# -- sizes -------------------------------------------------------------------------------------------------------------


MODES = {"nearest": "nearest-exact", "bilinear": "bilinear", "bicubic": "bicubic"}


@symbolic
def resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
):
    """Images at another size. interpolation: nearest, bilinear, bicubic, lanczos3, lanczos5, area."""
    height, width = (int(n) for n in size)
    x = tensor(images)
    given, last = x.dtype, is_last(data_format)
    x, single = to_first(floating(x), last)
    h, w = x.shape[2:]
    if crop_to_aspect_ratio:
        ch, cw = min(h, max(int(w * height / width), 1)), min(w, max(int(h * width / height), 1))
        top, left = int((h - ch) / 2), int((w - cw) / 2)
        x = x[:, :, top : top + ch, left : left + cw]
    elif pad_to_aspect_ratio:
        ph, pw = max(h, int(w * height / width)), max(w, int(h * width / height))
        top, left = int((ph - h) / 2), int((pw - w) / 2)
        x = m.pad(x, ((0, 0), (0, 0), (top, ph - h - top), (left, pw - w - left)), "constant", fill_value)
    x = resized(x, height, width, interpolation, antialias)
    x = back(x, last, single)
    if given.kind in "iu":
        x = (
            e.clamp(e.round(x), *((0, 255) if given.name == "uint8" else (None, None)))
            if given.name == "uint8"
            else e.round(x)
        )
    return x.to(given)


def resized(x: Any, height: int, width: int, interpolation: str, antialias: bool) -> Any:
    if interpolation in MODES and interpolation != "bicubic":
        smooth = antialias and interpolation == "bilinear"
        return images_.interpolate(
            x,
            (height, width),
            mode=MODES[interpolation],
            antialias=smooth,
            **({} if interpolation == "nearest" else {"align_corners": False}),
        )
    kernels = {"bicubic": (keys_cubic, 2.0), "lanczos3": (lanczos(3), 3.0), "lanczos5": (lanczos(5), 5.0)}
    if interpolation not in kernels:
        raise ArgumentError(
            message(
                "resize",
                f"unknown interpolation {interpolation!r}",
                cure="Expected nearest, bilinear, bicubic, lanczos3 or lanczos5",
            )
        )
    kernel, reach = kernels[interpolation]
    for axis, n in ((2, height), (3, width)):
        matrix = Tensor.from_data(weights(x.shape[axis], n, kernel, reach, antialias).astype(np.float32))
        x = s.movedim(s.movedim(x, axis, -1) @ matrix, -1, axis)
    return x


def keys_cubic(t: np.ndarray) -> np.ndarray:
    """Cubic convolution with a = -1/2 (Keys 1981)."""
    t = np.abs(t)
    near = (1.5 * t - 2.5) * t * t + 1
    far = ((-0.5 * t + 2.5) * t - 4) * t + 2
    return np.where(t < 1, near, np.where(t < 2, far, 0))


def lanczos(radius: int):
    def kernel(t: np.ndarray) -> np.ndarray:
        return np.where(np.abs(t) < radius, np.sinc(t) * np.sinc(t / radius), 0)

    return kernel


def weights(n: int, out: int, kernel, reach: float, antialias: bool) -> np.ndarray:
    """(n, out): how much each old pixel counts for each new one; columns sum to 1."""
    scale = n / out
    stretch = max(scale, 1.0) if antialias else 1.0
    centers = (np.arange(out) + 0.5) * scale - 0.5
    table = kernel((np.arange(n)[:, None] - centers[None, :]) / stretch)
    total = table.sum(0, keepdims=True)
    return np.where(np.abs(total) > 1e-8, table / np.where(total == 0, 1, total), 0)


@symbolic
def pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
):
    """Zeros around, up to a target size; of each direction two of (before, after, target) are given."""
    x, last = tensor(images), is_last(data_format)
    at = (x.ndim - 3, x.ndim - 2) if last else (x.ndim - 2, x.ndim - 1)
    widths = [(0, 0)] * x.ndim
    for axis, before, after, target in (
        (at[0], top_padding, bottom_padding, target_height),
        (at[1], left_padding, right_padding, target_width),
    ):
        widths[axis] = margins("pad_images", before, after, target, x.shape[axis])
    return m.pad(x, tuple(widths))


def margins(call: str, before: int | None, after: int | None, target: int | None, n: int) -> tuple[int, int]:
    if [before, after, target].count(None) != 1:
        raise ArgumentError(
            message(
                call, "exactly two of the margins before and after and the target size must be given for each direction"
            )
        )
    if before is None:
        before = target - n - after  # type: ignore[operator]
    if after is None:
        after = target - n - before  # type: ignore[operator]
    return before, after


@symbolic
def crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
):
    """A part; of each direction two of (cut before, cut after, target) are given."""
    x, last = tensor(images), is_last(data_format)
    at = (x.ndim - 3, x.ndim - 2) if last else (x.ndim - 2, x.ndim - 1)
    index: list[Any] = [slice(None)] * x.ndim
    for axis, before, after, target in (
        (at[0], top_cropping, bottom_cropping, target_height),
        (at[1], left_cropping, right_cropping, target_width),
    ):
        n = x.shape[axis]
        if [before, after, target].count(None) != 1:
            raise ArgumentError(
                message(
                    "crop_images",
                    "exactly two of the cuts before and after and the target size must be given for each direction",
                )
            )
        if before is None:
            before = n - after - target  # type: ignore[operator]
        stop = before + target if target is not None else n - after  # type: ignore[operator]
        index[axis] = slice(before, stop)
    return x[tuple(index)]


# -- patches -----------------------------------------------------------------------------------------------------------


def patches(
    x: Any, size: tuple, strides: tuple | None, dilation: Any, padding: str, data_format: str | None, rank: int
) -> Any:
    last = is_last(data_format)
    single = x.ndim == rank + 1
    x = s.unsqueeze(x, 0) if single else x
    channels = x.shape[-1] if last else x.shape[1]
    count = math.prod(size) * channels
    kernel = np.eye(count, dtype=np.float32).reshape((*size, channels, count))
    strides = size if strides is None else (strides,) * rank if isinstance(strides, int) else tuple(strides)
    dilation = (dilation,) * rank if isinstance(dilation, int) else tuple(dilation)
    made = conv_of(floating(x), Tensor.from_data(kernel), None, tuple(strides), padding, dilation, last)
    return s.squeeze(made, 0) if single else made


@symbolic
def extract_patches(
    images: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
):
    """Patches as channels. Shape: (n, h, w, c) -> (n, rows, columns, size * size * c)"""
    wanted = (size, size) if isinstance(size, int) else tuple(size)
    return patches(tensor(images), wanted, strides, dilation_rate, padding, data_format, len(wanted))


@symbolic
def extract_patches_3d(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
):
    """Patches of volumes as channels."""
    wanted = (size,) * 3 if isinstance(size, int) else tuple(size)
    return patches(tensor(volumes), wanted, strides, dilation_rate, padding, data_format, 3)


# -- warps -------------------------------------------------------------------------------------------------------------


@symbolic
def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
):
    """Images whose pixel (x, y) shows the input at ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y +
    1.
    """
    x, last = floating(images), is_last(data_format)
    x, single = to_first(x, last)
    t = floating(transform)
    t = s.unsqueeze(t, 0) if t.ndim == 1 else t
    n, _, h, w = x.shape
    ys, xs = np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
    gx, gy = Tensor.from_data(xs.astype(np.float32)), Tensor.from_data(ys.astype(np.float32))
    a = [s.reshape(c, (-1, 1, 1)) for c in s.unbind(t, 1)]
    k = a[6] * gx + a[7] * gy + 1.0
    made = sampled(
        x, (a[3] * gx + a[4] * gy + a[5]) / k, (a[0] * gx + a[1] * gy + a[2]) / k, interpolation, fill_mode, fill_value
    )
    return back(made, last, single)


def sampled(x: Any, rows: Any, columns: Any, interpolation: str, fill_mode: str, fill_value: float) -> Any:
    """Pixels of (n, c, h, w) images at fractional places (n or 1, h', w')."""
    n, c, h, w = x.shape
    rows, columns = (s.broadcast_to(v, (n, *v.shape[1:])) for v in (rows, columns))

    def at(r: Any, q: Any) -> Any:
        rr, inside_r = folded(r, h, fill_mode)
        qq, inside_q = folded(q, w, fill_mode)
        places = (rr * w + qq).to(as_dtype("int64"))
        flat = s.reshape(x, (n, c, h * w))
        index = s.broadcast_to(s.reshape(places, (n, 1, -1)), (n, c, places.shape[1] * places.shape[2]))
        found = s.reshape(indexing.gather(flat, 2, index), (n, c, *places.shape[1:]))
        if fill_mode != "constant":
            return found
        return indexing.where(s.unsqueeze(inside_r & inside_q, 1), found, float(fill_value))

    if interpolation == "nearest":
        return at(e.round(rows), e.round(columns))
    r0, q0 = e.floor(rows), e.floor(columns)
    fr, fq = s.unsqueeze(rows - r0, 1), s.unsqueeze(columns - q0, 1)
    top = at(r0, q0) * (1.0 - fq) + at(r0, q0 + 1.0) * fq
    low = at(r0 + 1.0, q0) * (1.0 - fq) + at(r0 + 1.0, q0 + 1.0) * fq
    return top * (1.0 - fr) + low * fr


def folded(i: Any, n: int, mode: str) -> tuple[Any, Any]:
    """(whole places inside [0, n), which were inside) by the way the image goes on beyond its edge."""
    inside = (i >= 0.0) & (i <= n - 1.0)
    if mode in ("constant", "nearest"):
        return e.clamp(i, 0.0, n - 1.0), inside
    if mode == "wrap":
        return e.remainder(i, float(n)), inside
    if mode == "mirror":
        period = max(2 * n - 2, 1)
        t = e.remainder(i, float(period))
        return e.minimum(t, float(period) - t) if n > 1 else t * 0.0, inside
    if mode == "reflect":
        t = e.remainder(i, 2.0 * n)
        return e.minimum(t, 2.0 * n - 1.0 - t), inside
    raise ArgumentError(
        message("fill_mode", f"unknown mode {mode!r}", cure="Expected constant, nearest, wrap, mirror or reflect")
    )


@symbolic
def map_coordinates(inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0):
    """The input at fractional places: coordinates has one row for each axis. order: 0 nearest, 1 linear."""
    x, places = tensor(inputs), [tensor(c) for c in coordinates]
    places = [floating(c) for c in places]
    sizes = x.shape

    def at(index: list) -> Any:
        inside, whole = None, []
        for i, n in zip(index, sizes, strict=True):
            place, ok = folded(i, n, fill_mode)
            whole.append(place.to(as_dtype("int64")))
            inside = ok if inside is None else inside & ok
        found = floating(x[tuple(whole)])
        return found if fill_mode != "constant" else indexing.where(inside, found, float(fill_value))

    if order == 0:
        return at([e.round(c) for c in places]).to(x.dtype)
    total = None
    lows = [e.floor(c) for c in places]
    for corner in np.ndindex(*(2,) * len(places)):
        weight, index = None, []
        for up, low, c in zip(corner, lows, places, strict=True):
            share = (c - low) if up else (1.0 - (c - low))
            weight = share if weight is None else weight * share
            index.append(low + float(up))
        part = at(index) * weight
        total = part if total is None else total + part
    return total.to(x.dtype) if x.dtype.kind == "f" else e.round(total).to(x.dtype)  # type: ignore[union-attr]


@symbolic
def gaussian_blur(images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: str | None = None):
    """Blurred by a normal distribution."""
    x, last = floating(images), is_last(data_format)
    x, single = to_first(x, last)
    for axis, k, width in ((2, kernel_size[0], sigma[0]), (3, kernel_size[1], sigma[1])):
        t = np.arange(k) - (k - 1) / 2
        line = np.exp(-(t**2) / (2 * width**2))
        line = (line / line.sum()).astype(np.float32)
        kernel = Tensor.from_data(line.reshape((k, 1, 1, 1) if axis == 2 else (1, k, 1, 1)))
        n, c, h, w = x.shape
        flat = s.reshape(x, (n * c, h, w, 1))
        x = s.reshape(conv_of(flat, kernel, None, (1, 1), "same", (1, 1), True), (n, c, h, w))
    return back(x, last, single)


@symbolic
def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
):
    """The warp that moves four start points to four end points."""
    start, end = (
        np.asarray(tensor(start_points)._array(), np.float64),
        np.asarray(tensor(end_points)._array(), np.float64),
    )
    if start.ndim == 2:
        start, end = start[None], end[None]
    rows = []
    for a, b in zip(start, end, strict=True):
        matrix, right = [], []
        for (x, y), (u, v) in zip(a, b, strict=True):
            matrix += [[u, v, 1, 0, 0, 0, -x * u, -x * v], [0, 0, 0, u, v, 1, -y * u, -y * v]]
            right += [x, y]
        rows.append(np.linalg.solve(np.array(matrix), np.array(right)))
    return affine_transform(images, np.array(rows, np.float32), interpolation, "constant", fill_value, data_format)


@symbolic
def elastic_transform(
    images: Any,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
):
    """Each pixel moved by a smooth random field. Source: Simard et al. 2003."""
    x, last = floating(images), is_last(data_format)
    x, single = to_first(x, last)
    n, _, h, w = x.shape
    stream = np.random.default_rng(make_default_seed() if seed is None else int(seed))
    size = int(6 * sigma) | 1
    moves = []
    for _ in range(2):
        field = Tensor.from_data(stream.random((n, h, w, 1), np.float32) * 2 - 1)
        moves.append(s.squeeze(gaussian_blur(field, (size, size), (sigma, sigma), "channels_last"), -1) * alpha)
    ys, xs = np.meshgrid(np.arange(h, dtype=np.float32), np.arange(w, dtype=np.float32), indexing="ij")
    made = sampled(
        x, moves[1] + Tensor.from_data(ys), moves[0] + Tensor.from_data(xs), interpolation, fill_mode, fill_value
    )
    return back(made, last, single)


@symbolic
def scale_and_translate(
    images: Any, output_shape: Any, scale: Any, translation: Any, spatial_dims: Any, method: str, antialias: bool = True
):
    """Images scaled and moved along some axes; method: linear, cubic, lanczos3, lanczos5."""
    x = floating(images)
    kernels = {
        "linear": (lambda t: np.maximum(1 - np.abs(t), 0), 1.0),
        "bilinear": (lambda t: np.maximum(1 - np.abs(t), 0), 1.0),
        "cubic": (keys_cubic, 2.0),
        "bicubic": (keys_cubic, 2.0),
        "lanczos3": (lanczos(3), 3.0),
        "lanczos5": (lanczos(5), 5.0),
    }
    kernel, _ = kernels[method]
    factors, moves = np.asarray(tensor(scale)._array()), np.asarray(tensor(translation)._array())
    for k, axis in enumerate(spatial_dims):
        n, out = x.shape[axis], int(output_shape[axis])
        inverse = 1.0 / float(factors[k])
        stretch = max(inverse, 1.0) if antialias else 1.0
        centers = (np.arange(out) + 0.5) * inverse - float(moves[k]) * inverse - 0.5
        table = kernel((np.arange(n)[:, None] - centers[None, :]) / stretch)
        total = table.sum(0, keepdims=True)
        table = np.where(np.abs(total) > 1e-7, table / np.where(total == 0, 1, total), 0)
        table = np.where((centers >= -0.5) & (centers <= n - 0.5), table, 0)
        x = s.movedim(s.movedim(x, axis, -1) @ Tensor.from_data(table.astype(np.float32)), -1, axis)
    return x


@symbolic
def sobel_edges(images: Any, data_format: str | None = None):
    """Derivatives of images downwards and to the right, in a new last axis."""
    x, last = floating(images), is_last(data_format)
    x, single = to_first(x, last)
    n, c, h, w = x.shape
    down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32)
    kernel = Tensor.from_data(np.stack([down, down.T], -1)[:, :, None, :])
    flat = m.pad(s.reshape(x, (n * c, h, w, 1)), ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect")
    made = s.reshape(conv_of(flat, kernel, None, (1, 1), "valid", (1, 1), True), (n, c, h, w, 2))
    made = s.permute(made, (0, 2, 3, 1, 4)) if last else made
    return s.squeeze(made, 0) if single else made


@symbolic
def ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
):
    """Structural similarity of images. Source: Wang et al. 2004."""
    last = is_last(data_format)
    a, single = to_first(floating(image1), last)
    b, _ = to_first(floating(image2), last)
    t = np.arange(filter_size) - (filter_size - 1) / 2
    line = np.exp(-(t**2) / (2 * filter_sigma**2))
    window = np.outer(line, line)
    kernel = Tensor.from_data((window / window.sum()).astype(np.float32)[:, :, None, None])
    n, c, h, w = a.shape

    def blurred(x: Any) -> Any:
        return conv_of(s.reshape(x, (n * c, h, w, 1)), kernel, None, (1, 1), "valid", (1, 1), True)

    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    ma, mb = blurred(a), blurred(b)
    va, vb, vab = blurred(a * a) - ma * ma, blurred(b * b) - mb * mb, blurred(a * b) - ma * mb
    score = ((2 * ma * mb + c1) * (2 * vab + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    made = reduce.mean(s.reshape(score, (n, -1)), 1)
    return s.squeeze(made, 0) if single else made
