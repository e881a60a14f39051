"""Boxes: conversions, overlaps, the losses made of them, and the suppression of near duplicates."""

from __future__ import annotations

import math

import numpy as np

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.ops.elementwise import maximum, minimum
from dovetail.ops.shape import stack
from dovetail.tensor.tensor import Tensor

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


def shared_and_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Areas of intersection and union of every pair of boxes.

    Shape: (n, 4), (m, 4) -> (n, m), (n, m)
    """
    low = maximum(boxes1[:, None, :2], boxes2[None, :, :2])
    high = minimum(boxes1[:, None, 2:], boxes2[None, :, 2:])
    sides = (high - low).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    return shared, box_area(boxes1)[:, None] + box_area(boxes2)[None] - shared


def as_corners(boxes: Tensor, fmt: str, call: str) -> Tensor:
    """Boxes of the form `fmt`, given by corners."""
    check_boxes(boxes, call)
    return boxes if fmt == "xyxy" else box_convert(boxes, fmt, "xyxy")


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """Intersection over union of every pair of boxes.

    Shape: (n, 4), (m, 4) -> (n, m)
    """
    shared, union = shared_and_union(as_corners(boxes1, fmt, "box_iou"), as_corners(boxes2, fmt, "box_iou"))
    return shared / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """box_iou, less the share of the smallest box around both that neither fills.

    Shape: (n, 4), (m, 4) -> (n, m)
    Source: Rezatofighi et al. 2019, arXiv:1902.09630.
    """
    shared, union = shared_and_union(boxes1, boxes2)
    low = minimum(boxes1[:, None, :2], boxes2[None, :, :2])
    high = maximum(boxes1[:, None, 2:], boxes2[None, :, 2:])
    sides = (high - low).clamp(min=0)
    around = sides[..., 0] * sides[..., 1]
    return shared / union - (around - union) / around


def distance_terms(boxes1: Tensor, boxes2: Tensor, eps: float) -> Tensor:
    """Squared distance of the centres over the squared diagonal of the smallest box around both; boxes broadcast."""
    low, high = minimum(boxes1[..., :2], boxes2[..., :2]), maximum(boxes1[..., 2:], boxes2[..., 2:])
    diagonal = ((high - low).clamp(min=0) ** 2).sum(-1) + eps
    apart = (boxes1[..., :2] + boxes1[..., 2:]) / 2 - (boxes2[..., :2] + boxes2[..., 2:]) / 2
    return (apart**2).sum(-1) / diagonal


def shape_terms(boxes1: Tensor, boxes2: Tensor, iou: Tensor, eps: float) -> Tensor:
    """How much the ratios of width and height differ, weighed by the overlap; boxes broadcast."""
    (w1, h1), (w2, h2) = ((b[..., 2:] - b[..., :2]).unbind(-1) for b in (boxes1, boxes2))
    v = 4 / math.pi**2 * ((w1 / h1).atan() - (w2 / h2).atan()) ** 2
    return (v / (1 - iou + v + eps)).detach() * v


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """box_iou, less the distance of the centres.

    Shape: (n, 4), (m, 4) -> (n, m)
    Source: Zheng et al. 2019, arXiv:1911.08287.
    """
    return box_iou(boxes1, boxes2) - distance_terms(boxes1[:, None], boxes2[None], eps)


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """distance_box_iou, less the difference of the shapes.

    Shape: (n, 4), (m, 4) -> (n, m)
    """
    iou = box_iou(boxes1, boxes2)
    first, second = boxes1[:, None], boxes2[None]
    return iou - distance_terms(first, second, eps) - shape_terms(first, second, iou, eps)


def pairwise(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """(intersection over union, union, box around both) of each row's two boxes."""
    sides = (minimum(boxes1[..., 2:], boxes2[..., 2:]) - maximum(boxes1[..., :2], boxes2[..., :2])).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    union = box_area(boxes1) + box_area(boxes2) - shared
    around = maximum(boxes1[..., 2:], boxes2[..., 2:]) - minimum(boxes1[..., :2], boxes2[..., :2])
    return shared / (union + eps), union, around[..., 0] * around[..., 1]


def reduced(loss: Tensor, reduction: str, call: str) -> Tensor:
    """The loss by "none", "mean" or "sum"; nothing counts as zero.

    Raises: ArgumentError for any other word.
    """
    if reduction not in ("none", "mean", "sum"):
        facts = [("reduction", reduction), ("takes", "none, mean, sum")]
        raise ArgumentError(message(call, "no such reduction", facts))
    if reduction == "mean":
        return loss.mean() if loss.numel() else 0.0 * loss.sum()
    return loss.sum() if reduction == "sum" else loss


def generalized_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """One less generalized_box_iou of each row's two boxes.

    Shape: (*, 4), (*, 4) -> (*) or ()
    """
    iou, union, around = pairwise(boxes1, boxes2, eps)
    return reduced(1 - (iou - (around - union) / (around + eps)), reduction, "generalized_box_iou_loss")


def distance_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """One less distance_box_iou of each row's two boxes.

    Shape: (*, 4), (*, 4) -> (*) or ()
    """
    iou, _, _ = pairwise(boxes1, boxes2, eps)
    return reduced(1 - iou + distance_terms(boxes1, boxes2, eps), reduction, "distance_box_iou_loss")


def complete_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """One less complete_box_iou of each row's two boxes.

    Shape: (*, 4), (*, 4) -> (*) or ()
    """
    iou, _, _ = pairwise(boxes1, boxes2, eps)
    loss = 1 - iou + distance_terms(boxes1, boxes2, eps) + shape_terms(boxes1, boxes2, iou, eps)
    return reduced(loss, reduction, "complete_box_iou_loss")


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Places of the boxes whose sides are both at least `min_size`.

    Shape: (n, 4) -> (kept,)
    """
    check_boxes(boxes, "remove_small_boxes")
    corners = boxes.detach().numpy()
    return Tensor.from_array(np.flatnonzero(((corners[:, 2:] - corners[:, :2]) >= min_size).all(1)))


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The box around each mask, given by corners.

    Shape: (n, h, w) -> (n, 4)
    Raises: ShapeError if a mask is empty.
    """
    made = np.zeros((len(masks), 4), np.float32)
    for place, mask in enumerate(masks.detach().numpy()):
        y, x = np.nonzero(mask)
        if not len(y):
            raise ShapeError(message("masks_to_boxes", f"mask {place} is empty", [("masks", masks)]))
        made[place] = x.min(), y.min(), x.max(), y.max()
    return Tensor.from_array(made)


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
        return Tensor.from_array(np.zeros(0, np.int64))
    apart = idxs.to(boxes.dtype) * (boxes.max() + 1)
    return nms(boxes + apart[:, None], scores, iou_threshold)
