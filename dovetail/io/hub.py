"""torch.hub: where downloaded weights are kept, fetching one by its address, and models of a folder's hubconf.py.

Code of other people is not fetched: `load`, `list` and `help` take a folder that is there (source="local").
"""

from __future__ import annotations

import builtins
import hashlib
import importlib.util
import os
import re
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from dovetail.base.errors import ArgumentError, FileError, NotCovered, message
from dovetail.io.atomic import written_whole
from dovetail.io.torch_file import load as load_file

__all__ = [
    "download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "load_url", "set_dir",
]  # fmt: skip
HASH = re.compile(r"-([a-f0-9]*)\.")  # in a file's name: resnet18-f37072fd.pth
SECONDS = 60  # without an answer
CHOSEN: builtins.list[str] = []


def get_dir() -> str:
    """The folder: what set_dir has said, else $TORCH_HOME/hub, by default ~/.cache/torch/hub."""
    if CHOSEN:
        return CHOSEN[-1]
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME") or os.path.join(cache, "torch")
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike) -> None:
    """Keep files in that folder from now on."""
    CHOSEN[:] = [os.path.expanduser(os.fspath(d))]


def download_url_to_file(
    url: str, dst: str | os.PathLike, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Fetch an address into a file, which appears whole or not at all.

    hash_prefix: what the SHA-256 of the content must begin with.
    Raises: FileError if there is no answer, or the content is another one.
    """
    digest = hashlib.sha256()
    request = urllib.request.Request(url, headers={"User-Agent": "dovetail"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer, written_whole(dst) as file:
            while part := answer.read(2**20):
                digest.update(part)
                file.write(part)
            if hash_prefix and not digest.hexdigest().startswith(hash_prefix):
                facts = [("expected", hash_prefix), ("received", digest.hexdigest())]
                raise FileError(message("download_url_to_file", f"{url} sent another file than its name says", facts))
    except (OSError, ValueError) as problem:
        if isinstance(problem, FileError):
            raise
        cure = f"On a machine without network, put the file at {os.fspath(dst)}."
        facts = [("address", url), ("problem", str(problem))]
        raise FileError(message("download_url_to_file", "could not download the file", facts, cure)) from problem


def load_state_dict_from_url(
    url: str,
    model_dir: str | os.PathLike | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """What a file of weights holds; fetched first where it is not in the folder yet.

    check_hash: the file's name says what its SHA-256 begins with.
    Raises: FileError if it cannot be fetched or read.
    """
    folder = Path(model_dir).expanduser() if model_dir else Path(get_dir()) / "checkpoints"
    name = file_name or os.path.basename(urllib.parse.urlparse(url).path)
    target = folder / name
    if not target.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        found = HASH.search(name) if check_hash else None
        download_url_to_file(url, target, found[1] if found else None, progress)
    return load_file(target, map_location=map_location, weights_only=weights_only)


load_url = load_state_dict_from_url  # torch.utils.model_zoo's word


def entries(call: str, folder: Any, source: str) -> Any:
    """The module of a folder's hubconf.py. The folder is on the path while it is read."""
    if source not in ("local", "github"):
        problem = f'Unknown source: "{source}". Allowed values: "github" | "local".'
        raise ArgumentError(message(call, problem))
    if source == "github":
        raise NotCovered(
            message(
                call,
                f"code is not fetched from {folder!r}",
                [],
                "Clone the repository and pass its folder with source='local'. The networks of torchvision are in\n"
                "torchvision.models, and load_state_dict_from_url fetches weights.",
            )
        )
    path = Path(folder).expanduser() / "hubconf.py"
    if not path.is_file():
        raise FileError(message(call, f"there is no {path}"))
    spec = importlib.util.spec_from_file_location("hubconf", path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    before = [*sys.path]
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)  # type: ignore[union-attr]
    finally:
        sys.path[:] = before
    missing = [n for n in getattr(module, "dependencies", []) if importlib.util.find_spec(n) is None]
    if missing:
        raise RuntimeError(message(call, f"Missing dependencies: {', '.join(missing)}", [], "pip install them"))
    return module


def entry(call: str, module: Any, name: str) -> Any:
    found = getattr(module, name, None)
    if not callable(found):
        raise RuntimeError(message(call, f"Cannot find callable {name} in hubconf"))
    return found


def load(repo_or_dir: Any, model: str, *args: Any, source: str = "github", **kwargs: Any) -> Any:
    """What the entry `model` of a folder's hubconf.py returns for the arguments. source: "local".

    Raises: NotCovered for source="github", as no code is fetched; FileError, RuntimeError.
    """
    for word in ("trust_repo", "force_reload", "verbose", "skip_validation"):
        kwargs.pop(word, None)
    return entry("hub.load", entries("hub.load", repo_or_dir, source), model)(*args, **kwargs)


def list(github: Any, *args: Any, source: str = "github", **kwargs: Any) -> builtins.list[str]:  # noqa: A001
    """The entries of a folder's hubconf.py."""
    module = entries("hub.list", github, source)
    return [n for n in dir(module) if callable(getattr(module, n)) and not n.startswith("_")]


def help(github: Any, model: str, *args: Any, source: str = "github", **kwargs: Any) -> str | None:  # noqa: A001
    """The docstring of an entry of a folder's hubconf.py."""
    return entry("hub.help", entries("hub.help", github, source), model).__doc__
