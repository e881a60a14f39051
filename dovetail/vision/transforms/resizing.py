"""Another size: each axis resampled by a matrix; PIL images by Pillow itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from dovetail.base.errors import ArgumentError, message
from dovetail.vision.transforms.boxes import moved
from dovetail.vision.transforms.geometry import crop, pair, shifted
from dovetail.vision.transforms.pictures import (
    InterpolationMode,
    Picture,
    get_dimensions,
    is_pil,
    pillow,
    rounded,
    through,
)
from dovetail.vision.tv_tensors import BoundingBoxes, Mask

Mode = InterpolationMode
PIL_NAMES = {
    Mode.NEAREST: "NEAREST",
    Mode.NEAREST_EXACT: "NEAREST",
    Mode.BILINEAR: "BILINEAR",
    Mode.BICUBIC: "BICUBIC",
    Mode.BOX: "BOX",
    Mode.HAMMING: "HAMMING",
    Mode.LANCZOS: "LANCZOS",
}
PIL_CODES = {0: Mode.NEAREST, 1: Mode.LANCZOS, 2: Mode.BILINEAR, 3: Mode.BICUBIC, 4: Mode.BOX, 5: Mode.HAMMING}


def mode_of(interpolation: InterpolationMode | int, call: str) -> InterpolationMode:
    """The mode, also where Pillow's number for it is given.

    Raises: ArgumentError if there is no such mode.
    """
    if isinstance(interpolation, InterpolationMode):
        return interpolation
    if interpolation in PIL_CODES:
        return PIL_CODES[interpolation]
    raise ArgumentError(message(call, "no such interpolation", [("interpolation", interpolation)]))


def wanted_size(h: int, w: int, size: int | Sequence[int], max_size: int | None = None) -> tuple[int, int]:
    """(height, width) after resizing; one number is the length of the shorter side.

    Raises: ArgumentError if `max_size` is not above the shorter side.
    """
    if not isinstance(size, int) and len(size) == 2:
        return int(size[0]), int(size[1])
    short = size if isinstance(size, int) else int(size[0])
    if max_size is not None and max_size <= short:
        raise ArgumentError(message("resize", "max_size must exceed size", [("size", short), ("max_size", max_size)]))
    long = int(short * max(h, w) / min(h, w))
    if max_size is not None and long > max_size:
        short, long = int(max_size * short / long), max_size
    return (long, short) if h >= w else (short, long)


def resize(
    img: Picture,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = Mode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Picture:
    """The picture in another size. `antialias` concerns tensors and arrays; Pillow always does.

    size: (height, width), or the length of the shorter side.
    Raises: ArgumentError if a tensor is to be resized by a mode that only Pillow has.
    """
    mode = mode_of(interpolation, "resize")
    _, h, w = get_dimensions(img)
    height, width = wanted_size(h, w, size, max_size)
    if (h, w) == (height, width):
        return img
    if isinstance(img, BoundingBoxes):
        return moved(img, shifted(0, 0, width / w, height / h), (height, width), clamp=False)
    if isinstance(img, Mask):
        mode = Mode.NEAREST
    if is_pil(img):
        return img.resize((width, height), getattr(pillow("resize").Resampling, PIL_NAMES[mode]))
    if mode in (Mode.NEAREST, Mode.NEAREST_EXACT):
        rows, columns = nearest(h, height, mode), nearest(w, width, mode)
        return through(img, "resize", lambda a: a[..., rows[:, None], columns])
    if mode not in FILTERS:
        facts = [("interpolation", mode.value), ("takes", "nearest, bilinear, bicubic")]
        raise ArgumentError(message("resize", "only PIL images can be resized so", facts))
    down, across = (resampling(old, new, mode, bool(antialias)) for old, new in ((h, height), (w, width)))

    def kernel(a: np.ndarray) -> np.ndarray:
        exact = a if a.dtype == np.float64 else a.astype(np.float32)
        wide = rounded(exact @ across.T, a.dtype)  # whole numbers between the passes too, as Pillow has them
        return rounded(down @ wide.astype(exact.dtype), a.dtype)

    return through(img, "resize", kernel)


def nearest(old: int, new: int, mode: InterpolationMode) -> np.ndarray:
    """The old pixel that each new one shows: torch rounds down, "exact" takes the pixel under the centre."""
    shift = 0.5 if mode is Mode.NEAREST_EXACT else 0.0
    return np.minimum(((np.arange(new) + shift) * (old / new)).astype(np.int64), old - 1)


def triangle(x: np.ndarray) -> np.ndarray:
    """Linear interpolation's weight at distance x."""
    return np.maximum(0.0, 1.0 - np.abs(x))


def cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys's cubic kernel at distance x.

    Source: Keys 1981, equation 15, with his -1/2 left free.
    """
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


FILTERS: dict[InterpolationMode, tuple[float, Callable]] = {
    Mode.BILINEAR: (1.0, lambda x, smooth: triangle(x)),
    Mode.BICUBIC: (2.0, lambda x, smooth: cubic(x, -0.5 if smooth else -0.75)),  # as Pillow; as torch without antialias
}


@lru_cache(256)
def resampling(old: int, new: int, mode: InterpolationMode, antialias: bool) -> np.ndarray:
    """Matrix (new, old) that resamples a line. With antialias the filter is as wide as a new pixel, as in Pillow."""
    reach, weight = FILTERS[mode]
    scale = max(old / new, 1.0) if antialias else 1.0
    centre = (np.arange(new) + 0.5) * (old / new)
    if antialias:
        first = np.maximum((centre - reach * scale + 0.5).astype(np.int64), 0)[:, None]
        last = np.minimum((centre + reach * scale + 0.5).astype(np.int64), old)[:, None]
        place = np.arange(old)
        made = weight((place + 0.5 - centre[:, None]) / scale, True) * ((place >= first) & (place < last))
        return (made / made.sum(1, keepdims=True)).astype(np.float32)
    made = np.zeros((new, old))
    start = np.floor(centre - 0.5).astype(np.int64)
    for step in range(1 - math.ceil(reach), math.ceil(reach) + 1):  # outside the line its edge value holds
        np.add.at(made, (np.arange(new), np.clip(start + step, 0, old - 1)), weight(centre - 0.5 - start - step, False))
    return made.astype(np.float32)


def resized_crop(
    img: Picture,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = Mode.BILINEAR,
    antialias: bool | None = True,
) -> Picture:
    """A rectangle of the picture, in another size."""
    return resize(crop(img, top, left, height, width), pair(size), interpolation, None, antialias)
