"""Boxes: conversions, overlaps and the suppression of near duplicates."""

from __future__ import annotations

import numpy as np

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ops.elementwise import maximum, minimum
from dovetail.ops.shape import stack
from dovetail.tensor.tensor import Tensor

__all__ = ["batched_nms", "box_area", "box_convert", "box_iou", "clip_boxes_to_image", "nms"]
FORMATS = ("xyxy", "xywh", "cxcywh")


def check_boxes(boxes: Tensor, call: str) -> None:
    """Raises: ShapeError unless the last axis has four numbers."""
    if not boxes.ndim or boxes.shape[-1] != 4:
        raise ShapeError(message(call, "a box has four numbers along the last axis", [("boxes", boxes)]))


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes in another form: corners "xyxy", corner and size "xywh", centre and size "cxcywh".

    Shape: (*, 4) -> (*, 4)
    Raises: ArgumentError if a form is none of these.

    >>> from dovetail import tensor
    >>> box_convert(tensor([[10.0, 20.0, 30.0, 60.0]]), "xyxy", "cxcywh")
    tensor([[20., 40., 20., 40.]])
    """
    check_boxes(boxes, "box_convert")
    if in_fmt not in FORMATS or out_fmt not in FORMATS:
        facts = [("in_fmt", in_fmt), ("out_fmt", out_fmt), ("takes", ", ".join(FORMATS))]
        raise ArgumentError(message("box_convert", "no such form", facts))
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        a, b, c, d = a, b, a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        a, b, c, d = a, b, c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return stack([a, b, c, d], -1)


def box_area(boxes: Tensor) -> Tensor:
    """Areas of boxes given by corners.

    Shape: (*, 4) -> (*)
    """
    check_boxes(boxes, "box_area")
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union of every pair of boxes, given by corners.

    Shape: (n, 4), (m, 4) -> (n, m)
    """
    check_boxes(boxes1, "box_iou")
    check_boxes(boxes2, "box_iou")
    low = maximum(boxes1[:, None, :2], boxes2[None, :, :2])
    high = minimum(boxes1[:, None, 2:], boxes2[None, :, 2:])
    sides = (high - low).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    return shared / (box_area(boxes1)[:, None] + box_area(boxes2)[None] - shared)


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes given by corners, cut to a picture of (height, width).

    Shape: (*, 4) -> (*, 4)
    """
    check_boxes(boxes, "clip_boxes_to_image")
    a, b, c, d = boxes.unbind(-1)
    height, width = size
    return stack([a.clamp(0, width), b.clamp(0, height), c.clamp(0, width), d.clamp(0, height)], -1)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Places of the boxes that stay, best first: each drops the worse ones that overlap it by more than the threshold.

    Shape: (n, 4), (n,) -> (kept,)
    """
    check_boxes(boxes, "nms")
    if boxes.ndim != 2 or scores.shape != boxes.shape[:1]:
        raise ShapeError(message("nms", "one score for each box", [("boxes", boxes), ("scores", scores)]))
    corners, order = boxes.detach().numpy(), np.argsort(-scores.detach().numpy(), kind="stable")
    kept = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[overlaps(corners[best], corners[order]) <= iou_threshold]
    return Tensor.from_array(np.array(kept, np.int64))


def overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with others; zero where both are empty."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0), 1)
    union = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], 1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """nms within each class: boxes of different `idxs` never drop each other."""
    if not len(boxes):
        return nms(boxes, scores, iou_threshold)
    apart = idxs.to(boxes.dtype) * (boxes.max() + 1)
    return nms(boxes + apart[:, None], scores, iou_threshold)
