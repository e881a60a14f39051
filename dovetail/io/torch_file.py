"""PyTorch's checkpoint files (.pt, .pth): dovetail.save and dovetail.load.

A zip archive, stored without compression: data.pkl speaks of storages by number, data/0, data/1, ... hold their bytes
on 64-byte boundaries, so that they can be mapped into memory. Files from before PyTorch 1.6 are five pickles and then
the storages (see older_file.py). Files go both ways between PyTorch and Dovetail; reading never runs anything (see
pickled.py), and nothing in an archive ever becomes a file of its name.
"""

from __future__ import annotations

import ctypes
import io
import mmap as memory_map
import os
import pickle
import struct
import sys
import zipfile
import zlib
from typing import IO, Any

import numpy as np

from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, FileError, message
from dovetail.io import older_file
from dovetail.io.atomic import damaged, written_whole
from dovetail.io.locations import Place, placing
from dovetail.io.pickled import Unpickler, dumps

ALIGNMENT = 64
LARGEST_PICKLE = 256 * 2**20  # bytes; data.pkl holds names and numbers, not weights
UNREADABLE = (
    pickle.UnpicklingError,
    EOFError,
    UnicodeDecodeError,
    struct.error,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    ValueError,
    OverflowError,
    RecursionError,
    NotImplementedError,
    zlib.error,
)
DATE = (1980, 1, 1, 0, 0, 0)  # no time in the file: the same content gives the same bytes


def save(
    obj: Any,
    f: str | os.PathLike | IO[bytes],
    pickle_module=None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write an object made of tensors, numbers, texts and containers to a file that PyTorch and Dovetail read.

    f: a path (the file appears whole or not at all) or a binary file.
    _use_new_zipfile_serialization: False writes the format from before PyTorch 1.6.
    pickle_module, pickle_protocol, _disable_byteorder_record: accepted; files are always of protocol 2.

    Whole modules are saved as PyTorch saves them, layers by their names there. state_dict() is better to save:
    it does not depend on where a class is defined.
    """
    archived = _use_new_zipfile_serialization
    if isinstance(f, (str, os.PathLike)):
        with written_whole(f) as file:
            if archived:
                write_archive(obj, file, os.path.splitext(os.path.basename(os.fspath(f)))[0] or "archive")
            else:
                older_file.write(obj, file)
    elif hasattr(f, "write"):
        write_archive(obj, f, "archive") if archived else older_file.write(obj, f)
    else:
        raise ArgumentError(
            message(
                "save",
                f"f takes a path or a file to write to, got {type(f).__name__}",
                [],
                "dovetail.save(object, path)",
            )
        )


def write_archive(obj: Any, file: IO[bytes], root: str) -> None:
    text, storages = dumps(obj)
    seekable = file if getattr(file, "seekable", lambda: False)() else None
    target = seekable if seekable is not None else io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in (
            ("data.pkl", text),
            (".format_version", b"1"),
            (".storage_alignment", b"64"),
            ("byteorder", sys.byteorder.encode()),
        ):
            add(archive, f"{root}/{name}", data)
        for ref, storage in storages:
            memory = (ctypes.c_char * (ref.numel * ref.dtype.itemsize)).from_address(storage.ptr)
            add(archive, f"{root}/data/{ref.key}", memory)
        add(archive, f"{root}/version", b"3\n")
    if seekable is None:
        file.write(target.getvalue())


def add(archive: zipfile.ZipFile, name: str, data) -> None:
    """One entry, its bytes on a 64-byte boundary: the extra field of its header is the padding."""
    info = zipfile.ZipInfo(name, DATE)
    start = archive.fp.tell() + 30 + len(name.encode()) + 4
    padding = -start % ALIGNMENT
    info.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
    archive.writestr(info, data)


def load(
    f: str | os.PathLike | IO[bytes],
    map_location=None,
    pickle_module=None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read a file written by dovetail.save or torch.save. Nothing in it is run.

    map_location: None, a device or its name, a dict from names to names, or a function of (storage, name). All tensors
    come to the CPU; a place that this machine does not have raises.
    weights_only: False also rebuilds whole modules (torch's layers, and classes that this program has defined) and
    objects of the program's own classes; their code is the program's own. Nothing else is ever called.
    mmap: map the file into memory instead of reading it; needs a path.
    pickle_module, and what else PyTorch hands to pickle: accepted.

    Raises: FileNotFoundError; FileError naming the file and what is wrong, or the class that was refused; DeviceError.
    """
    place, own = placing(map_location), weights_only is False
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return read(file, os.fspath(f), bool(mmap), own, place)
    if mmap:
        raise ArgumentError(message("load", "f must be a file path in order to use the mmap argument"))
    if not hasattr(f, "read"):
        raise ArgumentError(message("load", f"f takes a path or a binary file, got {type(f).__name__}"))
    data = f if getattr(f, "seekable", lambda: False)() else io.BytesIO(f.read())
    return read(data, getattr(f, "name", "the given file"), False, own, place)


def read(file: IO[bytes], name: str, mapped: bool, own_classes: bool, place: Place) -> Any:
    """The object in a file of either format.

    Raises: FileError for everything that can be wrong with the file.
    """
    kind = kind_of(file, name)
    try:
        if kind == "older":
            if mapped:
                raise FileError(message("load", f"{name}: mmap=True needs the zip format", [], older_file.RENEW))
            return older_file.read(file, name, own_classes, place)
        with zipfile.ZipFile(file) as archive:
            reader = Reader(archive, file, name, mapped)
            with io.BytesIO(reader.pickle()) as text:
                return Unpickler(text, reader.storage, name, own_classes, place).load()
    except zipfile.BadZipFile as error:
        raise damaged(name, f"is a damaged archive: {error}") from None
    except MemoryError:
        raise damaged(name, "asks for more memory than there is") from None
    except UNREADABLE as error:
        if isinstance(error, FileError):
            raise
        raise damaged(name, f"holds an unreadable pickle: {error}") from error


def kind_of(file: IO[bytes], name: str) -> str:
    """ "zip" or "older". Raises FileError for what is plainly neither, saying what it is."""
    here = file.tell()
    start = file.read(len(older_file.MAGIC))
    file.seek(here)
    if start[:4] == b"PK\x03\x04":
        return "zip"
    if start == older_file.MAGIC:
        return "older"
    if not start:
        raise damaged(name, "is empty")
    if start[:1] == b"\x80":
        raise damaged(name, "is a bare pickle and no checkpoint", "A checkpoint is a file written by save().")
    raise damaged(
        name, f"is no checkpoint: it begins with {start[:8]!r}", "A checkpoint is a zip archive written by save()."
    )


class Reader:
    """The entries of one archive."""

    def __init__(self, archive: zipfile.ZipFile, file: IO[bytes], name: str, mapped: bool):
        self.archive, self.file, self.name = archive, file, name
        pickles = [n for n in archive.namelist() if n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise damaged(name, "is a zip archive without data.pkl", "A checkpoint is an archive written by save().")
        self.root = pickles[0][: -len("data.pkl")]
        self.swapped = self.byteorder() != sys.byteorder
        self.map = None
        if mapped and not self.swapped:
            self.map = np.frombuffer(memory_map.mmap(file.fileno(), 0, access=memory_map.ACCESS_COPY), np.uint8)

    def byteorder(self) -> str:
        try:
            return self.archive.read(self.root + "byteorder").decode()
        except KeyError:
            return "little"

    def size_of(self, entry: str) -> int:
        """How many bytes the entry says it unpacks to."""
        try:
            return self.archive.getinfo(self.root + entry).file_size
        except KeyError:
            raise damaged(self.name, f"has no entry {entry!r}") from None

    def pickle(self) -> bytes:
        """data.pkl, unless it would unpack to more than any checkpoint's."""
        size = self.size_of("data.pkl")
        if size > LARGEST_PICKLE:
            raise damaged(self.name, f"has a data.pkl that unpacks to {size} bytes", "No checkpoint needs that.")
        return self.archive.read(self.root + "data.pkl")

    def bytes_of(self, entry: str, at_most: int) -> bytes:
        """The entry's first `at_most` bytes; the rest is never unpacked."""
        if self.size_of(entry) <= at_most:
            return self.archive.read(self.root + entry)  # whole: its checksum is looked at
        with self.archive.open(self.root + entry) as file:
            return file.read(at_most)

    def storage(self, key: str, dtype: DType, numel: int) -> np.ndarray:
        """One storage as an array, checked for its length."""
        wanted, there = numel * dtype.itemsize, self.size_of(f"data/{key}")
        if numel < 0 or there < wanted:
            fact = f"holds {there} bytes in data/{key}, {numel} elements of {dtype.name} need {wanted}"
            raise damaged(self.name, fact)
        if self.map is not None:
            data: Any = self.mapped(f"data/{key}")
        else:
            data = bytearray(self.bytes_of(f"data/{key}", wanted))
        array = np.frombuffer(data, np.uint8)[:wanted].view(dtype.np)
        return array.byteswap() if self.swapped else array

    def mapped(self, entry: str) -> np.ndarray:
        """The bytes of a stored entry where they lie in the file."""
        try:
            info = self.archive.getinfo(self.root + entry)
        except KeyError:
            raise damaged(self.name, f"has no entry {entry!r}") from None
        if info.compress_type != zipfile.ZIP_STORED:
            raise FileError(message("load", f"{self.name}: mmap=True needs an uncompressed archive"))
        name_length, extra_length = struct.unpack(
            "<HH", self.map[info.header_offset + 26 : info.header_offset + 30].tobytes()
        )
        start = info.header_offset + 30 + name_length + extra_length
        return self.map[start : start + info.file_size]
