"""What is shown, as NumPy arrays, and arrays as the bytes of PNG, GIF and WAV files."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from typing import Any

import numpy as np

from dovetail.base.errors import ArgumentError, ShapeError, message, need
from dovetail.tensor.tensor import Tensor

COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> PNG's code


def as_array(value: Any, call: str) -> np.ndarray:
    """A tensor, a NumPy array, numbers or lists of them.

    Raises: ArgumentError for anything else.
    """
    if isinstance(value, Tensor):
        plain = value.detach()
        return (plain.float() if plain.dtype.name == "bfloat16" else plain).numpy()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        array = np.array(None)
    if array.dtype.kind not in "biufc":
        facts = [("received", type(value).__name__), ("takes", "a tensor, an array or numbers")]
        raise ArgumentError(message(call, "this is no array of numbers", facts))
    return array


def as_number(value: Any, call: str) -> float:
    """One number. Raises: ShapeError if there are several."""
    array = as_array(value, call)
    if array.size != 1:
        raise ShapeError(message(call, "takes one number", [("value", array)], "Take its mean(), or add_histogram."))
    return float(array.reshape(-1)[0])


def ordered(array: np.ndarray, given: str, wanted: str, call: str) -> np.ndarray:
    """Dimensions named by `given` (such as "CHW") in the order of `wanted`; missing ones have length one.

    Raises: ShapeError if the names do not fit the array.
    """
    given = given.upper()
    if len(given) != array.ndim or len(set(given)) != len(given) or not set(given) <= set("NCHW"):
        facts = [("input", array), ("dataformats", given)]
        raise ShapeError(
            message(call, "dataformats does not fit the array", facts, "Name each dimension: CHW, HWC, HW.")
        )
    for name in wanted:
        if name not in given:
            array, given = array[None], name + given
    return array.transpose([given.index(name) for name in wanted])


def as_bytes(pixels: np.ndarray) -> np.ndarray:
    """uint8: bytes as they are, other values from 0..1 times 255."""
    if pixels.dtype == np.uint8:
        return pixels
    return np.clip(pixels.astype(np.float32) * 255.0, 0, 255).astype(np.uint8)


def tiled(images: np.ndarray) -> np.ndarray:
    """Many pictures in one, about as wide as high.

    Shape: (n, h, w, c) -> (rows h, columns w, c)
    """
    n, h, w, c = images.shape
    columns = int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    room = np.zeros((rows * columns, h, w, c), images.dtype)
    room[:n] = images
    return room.reshape(rows, columns, h, w, c).transpose(0, 2, 1, 3, 4).reshape(rows * h, columns * w, c)


def png(pixels: np.ndarray) -> bytes:
    """The bytes of a PNG file.

    Shape: (h, w, c), uint8, c from 1 to 4
    Source: the PNG specification, ISO/IEC 15948.
    """
    h, w, c = pixels.shape
    if c not in COLOURS:
        raise ShapeError(message("add_image", "a picture has one to four channels", [("pixels", pixels)]))
    rows = np.zeros((h, 1 + w * c), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = pixels.reshape(h, w * c)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", w, h, 8, COLOURS[c], 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 6)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def gif(frames: np.ndarray, fps: float) -> bytes:
    """The bytes of an animated GIF.

    Shape: (t, h, w, c), uint8
    Raises: MissingExtra without Pillow.
    """
    image = need("PIL.Image", "vision", "add_video")
    made = [image.fromarray(np.ascontiguousarray(f[..., 0] if f.shape[-1] == 1 else f)) for f in frames]
    file = io.BytesIO()
    made[0].save(file, "GIF", save_all=True, append_images=made[1:], duration=int(1000 / fps), loop=0)
    return file.getvalue()


def wav(sound: np.ndarray, sample_rate: int) -> bytes:
    """The bytes of a WAV file of 16 bits; values beyond -1..1 are cut.

    Shape: (samples, channels)
    """
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(sound.shape[1])
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        out.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()
