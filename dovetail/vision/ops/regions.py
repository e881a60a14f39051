"""Regions of a picture's features, as arrays of one size: RoIAlign, RoIPool and their position-sensitive forms.

Each region is a box on one picture. What averages is separable: a bin's value is a weight for each row times a weight
for each column, so that a region is two matrix products with weights computed from its box. Gradients reach the
features; boxes carry none, as in torchvision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from dovetail import nn
from dovetail.base.errors import ShapeError, message
from dovetail.tensor.tensor import Tensor
from dovetail.vision.ops.layers import spread

Boxes = Tensor | Sequence[Tensor]


def rois_of(boxes: Boxes, call: str) -> np.ndarray:
    """(regions, 5): the picture's place, then the corners.

    Raises: ShapeError if it is neither (k, 5) nor a list of (k, 4).
    """
    if isinstance(boxes, Tensor):
        rows = boxes.detach().numpy()
    else:
        parts = [np.column_stack([np.full(len(b), n), b.detach().numpy().reshape(-1, 4)]) for n, b in enumerate(boxes)]
        rows = np.concatenate(parts) if parts else np.zeros((0, 5))
    if rows.ndim != 2 or rows.shape[1] != 5:
        cure = (
            "Give a tensor (k, 5), the picture's place and the corners, or a list of (k, 4) with one for each picture."
        )
        raise ShapeError(message(call, "these are no regions", [("boxes", rows)], cure))
    return rows.astype(np.float64)


def sampled(start: np.ndarray, length: np.ndarray, bins: int, ratio: int, size: int) -> np.ndarray:
    """(regions, bins, size): weights that average bilinear samples, `ratio` or one for each pixel."""
    made = np.zeros((len(start), bins, size), np.float32)
    for region in range(len(start)):
        count = ratio if ratio > 0 else max(math.ceil(length[region] / bins), 0)
        if not count:
            continue
        step = length[region] / bins
        place = start[region] + (np.arange(bins * count) + 0.5) * step / count
        inside = (place >= -1) & (place <= size)
        place = np.clip(place, 0, size - 1)
        low = np.minimum(place.astype(np.int64), size - 1)
        high = np.minimum(low + 1, size - 1)
        share, row = (place - low) * inside, np.arange(bins * count) // count
        np.add.at(made[region], (row, low), ((inside - share) / count).astype(np.float32))
        np.add.at(made[region], (row, high), (share / count).astype(np.float32))
    return made


def ranges(start: np.ndarray, length: np.ndarray, bins: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(first, past the last) pixel of each bin: (regions, bins) each."""
    step = (length / bins)[:, None]
    first = np.floor(np.arange(bins) * step + start[:, None])
    last = np.ceil((np.arange(bins) + 1) * step + start[:, None])
    return np.clip(first, 0, size).astype(int), np.clip(last, 0, size).astype(int)


def averaging(first: np.ndarray, last: np.ndarray, size: int) -> np.ndarray:
    """(regions, bins, size): weights that average the pixels of each bin; zero for an empty one."""
    place = np.arange(size)
    inside = (place >= first[..., None]) & (place < last[..., None])
    return (inside / np.maximum(last - first, 1)[..., None]).astype(np.float32)


def weighed(input: Tensor, rois: np.ndarray, down: np.ndarray, across: np.ndarray) -> Tensor:
    """(regions, c, bins, bins) from features and the weights of rows and columns."""
    features = input[Tensor.from_array(rois[:, 0].astype(np.int64))]
    high, wide = (Tensor.from_array(w).to(input.dtype)[:, None] for w in (down, across))
    return high @ features @ wide.transpose(-2, -1)


def by_position(made: Callable[[Tensor], Tensor], input: Tensor, bins: tuple[int, int]) -> Tensor:
    """Bin (y, x) of the result from the channels that are meant for it."""
    whole = made(input)
    n, channels = whole.shape[:2]
    if channels % (bins[0] * bins[1]):
        facts = [("channels", channels), ("bins", bins[0] * bins[1])]
        raise ShapeError(message("ps_roi_align", "the bins do not divide the channels", facts))
    parts = whole.view(n, -1, *bins, *bins).flatten(2, 3).flatten(3, 4)
    return parts.diagonal(dim1=2, dim2=3).reshape(n, -1, *bins)


def aligned_weights(rois, output_size, scale, ratio, shape, aligned, least=1.0):
    """The weights of rows and columns for RoIAlign."""
    shift = 0.5 if aligned else 0.0
    x1, y1, x2, y2 = rois[:, 1:].T * scale - shift
    wide, high = x2 - x1, y2 - y1
    if not aligned:
        wide, high = np.maximum(wide, least), np.maximum(high, least)
    rows, columns = spread(output_size, 2)
    return sampled(y1, high, rows, ratio, shape[-2]), sampled(x1, wide, columns, ratio, shape[-1])


def roi_align(
    input: Tensor,
    boxes: Boxes,
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Features of each box in `output_size` bins, each the mean of bilinear samples.

    Shape: (n, c, h, w), (k, 5) -> (k, c, *output_size)
    Source: He et al. 2017, arXiv:1703.06870. Agrees with torchvision.ops.roi_align.
    """
    rois = rois_of(boxes, "roi_align")
    weights = aligned_weights(rois, output_size, spatial_scale, sampling_ratio, input.shape, aligned)
    return weighed(input, rois, *weights)


def ps_roi_align(
    input: Tensor,
    boxes: Boxes,
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
) -> Tensor:
    """roi_align where each bin has channels of its own.

    Shape: (n, c * bins, h, w), (k, 5) -> (k, c, *output_size)
    Source: Li et al. 2017, arXiv:1711.07264.
    """
    rois = rois_of(boxes, "ps_roi_align")
    weights = aligned_weights(rois, output_size, spatial_scale, sampling_ratio, input.shape, True)
    rows, columns = spread(output_size, 2)
    return by_position(lambda x: weighed(x, rois, *weights), input, (rows, columns))


def ps_roi_pool(input: Tensor, boxes: Boxes, output_size: int | Sequence[int], spatial_scale: float = 1.0) -> Tensor:
    """The mean over the whole pixels of each bin, where each bin has channels of its own.

    Shape: (n, c * bins, h, w), (k, 5) -> (k, c, *output_size)
    Source: Dai et al. 2016, arXiv:1605.06409.
    """
    rois = rois_of(boxes, "ps_roi_pool")
    low = rounded_away(rois[:, 1:3]) * spatial_scale
    high = rounded_away(rois[:, 3:] + 1) * spatial_scale
    length = np.maximum(high - low, 0.1)
    rows, columns = spread(output_size, 2)
    down = averaging(*ranges(low[:, 1], length[:, 1], rows, input.shape[-2]), input.shape[-2])
    across = averaging(*ranges(low[:, 0], length[:, 0], columns, input.shape[-1]), input.shape[-1])
    return by_position(lambda x: weighed(x, rois, down, across), input, (rows, columns))


def rounded_away(x: np.ndarray) -> np.ndarray:
    """To whole numbers, halves away from zero."""
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


def roi_pool(input: Tensor, boxes: Boxes, output_size: int | Sequence[int], spatial_scale: float = 1.0) -> Tensor:
    """The largest value of each bin of each box; zero for an empty bin.

    Shape: (n, c, h, w), (k, 5) -> (k, c, *output_size)
    Source: Girshick 2015, arXiv:1504.08083. Agrees with torchvision.ops.roi_pool.
    """
    rois = rois_of(boxes, "roi_pool")
    corners = rounded_away(rois[:, 1:] * spatial_scale)
    low, length = corners[:, :2], np.maximum(corners[:, 2:] - corners[:, :2] + 1, 1)
    (rows, columns), (h, w) = spread(output_size, 2), input.shape[-2:]
    top, bottom = ranges(low[:, 1], length[:, 1], rows, h)
    left, right = ranges(low[:, 0], length[:, 0], columns, w)
    values, count = input.detach().numpy(), input.shape[1]
    places = np.zeros((len(rois), count, rows * columns), np.int64)
    there = np.zeros((len(rois), 1, rows * columns), bool)
    for region, y, x in np.ndindex(len(rois), rows, columns):
        part = values[int(rois[region, 0]), :, top[region, y] : bottom[region, y], left[region, x] : right[region, x]]
        if part.size:
            best = part.reshape(count, -1).argmax(1)
            row, column = np.divmod(best, part.shape[-1])
            places[region, :, y * columns + x] = (row + top[region, y]) * w + column + left[region, x]
            there[region, 0, y * columns + x] = True
    features = input[Tensor.from_array(rois[:, 0].astype(np.int64))].flatten(2)
    found = features.gather(2, Tensor.from_array(places)) * Tensor.from_array(there).to(input.dtype)
    return found.view(len(rois), count, rows, columns)


class RoIAlign(nn.Module):
    """roi_align as a layer."""

    def __init__(
        self, output_size: int | Sequence[int], spatial_scale: float, sampling_ratio: int, aligned: bool = False
    ):
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio, self.aligned = sampling_ratio, aligned

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)


class RoIPool(nn.Module):
    """roi_pool as a layer."""

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float):
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)


class PSRoIAlign(nn.Module):
    """ps_roi_align as a layer."""

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float, sampling_ratio: int):
        super().__init__()
        self.output_size, self.spatial_scale, self.sampling_ratio = output_size, spatial_scale, sampling_ratio

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return ps_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)


class PSRoIPool(nn.Module):
    """ps_roi_pool as a layer."""

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float):
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)
