"""IDX, the file format of MNIST: a four-byte magic number, the sizes, then the elements, all big-endian.

Source: the format note on the MNIST page (LeCun, Cortes, Burges): bytes 0 and 1 are zero, byte 2 is the element type,
byte 3 the rank, then one unsigned 32-bit size for each axis.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np

from dovetail.base.errors import FileError, message

ELEMENTS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CURE = "The file is damaged or cut short. Delete it and download it again (download=True)."


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """The array in an IDX file, gzipped or not (told by its first bytes, not by its name).

    Raises: FileError if the file is not IDX, is cut short, or holds more than its header says.
    Source: http://yann.lecun.com/exdb/mnist/
    """
    raw = _unpacked(Path(path))
    if len(raw) < 4 or raw[0] or raw[1] or raw[2] not in ELEMENTS:
        raise FileError(
            message(
                "read_idx",
                "this is not an IDX file",
                [
                    ("file", str(path)),
                    ("first bytes", raw[:4].hex(" ") or "none, the file is empty"),
                    ("expected", "00 00, then an element type such as 08 (unsigned byte)"),
                ],
                CURE,
            )
        )
    rank, start = raw[3], 4 + 4 * raw[3]
    if len(raw) < start:
        raise FileError(
            message(
                "read_idx",
                "the file ends inside its header",
                [("file", str(path)), ("header", f"{start} bytes"), ("file has", f"{len(raw)} bytes")],
                CURE,
            )
        )
    shape = struct.unpack_from(f">{rank}I", raw, 4)
    dtype = np.dtype(ELEMENTS[raw[2]])
    wanted = prod(shape) * dtype.itemsize
    if len(raw) - start != wanted:
        raise FileError(
            message(
                "read_idx",
                "the file does not hold what its header says",
                [
                    ("file", str(path)),
                    ("header says", f"{shape} of {dtype.newbyteorder('=').name}, {wanted} bytes"),
                    ("file holds", f"{len(raw) - start} bytes after the header"),
                ],
                CURE,
            )
        )
    return np.frombuffer(raw, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def idx_bytes(array: np.ndarray) -> bytes:
    """`array` as the bytes of an IDX file.

    Raises: FileError if IDX has no code for the element type.
    """
    element = np.dtype(array.dtype).newbyteorder(">")
    code = next((c for c, name in ELEMENTS.items() if np.dtype(name) == element), None)
    if code is None:
        raise FileError(
            message(
                "idx_bytes",
                f"IDX cannot hold {array.dtype}",
                cure="It holds uint8, int8, int16, int32, float32 and float64.",
            )
        )
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.astype(element).tobytes()


def _unpacked(path: Path) -> bytes:
    """The file's bytes, unzipped when they begin as gzip does."""
    raw = path.read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as problem:
        raise FileError(
            message(
                "read_idx",
                "the gzip file cannot be unpacked",
                [("file", str(path)), ("size", f"{len(raw)} bytes"), ("gzip says", str(problem))],
                CURE,
            )
        ) from problem
