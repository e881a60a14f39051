"""How a worker process hands a batch over: arrays in memory that both processes map, the rest through a pipe.

The worker pickles the batch with its arrays out of band (pickle protocol 5) and writes them into one file of a folder
in memory (/dev/shm where there is one); the loader maps the file, removes its name at once, and the batch's tensors
stand on that mapping. Nothing large is copied through the pipe, so a pipe is never full of one batch.
"""

from __future__ import annotations

import mmap
import os
import pickle
import shutil
import tempfile
import weakref
from typing import Any

SMALL = 1 << 14  # bytes of arrays up to which they travel through the pipe
ALIGN = 64


class Folder:
    """The folder of one pool's files; removed when the pool is stopped or forgotten, and when the program ends."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="dovetail-loader-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.remove = weakref.finalize(self, shutil.rmtree, self.path, True)


def pack(value: Any, folder: str, name: str) -> tuple:
    """(pickle, buffers or None, file or None, lengths): what `unpack` makes the value of again."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    raws = [b.raw() for b in buffers]
    lengths = [r.nbytes for r in raws]
    if sum(lengths) <= SMALL:
        return body, [bytes(r) for r in raws], None, lengths
    path = os.path.join(folder, name)
    size = sum(aligned(n) for n in lengths)
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        os.ftruncate(fd, size)
        with mmap.mmap(fd, size) as memory:
            at = 0
            for raw, n in zip(raws, lengths, strict=True):
                memory[at : at + n] = raw
                at += aligned(n)
    finally:
        os.close(fd)
    return body, None, path, lengths


def unpack(packet: tuple) -> Any:
    """The value of a packet."""
    body, small, path, lengths = packet
    if path is None:
        return pickle.loads(body, buffers=[bytearray(b) for b in small])
    with open(path, "r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)
    os.unlink(path)
    view, at, parts = memoryview(memory), 0, []
    for n in lengths:
        parts.append(view[at : at + n])
        at += aligned(n)
    return pickle.loads(body, buffers=parts)


def aligned(n: int) -> int:
    return -(-n // ALIGN) * ALIGN
