"""Calls of transforms' functions that the stored references and the tests share."""

from __future__ import annotations

import numpy as np

CALLS = {  # name -> call of a module of functions on a picture
    "gamma": lambda F, x: F.adjust_gamma(x, 0.7, 1.1),
    "sharper": lambda F, x: F.adjust_sharpness(x, 1.7),
    "softer": lambda F, x: F.adjust_sharpness(x, 0.3),
    "autocontrast": lambda F, x: F.autocontrast(x),
    "equalize": lambda F, x: F.equalize(x),
    "blur": lambda F, x: F.gaussian_blur(x, [5, 3], [1.2, 0.7]),
    "perspective": lambda F, x: F.perspective(x, CORNERS, MOVED, F.InterpolationMode.BILINEAR, 3),
    "perspective nearest": lambda F, x: F.perspective(x, CORNERS, MOVED, F.InterpolationMode.NEAREST),
    "affine": lambda F, x: F.affine(x, 20.0, [2, -1], 1.2, [8.0, -5.0], F.InterpolationMode.BILINEAR, 2),
    "rotate": lambda F, x: F.rotate(x, 33.0, F.InterpolationMode.NEAREST, True),
    "brightness": lambda F, x: F.adjust_brightness(x, 1.3),
    "contrast": lambda F, x: F.adjust_contrast(x, 0.6),
    "saturation": lambda F, x: F.adjust_saturation(x, 1.5),
    "hue": lambda F, x: F.adjust_hue(x, 0.2),
    "posterize": lambda F, x: F.posterize(x, 3),
    "solarize": lambda F, x: F.solarize(x, 100),
    "invert": lambda F, x: F.invert(x),
    "ten crop": lambda F, x: F.ten_crop(x, (5, 7))[8],
    "resized crop": lambda F, x: F.resized_crop(x, 1, 2, 9, 8, [6, 7], antialias=True),
}
CORNERS = [[0, 0], [16, 0], [16, 12], [0, 12]]
MOVED = [[2, 1], [15, 2], [13, 11], [1, 12]]
BYTES_ONLY = {"equalize", "posterize", "solarize"}


def picture() -> np.ndarray:
    """(3, 13, 17) bytes: a slope, a pattern and noise."""
    y, x = np.mgrid[:13, :17]
    noise = np.random.default_rng(5).integers(0, 120, (13, 17))
    return np.stack([x * 12 + y, (x * y * 3) % 200 + 20, noise + 90]).astype(np.uint8)


def displacement() -> np.ndarray:
    """(1, 13, 17, 2) offsets."""
    return (np.random.default_rng(6).standard_normal((1, 13, 17, 2)) * 0.1).astype(np.float32)
