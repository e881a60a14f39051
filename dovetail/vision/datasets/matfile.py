"""MATLAB's files of level 5, as far as data sets need them: arrays of plain numbers by name.

Source: MATLAB MAT-File Format, level 5: a header of 128 bytes, then elements of a type, a size and data on eight-byte
boundaries; a matrix is an element of elements; a compressed element is a zlib stream of one.
"""

from __future__ import annotations

import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np

from dovetail.base.errors import FileError, message

NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
MATRIX, COMPRESSED = 14, 15
LARGEST = 4 * 2**30  # bytes of one unpacked matrix; SVHN's largest has 1.6 thousand million


def read_mat(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name; other things in it are passed over.

    Raises: FileError if the file is none of level 5, is cut short, or says of itself what cannot be.
    """
    raw = path.read_bytes()
    try:
        return dict(arrays(raw, path))
    except (struct.error, zlib.error, ValueError, IndexError, UnicodeDecodeError) as problem:
        raise broken(path, str(problem)) from problem


def broken(path: Path, fact: str) -> FileError:
    facts = [("file", str(path)), ("problem", fact)]
    return FileError(message("read_mat", "the file cannot be read", facts, "Delete it and download it again."))


def arrays(raw: bytes, path: Path):
    """(name, array) for each matrix of the file."""
    order = {b"IM": "<", b"MI": ">"}.get(raw[126:128])
    if len(raw) < 128 or order is None:
        raise broken(path, f"it begins with {raw[:16]!r} and is no MAT-file of level 5")
    at = 128
    while at < len(raw):
        kind, data, at = element(raw, at, order)
        if kind == COMPRESSED:
            unpacker = zlib.decompressobj()
            data = unpacker.decompress(data, LARGEST)
            if unpacker.unconsumed_tail or not unpacker.eof:
                raise broken(path, "a compressed part is cut short or too large")
            kind, data, _ = element(data, 0, order)
        if kind == MATRIX:
            found = matrix(data, order)
            if found is not None:
                yield found


def element(raw: bytes, at: int, order: str) -> tuple[int, bytes, int]:
    """(type, data, where the next one begins)"""
    kind, size = struct.unpack_from(order + "II", raw, at)
    if kind >> 16:  # small: size and type in one word, up to four bytes in the other
        return kind & 0xFFFF, raw[at + 4 : at + 4 + (kind >> 16)], at + 8
    data = raw[at + 8 : at + 8 + size]
    if len(data) != size:
        raise ValueError(f"an element of {size} bytes has {len(data)}")
    return kind, data, at + 8 + size + (0 if kind == COMPRESSED else -size % 8)


def matrix(data: bytes, order: str) -> tuple[str, np.ndarray] | None:
    """(name, array) of a matrix of real numbers; None for any other."""
    _, flags, at = element(data, 0, order)
    word = struct.unpack_from(order + "I", flags)[0]
    _, sizes, at = element(data, at, order)
    _, name, at = element(data, at, order)
    if word & 0xFF not in CLASSES or word & 0x800:
        return None
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    kind, values, _ = element(data, at, order)
    array = np.frombuffer(values, order + NUMBERS[kind]) if kind in NUMBERS else np.zeros(0)
    if min(shape) < 0 or array.size != prod(shape):
        raise ValueError(f"{name.decode()} has {array.size} numbers for the shape {shape}")
    return name.decode("ascii"), array.reshape(shape, order="F").astype(CLASSES[word & 0xFF])
