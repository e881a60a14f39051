"""Many pictures in one, pictures into files, and what is drawn on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import ShapeError, message
from dovetail.tensor.tensor import Tensor
from dovetail.vision.drawing import draw_bounding_boxes, draw_keypoints, draw_segmentation_masks
from dovetail.vision.transforms.pictures import pillow

__all__ = ["draw_bounding_boxes", "draw_keypoints", "draw_segmentation_masks", "make_grid", "save_image"]


def make_grid(
    tensor: Tensor | Sequence[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Pictures side by side, `nrow` in a row; grey ones get three channels.

    Shape: (n, c, h, w) -> (3 or c, rows * (h + padding) + padding, columns * (w + padding) + padding)
    Raises: ShapeError unless it is one picture or a row of equal ones.
    Source: agrees with torchvision.utils.make_grid.
    """
    a = batch_of(tensor)
    if normalize:
        a = np.stack([scaled(each, value_range) for each in a]) if scale_each else scaled(a, value_range)
    n, c, h, w = a.shape
    if n == 1:
        return Tensor.from_array(np.array(a[0], order="C"))
    columns = min(nrow, n)
    rows = math.ceil(n / columns)
    high, wide = h + padding, w + padding
    grid = np.full((c, rows * high + padding, columns * wide + padding), pad_value, a.dtype)
    for place in range(n):
        y, x = place // columns * high + padding, place % columns * wide + padding
        grid[:, y : y + h, x : x + w] = a[place]
    return Tensor.from_array(grid)


def batch_of(tensor: Tensor | Sequence[Tensor]) -> np.ndarray:
    """(n, c, h, w), with three channels where there was one."""
    arrays = [tensor] if isinstance(tensor, Tensor) else list(tensor)
    stacked = [each.detach().numpy() for each in arrays]
    a = stacked[0] if isinstance(tensor, Tensor) else np.stack(stacked)
    if a.ndim == 2:
        a = a[None]
    if a.ndim == 3:
        a = a[None] if isinstance(tensor, Tensor) else a[:, None]
    if a.ndim != 4:
        raise ShapeError(message("make_grid", "takes pictures (n, c, h, w)", [("input", a)]))
    return np.repeat(a, 3, 1) if a.shape[1] == 1 else a


def scaled(a: np.ndarray, value_range: tuple[float, float] | None) -> np.ndarray:
    """Values moved to 0..1 from `value_range`, or from their own range."""
    low, high = value_range or (float(a.min()), float(a.max()))
    return (np.clip(a, low, high) - low) / max(high - low, 1e-5)


def save_image(tensor: Tensor | Sequence[Tensor], fp: Any, format: str | None = None, **options: Any) -> None:
    """Write pictures with values in 0..1 to a file, as one grid. Options: those of make_grid.

    Raises: MissingExtra without Pillow.
    """
    grid = make_grid(tensor, **options).numpy()
    whole = np.clip(grid * 255 + 0.5, 0, 255).transpose(1, 2, 0).astype(np.uint8)
    pillow("save_image").fromarray(np.ascontiguousarray(whole)).save(fp, format=format)
