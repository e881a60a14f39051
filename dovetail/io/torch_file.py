"""PyTorch's checkpoint files (.pt, .pth): dovetail.save and dovetail.load.

A zip archive, stored without compression: data.pkl speaks of storages by number, data/0, data/1, ... hold their bytes
on 64-byte boundaries, so that they can be mapped into memory. Files go both ways between PyTorch and Dovetail; reading
never runs anything (see pickled.py).
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
from typing import IO, Any

import numpy as np

from dovetail.base.dtypes import DType
from dovetail.base.errors import ArgumentError, FileError, message
from dovetail.io.atomic import damaged, written_whole
from dovetail.io.pickled import Unpickler, dumps

ALIGNMENT = 64
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

    f: a path (the file appears whole or not at all) or a binary file. The other arguments are accepted.
    """
    if isinstance(f, (str, os.PathLike)):
        with written_whole(f) as file:
            write_archive(obj, file, os.path.splitext(os.path.basename(os.fspath(f)))[0] or "archive")
    elif hasattr(f, "write"):
        write_archive(obj, f, "archive")
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

    map_location: accepted; every tensor comes to the CPU.
    weights_only: False also rebuilds modules whose classes this program has defined; their code is the program's own.
    mmap: map the file into memory instead of reading it; needs a path.

    Raises: FileNotFoundError; FileError naming the file and what is wrong, or the class that was refused.
    """
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return read_archive(file, os.fspath(f), mmap, weights_only is False)
    if mmap:
        raise ArgumentError(message("load", "f must be a file path in order to use the mmap argument"))
    if not hasattr(f, "read"):
        raise ArgumentError(message("load", f"f takes a path or a binary file, got {type(f).__name__}"))
    data = f if getattr(f, "seekable", lambda: False)() else io.BytesIO(f.read())
    return read_archive(data, getattr(f, "name", "the given file"), False, weights_only is False)


def read_archive(file: IO[bytes], name: str, mapped: bool | None, own_classes: bool) -> Any:
    check_kind(file, name)
    try:
        with zipfile.ZipFile(file) as archive:
            reader = Reader(archive, file, name, bool(mapped))
            with io.BytesIO(reader.bytes_of("data.pkl")) as text:
                return Unpickler(text, reader.storage, name, own_classes).load()
    except zipfile.BadZipFile as error:
        raise damaged(name, f"is a damaged archive: {error}") from None
    except (
        pickle.UnpicklingError,
        EOFError,
        UnicodeDecodeError,
        struct.error,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        ValueError,
    ) as error:
        if isinstance(error, FileError):
            raise
        raise damaged(name, f"holds an unreadable pickle: {error}") from error


def check_kind(file: IO[bytes], name: str) -> None:
    """Raise for what is plainly no archive of ours, saying what it is."""
    here = file.tell()
    start = file.read(8)
    file.seek(here)
    if start[:4] == b"PK\x03\x04":
        return
    if not start:
        raise damaged(name, "is empty")
    if start[:2] == b"\x80\x02" or start[:1] == b"\x80":
        raise FileError(
            message(
                "load",
                f"{name} is a checkpoint in PyTorch's format from before version 1.6 (a bare pickle)",
                [],
                "Load it once with PyTorch and save it again: torch.save(torch.load(path, weights_only=True), path)",
            )
        )
    raise damaged(
        name, f"is no checkpoint: it begins with {start!r}", "A checkpoint is a zip archive written by save()."
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

    def bytes_of(self, entry: str) -> bytes:
        try:
            return self.archive.read(self.root + entry)
        except KeyError:
            raise damaged(self.name, f"has no entry {entry!r}") from None

    def storage(self, key: str, dtype: DType, numel: int) -> np.ndarray:
        """One storage as an array, checked for its length."""
        if self.map is not None:
            data: Any = self.mapped(f"data/{key}")
        else:
            data = bytearray(self.bytes_of(f"data/{key}"))
        if len(data) < numel * dtype.itemsize:
            raise damaged(
                self.name,
                f"holds {len(data)} bytes in data/{key}, {numel} elements of {dtype.name} need "
                f"{numel * dtype.itemsize}",
            )
        array = np.frombuffer(data, np.uint8)[: numel * dtype.itemsize].view(dtype.np)
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
