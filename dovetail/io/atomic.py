"""Files that are either wholly written or not there: a temporary file in the same folder, then one rename."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from dovetail.base.errors import FileError, message


@contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """A binary file to write to; it takes the name `path` when the block ends well and vanishes when it does not."""
    path = os.fspath(path)
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"Parent directory {folder} does not exist.")
    handle, temporary = tempfile.mkstemp(dir=folder, prefix="." + os.path.basename(path)[:80] + ".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp gives 0600; a saved model is an ordinary file
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def damaged(
    path, fact: str, cure: str = "The file was cut short or changed after it was written; copy or save it again."
) -> FileError:
    """The error for a file whose content is not what it should be."""
    return FileError(
        message("load", f"{os.fspath(path) if isinstance(path, (str, os.PathLike)) else path!r} {fact}", cure=cure)
    )
