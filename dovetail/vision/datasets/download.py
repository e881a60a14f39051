"""Fetching a file from mirrors: checked, then put in place in one move, so a broken download leaves nothing."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from dovetail.base.errors import FileError, message

SECONDS = 30  # without an answer; then the next mirror is tried


def fetch(addresses: Sequence[str], target: Path, *, digest: str, call: str, cure: str) -> Path:
    """Download the first address that answers with the right bytes to `target`; return `target`.

    digest: "md5:..." or "sha256:..." of the file. call and cure: the words of the error.
    Raises: FileError naming each address and what went wrong there.
    """
    problems = []
    for address in addresses:
        try:
            content = _read(address)
        except (OSError, ValueError) as problem:  # URLError is an OSError
            problems.append((address, _reason(problem)))
            continue
        if matches(content, digest):
            _put(target, content, call)
            return target
        problems.append((address, f"sent {len(content)} bytes, but their {digest.partition(':')[0].upper()} is wrong"))
    raise FileError(message(call, f"could not download {target.name}", problems, cure))


def matches(content: bytes, digest: str) -> bool:
    """Whether `content` has the digest, given as "md5:..." or "sha256:..."."""
    kind, _, expected = digest.partition(":")
    return hashlib.new(kind, content, usedforsecurity=False).hexdigest() == expected


def _read(address: str) -> bytes:
    request = urllib.request.Request(address, headers={"User-Agent": "dovetail"})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return answer.read()


def _reason(problem: Exception) -> str:
    if isinstance(problem, urllib.error.HTTPError):
        return f"answered {problem.code} {problem.reason}"
    return f"no answer: {getattr(problem, 'reason', problem)}"


def _put(target: Path, content: bytes, call: str) -> None:
    """Write beside the target, then rename: another process sees the whole file or none."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=target.parent, prefix=target.name + ".")
    except OSError as problem:
        raise FileError(
            message(
                call, f"cannot write to {target.parent}", [("the system says", str(problem))], "Choose another folder."
            )
        ) from problem
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(beside, target)
    except BaseException:
        os.unlink(beside)
        raise
