"""Pictures as arrays. Reading and writing files is left to the image readers of dovetail.vision."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, message
from dovetail.keras.config import floatx, standardize_data_format
from dovetail.keras.ops import image as image_ops


def pillow(call: str) -> Any:
    """Pillow's Image module. Raises ArgumentError with the way to install it."""
    try:
        from importlib import import_module

        return import_module("PIL.Image")
    except ImportError:
        raise ArgumentError(message(call, "image files need Pillow", cure="Install it: pip install pillow")) from None


MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}


def load_img(path: Any, color_mode="rgb", target_size=None, interpolation="nearest", keep_aspect_ratio=False) -> Any:
    """The picture in a file, as Pillow gives it. Source: keras.utils.load_img."""
    reader = pillow("load_img")
    if color_mode not in MODES:
        raise ArgumentError(message("load_img", f"color_mode must be one of {', '.join(MODES)}, got {color_mode!r}"))
    picture = reader.open(path)
    picture = picture.convert(MODES[color_mode])
    if target_size is not None:
        height, width = target_size
        if keep_aspect_ratio:
            w, h = picture.size
            cw, ch = min(w, int(h * width / height)), min(h, int(w * height / width))
            left, top = (w - cw) // 2, (h - ch) // 2
            picture = picture.crop((left, top, left + cw, top + ch))
        if picture.size != (width, height):
            picture = picture.resize((width, height), getattr(reader.Resampling, interpolation.upper()))
    return picture


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """A picture as an array with a channel axis. Source: keras.utils.img_to_array."""
    x = np.asarray(img, dtype=dtype or floatx())
    if x.ndim not in (2, 3):
        raise ArgumentError(message("img_to_array", f"unsupported image shape {x.shape}"))
    if x.ndim == 2:
        x = x[..., None]
    return x.transpose(2, 0, 1) if standardize_data_format(data_format) == "channels_first" else x


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """An array with a channel axis as a Pillow picture. Source: keras.utils.array_to_img."""
    reader = pillow("array_to_img")
    x = np.asarray(x, dtype=dtype or floatx())
    if x.ndim != 3:
        raise ArgumentError(message("array_to_img", f"expected an array of 3 dimensions, got shape {x.shape}"))
    x = x.transpose(1, 2, 0) if standardize_data_format(data_format) == "channels_first" else x
    if scale:
        x = x - x.min()
        x = x / (x.max() or 1.0) * 255
    x = x.astype(np.uint8)
    return reader.fromarray(x[..., 0] if x.shape[2] == 1 else x)


def save_img(path: Any, x: Any, data_format=None, file_format=None, scale=True, **kwargs) -> None:
    """Write an array as a picture file. Source: keras.utils.save_img."""
    array_to_img(x, data_format=data_format, scale=scale).save(path, format=file_format, **kwargs)


def smart_resize(x: Any, size: Any, interpolation="bilinear", data_format="channels_last", backend_module=None) -> Any:
    """Pictures cropped to the target's proportions, then resized. Source: keras.preprocessing.image.smart_resize."""
    made = image_ops.resize(x, size, interpolation, crop_to_aspect_ratio=True, data_format=data_format)
    return made.numpy() if isinstance(x, np.ndarray) else made
