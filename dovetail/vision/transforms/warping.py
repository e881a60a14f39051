"""Rotation and affine maps: for each new pixel, where it comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms.boxes import clamped, corners, from_corners, moved
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
from dovetail.vision.tv_tensors import BoundingBoxes, Mask

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
        colour = colour_of(img, fill)
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
    sizes = []
    for side, half in ((h, (h * cosine + w * sine) / 2), (w, (w * cosine + h * sine) / 2)):
        ends = np.trunc(np.array([side / 2 - half, side / 2 + half], np.float32) / np.float32(1e-4)) * np.float32(1e-4)
        sizes.append(math.ceil(ends[1]) - math.floor(ends[0]))
    return sizes[0], sizes[1]


def warp(
    img: Picture, matrix: np.ndarray, size: tuple[int, int], mode: InterpolationMode, fill: float | Sequence | None
) -> Picture:
    """The picture that shows at each place what the old one has where `matrix` sends that place."""
    if isinstance(img, BoundingBoxes):
        return moved(img, np.linalg.inv(np.vstack([matrix, [0, 0, 1]])), size)
    if isinstance(img, Mask):
        mode, fill = Mode.NEAREST, 0
    if is_pil(img):
        image = pillow("affine")
        resample = getattr(image.Resampling, PIL_NAMES[mode])
        colour = colour_of(img, fill)
        data = tuple(matrix.ravel())
        return img.transform(size[::-1], image.Transform.AFFINE, data, resample, fillcolor=colour)
    check_mode(mode, "affine")
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    place_x, place_y = (matrix @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)]) - 0.5).reshape(2, *size)
    return sampled(img, "affine", place_y, place_x, mode, fill)


def sampled(img: Picture, call: str, y: np.ndarray, x: np.ndarray, mode: InterpolationMode, fill) -> Picture:
    """The picture looked up at places (y, x)."""
    sample = sample_nearest if mode is Mode.NEAREST else sample_bilinear
    return through(img, call, lambda a: sample(a, y, x, fill))


def colour_of(img: Picture, fill: float | Sequence[float] | None) -> tuple | float | None:
    """Pillow's word for a fill: one value for each channel."""
    if isinstance(fill, int | float):
        bands = len(img.getbands())
        return fill if bands == 1 else (int(fill),) * bands
    return fill if fill is None else tuple(fill)


def perspective_numbers(startpoints: Sequence, endpoints: Sequence) -> np.ndarray:
    """The eight numbers of the map from new places to old ones, from four pairs of points."""
    rows = []
    for (x, y), (old_x, old_y) in zip(endpoints, startpoints, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -old_x * x, -old_x * y])
        rows.append([0, 0, 0, x, y, 1, -old_y * x, -old_y * y])
    found = np.linalg.lstsq(np.array(rows, float), np.array(startpoints, float).ravel(), rcond=None)[0]
    return found.astype(np.float32).astype(float)


def perspective(
    img: Picture,
    startpoints: Sequence[Sequence[float]] | None,
    endpoints: Sequence[Sequence[float]] | None,
    interpolation: InterpolationMode | int = Mode.BILINEAR,
    fill: float | Sequence[float] | None = None,
    coefficients: Sequence[float] | None = None,
) -> Picture:
    """The picture as a plane seen from another place: four points move to four others.

    Raises: ArgumentError for an interpolation that only PIL images have.
    """
    mode = mode_of(interpolation, "perspective")
    numbers = perspective_numbers(startpoints, endpoints) if coefficients is None else np.asarray(coefficients, float)
    _, h, w = get_dimensions(img)
    back = np.append(numbers, 1.0).reshape(3, 3)
    if isinstance(img, BoundingBoxes):
        return moved(img, np.linalg.inv(back), (h, w))
    if isinstance(img, Mask):
        mode, fill = Mode.NEAREST, 0
    if is_pil(img):
        image = pillow("perspective")
        colour = colour_of(img, fill)
        resample = getattr(image.Resampling, PIL_NAMES[mode])
        return img.transform((w, h), image.Transform.PERSPECTIVE, tuple(numbers), resample, fillcolor=colour)
    check_mode(mode, "perspective")
    y, x = np.mgrid[:h, :w] + 0.5
    above_x, above_y, below = (back @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])).reshape(3, h, w)
    return sampled(img, "perspective", above_y / below - 0.5, above_x / below - 0.5, mode, fill)


def check_mode(mode: InterpolationMode, call: str) -> None:
    if mode not in (Mode.NEAREST, Mode.BILINEAR):
        facts = [("interpolation", mode.value), ("takes", "nearest, bilinear")]
        raise ArgumentError(message(call, "only PIL images can be warped so", facts))


def elastic_transform(
    img: Picture,
    displacement: Tensor,
    interpolation: InterpolationMode | int = Mode.BILINEAR,
    fill: float | Sequence[float] | None = None,
) -> Picture:
    """Each place shows what lies `displacement` (1, h, w, 2) away, in halves of the picture's width and height.

    Raises: ShapeError if the displacement has another size.
    """
    mode = mode_of(interpolation, "elastic_transform")
    _, h, w = get_dimensions(img)
    offsets = displacement.detach().numpy() if isinstance(displacement, Tensor) else np.asarray(displacement)
    if offsets.shape != (1, h, w, 2):
        facts = [("displacement", offsets), ("wanted", (1, h, w, 2))]
        raise ShapeError(message("elastic_transform", "one offset for each pixel", facts))
    if isinstance(img, BoundingBoxes):
        return carried(img, offsets[0], (h, w))
    if isinstance(img, Mask):
        mode, fill = Mode.NEAREST, 0
    check_mode(mode, "elastic_transform")
    y, x = np.mgrid[:h, :w]
    return sampled(img, "elastic_transform", y + offsets[0, ..., 1] * h / 2, x + offsets[0, ..., 0] * w / 2, mode, fill)


def looked_up(a: np.ndarray, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(values at whole places, whether the places lie in the picture)."""
    h, w = a.shape[-2:]
    inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    return a[..., np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)], inside


def colour_like(fill: float | Sequence, dtype: np.dtype) -> np.ndarray:
    """The fill value, shaped to be broadcast over (c, h, w)."""
    return np.asarray(fill, dtype) if isinstance(fill, int | float) else np.asarray(fill, dtype).reshape(-1, 1, 1)


def sample_nearest(a: np.ndarray, y: np.ndarray, x: np.ndarray, fill: float | Sequence | None) -> np.ndarray:
    """The nearest pixel at each place."""
    shown, inside = looked_up(a, *(np.rint(np.round(v, 6)).astype(np.int64) for v in (y, x)))
    return np.where(inside, shown, colour_like(0 if fill is None else fill, a.dtype))


def sample_bilinear(a: np.ndarray, y: np.ndarray, x: np.ndarray, fill: float | Sequence | None) -> np.ndarray:
    """The mean of the four pixels around each place, by nearness; where they leave the picture, mixed with `fill`."""
    top, left = np.floor(y), np.floor(x)
    total, share = np.zeros(()), np.zeros(())
    for dy in (0, 1):
        for dx in (0, 1):
            near = np.abs(1 - dy - (y - top)) * np.abs(1 - dx - (x - left))
            shown, inside = looked_up(a, (top + dy).astype(np.int64), (left + dx).astype(np.int64))
            total, share = total + shown * (near * inside), share + near * inside
    if fill is not None:  # torchvision weighs the picture by its share a second time here
        total = total * share + colour_like(fill, np.dtype(np.float64)) * (1 - share)
    return rounded(total, a.dtype)


def carried(boxes: BoundingBoxes, offsets: np.ndarray, canvas: tuple[int, int]) -> BoundingBoxes:
    """Boxes under an elastic map: each corner goes against the offset at its place."""
    h, w = canvas
    left, top, right, bottom = corners(boxes).T
    x = np.stack([left, left, right, right])
    y = np.stack([top, bottom, top, bottom])
    at = offsets[np.clip(y.astype(int), 0, h - 1), np.clip(x.astype(int), 0, w - 1)]
    x, y = x - at[..., 0] * w / 2, y - at[..., 1] * h / 2
    rows = np.column_stack([x.min(0), y.min(0), x.max(0), y.max(0)])
    return from_corners(boxes, clamped(rows, canvas), canvas)
