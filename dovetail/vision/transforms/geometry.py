"""Pixels moved but not changed: crop, pad, flip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dovetail.base.errors import ArgumentError, message
from dovetail.vision.transforms.boxes import moved
from dovetail.vision.transforms.pictures import Picture, get_dimensions, through
from dovetail.vision.tv_tensors import BoundingBoxes, Mask

PADDING = {"edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width) of a size given as one number or two."""
    if isinstance(size, int):
        return size, size
    return (int(size[0]), int(size[0])) if len(size) == 1 else (int(size[0]), int(size[1]))


def shifted(x: float, y: float, across: float = 1.0, down: float = 1.0) -> np.ndarray:
    """(3, 3): places scaled, then moved."""
    return np.array([[across, 0.0, x], [0.0, down, y], [0.0, 0.0, 1.0]])


def hflip(img: Picture) -> Picture:
    """Left and right exchanged."""
    if isinstance(img, BoundingBoxes):
        return moved(img, shifted(img.canvas_size[1], 0, -1, 1), img.canvas_size, clamp=False)
    return through(img, "hflip", lambda a: a[..., ::-1])


def vflip(img: Picture) -> Picture:
    """Top and bottom exchanged."""
    if isinstance(img, BoundingBoxes):
        return moved(img, shifted(0, img.canvas_size[0], 1, -1), img.canvas_size, clamp=False)
    return through(img, "vflip", lambda a: a[..., ::-1, :])


def sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of padding given as one number, (left and right, top and bottom) or all four.

    Raises: ArgumentError if it is of another length.
    """
    given = (padding,) if isinstance(padding, int) else tuple(padding)
    if len(given) not in (1, 2, 4):
        raise ArgumentError(message("pad", "one, two or four numbers", [("padding", given)]))
    left, top, right, bottom = given * (4 // len(given))
    return left, top, right, bottom


def pad(
    img: Picture, padding: int | Sequence[int], fill: float | Sequence[float] = 0, padding_mode: str = "constant"
) -> Picture:
    """A wider picture; negative padding crops.

    Raises: ArgumentError if the mode is not constant, edge, reflect or symmetric.
    """
    left, top, right, bottom = sides(padding)
    if isinstance(img, BoundingBoxes):
        h, w = img.canvas_size
        return moved(img, shifted(left, top), (h + top + bottom, w + left + right))
    if isinstance(img, Mask):
        fill = fill if isinstance(fill, int | float) else 0
    if padding_mode == "constant":
        _, h, w = get_dimensions(img)
        return through(img, "pad", lambda a: window(a, -top, -left, h + top + bottom, w + left + right, fill))
    if padding_mode not in PADDING:
        facts = [("padding_mode", padding_mode), ("takes", "constant, edge, reflect, symmetric")]
        raise ArgumentError(message("pad", "no such mode", facts))

    def kernel(a: np.ndarray) -> np.ndarray:
        widths = [(0, 0)] * (a.ndim - 2) + [(top, bottom), (left, right)]
        return np.pad(a, widths, mode=PADDING[padding_mode])  # type: ignore[call-overload]

    return through(img, "pad", kernel)


def crop(img: Picture, top: int, left: int, height: int, width: int) -> Picture:
    """A rectangle of the picture; what lies outside is zero."""
    if isinstance(img, BoundingBoxes):
        return moved(img, shifted(-left, -top), (height, width))
    return through(img, "crop", lambda a: window(a, top, left, height, width, 0))


def window(a: np.ndarray, top: int, left: int, height: int, width: int, fill: float | Sequence[float]) -> np.ndarray:
    """A rectangle of an array (*, c, h, w), filled where the array does not reach."""
    h, w = a.shape[-2:]
    if 0 <= top and 0 <= left and top + height <= h and left + width <= w:
        return a[..., top : top + height, left : left + width]
    made = np.empty((*a.shape[:-2], height, width), a.dtype)
    made[...] = fill if isinstance(fill, int | float) else np.asarray(fill).reshape(-1, 1, 1)
    rows = slice(max(top, 0), max(min(top + height, h), 0))
    columns = slice(max(left, 0), max(min(left + width, w), 0))
    inner = a[..., rows, columns]
    if inner.size:
        y, x = rows.start - top, columns.start - left
        made[..., y : y + inner.shape[-2], x : x + inner.shape[-1]] = inner
    return made


def center_crop(img: Picture, output_size: int | Sequence[int]) -> Picture:
    """The middle of the picture; smaller pictures are padded with zeros first."""
    height, width = pair(output_size)
    _, h, w = get_dimensions(img)
    if height > h or width > w:
        wide, high = max(width - w, 0), max(height - h, 0)
        img = pad(img, (wide // 2, high // 2, (wide + 1) // 2, (high + 1) // 2))
        _, h, w = get_dimensions(img)
    return crop(img, round((h - height) / 2.0), round((w - width) / 2.0), height, width)


def five_crop(img: Picture, size: int | Sequence[int]) -> tuple[Picture, Picture, Picture, Picture, Picture]:
    """The four corners, then the middle.

    Raises: ArgumentError if the picture is smaller.
    """
    height, width = pair(size)
    _, h, w = get_dimensions(img)
    if height > h or width > w:
        raise ArgumentError(message("five_crop", "the crop is larger", [("size", (height, width)), ("image", (h, w))]))
    low, right = h - height, w - width
    return (
        crop(img, 0, 0, height, width),
        crop(img, 0, right, height, width),
        crop(img, low, 0, height, width),
        crop(img, low, right, height, width),
        center_crop(img, (height, width)),
    )


def ten_crop(img: Picture, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Picture, ...]:
    """five_crop of the picture and of its mirror image (upside down with `vertical_flip`)."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)
