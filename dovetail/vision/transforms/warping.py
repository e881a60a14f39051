"""Rotation and affine maps: for each new pixel, where it comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dovetail.base.errors import ArgumentError, message
from dovetail.vision.transforms.pictures import (
    InterpolationMode,
    Picture,
    get_dimensions,
    is_pil,
    pillow,
    rounded,
    through,
)
from dovetail.vision.transforms.resizing import PIL_NAMES, mode_of

Mode = InterpolationMode


def inverse_matrix(
    angle: float, translate: Sequence[float], scale: float, shear: Sequence[float], centre: Sequence[float]
) -> np.ndarray:
    """(2, 3): from a place in the new picture to the place in the old one, both (x, y).

    The map turns clockwise by `angle` degrees, shears by two angles, scales about `centre`, then moves.
    """
    turn, sx, sy = (math.radians(v) for v in (angle, *shear))
    turned = [[math.cos(turn - sy), -math.cos(turn - sy) * math.tan(sx) - math.sin(turn) * math.cos(sy)]]
    turned += [[math.sin(turn - sy), -math.sin(turn - sy) * math.tan(sx) + math.cos(turn) * math.cos(sy)]]
    forward = scale / math.cos(sy) * np.array(turned)
    back = np.linalg.inv(forward)
    middle = np.asarray(centre, float)
    return np.column_stack([back, middle - back @ (middle + np.asarray(translate, float))])


def affine(
    img: Picture,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode | int = Mode.NEAREST,
    fill: float | Sequence[float] | None = None,
    center: Sequence[float] | None = None,
) -> Picture:
    """The picture turned clockwise by `angle` degrees, moved by (x, y) pixels, scaled and sheared, in the same size.

    Raises: ArgumentError if the scale is not above zero.
    """
    if scale <= 0:
        raise ArgumentError(message("affine", "the scale must be above zero", [("scale", scale)]))
    _, h, w = get_dimensions(img)
    slant = (shear, 0.0) if isinstance(shear, int | float) else (*shear, 0.0)[:2]
    matrix = inverse_matrix(angle, translate, scale, slant, center or (w / 2, h / 2))
    return warp(img, matrix, (h, w), mode_of(interpolation, "affine"), fill)


def rotate(
    img: Picture,
    angle: float,
    interpolation: InterpolationMode | int = Mode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: float | Sequence[float] | None = None,
) -> Picture:
    """The picture turned counter-clockwise by `angle` degrees; `expand` makes room for its corners."""
    mode = mode_of(interpolation, "rotate")
    if is_pil(img):
        resample = getattr(pillow("rotate").Resampling, PIL_NAMES[mode])
        colour = tuple(fill) if isinstance(fill, list | tuple) else fill
        return img.rotate(angle, resample, expand, tuple(center) if center else None, fillcolor=colour)
    _, h, w = get_dimensions(img)
    matrix = inverse_matrix(-angle, (0, 0), 1.0, (0, 0), center or (w / 2, h / 2))
    size = (h, w)
    if expand:
        size = room_for(angle, h, w)
        matrix[:, 2] = (w / 2, h / 2) - matrix[:, :2] @ np.array([size[1] / 2, size[0] / 2])
    return warp(img, matrix, size, mode, fill)


def room_for(angle: float, h: int, w: int) -> tuple[int, int]:
    """(height, width) of the smallest picture that holds an h x w one turned by `angle` degrees."""
    turn = math.radians(angle)
    cosine, sine = abs(math.cos(turn)), abs(math.sin(turn))
    return math.ceil(h * cosine + w * sine - 1e-6), math.ceil(w * cosine + h * sine - 1e-6)


def warp(
    img: Picture, matrix: np.ndarray, size: tuple[int, int], mode: InterpolationMode, fill: float | Sequence | None
) -> Picture:
    """The picture that shows at each place what the old one has where `matrix` sends that place."""
    if is_pil(img):
        image = pillow("affine")
        resample = getattr(image.Resampling, PIL_NAMES[mode])
        colour = tuple(fill) if isinstance(fill, list | tuple) else fill
        data = tuple(matrix.ravel())
        return img.transform(size[::-1], image.Transform.AFFINE, data, resample, fillcolor=colour)
    if mode not in (Mode.NEAREST, Mode.BILINEAR):
        facts = [("interpolation", mode.value), ("takes", "nearest, bilinear")]
        raise ArgumentError(message("affine", "only PIL images can be warped so", facts))
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    place_x, place_y = (matrix @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)]) - 0.5).reshape(2, *size)
    sample = sample_nearest if mode is Mode.NEAREST else sample_bilinear
    return through(img, "affine", lambda a: sample(a, place_y, place_x, 0 if fill is None else fill))


def looked_up(a: np.ndarray, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(values at whole places, whether the places lie in the picture)."""
    h, w = a.shape[-2:]
    inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    return a[..., np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)], inside


def colour_like(fill: float | Sequence, dtype: np.dtype) -> np.ndarray:
    """The fill value, shaped to be broadcast over (c, h, w)."""
    return np.asarray(fill, dtype) if isinstance(fill, int | float) else np.asarray(fill, dtype).reshape(-1, 1, 1)


def sample_nearest(a: np.ndarray, y: np.ndarray, x: np.ndarray, fill: float | Sequence) -> np.ndarray:
    """The nearest pixel at each place."""
    shown, inside = looked_up(a, *(np.rint(np.round(v, 6)).astype(np.int64) for v in (y, x)))
    return np.where(inside, shown, colour_like(fill, a.dtype))


def sample_bilinear(a: np.ndarray, y: np.ndarray, x: np.ndarray, fill: float | Sequence) -> np.ndarray:
    """The mean of the four pixels around each place, by nearness; where they leave the picture, mixed with `fill`."""
    top, left = np.floor(y), np.floor(x)
    total, share = np.zeros(()), np.zeros(())
    for dy in (0, 1):
        for dx in (0, 1):
            near = np.abs(1 - dy - (y - top)) * np.abs(1 - dx - (x - left))
            shown, inside = looked_up(a, (top + dy).astype(np.int64), (left + dx).astype(np.int64))
            total, share = total + shown * (near * inside), share + near * inside
    return rounded(total + colour_like(fill, np.dtype(np.float64)) * (1 - share), a.dtype)
