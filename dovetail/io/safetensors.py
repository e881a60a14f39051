"""The safetensors format: eight bytes of length, a JSON header, the tensors' bytes.

Read and written here without the safetensors package; names and arguments follow safetensors.torch. Nothing in such a
file is executed. Source: the format's description at github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dovetail.base.dtypes import DType, as_dtype
from dovetail.base.errors import ArgumentError, FileError, message
from dovetail.io.atomic import damaged, written_whole
from dovetail.tensor.tensor import Tensor

NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
    "complex64": "C64",
    "complex128": "C128",
}
DTYPES = {code: name for name, code in NAMES.items()}
LONGEST_HEADER = 100_000_000  # the limit of the reference implementation


def save(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file."""
    head, arrays = layout(tensors, metadata)
    return b"".join([head, *(contiguous_bytes(a) for a in arrays)])


def save_file(
    tensors: Mapping[str, Tensor], filename: str | os.PathLike, metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors to a safetensors file; the file appears whole or not at all.

    Raises: ArgumentError (a ValueError) for anything that is no tensor.
    """
    head, arrays = layout(tensors, metadata)
    with written_whole(filename) as file:
        file.write(head)
        for array in arrays:
            file.write(contiguous_bytes(array))


def layout(tensors: Mapping[str, Tensor], metadata) -> tuple[bytes, list[np.ndarray]]:
    """(length and header, arrays in the order of the file): by falling alignment, then by name, as the package does."""
    for name, t in tensors.items():
        if not isinstance(t, Tensor):
            raise ArgumentError(
                message(
                    "save_file",
                    f"key {name!r} is invalid, expected Tensor but received {type(t).__name__}",
                    [],
                    "safetensors holds tensors only; save_file(model.state_dict(), path)",
                )
            )
    names = sorted(tensors, key=lambda n: (-tensors[n].dtype.itemsize, n))
    header: dict[str, Any] = {}
    if metadata is not None:
        header["__metadata__"] = {str(k): str(v) for k, v in metadata.items()}
    at, arrays = 0, []
    for name in names:
        t = tensors[name]
        header[name] = {"dtype": NAMES[t.dtype.name], "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
        arrays.append(t.detach()._array())
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, arrays


def contiguous_bytes(array: np.ndarray) -> memoryview:
    return memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8))


def load(data: bytes) -> dict[str, Tensor]:
    """Tensors by name from the bytes of a safetensors file."""
    buffer = np.frombuffer(bytearray(data), np.uint8)
    return {name: tensor_at(buffer, entry) for name, entry in entries(buffer, "the given bytes")[0].items()}


def load_file(filename: str | os.PathLike, device: Any = "cpu") -> dict[str, Tensor]:
    """Tensors by name from a safetensors file.

    Raises: FileNotFoundError; FileError naming the file and what is wrong with it.
    """
    buffer = np.fromfile(filename, np.uint8)
    return {name: tensor_at(buffer, entry) for name, entry in entries(buffer, filename)[0].items()}


def entries(buffer: np.ndarray, name) -> tuple[dict[str, tuple[DType, tuple[int, ...], int, int]], dict[str, str]]:
    """(name -> (dtype, shape, start, end), metadata) from a whole file. Raises FileError for a damaged header."""
    if len(buffer) < 8:
        raise damaged(name, f"is no safetensors file: it has {len(buffer)} bytes, the header's length alone takes 8")
    length = int.from_bytes(buffer[:8].tobytes(), "little")
    if length > LONGEST_HEADER or length + 8 > len(buffer):
        raise damaged(name, f"announces a header of {length} bytes and has {len(buffer)} bytes in all")
    try:
        header = json.loads(buffer[8 : 8 + length].tobytes(), object_pairs_hook=without_doubles)
    except (ValueError, RecursionError) as error:
        raise damaged(name, f"has a header that is not JSON ({error})") from None
    if not isinstance(header, dict):
        raise damaged(name, "has a header that is no JSON object")
    metadata = header.pop("__metadata__", {})
    found = {key: entry(name, key, value, 8 + length, len(buffer)) for key, value in header.items()}
    check_whole(name, found, 8 + length, len(buffer))
    return found, metadata


def without_doubles(pairs: list) -> dict:
    """The object of these pairs. Raises ValueError where a name stands in it twice: readers would differ about it."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in names if names.count(key) > 1)!r} is in it twice")
    return made


def whole(numbers) -> tuple[int, ...]:
    """The numbers, which must be whole. Raises: TypeError."""
    if not isinstance(numbers, list) or not all(type(n) is int for n in numbers):
        raise TypeError("whole numbers are needed")
    return tuple(numbers)


def entry(name, key: str, value, base: int, end_of_file: int):
    """One tensor's place, checked against its shape and the file's length."""
    try:
        code, shape, (start, end) = value["dtype"], whole(value["shape"]), whole(value["data_offsets"])
        start, end = base + start, base + end
    except (TypeError, KeyError, ValueError):
        raise damaged(name, f"describes the tensor {key!r} without dtype, shape and data_offsets") from None
    if not isinstance(code, str) or code not in DTYPES:
        raise FileError(
            message("load_file", f"{name}: tensor {key!r} has the dtype {code}, which Dovetail does not have")
        )
    dtype = as_dtype(DTYPES[code])
    if min(shape, default=0) < 0 or end - start != int(np.prod(shape, dtype=object)) * dtype.itemsize:
        raise damaged(name, f"gives the tensor {key!r} {end - start} bytes for the shape {shape} of {dtype.name}")
    if end > end_of_file or start < base:
        raise damaged(name, f"ends at byte {end_of_file}, the tensor {key!r} at byte {end}")
    return dtype, shape, start, end


def check_whole(name, found, base: int, end_of_file: int) -> None:
    """Tensors follow each other without holes or overlaps, up to the last byte."""
    at = base
    for key, (_, _, start, end) in sorted(found.items(), key=lambda item: item[1][2:]):
        if start != at:
            raise damaged(name, f"has the tensor {key!r} at byte {start} instead of {at}")
        at = end
    if at != end_of_file:
        raise damaged(name, f"has {end_of_file - at} bytes after its last tensor")


def tensor_at(buffer: np.ndarray, place) -> Tensor:
    dtype, shape, start, end = place
    part = buffer[start:end]
    if part.ctypes.data % dtype.itemsize:
        part = part.copy()
    return Tensor.from_array(part.view(dtype.np).reshape(shape))


class safe_open:
    """A safetensors file whose tensors are read one by one: `with safe_open(path) as f: f.get_tensor("weight")`.

    framework, device: accepted, as the package takes them.
    """

    def __init__(self, filename: str | os.PathLike, framework: str = "pt", device: Any = "cpu"):
        self.filename = filename
        size = os.path.getsize(filename)
        if size == 0:
            raise damaged(filename, "is empty")
        with open(filename, "rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self.buffer = np.frombuffer(self.map, np.uint8)
        self.places, self.info = entries(self.buffer, filename)

    def __enter__(self) -> safe_open:
        return self

    def __exit__(self, *exc) -> None:
        return None

    def keys(self) -> Iterable[str]:
        """Names of the tensors."""
        return list(self.places)

    def metadata(self) -> dict[str, str]:
        """The texts stored beside the tensors."""
        return self.info

    def get_tensor(self, name: str) -> Tensor:
        """One tensor; its memory is the file's until somebody writes to it."""
        if name not in self.places:
            raise FileError(message("safe_open", f"{self.filename} does not contain tensor {name}"))
        return tensor_at(self.buffer, self.places[name])
