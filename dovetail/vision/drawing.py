"""Boxes, masks and points drawn on pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms.pictures import pillow

Colour = str | tuple[int, int, int]
Colours = Colour | Sequence[Colour] | None


def palette(count: int) -> list[tuple[int, int, int]]:
    """Colours that differ, as torchvision chooses them."""
    return [(n * (2**25 - 1) % 255, n * (2**15 - 1) % 255, n * (2**21 - 1) % 255) for n in range(count)]


def colours_of(colors: Colours, count: int, call: str) -> list[tuple[int, int, int]]:
    """One colour for each thing, by name or by numbers.

    Raises: ArgumentError if there are too few.
    """
    if colors is None:
        return palette(count)
    several = isinstance(colors, list) or (isinstance(colors, tuple) and not all(isinstance(c, int) for c in colors))
    given: list[Any] = list(colors) if several else [colors] * count
    if len(given) < count:
        raise ArgumentError(
            message(call, "fewer colours than things to draw", [("colors", len(given)), ("things", count)])
        )
    names = pillow(call, "ImageColor")
    return [names.getrgb(c) if isinstance(c, str) else tuple(c) for c in given]


def pixels_of(image: Tensor, call: str) -> np.ndarray:
    """(3, h, w) bytes of a picture of bytes or of floats in 0..1, grey or coloured.

    Raises: ShapeError if it is no picture.
    """
    if not isinstance(image, Tensor) or image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ShapeError(message(call, "takes one picture (1 or 3, h, w)", [("image", image)]))
    array = image.detach().numpy()
    if image.is_floating_point():
        array = np.clip(array * (256 - 1e-3), 0, 255)
    return np.repeat(array.astype(np.uint8), 3 // array.shape[0], 0)


def like(image: Tensor, pixels: np.ndarray) -> Tensor:
    """Bytes (3, h, w) with the picture's element type."""
    array = pixels.astype(image.dtype.np) / np.float32(255) if image.is_floating_point() else pixels
    return Tensor.from_array(np.ascontiguousarray(array, image.dtype.np))


def canvas_of(pixels: np.ndarray, call: str) -> Any:
    return pillow(call).fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def draw_bounding_boxes(
    image: Tensor,
    boxes: Tensor,
    labels: Sequence[str | None] | None = None,
    colors: Colours = None,
    fill: bool = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
    label_colors: Colours = None,
    **options: Any,
) -> Tensor:
    """The picture with boxes (n, 4) drawn on it, given by corners, and their labels beside them.

    fill: half transparent inside. font: a TrueType file, of font_size; Pillow's own without.
    Shape: (c, h, w), (n, 4) -> (3, h, w)
    Raises: ShapeError or ArgumentError for what does not fit; MissingExtra without Pillow.
    """
    call = "draw_bounding_boxes"
    rows = boxes.detach().numpy().reshape(-1, boxes.shape[-1] if boxes.ndim else 4)
    if rows.shape[1] != 4 or (rows[:, :2] > rows[:, 2:]).any():
        raise ShapeError(message(call, "takes boxes (n, 4) by corners, the lower ones first", [("boxes", boxes)]))
    if labels is not None and len(labels) != len(rows):
        facts = [("boxes", len(rows)), ("labels", len(labels))]
        raise ArgumentError(message(call, "one label for each box", facts))
    chosen = colours_of(colors, len(rows), call)
    words = colours_of(label_colors, len(rows), call) if label_colors else chosen
    canvas = canvas_of(pixels_of(image, call), call)
    drawing = pillow(call, "ImageDraw").Draw(canvas, "RGBA" if fill else None)
    letters = pillow(call, "ImageFont").truetype(font, font_size or 10) if font else None
    for place, (row, colour) in enumerate(zip(rows.tolist(), chosen, strict=False)):
        drawing.rectangle(row, fill=(*colour, 100) if fill else None, outline=colour, width=width)
        label = labels[place] if labels else None
        if label:
            drawing.text((row[0] + width + 1, row[1] + width + 1), label, fill=words[place], font=letters)
    return like(image, np.asarray(canvas).transpose(2, 0, 1))


def draw_segmentation_masks(image: Tensor, masks: Tensor, alpha: float = 0.8, colors: Colours = None) -> Tensor:
    """The picture with masks (n, h, w) of bools in colours; alpha: how much of a colour is seen.

    Shape: (c, h, w), (n, h, w) -> (3, h, w)
    Raises: ShapeError if a mask has another size or is not of bools.
    """
    call = "draw_segmentation_masks"
    marked = masks.detach().numpy()
    marked = marked[None] if marked.ndim == 2 else marked
    if marked.ndim != 3 or marked.dtype != np.bool_ or marked.shape[1:] != tuple(image.shape[-2:]):
        raise ShapeError(
            message(call, "takes bools (n, h, w) of the picture's size", [("image", image), ("masks", masks)])
        )
    pixels = pixels_of(image, call)
    shown = pixels.copy()
    for mask, colour in zip(marked, colours_of(colors, len(marked), call), strict=False):
        shown[:, mask] = np.array(colour, np.uint8)[:, None]
    mixed = pixels * np.float32(1 - alpha) + shown * np.float32(alpha)
    return like(image, mixed.astype(np.uint8) if marked.any() else pixels)


def draw_keypoints(
    image: Tensor,
    keypoints: Tensor,
    connectivity: Sequence[tuple[int, int]] | None = None,
    colors: Colour | None = None,
    radius: int = 2,
    width: int = 3,
    visibility: Tensor | None = None,
) -> Tensor:
    """The picture with the points (n, k, 2) of n things drawn on it, and lines between those that connectivity names.

    Shape: (c, h, w), (n, k, 2) -> (3, h, w)
    """
    call = "draw_keypoints"
    points = keypoints.detach().numpy()
    if points.ndim != 3 or points.shape[2] != 2:
        raise ShapeError(message(call, "takes points (n, k, 2)", [("keypoints", keypoints)]))
    seen = (
        np.ones(points.shape[:2], bool) if visibility is None else visibility.detach().numpy().reshape(points.shape[:2])
    )
    canvas = canvas_of(pixels_of(image, call), call)
    drawing = pillow(call, "ImageDraw").Draw(canvas)
    colour = colours_of(colors, 1, call)[0] if colors is not None else None
    for thing, shown in zip(points.tolist(), seen, strict=True):
        for (x, y), visible in zip(thing, shown, strict=True):
            if visible:
                drawing.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour, outline=None, width=0)
        for start, end in connectivity or ():
            if shown[start] and shown[end]:
                drawing.line([*thing[start], *thing[end]], width=width)
    return like(image, np.asarray(canvas).transpose(2, 0, 1))
