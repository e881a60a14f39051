"""Boxes, masks and points on pictures."""

from __future__ import annotations

import numpy as np
import pytest

import dovetail
from dovetail.base.errors import ArgumentError, ShapeError
from dovetail.vision import utils

pytest.importorskip("PIL")


def test_boxes():
    image = dovetail.zeros(3, 20, 30, dtype=dovetail.uint8)
    boxes = dovetail.tensor([[2.0, 3, 12, 10], [15, 5, 25, 15]])
    made = utils.draw_bounding_boxes(image, boxes, colors=["red", (0, 0, 255)], width=2)
    assert made[:, 3, 2].tolist() == [255, 0, 0] and made[:, 4, 12].tolist() == [255, 0, 0]
    assert made[:, 15, 20].tolist() == [0, 0, 255] and made[:, 8, 7].tolist() == [0, 0, 0] and image.sum().item() == 0
    filled = utils.draw_bounding_boxes(image, boxes, fill=True, colors="red")
    assert 80 < filled[0, 7, 7].item() < 120
    words = utils.draw_bounding_boxes(image, boxes, labels=["a", None], colors="white")
    assert (words != utils.draw_bounding_boxes(image, boxes, colors="white")).any().item()
    with pytest.raises(ArgumentError, match="one label"):
        utils.draw_bounding_boxes(image, boxes, labels=["a"])
    with pytest.raises(ShapeError, match="corners"):
        utils.draw_bounding_boxes(image, boxes.flip(1))


def test_masks():
    image = dovetail.full((3, 4, 4), 100, dtype=dovetail.uint8)
    mask = dovetail.zeros(2, 4, 4, dtype=dovetail.bool)
    mask[0, 0, 0] = True
    mask[1, 3, 3] = True
    made = utils.draw_segmentation_masks(image, mask, alpha=0.5, colors=["red", "blue"])
    assert made[:, 0, 0].tolist() == [177, 50, 50] and made[:, 3, 3].tolist() == [50, 50, 177]
    assert made[:, 1, 1].tolist() == [100, 100, 100]
    floats = utils.draw_segmentation_masks(image.float() / 255, mask[0])
    assert floats.dtype is dovetail.float32 and floats.shape == (3, 4, 4)
    with pytest.raises(ShapeError, match="bools"):
        utils.draw_segmentation_masks(image, mask.float())


def test_points():
    image = dovetail.zeros(1, 20, 20, dtype=dovetail.uint8)
    points = dovetail.tensor([[[5.0, 5.0], [15.0, 5.0], [5.0, 15.0]]])
    made = utils.draw_keypoints(image, points, [(0, 1)], colors="red", radius=1, width=1).numpy()
    assert made[:, 15, 5].tolist() == [255, 0, 0] and made[:, 5, 10].max() == 255 and not made[:, 10, 5].any()
    seen = dovetail.tensor([[True, False, True]])
    hidden = utils.draw_keypoints(image, points, [(0, 1)], colors="red", radius=1, width=1, visibility=seen).numpy()
    assert not hidden[:, 5, 15].any() and np.count_nonzero(hidden) < np.count_nonzero(made)
