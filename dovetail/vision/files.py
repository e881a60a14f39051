"""Pictures from files and into files, as tensors, by torchvision.io's names. Pillow does the work."""

from __future__ import annotations

import io
import os
from enum import Enum
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, FileError, ShapeError, message
from dovetail.io.atomic import written_whole
from dovetail.tensor.tensor import Tensor
from dovetail.vision.transforms.pictures import pillow

__all__ = [
    "ImageReadMode",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "encode_jpeg",
    "encode_png",
    "read_file",
    "read_image",
    "write_file",
    "write_jpeg",
    "write_png",
]


class ImageReadMode(Enum):
    """Which channels a picture is read with."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


MODES = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}


def read_file(path: str | os.PathLike) -> Tensor:
    """A file's bytes. Shape: (n,), uint8"""
    return Tensor.from_array(np.fromfile(path, np.uint8))


def write_file(filename: str | os.PathLike, data: Tensor) -> None:
    """Bytes as a file, whole or not at all."""
    with written_whole(filename) as file:
        file.write(data.numpy().tobytes())


def decode_image(
    input: Tensor | str | os.PathLike, mode: ImageReadMode | str = ImageReadMode.UNCHANGED, **options: Any
) -> Tensor:
    """The picture in a file, or in a file's bytes.

    Shape: (n,) uint8 -> (c, h, w) uint8
    Raises: FileError if it is no picture; MissingExtra without Pillow.
    """
    files = pillow("decode_image")
    wanted = ImageReadMode[mode.upper()] if isinstance(mode, str) else mode
    source = io.BytesIO(input.numpy().tobytes()) if isinstance(input, Tensor) else input
    try:
        with files.open(source) as picture:
            if picture.mode == "P":
                picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
            array = np.asarray(picture if wanted is ImageReadMode.UNCHANGED else picture.convert(MODES[wanted]))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, SyntaxError) as problem:
        name = "the given bytes" if isinstance(input, Tensor) else os.fspath(input)
        facts = [("source", name), ("problem", str(problem))]
        raise FileError(message("decode_image", "this is no picture that can be read", facts)) from problem
    array = array.astype(np.uint8) * np.uint8(255) if array.dtype == np.bool_ else array
    return Tensor.from_array(np.array(array[None] if array.ndim == 2 else array.transpose(2, 0, 1), order="C"))


decode_jpeg = decode_png = decode_image


def read_image(path: str | os.PathLike, mode: ImageReadMode | str = ImageReadMode.UNCHANGED, **options: Any) -> Tensor:
    """The picture in a file. Shape: (c, h, w), uint8"""
    return decode_image(path, mode)


def encoded(input: Tensor, format: str, **options: Any) -> Tensor:
    """A picture (1 or 3, h, w) of bytes as the bytes of a file."""
    call = f"encode_{format.lower()}"
    if input.ndim != 3 or input.shape[0] not in (1, 3) or input.dtype.name != "uint8":
        raise ShapeError(message(call, "takes bytes (1 or 3, h, w)", [("input", input)]))
    array = input.numpy()
    held = io.BytesIO()
    flat = array[0] if array.shape[0] == 1 else array.transpose(1, 2, 0)
    pillow(call).fromarray(np.ascontiguousarray(flat)).save(held, format, **options)
    return Tensor.from_array(np.frombuffer(held.getvalue(), np.uint8).copy())


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """A picture of bytes as a PNG file. Raises: ArgumentError unless the level is 0 to 9."""
    if not 0 <= compression_level <= 9:
        facts = [("compression_level", compression_level)]
        raise ArgumentError(message("encode_png", "the level is 0 to 9", facts))
    return encoded(input, "PNG", compress_level=compression_level)


def encode_jpeg(input: Tensor, quality: int = 75) -> Tensor:
    """A picture of bytes as a JPEG file. Raises: ArgumentError unless the quality is 1 to 100."""
    if not 1 <= quality <= 100:
        raise ArgumentError(message("encode_jpeg", "the quality is 1 to 100", [("quality", quality)]))
    return encoded(input, "JPEG", quality=quality)


def write_png(input: Tensor, filename: str | os.PathLike, compression_level: int = 6) -> None:
    """A picture of bytes into a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: str | os.PathLike, quality: int = 75) -> None:
    """A picture of bytes into a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))
