"""Boxes moved as their picture is: each corner by the picture's map, then the smallest box around them."""

from __future__ import annotations

import numpy as np

from dovetail.tensor.tensor import Tensor
from dovetail.vision.tv_tensors import BoundingBoxes, BoundingBoxFormat


def corners(boxes: BoundingBoxes) -> np.ndarray:
    """(n, 4): left, top, right, bottom, as float64."""
    a, b, c, d = boxes.detach().numpy().reshape(-1, 4).astype(np.float64).T
    if boxes.format is BoundingBoxFormat.XYWH:
        a, b, c, d = a, b, a + c, b + d
    elif boxes.format is BoundingBoxFormat.CXCYWH:
        a, b, c, d = a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return np.column_stack([a, b, c, d])


def from_corners(boxes: BoundingBoxes, rows: np.ndarray, canvas: tuple[int, int] | None = None) -> BoundingBoxes:
    """Corners as boxes of the same form and element type as `boxes`, on another canvas where one is given."""
    a, b, c, d = rows.T
    if boxes.format is BoundingBoxFormat.XYWH:
        c, d = c - a, d - b
    elif boxes.format is BoundingBoxFormat.CXCYWH:
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    made = np.column_stack([a, b, c, d]).reshape(tuple(boxes.shape)).astype(boxes.dtype.np)
    return boxes.again(Tensor.from_array(np.ascontiguousarray(made)), canvas)


def clamped(rows: np.ndarray, canvas: tuple[int, int]) -> np.ndarray:
    """Corners cut to a canvas of (height, width)."""
    return np.clip(rows, 0, np.array([canvas[1], canvas[0]] * 2))


def moved(boxes: BoundingBoxes, forward: np.ndarray, canvas: tuple[int, int], clamp: bool = True) -> BoundingBoxes:
    """The boxes after the picture's points have moved.

    forward: (3, 3), from a place (x, y, 1) in the old picture to the place in the new one. canvas: (height, width) of
    the new picture.
    """
    left, top, right, bottom = corners(boxes).T
    one = np.ones_like(left)
    points = np.stack([(x, y, one) for x in (left, right) for y in (top, bottom)])  # (4, 3, n)
    places = forward @ points
    x, y = places[:, 0] / places[:, 2], places[:, 1] / places[:, 2]
    rows = np.column_stack([x.min(0), y.min(0), x.max(0), y.max(0)])
    return from_corners(boxes, clamped(rows, canvas) if clamp else rows, canvas)


def clamp_bounding_boxes(inpt: BoundingBoxes, **ignored: object) -> BoundingBoxes:
    """Boxes cut to their canvas."""
    return from_corners(inpt, clamped(corners(inpt), inpt.canvas_size))


def convert_bounding_box_format(
    inpt: BoundingBoxes, new_format: BoundingBoxFormat | str, **ignored: object
) -> BoundingBoxes:
    """The same boxes by other numbers."""
    rows = corners(inpt)
    wanted = BoundingBoxFormat[new_format.upper()] if isinstance(new_format, str) else new_format
    return from_corners(BoundingBoxes(inpt, format=wanted, canvas_size=inpt.canvas_size), rows)
