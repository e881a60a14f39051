"""PyTorch's checkpoint files from before version 1.6: five pickles, then the storages one after the other.

The pickles: a magic number, the version of the protocol, facts of the machine, the object, the keys of its storages in
the order of the file. Each storage is its number of elements (eight bytes), then the elements. So the object is known
before its memory: storages are made empty first, grow to the size the pickle names, and are filled at the end.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import struct
import sys
from typing import IO, Any

import numpy as np

from dovetail.base.dtypes import DType
from dovetail.base.errors import FileError
from dovetail.io.atomic import damaged
from dovetail.io.locations import Place
from dovetail.io.pickled import Unpickler, dumps

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
MAGIC = pickle.dumps(MAGIC_NUMBER, 2)
VERSION = 1001
MACHINE = {
    "protocol_version": VERSION,
    "little_endian": sys.byteorder == "little",
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
RENEW = "Load it without mmap and save it again: save(load(path), path)."


def write(obj: Any, file: IO[bytes]) -> None:
    """The object in this format."""
    text, storages = dumps(obj, older=True)
    for head in (MAGIC_NUMBER, VERSION, MACHINE):
        pickle.dump(head, file, 2)
    file.write(text)
    pickle.dump([ref.key for ref, _ in storages], file, 2)
    for ref, storage in storages:
        file.write(struct.pack("<q", ref.numel))
        file.write((ctypes.c_char * (ref.numel * ref.dtype.itemsize)).from_address(storage.ptr))


class Heads(pickle.Unpickler):
    """The pickles around the object: numbers, texts, lists and dicts, which need no name at all."""

    def find_class(self, module: str, name: str):
        raise pickle.UnpicklingError(f"{module}.{name} in the file's head")


def read(file: IO[bytes], name: str, own_classes: bool, place: Place) -> Any:
    """The object of a file of this format. Raises FileError, or what pickle raises for a broken one."""
    if Heads(file).load() != MAGIC_NUMBER or Heads(file).load() != VERSION:
        raise damaged(name, "is of an unknown version of the old format")
    machine = Heads(file).load()
    swapped = machine.get("little_endian", True) != (sys.byteorder == "little")
    memory: dict[str, np.ndarray] = {}
    left = bytes_left(file)

    def storage(key: str, dtype: DType, numel: int) -> np.ndarray:
        nonlocal left
        left -= numel * dtype.itemsize
        if numel < 0 or left < 0:
            raise damaged(name, f"announces {numel} elements of {dtype.name} and is shorter than that")
        memory[key] = np.zeros(numel, dtype.np)
        return memory[key]

    found = Unpickler(file, storage, name, own_classes, place).load()
    keys = Heads(file).load()
    if set(map(str, keys)) != set(memory):
        raise FileError(f"load: {name} lists storages that no tensor uses, or has tensors without a storage")
    for key in map(str, keys):
        array = memory[key]
        count = struct.unpack("<q", exactly(file, 8, name))[0]
        if count != len(array):
            raise damaged(name, f"has {count} elements in storage {key!r} instead of {len(array)}")
        array[...] = np.frombuffer(exactly(file, array.nbytes, name), array.dtype)
        if swapped:
            array.byteswap(inplace=True)
    return found


def bytes_left(file: IO[bytes]) -> int:
    """How many bytes follow in a file that can be moved in."""
    here = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(here)
    return end - here


def exactly(file: IO[bytes], count: int, name: str) -> bytes:
    """So many bytes. Raises FileError where the file ends before."""
    data = file.read(count)
    if len(data) != count:
        raise damaged(name, f"ends inside its storages: {count} bytes wanted, {len(data)} there")
    return data
