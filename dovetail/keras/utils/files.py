"""Files from the net, kept in ~/.keras."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from dovetail.base.errors import FileError, message


def get_file(
    fname: str | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str = "auto",
    cache_dir: Any = None,
    force_download: bool = False,
) -> str:
    """The path of a file that is downloaded once. Source: keras.utils.get_file.

    Raises: FileError where the file cannot be had or its hash is wrong.
    """
    if origin is None:
        raise FileError(message("get_file", "origin=, the address, is missing"))
    home = Path(cache_dir or os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()
    target = home / cache_subdir / (fname or origin.rpartition("/")[2])
    expected = file_hash or md5_hash
    if force_download or not target.exists() or (expected and not right(target, expected)):
        download(origin, target, expected)
    if not (extract or untar):
        return str(target)
    place = target.with_name(target.name + "_extracted")
    if not place.exists():
        shutil.unpack_archive(target, place, **({"filter": "data"} if ".tar" in target.name else {}))  # type: ignore[arg-type]
    return str(place)


def right(path: Path, expected: str) -> bool:
    """Whether a file has the hash."""
    kind = "sha256" if len(expected) == 64 else "md5"
    return hashlib.new(kind, path.read_bytes(), usedforsecurity=False).hexdigest() == expected


def download(origin: str, target: Path, expected: str | None) -> None:
    """Fetch beside the target, check, then rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent)
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(origin, timeout=30) as answer:
            shutil.copyfileobj(answer, file)
        if expected and not right(beside, expected):
            raise FileError(message("get_file", f"{origin} sent a file with another hash", [("expected", expected)]))
        beside.replace(target)
    except urllib.error.URLError as problem:
        raise FileError(message("get_file", f"could not download {origin}: {problem.reason}")) from None
    finally:
        beside.unlink(missing_ok=True)
