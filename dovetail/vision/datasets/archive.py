"""Reading files out of a tar archive without unpacking it: no path in the archive ever reaches the disk."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from dovetail.base.errors import FileError, message

LARGEST = 200 * 2**20  # bytes of one member; CIFAR's largest has 31 million


def members(path: Path, names: Iterable[str], call: str) -> dict[str, bytes]:
    """The contents of plain files of the archive.

    Raises: FileError if a file is missing, is a link or anything else but a plain file, is larger than any file of a
    data set, or the archive is damaged.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:*") as archive:
            for name in names:
                member = archive.getmember(name)
                if not member.isreg() or member.size > LARGEST:
                    facts = [("archive", str(path)), ("member", name), ("size", f"{member.size} bytes")]
                    raise FileError(message(call, "a member of the archive is not the plain file expected", facts))
                found[name] = archive.extractfile(member).read()
    except (KeyError, OSError, EOFError, tarfile.TarError, zlib.error) as problem:
        facts = [("archive", str(path)), ("problem", str(problem))]
        raise FileError(
            message(call, "the archive cannot be read", facts, "Delete it and download it again.")
        ) from problem
    return found
