"""Object code on disk, so that a program is compiled once on a machine and not once a run.

One file for each entry, named by the hash of everything the code depends on (`native.identity` and our own version).
A file begins with a line of its own: a mark, the version of the form, and the checksum of what follows; a file that
does not agree with itself is as good as absent. Writing goes to a temporary name first and is then renamed, so that
two writers never show half a file. Whatever goes wrong with the disk, the program runs: the cache is silent.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable

from dovetail.base.config import config
from dovetail.base.version import __version__

LIMIT = 256 << 20  # bytes on disk; the entries that were not used for the longest time go first
MARK = b"dovetail-code-1 "
SUFFIX = ".obj"
CHECK_EVERY = 64  # writes between two looks at the folder's size


class DiskCache:
    """A folder of object code. `folder` None keeps nothing.

    hits, misses, damaged: what happened so far, for `explain` and the tests.
    """

    def __init__(self, folder: str | None, limit: int = LIMIT):
        self.folder, self.limit = folder, limit
        self.hits = self.misses = self.damaged = 0
        self._writes = 0

    def __call__(self, identity: str, make: Callable[[], bytes]) -> bytes:
        """The code for everything in `identity`: from the disk, or made and put there."""
        if self.folder is None:
            return make()
        path = os.path.join(self.folder, key(identity) + SUFFIX)
        code = self._read(path)
        if code is not None:
            self.hits += 1
            return code
        self.misses += 1
        code = make()
        self._write(path, code)
        return code

    def _read(self, path: str) -> bytes | None:
        try:
            with open(path, "rb") as f:
                content = f.read()
        except OSError:
            return None
        head, _, code = content.partition(b"\n")
        if head != MARK + checksum(code):
            self.damaged += 1
            return None
        try:
            os.utime(path)  # the time of last use decides who goes first
        except OSError:
            pass
        return code

    def _write(self, path: str, code: bytes) -> None:
        temporary = None
        try:
            os.makedirs(self.folder, exist_ok=True)
            handle, temporary = tempfile.mkstemp(suffix=".tmp", dir=self.folder)
            with os.fdopen(handle, "wb") as f:
                f.write(MARK + checksum(code) + b"\n" + code)
            os.replace(temporary, path)
        except OSError:
            if temporary is not None:
                remove(temporary)
            return
        if self._writes % CHECK_EVERY == 0:
            self.evict()
        self._writes += 1

    def evict(self) -> None:
        """Remove the entries that were not used for the longest time until the folder is within its limit."""
        try:
            entries = [(e.stat().st_mtime, e.stat().st_size, e.path) for e in os.scandir(self.folder) if ours(e)]
        except OSError:
            return
        total = sum(size for _, size, _ in entries)
        if total <= self.limit:
            return
        for _, size, path in sorted(entries):  # down to three quarters, so that the next write need not look again
            if total <= self.limit * 3 // 4:
                break
            remove(path)
            total -= size


def ours(entry: os.DirEntry) -> bool:
    """Whether a file of the folder was written by us (a .tmp is left behind by a process that was killed)."""
    return entry.name.endswith((SUFFIX, ".tmp")) and entry.is_file(follow_symlinks=False)


def remove(path: str) -> None:
    """Delete a file that somebody else may just have deleted."""
    try:
        os.remove(path)
    except OSError:
        pass


def key(identity: str) -> str:
    return hashlib.sha256(f"{__version__}\n{identity}".encode()).hexdigest()[:40]


def checksum(code: bytes) -> bytes:
    return hashlib.blake2b(code, digest_size=16).hexdigest().encode()


_current: DiskCache | None = None


def disk_cache() -> DiskCache:
    """The cache in the folder that `config.cache_dir` names."""
    global _current
    if _current is None or _current.folder != config.cache_dir:
        _current = DiskCache(config.cache_dir)
    return _current
