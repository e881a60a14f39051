"""Colours changed pixel by pixel; PIL images by Pillow itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, ShapeError, message
from dovetail.vision.transforms.pictures import Picture, coloured, is_pil, pillow, through

GREY = (0.2989, 0.587, 0.114)  # ITU-R 601-2 luma


def white(dtype: np.dtype) -> float:
    """The largest value of a picture with such elements."""
    return 1.0 if np.issubdtype(dtype, np.floating) else float(np.iinfo(dtype).max)


def grey_of(a: np.ndarray) -> np.ndarray:
    """Luma of an array (*, 3, h, w), as (*, 1, h, w) with the same elements.

    Raises: ShapeError unless it has one channel or three.
    """
    if a.ndim < 3 or a.shape[-3] not in (1, 3):
        raise ShapeError(message("rgb_to_grayscale", "takes one channel or three", [("input", a)]))
    if a.shape[-3] == 1:
        return a
    red, green, blue = (a[..., c : c + 1, :, :] * np.float32(share) for c, share in enumerate(GREY))
    return (red + green + blue).astype(a.dtype)


@coloured
def rgb_to_grayscale(img: Picture, num_output_channels: int = 1) -> Picture:
    """Luma, once or in three equal channels.

    Source: ITU-R BT.601; agrees with torchvision for tensors, with Pillow for its images.
    """
    if num_output_channels not in (1, 3):
        raise ArgumentError(message("rgb_to_grayscale", "makes one channel or three", [("got", num_output_channels)]))
    if is_pil(img):
        grey = img.convert("L")
        return grey if num_output_channels == 1 else pillow("rgb_to_grayscale").merge("RGB", [grey] * 3)
    return through(img, "rgb_to_grayscale", lambda a: np.repeat(grey_of(a), num_output_channels, -3))


to_grayscale = rgb_to_grayscale


def blend(a: np.ndarray, other: np.ndarray | float, share: float) -> np.ndarray:
    """share * a + (1 - share) * other, kept between black and white."""
    return np.clip(share * a.astype(np.float32) + (1.0 - share) * other, 0, white(a.dtype)).astype(a.dtype)


def adjust(img: Picture, factor: float, call: str, enhancer: str, kernel: Callable[[np.ndarray], np.ndarray]) -> Any:
    """By Pillow's enhancer for its images, by `kernel` for arrays and tensors."""
    if factor < 0:
        raise ArgumentError(message(call, "the factor must not be negative", [("factor", factor)]))
    if is_pil(img):
        return getattr(pillow(call, "ImageEnhance"), enhancer)(img).enhance(factor)
    return through(img, call, kernel)


@coloured
def adjust_brightness(img: Picture, brightness_factor: float) -> Picture:
    """0 gives black, 1 the picture itself, 2 twice as bright."""
    name = "adjust_brightness"
    return adjust(img, brightness_factor, name, "Brightness", lambda a: blend(a, 0.0, brightness_factor))


@coloured
def adjust_contrast(img: Picture, contrast_factor: float) -> Picture:
    """0 gives one grey, 1 the picture itself."""

    def kernel(a: np.ndarray) -> np.ndarray:
        return blend(a, grey_of(a).astype(np.float32).mean((-3, -2, -1), keepdims=True), contrast_factor)

    return adjust(img, contrast_factor, "adjust_contrast", "Contrast", kernel)


@coloured
def adjust_saturation(img: Picture, saturation_factor: float) -> Picture:
    """0 gives greys, 1 the picture itself."""
    name = "adjust_saturation"
    return adjust(img, saturation_factor, name, "Color", lambda a: blend(a, grey_of(a), saturation_factor))


@coloured
def adjust_hue(img: Picture, hue_factor: float) -> Picture:
    """Colours turned round the wheel by `hue_factor` turns, -0.5 to 0.5.

    Raises: ArgumentError if the factor is outside that range.
    """
    if not -0.5 <= hue_factor <= 0.5:
        raise ArgumentError(message("adjust_hue", "the factor is between -0.5 and 0.5", [("factor", hue_factor)]))
    if not is_pil(img):
        return through(img, "adjust_hue", lambda a: turn_hue(a, hue_factor))
    if img.mode in ("L", "1", "I", "F"):
        return img
    hue, saturation, value = img.convert("HSV").split()
    turned = (np.asarray(hue).astype(np.int64) + int(hue_factor * 255)) % 256
    image = pillow("adjust_hue")
    return image.merge("HSV", (image.fromarray(turned.astype(np.uint8)), saturation, value)).convert(img.mode)


def turn_hue(a: np.ndarray, turns: float) -> np.ndarray:
    """Hue of an array (*, 3, h, w) moved by whole turns of the wheel."""
    if a.ndim < 3 or a.shape[-3] == 1:
        return a
    top = white(a.dtype)
    rgb = np.moveaxis(a.astype(np.float32) / top, -3, 0)
    high, low = rgb.max(0), rgb.min(0)
    spread = np.where(high == low, 1, high - low)
    r, g, b = (high - rgb) / spread
    sixth = np.where(rgb[0] == high, b - g, np.where(rgb[1] == high, 2 + r - b, 4 + g - r))
    hue = (sixth / 6 + turns) % 1.0 * 6
    made = [value_at(hue + offset, high, high - low) for offset in (5, 3, 1)]
    out = np.moveaxis(np.stack(made), 0, -3)
    return out.astype(a.dtype) if top == 1 else np.clip(out * (top + 1.0 - 1e-3), 0, top).astype(a.dtype)


def value_at(k: np.ndarray, high: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """One channel of HSV -> RGB: value less chroma times max(0, min(k, 4 - k, 1)), k modulo 6."""
    k = k % 6
    return high - spread * np.clip(np.minimum(k, 4 - k), 0, 1)


@coloured
def invert(img: Picture) -> Picture:
    """White less the picture."""
    return through(img, "invert", lambda a: (white(a.dtype) - a).astype(a.dtype))


@coloured
def solarize(img: Picture, threshold: float) -> Picture:
    """Inverted where the value is at least `threshold`."""
    return through(img, "solarize", lambda a: np.where(a >= threshold, (white(a.dtype) - a).astype(a.dtype), a))


@coloured
def posterize(img: Picture, bits: int) -> Picture:
    """Bytes with only their `bits` highest bits."""
    return through(img, "posterize", lambda a: a & np.uint8(256 - 2 ** (8 - bits)))
